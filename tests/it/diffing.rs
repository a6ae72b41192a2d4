//! Rows that came, changed and went between two versions, against a model of them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox, files_under};
use crate::support::table::{Row, read_file};

/// Records that a test sets from night to night.
struct Nights {
    records: Arc<Mutex<Vec<Value>>>,
    sandbox: Sandbox,
    _api: FakeApi,
}

impl Nights {
    fn new(table: &str) -> Self {
        let records = Arc::new(Mutex::new(Vec::new()));
        let served = Arc::clone(&records);
        let api = FakeApi::start().on("/things", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()));
        let config = format!(
            "name: p\nclient: {{base_url: {}}}\nresources:\n  - name: things\n{table}    endpoint: {{path: /things, paginator: \
             single_page}}\n  - name: other\n    primary_key: id\n    write_disposition: merge\n    endpoint: {{path: /things, paginator: \
             single_page}}\nlake: {{url: ./lake, keep_versions: 9}}\n",
            api.url()
        );
        Self { records, sandbox: Sandbox::with_config(&config), _api: api }
    }

    fn night(&self, records: Vec<Value>) {
        *self.records.lock().unwrap() = records;
        self.sandbox.run_ok();
    }

    fn diff(&self, arguments: &[&str]) -> Ended {
        self.sandbox.lakeward(&[&["diff", "lakeward.yaml"], arguments].concat())
    }

    /// The counts of `things`: inserted, changed, deleted.
    fn counts(&self, from: &str, to: &str) -> [u64; 3] {
        let ended = self.diff(&[from, to, "things", "--json"]);
        assert_eq!(ended.code(), Some(0), "{ended}");
        let found: Value = serde_json::from_str(&ended.stdout).unwrap();
        ["inserted", "changed", "deleted"].map(|count| found[count].as_u64().unwrap())
    }

    /// The rows that differ, in words, as `--out` has them.
    fn out(&self, from: &str, to: &str) -> Vec<String> {
        let out = self.sandbox.path().join("out.parquet");
        let ended = self.diff(&[from, to, "things", "--out", "out.parquet"]);
        assert_eq!(ended.code(), Some(0), "{ended}");
        let rows = read_file(self.sandbox.path(), &out).unwrap();
        fs::remove_file(&out).unwrap();
        assert_eq!(fs::read_dir(self.sandbox.path()).unwrap().count(), 2, "something is left beside the file");
        sorted(rows.iter())
    }
}

fn sorted<'r>(rows: impl Iterator<Item = &'r Row>) -> Vec<String> {
    let mut rows: Vec<String> = rows.map(|row| json!(row).to_string()).collect();
    rows.sort();
    rows
}

fn thing(id: i64, part: i64, v: &Value) -> Value {
    json!({"id": id, "part": part, "v": v, "n": {"a": [id, null], "b": "x"}})
}

/// The counts that a model of rows by `id` gives.
fn model(old: &[Value], new: &[Value]) -> [u64; 3] {
    let by_id = |rows: &[Value]| rows.iter().map(|row| (row["id"].as_i64().unwrap(), row.clone())).collect::<BTreeMap<_, _>>();
    let (old, new) = (by_id(old), by_id(new));
    let inserted = new.keys().filter(|id| !old.contains_key(id)).count();
    let deleted = old.keys().filter(|id| !new.contains_key(id)).count();
    let changed = new.iter().filter(|(id, row)| old.get(id).is_some_and(|old| old != *row)).count();
    [inserted as u64, changed as u64, deleted as u64]
}

#[test]
fn what_came_changed_and_went_is_counted_and_written_as_a_model_of_the_rows_says() {
    let tables = [
        "    primary_key: id\n    write_disposition: replace\n",
        "    primary_key: id\n    write_disposition: replace\n    partition_by: [{column: part}]\n",
    ];
    for (seed, table) in tables.iter().enumerate() {
        let nights = Nights::new(table);
        let mut random = fastrand::Rng::with_seed(seed as u64);
        let mut all: Vec<Vec<Value>> = Vec::new();
        for _ in 0..4 {
            let rows = (0..60).filter(|_| random.u8(..5) > 0).collect::<Vec<i64>>();
            all.push(rows.iter().map(|id| thing(*id, random.i64(..3), &json!(random.i64(..2)))).collect());
            nights.night(all.last().unwrap().clone());
        }
        for from in 1..=4usize {
            for to in 1..=4 {
                let (old, new) = (&all[from - 1], &all[to - 1]);
                let counts = model(old, new);
                assert_eq!(nights.counts(&from.to_string(), &to.to_string()), counts, "{table} {from} {to}");
                let rows = nights.out(&from.to_string(), &to.to_string());
                let of = |word: &str| rows.iter().filter(|row| row.contains(&format!("\"_change\":\"{word}\""))).count() as u64;
                let written = [of("insert"), of("update_postimage"), of("delete")];
                assert_eq!((written, of("update_preimage")), (counts, counts[1]), "{table} {from} {to}: {rows:?}");
            }
        }
    }
}

