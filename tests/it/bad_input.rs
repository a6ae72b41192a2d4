//! Everything that can be wrong outside: each a typed error with the place to look and the right exit code, and the lake as it was.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY, answer, guide_config, things, things_config, wallet};
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::readers::leave_for_readers;
use crate::support::sandbox::{Ended, Running, Sandbox, files_under};

/// Asserts that `lakeward run` of this config is refused before any request, naming `words`.
#[track_caller]
fn check_config(config: &str, words: &[&str]) {
    let sandbox = Sandbox::with_config(config);
    sandbox.run().failed_with(2, words);
    sandbox.lakeward(&["check", "lakeward.yaml"]).failed_with(2, words);
    assert!(!sandbox.lake().exists(), "a lake was made");
}

const GOOD: &str = "\
name: t
client:
  base_url: http://127.0.0.1:1
resources:
  - name: things
    write_disposition: append
    endpoint: {path: /things, data_selector: data, paginator: single_page}
lake:
  url: ./lake
";

/// `GOOD` with one part replaced.
fn with(old: &str, new: &str) -> String {
    assert!(GOOD.contains(old), "{old}");
    GOOD.replace(old, new)
}

#[test]
fn a_bad_config_is_refused_with_its_line_its_path_and_the_nearest_name() {
    check_config(&with("write_disposition", "write_dispositon"), &["lakeward.yaml:6", "write_dispositon", "write_disposition"]);
    check_config(&with("path: /things", "pth: /things"), &["lakeward.yaml:7", "pth", "path"]);
    check_config(&with("append", "appnd"), &["lakeward.yaml:6", "appnd", "append"]);
    check_config(&with("single_page", "{type: offset, limit: many}"), &["lakeward.yaml:7", "limit"]);
    check_config(&with("single_page", "ofset"), &["lakeward.yaml:7", "ofset", "offset"]);
    check_config(&with("name: t\n", ""), &["name"]);
    check_config(&with("  url: ./lake\n", "  uri: ./lake\n"), &["lakeward.yaml", "url"]);
    check_config(&with("append", "merge"), &["lakeward.yaml", "primary_key"]);
    check_config(&with("http://127.0.0.1:1", "127.0.0.1"), &["lakeward.yaml:3", "base_url"]);
    check_config("name: [", &["lakeward.yaml"]);
    check_config("", &["lakeward.yaml"]);
}

#[test]
fn e_107_a_missing_variable_is_named_before_any_request() {
    check_config(&with("http://127.0.0.1:1", "${NO_SUCH_VARIABLE}"), &["lakeward.yaml:3", "NO_SUCH_VARIABLE"]);
    check_config(&with("http://127.0.0.1:1", "${file:no/such/file}"), &["lakeward.yaml:3", "no/such/file"]);
}

