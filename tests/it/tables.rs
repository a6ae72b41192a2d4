//! A table dropped, renamed, or brought to other partitions or another key, from the lake's own rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Running, Sandbox};
use crate::support::table::Row;

/// Two resources of one API: `orders`, whose keys a test chooses, and `users`.
struct Shop {
    orders: Arc<Mutex<Vec<Value>>>,
    api: FakeApi,
    sandbox: Sandbox,
}

const MERGE: &str = "primary_key: id, write_disposition: merge";
const CURSOR: &str = ", incremental: {cursor_path: n, initial_value: 0}";

impl Shop {
    /// A lake after one night.
    fn new(keys: &str) -> Self {
        let record = |id: i64| {
            let region = if id % 7 == 0 { Value::Null } else { json!(["eu", "us", "a/b"][id as usize % 3]) };
            json!({"id": id, "n": id, "code": format!("c{id}"), "region": region, "at": format!("2026-11-{:02}T10:00:00Z", id % 28 + 1),
                   "tags": [format!("t{id}")], "price": format!("{id}.50"), "same": id / 2, "o": {"deep": [id]}})
        };
        let orders: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new((1..=40).map(record).collect()));
        let served = Arc::clone(&orders);
        let api = FakeApi::start()
            .on("/orders", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()))
            .on("/users", |_| Reply::json(json!([{"id": 1}, {"id": 2}]).to_string()));
        let shop = Self { orders, api, sandbox: Sandbox::new() };
        shop.configure("orders", keys, "");
        shop.sandbox.run_ok();
        shop
    }

    fn configure(&self, name: &str, keys: &str, endpoint: &str) {
        let users = "  - {name: users, primary_key: id, endpoint: {path: /users, paginator: single_page}}\n";
        let orders = format!("  - {{name: {name}, {keys}, endpoint: {{path: /orders, paginator: single_page{endpoint}}}}}\n");
        let lake = "lake: {url: ./lake}\n";
        let config = format!("name: shop\nclient: {{base_url: {}}}\nresources:\n{users}{orders}{lake}", self.api.url());
        self.sandbox.write("lakeward.yaml", &config);
    }

    fn table(&self, arguments: &[&str]) -> Ended {
        let (command, rest) = arguments.split_first().unwrap();
        self.sandbox.lakeward(&[&["table", command, "lakeward.yaml"], rest].concat())
    }

    /// Types the command that `told` ends with.
    fn type_last(&self, told: &Ended) -> Ended {
        let line = told.stdout.lines().rev().find_map(|line| line.split_once("lakeward ")).unwrap().1.to_owned();
        self.sandbox.lakeward(&line.split(' ').collect::<Vec<_>>())
    }

    /// The rows of a table in words, in order.
    fn rows(&self, table: &str) -> Vec<String> {
        // Folders hold numbers as text, and what a transform makes besides.
        let is_own = |name: &str| !["at_month", "id_bucket"].contains(&name);
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let words = |row: Row| {
            row.iter()
                .filter(|(name, _)| is_own(name))
                .map(|(name, value)| (name.clone(), word(value)))
                .collect::<BTreeMap<_, _>>()
        };
        let mut rows: Vec<String> = self.sandbox.rows(table).into_iter().map(|row| format!("{:?}", words(row))).collect();
        rows.sort();
        rows
    }

    fn folders(&self, table: &str) -> BTreeSet<String> {
        let folder = |path: String| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
        self.sandbox.files(table).into_keys().map(folder).collect()
    }

    fn is_proven(&self) {
        let proven = self.sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]);
        assert_eq!(proven.code(), Some(0), "{proven}");
    }
}

