//! `response_actions`, its short forms, `graphql` and the Relay paginator: what they mean, and what is refused.

use super::*;
use crate::base::JsonPath;

fn rules_of(endpoint_keys: &str) -> Vec<Rule> {
    plan(&endpoint(endpoint_keys)).resources[0].endpoint.rules.clone()
}

/// Every rule as `key: conditions -> action`.
fn check_rules(rules: &[Rule], expected: &[&str]) {
    let shown: Vec<String> = rules
        .iter()
        .map(|Rule { when, action, key }| {
            let header = when.header.as_ref().map(|(name, test)| format!(" {name} {test:?}")).unwrap_or_default();
            let json = when.json.as_ref().map(|(path, test)| format!(" {path} {test:?}")).unwrap_or_default();
            let content = when.content.as_ref().map(|text| format!(" {text:?}")).unwrap_or_default();
            format!("{key}: {:?}{content}{header}{json} -> {action:?}", when.statuses)
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn dlts_response_actions_are_read_as_they_are() {
    let rules = rules_of(
        "response_actions: [{status_code: 404, action: ignore}, {content: \"Not found\", action: ignore}, {status_code: 200, content: x, action: ignore}]",
    );
    check_rules(
        &rules,
        &[
            "endpoint.response_actions[0]: [Exact(404)] -> Skip(Resource)",
            "endpoint.response_actions[1]: [] \"Not found\" -> Skip(Resource)",
            "endpoint.response_actions[2]: [Exact(200)] \"x\" -> Skip(Resource)",
        ],
    );
}

#[test]
fn a_status_as_text_means_the_number_it_spells() {
    check_rules(
        &rules_of("response_actions: [{status_code: '404', action: skip}, {status_code: [4xx, 503], action: retry}]"),
        &[
            "endpoint.response_actions[0]: [Exact(404)] -> Skip(Page)",
            "endpoint.response_actions[1]: [Class(4), Exact(503)] -> Retry",
        ],
    );
}

#[test]
fn our_conditions_and_actions_stand_in_the_same_list() {
    let rules = rules_of(
        "response_actions: [{header: {name: X-Left, equals: 0}, action: throttle, wait: 30s}, {json_path: error.code, matches: '^rate', action: fail, message: no}, {json_path: login, exists: false, action: refresh_auth}, {status_code: 403, action: skip, scope: resource}]",
    );
    check_rules(
        &rules,
        &[
            "endpoint.response_actions[0]: [] x-left Equals(Number(0)) -> Throttle { told_at: None, wait: Some(30s) }",
            "endpoint.response_actions[1]: [] $.error.code Matches(Regex(\"^rate\")) -> Fail { message: Some(\"no\") }",
            "endpoint.response_actions[2]: [] $.login Exists(false) -> RefreshAuth",
            "endpoint.response_actions[3]: [Exact(403)] -> Skip(Resource)",
        ],
    );
}

#[test]
fn short_forms_have_their_action_and_the_clients_rules_are_its_own() {
    let text = config(
        "fail_when: [{json_path: success, equals: false}]",
        "throttle_when: [{content: slow down, wait: 5}, {status_code: 403, wait_path: a.b, wait_unit: ms}]",
        "",
        "",
        "",
    );
    let plan = plan(&text);
    check_rules(&plan.client.rules, &["client.fail_when[0]: [] $.success Equals(Bool(false)) -> Fail { message: None }"]);
    let of_endpoint = &plan.resources[0].endpoint.rules;
    check_rules(
        of_endpoint,
        &[
            "endpoint.throttle_when[0]: [] \"slow down\" -> Throttle { told_at: None, wait: Some(5s) }",
            "endpoint.throttle_when[1]: [Exact(403)] -> Throttle { told_at: Some(ToldWait { path: JsonPath { steps: [Key(\"a\"), Key(\"b\")], document: None }, unit: Millis }), wait: None }",
        ],
    );
}

#[test]
fn python_functions_are_answered_with_what_to_write() {
    let instead = "needs Python and has no place in a config file; write conditions (`status_code`, `content`, `header`, `json_path`) and an action: `ignore`, `skip`, `retry`, `fail`, `throttle` or `refresh_auth`";
    check(
        &endpoint("response_actions: [my_handler]"),
        &[&format!("6:44: `resources[0].endpoint.response_actions[0]`: `my_handler` {instead}")],
    );
    check(
        &endpoint("response_actions: [{status_code: 200, action: hooks.handle}]"),
        &[
            "6:71: `resources[0].endpoint.response_actions[0].action`: `hooks.handle` needs Python and has no place in a config file; write `ignore`, `skip`, `retry`, `fail`, `throttle` or `refresh_auth`",
        ],
    );
}

#[test]
fn rules_that_cannot_work_are_refused() {
    let at = |rest: &str| format!("6:44: `resources[0].endpoint.response_actions[0]`: {rest}");
    check(
        &endpoint("response_actions: [{action: ignore}]"),
        &[&at("a rule without conditions would be about every answer; give `status_code`, `content`, `header` or `json_path`")],
    );
    check(
        &endpoint("response_actions: [{status_code: 404}]"),
        &[&at("`action` is missing: `ignore`, `skip`, `retry`, `fail`, `throttle` or `refresh_auth`")],
    );
    check(
        &endpoint("response_actions: [{status_code: 404, action: ignor}]"),
        &["6:71: `resources[0].endpoint.response_actions[0].action`: unknown action `ignor`; did you mean `ignore`?"],
    );
    check(
        &endpoint("response_actions: [{status_code: notfound, action: ignore}]"),
        &[
            "6:58: `resources[0].endpoint.response_actions[0].status_code`: expected a status such as 404, or a class such as \"4xx\", found the text `notfound`",
        ],
    );
    check(
        &endpoint("response_actions: [{status_code: 404, action: retry, wait: 3s}]"),
        &["6:84: `resources[0].endpoint.response_actions[0].wait`: `wait` goes with `action: throttle` only"],
    );
    check(
        &endpoint("response_actions: [{status_code: 404, action: retry, wait_path: a}]"),
        &["6:89: `resources[0].endpoint.response_actions[0].wait_path`: `wait_path` goes with `action: throttle` only"],
    );
    check(
        &endpoint("throttle_when: [{status_code: 404, wait_unit: ms}]"),
        &[
            "6:71: `resources[0].endpoint.throttle_when[0].wait_unit`: `wait_unit` is about the number at `wait_path`, which is missing; a `wait` has its unit: `1500ms`",
        ],
    );
    check(
        &endpoint("throttle_when: [{status_code: 404, wait_path: a, wait_unit: sec}]"),
        &["6:85: `resources[0].endpoint.throttle_when[0].wait_unit`: unknown unit `sec`; expected one of `s`, `ms`"],
    );
    check(
        &endpoint("fail_when: [{json_path: a, matches: '('}]"),
        &["6:61: `resources[0].endpoint.fail_when[0].matches`: not a regular expression: unclosed group"],
    );
    check(
        &endpoint("fail_when: [{json_path: a, equals: 1, contains: b}]"),
        &[
            "6:73: `resources[0].endpoint.fail_when[0].contains`: one of `equals`, `contains`, `matches` and `exists` is enough; write a second rule for another",
        ],
    );
    check(
        &resource("response_actions: []"),
        &[
            "7:5: `resources[0].response_actions`: `response_actions` does not stand here; write it as `endpoint.response_actions`",
        ],
    );
}

#[test]
fn relay_is_a_cursor_in_the_body_with_a_flag() {
    let plan = plan(&endpoint(
        "method: POST, json: {query: q}, graphql: {partial: allow}, paginator: {type: relay, path: data.orders.pageInfo}",
    ));
    let endpoint = &plan.resources[0].endpoint;
    assert_eq!(endpoint.graphql, Some(PartialData::Allow));
    let expected = PaginatorPlan::Cursor {
        cursor_path: JsonPath::parse("data.orders.pageInfo.endCursor").unwrap(),
        cursor_slot: Slot::Body(vec!["variables".into(), "after".into()]),
        stop: StopRules {
            has_more_path: Some(JsonPath::parse("data.orders.pageInfo.hasNextPage").unwrap()),
            ..StopRules::default()
        },
    };
    assert_eq!(endpoint.paginator, expected);
    check(
        &super::endpoint("paginator: relay"),
        &[
            "6:36: `resources[0].endpoint.paginator`: `path` is missing: the JSON path of `pageInfo`, such as `data.orders.pageInfo`",
        ],
    );
}

/// A config with a parent `posts` and a child `comments`, with these keys of the client, the defaults, and the endpoints of both.
fn family(client: &str, defaults: &str, parent: &str, child: &str) -> String {
    format!(
        "name: n\nlake: {{url: ./lake}}\nclient: {{base_url: \"http://a.test/v1/\", {client}}}\nresource_defaults: {{{defaults}}}\nresources:\n  - name: posts\n    endpoint: {{{parent}}}\n  - name: comments\n    endpoint: {{path: \"{child}\"}}\n"
    )
}

#[test]
fn a_parents_record_can_be_skipped_only_where_there_is_a_parent() {
    let rule = "response_actions: [{status_code: 403, action: skip, scope: parent}]";
    let why = "`scope: parent` is about the parent's record that a child is requested for, and there is no parent here; write `scope: resource`, or `page`";
    let child = "posts/{resources.posts.id}/comments";
    check(&family("", "", rule, child), &[&format!("7:75: `resources[0].endpoint.response_actions[0].scope`: {why}")]);
    // What is said for all may be meant for the children among them.
    plan(&family(rule, "", "", child));
    plan(&family("", &format!("endpoint: {{{rule}}}"), "", child));
    check(&family(rule, "", "", "comments"), &[&format!("3:100: `client.response_actions[0].scope`: {why}")]);
    let defaults = family("", &format!("endpoint: {{{rule}}}"), "", "comments");
    check(&defaults, &[&format!("4:91: `resource_defaults.endpoint.response_actions[0].scope`: {why}")]);
}
