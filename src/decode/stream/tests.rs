//! A page in a file is the page in memory, wherever its windows and slices end.

use std::io::Write;
use std::sync::Arc;

use proptest::prelude::*;

use crate::base::{ErrorKind, JsonPath};
use crate::config::{CsvPlan, FormatKind, FormatPlan};
use crate::decode::stream::StreamBounds;
use crate::decode::tests::{at, lines, page};
use crate::decode::{DecodeError, DecodePlan, DecodedPage, Decoder};
use crate::source::{Page, PageFacts, SpooledBody};

const WHOLE_MAX: u64 = 1 << 20;

fn spooled(body: &[u8], whole_max: u64) -> Page {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(body).unwrap();
    let spooled = SpooledBody::new(Arc::new(file), 0, body.len() as u64, whole_max);
    Page { spooled: Some(Arc::new(spooled)), ..page(1, "") }
}

fn decoder(plan: &DecodePlan, window_bytes: usize, slice_bytes: usize) -> Decoder {
    let mut decoder = Decoder::new(plan.clone());
    decoder.stream = StreamBounds { window_bytes, slice_bytes, ..StreamBounds::default() };
    decoder
}

/// What a page came to: facts, rows, and rejects with their place.
#[derive(Debug, PartialEq)]
struct Outcome {
    facts: PageFacts,
    rows: String,
    rejects: Vec<String>,
    counts: [u64; 2],
}

fn outcome(facts: PageFacts, pages: &[DecodedPage]) -> Outcome {
    let all = pages.iter().map(|page| lines(&page.table.rows.batch)).filter(|rows| !rows.is_empty());
    Outcome {
        facts,
        rows: all.collect::<Vec<_>>().join("\n"),
        rejects: pages
            .iter()
            .flat_map(|page| &page.rejects)
            .map(|reject| format!("{}: {} {} in {}", reject.record, reject.expected, reject.path, reject.raw))
            .collect(),
        counts: [pages.iter().map(|page| page.duplicate_members).sum(), pages.iter().map(|page| page.replaced_characters).sum()],
    }
}

fn whole(plan: &DecodePlan, body: &[u8]) -> Result<Outcome, DecodeError> {
    let decoded = Decoder::new(plan.clone()).decode(&page(1, body.to_vec()), &Arc::default())?;
    Ok(outcome(decoded.facts.clone(), &[decoded]))
}

/// The outcome in slices, and how many there were; 0 when the page had to be read as a whole.
fn sliced(plan: &DecodePlan, body: &[u8], window: usize, slice: usize) -> Result<(Outcome, usize), DecodeError> {
    let (decoder, mut page) = (decoder(plan, window, slice), spooled(body, WHOLE_MAX));
    let Some(survey) = decoder.open(&mut page)? else {
        let decoded = decoder.decode(&page, &Arc::default())?;
        return Ok((outcome(decoded.facts.clone(), &[decoded]), 0));
    };
    let mut pages = Vec::new();
    for slice in &survey.slices {
        let decoded = decoder.decode_slice(&page, slice, &Arc::default())?;
        assert_eq!(decoded.facts.records, slice.records);
        pages.push(decoded);
    }
    assert_eq!(survey.facts.records, survey.slices.iter().map(|slice| slice.records).sum::<u64>());
    Ok((outcome(survey.facts, &pages), survey.slices.len()))
}

fn wanting(path: &str, wanted: &[&str]) -> DecodePlan {
    let wanted = wanted.iter().map(|path| JsonPath::parse(path).unwrap()).collect();
    DecodePlan { wanted, look_for_more_pages: true, record_hashes: true, ..at(path) }
}

/// In windows and slices of any size, the page comes to what it comes to in memory; it is read piece by piece.
#[track_caller]
fn check(plan: &DecodePlan, body: &str) {
    let expected = whole(plan, body.as_bytes()).unwrap();
    for window in [1, 2, 3, 7, 64, 1 << 20] {
        for slice in [1, 10, 40, 1 << 20] {
            let (found, slices) = sliced(plan, body.as_bytes(), window, slice).unwrap();
            assert_eq!(found, expected, "windows of {window}, slices of {slice}: {body}");
            assert!(slices > 0 && (slices > 1 || slice > 1 || expected.facts.records < 2), "{slices} slices: {body}");
        }
    }
}

