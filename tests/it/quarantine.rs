//! `repair` of the quarantine: records that fit once the config is mended, loaded without a request.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Running, Sandbox, files_under};

/// A table whose records a test chooses, with a column that takes integers alone until it is mended.
struct Shop {
    orders: Arc<Mutex<Vec<Value>>>,
    api: FakeApi,
    sandbox: Sandbox,
}

const MERGE: &str = "primary_key: id, write_disposition: merge";
const APPEND: &str = "write_disposition: append";
const CURSOR: &str = ", incremental: {cursor_path: n, initial_value: 0}";
const NARROW: &str = "columns: {price: {data_type: bigint}, n: {data_type: bigint}}";
const MENDED: &str = "columns: {n: {data_type: bigint}}";

fn order(id: i64, price: impl Into<Value>) -> Value {
    json!({"id": id, "n": id, "price": price.into()})
}

impl Shop {
    /// A lake of one night over `orders`.
    fn new(keys: &str, endpoint: &str, orders: Vec<Value>) -> Self {
        let orders = Arc::new(Mutex::new(orders));
        let served = Arc::clone(&orders);
        let api = FakeApi::start().on("/orders", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()));
        let shop = Self { orders, api, sandbox: Sandbox::new().env("TOKEN", "tok-5ecret-value") };
        shop.configure(&format!("{keys}, {NARROW}"), endpoint);
        shop.sandbox.run_ok();
        shop
    }

    fn configure(&self, keys: &str, endpoint: &str) {
        let more = "on_reject: quarantine, max_rejects: 90";
        let orders =
            format!("  - {{name: orders, {keys}, {more}, endpoint: {{path: /orders, paginator: single_page{endpoint}}}}}\n");
        let client = format!("client: {{base_url: {}, headers: {{X-Token: \"${{TOKEN}}\"}}}}", self.api.url());
        let config = format!("name: shop\n{client}\nresources:\n{orders}lake: {{url: ./lake, keep_versions: 9}}\n");
        self.sandbox.write("lakeward.yaml", &config);
    }

    fn serve(&self, orders: Vec<Value>) {
        *self.orders.lock().unwrap() = orders;
    }

    fn repair(&self, arguments: &[&str]) -> Ended {
        let before = self.api.requests().len();
        let ended = self.sandbox.lakeward(&[&["repair", "lakeward.yaml"], arguments].concat());
        assert_eq!(self.api.requests().len(), before, "nothing is asked of the API");
        ended
    }

    /// Repairs, having said the same before; what is told.
    fn repair_told(&self, words: &[&str]) -> Ended {
        let before = self.sandbox.data_files();
        let told = self.repair(&[]);
        assert!(self.sandbox.data_files() == before, "told only");
        let done = self.repair(&["--apply"]);
        assert_eq!((told.code(), done.code()), (Some(0), Some(0)), "{told}\n{done}");
        for word in words {
            assert!(told.stdout.contains(&word.replace(" loaded", " would be loaded")), "`{word}` is not told\n{told}");
            assert!(done.stdout.contains(word), "`{word}` is not told\n{done}");
        }
        self.is_proven();
        done
    }

    fn prices(&self) -> Vec<(i64, String)> {
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let rows = self.sandbox.rows("orders").into_iter();
        let mut rows: Vec<(i64, String)> = rows.map(|row| (row["id"].as_i64().unwrap(), word(&row["price"]))).collect();
        rows.sort();
        rows
    }

    /// Lines of the file of the quarantine that the newest commit names.
    fn left(&self) -> Vec<Value> {
        let commits = files_under(&self.sandbox.lake().join("_lakeward/shop/log"));
        let commits = commits.into_iter().rev().filter(|(name, _)| name.ends_with(".json"));
        let mut commits = commits.map(|(_, bytes)| serde_json::from_slice::<Value>(&bytes).unwrap());
        let path = commits.find_map(|commit| Some(commit["quarantine"].as_array()?.first()?.as_str()?.to_owned())).unwrap();
        let text = fs::read_to_string(self.sandbox.lake().join(path)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn is_proven(&self) {
        let proven = self.sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]);
        assert_eq!(proven.code(), Some(0), "{proven}");
    }
}

