//! Before and after, for every way to write a resource.

use super::*;
use crate::base::JsonPath;
use crate::config::{Slot, StopRules, TotalPath};

fn keep() -> Keep {
    let path = |text: &str| JsonPath::parse(text).unwrap();
    let stop = StopRules { total: TotalPath::Required(path("meta.pages")), stop_after_empty_page: true, ..StopRules::default() };
    Keep {
        resource: "orders".to_owned(),
        data_selector: Some(path("data")),
        paginator: Some(PaginatorPlan::PageNumber { base_page: 1, page: 1, page_slot: Slot::Param("page".to_owned()), stop }),
    }
}

const SELECTOR: &str = "data_selector: data";
const PAGINATOR: &str = "paginator: {type: page_number, base_page: 1, total_path: meta.pages}";

/// `S` and `P` stand for what is written.
#[track_caller]
fn check(before: &str, after: &str) {
    let edited = keep_detected(before, &keep()).unwrap_or_else(|| panic!("{before} can be edited"));
    assert_eq!(edited, after.replace("‹S›", SELECTOR).replace("‹P›", PAGINATOR));
    assert!(changed_lines(before, &edited).len() > 1);
}

#[track_caller]
fn check_by_hand(before: &str) {
    assert_eq!(keep_detected(before, &keep()), None, "{before}");
    assert_eq!(keep().lines(), [SELECTOR, PAGINATOR]);
}

#[test]
fn a_name_alone_becomes_a_map() {
    check(
        "name: x\nresources:\n  - customers # first\n  - orders   # second\nlake: {}\n",
        "name: x\nresources:\n  - customers # first\n  - name: orders\n    endpoint: {‹S›, ‹P›}   # second\nlake: {}\n",
    );
    check("resources: [customers, orders]\n", "resources: [customers, {name: orders, endpoint: {‹S›, ‹P›}}]\n");
    check("resources: [\"orders\"]", "resources: [{name: \"orders\", endpoint: {‹S›, ‹P›}}]");
}

#[test]
fn a_resource_without_an_endpoint_gets_one() {
    check(
        "resources:\n- name: orders # ours\n  primary_key: id\n",
        "resources:\n- name: orders # ours\n  endpoint: {‹S›, ‹P›}\n  primary_key: id\n",
    );
    check(
        "resources:\n  - {name: orders, primary_key: id}",
        "resources:\n  - {name: orders, primary_key: id, endpoint: {‹S›, ‹P›}}",
    );
}

#[test]
fn a_path_alone_becomes_a_map() {
    let of = |endpoint: &str| format!("resources:\n  - name: orders\n    endpoint: {endpoint} # here\n    selected: true\n");
    check(&of("/v1/orders"), &of("{path: /v1/orders, ‹S›, ‹P›}"));
    check(&of("'/v1/orders, all'"), &of("{path: '/v1/orders, all', ‹S›, ‹P›}"));
    check(&of("/v1/orders?a[]=1,2"), &of("{path: \"/v1/orders?a[]=1,2\", ‹S›, ‹P›}"));
    check(&of("https://x.test/${PATH}"), &of("{path: \"https://x.test/${PATH}\", ‹S›, ‹P›}"));
}

#[test]
fn an_endpoint_gets_the_keys_it_lacks() {
    let of = |endpoint: &str| {
        format!("resources:\n  - name: customers\n  - name: orders\n    endpoint:{endpoint}\n    selected: true\n")
    };
    check(&of(" {path: /x}"), &of(" {path: /x, ‹S›, ‹P›}"));
    check(&of(" {}"), &of(" {‹S›, ‹P›}"));
    check(&of(" { path: /x , params: {a: [1, 2]} }"), &of(" { path: /x , params: {a: [1, 2]}, ‹S›, ‹P› }"));
    check(&of(" {path: /x, data_selector: null, paginator: auto}"), &of(" {path: /x, ‹S›, ‹P›}"));
    check(&of(" {paginator: {type: auto}, path: /x}"), &of(" {‹P›, path: /x, ‹S›}"));
    check(
        &of("\n      # the path\n      path: /x   # note\n      params:\n        a: 1"),
        &of("\n      # the path\n      path: /x   # note\n      ‹S›\n      ‹P›\n      params:\n        a: 1"),
    );
    check(
        &of("\n      params:\n        a: 1\n      paginator: auto # for now"),
        &of("\n      ‹S›\n      params:\n        a: 1\n      ‹P› # for now"),
    );
}

