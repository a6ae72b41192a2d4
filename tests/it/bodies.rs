//! What comes instead of a page, is a page: an error in one line, rows without their header, a map, a record around a list. None of it ends
//! the pages, and none of it is taken for rows.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::billing::{answer, things, things_config};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

const ROWS: u64 = 25;
const SIZE: u64 = 10;
/// The paginators that count places, whose end is a page without rows.
const COUNTED: [&str; 2] = ["{type: page_number, total_path: null}", "{type: offset, limit: 10, total_path: null}"];

/// Which page a request asks for, from 0.
fn page_of(request: &Request) -> u64 {
    request.number("page", request.number("offset", 0).div_ceil(SIZE))
}

/// The rows of a page as CSV.
fn rows(page: u64) -> String {
    (page * SIZE..((page + 1) * SIZE).min(ROWS)).map(|id| format!("{id},x{id}\n")).collect()
}

fn csv(body: impl Into<Vec<u8>>) -> Reply {
    Reply::status(200).header("content-type", "text/csv").body(body)
}

fn run(api: &FakeApi, endpoint: &str, more: &str) -> (Sandbox, Ended) {
    let resource = format!("endpoint: {{path: /things, {endpoint}}}\n{more}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}

const REPLACE: &str = "write_disposition: replace";
const APPEND: &str = "write_disposition: append";

#[test]
fn an_error_in_one_line_is_no_last_page_of_csv() {
    for body in
        ["{\"error\":\"rate limited\"}", "{\"error\":\"rate limited\"}\n", "[]", "Internal error\n", "Rate limit exceeded"]
    {
        for kind in ["text/csv", "application/json", "text/plain"] {
            let api = things(move |request| match page_of(request) {
                0 => csv(format!("id,v\n{}", rows(0))),
                _ => csv(body).header("content-type", kind),
            });
            for paginator in COUNTED {
                let (sandbox, ended) = run(&api, &format!("response_format: csv, paginator: {paginator}"), REPLACE);
                ended.failed_with(3, &[body.trim_end(), "response_actions"]);
                assert!(sandbox.data_files().is_empty(), "{body} {kind}");
            }
        }
    }
}

#[test]
fn csv_of_a_later_night_without_a_column_of_the_table_empties_nothing() {
    for (body, kind) in [("{\"error\":\"rate limited\"}", "application/json"), ("Internal error\n", "text/csv")] {
        static IS_BAD: AtomicBool = AtomicBool::new(false);
        IS_BAD.store(false, Ordering::SeqCst);
        let api = things(move |_| match IS_BAD.load(Ordering::SeqCst) {
            false => csv("id,v\n1,a\n2,b\n"),
            true => csv(body).header("content-type", kind),
        });
        let more = "write_disposition: replace\nexpect: {max_shrink: null}";
        let (sandbox, ended) = run(&api, "response_format: csv, paginator: single_page", more);
        assert_eq!(ended.code(), Some(0), "{ended}");
        IS_BAD.store(true, Ordering::SeqCst);
        sandbox.run().failed_with(3, &[body.trim_end()]);
        assert_eq!(sandbox.rows("things").len(), 2, "{body}");
    }
    // A declared column is known on the first night.
    let api = things(|_| csv("Internal error\n"));
    let declared = "write_disposition: replace\ncolumns: {id: {data_type: text}}";
    let (_, ended) = run(&api, "response_format: csv, paginator: single_page", declared);
    ended.failed_with(3, &["`Internal error`", "`id`", "--full-refresh"]);
    // Of other columns, some may go, others come, and no row need be there.
    let api = things(|_| csv("v,id\n"));
    let (_, ended) = run(&api, "response_format: csv, paginator: single_page", declared);
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn csv_that_has_its_header_on_the_first_page_only_loses_no_row() {
    let api = || {
        things(|request| match page_of(request) {
            0 => csv(format!("id,v\n{}", rows(0))),
            page => csv(rows(page)),
        })
    };
    for paginator in COUNTED {
        let (sandbox, ended) = run(&api(), &format!("response_format: csv, paginator: {paginator}"), REPLACE);
        ended.failed_with(3, &["`10, x10`", "`id, v`", "header: first_page"]);
        assert!(sandbox.data_files().is_empty());
        let first_page = format!("response_format: {{type: csv, header: first_page}}, paginator: {paginator}");
        let (sandbox, ended) = run(&api(), &first_page, REPLACE);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
        assert!(sandbox.rows("things").iter().all(|row| row["v"] == format!("x{}", row["id"].as_str().unwrap())));
        // A header that comes with every page is none of the rows.
        let every = things(|request| csv(format!("id,v\n{}", rows(page_of(request)))));
        for header in ["true", "first_page"] {
            let endpoint = format!("response_format: {{type: csv, header: {header}}}, paginator: {paginator}");
            let (sandbox, ended) = run(&every, &endpoint, REPLACE);
            assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{header} {ended}");
        }
    }
    // Columns may stand in another order, and some more may come.
    let other = things(|request| match page_of(request) {
        0 => csv(format!("id,v\n{}", rows(0))),
        1 => csv("w,v,id\n1,x10,10\n"),
        _ => csv("id,v\n"),
    });
    let (sandbox, ended) = run(&other, &format!("response_format: csv, paginator: {}", COUNTED[0]), REPLACE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 11), "{ended}");
    // Without any header, it is the number of fields that is the same.
    let plain = things(|request| match page_of(request) {
        0 => csv(rows(0)),
        _ => csv("Internal error\n"),
    });
    let endpoint = format!("response_format: {{type: csv, header: false}}, paginator: {}", COUNTED[0]);
    run(&plain, &endpoint, REPLACE).1.failed_with(3, &["`column_1`", "`column_1, column_2`"]);
}

#[test]
fn csv_of_a_table_without_rows_may_lack_the_columns_that_are_declared() {
    static HAS_ROWS: AtomicBool = AtomicBool::new(false);
    let api = things(|_| csv(if HAS_ROWS.load(Ordering::Relaxed) { "id,v\n1,x1\n" } else { "id,v\n" }));
    let merge = "primary_key: id\nwrite_disposition: merge\ncolumns: {gone: {data_type: bool, hard_delete: true}}";
    let (sandbox, ended) = run(&api, "response_format: csv, paginator: single_page", merge);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 0), "{ended}");
    HAS_ROWS.store(true, Ordering::Relaxed);
    let ended = sandbox.run();
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 1), "{ended}");
}

