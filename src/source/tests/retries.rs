//! Statuses, waits, limits, cancellation.

use std::net::SocketAddr;
use std::time::Duration;

use super::fake_api::{FakeApi, Reply, ids};
use super::harness::*;
use crate::base::{ErrorKind, Secret};
use crate::config::{AuthPlan, PaginatorPlan, RateLimit};
use crate::source::SourceEvent;
use crate::source::attempt::no_answer;
use crate::source::event::WaitReason;
use crate::source::http::builder;
use crate::source::transport::{Kind, TransportError};

fn api() -> FakeApi {
    FakeApi::start().page("/orders", ids(0..3))
}

async fn check(api: FakeApi, requests: u64, waits: &[u64]) {
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    assert_eq!(outcome.waits(), waits);
    assert_eq!(outcome.end().requests, requests);
    assert_eq!(api.requests().len() as u64, requests);
}

async fn check_error(api: FakeApi, kind: ErrorKind, requests: usize, message: &str) {
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
    let text = outcome.error().replace(&api.url(), "http://api");
    assert!(text.starts_with(message), "{text}\n{message}");
    assert_eq!(outcome.result.unwrap_err().kind(), kind, "{text}");
    assert_eq!(api.requests().len(), requests);
    assert!(!text.contains("sesame"), "{text}");
}

#[tokio::test]
async fn e_01_retry_after_is_kept_and_uses_up_no_retry() {
    let wait = || Reply::status(429).header("retry-after", "30");
    let patient = (0..5).fold(api(), |api, _| api.then("/orders", wait()));
    check(patient, 6, &[31, 31, 31, 31, 31]).await;
}

#[tokio::test]
async fn e_02_retry_after_as_a_date_counts_from_the_servers_date() {
    let wait =
        Reply::status(429).header("retry-after", "Fri, 01 Jan 2021 00:00:40 GMT").header("date", "Fri, 01 Jan 2021 00:00:00 GMT");
    check(api().then("/orders", wait), 2, &[41]).await;
}

#[tokio::test]
async fn e_03_a_429_without_a_wait_backs_off() {
    check(api().then("/orders", Reply::status(429)).then("/orders", Reply::status(429)), 3, &[1, 2]).await;
}

#[tokio::test]
async fn e_04_an_absurd_wait_ends_the_run_and_says_when_to_come_again() {
    let api = api().then("/orders", Reply::status(429).header("retry-after", "86400"));
    let message = "`orders`, page 1, `http://api/orders`: answered 429 and asks to wait 86400s, more than the 600s of `max_wait`; \
                   it resets 2026-11-23 10:00:00 UTC";
    check_error(api, ErrorKind::Unavailable, 1, message).await;
}

#[tokio::test]
async fn e_05_useless_waits_count_as_none_and_the_longest_counts() {
    let useless = Reply::status(429).header("retry-after", "0").with_header("retry-after", "soon");
    let several = Reply::status(429).header("retry-after", "20").with_header("retry-after", "30");
    check(api().then("/orders", useless).then("/orders", several), 3, &[1, 31]).await;
}

#[tokio::test]
async fn e_07_a_403_with_a_wait_is_a_throttle() {
    check(api().then("/orders", Reply::status(403).header("retry-after", "10")), 2, &[11]).await;
}

#[tokio::test]
async fn e_09_the_configured_rate_is_kept() {
    let api = FakeApi::start().rows("/orders", 50, 10);
    let limit = |case: &mut Case| case.client.rate_limits = vec![RateLimit { requests: 2, per: Duration::from_secs(1) }];
    let outcome = Case::new(&api, offset(10, stop_rules())).with(limit).read().await;
    assert_eq!(outcome.ids, (0..50).collect::<Vec<_>>());
    assert!(outcome.events.iter().all(|event| matches!(event, SourceEvent::Waiting { why: WaitReason::RateLimit, .. })));
    assert!(!outcome.events.is_empty());
}

