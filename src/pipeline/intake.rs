//! The receiving end of a resource: accepted pages in, rows to its table, values to the children.
//!
//! In: the queues of its chains, one after the other. Out: [`Taken`], in which every record is counted. What enters the table is taken by
//! [`crate::pipeline::table_intake`]: what a page taught about its schema joins what all earlier ones taught, in the order of the rows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::base::{Warning, WarningCode, counted};
use crate::config::{OnReject, ResourcePlan};
use crate::decode::Reject;
use crate::lake::{RejectLog, TableStage};
use crate::pipeline::chain::Accepted;
use crate::pipeline::event::warn;
use crate::pipeline::parents::{ParentLog, ParentRecords};
use crate::pipeline::table_intake::{TableIntake, Unseen, check_against};
use crate::pipeline::{Event, Events, RunError, ShapedFacts};
use crate::schema::TableSchema;

/// Takes the pages of one resource.
pub(crate) struct Intake<'a> {
    resource: &'a ResourcePlan,
    so_far: Arc<Mutex<Arc<TableSchema>>>,
    /// `None` for a resource that is read for its children only.
    table: Option<TableIntake<'a>>,
    for_children: Option<ParentLog>,
    rejects: RejectLog,
    name: Arc<str>,
    events: Events,
    pages: u64,
    records: u64,
    /// Those of them that are of the page at hand.
    page_records: u64,
    duplicate_members: u64,
    replaced_characters: u64,
    shaped: ShapedFacts,
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
    pub(crate) unseen: Unseen,
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
        check_against(resource, table, &start)?;
        let taker = |stage| TableIntake::new(resource, table, Arc::clone(&so_far), stage, events);
        Ok(Self {
            resource,
            table: stage.map(taker).transpose()?,
            so_far,
            for_children,
            rejects: RejectLog::new(&resource.name, spool),
            name: Arc::from(resource.name.as_str()),
            events: Arc::clone(events),
            pages: 0,
            records: 0,
            page_records: 0,
            duplicate_members: 0,
            replaced_characters: 0,
            shaped: ShapedFacts::default(),
        })
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
                "{} came twice in one object; the last of each counts; `duplicate_members: error` makes such records rejects",
                counted(self.duplicate_members, "member")
            );
            self.warn(WarningCode::MembersRepeated, text);
        }
        if self.replaced_characters > 0 {
            let text = format!(
                "{} replaced by U+FFFD: half of a surrogate pair, or bytes that mean nothing",
                counted(self.replaced_characters, "character")
            );
            self.warn(WarningCode::CharactersReplaced, text);
        }
        if self.shaped.characters_stripped > 0 {
            let text = format!("{} left out of texts", counted(self.shaped.characters_stripped, "NUL character"));
            self.warn(WarningCode::CharactersStripped, text);
        }
        let schema = self.so_far.lock().unwrap_or_else(PoisonError::into_inner).as_ref().clone();
        let names: Vec<String> = schema.columns.iter().map(|column| column.name.clone()).collect();
        let (mut stage, mut unseen) = (None, Unseen::default());
        if let Some(table) = self.table {
            let taken = table.end().await?;
            (self.shaped.numbers_rounded, self.shaped.overruled) = (taken.numbers_rounded, taken.overruled);
            (stage, unseen) = (Some(taken.stage), taken.unseen);
        }
        Ok(Taken {
            stage,
            schema,
            rejects: self.rejects,
            for_children: self.for_children.map(|log| Arc::new(log.finish(names))),
            pages: self.pages,
            records: self.records,
            shaped: self.shaped,
            unseen,
        })
    }

    async fn take(&mut self, accepted: Accepted) -> Result<(), RunError> {
        let Accepted { page, records, bytes, ends_page } = accepted;
        self.duplicate_members += page.duplicate_members;
        self.replaced_characters += page.replaced_characters;
        self.shaped.characters_stripped += page.stripped_characters;
        self.shaped.records_filtered += page.filtered;
        self.shaped.records_added += page.exploded;
        self.shaped.values_discarded += page.table.discarded_values;
        self.shaped.pages_null += u64::from(page.is_null);
        if let Some(log) = &mut self.for_children {
            page.for_children.iter().try_for_each(|values| log.push(values))?;
        }
        if self.table.is_some() {
            self.take_rejects(page.rejects, page.lists_beside).await?;
        }
        if let Some(table) = &mut self.table {
            table.take(page.table, self.pages + 1).await?;
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

    async fn take_rejects(&mut self, rejects: Vec<Reject>, lists: Vec<String>) -> Result<(), RunError> {
        let Some(first) = rejects.first() else { return Ok(()) };
        let (resource, kept) = (self.name.to_string(), || Box::new(first.clone()));
        let count = self.rejects.count() + rejects.len() as u64;
        match self.resource.on_reject {
            OnReject::Fail => {
                let is_key = self.resource.primary_key.iter().any(|key| first.path.strip_prefix("$.") == Some(key));
                let hints = self.resource.columns.iter().filter(|hint| hint.declared.is_some());
                let of = first.path.strip_prefix("$.").unwrap_or_default();
                let declared = hints.map(|hint| &hint.name).find(|name| of == name.as_str());
                let declared = declared.map(|name| format!("columns.{name}.data_type"));
                Err(RunError::Rejected { resource, first: kept(), rejects: rejects.len(), is_key, declared, lists })
            }
            OnReject::Quarantine { max_rejects: Some(max) } if count > max => {
                Err(RunError::TooManyRejects { resource, first: kept(), rejects: count, max })
            }
            OnReject::Quarantine { .. } => Ok(self.rejects.push(&rejects).await?),
        }
    }
}
