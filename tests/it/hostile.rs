//! Names and values from outside do nothing to a terminal or a log: every place that prints is sent one that would like to.
//!
//! [`PLACES`] has every file of `src/cli` that prints; `tests/it/tidy.rs` sees to it that none is left out.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::fake_api::{ANY, FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Running, Sandbox};

/// Colours, a line break that begins a line of its own, and what turns, hides or ends a line.
const HOSTILE: &str = "h\u{1b}[31m\u{9b}1m\nFORGED\r\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{7f}\u{85}t";

/// What is run for one file that prints.
type Runs = fn() -> Vec<Ended>;

/// Every file of `src/cli` that prints, and runs in which it prints what is hostile.
pub(crate) const PLACES: [(&str, Runs); 39] = [
    ("abandon.rs", abandon),
    ("adopt.rs", adopt),
    ("chaos/mod.rs", chaos),
    ("check.rs", check),
    ("ddl.rs", ddl),
    ("demo/mod.rs", demo),
    ("diff.rs", diff),
    ("doctor.rs", doctor),
    ("exit.rs", exit),
    ("files.rs", files),
    ("compact.rs", compact),
    ("gc.rs", gc),
    ("get/mod.rs", get),
    ("get/request.rs", get),
    ("get/target.rs", get),
    ("history.rs", history),
    ("import.rs", import),
    ("init.rs", init),
    ("keep.rs", keep),
    ("mcp.rs", mcp),
    ("mod.rs", usage),
    ("notices/hooks.rs", notices),
    ("notices/lineage.rs", notices),
    ("notices/mod.rs", notices),
    ("notices/pipes.rs", notices),
    ("page.rs", page),
    ("preview.rs", preview),
    ("progress.rs", progress),
    ("recording.rs", recording),
    ("repair.rs", repair),
    ("rollback.rs", rollback),
    ("run.rs", run),
    ("shell.rs", shell),
    ("runs.rs", runs),
    ("shard.rs", shard),
    ("status.rs", status),
    ("table.rs", table),
    ("ui.rs", ui),
    ("verify.rs", verify),
];

/// A text as YAML and JSON have it, in ASCII.
fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' => "\\\"".to_owned(),
        c if c.is_ascii_graphic() || c == ' ' => c.to_string(),
        c => format!("\\u{:04x}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// Records with hostile names and values, errors with hostile words, and addresses that are no better.
fn api() -> FakeApi {
    FakeApi::start().on(ANY, |request: &Request| match request.path.as_str() {
        "/rows" => Reply::json(
            json!({"data": [{"id": 1, HOSTILE: HOSTILE, "at": "2026-01-01"}, {"id": 2, "o": {HOSTILE: [HOSTILE]}}]}).to_string(),
        ),
        "/few" => Reply::json(json!({"data": [{"id": 1, HOSTILE: 1}, {"id": HOSTILE}, {"v": HOSTILE}]}).to_string()),
        "/members" => Reply::json(json!({HOSTILE: 1, "other": HOSTILE}).to_string()),
        "/named" => Reply::json(json!({HOSTILE: [{"id": 1}, {"id": 2}]}).to_string()),
        "/error" => Reply::json(json!({"error": HOSTILE, "message": HOSTILE}).to_string()),
        "/refused" => Reply::status(403).body(HOSTILE),
        "/moved" => Reply::status(302).header("location", "http://127.0.0.2:9/a\u{202e}b%1b%0aFORGED\u{9b}"),
        "/linked" => Reply::json(json!({"data": [{"id": 1}], "next": format!("http://127.0.0.2:9/{HOSTILE}")}).to_string()),
        "/packed" => Reply::json("{}").header("content-encoding", "x\u{202e}FORGED\u{9b}"),
        "/page" => Reply::json(HOSTILE).header("content-type", "text/h\u{202e}FORGED\u{9b}").header("server", "s\u{202e}\u{9b}"),
        _ => Reply::status(404),
    })
}

fn config(url: &str, resources: &str) -> String {
    format!("name: t\nclient: {{base_url: {url}, retry: {{max_retries: 0}}}}\nlake: {{url: ./lake}}\nresources:\n{resources}")
}

fn resource(name: &str, more: &str) -> String {
    format!("  - {{name: {name}, endpoint: {{path: {name}, data_selector: data, paginator: single_page}}, {more}}}\n")
}

/// Resources that fail in as many ways.
fn failing() -> String {
    let names = ["members", "error", "refused", "moved", "packed", "page"];
    let mut text: String = names.iter().map(|name| resource(name, "write_disposition: append")).collect();
    text.push_str(
        "  - {name: linked, endpoint: {path: linked, data_selector: data, paginator: {type: json_link, next_url_path: next}}}\n",
    );
    text
}

fn check() -> Vec<Ended> {
    let api = api();
    let keys = format!("primary_key: [id, {}], write_disposition: merge", quoted(HOSTILE));
    let sandbox = Sandbox::with_config(&config(&api.url(), &format!("{}{}", resource("rows", &keys), failing())));
    vec![sandbox.lakeward(&["check", "lakeward.yaml"]), sandbox.lakeward(&["check", "lakeward.yaml", "--online"])]
}

fn demo() -> Vec<Ended> {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path().join(HOSTILE)).unwrap();
    vec![sandbox.lakeward(&["demo", "--folder", HOSTILE])]
}

