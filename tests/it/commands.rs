//! What the commands print: every line worth reading, each thing told once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY, answer, guide_config, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

const ENDPOINT: &str =
    "endpoint: {path: /things, data_selector: data, paginator: single_page}\nprimary_key: id\nwrite_disposition: merge";

fn guide() -> (FakeApi, Sandbox) {
    let api = Billing::guide().serve();
    let sandbox = Sandbox::with_config(&guide_config(&api.url())).env("BILLING_API_KEY", KEY);
    (api, sandbox)
}

/// Asserts success, and that stdout has each of `words`.
#[track_caller]
fn check(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code(), Some(0), "{ended}");
    for word in words {
        assert!(ended.stdout.contains(word), "stdout does not say `{word}`\n{ended}");
    }
}

#[test]
fn preview_shows_rows_and_types_and_writes_nothing() {
    let (api, sandbox) = guide();
    check(
        &sandbox.lakeward(&["preview", "lakeward.yaml", "wallets", "--rows", "2"]),
        &["| cus_0001 ", "2 of 100 records", "balance: int64"],
    );
    check(
        &sandbox.lakeward(&["preview", "lakeward.yaml", "customer_usage"]),
        &[
            "{code: c1, cents: 1}",
            "2026-10-08T00:01:00Z",
            "charge: struct {code: text, cents: int64}",
            "created_at: timestamp",
            "tags: list of text",
        ],
    );
    assert_eq!(api.requests().len(), 2, "a page is one request");
    assert!(!sandbox.lake().exists());
    sandbox.lakeward(&["preview", "lakeward.yaml", "wallet"]).failed_with(2, &["`wallet`", "`wallets`"]);
}

#[test]
fn check_online_asks_each_resource_for_two_pages_at_most() {
    let (api, sandbox) = guide();
    check(
        &sandbox.lakeward(&["check", "lakeward.yaml"]),
        &["customer_usage", "partitioned by created_at_month", "no request was sent"],
    );
    assert_eq!(api.requests().len(), 0);
    check(
        &sandbox.lakeward(&["check", "lakeward.yaml", "--online"]),
        &["wallets: 100 records and 4 columns", "2 pages read", "every resource answered"],
    );
    assert_eq!(api.requests().len(), 4);
    let sandbox = sandbox.env("BILLING_API_KEY", "wrong");
    sandbox.lakeward(&["check", "lakeward.yaml", "--online"]).failed_with(4, &["401", "hint: look at `client.auth.api_key`"]);
    assert!(!sandbox.lake().exists());
}

#[test]
fn status_tells_what_the_lake_holds() {
    let (_api, sandbox) = guide();
    check(&sandbox.lakeward(&["status", "lakeward.yaml"]), &["nothing is committed yet"]);
    sandbox.run_ok();
    check(
        &sandbox.lakeward(&["status", "lakeward.yaml", "--details"]),
        &["1,234 rows in 2 files", "partitioned by created_at_month", "240 rows in 1 file,", "primary key id", "success"],
    );
}

#[test]
fn a_refusal_says_where_to_look() {
    let (_api, sandbox) = guide();
    let wrong = sandbox.env("BILLING_API_KEY", "wrong");
    wrong.run().failed_with(4, &["401", "hint: look at `client.auth.api_key`"]);
    let api = things(|_| Reply::status(404));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), ENDPOINT));
    sandbox.run().failed_with(3, &["404", "hint: look at `client.base_url` and `endpoint.path`"]);
}

#[test]
fn a_wait_that_holds_many_requests_is_told_once() {
    let asked = Arc::new(AtomicU32::new(0));
    let api = things(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        1 => Reply::status(429).header("Retry-After", "1"),
        _ => {
            let offset = request.number("offset", 0) as i64;
            let data: Vec<Value> = (offset + 1..=(offset + 10).min(200)).map(wallet).collect();
            answer(&json!({"data": data, "total": 200}))
        }
    });
    let endpoint = ENDPOINT.replace("single_page", "{type: offset, limit: 10}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
    let ended = sandbox.run_ok();
    assert_eq!(ended.stderr.matches("waiting").count(), 1, "{ended}");
    assert!(ended.stderr.contains("429"), "{ended}");
}