#[test]
fn a_table_is_dropped_alone_once_it_is_told_what_goes_and_can_be_brought_back() {
    let shop = Shop::new(MERGE);
    let (before, users) = (shop.rows("orders"), shop.rows("users"));
    let told = shop.table(&["drop", "orders"]);
    assert!(told.code() == Some(0) && told.stdout.contains("orders: 40 rows in 1 file"), "{told}");
    assert!(shop.rows("orders") == before, "told only");

    let done = shop.type_last(&told);
    assert_eq!(done.code(), Some(0), "{done}");
    assert!(shop.sandbox.files("orders").is_empty() && shop.rows("users") == users, "{done}");
    shop.is_proven();
    let back = shop.type_last(&done);
    assert!(back.code() == Some(0) && shop.rows("orders") == before, "{back}");

    // A run loads it anew, from the beginning of its cursor.
    shop.configure("orders", "write_disposition: append", CURSOR);
    shop.table(&["drop", "orders", "--apply"]);
    shop.sandbox.run_ok();
    assert!(shop.rows("orders") == before);
    let done = shop.table(&["drop", "orders", "--apply"]);
    assert!(done.stdout.contains("its cursor too, is forgotten"), "{done}");
    shop.sandbox.run_ok();
    assert!(shop.rows("orders") == before);
    shop.is_proven();
}

#[test]
fn a_table_gets_another_name_with_its_rows_and_its_cursor() {
    for keys in ["write_disposition: append", MERGE] {
        let shop = Shop::new(keys);
        shop.configure("orders", keys, CURSOR);
        shop.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(0, &[]);
        let before = shop.rows("orders");
        shop.configure("sales", keys, CURSOR);
        let told = shop.table(&["rename", "orders", "sales"]);
        assert!(told.stdout.contains("would become `sales`") && told.stdout.contains("goes to `sales`"), "{told}");
        let done = shop.type_last(&told);
        assert!(done.code() == Some(0) && shop.rows("sales") == before, "{done}");
        assert!(shop.sandbox.files("orders").is_empty(), "{done}");
        shop.is_proven();
        // The cursor stands: what is loaded is not loaded again.
        shop.orders.lock().unwrap().push(json!({"id": 41, "n": 41}));
        shop.sandbox.run_ok();
        assert_eq!(shop.rows("sales").len(), 41);
        // The old name is free again, and what is kept can come back.
        shop.table(&["rename", "sales", "orders", "--apply"]).failed_with(0, &[]);
        assert_eq!(shop.rows("orders").len(), 41);
        let back = shop.sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "4"]);
        assert_eq!((back.code(), shop.rows("sales").len()), (Some(0), 41), "{back}");
        shop.is_proven();
    }
}

#[test]
fn a_name_that_is_taken_or_none_is_refused_and_changes_nothing() {
    let shop = Shop::new(MERGE);
    let before = shop.sandbox.data_files();
    for apply in [&[][..], &["--apply"]] {
        let type_in = |arguments: &[&str]| shop.table(&[arguments, apply].concat());
        type_in(&["rename", "orders", "users"]).failed_with(2, &["`users` is there already"]);
        type_in(&["rename", "orders", "Users"]).failed_with(2, &["`Users`", "differ in case alone"]);
        type_in(&["rename", "orders", "a/b"]).failed_with(2, &["`a/b` is no name of a table"]);
        type_in(&["rename", "order", "sales"]).failed_with(2, &["no table `order`", "`orders`"]);
        type_in(&["drop", "order"]).failed_with(2, &["no table `order`", "did you mean `orders`?"]);
    }
    std::fs::create_dir_all(shop.sandbox.lake().join("sales")).unwrap();
    std::fs::write(shop.sandbox.lake().join("sales/own.parquet"), "mine").unwrap();
    shop.table(&["rename", "orders", "sales", "--apply"]).failed_with(3, &["sales/own.parquet"]);
    std::fs::remove_file(shop.sandbox.lake().join("sales/own.parquet")).unwrap();
    assert!(shop.sandbox.data_files() == before);
    shop.is_proven();
}