#[test]
fn json_stays_json() {
    let json = |text: &str| {
        text.replace("‹S›", r#""data_selector": "data""#)
            .replace("‹P›", r#""paginator": {"type": "page_number", "base_page": 1, "total_path": "meta.pages"}"#)
    };
    for (before, after) in [
        (r#"{"resources": ["orders"]}"#, r#"{"resources": [{"name": "orders", "endpoint": {‹S›, ‹P›}}]}"#),
        (
            "{\"resources\": [\n  {\"name\": \"orders\", \"endpoint\": \"/x\"}\n]}\n",
            "{\"resources\": [\n  {\"name\": \"orders\", \"endpoint\": {\"path\": \"/x\", ‹S›, ‹P›}}\n]}\n",
        ),
        (
            "{\"resources\": [{\"name\": \"orders\",\n  \"endpoint\": {\n    \"path\": \"/x\"\n  }\n}]}",
            "{\"resources\": [{\"name\": \"orders\",\n  \"endpoint\": {\n    \"path\": \"/x\", ‹S›, ‹P›\n  }\n}]}",
        ),
    ] {
        let edited = keep_detected(before, &keep()).unwrap();
        assert_eq!(edited, json(after));
        assert!(serde_json::from_str::<serde_json::Value>(&edited).is_ok());
    }
}

#[test]
fn line_ends_and_the_byte_order_mark_stay() {
    check(
        "\u{feff}resources:\r\n  - name: orders\r\n    endpoint:\r\n      path: /ö\r\nlake: x\r\n",
        "\u{feff}resources:\r\n  - name: orders\r\n    endpoint:\r\n      path: /ö\r\n      ‹S›\r\n      ‹P›\r\nlake: x\r\n",
    );
}

#[test]
fn what_is_shared_or_unclear_is_left_to_a_person() {
    check_by_hand("x: &e {path: /x}\nresources:\n  - {name: orders, endpoint: *e}\n");
    check_by_hand("resources:\n  - {name: orders, endpoint: &e {path: /x}}\n  - {name: b, endpoint: *e}\n");
    check_by_hand("x: &d {selected: true}\nresources:\n  - name: orders\n    <<: *d\n");
    check_by_hand("resources:\n  - {name: '${NAME}'}\n");
    check_by_hand("resources:\n  - name: orders\n    endpoint:\n");
    check_by_hand("resources:\n  - name: orders\n    endpoint:\n      path: /x\n      paginator:\n        type: auto\n");
    check_by_hand("resources: [orders, orders]\n");
    check_by_hand("sources: {a: {resources: [orders]}}\n");
}

#[test]
fn the_diff_shows_the_lines_that_changed() {
    let before = "a: 1\nresources:\n  - orders\nb: 2\n";
    let edited = keep_detected(before, &keep()).unwrap();
    let endpoint = format!("+    endpoint: {{{SELECTOR}, {PAGINATOR}}}");
    assert_eq!(changed_lines(before, &edited), ["@@ line 3", "-  - orders", "+  - name: orders", &endpoint]);
}

#[test]
fn a_quoted_value_ends_with_its_quote() {
    for path in ["'/it''s # x'", r#""/a\"b # x""#] {
        let of = |endpoint: &str| format!("resources:\n  - name: orders\n    endpoint:\n      {endpoint} # ' \"\n");
        check(
            &of(&format!("path: {path}")),
            &of(&format!("path: {path} # ' \"\n      ‹S›\n      ‹P›")).replacen("‹P› # ' \"", "‹P›", 1),
        );
    }
}
