//! The API's own limits, as its answers tell them, and how many requests are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::fake_api::{FakeApi, Reply, ids};
use super::harness::*;
use crate::base::ErrorKind;
use crate::config::{PaginatorPlan, RateLimit};
use crate::source::SourceEvent;
use crate::source::event::WaitReason;

/// Four pages of ten records, the last one of nine; the first three answer with `left` requests remaining.
fn api(left: [&str; 3], headers: impl Fn(Reply, &str) -> Reply) -> FakeApi {
    let page = |number: u64| Reply::json(format!(r#"{{"data":{},"total":39}}"#, ids(number * 10..number * 10 + 10)));
    let replies = left.into_iter().zip(0..).map(|(left, number)| headers(page(number), left));
    replies.fold(FakeApi::start().rows("/orders", 39, 10), |api, reply| api.then("/orders", reply))
}

fn x_ratelimit(reply: Reply, left: &str) -> Reply {
    reply.header("x-ratelimit-limit", "100").header("x-ratelimit-remaining", left).header("x-ratelimit-reset", "60")
}

async fn check(api: FakeApi, why: &WaitReason, waits: &[u64]) {
    let outcome = Case::new(&api, offset(10, stop_rules())).with(|case| case.client.concurrency = 1).read().await;
    assert_eq!(outcome.ids, (0..39).collect::<Vec<_>>(), "{outcome:?}");
    assert_eq!(outcome.waits(), waits, "{outcome:?}");
    for event in &outcome.events {
        assert!(matches!(event, SourceEvent::Waiting { why: told, .. } if told == why), "{event:?}");
    }
}

#[tokio::test]
async fn e_06_the_last_requests_are_spread_before_none_is_left() {
    check(api(["50", "40", "30"], x_ratelimit), &WaitReason::Spread, &[]).await;
    check(api(["6", "5", "4"], x_ratelimit), &WaitReason::Spread, &[10, 10, 12]).await;
}

#[tokio::test]
async fn e_06_with_none_left_the_reset_is_waited_for() {
    check(api(["90", "0", "100"], x_ratelimit), &WaitReason::UsedUp, &[61]).await;
    let ietf = |reply: Reply, left: &str| {
        reply.header("ratelimit", &format!(r#""day";r={left};t=30"#)).header("ratelimit-policy", r#""day";q=100;w=86400"#)
    };
    check(api(["90", "0", "100"], ietf), &WaitReason::UsedUp, &[31]).await;
    let epoch = |reply: Reply, left: &str| {
        reply
            .header("x-rate-limit-remaining", left)
            .header("x-rate-limit-reset", "1609459220")
            .header("date", "Fri, 01 Jan 2021 00:00:00 GMT")
    };
    let api = api(["90", "0", "100"], epoch);
    let outcome = Case::new(&api, offset(10, stop_rules()));
    assert_eq!(outcome.with(|case| case.client.concurrency = 1).read().await.waits(), [21]);
}

#[tokio::test]
async fn e_10_a_budget_that_others_use_up_is_believed() {
    let limit = |case: &mut Case| {
        case.client.concurrency = 1;
        case.client.rate_limits = vec![RateLimit { requests: 1000, per: Duration::from_secs(1) }];
    };
    let api = api(["90", "0", "100"], x_ratelimit);
    let outcome = Case::new(&api, offset(10, stop_rules())).with(limit).read().await;
    assert_eq!(outcome.waits(), [61]);
}

#[tokio::test]
async fn e_04_a_reset_too_far_away_ends_the_run_and_says_what_a_rerun_does() {
    let far = |reply: Reply, left: &str| reply.header("x-ratelimit-remaining", left).header("x-ratelimit-reset", "3600");
    let api = api(["90", "0", "100"], far);
    let outcome = Case::new(&api, offset(10, stop_rules())).with(|case| case.client.concurrency = 1);
    let outcome = outcome.read().await;
    let message = "the API's limit of requests is used up, and it is to wait 3600s, more than the 600s of `max_wait`; it resets 2026-11-22 11:00:00 UTC";
    assert!(outcome.error().contains(message), "{}", outcome.error());
    let error = outcome.result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.hint().unwrap().contains("a rerun reads it from where the last published run left it"));
}

#[tokio::test]
async fn e_11_a_storm_of_429_ends_with_every_request_let_in_late_and_fewer_at_once() {
    let storm = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&storm);
    let api = FakeApi::start().on("/orders", move |request| {
        let offset = request.number("offset", 0);
        if offset >= 20 && seen.fetch_add(1, Ordering::SeqCst) < 4 {
            return Reply::status(429).header("retry-after", "30");
        }
        Reply::json(format!(r#"{{"data":{},"total":200}}"#, ids(offset..offset + 10)))
    });
    let outcome = Case::new(&api, offset(10, stop_rules())).read().await;
    assert_eq!(outcome.ids, (0..200).collect::<Vec<_>>(), "{outcome:?}");
    assert!(storm.load(Ordering::SeqCst) >= 4);
    assert!(!outcome.waits().is_empty() && outcome.waits().iter().all(|wait| *wait <= 32), "{:?}", outcome.waits());
    // Two of four, or fewer, after the storm; the pages behind it are enough to climb by one.
    assert!(outcome.allowed < 4, "{} at once", outcome.allowed);
}

#[tokio::test]
async fn e_07_throttles_in_other_clothes_are_waited_for() {
    let secondary = Reply::status(403).body(r#"{"message":"You have exceeded a secondary rate limit"}"#);
    let aws = Reply::status(400).body(r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#);
    for reply in [secondary, aws, Reply::status(420)] {
        let api = FakeApi::start().page("/orders", ids(0..3)).then("/orders", reply);
        let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
        assert_eq!((outcome.ids.len(), outcome.waits()), (3, vec![1]), "{outcome:?}");
    }
    let used_up = Reply::status(403).header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", "45");
    let api = FakeApi::start().page("/orders", ids(0..3)).then("/orders", used_up);
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
    assert_eq!(outcome.ids.len(), 3);
    assert_eq!(outcome.waits(), [46], "{outcome:?}");
}
