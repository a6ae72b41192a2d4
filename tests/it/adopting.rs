//! `adopt`: Parquet files that something else wrote become a table, from which the next run goes on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Running, Sandbox, files_under};

const MERGE: &str = "primary_key: id, write_disposition: merge";
const CURSOR: &str = ", incremental: {cursor_path: n, initial_value: 0, start_param: since}";

/// A config whose table is not there yet, and a folder that something else wrote.
struct Shop {
    orders: Arc<Mutex<Vec<Value>>>,
    api: FakeApi,
    sandbox: Sandbox,
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn write(path: &Path, columns: &[(&str, ArrayRef)]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_from_iter(columns.iter().map(|(name, array)| (*name, Arc::clone(array)))).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

impl Shop {
    fn new(keys: &str, endpoint: &str) -> Self {
        let orders: Arc<Mutex<Vec<Value>>> = Arc::default();
        let served = Arc::clone(&orders);
        let api = FakeApi::start().on("/orders", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()));
        let shop = Self { orders, api, sandbox: Sandbox::new() };
        shop.configure(keys, endpoint);
        shop
    }

    fn configure(&self, keys: &str, endpoint: &str) {
        let orders = format!("  - {{name: orders, {keys}, endpoint: {{path: /orders, paginator: single_page{endpoint}}}}}\n");
        let config = format!("name: shop\nclient: {{base_url: {}}}\nresources:\n{orders}lake: {{url: ./lake}}\n", self.api.url());
        self.sandbox.write("lakeward.yaml", &config);
    }

    fn from(&self) -> PathBuf {
        self.sandbox.path().join("theirs")
    }

    /// A file of rows `ids`, in these folders.
    fn file(&self, name: &str, ids: std::ops::Range<i64>) {
        let code: Vec<String> = ids.clone().map(|id| format!("c{id}")).collect();
        let code: Vec<&str> = code.iter().map(String::as_str).collect();
        write(&self.from().join(name), &[("id", ints(ids.clone())), ("n", ints(ids.map(|id| id * 10))), ("code", texts(&code))]);
    }

    fn adopt(&self, more: &[&str]) -> Ended {
        self.sandbox.lakeward(&[&["adopt", "lakeward.yaml", "orders", "--from", "theirs"], more].concat())
    }

    /// Tried with and without `--apply`, it ends so, and nothing is changed.
    fn is_refused(&self, code: i32, words: &[&str]) {
        let theirs = files_under(&self.from());
        for apply in [&[][..], &["--apply"]] {
            let before = self.sandbox.data_files();
            self.adopt(apply).failed_with(code, words);
            assert!(self.sandbox.data_files() == before && files_under(&self.from()) == theirs, "{words:?}");
        }
    }

    fn is_proven(&self) {
        let proven = self.sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]);
        assert_eq!(proven.code(), Some(0), "{proven}");
    }
}

