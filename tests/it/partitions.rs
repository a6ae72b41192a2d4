//! Hive partition folders: what they are called, and that every reader finds its rows through them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::billing::{Billing, things_config};
use crate::support::fake_api::FakeApi;
use crate::support::readers::leave_for_readers;
use crate::support::sandbox::{Sandbox, files_under};

fn loaded(records: Vec<Value>, partition_by: &str) -> (Billing, FakeApi, Sandbox) {
    let billing = Billing::new(&[("/things", records)]);
    let api = billing.serve();
    let resource = format!(
        "endpoint: {{path: /things, data_selector: data, paginator: {{type: offset, limit: 100}}}}\n\
         primary_key: id\nwrite_disposition: merge\npartition_by: {partition_by}"
    );
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    sandbox.run_ok();
    (billing, api, sandbox)
}

/// The partition folders of the table, by the paths of its files.
fn folders(sandbox: &Sandbox) -> BTreeSet<String> {
    sandbox
        .files("things")
        .into_keys()
        .map(|path| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()))
        .collect()
}

/// Loads one record a value of the column `v` and asserts the folders; all readers read the table afterwards.
#[track_caller]
fn check(test: &str, partition_by: &str, values: &[Value], expected: &[&str]) {
    let records = values.iter().enumerate().map(|(id, v)| json!({"id": id, "v": v, "w": "x"})).collect();
    let (_, _api, sandbox) = loaded(records, partition_by);
    assert_eq!(folders(&sandbox).iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(sandbox.by_key("things", "id").len(), values.len());
    let sum = (0..values.len() as i64).sum();
    leave_for_readers(test, &sandbox.lake().join("things"), values.len() as u64, &[("id", sum)]);
}

#[test]
fn identity_folders_carry_the_value() {
    check("partition_text", "[v]", &[json!("b"), json!("a"), json!("b")], &["v=a", "v=b"]);
    check("partition_integers", "[v]", &[json!(7), json!(-1)], &["v=-1", "v=7"]);
    check("partition_dates", "[v]", &[json!("2026-11-22"), json!("2025-01-01")], &["v=2025-01-01", "v=2026-11-22"]);
}

/// A resource whose records have these values of the column `v`.
fn with_values(values: &[&str], keys: &str) -> (Billing, FakeApi, Sandbox) {
    let billing = Billing::new(&[("/things", Vec::new())]);
    set_values(&billing, values);
    let api = billing.serve();
    let sandbox = Sandbox::new();
    set_keys(&sandbox, &api, keys);
    (billing, api, sandbox)
}

fn set_values(billing: &Billing, values: &[&str]) {
    let record = |(id, v): (usize, &&str)| json!({"id": id, "v": v, "w": "x"});
    billing.change("/things", |records| *records = values.iter().enumerate().map(record).collect());
}

fn set_keys(sandbox: &Sandbox, api: &FakeApi, keys: &str) {
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}";
    sandbox.write("lakeward.yaml", &things_config(&api.url(), &format!("{endpoint}\nprimary_key: id\n{keys}")));
}

const BUCKET: &str = "partition_by: [{column: v, transform: 'bucket[16]'}]";
const FOLDER: &str = "partition_by: [{column: v, as: v_folder}]";

#[test]
fn text_that_a_reader_takes_for_something_else_makes_no_folder_that_alone_holds_it_and_the_ways_out_work_when_typed() {
    let way = [BUCKET, FOLDER];
    for disposition in ["merge", "append", "replace"] {
        for (values, named) in [(["01234", "1234"], "01234"), (["A12", "1e3"], "1e3"), (["0x1F", "x"], "0x1F")] {
            let keys = format!("write_disposition: {disposition}\ncolumns: {{v: {{data_type: text}}}}\n");
            let (_billing, api, sandbox) = with_values(&values, &format!("{keys}partition_by: v"));
            let words = ["table `things`", "column `v`", &format!("{named:?}"), way[0], way[1]];
            sandbox.run().failed_with(3, &words);
            assert!(sandbox.files("things").is_empty());
            for (name, way) in [("bucket", BUCKET), ("folder", FOLDER)].into_iter().take(if named == "01234" { 2 } else { 1 }) {
                set_keys(&sandbox, &api, &format!("{keys}{way}"));
                sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(0, &[]);
                let found: Vec<Value> = sandbox.by_key("things", "id").into_values().map(|row| row["v"].clone()).collect();
                assert_eq!(found, values);
                // Readers disagree about the folders beside the column, which the matrix shows; about the column they agree.
                if name == "bucket" {
                    leave_for_readers(
                        &format!("partition_digits_{disposition}_{named}"),
                        &sandbox.lake().join("things"),
                        2,
                        &[("id", 1)],
                    );
                }
            }
        }
    }
}

