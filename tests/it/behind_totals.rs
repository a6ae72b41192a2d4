//! Behind a full page a total is no proof: one more page is asked for. Records there contradict the total, and whatever an API answers where
//! nothing is lets the total stand.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::billing::{answer, run_appended as run, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

const SIZE: u64 = 10;

/// What tells a total of 20 records, or of 2 pages.
#[derive(Clone, Copy, Debug)]
enum Told {
    Header(&'static str),
    Range,
    Body(&'static str),
    Meta,
    Pages,
}

/// The place that is asked for by an offset or a page number from 1 on.
fn place(request: &Request) -> u64 {
    match request.param("offset") {
        Some(_) => request.number("offset", 0),
        None => (request.number("page", 1).max(1) - 1) * SIZE,
    }
}

/// Records from a place on, of so many.
fn records(from: u64, of: u64) -> Vec<Value> {
    (from + 1..=(from + SIZE).min(of)).map(|id| wallet(id as i64)).collect()
}

/// A page of these records that tells of 20 in all.
fn page(told: Told, from: u64, records: &[Value]) -> Reply {
    let mut body = json!({"data": records});
    match told {
        Told::Header(_) | Told::Range => {}
        Told::Body(name) => body[name] = json!(20),
        Told::Meta => body["meta"] = json!({"total": 20}),
        Told::Pages => body["total_pages"] = json!(2),
    }
    let reply = answer(&body);
    match told {
        Told::Header(name) => reply.header(name, "20"),
        Told::Range => reply.with_header("content-range", &format!("items {from}-{}/20", from + SIZE - 1)),
        _ => reply,
    }
}

/// So many records, of which 20 are told.
fn api(told: Told, of: u64) -> FakeApi {
    things(move |request| page(told, place(request), &records(place(request), of)))
}

/// Each way to be told a total that ends the pages, with what to write where it counts something else.
const WAYS: [(Told, &str, &str, &str); 11] = [
    (Told::Body("total"), "{type: offset, limit: 10}", "{type: offset, limit: 10, total_path: null}", ""),
    // The API gives no more than ten.
    (Told::Body("total"), "{type: offset, limit: 100}", "{type: offset, limit: 100, total_path: null}", ""),
    (Told::Body("all"), "{type: offset, limit: 10, total_path: all}", "{type: offset, limit: 10, total_path: null}", ""),
    (Told::Pages, "{type: page_number, base_page: 1, total_path: total_pages}", "{type: page_number, base_page: 1}", ""),
    (Told::Header("x-total-count"), "{type: offset, limit: 10}", "{type: offset, limit: 10}", "expect: {total: estimate}"),
    (
        Told::Header("X-WP-Total"),
        "{type: page_number, base_page: 1}",
        "{type: page_number, base_page: 1}",
        "expect: {total: estimate}",
    ),
    (Told::Range, "{type: offset, limit: 10, total_path: null}", "{type: offset, limit: 10}", "expect: {total: estimate}"),
    (Told::Range, "{type: page_number, base_page: 1}", "{type: page_number, base_page: 1}", "expect: {total: estimate}"),
    (Told::Body("total"), "", "{type: offset, limit: 10, total_path: null}", ""),
    (Told::Meta, "", "{type: offset, limit: 10, total_path: null}", ""),
    (Told::Pages, "", "{type: page_number, base_page: 1, total_path: null}", ""),
];

#[test]
fn a_total_that_is_told_too_low_behind_a_full_page_is_red_and_the_way_out_works() {
    for (told, paginator, instead, more) in WAYS {
        let (sandbox, ended) = run(&api(told, 25), paginator, "");
        let way = if more.is_empty() && !instead.contains("null") {
            "leave it out"
        } else if !more.is_empty() {
            more
        } else if paginator.is_empty() {
            instead
        } else {
            "`total_path: null`"
        };
        ended.failed_with(3, &[if matches!(told, Told::Pages) { "2" } else { "20" }, way]);
        assert!(sandbox.data_files().is_empty(), "{told:?} {paginator}\n{ended}");
        let (sandbox, ended) = run(&api(told, 25), instead, more);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{told:?} {instead} {more}\n{ended}");
    }
}

#[test]
fn a_total_that_is_true_costs_one_request_behind_a_full_page_and_none_behind_a_short_one() {
    for (told, paginator, ..) in WAYS {
        for (of, is_full) in [(20, true), (19, false)] {
            let api = things(move |request| {
                let mut page = page(told, place(request), &records(place(request), of));
                if of == 19 {
                    page = page_of_19(told, request);
                }
                page
            });
            let (sandbox, ended) = run(&api, paginator, "");
            assert_eq!((ended.code(), sandbox.rows("things").len() as u64), (Some(0), of), "{told:?} {paginator}\n{ended}");
            assert!(!is_warned(&ended), "{told:?} {paginator}\n{ended}");
            // Without a paginator, a guess at the base of the numbers comes first.
            let guess = u64::from(paginator.is_empty() && matches!(told, Told::Pages));
            let requests = api.requests().len() as u64;
            assert_eq!(requests, 2 + guess + u64::from(is_full), "{told:?} {paginator} {of}\n{ended}");
        }
    }
}

/// Whether there is a warning other than that of a page that is smaller than asked for.
fn is_warned(ended: &Ended) -> bool {
    ended.summary()["warnings"].as_array().unwrap().iter().any(|warning| warning["code"] != "page_size_differs")
}

/// The 19 records of an API that tells of them.
fn page_of_19(told: Told, request: &Request) -> Reply {
    let records = records(place(request), 19);
    match told {
        Told::Header(name) => answer(&json!({"data": records})).header(name, "19"),
        Told::Range => answer(&json!({"data": records})).header("content-range", "items 0-9/19"),
        Told::Body(name) => answer(&json!({"data": records, name: 19})),
        Told::Meta => answer(&json!({"data": records, "meta": {"total": 19}})),
        Told::Pages => page(told, 0, &records),
    }
}

#[test]
fn whatever_an_api_answers_behind_its_end_lets_the_total_stand() {
    let refusals: [(Reply, bool); 13] = [
        (answer(&json!({"data": []})), true),
        (Reply::status(400), true),
        (Reply::status(404), true),
        (Reply::status(416), true),
        (Reply::status(422), true),
        (Reply::status(204), true),
        (answer(&json!({"data": records(10, 20)})), true),
        // No proof, but no failure either.
        (Reply::status(403), false),
        (Reply::status(500), false),
        (Reply::html(), false),
        (answer(&json!({"data": [], "error": "page out of range"})), false),
        (answer(&json!({"detail": "Invalid page."})), false),
        (answer(&json!(null)), false),
    ];
    for (told, paginator, ..) in [0, 3, 5, 9].map(|way| WAYS[way]) {
        for (refusal, is_proof) in refusals.clone() {
            let shown = format!("{told:?} {paginator} {refusal:?}");
            let api = things(move |request| match place(request) {
                from @ ..20 => page(told, from, &records(from, 20)),
                _ => refusal.clone(),
            });
            let resource = format!(
                "write_disposition: append\nendpoint: {{path: /things, data_selector: data{}}}",
                if paginator.is_empty() { String::new() } else { format!(", paginator: {paginator}") }
            );
            let config = things_config(&api.url(), &resource)
                .replace("initial_delay: 10ms, max_retries: 3", "initial_delay: 1ms, max_retries: 1");
            let sandbox = Sandbox::with_config(&config);
            let ended = sandbox.run();
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 20), "{shown}\n{ended}");
            assert!(!is_warned(&ended), "{shown}\n{ended}");
            let is_counted = !matches!(told, Told::Pages);
            let completeness = ended.table("things")["completeness"] == "proven";
            assert_eq!(completeness, is_proof && is_counted, "{shown}\n{ended}");
        }
    }
}

