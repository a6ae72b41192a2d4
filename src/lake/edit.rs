//! Edits: what changes in a table, and nothing of where or how it is stored.
//!
//! In: what a run, or another operation on the lake, has worked out over a [`Snapshot`]. Out: a [`TableEdit`], which a
//! [`crate::lake::TableFormat`] turns into named files. Invariants: an edit has no path of its own; each file of the snapshot is in at most
//! one edit; a new file is finished and synced before it is in an edit.

use std::path::PathBuf;

use crate::config::{PartitionField, StoredAs};
use crate::lake::parquet::{FileStyle, FinishedFile, KeyRanges};
use crate::lake::{DataFile, Snapshot};
use crate::schema::TableSchema;

/// A finished local file that has no name in the lake yet.
#[derive(Debug, Clone)]
pub(crate) struct NewFile {
    /// Partition values, one a level, unescaped; `None` is null.
    pub(crate) partition: Vec<Option<String>>,
    /// Where its bytes are, in the spool.
    pub(crate) spooled: PathBuf,
    /// Bytes of the file that it replaces which come before those in the spool: all of that file, or none.
    pub(crate) behind: u64,
    /// Rows.
    pub(crate) rows: u64,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Checksum of the content: XXH3-64 as 16 hex digits, or told in pieces ([`crate::lake::checksum`]).
    pub(crate) checksum: String,
    /// Ranges of the key's columns.
    pub(crate) key_ranges: KeyRanges,
}

impl NewFile {
    /// `file` as one of this partition.
    pub(crate) fn new(partition: Vec<Option<String>>, file: FinishedFile) -> Self {
        let (rows, FinishedFile { path: spooled, behind, bytes, checksum, key_ranges, .. }) = (file.rows(), file);
        Self { partition, spooled, behind, rows, bytes, checksum, key_ranges }
    }
}

/// One change to a table.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// Rows come in a file of their own.
    Add(NewFile),
    /// The rows of a file become those of another one of the same partition.
    Replace {
        /// The file of the snapshot.
        old: DataFile,
        /// What takes its place.
        new: NewFile,
    },
    /// A file's rows leave the table, or lie in other files.
    Remove(DataFile),
}

impl Edit {
    /// The partition that changes.
    pub(crate) fn partition(&self) -> &[Option<String>] {
        match self {
            Self::Add(new) | Self::Replace { new, .. } => &new.partition,
            Self::Remove(old) => &old.partition,
        }
    }

    /// The file that goes.
    pub(crate) fn old_file(&self) -> Option<&DataFile> {
        match self {
            Self::Replace { old, .. } | Self::Remove(old) => Some(old),
            Self::Add(_) => None,
        }
    }

    /// The file that comes.
    pub(crate) fn new_file(&self) -> Option<&NewFile> {
        match self {
            Self::Add(new) | Self::Replace { new, .. } => Some(new),
            Self::Remove(_) => None,
        }
    }
}

/// What a table is once its edits are done, apart from its files.
#[derive(Debug, Clone)]
pub(crate) struct TableShape {
    /// Its schema.
    pub(crate) schema: TableSchema,
    /// Columns of the primary key; empty without one.
    pub(crate) primary_key: Vec<String>,
    /// Partition folders, outermost first.
    pub(crate) partition_by: Vec<PartitionField>,
    /// What its files are published as.
    pub(crate) stored_as: StoredAs,
    /// How a file is written that the format needs beside those of the edits.
    pub(crate) style: FileStyle,
    /// Where it is written: a local folder of this table and run alone.
    pub(crate) spool: PathBuf,
}

/// All that one commit does to a table.
#[derive(Debug, Clone)]
pub(crate) struct TableEdit {
    /// The table's name.
    pub(crate) table: String,
    /// What the edits stand on.
    pub(crate) base: Snapshot,
    /// The edits, in the order in which new files are numbered.
    pub(crate) edits: Vec<Edit>,
    /// The table afterwards; `None` when it leaves the lake.
    pub(crate) shape: Option<TableShape>,
    /// What happened to the rows.
    pub(crate) stats: StageStats,
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

impl StageStats {
    /// Rows told of, each by what became of it.
    pub(crate) fn rows_told(&self) -> u64 {
        let Self { rows_inserted, rows_updated, rows_unchanged, rows_deduplicated, rows_deleted, deletes_unmatched, .. } = self;
        rows_inserted + rows_updated + rows_unchanged + rows_deduplicated + rows_deleted + deletes_unmatched
    }
}