#[test]
fn text_that_some_readers_take_for_a_time_is_told() {
    let (_billing, _api, sandbox) = with_values(&["A12", "12:30", "May"], "write_disposition: merge\npartition_by: v");
    let ended = sandbox.run_ok();
    assert_eq!(ended.summary()["warnings"][0]["code"], "partition_misread", "{ended}");
    assert_eq!(folders(&sandbox), ["v=12%3A30", "v=A12", "v=May"].map(str::to_owned).into());
}

#[test]
fn a_folder_a_row_is_told_once_and_the_way_out_works_when_typed() {
    let values: Vec<String> = (0..101).map(|id| format!("v{id}x")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let merge = "write_disposition: merge\n";
    let (_billing, api, sandbox) = with_values(&values[..100], &format!("{merge}partition_by: v"));
    let told = "`partition_by` makes 100 folders for 100 rows by `v` (identity), a file in each";
    let first = sandbox.run_ok();
    assert_eq!(first.stderr.matches(told).count(), 1, "{first}");
    assert!(first.stderr.contains("`{column: v, transform: 'bucket[16]'}`"), "{first}");
    assert!(!sandbox.run_ok().stderr.contains("`partition_by` makes"), "no folder came");
    set_keys(&sandbox, &api, &format!("{merge}{BUCKET}"));
    let rebuilt = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!((rebuilt.code(), rebuilt.stderr.contains("`partition_by` makes"), folders(&sandbox).len()), (Some(0), false, 16));
}

#[test]
fn a_second_level_a_later_night_and_a_column_that_becomes_text_are_held_to_it_too() {
    let merge = "write_disposition: merge\n";
    let (billing, api, sandbox) = with_values(&["a", "b"], &format!("{merge}partition_by: [w, v]"));
    sandbox.run_ok();
    set_values(&billing, &["a", "b", "007"]);
    let before = sandbox.data_files();
    sandbox.run().failed_with(3, &["column `v`", "\"007\"", BUCKET]);
    assert_eq!(sandbox.data_files(), before);
    set_keys(&sandbox, &api, &format!("{merge}{BUCKET}"));
    sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(0, &[]);
    assert_eq!(sandbox.by_key("things", "id")[&2]["v"], json!("007"));

    let (billing, _api, sandbox) = with_values(&[], &format!("{merge}partition_by: v"));
    billing.change("/things", |records| *records = vec![json!({"id": 1, "v": 7, "w": "x"})]);
    sandbox.run_ok();
    billing.change("/things", |records| records.push(json!({"id": 2, "v": "seven", "w": "x"})));
    sandbox.run().failed_with(3, &["column `v` is text", "\"7\""]);
}

#[test]
fn folders_beside_a_text_column_look_alike_or_the_run_is_refused() {
    for level in ["{column: v, as: v_folder}", "{column: v, transform: 'truncate[2]'}"] {
        let merge = "write_disposition: merge\n";
        let (_billing, api, sandbox) = with_values(&["12", "A12"], &format!("{merge}partition_by: [{level}]"));
        sandbox.run().failed_with(3, &["table `things`", "column `v`", "\"12\"", BUCKET]);
        set_keys(&sandbox, &api, &format!("{merge}{BUCKET}"));
        sandbox.run_ok();
    }
}

/// Renames a partition value of the length of another in all that the lake keeps, as a lake of another lakeward may have it.
fn rename_folder(sandbox: &Sandbox, from: &str, to: &str) {
    for (path, bytes) in files_under(&sandbox.lake().join("_lakeward")) {
        let place = sandbox.lake().join("_lakeward").join(path);
        if let Ok(text) = String::from_utf8(bytes) {
            std::fs::write(place, text.replace(from, to)).unwrap();
        }
    }
    let folder = |value: &str| sandbox.lake().join("things").join(format!("v={value}"));
    std::fs::rename(folder(from), folder(to)).unwrap();
}

#[test]
fn a_table_that_has_such_folders_goes_on_and_is_told_until_it_is_rebuilt() {
    let (billing, api, sandbox) = with_values(&["qwxyz"], "write_disposition: merge\npartition_by: v");
    sandbox.run_ok();
    rename_folder(&sandbox, "qwxyz", "01234");
    set_values(&billing, &["01234", "00501"]);
    for _ in 0..2 {
        let ended = sandbox.run_ok();
        let warning = &ended.summary()["warnings"][0];
        assert_eq!(warning["code"], "partition_misread", "{ended}");
        assert!(warning["text"].as_str().unwrap().contains(BUCKET), "{ended}");
        assert_eq!(folders(&sandbox), ["v=00501", "v=01234", "v=empty"].map(str::to_owned).into());
    }
    sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(3, &["column `v`", FOLDER]);
    set_keys(&sandbox, &api, &format!("write_disposition: merge\n{FOLDER}"));
    sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(0, &[]);
    let ended = sandbox.run_ok();
    assert_eq!(ended.summary()["warnings"], json!([]), "{ended}");
    assert_eq!(folders(&sandbox), ["v_folder=00501", "v_folder=01234"].map(str::to_owned).into());
}

#[test]
fn a_missing_value_has_hives_own_folder() {
    check("partition_null", "[v]", &[json!("a"), Value::Null], &["v=__HIVE_DEFAULT_PARTITION__", "v=a"]);
}

#[test]
fn values_that_are_no_file_names_are_escaped() {
    let values = [json!("a/b"), json!("x=y"), json!("50%"), json!("c:d"), json!("täg 1")];
    let records: Vec<Value> = values.iter().enumerate().map(|(id, v)| json!({"id": id, "v": v})).collect();
    let (_, _api, sandbox) = loaded(records, "[v]");
    let found: BTreeSet<String> = sandbox.rows("things").iter().map(|row| row["v"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found, values.iter().map(|v| v.as_str().unwrap().to_owned()).collect());
    assert!(folders(&sandbox).iter().all(|folder| !folder.contains('/')), "{:?}", folders(&sandbox));
    assert!(folders(&sandbox).contains("v=a%2Fb"), "{:?}", folders(&sandbox));
    leave_for_readers("partition_escapes", &sandbox.lake().join("things"), 5, &[("id", 10)]);
}

#[test]
fn times_become_years_months_days_and_hours_in_utc() {
    let values = [json!("2026-11-30T23:30:00-02:00"), json!("2026-11-30T23:30:00Z")];
    check("partition_year", "[{column: v, transform: year}]", &values, &["v_year=2026"]);
    check("partition_month", "[{column: v, transform: month}]", &values, &["v_month=2026-11", "v_month=2026-12"]);
    check("partition_day", "[{column: v, transform: day}]", &values, &["v_day=2026-11-30", "v_day=2026-12-01"]);
    check("partition_hour", "[{column: v, transform: hour}]", &values, &["v_hour=2026-11-30-23", "v_hour=2026-12-01-01"]);
    check("partition_as", "[{column: v, transform: month, as: m}]", &values, &["m=2026-11", "m=2026-12"]);
}

#[test]
fn dates_become_years_and_months() {
    let values = [json!("2026-11-30"), json!("2025-12-01")];
    check("partition_date_month", "[{column: v, transform: month}]", &values, &["v_month=2025-12", "v_month=2026-11"]);
}

#[test]
fn truncation_keeps_a_multiple_or_a_prefix() {
    check(
        "partition_truncate",
        "[{column: v, transform: truncate, width: 10}]",
        &[json!(7), json!(12), json!(-3)],
        &["v_truncate=-10", "v_truncate=0", "v_truncate=10"],
    );
    check(
        "partition_prefix",
        "[{column: v, transform: truncate, width: 2}]",
        &[json!("äbc"), json!("z")],
        &["v_truncate=z", "v_truncate=äb"],
    );
}

#[test]
fn buckets_spread_keys_and_stay_the_same() {
    let records: Vec<Value> = (0..200_i64).map(|id| json!({"id": id, "v": format!("customer {id}")})).collect();
    let (_, _api, sandbox) = loaded(records, "[{column: v, transform: bucket, buckets: 4}]");
    let expected: BTreeSet<String> = (0..4).map(|bucket| format!("v_bucket={bucket}")).collect();
    assert_eq!(folders(&sandbox), expected);
    let before = sandbox.data_files();
    sandbox.run_ok();
    assert!(before == sandbox.data_files());
    leave_for_readers("partition_bucket", &sandbox.lake().join("things"), 200, &[("id", 199 * 100)]);
}

#[test]
fn folders_nest_in_the_order_of_the_config() {
    let records: Vec<Value> = (0..40_i64)
        .map(|id| json!({"id": id, "v": if id % 2 == 0 { "EWR" } else { "JFK" }, "at": format!("2026-{:02}-01T00:00:00Z", id % 4 + 1)}))
        .collect();
    let (_, _api, sandbox) = loaded(records, "[v, {column: at, transform: month}]");
    assert_eq!(folders(&sandbox).len(), 4);
    assert!(folders(&sandbox).contains("v=EWR/at_month=2026-01"), "{:?}", folders(&sandbox));
    leave_for_readers("partition_nested", &sandbox.lake().join("things"), 40, &[("id", 39 * 20)]);
}

#[test]
fn a_row_that_changes_its_partition_is_in_one_place() {
    let records: Vec<Value> = (0..100_i64).map(|id| json!({"id": id, "v": if id == 0 { "lonely" } else { "a" }})).collect();
    let (billing, _api, sandbox) = loaded(records, "[v]");
    billing.change("/things", |records| {
        records[0]["v"] = json!("b");
        records[1]["v"] = Value::Null;
    });
    let ended = sandbox.run_ok();
    assert_eq!(ended.table("things")["rows_updated"], 2, "{ended}");
    let rows = sandbox.by_key("things", "id");
    assert_eq!((rows.len(), &rows[&0]["v"], &rows[&1]["v"]), (100, &json!("b"), &Value::Null));
    let left: Vec<String> = folders(&sandbox).into_iter().collect();
    assert_eq!(left, ["v=__HIVE_DEFAULT_PARTITION__", "v=a", "v=b"], "a folder without rows keeps no file");
    leave_for_readers("partition_moves", &sandbox.lake().join("things"), 100, &[("id", 99 * 50)]);
}

#[test]
fn a_partition_that_does_not_fit_its_column_is_refused_with_a_way_out_that_works_when_typed() {
    let record =
        json!({"id": 1, "at": "2026-11-22 10:00:00", "rate": 1.5, "seconds": 1_700_000_000, "flag": true, "day": "2026-11-22"});
    let api = Billing::new(&[("/things", vec![record])]).serve();
    let run = |partition_by: &str, steps: &str| {
        let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}";
        let sandbox =
            Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\npartition_by: [{partition_by}]\n{steps}")));
        let ended = sandbox.run();
        (sandbox, ended)
    };
    for (column, transform, step, instead, folder) in [
        ("at", "month", "cast: {at: {to: timestamp, timezone: UTC}}", "truncate[4]", "at_month=2026-11"),
        ("rate", "identity", "cast: {rate: text}", "", "rate_bucket="),
        ("seconds", "day", "cast: {seconds: {to: timestamp, from: epoch_s}}", "truncate[1000]", "seconds_day=2023-11-14"),
        ("flag", "bucket[4]", "", "identity", ""),
        ("day", "hour", "", "day", ""),
    ] {
        let level = |transform: &str| format!("{{column: {column}, transform: '{transform}'}}");
        let (sandbox, ended) = run(&level(transform), "");
        ended.failed_with(3, &[&format!("cannot partition by {transform} of column `{column}`"), "hint: "]);
        assert!(sandbox.data_files().is_empty(), "{ended}");
        for way_out in [step, instead].iter().filter(|way_out| !way_out.is_empty()) {
            assert!(ended.stderr.contains(way_out), "the hint does not say `{way_out}`\n{ended}");
        }
        if !step.is_empty() {
            let transform = if column == "rate" { "bucket[16]" } else { transform };
            let (sandbox, ended) = run(&level(transform), &format!("processing_steps: [{{{step}}}]"));
            assert_eq!(ended.code(), Some(0), "{ended}");
            assert!(folders(&sandbox).iter().any(|found| found.starts_with(folder)), "{:?}", folders(&sandbox));
        }
        if !instead.is_empty() {
            assert_eq!(run(&level(instead), "").1.code(), Some(0), "{column} by {instead}");
        }
    }
}