/// A zip archive of these files.
fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_file_of_an_archive_without_a_header_loses_no_row_and_an_empty_archive_is_no_night() {
    let of = |files: &'static [(&str, &str)], format: &str| {
        let api = things(move |_| Reply::status(200).header("content-type", "application/zip").body(zipped(files)));
        run(&api, &format!("response_format: {{type: csv, member: '*.csv'{format}}}, paginator: single_page"), REPLACE)
    };
    let parts: &[(&str, &str)] = &[("p1.csv", "id,v\n1,a\n"), ("p2.csv", "2,b\n3,c\n")];
    let (sandbox, ended) = of(parts, "");
    ended.failed_with(3, &["`p2.csv`", "`p1.csv`", "header: first_page"]);
    assert!(sandbox.data_files().is_empty());
    let (sandbox, ended) = of(parts, ", header: first_page");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 3), "{ended}");
    let (sandbox, ended) = of(&[("p1.csv", "id,v\n1,a\n"), ("p2.csv", "v,id\nb,2\n")], "");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 2), "{ended}");
    of(&[], "").1.failed_with(3, &["a zip archive without a file"]);
}

#[test]
fn an_archive_without_the_file_that_is_asked_for_comes_with_what_to_write() {
    let of = |files: &'static [(&str, &str)], endpoint: &str| {
        let api = things(move |_| Reply::status(200).header("content-type", "application/zip").body(zipped(files)));
        run(&api, &format!("paginator: single_page, {endpoint}"), REPLACE)
    };
    let parts: &[(&str, &str)] = &[("p1.csv", "id,v\n1,a\n"), ("read me: now.txt", "x")];
    for member in ["", ", member: '*.json'"] {
        let (_, ended) = of(parts, &format!("response_format: {{type: csv{member}}}"));
        ended.failed_with(3, &["`p1.csv`", "`read me: now.txt`", "`member: p1.csv`"]);
    }
    let (sandbox, ended) = of(parts, "response_format: {type: csv, member: p1.csv}");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 1), "{ended}");
    let format = "response_format: {type: csv, member: '*.csv'}";
    let (_, ended) = of(&[], format);
    ended.failed_with(3, &["a zip archive without a file"]);
    let rule = ended.stderr.split('`').find_map(|part| part.strip_prefix("endpoint.")).unwrap().to_owned();
    let (_, ended) = of(&[], &format!("{format}, {rule}"));
    assert_eq!((ended.code(), &ended.table("things")["records"]), (Some(0), &json!(0)), "{rule}\n{ended}");
}

