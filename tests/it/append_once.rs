//! An `append` loads each record once: a config under which it would load some again is refused before any request, and every way out works
//! when typed.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox, files_under};

/// An API that answers all of its records, whatever it is asked for.
struct Records {
    records: Arc<Mutex<Vec<Value>>>,
    api: FakeApi,
}

impl Records {
    fn new(records: Vec<Value>) -> Self {
        let records = Arc::new(Mutex::new(records));
        let served = Arc::clone(&records);
        let api = FakeApi::start().on("/t", move |_| Reply::json(json!({"data": *served.lock().unwrap()}).to_string()));
        Self { records, api }
    }

    fn add(&self, record: Value) {
        self.records.lock().unwrap().push(record);
    }

    /// A config with these keys of `incremental` and lines of the resource.
    fn config(&self, incremental: &str, resource: &str) -> String {
        let url = self.api.url();
        format!(
            "name: p
client: {{base_url: \"{url}\", retry: {{max_retries: 0}}}}
lake: {{url: ./lake}}
resources:
  - name: t
    write_disposition: append
    endpoint: {{path: /t, data_selector: data, paginator: single_page, incremental: {{cursor_path: c, {incremental}}}}}
    {resource}
"
        )
    }

    fn asked(&self) -> usize {
        self.api.requests().len()
    }
}

fn numbered(count: i64) -> Vec<Value> {
    (0..count).map(|id| json!({"id": id, "c": id, "x": "a"})).collect()
}

fn rows(sandbox: &Sandbox) -> usize {
    sandbox.rows("t").len()
}

const REBUILD: [&str; 5] = ["run", "lakeward.yaml", "--full-refresh", "--resource", "t"];

/// A run with `before`, and one with `after` that is refused with `expected`; then each way out.
fn refused(records: &Records, before: &str, after: &str, expected: &[&str]) {
    let sandbox = Sandbox::with_config(before);
    sandbox.run_ok();
    let (loaded, asked) = (rows(&sandbox), records.asked());
    sandbox.write("lakeward.yaml", after);
    sandbox.run().failed_with(2, &[expected, &["put the config back", "--full-refresh"]].concat());
    assert_eq!((records.asked(), rows(&sandbox)), (asked, loaded), "nothing was asked for: {after}");
    sandbox.write("lakeward.yaml", before);
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), loaded, "{before}");
    sandbox.write("lakeward.yaml", after);
    assert_eq!(sandbox.lakeward(&REBUILD).code(), Some(0));
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), loaded, "{after}");
}

/// Runs with `before` and `after`, which loads nothing again.
fn accepted(before: &str, after: &str) {
    let sandbox = Sandbox::with_config(before);
    sandbox.run_ok();
    let loaded = rows(&sandbox);
    sandbox.write("lakeward.yaml", after);
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), loaded, "{after}");
}

#[test]
fn a_lag_that_reaches_behind_the_marks_is_refused_and_one_that_does_not_is_taken() {
    let records = Records::new(numbered(10));
    let with = |incremental: &str| records.config(incremental, "primary_key: id");
    refused(&records, &with(""), &with("lag: 5"), &["`endpoint.incremental.lag` is `5`, and the state was made with none"]);
    refused(&records, &with("lag: 2"), &with("lag: 5"), &["is `5`, and the state was made with `2`"]);
    accepted(&with("lag: 5"), &with("lag: 2"));
    accepted(&with("lag: 5"), &with(""));
    accepted(&with("initial_value: 0, lag: 100"), &with("initial_value: 0, lag: 200"));
    let days: Vec<Value> = (1..9).map(|day| json!({"id": day, "c": format!("2026-01-0{day}T00:00:00Z")})).collect();
    let days = Records::new(days);
    let with = |incremental: &str| days.config(incremental, "primary_key: id");
    refused(&days, &with(""), &with("lag: 2d"), &["`endpoint.incremental.lag` is `172800s`"]);
    accepted(&with("lag: 48h"), &with("lag: 2d"));
}

