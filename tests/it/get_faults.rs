//! What `lakeward get` refuses, how, and what it leaves: wrong words, wrong places, answers that are not whole, secrets in arguments.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::support::fake_api::{ANY, FakeApi, Reply, ids};
use crate::support::sandbox::{Ended, Running, Sandbox};

const SECRET: &str = "Canary-in-arguments-7f3a";

fn rows() -> FakeApi {
    FakeApi::start().rows("/rows", 250, 100)
}

fn get(sandbox: &Sandbox, api: &FakeApi, path: &str, options: &[&str]) -> Ended {
    let url = format!("{}{path}", api.url());
    sandbox.lakeward(&[&["get", &url], options].concat())
}

/// A command that is wrong in itself: exit code 2, no request, and all of these words.
#[track_caller]
fn refused(options: &[&str], words: &[&str]) {
    let (api, sandbox) = (rows(), Sandbox::new());
    sandbox.write("folder/x", "");
    get(&sandbox, &api, "/rows", options).failed_with(2, words);
    assert!(api.requests().is_empty());
}

#[test]
fn words_that_are_none_are_told_with_the_nearest_before_a_request_is_made() {
    refused(&["--selct", "id"], &["--selct", "--select"]);
    refused(&["-o", "a.parqet"], &["nothing is known of `.parqet`", "did you mean `-o a.parquet`?"]);
    refused(&["-o", "a.json"], &["`.json` is not written", "did you mean `-o a.ndjson`?"]);
    refused(&["-o", "a"], &["does not say in what it is written", "`--format` says it"]);
    refused(&["-o", "-"], &["`-o -` says no format", "--format"]);
    refused(&["--limit", "0"], &["--limit", "0"]);
    refused(&["--param", "since"], &["`--param` is `NAME=VALUE`"]);
    refused(&["--json", "{"], &["--json: it is no JSON"]);
    refused(&["--json", "[1]"], &["--json: it is no object"]);
    refused(&["--json", "@missing.json"], &["--json: cannot read `missing.json`"]);
    refused(&["--paginator", "ofset"], &["--paginator", "`offset`"]);
    refused(&["--paginator", "{type: offset, limt: 5}"], &["`--paginator.limt`", "did you mean `limit`?"]);
    refused(&["--records", "a["], &["--records"]);
    refused(&["-H", "X-A: 1\r\nX-B: 2"], &["the header `X-A` has a line break"]);
    refused(&["-H", "X A: 1"], &["a header's name"]);
    refused(&["--auth", "bearer:env:NOT_SET"], &["`--auth", "`NOT_SET` is not set"]);
    refused(&["--auth", "bearer:file:missing"], &["missing", "does not exist"]);
}

#[test]
fn a_place_that_takes_no_file_is_told_before_a_request_is_made() {
    refused(&["-o", "folder", "--format", "csv"], &["`folder` is a folder", "-o folder/export.parquet"]);
    refused(&["-o", "no/such/a.csv"], &["the folder of `no/such/a.csv` does not exist", "mkdir -p no/such"]);
    refused(&["-o", "/dev/null", "--format", "csv"], &["`/dev/null` is no regular file", "`-o -`"]);
}

#[test]
fn an_expression_that_is_none_is_told_with_its_place() {
    let (api, sandbox) = (rows(), Sandbox::new());
    let ended = get(&sandbox, &api, "/rows", &["-o", "a.csv", "--where", "status = 'paid'"]);
    ended.failed_with(2, &["--where: ", "did you mean `==`?", "hint: status = 'paid'\nhint:        ^ here\n"]);
    let ended = get(&sandbox, &api, "/rows", &["-o", "a.csv", "--where", "state == 1"]);
    ended.failed_with(3, &["no member `state`"]);
}

