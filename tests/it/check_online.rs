//! `check --online` judges the first pages as a run does: it is red for what a run is red for, and green for the rest.

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::FakeApi;
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
    assert!(api.requests().len() <= 2, "a declared paginator shows itself on two pages\n{checked}");
    let ran = sandbox.run();
    let table = ran.table("things");
    let error = table["error"].as_str().unwrap_or_else(|| panic!("the run is green\n{ran}"));
    // What tells of all records tells of those of two pages here.
    let error = error.replace("30 records", "20 records").replace("29 of", "19 of").replace("the 30", "the 20");
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
        "none of the 20 records of `things` became a row",
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
fn check_online_is_green_for_what_later_pages_bring() {
    let api_of = || {
        api(|id| {
            let mut record = thing(id);
            if id > 20 {
                record["deleted_at"] = json!("2026-11-02T10:00:00Z");
            }
            record
        })
    };
    let api = api_of();
    let sparse = sandbox(
        &api,
        &format!(", paginator: {{{PAGES}}}"),
        "primary_key: id\nwrite_disposition: {disposition: merge}\ncolumns: {deleted_at: {hard_delete: true}}\nexpect: {min_rows: 25, max_shrink: null}",
    );
    let ended = check(&sparse);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stderr.contains("`hard_delete` of `things` names the column `deleted_at`"), "{ended}");

    let empty = things(|_| answer(&json!({"data": []})));
    let ended = check(&sandbox(&empty, ", paginator: single_page", "primary_key: idd\nwrite_disposition: merge"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stdout.contains("no record came: the columns that the config names cannot be checked"), "{ended}");
}

/// As [`check_red`], where a second page is what shows it.
#[track_caller]
fn check_red_on_page_2(pages: &str, words: &str) {
    let api = things(|_| answer(&json!({"data": (1..=10).map(thing).collect::<Vec<_>>(), "next": "c2", "meta": {}})));
    let sandbox = sandbox(&api, &format!(", paginator: {{{pages}}}"), "primary_key: id\nwrite_disposition: merge");
    let checked = check(&sandbox);
    assert_eq!(api.requests().len(), 2, "{checked}");
    let ran = sandbox.run();
    let error = ran.table("things")["error"].as_str().unwrap_or_else(|| panic!("the run is green\n{ran}")).to_owned();
    assert!(error.contains(words), "`{error}` does not say `{words}`");
    checked.failed_with(3, &[error.as_str()]);
}

#[test]
fn check_online_reads_a_second_page_of_a_declared_paginator_and_judges_it_as_a_run() {
    check_red_on_page_2("type: offset, limit: 10, offset_param: offsett, total_path: null", "page 2");
    check_red_on_page_2("type: page_number, page_param: pag, base_page: 1, total_path: null", "page 2");
    check_red_on_page_2("type: cursor, cursor_path: next, cursor_param: curser", "page 2");
}

#[test]
fn check_online_asks_for_no_second_page_where_the_first_is_all() {
    let api = things(|_| answer(&json!({"data": [thing(1)], "meta": {"total": 1}})));
    let ended = check(&sandbox(&api, &format!(", paginator: {{{PAGES}}}"), "primary_key: id\nwrite_disposition: merge"));
    assert_eq!((ended.code(), api.requests().len()), (Some(0), 1), "{ended}");
}