#[test]
fn what_marks_are_made_with_may_not_change_where_records_would_be_new_again() {
    let records = Records::new(vec![json!({"id": 1, "c": 3, "x": "a"}), json!({"id": 2, "c": 3, "x": "b"})]);
    let keyed = |incremental: &str, steps: &str| records.config(incremental, &format!("primary_key: id\n    {steps}"));
    let key = ["`primary_key` is `id, x`, and the state was made with `id`"];
    refused(&records, &keyed("", ""), &keyed("primary_key: [id, x]", ""), &key);
    let steps = ["`processing_steps` make another cursor, key or record"];
    refused(&records, &keyed("", ""), &keyed("", "processing_steps: [{set: {id: id + 10}}]"), &steps);
    refused(&records, &keyed("", ""), &keyed("", "processing_steps: [{set: {c: c + 10}}]"), &steps);
    accepted(&keyed("", ""), &keyed("", "processing_steps: [{drop: [x]}, {filter: 'id > 0'}]"));

    let plain = |steps: &str| records.config("", steps);
    for step in ["set: {y: x}", "drop: [x]", "hash: [x]", "cast: {c: text}"] {
        refused(&records, &plain(""), &plain(&format!("processing_steps: [{{{step}}}]")), &steps);
    }
    accepted(&plain(""), &plain("processing_steps: [{filter: 'id > 0'}]"));

    let naive = Records::new(vec![json!({"id": 1, "c": "2026-01-01T08:00:00"})]);
    let zone = |incremental: &str| naive.config(incremental, "primary_key: id");
    let expected = ["`endpoint.incremental.time_zone` is `Europe/Berlin`, and the state was made with `UTC`"];
    refused(&naive, &zone(""), &zone("time_zone: Europe/Berlin"), &expected);
    // What comes later comes once, under the marks of the first night.
    let sandbox = Sandbox::with_config(&zone(""));
    sandbox.run_ok();
    naive.add(json!({"id": 2, "c": "2026-01-01T09:00:00"}));
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 2);
}

#[test]
fn a_record_without_a_cursor_is_appended_once_and_refused_where_it_would_not_be() {
    let records = Records::new(vec![json!({"id": 1, "c": 1}), json!({"id": 2, "c": null})]);
    for key in ["primary_key: id", ""] {
        let with = |incremental: &str| records.config(&format!("on_cursor_value_missing: {incremental}"), key);
        let sandbox = Sandbox::with_config(&with("include"));
        sandbox.run_ok();
        let count = rows(&sandbox);
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), count);
        // The mark stays while the API leaves the record out, and while the config does.
        let all = std::mem::take(&mut *records.records.lock().unwrap());
        records.add(json!({"id": 9, "c": 9}));
        sandbox.run_ok();
        records.records.lock().unwrap().extend(all);
        sandbox.write("lakeward.yaml", &with("exclude"));
        sandbox.run_ok();
        sandbox.write("lakeward.yaml", &with("include"));
        records.add(json!({"id": 3}));
        sandbox.run_ok();
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), count + 2);
        let backfill = ["backfill", "lakeward.yaml", "--from", "0", "--to", "1"];
        sandbox.lakeward(&backfill).failed_with(2, &["on_cursor_value_missing", "`exclude`"]);
        *records.records.lock().unwrap() = vec![json!({"id": 1, "c": 1}), json!({"id": 2, "c": null})];
        for other in ["initial_value: 0, end_value: 5", "range_start: open", "primary_key: []"] {
            sandbox.write("lakeward.yaml", &with(&format!("include, {other}")));
            sandbox.run().failed_with(2, &["on_cursor_value_missing", "`exclude`", "merge"]);
        }
    }
}

