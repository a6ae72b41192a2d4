//! Where nothing tells of more pages: a full page is probed for a second one, numbers of a next page are followed, and nothing ends green
//! with a part of the rows.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

const ROWS: i64 = 25;

fn run(api: &FakeApi, endpoint: &str) -> (Sandbox, Ended) {
    let resource = format!("write_disposition: append\nendpoint: {endpoint}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}

/// A bare list of ten records from `from` on.
fn ten(from: i64) -> Reply {
    answer(&json!((from + 1..=(from + 10).min(ROWS)).map(wallet).collect::<Vec<Value>>()))
}

/// All rows come, once; gives the number of requests.
#[track_caller]
fn check_whole(endpoint: &str, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> usize {
    let api = things(handler);
    let (sandbox, ended) = run(&api, endpoint);
    assert_eq!(ended.code(), Some(0), "{endpoint}\n{ended}");
    let mut ids: Vec<i64> = sandbox.rows("things").iter().map(|row| row["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=ROWS).collect::<Vec<_>>(), "{endpoint}\n{ended}");
    api.requests().len()
}

#[test]
fn a_full_page_is_probed_for_a_second_one_and_what_is_found_is_used() {
    let number = |request: &Request, name: &str, otherwise| request.number(name, otherwise) as i64;
    check_whole("{path: /things, params: {per_page: 10}}", move |request| ten((number(request, "page", 1).max(1) - 1) * 10));
    check_whole("{path: /things, params: {per_page: 10, page: 1}}", move |request| ten((number(request, "page", 1) - 1) * 10));
    check_whole("{path: /things, params: {size: 10}}", move |request| ten(number(request, "page", 0) * 10));
    check_whole("{path: '/things?limit=10'}", move |request| ten(number(request, "offset", 0)));
    check_whole("{path: /things, params: {_limit: 10}}", move |request| ten((number(request, "_page", 1).max(1) - 1) * 10));
    check_whole("{path: /things, params: {limit: 10, offset: 0}}", move |request| ten(number(request, "offset", 0)));
    // The API gives no more than it likes.
    check_whole("{path: /things, params: {limit: 500}}", move |request| ten(number(request, "offset", 0)));
    check_whole("{path: /things, method: POST, json: {paging: {limit: 10}}}", |request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        ten(body["paging"]["offset"].as_i64().unwrap_or(0))
    });
}

#[test]
fn a_full_page_that_is_the_only_one_is_told_by_the_same_an_empty_or_a_refused_second_one() {
    let only = |request: &Request| if request.number("page", 1) < 2 { ten(0) } else { answer(&json!([])) };
    let refuses = |request: &Request| if request.param("page").is_none() { ten(0) } else { Reply::status(404) };
    type Handler = fn(&Request) -> Reply;
    for handler in [|_: &Request| ten(0), only as Handler, refuses as Handler] {
        let api = things(handler);
        let (sandbox, ended) = run(&api, "{path: /things, params: {per_page: 10}}");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 10), "{ended}");
        assert_eq!((&ended.table("things")["end_reason"], &ended.table("things")["pages"]), (&json!("single_page"), &json!(1)));
        // A refusal counts only once the first request is answered still.
        assert!(api.requests().len() <= 4, "{:?}", api.requests());
    }
    // A page that is not full is not probed, and neither is one that the config calls the only one.
    for (endpoint, records) in [("params: {per_page: 11}", 9), ("params: {per_page: 10}, paginator: single_page", 10)] {
        let api = things(move |_| answer(&json!((1..=records).map(wallet).collect::<Vec<Value>>())));
        run(&api, &format!("{{path: /things, {endpoint}}}"));
        assert_eq!(api.requests().len(), 1, "{endpoint}");
    }
}

#[test]
fn records_that_differ_on_every_request_prove_nothing() {
    let at = AtomicI64::new(0);
    let api = things(move |_| {
        let at = at.fetch_add(1, Ordering::SeqCst);
        answer(&json!((1..=10).map(|n| json!({"symbol": n, "price": at * 100 + n})).collect::<Vec<Value>>()))
    });
    let (sandbox, ended) = run(&api, "{path: /things, params: {per_page: 10}}");
    ended.failed_with(3, &["page 1 has other records when it is asked for again", "`paginator: single_page`"]);
    assert!(sandbox.data_files().is_empty());
    assert!(api.requests().len() < 6, "it followed a loop");
}

#[test]
fn a_number_of_what_comes_next_is_followed_or_the_run_is_red() {
    let next = |key: &'static str, parameter: &'static str, is_behind: bool| {
        move |request: &Request| {
            let from = request.number(parameter, u64::from(is_behind)) as i64 - i64::from(is_behind);
            let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
            let next = (from + 10 < ROWS).then(|| from + 10 + i64::from(is_behind));
            answer(&json!({"data": records, key: next}))
        }
    };
    for (key, parameter, is_behind) in [
        ("next_id", "next_id", true),
        ("next_id", "start_id", true),
        ("nextId", "fromId", true),
        ("next_start", "start", false),
        ("next_offset", "offset", false),
        ("nextPageToken", "pageToken", false),
        ("next", "offset", false),
        ("next_skip", "skip", false),
    ] {
        check_whole("{path: /things}", next(key, parameter, is_behind));
        let api = things(next(key, "nobody_knows", is_behind));
        let (sandbox, ended) = run(&api, "{path: /things}");
        ended.failed_with(3, &["does not hold", "has the records of page 1 again"]);
        assert!(sandbox.data_files().is_empty(), "{key}");
    }
}

/// Ten records with `around` beside them, whatever is asked for.
fn first_ten(around: &Value) -> Value {
    let mut body = json!({"data": (1..=10).map(wallet).collect::<Vec<Value>>()});
    for (key, value) in around.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn what_says_outright_that_there_is_more_is_followed_or_the_run_is_red() {
    for around in [
        json!({"paging": {"next": {"after": "10"}}}),
        json!({"offset": "itr/100"}),
        json!({"next_page": {"offset": "eyJ0", "path": "/things?offset=eyJ0"}}),
        json!({"next": {"offset": 10}}),
        json!({"next": {"position": {"row": 10}}}),
        json!({"metadata": {"continue": "10", "remainingItemCount": 15}}),
        json!({"LastEvaluatedKey": {"id": {"N": "10"}}}),
        json!({"done": false}),
        json!({"last": false}),
        json!({"lastPage": false}),
        json!({"moreDataAvailable": true}),
        json!({"remaining": 15}),
    ] {
        let body = first_ten(&around);
        let (sandbox, ended) = run(&things(move |_| answer(&body)), "{path: /things}");
        ended.failed_with(3, &["paginator"]);
        assert!(sandbox.data_files().is_empty(), "{around}");
    }
    for (name, value) in [("X-Next-Page", "2"), ("X-Total-Pages", "3"), ("X-Has-More", "true"), ("X-Next-Cursor", "abc")] {
        let (sandbox, ended) = run(&things(move |_| answer(&first_ten(&json!({}))).header(name, value)), "{path: /things}");
        ended.failed_with(3, &[&name.to_lowercase(), "paginator"]);
        assert!(sandbox.data_files().is_empty(), "{name}");
    }
    let after = |path: [&'static str; 3], parameter: &'static str| {
        move |request: &Request| {
            let from = request.number(parameter, 0) as i64;
            let mut body = json!({"data": (from + 1..=(from + 10).min(ROWS)).map(wallet).collect::<Vec<Value>>()});
            if from + 10 < ROWS {
                let [one, two, three] = path;
                match (two, three) {
                    ("", _) => body[one] = json!(format!("{}", from + 10)),
                    (_, "") => body[one][two] = json!(format!("{}", from + 10)),
                    _ => body[one][two][three] = json!(format!("{}", from + 10)),
                }
            }
            answer(&body)
        }
    };
    check_whole("{path: /things}", after(["paging", "next", "after"], "after"));
    check_whole("{path: /things}", after(["metadata", "continue", ""], "continue"));
}

#[test]
fn what_tells_of_no_more_records_than_came_is_no_sign_of_more() {
    for around in [
        json!({"_shards": {"total": 50}}),
        json!({"quota": {"total": 999, "remaining": 989}}),
        json!({"usage": {"count": 99}}),
        json!({"facets": {"total": 40}, "stats": {"count": 41}, "summary": {"total": 42}}),
        json!({"aggregations": {"x": {"count": 50}}}),
        json!({"counts": {"total": 50}}),
        json!({"meta": {"count": 500, "limit": 500}}),
        json!({"job": {"done": false}, "links": {"next": null}}),
        json!({"next": {"href": null}, "remaining": 0, "done": true, "last": true}),
    ] {
        let body = first_ten(&around);
        let api = things(move |_| answer(&body));
        let (sandbox, ended) = run(&api, "{path: /things}");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 10), "{around}\n{ended}");
        assert_eq!(api.requests().len(), 1, "{around}");
    }
    // A record tells nothing of pages.
    let (_, ended) = run(&things(|_| answer(&json!({"id": 1, "done": false, "last": false}))), "{path: /things}");
    assert_eq!(ended.code(), Some(0), "{ended}");
    // A number that may be a total is named, and the way out works.
    let api = || things(|_| answer(&first_ten(&json!({"meta": {"total": 60}}))));
    let (_, ended) = run(&api(), "{path: /things}");
    ended.failed_with(3, &["`$.meta.total` is 60", "`paginator: single_page`", "`expect: {total: estimate}`"]);
    for endpoint in ["{path: /things}", "{path: /things, paginator: single_page}"] {
        let (_, ended) = run(&api(), &format!("{endpoint}\nexpect: {{total: estimate}}"));
        assert_eq!(ended.code(), Some(0), "{ended}");
    }
}

#[test]
fn a_probe_that_is_refused_whatever_the_status_shows_that_there_is_only_one_page() {
    for (status, code) in [(400, 0), (401, 0), (403, 0), (404, 0), (409, 0), (422, 0), (501, 75)] {
        let api = things(move |request| if request.param("page").is_none() { ten(0) } else { Reply::status(status) });
        let (_, ended) = run(&api, "{path: /things, params: {per_page: 10}}");
        assert_eq!(ended.code(), Some(code), "{status}\n{ended}");
    }
}

/// The endpoint of a full page that nothing around it tells of.
const FULL: &str = "{path: /things, params: {per_page: 10}}";

/// Ten records at first, and whatever `then` is from the second request on.
fn once_ten(then: Reply) -> FakeApi {
    let asked = AtomicI64::new(0);
    things(move |_| if asked.fetch_add(1, Ordering::SeqCst) == 0 { ten(0) } else { then.clone() })
}

#[test]
fn e_35_a_probe_behind_a_credential_that_has_expired_is_no_proof_of_an_only_page() {
    let said = Reply::json(r#"{"error":"token expired"}"#);
    for (then, code, words) in [
        (Reply::status(401), 4, "credentials refused with 401"),
        (Reply::status(403), 4, "credentials refused with 403"),
        // So some APIs answer whoever is not signed in.
        (Reply::status(404), 4, "answered 404, where the same request had records before"),
        (Reply::status(400), 4, "answered 400, where the same request had records before"),
        (Reply::redirect(302, "/login"), 4, "where people sign in"),
        (Reply::status(429), 75, "answered 429"),
        (Reply::status(403).header("x-ratelimit-remaining", "0"), 75, "answered 403"),
        (Reply::status(500), 75, "answered 500"),
        (Reply::html(), 3, "answered with HTML instead of JSON"),
        (said, 3, "token expired"),
    ] {
        let api = once_ten(then);
        let (sandbox, ended) = run(&api, FULL);
        ended.failed_with(code, &[words]);
        assert!(sandbox.data_files().is_empty(), "{words}");
    }
    // The second page of two is refused for good, and only it: one more request tells.
    let api = once_ten(Reply::status(401));
    run(&api, "{path: /things, params: {limit: 10, page: 1}}");
    assert_eq!(api.requests().len(), 3);
    assert_eq!(api.requests()[0].raw_query, api.requests()[2].raw_query, "the first request is made again");
}

#[test]
fn e_35_a_later_page_that_is_refused_is_an_error_of_its_kind_whatever_the_paginator() {
    for paginator in [
        "{type: page_number, base_page: 1, total_path: null}",
        "{type: offset, limit: 10, total_path: null}",
        "{type: cursor, cursor_path: next, cursor_param: offset}",
        "{type: json_link, next_url_path: link}",
    ] {
        for (status, code) in [(401, 4), (403, 4), (404, 3), (429, 75), (503, 75)] {
            let api = things(move |request| {
                let from = request.param("page").map_or(request.number("offset", 0), |_| (request.number("page", 1) - 1) * 10);
                if from >= 20 {
                    return Reply::status(status);
                }
                let records: Vec<Value> = (from as i64 + 1..=from as i64 + 10).map(wallet).collect();
                let next = from + 10;
                answer(&json!({"data": records, "next": next, "link": format!("/things?offset={next}")}))
            });
            let (sandbox, ended) = run(&api, &format!("{{path: /things, data_selector: data, paginator: {paginator}}}"));
            ended.failed_with(code, &[&status.to_string()]);
            assert!(sandbox.data_files().is_empty(), "{paginator} {status}");
        }
    }
}
