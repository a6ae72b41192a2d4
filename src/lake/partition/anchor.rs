//! Which partition a file without rows lies in, where readers need one.
//!
//! Readers guess the type of a partition column from its folders' values. Text that looks like numbers or dates becomes such
//! (`01234` the same as `1234`), and a column of nulls alone has no type at all, which pyarrow refuses. One more folder, with a value
//! whose type is plain, settles the guess for all of them. A table without rows needs a folder for its columns to be seen.

use crate::config::Transform;
use crate::lake::DataFile;
use crate::lake::partition::level::Level;
use crate::lake::partition::transform::{Kind, decimal_text, ordinal_of, ordinal_text, truncate_text};
use crate::lake::partition::{PartitionError, PartitionId, Partitioner};
use crate::schema::TableSchema;

/// The folder value of text that no row has.
const NO_ROWS: &str = "empty";

/// Words that some reader takes for something else than text.
const AMBIGUOUS_WORDS: [&str; 18] =
    ["true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "inf", "infinity", "nan", "null", "none", "na", "epoch", "e"];

impl Partitioner {
    /// The partition of the file without rows that the table needs beside its `live` files; `None` when it needs none.
    ///
    /// # Errors
    /// [`PartitionError::Levels`] when a live file has other levels.
    pub(crate) fn anchor(&mut self, schema: &TableSchema, live: &[DataFile]) -> Result<Option<PartitionId>, PartitionError> {
        let value = |place: usize, file: &DataFile| file.partition.get(place).cloned().flatten();
        let is_told = |(place, level): (usize, &Level)| {
            live.iter().any(|file| value(place, file).is_some_and(|value| tells_type(level, kind_in(level, schema), &value)))
        };
        let told: Vec<bool> = self.levels.iter().enumerate().map(is_told).collect();
        if !live.is_empty() && !told.contains(&false) {
            return Ok(None);
        }
        let values: Vec<Option<String>> = self
            .levels
            .iter()
            .enumerate()
            .map(|(place, level)| match live.first() {
                Some(file) if told[place] => value(place, file),
                _ => Some(resting_value(level.field.transform, kind_in(level, schema))),
            })
            .collect();
        self.partition_of(&values).map(Some)
    }
}

/// What the level's column is, or what the transform would take it for.
fn kind_in(level: &Level, schema: &TableSchema) -> Kind {
    let known = schema.column(&level.field.column).and_then(|column| Kind::of_column(&column.column_type).ok().flatten());
    known.unwrap_or(match level.field.transform {
        Transform::Year | Transform::Month | Transform::Day | Transform::Hour => Kind::Timestamp,
        _ => Kind::Text,
    })
}

/// Whether a value alone makes all readers see the level's type.
fn tells_type(level: &Level, kind: Kind, value: &str) -> bool {
    let is_text = kind == Kind::Text && matches!(level.field.transform, Transform::Identity | Transform::Truncate { .. });
    let begins_as_a_word = value.chars().next().is_some_and(char::is_alphabetic);
    !is_text || (begins_as_a_word && !AMBIGUOUS_WORDS.iter().any(|word| value.eq_ignore_ascii_case(word)))
}

/// A value of the type that folders of this level have.
fn resting_value(transform: Transform, kind: Kind) -> String {
    match (kind, transform) {
        (Kind::Text | Kind::Decimal(_), Transform::Bucket { .. }) => "0".to_owned(),
        (Kind::Text, Transform::Truncate { width }) => truncate_text(NO_ROWS, width).to_owned(),
        (Kind::Text, _) => NO_ROWS.to_owned(),
        (Kind::Decimal(scale), _) => decimal_text(0, scale),
        (kind, transform) => ordinal_text(transform, kind, ordinal_of(transform, 0)),
    }
}
