//! Write dispositions and the guards before a publish.

use serde_json::{Value, json};

use crate::support::billing::{Billing, things_config, wallet};
use crate::support::fake_api::FakeApi;
use crate::support::readers::leave_for_readers;
use crate::support::sandbox::Sandbox;

/// Wallets 1 to `count` under `/things`, and a sandbox that reads them with the resource's further keys.
fn things(count: i64, resource: &str) -> (Billing, FakeApi, Sandbox) {
    serving((1..=count).map(wallet).collect(), resource)
}

fn serving(records: Vec<Value>, resource: &str) -> (Billing, FakeApi, Sandbox) {
    let billing = Billing::new(&[("/things", records)]);
    let api = billing.serve();
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\n{resource}")));
    (billing, api, sandbox)
}

#[test]
fn append_adds_the_rows_of_every_run() {
    let (_, _api, sandbox) = things(250, "write_disposition: append");
    sandbox.run_ok();
    let ended = sandbox.run_ok();
    assert_eq!(ended.table("things")["rows_written"], 250);
    assert_eq!(sandbox.rows("things").len(), 500);
    leave_for_readers("append_twice", &sandbox.lake().join("things"), 500, &[("id", 250 * 251)]);
}

#[test]
fn a_resource_without_records_makes_no_files_and_a_later_night_fills_the_table() {
    for disposition in ["append", "replace", "merge"] {
        let (billing, _api, sandbox) = things(0, &format!("write_disposition: {disposition}\nprimary_key: id"));
        assert_eq!(sandbox.run_ok().table("things")["table_rows"], 0);
        assert!(sandbox.files("things").is_empty());
        billing.change("/things", |records| records.extend((1..=3).map(wallet)));
        sandbox.run_ok();
        assert_eq!(sandbox.by_key("things", "id").len(), 3, "{disposition}");
    }
}

#[test]
fn replace_leaves_the_rows_of_the_last_run() {
    let (billing, _api, sandbox) = things(250, "write_disposition: replace");
    sandbox.run_ok();
    billing.change("/things", |records| {
        records.remove(0);
    });
    sandbox.run_ok();
    let keys: Vec<i64> = sandbox.by_key("things", "id").into_keys().collect();
    assert_eq!(keys, (2..=250).collect::<Vec<_>>());
    leave_for_readers("replace", &sandbox.lake().join("things"), 249, &[("id", 250 * 251 / 2 - 1)]);
}

#[test]
fn replace_refuses_to_lose_more_than_half_of_a_table() {
    let (billing, _api, sandbox) = things(250, "write_disposition: replace");
    sandbox.run_ok();
    let before = sandbox.data_files();
    billing.change("/things", |records| records.truncate(100));
    sandbox.run().failed_with(3, &["things", "250", "100"]);
    assert!(before == sandbox.data_files(), "a refused run changed the table");
    billing.change("/things", Vec::clear);
    sandbox.run().failed_with(3, &["things"]);
    assert!(before == sandbox.data_files(), "an empty answer emptied the table");
}

#[test]
fn replace_may_shrink_as_far_as_the_config_says() {
    for allowed in ["100%", "null"] {
        let (billing, _api, sandbox) = things(250, &format!("write_disposition: replace\nexpect: {{max_shrink: {allowed}}}"));
        sandbox.run_ok();
        billing.change("/things", |records| records.truncate(10));
        sandbox.run_ok();
        assert_eq!(sandbox.rows("things").len(), 10, "{allowed}");
    }
}

