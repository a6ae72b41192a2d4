//! Rows against rows: which differ, how new ones are put in place, and their order.
//!
//! In: batches of one schema. Out: a mask, a batch with some rows exchanged, a batch in order. Values are never changed.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, make_array};
use arrow_buffer::BooleanBuffer;
use arrow_data::transform::MutableArrayData;
use arrow_ord::cmp::distinct;
use arrow_row::{RowConverter, Rows, SortField as RowField};
use arrow_schema::ArrowError;
use arrow_schema::SortOptions;
use arrow_select::interleave::interleave_record_batch;
use arrow_select::take::take_record_batch;

use crate::config::SortField;
use crate::merge::MergeError;

/// Below one replaced row in so many, stretches of old rows are copied whole; above, rows are picked one by one.
const SPARSE: usize = 8;

/// Row by row, whether the two batches differ in any column; null equals null, NaN equals NaN. No nulls in the answer.
/// Columns are compared by position.
///
/// # Errors
/// [`MergeError::Shapes`] when rows, columns or types differ.
pub(crate) fn changed_rows(old: &RecordBatch, new: &RecordBatch) -> Result<BooleanArray, MergeError> {
    check_same_columns(old, new)?;
    if old.num_rows() != new.num_rows() {
        return Err(shapes(old, new));
    }
    let mut changed = BooleanBuffer::new_unset(old.num_rows());
    for (old, new) in old.columns().iter().zip(new.columns()) {
        if let Some(differ) = differing_values(old, new).map_err(arrays("compare"))? {
            changed = &changed | &differ;
        }
    }
    Ok(BooleanArray::new(changed, None))
}

/// The batch `old` with row `new_row` of `new` in place of `old_row`, for every pair `(old_row, new_row)`; pairs ascend by old
/// row, each old row once. Schema and row count are those of `old`.
///
/// # Errors
/// [`MergeError::Shapes`] when columns or types differ, [`MergeError::Replacement`] for a pair out of order or past an end.
pub(crate) fn replace_rows(
    old: &RecordBatch,
    replacements: &[(usize, usize)],
    new: &RecordBatch,
) -> Result<RecordBatch, MergeError> {
    check_same_columns(old, new)?;
    let mut next = 0;
    for (position, (old_row, new_row)) in replacements.iter().enumerate() {
        if *old_row < next || *old_row >= old.num_rows() || *new_row >= new.num_rows() {
            return Err(MergeError::Replacement { position, count: replacements.len() });
        }
        next = old_row + 1;
    }
    if replacements.is_empty() || old.num_columns() == 0 {
        return Ok(old.clone());
    }
    if replacements.len() < old.num_rows() / SPARSE {
        let columns: Result<_, _> =
            old.columns().iter().zip(new.columns()).map(|(old, new)| copy_stretches(old, replacements, new)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(old.num_rows()));
        return columns
            .and_then(|columns| RecordBatch::try_new_with_options(old.schema(), columns, &options))
            .map_err(arrays("replace"));
    }
    let mut picks: Vec<(usize, usize)> = (0..old.num_rows()).map(|row| (0, row)).collect();
    for (old_row, new_row) in replacements {
        picks[*old_row] = (1, *new_row);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(new.num_rows()));
    let new = RecordBatch::try_new_with_options(old.schema(), new.columns().to_vec(), &options).map_err(arrays("replace"))?;
    interleave_record_batch(&[old, &new], &picks).map_err(arrays("replace"))
}

