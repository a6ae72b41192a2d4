//! No credential appears in any output or in any file, whatever goes wrong.

use serde_json::json;

use crate::support::billing::{answer, things, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox, files_under};

const SECRET: &str = "S3cr3t~k+y/Zq9=";

/// A config with these credentials; the secret comes from the environment.
fn sandbox(api: &FakeApi, auth: &str) -> Sandbox {
    let sandbox = Sandbox::with_config(&format!(
        "name: t\nclient:\n  base_url: {}\n  auth: {auth}\n  retry: {{max_retries: 1, initial_delay: 1ms}}\n\
         resources:\n  - name: things\n    write_disposition: append\n    endpoint: {{path: /things, data_selector: data, paginator: single_page}}\n\
         lake: {{url: ./lake}}\n",
        &api.url()
    ));
    sandbox.env("API_SECRET", SECRET)
}

/// Looks for the secret, as it is and as it is written in URLs and headers, in outputs and in all files of the sandbox.
#[track_caller]
fn check_hidden(sandbox: &Sandbox, ended: &Ended) {
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let percent = percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC).to_string();
    // `user:S3cr3t~k+y/Zq9=` in Base64, and the secret with `:` before it at the two other alignments.
    let basic = ["dXNlcjpTM2NyM3R+ayt5L1pxOT0=", "UzNjcjN0"];
    let forms = [SECRET, encoded.as_str(), percent.as_str(), basic[0], basic[1]];
    let shown = |text: &[u8]| forms.iter().any(|form| text.windows(form.len()).any(|window| window == form.as_bytes()));
    assert!(!shown(ended.stdout.as_bytes()), "stdout shows the secret:\n{ended}");
    assert!(!shown(ended.stderr.as_bytes()), "stderr shows the secret:\n{ended}");
    for (path, bytes) in files_under(sandbox.path()) {
        assert!(!shown(&bytes), "{path} holds the secret");
    }
}

const KINDS: [&str; 5] = [
    r#"{type: api_key, name: token, api_key: "${API_SECRET}", location: query}"#,
    r#"{type: api_key, name: X-Key, api_key: "${API_SECRET}", location: header}"#,
    r#"{type: api_key, name: session, api_key: "${API_SECRET}", location: cookie}"#,
    r#"{type: bearer, token: "${API_SECRET}"}"#,
    r#"{type: http_basic, username: user, password: "${API_SECRET}"}"#,
];

/// What an unkind API says: it repeats the whole request, credentials and all.
fn echo(request: &Request) -> String {
    format!("you sent {:?} and {:?}", request.query, request.headers)
}

#[test]
fn a_run_hides_its_credentials_at_every_log_level() {
    for auth in KINDS {
        let api = things(|_| answer(&json!({"data": [wallet(1)]})));
        let sandbox = sandbox(&api, auth);
        for arguments in [vec!["run", "lakeward.yaml", "-vv"], vec!["run", "lakeward.yaml", "-vv", "--log-format", "json"]] {
            let ended = sandbox.lakeward(&arguments);
            assert_eq!(ended.code(), Some(0), "{ended}");
            check_hidden(&sandbox, &ended);
        }
        for arguments in [
            vec!["check", "lakeward.yaml", "--online"],
            vec!["preview", "lakeward.yaml", "things"],
            vec!["status", "lakeward.yaml"],
        ] {
            check_hidden(&sandbox, &sandbox.lakeward(&arguments));
        }
    }
}

#[test]
fn the_credentials_do_reach_the_api() {
    let sent = |request: &Request| {
        let cookie = request.header("cookie").unwrap_or_default();
        [request.param("token"), request.header("x-key"), cookie.strip_prefix("session=")].contains(&Some(SECRET))
            || request
                .header("authorization")
                .is_some_and(|value| value.contains(SECRET) || value == "Basic dXNlcjpTM2NyM3R+ayt5L1pxOT0=")
    };
    for auth in KINDS {
        let api = things(|_| answer(&json!({"data": [wallet(1)]})));
        sandbox(&api, auth).run_ok();
        assert!(api.requests().iter().all(sent), "{auth}: {:?}", api.requests());
    }
}

#[test]
fn errors_hide_credentials_even_when_the_api_repeats_them() {
    for auth in KINDS {
        for status in [401, 403, 404, 500] {
            let api = things(move |request| Reply::status(status).body(echo(request)));
            let sandbox = sandbox(&api, auth);
            let ended = sandbox.lakeward(&["run", "lakeward.yaml", "-vv"]);
            let expected = [(401, 4), (403, 4), (404, 3), (500, 75)].into_iter().find(|(s, _)| *s == status).unwrap().1;
            assert_eq!(ended.code(), Some(expected), "{ended}");
            check_hidden(&sandbox, &ended);
        }
    }
}

