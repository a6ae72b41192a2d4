//! An answer that is no list of records is no row: errors in a 200, envelopes without their list, one object where a list was, answers that
//! are not ready. What was found out about an API holds on later nights.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::Sandbox;

/// An API that answers each night by the body of that night, and a sandbox for a resource with these lines.
fn nights(resource: &str, bodies: Vec<Value>) -> (Sandbox, Arc<AtomicU64>, FakeApi) {
    let night = Arc::new(AtomicU64::new(0));
    let of_api = Arc::clone(&night);
    let api = things(move |_| answer(&bodies[of_api.load(Ordering::SeqCst) as usize]));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), resource));
    (sandbox, night, api)
}

fn list() -> Value {
    json!({"status": "success", "count": 2, "data": [wallet(1), wallet(2)]})
}

#[test]
fn e_42_an_answer_without_records_is_refused_where_nothing_is_declared() {
    for body in [
        json!({"success": false, "error": "no rights"}),
        json!({"status": "success", "count": 0, "data": null}),
        json!({"status": "success", "message": "no data for this period"}),
        json!({"error": {"code": 7}, "help": "https://x"}),
        json!({"totalSize": 0}),
        json!({"_links": {"self": {"href": "/things"}}, "page": {"size": 20, "totalElements": 0, "totalPages": 0, "number": 0}}),
        json!({}),
    ] {
        let (sandbox, _, _api) = nights("write_disposition: append", vec![body.clone()]);
        sandbox.run().failed_with(3, &["is no record by itself", "endpoint.data_selector: $"]);
        assert!(sandbox.data_files().is_empty(), "{body}");
        // The way out works.
        if body != json!({}) {
            let (sandbox, _, _api) = nights("write_disposition: append\nendpoint: {path: /things, data_selector: $}", vec![body]);
            sandbox.run_ok();
            assert_eq!(sandbox.rows("things").len(), 1);
        }
    }
    let (sandbox, _, _api) = nights("write_disposition: append", vec![json!({"id": 7, "status": "failed", "error": "late"})]);
    sandbox.run_ok();
    assert_eq!(sandbox.rows("things").len(), 1, "a record by itself is one");
}

#[test]
fn e_44_a_list_that_is_null_is_an_empty_page_unless_the_answer_tells_of_a_failure() {
    for resource in ["write_disposition: append", "write_disposition: append\nendpoint: {path: /things, data_selector: data}"] {
        let null = json!({"status": "success", "count": 0, "data": null});
        let gone = json!({"status": "success", "message": "no data for this period"});
        let failed = json!({"success": false, "error": "late", "data": null});
        let (sandbox, night, _api) = nights(resource, vec![list(), null, gone, failed]);
        sandbox.run_ok();
        night.store(1, Ordering::SeqCst);
        let ended = sandbox.run_ok();
        let table = ended.table("things");
        assert_eq!((&table["records"], &table["pages"], &table["pages_null"]), (&json!(0), &json!(1), &json!(1)), "{ended}");
        night.store(2, Ordering::SeqCst);
        sandbox.run().failed_with(3, &["nothing at `$.data`"]);
        night.store(3, Ordering::SeqCst);
        sandbox.run().failed_with(3, &["null", "`$.data`", "late"]);
        assert_eq!(sandbox.rows("things").len(), 2, "an envelope became a row");
    }
}

/// Ten records from the place asked for by whatever paginator, up to 25; from page 2 on what `later` has in its place.
fn pages(request: &Request, first: &Value, later: Option<&Value>) -> Reply {
    let by_number = (request.number("page", 1) - 1) * 10;
    let from = request.number("from", request.number("offset", request.number("cursor", by_number))) as i64;
    if let Some(later) = later.filter(|_| from > 0) {
        return answer(later);
    }
    let mut body = first.clone();
    body["data"] = (from + 1..=(from + 10).min(25)).map(wallet).collect();
    if from < 20 {
        body["next"] = json!((from + 10).to_string());
        body["next_url"] = json!(format!("/things?from={}", from + 10));
    }
    answer(&body)
}

const ENDPOINTS: [&str; 7] = [
    "paginator: {type: cursor, cursor_path: next, cursor_param: cursor}",
    "paginator: {type: offset, limit: 10, total_path: null}",
    "paginator: {type: page_number, base_page: 1, total_path: null}",
    "paginator: {type: json_link, next_url_path: next_url}",
    "records: {paths: $.data}, paginator: {type: page_number, base_page: 1, total_path: null}",
    "data_selector: data",
    "",
];