/// The batch in the order of `fields`, nulls last; rows that tie keep their order. A field that the batch lacks decides nothing:
/// it is null, or a partition value, in every row.
///
/// # Errors
/// [`MergeError::Arrays`] when a column's type has no order.
pub(crate) fn sort_batch(batch: &RecordBatch, fields: &[SortField]) -> Result<RecordBatch, MergeError> {
    let mut columns = Vec::new();
    let mut orders = Vec::new();
    for field in fields {
        if let Some(column) = batch.column_by_name(&field.column) {
            let options = SortOptions { descending: field.descending, nulls_first: false };
            orders.push(RowField::new_with_options(column.data_type().clone(), options));
            columns.push(ArrayRef::clone(column));
        }
    }
    if columns.is_empty() || batch.num_rows() < 2 {
        return Ok(batch.clone());
    }
    let converter = RowConverter::new(orders);
    let rows = converter.and_then(|converter| converter.convert_columns(&columns)).map_err(arrays("sort"))?;
    match sorted_rows(&rows) {
        Some(order) => take_record_batch(batch, &order).map_err(arrays("sort")),
        None => Ok(batch.clone()),
    }
}

fn check_same_columns(old: &RecordBatch, new: &RecordBatch) -> Result<(), MergeError> {
    let same = old.columns().iter().map(|column| column.data_type()).eq(new.columns().iter().map(|column| column.data_type()));
    if same { Ok(()) } else { Err(shapes(old, new)) }
}

fn shapes(old: &RecordBatch, new: &RecordBatch) -> MergeError {
    MergeError::Shapes {
        old_rows: old.num_rows(),
        old_columns: old.num_columns(),
        new_rows: new.num_rows(),
        new_columns: new.num_columns(),
    }
}

fn arrays(action: &'static str) -> impl FnOnce(ArrowError) -> MergeError {
    move |source| MergeError::Arrays { action, source }
}

/// Where two arrays of one type and length differ; `None` where they cannot.
fn differing_values(old: &ArrayRef, new: &ArrayRef) -> Result<Option<BooleanBuffer>, ArrowError> {
    if std::sync::Arc::ptr_eq(old, new) || old.data_type().is_null() {
        return Ok(None);
    }
    if !old.data_type().is_nested() {
        return Ok(Some(distinct(old, new)?.into_parts().0));
    }
    let converter = RowConverter::new(vec![RowField::new(old.data_type().clone())])?;
    let old = converter.convert_columns(&[ArrayRef::clone(old)])?;
    let new = converter.convert_columns(&[ArrayRef::clone(new)])?;
    Ok(Some(BooleanBuffer::collect_bool(old.num_rows(), |row| old.row(row) != new.row(row))))
}

/// The column with replacements in place, copied a stretch at a time.
fn copy_stretches(old: &ArrayRef, replacements: &[(usize, usize)], new: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let (old_data, new_data) = (old.to_data(), new.to_data());
    let mut column = MutableArrayData::new(vec![&old_data, &new_data], false, old.len());
    let mut next = 0;
    for (old_row, new_row) in replacements {
        column.try_extend(0, next, *old_row)?;
        column.try_extend(1, *new_row, new_row + 1)?;
        next = old_row + 1;
    }
    column.try_extend(0, next, old.len())?;
    Ok(make_array(column.freeze()))
}

/// Row numbers in order, or `None` when they are in order already.
fn sorted_rows(rows: &Rows) -> Option<UInt32Array> {
    if (1..rows.num_rows()).all(|row| rows.row(row - 1) <= rows.row(row)) {
        return None;
    }
    // The first bytes decide almost always, and stay in the cache where the rows themselves do not.
    let prefix = |bytes: &[u8]| {
        let mut first = [0; 16];
        let length = bytes.len().min(16);
        first[..length].copy_from_slice(&bytes[..length]);
        u128::from_be_bytes(first)
    };
    let mut order: Vec<(u128, u32)> = (0..).zip(rows.iter()).map(|(number, row)| (prefix(row.as_ref()), number)).collect();
    order.sort_unstable_by(|left, right| {
        left.0
            .cmp(&right.0)
            .then_with(|| rows.row(left.1 as usize).cmp(&rows.row(right.1 as usize)))
            .then_with(|| left.1.cmp(&right.1))
    });
    Some(order.into_iter().map(|(_, number)| number).collect::<Vec<u32>>().into())
}

#[cfg(test)]
mod tests;
