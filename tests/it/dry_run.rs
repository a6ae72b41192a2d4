//! `run --dry-run` does everything but the commit: it ends as the run would, tells what would change, and writes nothing into the lake.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Ended, Running, Sandbox, files_under};

const MERGE: &str = "primary_key: id\nwrite_disposition: merge";

/// An API of these records in pages of ten, which a test changes between nights.
fn api() -> (FakeApi, Arc<Mutex<Vec<Value>>>) {
    let records: Arc<Mutex<Vec<Value>>> =
        Arc::new(Mutex::new((1..=30).map(|id| json!({"id": id, "kind": format!("k{}", id % 3), "at": id})).collect()));
    let served = Arc::clone(&records);
    let api = things(move |request| {
        let (records, offset) = (served.lock().unwrap(), request.number("offset", 0) as usize);
        let page = &records[offset.min(records.len())..(offset + 10).min(records.len())];
        answer(&json!({"data": page, "meta": {"total": records.len()}}))
    });
    (api, records)
}

fn sandbox(api: &FakeApi, keys: &str) -> Sandbox {
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 10, total_path: meta.total}}";
    Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\n{keys}")))
}

/// A dry run, which leaves the lake as it is to the byte.
#[track_caller]
fn dry(sandbox: &Sandbox, more: &[&str]) -> Ended {
    let (there, before) = (sandbox.lake().exists(), files_under(&sandbox.lake()));
    let ended = sandbox.lakeward(&[&["run", "lakeward.yaml", "--dry-run"], more].concat());
    assert_eq!(sandbox.lake().exists(), there, "the dry run made the lake\n{ended}");
    assert!(files_under(&sandbox.lake()) == before, "the dry run wrote into the lake\n{ended}");
    assert_eq!(ended.summary()["dry_run"], true, "{ended}");
    ended
}

/// What a summary counts of the rows and files of a table.
fn counts(ended: &Ended) -> Vec<Value> {
    let table = ended.table("things");
    let names = [
        "records",
        "rows_inserted",
        "rows_updated",
        "rows_deleted",
        "rows_unchanged",
        "table_rows",
        "files",
        "files_put",
        "rejects",
        "new_columns",
    ];
    names.map(|name| table[name].clone()).to_vec()
}

/// A dry run ends as the run behind it, and counts what it counts.
#[track_caller]
fn check_foretells(sandbox: &Sandbox) -> (Ended, Ended) {
    let (foretold, ran) = (dry(sandbox, &[]), sandbox.run());
    assert_eq!(foretold.code(), ran.code(), "{foretold}\n{ran}");
    assert_eq!(counts(&foretold), counts(&ran), "{foretold}\n{ran}");
    assert!(ran.summary().get("dry_run").is_none(), "{ran}");
    (foretold, ran)
}

#[test]
fn a_dry_run_tells_the_first_night_and_the_second_as_they_then_are() {
    let (api, records) = api();
    let sandbox = sandbox(&api, &format!("{MERGE}\ncolumns: {{gone: {{hard_delete: true}}}}\npartition_by: kind"));
    records.lock().unwrap().iter_mut().for_each(|record| record["gone"] = json!(false));
    let (first, _) = check_foretells(&sandbox);
    let table = first.table("things");
    assert_eq!((&table["status"], &table["table_is_new"], &table["rows_inserted"]), (&json!("ready"), &json!(true), &json!(30)));
    assert_eq!(
        (first.code(), &first.summary()["status"], &first.summary()["version"]),
        (Some(0), &json!("success"), &Value::Null)
    );
    assert!(
        first.stderr.contains("dry run: nothing was written into the lake") && first.stderr.contains("a new table with"),
        "{first}"
    );

    {
        let mut records = records.lock().unwrap();
        (records[3]["at"], records[4]["gone"]) = (json!(400), json!(true));
        records.push(json!({"id": 31, "kind": "k9", "at": 31, "gone": false, "size": 1}));
    }
    let (second, _) = check_foretells(&sandbox);
    let table = second.table("things");
    let told = [&table["rows_inserted"], &table["rows_updated"], &table["rows_deleted"], &table["new_columns"]];
    assert_eq!(told, [&json!(1), &json!(1), &json!(1), &json!(["size"])], "{second}");
    assert!(second.stderr.contains("new columns: size"), "{second}");
    // A dry run behind it finds nothing to change.
    let third = dry(&sandbox, &[]);
    assert_eq!(third.table("things")["files_put"], 0, "{third}");
}

#[test]
fn a_dry_run_fails_as_the_run_by_guards_and_records_and_leaves_no_report() {
    let (api, records) = api();
    let other = sandbox(&api, "primary_key: idd\nwrite_disposition: merge");
    dry(&other, &[]).failed_with(3, &["`$.idd` should be"]);

    let shrinking = sandbox(&api, "primary_key: id\nwrite_disposition: replace");
    shrinking.run_ok();
    records.lock().unwrap().truncate(3);
    let foretold = dry(&shrinking, &[]);
    let ran = shrinking.run();
    assert_eq!((foretold.code(), ran.code()), (Some(3), Some(3)), "{foretold}\n{ran}");
    assert_eq!(foretold.table("things")["error"], ran.table("things")["error"]);

    let config = dry(&shrinking, &["--resource", "thinks"]);
    config.failed_with(2, &["did you mean `things`?"]);
    shrinking.write("lakeward.yaml", "name: x\n");
    dry(&shrinking, &[]).failed_with(2, &[]);
}

