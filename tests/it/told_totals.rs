//! A total that the API tells is reached, or the run is red, whatever the paginator; and what only looks like a total is none.

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

const ROWS: i64 = 25;
const ESTIMATE: &str = "expect: {total: estimate}";

/// Runs a resource with the keys `endpoint` of its endpoint, and the lines `more` of its own.
fn run(api: &FakeApi, endpoint: &str, more: &str) -> (Sandbox, Ended) {
    let resource = format!("write_disposition: append\n{more}\nendpoint: {{path: /things{endpoint}}}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}

/// Ten records a page from `from` on, with `around` beside them and a total of 60 in the headers where `header` is one.
fn page(from: u64, next: Option<(&str, Value)>, around: &Value, header: Option<&str>) -> Reply {
    let from = from as i64;
    let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
    let mut body = json!({"data": records});
    for (key, value) in around.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    if let Some((key, value)) = next {
        body[key] = value;
    }
    let reply = answer(&body);
    header.map_or(reply.clone(), |name| reply.header(name, "60"))
}

/// The run is red for the total of 60, names where it stands, and is green once the config calls it an estimate.
#[track_caller]
fn check_red(endpoint: &str, rows: usize, of: &str, handler: impl Fn(&Request) -> Reply + Clone + Send + Sync + 'static) {
    let api = things(handler);
    let (sandbox, ended) = run(&api, endpoint, "");
    ended.failed_with(3, &["60", of, "estimate}"]);
    assert!(sandbox.data_files().is_empty(), "a refused run published\n{ended}");
    let (sandbox, ended) = run(&api, endpoint, ESTIMATE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows), "{endpoint}\n{ended}");
}

#[test]
fn e_83_a_total_in_a_header_is_reached_whatever_the_paginator() {
    for header in ["x-total-count", "X-WP-Total"] {
        let of = &*format!("the header `{}`", header.to_lowercase());
        let cursor = move |request: &Request| {
            let from = request.number("cursor", 0);
            let next = (from + 10 < ROWS as u64).then(|| json!((from + 10).to_string()));
            page(from, next.map(|next| ("next", next)), &json!({}), Some(header))
        };
        check_red(", data_selector: data, paginator: {type: cursor, cursor_path: next}", 25, of, cursor);
        check_red(", data_selector: data, paginator: single_page", 10, of, move |_| page(0, None, &json!({}), Some(header)));
        check_red(
            ", data_selector: data, paginator: {type: page_number, base_page: 1, total_path: null}",
            25,
            of,
            move |request| page((request.number("page", 1) - 1) * 10, None, &json!({}), Some(header)),
        );
        check_red(", data_selector: data, paginator: {type: offset, limit: 10, total_path: null}", 25, of, move |request| {
            page(request.number("offset", 0), None, &json!({}), Some(header))
        });
        // Nothing is declared.
        check_red("", 10, of, move |_| page(0, None, &json!({}), Some(header)));
        check_red("", 25, of, move |request| {
            let from = request.number("from", 0);
            let next = (from + 10 < ROWS as u64).then(|| json!(format!("/things?from={}", from + 10)));
            page(from, next.map(|next| ("next", next)), &json!({}), Some(header))
        });
    }
}

#[test]
fn e_83_a_total_around_the_records_is_reached_whatever_the_paginator() {
    let cursor = |around: Value| {
        move |request: &Request| {
            let from = request.number("cursor", 0);
            let next = (from + 10 < ROWS as u64).then(|| json!((from + 10).to_string()));
            page(from, next.map(|next| ("next", next)), &around, None)
        }
    };
    for (around, of) in [
        (json!({"total": 60}), "`$.total`"),
        (json!({"meta": {"total_count": 60}}), "`$.meta.total_count`"),
        (json!({"count": 60}), "`$.count`"),
    ] {
        check_red(", data_selector: data, paginator: {type: cursor, cursor_path: next}", 25, of, cursor(around));
    }
    let linked = |request: &Request| {
        let from = request.number("from", 0);
        let next = (from + 10 < ROWS as u64).then(|| json!(format!("/things?from={}", from + 10)));
        page(from, next.map(|next| ("next", next)), &json!({"count": 60}), None)
    };
    check_red(", data_selector: data, paginator: json_link", 25, "`$.count`", linked);
    check_red(", data_selector: data, paginator: single_page", 10, "`$.totalResults`", |_| {
        page(0, None, &json!({"totalResults": 60}), None)
    });
    // It says that there is no more, and has told of more.
    check_red("", 10, "`$.total`", |_| page(0, None, &json!({"total": 60, "has_more": false}), None));
    check_red(
        ", data_selector: data, paginator: {type: page_number, base_page: 1, total_path: pages}",
        25,
        "`$.total`",
        |request| page((request.number("page", 1) - 1) * 10, None, &json!({"total": 60, "pages": 3}), None),
    );
}

#[test]
fn e_83_allow_drift_goes_on_past_a_total_that_is_not_reached_and_says_so() {
    let api = things(|request| page(request.number("offset", 0), None, &json!({"total": 60}), None));
    let endpoint = ", data_selector: data, paginator: {type: offset, limit: 10, allow_drift: true}";
    let (sandbox, ended) = run(&api, endpoint, "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
    assert!(ended.stderr.contains("the API's total is 60"), "{ended}");
}

#[test]
fn what_only_looks_like_a_total_makes_no_run_red() {
    for around in [
        // Of pages, of the page itself, of something else, of nothing that is a number.
        json!({"total": 3}),
        json!({"count": 10}),
        json!({"customers": {"total_count": 60}}),
        json!({"total": "many", "totals": {"total": 99.5}}),
        json!({"count": 100}),
        json!({"total": {"value": 6000, "currency": "EUR"}}),
    ] {
        let handler = {
            let around = around.clone();
            move |request: &Request| {
                let from = request.number("cursor", 0);
                let next = (from + 10 < ROWS as u64).then(|| json!((from + 10).to_string()));
                page(from, next.map(|next| ("next", next)), &around, None)
            }
        };
        let api = things(handler);
        let endpoint = ", data_selector: data, params: {limit: 100}, paginator: {type: cursor, cursor_path: next}";
        let (sandbox, ended) = run(&api, endpoint, "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{around}\n{ended}");
    }
}

#[test]
fn rows_that_come_in_while_pages_are_read_make_no_run_red() {
    let api = things(|request| {
        let from = request.number("cursor", 0);
        let next = (from + 10 < ROWS as u64).then(|| json!((from + 10).to_string()));
        page(from, next.map(|next| ("next", next)), &json!({"total": ROWS as u64 + from / 10}), None)
    });
    let (sandbox, ended) = run(&api, ", data_selector: data, paginator: {type: cursor, cursor_path: next}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
    // What is proven is what is in the table.
    assert_eq!(ended.table("things")["completeness"], "unknown");
}

#[test]
fn an_estimate_and_a_total_that_ends_the_pages_exclude_each_other() {
    let api = things(|_| answer(&json!({"data": []})));
    let (_, ended) = run(&api, ", paginator: {type: offset, limit: 10, total_path: total}", ESTIMATE);
    ended.failed_with(2, &["`total_path`", "`estimate`", "keep one of them"]);
}

#[test]
fn a_table_that_lacks_records_is_not_proven_to_be_whole() {
    let whole = |request: &Request| page(request.number("offset", 0), None, &json!({"total": ROWS}), None);
    let endpoint = ", data_selector: data, paginator: {type: offset, limit: 10}";
    for (more, expected) in [("primary_key: id", "proven"), ("processing_steps: [{filter: 'id > 3'}]", "unknown")] {
        let (_, ended) = run(&things(whole), endpoint, more);
        assert_eq!(ended.table("things")["completeness"], expected, "{more}\n{ended}");
    }
    // The last record is one of the first page once more, and then one without its key.
    for (last, more) in [(wallet(5), ""), (json!({"name": "x"}), "primary_key: id\non_reject: quarantine\nmax_rejects: 9")] {
        let odd = move |request: &Request| {
            let from = request.number("offset", 0) as i64;
            let record = |id: i64| if id == ROWS { last.clone() } else { wallet(id) };
            let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(record).collect();
            answer(&json!({"data": records, "total": ROWS}))
        };
        let (_, ended) = run(&things(odd), endpoint, more);
        assert_eq!((ended.code(), &ended.table("things")["completeness"]), (Some(0), &json!("unknown")), "{ended}");
    }
}

#[test]
fn an_estimate_tells_of_more_pages_all_the_same_and_nothing_else_is_passed_over() {
    let api = things(|request| page(request.number("offset", 0), None, &json!({"total": 60}), None));
    let (sandbox, ended) = run(&api, "", ESTIMATE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
    let api = things(|_| page(0, None, &json!({"total": 60}), None));
    let (sandbox, ended) = run(&api, "", ESTIMATE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 10), "{ended}");
    let api = things(|_| page(0, None, &json!({"total": 60, "is_last": false}), None));
    let (_, ended) = run(&api, "", ESTIMATE);
    ended.failed_with(3, &["paginator"]);
}

#[test]
fn where_a_told_total_is_read_no_further_page_is_asked_for_and_a_refused_one_is_the_end() {
    for (rows, endpoint, header, in_body, asked) in [
        (25, "paginator: {type: page_number, base_page: 1}", "X-WP-Total", false, 3),
        // Behind a full page, one more is asked for.
        (20, "paginator: {type: page_number, base_page: 1}", "X-WP-Total", false, 3),
        (25, "paginator: {type: offset, limit: 10}", "X-Total-Count", false, 3),
        (20, "paginator: {type: offset, limit: 10, total_path: null}", "X-Total-Count", false, 3),
        // It may be the page's own count.
        (5, "paginator: {type: page_number, base_page: 1}", "X-WP-Total", false, 2),
        // In the body, it may count pages.
        (25, "paginator: {type: page_number, base_page: 1}", "X-Other", true, 4),
        // Nothing is declared: the first page and the probe come twice.
        (25, "params: {per_page: 10, page: 1}", "X-WP-Total", false, 5),
    ] {
        let api = things(move |request| {
            let from =
                request.param("offset").map_or((request.number("page", 1) - 1) * 10, |_| request.number("offset", 0)) as i64;
            if from >= rows {
                return Reply::status(400);
            }
            let records: Vec<Value> = (from + 1..=(from + 10).min(rows)).map(wallet).collect();
            let body = if in_body { json!({"data": records, "total": rows}) } else { json!(records) };
            answer(&body).header(header, &rows.to_string())
        });
        let (sandbox, ended) = run(&api, &format!(", {endpoint}"), "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows as usize), "{rows} {endpoint}\n{ended}");
        assert_eq!(ended.table("things")["end_reason"], "total_reached", "{endpoint}\n{ended}");
        assert!(api.requests().len() <= asked, "{rows} {endpoint}: {:?}", api.requests());
    }
    // What is not read yet is not done without.
    let api = things(|request| match request.number("page", 1) {
        page @ 1..=2 => page_of_25(page),
        _ => Reply::status(400),
    });
    let (_, ended) = run(&api, ", paginator: {type: page_number, base_page: 1}", "");
    ended.failed_with(3, &["400"]);
}

fn page_of_25(page: u64) -> Reply {
    let from = (page as i64 - 1) * 10;
    answer(&json!((from + 1..=from + 10).map(wallet).collect::<Vec<Value>>())).header("X-WP-Total", "25")
}

/// The body of a page with these records, and the next cursor.
type Around = fn(Vec<Value>, Option<String>) -> Value;

/// Ten records a page behind a cursor, wrapped by `around`, with these headers and this status.
fn behind_a_cursor(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    around: Around,
) -> impl Fn(&Request) -> Reply + Clone + Send + Sync + 'static {
    move |request: &Request| {
        let from = request.number("cursor", 0) as i64;
        let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
        let next = (from + 10 < ROWS).then(|| (from + 10).to_string());
        let body = around(records, next).to_string();
        headers.iter().fold(Reply::status(status).body(body), |reply, (name, value)| reply.header(name, value))
    }
}

fn plain(records: Vec<Value>, next: Option<String>) -> Value {
    json!({"data": records, "next": next})
}

const CURSOR: &str = ", data_selector: data, paginator: {type: cursor, cursor_path: next}";

#[test]
fn e_83_a_total_in_content_range_is_reached_and_one_of_bytes_counts_no_records() {
    for headers in
        [&[("content-range", "items 0-9/60")][..], &[("content-range", "0-9/60")], &[("content-range", "things 0-9/60")]]
    {
        for status in [200, 206] {
            check_red(CURSOR, 25, "the header `content-range`", behind_a_cursor(status, headers, plain));
        }
    }
    for headers in [&[("content-range", "bytes 0-9/60")][..], &[("content-range", "items 0-9/*")], &[]] {
        for status in [200, 206] {
            let (sandbox, ended) = run(&things(behind_a_cursor(status, headers, plain)), CURSOR, "");
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{headers:?} {status}\n{ended}");
        }
    }
}

#[test]
fn an_only_page_that_calls_itself_a_part_is_not_all() {
    for range in ["bytes 0-9/*", "items 0-9/*", "items 0-9/25", ""] {
        let part = move |_: &Request| {
            let reply = Reply::status(206).body(json!({"data": (1..=10).map(wallet).collect::<Vec<Value>>()}).to_string());
            if range.is_empty() { reply } else { reply.header("content-range", range) }
        };
        for endpoint in ["", ", data_selector: data, paginator: single_page", CURSOR] {
            let (sandbox, ended) = run(&things(part), endpoint, "");
            ended.failed_with(3, &[if range.ends_with("25") { "content-range" } else { "206" }, "estimate}"]);
            assert!(sandbox.data_files().is_empty(), "{range} {endpoint}");
            let (sandbox, ended) = run(&things(part), endpoint, ESTIMATE);
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 10), "{range} {endpoint}\n{ended}");
        }
    }
    // The part is all there is.
    let whole = |_: &Request| {
        let body = json!({"data": (1..=10).map(wallet).collect::<Vec<Value>>()}).to_string();
        Reply::status(206).body(body).header("content-range", "items 0-9/10")
    };
    for endpoint in ["", ", data_selector: data, paginator: single_page", CURSOR] {
        let (_, ended) = run(&things(whole), endpoint, "");
        assert_eq!(ended.code(), Some(0), "{endpoint}\n{ended}");
    }
    // Bytes of text may be cut anywhere.
    let cut = |_: &Request| {
        Reply::status(206).body("id,name\n1,a\n2,b\n").header("content-type", "text/csv").header("content-range", "bytes 0-15/99")
    };
    let (sandbox, ended) = run(&things(cut), ", response_format: csv, paginator: single_page", "");
    ended.failed_with(3, &["206", "bytes 0-15/99", "estimate}"]);
    assert!(sandbox.data_files().is_empty());
    let (sandbox, ended) = run(&things(cut), ", response_format: csv, paginator: single_page", ESTIMATE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 2), "{ended}");
}