#[test]
fn a_declared_schema_is_checked_before_any_request() {
    let check = |schema: &str, key: &str, words: &[&str]| {
        let api = things(|_| answer(&json!({"data": [wallet(1)]})));
        let endpoint = "endpoint: {path: /things, data_selector: data, paginator: single_page}\nwrite_disposition: append";
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\nschema: things.json\n{key}")));
        sandbox.write("things.json", schema);
        sandbox.run().failed_with(2, words);
        sandbox.lakeward(&["check", "lakeward.yaml"]).failed_with(2, words);
        assert_eq!(api.requests().len(), 0);
        assert!(!sandbox.lake().exists(), "a lake was made");
    };
    check(r#"{"columns": [{"name": "id", "type": "txt"}]}"#, "", &["things.json", "line 1", "`txt`", "`text`"]);
    check(r#"{"columns": [{"name": "id"#, "", &["things.json", "not JSON"]);
    let closed = r#"{"additional": "reject", "columns": [{"name": "id", "type": "float64"}]}"#;
    check(closed, "partition_by: id", &["`partition_by` of `things`", "`id`", "floating-point"]);
    check(closed, "sort_by: idd", &["`sort_by` of `things`", "`idd`", "did you mean `id`?"]);
}

#[test]
fn an_unknown_option_of_the_store_is_known_before_any_request() {
    let lake = "  url: s3://bucket/lake\n  options: {aws_regin: us-east-1}\n";
    check_config(&with("  url: ./lake\n", lake), &["lake.options.aws_regin"]);
}

#[test]
fn a_column_that_no_record_has_is_named_with_the_nearest_one() {
    for (key, words) in [
        ("sort_by: -balanc", ["`sort_by`", "`balanc`", "did you mean `balance`?"]),
        ("partition_by: curency", ["`partition_by`", "`curency`", "did you mean `currency`?"]),
    ] {
        let api = things(|_| answer(&json!({"data": [wallet(1)]})));
        let endpoint = "endpoint: {path: /things, data_selector: data, paginator: single_page}\nwrite_disposition: append";
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\n{key}")));
        let ended = sandbox.run();
        ended.failed_with(3, &words);
        assert!(ended.stderr.contains("warning: things: "), "told before the last page\n{ended}");
        assert!(sandbox.data_files().is_empty());
    }
}

#[test]
fn a_run_of_nothing_but_rejects_is_no_success() {
    for on_reject in ["quarantine", "fail"] {
        let api = things(|_| answer(&json!({"data": [wallet(1)]})));
        let endpoint = "endpoint: {path: /things, data_selector: data, paginator: single_page}\nwrite_disposition: merge";
        let resource = format!("{endpoint}\nprimary_key: id_\non_reject: {on_reject}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
        sandbox.run().failed_with(3, &["`$.id_` should be a value, found nothing", "hint:"]);
        assert!(sandbox.data_files().is_empty());
    }
}

#[test]
fn a_missing_config_or_argument_is_an_error_of_the_command() {
    let sandbox = Sandbox::new();
    sandbox.lakeward(&["run", "absent.yaml"]).failed_with(2, &["absent.yaml"]);
    sandbox.lakeward(&["run"]).failed_with(2, &["CONFIG"]);
    sandbox.lakeward(&["chekc", "x"]).failed_with(2, &["chekc", "check"]);
}

/// An API that was good on the first night, and what its second night came to.
struct SecondNight {
    sandbox: Sandbox,
    ended: Ended,
}

/// Loads 20 wallets, then runs again while the API answers by `bad`. The lake must stay as it was, and the next good night must work.
fn second_night(resource: &str, bad: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> SecondNight {
    let good = || answer(&json!({"data": (1..=20).map(wallet).collect::<Vec<Value>>()}));
    let night = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(1));
    let seen = std::sync::Arc::clone(&night);
    let api = things(move |request| match seen.load(std::sync::atomic::Ordering::SeqCst) {
        2 => bad(request),
        _ => good(),
    });
    let endpoint =
        "endpoint: {path: /things, data_selector: data, paginator: single_page}\nprimary_key: id\nwrite_disposition: merge";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\n{resource}")));
    sandbox.run_ok();
    let before = sandbox.data_files();
    night.store(2, std::sync::atomic::Ordering::SeqCst);
    let ended = sandbox.run();
    assert!(before == sandbox.data_files(), "the lake changed\n{ended}");
    night.store(3, std::sync::atomic::Ordering::SeqCst);
    sandbox.run_ok();
    assert!(before == sandbox.data_files(), "the lake changed");
    SecondNight { sandbox, ended }
}

#[track_caller]
fn check_body(body: impl Into<Vec<u8>>, words: &[&str]) {
    let body = body.into();
    let night = second_night("", move |_| Reply::json(body.clone()));
    night.ended.failed_with(3, words);
    assert!(night.ended.stderr.contains("things"), "the resource is not named\n{}", night.ended);
}

#[test]
fn an_unreachable_host_is_unavailable() {
    let gone = FakeApi::start().url();
    let sandbox = Sandbox::with_config(&things_config(
        &gone,
        "endpoint: {path: /things, paginator: single_page}\nwrite_disposition: append",
    ));
    sandbox.run().failed_with(75, &["things", &gone]);
}

#[test]
fn a_wrong_key_asks_for_a_new_one() {
    let api = Billing::guide().serve();
    let sandbox = Sandbox::with_config(&guide_config(&api.url())).env("BILLING_API_KEY", "wrong");
    sandbox.run().failed_with(4, &["401", "customer_usage"]);
    assert!(sandbox.data_files().is_empty());
    assert!(api.requests().len() <= 8, "a wrong key is not tried again and again: {} requests", api.requests().len());
}

#[test]
fn a_page_for_people_is_no_data() {
    second_night("", |_| Reply::html()).ended.failed_with(3, &["things", "HTML"]);
}

#[test]
fn a_truncated_body_is_tried_again_and_then_unavailable() {
    let whole = || answer(&json!({"data": (1..=20).map(wallet).collect::<Vec<Value>>()}));
    second_night("", move |_| whole().cut_at(300)).ended.failed_with(75, &["things"]);
    check_body(br#"{"data": [{"id": 1}, {"id": 2"#, &["page 1"]);
    check_body("", &["page 1"]);
}

#[test]
fn a_missing_records_path_is_named() {
    check_body(r#"{"items": []}"#, &["data"]);
    check_body(r#"{"data": 7}"#, &["data"]);
    check_body(r#"{"data": {"message": "sorry"}, "error": "x"}"#, &[]);
}

#[test]
fn broken_json_is_refused_with_its_place() {
    check_body(r#"{"data": [{"id": 1},]}"#, &["page 1"]);
    check_body(b"{\"data\": [{\"id\": 1, \"t\": \"\xff\xfe\"}]}".to_vec(), &["page 1"]);
    check_body(format!(r#"{{"data": [{{"id": 1, "t": {}1{}}}]}}"#, "[".repeat(10_000), "]".repeat(10_000)), &["page 1"]);
    check_body(format!(r#"{{"data": {}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000)), &["page 1"]);
    check_body(r#"{"data": ["text", 7]}"#, &["page 1"]);
}

#[test]
fn a_number_of_400_digits_keeps_them_all() {
    let digits = "9".repeat(400);
    let body = format!(r#"{{"data": [{{"id": 1, "n": {digits}}}, {{"id": 2, "n": 5}}]}}"#);
    let api = things(move |_| Reply::json(body.clone()));
    let endpoint =
        "endpoint: {path: /things, data_selector: data, paginator: single_page}\nprimary_key: id\nwrite_disposition: merge";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), endpoint));
    sandbox.run_ok();
    let rows = sandbox.by_key("things", "id");
    assert_eq!((&rows[&1]["n"], &rows[&2]["n"]), (&json!("9".repeat(400)), &json!("5")));
    leave_for_readers("digits_400", &sandbox.lake().join("things"), 2, &[("id", 3)]);
}

#[test]
fn a_body_of_200_mb_in_one_record_is_refused_by_its_size() {
    let body = format!(r#"{{"data": [{{"id": 21, "t": "{}"}}]}}"#, "x".repeat(200_000_000));
    let api = things(move |_| Reply::json(body.clone()));
    let endpoint =
        "endpoint: {path: /things, data_selector: data, paginator: single_page}\nprimary_key: id\nwrite_disposition: merge";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), endpoint));
    let ended = sandbox.run();
    ended.failed_with(3, &["things", "page 1"]);
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn rejects_stop_the_run_or_go_to_quarantine_as_the_config_says() {
    let schema = r#"{"columns": [{"name": "id", "type": "int64", "nullable": false}, {"name": "v", "type": "int64"}]}"#;
    let body = r#"{"data": [{"id": 1, "v": 10}, {"id": 2, "v": "a few"}, {"id": 3, "v": 30}]}"#;
    for (on_reject, code) in [("fail", 3), ("quarantine", 0)] {
        let api = things(move |_| Reply::json(body));
        let endpoint =
            "endpoint: {path: /things, data_selector: data, paginator: single_page}\nprimary_key: id\nwrite_disposition: merge";
        let resource = format!("{endpoint}\nschema: schemas/things.json\non_reject: {on_reject}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
        sandbox.write("schemas/things.json", schema);
        let ended = sandbox.run();
        assert_eq!(ended.code(), Some(code), "{ended}");
        assert!(!ended.stderr.contains("a few"), "a cell value was printed\n{ended}");
        if code == 3 {
            ended.failed_with(3, &["things", "page 1", "record 2", "$.v"]);
            assert!(sandbox.data_files().is_empty());
        } else {
            assert_eq!(ended.table("things")["rejects"], 1, "{ended}");
            assert_eq!(sandbox.by_key("things", "id").into_keys().collect::<Vec<_>>(), [1, 3]);
            let told = ended.table("things")["quarantine"][0].as_str().unwrap().to_owned();
            assert!(sandbox.lake().join(&told).is_file(), "{ended}");
            assert!(ended.stderr.contains("quarantine: _lakeward/things/quarantine/things/"), "{ended}");
            let kept = files_under(&sandbox.lake().join("_lakeward/things/quarantine/things"));
            let text: String = kept.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
            assert!(text.contains("a few") && text.contains("$.v"), "{text}");
        }
    }
}

#[test]
fn more_rejects_than_allowed_fail_the_run_and_many_take_no_memory() {
    let schema = r#"{"columns": [{"name": "id", "type": "int64"}, {"name": "v", "type": "int64"}]}"#;
    let filler = "x".repeat(1 << 20);
    for (max, code) in [("max_rejects: 10", 3), ("", 3), ("max_rejects: 19", 0)] {
        let filler = filler.clone();
        let api = things(move |request| {
            let offset = request.number("offset", 0);
            let data: Vec<Value> = (offset..(offset + 2).min(20))
                .map(|id| json!({"id": id, "v": if id == 0 { json!(1) } else { json!(filler) }}))
                .collect();
            answer(&json!({"data": data, "total": 20}))
        });
        let endpoint =
            "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 2}}\nwrite_disposition: append";
        let resource = format!("{endpoint}\nschema: things.json\non_reject: quarantine\n{max}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
        sandbox.write("things.json", schema);
        let ended = sandbox.run();
        if max.is_empty() {
            ended.failed_with(
                3,
                &["19 of 20 records of `things` could not become rows, more than one in ten", "`$.v`", "`max_rejects` says"],
            );
            assert!(sandbox.data_files().is_empty());
        } else if code == 3 {
            ended.failed_with(3, &["11 rejects", "page 6", "`max_rejects` is 10", "$.v"]);
            assert!(files_under(&sandbox.lake().join("_lakeward/things/quarantine")).is_empty());
        } else {
            assert_eq!((ended.code(), &ended.table("things")["rejects"]), (Some(0), &json!(19)), "{ended}");
            assert_eq!(ended.table("things")["completeness"], "unknown", "the API counts 20, and the table has 1");
            let kept = files_under(&sandbox.lake().join("_lakeward/things/quarantine"));
            assert_eq!(kept.len(), 3, "parts of 8 MB: {:?}", kept.keys());
            assert_eq!(kept.values().flatten().filter(|byte| **byte == b'\n').count(), 19);
        }
    }
}

#[test]
fn a_table_folder_with_foreign_files_is_refused_by_name() {
    let night = second_night("", |_| answer(&json!({"data": [wallet(1)]})));
    night.sandbox.write("lake/things/someone-elses.parquet", "not ours");
    night.sandbox.run().failed_with(3, &["someone-elses.parquet", "hint:"]);
    assert_eq!(night.sandbox.data_files()["things/someone-elses.parquet"], b"not ours");
}

/// Runs `lakeward run` in a mount namespace of its own in which `mount` was done first; `lake/` before and after is what the
/// sandbox sees. `None` where such a namespace cannot be had.
fn run_mounted(sandbox: &Sandbox, mount: &str) -> Option<Ended> {
    let kinds: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let able =
        |kind: &[&str]| Command::new("unshare").args(kind).arg("true").stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    let kind = kinds.into_iter().find(|kind| able(kind));
    assert!(kind.is_some() || std::env::var("CI").is_err(), "no mount namespace to be had");
    let script = format!(
        "set -e\nmkdir -p seen\n{mount}\nset +e\n\"$LAKEWARD\" run lakeward.yaml; code=$?\ncp -a lake/. seen/ || exit 99\nexit $code"
    );
    let mut command = Command::new("unshare");
    command
        .args(kind?)
        .args(["sh", "-c", &script])
        .current_dir(sandbox.path())
        .env("LAKEWARD", env!("CARGO_BIN_EXE_lakeward"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Some(Running::spawn(&mut command).end())
}

/// A lake of 20 wallets and an API that serves many large records from then on.
fn outgrown() -> (Billing, FakeApi, Sandbox) {
    let billing = Billing::new(&[("/things", (1..=20).map(wallet).collect())]);
    let api = billing.serve();
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}\nprimary_key: id\nwrite_disposition: merge";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), endpoint));
    sandbox.run_ok();
    // Text that no codec makes small.
    let mut random = fastrand::Rng::with_seed(7);
    let mut noise = move || (0..20_000).map(|_| random.alphanumeric()).collect::<String>();
    billing.change("/things", |records| records.extend((21..=400).map(|id| json!({"id": id, "customer_id": noise()}))));
    (billing, api, sandbox)
}

#[test]
fn e_104_a_full_disk_leaves_the_lake_as_it_was() {
    let (_billing, _api, sandbox) = outgrown();
    let before = sandbox.data_files();
    let mount = "cp -a lake kept\nmount -t tmpfs -o size=2m tmpfs lake\ncp -a kept/. lake/";
    let Some(ended) = run_mounted(&sandbox, mount) else { return };
    ended.failed_with(75, &["No space left"]);
    let mut seen = files_under(&sandbox.path().join("seen"));
    seen.retain(|path, _| !path.starts_with("_lakeward/"));
    assert!(seen == before, "the lake changed");
    sandbox.run_ok();
    assert_eq!(sandbox.by_key("things", "id").len(), 400);
}

#[test]
fn a_read_only_lake_is_left_alone() {
    let (_billing, _api, sandbox) = outgrown();
    let before = sandbox.data_files();
    let Some(ended) = run_mounted(&sandbox, "mount --bind lake lake\nmount -o remount,ro,bind lake") else { return };
    ended.failed_with(2, &["Read-only file system", "hint:"]);
    assert!(before == sandbox.data_files());
}

#[test]
fn a_lake_that_is_a_file_is_named() {
    let api = things(|_| answer(&json!({"data": [wallet(1)]})));
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: single_page}\nwrite_disposition: append";
    let sandbox = Sandbox::with_config(&things_config(&api.url(), endpoint));
    sandbox.write("lake", "a file");
    let ended = sandbox.run();
    ended.failed_with(2, &["lake"]);
    assert!(!ended.stderr.contains(KEY), "{ended}");
}
