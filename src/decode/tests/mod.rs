//! Tests of the room as its users see it: page in, rows and facts out.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::DataType;
use serde_json::Value;

use crate::base::{JsonPath, RedactedUrl};
use crate::decode::temporal::format_time;
use crate::decode::{DecodeError, DecodePlan, DecodedPage, Decoder};
use crate::schema::{DeclaredSchema, TableSchema};
use crate::source::Page;

mod catalogue;
mod columns;
mod corpora;
mod envelope;
mod example;
mod fuzz;
mod numbers;
mod oracle;
mod rejects;
mod shape;
mod widening;

/// Page `number` with `body`.
pub(in crate::decode) fn page(number: u64, body: impl Into<bytes::Bytes>) -> Page {
    let url = url::Url::parse("https://api.example.com/v1/wallets?api_key=secret&limit=100").unwrap();
    Page {
        resource: "wallets".into(),
        number,
        url: RedactedUrl::new(&url),
        body: body.into(),
        spooled: None,
        slice: Arc::default(),
        redactor: Arc::default(),
        content_type: None,
        server_time: None,
        is_kept: false,
    }
}

/// Decodes one page under no schema.
pub(super) fn decode(plan: DecodePlan, body: &str) -> Result<DecodedPage, DecodeError> {
    Decoder::new(plan).decode(&page(1, body.to_owned()), &Arc::default())
}

/// A plan with records at `path`.
pub(in crate::decode) fn at(path: &str) -> DecodePlan {
    DecodePlan { records: Some(JsonPath::parse(path).unwrap()), ..DecodePlan::default() }
}

/// A plan with records at `$` and a declared schema.
pub(super) fn declared(schema: &str) -> DecodePlan {
    DecodePlan { declared: Some(DeclaredSchema::parse("schemas/wallets.json", schema).unwrap()), ..at("$") }
}

/// Rows as JSON lines; null members left out.
pub(in crate::decode) fn lines(batch: &RecordBatch) -> String {
    let rows = StructArray::from(batch.clone());
    (0..batch.num_rows()).map(|row| value(&rows, row).to_string()).collect::<Vec<_>>().join("\n")
}

/// A value of an array as JSON; decimals as texts, which `serde_json` would round.
pub(super) fn value(array: &dyn Array, at: usize) -> Value {
    if array.is_null(at) || array.data_type().is_null() {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(at).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(at).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(at).into(),
        DataType::Decimal128(..) => array.as_primitive::<Decimal128Type>().value_as_string(at).into(),
        DataType::Date32 => {
            let mut text = String::new();
            crate::decode::write_date(&mut text, array.as_primitive::<Date32Type>().value(at));
            text.into()
        }
        DataType::Timestamp(..) => format_time(array.as_primitive::<TimestampMicrosecondType>().value(at), None).into(),
        DataType::Utf8 => array.as_string::<i32>().value(at).into(),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(at);
            (0..items.len()).map(|item| value(&items, item)).collect()
        }
        DataType::Struct(fields) => {
            let members = fields.iter().zip(array.as_struct().columns());
            let members = members.map(|(field, column)| (field.name().clone(), value(column, at)));
            Value::Object(members.filter(|(_, value)| !value.is_null()).collect())
        }
        other => panic!("no column is of type {other}"),
    }
}

/// Types as `name: type` lines, struct fields in braces.
pub(super) fn types(schema: &TableSchema) -> String {
    fn show(column_type: &crate::schema::ColumnType) -> String {
        match column_type {
            crate::schema::ColumnType::Struct(columns) => format!("{{{}}}", all(columns)),
            crate::schema::ColumnType::List(element) => format!("[{}]", show(element)),
            other => other.to_string(),
        }
    }
    fn all(columns: &[crate::schema::Column]) -> String {
        columns.iter().map(|column| format!("{}: {}", column.name, show(&column.column_type))).collect::<Vec<_>>().join(", ")
    }
    all(&schema.columns)
}

/// The page `body`, an array of records, has these types and these rows.
#[track_caller]
pub(super) fn check(body: &str, expected_types: &str, expected_rows: &str) {
    let decoded = decode(at("$"), body).unwrap();
    assert_eq!(types(&decoded.table.rows.schema), expected_types, "{body}");
    assert_eq!(lines(&decoded.table.rows.batch), expected_rows, "{body}");
    assert_eq!(decoded.table.rows.batch.schema(), decoded.table.rows.schema.to_arrow());
    assert_eq!(decoded.facts.records as usize, decoded.table.rows.batch.num_rows() + decoded.rejects.len());
}
