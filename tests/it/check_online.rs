//! `check --online` judges the first pages as a run does: it is red for what a run is red for, and green for the rest.

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

/// Three pages of ten records.
fn api(record: impl Fn(i64) -> Value + Send + Sync + 'static) -> FakeApi {
    things(move |request| {
        let offset = request.number("offset", 0) as i64;
        let records: Vec<Value> = (offset..(offset + 10).min(30)).map(&record).collect();
        answer(&json!({"data": records, "meta": {"total": 30}}))
    })
}

const PAGES: &str = "type: offset, limit: 10, total_path: meta.total";

fn sandbox(api: &FakeApi, endpoint: &str, keys: &str) -> Sandbox {
    let sandbox = Sandbox::with_config(&things_config(
        &api.url(),
        &format!("endpoint: {{path: /things, data_selector: data{endpoint}}}\n{keys}"),
    ));
    sandbox.write("things.json", r#"{"columns": [{"name": "name", "type": "int64"}]}"#);
    sandbox
}

fn check(sandbox: &Sandbox) -> Ended {
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    assert!(!sandbox.lake().exists(), "check wrote into the lake");
    ended
}

fn thing(id: i64) -> Value {
    json!({"id": id, "name": format!("n{id}"), "kind": "a", "key": null, "at": "2026-11-02T10:00:00Z"})
}

/// The check fails as the run does, with the run's own words.
#[track_caller]
fn check_red(pages: &str, rest: &str, keys: &str, words: &str) {
    let api = api(thing);
    let sandbox = sandbox(&api, &format!(", paginator: {{{pages}}}{rest}"), keys);
    let checked = check(&sandbox);
    assert!(api.requests().len() <= 1, "one page is one request\n{checked}");
    let ran = sandbox.run();
    let table = ran.table("things");
    let error = table["error"].as_str().unwrap_or_else(|| panic!("the run is green\n{ran}"));
    // What tells of all records tells of those of one page here.
    let error = error.replace("30 records", "10 records");
    assert!(error.contains(words), "`{error}` does not say `{words}`");
    assert_eq!(checked.code(), ran.code(), "the check ends otherwise than the run\n{checked}\n{ran}");
    checked.failed_with(3, &[error.as_str()]);
    assert!(checked.stdout.contains("not every resource can be loaded"), "{checked}");
}

#[test]
fn check_online_is_red_for_what_the_first_page_makes_a_run_red_for() {
    check_red(PAGES, "", "primary_key: idd\nwrite_disposition: merge", "`$.idd` should be");
    check_red(PAGES, "", "primary_key: key\nwrite_disposition: merge", "`$.key` should be");
    check_red(
        PAGES,
        "",
        "primary_key: idd\nwrite_disposition: merge\non_reject: quarantine",
        "none of the 10 records of `things` became a row",
    );
    check_red("type: offset, limit: 10, total_path: meta.totl", "", "primary_key: id", "meta.totl");
    check_red(PAGES, "", "partition_by: kin", "names the column `kin`, which no record has; did you mean `kind`?");
    check_red(
        PAGES,
        "",
        "partition_by: [{column: name, transform: month}]",
        "cannot partition by month of column `name`, which is text",
    );
    check_red(PAGES, "", "sort_by: nam", "`sort_by` of `things` names the column `nam`");
    check_red(PAGES, ", incremental: {cursor_path: updated_at}", "primary_key: id\nwrite_disposition: merge", "updated_at");
    check_red(PAGES, "", "schema: things.json", "`$.name` should be");
}

#[test]
fn check_online_is_green_for_what_later_pages_bring_and_tells_of_repeated_keys() {
    let api_of = || {
        api(|id| {
            let mut record = thing(id);
            if id > 10 {
                record["deleted_at"] = json!("2026-11-02T10:00:00Z");
            }
            record
        })
    };
    let api = api_of();
    let sparse = sandbox(
        &api,
        &format!(", paginator: {{{PAGES}}}"),
        "primary_key: id\nwrite_disposition: {disposition: merge}\ncolumns: {deleted_at: {hard_delete: true}}\nexpect: {min_rows: 15, max_shrink: null}",
    );
    let ended = check(&sparse);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stderr.contains("`hard_delete` of `things` names the column `deleted_at`"), "{ended}");

    let repeated = sandbox(&api, &format!(", paginator: {{{PAGES}}}"), "primary_key: kind\nwrite_disposition: merge");
    let ended = check(&repeated);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stderr.contains("9 of 10 rows have the `primary_key` (kind) of another row"), "{ended}");

    let empty = things(|_| answer(&json!({"data": []})));
    let ended = check(&sandbox(&empty, ", paginator: single_page", "primary_key: idd\nwrite_disposition: merge"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stdout.contains("no record came: the columns that the config names cannot be checked"), "{ended}");
}

#[test]
fn check_online_reads_a_child_as_a_run_does_and_takes_a_skipped_parent_for_no_fault() {
    let api = FakeApi::start()
        .on("/posts", |_| answer(&json!({"data": [wallet(1), wallet(2)]})))
        .on("/posts/1/notes", |_| Reply::status(404))
        .on("/posts/2/notes", |_| answer(&json!({"data": [wallet(7)]})));
    let config = |key: &str| {
        format!(
            "name: blog\nclient: {{base_url: {}, paginator: single_page}}\nlake: {{url: ./lake}}\nresources:\n  - {{name: posts, endpoint: {{path: posts, data_selector: data}}}}\n  - {{name: notes, {key}, endpoint: {{path: 'posts/{{resources.posts.id}}/notes', data_selector: data}}}}\n",
            api.url()
        )
    };
    let ended = check(&Sandbox::with_config(&config("primary_key: id, write_disposition: merge")));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stderr.contains("warning: notes: `notes` was read for none of its parent's 1 records"), "{ended}");
    assert!(ended.stdout.contains("not proven: `notes`") && !ended.stdout.contains("every resource answered"), "{ended}");
    let other = FakeApi::start()
        .on("/posts", |_| answer(&json!({"data": [wallet(1)]})))
        .on("/posts/1/notes", |_| answer(&json!({"data": [wallet(7)]})));
    let config = config("primary_key: nid, write_disposition: merge").replace(&api.url(), &other.url());
    check(&Sandbox::with_config(&config)).failed_with(3, &["`$.nid` should be"]);
}
