//! Which partition a file without rows lies in, where readers need one.
//!
//! A table without rows needs a folder for its columns to be seen, and a partition column of nulls alone has no type, which pyarrow
//! refuses. Tables that have folders of text that looks like something else ([`Look`]) need one whose value is plainly text, which
//! settles what most readers guess for all of them.

use crate::config::Transform;
use crate::lake::DataFile;
use crate::lake::partition::level::Level;
use crate::lake::partition::look::Look;
use crate::lake::partition::transform::{Kind, decimal_text, ordinal_of, ordinal_text, truncate_text};
use crate::lake::partition::{PartitionError, PartitionId, Partitioner};
use crate::schema::TableSchema;

/// The folder value of text that no row has.
const NO_ROWS: &str = "empty";

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

/// Whether a value alone makes most readers see the level's type. Where the column is in the files too, any value does: a folder of another
/// look beside it would be refused by some.
fn tells_type(level: &Level, kind: Kind, value: &str) -> bool {
    !level.in_path_only() || kind != Kind::Text || Look::of(value) == Look::Text
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
