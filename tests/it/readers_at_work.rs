//! Readers that look all the while: what they see of a `replace` while it is published, killed in it, and rolled forward.
//!
//! Readers are threads that list the table and open each file once, over and over; the writer is the binary. After each night every
//! thread has looked at least once more, so that the state behind a kill is seen as well.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY};
use crate::support::sandbox::{Running, Sandbox};
use crate::support::table::{data_files, read_file};

/// Where the publish of every other night is killed: at odd places of the list a partition comes, at even ones it goes.
const KILLS: [&str; 6] = [
    "lake.publish.put#2=kill",
    "lake.publish.put=kill",
    "lake.publish.linked=kill",
    "lake.publish.delete=kill",
    "lake.publish.after_puts=kill",
    "lake.publish.before_done=kill",
];

const READERS: usize = 2;

/// The rows of a night: four partitions of one file, and one that comes and goes.
fn records(night: i64) -> Vec<Value> {
    let partition = |name: &'static str, ids: std::ops::Range<i64>| {
        ids.map(
            move |id| json!({"id": id, "part": name, "night": night, "text": format!("{:x}", (id * 7_919 + night) * 104_729)}),
        )
    };
    let small = ["a", "b", "c", "d"].into_iter().zip(0..).flat_map(|(name, at)| partition(name, at * 10..at * 10 + 5));
    let passing = partition("passing", if matches!(night % 4, 2 | 3) { 100..105 } else { 100..100 });
    small.chain(passing).collect()
}

/// What one look at a table finds wrong; each file it could open has the rows of one night.
fn look(table: &Path) -> Vec<String> {
    let (mut faults, mut parts) = (Vec::new(), BTreeMap::<String, Vec<(i64, i64)>>::new());
    for file in data_files(table) {
        // One that went after it was listed.
        let Ok(rows) = read_file(table, &file) else { continue };
        let rows: Vec<(i64, i64)> =
            rows.iter().map(|row| (row["night"].as_i64().unwrap(), row["id"].as_i64().unwrap())).collect();
        if rows.iter().any(|row| row.0 != rows[0].0) {
            faults.push(format!("{} has rows of two nights", file.display()));
        }
        let part = file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        parts.entry(part).or_default().extend(rows);
    }
    for name in ["a", "b", "c", "d"] {
        // Such a partition is old or new as a whole, and always there.
        let rows = parts.get(&format!("part={name}")).cloned().unwrap_or_default();
        if rows.len() != 5 || rows.iter().any(|row| row.0 != rows[0].0) {
            faults.push(format!("partition {name} has {rows:?}"));
        }
    }
    faults
}

#[test]
fn readers_see_each_file_and_each_partition_of_one_file_as_it_was_or_as_it_is_while_a_replace_is_published_and_killed() {
    let billing = Billing::new(&[("/things", records(0))]);
    let api = billing.serve();
    let sandbox = Sandbox::with_config(&format!(
        "name: p\nclient: {{base_url: {}, auth: {{type: api_key, name: api_key, api_key: {KEY}, location: query}}}}\n\
         resources: [{{name: things, write_disposition: replace, partition_by: part, expect: {{max_shrink: null}}, \
         endpoint: {{path: /things, data_selector: data, paginator: {{type: offset, limit: 100}}}}}}]\n\
         lake: {{url: ./lake}}\n",
        api.url()
    ));
    sandbox.run_ok();
    let table = sandbox.lake().join("things");
    assert_eq!(data_files(&table).len(), 4);

    let (over, looks, faults) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; READERS], Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for count in &looks {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    faults.lock().unwrap().extend(look(&table));
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // Two more: the one under way may have begun before.
        let all_look = || {
            let now = looks.each_ref().map(|count| count.load(Ordering::SeqCst));
            while looks.iter().zip(now).any(|(count, before)| count.load(Ordering::SeqCst) < before + 2) {
                thread::yield_now();
            }
        };
        for (number, kill) in (1..).zip(KILLS) {
            for (night, kill) in [(2 * number, Some(kill)), (2 * number + 1, None)] {
                billing.change("/things", |rows| *rows = records(night));
                let mut command = sandbox.command(&["run", "lakeward.yaml"]);
                let ended = Running::spawn(command.envs(kill.map(|kill| ("LAKEWARD_FAULT", kill)))).end();
                let is_right = if kill.is_some() { ended.status.signal() == Some(9) } else { ended.code() == Some(0) };
                if !is_right {
                    faults.lock().unwrap().push(format!("night {night}, {kill:?}: {ended}"));
                }
                all_look();
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} faults, the first: {:#?}", faults.len(), &faults[..faults.len().min(5)]);
    assert_eq!(sandbox.rows("things").len(), records(2 * KILLS.len() as i64 + 1).len());
}
