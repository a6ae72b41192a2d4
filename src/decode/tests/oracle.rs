//! JSON to Arrow and back keeps values, whatever the values, their order, and the bytes around them.

use std::sync::Arc;

use arrow_array::StructArray;
use arrow_array::types::{Decimal128Type, DecimalType};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{at, decode, page, value};
use crate::decode::temporal::{format_time, parse_timestamp};
use crate::decode::token::Number;
use crate::decode::{DecodePlan, Decoder};
use crate::schema::{Column, ColumnType, TableSchema};

/// The page `body` has these records in its rows. They are not read from it: `serde_json` may be off by a bit in floats.
#[track_caller]
pub(super) fn assert_same_values(body: &str, records: &[Value]) {
    let decoded = decode(at("$"), body).unwrap();
    assert!(decoded.rejects.is_empty());
    let rows = StructArray::from(decoded.table.rows.batch.clone());
    let found: Vec<Value> = (0..records.len()).map(|row| value(&rows, row)).collect();
    assert_eq!(Value::from(rows_of(&decoded.table.rows.schema, records)).to_string(), Value::from(found).to_string(), "{body}");
}

fn rows_of(schema: &TableSchema, records: &[Value]) -> Vec<Value> {
    records.iter().map(|record| object(record.as_object().unwrap(), &schema.columns)).collect()
}

/// What a JSON value is in a column of the type.
fn expected(json: &Value, column_type: &ColumnType) -> Value {
    match (column_type, json) {
        (_, Value::Null) => Value::Null,
        (ColumnType::Json, json) => json.to_string().into(),
        (ColumnType::Text, Value::String(text)) => text.as_str().into(),
        (ColumnType::Text, scalar) => scalar.to_string().into(),
        (ColumnType::Decimal { precision, scale }, number) => {
            let number = number.to_string();
            let unscaled = Number::whole(&number).unwrap().decimal(*precision, *scale).unwrap();
            Decimal128Type::format_decimal(unscaled, *precision, *scale).into()
        }
        (ColumnType::Float64(_), number) => number.as_f64().unwrap().into(),
        (ColumnType::Timestamp, Value::String(text)) => format_time(parse_timestamp(text).unwrap().0, None).into(),
        (ColumnType::List(element), Value::Array(items)) => items.iter().map(|item| expected(item, element)).collect(),
        (ColumnType::Struct(columns), Value::Object(members)) => object(members, columns),
        (ColumnType::Boolean | ColumnType::Int64 { .. } | ColumnType::Date, json) => json.clone(),
        (column_type, json) => panic!("{json} in a column of type {column_type}"),
    }
}

fn object(members: &Map<String, Value>, columns: &[Column]) -> Value {
    for name in members.keys() {
        assert!(columns.iter().any(|column| column.name == *name), "no column `{name}`");
    }
    let values = columns.iter().filter_map(|column| {
        let json = members.get(&column.name).filter(|json| !json.is_null())?;
        Some((column.name.clone(), expected(json, &column.column_type)))
    });
    Value::Object(values.collect())
}

/// Any value, with names from a small set, so that records meet in columns.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000..1000_i32).prop_map(|n| Value::from(f64::from(n) / 8.0)),
        prop::num::f64::NORMAL.prop_map(Value::from),
        "\\PC{0,12}|[\u{0}-\u{1f}\"\\\\/é😀]{0,9}".prop_map(Value::from),
        prop::sample::select(&["2026-11-22", "2026-11-22T08:00:00Z", "2026-11-22T08:00:00.50+01:00", "", "12", "null"][..])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[abc]|long \"name\"", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Records whose columns keep their kind more often than not, so that types are kept as well as widened.
fn records() -> impl Strategy<Value = Vec<Value>> {
    let kinds = prop::collection::vec(json(), 1..4);
    kinds.prop_flat_map(|kinds| {
        let like = prop_oneof![3 => prop::sample::select(kinds), 1 => json()];
        let member = ("[a-l]|é\"", like);
        let record = prop::collection::vec(member, 0..14).prop_map(|members| Value::Object(members.into_iter().collect()));
        prop::collection::vec(record, 0..8)
    })
}

proptest! {
    #[test]
    fn values_survive(records in records(), pretty: bool) {
        let body = if pretty { serde_json::to_string_pretty(&records) } else { serde_json::to_string(&records) }.unwrap();
        assert_same_values(&body, &records);
    }

    #[test]
    fn a_schema_so_far_only_widens(first in records(), second in records()) {
        let decoder = Decoder::new(at("$"));
        let text = |records: &[Value]| serde_json::to_string(records).unwrap();
        let before = decoder.decode(&page(1, text(&first)), &Arc::default()).unwrap().table.rows.schema;
        let after = decoder.decode(&page(2, text(&second)), &before).unwrap().table.rows;
        prop_assert!(before.le(&after.schema));
        let alone = decoder.decode(&page(2, text(&second)), &Arc::default()).unwrap().table.rows;
        prop_assert_eq!(&before.join(&alone.schema).columns, &after.schema.columns);
        let rows = StructArray::from(after.batch);
        prop_assert_eq!(rows_of(&after.schema, &second), (0..second.len()).map(|row| value(&rows, row)).collect::<Vec<_>>());
    }

    #[test]
    fn broken_pages_are_errors_and_never_panics(
        records in records(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut body = format!("{{\"data\":{},\"next\":null}}", serde_json::to_string(&records).unwrap()).into_bytes();
        for (place, byte, edit) in edits {
            let place = place.index(body.len());
            match edit {
                0 => body[place] = byte,
                1 => body.insert(place, byte),
                _ => drop(body.drain(place..(place + usize::from(byte)).min(body.len() - 1).max(place))),
            }
        }
        let serde = serde_json::from_slice::<Value>(&body);
        let plan = || DecodePlan { look_for_more_pages: true, ..at("data") };
        match Decoder::new(plan()).decode(&page(1, body.clone()), &Arc::default()) {
            Ok(decoded) => {
                prop_assert!(serde.is_ok() || decoded.table.rows.batch.num_rows() > 0 || !decoded.rejects.is_empty());
                prop_assert_eq!(decoded.facts.records as usize, decoded.table.rows.batch.num_rows() + decoded.rejects.len());
            }
            Err(error) => prop_assert!(!error.to_string().contains("secret")),
        }
        let _ = Decoder::new(crate::decode::DecodePlan::default()).decode(&page(1, body), &Arc::default());
    }
}
