//! What stands in the way of a run, told; and the step past a commit of which files are lost.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Running, Sandbox, files_under};

/// An append by a cursor and a merge, which each night bring more.
struct Nights {
    records: Arc<Mutex<Vec<Value>>>,
    api: FakeApi,
    sandbox: Sandbox,
}

impl Nights {
    fn new() -> Self {
        let records = Arc::new(Mutex::new(Vec::new()));
        let served = Arc::clone(&records);
        let api = FakeApi::start().on("/events", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()));
        let config = format!(
            "name: p\nclient: {{base_url: {}}}\nresources:\n  - name: events\n    write_disposition: append\n    \
             endpoint: {{path: /events, paginator: single_page, incremental: {{cursor_path: id, initial_value: 0}}}}\n  \
             - name: latest\n    write_disposition: merge\n    primary_key: slot\n    partition_by: [{{column: part}}]\n    \
             endpoint: {{path: /events, paginator: single_page}}\nlake: {{url: ./lake}}\n",
            api.url()
        );
        let nights = Self { records, api, sandbox: Sandbox::with_config(&config) };
        nights.more();
        nights
    }

    fn more(&self) {
        let mut records = self.records.lock().unwrap();
        let first = records.len() as i64 + 1;
        records.extend((first..first + 9).map(|id| json!({"id": id, "slot": id % 12, "part": id % 3, "v": format!("v{id}")})));
    }

    /// A night that is killed at `fault`.
    fn killed(&self, fault: &str) {
        let mut command = self.sandbox.command(&["run", "lakeward.yaml"]);
        let ended = Running::spawn(command.env("LAKEWARD_FAULT", format!("{fault}=kill"))).end();
        assert_eq!(ended.code(), None, "{fault}: {ended}");
    }

    /// Files of every run's staging, lost.
    fn lose_staged(&self) {
        fs::remove_dir_all(self.sandbox.lake().join("_lakeward/p/staging")).unwrap();
    }

    fn doctor(&self) -> Ended {
        self.sandbox.lakeward(&["doctor", "lakeward.yaml"])
    }

    /// What the doctor found, as kind and who has to do something.
    fn found(&self, code: i32) -> Vec<(String, String)> {
        let ended = self.sandbox.lakeward(&["doctor", "lakeward.yaml", "--json"]);
        assert_eq!(ended.code(), Some(code), "{ended}");
        let seen: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(seen["healthy"], json!(code == 0));
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        seen["findings"].as_array().unwrap().iter().map(|finding| (text(finding, "kind"), text(finding, "needs"))).collect()
    }

    /// The rows of both tables, in words.
    fn rows(&self) -> [Vec<String>; 2] {
        let rows = |table, key| self.sandbox.by_key(table, key).iter().map(|(key, row)| format!("{key}: {row:?}")).collect();
        [rows("events", "id"), rows("latest", "slot")]
    }

    /// What an uninterrupted pipeline has of the same records.
    fn expected(&self) -> [Vec<String>; 2] {
        let fresh = Self::new();
        *fresh.records.lock().unwrap() = self.records.lock().unwrap().clone();
        fresh.sandbox.run_ok();
        fresh.rows()
    }
}

fn pair(kind: &str, needs: &str) -> (String, String) {
    (kind.to_owned(), needs.to_owned())
}

#[test]
fn a_healthy_lake_is_told_to_be_one_and_nothing_is_written_or_asked() {
    let nights = Nights::new();
    let told = nights.doctor();
    assert!(told.code() == Some(0) && told.stdout.contains("nothing is committed yet"), "{told}");
    assert!(!nights.sandbox.lake().exists());
    nights.sandbox.run_ok();
    let (before, requests) = (files_under(&nights.sandbox.lake()), nights.api.requests().len());
    let told = nights.doctor();
    assert!(told.code() == Some(0) && told.stdout == "p: nothing stands in the way; the newest commit is 1\n", "{told}");
    assert_eq!(nights.found(0), []);
    assert!(files_under(&nights.sandbox.lake()) == before && nights.api.requests().len() == requests);
}

