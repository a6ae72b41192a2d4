//! Faults of a table: what was expected of a file, and what is there.

use std::error::Error;

use crate::lake::LakeError;

/// One thing that is not as the version's manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The file, or the object of `_lakeward` that is at fault, as people write it.
    pub(crate) place: String,
    /// What is wrong.
    pub(crate) kind: FaultKind,
    /// What the version promises.
    pub(crate) expected: String,
    /// What is there.
    pub(crate) found: String,
}

impl Fault {
    pub(super) fn new(place: &str, kind: FaultKind, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { place: place.to_owned(), kind, expected: expected.into(), found: found.into() }
    }

    /// What an error tells of a file.
    pub(in crate::lake::ops) fn of_error(place: &str, kind: FaultKind, error: &LakeError) -> Self {
        let mut found = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            found.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self::new(place, kind, "a file that can be read", found)
    }
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FaultKind {
    /// The file is not there.
    Missing,
    /// It has another size.
    Size,
    /// It has other bytes.
    Checksum,
    /// It cannot be opened or read.
    Unreadable,
    /// A file lies in the table's folder that no commit put there.
    Unknown,
    /// The manifest is not the one that was written.
    Manifest,
    /// The table is another pipeline's.
    Claim,
    /// The manifest has the file more than once.
    ListedTwice,
    /// The file's folder is not that of its partition.
    Folder,
    /// The bytes are those that were committed, and are no rows.
    Content,
    /// It has another number of rows.
    Rows,
    /// It has a column that the table has not, or has in a narrower type.
    Columns,
    /// Rows of another partition.
    Partition,
    /// Rows without a key.
    NullKey,
    /// A key outside of the range that the manifest tells of the file, by which merges pass it over.
    KeyRange,
    /// Rows whose key an earlier row of the table has.
    RepeatedKey,
}

/// What brings a table back in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Remedy {
    /// The file from a copy of the lake, or the table loaded anew.
    PutBack,
    /// Another version, or the table loaded anew: it was committed like this.
    Undo,
    /// The file goes out of the table's folder.
    MoveOut,
    /// The table gets one owner.
    SettleClaim,
}

impl FaultKind {
    /// Its name, for machines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Size => "size",
            Self::Checksum => "checksum",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown_file",
            Self::Manifest => "manifest",
            Self::Claim => "claim",
            Self::ListedTwice => "listed_twice",
            Self::Folder => "folder",
            Self::Content => "content",
            Self::Rows => "rows",
            Self::Columns => "columns",
            Self::Partition => "partition",
            Self::NullKey => "null_key",
            Self::KeyRange => "key_range",
            Self::RepeatedKey => "repeated_key",
        }
    }

    /// What helps.
    pub(crate) fn remedy(self) -> Remedy {
        match self {
            Self::Missing | Self::Size | Self::Checksum | Self::Unreadable | Self::Manifest => Remedy::PutBack,
            Self::Unknown => Remedy::MoveOut,
            Self::Claim => Remedy::SettleClaim,
            Self::ListedTwice
            | Self::Folder
            | Self::Content
            | Self::Rows
            | Self::Columns
            | Self::Partition
            | Self::NullKey
            | Self::KeyRange
            | Self::RepeatedKey => Remedy::Undo,
        }
    }
}
