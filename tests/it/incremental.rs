//! Incremental loading, night after night: every row once, the cursor where the rows are, and no loss when a night goes wrong.

use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Running, Sandbox, files_under};

/// An API of events that are never removed: `since` is inclusive, `until` exclusive.
#[derive(Clone, Default)]
struct Events {
    records: Arc<Mutex<Vec<Value>>>,
    date: Option<&'static str>,
    /// The offset whose page is answered with 500.
    fails_at: Arc<Mutex<Option<u64>>>,
}

impl Events {
    fn new(records: &[(i64, &str)]) -> Self {
        let events = Self::default();
        events.add(records);
        events
    }

    fn add(&self, records: &[(i64, &str)]) {
        self.records.lock().unwrap().extend(records.iter().map(|(id, t)| json!({"id": id, "t": t, "account": id % 2 + 1})));
    }

    fn answer(&self, request: &Request) -> Reply {
        let (since, until) = (request.param("since").unwrap_or(""), request.param("until").unwrap_or("~"));
        let account = request.param("account").and_then(|account| account.parse::<f64>().ok()).map(|account| account as i64);
        let records = self.records.lock().unwrap();
        let within = records.iter().filter(|record| {
            let t = record["t"].as_str().unwrap_or("");
            t >= since && t < until && account.is_none_or(|account| record["account"] == account)
        });
        let offset = request.number("offset", 0);
        if *self.fails_at.lock().unwrap() == Some(offset) {
            return Reply::status(500);
        }
        let offset = usize::try_from(offset).unwrap();
        let page: Vec<&Value> = within.skip(offset).take(3).collect();
        let reply = Reply::json(json!({"data": page}).to_string());
        match self.date {
            Some(date) => reply.header("date", date),
            None => reply,
        }
    }

    fn serve(&self) -> FakeApi {
        let events = self.clone();
        FakeApi::start().on("/events", move |request| events.answer(request))
    }
}