fn exit() -> Vec<Ended> {
    let sandbox = Sandbox::with_config(&config("http://127.0.0.1:9", &resource("a", "primary_key: id")));
    let name = quoted(HOSTILE);
    let faulty = [
        format!(
            "{name}: 1\nname: {name}\nclient: {{base_url: {name}, {name}: 1}}\nresources: [{{name: {name}}}, {{name: b, primary_key: {{{name}: 1}}}}]\nlake: {{url: {name}, compression: {name}}}\n"
        ),
        config(
            "http://a.test",
            &format!(
                "  - {{name: a, endpoint: {{path: \"{{x}}\", params: {{p: {name}, q: \"{{{}}}\"}}, data_selector: {name}}}}}\n",
                "resources.n.m"
            ),
        ),
        HOSTILE.to_owned(),
    ];
    let mut ended = vec![
        sandbox.lakeward(&["run", HOSTILE]),
        sandbox.lakeward(&["run", "lakeward.yaml", "--resource", HOSTILE]),
        sandbox.lakeward(&["preview", "lakeward.yaml", HOSTILE, "--log-format", "json"]),
        sandbox.lakeward(&["backfill", "lakeward.yaml", "--from", HOSTILE, "--to", HOSTILE]),
    ];
    for text in faulty {
        sandbox.write(HOSTILE, &text);
        ended.push(sandbox.lakeward(&["check", HOSTILE]));
        ended.push(sandbox.lakeward(&["check", HOSTILE, "--log-format", "json"]));
    }
    ended
}

fn init() -> Vec<Ended> {
    let (sandbox, api) = (Sandbox::new(), api());
    let mut ended = Vec::new();
    for path in ["/rows", "/few", "/named", "/members", "/error", "/refused", "/linked", "/page"] {
        let url = format!("{}{path}", api.url());
        for typed in [&["probe", &url][..], &["probe", &url, "--json"], &["init", &url]] {
            ended.push(sandbox.lakeward(typed));
        }
    }
    let url = format!("{}/rows", api.url());
    ended.push(sandbox.lakeward(&["init", &url, "--output", HOSTILE, "--param", &format!("{HOSTILE}={HOSTILE}")]));
    ended.push(sandbox.lakeward(&["init", &url, "--output", HOSTILE]));
    let name = quoted(HOSTILE);
    sandbox.write(
        "spec.json",
        &format!("{{\"openapi\": \"3.0.0\", \"paths\": {{\"/a\": {{\"get\": {{\"operationId\": {name}}}}}, {name}: {{\"get\": {{}}}}}}}}"),
    );
    ended.push(sandbox.lakeward(&["probe", "--openapi", "spec.json"]));
    ended.push(sandbox.lakeward(&["probe", "--openapi", "spec.json#x", "--base-url", HOSTILE]));
    ended.push(sandbox.lakeward(&["probe", "--har", &format!("{HOSTILE}#{HOSTILE}")]));
    ended
}

