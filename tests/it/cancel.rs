//! A run that is interrupted, or that meets another one: nothing is lost, and the exit code says which it was.

use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::Sandbox;

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