#[test]
fn leases_unpublished_commits_and_unfinished_work_are_told_and_left_to_the_next_run() {
    let nights = Nights::new();
    let sandbox = &nights.sandbox;
    sandbox.run_ok();
    nights.more();
    nights.killed("lake.commit.after_stage");
    assert_eq!(nights.found(0), [pair("lease", "next_run"), pair("staging", "next_run")]);
    nights.killed("lake.publish.put#2");
    assert_eq!(nights.found(0), [pair("lease", "next_run"), pair("commit", "next_run")]);
    let told = nights.doctor();
    assert!(
        told.stdout.contains("is not published whole") && told.stdout.contains("`lakeward run lakeward.yaml` finishes it"),
        "{told}"
    );
    // On another machine, as far as can be known.
    let lease = sandbox.lake().join("_lakeward/p/lease.json");
    let future = "2999-01-01T00:00:00Z";
    let owner = json!({"host": "elsewhere", "pid": 1, "identity": null});
    let stale = fs::read(&lease).unwrap();
    let at = |heartbeat: &str| json!({"run": "r", "owner": owner, "started": future, "heartbeat": heartbeat}).to_string();
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap().stdout;
    let now = String::from_utf8(now).unwrap().trim().to_owned();
    fs::write(&lease, at(&now)).unwrap();
    assert_eq!(nights.found(0), [pair("lease", "nobody"), pair("commit", "nobody")]);
    sandbox.lakeward(&["abandon", "lakeward.yaml", "3"]).failed_with(75, &["holds the lake"]);
    fs::write(&lease, "{").unwrap();
    assert_eq!(nights.found(0), [pair("lease", "next_run"), pair("commit", "next_run")]);
    fs::write(&lease, stale).unwrap();
    sandbox
        .lakeward(&["abandon", "lakeward.yaml", "3"])
        .failed_with(2, &["can still be finished", "`lakeward run lakeward.yaml`"]);
    sandbox.run_ok();
    assert_eq!((nights.found(0), nights.rows()), (vec![], nights.expected()));
    sandbox
        .lakeward(&["abandon", "lakeward.yaml", "3"])
        .failed_with(2, &["is published whole", "lakeward rollback lakeward.yaml --to"]);
    sandbox.lakeward(&["abandon", "lakeward.yaml", "9"]).failed_with(2, &["no version 9"]);
}

#[test]
fn a_commit_that_lost_files_is_abandoned_as_the_messages_say_and_the_next_night_loads_every_row_once() {
    for fault in ["lake.commit.after_create", "lake.publish.put", "lake.publish.put#2", "lake.publish.put#4"] {
        let nights = Nights::new();
        let sandbox = &nights.sandbox;
        sandbox.run_ok();
        let old = nights.rows();
        nights.more();
        nights.killed(fault);
        nights.lose_staged();
        sandbox.run().failed_with(3, &["commit 2 promises", "`lakeward abandon lakeward.yaml 2`", "--full-refresh"]);
        let told = nights.doctor();
        assert!(told.code() == Some(3) && told.stdout.contains("`lakeward abandon lakeward.yaml 2`"), "{fault}: {told}");
        assert!(nights.found(3).contains(&pair("commit", "operator")));

        let before = files_under(&sandbox.lake());
        let listed = sandbox.lakeward(&["abandon", "lakeward.yaml", "2"]);
        assert!(listed.code() == Some(0) && listed.stdout.contains("lost: "), "{fault}: {listed}");
        for words in [
            "events: 1 file with 9 rows, of which",
            "cursors are those of then: events",
            "lakeward abandon lakeward.yaml 2 --apply",
        ] {
            assert!(listed.stdout.contains(words), "{words}: {listed}");
        }
        assert!(files_under(&sandbox.lake()) == before, "a list wrote something");
        let done = sandbox.lakeward(&["abandon", "lakeward.yaml", "2", "--apply"]);
        assert!(done.code() == Some(0) && done.stdout.contains("version 3 is what was before"), "{fault}: {done}");
        assert_eq!((nights.rows(), nights.found(0)), (old, vec![]), "{fault}");
        assert_eq!(sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]).code(), Some(0), "{fault}");
        let again = sandbox.lakeward(&["abandon", "lakeward.yaml", "2", "--apply"]);
        assert!(again.code() == Some(0) && again.stdout.contains("was abandoned by commit 3"), "{again}");
        let history = sandbox.lakeward(&["history", "lakeward.yaml"]);
        assert!(history.stdout.contains("abandoned version 2"), "{history}");

        sandbox.run_ok();
        assert_eq!(nights.rows(), nights.expected(), "{fault}");
    }
}

#[test]
fn an_abandonment_that_is_killed_anywhere_is_ended_by_the_same_command() {
    for point in [
        "lake.open.leased",
        "lake.abandon.dropped",
        "lake.stage.file",
        "lake.commit.after_stage",
        "lake.commit.after_manifests",
        "lake.commit.after_create",
        "lake.publish.after_puts",
        "lake.publish.delete",
        "lake.publish.before_done",
        "lake.publish.cleaning",
        "lake.close.before_release",
    ] {
        let nights = Nights::new();
        let sandbox = &nights.sandbox;
        sandbox.run_ok();
        let old = nights.rows();
        nights.more();
        nights.killed("lake.publish.put#2");
        nights.lose_staged();
        let mut command = sandbox.command(&["abandon", "lakeward.yaml", "2", "--apply"]);
        let killed = Running::spawn(command.env("LAKEWARD_FAULT", format!("{point}=kill"))).end();
        assert_eq!(killed.code(), None, "{point}: {killed}");
        let again = sandbox.lakeward(&["abandon", "lakeward.yaml", "2", "--apply"]);
        assert_eq!(again.code(), Some(0), "{point}: {again}");
        assert_eq!(nights.rows(), old, "{point}");
        sandbox.run_ok();
        assert_eq!((nights.rows(), nights.found(0)), (nights.expected(), vec![]), "{point}");
    }
}

