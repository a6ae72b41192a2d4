//! What a stage is told about its table, and the bounds it keeps.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Compat, Compression, MergePlan, OnSchemaChange, PartitionField, SortField, StoredAs, WriteDisposition};
use crate::lake::TableShape;
use crate::lake::parquet::{FileLimits, FileStyle};
use crate::lake::stage::arrivals::UNIT_ROWS;
use crate::lake::stage::engine::MergeEngine;
use crate::lake::stage::form::{only_adds, same_columns};
use crate::merge::KeyLog;
use crate::schema::TableSchema;

/// How a table is staged.
#[derive(Debug, Clone)]
pub(crate) struct StageSettings {
    /// The table's name, its folder below the lake's root.
    pub(crate) table: String,
    /// Columns of the primary key; empty without one.
    pub(crate) primary_key: Vec<String>,
    /// How rows enter the table.
    pub(crate) disposition: WriteDisposition,
    /// Rows of one key all stay: they are the table's own, of several runs that appended.
    pub(crate) keeps_repeats: bool,
    /// Which record of a key becomes its row.
    pub(crate) merge: MergePlan,
    /// Partition folders, outermost first.
    pub(crate) partition_by: Vec<PartitionField>,
    /// What the table's files are published as.
    pub(crate) stored_as: StoredAs,
    /// Row order within a row group; empty means arrival.
    pub(crate) sort_by: Vec<SortField>,
    /// Parquet codec.
    pub(crate) compression: Compression,
    /// Encoded bytes at which a data file is split.
    pub(crate) target_file_size: u64,
    /// Which readers the files are for.
    pub(crate) compat: Compat,
    /// Whether files are synced.
    pub(crate) is_durable: bool,
    /// What happens to files of an older schema.
    pub(crate) on_schema_change: OnSchemaChange,
    /// Whether an append fills up the last small file of a partition.
    pub(crate) fills_up: bool,
    /// Most partitions that the run may change.
    pub(crate) max_partitions: usize,
    /// A folder of this table and run alone, on local disk, on the file system of a lake on disk. Made if it is not there.
    pub(crate) spool: PathBuf,
    /// Bounds.
    pub(crate) budgets: StageBudgets,
    /// What merges the run's rows into the table's.
    pub(crate) engine: Arc<dyn MergeEngine>,
}

impl StageSettings {
    /// Whether the run keeps one of its rows a key. An `append` too: pages that shift while they are read bring a record twice.
    pub(crate) fn is_keyed(&self) -> bool {
        self.disposition != WriteDisposition::Skip && !self.keeps_repeats && !self.primary_key.is_empty()
    }

    /// Whether files written as `written` says are brought up to date when the table becomes `schema`.
    ///
    /// `leave` leaves files that merely lack columns, which readers fill with nulls. A column of two types is another matter:
    /// neither Spark's `mergeSchema` nor DuckDB's `union_by_name` reads every pair of them.
    pub(crate) fn refreshes(&self, written: &TableSchema, schema: &TableSchema) -> bool {
        !same_columns(&written.columns, &schema.columns)
            && (self.on_schema_change != OnSchemaChange::Leave || !only_adds(&written.columns, &schema.columns))
    }

    /// An empty log of the run's keys, in which the record that the config wants wins.
    pub(crate) fn key_log(&self) -> KeyLog {
        let log = KeyLog::new(self.spool.clone(), self.budgets.key_bytes);
        match &self.merge.dedup_sort {
            Some(sort) => log.ranked(UNIT_ROWS, sort.greatest),
            None => log,
        }
    }

    /// The column that decides among the run's rows of one key.
    pub(crate) fn rank_column(&self) -> Option<&str> {
        self.merge.dedup_sort.as_ref().map(|sort| sort.column.as_str())
    }

    /// Memory of the rows that are written before the size of their file is looked at again: a quarter of what a file is to have, so
    /// that none passes it by much. Of the default size it is more than a chunk has, and nothing is cut.
    pub(crate) fn piece_bytes(&self) -> usize {
        usize::try_from(self.target_file_size / 4).unwrap_or(usize::MAX)
    }

    /// Memory of the rows that wait to be sorted, as a file's size cannot be told before.
    pub(crate) fn sorted_bytes(&self) -> usize {
        usize::try_from(self.target_file_size).unwrap_or(usize::MAX)
    }

    /// The table once its edits are done.
    pub(crate) fn shape(&self, schema: TableSchema) -> TableShape {
        TableShape {
            schema,
            primary_key: self.primary_key.clone(),
            partition_by: self.partition_by.clone(),
            stored_as: self.stored_as,
            style: self.style(),
            spool: self.spool.clone(),
        }
    }

