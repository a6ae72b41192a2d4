//! What is told to whoever is stuck works when it is typed, and says what is.

use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox, files_under};

/// Records `from` to `to`, one an hour, with a value that each night has anew.
fn records(from: u64, to: u64, night: u64) -> Vec<Value> {
    let at = |id: u64| format!("2026-11-{:02}T{:02}:00:00Z", 1 + id / 24, id % 24);
    (from..=to).map(|id| json!({"id": id, "night": night, "at": at(id)})).collect()
}

/// An API whose `/things` has what a test puts there, from `since` on.
fn api(served: &Arc<Mutex<Vec<Value>>>) -> FakeApi {
    let served = Arc::clone(served);
    FakeApi::start().on("/things", move |request: &Request| {
        let since = request.param("since").unwrap_or_default().to_owned();
        let all = served.lock().unwrap().clone();
        let page: Vec<Value> = all.into_iter().filter(|record| record["at"].as_str().unwrap() >= since.as_str()).collect();
        Reply::json(json!(page).to_string())
    })
}

fn config(name: &str, url: &str, resources: &str) -> String {
    format!("name: {name}\nclient: {{base_url: \"{url}\"}}\nlake: {{url: ./lake}}\nresources:\n{resources}")
}

/// Runs a command as it is printed, without its program.
fn typed(sandbox: &Sandbox, command: &str) -> Ended {
    sandbox.lakeward(&command.split(' ').skip(1).collect::<Vec<_>>())
}

const MERGED: &str =
    "  - {name: things, primary_key: id, write_disposition: merge, endpoint: {path: /things, paginator: single_page}}\n";
const ADDED: &str = "  - {name: added, write_disposition: append, endpoint: {path: /things, paginator: single_page}}\n";
const INCREMENTAL: &str = "  - name: since\n    write_disposition: append\n    \
     endpoint: {path: /things, paginator: single_page, incremental: {cursor_path: at, start_param: since, initial_value: \"2026-11-01T00:00:00Z\"}}\n";

#[test]
fn status_says_whose_a_table_is_and_not_to_move_its_files() {
    let served = Arc::new(Mutex::new(records(0, 3, 1)));
    let api = api(&served);
    let sandbox = Sandbox::with_config(&config("first", &api.url(), MERGED));
    sandbox.run_ok();
    sandbox.write("second.yaml", &config("second", &api.url(), MERGED));
    let said = "table `things` of this lake belongs to pipeline `first`";
    let status = sandbox.lakeward(&["status", "second.yaml"]);
    status.failed_with(2, &[said, "another `table_name`"]);
    assert!(!status.stderr.contains("not written by lakeward") && !status.stderr.contains("move them out"), "{status}");
    sandbox.lakeward(&["run", "second.yaml"]).failed_with(2, &[said]);
}

#[test]
fn status_tells_what_a_run_writes_of_each_kind_of_resource() {
    let said = |resources: &str| {
        let sandbox = Sandbox::with_config(&config("p", "http://127.0.0.1:9", resources));
        let status = sandbox.lakeward(&["status", "lakeward.yaml"]);
        let said: Vec<String> =
            status.stdout.lines().filter_map(|line| line.strip_prefix("a run fetches ")).map(str::to_owned).collect();
        said
    };
    let twice = "every page of added again, and `append` adds all records once more";
    assert_eq!(said(ADDED), [twice]);
    assert_eq!(said(INCREMENTAL), ["since from its cursor on"]);
    let unasked = ["every page of since again, and takes what comes from its cursor on: no `start_param` asks the API for less"];
    assert_eq!(said(&INCREMENTAL.replace("start_param: since, ", "")), unasked);
    let initial = ", initial_value: \"2026-11-01T00:00:00Z\"}";
    for asks in ["row_order: desc}", "initial_value: 0}, params: {since: '{incremental.start_value}'}"] {
        let asks = INCREMENTAL.replace("start_param: since", asks).replace(&format!("}}{initial}"), "}").replace(initial, "");
        assert_eq!(said(&asks), ["since from its cursor on"], "{asks}");
    }
    assert_eq!(said(MERGED), ["every page of things again and writes only the files that change"]);
    let one_more = MERGED.replace("name: things", "name: more");
    assert_eq!(
        said(&[MERGED, ADDED, INCREMENTAL, &one_more].concat()),
        ["since from its cursor on", twice, "every page of every other resource again and writes only the files that change"]
    );
    assert_eq!(said(&[MERGED, &one_more].concat()), ["every page of every resource again and writes only the files that change"]);
}

