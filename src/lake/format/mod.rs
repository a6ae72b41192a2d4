//! Table formats: how the edits of a table become files with names, and how readers come to see them.
//!
//! In: a [`TableEdit`]. Out: a [`PreparedTable`]: what the commit has to put and delete, and the table's next snapshot. Invariants: the same
//! edits over the same snapshot give the same names; nothing is written but into the spool; no file is touched that the edits do not name,
//! but for those that the format itself needs. Not here: what changes in a table (`stage`), the log (`commit`), sockets and folders (`store`).

mod empty;
mod plain;

use std::fmt;
use std::path::PathBuf;

pub(crate) use plain::Plain;

use crate::lake::{DataFile, LakeError, Snapshot, StageStats, TableEdit};

/// How a lake stores its tables.
pub(crate) trait TableFormat: Send + Sync + fmt::Debug {
    /// Names the files of an edit. Blocking: may write a file without rows into the spool.
    ///
    /// # Errors
    /// [`LakeError::Partition`] where a partition makes no name; [`LakeError::Disk`], [`LakeError::Parquet`] for files that the format needs.
    fn prepare(&self, edit: TableEdit) -> Result<PreparedTable, LakeError>;
}

/// A table's part of a commit, ready to be staged.
#[derive(Debug, Clone)]
pub(crate) struct PreparedTable {
    /// The table's name, its folder below the lake's root.
    pub(crate) table: String,
    /// The files to put and to delete; empty when nothing changed.
    pub(crate) changes: Vec<FileChange>,
    /// The table once they are published; of one that leaves the lake, the next file number alone.
    pub(crate) after: Snapshot,
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
