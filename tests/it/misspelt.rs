//! Paths of the config that find nothing: the error names what the answer has, and what was most likely meant.

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Request};
use crate::support::sandbox::{Ended, Sandbox};

fn run(api: &FakeApi, endpoint: &str, more: &str) -> (Sandbox, Ended) {
    let resource = format!("{more}\nendpoint: {{path: /things{endpoint}}}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}

/// Ten records of 25 from the `offset` on, with everything around them that a config may name.
fn page(request: &Request) -> Value {
    let from = request.number("offset", 0) as i64;
    let records: Vec<Value> = (from + 1..=(from + 10).min(25)).map(wallet).collect();
    let next = (from + 10 < 25).then(|| (from + 10).to_string());
    let link = next.as_ref().map(|next| format!("/things?offset={next}"));
    json!({
        "data": records, "included": [{"id": 1}], "has_more": next.is_some(), "meta": {"total": 25}, "next_cursor": next,
        "links": {"next": link},
    })
}

#[test]
fn a_path_that_finds_nothing_is_told_with_what_was_meant() {
    for (endpoint, more, words) in [
        (", data_selector: dta, paginator: single_page", "", &["nothing at `$.dta`", "did you mean the list at `data`?"][..]),
        (", data_selector: orders, paginator: single_page", "", &["it has lists at `data`, `included`"]),
        (
            ", data_selector: data, paginator: {type: offset, limit: 10, total_path: meta.totl}",
            "",
            &["`$.meta.totl`", "did you mean `meta.total`?"],
        ),
        (
            ", data_selector: data, paginator: {type: offset, limit: 10, total_path: null, has_more_path: has_mor}",
            "",
            &["`$.has_mor`", "did you mean `has_more`?"],
        ),
        (
            ", data_selector: data, paginator: {type: cursor, cursor_path: next_cursr, cursor_param: offset}",
            "",
            &["it has no `next_cursr`", "`has_more` is true"],
        ),
        (
            ", data_selector: data, paginator: {type: json_link, next_url_path: links.nxt}",
            "",
            &["it has no `links.nxt`", "`has_more` is true"],
        ),
        (
            ", data_selector: data, paginator: {type: cursor, cursor_path: next_cursor, cursor_param: offset}",
            "expect: {total: meta.totl}",
            &["`$.meta.totl`, which `expect.total` names", "did you mean `meta.total`?"],
        ),
        (
            ", data_selector: data, incremental: {cursor_path: balanc, initial_value: 0}",
            "",
            &["no cursor at `$.balanc`", "`balance`"],
        ),
        (", data_selector: data", "primary_key: idd", &["`$.idd`", "did you mean `id`?"]),
        (", data_selector: data", "partition_by: currncy", &["`currncy`", "did you mean `currency`?"]),
    ] {
        let (sandbox, ended) = run(&things(|request| answer(&page(request))), endpoint, more);
        ended.failed_with(3, words);
        assert!(sandbox.data_files().is_empty(), "{endpoint}");
    }
    let (_, ended) = run(&things(|request| answer(&page(request))), ", data_selektor: data", "");
    ended.failed_with(2, &["data_selektor", "did you mean `data_selector`?"]);
}

#[test]
fn a_declared_total_that_is_not_reached_comes_with_the_ways_out_and_they_work() {
    let told = |request: &Request| {
        let mut page = page(request);
        page["meta"]["total"] = json!(60);
        answer(&page)
    };
    let offset = ", data_selector: data, paginator: {type: offset, limit: 10, total_path: meta.total";
    let cursor = ", data_selector: data, paginator: {type: cursor, cursor_path: next_cursor, cursor_param: offset}";
    for (endpoint, more, way, endpoint_then, more_then) in [
        (format!("{offset}}}"), "", "`allow_drift: true`", format!("{offset}, allow_drift: true}}"), ""),
        (
            cursor.to_owned(),
            "expect: {total: meta.total}",
            "`expect: {total: estimate}`",
            cursor.to_owned(),
            "expect: {total: estimate}",
        ),
    ] {
        let (_, ended) = run(&things(told), &endpoint, more);
        ended.failed_with(3, &["after 25 records, but the API's total is 60 (at `$.meta.total`)", way]);
        let (sandbox, ended) = run(&things(told), &endpoint_then, more_then);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
    }
}

#[test]
fn a_misspelt_key_or_member_is_told_by_the_key_that_names_it() {
    let api = things(|request| answer(&page(request)));
    let single = ", data_selector: data, paginator: {type: offset, limit: 10}";
    let (_, ended) = run(&api, single, "primary_key: ID\nwrite_disposition: merge");
    ended.failed_with(3, &["`primary_key` names `ID`, and every record needs it: did you mean `id`?"]);
    assert!(!ended.stderr.contains("quarantine"), "{ended}");
    let (_, ended) = run(&api, single, "processing_steps: [{filter: 'balanc > 5'}]");
    ended.failed_with(3, &["found no member `balanc`", "did you mean `balance`?"]);
    assert!(!ended.stderr.contains("`schema:`"), "{ended}");
    for (paginator, key) in [
        ("{type: offset, limit: 10, total_path: meta.totl}", "(`total_path`); did you mean `meta.total`?"),
        ("{type: offset, limit: 10, has_more_path: meta.total}", "is another number (`has_more_path`)"),
        ("{type: json_link, next_url_path: has_more}", "is a boolean (`next_url_path`)"),
    ] {
        run(&api, &format!(", data_selector: data, paginator: {paginator}"), "").1.failed_with(3, &[key]);
    }
    // What the API does not know as a parameter.
    let (_, ended) = run(
        &things(|_| answer(&json!({"data": [wallet(1), wallet(2)]}))),
        ", data_selector: data, paginator: {type: offset, limit: 2, total_path: null}",
        "",
    );
    ended.failed_with(3, &["the API repeats a page, so it may not know the paginator's parameters", "`paginator: {type: auto}`"]);
}