#[test]
fn a_backfill_says_that_the_cursor_is_left_as_it_is() {
    let served = Arc::new(Mutex::new(records(0, 30, 1)));
    let api = api(&served);
    let sandbox = Sandbox::with_config(&config("p", &api.url(), INCREMENTAL));
    sandbox.write("merged.yaml", &config("p", &api.url(), &INCREMENTAL.replace("append", "merge\n    primary_key: id")));
    assert_eq!(sandbox.lakeward(&["run", "merged.yaml"]).code(), Some(0));
    let range = ["backfill", "merged.yaml", "--from", "2026-11-01T00:00:00Z", "--to", "2026-11-01T05:00:00Z"];
    let backfill = sandbox.lakeward(&range);
    assert!(backfill.code() == Some(0) && backfill.stderr.contains("cursor left as it is"), "{backfill}");
}

#[test]
fn history_prints_what_undoes_a_commit_and_a_compaction_takes_no_undo() {
    let served = Arc::new(Mutex::new(records(0, 9, 1)));
    let api = api(&served);
    let sandbox = Sandbox::with_config(&config("p", &api.url(), &[MERGED, ADDED].concat()));
    sandbox.run_ok();
    let first = sandbox.by_key("things", "id");
    *served.lock().unwrap() = records(0, 9, 2);
    sandbox.run_ok();
    let undo = |sandbox: &Sandbox| -> Vec<String> {
        let history = sandbox.lakeward(&["history", "lakeward.yaml"]);
        let undo = history.stdout.lines().filter_map(|line| line.split_once("(undo: ")?.1.strip_suffix(')'));
        undo.map(str::to_owned).collect()
    };
    let to = |version: u64| format!("lakeward rollback lakeward.yaml --to {version}");
    assert_eq!(undo(&sandbox), [to(1)]);
    let compacted = sandbox.lakeward(&["compact", "lakeward.yaml"]);
    assert!(compacted.code() == Some(0) && compacted.stdout.contains("added: put 2 small files"), "{compacted}");
    assert_eq!(undo(&sandbox), [to(2), to(1)]);
    let back = typed(&sandbox, &undo(&sandbox)[1]);
    assert!(back.code() == Some(0) && back.stdout.contains("version 4 is version 1 again"), "{back}");
    assert_eq!((sandbox.by_key("things", "id"), sandbox.rows("added").len()), (first, 10));
    assert_eq!(sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]).code(), Some(0));

    // Version 1 goes with the next nights, and what there is instead is named.
    for night in 3..=4 {
        *served.lock().unwrap() = records(0, 9, night);
        sandbox.run_ok();
    }
    let gone = sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]);
    gone.failed_with(2, &["version 1 is not kept whole", "of the older versions, 5 is kept"]);
    assert_eq!(undo(&sandbox), [to(5)]);
    let back = typed(&sandbox, &to(5));
    assert_eq!(back.code(), Some(0), "{back}");
    assert!(sandbox.by_key("things", "id").values().all(|row| row["night"].as_i64() == Some(3)));
}

#[test]
fn a_folder_with_files_of_no_commit_is_told_as_that_and_both_ways_out_work() {
    let served = Arc::new(Mutex::new(records(0, 9, 1)));
    let api = api(&served);
    let sandbox = Sandbox::with_config(&config("p", &api.url(), MERGED));
    sandbox.run_ok();
    let before = sandbox.by_key("things", "id");
    // Lakeward's own folder is lost: to begin anew is to move the files away.
    fs::rename(sandbox.lake().join("_lakeward"), sandbox.path().join("lost")).unwrap();
    let folder = sandbox.lake().join("things");
    let said = format!("folder `{}` has files that lakeward did not write, or whose commits are gone", folder.display());
    let way = format!("move them out of `{}`", folder.display());
    for command in [&["run", "lakeward.yaml"][..], &["status", "lakeward.yaml"], &["run", "lakeward.yaml", "--full-refresh"]] {
        let ended = sandbox.lakeward(command);
        ended.failed_with(3, &[&said, &way, "another `table_name`"]);
        assert!(!ended.stderr.contains("the last commit"), "{ended}");
    }
    sandbox.write("other.yaml", &config("p", &api.url(), &MERGED.replace("primary_key", "table_name: others, primary_key")));
    assert_eq!(sandbox.lakeward(&["run", "other.yaml"]).code(), Some(0));
    fs::rename(&folder, sandbox.path().join("things")).unwrap();
    sandbox.run_ok();
    assert_eq!(sandbox.by_key("things", "id"), before);
}

