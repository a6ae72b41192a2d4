//! What stands around the records: where they are, what the paginator learns, and what is wrong.

use std::sync::Arc;

use super::{at, decode, lines, page};
use crate::base::{ErrorKind, JsonPath};
use crate::decode::{DecodeError, DecodePlan, Decoder};

/// The page's rows under `plan`, or the error's words.
#[track_caller]
fn check(plan: DecodePlan, body: &str, expected: &str) {
    let found = decode(plan, body).map_or_else(|error| error.to_string(), |decoded| lines(&decoded.table.rows.batch));
    assert_eq!(
        found.strip_prefix("page 1 of `wallets` (`https://api.example.com/v1/wallets?api_key=***&limit=100`) ").unwrap_or(&found),
        expected
    );
}

#[test]
fn records_are_where_the_selector_says() {
    let (rows, one) = ("{\"a\":1}\n{\"a\":2}", "{\"a\":1}");
    check(at("data"), r#"{"meta":{"data":[]},"data":[{"a":1},{"a":2}]}"#, rows);
    check(at("$.data[*]"), r#"{"data":[{"a":1},{"a":2}]}"#, rows);
    check(at("result.items"), r#"{"result":{"x":[0],"items":[{"a":1},{"a":2}]}}"#, rows);
    check(at("pages[1].rows"), r#"{"pages":[{"rows":[{"a":0}]},{"rows":[{"a":1},{"a":2}]}]}"#, rows);
    check(at("groups[*].rows"), r#"{"groups":[{"rows":[{"a":1}]},{"none":0},{"rows":[{"a":2}]}]}"#, rows);
    check(at("groups[*].rows"), r#"{"groups":[]}"#, "");
    check(at("$"), r#" {"a":1} "#, one);
    check(at("data"), r#"{"data":{"a":1}}"#, one);
    check(at("data"), r#"{"data":[]}"#, "");
    check(at("data"), r#"{"data":[{"a":7}],"data":[{"a":1},{"a":2}]}"#, rows);
    check(at("['d\"x']"), r#"{"d\u0022x":[{"a":1}]}"#, one);
}

#[test]
fn e_42_an_error_in_the_place_of_records_is_quoted() {
    let told = |body: &str, said: &str, top: &str| {
        check(at("data"), body, &format!("has nothing at `$.data`, where its records should be; at its top are {top}{said}"));
    };
    told(r#"{"error":{"code":7,"text":"no"}}"#, r#"; its `error` says `{"code":7,"text":"no"}`"#, "`error`");
    told(r#"{"ok":false, "message" : "go away"}"#, r#"; its `message` says `"go away"`"#, "`ok`, `message`");
    told(r#"{"errors":null,"fault":"late"}"#, r#"; its `fault` says `"late"`"#, "`errors`, `fault`");
    told(r#"{"mess":1}"#, "", "`mess`");
}

#[test]
fn records_that_are_not_there_are_an_error() {
    check(
        at("data"),
        r#"{"more":"x","items":[{"a":1}]}"#,
        "has nothing at `$.data`, where its records should be; at its top are `more`, `items`; it has a list at `items`",
    );
    check(at("data"), "{}", "has nothing at `$.data`, where its records should be; at its top are no members");
    check(
        at("data"),
        "[{}]",
        "has nothing at `$.data`, where its records should be; at its top are no members: it is of kind array",
    );
    check(at("data.x"), r#"{"data":null}"#, "has nothing at `$.data.x`, where its records should be; at its top are `data`");
    check(
        at("groups[*].rows"),
        r#"{"groups":[{}]}"#,
        "has nothing at `$.groups[*].rows`, where its records should be; at its top are `groups`; it has a list at `groups`",
    );
    let other = |kind: &str, byte: usize, place: &str| {
        format!(
            "has {kind} at byte {byte}, in `{place}`, where its records should be: expected an array of objects, or an object"
        )
    };
    check(at("data"), r#"{"data":null}"#, "");
    check(
        at("data"),
        r#"{"data":null,"error":"late"}"#,
        "has null at byte 8, in `$.data`, where its records should be; its `error` says `\"late\"`",
    );
    check(at("data"), r#"{"data":"x"}"#, &other("string", 8, "$.data"));
    check(at("$"), "7", &other("number", 0, "$"));
}

#[test]
fn records_are_found_when_that_is_no_guess() {
    let find = DecodePlan::default;
    check(find(), r#"[{"a":1}]"#, "{\"a\":1}");
    check(find(), r#"{"total":1,"list":[{"a":1}],"tags":["x"]}"#, "{\"a\":1}");
    check(find(), r#"{"x":{"y":{"z":[{"a":1}]}}}"#, "{\"a\":1}");
    check(find(), r#"{"included":[{"b":1}],"data":[{"a":1}]}"#, "{\"a\":1}");
    check(find(), r#"{"a":1,"tags":["x"]}"#, "{\"a\":1,\"tags\":[\"x\"]}");
    check(find(), r#"{"data":[],"warnings":[]}"#, "");
    check(find(), r#"{"errors":[],"widgets":[{"a":1}]}"#, "{\"a\":1}");
    check(find(), r#"{"warnings":[{"text":"x"}],"errors":[],"widgets":[{"a":1}]}"#, "{\"a\":1}");
    let ambiguous = |paths: [&str; 2]| {
        let [one, other] = paths.map(|path| format!("`data_selector: {path}`"));
        format!("has several arrays that may be its records: write {one} or {other}")
    };
    check(find(), r#"{"users":[{}],"groups":[{}]}"#, &ambiguous(["users", "groups"]));
    check(find(), r#"{"data":[],"users":[{}]}"#, &ambiguous(["data", "users"]));
    check(find(), r#"{"data":[{}],"items":[{}]}"#, &ambiguous(["data", "items"]));
    check(find(), r#"{"meta":{"data":[{"b":1}]},"rows":[{"a":1}]}"#, &ambiguous(["meta.data", "rows"]));
    check(find(), r#"{"errors":[],"widgets":[],"gadgets":[{}]}"#, &ambiguous(["widgets", "gadgets"]));
    let aside = "has one list, at `$.errors`, a name by which APIs also tell what went wrong: if its objects are the records, write `data_selector: errors`; if the whole answer is one record, `data_selector: \"$\"`";
    check(find(), r#"{"errors":[{"message":"no"}],"data":null}"#, aside);
    let part = "has one list, at `$.lines`, in an object with an id and values of its own: if its objects are the records, write `data_selector: lines`; if the list is a part of one record, `data_selector: \"$\"`";
    check(find(), r#"{"id":1,"name":"x","lines":[{"a":1}]}"#, part);
}

#[test]
fn what_page_1_showed_holds_for_the_others() {
    let decoder = Decoder::new(DecodePlan::default());
    decoder.decode(&page(1, r#"{"users":[{"a":1}]}"#), &Arc::default()).unwrap();
    let second = decoder.decode(&page(2, r#"{"users":[],"data":[{"b":1}]}"#), &Arc::default()).unwrap();
    assert_eq!(second.facts.records, 0);
    let third = decoder.decode(&page(3, r#"{"data":[{"b":1}]}"#), &Arc::default());
    assert!(matches!(third, Err(DecodeError::NoRecords { .. })));
}

#[test]
fn the_paginator_gets_the_values_it_asks_for() {
    let wanted = ["meta.next", "total", "none", "null", "links", "data[1].id", "big", "cursors[0]", "data"];
    let plan = DecodePlan { wanted: wanted.map(|path| JsonPath::parse(path).unwrap()).to_vec(), ..at("data") };
    let body = r#"{"total":7,"null":null,"meta":{"next":"a\u00e9"},"data":[{"id":1},{"id":2}],"links":{"x": [1]},
        "big":123456789012345678901234567890,"cursors":["c"],"total":7}"#;
    let facts = decode(plan, body).unwrap().facts;
    let shown: Vec<String> =
        facts.values.iter().map(|value| value.as_ref().map_or("-".to_owned(), ToString::to_string)).collect();
    assert_eq!(
        shown,
        ["\"aé\"", "7", "-", "null", "{\"x\":[1]}", "2", "1.2345678901234568e+29", "\"c\"", "[{\"id\":1},{\"id\":2}]"]
    );
    assert_eq!(facts.records, 2);
}

#[test]
fn a_page_is_known_again_by_its_records_alone() {
    let hash = |body: &str| decode(at("data"), body).unwrap().facts.records_hash;
    assert_eq!(hash(r#"{"data":[{"a":1}],"at":1}"#), hash(r#"{"at":2,"data":[{"a":1}]}"#));
    assert_ne!(hash(r#"{"data":[{"a":1}]}"#), hash(r#"{"data":[{"a":2}]}"#));
}

#[test]
fn signs_of_paging_are_told() {
    let signs = |body: &str| {
        let plan = DecodePlan { look_for_more_pages: true, ..at("data") };
        let facts = decode(plan, body).unwrap().facts;
        facts.signs.iter().map(|sign| format!("{} = {}", sign.path, sign.value)).collect::<Vec<_>>().join(", ")
    };
    for (around, expected) in [
        (r#""next":null"#, ""),
        (r#""next":"""#, "$.next = \"\""),
        (r#""meta":{"next_cursor":"abc"}"#, "$.meta.next_cursor = \"abc\""),
        (r#""@odata.nextLink":"https://x""#, "$['@odata.nextLink'] = \"https://x\""),
        (
            r#""_links":{"next":{"href":"/x"},"self":{"href":"/y"}}"#,
            "$._links.next = {\"href\":\"/x\"}, $._links.next.href = \"/x\"",
        ),
        (r#""paging":{"cursors":{"before":"a","after":"b"}}"#, "$.paging.cursors.after = \"b\""),
        (r#""has_more":true,"has_more":true"#, "$.has_more = true"),
        (r#""next_refresh_s":3600,"nextRun":"soon","version":2"#, ""),
        (r#""total":240,"page":{"totalPages":3,"number":0}"#, "$.total = 240, $.page.totalPages = 3, $.page.number = 0"),
        (r#""a":{"b":{"c":{"next":"too deep"}}}"#, ""),
        (r#""lists":[{"next":"in a list"}]"#, ""),
    ] {
        assert_eq!(signs(&format!(r#"{{{around},"data":[{{"next":"in a record","total":9}}]}}"#)), expected, "{around}");
    }
}

#[test]
fn records_are_hashed_where_that_is_asked_for() {
    let hashes = |body: &str| decode(DecodePlan { record_hashes: true, ..at("data") }, body).unwrap().facts.record_hashes;
    let [a, b, again] = hashes(r#"{"data":[{"a":1},{"a":2},{"a":1}]}"#)[..] else { panic!("a hash a record") };
    assert!(a == again && a != b);
    assert_eq!(hashes(r#"{"data":[{"a":2}],"data":[{"a":1} ]}"#), [a]);
    assert_eq!(
        hashes(r#"{"data":[{"a":1.5},7,{"a":"x"}]}"#).len(),
        3,
        "rejects count, and a second reading counts nothing twice"
    );
    assert!(decode(at("data"), r#"{"data":[{}]}"#).unwrap().facts.record_hashes.is_empty());
}

#[test]
fn bodies_that_are_no_json_say_so() {
    check(at("data"), "", "has an empty body instead of JSON");
    check(at("data"), " \n", "has an empty body instead of JSON");
    check(at("data"), "\n<!doctype html><p>502", "is HTML or XML, not JSON");
    check(at("data"), r#"{"data":[{"a":1},{"a":"#, "ends at byte 22, in `$.data[1].a`, in the middle of a value: it is cut off");
    check(
        at("data"),
        r#"{"data":[{"a":1}]} {}"#,
        "is not JSON at byte 19, in `$`: expected the end of the page, found one JSON value behind another",
    );
    check(
        at("data"),
        r#"{"data":[{"a":{"b":NaN}}]}"#,
        "is not JSON at byte 19, in `$.data[0].a.b`: expected a value, found `NaN` or `Infinity`",
    );
    check(at("data"), r#"{"data":[{"a":1 "b":2}]}"#, "is not JSON at byte 16, in `$.data[0]`: expected `,` or `}`");
    check(at("data"), r#")]}',{"data":[]}"#, "is not JSON at byte 0, in `$`: expected a value");
    let body = [b"{\"data\":[{\"a\":\"".as_slice(), &[0xff], b"\"}]}"].concat();
    let error = Decoder::new(at("data")).decode(&page(4, body), &Arc::default()).unwrap_err();
    assert!(error.to_string().ends_with("is not UTF-8 at byte 15"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[test]
fn what_has_no_end_has_a_limit() {
    let deep = |levels: usize| format!(r#"{{"data":[{{"a":{}1{}}}]}}"#, "[".repeat(levels), "]".repeat(levels));
    check(
        at("data"),
        &deep(10_000),
        &format!("has objects and arrays nested more than 128 deep at byte 139, in `$.data[0].a{}`", "[0]".repeat(125)),
    );
    let all = || DecodePlan { nesting_max: Some(1000), ..at("data") };
    assert!(matches!(decode(all(), &deep(100)), Err(DecodeError::Schema { .. })));
    assert_eq!(decode(all(), &deep(40)).unwrap().facts.records, 1);
    assert_eq!(decode(at("data"), &deep(100)).unwrap().facts.records, 1);
    let wide: Vec<String> = (0..20_000).map(|n| format!("\"{n}\":1")).collect();
    let error = decode(at("data"), &format!("{{\"data\":[{{{}}}]}}", wide.join(","))).unwrap_err().to_string();
    assert!(error.contains("needs more than 10000 columns at byte "), "{error}");
    let error = decode(at("data"), &format!("{{\"data\":[{{{}}}]}}", wide[..6000].join(","))).unwrap_err();
    assert!(matches!(error, DecodeError::Schema { .. }));
    let error = decode(
        DecodePlan { wanted: vec![JsonPath::parse("next").unwrap()], ..at("data") },
        &format!(r#"{{"data":[],"next":"{}"}}"#, "x".repeat(70_000)),
    );
    assert!(matches!(error, Err(DecodeError::ValueTooLong { .. })));
}

#[test]
fn a_record_as_large_as_a_file_is_an_error() {
    let body = format!(r#"{{"data":[{{"a":1}},{{"a":"{}","b":2}}]}}"#, "x".repeat(65 << 20));
    check(at("data"), &body, &format!("has a record of more than {} bytes at byte 68157464, in `$.data[1]`", 64 << 20));
}

#[test]
fn a_member_that_tells_of_the_pages_and_comes_twice_with_two_values_is_an_error() {
    let wanted = |path: &str| DecodePlan { wanted: vec![JsonPath::parse(path).unwrap()], ..at("data") };
    let told = |at: usize, path: &str| {
        format!(
            "has a second value at byte {at}, in `{path}`, which tells of its pages, and it is another one: which of them holds is not known"
        )
    };
    let body = r#"{"next":2,"data":[{"a":1}],"next":null}"#;
    check(wanted("next"), body, &told(34, "$.next"));
    check(DecodePlan { look_for_more_pages: true, ..at("data") }, body, &told(34, "$.next"));
    check(at("data"), body, "{\"a\":1}");
    check(wanted("next"), r#"{"next":2,"data":[{"a":1}],"next":2}"#, "{\"a\":1}");
    let nested = r#"{"meta":{"next":2},"data":[{"a":1}],"meta":{"next":null}}"#;
    check(wanted("meta.next"), nested, &told(51, "$.meta.next"));
}