#[test]
fn the_rows_that_are_written_hold_what_both_versions_held() {
    let nights = Nights::new("    primary_key: id\n    write_disposition: replace\n    partition_by: [{column: part}]\n");
    nights.night(vec![
        thing(1, 0, &json!("same")),
        thing(2, 0, &json!("old")),
        thing(3, 1, &json!("gone")),
        thing(4, 1, &json!("moves")),
    ]);
    nights.night(vec![
        thing(1, 0, &json!("same")),
        thing(2, 0, &json!("new")),
        thing(5, 2, &json!("came")),
        thing(4, 2, &json!("moves")),
    ]);
    let rows = nights.out("1", "2");
    let has = |word: &str, id: i64, part: i64, v: &str| {
        let words =
            [format!("\"_change\":\"{word}\""), format!("\"id\":{id}"), format!("\"part\":{part}"), format!("\"v\":\"{v}\"")];
        assert!(rows.iter().any(|row| words.iter().all(|words| row.contains(words))), "{words:?} {rows:?}");
    };
    has("update_preimage", 2, 0, "old");
    has("update_postimage", 2, 0, "new");
    has("delete", 3, 1, "gone");
    has("insert", 5, 2, "came");
    // A row that changed its partition alone.
    has("update_preimage", 4, 1, "moves");
    has("update_postimage", 4, 2, "moves");
    assert_eq!(rows.len(), 6);
    let told = nights.diff(&["1", "2"]);
    assert!(told.stdout.contains("things: 1 inserted, 2 changed, 1 deleted, by key id; 4 rows -> 4 rows"), "{told}");
    // Backwards.
    assert_eq!(nights.counts("2", "1"), [1, 2, 1]);
}

#[test]
fn rows_without_a_key_come_and_go_as_often_as_they_are_there() {
    let nights = Nights::new("    write_disposition: replace\n");
    let row = |v: i64| json!({"id": v, "v": v});
    nights.night(vec![row(1), row(1), row(2), row(3)]);
    nights.night(vec![row(1), row(3), row(3), row(4)]);
    assert_eq!(nights.counts("1", "2"), [2, 0, 2]);
    let told = nights.diff(&["1", "2", "things"]);
    assert!(told.stdout.contains("by whole rows"), "{told}");
}

#[test]
fn a_column_that_came_or_widened_is_compared_in_the_wider_type_and_a_new_table_is_all_new() {
    let nights = Nights::new("    primary_key: id\n    write_disposition: merge\n");
    nights.night(vec![json!({"id": 1, "v": 1}), json!({"id": 2, "v": 2})]);
    nights.night(vec![json!({"id": 1, "v": 1}), json!({"id": 2, "v": 2.5, "more": "x"})]);
    nights.night(vec![json!({"id": 1, "v": 1}), json!({"id": 2, "v": "text", "more": "x"})]);
    assert_eq!((nights.counts("1", "2"), nights.counts("2", "3"), nights.counts("1", "3")), ([0, 1, 0], [0, 1, 0], [0, 1, 0]));
    assert_eq!(nights.counts("3", "1"), [0, 1, 0]);
    let config = fs::read_to_string(nights.sandbox.path().join("lakeward.yaml")).unwrap();
    let third = config.replace("lake: {", "  - {name: third, endpoint: {path: /things, paginator: single_page}}\nlake: {");
    nights.sandbox.write("lakeward.yaml", &third);
    nights.sandbox.run_ok();
    let told = nights.diff(&["1", "4", "third"]);
    assert!(
        told.stdout.contains("third: 2 inserted, 0 changed, 0 deleted") && told.stdout.contains("no table -> 2 rows"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_compared_is_refused_by_name_and_nothing_is_written() {
    let nights = Nights::new("    primary_key: id\n    write_disposition: replace\n");
    nights.night(vec![json!({"id": 1, "k": 1, "v": true})]);
    let config = fs::read_to_string(nights.sandbox.path().join("lakeward.yaml")).unwrap();
    nights.sandbox.write("lakeward.yaml", &config.replacen("primary_key: id", "primary_key: k", 1));
    *nights.records.lock().unwrap() = vec![json!({"id": 1, "k": 1, "v": 7})];
    assert_eq!(nights.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).code(), Some(0));
    nights.night(vec![json!({"id": 1, "k": 1, "v": 8})]);
    let before = files_under(nights.sandbox.path());
    let refused = |arguments: &[&str], words: &[&str]| nights.diff(arguments).failed_with(2, words);
    refused(&["1", "2", "things"], &["cannot be compared", "primary key id", "primary key k", "lakeward files lakeward.yaml"]);
    refused(&["1", "2", "other"], &["cannot be compared", "column `v` as boolean", "column `v` as int64"]);
    refused(&["1", "9"], &["no version 9"]);
    refused(&["1", "2", "thing"], &["no table `thing`", "things"]);
    refused(&["1", "2", "--out", "x.parquet"], &["name the table"]);
    refused(&["2", "3", "other", "--out", "lakeward.yaml"], &["already"]);
    refused(&["2", "3", "other", "--out", "lake/other/x.parquet"], &["in the lake"]);
    refused(&["2", "3", "other", "--out", "none/x.parquet"], &["not there"]);
    assert!(files_under(nights.sandbox.path()) == before);
    // Versions whose files are gone, and files that are not what was kept.
    let kept = nights.sandbox.lake().join("_lakeward/p/kept");
    for path in files_under(&kept).into_keys().filter(|path| path.ends_with(".kept")) {
        let mut bytes = fs::read(kept.join(&path)).unwrap();
        bytes[10] ^= 1;
        fs::write(kept.join(&path), bytes).unwrap();
    }
    nights.diff(&["2", "3", "other"]).failed_with(3, &["damaged"]);
    fs::remove_dir_all(&kept).unwrap();
    nights.diff(&["2", "3", "other"]).failed_with(2, &["is not kept whole"]);
}
