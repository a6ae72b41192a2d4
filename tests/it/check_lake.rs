//! `check --online` and `rollback --dry-run` look at the lake as a run does: they are red for what it would be red for, and leave nothing there.

use std::fs;

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Ended, Sandbox, files_under};

const ENDPOINT: &str = "endpoint: {path: /things, data_selector: data, paginator: single_page}";
const MERGE: &str = "primary_key: id\nwrite_disposition: merge";

fn api() -> FakeApi {
    things(|_| {
        let data: Vec<Value> = (1..=20).map(|id| json!({"id": id, "kind": format!("k{}", id % 3), "at": id})).collect();
        answer(&json!({"data": data}))
    })
}

/// A lake with one night of `things`.
fn one_night(api: &FakeApi) -> Sandbox {
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{ENDPOINT}\n{MERGE}")));
    sandbox.run_ok();
    sandbox
}

fn check(sandbox: &Sandbox) -> Ended {
    let before = files_under(&sandbox.lake());
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    assert!(files_under(&sandbox.lake()) == before, "the check wrote into the lake\n{ended}");
    ended
}

/// The check ends as the run does, and with one of its errors.
#[track_caller]
fn check_red(sandbox: &Sandbox, words: &str) {
    let checked = check(sandbox);
    let ran = sandbox.run();
    assert!(ran.code() != Some(0) && ran.stderr.contains(words), "the run does not say `{words}`\n{ran}");
    checked.failed_with(ran.code().unwrap(), &[words]);
    let hint = ran.stderr.lines().find_map(|line| line.split_once("hint: ").map(|(_, hint)| hint));
    if let Some(hint) = hint {
        assert!(checked.stderr.contains(hint), "the check lacks the hint `{hint}`\n{checked}");
    }
}

#[test]
fn check_online_is_red_for_what_the_lake_makes_a_run_red_for() {
    let api = api();
    let other = |resource: &str| {
        let sandbox = one_night(&api);
        sandbox.write("lakeward.yaml", &things_config(&api.url(), resource));
        sandbox
    };
    let green = check(&one_night(&api));
    assert!(green.code() == Some(0) && green.stdout.contains("and the lake can take what came"), "{green}");
    check_red(&other(&format!("{ENDPOINT}\nprimary_key: at\nwrite_disposition: merge")), "has primary key id, the config at");
    check_red(&other(&format!("{ENDPOINT}\n{MERGE}\npartition_by: kind")), "has partitioning none, the config kind");
    let incremental = ENDPOINT.replace("single_page}", "single_page, incremental: {cursor_path: at}}");
    check_red(&other(&format!("{incremental}\nwrite_disposition: append")), "was loaded by `merge`");
    let frozen =
        other(&format!("{ENDPOINT}\n{MERGE}\nschema_contract: {{columns: freeze}}\nprocessing_steps: [{{set: {{x: kind}}}}]"));
    check_red(&frozen, "has the new column `x`");
    check_red(&other(&format!("{ENDPOINT}\n{MERGE}\nprocessing_steps: [{{set: {{id: \"'a'\"}}}}]")), "key column `id`");

    let foreign = one_night(&api);
    fs::write(foreign.lake().join("things/mine.parquet"), "x").unwrap();
    check_red(&foreign, "mine.parquet` was not written by lakeward");
    let gone = one_night(&api);
    fs::remove_file(gone.lake().join("things").join(gone.files("things").keys().next().unwrap())).unwrap();
    check_red(&gone, "load the table anew with `--full-refresh --resource things`");
    let damaged = one_night(&api);
    fs::write(damaged.lake().join("_lakeward/things/log/00000000000000000001.json"), "{").unwrap();
    check_red(&damaged, "is not readable");
    let taken = one_night(&api);
    let config =
        fs::read_to_string(taken.path().join("lakeward.yaml")).unwrap().replace("name: things\nclient", "name: second\nclient");
    taken.write("lakeward.yaml", &config);
    check_red(&taken, "belongs to pipeline `things`");
}

#[test]
fn check_online_tries_out_whether_the_lake_may_be_written_and_leaves_nothing() {
    let api = api();
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{ENDPOINT}\n{MERGE}")));
    let ended = check(&sandbox);
    assert!(ended.code() == Some(0) && !sandbox.lake().exists(), "{ended}");
    fs::write(sandbox.lake(), "a file").unwrap();
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    ended.failed_with(sandbox.run().code().unwrap(), &["look at `lake.url`"]);
    assert_eq!(fs::read_to_string(sandbox.lake()).unwrap(), "a file");
}

#[test]
fn check_online_is_red_for_a_table_folder_that_this_user_may_not_write_into() {
    use std::os::unix::fs::PermissionsExt;
    let api = api();
    let sandbox = one_night(&api);
    let folder = sandbox.lake().join("things");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // To root nothing is forbidden.
    let is_forbidden = fs::File::create(folder.join("tried")).is_err();
    if !is_forbidden {
        fs::remove_file(folder.join("tried")).unwrap();
    }
    let ended = check(&sandbox);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(ended.code(), Some(if is_forbidden { 2 } else { 0 }), "{ended}");
}

#[test]
fn a_dry_rollback_ends_as_the_rollback_does() {
    let api = api();
    let outgrown = || {
        let sandbox = one_night(&api);
        let other = things_config(&api.url(), &format!("{ENDPOINT}\n{MERGE}\ntable_name: others"));
        sandbox.write("lakeward.yaml", &other);
        let dropped = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh=drop_sources"]);
        assert_eq!(dropped.code(), Some(0), "{dropped}");
        sandbox
    };
    let both = |sandbox: &Sandbox| {
        let before = files_under(&sandbox.lake());
        let dry = sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1", "--dry-run"]);
        assert!(files_under(&sandbox.lake()) == before, "a dry run wrote something");
        (dry, sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]))
    };
    let check = |sandbox: &Sandbox, code: i32, words: &str| {
        let (dry, real) = both(sandbox);
        dry.failed_with(code, &[words]);
        real.failed_with(code, &[words]);
    };
    let (dry, real) = both(&outgrown());
    assert_eq!((dry.code(), real.code()), (Some(0), Some(0)), "{dry}\n{real}");
    assert!(dry.stdout.contains("things: 0 rows -> 20 rows"), "{dry}");

    let taken = outgrown();
    let second =
        things_config(&api.url(), &format!("{ENDPOINT}\n{MERGE}")).replace("name: things\nclient", "name: second\nclient");
    taken.write("second.yaml", &second);
    assert_eq!(taken.lakeward(&["run", "second.yaml"]).code(), Some(0));
    check(&taken, 2, "belongs to pipeline `second`");
    let damaged = outgrown();
    let kept = damaged.lake().join("_lakeward/things/kept");
    for (path, mut bytes) in files_under(&kept).into_iter().filter(|(path, _)| path.ends_with(".kept")) {
        bytes[20] ^= 1;
        fs::write(kept.join(path), bytes).unwrap();
    }
    check(&damaged, 3, "is damaged or was exchanged");
    let foreign = outgrown();
    fs::write(foreign.lake().join("others/mine.parquet"), "x").unwrap();
    check(&foreign, 3, "mine.parquet` was not written by lakeward");
}
