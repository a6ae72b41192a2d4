//! What an answer is where it is no list of records: an error in a 200, an envelope without its list, or one record by itself.
//!
//! Only names that APIs use for the answer itself count. An object that has any other name, and does not say that it failed, is a record.

use crate::decode::failure::{is_about_failure, reduced, tells_outright};
use crate::decode::reader::Reader;
use crate::source::tells_of_paging;

/// Members at a page's top that APIs put their errors in.
const ERROR_MEMBERS: [&str; 4] = ["error", "errors", "message", "fault"];
/// Other members that are about the answer, and none of a record.
const ABOUT: [&str; 28] = [
    "message",
    "messages",
    "msg",
    "detail",
    "details",
    "title",
    "type",
    "count",
    "total",
    "totalcount",
    "timestamp",
    "time",
    "path",
    "requestid",
    "traceid",
    "correlationid",
    "meta",
    "metadata",
    "links",
    "pagination",
    "version",
    "warnings",
    "notices",
    "documentationurl",
    "kind",
    "etag",
    "selflink",
    "resultsizeestimate",
];
/// Names of a page's list of records, where it is null.
const LISTS: [&str; 11] =
    ["data", "items", "results", "result", "entries", "records", "rows", "entities", "payload", "content", "objects"];

/// The members at the top of a page, each with its value's text.
pub(super) fn members(text: &str) -> Vec<(String, &str)> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    let mut found = Vec::new();
    if reader.peek() != b'{' || reader.enter().is_err() || reader.peek() == b'}' {
        return found;
    }
    while let Ok(key) = reader.key() {
        let name = reader.resolve(key, &mut Vec::new()).to_owned();
        let start = reader.pos;
        if reader.skip_value().is_err() {
            break;
        }
        found.push((name, text.get(start..reader.pos).unwrap_or_default().trim_end().trim_end_matches(',')));
        if !matches!(reader.more(b'}'), Ok(true)) {
            break;
        }
    }
    found
}

/// The first of a page's members that tells an error, and its value as it stands there: what an answer without records may be about.
pub(super) fn error_member(text: &str) -> Option<(&'static str, &str)> {
    members(text).into_iter().find_map(|(name, value)| {
        ERROR_MEMBERS.into_iter().find(|known| *known == name).filter(|_| value != "null").map(|known| (known, value))
    })
}

/// Why an object that would be the only record of its page is none.
pub(super) fn is_no_record(text: &str) -> Option<String> {
    let members = members(text);
    let has_identity = members.iter().any(|(name, value)| is_identity(name) && *value != "null");
    let is_failed = |(name, value): &&(String, &str)| tells_outright(name, value);
    if let Some((name, _)) = members.iter().find(is_failed).filter(|_| !has_identity) {
        return Some(format!("its `{name}` tells of a failure"));
    }
    if members.is_empty() {
        return Some("it has no members".to_owned());
    }
    let is_about_answer = |(name, value): &(String, &str)| {
        let short = reduced(name);
        is_about_failure(&short)
            || ABOUT.contains(&short.as_str())
            || tells_of_paging(std::slice::from_ref(name))
            || LISTS.contains(&short.as_str()) && *value == "null"
    };
    members.iter().all(is_about_answer).then(|| "its members are about the answer alone".to_owned())
}

/// Whether a name is a member of a record's own: about no answer and no paging, and no key.
pub(super) fn is_own(name: &str) -> bool {
    let short = reduced(name);
    let is_of_answer = is_about_failure(&short) || ABOUT.contains(&short.as_str()) || tells_of_paging(&[name.to_owned()]);
    !is_of_answer && !["id", "_id", "uuid"].contains(&name)
}

/// Whether a name is one that records are told apart by.
pub(super) fn is_identity(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_of_answer = ["request", "trace", "correlation"].iter().any(|what| lower.contains(what));
    !is_of_answer
        && (["id", "_id", "uuid", "key", "name"].contains(&lower.as_str()) || lower.ends_with("_id") || name.ends_with("Id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_failed_or_lost_its_list_is_no_record() {
        for body in [
            r#"{"success":false,"error":"no rights"}"#,
            r#"{"status":"success","count":0,"data":null}"#,
            r#"{"status":"success","message":"no data for this period"}"#,
            r#"{"error":{"code":401},"help":"https://x","request_id":"7"}"#,
            r#"{"ok":false,"reason":"x"}"#,
            r#"{"code":500,"msg":"internal","data":null}"#,
            r#"{"totalSize":0}"#,
            r#"{"resultSizeEstimate":0}"#,
            r#"{"NextToken":null}"#,
            r#"{"count":0,"next":null}"#,
            r#"{"kind":"calendar#events","etag":"x","nextPageToken":null}"#,
            r#"{"_links":{"self":{"href":"/a"}},"page":{"size":20,"totalElements":0,"totalPages":0,"number":0}}"#,
            "{}",
        ] {
            assert!(is_no_record(body).is_some(), "{body}");
        }
    }

    #[test]
    fn a_record_by_itself_is_one() {
        for body in [
            r#"{"id":7,"status":"failed","error":"timeout"}"#,
            r#"{"name":"x","success":false}"#,
            r#"{"EUR":1.1,"USD":1}"#,
            r#"{"data":null,"size":3}"#,
            r#"{"error":null,"temperature":3}"#,
            r#"{"total":3,"average":1.5}"#,
        ] {
            assert_eq!(is_no_record(body), None, "{body}");
        }
    }
}
