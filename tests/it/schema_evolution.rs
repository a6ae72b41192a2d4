//! One schema for a whole table, whatever page a new field or a wider type shows up on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::billing::{Billing, things, things_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::readers::leave_for_readers;
use crate::support::sandbox::Sandbox;
use crate::support::table::{data_files, file_schema};

const MERGE: &str = "primary_key: id\nwrite_disposition: merge";

fn serving(records: Vec<Value>, limit: usize, resource: &str) -> (Billing, FakeApi, Sandbox) {
    let billing = Billing::new(&[("/things", records)]);
    let api = billing.serve();
    let endpoint = format!("endpoint: {{path: /things, data_selector: data, paginator: {{type: offset, limit: {limit}}}}}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\n{resource}")));
    (billing, api, sandbox)
}

/// The Arrow type of a column in every file of the table; it must be one.
fn column_type(sandbox: &Sandbox, column: &str) -> String {
    let types: BTreeSet<String> = data_files(&sandbox.lake().join("things"))
        .iter()
        .map(|file| file_schema(file).field_with_name(column).map_or("missing".to_owned(), |field| field.data_type().to_string()))
        .collect();
    assert_eq!(types.len(), 1, "`{column}` has several types: {types:?}");
    types.into_iter().next().unwrap()
}

/// Loads records with these values of a column `v` and returns the column's type and its values in key order.
fn load(values: &[Value]) -> (String, Vec<Value>) {
    let records = values.iter().enumerate().map(|(id, v)| json!({"id": id, "v": v})).collect();
    let (_, _api, sandbox) = serving(records, 2, MERGE);
    sandbox.run_ok();
    let found = sandbox.by_key("things", "id").into_values().map(|mut row| row["v"].take()).collect();
    (column_type(&sandbox, "v"), found)
}

#[track_caller]
fn check(values: &[Value], data_type: &str, expected: &[Value]) {
    assert_eq!(load(values), (data_type.to_owned(), expected.to_vec()));
}

#[test]
fn a_field_and_a_wider_type_first_seen_on_page_900_are_right_in_every_file() {
    let records: Vec<Value> = (0..9000_i64)
        .map(|id| {
            let mut record = json!({"id": id, "amount": id, "group": id % 3});
            if id >= 8990 {
                record["late"] = json!(format!("late {id}"));
                record["amount"] = json!(id as f64 + 0.5);
            }
            record
        })
        .collect();
    let (_, api, sandbox) = serving(records, 10, &format!("{MERGE}\npartition_by: [group]"));
    sandbox.run_ok();

    let mut offsets: Vec<u64> = api.requests().iter().map(|request| request.number("offset", 0)).collect();
    offsets.sort_unstable();
    let count = offsets.len();
    offsets.dedup();
    assert_eq!(offsets.len(), count, "a page was fetched twice");

    assert_eq!((column_type(&sandbox, "amount"), column_type(&sandbox, "late")), ("Float64".to_owned(), "Utf8".to_owned()));
    let rows = sandbox.by_key("things", "id");
    assert_eq!(rows.len(), 9000);
    assert_eq!((&rows[&0]["amount"], &rows[&0]["late"]), (&json!(0.0), &Value::Null));
    assert_eq!((&rows[&8990]["amount"], &rows[&8990]["late"]), (&json!(8990.5), &json!("late 8990")));
    leave_for_readers("late_field", &sandbox.lake().join("things"), 9000, &[("id", 9000 * 8999 / 2)]);
}

