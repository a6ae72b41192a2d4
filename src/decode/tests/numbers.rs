//! Numbers are what came, in whatever type their column ends, over pages and over nights.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use proptest::prelude::*;

use super::{at, declared, lines, page, types};
use crate::decode::{DecodePlan, Decoder, NoteKind, SpellingCursor, TypedBatch, widen, widen_array};
use crate::schema::{ColumnType, TableSchema};

/// Sign, significant digits, and the power of ten of the last one: equal for equal numbers, however they are spelled.
fn value_of(text: &str) -> (bool, String, i64) {
    let (digits, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{}{fraction}", whole.trim_start_matches('-'));
    let significant = all.trim_matches('0');
    if significant.is_empty() {
        return (false, String::new(), 0);
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    let power = power.parse::<i64>().unwrap() - fraction.len() as i64 + zeros as i64;
    (text.starts_with('-'), significant.to_owned(), power)
}

/// The texts of a column of numbers, as far as its type tells them.
fn texts(array: &ArrayRef, column_type: &ColumnType) -> Vec<String> {
    let text = |row: usize| match column_type {
        ColumnType::Int64 { .. } => array.as_primitive::<Int64Type>().value(row).to_string(),
        ColumnType::Float64(_) => format!("{:e}", array.as_primitive::<Float64Type>().value(row)),
        ColumnType::Decimal { .. } => array.as_primitive::<Decimal128Type>().value_as_string(row),
        ColumnType::Text => array.as_string::<i32>().value(row).to_owned(),
        other => panic!("numbers in a column of {other}"),
    };
    (0..array.len()).map(text).collect()
}

fn body(tokens: &[String]) -> String {
    format!("[{}]", tokens.iter().map(|token| format!("{{\"a\":{token}}}")).collect::<Vec<_>>().join(","))
}

fn decode(tokens: &[String], under: &Arc<TableSchema>) -> TypedBatch {
    Decoder::new(at("$")).decode(&page(1, body(tokens)), under).unwrap().table.rows
}

/// Whether a float holds the token as it is written.
fn is_exact(token: &str) -> bool {
    let float: f64 = token.parse().unwrap();
    float.is_finite() && value_of(&format!("{float:e}")) == value_of(token)
}

fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,4})?",
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?",
        "-?[0-9](\\.[0-9]{1,18})?[eE][+-]?[0-9]{1,3}",
        "-?0\\.0{0,20}[0-9]{1,20}",
        any::<i64>().prop_map(|int| int.to_string()),
        prop::num::f64::NORMAL.prop_map(|float| format!("{float:e}")),
        (-1e6..1e6_f64).prop_map(|float| format!("{float:?}")),
        prop::sample::select(vec![
            "0",
            "-0",
            "-0.0",
            "1.10",
            "1e400",
            "5E-324",
            "4.9406564584124654E-324",
            "9007199254740993",
            "0e999"
        ])
        .prop_map(str::to_owned),
    ]
}

fn pages() -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(any_number(), 1..5), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_number_changes_over_pages(pages in pages()) {
        let mut so_far = Arc::new(TableSchema::default());
        let mut batches = Vec::new();
        for (at, page) in pages.iter().enumerate() {
            // Every other page is decoded ahead of what the others taught.
            let batch = decode(page, &if at % 2 == 0 { Arc::clone(&so_far) } else { Arc::default() });
            so_far = Arc::new(so_far.join(&batch.schema));
            batches.push(batch);
        }
        let tokens = pages.concat();
        let column_type = &so_far.columns[0].column_type;
        let found: Vec<String> = batches.iter().flat_map(|batch| {
            texts(widen(batch, &so_far).unwrap().batch.column(0), column_type)
        }).collect();
        if *column_type == ColumnType::Text {
            prop_assert_eq!(&found, &tokens);
        }
        for (found, token) in found.iter().zip(&tokens) {
            prop_assert_eq!(value_of(found), value_of(token), "{} as {}", token, types(&so_far));
        }
        if matches!(column_type, ColumnType::Float64(_)) {
            prop_assert!(tokens.iter().all(|token| is_exact(token)), "{:?}", tokens);
        }
        prop_assert_eq!(types(&decode(&tokens, &Arc::default()).schema), types(&so_far));
    }

    #[test]
    fn no_number_changes_over_nights(nights in pages()) {
        let mut table = Arc::new(TableSchema::default());
        let (mut stored, mut tokens): (Vec<ArrayRef>, Vec<String>) = (Vec::new(), Vec::new());
        for night in &nights {
            let run = decode(night, &table);
            let old = table.columns.first().map(|column| column.column_type.clone());
            table = Arc::new(table.join(&run.schema));
            let new = &table.columns[0].column_type;
            for array in &mut stored {
                *array = widen_array(array, "a", old.as_ref().unwrap(), new, &mut SpellingCursor::default()).unwrap();
            }
            stored.push(Arc::clone(widen(&run, &table).unwrap().batch.column(0)));
            tokens.extend(night.iter().cloned());
            let found: Vec<String> = stored.iter().flat_map(|array| texts(array, new)).collect();
            for (found, token) in found.iter().zip(&tokens) {
                prop_assert_eq!(value_of(found), value_of(token), "{} as {}", token, types(&table));
            }
        }
    }
}

