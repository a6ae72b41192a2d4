//! `processing_steps`: what happens to each record between the API's answer and the table.

use serde_json::json;

use crate::support::billing::{things, things_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Sandbox, files_under};
use crate::support::table::{data_files, file_schema};

const ENDPOINT: &str = "endpoint: {path: /things, data_selector: data, paginator: single_page}\nwrite_disposition: append";

fn serving(body: &'static str, keys: &str) -> (FakeApi, Sandbox) {
    let api = things(move |_| Reply::json(body));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{ENDPOINT}\n{keys}")));
    (api, sandbox)
}

fn column_type(sandbox: &Sandbox, column: &str) -> String {
    let file = data_files(&sandbox.lake().join("things")).into_iter().next().unwrap();
    file_schema(&file).field_with_name(column).map_or("missing".to_owned(), |field| field.data_type().to_string())
}

#[test]
fn records_are_filtered_cleaned_and_exploded_and_every_one_is_counted() {
    let body = r#"{"data": [
        {"id": 1, "status": "open", "email": "A@B.de", "card": "4111111111111111", "when": 1700000000, "lines": [{"sku": "x", "n": 2}, {"sku": "y", "n": 1}]},
        {"id": 2, "status": "draft", "email": "c@d.de", "card": "1", "when": 1, "lines": [{"sku": "z", "n": 1}]},
        {"id": 3, "status": "open", "email": null, "card": "12345", "when": 1700000001, "lines": []}
    ]}"#;
    let steps = "processing_steps:
  - filter: status != 'draft'
  - set: {email: \"email | lower if email is not none else none\"}
  - hash: {columns: email, key: \"${HASH_KEY}\"}
  - mask: {columns: card, keep_last: 4}
  - cast: {when: {to: timestamp, from: epoch_s}}
  - explode: {path: lines, as: line}
  - set: {sku: line.sku, n: line.n}
  - drop: [line, status]";
    let (_api, sandbox) = serving(body, steps);
    let sandbox = sandbox.env("HASH_KEY", "k3y-of-hashes");
    let ended = sandbox.run_ok();
    let table = ended.table("things");
    assert_eq!(
        (&table["records"], &table["records_filtered"], &table["records_added"], &table["rows_inserted"], &table["rejects"]),
        (&json!(3), &json!(2), &json!(1), &json!(2), &json!(0)),
        "{ended}"
    );
    assert!(ended.stderr.contains("2 filtered out, 1 added by explode"), "{ended}");
    let mut rows = sandbox.rows("things");
    rows.sort_by_key(|row| row["sku"].as_str().unwrap().to_owned());
    let first = &rows[0];
    assert_eq!(
        (&first["id"], &first["sku"], &first["n"], &first["card"]),
        (&json!(1), &json!("x"), &json!(2), &json!("************1111"))
    );
    assert_eq!(first["when"], json!("2023-11-14T22:13:20Z"));
    assert_eq!(first["email"].as_str().unwrap().len(), 64);
    assert!(!first.contains_key("status") && !first.contains_key("line"));
    for bytes in files_under(&sandbox.lake()).values() {
        let text = String::from_utf8_lossy(bytes).into_owned();
        assert!(!text.contains("a@b.de") && !text.contains("k3y-of-hashes") && !text.contains("41111111"));
    }
}

#[test]
fn a_record_that_a_step_cannot_handle_is_a_reject_and_its_secrets_stay_out_of_the_quarantine() {
    let body =
        r#"{"data": [{"id": 1, "amount": 5, "email": "me@home.de"}, {"id": 2, "amount": "many", "email": "you@home.de"}]}"#;
    let steps = "processing_steps: [{filter: 'amount > 1'}, {hash: email}]";
    let (_api, sandbox) = serving(body, steps);
    sandbox.run().failed_with(
        3,
        &["record 2", "`$` should be a record for which `amount > 1` has a value", "the comparison of a text with a number"],
    );
    let (_api, sandbox) = serving(body, &format!("{steps}\non_reject: quarantine"));
    let ended = sandbox.run_ok();
    assert_eq!((&ended.table("things")["rejects"], sandbox.rows("things").len()), (&json!(1), 1), "{ended}");
    let kept = files_under(&sandbox.lake().join("_lakeward/things/quarantine/things"));
    let text: String = kept.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert!(text.contains("many") && !text.contains("you@home.de"), "{text}");
}

#[test]
fn a_misspelt_path_is_told_at_the_end() {
    let (_api, sandbox) = serving(r#"{"data": [{"id": 1, "email": "me@home.de"}]}"#, "processing_steps: [{drop: emial}]");
    let ended = sandbox.run_ok();
    assert!(ended.stderr.contains("`processing_steps[0].drop` names `$.emial`, which no record has"), "{ended}");
}

#[test]
fn a_filter_that_leaves_nothing_is_no_failure() {
    let (_api, sandbox) = serving(r#"{"data": [{"id": 1}]}"#, "primary_key: id\nprocessing_steps: [{filter: 'id > 1'}]");
    let ended = sandbox.run_ok();
    assert_eq!(ended.table("things")["records_filtered"], json!(1));
}

/// The column has the cast's type, whatever the values look like, and keeps it under another name.
#[test]
fn e_63_a_cast_gives_the_column_its_type() {
    let body = r#"{"data": [{"price": "12.5", "code": "2026-11-22", "raw": {"a": 1.50}, "n": 1}]}"#;
    let steps =
        "processing_steps: [{cast: {price: 'decimal(12,4)', code: text, raw: json, n: float}}, {rename: {price: amount}}]";
    let (_api, sandbox) = serving(body, steps);
    sandbox.run_ok();
    let types: Vec<String> = ["amount", "code", "raw", "n"].map(|column| column_type(&sandbox, column)).to_vec();
    assert_eq!(types, ["Decimal128(12, 4)", "Utf8", "Utf8", "Float64"]);
    let rows = sandbox.rows("things");
    assert_eq!((&rows[0]["amount"], &rows[0]["raw"]), (&json!("12.5000"), &json!(r#"{"a":1.50}"#)));
}

#[test]
fn an_expression_that_is_none_is_refused_before_any_request() {
    let (api, sandbox) = serving(r#"{"data": []}"#, "processing_steps: [{filter: 'amount >> 5'}]");
    sandbox.run().failed_with(2, &["`resources[0].processing_steps[0].filter`", "is not an expression", "at character 9"]);
    assert!(api.requests().is_empty());
}