fn shell() -> Vec<Ended> {
    let sandbox = Sandbox::new();
    let written = sandbox.lakeward(&["man", HOSTILE]);
    sandbox.write("file", "");
    vec![written, sandbox.lakeward(&["man", &format!("file/{HOSTILE}")])]
}

fn import() -> Vec<Ended> {
    let sandbox = Sandbox::new();
    let name = quoted(HOSTILE);
    let source = |more: &str| {
        format!(
            "from dlt.sources.rest_api import rest_api_source\nsource = rest_api_source({{\"client\": {{\"base_url\": \"http://a.test\"}}, \
             \"resources\": [{{\"name\": \"a\", \"endpoint\": {{\"params\": {{{name}: {name}}}}}{more}}}]}})\n"
        )
    };
    let scripts =
        [source(""), source(&format!(", {name}: lambda x: {name}")), format!("x = {name}\n)"), format!("# {HOSTILE}\nx = 1\n")];
    let mut ended = Vec::new();
    for script in scripts {
        sandbox.write(HOSTILE, &script);
        ended.push(sandbox.lakeward(&["import", HOSTILE]));
    }
    ended.push(sandbox.lakeward(&["import", HOSTILE, "--output", HOSTILE]));
    ended
}

fn keep() -> Vec<Ended> {
    let api = api();
    let sandbox = Sandbox::new();
    sandbox
        .write(HOSTILE, &config(&api.url(), "  - name: rows\n    endpoint:\n      path: rows\n      paginator: single_page\n"));
    vec![sandbox.lakeward(&["check", HOSTILE, "--online", "--write"])]
}

fn usage() -> Vec<Ended> {
    let sandbox = Sandbox::new();
    let option = format!("--{HOSTILE}");
    vec![
        sandbox.lakeward(&[HOSTILE]),
        sandbox.lakeward(&["run", &option]),
        sandbox.lakeward(&["run", "--log-format", HOSTILE]),
        sandbox.lakeward(&["preview", "a", "b", "--rows", HOSTILE]),
    ]
}

fn get() -> Vec<Ended> {
    let api = api();
    let sandbox = Sandbox::new();
    let url = format!("{}/rows", api.url());
    let piped = format!("curl {url} -H 'X-A: {HOSTILE}'");
    let unknown = format!("curl --{HOSTILE} {url}");
    let (file, config, column) = (format!("{HOSTILE}.csv"), format!("{HOSTILE}.yaml"), format!("x{HOSTILE}"));
    let commands: [&[&str]; 16] = [
        &[&url],
        &[&url, "-o", &file, "--save", &config],
        &[&url, "-o", &file, "--save", &config],
        &[&url, "-o", HOSTILE],
        &[&url, "-o", &format!("{HOSTILE}/{HOSTILE}.csv")],
        &[&url, "--where", HOSTILE],
        &[&url, "--select", &column],
        &[&url, "--sort", HOSTILE],
        &[&url, "--key", HOSTILE],
        &[&url, "--records", HOSTILE],
        &[&url, "--paginator", HOSTILE],
        &[&url, "--json", HOSTILE],
        &[&url, "--auth", HOSTILE],
        &[HOSTILE],
        &["--from-curl", &piped],
        &["--from-curl", &unknown],
    ];
    let mut ended: Vec<Ended> = commands
        .iter()
        .map(|options| sandbox.lakeward(&[&["get"][..], *options, &["--log-format", "text"][..]].concat()))
        .collect();
    for path in ["members", "named", "error", "refused", "moved", "linked", "packed", "page"] {
        let url = format!("{}/{path}", api.url());
        ended.push(sandbox.lakeward(&["get", &url]));
        ended.push(sandbox.lakeward(&["get", &url, "--log-format", "json"]));
    }
    ended
}

