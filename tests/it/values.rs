//! Values are what came: numbers to the last digit, JSON text as the API wrote it, over pages and over nights.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::billing::{things, things_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};
use crate::support::table::{data_files, file_schema};

const MERGE: &str = "primary_key: id\nwrite_disposition: merge";

/// An API whose records the test changes, as text: what a JSON library would respell.
struct Nights {
    body: Arc<Mutex<String>>,
    _api: FakeApi,
    sandbox: Sandbox,
}

impl Nights {
    fn new(resource: &str) -> Self {
        let body = Arc::new(Mutex::new(String::new()));
        let answered = Arc::clone(&body);
        let api = things(move |_| Reply::json(answered.lock().unwrap().clone().into_bytes()));
        let endpoint = format!("endpoint: {{path: /things, data_selector: data, paginator: single_page}}\n{resource}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
        Self { body, _api: api, sandbox }
    }

    /// A night on which records with these values of `v` come, numbered from 1.
    fn night(&self, values: &[&str]) -> Ended {
        let records = (1..).zip(values).map(|(id, value)| format!(r#"{{"id":{id},"v":{value}}}"#)).collect::<Vec<_>>();
        *self.body.lock().unwrap() = format!(r#"{{"data":[{}]}}"#, records.join(","));
        self.sandbox.run_ok()
    }

    fn values(&self) -> Vec<Value> {
        self.sandbox.by_key("things", "id").into_values().map(|mut row| row["v"].take()).collect()
    }

    fn data_type(&self) -> String {
        let files = data_files(&self.sandbox.lake().join("things"));
        file_schema(&files[0]).field_with_name("v").unwrap().data_type().to_string()
    }
}

#[test]
fn a_number_that_no_float_holds_makes_its_column_decimal_and_then_text() {
    let nights = Nights::new(MERGE);
    nights.night(&["1.10", "3", "1e2"]);
    assert_eq!((nights.data_type(), nights.values()), ("Float64".to_owned(), vec![json!(1.1), json!(3.0), json!(100.0)]));

    let ended = nights.night(&["1.10", "3", "1e2", "-77701018666824.1234567"]);
    assert_eq!(nights.data_type(), "Decimal128(23, 7)");
    assert_eq!(nights.values()[0], json!("1.1000000"));
    assert_eq!(nights.values()[3], json!("-77701018666824.1234567"));
    assert_eq!(
        (ended.table("things")["rows_unchanged"].clone(), ended.table("things")["rows_updated"].clone()),
        (json!(3), json!(0))
    );

    let tokens =
        ["1.10", "3", "1e2", "-77701018666824.1234567", "1.7976931348623157e309", "12345678901234567890123456789012345678901"];
    let ended = nights.night(&tokens);
    assert_eq!((nights.data_type(), nights.values()), ("Utf8".to_owned(), tokens.map(Value::from).to_vec()));
    assert_eq!(
        (ended.table("things")["rows_unchanged"].clone(), ended.table("things")["rows_updated"].clone()),
        (json!(4), json!(0))
    );

    let before = nights.sandbox.data_files();
    let ended = nights.night(&tokens);
    assert_eq!(ended.table("things")["rows_unchanged"], json!(6));
    assert!(before == nights.sandbox.data_files(), "an unchanged record was written again\n{ended}");
}

#[test]
fn numbers_are_rounded_where_the_config_says_so_and_that_is_told() {
    let nights = Nights::new(&format!("{MERGE}\nnumbers: float"));
    let ended = nights.night(&["1.5", "0.1234567890123456789"]);
    assert_eq!((nights.data_type(), nights.values()), ("Float64".to_owned(), vec![json!(1.5), json!(0.123_456_789_012_345_68)]));
    assert_eq!((&ended.table("things")["numbers_rounded"], &ended.summary()["warnings"]), (&json!(1), &json!([])), "{ended}");
    assert!(ended.stderr.contains("1 number rounded") && ended.stderr.contains("$.v of record 2 on page 1"), "{ended}");
}

#[test]
fn a_key_that_no_float_holds_is_never_rounded_and_the_way_out_works_when_typed() {
    let nights = Nights::new(MERGE);
    let answer = |ids: &[&str]| {
        let records = ids.iter().map(|id| format!(r#"{{"id":{id}}}"#)).collect::<Vec<_>>();
        *nights.body.lock().unwrap() = format!(r#"{{"data":[{}]}}"#, records.join(","));
    };
    answer(&["1.5", "2.5"]);
    nights.sandbox.run_ok();
    answer(&["0.12345678901234567890", "0.12345678901234567891", "3.5"]);
    let hint = "columns: {id: {data_type: double}}";
    let ended = nights.sandbox.run();
    ended.failed_with(3, &["key column `id` is double in the table and decimal(", "--full-refresh", hint]);

    let config = std::fs::read_to_string(nights.sandbox.path().join("lakeward.yaml")).unwrap();
    nights.sandbox.write("lakeward.yaml", &config.replace("primary_key: id", &format!("primary_key: id\n    {hint}")));
    nights.sandbox.run().failed_with(3, &["`$.id` should be a number that a 64-bit float holds to its last digit"]);
    answer(&["2.5", "3.5"]);
    nights.sandbox.run_ok();
    assert_eq!(nights.sandbox.rows("things").len(), 3);
}

#[test]
fn a_declared_double_that_rounds_a_number_is_told_also_where_it_comes_as_text() {
    let nights = Nights::new(&format!("{MERGE}\ncolumns: {{v: {{data_type: double, accept_text: true}}}}"));
    let ended = nights.night(&["1.5", "0.1234567890123456789", "\"0.1234567890123456789\""]);
    assert_eq!((&ended.table("things")["numbers_rounded"], &ended.summary()["warnings"]), (&json!(2), &json!([])), "{ended}");
    assert!(ended.stderr.contains("2 numbers rounded"), "{ended}");
}

#[test]
fn what_decides_among_rows_of_one_key_and_a_cursor_in_an_object_is_never_rounded() {
    let near = ["0.123456789012345678", "0.123456789012345677"];
    let records: Vec<String> =
        near.iter().map(|number| format!(r#"{{"id":1,"rank":{number},"v":"{number}","m":{{"at":{number}}}}}"#)).collect();
    let body = format!(r#"{{"data":[{}]}}"#, records.join(","));
    let nights = |keys: &str| {
        let nights = Nights::new(&format!("{MERGE}\n{keys}"));
        nights.body.lock().unwrap().clone_from(&body);
        nights
    };
    // As doubles both ranks are one, and the later record would stay.
    let inferred = nights("numbers: float\ncolumns: {rank: {dedup_sort: desc}}");
    inferred.sandbox.run_ok();
    assert_eq!(inferred.values(), [json!(near[0])]);
    let double = nights("columns: {rank: {dedup_sort: desc, data_type: double}}");
    double.sandbox.run().failed_with(3, &["`$.rank` should be a number that a 64-bit float holds to its last digit", "decimal"]);
    let decimal = nights("columns: {rank: {dedup_sort: desc, data_type: decimal, precision: 38, scale: 30}}");
    decimal.sandbox.run_ok();
    assert_eq!(decimal.values(), [json!(near[0])]);

    let cursor = nights("numbers: float");
    let config = std::fs::read_to_string(cursor.sandbox.path().join("lakeward.yaml")).unwrap();
    let endpoint = "paginator: single_page, incremental: {cursor_path: m.at}";
    cursor.sandbox.write("lakeward.yaml", &config.replace("paginator: single_page", endpoint));
    let ended = cursor.sandbox.run_ok();
    assert_eq!(ended.table("things")["incremental"]["last_value"], near[0]);
    let files = data_files(&cursor.sandbox.lake().join("things"));
    let fields = file_schema(&files[0]).field_with_name("m").unwrap().data_type().to_string();
    assert!(fields.contains("Decimal128"), "{fields}");
}

#[test]
fn json_text_is_what_came_and_its_beginning_is_told() {
    let raw =
        r#"{"z":null,"b":1.10,"a":1e2,"big":12345678901234567890.123456789,"n":{"y":null,"x":[]},"e":{},"l":[null,1.0,"1"]}"#;
    let spaced = raw.replace(':', " : ").replace(',', " ,\n");
    let declared = Nights::new(&format!("{MERGE}\ncolumns: {{v: {{data_type: json}}}}"));
    declared.night(&[&spaced, "null", "\"text\""]);
    assert_eq!(declared.values(), [json!(raw), Value::Null, json!("\"text\"")]);

    // A list after the object: the whole page is as it came.
    let nights = Nights::new(MERGE);
    let ended = nights.night(&[raw, "[1,{\"q\":null}]"]);
    assert_eq!(nights.values(), [json!(raw), json!("[1,{\"q\":null}]")]);
    assert_eq!(ended.summary()["warnings"][0]["code"], json!("column_became_json"), "{ended}");
    assert!(ended.stderr.contains("the first that differs is $.v of record 2 on page 1"), "{ended}");
}

#[test]
fn json_text_of_earlier_pages_is_what_came_whatever_page_made_its_column_json() {
    let objects = [
        r#"{"z":null,"b":1.10,"a":1e2}"#,
        r#"{"a":1.0,"z":null}"#,
        r#"{}"#,
        r#"{"n":{"y":null,"x":[{"q":null,"p":1},{"p":2.50,"q":"\u00e9/"},null]},"b":2}"#,
        r#"{"b":1,"c":null,"d":[]}"#,
        r#"{"d":[],"c":7,"b":null}"#,
        r#"{"t":"2026-11-22T08:00:00.10+01:00","e":{},"b":3}"#,
        "7",
        r#"{"b":9,"z":8}"#,
        "[1.0,null]",
    ];
    let expected: Vec<Value> = objects.iter().map(|object| json!(object.replace("\\u00e9", "é"))).collect();
    // A page a record, sorted against the order in which they come, and over partitions.
    for keys in ["", "sort_by: -id", "partition_by: part"] {
        let api = things(move |request| {
            let at = usize::try_from(request.number("page", 1)).unwrap();
            let record = objects.get(at - 1).map(|value| format!(r#"{{"id":{at},"part":{},"v":{value}}}"#, at % 2));
            Reply::json(format!(r#"{{"data":[{}]}}"#, record.unwrap_or_default()).into_bytes())
        });
        let paginator = "{type: page_number, base_page: 1, total_path: null, stop_after_empty_page: true}";
        let endpoint = format!("endpoint: {{path: /things, data_selector: data, paginator: {paginator}}}\n{MERGE}\n{keys}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
        sandbox.run_ok();
        let values: Vec<Value> = sandbox.by_key("things", "id").into_values().map(|mut row| row["v"].take()).collect();
        assert_eq!(values, expected, "{keys}");
        let before = sandbox.data_files();
        let ended = sandbox.run_ok();
        assert_eq!(ended.table("things")["rows_unchanged"], json!(objects.len()), "{ended}");
        assert!(before == sandbox.data_files(), "an unchanged record was written again");
    }
}

#[test]
fn an_unchanged_record_is_unchanged_although_its_column_becomes_json_on_a_later_night() {
    let nights = Nights::new(MERGE);
    let object = r#"{"b":1.10,"n":null,"t":"2026-11-22T08:00:00+01:00","a":[]}"#;
    nights.night(&[object, r#"{"a":[1]}"#]);
    let ended = nights.night(&[object, r#"{"a":[1]}"#, "7"]);
    assert_eq!(nights.values(), [json!(object), json!(r#"{"a":[1]}"#), json!("7")]);
    assert_eq!(
        (ended.table("things")["rows_unchanged"].clone(), ended.table("things")["rows_updated"].clone()),
        (json!(2), json!(0))
    );
    let before = nights.sandbox.data_files();
    nights.night(&[object, r#"{"a":[1]}"#, "7"]);
    assert!(before == nights.sandbox.data_files(), "an unchanged record was written again");
    let ended = nights.night(&[object, r#"{"a":[2]}"#, "7"]);
    assert_eq!(ended.table("things")["rows_updated"], json!(1));
}

#[test]
fn rows_that_did_not_come_when_their_column_became_json_have_the_text_of_their_columns() {
    let nights = Nights::new(MERGE);
    let answer = |records: &str| {
        *nights.body.lock().unwrap() = format!(r#"{{"data":[{records}]}}"#);
        nights.sandbox.run_ok()
    };
    let (first, second) = (r#"{"id":1,"v":{"b":1.10,"n":null,"a":2}}"#, r#"{"id":2,"v":{"a":1,"n":null}}"#);
    answer(&format!("{first},{second}"));
    let ended = answer(&format!(r#"{second},{{"id":3,"v":7}}"#));
    assert_eq!(nights.values(), [json!(r#"{"b":1.1,"a":2}"#), json!(r#"{"a":1,"n":null}"#), json!("7")]);
    assert_eq!(
        (ended.table("things")["rows_inserted"].clone(), ended.table("things")["rows_updated"].clone()),
        (json!(1), json!(0))
    );
    assert!(ended.stderr.contains("rows of earlier runs have the text of their columns"), "{ended}");
    // The same record again is no change, and one that only gets a null member is none.
    let before = nights.sandbox.data_files();
    let ended = answer(&format!(r#"{first},{}"#, second.replace("null}", "null,\"m\":null}")));
    assert_eq!(ended.table("things")["rows_unchanged"], json!(2), "{ended}");
    assert!(before == nights.sandbox.data_files(), "an unchanged record was written again");
    answer(&first.replace("\"a\":2", "\"a\":3"));
    assert_eq!(nights.values()[0], json!(r#"{"b":1.10,"n":null,"a":3}"#));
    // Loaded anew, all rows are what came.
    *nights.body.lock().unwrap() = format!(r#"{{"data":[{first},{second},{{"id":3,"v":7}}]}}"#);
    assert_eq!(nights.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]).code(), Some(0));
    assert_eq!(nights.values(), [json!(r#"{"b":1.10,"n":null,"a":2}"#), json!(r#"{"a":1,"n":null}"#), json!("7")]);
}

#[test]
fn text_stays_text_to_the_last_character() {
    let nights = Nights::new(MERGE);
    let values = [
        "\"007\"",
        "\"+1\"",
        "\"NaN\"",
        "\"1,000.50\"",
        "\"2026-11-22T23:59:60Z\"",
        "\"2026-11-22T24:00:00Z\"",
        "\"10000-01-01\"",
    ];
    nights.night(&values);
    let texts: Vec<Value> = values.iter().map(|value| serde_json::from_str(value).unwrap()).collect();
    assert_eq!(nights.values(), texts);
    let nights = Nights::new(MERGE);
    nights.night(&["\"2026-11-22T08:00:00.123456Z\"", "\"2026-11-22T08:00:00.123456789Z\""]);
    assert_eq!(nights.values(), [json!("2026-11-22T08:00:00.123456Z"), json!("2026-11-22T08:00:00.123456789Z")]);
}