/// Newest first, 10 a page, and nothing but `has_more` around them.
fn pages(request: &Request) -> Reply {
    let (page, per) = (request.number("page", 1), 10);
    let all = records(0, 34, 1);
    let shown: Vec<&Value> = all.iter().rev().skip((page as usize - 1) * per).take(per).collect();
    Reply::json(json!({"items": shown, "has_more": page as usize * per < all.len()}).to_string())
}

#[test]
fn an_api_of_page_numbers_that_says_has_more_alone_is_told_what_works() {
    let api = FakeApi::start().on("/things", pages);
    let run = |paginator: &str| {
        let endpoint = format!("{{path: /things{paginator}}}");
        let sandbox = Sandbox::with_config(&config(
            "p",
            &api.url(),
            &format!("  - {{name: things, write_disposition: replace, endpoint: {endpoint}}}\n"),
        ));
        (sandbox.run(), sandbox)
    };
    let (ended, _) = run("");
    ended.failed_with(
        3,
        &["`has_more` is true", "write `paginator: {type: page_number, base_page: 1}` or `paginator: {type: offset"],
    );
    let (ended, _) = run(", paginator: {type: offset, limit: 10}");
    ended.failed_with(3, &["has the records of page 1 again", "`{type: page_number, base_page: 1}`"]);
    let whole = |paginator: &str| {
        let (ended, sandbox) = run(paginator);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 35), "{ended}");
    };
    whole(", paginator: {type: page_number, base_page: 1}");
    // The size that the request itself asks for leads to the pages.
    whole(", params: {per_page: 10}");
}

#[test]
fn a_table_that_is_rebuilt_from_a_later_start_keeps_its_rows_unless_the_config_lets_them_go() {
    let served = Arc::new(Mutex::new(records(0, 199, 1)));
    let api = api(&served);
    let sandbox = Sandbox::with_config(&config("p", &api.url(), INCREMENTAL));
    sandbox.run_ok();
    assert_eq!(sandbox.rows("since").len(), 200);
    let later = INCREMENTAL.replace("2026-11-01", "2026-11-08");
    let before = sandbox.data_files();
    sandbox.write("lakeward.yaml", &config("p", &api.url(), &later));
    for mode in ["--full-refresh", "--full-refresh=drop_sources", "--full-refresh=drop_data"] {
        let refused = sandbox.lakeward(&["run", "lakeward.yaml", mode]);
        let words = ["`2026-11-08T00:00:00Z`", "from `2026-11-01T00:00:00Z` on", "expect: {max_shrink: null}"];
        refused.failed_with(2, &words);
        assert!(sandbox.data_files() == before, "{refused}");
    }
    let allowed = later.replace("    endpoint", "    expect: {max_shrink: null}\n    endpoint");
    sandbox.write("lakeward.yaml", &config("p", &api.url(), &allowed));
    assert_eq!(sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).code(), Some(0));
    assert_eq!(sandbox.rows("since").len(), 32);

    // Nor is it rebuilt from an API that has most of them no more.
    sandbox.write("lakeward.yaml", &config("p", &api.url(), INCREMENTAL));
    assert_eq!(sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).code(), Some(0));
    *served.lock().unwrap() = records(190, 199, 1);
    let refused = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    refused.failed_with(3, &["would shrink from 200 to 10 rows", "write `expect: {max_shrink: null}`"]);
    assert!(files_under(&sandbox.lake().join("since")).len() == 1 && sandbox.rows("since").len() == 200);
}

