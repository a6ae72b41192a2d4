use super::*;

/// Whatever is wrong with it, and wherever it stands, a credential is not shown.
#[test]
fn no_message_and_no_debug_output_shows_a_credential() {
    let inputs = [
        client("auth: s3cr3t-K3Y"),
        client("auth: {token: {a: s3cr3t-K3Y}}"),
        client("auth: {token: [s3cr3t-K3Y]}"),
        client("auth: {type: api_key, key: s3cr3t-K3Y}"),
        client("auth: {type: api_key, api_key: \"s3cr3t-K3Y\\n\"}"),
        client("auth: {type: s3cr3t-K3Y}"),
        client("auth: [s3cr3t-K3Y]"),
        client("headers: s3cr3t-K3Y"),
        client("headers: [s3cr3t-K3Y]"),
        client("headers: {A: [s3cr3t-K3Y]}"),
        client("headers: {A: \"a\\ns3cr3t-K3Y\"}"),
        client("concurrency: \"${KEY}\", allow_hosts: [\"${KEY}/\"], paginator: \"${KEY}\", timeout: {read: \"${KEY}\"}"),
        client("x: 1").replace("http://a.test", "ftp://me:s3cr3t-K3Y@a.test"),
        client("x: 1").replace("http://a.test", "https://me:s3cr3t-K3Y@a.test"),
        endpoint("headers: {A: '{s3cr3t-K3Y}', B: 's3cr3t-K3Y}'}"),
        endpoint("method: \"${KEY}\", data_selector: \"${KEY}..\", auth: {type: \"${KEY}\"}"),
        resource(
            "primary_key: {a: \"${KEY}\"}\nexpect: {max_shrink: \"${KEY}\"}\npartition_by: [{column: a, transform: \"${KEY}\"}]",
        ),
        resource("schema: \"${KEY}\""),
        lake("options: {aws_secret_access_key: [s3cr3t-K3Y]}"),
        lake("x: 1").replace("./lake", "s3://me:s3cr3t-K3Y@bucket"),
        lake("compression: \"${KEY}\", target_file_size: \"${KEY}\""),
        root("name: s3cr3t-K3Y"),
    ];
    for text in inputs {
        let errors = load_text(&text).unwrap_err();
        let shown = format!("{errors} {errors:?}");
        assert!(!shown.to_lowercase().contains("s3cr3t"), "{shown}");
    }
    let plan = plan(&client("auth: {token: \"${KEY}\"}, headers: {A: s3cr3t-K3Y}"));
    assert!(!format!("{plan:?}").contains("s3cr3t"), "{plan:?}");
}

#[test]
fn references_are_filled_in_after_the_yaml_is_parsed() {
    let token = |value: &str| match plan(&client(&format!("auth: {{token: {value}}}"))).client.auth {
        Some(AuthPlan::Bearer { token, .. }) => token.expose().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(token("\"${KEY}\""), "s3cr3t-K3Y");
    assert_eq!(token("\"a-${KEY}-${LIMIT}\""), "a-s3cr3t-K3Y-250");
    assert_eq!(token("\"${NOPE:-dflt}\""), "dflt");
    assert_eq!(token("\"${EMPTY:-dflt}\""), "dflt");
    assert_eq!(token("\"${file:/run/secrets/key}\""), "from-file-s3cr3t");
    assert_eq!(token("\"$${KEY} $$ $5 $\""), "${KEY} $$ $5 $");
    assert_eq!(token("\"${YAML}\""), "x, admin: true}", "no keys come in by a value");
    assert_eq!(token("\"${BRACED}\""), "a{b}c");
}

#[test]
fn a_reference_may_stand_for_a_number_or_a_boolean() {
    let plan = plan(&config(
        "concurrency: \"${TEN:-10}\"",
        "paginator: {type: offset, limit: \"${LIMIT}\"}",
        "",
        "adopt: \"${YES}\"",
        "",
    ));
    assert_eq!(plan.client.concurrency, 10);
    assert!(plan.lake.adopt);
    assert!(matches!(plan.resources[0].endpoint.paginator, PaginatorPlan::Offset { limit: 250, .. }));
}

#[test]
fn a_reference_that_leads_nowhere_is_named() {
    check(
        &client(
            "headers: {A: '${NOPE}', B: '${EMPTY}', C: '${file:none}', D: '${file:locked}', E: '${a b}', F: '${open', G: '${file:}'}",
        ),
        &[
            "2:54: `client.headers.A`: environment variable `NOPE` is not set",
            "2:68: `client.headers.B`: environment variable `EMPTY` is empty",
            "2:83: `client.headers.C`: file `none` does not exist",
            "2:102: `client.headers.D`: file `locked` may not be read: permission denied",
            "2:123: `client.headers.E`: `${a b}` is not a reference: write `${NAME}`, `${NAME:-default}`, `${NAME:public}` or `${file:PATH}`, and `$${` for the characters themselves",
            "2:136: `client.headers.F`: `${open` is not a reference: write `${NAME}`, `${NAME:-default}`, `${NAME:public}` or `${file:PATH}`, and `$${` for the characters themselves",
            "2:149: `client.headers.G`: `${file:}` is not a reference: write `${NAME}`, `${NAME:-default}`, `${NAME:public}` or `${file:PATH}`, and `$${` for the characters themselves",
        ],
    );
    check(
        "name: [${NOPE}]",
        &[
            "1:9: `name`: not valid YAML: while parsing a flow sequence, expected ',' or ']'; put `${…}` in quotes where it stands within `{ }` or `[ ]`",
        ],
    );
}

#[test]
fn other_credentials_are_told_from_those_of_the_run_before() {
    let token_url = "access_token_url: 'https://a.test/t'";
    let texts = [
        client("auth: {type: bearer, token: KEY}"),
        client("auth: {type: api_key, api_key: KEY}"),
        client("auth: {type: http_basic, username: ada, password: KEY}"),
        client(&format!("auth: {{type: oauth2_client_credentials, {token_url}, client_id: KEY, client_secret: s}}")),
        client(&format!("auth: {{type: oauth2_client_credentials, {token_url}, client_id: c, client_secret: KEY}}")),
        client(&format!(
            "auth: {{type: oauth2_client_credentials, {token_url}, client_id: c, client_secret: s, access_token_request_data: {{account: KEY}}}}"
        )),
        client(&format!("auth: {{type: oauth2_refresh_token, {token_url}, client_id: c, refresh_token: KEY}}")),
        client("auth: {type: login, path: in, json: {user: ada, password: KEY}, token_path: t}"),
        client("auth: {type: login, path: in, data: {user: KEY}, token_path: t}"),
        client("auth: {type: login, path: in, headers: {X-Login: KEY}, token_path: t}"),
        client("headers: {X-Tenant-Key: KEY}"),
        endpoint("auth: {type: bearer, token: KEY}"),
        endpoint("headers: {X-Tenant-Key: KEY}"),
    ];
    for text in texts {
        let [one, again, other] = ["one-of-them", "one-of-them", "two-of-them"].map(|key| plan(&text.replace("KEY", key)));
        assert_eq!(one.credentials_check(), again.credentials_check(), "{text}");
        assert_ne!(one.credentials_check(), other.credentials_check(), "{text}");
    }
}
