//! A run that was interrupted is gone on with: what it was answered is not asked for again, and the table is that of one run that was not interrupted.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::support::fake_api::{FakeApi, Reply, Request, ids};
use crate::support::interrupted::{Gate, ORDERS, config, gated, killed_at, left, log, offset_page, shop};
use crate::support::sandbox::{Ended, Sandbox, files_under};

/// Requests that may be in flight, and pages that may wait for their turn: what a kill loses at most.
const LOST_MAX: u64 = 13;

fn uninterrupted(config: &str, gate: &Gate) -> (Sandbox, Ended) {
    let sandbox = Sandbox::with_config(config);
    gate.begin(None);
    let ended = sandbox.run_ok();
    (sandbox, ended)
}

#[test]
fn a_run_of_300_pages_that_is_killed_at_20_places_costs_what_was_in_flight() {
    let gate = Arc::<Gate>::default();
    let api = shop(&gate, 300);
    let config = config(&api, ORDERS);
    let (whole, ended) = uninterrupted(&config, &gate);
    let requests = ended.table("orders")["requests"].as_u64().unwrap();
    let pages = ended.table("orders")["pages"].as_u64().unwrap();
    assert_eq!((requests, pages), (301, 301), "the last one is empty: {ended}");
    let mut random = fastrand::Rng::with_seed(300);
    for _ in 0..20 {
        let sandbox = Sandbox::with_config(&config);
        let stop_at = random.u64(2..300);
        killed_at(&sandbox, &gate, stop_at, ("orders", stop_at.saturating_sub(LOST_MAX)));
        assert!(sandbox.rows("orders").is_empty(), "nothing is published");
        let kept = left(&sandbox, "orders");
        assert!(kept + LOST_MAX >= stop_at && kept < stop_at, "{kept} of {stop_at}");
        let ended = sandbox.run_ok();
        let table = ended.table("orders");
        let asked = table["requests"].as_u64().unwrap();
        // What the killed run had sent may reach the API behind its end.
        assert!((asked..asked + LOST_MAX).contains(&gate.count()), "{} of {asked}: {ended}", gate.count());
        assert_eq!(
            (table["resumed_pages"].as_u64(), table["pages"].as_u64()),
            (Some(kept.saturating_sub(1)), Some(pages)),
            "{ended}"
        );
        // The last page that was kept is asked for twice: whether it is what it was, and in its turn.
        assert!(asked <= requests - kept + 2, "stopped at {stop_at}: {asked} requests beside {kept}");
        assert!(kept == 0 || ended.stderr.contains("which are not asked for again"), "{ended}");
        assert_eq!(sandbox.data_files(), whole.data_files(), "stopped at {stop_at}");
        assert!(!log(&sandbox, "orders").exists(), "what is published is kept no longer");
    }
}

#[test]
fn a_load_that_is_killed_again_and_again_asks_for_each_page_once() {
    let gate = Arc::<Gate>::default();
    let api = shop(&gate, 120);
    let config = config(&api, ORDERS);
    let (whole, _) = uninterrupted(&config, &gate);
    let sandbox = Sandbox::with_config(&config);
    let (mut asked, mut kept) = (0, 0);
    for _ in 0..4 {
        // Two of them are for the last page that was kept.
        killed_at(&sandbox, &gate, 30, ("orders", kept + 28 - LOST_MAX));
        asked += 30;
        kept = left(&sandbox, "orders");
    }
    sandbox.run_ok();
    asked += gate.count();
    assert!(asked <= 128 + 5 * LOST_MAX, "{asked} requests");
    assert_eq!(sandbox.data_files(), whole.data_files());
}