#[test]
fn a_config_that_calls_things_as_others_do_is_told_what_they_are_called_here() {
    let api = FakeApi::start().page("/things", r#"[{"id": 1, "name": "Ada"}]"#);
    let check = |resource: &str, words: &[&str]| {
        let sandbox = Sandbox::with_config(&config("p", &api.url(), &format!("  - {{name: things, {resource}}}\n")));
        sandbox.lakeward(&["check", "lakeward.yaml"]).failed_with(2, words);
    };
    check("write_disposition: upsert", &["did you mean `merge`?"]);
    check("columns: {id: {data_type: int}}", &["write `data_type: bigint`"]);
    check("endpoint: {path: /things, paginator: page}", &["did you mean `page_number`?"]);
    check("processing_steps: [{filter: \"id = 1\"}]", &["did you mean `==`?"]);

    let sandbox = Sandbox::new();
    sandbox.write("short.yaml", "name: p\nclient:\nlake: ./lake\nresources: [things]\n");
    let short = sandbox.lakeward(&["check", "short.yaml"]);
    short.failed_with(2, &["`client`: nothing stands here", "as in `lake: {url: ./lake}`"]);
    sandbox.write("pipeline.py", "import dlt\n");
    let script = sandbox.lakeward(&["run", "pipeline.py"]);
    script.failed_with(2, &["it is a Python script", "`lakeward import pipeline.py --output pipeline.yaml`"]);
    sandbox.lakeward(&["import", "short.yaml"]).failed_with(2, &["`lakeward run short.yaml`"]);
    let spaced = sandbox.lakeward(&["run", "short.yaml", "--full-refresh", "drop_sources"]);
    spaced.failed_with(2, &["`--full-refresh=drop_sources`"]);
}

#[test]
fn a_declared_type_that_values_have_not_is_told_by_its_key_and_a_keyed_append_as_what_it_is() {
    let api = FakeApi::start().page("/things", r#"{"rows": [{"id": 1, "name": "Ada"}]}"#);
    let resource = |more: &str| {
        let endpoint = "endpoint: {path: /things, data_selector: rows, paginator: single_page}";
        let text = format!("  - {{name: things, primary_key: id, write_disposition: append, {endpoint}{more}}}\n");
        Sandbox::with_config(&config("p", &api.url(), &text))
    };
    let declared = resource(", columns: {name: {data_type: bigint}}");
    declared.run().failed_with(3, &["change `columns.name.data_type`"]);
    let plain = resource("");
    let check = plain.lakeward(&["check", "lakeward.yaml"]);
    assert!(check.stdout.contains("append by id (one row a key within a run only)"), "{check}");
    plain.run_ok();
    let status = plain.lakeward(&["status", "lakeward.yaml"]);
    assert!(!status.stdout.contains("found out"), "{status}");
}

#[test]
fn status_lists_rollbacks_and_killed_runs_among_the_last_runs() {
    let served = Arc::new(Mutex::new(records(0, 3, 1)));
    let api = api(&served);
    let sandbox = Sandbox::with_config(&config("p", &api.url(), MERGED));
    sandbox.run_ok();
    *served.lock().unwrap() = records(0, 3, 2);
    let mut killed = sandbox.command(&["run", "lakeward.yaml"]);
    let killed = crate::support::sandbox::Running::spawn(killed.env("LAKEWARD_FAULT", "lake.commit.before_stage=kill")).end();
    assert_eq!(killed.code(), None, "{killed}");
    sandbox.run_ok();
    assert_eq!(sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]).code(), Some(0));
    let status = sandbox.lakeward(&["status", "lakeward.yaml"]);
    let (_, last) = status.stdout.split_once("last runs\n").unwrap();
    let kinds: Vec<&str> =
        last.lines().take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(kinds, ["rollback", "success", "killed", "success"], "{status}");
}

#[test]
fn a_token_that_is_refused_is_told_with_what_lakeward_puts_before_it() {
    let api = FakeApi::start().on("/things", |request: &Request| match request.header("authorization") {
        Some("Bearer t0ken-of-ours") => Reply::json("[]"),
        _ => Reply::status(401),
    });
    let text = config("p", &api.url(), MERGED).replace("\"}\nlake", "\", auth: {type: bearer, token: \"${TOKEN}\"}}\nlake");
    let sandbox = Sandbox::with_config(&text).env("TOKEN", "Bearer t0ken-of-ours");
    sandbox.run().failed_with(4, &["a `Bearer ` before it is lakeward's to add"]);
}

#[test]
fn in_the_wrong_folder_no_operation_makes_a_lake_or_claims_success() {
    let text = config("p", "http://127.0.0.1:9", MERGED);
    let sandbox = Sandbox::with_config(&text);
    let place = fs::canonicalize(sandbox.path()).unwrap().join("lake").display().to_string();
    let words = ["nothing is committed yet in", &*place, "is this the lake?"];
    for command in [
        &["gc", "lakeward.yaml"][..],
        &["gc", "lakeward.yaml", "--apply"],
        &["compact", "lakeward.yaml"],
        &["compact", "lakeward.yaml", "--dry-run"],
        &["rollback", "lakeward.yaml", "--to", "1"],
        &["repair", "lakeward.yaml", "--apply"],
        &["abandon", "lakeward.yaml", "1", "--apply"],
        &["table", "drop", "lakeward.yaml", "things", "--apply"],
        &["table", "rename", "lakeward.yaml", "things", "others", "--apply"],
        &["table", "rekey", "lakeward.yaml", "things", "--apply"],
        &["files", "lakeward.yaml"],
        &["diff", "lakeward.yaml", "1", "2"],
        &["verify", "lakeward.yaml"],
    ] {
        let ended = sandbox.lakeward(command);
        ended.failed_with(3, &words);
        assert!(!sandbox.lake().exists(), "{command:?}: {ended}");
    }
    for command in ["status", "history", "doctor"] {
        let ended = sandbox.lakeward(&[command, "lakeward.yaml"]);
        ended.failed_with(0, &["is this the lake?"]);
        assert!(ended.stdout.contains(&place) && !sandbox.lake().exists(), "{command}: {ended}");
    }
}

