//! `run --record` and `run --replay`: the same tables without the API, nothing secret in the file, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::billing::{Billing, KEY, guide_config};
use crate::support::fake_api::{FakeApi, Reply, Request, ids};
use crate::support::sandbox::{Ended, Sandbox, files_under};

const FILE: &str = "night.recording";
/// What a recording begins with, and the bytes before each frame.
const MAGIC: &[u8] = b"lakeward recording 01\n";
const LEAD: usize = 12;

fn record(sandbox: &Sandbox) -> Ended {
    sandbox.lakeward(&["run", "lakeward.yaml", "--record", FILE])
}

fn replay(sandbox: &Sandbox) -> Ended {
    sandbox.lakeward(&["run", "lakeward.yaml", "--replay", FILE])
}

fn ok(ended: Ended) -> Ended {
    assert_eq!(ended.code(), Some(0), "{ended}");
    ended
}

/// Another folder with the config and the recording of `sandbox`, and no environment.
fn elsewhere(sandbox: &Sandbox) -> Sandbox {
    let config = fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    let other = Sandbox::with_config(&config);
    fs::copy(sandbox.path().join(FILE), other.path().join(FILE)).unwrap();
    other
}

fn copied(from: &Path, to: &Path) {
    for (name, bytes) in files_under(from) {
        fs::create_dir_all(to.join(&name).parent().unwrap()).unwrap();
        fs::write(to.join(name), bytes).unwrap();
    }
}

/// Everything that the recording has, unpacked.
fn unpacked(sandbox: &Sandbox) -> Vec<u8> {
    let bytes = fs::read(sandbox.path().join(FILE)).unwrap();
    let (mut rest, mut all) = (bytes.strip_prefix(MAGIC).unwrap(), Vec::new());
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        zstd::stream::read::Decoder::new(&rest[LEAD..LEAD + length]).unwrap().read_to_end(&mut all).unwrap();
        rest = &rest[LEAD + length..];
    }
    all
}

