//! Tokens: how each type of `auth` asks for one, what is asked for, and who is sent what.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::fake_api::{FakeApi, Reply, Request, ids};
use super::harness::*;
use crate::base::{ErrorKind, Secret};
use crate::config::*;

/// The token that `/token` gives first; the ones after it count up.
pub(super) const TOKEN: &str = "tok-1";
/// The private key of the tests, and its public half.
const KEY: &str = include_str!("../../../tests/fixtures/keys/jwt-rsa.pem");
const PUBLIC_KEY: &str = include_str!("../../../tests/fixtures/keys/jwt-rsa.pub.pem");

/// `/orders` with 3 records for whoever has the token, and 401 for everyone else.
pub(super) fn guarded(api: FakeApi) -> FakeApi {
    api.on("/orders", |request| match request.header("authorization") {
        Some("Bearer tok-1") => Reply::json(format!(r#"{{"data":{}}}"#, ids(0..3))),
        _ => Reply::status(401),
    })
}

/// `/token` that gives tok-1, tok-2, …, each for `life`, as JSON.
pub(super) fn issuing(api: FakeApi, life: &'static str) -> FakeApi {
    let issued = std::sync::atomic::AtomicU64::new(0);
    api.on("/token", move |_| {
        let number = issued.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        Reply::json(format!(r#"{{"access_token":"tok-{number}","token_type":"Bearer"{life}}}"#))
    })
}

pub(super) fn plan(grant: Grant) -> TokenPlan {
    TokenPlan {
        grant,
        carried: Carried::Header { name: "Authorization".to_owned(), prefix: "Bearer ".to_owned() },
        default_life: None,
        expired_when: Vec::new(),
        hosts: Vec::new(),
    }
}

pub(super) fn oauth_client(at: &FakeApi) -> OAuthClient {
    OAuthClient {
        url: format!("{}/token", at.url()).parse().unwrap(),
        id: Secret::new("my-client"),
        secret: Some(Secret::new("pa&ss/word")),
        in_header: false,
        scopes: Vec::new(),
        data: Vec::new(),
    }
}

pub(super) fn client_credentials(at: &FakeApi) -> TokenPlan {
    plan(Grant::ClientCredentials { access_token: None, client: oauth_client(at) })
}

pub(super) fn refresh_token(at: &FakeApi, file: PathBuf) -> TokenPlan {
    plan(Grant::RefreshToken { refresh_token: Secret::new("refresh-1"), file, client: oauth_client(at) })
}

pub(super) fn jwt(at: &FakeApi) -> TokenPlan {
    let url: url::Url = format!("{}/token", at.url()).parse().unwrap();
    plan(Grant::Jwt(JwtPlan {
        audience: url.to_string(),
        url,
        key: Secret::new(KEY),
        algorithm: JwtAlgorithm::Rs256,
        key_id: Some("k1".to_owned()),
        issuer: "my-client".to_owned(),
        subject: "my-client".to_owned(),
        scopes: vec!["read".to_owned(), "list".to_owned()],
        headers: vec![("X-Tenant".to_owned(), Secret::new("blue"))],
    }))
}

pub(super) fn login(at: &FakeApi) -> TokenPlan {
    let body = LoginBody::Json(
        Secret::new(r#"{"user":"ada","password":"pa&ss/word"}"#),
        vec![Secret::new("ada"), Secret::new("pa&ss/word")],
    );
    plan(Grant::Login(LoginPlan {
        url: format!("{}/token", at.url()).parse().unwrap(),
        method: Method::Post,
        body,
        headers: Vec::new(),
        token_path: Some(path("session.token")),
        expires_in_path: None,
    }))
}

/// One page of `/orders` under `plan`, by the API's other plainest settings.
pub(super) fn case(api: &FakeApi, plan: TokenPlan) -> Case {
    Case::new(api, PaginatorPlan::SinglePage).with(|case| case.client.auth = Some(AuthPlan::Token(Box::new(plan))))
}

pub(super) fn to_path(api: &FakeApi, path: &str) -> Vec<Request> {
    api.requests().into_iter().filter(|request| request.path == path).collect()
}

fn fields(request: &Request) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()
}

fn check_form(request: &Request, expected: &[(&str, &str)]) {
    let expected: Vec<(String, String)> = expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    assert_eq!(fields(request), expected);
    assert_eq!(request.method, "POST");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("accept"), Some("application/json"));
}

#[tokio::test]
async fn client_credentials_are_posted_as_dlt_posts_them() {
    let (api, auth) = (guarded(FakeApi::start()), issuing(FakeApi::start(), ""));
    let headers = |case: &mut Case| case.client.headers = vec![("X-Team".to_owned(), Secret::new("blue-team"))];
    let outcome = case(&api, client_credentials(&auth)).with(headers).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    let requests = auth.requests();
    assert_eq!(requests.len(), 1);
    check_form(
        &requests[0],
        &[("client_id", "my-client"), ("client_secret", "pa&ss/word"), ("grant_type", "client_credentials")],
    );
    assert_eq!(requests[0].header("x-team"), None, "the token request gets no other credentials");
    assert_eq!(api.requests()[0].header("authorization"), Some("Bearer tok-1"));
    assert_eq!(api.requests()[0].header("x-team"), Some("blue-team"));
}

#[tokio::test]
async fn scopes_data_and_basic_authentication_change_the_form() {
    let (api, auth) = (guarded(FakeApi::start()), issuing(FakeApi::start(), ""));
    let client = OAuthClient {
        in_header: true,
        scopes: vec!["read".to_owned(), "list".to_owned()],
        data: vec![("audience".to_owned(), Secret::new("x y")), ("grant_type".to_owned(), Secret::new("urn:own"))],
        ..oauth_client(&auth)
    };
    let outcome = case(&api, plan(Grant::ClientCredentials { access_token: None, client })).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    let request = auth.requests().remove(0);
    check_form(&request, &[("scope", "read list"), ("audience", "x y"), ("grant_type", "urn:own")]);
    // `my-client:pa%26ss%2Fword`, each part encoded as in a form first (RFC 6749 §2.3.1).
    assert_eq!(request.header("authorization"), Some("Basic bXktY2xpZW50OnBhJTI2c3MlMkZ3b3Jk"));
}

#[tokio::test]
async fn a_token_of_the_config_is_used_until_it_is_refused() {
    let (api, auth) = (guarded(FakeApi::start()), issuing(FakeApi::start(), ""));
    let start = |token: &str| Grant::ClientCredentials { access_token: Some(Secret::new(token)), client: oauth_client(&auth) };
    let outcome = case(&api, plan(start(TOKEN))).read().await;
    assert_eq!((outcome.ids.len(), auth.requests().len()), (3, 0));
    let outcome = case(&api, plan(start("stale"))).read().await;
    assert_eq!((outcome.ids.len(), auth.requests().len()), (3, 1));
}

#[tokio::test]
async fn a_jwt_is_signed_and_says_who_asks_whom_until_when() {
    let (api, auth) = (guarded(FakeApi::start()), issuing(FakeApi::start(), ""));
    let outcome = case(&api, jwt(&auth)).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    let request = auth.requests().remove(0);
    let form = fields(&request);
    assert_eq!(form[0], ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
    assert_eq!(request.header("x-tenant"), Some("blue"));
    let claims = verified(&form[1].1);
    let now = "2026-11-22T10:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp();
    let expected = serde_json::json!({
        "iss": "my-client", "sub": "my-client", "aud": format!("{}/token", auth.url()), "iat": now, "exp": now + 3600, "scope": "read list",
    });
    assert_eq!(claims, expected);
    assert_eq!(part(&form[1].1, 0), serde_json::json!({"typ": "JWT", "alg": "RS256", "kid": "k1"}));
}

/// The claims of a JWT whose signature is that of the tests' key.
pub(super) fn verified(assertion: &str) -> Value {
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let public = rustls::pki_types::SubjectPublicKeyInfoDer::from_pem_slice(PUBLIC_KEY.as_bytes()).unwrap();
    // Behind what kind of key it is, as long as for every other RSA key of 2,048 bits.
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public[24..]);
    key.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    part(assertion, 1)
}

/// The header of a JWT, 0, or its claims, 1.
fn part(assertion: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_login_gives_a_token_for_any_header() {
    let session = || FakeApi::start().page("/token", r#"{"session":{"token":"tok-1"}}"#);
    let auth = session();
    let api = guarded(FakeApi::start());
    let outcome = case(&api, login(&auth)).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    let request = auth.requests().remove(0);
    assert_eq!(request.body, r#"{"user":"ada","password":"pa&ss/word"}"#);
    assert_eq!(request.header("content-type"), Some("application/json"));

    let api = FakeApi::start().page("/orders", ids(0..3));
    let carried = Carried::Header { name: "X-Session".to_owned(), prefix: String::new() };
    let outcome = case(&api, TokenPlan { carried, ..login(&auth) }).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    assert_eq!(api.requests()[0].header("x-session"), Some(TOKEN));
    assert_eq!(api.requests()[0].header("authorization"), None);
}

/// A login at `api` itself whose cookies are the token.
fn cookie_login(api: &FakeApi) -> TokenPlan {
    let Grant::Login(login) = login(api).grant else { panic!() };
    let grant = Grant::Login(LoginPlan { token_path: None, ..login });
    TokenPlan { carried: Carried::Cookies, ..plan(grant) }
}

#[tokio::test]
async fn the_cookies_of_a_login_are_sent_back_to_its_origin() {
    let set = |reply: Reply| reply.header("set-cookie", "sid=abcd-1; Path=/; HttpOnly").with_header("set-cookie", "lang=en");
    for reply in [set(Reply::json("{}")), set(Reply::redirect(302, "/home")), set(Reply::status(204))] {
        let api = FakeApi::start().then("/token", reply).page("/orders", ids(0..3));
        let outcome = case(&api, cookie_login(&api)).read().await;
        assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
        assert_eq!(to_path(&api, "/orders")[0].header("cookie"), Some("sid=abcd-1; lang=en"));
        assert_eq!(to_path(&api, "/home").len(), 0);
    }
}

#[tokio::test]
async fn answers_without_a_token_are_told_without_their_values() {
    let check = async |reply: Reply, kind, expected: &str| {
        let auth = FakeApi::start().then("/token", reply);
        let api = guarded(FakeApi::start());
        let outcome = case(&api, client_credentials(&auth)).read().await;
        let text = outcome.error().replace(&auth.url(), "http://auth");
        assert_eq!(text, format!("`orders`: no token from `http://auth/token`: {expected}"));
        assert_eq!(outcome.result.unwrap_err().kind(), kind);
        assert_eq!(api.requests().len(), 0, "no data request is sent without a token");
    };
    use ErrorKind::{Credentials, Data};
    let data = |text: &str| Reply::json(text);
    check(data(r#"{"token":"geheim"}"#), Data, "its answer has no text at `$.access_token`; it has `token`").await;
    check(data("[]"), Data, "its answer has no text at `$.access_token`").await;
    check(Reply::html(), Data, "its answer is not JSON").await;
    check(data("{\"access_token\":\"a\\nb\"}"), Data, "its token cannot be sent in a header").await;
    check(data(r#"{"error":"bad_code"}"#), Credentials, "refused with 200, saying `bad_code`").await;
    let elsewhere = "it redirects to `http://other.test/`, which is not followed; write the right URL";
    check(Reply::redirect(307, "http://other.test/"), Data, elsewhere).await;
    check(Reply::status(404), Data, "refused with 404, saying `status 404`").await;
}

#[tokio::test]
async fn a_refusal_is_told_with_the_endpoints_own_words_and_without_any_secret() {
    let folder = tempfile::tempdir().unwrap();
    let echo = |request: &Request| {
        let body: Value =
            serde_json::json!({"error": "invalid_client", "error_description": format!("no such client: {}", request.body)});
        Reply::status(400).body(body.to_string())
    };
    let auth = FakeApi::start().on("/token", echo);
    let file = folder.path().join("t");
    for token in [client_credentials(&auth), refresh_token(&auth, file), jwt(&auth), login(&auth)] {
        let api = guarded(FakeApi::start());
        let outcome = case(&api, token).read().await;
        let text = outcome.error();
        assert!(text.contains("refused with 400, saying `invalid_client: no such client: "), "{text}");
        let sent = auth.requests().pop().unwrap().body;
        for secret in ["pa&ss/word", "pa%26ss%2Fword", "refresh-1"] {
            assert!(!text.contains(secret), "{text}");
        }
        let assertion = sent.split_once("assertion=").map(|(_, assertion)| &assertion[..40]);
        assert!(assertion.is_none_or(|assertion| !text.contains(assertion)), "{text}");
        let error = outcome.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.hint().is_some());
        assert_eq!(api.requests().len(), 0);
    }
}

/// What of `plan`'s token a second origin gets when the API redirects there, echoing the token.
async fn leaked(api: FakeApi, token: &str, make: impl FnOnce(&FakeApi) -> TokenPlan) {
    let evil = FakeApi::start().page("/steal", ids(0..3));
    let echo = format!("{}/steal?t={token}&u=1", evil.url());
    let api = api.then("/orders", Reply::redirect(302, echo));
    let allow = vec![evil.host()];
    let outcome = case(&api, make(&api)).with(|case| case.client.allow_hosts = allow).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    let stolen = format!("{:?}", evil.requests());
    assert_eq!(evil.requests().len(), 1);
    for secret in ["tok-1", "abcd-1", "pa&ss/word", "pa%26ss%2Fword", "refresh-1", "authorization", "cookie"] {
        assert!(!stolen.contains(secret), "{stolen}");
    }
    let carried = to_path(&api, "/orders")[0].clone();
    assert!(carried.header("authorization") == Some("Bearer tok-1") || carried.header("cookie") == Some("sid=abcd-1"));
}

#[tokio::test]
async fn e_30_no_token_and_no_secret_goes_to_a_second_origin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t");
    leaked(issuing(FakeApi::start(), ""), TOKEN, client_credentials).await;
    leaked(issuing(FakeApi::start(), ""), TOKEN, |api| refresh_token(api, file)).await;
    leaked(issuing(FakeApi::start(), ""), TOKEN, jwt).await;
    leaked(FakeApi::start().page("/token", r#"{"session":{"token":"tok-1"}}"#), TOKEN, login).await;
    let session = FakeApi::start().then("/token", Reply::json("{}").header("set-cookie", "sid=abcd-1"));
    leaked(session, "abcd-1", cookie_login).await;
}

#[tokio::test]
async fn a_token_that_the_api_echoes_is_not_shown() {
    let api = issuing(FakeApi::start(), "")
        .on("/orders", |request| Reply::status(422).body(format!("bad request by {}", request.header("authorization").unwrap())));
    let outcome = case(&api, client_credentials(&api)).read().await;
    assert!(outcome.error().ends_with("answered 422, saying `bad request by Bearer ***`"), "{}", outcome.error());
}

#[tokio::test]
async fn hosts_of_the_auth_are_given_the_token_too() {
    let other = guarded(FakeApi::start());
    let api = issuing(FakeApi::start(), "").then("/orders", Reply::redirect(302, format!("{}/orders", other.url())));
    let token = TokenPlan { hosts: vec![other.host()], ..client_credentials(&api) };
    let outcome = case(&api, token).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
}

#[tokio::test]
async fn e_37_a_rotated_refresh_token_is_kept_before_the_token_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.token");
    let auth = FakeApi::start()
        .then("/token", Reply::json(r#"{"access_token":"tok-1","refresh_token":"refresh-2"}"#))
        .then("/token", Reply::json(r#"{"access_token":"tok-1","refresh_token":"refresh-2"}"#))
        .then("/token", Reply::json(r#"{"access_token":"tok-1"}"#));
    let kept = file.clone();
    let api = FakeApi::start().on("/orders", move |_| {
        let stored = std::fs::read_to_string(&kept).unwrap_or_default();
        if stored.contains("refresh-2") { Reply::json(ids(0..3)) } else { Reply::status(500) }
    });
    for _ in 0..3 {
        let outcome = case(&api, refresh_token(&auth, file.clone())).read().await;
        assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    }
    let sent: Vec<String> = auth.requests().iter().map(|request| fields(request)[3].1.clone()).collect();
    assert_eq!(sent, ["refresh-1", "refresh-2", "refresh-2"]);
    let requests = auth.requests();
    check_form(
        &requests[0],
        &[
            ("client_id", "my-client"),
            ("client_secret", "pa&ss/word"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "refresh-1"),
        ],
    );
}

#[tokio::test]
async fn e_37_without_a_place_to_keep_a_refresh_token_none_is_spent() {
    let (api, auth) = (guarded(FakeApi::start()), issuing(FakeApi::start(), ""));
    let outcome = case(&api, refresh_token(&auth, PathBuf::from("/nonexistent/folder/t.token"))).read().await;
    let text = outcome.error();
    assert!(text.starts_with("`orders`: the token file `/nonexistent/folder/t.token` cannot be used: No such file"), "{text}");
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!((api.requests().len(), auth.requests().len()), (0, 0));
}

#[tokio::test]
async fn e_37_a_refresh_token_that_cannot_be_kept_is_told_as_lost_and_nothing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.token");
    // A folder stands where the new file is written before it is renamed.
    std::fs::create_dir(folder.path().join("t.token.new")).unwrap();
    let auth = FakeApi::start().page("/token", r#"{"access_token":"tok-1","refresh_token":"refresh-2"}"#);
    let api = guarded(FakeApi::start());
    let outcome = case(&api, refresh_token(&auth, file)).read().await;
    assert!(outcome.error().starts_with("`orders`: the API replaced the refresh token, and the new one cannot be kept in"));
    let error = outcome.result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.hint().unwrap().starts_with("re-authorise the client"));
    assert_eq!(api.requests().len(), 0);
}

#[tokio::test]
async fn e_37_a_run_cut_short_before_the_answer_was_kept_is_told_to_re_authorise() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.token");
    let auth = FakeApi::start().then("/token", Reply::hang());
    let api = guarded(FakeApi::start());
    let hanging = case(&api, refresh_token(&auth, file.clone()));
    let cancel = hanging.cancel.clone();
    let ending = async {
        while auth.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(hanging.read(), ending);
    assert_eq!(outcome.error(), "`orders`: cancelled");

    let auth = auth.then("/token", Reply::status(400).body(r#"{"error":"invalid_grant"}"#));
    let outcome = case(&api, refresh_token(&auth, file)).read().await;
    assert!(outcome.error().ends_with("refused with 400, saying `invalid_grant`"), "{}", outcome.error());
    let hint = outcome.result.unwrap_err().hint().unwrap();
    assert!(hint.starts_with("re-authorise the client") && hint.contains("an earlier run ended after it had asked"), "{hint}");
}

#[tokio::test]
async fn e_37_a_refresh_token_is_renewed_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.token");
    let lock = std::fs::File::create(folder.path().join("t.token.lock")).unwrap();
    lock.lock().unwrap();
    let (api, auth) = (guarded(FakeApi::start()), issuing(FakeApi::start(), ""));
    let outcome = case(&api, refresh_token(&auth, file.clone())).read().await;
    assert!(outcome.error().ends_with("t.token` is locked by another process"), "{}", outcome.error());
    assert_eq!(outcome.waits(), [1; 60]);
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Unavailable);
    drop(lock);
    let outcome = case(&api, refresh_token(&auth, file)).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
}

#[tokio::test]
async fn e_12_the_token_endpoint_is_waited_for_while_no_data_request_is_sent() {
    let in_header = Reply::status(429).header("retry-after", "30");
    let in_body = Reply::status(429).body(r#"{"message":"slow down","retry_after":30}"#);
    for throttle in [in_header, in_body] {
        let auth = issuing(FakeApi::start(), "").then("/token", throttle).then("/token", Reply::status(503));
        let api = guarded(FakeApi::start());
        let outcome = case(&api, client_credentials(&auth)).read().await;
        assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
        assert_eq!(outcome.waits(), [31, 1]);
        assert_eq!((auth.requests().len(), api.requests().len()), (3, 1));
    }
}

#[tokio::test]
async fn e_12_a_token_endpoint_that_stays_down_ends_the_run_and_is_not_asked_in_a_loop() {
    let auth = FakeApi::start().on("/token", |_| Reply::status(503));
    let api = FakeApi::start().rows("/orders", 100, 10);
    let outcome = case(&api, client_credentials(&auth))
        .with(|case| case.resource.endpoint.paginator = offset(10, stop_rules()))
        .read()
        .await;
    let text = outcome.error().replace(&auth.url(), "http://auth");
    assert_eq!(text, "`orders`: no token from `http://auth/token`: answered 503, saying `status 503` (attempt 4, the last)");
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!((auth.requests().len(), api.requests().len()), (4, 0));

    let auth = FakeApi::start().on("/token", |_| Reply::status(429).header("retry-after", "86400"));
    let outcome = case(&api, client_credentials(&auth)).read().await;
    assert!(outcome.error().ends_with("asks to wait 86400s, more than the 600s of `max_wait`"), "{}", outcome.error());
    let silent = |case: &mut Case| case.client.read_timeout = Duration::from_millis(30);
    let auth = FakeApi::start().on("/token", |_| Reply::hang());
    let outcome = case(&api, client_credentials(&auth)).with(silent).read().await;
    assert!(outcome.error().ends_with("is silent for 30ms (attempt 4, the last)"), "{}", outcome.error());
}