#[test]
fn bad_pages_and_links_hide_credentials() {
    for auth in KINDS {
        let answers: [fn(&Request) -> Reply; 4] = [
            |request| Reply::json(echo(request)),
            |request| answer(&json!({"error": echo(request)})),
            |request| {
                Reply::status(302).header("location", &format!("http://127.0.0.2:9/?{}", echo(request).replace([' ', '"'], "")))
            },
            |request| answer(&json!({"data": echo(request)})).cut_at(20),
        ];
        for answer in answers {
            let api = things(answer);
            let sandbox = sandbox(&api, auth);
            let ended = sandbox.lakeward(&["run", "lakeward.yaml", "-vv"]);
            assert!([3, 75].contains(&ended.code().unwrap()), "{ended}");
            check_hidden(&sandbox, &ended);
        }
    }
}

#[test]
fn config_errors_hide_what_was_read_from_the_environment() {
    let api = things(|_| Reply::status(404));
    for config in [
        "name: \"${API_SECRET}\"\nclient: {base_url: http://127.0.0.1}\nresources: [x]\nlake: {url: ./lake}\n",
        "name: t\nclient: {base_url: \"${API_SECRET}\"}\nresources: [x]\nlake: {url: ./lake}\n",
        "name: t\nclient: {base_url: http://127.0.0.1, auth: {type: bearer, tokn: \"${API_SECRET}\"}}\nresources: [x]\nlake: {url: ./lake}\n",
        "name: t\nclient: {base_url: \"http://user:${API_SECRET}@127.0.0.1:1\"}\nresources: [x]\nlake: {url: ./lake, compression: \"${API_SECRET}\"}\n",
    ] {
        let sandbox = sandbox(&api, "{type: bearer, token: x}");
        sandbox.write("lakeward.yaml", config);
        let ended = sandbox.run();
        assert_eq!(ended.code(), Some(2), "{ended}");
        check_hidden(&sandbox, &ended);
    }
}

#[test]
fn credentials_come_from_files_too() {
    let api = things(|_| answer(&json!({"data": [wallet(1)]})));
    let sandbox = sandbox(&api, r#"{type: bearer, token: "${file:key.txt}"}"#);
    sandbox.write("key.txt", &format!("{SECRET}\n"));
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "-vv"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(api.requests()[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    std::fs::remove_file(sandbox.path().join("key.txt")).unwrap();
    check_hidden(&sandbox, &ended);
}

/// A config whose API is at `base_url`, with a token in the query, or one that is fetched from `token_url`.
fn behind(base_url: &str, token_url: Option<&str>) -> Sandbox {
    let auth = match token_url {
        None => r#"{type: api_key, name: token, api_key: "${API_SECRET}", location: query}"#.to_owned(),
        Some(url) => format!(
            "{{type: oauth2_client_credentials, access_token_url: \"{url}\", client_id: me, client_secret: \"${{API_SECRET}}\"}}"
        ),
    };
    Sandbox::with_config(&format!(
        "name: t\nclient:\n  base_url: {base_url}\n  auth: {auth}\n  retry: {{max_retries: 0}}\n\
         resources: [{{name: things, endpoint: {{path: /things, paginator: single_page}}}}]\nlake: {{url: ./lake}}\n"
    ))
    .env("API_SECRET", SECRET)
}

#[test]
fn what_is_for_this_machine_goes_past_the_proxy() {
    let api = FakeApi::start().page("/things", r#"[{"id":1}]"#).page("/token", r#"{"access_token":"t0ken-1234"}"#);
    let port = api.host().rsplit_once(':').unwrap().1.to_owned();
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.1.", "localhost.", "x.localhost", "x.localhost."] {
        let proxy = FakeApi::start();
        let sandbox =
            behind(&format!("http://{host}:{port}"), None).env("http_proxy", &proxy.url()).env("all_proxy", &proxy.url());
        let ended = sandbox.run();
        assert!(proxy.requests().is_empty(), "{host}: the proxy was asked {:?}\n{ended}", proxy.requests());
        // Whether names below `localhost` lead anywhere is the resolver's matter.
        assert!(host.contains("x.") || host.ends_with('.') || ended.code() == Some(0), "{host}: {ended}");
    }
    // The API is elsewhere, and goes through the proxy; the token endpoint is here, and does not.
    let proxy = FakeApi::start().on("http://api.test/things", |_| Reply::json("[]"));
    let sandbox = behind("http://api.test", Some(&format!("http://localhost:{port}/token"))).env("http_proxy", &proxy.url());
    let ended = sandbox.run();
    let asked: Vec<String> = proxy.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["http://api.test/things"], "{ended}");
    // So does a store on this machine.
    let (proxy, store) = (FakeApi::start(), FakeApi::start());
    let sandbox = behind(&api.url(), None).env("http_proxy", &proxy.url());
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    let options = "{aws_endpoint: ENDPOINT, aws_access_key_id: a, aws_secret_access_key: b, aws_region: r}";
    let options = options.replace("ENDPOINT", &store.url().replace("127.0.0.1", "localhost"));
    sandbox.write("lakeward.yaml", &config.replace("{url: ./lake}", &format!("{{url: s3://bucket/lake, options: {options}}}")));
    let ended = sandbox.run();
    assert!(proxy.requests().is_empty() && !store.requests().is_empty(), "{:?} {ended}", proxy.requests());
}