/// Refusals that name a limit of 20 records.
const LIMITS: [(u16, &str); 5] = [
    (400, "Result window is too large, from + size must be less than or equal to: [20] but was [30]"),
    (400, "Pagination limit exceeded: offset + limit must not exceed 20; narrow your search"),
    (403, "Access to results beyond the first 20 is limited to partners"),
    (416, "offset exceeds the maximum of 20"),
    (422, "Only the first 20 search results are available"),
];

#[test]
fn a_total_that_is_capped_where_the_api_refuses_to_go_on_is_red_and_the_way_out_works() {
    for (told, paginator, ..) in [0, 3, 5, 9].map(|way| WAYS[way]) {
        for (status, message) in LIMITS {
            let api = things(move |request| match place(request) {
                from @ ..20 => page(told, from, &records(from, 60)),
                _ => Reply::status(status).body(json!({"message": message}).to_string()),
            });
            let (sandbox, ended) = run(&api, paginator, "");
            let way = format!("[{{status_code: {status}, action: ignore}}]");
            let said = if status == 403 { "credentials refused with 403" } else { way.as_str() };
            assert!(sandbox.data_files().is_empty(), "{told:?} {paginator} {message}\n{ended}");
            ended.failed_with(if status == 403 { 4 } else { 3 }, &[message, said]);
            if status != 403 && !paginator.is_empty() {
                let (sandbox, ended) = run(&api, &format!("{paginator}, response_actions: {way}"), "");
                assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 20), "{told:?} {message}\n{ended}");
            }
        }
    }
    // The same in a body that tells of its own failure.
    let api = things(|request| match place(request) {
        from @ ..20 => page(Told::Body("total"), from, &records(from, 60)),
        _ => answer(&json!({"data": [], "error": "result window too large", "total": 20})),
    });
    let (_, ended) = run(&api, "{type: offset, limit: 10}", "");
    ended.failed_with(3, &["window too large"]);
}

