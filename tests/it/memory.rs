//! The memory of a run does not grow with what its table is like.

use std::fs;

use rustix::process::{Pid, WaitOptions, waitpid};
use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Running, Sandbox};

/// Records of a page.
const PAGE: u64 = 1000;

/// Peak memory in kB of a run of `records`, into so many folders, once all files are finished: there the run stops, and is
/// killed.
fn peak(records: u64, folders: u64) -> u64 {
    let api = FakeApi::start().on("/things", move |request| {
        let first = request.number("offset", 0);
        let record = |id: u64| json!({"id": id, "folder": id % folders, "text": format!("record {id}"), "v": id / 7});
        let data: Vec<Value> = (first..(first + PAGE).min(records)).map(record).collect();
        Reply::json(json!({"data": data, "total": records}).to_string())
    });
    let sandbox = Sandbox::with_config(&format!(
        "name: p\nclient: {{base_url: {}}}\nresources:\n  - name: things\n    primary_key: id\n    write_disposition: merge\n    \
         partition_by: [folder]\n    endpoint: {{path: /things, data_selector: data, paginator: {{type: offset, limit: {PAGE}, total_path: total}}}}\n\
         lake: {{url: ./lake}}\n",
        api.url()
    ));
    let mut command = sandbox.command(&["run", "lakeward.yaml"]);
    let running = Running::spawn(command.env("LAKEWARD_FAULT", "lake.commit.before_stage=stop"));
    let pid = Pid::from_raw(running.pid().cast_signed()).unwrap();
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped(), "{status:?}");
    let facts = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = facts.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    assert!(running.kill());
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn three_thousand_partitions_take_little_more_memory_than_one() {
    let peak = peak(6_000, 3_000);
    assert!(peak < 200_000, "{peak} kB");
}
