//! Warnings that matter: in the summary and the run report, and failures under `--strict`; and what fails after the commit, which is only that.

use serde_json::{Value, json};

use crate::support::billing::{Billing, answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply};
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
fn under_strict_a_night_whose_records_are_all_loaded_already_or_filtered_misses_no_column() {
    let records = (0..150).map(|id| json!({"id": id, "name": "a", "c": 1})).collect();
    let billing = Billing::new(&[("/things", records)]);
    let api = billing.serve();
    let endpoint = "path: /things, data_selector: data, paginator: {type: offset, limit: 100}";
    let append = format!("primary_key: id\nwrite_disposition: append\nendpoint: {{{endpoint}, incremental: {{cursor_path: c}}}}");
    let loaded = Sandbox::with_config(&things_config(&api.url(), &append));
    loaded.run_ok();
    let merge = format!("{MERGE}\nendpoint: {{{endpoint}}}");
    let filtered = Sandbox::with_config(&things_config(&api.url(), &merge));
    filtered.run_ok();
    filtered.write("lakeward.yaml", &things_config(&api.url(), &format!("{merge}\nprocessing_steps: [{{filter: 'id > 1000'}}]")));
    for quiet in [loaded, filtered] {
        let ended = run(&quiet, &["--strict"]);
        assert_eq!((ended.code(), codes(&ended.summary())), (Some(0), Vec::new()), "{ended}");
        assert_eq!(quiet.rows("things").len(), 150);
    }
}

#[test]
fn under_strict_a_night_without_warnings_is_green_whatever_was_only_told() {
    let (billing, _api, sandbox) = loaded((0..3).map(wallet).collect(), MERGE);
    billing.change("/things", |records| records[0]["new_member"] = json!(1));
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

/// A run that is green under `--strict`, and lists no warning.
#[track_caller]
fn strictly_green(sandbox: &Sandbox) -> Ended {
    let ended = run(sandbox, &["--strict"]);
    assert_eq!((ended.code(), codes(&ended.summary())), (Some(0), Vec::new()), "{ended}");
    ended
}

/// An API with one answer, and a sandbox that reads it with these keys of the endpoint and the resource.
fn answering(body: &'static str, endpoint: &str, resource: &str) -> (FakeApi, Sandbox) {
    let api = things(move |request| match request.number("offset", 0) {
        0 => Reply::json(body),
        _ => Reply::status(404),
    });
    let endpoint = format!("endpoint: {{path: /things, data_selector: data{endpoint}}}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\n{resource}")));
    (api, sandbox)
}

#[test]
fn what_the_config_asks_for_is_a_fact_of_the_summary_and_no_warning() {
    let single = ", paginator: single_page";
    let check = |body: &'static str, endpoint: &str, resource: &str, fact: &str, count: i64| {
        let (_api, sandbox) = answering(body, endpoint, resource);
        let ended = strictly_green(&sandbox);
        assert_eq!(ended.table("things")[fact], json!(count), "{fact}\n{ended}");
    };
    let numbers = r#"{"data": [{"id": 1, "n": 0.1234567890123456789}]}"#;
    check(numbers, single, "numbers: float", "numbers_rounded", 1);
    let nul = r#"{"data": [{"id": 1, "text": "a\u0000b"}]}"#;
    check(nul, &format!("{single}, response_format: {{nul_characters: strip}}"), "", "characters_stripped", 1);
    let rule = ", paginator: {type: offset, limit: 1, total_path: null}, response_actions: [{status_code: 404, action: ignore}]";
    check(r#"{"data": [{"id": 1}]}"#, rule, "", "pages_ignored", 1);
    let short = r#"{"data": [{"id": 1}], "total": 5}"#;
    check(
        short,
        ", paginator: {type: offset, limit: 5, allow_drift: true}, response_actions: [{status_code: 404, action: ignore}]",
        "",
        "records",
        1,
    );
    let errors = r#"{"data": [{"id": 1}], "errors": [{"message": "no", "path": ["x"]}]}"#;
    check(errors, &format!("{single}, graphql: {{partial: allow}}"), "", "partial_errors", 1);
}

#[test]
fn rejects_within_max_rejects_are_a_fact_and_others_are_a_warning() {
    let body = r#"{"data": [{"id": 1}, {"id": null}, {"id": 3}]}"#;
    let keys = format!("{MERGE}\non_reject: quarantine");
    let (_api, sandbox) = answering(body, ", paginator: single_page", &format!("{keys}\nmax_rejects: 1"));
    assert_eq!(strictly_green(&sandbox).table("things")["rejects"], 1);
    let (_api, sandbox) = answering(body, ", paginator: single_page", &keys);
    run(&sandbox, &["--strict"]).failed_with(3, &["records_rejected", "`max_rejects` says how many may"]);
}

