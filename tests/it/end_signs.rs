//! Every end is judged by what the pages tell, whatever the paginator: a sign of more, in the body, in headers or in links, is red.

use serde_json::{Value, json};

use crate::support::billing::{answer, run_appended as run, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::Sandbox;

/// The records `from + 1` to `to`, with `around` beside them.
fn page(from: i64, to: i64, around: &Value) -> Value {
    let mut body = json!({"data": (from + 1..=to).map(wallet).collect::<Vec<_>>()});
    for (key, value) in around.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

/// Every kind of paginator.
const PAGINATORS: [&str; 9] = [
    "single_page",
    "{type: offset, limit: 13}",
    "{type: offset, limit: 13, has_more_path: again}",
    "{type: page_number, base_page: 1}",
    "{type: cursor, cursor_path: paging.at}",
    "{type: json_link, next_url_path: paging.at}",
    "header_link",
    "{type: header_link, links_next_key: later}",
    "{type: header_cursor, cursor_key: x-at}",
];

/// Thirteen records, and nothing behind them whatever is asked for, with a sign of more on every page; green without the sign.
#[track_caller]
fn check(around: &Value, header: Option<(&str, &str)>) {
    let handler = |around: Value, header: Option<(String, String)>| {
        move |request: &Request| {
            let is_first = request.param("offset").is_none_or(|offset| offset == "0")
                && request.param("page").is_none_or(|page| page == "1");
            let mut body = page(0, if is_first { 13 } else { 0 }, &around);
            body["paging"]["at"] = Value::Null;
            body["again"] = json!(false);
            let reply = answer(&body);
            header.iter().fold(reply, |reply: Reply, (name, value)| reply.header(name, value))
        }
    };
    let header = header.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let api = things(handler(around.clone(), header.clone()));
    // Of all paginators, a resource each in one run; the last one declares nothing.
    let endpoint = |paginator: &str| format!("endpoint: {{path: /things, data_selector: data{paginator}}}");
    let of = |(at, paginator): (usize, &&str)| {
        let endpoint = endpoint(&format!(", paginator: {paginator}"));
        format!("  - {{name: r{at}, write_disposition: append, {endpoint}}}\n")
    };
    let mut resources: String = PAGINATORS.iter().enumerate().map(of).collect();
    // An offset that is named is followed where nothing is declared, and the page there is empty.
    if around.get("next_offset").is_none() {
        resources.push_str(&format!("  - {{name: auto, write_disposition: append, {}}}\n", endpoint("")));
    }
    let config = things_config(&api.url(), "write_disposition: append\nendpoint: /none\nselected: false");
    let sandbox = Sandbox::with_config(&config.replace("lake:\n", &format!("{resources}lake:\n")));
    let ended = sandbox.run();
    assert_eq!(ended.code(), Some(3), "{around} {header:?}\n{ended}");
    for (name, table) in ended.summary()["tables"].as_object().unwrap() {
        let paginator = name.strip_prefix('r').and_then(|at| PAGINATORS.get(at.parse::<usize>().ok()?));
        assert_eq!(
            (&table["status"], &table["kind"]),
            (&json!("failed"), &json!("data")),
            "{paginator:?} {around} {header:?}\n{ended}"
        );
    }
    assert!(sandbox.data_files().is_empty(), "{around}");
}

#[test]
fn every_sign_of_more_is_red_with_every_paginator() {
    let next = "/things?p=2";
    for around in [
        json!({"has_more": true}),
        json!({"hasNext": true}),
        json!({"pageInfo": {"hasNextPage": true}}),
        json!({"isLast": false}),
        json!({"incomplete_results": true}),
        json!({"next_cursor": "abc"}),
        json!({"nextPageToken": "abc"}),
        json!({"next_offset": 20}),
        json!({"links": {"next": {"href": next}}}),
        json!({"links": [{"rel": "self", "href": "/things"}, {"rel": "next", "href": next}]}),
        json!({"link": [{"relation": "next", "url": next}]}),
        json!({"num_pages": 26}),
        json!({"pages": 26}),
        json!({"last_page": 26}),
        json!({"meta": {"total_pages": 26}}),
        json!({"remaining": 319}),
        json!({"total": {"value": 332}}),
        json!({"total": "1,332"}),
        json!({"found": 332}),
        json!({"count": 332}),
        json!({"meta": {"total": {"count": 332}}}),
        json!({"extensions": {"total": 332}}),
        json!({"has_more": 1}),
        json!({"has_more": "true"}),
        json!({"additional_data": {"pagination": {"more_items_in_collection": true}}}),
        json!({"endOfRecords": false}),
        json!({"end_of_stream": false, "after_url": next}),
        json!({"hydra:view": {"hydra:next": next}}),
        json!({"resumptionToken": "abc"}),
        json!({"search_after": [7, "abc"]}),
        json!({"nextPageUri": next}),
    ] {
        check(&around, None);
    }
    for header in [
        ("X-Next-Page", "2"),
        ("X-Next-Cursor", "abc"),
        ("X-Has-More", "true"),
        ("X-Total-Pages", "26"),
        ("X-Records-Total", "332"),
        ("X-Total-Count", "332"),
        ("Content-Range", "items 0-12/332"),
        ("X-Pagination", r#"{"TotalCount":332,"TotalPages":26,"CurrentPage":1}"#),
        ("x-ms-continuation", "abc"),
        ("x-ms-continuationtoken", "abc"),
        ("Opc-Next-Page", "abc"),
        ("X-Pagination-Total-Pages", "26"),
        ("Link", "</things?p=2>; rel='next'"),
        ("Link", "/things?p=2; rel=\"next\""),
        ("Link", "</things?p=2>; rel=\"next\""),
        ("Link", "</things?page=26>; rel=\"last\""),
    ] {
        // A link that the paginator follows is no end.
        check(&json!({}), Some(header));
    }
}

#[test]
fn an_end_that_nothing_speaks_against_is_green_whatever_else_stands_there() {
    for around in [
        json!({}),
        json!({"has_more": false, "next": "/things?p=2", "links": {"next": "/things?p=2"}}),
        json!({"isLast": true, "next_cursor": "abc"}),
        json!({"incomplete_results": false}),
        json!({"total": {"value": 6000, "currency": "EUR"}}),
        json!({"pages": 1, "next": "/things?p=2"}),
        json!({"page": 1, "pages": 1, "total": 13}),
        json!({"cursor": "own", "endCursor": "own", "scroll_id": "own"}),
        json!({"facets": {"total": 332, "pages": 26}, "job": {"done": false}}),
        json!({"links": [{"rel": "self", "href": "/things"}]}),
    ] {
        for paginator in
            ["single_page", "{type: offset, limit: 13}", "{type: page_number, base_page: 1}", "{type: cursor, cursor_path: at}"]
        {
            let around = around.clone();
            let api = things(move |request| {
                let is_first = request.number("offset", 0) == 0 && request.number("page", 1) == 1;
                let mut body = page(0, if is_first { 13 } else { 0 }, &around);
                body["at"] = Value::Null;
                answer(&body)
            });
            let (_, ended) = run(&api, paginator, "");
            assert_eq!(ended.code(), Some(0), "{paginator}\n{ended}");
        }
    }
    // A total that is met, and a next link for ever.
    let api = things(|request| {
        let from = request.number("offset", 0) as i64;
        answer(&page(
            from,
            (from + 10).min(30),
            &json!({"total": 30, "next": format!("/things?offset={}", from + 10), "more": true}),
        ))
    });
    let (_, ended) = run(&api, "{type: offset, limit: 10}", "");
    assert_eq!(ended.code(), Some(0), "{ended}");
    // The next page that each page names is the one that was asked for.
    let api = things(|request| {
        let from = request.number("offset", 0) as i64;
        let to = (from + 10).min(30).max(from);
        let next = if to > from { json!(to) } else { Value::Null };
        answer(&page(from, to, &json!({"next_offset": next})))
    });
    let (sandbox, ended) = run(&api, "{type: offset, limit: 10}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 30), "{ended}");
    // A full page promises more, and the empty one behind it takes that back.
    let api = things(|request| {
        let from = request.number("offset", 0) as i64;
        let to = (from + 10).min(30).max(from);
        answer(&page(from, to, &json!({"has_more": to - from == 10})))
    });
    let (sandbox, ended) = run(&api, "{type: offset, limit: 10}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 30), "{ended}");
}

/// The config that the run is red with, and what makes it green, as its message says.
#[track_caller]
fn check_way_out(api: &FakeApi, paginator: &str, words: &[&str], typed: &str, more: &str, rows: usize) {
    let (sandbox, ended) = run(api, paginator, "");
    ended.failed_with(3, words);
    assert!(sandbox.data_files().is_empty(), "{ended}");
    assert!(ended.stderr.contains(typed) && ended.stderr.contains(more), "{typed} {more} is not what is said\n{ended}");
    let (sandbox, ended) = run(api, typed, more);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows), "{typed} {more}\n{ended}");
}

#[test]
fn a_flag_that_contradicts_the_declared_one_is_red_and_named() {
    let jira = things(|request| {
        let from = request.number("startAt", 0) as i64;
        let to = (from + 10).min(45).max(from);
        answer(&page(from, to, &json!({"startAt": from, "maxResults": 10, "isLast": to == 45})))
    });
    let wrong = "{type: offset, limit: 10, offset_param: startAt, limit_param: maxResults, has_more_path: isLast}";
    let right = "{type: offset, limit: 10, offset_param: startAt, limit_param: maxResults, total_path: null, end_path: isLast}";
    check_way_out(&jira, wrong, &["`isLast` says that there is no more, but `isLast` is false"], right, "", 45);
    // Nothing is declared, or nothing of its own names.
    let (sandbox, ended) = run(&jira, "", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 45), "{ended}");
    let (_, ended) = run(&jira, "single_page", "");
    ended.failed_with(3, &["`isLast` is false", right]);
    let cached = things(|request| {
        let from = request.number("offset", 0) as i64;
        answer(&page(from, (from + 10).min(30), &json!({"meta": {"cached": false, "has_more": from < 20}})))
    });
    let (_, ended) = run(&cached, "{type: offset, limit: 10, has_more_path: meta.cached}", "");
    ended.failed_with(3, &["`meta.cached` says that there is no more, but `meta.has_more` is true"]);
}

#[test]
fn an_offset_that_is_a_page_number_is_red_and_the_way_out_works() {
    let by_number = |pages: bool| {
        things(move |request| {
            let number = request.number("offset", 0) as i64;
            let mut body = page((number * 10).min(200), ((number + 1) * 10).min(200), &json!({"has_more": number < 19}));
            if pages {
                body["pages"] = json!(20);
            }
            answer(&body)
        })
    };
    let words = ["2 pages have records, but `pages` says 20"];
    check_way_out(&by_number(true), "{type: offset, limit: 10}", &words, "{type: page_number, page_param: offset}", "", 200);
}

#[test]
fn page_numbers_that_begin_elsewhere_are_red_and_the_way_out_works() {
    for next_in_header in [false, true] {
        let from_1 = things(move |request| {
            let number = request.number("page", 1) as i64;
            let is_last = number >= 10;
            let around = if next_in_header || is_last { json!({}) } else { json!({"next_page": number + 1}) };
            let reply = answer(&page(((number - 1) * 10).clamp(0, 95), (number * 10).clamp(0, 95), &around));
            let link = format!("</things?page={}>; rel=next", number + 1);
            if next_in_header && !is_last { reply.header("link", &link) } else { reply }
        });
        let (_, ended) = run(&from_1, "page_number", "");
        ended.failed_with(3, &["the first page is empty", "does the API count from 1? Write `base_page: 1`"]);
        let (sandbox, ended) = run(&from_1, "{type: page_number, base_page: 1}", "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 95), "{ended}");
    }
    let from_0 = things(|request| {
        let number = request.number("page", 0) as i64;
        answer(&page((number * 10).min(95), ((number + 1) * 10).min(95), &json!({"page": number, "total_pages": 10})))
    });
    for total in ["", ", total_path: total_pages"] {
        let (_, ended) = run(&from_0, &format!("{{type: page_number, base_page: 1{total}}}"), "");
        ended.failed_with(3, &["page 10 of 10 is empty: does the API count from 0? Write `base_page: 0`"]);
        let (sandbox, ended) = run(&from_0, &format!("{{type: page_number, base_page: 0{total}}}"), "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 95), "{ended}");
    }
}

#[test]
fn a_cursor_that_looks_elsewhere_is_red_and_the_way_out_keeps_its_parameter() {
    let api = things(|request| {
        let from = request.number("after", 0) as i64;
        let next = (from + 10 < 30).then(|| (from + 10).to_string());
        answer(&page(from, from + 10, &json!({"cursors": {"next": null}, "has_more": next.is_some(), "next_cursor": next})))
    });
    let typed = "{type: cursor, cursor_path: next_cursor, cursor_param: after, has_more_path: has_more}";
    check_way_out(&api, "{type: cursor, cursor_param: after}", &["`has_more` is true"], typed, "", 30);
    // A link to the last page passes over those between.
    let linked = things(|request| {
        let number = request.number("page", 1) as i64;
        let next = format!("</things?page={}>; rel=next, </things?page=3>; rel=last", number + 1);
        let reply = answer(&page((number - 1) * 10, number * 10, &json!({})));
        if number < 3 { reply.header("link", &next) } else { reply }
    });
    let (_, ended) = run(&linked, "{type: header_link, links_next_key: last}", "");
    ended.failed_with(3, &["its `Link` header has a next page", "{type: header_link}"]);
}

#[test]
fn the_links_of_a_list_are_followed() {
    for (list, relation, at) in [("link", "relation", "url"), ("links", "rel", "href")] {
        let api = things(move |request| {
            let from = request.number("from", 0) as i64;
            let mut links = vec![json!({relation: "self", at: "/things"})];
            if from + 10 < 30 {
                links.push(json!({relation: "next", at: format!("/things?from={}", from + 10)}));
            }
            links.push(json!({relation: "previous", at: "/things"}));
            answer(&page(from, from + 10, &json!({list: links})))
        });
        let (sandbox, ended) = run(&api, "", "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 30), "{ended}");
        let typed = format!("{{type: json_link, next_url_path: \"{list}[?(@.{relation} == 'next')].{at}\"}}");
        check_way_out(&api, "single_page", &["is set"], &typed, "", 30);
    }
}

#[test]
fn more_records_than_a_total_says_are_red_unless_it_is_an_estimate() {
    let by_offset = |around: fn(i64) -> Value| {
        things(move |request| {
            let from = request.number("offset", 0) as i64;
            answer(&page(from.min(60), (from + 10).min(60), &around(from)))
        })
    };
    let api = by_offset(|_| json!({"total": 60}));
    for more in ["", "primary_key: id"] {
        let (sandbox, ended) = run(&api, "{type: page_number, page_param: offset}", more);
        ended.failed_with(3, &["555 records", "60"]);
        assert!(sandbox.data_files().is_empty(), "{ended}");
    }
    let (_, ended) = run(&api, "{type: page_number, page_param: offset}", "expect: {total: estimate}");
    assert_eq!(ended.code(), Some(0), "{ended}");
    // It counts pages, grows with them, or is a lower bound.
    for around in [
        (|_| json!({"total": 12})) as fn(i64) -> Value,
        |from| json!({"total": 51 + from / 5}),
        |_| json!({"total": {"value": 20, "relation": "gte"}}),
    ] {
        let cursor = things(move |request| {
            let from = request.number("cursor", 0) as i64;
            let next = (from + 5 < 60).then(|| (from + 5).to_string());
            let mut body = page(from, from + 5, &around(from));
            body["next"] = json!(next);
            answer(&body)
        });
        let (_, ended) = run(&cursor, "{type: cursor, cursor_path: next}", "");
        assert_eq!(ended.code(), Some(0), "{ended}");
    }
    // One that stays what it is beside more records is none.
    let cursor = things(|request| {
        let from = request.number("cursor", 0) as i64;
        let next = (from + 10 < 60).then(|| (from + 10).to_string());
        answer(&page(from, from + 10, &json!({"total": 25, "next": next})))
    });
    let paginator = "{type: cursor, cursor_path: next}";
    run(&cursor, paginator, "").1.failed_with(3, &["60 records, but `$.total` says 25", "`expect: {total: estimate}`"]);
    let (_, ended) = run(&cursor, paginator, "expect: {total: estimate}");
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn a_flag_beside_the_records_counts_however_deep_they_are() {
    let records: Vec<Value> = (1..=7).map(wallet).collect();
    let of = |more: bool| {
        let connection = json!({"nodes": records, "pageInfo": {"hasNextPage": more, "endCursor": "x"}});
        json!({"data": {"viewer": {"account": {"wallets": connection}}}})
    };
    for (more, code) in [(true, 3), (false, 0)] {
        let body = of(more);
        let api = things(move |_| answer(&body));
        for paginator in ["", ", paginator: single_page"] {
            let endpoint = format!("endpoint: {{path: /things, data_selector: data.viewer.account.wallets.nodes{paginator}}}");
            let resource = format!("write_disposition: append\n{endpoint}");
            let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
            let ended = sandbox.run();
            assert_eq!(ended.code(), Some(code), "{more} {paginator}\n{ended}");
        }
    }
}

#[test]
fn a_next_link_in_an_object_is_followed_where_there_is_one() {
    let run = |next: Value| {
        let api = things(move |request: &Request| match request.param("p") {
            None => answer(&page(0, 7, &json!({"next": next}))),
            Some(_) => answer(&page(7, 9, &json!({"next": {"href": null}}))),
        });
        let sandbox = run(&api, "{type: json_link, next_url_path: next}", "");
        (sandbox.0.rows("things").len(), sandbox.1)
    };
    for next in [json!({"href": "/things?p=2", "title": "Next"}), json!({"url": "/things?p=2"})] {
        let (rows, ended) = run(next);
        assert_eq!((ended.code(), rows), (Some(0), 9), "{ended}");
    }
    for (next, found) in [
        (json!({"href": "/things?p=2", "url": "/things?p=3"}), "an object"),
        (json!({"page": 2}), "an object"),
        (json!(["/things?p=2"]), "an array"),
    ] {
        run(next).1.failed_with(3, &["`$.next`", "next_url_path", found]);
    }
}
