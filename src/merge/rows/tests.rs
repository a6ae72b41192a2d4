use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::{Float64Array, Int64Array, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use proptest::prelude::*;

use super::*;

/// A row in every kind of column the merge meets.
type Row = (Option<i64>, Option<String>, Option<f64>, Option<Vec<Option<i64>>>);

fn batch_of(rows: &[Row]) -> RecordBatch {
    let integers: Int64Array = rows.iter().map(|row| row.0).collect();
    let texts: StringArray = rows.iter().map(|row| row.1.as_deref()).collect();
    let floats: Float64Array = rows.iter().map(|row| row.2).collect();
    let mut lists = ListBuilder::new(Int64Builder::new());
    rows.iter().for_each(|row| lists.append_option(row.3.clone()));
    let inner = Arc::new(Field::new("text", DataType::Utf8, true));
    let nested = StructArray::from(vec![(inner, Arc::new(texts.clone()) as ArrayRef)]);
    let columns: [(&str, ArrayRef); 5] = [
        ("integer", Arc::new(integers)),
        ("text", Arc::new(texts)),
        ("float", Arc::new(floats)),
        ("list", Arc::new(lists.finish())),
        ("struct", Arc::new(nested)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

/// As the room compares: by bits, so that NaN equals itself.
fn differ(left: &Row, right: &Row) -> bool {
    let bits = |row: &Row| row.2.map(f64::to_bits);
    (&left.0, &left.1, bits(left), &left.3) != (&right.0, &right.1, bits(right), &right.3)
}

fn row() -> impl Strategy<Value = Row> {
    let integer = proptest::option::of(0..3_i64);
    let text = proptest::option::of(prop_oneof![
        Just(String::new()),
        Just("a".to_owned()),
        Just("a longer text than inline".to_owned())
    ]);
    let float = proptest::option::of(prop_oneof![Just(0.5), Just(f64::NAN), Just(-1.0)]);
    let list = proptest::option::of(proptest::collection::vec(proptest::option::of(0..2_i64), 0..3));
    (integer, text, float, list)
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(row(), 0..60)
}

fn sort_fields(fields: &[(&str, bool)]) -> Vec<SortField> {
    fields.iter().map(|(column, descending)| SortField { column: (*column).to_owned(), descending: *descending }).collect()
}

proptest! {
    #[test]
    fn changed_rows_are_those_that_differ(pairs in proptest::collection::vec((row(), row(), any::<bool>()), 0..60)) {
        let old: Vec<Row> = pairs.iter().map(|pair| pair.0.clone()).collect();
        let new: Vec<Row> = pairs.iter().map(|pair| if pair.2 { pair.0.clone() } else { pair.1.clone() }).collect();
        let expected: Vec<bool> = old.iter().zip(&new).map(|(old, new)| differ(old, new)).collect();
        let changed = changed_rows(&batch_of(&old), &batch_of(&new)).unwrap();
        prop_assert_eq!(changed.values().iter().collect::<Vec<_>>(), expected);
        prop_assert_eq!(changed.null_count(), 0);
    }

    #[test]
    fn replaced_rows_stand_where_the_old_ones_stood(old in rows(), new in rows(), picks in proptest::collection::vec(any::<Option<u16>>(), 60), every in 1..30_usize) {
        let replacements: Vec<(usize, usize)> = (0..old.len())
            .filter(|row| !new.is_empty() && row % every == 0)
            .filter_map(|row| picks[row].map(|pick| (row, pick as usize % new.len())))
            .collect();
        let mut expected = old.clone();
        for (old_row, new_row) in &replacements {
            expected[*old_row] = new[*new_row].clone();
        }
        let (old, new, expected) = (batch_of(&old), batch_of(&new), batch_of(&expected));
        let replaced = replace_rows(&old, &replacements, &new).unwrap();
        prop_assert_eq!(replaced.schema(), old.schema());
        prop_assert_eq!(changed_rows(&replaced, &expected).unwrap().true_count(), 0);
        let again = replace_rows(&replaced, &replacements, &new).unwrap();
        prop_assert_eq!(changed_rows(&replaced, &again).unwrap().true_count(), 0);
    }

    #[test]
    fn a_sorted_batch_has_the_same_rows_in_order_nulls_last_and_ties_kept(rows in rows(), descending: bool) {
        let fields = sort_fields(&[("integer", descending), ("absent", false), ("text", false)]);
        let sorted = sort_batch(&batch_of(&rows), &fields).unwrap();
        let mut expected = rows;
        expected.sort_by(|left, right| {
            let integers = match (left.0, right.0) {
                (Some(left), Some(right)) if descending => right.cmp(&left),
                (left, right) => left.is_none().cmp(&right.is_none()).then(left.cmp(&right)),
            };
            integers.then_with(|| left.1.is_none().cmp(&right.1.is_none())).then_with(|| left.1.cmp(&right.1))
        });
        prop_assert_eq!(changed_rows(&sorted, &batch_of(&expected)).unwrap().true_count(), 0);
        let again = sort_batch(&sorted, &fields).unwrap();
        prop_assert_eq!(changed_rows(&sorted, &again).unwrap().true_count(), 0);
    }
}

fn plain_rows(count: usize) -> RecordBatch {
    batch_of(&vec![(Some(1), None, None, None); count])
}

#[test]
fn batches_of_different_shape_are_not_compared() {
    assert!(matches!(changed_rows(&plain_rows(2), &plain_rows(3)), Err(MergeError::Shapes { .. })));
    let narrow = plain_rows(2).project(&[0]).unwrap();
    assert!(matches!(changed_rows(&plain_rows(2), &narrow), Err(MergeError::Shapes { .. })));
    assert!(matches!(replace_rows(&plain_rows(2), &[], &narrow), Err(MergeError::Shapes { .. })));
}

#[test]
fn a_replacement_out_of_order_or_past_the_end_is_refused() {
    for replacements in [&[(1, 0), (1, 0)][..], &[(1, 0), (0, 0)], &[(2, 0)], &[(0, 1)]] {
        let refused = replace_rows(&plain_rows(2), replacements, &plain_rows(1));
        assert!(matches!(refused, Err(MergeError::Replacement { .. })), "{replacements:?}");
    }
}

#[test]
fn a_slice_of_a_batch_compares_by_its_own_rows() {
    let rows: Vec<Row> = (0..10).map(|number| (Some(number), Some(number.to_string()), None, Some(vec![Some(number)]))).collect();
    let batch = batch_of(&rows);
    let changed = changed_rows(&batch.slice(2, 5), &batch_of(&rows[2..7])).unwrap();
    assert_eq!(changed.true_count(), 0);
}
