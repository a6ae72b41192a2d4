//! The receiving end of a resource: accepted pages in, rows to the table's thread, values to the children.
//!
//! In: the queues of its chains, one after the other. Out: [`Taken`], in which every record is counted. What a page taught about the schema
//! joins what all earlier ones taught, in the order of the rows.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use tokio::sync::mpsc;

use crate::base::{Warning, WarningCode};
use crate::config::{OnReject, ResourcePlan};
use crate::decode::{Note, NoteKind, Reject};
use crate::lake::{RejectLog, TableStage};
use crate::pipeline::chain::Accepted;
use crate::pipeline::columns::check_columns;
use crate::pipeline::contract;
use crate::pipeline::event::warn;
use crate::pipeline::key_watch::KeyWatch;
use crate::pipeline::nested;
use crate::pipeline::parents::{ParentLog, ParentRecords};
use crate::pipeline::table_thread::TableThread;
use crate::pipeline::told;
use crate::pipeline::{Event, Events, RunError, ShapedFacts};
use crate::schema::{TableSchema, reconcile};

/// Takes the pages of one resource.
pub(crate) struct Intake<'a> {
    resource: &'a ResourcePlan,
    /// The schema of last night.
    table: &'a TableSchema,
    /// The schema that decoding started from.
    start: Arc<TableSchema>,
    so_far: Arc<Mutex<Arc<TableSchema>>>,
    /// `None` for a resource that is read for its children only.
    thread: Option<TableThread>,
    for_children: Option<ParentLog>,
    rejects: RejectLog,
    name: Arc<str>,
    events: Events,
    is_first_page: bool,
    pages: u64,
    records: u64,
    /// Those of them that are of the page at hand.
    page_records: u64,
    duplicate_members: u64,
    replaced_characters: u64,
    shaped: ShapedFacts,
    /// Columns of the table that no row of the run has had.
    unseen: BTreeSet<String>,
    /// Columns of which it was told that they are JSON because their objects have too many names.
    overgrown: BTreeSet<String>,
    /// Lists within records of which it was told that the API cut them short.
    cut_short: BTreeSet<String>,
    /// Those of which it was told that their values have no other type in common.
    conflicts: BTreeSet<String>,
    /// The first number that was rounded.
    rounded: Option<String>,
    keys: KeyWatch,
}

/// All pages of a resource, taken.
pub(crate) struct Taken {
    /// The stage with all rows pushed.
    pub(crate) stage: Option<TableStage>,
    /// The schema once this run's rows are in it.
    pub(crate) schema: TableSchema,
    /// Records that could not become rows.
    pub(crate) rejects: RejectLog,
    /// The records, for the children.
    pub(crate) for_children: Option<Arc<ParentRecords>>,
    /// Pages taken.
    pub(crate) pages: u64,
    /// Records in them.
    pub(crate) records: u64,
    /// What the steps and the contract did to the records.
    pub(crate) shaped: ShapedFacts,
    /// Columns of the table that no row has, not even with null.
    pub(crate) unseen: BTreeSet<String>,
}

impl<'a> Intake<'a> {
    /// # Errors
    /// [`RunError::Schema`] when the table of last night cannot have the declared schema; [`RunError::Internal`] without a thread.
    pub(crate) fn new(
        resource: &'a ResourcePlan,
        table: &'a TableSchema,
        so_far: Arc<Mutex<Arc<TableSchema>>>,
        stage: Option<(TableStage, PathBuf)>,
        for_children: Option<ParentLog>,
        events: &Events,
    ) -> Result<Self, RunError> {
        let (stage, spool) = stage.map_or((None, PathBuf::new()), |(stage, spool)| (Some(stage), spool));
        let start = Arc::clone(&so_far.lock().unwrap_or_else(PoisonError::into_inner));
        let intake = Self {
            resource,
            table,
            start,
            so_far,
            thread: stage.map(|stage| TableThread::start(&resource.name, stage)).transpose()?,
            for_children,
            rejects: RejectLog::new(&resource.name, spool),
            name: Arc::from(resource.name.as_str()),
            events: Arc::clone(events),
            is_first_page: true,
            pages: 0,
            records: 0,
            page_records: 0,
            duplicate_members: 0,
            replaced_characters: 0,
            shaped: ShapedFacts::default(),
            unseen: columns_missed(resource, table),
            overgrown: BTreeSet::new(),
            cut_short: BTreeSet::new(),
            conflicts: BTreeSet::new(),
            rounded: None,
            keys: KeyWatch::new(resource),
        };
        intake.check_against(&intake.current())?;
        Ok(intake)
    }

