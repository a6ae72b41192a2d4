//! The tables of one pipeline, each in its format.
//!
//! In: what [`TableFormat`] is asked. Out: what the format of the table says, which its snapshot names. Files get to their places alike in all
//! formats ([`plain`]); a table with a log of its own has besides what the log says ([`delta`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::config::StoredAs;
use crate::lake::format::delta::{self, Entry, Log};
use crate::lake::format::plain::{self, By, Placing, name_files};
use crate::lake::format::{Fate, FileChange, FileFate, Kept, Placed, PreparedTable, Remains, Staged, TableFormat};
use crate::lake::log::{Change, Commit, LogCommit};
use crate::lake::publish::Publication;
use crate::lake::store::{Found, Store};
use crate::lake::{DataFile, LakeError, Layout, Snapshot, TableEdit};

/// Tables in a store.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) store: Arc<dyn Store>,
    pub(super) layout: Layout,
}

impl Tables {
    /// Those of a pipeline.
    pub(super) fn new(store: &Arc<dyn Store>, layout: &Layout) -> Self {
        Self { store: Arc::clone(store), layout: layout.clone() }
    }

    fn log<'a>(&'a self, table: &'a str) -> Log<'a> {
        Log { store: &*self.store, table }
    }

    /// What a commit says in the log of a table.
    pub(super) fn entry<'a>(&'a self, commit: &'a Commit, (table, entry): (&'a String, &'a LogCommit)) -> Entry<'a> {
        Entry { log: self.log(table), pipeline: self.layout.pipeline(), commit, entry }
    }
}

#[async_trait]
impl TableFormat for Tables {
    async fn snapshot(&self, table: &str, committed: Snapshot, adopt: bool) -> Result<Snapshot, LakeError> {
        match committed.stored_as {
            StoredAs::Plain => plain::snapshot(&*self.store, table, committed, adopt).await,
            StoredAs::DeltaBeside => {
                let snapshot = plain::snapshot(&*self.store, table, committed, adopt).await?;
                delta::check_alone(self.log(table), self.layout.pipeline()).await?;
                Ok(snapshot)
            }
            StoredAs::Delta => delta::snapshot(self.log(table), committed).await,
        }
    }

    async fn remains(&self, table: &str, committed: Snapshot) -> Result<Remains, LakeError> {
        match committed.stored_as {
            StoredAs::Delta => delta::remains(self.log(table), committed).await,
            StoredAs::Plain => plain::remains(&*self.store, table, committed).await,
            StoredAs::DeltaBeside => {
                let remains = plain::remains(&*self.store, table, committed).await?;
                Ok(Remains { others: delta::log_files(self.log(table)).await?, ..remains })
            }
        }
    }

    async fn current(&self, table: &str, committed: Snapshot) -> Result<Snapshot, LakeError> {
        match committed.stored_as {
            StoredAs::Delta => delta::current(self.log(table), committed).await,
            StoredAs::Plain | StoredAs::DeltaBeside => Ok(committed),
        }
    }

    fn prepare(&self, edit: TableEdit) -> Result<PreparedTable, LakeError> {
        name_files(edit)
    }

    async fn stage(&self, commit: &Commit, tables: &[PreparedTable]) -> Result<Staged, LakeError> {
        let mut staged = Staged::default();
        for table in tables.iter().filter(|table| table.after.stored_as != StoredAs::Plain && !table.is_dropped) {
            let log = delta::stage(&*self.store, &self.layout, commit, table).await?;
            staged.logs.extend(log.map(|log| (table.table.clone(), log)));
        }
        staged.files = plain::stage(&*self.store, &self.layout.staging(&commit.run), tables).await?;
        for table in tables.iter().filter(|table| table.ends_log) {
            let others = delta::files_besides(self.log(&table.table), &table.after).await?;
            let gone = |file| plain::describe(&table.table, &FileChange::Delete { file });
            let is_told = |change: &Change| staged.files.iter().any(|told| told.path == change.path);
            let gone: Vec<Change> = others.into_iter().map(gone).filter(|change| !is_told(change)).collect();
            staged.files.extend(gone);
        }
        Ok(staged)
    }

    async fn check(&self, table: &str, replaced: &[&DataFile]) -> Result<(), LakeError> {
        plain::check(&*self.store, table, replaced).await
    }

    async fn check_logs(&self, commit: &Commit) -> Result<(), LakeError> {
        for entry in &commit.logs {
            delta::check(self.entry(commit, entry)).await?;
        }
        Ok(())
    }

    async fn publish(&self, publication: &Publication<'_>) -> Result<Placed, LakeError> {
        Placing { tables: self, publication, by: By::ItsRun }.run().await
    }

    async fn roll_forward(&self, publication: &Publication<'_>, needed: Option<&[&str]>) -> Result<Placed, LakeError> {
        Placing { tables: self, publication, by: By::Another { needed } }.run().await
    }

    async fn fates(&self, commit: &Commit) -> Result<Vec<FileFate>, LakeError> {
        let mut fates = plain::fates(&*self.store, commit).await?;
        for entry in &commit.logs {
            let blocked = matches!(delta::check(self.entry(commit, entry)).await, Err(LakeError::ForeignCommit { .. }));
            fates.iter_mut().filter(|file| blocked && file.table == *entry.0).for_each(|file| file.fate = Fate::Overtaken);
        }
        Ok(fates)
    }

    async fn is_told(&self, commit: &Commit, table: &str) -> Result<bool, LakeError> {
        match commit.logs.get_key_value(table) {
            Some(entry) => delta::is_published(self.entry(commit, entry)).await,
            None => Ok(false),
        }
    }

    async fn withdraw(&self, commit: &Commit) -> Result<(), LakeError> {
        for (table, entry) in &commit.logs {
            self.store.remove(&entry.staged).await?;
            delta::withdraw(self.entry(commit, (table, entry))).await?;
        }
        plain::withdraw(&*self.store, commit).await
    }

    async fn kept(&self, version: u64) -> Result<Kept, LakeError> {
        plain::copies(self, version).await
    }

    async fn retain(&self, oldest: u64) -> Result<(), LakeError> {
        plain::prune(self, oldest).await
    }

    async fn left(
        &self,
        table: &str,
        stored_as: StoredAs,
        (now, retention): (DateTime<Utc>, Duration),
        needed: &BTreeSet<String>,
    ) -> Result<Vec<Found>, LakeError> {
        if stored_as != StoredAs::Delta {
            return Ok(Vec::new());
        }
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        delta::expired(self.log(table), now.timestamp_millis(), retention, needed).await
    }

    async fn expired(&self, oldest: u64) -> Result<Vec<Found>, LakeError> {
        plain::expired(self, oldest).await
    }
}