fn priced(prices: &[(i64, &str)]) -> Vec<(i64, String)> {
    prices.iter().map(|(id, price)| (*id, (*price).to_owned())).collect()
}

#[test]
fn records_that_fit_once_the_config_is_mended_are_loaded_once_and_the_others_stay_with_their_new_reason() {
    let first = vec![order(1, 10), order(2, "a few"), order(3, 30), json!({"id": null, "price": 4})];
    let shop = Shop::new(MERGE, "", first);
    let unmended = shop.repair(&["--apply"]);
    assert!(unmended.code() == Some(0) && unmended.stdout.contains("2 records in the quarantine"), "{unmended}");
    assert_eq!(shop.prices(), priced(&[(1, "10"), (3, "30")]));
    shop.configure(&format!("{MERGE}, {MENDED}"), "");
    shop.repair_told(&["2 records in the quarantine", "1 record loaded", "1 record stay", "`$.id`"]);
    assert_eq!(shop.prices(), priced(&[(1, "10"), (2, "a few"), (3, "30")]));
    let left = shop.left();
    assert_eq!((left.len(), &left[0]["path"]), (1, &json!("$.id")), "{left:?}");
    // What was loaded is not loaded again, also not once the rest fits.
    shop.configure(&format!("primary_key: price, write_disposition: merge, {MENDED}"), "");
    shop.repair(&["--apply"]).failed_with(2, &["lakeward table rekey"]);
    let history = shop.sandbox.lakeward(&["history", "lakeward.yaml"]);
    assert!(history.stdout.contains("repair: records of the quarantine"), "{history}");
    // Undone, it is there to be loaded once more.
    shop.configure(&format!("{MERGE}, {MENDED}"), "");
    shop.sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]).failed_with(0, &[]);
    assert_eq!(shop.prices().len(), 2);
    shop.repair_told(&["1 record loaded"]);
    assert_eq!(shop.prices().len(), 3);
}

#[test]
fn a_row_that_a_newer_run_brought_is_never_overwritten_and_an_older_one_is() {
    // The night before brought the row: what came after it and did not fit is newer.
    let shop = Shop::new(MERGE, "", vec![order(1, 10), order(2, 20)]);
    shop.serve(vec![order(1, 11), order(2, "a few")]);
    shop.sandbox.run_ok();
    shop.configure(&format!("{MERGE}, {MENDED}"), "");
    shop.repair_told(&["1 record loaded"]);
    assert_eq!(shop.prices(), priced(&[(1, "11"), (2, "a few")]));

    // A run after it brought the row, as another one, or as it had been before all.
    for again in [21, 20] {
        let shop = Shop::new(MERGE, "", vec![order(1, 10), order(2, 20)]);
        shop.serve(vec![order(1, 10), order(2, "a few")]);
        shop.sandbox.run_ok();
        shop.serve(vec![order(1, 10), order(2, again)]);
        shop.sandbox.run_ok();
        shop.configure(&format!("{MERGE}, {MENDED}"), "");
        shop.repair(&["--apply"]);
        assert_eq!(shop.prices(), priced(&[(1, "10"), (2, &again.to_string())]));
        let told = shop.repair(&[]);
        assert!(told.stdout.contains("nothing tells which of the two is newer, so the row stays"), "{told}");
    }
}

#[test]
fn the_cursor_tells_which_of_two_records_is_newer() {
    let at = |id: i64, n: i64, price: Value| json!({"id": id, "n": n, "price": price});
    let shop = Shop::new(MERGE, CURSOR, vec![at(1, 1, json!(10)), at(2, 2, json!(20))]);
    shop.serve(vec![at(1, 3, json!("newer")), at(2, 4, json!("older")), at(9, 4, json!(90))]);
    shop.sandbox.run_ok();
    shop.serve(vec![at(2, 5, json!(25)), at(3, 6, json!(30))]);
    shop.sandbox.run_ok();
    shop.configure(&format!("{MERGE}, {MENDED}"), CURSOR);
    shop.repair_told(&["1 record loaded", "1 record"]);
    assert_eq!(shop.prices(), priced(&[(1, "newer"), (2, "25"), (3, "30"), (9, "90")]));
    // The cursor stands where the last run left it.
    shop.serve(vec![at(4, 7, json!("40"))]);
    shop.sandbox.run_ok();
    assert_eq!(shop.prices().len(), 5);
    let again = shop.repair(&[]);
    assert!(again.stdout.contains("nothing to repair"), "{again}");
}

