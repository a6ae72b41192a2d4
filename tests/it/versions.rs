//! Versions of a lake: their files for every reader, and bringing one back, rows and cursors together.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY, guide_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::readers::environment;
use crate::support::sandbox::{Sandbox, files_under};

/// Two nights of the guide's API: the lake, and the data files after the first night.
fn two_nights() -> (FakeApi, Billing, Sandbox, BTreeMap<String, Vec<u8>>) {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = Sandbox::with_config(&guide_config(&api.url())).env("BILLING_API_KEY", KEY);
    sandbox.run_ok();
    let first = sandbox.data_files();
    billing.second_night();
    sandbox.run_ok();
    (api, billing, sandbox, first)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_files_of_last_nights_version_are_listed_and_hold_what_they_held() {
    let (_api, _billing, sandbox, first) = two_nights();
    let listed = sandbox.lakeward(&["files", "lakeward.yaml", "customer_usage", "--at", "1", "--json"]);
    assert_eq!(listed.code(), Some(0), "{listed}");
    let files = json_lines(&listed.stdout);
    let mut contents: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file["path"].as_str().unwrap()).unwrap()).collect();
    let mut expected: Vec<Vec<u8>> =
        first.iter().filter(|(path, _)| path.starts_with("customer_usage/")).map(|(_, bytes)| bytes.clone()).collect();
    contents.sort();
    expected.sort();
    assert_eq!(contents.len(), expected.len());
    assert!(contents == expected, "the content of some file changed");
    let rows: u64 = files.iter().map(|file| file["rows"].as_u64().unwrap()).sum();
    assert_eq!(rows, 1234);
    // The newest version's files are those that a glob finds.
    let newest = sandbox.lakeward(&["files", "lakeward.yaml", "customer_usage"]);
    let mut found: Vec<String> = sandbox
        .files("customer_usage")
        .keys()
        .map(|path| sandbox.lake().join("customer_usage").join(path).display().to_string())
        .collect();
    found.sort();
    assert_eq!(newest.stdout.lines().collect::<Vec<_>>(), found);
}

#[test]
fn history_tells_versions_and_what_they_changed() {
    let (_api, _billing, sandbox, _) = two_nights();
    let history = sandbox.lakeward(&["history", "lakeward.yaml", "--json"]);
    let commits = json_lines(&history.stdout);
    assert_eq!(commits.iter().map(|commit| commit["version"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 1]);
    let usage = &commits[0]["tables"]["customer_usage"];
    assert_eq!((&usage["rows"], &commits[0]["purpose"]), (&json!(1237), &json!("run")), "{usage}");
    assert!(usage["files_replaced"].as_u64().unwrap() > 0 && commits[0]["tables"].get("wallets").is_none(), "{usage}");
    let wallets = sandbox.lakeward(&["history", "lakeward.yaml", "wallets"]);
    assert!(wallets.stdout.starts_with("version 1  ") && !wallets.stdout.contains("version 2"), "{wallets}");
}

#[test]
fn a_rollback_brings_the_rows_back_and_the_next_night_goes_on_from_there() {
    let (_api, _billing, sandbox, first) = two_nights();
    let second = sandbox.by_key("customer_usage", "id");
    let before = files_under(&sandbox.lake());
    let told = sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1", "--dry-run"]);
    assert!(told.code() == Some(0) && told.stdout.contains("customer_usage: 1,237 rows -> 1,234 rows"), "{told}");
    assert!(files_under(&sandbox.lake()) == before, "a dry run wrote something");
    let back = sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]);
    assert_eq!(back.code(), Some(0), "{back}");
    assert!(back.stdout.contains("version 3 is version 1 again") && back.stdout.contains("--to 2"), "{back}");
    let contents = |files: BTreeMap<String, Vec<u8>>| {
        let mut contents: Vec<Vec<u8>> = files.into_values().collect();
        contents.sort();
        contents
    };
    assert!(contents(sandbox.data_files()) == contents(first), "the files are not those of the first night");
    sandbox.run_ok();
    assert_eq!(sandbox.by_key("customer_usage", "id"), second);
    let status = sandbox.lakeward(&["history", "lakeward.yaml", "--limit", "2"]);
    assert!(status.stdout.contains("rollback to version 1"), "{status}");
}

