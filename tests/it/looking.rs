//! Commands that look at a lake or work on it: they need its place, and nothing that only the API's part of the config uses.

use std::fs;

use crate::support::billing::{Billing, KEY, guide_config};
use crate::support::sandbox::{Ended, Running, Sandbox};

/// The variables of the API's part.
const OF_API: [&str; 3] = ["BILLING_API_KEY", "BILLING_URL", "PREFIX"];

/// The guide's lake in a config of JSON.
const JSON: &str = r#"{
    "name": "billing",
    "client": {"base_url": "${BILLING_URL}", "auth": {"type": "bearer", "token": "${BILLING_API_KEY}"}},
    "resources": [
        "customer_usage",
        {"name": "wallets", "endpoint": {"path": "${PREFIX}/wallets", "incremental": {"cursor_path": "id", "initial_value": 0}}}
    ],
    "lake": {"url": "${LAKE}"}
}"#;

/// `lakeward` without the variables of the API's part.
fn without(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    let mut command = sandbox.command(arguments);
    OF_API.iter().for_each(|name| {
        command.env_remove(name);
    });
    Running::spawn(&mut command).end()
}

#[track_caller]
fn check(ended: &Ended, words: &[&str]) {
    assert_eq!(ended.code(), Some(0), "{ended}");
    words.iter().for_each(|word| assert!(ended.stdout.contains(word), "`{word}` is not in\n{ended}"));
}

/// Every command that asks nothing of the API, of the guide's lake after a night.
#[track_caller]
fn check_all(sandbox: &Sandbox, config: &[&str]) {
    let with = |command: &str, more: &[&str]| without(sandbox, &[&[command], config, more].concat());
    check(&with("status", &["--details"]), &["240 rows", "takes what comes from its cursor on"]);
    check(&with("history", &["--limit", "3"]), &["version 1"]);
    check(&with("history", &["--json"]), &["\"version\":1"]);
    check(&with("verify", &["--deep"]), &["wallets: version", "ok, every row read"]);
    check(&with("rollback", &["--to", "1", "--dry-run"]), &["version 1"]);
    check(&with("rollback", &["--to", "1"]), &["nothing to do"]);
}

#[test]
fn a_lake_is_looked_at_without_what_only_the_api_needs() {
    let api = Billing::guide().serve();
    let config = guide_config(&api.url())
        .replace(&api.url(), "${BILLING_URL}")
        .replace("path: /v1/wallets", "path: \"${PREFIX}/wallets\", incremental: {cursor_path: id, initial_value: 0}")
        .replace("url: ./lake", "url: \"${LAKE}\"");
    let sandbox = Sandbox::with_config(&config)
        .env("BILLING_API_KEY", KEY)
        .env("BILLING_URL", &api.url())
        .env("PREFIX", "/v1")
        .env("LAKE", "./lake");
    sandbox.write("config.json", JSON);
    sandbox.run_ok();
    for file in ["lakeward.yaml", "config.json"] {
        check_all(&sandbox, &[file]);
        check(&without(&sandbox, &["files", file, "wallets"]), &[".parquet"]);
    }
    let status = without(&sandbox, &["status", "lakeward.yaml"]);
    assert!(!status.stdout.contains("no longer in the config"), "{status}");
    // What the API's part needs is asked for where the API is asked.
    without(&sandbox, &["run", "lakeward.yaml"]).failed_with(2, &["`BILLING_API_KEY` is not set"]);
    // And what the lake needs, by every command.
    for command in [&["status", "lakeward.yaml"][..], &["history", "lakeward.yaml"], &["files", "lakeward.yaml"]] {
        let mut command = sandbox.command(command);
        let ended = Running::spawn(command.env_remove("LAKE").env_remove("BILLING_API_KEY")).end();
        ended.failed_with(2, &["`lake.url`", "`LAKE` is not set"]);
        assert!(!ended.stderr.contains("BILLING_API_KEY"), "{ended}");
    }
}

