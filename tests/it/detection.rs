//! What the config leaves open is detected, proven by the second page, told, and written into the file when asked to.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::Sandbox;

/// 25 records by page numbers that begin with 1, ten a page.
fn numbered() -> FakeApi {
    things(page)
}

fn page(request: &Request) -> Reply {
    let number = request.number("page", 1) as i64;
    let records: Vec<Value> = ((number - 1) * 10 + 1..=(number * 10).min(25)).map(wallet).collect();
    answer(&json!({"errors": [], "data": records, "meta": {"total_pages": 3, "page": number, "total": 25}}))
}

const DETECTED: &str = "paginator: {type: page_number, base_page: 1, total_path: meta.total_pages}";

/// A config whose resources are these lines.
fn config(url: &str, resources: &str) -> String {
    format!(
        "# ours\nname: things\nclient: {{base_url: '{url}', auth: {{type: api_key, name: api_key, api_key: k, location: query}}}}\n{resources}lake: {{url: ./lake}} # the lake\n"
    )
}

#[test]
fn a_run_detects_proves_tells_and_reads_everything_once() {
    let api = numbered();
    let sandbox = Sandbox::with_config(&things_config(&api.url(), "primary_key: id\nwrite_disposition: merge"));
    let ended = sandbox.run_ok();
    assert_eq!(sandbox.by_key("things", "id").into_keys().collect::<Vec<_>>(), (1..=25).collect::<Vec<_>>());
    for told in [
        "things: detected data_selector data from page 1, which later runs are held to; `check --online --write` puts it into the config",
        "things: detected paginator {type: page_number, base_page: 1, total_path: meta.total_pages} from `meta.total_pages`",
    ] {
        assert_eq!(ended.stderr.matches(told).count(), 1, "{ended}");
    }
    assert_eq!(ended.table("things")["end_reason"], "total_reached");
    assert_eq!(api.requests().len(), 3);
}

#[test]
fn a_detection_that_repeats_is_refused_with_what_to_write() {
    let api = things(|_| {
        let records: Vec<Value> = (1..=10).map(wallet).collect();
        answer(&json!({"data": records, "next_cursor": "a"}))
    });
    let sandbox = Sandbox::with_config(&things_config(&api.url(), "write_disposition: append"));
    sandbox.run().failed_with(3, &["has the records of page 1 again", "does not hold", "`paginator: {type: offset"]);
    assert!(sandbox.data_files().is_empty(), "a refused run published");
}

#[test]
fn check_online_proves_with_at_most_three_requests_and_writes_only_when_asked() {
    let api = numbered();
    let before = config(&api.url(), "resources: [things]\n");
    let sandbox = Sandbox::with_config(&before);
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    for told in
        ["things: 10 records and 4 columns", "detected data_selector: data", DETECTED.split_once(' ').unwrap().1, "--write"]
    {
        assert!(ended.stdout.contains(told), "stdout does not say `{told}`\n{ended}");
    }
    assert!(api.requests().len() <= 3, "{:?}", api.requests());
    assert_eq!(std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap(), before);
    assert!(!sandbox.lake().exists());
    sandbox.lakeward(&["check", "lakeward.yaml", "--write"]).failed_with(2, &["--online"]);
}

/// `check --online --write` turns the resources `before` into `after`, and the config then runs without detecting anything.
#[track_caller]
fn check_write(before: &str, after: &str) {
    let api = numbered();
    let sandbox = Sandbox::with_config(&config(&api.url(), before));
    let file = sandbox.path().join("lakeward.yaml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online", "--write"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), config(&api.url(), &after.replace("‹P›", DETECTED)), "{ended}");
    assert!(ended.stdout.contains("@@ line ") && ended.stdout.contains(DETECTED), "{ended}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(sandbox.path()).unwrap().count(), 1, "something was left beside the config");
    let ended = sandbox.run_ok();
    assert!(!ended.stderr.contains("detected"), "{ended}");
    assert_eq!(sandbox.rows("things").len(), 25);
}

#[test]
fn what_was_detected_is_written_where_a_person_would_write_it() {
    check_write(
        "resources:\n  - things # all\n",
        "resources:\n  - name: things\n    endpoint: {data_selector: data, ‹P›} # all\n",
    );
    check_write("resources: [{name: things}]\n", "resources: [{name: things, endpoint: {data_selector: data, ‹P›}}]\n");
    check_write(
        "resources:\n  - name: things\n    endpoint: /things # here\n    primary_key: id\n",
        "resources:\n  - name: things\n    endpoint: {path: /things, data_selector: data, ‹P›} # here\n    primary_key: id\n",
    );
    check_write(
        "resources:\n  - name: things\n    endpoint:\n      path: /things # here\n      params: {a: 1}\n",
        "resources:\n  - name: things\n    endpoint:\n      path: /things # here\n      data_selector: data\n      ‹P›\n      params: {a: 1}\n",
    );
    check_write(
        "resource_defaults: {endpoint: {params: {a: 1}}}\nresources:\n  - {name: things, endpoint: {path: /things, paginator: auto, data_selector: data}}\n",
        "resource_defaults: {endpoint: {params: {a: 1}}}\nresources:\n  - {name: things, endpoint: {path: /things, ‹P›, data_selector: data}}\n",
    );
}

