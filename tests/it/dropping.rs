//! `--full-refresh=drop_sources`: what is no longer in the config leaves the lake, with its files, its state and its claim, or nothing does.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY, wallet};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Ended, Running, Sandbox, files_under};

/// A config of this pipeline with a resource and a table for each path.
fn config(api: &FakeApi, pipeline: &str, paths: &[&str]) -> String {
    let resources: Vec<String> = paths.iter().map(|path| format!("{{name: {path}, endpoint: /{path}}}")).collect();
    format!(
        "name: {pipeline}\nclient: {{base_url: {}, auth: {{type: api_key, name: api_key, api_key: {KEY}, location: query}}}}\n\
         resource_defaults: {{write_disposition: merge, primary_key: id, \
         endpoint: {{data_selector: data, paginator: {{type: offset, limit: 100}}}}}}\n\
         resources: [{}]\nlake: {{url: ./lake}}\n",
        api.url(),
        resources.join(", ")
    )
}

/// A lake with the tables `kept` and `old` of the pipeline `one`, whose config has `kept` alone by now. `both.yaml` has both,
/// `other.yaml` is a pipeline `other` with `old`.
fn outgrown() -> (FakeApi, Sandbox) {
    let billing = Billing::new(&[("/kept", (1..=150).map(wallet).collect()), ("/old", (1..=30).map(wallet).collect())]);
    let api = billing.serve();
    let sandbox = Sandbox::with_config(&config(&api, "one", &["kept"]));
    sandbox.write("both.yaml", &config(&api, "one", &["kept", "old"]));
    sandbox.write("other.yaml", &config(&api, "other", &["old"]));
    assert_eq!(sandbox.lakeward(&["run", "both.yaml"]).code(), Some(0));
    (api, sandbox)
}

const DROP: [&str; 3] = ["run", "lakeward.yaml", "--full-refresh=drop_sources"];

/// The resources that the newest record of `one` remembers, and its tables.
fn remembered(sandbox: &Sandbox) -> [Vec<String>; 2] {
    let mut log = files_under(&sandbox.lake().join("_lakeward/one/log"));
    log.retain(|name, _| name.ends_with(".json"));
    let record: Value = serde_json::from_slice(&log.pop_last().unwrap().1).unwrap();
    ["state", "tables"].map(|member| record[member].as_object().unwrap().keys().cloned().collect())
}

fn has_claim(sandbox: &Sandbox) -> bool {
    let claims = sandbox.lake().join("_lakeward/_tables");
    let record = |number: u32| if number == 0 { "old.json".to_owned() } else { format!("{number}/old.json") };
    let newest = (0..).map_while(|number| std::fs::read_to_string(claims.join(record(number))).ok()).last();
    newest.is_some_and(|claim| !claim.contains("\"released\":true"))
}

#[track_caller]
fn check_dropped(ended: &Ended, sandbox: &Sandbox) {
    assert_eq!((ended.code(), &ended.summary()["dropped"]), (Some(0), &json!(["old"])), "{ended}");
    assert!(ended.stderr.contains("table `old`: dropped"), "{ended}");
    assert_eq!(remembered(sandbox), [["kept"], ["kept"]]);
    assert!(!has_claim(sandbox));
}

#[test]
fn what_is_no_longer_in_the_config_is_dropped_with_its_files_its_state_and_its_claim() {
    let (_api, sandbox) = outgrown();
    let kept = sandbox.rows("kept").len();
    sandbox.lakeward(&["run", "other.yaml"]).failed_with(2, &["belongs to pipeline `one`", "--full-refresh=drop_sources"]);
    // Neither a night nor another refresh drops a table.
    for arguments in [&DROP[..2], &["run", "lakeward.yaml", "--full-refresh"]] {
        let ended = sandbox.lakeward(arguments);
        assert_eq!((ended.code(), &ended.summary()["dropped"]), (Some(0), &json!([])), "{ended}");
        assert_eq!((sandbox.rows("old").len(), has_claim(&sandbox)), (30, true));
    }
    check_dropped(&sandbox.lakeward(&DROP), &sandbox);
    assert!(!sandbox.lake().join("old").exists(), "its folder stays");
    assert_eq!(sandbox.rows("kept").len(), kept);
    let again = sandbox.lakeward(&DROP);
    assert_eq!((again.code(), &again.summary()["dropped"]), (Some(0), &json!([])), "{again}");
    // The name is free for another pipeline.
    assert_eq!(sandbox.lakeward(&["run", "other.yaml"]).code(), Some(0));
    assert_eq!(sandbox.by_key("old", "id").len(), 30);
    sandbox.lakeward(&["run", "both.yaml"]).failed_with(2, &["belongs to pipeline `other`"]);
    check_foreign_table_stays(&sandbox);
}

/// A refresh of `one` leaves what belongs to `other`.
fn check_foreign_table_stays(sandbox: &Sandbox) {
    let before = sandbox.files("old");
    assert_eq!(sandbox.lakeward(&DROP).code(), Some(0));
    assert!(before == sandbox.files("old"));
}

