//! A secret is hidden at every place that takes one, and in every spelling in which an API says it back.
//!
//! Each place of [`PLACES`] sends the canary; the API answers each resource by another of [`spellings`] at another of [`ANSWERS`]. Then
//! every output and every file but the tables themselves is searched for every spelling.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::support::fake_api::{ANY, FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox, files_under};

const CANARY: &str = "C4n4ry~k+y/Zq9=&<p";

/// Every character by `spell`.
fn each(spell: impl Fn(char) -> String) -> String {
    CANARY.chars().map(spell).collect()
}

/// Letters and digits as they are, everything else by `spell`.
fn others(spell: impl Fn(char) -> String) -> String {
    each(|c| if c.is_ascii_alphanumeric() { c.to_string() } else { spell(c) })
}

/// The canary as servers say it back, by name; the second is what must not be seen, where neighbours change the ends.
fn spellings() -> Vec<(&'static str, String, String)> {
    let whole = |name, text: String| (name, text.clone(), text);
    let middle = |name, text: String, ends: usize| {
        let seen = text.trim_end_matches('=');
        (name, text.clone(), seen[ends..seen.len() - 4].to_owned())
    };
    let named = |c: char| match c {
        '~' => "~".to_owned(),
        '+' => "&plus;".to_owned(),
        '/' => "&sol;".to_owned(),
        '=' => "&equals;".to_owned(),
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        other => other.to_string(),
    };
    vec![
        whole("as it is", CANARY.to_owned()),
        whole("percent, upper case", others(|c| format!("%{:02X}", u32::from(c)))),
        whole("percent, lower case", others(|c| format!("%{:02x}", u32::from(c)))),
        whole("percent twice", others(|c| format!("%25{:02X}", u32::from(c)))),
        whole("form", url::form_urlencoded::byte_serialize(CANARY.as_bytes()).collect()),
        whole("JSON of PHP", CANARY.replace('/', "\\/")),
        whole("JSON of .NET", others(|c| format!("\\u{:04X}", u32::from(c)))),
        whole("JSON, lower case", others(|c| format!("\\u{:04x}", u32::from(c)))),
        whole("HTML, named", others(named)),
        whole("HTML, decimal", each(|c| format!("&#{};", u32::from(c)))),
        whole("HTML, hexadecimal", others(|c| format!("&#x{:x};", u32::from(c)))),
        whole("upper case", CANARY.to_uppercase()),
        middle("Base64", STANDARD.encode(CANARY), 0),
        middle("Base64 of URLs", URL_SAFE_NO_PAD.encode(CANARY), 0),
        middle("Base64 behind one byte", URL_SAFE.encode(format!(":{CANARY}!")), 4),
        middle("Base64 behind a user", STANDARD.encode(format!("user:{CANARY}")), 8),
        middle("Base64 twice", STANDARD.encode(STANDARD.encode(CANARY)), 0),
        whole("base 16", each(|c| format!("{:02x}", u32::from(c)))),
        whole("base 32", base_32(CANARY.as_bytes())),
        whole("octal", each(|c| format!("\\{:03o}", u32::from(c)))),
    ]
}

/// RFC 4648, section 6, without padding.
fn base_32(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let digit = |at: usize| usize::from_str_radix(&format!("{:0<5}", &bits[at..bits.len().min(at + 5)]), 2).unwrap();
    (0..bits.len()).step_by(5).map(|at| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[digit(at)])).collect()
}

/// What an API answers that says something back.
type Echo = fn(&str) -> Reply;

/// Ways to answer, by the end of the resource's path: what the API says, and what is odd about it.
const ANSWERS: [(&str, Echo); 7] = [
    ("refused", |echo| Reply::status(403).body(format!("no: {echo}"))),
    ("missing", |echo| Reply::status(404).body(json!({"error": {"message": echo}}).to_string())),
    ("page", |echo| Reply::json(format!("<html>{echo}</html>")).header("content-type", "text/html")),
    ("error", |echo| Reply::json(json!({"error": echo, "data": echo}).to_string())),
    ("cut", |echo| Reply::json(format!("{{\"data\": [{{\"a\": \"{echo}"))),
    ("moved", |echo| Reply::status(302).header("location", &format!("http://127.0.0.2:9/{echo}?q={echo}"))),
    ("linked", |echo| {
        Reply::json(json!({"data": [{"id": 1}], "next": format!("http://127.0.0.2:9/{echo}?q={echo}")}).to_string())
    }),
];

