//! What can go wrong between a row and its partition folder.

use arrow_schema::ArrowError;

use crate::base::ErrorKind;
use crate::lake::partition::Misread;

/// A failure of partitioning. Only [`PartitionError::SameFolder`] and [`PartitionError::Misread`] carry values of a column, which folder
/// names show.
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
         object gateways; partition by `'bucket[16]'` of the column, or by another column"
    )]
    SameFolder {
        /// The column.
        column: String,
        /// The value that has a folder.
        one: String,
        /// The value at hand.
        other: String,
    },
    /// Text that some reader would take for something else.
    #[error("table `{table}`: {misread}")]
    Misread {
        /// The table.
        table: String,
        /// The level, and the value.
        misread: Misread,
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
            | Self::Misread { .. }
            | Self::TooLong { .. }
            | Self::TooMany { .. }
            | Self::Unreadable { .. } => ErrorKind::Data,
            Self::Levels { .. } | Self::Arrays { .. } => ErrorKind::Internal,
        }
    }

    /// What the operator can do, where that is not plain from the message.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unsupported { column, transform, found, .. } => way_out(column, transform, found)?,
            Self::TypeChanged { column, was, .. } => format!(
                "hold the column to {was} with `processing_steps: [{{cast: {{{column}: …}}}}]` or `columns`; or rebuild the table with `--full-refresh`"
            ),
            Self::EmptyText { column } | Self::ReservedText { column } | Self::TooLong { column, .. } => {
                format!(
                    "partition by `'bucket[16]'` of `{column}`, as in `partition_by: [{{column: {column}, transform: 'bucket[16]'}}]`, or by another column"
                )
            }
            Self::Misread { misread, .. } => misread.way_out(),
            Self::TooMany { .. } => {
                "partition by fewer values (`month`, `bucket`), or set `lake.max_partitions` to what is meant".to_owned()
            }
            Self::NoColumns => "partition by fewer of the columns, or add one to the declared schema".to_owned(),
            _ => return None,
        })
    }
}

/// What makes a column of this type one that names partitions.
fn way_out(column: &str, transform: &str, found: &str) -> Option<String> {
    let is_time = ["year", "month", "day", "hour"].contains(&transform);
    Some(match found {
        "text" if is_time => format!(
            "where its texts are times, `processing_steps: [{{cast: {{{column}: {{to: timestamp, timezone: UTC}}}}}}]` makes the column one of times; else partition by `'truncate[4]'` or `'bucket[16]'` of it"
        ),
        "an integer" if is_time => format!(
            "where it counts since 1970, `processing_steps: [{{cast: {{{column}: {{to: timestamp, from: epoch_s}}}}}}]` makes the column one of times; else partition by `'truncate[1000]'` or `'bucket[16]'` of it"
        ),
        "a date" if transform == "hour" => "a date has no hours: partition by `day` of it".to_owned(),
        "a boolean" | "a decimal" if is_time => "partition by the column itself (`identity`), or by another column".to_owned(),
        "a boolean" => "partition by the column itself: `transform: identity`".to_owned(),
        "a date" | "a timestamp" => "partition by `day`, `month` or `year` of it".to_owned(),
        "a floating-point number" => format!(
            "partition by another column; or `processing_steps: [{{cast: {{{column}: text}}}}]` makes it text, of which `{{column: {column}, transform: 'bucket[16]'}}` makes folders"
        ),
        "an object" | "a list" | "JSON text" => {
            "partition by another column; a `set` step of `processing_steps` brings a member of an object up as a column"
                .to_owned()
        }
        _ => return None,
    })
}
