//! Rules on answers and the API's own limits, through the binary: the truth in the lake or an error, the exit code, and no secret in
//! any output.

use serde_json::json;

use crate::support::billing::{KEY, things_config};
use crate::support::fake_api::{FakeApi, Reply, ids};
use crate::support::sandbox::{Ended, Sandbox};

const PAGES: &str = "write_disposition: append\nendpoint:\n  path: /things\n  data_selector: data\n  paginator: {type: page_number, total_path: null}\n";

/// Pages 0 to 3 of ten things; page 2 answers with `odd`.
fn api(odd: Reply) -> FakeApi {
    FakeApi::start().on("/things", move |request| match request.number("page", 0) {
        2 => odd.clone(),
        page @ 0..4 => Reply::json(format!(r#"{{"data":{}}}"#, ids(page * 10..page * 10 + 10))),
        _ => Reply::json(r#"{"data":[]}"#),
    })
}

fn run(api: &FakeApi, rules: &str) -> (Sandbox, Ended) {
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{PAGES}{rules}")));
    let ended = sandbox.run();
    assert!(!ended.to_string().contains(KEY), "{ended}");
    (sandbox, ended)
}

#[test]
fn an_ignored_page_ends_the_resource_and_is_counted_in_the_summary() {
    let (sandbox, ended) = run(&api(Reply::status(410)), "  response_actions: [{status_code: 410, action: ignore}]");
    let table = ended.table("things");
    assert_eq!(
        (&table["end_reason"], &table["pages"], &table["pages_ignored"]),
        (&json!("ignored"), &json!(2), &json!(1)),
        "{ended}"
    );
    assert_eq!(sandbox.rows("things").len(), 20);
}

#[test]
fn a_skipped_page_leaves_the_others() {
    let (sandbox, ended) = run(&api(Reply::status(410)), "  response_actions: [{status_code: 4xx, action: skip}]");
    assert_eq!(ended.table("things")["pages_ignored"], 1, "{ended}");
    assert_eq!(sandbox.rows("things").len(), 30);
}

#[test]
fn e_42_an_error_in_a_200_is_an_error_with_the_apis_words_and_without_secrets() {
    let odd = Reply::json(format!(r#"{{"success":false,"error":"key {KEY} has no rights"}}"#));
    let (sandbox, ended) = run(&api(odd.clone()), "");
    ended.failed_with(3, &["nothing at `$.data`", "its `error` says `\"key *** has no rights\"`"]);
    assert!(sandbox.files("things").is_empty());
    let (_, ended) = run(&api(odd), "  fail_when: [{json_path: success, equals: false, message: not for us}]");
    ended.failed_with(3, &["page 3", "`endpoint.fail_when[0]` takes for an error: not for us", "key *** has no rights"]);
}

#[test]
fn e_43_partial_data_of_a_graphql_api_is_loaded_when_allowed_and_its_errors_are_counted_by_path() {
    let page = |ids: &str, next: &str, errors: &str| {
        let data = format!(r#"{{"orders":{{"nodes":{ids},"pageInfo":{next}}}}}"#);
        Reply::json(format!(r#"{{"data":{data}{errors}}}"#))
    };
    let api = FakeApi::start().on("/graphql", move |request| {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        let error = |at: u64| format!(r#"{{"message":"no owner for {KEY}","path":["orders","nodes",{at},"owner"]}}"#);
        match body["variables"]["after"].as_str() {
            None => {
                let errors = format!(r#","errors":[{},{}]"#, error(0), error(1));
                page(r#"[{"id":1,"owner":null},{"id":2,"owner":null}]"#, r#"{"hasNextPage":true,"endCursor":"c1"}"#, &errors)
            }
            Some(_) => page(r#"[{"id":3,"owner":"x"}]"#, r#"{"hasNextPage":false,"endCursor":null}"#, r#","errors":[]"#),
        }
    });
    let run = |graphql: &str| {
        let endpoint = format!(
            "write_disposition: append\nendpoint:\n  path: /graphql\n  method: POST\n  json: {{query: '{{{{ orders }}}}'}}\n  data_selector: data.orders.nodes\n  paginator: {{type: relay, path: data.orders.pageInfo}}\n  graphql: {graphql}\n"
        );
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
        let ended = sandbox.run();
        assert!(!ended.to_string().contains(KEY), "{ended}");
        (sandbox, ended)
    };
    let (sandbox, ended) = run("{partial: allow}");
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 3), "{ended}");
    let words = "GraphQL gave 2 errors beside its data, which counts all the same: 2 at `orders.nodes.*.owner`";
    assert!(ended.stderr.contains(words), "{ended}");
    let (sandbox, ended) = run("{}");
    ended.failed_with(3, &["answered with 2 GraphQL errors, saying `no owner for ***", "`endpoint.graphql: {partial: allow}`"]);
    assert!(sandbox.files("things").is_empty());
}

#[test]
fn e_04_a_wait_past_the_longest_ends_as_unavailable_and_says_when_to_come_again() {
    let (sandbox, ended) = run(&api(Reply::status(429).header("retry-after", "86400")), "");
    ended.failed_with(75, &["answered 429 and asks to wait 86400s", "it resets", "a rerun reads it from where"]);
    assert!(sandbox.files("things").is_empty());
}

/// A parent of four records, and children of which `refused` answer 403; run under `rule`.
fn children(refused: &'static [u64], rule: &str) -> (Sandbox, Ended) {
    let mut api = FakeApi::start().page("/posts", format!(r#"{{"data":{}}}"#, ids(1..5)));
    for post in 1..5 {
        let reply = Reply::json(format!(r#"{{"data":[{{"id":{}}}]}}"#, post * 10));
        let reply = if refused.contains(&post) { Reply::status(403) } else { reply };
        api = api.on(&format!("/posts/{post}/comments"), move |_| reply.clone());
    }
    let config = format!(
        "name: blog\nclient: {{base_url: {}, paginator: single_page}}\nlake: {{url: ./lake}}\nresources:\n  - {{name: posts, endpoint: {{path: posts, data_selector: data}}}}\n  - name: comments\n    endpoint: {{path: 'posts/{{resources.posts.id}}/comments', data_selector: data{rule}}}\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config);
    let ended = sandbox.run();
    (sandbox, ended)
}

#[test]
fn e_40_a_forbidden_child_is_skipped_by_rule_counted_and_listed_and_all_of_them_are_an_error() {
    let rule = ", response_actions: [{status_code: 403, action: skip, scope: parent}]";
    let (sandbox, ended) = children(&[2, 3], rule);
    let of = &ended.table("comments")["parent_records"];
    assert_eq!(of["skipped"], 2, "{ended}");
    assert!(
        of["skipped_first"][0].as_str().unwrap().contains("`endpoint.response_actions[0]` skips the parent's record"),
        "{of}"
    );
    assert_eq!(sandbox.rows("comments").len(), 2);
    let (sandbox, ended) = children(&[1, 2, 3, 4], rule);
    assert_eq!(ended.table("comments")["status"], "failed", "{ended}");
    assert!(sandbox.files("comments").is_empty());
    let (_, ended) = children(&[2], "");
    assert_eq!(ended.table("comments")["status"], "failed", "without a rule, a refusal is an error: {ended}");
}
