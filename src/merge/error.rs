//! What can go wrong while keys and rows are compared.

use std::path::PathBuf;

use arrow_schema::ArrowError;
use arrow_schema::DataType;

use crate::base::ErrorKind;

/// A failure of the merge.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    /// A primary key column has a type without an equality that is worth a key.
    #[error("column {position} of the `primary_key` is {}; a key is text, a number, a boolean, a date or a time", kind_of(.found))]
    KeyType {
        /// Its place among the key's columns, from 1.
        position: usize,
        /// Its type.
        found: DataType,
    },
    /// The column that decides among rows of one key has a type without an order, or changed it.
    #[error(
        "the column that decides among rows of one key has type `{found}`, which has no order, or not that of the rows before"
    )]
    RankType {
        /// Its type.
        found: DataType,
    },
    /// A primary key without columns, or columns of different lengths.
    #[error("the columns of a primary key have {lengths:?} rows")]
    KeyColumns {
        /// Rows, a column.
        lengths: Vec<usize>,
    },
    /// A unit has more rows than a `u32` can number.
    #[error("unit {unit} has more than 4294967295 rows")]
    UnitRows {
        /// Which unit.
        unit: u32,
    },
    /// A spill file could not be written or read: disk full, removed, broken.
    #[error("cannot {action} spill file `{}`", path.display())]
    Spill {
        /// What was tried, as a verb.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Two batches that are to be compared differ in shape.
    #[error(
        "batches to compare differ: {old_rows} rows in {old_columns} columns against {new_rows} in {new_columns}, or in a type"
    )]
    Shapes {
        /// Rows of the older.
        old_rows: usize,
        /// Columns of the older.
        old_columns: usize,
        /// Rows of the newer.
        new_rows: usize,
        /// Columns of the newer.
        new_columns: usize,
    },
    /// A row to put in place is named that does not exist, or out of order.
    #[error("replacement {position} of {count} is out of order or past the end of its batch")]
    Replacement {
        /// Its place in the list, from 0.
        position: usize,
        /// Length of the list.
        count: usize,
    },
    /// An array operation failed.
    #[error("cannot {action} rows")]
    Arrays {
        /// What was tried, as a verb.
        action: &'static str,
        /// Why not.
        source: ArrowError,
    },
}

impl MergeError {
    /// What the operator has to do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::KeyType { .. } => ErrorKind::Data,
            Self::Spill { .. } => ErrorKind::Unavailable,
            Self::RankType { .. }
            | Self::KeyColumns { .. }
            | Self::UnitRows { .. }
            | Self::Shapes { .. }
            | Self::Replacement { .. }
            | Self::Arrays { .. } => ErrorKind::Internal,
        }
    }
}

/// A type in words.
fn kind_of(found: &DataType) -> String {
    match found {
        DataType::Struct(_) | DataType::Map(..) => "an object".to_owned(),
        DataType::List(_) | DataType::LargeList(_) => "a list".to_owned(),
        other => format!("of the type `{other}`"),
    }
}
