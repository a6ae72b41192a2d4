//! Warnings that matter: in the summary and the run report, and failures under `--strict`; and what fails after the commit, which is only that.

use serde_json::{Value, json};

use crate::support::billing::{Billing, things_config, wallet};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Ended, Running, Sandbox, files_under};

/// Things under `/things`, a sandbox that reads them with the resource's further keys, and one run of it.
fn loaded(records: Vec<Value>, resource: &str) -> (Billing, FakeApi, Sandbox) {
    let billing = Billing::new(&[("/things", records)]);
    let api = billing.serve();
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\n{resource}")));
    assert_eq!(codes(&sandbox.run_ok().summary()), Vec::<String>::new());
    (billing, api, sandbox)
}

fn codes(summary: &Value) -> Vec<String> {
    let code = |warning: &Value| warning["code"].as_str().unwrap().to_owned();
    summary["warnings"].as_array().unwrap().iter().map(code).collect()
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    sandbox.lakeward(&[&["run", "lakeward.yaml"], arguments].concat())
}

const MERGE: &str = "write_disposition: merge\nprimary_key: id";

#[test]
fn a_warning_that_matters_stands_in_the_summary_the_report_and_the_file() {
    let (billing, _api, sandbox) = loaded((0..3).map(|id| json!({"id": id, "name": "a", "n": 1})).collect(), MERGE);
    billing.change("/things", |records| *records = (0..3).map(|id| json!({"id": id, "n": 1.5})).collect());
    let ended = run(&sandbox, &["--report", "report.json"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let summary = ended.summary();
    assert_eq!(codes(&summary), ["type_widened", "column_vanished"], "{ended}");
    let vanished = &summary["warnings"][1];
    assert_eq!(vanished["resource"], "things");
    assert!(vanished["text"].as_str().unwrap().contains("null in its rows: `name`"), "{vanished}");
    let file: Value = serde_json::from_slice(&std::fs::read(sandbox.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(file["warnings"], summary["warnings"]);
    let reports = files_under(&sandbox.lake().join("_lakeward/things/runs"));
    let kept: Value = serde_json::from_slice(&reports[&format!("{}.json", summary["run_id"].as_str().unwrap())]).unwrap();
    assert_eq!(kept["warnings"], summary["warnings"]);
}

#[test]
fn under_strict_a_warning_publishes_nothing_and_moves_no_cursor() {
    let thing = |id: i64, at: i64| json!({"id": id, "name": "a", "at": format!("2026-11-0{at}T00:00:00Z")});
    let (billing, _api, sandbox) = loaded((0..3).map(|id| thing(id, 1)).collect(), MERGE);
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    sandbox.write("lakeward.yaml", &config.replace("data_selector: data", "data_selector: data, incremental: {cursor_path: at}"));
    sandbox.run_ok();
    let before = sandbox.data_files();
    let renamed = |id: i64| json!({"id": id, "nom": "b", "at": "2026-11-02T00:00:00Z"});
    billing.change("/things", |records| *records = (0..3).map(renamed).collect());
    let strict = run(&sandbox, &["--strict"]);
    strict.failed_with(
        3,
        &["nothing is published, because `--strict`", "of `things`", "column_vanished", "run without `--strict`"],
    );
    assert_eq!(codes(&strict.summary()), ["column_vanished"]);
    assert_eq!(strict.summary()["version"], Value::Null);
    assert!(before == sandbox.data_files(), "a strict run changed the table");
    assert_eq!(run(&sandbox, &["--strict"]).code(), Some(3), "the records came again, with what is to be told of them");
    assert_eq!(sandbox.run_ok().table("things")["rows_updated"], 3);
}

#[test]
fn under_strict_a_vanished_column_fails_every_night_until_the_config_leaves_it_out_or_the_table_is_loaded_anew() {
    let (billing, _api, sandbox) = loaded((0..3).map(|id| json!({"id": id, "name": "a"})).collect(), MERGE);
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    billing.change("/things", |records| *records = (0..3).map(|id| json!({"id": id})).collect());
    let strictly = |keys: &str| {
        sandbox.write("lakeward.yaml", &config.replace("primary_key: id", &format!("primary_key: id\n{keys}")));
        run(&sandbox, &["--strict"])
    };
    strictly("").failed_with(3, &["column_vanished"]);
    // A run that takes the column as it came keeps it, and it is missed again; to declare it does not bring it back.
    assert_eq!(codes(&sandbox.run_ok().summary()), ["column_vanished"]);
    strictly("").failed_with(3, &["column_vanished"]);
    strictly("    columns: {name: {data_type: text}}").failed_with(3, &["column_vanished"]);
    // A step that drops what no record has is told, too; one that keeps the rest is not.
    strictly("    processing_steps: [{drop: [name]}]").failed_with(3, &["step_without_member"]);
    let left_out = strictly("    processing_steps: [{keep: [id]}]");
    assert_eq!(left_out.code(), Some(0), "{left_out}");
    strictly("").failed_with(3, &["column_vanished"]);
    let fresh = run(&sandbox, &["--strict", "--full-refresh"]);
    assert_eq!(fresh.code(), Some(0), "{fresh}");
    assert_eq!(run(&sandbox, &["--strict"]).code(), Some(0));
    assert_eq!(sandbox.rows("things")[0].keys().collect::<Vec<_>>(), ["id"]);
}

#[test]
fn under_strict_a_night_without_warnings_is_green_whatever_was_only_told() {
    let (billing, _api, sandbox) = loaded((0..3).map(wallet).collect(), MERGE);
    billing.change("/things", |records| records.iter_mut().for_each(|record| record["new_member"] = json!(1)));
    let ended = run(&sandbox, &["--strict"]);
    assert_eq!((ended.code(), codes(&ended.summary())), (Some(0), Vec::new()), "{ended}");
    assert!(ended.stderr.contains("new columns, null in older rows: new_member"), "{ended}");
}

#[test]
fn values_that_the_contract_leaves_out_and_records_in_quarantine_are_warnings() {
    let resource = format!("{MERGE}\nschema_contract: {{columns: discard_value}}\nschema: things.json\non_reject: quarantine");
    let billing = Billing::new(&[("/things", (0..30).map(|id| json!({"id": id, "n": 1})).collect())]);
    let api = billing.serve();
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\n{resource}")));
    sandbox.write("things.json", r#"{"columns": [{"name": "id", "type": "int64"}, {"name": "n", "type": "int64"}]}"#);
    sandbox.run_ok();
    billing.change("/things", |records| {
        records[0]["n"] = json!("no number");
        records.iter_mut().for_each(|record| record["extra"] = json!(1));
    });
    let summary = sandbox.run_ok().summary();
    assert_eq!(codes(&summary), ["values_discarded", "records_rejected"], "{summary}");
    run(&sandbox, &["--strict"]).failed_with(3, &["values_discarded"]);
}

#[test]
fn what_fails_after_the_commit_is_a_warning_and_the_run_is_green() {
    let (billing, _api, sandbox) = loaded((0..3).map(wallet).collect(), "write_disposition: append");
    let faults = [
        "lake.publish.before_done",
        "lake.publish.after_done",
        "lake.publish.cleaning",
        "lake.close.before_release",
        "lake.close.released",
    ];
    for (night, fault) in faults.into_iter().enumerate() {
        let rows = |night: usize| (night as i64 * 3..night as i64 * 3 + 3).map(wallet).collect();
        billing.change("/things", |records| *records = rows(night + 1));
        let mut command = sandbox.command(&["run", "lakeward.yaml", "--strict"]);
        let ended = Running::spawn(command.env("LAKEWARD_FAULT", format!("{fault}=io"))).end();
        assert_eq!(ended.code(), Some(0), "`{fault}`: {ended}");
        let summary = ended.summary();
        assert_eq!(
            (summary["status"].as_str(), codes(&summary)),
            (Some("success"), vec!["clean_up_failed".to_owned()]),
            "`{fault}`: {ended}"
        );
        assert!(ended.stderr.contains("what the run published stands"), "`{fault}`: {ended}");
        assert_eq!(sandbox.by_key("things", "id").len(), (night + 2) * 3, "`{fault}`: readers see the rows");
        billing.change("/things", Vec::clear);
        assert_eq!(codes(&sandbox.run_ok().summary()), Vec::<String>::new(), "`{fault}`: the next run tidies");
    }
    assert_eq!(sandbox.by_key("things", "id").len(), 18);
}

#[test]
fn a_report_that_cannot_be_written_any_more_is_a_warning_and_the_run_is_green() {
    let (_billing, _api, sandbox) = loaded((0..3).map(wallet).collect(), "write_disposition: append");
    // The folder of the reports is a file: no report fits in.
    let runs = sandbox.lake().join("_lakeward/things/runs");
    std::fs::remove_dir_all(&runs).unwrap();
    std::fs::write(&runs, "").unwrap();
    let ended = sandbox.run_ok();
    assert_eq!(codes(&ended.summary()), ["report_not_written"], "{ended}");
    assert_eq!(sandbox.rows("things").len(), 6);
    let ended = run(&sandbox, &["--report", "/dev/full"]);
    assert_eq!((ended.code(), codes(&ended.summary())), (Some(0), vec!["report_not_written".to_owned(); 2]), "{ended}");
}

#[test]
fn a_commit_that_is_not_published_is_no_green_run_and_the_next_one_publishes_it_without_doubling() {
    let (billing, api, sandbox) = loaded((0..3).map(wallet).collect(), "write_disposition: append");
    billing.change("/things", |records| *records = (3..6).map(wallet).collect());
    let ended = Running::spawn(sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", "lake.publish.put=io")).end();
    ended.failed_with(75, &["is recorded, but its files are not all in place", "the next run finishes it"]);
    assert_eq!(ended.summary()["kind"], "unavailable");
    billing.change("/things", Vec::clear);
    let asked = api.requests().len();
    sandbox.run_ok();
    assert!(api.requests().len() > asked);
    assert_eq!(sandbox.by_key("things", "id").into_keys().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}