#[test]
fn logs_for_machines_are_json_alone() {
    for (key, code, kinds) in [
        (KEY, 0, &["started", "finishing", "ended", "committing", "summary"][..]),
        ("wrong", 4, &["started", "ended", "summary"]),
    ] {
        let (_api, sandbox) = guide();
        let sandbox = sandbox.env("BILLING_API_KEY", key);
        let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--log-format", "json"]);
        assert_eq!(ended.code(), Some(code), "{ended}");
        let events: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(events.iter().all(|event| event["time"].is_string()), "{ended}");
        for kind in kinds {
            assert!(events.iter().any(|event| event["event"] == *kind), "there is no event `{kind}`\n{ended}");
        }
        assert_eq!(events.last().unwrap()["summary"], ended.summary());
    }
    let sandbox = Sandbox::new();
    let ended = sandbox.lakeward(&["run", "absent.yaml", "--log-format", "json"]);
    let event: Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!((ended.code(), &event["event"]), (Some(2), &json!("error")), "{ended}");
}

#[test]
fn a_report_is_written_and_one_that_cannot_be_stops_before_any_request() {
    let (api, sandbox) = guide();
    sandbox.lakeward(&["run", "lakeward.yaml", "--report", "no/such/folder/report.json"]).failed_with(2, &["no/such/folder"]);
    assert_eq!(api.requests().len(), 0);
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--report", "report.json"]);
    let report: Value = serde_json::from_str(&std::fs::read_to_string(sandbox.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report, ended.summary());
}

#[test]
fn a_run_that_fails_as_a_whole_ends_with_a_summary_too() {
    let api = things(|_| answer(&json!({"data": [wallet(1)]})));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), ENDPOINT));
    sandbox.write("lake", "a file");
    let ended = sandbox.run();
    ended.failed_with(2, &["lake"]);
    assert_eq!((&ended.summary()["status"], &ended.summary()["kind"]), (&json!("failed"), &json!("config")), "{ended}");
}

#[test]
fn the_demo_loads_two_nights_and_tells_how_to_read_them() {
    let sandbox = Sandbox::new();
    let ended = sandbox.lakeward(&["demo"]);
    check(&ended, &["24,000 new", "300 new, 600 changed, 23,400 unchanged", "read_parquet", "spark.read.parquet"]);
    check(&sandbox.lakeward(&["demo"]), &["24,000 new"]);
    sandbox.write("mine/notes.txt", "mine");
    sandbox.lakeward(&["demo", "--folder", "mine"]).failed_with(2, &["mine", "--folder"]);
    assert!(sandbox.path().join("mine/notes.txt").exists());
}

/// The last line of stdout is a summary of this failure, which is told on stderr too.
#[track_caller]
fn check_failed(ended: &Ended, pipeline: &Value, words: &str) {
    ended.failed_with(2, &[words]);
    let summary = ended.summary();
    assert_eq!(
        (&summary["status"], &summary["kind"], &summary["pipeline"]),
        (&json!("failed"), &json!("config"), pipeline),
        "{ended}"
    );
    assert!(summary["error"].as_str().unwrap().contains(words), "{ended}");
    assert_eq!((&summary["tables"], &summary["warnings"]), (&json!({}), &json!([])), "{ended}");
}

#[test]
fn a_run_that_cannot_begin_ends_with_a_summary_too() {
    let api = FakeApi::start();
    let endpoint =
        "endpoint: {path: /things, data_selector: data, incremental: {cursor_path: at, initial_value: 2026-01-01T00:00:00Z}}";
    let text = things_config(&api.url(), &format!("{endpoint}\nprimary_key: id\nwrite_disposition: merge"));
    let sandbox = Sandbox::with_config(&text);
    sandbox.write("broken.yaml", "name: things\nresources: [");
    sandbox.write("refused.yaml", &text.replace("data_selector", "data_selektor"));
    let things = json!("things");
    let backfill = |from: &str, to: &str, more: &[&str]| {
        sandbox.lakeward(&[&["backfill", "lakeward.yaml", "--from", from, "--to", to], more].concat())
    };
    check_failed(&backfill("2026-02-30", "2026-03-01", &[]), &things, "--from");
    check_failed(&backfill("2026-03-02", "2026-03-01", &[]), &things, "--to");
    check_failed(&backfill("2026-03-01", "2026-03-02", &["--resource", "thing"]), &things, "no resource is named `thing`");
    for command in [&["run"][..], &["backfill", "--from", "2026-03-01", "--to", "2026-03-02"]] {
        let with = |config: &str, more: &[&str]| sandbox.lakeward(&[command, &[config], more].concat());
        check_failed(&with("absent.yaml", &[]), &Value::Null, "cannot read the config `absent.yaml`");
        check_failed(&with("broken.yaml", &[]), &Value::Null, "broken.yaml:");
        check_failed(&with("refused.yaml", &[]), &Value::Null, "did you mean `data_selector`?");
        check_failed(&with("lakeward.yaml", &["--report", "no/such/report.json"]), &things, "no/such/report.json");
        check_failed(&with("lakeward.yaml", &["--resource", "thing"]), &things, "no resource is named `thing`");
        check_failed(&with("absent.yaml", &["--report", "report.json"]), &Value::Null, "absent.yaml");
        let report: Value = serde_json::from_str(&std::fs::read_to_string(sandbox.path().join("report.json")).unwrap()).unwrap();
        assert_eq!(report["status"], "failed");
    }
    let sources = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh=drop_sources", "--resource", "things"]);
    check_failed(&sources, &things, "drop_resources");
    assert_eq!(api.requests().len(), 0);
}

