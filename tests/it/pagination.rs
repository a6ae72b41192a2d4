//! Every paginator, end to end, and the ways an API leads one astray.

use serde_json::{Value, json};

use crate::support::billing::{KEY, answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

const TOTAL: i64 = 55;

/// Records `from + 1` to `from + 10`, as far as there are any.
fn ten_from(from: usize) -> Vec<Value> {
    (from as i64 + 1..=(from as i64 + 10).min(TOTAL)).map(wallet).collect()
}

/// Runs a resource with this paginator against an API that answers by `handler`.
fn run(paginator: &str, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (FakeApi, Sandbox, Ended) {
    let api = things(handler);
    let endpoint = format!("endpoint: {{path: /things, data_selector: data, paginator: {paginator}}}\nwrite_disposition: append");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
    let ended = sandbox.run();
    (api, sandbox, ended)
}

/// Asserts that all records came, once, and why the run ended.
#[track_caller]
fn check(paginator: &str, end_reason: &str, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> FakeApi {
    let (api, sandbox, ended) = run(paginator, handler);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let keys: Vec<i64> = sandbox.by_key("things", "id").into_keys().collect();
    assert_eq!(keys, (1..=TOTAL).collect::<Vec<_>>());
    assert_eq!(ended.table("things")["end_reason"], end_reason, "{ended}");
    for request in api.requests() {
        assert_eq!(request.param("api_key"), Some(KEY), "{request:?}");
    }
    api
}

/// Asserts that the run is refused as bad data, that stderr says `words`, and that nothing was published.
#[track_caller]
fn check_refused(paginator: &str, words: &[&str], handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> FakeApi {
    let (api, sandbox, ended) = run(paginator, handler);
    ended.failed_with(3, words);
    assert!(ended.stderr.contains("things"), "{ended}");
    assert!(sandbox.data_files().is_empty(), "a refused run published");
    assert!(api.requests().len() < 40, "the run followed a loop");
    api
}

fn number(request: &Request, name: &str) -> usize {
    request.number(name, 0) as usize
}

#[test]
fn offset_pages_end_at_the_total() {
    check("{type: offset, limit: 10}", "total_reached", |request| {
        answer(&json!({"data": ten_from(number(request, "offset")), "total": TOTAL}))
    });
}

#[test]
fn offset_pages_without_a_total_end_at_an_empty_page() {
    check("{type: offset, limit: 10, total_path: null}", "empty_page", |request| {
        answer(&json!({"data": ten_from(number(request, "offset"))}))
    });
}

#[test]
fn an_api_that_answers_fewer_records_than_asked_loses_none() {
    check("{type: offset, limit: 10, total_path: null}", "empty_page", |request| {
        let records = ten_from(number(request, "offset"));
        answer(&json!({"data": &records[..records.len().min(7)]}))
    });
}

#[test]
fn page_numbers_are_followed() {
    check("{type: page_number, base_page: 1, total_path: null}", "empty_page", |request| {
        answer(&json!({"data": ten_from((number(request, "page") - 1) * 10)}))
    });
    check("{type: page_number, base_page: 0, page_param: p, total_path: meta.pages}", "total_reached", |request| {
        answer(&json!({"data": ten_from(number(request, "p") * 10), "meta": {"pages": 6}}))
    });
}

#[test]
fn has_more_ends_the_pages() {
    check("{type: offset, limit: 10, total_path: null, has_more_path: more}", "has_more_false", |request| {
        let from = number(request, "offset");
        answer(&json!({"data": ten_from(from), "more": from + 10 < TOTAL as usize}))
    });
}

#[test]
fn cursors_are_followed_until_there_is_none() {
    check("{type: cursor, cursor_path: meta.next, cursor_param: after}", "no_next", |request| {
        let from = number(request, "after");
        let next = (from + 10 < TOTAL as usize).then(|| (from + 10).to_string());
        answer(&json!({"data": ten_from(from), "meta": {"next": next}}))
    });
}

#[test]
fn links_in_the_body_are_followed_absolute_or_relative() {
    for relative in [false, true] {
        check("{type: json_link, next_url_path: next}", "no_next", move |request| {
            let from = number(request, "from");
            let origin = if relative { String::new() } else { format!("http://{}", request.header("host").unwrap()) };
            let next = (from + 10 < TOTAL as usize).then(|| format!("{origin}/things?from={}&x=a%26b", from + 10));
            assert!(from == 0 || request.param("x") == Some("a&b"), "{request:?}");
            answer(&json!({"data": ten_from(from), "next": next}))
        });
    }
}

#[test]
fn link_headers_are_followed() {
    check("{type: header_link}", "no_next", |request| {
        let from = number(request, "from");
        let reply = answer(&json!({"data": ten_from(from)}));
        if from + 10 >= TOTAL as usize {
            return reply.header("link", "</things?from=0>; rel=\"first\"");
        }
        reply.header("link", &format!("</things?from=0>; rel=\"first\", </things?from={}>; rel=\"next\"", from + 10))
    });
}

#[test]
fn cursors_in_headers_are_followed() {
    check("{type: header_cursor, cursor_key: X-Next, cursor_param: after}", "no_next", |request| {
        let from = number(request, "after");
        let reply = answer(&json!({"data": ten_from(from)}));
        if from + 10 < TOTAL as usize { reply.header("x-next", &(from + 10).to_string()) } else { reply }
    });
}

#[test]
fn a_single_page_is_one_request() {
    let api = check("{type: single_page}", "single_page", |_| {
        let all: Vec<Value> = (1..=TOTAL).map(wallet).collect();
        answer(&json!({"data": all}))
    });
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn a_repeated_cursor_is_refused() {
    let pages = std::sync::atomic::AtomicUsize::new(0);
    check_refused("{type: cursor, cursor_path: next, cursor_param: after}", &["cursor"], move |_| {
        let page = pages.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        answer(&json!({"data": ten_from(page % 5 * 10), "next": "abc"}))
    });
}

#[test]
fn links_in_a_circle_are_refused() {
    check_refused("{type: json_link, next_url_path: next}", &["page 4", "again"], |request| {
        let from = number(request, "from");
        answer(&json!({"data": ten_from(from), "next": format!("/things?from={}", (from + 10) % 30)}))
    });
}

#[test]
fn an_api_that_ignores_the_offset_is_refused() {
    check_refused("{type: offset, limit: 10, total_path: null}", &["page"], |_| answer(&json!({"data": ten_from(0)})));
}

#[test]
fn a_missing_total_is_refused_where_the_config_names_one() {
    check_refused("{type: offset, limit: 10, total_path: meta.total}", &["meta.total"], |request| {
        answer(&json!({"data": ten_from(number(request, "offset"))}))
    });
}

#[test]
fn fewer_records_than_the_api_promised_are_refused() {
    check_refused("{type: offset, limit: 10}", &["60", "55"], |request| {
        answer(&json!({"data": ten_from(number(request, "offset")), "total": 60}))
    });
}

#[test]
fn a_link_to_another_host_is_refused_and_never_followed() {
    let other = things(|_| answer(&json!({"data": []})));
    let elsewhere = format!("{}/things?from=10", other.url());
    check_refused("{type: json_link, next_url_path: next}", &["allow_hosts"], move |_| {
        answer(&json!({"data": ten_from(0), "next": elsewhere}))
    });
    assert!(other.requests().is_empty());
}

#[test]
fn a_redirect_to_another_host_is_refused_and_never_followed() {
    let other = things(|_| answer(&json!({"data": []})));
    let elsewhere = format!("{}/things", other.url());
    check_refused("{type: single_page}", &["redirect"], move |_| Reply::status(302).header("location", &elsewhere));
    assert!(other.requests().is_empty());
}

#[test]
fn an_undeclared_paginator_is_refused_when_signs_of_more_pages_lead_nowhere() {
    let api = things(|_| answer(&json!({"data": ten_from(0), "has_more": true})));
    let endpoint = "endpoint: {path: /things, data_selector: data}\nwrite_disposition: append";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), endpoint));
    sandbox.run().failed_with(3, &["things", "`has_more` is true", "paginator"]);
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn errors_worth_a_retry_are_retried_and_no_others() {
    let seen = std::sync::Mutex::new(0);
    check("{type: offset, limit: 10}", "total_reached", move |request| {
        let mut seen = seen.lock().unwrap();
        *seen += 1;
        match *seen {
            1 => Reply::status(429).header("retry-after", "0"),
            2 => Reply::status(503),
            4 => answer(&json!({"data": ten_from(0), "total": TOTAL})).cut_at(40),
            _ => answer(&json!({"data": ten_from(number(request, "offset")), "total": TOTAL})),
        }
    });
    let (api, _, ended) = run("{type: single_page}", |_| Reply::status(500));
    ended.failed_with(75, &["500", "things"]);
    assert_eq!(api.requests().len(), 4, "one attempt and three retries");
    let (api, _, ended) = run("{type: single_page}", |_| Reply::status(422));
    ended.failed_with(3, &["422", "things"]);
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn pages_of_nothing_but_rejects_are_no_page_that_comes_again() {
    let rows = ["1,a", "2,b,too many", "3,c,too many", "4,d"];
    let api = things(move |request| {
        let row = rows.get(usize::try_from(request.number("page", 1)).unwrap() - 1).copied().unwrap_or_default();
        Reply::json(format!("id,v\n{row}\n")).with_header("content-type", "text/csv")
    });
    let resource = "endpoint: {path: /things, response_format: csv, paginator: {type: page_number, base_page: 1, total_path: null}}\n\
                    write_disposition: merge\nprimary_key: id\non_reject: quarantine\nmax_rejects: 2";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), resource));
    let ended = sandbox.run_ok();
    let table = ended.table("things");
    assert_eq!((&table["table_rows"], &table["rejects"], &table["pages"]), (&json!(2), &json!(2), &json!(5)), "{ended}");
}
