use super::*;

mod fuzz;

fn check(text: &str, shown: &str) {
    let got = JsonPath::parse(text).map_or_else(|e| format!("error: {e}"), |p| p.to_string());
    assert_eq!(got, shown, "{text}");
}

/// What `text` finds in `json`.
#[track_caller]
fn check_found(text: &str, json: &serde_json::Value, expected: &[&str]) {
    let found = JsonPath::parse(text).unwrap_or_else(|error| panic!("{error}")).locate(json).unwrap();
    let found: Vec<String> = found.into_iter().map(|steps| JsonPath::from_steps(steps).to_string()).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn paths_are_read_as_dlt_writes_them() {
    check("data", "$.data");
    check("$", "$");
    check("$.a.b", "$.a.b");
    check("many-results", "$.many-results");
    check("['@odata.nextLink']", "$['@odata.nextLink']");
    check("a[0].b[*].c", "$.a[0].b[*].c");
    check(r#"a["x'y"]"#, r"$.a['x\'y']");
}

#[test]
fn a_path_that_streams_by_is_simple_and_others_need_the_document() {
    for text in ["$", "a.b", "a[0]", "a[*].b", "['a.b']", "/meta/next"] {
        assert!(JsonPath::parse(text).unwrap().is_simple(), "{text}");
    }
    for text in ["..a", "a[-1]", "a[1:3]", "a|b", "a[?(@.x > 1)]", "a.*", "/rows/0/id"] {
        assert!(!JsonPath::parse(text).unwrap().is_simple(), "{text}");
    }
}

#[test]
fn json_pointers_are_paths_too() {
    check("/meta/next", "$.meta.next");
    check("/@odata.nextLink", "$['@odata.nextLink']");
    check("/a~1b/c~0d", "$['a/b']['c~d']");
    let json = serde_json::json!({"rows": [{"id": 1}, {"id": 2}], "by": {"1": {"id": 3}}});
    check_found("/rows/1/id", &json, &["$.rows[1].id"]);
    check_found("/by/1/id", &json, &["$.by.1.id"]);
}

#[test]
fn everything_that_jsonpath_ng_finds_is_found() {
    let json = serde_json::json!({
        "a": {"x": 1, "y": {"x": 2}},
        "b": [{"x": 3, "name": "one", "on": true}, {"x": 4, "name": "two"}, {"name": "three"}],
        "odd.name": {"@type": 5},
    });
    check_found("..x", &json, &["$.a.x", "$.a.y.x", "$.b[0].x", "$.b[1].x"]);
    check_found("$..x", &json, &["$.a.x", "$.a.y.x", "$.b[0].x", "$.b[1].x"]);
    check_found("a..x", &json, &["$.a.x", "$.a.y.x"]);
    check_found("b[-1].name", &json, &["$.b[2].name"]);
    check_found("b[0:2].x", &json, &["$.b[0].x", "$.b[1].x"]);
    check_found("b[::2].name", &json, &["$.b[0].name", "$.b[2].name"]);
    check_found("b[0,2].name", &json, &["$.b[0].name", "$.b[2].name"]);
    check_found("a.*", &json, &["$.a.x", "$.a.y"]);
    check_found("a['x','y']", &json, &["$.a.x", "$.a.y"]);
    check_found("b[1].x|a.x", &json, &["$.b[1].x", "$.a.x"]);
    check_found("a.(y|z).x", &json, &["$.a.y.x"]);
    check_found("none|a.x", &json, &["$.a.x"]);
    check_found("['odd.name']..['@type']", &json, &["$['odd.name']['@type']"]);
    check_found("b[?(@.x > 3)].name", &json, &["$.b[1].name"]);
    check_found("b[?(@.x)].name", &json, &["$.b[0].name", "$.b[1].name"]);
    check_found("b[?(@.name = 'two')]", &json, &["$.b[1]"]);
    check_found("b[?name = two]", &json, &["$.b[1]"]);
    check_found(r#"b[?(@.name != "two" & x >= 3)]"#, &json, &["$.b[0]"]);
    check_found("b[?(@.on == true)].x", &json, &["$.b[0].x"]);
    check_found("b[?(@.name =~ 't')].name", &json, &["$.b[1].name", "$.b[2].name"]);
    check_found("b[?length(@.name) > 3].name", &json, &["$.b[2].name"]);
    check_found("b[*].x", &json, &["$.b[0].x", "$.b[1].x"]);
    let json = serde_json::json!({"many-results": [{"2": 1}], "a\nb": 2});
    check_found("many-results[0].2", &json, &["$.many-results[0].2"]);
    check_found("a\nb", &json, &["$['a\nb']"]);
}

#[test]
fn what_is_no_path_says_why() {
    check("a.", "error: `a.` is not a JSON path: a name is missing at character 3");
    check("a[0", "error: `a[0` is not a JSON path: `]` is missing at character 4");
    check("", "error: `` is not a JSON path: it is empty at character 1");
    check("a|", "error: `a|` is not a JSON path: a name is missing at character 3");
    check("a..", "error: `a..` is not a JSON path: a name is missing at character 4");
    check("a[?(@.x > 1)", "error: `a[?(@.x > 1)` is not a JSON path: `]` is missing at character 13");
    check("(a|b", "error: `(a|b` is not a JSON path: `)` is missing at character 5");
    check(
        "rows.`len`",
        "error: `rows.`len`` uses the operator `len`, which lakeward does not have: a path finds values and does not compute",
    );
    check("rows[\\x]", "error: `rows[\\x]` uses sorting, which lakeward does not have: a path finds values and does not compute");
    let deep = format!("{}a", "(".repeat(1000));
    check(&deep, &format!("error: `{deep}` is not a JSON path: the path is nested too deeply at character 17"));
}
