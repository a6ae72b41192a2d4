//! The memory of a run is bounded by `lake.memory`, whatever its table is like.

use std::fs;

use rustix::process::{Pid, WaitOptions, waitpid};
use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Running, Sandbox};

/// Records of a page.
const PAGE: u64 = 1000;

/// Peak memory in kB of a run of `records` of so many columns, into so many folders, once all files are finished: there the run stops, and is
/// killed.
fn peak(records: u64, columns: u64, folders: u64, lake: &str) -> u64 {
    let api = FakeApi::start().on("/things", move |request| {
        let first = request.number("offset", 0);
        let record = |id: u64| {
            let values =
                (0..columns).map(|column| (format!("v{column}"), json!(id.wrapping_mul(0x9e37_79b9_7f4a_7c15 + column) >> 12)));
            let own = [("id".to_owned(), json!(id)), ("folder".to_owned(), json!(id % folders))];
            Value::Object(own.into_iter().chain(values).collect())
        };
        let data: Vec<Value> = (first..(first + PAGE).min(records)).map(record).collect();
        Reply::json(json!({"data": data, "total": records}).to_string())
    });
    let sandbox = Sandbox::with_config(&format!(
        "name: p\nclient: {{base_url: {}}}\nresources:\n  - name: things\n    primary_key: id\n    write_disposition: merge\n    \
         partition_by: [folder]\n    endpoint: {{path: /things, data_selector: data, paginator: {{type: offset, limit: {PAGE}, total_path: total}}}}\n\
         lake: {{url: ./lake{lake}}}\n",
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
fn three_thousand_partitions_take_no_more_than_the_memory_of_the_lake() {
    let peak = peak(6_000, 2, 3_000, "");
    assert!(peak < 200_000, "{peak} kB");
}

#[test]
fn rows_that_come_for_all_partitions_at_once_take_little_more_than_those_of_one() {
    let (one, all) = (peak(60_000, 25, 1, ", memory: 128MB"), peak(60_000, 25, 200, ", memory: 128MB"));
    assert!(all < one + 32_000 && all < 256_000, "{one} kB and {all} kB");
}