#[test]
fn a_project_of_dlts_is_looked_at_without_its_sources_variables() {
    let api = Billing::guide().serve();
    let sandbox = Sandbox::new().env("BILLING_URL", &api.url()).env("BILLING_API_KEY", KEY).env("ROOT", "lake");
    sandbox.write(
        "dlt.yml",
        r#"
sources:
  usage:
    type: rest_api
    client: {base_url: "{env.BILLING_URL}", auth: {type: api_key, name: api_key, api_key: "{env.BILLING_API_KEY}", location: query}}
    resources:
      - name: wallets
        primary_key: id
        write_disposition: merge
        endpoint: {path: /v1/wallets, data_selector: data, paginator: {type: offset, limit: 100}, incremental: {cursor_path: id, initial_value: 0}}
destinations:
  lake: {type: filesystem, bucket_url: "{env.ROOT}"}
pipelines:
  daily: {source: usage, destination: lake}
"#,
    );
    assert_eq!(sandbox.lakeward(&["run", "dlt.yml"]).code(), Some(0));
    check_all(&sandbox, &["dlt.yml"]);
    check(&without(&sandbox, &["files", "dlt.yml"]), &[".parquet"]);
    let mut command = sandbox.command(&["status", "dlt.yml"]);
    Running::spawn(command.env_remove("ROOT")).end().failed_with(2, &["ROOT"]);
    without(&sandbox, &["run", "dlt.yml"]).failed_with(2, &["BILLING_URL"]);
}

#[test]
fn where_the_lake_is_is_told_before_a_run_and_of_one_that_is_not_there() {
    let api = Billing::guide().serve();
    let sandbox = Sandbox::with_config(&guide_config(&api.url())).env("BILLING_API_KEY", KEY);
    let place = fs::canonicalize(sandbox.path()).unwrap().join("lake").display().to_string();
    for command in ["status", "history"] {
        check(&without(&sandbox, &[command, "lakeward.yaml"]), &[&format!("nothing is committed yet in `{place}`")]);
    }
    let ended = sandbox.run_ok();
    assert_eq!(ended.stderr.lines().next(), Some(&*format!("lake: {place}")), "{ended}");
}

#[test]
fn a_table_that_is_not_there_or_not_named_is_answered_with_the_names() {
    let api = Billing::guide().serve();
    let sandbox = Sandbox::with_config(&guide_config(&api.url())).env("BILLING_API_KEY", KEY);
    sandbox.run_ok();
    for more in [&[][..], &["--json"]] {
        let arguments = [&["history", "lakeward.yaml", "wallet"], more].concat();
        sandbox.lakeward(&arguments).failed_with(2, &["no table `wallet`", "`customer_usage`", "`wallets`"]);
    }
    sandbox.lakeward(&["files", "lakeward.yaml"]).failed_with(2, &["several tables", "`customer_usage`", "`wallets`"]);
}

#[test]
fn the_demo_takes_no_lake_beside_its_folder_for_its_own() {
    let sandbox = Sandbox::new();
    sandbox.write("lake/_lakeward/billing/log/mine", "mine");
    assert_eq!(sandbox.lakeward(&["demo"]).code(), Some(0));
    assert_eq!(fs::read_to_string(sandbox.path().join("lake/_lakeward/billing/log/mine")).unwrap(), "mine");
}

#[test]
fn the_demo_replaces_only_what_it_wrote() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.lakeward(&["demo"]).code(), Some(0));
    let again = sandbox.lakeward(&["demo"]);
    check(&again, &["replacing the demo in lakeward-demo"]);
    let table = sandbox.path().join("lakeward-demo/lake/wallets/part-000000.parquet");
    let bytes = fs::read(&table).unwrap();
    fs::write(&table, [&bytes[..], b"mine"].concat()).unwrap();
    sandbox.write("lakeward-demo/lake/wallets/mine.sql", "SELECT 1");
    let kept = sandbox.lakeward(&["demo"]);
    kept.failed_with(2, &["`lake/wallets/mine.sql`", "`lake/wallets/part-000000.parquet`", "nothing was touched"]);
    fs::write(&table, bytes).unwrap();
    fs::remove_file(sandbox.path().join("lakeward-demo/lake/wallets/mine.sql")).unwrap();
    check(&sandbox.lakeward(&["demo"]), &["replacing the demo in lakeward-demo"]);
    let config = fs::read_to_string(sandbox.path().join("lakeward-demo/billing.yaml")).unwrap();
    sandbox.write("lakeward-demo/billing.yaml", &format!("{config}# mine\n"));
    sandbox.write("lakeward-demo/notes.txt", "mine");
    sandbox.write("lakeward-demo/lake/orders/1.parquet", "mine");
    let words = ["`notes.txt`", "`billing.yaml`, which was edited", "`lake/orders`", "--folder"];
    sandbox.lakeward(&["demo"]).failed_with(2, &words);
    assert_eq!(fs::read_to_string(sandbox.path().join("lakeward-demo/notes.txt")).unwrap(), "mine");
    assert!(sandbox.path().join("lakeward-demo/lake/wallets").exists());
}
