//! `auth` types with a token, and `client.tls`: what they mean and what is refused.

use super::{client, config, load_text, plan};
use crate::base::Secret;
use crate::config::*;

const RSA: &str = include_str!("../../../tests/fixtures/keys/jwt-rsa.pem");
const EC: &str = include_str!("../../../tests/fixtures/keys/jwt-ec.pem");
const ENCRYPTED: &str = include_str!("../../../tests/fixtures/keys/jwt-encrypted.pem");
const AUTHORITY: &str = include_str!("../../../tests/fixtures/keys/tls-ca.pem");
const CERTIFICATE: &str = include_str!("../../../tests/fixtures/keys/tls-client.pem");
const CERTIFICATE_KEY: &str = include_str!("../../../tests/fixtures/keys/tls-client.key.pem");

/// Text as a double-quoted YAML scalar.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Checks the faults of a config, one a line, without their line and column.
fn check(text: &str, expected: &[&str]) {
    let faults = load_text(text).map_or_else(|errors| errors.faults().iter().map(ToString::to_string).collect(), |_| Vec::new());
    assert_eq!(faults, expected, "\n{text}");
}

fn token(keys: &str) -> TokenPlan {
    match plan(&client(&format!("auth: {keys}"))).client.auth {
        Some(AuthPlan::Token(plan)) => *plan,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_endpoints_auth_wins_over_the_clients_and_null_leaves_it() {
    let of = |endpoint: &str| {
        let text = config("auth: {token: of-the-client}", endpoint, "", "", "");
        let auth = plan(&text).resources.remove(0).endpoint.auth;
        auth.map(|auth| match auth {
            AuthPlan::Bearer { token, .. } => token.expose().to_owned(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(of("auth: {token: of-the-endpoint}").as_deref(), Some("of-the-endpoint"));
    assert_eq!(of("auth: null"), None, "the client's");
    assert_eq!(of(""), None, "the client's");
}

#[test]
fn client_credentials_have_dlts_keys() {
    let keys = "{type: oauth2_client_credentials, access_token_url: 'https://a.test/t', client_id: c, client_secret: s3cr3t-K3Y";
    let TokenPlan { grant: Grant::ClientCredentials { access_token, client }, carried, default_life, hosts, .. } =
        token(&format!("{keys}}}"))
    else {
        panic!()
    };
    assert_eq!((access_token, default_life, hosts.len()), (None, None, 0));
    assert_eq!(carried, Carried::Header { name: "Authorization".to_owned(), prefix: "Bearer ".to_owned() });
    assert_eq!((client.url.as_str(), client.in_header, client.scopes.len()), ("https://a.test/t", false, 0));
    let all = format!(
        "{keys}, access_token: t, access_token_request_data: {{audience: x, level: 5, deep: true, no: null}}, default_token_expiration: 1800, \
         scopes: [a, b c], client_authentication: basic, hosts: [B.test], expired_when: {{status: 403, text: gone}}}}"
    );
    let plan = token(&all);
    let Grant::ClientCredentials { access_token, client } = plan.grant else { panic!() };
    assert_eq!(access_token, Some(Secret::new("t")));
    let data: Vec<String> = client.data.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
    assert_eq!(data, ["audience=x", "level=5", "deep=true"]);
    assert_eq!((client.scopes, client.in_header), (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], true));
    assert_eq!(plan.default_life, Some(std::time::Duration::from_secs(1800)));
    assert_eq!(plan.hosts, ["b.test"]);
    assert_eq!(plan.expired_when, [ExpiredRule { status: Some(403), text: Some("gone".to_owned()), json: None }]);
}

#[test]
fn a_refresh_token_is_kept_beside_the_config_unless_told_otherwise() {
    let file = |keys: &str| {
        let keys =
            format!("{{type: oauth2_refresh_token, access_token_url: 'https://a.test/t', client_id: c, refresh_token: r{keys}}}");
        let Grant::RefreshToken { file, .. } = token(&keys).grant else { panic!() };
        file.to_str().unwrap().to_owned()
    };
    let default = file("");
    assert!(default.starts_with("/etc/lakeward/.lakeward-") && default.ends_with(".token"), "{default}");
    assert_eq!(default, file(", scopes: x"), "the same endpoint and client");
    assert_eq!(file(", token_file: state/t"), "/etc/lakeward/state/t");
    assert_eq!(file(", token_file: /var/t"), "/var/t");
}

#[test]
fn a_jwt_is_about_the_client_unless_told_otherwise() {
    for kind in ["oauth2_jwt", "oauth_jwt"] {
        let keys = format!("{{type: {kind}, client_id: c, private_key: {}, auth_endpoint: 'https://a.test/t'}}", quoted(RSA));
        let Grant::Jwt(jwt) = token(&keys).grant else { panic!() };
        assert_eq!((jwt.issuer.as_str(), jwt.subject.as_str(), jwt.audience.as_str()), ("c", "c", "https://a.test/t"));
        assert_eq!((jwt.algorithm, jwt.key_id), (JwtAlgorithm::Rs256, None));
    }
    let keys = format!(
        "{{type: oauth2_jwt, client_id: c, private_key: {}, auth_endpoint: 'https://a.test/t', algorithm: ES256, key_id: k, audience: a, issuer: i, subject: s, scopes: x, headers: {{A: b}}}}",
        quoted(EC)
    );
    let Grant::Jwt(jwt) = token(&keys).grant else { panic!() };
    assert_eq!((jwt.issuer.as_str(), jwt.subject.as_str(), jwt.audience.as_str()), ("i", "s", "a"));
    assert_eq!((jwt.algorithm, jwt.key_id.as_deref(), jwt.headers.len()), (JwtAlgorithm::Es256, Some("k"), 1));
}

#[test]
fn a_private_key_that_cannot_sign_is_refused_before_any_request() {
    let keys = |key: &str, more: &str| {
        client(&format!(
            "auth: {{type: oauth2_jwt, client_id: c, auth_endpoint: 'https://a.test/t', private_key: {}{more}}}",
            quoted(key)
        ))
    };
    let place = "`client.auth.private_key`:";
    check(
        &keys(ENCRYPTED, ", private_key_passphrase: x"),
        &[&format!(
            "{place} the private key is encrypted, which is not read; decrypt it with `openssl pkey -in key.pem -out key.plain.pem`, keep that file safe, and name it here"
        )],
    );
    check(
        &keys("nonsense", ""),
        &[&format!("{place} expected a private key in PEM, `-----BEGIN PRIVATE KEY-----` and so on, found other text")],
    );
    let unfit = |name: &str| {
        format!("{place} this private key cannot sign with {name}: it is damaged, or of another kind than `algorithm`")
    };
    check(&keys(EC, ""), &[&unfit("RS256")]);
    check(&keys(RSA, ", algorithm: ES256"), &[&unfit("ES256")]);
    check(&keys(&RSA.replace('M', "N"), ""), &[&unfit("RS256")]);
}

#[test]
fn a_login_is_below_the_base_url_and_its_body_is_taken_literally() {
    let plan = token("{type: login, path: /session, json: {user: '{ada}', n: 5, deep: [true, null]}, token_path: a.b}");
    let Grant::Login(login) = plan.grant else { panic!() };
    assert_eq!((login.url.as_str(), login.method), ("http://a.test/v1/session", Method::Post));
    let LoginBody::Json(text, secrets) = login.body else { panic!() };
    assert_eq!((text.expose(), secrets.len()), (r#"{"user":"{ada}","n":5,"deep":[true,null]}"#, 1));
    let plan = token("{type: login, url: 'https://b.test/in', method: GET, data: {a: b}, token_path: t, then: {header: X-T}}");
    assert_eq!(plan.carried, Carried::Header { name: "X-T".to_owned(), prefix: String::new() });
    assert_eq!(token("{type: login, path: in, cookie: true}").carried, Carried::Cookies);
}

#[test]
fn what_does_not_go_together_is_refused() {
    check(
        &client("auth: {type: login, path: a, url: 'http://b.test', json: {a: b}, data: {a: b}}"),
        &[
            "`client.auth`: `token_path` is missing: where the answer has the token; or write `cookie: true` for an API with session cookies",
            "`client.auth.url`: `url` and `path` exclude each other; keep one",
            "`client.auth.json`: `json` and `data` exclude each other; keep one",
        ],
    );
    check(
        &client("auth: {type: login, url: 'http://b.test', cookie: true, hosts: [c.test]}"),
        &[
            "`client.auth.url`: cookies go back to the host that set them, so this must be on the host of `client.base_url`",
            "`client.auth.hosts`: `hosts` has no use with `cookie: true`",
        ],
    );
    let rules = |rules: &str| {
        client(&format!(
            "auth: {{expired_when: {rules}, type: oauth2_client_credentials, client_id: c, client_secret: s, access_token_url: 'http://b.test'}}"
        ))
    };
    let every = "this rule holds for every page: give it a `text`, a `json_path`, or a `status` of 300 or more";
    check(&rules("{status: 200}"), &[&format!("`client.auth.expired_when`: {every}")]);
    check(&rules("[{}]"), &[&format!("`client.auth.expired_when[0]`: {every}")]);
    check(&rules("{equals: x}"), &["`client.auth.expired_when.equals`: `equals` needs the `json_path` it is compared with"]);
    check(
        &client(
            "auth: {type: oauth2_client_credentials, client_id: c, client_secret: s, access_token_url: 'x', session: {}, scope: a}",
        ),
        &[
            "`client.auth.access_token_url`: expected an `http://` or `https://` URL, found the text `x`",
            "`client.auth.session`: `session` needs Python and has no place in a config file; see `client.timeout`, `client.retry` and `client.tls`",
            "`client.auth.scope`: `scope` does not stand here; write it as `scopes`",
        ],
    );
}

#[test]
fn certificates_are_tried_out() {
    let tls = |certificate: &str, key: &str, authority: &str| {
        let keys = [("certificate", certificate), ("key", key), ("ca_certificate", authority)];
        let keys: Vec<String> =
            keys.iter().filter(|(_, pem)| !pem.is_empty()).map(|(key, pem)| format!("{key}: {}", quoted(pem))).collect();
        client(&format!("tls: {{{}}}", keys.join(", ")))
    };
    let settled = plan(&tls(CERTIFICATE, CERTIFICATE_KEY, AUTHORITY)).client.tls.unwrap();
    assert!(settled.identity.is_some() && settled.authorities.is_some());
    let both = format!("{CERTIFICATE}{CERTIFICATE_KEY}");
    assert!(plan(&tls(&both, "", "")).client.tls.unwrap().identity.is_some());
    let refused = |text: &str, expected: &str| {
        let errors = load_text(text).unwrap_err().to_string();
        assert!(errors.contains(expected), "{errors}");
        assert!(!errors.contains("MII"), "{errors}");
    };
    refused(&tls("x", CERTIFICATE_KEY, ""), "expected a certificate in PEM");
    refused(&tls(CERTIFICATE, "x", ""), "expected a private key in PEM");
    refused(&tls(CERTIFICATE, "", ""), "the certificate's private key is missing");
    refused(&tls("", CERTIFICATE_KEY, ""), "a private key needs its certificate");
    refused(&tls(CERTIFICATE, EC, ""), "one is damaged, or they are not a pair");
    refused(&tls(CERTIFICATE, ENCRYPTED, ""), "decrypt it with `openssl pkey");
    refused(&tls("", "", "x"), "expected certificates in PEM");
    refused(&tls("", "", &AUTHORITY.replace('M', "N")), "expected certificates in PEM");
    refused(&client("tls: {}"), "`certificate` is missing");
    let gone = load_text(&client("tls: {ca_certificate: '${file:gone.pem}'}")).unwrap_err().to_string();
    assert!(gone.contains("gone.pem") && !gone.contains("is missing"), "{gone}");
}
