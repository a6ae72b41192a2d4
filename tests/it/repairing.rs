//! `repair`: what is lost, damaged or set aside of a table, had again without a request.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Running, Sandbox};

/// A table of one API in several files, whose records a test chooses.
struct Shop {
    orders: Arc<Mutex<Vec<Value>>>,
    api: FakeApi,
    sandbox: Sandbox,
}

const MERGE: &str = "primary_key: id, write_disposition: merge, partition_by: [region]";

impl Shop {
    /// A lake of one night.
    fn new(keys: &str) -> Self {
        let record = |id: i64| json!({"id": id, "region": (["eu", "us", "as"][id as usize % 3]), "price": id * 2});
        let orders: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new((1..=30).map(record).collect()));
        let served = Arc::clone(&orders);
        let api = FakeApi::start().on("/orders", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()));
        let shop = Self { orders, api, sandbox: Sandbox::new() };
        shop.configure(keys, "");
        shop.sandbox.run_ok();
        shop
    }

    /// A lake that is the first night's again, with what is kept of the second.
    fn rolled_back() -> Self {
        let shop = Self::new(MERGE);
        shop.orders.lock().unwrap().iter_mut().for_each(|order| order["price"] = json!(1));
        shop.sandbox.run_ok();
        shop.sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]).failed_with(0, &[]);
        shop
    }

    fn configure(&self, keys: &str, endpoint: &str) {
        let orders = format!("  - {{name: orders, {keys}, endpoint: {{path: /orders, paginator: single_page{endpoint}}}}}\n");
        let config = format!("name: shop\nclient: {{base_url: {}}}\nresources:\n{orders}", self.api.url());
        self.sandbox.write("lakeward.yaml", &format!("{config}lake: {{url: ./lake, keep_versions: 9}}\n"));
    }

    fn repair(&self, arguments: &[&str]) -> Ended {
        self.sandbox.lakeward(&[&["repair", "lakeward.yaml"], arguments].concat())
    }

    /// Types the last command that `told` names.
    fn type_last(&self, told: &str) -> Ended {
        let line = told.lines().rev().find_map(|line| line.split_once("lakeward ")).unwrap().1;
        let line = line.split('`').next().unwrap();
        self.sandbox.lakeward(&line.split(' ').collect::<Vec<_>>())
    }

    fn files(&self) -> Vec<PathBuf> {
        self.sandbox.files("orders").into_keys().map(|path| self.sandbox.lake().join("orders").join(path)).collect()
    }

    fn prices(&self) -> BTreeMap<i64, i64> {
        let rows = self.sandbox.by_key("orders", "id");
        rows.into_iter().map(|(id, row)| (id, row["price"].as_i64().unwrap_or(-1))).collect()
    }

    fn is_proven(&self) {
        let proven = self.sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]);
        assert_eq!(proven.code(), Some(0), "{proven}");
    }
}

/// Writes another file in place of one that has other names: they keep their content.
fn exchange(path: &PathBuf, content: Option<&[u8]>) {
    fs::remove_file(path).unwrap();
    if let Some(content) = content {
        fs::write(path, content).unwrap();
    }
}

#[test]
fn lost_and_damaged_files_are_told_first_and_put_back_from_what_is_kept() {
    let shop = Shop::rolled_back();
    let (before, rows) = (shop.sandbox.data_files(), shop.prices());
    let whole = shop.repair(&[]);
    assert!(whole.code() == Some(0) && whole.stdout.contains("nothing to repair"), "{whole}");
    let files = shop.files();
    let content = fs::read(&files[1]).unwrap();
    exchange(&files[0], None);
    exchange(&files[1], Some(&content[..content.len() / 2]));
    exchange(&files[2], Some(&[b'x'].repeat(fs::metadata(&files[2]).unwrap().len() as usize)));
    let broken = shop.sandbox.data_files();
    let verified = shop.sandbox.lakeward(&["verify", "lakeward.yaml"]);
    verified.failed_with(3, &["lakeward repair lakeward.yaml orders"]);
    let told = shop.repair(&["orders"]);
    assert!(told.code() == Some(0) && told.stdout.matches("would be put back from").count() == 3, "{told}");
    assert!(shop.sandbox.data_files() == broken, "told only");

    let done = shop.type_last(&told.stdout);
    assert_eq!(done.code(), Some(0), "{done}");
    assert!(shop.sandbox.data_files() == before && shop.prices() == rows, "{done}");
    shop.is_proven();
    let history = shop.sandbox.lakeward(&["history", "lakeward.yaml"]);
    assert!(history.stdout.contains("repair: files put back"), "{history}");
    shop.sandbox.run_ok();
    assert!(shop.prices().values().all(|price| *price == 1));
    shop.is_proven();
}

