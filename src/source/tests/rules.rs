//! Rules on answers, and answers that are errors in spite of their status.

use std::time::Duration;

use super::fake_api::{FakeApi, Reply, ids};
use super::harness::*;
use crate::base::ErrorKind;
use crate::config::{
    Conditions, ExpectTotal, PaginatorPlan, PartialData, Rule, RuleAction, Scope, StatusMatch, Test, ToldWait, WaitUnit,
};
use crate::source::{EndReason, SourceError};

fn rule(action: RuleAction, when: Conditions) -> Rule {
    Rule { when, action, key: "endpoint.response_actions[0]".to_owned() }
}

fn status(status: u16) -> Conditions {
    Conditions { statuses: vec![StatusMatch::Exact(status)], ..Conditions::default() }
}

fn value(at: &str, test: Test) -> Conditions {
    Conditions { json: Some((path(at), test)), ..Conditions::default() }
}

fn case(api: &FakeApi, paginator: PaginatorPlan, rule: Rule) -> Case {
    Case::new(api, paginator).with(|case| {
        case.client.concurrency = 1;
        case.resource.endpoint.rules.push(rule);
    })
}

/// Pages 0 to 3 by number, ten records each; the one with `odd` answers otherwise.
fn pages(odd: u64, reply: Reply) -> FakeApi {
    FakeApi::start().on("/orders", move |request| match request.number("page", 0) {
        page if page == odd => reply.clone(),
        page @ 0..4 => Reply::json(format!(r#"{{"data":{}}}"#, ids(page * 10..page * 10 + 10))),
        _ => Reply::json(r#"{"data":[]}"#),
    })
}

#[tokio::test]
async fn an_ignored_answer_ends_the_resource_there_as_in_dlt_and_is_counted() {
    let api = pages(2, Reply::status(404));
    let ignore = rule(RuleAction::Skip(Scope::Resource), status(404));
    let outcome = case(&api, page_number(0, without_total()), ignore).read().await;
    assert_eq!(outcome.ids, (0..20).collect::<Vec<_>>());
    assert_eq!((outcome.end().reason, outcome.end().pages, outcome.end().ignored), (EndReason::Ignored, 2, 1));
    assert_eq!(outcome.warnings(), ["page 3 was answered with 404: `endpoint.response_actions[0]` ends the resource there"]);
}

#[tokio::test]
async fn a_rule_on_a_retried_status_comes_before_the_retry() {
    let api = pages(0, Reply::status(503));
    let ignore = rule(RuleAction::Skip(Scope::Resource), status(503));
    let outcome = case(&api, page_number(0, without_total()), ignore).read().await;
    assert_eq!((outcome.end().reason, outcome.end().records, outcome.end().requests), (EndReason::Ignored, 0, 1));
}

#[tokio::test]
async fn a_skipped_page_is_passed_over_where_the_paginator_can_go_on() {
    let api = pages(2, Reply::status(404));
    let skip = || rule(RuleAction::Skip(Scope::Page), status(404));
    let outcome = case(&api, page_number(0, without_total()), skip()).read().await;
    assert_eq!(outcome.ids, (0..20).chain(30..40).collect::<Vec<_>>());
    assert_eq!((outcome.end().reason, outcome.end().ignored), (EndReason::EmptyPage, 1));
    let api = FakeApi::start()
        .then("/orders", Reply::json(format!(r#"{{"data":{},"next":"b"}}"#, ids(0..3))))
        .then("/orders", Reply::status(404));
    let outcome = case(&api, cursor(), skip()).read().await;
    assert_eq!((outcome.ids.len(), outcome.end().reason), (3, EndReason::Ignored));
}

#[tokio::test]
async fn a_total_is_a_bound_where_a_page_was_skipped_whose_records_nobody_counted() {
    let api = |total: u64| {
        FakeApi::start().on("/orders", move |request| match request.number("offset", 0) {
            10 => Reply::status(404),
            offset => Reply::json(format!(r#"{{"data":{},"total":{total}}}"#, ids(offset.min(40)..(offset + 10).min(40)))),
        })
    };
    let skip = || rule(RuleAction::Skip(Scope::Page), status(404));
    let declared = |case: &mut Case| case.resource.expect.total = ExpectTotal::At(path("total"));
    for paginator in [offset(10, stop_rules()), offset(10, without_total())] {
        let outcome = case(&api(40), paginator, skip()).with(declared).read().await;
        assert_eq!(outcome.ids, (0..10).chain(20..40).collect::<Vec<_>>(), "{outcome:?}");
        assert_eq!(outcome.end().ignored, 1);
    }
    // More than there is in all, even without the page that was skipped.
    let outcome = case(&api(29), offset(10, without_total()), skip()).with(declared).read().await;
    assert!(outcome.error().contains("ended after 30 records, but the API's total is 29"), "{}", outcome.error());
}

#[tokio::test]
async fn pages_that_are_skipped_without_end_are_an_error() {
    let api = FakeApi::start().on("/orders", |request| match request.number("page", 0) {
        page @ 0..2 => Reply::json(format!(r#"{{"data":{}}}"#, ids(page * 10..page * 10 + 10))),
        _ => Reply::status(404),
    });
    let skip = rule(RuleAction::Skip(Scope::Page), status(404));
    let outcome = case(&api, page_number(0, without_total()), skip).read().await;
    assert!(outcome.error().contains("6 pages in a row have no records"), "{}", outcome.error());
}

#[tokio::test]
async fn e_40_a_forbidden_child_is_told_to_whoever_asked_for_it() {
    for refused in [403, 404] {
        let api = FakeApi::start().on("/orders", move |_| Reply::status(refused));
        let skip =
            rule(RuleAction::Skip(Scope::Parent), Conditions { statuses: vec![StatusMatch::Class(4)], ..Conditions::default() });
        let outcome = case(&api, PaginatorPlan::SinglePage, skip).read().await;
        let error = outcome.result.unwrap_err();
        assert!(matches!(error, SourceError::ParentSkipped { status, .. } if status == refused), "{error}");
        assert_eq!(api.requests().len(), 1);
    }
}

#[tokio::test]
async fn e_07_a_throttle_that_only_a_rule_knows_is_waited_for() {
    let limited = || Reply::json(r#"{"error":"rate_limited"}"#);
    let api = FakeApi::start().page("/orders", ids(0..3)).then("/orders", limited()).then("/orders", limited());
    let throttle = RuleAction::Throttle { told_at: None, wait: Some(Duration::from_secs(20)) };
    let throttle = rule(throttle, value("error", Test::Equals("rate_limited".into())));
    let outcome = case(&api, PaginatorPlan::SinglePage, throttle).read().await;
    assert_eq!((outcome.ids.len(), outcome.waits()), (3, vec![21, 21]), "{outcome:?}");
}

#[tokio::test]
async fn e_07_a_wait_in_the_body_or_in_milliseconds_is_waited_for_before_what_the_config_says() {
    let telegram = r#"{"ok":false,"error_code":429,"parameters":{"retry_after":7}}"#;
    let azure = Reply::status(429).header("x-ms-retry-after-ms", "4000");
    for (reply, waits) in [(Reply::status(429).body(telegram), vec![7]), (azure, vec![4])] {
        let api = FakeApi::start().page("/orders", ids(0..3)).then("/orders", reply);
        let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
        assert_eq!((outcome.ids.len(), outcome.waits()), (3, waits), "{outcome:?}");
    }
    // Where a rule says so, and not under a name that is usual.
    let limited = || Reply::json(r#"{"error":"slow down","again":{"in":30000},"retry_after":1}"#);
    let api = FakeApi::start().page("/orders", ids(0..3)).then("/orders", limited());
    let told_at = Some(ToldWait { path: path("again.in"), unit: WaitUnit::Millis });
    let throttle = RuleAction::Throttle { told_at, wait: Some(Duration::from_secs(90)) };
    let rule = rule(throttle, value("error", Test::Exists(true)));
    let outcome = case(&api, PaginatorPlan::SinglePage, rule).read().await;
    assert_eq!((outcome.ids.len(), outcome.waits()), (3, vec![31]), "{outcome:?}");
}

#[tokio::test]
async fn a_rule_that_always_asks_for_another_attempt_ends_with_the_retries() {
    let api = FakeApi::start().page("/orders", r#"{"state":"pending"}"#);
    let retry = rule(RuleAction::Retry, value("state", Test::Contains("pend".to_owned())));
    let outcome = case(&api, PaginatorPlan::SinglePage, retry).read().await;
    let message = "answered 200, `endpoint.response_actions[0]` says to try again, and no attempt is left after 4, saying `{\"state\":\"pending\"}`";
    assert!(outcome.error().ends_with(message), "{}", outcome.error());
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn e_42_an_error_in_a_200_fails_where_a_rule_says_so_and_shows_no_secret() {
    let api = FakeApi::start().page("/orders", r#"{"success":false,"reason":"no rights for key sesame/1"}"#);
    let fail = RuleAction::Fail { message: Some("not allowed".to_owned()) };
    let outcome = case(&api, PaginatorPlan::SinglePage, rule(fail, value("success", Test::Equals(false.into())))).read().await;
    let error = outcome.error();
    assert!(error.contains("answered 200, which `endpoint.response_actions[0]` takes for an error: not allowed"), "{error}");
    assert!(error.contains("no rights for key ***") && !error.contains("sesame"), "{error}");
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
}

#[tokio::test]
async fn the_endpoints_rules_come_before_the_clients() {
    let api = pages(0, Reply::status(404));
    let fail = rule(RuleAction::Fail { message: None }, status(404));
    let case = case(&api, PaginatorPlan::SinglePage, rule(RuleAction::Skip(Scope::Resource), status(404)));
    let outcome = case.with(|case| case.client.rules.push(fail)).read().await;
    assert_eq!(outcome.end().reason, EndReason::Ignored);
}

async fn graphql(partial: PartialData, bodies: &[&str]) -> Outcome {
    let api = bodies.iter().fold(FakeApi::start(), |api, body| api.then("/orders", Reply::json(*body)));
    Case::new(&api, PaginatorPlan::SinglePage).with(|case| case.resource.endpoint.graphql = Some(partial)).read().await
}

#[tokio::test]
async fn e_08_a_graphql_throttle_waits_until_the_bucket_holds_the_cost() {
    let throttled = r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],
        "extensions":{"cost":{"requestedQueryCost":600,"throttleStatus":{"currentlyAvailable":100,"restoreRate":50}}}}"#;
    let outcome = graphql(PartialData::Fail, &[throttled, r#"{"data":[{"id":1}]}"#]).await;
    assert_eq!((outcome.ids.clone(), outcome.waits()), (vec![1], vec![11]), "{outcome:?}");
}

#[tokio::test]
async fn e_43_graphql_errors_fail_unless_partial_data_is_allowed() {
    let partial = r#"{"data":[{"id":1}],"errors":[{"message":"no owner for sesame/1","path":["data",0,"owner"]}]}"#;
    let outcome = graphql(PartialData::Fail, &[partial]).await;
    assert!(outcome.error().ends_with("answered with 1 GraphQL error, saying `no owner for ***`"), "{}", outcome.error());
    let outcome = graphql(PartialData::Allow, &[partial]).await;
    assert_eq!(outcome.ids, [1]);
    let warning = "GraphQL gave 1 error beside its data, which counts all the same: 1 at `data.*.owner`";
    assert_eq!(outcome.warnings(), [warning]);
    let outcome = graphql(PartialData::Allow, &[r#"{"data":null,"errors":[{"message":"down"}]}"#]).await;
    assert!(outcome.error().ends_with("answered with 1 GraphQL error, saying `down`"), "{}", outcome.error());
}
