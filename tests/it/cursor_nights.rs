//! Cursors over many nights: records that are dated ahead, and windows that failed and come later.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::Sandbox;

/// The `Date` of an API's answers, its records, and starts of windows that fail.
type Night = (String, Vec<Value>, Vec<String>);

/// An API whose clock and records change from night to night.
struct Nights {
    now: Arc<Mutex<Night>>,
    api: FakeApi,
}

impl Nights {
    fn new() -> Self {
        let now = Arc::<Mutex<Night>>::default();
        let served = Arc::clone(&now);
        let api = FakeApi::start().on("/t", move |request| {
            let (date, records, failing) = &*served.lock().unwrap();
            let (from, to) = (request.param("from").unwrap_or_default(), request.param("to").unwrap_or("9999"));
            if failing.iter().any(|start| from.starts_with(start)) {
                return Reply::status(500);
            }
            let is_within = |record: &&Value| (from..to).contains(&record["c"].as_str().unwrap());
            let body = json!({"data": records.iter().filter(is_within).collect::<Vec<_>>()}).to_string();
            let reply = Reply::json(body);
            if date.is_empty() { reply } else { reply.header("date", date) }
        });
        Self { now, api }
    }

    /// What the API has from here on, at this time of its clock; a record's id is its place.
    fn are(&self, date: &str, cursors: &[&str]) {
        let records = cursors.iter().enumerate().map(|(id, cursor)| json!({"id": id, "c": cursor})).collect();
        *self.now.lock().unwrap() = (date.to_owned(), records, Vec::new());
    }