#[test]
fn a_url_is_whole_or_told_how_it_would_be() {
    let sandbox = Sandbox::new();
    sandbox
        .lakeward(&["get", "api.test/v1/orders?key=Canary-in-arguments-7f3a"])
        .failed_with(2, &["write `https://api.test/v1/orders`"]);
    sandbox.lakeward(&["get", "localhost:1/x"]).failed_with(2, &["write `http://localhost:1/x`"]);
    sandbox.lakeward(&["get", "ftp://api.test/x"]).failed_with(2, &["neither `http://` nor `https://`"]);
    sandbox.lakeward(&["get"]).failed_with(2, &["URL"]);
    let curl = "curl -k -F a=@b https://api.test/x";
    sandbox.lakeward(&["get", "--from-curl", curl]).failed_with(2, &["--from-curl: ", "`-k`", "`-F`"]);
}

#[test]
fn a_member_that_no_record_has_is_told_with_what_it_may_be() {
    let api = FakeApi::start().page("/all", r#"[{"email":"a","address":{"city":"b"}}]"#);
    let sandbox = Sandbox::new();
    let ended = get(&sandbox, &api, "/all", &["-o", "a.csv", "--select", "emial,address.town"]);
    ended.failed_with(3, &["--select: no record has `emial`; did you mean `email`?", "`address.town`"]);
    assert!(!sandbox.path().join("a.csv").exists());
}

#[test]
fn what_is_not_all_is_exit_code_3_and_leaves_the_file_as_it_was() {
    let api = FakeApi::start().on("/rows", |request| {
        let offset = request.number("offset", 0);
        // The third page is lost: 250 are told, 200 come.
        Reply::json(if offset >= 200 {
            r#"{"data":[],"total":250}"#.to_owned()
        } else {
            format!(r#"{{"data":{},"total":250}}"#, ids(offset..offset + 100))
        })
    });
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "old\n");
    let ended = get(&sandbox, &api, "/rows", &["-o", "a.csv"]);
    ended.failed_with(3, &["250"]);
    assert_eq!(fs::read_to_string(sandbox.path().join("a.csv")).unwrap(), "old\n");
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 1, "nothing is left beside it");
    // On stdout there is nothing then, either.
    let ended = get(&sandbox, &api, "/rows", &["--format", "csv"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(3), ""), "{ended}");
}

#[test]
fn answers_that_are_no_records_are_told_as_what_they_are() {
    let sandbox = Sandbox::new();
    let api = FakeApi::start().on(ANY, |_| Reply::html());
    get(&sandbox, &api, "/rows", &["-o", "a.csv"]).failed_with(3, &["answered with HTML", "look at `URL` and `--auth`"]);
    let api = FakeApi::start().on(ANY, |_| Reply::status(401));
    get(&sandbox, &api, "/rows", &["-o", "a.csv"]).failed_with(4, &["401"]);
    let api = FakeApi::start().on(ANY, |_| Reply::status(404));
    assert_ne!(get(&sandbox, &api, "/rows", &["-o", "a.csv"]).code(), Some(0));
    assert!(!sandbox.path().join("a.csv").exists());
}

