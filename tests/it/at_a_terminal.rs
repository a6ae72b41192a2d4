//! What people see of a run: on a terminal of 80 columns, on one that knows no escapes, and in the log.

use std::process::Command;

use serde_json::json;

use crate::support::billing::{answer, things};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Running, Sandbox};

const KEY: &str = "k-7Qx2-s3cret";

/// 60 records in pages of 10, counted, of which the third page is held up once for a second.
fn counted(request: &Request) -> Reply {
    let from = request.number("offset", 0);
    let data: Vec<_> = (from..(from + 10).min(60)).map(|id| json!({"id": id})).collect();
    answer(&json!({"data": data, "total": 60}))
}

fn api() -> FakeApi {
    FakeApi::start()
        .then("/orders", Reply::status(503).header("retry-after", "1"))
        .on("/orders", counted)
        .on("/items", counted)
        .page("/warned", r#"[{"id": 1, "Name": "\u001b[31mred"}]"#)
}

fn config(api: &FakeApi) -> String {
    format!(
        "name: shop\nclient:\n  base_url: {}\n  concurrency: 1\n  auth: {{type: api_key, name: api_key, api_key: '${{KEY}}', location: query}}\n\
         \x20 headers: {{X-Shop: '4711-shop'}}\nlake: {{url: ./lake}}\nresource_defaults: {{primary_key: id, write_disposition: merge}}\nresources:\n\
         \x20 - {{name: orders, endpoint: {{path: orders, params: {{state: 'paid & sent'}}, data_selector: data, paginator: {{type: offset, limit: 10}}}}}}\n\
         \x20 - {{name: items, endpoint: {{path: items, data_selector: data, paginator: {{type: offset, limit: 10}}}}}}\n\
         \x20 - {{name: warned, write_disposition: null, primary_key: null, endpoint: {{path: warned, paginator: single_page}}}}\n",
        api.url()
    )
}

fn sandbox(api: &FakeApi) -> Sandbox {
    Sandbox::with_config(&config(api)).env("KEY", KEY)
}

/// `lakeward` on a terminal of 80 columns: both streams, as it shows them.
fn on_terminal(sandbox: &Sandbox, variables: &[(&str, &str)], arguments: &str) -> Ended {
    let inner = sandbox.command(&[]);
    let line = format!("stty cols 80 rows 24; exec {} {arguments}", inner.get_program().to_str().unwrap());
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).current_dir(sandbox.path()).env_clear().env("TERM", "xterm-256color");
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).envs(variables.iter().copied());
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    Running::spawn(&mut command).end()
}

/// The text without escapes, cut where the cursor goes back or on to another line.
fn drawn(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            plain.push(c);
        } else if rest.next() == Some('[') {
            let end = rest.find(|c| c.is_ascii_alphabetic());
            if end != Some('m') {
                plain.push('\n');
            }
        }
    }
    plain.split(['\n', '\r']).map(str::to_owned).collect()
}

#[test]
fn on_a_terminal_there_are_short_lines_with_what_the_api_counts_and_no_json() {
    let api = api();
    let first = sandbox(&api);
    let ended = on_terminal(&first, &[], "run lakeward.yaml");
    assert_eq!(ended.code(), Some(0), "{ended}");
    let lines = drawn(&ended.stdout);
    // Lines follow each other without a break, each filled up to the edge.
    let is_long = |line: &&String| {
        let columns: Vec<char> = line.chars().collect();
        line.contains(" · ") && columns.chunks(80).rev().skip(1).any(|shown| shown.last() != Some(&' '))
    };
    assert_eq!(lines.iter().find(is_long), None);
    let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["orders", "waiting ", " s: the API answered 503"]), "{lines:#?}");
    assert!(has(&["/3 resources", "at work"]), "{lines:#?}");
    assert!(!has(&["\"status\""]), "{lines:#?}");
    // From the second night on, rows are there twice.
    let again = on_terminal(&first, &[], "run lakeward.yaml");
    assert!(again.stdout.contains("\u{1b}[33mwarning:\u{1b}[0m warned:"), "{again}");
    let asked = on_terminal(&sandbox(&api), &[("NO_COLOR", "1")], "run lakeward.yaml --json");
    assert!(drawn(&asked.stdout).iter().any(|line| line.contains("\"status\":\"success\"")), "{asked}");
    assert!(!asked.stdout.contains("\u{1b}[33m"), "{asked}");
}