/// A config that reads `/events` with these keys of `incremental` and of the resource.
fn config(api: &FakeApi, incremental: &str, resource: &str) -> String {
    format!(
        "name: t
client: {{base_url: \"{}\", retry: {{max_retries: 0}}}}
lake: {{url: ./lake}}
resources:
  - name: events
    {resource}
    endpoint:
      path: /events
      data_selector: data
      paginator: {{type: offset, limit: 3}}
      incremental: {{cursor_path: t, {incremental}}}
",
        api.url()
    )
}

fn ids(sandbox: &Sandbox) -> Vec<i64> {
    let mut ids: Vec<i64> = sandbox.rows("events").iter().map(|row| row["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// What was asked since the last look: `since` and `until` of each chain's first page.
fn asked(api: &FakeApi, from: usize) -> Vec<String> {
    let requests = api.requests();
    let first = requests[from..].iter().filter(|request| request.number("offset", 0) == 0);
    let mut asked: Vec<String> = first
        .map(|request| format!("{}..{}", request.param("since").unwrap_or(""), request.param("until").unwrap_or("")))
        .collect();
    asked.sort();
    asked
}

fn cursor(ended: &Ended) -> Value {
    ended.table("events")["incremental"]["last_value"].clone()
}

const FIRST: [(i64, &str); 4] =
    [(1, "2026-01-01T00:00:00Z"), (2, "2026-01-02T00:00:00Z"), (3, "2026-01-02T00:00:00Z"), (4, "2026-01-02T00:00:00Z")];

#[test]
fn e_94_append_loads_every_row_once_also_those_that_share_the_last_cursor() {
    for key in ["primary_key: id", "on_reject: fail"] {
        let events = Events::new(&FIRST);
        let api = events.serve();
        let sandbox = Sandbox::with_config(&config(&api, "start_param: since", key));
        assert_eq!(cursor(&sandbox.run_ok()), "2026-01-02T00:00:00Z");
        events.add(&[(5, "2026-01-02T00:00:00Z"), (6, "2026-01-03T00:00:00Z")]);
        let before = api.requests().len();
        let ended = sandbox.run_ok();
        assert_eq!(asked(&api, before), ["2026-01-02T00:00:00Z.."]);
        assert_eq!(ended.table("events")["incremental"]["records_repeated"], 3);
        assert_eq!(ids(&sandbox), [1, 2, 3, 4, 5, 6], "{key}");
        sandbox.run_ok();
        assert_eq!(ids(&sandbox), [1, 2, 3, 4, 5, 6], "a night without news");
    }
}

#[test]
fn a_parameter_of_type_incremental_starts_at_its_initial_value() {
    let events = Events::new(&FIRST);
    let api = events.serve();
    let text = config(&api, "initial_value: 2026", "primary_key: id").replace(
        "      incremental: {cursor_path: t, initial_value: 2026}\n",
        "      params: {since: {type: incremental, cursor_path: t, initial_value: '2026-01-02T00:00:00Z'}}\n",
    );
    let sandbox = Sandbox::with_config(&text);
    sandbox.run_ok();
    assert_eq!((ids(&sandbox), asked(&api, 0)), (vec![2, 3, 4], vec!["2026-01-02T00:00:00Z..".to_owned()]));
}

#[test]
fn rows_that_come_late_within_the_lag_are_loaded_and_the_others_not_twice() {
    for (disposition, key) in [("append", "primary_key: id"), ("merge", "primary_key: id")] {
        let events = Events::new(&FIRST);
        let api = events.serve();
        let resource = format!("write_disposition: {disposition}\n    {key}");
        let sandbox = Sandbox::with_config(&config(&api, "start_param: since, lag: 1d", &resource));
        sandbox.run_ok();
        events.add(&[(7, "2026-01-01T12:00:00Z"), (8, "2026-01-04T00:00:00Z")]);
        let before = api.requests().len();
        sandbox.run_ok();
        assert_eq!(asked(&api, before), ["2026-01-01T00:00:00Z.."]);
        assert_eq!(ids(&sandbox), [1, 2, 3, 4, 7, 8], "{disposition}");
        sandbox.run_ok();
        assert_eq!(ids(&sandbox), [1, 2, 3, 4, 7, 8], "{disposition}");
    }
}

#[test]
fn a_range_with_an_end_neither_reads_nor_writes_the_state() {
    let events = Events::new(&FIRST);
    let api = events.serve();
    let open = config(&api, "start_param: since", "primary_key: id\n    write_disposition: merge");
    let sandbox = Sandbox::with_config(&open);
    sandbox.run_ok();
    let range = "start_param: since, end_param: until, initial_value: 2026-01-01, end_value: '2026-01-02T00:00:00Z'";
    sandbox.write("lakeward.yaml", &config(&api, range, "primary_key: id\n    write_disposition: merge"));
    let before = api.requests().len();
    let ended = sandbox.run_ok();
    assert_eq!(asked(&api, before), ["2026-01-01T00:00:00Z..2026-01-02T00:00:00Z"]);
    assert_eq!((cursor(&ended), ended.table("events")["records"].as_u64()), (Value::Null, Some(1)));
    sandbox.write("lakeward.yaml", &open);
    let before = api.requests().len();
    sandbox.run_ok();
    assert_eq!(asked(&api, before), ["2026-01-02T00:00:00Z.."], "the cursor of the first night");
}

#[test]
fn a_night_that_fails_leaves_the_cursor_and_the_next_one_loads_what_it_missed() {
    let events = Events::new(&FIRST);
    let api = events.serve();
    let sandbox = Sandbox::with_config(&config(&api, "start_param: since", "primary_key: id"));
    sandbox.run_ok();
    events.add(&[(5, "2026-01-03T00:00:00Z"), (6, "2026-01-04T00:00:00Z")]);
    *events.fails_at.lock().unwrap() = Some(3);
    sandbox.run().failed_with(75, &["events"]);
    assert_eq!(ids(&sandbox), [1, 2, 3, 4]);
    *events.fails_at.lock().unwrap() = None;
    let before = api.requests().len();
    sandbox.run_ok();
    assert_eq!(asked(&api, before), ["2026-01-02T00:00:00Z.."]);
    assert_eq!(ids(&sandbox), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn e_102_killed_before_its_commit_a_night_leaves_the_cursor_and_behind_it_moves_both() {
    let uninterrupted = {
        let events = Events::new(&FIRST);
        let api = events.serve();
        let sandbox = Sandbox::with_config(&config(&api, "start_param: since", "primary_key: id"));
        sandbox.run_ok();
        sandbox.data_files()
    };
    for (point, resume) in ["lake.commit.after_stage", "lake.commit.before_create", "lake.commit.after_create"]
        .into_iter()
        .flat_map(|point| [(point, "resume: 0"), (point, "resume: 6h")])
    {
        let events = Events::new(&FIRST);
        let api = events.serve();
        let sandbox = Sandbox::with_config(&format!("{resume}\n{}", config(&api, "start_param: since", "primary_key: id")));
        let fault = format!("{point}=kill");
        let killed = Running::spawn(sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", &fault)).end();
        assert_eq!(killed.status.signal(), Some(9), "{point}: {killed}");
        let before = api.requests().len();
        sandbox.run_ok();
        let expected: &[&str] = match (point, resume) {
            ("lake.commit.after_create", _) => &["2026-01-02T00:00:00Z.."],
            (_, "resume: 0") => &[".."],
            // All pages were read, and kept.
            _ => &[],
        };
        assert_eq!(asked(&api, before), expected, "{point}, {resume}");
        assert_eq!(sandbox.data_files().into_values().collect::<Vec<_>>(), uninterrupted.values().cloned().collect::<Vec<_>>());
    }
}

#[test]
fn a_cursor_is_not_remembered_past_the_time_at_which_the_api_was_asked() {
    // The record of 13:00 is ahead of the API's own clock, and another one of 12:30 is still on its way.
    let events = Events {
        date: Some("Thu, 01 Jan 2026 12:00:00 GMT"),
        ..Events::new(&[(1, "2026-01-01T11:00:00Z"), (2, "2026-01-01T13:00:00Z")])
    };
    let api = events.serve();
    let sandbox = Sandbox::with_config(&config(&api, "start_param: since", "primary_key: id"));
    assert_eq!(cursor(&sandbox.run_ok()), "2026-01-01T12:00:00Z");
    events.add(&[(3, "2026-01-01T12:30:00Z")]);
    let before = api.requests().len();
    sandbox.run_ok();
    assert_eq!(asked(&api, before), ["2026-01-01T12:00:00Z.."]);
    assert_eq!(ids(&sandbox), [1, 2, 3], "none lost, none twice");
}

#[test]
fn e_91_with_settle_young_records_wait_for_the_next_night() {
    let events = Events {
        date: Some("Thu, 01 Jan 2026 12:00:00 GMT"),
        ..Events::new(&[(1, "2026-01-01T11:00:00Z"), (2, "2026-01-01T11:58:00Z")])
    };
    let api = events.serve();
    let sandbox = Sandbox::with_config(&config(&api, "start_param: since, settle: 5m", "primary_key: id"));
    let ended = sandbox.run_ok();
    assert_eq!((ids(&sandbox), cursor(&ended)), (vec![1], json!("2026-01-01T11:00:00Z")));
    assert_eq!(ended.table("events")["incremental"]["records_outside"], 1);
    let later = Events { date: Some("Thu, 01 Jan 2026 12:10:00 GMT"), ..events.clone() };
    let api = later.serve();
    sandbox.write("lakeward.yaml", &config(&api, "start_param: since, settle: 5m", "primary_key: id"));
    // Another port is another base URL, which is another API.
    sandbox.run().failed_with(2, &["client.base_url"]);
}

#[test]
fn windows_tile_the_range_and_are_remembered_by_the_last_record() {
    let events = Events::new(&[(1, "2026-01-01T00:00:00Z"), (2, "2026-01-02T23:00:00Z"), (3, "2026-01-03T00:00:00Z")]);
    let api = events.serve();
    let keys = "start_param: since, end_param: until, initial_value: '2026-01-01T00:00:00Z', end_value: '2026-01-03T12:00:00Z', step: 1d";
    let sandbox = Sandbox::with_config(&config(&api, keys, "primary_key: id"));
    let ended = sandbox.run_ok();
    let tiles = [
        "2026-01-01T00:00:00Z..2026-01-02T00:00:00Z",
        "2026-01-02T00:00:00Z..2026-01-03T00:00:00Z",
        "2026-01-03T00:00:00Z..2026-01-03T12:00:00Z",
    ];
    assert_eq!(asked(&api, 0), tiles);
    assert_eq!((ids(&sandbox), ended.table("events")["incremental"]["ranges"].as_u64()), (vec![1, 2, 3], Some(3)));
}

#[test]
fn a_window_that_fails_is_left_to_the_next_night_with_merge_and_fails_an_append() {
    let start = chrono::Local::now().to_utc() - chrono::Duration::hours(60);
    let initial = start.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let at = |hours| (start + chrono::Duration::hours(hours)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let times = [at(1), at(25), at(49)];
    let records: Vec<(i64, &str)> = (1..).zip(times.iter().map(String::as_str)).collect();
    let failing = Arc::new(Mutex::new(Some(at(24))));
    let events = Events::new(&records);
    let (served, fails) = (events.clone(), Arc::clone(&failing));
    let api = FakeApi::start().on("/events", move |request| match &*fails.lock().unwrap() {
        Some(since) if request.param("since") == Some(since) => Reply::status(503),
        _ => served.answer(request),
    });
    let keys = format!("start_param: since, end_param: until, initial_value: '{initial}', step: 1d");
    let append = Sandbox::with_config(&config(&api, &keys, "primary_key: id"));
    append.run().failed_with(75, &["events"]);
    assert!(append.files("events").is_empty());
    let merge = Sandbox::with_config(&config(&api, &keys, "primary_key: id\n    write_disposition: merge"));
    let ended = merge.run();
    ended.failed_with(20, &["1 of 3 windows failed", "the next run fetches them again"]);
    assert_eq!(ids(&merge), [1, 3]);
    let status = merge.lakeward(&["status", "lakeward.yaml", "--details"]);
    assert!(status.stdout.contains(&format!("{}..{}", at(24), at(48))), "{status}");
    *failing.lock().unwrap() = None;
    let before = api.requests().len();
    merge.run_ok();
    assert_eq!(ids(&merge), [1, 2, 3]);
    let asked = asked(&api, before);
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0], format!("{}..{}", at(24), at(48)), "the window that failed, and what lies behind it");
    assert!(asked[1].starts_with(&at(48)), "{asked:?}");
}

#[test]
fn a_backfill_loads_a_range_and_leaves_the_cursor_alone() {
    let events = Events::new(&FIRST);
    let api = events.serve();
    let keys = "start_param: since, end_param: until, initial_value: '2026-01-02T00:00:00Z'";
    let sandbox = Sandbox::with_config(&config(&api, keys, "primary_key: id\n    write_disposition: merge"));
    sandbox.run_ok();
    assert_eq!(ids(&sandbox), [2, 3, 4]);
    let before = api.requests().len();
    let backfill = ["backfill", "lakeward.yaml", "--from", "2026-01-01", "--to", "2026-01-02"];
    let ended = sandbox.lakeward(&backfill);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(asked(&api, before), ["2026-01-01T00:00:00Z..2026-01-02T00:00:00Z"], "spelled as the config spells the cursor");
    assert_eq!(ids(&sandbox), [1, 2, 3, 4]);
    let before = api.requests().len();
    sandbox.run_ok();
    assert_eq!(asked(&api, before), ["2026-01-02T00:00:00Z.."]);
    sandbox.lakeward(&["backfill", "lakeward.yaml", "--from", "2026-01-02", "--to", "2026-01-01"]).failed_with(2, &["--to"]);
    let append = Sandbox::with_config(&config(&api, keys, "primary_key: id"));
    append.lakeward(&["backfill", "lakeward.yaml", "--from", "2026-01-01", "--to", "2026-01-09"]).failed_with(2, &["append"]);
}

#[test]
fn a_full_refresh_begins_anew_and_drop_data_keeps_the_columns() {
    let events = Events::new(&FIRST);
    let api = events.serve();
    let sandbox = Sandbox::with_config(&config(&api, "start_param: since", "primary_key: id"));
    events.records.lock().unwrap()[0]["extra"] = json!("x");
    sandbox.run_ok();
    events.records.lock().unwrap()[0].as_object_mut().unwrap().remove("extra");
    let before = api.requests().len();
    let refreshed = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh=drop_data"]);
    assert_eq!(refreshed.code(), Some(0), "{refreshed}");
    assert_eq!((asked(&api, before), ids(&sandbox)), (vec!["..".to_owned()], vec![1, 2, 3, 4]));
    assert!(sandbox.rows("events")[0].contains_key("extra"));
    assert_eq!(sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).code(), Some(0));
    assert!(!sandbox.rows("events")[0].contains_key("extra"));
    assert_eq!(ids(&sandbox), [1, 2, 3, 4]);
    let one = ["run", "lakeward.yaml", "--full-refresh=drop_sources", "--resource", "events"];
    sandbox.lakeward(&one).failed_with(2, &["drop_resources"]);
    sandbox.lakeward(&["run", "lakeward.yaml", "--reset-state"]).failed_with(2, &["--reset-state", "twice"]);
}

#[test]
fn e_106_another_cursor_than_the_states_is_refused_with_the_choices() {
    let events = Events::new(&FIRST);
    let api = events.serve();
    let sandbox = Sandbox::with_config(&config(&api, "start_param: since", "primary_key: id\n    write_disposition: merge"));
    sandbox.run_ok();
    let other = config(&api, "start_param: since, last_value_func: min", "primary_key: id\n    write_disposition: merge");
    sandbox.write("lakeward.yaml", &other);
    sandbox.run().failed_with(2, &["last_value_func", "`max`", "`min`", "--full-refresh", "--reset-state"]);
    assert_eq!(sandbox.lakeward(&["run", "lakeward.yaml", "--reset-state"]).code(), Some(0));
    assert_eq!(cursor(&sandbox.run_ok()), "2026-01-01T00:00:00Z");
}

#[test]
fn e_67_a_cursor_of_another_type_than_the_states_fails_and_changes_nothing() {
    let events = Events::new(&FIRST);
    let api = events.serve();
    let sandbox = Sandbox::with_config(&config(&api, "initial_value: '2026-01-01T00:00:00Z'", "primary_key: id"));
    sandbox.run_ok();
    events.add(&[(5, "2026-01-03")]);
    sandbox.run().failed_with(3, &["events", "a date", "a timestamp", "page 2"]);
    assert_eq!(ids(&sandbox), [1, 2, 3, 4]);
}

#[test]
fn e_105_a_state_that_is_damaged_or_of_a_newer_lakeward_is_refused() {
    for (from, to, words) in [
        ("\"format\":3,\"cursor_path\"", "\"format\":99,\"cursor_path\"", "newer"),
        ("\"type\":\"timestamp\"", "\"type\":\"moon\"", "damaged"),
    ] {
        let events = Events::new(&FIRST);
        let api = events.serve();
        let sandbox = Sandbox::with_config(&config(&api, "start_param: since", "primary_key: id"));
        sandbox.run_ok();
        let log = sandbox.lake().join("_lakeward/t/log");
        let record = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
        let record = record.filter(|path| path.extension().is_some_and(|end| end == "json")).max().unwrap();
        let text = std::fs::read_to_string(&record).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&record, text.replace(from, to)).unwrap();
        sandbox.run().failed_with(2, &["events", words, "--full-refresh"]);
        assert_eq!(ids(&sandbox), [1, 2, 3, 4]);
    }
}

#[test]
fn with_a_known_order_no_page_behind_the_range_is_asked_for() {
    let falling: Vec<(i64, String)> = (1..=12).rev().map(|day| (day, format!("2026-01-{day:02}T00:00:00Z"))).collect();
    let records: Vec<(i64, &str)> = falling.iter().map(|(id, t)| (*id, t.as_str())).collect();
    let events = Events::new(&records);
    let api = events.serve();
    let keys = "row_order: desc, initial_value: '2026-01-09T00:00:00Z'";
    let text = config(&api, keys, "primary_key: id").replace("retry: ", "concurrency: 1, retry: ");
    let sandbox = Sandbox::with_config(&text);
    let ended = sandbox.run_ok();
    assert_eq!((ids(&sandbox), ended.table("events")["end_reason"].as_str()), (vec![9, 10, 11, 12], Some("out_of_range")));
    assert_eq!(ended.table("events")["pages"], 2);
}

#[test]
fn e_82_records_against_their_declared_order_are_all_read_and_told() {
    let events = Events::new(&[
        (1, "2026-01-01T00:00:00Z"),
        (2, "2026-01-09T00:00:00Z"),
        (3, "2026-01-08T00:00:00Z"),
        (4, "2026-01-02T00:00:00Z"),
    ]);
    let api = events.serve();
    let keys = "row_order: asc, initial_value: 2026-01-01, end_value: '2026-01-05T00:00:00Z'";
    let sandbox = Sandbox::with_config(&config(&api, keys, "primary_key: id"));
    let ended = sandbox.run_ok();
    assert_eq!(ids(&sandbox), [1, 4]);
    assert!(ended.stderr.contains("row_order"), "{ended}");
}

#[test]
fn a_record_without_a_cursor_fails_the_night_with_its_place() {
    let events = Events::new(&FIRST);
    events.records.lock().unwrap().push(json!({"id": 5}));
    let api = events.serve();
    let sandbox = Sandbox::with_config(&config(&api, "initial_value: '2026-01-01T00:00:00Z'", "primary_key: id"));
    sandbox.run().failed_with(3, &["events", "page 2", "record 2", "$.t", "on_cursor_value_missing"]);
}

#[test]
fn every_parent_record_has_a_cursor_of_its_own() {
    let events = Events::new(&[(1, "2026-01-01T00:00:00Z"), (2, "2026-01-05T00:00:00Z")]);
    let (served, accounts) = (events.clone(), Arc::new(Mutex::new(vec![json!({"no": 1}), json!({"no": 2})])));
    let listed = Arc::clone(&accounts);
    let api = FakeApi::start()
        .on("/events", move |request| served.answer(request))
        .on("/accounts", move |_| Reply::json(json!({"data": *listed.lock().unwrap()}).to_string()));
    let text = config(&api, "start_param: since", "primary_key: id")
        .replace("      path: /events\n", "      path: /events\n      params: {account: '{resources.accounts.no}'}\n")
        .replace(
            "resources:\n",
            "resources:\n  - {name: accounts, write_disposition: replace, endpoint: {path: /accounts, data_selector: data, paginator: single_page}}\n",
        );
    let sandbox = Sandbox::with_config(&text);
    sandbox.run_ok();
    // Account 1's records are of the even ids and later: a shared cursor would lose this one of account 2.
    events.add(&[(3, "2026-01-02T00:00:00Z")]);
    accounts.lock().unwrap().push(json!({"no": 3}));
    let before = api.requests().len();
    sandbox.run_ok();
    assert_eq!(ids(&sandbox), [1, 2, 3]);
    assert_eq!(asked(&api, before), ["..", "..", "2026-01-01T00:00:00Z..", "2026-01-05T00:00:00Z.."]);
    // A parent's number in other words is the same parent, also to a state that has it in those words.
    let shift = |number: Value| accounts.lock().unwrap()[0] = json!({"no": number});
    let log = sandbox.lake().join("_lakeward/t/log");
    let record = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let record = record.filter(|path| path.extension().is_some_and(|end| end == "json")).max().unwrap();
    let text = std::fs::read_to_string(&record).unwrap();
    assert!(text.contains("\"[1]\""), "{text}");
    std::fs::write(&record, text.replace("\"[1]\"", "\"[1.0]\"")).unwrap();
    for number in [json!(1.0), json!(1)] {
        shift(number);
        sandbox.run_ok();
        assert_eq!(ids(&sandbox), [1, 2, 3]);
    }
}

#[test]
fn e_92_of_a_record_that_changes_while_the_night_reads_it_the_last_version_stays_and_both_are_counted() {
    let events = Events::new(&FIRST);
    events.add(&[(1, "2026-01-09T00:00:00Z")]);
    let api = events.serve();
    let sandbox = Sandbox::with_config(&config(&api, "start_param: since", "primary_key: id\n    write_disposition: merge"));
    let ended = sandbox.run_ok();
    assert_eq!(
        (ended.table("events")["records"].as_u64(), ended.table("events")["rows_deduplicated"].as_u64()),
        (Some(5), Some(1))
    );
    assert_eq!(sandbox.by_key("events", "id")[&1]["t"], "2026-01-09T00:00:00Z");
    assert_eq!(cursor(&ended), "2026-01-09T00:00:00Z");
}

#[test]
fn e_93_records_outside_the_range_asked_for_are_counted_and_fail_the_night_where_that_is_wanted() {
    let events = Events::new(&FIRST);
    let api = events.serve();
    let range = "initial_value: '2026-01-02T00:00:00Z', end_value: '2026-01-03T00:00:00Z'";
    let sandbox = Sandbox::with_config(&config(&api, range, "primary_key: id"));
    let ended = sandbox.run_ok();
    assert_eq!((ids(&sandbox), ended.table("events")["incremental"]["records_outside"].as_u64()), (vec![2, 3, 4], Some(1)));
    let strict = Sandbox::with_config(&config(&api, &format!("{range}, strict_window: error"), "primary_key: id"));
    strict.run().failed_with(3, &["events", "page 1", "record 1", "outside the range"]);
    let resource = "primary_key: id\n    write_disposition: merge";
    let keep = Sandbox::with_config(&config(&api, &format!("{range}, strict_window: keep"), resource));
    assert_eq!(keep.run_ok().table("events")["incremental"]["records_outside"], 1);
    assert_eq!(ids(&keep), [1, 2, 3, 4]);
}

/// Serves these records in pages of 5,000, whatever is asked for.
fn all_of(records: &Arc<Mutex<Vec<Value>>>) -> FakeApi {
    let records = Arc::clone(records);
    FakeApi::start().on("/events", move |request| {
        let offset = usize::try_from(request.number("offset", 0)).unwrap();
        let page: Vec<Value> = records.lock().unwrap().iter().skip(offset).take(5000).cloned().collect();
        Reply::json(json!({"data": page}).to_string())
    })
}

/// Serves this text as the list of records, whatever is asked for.
fn text_of(records: &Arc<Mutex<String>>) -> FakeApi {
    let records = Arc::clone(records);
    FakeApi::start().on("/events", move |_| Reply::json(format!(r#"{{"data": [{}]}}"#, records.lock().unwrap())))
}

/// A record, and the same one in other words.
const RESPELLED: [&str; 7] = [
    r#"{"id":1,"t":"2026-01-01T00:00:00Z","price":1.10,"n":1,"of":{"a":[1.50],"at":"2026-01-01T00:00:00Z"}}"#,
    r#"{"id":1,"t":"2026-01-01T00:00:00Z","price":1.1,"n":1,"of":{"a":[1.5],"at":"2026-01-01T00:00:00Z"}}"#,
    r#"{"id":1.0,"t":"2026-01-01T00:00:00Z","price":11e-1,"n":1.0,"of":{"a":[15E-1],"at":"2026-01-01T00:00:00Z"}}"#,
    r#"{"id":1,"t":"2026-01-01T00:00:00.000Z","price":1.1,"n":1,"of":{"a":[1.5],"at":"2026-01-01 01:00:00+01:00"}}"#,
    r#"{"id":1,"t":"2026-01-01T01:00:00+01:00","price":1.1,"n":1,"more":null,"of":{"a":[1.5],"b":null,"at":"2026-01-01T00:00:00Z"}}"#,
    r#"{"of":{"at":"2026-01-01T00:00:00Z","a":[1.5]},"n":1,"price":1.1,"t":"2026-01-01T00:00:00Z","id":1}"#,
    r#"{ "id": 1, "\u0074": "2026-01-01T00:00:00Z", "price": 1.100, "n": 1, "of": {"a": [1.5], "at": "2026-01-01T00:00:00Z"} }"#,
];

#[test]
fn a_record_at_the_last_cursor_is_appended_once_however_it_is_spelled_on_later_nights() {
    for key in ["on_reject: fail", "primary_key: id"] {
        let records = Arc::new(Mutex::new(String::new()));
        let api = text_of(&records);
        let text = config(&api, "start_param: since", key).replace("{type: offset, limit: 3}", "single_page");
        let sandbox = Sandbox::with_config(&text);
        for (night, record) in RESPELLED.iter().enumerate() {
            *records.lock().unwrap() = (*record).to_owned();
            let ended = sandbox.run_ok();
            assert_eq!(ended.table("events")["table_rows"], 1, "{key}, night {night}: {ended}");
        }
        // Another value is another record, unless the key says that it is not.
        *records.lock().unwrap() = RESPELLED[0].replace("1.10", "1.11");
        let rows = if key == "primary_key: id" { 1 } else { 2 };
        assert_eq!(sandbox.run_ok().table("events")["table_rows"], rows, "{key}");
    }
}

#[test]
fn marks_of_an_older_lakeward_hold_on_the_night_of_the_upgrade_and_are_by_value_from_then_on() {
    let records = Arc::new(Mutex::new(RESPELLED[0].to_owned()));
    let api = text_of(&records);
    let text = config(&api, "start_param: since", "on_reject: fail").replace("{type: offset, limit: 3}", "single_page");
    let sandbox = Sandbox::with_config(&text);
    sandbox.run_ok();
    let log = sandbox.lake().join("_lakeward/t/log");
    let last = || {
        let files = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "json")).max().unwrap()
    };
    // As a lakeward that marks records by their spelling writes it.
    let record = std::fs::read_to_string(last()).unwrap();
    let (head, tail) = record.split_once("\"marks\":[\"").unwrap();
    let (_, tail) = tail.split_once("\"]").unwrap();
    let tail = tail.replacen(",\"marks_by\":\"value\"", "", 1);
    let head = head.replace("\"format\":3,\"cursor_path\"", "\"format\":1,\"cursor_path\"");
    std::fs::write(last(), format!("{head}\"marks\":[\"2215e095059ac682c2f321731e15c7b3\"]{tail}")).unwrap();
    for (night, record) in RESPELLED.iter().enumerate() {
        *records.lock().unwrap() = (*record).to_owned();
        assert_eq!(sandbox.run_ok().table("events")["table_rows"], 1, "night {night}");
        let record = std::fs::read_to_string(last()).unwrap();
        assert!(record.contains("\"marks_by\":\"value\"") && !record.contains("2215e095"), "{record}");
    }
}

#[test]
fn twenty_five_thousand_rows_of_one_cursor_are_appended_once_over_five_nights() {
    let event = |id: i64, t: &str| json!({"id": id, "t": t});
    let records = Arc::new(Mutex::new((0..25_000).map(|id| event(id, "2026-01-01")).collect::<Vec<_>>()));
    let api = all_of(&records);
    let text = config(&api, "", "write_disposition: append").replace("limit: 3", "limit: 5000");
    // A version that can come back keeps its marks.
    let sandbox = Sandbox::with_config(&text.replace("./lake", "./lake, keep_versions: 0"));
    let kept = || files_under(&sandbox.lake().join("_lakeward/t/marks"));
    let mut rows = 25_000;
    for night in 1..=5 {
        if night == 4 {
            records.lock().unwrap().extend((25_000..25_010).map(|id| event(id, "2026-01-01")));
            rows += 10;
        }
        let ended = sandbox.run_ok();
        assert_eq!(ended.table("events")["table_rows"], rows, "night {night}: {ended}");
        assert_eq!(kept().len(), 1, "night {night}");
    }
    assert_eq!(sandbox.by_key("events", "id").len(), 25_010);
    let log = files_under(&sandbox.lake().join("_lakeward/t/log"));
    assert!(log.values().all(|record| record.len() < 20_000), "marks stand in a record");
    // The cursor moves on: nothing of the day before is to be remembered.
    records.lock().unwrap().push(event(30_000, "2026-01-02"));
    assert_eq!(sandbox.run_ok().table("events")["rows_inserted"], 1);
    assert!(kept().is_empty(), "{:?}", kept().keys());
    assert_eq!(sandbox.run_ok().table("events")["table_rows"], 25_011);
}

#[test]
fn marks_that_are_gone_or_damaged_end_the_run_and_a_full_refresh_goes_on() {
    let records = Arc::new(Mutex::new((0..1500).map(|id| json!({"id": id, "t": "2026-01-01"})).collect::<Vec<_>>()));
    let api = all_of(&records);
    let sandbox = Sandbox::with_config(&config(&api, "", "write_disposition: append").replace("limit: 3", "limit: 5000"));
    sandbox.run_ok();
    let folder = sandbox.lake().join("_lakeward/t/marks");
    let name = files_under(&folder).into_keys().next().unwrap();
    std::fs::write(folder.join(&name), vec![7; 1500 * 16]).unwrap();
    sandbox.run().failed_with(2, &["events", &name, "is not as it was written", "--full-refresh"]);
    std::fs::remove_file(folder.join(&name)).unwrap();
    sandbox.run().failed_with(2, &["events", &name, "is gone", "--full-refresh"]);
    assert_eq!(sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).code(), Some(0));
    assert_eq!(sandbox.run_ok().table("events")["table_rows"], 1500);
}

#[test]
fn a_cursor_goes_with_its_table_and_a_table_with_its_cursor() {
    let events = Events::new(&[(1, "2026-01-01"), (2, "2026-01-02"), (3, "2026-01-03")]);
    let api = events.serve();
    for disposition in ["append", "merge"] {
        let resource = format!("write_disposition: {disposition}\n    primary_key: id");
        let text = config(&api, "start_param: since", &resource);
        let sandbox = Sandbox::with_config(&text);
        sandbox.run_ok();
        let before = sandbox.data_files();
        // Another table: the rows up to the cursor would be missing in it.
        sandbox.write("lakeward.yaml", &text.replace("write_disp", "table_name: moved\n    write_disp"));
        sandbox
            .run()
            .failed_with(2, &["events", "`table_name` is `moved`, and the state was made with `events`", "--full-refresh"]);
        assert!(before == sandbox.data_files());
        let fresh = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh", "--resource", "events"]);
        assert_eq!((fresh.code(), sandbox.rows("moved").len()), (Some(0), 3), "{fresh}");
    }
    // A new name over the old table: `append` would load its rows again, `merge` makes them what they are.
    for (disposition, code) in [("append", 2), ("merge", 0)] {
        let text = config(&api, "start_param: since", &format!("write_disposition: {disposition}\n    primary_key: id"));
        let sandbox = Sandbox::with_config(&text);
        sandbox.run_ok();
        sandbox.write("lakeward.yaml", &text.replace("- name: events", "- name: happenings\n    table_name: events"));
        let ended = sandbox.run();
        assert_eq!((ended.code(), sandbox.by_key("events", "id").len()), (Some(code), 3), "{ended}");
        if code == 2 {
            ended.failed_with(
                2,
                &["`happenings` has no cursor for the table `events`, whose 3 rows `events` loaded", "table_name: events"],
            );
            let fresh = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh", "--resource", "happenings"]);
            assert_eq!((fresh.code(), sandbox.by_key("events", "id").len()), (Some(0), 3), "{fresh}");
            sandbox.run_ok();
            assert_eq!(sandbox.by_key("events", "id").len(), 3);
        }
    }
}

#[test]
fn an_append_whose_cursor_is_taken_out_or_put_in_is_refused_with_the_choices() {
    let events = Events::new(&[(1, "2026-01-01"), (2, "2026-01-02"), (3, "2026-01-03")]);
    let api = events.serve();
    let with = config(&api, "start_param: since", "write_disposition: append");
    let without = with.replace("      incremental: {cursor_path: t, start_param: since}\n", "");
    let rebuild = ["run", "lakeward.yaml", "--full-refresh", "--resource", "events"];
    let taken = ["without `endpoint.incremental`, `append` of `events` would load its 3 rows again", "replace", "--full-refresh"];

    let sandbox = Sandbox::with_config(&with);
    sandbox.run_ok();
    let asked = api.requests().len();
    sandbox.write("lakeward.yaml", &without);
    sandbox.run().failed_with(2, &taken);
    // Under another name it is no other.
    sandbox.write("lakeward.yaml", &without.replace("- name: events", "- name: happenings\n    table_name: events"));
    sandbox.run().failed_with(2, &["whose 3 rows `events` loaded"]);
    let other = with.replace("cursor_path: t", "cursor_path: id");
    sandbox.write("lakeward.yaml", &other);
    sandbox.run().failed_with(2, &["`endpoint.incremental.cursor_path` is `$.id`, and the state was made with `$.t`"]);
    assert_eq!((api.requests().len(), ids(&sandbox)), (asked, vec![1, 2, 3]), "nothing was asked for");

    // Each way out works when typed.
    sandbox.write("lakeward.yaml", &with);
    sandbox.run_ok();
    sandbox.write("lakeward.yaml", &without.replace("disposition: append", "disposition: replace"));
    for _ in 0..2 {
        sandbox.run_ok();
        assert_eq!(ids(&sandbox), [1, 2, 3]);
    }
    let sandbox = Sandbox::with_config(&with);
    sandbox.run_ok();
    sandbox.write("lakeward.yaml", &without);
    assert_eq!((sandbox.lakeward(&rebuild).code(), ids(&sandbox)), (Some(0), vec![1, 2, 3]));
    sandbox.run_ok();
    assert_eq!(ids(&sandbox), [1, 1, 2, 2, 3, 3], "an append without a cursor adds all rows of each run");

    sandbox.write("lakeward.yaml", &with);
    let asked = api.requests().len();
    sandbox.run().failed_with(2, &["was loaded without a cursor", "load its 6 rows again", "--full-refresh --resource events"]);
    assert_eq!(api.requests().len(), asked);
    assert_eq!((sandbox.lakeward(&rebuild).code(), ids(&sandbox)), (Some(0), vec![1, 2, 3]));
    events.add(&[(4, "2026-01-04")]);
    sandbox.run_ok();
    assert_eq!(ids(&sandbox), [1, 2, 3, 4]);
}

#[test]
fn a_cursor_is_not_used_for_another_endpoint() {
    let events = Events::new(&[(1, "2026-01-01"), (2, "2026-01-02")]);
    let served = events.clone();
    let api =
        events.serve().on("/v2/events", move |request| served.answer(request)).on("/orders", |_| Reply::json(r#"{"data": []}"#));
    let text = config(&api, "start_param: since", "write_disposition: append");
    let sandbox = Sandbox::with_config(&text);
    sandbox.run_ok();
    sandbox.write("lakeward.yaml", &text.replace("path: /events", "path: /orders"));
    sandbox.run().failed_with(2, &["`endpoint.path` is `orders`, and the state was made with `events`", "--full-refresh"]);
    // Another version of the same is the same.
    sandbox.write("lakeward.yaml", &text.replace("path: /events", "path: /v2/events"));
    assert_eq!(sandbox.run_ok().table("events")["table_rows"], 2);
}

#[test]
fn a_table_that_another_disposition_loaded_is_refused_and_a_full_refresh_makes_it_what_the_config_says() {
    let events = Events::new(&[(1, "2026-01-01"), (2, "2026-01-03")]);
    let api = events.serve();
    let text = config(&api, "start_param: since", "primary_key: id\n    write_disposition: append");
    let sandbox = Sandbox::with_config(&text);
    sandbox.run_ok();
    events.add(&[(1, "2026-01-04")]);
    sandbox.run_ok();
    assert_eq!(sandbox.rows("events").len(), 3, "a key that came on another night stays");
    // What a first run gives: of its own records one a key.
    let fresh = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!((fresh.code(), sandbox.by_key("events", "id").len()), (Some(0), 2), "{fresh}");
    sandbox.write("lakeward.yaml", &text.replace("write_disposition: append", "write_disposition: merge"));
    sandbox.run().failed_with(
        2,
        &["the table `events` was loaded by `append`", "--full-refresh --resource events", "write_disposition: append"],
    );
    assert_eq!(sandbox.rows("events").len(), 2);
    let fresh = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh", "--resource", "events"]);
    assert_eq!((fresh.code(), sandbox.by_key("events", "id").len()), (Some(0), 2), "{fresh}");
    sandbox.run_ok();
    assert_eq!(sandbox.by_key("events", "id").len(), 2);
    // And back: a merge remembers no records of its last cursor, which an append would load again.
    sandbox.write("lakeward.yaml", &text);
    sandbox.run().failed_with(
        2,
        &["the table `events` was loaded by `merge`", "--full-refresh --resource events", "write_disposition: merge"],
    );
    assert_eq!(sandbox.rows("events").len(), 2);
}

/// Two resources over the events of one account each, with these tables and this disposition.
fn accounts(api: &FakeApi, tables: [&str; 2], disposition: &str) -> String {
    let one = |account: usize| {
        format!(
            "  - name: account_{account}
    table_name: {}
    write_disposition: {disposition}
    primary_key: id
    endpoint:
      path: /events
      params: {{account: {account}}}
      data_selector: data
      paginator: {{type: offset, limit: 3}}
      incremental: {{cursor_path: t, start_param: since}}
",
            tables[account - 1]
        )
    };
    let base = api.url();
    format!("name: t\nclient: {{base_url: \"{base}\"}}\nlake: {{url: ./lake}}\nresources:\n{}{}", one(1), one(2))
}

#[test]
fn swapped_table_names_are_refused_and_a_full_refresh_gives_each_table_its_own_rows() {
    for disposition in ["append", "merge"] {
        let events =
            Events::new(&[(1, "2026-01-01"), (2, "2026-01-02"), (3, "2026-01-03"), (4, "2026-01-04"), (6, "2026-01-05")]);
        let api = events.serve();
        let sandbox = Sandbox::with_config(&accounts(&api, ["even", "odd"], disposition));
        let keys = |table: &str| sandbox.by_key(table, "id").into_keys().collect::<Vec<_>>();
        sandbox.run_ok();
        let before = sandbox.data_files();
        assert_eq!((keys("even"), keys("odd")), (vec![2, 4, 6], vec![1, 3]));
        sandbox.write("lakeward.yaml", &accounts(&api, ["odd", "even"], disposition));
        let words = match disposition {
            "append" => ["whose 2 rows `account_2` loaded", "whose 3 rows `account_1` loaded", "--full-refresh"],
            _ => ["`odd`, and the state was made with `even`", "`even`, and the state was made with `odd`", "--full-refresh"],
        };
        sandbox.run().failed_with(2, &words);
        assert!(before == sandbox.data_files(), "{disposition}");
        let fresh = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
        assert_eq!((fresh.code(), keys("odd"), keys("even")), (Some(0), vec![2, 4, 6], vec![1, 3]), "{fresh}");
        events.add(&[(8, "2026-01-06")]);
        sandbox.run_ok();
        assert_eq!((keys("odd"), keys("even")), (vec![2, 4, 6, 8], vec![1, 3]), "{disposition}");
    }
}
