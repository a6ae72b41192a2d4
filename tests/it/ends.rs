//! What ends the pages, through the program: the same keys for every paginator, the reason in the summary, and refusals whose fragments work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::billing::{answer, run_appended as run, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

const ROWS: i64 = 25;

/// Pages of ten, each of which names a next one for ever, with everything that may end them.
fn api() -> FakeApi {
    things(|request: &Request| {
        let from =
            request.param("page").map_or_else(|| request.number("after", 0), |page| (page.parse::<u64>().unwrap() - 1) * 10);
        let (from, next) = (from as i64, from + 10);
        let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
        let is_last = from + 10 >= ROWS;
        let meta = json!({"has_more": if is_last { "N" } else { "Y" }, "isLast": is_last, "total": ROWS, "pages": 3});
        let body = json!({"data": records, "meta": meta, "next": format!("/things?after={next}"), "cursor": next.to_string()});
        let link = format!("</things?after={next}>; rel=next");
        answer(&body).header("link", &link).header("x-total-count", "25").header("x-next", &next.to_string())
    })
}

const PAGINATORS: [&str; 5] = [
    "type: json_link",
    "type: header_link",
    "type: cursor, cursor_path: cursor, cursor_param: after",
    "type: header_cursor, cursor_key: x-next, cursor_param: after",
    "type: page_number, base_page: 1",
];

#[track_caller]
fn check_whole(paginator: &str, (sandbox, ended): &(Sandbox, Ended)) {
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), ROWS as usize), "{paginator}\n{ended}");
}

#[test]
fn each_paginator_takes_each_end_and_the_summary_says_which_it_was() {
    for (end, reason) in [
        ("has_more_path: meta.has_more", "has_more_false"),
        ("end_path: meta.isLast", "end_true"),
        ("total_records_path: meta.total", "total_reached"),
        ("total_records_header: X-Total-Count", "total_reached"),
        ("total_pages_path: meta.pages", "total_reached"),
    ] {
        for paginator in PAGINATORS {
            let paginator = format!("{{{paginator}, {end}}}");
            let api = api();
            let ran = run(&api, &paginator, "");
            check_whole(&paginator, &ran);
            assert_eq!(
                (&ran.1.table("things")["end_reason"], api.requests().len()),
                (&json!(reason), 3),
                "{paginator}\n{}",
                ran.1
            );
        }
    }
}

/// What stands between backticks behind `before`.
fn fragment(ended: &Ended, before: &str) -> String {
    let behind = ended.stderr.split(before).nth(1).unwrap_or_else(|| panic!("`{before}` is not told\n{ended}"));
    behind.split('`').nth(1).unwrap().to_owned()
}

#[test]
fn what_a_refusal_names_works_when_it_is_written() {
    for (wrong, code, before, key) in [
        ("has_more_path: meta.has_mor", 3, "did you mean ", "has_more_path"),
        ("end_path: meta.isLastPage", 3, "did you mean ", "end_path"),
        ("total_records_path: meta.totl", 3, "did you mean ", "total_records_path"),
        ("total_records_header: X-Count", 3, "did you mean ", "total_records_header"),
        ("total_path: meta.total", 2, "write ", ""),
        ("has_more: meta.has_more", 2, "did you mean ", ""),
    ] {
        for paginator in &PAGINATORS[..4] {
            // A flag of the end may be left out where it is false, so that pages have to end to show that it is nowhere.
            let more = if key == "end_path" { ", total_records_path: meta.total" } else { "" };
            let (_, ended) = run(&api(), &format!("{{{paginator}, {wrong}{more}}}"), "");
            ended.failed_with(code, &[]);
            let told = fragment(&ended, before);
            let right = match (key, wrong.split_once(": ").unwrap().1) {
                ("", value) => format!("{told}: {value}"),
                (key, _) => format!("{key}: {told}"),
            };
            let right = format!("{{{paginator}, {right}}}");
            check_whole(&right, &run(&api(), &right, ""));
        }
    }
}

#[test]
fn a_link_that_leads_back_is_told_with_keys_that_end_it() {
    let api = || {
        things(|request| {
            let from = request.number("after", 0).min(20) as i64;
            let next = if from < 20 { from + 10 } else { 10 };
            let records: Vec<Value> = (from + 1..=(from + 10).min(30)).map(wallet).collect();
            answer(
                &json!({"data": records, "next": format!("/things?after={next}"), "page": {"finished_": from == 20, "of": 3, "rows": 30}}),
            )
        })
    };
    let (_, ended) = run(&api(), "json_link", "");
    ended.failed_with(
        3,
        &["the next link of page 1 again", "`has_more_path`, `end_path`, `total_records_path` or `total_pages_path`"],
    );
    for end in ["end_path: page.finished_", "total_records_path: page.rows", "total_pages_path: page.of"] {
        let (sandbox, ended) = run(&api(), &format!("{{type: json_link, {end}}}"), "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 30), "{end}\n{ended}");
    }
}

#[test]
fn a_flag_that_comes_on_a_later_night_makes_no_other_paginator() {
    let night = Arc::new(AtomicU64::new(1));
    let tonight = Arc::clone(&night);
    let api = things(move |request| {
        let (from, second) = (request.number("after", 0) as i64, tonight.load(Ordering::SeqCst) == 2);
        let records: Vec<Value> = (from + 1..=(from + 10).min(ROWS)).map(wallet).collect();
        let mut body = json!({"data": records});
        if second || from + 10 < ROWS {
            body["next"] = json!(format!("/things?after={}", from + 10));
        }
        if second {
            body["has_more"] = json!(u8::from(from + 10 < ROWS));
        }
        answer(&body)
    });
    let resource = "primary_key: id\nwrite_disposition: merge";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), resource));
    for (number, reason, told) in [
        (1, "no_next", "detected paginator {type: json_link, next_url_path: next} from"),
        (2, "has_more_false", "detected paginator {type: json_link, next_url_path: next, has_more_path: has_more} from"),
    ] {
        night.store(number, Ordering::SeqCst);
        let ended = sandbox.run_ok();
        assert_eq!((sandbox.rows("things").len(), &ended.table("things")["end_reason"]), (25, &json!(reason)), "{ended}");
        assert!(ended.stderr.contains(told), "{ended}");
    }
    assert_eq!(api.requests().len(), 6);
}

#[test]
fn an_answer_that_was_not_cut_is_not_the_last_one_where_it_leads_on() {
    for has_link in [true, false] {
        let api = FakeApi::start();
        let url = api.url();
        let api = api.on("/rows", move |request| {
            let page = request.number("page", 1);
            let rows: Vec<Value> = (0..10).map(|n| json!({"id": page * 10 + n})).collect();
            let next = (page < 4).then(|| format!("{url}/rows?page={}", page + 1));
            let reply = Reply::json(json!({"ok": true, "rows": rows, "truncated": false, "next_url": next}).to_string());
            match next.filter(|_| has_link) {
                Some(next) => reply.header("link", &format!("<{next}>; rel=\"next\"")),
                None => reply,
            }
        });
        let config = format!(
            "name: p\nclient: {{base_url: {}}}\nresources:\n  - {{name: rows, primary_key: id, endpoint: {{path: rows}}}}\nlake: {{url: ./lake}}\n",
            api.url()
        );
        let sandbox = Sandbox::with_config(&config);
        sandbox.run_ok();
        assert_eq!(sandbox.rows("rows").len(), 40, "with a Link header: {has_link}");
    }
}
