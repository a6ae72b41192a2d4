//! What a config says of the pages is doubted where the pages contradict it: totals that count something else, numbers that begin elsewhere, and
//! single pages that are not.

use serde_json::{Value, json};

use crate::support::billing::{answer, run_appended as run, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Request};
use crate::support::sandbox::Sandbox;

/// `count` wallets, at most 100 a page, by `offset` or by `page` from 0 on, with everything around them that may be taken for a total.
fn api(count: i64, totals: bool) -> FakeApi {
    things(move |request| answer(&body(request, count, totals)))
}

fn body(request: &Request, count: i64, totals: bool) -> Value {
    let number = request.number("page", 0) as i64;
    let from = (request.number("offset", 0) as i64 + number * 100).min(count);
    let to = (from + 100).min(count);
    let records: Vec<Value> = (from + 1..=to).map(wallet).collect();
    let mut body = json!({"data": records, "count": to - from, "to": to, "limit": 100, "page": number + 1});
    if totals {
        body["meta"] = json!({"total": count, "pages": (count + 99) / 100});
    }
    body
}

#[test]
fn a_declared_total_that_a_full_page_may_count_by_itself_ends_nothing() {
    for totals in [false, true] {
        let paginators = ["{type: offset, limit: 100, total_path: limit}", "{type: offset, limit: 100, total_path: count}"];
        for paginator in paginators {
            let (sandbox, ended) = run(&api(530, totals), paginator, "");
            let meant = if totals { "did you mean `meta.total`, which says 530?" } else { "" };
            ended.failed_with(3, &["the API's total is 100", meant]);
            assert!(sandbox.data_files().is_empty(), "{ended}");
        }
        // What moves on with the pages ends them where they end.
        for paginator in ["{type: offset, limit: 100, total_path: to}", "{type: page_number, total_path: page}"] {
            let (sandbox, ended) = run(&api(530, totals), paginator, "");
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 530), "{paginator}\n{ended}");
        }
    }
    // Capped below what is asked for.
    let (_, ended) = run(&api(530, false), "{type: offset, limit: 500, total_path: count}", "");
    ended.failed_with(3, &["the API's total is 100"]);
}

#[test]
fn a_true_total_costs_at_most_one_page_and_is_proven_unless_another_contradicts_it() {
    for (count, requests) in [(530, 6), (100, 2), (30, 2), (31, 1)] {
        let api = api(count, true);
        let (sandbox, ended) = run(&api, "{type: offset, limit: 100, total_path: meta.total}", "");
        assert_eq!((ended.code(), sandbox.rows("things").len() as i64), (Some(0), count), "{ended}");
        assert_eq!((api.requests().len(), &ended.table("things")["completeness"]), (requests, &json!("proven")), "{ended}");
    }
    let filtered = things(|_| answer(&json!({"data": [wallet(1)], "recordsFiltered": 1, "recordsTotal": 9})));
    let (_, ended) = run(&filtered, "{type: offset, limit: 100, total_path: recordsFiltered}", "");
    assert_eq!((ended.code(), &ended.table("things")["completeness"]), (Some(3), &json!(null)), "{ended}");
}

