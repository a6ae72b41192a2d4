//! What an answer is where it is no list of records: an error in a 200, an envelope without its list, or one record by itself.
//!
//! Only names that APIs use for the answer itself count. An object that has any other name, and does not say that it failed, is a record.

use serde_json::Value;

use crate::decode::reader::Reader;

/// Members at a page's top that APIs put their errors in.
const ERROR_MEMBERS: [&str; 4] = ["error", "errors", "message", "fault"];
/// Members that tell of a failure unless they hold nothing.
const FAILURES: [&str; 6] = ["error", "errors", "fault", "exception", "errormessage", "errorcode"];
/// Members that tell of a failure when they are false.
const SUCCESSES: [&str; 6] = ["success", "ok", "succeeded", "successful", "issuccess", "issuccessful"];
/// Members whose text or number may tell of a failure.
const STATUSES: [&str; 6] = ["status", "code", "statuscode", "httpstatus", "result", "state"];
/// What such a text says then.
const FAILED: [&str; 8] = ["error", "fail", "failed", "failure", "unauthorized", "forbidden", "denied", "unavailable"];
/// Words of a message that tells of a failure.
const WORDS: [&str; 10] =
    ["error", "fail", "denied", "invalid", "exceeded", "unauthorized", "forbidden", "expired", "unavailable", "timed out"];
/// Other members that are about the answer, and none of a record.
const ABOUT: [&str; 24] = [
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
];
/// Names of a page's list of records, where it is null.
const LISTS: [&str; 11] =
    ["data", "items", "results", "result", "entries", "records", "rows", "entities", "payload", "content", "objects"];

/// The members at the top of a page, each with its value's text.
fn members(text: &str) -> Vec<(String, &str)> {
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

/// The member of a page that says it is no page of records but a failure.
pub(super) fn failure(text: &str) -> Option<(String, &str)> {
    members(text).into_iter().find(|(name, value)| tells_of_failure(&reduced(name), value))
}

/// Why an object that would be the only record of its page is none.
pub(super) fn is_no_record(text: &str) -> Option<String> {
    let members = members(text);
    let has_identity = members.iter().any(|(name, value)| is_identity(name) && *value != "null");
    let is_failed = |(name, value): &&(String, &str)| {
        let name = reduced(name);
        (SUCCESSES.contains(&&*name) || FAILURES.contains(&&*name)) && tells_of_failure(&name, value)
    };
    if let Some((name, _)) = members.iter().find(is_failed).filter(|_| !has_identity) {
        return Some(format!("its `{name}` tells of a failure"));
    }
    if members.is_empty() {
        return Some("it has no members".to_owned());
    }
    let is_about_answer = |(name, value): &(String, &str)| {
        let name = reduced(name);
        let name = name.as_str();
        FAILURES.contains(&name)
            || SUCCESSES.contains(&name)
            || STATUSES.contains(&name)
            || ABOUT.contains(&name)
            || LISTS.contains(&name) && *value == "null"
    };
    members.iter().all(is_about_answer).then(|| "its members are about the answer alone".to_owned())
}

fn tells_of_failure(name: &str, value: &str) -> bool {
    let value: Value = serde_json::from_str(value).unwrap_or(Value::Bool(true));
    let holds_nothing = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => ["", "0", "none", "false", "ok", "success"].contains(&text.trim().to_ascii_lowercase().as_str()),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    };
    let text = value.as_str().map(str::to_ascii_lowercase);
    if FAILURES.contains(&name) {
        return !holds_nothing;
    }
    if SUCCESSES.contains(&name) {
        return value == Value::Bool(false) || value.as_i64() == Some(0) || text.is_some_and(|text| text == "false");
    }
    if STATUSES.contains(&name) {
        return value.as_u64().is_some_and(|code| (400..600).contains(&code))
            || text.is_some_and(|text| FAILED.contains(&text.trim()));
    }
    ["message", "msg", "detail"].contains(&name) && text.is_some_and(|text| WORDS.iter().any(|word| text.contains(word)))
}

/// Whether a name is one that records are told apart by.
fn is_identity(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_of_answer = ["request", "trace", "correlation"].iter().any(|what| lower.contains(what));
    !is_of_answer
        && (["id", "_id", "uuid", "key", "name"].contains(&lower.as_str()) || lower.ends_with("_id") || name.ends_with("Id"))
}

fn reduced(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
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

    #[test]
    fn a_list_that_is_null_is_no_failure_by_itself() {
        for body in
            [r#"{"data":null}"#, r#"{"success":true,"errors":[],"data":null}"#, r#"{"code":0,"message":"success","data":null}"#]
        {
            assert_eq!(failure(body), None, "{body}");
        }
        for body in [
            r#"{"success":false,"data":null}"#,
            r#"{"errors":[{"x":1}],"data":null}"#,
            r#"{"code":500,"data":null}"#,
            r#"{"status":"error","data":null}"#,
            r#"{"message":"quota exceeded","data":null}"#,
        ] {
            assert!(failure(body).is_some(), "{body}");
        }
    }
}
