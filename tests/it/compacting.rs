//! Compaction: small files put together, and nothing else.

use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::Sandbox;

/// Nights that append three rows each to two partitions, in an order that `sort_by` turns around.
struct Nights {
    records: Arc<Mutex<Vec<Value>>>,
    sandbox: Sandbox,
    _api: FakeApi,
}

impl Nights {
    fn new(count: i64) -> Self {
        Self::with("", count)
    }

    /// With more keys in `lake`.
    fn with(lake: &str, count: i64) -> Self {
        let records = Arc::new(Mutex::new(Vec::new()));
        let served = Arc::clone(&records);
        let api = FakeApi::start().on("/events", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()));
        let config = format!(
            "name: p\nclient: {{base_url: {}}}\nresources:\n  - name: events\n    write_disposition: append\n    \
             partition_by: [{{column: region, as: in_region}}]\n    sort_by: \"-id\"\n    \
             endpoint: {{path: /events, paginator: single_page, incremental: {{cursor_path: id, initial_value: 0}}}}\n\
             lake: {{url: ./lake{lake}}}\n",
            api.url()
        );
        let nights = Self { records, sandbox: Sandbox::with_config(&config), _api: api };
        (0..count).for_each(|night| nights.night(night));
        nights
    }

    fn night(&self, night: i64) {
        let row =
            |id: i64| json!({"id": id, "region": if id % 3 == 0 { "eu" } else { "us" }, "v": format!("v{id}"), "n": {"m": [id]}});
        self.records.lock().unwrap().extend((night * 3 + 1..night * 3 + 4).map(row));
        self.sandbox.run_ok();
    }

    /// The rows in words, in the order of `id`.
    fn rows(&self) -> Vec<String> {
        self.sandbox.by_key("events", "id").iter().map(|(id, row)| format!("{id}: {row:?}")).collect()
    }
}

#[test]
fn small_files_of_a_partition_become_one_in_the_order_of_sort_by_and_no_row_changes() {
    let nights = Nights::new(5);
    let (rows, sandbox) = (nights.rows(), &nights.sandbox);
    assert_eq!((rows.len(), sandbox.files("events").len()), (15, 10));
    let before = sandbox.data_files();
    let told = sandbox.lakeward(&["compact", "lakeward.yaml", "--dry-run"]);
    assert!(told.code() == Some(0) && told.stdout.contains("events: would put 10 small files"), "{told}");
    assert!(sandbox.data_files() == before, "a dry run wrote something");

    let done = sandbox.lakeward(&["compact", "lakeward.yaml", "events"]);
    assert!(
        done.code() == Some(0) && done.stdout.contains("together into 2; 2 files in the table where there were 10"),
        "{done}"
    );
    assert_eq!((nights.rows(), sandbox.files("events").len()), (rows.clone(), 2));
    for (path, _) in sandbox.files("events") {
        let file = sandbox.lake().join("events").join(&path);
        let ids: Vec<i64> = crate::support::table::read_file(&sandbox.lake().join("events"), &file)
            .unwrap()
            .iter()
            .map(|row| format!("{:?}", row["id"]).chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap())
            .collect();
        assert!(ids.len() >= 5 && ids.is_sorted_by(|a, b| a > b), "{path}: {ids:?}");
    }
    assert_eq!(sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]).code(), Some(0));
    let again = sandbox.lakeward(&["compact", "lakeward.yaml"]);
    assert!(again.code() == Some(0) && again.stdout.contains("nothing to put together"), "{again}");
    let history = sandbox.lakeward(&["history", "lakeward.yaml"]);
    assert!(history.stdout.contains("compact") && !history.stdout.contains("version 7"), "{history}");

    // The cursor is where it was, and last night's version is readable and can come back.
    nights.night(5);
    assert_eq!(nights.rows().len(), 18);
    let old = sandbox.lakeward(&["files", "lakeward.yaml", "events", "--at", "6"]);
    assert!(old.code() == Some(0) && old.stdout.lines().count() == 2, "{old}");
}

#[test]
fn a_compaction_can_be_undone() {
    let nights = Nights::new(3);
    let (rows, sandbox) = (nights.rows(), &nights.sandbox);
    assert_eq!(sandbox.lakeward(&["compact", "lakeward.yaml"]).code(), Some(0));
    let back = sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "3"]);
    assert_eq!(back.code(), Some(0), "{back}");
    assert_eq!((nights.rows(), sandbox.files("events").len()), (rows, 6));
}

