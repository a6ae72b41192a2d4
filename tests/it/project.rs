//! dltHub's project file: its pipelines run as they stand.

use crate::support::billing::{Billing, KEY};
use crate::support::sandbox::Sandbox;

/// Two pipelines on the guide's API, and a profile with a lake of its own.
const PROJECT: &str = r#"
project: {name: shop}
sources:
  usage:
    type: rest_api
    client: {base_url: "{env.BILLING_URL}", auth: &auth {type: api_key, name: api_key, location: query}}
    resource_defaults: {primary_key: id, write_disposition: merge}
    resources:
      - name: customer_usage
        endpoint: {path: /v1/customer_usage, data_selector: data, paginator: {type: offset, limit: 500}}
  wallets:
    type: dlt.sources.rest_api.rest_api
    client: {base_url: "{env.BILLING_URL}", auth: *auth}
    resources:
      - name: wallets
        endpoint: {path: /v1/wallets, data_selector: data, paginator: {type: offset, limit: 100}}
destinations:
  lake: {type: filesystem, bucket_url: lake}
pipelines:
  usage_daily: {source: usage, destination: lake, dataset_name: usage_data}
  wallets_daily: {source: wallets, destination: lake}
profiles:
  dev: {}
  prod:
    destinations: {lake: {bucket_url: "{current_profile}-lake"}}
"#;

fn sandbox(url: &str) -> Sandbox {
    let sandbox = Sandbox::new().env("BILLING_URL", url).env("SOURCES__REST_API__CREDENTIALS__API_KEY", KEY);
    sandbox.write("dlt.yml", PROJECT);
    sandbox
}

#[test]
fn each_pipeline_of_a_project_runs_into_its_dataset() {
    let api = Billing::guide().serve();
    let sandbox = sandbox(&api.url());
    for (pipeline, table, rows) in
        [("usage_daily", "usage_data/customer_usage", 1234), ("wallets_daily", "wallets_daily_dataset/wallets", 240)]
    {
        let ended = sandbox.lakeward(&["run", "dlt.yml", "--pipeline", pipeline]);
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert_eq!(sandbox.by_key(table, "id").len(), rows);
    }
    let ended = sandbox.lakeward(&["status", "dlt.yml", "--pipeline", "wallets_daily", "--details"]);
    assert!(ended.stdout.contains("240 rows"), "{ended}");
    let ended = sandbox.lakeward(&["preview", "dlt.yml", "wallets", "--pipeline", "wallets_daily"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn a_profile_is_laid_over_the_project() {
    let api = Billing::guide().serve();
    let sandbox = sandbox(&api.url());
    let ended = sandbox.lakeward(&["run", "dlt.yml", "--pipeline", "wallets_daily", "--profile", "prod"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(sandbox.path().join("prod-lake/wallets_daily_dataset/wallets").is_dir());
    assert!(!sandbox.lake().exists());
}

#[test]
fn a_pipeline_that_is_not_there_or_a_key_that_is_not_set_is_told_before_any_request() {
    let api = Billing::guide().serve();
    let sandbox = sandbox(&api.url());
    sandbox.lakeward(&["run", "dlt.yml"]).failed_with(2, &["dlt.yml:20:3", "choose with `--pipeline`", "`wallets_daily`"]);
    sandbox
        .lakeward(&["run", "dlt.yml", "--pipeline", "wallet_daily"])
        .failed_with(2, &["unknown pipeline `wallet_daily`; did you mean `wallets_daily`?"]);
    let sandbox = sandbox.env("SOURCES__REST_API__CREDENTIALS__API_KEY", "");
    sandbox.lakeward(&["check", "dlt.yml", "--pipeline", "wallets_daily"]).failed_with(
        2,
        &["`sources.wallets.client.auth`: `api_key` is missing", "SOURCES__REST_API__WALLETS__CREDENTIALS__API_KEY"],
    );
    assert_eq!(api.requests().len(), 0);
}

#[test]
fn a_profile_that_changes_nothing_is_refused() {
    let api = Billing::guide().serve();
    let sandbox = sandbox(&api.url());
    let text = std::fs::read_to_string(sandbox.path().join("dlt.yml")).unwrap();
    let (before, rest) = text.split_once("profiles:\n").unwrap();
    let behind: String = rest.lines().skip_while(|line| line.starts_with(' ')).map(|line| format!("{line}\n")).collect();
    sandbox.write("dlt.yml", &format!("{before}{behind}"));
    let run = ["run", "dlt.yml", "--pipeline", "wallets_daily", "--profile", "prod"];
    sandbox.lakeward(&run).failed_with(2, &["`--profile prod` would change nothing", "`profiles: {prod:"]);
    assert!(!sandbox.lake().exists());
    sandbox.write(".dlt/prod.config.toml", "");
    assert_eq!(sandbox.lakeward(&run).code(), Some(0));
}
