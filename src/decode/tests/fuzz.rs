//! Whatever an API answers with.

use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::{at, page};
use crate::base::{JsonPath, fuzz};
use crate::config::{CsvHeader, CsvPlan, FormatKind, FormatPlan, InvalidBytes, Pattern, PhpEmpty, RecordsPlan, XmlPlan};
use crate::decode::{DecodeError, DecodePlan, DecodedPage, Decoder, ShapePlan};
use crate::schema::DeclaredSchema;

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u",
    "\\ud83d",
    "\\ud83d\\ude00",
    "\\n",
    "\n",
    "\r\n",
    "\t",
    " ",
    "null",
    "true",
    "false",
    "NaN",
    "-Infinity",
    "0",
    "-0",
    "1.50",
    "1e400",
    "1E-7",
    "9223372036854775808",
    "123456789012345678901234567890",
    "\"data\":",
    "\"id\":",
    "\"a\":",
    "{}",
    "[]",
    "\"2026-11-22T08:00:00.50+01:00\"",
    "\"2026-11-22\"",
    "\"\"",
    "é",
    "\u{feff}",
    "\u{0}",
    ")]}',\n",
    "<html>",
    "a,b\n",
    "\"x\"\"y\"",
    ";",
];

/// Stands in values of the corpus, and nowhere else: it may reach a row or a reject's text, never a message.
const CELL: &str = "c3ll-v4lue";

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap()
}

fn decode(plan: DecodePlan, body: &[u8]) -> Result<DecodedPage, DecodeError> {
    let body = body.to_vec();
    // Where the value has become a name, a message may name it.
    let text = String::from_utf8_lossy(&body).into_owned();
    let is_value = !text.contains('\\')
        && text.match_indices(CELL).all(|(at, _)| {
            let rest = text[at..].split_once('"').map_or("", |(_, rest)| rest);
            !rest.trim_start().starts_with(':') && text[at..].starts_with(&format!("{CELL}\""))
        });
    let is_json = plan.format.kind == FormatKind::Json;
    let decoded = Decoder::new(plan).decode(&page(1, body), &Arc::default());
    match &decoded {
        Ok(decoded) => {
            let (rows, rejects) = (decoded.table.rows.batch.num_rows() as u64, decoded.rejects.len() as u64);
            assert_eq!(decoded.facts.records + decoded.exploded, rows + rejects + decoded.filtered, "{text}");
            assert_eq!(decoded.table.rows.batch.schema(), decoded.table.rows.schema.to_arrow(), "{text}");
            for reject in &decoded.rejects {
                let shown = format!("{} {} {}", reject.path, reject.expected, reject.actual);
                assert!(!(is_json && is_value && shown.contains(CELL)), "{shown}");
                assert!(reject.record < decoded.facts.records, "{reject:?}");
            }
        }
        Err(error) => {
            let mut shown = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                shown.push_str(&cause.to_string());
                source = cause.source();
            }
            assert!(!shown.contains("secret"), "{shown}");
            assert!(!(is_json && is_value && shown.contains(CELL)), "{shown}");
        }
    }
    decoded
}

/// A format with all that is done to texts and names.
fn careful(kind: FormatKind) -> FormatPlan {
    FormatPlan { kind, invalid: InvalidBytes::Quarantine, strip_nul: true, unique_names: true, ..FormatPlan::default() }
}

