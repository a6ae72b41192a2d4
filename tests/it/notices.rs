//! Who is told of a run besides the terminal: a metrics file, OpenLineage, Dagster, the config's own commands, logs in JSON.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use regex::Regex;
use serde_json::{Value, json};

use crate::support::billing::{KEY, answer, things, things_config};
use crate::support::fake_api::{ANY, FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

/// An API of three records that can be made to fail, and a config with these top-level keys.
fn shop(keys: &str) -> (FakeApi, Arc<AtomicBool>, Sandbox) {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let api = things(move |_| match down.load(Ordering::SeqCst) {
        true => Reply::status(404),
        false => answer(&json!({"data": [{"id": 1, "o": {"a": 1.5}}, {"id": 2}, {"id": 3}]})),
    });
    let resource =
        "primary_key: id\nwrite_disposition: merge\nendpoint: {path: /things, data_selector: data, paginator: single_page}";
    let sandbox = Sandbox::with_config(&format!("{}{keys}\n", things_config(&api.url(), resource)));
    (api, is_down, sandbox)
}

fn text(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.path().join(name)).unwrap_or_else(|error| panic!("`{name}`: {error}"))
}

/// The lines of a file of JSON.
fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The value of a series, in a file that keeps to the grammar of Prometheus' text format.
#[track_caller]
fn metric(text: &str, series: &str) -> Option<f64> {
    let comment = Regex::new(r"^# (HELP [a-zA-Z_:][a-zA-Z0-9_:]* [^\n]+|TYPE [a-zA-Z_:][a-zA-Z0-9_:]* gauge)$").unwrap();
    let label = r#"[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*""#;
    let sample = Regex::new(&format!(r"^[a-zA-Z_:][a-zA-Z0-9_:]*\{{{label}(,{label})*\}} -?[0-9]+(\.[0-9]+)?$")).unwrap();
    let (mut typed, mut found) = (Vec::new(), None);
    assert!(text.ends_with('\n'), "{text}");
    for line in text.lines() {
        if line.starts_with('#') {
            assert!(comment.is_match(line), "`{line}` is no comment of the format");
            typed.extend(line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()));
            continue;
        }
        assert!(sample.is_match(line), "`{line}` is no sample of the format");
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert_eq!(typed.last().copied(), name.split('{').next(), "a sample stands behind its type");
        if name == series {
            assert_eq!(found.replace(value.parse().unwrap()), None, "`{name}` is told twice");
        }
    }
    typed.sort_unstable();
    let types = typed.len();
    typed.dedup();
    assert_eq!(typed.len(), types, "a name has one type");
    found
}