#[test]
fn a_rollback_brings_the_cursor_back_so_that_an_append_loads_what_came_after_it_once_more() {
    let records = Arc::new(Mutex::new(vec![json!({"id": 1, "n": 10}), json!({"id": 2, "n": 20})]));
    let served = Arc::clone(&records);
    let api = FakeApi::start().on("/events", move |request| {
        let since: u64 = request.number("since", 0);
        let all = served.lock().unwrap();
        let page: Vec<&Value> = all.iter().filter(|record| record["n"].as_u64().unwrap() >= since).collect();
        Reply::json(json!(page).to_string())
    });
    let sandbox = Sandbox::with_config(&format!(
        "name: p\nclient: {{base_url: {}}}\nresources:\n  - name: events\n    write_disposition: append\n    \
         endpoint: {{path: /events, paginator: single_page, incremental: {{start_param: since, cursor_path: n, initial_value: 0}}}}\n\
         lake: {{url: ./lake}}\n",
        api.url()
    ));
    sandbox.run_ok();
    records.lock().unwrap().push(json!({"id": 3, "n": 30}));
    sandbox.run_ok();
    let ids = |sandbox: &Sandbox| {
        let mut ids: Vec<String> = sandbox.rows("events").iter().map(|row| format!("{:?}", row["id"])).collect();
        ids.sort();
        ids
    };
    let all = ids(&sandbox);
    assert_eq!(all.len(), 3);
    assert_eq!(sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]).code(), Some(0));
    assert_eq!(ids(&sandbox), all[..2]);
    sandbox.run_ok();
    assert_eq!(ids(&sandbox), all);
}

#[test]
fn garbage_is_listed_first_and_removed_when_asked_to() {
    let (_api, _billing, sandbox, _) = two_nights();
    let nothing = sandbox.lakeward(&["gc", "lakeward.yaml"]);
    assert!(nothing.code() == Some(0) && nothing.stdout == "nothing to remove\n", "{nothing}");
    let left = sandbox.lake().join("_lakeward/billing/manifest/left.json");
    fs::write(&left, "{}").unwrap();
    let before = files_under(&sandbox.lake());
    let listed = sandbox.lakeward(&["gc", "lakeward.yaml"]);
    assert!(listed.stdout.contains("1 file (2 B) that no commit names") && listed.stdout.contains("--apply"), "{listed}");
    assert!(files_under(&sandbox.lake()) == before, "a listing removed or wrote something");
    let removed = sandbox.lakeward(&["gc", "lakeward.yaml", "--apply"]);
    assert!(removed.code() == Some(0) && removed.stdout.contains("removed, behind commit 3") && !left.exists(), "{removed}");
    assert_eq!(sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]).code(), Some(0));
}

/// Makes a lake's newest commit, its second, the last of `count`, as nights that change no file leave them.
fn age(sandbox: &Sandbox, count: u64) {
    let log = sandbox.lake().join("_lakeward/billing/log");
    let [commit, done] = ["json", "done"].map(|kind| fs::read_to_string(log.join(format!("{:020}.{kind}", 2))).unwrap());
    let commit: Value = serde_json::from_str(&commit).unwrap();
    for version in 3..=count {
        let mut commit = commit.clone();
        (commit["version"], commit["parent"], commit["files"]) = (json!(version), json!(version - 1), json!([]));
        fs::write(log.join(format!("{version:020}.json")), commit.to_string()).unwrap();
        fs::write(log.join(format!("{version:020}.done")), &done).unwrap();
    }
}

#[test]
fn a_run_removes_old_commits_and_reports_by_itself() {
    let (_api, billing, sandbox, _) = two_nights();
    age(&sandbox, 498);
    let home = sandbox.lake().join("_lakeward/billing");
    for old in 0..1200 {
        fs::write(home.join(format!("runs/2020-01-01T00-00-00Z-{old:06x}.json")), "{}").unwrap();
    }
    let count = |folder: &str| fs::read_dir(home.join(folder)).unwrap().count();
    let night = |balance: i64| {
        billing.change("/v1/wallets", |records| records[0]["balance"] = json!(balance));
        let ended = sandbox.run_ok();
        assert_eq!(ended.summary()["warnings"], json!([]), "{ended}");
        ended.summary()["version"].clone()
    };
    assert_eq!((night(1), count("runs")), (json!(499), 1203));
    assert_eq!(night(2), json!(500));
    let newest = json_lines(&sandbox.lakeward(&["history", "lakeward.yaml", "--json"]).stdout);
    assert_eq!((&newest[0]["version"], &newest[0]["purpose"]), (&json!(501), &json!("collection")));
    // The newest 400 commits and what is noted of each, and of the first two, whose manifests they name.
    assert_eq!((count("log"), count("runs")), (802, 1001));
    assert_eq!(night(3), json!(502));
    assert_eq!(sandbox.lakeward(&["verify", "lakeward.yaml", "--deep"]).code(), Some(0));
    assert_eq!(sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "501"]).code(), Some(0));
}