#[test]
fn any_page_is_decoded_as_serde_json_reads_it_or_refused_as_it_refuses_it() {
    fuzz("page", WORDS, |input| {
        let decoded = decode(at("$"), input);
        let serde = serde_json::from_slice::<Value>(input);
        match (&decoded, &serde) {
            (Ok(decoded), Ok(Value::Array(records))) => assert_eq!(decoded.facts.records as usize, records.len()),
            (Ok(decoded), Ok(value)) => assert!(value.is_object() && decoded.facts.records == 1, "{value}"),
            // Wider than serde_json: numbers beyond a float, halves of surrogate pairs, a byte order mark, UTF-16, other prefixes.
            (Ok(decoded), Err(error)) => {
                let why = error.to_string();
                let is_wider =
                    ["number out of range", "surrogate", "recursion limit", "hex escape"].iter().any(|known| why.contains(known));
                let plain = matches!(input.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['));
                assert!(is_wider || decoded.replaced_characters > 0 || !plain || input.contains(&0), "{why}");
            }
            (Err(error), Ok(Value::Array(_) | Value::Object(_))) => {
                // Narrower: depth, and records that are no objects are rejects, not errors.
                let shown = error.to_string();
                assert!(shown.contains("deep"), "{shown}");
            }
            (Err(_), _) => {}
        }
        let hinted = DecodePlan { look_for_more_pages: true, wanted: vec![path("next"), path("data[0].id")], ..at("data") };
        let one_pass = decode(hinted.clone(), input);
        // The same page through a tree: another way, the same records.
        let by_tree = decode(DecodePlan { shape: Some(ShapePlan::default()), ..hinted }, input);
        match (one_pass, by_tree) {
            (Ok(one_pass), Ok(by_tree)) => {
                assert_eq!(one_pass.facts, by_tree.facts);
                assert_eq!(one_pass.table.rows.batch, by_tree.table.rows.batch);
                assert_eq!(one_pass.rejects.len(), by_tree.rejects.len());
            }
            (one_pass, by_tree) => assert_eq!(one_pass.is_err(), by_tree.is_err(), "one way is an error, the other is not"),
        }
    });
}

#[test]
fn any_page_has_its_records_counted_wherever_and_however_they_are_declared() {
    let declared = r#"{"columns":[{"name":"id","type":"int64","nullable":false},{"name":"a","type":"decimal(6,2)"},
        {"name":"at","type":"timestamp"},{"name":"tags","type":"list","element":{"type":"text"}}]}"#;
    let declared = DeclaredSchema::parse("schemas/fuzz.json", declared).unwrap();
    let records = RecordsPlan {
        paths: vec![path("data"), path("items[?(@.id)]"), path("..rows")],
        by_key: true,
        key_as: Some("key".to_owned()),
        wrap: Some("value".to_owned()),
        optional: true,
        force_list: vec![path("tags")],
        php_empty: PhpEmpty::Everywhere,
        ..RecordsPlan::default()
    };
    let shaped = |records| DecodePlan { shape: Some(ShapePlan { records: Some(records), ..ShapePlan::default() }), ..at("data") };
    let plans = [
        DecodePlan { look_for_more_pages: true, ..DecodePlan::default() },
        DecodePlan { declared: Some(declared), key_columns: vec!["id".to_owned()], ..at("data") },
        shaped(RecordsPlan { by_key: false, key_as: None, ..records.clone() }),
        shaped(records),
        at("..items"),
        DecodePlan {
            format: FormatPlan { lenient: true, invalid: InvalidBytes::Replace, ..FormatPlan::default() },
            ..DecodePlan::default()
        },
        DecodePlan { format: careful(FormatKind::Json), ..at("data") },
        DecodePlan { format: careful(FormatKind::Json), shape: Some(ShapePlan::default()), ..at("$") },
    ];
    fuzz("page", WORDS, |input| plans.iter().for_each(|plan| drop(decode(plan.clone(), input))));
}

#[test]
fn any_lines_and_rows_are_records_rejects_or_nothing() {
    let format = |kind| DecodePlan { format: FormatPlan { kind, ..FormatPlan::default() }, ..DecodePlan::default() };
    let odd = CsvPlan {
        delimiter: b';',
        quote: None,
        header: CsvHeader::Numbered,
        null_values: vec!["-".to_owned()],
        infer: true,
        ..CsvPlan::default()
    };
    let around = CsvPlan {
        skip_rows: 1,
        header_match: Regex::new("^i").ok().map(Pattern),
        skip_footer: 1,
        footer_match: Regex::new("^T").ok().map(Pattern),
        comment: Some(b'#'),
        ..CsvPlan::default()
    };
    let xml = XmlPlan { records: vec![vec!["data".to_owned(), "row".to_owned()]] };
    let plans = [
        format(FormatKind::Ndjson),
        format(FormatKind::Csv(CsvPlan::default())),
        format(FormatKind::Csv(odd)),
        format(FormatKind::Csv(around)),
        format(FormatKind::Concatenated),
        format(FormatKind::EventStream),
        DecodePlan { records: JsonPath::parse("data.row").ok(), ..format(FormatKind::Xml(xml)) },
        format(FormatKind::Auto(CsvPlan::default())),
        DecodePlan { format: careful(FormatKind::Ndjson), ..DecodePlan::default() },
        DecodePlan { format: careful(FormatKind::Csv(CsvPlan::default())), ..DecodePlan::default() },
    ];
    fuzz("lines", WORDS, |input| {
        plans.iter().for_each(|plan| drop(decode(plan.clone(), input)));
        // Lines that are JSON are the elements of the array that they make.
        let text = String::from_utf8_lossy(input);
        let lines: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
        if !lines.is_empty() && lines.iter().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object()))
        {
            let array = format!("[{}]", lines.join(","));
            let (by_line, whole) =
                (decode(plans[0].clone(), text.as_bytes()).unwrap(), decode(at("$"), array.as_bytes()).unwrap());
            assert_eq!((by_line.facts.records, by_line.table.rows.batch), (whole.facts.records, whole.table.rows.batch));
        }
    });
}
