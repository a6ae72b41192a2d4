//! What becomes of one table besides its rows: it leaves the lake, gets another name, other partitions or another key, or is stored as something else, in a commit of its own.
//!
//! In: a lake open for a run, the table. Out: what a commit has to do. Invariants: the rows of a table that stays are what they were; a key that
//! its rows do not have is refused before the commit; every other table is as it was. Not here: which cursors go with it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{LakePlan, MergePlan, PartitionField, SortField, StoredAs, WriteDisposition};
use crate::lake::ops::rollback::shape;
use crate::lake::stage::{Embedded, reshape};
use crate::lake::{
    DroppedTable, Edit, Lake, LakeError, LiveFiles, PartitionError, Partitioner, PreparedTable, Snapshot, StageBudgets,
    StageSettings, StageStats, TableEdit, TableFormat, TableShape, memory_of_table, partition_levels,
};

/// What a table is to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    /// Columns of the primary key.
    pub(crate) primary_key: Vec<String>,
    /// Partition folders, outermost first.
    pub(crate) partition_by: Vec<PartitionField>,
    /// Row order within a row group.
    pub(crate) sort_by: Vec<SortField>,
}

impl Shape {
    /// That of a table.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`] for partitions that there are not.
    fn of(table: &Snapshot) -> Result<Self, LakeError> {
        Ok(Self { primary_key: table.primary_key.clone(), partition_by: table.partition_fields()?, sort_by: Vec::new() })
    }

    /// Whether a table has another key or other partitions.
    pub(crate) fn differs_from(&self, table: &Snapshot) -> bool {
        self.primary_key != table.primary_key || table.partition_by != partition_levels(&self.partition_by)
    }

    /// Checks that a table has the columns, in types that make folders, as far as its schema tells.
    ///
    /// # Errors
    /// [`LakeError::NoColumn`]; [`LakeError::Partition`].
    pub(crate) fn check(&self, name: &str, table: &Snapshot) -> Result<(), LakeError> {
        let keys = self.primary_key.iter().map(|column| ("primary_key", column));
        let levels = self.partition_by.iter().map(|field| ("partition_by", &field.column));
        let sorts = self.sort_by.iter().map(|field| ("sort_by", &field.column));
        let mut named = keys.chain(levels).chain(sorts);
        if let Some((key, column)) = named.find(|(_, column)| table.schema.column(column).is_none()) {
            return Err(LakeError::no_column(name, key, column, &table.schema));
        }
        let files = Partitioner::new(&self.partition_by, &table.schema)?.file_schema(&table.schema)?;
        if files.columns.is_empty() { Err(PartitionError::NoColumns.into()) } else { Ok(()) }
    }
}

/// A table whose rows are about to be written anew.
pub(crate) struct ReshapeJob {
    settings: StageSettings,
    table: Snapshot,
    files: Arc<dyn LiveFiles>,
    format: Arc<dyn TableFormat>,
}

/// A table that is to be stored as something else.
pub(crate) enum Conversion {
    /// Its files stay as they are.
    Named(Box<PreparedTable>),
    /// Its rows are written anew, since files of others are among them, which readers by glob need not open.
    Written(Box<ReshapeJob>),
}

impl Lake {
    /// What drops `table`, whosever files lie in its folder.
    ///
    /// # Errors
    /// [`LakeError::NoTable`]; those of [`Lake::to_drop`].
    pub(crate) async fn drop_of(&self, table: &str) -> Result<DroppedTable, LakeError> {
        let others = self.archive().map(|archive| archive.table_names(Some(table)).and_then(|_| archive.table_names(None)));
        let others = others.transpose()?.unwrap_or_default();
        let others: Vec<&str> = others.iter().map(String::as_str).filter(|other| *other != table).collect();
        let mut dropped = self.to_drop(&others).await?;
        dropped.pop().filter(|dropped| dropped.staged.table == table).ok_or_else(|| self.view().nothing_committed())
    }

    /// What gives `table` the name `new`: its files once more under that name, and the old ones gone. Rows and files are as they were.
    ///
    /// # Errors
    /// [`LakeError::NoTable`]; [`LakeError::TableExists`] where `new` is a table of this lake, [`LakeError::Claimed`] where it is another pipeline's,
    /// [`LakeError::Foreign`] where its folder has files; [`LakeError::Damaged`] for a file that is not what was committed; the store's.
    pub(crate) async fn rename_of(&self, table: &str, new: &str, plan: &LakePlan) -> Result<Vec<PreparedTable>, LakeError> {
        let archive = self.archive().ok_or_else(|| self.view().nothing_committed())?;
        archive.table_names(Some(table))?;
        self.view().check_new(new)?;
        self.check_claims(&[table, new]).await?;
        let base = self.view().table(new).await?;
        let known = self.view().table(table).await?;
        let spool = self.spool().join(new);
        std::fs::create_dir_all(&spool).map_err(|source| LakeError::of_disk("create", &spool, source))?;
        let at = archive.tables_at(archive.newest(), Some(table)).await?;
        let files = at.into_values().flat_map(|at| at.files).filter(|at| at.file.rows > 0);
        let mut edits = Vec::new();
        for (number, file) in files.enumerate() {
            edits.push(Edit::Add(self.fetch(table, &file, spool.join(format!("renamed-{number:06}.tmp"))).await?));
        }
        let shape = Some(shape(&known, plan, spool)?);
        let renamed = TableEdit { table: new.to_owned(), base, edits, shape, stats: StageStats::default() };
        Ok(vec![self.format.prepare(renamed)?, self.drop_of(table).await?.staged])
    }