#[test]
fn a_version_that_is_not_there_is_refused_with_a_way_out() {
    let (_api, _billing, sandbox, _) = two_nights();
    for arguments in [["rollback", "lakeward.yaml", "--to", "9"], ["files", "lakeward.yaml", "--at", "9"]] {
        sandbox.lakeward(&arguments).failed_with(2, &["there is no version 9", "the newest is 2", "lakeward history"]);
    }
    sandbox.lakeward(&["files", "lakeward.yaml", "wallet"]).failed_with(2, &["no table `wallet`", "`wallets`"]);
    sandbox.lakeward(&["files", "lakeward.yaml"]).failed_with(2, &["several tables", "name one of `customer_usage`, `wallets`"]);
    sandbox.lakeward(&["history", "lakeward.yaml", "wallet"]).failed_with(2, &["no table `wallet`", "`wallets`"]);
    for arguments in [["rollback", "lakeward.yaml", "--to", "-1"], ["files", "lakeward.yaml", "--at", "0"]] {
        sandbox.lakeward(&arguments).failed_with(2, &["a version is a whole number from 1 on; `lakeward history` lists them"]);
    }
    let other = Sandbox::with_config(&guide_config("http://127.0.0.1:9")).env("BILLING_API_KEY", KEY);
    other.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]).failed_with(3, &["nothing is committed yet in", "lake.url"]);
    assert!(other.lakeward(&["history", "lakeward.yaml"]).stdout.contains("nothing is committed yet"));
}

