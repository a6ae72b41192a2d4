//! Where requests and credentials go.

use super::fake_api::{FakeApi, Reply, Request, ids};
use super::harness::*;
use crate::base::{ErrorKind, Secret};
use crate::config::{KeyLocation, Method, PaginatorPlan};

/// What a request carries of the configured secrets.
fn carried(request: &Request) -> Vec<String> {
    let key = request.param("x-key").map(|key| format!("query {key}"));
    let header = request.header("x-key").map(|key| format!("header {key}"));
    let cookie = request.header("cookie").map(|cookie| format!("cookie {cookie}"));
    let other = request.header("x-team").map(|team| format!("team {team}"));
    [key, header, cookie, other].into_iter().flatten().collect()
}

fn with_headers(case: &mut Case) {
    case.client.headers =
        vec![("X-Team".to_owned(), Secret::new("blue-team")), ("Accept".to_owned(), Secret::new("application/vnd.api+json"))];
}

#[tokio::test]
async fn credentials_go_with_every_page() {
    for (location, expected) in [
        (KeyLocation::Query, "query sesame/1"),
        (KeyLocation::Header, "header sesame/1"),
        (KeyLocation::Cookie, "cookie x-key=sesame/1"),
    ] {
        let api = FakeApi::start().rows("/orders", 20, 10);
        let case = Case::new(&api, offset(10, stop_rules()));
        let outcome = case.with(|case| case.client.auth = Some(api_key(location, &[]))).read().await;
        // Two, and a look behind them.
        assert_eq!(outcome.end().pages, 3);
        for request in api.requests() {
            assert_eq!(carried(&request), [expected]);
            assert_eq!(request.header("user-agent"), Some(concat!("lakeward/", env!("CARGO_PKG_VERSION"))));
            assert_eq!(request.header("accept-encoding"), Some("gzip, zstd, br"));
        }
    }
}

#[tokio::test]
async fn e_29_redirects_on_the_same_origin_are_followed() {
    for status in [301, 302, 303, 307, 308] {
        let api = FakeApi::start().then("/orders", Reply::redirect(status, "/v2/orders?x=1")).page("/v2/orders", ids(0..3));
        let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
        assert_eq!(outcome.ids, [0, 1, 2]);
        assert_eq!(api.requests()[1].raw_query, "x=1&x-key=sesame%2F1");
    }
}

#[tokio::test]
async fn e_29_a_redirect_loop_ends() {
    let api = FakeApi::start().on("/orders", |_| Reply::redirect(302, "/orders"));
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
    assert!(outcome.error().ends_with("refused: there are more than 5 redirects one after the other"), "{}", outcome.error());
    assert_eq!(api.requests().len(), 6);
}

