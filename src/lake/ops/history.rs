//! What the commits of a lake did, and when.

use std::collections::BTreeMap;

use crate::lake::log::{Action, Commit, Purpose};
use crate::lake::ops::Archive;
use crate::lake::{LakeError, manifest};

/// A commit as people ask about it.
#[derive(Debug, Clone)]
pub(crate) struct CommitFacts {
    /// The version that it made.
    pub(crate) version: u64,
    /// When, RFC 3339.
    pub(crate) written: String,
    /// The run that made it.
    pub(crate) run: String,
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// Runs that it shut out, because their unfinished work was removed.
    pub(crate) fences: Vec<String>,
    /// Whether the version before it can be brought back.
    pub(crate) can_be_undone: bool,
    /// The version can be read, and brought back.
    pub(crate) kept: bool,
    /// Tables that it changed or dropped.
    pub(crate) tables: BTreeMap<String, TableFacts>,
}

/// What a commit did to a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableFacts {
    /// Files that came.
    pub(crate) files_added: u64,
    /// Files that got another content.
    pub(crate) files_replaced: u64,
    /// Files that went.
    pub(crate) files_removed: u64,
    /// Rows of the table afterwards; `None` when it was dropped.
    pub(crate) rows: Option<u64>,
}

impl Archive {
    /// The newest `limit` commits, of all tables or of those that changed `only`, the newest first. The newest `keep_versions` that changed rows can
    /// be undone, and what came after them.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn history(
        &self,
        limit: usize,
        only: Option<&str>,
        keep_versions: u32,
    ) -> Result<Vec<CommitFacts>, LakeError> {
        let undoable = self.oldest_undoable(keep_versions).await?;
        // A version is kept where all that came after it can be undone; an abandoned one is gone.
        let (mut commits, mut is_kept, mut is_abandoned) = (Vec::new(), true, false);
        for version in (1..=self.newest()).rev() {
            if commits.len() == limit {
                break;
            }
            let commit = match self.commit(version).await {
                // The older ones were collected.
                Err(LakeError::NoVersion { .. }) => break,
                commit => commit?,
            };
            // An abandonment takes away what nobody needs.
            let abandons = matches!(commit.purpose, Purpose::Abandonment { .. });
            let kept = is_kept && !is_abandoned;
            is_abandoned = abandons;
            is_kept = is_kept && version >= undoable && (abandons || self.is_kept(&commit).await?);
            let tables = self.table_facts(&commit, only).await?;
            if only.is_some() && tables.is_empty() {
                continue;
            }
            let can_be_undone = is_kept && !abandons && version > 1;
            let Commit { version, written, run, purpose, fences, .. } = commit;
            commits.push(CommitFacts { version, written, run, purpose, fences, can_be_undone, kept, tables });
        }
        Ok(commits)
    }

    async fn table_facts(&self, commit: &Commit, only: Option<&str>) -> Result<BTreeMap<String, TableFacts>, LakeError> {
        let is_meant = |table: &str| only.is_none_or(|only| only == table);
        let mut tables: BTreeMap<String, TableFacts> = BTreeMap::new();
        for change in commit.files.iter().filter(|change| is_meant(&change.table)) {
            let facts = tables.entry(change.table.clone()).or_default();
            match change.action {
                Action::Put if change.replaces.is_some() => facts.files_replaced += 1,
                Action::Put => facts.files_added += 1,
                Action::Delete | Action::Retire => facts.files_removed += 1,
            }
        }
        for (table, entry) in commit.tables.iter().filter(|(table, _)| is_meant(table)) {
            if entry.version == commit.version {
                let rows = manifest::load(&*self.store, &self.layout, table, entry).await?.rows();
                tables.entry(table.clone()).or_default().rows = Some(rows);
            }
        }
        Ok(tables)
    }
}