    /// Takes every page of every queue, queue after queue.
    ///
    /// # Errors
    /// The first page that cannot be taken.
    pub(crate) async fn run(mut self, mut queues: mpsc::Receiver<mpsc::Receiver<Accepted>>) -> Result<Taken, RunError> {
        while let Some(mut queue) = queues.recv().await {
            while let Some(accepted) = queue.recv().await {
                self.take(accepted).await?;
            }
        }
        if self.duplicate_members > 0 {
            let text = format!(
                "{} members came twice in one object; the last of each counts; `duplicate_members: error` makes such records rejects",
                self.duplicate_members
            );
            self.warn(WarningCode::MembersRepeated, text);
        }
        if self.replaced_characters > 0 {
            let text = format!(
                "{} characters were none (half of a surrogate pair, invalid bytes) and are U+FFFD in the table",
                self.replaced_characters
            );
            self.warn(WarningCode::CharactersReplaced, text);
        }
        if self.shaped.characters_stripped > 0 {
            let text = format!("{} NUL characters were left out of texts", self.shaped.characters_stripped);
            self.warn(WarningCode::CharactersStripped, text);
        }
        if let Some(place) = &self.rounded {
            let Warning { code, text } = told::rounded(self.shaped.numbers_rounded, place);
            self.warn(code, text);
        }
        let schema = self.current().as_ref().clone();
        let names: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
        let stage = match self.thread {
            Some(thread) => Some(thread.end().await?),
            None => None,
        };
        Ok(Taken {
            stage,
            schema,
            rejects: self.rejects,
            for_children: self.for_children.map(|log| Arc::new(log.finish(names))),
            pages: self.pages,
            records: self.records,
            shaped: ShapedFacts { overruled: self.keys.seen(), ..self.shaped },
            unseen: self.unseen,
        })
    }

    async fn take(&mut self, accepted: Accepted) -> Result<(), RunError> {
        let Accepted { page, records, bytes, ends_page } = accepted;
        self.duplicate_members += page.duplicate_members;
        self.replaced_characters += page.replaced_characters;
        self.shaped.characters_stripped += page.stripped_characters;
        self.shaped.records_filtered += page.filtered;
        self.shaped.records_added += page.exploded;
        self.shaped.values_discarded += page.discarded_values;
        self.shaped.pages_null += u64::from(page.is_null);
        if let Some(log) = &mut self.for_children {
            page.for_children.iter().try_for_each(|values| log.push(values))?;
        }
        if self.thread.is_some() {
            self.take_rejects(page.rejects).await?;
            self.shaped.numbers_rounded += page.rounded_numbers;
            self.tell(page.notes);
            self.widen_so_far(&page.rows.schema)?;
            let has_rows = page.rows.batch.num_rows() > 0;
            self.keys.note(&page.rows.batch);
            self.tell_cut_short(&page.rows.batch);
            if has_rows && !self.unseen.is_empty() {
                let columns = &page.rows.schema.columns;
                let absent = page.absent.iter().filter_map(|&at| columns.get(at)).map(|column| column.name.clone()).collect();
                self.unseen = self.unseen.intersection(&absent).cloned().collect();
            }
            if has_rows && std::mem::take(&mut self.is_first_page) {
                self.warn_of_columns();
            }
            if let (true, Some(thread)) = (has_rows, &mut self.thread) {
                thread.push(page.rows).await?;
            }
        }
        self.records += records;
        self.page_records += records;
        if !ends_page {
            return Ok(());
        }
        self.pages += 1;
        let records = std::mem::take(&mut self.page_records);
        (self.events)(Event::Page { resource: Arc::clone(&self.name), records, bytes });
        Ok(())
    }