#[test]
fn check_online_refuses_a_key_that_most_records_share_as_a_run_does() {
    check_red(PAGES, "", "primary_key: kind\nwrite_disposition: merge", "have the `primary_key` (kind) of another one");
    // Fewer records say less: they are told.
    let few = things(|_| answer(&json!({"data": (1..=10).map(thing).collect::<Vec<_>>()})));
    let ended = check(&sandbox(&few, ", paginator: single_page", "primary_key: kind\nwrite_disposition: merge"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stderr.contains("9 of 10 rows have the `primary_key` (kind) of another row"), "{ended}");
}

/// A blog of these posts, of which the notes of `there` are there; `keys` of the notes.
fn blog(posts: &[i64], there: &[i64], keys: &str) -> (FakeApi, Sandbox) {
    let posts: Vec<Value> = posts.iter().copied().map(wallet).collect();
    let api = FakeApi::start().on("/posts", move |_| answer(&json!({"data": posts})));
    let api =
        there.iter().fold(api, |api, post| api.on(&format!("/posts/{post}/notes"), |_| answer(&json!({"data": [wallet(7)]}))));
    let config = format!(
        "name: blog\nclient: {{base_url: {}, paginator: single_page}}\nlake: {{url: ./lake}}\nresources:\n  - {{name: posts, endpoint: {{path: posts, data_selector: data}}}}\n  - {{name: notes, {keys}}}\n",
        api.url()
    );
    (api, Sandbox::with_config(&config))
}

const NOTES: &str =
    "write_disposition: merge, primary_key: id, endpoint: {path: 'posts/{resources.posts.id}/notes', data_selector: data}";

#[test]
fn check_online_reads_a_child_as_a_run_does_for_the_first_record_of_its_parent_that_is_there() {
    let (_api, sandbox) = blog(&[1, 2, 3], &[3], NOTES);
    let ended = check(&sandbox);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stdout.contains("notes: 1 record and 4 columns on the first page"), "{ended}");
    assert!(ended.stdout.contains("every resource answered"), "{ended}");
    let previewed = sandbox.lakeward(&["preview", "lakeward.yaml", "notes"]);
    assert_eq!(previewed.code(), Some(0), "{previewed}");

    let (_api, sandbox) = blog(&[1], &[1], &NOTES.replace("primary_key: id", "primary_key: nid"));
    check(&sandbox).failed_with(3, &["`$.nid` should be"]);
}

#[test]
fn a_child_that_is_read_for_no_record_of_its_parent_is_red_for_check_and_run_be_it_the_only_one() {
    for (posts, tried) in [(&[1][..], 1), (&[1, 2, 3, 4, 5, 6, 7][..], 5)] {
        let (api, sandbox) = blog(posts, &[], NOTES);
        let ended = check(&sandbox);
        let words =
            format!("`notes` was read for none of the {tried} asked for of its parent's records; the first: `notes`, page 1");
        ended.failed_with(3, &[&words, "look at `endpoint.path`"]);
        assert!(ended.stdout.contains("not every resource can be loaded"), "{ended}");
        assert!(api.requests().len() <= 8, "{:?}", api.requests());
        assert_eq!(sandbox.run().table("notes")["status"], "failed");
    }
    // What a rule passes over may be right of the few that were asked for.
    let rule = NOTES.replace(
        "data_selector: data",
        "data_selector: data, response_actions: [{status_code: 404, action: skip, scope: parent}]",
    );
    let (_api, sandbox) = blog(&[1, 2], &[], &rule);
    let ended = check(&sandbox);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(
        ended.stderr.contains("warning: notes: `notes` was read for none of the 2 asked for of its parent's records"),
        "{ended}"
    );
    assert!(ended.stdout.contains("not proven: `notes`") && !ended.stdout.contains("every resource answered"), "{ended}");
}

#[test]
fn a_placeholder_for_what_no_record_of_the_parent_has_is_named_with_the_nearest_name() {
    let (_api, sandbox) = blog(&[1, 2], &[1, 2], &NOTES.replace("posts.id", "posts.idd"));
    let words = [
        "the request of `notes` names `{resources.posts.idd}`, which no record of `posts` has; did you mean `{resources.posts.id}`?",
    ];
    check(&sandbox).failed_with(3, &words);
    sandbox.run().failed_with(20, &words);
}

/// The one JSON object of `check --online --json`.
fn told(sandbox: &Sandbox) -> (Ended, Value) {
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online", "--json"]);
    assert_eq!(ended.stdout.trim_end().lines().count(), 1, "{ended}");
    let told = ended.summary();
    assert_eq!(told["exit_code"].as_i64(), ended.code().map(i64::from), "{ended}");
    (ended, told)
}