#[test]
fn the_statements_that_files_prints_read_the_version_in_duckdb_polars_and_pyarrow() {
    let Some(python) = environment("LAKEWARD_TEST_PYTHON") else { return };
    let (_api, _billing, sandbox, _) = two_nights();
    let statement = |reader: &str, version: &str| {
        let printed = sandbox.lakeward(&["files", "lakeward.yaml", "customer_usage", "--at", version, reader]);
        assert_eq!(printed.code(), Some(0), "{printed}");
        printed.stdout
    };
    for (version, rows) in [("1", 1234), ("2", 1237)] {
        let script = format!(
            "import duckdb, polars, pyarrow.dataset\n\
             found = duckdb.sql('''{}'''.rstrip().rstrip(';'))\n\
             assert found.aggregate('count(*), count(distinct id)').fetchall() == [({rows}, {rows})], found\n\
             assert 'created_at_month' in found.columns, found.columns\n\
             {}assert customer_usage.collect().height == {rows}\nassert 'created_at_month' in customer_usage.collect_schema().names()\n\
             {}assert customer_usage.count_rows() == {rows}\nassert 'created_at_month' in customer_usage.schema.names\n",
            statement("--duckdb", version),
            statement("--polars", version),
            statement("--pyarrow", version),
        );
        let output = std::process::Command::new(&python).args(["-c", &script]).output().unwrap();
        assert!(output.status.success(), "version {version}: {}\n{script}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_statements_work_when_a_path_has_what_a_terminal_obeys_or_stands_for_others() {
    let Some(python) = environment("LAKEWARD_TEST_PYTHON") else { return };
    // DuckDB takes a backslash beside what stands for other paths for an escape.
    ["a\u{202e}'\"\\b\u{e0041}", "a[x]?*{y}"].iter().for_each(|odd| check_statements(&python, odd));
}

fn check_statements(python: &str, odd: &'static str) {
    let api = FakeApi::start().on("/rows", move |_| Reply::json(json!([{"id": 1, "k": odd}, {"id": 2, "k": odd}]).to_string()));
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join(format!("lake-{odd}"));
    let config = json!({"name": "p", "client": {"base_url": api.url()}, "lake": {"url": folder.to_str().unwrap()}, "resources": [
        {"name": "rows", "partition_by": ["k"], "endpoint": {"path": "/rows", "paginator": "single_page"}}]});
    sandbox.write("lakeward.yaml", &config.to_string());
    sandbox.run_ok();
    let statement = |reader: &str| {
        let printed = sandbox.lakeward(&["files", "lakeward.yaml", "rows", reader]);
        assert_eq!(printed.code(), Some(0), "{printed}");
        assert!(!printed.stdout.contains(['\u{202e}', '\u{e0041}']), "{printed}");
        printed.stdout
    };
    sandbox.write("rows.sql", &statement("--duckdb"));
    sandbox.write(
        "rows.py",
        &format!(
            "import duckdb, polars, pyarrow.dataset\n\
             assert duckdb.sql(open('rows.sql').read().rstrip().rstrip(';')).aggregate('count(*)').fetchall() == [(2,)]\n\
             {}assert rows.collect().height == 2\n{}assert rows.count_rows() == 2\n",
            statement("--polars"),
            statement("--pyarrow"),
        ),
    );
    let output = std::process::Command::new(python).arg("rows.py").current_dir(sandbox.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_statements_read_files_that_were_left_without_a_new_column() {
    let Some(python) = environment("LAKEWARD_TEST_PYTHON") else { return };
    let records = Arc::new(Mutex::new(json!([{"id": 1, "k": "a"}])));
    let served = Arc::clone(&records);
    let api = FakeApi::start().on("/rows", move |_| Reply::json(served.lock().unwrap().to_string()));
    for partition in ["", "partition_by: [k], "] {
        *records.lock().unwrap() = json!([{"id": 1, "k": "a"}]);
        let sandbox = Sandbox::with_config(&format!(
            "name: p\nclient: {{base_url: {}}}\nlake: {{url: ./lake, on_schema_change: leave}}\nresources:\n  - {{name: rows, {partition}write_disposition: append, \
             endpoint: {{path: /rows, paginator: single_page, incremental: {{cursor_path: id, initial_value: 0}}}}}}\n",
            api.url()
        ));
        sandbox.run_ok();
        *records.lock().unwrap() = json!([{"id": 2, "k": "b", "c": "new"}]);
        sandbox.run_ok();
        let statement = |reader: &str| sandbox.lakeward(&["files", "lakeward.yaml", "rows", reader]).stdout;
        assert!(statement("--spark").contains(".option(\"mergeSchema\", \"true\")"));
        sandbox.write("rows.sql", &statement("--duckdb"));
        let script = format!(
            "import duckdb\nfound = duckdb.sql(open('rows.sql').read().rstrip().rstrip(';'))\n\
             assert found.order('id').project('c').fetchall() == [(None,), ('new',)], found\n\
             {}assert rows.sort('id').collect()['c'].to_list() == [None, 'new']\n\
             {}assert sorted(rows.to_table().to_pydict()['c'], key=str) == [None, 'new']\n",
            statement("--polars"),
            statement("--pyarrow"),
        );
        sandbox.write("rows.py", &script);
        let output = std::process::Command::new(&python).arg("rows.py").current_dir(sandbox.path()).output().unwrap();
        assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn files_of_a_table_larger_than_is_written_anew_stay_as_they_are_and_it_is_told() {
    let records = Arc::new(Mutex::new(Value::Null));
    let served = Arc::clone(&records);
    let api = FakeApi::start().on("/rows", move |_| Reply::json(served.lock().unwrap().to_string()));
    for (size, is_left) in [("1MB", false), ("100B", true)] {
        *records.lock().unwrap() = json!([{"id": 1}]);
        let sandbox = Sandbox::with_config(&format!(
            "name: p\nclient: {{base_url: {}}}\nlake: {{url: ./lake, on_schema_change: {{rewrite_up_to: {size}}}}}\nresources:\n  - {{name: rows, write_disposition: append, \
             endpoint: {{path: /rows, paginator: single_page, incremental: {{cursor_path: id, initial_value: 0}}}}}}\n",
            api.url()
        ));
        sandbox.run_ok();
        let before = std::fs::read(sandbox.path().join("lake/rows/part-000000.parquet")).unwrap();
        *records.lock().unwrap() = json!([{"id": 2, "c": "new"}]);
        let ended = sandbox.run_ok();
        let warnings = ended.summary()["warnings"].as_array().unwrap().clone();
        let told: Vec<&str> = warnings
            .iter()
            .filter(|told| told["code"] == "files_lack_columns")
            .filter_map(|told| told["text"].as_str())
            .collect();
        let after = std::fs::read(sandbox.path().join("lake/rows/part-000000.parquet")).unwrap();
        assert_eq!((before == after, told.len()), (is_left, usize::from(is_left)), "{ended}");
        assert!(told.iter().all(|text| text.contains("1 file of `rows`") && text.contains("lack c:")), "{told:?}");
        assert!(sandbox.lakeward(&["files", "lakeward.yaml", "rows", "--duckdb"]).stdout.contains("union_by_name"));
        // The night behind says nothing more, and goes on.
        *records.lock().unwrap() = json!([{"id": 3, "c": "newer"}]);
        let ended = sandbox.run_ok();
        assert!(!ended.to_string().contains("files_lack_columns"), "{ended}");
    }
}