#[test]
fn a_compaction_that_is_killed_anywhere_leaves_the_rows_and_the_next_one_ends_it() {
    for point in [
        "lake.commit.before_stage",
        "lake.stage.file",
        "lake.commit.after_manifests",
        "lake.commit.after_create",
        "lake.publish.put",
        "lake.publish.put#2",
        "lake.publish.after_puts",
        "lake.publish.delete#2",
        "lake.publish.before_done",
        "lake.publish.cleaning",
    ] {
        let nights = Nights::new(4);
        let rows = nights.rows();
        let mut command = nights.sandbox.command(&["compact", "lakeward.yaml"]);
        command.env("LAKEWARD_FAULT", format!("{point}=kill"));
        let killed = crate::support::sandbox::Running::spawn(&mut command).end();
        assert_eq!(killed.code(), None, "{point}: {killed}");
        let next = nights.sandbox.lakeward(&["compact", "lakeward.yaml"]);
        assert_eq!(next.code(), Some(0), "{point}: {next}");
        assert_eq!((nights.rows(), nights.sandbox.files("events").len()), (rows, 2), "{point}");
        assert_eq!(nights.sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]).code(), Some(0), "{point}");
    }
}

#[test]
fn a_damaged_file_and_a_table_that_there_is_not_end_a_compaction_by_name() {
    let nights = Nights::new(2);
    let sandbox = &nights.sandbox;
    sandbox.lakeward(&["compact", "lakeward.yaml", "event"]).failed_with(2, &["event", "events"]);
    let (path, mut bytes) = sandbox.files("events").pop_first().unwrap();
    bytes[20] ^= 1;
    fs::write(sandbox.lake().join("events").join(&path), bytes).unwrap();
    let before = sandbox.data_files();
    sandbox.lakeward(&["compact", "lakeward.yaml"]).failed_with(3, &[&path]);
    assert!(sandbox.data_files() == before);
}

#[test]
fn nights_of_appends_under_compact_auto_leave_one_file_a_partition_and_the_last_one_can_be_undone() {
    let nights = Nights::with(", compact: auto", 5);
    let sandbox = &nights.sandbox;
    let rows = nights.rows();
    assert_eq!((rows.len(), sandbox.files("events").len()), (15, 2));
    assert_eq!(sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]).code(), Some(0));
    nights.night(5);
    assert_eq!((nights.rows().len(), sandbox.files("events").len()), (18, 2));
    let back = sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "5"]);
    assert_eq!(back.code(), Some(0), "{back}");
    assert_eq!((nights.rows(), sandbox.files("events").len()), (rows, 2));
    sandbox.run_ok();
    assert_eq!((nights.rows().len(), sandbox.files("events").len()), (18, 2));
    // A night without records leaves every file alone.
    let before = sandbox.files("events");
    sandbox.run_ok();
    assert!(sandbox.files("events") == before);
}

#[test]
fn a_night_that_is_killed_while_it_fills_up_files_has_each_row_once_when_the_next_one_ends() {
    for point in [
        "lake.stage.file",
        "lake.commit.after_manifests",
        "lake.commit.after_create",
        "lake.publish.put",
        "lake.publish.put#2",
        "lake.publish.before_done",
    ] {
        let nights = Nights::with(", compact: auto", 2);
        nights.records.lock().unwrap().push(json!({"id": 100, "region": "eu", "v": "v", "n": {"m": [1]}}));
        nights.records.lock().unwrap().push(json!({"id": 101, "region": "us", "v": "v", "n": {"m": [1]}}));
        let mut command = nights.sandbox.command(&["run", "lakeward.yaml"]);
        command.env("LAKEWARD_FAULT", format!("{point}=kill"));
        let killed = crate::support::sandbox::Running::spawn(&mut command).end();
        assert_eq!(killed.code(), None, "{point}: {killed}");
        nights.sandbox.run_ok();
        assert_eq!((nights.rows().len(), nights.sandbox.files("events").len()), (8, 2), "{point}");
        assert_eq!(nights.sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]).code(), Some(0), "{point}");
    }
}
