//! What changed while a run was interrupted: the run that goes on asks for the last page that was kept again, and begins anew where that has changed.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::interrupted::{Gate, config, gated, killed_at, left, log};
use crate::support::sandbox::{Ended, Sandbox, files_under};

/// What the API has of each row: its key, and a version of it.
type Rows = Vec<(u64, u64)>;

fn rows(ids: impl IntoIterator<Item = u64>) -> Rows {
    ids.into_iter().map(|id| (id, 0)).collect()
}

fn page(rows: &[(u64, u64)], from: u64) -> String {
    let rows = rows.iter().skip(usize::try_from(from).unwrap()).take(10);
    let rows: Vec<String> = rows.map(|(id, v)| format!(r#"{{"id":{id},"v":{v}}}"#)).collect();
    format!("[{}]", rows.join(","))
}

/// A list that is read by pages of ten, and changes.
#[derive(Clone, Default)]
struct Changing {
    rows: Arc<Mutex<Rows>>,
    answered: Arc<AtomicU64>,
    gate: Arc<Gate>,
}

impl Changing {
    fn set(&self, rows: &[(u64, u64)]) {
        *self.rows.lock().unwrap() = rows.to_vec();
    }

    /// By `offset` or by `page`, with a total or without; each answer tells when it was made.
    fn api(&self, has_total: bool) -> FakeApi {
        let Self { rows, answered, gate } = self.clone();
        let answer = move |request: &Request| {
            let (since, now) = (request.number("since", 0), answered.fetch_add(1, Ordering::Relaxed));
            let rows: Rows = rows.lock().unwrap().iter().filter(|(_, v)| *v >= since).copied().collect();
            let offset = request.number("offset", (request.number("page", 1) - 1) * 10);
            let total = if has_total { format!(r#","total":{}"#, rows.len()) } else { String::new() };
            Reply::json(format!(r#"{{"data":{},"now":{now}{total}}}"#, page(&rows, offset)))
        };
        FakeApi::start().on("/orders", gated(&gate, answer))
    }
}

/// One request after the other, so that it is known how many pages are kept.
fn one_by_one(api: &FakeApi, resource: &str) -> String {
    config(api, resource).replace("client: {", "client: {concurrency: 1, retry: {max_retries: 0}, ")
}

fn orders(paginator: &str, keys: &str) -> String {
    format!(
        "  - name: orders\n    write_disposition: replace\n{keys}    endpoint: {{path: /orders, data_selector: data, paginator: {paginator}}}\n"
    )
}

const OFFSETS: &str = "{type: offset, limit: 10, total_path: null}";
const TOTALS: &str = "{type: offset, limit: 10, total_path: total}";
const NUMBERS: &str = "{type: page_number, base_page: 1, total_path: null}";
const CURSORS: &str = "{type: cursor, cursor_path: next, cursor_param: cursor}";

/// A lake in which a run under `config` was killed behind five pages.
fn interrupted(config: &str, gate: &Gate) -> Sandbox {
    let sandbox = Sandbox::with_config(config);
    kill_behind_five(&sandbox, gate);
    sandbox
}

fn kill_behind_five(sandbox: &Sandbox, gate: &Gate) {
    killed_at(sandbox, gate, 6, ("orders", 5));
    assert_eq!(left(sandbox, "orders"), 5);
}

fn resumed(ended: &Ended) -> u64 {
    ended.table("orders")["resumed_pages"].as_u64().unwrap()
}

/// The rows of the table, each once, in order.
fn ids_of(sandbox: &Sandbox) -> Vec<u64> {
    let mut ids: Vec<u64> = sandbox.rows("orders").iter().map(|row| row["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// Goes on, with success, with all that is there by then, and nothing that was kept.
fn begins_anew(sandbox: &Sandbox, expected: &[(u64, u64)], case: &str) {
    let ended = sandbox.run_ok();
    assert_eq!(resumed(&ended), 0, "{case}: {ended}");
    assert!(ended.stderr.contains("pages that an interrupted run has kept are not used"), "{case}: {ended}");
    let expected: BTreeSet<u64> = expected.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids_of(sandbox), expected.into_iter().collect::<Vec<_>>(), "{case}: {ended}");
    assert!(!log(sandbox, "orders").exists(), "{case}");
}

/// Every way in which rows come and go in front of what was read, or all that is behind it goes.
#[test]
fn rows_that_moved_while_a_run_was_interrupted_are_neither_missed_nor_doubled() {
    let before = rows(0..100);
    let ways = [
        ("three went", rows(3..100)),
        ("three went and came", rows(3..103)),
        ("half a page more came than went", rows(3..105)),
        ("many went", rows(25..100)),
        ("three came", rows((1000..1003).chain(0..100))),
        ("a page came", rows((1000..1010).chain(0..100))),
        ("more than a page came", rows((1000..1013).chain(0..100))),
        ("one of the last page went", rows((0..45).chain(46..100))),
        ("all but what was read went", rows(0..48)),
        ("what was not read went", rows(0..50)),
        ("all went", rows(0..0)),
    ];
    for (paginator, keys, has_total) in [
        (OFFSETS, "", false),
        (OFFSETS, "    primary_key: id\n", false),
        (TOTALS, "", true),
        (TOTALS, "    primary_key: id\n", true),
        (NUMBERS, "", false),
    ] {
        let list = Changing::default();
        let api = list.api(has_total);
        let text = one_by_one(&api, &orders(paginator, keys));
        for (way, after) in &ways {
            // Without a total, the list ends where what was kept does.
            if after.len() == 50 && !has_total {
                continue;
            }
            list.set(&before);
            let sandbox = interrupted(&text, &list.gate);
            list.set(after);
            begins_anew(&sandbox, after, &format!("{way}, {paginator}, {keys}"));
        }
    }
}

#[test]
fn a_list_that_stands_still_costs_one_more_request_and_a_row_that_changed_a_new_begin() {
    let list = Changing::default();
    let api = list.api(false);
    let text = one_by_one(&api, &orders(OFFSETS, "    primary_key: id\n").replace("replace", "merge"));
    list.set(&rows(0..100));
    let sandbox = interrupted(&text, &list.gate);
    // What stands around the records may change.
    let ended = sandbox.run_ok();
    assert_eq!((resumed(&ended), list.gate.count()), (4, 8), "five more pages, an empty one, and the fifth twice: {ended}");
    assert_eq!(ids_of(&sandbox).len(), 100);
    // Elsewhere than on the last page, the night behind brings it.
    let mut changed = rows(0..100);
    changed[7].1 = 1;
    list.set(&rows(0..100));
    kill_behind_five(&sandbox, &list.gate);
    list.set(&changed);
    assert_eq!(resumed(&sandbox.run_ok()), 4);
    changed[44].1 = 1;
    list.set(&rows(0..100));
    kill_behind_five(&sandbox, &list.gate);
    list.set(&changed);
    begins_anew(&sandbox, &changed, "a row changed");
    let rows = sandbox.by_key("orders", "id");
    assert_eq!((rows[&7]["v"].as_u64(), rows[&44]["v"].as_u64()), (Some(1), Some(1)));
}

/// A number that counts changes does not tell when they were made: what was kept is as far as it is known.
#[test]
fn a_row_that_changed_on_a_kept_page_is_read_by_the_night_behind_also_where_the_cursor_is_a_number() {
    let list = Changing::default();
    let api = list.api(false);
    let by_change = "paginator: {type: offset, limit: 10, total_path: null}, incremental: {cursor_path: v, initial_value: 0, start_param: since}";
    let merge = orders("X", "    primary_key: id\n").replace("replace", "merge").replace("paginator: X", by_change);
    let text = one_by_one(&api, &merge);
    for (order, again) in [("", 52), (", row_order: asc", 2)] {
        let text = text.replace(", start_param: since", &format!("{order}, start_param: since"));
        let changes: Rows = (0..100).map(|id| (id, id + 1)).collect();
        list.set(&changes);
        let sandbox = interrupted(&text, &list.gate);
        let mut changed = changes.clone();
        (changed[3].1, changed[80].1) = (101, 102);
        if !order.is_empty() {
            // A list in this order has them at its end.
            changed.sort_by_key(|(_, v)| *v);
            changed.insert(3, (1000, 4));
        }
        list.set(&changed);
        let ended = sandbox.run_ok();
        assert_eq!(resumed(&ended), 4, "{ended}");
        let ended = sandbox.run_ok();
        let rows = sandbox.by_key("orders", "id");
        assert_eq!([3, 80].map(|id| rows[&id]["v"].as_u64()), [Some(101), Some(102)], "{ended}");
        assert!(ended.table("orders")["records"].as_u64() <= Some(again + 10), "{ended}");
    }
}

/// How an API deals with the cursors that it gave an earlier run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cursors {
    Live,
    Refused(u16),
    /// Only the ones behind the first page and behind the fifth are answered with this.
    LastRefused(u16),
    /// The same, with an empty page.
    LastEmpty,
    Empty,
    First,
    /// A success that is none.
    SaysSo,
    /// Nothing is answered but this.
    Down(u16),
    /// One answer is this.
    DownOnce(u16),
}

/// A hundred rows by cursors, which tell when they were given.
fn by_cursor(gate: &Arc<Gate>, cursors: &Arc<Mutex<Cursors>>) -> FakeApi {
    let cursors = Arc::clone(cursors);
    let answer = move |request: &Request| {
        let now = *cursors.lock().unwrap();
        let cursor = request.param("cursor").map(|text| text.split_once('-').unwrap());
        let mut at: u64 = cursor.map_or(0, |(_, at)| at.parse().unwrap());
        let is_behind = [Some(("a", "10")), Some(("a", "50"))].contains(&cursor);
        match now {
            Cursors::Down(status) => return Reply::status(status),
            Cursors::DownOnce(status) => {
                *cursors.lock().unwrap() = Cursors::Live;
                return Reply::status(status);
            }
            Cursors::LastRefused(status) if is_behind => return Reply::status(status),
            Cursors::LastEmpty if is_behind => return Reply::json(r#"{"data":[],"next":null}"#),
            _ if cursor.is_none_or(|(given, _)| given != "a") => {}
            Cursors::Refused(status) => return Reply::status(status),
            Cursors::Empty => return Reply::json(r#"{"data":[],"next":null}"#),
            Cursors::SaysSo => return Reply::json(r#"{"error":{"code":17,"message":"the cursor has expired"}}"#),
            Cursors::First => at = 0,
            Cursors::Live | Cursors::LastRefused(_) | Cursors::LastEmpty => {}
        }
        let given = if now == Cursors::Live { "a" } else { "b" };
        let next = if at + 10 < 100 { format!(r#""{given}-{}""#, at + 10) } else { "null".to_owned() };
        Reply::json(format!(r#"{{"data":{},"next":{next}}}"#, page(&rows(0..100), at)))
    };
    FakeApi::start().on("/orders", gated(gate, answer))
}

#[test]
fn cursors_that_have_run_out_meanwhile_are_begun_anew_in_the_same_run() {
    let (gate, cursors) = (Arc::<Gate>::default(), Arc::new(Mutex::new(Cursors::Live)));
    let api = by_cursor(&gate, &cursors);
    let declared = one_by_one(&api, &orders(CURSORS, ""));
    let found = declared.replace("data_selector: data, ", "");
    let refusals = [400, 401, 403, 404, 410, 422, 429, 500, 503].map(Cursors::Refused);
    for (text, way) in refusals
        .iter()
        .chain(&[Cursors::Empty, Cursors::First, Cursors::SaysSo])
        .flat_map(|way| [(&declared, way), (&found, way)])
    {
        *cursors.lock().unwrap() = Cursors::Live;
        let sandbox = interrupted(text, &gate);
        *cursors.lock().unwrap() = *way;
        begins_anew(&sandbox, &rows(0..100), &format!("{way:?}"));
    }
}

#[test]
fn what_leads_on_from_the_last_page_that_was_kept_is_what_it_says_today() {
    let (gate, cursors) = (Arc::<Gate>::default(), Arc::new(Mutex::new(Cursors::Live)));
    let api = by_cursor(&gate, &cursors);
    let text = one_by_one(&api, &orders(CURSORS, ""));
    for way in [204, 400, 401, 404, 410, 429, 500, 503].map(Cursors::LastRefused).into_iter().chain([Cursors::LastEmpty]) {
        for (pages, used) in [(5, 4), (1, 0)] {
            *cursors.lock().unwrap() = Cursors::Live;
            let sandbox = Sandbox::with_config(&text);
            killed_at(&sandbox, &gate, pages + 1, ("orders", pages));
            assert_eq!(left(&sandbox, "orders"), pages);
            *cursors.lock().unwrap() = way;
            let ended = sandbox.run_ok();
            assert_eq!((resumed(&ended), ids_of(&sandbox).len()), (used, 100), "{way:?} behind {pages}: {ended}");
            assert!(!log(&sandbox, "orders").exists());
        }
    }
}

/// An API that is down says nothing of its cursors.
#[test]
fn what_was_kept_outlasts_an_api_that_is_down() {
    let (gate, cursors) = (Arc::<Gate>::default(), Arc::new(Mutex::new(Cursors::Live)));
    let api = by_cursor(&gate, &cursors);
    let sandbox = interrupted(&one_by_one(&api, &orders(CURSORS, "")), &gate);
    for status in [503, 500, 429] {
        *cursors.lock().unwrap() = Cursors::Down(status);
        sandbox.run().failed_with(75, &[]);
        assert_eq!(left(&sandbox, "orders"), 5, "{status}");
    }
    *cursors.lock().unwrap() = Cursors::DownOnce(503);
    let ended = sandbox.run_ok();
    assert_eq!((resumed(&ended), ids_of(&sandbox).len()), (4, 100), "{ended}");
}

/// Two accounts whose rows have the same keys.
fn of_accounts(gate: &Arc<Gate>) -> FakeApi {
    let answer = |request: &Request| {
        let told = ["authorization", "x-tenant-key", "cookie"].into_iter().find_map(|name| request.header(name));
        let told = told.or_else(|| request.param("account")).unwrap_or_default();
        // `alice:two-of-them`
        let is_second = told.contains("two-of-them") || told.contains("YWxpY2U6dHdvLW9mLXRoZW0=");
        let rows: Rows = (0..100).map(|id| (id, u64::from(is_second))).collect();
        // The last page that was read is that of both.
        let offset = request.number("offset", 0);
        let of_page =
            if offset == 40 { page(&(0..100).map(|id| (id, 7)).collect::<Rows>(), offset) } else { page(&rows, offset) };
        Reply::json(format!(r#"{{"data":{of_page}}}"#))
    };
    FakeApi::start().on("/orders", gated(gate, answer))
}

#[test]
fn what_one_account_was_answered_is_not_used_under_the_credentials_of_another() {
    let gate = Arc::<Gate>::default();
    let api = of_accounts(&gate);
    let plain = one_by_one(&api, &orders(OFFSETS, "    primary_key: id\n"));
    let of_client = |auth: &str| plain.replace("client: {", &format!("client: {{{auth}, "));
    let of_endpoint = |auth: &str| plain.replace("path: /orders,", &format!("path: /orders, {auth},"));
    let ways = [
        of_client("auth: {type: bearer, token: \"${KEY}\"}"),
        of_client("auth: {type: http_basic, username: alice, password: \"${KEY}\"}"),
        of_client("auth: {type: api_key, location: query, name: account, api_key: \"${KEY}\"}"),
        of_client("auth: {type: api_key, location: cookie, name: account, api_key: \"${KEY}\"}"),
        of_client("headers: {X-Tenant-Key: \"${KEY}\"}"),
        of_endpoint("auth: {type: bearer, token: \"${KEY}\"}"),
        of_endpoint("headers: {X-Tenant-Key: \"${KEY}\"}"),
    ];
    for text in ways {
        let sandbox = Sandbox::with_config(&text).env("KEY", "one-of-them");
        kill_behind_five(&sandbox, &gate);
        let bytes = fs::read(log(&sandbox, "orders")).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"one-of-them"), "{text}");
        let sandbox = sandbox.env("KEY", "two-of-them");
        let ended = sandbox.run_ok();
        let of_first = sandbox.rows("orders").iter().filter(|row| row["v"].as_u64() == Some(0)).count();
        assert_eq!((resumed(&ended), of_first), (0, 0), "{text}: {ended}");
        // The same ones go on.
        kill_behind_five(&sandbox, &gate);
        assert_eq!(resumed(&sandbox.run_ok()), 4, "{text}");
    }
}

#[test]
fn a_resource_of_one_page_keeps_nothing_and_a_run_that_ends_well_leaves_nothing() {
    let list = Changing::default();
    let api = list.api(false);
    for (count, is_kept) in [(5, false), (25, true)] {
        let paginator = if is_kept { OFFSETS } else { "single_page" };
        let sandbox = Sandbox::with_config(&one_by_one(&api, &orders(paginator, "")));
        list.set(&rows(0..count));
        let killed =
            sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", "lake.commit.before_create=kill").output().unwrap();
        assert!(!killed.status.success());
        assert_eq!(log(&sandbox, "orders").exists(), is_kept, "{count}");
        let ended = sandbox.run_ok();
        assert_eq!(resumed(&ended), if is_kept { 4 } else { 0 }, "{ended}");
        assert!(files_under(&sandbox.lake()).keys().all(|path| !path.contains("/answers/")), "{ended}");
    }
}