#[test]
fn a_number_that_comes_as_text_is_appended_once_however_it_is_spelled_where_its_column_takes_text() {
    let columns = "columns: {v: {data_type: decimal, precision: 10, scale: 2, accept_text: true}, w: {data_type: double, empty_as_null: true}}";
    for key in ["", "primary_key: v\n    "] {
        let records = Records::new(Vec::new());
        let sandbox = Sandbox::with_config(&records.config("", &format!("{key}{columns}")));
        for (v, w) in [(json!("1.10"), json!("")), (json!(1.1), Value::Null), (json!("1.1"), json!(""))] {
            *records.records.lock().unwrap() = vec![json!({"c": 5, "v": v, "w": w})];
            sandbox.run_ok();
            assert_eq!(sandbox.rows("t").len(), 1, "{key:?} {v}");
        }
    }
    // In a column of text they are two.
    let records = Records::new(vec![json!({"c": 5, "v": "1.10"})]);
    let sandbox = Sandbox::with_config(&records.config("", ""));
    sandbox.run_ok();
    records.add(json!({"c": 5, "v": "1.1"}));
    sandbox.run_ok();
    let mut found: Vec<Value> = sandbox.rows("t").iter().map(|row| row["v"].clone()).collect();
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, [json!("1.1"), json!("1.10")]);
}

/// The `x` of all rows, sorted.
fn texts(sandbox: &Sandbox) -> String {
    let mut texts: Vec<String> = sandbox.rows("t").iter().map(|row| row["x"].as_str().unwrap_or_default().to_owned()).collect();
    texts.sort();
    texts.concat()
}

#[test]
fn records_without_a_key_that_are_the_same_are_counted_over_many_nights() {
    for (paging, asked) in [
        ("paginator: single_page", "c"),
        // Copies lie on several pages.
        ("paginator: {type: offset, limit: 4, total_path: null}", "c"),
        ("paginator: {type: offset, limit: 4, total_path: null}, on_cursor_value_missing: include", "none"),
    ] {
        let served: Arc<Mutex<Vec<Value>>> = Arc::default();
        let records = Arc::clone(&served);
        let api = FakeApi::start().on("/t", move |request| {
            let records = records.lock().unwrap();
            let (from, limit) = (request.number("offset", 0) as usize, request.number("limit", 1000) as usize);
            let (from, to) = (from.min(records.len()), (from + limit).min(records.len()));
            Reply::json(json!({"data": records[from..to]}).to_string())
        });
        let records = Records { records: served, api };
        let (paging, missing) =
            paging.split_once(", on_").map_or((paging, String::new()), |(paging, rest)| (paging, format!("on_{rest}")));
        let config = records.config(&missing, "").replace("paginator: single_page", paging);
        let sandbox = Sandbox::with_config(&config);
        // What the API has at the boundary, night by night, as the number of `a`s, `b`s and `c`s; and what the table holds then.
        let nights = [
            ((2, 1, 0), "aab"),
            ((2, 1, 0), "aab"),
            ((3, 1, 0), "aaab"),
            ((5, 4, 1), "aaaaabbbbc"),
            // Some are gone, and come back: what is loaded stays.
            ((1, 4, 1), "aaaaabbbbc"),
            ((5, 4, 1), "aaaaabbbbc"),
            ((6, 4, 2), "aaaaaabbbbcc"),
        ];
        let record = |x: &str, cursor: i64| if asked == "c" { json!({"c": cursor, "x": x}) } else { json!({"x": x}) };
        for ((a, b, c), expected) in nights {
            let at = |x: &str, count: usize| vec![record(x, 5); count];
            *records.records.lock().unwrap() = [at("a", a), at("b", b), at("c", c)].concat();
            sandbox.run_ok();
            assert_eq!(texts(&sandbox), expected, "{paging} {asked}");
        }
        if asked == "c" {
            // Copies on both sides of a boundary that moves on, and at the new one.
            for copies in [2, 2, 3] {
                let behind = vec![record("z", 9); copies];
                let before = vec![record("a", 5); 6];
                *records.records.lock().unwrap() = [before, behind].concat();
                sandbox.run_ok();
                assert_eq!(texts(&sandbox), format!("aaaaaabbbbcc{}", "z".repeat(copies)), "{paging}");
            }
        }
    }
}

#[test]
fn thousands_of_records_without_a_cursor_are_appended_once() {
    let mut many: Vec<Value> = (0..1500).map(|id| json!({"id": id})).collect();
    many.extend((0..10).map(|id| json!({"id": 2000 + id, "c": 7})));
    let records = Records::new(many);
    let sandbox = Sandbox::with_config(&records.config("on_cursor_value_missing: include", "primary_key: id"));
    for _ in 0..3 {
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), 1510);
    }
}