#[test]
fn a_guess_that_is_refused_in_words_for_a_limit_is_a_doubt() {
    for (params, around) in
        [("", json!({"total": 10})), ("params: {limit: 10}", json!({})), ("params: {limit: 10}", json!({"total": 10}))]
    {
        let body = around.clone();
        let api = things(move |request| {
            let mut page = body.clone();
            page["data"] = json!(records(0, 60));
            let is_first = request.param("offset").is_none() && request.param("page").is_none();
            let refusal = json!({"message": "Only the first 10 search results are available"}).to_string();
            if is_first { answer(&page) } else { Reply::status(422).body(refusal) }
        });
        let endpoint = format!("endpoint: {{path: /things, data_selector: data, {params}}}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("write_disposition: append\n{endpoint}")));
        let ended = sandbox.run();
        assert_eq!(ended.code(), Some(0), "{params} {around}\n{ended}");
        assert_eq!(ended.summary()["warnings"][0]["code"], "more_pages_in_doubt", "{params} {around}\n{ended}");
        assert_eq!(ended.table("things")["completeness"], "unknown", "{params} {around}\n{ended}");
    }
}

#[test]
fn an_empty_page_behind_a_met_total_is_the_end_whatever_link_it_has() {
    // CKAN's `_links.next` is always set.
    for of in [7, 10, 20, 25] {
        let api = things(move |request| {
            let from = place(request);
            let next = format!("/things?offset={}", from + SIZE);
            answer(&json!({"result": {"records": records(from, of), "total": of, "_links": {"start": "/things", "next": next}}}))
        });
        let resource = "write_disposition: append\nendpoint: {path: /things, data_selector: result.records, paginator: {type: offset, limit: 10, total_path: result.total}}";
        let sandbox = Sandbox::with_config(&things_config(&api.url(), resource));
        let ended = sandbox.run();
        assert_eq!((ended.code(), sandbox.rows("things").len() as u64), (Some(0), of), "{of}\n{ended}");
    }
}

#[test]
fn a_total_is_met_where_places_begin_at_1() {
    // SCIM's `startIndex`.
    for (of, total) in [(8, 8), (9, 9), (10, 10), (20, 20), (25, 25), (25, 20), (19, 25)] {
        let api = things(move |request| {
            let from = request.number("startIndex", 1) - 1;
            answer(&json!({"Resources": records(from, of), "totalResults": total, "startIndex": from + 1}))
        });
        let paginator =
            "{type: offset, limit: 10, offset: 1, offset_param: startIndex, limit_param: count, total_path: totalResults}";
        let resource =
            format!("write_disposition: append\nendpoint: {{path: /things, data_selector: Resources, paginator: {paginator}}}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
        let ended = sandbox.run();
        if of == total {
            assert_eq!((ended.code(), sandbox.rows("things").len() as u64), (Some(0), of), "{of}\n{ended}");
        } else {
            ended.failed_with(3, &[&format!("is {total}")]);
        }
    }
}

#[test]
fn a_rule_for_what_is_answered_behind_the_end_costs_no_row() {
    for action in ["ignore", "skip", "fail"] {
        let api = things(|request| match place(request) {
            from @ ..20 => page(Told::Body("total"), from, &records(from, 20)),
            _ => Reply::status(404),
        });
        let rules = format!("{{type: offset, limit: 10}}, response_actions: [{{status_code: 404, action: {action}}}]");
        let (sandbox, ended) = run(&api, &rules, "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 20), "{action}\n{ended}");
        assert_eq!(ended.summary()["warnings"], json!([]), "{action}\n{ended}");
    }
}

#[test]
fn what_else_ends_the_pages_takes_no_look_behind_the_total() {
    for (paginator, around) in [
        ("{type: offset, limit: 10, maximum_offset: 20}", json!({})),
        ("{type: offset, limit: 10, has_more_path: more}", json!({})),
        ("{type: offset, limit: 10}", json!({"has_more": false})),
    ] {
        let api = things(move |request| {
            let from = place(request);
            let mut body = json!({"data": records(from, 20), "total": 20, "more": from < 10});
            if from >= 10 {
                body.as_object_mut().unwrap().extend(around.as_object().unwrap().clone());
            }
            answer(&body)
        });
        let (sandbox, ended) = run(&api, paginator, "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 20), "{paginator}\n{ended}");
        assert_eq!((api.requests().len(), &ended.table("things")["end_reason"]), (2, &json!("total_reached")), "{ended}");
    }
}

#[test]
fn rows_that_come_in_before_the_look_are_read() {
    let asked = AtomicU64::new(0);
    let api = things(move |request| {
        let of = if asked.fetch_add(1, Ordering::SeqCst) < 2 { 20 } else { 21 };
        answer(&json!({"data": records(place(request), of), "total": of}))
    });
    let (sandbox, ended) = run(&api, "{type: offset, limit: 10}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 21), "{ended}");
    // What is accepted by name goes on, too.
    let (sandbox, ended) = run(&self::api(Told::Body("total"), 45), "{type: offset, limit: 10, allow_drift: true}", "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 45), "{ended}");
}

/// An only page of ten, or the first of 25 records, with a total that counts it; other pages by `name`.
fn own_count(name: &'static str, of: u64, header: bool, then: Option<Reply>) -> FakeApi {
    things(move |request| {
        let from = match name {
            "offset" => request.number("offset", 0),
            "page from 0" => request.number("page", 0) * SIZE,
            _ => (request.number("page", 1).max(1) - 1) * SIZE,
        };
        let is_first = request.param("offset").is_none() && request.param("page").is_none();
        let (records, then) = (records(from.min(of), of), then.clone().filter(|_| !is_first));
        let count = records.len();
        let reply = if header {
            answer(&json!(records)).with_header("x-total-count", &count.to_string())
        } else {
            answer(&json!({"data": records, "total": count}))
        };
        then.unwrap_or(reply)
    })
}

fn undeclared(api: &FakeApi, more: &str) -> (Sandbox, Ended) {
    let sandbox =
        Sandbox::with_config(&things_config(&api.url(), &format!("write_disposition: append\n{more}\nendpoint: /things")));
    let ended = sandbox.run();
    (sandbox, ended)
}

#[test]
fn a_total_that_counts_the_page_is_looked_behind_where_nothing_is_declared() {
    for name in ["offset", "page", "page from 0"] {
        for header in [false, true] {
            let (sandbox, ended) = undeclared(&own_count(name, 25, header, None), "");
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{name} {header}\n{ended}");
        }
    }
    // The total may be true: whatever an API answers where it has no page lets it stand.
    for then in [
        Reply::status(404),
        Reply::status(500),
        Reply::status(401),
        answer(&json!({"detail": "?"})),
        answer(&json!({"data": []})),
    ] {
        for header in [false, true] {
            let shown = format!("{header} {then:?}");
            let api = own_count("page", 10, header, Some(then.clone()));
            let (sandbox, ended) = undeclared(&api, "");
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 10), "{shown}\n{ended}");
            assert_eq!(ended.summary()["warnings"], json!([]), "{shown}\n{ended}");
        }
    }
}

#[test]
fn a_total_that_counts_the_only_page_is_a_doubt_where_no_guess_is_understood() {
    let volatile = AtomicU64::new(0);
    let same = things(|_| answer(&json!({"data": records(0, 10), "total": 10})));
    let changing = things(move |_| {
        let at = volatile.fetch_add(100, Ordering::SeqCst);
        answer(&json!({"data": (1..=10).map(|n| json!({"symbol": n, "price": at + n})).collect::<Vec<Value>>(), "total": 10}))
    });
    for api in [same, changing] {
        let (sandbox, ended) = undeclared(&api, "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 10), "{ended}");
        assert_eq!(ended.summary()["warnings"][0]["code"], "more_pages_in_doubt", "{ended}");
        assert_eq!(ended.table("things")["completeness"], "unknown", "{ended}");
    }
    // Nothing is asked for where the page is short, or something else says that it is all.
    for body in [
        json!({"data": records(0, 7), "total": 7}),
        json!({"data": records(0, 10), "total": 10, "has_more": false}),
        json!({"data": records(0, 10), "total": 10, "next": null}),
        json!({"data": records(0, 10), "total": 10, "page": 1, "pages": 1}),
        json!({"data": records(0, 10), "total": 10, "per_page": 15}),
    ] {
        let said = body.clone();
        let api = things(move |_| answer(&said));
        let (_, ended) = undeclared(&api, "");
        assert_eq!((ended.code(), api.requests().len()), (Some(0), 1), "{body}\n{ended}");
    }
}

/// So many records, a cap of them a page, each with a total of its own records, whatever is asked for; `then` is answered behind the first
/// page where there are no more.
fn capped(of: u64, cap: u64, then: Option<Reply>) -> FakeApi {
    things(move |request| {
        let from = request.number("offset", 0).min(of);
        let records: Vec<Value> = (from + 1..=(from + cap).min(of)).map(|id| wallet(id as i64)).collect();
        match then.clone().filter(|_| records.is_empty()) {
            Some(then) => then,
            None => answer(&json!({"data": records, "total": records.len()})),
        }
    })
}

const ASKS_100: &str = "{type: offset, limit: 100}";

#[test]
fn a_total_that_counts_a_page_shorter_than_asked_for_is_looked_behind() {
    for cap in [7, 15, 24, 40, 75] {
        let (sandbox, ended) = run(&capped(99, cap, None), ASKS_100, "");
        ended.failed_with(3, &[&format!("is {cap}"), "`total_path: null`"]);
        assert!(sandbox.data_files().is_empty(), "{cap}\n{ended}");
        let (sandbox, ended) = run(&capped(99, cap, None), "{type: offset, limit: 100, total_path: null}", "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 99), "{cap}\n{ended}");
    }
    // Where nothing is declared, a usual size is looked behind.
    for (cap, asked) in [(40, "?limit=100"), (75, "?limit=100"), (40, "")] {
        let resource = format!("write_disposition: append\nendpoint: {{path: '/things{asked}', data_selector: data}}");
        let api = capped(99, cap, None);
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
        let ended = sandbox.run();
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 99), "{cap} {asked}\n{ended}");
    }
}

#[test]
fn whatever_is_answered_behind_a_small_table_lets_its_total_stand() {
    let answers: [(Option<Reply>, bool); 11] = [
        (None, true),
        (Some(Reply::status(204)), true),
        (Some(Reply::status(400)), true),
        (Some(Reply::status(404)), true),
        (Some(Reply::status(416)), true),
        (Some(Reply::status(403)), false),
        (Some(Reply::status(500)), false),
        (Some(Reply::html()), false),
        (Some(answer(&json!({"data": [], "error": "page out of range"}))), false),
        (Some(answer(&json!({"detail": "Invalid page."}))), false),
        (Some(Reply::status(422).body(r#"{"message": "offset must not exceed 6"}"#)), true),
    ];
    for (then, is_proof) in answers {
        for of in [7, 40] {
            let api = capped(of, 100, then.clone());
            let resource =
                format!("write_disposition: append\nendpoint: {{path: /things, data_selector: data, paginator: {ASKS_100}}}");
            let config = things_config(&api.url(), &resource)
                .replace("initial_delay: 10ms, max_retries: 3", "initial_delay: 1ms, max_retries: 0");
            let sandbox = Sandbox::with_config(&config);
            let (ended, is_limit) = (sandbox.run(), format!("{then:?}").contains("422"));
            if of == 40 && is_limit {
                ended.failed_with(3, &["must not exceed"]);
                continue;
            }
            assert_eq!((ended.code(), sandbox.rows("things").len() as u64), (Some(0), of), "{then:?}\n{ended}");
            assert_eq!((api.requests().len(), is_warned(&ended)), (2, false), "{then:?}\n{ended}");
            assert_eq!(ended.table("things")["completeness"] == "proven", is_proof, "{then:?}\n{ended}");
        }
    }
    // Whoever passes over that answer by a rule loses nothing, either.
    let rules = format!("{ASKS_100}, response_actions: [{{status_code: 404, action: ignore}}]");
    let (sandbox, ended) = run(&capped(7, 100, Some(Reply::status(404))), &rules, "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 7), "{ended}");
}

#[test]
fn an_api_that_does_not_page_is_in_doubt_only_at_a_usual_size() {
    for incremental in ["", "incremental: {cursor_path: id, initial_value: 0}"] {
        for (of, is_doubt) in [(7, false), (40, true)] {
            let volatile = AtomicU64::new(0);
            let same = things(move |_| answer(&json!({"data": records_of(0, of), "total": of})));
            let changing = things(move |_| {
                let at = volatile.fetch_add(100, Ordering::SeqCst);
                let quotes: Vec<Value> = (1..=of).map(|n| json!({"id": n, "price": at + n})).collect();
                answer(&json!({"data": quotes, "total": of}))
            });
            for api in [same, changing] {
                let endpoint = format!("{{path: /things, data_selector: data, paginator: {ASKS_100}, {incremental}}}");
                let resource = format!("write_disposition: append\nendpoint: {endpoint}");
                let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
                let ended = sandbox.run();
                assert_eq!((ended.code(), sandbox.rows("things").len() as u64), (Some(0), of), "{of}\n{ended}");
                assert_eq!(ended.table("things")["completeness"], "unknown", "{of}\n{ended}");
                let told = ended.summary()["warnings"][0]["code"] == "more_pages_in_doubt";
                assert_eq!(told, is_doubt, "{of}\n{ended}");
            }
        }
    }
}

/// The records from a place on, so many.
fn records_of(from: u64, many: u64) -> Vec<Value> {
    (from + 1..=from + many).map(|id| wallet(id as i64)).collect()
}

#[test]
fn what_says_that_a_short_page_is_all_takes_no_look() {
    for around in
        [json!({"next": null}), json!({"has_more": false}), json!({"pages": 1}), json!({"last": true}), json!({"per_page": 50})]
    {
        let mut body = json!({"data": records_of(0, 7), "total": 7});
        body.as_object_mut().unwrap().extend(around.as_object().unwrap().clone());
        let api = things(move |_| answer(&body));
        let (sandbox, ended) = run(&api, ASKS_100, "");
        assert_eq!((ended.code(), sandbox.rows("things").len(), api.requests().len()), (Some(0), 7, 1), "{around}\n{ended}");
        assert_eq!(ended.table("things")["completeness"], "proven", "{around}\n{ended}");
    }
    for (name, value) in [("x-total-pages", "1"), ("x-next-page", ""), ("link", "</things?offset=0>; rel=\"last\"")] {
        let api = things(move |_| answer(&json!({"data": records_of(0, 7), "total": 7})).with_header(name, value));
        let (_, ended) = run(&api, ASKS_100, "");
        assert_eq!((ended.code(), api.requests().len()), (Some(0), 1), "{name}\n{ended}");
    }
    // No rows are none, and nothing is asked for behind them.
    let api = things(|_| answer(&json!({"data": [], "total": 0})));
    let (_, ended) = run(&api, ASKS_100, "");
    assert_eq!((ended.code(), api.requests().len(), is_warned(&ended)), (Some(0), 1, false), "{ended}");
}

#[test]
fn rows_that_come_in_behind_a_small_table_are_read() {
    let asked = AtomicU64::new(0);
    let api = things(move |request| {
        let of = if asked.fetch_add(1, Ordering::SeqCst) < 1 { 7 } else { 9 };
        answer(&json!({"data": records(request.number("offset", 0), of), "total": of}))
    });
    let (sandbox, ended) = run(&api, ASKS_100, "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 9), "{ended}");
}

#[test]
fn each_parents_only_page_is_taken_at_its_word_unless_it_has_a_usual_size() {
    let api = FakeApi::start()
        .on("/parents", |_| answer(&json!({"data": records_of(0, 3), "total": 3, "next": null})))
        .on("/parents/1/things", |_| answer(&json!({"data": records_of(0, 7), "total": 7})))
        .on("/parents/2/things", |_| answer(&json!({"data": records_of(7, 8), "total": 8})))
        .on("/parents/3/things", |request| {
            let from = request.number("offset", 0);
            let records = if from == 0 { records_of(20, 40) } else { Vec::new() };
            answer(&json!({"data": records, "total": 40}))
        });
    let resource = "write_disposition: append\nendpoint: {path: '/parents/{resources.parents.id}/things', data_selector: data, paginator: {type: offset, limit: 100}}";
    let parents =
        "  - {name: parents, endpoint: {path: /parents, data_selector: data, paginator: {type: offset, limit: 100}}}\nlake:\n";
    let config = things_config(&api.url(), resource).replace("lake:\n", parents);
    let sandbox = Sandbox::with_config(&config);
    let ended = sandbox.run();
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 55), "{ended}");
    let asked = |path: &str| api.requests().iter().filter(|request| request.path == path).count();
    assert_eq!((asked("/parents/1/things"), asked("/parents/2/things"), asked("/parents/3/things")), (1, 1, 2));
}