/// An API that knows the canary, and says it back.
fn api() -> FakeApi {
    let answer = |request: &Request| {
        let (before, last) = request.path.rsplit_once('/').unwrap_or_default();
        let (number, spelled) = (last.parse::<usize>().ok(), spellings());
        let name = number.map_or(last, |_| before.rsplit('/').next().unwrap_or_default());
        let echo = &spelled[number.unwrap_or_default().min(spelled.len() - 1)].1;
        match name {
            "columns" => {
                let names = spelled.iter().map(|(_, text, _)| format!("{}: {}", json!(text), json!([text])));
                let names: Vec<String> = names.chain(["\"id\": 1".to_owned()]).collect();
                Reply::json(format!("{{\"data\": [{{{}}}], \"next\": null}}", names.join(", ")))
            }
            // All but one of these lack the key.
            "rejected" => {
                let records = spelled.iter().map(|(_, text, _)| json!({"v": text, "u": [text]}));
                let records: Vec<_> = records.chain([json!({"id": 1})]).collect();
                Reply::json(json!({"data": records, "next": null}).to_string())
            }
            "grant" => Reply::json(json!({"access_token": CANARY}).to_string()).header("set-cookie", "sid=C4n4ry~k+y/Zq9=&<p"),
            "token" => Reply::json(json!({"access_token": "t0ken-of-some-length", "refresh_token": CANARY}).to_string()),
            "deny" => Reply::status(401).body(json!({"error": echo, "error_description": echo}).to_string()),
            "odd" => Reply::json(json!({echo: 1, "b": echo}).to_string()),
            name => match ANSWERS.iter().find(|(known, _)| *known == name) {
                Some((_, reply)) => reply(echo),
                None => Reply::status(500).body(format!("{} {}", request.path, request.raw_query)),
            },
        }
    };
    FakeApi::start().on(ANY, answer)
}

/// A place that takes a secret: what stands at `client`, at every endpoint, and before every path.
struct Place {
    name: &'static str,
    client: &'static str,
    endpoint: &'static str,
    prefix: &'static str,
}

const fn client(name: &'static str, client: &'static str) -> Place {
    Place { name, client, endpoint: "", prefix: "" }
}

const fn endpoint(name: &'static str, endpoint: &'static str) -> Place {
    Place { name, client: "", endpoint, prefix: "" }
}