fn preview() -> Vec<Ended> {
    let api = api();
    let wide = format!("processing_steps: [{{set: {{wide: {}}}}}]", "x".repeat(130));
    let resources = [resource("rows", "primary_key: id"), resource("few", "primary_key: id, on_reject: quarantine")].concat();
    let sandbox = Sandbox::with_config(&config(&api.url(), &resources));
    let mut ended: Vec<Ended> = ["rows", "few"].map(|name| sandbox.lakeward(&["preview", "lakeward.yaml", name])).into();
    sandbox.write("wide.yaml", &config(&api.url(), &resource("rows", &wide)));
    ended.push(sandbox.lakeward(&["preview", "wide.yaml", "rows"]));
    ended
}

/// A resource whose keys repeat and whose columns vanish, so that there is something to warn of.
fn progress() -> Vec<Ended> {
    let api = api().then("/rows", Reply::json(json!({"data": [{"id": 1, HOSTILE: 1, "o": {HOSTILE: {}}}]}).to_string()));
    let sandbox = Sandbox::with_config(&config(&api.url(), &resource("rows", "primary_key: id, write_disposition: merge")));
    let open = config(&api.url(), "  - {name: named, endpoint: {path: named}}\n  - {name: rows, endpoint: {path: rows}}\n");
    sandbox.write("open.yaml", &open);
    let mut ended: Vec<Ended> =
        ["text", "json"].map(|format| sandbox.lakeward(&["run", "lakeward.yaml", "-vv", "--log-format", format])).into();
    ended.extend(["text", "json"].map(|format| sandbox.lakeward(&["run", "open.yaml", "-vv", "--log-format", format])));
    ended
}

fn chaos() -> Vec<Ended> {
    let api = api();
    let sandbox = Sandbox::with_config(&config(&api.url(), &resource("rows", "primary_key: id, write_disposition: replace")));
    let mut ended = vec![sandbox.lakeward(&["run", "lakeward.yaml", "--record", "night.recording"])];
    for form in [&["--log-format", "json"][..], &["--json"]] {
        let of = ["chaos", "lakeward.yaml", "--replay", "night.recording", "--only", "record_is_text", "--only", "html_forever"];
        ended.push(sandbox.lakeward(&[&of[..], form].concat()));
    }
    ended.push(sandbox.lakeward(&["chaos", "lakeward.yaml", "--replay", "night.recording", "--only", HOSTILE]));
    ended
}

fn recording() -> Vec<Ended> {
    let api = api();
    let sandbox = Sandbox::with_config(&config(&api.url(), &format!("{}{}", resource("rows", "primary_key: id"), failing())));
    let recorded = sandbox.lakeward(&["run", "lakeward.yaml", "--record", HOSTILE]);
    fs::remove_dir_all(sandbox.lake()).unwrap();
    let mut ended = vec![recorded, sandbox.lakeward(&["run", "lakeward.yaml", "--replay", HOSTILE])];
    fs::write(sandbox.path().join(HOSTILE), HOSTILE).unwrap();
    ended.push(sandbox.lakeward(&["run", "lakeward.yaml", "--replay", HOSTILE, "--log-format", "json"]));
    ended
}