#[test]
fn a_table_gets_the_partitions_of_the_config_and_keeps_its_rows() {
    let levels = [
        ("[region]", 4),
        ("[{column: at, transform: month}, region]", 4),
        ("{column: id, transform: 'bucket[8]'}", 8),
        ("[same]", 21),
        ("[]", 1),
    ];
    for keys in [MERGE, "write_disposition: append", "primary_key: id, write_disposition: append"] {
        let shop = Shop::new(keys);
        let before = shop.rows("orders");
        for (level, folders) in levels {
            shop.configure("orders", &format!("{keys}, partition_by: {level}"), "");
            let refused = shop.sandbox.run();
            refused.failed_with(20, &["partitioning", "lakeward table repartition lakeward.yaml orders --apply"]);
            let told = shop.table(&["repartition", "orders"]);
            assert!(told.code() == Some(0) && told.stdout.contains("partitions: "), "{told}");
            let done = shop.type_last(&told);
            assert_eq!((done.code(), shop.folders("orders").len()), (Some(0), folders), "{level}: {done}");
            assert!(shop.rows("orders") == before, "{level}");
            shop.is_proven();
            let again = shop.table(&["repartition", "orders", "--apply"]);
            assert!(again.stdout.contains("nothing to do"), "{again}");
        }
        if keys == MERGE {
            let ended = shop.sandbox.run_ok();
            assert_eq!(ended.table("orders")["rows_unchanged"], 40, "{ended}");
            assert!(shop.rows("orders") == before);
        }
    }
}

#[test]
fn a_table_gets_the_key_of_the_config_if_its_rows_have_it() {
    let shop = Shop::new(MERGE);
    let before = shop.rows("orders");
    let merge_by = |key: &str| shop.configure("orders", &format!("primary_key: {key}, write_disposition: merge"), "");
    merge_by("code");
    shop.sandbox.run().failed_with(20, &["primary key id", "lakeward table rekey lakeward.yaml orders --apply"]);
    let told = shop.table(&["rekey", "orders"]);
    assert!(told.stdout.contains("key: id -> code"), "{told}");
    let done = shop.type_last(&told);
    assert!(done.code() == Some(0) && shop.rows("orders") == before, "{done}");
    shop.orders.lock().unwrap()[3]["id"] = json!(99);
    let ended = shop.sandbox.run_ok();
    assert_eq!((ended.table("orders")["rows_updated"].clone(), shop.rows("orders").len()), (json!(1), 40), "{ended}");
    for (key, words) in [
        ("same", &["19 of 40 rows", "(same)", "nothing was changed"][..]),
        ("region", &["`region` is null", "orders/", "nothing was changed"]),
        ("nothing", &["no column `nothing`"]),
    ] {
        merge_by(key);
        let kept = shop.sandbox.data_files();
        let refused = shop.table(&["rekey", "orders", "--apply"]);
        refused.failed_with(if key == "nothing" { 2 } else { 3 }, words);
        assert!(shop.sandbox.data_files() == kept);
    }
    merge_by("[same, code]");
    shop.table(&["rekey", "orders", "--apply"]).failed_with(0, &[]);
    shop.is_proven();
}

#[test]
fn rows_that_were_added_up_to_a_cursor_keep_their_key() {
    let append = |key: &str| format!("primary_key: {key}, write_disposition: append");
    let shop = Shop::new(&append("id"));
    shop.configure("orders", &append("id"), CURSOR);
    shop.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(0, &[]);
    let before = shop.sandbox.data_files();
    shop.configure("orders", &append("code"), CURSOR);
    for apply in [&["orders"][..], &["orders", "--apply"]] {
        shop.table(&[&["rekey"], apply].concat()).failed_with(2, &["remembered by its key", "--full-refresh --resource orders"]);
    }
    assert!(shop.sandbox.data_files() == before);
    shop.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh", "--resource", "orders"]).failed_with(0, &[]);
    assert_eq!(shop.rows("orders").len(), 40);
    shop.is_proven();
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let shop = Shop::new(MERGE);
    let before = shop.sandbox.data_files();
    // Text that readers take for numbers, in folders that alone hold it.
    shop.orders.lock().unwrap().iter_mut().for_each(|order| order["code"] = json!(format!("0{}", order["id"])));
    shop.configure("orders", &format!("{MERGE}, columns: {{code: {{data_type: text}}}}"), "");
    shop.sandbox.run_ok();
    let after = shop.sandbox.data_files();
    assert!(after != before);
    shop.configure("orders", &format!("{MERGE}, partition_by: [code]"), "");
    shop.table(&["repartition", "orders", "--apply"]).failed_with(3, &["column `code` is text", "bucket[16]"]);
    // Nothing says what it is to be.
    shop.configure("sales", MERGE, "");
    shop.table(&["repartition", "orders"]).failed_with(2, &["no resource of the config has the table `orders`"]);
    assert!(shop.sandbox.data_files() == after);
    shop.is_proven();
}

