//! An `append` loads each record once: a config under which it would load some again is refused before any request, and every way out works
//! when typed.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::Sandbox;

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