#[test]
fn e_83_a_total_within_objects_is_reached_under_the_names_that_apis_use() {
    let arounds: [Around; 12] = [
        |records, next| json!({"data": records, "next": next, "meta": {"pagination": {"total": 60}}}),
        |records, next| json!({"data": records, "next": next, "page": {"totalElements": 60}}),
        |records, next| json!({"data": records, "next": next, "paging": {"total": 60}}),
        |records, next| json!({"data": records, "next": next, "pagination": {"total_count": 60}}),
        |records, next| json!({"data": records, "next": next, "_meta": {"total": 60}}),
        |records, next| json!({"data": records, "next": next, "total": {"value": 60, "relation": "eq"}}),
        |records, next| json!({"data": records, "next": next, "total": {"count": 60}}),
        |records, next| json!({"data": records, "next": next, "@odata.count": 60}),
        |records, next| json!({"data": records, "next": next, "hydra:totalItems": 60}),
        |records, next| json!({"data": records, "next": next, "totalDocs": 60}),
        |records, next| json!({"data": records, "next": next, "nbHits": 60}),
        |records, next| json!({"data": records, "next": next, "recordsTotal": 60}),
    ];
    for around in arounds {
        check_red(CURSOR, 25, "60", behind_a_cursor(200, &[], around));
    }
}