/// A config's command that says what is hostile, and variables of other programs that hold it.
fn notices() -> Vec<Ended> {
    let api = api();
    let hooked = |hooks: &str| format!("{}\nhooks: {hooks}\n", config(&api.url(), &resource("rows", "primary_key: id")));
    let says = hooked(&format!("{{on_success: [printf, '%s', {}]}}", quoted(HOSTILE)));
    let fails = hooked(&format!("{{on_success: [{}]}}", quoted(HOSTILE)));
    let pipes = |messages: &serde_json::Value| crate::notices::parameter(messages);
    let context = pipes(&json!({"data": {"asset_keys": [HOSTILE], "run_id": HOSTILE}}));
    let environments = [
        vec![("OPENLINEAGE__TRANSPORT__TYPE", HOSTILE.to_owned())],
        vec![("OPENLINEAGE__TRANSPORT__TYPE", "console".to_owned()), ("OPENLINEAGE_NAMESPACE", HOSTILE.to_owned())],
        vec![
            ("OPENLINEAGE__TRANSPORT__TYPE", "file".to_owned()),
            ("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", format!("no/{HOSTILE}")),
        ],
        vec![
            ("DAGSTER_PIPES_CONTEXT", context.clone()),
            ("DAGSTER_PIPES_MESSAGES", pipes(&json!({"path": format!("no/{HOSTILE}")}))),
        ],
        vec![("DAGSTER_PIPES_CONTEXT", context), ("DAGSTER_PIPES_MESSAGES", pipes(&json!({"stdio": "stderr"})))],
    ];
    let run = |config: &str, environment: &[(&str, String)]| {
        let sandbox = environment.iter().fold(Sandbox::with_config(config), |sandbox, (name, value)| sandbox.env(name, value));
        sandbox.lakeward(&["run", "lakeward.yaml"])
    };
    let with_metrics = Sandbox::with_config(&says).lakeward(&["run", "lakeward.yaml", "--metrics", &format!("no/{HOSTILE}")]);
    let told = environments.iter().map(|environment| run(&says, environment));
    [with_metrics, run(&fails, &[])].into_iter().chain(told).collect()
}

fn run() -> Vec<Ended> {
    let api = api();
    let resources = format!("{}{}", resource("few", "primary_key: id, on_reject: quarantine"), failing());
    let sandbox = Sandbox::with_config(&config(&api.url(), &resources));
    let missing = format!("{HOSTILE}/report.json");
    let mut ended: Vec<Ended> = ["text", "json"]
        .map(|format| sandbox.lakeward(&["run", "lakeward.yaml", "-vv", "--log-format", format, "--report", "report.json"]))
        .into();
    let report = fs::read_to_string(sandbox.path().join("report.json")).unwrap();
    assert!(!report.contains(|c: char| is_special(c) && c != '\n') && report.contains("FORGED"), "{report}");
    ended.push(sandbox.lakeward(&["run", "lakeward.yaml", "--report", &missing]));
    // A file that no manifest knows, and a lease that somebody else wrote.
    let table = sandbox.lake().join("rows");
    fs::create_dir_all(&table).unwrap();
    fs::write(table.join(format!("{HOSTILE}.parquet")), "x").unwrap();
    sandbox.write("rows.yaml", &config(&api.url(), &resource("rows", "primary_key: id")));
    ended.push(sandbox.lakeward(&["run", "rows.yaml"]));
    ended
}

/// A lake with hostile columns, and with records that somebody has edited.
fn status() -> Vec<Ended> {
    let api = api();
    let sandbox = Sandbox::with_config(&config(&api.url(), &resource("rows", "primary_key: id, write_disposition: merge")));
    let first = sandbox.run_ok();
    let mut ended = vec![first, sandbox.lakeward(&["status", "lakeward.yaml"])];
    edit_runs(&sandbox.lake().join("_lakeward/t/runs"));
    // Somebody at work on another machine, as far as that can be known.
    let future = "2999-01-01T00:00:00Z";
    let owner = json!({"host": HOSTILE, "pid": 1, "identity": null});
    let lease = json!({"run": HOSTILE, "owner": owner, "started": future, "heartbeat": future});
    fs::write(sandbox.lake().join("_lakeward/t/lease.json"), lease.to_string()).unwrap();
    ended.push(sandbox.lakeward(&["status", "lakeward.yaml"]));
    ended
}

/// A lake whose columns and records are hostile, loaded once.
fn loaded() -> (FakeApi, Sandbox) {
    let api = api();
    let sandbox = Sandbox::with_config(&config(&api.url(), &resource("rows", "primary_key: id, write_disposition: merge")));
    sandbox.run_ok();
    (api, sandbox)
}

