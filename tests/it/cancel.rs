//! A run that is interrupted, or that meets another one: nothing is lost, and the exit code says which it was.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Ended, Running, Sandbox};

/// A door that requests wait at.
#[derive(Clone, Default)]
struct Door(Arc<(Mutex<(u32, bool)>, Condvar)>);

impl Door {
    /// Says that a request is here, and waits until the door opens.
    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.0 += 1;
        self.0.1.notify_all();
        drop(self.0.1.wait_while(state, |(_, open)| !*open).unwrap());
    }

    /// Waits until a request stands at the door.
    fn wait_for_request(&self) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |(waiting, _)| *waiting == 0).unwrap());
    }

    fn open(&self) {
        self.0.0.lock().unwrap().1 = true;
        self.0.1.notify_all();
    }
}

/// Opens the door when a test ends, however it ends: the API cannot stop while a request stands there.
struct Opened(Door);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A resource whose second page stands at a door, and the door.
fn stalled() -> (FakeApi, Sandbox, Opened) {
    let door = Door::default();
    let at_door = door.clone();
    let api = things(move |request| {
        let offset = request.number("offset", 0) as i64;
        if offset > 0 {
            at_door.pass();
        }
        let data: Vec<Value> = (offset + 1..=(offset + 10).min(30)).map(wallet).collect();
        answer(&json!({"data": data, "total": 30}))
    });
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 10}}\nprimary_key: id\nwrite_disposition: merge";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), endpoint));
    (api, sandbox, Opened(door))
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
}

#[track_caller]
fn check(signal_name: &str, code: i32) {
    let (_api, sandbox, door) = stalled();
    let child = sandbox.start();
    door.0.wait_for_request();
    signal(signal_name, child.pid());
    let ended = child.end();
    assert_eq!(ended.code(), Some(code), "{ended}");
    assert!(sandbox.data_files().is_empty(), "an interrupted run published");
    door.0.open();
    sandbox.run_ok();
    assert_eq!(sandbox.by_key("things", "id").len(), 30);
}

#[test]
fn e_101_ctrl_c_ends_a_run_cleanly() {
    check("-INT", 130);
}

#[test]
fn e_101_a_termination_signal_ends_a_run_cleanly() {
    check("-TERM", 143);
}

#[test]
fn e_103_a_second_run_at_the_same_time_is_told_who_holds_the_lake() {
    let (_api, sandbox, door) = stalled();
    let child = sandbox.start();
    door.0.wait_for_request();
    sandbox.run().failed_with(75, &["holds the lake", "process"]);
    door.0.open();
    let ended = child.end();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(sandbox.by_key("things", "id").len(), 30);
    sandbox.run_ok();
}

#[test]
fn a_run_that_was_overtaken_says_so_whatever_it_stumbles_over() {
    let (api, sandbox, door) = stalled();
    let overtaken = sandbox.start();
    door.0.wait_for_request();
    // As if it had stood still for long: its lease is stale, and another run, whose API answers, clears away what it had staged.
    let path = sandbox.lake().join("_lakeward/things/lease.json");
    let mut lease: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    lease["heartbeat"] = json!("2020-01-01T00:00:00Z");
    fs::write(&path, lease.to_string()).unwrap();
    let other = things(|request| {
        let offset = request.number("offset", 0) as i64;
        answer(&json!({"data": (offset + 1..=(offset + 10).min(30)).map(wallet).collect::<Vec<_>>(), "total": 30}))
    });
    let config = fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap().replace(&api.url(), &other.url());
    sandbox.write("other.yaml", &config);
    let ended = sandbox.lakeward(&["run", "other.yaml"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let before = sandbox.data_files();
    door.0.open();
    overtaken.end().failed_with(75, &["overtook this one", "changed nothing"]);
    assert_eq!(sandbox.data_files(), before);
    sandbox.run_ok();
}

/// A run in which signals come at a fault point; how it ended.
fn interrupted(fault: &str) -> (FakeApi, Sandbox, Ended) {
    let api = things(|_| answer(&json!({"data": (1..=3).map(wallet).collect::<Vec<Value>>()})));
    let endpoint =
        "endpoint: {path: /things, data_selector: data, paginator: single_page}\nprimary_key: id\nwrite_disposition: merge";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), endpoint));
    let ended = Running::spawn(sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", fault)).end();
    (api, sandbox, ended)
}

#[test]
fn ctrl_c_tells_what_stands_before_in_and_after_the_commit() {
    let (_api, sandbox, ended) = interrupted("task.finish=int");
    ended.failed_with(130, &["cancelling: requests end, nothing of this run is published"]);
    assert!(sandbox.data_files().is_empty(), "{ended}");
    for (point, words) in [
        ("lake.commit.before_stage", "a commit is being published, and runs to its end"),
        ("lake.publish.put", "a commit is being published, and runs to its end"),
        ("lake.close.before_release", "the commit stands and is published"),
    ] {
        let (_api, sandbox, ended) = interrupted(&format!("{point}=int"));
        assert_eq!(ended.code(), Some(0), "{point}: {ended}");
        assert!(ended.stderr.contains(words) && !ended.stderr.contains("nothing of this run"), "{point}: {ended}");
        assert_eq!(sandbox.by_key("things", "id").len(), 3, "{point}");
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once_and_tells_what_stands() {
    for (fault, code, words, is_published) in [
        ("task.finish=int2", 130, "ended: nothing of this run is published", false),
        ("task.finish=term2", 143, "ended: nothing of this run is published", false),
        ("lake.publish.put=int2", 130, "ended: a commit is being published; the next run finishes it", false),
        ("lake.publish.put=term2", 143, "ended: a commit is being published; the next run finishes it", false),
        ("lake.close.before_release=int2", 130, "ended: the commit stands and is published", true),
    ] {
        let (_api, sandbox, ended) = interrupted(fault);
        ended.failed_with(code, &[words]);
        assert_eq!(sandbox.data_files().is_empty(), !is_published, "{fault}: {ended}");
        sandbox.run_ok();
        assert_eq!(sandbox.by_key("things", "id").len(), 3, "{fault}");
    }
}