    fn warn(&self, code: WarningCode, text: String) {
        warn(&self.events, &self.name, [Warning::new(code, text)]);
    }

    fn current(&self) -> Arc<TableSchema> {
        Arc::clone(&self.so_far.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells what became of columns in the page at hand: whoever queries them wants to know at once.
    fn tell(&mut self, notes: Vec<Note>) {
        for Note { kind, column, path, record } in notes {
            let place = format!("{path} of record {} on page {}", record + 1, self.pages + 1);
            match kind {
                NoteKind::Rounded => self.rounded = self.rounded.take().or(Some(place)),
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

    fn widen_so_far(&mut self, page: &Arc<TableSchema>) -> Result<(), RunError> {
        let current = self.current();
        if Arc::ptr_eq(&current, page) || current == *page {
            return Ok(());
        }
        let joined = current.join(page);
        let place = format!("page {}", self.pages + 1);
        current.json_with(page).into_iter().for_each(|(column, is_overgrown)| self.tell_json(column, is_overgrown, &place));
        joined
            .check_limits()
            .and_then(|()| joined.check_names())
            .map_err(|source| RunError::Schema { resource: self.name.to_string(), source })?;
        contract::check_frozen(self.resource, (self.table, &self.start), (&joined, self.overgrown.first()), self.pages + 1)?;
        self.check_against(&joined)?;
        if joined != *current {
            *self.so_far.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(joined);
        }
        Ok(())
    }

    /// Checks that last night's table can have this run's schema: as soon as it is known, not when all pages are in.
    ///
    /// # Errors
    /// [`RunError::Schema`] for a key of another type and for a declaration that takes values away.
    fn check_against(&self, schema: &TableSchema) -> Result<(), RunError> {
        let change = reconcile(self.table, schema, &self.resource.primary_key);
        change.map(drop).map_err(|source| RunError::Schema { resource: self.resource.name.clone(), source })
    }

    /// A misspelt column is an error once all records are in; who waits for hours wants to know before.
    fn warn_of_columns(&self) {
        if let Err(error) = check_columns(self.resource, &self.current()) {
            self.warn(WarningCode::ColumnNotSeenYet, format!("{error} (as far as the first page tells)"));
        }
    }

    async fn take_rejects(&mut self, rejects: Vec<Reject>) -> Result<(), RunError> {
        let Some(first) = rejects.first() else { return Ok(()) };
        let (resource, kept) = (self.name.to_string(), || Box::new(first.clone()));
        let count = self.rejects.count() + rejects.len() as u64;
        match self.resource.on_reject {
            OnReject::Fail => {
                let is_key = self.resource.primary_key.iter().any(|key| first.path.strip_prefix("$.") == Some(key));
                Err(RunError::Rejected { resource, first: kept(), rejects: rejects.len(), is_key })
            }
            OnReject::Quarantine { max_rejects: Some(max) } if count > max => {
                Err(RunError::TooManyRejects { resource, first: kept(), rejects: count, max })
            }
            OnReject::Quarantine { .. } => Ok(self.rejects.push(&rejects).await?),
        }
    }
}

/// Columns of which some record is missed: all of the table; of a new one, those that the config declares.
fn columns_missed(resource: &ResourcePlan, table: &TableSchema) -> BTreeSet<String> {
    let declared = || resource.columns.iter().filter(|hint| hint.declared.is_some()).map(|hint| hint.name.clone());
    if table.columns.is_empty() { declared().collect() } else { table.columns.iter().map(|column| column.name.clone()).collect() }
}
