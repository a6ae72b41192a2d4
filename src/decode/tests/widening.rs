//! Widening after decoding is the same as decoding under the wider schema.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::{at, lines, page, types};
use crate::decode::{Decoder, SpellingCursor, SpellingLog, TypedBatch, WidenError, widen, widen_array};
use crate::schema::{Column, ColumnType, Digits, TableSchema};

fn decode_under(body: &str, schema: &Arc<TableSchema>) -> TypedBatch {
    let decoded = Decoder::new(at("$")).decode(&page(1, body.to_owned()), schema).unwrap();
    assert!(decoded.rejects.is_empty());
    decoded.table.rows
}

fn decode(body: &str) -> TypedBatch {
    decode_under(body, &Arc::default())
}

/// Two pages, joined: the first one's rows under the schema of both.
#[track_caller]
fn check(first: &str, second: &str, expected_types: &str, expected_rows: &str) {
    let (first, second) = (decode(first), decode(second));
    let joined = Arc::new(first.schema.join(&second.schema));
    let rows = widen(&first, &joined).unwrap();
    assert_eq!((types(&rows.schema), lines(&rows.batch)), (expected_types.to_owned(), expected_rows.to_owned()));
    assert_eq!(rows.batch.schema(), joined.to_arrow());
}

/// The schema with every leaf a step further up.
fn raised(schema: &TableSchema, to: &ColumnType) -> Arc<TableSchema> {
    fn raise(column_type: &ColumnType, to: &ColumnType) -> ColumnType {
        match column_type {
            ColumnType::Struct(fields) if *to != ColumnType::Json => ColumnType::Struct(
                fields.iter().map(|field| Column::inferred(field.name.as_str(), raise(&field.column_type, to))).collect(),
            ),
            ColumnType::List(element) if *to != ColumnType::Json => ColumnType::List(Box::new(raise(element, to))),
            other => other.join(to),
        }
    }
    let raise = |column: &Column| Column::inferred(column.name.as_str(), raise(&column.column_type, to));
    Arc::new(TableSchema { columns: schema.columns.iter().map(raise).collect() })
}

