//! What a config leaves open, or spells otherwise than the records, is told on the first nights, before a table is wrong.

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::Sandbox;

fn records() -> Value {
    json!({"data": [{"id": 1, "amount": 1.5, "at": 1_700_000_000}, {"id": 2, "amount": 2, "at": 1_700_000_001}]})
}

fn sandbox(resource: &str) -> (Sandbox, FakeApi) {
    let body = records();
    let api = things(move |_| answer(&body));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), resource));
    (sandbox, api)
}

const STRICT: [&str; 3] = ["run", "lakeward.yaml", "--strict"];
const ENDPOINT: &str = "endpoint: {path: /things, data_selector: data, paginator: single_page";

#[test]
fn a_table_that_doubles_unasked_is_told_on_the_second_night() {
    let (first, _api) = sandbox(&format!("{ENDPOINT}}}"));
    let ended = first.lakeward(&["check", "lakeward.yaml"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.to_string().contains("every run appends all records again"), "{ended}");
    assert_eq!(first.lakeward(&STRICT).code(), Some(0));
    first.lakeward(&STRICT).failed_with(3, &["every run appends all records again", "`write_disposition: replace`", "`append`"]);
    for meant in ["write_disposition: append", "write_disposition: replace", "write_disposition: merge\nprimary_key: id"] {
        let (sandbox, _api) = sandbox(&format!("{meant}\n{ENDPOINT}}}"));
        for _ in 0..2 {
            let ended = sandbox.lakeward(&STRICT);
            assert_eq!(ended.code(), Some(0), "{meant}\n{ended}");
        }
    }
}

#[test]
fn a_first_run_that_keeps_nothing_is_told() {
    let incremental = |more: &str| format!("write_disposition: append\n{ENDPOINT}, incremental: {{cursor_path: at, {more}}}}}");
    // Milliseconds, where the records have seconds.
    let (unit, _api) = sandbox(&incremental("initial_value: 1600000000000"));
    let ended = unit.run();
    assert_eq!(ended.code(), Some(0), "{ended}");
    unit.lakeward(&STRICT)
        .failed_with(3, &["none of the 2 records became a row", "1700000000 at", "`initial_value` is 1600000000000"]);
    let (least, _api) = sandbox(&incremental("initial_value: 1600000000, last_value_func: min"));
    least.lakeward(&STRICT).failed_with(3, &["none of the 2 records", "last_value_func"]);
    let (filter, _api) = sandbox(&format!("write_disposition: append\nprocessing_steps: [{{filter: amount > 9}}]\n{ENDPOINT}}}"));
    filter.lakeward(&STRICT).failed_with(3, &["none of the 2 records", "`filter`"]);
    // Later, a night without news is nothing.
    let (kept, _api) = sandbox(&incremental("initial_value: 1600000000"));
    kept.run_ok();
    assert_eq!(kept.lakeward(&STRICT).code(), Some(0));
}

#[test]
fn a_word_for_a_time_is_no_initial_value() {
    for word in ["now", "yesterday", "Today"] {
        let incremental = format!("incremental: {{cursor_path: at, initial_value: {word}}}");
        let (sandbox, _api) = sandbox(&format!("write_disposition: append\n{ENDPOINT}, {incremental}}}"));
        sandbox.run().failed_with(2, &["initial_value", "2026-11-22", "not reckoned", word]);
    }
}

#[test]
fn a_declared_column_under_a_name_that_is_nearly_anothers_is_told() {
    let with = |columns: &str| format!("write_disposition: replace\ncolumns: {columns}\n{ENDPOINT}}}");
    let (misspelt, _api) = sandbox(&with("{amuont: {data_type: double}}"));
    misspelt.lakeward(&STRICT).failed_with(3, &["`columns` declares `amuont`", "did you mean `amount`?"]);
    for fine in ["{amount: {data_type: double}}", "{remark: {data_type: text}}"] {
        let (sandbox, _api) = sandbox(&with(fine));
        let ended = sandbox.lakeward(&STRICT);
        assert_eq!(ended.code(), Some(0), "{fine}\n{ended}");
    }
}

#[test]
fn keys_and_partitions_that_are_nearly_right_name_what_is() {
    for (more, words) in [
        ("partition_by: {column: amoun}", vec!["did you mean `amount`?"]),
        ("partition_by: month(created_at)", vec!["{column: created_at, transform: month}"]),
        ("partition_by: bucket(16, id)", vec!["{column: id, transform: 'bucket[16]'}"]),
        ("primary_key: id, status", vec!["`[id, status]`"]),
        ("primary_key: dim", vec!["column 1 of the `primary_key` is an object"]),
        ("sort_by: created", vec!["did you mean `created_at`?"]),
        ("partition_by: {column: created}", vec!["did you mean `created_at`?"]),
    ] {
        let api =
            things(|_| answer(&json!({"data": [{"id": 1, "amount": 2, "dim": {"w": 1}, "created_at": "2026-01-01T00:00:00Z"}]})));
        let disposition = if more.starts_with("primary_key") { "merge" } else { "replace" };
        let resource = format!("write_disposition: {disposition}\n{more}\n{ENDPOINT}}}");
        let ended = Sandbox::with_config(&things_config(&api.url(), &resource)).run();
        assert!([Some(2), Some(3)].contains(&ended.code()), "{more}\n{ended}");
        for word in words {
            assert!(ended.to_string().contains(word), "{more}: {word}\n{ended}");
        }
    }
}

#[test]
fn a_key_that_became_text_is_kept_by_what_the_error_names() {
    let resource = |more: &str| format!("write_disposition: merge\nprimary_key: id\n{more}\n{ENDPOINT}}}");
    for way in ["columns: {id: {data_type: bigint, accept_text: true}}", "processing_steps: [{cast: {id: integer}}]"] {
        let (sandbox, _api) = sandbox(&resource(""));
        sandbox.run_ok();
        let api = things(|_| answer(&json!({"data": [{"id": "1", "amount": 3, "at": 1}]})));
        sandbox.write("lakeward.yaml", &things_config(&api.url(), &resource("")));
        sandbox.run().failed_with(3, &["key column `id`", way]);
        sandbox.write("lakeward.yaml", &things_config(&api.url(), &resource(way)));
        sandbox.run_ok();
        assert_eq!(sandbox.rows("things").len(), 2, "{way}");
    }
}

#[test]
fn a_lake_in_the_home_folder_is_written_out() {
    let (sandbox, api) = sandbox(&format!("write_disposition: replace\n{ENDPOINT}}}"));
    let text = things_config(&api.url(), &format!("write_disposition: replace\n{ENDPOINT}}}"));
    sandbox.write("lakeward.yaml", &text.replace("./lake", "~/lake"));
    let sandbox = sandbox.env("HOME", "/srv/somebody");
    sandbox.run().failed_with(2, &["`/srv/somebody/lake`", "`./~/lake`"]);
    assert!(!sandbox.path().join("~").exists());
}