#[test]
fn a_place_that_others_share_is_left_to_a_person() {
    let api = numbered();
    let before = config(&api.url(), "resource_defaults: &d {primary_key: id}\nresources:\n  - {<<: *d, name: things}\n");
    let sandbox = Sandbox::with_config(&before);
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online", "--write"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    for told in ["cannot be changed safely", "    data_selector: data", &format!("    {DETECTED}")] {
        assert!(ended.stdout.contains(told), "stdout does not say `{told}`\n{ended}");
    }
    assert_eq!(std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap(), before);
}

#[test]
fn a_file_that_changed_meanwhile_is_not_written() {
    let file = std::sync::Arc::new(std::sync::Mutex::new(None::<std::path::PathBuf>));
    let named = std::sync::Arc::clone(&file);
    let api = things(move |request| {
        if let Some(file) = &*named.lock().unwrap() {
            std::fs::write(file, "name: other\n").unwrap();
        }
        page(request)
    });
    let sandbox = Sandbox::with_config(&config(&api.url(), "resources: [things]\n"));
    let path = sandbox.path().join("lakeward.yaml");
    *file.lock().unwrap() = Some(path.clone());
    sandbox.lakeward(&["check", "lakeward.yaml", "--online", "--write"]).failed_with(2, &["was changed while"]);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "name: other\n");
}

