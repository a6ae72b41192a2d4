//! The keys of a resource that declare its table: `table_name`, `columns`, `schema_contract`, `max_table_nesting`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::billing::{things, things_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};
use crate::support::table::{data_files, file_schema};

const ENDPOINT: &str = "endpoint: {path: /things, data_selector: data, paginator: single_page}";

/// An API whose answer can be changed between runs.
pub(crate) struct Things {
    _api: FakeApi,
    records: Arc<Mutex<Value>>,
    pub(crate) sandbox: Sandbox,
}

impl Things {
    pub(crate) fn new(records: Value, keys: &str) -> Self {
        let records = Arc::new(Mutex::new(records));
        let served = Arc::clone(&records);
        let api = things(move |_| Reply::json(json!({"data": served.lock().unwrap().clone()}).to_string()));
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{ENDPOINT}\n{keys}")));
        Self { _api: api, records, sandbox }
    }

    /// The next run, with these records.
    pub(crate) fn then(&self, records: Value) -> Ended {
        *self.records.lock().unwrap() = records;
        self.sandbox.run()
    }

    fn column_type(&self, table: &str, column: &str) -> String {
        let file = data_files(&self.sandbox.lake().join(table)).into_iter().next().unwrap();
        file_schema(&file).field_with_name(column).map_or("missing".to_owned(), |field| field.data_type().to_string())
    }
}

const MERGE: &str = "primary_key: id\nwrite_disposition: merge";

#[test]
fn a_table_may_have_another_name_than_its_resource() {
    let things = Things::new(json!([{"id": 1}]), "table_name: renamed\nwrite_disposition: append");
    things.sandbox.run_ok();
    assert_eq!(things.sandbox.rows("renamed").len(), 1);
    assert!(!things.sandbox.lake().join("things").exists());
    things.sandbox.run_ok();
    assert_eq!(things.sandbox.rows("renamed").len(), 2, "the second run does not find the table of the first");
}

#[test]
fn hints_declare_columns_and_the_key() {
    let columns = "columns:
  id: {data_type: bigint, primary_key: true}
  amount: {data_type: decimal, precision: 10, scale: 2}
  seen: {data_type: text}
  extra: {data_type: json}
  name: {nullable: false}
write_disposition: merge";
    let things = Things::new(json!([{"id": 1, "amount": 12, "seen": "2026-11-22", "extra": [1], "name": "a"}]), columns);
    things.sandbox.run_ok();
    let types = ["id", "amount", "seen", "extra", "name"].map(|column| things.column_type("things", column));
    assert_eq!(types, ["Int64", "Decimal128(10, 2)", "Utf8", "Utf8", "Utf8"]);
    things.then(json!([{"id": 1, "name": "b"}]));
    assert_eq!(things.sandbox.by_key("things", "id")[&1]["name"], json!("b"));
    things.then(json!([{"id": 2, "name": null}])).failed_with(3, &["`$.name` should be a value, found null"]);
    things
        .then(json!([{"id": 2, "name": "c", "amount": "12.50"}]))
        .failed_with(3, &["`$.amount` should be a decimal", "found string"]);
}