#[test]
fn records_of_an_append_are_added_once_and_what_a_rebuilt_table_set_aside_before_counts_no_more() {
    let shop = Shop::new(APPEND, CURSOR, vec![order(1, 10), order(2, "a"), order(3, "b")]);
    shop.serve(vec![order(3, "b"), order(4, "c"), order(5, 50)]);
    shop.sandbox.run_ok();
    shop.configure(&format!("{APPEND}, {MENDED}"), CURSOR);
    shop.repair_told(&["3 records in the quarantine", "3 records loaded"]);
    let all = priced(&[(1, "10"), (2, "a"), (3, "b"), (4, "c"), (5, "50")]);
    assert_eq!(shop.prices(), all);
    let again = shop.repair(&["--apply"]);
    assert!(again.stdout.contains("nothing to repair") && shop.prices() == all, "{again}");

    for keys in ["write_disposition: replace", "primary_key: id, write_disposition: replace"] {
        let shop = Shop::new(keys, "", vec![order(1, 10), order(2, "a"), order(3, "b")]);
        shop.serve(vec![order(1, 10), order(3, "b")]);
        shop.sandbox.run_ok();
        shop.configure(&format!("{keys}, {MENDED}"), "");
        shop.repair_told(&["1 record in the quarantine", "1 record loaded"]);
        assert_eq!(shop.prices(), priced(&[(1, "10"), (3, "b")]));
    }
    let shop = Shop::new(MERGE, "", vec![order(1, 10), order(2, "a")]);
    shop.serve(vec![order(1, 10)]);
    shop.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(0, &[]);
    shop.configure(&format!("{MERGE}, {MENDED}"), "");
    let told = shop.repair(&["--apply"]);
    assert!(told.stdout.contains("nothing to repair"), "{told}");
}

#[test]
fn steps_are_done_once_and_what_is_hidden_is_not_taken_for_the_record() {
    let hash = "{hash: [mail]}";
    let with = |steps: &str, columns: &str| format!("{MERGE}, processing_steps: [{steps}], {columns}");
    let mail = |id: i64, price: &str| json!({"id": id, "n": id, "mail": "a@b.c", "price": price});
    let shop = Shop::new(
        &format!("{MERGE}, processing_steps: [{hash}]"),
        "",
        vec![mail(1, "10 EUR"), json!({"id": 2, "mail": "a@b.c", "price": 5})],
    );
    // A step more, behind those that it has passed.
    shop.configure(&with(&format!("{hash}, {{set: {{price: '7'}}}}"), NARROW), "");
    shop.repair_told(&["1 record loaded"]);
    let rows = shop.sandbox.by_key("orders", "id");
    assert_eq!(rows[&1]["mail"], rows[&2]["mail"], "hashed once");

    let shop = Shop::new(
        &format!("{MERGE}, processing_steps: [{hash}]"),
        "",
        vec![mail(1, "10 EUR"), json!({"id": 2, "mail": "a@b.c", "price": 5})],
    );
    for steps in ["{hash: [n]}", ""] {
        shop.configure(&with(steps, MENDED), "");
        let told = shop.repair(&["--apply"]);
        assert!(told.code() == Some(0) && told.stdout.contains("no longer begins with"), "{told}");
    }
    let shop = Shop::new(MERGE, "", vec![order(1, 10), json!({"id": 2, "price": "tok-5ecret-value"}), order(3, "fits")]);
    shop.configure(&format!("{MERGE}, {MENDED}"), "");
    shop.repair_told(&["1 record loaded", "1 record stays: its text is not the whole record"]);
    assert_eq!(shop.prices(), priced(&[(1, "10"), (3, "fits")]));
    // A step leaves records out.
    let shop = Shop::new(MERGE, "", vec![order(1, 10), order(2, "drop"), order(3, "fits")]);
    shop.configure(&with("{filter: \"price != 'drop'\"}", MENDED), "");
    shop.repair_told(&["1 record loaded", "1 record"]);
    assert_eq!(shop.prices(), priced(&[(1, "10"), (3, "fits")]));
}

