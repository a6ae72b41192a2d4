//! What a run does to a table that is there already, in words: the schema's changes, and the columns that are gone.

use std::collections::BTreeSet;

use crate::config::{ResourcePlan, StepPlan};
use crate::schema::{Change, Column, ColumnType, TableSchema, Widened};

/// Records from which on it says something that none of them has a column; fewer may just lack what APIs leave out where it is empty.
const TELLING_RECORDS: u64 = 100;

/// What a run does to the schema of a table of so many rows.
pub(super) fn changes(change: &Change, rows: u64) -> Vec<String> {
    if rows == 0 {
        return Vec::new();
    }
    let new = (!change.new.is_empty()).then(|| format!("new columns, null in older rows: {}", change.new.join(", ")));
    let widened = change.widened.iter().map(|Widened { column, from, to }| format!("column {column} widens from {from} to {to}"));
    new.into_iter().chain(widened).collect()
}

/// Columns of a table of `rows` rows that none of the run's `records` has, and what one of them may be called now. `is_whole`: the run is to have
/// all records. Columns that the config itself takes out are not missed.
pub(super) fn vanished(
    resource: &ResourcePlan,
    unseen: &BTreeSet<String>,
    (before, after): (&TableSchema, &TableSchema),
    (rows, records, is_whole): (u64, u64, bool),
) -> Option<String> {
    let is_telling = records > 0 && (is_whole || records >= TELLING_RECORDS || records >= rows);
    let is_missed = |name: &&String| StepPlan::taking_out(&resource.processing_steps, name).is_none();
    let gone: Vec<&String> = unseen.iter().filter(is_missed).collect();
    if rows == 0 || !is_telling || gone.is_empty() {
        return None;
    }
    let new: Vec<&Column> = after.columns.iter().filter(|column| before.column(&column.name).is_none()).collect();
    let renamed = match (gone.as_slice(), new.as_slice()) {
        ([old], [new]) if before.column(old).is_some_and(|column| is_same(&column.column_type, &new.column_type)) => {
            let (old, new) = (old, &new.name);
            format!(
                "; `{new}` is new and of the same type: if it is the same, `processing_steps: [{{rename: {{{new}: {old}}}}}]` keeps it in one column"
            )
        }
        _ => String::new(),
    };
    let names = gone.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Some(format!("columns of the table that no record of this run has, and that are null in its rows: {names}{renamed}"))
}

/// Whether two columns hold values of one type; integers differ in how wide they have become.
fn is_same(one: &ColumnType, other: &ColumnType) -> bool {
    let is_integer = |column_type: &ColumnType| matches!(column_type, ColumnType::Int64 { .. });
    *one != ColumnType::Unknown && (one == other || is_integer(one) && is_integer(other))
}
