//! Snapshots: a table at a version of the lake, as its manifest tells it.

use std::collections::BTreeMap;

use crate::config::{Compat, PartitionField, StoredAs, Transform};
use crate::lake::LakeError;
use crate::lake::format::SharedBase;
use crate::lake::parquet::KeyRanges;
use crate::schema::TableSchema;

/// A table as a published commit has it; the default is one that does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
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
    /// What its files are published as.
    pub(crate) stored_as: StoredAs,
    /// Where a log of the table's own stands, as far as that was looked at.
    pub(crate) log: Option<SharedBase>,
}

impl Snapshot {
    /// Whether the partition levels have the names of `fields`, so that equal values are one folder.
    pub(crate) fn has_levels_of(&self, fields: &[PartitionField]) -> bool {
        self.partition_by.iter().map(|(name, _, _)| name).eq(fields.iter().map(|field| &field.name))
    }

    /// The partition levels as a config has them.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`] for a transform that there is not.
    pub(crate) fn partition_fields(&self) -> Result<Vec<PartitionField>, LakeError> {
        let field = |(name, column, transform): &(String, String, String)| match Transform::parse(transform) {
            Some(transform) => Ok(PartitionField { column: column.clone(), transform, name: name.clone() }),
            None => Err(LakeError::Unreadable { place: name.clone(), why: format!("{transform:?} is no partition transform") }),
        };
        self.partition_by.iter().map(field).collect()
    }

    /// Takes out the files without rows.
    pub(crate) fn take_empty(&mut self) -> Vec<DataFile> {
        let (files, empty) = std::mem::take(&mut self.files).into_iter().partition(|file| file.rows > 0);
        self.files = files;
        empty
    }

    /// Takes note of the ranges of keys of files, by path.
    pub(crate) fn note_ranges(&mut self, mut ranges: BTreeMap<String, KeyRanges>) {
        self.files.iter_mut().for_each(|file| file.key_ranges.extend(ranges.remove(&file.path).into_iter().flatten()));
    }

    /// The same without what is no part of the table: what is known of its files' keys, and where its log stands.
    pub(crate) fn of_content(mut self) -> Self {
        self.log = None;
        self.files.iter_mut().for_each(|file| file.key_ranges.clear());
        self
    }

    /// Adds a file.
    pub(crate) fn insert(&mut self, file: DataFile) {
        let at = self.files.partition_point(|other| other.path < file.path);
        self.files.insert(at, file);
    }

    /// Takes a file out.
    pub(crate) fn remove(&mut self, path: &str) {
        if let Ok(at) = self.files.binary_search_by(|file| file.path.as_str().cmp(path)) {
            self.files.remove(at);
        }
    }

    /// Rows of the table.
    #[must_use]
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().fold(0, |rows, file| rows.saturating_add(file.rows))
    }

    /// Bytes of its files.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |bytes, file| bytes.saturating_add(file.bytes))
    }
}

impl DataFile {
    /// Whether it holds what the other one does, in the same partition.
    pub(crate) fn has_content_of(&self, other: &Self) -> bool {
        let content = |file: &Self| (file.bytes, file.rows, !file.checksum.is_empty());
        content(self) == content(other) && self.checksum == other.checksum && self.partition == other.partition
    }
}

/// A live data file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// Ranges of key columns, as far as they are known. They tell of the content, whatever the table's key is, or becomes.
    pub(crate) key_ranges: KeyRanges,
}