#[test]
fn status_tells_of_missing_foreign_and_changed_files_with_the_exit_code_of_a_run() {
    let (_api, sandbox) = guide();
    sandbox.run_ok();
    let table = sandbox.lake().join("wallets");
    let file = table.join(sandbox.files("wallets").keys().next().unwrap());
    let status = || sandbox.lakeward(&["status", "lakeward.yaml", "--details"]);
    check(&status(), &["240 rows in 1 file"]);
    std::fs::write(table.join("stray.parquet"), "x").unwrap();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let ended = status();
    ended.failed_with(
        3,
        &[
            "`wallets/stray.parquet` was not written by lakeward",
            &format!("has {} bytes instead of {}", whole.len() - 1, whole.len()),
            "hint: ",
        ],
    );
    assert!(ended.stdout.contains("240 rows in 1 file"), "the rest of the status is told\n{ended}");
    assert_eq!(
        sandbox.run().table("wallets")["error"],
        json!(ended.stderr.lines().next().unwrap().strip_prefix("error: ").unwrap())
    );
    std::fs::remove_file(&file).unwrap();
    status().failed_with(3, &["is missing", "`wallets/stray.parquet` was not written by lakeward"]);
    for number in 0..20 {
        std::fs::write(table.join(format!("more-{number}.csv")), "x").unwrap();
    }
    status().failed_with(3, &["and 17 more"]);
    // A folder that a first run would refuse.
    let (_api, fresh) = guide();
    std::fs::create_dir_all(fresh.lake().join("wallets")).unwrap();
    std::fs::write(fresh.lake().join("wallets/old.parquet"), "x").unwrap();
    fresh
        .lakeward(&["status", "lakeward.yaml"])
        .failed_with(3, &["has files that lakeward did not write", "`wallets/old.parquet`"]);
}

#[test]
fn a_wrong_command_line_is_told_in_the_format_that_it_asks_for() {
    let sandbox = Sandbox::new();
    for format in [&["--log-format", "json"][..], &["--log-format=json"]] {
        let ended = sandbox.lakeward(&[&["run", "lakeward.yaml", "--strcit"], format].concat());
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(2), ""), "{ended}");
        let told: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let texts: Vec<[&str; 2]> =
            told.iter().map(|event| [&event["event"], &event["text"]].map(|text| text.as_str().unwrap())).collect();
        let expected = [["error", "unexpected argument '--strcit' found"], ["hint", "a similar argument exists: '--strict'"]];
        assert_eq!(texts, expected, "{ended}");
    }
    sandbox
        .lakeward(&["run", "lakeward.yaml", "--strcit"])
        .failed_with(2, &["error: unexpected argument", "Usage: lakeward run"]);
    let help = sandbox.lakeward(&["run", "--help", "--log-format", "json"]);
    assert!(help.code() == Some(0) && help.stdout.contains("Usage: lakeward run"), "{help}");
}

#[test]
fn status_tells_each_failure_once() {
    let api = FakeApi::start().on("/things", |_| Reply::status(404));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), ENDPOINT));
    assert_eq!(sandbox.run().code(), Some(3));
    let status = sandbox.lakeward(&["status", "lakeward.yaml"]);
    assert_eq!(status.stdout.matches("answered 404").count(), 1, "{status}");
    for words in ["nothing is committed yet", "FAILED", "→ lakeward check lakeward.yaml --online", "last runs\n"] {
        assert!(status.stdout.contains(words), "{words}: {status}");
    }
}

#[test]
fn status_lists_the_last_runs_in_the_order_in_which_they_ran() {
    let api = things(|_| answer(&json!({"data": [wallet(1)]})));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), ENDPOINT));
    let mut ran: Vec<String> = (0..14).map(|_| sandbox.run_ok().summary()["run_id"].as_str().unwrap().to_owned()).collect();
    let ended = sandbox.lakeward(&["status", "lakeward.yaml"]);
    let last = ended.stdout.split_once("last runs\n").unwrap().1;
    let shown: Vec<&str> =
        last.lines().take_while(|line| !line.is_empty()).map(|line| line.rsplit(' ').next().unwrap()).collect();
    ran.reverse();
    assert_eq!(shown, ran[..10]);
}