fn has(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

fn same(sandbox: &Sandbox, other: &Sandbox) {
    let (was, is): (BTreeMap<_, _>, BTreeMap<_, _>) = (sandbox.data_files(), other.data_files());
    assert!(!was.is_empty());
    assert_eq!(was.keys().collect::<Vec<_>>(), is.keys().collect::<Vec<_>>());
    assert!(was == is, "the files have other bytes");
}

#[test]
fn a_replay_makes_the_same_tables_byte_for_byte_without_the_api_and_without_secrets() {
    let body = json!({"data": [{"id": 1}], "total": 1}).to_string();
    let api = Billing::guide()
        .serve()
        .then("/v1/wallets", Reply::status(503))
        .then("/v1/wallets", Reply::reset())
        .then("/v1/wallets", Reply::json(body).cut_at(9))
        .then("/v1/wallets", Reply::status(429).header("retry-after", "1"))
        .then("/v1/customer_usage", Reply::html());
    let config = guide_config(&api.url()).replace("client:\n", "client:\n  retry: {initial_delay: 10ms}\n");
    let sandbox = Sandbox::with_config(&config).env("BILLING_API_KEY", KEY);
    let recorded = ok(record(&sandbox));
    assert!(recorded.stderr.contains("recorded: ") && recorded.stderr.contains(" exchanges in `night.recording`"), "{recorded}");
    assert_eq!(fs::metadata(sandbox.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    let asked = api.requests().len();
    let other = elsewhere(&sandbox);
    let replayed = ok(replay(&other));
    assert_eq!(api.requests().len(), asked, "the API was asked");
    same(&sandbox, &other);
    for table in ["customer_usage", "wallets"] {
        assert_eq!(recorded.table(table)["rows_written"], replayed.table(table)["rows_written"], "{replayed}");
    }
    assert_eq!(replayed.summary()["warnings"], json!([]));
    // Nobody listens there any more.
    drop(api);
    let third = elsewhere(&sandbox);
    ok(replay(&third));
    same(&sandbox, &third);
}

#[test]
fn no_secret_is_in_a_recording_however_it_was_spelled_and_rows_have_it_again_where_it_is_known() {
    const SECRET: &str = "S3cr3t~k+y/Zq9=\"x";
    let percent: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let (base64, escaped) = (STANDARD.encode(SECRET), json!(SECRET).to_string());
    let echo = {
        let percent = percent.clone();
        move |request: &Request| {
            let body = json!([
                {"id": 1, "plain": SECRET, "url": format!("https://api.test/x?key={percent}"), "body": request.body},
                {"id": 2, "plain": "nothing", "url": request.raw_query, "body": request.header("x-key")},
            ]);
            Reply::json(body.to_string()).gzip().header("x-echo", SECRET).header("set-cookie", "session=c00kie-of-a-page")
        }
    };
    let api = FakeApi::start().on("/things", echo);
    let config = format!(
        "name: things\nclient:\n  base_url: {}\n  headers: {{X-Key: \"${{SECRET}}\", Authorization: \"Basic {base64}\"}}\nresources:\n  - name: things\n    \
         primary_key: id\n    write_disposition: merge\n    endpoint:\n      path: things\n      method: POST\n      \
         json: {{key: \"${{SECRET}}\", all: true}}\n      params: {{key: \"${{SECRET}}\"}}\n      paginator: single_page\nlake:\n  url: ./lake\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config).env("SECRET", SECRET);
    ok(record(&sandbox));
    let all = unpacked(&sandbox);
    assert!(has(&all, "nothing") && has(&all, "secret-1-of-recording"));
    for spelled in [SECRET, &percent, &escaped[1..escaped.len() - 1], &base64[..20], "Zq9=", "c00kie-of-a-page"] {
        assert!(!has(&all, spelled), "{spelled}");
    }
    // With the same secret the rows are the same.
    let known = elsewhere(&sandbox).env("SECRET", SECRET);
    ok(replay(&known));
    same(&sandbox, &known);
    // Without it, or with another one, a filler stands there, and is told.
    for other in [elsewhere(&sandbox), elsewhere(&sandbox).env("SECRET", "another-0ne")] {
        let ended = ok(replay(&other));
        let codes: Vec<_> = ended.summary()["warnings"].as_array().unwrap().iter().map(|told| told["code"].clone()).collect();
        assert_eq!(codes, ["secrets_not_replayed"], "{ended}");
        let rows = other.by_key("things", "id");
        assert_eq!((rows[&1]["plain"].as_str(), rows[&2]["plain"].as_str()), (Some("secret-1-of-recording"), Some("nothing")));
    }
}

#[test]
fn tokens_are_not_in_a_recording_and_are_not_needed_to_replay_it() {
    let api = FakeApi::start()
        .page("/token", r#"{"access_token":"t0ken-abcdef","expires_in":3600,"token_type":"Bearer","refresh_token":"r3fresh-2"}"#)
        .then("/things", Reply::status(401))
        .on("/things", |request| match request.header("authorization") {
            Some("Bearer t0ken-abcdef") => Reply::json(r#"[{"id":1,"echo":"t0ken-abcdef"},{"id":2}]"#),
            _ => Reply::status(401),
        });
    let config = format!(
        "name: things\nclient:\n  base_url: {0}\n  auth: {{type: oauth2_refresh_token, access_token_url: \"{0}/token\", client_id: me, client_secret: \"${{SECRET}}\", \
         refresh_token: \"${{REFRESH}}\", token_file: kept.token}}\nresources:\n  - name: things\n    processing_steps: [{{drop: [echo]}}]\n    primary_key: id\n    \
         write_disposition: merge\n    endpoint: {{path: things, paginator: single_page}}\nlake:\n  url: ./lake\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config).env("SECRET", "cl1ent-s3cret").env("REFRESH", "r3fresh-1");
    ok(record(&sandbox));
    let all = unpacked(&sandbox);
    for secret in ["t0ken-abcdef", "r3fresh-2", "r3fresh-1", "cl1ent-s3cret"] {
        assert!(!has(&all, secret), "{secret}");
    }
    let kept = fs::read(sandbox.path().join("kept.token")).unwrap();
    let asked = api.requests().len();
    let other = elsewhere(&sandbox);
    fs::write(other.path().join("kept.token"), &kept).unwrap();
    ok(replay(&other));
    assert_eq!(api.requests().len(), asked);
    same(&sandbox, &other);
    assert_eq!(fs::read(other.path().join("kept.token")).unwrap(), kept, "a filler was kept as a token");
}

/// Orders since a cursor, and the lines of each.
fn shop() -> (FakeApi, String) {
    let orders = |since: &str| {
        let all = (1..=6).map(|id| json!({"id": id, "updated_at": format!("2026-11-0{id}T00:00:00Z")}));
        all.filter(|order| order["updated_at"].as_str().unwrap() >= since).collect::<Vec<_>>()
    };
    let api = FakeApi::start()
        .on("/orders", move |request| Reply::json(json!({"data": orders(request.param("since").unwrap_or(""))}).to_string()));
    let api = (1..=6)
        .fold(api, |api, order| api.on(&format!("/orders/{order}/lines"), move |_| Reply::json(ids(order * 10..order * 10 + 3))));
    let config = format!(
        "name: shop\nclient: {{base_url: {}}}\nresources:\n  - name: orders\n    primary_key: id\n    write_disposition: merge\n    endpoint:\n      path: orders\n      \
         data_selector: data\n      paginator: single_page\n      params: {{since: \"{{incremental.start_value}}\"}}\n      \
         incremental: {{cursor_path: updated_at, initial_value: \"2026-11-03T00:00:00Z\"}}\n  - name: lines\n    primary_key: id\n    write_disposition: merge\n    \
         include_from_parent: [id]\n    endpoint: {{path: \"orders/{{resources.orders.id}}/lines\", paginator: single_page}}\nlake:\n  url: ./lake\n",
        api.url()
    );
    (api, config)
}

#[test]
fn incremental_nights_with_children_are_replayed_from_the_lake_they_began_with_and_from_no_other() {
    let (api, config) = shop();
    let sandbox = Sandbox::with_config(&config);
    sandbox.run_ok();
    let before = Sandbox::new();
    copied(&sandbox.lake(), &before.lake());
    ok(record(&sandbox));
    let asked = api.requests().len();
    let other = elsewhere(&sandbox);
    copied(&before.lake(), &other.lake());
    ok(replay(&other));
    same(&sandbox, &other);
    // The lake is now as the recorded run left it, and a new one is as none was.
    let version = "bring that version back with `lakeward rollback lakeward.yaml --to 1`";
    replay(&sandbox).failed_with(
        2,
        &["the replay cannot come to the same tables: the recorded run began with `orders` as version 1 had it", version],
    );
    replay(&elsewhere(&sandbox)).failed_with(2, &["began with `orders` as version 1 had it"]);
    // The way out works.
    let was = sandbox.data_files();
    ok(sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]));
    ok(replay(&sandbox));
    let rows = |of: &Sandbox, table: &str| of.by_key(table, "id");
    for table in ["orders", "lines"] {
        assert_eq!(rows(&sandbox, table), rows(&other, table));
    }
    assert_eq!(was.len(), sandbox.data_files().len());
    assert_eq!(api.requests().len(), asked);
}

#[test]
fn a_recording_of_a_new_lake_wants_a_new_lake_and_the_same_options() {
    let api = FakeApi::start().page("/things", ids(0..3));
    let config = format!(
        "name: t\nclient: {{base_url: {}}}\nresources:\n  - {{name: things, primary_key: id, write_disposition: merge, endpoint: {{path: things, paginator: single_page}}}}\n\
         lake: {{url: ./lake}}\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config);
    ok(record(&sandbox));
    replay(&sandbox)
        .failed_with(2, &["began with `things` without a table", "write another `lake.url` into a copy of the config"]);
    let full = sandbox.lakeward(&["run", "lakeward.yaml", "--replay", FILE, "--full-refresh"]);
    full.failed_with(2, &["the recorded run was one without `--full-refresh=drop_resources`", "leave the option out"]);
}

#[test]
fn what_the_recording_does_not_have_is_exit_code_3_names_the_nearest_and_publishes_nothing() {
    let api = Billing::guide().serve();
    let sandbox = Sandbox::with_config(&guide_config(&api.url())).env("BILLING_API_KEY", KEY);
    ok(record(&sandbox));
    let other = elsewhere(&sandbox);
    let config = fs::read_to_string(other.path().join("lakeward.yaml")).unwrap();
    other.write("lakeward.yaml", &config.replacen("limit: 100", "limit: 50", 1));
    let ended = replay(&other);
    ended.failed_with(
        3,
        &[
            "`customer_usage`, page 1",
            "the recording has no answer to `GET ",
            "limit=50",
            "the nearest that it has is `GET ",
            "/v1/customer_usage?",
            "take back what was changed in the config, or record anew",
        ],
    );
    assert!(other.data_files().is_empty(), "{ended}");
    assert!(!ended.to_string().contains(KEY));
}

#[test]
fn a_recording_that_was_cut_or_changed_is_told_as_such() {
    let api = FakeApi::start().page("/things", ids(0..300));
    let config = format!(
        "name: t\nclient: {{base_url: {}}}\nresources:\n  - {{name: things, endpoint: {{path: things, paginator: single_page}}}}\nlake: {{url: ./lake}}\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config);
    ok(record(&sandbox));
    let whole = fs::read(sandbox.path().join(FILE)).unwrap();
    let refused = |bytes: &[u8], code: i32, words: &[&str]| {
        let other = elsewhere(&sandbox);
        fs::write(other.path().join(FILE), bytes).unwrap();
        let ended = replay(&other);
        ended.failed_with(code, words);
        assert!(other.data_files().is_empty(), "{ended}");
    };
    for cut in [1, 7, whole.len() / 2, whole.len() - MAGIC.len() - 5] {
        refused(&whole[..whole.len() - cut], 3, &["the recording `night.recording`: it was cut", "record the run again"]);
    }
    for at in (MAGIC.len()..whole.len()).step_by(37) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        // A length may then reach past the end.
        refused(&changed, 3, &["the recording `night.recording`: it was c"]);
    }
    let mut more = whole.clone();
    more.extend_from_slice(&whole[MAGIC.len()..]);
    refused(&more, 3, &["it was changed since it was written"]);
    for other in [&b""[..], b"lakeward", b"name: things\nclient: {}\n", b"lakeward recording 02\n"] {
        refused(other, 2, &["it is no recording of lakeward"]);
    }
    let none = sandbox.lakeward(&["run", "lakeward.yaml", "--replay", "nowhere"]);
    none.failed_with(2, &["the recording `nowhere`: it cannot be read: No such file"]);
    assert_eq!(none.summary()["status"], "failed");
}

#[test]
fn a_run_that_fails_is_recorded_and_fails_the_same_way_when_it_is_replayed() {
    let api = FakeApi::start().on("/things", |_| Reply::status(503).header("retry-after", "1"));
    let config = format!(
        "name: t\nclient: {{base_url: {}, retry: {{max_retries: 1}}}}\nresources:\n  - {{name: things, endpoint: {{path: things, paginator: single_page}}}}\nlake: {{url: ./lake}}\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config);
    let failed = record(&sandbox);
    failed.failed_with(75, &["answered 503 at attempt 2"]);
    let replayed = replay(&elsewhere(&sandbox));
    replayed.failed_with(75, &["answered 503 at attempt 2"]);
    assert_eq!(failed.table("things")["error"], replayed.table("things")["error"]);
    drop(api);
    let unreachable = record(&sandbox);
    unreachable.failed_with(75, &["refuses connections"]);
    let replayed = replay(&elsewhere(&sandbox));
    assert_eq!(unreachable.table("things")["error"], replayed.table("things")["error"]);
}

#[test]
fn a_killed_run_leaves_no_recording_under_its_name_and_the_next_one_replaces_what_it_left() {
    let gate = std::sync::Arc::new(crate::support::interrupted::Gate::default());
    let api = crate::support::interrupted::shop(&gate, 5);
    let sandbox = Sandbox::with_config(&crate::support::interrupted::config(&api, crate::support::interrupted::ORDERS));
    gate.begin(Some(3));
    let running = crate::support::sandbox::Running::spawn(&mut sandbox.command(&["run", "lakeward.yaml", "--record", FILE]));
    gate.wait_for(3);
    // A second one cannot write over it.
    record(&sandbox).failed_with(2, &["another run records to it", "nothing was requested"]);
    assert!(running.kill());
    gate.begin(None);
    assert!(!sandbox.path().join(FILE).exists());
    fs::remove_dir_all(sandbox.lake()).unwrap();
    ok(record(&sandbox));
    assert!(!sandbox.path().join("night.recording.part").exists());
    let other = elsewhere(&sandbox);
    ok(replay(&other));
    same(&sandbox, &other);
}

#[test]
fn large_bodies_with_secrets_across_their_pieces_come_back_as_they_were() {
    const SECRET: &str = "canary-0f-some-length";
    let body = move |_: &Request| {
        let rows: Vec<_> = (0..40_000).map(|id| json!({"id": id, "key": SECRET, "note": "x".repeat(id % 50)})).collect();
        Reply::json(json!(rows).to_string()).gzip().chunked()
    };
    let api = FakeApi::start().on("/things", body);
    let config = format!(
        "name: t\nclient: {{base_url: {}, headers: {{X-Key: \"${{SECRET}}\"}}}}\nresources:\n  - {{name: things, endpoint: {{path: things, paginator: single_page}}}}\nlake: {{url: ./lake}}\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config).env("SECRET", SECRET);
    ok(record(&sandbox));
    assert!(!has(&unpacked(&sandbox), "canary-0f"), "a piece of it is there");
    let other = elsewhere(&sandbox).env("SECRET", SECRET);
    ok(replay(&other));
    same(&sandbox, &other);
}

#[test]
fn a_recording_that_cannot_be_written_is_told_before_or_after_and_no_file_is_left() {
    let api = FakeApi::start().page("/things", ids(0..3));
    let config = format!(
        "name: t\nclient: {{base_url: {}}}\nresources:\n  - {{name: things, endpoint: {{path: things, paginator: single_page}}}}\nlake: {{url: ./lake}}\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&config);
    let nowhere = sandbox.lakeward(&["run", "lakeward.yaml", "--record", "nowhere/night.recording"]);
    nowhere.failed_with(2, &["cannot record to `nowhere/night.recording`", "nothing was requested"]);
    let folder = sandbox.lakeward(&["run", "lakeward.yaml", "--record", "."]);
    folder.failed_with(2, &["cannot record to `.`: it is a folder"]);
    assert!(api.requests().is_empty());
    let both = sandbox.lakeward(&["run", "lakeward.yaml", "--record", "a", "--replay", "b"]);
    both.failed_with(2, &["cannot be used with"]);
    // The notes of the refused runs are no recordings.
    assert!(files_under(sandbox.path()).keys().all(|name| name == "lakeward.yaml" || name.starts_with(".lakeward-runs/")));
}