/// A run that is refused with `expected` before any request.
fn meets(records: &Records, sandbox: &Sandbox, arguments: &[&str], expected: &[&str]) {
    let (loaded, asked) = (rows(sandbox), records.asked());
    sandbox.lakeward(arguments).failed_with(2, &[expected, &["--full-refresh", "merge"]].concat());
    assert_eq!((records.asked(), rows(sandbox)), (asked, loaded), "nothing was asked for");
}

fn backfilled(sandbox: &Sandbox, from: &str, to: &str) {
    let ended = sandbox.lakeward(&["backfill", "lakeward.yaml", "--from", from, "--to", to]);
    assert_eq!(ended.code(), Some(0), "{ended}");
}

const RUN: [&str; 2] = ["run", "lakeward.yaml"];

#[test]
fn a_range_that_was_loaded_is_refused_whether_a_cursor_or_another_range_loaded_it() {
    let records = Records::new(numbered(10));
    let with = |incremental: &str| records.config(incremental, "primary_key: id");
    // The cursor has loaded all.
    let sandbox = Sandbox::with_config(&with("initial_value: 0"));
    sandbox.run_ok();
    sandbox.write("lakeward.yaml", &with("initial_value: 0, end_value: 20"));
    meets(&records, &sandbox, &RUN, &["the range `[0, 20)` meets `[0, 9]`"]);
    // Each way out: a range that is not loaded, a rebuilt table, and the old config.
    sandbox.write("lakeward.yaml", &with("initial_value: 10, end_value: 20"));
    records.add(json!({"id": 10, "c": 10, "x": "a"}));
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 11);
    meets(&records, &sandbox, &RUN, &["the range `[10, 20)` meets `[10, 20)`"]);
    sandbox.write("lakeward.yaml", &with("initial_value: 0"));
    meets(&records, &sandbox, &RUN, &["the cursor goes on with `[9, …)`, and the range `[10, 20)` is loaded already"]);
    assert_eq!(sandbox.lakeward(&REBUILD).code(), Some(0));
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 11);
}

#[test]
fn ranges_that_adjoin_are_loaded_once_each_and_a_cursor_goes_on_behind_them() {
    let records = Records::new(numbered(10));
    let with = |incremental: &str| records.config(incremental, "primary_key: id");
    let sandbox = Sandbox::with_config(&with("initial_value: 0, end_value: 3"));
    for (from, to, count) in [(0, 3, 3), (6, 8, 5), (3, 6, 8)] {
        sandbox.write("lakeward.yaml", &with(&format!("initial_value: {from}, end_value: {to}")));
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), count);
        meets(&records, &sandbox, &RUN, &["is loaded already"]);
    }
    sandbox.write("lakeward.yaml", &with("initial_value: 7, end_value: 9"));
    meets(&records, &sandbox, &RUN, &["the range `[7, 9)` meets `[0, 8)`"]);
    sandbox.write("lakeward.yaml", &with("initial_value: 0"));
    meets(&records, &sandbox, &RUN, &["the cursor goes on with `[0, …)`"]);
    sandbox.write("lakeward.yaml", &with("initial_value: 8"));
    sandbox.run_ok();
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 10);
}

#[test]
fn a_backfill_of_an_append_is_loaded_once_and_its_parts_are_refused() {
    let records = Records::new(numbered(10));
    let sandbox = Sandbox::with_config(&records.config("initial_value: 5", "primary_key: id"));
    sandbox.run_ok();
    backfilled(&sandbox, "2", "5");
    assert_eq!(rows(&sandbox), 8);
    for (from, to) in [("2", "5"), ("3", "4"), ("0", "3")] {
        meets(&records, &sandbox, &["backfill", "lakeward.yaml", "--from", from, "--to", to], &["meets `[2, 5)`"]);
    }
    backfilled(&sandbox, "0", "2");
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 10);
    // A start that was moved later does not make the cursor's own rows new.
    sandbox.write("lakeward.yaml", &records.config("initial_value: 8", "primary_key: id"));
    meets(&records, &sandbox, &["backfill", "lakeward.yaml", "--from", "5", "--to", "8"], &["meets `[5, 9]`"]);
    // The first night may come after the backfill.
    let late = Sandbox::with_config(&records.config("initial_value: 5, lag: 9", "primary_key: id"));
    backfilled(&late, "0", "5");
    late.run_ok();
    assert_eq!(rows(&late), 10);
    late.write("lakeward.yaml", &records.config("initial_value: 0, lag: 9", "primary_key: id"));
    meets(&records, &late, &RUN, &["the cursor goes on with `[0, …)`"]);
}