    /// What stores `table` as something else; `None` where it is stored so already. Rows, key and partitions stay as they are.
    ///
    /// # Errors
    /// [`LakeError::NoTable`]; [`LakeError::Claimed`]; [`LakeError::Foreign`], [`LakeError::Delta`] for a table that is not as it was left; the store's.
    pub(crate) async fn conversion(&self, table: &str, to: StoredAs, plan: &LakePlan) -> Result<Option<Conversion>, LakeError> {
        self.archive().ok_or_else(|| self.view().nothing_committed())?.table_names(Some(table))?;
        self.check_claims(&[table]).await?;
        let mut base = self.view().table(table).await?;
        if base.stored_as == to {
            return Ok(None);
        }
        let spool = self.spool().join(table);
        std::fs::create_dir_all(&spool).map_err(|source| LakeError::of_disk("create", &spool, source))?;
        let is_foreign = base.files.iter().any(|file| file.checksum.is_empty());
        if to.is_plain() && (is_foreign || base.schema != self.view().known(table).await?.schema) {
            let settings = StageSettings {
                keeps_repeats: true,
                stored_as: to,
                ..settings(table, Shape::of(&base)?, (plan, spool), base.stored_as)
            };
            let job = ReshapeJob { settings, table: base, files: self.live_files(), format: self.format() };
            return Ok(Some(Conversion::Written(Box::new(job))));
        }
        if (base.stored_as, to) == (StoredAs::DeltaBeside, StoredAs::Delta) {
            // The log over its files is that of the Delta table.
            base.stored_as = to;
            base = self.format.current(table, base).await?;
        }
        let shape = TableShape { stored_as: to, ..shape(&base, plan, spool)? };
        let edit =
            TableEdit { table: table.to_owned(), base, edits: Vec::new(), shape: Some(shape), stats: StageStats::default() };
        Ok(Some(Conversion::Named(Box::new(self.format.prepare(edit)?))))
    }

    /// Reads what has to be known to bring `table` to `shape`; `None` when it has that already. Whether its rows have the key is found out then.
    ///
    /// # Errors
    /// [`LakeError::NoTable`]; [`LakeError::Claimed`]; [`LakeError::Foreign`] for a table that is not as its last commit left it; those of
    /// [`Shape::check`]; the store's.
    pub(crate) async fn reshaping(&self, table: &str, shape: Shape, plan: &LakePlan) -> Result<Option<ReshapeJob>, LakeError> {
        self.archive().ok_or_else(|| self.view().nothing_committed())?.table_names(Some(table))?;
        self.check_claims(&[table]).await?;
        let known = self.view().table(table).await?;
        if !shape.differs_from(&known) {
            return Ok(None);
        }
        shape.check(table, &known)?;
        let is_rekeyed = known.primary_key != shape.primary_key;
        let settings = StageSettings {
            keeps_repeats: !is_rekeyed,
            ..settings(table, shape, (plan, self.spool().join(table)), known.stored_as)
        };
        Ok(Some(ReshapeJob { settings, table: known, files: self.live_files(), format: self.format() }))
    }
}

impl ReshapeJob {
    /// Writes the new files into the spool. Blocking.
    ///
    /// # Errors
    /// Those of [`reshape`].
    pub(crate) fn run(self) -> Result<PreparedTable, LakeError> {
        self.format.prepare(reshape(self.settings, self.table, &self.files)?)
    }
}

/// How a table is written anew.
fn settings(table: &str, shape: Shape, (plan, spool): (&LakePlan, PathBuf), stored_as: StoredAs) -> StageSettings {
    StageSettings {
        table: table.to_owned(),
        engine: Arc::new(Embedded),
        primary_key: shape.primary_key,
        disposition: WriteDisposition::Replace,
        keeps_repeats: true,
        merge: MergePlan::default(),
        partition_by: shape.partition_by,
        stored_as,
        sort_by: shape.sort_by,
        compression: plan.compression,
        target_file_size: plan.target_file_size,
        compat: plan.compat,
        is_durable: plan.is_durable,
        on_schema_change: plan.on_schema_change,
        fills_up: false,
        max_partitions: plan.max_partitions,
        spool,
        budgets: StageBudgets::within(memory_of_table(plan.memory, 1)),
    }
}
