//! The guide's table with the schema that ships for it.

use super::{at, decode, lines};
use crate::decode::DecodePlan;
use crate::schema::DeclaredSchema;

const SCHEMA: &str = include_str!("../../../examples/schemas/customer_usage.json");
const RECORD: &str = r#"{"id":"0d2e","customer_id":"cus_000001","transaction_id":"txn_1","event_name":"api_call","event_code":1001,
    "plan":"team","region":"eu-west-1","status":"rated","units":12,"unit_price":1.2345,"amount":"14.8140","currency":"EUR",
    "is_test":false,"created_at":"2025-07-02T00:00:00.000Z","updated_at":"2025-07-02T00:00:01.500Z","processed_at":null,
    "invoice_id":null,"description":null,
    "charge":{"id":"ch_1","model":"standard","amount_cents":1481,"tax_rate":0.0,"prorated":true},
    "groups":[{"key":"region","value":"v1"}],"tags":["prod"]}"#;

#[test]
fn the_example_schema_takes_the_guides_records() {
    let declared = DeclaredSchema::parse("customer_usage.json", SCHEMA).unwrap();
    let schema = declared.schema.clone();
    let decoded = decode(DecodePlan { declared: Some(declared), ..at("$") }, &format!("[{RECORD}]")).unwrap();
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    assert_eq!(*decoded.table.rows.schema, schema);
    let rows = lines(&decoded.table.rows.batch);
    assert!(rows.contains(r#""unit_price":"1.2345","amount":"14.8140""#), "{rows}");
    assert!(rows.contains(r#""created_at":"2025-07-02T00:00:00Z""#), "{rows}");
}
