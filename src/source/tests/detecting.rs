//! Resources without a paginator: what is detected, what proves it, and what is refused.

use super::fake_api::{FakeApi, Reply, Request, ids};
use super::harness::*;
use crate::base::ErrorKind;
use crate::config::PaginatorPlan;
use crate::source::EndReason;

/// Records of page `number`, counted from 0, of ten a page, of 25 in all.
fn records(number: u64) -> String {
    ids((number * 10).min(25)..(number * 10 + 10).min(25))
}

fn body(records: &str, around: &str) -> Reply {
    Reply::json(format!(r#"{{"data":{records}{around}}}"#))
}

fn api(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> FakeApi {
    FakeApi::start().on("/orders", handler)
}

/// All 25 records come, once, after `detected` was found; gives the queries that were sent, without the key.
async fn check(api: FakeApi, detected: &str) -> Vec<String> {
    let outcome = Case::new(&api, PaginatorPlan::Undeclared).read().await;
    assert!(outcome.result.is_ok(), "{}", outcome.error());
    assert_eq!(outcome.ids, (0..25).collect::<Vec<_>>());
    assert_eq!(outcome.detected(), [detected]);
    let mut queries: Vec<String> = api
        .requests()
        .iter()
        .map(|request| request.raw_query.replace("x-key=sesame%2F1", "").trim_end_matches('&').to_owned())
        .collect();
    queries.sort();
    queries
}

async fn check_error(api: FakeApi, words: &[&str]) {
    let outcome = Case::new(&api, PaginatorPlan::Undeclared).read().await;
    for word in words {
        assert!(outcome.error().contains(word), "{}\n{word}", outcome.error());
    }
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
    assert!(api.requests().len() < 9, "it followed a loop");
}

#[tokio::test]
async fn a_link_header_is_followed() {
    let linked = api(|request| {
        let number = request.number("page", 1);
        let reply = body(&records(number - 1), r#","total_pages":3,"next":"/elsewhere""#);
        if number == 3 { reply } else { reply.header("link", &format!("</orders?page={}>; rel=next", number + 1)) }
    });
    check(linked, "{type: header_link}").await;
}

#[tokio::test]
async fn a_url_in_the_body_is_followed() {
    let linked = |at: fn(&str) -> String| {
        api(move |request| {
            let number = request.number("p", 0);
            let next = if number == 2 { "null".to_owned() } else { format!(r#""/orders?p={}""#, number + 1) };
            body(&records(number), &at(&next))
        })
    };
    check(linked(|next| format!(r#","next":{next}"#)), "{type: json_link, next_url_path: next}").await;
    check(
        linked(|next| format!(r#","_links":{{"next":{{"href":{next}}}}}"#)),
        "{type: json_link, next_url_path: _links.next.href}",
    )
    .await;
    let odata = linked(|next| format!(r#","@odata.nextLink":{next}"#));
    check(odata, r#"{type: json_link, next_url_path: "$['@odata.nextLink']"}"#).await;
}

#[tokio::test]
async fn pages_are_counted_from_where_the_body_counts_them() {
    for base in [0, 1] {
        let numbered = api(move |request| {
            let number = request.number("page", base);
            body(&records(number - base), &format!(r#","meta":{{"total_pages":3,"page":{number}}}"#))
        });
        let expected = if base == 0 { "" } else { "base_page: 1, " };
        let queries = check(numbered, &format!("{{type: page_number, {expected}total_path: meta.total_pages}}")).await;
        assert_eq!(queries, [String::new(), format!("page={}", base + 1), format!("page={}", base + 2)]);
    }
}

#[tokio::test]
async fn where_pages_begin_is_tried_out_when_nothing_tells() {
    for base in [0, 1] {
        let numbered = api(move |request| body(&records(request.number("page", base) - base), r#","pages":3"#));
        let expected = if base == 0 { "" } else { "base_page: 1, " };
        let queries = check(numbered, &format!("{{type: page_number, {expected}total_path: pages}}")).await;
        assert_eq!(queries.len(), if base == 0 { 3 } else { 4 });
    }
}

#[tokio::test]
async fn the_parameters_of_the_request_tell_where_pages_begin() {
    let numbered = api(|request| body(&records(request.number("pg", 9) - 1), r#","num_pages":3"#));
    let params = |case: &mut Case| case.request.params = vec![("pg".to_owned(), "1".to_owned())];
    let outcome = Case::new(&numbered, PaginatorPlan::Undeclared).with(params).read().await;
    assert_eq!(outcome.ids, (0..25).collect::<Vec<_>>(), "{outcome:?}");
    assert_eq!(outcome.detected(), ["{type: page_number, base_page: 1, page_param: pg, total_path: num_pages}"]);
    assert_eq!(numbered.requests().len(), 3);
}

#[tokio::test]
async fn a_cursor_goes_to_the_parameter_that_its_name_tells_or_the_next_likely_one() {
    let cursor = |key: &'static str, parameter: &'static str| {
        api(move |request| {
            let number = request.number(parameter, 0);
            let next = if number == 2 { String::new() } else { (number + 1).to_string() };
            body(&records(number), &format!(r#","meta":{{"{key}":"{next}"}}"#))
        })
    };
    for (key, parameter, requests) in [
        ("next_cursor", "cursor", 3),
        ("next_page_token", "page_token", 3),
        ("nextPageToken", "pageToken", 3),
        ("starting_after", "starting_after", 3),
        ("continuation", "continuation", 3),
        ("endCursor", "after", 3),
        // The first guess only repeats the page, which then does not count.
        ("next_token", "token", 4),
        ("continuation", "cursor", 4),
    ] {
        let name = if parameter == "cursor" { String::new() } else { format!(", cursor_param: {parameter}") };
        let queries = check(cursor(key, parameter), &format!("{{type: cursor, cursor_path: meta.{key}{name}}}")).await;
        assert_eq!(queries.len(), requests, "{key}");
    }
}

#[tokio::test]
async fn the_number_of_the_next_page_is_followed() {
    let numbered = api(|request| {
        let number = request.number("page", 1);
        let next = if number == 3 { "null".to_owned() } else { (number + 1).to_string() };
        body(&records(number - 1), &format!(r#","next_page":{next}"#))
    });
    check(numbered, "{type: cursor, cursor_path: next_page, cursor_param: page}").await;
}

#[tokio::test]
async fn offsets_are_counted_where_the_total_says_there_is_more() {
    let offset = |offset: &'static str, limit: &'static str, around: fn(u64) -> String| {
        api(move |request| {
            let start = request.number(offset, 0).min(25);
            body(&ids(start..(start + request.number(limit, 10)).min(25)), &around(start))
        })
    };
    let plain = offset("offset", "limit", |_| r#","total":25"#.to_owned());
    check(plain, "{type: offset, limit: 10, total_path: total}").await;
    let jira = offset("startAt", "maxResults", |start| format!(r#","startAt":{start},"maxResults":10,"total":25"#));
    check(jira, "{type: offset, limit: 10, offset_param: startAt, limit_param: maxResults, total_path: total}").await;
    // It has a total and ignores offsets: pages are numbered.
    let numbered = api(|request| body(&records(request.number("page", 1) - 1), r#","count":25"#));
    check(numbered, "{type: page_number, base_page: 1, total_path: null}").await;
}

#[tokio::test]
async fn has_more_ends_what_was_detected() {
    let offset = api(|request| {
        let start = request.number("skip", 0).min(25);
        body(&ids(start..(start + 10).min(25)), &format!(r#","skip":{start},"has_more":{}"#, start + 10 < 25))
    });
    check(offset, "{type: offset, limit: 10, offset_param: skip, total_path: null, has_more_path: has_more}").await;
    let cursor = api(|request| {
        let number = request.number("cursor", 0);
        body(&records(number), &format!(r#","has_more":{},"next_cursor":"{}""#, number < 2, number + 1))
    });
    check(cursor, "{type: cursor, cursor_path: next_cursor, has_more_path: has_more}").await;
}

#[tokio::test]
async fn nothing_that_tells_of_more_is_a_single_page() {
    for around in [
        "",
        r#","next":null"#,
        r#","total":3"#,
        r#","count":3,"page":1,"total_pages":1"#,
        r#","has_more":false,"next_cursor":"x""#,
        // dlt takes these for cursors, and never ends.
        r#","next_refresh_s":3600,"next_run":"2026-01-01","nextSync":true"#,
        r#","next":false,"is_last":true"#,
    ] {
        let single = FakeApi::start().page("/orders", format!(r#"{{"data":{}{around}}}"#, ids(0..3)));
        let outcome = Case::new(&single, PaginatorPlan::Undeclared).read().await;
        assert_eq!((outcome.end().reason, outcome.ids.len()), (EndReason::SinglePage, 3), "{around}");
        assert!(outcome.events.is_empty(), "{around}");
        assert_eq!(single.requests().len(), 1);
    }
    let round = FakeApi::start().page("/orders", ids(0..100));
    let outcome = Case::new(&round, PaginatorPlan::Undeclared).read().await;
    assert!(outcome.warnings()[0].contains("100 records are a usual page size"), "{outcome:?}");
}

#[tokio::test]
async fn signs_that_no_choice_explains_are_refused() {
    check_error(api(|_| body(&records(0), r#","has_more":true"#)), &["`has_more` is true", "paginator: {type: offset"]).await;
    check_error(api(|_| body("[]", r#","total":240"#)), &["`total` is 240 and the page has 0 records"]).await;
    check_error(api(|_| body(&records(0), r#","next":true"#)), &["`next` is set"]).await;
}

#[tokio::test]
async fn two_choices_of_one_rank_are_refused_and_both_are_told() {
    let links = api(|_| body(&records(0), r#","next":"/orders?page=2","users":{"next":"/orders?users=2"}"#));
    check_error(
        links,
        &[
            "more than one paginator may be meant",
            "`paginator: {type: json_link, next_url_path: next}` or `paginator: {type: json_link, next_url_path: users.next}`",
        ],
    )
    .await;
    let cursors = api(|_| body(&records(0), r#","next_cursor":"a","next_page_token":"b""#));
    check_error(cursors, &["cursor_path: next_cursor", "cursor_path: next_page_token"]).await;
}

#[tokio::test]
async fn a_page_that_only_repeats_is_refused_with_what_to_write() {
    // The cursor goes to a parameter that nobody can guess.
    let repeats = api(|_| body(&records(0), r#","next_cursor":"a""#));
    check_error(
        repeats,
        &["page 4", "has the records of page 1 again", "`{type: cursor, cursor_path: next_cursor", "such as `paginator: {type: "],
    )
    .await;
    // A total that nothing answers to.
    let repeats = api(|_| body(&records(0), r#","total":25"#));
    check_error(repeats, &["has the records of page 1 again"]).await;
}

#[tokio::test]
async fn a_second_page_that_overlaps_the_first_is_refused() {
    let overlaps = api(|request| {
        let start = request.number("cursor", 0);
        body(&ids(start..start + 10), &format!(r#","next_cursor":"{}""#, start + 7))
    });
    check_error(overlaps, &["page 2", "has 3 of the records of page 1 again"]).await;
}

#[tokio::test]
async fn a_detected_paginator_that_goes_in_circles_is_refused() {
    let circle = api(|request| {
        let number = request.number("cursor", 0);
        body(&ids(number * 10..number * 10 + 10), &format!(r#","next_cursor":"{}""#, (number + 1) % 4))
    });
    check_error(circle, &["page 5", "the detected paginator `{type: cursor, cursor_path: next_cursor}` does not hold"]).await;
}

#[tokio::test]
async fn a_total_that_is_not_what_was_read_is_refused() {
    let short = api(|request| {
        let number = request.number("page", 1);
        body(&records(number - 1), &format!(r#","meta":{{"page":{number},"total_pages":3,"total":47}}"#))
    });
    check_error(short, &["it ended after 25 records, but `meta.total` is 47"]).await;
    let short = api(|request| {
        let number = request.number("cursor", 0);
        let next = if number == 2 { "null".to_owned() } else { format!("\"{}\"", number + 1) };
        body(&records(number), &format!(r#","next_cursor":{next},"total_count":26,"count":10"#))
    });
    check_error(short, &["it ended after 25 records, but `total_count` is 26"]).await;
}
