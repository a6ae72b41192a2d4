//! What both halves of the lake share: a table as its manifest tells it, and the changes a run makes to it.

use std::path::PathBuf;

use crate::config::Compat;
use crate::schema::TableSchema;

/// A table as the newest published commit has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableState {
    /// Its schema.
    pub(crate) schema: TableSchema,
    /// Columns of the primary key; empty without one.
    pub(crate) primary_key: Vec<String>,
    /// Partition levels as `(folder key, column, transform)` in their config spelling.
    pub(crate) partition_by: Vec<(String, String, String)>,
    /// Live files, ordered by path.
    pub(crate) files: Vec<DataFile>,
    /// The next file number: numbers are never reused.
    pub(crate) next_number: u64,
    /// Which readers open all live files, as far as it is known.
    pub(crate) compat: Option<Compat>,
}

impl TableState {
    /// Rows of the table.
    #[must_use]
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// A live data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Below the lake's root, with the table's folder: `wallets/part-000000.parquet`. Hive-escaped partition folders.
    pub(crate) path: String,
    /// Partition values, one a level, unescaped; `None` is null.
    pub(crate) partition: Vec<Option<String>>,
    /// Rows.
    pub(crate) rows: u64,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// The store's tag of this content, where it has one (S3).
    pub(crate) etag: Option<String>,
    /// XXH3-64 of the content, as 16 hex digits, so that a local file replaced by hand is noticed.
    pub(crate) checksum: String,
}

/// What a run wants to publish for one table.
#[derive(Debug, Clone)]
pub(crate) struct StagedTable {
    /// The table's name, its folder below the lake's root.
    pub(crate) table: String,
    /// The files to put and to delete; empty when nothing changed.
    pub(crate) changes: Vec<FileChange>,
    /// The table once they are published.
    pub(crate) state: TableState,
    /// What happened to the rows.
    pub(crate) stats: StageStats,
    /// Whether the table leaves the lake.
    pub(crate) is_dropped: bool,
}

/// One file of a commit.
#[derive(Debug, Clone)]
pub(crate) enum FileChange {
    /// A finished file in the spool becomes the content of `file.path`.
    Put {
        /// The file as it will be.
        file: DataFile,
        /// Where its bytes are now, on local disk.
        spooled: PathBuf,
        /// The file that is replaced under the same path.
        replaces: Option<DataFile>,
    },
    /// The path is removed and never written again.
    Delete {
        /// The file that goes.
        file: DataFile,
    },
}

/// Every row accounted for: `rows_in` is the sum of all others of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StageStats {
    /// Rows pushed.
    pub(crate) rows_in: u64,
    /// New rows.
    pub(crate) rows_inserted: u64,
    /// Rows that replaced one with other values, in whatever partition.
    pub(crate) rows_updated: u64,
    /// Rows whose stored one was left alone: they are equal, or stored ones stay as they are.
    pub(crate) rows_unchanged: u64,
    /// Rows superseded by another one of the same key in this run.
    pub(crate) rows_deduplicated: u64,
    /// Rows that took a stored one out of the table.
    pub(crate) rows_deleted: u64,
    /// Rows that would have, and there was none.
    pub(crate) deletes_unmatched: u64,
    /// Files written anew, no row counted for it, because not all readers opened them.
    pub(crate) files_reencoded: u64,
}