#[test]
fn an_error_is_no_row_of_ndjson() {
    let ndjson = |body: &'static str, more: &str| {
        let api = things(move |_| Reply::status(200).header("content-type", "application/x-ndjson").body(body));
        run(&api, &format!("response_format: ndjson, paginator: single_page{more}"), APPEND)
    };
    for body in [
        "{\"error\":\"rate limited\",\"code\":429}\n",
        "{\"success\":false,\"error\":\"rate limited\"}",
        "{\"message\":\"Rate limit reached\"}\n",
        "{\"id\":1,\"v\":2}\n{\"id\":2,\"v\":2}\n{\"error\":\"rate limited\"}\n",
        "{\"id\":1,\"v\":2}\n{\"status\":500}",
    ] {
        let (sandbox, ended) = ndjson(body, "");
        ended.failed_with(3, &["tells of a failure", "response_actions"]);
        assert!(sandbox.data_files().is_empty(), "{body}");
        let (_, ended) = ndjson(body, ", records: {optional: true}");
        assert_eq!(ended.code(), Some(0), "{ended}");
    }
    // A record may have failed, or tell of what did.
    for body in [
        "{\"id\":1,\"error\":\"timeout\"}\n",
        "{\"at\":1,\"v\":2}\n{\"at\":2,\"error\":\"timeout\"}\n",
        "{\"at\":1,\"v\":2}\n{\"job_id\":2,\"status\":\"failed\"}\n",
        "{\"a\":1}\n{\"b\":2}\n",
    ] {
        let (_, ended) = ndjson(body, "");
        assert_eq!(ended.code(), Some(0), "{body} {ended}");
    }
}

/// The records of a page that is asked for by `offset` or `page`, of so many.
fn records(request: &Request, of: u64, size: u64) -> Vec<Value> {
    let from = request.number("offset", request.number("page", 0) * size);
    (from..(from + size).min(of)).map(|id| json!({"id": id})).collect()
}

#[test]
fn a_total_in_a_header_that_moves_on_with_the_pages_ends_nothing() {
    let api = things(|request| {
        let data = records(request, ROWS, SIZE);
        let so_far = page_of(request) * SIZE + data.len() as u64;
        answer(&json!({"data": data})).with_header("x-total-count", &so_far.to_string())
    });
    for paginator in COUNTED {
        let (sandbox, ended) = run(&api, &format!("data_selector: data, paginator: {paginator}"), REPLACE);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
        assert_eq!(ended.table("things")["end_reason"], "empty_page", "{ended}");
    }
    // A refusal behind a total that only counts what was read is no end.
    let refused = things(|request| match page_of(request) {
        2.. => Reply::status(400),
        page => {
            answer(&json!({"data": records(request, ROWS, SIZE)})).with_header("x-total-count", &(page * SIZE + SIZE).to_string())
        }
    });
    let (_, ended) = run(&refused, &format!("data_selector: data, paginator: {}", COUNTED[0]), REPLACE);
    ended.failed_with(3, &["400"]);
}