#[test]
fn a_repair_of_records_that_is_killed_anywhere_loads_each_once() {
    let points = [
        "lake.open.leased",
        "lake.commit.before_stage",
        "lake.stage.file",
        "lake.commit.after_stage",
        "lake.commit.after_manifests",
        "lake.commit.before_create",
        "lake.commit.after_create",
        "lake.publish.put",
        "lake.publish.before_done",
        "lake.publish.after_done",
        "lake.close.before_release",
    ];
    for (point, keys) in points.iter().zip([APPEND, MERGE].iter().cycle()) {
        let shop = Shop::new(keys, "", vec![order(1, 10), order(2, "a"), order(3, "b"), json!({"id": 4, "n": "x", "price": 4})]);
        shop.configure(&format!("{keys}, {MENDED}"), "");
        let mut killed = shop.sandbox.command(&["repair", "lakeward.yaml", "--apply"]);
        let killed = Running::spawn(killed.env("LAKEWARD_FAULT", format!("{point}=kill"))).end();
        assert_eq!(killed.code(), None, "{point}: {killed}");
        let done = shop.repair(&["--apply"]);
        assert_eq!(done.code(), Some(0), "{point}: {done}");
        assert_eq!(shop.prices(), priced(&[(1, "10"), (2, "a"), (3, "b")]), "{point}");
        let left: BTreeMap<String, usize> = shop.left().iter().map(|line| (line["path"].to_string(), 1)).collect();
        assert_eq!(left, BTreeMap::from([("\"$.n\"".to_owned(), 1)]), "{point}");
        let again = shop.repair(&["--apply"]);
        assert!(again.stdout.contains("1 record in the quarantine") && shop.prices().len() == 3, "{point}: {again}");
        shop.is_proven();
    }
}

#[test]
fn what_a_file_of_the_quarantine_or_a_commit_says_is_data_and_no_orders() {
    let shop = || Shop::new(MERGE, "", vec![order(1, 10), order(2, "a")]);
    let file = |shop: &Shop| -> PathBuf {
        let folder = shop.sandbox.lake().join("_lakeward/shop/quarantine/orders");
        let name = files_under(&folder).into_keys().next().unwrap();
        folder.join(name)
    };
    let line = |raw: &str| {
        json!({"resource": "orders", "page": 1, "record": 1, "path": "$", "expected": "", "actual": "", "steps": [], "raw": raw})
            .to_string()
    };
    let hostile = "h\u{1b}[31m\u{202e}t";
    for raw in [
        "1],[{\"id\":7,\"price\":\"x\"}",
        "{\"id\":7,\"price\":\"x\"},{\"id\":8,\"price\":\"y\"}",
        "",
        "[]",
        "7",
        "{",
        &"[".repeat(10_000),
        "{\"id\":7,\"id\":",
    ] {
        let shop = shop();
        shop.configure(&format!("{MERGE}, {MENDED}"), "");
        fs::write(file(&shop), format!("{}\n{}\n", line(raw), line("{\"id\":3,\"price\":\"b\"}"))).unwrap();
        let told = shop.repair(&["--apply"]);
        assert!(told.code() == Some(0) && told.stdout.contains("1 record loaded"), "{raw}: {told}");
        assert_eq!(shop.prices(), priced(&[(1, "10"), (3, "b")]), "{raw}");
    }
    for text in ["not json\n", "[]\n", "{\"raw\": \n"] {
        let shop = shop();
        fs::write(file(&shop), text).unwrap();
        for apply in [&[][..], &["--apply"]] {
            shop.repair(apply).failed_with(3, &["rejects-000000.ndjson", "line 1"]);
        }
    }
    // Words that a terminal obeys, and a version and a run that never were.
    let odd = shop();
    odd.configure(&format!("{MERGE}, {MENDED}"), "");
    let text = json!({"resource": hostile, "version": u64::MAX, "run": hostile, "steps": [hostile], "raw": "{}", "path": hostile, "expected": hostile});
    fs::write(file(&odd), format!("{text}\n")).unwrap();
    let told = odd.repair(&["--apply"]);
    assert!(told.code() == Some(0) && !told.stdout.contains('\u{1b}') && !told.stdout.contains('\u{202e}'), "{told}");
    // A link out of the lake, and a commit that names a file elsewhere.
    let outside = odd.sandbox.path().join("outside");
    fs::write(&outside, format!("{}\n", line("{\"id\":66,\"price\":\"stolen\"}"))).unwrap();
    fs::remove_file(file(&odd)).unwrap();
    std::os::unix::fs::symlink(&outside, odd.sandbox.lake().join("_lakeward/shop/quarantine/orders/link")).unwrap();
    let log = odd.sandbox.lake().join("_lakeward/shop/log/00000000000000000001.json");
    let mut commit: Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    for path in [
        "_lakeward/shop/quarantine/orders/../../../../outside",
        "_lakeward/shop/lease.json",
        "_lakeward/shop/quarantine/orders/link",
    ] {
        commit["quarantine"] = json!([path]);
        fs::write(&log, commit.to_string()).unwrap();
        let told = odd.repair(&["--apply"]);
        assert!(!told.stdout.contains("loaded") && !odd.prices().iter().any(|(id, _)| *id == 66), "{path}: {told}");
    }
    // Gone, it is no more.
    let gone = shop();
    gone.configure(&format!("{MERGE}, {MENDED}"), "");
    fs::remove_file(file(&gone)).unwrap();
    let told = gone.repair(&["--apply"]);
    assert!(told.code() == Some(0) && told.stdout.contains("nothing to repair"), "{told}");
}

