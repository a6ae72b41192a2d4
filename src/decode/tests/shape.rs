//! Records on their way through hooks.

use std::sync::Arc;

use super::{at, decode, lines};
use crate::decode::shape::{PageHook, RecordFault, RecordHook};
use crate::decode::{DecodePlan, DecodedPage, Json, ShapePlan};
use crate::source::Page;

/// Drops records with `drop`, fails at those with `fail`, and makes a row of each element of `each`.
#[derive(Debug)]
struct Sample;

struct SamplePage(u64);

impl RecordHook for Sample {
    fn begin<'h>(&'h self, _page: &'h Page) -> Box<dyn PageHook + 'h> {
        Box::new(SamplePage(0))
    }
}

impl PageHook for SamplePage {
    fn record(&mut self, record: Json, out: &mut Vec<Json>) -> Result<(), RecordFault> {
        self.0 += 1;
        if record.member("fail").is_some() {
            let (path, expected, actual) = ("$.fail".to_owned(), "no failure".to_owned(), "one".to_owned());
            return Err(RecordFault { path, expected, actual, record: Box::new(record), is_whole: false });
        }
        match record.member("each") {
            Some(Json::Array(items)) => {
                out.extend(items.iter().map(|item| Json::Object(vec![("each".to_owned(), item.clone())])));
            }
            _ if record.member("drop").is_some() => {}
            _ => out.push(record),
        }
        Ok(())
    }

    fn end(self: Box<Self>, decoded: &mut DecodedPage) {
        decoded.duplicate_members += self.0 * 100;
    }
}

#[test]
fn every_record_is_a_row_a_reject_or_filtered_and_keeps_its_place_in_the_page() {
    let hooks: Vec<Arc<dyn RecordHook>> = vec![Arc::new(Sample)];
    let plan =
        DecodePlan { shape: Some(ShapePlan { hooks, ..ShapePlan::default() }), key_columns: vec!["id".to_owned()], ..at("data") };
    let body = r#"{"data":[{"id":1.50,"id":1.5},{"drop":1},{"each":[]},{"fail":1},7,{"each":["x","y"]},{"id":2,"drop":false}],"next":3}"#;
    let decoded = decode(plan.clone(), body).unwrap();
    assert_eq!(lines(&decoded.table.rows.batch), r#"{"id":1.5}"#);
    let rejects: Vec<String> =
        decoded.rejects.iter().map(|reject| format!("{} {} {}", reject.record, reject.path, reject.raw)).collect();
    assert_eq!(rejects, ["3 $.fail {\"fail\":1}", "4 $ 7", "5 $.id {\"each\":\"x\"}", "5 $.id {\"each\":\"y\"}"]);
    assert_eq!((decoded.facts.records, decoded.filtered, decoded.exploded), (7, 3, 1));
    assert_eq!(decoded.duplicate_members, 601);
    let plain = decode(DecodePlan { shape: None, ..plan }, body).unwrap();
    assert_eq!(plain.facts, decoded.facts, "the paginator sees the page as it came");
}
