//! Ways to be let in, through the binary: tokens, their refusal, and refresh tokens that the API replaces.

use std::sync::{Arc, Mutex};

use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::Sandbox;

const SECRET: &str = "cl1ent-s3cret";
const RECORDS: &str = r#"[{"id":1},{"id":2},{"id":3}]"#;

fn config(api: &FakeApi, auth: &str) -> String {
    format!(
        "name: things\nclient:\n  base_url: {}\n  auth: {auth}\n  retry: {{initial_delay: 10ms, max_retries: 3}}\nresources:\n  - name: things\n    \
         primary_key: id\n    write_disposition: merge\n    endpoint: {{path: things, paginator: single_page}}\nlake:\n  url: ./lake\n",
        api.url()
    )
}

/// `/things` for whoever has `token`.
fn guarded(api: FakeApi, token: &'static str) -> FakeApi {
    api.on("/things", move |request| match request.header("authorization") {
        Some(sent) if sent == token => Reply::json(RECORDS),
        _ => Reply::status(401),
    })
}

#[test]
fn client_credentials_load_a_table_and_leave_no_secret_behind() {
    let api =
        guarded(FakeApi::start(), "Bearer t0ken-abcdef").page("/token", r#"{"access_token":"t0ken-abcdef","expires_in":3600}"#);
    let auth = format!(
        "{{type: oauth2_client_credentials, access_token_url: \"{}/token\", client_id: me, client_secret: \"${{SECRET}}\"}}",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config(&api, &auth)).env("SECRET", SECRET);
    let ended = sandbox.run_ok();
    assert_eq!(sandbox.rows("things").len(), 3);
    let files: Vec<u8> = crate::support::sandbox::files_under(sandbox.path()).into_values().flatten().collect();
    let all = format!("{ended}{}", String::from_utf8_lossy(&files));
    assert!(!all.contains("t0ken-abcdef") && !all.contains(SECRET));
}

#[test]
fn a_refused_client_ends_with_exit_code_4_and_the_reason() {
    let refusal = |request: &Request| {
        Reply::status(401).body(format!(r#"{{"error":"invalid_client","error_description":"got {}"}}"#, request.body))
    };
    let api = guarded(FakeApi::start(), "Bearer none").on("/token", refusal);
    let auth = format!(
        "{{type: oauth2_client_credentials, access_token_url: \"{}/token\", client_id: me, client_secret: {SECRET}}}",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config(&api, &auth));
    let ended = sandbox.run();
    ended.failed_with(
        4,
        &["refused with 401, saying `invalid_client: got client_id=me&client_secret=***", "`client_id`, `client_secret`"],
    );
    assert!(!ended.to_string().contains(SECRET), "{ended}");
}

/// An API whose refresh tokens are good for one use.
fn rotating() -> FakeApi {
    let good = Arc::new(Mutex::new(("refresh-0".to_owned(), 0)));
    guarded(FakeApi::start(), "Bearer t0ken-abcdef").on("/token", move |request| {
        let mut good = good.lock().unwrap();
        if !request.body.contains(&format!("refresh_token={}", good.0)) {
            return Reply::status(400).body(r#"{"error":"invalid_grant","error_description":"used up"}"#);
        }
        *good = (format!("refresh-{}", good.1 + 1), good.1 + 1);
        Reply::json(format!(r#"{{"access_token":"t0ken-abcdef","refresh_token":"{}"}}"#, good.0))
    })
}

#[test]
fn e_37_a_refresh_token_that_rotates_serves_night_after_night() {
    let api = rotating();
    let auth = format!(
        "{{type: oauth2_refresh_token, access_token_url: \"{}/token\", client_id: me, refresh_token: refresh-0, token_file: state.token}}",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config(&api, &auth));
    for night in 1..=3 {
        sandbox.run_ok();
        assert_eq!(sandbox.rows("things").len(), 3);
        let kept = std::fs::read_to_string(sandbox.path().join("state.token")).unwrap();
        assert!(kept.contains(&format!("refresh-{night}")), "{kept}");
    }
    std::fs::remove_file(sandbox.path().join("state.token")).unwrap();
    let ended = sandbox.run();
    ended.failed_with(4, &["saying `invalid_grant: used up`", "re-authorise the client"]);
}

#[test]
fn e_37_a_run_killed_while_the_api_is_asked_is_told_to_re_authorise() {
    let api = guarded(FakeApi::start(), "Bearer t0ken-abcdef").then("/token", Reply::hang());
    let auth = format!(
        "{{type: oauth2_refresh_token, access_token_url: \"{}/token\", client_id: me, refresh_token: refresh-0}}",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config(&api, &auth));
    let running = sandbox.start();
    while api.requests().is_empty() {
        std::thread::yield_now();
    }
    assert!(running.kill());
    let _api = api.on("/token", |_| Reply::status(400).body(r#"{"error":"invalid_grant"}"#));
    // The killed run's lease is still in the lake; the other lake has none.
    let text = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    sandbox.write("lakeward.yaml", &text.replace("./lake", "./other"));
    sandbox.run().failed_with(4, &["saying `invalid_grant`", "an earlier run ended after it had asked"]);
}

#[test]
fn a_wrong_certificate_ends_with_exit_code_2_before_any_request() {
    let api = FakeApi::start();
    let sandbox = Sandbox::new();
    sandbox.write("client.pem", "no certificate\n");
    let config = config(&api, "null").replace("  retry:", "  tls: {certificate: \"${file:client.pem}\"}\n  retry:");
    sandbox.write("lakeward.yaml", &config);
    sandbox.run().failed_with(2, &["`client.tls.certificate`: expected a certificate in PEM"]);
    assert_eq!(api.requests().len(), 0);
}