#[test]
fn foreign_files_in_the_folder_of_a_dropped_table_stay_and_are_named() {
    let (_api, sandbox) = outgrown();
    // What became of the table's own files is no obstacle.
    let (path, bytes) = sandbox.files("old").pop_first().unwrap();
    fs::write(sandbox.lake().join("old").join(&path), &bytes[..bytes.len() / 2]).unwrap();
    sandbox.write("lake/old/notes.csv", "mine");
    let strict = sandbox.lakeward(&[&DROP[..], &["--strict"]].concat());
    strict.failed_with(3, &["foreign_files_left", "`old/notes.csv`"]);
    assert_eq!((sandbox.files("old").len(), &strict.summary()["dropped"]), (2, &json!([])));
    let ended = sandbox.lakeward(&DROP);
    check_dropped(&ended, &sandbox);
    assert_eq!(ended.summary()["warnings"][0]["code"], "foreign_files_left", "{ended}");
    assert_eq!(sandbox.files("old").into_keys().collect::<Vec<_>>(), ["notes.csv"]);
}

#[test]
fn nothing_is_dropped_when_a_resource_fails_or_only_some_are_asked_for() {
    let (api, sandbox) = outgrown();
    let before = sandbox.files("old");
    let one = [&DROP[..], &["--resource", "kept"]].concat();
    sandbox.lakeward(&one).failed_with(2, &["is for all resources", "drop_resources"]);
    sandbox.write("lakeward.yaml", &config(&api, "one", &["kept", "gone"]));
    let ended = sandbox.lakeward(&DROP);
    assert_eq!((ended.code(), &ended.summary()["dropped"]), (Some(20), &json!([])), "{ended}");
    assert!(before == sandbox.files("old") && has_claim(&sandbox), "{ended}");
    assert_eq!(remembered(&sandbox), [["kept", "old"], ["kept", "old"]]);
    // A resource that is not loaded has its table all the same, and is enough of a run to drop another one.
    let skipped = config(&api, "one", &["kept"]).replace("endpoint: /kept", "endpoint: /kept, write_disposition: skip");
    sandbox.write("lakeward.yaml", &skipped);
    check_dropped(&sandbox.lakeward(&DROP), &sandbox);
    assert_eq!(sandbox.rows("kept").len(), 150);
}

#[test]
fn a_drop_that_is_killed_is_finished_by_the_next_run_or_has_not_begun() {
    for point in [
        "lake.commit.after_claims",
        "lake.commit.after_create",
        "lake.publish.delete",
        "lake.publish.release",
        "lake.publish.before_done",
        "lake.publish.after_done",
    ] {
        let (_api, sandbox) = outgrown();
        let fault = format!("{point}=kill");
        let killed = Running::spawn(sandbox.command(&DROP).env("LAKEWARD_FAULT", fault)).end();
        assert_eq!(killed.status.signal(), Some(9), "{point}: {killed}");
        let is_committed = point != "lake.commit.after_claims";
        sandbox.run_ok();
        let tables: &[&str] = if is_committed { &["kept"] } else { &["kept", "old"] };
        assert_eq!(remembered(&sandbox), [tables, tables], "{point}");
        assert_eq!((sandbox.files("old").is_empty(), has_claim(&sandbox)), (is_committed, !is_committed), "{point}");
        // Whoever wants the name has the table anew.
        let next = if point == "lake.publish.delete" { "other.yaml" } else { "both.yaml" };
        let ended = sandbox.lakeward(&["run", next]);
        assert_eq!((ended.code(), sandbox.by_key("old", "id").len()), (Some(0), 30), "{point}: {ended}");
        assert_eq!(sandbox.lakeward(&["run", next]).code(), Some(0), "{point}");
    }
}

#[test]
fn a_file_that_is_lost_of_a_table_no_longer_in_the_config_is_told_and_stops_nothing() {
    let billing = Billing::new(&[("/kept", (1..=150).map(wallet).collect()), ("/old", (1..=30).map(wallet).collect())]);
    let api = billing.serve();
    let sandbox = Sandbox::with_config(&config(&api, "one", &["kept"]));
    sandbox.write("both.yaml", &config(&api, "one", &["kept", "old"]));
    assert_eq!(sandbox.lakeward(&["run", "both.yaml"]).code(), Some(0));
    billing.change("/old", |rows| rows[3]["balance"] = json!(-1));
    let mut command = sandbox.command(&["run", "both.yaml"]);
    let killed = Running::spawn(command.env("LAKEWARD_FAULT", "lake.commit.after_create=kill")).end();
    assert_eq!(killed.status.signal(), Some(9), "{killed}");
    let staging = sandbox.lake().join("_lakeward/one/staging");
    for name in files_under(&staging).keys() {
        fs::remove_file(staging.join(name)).unwrap();
    }
    // Where the table is in the config the loss is no night's to pass over, and only its own refresh helps.
    sandbox.lakeward(&["run", "both.yaml"]).failed_with(3, &["neither staged nor published", "--full-refresh"]);
    let ended = sandbox.run_ok();
    assert_eq!(ended.summary()["warnings"][0]["code"], "committed_file_lost", "{ended}");
    assert!(
        ended.stderr.contains("table `old`, which no resource of the config has") && ended.stderr.contains(".parquet"),
        "{ended}"
    );
    // The ways out that it names.
    assert_eq!(sandbox.lakeward(&["run", "both.yaml", "--full-refresh"]).code(), Some(0));
    assert_eq!(sandbox.by_key("old", "id")[&4]["balance"], -1);
    check_dropped(&sandbox.lakeward(&DROP), &sandbox);
}