#[test]
fn a_full_page_at_a_total_in_thousands_is_not_the_last_one_unseen() {
    for (of, header) in [(2500, false), (2500, true), (2000, false), (2000, true)] {
        let api = things(move |request| {
            let data = records(request, of, 500);
            let total = of.min(2000);
            let reply = answer(&if header { json!({"data": data}) } else { json!({"data": data, "total": total}) });
            if header { reply.with_header("x-total-count", &total.to_string()) } else { reply }
        });
        let paginators: &[&str] = if header {
            &["{type: offset, limit: 500}", "{type: page_number, total_path: null}"]
        } else {
            &["{type: offset, limit: 500}"]
        };
        for paginator in paginators {
            let (sandbox, ended) = run(&api, &format!("data_selector: data, paginator: {paginator}"), REPLACE);
            if of == 2000 {
                assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 2000), "{ended}");
                assert_eq!(ended.table("things")["completeness"], "proven", "{ended}");
            } else {
                ended.failed_with(3, &["2000"]);
                assert!(sandbox.data_files().is_empty(), "{paginator}");
            }
        }
    }
}

#[test]
fn rows_are_there_for_each_record_of_the_parent_that_gives_other_values() {
    let api = FakeApi::start()
        .page("/posts", json!({"data": [{"id": 1, "n": "a"}, {"id": 1, "n": "b"}, {"id": 1, "n": "a"}]}).to_string())
        .page("/lists", json!({"data": [{"of": [{"id": 1, "n": "a"}, {"id": 1, "n": "b"}, {"id": 1, "n": "a"}]}]}).to_string())
        .on("/posts/1/kids", |_| answer(&json!([{"k": 1}])));
    for (parent, field, include) in [("posts", "id", "n"), ("lists", "of[*].id", "'of[*].n'")] {
        let sandbox = Sandbox::with_config(&format!(
            "name: p\nclient: {{base_url: {}, paginator: single_page}}\nresources:\n  - {{name: {parent}, endpoint: {{path: {parent}, data_selector: data}}}}\n  - {{name: kids, endpoint: 'posts/{{resources.{parent}.{field}}}/kids', include_from_parent: [{{field: {include}, as: n}}]}}\nlake: {{url: ./lake}}\n",
            api.url()
        ));
        let ended = sandbox.run();
        assert_eq!(ended.code(), Some(0), "{ended}");
        let mut names: Vec<String> = sandbox.rows("kids").iter().map(|row| row["n"].as_str().unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, ["a", "b"], "{parent}");
    }
}

/// A first page of ten records, and a later one that has none beside `trouble`.
fn behind(trouble: Value) -> FakeApi {
    things(move |request| match request.number("offset", 0) {
        0 => answer(&json!({"data": records(request, SIZE, SIZE)})),
        _ => answer(&trouble),
    })
}

