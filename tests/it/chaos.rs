//! `lakeward chaos`: a config against misbehaviours made of a recording; what is green has all rows, and what may lose some is told.

use std::fs;

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY, guide_config, usage, wallet};
use crate::support::fake_api::{FakeApi, Reply, ids};
use crate::support::sandbox::{Ended, Sandbox};

const FILE: &str = "night.recording";

fn recorded(sandbox: &Sandbox) {
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--record", FILE]);
    assert_eq!(ended.code(), Some(0), "{ended}");
}

fn chaos(sandbox: &Sandbox, more: &[&str]) -> Ended {
    sandbox.lakeward(&[&["chaos", "lakeward.yaml", "--replay", FILE][..], more].concat())
}

/// What came of each misbehaviour that was tried.
fn fates(ended: &Ended) -> Vec<Value> {
    ended.summary()["misbehaviours"].as_array().unwrap().clone()
}

/// What lakeward does not notice, and chaos tells: a row goes, those behind opaque cursors move up, and the total leaves it out.
const UNNOTICED: [&str; 1] = ["row_removed_and_counted"];

/// Nothing is lost of a sound config, whatever the API does, and each misbehaviour ends as its table says.
fn check_sound(sandbox: &Sandbox, tried_min: usize) {
    let ended = chaos(sandbox, &["--json"]);
    let fates = fates(&ended);
    assert!(fates.len() >= 60);
    let is_unnoticed = |fate: &&Value| UNNOTICED.iter().any(|name| fate["name"] == *name);
    let odd: Vec<&Value> = fates.iter().filter(|fate| fate["is_expected"] != true && !is_unnoticed(fate)).collect();
    assert!(odd.is_empty(), "{}", json!(odd));
    let tried = fates.iter().filter(|fate| fate["outcome"] != "not_tried").count();
    assert!(tried >= tried_min, "only {tried} were tried: {}", ended.stdout);
    let lost: Vec<&Value> = fates.iter().filter(|fate| fate["outcome"] == "lost").collect();
    assert_eq!(ended.summary()["lost"], json!(lost.len()), "{ended}");
    assert_eq!(ended.code(), Some(if lost.is_empty() { 0 } else { 3 }), "{ended}");
    // Of these at least it says what would help.
    assert!(lost.iter().all(|fate| fate["undeclared"].is_string()), "{}", json!(lost));
}

#[test]
fn a_sound_config_loses_nothing_whatever_its_api_does() {
    let tables = [("/v1/customer_usage", (1..=430).map(usage).collect()), ("/v1/wallets", (1..=30).map(wallet).collect())];
    let api = Billing::new(&tables).serve();
    let config = guide_config(&api.url()).replace("    partition_by: [{column: created_at, transform: month}]\n", "");
    let sandbox = Sandbox::with_config(&config).env("BILLING_API_KEY", KEY);
    recorded(&sandbox);
    let (asked, files) = (api.requests().len(), sandbox.data_files());
    check_sound(&sandbox, 55);
    assert_eq!(api.requests().len(), asked, "the API was asked");
    assert!(files == sandbox.data_files(), "the user's own lake was touched");
}

#[test]
fn a_cursor_that_leads_from_page_to_page_loses_nothing_either() {
    let api = FakeApi::start().on("/events", |request| {
        let after = request.number("after", 0);
        let end = (after + 10).min(50);
        let next = (end < 50).then_some(end);
        Reply::json(format!(r#"{{"total":50,"next":{},"items":{}}}"#, json!(next), ids(after..end)))
    });
    let sandbox = Sandbox::with_config(&format!(
        "name: t\nclient: {{base_url: {}}}\nresources:\n  - name: events\n    primary_key: id\n    write_disposition: merge\n    expect: {{total: total}}\n    \
         endpoint: {{path: events, data_selector: items, paginator: {{type: cursor, cursor_path: next, cursor_param: after}}}}\nlake: {{url: ./lake}}\n",
        api.url()
    ));
    recorded(&sandbox);
    check_sound(&sandbox, 60);
}

#[test]
fn what_nothing_tells_of_is_lost_and_told_with_what_to_declare() {
    let api = FakeApi::start().on("/things", |request| {
        let offset = request.number("offset", 0).min(40);
        Reply::json(ids(offset..(offset + 10).min(40)))
    });
    let sandbox = Sandbox::with_config(&format!(
        "name: t\nclient: {{base_url: {}}}\nresources:\n  - name: things\n    primary_key: id\n    write_disposition: merge\n    \
         endpoint: {{path: things, paginator: {{type: offset, limit: 10, total_path: null}}}}\nlake: {{url: ./lake}}\n",
        api.url()
    ));
    recorded(&sandbox);
    let ended = chaos(&sandbox, &["--only", "rows_swapped", "--only", "throttle_with_retry_after"]);
    ended.failed_with(3, &[]);
    for words in [
        "rows_swapped                 LOST: 1 row missing",
        "at a border of two pages one row is given twice and its neighbour never",
        "sort by a unique column, and declare `expect: {total: PATH}` with a `primary_key`",
        "throttle_with_retry_after    all rows",
        "2 misbehaviours: 1 ended with all rows, 0 refused, 0 not tried, 1 LOST",
    ] {
        assert!(ended.stdout.contains(words), "{words}\n{ended}");
    }
    let json = chaos(&sandbox, &["--only", "rows_swapped", "--json", "--seed", "7"]);
    assert_eq!((json.code(), &json.summary()["seed"]), (Some(3), &json!(7)), "{json}");
    let lost = &fates(&json)[0];
    assert_eq!((&lost["outcome"], &lost["missing"], &lost["doubled"]), (&json!("lost"), &json!(1), &json!(0)), "{json}");
    let again = chaos(&sandbox, &["--only", "rows_swapped", "--json", "--seed", "7"]);
    assert_eq!(json.stdout, again.stdout, "the same seed is the same misbehaviour");
}

#[test]
fn what_chaos_cannot_do_is_refused_with_the_way_out() {
    let api = FakeApi::start().page("/things", ids(0..3));
    let config = format!(
        "name: t\nclient: {{base_url: {}, retry: {{max_retries: 1}}}}\nresources:\n  - {{name: things, primary_key: id, write_disposition: merge, endpoint: {{path: things, paginator: single_page}}}}\n\
         lake: {{url: ./lake}}\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config);
    recorded(&sandbox);
    chaos(&sandbox, &["--only", "row_remove"])
        .failed_with(2, &["no misbehaviour is named `row_remove`", "did you mean `row_removed`?"]);
    // A second night goes on from a table.
    recorded(&sandbox);
    let words =
        ["the recorded run went on from tables and cursors", "record a run with `--full-refresh`, or one into a new lake"];
    chaos(&sandbox, &[]).failed_with(2, &words);
    // The way out works.
    let full = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh", "--record", FILE]);
    assert_eq!(full.code(), Some(0), "{full}");
    let ended = chaos(&sandbox, &["--only", "reset"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    // A run that fails is no measure.
    drop(api);
    fs::remove_dir_all(sandbox.lake()).unwrap();
    sandbox.lakeward(&["run", "lakeward.yaml", "--record", FILE]).failed_with(75, &[]);
    chaos(&sandbox, &[]).failed_with(3, &["the recorded run itself ends with exit code 75", "record a run that succeeds"]);
}