#[test]
fn a_terminal_that_knows_no_escapes_and_a_build_server_get_plain_lines() {
    let api = api();
    for variables in [[("TERM", "dumb")], [("CI", "true")]] {
        let ended = on_terminal(&sandbox(&api), &variables, "run lakeward.yaml");
        assert_eq!(ended.code(), Some(0), "{ended}");
        assert!(ended.stdout.lines().any(|line| line.starts_with("orders: ") && line.contains("60 records")), "{ended}");
        let is_dumb = variables[0].0 == "TERM";
        assert!(!ended.stdout.contains('\u{1b}') || !is_dumb, "{ended}");
        assert!(!ended.stdout.contains("\u{1b}[2K") && !ended.stdout.contains("at work"), "{ended}");
    }
}

#[test]
fn each_request_is_logged_as_a_command_for_curl_that_lets_nobody_in() {
    let api = api();
    let sandbox = sandbox(&api);
    let quiet = sandbox.run_ok();
    assert!(!quiet.stderr.contains("curl"), "{quiet}");
    let before = api.requests().len();
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "-v"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let line = ended.stderr.lines().find(|line| line.contains("orders, page 3: answered 200 in ")).unwrap_or_default();
    assert_eq!(
        ended.stderr.lines().filter(|line| line.contains("curl --compressed")).count(),
        api.requests().len() - before,
        "{ended}"
    );
    assert!(!ended.stderr.contains(KEY) && !ended.stderr.contains("4711-shop") && !ended.stderr.contains("judged"), "{ended}");
    // As it is pasted, a shell takes it for one command with these words.
    let (_, pasted) = line.split_once("curl ").unwrap();
    let words = Command::new("sh").args(["-c", &format!("printf '%s\\n' {pasted}")]).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    let [compressed, url, option, header] = words.lines().collect::<Vec<_>>()[..] else { panic!("{words}") };
    assert_eq!([compressed, option, header], ["--compressed", "-H", "x-shop: ***"]);
    assert!(url.starts_with(&format!("{}/orders?", api.url())), "{url}");
    for parameter in ["state=paid+%26+sent", "limit=10", "offset=20", "api_key=***"] {
        assert!(url.contains(parameter), "{url}");
    }

    let decisions = sandbox.lakeward(&["run", "lakeward.yaml", "-vv"]);
    for words in ["judged resource=\"orders\" page=6 records=10 follows=", "curl --compressed"] {
        assert!(decisions.stderr.contains(words), "{words}: {decisions}");
    }
    let held_up = api.then("/orders", Reply::status(503).header("retry-after", "1"));
    let again = Sandbox::with_config(&config(&held_up)).env("KEY", KEY).lakeward(&["run", "lakeward.yaml", "-vv"]);
    for words in
        ["tried again resource=\"orders\" page=1 attempts=\"1\"", "the schema is wider resource=\"orders\" page=1 columns=\"id\""]
    {
        assert!(again.stderr.contains(words), "{words}: {again}");
    }
    let things = things(|_| Reply::status(500));
    let failing = format!(
        "name: p\nclient: {{base_url: '{}', retry: {{max_retries: 0}}}}\nlake: {{url: ./lake}}\nresources: [things]\n",
        things.url()
    );
    let failing = Sandbox::with_config(&failing).lakeward(&["run", "lakeward.yaml", "-v", "--log-format", "json"]);
    let logged = failing.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    assert!(
        logged.into_iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("answered 500"))),
        "{failing}"
    );
}