#[test]
fn an_empty_page_beside_a_sign_of_trouble_ends_nothing() {
    let endpoint = format!("data_selector: data, paginator: {}", COUNTED[1]);
    for trouble in [
        json!({"jobComplete": false}),
        json!({"status": false}),
        json!({"result": false}),
        json!({"status": "pending"}),
        json!({"status": "RUNNING"}),
        json!({"status": "processing"}),
        json!({"state": "queued"}),
        json!({"status": "partial"}),
        json!({"partial": true}),
        json!({"complete": false}),
        json!({"code": -1}),
        json!({"code": -1, "msg": "system busy"}),
        json!({"code": 50001, "msg": "internal"}),
        json!({"ret": 1, "msg": "internal"}),
        json!({"Response": "False"}),
        json!({"rateLimited": true}),
        json!({"errorList": [{"reason": "x"}]}),
        json!({"failures": [{"reason": "x"}]}),
        json!({"message": "Rate limit reached"}),
    ] {
        let mut body = trouble.clone();
        body["data"] = json!([]);
        let (sandbox, ended) = run(&behind(body), &endpoint, REPLACE);
        assert_eq!(ended.code(), Some(3), "{trouble} {ended}");
        assert!(sandbox.data_files().is_empty(), "{trouble}");
    }
    for fine in [
        json!({"jobComplete": true, "status": "done", "partial": false, "complete": true, "failures": [], "errorList": []}),
        json!({"code": 0, "msg": "internal"}),
        json!({"code": 1, "msg": "x"}),
        json!({"code": 10000, "msg": "success"}),
        json!({"code": 20001, "message": "No more data"}),
        json!({"ret": 0, "msg": "x"}),
        json!({"ret": 1, "msg": "ok"}),
        json!({"status": "active", "state": "open", "result": "x"}),
        json!({"rateLimited": false, "Response": "True", "message": "nothing left"}),
    ] {
        let mut body = fine.clone();
        body["data"] = json!([]);
        let (sandbox, ended) = run(&behind(body), &endpoint, REPLACE);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 10), "{fine} {ended}");
    }
    // What the request asked for is its echo.
    let echo = behind(json!({"data": [], "status": "pending"}));
    let (_, ended) = run(&echo, &format!("{endpoint}, params: {{status: pending}}"), REPLACE);
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[test]
fn totals_and_cursors_are_heard_under_more_names_of_real_apis() {
    for name in ["numRows", "rowCount", "numResults", "totalNum", "recordsFiltered", "count_total", "grandTotal", "X-PW-Total"] {
        let api = things(move |request| {
            let data = records(request, 23, 23);
            if name.starts_with("X-") {
                answer(&json!({"data": data})).with_header(name, "60")
            } else {
                answer(&json!({"data": data, name: 60}))
            }
        });
        let (sandbox, ended) = run(&api, "data_selector: data, paginator: single_page", REPLACE);
        ended.failed_with(3, &["60"]);
        assert!(sandbox.data_files().is_empty(), "{name}");
    }
    // Reddit's listing: a cursor beside the list, and pages of no round size.
    let reddit = things(|request| {
        let from = request.param("after").map_or(0, |after| after.trim_start_matches("t3_").parse::<u64>().unwrap());
        let data: Vec<Value> = (from..(from + 27).min(60)).map(|id| json!({"id": id})).collect();
        let after = (from + 27 < 60).then(|| format!("t3_{}", from + 27));
        answer(&json!({"kind": "Listing", "data": {"after": after, "before": null, "dist": data.len(), "children": data}}))
    });
    for selector in ["data_selector: data.children", ""] {
        let (sandbox, ended) = run(&reddit, selector, REPLACE);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 60), "{selector} {ended}");
    }
    // BigQuery has nothing yet.
    let job = json!({"kind": "x", "jobComplete": false, "jobReference": {"jobId": "j"}});
    let api = things(move |_| answer(&job));
    run(&api, "", REPLACE).1.failed_with(3, &["jobComplete"]);
}

#[test]
fn a_map_of_records_is_not_one_row() {
    let body = |count: u64| {
        let records: serde_json::Map<String, Value> =
            (100..100 + count).map(|id| (id.to_string(), json!({"name": format!("n{id}"), "v": id}))).collect();
        json!({"data": records})
    };
    let api = things(move |_| answer(&body(12)));
    for selector in ["data_selector: data", "data_selector: data, paginator: single_page"] {
        let (sandbox, ended) = run(&api, selector, REPLACE);
        ended.failed_with(3, &["`$.data`", "12 objects", "map_values"]);
        assert!(sandbox.data_files().is_empty());
    }
    let (sandbox, ended) = run(&api, "records: {map_values: $.data, key_as: id}, paginator: single_page", REPLACE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 12), "{ended}");
    let (sandbox, ended) = run(&api, "data_selector: data, records: {single: true}, paginator: single_page", REPLACE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 1), "{ended}");
}

#[test]
fn a_record_that_has_a_list_is_not_taken_for_the_envelope_of_it() {
    let api = things(|_| answer(&json!({"id": 7, "name": "x", "tags": [{"t": 1}, {"t": 2}]})));
    let (sandbox, ended) = run(&api, "paginator: single_page", REPLACE);
    ended.failed_with(3, &["`$.tags`", "`data_selector: tags`", "`data_selector: \"$\"`"]);
    assert!(sandbox.data_files().is_empty());
    for (selector, count) in [("$", 1), ("tags", 2)] {
        let (sandbox, ended) = run(&api, &format!("data_selector: {selector}, paginator: single_page"), REPLACE);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), count), "{ended}");
    }
}