#[test]
fn hints_and_the_schema_file_must_agree() {
    let things = Things::new(json!([]), "schema: t.json\ncolumns: {id: {data_type: text}}\nwrite_disposition: append");
    things.sandbox.write("t.json", r#"{"columns": [{"name": "id", "type": "int64"}]}"#);
    let ended = things.sandbox.run();
    ended.failed_with(2, &["column `id` is int64 in the file of `schema`, and text in `columns`"]);
}

#[test]
fn e_61_numbers_and_empty_texts_are_what_the_declaration_says() {
    let records = json!([{"id": 1, "amount": "12.50"}, {"id": 2, "amount": ""}, {"id": 3, "amount": 7}]);
    let declared = "columns: {amount: {data_type: decimal, precision: 10, scale: 2, accept_text: true, empty_as_null: true}}";
    let things = Things::new(records.clone(), &format!("{declared}\n{MERGE}"));
    things.sandbox.run_ok();
    let rows = things.sandbox.by_key("things", "id");
    assert_eq!((&rows[&1]["amount"], &rows[&2]["amount"], &rows[&3]["amount"]), (&json!("12.50"), &Value::Null, &json!("7.00")));
    let things =
        Things::new(records.clone(), &format!("columns: {{amount: {{data_type: decimal, accept_text: true}}}}\n{MERGE}"));
    things.sandbox.run().failed_with(3, &["record 2", "`$.amount` should be a decimal"]);
    let things = Things::new(records, &format!("columns: {{amount: {{data_type: decimal}}}}\n{MERGE}"));
    things.sandbox.run().failed_with(3, &["record 1", "`$.amount` should be a decimal"]);
}

#[test]
fn e_64_zero_one_and_words_are_no_booleans_unless_declared() {
    let things = Things::new(json!([{"id": 1, "flag": 1, "word": "Y"}]), MERGE);
    things.sandbox.run_ok();
    assert_eq!(
        (things.column_type("things", "flag"), things.column_type("things", "word")),
        ("Int64".to_owned(), "Utf8".to_owned())
    );
    let things = Things::new(json!([{"id": 1, "flag": 1}]), &format!("columns: {{flag: {{data_type: bool}}}}\n{MERGE}"));
    things.sandbox.run().failed_with(3, &["`$.flag` should be a boolean, found number"]);
    let cast = "processing_steps: [{cast: {flag: boolean, word: boolean}}]";
    let things = Things::new(json!([{"id": 1, "flag": 1, "word": "Y"}]), &format!("{cast}\n{MERGE}"));
    things.sandbox.run_ok();
    let rows = things.sandbox.by_key("things", "id");
    assert_eq!((&rows[&1]["flag"], &rows[&1]["word"]), (&json!(true), &json!(true)));
}

#[test]
fn e_66_a_count_since_1970_is_a_number_until_it_is_cast() {
    let things = Things::new(json!([{"id": 1, "t": 1_700_000_000_123_i64}]), MERGE);
    things.sandbox.run_ok();
    assert_eq!(things.column_type("things", "t"), "Int64");
    let cast = "processing_steps: [{cast: {t: {to: timestamp, from: epoch_ms}}}]";
    let things = Things::new(json!([{"id": 1, "t": 1_700_000_000_123_i64}]), &format!("{cast}\n{MERGE}"));
    things.sandbox.run_ok();
    assert_eq!(things.column_type("things", "t"), "Timestamp(µs, \"UTC\")");
    assert_eq!(things.sandbox.by_key("things", "id")[&1]["t"], json!("2023-11-14T22:13:20.123Z"));
}

#[test]
fn e_69_a_frozen_table_refuses_new_columns_and_types_with_their_page() {
    let things =
        Things::new(json!([{"id": 1, "status": "open", "user": {"name": "a"}}]), &format!("schema_contract: freeze\n{MERGE}"));
    things.sandbox.run().failed_with(3, &["would make the new table `things`", "`schema_contract` freezes the tables"]);
    let contract = "schema_contract: {columns: freeze, data_type: freeze}";
    let things = Things::new(json!([{"id": 1, "status": "open", "user": {"name": "a"}}]), &format!("{contract}\n{MERGE}"));
    things.sandbox.run_ok();
    let before = things.sandbox.files("things");
    for (record, words) in [
        (json!({"id": 2, "tier": 1}), "`things` page 1 has the new column `tier`, and `schema_contract` freezes the columns"),
        (json!({"id": 2, "user": {"age": 1}}), "has the new column `user.age`"),
        (
            json!({"id": 2, "status": {"code": 1}}),
            "page 1 makes json of column `status`, which is text, and `schema_contract` freezes the types",
        ),
    ] {
        things.then(json!([record])).failed_with(3, &[words, "hint:"]);
        assert_eq!(things.sandbox.files("things"), before);
    }
    assert_eq!(things.then(json!([{"id": 2, "status": null}])).code(), Some(0), "a member that is gone is null");
}

#[test]
fn e_69_rows_or_values_that_a_contract_discards_are_counted() {
    let discard = "schema_contract: {columns: discard_row, data_type: discard_row}\nmax_rejects: 2";
    let things = Things::new(json!([{"id": 1, "n": 5}]), &format!("{discard}\n{MERGE}"));
    things.sandbox.run_ok();
    let ended = things.then(json!([{"id": 2, "n": 6}, {"id": 3, "tier": 1}, {"id": 4, "n": "six"}]));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ended.table("things")["rejects"], json!(2), "{ended}");
    assert_eq!(things.sandbox.by_key("things", "id").into_keys().collect::<Vec<_>>(), [1, 2]);

    let things =
        Things::new(json!([{"id": 1, "user": {"name": "a"}}]), &format!("schema_contract: {{columns: discard_value}}\n{MERGE}"));
    things.sandbox.run_ok();
    let ended = things.then(json!([{"id": 2, "tier": 1, "user": {"name": "b", "age": 3}}]));
    assert_eq!(ended.table("things")["values_discarded"], json!(2), "{ended}");
    assert!(ended.stderr.contains("2 values left out, as its schema or contract says"), "{ended}");
    assert_eq!(things.column_type("things", "tier"), "missing");
}