#[test]
fn e_53_a_map_whose_names_pass_the_bound_on_a_late_page_or_night_is_json_text_in_every_file() {
    let record = |id: usize, names: std::ops::Range<usize>| {
        let by_day: serde_json::Map<String, Value> = names.map(|day| (format!("day {day:03}"), json!(day))).collect();
        json!({"id": id, "by_day": by_day})
    };
    let first: Vec<Value> = (0..3).map(|id| record(id, id * 80..id * 80 + 80)).collect();
    let (billing, _api, sandbox) = serving(first.clone(), 1, MERGE);
    let ended = sandbox.run_ok();
    assert!(!ended.stderr.contains("JSON text"), "240 names are no map\n{ended}");
    assert!(column_type(&sandbox, "by_day").starts_with("Struct"));

    let second: Vec<Value> = first.into_iter().chain([record(3, 240..260)]).collect();
    billing.change("/things", |records| *records = second);
    let ended = sandbox.run_ok();
    let words = "warning: things: `by_day` is JSON text: its objects have more than 256 names in all";
    assert_eq!(ended.stderr.matches(words).count(), 1, "{ended}");
    assert_eq!(column_type(&sandbox, "by_day"), "Utf8");
    let rows = sandbox.by_key("things", "id");
    let text = |id: i64| rows[&id]["by_day"].as_str().unwrap().to_owned();
    assert!(text(0).starts_with(r#"{"day 000":0,"day 001":1"#) && text(3).ends_with(r#""day 259":259}"#), "{}", text(3));
    assert_eq!(serde_json::from_str::<Value>(&text(2)).unwrap().as_object().unwrap().len(), 80);

    let ended = sandbox.run_ok();
    assert!(!ended.stderr.contains("JSON text"), "it is told once\n{ended}");
    assert_eq!(ended.table("things")["files_put"], json!(0), "{ended}");
}

#[test]
fn e_60_integers_and_floats_become_the_type_that_keeps_every_digit() {
    check(&[json!(1), json!(2), json!(3)], "Int64", &[json!(1), json!(2), json!(3)]);
    check(&[json!(1), json!(2), json!(2.5)], "Float64", &[json!(1.0), json!(2.0), json!(2.5)]);
    let (data_type, values) = load(&[json!(9_007_199_254_740_993_i64), json!(1), json!(0.5)]);
    assert_ne!(data_type, "Float64", "a float cannot hold 2^53 + 1");
    assert!(values[0].as_str().unwrap().starts_with("9007199254740993"), "{values:?}");
}

#[test]
fn e_62_integers_past_64_bits_keep_every_digit() {
    let body = br#"{"data":[{"id":1,"v":12345678901234567890123456789},{"id":2,"v":-1},{"id":3,"v":null}]}"#;
    let api = things(|_| Reply::json(body.to_vec()));
    let endpoint = format!("endpoint: {{path: /things, data_selector: data, paginator: single_page}}\n{MERGE}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
    sandbox.run_ok();
    assert_eq!(column_type(&sandbox, "v"), "Decimal128(29, 0)");
    let rows = sandbox.by_key("things", "id");
    assert_eq!((&rows[&1]["v"], &rows[&2]["v"]), (&json!("12345678901234567890123456789"), &json!("-1")));
    leave_for_readers("big_integers", &sandbox.lake().join("things"), 3, &[("id", 6)]);
}

#[test]
fn times_dates_and_text_are_told_apart() {
    check(
        &[json!("2026-11-22T10:00:00+02:00"), json!("2026-11-22T08:00:00.5Z"), Value::Null],
        r#"Timestamp(µs, "UTC")"#,
        &[json!("2026-11-22T08:00:00Z"), json!("2026-11-22T08:00:00.500Z"), Value::Null],
    );
    check(
        &[json!("2026-11-22"), json!("1969-02-28"), Value::Null],
        "Date32",
        &[json!("2026-11-22"), json!("1969-02-28"), Value::Null],
    );
    check(&[json!("2026-11-22"), json!("soon"), json!("")], "Utf8", &[json!("2026-11-22"), json!("soon"), json!("")]);
}

#[test]
fn a_time_column_that_meets_other_text_keeps_the_text_as_it_came() {
    let values = [json!("2026-11-22T10:00:00+02:00"), json!("2026-11-22T08:00:00Z"), json!("n/a")];
    check(&values, "Utf8", &values);
}

#[test]
fn a_column_of_nulls_is_kept() {
    check(&[Value::Null, Value::Null, Value::Null], "Utf8", &[Value::Null, Value::Null, Value::Null]);
}

#[test]
fn nested_values_stay_nested_and_grow_fields() {
    let values = [json!({"a": 1}), json!({"b": ["x"]}), json!({"a": 2.5, "b": []})];
    let (_, found) = load(&values);
    assert_eq!(found, [json!({"a": 1.0, "b": null}), json!({"a": null, "b": ["x"]}), json!({"a": 2.5, "b": []})]);
}

#[test]
fn shapes_that_conflict_become_json_text() {
    let (data_type, found) = load(&[json!({"a": 1}), json!([1, 2]), json!("x")]);
    assert_eq!(data_type, "Utf8");
    let parsed: Vec<Value> =
        found.iter().map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap_or_else(|_| text.clone())).collect();
    assert_eq!(parsed, [json!({"a": 1}), json!([1, 2]), json!("x")]);
}

#[test]
fn a_second_night_brings_older_files_to_the_new_schema() {
    let records: Vec<Value> = (0..400_i64).map(|id| json!({"id": id, "v": id, "group": id % 4})).collect();
    let (billing, _api, sandbox) = serving(records, 100, &format!("{MERGE}\npartition_by: [group]"));
    sandbox.run_ok();
    billing.change("/things", |records| {
        records.push(json!({"id": 400, "v": 0.25, "group": 0, "new": true}));
    });
    sandbox.run_ok();
    assert_eq!((column_type(&sandbox, "v"), column_type(&sandbox, "new")), ("Float64".to_owned(), "Boolean".to_owned()));
    let rows = sandbox.by_key("things", "id");
    assert_eq!(rows.len(), 401);
    assert_eq!((&rows[&399]["v"], &rows[&399]["new"], &rows[&400]["v"]), (&json!(399.0), &Value::Null, &json!(0.25)));
    leave_for_readers("second_schema", &sandbox.lake().join("things"), 401, &[("id", 400 * 401 / 2)]);
}

#[test]
fn a_column_the_api_drops_stays_with_its_old_values() {
    let records: Vec<Value> = (0..50_i64).map(|id| json!({"id": id, "v": id, "old": "kept"})).collect();
    let (billing, _api, sandbox) = serving(records, 100, MERGE);
    sandbox.run_ok();
    billing.change("/things", |records| {
        *records = (40..60_i64).map(|id| json!({"id": id, "v": id + 1})).collect();
    });
    sandbox.run_ok();
    let rows = sandbox.by_key("things", "id");
    assert_eq!(rows.len(), 60);
    assert_eq!((&rows[&0]["old"], &rows[&45]["old"], &rows[&59]["old"]), (&json!("kept"), &Value::Null, &Value::Null));
}

#[test]
fn what_would_double_rows_or_lock_readers_out_ends_the_run_and_leaves_the_table() {
    let (billing, _api, sandbox) = serving(vec![json!({"id": 1.0, "v": 1})], 10, MERGE);
    sandbox.run_ok();
    let before = sandbox.data_files();
    // The table has 1.0 as a number: as text it would be another key than the API's `1.0`.
    billing.change("/things", |records| records.push(json!({"id": "x", "v": 2})));
    sandbox.run().failed_with(3, &["`id`", "double", "text", "--full-refresh"]);
    billing.change("/things", |records| *records = vec![json!({"id": 2, "v": 1, "V": 2})]);
    sandbox.run().failed_with(3, &["`V`", "`v`", "case"]);
    assert!(before == sandbox.data_files(), "a refused run changed the table");
}

#[test]
fn a_key_that_comes_with_another_type_is_refused_with_the_choices() {
    let (billing, _api, sandbox) = serving((1..=20).map(|id| json!({"id": id, "v": id})).collect(), 10, MERGE);
    sandbox.run_ok();
    let before = sandbox.data_files();
    billing.change("/things", |records| records[15]["id"] = json!("A-16"));
    sandbox.run().failed_with(3, &["key column `id` is bigint in the table and text in this run", "--full-refresh"]);
    assert!(before == sandbox.data_files());
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(column_type(&sandbox, "id"), "Utf8");
}

#[test]
fn a_declaration_that_would_take_values_away_is_refused_before_any_request() {
    let (_billing, api, sandbox) = serving((1..=20).map(|id| json!({"id": id, "v": id})).collect(), 10, MERGE);
    sandbox.run_ok();
    let (before, asked) = (sandbox.data_files(), api.requests().len());
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    sandbox.write("lakeward.yaml", &config.replace("primary_key: id", "primary_key: id\n    schema: things.json"));
    sandbox.write("things.json", r#"{"columns": [{"name": "v", "type": "boolean"}]}"#);
    sandbox.run().failed_with(2, &["column `v` is bigint in the table", "bool", "--full-refresh"]);
    assert_eq!(api.requests().len(), asked);
    assert!(before == sandbox.data_files());
}

#[test]
fn e_69_a_column_that_no_record_has_any_more_is_told_and_a_rename_is_suggested() {
    let user = |id: usize| json!({"id": id, "name": format!("user {id}"), "age": id, "note": null});
    let (billing, _api, sandbox) = serving((0..5).map(user).collect(), 2, MERGE);
    let gone = "columns of the table that no record of this run has";
    assert!(!sandbox.run_ok().stderr.contains(gone));
    let then = |records: Vec<Value>| {
        billing.change("/things", |known| *known = records);
        sandbox.run_ok()
    };
    // Null is there, and few records may just lack what is empty.
    let nulls = (0..5).map(|id| json!({"id": id, "name": null, "age": null, "note": null})).collect();
    let few = vec![json!({"id": 1, "age": 1}), json!({"id": 2, "age": 2})];
    for records in [nulls, few] {
        let ended = then(records);
        assert!(!ended.stderr.contains(gone), "{ended}");
    }
    let ended = then((0..5).map(|id| json!({"id": id, "full_name": format!("user {id}"), "age": id, "note": "x"})).collect());
    let words = "warning: things: columns of the table that no record of this run has, and that are null in its rows: `name`; `full_name` is new and of the same type: if it is the same, `processing_steps: [{rename: {full_name: name}}]` keeps it in one column";
    assert_eq!(ended.stderr.matches(words).count(), 1, "{ended}");
    assert_eq!(sandbox.by_key("things", "id")[&1]["name"], Value::Null);
    // Of two, or of another type, nobody knows which it was.
    let ended = then((0..5).map(|id| json!({"id": id, "age": id, "tier": 1.5})).collect());
    assert!(ended.stderr.contains("null in its rows: `full_name`, `name`, `note`\n"), "{ended}");
}

#[test]
fn e_69_a_column_that_a_step_takes_out_is_not_missed_and_a_replace_tells_too() {
    let user = |id: usize| json!({"id": id, "name": "a", "age": id});
    let (billing, _api, sandbox) = serving((0..4).map(user).collect(), 2, "write_disposition: replace");
    sandbox.run_ok();
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    sandbox.write("lakeward.yaml", &config.replace("    write_dis", "    processing_steps: [{drop: name}]\n    write_dis"));
    let ended = sandbox.run_ok();
    assert!(!ended.stderr.contains("no record of this run"), "{ended}");
    billing.change("/things", |records| *records = vec![json!({"id": 0, "name": "a"}), json!({"id": 1, "name": "b"})]);
    let ended = sandbox.run_ok();
    assert!(ended.stderr.contains("null in its rows: `age`\n"), "{ended}");
}

#[test]
fn a_plain_append_after_a_column_was_renamed_has_the_rows_of_both_nights_in_full() {
    let append = "write_disposition: append";
    let named = |column: &str, ids: std::ops::Range<usize>| -> Vec<Value> {
        ids.map(|id| json!({"id": id, column: format!("user {id}")})).collect()
    };
    let (billing, _api, sandbox) = serving(named("name", 0..2), 2, append);
    sandbox.run_ok();
    billing.change("/things", |known| *known = named("full_name", 2..4));
    sandbox.run_ok();
    let names =
        |column: &str| -> Vec<Value> { sandbox.by_key("things", "id").into_values().map(|row| row[column].clone()).collect() };
    assert_eq!(sandbox.rows("things").len(), 4);
    assert_eq!(names("name"), [json!("user 0"), json!("user 1"), Value::Null, Value::Null]);
    assert_eq!(names("full_name"), [Value::Null, Value::Null, json!("user 2"), json!("user 3")]);
    assert_eq!((column_type(&sandbox, "name"), column_type(&sandbox, "full_name")), ("Utf8".to_owned(), "Utf8".to_owned()));
    // The step that the warning suggests brings later rows into the old column.
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    sandbox.write(
        "lakeward.yaml",
        &config.replace(append, &format!("{append}\n    processing_steps: [{{rename: {{full_name: name}}}}]")),
    );
    billing.change("/things", |known| *known = named("full_name", 4..6));
    sandbox.run_ok();
    assert_eq!(names("name")[4..], [json!("user 4"), json!("user 5")]);
}
