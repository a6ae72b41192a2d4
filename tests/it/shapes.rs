//! Bodies and records of every shape, through the binary: what they are in the table, and what is no page.

use serde_json::{Value, json};

use crate::support::billing::{things, things_config};
use crate::support::fake_api::{Reply, gzip};
use crate::support::sandbox::{Ended, Sandbox};

/// The rows of a resource whose one page has this body and content type; how the run ended.
fn run(endpoint: &str, resource: &str, kind: &'static str, body: impl Into<Vec<u8>>) -> (Sandbox, Ended) {
    let body = body.into();
    let api = things(move |_| Reply::status(200).header("content-type", kind).body(body.clone()));
    let endpoint =
        format!("endpoint: {{path: /things, paginator: single_page, {endpoint}}}\nwrite_disposition: append\n{resource}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
    let ended = sandbox.run();
    (sandbox, ended)
}

#[track_caller]
fn check(endpoint: &str, kind: &'static str, body: impl Into<Vec<u8>>, expected: &[Value]) {
    let (sandbox, ended) = run(endpoint, "", kind, body);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let rows: Vec<Value> = sandbox.rows("things").into_iter().map(|row| json!(row)).collect();
    assert_eq!(rows, expected);
    assert_eq!(ended.table("things")["records"], expected.len());
}

#[test]
fn e_44_what_holds_no_records_fails_with_what_to_write() {
    let wrong = |endpoint: &str, body: &str, words: &[&str]| {
        let (sandbox, ended) = run(endpoint, "", "application/json", body);
        ended.failed_with(3, words);
        assert!(sandbox.data_files().is_empty());
    };
    wrong(
        "data_selector: data",
        r#"{"data":null,"error":"late"}"#,
        &["has null", "says `\"late\"`", "hint: ", "{optional: true}"],
    );
    wrong("data_selector: data", r#"{"data":["x"]}"#, &["should be an object, found string", "hint: ", "{wrap: COLUMN}"]);
    wrong("data_selector: dta", r#"{"data":[]}"#, &["has nothing at `$.dta`", "at its top are `data`"]);
    check("data_selector: data, records: {wrap: tag}", "application/json", r#"{"data":["x"]}"#, &[json!({"tag": "x"})]);
    check("data_selector: data, records: {single: true}", "application/json", r#"{"data":{"id":1}}"#, &[json!({"id": 1})]);
}

#[test]
fn e_41_an_empty_body_of_ndjson_or_csv_is_a_page_without_records() {
    for (format, kind, rows) in [
        ("csv", "text/csv", "id\n1\n2\n"),
        ("ndjson", "application/x-ndjson", "{\"id\":1}\n{\"id\":2}\n"),
        ("auto", "text/csv", "id\n1\n2\n"),
    ] {
        let paged = format!(
            "write_disposition: append\nendpoint:\n  path: /things\n  paginator: {{type: page_number, total_path: null}}\n  response_format: {format}\n"
        );
        let api = things(move |request| {
            let body = if request.number("page", 0) == 0 { rows } else { "" };
            Reply::status(200).header("content-type", kind).body(body)
        });
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &paged));
        let ended = sandbox.run();
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 2), "{ended}");
        assert_eq!(ended.table("things")["end_reason"], "empty_page", "{ended}");
    }
    let (_, ended) = run("response_format: csv", "", "text/csv", "");
    assert_eq!((ended.code(), &ended.table("things")["records"]), (Some(0), &json!(0)), "{ended}");
    let (_, ended) = run("response_format: auto", "", "application/json", "");
    ended.failed_with(3, &["answered 200 with an empty body instead of JSON"]);
}

#[test]
fn e_41_csv_may_begin_with_an_angle_bracket_and_is_no_page_for_people() {
    check("response_format: csv", "text/csv", "<id>,name\n<1>,a\n", &[json!({"<id>": "<1>", "name": "a"})]);
    let (_, ended) = run("response_format: csv", "", "text/csv", "<!doctype html><p>Sign in</p>");
    ended.failed_with(3, &["answered with HTML instead of CSV", "<!doctype html>"]);
}

#[test]
fn e_45_records_come_from_maps_and_from_any_json_path() {
    let map = r#"{"rates":{"EUR":{"rate":1.5},"USD":{"rate":2.5}}}"#;
    check(
        "records: {map_values: $.rates, key_as: currency}",
        "application/json",
        map,
        &[json!({"currency": "EUR", "rate": 1.5}), json!({"currency": "USD", "rate": 2.5})],
    );
    check(
        "data_selector: \"..rate\", records: {wrap: rate}",
        "application/json",
        map,
        &[json!({"rate": 1.5}), json!({"rate": 2.5})],
    );
    check(
        "data_selector: \"rows[?(@.ok == true)]\"",
        "application/json",
        r#"{"rows":[{"ok":true},{"ok":false}]}"#,
        &[json!({"ok": true})],
    );
}

#[test]
fn e_54_a_broken_line_fails_the_run_or_is_quarantined() {
    let body = "{\"id\":1}\n{\"id\":2,}\n{\"id\":3}\n";
    let (sandbox, ended) = run("response_format: ndjson", "", "application/x-ndjson", body);
    ended.failed_with(3, &["byte 17 of the page, in line 2"]);
    assert!(sandbox.data_files().is_empty());
    let (sandbox, ended) = run("response_format: ndjson", "on_reject: quarantine", "application/x-ndjson", body);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(sandbox.rows("things").len(), 2);
    assert_eq!((&ended.table("things")["records"], &ended.table("things")["rejects"]), (&json!(3), &json!(1)));
}

#[test]
fn e_55_csv_is_a_table_by_its_header() {
    let body = "\u{feff}id;name\n007;\"M\u{fc}ller; \"\"A\"\"\"\n8;\n";
    check(
        "response_format: {type: csv, delimiter: ';'}",
        "text/csv",
        gzip(body.as_bytes()),
        &[json!({"id": "007", "name": "M\u{fc}ller; \"A\""}), json!({"id": "8", "name": null})],
    );
    check(
        "response_format: {type: auto, types: infer}",
        "text/csv",
        "id,ok\n7,true\n8,false\n",
        &[json!({"id": 7, "ok": true}), json!({"id": 8, "ok": false})],
    );
    let (sandbox, ended) = run("response_format: csv", "", "text/csv", "id,name\n1,a\n2\n3,c\n");
    ended.failed_with(3, &["2 fields", "in line 3"]);
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn e_48_replaced_characters_are_told() {
    let (sandbox, ended) = run("data_selector: $", "", "application/json", r#"[{"name":"x\ud800"}]"#);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(json!(sandbox.rows("things")), json!([{"name": "x\u{fffd}"}]));
    assert!(ended.stderr.contains("1 character replaced by U+FFFD"), "{ended}");
}

#[test]
fn e_57_a_config_that_says_what_is_a_list_gets_lists() {
    let body = r#"{"data":[{"id":1,"tags":"x"},{"id":2,"tags":["y","z"]}]}"#;
    check(
        "data_selector: data, records: {force_list: tags}",
        "application/json",
        body,
        &[json!({"id": 1, "tags": ["x"]}), json!({"id": 2, "tags": ["y", "z"]})],
    );
}

#[test]
fn a_page_larger_than_memory_is_allowed_for_is_read_from_a_file_to_its_last_row() {
    // 72 MB: past the 64 MiB that stay in memory. Space is the cheapest of sizes.
    let space = " ".repeat(60_000);
    let mut body = String::from("{\"data\":[");
    for id in 0..1200 {
        let comma = if id > 0 { "," } else { "" };
        body.push_str(&format!("{comma}{{\"id\":{id},{space}\"name\":\"n{id} ]}}\"}}"));
    }
    body.push_str("],\"total\":1200}");
    let (sandbox, ended) =
        run("data_selector: data", "expect: {total: total}\nprocessing_steps: [{filter: id != 700}]", "application/json", body);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let rows = sandbox.rows("things");
    let ids: Vec<u64> = rows.iter().filter_map(|row| row["id"].as_u64()).collect();
    assert_eq!(ids, (0..1200).filter(|id| *id != 700).collect::<Vec<_>>());
    assert_eq!((&ended.table("things")["records"], &ended.table("things")["pages"]), (&json!(1200), &json!(1)));
}
