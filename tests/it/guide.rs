//! The user's guide, night after night: every row once, changes merged in place, and nothing written when nothing changed.

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY, guide_config};
use crate::support::readers::leave_for_readers;
use crate::support::sandbox::{Ended, Sandbox};

fn guide(url: &str) -> Sandbox {
    Sandbox::with_config(&guide_config(url)).env("BILLING_API_KEY", KEY)
}

/// Asserts some numbers of a table's summary.
#[track_caller]
fn check(ended: &Ended, table: &str, expected: &[(&str, Value)]) {
    let facts = ended.table(table);
    for (name, value) in expected {
        assert_eq!(facts[name], *value, "`{name}` of `{table}`\n{ended}");
    }
}

/// Asserts that a table of the lake holds exactly the API's records.
#[track_caller]
fn same_as_the_api(sandbox: &Sandbox, billing: &Billing, table: &str) {
    let rows = sandbox.by_key(table, "id");
    let records = billing.records(&format!("/v1/{table}"));
    assert_eq!(rows.len(), records.len(), "rows of `{table}`");
    for record in records {
        let row = &rows[&record["id"].as_i64().unwrap()];
        for (name, value) in record.as_object().unwrap() {
            assert_eq!(&row[name], value, "`{name}` of {record}");
        }
    }
}

#[test]
fn the_first_night_brings_every_row_once() {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = guide(&api.url());

    let ended = sandbox.run_ok();
    assert_eq!(ended.summary()["status"], "success");
    check(&ended, "customer_usage", &[("pages", json!(13)), ("records", json!(1234)), ("rows_written", json!(1234))]);
    check(&ended, "customer_usage", &[("rows_updated", json!(0)), ("rejects", json!(0)), ("completeness", json!("proven"))]);
    check(&ended, "wallets", &[("records", json!(240)), ("rows_written", json!(240)), ("end_reason", json!("total_reached"))]);
    same_as_the_api(&sandbox, &billing, "customer_usage");
    same_as_the_api(&sandbox, &billing, "wallets");

    let files = sandbox.data_files();
    for path in files.keys() {
        let partition = path.starts_with("customer_usage/created_at_month=2026-10/part-")
            || path.starts_with("customer_usage/created_at_month=2026-11/part-");
        assert!((partition || path.starts_with("wallets/part-")) && path.ends_with(".parquet"), "{path} is no data file");
    }
    let units = billing.records("/v1/customer_usage").iter().map(|record| record["units"].as_i64().unwrap()).sum();
    leave_for_readers("guide_first_night", &sandbox.lake().join("customer_usage"), 1234, &[("units", units)]);
    leave_for_readers("guide_first_night", &sandbox.lake().join("wallets"), 240, &[("balance", 240 * 241 / 2 * 100)]);
}

#[test]
fn every_request_carries_the_key_and_its_page_once() {
    let api = Billing::guide().serve();
    guide(&api.url()).run_ok();
    let mut pages: Vec<(String, u64)> = api
        .requests()
        .iter()
        .map(|request| {
            assert_eq!((request.method.as_str(), request.param("api_key")), ("GET", Some(KEY)), "{request:?}");
            assert_eq!(request.number("limit", 0), 100, "{request:?}");
            (request.path.clone(), request.number("offset", 0))
        })
        .collect();
    pages.sort();
    let count = pages.len();
    pages.dedup();
    assert_eq!(pages.len(), count, "a page was fetched twice");
    assert!(pages.len() >= 16, "pages are missing: {pages:?}");
}