#[test]
fn the_interval_of_a_scheduler_is_loaded_once() {
    let records = Records::new(numbered(10));
    let config = records.config("allow_external_schedulers: true", "primary_key: id");
    let scheduled = |sandbox: Sandbox, from: &str, to: &str| sandbox.env("DLT_INTERVAL_START", from).env("DLT_INTERVAL_END", to);
    let mut sandbox = Sandbox::with_config(&config);
    for (from, to) in [("0", "5"), ("5", "10")] {
        sandbox = scheduled(sandbox, from, to);
        sandbox.run_ok();
        meets(&records, &sandbox, &RUN, &["is loaded already"]);
    }
    assert_eq!(rows(&sandbox), 10);
    let without = config.replace(", incremental: {cursor_path: c, allow_external_schedulers: true}", "");
    let plain = Sandbox::with_config(&without);
    plain.run_ok();
    plain.write("lakeward.yaml", &config);
    let plain = scheduled(plain, "0", "5");
    plain.run().failed_with(2, &["was loaded without a cursor", "--full-refresh"]);
    assert_eq!(rows(&plain), 10);
}

#[test]
fn a_record_at_the_last_cursor_is_known_by_what_its_column_holds() {
    let id = "columns: {id: {data_type: bigint, accept_text: true}}";
    for (first, second, key) in [
        (json!({"id": "1", "c": 1}), json!({"id": 1, "c": 1}), "primary_key: id"),
        (json!({"id": 1, "c": 1}), json!({"id": "1", "c": 1}), &format!("primary_key: id\n    {id}")),
        (json!({"id": 1, "c": 1}), json!({"id": "1", "c": 1}), id),
        (json!({"id": "7", "c": 1, "v": "5"}), json!({"id": 7, "c": 1, "v": 5}), ""),
    ] {
        let records = Records::new(vec![first]);
        let sandbox = Sandbox::with_config(&records.config("", key));
        sandbox.run_ok();
        *records.records.lock().unwrap() = vec![second.clone()];
        for _ in 0..2 {
            let ended = sandbox.run_ok();
            assert_eq!(rows(&sandbox), 1, "{second} {key}: {ended}");
        }
    }
}

/// A run with `before`, and one with `after` that is refused before any request.
fn moved_back(records: &Records, before: &str, after: &str, expected: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with_config(before);
    sandbox.run_ok();
    let (loaded, asked) = (rows(&sandbox), records.asked());
    sandbox.write("lakeward.yaml", after);
    sandbox.run().failed_with(2, &[expected, &["would never come", "lakeward backfill"]].concat());
    assert_eq!((records.asked(), rows(&sandbox)), (asked, loaded), "nothing was asked for: {after}");
    sandbox
}

