//! The entries of the catalogue of misbehaving APIs that are about bodies and shapes, by their ids.

use std::io::Write;
use std::sync::Arc;

use super::{at, decode, lines, page, types};
use crate::base::JsonPath;
use crate::config::{CsvHeader, CsvPlan, FormatKind, FormatPlan, InvalidBytes, PhpEmpty, RecordsPlan, XssiPrefix};
use crate::decode::{DecodeError, DecodePlan, DecodedPage, Decoder, ShapePlan};
use crate::schema::TableSchema;
use crate::source::Page;

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap()
}

fn records(records: RecordsPlan) -> DecodePlan {
    DecodePlan { shape: Some(ShapePlan { records: Some(records), ..ShapePlan::default() }), ..at("data") }
}

fn format(kind: FormatKind) -> DecodePlan {
    DecodePlan { format: FormatPlan { kind, ..FormatPlan::default() }, ..DecodePlan::default() }
}

fn csv(plan: CsvPlan) -> DecodePlan {
    format(FormatKind::Csv(plan))
}

fn read(plan: DecodePlan, body: impl Into<bytes::Bytes>, content_type: Option<&str>) -> Result<DecodedPage, DecodeError> {
    let page = Page { content_type: content_type.map(str::to_owned), ..page(1, body) };
    let decoded = Decoder::new(plan).decode(&page, &Arc::default())?;
    let rows = decoded.table.rows.batch.num_rows() as u64;
    assert_eq!(decoded.facts.records + decoded.exploded, rows + decoded.rejects.len() as u64 + decoded.filtered);
    Ok(decoded)
}

/// The page's rows, then its rejects as `record: expected, actual`; or the error's words.
#[track_caller]
fn check(plan: DecodePlan, body: impl Into<bytes::Bytes>, expected: &[&str]) {
    let found = match read(plan, body, None) {
        Err(error) => {
            let words = error.to_string();
            vec![words.split_once("limit=100`) ").map_or(words.clone(), |(_, rest)| rest.to_owned())]
        }
        Ok(decoded) => {
            let rows = lines(&decoded.table.rows.batch);
            let rejects =
                decoded.rejects.iter().map(|reject| format!("{}: {}, {}", reject.record, reject.expected, reject.actual));
            rows.lines().map(str::to_owned).chain(rejects).collect()
        }
    };
    assert_eq!(found, expected);
}

