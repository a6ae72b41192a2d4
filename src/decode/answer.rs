//! What an answer is where it is no list of records: an error in a 200, an envelope without its list, or one record by itself.
//!
//! Only names that APIs use for the answer itself count. An object that has any other name, and does not say that it failed, is a record.

use serde_json::Value;

use crate::base::{JsonPath, Step};
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
/// Members with the words of a failure, where nothing else has them.
const MESSAGES: [&str; 6] = ["message", "msg", "detail", "details", "reason", "description"];
/// Objects beside a list that tell how the answer went.
const HEADS: [&str; 5] = ["meta", "metadata", "status", "header", "responseheader"];
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

/// The member of a page that says it is no page of records but a failure: at its top, or around the place of the records.
pub(super) fn failure<'t>(text: &'t str, records: &JsonPath) -> Option<(String, &'t str)> {
    let (mut text, mut steps) = (text, records.steps().iter());
    loop {
        let mut around = members(text);
        let within = match steps.next() {
            Some(Step::Key(key)) => around.iter().find(|(name, _)| name == key).map(|(_, value)| *value),
            _ => None,
        };
        let heads = around.iter().filter(|(name, _)| HEADS.contains(&&*reduced(name)));
        let of_heads: Vec<_> = heads.flat_map(|(_, value)| members(value)).collect();
        around.extend(of_heads);
        if let Some(said) = said_of_failure(around) {
            return Some(said);
        }
        text = within?;
    }
}

/// The member of these that tells of a failure in words; else the first that tells of one.
fn said_of_failure(members: Vec<(String, &str)>) -> Option<(String, &str)> {
    let tells = |(name, value): &(String, &str)| tells_of_failure(&reduced(name), value);
    let first = members.iter().position(tells)?;
    let has_words = |value: &str| value.starts_with(['"', '{', '[']) && value.len() > 2;
    let is_failure = |member: &(String, &str)| FAILURES.contains(&&*reduced(&member.0)) && tells(member) && has_words(member.1);
    let is_message = |(name, value): &(String, &str)| MESSAGES.contains(&&*reduced(name)) && has_words(value);
    let in_words = members.iter().position(is_failure).or_else(|| members.iter().position(is_message));
    members.into_iter().nth(in_words.unwrap_or(first))
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
        let records = || JsonPath::parse("data").unwrap();
        for body in
            [r#"{"data":null}"#, r#"{"success":true,"errors":[],"data":null}"#, r#"{"code":0,"message":"success","data":null}"#]
        {
            assert_eq!(failure(body, &records()), None, "{body}");
        }
        for body in [
            r#"{"success":false,"data":null}"#,
            r#"{"errors":[{"x":1}],"data":null}"#,
            r#"{"code":500,"data":null}"#,
            r#"{"status":"error","data":null}"#,
            r#"{"message":"quota exceeded","data":null}"#,
        ] {
            assert!(failure(body, &records()).is_some(), "{body}");
        }
    }

    #[test]
    fn a_failure_around_the_list_is_told_in_its_words() {
        let said = |body: &'static str| failure(body, &JsonPath::parse("response.docs").unwrap()).map(|(_, value)| value);
        for (body, words) in [
            (r#"{"response":{"docs":[]},"success":false,"error":"late"}"#, "\"late\""),
            (r#"{"response":{"docs":[]},"error":true,"message":"late"}"#, "\"late\""),
            (r#"{"response":{"ok":false,"reason":"late","docs":[]}}"#, "\"late\""),
            (r#"{"meta":{"code":401,"error_message":"late"},"response":{"docs":[]}}"#, "\"late\""),
            (r#"{"response":{"docs":[]},"statusCode":503}"#, "503"),
            (r#"{"response":{"docs":[]},"ErrorCode":"7"}"#, "\"7\""),
        ] {
            assert_eq!(said(body), Some(words), "{body}");
        }
        for body in [
            r#"{"response":{"docs":[]},"errors":[],"error":null,"code":0,"status":"ok"}"#,
            r#"{"response":{"errorCode":0,"docs":[]},"error":false,"fault":{},"code":200,"success":true}"#,
            r#"{"responseHeader":{"status":0,"QTime":4},"response":{"numFound":0,"docs":[]}}"#,
            r#"{"meta":{"code":200},"status":{"code":0,"message":"SUCCESS"},"response":{"docs":[]},"message":"no rows"}"#,
        ] {
            assert_eq!(said(body), None, "{body}");
        }
    }
}
