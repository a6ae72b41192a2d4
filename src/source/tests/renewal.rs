//! Tokens that end: renewed before that, when the API refuses them, and never more than once for one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::auth::{case, client_credentials, issuing, jwt, login, to_path, verified};
use super::fake_api::{FakeApi, Reply, Request, ids};
use super::harness::*;
use crate::base::ErrorKind;
use crate::config::*;
use crate::source::{Chain, Source, SourceError, wanted_paths};

/// The number of the token in a request, 0 without one.
fn number(request: &Request) -> u64 {
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer tok-"));
    token.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// 50 records, 10 a page, for whoever has a token that `good` accepts; else `refusal`.
fn records(api: FakeApi, good: impl Fn(u64) -> bool + Send + Sync + 'static, refusal: Reply) -> FakeApi {
    api.on("/orders", move |request| {
        if !good(number(request)) {
            return refusal.clone();
        }
        let offset = request.number("offset", 0);
        Reply::json(format!(r#"{{"data":{},"total":50}}"#, ids(offset.min(50)..(offset + 10).min(50))))
    })
}

fn paged(api: &FakeApi, plan: TokenPlan) -> Case {
    case(api, plan).with(|case| case.resource.endpoint.paginator = offset(10, stop_rules()))
}

fn check_whole(outcome: &Outcome) {
    assert_eq!(outcome.ids, (0..50).collect::<Vec<u64>>(), "{outcome:?}");
}

#[tokio::test]
async fn e_35_one_token_serves_all_requests_of_all_resources_with_the_same_auth() {
    let auth = issuing(FakeApi::start(), "");
    let api = records(FakeApi::start(), |number| number == 1, Reply::status(401));
    let Case { client, resource, request, bounds, clock, .. } = paged(&api, client_credentials(&auth));
    let mut other = resource.clone();
    other.name = "other".to_owned();
    other.endpoint.auth.clone_from(&client.auth);
    let source = Source::bounded(&client, Arc::new(clock), Default::default(), Arc::new(|_| ()), bounds).unwrap();
    let wanted = wanted_paths(&resource.endpoint.paginator, &resource.expect);
    let chain = Chain::new(request, Arc::default(), 4);
    let (mut first, mut second) = (TestReader::new(&wanted), TestReader::new(&wanted));
    let (one, two) = tokio::join!(source.read(&resource, chain.clone(), &mut first), source.read(&other, chain, &mut second),);
    assert_eq!((one.unwrap().unwrap().records, two.unwrap().unwrap().records), (50, 50));
    assert_eq!((first.ids.len(), second.ids.len()), (50, 50));
    assert_eq!(auth.requests().len(), 1);
}

#[tokio::test]
async fn e_35_a_token_is_renewed_before_it_ends() {
    let auth = issuing(FakeApi::start(), r#","expires_in":100"#);
    // A wait of 90 s passes in the middle: 85 % of the token's life.
    let page = Reply::json(format!(r#"{{"data":{},"total":50}}"#, ids(0..10)));
    let api = records(FakeApi::start(), |number| number > 0, Reply::status(401))
        .then("/orders", page)
        .then("/orders", Reply::status(429).header("retry-after", "90"));
    let outcome = paged(&api, client_credentials(&auth)).with(|case| case.client.concurrency = 1).read().await;
    check_whole(&outcome);
    assert_eq!(auth.requests().len(), 2);
    let used: Vec<u64> = api.requests().iter().map(number).collect();
    assert_eq!(used[..2], [1, 1]);
    assert!(used[2..].iter().all(|number| *number == 2), "{used:?}");
}

#[tokio::test]
async fn e_35_a_token_that_expires_on_the_way_is_renewed_once_for_all() {
    let auth = issuing(FakeApi::start(), "");
    let served = AtomicU64::new(0);
    let good = move |number| number >= 2 || number == 1 && served.fetch_add(1, Ordering::SeqCst) < 2;
    let api = records(FakeApi::start(), good, Reply::status(401).body("expired"));
    let outcome = paged(&api, client_credentials(&auth)).read().await;
    check_whole(&outcome);
    assert_eq!(auth.requests().len(), 2);
    assert_eq!(outcome.waits(), [0; 0]);
}

#[tokio::test]
async fn e_35_a_second_401_ends_with_the_age_of_the_token_and_the_reason() {
    let auth = issuing(FakeApi::start(), "");
    let api = records(FakeApi::start(), |_| false, Reply::status(401).body(r#"{"error":"tok-1 or tok-2 lacks a right"}"#));
    let outcome = paged(&api, client_credentials(&auth)).with(|case| case.client.concurrency = 1).read().await;
    let text = outcome.error();
    let expected = "refused with 401 also under a token obtained 0 s before, saying `{\"error\":\"*** or *** lacks a right\"}`";
    assert!(text.ends_with(expected), "{text}");
    let error = outcome.result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.hint().is_some());
    assert_eq!(auth.requests().len(), 2);
}

/// A rule that skips the parent's record on this status.
fn skip(status: u16) -> Rule {
    let when = Conditions { statuses: vec![StatusMatch::Exact(status)], ..Conditions::default() };
    Rule { when, action: RuleAction::Skip(Scope::Parent), key: "endpoint.response_actions[0]".to_owned() }
}

#[tokio::test]
async fn e_35_a_rule_on_401_is_asked_when_the_renewed_token_is_refused_too() {
    let ruled = |api: &FakeApi, auth: &FakeApi| {
        paged(api, client_credentials(auth)).with(|case| {
            case.client.concurrency = 1;
            case.resource.endpoint.rules.push(skip(401));
        })
    };
    // The token was only old: the rule is not about that.
    let auth = issuing(FakeApi::start(), "");
    let api = records(FakeApi::start(), |number| number == 2, Reply::status(401));
    check_whole(&ruled(&api, &auth).read().await);
    assert_eq!(auth.requests().len(), 2);
    // The record is forbidden under any token.
    let auth = issuing(FakeApi::start(), "");
    let api = records(FakeApi::start(), |_| false, Reply::status(401));
    let error = ruled(&api, &auth).read().await.result.unwrap_err();
    assert!(matches!(error, SourceError::ParentSkipped { status: 401, .. }), "{error}");
    assert_eq!((auth.requests().len(), api.requests().len()), (2, 2));
}

#[tokio::test]
async fn e_36_a_rule_on_403_is_asked_at_once_unless_it_may_mean_an_expired_token() {
    let may_expire = ExpiredRule { status: Some(403), text: None, json: None };
    for (expired_when, requests) in [(Vec::new(), 1), (vec![may_expire], 2)] {
        let auth = issuing(FakeApi::start(), "");
        let api = records(FakeApi::start(), |_| false, Reply::status(403));
        let plan = TokenPlan { expired_when, ..client_credentials(&auth) };
        let error = paged(&api, plan).with(|case| case.resource.endpoint.rules.push(skip(403))).read().await.result.unwrap_err();
        assert!(matches!(error, SourceError::ParentSkipped { status: 403, .. }), "{error}");
        assert_eq!((auth.requests().len(), api.requests().len()), (requests, requests));
    }
}

#[tokio::test]
async fn e_35_a_token_that_others_have_replaced_meanwhile_says_nothing_of_the_request() {
    let issued = Arc::new(AtomicU64::new(0));
    let seen = Arc::new(AtomicU64::new(0));
    let until = |counter: &AtomicU64, number| {
        while counter.load(Ordering::SeqCst) < number {
            std::thread::yield_now();
        }
    };
    let count = Arc::clone(&issued);
    let auth = FakeApi::start().on("/token", move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        Reply::json(format!(r#"{{"access_token":"tok-{number}"}}"#))
    });
    // A new token ends the older ones, and two others obtain one while this request is under way, each time.
    let (newest, told) = (Arc::clone(&issued), Arc::clone(&seen));
    let good = move |number| {
        told.store(number, Ordering::SeqCst);
        until(&newest, (number + 1).min(3));
        number == 3
    };
    let api = records(FakeApi::start(), good, Reply::status(401));
    let forbidden = FakeApi::start().on("/first", |_| Reply::status(401)).on("/second", move |request| {
        until(&seen, number(request).min(2));
        Reply::status(401)
    });
    let plan = TokenPlan { hosts: vec![forbidden.host()], ..client_credentials(&auth) };
    let Case { client, resource, request, bounds, clock, .. } = paged(&api, plan);
    let source = Source::bounded(&client, Arc::new(clock), Default::default(), Arc::new(|_| ()), bounds).unwrap();
    let mut other = resource.clone();
    other.endpoint.rules.push(skip(401));
    let wanted = wanted_paths(&resource.endpoint.paginator, &resource.expect);
    let mut reader = TestReader::new(&wanted);
    let orders = source.read(&resource, Chain::new(request.clone(), Arc::default(), 1), &mut reader);
    let others = async {
        for path in ["/first", "/second"] {
            let request =
                crate::config::Request { url: format!("{}{path}", forbidden.url()).parse().unwrap(), ..request.clone() };
            let chain = Chain::new(request, Arc::default(), 1);
            let error = source.read(&other, chain, &mut TestReader::new(&wanted)).await.unwrap_err();
            assert!(matches!(error, SourceError::ParentSkipped { .. }), "{error}");
        }
    };
    let (end, ()) = tokio::join!(orders, others);
    assert_eq!((end.unwrap().unwrap().records, reader.ids.len()), (50, 50));
    assert_eq!(issued.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn e_36_an_expired_token_is_known_by_a_rule_on_the_answer() {
    let rule = |status, text: Option<&str>, json: Option<(&str, &str)>| ExpiredRule {
        status: Some(status),
        text: text.map(str::to_owned),
        json: json.map(|(at, equals)| (path(at), Some(equals.to_owned()))),
    };
    let cases = [
        (rule(403, Some("token expired"), None), Reply::status(403).body("Token expired")),
        (rule(200, None, Some(("error", "invalid_token"))), Reply::json(r#"{"error":"invalid_token"}"#)),
        (rule(302, None, None), Reply::redirect(302, "/welcome")),
    ];
    for (rule, refusal) in cases {
        let auth = issuing(FakeApi::start(), "");
        let api = records(FakeApi::start(), |number| number == 2, refusal);
        let plan = TokenPlan { expired_when: vec![rule], ..client_credentials(&auth) };
        let outcome = paged(&api, plan).read().await;
        check_whole(&outcome);
        assert_eq!(auth.requests().len(), 2);
    }
}

#[tokio::test]
async fn e_36_a_403_without_a_rule_is_no_expiry() {
    let auth = issuing(FakeApi::start(), "");
    let api = records(FakeApi::start(), |_| false, Reply::status(403));
    let outcome = paged(&api, client_credentials(&auth)).with(|case| case.client.concurrency = 1).read().await;
    assert!(outcome.error().contains("credentials refused with 403"), "{}", outcome.error());
    assert_eq!(auth.requests().len(), 1);
}

#[tokio::test]
async fn e_36_a_redirect_to_a_sign_in_page_renews_the_token_once() {
    let auth = FakeApi::start()
        .then("/token", Reply::json(r#"{"session":{"token":"tok-1"}}"#))
        .then("/token", Reply::json(r#"{"session":{"token":"tok-2"}}"#));
    let api = records(FakeApi::start(), |number| number == 2, Reply::redirect(302, "/Account/Login.aspx?back=/orders"));
    let outcome = paged(&api, login(&auth)).with(|case| case.client.concurrency = 1).read().await;
    check_whole(&outcome);
    assert_eq!(to_path(&api, "/Account/Login.aspx").len(), 0);

    let auth = FakeApi::start().page("/token", r#"{"session":{"token":"tok-3"}}"#);
    let api = records(FakeApi::start(), |_| false, Reply::redirect(302, "/signin"));
    let outcome = paged(&api, login(&auth)).with(|case| case.client.concurrency = 1).read().await;
    let text = outcome.error().replace(&api.url(), "http://api");
    assert!(
        text.ends_with("refused with 302 also under a token obtained 0 s before, saying `redirected to http://api/signin`"),
        "{text}"
    );
}

#[tokio::test]
async fn e_36_a_redirect_to_a_sign_in_page_is_told_as_such() {
    let api = FakeApi::start().then("/orders", Reply::redirect(302, "/login")).on("/login", |_| Reply::html());
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
    let text = outcome.error().replace(&api.url(), "http://api");
    assert_eq!(text, "`orders`, page 1, `http://api/orders`: redirected to `http://api/login`, where people sign in");
    let error = outcome.result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.hint().unwrap().contains("`client.auth.api_key`"));
    assert_eq!(api.requests().len(), 1);

    let api = FakeApi::start().then("/orders", Reply::redirect(302, "/v2/logins/5")).page("/v2/logins/5", ids(0..3));
    assert_eq!(Case::new(&api, PaginatorPlan::SinglePage).read().await.ids, [0, 1, 2]);
}

#[tokio::test]
async fn e_38_a_token_without_a_life_is_used_until_it_is_refused() {
    for life in ["", r#","expires_in":0"#, r#","expires_in":"0""#, r#","expires_in":null"#, r#","expires_in":"soon""#] {
        let auth = issuing(FakeApi::start(), life);
        let api = records(FakeApi::start(), |number| number == 1, Reply::status(401))
            .then("/orders", Reply::status(429).header("retry-after", "590"));
        let outcome = paged(&api, client_credentials(&auth)).with(|case| case.client.concurrency = 1).read().await;
        check_whole(&outcome);
        assert_eq!(auth.requests().len(), 1, "{life}");
    }
}

#[tokio::test]
async fn e_38_a_life_beyond_every_clock_is_one_without_an_end() {
    let default_life = Some(Duration::MAX);
    for life in [r#","expires_in":"9999-12-31T23:59:59Z""#, r#","expires_in":1e300"#, r#","expires_in":18446744073709551615"#, ""]
    {
        let auth = issuing(FakeApi::start(), life);
        let api = records(FakeApi::start(), |number| number > 0, Reply::status(401));
        let plan = TokenPlan { default_life, ..client_credentials(&auth) };
        check_whole(&paged(&api, plan).with(|case| case.client.concurrency = 1).read().await);
        assert_eq!(auth.requests().len(), 1, "{life}");
    }
}

#[tokio::test]
async fn e_38_the_configured_life_holds_where_the_answer_tells_none() {
    for (life, requests) in
        [("", 2), (r#","expires_in":"0""#, 2), (r#","expires_in":"3600""#, 1), (r#","expires_in":86400000"#, 1)]
    {
        let auth = issuing(FakeApi::start(), life);
        let api = records(FakeApi::start(), |number| number > 0, Reply::status(401))
            .then("/orders", Reply::status(429).header("retry-after", "300"));
        let plan = TokenPlan { default_life: Some(Duration::from_secs(300)), ..client_credentials(&auth) };
        let outcome = paged(&api, plan).with(|case| case.client.concurrency = 1).read().await;
        check_whole(&outcome);
        assert_eq!(auth.requests().len(), requests, "{life}");
    }
}

/// Seconds since 1970 of the test clock.
const NOW: i64 = 1_795_341_600;

/// A token endpoint whose clock is ten minutes ahead, and which takes no assertion that is older than a minute.
fn ahead(api: FakeApi) -> FakeApi {
    api.on("/token", |request| {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
        let reply = if verified(&form[1].1)["iat"].as_i64().unwrap() < NOW + 540 {
            Reply::status(400).body(r#"{"error":"invalid_grant","error_description":"iat is too old"}"#)
        } else {
            Reply::json(r#"{"access_token":"tok-1"}"#)
        };
        reply.header("date", "Sun, 22 Nov 2026 10:10:00 GMT")
    })
}

#[tokio::test]
async fn e_39_an_assertion_is_dated_by_the_servers_clock_when_its_own_is_refused() {
    let auth = ahead(FakeApi::start());
    let api = records(FakeApi::start(), |number| number == 1, Reply::status(401));
    let outcome = paged(&api, jwt(&auth)).read().await;
    check_whole(&outcome);
    assert_eq!(auth.requests().len(), 2);
    let warnings: Vec<&str> = outcome.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("this machine's clock is 600 s behind that of"), "{warnings:?}");
}

#[tokio::test]
async fn e_39_the_clock_of_the_apis_401_counts_too_and_is_tried_once() {
    let auth = ahead(FakeApi::start()).then("/token", Reply::json(r#"{"access_token":"tok-0"}"#));
    let refusal = Reply::status(401).header("date", "Sun, 22 Nov 2026 10:10:00 GMT");
    let api = records(FakeApi::start(), |number| number == 1, refusal);
    let outcome = paged(&api, jwt(&auth)).with(|case| case.client.concurrency = 1).read().await;
    check_whole(&outcome);
    assert_eq!(auth.requests().len(), 2, "the second assertion was dated right at once");

    let refusal = Reply::status(400).body(r#"{"error":"invalid_grant"}"#).header("date", "Sun, 22 Nov 2026 10:10:00 GMT");
    let auth = FakeApi::start().on("/token", move |_| refusal.clone());
    let outcome = paged(&api, jwt(&auth)).read().await;
    assert!(outcome.error().ends_with("refused with 400, saying `invalid_grant`"), "{}", outcome.error());
    assert_eq!(auth.requests().len(), 2);
}