#[tokio::test]
async fn e_20_server_errors_are_tried_again_three_times() {
    let flaky = |statuses: &[u16]| statuses.iter().fold(api(), |api, status| api.then("/orders", Reply::status(*status)));
    check(flaky(&[500, 502, 504]), 4, &[1, 2, 4]).await;
    check(flaky(&[503]), 2, &[1]).await;
    check(flaky(&[408, 425, 520]), 4, &[1, 2, 4]).await;
    let message = "`orders`, page 1, `http://api/orders`: answered 503 at attempt 4, and no attempt is left, saying `{\"message\":\"status 503\"}`";
    check_error(flaky(&[503; 4]), ErrorKind::Unavailable, 4, message).await;
}

fn patient(case: &mut Case) {
    case.client.retry.max_retries = None;
}

#[tokio::test]
async fn e_20_an_api_that_is_down_is_waited_for_until_max_wait_is_spent_and_others_do_not_wait_as_long_again() {
    // Chance is at its greatest here: 1, 2, 4, 8, 16 and 32 seconds, eight minutes of a minute each, and what is left.
    let waits = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60, 60, 57];
    let down = || FakeApi::start().on("/orders", |_| Reply::status(503));
    let api = down();
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(patient).read().await;
    assert_eq!((outcome.waits(), api.requests().len()), (waits.to_vec(), waits.len() + 1), "{outcome:?}");
    assert!(
        outcome.error().contains("answered 503 at attempt 16 in 10 min of waits, and no attempt is left"),
        "{}",
        outcome.error()
    );
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Unavailable);
    let gone = FakeApi::start().url();
    let outcome = Case::at(&gone, PaginatorPlan::SinglePage).with(patient).read().await;
    assert!(outcome.error().contains("refuses connections (attempt 16 in 10 min of waits, the last)"), "{}", outcome.error());
    let back = (0..12).fold(self::api(), |api, _| api.then("/orders", Reply::status(503)));
    let outcome = Case::new(&back, PaginatorPlan::SinglePage).with(patient).read().await;
    assert_eq!((outcome.ids, back.requests().len()), (vec![0, 1, 2], 13));
    // Whoever only looks at the first pages is told within seconds.
    let api = down();
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(patient).with(|case| case.bounds.pages_max = 2).read().await;
    assert_eq!(outcome.waits(), [1, 2, 4], "{outcome:?}");
    // So are the requests behind one that has waited in vain.
    let api = down();
    let reads = Case::new(&api, PaginatorPlan::SinglePage).with(patient).read_twice().await;
    assert_eq!(reads.map(|outcome| outcome.waits().len()), [waits.len(), 3]);
}