#[test]
fn columns_of_one_name_are_refused_with_a_way_out_that_works() {
    let api = FakeApi::start().page("/all", r#"[{"a.b":1,"a":{"b":2}}]"#);
    let sandbox = Sandbox::new();
    get(&sandbox, &api, "/all", &["-o", "a.csv"]).failed_with(3, &["called `a.b`", "--nested json"]);
    let ended = get(&sandbox, &api, "/all", &["-o", "a.csv", "--nested", "json"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(fs::read_to_string(sandbox.path().join("a.csv")).unwrap(), "a.b,a\n1,\"{\"\"b\"\":2}\"\n");
}

#[test]
fn a_link_stays_one_and_what_it_names_is_replaced() {
    let (api, sandbox) = (rows(), Sandbox::new());
    sandbox.write("data/real.csv", "old\n");
    symlink("data/real.csv", sandbox.path().join("a.csv")).unwrap();
    assert_eq!(get(&sandbox, &api, "/rows", &["-o", "a.csv"]).code(), Some(0));
    assert!(sandbox.path().join("a.csv").is_symlink());
    assert_eq!(fs::read_to_string(sandbox.path().join("data/real.csv")).unwrap().lines().count(), 251);
}

#[test]
fn a_full_disk_is_told_and_leaves_the_file_as_it_was() {
    let (api, sandbox) = (rows(), Sandbox::new());
    let sandbox = sandbox.env("TMPDIR", "/nonexistent/folder");
    get(&sandbox, &api, "/rows", &["-o", "a.csv"]).failed_with(75, &["/nonexistent/folder", "hint: `TMPDIR` names the folder"]);
    let elsewhere = Sandbox::new();
    let mut command = elsewhere.command(&["get", &format!("{}/rows", api.url()), "--format", "csv"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = Running::spawn(command.stdout(Stdio::from(full))).end();
    ended.failed_with(75, &["cannot write `stdout`", "make room"]);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let api = FakeApi::start().on("/rows", |request| {
        let start = request.number("offset", 0).min(20_000);
        let end = (start + 10_000).min(20_000);
        let rows: Vec<String> = (start..end).map(|id| json!({"id": id, "text": "x".repeat(200)}).to_string()).collect();
        Reply::json(format!(r#"{{"data":[{}],"total":20000}}"#, rows.join(",")))
    });
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["get", &format!("{}/rows", api.url()), "--format", "csv"]);
    let mut child = command.spawn().unwrap();
    let mut first = [0; 3];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((&first, output.status.code()), (b"id,", Some(0)));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("error"), "{output:?}");
}

#[test]
fn a_secret_in_the_arguments_is_in_no_output_and_soon_in_no_list_of_processes() {
    let api = FakeApi::start().on(ANY, |_| Reply::status(403).body(format!("{{\"error\":\"{SECRET} is refused\"}}")));
    let sandbox = Sandbox::new();
    let url = format!("{}/rows", api.url());
    let with_query = format!("{url}?api_key={SECRET}");
    let curl = format!("curl {url} -u me:{SECRET}");
    let commands: [&[&str]; 5] = [
        &["get", &url, "--auth", &format!("bearer:{SECRET}")],
        &["get", &url, "-H", &format!("X-Api-Key: {SECRET}")],
        &["get", &with_query],
        &["get", "--from-curl", &curl],
        &["get", &url, "--auth", SECRET],
    ];
    for command in commands {
        for more in [&[][..], &["-vv"], &["--log-format", "json"]] {
            let ended = sandbox.lakeward(&[command, more].concat());
            assert_ne!(ended.code(), Some(0), "{ended}");
            assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(SECRET), "{ended}");
        }
    }
}

#[test]
fn a_credential_has_left_the_command_line_when_the_api_is_asked() {
    let api = FakeApi::start().on(ANY, |_| Reply::json("[{\"id\":1}]").delay(Duration::from_secs(30)));
    let sandbox = Sandbox::new();
    let url = format!("{}/rows", api.url());
    let running = Running::spawn(&mut sandbox.command(&["get", &url, "--auth", &format!("bearer:{SECRET}"), "-o", "a.csv"]));
    while api.requests().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(api.requests()[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    let line = fs::read(format!("/proc/{}/cmdline", running.pid())).unwrap();
    let line = String::from_utf8_lossy(&line).into_owned();
    assert!(line.contains("get") && !line.contains("Canary"), "{line}");
    running.kill();
}

#[test]
fn an_interrupted_export_writes_no_file() {
    let api = FakeApi::start()
        .then("/rows", Reply::json(format!(r#"{{"data":{},"total":250}}"#, ids(0..100))))
        .on("/rows", |_| Reply::hang());
    let sandbox = Sandbox::new();
    sandbox.write("a.csv", "old\n");
    let running = Running::spawn(&mut sandbox.command(&["get", &format!("{}/rows", api.url()), "-o", "a.csv"]));
    while api.requests().len() < 2 {
        std::thread::yield_now();
    }
    let killed = std::process::Command::new("kill").args(["-TERM", &running.pid().to_string()]).status().unwrap();
    assert!(killed.success());
    let ended = running.end();
    ended.failed_with(143, &["no file is written"]);
    assert_eq!(fs::read_to_string(sandbox.path().join("a.csv")).unwrap(), "old\n");
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 1);
}
