//! The spelling of rows that do not stay in the order in which they came: routed to partitions, or sorted.
//!
//! In: the batches as they came, and for each row that is written, where it was. Out: the written rows as batches with the originals
//! that are theirs. Where all batches are spelled alike, as they mostly are, nothing is looked at row by row.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch};

use crate::decode::{Originals, Spelling, TypedBatch};
use crate::schema::{ColumnType, TableSchema};

/// Where a row was: the batch's number, and the row in it.
pub(crate) type Pick = (usize, usize);

/// The number of each batch's first row among all of them.
pub(crate) fn starts(rows: impl Iterator<Item = usize>) -> Vec<usize> {
    let starts = rows.scan(0, |next, rows| {
        let start = *next;
        *next += rows;
        Some(start)
    });
    starts.collect()
}

/// The place of a row, given its number among all rows of batches that start at `starts`.
pub(crate) fn pick(starts: &[usize], row: usize) -> Pick {
    let batch = starts.partition_point(|start| *start <= row).saturating_sub(1);
    (batch, row - starts[batch])
}

/// The rows of `written`, which are of `schema`, with their originals, given where each of them was in `came`.
pub(crate) fn with_originals(
    schema: &Arc<TableSchema>,
    written: &RecordBatch,
    came: &[TypedBatch],
    picks: impl Iterator<Item = Pick>,
) -> Vec<TypedBatch> {
    let part = |rows: Range<usize>, originals: Vec<Originals>| {
        let batch = written.slice(rows.start, rows.len());
        TypedBatch { schema: Arc::clone(schema), batch, originals }
    };
    let spelled_alike = came.windows(2).all(|pair| spelled(&pair[0]).eq(spelled(&pair[1])));
    let no_exceptions = came.iter().all(|rows| rows.originals.iter().all(|of| of.exceptions.is_empty()));
    if spelled_alike && no_exceptions {
        let originals = came.first().map(|rows| rows.originals.clone()).unwrap_or_default();
        return vec![part(0..written.num_rows(), originals)];
    }
    let exceptions: Vec<HashMap<(usize, u32), &str>> = came.iter().map(exceptions_of).collect();
    let mut parts = Vec::new();
    let mut run: Vec<Pick> = Vec::new();
    let mut first = 0;
    for pick in picks {
        if run.last().is_some_and(|last| last.0 != pick.0 && !spelled(&came[last.0]).eq(spelled(&came[pick.0]))) {
            parts.push(part(first..first + run.len(), picked(came, &exceptions, &run)));
            first += run.len();
            run.clear();
        }
        run.push(pick);
    }
    parts.push(part(first..first + run.len(), picked(came, &exceptions, &run)));
    parts
}

/// Some rows of a batch, with their originals.
pub(crate) fn slice(rows: &TypedBatch, range: Range<usize>) -> TypedBatch {
    let of_range = |of: &Originals| {
        let slots = if of.exceptions.is_empty() { 0..0 } else { slots(rows, &of.leaf, range.clone()) };
        let before = |end: usize| of.exceptions.partition_point(|(slot, _)| (*slot as usize) < end);
        let kept = &of.exceptions[before(slots.start)..before(slots.end)];
        let exceptions = kept.iter().map(|(slot, text)| (slot - slots.start as u32, text.clone())).collect();
        Originals { leaf: of.leaf.clone(), spelling: of.spelling, exceptions }
    };
    let originals = rows.originals.iter().map(of_range).collect();
    TypedBatch { schema: Arc::clone(&rows.schema), batch: rows.batch.slice(range.start, range.len()), originals }
}

/// The spelling of each leaf of a batch.
fn spelled(rows: &TypedBatch) -> impl Iterator<Item = (&Vec<String>, Spelling)> {
    rows.originals.iter().map(|of| (&of.leaf, of.spelling))
}

/// A batch's exceptions, by the place of their leaf among the originals, and by slot.
fn exceptions_of(rows: &TypedBatch) -> HashMap<(usize, u32), &str> {
    let mut found = HashMap::new();
    for (leaf, of) in rows.originals.iter().enumerate() {
        for (slot, text) in &of.exceptions {
            found.insert((leaf, *slot), text.as_ref());
        }
    }
    found
}

/// The originals of rows of batches that are spelled alike.
fn picked(came: &[TypedBatch], exceptions: &[HashMap<(usize, u32), &str>], picks: &[Pick]) -> Vec<Originals> {
    let Some(rows) = picks.first().map(|(batch, _)| &came[*batch]) else { return Vec::new() };
    let mut originals: Vec<Originals> = Vec::with_capacity(rows.originals.len());
    for (place, of) in rows.originals.iter().enumerate() {
        let mut kept = Vec::new();
        if exceptions.iter().any(|exceptions| !exceptions.is_empty()) {
            let mut next = 0;
            for (batch, row) in picks {
                for slot in slots(&came[*batch], &of.leaf, *row..*row + 1) {
                    if let Some(text) = exceptions[*batch].get(&(place, slot as u32)) {
                        kept.push((next, Box::from(*text)));
                    }
                    next += 1;
                }
            }
        }
        originals.push(Originals { leaf: of.leaf.clone(), spelling: of.spelling, exceptions: kept });
    }
    originals
}

/// The slots that successive rows have in a leaf's array.
fn slots(batch: &TypedBatch, leaf: &[String], rows: Range<usize>) -> Range<usize> {
    let Some((name, fields)) = leaf.split_first() else { return 0..0 };
    let Some(place) = batch.schema.columns.iter().position(|column| column.name == *name) else { return 0..0 };
    below(&batch.schema.columns[place].column_type, batch.batch.column(place), fields, rows)
}

fn below(column_type: &ColumnType, array: &ArrayRef, fields: &[String], slots: Range<usize>) -> Range<usize> {
    match (column_type, fields.split_first()) {
        (ColumnType::Struct(columns), Some((name, fields))) => {
            let place = columns.iter().position(|column| column.name == *name);
            match place.and_then(|place| array.as_struct_opt().map(|structs| (place, structs.column(place)))) {
                Some((place, child)) => below(&columns[place].column_type, child, fields, slots),
                None => 0..0,
            }
        }
        (ColumnType::List(element), _) => {
            let Some(list) = array.as_list_opt::<i32>() else { return 0..0 };
            let offsets = list.value_offsets();
            let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
            let at = |row: usize| (offsets[row] - first) as usize;
            let elements = list.values().slice(first as usize, (last - first) as usize);
            below(element, &elements, fields, at(slots.start)..at(slots.end))
        }
        _ => slots,
    }
}
