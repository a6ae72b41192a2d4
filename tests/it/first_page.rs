//! Page numbers that count from the wrong place: an answer that tells of a page before the first one is looked into, and what lies there is
//! not left out in silence. No sign that proves nothing is an error.

use serde_json::{Value, json};

use crate::support::billing::{answer, run_appended as run, things, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};

/// What stands around the records of the page with this number, and a `Link` header.
type Around = fn(u64) -> (Value, Option<String>);

/// `count` records in pages of ten, whose numbers count from `base`; a number before that is answered by `outside`.
fn pages(base: u64, count: i64, around: Around, outside: fn(&Request) -> Reply) -> FakeApi {
    things(move |request| {
        let number = request.number("page", base);
        let Some(at) = number.checked_sub(base) else { return outside(request) };
        page_at(at as i64, count, number, around)
    })
}

fn page_at(at: i64, count: i64, number: u64, around: Around) -> Reply {
    let (from, to) = ((at * 10).min(count), (at * 10 + 10).min(count));
    let (mut body, link) = around(number);
    body["data"] = json!((from + 1..=to).map(wallet).collect::<Vec<_>>());
    let reply = answer(&body);
    link.iter().fold(reply, |reply, link| reply.header("link", link))
}

fn refused(_: &Request) -> Reply {
    Reply::status(404)
}

/// How many requests asked for this page.
fn asked(api: &FakeApi, number: &str) -> usize {
    api.requests().iter().filter(|request| request.param("page") == Some(number)).count()
}

const SIGNS: [Around; 11] = [
    |number| (json!({"has_previous": number > 0}), None),
    |number| (json!({"meta": {"hasPrev": u8::from(number > 0)}}), None),
    |number| (json!({"first": number == 0}), None),
    |number| (json!({"previous": (number > 0).then(|| format!("/things?page={}", number - 1))}), None),
    |number| (json!({"links": {"prev": {"href": format!("?page={}", number.saturating_sub(1))}}}), None),
    |_| (json!({"first_page_url": "/things?page=0"}), None),
    |number| (json!({"pagination": {"prev_page": number.checked_sub(1)}}), None),
    |number| (json!({"page": number + 1}), None),
    |number| (json!({}), number.checked_sub(1).map(|before| format!("</things?page={before}>; rel=\"prev\""))),
    |_| (json!({}), Some("</things?page=0>; rel=first".to_owned())),
    |_| (json!({"_links": {"first": {"href": "/things?page=0"}}}), None),
];

#[test]
fn a_page_before_the_first_one_that_is_read_is_told_and_both_ways_out_work() {
    for around in SIGNS {
        let api = pages(0, 35, around, refused);
        let (sandbox, ended) = run(&api, "{type: page_number, base_page: 1, total_path: null}", "");
        let around = around(1);
        assert_eq!(ended.code(), Some(3), "{around:?}\n{ended}");
        ended.failed_with(3, &["page 1 is read as the first one, but page 0 before it has 10 records", "write `base_page: 0`"]);
        assert!(sandbox.data_files().is_empty(), "{around:?}");
        for (typed, rows) in [("base_page: 0", 35), ("base_page: 0, page: 1", 25)] {
            let (sandbox, ended) = run(&api, &format!("{{type: page_number, {typed}, total_path: null}}"), "");
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows), "{around:?} {typed}\n{ended}");
        }
    }
}

