//! Records that cannot become rows.

use super::{at, declared, decode, lines, types};
use crate::decode::{DecodePlan, Reject};

/// The page has these rows, and rejects as `record path: expected, actual`.
#[track_caller]
fn check(plan: DecodePlan, body: &str, rows: &str, rejects: &[&str]) -> Vec<Reject> {
    let decoded = decode(plan, body).unwrap();
    assert_eq!(lines(&decoded.table.rows.batch), rows);
    let shown =
        |reject: &Reject| format!("{} {}: expected {}, found {}", reject.record, reject.path, reject.expected, reject.actual);
    assert_eq!(decoded.rejects.iter().map(shown).collect::<Vec<_>>(), rejects);
    assert_eq!(decoded.facts.records as usize, decoded.table.rows.batch.num_rows() + decoded.rejects.len());
    decoded.rejects
}

#[test]
fn a_value_that_does_not_fit_a_declared_type_is_a_reject_and_leaves_nothing_behind() {
    let schema = r#"{"columns":[
        {"name":"id","type":"int64","nullable":false},
        {"name":"tags","type":"list","element":{"type":"struct","fields":[{"name":"n","type":"int64"}]}},
        {"name":"amount","type":"decimal(6,2)"}]}"#;
    let rejects = check(
        declared(schema),
        r#"[{"id":1,"tags":[{"n":1}],"amount":12.50},
            {"id":2,"tags":[{"n":2},{"n":3},{"n":"x"}],"amount":1},
            {"id":3,"tags":[{"n":4}],"amount":1.005, "note":"y"},
            {"id":4,"tags":[],"amount":12345},
            {"tags":[{"n":5}]},
            {"id":null},
            {"id":7,"tags":[{"n":6},null]}]"#,
        "{\"id\":1,\"tags\":[{\"n\":1}],\"amount\":\"12.50\"}\n{\"id\":7,\"tags\":[{\"n\":6},null]}",
        &[
            "1 $.tags[2].n: expected an integer of 64 bits, found string",
            "2 $.amount: expected a decimal of 6 digits, 2 of them after the point, found number",
            "3 $.amount: expected a decimal of 6 digits, 2 of them after the point, found number",
            "4 $.id: expected a value, found nothing",
            "5 $.id: expected a value, found null",
        ],
    );
    assert_eq!(rejects[1].raw, r#"{"id":3,"tags":[{"n":4}],"amount":1.005, "note":"y"}"#);
    assert_eq!(rejects[1].page, 1);
}

#[test]
fn a_reject_widens_no_column() {
    let schema = r#"{"columns":[{"name":"id","type":"int64"}]}"#;
    let body = r#"[{"a":1,"id":1},{"a":"x","b":{},"id":"2"},{"a":3,"id":3}]"#;
    let decoded = decode(declared(schema), body).unwrap();
    assert_eq!(types(&decoded.table.rows.schema), "id: int64(wide), a: int64");
    assert_eq!(lines(&decoded.table.rows.batch), "{\"id\":1,\"a\":1}\n{\"id\":3,\"a\":3}");
    assert_eq!(decoded.rejects.len(), 1);
}