#[test]
fn links_that_never_end_are_silenced_by_what_says_the_end() {
    // Sentry's relation says that there is nothing behind it.
    let sentry = things(|request| {
        let next = page_of(request) + 1;
        let results = next * SIZE < ROWS;
        let link = format!("</things?page={next}>; rel=\"next\"; results=\"{results}\"; cursor=\"0:{next}:0\"");
        answer(&json!(records(request, ROWS, SIZE))).with_header("link", &link)
    });
    // CKAN's total is met, Zendesk's flag is false.
    let endless = |around: fn(bool) -> Value| {
        things(move |request| {
            let (data, next) = (records(request, ROWS, SIZE), page_of(request) + 1);
            let mut body = around(next * SIZE < ROWS);
            body["data"] = json!(data);
            body["next"] = json!(format!("/things?page={next}"));
            answer(&body)
        })
    };
    let ckan = endless(|_| json!({"total": ROWS}));
    let zendesk = endless(|more| json!({"meta": {"has_more": more}}));
    let link = "data_selector: data, paginator: json_link";
    for (api, endpoint) in [(&sentry, "data_selector: $, paginator: header_link"), (&sentry, ""), (&ckan, link), (&zendesk, link)]
    {
        let (sandbox, ended) = run(api, endpoint, REPLACE);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{endpoint} {ended}");
    }
}

#[test]
fn pages_that_stay_empty_are_told_with_a_way_out_that_the_paginator_has() {
    let body = |request: &Request| {
        let next = page_of(request) + 1;
        json!({"data": records(request, ROWS, SIZE), "next": format!("/things?page={next}"), "cursors": {"next": next}})
    };
    let api = things(move |request| {
        let next = page_of(request) + 1;
        answer(&body(request))
            .with_header("link", &format!("</things?page={next}>; rel=\"next\""))
            .with_header("next", &next.to_string())
    });
    for paginator in
        ["type: json_link", "type: header_link", "type: header_cursor, cursor_param: page", "type: cursor, cursor_param: page"]
    {
        let (_, ended) = run(&api, &format!("data_selector: data, paginator: {{{paginator}}}"), REPLACE);
        ended.failed_with(3, &["no records", "write `stop_after_empty_page: true` in the paginator"]);
        let ends = "stop_after_empty_page: true";
        let (sandbox, ended) = run(&api, &format!("data_selector: data, paginator: {{{paginator}, {ends}}}"), REPLACE);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{paginator} {ended}");
    }
}

#[test]
fn a_flag_of_1_and_0_ends_the_pages_and_a_404_behind_them_is_told_with_its_rule() {
    let api = things(|request| {
        let more = (page_of(request) + 1) * SIZE < ROWS;
        answer(&json!({"data": records(request, ROWS, SIZE), "more": u8::from(more)}))
    });
    let endpoint = "data_selector: data, paginator: {type: page_number, total_path: null, has_more_path: more}";
    let (sandbox, ended) = run(&api, endpoint, REPLACE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 25), "{ended}");
    assert_eq!(ended.table("things")["end_reason"], "has_more_false", "{ended}");
    let api = things(|request| match page_of(request) {
        3.. => Reply::status(404),
        _ => answer(&json!({"data": records(request, 30, SIZE)})),
    });
    let endpoint = format!("data_selector: data, paginator: {}", COUNTED[0]);
    let (_, ended) = run(&api, &endpoint, REPLACE);
    ended.failed_with(3, &["404", "response_actions: [{status_code: 404, action: ignore}]"]);
    let rule = format!("{endpoint}, response_actions: [{{status_code: 404, action: ignore}}]");
    let (sandbox, ended) = run(&api, &rule, REPLACE);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 30), "{ended}");
}