/// What is done to a lake, what the doctor then finds, and words of it.
type Case = (fn(&Sandbox), (&'static str, &'static str), &'static str);

#[test]
fn what_is_damaged_or_anothers_is_a_fault_with_a_way_out() {
    let home = "_lakeward/p";
    let cases: [Case; 8] = [
        (
            |s| fs::write(s.lake().join("_lakeward/p/log/00000000000000000001.json"), "{").unwrap(),
            ("commit", "operator"),
            "is not readable",
        ),
        (
            |s| {
                let log = s.lake().join("_lakeward/p/log/00000000000000000001.json");
                let outside = fs::read_to_string(&log).unwrap().replace("events/part", "../part");
                fs::write(&log, outside).unwrap();
            },
            ("commit", "operator"),
            "is not a path in the folder of table",
        ),
        (
            |s| fs::write(s.lake().join("_lakeward/p/log/00000000000000000005.json"), "{}").unwrap(),
            ("log", "operator"),
            "is missing",
        ),
        (|s| fs::remove_dir_all(s.lake().join("_lakeward/p/manifest")).unwrap(), ("manifest", "operator"), "is missing"),
        (
            |s| fs::write(s.lake().join("events/x.parquet"), "x").unwrap(),
            ("folder", "operator"),
            "x.parquet` was not written by lakeward",
        ),
        (|s| fs::remove_dir_all(s.lake().join("events")).unwrap(), ("folder", "operator"), "is missing"),
        (
            |s| {
                let claim = s.lake().join("_lakeward/_tables/events.json");
                fs::write(claim, json!({"format": 1, "table": "events", "pipeline": "q"}).to_string()).unwrap();
            },
            ("claim", "operator"),
            "belongs to pipeline `q`",
        ),
        (
            |s| {
                let claim = s.lake().join("_lakeward/_tables/old.json");
                fs::write(claim, json!({"format": 1, "table": "old", "pipeline": "p"}).to_string()).unwrap();
            },
            ("claim", "nobody"),
            "move this file away",
        ),
    ];
    for (number, (spoil, (kind, needs), words)) in cases.into_iter().enumerate() {
        let nights = Nights::new();
        nights.sandbox.run_ok();
        spoil(&nights.sandbox);
        let before = files_under(&nights.sandbox.lake().join(home));
        let code = if needs == "operator" { 3 } else { 0 };
        let found = nights.found(code);
        assert!(found.contains(&pair(kind, needs)), "{number}: {found:?}");
        let told = nights.doctor();
        assert!(
            told.code() == Some(code) && told.stdout.contains(words) && told.stdout.contains("way out: "),
            "{number}: {told}"
        );
        assert!(files_under(&nights.sandbox.lake().join(home)) == before, "{number}");
        assert_eq!(
            nights.sandbox.lakeward(&["run", "lakeward.yaml"]).code() == Some(0),
            code == 0,
            "{number}: a run says otherwise"
        );
    }
}

#[test]
fn a_lost_file_of_a_commit_leads_no_command_out_of_its_tables_folder() {
    let nights = Nights::new();
    let sandbox = &nights.sandbox;
    sandbox.run_ok();
    nights.more();
    nights.killed("lake.commit.after_create");
    let log = sandbox.lake().join("_lakeward/p/log/00000000000000000002.json");
    let commit = fs::read_to_string(&log).unwrap();
    sandbox.write("lake/outside.parquet", "not lakeward's");
    let mut before: BTreeMap<_, _> = files_under(&sandbox.lake());
    before.retain(|path, _| !path.ends_with("/lease.json"));
    let staging = "_lakeward/p/staging/";
    for (from, to) in
        [(staging, "../outside/"), ("\"path\":\"events/", "\"path\":\"../"), (staging, "_lakeward/p/staging/../../../")]
    {
        assert!(commit.contains(from), "{commit}");
        fs::write(&log, commit.replace(from, to)).unwrap();
        for arguments in [&["abandon", "lakeward.yaml", "2"][..], &["abandon", "lakeward.yaml", "2", "--apply"]] {
            sandbox.lakeward(arguments).failed_with(3, &["is not readable"]);
        }
    }
    fs::write(&log, commit).unwrap();
    let mut after = files_under(&sandbox.lake());
    after.retain(|path, _| before.contains_key(path));
    assert!(after == before);
}
