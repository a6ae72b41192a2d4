use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::compat::{Choice, load};
use crate::config::Inputs;
use crate::decode::reader::Reader;
use crate::decode::shape::RecordHook;

/// The steps that a config with this list has.
fn steps_of(yaml: &str) -> Steps {
    let text = format!(
        "name: t\nclient: {{base_url: \"http://a.test\"}}\nlake: {{url: ./lake}}\nresources:\n  - name: r\n    processing_steps: {yaml}\n"
    );
    let env = |name: &str| (name == "KEY").then(|| "secret".to_owned());
    let read_file = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let inputs = Inputs {
        text: &text,
        file: "t.yaml",
        folder: Path::new("/"),
        current_dir: Path::new("/"),
        has_lake: &|_, _| false,
        env: &env,
        read_file: &read_file,
    };
    let plan = load(&inputs, Choice::default()).unwrap_or_else(|errors| panic!("{errors}"));
    Steps::new(&plan.resources[0].processing_steps)
}

fn json(text: &str) -> Json {
    Json::read(&mut Reader::new(text), &mut 0).unwrap()
}

fn text(json: &Json) -> String {
    let mut out = Vec::new();
    json.write(&mut out);
    String::from_utf8(out).unwrap()
}

/// What a record becomes: its records, joined by a space, or why not.
fn applied(yaml: &str, record: &str) -> String {
    let mut out = Vec::new();
    match steps_of(yaml).apply(json(record), &mut out) {
        Ok(()) => out.iter().map(text).collect::<Vec<_>>().join(" "),
        Err(StepMisfit { path, expected, actual }) => {
            assert!(out.is_empty(), "{out:?}");
            format!("{path} should be {expected}, found {actual}")
        }
    }
}

#[track_caller]
fn check(yaml: &str, record: &str, expected: &str) {
    assert_eq!(applied(yaml, record), expected, "{yaml}");
}