#[test]
fn e_69_a_contract_about_types_holds_within_structs_and_lists() {
    let record = json!({"id": 1, "user": {"age": 3}, "lines": [{"n": 1}]});
    let things = Things::new(json!([record]), &format!("schema_contract: {{data_type: discard_row}}\nmax_rejects: 2\n{MERGE}"));
    things.sandbox.run_ok();
    let ended = things.then(json!([
        {"id": 2, "user": {"age": "four"}},
        {"id": 3, "lines": [{"n": 2}, {"n": "two"}]},
        {"id": 4, "user": {"age": 5, "name": "new fields are another matter"}},
    ]));
    assert_eq!((ended.code(), &ended.table("things")["rejects"]), (Some(0), &json!(2)), "{ended}");
    assert_eq!(things.sandbox.by_key("things", "id").into_keys().collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn e_69_a_value_of_another_type_is_null_and_counted_where_the_contract_says_so() {
    let record = json!({"id": 1, "n": 5, "user": {"age": 3}, "tags": [1]});
    let things = Things::new(json!([record]), &format!("schema_contract: {{data_type: discard_value}}\n{MERGE}"));
    things.sandbox.run_ok();
    let ended = things.then(json!([
        {"id": 2, "n": "six", "user": {"age": {"years": 4}}, "tags": [2, "two", [2]]},
        {"id": 3, "n": true, "user": [1], "tags": "none"},
        {"id": 4, "n": 7, "user": {"age": 8}, "tags": [9], "tier": "a new column is another matter"},
    ]));
    assert_eq!((ended.code(), &ended.table("things")["values_discarded"]), (Some(0), &json!(7)), "{ended}");
    assert_eq!(ended.table("things")["rejects"], json!(0), "{ended}");
    let rows = things.sandbox.by_key("things", "id");
    assert_eq!(
        (&rows[&2]["n"], &rows[&2]["user"], &rows[&2]["tags"]),
        (&Value::Null, &json!({"age": null}), &json!([2, null, null]))
    );
    assert_eq!((&rows[&3]["n"], &rows[&3]["user"], &rows[&3]["tags"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!((&rows[&4]["n"], &rows[&4]["tier"]), (&json!(7), &json!("a new column is another matter")));
    assert_eq!(things.column_type("things", "n"), "Int64");
    // Without its key a record is no row: it is a reject, told with its type.
    things.then(json!([{"id": "five"}])).failed_with(3, &["`$.id` should be an integer", "found string"]);
}

#[test]
fn e_69_declared_types_are_held_to_the_contract_from_the_first_run_on() {
    let keys = format!("schema_contract: {{data_type: discard_value}}\ncolumns: {{n: {{data_type: bigint}}}}\n{MERGE}");
    let things = Things::new(json!([{"id": 1, "n": "one"}, {"id": 2, "n": 2}]), &keys);
    let ended = things.sandbox.run_ok();
    assert_eq!(ended.table("things")["values_discarded"], json!(1), "{ended}");
    let rows = things.sandbox.by_key("things", "id");
    assert_eq!((&rows[&1]["n"], &rows[&2]["n"]), (&Value::Null, &json!(2)));
}

#[test]
fn e_69_a_table_that_must_not_be_made_is_read_counted_and_not_loaded() {
    for contract in ["discard_row", "discard_value", "{tables: discard_row}", "{tables: discard_value}"] {
        let things = Things::new(json!([{"id": 1}, {"id": 2}]), &format!("schema_contract: {contract}\n{MERGE}"));
        let ended = things.sandbox.run_ok();
        assert_eq!(
            (&ended.table("things")["status"], &ended.table("things")["records"]),
            (&json!("discarded"), &json!(2)),
            "{ended}"
        );
        let words =
            "2 records were read and not loaded: the table `things` is not there, and `schema_contract` lets none be made";
        assert!(ended.stderr.contains(words), "{ended}");
        assert!(things.sandbox.data_files().is_empty());
    }
}

#[test]
fn objects_and_lists_past_the_allowed_depth_become_json_text() {
    let record = json!({"id": 1, "user": {"name": "a", "tags": ["x"]}, "lines": [{"n": 1, "sub": {"m": 2}}]});
    let none = Things::new(json!([record]), &format!("max_table_nesting: 0\n{MERGE}"));
    none.sandbox.run_ok();
    assert_eq!((none.column_type("things", "user"), none.column_type("things", "lines")), ("Utf8".to_owned(), "Utf8".to_owned()));
    assert_eq!(none.sandbox.by_key("things", "id")[&1]["user"], json!(r#"{"name":"a","tags":["x"]}"#));
    let lists = Things::new(json!([{"id": 1, "v": [[[1]]], "w": [[{"x": 1}]]}]), &format!("max_table_nesting: 1\n{MERGE}"));
    lists.sandbox.run_ok();
    assert_eq!(lists.sandbox.rows("things")[0]["v"], json!(["[[1]]"]));
    assert_eq!(lists.sandbox.rows("things")[0]["w"], json!(["[{\"x\":1}]"]));
    let one = Things::new(json!([record]), &format!("max_table_nesting: 1\n{MERGE}"));
    one.sandbox.run_ok();
    assert_eq!(one.sandbox.by_key("things", "id")[&1]["user"], json!({"name": "a", "tags": r#"["x"]"#}));
    assert_eq!(one.sandbox.by_key("things", "id")[&1]["lines"], json!([{"n": 1, "sub": r#"{"m":2}"#}]));
}

#[test]
fn a_table_of_structs_follows_when_the_config_asks_for_json_text() {
    let things = Things::new(json!([{"id": 1, "user": {"name": "a"}}]), MERGE);
    things.sandbox.run_ok();
    let config = std::fs::read_to_string(things.sandbox.path().join("lakeward.yaml")).unwrap();
    things.sandbox.write("lakeward.yaml", &config.replace("    primary_key", "    nested: json\n    primary_key"));
    assert_eq!(things.then(json!([{"id": 2, "user": {"name": "b"}}])).code(), Some(0));
    let rows = things.sandbox.by_key("things", "id");
    assert_eq!((&rows[&1]["user"], &rows[&2]["user"]), (&json!(r#"{"name":"a"}"#), &json!(r#"{"name":"b"}"#)));
}

#[test]
fn e_70_keys_that_are_null_missing_repeated_or_of_another_type_are_told() {
    let things = Things::new(json!([{"id": 1, "v": 1}, {"id": 1, "v": 2}]), MERGE);
    let ended = things.sandbox.run_ok();
    assert_eq!(ended.table("things")["rows_deduplicated"], json!(1), "{ended}");
    assert_eq!(things.sandbox.by_key("things", "id")[&1]["v"], json!(2), "the later one wins");
    things.then(json!([{"id": null}])).failed_with(3, &["`$.id` should be a value, found null"]);
    things.then(json!([{"v": 1}])).failed_with(3, &["`$.id` should be a value, found nothing"]);
    things.then(json!([{"id": "one"}])).failed_with(3, &["key column `id` is bigint in the table and text in this run"]);
}
