//! `lakeward mcp` lets an assistant look at a lake: what it is told is what `status`, `runs` and `check` tell, and nothing changes.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::billing::{KEY, answer, things, things_config};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Ended, Sandbox, files_under};

/// A lake of one table, and its API.
fn lake() -> (FakeApi, Sandbox) {
    let api = things(|_| answer(&json!({"data": [{"id": 1, "name": "a", "o": {"x": 1}}, {"id": 2, "name": null}]})));
    let resource =
        "primary_key: id\nwrite_disposition: merge\nendpoint: {path: /things, data_selector: data, paginator: single_page}";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), resource));
    sandbox.run_ok();
    (api, sandbox)
}

/// The server, given these lines on stdin.
pub(crate) fn ended(sandbox: &Sandbox, of: &str, lines: &[String]) -> Ended {
    let mut command = sandbox.command(&["mcp", of]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    let give = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // One that did not begin reads nothing.
    let _ = give.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Its answers to the lines, and the exit code.
fn talk(sandbox: &Sandbox, of: &str, lines: &[String]) -> (Vec<Value>, Option<i32>) {
    let ended = ended(sandbox, of, lines);
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (ended.stdout.lines().map(parse).collect(), ended.code())
}

fn call(id: u64, tool: &str, arguments: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}).to_string()
}

/// What tools told.
fn told(sandbox: &Sandbox, of: &str, calls: &[(&str, Value)]) -> Vec<Value> {
    let lines: Vec<String> = calls.iter().zip(1..).map(|((tool, arguments), id)| call(id, tool, arguments.clone())).collect();
    let (answers, code) = talk(sandbox, of, &lines);
    assert_eq!((answers.len(), code), (calls.len(), Some(0)), "{answers:?}");
    answers.into_iter().map(|answer| answer["result"].clone()).collect()
}

#[test]
fn an_assistant_greets_the_server_and_finds_its_tools() {
    let (_api, sandbox) = lake();
    let greet = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let lines = [
        greet.to_string(),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(),
        json!({"jsonrpc": "2.0", "id": "a", "method": "ping"}).to_string(),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).to_string(),
    ];
    let (answers, code) = talk(&sandbox, "lake", &lines);
    assert_eq!((answers.len(), code), (3, Some(0)), "{answers:?}");
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(answers[0]["result"]["serverInfo"]["name"], "lakeward");
    assert_eq!((&answers[1]["id"], &answers[1]["result"]), (&json!("a"), &json!({})));
    let tools = answers[2]["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["status", "runs", "run", "schema", "sample", "check"]);
    assert!(tools.iter().all(|tool| tool["annotations"]["readOnlyHint"] == true), "{tools:?}");
    assert_eq!(tools[4]["inputSchema"]["required"], json!(["table"]));
}

#[test]
fn tools_tell_what_the_lake_holds_and_change_nothing() {
    let (api, sandbox) = lake();
    let (before, asked) = (files_under(&sandbox.lake()), api.requests().len());
    let id = sandbox.lakeward(&["runs", "lake", "--json"]).summary()["run"].as_str().unwrap().to_owned();
    let calls = [
        ("status", json!({})),
        ("runs", json!({"limit": 1})),
        ("run", json!({"id": id})),
        ("schema", json!({"table": "things"})),
        ("sample", json!({"table": "things", "rows": 1})),
        ("check", json!({})),
    ];
    let told = told(&sandbox, "lakeward.yaml", &calls);
    assert!(told.iter().all(|result| result["isError"] == false), "{told:?}");
    for result in &told {
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"]);
    }
    let of = |at: usize| &told[at]["structuredContent"];
    assert_eq!(of(0)["pipelines"][0]["tables"][0]["rows"], 2);
    assert_eq!(of(1)["pipelines"][0]["runs"][0]["run"], json!(id));
    assert_eq!(of(2)["report"]["status"], "success");
    assert_eq!((&of(3)["primary_key"], &of(3)["columns"][0]["type"]), (&json!(["id"]), &json!("int64")));
    assert_eq!((&of(4)["rows_in_all"], &of(4)["rows"]), (&json!(2), &json!([{"id": "1", "name": "a", "o": "{x: 1}"}])));
    assert_eq!(of(5)["status"], "success");
    assert!(!format!("{told:?}").contains(KEY), "{told:?}");
    assert!(files_under(&sandbox.lake()) == before);
    assert_eq!(api.requests().len(), asked);
}

#[test]
fn a_wrong_call_is_told_with_the_way_out_and_ends_nothing() {
    let (_api, sandbox) = lake();
    let told = told(
        &sandbox,
        "lake",
        &[
            ("schema", json!({"table": "thing"})),
            ("run", json!({"id": "nothing"})),
            ("check", json!({})),
            ("sample", json!({"table": "things"})),
        ],
    );
    for (result, says) in told.iter().zip(["did you mean `things`?", "no run `nothing` is known of", "started with a lake"]) {
        assert_eq!(result["isError"], true, "{result}");
        assert!(result["content"][0]["text"].as_str().unwrap().contains(says), "{result}");
    }
    assert_eq!(told[3]["isError"], false, "{told:?}");
    let lines = [
        "{".to_owned(),
        "[]".to_owned(),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/drop"}).to_string(),
        call(2, "drop", json!({})),
        call(3, "schema", json!({})),
        call(4, "sample", json!({"table": "things", "where": "x"})),
        call(5, "sample", json!({"table": "things", "rows": -1})),
        format!("\"{}\"", "x".repeat(3 << 20)),
        json!({"jsonrpc": "2.0", "id": 6, "method": "ping"}).to_string(),
    ];
    let (answers, code) = talk(&sandbox, "lake", &lines);
    let codes: Vec<Option<i64>> = answers.iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    let wanted = [-32700, -32600, -32601, -32602, -32602, -32602, -32602, -32700].map(Some);
    assert_eq!((codes[..8].to_vec(), codes[8], code), (wanted.to_vec(), None, Some(0)), "{answers:?}");
    assert_eq!(answers[8]["id"], 6);
}

#[test]
fn a_place_without_a_lake_ends_the_server_at_once() {
    let sandbox = Sandbox::new();
    let (answers, code) = talk(&sandbox, "nowhere", &[json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string()]);
    assert_eq!((answers, code), (Vec::new(), Some(2)));
}