#[test]
fn check_online_tells_as_json_what_the_pages_and_the_lake_show() {
    let api = api(thing);
    let endpoint = format!(", paginator: {{{PAGES}}}");
    let sandbox = sandbox(&api, &endpoint, "primary_key: id\nwrite_disposition: merge\npartition_by: kind");
    let (ended, first) = told(&sandbox);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(!sandbox.lake().exists());
    let seen = &first["resources"]["things"];
    assert_eq!((&first["status"], &first["online"], &first["lake"]["writable"]), (&json!("success"), &json!(true), &json!(true)));
    assert!(first["lake"]["free_bytes"].as_u64().is_some(), "{first}");
    assert_eq!(seen["status"], "answered");
    assert_eq!((&seen["pages"], &seen["records"], &seen["total_told"]), (&json!(2), &json!(20), &json!(30)), "{seen}");
    assert_eq!((&seen["table_is_new"], &seen["table_rows"]), (&json!(true), &json!(0)));
    assert_eq!((&seen["primary_key"], &seen["partition_by"]), (&json!(["id"]), &json!(["kind"])));
    assert_eq!(seen["columns"][0], json!({"name": "id", "type": "int64"}));

    sandbox.run_ok();
    let more = things(|_| {
        let more: Vec<Value> =
            (1..=5).map(|id| json!({"id": id, "name": format!("n{id}"), "kind": "a", "at": 1.5, "size": id})).collect();
        answer(&json!({"data": more, "meta": {"total": 5}}))
    });
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap().replace(&api.url(), &more.url());
    sandbox.write("lakeward.yaml", &config);
    let (ended, second) = told(&sandbox);
    let seen = &second["resources"]["things"];
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!((&seen["table_is_new"], &seen["table_rows"], &seen["new_columns"]), (&json!(false), &json!(30), &json!(["size"])));
    assert_eq!(seen["widened_columns"][0]["column"], "at", "{seen}");
    let codes: Vec<&str> = seen["warnings"].as_array().unwrap().iter().filter_map(|warning| warning["code"].as_str()).collect();
    assert!(codes.contains(&"column_added") && codes.contains(&"type_widened"), "{codes:?}");
    let shown = check_of(&sandbox);
    assert!(shown.stdout.contains("to the table `things` of 30 rows a run adds size and widens `at` from"), "{shown}");
}

fn check_of(sandbox: &Sandbox) -> Ended {
    sandbox.lakeward(&["check", "lakeward.yaml", "--online"])
}

#[test]
fn check_online_tells_totals_types_repeats_and_rejects_in_words() {
    let api = api(|id| {
        if id == 4 {
            json!({"id": 3, "name": "n"})
        } else if id == 5 {
            json!({"name": "n"})
        } else {
            thing(id)
        }
    });
    let keys = "primary_key: id\nwrite_disposition: merge\non_reject: quarantine";
    let ended = check(&sandbox(&api, &format!(", paginator: {{{PAGES}}}"), keys));
    assert_eq!(ended.code(), Some(0), "{ended}");
    for words in [
        "the API counts 30 records, of which 20 came on these pages",
        "columns: id int64, name text",
        "a run makes the table `things`",
        "1 record would be no row; the first: `$.id` should be",
        "1 row with the key of another one",
    ] {
        assert!(ended.stdout.contains(words), "no `{words}`\n{ended}");
    }
}

#[test]
fn check_json_tells_what_fails_with_its_kind_and_ways_out_also_of_a_config_with_faults() {
    let api = api(thing);
    let sandbox = sandbox(&api, &format!(", paginator: {{{PAGES}}}"), "primary_key: idd\nwrite_disposition: merge");
    let (ended, seen) = told(&sandbox);
    assert_eq!((ended.code(), &seen["status"]), (Some(3), &json!("failed")), "{ended}");
    let thing = &seen["resources"]["things"];
    assert_eq!((&thing["status"], &thing["kind"]), (&json!("failed"), &json!("data")));
    assert!(thing["error"].as_str().unwrap().contains("`$.idd` should be") && thing["hints"].is_array(), "{thing}");

    let offline = sandbox.lakeward(&["check", "lakeward.yaml", "--json"]);
    assert_eq!((offline.code(), &offline.summary()["online"]), (Some(0), &json!(false)), "{offline}");
    sandbox.write("lakeward.yaml", "name: x\nclint: {}\n");
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online", "--json"]);
    assert_eq!((ended.code(), &ended.summary()["kind"]), (Some(2), &json!("config")), "{ended}");
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online", "--json", "--write"]);
    ended.failed_with(2, &["cannot be used with"]);
}