#[test]
fn records_come_through_whatever_stands_around_them() {
    check(&at("$"), r#"[{"a":1},{"a":2}]"#);
    check(&at("$"), " [ {\"a\":1} ,\n{\"a\":2} ]\n");
    check(&at("data"), r#"{"data":[]}"#);
    check(&at("data"), r#"{"data":[ ] }"#);
    check(&at("data"), r#"{"data":{"a":[1,2],"b":{"c":"}"}}}"#);
    let plan = wanting("result.data", &["next", "result.total", "list[1]", "missing", "result.data2"]);
    check(&plan, r#"{"list":[1,[2]],"result":{"x":{"data":[0]},"data":[{"a":1},{"a":2},{"a":3}],"total":3},"next":"c\"]"}"#);
    check(&plan, r#"{"next":{"data":[{"result":[]}]},"result":{"total":"9","data":[{"a":[{"data":[1]}]},{"a":[]}]}}"#);
}

#[test]
fn strings_do_not_end_at_borders() {
    check(&at("data"), r#"{"x":"\\\"[{","data":[{"a":"]},\"\\"},{"a":"\\\\"},{"a":"[{"}],"y":"\\"}"#);
    check(&at("data"), r#"{"data":[{"é":"ü€😀"},{"é":"\ud83d\ude00\u00e9"},{"é":"\ud83d"}],"ß":"\udc00"}"#);
    check(&at("['d\"x']"), r#"{"d\u0022x":[{"a":1}],"d":[2]}"#);
}

#[test]
fn what_is_no_record_has_its_place_in_the_page() {
    check(&at("$"), r#"[{"a":1},7,{"a":2},"x",null,[{"a":3}],{"a":4}]"#);
}

#[test]
fn records_are_found_without_a_selector() {
    let plan = DecodePlan { records: None, ..at("$") };
    check(&plan, r#"[{"a":1},{"a":2}]"#);
    check(&plan, r#"{"meta":{"tags":["x","]"]},"items":[{"a":[{"b":1}]},{"a":[{"b":2}]}],"none":[]}"#);
    let error = sliced(&plan, br#"{"left":[{"a":1}],"right":[{"a":2}]}"#, 5, 5).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("several arrays that may be its records: write `data_selector: left` or `data_selector: right`"),
        "{error}"
    );
}

#[test]
fn lines_come_through_and_broken_ones_have_their_place() {
    let plan = DecodePlan { format: FormatPlan { kind: FormatKind::Ndjson, ..FormatPlan::default() }, ..at("$") };
    let check = |body: &str| {
        let mut expected = whole(&plan, body.as_bytes()).unwrap();
        for (window, slice) in [(1, 1), (3, 10), (64, 20), (1 << 20, 1 << 20)] {
            let (found, slices) = sliced(&plan, body.as_bytes(), window, slice).unwrap();
            // Lines are hashed as they stand in the body.
            expected.facts.records_hash = found.facts.records_hash;
            assert_eq!(found, expected, "windows of {window}, slices of {slice}");
            assert!(slices > 1 || slice > 1);
        }
    };
    check("{\"a\":\"x\"}\n{\"a\":\"é\"}\r\n\n{\"a\":3,}\n7\n{\"a\":\"y\"}\n");
    check("{\"a\":1}\n{\"a\":2}");
    let error = sliced(&plan, b"{\"a\":1}\n{\"a\":", 4, 4).unwrap_err();
    assert!(error.to_string().ends_with("ends at byte 13, in the middle of a record: it is cut off"), "{error}");
}

#[test]
fn a_page_cut_off_anywhere_is_an_error() {
    let body = r#"{"n":{"x":[1]},"data":[{"a":"é\n"},{"a":[2,{}]}],"next":"c"}"#;
    for end in 1..body.len() {
        for (window, slice) in [(1, 1), (5, 10), (1 << 20, 1 << 20)] {
            let cut = &body.as_bytes()[..end];
            assert!(decoder(&at("data"), window, slice).open(&mut spooled(cut, WHOLE_MAX)).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn a_fault_is_told_with_its_place_in_the_body() {
    let told = |body: &str, expected: &str| {
        let error = sliced(&at("data"), body.as_bytes(), 4, 1).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
        assert_eq!(error.kind(), ErrorKind::Data);
    };
    told(r#"{"data":[{"a":1},{"a":}]}"#, "is not JSON at byte 22: expected a value");
    told(r#"{"data":[{"a":1},]}"#, "is not JSON at byte 17: expected a value");
    told(r#"{"data":[{"a":1}],"b":?}"#, "is not JSON at byte 22, in `$.b`: expected a value");
    told(r#"{"data":[{"a":1}"#, "ends at byte 16, in the middle of a value: it is cut off");
    told(
        r#"{"rows":[]}"#,
        "has nothing at `$.data`, where its records should be; at its top are `rows`; it has a list at `rows`",
    );
}

#[test]
fn e_52_a_record_past_the_bound_is_refused_with_its_place_wherever_windows_and_slices_end() {
    let ndjson = DecodePlan { format: FormatPlan { kind: FormatKind::Ndjson, ..FormatPlan::default() }, ..at("$") };
    let small = r#"{"a":"x"}"#;
    let large = format!(r#"{{"a":"{}"}}"#, "y".repeat(100));
    for (plan, before, between, after) in [(&at("data"), r#"{"data":["#, ",", "]}"), (&ndjson, "", "\n", "\n")] {
        let body = |last: &str| format!("{before}{small}{between}{last}{after}");
        for (window, slice) in [(1, 1), (7, 30), (40, 1 << 20), (1 << 20, 1 << 20)] {
            let mut decoder = decoder(plan, window, slice);
            let mut open = |last: &str, record_bytes| {
                decoder.stream.record_bytes = record_bytes;
                decoder.open(&mut spooled(body(last).as_bytes(), WHOLE_MAX)).map(|survey| survey.unwrap().facts.records)
            };
            assert_eq!(open(&large, large.len()).unwrap(), 2, "windows of {window}, slices of {slice}");
            let error = open(&large, 50).unwrap_err();
            let place = before.len() + small.len() + between.len();
            assert!(matches!(error, DecodeError::RecordTooLarge { .. }), "{error}");
            assert!(error.to_string().ends_with(&format!(" at byte {place}")), "{error}");
            assert_eq!(error.kind(), ErrorKind::Data);
        }
    }
}

#[test]
fn what_cannot_be_read_in_pieces_is_read_whole_or_refused() {
    let refused = |plan: &DecodePlan, body: &str, why: &str| {
        let (_, slices) = sliced(plan, body.as_bytes(), 4, 4).unwrap();
        assert_eq!(slices, 0, "{why}");
        let error = decoder(plan, 4, 4).open(&mut spooled(body.as_bytes(), 3)).unwrap_err();
        let limit = "more than 3 can be read only piece by piece, which it cannot be:";
        assert!(error.to_string().ends_with(&format!("has {} bytes; {limit} {why}", body.len())), "{error}");
        assert_eq!(error.kind(), ErrorKind::Data);
    };
    let csv = DecodePlan { format: FormatPlan { kind: FormatKind::Csv(CsvPlan::default()), ..FormatPlan::default() }, ..at("$") };
    refused(&csv, "a\n1\n", "it is CSV");
    refused(&at("data[0].rows"), r#"{"data":[{"rows":[{"a":1}]}]}"#, "its records are not at a path of names alone");
    refused(
        &wanting("data", &["data[0].a"]),
        r#"{"data":[{"a":1}]}"#,
        "the paginator or `expect` asks for something in its records",
    );
    refused(&at("data"), r#"{"data":[{"a":1}],"data":[{"a":2}]}"#, "it has its records twice, of which the last count");
    let lenient = DecodePlan { format: FormatPlan { lenient: true, ..FormatPlan::default() }, ..at("data") };
    refused(&lenient, r#"{"data":[{"a":NaN}]}"#, "`response_format` changes its text");
}

fn any_record() -> impl Strategy<Value = serde_json::Value> {
    ("\\PC{0,6}[\\[\\]{}\",\\\\]{0,3}", any::<i32>(), prop::collection::vec(any::<i32>(), 0..3))
        .prop_map(|(text, number, list)| serde_json::json!({"s": text, "n": number, "l": [{"x": list}]}))
}

proptest! {
    #[test]
    fn in_windows_and_slices_of_any_size_a_page_is_what_it_is_in_memory(
        records in prop::collection::vec(any_record(), 0..8),
        before: bool,
        (window, slice) in (1usize..50, 1usize..120),
    ) {
        let meta = serde_json::json!({"data": ["]}"], "next": "\\\""});
        let records = serde_json::Value::from(records).to_string();
        let body = if before { format!("{{\"meta\":{meta},\"data\":{records}}}") } else { format!("{{\"data\": {records} ,\"meta\":{meta}}}") };
        let plan = wanting("data", &["meta.next"]);
        let expected = whole(&plan, body.as_bytes()).unwrap();
        prop_assert_eq!(sliced(&plan, body.as_bytes(), window, slice).unwrap().0, expected);
    }

    #[test]
    fn a_damaged_page_is_refused_when_it_is_in_memory(
        records in prop::collection::vec(any_record(), 1..5),
        at_byte: prop::sample::Index,
        byte in prop::sample::select(b"{}[],:\"\\ 1a\xff".to_vec()),
        (window, slice) in (1usize..50, 1usize..120),
    ) {
        let body = format!("{{\"data\":{},\"next\":[1]}}", serde_json::Value::from(records));
        let mut body = body.into_bytes();
        let place = at_byte.index(body.len());
        body[place] = byte;
        let plan = at("data");
        let (expected, found) = (whole(&plan, &body), sliced(&plan, &body, window, slice));
        prop_assert_eq!(expected.is_ok(), found.is_ok(), "{:?}, {:?}: {}", &expected, &found, String::from_utf8_lossy(&body));
        if let (Ok(expected), Ok((found, _))) = (expected, found) {
            prop_assert_eq!(found.facts, expected.facts);
            prop_assert_eq!(found.rejects, expected.rejects);
        }
    }
}