fn ddl() -> Vec<Ended> {
    let (_api, sandbox) = loaded();
    let engines = ["duckdb", "spark", "athena", "trino", "clickhouse", "bigquery"];
    let mut ended: Vec<Ended> = engines.map(|engine| sandbox.lakeward(&["ddl", "lake", "rows", "--for", engine])).into();
    ended.push(sandbox.lakeward(&["ddl", "lake", HOSTILE, "--for", "duckdb"]));
    ended.push(sandbox.lakeward(&["ddl", "lake", "rows", "--for", HOSTILE]));
    ended
}

/// A lake with hostile columns and rows, and messages that are no better.
fn mcp() -> Vec<Ended> {
    let (_api, sandbox) = loaded();
    let call = |tool: &str, arguments: serde_json::Value| {
        json!({"jsonrpc": "2.0", "id": HOSTILE, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
            .to_string()
    };
    let lines = [
        call("status", json!({})),
        call("schema", json!({"table": "rows"})),
        call("sample", json!({"table": "rows"})),
        call("schema", json!({"table": HOSTILE})),
        call(HOSTILE, json!({})),
        call("run", json!({"id": HOSTILE})),
        json!({"jsonrpc": "2.0", "id": 1, "method": HOSTILE}).to_string(),
    ];
    vec![crate::mcp::ended(&sandbox, "lake", &lines), sandbox.lakeward(&["mcp", HOSTILE])]
}

fn page() -> Vec<Ended> {
    let (_api, sandbox) = loaded();
    let file = format!("{HOSTILE}.html");
    vec![
        sandbox.lakeward(&["report", "lake", "-o", &file]),
        sandbox.lakeward(&["report", "lake", "-o", &format!("{HOSTILE}/x/{file}")]),
        sandbox.lakeward(&["report", HOSTILE, "-o", "x.html"]),
    ]
}

fn runs() -> Vec<Ended> {
    let api = api();
    let resources = format!("{}{}", resource("few", "primary_key: id, on_reject: quarantine, max_rejects: 9"), failing());
    let sandbox = Sandbox::with_config(&config(&api.url(), &resources));
    let id = sandbox.run().summary()["run_id"].as_str().unwrap().to_owned();
    let mut ended = vec![
        sandbox.lakeward(&["runs", "lake"]),
        sandbox.lakeward(&["runs", "lake", "--json"]),
        sandbox.lakeward(&["runs", "lake", &id]),
        sandbox.lakeward(&["runs", "lakeward.yaml", &id, "--json"]),
        sandbox.lakeward(&["runs", "lake", HOSTILE]),
        sandbox.lakeward(&["runs", "lake", "--pipeline", HOSTILE]),
    ];
    edit_runs(&sandbox.lake().join("_lakeward/t/runs"));
    ended.extend([sandbox.lakeward(&["runs", "lake"]), sandbox.lakeward(&["status", "lake"])]);
    ended
}

fn ui() -> Vec<Ended> {
    let (_api, sandbox) = loaded();
    vec![sandbox.lakeward(&["ui", HOSTILE]), sandbox.lakeward(&["ui", "lake", "--pipeline", HOSTILE])]
}

/// A lake with a hostile partition value, two versions, and a config whose name is no better.
fn versions() -> (FakeApi, Sandbox, String) {
    let api = api();
    let text = config(&api.url(), &resource("rows", &format!("partition_by: [{{column: {}, as: h}}]", quoted(HOSTILE))));
    let file = format!("{HOSTILE}.yaml");
    let sandbox = Sandbox::with_config(&text);
    sandbox.write(&file, &text);
    sandbox.run_ok();
    sandbox.write(
        "second.yaml",
        &text.replace("path: rows", "path: named, data_selector: \"$.*\"").replace(", data_selector: data", ""),
    );
    (api, sandbox, file)
}

fn files() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    vec![
        sandbox.lakeward(&["files", &file, "rows"]),
        sandbox.lakeward(&["files", &file, "rows", "--json"]),
        sandbox.lakeward(&["files", &file, "rows", "--duckdb"]),
        sandbox.lakeward(&["files", &file, HOSTILE]),
    ]
}

/// Two small files in a hostile partition.
fn compact() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let arguments: [&[&str]; 4] =
        [&["run", &file], &["compact", &file, "--dry-run"], &["compact", &file], &["compact", &file, HOSTILE]];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

fn table() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let stranger = sandbox.lake().join("rows").join("h\u{1b}[31m\u{202e}.parquet");
    fs::write(stranger, "").unwrap();
    let arguments: [&[&str]; 6] = [
        &["table", "drop", &file, HOSTILE],
        &["table", "rename", &file, "rows", HOSTILE],
        &["table", "rename", &file, HOSTILE, "other", "--apply"],
        &["table", "rekey", &file, "rows"],
        &["table", "repartition", &file, "rows", "--apply"],
        &["table", "drop", &file, "rows", "--apply"],
    ];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

fn shard() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let spec = sandbox.lakeward(&["shard", "plan", &file, "--shards", "1"]).stdout;
    let hostile = spec.replace("\"pipeline\":\"", &format!("\"pipeline\":\"{}", HOSTILE.escape_default()));
    sandbox.write("manifests", HOSTILE);
    let arguments: [&[&str]; 5] = [
        &["shard", "run", &file, &spec],
        &["shard", "run", &file, &hostile],
        &["shard", "run", &file, HOSTILE],
        &["shard", "commit", &file, "manifests"],
        &["shard", "commit", &file, HOSTILE],
    ];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

/// A commit of which a hostile file is lost.
fn lost() -> (FakeApi, Sandbox, String) {
    let api = api();
    let text = config(&api.url(), &resource("rows", &format!("partition_by: [{{column: {}, as: h}}]", quoted(HOSTILE))));
    let file = format!("{HOSTILE}.yaml");
    let sandbox = Sandbox::with_config(&text);
    sandbox.write(&file, &text);
    let mut command = sandbox.command(&["run", &file]);
    let killed = Running::spawn(command.env("LAKEWARD_FAULT", "lake.publish.put=kill")).end();
    assert_eq!(killed.code(), None, "{killed}");
    fs::remove_dir_all(sandbox.lake().join("_lakeward/t/staging")).unwrap();
    (api, sandbox, file)
}

fn abandon() -> Vec<Ended> {
    let (_api, sandbox, file) = lost();
    let arguments: [&[&str]; 4] =
        [&["run", &file], &["abandon", &file, "1"], &["abandon", &file, "1", "--apply"], &["abandon", &file, "1"]];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

fn doctor() -> Vec<Ended> {
    let (_api, sandbox, file) = lost();
    let owner = json!({"host": HOSTILE, "pid": 1, "identity": null});
    let lease = json!({"run": HOSTILE, "owner": owner, "started": HOSTILE, "heartbeat": HOSTILE});
    fs::write(sandbox.lake().join("_lakeward/t/lease.json"), lease.to_string()).unwrap();
    vec![sandbox.lakeward(&["doctor", &file]), sandbox.lakeward(&["doctor", &file, "--json"])]
}

/// A manifest that no commit names.
fn gc() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    fs::write(sandbox.lake().join("_lakeward/t/manifest/none.json"), "{}").unwrap();
    let arguments: [&[&str]; 2] = [&["gc", &file], &["gc", &file, "--apply"]];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

/// A record that somebody has edited.
fn history() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let path = sandbox.lake().join("_lakeward/t/log/00000000000000000001.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["written"] = json!(HOSTILE);
    fs::write(&path, record.to_string()).unwrap();
    let none = format!("no-{HOSTILE}");
    let arguments: [&[&str]; 3] = [&["history", &file], &["history", &file, "--json"], &["history", &file, &none]];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

fn diff() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let second = sandbox.lakeward(&["run", "second.yaml"]);
    assert_eq!(second.code(), Some(0), "{second}");
    let out = format!("{HOSTILE}.parquet");
    let arguments: [&[&str]; 4] = [
        &["diff", &file, "1", "2", "rows", "--out", &out],
        &["diff", &file, "1", "2", "rows", "--out", &out],
        &["diff", &file, "1", "2", "--json"],
        &["diff", &file, "1", "2", HOSTILE],
    ];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

fn rollback() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let second = sandbox.lakeward(&["run", "second.yaml"]);
    assert_eq!(second.code(), Some(0), "{second}");
    let arguments: [&[&str]; 3] =
        [&["rollback", &file, "--to", "1", "--dry-run"], &["rollback", &file, "--to", "1"], &["rollback", &file, "--to", "99"]];
    std::iter::once(second).chain(arguments.iter().map(|arguments| sandbox.lakeward(arguments))).collect()
}

/// A lake with a hostile partition whose file is damaged, a hostile stranger, and a config whose name is no better.
fn verify() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let table = sandbox.lake().join("rows");
    for path in sandbox.files("rows").into_keys() {
        fs::write(table.join(path), "x").unwrap();
    }
    fs::write(table.join(format!("{HOSTILE}.parquet")), "x").unwrap();
    let arguments: [&[&str]; 4] =
        [&["verify", &file], &["verify", &file, "--deep"], &["verify", &file, "--json"], &["verify", &file, HOSTILE]];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

fn repair() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let table = sandbox.lake().join("rows");
    for path in sandbox.files("rows").into_keys() {
        fs::write(table.join(path), "x").unwrap();
    }
    fs::write(table.join(format!("{HOSTILE}.parquet")), "x").unwrap();
    let arguments: [&[&str]; 3] = [&["repair", &file], &["repair", &file, "--apply"], &["repair", &file, HOSTILE]];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).collect()
}