#[test]
fn metrics_are_what_the_run_came_to_and_the_last_good_load_outlives_bad_nights() {
    let (_api, is_down, sandbox) = shop("");
    let run = |code: i32| {
        let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--metrics", "lakeward.prom"]);
        assert_eq!(ended.code(), Some(code), "{ended}");
        text(&sandbox, "lakeward.prom")
    };
    let good = run(0);
    let of = |text: &str, name: &str| metric(text, &format!("lakeward_{name}"));
    let resource = r#"{pipeline="things",resource="things"}"#;
    assert_eq!(of(&good, r#"run_success{pipeline="things"}"#), Some(1.0), "{good}");
    assert_eq!(of(&good, r#"run_exit_code{pipeline="things"}"#), Some(0.0));
    assert_eq!(of(&good, &format!("resource_rows_inserted{resource}")), Some(3.0));
    assert_eq!(of(&good, &format!("resource_table_rows{resource}")), Some(3.0));
    assert_eq!(of(&good, &format!("resource_success{resource}")), Some(1.0));
    let last = of(&good, &format!("resource_last_success_timestamp_seconds{resource}"));
    assert!(last.is_some_and(|last| last > 1.7e9), "{good}");
    let mode = fs::metadata(sandbox.path().join("lakeward.prom")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "the collector is another user");
    is_down.store(true, Ordering::SeqCst);
    let bad = run(3);
    assert_eq!(of(&bad, r#"run_success{pipeline="things"}"#), Some(0.0), "{bad}");
    assert_eq!(of(&bad, &format!("resource_success{resource}")), Some(0.0));
    assert_eq!(of(&bad, &format!("resource_last_success_timestamp_seconds{resource}")), last);
    sandbox.write("lakeward.yaml", "name: [");
    let unread = run(2);
    assert_eq!(of(&unread, r#"run_success{pipeline="things"}"#), Some(0.0), "{unread}");
    assert_eq!(of(&unread, &format!("resource_last_success_timestamp_seconds{resource}")), last);
}

#[test]
fn metrics_that_cannot_be_written_stop_before_any_request() {
    let (api, _, sandbox) = shop("");
    fs::create_dir(sandbox.path().join("folder")).unwrap();
    std::os::unix::net::UnixListener::bind(sandbox.path().join("socket")).unwrap();
    for (path, why) in [
        ("no/such/run.prom", "does not exist\nhint: `mkdir -p no/such` makes it"),
        ("folder", "is a folder; name a file in it, such as `--metrics folder/lakeward.prom`"),
        ("socket", "is no regular file"),
    ] {
        let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--metrics", path]);
        ended.failed_with(2, &[&format!("`{path}` "), why]);
    }
    // Nor is what is no file replaced where the run fails before it looks there.
    let broken = Sandbox::with_config("name: [");
    std::os::unix::net::UnixListener::bind(broken.path().join("socket")).unwrap();
    let ended = broken.lakeward(&["run", "lakeward.yaml", "--metrics", "socket"]);
    ended.failed_with(2, &["cannot be written to `socket`: it is no regular file"]);
    assert_eq!(api.requests().len(), 0);
    sandbox.lakeward(&["run", "lakeward.yaml", "--metrics", "a.prom", "--dry-run"]).failed_with(2, &["--metrics", "--dry-run"]);
}

/// A config's hooks, a script that keeps what it was given, and the config's sandbox.
fn hooked() -> (FakeApi, Arc<AtomicBool>, Sandbox) {
    let (api, is_down, sandbox) = shop("hooks: {on_success: [./keep.sh, good], on_failure: [./keep.sh, bad]}");
    sandbox.write(
        "keep.sh",
        "#!/bin/sh\ncat >\"$1.json\"\necho \"$LAKEWARD_STATUS $LAKEWARD_EXIT_CODE $LAKEWARD_PIPELINE $LAKEWARD_RUN_ID\" >\"$1.env\"\n\
         printf 'kept \\033[31m%s\\n' \"$1\"\n",
    );
    fs::set_permissions(sandbox.path().join("keep.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    (api, is_down, sandbox)
}

#[test]
fn a_hook_is_given_the_summary_of_a_good_run_and_of_a_bad_one() {
    let (_api, is_down, sandbox) = hooked();
    let good = sandbox.run_ok();
    assert_eq!(serde_json::from_str::<Value>(&text(&sandbox, "good.json")).unwrap(), good.summary());
    let run_id = good.summary()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(text(&sandbox, "good.env"), format!("success 0 things {run_id}\n"));
    assert!(good.stderr.contains("hook: kept \\u{1b}[31mgood"), "{good}");
    assert!(!sandbox.path().join("bad.json").exists());
    is_down.store(true, Ordering::SeqCst);
    let bad = sandbox.run();
    bad.failed_with(3, &["404"]);
    assert_eq!(serde_json::from_str::<Value>(&text(&sandbox, "bad.json")).unwrap(), bad.summary());
    assert!(!text(&sandbox, "bad.json").contains(KEY));
    // One that did not begin, too.
    fs::remove_file(sandbox.path().join("bad.json")).unwrap();
    let refused = sandbox.lakeward(&["run", "lakeward.yaml", "--resource", "nothing"]);
    refused.failed_with(2, &["nothing"]);
    assert_eq!(serde_json::from_str::<Value>(&text(&sandbox, "bad.json")).unwrap()["error"], refused.summary()["error"]);
    let dry = sandbox.lakeward(&["run", "lakeward.yaml", "--dry-run", "--resource", "nothing"]);
    assert!(!dry.stderr.contains("hook"), "{dry}");
}

#[test]
fn whatever_becomes_of_a_hook_the_run_is_as_it_is() {
    for (hook, says) in [
        ("[./absent.sh]", "the hook `./absent.sh` failed: No such file"),
        ("[sh, -c, 'exit 7']", "the hook `sh` failed: exit status: 7"),
        ("[sh, -c, 'head -c 300000 /dev/zero | tr \"\\0\" x']", "… and 234464 bytes more"),
        ("['true']", ""),
    ] {
        let (_api, _, sandbox) = shop(&format!("hooks: {{on_success: {hook}}}"));
        let ended = sandbox.run_ok();
        assert!(ended.stderr.contains(says), "{hook}\n{ended}");
    }
    for (hooks, says) in [
        ("{on_failure: []}", "a program and its arguments"),
        ("{on_failure: ['']}", "a program and its arguments"),
        ("{on_failure: echo}", "list"),
        ("{on_failed: [echo]}", "on_failure"),
    ] {
        let (api, _, sandbox) = shop(&format!("hooks: {hooks}"));
        sandbox.run().failed_with(2, &[says]);
        assert_eq!(api.requests().len(), 0);
    }
}

#[test]
fn lineage_is_told_where_its_variables_say() {
    let backend = FakeApi::start().on(ANY, |_| Reply::status(201));
    let (_api, is_down, sandbox) = shop("");
    let parent = "airflow://prod/nightly.load/0192f0a1-7d2e-7c4b-8e1f-1234567890ab";
    let sandbox = sandbox
        .env("OPENLINEAGE_URL", &backend.url())
        .env("OPENLINEAGE_API_KEY", "l1neage-k3y-of-ours")
        .env("OPENLINEAGE_NAMESPACE", "warehouse")
        .env("OPENLINEAGE_PARENT_ID", parent);
    let ended = sandbox.run_ok();
    assert!(!format!("{ended}").contains("l1neage-k3y-of-ours"), "{ended}");
    is_down.store(true, Ordering::SeqCst);
    sandbox.run().failed_with(3, &["404"]);
    let requests = backend.requests();
    let told: Vec<Value> = requests.iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    let kinds: Vec<&str> = told.iter().map(|event| event["eventType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["START", "COMPLETE", "START", "FAIL"]);
    for request in &requests {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/lineage"));
        assert_eq!(request.header("authorization"), Some("Bearer l1neage-k3y-of-ours"));
    }
    let [start, complete, again, fail] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(start["run"]["runId"], complete["run"]["runId"]);
    assert_ne!(start["run"]["runId"], again["run"]["runId"]);
    assert_eq!((&complete["job"]["namespace"], &complete["job"]["name"]), (&json!("warehouse"), &json!("things")));
    let facet = &complete["run"]["facets"]["parent"];
    assert_eq!((&facet["job"]["namespace"], &facet["job"]["name"]), (&json!("airflow://prod"), &json!("nightly.load")));
    let table = &complete["outputs"][0];
    assert_eq!(
        (&table["namespace"], &table["name"]),
        (&json!("file"), &json!(sandbox.lake().join("things").display().to_string()))
    );
    let fields = &table["facets"]["schema"]["fields"];
    assert_eq!((&fields[0]["name"], &fields[0]["type"]), (&json!("id"), &json!("int64")));
    assert_eq!((&fields[1]["type"], &fields[1]["fields"][0]["name"]), (&json!("struct"), &json!("a")));
    assert_eq!(table["outputFacets"]["outputStatistics"]["rowCount"], 3);
    assert_eq!(complete["inputs"][0]["name"], "things");
    assert_eq!(fail["outputs"], json!([]));
    assert!(fail["run"]["facets"]["errorMessage"]["message"].as_str().unwrap().contains("404"), "{fail}");
}

#[test]
fn lineage_goes_to_a_file_and_what_cannot_be_told_is_a_warning() {
    let with = |variables: &[(&str, &str)]| {
        let (_api, _, sandbox) = shop("");
        let sandbox = variables.iter().fold(sandbox, |sandbox, (name, value)| sandbox.env(name, value));
        (sandbox.run_ok(), sandbox)
    };
    const TYPE: &str = "OPENLINEAGE__TRANSPORT__TYPE";
    const PATH: &str = "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH";
    let (_, sandbox) = with(&[(TYPE, "file"), (PATH, "lineage.ndjson"), ("OPENLINEAGE__TRANSPORT__APPEND", "true")]);
    let kinds: Vec<Value> = events(&text(&sandbox, "lineage.ndjson")).iter().map(|event| event["eventType"].clone()).collect();
    assert_eq!(kinds, ["START", "COMPLETE"]);
    let (_, sandbox) = with(&[(TYPE, "file"), (PATH, "lineage")]);
    let files = fs::read_dir(sandbox.path()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.starts_with("lineage-") && name.ends_with(".json")
    });
    assert_eq!(files.count(), 2);
    let (console, _) = with(&[(TYPE, "console")]);
    assert_eq!(console.stderr.matches("lineage: {\"eventType\"").count(), 2, "{console}");
    let refusing = FakeApi::start().on(ANY, |_| Reply::status(403));
    for (variables, says) in [
        (&[(TYPE, "kafka")][..], "lakeward has `http`, `file` and `console`"),
        (&[(TYPE, "file")], "`OPENLINEAGE__TRANSPORT__LOG_FILE_PATH` is not set"),
        (&[("OPENLINEAGE_CONFIG", "a.yml")], "`OPENLINEAGE_CONFIG` is not read"),
        (&[("OPENLINEAGE_URL", "not a url")], "its URL is not one of"),
        (&[("OPENLINEAGE_URL", &refusing.url())], "answered 403"),
        (&[("OPENLINEAGE_URL", "http://127.0.0.1:9"), ("OPENLINEAGE_PARENT_ID", "x")], "`OPENLINEAGE_PARENT_ID` is not"),
    ] {
        let (ended, _) = with(variables);
        assert!(ended.stderr.contains(says), "{variables:?}\n{ended}");
    }
    assert_eq!(refusing.requests().len(), 2);
    let (silent, _) = with(&[("OPENLINEAGE_URL", "http://127.0.0.1:9"), ("OPENLINEAGE_DISABLED", "true")]);
    assert!(!silent.stderr.contains("lineage"), "{silent}");
}

/// As Dagster hands something to a process.
pub(crate) fn parameter(value: &Value) -> String {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(value.to_string().as_bytes()).unwrap();
    STANDARD.encode(packed.finish().unwrap())
}

#[test]
fn dagster_is_told_which_assets_were_made_and_how_the_run_ended() {
    let under = |assets: &[&str], messages: Value| {
        let (api, is_down, sandbox) = shop("");
        let context = json!({"data": {"asset_keys": assets, "run_id": "r", "job_name": "j", "extras": {}}});
        let sandbox =
            sandbox.env("DAGSTER_PIPES_CONTEXT", &parameter(&context)).env("DAGSTER_PIPES_MESSAGES", &parameter(&messages));
        (api, is_down, sandbox)
    };
    let methods = |messages: &[Value]| messages.iter().map(|it| it["method"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (_api, is_down, sandbox) = under(&["lake/things", "lake/others"], json!({"path": "messages"}));
    let ended = sandbox.run_ok();
    let messages = events(&text(&sandbox, "messages"));
    assert_eq!(methods(&messages), ["opened", "report_asset_materialization", "closed"]);
    assert!(messages.iter().all(|message| message["__dagster_pipes_version"] == "0.1"), "{messages:?}");
    let made = &messages[1]["params"];
    assert_eq!((&made["asset_key"], &made["data_version"]), (&json!("lake/things"), &json!("1")));
    assert_eq!(made["metadata"]["dagster/row_count"], json!({"raw_value": 3, "type": "int"}));
    assert_eq!(made["metadata"]["lakeward/run_id"]["raw_value"], ended.summary()["run_id"]);
    is_down.store(true, Ordering::SeqCst);
    sandbox.run().failed_with(3, &[]);
    let messages = events(&text(&sandbox, "messages"));
    assert_eq!(methods(&messages[3..]), ["opened", "closed"]);
    assert!(messages[4]["params"]["exception"]["message"].as_str().unwrap().contains("404"), "{messages:?}");
    // One asset for the whole run, on a stream that Dagster reads.
    let (_api, _, sandbox) = under(&["nightly"], json!({"stdio": "stderr"}));
    let ended = sandbox.run_ok();
    let told: Vec<Value> = ended.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(told[1]["params"]["asset_key"], "nightly", "{ended}");
    for messages in [json!({"bucket": "b"}), json!("x")] {
        let (_api, _, sandbox) = under(&["a"], messages);
        let ended = sandbox.run_ok();
        assert!(ended.stderr.contains("Dagster is told nothing"), "{ended}");
    }
}

#[test]
fn a_run_that_changed_nothing_is_a_skip_for_airflow_when_asked() {
    let (_api, is_down, sandbox) = shop("");
    let run = || sandbox.lakeward(&["run", "lakeward.yaml", "--skip-unchanged"]);
    let codes: Vec<Ended> = vec![run(), run()];
    assert_eq!(codes.iter().map(Ended::code).collect::<Vec<_>>(), [Some(0), Some(99)], "{}", codes[1]);
    assert_eq!(codes[1].summary()["status"], "success");
    is_down.store(true, Ordering::SeqCst);
    assert_eq!(run().code(), Some(3));
}

#[test]
fn each_line_of_a_json_log_says_of_which_run_and_resource_it_is() {
    let (_api, _, sandbox) = shop("");
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "-vv", "--log-format", "json"]);
    let lines = events(&ended.stderr);
    let run_id = &ended.summary()["run_id"];
    for line in &lines {
        assert!(line["time"].is_string() && line["event"].is_string(), "{line}");
        assert!(["DEBUG", "INFO", "WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "{line}");
    }
    let of_run: Vec<&Value> = lines.iter().skip_while(|line| line["run_id"].is_null()).collect();
    assert!(of_run.len() > 5, "{ended}");
    assert!(of_run.iter().all(|line| line["run_id"] == *run_id && line["pipeline"] == "things"), "{ended}");
    let logged = of_run.iter().filter(|line| line["event"] == "log" && line["resource"] == "things");
    assert!(logged.count() > 0, "{ended}");
}
