//! Delta tables, as the command line makes them, beside plain ones of the same records.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::Sandbox;
use crate::support::table::read_file;

/// The same records in a plain table and in a Delta table.
struct Both {
    records: Arc<Mutex<Vec<Value>>>,
    sandbox: Sandbox,
    _api: FakeApi,
}

impl Both {
    fn new(of_table: &str) -> Self {
        Self::with(of_table, "native")
    }

    fn with(of_table: &str, of_plain: &str) -> Self {
        let records = Arc::new(Mutex::new(Vec::new()));
        let served = Arc::clone(&records);
        let api = FakeApi::start().on("/orders", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()));
        let resource = |name: &str, format: &str| {
            format!(
                "  - {{name: {name}, {of_table}, table_format: {format}, endpoint: {{path: /orders, paginator: single_page}}}}\n"
            )
        };
        let config = format!(
            "name: p\nclient: {{base_url: {}}}\nresources:\n{}{}lake: {{url: ./lake}}\n",
            api.url(),
            resource("plain", of_plain),
            resource("delta", "delta")
        );
        Self { records, sandbox: Sandbox::with_config(&config), _api: api }
    }

    fn night(&self, records: &[Value]) {
        *self.records.lock().unwrap() = records.to_vec();
        self.sandbox.run_ok();
    }

    fn plain(&self) -> BTreeMap<String, String> {
        self.sandbox.by_key("plain", "id").into_iter().map(|(id, row)| (id.to_string(), format!("{row:?}"))).collect()
    }

    /// The files of the Delta table, as its log has them.
    fn files(&self, table: &str) -> Vec<PathBuf> {
        let folder = self.sandbox.lake().join(table);
        let mut live = BTreeMap::new();
        let mut commits: Vec<PathBuf> =
            fs::read_dir(folder.join("_delta_log")).unwrap().map(|entry| entry.unwrap().path()).collect();
        commits.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        commits.sort();
        for line in
            commits.iter().flat_map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        {
            let action: Value = serde_json::from_str(&line).unwrap();
            if let Some(path) = action["remove"]["path"].as_str() {
                live.remove(path);
            }
            if let Some(path) = action["add"]["path"].as_str() {
                live.insert(
                    path.to_owned(),
                    folder.join(percent_encoding::percent_decode_str(path).decode_utf8().unwrap().as_ref()),
                );
            }
        }
        live.into_values().collect()
    }

    fn delta(&self) -> BTreeMap<String, String> {
        self.in_log("delta")
    }

    /// The rows of a table as its log has them.
    fn in_log(&self, table: &str) -> BTreeMap<String, String> {
        let rows = self.files(table).into_iter().flat_map(|file| read_file(&self.sandbox.lake().join(table), &file).unwrap());
        let rows: Vec<_> = rows.collect();
        let by_key: BTreeMap<String, String> = rows.iter().map(|row| (row["id"].to_string(), format!("{row:?}"))).collect();
        assert_eq!(by_key.len(), rows.len(), "a key twice");
        by_key
    }
}

fn order(id: i64, city: &str, amount: Value) -> Value {
    json!({"id": id, "city": city, "amount": amount, "at": format!("2026-11-{:02}T12:00:00Z", 1 + id % 28), "o": {"x": [id]}})
}

/// Nights in which rows come, change, move to another partition and go, and columns come and widen.
fn nights() -> Vec<Vec<Value>> {
    let mut wider = order(7, "Bonn", json!(1.5));
    wider["note"] = json!("new");
    vec![
        (0..6).map(|id| order(id, if id % 2 == 0 { "Bonn" } else { "Köln a/b" }, json!(id))).collect(),
        vec![order(1, "Bonn", json!(10)), order(6, "Ulm", json!(6))],
        vec![wider],
        vec![order(2, "Bonn", json!("many"))],
        vec![],
        vec![order(2, "Bonn", json!("many"))],
    ]
}

#[test]
fn nights_of_a_delta_table_are_those_of_a_plain_one() {
    for disposition in ["merge", "replace", "append"] {
        for partitions in ["", "partition_by: [city, {column: at, transform: day}], "] {
            let key = if disposition == "append" { "" } else { "primary_key: id, " };
            let both = Both::new(&format!("{key}{partitions}expect: {{max_shrink: null}}, write_disposition: {disposition}"));
            for (number, night) in nights().iter().enumerate() {
                if night.is_empty() || disposition == "append" && number > 2 {
                    continue;
                }
                both.night(night);
                if disposition != "append" {
                    assert_eq!(both.plain(), both.delta(), "{disposition}, night {number}");
                }
            }
            let verified = both.sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]);
            assert_eq!(verified.code(), Some(0), "{verified}");
        }
    }
}