#[test]
fn fewer_rows_than_expected_publish_nothing() {
    let (_, _api, sandbox) = things(250, "write_disposition: append\nexpect: {min_rows: 251}");
    sandbox.run().failed_with(3, &["things", "251", "250"]);
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn e_92_the_last_record_of_a_key_wins_inside_a_run() {
    let mut records: Vec<Value> = (1..=300).map(wallet).collect();
    records.extend((1..=50).map(|id| json!({"id": id, "customer_id": "again", "balance": -id, "currency": "EUR"})));
    let (_, _api, sandbox) = serving(records, "primary_key: id\nwrite_disposition: merge");
    let ended = sandbox.run_ok();
    let facts = ended.table("things");
    assert_eq!((&facts["records"], &facts["rows_written"], &facts["rows_deduplicated"]), (&json!(350), &json!(300), &json!(50)));
    let rows = sandbox.by_key("things", "id");
    assert_eq!(rows.len(), 300);
    assert_eq!((&rows[&50]["balance"], &rows[&51]["balance"]), (&json!(-50), &json!(5100)));
    leave_for_readers("merge_repeated_keys", &sandbox.lake().join("things"), 300, &[("id", 300 * 301 / 2)]);
}

#[test]
fn a_key_of_several_columns_is_unique_in_all_of_them() {
    let pair = |a: i64, b: &str, v: i64| json!({"a": a, "b": b, "v": v});
    let records = vec![pair(1, "x", 1), pair(1, "y", 2), pair(2, "x", 3), pair(1, "x", 4)];
    let (billing, _api, sandbox) = serving(records, "primary_key: [a, b]\nwrite_disposition: merge");
    sandbox.run_ok();
    billing.change("/things", |records| records.push(pair(2, "x", 5)));
    sandbox.run_ok();
    let mut rows: Vec<String> =
        sandbox.rows("things").iter().map(|row| format!("{}{}={}", row["a"], row["b"], row["v"])).collect();
    rows.sort();
    assert_eq!(rows, ["1\"x\"=4", "1\"y\"=2", "2\"x\"=5"]);
}

#[test]
fn a_record_without_its_key_is_refused_with_its_place() {
    let mut records: Vec<Value> = (1..=150).map(wallet).collect();
    records[120]["id"] = Value::Null;
    let (_, _api, sandbox) = serving(records, "primary_key: id\nwrite_disposition: merge");
    sandbox.run().failed_with(3, &["things", "id"]);
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn merge_without_a_key_is_a_config_error_before_any_request() {
    let (_, api, sandbox) = things(10, "write_disposition: merge");
    sandbox.run().failed_with(2, &["lakeward.yaml", "primary_key", "things"]);
    assert!(api.requests().is_empty());
}

#[test]
fn skip_fetches_nothing_and_leaves_the_table() {
    let (_, api, sandbox) = things(10, "write_disposition: skip");
    sandbox.run_ok();
    assert!(api.requests().is_empty());
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn a_full_refresh_rebuilds_the_table_under_the_configs_key() {
    let (billing, _api, sandbox) = things(250, "primary_key: id\nwrite_disposition: merge");
    sandbox.run_ok();
    billing.change("/things", |records| {
        records.remove(0);
    });
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(sandbox.by_key("things", "id").len(), 249);
}

#[test]
fn a_key_that_changes_between_runs_is_refused() {
    for disposition in ["merge", "append"] {
        let (_, api, sandbox) = things(50, &format!("primary_key: id\nwrite_disposition: {disposition}"));
        sandbox.run_ok();
        let before = sandbox.data_files();
        let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}";
        let other = format!("{endpoint}\nprimary_key: customer_id\nwrite_disposition: {disposition}");
        sandbox.write("lakeward.yaml", &things_config(&api.url(), &other));
        let words = ["table `things` has primary key id, the config customer_id", "--full-refresh"];
        sandbox.run().failed_with(2, &words);
        assert!(before == sandbox.data_files(), "{disposition}");
        let fresh = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
        assert_eq!((fresh.code(), sandbox.by_key("things", "id").len()), (Some(0), 50), "{fresh}");
    }
}

#[test]
fn a_failed_resource_keeps_its_table_and_the_others_publish() {
    let billing = Billing::new(&[("/good", (1..=10).map(wallet).collect())]);
    let api = billing.serve();
    let sandbox = Sandbox::with_config(&format!(
        "name: two\nclient: {{base_url: {}, auth: {{type: api_key, name: api_key, api_key: {}, location: query}}}}\n\
         resource_defaults: {{write_disposition: replace, endpoint: {{data_selector: data, paginator: {{type: offset, limit: 100}}}}}}\n\
         resources: [{{name: good, endpoint: /good}}, {{name: gone, endpoint: /gone}}]\nlake: {{url: ./lake}}\n",
        &api.url(),
        crate::support::billing::KEY
    ));
    let ended = sandbox.run();
    assert_eq!(ended.code(), Some(20), "{ended}");
    assert_eq!(ended.summary()["status"], "partial");
    assert!(ended.stderr.contains("404") && ended.stderr.contains("gone"), "{ended}");
    assert_eq!(sandbox.rows("good").len(), 10);
    assert!(sandbox.rows("gone").is_empty());
}