#[test]
fn what_no_copy_is_kept_of_is_told_with_the_run_that_makes_the_table_anew() {
    let shop = Shop::new(MERGE);
    let before = shop.prices();
    exchange(&shop.files()[0], None);
    for apply in [&[][..], &["--apply"]] {
        let told = shop.repair(apply);
        told.failed_with(3, &["1 file with 10 rows cannot be put back", "no copy is kept", "rows that it has no more"]);
        assert!(told.stdout.contains("no copy of it is kept") && !told.stdout.contains("to do it"), "{told}");
    }
    let told = shop.repair(&[]);
    let done = shop.type_last(&told.stderr);
    assert!(done.code() == Some(0) && shop.prices() == before, "{done}");
    shop.is_proven();
}

#[test]
fn what_lies_where_a_copy_or_a_file_should_counts_only_by_its_content() {
    let shop = Shop::rolled_back();
    let before = shop.sandbox.data_files();
    let outside = shop.sandbox.path().join("outside");
    fs::write(&outside, "not the lake's").unwrap();
    let mut kept = Vec::new();
    let mut folders = vec![shop.sandbox.lake().join("_lakeward/shop/kept")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else if path.to_string_lossy().ends_with(".kept") {
                kept.push(path)
            }
        }
    }
    // A link in place of a live file is anybody's: it is not read, and not replaced.
    let file = &shop.files()[0];
    exchange(file, None);
    std::os::unix::fs::symlink(&outside, file).unwrap();
    let refused = shop.repair(&["--apply"]);
    refused.failed_with(3, &["orders"]);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "not the lake's");
    fs::remove_file(file).unwrap();
    // Links and cut files are no copies.
    for (number, copy) in kept.iter().enumerate() {
        let content = fs::read(copy).unwrap();
        exchange(copy, (number % 2 == 0).then_some(&content[1..]));
        if number % 2 == 1 {
            std::os::unix::fs::symlink(&outside, copy).unwrap();
        }
    }
    let told = shop.repair(&["--apply"]);
    assert!(told.code() == Some(3) && !told.stdout.contains("panicked"), "{told}");
    assert!(shop.sandbox.data_files().len() == before.len() - 1);
    shop.repair(&["nothing"]).failed_with(2, &["no table `nothing`", "`orders`"]);
}

#[test]
fn a_repair_of_files_that_is_killed_anywhere_is_ended_by_the_next_one() {
    for point in [
        "lake.stage.file",
        "lake.commit.after_manifests",
        "lake.commit.after_create",
        "lake.publish.put#2",
        "lake.publish.before_done",
    ] {
        let shop = Shop::rolled_back();
        let before = shop.sandbox.data_files();
        let files = shop.files();
        exchange(&files[0], None);
        exchange(&files[1], Some(b"x"));
        let mut killed = shop.sandbox.command(&["repair", "lakeward.yaml", "--apply"]);
        let killed = Running::spawn(killed.env("LAKEWARD_FAULT", format!("{point}=kill"))).end();
        assert_eq!(killed.code(), None, "{point}: {killed}");
        let done = shop.repair(&["--apply"]);
        assert!(done.code() == Some(0) && shop.sandbox.data_files() == before, "{point}: {done}");
        shop.is_proven();
    }
}
