//! Rows that mean what they meant, although their texts differ.
//!
//! In: rows of a live file and those of the run that match them, in the types of the table. Out: which of the changed ones say the same.
//! When a column becomes text or JSON, what the table has is written anew from its values, and spelled another way than what comes: such a
//! row is unchanged. Only JSON columns and columns that the file has in a narrower type are compared so; in all others every byte counts.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow_select::take::take_record_batch;

use crate::decode::{SpellingCursor, same_meaning, widen_array};
use crate::lake::LakeError;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::arrow_failed;
use crate::lake::stage::form::array_to_memory;
use crate::merge::changed_rows;
use crate::schema::{Column, ColumnType};

/// Whether each of the rows that `changed` names says in `new` what it said in `old`; for all others, no.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn alike_rows(
    old: &RecordBatch,
    new: &RecordBatch,
    changed: &BooleanArray,
    live: &Adapted,
) -> Result<Vec<bool>, LakeError> {
    let columns = &live.target().columns;
    let is_narrower = |column: usize| live.same_column(column).is_none();
    let may_differ: Vec<usize> =
        (0..columns.len()).filter(|at| is_narrower(*at) || columns[*at].column_type.has_json()).collect();
    let mut alike = vec![false; old.num_rows()];
    if may_differ.is_empty() || changed.true_count() == 0 {
        return Ok(alike);
    }
    let rows: Vec<u32> = changed.values().set_indices().map(|row| row as u32).collect();
    let failed = |source| arrow_failed("compare", live.table(), source);
    let picked = UInt32Array::from(rows.clone());
    let (old, new) = (take_record_batch(old, &picked).map_err(failed)?, take_record_batch(new, &picked).map_err(failed)?);
    let others: Vec<usize> = (0..columns.len()).filter(|at| !may_differ.contains(at)).collect();
    let (rest, new_rest) = (old.project(&others).map_err(failed)?, new.project(&others).map_err(failed)?);
    let mut same: Vec<bool> = changed_rows(&rest, &new_rest)?.values().iter().map(|changed| !changed).collect();
    for at in may_differ {
        let text = |batch: &RecordBatch| json_texts(batch.column(at), &columns[at], live);
        let (old, new) = (text(&old)?, text(&new)?);
        let (old, new) = (old.as_string::<i32>(), new.as_string::<i32>());
        for (row, same) in same.iter_mut().enumerate().filter(|(_, same)| **same) {
            *same = match (old.is_valid(row), new.is_valid(row)) {
                (true, true) => same_meaning(old.value(row), new.value(row), is_narrower(at)),
                (old, new) => old == new,
            };
        }
    }
    rows.iter().zip(same).for_each(|(row, same)| alike[*row as usize] = same);
    Ok(alike)
}

/// A column of a table's file as JSON texts.
fn json_texts(array: &ArrayRef, column: &Column, live: &Adapted) -> Result<ArrayRef, LakeError> {
    let values = array_to_memory(array, &column.column_type).map_err(|source| arrow_failed("compare", live.table(), source))?;
    let texts = widen_array(&values, &column.name, &column.column_type, &ColumnType::Json, &mut SpellingCursor::default())?;
    Ok(texts)
}
