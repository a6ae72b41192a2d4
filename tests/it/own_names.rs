//! Pages that are asked for under the names that each API has, where nothing is declared; what it says of the end under its own names; and
//! what it refuses.

use serde_json::{Value, json};

use crate::support::billing::{answer, run_appended as run, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

/// Records from a place on, ten at most, of so many.
fn records(from: u64, of: u64) -> Vec<Value> {
    (from.min(of) + 1..=(from + 10).min(of)).map(|id| wallet(id as i64)).collect()
}

/// A resource that declares no paginator; `endpoint` has further keys of the endpoint.
fn undeclared(api: &FakeApi, endpoint: &str) -> (Sandbox, Ended) {
    let resource = format!("write_disposition: append\nendpoint: {{path: /things{endpoint}}}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}

/// So many rows and no more, and no other warning than one of a doubt, where `may_doubt`.
fn is_whole((sandbox, ended): &(Sandbox, Ended), of: u64, may_doubt: bool, shown: &str) {
    assert_eq!(ended.code(), Some(0), "{shown} {of}\n{ended}");
    assert_eq!(sandbox.rows("things").len() as u64, of, "{shown} {of}\n{ended}");
    let warnings = ended.summary()["warnings"].as_array().unwrap().clone();
    let is_doubt = |warning: &Value| may_doubt && warning["code"] == "more_pages_in_doubt";
    assert!(warnings.iter().all(is_doubt), "{shown} {of}\n{ended}");
}

/// The size that is asked for, and the place that goes with it: of records from 0 on, or of pages from 0 or 1 on.
const NAMES: [(&str, &str, &str); 22] = [
    ("$limit", "$offset", "records"),
    ("$limit", "$skip", "records"),
    ("$top", "$skip", "records"),
    ("limit", "offset", "records"),
    ("limit", "skip", "records"),
    ("limit", "page", "pages from 1"),
    ("per_page", "page", "pages from 1"),
    ("pageSize", "pageNumber", "pages from 1"),
    ("pageSize", "page", "pages from 0"),
    ("PageSize", "PageNumber", "pages from 1"),
    ("page_size", "page_number", "pages from 1"),
    ("page[size]", "page[number]", "pages from 1"),
    ("page[limit]", "page[offset]", "records"),
    ("size", "page", "pages from 0"),
    ("rows", "start", "records"),
    ("maxResults", "startAt", "records"),
    ("count", "offset", "records"),
    ("top", "skip", "records"),
    ("first", "skip", "records"),
    ("_limit", "_start", "records"),
    ("_per_page", "_page", "pages from 1"),
    ("pagination[pageSize]", "pagination[page]", "pages from 1"),
];

#[test]
fn a_full_page_is_looked_behind_under_the_names_that_go_with_the_size_that_is_asked_for() {
    for (size, place, counts) in NAMES {
        for of in [0, 9, 10, 25] {
            let api = things(move |request| {
                let from = match counts {
                    "records" => request.number(place, 0),
                    "pages from 0" => request.number(place, 0) * 10,
                    _ => (request.number(place, 1).max(1) - 1) * 10,
                };
                answer(&json!(records(from, of)))
            });
            let ended = undeclared(&api, &format!(", params: {{\"{size}\": 10}}"));
            is_whole(&ended, of, false, &format!("{size} {place}"));
        }
    }
}

/// The place that a request asks for by a name of its own.
fn at(request: &Request, name: &str) -> u64 {
    request.number(name, 0)
}

type Shape = fn(&Request, u64) -> Reply;

/// APIs that say how they page in their own words, each with the keys of the endpoint.
const SHAPES: [(&str, &str, Shape); 11] = [
    ("Strapi", "", |request, of| {
        let page = request.number("pagination[page]", 1);
        let around = json!({"page": page, "pageSize": 10, "pageCount": of.div_ceil(10), "total": of});
        answer(&json!({"data": records((page - 1) * 10, of), "meta": {"pagination": around}}))
    }),
    ("X-Pagination", "", |request, of| {
        let page = request.number("pageNumber", 1);
        let (all, more) = (of.div_ceil(10), page * 10 < of);
        let told = json!({"TotalCount": of, "PageSize": 10, "CurrentPage": page, "TotalPages": all, "HasNext": more});
        answer(&json!(records((page - 1) * 10, of))).with_header("x-pagination", &told.to_string())
    }),
    ("Solr", ", data_selector: response.docs", |request, of| {
        let start = at(request, "start");
        answer(
            &json!({"responseHeader": {"status": 0}, "response": {"numFound": of, "start": start, "docs": records(start, of)}}),
        )
    }),
    ("Intercom", "", |request, of| {
        let from = at(request, "starting_after");
        let mut pages = json!({"type": "pages", "page": from / 10 + 1, "per_page": 10, "total_pages": of.div_ceil(10)});
        if from + 10 < of {
            pages["next"] = json!({"page": from / 10 + 2, "starting_after": (from + 10).to_string()});
        }
        answer(&json!({"type": "list", "data": records(from, of), "total_count": of, "pages": pages}))
    }),
    ("CKAN's packages", "", |request, of| {
        let results = records(at(request, "start"), of);
        answer(&json!({"help": "x", "success": true, "result": {"count": of, "facets": {}, "results": results}}))
    }),
    ("CKAN's records", ", data_selector: result.records", |request, of| {
        let from = at(request, "offset");
        let next = format!("/things?offset={}", from + 10);
        answer(
            &json!({"result": {"fields": [{"id": "_id"}], "records": records(from, of), "total": of, "_links": {"next": next}}}),
        )
    }),
    ("SCIM", ", params: {count: 10, startIndex: 1}", |request, of| {
        let start = request.number("startIndex", 1);
        answer(&json!({"totalResults": of, "startIndex": start, "itemsPerPage": 10, "Resources": records(start - 1, of)}))
    }),
    ("ArcGIS", "", |request, of| {
        let from = at(request, "resultOffset");
        let mut body = json!({"fields": [{"name": "id"}], "features": records(from, of)});
        if from + 10 < of {
            body["exceededTransferLimit"] = json!(true);
        }
        answer(&body)
    }),
    ("FHIR", "", |request, of| {
        let from = at(request, "_offset");
        let mut links = vec![json!({"relation": "self", "url": "/things"})];
        if from + 10 < of {
            links.push(json!({"relation": "next", "url": format!("/things?_offset={}", from + 10)}));
        }
        let mut body = json!({"resourceType": "Bundle", "id": "b", "type": "searchset", "total": of, "link": links});
        if of > 0 {
            body["entry"] = json!(records(from, of));
        }
        answer(&body)
    }),
    ("Laravel", "", |request, of| {
        let page = request.number("page", 1);
        let next = (page * 10 < of).then(|| format!("/things?page={}", page + 1));
        let links = json!([{"url": null, "label": "1", "active": true}]);
        answer(&json!({"current_page": page, "data": records((page - 1) * 10, of), "last_page": of.div_ceil(10).max(1),
            "links": links, "next_page_url": next, "per_page": 10, "total": of}))
    }),
    ("PostgREST", ", params: {limit: 10}", |request, of| {
        let (from, records) = (at(request, "offset"), records(at(request, "offset"), of));
        if from > 0 && records.is_empty() {
            return Reply::status(416).with_header("content-range", &format!("*/{of}"));
        }
        let last = (from + records.len() as u64).saturating_sub(1);
        let range = if of == 0 { "*/0".to_owned() } else { format!("{from}-{last}/{of}") };
        answer(&json!(records)).with_header("content-range", &range)
    }),
];

#[test]
fn apis_that_page_in_a_way_of_their_own_are_read_whole_where_nothing_is_declared() {
    for (name, endpoint, shape) in SHAPES {
        for of in [0, 9, 10, 11, 25] {
            // CKAN names a next page for ever.
            if of == 0 && name == "CKAN's records" {
                continue;
            }
            let ended = undeclared(&things(move |request| shape(request, of)), endpoint);
            // Nothing tells that a full page of these is all.
            is_whole(&ended, of, of == 10, name);
        }
    }
}

#[test]
fn an_empty_page_with_a_link_ends_the_pages_only_where_it_tells_of_what_was_read() {
    // Each total counts its own page, and the second page is filtered away.
    let api = things(|request| {
        let page = request.number("page", 1);
        let records = match page {
            2 => Vec::new(),
            page => records((page - 1) * 10, 30),
        };
        let next = (page < 3).then(|| format!("/things?page={}", page + 1));
        answer(&json!({"total": records.len(), "data": records, "next": next}))
    });
    is_whole(&run(&api, "json_link", ""), 20, false, "filtered");
}

#[test]
fn a_cursor_of_graphql_goes_to_the_variables() {
    let api = things(|request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let from: u64 = body["variables"]["after"].as_str().map_or(0, |after| after[1..].parse().unwrap());
        let info = json!({"hasNextPage": from + 10 < 25, "endCursor": format!("c{}", from + 10)});
        answer(&json!({"data": {"xs": {"totalCount": 25, "pageInfo": info, "nodes": records(from, 25)}}}))
    });
    let endpoint = ", method: POST, json: {query: q, variables: {first: 10}}, data_selector: data.xs.nodes";
    is_whole(&undeclared(&api, endpoint), 25, false, "GraphQL");
}

#[test]
fn a_page_that_is_refused_behind_one_that_says_it_is_the_last_is_the_end() {
    for paginator in ["{type: page_number, base_page: 1}", "{type: page_number, base_page: 1, total_path: null}"] {
        for of in [1, 10, 11, 20] {
            // Django's `count` and `next`.
            let api = things(move |request| {
                let page = request.number("page", 1);
                let next = (page * 10 < of).then(|| format!("/things?page={}", page + 1));
                if page > 1 && (page - 1) * 10 >= of {
                    return Reply::status(404).body(json!({"detail": "Invalid page."}).to_string());
                }
                answer(&json!({"count": of, "next": next, "previous": null, "data": records((page - 1) * 10, of)}))
            });
            is_whole(&run(&api, paginator, ""), of, false, paginator);
        }
    }
    // One that tells of more, and one that says nothing, is not.
    for around in [json!({"next": "/things?page=9"}), json!({})] {
        let api = things(move |request| {
            let mut body = around.clone();
            body["data"] = json!(records(0, 10));
            if request.number("page", 1) > 1 { Reply::status(404) } else { answer(&body) }
        });
        let (_, ended) = run(&api, "{type: page_number, base_page: 1, total_path: null}", "");
        ended.failed_with(3, &["answered 404"]);
    }
}

#[test]
fn a_flag_that_is_left_out_where_it_would_be_false_ends_the_pages() {
    for (name, of) in [("more", 11), ("more", 30), ("exceededTransferLimit", 9), ("exceededTransferLimit", 25)] {
        let api = things(move |request| {
            let from = at(request, "offset");
            let mut body = json!({"data": records(from, of)});
            if from + 10 < of {
                body[name] = json!(true);
            }
            answer(&body)
        });
        let paginator = format!("{{type: offset, limit: 10, total_path: null, has_more_path: {name}}}");
        is_whole(&run(&api, &paginator, ""), of, false, &paginator);
    }
    // A full page that lacks it by mistake is not the last one.
    let api = things(|request| {
        let from = at(request, "offset");
        let mut body = json!({"data": records(from, 35)});
        if from != 10 {
            body["more"] = json!(from + 10 < 35);
        }
        answer(&body)
    });
    is_whole(&run(&api, "{type: offset, limit: 10, total_path: null, has_more_path: more}", ""), 35, false, "lost");
    // On the first page it may be misspelt.
    let api = things(|_| answer(&json!({"data": records(0, 10), "has_more": false})));
    let (_, ended) = run(&api, "{type: offset, limit: 10, has_more_path: hasmore}", "");
    ended.failed_with(3, &["`$.hasmore` should be true or false", "did you mean `has_more`?"]);
}

#[test]
fn an_answer_without_its_list_is_an_empty_page_only_where_it_tells_of_none() {
    let run_with = |body: Value| run(&things(move |_| answer(&body)), "single_page", "");
    is_whole(&run_with(json!({"total": 0, "took": 3})), 0, false, "total");
    for (body, said) in [
        (json!({"total": 3}), "nothing at `$.data`"),
        (json!({"count": 0}), "nothing at `$.data`"),
        (json!({"status": "fine"}), "nothing at `$.data`"),
        (json!({"total": 0, "error": "no rights"}), "no rights"),
    ] {
        run_with(body).1.failed_with(3, &[said]);
    }
}

#[test]
fn a_refusal_that_names_a_limit_tells_how_to_go_on_whatever_its_status() {
    let message = "Only the first 20 results are available";
    for (status, code) in [(400, 3), (403, 4), (416, 3), (422, 3), (500, 75)] {
        let api = things(move |request| match at(request, "offset") {
            from @ ..20 => answer(&json!({"data": records(from, 60)})),
            _ => Reply::status(status).body(json!({"message": message}).to_string()),
        });
        let rule = format!("[{{status_code: {status}, action: ignore}}]");
        let paginator = "{type: offset, limit: 10, total_path: null}";
        let (_, ended) = run(&api, paginator, "");
        ended.failed_with(code, &[message, "`endpoint.incremental` and `step`", &rule]);
        let (sandbox, ended) = run(&api, &format!("{paginator}, response_actions: {rule}"), "");
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 20), "{status}\n{ended}");
    }
}

#[test]
fn what_to_write_has_the_names_of_the_request() {
    // It wants a parameter that nobody can guess.
    let api = things(|request| {
        let from = at(request, "beginWith");
        answer(&json!({"total": 25, "data": records(from, 25)}))
    });
    let (_, ended) = undeclared(&api, ", params: {rows: 10}");
    ended.failed_with(3, &["{type: offset, limit: 100, offset_param: start, limit_param: rows}"]);
    let written = "{type: offset, limit: 10, offset_param: beginWith, limit_param: rows}";
    is_whole(&run(&api, written, ""), 25, false, written);
}
