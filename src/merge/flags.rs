//! Rows that a flag marks as deletions.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;

/// The rows whose value in this column deletes: true in a column of booleans, anything but null in another.
///
/// A column in which booleans came beside other values is text, and `false` in it deletes nothing: so it does not matter on which
/// page it became text.
#[must_use]
pub(crate) fn deleting_rows(column: &ArrayRef) -> BooleanBuffer {
    let flags = match column.data_type() {
        DataType::Boolean => column.as_boolean().values().clone(),
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            BooleanBuffer::collect_bool(texts.len(), |row| texts.value(row) != "false")
        }
        _ => BooleanBuffer::new_set(column.len()),
    };
    match column.logical_nulls() {
        Some(nulls) => &flags & nulls.inner(),
        None => flags,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BooleanArray, Int64Array, NullArray, StringArray, StructArray, TimestampMicrosecondArray};
    use arrow_buffer::NullBuffer;

    use super::*;

    fn check(column: impl Array + 'static, expected: &[usize]) {
        let column: ArrayRef = Arc::new(column);
        assert_eq!(deleting_rows(&column).set_indices().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn true_deletes_among_booleans_and_any_value_elsewhere() {
        check(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]), &[0, 3]);
        check(Int64Array::from(vec![Some(0), None, Some(1)]), &[0, 2]);
        check(TimestampMicrosecondArray::from(vec![None, Some(0)]), &[1]);
        check(StringArray::from(vec![Some(""), None, Some("2026-11-22")]), &[0, 2]);
        check(NullArray::new(3), &[]);
        check(StructArray::new_empty_fields(2, Some(NullBuffer::from(vec![true, false]))), &[0]);
    }

    #[test]
    fn booleans_that_became_text_delete_what_they_deleted_before() {
        check(StringArray::from(vec![Some("true"), Some("false"), None, Some("2026-11-22")]), &[0, 3]);
    }

    #[test]
    fn a_slice_tells_of_its_own_rows() {
        let column: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]));
        assert_eq!(deleting_rows(&column.slice(1, 3)).set_indices().collect::<Vec<_>>(), [2]);
    }
}