#[test]
fn a_sign_of_a_page_before_the_first_one_that_is_not_there_costs_a_request_and_nothing_else() {
    // As an API that counts from 1 answers page 0: refused, empty, with the first page, or with all of them.
    let outside: [fn(&Request) -> Reply; 5] = [
        refused,
        |_| Reply::status(400),
        |_| answer(&json!({"data": []})),
        |_| page_at(0, 35, 1, |_| (json!({}), None)),
        |_| answer(&json!({"data": (1..=35).map(wallet).collect::<Vec<_>>()})),
    ];
    for (sign, around) in SIGNS.into_iter().enumerate() {
        for (at, outside) in outside.iter().enumerate().filter(|(at, _)| sign == 0 || at == &(sign % 5)) {
            let api = pages(1, 35, around, *outside);
            let (sandbox, ended) = run(&api, "{type: page_number, base_page: 1, total_path: null}", "primary_key: id");
            let found = (ended.code(), sandbox.rows("things").len(), ended.summary()["tables"]["things"]["records"].clone());
            assert_eq!(found, (Some(0), 35, json!(35)), "{at} {:?}\n{ended}", around(1));
            assert_eq!(asked(&api, "0"), 1, "{at} {:?}\n{ended}", around(1));
        }
    }
    // Nothing is asked for in vain without a sign, nor where one says that the page is the first.
    let silent: [Around; 6] = [
        |_| (json!({}), None),
        |_| (json!({"has_previous": false, "previous": null, "prev": "", "first": "/things?page=1"}), None),
        |number| (json!({"prev": format!("/things?page={}", number.saturating_sub(1).max(1)), "page": number}), None),
        |number| (json!({"first": number == 1, "number": number - 1, "prev_page": number - 1}), None),
        |_| (json!({"prev": "/things?before=abc", "cursors": {"previous": "abc"}}), None),
        |_| (json!({}), Some("</things?page=1>; rel=first, </things?page=0>; rel=prev".to_owned())),
    ];
    for around in silent {
        let api = pages(1, 35, around, refused);
        let (sandbox, ended) = run(&api, "{type: page_number, base_page: 1, total_path: null}", "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 35), "{ended}");
        assert_eq!(asked(&api, "0"), 0, "{ended}");
    }
}

#[test]
fn records_that_differ_on_every_request_prove_no_page_before_the_first_one() {
    let at = std::sync::atomic::AtomicI64::new(0);
    let api = things(move |request| {
        let number = request.number("page", 1).max(1) as i64;
        let at = at.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let records: Vec<Value> =
            (number * 10..number * 10 + if number < 4 { 10 } else { 0 }).map(|id| json!({"id": id, "fetched": at})).collect();
        answer(&json!({"data": records, "prev_page": number - 1}))
    });
    let (sandbox, ended) = run(&api, "{type: page_number, base_page: 1, total_path: null}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 30), "{ended}");
}

#[test]
fn an_empty_first_page_beside_one_with_records_is_red_and_the_way_out_works() {
    let silent: Around = |_| (json!({}), None);
    let empty: fn(&Request) -> Reply = |_| answer(&json!({"data": []}));
    for (api, wrong, right) in [
        (pages(1, 35, silent, empty), "page_number", "{type: page_number, base_page: 1}"),
        (pages(0, 7, silent, empty), "{type: page_number, base_page: 1}", "page_number"),
    ] {
        let (sandbox, ended) = run(&api, wrong, "");
        ended.failed_with(3, &["the first page is empty, but page", "records: does the API count from"]);
        assert!(sandbox.data_files().is_empty());
        let (sandbox, ended) = run(&api, right, "");
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(matches!(sandbox.rows("things").len(), 35 | 7), "{ended}");
    }
    // An empty resource is one, whichever number is asked for, and what says so itself is believed.
    for (around, requests) in [(silent, 2), ((|_| (json!({"total": 0}), None)) as Around, 1)] {
        for (base, outside) in [(0, refused as fn(&Request) -> Reply), (1, refused), (1, empty)] {
            let api = pages(base, 0, around, outside);
            let (_, ended) = run(&api, &format!("{{type: page_number, base_page: {base}, total_path: null}}"), "");
            assert_eq!((ended.code(), api.requests().len()), (Some(0), requests), "{base}\n{ended}");
        }
    }
    // So is one whose API fails where it has no page.
    let fails: [fn(&Request) -> Reply; 4] = [
        |_| Reply::status(403),
        |_| Reply::status(500),
        |_| Reply::html(),
        |_| answer(&json!({"data": [], "error": "page must be at least 1"})),
    ];
    for outside in fails {
        let (_, ended) = run(&pages(1, 0, silent, outside), "{type: page_number, base_page: 1, total_path: null}", "");
        assert_eq!(ended.code(), Some(0), "{ended}");
    }
}

#[test]
fn a_request_for_page_1_that_is_not_the_first_is_red_under_every_paginator() {
    let linked: Around = |number| {
        let next = (number < 3).then(|| format!("/things?page={}", number + 1));
        let link = next.iter().map(|next| format!("<{next}>; rel=next")).chain(["</things?page=0>; rel=first".to_owned()]);
        let link = link.collect::<Vec<_>>().join(", ");
        (json!({"next": next}), Some(link))
    };
    let api = pages(0, 35, linked, refused);
    for paginator in ["header_link", "{type: json_link, next_url_path: next}", ""] {
        let asking = |page: &str, more: &str| {
            let paginator = if paginator.is_empty() { "auto" } else { paginator };
            run(&api, &format!("{paginator}, params: {{page: {page}}}"), more)
        };
        asking("1", "").1.failed_with(3, &["page 1 is asked for", "page 0 as `rel=first`", "count from 0?"]);
        for (page, more, rows) in [("0", "", 35), ("1", "expect: {total: estimate}", 25), ("2", "", 15)] {
            let (sandbox, ended) = asking(page, more);
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows), "{paginator} {page}\n{ended}");
        }
    }
}
