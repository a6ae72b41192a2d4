//! The morning after: `status`, `runs` and `ddl` need the lake alone, know of every run, and say what to type.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::billing::answer;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::interrupted::{Gate, ORDERS, config, shop};
use crate::support::sandbox::{Ended, Running, Sandbox};

/// A nightly config with a secret in each part: `orders` loads, with a record for the quarantine, `customers` is not there.
fn nightly(api: &FakeApi) -> Sandbox {
    let text = format!(
        "name: billing
client: {{base_url: {}, auth: {{type: bearer, token: \"${{TOKEN}}\"}}, retry: {{max_retries: 1}}}}
lake: {{url: ./lake, options: {{aws_secret_access_key: \"${{BUCKET_KEY}}\"}}}}
resources:
  - name: orders
    primary_key: id
    write_disposition: merge
    on_reject: quarantine
    max_rejects: 9
    columns: {{price: {{data_type: bigint}}, note: {{data_type: text, description: \"what the <b>seller</b> wrote, it's free\"}}}}
    endpoint:
      path: /orders
      data_selector: $
      paginator: single_page
      incremental: {{cursor_path: at, initial_value: '2026-01-01'}}
  - {{name: people, table_name: customers, write_disposition: replace, endpoint: {{path: /people, data_selector: $, paginator: single_page}}}}
",
        api.url()
    );
    Sandbox::with_config(&text)
}

fn api() -> FakeApi {
    let rows = json!([
        {"id": 1, "price": 7, "note": "a", "at": "2026-11-23"}, {"id": 2, "price": "dear", "note": "b", "at": "2026-11-22"},
        {"id": 3, "price": "cheap", "note": "c", "at": "2026-11-21"},
    ]);
    FakeApi::start().on("/orders", move |_| answer(&rows)).on("/people", |_| Reply::status(404).body("Not Found"))
}

fn run(sandbox: &Sandbox) -> Ended {
    let variables = [("TOKEN", "the-token-of-the-night"), ("BUCKET_KEY", "the-key-of-the-bucket")];
    let mut command = sandbox.command(&["run", "lakeward.yaml"]);
    Running::spawn(command.envs(variables)).end()
}

/// The survey that a command prints.
fn survey(sandbox: &Sandbox, of: &str) -> Value {
    sandbox.lakeward(&["status", of, "--json"]).summary()
}

fn table<'s>(survey: &'s Value, name: &str) -> &'s Value {
    let tables = survey["pipelines"][0]["tables"].as_array().unwrap();
    tables.iter().find(|table| table["table"] == name).unwrap_or_else(|| panic!("no table `{name}`: {survey}"))
}

#[test]
fn status_needs_the_lake_alone_or_a_config_without_its_secrets() {
    let api = api();
    let sandbox = nightly(&api);
    assert_eq!(run(&sandbox).code(), Some(20));
    for of in ["lake", "lakeward.yaml"] {
        let survey = survey(&sandbox, of);
        let orders = table(&survey, "orders");
        let facts = ["rows", "files", "rejects", "completeness", "cursor"].map(|key| orders[key].clone());
        assert_eq!(facts, [json!(1), json!(1), json!(2), json!("unknown"), json!("2026-11-23")], "{orders}");
        assert_eq!((&orders["state"], &orders["last"]["inserted"]), (&json!("warn"), &json!(1)), "{orders}");
        let people = if of == "lake" { "people" } else { "customers" };
        let people = table(&survey, people);
        assert_eq!((&people["state"], &people["error"]["kind"]), (&json!("failed"), &json!("data")), "{people}");
        assert!(people["error"]["text"].as_str().unwrap().contains("answered 404"), "{people}");
        let config = if of == "lake" { "CONFIG" } else { of };
        assert_eq!(people["next"], format!("lakeward check {config} --online"));
        assert_eq!(orders["next"], format!("lakeward repair {config} orders"));
        let told = sandbox.lakeward(&["status", of]);
        for words in ["billing   last run ", "PARTIAL", "orders ", "WARN", "answered 404", "2026-11-23", "→ lakeward"] {
            assert!(told.stdout.contains(words), "{words}: {told}");
        }
        assert!(told.code() == Some(0) && told.stderr.is_empty(), "{told}");
    }
}

#[test]
fn a_table_whose_files_are_gone_is_damaged_to_a_lake_without_a_config_too() {
    let api = api();
    let sandbox = nightly(&api);
    run(&sandbox);
    let name = sandbox.files("orders").into_keys().next().unwrap();
    fs::remove_file(sandbox.lake().join("orders").join(name)).unwrap();
    let told = sandbox.lakeward(&["status", "lake"]);
    assert!(
        told.code() == Some(3) && told.stdout.contains("DAMAGED") && told.stdout.contains("lakeward doctor CONFIG"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_read_of_a_lake_is_damage_and_the_rest_is_told_and_shown() {
    let api = api();
    let sandbox = nightly(&api);
    run(&sandbox);
    let home = sandbox.lake().join("_lakeward/billing");
    let spoil = |folder: &str| {
        for entry in fs::read_dir(home.join(folder)).unwrap() {
            fs::write(entry.unwrap().path(), "junk").unwrap();
        }
    };
    spoil("manifest");
    let told = sandbox.lakeward(&["status", "lake", "--json"]);
    let orders = table(&told.summary(), "orders").clone();
    assert_eq!((told.code(), &orders["state"], &orders["rows"]), (Some(3), &json!("damaged"), &json!(1)), "{told}");
    assert!(orders["error"]["text"].as_str().unwrap().contains("is not readable"), "{orders}");
    assert_eq!(orders["next"], "lakeward doctor CONFIG");
    sandbox.lakeward(&["ddl", "lake", "orders", "--for", "duckdb"]).failed_with(3, &["is not readable"]);
    let page = sandbox.lakeward(&["report", "lake", "-o", "-"]);
    assert!(page.code() == Some(0) && page.stdout.contains("DAMAGED") && page.stdout.contains("is not readable"), "{page}");
    spoil("log");
    let told = sandbox.lakeward(&["status", "lake"]);
    assert!(told.code() == Some(3) && told.stdout.contains("is not readable") && told.stdout.contains("answered 404"), "{told}");
    let page = sandbox.lakeward(&["report", "lake", "-o", "-"]);
    assert!(page.code() == Some(0) && page.stdout.contains("is not readable"), "{page}");
    assert_eq!(sandbox.lakeward(&["runs", "lake"]).code(), Some(0));
}

#[test]
fn a_lake_with_several_pipelines_shows_all_or_the_one_that_is_named() {
    let api = api();
    let sandbox = nightly(&api);
    run(&sandbox);
    let other = "name: other\nclient: {base_url: URL}\nlake: {url: ./lake}\nresources:\n  - {name: things, write_disposition: replace, endpoint: {path: /orders, data_selector: $, paginator: single_page}}\n";
    sandbox.write("other.yaml", &other.replace("URL", &api.url()));
    sandbox.lakeward(&["run", "other.yaml"]).failed_with(0, &[]);
    let names = |survey: &Value| -> Vec<String> {
        survey["pipelines"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&survey(&sandbox, "lake")), ["billing", "other"]);
    assert_eq!(names(&survey(&sandbox, "other.yaml")), ["other"]);
    let one = sandbox.lakeward(&["status", "lake", "--pipeline", "other", "--json"]);
    assert_eq!(names(&one.summary()), ["other"]);
    sandbox.lakeward(&["status", "lake", "--pipeline", "others"]).failed_with(2, &["no pipeline `others`", "`billing`, `other`"]);
    fs::create_dir(sandbox.path().join("empty")).unwrap();
    sandbox.lakeward(&["status", "empty"]).failed_with(2, &["there is no lake in", "lake.url"]);
    sandbox
        .lakeward(&["status", "lak"])
        .failed_with(2, &["neither the folder of a lake nor a config at `lak`", "did you mean `lake`?"]);
    sandbox.lakeward(&["runs", "othr.yaml"]).failed_with(2, &["did you mean `other.yaml`?"]);
    sandbox.lakeward(&["status", "gs://bucket/x"]).failed_with(2, &["lake.url"]);
}

#[test]
fn runs_that_failed_were_refused_cancelled_or_killed_are_all_listed() {
    let gate = Arc::new(Gate::default());
    let api = shop(&gate, 3);
    let sandbox = Sandbox::with_config(&config(&api, ORDERS));
    sandbox.run_ok();
    // One that is killed, one that is refused meanwhile, and one that is interrupted.
    gate.begin(Some(2));
    let killed = sandbox.start();
    gate.wait_for(2);
    sandbox.run().failed_with(75, &["holds the lake"]);
    assert!(killed.kill());
    gate.begin(Some(2));
    let cancelled = sandbox.start();
    gate.wait_for(2);
    assert!(Command::new("kill").args(["-INT", &cancelled.pid().to_string()]).status().unwrap().success());
    assert_eq!(cancelled.end().code(), Some(130));
    gate.begin(None);
    sandbox.lakeward(&["run", "lakeward.yaml", "--resource", "none"]).failed_with(2, &["none"]);
    sandbox.run_ok();
    for of in ["lake", "lakeward.yaml"] {
        let told = sandbox.lakeward(&["runs", of, "--json"]);
        let runs: Vec<Value> = told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut statuses: Vec<&str> = runs.iter().map(|run| run["status"].as_str().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["cancelled", "killed", "refused", "refused", "success", "success"], "{told}");
        let refused = runs.iter().find(|run| run["status"] == "refused" && run["kind"] == "unavailable").unwrap();
        assert!(refused["error"].as_str().unwrap().contains("holds the lake"), "{refused}");
        let list = sandbox.lakeward(&["runs", of, "--limit", "2"]);
        assert_eq!(list.stdout.lines().filter(|line| line.contains("Z-")).count(), 2, "{list}");
        let killed = runs.iter().find(|run| run["status"] == "killed").unwrap();
        let one = sandbox.lakeward(&["runs", of, killed["run"].as_str().unwrap()]);
        assert!(one.code() == Some(0) && one.stdout.contains("KILLED") && one.stdout.contains("→ lakeward run"), "{one}");
    }
}

#[test]
fn a_killed_run_tells_what_it_has_kept_until_the_next_one_takes_it_up() {
    let gate = Arc::new(Gate::default());
    let api = shop(&gate, 6);
    let sandbox = Sandbox::with_config(&config(&api, ORDERS));
    crate::support::interrupted::killed_at(&sandbox, &gate, 4, ("orders", 2));
    let survey = survey(&sandbox, "lake");
    let run = &survey["pipelines"][0]["runs"][0];
    let told = run["error"].as_str().unwrap();
    assert!(run["status"] == "killed" && told.contains("of `orders`") && told.contains(" page"), "{run}");
}

#[test]
fn a_run_that_no_lake_can_note_is_noted_beside_its_config() {
    let api = api();
    let sandbox = nightly(&api);
    // The variable is missing: there is neither a plan nor a lake yet.
    sandbox.run().failed_with(2, &["TOKEN"]);
    assert!(!sandbox.lake().exists(), "a refused run makes no lake");
    let told = sandbox.lakeward(&["runs", "lakeward.yaml"]);
    assert!(told.stdout.contains("refused"), "{told}");
    assert!(told.stdout.contains("TOKEN"), "{told}");
    assert_eq!(fs::read_dir(sandbox.path().join(".lakeward-runs/lakeward.yaml")).unwrap().count(), 1);
    // Once there is a lake, it has the record.
    run(&sandbox);
    sandbox.run().failed_with(2, &["TOKEN"]);
    let told = sandbox.lakeward(&["runs", "lake", "--json"]);
    assert_eq!(told.stdout.lines().filter(|line| line.contains("\"refused\"")).count(), 1, "{told}");
    // What is no config has no records.
    sandbox.lakeward(&["run", "missing.yaml"]).failed_with(2, &["missing.yaml"]);
    assert!(!sandbox.path().join(".lakeward-runs/missing.yaml").exists());
}

#[test]
fn one_run_tells_its_requests_waits_rejects_and_errors() {
    let rows = json!([{"id": 1, "price": 7, "at": "2026-11-23"}, {"id": 2, "price": "dear", "at": "2026-11-22"}]);
    let api = FakeApi::start().on("/orders", move |_| answer(&rows)).on("/people", |_| Reply::status(404));
    let api = api.then("/orders", Reply::status(429).header("retry-after", "1"));
    let sandbox = nightly(&api);
    let ended = run(&sandbox);
    let (id, orders) = (ended.summary()["run_id"].as_str().unwrap().to_owned(), ended.table("orders"));
    let wait = &orders["waits"][0];
    assert!(wait["seconds"].as_f64().unwrap() > 0.5 && wait["why"].as_str().unwrap().contains("429"), "{orders}");
    for key in ["started", "pages_in", "ended"] {
        assert!(orders[key].as_str().unwrap().starts_with("20"), "{key}: {orders}");
    }
    assert_eq!((&orders["table"], orders["requests"].as_u64()), (&json!("orders"), Some(2)));
    let told = sandbox.lakeward(&["runs", "lake", &id]);
    for words in [
        "PARTIAL",
        "timeline of",
        "orders: published: 2 requests",
        "waited 1.",
        "429",
        "rejects of orders: 1 record",
        "price`, found",
        "dear",
        "people: failed",
        "answered 404",
        "→ lakeward check CONFIG --online",
    ] {
        assert!(told.stdout.contains(words), "{words}: {told}");
    }
    // The end of its name is enough, and JSON has the report as it is kept.
    let json = sandbox.lakeward(&["runs", "lakeward.yaml", &id[id.len() - 6..], "--json"]).summary();
    assert_eq!((&json["run"]["run"], &json["report"]["tables"]["orders"]["status"]), (&json!(id), &json!("published")));
    assert_eq!(json["rejects"][0]["records"], 1);
    sandbox.lakeward(&["runs", "lake", "nosuchrun"]).failed_with(2, &["no run `nosuchrun`", "lakeward runs lake"]);
}

#[test]
fn a_failure_that_lasts_tells_since_when_and_a_good_run_ends_it() {
    let is_healed = Arc::new(AtomicBool::new(false));
    let healed = Arc::clone(&is_healed);
    let people = move |_: &_| match healed.load(Ordering::SeqCst) {
        true => answer(&json!([{"id": 9}])),
        false => Reply::status(404),
    };
    let api = FakeApi::start().on("/people", people).on("/orders", |_| answer(&json!([{"id": 1, "at": "2026-11-23"}])));
    let sandbox = nightly(&api);
    for _ in 0..3 {
        run(&sandbox);
    }
    let told = survey(&sandbox, "lakeward.yaml");
    let customers = table(&told, "customers");
    assert_eq!((&customers["error"]["times"], customers["nights"].as_array().unwrap().len()), (&json!(3), 3), "{customers}");
    let first = told["pipelines"][0]["runs"].as_array().unwrap().last().unwrap()["started"].clone();
    assert_eq!(customers["error"]["since"], first);
    is_healed.store(true, Ordering::SeqCst);
    assert_eq!(run(&sandbox).code(), Some(0));
    let told = survey(&sandbox, "lake");
    let customers = table(&told, "customers");
    assert_eq!(
        (&customers["state"], &customers["error"], &customers["resource"]),
        (&json!("ok"), &Value::Null, &json!("people"))
    );
}

#[test]
fn statements_for_engines_name_every_column_and_their_descriptions() {
    let rows = json!([
        {"id": 1, "price": 7, "note": "a", "at": "2026-11-23", "day": "2026-11-23", "o": {"x y": [1.5], "t": "2026-11-23T01:02:03Z"}},
        {"id": 2, "price": 8, "note": "b", "at": "2026-10-22", "day": "2026-10-22", "o": null},
    ]);
    let api = FakeApi::start().on("/orders", move |_| answer(&rows)).on("/people", |_| answer(&json!([{"id": 1}])));
    let sandbox = nightly(&api);
    let text = fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    let parts = "partition_by: [day, {column: at, transform: month, as: 'month'}]\n    endpoint:";
    sandbox.write("lakeward.yaml", &text.replacen("endpoint:", parts, 1));
    let ended = run(&sandbox);
    assert_eq!(ended.code(), Some(0), "{ended}");
    for engine in ["duckdb", "spark", "athena", "trino", "clickhouse", "bigquery"] {
        let told = sandbox.lakeward(&["ddl", "lake", "orders", "--for", engine]);
        assert!(told.code() == Some(0) && told.stdout.contains("seller"), "{engine}: {told}");
        if engine != "duckdb" {
            for name in ["id", "price", "note", "o", "day", "month", "x y"] {
                assert!(told.stdout.contains(name), "{engine} lacks `{name}`: {told}");
            }
        }
    }
    sandbox
        .lakeward(&["ddl", "lake", "order", "--for", "duckdb"])
        .failed_with(2, &["no table `order`", "did you mean `orders`?"]);
    let wrong = sandbox.lakeward(&["ddl", "lake", "orders", "--for", "oracle"]);
    assert!(wrong.code() == Some(2) && wrong.stderr.contains("duckdb"), "{wrong}");
}

#[test]
fn a_result_that_stdout_does_not_take_is_no_success_and_a_reader_that_goes_away_is_no_failure() {
    let api = api();
    let sandbox = nightly(&api);
    run(&sandbox);
    let commands: [&[&str]; 5] = [
        &["status", "lake"],
        &["runs", "lake", "--json"],
        &["ddl", "lake", "orders", "--for", "spark"],
        &["report", "lake", "-o", "-"],
        &["ui", "lake"],
    ];
    for arguments in commands {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ended = Running::spawn(sandbox.command(arguments).stdout(Stdio::from(full))).end();
        ended.failed_with(75, &["cannot write to stdout", "make room"]);
    }
    for arguments in &commands[..4] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Running::spawn(sandbox.command(arguments).stdout(Stdio::from(writer))).end();
        assert_eq!((ended.code(), ended.stderr.contains("error")), (Some(0), false), "{arguments:?}: {ended}");
    }
    // A run has done what it did.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = sandbox.command(&["run", "lakeward.yaml", "--resource", "orders"]);
    let command = command.env("TOKEN", "the-token-of-the-night").env("BUCKET_KEY", "the-key-of-the-bucket");
    let ended = Running::spawn(command.stdout(Stdio::from(full))).end();
    assert!(ended.code() == Some(0) && ended.stderr.contains("warning: cannot write to stdout"), "{ended}");
}