#[test]
fn a_json_config_stays_json() {
    let api = numbered();
    let text = |endpoint: &str| {
        format!(
            "{{\"name\": \"things\", \"client\": {{\"base_url\": \"{}\"}},\n \"resources\": [{{\"name\": \"things\"{endpoint}}}],\n \"lake\": {{\"url\": \"./lake\"}}}}\n",
            api.url()
        )
    };
    let sandbox = Sandbox::new();
    sandbox.write("lakeward.json", &text(""));
    let ended = sandbox.lakeward(&["check", "lakeward.json", "--online", "--write"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let endpoint = r#", "endpoint": {"data_selector": "data", "paginator": {"type": "page_number", "base_page": 1, "total_path": "meta.total_pages"}}"#;
    assert_eq!(std::fs::read_to_string(sandbox.path().join("lakeward.json")).unwrap(), text(endpoint));
}

#[test]
fn a_single_page_is_never_written() {
    let api = things(|_| answer(&json!({"data": [wallet(1)], "next": null})));
    let before = config(&api.url(), "resources:\n  - {name: things, endpoint: {data_selector: data}}\n");
    let sandbox = Sandbox::with_config(&before);
    let ended = sandbox.lakeward(&["check", "lakeward.yaml", "--online", "--write"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stdout.contains("no sign of more pages") && ended.stdout.contains("nothing to write"), "{ended}");
    assert_eq!(std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap(), before);
}

#[test]
fn a_single_record_wins_over_the_clients_paginator_and_says_so() {
    let api = FakeApi::start().page("/things/7", wallet(7).to_string());
    let endpoint = "resources:\n  - {name: things, endpoint: {path: 'things/{id}', params: {id: 7}}}\n";
    let text = config(&api.url(), endpoint).replace("client: {", "client: {paginator: {type: offset, limit: 10}, ");
    let ended = Sandbox::with_config(&text).run_ok();
    assert!(ended.stderr.contains("read as a single page and not by `client.paginator`"), "{ended}");
    assert_eq!(api.requests().len(), 1);
}

/// Runs fifty parents whose children are answered by `child`, from the parent's number and the request; nothing is declared.
fn children(child: impl Fn(i64, &Request) -> Reply + Clone + Send + Sync + 'static) -> (Sandbox, FakeApi) {
    let parents: Vec<Value> = (1..=50).map(|id| json!({"id": id})).collect();
    let api = FakeApi::start().page("/lists", json!({"data": parents}).to_string());
    let api = (1..=50).fold(api, |api, id| {
        let child = child.clone();
        api.on(&format!("/lists/{id}/items"), move |request| child(id, request))
    });
    let resources = "resources:\n  - {name: lists, selected: false, endpoint: {path: lists, paginator: single_page, data_selector: data}}\n  - name: items\n    endpoint: lists/{resources.lists.id}/items\n";
    (Sandbox::with_config(&config(&api.url(), resources)), api)
}

#[test]
fn what_one_child_has_proven_holds_for_those_behind_it_and_costs_each_no_request_more() {
    // The first three have a single page. The cursor goes to the parameter that is the second guess.
    let (sandbox, api) = children(|id, request| {
        let number = request.number("token", 0) as i64;
        let records: Vec<Value> = (number * 10..(number * 10 + 10).min(25)).map(|n| json!({"id": id * 100 + n})).collect();
        let next = (id > 3 && number < 2).then(|| (number + 1).to_string());
        answer(&json!({"items": records, "next_token": next}))
    });
    let ended = sandbox.run_ok();
    let ids: Vec<i64> = sandbox.rows("items").iter().map(|row| row["id"].as_i64().unwrap()).collect();
    let expected: Vec<i64> = (1..=50).flat_map(|id| (0..if id > 3 { 25 } else { 10 }).map(move |n| id * 100 + n)).collect();
    assert_eq!(ids, expected);
    assert_eq!(ended.stderr.matches("items: detected paginator").count(), 1, "{ended}");
    let of_items = api.requests().iter().filter(|request| request.path.ends_with("/items")).count();
    assert_eq!(of_items, 3 + 47 * 3 + 1, "one page too many, of the fourth");
}

#[test]
fn a_child_that_what_was_proven_does_not_fit_fails_loudly() {
    let (sandbox, _api) = children(|id, request| {
        let number = request.number("cursor", 0) as i64;
        let records: Vec<Value> = (number * 10..number * 10 + 10).map(|n| json!({"id": id * 100 + n})).collect();
        match (id, number) {
            (7, _) => answer(&json!({"items": records, "more": {"next_token": "1"}})),
            (_, 0) => answer(&json!({"items": records, "next_cursor": "1"})),
            _ => answer(&json!({"items": records})),
        }
    });
    sandbox.run().failed_with(3, &["/lists/7/items", "the paginator finds no next page, but `more.next_token` is set"]);
}

#[test]
fn the_first_childs_first_page_tells_where_the_records_are_whatever_is_answered_first() {
    // By themselves, the pages of the others could mean either list.
    let (sandbox, _api) = children(|id, _| match id {
        1 => answer(&json!({"parts": [{"id": 1}]})).delay(Duration::from_millis(40)),
        _ => answer(&json!({"parts": [{"id": id}], "notes": [{"text": "x"}]})),
    });
    sandbox.run_ok();
    assert_eq!(sandbox.rows("items").len(), 50);
    // The first one is not clear, though it comes last.
    let (sandbox, _api) = children(|id, _| match id {
        1 => answer(&json!({"parts": [{"id": id}], "notes": [{"text": "x"}]})).delay(Duration::from_millis(40)),
        _ => answer(&json!({"parts": [{"id": id}]})),
    });
    sandbox.run().failed_with(3, &["/lists/1/items", "`data_selector: parts` or `data_selector: notes`"]);
    // Where it is, a page without is an error.
    let (sandbox, _api) = children(|id, _| match id {
        9 => answer(&json!({"rows": [{"id": id}]})),
        _ => answer(&json!({"parts": [{"id": id}]})),
    });
    sandbox.run().failed_with(3, &["/lists/9/items", "has nothing at `$.parts`"]);
}

#[test]
fn a_page_that_repeats_is_known_by_its_keys_whatever_changes_in_its_records() {
    let api = |answered: std::sync::Arc<std::sync::atomic::AtomicU64>| {
        things(move |request| {
            let at = answered.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let number = request.number("page", 1) as i64;
            let ids = number * 10..if number > 2 { number * 10 } else { number * 10 + 10 };
            let records: Vec<Value> = ids.map(|id| json!({"id": id, "fetched_at": at})).collect();
            answer(&json!({"data": records, "total_pages": 2}))
        })
    };
    // Counted from 0, the second page is the first one again, with other times in its records.
    let with_key = api(std::sync::Arc::default());
    let sandbox = Sandbox::with_config(&things_config(&with_key.url(), "primary_key: id\nwrite_disposition: merge"));
    let ended = sandbox.run_ok();
    assert!(ended.stderr.contains("detected paginator {type: page_number, base_page: 1, total_path: total_pages}"), "{ended}");
    assert_eq!(sandbox.by_key("things", "id").into_keys().collect::<Vec<_>>(), (10..30).collect::<Vec<_>>());
    // The last one is a look behind a full page.
    assert_eq!(with_key.requests().len(), 4);
}
