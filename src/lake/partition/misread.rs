//! Text partitions that some reader would show as something else, or refuse.
//!
//! In: a table as a commit has it. Out: its levels of text whose folders do not keep the text. Where folders alone hold a column, every value
//! must look like text to all readers. Where the column is in the files too, they must look alike: readers refuse a number beside a word.

use std::fmt;

use crate::config::Transform;
use crate::lake::Snapshot;
use crate::lake::partition::look::{Look, is_number};
use crate::schema::{ColumnType, TableSchema};

/// A level of text that not all readers show, and a value of it that shows why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misread {
    /// The folder key, the column and the transform.
    level: (String, String, String),
    /// The folder's value.
    value: String,
    /// A value that looks otherwise, where each alone would do.
    beside: Option<String>,
    /// Whether a number is among what is taken for another value.
    is_number: bool,
}

impl Misread {
    /// Whether both are of one level.
    pub(crate) fn is_of_level(&self, other: &Self) -> bool {
        self.level == other.level
    }

    /// Whether text would be read back as a number, or a table with numbers be refused: what merely looks like a date to some is told.
    pub(crate) fn is_of_number(&self) -> bool {
        self.is_number
    }

    /// What keeps the text for all readers.
    pub(crate) fn way_out(&self) -> String {
        let (folder, column, transform) = &self.level;
        let bucket = format!("`partition_by: [{{column: {column}, transform: 'bucket[16]'}}]`");
        let rebuilt = "a table that has rows takes it with `--full-refresh`";
        if folder == column && transform == "identity" {
            return format!(
                "{bucket} keeps `{column}` in the files as it is; where all its values are whole numbers, so does \
                 `partition_by: [{{column: {column}, as: {column}_folder}}]`; {rebuilt}"
            );
        }
        format!("{bucket} makes folders that look alike; {rebuilt}")
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level: (folder, column, _), value, beside, .. } = self;
        match beside {
            None => write!(
                f,
                "column `{column}` is text, and some readers take the folder of its value {value:?} for a number, a date or the like, \
                 since folders alone hold the column"
            ),
            Some(beside) => {
                write!(
                    f,
                    "some readers refuse folders of the text column `{column}` that look like {value:?} and {beside:?} (`{folder}`)"
                )
            }
        }
    }
}

/// The levels of text that not all readers show as they are; none of a table that all of them do.
pub(crate) fn misread_levels(table: &Snapshot) -> Vec<Misread> {
    let levels = table.partition_by.iter().enumerate().filter(|(_, (_, column, _))| is_text(&table.schema, column));
    let misread = levels.filter_map(|(place, level)| {
        let files = table.files.iter().filter(|file| file.rows > 0);
        let values: Vec<&str> = files.filter_map(|file| file.partition.get(place)?.as_deref()).collect();
        let (folder, column, transform) = level;
        let found = |value: &str, beside: Option<&str>| Misread {
            level: level.clone(),
            value: value.to_owned(),
            beside: beside.map(str::to_owned),
            is_number: is_number(value) || beside.is_some_and(is_number),
        };
        match Transform::parse(transform)? {
            Transform::Identity if folder == column => {
                let worst = values.iter().find(|value| is_number(value));
                worst.or_else(|| values.iter().find(|value| Look::of(value) != Look::Text)).map(|value| found(value, None))
            }
            Transform::Identity | Transform::Truncate { .. } => {
                let first = values.iter().find(|value| is_number(value)).or(values.first())?;
                let look = Look::of(first);
                values.iter().find(|value| Look::of(value) != look).map(|value| found(first, Some(value)))
            }
            _ => None,
        }
    });
    misread.collect()
}

fn is_text(schema: &TableSchema, column: &str) -> bool {
    schema.column(column).is_some_and(|column| column.column_type == ColumnType::Text)
}
