//! Compaction: small files of a partition put together, in a commit of its own.
//!
//! In: a lake open for a run, the table, how its rows are ordered. Out: the table prepared for a commit, and what becomes of its files.
//! Invariants: rows, schema and cursors stay as they are, and so does every other table; what is replaced and removed is kept like after
//! any commit; content counts only behind its checksum.

use std::sync::Arc;

use crate::config::{LakePlan, MergePlan, SortField, WriteDisposition};
use crate::lake::ops::Archive;
use crate::lake::stage::{Embedded, compact, small_files};
use crate::lake::{
    Lake, LakeError, LiveFiles, PreparedTable, Snapshot, StageBudgets, StageSettings, TableFormat, memory_of_table,
};

/// What a compaction does to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compaction {
    /// Files of the table before.
    pub(crate) files_before: u64,
    /// Small files that are put together.
    pub(crate) small: u64,
    /// Files that come of them.
    pub(crate) into: u64,
    /// Bytes that are read, and about as many written.
    pub(crate) bytes: u64,
}

impl Compaction {
    /// What there is to do for a table.
    fn of(table: &Snapshot, target_file_size: u64) -> Self {
        let parts = small_files(table, target_file_size);
        let small = || parts.iter().flatten();
        Self {
            files_before: table.files.len() as u64,
            small: small().count() as u64,
            into: parts.len() as u64,
            bytes: small().fold(0, |bytes, file| bytes.saturating_add(file.bytes)),
        }
    }

    /// Files of the table after.
    pub(crate) fn files_after(self) -> u64 {
        self.files_before - self.small + self.into
    }
}

impl Archive {
    /// The tables of the newest commit, or the one of them.
    ///
    /// # Errors
    /// [`LakeError::NoTable`].
    pub(crate) fn table_names(&self, only: Option<&str>) -> Result<Vec<String>, LakeError> {
        match only {
            Some(table) if !self.head.tables.contains_key(table) => Err(self.no_table(table)),
            Some(table) => Ok(vec![table.to_owned()]),
            None => Ok(self.head.tables.keys().cloned().collect()),
        }
    }

    /// What a compaction of `table` would do.
    ///
    /// # Errors
    /// [`LakeError::NoTable`]; [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn compaction(&self, table: &str, target_file_size: u64) -> Result<Compaction, LakeError> {
        let at = self.tables_at(self.newest(), Some(table)).await?;
        Ok(at
            .get(table)
            .map_or(Compaction::of(&Snapshot::default(), target_file_size), |at| Compaction::of(&at.snapshot, target_file_size)))
    }
}

/// A table whose small files are about to be put together.
pub(crate) struct CompactionJob {
    /// What it is going to do.
    pub(crate) compaction: Compaction,
    settings: Arc<StageSettings>,
    table: Snapshot,
    files: Arc<dyn LiveFiles>,
    format: Arc<dyn TableFormat>,
}

impl Lake {
    /// Reads what has to be known to compact `table`, whose rows are ordered by `sort_by` within a row group; `None` when it has nothing
    /// to put together.
    ///
    /// # Errors
    /// [`LakeError::Claimed`]; [`LakeError::Foreign`] for a table that is not as its last commit left it; the store's.
    pub(crate) async fn compaction(
        &self,
        table: &str,
        plan: &LakePlan,
        sort_by: &[SortField],
    ) -> Result<Option<CompactionJob>, LakeError> {
        self.check_claims(&[table]).await?;
        let snapshot = self.view().table(table).await?;
        let compaction = Compaction::of(&snapshot, plan.target_file_size);
        if compaction.small == 0 {
            return Ok(None);
        }
        let settings = StageSettings {
            table: table.to_owned(),
            primary_key: snapshot.primary_key.clone(),
            disposition: WriteDisposition::Append,
            keeps_repeats: true,
            merge: MergePlan::default(),
            partition_by: snapshot.partition_fields()?,
            stored_as: snapshot.stored_as,
            sort_by: sort_by.to_vec(),
            compression: plan.compression,
            target_file_size: plan.target_file_size,
            compat: snapshot.compat.unwrap_or(plan.compat),
            is_durable: plan.is_durable,
            on_schema_change: plan.on_schema_change,
            fills_up: false,
            max_partitions: plan.max_partitions,
            spool: self.spool().join(table),
            budgets: StageBudgets::within(memory_of_table(plan.memory, 1)),
            engine: Arc::new(Embedded),
        };
        let (settings, files, format) = (Arc::new(settings), self.live_files(), self.format());
        Ok(Some(CompactionJob { compaction, settings, table: snapshot, files, format }))
    }
}

impl CompactionJob {
    /// Writes the new files into the spool. Blocking.
    ///
    /// # Errors
    /// [`LakeError::Damaged`] for a live file that is not what was committed; [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn run(self) -> Result<PreparedTable, LakeError> {
        self.format.prepare(compact(&self.settings, self.table, self.files.as_ref())?)
    }
}
