//! A header says what columns there are: what it lacks is null in all its rows, and is told, however few they are.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::billing::{things, things_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

/// An API whose pages tonight are these.
fn api(pages: &Arc<Mutex<Vec<&'static str>>>) -> FakeApi {
    let pages = Arc::clone(pages);
    things(move |request| {
        let page = pages.lock().unwrap().get(request.number("page", 1) as usize - 1).copied().unwrap_or_default();
        Reply::status(200).header("content-type", "text/csv").body(page)
    })
}

const PAGES: &str = "paginator: {type: page_number, base_page: 1, total_path: null}";
const KEYS: &str = "primary_key: id\nwrite_disposition: merge\ncolumns: {id: {data_type: bigint}, amount: {data_type: decimal, precision: 10, scale: 2}, name: {data_type: text}}\n";

/// Runs a night for each of `nights`; the warnings of the last one, which must be green.
#[track_caller]
fn warnings(nights: &[&[&'static str]], keys: &str, format: &str) -> (Sandbox, Ended, Vec<(String, String)>) {
    let pages = Arc::new(Mutex::new(Vec::new()));
    let api = api(&pages);
    let endpoint = format!("endpoint: {{path: /things, {PAGES}, response_format: {format}}}\n{keys}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
    let mut ended = None;
    for night in nights {
        *pages.lock().unwrap() = night.to_vec();
        ended = Some(sandbox.run_ok());
    }
    let ended = ended.unwrap();
    let told = ended.summary()["warnings"].as_array().unwrap().clone();
    let text = |told: &Value, key: &str| told[key].as_str().unwrap().to_owned();
    let told = told.iter().map(|told| (text(told, "code"), text(told, "text"))).collect();
    *pages.lock().unwrap() = nights.last().unwrap().to_vec();
    let strict = sandbox.lakeward(&["run", "lakeward.yaml", "--strict"]);
    let told: Vec<(String, String)> = told;
    assert_eq!(strict.code(), Some(if told.is_empty() { 0 } else { 3 }), "{strict}");
    (sandbox, ended, told)
}

#[track_caller]
fn check(nights: &[&[&'static str]], keys: &str, format: &str, expected: &[(&str, &str)]) {
    let (_, ended, told) = warnings(nights, keys, format);
    let told: Vec<(&str, &str)> = told.iter().map(|(code, text)| (code.as_str(), text.as_str())).collect();
    assert_eq!(told.len(), expected.len(), "{told:?}\n{ended}");
    for ((code, text), (expected_code, words)) in told.iter().zip(expected) {
        assert_eq!(code, expected_code, "{text}");
        assert!(text.contains(words), "`{text}` does not say `{words}`");
    }
}

const WHOLE: &str = "id,amount,name\n1,1.10,a\n2,2.20,b\n";
const LACKS: &str = "id,name\n3,c\n4,d\n";

#[test]
fn a_declared_column_that_no_header_has_is_told_with_the_nearest_names() {
    check(&[&[WHOLE]], KEYS, "csv", &[]);
    // An empty cell is a value that is null.
    check(&[&["id,amount,name\n1,,\n2,,\n"]], KEYS, "csv", &[]);
    let never = "columns that no header has, and that are null in every row: `amount`; the header has `id`, `name`";
    check(&[&[LACKS]], KEYS, "csv", &[("column_not_in_header", never)]);
    check(&[&["id,amuont,name\n1,1.10,a\n"]], KEYS, "csv", &[("column_not_in_header", "`amount` (did you mean `amuont`?)")]);
    let renamed = format!("{KEYS}processing_steps: [{{rename: {{total: amount}}}}]\n");
    check(&[&["id,total,name\n1,1.10,a\n"]], &renamed, "csv", &[]);
    check(&[&[WHOLE]], &format!("{KEYS}processing_steps: [{{drop: [amount]}}]\n"), "csv", &[]);
    check(&[&["1,a\n"]], KEYS, "{type: csv, header: [id, name]}", &[("column_not_in_header", "`amount`")]);
}

#[test]
fn a_column_that_one_header_has_and_another_lacks_is_told_whichever_comes_first() {
    let some = "some headers have and others lack, whose rows have null there: `amount` (not on page ";
    check(&[&[WHOLE, LACKS]], KEYS, "csv", &[("column_not_in_header", &format!("{some}2)"))]);
    check(&[&[LACKS, WHOLE]], KEYS, "csv", &[("column_not_in_header", &format!("{some}1)"))]);
    let keys = "primary_key: id\nwrite_disposition: merge\n";
    let other = "id,amounts,name\n3,1.5,c\n";
    let both = "`amount` (not on page 2, which may call it `amounts`), `amounts` (not on page 1, which may call it `amount`)";
    check(&[&[WHOLE, other]], keys, "csv", &[("column_not_in_header", both)]);
    check(&[&[WHOLE], &[WHOLE, LACKS]], keys, "csv", &[("column_not_in_header", &format!("{some}2)"))]);
}

#[test]
fn a_column_of_the_table_that_no_header_has_is_told_of_few_rows_too() {
    let gone = "no record of this run has, and that are null in its rows: `amount`";
    check(&[&[WHOLE], &["id,name\n1,z\n"]], KEYS, "csv", &[("column_vanished", gone)]);
    // Records of JSON leave out what is empty.
    let api =
        things(|request| Reply::json(if request.param("page") == Some("2") { "[]" } else { r#"[{"id": 1, "name": "a"}]"# }));
    let endpoint = format!("endpoint: {{path: /things, {PAGES}}}\n{KEYS}");
    let ended = Sandbox::with_config(&things_config(&api.url(), &endpoint)).run_ok();
    assert_eq!(ended.summary()["warnings"], json!([]), "{ended}");
}

#[test]
fn a_file_of_an_archive_that_lacks_a_column_of_another_is_told() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, body) in [("a.csv", WHOLE), ("b.csv", LACKS)] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(body.as_bytes()).unwrap();
    }
    let body = archive.finish().unwrap().into_inner();
    let api = things(move |_| Reply::status(200).header("content-type", "application/zip").body(body.clone()));
    let endpoint =
        format!("endpoint: {{path: /things, paginator: single_page, response_format: {{type: csv, member: '*.csv'}}}}\n{KEYS}");
    let ended = Sandbox::with_config(&things_config(&api.url(), &endpoint)).run_ok();
    assert_eq!(ended.summary()["warnings"][0]["code"], "column_not_in_header", "{ended}");
    assert_eq!(ended.table("things")["records"], 4);
}

#[test]
fn the_words_of_a_failure_are_no_header_of_an_empty_table_and_the_way_out_works() {
    let keyed = "primary_key: id\nwrite_disposition: merge\n";
    let cases = [
        (keyed, "Error: rate limited\n", 3),
        (keyed, "name,amount\n", 3),
        (keyed, "id,name\n", 0),
        ("", "Error: rate limited, try later\n", 0),
        ("", "Error: rate limited\n", 3),
        ("", "error\n", 3),
        ("", "Service temporarily unavailable", 3),
        ("", "<!-- x -->\n", 3),
        ("", "id\n", 0),
        ("", "Full name\nAnn\n", 0),
        ("processing_steps: [{rename: {number: id}}]\nprimary_key: id\nwrite_disposition: merge\n", "number,name\n", 0),
    ];
    for (keys, page, code) in cases {
        let pages = Arc::new(Mutex::new(vec![page]));
        let api = api(&pages);
        let config = |records: &str| {
            let endpoint = format!("{{path: /things, paginator: single_page, response_format: csv{records}}}");
            things_config(&api.url(), &format!("endpoint: {endpoint}\n{keys}"))
        };
        let ended = Sandbox::with_config(&config("")).run();
        assert_eq!(ended.code(), Some(code), "{page:?}: {ended}");
        assert_eq!(
            code == 3,
            ended.stderr.contains("its `first line` says") && ended.stderr.contains("records: {optional: true}"),
            "{ended}"
        );
        Sandbox::with_config(&config(", records: {optional: true}")).run_ok();
    }
}