#[test]
fn a_dry_run_keeps_no_rejects_no_marks_and_no_cursor() {
    let (api, records) = api();
    records.lock().unwrap()[7] = json!({"id": null, "at": 8});
    let quarantine = sandbox(&api, &format!("{MERGE}\non_reject: quarantine"));
    let (foretold, ran) = check_foretells(&quarantine);
    assert_eq!((&foretold.table("things")["rejects"], &foretold.table("things")["quarantine"]), (&json!(1), &json!([])));
    assert!(!ran.table("things")["quarantine"].as_array().unwrap().is_empty(), "{ran}");

    records.lock().unwrap()[7] = json!({"id": 8, "at": 8});
    let endpoint =
        "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 10}, incremental: {cursor_path: at}}";
    let append = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\nwrite_disposition: append")));
    let (foretold, _) = check_foretells(&append);
    assert_eq!(foretold.table("things")["incremental"]["last_value"], json!("30"), "{foretold}");
    records.lock().unwrap().push(json!({"id": 31, "at": 31}));
    let (foretold, _) = check_foretells(&append);
    assert_eq!(foretold.table("things")["rows_inserted"], 1, "{foretold}");
}

#[test]
fn a_dry_full_refresh_and_a_strict_one_end_as_they_would() {
    let (api, records) = api();
    let sandbox = sandbox(&api, MERGE);
    sandbox.run_ok();
    records.lock().unwrap().retain(|record| record["id"].as_i64().unwrap() > 5);
    let rebuilt = dry(&sandbox, &["--full-refresh"]);
    assert_eq!((rebuilt.code(), &rebuilt.table("things")["table_rows"]), (Some(0), &json!(25)), "{rebuilt}");
    records.lock().unwrap().iter_mut().for_each(|record| record["at"] = json!(format!("t{}", record["id"])));
    dry(&sandbox, &["--strict"]).failed_with(3, &["type_widened"]);
    let report = sandbox.path().join("report.json");
    dry(&sandbox, &["--report", "report.json"]);
    let told: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!((&told["dry_run"], &told["tables"]["things"]["widened_columns"]), (&json!(true), &json!(["at"])));
}

#[test]
fn a_dry_run_waits_for_nobody_and_finishes_nothing() {
    let (api, _records) = api();
    let sandbox = sandbox(&api, MERGE);
    sandbox.run_ok();
    let lease = sandbox.lake().join("_lakeward/things/lease.json");
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap().stdout;
    let now = String::from_utf8(now).unwrap().trim().to_owned();
    let held =
        json!({"run": "other", "owner": {"host": "elsewhere", "pid": 1, "identity": null}, "started": now, "heartbeat": now});
    fs::write(&lease, held.to_string()).unwrap();
    let asked = api.requests().len();
    dry(&sandbox, &[]).failed_with(75, &["other", "wait for it to end"]);
    assert_eq!(api.requests().len(), asked, "nothing is asked of the API beside another run");
    fs::remove_file(&lease).unwrap();

    let killed = Sandbox::with_config(&fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap());
    let mut command = killed.command(&["run", "lakeward.yaml"]);
    drop(Running::spawn(command.env("LAKEWARD_FAULT", "lake.commit.after_create=kill")).end());
    dry(&killed, &[])
        .failed_with(75, &["commit 1 is recorded", "`lakeward run lakeward.yaml` without `--dry-run` finishes it first"]);
    killed.run_ok();
    assert_eq!(dry(&killed, &[]).code(), Some(0));
}

#[test]
fn a_dry_backfill_tells_what_its_range_would_change_and_changes_nothing() {
    let (api, records) = api();
    let incremental = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 10, total_path: meta.total}, incremental: {cursor_path: at, initial_value: 0, row_order: asc}}";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{incremental}\n{MERGE}")));
    sandbox.run_ok();
    records.lock().unwrap().iter_mut().take(9).for_each(|record| record["kind"] = json!("other"));
    let backfill = ["backfill", "lakeward.yaml", "--from", "0", "--to", "6"];
    let before = files_under(&sandbox.lake());
    let dry = sandbox.lakeward(&[&backfill[..], &["--dry-run"]].concat());
    assert!(files_under(&sandbox.lake()) == before, "the dry run wrote into the lake\n{dry}");
    assert_eq!((dry.code(), &dry.summary()["dry_run"]), (Some(0), &json!(true)), "{dry}");
    let ran = sandbox.lakeward(&backfill);
    assert_eq!(ran.code(), Some(0), "{ran}");
    assert_eq!(counts(&dry), counts(&ran), "{dry}\n{ran}");
    assert_eq!(ran.table("things")["rows_updated"], 5, "{ran}");
}
