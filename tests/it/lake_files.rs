//! What lies in a lake and is not what lakeward left there: another pipeline's table, damaged files, traps in its own folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::billing::{Billing, things_config};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Running, Sandbox};

/// Things for one page each night.
fn things(count: i64, version: &str) -> Vec<Value> {
    (0..count).map(|id| json!({"id": id, "v": format!("{version} {id}")})).collect()
}

/// The API, and a sandbox with a pipeline `things` of its own and one of another name in `other.yaml`.
fn pipelines() -> (Billing, FakeApi, Sandbox) {
    let billing = Billing::new(&[("/things", things(50, "old"))]);
    let api = billing.serve();
    let keys = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}\nprimary_key: id\nwrite_disposition: merge";
    let config = things_config(&api.url(), keys);
    let sandbox = Sandbox::with_config(&config);
    sandbox.write("other.yaml", &config.replacen("name: things", "name: other", 1));
    (billing, api, sandbox)
}

#[test]
fn e_108_of_two_pipelines_with_one_table_the_second_is_refused_with_the_owners_name() {
    let (_billing, api, sandbox) = pipelines();
    sandbox.run_ok();
    let before = (api.requests().len(), sandbox.data_files());
    let refused = sandbox.lakeward(&["run", "other.yaml"]);
    refused.failed_with(2, &["table `things` of this lake belongs to pipeline `things`", "another `table_name`"]);
    assert!((api.requests().len(), sandbox.data_files()) == before, "{refused}");
    // The way out that the message names.
    let config = fs::read_to_string(sandbox.path().join("other.yaml")).unwrap();
    sandbox.write("other.yaml", &config.replace("primary_key: id", "table_name: others\n    primary_key: id"));
    assert_eq!(sandbox.lakeward(&["run", "other.yaml"]).code(), Some(0));
    assert_eq!((sandbox.rows("things").len(), sandbox.rows("others").len()), (50, 50));
    sandbox.run_ok();
}

#[test]
fn of_two_pipelines_that_start_together_one_has_the_table_and_the_other_is_told() {
    let (_billing, _api, sandbox) = pipelines();
    for race in 0..10 {
        let _ = fs::remove_dir_all(sandbox.lake());
        let pair = ["lakeward.yaml", "other.yaml"].map(|config| Running::spawn(&mut sandbox.command(&["run", config])));
        let [first, second] = pair.map(Running::end);
        let (winner, refused) = if first.code() == Some(0) { (first, second) } else { (second, first) };
        assert_eq!(winner.code(), Some(0), "race {race}: {winner}");
        assert!(matches!(refused.code(), Some(2 | 3)), "race {race}: {refused}");
        assert!(refused.stderr.contains("belongs to pipeline `"), "race {race}: {refused}");
        assert_eq!(sandbox.by_key("things", "id").len(), 50, "race {race}");
    }
}

#[test]
fn a_damaged_file_ends_the_night_by_name_and_a_full_refresh_is_the_way_out() {
    let (billing, _api, sandbox) = pipelines();
    sandbox.run_ok();
    let (path, mut bytes) = sandbox.data_files().pop_first().unwrap();
    // Within the first column's data, so that the footer stays whole.
    bytes[40] ^= 1;
    fs::write(sandbox.lake().join(&path), &bytes).unwrap();
    billing.change("/things", |records| *records = things(51, "new"));
    sandbox.run().failed_with(3, &[&path, "is damaged or was exchanged", "--full-refresh"]);
    assert_eq!(sandbox.data_files()[&path], bytes);
    let refreshed = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!(refreshed.code(), Some(0), "{refreshed}");
    let rows = sandbox.by_key("things", "id");
    assert_eq!((rows.len(), &rows[&7]["v"]), (51, &json!("new 7")));
    // A file that is gone, too.
    let (path, _) = sandbox.data_files().pop_first().unwrap();
    fs::remove_file(sandbox.lake().join(&path)).unwrap();
    let words =
        [&*path, "is missing", "hint: `lakeward repair lakeward.yaml things --apply`", "`--full-refresh --resource things`"];
    sandbox.run().failed_with(3, &words);
    sandbox.lakeward(&["status", "lakeward.yaml"]).failed_with(3, &words);
    let refreshed = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!(refreshed.code(), Some(0), "{refreshed}");
    assert_eq!(sandbox.by_key("things", "id").len(), 51);
}

#[test]
fn a_lease_that_is_a_fifo_is_refused_by_name_and_not_waited_for() {
    let (_billing, api, sandbox) = pipelines();
    sandbox.run_ok();
    let requests = api.requests().len();
    let lease = sandbox.lake().join("_lakeward/things/lease.json");
    assert!(Command::new("mkfifo").arg(&lease).status().unwrap().success());
    sandbox.run().failed_with(3, &["lease.json` is a FIFO", "move it away"]);
    assert_eq!(api.requests().len(), requests);
    fs::remove_file(&lease).unwrap();
    sandbox.run_ok();
}

/// The rows of `things`, each as text, in order.
fn sorted_rows(sandbox: &Sandbox) -> Vec<String> {
    let mut rows: Vec<String> = sandbox.rows("things").iter().map(|row| json!(row).to_string()).collect();
    rows.sort();
    rows
}

#[test]
fn whatever_became_of_a_data_file_a_full_refresh_gives_what_a_first_run_gives() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("damaged", |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[40] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
        ("truncated", |file| fs::write(file, &fs::read(file).unwrap()[..50]).unwrap()),
        ("empty", |file| fs::write(file, []).unwrap()),
        ("missing", |file| fs::remove_file(file).unwrap()),
    ];
    for disposition in ["append", "merge", "replace"] {
        let (billing, api, sandbox) = pipelines();
        let config = fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
        let config = config.replace("write_disposition: merge", &format!("write_disposition: {disposition}"));
        sandbox.write("lakeward.yaml", &config);
        sandbox.run_ok();
        for (night, (damage, spoil)) in (1..).zip(damages) {
            let (path, _) = sandbox.data_files().pop_first().unwrap();
            spoil(&sandbox.lake().join(&path));
            billing.change("/things", |records| *records = things(50 + night, damage));
            let fresh = Sandbox::with_config(&config);
            for (lake, arguments) in
                [(&fresh, &["run", "lakeward.yaml"][..]), (&sandbox, &["run", "lakeward.yaml", "--full-refresh"])]
            {
                let ended = lake.lakeward(arguments);
                assert_eq!(ended.code(), Some(0), "{disposition}, {damage}: {ended}");
            }
            assert!(sorted_rows(&fresh) == sorted_rows(&sandbox), "{disposition}, {damage}");
            assert_eq!(sandbox.rows("things").len() as i64, 50 + night, "{disposition}, {damage}");
            for lake in [&fresh, &sandbox] {
                lake.run_ok();
            }
            assert!(sorted_rows(&fresh) == sorted_rows(&sandbox), "{disposition}, {damage}: the night after");
        }
        drop(api);
    }
}
