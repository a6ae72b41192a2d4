//! What can go wrong between a row and its partition folder.

use arrow::error::ArrowError;

use crate::base::ErrorKind;

/// A failure of partitioning. Only [`PartitionError::SameFolder`] carries values of a column, which folder names show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartitionError {
    /// The column's type makes no folder names under this transform.
    #[error("cannot partition by {transform} of column `{column}`, which is {found}")]
    Unsupported {
        /// The column.
        column: String,
        /// The transform as the config spells it.
        transform: String,
        /// The column's type, in words.
        found: String,
        /// Whether the type is declared, so that no row is needed to see the fault.
        declared: bool,
    },
    /// The column's type changed in a way that gives equal values other folders.
    #[error("column `{column}` changed from {was} to {found}: {transform} of it would move its rows to other partitions")]
    TypeChanged {
        /// The column.
        column: String,
        /// The transform as the config spells it.
        transform: String,
        /// The type that folders were named by so far.
        was: &'static str,
        /// The type of the rows at hand.
        found: &'static str,
    },
    /// A folder's key is also a column in the files, or another level's key: readers would see one of them only.
    #[error("partition folder `{name}` has the name of another column of the table; set another with `as`")]
    NameTaken {
        /// The folder's key.
        name: String,
    },
    /// A folder's key that readers take for a hidden file, or that is none.
    #[error("partition folder `{name}` needs a name that does not start with a point; set another with `as`")]
    Name {
        /// The folder's key.
        name: String,
    },
    /// Every column of the table is a partition column, so its files would have none.
    #[error("every column of the table is a partition column, and files without columns cannot be written")]
    NoColumns,
    /// Empty text: no reader tells such a folder from null.
    #[error("empty text in column `{column}` cannot be a partition value")]
    EmptyText {
        /// The column.
        column: String,
    },
    /// The text that stands for null in folder names.
    #[error("column `{column}` holds the text `__HIVE_DEFAULT_PARTITION__`, which readers take for null")]
    ReservedText {
        /// The column.
        column: String,
    },
    /// Two values whose folders are one where case or Unicode form does not count.
    #[error(
        "values {one:?} and {other:?} of column `{column}` differ in case or Unicode form alone, and are one folder on macOS, Windows and some \
         object gateways; partition by `bucket[16]` of the column, or by another column"
    )]
    SameFolder {
        /// The column.
        column: String,
        /// The value that has a folder.
        one: String,
        /// The value at hand.
        other: String,
    },
    /// A value too long for a folder name.
    #[error("a partition value of column `{column}` takes {bytes} bytes in a folder name, more than {bytes_max}")]
    TooLong {
        /// The column.
        column: String,
        /// Its length as a folder name has it.
        bytes: usize,
        /// The longest allowed.
        bytes_max: usize,
    },
    /// More partitions in one run than any store or reader likes.
    #[error(
        "the run changes more than {partitions_max} partitions (`lake.max_partitions`); different values by column: {columns}"
    )]
    TooMany {
        /// The most allowed.
        partitions_max: usize,
        /// Columns with the number of their values, greatest first.
        columns: String,
    },
    /// A folder's value is not one of the column's type.
    #[error("a folder value of `{column}` cannot be read as {wanted}")]
    Unreadable {
        /// The column.
        column: String,
        /// The column's type.
        wanted: String,
        /// Why not.
        source: ArrowError,
    },
    /// Partition values that are not one a level.
    #[error("{found} partition values for {levels} partition levels")]
    Levels {
        /// Values given.
        found: usize,
        /// Levels of the table.
        levels: usize,
    },
    /// An array operation failed.
    #[error("cannot split rows by partition")]
    Arrays {
        /// Why not.
        source: ArrowError,
    },
}

impl PartitionError {
    /// What the operator has to do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { declared: true, .. } | Self::NameTaken { .. } | Self::Name { .. } | Self::NoColumns => {
                ErrorKind::Config
            }
            Self::Unsupported { declared: false, .. }
            | Self::TypeChanged { .. }
            | Self::EmptyText { .. }
            | Self::ReservedText { .. }
            | Self::SameFolder { .. }
            | Self::TooLong { .. }
            | Self::TooMany { .. }
            | Self::Unreadable { .. } => ErrorKind::Data,
            Self::Levels { .. } | Self::Arrays { .. } => ErrorKind::Internal,
        }
    }
}