#[test]
fn a_filter_keeps_the_records_for_which_it_is_true() {
    check(r#"[filter: "amount > 5"]"#, r#"{"amount":6}"#, r#"{"amount":6}"#);
    check(r#"[filter: "amount > 5"]"#, r#"{"amount":5}"#, "");
    check(
        r#"[filter: "user.country in ['DE', 'AT'] and tags | length == 2"]"#,
        r#"{"user":{"country":"AT"},"tags":[1,2]}"#,
        r#"{"user":{"country":"AT"},"tags":[1,2]}"#,
    );
    check(r#"[filter: "record['first name'] is defined"]"#, r#"{"first name":1}"#, r#"{"first name":1}"#);
    check(r#"[filter: "deleted is not defined or deleted is none"]"#, r#"{"deleted":null}"#, r#"{"deleted":null}"#);
}

#[test]
fn a_filter_without_a_true_or_false_makes_a_reject() {
    let expected =
        "$ should be a record for which `name` is true or false (`processing_steps[0].filter`), found a string as its value";
    check(r#"[filter: "name"]"#, r#"{"name":"x"}"#, expected);
    let expected =
        "$ should be a record for which `amount > 5` has a value (`processing_steps[0].filter`), found no member `amount`";
    check(r#"[filter: "amount > 5"]"#, "{}", expected);
    let expected = "$ should be a record for which `amount > 5` has a value (`processing_steps[0].filter`), found the comparison of a text with a number";
    check(r#"[filter: "amount > 5"]"#, r#"{"amount":"12"}"#, expected);
}

#[test]
fn set_computes_from_the_record_as_it_was() {
    check(r#"[set: {a: "b", b: "a"}]"#, r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#);
    check(r#"[set: {email: "email | lower | trim"}]"#, r#"{"email":" A@B.De "}"#, r#"{"email":"a@b.de"}"#);
    check(r#"[set: {full: "first ~ ' ' ~ last"}]"#, r#"{"first":"A","last":"B"}"#, r#"{"first":"A","last":"B","full":"A B"}"#);
    check(r#"[set: {meta.size: "tags | length"}]"#, r#"{"tags":[1,2,3]}"#, r#"{"tags":[1,2,3],"meta":{"size":3}}"#);
    check(r#"[set: {first: "tags[0]"}]"#, r#"{"tags":[{"x":1.50}]}"#, r#"{"tags":[{"x":1.50}],"first":{"x":1.50}}"#);
    check(r#"[set: {half: "n / 2", rest: "n % 2"}]"#, r#"{"n":5}"#, r#"{"n":5,"half":2.5,"rest":1}"#);
    check(
        r#"[set: {tags.size: "1"}]"#,
        r#"{"tags":[1]}"#,
        "$.tags.size should be an object on the way (`processing_steps[0].set`), found array",
    );
}

#[test]
fn digits_that_no_step_computes_with_stay_as_they_came() {
    let record = r#"{"a":1.50,"b":12345678901234567890123456789012345678901234567890,"c":1e400,"d":0.12345678901234567890}"#;
    check(r#"[filter: "record is mapping"]"#, record, record);
    check(r#"[set: {e: "d"}, {keep: [e]}]"#, record, r#"{"e":0.12345678901234567890}"#);
    check(
        r#"[set: {e: "b if true else 0"}, {keep: [e]}]"#,
        record,
        r#"{"e":12345678901234567890123456789012345678901234567890}"#,
    );
    check(r#"[set: {e: "[a, record]"}, {keep: ['e[*].a']}]"#, record, r#"{"e":[null,{"a":1.50}]}"#);
    check(
        r#"[set: {e: "170141183460469231731687303715884105727 - 1"}, {keep: e}]"#,
        record,
        r#"{"e":170141183460469231731687303715884105726}"#,
    );
    let expected = "$ should be a record for which `d > 0` has a value (`processing_steps[0].filter`), found the comparison of an overlong number with a number";
    check(r#"[filter: "d > 0"]"#, record, expected);
}

#[test]
fn members_are_dropped_kept_and_renamed_where_they_are() {
    let record = r#"{"id":1,"user":{"email":"x","name":"y"},"lines":[{"sku":1,"note":2},{"sku":3}]}"#;
    check("[drop: [user.email, 'lines[*].note']]", record, r#"{"id":1,"user":{"name":"y"},"lines":[{"sku":1},{"sku":3}]}"#);
    check("[keep: [id, 'lines[*].sku']]", record, r#"{"id":1,"lines":[{"sku":1},{"sku":3}]}"#);
    check(
        "[rename: {id: key, user.email: mail}]",
        record,
        r#"{"key":1,"user":{"mail":"x","name":"y"},"lines":[{"sku":1,"note":2},{"sku":3}]}"#,
    );
    check("[rename: {id: user}]", record, "$.id should be no member `user` beside it (`processing_steps[0].rename`), found one");
}

#[test]
fn e_61_numbers_that_come_as_text_are_numbers_by_a_cast() {
    check("[cast: {a: integer}]", r#"{"a":" 0012 "}"#, r#"{"a":12}"#);
    check("[cast: {a: integer}]", r#"{"a":1.2e1}"#, r#"{"a":12}"#);
    check("[cast: {a: float}]", r#"{"a":"12.50"}"#, r#"{"a":12.5}"#);
    check("[cast: {a: float}]", r#"{"a":3}"#, r#"{"a":3.0}"#);
    check("[cast: {a: {to: integer, empty_as_null: true}}]", r#"{"a":""}"#, r#"{"a":null}"#);
    check("[cast: {a: integer}]", r#"{"a":null}"#, r#"{"a":null}"#);
    check("[cast: {a: integer}]", r#"{"b":1}"#, r#"{"b":1}"#);
    let misfit = "$.a should be an integer of at most 38 digits (`processing_steps[0].cast`), found string";
    check("[cast: {a: integer}]", r#"{"a":"N/A"}"#, misfit);
    check("[cast: {a: integer}]", r#"{"a":""}"#, misfit);
    check("[cast: {a: integer}]", r#"{"a":"1.5"}"#, misfit);
}

#[test]
fn e_63_decimals_are_exact_or_rejects() {
    check("[cast: {a: 'decimal(38,20)'}]", r#"{"a":0.12345678901234567890}"#, r#"{"a":0.12345678901234567890}"#);
    check("[cast: {a: 'decimal(10,2)'}]", r#"{"a":"-1.5"}"#, r#"{"a":-1.50}"#);
    check("[cast: {a: 'decimal(10,2)'}]", r#"{"a":-0}"#, r#"{"a":0.00}"#);
    check("[cast: {a: 'decimal(5,0)'}]", r#"{"a":1.2e3}"#, r#"{"a":1200}"#);
    let misfit = "$.a should be a decimal of 5 digits, 2 of them after the point (`processing_steps[0].cast`), found number";
    check("[cast: {a: 'decimal(5,2)'}]", r#"{"a":1.005}"#, misfit);
    check("[cast: {a: 'decimal(5,2)'}]", r#"{"a":1000}"#, misfit);
    check("[cast: {a: 'decimal(5,2)'}]", r#"{"a":1e400}"#, misfit);
    let misfit = "$.a should be a number that a 64-bit float can hold (`processing_steps[0].cast`), found number";
    check("[cast: {a: float}]", r#"{"a":1e400}"#, misfit);
    check("[cast: {a: float}]", r#"{"a":0.12345678901234567890}"#, misfit);
}

#[test]
fn e_64_booleans_of_other_spellings_are_booleans_by_a_cast() {
    for (value, expected) in
        [("1", "true"), ("0", "false"), (r#""Y""#, "true"), (r#""No""#, "false"), (r#""true""#, "true"), ("true", "true")]
    {
        check("[cast: {a: boolean}]", &format!(r#"{{"a":{value}}}"#), &format!(r#"{{"a":{expected}}}"#));
    }
    for value in ["2", r#""maybe""#, "1.0", "[]"] {
        let found = applied("[cast: {a: boolean}]", &format!(r#"{{"a":{value}}}"#));
        assert!(found.starts_with("$.a should be true, false, 0, 1, yes or no"), "{found}");
    }
}

#[test]
fn e_66_times_of_any_spelling_are_times_by_a_cast() {
    let cast = |how: &str, value: &str, expected: &str| {
        let found = applied(&format!("[cast: {{t: {how}}}]"), &format!(r#"{{"t":{value}}}"#));
        let expected = if expected.starts_with('$') { expected.to_owned() } else { format!(r#"{{"t":"{expected}"}}"#) };
        assert_eq!(found.split(" (`processing").next().unwrap(), expected, "{how} of {value}");
    };
    cast("timestamp", r#""2026-11-22T08:00:00+02:00""#, "2026-11-22T06:00:00Z");
    cast("timestamp", r#""2026-11-22T08:00:00""#, "$.t should be a date-time with a zone (RFC 3339)");
    cast("{to: timestamp, timezone: Europe/Berlin}", r#""2026-07-22 08:00""#, "2026-07-22T06:00:00Z");
    cast(
        "{to: timestamp, timezone: Europe/Berlin}",
        r#""2026-10-25 02:30""#,
        "$.t should be a date-time (ISO 8601) that its zone has once",
    );
    cast(
        "{to: timestamp, timezone: Europe/Berlin}",
        r#""2026-03-29 02:30""#,
        "$.t should be a date-time (ISO 8601) that its zone has once",
    );
    cast("{to: timestamp, from: epoch_s}", "1700000000", "2023-11-14T22:13:20Z");
    cast("{to: timestamp, from: epoch_s}", "1700000000.25", "2023-11-14T22:13:20.25Z");
    cast("{to: timestamp, from: epoch_ms}", r#""1700000000123""#, "2023-11-14T22:13:20.123Z");
    cast("{to: timestamp, from: epoch_us}", "-1", "1969-12-31T23:59:59.999999Z");
    cast("{to: timestamp, from: epoch_ns}", "1700000000123456000", "2023-11-14T22:13:20.123456Z");
    let epoch = "$.t should be a count since 1970 within the years 1 to 9999, no finer than microseconds";
    cast("{to: timestamp, from: epoch_ns}", "1700000000123456789", epoch);
    cast("{to: timestamp, from: epoch_s}", "1700000000123", epoch);
    cast("{to: timestamp, from: epoch_s}", r#""soon""#, epoch);
    cast("{to: timestamp, from: json_date}", r#""/Date(1700000000000+0100)/""#, "2023-11-14T22:13:20Z");
    cast("{to: timestamp, format: '%d.%m.%Y %H:%M', timezone: UTC}", r#""22.11.2026 08:05""#, "2026-11-22T08:05:00Z");
    cast("{to: timestamp, format: '%d/%b/%Y:%H:%M:%S %z'}", r#""22/Nov/2026:08:05:00 +0100""#, "2026-11-22T07:05:00Z");
    cast(
        "{to: timestamp, format: '%H:%M:%S %d.%m.%Y', timezone: UTC}",
        r#""23:59:60 31.12.2016""#,
        "$.t should be a time written as `%H:%M:%S %d.%m.%Y`",
    );
    cast("date", r#""2026-11-22""#, "2026-11-22");
    cast("{to: date, timezone: Asia/Tokyo}", r#""2026-11-22T20:00:00Z""#, "2026-11-23");
    cast("{to: date, format: '%d.%m.%Y'}", r#""22.11.2026""#, "2026-11-22");
    cast("{to: date, from: epoch_ms}", "1700000000000", "2023-11-14");
    cast("date", r#""2026-11-31""#, "$.t should be a date (YYYY-MM-DD) or a date-time");
}

#[test]
fn values_become_text_or_stay_for_json() {
    check(
        "[cast: {a: text, b: text, c: text}]",
        r#"{"a":1.50,"b":true,"c":{"x":[1]}}"#,
        r#"{"a":"1.50","b":"true","c":"{\"x\":[1]}"}"#,
    );
    check("[cast: {a: json}]", r#"{"a":{"x":1.50}}"#, r#"{"a":{"x":1.50}}"#);
}

#[test]
fn digests_are_those_of_the_text() {
    check(
        "[hash: [a, b]]",
        r#"{"a":"abc","b":null}"#,
        r#"{"a":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","b":null}"#,
    );
    check(
        "[hash: {columns: a, key: \"${KEY}\"}]",
        r#"{"a":"abc"}"#,
        r#"{"a":"9946dad4e00e913fc8be8e5d3f7e110a4a9e832f83fb09c345285d78638d8a0e"}"#,
    );
    assert_eq!(applied("[hash: a]", r#"{"a":12}"#), applied("[hash: a]", r#"{"a":"12"}"#));
}

#[test]
fn masks_leave_the_last_characters_of_longer_values() {
    check(
        "[mask: {columns: [a, b, c], keep_last: 2}]",
        r#"{"a":"12345","b":"12","c":12345}"#,
        r#"{"a":"***45","b":"**","c":"***45"}"#,
    );
    check("[mask: [a]]", r#"{"a":"äöü"}"#, r#"{"a":"***"}"#);
    check(
        "[mask: {columns: a, with: '#'}]",
        r#"{"a":[1]}"#,
        "$.a should be a string or number (`processing_steps[0].mask`), found array",
    );
}

#[test]
fn explode_makes_a_record_of_each_element() {
    check("[explode: lines]", r#"{"id":1,"lines":[{"n":1},{"n":2}]}"#, r#"{"id":1,"lines":{"n":1}} {"id":1,"lines":{"n":2}}"#);
    check(
        "[explode: {path: order.lines, as: line}]",
        r#"{"order":{"id":1,"lines":[1,2]}}"#,
        r#"{"order":{"id":1},"line":1} {"order":{"id":1},"line":2}"#,
    );
    for record in [r#"{"id":1,"lines":[]}"#, r#"{"id":1,"lines":null}"#, r#"{"id":1}"#] {
        check("[explode: lines]", record, "");
        check("[explode: {path: lines, keep_empty: true}]", record, r#"{"id":1,"lines":null}"#);
    }
    check("[explode: lines]", r#"{"lines":5}"#, "$.lines should be an array (`processing_steps[0].explode`), found number");
    check("[{explode: lines, filter: 'id > 1'}]", r#"{"id":1,"lines":[1]}"#, "");
    check("[{explode: a}, {explode: b}, {filter: 'a != b'}]", r#"{"a":[1,2],"b":[1,2]}"#, r#"{"a":1,"b":2} {"a":2,"b":1}"#);
}

#[test]
fn a_record_that_a_later_element_spoils_is_a_reject_whole() {
    check(
        "[{explode: a}, {cast: {a: integer}}]",
        r#"{"a":[1,"x"]}"#,
        "$.a should be an integer of at most 38 digits (`processing_steps[1].cast`), found string",
    );
}

#[test]
fn a_path_that_no_record_has_is_told() {
    let steps = steps_of("[{drop: [emial, id]}, {explode: lines}, {hash: [user.name]}]");
    let mut out = Vec::new();
    steps.apply(json(r#"{"id":1,"email":"x","lines":[1],"user":{"nam":1}}"#), &mut out).unwrap();
    assert_eq!(
        steps.unmatched(),
        ["`processing_steps[0].drop` names `$.emial`", "`processing_steps[2].hash` names `$.user.name`"]
    );
}

/// What is hashed, masked or dropped does not reach the quarantine by way of a step that fails.
#[test]
fn the_quarantine_sees_only_what_the_table_would_have() {
    let steps = steps_of(
        "[{filter: 'n > 1'}, {rename: {mail: email}}, {mask: [email]}, {drop: secret}, {explode: lines}, {hash: 'lines.name'}]",
    );
    let page = crate::decode::tests::page(1, "");
    let mut hook = steps.begin(&page);
    let record = json(r#"{"n":"x","mail":"a@b","secret":1,"lines":[{"name":"me"}]}"#);
    let fault = hook.record(record, &mut Vec::new()).unwrap_err();
    assert_eq!(text(&fault.record), r#"{"n":"x","email":"***"}"#);
}

fn any_json() -> impl Strategy<Value = Json> {
    let number =
        prop_oneof![any::<i64>().prop_map(|n| n.to_string()), "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,3})?"];
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number.prop_map(|token| Json::Number(token.into())),
        "\\PC{0,8}".prop_map(Json::Text),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::btree_map("[a-c]{1,4}|[x-z]", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn any_record() -> impl Strategy<Value = Json> {
    prop::collection::btree_map("[a-c]{1,4}|[x-z]", any_json(), 0..5)
        .prop_map(|members| Json::Object(members.into_iter().collect()))
}

proptest! {
    #[test]
    fn steps_without_effect_change_nothing(record in any_record()) {
        let steps = steps_of("[{filter: 'true'}, {drop: NONE}, {rename: {NONE: x}}, {cast: {NONE: integer}}, {hash: NONE}, {mask: NONE}, {set: {ALL: record}}, {drop: ALL}]");
        let mut out = Vec::new();
        steps.apply(record.clone(), &mut out).unwrap();
        prop_assert_eq!(out, vec![record]);
    }

    #[test]
    fn a_value_that_an_expression_passes_on_is_the_same(value in any_json()) {
        let steps = steps_of("[{set: {b: 'a if true else none'}}, {keep: b}]");
        let mut out = Vec::new();
        steps.apply(Json::Object(vec![("a".to_owned(), value.clone())]), &mut out).unwrap();
        let Some(Json::Object(members)) = out.pop() else { panic!() };
        let same = match (&members[0].1, &value) {
            // Of a number the value comes back, not its spelling.
            (Json::Number(after), Json::Number(before)) => after.parse::<f64>().unwrap() == before.parse::<f64>().unwrap(),
            (after, before) => after == before,
        };
        prop_assert!(same, "{members:?}");
    }

    #[test]
    fn no_record_panics(record in any_record(), path in "[x-z](\\.[x-z])?") {
        let steps = steps_of(&format!(
            "[{{cast: {{{path}: {{to: timestamp, from: epoch_ms}}}}}}, {{mask: '{path}'}}, {{set: {{q: '{path} | default(1) ~ 1'}}}}, {{explode: {path}}}]"
        ));
        let _ = steps.apply(record, &mut Vec::new());
    }
}