const HITS: &str = ", data_selector: hits.hits, paginator: {type: cursor, cursor_path: next}";

#[test]
fn e_83_a_total_of_elasticsearch_is_reached_and_a_lower_bound_ends_nothing() {
    check_red(
        HITS,
        25,
        "`$.hits.total`",
        behind_a_cursor(200, &[], |records, next| json!({"hits": {"total": 60, "hits": records}, "next": next})),
    );
    for relation in ["eq", "gte"] {
        let of = move |request: &Request| {
            let from = request.number("cursor", 0) as i64;
            let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
            let total = json!({"value": request.number("total", 60), "relation": relation});
            let next = (from + 10 < ROWS).then(|| (from + 10).to_string());
            answer(&json!({"took": 1, "hits": {"total": total, "max_score": null, "hits": records}, "next": next}))
        };
        check_red(HITS, 25, "`$.hits.total.value`", of);
        // A bound that is passed contradicts nothing, and proves nothing.
        let passed = move |request: &Request| {
            let from = request.number("offset", 0) as i64;
            let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
            answer(
                &json!({"hits": {"total": {"value": if relation == "eq" { ROWS } else { 20 }, "relation": relation}, "hits": records}}),
            )
        };
        for endpoint in
            [", data_selector: hits.hits", ", data_selector: hits.hits, paginator: {type: offset, limit: 10, total_path: null}"]
        {
            let (sandbox, ended) = run(&things(passed), endpoint, "primary_key: id");
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{relation} {endpoint}\n{ended}");
            let completeness = &ended.table("things")["completeness"];
            // A body that the config says has no total proves nothing either.
            let is_proven = relation == "eq" && !endpoint.contains("null");
            assert_eq!(completeness == "proven", is_proven, "{relation} {endpoint} {completeness}");
        }
    }
}