#[test]
fn a_parent_that_a_written_rule_skips_is_a_fact_and_one_that_is_gone_is_a_warning() {
    let api = FakeApi::start()
        .on("/posts", |_| answer(&json!({"data": [wallet(1), wallet(2)]})))
        .on("/posts/1/notes", |_| Reply::status(404))
        .on("/posts/2/notes", |_| answer(&json!({"data": [wallet(7)]})));
    let config = |rule: &str| {
        format!(
            "name: blog\nclient: {{base_url: {}, paginator: single_page}}\nlake: {{url: ./lake}}\nresources:\n  - {{name: posts, endpoint: {{path: posts, data_selector: data}}}}\n  - {{name: notes, endpoint: {{path: 'posts/{{resources.posts.id}}/notes', data_selector: data{rule}}}}}\n",
            api.url()
        )
    };
    let ruled = config(", response_actions: [{status_code: 404, action: skip, scope: parent}]");
    let ended = strictly_green(&Sandbox::with_config(&ruled));
    let skipped = &ended.table("notes")["parent_records"];
    assert_eq!((&skipped["skipped"], &skipped["read"]), (&json!(1), &json!(1)), "{ended}");
    assert!(skipped["skipped_first"][0].as_str().unwrap().contains("/posts/1/notes"), "{ended}");
    assert!(ended.stderr.contains("skipped for 1"), "{ended}");
    let open = Sandbox::with_config(&config(""));
    run(&open, &["--strict"]).failed_with(3, &["parent_records_skipped"]);
    assert_eq!(codes(&open.run_ok().summary()), ["parent_records_skipped"]);
}

#[test]
fn keys_that_dedup_sort_tells_apart_and_types_that_are_declared_are_no_warning() {
    let versions = || (0..300).map(|id| json!({"id": id % 200, "version": id, "n": 1})).collect::<Vec<Value>>();
    let billing = Billing::new(&[("/things", versions())]);
    let api = billing.serve();
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}";
    let config = |keys: &str| things_config(&api.url(), &format!("{endpoint}\n{MERGE}\n{keys}"));
    let sorted = "columns: {version: {dedup_sort: desc}}";
    let sandbox = Sandbox::with_config(&config(sorted));
    assert_eq!(strictly_green(&sandbox).table("things")["rows_deduplicated"], 100);
    sandbox.write("lakeward.yaml", &config("columns: {version: {dedup_sort: desc}, n: {data_type: double}}"));
    strictly_green(&sandbox);
    let open = Sandbox::with_config(&config(""));
    run(&open, &["--strict"]).failed_with(3, &["keys_repeated"]);
}

#[test]
fn new_columns_are_null_in_older_rows_only_where_there_are_older_rows() {
    let told = |ended: &Ended| {
        let line = ended.stderr.lines().find(|line| line.contains("new columns"));
        line.map(|line| line.split_once("new columns").unwrap().1.to_owned())
    };
    let older = Some(", null in older rows: more".to_owned());
    let plain = Some(": more".to_owned());
    let all = |records: &mut Vec<Value>| records.iter_mut().for_each(|record| record["more"] = json!(1));
    let check = |keys: &str, change: &dyn Fn(&mut Vec<Value>), arguments: &[&str], expected: &Option<String>| {
        let (billing, _api, sandbox) = loaded((0..3).map(wallet).collect(), keys);
        billing.change("/things", change);
        let ended = run(&sandbox, arguments);
        assert_eq!((ended.code(), &told(&ended)), (Some(0), expected), "{keys} {arguments:?}\n{ended}");
    };
    check(MERGE, &|records| records[0]["more"] = json!(1), &[], &older);
    check(MERGE, &all, &[], &plain);
    check("write_disposition: append", &all, &[], &older);
    check("write_disposition: replace", &all, &[], &plain);
    check(MERGE, &all, &["--full-refresh"], &None);
    check(MERGE, &all, &["--full-refresh=drop_data"], &None);
    // A table without rows has a file all the same, and no older rows.
    let (billing, _api, sandbox) = loaded(Vec::new(), &format!("{MERGE}\ncolumns: {{id: {{data_type: bigint}}}}"));
    billing.change("/things", |records| records.extend((0..3).map(wallet)));
    assert_eq!(told(&sandbox.run_ok()), None);
}

#[test]
fn append_of_all_records_with_a_key_is_told_by_check_and_run() {
    let words = "`append` without `incremental` loads every record again on each run, and its `primary_key` keeps one of them in a run, not in the table; write `merge` or `replace`";
    let check = |keys: &str, endpoint: &str, is_told: bool| {
        let (_api, sandbox) = answering(r#"{"data": [{"id": 1, "at": 1}]}"#, endpoint, keys);
        for ended in [sandbox.lakeward(&["check", "lakeward.yaml"]), sandbox.run_ok()] {
            assert_eq!(ended.stderr.contains(words), is_told, "{keys}\n{ended}");
        }
    };
    let single = ", paginator: single_page";
    check("write_disposition: append\nprimary_key: id", single, true);
    check("write_disposition: append", single, false);
    check("write_disposition: replace\nprimary_key: id", single, false);
    check(
        "write_disposition: append\nprimary_key: id",
        ", paginator: single_page, incremental: {cursor_path: at, initial_value: 0}",
        false,
    );
}