    /// A resource `t` with these keys of `incremental`.
    fn config(&self, disposition: &str, incremental: &str, resource: &str) -> String {
        let url = self.api.url();
        format!(
            "name: p
client: {{base_url: \"{url}\", retry: {{max_retries: 0}}}}
lake: {{url: ./lake}}
resources:
  - name: t
    write_disposition: {disposition}
    endpoint: {{path: /t, data_selector: data, paginator: single_page, incremental: {{cursor_path: c, {incremental}}}}}
    {resource}
"
        )
    }
}

fn count(sandbox: &Sandbox) -> usize {
    sandbox.rows("t").len()
}

#[test]
fn a_month_that_is_to_come_lets_no_row_of_the_months_before_it_be_left_out_or_come_twice() {
    for (months, key) in
        [(["2026-10", "2027-03", "2026-12"], "primary_key: id"), (["2026/10/01", "2027/03/01", "2026/12/03"], "")]
    {
        let nights = Nights::new();
        let sandbox = Sandbox::with_config(&nights.config("append", "", key));
        let [old, ahead, now] = months;
        for known in [2, 3, 3, 4, 4] {
            nights.are(NIGHT_3, &[old, ahead, now, now][..known]);
            let ended = sandbox.run_ok();
            assert_eq!(count(&sandbox), known, "{months:?}: {ended}");
        }
    }
}

const NIGHT_3: &str = "Thu, 03 Dec 2026 03:00:30 GMT";
const NIGHT_4: &str = "Fri, 04 Dec 2026 03:00:30 GMT";

#[test]
fn a_record_that_is_dated_ahead_lets_no_row_of_the_day_come_twice() {
    let dates = ["2026-12-01", "2026-12-03", "2026-12-24", "2026-12-03", "2026-12-04", "2026-12-04"];
    let minutes = dates.map(|date| format!("{date}T03:00Z"));
    let texts = dates.map(|date| format!("{date} 03:00"));
    let seconds = dates.map(|date| format!("{date}T03:00:30Z"));
    let mixed = [
        "2026-12-01T03:00:30.5Z",
        "2026-12-03T03:00:30.4Z",
        "2026-12-24T00:00Z",
        "2026-12-03T03:00:30.4Z",
        "2026-12-04T03:00Z",
        "2026-12-04T03:00:30.25Z",
    ];
    let all: [Vec<&str>; 5] = [
        dates.to_vec(),
        minutes.iter().map(String::as_str).collect(),
        texts.iter().map(String::as_str).collect(),
        seconds.iter().map(String::as_str).collect(),
        mixed.to_vec(),
    ];
    for (at, cursors) in all.iter().enumerate() {
        let key = if at % 2 == 0 { "primary_key: id" } else { "" };
        for incremental in ["", "range_start: open", "start_param: from"] {
            // An API that compares texts cannot have times of several spellings.
            if (at, incremental) != (4, "start_param: from") {
                let nights = Nights::new();
                let sandbox = Sandbox::with_config(&nights.config("append", incremental, key));
                // A record of the day comes after the run of the day, and another one, and both nights run twice.
                for (date, known) in
                    [(NIGHT_3, 3), (NIGHT_3, 4), (NIGHT_3, 4), (NIGHT_4, 5), (NIGHT_4, 6), (NIGHT_4, 6), (NIGHT_4, 6)]
                {
                    nights.are(date, &cursors[..known]);
                    let ended = sandbox.run_ok();
                    assert_eq!(count(&sandbox), known, "{cursors:?} {key} {incremental} at {date}: {ended}");
                }
            }
        }
    }
}

#[test]
fn an_open_start_that_is_closed_is_named_and_not_the_key() {
    for lag in ["", ", lag: 1d"] {
        let nights = Nights::new();
        nights.are(NIGHT_3, &["2026-12-01", "2026-12-02"]);
        let open = nights.config("append", &format!("range_start: open{lag}"), "primary_key: id");
        let closed = nights.config("append", &format!("range_start: closed{lag}"), "primary_key: id");
        let sandbox = Sandbox::with_config(&open);
        sandbox.run_ok();
        sandbox.write("lakeward.yaml", &closed);
        let expected =
            ["`endpoint.incremental.range_start` is `closed`, and the state was made with `open`", "put the config back"];
        let asked = nights.api.requests().len();
        sandbox.run().failed_with(2, &expected);
        assert_eq!(nights.api.requests().len(), asked);
        sandbox.write("lakeward.yaml", &open);
        sandbox.run_ok();
        sandbox.write("lakeward.yaml", &closed);
        assert_eq!(sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).code(), Some(0));
        sandbox.run_ok();
        assert_eq!(count(&sandbox), 2);
        sandbox.write("lakeward.yaml", &open);
        sandbox.run_ok();
        assert_eq!(count(&sandbox), 2, "what lies at the start is loaded");
    }
}

/// What came of events about two things: each is a version of one, or its end.
fn events() -> Vec<Value> {
    let event = |id: i64, day: u32, v: &str, gone: bool| json!({"id": id, "c": format!("2026-11-{day:02}T12:00:00Z"), "v": v, "gone": gone});
    vec![
        event(1, 3, "first", false),
        event(1, 10, "old", false),
        event(2, 10, "old", false),
        event(1, 17, "new", false),
        event(2, 17, "old", true),
        event(3, 24, "new", false),
    ]
}

const WINDOWS: &str = "initial_value: '2026-11-01T00:00:00Z', start_param: from, end_param: to, step: 7d";

/// The rows as `1=new 3=new`.
fn things(sandbox: &Sandbox) -> String {
    let rows = sandbox.by_key("t", "id");
    rows.iter().map(|(id, row)| format!("{id}={}", row["v"].as_str().unwrap())).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_window_that_comes_later_replaces_no_row_of_a_window_behind_it_and_brings_none_back() {
    for columns in ["", ", c: {dedup_sort: desc}"] {
        let nights = Nights::new();
        let resource = format!("primary_key: id\n    columns: {{gone: {{hard_delete: true}}{columns}}}");
        // Which windows a run that fails has kept is a matter of time.
        let sandbox = Sandbox::with_config(&format!("resume: 0\n{}", nights.config("merge", WINDOWS, &resource)));
        let fails = |starts: &[&str]| {
            let starts = starts.iter().map(|day| format!("2026-11-{day}")).collect();
            *nights.now.lock().unwrap() = (String::new(), events(), starts);
        };
        fails(&["08"]);
        let ended = sandbox.run();
        assert_eq!((ended.code(), things(&sandbox)), (Some(20), "1=new 3=new".to_owned()), "{ended}");
        assert_eq!(ended.table("t")["incremental"]["windows_again"], 0);
        // One that was loaded may not be left behind it: its rows would be older than those in the table.
        fails(&["15"]);
        let ended = sandbox.run();
        assert_eq!((ended.code(), things(&sandbox)), (Some(75), "1=new 3=new".to_owned()), "{ended}");
        // The same one fails once more.
        fails(&["08"]);
        let ended = sandbox.run();
        assert_eq!((ended.code(), things(&sandbox)), (Some(20), "1=new 3=new".to_owned()), "{ended}");
        fails(&[]);
        let ended = sandbox.run_ok();
        assert_eq!(things(&sandbox), "1=new 3=new", "{ended}");
        let again = ended.table("t")["incremental"]["windows_again"].as_u64().unwrap();
        assert!(again >= 2, "{ended}");
        assert!(ended.stderr.contains("fetched again behind one that had failed"), "{ended}");
        let asked = nights.api.requests().len();
        let ended = sandbox.run_ok();
        assert_eq!(ended.table("t")["incremental"]["windows_again"], 0, "{ended}");
        let first = nights.api.requests()[asked].param("from").unwrap().to_owned();
        assert!(first.starts_with("2026-11-24"), "the cursor goes on: {first}");
    }
}