#[test]
fn an_empty_list_beside_a_failure_is_no_end_of_the_pages() {
    let failed = json!({"success": false, "error": "token expired", "data": []});
    for endpoint in ENDPOINTS {
        let resource = format!("write_disposition: append\nendpoint: {{path: /things, {endpoint}}}");
        let later = failed.clone();
        let api = things(move |request| pages(request, &json!({"success": true}), Some(&later)));
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
        sandbox.run().failed_with(3, &["page 2", "token expired", "endpoint.records: {optional: true}"]);
        assert!(sandbox.data_files().is_empty(), "{endpoint}");
        // On page 1 it is no night without rows.
        let (sandbox, _, _api) = nights(&resource, vec![failed.clone()]);
        sandbox.run().failed_with(3, &["page 1", "token expired"]);
    }
    // The way out works.
    let resource = "write_disposition: append\nendpoint: {path: /things, data_selector: data, records: {optional: true}, paginator: {type: offset, limit: 10, total_path: null}}";
    let api = things(move |request| pages(request, &json!({}), Some(&failed)));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), resource));
    sandbox.run_ok();
    assert_eq!(sandbox.rows("things").len(), 10);
}

#[test]
fn a_failure_of_any_spelling_is_no_end_of_the_pages() {
    let endpoint =
        "endpoint: {path: /things, data_selector: data, paginator: {type: cursor, cursor_path: next, cursor_param: cursor}}";
    for failed in [
        json!({"detail": "Authentication credentials were not provided."}),
        json!({"type": "about:blank", "title": "Unauthorized", "status": "401"}),
        json!({"errcode": 40001, "errmsg": "invalid credential"}),
        json!({"errno": 7}),
        json!({"stat": "fail", "code": 98}),
        json!({"timed_out": true}),
        json!({"_shards": {"total": 5, "failed": 2}}),
        json!({"isError": true}),
        json!({"failed": true}),
        json!({"hasErrors": true}),
        json!({"response": {"status": "error"}}),
        json!({"status": "timeout"}),
        json!({"err": "timeout"}),
        json!({"status": "KO"}),
        json!({"status": "NOT_OK"}),
    ] {
        let mut later = failed.clone();
        later["data"] = json!([]);
        later["next"] = Value::Null;
        let api = things(move |request| pages(request, &json!({}), Some(&later)));
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("write_disposition: append\n{endpoint}")));
        let ended = sandbox.run();
        assert_eq!(ended.code(), Some(3), "{failed}\n{ended}");
        ended.failed_with(3, &["page 2", "tells of a failure"]);
    }
}

#[test]
fn records_beside_a_failure_are_not_taken_for_all_of_them() {
    let endpoint = |more: &str| {
        format!("write_disposition: append\nendpoint: {{path: /things, data_selector: data, paginator: single_page{more}}}")
    };
    let with = |around: &Value| {
        let mut body = around.clone();
        body["data"] = (1..=10).map(wallet).collect();
        body
    };
    for failed in [
        json!({"success": false, "error": "query timed out, result truncated"}),
        json!({"error": "query timed out"}),
        json!({"ok": false}),
        json!({"status": "error"}),
        json!({"errors": [{"message": "late", "path": ["things"]}]}),
        json!({"timed_out": true}),
        json!({"_shards": {"total": 5, "failed": 2}}),
        json!({"meta": {"code": 500}}),
    ] {
        let (sandbox, _, _api) = nights(&endpoint(""), vec![with(&failed)]);
        let ended = sandbox.run();
        assert_eq!(ended.code(), Some(3), "{failed}\n{ended}");
        ended.failed_with(3, &["page 1", "10 records", "tells of a failure", "endpoint.records: {optional: true}"]);
        assert!(sandbox.data_files().is_empty(), "{failed}");
        // The way out works.
        let (sandbox, _, _api) = nights(&endpoint(", records: {optional: true}"), vec![with(&failed)]);
        sandbox.run_ok();
        assert_eq!(sandbox.rows("things").len(), 10);
    }
    for healthy in [
        json!({"error": null, "errors": [], "message": "ok", "status": "success", "success": true}),
        json!({"error": "", "code": 0, "detail": "no error", "failed": 3, "errorCode": "0000"}),
        json!({"message": "2 older orders failed", "error": {"code": 0, "message": ""}}),
    ] {
        let (sandbox, _, _api) = nights(&endpoint(""), vec![with(&healthy)]);
        sandbox.run_ok();
    }
    // What the request asks for is no failure, and records have errors of their own.
    let body = json!({"status": "failed", "data": [{"id": 1, "error": "late", "success": false}]});
    let (sandbox, _, _api) = nights(&endpoint(", params: {status: failed}"), vec![body.clone()]);
    sandbox.run_ok();
    let (sandbox, _, _api) = nights(&endpoint(""), vec![body]);
    sandbox.run().failed_with(3, &["`status`", "failed"]);
}

