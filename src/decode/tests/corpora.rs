//! What a JSON parser must accept and refuse, and real payloads.

use std::path::PathBuf;
use std::sync::Arc;

use super::oracle::assert_same_values;
use super::{at, declared, decode, page};
use crate::base::JsonPath;
use crate::decode::{DecodeError, DecodePlan, Decoder};

/// The files of a folder of fixtures whose names begin with `prefix`.
fn fixtures(folder: &str, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .filter(|(name, _)| name.starts_with(prefix) && name.ends_with(".json"))
        .collect();
    files.sort();
    files
}

/// Decodes `json` as a column's value, as a JSON column's, as a member that is left out, and as one around the records.
fn everywhere(json: &[u8]) -> [Result<usize, DecodeError>; 4] {
    let wrap = |before: &str, after: &str| [before.as_bytes(), json, after.as_bytes()].concat();
    let run = |plan: DecodePlan, body: Vec<u8>| {
        let decoded = Decoder::new(plan).decode(&page(1, body), &Arc::default())?;
        Ok(decoded.rejects.len())
    };
    [
        run(at("$"), wrap("[{\"v\":", "}]")),
        run(declared(r#"{"columns":[{"name":"v","type":"json"}]}"#), wrap("[{\"v\":", "}]")),
        run(declared(r#"{"columns":[{"name":"a","type":"json"}],"additional":"ignore"}"#), wrap("[{\"v\":", "}]")),
        run(at("data"), wrap("{\"v\":", ",\"data\":[]}")),
    ]
}

#[test]
fn what_must_be_accepted_is_accepted_wherever_it_stands() {
    let files = fixtures("json-test-suite/test_parsing", "y_");
    assert_eq!(files.len(), 95);
    for (name, json) in files {
        for (place, outcome) in everywhere(&json).into_iter().enumerate() {
            assert_eq!(outcome.unwrap_or_else(|error| panic!("{name} in place {place}: {error}")), 0, "{name} in place {place}");
        }
    }
}

#[test]
fn what_must_be_refused_is_refused_wherever_it_stands() {
    let files = fixtures("json-test-suite/test_parsing", "n_");
    assert_eq!(files.len(), 188);
    for (name, json) in files {
        for (place, outcome) in everywhere(&json).into_iter().enumerate() {
            assert!(outcome.is_err(), "{name} in place {place}");
        }
        // As a whole page, without a wrapping that could be what is wrong.
        let whole = DecodePlan { records: Some(JsonPath::root()), ..DecodePlan::default() };
        assert!(Decoder::new(whole).decode(&page(1, json), &Arc::default()).is_err(), "{name} as a page");
    }
}

#[test]
fn what_is_left_to_parsers_is_decided_without_panic() {
    for (name, json) in fixtures("json-test-suite/test_parsing", "i_") {
        let accepted = everywhere(&json).map(|outcome| outcome.is_ok());
        // Rejected as a float beyond range, kept as text: the page is whole in both cases.
        assert!(accepted.iter().all(|&ok| ok == accepted[0]), "{name}: {accepted:?}");
    }
}

#[test]
fn real_payloads_keep_their_values() {
    let files = fixtures("octokit-webhook-payloads", "");
    assert_eq!(files.len(), 7);
    let texts: Vec<String> = files.into_iter().map(|(_, json)| String::from_utf8(json).unwrap()).collect();
    let records: Vec<serde_json::Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    for (text, record) in texts.iter().zip(&records) {
        assert_same_values(&format!("[{text}]"), std::slice::from_ref(record));
    }
    assert_same_values(&format!("[{}]", texts.join(",")), &records);
    assert!(decode(at("$"), &texts[0]).unwrap().rejects.is_empty());
}