#[test]
fn what_is_declared_takes_exactly_its_values() {
    let column = |name: &str| format!(r#"{{"columns":[{{"name":"v","type":"{name}"}}]}}"#);
    for (column_type, fits, misfits) in [
        ("int64", "[1,-9223372036854775808,null]", "[1.0,9223372036854775808,\"1\",true,-0]"),
        ("float64", "[1,1.5,1e300,9007199254740992]", "[9007199254740993,1e400,\"1\",18446744073709551615]"),
        ("decimal(38,0)", "[1,1.0,1e3,18446744073709551615]", "[0.5,1e38,\"1\"]"),
        ("decimal(4,2)", "[1,1.5,0,0.00,12.340,-1e-2]", "[100,0.001,1e2]"),
        ("boolean", "[true,false]", "[0,\"true\"]"),
        ("text", "[\"x\",1.50,true]", "[{},[]]"),
        ("timestamp", "[\"2026-11-22T08:00:00Z\"]", "[\"2026-11-22T08:00:00\",\"\",1]"),
        ("date", "[\"2026-11-22\"]", "[\"2026-11-22T08:00:00Z\",20261122]"),
        ("json", "[1,\"x\",{},[],true]", "[]"),
    ] {
        for (values, rejected) in [(fits, false), (misfits, true)] {
            for value in serde_json::from_str::<Vec<&serde_json::value::RawValue>>(values).unwrap() {
                let decoded = decode(declared(&column(column_type)), &format!("[{{\"v\":{value}}}]")).unwrap();
                assert_eq!(decoded.rejects.len(), usize::from(rejected), "{value} as {column_type}");
            }
        }
    }
}

#[test]
fn texts_are_numbers_where_the_declaration_says_so() {
    let schema = r#"{"columns":[{"name":"v","type":"decimal(10,2)","accept_text":true}]}"#;
    check(
        declared(schema),
        r#"[{"v":"12.50"},{"v":12.5},{"v":""},{"v":" 1"}]"#,
        "{\"v\":\"12.50\"}\n{\"v\":\"12.50\"}",
        &[
            "2 $.v: expected a decimal of 10 digits, 2 of them after the point, found string",
            "3 $.v: expected a decimal of 10 digits, 2 of them after the point, found string",
        ],
    );
}

#[test]
fn undeclared_members_are_inferred_refused_or_left_out() {
    let schema = |policy: &str| format!(r#"{{"columns":[{{"name":"a","type":"int64"}}],"additional":"{policy}"}}"#);
    let body = r#"[{"a":1,"b":[{"c":1}]},{"a":2}]"#;
    check(declared(&schema("infer")), body, "{\"a\":1,\"b\":[{\"c\":1}]}\n{\"a\":2}", &[]);
    check(declared(&schema("ignore")), body, "{\"a\":1}\n{\"a\":2}", &[]);
    let rejects = ["0 $.b: expected no member that is not declared, found an undeclared one"];
    check(declared(&schema("reject")), body, "{\"a\":2}", &rejects);
}

#[test]
fn a_record_without_its_key_is_a_reject() {
    let plan = || DecodePlan { key_columns: vec!["id".to_owned()], ..at("$") };
    check(
        plan(),
        r#"[{"a":1,"id":1},{"a":2,"id":null},{"a":3}]"#,
        "{\"a\":1,\"id\":1}",
        &["1 $.id: expected a value, found null", "2 $.id: expected a value, found nothing"],
    );
    check(plan(), r#"[{"a":3},{}]"#, "", &["0 $.id: expected a value, found nothing", "1 $.id: expected a value, found nothing"]);
}

#[test]
fn what_is_no_object_is_a_reject() {
    check(
        at("$"),
        r#"[{"a":1},2,"x",null,[{"a":2}]]"#,
        "{\"a\":1}",
        &[
            "1 $: expected an object, found number",
            "2 $: expected an object, found string",
            "3 $: expected an object, found null",
            "4 $: expected an object, found array",
        ],
    );
}

#[test]
fn a_number_past_every_float_is_text_or_a_reject_where_a_float_is_declared() {
    check(at("$"), r#"[{"a":1.5},{"a":1e400}]"#, "{\"a\":\"1.5\"}\n{\"a\":\"1e400\"}", &[]);
    check(
        declared(r#"{"columns":[{"name":"a","type":"float64"}]}"#),
        r#"[{"a":1.5},{"a":1e400}]"#,
        "{\"a\":1.5}",
        &["1 $.a: expected a number that a 64-bit float can hold, found number"],
    );
    check(at("$"), r#"[{"a":"x"},{"a":1e400}]"#, "{\"a\":\"x\"}\n{\"a\":\"1e400\"}", &[]);
}

#[test]
fn of_equal_names_the_last_wins_and_the_others_are_counted() {
    let decoded = decode(at("$"), r#"[{"a":1,"b":2,"a":3},{"a":{"x":1,"x":2}},{"a":null,"a":4}]"#).unwrap();
    assert_eq!(decoded.duplicate_members, 3);
    assert_eq!(lines(&decoded.table.rows.batch), "{\"a\":\"3\",\"b\":2}\n{\"a\":\"{\\\"x\\\":2}\"}\n{\"a\":\"4\"}");
}
