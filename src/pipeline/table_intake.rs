//! What of a resource's pages enters one table: its schema as it widens, its rows on their way to the table's thread, and what is told of columns.
//!
//! In: the [`TableRows`] of each page, in order. Out: the [`TableStage`] with all of them in it. A resource has one table; what belongs to a
//! page, whatever tables it fills, is in [`crate::pipeline::intake`].

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;

use crate::base::{Warning, WarningCode};
use crate::config::ResourcePlan;
use crate::decode::{Note, NoteKind, TableRows};
use crate::lake::TableStage;
use crate::pipeline::columns::check_columns;
use crate::pipeline::contract;
use crate::pipeline::event::warn;
use crate::pipeline::header_watch::HeaderWatch;
use crate::pipeline::key_watch::{KeyWatch, Overruled};
use crate::pipeline::nested;
use crate::pipeline::table_thread::TableThread;
use crate::pipeline::told;
use crate::pipeline::{Events, RunError};
use crate::schema::{Column, TableSchema, reconcile};

/// Takes the rows of one table.
pub(super) struct TableIntake<'a> {
    resource: &'a ResourcePlan,
    /// The schema of last night.
    table: &'a TableSchema,
    /// The schema that decoding started from.
    start: Arc<TableSchema>,
    so_far: Arc<Mutex<Arc<TableSchema>>>,
    thread: TableThread,
    events: Events,
    is_first_page: bool,
    /// Columns of the table that no row of the run has had.
    unseen: BTreeSet<String>,
    /// Columns of which it was told that they are JSON because their objects have too many names.
    overgrown: BTreeSet<String>,
    /// Lists within records of which it was told that the API cut them short.
    cut_short: BTreeSet<String>,
    /// Those of which it was told that their values have no other type in common.
    conflicts: BTreeSet<String>,
    /// Numbers that were rounded, and where the first of them stood.
    rounded: (u64, Option<String>),
    keys: KeyWatch,
    headers: HeaderWatch,
}

/// A table with all its rows.
pub(super) struct TableTaken {
    /// The stage with all rows pushed.
    pub(super) stage: TableStage,
    /// Numbers that were rounded.
    pub(super) numbers_rounded: u64,
    /// What was seen of its keys.
    pub(super) overruled: Overruled,
    /// What no row has.
    pub(super) unseen: Unseen,
}

/// Columns that are missed of all rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Unseen {
    /// Columns of the table that no row has, not even with null; of a new table, those that the config declares.
    pub(crate) columns: BTreeSet<String>,
    /// Whether a header says so: a record may leave out what is empty, and a header does not.
    pub(crate) has_header: bool,
}

impl<'a> TableIntake<'a> {
    /// # Errors
    /// [`RunError::Internal`] without a thread.
    pub(super) fn new(
        resource: &'a ResourcePlan,
        table: &'a TableSchema,
        so_far: Arc<Mutex<Arc<TableSchema>>>,
        stage: TableStage,
        events: &Events,
    ) -> Result<Self, RunError> {
        let start = Arc::clone(&so_far.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self {
            resource,
            table,
            start,
            so_far,
            thread: TableThread::start(&resource.name, stage)?,
            events: Arc::clone(events),
            is_first_page: true,
            unseen: columns_missed(resource, table),
            overgrown: BTreeSet::new(),
            cut_short: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            rounded: (0, None),
            keys: KeyWatch::new(resource),
            headers: HeaderWatch::default(),
        })
    }

    /// Takes the rows of `page`, by its number.
    ///
    /// # Errors
    /// Whatever keeps them from the table: [`RunError::Schema`], what the contract refuses, whatever ended the table's thread.
    pub(super) async fn take(&mut self, taken: TableRows, page: u64) -> Result<(), RunError> {
        let has_rows = taken.rows.batch.num_rows() > 0;
        if has_rows {
            self.headers.note(&taken, page);
        }
        self.rounded.0 += taken.rounded_numbers;
        self.tell(taken.notes, page);
        self.widen_so_far(&taken.rows.schema, page)?;
        self.keys.note(&taken.rows.batch);
        self.tell_cut_short(&taken.rows.batch);
        if has_rows && !self.unseen.is_empty() {
            let columns = &taken.rows.schema.columns;
            let absent = taken.absent.iter().filter_map(|&at| columns.get(at)).map(|column| column.name.clone()).collect();
            self.unseen = self.unseen.intersection(&absent).cloned().collect();
        }
        if has_rows && std::mem::take(&mut self.is_first_page) {
            self.warn_of_columns();
        }
        if has_rows { self.thread.push(taken.rows).await } else { Ok(()) }
    }