#[test]
fn a_healthy_page_without_records_is_the_end_of_the_pages() {
    let healthy = json!({"success": true, "errors": [], "error": null, "code": 0, "status": "ok", "data": []});
    for endpoint in ENDPOINTS {
        let resource = format!("write_disposition: append\nendpoint: {{path: /things, {endpoint}}}");
        let around = json!({"errors": [], "error": null, "code": 200, "status": "ok", "message": "success"});
        let api = things(move |request| pages(request, &around, None));
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
        sandbox.run_ok();
        assert_eq!(sandbox.rows("things").len(), 25, "{endpoint}");
        let (sandbox, _, _api) = nights(&resource, vec![healthy.clone()]);
        sandbox.run_ok();
    }
}

#[test]
fn graphql_errors_that_the_config_allows_beside_an_empty_list_are_told_and_no_failure() {
    let body = json!({"data": {"things": []}, "errors": [{"message": "late", "path": ["things"]}]});
    let resource = |partial: &str| {
        format!(
            "write_disposition: append\nendpoint: {{path: /things, data_selector: data.things, paginator: single_page, graphql: {{partial: {partial}}}}}"
        )
    };
    let (sandbox, _, _api) = nights(&resource("allow"), vec![body.clone()]);
    sandbox.run_ok();
    let (sandbox, _, _api) = nights(&resource("fail"), vec![body]);
    sandbox.run().failed_with(3, &["late"]);
}

#[test]
fn one_object_where_a_list_was_is_refused_in_a_run_and_in_later_ones() {
    for (resource, way_out) in [
        ("write_disposition: append", "endpoint: {path: /things, records: {paths: $.data}}"),
        ("write_disposition: append\nendpoint: {path: /things, data_selector: data}", ""),
    ] {
        let (sandbox, night, api) = nights(resource, vec![list(), json!({"count": 1, "data": wallet(3)})]);
        sandbox.run_ok();
        night.store(1, Ordering::SeqCst);
        sandbox
            .run()
            .failed_with(3, &["has one object at `$.data`", "had a list", "endpoint.records: {paths: …}", "--full-refresh"]);
        assert_eq!(sandbox.rows("things").len(), 2);
        let text = things_config(&api.url(), &format!("write_disposition: append\n{way_out}"));
        if !way_out.is_empty() {
            sandbox.write("lakeward.yaml", &text);
            sandbox.run_ok();
            assert_eq!(sandbox.rows("things").len(), 3, "the way out works");
        } else {
            let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 1), "{ended}");
        }
    }
    let api = things(|request| match request.number("page", 1) {
        1 => answer(&json!({"data": [wallet(1), wallet(2)]})),
        2 => answer(&json!({"data": wallet(3)})),
        _ => answer(&json!({"data": []})),
    });
    let endpoint =
        "write_disposition: append\nendpoint: {path: /things, data_selector: data, paginator: {type: page_number, base_page: 1}}";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), endpoint));
    sandbox.run().failed_with(3, &["page 2", "has one object at `$.data`", "had a list"]);
}

#[test]
fn where_the_records_are_holds_on_later_nights() {
    // By itself, the second night's answer could mean either list, or another one.
    let second = json!({"data": [wallet(3)], "items": [{"of": "others"}]});
    let moved = json!({"rows": [wallet(4)]});
    let (sandbox, night, _api) = nights("write_disposition: append", vec![list(), second, moved]);
    sandbox.run_ok();
    night.store(1, Ordering::SeqCst);
    sandbox.run_ok();
    night.store(2, Ordering::SeqCst);
    sandbox.run().failed_with(3, &["nothing at `$.data`", "--full-refresh"]);
    assert_eq!(sandbox.rows("things").len(), 3);
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 1), "{ended}");
}

#[test]
fn another_paginator_than_on_earlier_nights_is_refused() {
    let night = Arc::new(AtomicU64::new(1));
    let of_api = Arc::clone(&night);
    let api = things(move |request| {
        let is_first = of_api.load(Ordering::SeqCst) == 1;
        let from = request.number(if is_first { "cursor" } else { "offset" }, 0) as i64;
        let records: Vec<Value> = (from + 1..=(from + 10).min(25)).map(wallet).collect();
        let next = (from + 10 < 25).then(|| from + 10);
        if is_first {
            answer(&json!({"data": records, "next_cursor": next}))
        } else {
            answer(&json!({"data": records, "total": 25}))
        }
    });
    let sandbox = Sandbox::with_config(&things_config(&api.url(), "primary_key: id\nwrite_disposition: merge"));
    sandbox.run_ok();
    sandbox.run_ok();
    night.store(2, Ordering::SeqCst);
    sandbox
        .run()
        .failed_with(3, &["was detected as `{type: cursor, cursor_path: next_cursor}`", "{type: offset", "--full-refresh"]);
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
}