#[test]
fn numbers_become_the_text_they_were() {
    check(
        r#"[{"a":1},{"a":2.50},{"a":3.0},{"a":1E5},{"a":null},{"a":0.1}]"#,
        r#"[{"a":"x"}]"#,
        "a: text",
        "{\"a\":\"1\"}\n{\"a\":\"2.50\"}\n{\"a\":\"3.0\"}\n{\"a\":\"1E5\"}\n{}\n{\"a\":\"0.1\"}",
    );
    check(r#"[{"a":true},{"a":false}]"#, r#"[{"a":1}]"#, "a: text", "{\"a\":\"true\"}\n{\"a\":\"false\"}");
    let all = r#"[{"a":12345678901234567890},{"a":1.10},{"a":-0.0},{"a":1e2},{"a":5e-7}]"#;
    let texts = ["12345678901234567890", "1.10", "-0.0", "1e2", "5e-7"].map(|text| format!("{{\"a\":\"{text}\"}}")).join("\n");
    check(all, r#"[{"a":"x"}]"#, "a: text", &texts);
    check(all, r#"[{"a":1e300}]"#, "a: text", &texts);
    check(r#"[{"a":7}]"#, r#"[{"a":0.5}]"#, "a: float64", r#"{"a":7.0}"#);
}

#[test]
fn numbers_that_a_float_does_not_hold_as_written_become_decimals() {
    check(r#"[{"a":7}]"#, r#"[{"a":12345678901234567890}]"#, "a: decimal(20,0)", r#"{"a":"7"}"#);
    check(r#"[{"a":12345678901234567890}]"#, r#"[{"a":0.5}]"#, "a: decimal(21,1)", r#"{"a":"12345678901234567890.0"}"#);
    check(
        r#"[{"a":0.1},{"a":1.50},{"a":-0.0},{"a":1e-3}]"#,
        r#"[{"a":0.12345678901234567890}]"#,
        "a: decimal(20,19)",
        "{\"a\":\"0.1000000000000000000\"}\n{\"a\":\"1.5000000000000000000\"}\n{\"a\":\"0.0000000000000000000\"}\n{\"a\":\"0.0010000000000000000\"}",
    );
    check(r#"[{"a":9007199254740993}]"#, r#"[{"a":0.5}]"#, "a: decimal(20,1)", r#"{"a":"9007199254740993.0"}"#);
    check(r#"[{"a":1.10}]"#, r#"[{"a":1e400}]"#, "a: text", r#"{"a":"1.10"}"#);
    check(r#"[{"a":5E-324}]"#, r#"[{"a":0.12345678901234567890}]"#, "a: text", r#"{"a":"5E-324"}"#);
    check(
        r#"[{"a":{"l":[0.5]}}]"#,
        r#"[{"a":{"l":[0.12345678901234567890]}}]"#,
        "a: {l: [decimal(19,19)]}",
        "{\"a\":{\"l\":[\"0.5000000000000000000\"]}}",
    );
}

#[test]
fn times_become_the_text_they_were() {
    check(
        r#"[{"a":"2026-11-22T08:00:00.120+01:00"},{"a":"2026-11-22 08:00:00Z"},{"a":"2026-11-22T08:00:00-0800"}]"#,
        r#"[{"a":"soon"}]"#,
        "a: text",
        "{\"a\":\"2026-11-22T08:00:00.120+01:00\"}\n{\"a\":\"2026-11-22 08:00:00Z\"}\n{\"a\":\"2026-11-22T08:00:00-0800\"}",
    );
    check(r#"[{"a":"2026-11-22"}]"#, r#"[{"a":"2026-11-22T00:00:00Z"}]"#, "a: text", r#"{"a":"2026-11-22"}"#);
}

#[test]
fn shapes_that_conflict_become_the_json_text_that_came() {
    check(
        r#"[{"a":{"z":1.50,"b":[1,null,"x"],"n":null,"t":"2026-11-22T08:00:00+01:00"}},{"a":{}},{"a":null}]"#,
        r#"[{"a":1}]"#,
        "a: json",
        "{\"a\":\"{\\\"z\\\":1.50,\\\"b\\\":[1,null,\\\"x\\\"],\\\"n\\\":null,\\\"t\\\":\\\"2026-11-22T08:00:00+01:00\\\"}\"}\n{\"a\":\"{}\"}\n{}",
    );
    check(
        r#"[{"a":"say \"hi\""},{"a":1},{"a":true}]"#,
        r#"[{"a":[]}]"#,
        "a: json",
        "{\"a\":\"\\\"say \\\\\\\"hi\\\\\\\"\\\"\"}\n{\"a\":\"1\"}\n{\"a\":\"true\"}",
    );
}

#[test]
fn nested_columns_widen_where_they_are() {
    check(
        r#"[{"l":[{"a":1},null,{"b":[1]}]},{"l":null},{"l":[]}]"#,
        r#"[{"new":1,"l":[{"c":"x","a":0.5,"b":["y"]}]}]"#,
        "l: [{a: float64, b: [text], c: text}], new: int64",
        "{\"l\":[{\"a\":1.0},null,{\"b\":[\"1\"]}]}\n{}\n{\"l\":[]}",
    );
}

#[test]
fn without_originals_texts_are_canonical() {
    let column = |array: ArrayRef, from: &ColumnType| {
        let texts = widen_array(&array, "a", from, &ColumnType::Text, &mut SpellingCursor::default()).unwrap();
        texts.as_string::<i32>().iter().map(|text| text.unwrap_or("null").to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        column(Arc::new(Float64Array::from(vec![Some(1.0), None, Some(2.5), Some(1e21)])), &ColumnType::Float64(Digits::UNKNOWN)),
        "1 null 2.5 1e+21"
    );
    let times = arrow_array::TimestampMicrosecondArray::from(vec![0, 500_000]).with_timezone("UTC");
    assert_eq!(column(Arc::new(times), &ColumnType::Timestamp), "1970-01-01T00:00:00Z 1970-01-01T00:00:00.5Z");
    let decimals = Decimal128Array::from(vec![-5, 123_400]).with_precision_and_scale(18, 4).unwrap();
    assert_eq!(column(Arc::new(decimals), &ColumnType::Decimal { precision: 18, scale: 4 }), "-0.0005 12.34");
}

#[test]
fn a_number_that_does_not_fit_a_declared_decimal_is_an_error() {
    let convert = |values: Vec<i64>, precision, scale| {
        let (from, to) = (ColumnType::Int64 { wide: false }, ColumnType::Decimal { precision, scale });
        let array: ArrayRef = Arc::new(Int64Array::from(values));
        widen_array(&array, "n", &from, &to, &mut SpellingCursor::default())
    };
    assert_eq!(convert(vec![1, -99], 4, 2).unwrap().as_primitive::<arrow_array::types::Decimal128Type>().values(), &[100, -9900]);
    let error = convert(vec![1, 100], 4, 2).unwrap_err();
    assert!(matches!(error, WidenError::DoesNotFit { .. }), "{error}");
    assert!(error.to_string().starts_with("a value of column `n` does not fit the declared decimal(4,2)"), "{error}");
}

#[test]
fn a_narrower_schema_is_refused() {
    let rows = decode(r#"[{"a":"x","b":1}]"#);
    let narrow = |columns| widen(&rows, &Arc::new(TableSchema { columns })).unwrap_err().to_string();
    assert_eq!(
        narrow(vec![Column::inferred("a", ColumnType::Date), Column::inferred("b", ColumnType::Text)]),
        "column `a` is text, which does not widen to date"
    );
    assert_eq!(narrow(vec![Column::inferred("a", ColumnType::Text)]), "column `b` is int64, which does not widen to nothing");
}

/// A JSON value, as APIs spell them.
fn any_value() -> impl Strategy<Value = String> {
    let numbers = vec![
        "0",
        "-1",
        "7",
        "2.50",
        "3.0",
        "0.1",
        "1E5",
        "1e-7",
        "-0",
        "-0.0",
        "0.30000000000000004",
        "9007199254740992",
        "9007199254740993",
        "12345678901234567890",
        "123456789012345678901234567890123456789012",
        "100.10",
        "0.12345678901234567890",
        "-77701018666824.125",
        "1e20",
        "1e400",
        "5E-324",
    ];
    let texts = vec![
        r#""""#,
        r#""x""#,
        r#""1""#,
        r#""true""#,
        r#""\u00fc\"\\""#,
        r#""2026-11-22""#,
        r#""2026-11-23""#,
        r#""2026-11-22T08:00:00Z""#,
        r#""2026-11-22T08:00:00.120Z""#,
        r#""2026-11-22 09:30:00+01:30""#,
        r#""2026-11-22T08:00:00-0800""#,
    ];
    let scalar = prop_oneof![
        4 => prop::sample::select(numbers).prop_map(str::to_owned),
        3 => prop::sample::select(texts).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
    ];
    scalar.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))), object(inner),]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (prop::sample::select(vec!["a", "b", "ü", "aa", "\\\""]), value);
    prop::collection::vec(member, 0..4).prop_map(|members| {
        format!("{{{}}}", members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(","))
    })
}

fn any_body() -> impl Strategy<Value = String> {
    // Few kinds of value a page, so that columns get types other than text and JSON.
    prop::collection::vec(any_value(), 1..4)
        .prop_flat_map(|values| prop::collection::vec(object(prop::sample::select(values)), 0..5))
        .prop_map(|records| format!("[{}]", records.join(",")))
}

/// The same types, rows and originals, as far as widening to text and to JSON tells.
fn same(one: &TypedBatch, other: &TypedBatch) -> Result<(), TestCaseError> {
    prop_assert_eq!(&one.schema, &other.schema);
    same_rows(one, other)?;
    for to in [ColumnType::Text, ColumnType::Json] {
        let top = raised(&one.schema, &to);
        same_rows(&widen(one, &top).unwrap(), &widen(other, &top).unwrap())?;
    }
    Ok(())
}

/// The same values, to the last character of JSON text.
fn same_rows(one: &TypedBatch, other: &TypedBatch) -> Result<(), TestCaseError> {
    for at in 0..one.schema.columns.len() {
        prop_assert_eq!(one.batch.column(at), other.batch.column(at));
    }
    Ok(())
}

#[test]
fn objects_of_pages_that_were_read_at_the_same_time_keep_their_members_and_their_order() {
    let objects = [
        r#"[{"a":{"x":1,"c":null,"d":2}},{"a":{"d":1,"x":null}},{"a":{}}]"#,
        r#"[{"a":{"x":1,"d":3,"c":4}},{"a":{"x":null,"e":null}},{"a":{"d":null}}]"#,
        r#"[{"a":{"x":1,"l":[{"b":1,"a":null},{"a":2,"b":3},null]}}]"#,
    ];
    let so_far = decode(r#"[{"a":{"x":1}}]"#).schema;
    let pages: Vec<TypedBatch> = objects.iter().map(|body| decode_under(body, &so_far)).collect();
    let joined = Arc::new(pages.iter().fold((*so_far).clone(), |all, page| all.join(&page.schema)));
    let json = raised(&joined, &ColumnType::Json);
    for (body, page) in objects.iter().zip(&pages) {
        let texts = widen(&widen(page, &joined).unwrap(), &json).unwrap().batch;
        let texts: Vec<String> =
            texts.column(0).as_string::<i32>().iter().map(|text| format!("{{\"a\":{}}}", text.unwrap())).collect();
        assert_eq!(format!("[{}]", texts.join(",")), *body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn widening_is_decoding_under_the_wider_schema(first in any_body(), second in any_body()) {
        let (rows, other) = (decode(&first), decode(&second));
        let joined = Arc::new(rows.schema.join(&other.schema));
        same(&widen(&rows, &joined).unwrap(), &decode_under(&first, &joined))?;
        same(&widen(&other, &joined).unwrap(), &decode_under(&second, &joined))?;
    }

    #[test]
    fn widening_twice_is_widening_once(a in any_body(), b in any_body(), c in any_body()) {
        let rows = decode(&a);
        let once = Arc::new(rows.schema.join(&decode(&b).schema));
        let twice = Arc::new(once.join(&decode(&c).schema));
        same(&widen(&widen(&rows, &once).unwrap(), &twice).unwrap(), &widen(&rows, &twice).unwrap())?;
    }

    #[test]
    fn a_file_widens_in_slices_as_its_batches_do(pages in prop::collection::vec(any_body(), 1..4), wider in any_body(), step in 1..4_usize) {
        let pages: Vec<TypedBatch> = pages.iter().map(|body| decode(body)).collect();
        let file = Arc::new(pages.iter().fold(TableSchema::default(), |schema, page| schema.join(&page.schema)));
        let batches: Vec<TypedBatch> = pages.iter().map(|page| widen(page, &file).unwrap()).collect();
        for to in [Arc::new(file.join(&decode(&wider).schema)), raised(&file, &ColumnType::Text), raised(&file, &ColumnType::Json)] {
            let mut log = SpellingLog::default();
            batches.iter().for_each(|batch| log.record(batch));
            let expected: Vec<RecordBatch> = batches.iter().map(|batch| widen(batch, &to).unwrap().batch).collect();
            let expected = arrow_select::concat::concat_batches(&to.to_arrow(), &expected).unwrap();
            let whole = arrow_select::concat::concat_batches(&file.to_arrow(), batches.iter().map(|batch| &batch.batch)).unwrap();
            let mut cursor = log.cursor();
            for (at, column) in file.columns.iter().enumerate() {
                let wide = to.column(&column.name).unwrap();
                let mut slices: Vec<ArrayRef> = Vec::new();
                for start in (0..whole.num_rows()).step_by(step) {
                    let slice = whole.column(at).slice(start, step.min(whole.num_rows() - start));
                    slices.push(widen_array(&slice, &column.name, &column.column_type, &wide.column_type, &mut cursor).unwrap());
                }
                let slices: Vec<&dyn Array> = slices.iter().map(|array| &**array).collect();
                if !slices.is_empty() {
                    let widened = arrow_select::concat::concat(&slices).unwrap();
                    prop_assert_eq!(&widened, expected.column_by_name(&column.name).unwrap());
                }
            }
        }
    }
}

#[test]
fn json_of_one_column_is_the_text_of_its_values() {
    let rows = decode(r#"[{"a":{"c":1,"b":2}},{"a":{"b":2,"c":1}}]"#);
    let top = raised(&rows.schema, &ColumnType::Json);
    let texts = widen(&rows, &top).unwrap().batch;
    let texts: &StringArray = texts.column(0).as_string();
    assert_eq!([texts.value(0), texts.value(1)], [r#"{"c":1,"b":2}"#, r#"{"b":2,"c":1}"#]);
}