#[test]
fn a_change_that_is_killed_anywhere_is_whole_or_not_there_and_the_next_one_ends_it() {
    let points = [
        ("lake.stage.file", &["rename", "repartition"][..]),
        ("lake.commit.after_manifests", &["drop", "rename"]),
        ("lake.commit.after_create", &["drop", "repartition"]),
        ("lake.publish.put", &["rename", "repartition"]),
        ("lake.publish.delete", &["drop", "rename", "repartition"]),
        ("lake.publish.before_done", &["rename"]),
    ];
    for (point, command) in points.iter().flat_map(|(point, commands)| commands.iter().map(move |command| (*point, *command))) {
        let shop = Shop::new(MERGE);
        let before = shop.rows("orders");
        shop.configure("orders", &format!("{MERGE}, partition_by: [region]"), "");
        let arguments: &[&str] = if command == "rename" { &["orders", "sales"] } else { &["orders"] };
        let typed = [&["table", command, "lakeward.yaml"], arguments, &["--apply"]].concat();
        let mut killed = shop.sandbox.command(&typed);
        let killed = Running::spawn(killed.env("LAKEWARD_FAULT", format!("{point}=kill"))).end();
        assert_eq!(killed.code(), None, "{point}, {command}: {killed}");
        // Any run finishes what is in the log; then it is done, or is done by the next one.
        shop.sandbox.lakeward(&["run", "lakeward.yaml", "--resource", "users"]).failed_with(0, &[]);
        shop.sandbox.lakeward(&typed);
        let (old, new) = (shop.rows("orders"), shop.rows("sales"));
        match command {
            "rename" => assert!(old.is_empty() && new == before, "{point}"),
            "drop" => assert!(old.is_empty(), "{point}"),
            _ => assert!(old == before && shop.folders("orders").len() == 4, "{point}"),
        }
        shop.is_proven();
    }
}

#[test]
fn a_column_that_is_not_there_or_makes_no_folders_is_refused_before_a_row_is_moved() {
    let shop = Shop::new(MERGE);
    let before = shop.sandbox.data_files();
    let refused = |keys: &str, command: &str, code: i32, words: &[&str]| {
        shop.configure("orders", keys, "");
        for apply in [&["orders"][..], &["orders", "--apply"]] {
            shop.table(&[&[command], apply].concat()).failed_with(code, words);
        }
        assert!(shop.sandbox.data_files() == before, "{keys}");
    };
    let missing = "no column `regoin`, which `partition_by` names; did you mean `region`?";
    refused(&format!("{MERGE}, partition_by: [regoin]"), "repartition", 2, &[missing, "nothing was changed"]);
    refused(&format!("{MERGE}, partition_by: {{column: nosuch, transform: month}}"), "repartition", 2, &["no column `nosuch`"]);
    refused(
        &format!("{MERGE}, partition_by: {{column: code, transform: month}}"),
        "repartition",
        3,
        &["month of column `code`, which is text"],
    );
    refused(
        &format!("{MERGE}, partition_by: [region], sort_by: [nn]"),
        "repartition",
        2,
        &["no column `nn`, which `sort_by` names"],
    );
    refused(
        "primary_key: cod, write_disposition: merge",
        "rekey",
        2,
        &["no column `cod`, which `primary_key` names; did you mean `code`?"],
    );
    shop.configure("orders", "primary_key: same, write_disposition: merge", "");
    let told = shop.table(&["rekey", "orders"]);
    assert!(told.code() == Some(0) && told.stdout.contains("--apply looks first whether"), "{told}");
    shop.configure("orders", MERGE, "");
    shop.is_proven();
    shop.sandbox.run_ok();
}