#[test]
fn an_initial_value_that_is_moved_back_is_refused_and_each_way_out_brings_the_older_rows() {
    let records = Records::new(numbered(10));
    let with = |incremental: &str| records.config(incremental, "primary_key: id");
    let expected = ["`endpoint.incremental.initial_value` is `0`, and the cursor began at `5`", "--full-refresh --resource t"];
    // A backfill of the older range, by the config as it was: then the start may be moved.
    let sandbox = moved_back(&records, &with("initial_value: 5"), &with("initial_value: 0"), &expected);
    sandbox.write("lakeward.yaml", &with("initial_value: 5"));
    sandbox.run_ok();
    backfilled(&sandbox, "2", "5");
    sandbox.write("lakeward.yaml", &with("initial_value: 0"));
    sandbox.run().failed_with(2, &expected[..1]);
    sandbox.write("lakeward.yaml", &with("initial_value: 5"));
    backfilled(&sandbox, "0", "2");
    sandbox.write("lakeward.yaml", &with("initial_value: 0"));
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 10);
    // A rebuilt table, also of a start that is gone from the config.
    for (after, is) in [("initial_value: 0", "is `0`"), ("", "is not set")] {
        let sandbox = moved_back(&records, &with("initial_value: 5"), &with(after), &[is]);
        assert_eq!(sandbox.lakeward(&REBUILD).code(), Some(0));
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), 10, "{after}");
    }
    // A later start loses nothing that is loaded, and the old one is no start moved back.
    let sandbox = Sandbox::with_config(&with("initial_value: 5"));
    for start in ["initial_value: 5", "initial_value: 8", "initial_value: 5"] {
        sandbox.write("lakeward.yaml", &with(start));
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), 5, "{start}");
    }
}

#[test]
fn a_keyless_append_that_discards_members_is_refused_and_a_key_lets_it_run() {
    let records = Records::new(vec![json!({"id": 1, "c": 1})]);
    let discards = "schema_contract: {columns: discard_value}";
    let sandbox = Sandbox::with_config(&records.config("", discards));
    sandbox.run().failed_with(2, &["`schema_contract: discard_value` leaves out", "give the resource a `primary_key`"]);
    sandbox.write("lakeward.yaml", &records.config("", &format!("primary_key: id\n    {discards}")));
    sandbox.run_ok();
    *records.records.lock().unwrap() = vec![json!({"id": 1, "c": 1, "fetched_at": "b"})];
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 1);
}

#[test]
fn a_merge_whose_start_is_moved_back_is_refused_and_begins_anew_by_a_reset_of_its_state() {
    let records = Records::new(numbered(10));
    let with = |start: i64| records.config(&format!("initial_value: {start}"), "primary_key: id").replace("append", "merge");
    let sandbox = moved_back(&records, &with(5), &with(0), &["is `0`, and the cursor began at `5`", "run --reset-state"]);
    assert_eq!(sandbox.lakeward(&["run", "lakeward.yaml", "--reset-state"]).code(), Some(0));
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 10);
    let sandbox = moved_back(&records, &with(5), &with(0), &[]);
    sandbox.write("lakeward.yaml", &with(5));
    backfilled(&sandbox, "0", "5");
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 10);
    let before = records.config("initial_value: 5, last_value_func: min", "primary_key: id");
    moved_back(&records, &before, &before.replace("initial_value: 5", "initial_value: 8"), &["is `8`"]);
}

#[test]
fn an_open_start_knows_what_lies_within_the_lag_and_behind_the_time_of_the_run() {
    let records = Records::new(numbered(10));
    let sandbox = Sandbox::with_config(&records.config("range_start: open, lag: 4", "primary_key: id"));
    for _ in 0..3 {
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), 10);
    }
    records.add(json!({"id": 77, "c": 7}));
    sandbox.run_ok();
    assert_eq!(rows(&sandbox), 11, "what comes late within the lag is new");
    // A time that is still to come is not remembered, and its records come again.
    let times = ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"];
    let future = Records::new(times.iter().enumerate().map(|(id, time)| json!({"id": id, "c": time})).collect());
    let sandbox = Sandbox::with_config(&future.config("range_start: open", "primary_key: id"));
    for _ in 0..3 {
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), 2);
    }
    let unmarked = Sandbox::with_config(&records.config("lag: 4, primary_key: []", "primary_key: id"));
    unmarked.run().failed_with(2, &["an empty `primary_key` with `lag`", "merge"]);
}