#[tokio::test]
async fn e_29_a_post_stays_a_post_or_is_refused() {
    for (status, follows) in [(307, true), (308, true), (301, false), (302, false), (303, false)] {
        let api = FakeApi::start().then("/orders", Reply::redirect(status, "/search")).page("/search", ids(0..3));
        let post = |case: &mut Case| {
            case.resource.endpoint.method = Method::Post;
            case.request.json = Some(serde_json::json!({"q": 1}));
        };
        let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(post).read().await;
        if follows {
            let last = api.requests().pop().unwrap();
            assert_eq!((last.method.as_str(), last.body.as_str()), ("POST", r#"{"q":1}"#));
            assert_eq!(last.header("content-type"), Some("application/json"));
        } else {
            assert!(outcome.error().ends_with("refused: a POST is redirected only by 307 and 308"), "{}", outcome.error());
            assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
        }
    }
}

/// Redirects from one API to another: what the other one is sent, or nothing when it is refused.
async fn redirected(location: KeyLocation, allow: bool, trust: bool) -> Option<Vec<String>> {
    let other = FakeApi::start().page("/files", ids(0..3));
    let echo = format!("{}/files?x-key=sesame%2F1", other.url());
    let api = FakeApi::start().then("/orders", Reply::redirect(302, echo));
    let hosts = |wanted: bool| if wanted { vec![other.host()] } else { Vec::new() };
    let case = Case::new(&api, PaginatorPlan::SinglePage).with(with_headers).with(|case| {
        case.client.allow_hosts = hosts(allow);
        case.client.auth = Some(api_key(location, &hosts(trust)));
    });
    let outcome = case.read().await;
    let request = other.requests().pop();
    if request.is_none() {
        assert!(outcome.error().contains("which is refused: it is another host"), "{}", outcome.error());
        assert!(!outcome.error().contains("sesame"), "{}", outcome.error());
        assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
    }
    request.map(|request| {
        assert_eq!(request.header("accept"), Some("application/vnd.api+json"));
        carried(&request)
    })
}

#[tokio::test]
async fn e_30_other_hosts_are_refused_or_given_no_credentials() {
    for location in [KeyLocation::Query, KeyLocation::Header, KeyLocation::Cookie] {
        assert_eq!(redirected(location, false, false).await, None);
        assert_eq!(redirected(location, true, false).await, Some(vec![]));
        assert_eq!(
            redirected(location, false, true).await.map(|carried| carried.len()),
            Some(if location == KeyLocation::Query { 2 } else { 3 })
        );
    }
}

#[tokio::test]
async fn an_absolute_endpoint_elsewhere_is_read_without_credentials() {
    let (api, other) = (FakeApi::start(), FakeApi::start().page("/orders", ids(0..3)));
    let elsewhere = |case: &mut Case| case.request.url = format!("{}/orders", other.url()).parse().unwrap();
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(with_headers).with(elsewhere).read().await;
    assert_eq!(outcome.ids, [0, 1, 2]);
    assert_eq!(carried(&other.requests()[0]), [""; 0]);

    let other = other.then("/orders", Reply::status(401));
    let elsewhere = |case: &mut Case| case.request.url = format!("{}/orders", other.url()).parse().unwrap();
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).with(elsewhere).read().await;
    assert!(outcome.error().contains("(this host was given none: list it in `auth.hosts`"), "{}", outcome.error());
}

async fn check_link(next: &str, message: &str) {
    let api = FakeApi::start().page("/orders", format!(r#"{{"data":{},"next":"{next}"}}"#, ids(0..3)));
    let outcome = Case::new(&api, json_link()).read().await;
    assert!(outcome.error().contains(message), "{}", outcome.error());
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(api.requests().len(), 1);
}

#[tokio::test]
async fn e_85_next_links_do_not_leave_the_api() {
    check_link("http://169.254.169.254/latest", "leads to `http://169.254.169.254/latest`, which is refused: link-local").await;
    check_link("file:///etc/passwd", "which is refused: only http and https are followed").await;
    check_link("http://user:sesame@evil.test/?token=abc", "leads to `http://evil.test/?token=***`, which is refused").await;
    check_link("http://[", "the next link is not a URL").await;
}

#[tokio::test]
async fn e_86_next_links_are_resolved_and_given_the_credentials_back() {
    let page = |ids: String, next: &str| format!(r#"{{"data":{ids},"next":{next}}}"#);
    let api = FakeApi::start()
        .then("/orders", Reply::json(page(ids(0..3), r#""?page=2&limit=7&x-key=other""#)))
        .then("/orders", Reply::json(page(ids(3..6), r#""orders/more?q=a b%20c""#)))
        .then("/orders/more", Reply::json(page(ids(6..9), r#""/orders/last""#)))
        .then("/orders/last", Reply::json(page(ids(9..12), r#""""#)));
    let params = |case: &mut Case| case.request.params = vec![("limit".to_owned(), "100".to_owned())];
    let outcome = Case::new(&api, json_link()).with(params).read().await;
    assert_eq!(outcome.ids, (0..12).collect::<Vec<_>>(), "{outcome:?}");
    let sent: Vec<String> = api.requests().into_iter().map(|request| format!("{}?{}", request.path, request.raw_query)).collect();
    let key = "x-key=sesame%2F1";
    assert_eq!(
        sent,
        [
            format!("/orders?limit=100&{key}"),
            format!("/orders?page=2&limit=7&{key}"),
            format!("/orders/more?q=a%20b%20c&{key}"),
            format!("/orders/last?{key}"),
        ]
    );
}