/// A shop whose answers come in every way: by offset, by cursor, for parents, for windows of time.
fn whole_shop(gate: &Arc<Gate>) -> FakeApi {
    let by_cursor = |request: &Request| {
        let at = request.number("cursor", 0);
        let next = if at + 10 < 250 { format!(r#""{}""#, at + 10) } else { "null".to_owned() };
        Reply::json(format!(r#"{{"data":{},"next":{next}}}"#, ids(at..at + 10))).gzip()
    };
    let by_line = |request: &Request| {
        let order = request.path.split('/').nth(2).unwrap().parse::<u64>().unwrap();
        Reply::json(format!(r#"{{"data":{}}}"#, ids(order * 2..order * 2 + 2)))
    };
    let by_day = |request: &Request| {
        let from = request.param("from").unwrap().to_owned();
        Reply::json(format!(r#"{{"data":[{{"id":"{from}","at":"{from}"}}]}}"#))
    };
    let mut api = FakeApi::start()
        .on("/orders", gated(gate, |request| offset_page(request, 30)))
        .on("/stock", gated(gate, by_cursor))
        .on("/days", gated(gate, by_day));
    for order in 0..30 {
        api = api.on(&format!("/orders/{order}/lines"), gated(gate, by_line));
    }
    api
}

/// Has each way of reading killed and gone on with; `least` answers of `resource` are kept by then, and not asked for again but for the last ones of
/// `begun` chains.
fn goes_on(api: &FakeApi, gate: &Gate, resources: &str, (resource, stop_at, least, begun): (&str, u64, u64, u64)) {
    let config = config(api, resources);
    let (whole, _) = uninterrupted(&config, gate);
    let requests = gate.count();
    let sandbox = Sandbox::with_config(&config);
    killed_at(&sandbox, gate, stop_at, (resource, least));
    let kept = left(&sandbox, resource);
    assert!(kept >= least, "{resource}: {kept} kept");
    let ended = sandbox.run_ok();
    let sum = |key: &str| -> u64 {
        let tables = ended.summary()["tables"].as_object().unwrap().clone();
        tables.values().map(|table| table[key].as_u64().unwrap()).sum()
    };
    assert!(sum("resumed_pages") + begun >= least, "{ended}");
    assert_eq!(sum("requests") + sum("resumed_pages"), requests + begun, "{ended}");
    assert!(gate.count() >= sum("requests"), "{} requests: {ended}", gate.count());
    assert_eq!(sandbox.data_files(), whole.data_files(), "{ended}");
    assert!(files_under(&sandbox.lake()).keys().all(|path| !path.contains("/answers/")), "{ended}");
}

#[test]
fn every_way_of_reading_is_gone_on_with() {
    let gate = Arc::<Gate>::default();
    let api = whole_shop(&gate);
    let stock = "  - name: stock\n    primary_key: id\n    endpoint: {path: /stock, data_selector: data, paginator: {type: cursor, cursor_path: next, cursor_param: cursor}}\n";
    goes_on(&api, &gate, stock, ("stock", 20, 18, 1));
    let found = "  - name: stock\n    primary_key: id\n    endpoint: {path: /stock}\n";
    goes_on(&api, &gate, found, ("stock", 20, 17, 1));
    let lines = "  - name: lines\n    include_from_parent: [id]\n    endpoint: {path: 'orders/{resources.orders.id}/lines', data_selector: data, paginator: single_page}\n";
    goes_on(&api, &gate, &format!("{ORDERS}{lines}"), ("lines", 24, 14, 0));
    let days = |ends: &str| {
        format!(
            "  - name: days\n    primary_key: id\n    write_disposition: append\n    endpoint: {{path: /days, data_selector: data, paginator: single_page, incremental: {{cursor_path: at, initial_value: '2026-01-01T00:00:00Z', {ends}step: 1d, start_param: from, end_param: to}}}}\n"
        )
    };
    goes_on(&api, &gate, &days("end_value: '2026-02-10T00:00:00Z', "), ("days", 30, 24, 0));
}

/// Windows up to the present: the run that goes on asks as of the time at which the first one began, and the night behind it goes on from there.
#[test]
#[expect(clippy::disallowed_methods, reason = "the binary's windows end at the machine's own time")]
fn windows_up_to_now_end_where_the_interrupted_run_had_them_end() {
    let gate = Arc::<Gate>::default();
    let api = whole_shop(&gate);
    let start = chrono::Utc::now() - chrono::TimeDelta::hours(40);
    let start = start.format("%Y-%m-%dT%H:%M:%SZ");
    let days = format!(
        "  - name: days\n    primary_key: id\n    write_disposition: append\n    endpoint: {{path: /days, data_selector: data, paginator: single_page, incremental: {{cursor_path: at, initial_value: '{start}', step: 1h, start_param: from, end_param: to}}}}\n"
    );
    let sandbox = Sandbox::with_config(&config(&api, &days));
    killed_at(&sandbox, &gate, 30, ("days", 24));
    let kept = left(&sandbox, "days");
    let ended = sandbox.run_ok();
    assert!(ended.table("days")["resumed_pages"].as_u64() >= Some(24), "{ended}");
    let asked = |request: &Request| (request.param("from").unwrap().to_owned(), request.param("to").unwrap().to_owned());
    let windows: std::collections::BTreeSet<_> = api.requests().iter().map(asked).collect();
    let again = ended.table("days")["requests"].as_u64().unwrap();
    assert_eq!(windows.len() as u64, kept + again, "the same windows in both runs");
    assert_eq!(sandbox.rows("days").len(), windows.len());
}

/// The cursor that the interrupted run went on from, and the one that the next run goes on from.
#[test]
fn an_incremental_load_is_gone_on_with_from_its_cursor() {
    let gate = Arc::<Gate>::default();
    let night = Arc::new(Mutex::new(20_u64));
    let of_night = Arc::clone(&night);
    let answer = move |request: &Request| {
        let (since, offset, end) = (request.number("since", 0), request.number("offset", 0), *of_night.lock().unwrap());
        let records: Vec<String> =
            (since + offset..end.min(since + offset + 10)).map(|id| format!(r#"{{"id":{id},"v":{id}}}"#)).collect();
        Reply::json(format!(r#"{{"data":[{}],"total":{}}}"#, records.join(","), end.saturating_sub(since)))
    };
    let api = FakeApi::start().on("/orders", gated(&gate, answer));
    let orders = "  - name: orders\n    write_disposition: append\n    primary_key: id\n    endpoint: {path: /orders, data_selector: data, paginator: {type: offset, limit: 10, total_path: total}, incremental: {cursor_path: v, initial_value: 0, start_param: since}}\n";
    let sandbox = Sandbox::with_config(&config(&api, orders));
    sandbox.run_ok();
    *night.lock().unwrap() = 320;
    killed_at(&sandbox, &gate, 20, ("orders", 20 - LOST_MAX));
    assert!(left(&sandbox, "orders") + LOST_MAX >= 20);
    let ended = sandbox.run_ok();
    assert!(ended.table("orders")["resumed_pages"].as_u64() >= Some(20 - LOST_MAX - 1), "{ended}");
    assert_eq!(sandbox.by_key("orders", "id").len(), 320);
    *night.lock().unwrap() = 330;
    let ended = sandbox.run_ok();
    assert_eq!((ended.table("orders")["records"].as_u64(), sandbox.by_key("orders", "id").len()), (Some(11), 330), "{ended}");
}

/// An API that answers thirty pages of orders but one, and that one by `odd`.
fn odd_at_20(gate: &Arc<Gate>, odd: Arc<Mutex<Option<Reply>>>) -> FakeApi {
    let answer = move |request: &Request| match odd.lock().unwrap().clone() {
        Some(reply) if request.number("offset", 0) == 200 => reply,
        _ => offset_page(request, 300),
    };
    FakeApi::start().on("/orders", gated(gate, answer)).on("/small", |request| offset_page(request, 10))
}

#[test]
fn each_end_of_a_run_says_what_becomes_of_what_it_was_answered() {
    let gate = Arc::<Gate>::default();
    let odd = Arc::<Mutex<Option<Reply>>>::default();
    let api = odd_at_20(&gate, Arc::clone(&odd));
    let text = config(&api, ORDERS).replace("client: {", "client: {retry: {max_retries: 0}, ");
    let cases: [(Reply, i32, bool); 5] = [
        (Reply::status(503), 75, true),
        (Reply::reset(), 75, true),
        (Reply::json("{\"data\":[{\"id\":"), 3, false),
        (Reply::status(400), 3, false),
        (Reply::status(401), 4, false),
    ];
    for (reply, code, stays) in cases {
        let sandbox = Sandbox::with_config(&text);
        *odd.lock().unwrap() = Some(reply);
        sandbox.run().failed_with(code, &[]);
        let kept = left(&sandbox, "orders");
        assert_eq!((kept > 0, log(&sandbox, "orders").exists()), (stays, stays), "exit code {code}");
        *odd.lock().unwrap() = None;
        let ended = sandbox.run_ok();
        assert_eq!(ended.table("orders")["resumed_pages"], kept.saturating_sub(1), "{ended}");
        assert_eq!(sandbox.by_key("orders", "id").len(), 300);
    }
    // A run that goes on, and finds a fault, goes on no more.
    let sandbox = Sandbox::with_config(&text);
    *odd.lock().unwrap() = Some(Reply::status(503));
    sandbox.run().failed_with(75, &[]);
    *odd.lock().unwrap() = Some(Reply::status(400));
    let ended = sandbox.run();
    ended.failed_with(3, &[]);
    assert!(ended.table("orders")["resumed_pages"].as_u64() > Some(0), "{ended}");
    assert!(ended.stderr.contains("pages that an interrupted run had kept may be the reason"), "{ended}");
    *odd.lock().unwrap() = None;
    assert_eq!(sandbox.run_ok().table("orders")["resumed_pages"], 0);
}

#[test]
fn what_is_published_beside_a_resource_that_waits_is_not_kept_and_the_rest_is() {
    let gate = Arc::<Gate>::default();
    let odd = Arc::new(Mutex::new(Some(Reply::status(503))));
    let api = odd_at_20(&gate, Arc::clone(&odd));
    let small = ORDERS.replace("orders", "small");
    let text = config(&api, &format!("{small}{ORDERS}")).replace("client: {", "client: {retry: {max_retries: 0}, ");
    let sandbox = Sandbox::with_config(&text);
    sandbox.run().failed_with(20, &[]);
    let kept = left(&sandbox, "orders");
    assert!(kept > 0 && left(&sandbox, "small") == 0);
    *odd.lock().unwrap() = None;
    let ended = sandbox.run_ok();
    let resumed = ["small", "orders"].map(|table| ended.table(table)["resumed_pages"].as_u64().unwrap());
    assert_eq!(resumed, [0, kept - 1], "{ended}");
}

#[test]
fn a_run_that_is_cancelled_is_gone_on_with() {
    let gate = Arc::<Gate>::default();
    let api = shop(&gate, 60);
    let sandbox = Sandbox::with_config(&config(&api, ORDERS));
    gate.begin(Some(40));
    let running = sandbox.start();
    gate.wait_for(40);
    assert!(Command::new("kill").arg("-INT").arg(running.pid().to_string()).status().unwrap().success());
    running.end().failed_with(130, &[]);
    gate.begin(None);
    let kept = left(&sandbox, "orders");
    assert!(kept + LOST_MAX >= 40, "{kept}");
    let ended = sandbox.run_ok();
    let table = ended.table("orders");
    let counts = ["resumed_pages", "requests"].map(|key| table[key].as_u64());
    assert_eq!(counts, [Some(kept - 1), Some(63 - kept)], "{ended}");
}

/// A lake in which a run was killed at its 40th request of 60.
fn interrupted(gate: &Arc<Gate>, api: &FakeApi) -> Sandbox {
    let sandbox = Sandbox::with_config(&config(api, ORDERS));
    killed_at(&sandbox, gate, 40, ("orders", 40 - LOST_MAX));
    sandbox
}

fn resumed(sandbox: &Sandbox, arguments: &[&str]) -> u64 {
    let ended = sandbox.lakeward(arguments);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(sandbox.by_key("orders", "id").len(), 600, "{ended}");
    assert!(!log(sandbox, "orders").exists(), "{ended}");
    ended.table("orders")["resumed_pages"].as_u64().unwrap()
}

const RUN: [&str; 2] = ["run", "lakeward.yaml"];

#[test]
fn kept_answers_are_used_under_the_same_config_table_and_state_alone() {
    let gate = Arc::<Gate>::default();
    let api = shop(&gate, 60);
    let text = config(&api, ORDERS);
    let under = |changed: &str, arguments: &[&str]| {
        let sandbox = interrupted(&gate, &api);
        sandbox.write("lakeward.yaml", changed);
        resumed(&sandbox, arguments)
    };
    let change = |from: &str, to: &str| text.replace(from, to);
    for kept in [
        under(&text, &RUN),
        under(&change("client: {", "client: {concurrency: 1, timeout: {page: 5m}, retry: {max_retries: 1}, "), &RUN),
        under(&change("client: {", "resume: 1h\nclient: {"), &RUN),
        under(&change("./lake}", "./lake, keep_versions: 2}"), &RUN),
    ] {
        assert!(kept + LOST_MAX + 1 >= 40, "{kept}");
    }
    assert_eq!(under(&change("client: {", "client: {headers: {X-Shop: a}, "), &RUN), 0);
    assert_eq!(under(&change("/orders, ", "/orders, params: {kind: new}, "), &RUN), 0);
    assert_eq!(under(&change("client: {", "resume: 0\nclient: {"), &RUN), 0);
    assert_eq!(under(&text, &["run", "lakeward.yaml", "--full-refresh"]), 0);
    assert_eq!(under(&text, &["run", "lakeward.yaml", "--reset-state"]), 0);
    // What was kept before another run's commit is older than the table.
    let sandbox = interrupted(&gate, &api);
    let (path, aside) = (log(&sandbox, "orders"), sandbox.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    assert_eq!(resumed(&sandbox, &RUN), 0);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(resumed(&sandbox, &RUN), 0);
}

#[test]
fn kept_answers_of_yesterday_are_garbage_and_no_run_uses_them() {
    let gate = Arc::<Gate>::default();
    let api = shop(&gate, 60);
    let sandbox = Sandbox::with_config(&config(&api, ORDERS));
    sandbox.run_ok();
    killed_at(&sandbox, &gate, 40, ("orders", 40 - LOST_MAX));
    let doctor = sandbox.lakeward(&["doctor", "lakeward.yaml"]);
    assert!(doctor.stdout.contains("what an interrupted run was answered for `orders`"), "{doctor}");
    let path = log(&sandbox, "orders");
    assert!(Command::new("touch").args(["-d", "7 hours ago"]).arg(&path).status().unwrap().success());
    let gc = sandbox.lakeward(&["gc", "lakeward.yaml"]);
    assert!(gc.stdout.contains("1 file (") && gc.stdout.contains("of interrupted runs"), "{gc}");
    assert!(path.exists());
    let copy = fs::read(&path).unwrap();
    let gc = sandbox.lakeward(&["gc", "lakeward.yaml", "--apply"]);
    assert!(gc.code() == Some(0) && !path.exists(), "{gc}");
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::write(&path, copy).unwrap();
    assert!(Command::new("touch").args(["-d", "7 hours ago"]).arg(&path).status().unwrap().success());
    assert_eq!(resumed(&sandbox, &RUN), 0);
}

#[test]
fn a_hostile_log_is_left_alone_or_read_as_far_as_it_is_whole() {
    let gate = Arc::<Gate>::default();
    let api = shop(&gate, 60);
    let sandbox = interrupted(&gate, &api);
    let (path, whole) = (log(&sandbox, "orders"), left(&sandbox, "orders"));
    let bytes = fs::read(&path).unwrap();
    let mut rest = bytes.clone();
    rest.truncate(bytes.len() / 2);
    rest.extend_from_slice(&[0xff; 100]);
    fs::write(&path, &rest).unwrap();
    let kept = left(&sandbox, "orders");
    assert!(kept > 0 && kept < whole);
    assert_eq!(resumed(&sandbox, &RUN), kept - 1);
    let places: [fn(&PathBuf); 3] = [
        |path| symlink("/etc/passwd", path).unwrap(),
        |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        |path| fs::create_dir(path).unwrap(),
    ];
    for place in places {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        place(&path);
        let ended = sandbox.run_ok();
        assert!(ended.stderr.contains("no answers are kept") && ended.stderr.contains("orders.answers"), "{ended}");
        assert!(fs::symlink_metadata(&path).is_ok(), "what is not ours stays");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
    for junk in [&b""[..], b"{}", &[0; 4096]] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, junk).unwrap();
        assert_eq!(resumed(&sandbox, &RUN), 0);
    }
}

#[test]
fn no_credential_is_kept_and_a_page_that_shows_one_is_asked_for_again() {
    let gate = Arc::<Gate>::default();
    let answer = |request: &Request| {
        let echo = if request.number("offset", 0) == 50 { "s3cret-of-the-shop" } else { "" };
        let page = offset_page(request, 300).with_header("set-cookie", "session=s3ssion-of-the-shop");
        if echo.is_empty() { page } else { page.with_header("x-echo", echo) }
    };
    let api = FakeApi::start().on("/orders", gated(&gate, answer));
    let text = config(&api, ORDERS).replace("client: {", "client: {auth: {type: bearer, token: \"${TOKEN}\"}, concurrency: 1, ");
    let sandbox = Sandbox::with_config(&text).env("TOKEN", "s3cret-of-the-shop");
    killed_at(&sandbox, &gate, 20, ("orders", 5));
    assert_eq!(left(&sandbox, "orders"), 5);
    let bytes = fs::read(log(&sandbox, "orders")).unwrap();
    for secret in ["s3cret", "s3ssion", "Bearer"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    assert_eq!(fs::metadata(log(&sandbox, "orders")).unwrap().permissions().mode() & 0o777, 0o600);
    let ended = sandbox.run_ok();
    assert_eq!(
        (ended.table("orders")["resumed_pages"].as_u64(), gate.count()),
        (Some(4), 28),
        "behind it the API answers: {ended}"
    );
}