#[test]
fn numbers_are_rounded_where_the_config_says_so_and_told() {
    let plan = DecodePlan { round_numbers: true, ..at("$") };
    let decoded = Decoder::new(plan).decode(
        &page(1, body(&["1.5", "0.12345678901234567890", "1e2", "9.007199254740993e15"].map(str::to_owned))),
        &Arc::default(),
    );
    let decoded = decoded.unwrap();
    assert_eq!(types(&decoded.table.rows.schema), "a: float64");
    assert_eq!(decoded.table.rounded_numbers, 2);
    let note = &decoded.table.notes[0];
    assert_eq!((note.kind, note.path.as_str(), note.record), (NoteKind::Rounded, "$.a", 1));
    assert_eq!(decoded.table.rows.batch.column(0).as_primitive::<Float64Type>().value(1), 0.123_456_789_012_345_68);
}

#[test]
fn a_number_that_was_rounded_before_its_column_became_json_stands_in_the_text_as_it_came() {
    let text = r#"[{"a":{"x":0.12345678901234567890,"n":null}},{"a":[{"x":1}]},{"a":{"x":1e2}}]"#;
    let plan = DecodePlan { round_numbers: true, ..at("$") };
    let decoded = Decoder::new(plan).decode(&page(1, text), &Arc::default()).unwrap();
    assert_eq!(types(&decoded.table.rows.schema), "a: json");

    let rows = [r#"{"a":"{\"x\":0.12345678901234567890,\"n\":null}"}"#, r#"{"a":"[{\"x\":1}]"}"#, r#"{"a":"{\"x\":1e2}"}"#];
    assert_eq!(lines(&decoded.table.rows.batch), rows.join("\n"));
    assert_eq!(decoded.table.rounded_numbers, 0, "the column holds what came");
}

#[test]
fn a_number_that_tells_rows_apart_is_never_rounded() {
    let tokens = ["1.5", "0.12345678901234567890", "1e2"].map(str::to_owned);
    let schema = r#"{"columns": [{"name": "a", "type": "float64"}]}"#;
    let open = Decoder::new(declared(schema)).decode(&page(1, body(&tokens)), &Arc::default()).unwrap();
    assert_eq!((open.table.rows.batch.num_rows(), open.table.rounded_numbers), (3, 1));

    let exact_columns = vec![vec!["a".to_owned()]];
    let plan = DecodePlan { exact_columns: exact_columns.clone(), ..declared(schema) };
    let key = Decoder::new(plan).decode(&page(1, body(&tokens)), &Arc::default()).unwrap();
    assert_eq!((key.table.rows.batch.num_rows(), key.rejects.len(), key.table.rounded_numbers), (2, 1, 0));

    let plan = DecodePlan { exact_columns, round_numbers: true, ..at("$") };
    let inferred = Decoder::new(plan).decode(&page(1, body(&tokens)), &Arc::default()).unwrap();
    assert_eq!((types(&inferred.table.rows.schema).as_str(), inferred.table.rounded_numbers), ("a: decimal(22,19)", 0));
}

#[test]
fn a_number_in_an_object_that_tells_rows_apart_is_never_rounded() {
    let of = |token: &str| format!(r#"{{"x":{token},"m":{{"y":{token},"in":{{"at":{token}}}}}}}"#);
    let text = format!("[{},{}]", of("1.5"), of("0.12345678901234567890"));
    let path = ["m", "in", "at"].map(str::to_owned).to_vec();
    let plan = DecodePlan { exact_columns: vec![path.clone()], round_numbers: true, ..at("$") };
    let first = Decoder::new(plan).decode(&page(1, text.clone()), &Arc::default()).unwrap();
    assert_eq!(types(&first.table.rows.schema), "x: float64, m: {y: float64, in: {at: decimal(20,19)}}");
    // The same from the second page on.
    let of_floats = page(1, format!("[{}]", of("1.5")));
    let plan = DecodePlan { exact_columns: vec![path], round_numbers: true, ..at("$") };
    let decoder = Decoder::new(plan);
    let so_far = decoder.decode(&of_floats, &Arc::default()).unwrap().table.rows.schema;
    let second = decoder.decode(&page(2, text), &so_far).unwrap();
    assert_eq!(types(&second.table.rows.schema), types(&first.table.rows.schema));
}