#[tokio::test]
async fn e_20_what_is_asked_for_only_to_be_sure_holds_nobody_up() {
    let api = FakeApi::start().on("/orders", |request| match request.number("page", 1) {
        1 => Reply::json(format!(r#"{{"data":{}}}"#, ids(0..100))),
        _ => Reply::status(500),
    });
    let outcome = Case::new(&api, PaginatorPlan::Undeclared).with(patient).read().await;
    assert!(outcome.waits().len() <= 3, "{outcome:?}");
}

#[tokio::test]
async fn e_21_other_statuses_are_not_tried_again() {
    let one = |status| api().then("/orders", Reply::status(status));
    check_error(one(501), ErrorKind::Unavailable, 1, "`orders`, page 1, `http://api/orders`: answered 501 at attempt 1").await;
    check_error(one(422), ErrorKind::Data, 1, "`orders`, page 1, `http://api/orders`: answered 422, saying").await;
    check_error(one(404), ErrorKind::Data, 1, "`orders`, page 1, `http://api/orders`: answered 404, saying").await;
    check_error(one(505), ErrorKind::Unavailable, 1, "`orders`, page 1, `http://api/orders`: answered 505 at attempt 1").await;
    for status in [401, 403] {
        let message = format!("`orders`, page 1, `http://api/orders`: credentials refused with {status}, saying");
        check_error(one(status), ErrorKind::Credentials, 1, &message).await;
    }
}

#[tokio::test]
async fn e_22_a_refused_connection_is_told_in_plain_words() {
    let url = FakeApi::start().url();
    let outcome = Case::at(&url, PaginatorPlan::SinglePage).read().await;
    let text = outcome.error();
    assert!(text.contains("refuses connections (attempt 4, the last)"), "{text}");
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(!text.contains("sesame"), "{text}");
}

#[tokio::test]
async fn e_27_silence_ends_in_a_timeout() {
    let api = FakeApi::start().on("/orders", |_| Reply::hang());
    let silence = |case: &mut Case| case.client.read_timeout = Duration::from_millis(30);
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(silence).read().await;
    assert!(outcome.error().contains("is silent for 30ms (attempt 4, the last)"), "{}", outcome.error());
    // The last one may still be on its way: on a busy machine, the server is later than the timeout.
    assert!(api.requests().len() <= 4);
}

#[tokio::test]
async fn e_27_a_page_that_drips_for_ever_ends_in_a_timeout() {
    let api = FakeApi::start().on("/orders", |_| Reply::json(ids(0..1000)).drip(1, Duration::from_millis(5)));
    let short = |case: &mut Case| {
        case.client.page_timeout = Duration::from_millis(60);
        case.client.retry.max_retries = Some(0);
    };
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(short).read().await;
    // On a busy machine, not even the head comes in time.
    let error = outcome.error();
    assert!(error.contains("the answer broke off after") || error.contains("takes too long for one page"), "{error}");
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn e_27_a_slow_page_is_waited_for() {
    let slow = Reply::json(ids(0..3)).drip(5, Duration::from_millis(2)).delay(Duration::from_millis(5));
    check(api().then("/orders", slow), 1, &[]).await;
}

#[tokio::test]
async fn e_28_a_connection_that_the_server_closed_costs_no_retry() {
    let api =
        FakeApi::start().rows("/orders", 30, 10).then("/orders", Reply::json(format!(r#"{{"data":{}}}"#, ids(0..10))).close());
    let outcome = Case::new(&api, offset(10, stop_rules())).with(|case| case.client.concurrency = 1).read().await;
    assert_eq!(outcome.ids, (0..30).collect::<Vec<_>>(), "{outcome:?}");
    assert_eq!(outcome.waits(), [0; 0]);
}

#[tokio::test]
async fn a_wait_holds_back_all_requests_of_the_client() {
    let api = FakeApi::start().rows("/orders", 40, 10);
    let page = Reply::json(format!(r#"{{"data":{},"total":40}}"#, ids(0..10)));
    let api = api.then("/orders", page).then("/orders", Reply::status(429).header("retry-after", "30"));
    let outcome = Case::new(&api, offset(10, stop_rules())).with(|case| case.client.concurrency = 2).read().await;
    assert_eq!(outcome.ids, (0..40).collect::<Vec<_>>());
    assert!(outcome.waits().iter().all(|wait| *wait <= 31), "{:?}", outcome.waits());
}

#[tokio::test]
async fn reasons_are_shown_without_secrets() {
    let api = FakeApi::start().then("/orders", Reply::status(401).body("no such key: sesame/1 or sesame%2F1, Bearer tok-123"));
    let tokens = |case: &mut Case| {
        case.client.headers.push(("X-Other".to_owned(), Secret::new("Bearer tok-123")));
        case.resource.endpoint.auth = Some(AuthPlan::Bearer { token: Secret::new("tok-123"), hosts: vec![] });
    };
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(tokens).read().await;
    assert!(outcome.error().ends_with("saying `no such key: *** or ***, ***`"), "{}", outcome.error());
}

#[tokio::test]
async fn cancelling_ends_a_wait_and_a_request_at_once_and_is_no_normal_end() {
    for reply in [Reply::status(503), Reply::hang()] {
        let api = FakeApi::start().on("/orders", move |_| reply.clone());
        let case = Case::new(&api, PaginatorPlan::SinglePage).with(|case| case.clock.stands_still = true);
        let cancel = case.cancel.clone();
        let api = &api;
        let cancelling = async move {
            while api.requests().is_empty() {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        let (outcome, ()) = tokio::join!(case.read(), cancelling);
        assert_eq!(outcome.error(), "`orders`: cancelled");
        assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
}

#[tokio::test]
async fn e_100_the_servers_time_of_the_first_answer_is_known_and_a_wrong_clock_is_told_once() {
    let page = |at: &str| Reply::json(format!(r#"{{"data":{},"total":20}}"#, ids(0..10))).header("date", at);
    let api = FakeApi::start().rows("/orders", 20, 10).then("/orders", page("Sun, 22 Nov 2026 09:00:00 GMT"));
    let outcome = Case::new(&api, offset(10, stop_rules())).with(|case| case.client.concurrency = 1).read().await;
    assert_eq!(outcome.end().server_time, Some("2026-11-22T09:00:00Z".parse().unwrap()));
    assert_eq!(outcome.warnings().len(), 1, "{:?}", outcome.events);
    assert!(outcome.warnings()[0].starts_with("this machine's clock is 3600 s ahead of the API's"));
    let silent = Case::new(&FakeApi::start().page("/orders", ids(0..3)), PaginatorPlan::SinglePage).read().await;
    assert_eq!((silent.end().server_time, silent.warnings().len()), (None, 0));
}

#[tokio::test]
async fn e_28_a_connection_lost_before_a_byte_came_is_tried_again_once_for_free() {
    let api = api().then("/orders", Reply::reset());
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
    assert_eq!((outcome.ids.len(), outcome.waits()), (3, vec![]), "{outcome:?}");
    assert_eq!(outcome.end().requests, 2);
}

#[tokio::test]
async fn e_32_a_host_whose_first_address_is_dead_is_reached_by_its_second() {
    let api = api();
    let live: SocketAddr = api.host().parse().unwrap();
    // Nobody listens there.
    let dead = SocketAddr::from(([127, 0, 0, 2], live.port()));
    let plan = Case::new(&api, PaginatorPlan::SinglePage).client;
    let get = async |addresses: &[SocketAddr]| {
        let http = builder(&plan).tls_certs_only([]).resolve_to_addrs("api.test", addresses).build().unwrap();
        http.get(format!("http://api.test:{}/orders", live.port())).send().await
    };
    assert_eq!(get(&[dead, live]).await.unwrap().status(), 200);
    assert!(get(&[dead]).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn e_32_a_name_that_is_looked_up_for_ever_ends_in_the_timeout_of_connecting() {
    struct Never;
    impl reqwest::dns::Resolve for Never {
        fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
            Box::pin(std::future::pending())
        }
    }
    let mut plan = Case::at("http://api.test", PaginatorPlan::SinglePage).client;
    plan.connect_timeout = Duration::from_millis(50);
    let http = builder(&plan).tls_certs_only([]).no_proxy().dns_resolver(Never).build().unwrap();
    let error = TransportError::from(http.get("http://api.test/orders").send().await.unwrap_err());
    assert_eq!(error.kind(), Kind::ConnectTimeout, "{error:?}");
    assert_eq!(no_answer("api.test", false, &error, &plan), "no connection to `api.test` within 50ms");
}

#[tokio::test]
async fn e_33_a_post_that_reads_is_tried_again_with_the_same_body() {
    let api = api().then("/orders", Reply::status(503));
    let post = |case: &mut Case| {
        case.resource.endpoint.method = crate::config::Method::Post;
        case.request.json = Some(serde_json::json!({"query": "all"}));
    };
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(post).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    let bodies: Vec<String> = api.requests().iter().map(|request| format!("{} {}", request.method, request.body)).collect();
    assert_eq!(bodies, [r#"POST {"query":"all"}"#; 2]);
}

#[tokio::test]
async fn e_56_a_304_that_nobody_asked_for_is_an_error() {
    let api = api().then("/orders", Reply::status(304));
    check_error(api, ErrorKind::Data, 1, "`orders`, page 1, `http://api/orders`: answered 304").await;
}