#[test]
fn a_folder_becomes_a_table_as_a_run_writes_it_and_the_next_run_goes_on_from_its_cursor() {
    for partitions in ["[region]", "[]", "[{column: id, transform: 'bucket[4]'}]"] {
        let shop = Shop::new(&format!("{MERGE}, partition_by: {partitions}"), CURSOR);
        shop.file("region=eu/year=2025/a.parquet", 1..11);
        shop.file("region=eu/year=2026/b.parquet", 11..21);
        shop.file("region=a%2Fb/year=2026/c.parquet", 21..31);
        shop.file("region=__HIVE_DEFAULT_PARTITION__/year=2026/d.parquet", 31..34);
        shop.sandbox.write("theirs/_SUCCESS", "");
        let theirs = files_under(&shop.from());
        let told = shop.adopt(&[]);
        assert!(told.code() == Some(0) && told.stdout.contains("4 files with 33 rows"), "{told}");
        assert!(told.stdout.contains("year: bigint (from the folders)") && told.stdout.contains("cursor 330"), "{told}");
        assert!(shop.sandbox.data_files().is_empty(), "told only");
        let line = told.stdout.lines().find_map(|line| line.split_once("to do it: lakeward ")).unwrap().1.to_owned();
        let done = shop.sandbox.lakeward(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(done.code(), Some(0), "{done}");
        assert!(files_under(&shop.from()) == theirs && shop.api.requests().is_empty());
        shop.is_proven();
        let rows = shop.sandbox.by_key("orders", "id");
        assert_eq!(
            (rows.len(), &rows[&5]["code"], rows[&21]["region"].as_str()),
            (33, &json!("c5"), Some("a/b")),
            "{partitions}"
        );
        assert!(shop.sandbox.files("orders").keys().all(|path| path.rsplit('/').next().unwrap().starts_with("part-")));
        // What the API has behind the cursor is merged onto it.
        *shop.orders.lock().unwrap() = vec![
            json!({"id": 33, "n": 330, "code": "new", "region": "eu", "year": 2026}),
            json!({"id": 34, "n": 340, "code": "c34", "region": "us", "year": 2026}),
        ];
        let ended = shop.sandbox.run_ok();
        assert_eq!(shop.api.requests()[0].param("since"), Some("330"));
        assert_eq!(
            (&ended.table("orders")["rows_inserted"], &ended.table("orders")["rows_updated"]),
            (&json!(1), &json!(1)),
            "{ended}"
        );
        assert_eq!(shop.sandbox.by_key("orders", "id").len(), 34);
        shop.is_proven();
        let history = shop.sandbox.lakeward(&["history", "lakeward.yaml"]);
        assert!(history.stdout.contains("adopt"), "{history}");
        let undo = done.stdout.lines().find_map(|line| line.split_once("to undo it: lakeward ")).unwrap().1.to_owned();
        shop.sandbox.lakeward(&undo.split(' ').collect::<Vec<_>>()).failed_with(0, &[]);
        assert!(shop.sandbox.data_files().is_empty());
    }
}

#[test]
fn values_are_what_they_were_in_the_types_of_a_table() {
    let shop = Shop::new("columns: {naive: {data_type: timestamp}, small: {data_type: decimal, precision: 9, scale: 2}}", "");
    let micros = 1_795_000_000_123_456;
    write(
        &shop.from().join("a.parquet"),
        &[
            ("naive", Arc::new(TimestampMicrosecondArray::from(vec![Some(micros), None]))),
            ("nanos", Arc::new(TimestampNanosecondArray::from(vec![micros * 1_000, 0]).with_timezone("UTC"))),
            ("small", Arc::new(Int32Array::from(vec![7, -7]))),
            ("huge", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
            ("day", Arc::new(Date32Array::from(vec![20_000, 0]))),
        ],
    );
    write(&shop.from().join("b.parquet"), &[("small", Arc::new(Int32Array::from(vec![1]))), ("more", texts(&["x"]))]);
    shop.adopt(&["--apply"]).failed_with(0, &[]);
    shop.is_proven();
    let mut rows = shop.sandbox.rows("orders");
    rows.sort_by_key(|row| row["small"].to_string());
    assert_eq!(rows.len(), 3);
    let first = rows.iter().find(|row| !row["naive"].is_null()).unwrap();
    assert_eq!(first["naive"], first["nanos"]);
    assert_eq!(first["day"], json!("2024-10-04"));
    assert!(first["huge"].to_string().contains("18446744073709551615"), "{first:?}");
}

#[test]
fn what_a_table_cannot_hold_or_the_key_is_not_is_refused_by_name() {
    let one = |name: &'static str, array: ArrayRef, words: &[&str]| {
        let shop = Shop::new("write_disposition: replace", "");
        write(&shop.from().join("x.parquet"), &[("id", ints([1])), (name, array)]);
        shop.is_refused(3, &[&["x.parquet", &format!("`{name}`")], words].concat());
    };
    one("blob", Arc::new(BinaryArray::from(vec![&b"x"[..]])), &["Binary"]);
    one("clock", Arc::new(Time64MicrosecondArray::from(vec![1])), &["Time64"]);
    one("naive", Arc::new(TimestampMicrosecondArray::from(vec![1])), &["without a zone", "data_type: timestamp"]);
    let shop = Shop::new("write_disposition: replace", "");
    write(&shop.from().join("x.parquet"), &[("fine", Arc::new(TimestampNanosecondArray::from(vec![1]).with_timezone("UTC")))]);
    shop.adopt(&["--apply"]).failed_with(3, &["`fine`", "finer than a microsecond"]);
    assert!(shop.sandbox.data_files().is_empty());

    let shop = Shop::new(MERGE, "");
    shop.file("a.parquet", 1..50);
    shop.file("b.parquet", 40..60);
    shop.is_refused(3, &["10 of 69 rows have the key (id)"]);
    write(&shop.from().join("b.parquet"), &[("id", Arc::new(Int64Array::from(vec![Some(77), None])))]);
    shop.is_refused(3, &["`id` is null", "b.parquet"]);
    write(&shop.from().join("b.parquet"), &[("id", texts(&["x"]))]);
    shop.is_refused(3, &["`id` is", "of another kind"]);
    fs::remove_file(shop.from().join("b.parquet")).unwrap();
    shop.configure("primary_key: nothing, write_disposition: merge", "");
    shop.is_refused(3, &["`nothing`"]);
    shop.configure(&format!("{MERGE}, columns: {{code: {{data_type: bigint}}}}"), "");
    shop.is_refused(3, &["`code`", "declares"]);
    shop.configure(&format!("{MERGE}, columns: {{more: {{data_type: text, nullable: false}}}}"), "");
    shop.is_refused(3, &["`more`"]);
    // An append keeps all rows of a key.
    shop.file("b.parquet", 40..60);
    shop.configure("primary_key: id, write_disposition: append", "");
    shop.adopt(&["--apply"]).failed_with(0, &[]);
    assert_eq!(shop.sandbox.rows("orders").len(), 69);
    shop.is_refused(2, &["`orders` is there already"]);
}

#[test]
fn a_config_whose_next_run_would_double_rows_or_leave_some_out_is_refused_with_a_way_out() {
    let shop = Shop::new("write_disposition: append", CURSOR);
    shop.file("a.parquet", 1..5);
    shop.is_refused(2, &["range_start: open", "meet the records at the last one again"]);
    shop.configure("write_disposition: append", &CURSOR.replace("since}", "since, range_start: open}"));
    shop.adopt(&["--apply"]).failed_with(0, &[]);
    *shop.orders.lock().unwrap() = vec![json!({"id": 4, "n": 40}), json!({"id": 5, "n": 50})];
    shop.sandbox.run_ok();
    assert_eq!(shop.sandbox.rows("orders").len(), 5);

    let shop = Shop::new(MERGE, &CURSOR.replace("cursor_path: n", "cursor_path: code"));
    shop.file("a.parquet", 1..5);
    shop.is_refused(2, &["`$.code`", "text"]);
    shop.configure(MERGE, &CURSOR.replace("cursor_path: n", "cursor_path: gone"));
    shop.is_refused(2, &["`$.gone`", "no column"]);
    shop.configure("write_disposition: skip", "");
    shop.is_refused(2, &["skip"]);
    shop.sandbox.lakeward(&["adopt", "lakeward.yaml", "order", "--from", "theirs"]).failed_with(2, &["`order`", "orders"]);
}

#[test]
fn what_is_no_plain_folder_of_parquet_files_is_refused_and_nothing_outside_of_it_is_read() {
    let shop = || {
        let shop = Shop::new(MERGE, "");
        shop.file("a.parquet", 1..5);
        shop
    };
    let with = |name: &str, content: &[u8], words: &[&str]| {
        let shop = shop();
        let path = shop.from().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        shop.is_refused(3, words);
    };
    let whole = {
        let shop = shop();
        fs::read(shop.from().join("a.parquet")).unwrap()
    };
    with("b.parquet", &whole[..whole.len() / 2], &["b.parquet"]);
    with("b.parquet", b"", &["b.parquet"]);
    with("b.parquet", b"PAR1\xff\xff\xff\x7fPAR1", &["b.parquet"]);
    with("b.csv", b"id\n1\n", &["b.csv", "no Parquet file"]);
    with("sub/b.parquet", &whole, &["sub", "no folder of a partition"]);
    with("k=1/b.parquet", &whole, &["b.parquet", "other names"]);
    with("_delta_log/0.json", b"{}", &["_delta_log", "Delta"]);
    with("metadata/v1.json", b"{}", &["metadata", "Iceberg"]);
    // Changed bytes within a page.
    let damaged: Vec<u8> =
        whole.iter().enumerate().map(|(at, byte)| if (20..200).contains(&at) { !byte } else { *byte }).collect();
    let cut = shop();
    fs::write(cut.from().join("b.parquet"), damaged).unwrap();
    let told = cut.adopt(&["--apply"]);
    assert!(told.code() == Some(3) && cut.sandbox.data_files().is_empty() && !told.stderr.contains("panicked"), "{told}");

    let linked = shop();
    linked.sandbox.write("secret/x.parquet", "");
    std::os::unix::fs::symlink(linked.sandbox.path().join("secret"), linked.from().join("k=1")).unwrap();
    linked.is_refused(3, &["k=1", "a link"]);
    let within = shop();
    fs::create_dir_all(within.sandbox.lake()).unwrap();
    fs::rename(within.from(), within.sandbox.lake().join("orders")).unwrap();
    for from in ["lake/orders", "lake", "."] {
        let refused = within.sandbox.lakeward(&["adopt", "lakeward.yaml", "orders", "--from", from, "--apply"]);
        refused.failed_with(3, &["within each other", "move it out of the lake first"]);
    }
    fs::rename(within.sandbox.lake().join("orders"), within.from()).unwrap();
    within.adopt(&["--apply"]).failed_with(0, &[]);
    let empty = Shop::new(MERGE, "");
    empty.is_refused(3, &["theirs", "no such folder"]);
    fs::create_dir(empty.from()).unwrap();
    empty.is_refused(3, &["no Parquet file"]);
}

#[test]
fn an_adoption_that_is_killed_anywhere_is_whole_or_not_there_and_the_next_one_ends_it() {
    let points = [
        "lake.spool.file",
        "lake.stage.file",
        "lake.commit.after_manifests",
        "lake.commit.before_create",
        "lake.commit.after_create",
        "lake.publish.put#2",
        "lake.publish.before_done",
    ];
    for point in points {
        let shop = Shop::new(&format!("{MERGE}, partition_by: [{{column: id, transform: 'bucket[4]'}}]"), CURSOR);
        shop.file("a.parquet", 1..50);
        let typed = ["adopt", "lakeward.yaml", "orders", "--from", "theirs", "--apply"];
        let mut killed = shop.sandbox.command(&typed);
        let killed = Running::spawn(killed.env("LAKEWARD_FAULT", format!("{point}=kill"))).end();
        assert_eq!(killed.code(), None, "{point}: {killed}");
        // What is recorded is finished by whoever comes next, and then is there already.
        let again = shop.sandbox.lakeward(&typed);
        assert!(matches!(again.code(), Some(0 | 2)), "{point}: {again}");
        let ids: BTreeMap<i64, _> = shop.sandbox.by_key("orders", "id");
        assert_eq!(ids.len(), 49, "{point}");
        shop.is_proven();
        shop.sandbox.run_ok();
        assert_eq!(shop.api.requests()[0].param("since"), Some("490"), "{point}");
    }
}