#[test]
fn e_25_a_json_body_that_ends_early_is_cut_off() {
    check(at("data"), r#"{"data":[{"a":1},"#, &["ends at byte 17, in `$.data[1]`, in the middle of a value: it is cut off"]);
    check(at("data"), "{\"data\":[{\"a\":1}]} \n", &["{\"a\":1}"]);
}

#[test]
fn e_25_the_last_line_of_ndjson_is_whole_or_the_page_is_cut_off() {
    let plan = || format(FormatKind::Ndjson);
    check(plan(), "{\"a\":1}\n{\"a\":2}", &["{\"a\":1}", "{\"a\":2}"]);
    check(plan(), "{\"a\":1}\n{\"a\":", &["ends at byte 13, in the middle of a record: it is cut off"]);
    check(csv(CsvPlan::default()), "a,b\n1,2\n3", &["ends at byte 9, in the middle of a record: it is cut off"]);
}

fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn e_26_a_zip_archive_is_known_by_its_bytes() {
    check(at("data"), zipped(&[("page.json", r#"{"data":[{"a":1}]}"#)]), &["{\"a\":1}"]);
    let two = || zipped(&[("b.csv", "a\n3\n"), ("in/a.csv", "a\n1\n2\n"), ("read.me", "x")]);
    let members = |pattern: &str| DecodePlan {
        format: FormatPlan {
            kind: FormatKind::Csv(CsvPlan::default()),
            member: Some(pattern.to_owned()),
            ..FormatPlan::default()
        },
        ..DecodePlan::default()
    };
    check(members("*.csv"), two(), &["{\"a\":\"3\"}", "{\"a\":\"1\"}", "{\"a\":\"2\"}"]);
    check(members("a.csv"), two(), &["{\"a\":\"1\"}", "{\"a\":\"2\"}"]);
    check(
        members("*.txt"),
        two(),
        &[
            "is a zip archive without a file `*.txt`; it has `b.csv`, `in/a.csv`, `read.me`: write which in `endpoint.response_format`, such as `member: b.csv`",
        ],
    );
    check(
        at("data"),
        two(),
        &[
            "is a zip archive of 3 files; it has `b.csv`, `in/a.csv`, `read.me`: write which in `endpoint.response_format`, such as `member: b.csv`",
        ],
    );
    let mut damaged = two();
    damaged.truncate(60);
    let error = read(members("*.csv"), damaged, None).unwrap_err().to_string();
    assert!(error.contains("is a damaged zip archive"), "{error}");
}

#[test]
fn e_44_records_that_are_missing_null_or_no_list_are_an_error_unless_that_is_declared() {
    check(
        at("data"),
        r#"{"rows":[]}"#,
        &["has nothing at `$.data`, where its records should be; at its top are `rows`; it has a list at `rows`"],
    );
    check(
        records(RecordsPlan::default()),
        r#"{"data":null}"#,
        &["has null at `$.data`, where its records should be: expected an array of objects, or an object"],
    );
    let optional = || records(RecordsPlan { optional: true, ..RecordsPlan::default() });
    check(optional(), r#"{"data":null}"#, &[]);
    check(optional(), r#"{"rows":[]}"#, &[]);
    check(optional(), r#"{"data":[{"a":1}]}"#, &["{\"a\":1}"]);
    check(at("data"), r#"{"data":{"a":1}}"#, &["{\"a\":1}"]);
    let single = |single| records(RecordsPlan { single: Some(single), ..RecordsPlan::default() });
    check(single(true), r#"{"data":{"a":1}}"#, &["{\"a\":1}"]);
    let not =
        |kind: &str| format!("has {kind} at `$.data`, where its records should be: expected an array of objects, or an object");
    check(single(true), r#"{"data":[{"a":1}]}"#, &[&not("array")]);
    check(single(false), r#"{"data":{"a":1}}"#, &[&not("object")]);
    let wrap = || records(RecordsPlan { wrap: Some("value".to_owned()), ..RecordsPlan::default() });
    check(wrap(), r#"{"data":["x",{"value":"y"},1.50]}"#, &["{\"value\":\"x\"}", "{\"value\":\"y\"}", "{\"value\":\"1.50\"}"]);
    check(wrap(), r#"{"data":7}"#, &["{\"value\":7}"]);
    check(at("data"), r#"{"data":["x"]}"#, &["0: an object, string"]);
}

#[test]
fn e_45_records_are_found_under_varying_keys_and_in_maps() {
    let varying = || records(RecordsPlan { paths: vec![path("items"), path("results")], ..RecordsPlan::default() });
    check(varying(), r#"{"items":[{"a":1}],"results":[{"a":2}]}"#, &["{\"a\":1}"]);
    check(varying(), r#"{"results":[{"a":2}]}"#, &["{\"a\":2}"]);
    check(varying(), r#"{"items":null,"results":[{"a":2}]}"#, &["{\"a\":2}"]);
    check(varying(), r#"{"items":[]}"#, &[]);
    check(varying(), r#"{"x":1}"#, &["has nothing at `$.items` or `$.results`, where its records should be; at its top are `x`"]);
    let map = || {
        let key_as = Some("id".to_owned());
        records(RecordsPlan { paths: vec![path("data")], by_key: true, key_as, ..RecordsPlan::default() })
    };
    check(
        map(),
        r#"{"data":{"17":{"a":1},"18":{"a":2,"id":18},"19":[{"a":3},{"a":4}]}}"#,
        &["{\"id\":\"17\",\"a\":1}", "{\"id\":\"18\",\"a\":2}", "{\"id\":\"19\",\"a\":3}", "{\"id\":\"19\",\"a\":4}"],
    );
    check(map(), r#"{"data":[]}"#, &[]);
    check(map(), r#"{"data":{"17":{"id":"other"}}}"#, &["0: no member besides the key that `key_as` puts there, string"]);
}

#[test]
fn e_45_any_json_path_finds_records_and_its_numbers_are_exact() {
    let body = r#"{"groups":{"a":{"rows":[{"n":12345678901234567890123},{"n":1}]},"b":{"rows":[{"n":2}]}},"next":[{"rel":"next","href":"/2"}]}"#;
    let rows: &[&str] = &["{\"n\":\"12345678901234567890123\"}", "{\"n\":\"1\"}", "{\"n\":\"2\"}"];
    check(at("groups..rows"), body, rows);
    check(at("groups.*.rows"), body, rows);
    check(at("groups.a.rows[1:]|groups.b.rows"), body, &["{\"n\":1}", "{\"n\":2}"]);
    check(at("groups.a.rows[?(@.n = 1)]"), body, &["{\"n\":1}"]);
    check(at("groups.a.rows[?(@.n = 7)]"), body, &[]);
    check(
        at("groups..none"),
        body,
        &[
            "has nothing at `groups..none`, where its records should be; at its top are `groups`, `next`; it has lists at `groups.a.rows`, `groups.b.rows`, `next`",
        ],
    );
    check(at("/groups/b/rows"), body, &["{\"n\":2}"]);
    let plan = DecodePlan { wanted: vec![path("next[?(@.rel = 'next')].href"), path("groups..n")], ..at("groups.b.rows") };
    let facts = decode(plan, body).unwrap().facts;
    assert_eq!(facts.values[0], Some("/2".into()));
    assert_eq!(facts.values[1].as_ref().unwrap().to_string(), "1.2345678901234568e+22");
}

#[test]
fn e_46_what_stands_around_json_is_an_error_unless_it_is_a_declared_prefix() {
    check(at("$"), r#"[{"a":1}] x"#, &["is not JSON at byte 10, in `$`: expected the end of the page"]);
    check(at("$"), r#"[{"a":1}][{"a":2}]"#, &["is not JSON at byte 9, in `$`: expected the end of the page"]);
    check(at("$"), r#"callback([{"a":1}])"#, &["is not JSON at byte 0, in `$`: expected a value"]);
    check(at("$"), ")]}',\n[{\"a\":1}]", &["is not JSON at byte 0, in `$`: expected a value"]);
    let prefix = |prefix| DecodePlan { format: FormatPlan { xssi_prefix: Some(prefix), ..FormatPlan::default() }, ..at("$") };
    for body in [")]}',\n[{\"a\":1}]", "while(1);[{\"a\":1}]", " for(;;);[{\"a\":1}]", "[{\"a\":1}]"] {
        check(prefix(XssiPrefix::Known), body, &["{\"a\":1}"]);
    }
    check(prefix(XssiPrefix::Text("&&&START&&&".to_owned())), "&&&START&&&[{\"a\":1}]", &["{\"a\":1}"]);
    check(prefix(XssiPrefix::Known), ")]}'\n[{\"a\":x}]", &["is not JSON at byte 11, in `$[0].a`: expected a value"]);
}

#[test]
fn e_47_bodies_are_read_in_the_encoding_they_are_in() {
    let json = "[{\"a\":\"é€\"}]";
    let row = "{\"a\":\"é€\"}";
    let utf16 = |order: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
        let text = if mark { format!("\u{feff}{json}") } else { json.to_owned() };
        text.encode_utf16().flat_map(order).collect()
    };
    check(at("$"), utf16(u16::to_le_bytes, true), &[row]);
    check(at("$"), utf16(u16::to_be_bytes, true), &[row]);
    let encoding = |label: &str| DecodePlan {
        format: FormatPlan { encoding: encoding_rs::Encoding::for_label(label.as_bytes()), ..FormatPlan::default() },
        ..at("$")
    };
    check(encoding("utf-16le"), utf16(u16::to_le_bytes, false), &[row]);
    let latin: &[u8] = b"[{\"a\":\"\xe9\"}]";
    check(encoding("latin1"), latin, &["{\"a\":\"é\"}"]);
    check(at("$"), latin, &["is not UTF-8 at byte 7"]);
    let rows = |body: &'static [u8], kind: &str| {
        read(at("$"), body, Some(kind)).map_or_else(|error| error.to_string(), |decoded| lines(&decoded.table.rows.batch))
    };
    assert_eq!(rows(latin, "application/json; charset=iso-8859-1"), "{\"a\":\"é\"}");
    assert_eq!(rows("[{\"a\":\"é\"}]".as_bytes(), "application/json; charset=iso-8859-1"), "{\"a\":\"é\"}", "a wrong header");
    assert!(rows(b"[{\"a\":\"\xff\"}]", "text/json;charset=shift_jis").contains("is not valid Shift_JIS"));
    let replace = DecodePlan { format: FormatPlan { invalid: InvalidBytes::Replace, ..FormatPlan::default() }, ..at("$") };
    let decoded = read(replace, latin, None).unwrap();
    assert_eq!((lines(&decoded.table.rows.batch).as_str(), decoded.replaced_characters), ("{\"a\":\"\u{fffd}\"}", 1));
}

#[test]
fn e_47_a_record_with_bytes_that_mean_nothing_is_a_reject_where_the_config_says_so() {
    let quarantine =
        |plan: DecodePlan| DecodePlan { format: FormatPlan { invalid: InvalidBytes::Quarantine, ..plan.format }, ..plan };
    let body: &[u8] = b"{\"data\":[{\"a\":\"x\"},{\"b\":{\"a\":\"\xff\xfey\"}},{\"a\":\"z\"}]}";
    let rejects = "1: UTF-8 at byte 30 of the page, bytes that mean nothing";
    for shape in [None, Some(ShapePlan::default())] {
        let plan = || quarantine(DecodePlan { shape: shape.clone(), ..at("data") });
        check(plan(), body, &["{\"a\":\"x\"}", "{\"a\":\"z\"}", rejects]);
        let marked = [b"\xef\xbb\xbf", body].concat();
        let decoded = read(plan(), marked, None).unwrap();
        let reject = &decoded.rejects[0];
        assert_eq!((reject.expected.as_str(), reject.path.as_str()), ("UTF-8 at byte 33 of the page", "$.b.a"));
        assert_eq!(reject.raw, "{\"b\":{\"a\":\"\u{fffd}\u{fffd}y\"}}");
        assert_eq!(
            (types(&decoded.table.rows.schema).as_str(), decoded.replaced_characters),
            ("a: text", 0),
            "it widens no column"
        );
        // Where no record has them, there is nothing to set aside.
        let around: &[u8] = b"{\"meta\":\"\xff\",\"data\":[{\"a\":1}]}";
        check(plan(), around, &["is not UTF-8 at byte 9"]);
    }
    let lines: &[u8] = b"{\"a\":1}\n{\"a\":\"\xff\"}\n{\"a\":3}\n";
    let reject = "1: UTF-8 at byte 14 of the page, in line 2, bytes that mean nothing";
    check(quarantine(format(FormatKind::Ndjson)), lines, &["{\"a\":1}", "{\"a\":3}", reject]);
    let rows: &[u8] = b"a,b\r\n1,\xff\r\n2,y\r\n";
    let reject = "0: UTF-8 at byte 7 of the page, in line 2, bytes that mean nothing";
    check(quarantine(csv(CsvPlan::default())), rows, &["{\"a\":\"2\",\"b\":\"y\"}", reject]);
    let header: &[u8] = b"a,\xff\n1,2\n";
    check(quarantine(csv(CsvPlan::default())), header, &["is not UTF-8 at byte 2"]);
    let noise = vec![0xff; 200_000];
    check(quarantine(csv(CsvPlan::default())), noise, &["is not UTF-8 at byte 0"]);
}

#[test]
fn e_48_nul_characters_are_left_out_and_counted_where_the_config_says_so() {
    let strip = |plan: DecodePlan| DecodePlan { format: FormatPlan { strip_nul: true, ..plan.format }, ..plan };
    let body = r#"[{"a":"n\u0000l","k\u0000":"\\u0000","j":["\u0000"],"x":7},{"j":5,"a":"\u0000"}]"#;
    for shape in [None, Some(ShapePlan::default())] {
        let decoded = decode(strip(DecodePlan { shape, ..at("$") }), body).unwrap();
        assert_eq!(
            lines(&decoded.table.rows.batch),
            "{\"a\":\"nl\",\"k\":\"\\\\u0000\",\"j\":\"[\\\"\\\"]\",\"x\":7}\n{\"a\":\"\",\"j\":\"5\"}"
        );
        assert_eq!(decoded.stripped_characters, 4);
    }
    let decoded = read(strip(csv(CsvPlan::default())), "a\nx\0y\n", None).unwrap();
    assert_eq!((lines(&decoded.table.rows.batch).as_str(), decoded.stripped_characters), ("{\"a\":\"xy\"}", 1));
    // A cursor goes back to the API as it came.
    let wanted = DecodePlan { wanted: vec![path("next")], ..strip(at("data")) };
    let decoded = decode(wanted, r#"{"data":[],"next":"a\u0000b"}"#).unwrap();
    assert_eq!(decoded.facts.values, [Some(serde_json::json!("a\0b"))]);
}

#[test]
fn e_48_half_a_surrogate_pair_is_replaced_and_counted_and_nul_is_kept() {
    let body = r#"[{"a":"x\ud800y","b":"\udc00\ud83d\ude00"},{"a":"\ud800\ud800","\ud800":1},{"a":"n\u0000l"}]"#;
    let decoded = decode(at("$"), body).unwrap();
    assert_eq!(
        lines(&decoded.table.rows.batch),
        "{\"a\":\"x\u{fffd}y\",\"b\":\"\u{fffd}\u{1f600}\"}\n{\"a\":\"\u{fffd}\u{fffd}\",\"\u{fffd}\":1}\n{\"a\":\"n\\u0000l\"}"
    );
    assert_eq!(decoded.replaced_characters, 5);
    let shaped = decode(DecodePlan { shape: Some(ShapePlan::default()), ..at("$") }, body).unwrap();
    assert_eq!((lines(&shaped.table.rows.batch), shaped.replaced_characters), (lines(&decoded.table.rows.batch), 5));
}

#[test]
fn e_49_what_is_no_number_is_an_error_or_null_and_other_liberties_are_errors() {
    let lenient = || DecodePlan { format: FormatPlan { lenient: true, ..FormatPlan::default() }, ..at("$") };
    check(at("$"), r#"[{"a":NaN}]"#, &["is not JSON at byte 6, in `$[0].a`: expected a value, found `NaN` or `Infinity`"]);
    check(
        lenient(),
        r#"[{"a":NaN,"b":"NaN \" Infinity"},{"a":-Infinity},{"a":Infinity},{"a":1.5}]"#,
        &["{\"b\":\"NaN \\\" Infinity\"}", "{}", "{}", "{\"a\":1.5}"],
    );
    for body in ["[{\"a\":1.}]", "[{\"a\":.5}]", "[{\"a\":+1}]", "[{\"a\":0x1}]", "[{'a':1}]", "[{\"a\":1}/*x*/]", "[{\"a\":1},]"]
    {
        assert!(matches!(decode(lenient(), body), Err(DecodeError::Syntax { .. })), "{body}");
    }
}

#[test]
fn e_50_of_equal_names_the_last_wins_and_the_others_are_counted() {
    let body = r#"{"data":[{"a":1,"a":2,"b":{"c":1,"c":2}}]}"#;
    for shape in [None, Some(ShapePlan::default())] {
        let decoded = decode(DecodePlan { shape, ..at("data") }, body).unwrap();
        assert_eq!((lines(&decoded.table.rows.batch).as_str(), decoded.duplicate_members), ("{\"a\":2,\"b\":{\"c\":2}}", 2));
    }
}

#[test]
fn e_50_a_name_twice_in_an_object_is_an_error_where_the_config_says_so() {
    let unique = |plan: DecodePlan| DecodePlan { format: FormatPlan { unique_names: true, ..plan.format }, ..plan };
    let body =
        r#"{"data":[{"a":1,"a":2},{"a":3},{"o":{"b":1,"c":[{"b":1}],"b":2}},{"o":{"c":[{"d":1,"d":1}]}}],"meta":{"x":1,"x":1}}"#;
    let expected = |record: u64| format!("{record}: a name that its object has once, it again");
    let all = ["{\"a\":3}".to_owned(), expected(0), expected(2), expected(3)];
    for (shape, nesting_max) in [(None, None), (None, Some(0)), (Some(ShapePlan::default()), None)] {
        let plan = || unique(DecodePlan { shape: shape.clone(), nesting_max, ..at("data") });
        check(plan(), body, &all.each_ref().map(String::as_str));
        let decoded = decode(plan(), body).unwrap();
        let places: Vec<&str> = decoded.rejects.iter().map(|reject| reject.path.as_str()).collect();
        assert_eq!((places, decoded.duplicate_members), (vec!["$.a", "$.o.b", "$.o.c[0].d"], 0));
        check(plan(), r#"{"data":[],"data":[]}"#, &["is not JSON at byte 18, in `$.data`: expected the records once"]);
    }
    let by_key = RecordsPlan { by_key: true, ..RecordsPlan::default() };
    check(
        unique(records(by_key)),
        r#"{"data":{"x":{"a":1},"x":{"a":2}}}"#,
        &["is not JSON at byte 21, in `$.data.x`: expected a name that its object has once"],
    );
}

#[test]
fn e_51_names_that_differ_in_anything_are_different_columns() {
    let long = "k".repeat(4096);
    let body = format!(r#"[{{"id":1,"ID":2,"é":3,"e\u0301":4,"":5,"a.b c":6,"{long}":7}}]"#);
    let decoded = decode(at("$"), &body).unwrap();
    let names: Vec<&str> = decoded.table.rows.schema.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "ID", "é", "e\u{301}", "", "a.b c", &long]);
}

#[test]
fn e_52_depth_length_and_width_have_limits_that_are_named() {
    let deep = format!(r#"{{"data":[{{"a":{}}}]}}"#, "[".repeat(10_000));
    for shape in [None, Some(ShapePlan::default())] {
        let plan = || DecodePlan { shape: shape.clone(), ..at("data") };
        let error = decode(plan(), &deep).unwrap_err().to_string();
        assert!(error.contains("nested more than 128 deep at byte 139"), "{error}");
        let wide: Vec<String> = (0..11_000).map(|n| format!("\"{n}\":1")).collect();
        let error = decode(plan(), &format!("{{\"data\":[{{{}}}]}}", wide.join(","))).unwrap_err().to_string();
        assert!(error.contains("needs more than 10000 columns at byte"), "{error}");
    }
    let long = format!(r#"{{"data":[{{"a":"{}"}}]}}"#, "x".repeat(65 << 20));
    assert!(matches!(decode(at("data"), &long), Err(DecodeError::RecordTooLarge { .. })));
}

/// Records that have a column `m`, an object with names from one number to another.
fn maps(names: impl IntoIterator<Item = (usize, usize)>) -> String {
    let object = |(from, to)| (from..to).map(|n| format!("\"d{n}\":{n}.50")).collect::<Vec<_>>().join(",");
    let records: Vec<String> = names.into_iter().map(|names| format!("{{\"m\":{{{}}}}}", object(names))).collect();
    format!("[{}]", records.join(","))
}

#[test]
fn e_53_an_object_used_as_a_map_becomes_json_text_and_is_named() {
    let overgrown =
        |decoded: &DecodedPage| decoded.table.notes.iter().map(|note| note.column.clone()).collect::<Vec<_>>().join(", ");
    for shape in [None, Some(ShapePlan::default())] {
        let plan = || DecodePlan { shape: shape.clone(), ..at("$") };
        for (body, count) in
            [(maps((0..11_000).map(|n| (n, n + 1))), 11_000), (maps([(0, 1), (0, 11_000)]), 2), (maps([(0, 257)]), 1)]
        {
            let decoded = decode(plan(), &body).unwrap();
            assert_eq!((types(&decoded.table.rows.schema).as_str(), overgrown(&decoded).as_str()), ("m: json", "m"));
            assert_eq!(decoded.table.rows.batch.num_rows(), count);
            // The tokens are the API's, also those of objects that were read before it was too many names.
            assert!(lines(&decoded.table.rows.batch).starts_with(r#"{"m":"{\"d0\":0.50"#));
        }
        let decoded = decode(plan(), &maps([(0, 256), (1, 256)])).unwrap();
        assert!(types(&decoded.table.rows.schema).starts_with("m: {d0: float64") && decoded.table.notes.is_empty());
        let nested = format!("[{{\"a\":{{\"b\":{}}}}}]", maps([(0, 200), (200, 300)]));
        let decoded = decode(plan(), &nested).unwrap();
        assert_eq!((types(&decoded.table.rows.schema).as_str(), overgrown(&decoded).as_str()), ("a: {b: [{m: json}]}", "a.b.m"));
        // A record that is no row makes no column JSON.
        let reject = maps([(0, 1), (0, 300)]).replace("{\"m\":{\"d0\":0.50,", "{\"id\":\"x\",\"m\":{\"d0\":0.50,");
        let declared = crate::schema::DeclaredSchema::parse("s.json", r#"{"columns":[{"name":"id","type":"int64"}]}"#).unwrap();
        let decoded = decode(DecodePlan { declared: Some(declared), ..plan() }, &reject).unwrap();
        assert_eq!(types(&decoded.table.rows.schema), "id: int64(wide), m: {d0: float64}");
        assert_eq!((decoded.rejects.len(), decoded.table.notes.len()), (1, 0));
    }
}

#[test]
fn e_53_pages_agree_on_what_is_a_map_in_whatever_order_they_are_read() {
    let bodies = [maps([(0, 150)]), maps([(100, 250)]), maps([(200, 350)])];
    let decode_under = |body: &String, schema: &Arc<TableSchema>| {
        Decoder::new(at("$")).decode(&page(1, body.clone()), schema).unwrap().table.rows
    };
    let together = format!("[{}]", bodies.each_ref().map(|body| &body[1..body.len() - 1]).join(","));
    let expected = lines(&decode(at("$"), &together).unwrap().table.rows.batch);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        // Each page is decoded under the pages read so far, or under none.
        let (mut so_far, mut pages) = (Arc::new(TableSchema::default()), [const { None }; 3]);
        for (at, &body) in order.iter().enumerate() {
            let under = if at == 1 { Arc::default() } else { Arc::clone(&so_far) };
            let rows = decode_under(&bodies[body], &under);
            so_far = Arc::new(so_far.join(&rows.schema));
            pages[body] = Some(rows);
        }
        assert_eq!(types(&so_far), "m: json");
        let rows = pages.map(|rows| lines(&crate::decode::widen(&rows.unwrap(), &so_far).unwrap().batch));
        assert_eq!(rows.join("\n"), expected);
    }
}

#[test]
fn e_53_a_wide_struct_that_the_table_has_or_the_schema_declares_stays_one() {
    let wide = crate::schema::ColumnType::Struct(
        (0..300)
            .map(|n| {
                crate::schema::Column::inferred(
                    format!("d{n}"),
                    crate::schema::ColumnType::Float64(crate::schema::Digits::UNKNOWN),
                )
            })
            .collect(),
    );
    let column = |declared| crate::schema::Column { declared, ..crate::schema::Column::inferred("m", wide.clone()) };
    for declared in [false, true] {
        let table = Arc::new(TableSchema { columns: vec![column(declared)] });
        let decoded = Decoder::new(at("$")).decode(&page(1, maps([(5, 9), (250, 310)])), &table).unwrap();
        assert!(types(&decoded.table.rows.schema).ends_with("d309: float64}") && decoded.table.notes.is_empty());
        assert_eq!(table.join(&decoded.table.rows.schema), *decoded.table.rows.schema);
    }
}

#[test]
fn e_54_a_broken_line_is_a_reject_with_its_place() {
    let plan = || format(FormatKind::Ndjson);
    let body = "{\"a\":1}\r\n\n{\"a\":2,}\n {\"a\":3} \n{\"a\":4} {\"a\":5}\n7\n{\"a\":6},\n{\"a\":\n";
    check(
        plan(),
        body,
        &[
            "{\"a\":1}",
            "{\"a\":3}",
            "{\"a\":4}",
            "{\"a\":5}",
            "1: a member's name in quotes at byte 17 of the page, in line 3, a broken line",
            "5: an object, number",
            "6: an object, a list or the end of the line at byte 54 of the page, in line 7, a broken line",
            "7: a value at byte 61 of the page, in line 8, a broken line",
        ],
    );
    let raw: Vec<String> = read(plan(), body, None).unwrap().rejects.into_iter().map(|reject| reject.raw).collect();
    assert_eq!(raw, ["{\"a\":2,}", "7", "{\"a\":6},", "{\"a\":"]);
    let auto = || format(FormatKind::Auto(CsvPlan::default()));
    for kind in ["application/x-ndjson", "application/jsonl; charset=utf-8"] {
        assert_eq!(read(auto(), "{\"a\":1}\n{\"a\":2}\n", Some(kind)).unwrap().facts.records, 2);
    }
    assert_eq!(read(auto(), "[{\"a\":1},{\"a\":2}]", Some("application/json")).unwrap().facts.records, 2);
}

#[test]
fn e_55_csv_is_read_by_its_header_and_ragged_rows_are_rejects() {
    let body = "\u{feff}id,\"na,me\",note\r\n1,\"x \"\"y\"\"\nz\",\r\n2,NULL\r\n03,a,b\r\n4,a,b,c\r\n";
    check(
        csv(CsvPlan::default()),
        body,
        &[
            "{\"id\":\"1\",\"na,me\":\"x \\\"y\\\"\\nz\"}",
            "{\"id\":\"03\",\"na,me\":\"a\",\"note\":\"b\"}",
            "1: 3 fields at byte 33 of the page, in line 4, 2",
            "3: 3 fields at byte 49 of the page, in line 6, 4",
        ],
    );
    let nulls = CsvPlan { null_values: vec!["NULL".to_owned()], ..CsvPlan::default() };
    check(csv(nulls), "a,b\nNULL,\n", &["{\"b\":\"\"}"]);
    // The second page has its columns in another order.
    check(csv(CsvPlan::default()), "b,a\n1,2\n", &["{\"b\":\"1\",\"a\":\"2\"}"]);
    let names = CsvPlan { header: CsvHeader::Names(vec!["x".to_owned(), "y".to_owned()]), delimiter: b';', ..CsvPlan::default() };
    check(csv(names), "1;2\n3;4\n", &["{\"x\":\"1\",\"y\":\"2\"}", "{\"x\":\"3\",\"y\":\"4\"}"]);
    check(
        csv(CsvPlan { header: CsvHeader::Numbered, ..CsvPlan::default() }),
        "1,2",
        &["{\"column_1\":\"1\",\"column_2\":\"2\"}"],
    );
    check(csv(CsvPlan::default()), "a,a\n1,2\n", &["has the column `a` twice in its header"]);
    check(csv(CsvPlan::default()), "a,\n1,2\n", &["has no name for column 2 in its header"]);
}

#[test]
fn e_55_csv_types_are_inferred_only_where_nothing_is_lost() {
    let plan = csv(CsvPlan { infer: true, ..CsvPlan::default() });
    let body = "i,zip,f,b,t,e\n1,10115,1.5,true,2026-11-22,1e5\n-2,01067,2,false,2026-11-23,-0\n";
    let decoded = read(plan, body, None).unwrap();
    assert_eq!(types(&decoded.table.rows.schema), "i: int64, zip: text, f: float64, b: boolean, t: date, e: text");
    assert!(lines(&decoded.table.rows.batch).contains("\"zip\":\"10115\""));
    let declared = DecodePlan {
        declared: Some(crate::schema::DeclaredSchema::parse("s.json", r#"{"columns":[{"name":"i","type":"int64"}]}"#).unwrap()),
        ..csv(CsvPlan::default())
    };
    check(declared, "i\n7\nx\n", &["{\"i\":7}", "1: an integer of 64 bits, string"]);
}

#[test]
fn e_57_a_single_value_is_a_list_where_that_is_declared() {
    let plan = || records(RecordsPlan { force_list: vec![path("items.item")], ..RecordsPlan::default() });
    check(
        plan(),
        r#"{"data":[{"items":{"item":[{"a":1},{"a":2}]}},{"items":{"item":{"a":3}}},{"items":{"item":null}},{"items":null}]}"#,
        &["{\"items\":{\"item\":[{\"a\":1},{\"a\":2}]}}", "{\"items\":{\"item\":[{\"a\":3}]}}", "{\"items\":{}}", "{}"],
    );
    check(plan(), r#"{"data":{"items":{"item":7}}}"#, &["{\"items\":{\"item\":[7]}}"]);
}

#[test]
fn e_65_phps_empty_list_is_an_empty_object_where_that_is_declared() {
    let body = r#"{"data":[{"meta":{"a":1},"tags":[]},{"meta":[],"tags":["x"]}]}"#;
    let at_meta = records(RecordsPlan { php_empty: PhpEmpty::At(vec![path("meta")]), ..RecordsPlan::default() });
    check(at_meta, body, &["{\"meta\":{\"a\":1},\"tags\":[]}", "{\"meta\":{},\"tags\":[\"x\"]}"]);
    let everywhere = records(RecordsPlan { php_empty: PhpEmpty::Everywhere, ..RecordsPlan::default() });
    check(everywhere, r#"{"data":[{"meta":{"a":1}},{"meta":[]}]}"#, &["{\"meta\":{\"a\":1}}", "{\"meta\":{}}"]);
}
