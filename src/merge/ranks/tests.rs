use std::sync::Arc;

use arrow_array::{BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, NullArray, TimestampMicrosecondArray};
use proptest::prelude::*;

use super::*;

const UNIT_ROWS: u64 = 1 << 20;

/// Values in ascending order, with null in front: of any two the greater one wins, or the lesser one, but never null.
fn check_ascending(column: impl Array + 'static) {
    let column: ArrayRef = Arc::new(column);
    let folder = tempfile::tempdir().unwrap();
    for (budget_bytes, greatest) in [(0, true), (0, false), (64, true), (1 << 20, true), (1 << 20, false)] {
        let mut log = RankLog::new(folder.path().to_path_buf(), budget_bytes, UNIT_ROWS, greatest);
        log.push(&column, 0, 0).unwrap();
        log.finish().unwrap();
        for one in 0..column.len() as u64 {
            for other in 0..column.len() as u64 {
                let (less, more) = (one.min(other), one.max(other));
                let winner = if greatest || less == 0 { more } else { less };
                assert_eq!(log.winner(one, other).unwrap().0, winner, "{:?} {one} {other}", column.data_type());
            }
        }
        drop(log);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file outlives the log");
    }
}

#[test]
fn every_type_is_compared_by_what_it_means() {
    check_ascending(Int64Array::from(vec![None, Some(i64::MIN), Some(-1), Some(0), Some(9), Some(10), Some(i64::MAX)]));
    check_ascending(Float64Array::from(vec![
        None,
        Some(f64::NEG_INFINITY),
        Some(-1.5),
        Some(-1e-300),
        Some(0.0),
        Some(9.5),
        Some(10.25),
        Some(f64::INFINITY),
    ]));
    let digits = 10_i128.pow(38) - 1;
    let decimals = Decimal128Array::from(vec![None, Some(-digits), Some(-1), Some(0), Some(digits)]);
    check_ascending(decimals.with_precision_and_scale(38, 2).unwrap());
    check_ascending(TimestampMicrosecondArray::from(vec![None, Some(-5), Some(0), Some(1_700_000_000_000_000)]));
    check_ascending(Date32Array::from(vec![None, Some(-1), Some(0), Some(20_000)]));
    check_ascending(BooleanArray::from(vec![None, Some(false), Some(true)]));
    let long = "x".repeat(3 * CHUNK_BYTES);
    let (longer, greater) = (format!("{long}a"), format!("{long}b"));
    check_ascending(StringArray::from(vec![
        None,
        Some(""),
        Some("10"),
        Some("9"),
        Some("a"),
        Some("ab"),
        Some(long.as_str()),
        Some(longer.as_str()),
        Some(greater.as_str()),
        Some("ä"),
    ]));
}

#[test]
fn of_equal_values_and_of_nulls_the_later_row_wins() {
    for greatest in [true, false] {
        let mut log = RankLog::new(std::env::temp_dir(), 1 << 20, UNIT_ROWS, greatest);
        log.push(&(Arc::new(Float64Array::from(vec![0.0, -0.0])) as ArrayRef), 0, 0).unwrap();
        log.push(&(Arc::new(NullArray::new(2)) as ArrayRef), 0, 2).unwrap();
        log.finish().unwrap();
        assert_eq!(log.winner(0, 1).unwrap(), (1, 0));
        assert_eq!(log.winner(3, 2).unwrap(), (3, 2));
        assert_eq!(log.winner(0, 3).unwrap(), (0, 3), "null loses against any value");
        assert_eq!(log.winner(0, 1 << 32).unwrap(), (0, 1 << 32), "a row that was never told of is null");
    }
}

#[test]
fn values_without_an_order_or_of_two_kinds_are_refused() {
    let mut log = RankLog::new(std::env::temp_dir(), 1 << 20, UNIT_ROWS, true);
    let object: ArrayRef = Arc::new(arrow_array::StructArray::new_empty_fields(1, None));
    assert!(matches!(log.push(&object, 0, 0), Err(MergeError::RankType { .. })));
    log.push(&(Arc::new(Int64Array::from(vec![1])) as ArrayRef), 0, 0).unwrap();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    assert!(matches!(log.push(&text, 0, 1), Err(MergeError::RankType { .. })));
}

#[test]
fn ranks_survive_where_the_order_stays_what_it_is() {
    let (narrow, wide) = (ColumnType::Int64 { wide: false }, ColumnType::Int64 { wide: true });
    for (from, to, survive) in [
        (ColumnType::Unknown, ColumnType::Text, true),
        (ColumnType::Unknown, ColumnType::Json, false),
        (ColumnType::Json, ColumnType::Json, false),
        (narrow.clone(), wide, true),
        (narrow.clone(), ColumnType::Float64(crate::schema::Digits::default()), false),
        (narrow, ColumnType::Text, false),
        (ColumnType::Date, ColumnType::Date, true),
    ] {
        assert_eq!(ranks_survive(&from, &to), survive, "{from} to {to}");
    }
}

proptest! {
    #[test]
    fn values_are_found_again_whatever_the_budget_and_the_order_they_came_in(
        values in proptest::collection::vec(proptest::option::of("[a-c]{0,3}"), 1..60),
        budget_bytes in 0..600_usize,
        unit_rows in 1..70_u64,
        pieces in 1..9_usize,
        backwards: bool,
    ) {
        let mut log = RankLog::new(std::env::temp_dir(), budget_bytes, unit_rows, true);
        let place = |row: u64| ((row / unit_rows) << 32) | (row % unit_rows);
        let mut starts: Vec<usize> = (0..values.len()).step_by(pieces).collect();
        if backwards {
            starts.reverse();
        }
        for start in starts {
            let piece = &values[start..values.len().min(start + pieces)];
            let column: ArrayRef = Arc::new(StringArray::from_iter(piece.iter().map(Option::as_deref)));
            for row in 0..piece.len() {
                let place = place((start + row) as u64);
                log.push(&column.slice(row, 1), (place >> 32) as u32, place as u32).unwrap();
            }
        }
        log.finish().unwrap();
        for one in 0..values.len() {
            for other in 0..values.len() {
                let wanted = (&values[one], one).max((&values[other], other)).1;
                prop_assert_eq!(log.winner(place(one as u64), place(other as u64)).unwrap().0, place(wanted as u64));
            }
        }
    }
}