/// `URL` is the API's. The canary is `${CANARY}`, or what the API grants.
const PLACES: [Place; 25] = [
    client("bearer token", r#"auth: {type: bearer, token: "${CANARY}"}"#),
    client("literal token", r#"auth: {type: bearer, token: "C4n4ry~k+y/Zq9=&<p"}"#),
    client("token of a file", r#"auth: {type: bearer, token: "${file:canary.txt}"}"#),
    client("API key in the query", r#"auth: {type: api_key, name: k, api_key: "${CANARY}", location: query}"#),
    client("API key in a header", r#"auth: {type: api_key, name: X-K, api_key: "${CANARY}", location: header}"#),
    client("API key in a cookie", r#"auth: {type: api_key, name: k, api_key: "${CANARY}", location: cookie}"#),
    client("password", r#"auth: {type: http_basic, username: user, password: "${CANARY}"}"#),
    client("user name", r#"auth: {type: http_basic, username: "${CANARY}", password: x}"#),
    client("header of the client", r#"headers: {X-Own: "id ${CANARY}"}"#),
    client("literal header", r#"headers: {X-Own: "C4n4ry~k+y/Zq9=&<p"}"#),
    client(
        "client secret",
        r#"auth: {type: oauth2_client_credentials, access_token_url: "URL/token", client_id: me-1, client_secret: "${CANARY}"}"#,
    ),
    client(
        "member of a token request",
        r#"auth: {type: oauth2_client_credentials, access_token_url: "URL/token", client_id: me-1, client_secret: x, access_token_request_data: {audience: "${CANARY}"}}"#,
    ),
    client(
        "token that was granted",
        r#"auth: {type: oauth2_client_credentials, access_token_url: "URL/grant", client_id: me-1, client_secret: x}"#,
    ),
    client(
        "further token in a grant",
        r#"auth: {type: oauth2_client_credentials, access_token_url: "URL/token", client_id: me-1, client_secret: x}"#,
    ),
    client("login", r#"auth: {type: login, url: "URL/token", json: {user: ada, pass: ["${CANARY}"]}, token_path: access_token}"#),
    client(
        "form of a login",
        r#"auth: {type: login, url: "URL/token", data: {user: ada, code: "${CANARY}"}, token_path: access_token}"#,
    ),
    client("session of a login", r#"auth: {type: login, url: "URL/grant", json: {user: ada}, cookie: true}"#),
    endpoint("header", r#"headers: {X-Own: "${CANARY}"}"#),
    endpoint("parameter", r#"params: {name: "${CANARY}", page: 1}"#),
    endpoint("JSON body", r#"method: POST, json: {a: [{name: "x ${CANARY} y"}]}"#),
    endpoint("form", r#"method: POST, data: {name: "${CANARY}"}"#),
    endpoint("raw body", r#"method: POST, data: "<a>${CANARY}</a>""#),
    endpoint("GraphQL", r#"method: POST, json: {query: "query($k: String) {{a}}", variables: {k: "${CANARY}"}}"#),
    Place { name: "path", client: "", endpoint: "", prefix: "bot${CANARY}/" },
    Place { name: "base URL", client: "base_url: \"URL/${CANARY}/\"", endpoint: "", prefix: "" },
];

/// A config with a resource for each of `answers` in every spelling.
fn config(place: &Place, url: &str, answers: &[&str]) -> String {
    let mut text =
        format!("name: t\nclient:\n  retry: {{max_retries: 1, initial_delay: 1ms}}\n  {}\n", place.client.replace("URL", url));
    if !place.client.starts_with("base_url") {
        text.push_str(&format!("  base_url: {url}\n"));
    }
    let keys = if place.endpoint.is_empty() { String::new() } else { format!(", {}", place.endpoint) };
    text.push_str(&format!(
        "resource_defaults:\n  primary_key: id\n  write_disposition: merge\n  on_reject: quarantine\n  max_rejects: 50\n  \
         endpoint: {{data_selector: data, paginator: {{type: json_link, next_url_path: next}}{keys}}}\nlake: {{url: ./lake}}\nresources:\n"
    ));
    let prefix = place.prefix;
    for name in answers {
        let all = if ["columns", "rejected"].contains(name) { 1 } else { spellings().len() };
        for number in 0..all {
            text.push_str(&format!("  - {{name: {name}_{number}, endpoint: {{path: \"{prefix}{name}/{number}\"}}}}\n"));
        }
    }
    text
}

/// Fails with the line that shows the canary.
#[track_caller]
fn check_hidden(place: &str, what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for (spelling, _, seen) in spellings() {
        let line = text.lines().find(|line| line.contains(&seen));
        assert!(line.is_none(), "{place}: {what} shows the canary ({spelling}):\n{}", line.unwrap_or_default());
    }
}

fn check_ended(place: &str, ended: &Ended) {
    check_hidden(place, "stdout", ended.stdout.as_bytes());
    check_hidden(place, "stderr", ended.stderr.as_bytes());
}

fn check_place(place: &Place, url: &str) {
    let answers: Vec<&str> = ANSWERS.iter().map(|(name, _)| *name).chain(["rejected"]).collect();
    let sandbox = Sandbox::with_config(&config(place, url, &answers)).env("CANARY", CANARY);
    sandbox.write("columns.yaml", &config(place, url, &["columns"]));
    sandbox.write("canary.txt", &format!("{CANARY}\n"));
    for format in ["text", "json"] {
        let ended = sandbox.lakeward(&["run", "lakeward.yaml", "-vv", "--log-format", format, "--report", "report.json"]);
        assert_eq!(ended.code(), Some(20), "{}: {ended}", place.name);
        assert!(ended.stderr.matches("***").count() > 50, "{}: {ended}", place.name);
        check_ended(place.name, &ended);
    }
    let ended = sandbox.lakeward(&["preview", "columns.yaml", "columns_0"]);
    assert_eq!(ended.code(), Some(0), "{}: {ended}", place.name);
    assert!(ended.stdout.contains("***"), "{}: {ended}", place.name);
    check_ended(place.name, &ended);
    check_ended(place.name, &sandbox.lakeward(&["status", "lakeward.yaml"]));
    let mut quarantined = 0;
    for (path, bytes) in files_under(sandbox.path()) {
        let is_ours = ["lakeward.yaml", "columns.yaml", "canary.txt"].contains(&path.as_str());
        if !is_ours && !path.ends_with(".parquet") {
            check_hidden(place.name, &path, &bytes);
        }
        quarantined += if path.contains("quarantine") { String::from_utf8_lossy(&bytes).matches("***").count() } else { 0 };
    }
    assert!(quarantined >= spellings().len(), "{}: {quarantined} in quarantine", place.name);
}

/// Every fifth place from `first` on, so that the tests run side by side.
fn check_places(first: usize) {
    let api = api();
    PLACES.iter().skip(first).step_by(5).for_each(|place| check_place(place, &api.url()));
}

#[test]
fn a_canary_is_hidden_at_every_place_and_in_every_spelling() {
    check_places(0);
}

#[test]
fn a_canary_is_hidden_at_every_place_and_in_every_spelling_2() {
    check_places(1);
}

#[test]
fn a_canary_is_hidden_at_every_place_and_in_every_spelling_3() {
    check_places(2);
}

#[test]
fn a_canary_is_hidden_at_every_place_and_in_every_spelling_4() {
    check_places(3);
}

#[test]
fn a_canary_is_hidden_at_every_place_and_in_every_spelling_5() {
    check_places(4);
}

#[test]
fn a_canary_is_hidden_in_what_a_token_endpoint_says() {
    let api = api();
    for number in 0..spellings().len() {
        for way in ["deny", "odd"] {
            let auth = format!(
                "auth: {{type: oauth2_client_credentials, access_token_url: \"{}/{way}/{number}\", client_id: me, client_secret: \"${{CANARY}}\"}}",
                api.url()
            );
            let text = format!(
                "name: t\nclient:\n  base_url: {}\n  {auth}\nlake: {{url: ./lake}}\nresources: [{{name: a, endpoint: {{path: a, paginator: single_page}}}}]\n",
                api.url()
            );
            let sandbox = Sandbox::with_config(&text).env("CANARY", CANARY);
            let ended = sandbox.run();
            assert_eq!(ended.code(), Some(if way == "deny" { 4 } else { 3 }), "{ended}");
            assert!(ended.stderr.contains("***"), "{ended}");
            check_ended(way, &ended);
        }
    }
}

#[test]
fn what_is_public_or_a_name_is_shown() {
    let api = FakeApi::start().on(ANY, |_| Reply::status(404).body("no eu-central-1 in nightly-orders, asked by C4n4ry-1"));
    let text = "name: \"${NAME}\"\nclient: {base_url: \"${BASE}\", headers: {X-Region: \"${REGION:public}\", X-Key: \"${SECRET}\"}}\nlake: {url: ./lake}\n\
                resources: [{name: \"${NAME}\", endpoint: {path: a, paginator: single_page, params: {r: \"${REGION}\", d: \"${DAY:-2026-11-01}\", z: \"${Z:public:-zone-of-none}\"}}}]\n";
    let sandbox = |base: &str| {
        let sandbox = Sandbox::with_config(text).env("NAME", "nightly-orders").env("BASE", base);
        sandbox.env("REGION", "eu-central-1").env("SECRET", "C4n4ry-1")
    };
    let ended = sandbox(&format!("{}/v1/", api.url())).run();
    let request = &api.requests()[0];
    assert_eq!((request.param("r"), request.param("z")), (Some("eu-central-1"), Some("zone-of-none")));
    ended.failed_with(3, &["no eu-central-1 in nightly-orders, asked by ***", &format!("{}/v1/a", api.url())]);
    // Of a base URL, user info is a secret even where it is refused.
    let ended = sandbox(&format!("{}/v1/", api.url().replace("http://", "http://us-er-1:pass-word-1@"))).run();
    assert!(ended.code() == Some(2) && !ended.to_string().contains("pass-word-1"), "{ended}");
}