#[test]
fn an_answer_that_is_not_ready_is_asked_for_again_within_bounds() {
    let api = |ready_at: usize, method: &'static str| {
        let asked = AtomicU64::new(0);
        let api = things(move |_: &Request| {
            if asked.fetch_add(1, Ordering::SeqCst) as usize + 1 < ready_at {
                return Reply::status(202).body("{}");
            }
            answer(&json!([wallet(1), wallet(2)]))
        });
        let resource = format!("write_disposition: append\nendpoint: {{path: /things, method: {method}}}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
        (sandbox, api)
    };
    let (sandbox, _api) = api(3, "GET");
    sandbox.run_ok();
    assert_eq!(sandbox.rows("things").len(), 2);
    let (sandbox, api_that_waits) = api(99, "GET");
    sandbox.run().failed_with(75, &["answered 202", "not ready"]);
    assert!(sandbox.data_files().is_empty() && api_that_waits.requests().len() == 4);
    // What is posted may begin something anew each time.
    let (sandbox, posted) = api(3, "POST");
    sandbox.run().failed_with(3, &["answered 202", "action: retry"]);
    assert_eq!(posted.requests().len(), 1);
    let api = things(|_| Reply::status(204));
    let sandbox = Sandbox::with_config(&things_config(&api.url(), "write_disposition: append"));
    sandbox.run().failed_with(3, &["answered 204", "status_code: 204, action: ignore"]);
}

#[test]
fn a_list_within_a_record_that_the_api_cuts_short_is_told_once() {
    let api = things(|request| {
        let number = request.number("page", 1) as i64;
        let records: Vec<Value> = (number * 3..number * 3 + 3)
            .map(|id| {
                let lines = json!({"object": "list", "data": [{"sku": "a"}], "has_more": id % 2 == 0});
                json!({"id": id, "lines": lines, "notes": {"nodes": [1], "pageInfo": {"hasNextPage": number == 2}}})
            })
            .collect();
        answer(&json!({"data": if number < 4 { records } else { Vec::new() }}))
    });
    let endpoint =
        "write_disposition: append\nendpoint: {path: /things, data_selector: data, paginator: {type: page_number, base_page: 1}}";
    let ended = Sandbox::with_config(&things_config(&api.url(), endpoint)).run_ok();
    for told in
        ["`lines.data` short in some records (`lines.has_more` is true)", "`notes.nodes` short in some records (`notes.pageInfo."]
    {
        assert_eq!(ended.stderr.matches(told).count(), 1, "{told}\n{ended}");
    }
}

#[test]
fn pages_and_requests_are_told_of_failed_resources_and_of_parents_without_a_table() {
    let config = |url: &str| {
        format!(
            "name: things\nclient: {{base_url: '{url}', retry: {{initial_delay: 10ms, max_retries: 3}}}}\nresources:\n  - {{name: lists, selected: false, endpoint: {{path: lists, paginator: {{type: page_number, base_page: 1, total_path: pages}}, data_selector: data}}}}\n  - {{name: items, write_disposition: append, endpoint: 'lists/{{resources.lists.id}}/items'}}\n  - {{name: things, write_disposition: append, endpoint: {{path: /things, data_selector: data, paginator: {{type: page_number, base_page: 1, total_path: null}}}}}}\nlake: {{url: ./lake}}\n"
        )
    };
    let api = things(|request| match request.number("page", 1) {
        number @ 1..=3 => answer(&json!({"data": [wallet(number as i64)]})),
        _ => Reply::status(500),
    });
    let api = api.on("/lists", |request| {
        let records: Vec<Value> =
            Some(request.number("page", 1)).filter(|id| *id <= 2).map(|id| json!({"id": id})).into_iter().collect();
        answer(&json!({"data": records, "pages": 2, "total": 2}))
    });
    let api = (1..=2).fold(api, |api, id| api.page(&format!("/lists/{id}/items"), format!("[{{\"id\":{id}}}]")));
    let ended = Sandbox::with_config(&config(&api.url())).run();
    let things = ended.table("things");
    assert_eq!((&things["status"], &things["pages"], &things["requests"]), (&json!("failed"), &json!(3), &json!(7)), "{ended}");
    let lists = ended.table("lists");
    assert_eq!(lists["status"], "read_for_children", "{ended}");
    let facts = ["pages", "records", "requests", "end_reason", "completeness"].map(|key| lists[key].clone());
    // Two pages of one record each, and a look behind them.
    assert_eq!(facts, [json!(3), json!(2), json!(3), json!("empty_page"), json!("proven")], "{ended}");
}
