//! APIs that page, name their records or count in a way of their own, where nothing is declared: the way is found, or what the message says to write
//! works as it is printed.

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

const ROWS: i64 = 25;

/// A run of a resource with the keys `endpoint` of its endpoint, and the lines `more` of its own.
fn run(api: &FakeApi, endpoint: &str, more: &str) -> (Sandbox, Ended) {
    let resource = format!("write_disposition: append\n{more}\nendpoint: {{path: /things{endpoint}}}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}

/// What the message has in backticks that begins with `start`, the last of several.
#[track_caller]
fn printed(ended: &Ended, start: &str) -> String {
    let found = ended.stderr.split('`').rfind(|part| part.starts_with(start));
    found.unwrap_or_else(|| panic!("no `{start}…` in {ended}")).to_owned()
}

#[track_caller]
fn check_whole((sandbox, ended): (Sandbox, Ended)) {
    let mut ids: Vec<i64> = sandbox.rows("things").iter().map(|row| row["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!((ended.code(), ids), (Some(0), (1..=ROWS).collect()), "{ended}");
}

/// Ten records behind the one with this id.
fn behind(id: i64) -> Vec<Value> {
    (id + 1..=(id + 10).min(ROWS)).map(wallet).collect()
}

#[test]
fn records_with_a_name_for_messages_come_with_what_to_write() {
    let slack = things(|_| answer(&json!({"ok": true, "messages": [wallet(1), wallet(2)], "pin_count": 0})));
    let (_, ended) = run(&slack, "", "");
    ended.failed_with(3, &["has one list, at `$.messages`, a name by which APIs also tell what went wrong"]);
    let list = ended.stderr.split('`').find(|part| part.starts_with("data_selector: ")).unwrap().to_owned();
    let (sandbox, ended) = run(&slack, &format!(", paginator: single_page, {list}"), "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 2), "{list}\n{ended}");
    let (_, ended) = run(&slack, "", "");
    let answer_itself = printed(&ended, "data_selector: ");
    let (sandbox, ended) = run(&slack, &format!(", paginator: single_page, {answer_itself}"), "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 1), "{answer_itself}\n{ended}");
}

#[test]
fn a_list_that_may_be_a_part_of_one_record_comes_with_both_ways_to_write() {
    let order = things(|_| answer(&json!({"id": 7, "customer": "c", "lines": [wallet(1), wallet(2)]})));
    let (_, ended) = run(&order, "", "");
    ended.failed_with(3, &["has one list, at `$.lines`, in an object with an id and values of its own"]);
    let ways: Vec<String> =
        ended.stderr.split('`').filter(|part| part.starts_with("data_selector: ")).map(str::to_owned).collect();
    for (way, rows) in ways.iter().zip([2, 1]) {
        let (sandbox, ended) = run(&order, &format!(", paginator: single_page, {way}"), "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows), "{way}\n{ended}");
    }
}

#[test]
fn where_the_last_record_is_asked_behind_what_to_write_works() {
    let stripe = things(|request| {
        let from = request.number("starting_after", 0) as i64;
        answer(&json!({"object": "list", "url": "/v1/things", "has_more": from + 10 < ROWS, "data": behind(from)}))
    });
    let (sandbox, ended) = run(&stripe, "", "");
    ended.failed_with(3, &["`has_more` is true", "as Stripe has it"]);
    assert!(sandbox.data_files().is_empty(), "{ended}");
    check_whole(run(&stripe, &format!(", {}", printed(&ended, "paginator: {type: cursor")), ""));
}

#[test]
fn a_cursor_that_goes_to_a_parameter_or_body_of_another_name_is_found() {
    /// Notion's, which refuses every parameter that it does not know.
    fn notion(request: &Request) -> Reply {
        let mut asked: Value = serde_json::from_str(&request.body).unwrap_or(json!({}));
        if request.body.is_empty()
            && let Some(cursor) = request.param("start_cursor")
        {
            asked = json!({"start_cursor": cursor});
        }
        let known = ["start_cursor", "filter"];
        let is_known = asked.as_object().unwrap().keys().all(|name| known.contains(&&**name));
        let query = ["cursor", "next_cursor", "page", "offset"];
        if !is_known || query.iter().any(|name| request.param(name).is_some()) {
            return Reply::status(400).body(r#"{"object":"error","code":"validation_error","message":"should be not present"}"#);
        }
        let from = asked["start_cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        let next = (from + 10 < ROWS).then(|| (from + 10).to_string());
        answer(&json!({"object": "list", "results": behind(from), "next_cursor": next, "has_more": next.is_some()}))
    }
    let api = things(notion);
    for (endpoint, slot) in
        [("", "cursor_param: start_cursor"), (", method: POST, json: {filter: {}}", "cursor_body_path: start_cursor")]
    {
        let (sandbox, ended) = run(&api, endpoint, "");
        assert!(ended.stderr.contains(slot), "{ended}");
        check_whole((sandbox, ended));
    }
}

#[test]
fn a_total_that_is_an_estimate_behind_a_cursor_comes_with_what_to_write() {
    let youtube = things(|request| {
        let from = request.number("pageToken", 0) as i64;
        let mut body =
            json!({"kind": "list", "pageInfo": {"totalResults": 1_000_000, "resultsPerPage": 10}, "items": behind(from)});
        if from + 10 < ROWS {
            body["nextPageToken"] = json!((from + 10).to_string());
        }
        answer(&body)
    });
    let (sandbox, ended) = run(&youtube, "", "");
    ended.failed_with(3, &["it ended after 25 records, but `pageInfo.totalResults` is 1000000"]);
    assert!(sandbox.data_files().is_empty(), "{ended}");
    check_whole(run(&youtube, "", &printed(&ended, "expect: ")));
}