#[test]
fn a_delta_table_is_compacted_renamed_rolled_back_and_dropped() {
    let both = Both::new("primary_key: id, write_disposition: merge");
    let nights = nights();
    both.night(&nights[0]);
    both.night(&nights[1]);
    let before = both.delta();
    let lakeward = |args: &[&str]| {
        let done = both.sandbox.lakeward(args);
        assert_eq!(done.code(), Some(0), "{done}");
        done
    };
    lakeward(&["compact", "lakeward.yaml"]);
    assert_eq!(both.delta(), before);
    both.night(&nights[2]);
    assert_ne!(both.delta(), before);
    let history = lakeward(&["history", "lakeward.yaml", "--json"]);
    let newest: Value = serde_json::from_str(history.stdout.lines().next().unwrap()).unwrap();
    let newest = newest["version"].as_u64().unwrap();
    lakeward(&["rollback", "lakeward.yaml", "--to", &(newest - 1).to_string()]);
    assert_eq!(both.delta(), before);
    lakeward(&["table", "rename", "lakeward.yaml", "delta", "orders", "--apply"]);
    assert!(!both.sandbox.lake().join("delta").exists(), "the old folder is gone, its log too");
    assert!(!both.files("orders").is_empty());
    lakeward(&["table", "drop", "lakeward.yaml", "orders", "--apply"]);
    assert!(!both.sandbox.lake().join("orders").exists());
}

#[test]
fn a_table_is_stored_as_something_else_by_convert_alone() {
    let both = Both::new("primary_key: id, write_disposition: merge");
    let nights = nights();
    both.night(&nights[0]);
    let config = fs::read_to_string(both.sandbox.path().join("lakeward.yaml")).unwrap();
    let all_delta = config.replace("native", "delta");
    fs::write(both.sandbox.path().join("lakeward.yaml"), &all_delta).unwrap();
    let refused = both.sandbox.lakeward(&["run", "lakeward.yaml"]);
    assert_eq!(refused.code(), Some(20), "{refused}");
    let way = "`lakeward convert lakeward.yaml plain --to delta --apply`";
    assert!(refused.stderr.contains("is stored as plain, the config says delta"), "{refused}");
    assert!(refused.stderr.contains(way), "{refused}");
    let told = both.sandbox.lakeward(&["convert", "lakeward.yaml", "plain", "--to", "delta"]);
    assert!(told.code() == Some(0) && told.stdout.contains("would be stored as delta, and was as plain"), "{told}");
    let done = both.sandbox.lakeward(&["convert", "lakeward.yaml", "plain", "--to", "delta", "--apply"]);
    assert!(done.code() == Some(0) && done.stdout.contains("is stored as delta"), "{done}");
    assert_eq!(both.files("plain").len(), both.files("delta").len());
    both.night(&nights[1]);
    let again = both.sandbox.lakeward(&["convert", "lakeward.yaml", "plain", "--to", "delta", "--apply"]);
    assert!(again.code() == Some(0) && again.stdout.contains("nothing to do"), "{again}");
    fs::write(both.sandbox.path().join("lakeward.yaml"), &config).unwrap();
    let back = both.sandbox.lakeward(&["convert", "lakeward.yaml", "plain", "--to", "plain", "--apply"]);
    assert_eq!(back.code(), Some(0), "{back}");
    assert!(!both.sandbox.lake().join("plain/_delta_log").exists());
    assert_eq!(both.plain(), both.delta());
}

#[test]
fn a_name_that_delta_does_not_have_is_refused_with_a_way_out_and_the_plain_table_is_published() {
    let both = Both::new("primary_key: id, write_disposition: merge");
    *both.records.lock().unwrap() = vec![json!({"id": 1, "a b": 2})];
    let refused = both.sandbox.lakeward(&["run", "lakeward.yaml"]);
    assert!(refused.stderr.contains("table `delta` cannot be a Delta table: column `a b` has a space in its name"), "{refused}");
    assert!(refused.stderr.contains("`rename`"), "{refused}");
}

#[test]
fn a_log_over_plain_files_comes_and_goes_with_its_key() {
    let both = Both::new("primary_key: id, write_disposition: merge");
    let nights = nights();
    let config = fs::read_to_string(both.sandbox.path().join("lakeward.yaml")).unwrap();
    let beside = config.replace("lake: {url: ./lake}", "lake: {url: ./lake, delta_log: true}");
    both.night(&nights[0]);
    fs::write(both.sandbox.path().join("lakeward.yaml"), beside).unwrap();
    for night in &nights[1..4] {
        both.night(night);
        let in_log: Vec<PathBuf> = both.files("plain");
        let by_glob = both.sandbox.files("plain").into_keys().filter(|path| path.ends_with(".parquet"));
        let by_glob: Vec<PathBuf> = by_glob.map(|path| both.sandbox.lake().join("plain").join(path)).collect();
        assert_eq!(in_log, by_glob);
        assert_eq!(both.in_log("plain"), both.delta());
    }
    fs::write(both.sandbox.path().join("lakeward.yaml"), config).unwrap();
    both.night(&nights[3]);
    assert!(!both.sandbox.lake().join("plain/_delta_log").exists(), "no log is left that tells of old files");
}