#[test]
fn the_second_night_merges_changes_moves_and_new_rows() {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = guide(&api.url());
    sandbox.run_ok();
    let wallets = sandbox.files("wallets");

    billing.second_night();
    let ended = sandbox.run_ok();
    check(&ended, "customer_usage", &[("rows_inserted", json!(3)), ("rows_updated", json!(10)), ("rows_unchanged", json!(1224))]);
    check(&ended, "wallets", &[("rows_written", json!(0)), ("rows_unchanged", json!(240))]);
    same_as_the_api(&sandbox, &billing, "customer_usage");
    assert_eq!(sandbox.by_key("customer_usage", "id")[&7]["created_at_month"], "2026-12");
    assert!(wallets == sandbox.files("wallets"), "an unchanged table was written");

    let units = billing.records("/v1/customer_usage").iter().map(|record| record["units"].as_i64().unwrap()).sum();
    leave_for_readers("guide_second_night", &sandbox.lake().join("customer_usage"), 1237, &[("units", units)]);
}

#[test]
fn a_night_without_changes_writes_no_data_file() {
    let api = Billing::guide().serve();
    let sandbox = guide(&api.url());
    sandbox.run_ok();
    let before = sandbox.data_files();
    let ended = sandbox.run_ok();
    check(&ended, "customer_usage", &[("rows_written", json!(0)), ("rows_unchanged", json!(1234)), ("files_put", json!(0))]);
    assert!(before == sandbox.data_files(), "a data file changed");
}

#[test]
fn the_same_input_over_the_same_lake_gives_the_same_names_and_bytes() {
    let lakes: Vec<_> = (0..2)
        .map(|_| {
            let billing = Billing::guide();
            let api = billing.serve();
            let sandbox = guide(&api.url());
            sandbox.run_ok();
            billing.second_night();
            sandbox.run_ok();
            sandbox.data_files()
        })
        .collect();
    assert_eq!(lakes[0].keys().collect::<Vec<_>>(), lakes[1].keys().collect::<Vec<_>>());
    assert!(lakes[0] == lakes[1], "bytes differ");
}

#[test]
fn rows_that_the_api_no_longer_serves_stay() {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = guide(&api.url());
    sandbox.run_ok();
    billing.change("/v1/wallets", |records| records.truncate(200));
    sandbox.run_ok();
    assert_eq!(sandbox.rows("wallets").len(), 240, "a merge never removes what it has not seen");
}

#[test]
fn one_resource_can_be_refreshed_alone() {
    let api = Billing::guide().serve();
    let sandbox = guide(&api.url());
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--resource", "wallets"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(api.requests().iter().all(|request| request.path == "/v1/wallets"));
    assert!(sandbox.rows("customer_usage").is_empty());
    sandbox.lakeward(&["run", "lakeward.yaml", "--resource", "walets"]).failed_with(2, &["walets", "wallets"]);
}

#[test]
fn the_report_is_also_written_to_a_file() {
    let api = Billing::guide().serve();
    let sandbox = guide(&api.url());
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--report", "report.json"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let report: Value = serde_json::from_slice(&std::fs::read(sandbox.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report["run_id"], ended.summary()["run_id"]);
}

#[test]
fn status_tells_what_the_lake_holds() {
    let api = Billing::guide().serve();
    let sandbox = guide(&api.url());
    sandbox.run_ok();
    let ended = sandbox.lakeward(&["status", "lakeward.yaml"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    for word in ["customer_usage", "1,234", "wallets", "240"] {
        let plain = word.replace(',', "");
        assert!(ended.stdout.contains(word) || ended.stdout.contains(&plain), "status does not say {word}\n{ended}");
    }
}

#[test]
fn check_and_preview_write_nothing() {
    let api = Billing::guide().serve();
    let sandbox = guide(&api.url());
    let ended = sandbox.lakeward(&["check", "lakeward.yaml"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(api.requests().is_empty(), "`check` without --online sends nothing");
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(api.requests().len(), 4, "two pages a resource");
    let ended = sandbox.lakeward(&["preview", "lakeward.yaml", "wallets", "--rows", "3"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stdout.contains("cus_0003") && !ended.stdout.contains("cus_0004"), "{ended}");
    assert!(!sandbox.lake().exists(), "a lake was made");
}