    /// What the table's files have in common.
    pub(crate) fn style(&self) -> FileStyle {
        FileStyle {
            compression: self.compression,
            compat: self.compat,
            key: self.primary_key.clone(),
            sort_by: self.sort_by.clone(),
            limits: FileLimits { row_group_rows: self.budgets.row_group_rows, row_group_bytes: self.budgets.row_group_bytes },
        }
    }
}

/// Memory of a run that no table takes: the program, its threads and connections, and what the allocator keeps for them.
const OWN_BYTES: u64 = 64_000_000;
/// Memory of a table that the default bounds are for.
const MEMORY_BYTES: u128 = 192_000_000;
/// Least of what a bound becomes with less.
const PART_BYTES_MIN: usize = 256 << 10;

/// Memory that a table may take where `tables` share `memory`, in bytes. A share does not move while a run goes, so that its files do not depend
/// on what runs beside it.
pub(crate) fn memory_of_table(memory: u64, tables: usize) -> u64 {
    memory.saturating_sub(OWN_BYTES) / tables.max(1) as u64
}

/// Bounds of a stage. While rows arrive, a table takes about `chunk_bytes` twice (rows that wait, and the same widened), `open_bytes` of open
/// row groups, `footer_bytes`, `key_bytes` (with `dedup_sort` twice), `note_bytes` twice, and for each partition the writer of its file, about
/// 12 kB. When the pages have ended, the open row groups are closed, and in their place come one row group of the file that is being written and,
/// while merging onto live files, `gather_bytes`, one batch, `key_bytes` for live keys, the run's own key values (at most 10 MB a column) and the
/// footers of 32 files. The bounds in bytes move with the memory that the table may take: [`StageBudgets::within`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct StageBudgets {
    /// Rows of a row group: a multiple of DuckDB's 122,880, so that the encoders of usual rows hold some 20 MB.
    pub(crate) row_group_rows: usize,
    /// Encoded bytes of a row group.
    pub(crate) row_group_bytes: usize,
    /// Rows of a row group that is sorted, for which it is held in memory unencoded.
    pub(crate) sorted_rows: usize,
    /// Rows that are looked at before encodings are chosen.
    pub(crate) sample_rows: usize,
    /// Rows that are encoded at once.
    pub(crate) chunk_rows: usize,
    /// Arrow bytes that are encoded at once, if that is less.
    pub(crate) chunk_bytes: usize,
    /// Memory of all open row groups.
    pub(crate) open_bytes: usize,
    /// Memory of what the footers of open files will tell.
    pub(crate) footer_bytes: usize,
    /// Memory of the logs of keys, each.
    pub(crate) key_bytes: usize,
    /// Memory of the log of arrivals and of exceptional spellings, each.
    pub(crate) note_bytes: usize,
    /// Arrow bytes of incoming rows that are held while live files are rewritten.
    pub(crate) gather_bytes: usize,
    /// Rows below which a row group is small.
    pub(crate) small_row_group_rows: u64,
    /// Small row groups that a file may have.
    pub(crate) small_row_groups: usize,
    /// Open files that keep their handle.
    pub(crate) open_handles: usize,
    /// Bytes from which on a file that lacks columns gets them behind its own bytes. S3 copies no less as a part.
    pub(crate) splice_bytes: u64,
}

impl StageBudgets {
    /// Those of a table that may take `memory` bytes, together with the pages that are being decoded for it.
    pub(crate) fn within(memory: u64) -> Self {
        let all = Self::default();
        let part = |bytes: usize| {
            let scaled = bytes as u128 * u128::from(memory) / MEMORY_BYTES;
            usize::try_from(scaled).unwrap_or(usize::MAX).max(PART_BYTES_MIN)
        };
        let is_scant = u128::from(memory) < MEMORY_BYTES / 2;
        Self {
            row_group_rows: if is_scant { all.sorted_rows } else { all.row_group_rows },
            row_group_bytes: part(all.row_group_bytes),
            chunk_bytes: part(all.chunk_bytes),
            open_bytes: part(all.open_bytes),
            footer_bytes: part(all.footer_bytes),
            key_bytes: part(all.key_bytes),
            note_bytes: part(all.note_bytes),
            gather_bytes: part(all.gather_bytes),
            ..all
        }
    }
}

impl Default for StageBudgets {
    fn default() -> Self {
        Self {
            row_group_rows: 2 * 122_880,
            row_group_bytes: 128 << 20,
            sorted_rows: 122_880,
            sample_rows: 32_768,
            chunk_rows: 8_192,
            chunk_bytes: 16 << 20,
            open_bytes: 48 << 20,
            footer_bytes: 8 << 20,
            key_bytes: 16 << 20,
            note_bytes: 4 << 20,
            gather_bytes: 64 << 20,
            small_row_group_rows: 65_536,
            small_row_groups: 8,
            open_handles: 64,
            splice_bytes: 5 << 20,
        }
    }
}