#[test]
fn an_empty_first_page_that_tells_of_others_is_red() {
    let from_one = || {
        things(|request| match request.number("page", 1) {
            0 | 7.. => answer(&json!({"data": [], "pages": 6})),
            number => answer(&json!({"data": [wallet(number as i64)], "pages": 6})),
        })
    };
    for paginator in ["{type: page_number, total_path: pages}", "{type: page_number}", "{type: page_number, total_path: null}"] {
        let (_, ended) = run(&from_one(), paginator, "");
        ended.failed_with(3, &["the first page is empty, but `pages` says 6", "does the API count from 1? Write `base_page: 1`"]);
    }
    let (sandbox, ended) = run(&from_one(), "{type: page_number, total_path: pages, base_page: 1}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 6), "{ended}");
    let total = things(|_| answer(&json!({"data": [], "meta": {"total": 530}})));
    run(&total, "{type: page_number}", "").1.failed_with(3, &["says 530", "Write `base_page: 1`"]);
    // One page without records is what many say of none.
    let none = things(|_| answer(&json!({"data": [], "pages": 1, "total": 0})));
    let (_, ended) = run(&none, "{type: page_number, total_path: pages}", "");
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn a_single_page_that_names_the_next_one_is_red_and_the_ways_out_work() {
    let paged = || {
        things(|request| {
            let more = request.param("cursor").is_none();
            let ids = if more { 1..=3 } else { 4..=6 };
            answer(&json!({"data": ids.map(wallet).collect::<Vec<_>>(), "next_cursor": more.then_some("c2")}))
        })
    };
    let (_, ended) = run(&paged(), "single_page", "");
    ended.failed_with(3, &["`next_cursor`", "{type: cursor, cursor_path: next_cursor", "`expect: {total: estimate}`"]);
    for (paginator, more, rows) in
        [("{type: cursor, cursor_path: next_cursor}", "", 6), ("single_page", "expect: {total: estimate}", 3)]
    {
        let (sandbox, ended) = run(&paged(), paginator, more);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows), "{ended}");
    }
    // A paginator that looks elsewhere is told what to write, too.
    run(&paged(), "{type: json_link}", "").1.failed_with(3, &["{type: cursor, cursor_path: next_cursor"]);
}

