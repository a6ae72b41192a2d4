//! What stands in the place of the next cursor or link on a last page, and says that there is none.

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Request};
use crate::support::sandbox::{Ended, Sandbox};

fn run(api: &FakeApi, endpoint: &str) -> (Sandbox, Ended) {
    let resource = format!("write_disposition: append\nendpoint: {{path: /things{endpoint}}}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}

/// `rows` records, ten a page, numbered from 1; the last page has `mark` for the next one's number, and all have `around`.
fn numbered(rows: i64, mark: Value, around: Value) -> FakeApi {
    things(move |request: &Request| {
        let page = request.param("page").map_or(1, |page| page.parse().unwrap_or(1)).max(1) as i64;
        let last = (rows + 9) / 10;
        let records: Vec<Value> = ((page - 1) * 10 + 1..=(page * 10).min(rows)).map(wallet).collect();
        let mut body = json!({"data": records, "next_page": if page < last { json!(page + 1) } else { mark.clone() }});
        for (key, value) in around.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        answer(&body)
    })
}

const NUMBER: &str = ", data_selector: data, paginator: {type: cursor, cursor_path: next_page, cursor_param: page}";

#[test]
fn e_75_what_can_be_no_cursor_ends_the_pages() {
    for mark in [json!(null), json!(false), json!(0), json!(-1), json!(""), json!(" "), json!("-1")] {
        for (rows, endpoint) in [(30, NUMBER), (25, NUMBER), (25, "")] {
            let (sandbox, ended) = run(&numbered(rows, mark.clone(), json!({})), endpoint);
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows as usize), "{mark} {endpoint}\n{ended}");
            assert_eq!(ended.table("things")["end_reason"], "no_next", "{mark}");
        }
        // It contradicts a flag, and a total.
        for around in [json!({"has_more": true}), json!({"total": 60})] {
            let more = if around["total"].is_null() { ", has_more_path: has_more}" } else { "}" };
            let (sandbox, ended) = run(&numbered(30, mark.clone(), around), &NUMBER.replace('}', more));
            ended.failed_with(3, &["things"]);
            assert!(sandbox.data_files().is_empty(), "{mark}");
        }
    }
}

#[test]
fn e_75_what_may_be_a_cursor_ends_the_pages_only_where_the_page_is_short_or_a_total_is_reached() {
    // The number of the page itself, of the first one, and words for nothing.
    for mark in [json!(3), json!(1), json!("3"), json!("0"), json!("null"), json!("None"), json!("false")] {
        for (rows, around) in
            [(25, json!({})), (30, json!({"total": 30})), (30, json!({"pages": 3})), (30, json!({"is_last": null}))]
        {
            let is_shown = around["is_last"].is_null() && around.get("is_last").is_none();
            let (sandbox, ended) = run(&numbered(rows, mark.clone(), around.clone()), NUMBER);
            if is_shown {
                assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows as usize), "{mark} {around}\n{ended}");
            } else {
                ended.failed_with(3, &["again"]);
                assert!(sandbox.data_files().is_empty(), "{mark}");
            }
        }
    }
    // A page that is short, and a word that the API takes for a cursor in spite of it.
    let named = things(|request: &Request| {
        let records: Vec<Value> = match request.param("cursor") {
            None => (1..=10).map(wallet).collect(),
            Some("a") => (11..=20).map(wallet).collect(),
            _ => (21..=22).map(wallet).collect(),
        };
        let next = match request.param("cursor") {
            None => json!("a"),
            Some("a") => json!("none"),
            _ => json!(null),
        };
        answer(&json!({"data": records, "next": next}))
    });
    let (sandbox, ended) = run(&named, ", data_selector: data, paginator: {type: cursor, cursor_path: next}");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 22), "{ended}");
}

#[test]
fn e_75_an_only_page_ends_by_its_mark() {
    for (mark, around, endpoint) in [
        (json!(1), json!({"total": 3, "page": 1}), NUMBER),
        (json!(1), json!({"total": 3, "page": 1}), ""),
        (json!(-1), json!({}), ""),
        (json!(1), json!({"pages": 1}), NUMBER),
    ] {
        let (sandbox, ended) = run(&numbered(3, mark.clone(), around), endpoint);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 3), "{mark} {endpoint}\n{ended}");
    }
}

#[test]
fn e_75_a_link_to_the_page_itself_ends_the_pages_where_the_page_is_short() {
    for (mark, is_always) in [("-1", true), ("0", false), ("null", false), ("/things?page=3", false)] {
        for rows in [25, 30] {
            let api = things(move |request: &Request| {
                let page = request.number("page", 1) as i64;
                let records: Vec<Value> = ((page - 1) * 10 + 1..=(page * 10).min(rows)).map(wallet).collect();
                let next = if page < 3 { format!("/things?page={}", page + 1) } else { mark.to_owned() };
                answer(&json!({"data": records, "next": next}))
            });
            let (sandbox, ended) = run(&api, ", data_selector: data, paginator: {type: json_link, next_url_path: next}");
            if is_always || rows == 25 {
                assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows as usize), "{mark} {rows}\n{ended}");
            } else {
                ended.failed_with(3, &["things"]);
                assert!(sandbox.data_files().is_empty(), "{mark}");
            }
        }
    }
    for mark in [json!(-1), json!(0), json!(false)] {
        let api = things(move |_| answer(&json!({"data": [wallet(1)], "next": mark})));
        let (_, ended) = run(&api, ", data_selector: data, paginator: {type: json_link, next_url_path: next}");
        assert_eq!(ended.code(), Some(0), "{ended}");
    }
}

#[test]
fn e_75_a_cursor_in_a_header_ends_by_its_mark() {
    for (mark, rows, is_end) in
        [("", 30, true), ("-1", 30, true), ("0", 25, true), ("0", 30, false), ("null", 25, true), ("3", 25, true)]
    {
        let api = things(move |request: &Request| {
            let page = request.param("page").map_or(1, |page| page.parse().unwrap_or(1)).max(1) as i64;
            let records: Vec<Value> = ((page - 1) * 10 + 1..=(page * 10).min(rows)).map(wallet).collect();
            let next = if page < 3 { (page + 1).to_string() } else { mark.to_owned() };
            answer(&json!(records)).header("x-next-page", &next)
        });
        let (_, ended) = run(&api, ", paginator: {type: header_cursor, cursor_key: x-next-page, cursor_param: page}");
        assert_eq!(ended.code(), Some(if is_end { 0 } else { 3 }), "{mark} {rows}\n{ended}");
    }
}