#[test]
fn a_range_that_ends_within_settle_is_refused_since_no_later_run_brings_the_rest() {
    let records =
        Records::new(vec![json!({"id": 1, "c": "2020-01-01T00:00:00Z"}), json!({"id": 2, "c": "2998-01-01T00:00:00Z"})]);
    for disposition in ["append", "merge"] {
        let with = |end: &str| {
            let range = format!("settle: 1h, initial_value: \"2020-01-01T00:00:00Z\", end_value: \"{end}\"");
            records.config(&range, "primary_key: id").replace("append", disposition)
        };
        let sandbox = Sandbox::with_config(&with("2999-01-01T00:00:00Z"));
        let asked = records.asked();
        sandbox.run().failed_with(2, &["the range ends at `2999-01-01T00:00:00Z`, and `settle` leaves", "end it earlier"]);
        assert_eq!(records.asked(), asked);
        sandbox.write("lakeward.yaml", &with("2021-01-01T00:00:00Z"));
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), 1, "{disposition}");
        sandbox.write("lakeward.yaml", &with("2999-01-01T00:00:00Z").replace("settle: 1h, ", "").replace("2020-", "2021-"));
        sandbox.run_ok();
        assert_eq!(rows(&sandbox), 2, "{disposition}");
    }
}

/// The codes of a run's warnings.
fn codes(ended: &Ended) -> Vec<String> {
    let warnings = ended.summary()["warnings"].as_array().unwrap().clone();
    warnings.iter().map(|told| told["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_start_that_the_api_does_not_heed_is_a_warning_that_matters_and_what_the_cursor_drops_is_told_once() {
    let records = Records::new(numbered(30));
    let sandbox = Sandbox::with_config(&records.config("start_param: sinc", "primary_key: id"));
    assert_eq!(codes(&sandbox.run_ok()), [""; 0]);
    let ended = sandbox.run_ok();
    let text = ended.summary()["warnings"][0]["text"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("the parameter `sinc` seems to do nothing: 30 records came, 29 of them before the start"), "{ended}");
    assert_eq!(codes(&ended), ["start_ignored"]);
    assert!(ended.stderr.contains("29 outside the range, 1 loaded already") && !ended.stderr.contains("filtered out"), "{ended}");
    let reports = files_under(&sandbox.lake().join("_lakeward/p/runs"));
    assert!(reports.values().any(|report| String::from_utf8_lossy(report).contains("start_ignored")), "{:?}", reports.keys());
    let strict = sandbox.lakeward(&["run", "lakeward.yaml", "--strict"]);
    strict.failed_with(3, &["start_ignored"]);
    // Some went meanwhile, and the API still sends all that it has.
    records.records.lock().unwrap().truncate(25);
    assert_eq!(codes(&sandbox.run_ok()), ["start_ignored"]);
    // Few records say nothing.
    records.records.lock().unwrap().truncate(15);
    assert_eq!(codes(&sandbox.run_ok()), [""; 0]);
    // A start that is not asked for is not missed.
    let plain = Sandbox::with_config(&records.config("", "primary_key: id"));
    records.records.lock().unwrap().extend(numbered(40).split_off(15));
    plain.run_ok();
    assert_eq!(codes(&plain.run_ok()), [""; 0]);
}

#[test]
fn an_api_that_rounds_the_start_down_to_a_day_heeds_it_and_one_that_ignores_the_first_start_is_told_at_once() {
    let at = |day: i64, minute: i64| json!({"id": day * 100 + minute, "c": format!("2026-11-{day:02}T10:{minute:02}:00Z")});
    let records = Records::new((0..40).map(|minute| at(20, minute)).collect());
    let sandbox = Sandbox::with_config(&records.config("start_param: since", "primary_key: id"));
    sandbox.run_ok();
    assert_eq!(codes(&sandbox.run_ok()), [""; 0]);
    let old = Records::new((0..40).map(|minute| at(1, minute)).chain([at(20, 0)]).collect());
    let initial = old.config("start_param: sinc, initial_value: \"2026-11-20T00:00:00Z\"", "primary_key: id");
    let sandbox = Sandbox::with_config(&initial);
    let checked = sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    assert!(checked.stderr.contains("the parameter `sinc` seems to do nothing: 41 records came, 40 of them"), "{checked}");
    assert_eq!(codes(&sandbox.run_ok()), ["start_ignored"]);
}