#[test]
fn the_likely_way_out_of_a_total_that_is_not_reached_comes_first() {
    for paginator in ["{type: cursor, cursor_path: nxt}", "{type: json_link, next_url_path: nxt}", "single_page"] {
        let (_, ended) = run(&api(530, true), paginator, "");
        ended.failed_with(3, &["says 530", "how does it page? `paginator: {type: auto}` detects it; if that counts"]);
    }
    let by_offset = things(|request| {
        let (body, from) = (body(request, 530, true), request.number("offset", 0));
        answer(&json!({"data": body["data"], "meta": {"total": 530, "offset": from}}))
    });
    let (sandbox, ended) = run(&by_offset, "{type: auto}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 530), "{ended}");
    let (_, ended) = run(&api(530, true), "{type: page_number, total_path: to}", "");
    assert_eq!(ended.code(), Some(0), "{ended}");
    let (_, ended) = run(&api(530, true), "{type: page_number, total_path: limit}", "");
    ended.failed_with(3, &["did you mean `meta.pages`, which says 6?", "`total_path` of `page_number` counts pages; "]);
    // One of records is told, and what is told works.
    let (sandbox, ended) = run(&api(530, true), "{type: page_number, total_path: meta.total}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 530), "{ended}");
    assert!(ended.stderr.contains("write `total_records_path: meta.total` in its place"), "{ended}");
    let (sandbox, ended) = run(&api(530, true), "{type: page_number, total_records_path: meta.total}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 530), "{ended}");
    assert!(!ended.stderr.contains("warning"), "{ended}");
}

#[test]
fn as_many_records_as_pages_usually_have_are_a_doubt() {
    for around in [json!({}), json!({"count": 50}), json!({"limit": 50, "page": 1})] {
        let body = around.clone();
        let fifty = things(move |_| {
            let mut page = body.clone();
            page["data"] = (1..=50).map(wallet).collect();
            answer(&page)
        });
        let (_, ended) = run(&fifty, "", "");
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert_eq!(ended.summary()["warnings"][0]["code"], "more_pages_in_doubt", "{around}\n{ended}");
    }
    // What says that no page follows leaves none.
    for end in [
        json!({"has_more": false}),
        json!({"next": null}),
        json!({"next": ""}),
        json!({"next_cursor": null}),
        json!({"links": {"next": null}}),
        json!({"nextPageToken": ""}),
    ] {
        let whole = things(move |_| {
            let mut page = end.clone();
            page["data"] = (1..=50).map(wallet).collect();
            answer(&page)
        });
        let (_, ended) = run(&whole, "", "");
        assert_eq!(ended.summary()["warnings"], json!([]), "{ended}");
    }
}

#[test]
fn a_cursor_passes_over_no_page_that_may_be_there() {
    let since = "incremental: {cursor_path: id, start_param: since, initial_value: 0}";
    let night = |told: Value, count: i64, paginator: &str| {
        let api = things(move |_| {
            let mut page = told.clone();
            page["data"] = (1..=count).rev().map(wallet).collect();
            answer(&page)
        });
        let endpoint = format!("endpoint: {{path: /things, data_selector: data, {paginator}{since}}}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("write_disposition: append\n{endpoint}")));
        let ended = sandbox.run();
        assert_eq!(ended.code() == Some(0), !sandbox.data_files().is_empty(), "{ended}");
        ended
    };
    // A total may count rows before the cursor, too, but not where the only page is as large as pages get.
    for (told, said) in [(json!({"total_pages": 10}), "says 10"), (json!({"total": 500}), "says 500")] {
        night(told.clone(), 50, "paginator: single_page, ").failed_with(3, &[said, "paginator: {"]);
        let ended = night(told, 47, "paginator: single_page, ");
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert_eq!(ended.summary()["warnings"][0]["code"], "total_contradicted", "{ended}");
    }
    night(json!({}), 50, "").failed_with(3, &["50 records are a usual page size", "`paginator: single_page`", "cursor"]);
    for (told, count, paginator) in
        [(json!({}), 47, ""), (json!({}), 50, "paginator: single_page, "), (json!({"next": null}), 50, "")]
    {
        let ended = night(told, count, paginator);
        assert_eq!((ended.code(), &ended.summary()["warnings"]), (Some(0), &json!([])), "{ended}");
    }
}

#[test]
fn a_guess_at_a_second_page_that_brings_the_first_one_again_is_a_doubt() {
    // It ignores what it does not know.
    let search = |name: &'static str, has_total: bool| {
        things(move |request| {
            let from = request.number(name, 0) as i64;
            let hits: Vec<Value> = (from + 1..=(from + 10).min(25)).map(wallet).collect();
            let total = json!({"value": 10, "relation": "gte"});
            answer(&if has_total { json!({"data": hits, "total": total}) } else { json!({"data": hits}) })
        })
    };
    let resource = "write_disposition: append\nendpoint: {path: /things, data_selector: data, params: {size: 10}}";
    let ended = Sandbox::with_config(&things_config(&search("begin", false).url(), resource)).run();
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ended.summary()["warnings"][0]["code"], "more_pages_in_doubt", "{ended}");
    // Elasticsearch's total is known by its form, and so are its parameters.
    let told = search("from", true);
    let sandbox = Sandbox::with_config(&things_config(&told.url(), resource));
    let ended = sandbox.run();
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
    let search = search("from", true);
    let paginator = "{type: offset, limit: 10, offset_param: from, limit_param: size, total_path: total.value}";
    let (sandbox, ended) = run(&search, paginator, "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
}

#[test]
fn what_says_outright_that_it_is_all_takes_no_guess_at_a_second_page() {
    for end in [
        json!({"has_more": false}),
        json!({"isLast": true}),
        json!({"last": true}),
        json!({"done": true}),
        json!({"next": null}),
        json!({"next_cursor": null}),
        json!({"links": {"next": null}}),
        json!({"total_pages": 1}),
    ] {
        let body = end.clone();
        let api = things(move |_| {
            let mut page = body.clone();
            page["data"] = (1..=10).map(wallet).collect();
            answer(&page)
        });
        let resource = "write_disposition: append\nendpoint: {path: /things, data_selector: data, params: {limit: 10}}";
        let ended = Sandbox::with_config(&things_config(&api.url(), resource)).run();
        assert_eq!((ended.code(), &ended.summary()["warnings"]), (Some(0), &json!([])), "{end}\n{ended}");
        assert_eq!(api.requests().len(), 1, "{end}\n{ended}");
    }
}
