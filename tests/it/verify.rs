//! `lakeward verify`: a lake is proven, and what is planted in it is named with a way out that works.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY, guide_config, things, things_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox, files_under};

/// Two nights of the guide's API.
fn guide() -> (FakeApi, Sandbox) {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = Sandbox::with_config(&guide_config(&api.url())).env("BILLING_API_KEY", KEY);
    sandbox.run_ok();
    billing.second_night();
    sandbox.run_ok();
    (api, sandbox)
}

/// What somebody does to a data file.
type Plant = fn(&PathBuf);

fn verify(sandbox: &Sandbox, more: &[&str]) -> Ended {
    sandbox.lakeward(&[&["verify", "lakeward.yaml"], more].concat())
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The first data file of a table.
fn a_file(sandbox: &Sandbox, table: &str) -> PathBuf {
    let name = sandbox.files(table).into_keys().next().unwrap();
    sandbox.lake().join(table).join(name)
}

#[test]
fn a_healthy_lake_is_proven_in_one_line_a_table_and_nothing_is_written() {
    let (api, sandbox) = guide();
    let (before, asked) = (files_under(&sandbox.lake()), api.requests().len());
    for (more, words) in
        [(&[][..], ": ok"), (&["--deep"], ": ok, every row read"), (&["--at", "1", "--deep"], ": ok, every row read")]
    {
        let told = verify(&sandbox, more);
        assert!(told.code() == Some(0) && told.stderr.is_empty(), "{told}");
        let tables = fs::read_dir(sandbox.lake()).unwrap().count() - 1;
        assert!(told.stdout.lines().count() == tables && told.stdout.lines().all(|line| line.ends_with(words)), "{told}");
    }
    let told = verify(&sandbox, &["customer_usage", "--deep", "--json"]);
    let [table] = &json_lines(&told.stdout)[..] else { panic!("{told}") };
    assert_eq!((&table["status"], &table["rows"], &table["version"]), (&json!("ok"), &json!(1237), &json!(2)));
    assert_eq!((&table["keys_compared"], &table["faults"]), (&json!(true), &json!([])));
    assert!(files_under(&sandbox.lake()) == before, "something was written");
    assert_eq!(api.requests().len(), asked, "the API was asked");
}

#[test]
fn every_fault_of_a_file_ends_with_exit_3_and_the_way_out_that_is_told_works() {
    let plants: [(&str, Plant); 4] = [
        ("found nothing", |file| fs::remove_file(file).unwrap()),
        ("bytes, found ", |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("found checksum ", |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[60] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
        ("found checksum ", |file| {
            let bytes = fs::metadata(file).unwrap().len();
            fs::write(file, vec![b'x'; bytes as usize]).unwrap();
        }),
    ];
    let (_api, sandbox) = guide();
    for (words, plant) in plants {
        let file = a_file(&sandbox, "customer_usage");
        let whole = fs::read(&file).unwrap();
        // The kept versions share their content with the table.
        fs::remove_file(&file).unwrap();
        fs::write(&file, &whole).unwrap();
        plant(&file);
        let told = verify(&sandbox, &[]);
        told.failed_with(3, &["table `customer_usage`", "1 fault", "--full-refresh --resource customer_usage"]);
        assert!(told.stdout.contains(file.to_str().unwrap()) && told.stdout.contains(words), "{told}");
        assert!(told.stdout.lines().any(|line| line.starts_with("wallets") && line.ends_with(": ok")), "{told}");
        fs::write(&file, &whole).unwrap();
        assert_eq!(verify(&sandbox, &["--deep"]).code(), Some(0));
        plant(&file);
        let anew = sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh", "--resource", "customer_usage"]);
        assert_eq!(anew.code(), Some(0), "{anew}");
        let told = verify(&sandbox, &["--deep"]);
        assert_eq!(told.code(), Some(0), "{told}");
    }
}

#[test]
fn a_file_that_no_commit_put_there_is_named_and_goes() {
    let (_api, sandbox) = guide();
    let file = a_file(&sandbox, "customer_usage");
    let copy = file.with_file_name("copy.parquet");
    fs::copy(&file, &copy).unwrap();
    let told = verify(&sandbox, &["customer_usage"]);
    told.failed_with(3, &["1 fault", "move the files"]);
    assert!(told.stdout.contains("copy.parquet: expected no file"), "{told}");
    let told = verify(&sandbox, &["--json"]);
    let usage = json_lines(&told.stdout).into_iter().find(|table| table["table"] == "customer_usage").unwrap();
    assert_eq!((told.code(), &usage["status"]), (Some(3), &json!("faulty")), "{told}");
    assert_eq!(usage["faults"][0]["fault"], "unknown_file", "{told}");
    fs::remove_file(copy).unwrap();
    assert_eq!(verify(&sandbox, &[]).code(), Some(0));
}

#[test]
fn of_many_faults_some_are_shown_and_the_others_counted() {
    let (_api, sandbox) = guide();
    let folder = a_file(&sandbox, "customer_usage").parent().unwrap().to_owned();
    for number in 0..25 {
        fs::write(folder.join(format!("extra-{number:02}.parquet")), "x").unwrap();
    }
    let told = verify(&sandbox, &["customer_usage"]);
    assert!(told.stdout.contains("25 faults") && told.stdout.contains("\n  and 5 more\n"), "{told}");
    assert_eq!(told.stdout.lines().count(), 22, "{told}");
    assert_eq!(json_lines(&verify(&sandbox, &["customer_usage", "--json"]).stdout)[0]["more_faults"], 5);
}

#[test]
fn a_copy_that_somebody_wrote_into_a_commit_is_found_by_its_keys_and_a_rollback_takes_it_out() {
    let records = |ids: std::ops::Range<i64>| json!({"data": ids.map(|id| json!({"id": id, "v": 1})).collect::<Vec<_>>()});
    let api = things(move |request| Reply::json(records(0..request.number("n", 10) as i64).to_string()));
    let config = |n: u32| {
        let endpoint = format!("endpoint: {{path: /things, params: {{n: {n}}}, data_selector: data, paginator: single_page}}");
        things_config(&api.url(), &format!("{endpoint}\nprimary_key: id\nwrite_disposition: merge"))
    };
    let sandbox = Sandbox::with_config(&config(10));
    sandbox.run_ok();
    sandbox.write("lakeward.yaml", &config(12));
    sandbox.run_ok();
    let file = a_file(&sandbox, "things");
    fs::copy(&file, file.with_file_name("part-000099.parquet")).unwrap();
    let home = files_under(&sandbox.lake().join("_lakeward"));
    let path = home.keys().find(|path| path.ends_with("/log/00000000000000000002.json")).unwrap();
    let mut record: Value = serde_json::from_slice(&home[path]).unwrap();
    let mut put = record["files"][0].clone();
    put["path"] = json!("things/part-000099.parquet");
    put.as_object_mut().unwrap().remove("replaces");
    record["files"].as_array_mut().unwrap().push(put);
    fs::write(sandbox.lake().join("_lakeward").join(path), record.to_string()).unwrap();
    let name = record["tables"]["things"]["manifest"].as_str().unwrap();
    let path = home.keys().find(|path| path.ends_with(&format!("/manifest/{name}"))).unwrap();
    let path = sandbox.lake().join("_lakeward").join(path);
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut copy = manifest["files"][0].clone();
    copy["path"] = json!("things/part-000099.parquet");
    manifest["files"].as_array_mut().unwrap().push(copy);
    fs::write(&path, manifest.to_string()).unwrap();
    let told = verify(&sandbox, &["--deep"]);
    told.failed_with(3, &["table `things`", "lakeward rollback lakeward.yaml --to", "history lakeward.yaml things"]);
    assert!(told.stdout.contains("part-000099.parquet: expected one row a key (id), found 12 rows"), "{told}");
    assert!(told.stdout.contains(name), "the manifest is not named: {told}");
    assert_eq!(verify(&sandbox, &["--deep", "--at", "1"]).code(), Some(0));
    let back = sandbox.lakeward(&["rollback", "lakeward.yaml", "--to", "1"]);
    assert_eq!(back.code(), Some(0), "{back}");
    let told = verify(&sandbox, &["--deep"]);
    assert!(told.code() == Some(0) && told.stdout.contains("10 rows"), "{told}");
}

#[test]
fn tables_with_keys_and_partitions_of_every_type_are_proven() {
    let records: Vec<Value> = (0..200)
        .map(|n| {
            json!({
                "id": n, "text": format!("k{n} é"), "price": f64::from(n) + 0.5, "at": format!("2026-{:02}-{:02}T10:00:00Z", n % 12 + 1, n % 28 + 1),
                "day": format!("2026-01-{:02}", n % 28 + 1), "flag": n % 2 == 0, "nested": {"a": [n]},
            })
        })
        .collect();
    let answer = json!({"data": records}).to_string();
    let columns =
        "columns: {price: {data_type: decimal, precision: 12, scale: 2}, at: {data_type: timestamp}, day: {data_type: date}}";
    let kinds = [
        "primary_key: text",
        "primary_key: price",
        "primary_key: [at, id]\npartition_by: [{column: day, transform: month}]",
        "primary_key: [day, id]\npartition_by: [day]",
        "primary_key: [id, flag]\npartition_by: [flag, {column: price, transform: 'bucket[3]'}]",
        "primary_key: id\npartition_by: [{column: at, transform: year}, {column: id, transform: 'truncate[50]'}]",
    ];
    for kind in kinds {
        let served = answer.clone();
        let api = things(move |_| Reply::json(served.clone()));
        let endpoint = "endpoint: {path: /things, data_selector: data, paginator: single_page}";
        let sandbox =
            Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\nwrite_disposition: merge\n{columns}\n{kind}")));
        sandbox.run_ok();
        sandbox.run_ok();
        let told = verify(&sandbox, &["--deep"]);
        assert!(
            told.code() == Some(0) && told.stdout.contains("things: version ") && told.stdout.contains("200 rows"),
            "{kind}: {told}"
        );
    }
}

#[test]
fn an_append_that_repeats_its_keys_is_fine_and_says_so() {
    let api = things(|_| Reply::json(r#"{"data": [{"id": 1}, {"id": 1}]}"#));
    let endpoint = "endpoint: {path: /things, data_selector: data, paginator: single_page}";
    let sandbox =
        Sandbox::with_config(&things_config(&api.url(), &format!("{endpoint}\nprimary_key: id\nwrite_disposition: append")));
    sandbox.run_ok();
    sandbox.run_ok();
    let told = verify(&sandbox, &["--deep"]);
    assert!(told.code() == Some(0) && told.stdout.contains("a key may be there twice: the config appends"), "{told}");
}

#[test]
fn what_cannot_be_verified_is_refused_with_a_way_out() {
    let (_api, sandbox) = guide();
    verify(&sandbox, &["--at", "9"]).failed_with(2, &["there is no version 9", "lakeward history"]);
    verify(&sandbox, &["wallet"]).failed_with(2, &["no table `wallet`", "`wallets`"]);
    let other = Sandbox::with_config(&guide_config("http://127.0.0.1:9")).env("BILLING_API_KEY", KEY);
    // A disk that is not there, or another folder, proves nothing.
    let place = other.lake().display().to_string();
    for arguments in [&[][..], &["wallets"], &["--at", "1"], &["--deep"]] {
        verify(&other, arguments).failed_with(3, &["nothing is committed yet in", &place, "lake.url"]);
    }
    assert_eq!(verify(&other, &["--json"]).code(), Some(3));
}

#[test]
fn a_commit_whose_publish_was_cut_short_is_told_and_the_run_that_is_named_finishes_it() {
    let (_api, sandbox) = guide();
    // As a process leaves it that was killed between its record and its first file.
    let home = sandbox.lake().join("_lakeward");
    let find = |end: &str| {
        let path = files_under(&home).into_keys().find(|path| path.ends_with(end)).unwrap();
        home.join(path)
    };
    let record_path = find("/log/00000000000000000002.json");
    let record: Value = serde_json::from_slice(&fs::read(&record_path).unwrap()).unwrap();
    fs::remove_file(find("/log/00000000000000000002.done")).unwrap();
    for change in record["files"].as_array().unwrap().iter().filter(|change| change["action"] == "put") {
        let path = change["path"].as_str().unwrap();
        let staged = sandbox.lake().join(change["handle"]["staged"].as_str().unwrap());
        fs::create_dir_all(staged.parent().unwrap()).unwrap();
        fs::rename(sandbox.lake().join(path), staged).unwrap();
        if change.get("replaces").is_some() {
            let kept = find(&format!("/{}.kept", path.strip_suffix(".parquet").unwrap()));
            fs::copy(kept, sandbox.lake().join(path)).unwrap();
        }
    }
    let told = verify(&sandbox, &[]);
    told.failed_with(75, &["a commit is recorded", "`lakeward run lakeward.yaml` finishes the commit"]);
    assert!(
        told.stdout.contains(": not published yet") && told.stdout.contains("not known to be published whole: commit 2"),
        "{told}"
    );
    sandbox.run_ok();
    let told = verify(&sandbox, &["--deep"]);
    assert_eq!(told.code(), Some(0), "{told}");
}