#[test]
fn a_rename_tells_what_of_the_config_follows_it_and_that_is_what_the_next_run_takes() {
    for endpoint in ["", CURSOR] {
        let shop = Shop::new(MERGE);
        shop.configure("orders", MERGE, endpoint);
        shop.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(0, &[]);
        let before = shop.rows("orders");
        let line = "write `table_name: sales` under the resource `orders` in `lakeward.yaml`";
        let told = shop.table(&["rename", "orders", "sales"]);
        let done = shop.table(&["rename", "orders", "sales", "--apply"]);
        assert!(told.stdout.contains(line) && done.stdout.contains(line), "{told}{done}");
        shop.configure("orders", &format!("{MERGE}, table_name: sales"), endpoint);
        shop.sandbox.run_ok();
        assert!(shop.rows("sales") == before && shop.sandbox.files("orders").is_empty());
        let back = shop.table(&["rename", "sales", "orders"]);
        assert!(back.stdout.contains("write `table_name: orders` under the resource `orders`"), "{back}");
    }
    let shop = Shop::new(MERGE);
    shop.sandbox.lakeward(&["run", "lakeward.yaml", "--resource", "order"]).failed_with(2, &["did you mean `orders`?"]);
}

#[test]
fn a_new_name_in_the_config_alone_is_told_by_check_run_and_status_with_the_commands_that_keep_one_table() {
    let shop = Shop::new(MERGE);
    let before = shop.rows("orders");
    shop.configure("sales", MERGE, "");
    let rename = "`lakeward table rename lakeward.yaml orders sales --apply`";
    let told = "`sales` is a new table, and no resource of the config has the table `orders` any more, whose 40 rows";
    let check = shop.sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    assert!(check.code() == Some(0) && check.stderr.contains(told) && check.stderr.contains(rename), "{check}");
    let status = shop.sandbox.lakeward(&["status", "lakeward.yaml"]);
    let (renamed, dropped) =
        (status.stdout.find(rename), status.stdout.find("`lakeward table drop lakeward.yaml orders --apply`"));
    assert!(renamed.is_some() && renamed < dropped, "{status}");
    let strict = shop.sandbox.lakeward(&["run", "lakeward.yaml", "--strict"]);
    strict.failed_with(3, &["table_left_behind"]);
    let ran = shop.sandbox.run_ok();
    let warning = ran.summary()["warnings"][0].clone();
    assert_eq!((&warning["code"], &warning["resource"]), (&json!("table_left_behind"), &json!("sales")), "{ran}");
    let text = warning["text"].as_str().unwrap();
    assert!(text.contains(told) && text.contains(rename) && ran.stderr.contains(rename), "{ran}");
    // The commands work as they are typed, and the next run has nothing to tell.
    assert!(text.contains("`lakeward table drop lakeward.yaml sales --apply`"), "{text}");
    shop.table(&["drop", "sales", "--apply"]).failed_with(0, &[]);
    shop.table(&["rename", "orders", "sales", "--apply"]).failed_with(0, &[]);
    assert_eq!(shop.sandbox.run_ok().summary()["warnings"], json!([]));
    assert!(shop.rows("sales") == before && shop.sandbox.files("orders").is_empty());
    // Another table is no new name of it.
    shop.configure(
        "sales",
        &format!("{MERGE}, processing_steps: [{{keep: [id, n]}}, {{rename: {{n: other}}}}], table_name: others"),
        "",
    );
    assert_eq!(shop.sandbox.run_ok().summary()["warnings"], json!([]));
}

#[test]
fn a_run_that_is_refused_after_a_rename_names_what_to_write() {
    let shop = Shop::new(MERGE);
    shop.configure("orders", MERGE, CURSOR);
    shop.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).failed_with(0, &[]);
    shop.table(&["rename", "orders", "sales", "--apply"]).failed_with(0, &[]);
    let back = "`lakeward table rename lakeward.yaml sales orders --apply`";
    shop.sandbox.run().failed_with(20, &["write `table_name: sales` under the resource", back]);
    shop.table(&["rename", "sales", "orders", "--apply"]).failed_with(0, &[]);
    shop.sandbox.run_ok();
    shop.table(&["rename", "orders", "sales", "--apply"]).failed_with(0, &[]);
    shop.configure("orders", &format!("{MERGE}, table_name: sales"), CURSOR);
    shop.sandbox.run_ok();
}