    /// No more rows come; tells what is told once all are in.
    ///
    /// # Errors
    /// Whatever ended the table's thread.
    pub(super) async fn end(self) -> Result<TableTaken, RunError> {
        let (numbers_rounded, place) = &self.rounded;
        if let Some(place) = place {
            let Warning { code, text } = told::rounded(*numbers_rounded, place);
            self.warn(code, text);
        }
        warn(&self.events, &self.resource.name, self.headers.warnings(self.resource, self.table));
        let (numbers_rounded, overruled) = (*numbers_rounded, self.keys.seen());
        let unseen = Unseen { columns: self.unseen, has_header: self.headers.has_any() };
        Ok(TableTaken { stage: self.thread.end().await?, numbers_rounded, overruled, unseen })
    }

    fn warn(&self, code: WarningCode, text: String) {
        warn(&self.events, &self.resource.name, [Warning::new(code, text)]);
    }

    fn current(&self) -> Arc<TableSchema> {
        Arc::clone(&self.so_far.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells what became of columns in the page at hand: whoever queries them wants to know at once.
    fn tell(&mut self, notes: Vec<Note>, page: u64) {
        for Note { kind, column, path, record } in notes {
            let place = format!("{path} of record {} on page {page}", record + 1);
            match kind {
                NoteKind::Rounded => self.rounded.1 = self.rounded.1.take().or(Some(place)),
                NoteKind::Overgrown => self.tell_json(column, true, &place),
                NoteKind::Conflict => self.tell_json(column, false, &place),
            }
        }
    }

    /// The rest of such a list is nowhere in the table.
    fn tell_cut_short(&mut self, batch: &RecordBatch) {
        for (list, flag) in nested::cut_short(batch) {
            if self.cut_short.insert(list.clone()) {
                let column = list.split(['.', '[']).find(|name| !matches!(*name, "" | "$")).unwrap_or(&list);
                let text = format!(
                    "the API cuts the list `{list}` short in some records (`{flag}` is true), and the rest of it is not in the table; a child resource \
                     that asks for it by the record's id reads it whole, and `processing_steps: [{{drop: [{column}]}}]` leaves it out"
                );
                self.warn(WarningCode::ListCutShort, text);
            }
        }
    }

    /// Tells once that a column is JSON text, and where that began.
    fn tell_json(&mut self, column: String, is_overgrown: bool, place: &str) {
        let told = if is_overgrown { &mut self.overgrown } else { &mut self.conflicts };
        if !told.insert(column.clone()) {
            return;
        }
        let Warning { code, text } = told::json_text(&column, is_overgrown, place);
        self.warn(code, text);
    }

    fn widen_so_far(&mut self, schema: &Arc<TableSchema>, page: u64) -> Result<(), RunError> {
        let current = self.current();
        if Arc::ptr_eq(&current, schema) || current == *schema {
            return Ok(());
        }
        let joined = current.join(schema);
        let place = format!("page {page}");
        current.json_with(schema).into_iter().for_each(|(column, is_overgrown)| self.tell_json(column, is_overgrown, &place));
        joined
            .check_limits()
            .and_then(|()| joined.check_names())
            .map_err(|source| RunError::Schema { resource: self.resource.name.clone(), source })?;
        contract::check_frozen(self.resource, (self.table, &self.start), (&joined, self.overgrown.first()), page)?;
        check_against(self.resource, self.table, &joined)?;
        if joined != *current {
            let is_new = |column: &&Column| current.column(&column.name).is_none_or(|known| known != *column);
            let columns: Vec<&str> = joined.columns.iter().filter(is_new).map(|column| column.name.as_str()).collect();
            tracing::debug!(resource = self.resource.name, page, columns = columns.join(", "), "the schema is wider");
            *self.so_far.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(joined);
        }
        Ok(())
    }

    /// A misspelt column is an error once all records are in; who waits for hours wants to know before.
    fn warn_of_columns(&self) {
        if let Err(error) = check_columns(self.resource, &self.current()) {
            self.warn(WarningCode::ColumnNotSeenYet, format!("{error} (as far as the first page tells)"));
        }
    }
}

/// Checks that last night's table can have this run's schema: as soon as it is known, not when all pages are in.
///
/// # Errors
/// [`RunError::Schema`] for a key of another type and for a declaration that takes values away.
pub(super) fn check_against(resource: &ResourcePlan, table: &TableSchema, schema: &TableSchema) -> Result<(), RunError> {
    let change = reconcile(table, schema, &resource.primary_key);
    change.map(drop).map_err(|source| RunError::Schema { resource: resource.name.clone(), source })
}

/// Columns of which some record is missed: all of the table; of a new one, those that the config declares.
fn columns_missed(resource: &ResourcePlan, table: &TableSchema) -> BTreeSet<String> {
    let declared = || resource.columns.iter().filter(|hint| hint.declared.is_some()).map(|hint| hint.name.clone());
    if table.columns.is_empty() { declared().collect() } else { table.columns.iter().map(|column| column.name.clone()).collect() }
}