#[test]
fn a_file_that_is_gone_is_told_with_the_repair_first_and_that_works_when_typed() {
    for way in
        [&["doctor", "lakeward.yaml"][..], &["status", "lakeward.yaml"], &["run", "lakeward.yaml"], &["verify", "lakeward.yaml"]]
    {
        let served = Arc::new(Mutex::new(records(0, 9, 1)));
        let api = api(&served);
        let keeping = config("p", &api.url(), MERGED).replace("{url: ./lake}", "{url: ./lake, keep_versions: 3}");
        let sandbox = Sandbox::with_config(&keeping);
        sandbox.run_ok();
        *served.lock().unwrap() = records(0, 9, 2);
        sandbox.run_ok();
        sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]).failed_with(0, &[]);
        *served.lock().unwrap() = records(0, 9, 1);
        let (path, bytes) = sandbox.data_files().pop_first().unwrap();
        assert!(files_under(&sandbox.lake().join("_lakeward")).into_values().any(|content| content == bytes), "a copy is kept");
        fs::remove_file(sandbox.lake().join(&path)).unwrap();
        let told = sandbox.lakeward(way);
        let all = format!("{}{}", told.stdout, told.stderr);
        let command = "lakeward repair lakeward.yaml things --apply";
        let (repair, anew) = (all.find(command), all.find("--full-refresh --resource things"));
        assert!(told.code() == Some(3) && repair.is_some() && repair < anew, "{told}");
        assert!(all.contains("rows that the API has no more"), "{told}");
        let done = typed(&sandbox, command);
        assert_eq!(done.code(), Some(0), "{done}");
        assert_eq!(sandbox.data_files()[&path], bytes);
        sandbox.run_ok();
    }
}

#[test]
fn a_file_of_nobody_is_to_be_moved_out_and_no_command_refers_to_another_in_a_circle() {
    let served = Arc::new(Mutex::new(records(0, 9, 1)));
    let api = api(&served);
    let sandbox = Sandbox::with_config(&config("p", &api.url(), MERGED));
    sandbox.run_ok();
    let stranger = sandbox.lake().join("things/own.parquet");
    fs::write(&stranger, "mine").unwrap();
    for command in ["repair", "verify", "status", "doctor"] {
        let told = sandbox.lakeward(&[command, "lakeward.yaml"]);
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(told.code() == Some(3) && all.contains("out of the table's folder"), "{told}");
        assert!(!all.contains("lakeward verify") && !all.contains("lakeward repair"), "{told}");
    }
    fs::remove_file(&stranger).unwrap();
    sandbox.lakeward(&["repair", "lakeward.yaml"]).failed_with(0, &[]);
    sandbox.run_ok();
}

#[test]
fn each_operation_takes_both_how_it_is_told_and_how_it_is_done() {
    let served = Arc::new(Mutex::new(records(0, 9, 1)));
    let api = api(&served);
    let sandbox = Sandbox::with_config(&config("p", &api.url(), MERGED));
    sandbox.run_ok();
    *served.lock().unwrap() = records(0, 9, 2);
    sandbox.run_ok();
    let ends = |command: &[&str]| {
        let ended = sandbox.lakeward(command);
        assert_eq!(ended.code(), Some(0), "{command:?}: {ended}");
    };
    for command in [&["gc", "lakeward.yaml"][..], &["compact", "lakeward.yaml"], &["repair", "lakeward.yaml"]] {
        ends(&[command, &["--dry-run"]].concat());
        ends(&[command, &["--apply"]].concat());
        sandbox.lakeward(&[command, &["--apply", "--dry-run"]].concat()).failed_with(2, &["cannot be used with"]);
    }
    let before = sandbox.data_files();
    ends(&["table", "drop", "lakeward.yaml", "things", "--dry-run"]);
    ends(&["rollback", "lakeward.yaml", "--to", "1", "--dry-run"]);
    assert!(sandbox.data_files() == before);
    ends(&["rollback", "lakeward.yaml", "--to", "1", "--apply"]);
    assert!(sandbox.data_files() != before);
}