/// A folder and a column with hostile names, and files that are none.
fn adopt() -> Vec<Ended> {
    let (_api, sandbox, file) = versions();
    let from = sandbox.path().join(HOSTILE).display().to_string();
    let text = fs::read_to_string(sandbox.path().join(&file)).unwrap();
    sandbox.write(&file, &text.replace("url: ./lake", "url: ./other"));
    let good = sandbox.files("rows").into_values().next().unwrap();
    let folder = format!("{HOSTILE}/h={}", "x%1B%5B31m%0AFORGED");
    sandbox.write(&format!("{folder}/x.parquet"), "");
    let bad = sandbox.lakeward(&["adopt", &file, "rows", "--from", &from]);
    fs::write(sandbox.path().join(&folder).join("x.parquet"), good).unwrap();
    let arguments: [&[&str]; 3] = [
        &["adopt", &file, "rows", "--from", &from],
        &["adopt", &file, "rows", "--from", &from, "--apply"],
        &["adopt", &file, HOSTILE, "--from", &from],
    ];
    arguments.iter().map(|arguments| sandbox.lakeward(arguments)).chain([bad]).collect()
}

fn edit_runs(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let report = json!({"started": HOSTILE, "status": HOSTILE, "run_id": HOSTILE});
        fs::write(entry.unwrap().path(), report.to_string()).unwrap();
    }
}

/// Control characters, and what turns, hides or ends a line.
fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Asserts that nothing hostile came through, and that something hostile was shown.
fn check_place(place: &str, runs: Runs) {
    let mut shown = false;
    for ended in runs() {
        for stream in [&ended.stdout, &ended.stderr] {
            for line in stream.split('\n') {
                let special = line.chars().find(|c| is_special(*c));
                assert!(special.is_none(), "{place} lets {special:?} through: {line:?}");
                assert!(!line.starts_with("FORGED"), "{place} lets a value begin a line: {line:?}");
            }
        }
        for line in ended.stderr.lines().filter(|line| line.starts_with('{')) {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{place}: {line}");
        }
        shown |= ended.stdout.contains("FORGED") || ended.stderr.contains("FORGED");
    }
    assert!(shown, "{place} shows nothing hostile: the runs miss it");
}

#[test]
fn hostile_names_and_values_do_nothing_wherever_they_are_printed() {
    for (place, runs) in PLACES {
        check_place(place, runs);
    }
}