#[test]
fn a_lower_bound_that_the_config_names_is_reached_ends_no_pages_and_proves_nothing() {
    let hits = |total: Value| {
        move |request: &Request| {
            let from = request.number("offset", 0) as i64;
            let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
            answer(&json!({"took": 1, "of": {"all": {"hits": {"total": total, "hits": records}}}}))
        }
    };
    let selector = ", data_selector: of.all.hits.hits";
    let offset = format!("{selector}, paginator: {{type: offset, limit: 10, total_path: of.all.hits.total.value}}");
    let expected = format!("{selector}, paginator: {{type: offset, limit: 10, total_path: null}}");
    let expect = "expect: {total: of.all.hits.total.value}";
    for relation in ["gte", "GREATER_THAN_OR_EQUAL_TO", "eq", "EQUAL_TO"] {
        let is_bound = !relation.to_lowercase().starts_with("eq");
        for value in [10, 20, 25] {
            if !is_bound && value < 25 {
                continue;
            }
            let api = things(hits(json!({"value": value, "relation": relation})));
            for (endpoint, more) in [(&offset, ""), (&expected, expect)] {
                let (sandbox, ended) = run(&api, endpoint, more);
                assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{relation} {value} {endpoint}\n{ended}");
                let completeness = &ended.table("things")["completeness"];
                assert_eq!(completeness == "proven", !is_bound, "{relation} {value} {endpoint} {completeness}");
            }
        }
        let api = things(hits(json!({"value": 60, "relation": relation})));
        for (endpoint, more) in [(&offset, ""), (&expected, expect)] {
            let (sandbox, ended) = run(&api, endpoint, more);
            ended.failed_with(3, &["25 records", "60"]);
            assert!(sandbox.data_files().is_empty(), "{relation} {endpoint}");
        }
    }
    // All that the one page has is no less than a bound, and nobody says that it is all.
    let api = things(hits(json!({"value": 10, "relation": "gte"})));
    let (_, ended) = run(&api, &format!("{selector}, paginator: single_page"), expect);
    assert_ne!(ended.table("things")["completeness"], "proven", "{ended}");
}

#[test]
fn a_flag_that_says_a_total_is_not_exact_makes_it_a_lower_bound() {
    for is_exact in [false, true] {
        let api = things(move |request| {
            let from = request.number("offset", 0) as i64;
            let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
            let found = if is_exact { ROWS } else { 10 };
            answer(&json!({"response": {"numFound": found, "numFoundExact": is_exact, "docs": records}}))
        });
        let endpoint = ", data_selector: response.docs, paginator: {type: offset, limit: 10, total_path: response.numFound}";
        let (sandbox, ended) = run(&api, endpoint, "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{is_exact}\n{ended}");
        assert_eq!(ended.table("things")["completeness"] == "proven", is_exact, "{ended}");
    }
}