#[test]
fn records_of_csv_of_children_and_of_partitions_are_loaded_as_their_run_would_have() {
    let csv = "id,n,price,kind\n1,1,10,a\n2,2,many,b\n";
    let api = FakeApi::start()
        .on("/orders", |_| Reply::json(json!([{"id": 1}, {"id": 2}]).to_string()))
        .on("/orders/1/lines", |_| Reply::json(json!([{"line": 1, "price": 5}, {"line": 2, "price": "x"}]).to_string()))
        .on("/orders/2/lines", |_| Reply::json(json!([{"line": 1, "price": 6}, {"line": 2, "price": "y"}]).to_string()))
        .on("/csv", move |_| Reply::json(csv).with_header("content-type", "text/csv"));
    let config = |columns: &str| {
        let lines = "endpoint: {path: \"orders/{resources.orders.id}/lines\", paginator: single_page}, include_from_parent: [id], primary_key: [_orders_id, line]";
        format!(
            "name: shop\nclient: {{base_url: {}}}\nresource_defaults: {{write_disposition: merge, on_reject: quarantine, max_rejects: 9}}\nresources:\n  \
             - {{name: orders, primary_key: id, endpoint: {{path: orders, paginator: single_page}}}}\n  - {{name: lines, {lines}, {columns}}}\n  - {{name: csv, \
             primary_key: id, partition_by: [kind], {columns}, endpoint: {{path: csv, paginator: single_page, response_format: csv}}}}\nlake: {{url: ./lake}}\n",
            api.url()
        )
    };
    let sandbox = Sandbox::with_config(&config("columns: {price: {data_type: bigint}}"));
    sandbox.run_ok();
    assert_eq!((sandbox.rows("lines").len(), sandbox.rows("csv").len()), (2, 1));
    sandbox.write("lakeward.yaml", &config("columns: {}"));
    let done = sandbox.lakeward(&["repair", "lakeward.yaml", "lines", "--apply"]);
    assert!(done.code() == Some(0) && done.stdout.contains("lines: 2 records in the quarantine"), "{done}");
    assert_eq!((sandbox.rows("lines").len(), sandbox.rows("csv").len()), (4, 1));
    let of: Vec<String> = sandbox.rows("lines").iter().map(|row| format!("{}{}", row["_orders_id"], row["price"])).collect();
    assert!(of.contains(&"1\"x\"".to_owned()) && of.contains(&"2\"y\"".to_owned()), "{of:?}");
    let done = sandbox.lakeward(&["repair", "lakeward.yaml", "--apply"]);
    assert_eq!((done.code(), sandbox.rows("csv").len()), (Some(0), 2), "{done}");
    assert!(sandbox.files("csv").keys().any(|path| path.starts_with("kind=b/")));
    let proven = sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]);
    assert_eq!(proven.code(), Some(0), "{proven}");
}
