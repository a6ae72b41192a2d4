//! What stands around the records tells of the rest, also where `data_selector` stops at the envelope, and where a total is a lower bound.

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Request};
use crate::support::sandbox::{Ended, Sandbox};

const ROWS: i64 = 25;
const ESTIMATE: &str = "\nexpect: {total: estimate}";

fn run(api: &FakeApi, endpoint: &str, more: &str) -> (Sandbox, Ended) {
    let resource = format!("write_disposition: replace\nprimary_key: id\nendpoint: {{path: /things{endpoint}}}{more}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}

/// The records that a request asks for by these parameters.
fn asked(request: &Request, offset: &str, limit: &str) -> Vec<Value> {
    let (from, size) = (request.number(offset, 0) as i64, request.number(limit, 10) as i64);
    (from + 1..=(from + size).min(ROWS)).map(wallet).collect()
}

#[test]
fn an_only_page_that_is_full_does_not_end_at_a_lower_bound() {
    let hits = |value: i64, relation: &'static str| {
        things(move |request| {
            let total = json!({"value": value, "relation": relation});
            answer(&json!({"took": 1, "hits": {"total": total, "hits": asked(request, "offset_of_none", "size_of_none")}}))
        })
    };
    let selector = ", data_selector: hits.hits";
    for paginator in ["", ", paginator: {type: auto}", ", paginator: single_page"] {
        let endpoint = format!("{selector}{paginator}");
        for (value, relation) in [(25, "eq"), (20, "gte"), (10, "gte"), (10, "GREATER_THAN_OR_EQUAL_TO")] {
            let (sandbox, ended) = run(&hits(value, relation), &endpoint, "");
            ended.failed_with(3, &["hits.total.value", &value.to_string(), "expect: {total: estimate}"]);
            assert!(sandbox.data_files().is_empty(), "{value} {relation} {endpoint}");
        }
        // The way out, and what is no bound, or not full.
        let (_, ended) = run(&hits(10, "gte"), &endpoint, ESTIMATE);
        assert_eq!(ended.code(), Some(0), "{endpoint}\n{ended}");
        let (_, ended) = run(&hits(10, "eq"), &endpoint, "");
        assert_eq!(ended.code(), Some(0), "{endpoint}\n{ended}");
        let few = things(|_| {
            answer(&json!({"hits": {"total": {"value": 3, "relation": "gte"}, "hits": [wallet(1), wallet(2), wallet(3)]}}))
        });
        assert_eq!(run(&few, &endpoint, "").1.code(), Some(0), "{endpoint}");
    }
}

#[test]
fn elasticsearchs_own_parameters_are_tried_where_its_total_tells_of_more() {
    for (total, relation) in [(25, "eq"), (10, "gte")] {
        let api = things(move |request| {
            let total = json!({"value": total, "relation": relation});
            answer(&json!({"took": 1, "hits": {"total": total, "hits": asked(request, "from", "size")}}))
        });
        let (sandbox, ended) = run(&api, "", "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{relation}\n{ended}");
        assert_eq!(ended.table("things")["completeness"] == "proven", relation == "eq", "{ended}");
    }
}

/// Around the records `items`, as an API has it.
type Around = fn(Vec<Value>) -> Value;

#[test]
fn a_selector_that_stops_at_the_envelope_is_refused_with_the_list_in_it() {
    let cases: [(&str, &str, Around); 6] = [
        ("result", "result.items", |items| json!({"result": {"items": items}, "meta": {"total": ROWS}})),
        ("result", "result.items", |items| json!({"result": {"items": items, "total": ROWS}})),
        ("$", "items", |items| json!({"items": items, "meta": {"total": ROWS, "made": "today"}})),
        ("$", "data.items", |items| json!({"data": {"items": items, "total": ROWS}, "status": "ok"})),
        ("$", "items", |items| json!({"items": items, "total": ROWS})),
        ("$", "data.items", |items| json!({"data": {"items": items, "pagination": {"total": ROWS}}, "took": 3})),
    ];
    for (selector, list, around) in cases {
        let api = things(move |request| answer(&around(asked(request, "offset", "limit"))));
        for paginator in ["", ", paginator: single_page", ", paginator: {type: offset, limit: 10}"] {
            let before = api.requests().len();
            let endpoint = format!(", data_selector: {selector}{paginator}");
            let resource = format!("write_disposition: append\nendpoint: {{path: /things{endpoint}}}");
            let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
            sandbox.run().failed_with(
                3,
                &[&format!("an object around the list `{list}` of 10 records"), &format!("data_selector: {list}`")],
            );
            // A page or two may have been asked for ahead.
            assert!(api.requests().len() - before <= 3, "{endpoint}");
            assert!(sandbox.data_files().is_empty());
        }
        let resource = format!(
            "write_disposition: append\nexpect: {{total: estimate}}\nendpoint: {{path: /things, data_selector: {selector}, paginator: single_page}}"
        );
        Sandbox::with_config(&things_config(&api.url(), &resource)).run_ok();
        let (sandbox, ended) =
            run(&api, &format!(", data_selector: {list}, paginator: {{type: offset, limit: 10, total_path: null}}"), "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{list}\n{ended}");
    }
}

#[test]
fn one_record_that_has_a_list_is_one_record() {
    let lines: Vec<Value> = (1..=3).map(|line| json!({"line": line})).collect();
    for order in [
        json!({"id": 7, "customer": "a", "items": lines, "total": 30}),
        json!({"id": 7, "order": {"by": "x"}, "items": lines, "count": 3}),
        json!({"id": 7, "items": lines, "notes": lines, "total": 30, "next": "x"}),
        json!({"id": 7, "meta": {"page": 1}, "items": lines}),
    ] {
        let api = things(move |_| answer(&order));
        for paginator in ["", ", paginator: single_page"] {
            let (sandbox, ended) = run(&api, &format!(", data_selector: $ {paginator}"), "");
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 1), "{ended}");
        }
    }
}
