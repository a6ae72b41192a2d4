//! What an answer says of its own failure, of members around its records: one table of names and of what they say.
//!
//! `docs/config.md` lists all of it, which a test compares. Names count in lower-case letters and digits alone: `error_code` and `errorCode`
//! are one. Beside records only what is a failure outright counts: no words of a message, and nothing of an object that has a key of its own.

use serde_json::Value;

use crate::base::{JsonPath, Step};
use crate::decode::answer::{is_identity, members};

/// What a member tells, going by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A failure, unless it holds nothing.
    Error,
    /// The words of one, unless a code of 0 stands beside.
    Words,
    /// A failure where it is false.
    Success,
    /// A failure where it is true.
    Failed,
    /// A failure where it has the text or the number of one.
    Status,
    /// A failure where it has words of one, and no records are there.
    Message,
}

/// The names of each kind.
const NAMES: [(Kind, &[&str]); 6] = [
    (
        Kind::Error,
        &[
            "error",
            "errors",
            "fault",
            "exception",
            "exceptions",
            "errorcode",
            "errcode",
            "errno",
            "err",
            "errortype",
            "errordetails",
            "faultcode",
            "faultstring",
        ],
    ),
    (Kind::Words, &["errormessage", "errmsg", "errormsg", "errordescription"]),
    (Kind::Success, &["success", "ok", "succeeded", "successful", "issuccess", "issuccessful"]),
    (Kind::Failed, &["iserror", "failed", "isfailed", "hasfailed", "haserror", "haserrors", "timedout"]),
    (Kind::Status, &["status", "code", "statuscode", "httpstatus", "httpcode", "responsecode", "result", "state", "stat"]),
    (Kind::Message, &["message", "msg", "detail"]),
];
/// What a status says where it is one of a failure.
const STATUSES: [&str; 34] = [
    "error",
    "errored",
    "err",
    "fail",
    "failed",
    "failure",
    "fatal",
    "fault",
    "exception",
    "ko",
    "nok",
    "notok",
    "timeout",
    "timedout",
    "aborted",
    "unauthorized",
    "unauthenticated",
    "forbidden",
    "denied",
    "accessdenied",
    "permissiondenied",
    "requestdenied",
    "unavailable",
    "serviceunavailable",
    "badrequest",
    "invalidrequest",
    "toomanyrequests",
    "ratelimited",
    "overquerylimit",
    "quotaexceeded",
    "resourceexhausted",
    "deadlineexceeded",
    "unknownerror",
    "internalservererror",
];
/// Words of a message that tells of a failure.
const WORDS: [&str; 19] = [
    "error",
    "fail",
    "denied",
    "invalid",
    "exceeded",
    "unauthorized",
    "forbidden",
    "expired",
    "unavailable",
    "timed out",
    "timeout",
    "credential",
    "authenticat",
    "permission",
    "not allowed",
    "not authorized",
    "throttled",
    "too many requests",
    "went wrong",
];
/// Words that take some of these back.
const TAKEN_BACK: [&str; 4] = ["no error", "0 error", "without error", "0 fail"];
/// Texts that hold nothing, where an error would stand.
const NOTHING: [&str; 13] =
    ["", "none", "null", "nil", "na", "no", "false", "ok", "success", "successful", "noerror", "noerrors", "200"];
/// Objects beside the records that tell how the answer went.
const HEADS: [&str; 8] = ["meta", "metadata", "status", "header", "responseheader", "response", "responsestatus", "shards"];
/// Members with the words of a failure, where nothing else has them.
const MESSAGES: [&str; 6] = ["message", "msg", "detail", "details", "reason", "description"];

/// The member of a page that says it is a failure, and its value: at the page's top, in an object that leads to its records, or in one that
/// tells how the answer went. `has_records`: only what is a failure outright counts.
pub(super) fn failure<'t>(text: &'t str, records: &JsonPath, has_records: bool) -> Option<(String, &'t str)> {
    let (mut text, mut steps) = (text, records.steps());
    if has_records && steps.is_empty() {
        // The members are the record's own.
        return None;
    }
    loop {
        let mut around = members(text);
        let within = match steps.split_first() {
            Some((Step::Key(key), rest)) => around.iter().rfind(|(name, _)| name == key).map(|(_, value)| (*value, rest)),
            _ => None,
        };
        if let (Some(Step::Key(key)), true) = (steps.first(), steps.len() == 1 || has_records) {
            // What the list itself is called tells nothing: `failed: [...]`.
            around.retain(|(name, _)| name != key);
        }
        let is_record = has_records && around.iter().any(|(name, value)| is_identity(name) && *value != "null");
        if !is_record {
            let heads = around.iter().filter(|(name, _)| HEADS.contains(&&*reduced(name)));
            let of_heads: Vec<_> = heads.flat_map(|(head, value)| head_members(head, value)).collect();
            around.extend(of_heads);
            // A status may be what was asked for, so that it is named last.
            around.sort_by_key(|(name, _)| kind(&reduced(name)) == Some(Kind::Status));
            if let Some(said) = said_of_failure(around, has_records) {
                return Some(said);
            }
        }
        (text, steps) = within.filter(|(_, rest)| !rest.is_empty())?;
    }
}

/// The members of an object that tells how the answer went; of Elasticsearch's shards, how many failed.
fn head_members<'t>(head: &str, value: &'t str) -> Vec<(String, &'t str)> {
    let mut found = members(value);
    if reduced(head) == "shards" {
        found.retain(|(name, _)| name == "failed");
        found.iter_mut().for_each(|(name, _)| "errors".clone_into(name));
    }
    found
}

/// The member of these that tells of a failure in words; else the first that tells of one.
fn said_of_failure(members: Vec<(String, &str)>, has_records: bool) -> Option<(String, &str)> {
    let code_is_0 = members.iter().any(|(name, value)| {
        ["errorcode", "errcode", "errno", "code"].contains(&&*reduced(name)) && *value != "null" && holds_nothing(&parsed(value))
    });
    let tells = |(name, value): &(String, &str)| match kind(&reduced(name)) {
        Some(Kind::Message) if has_records => false,
        Some(Kind::Words) if code_is_0 => false,
        Some(kind) => tells_of_failure(kind, value),
        None => false,
    };
    let first = members.iter().position(tells)?;
    let has_words = |value: &str| value.starts_with(['"', '{', '[']) && value.len() > 2;
    let is_error = |name: &str| matches!(kind(&reduced(name)), Some(Kind::Error | Kind::Words));
    let is_failure = |member: &(String, &str)| is_error(&member.0) && tells(member) && has_words(member.1);
    let is_message = |(name, value): &(String, &str)| MESSAGES.contains(&&*reduced(name)) && has_words(value);
    let in_words = members.iter().position(is_failure).or_else(|| members.iter().position(is_message));
    members.into_iter().nth(in_words.unwrap_or(first))
}

/// Whether a member of an object by itself says that there is no record in it.
pub(super) fn tells_outright(name: &str, value: &str) -> bool {
    matches!(kind(&reduced(name)), Some(kind @ (Kind::Error | Kind::Words | Kind::Success)) if tells_of_failure(kind, value))
}

/// Whether a member of this reduced name is about how an answer went.
pub(super) fn is_about_failure(name: &str) -> bool {
    kind(name).is_some()
}

fn kind(name: &str) -> Option<Kind> {
    NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(kind, _)| *kind)
}

fn parsed(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or(Value::Bool(true))
}

fn tells_of_failure(kind: Kind, value: &str) -> bool {
    let value = parsed(value);
    let text = value.as_str().map(|text| text.trim().to_lowercase());
    match kind {
        Kind::Error | Kind::Words => !holds_nothing(&value),
        Kind::Success => {
            let is_no = |text: String| ["false", "no", "n", "0", "fail", "failed", "error"].contains(&text.as_str());
            value == Value::Bool(false) || value.as_i64() == Some(0) || text.is_some_and(is_no)
        }
        Kind::Failed => value == Value::Bool(true) || text.is_some_and(|text| text == "true"),
        Kind::Status => {
            let code = value.as_u64().or_else(|| text.as_ref()?.parse().ok());
            code.is_some_and(|code| (400..600).contains(&code)) || text.is_some_and(|text| STATUSES.contains(&&*reduced(&text)))
        }
        Kind::Message => text.is_some_and(|text| {
            let told = TAKEN_BACK.iter().fold(text, |text, words| text.replace(words, ""));
            WORDS.iter().any(|word| told.contains(word))
        }),
    }
}

/// Whether the value of an error says that there is none.
fn holds_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64().is_some_and(|number| number == 0.0 || (200.0..300.0).contains(&number)),
        Value::String(text) => {
            let words: String = text.trim().to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
            NOTHING.contains(&&*words) || words.bytes().all(|byte| byte == b'0')
        }
        Value::Array(items) => items.iter().all(holds_nothing),
        Value::Object(members) => members.values().all(holds_nothing),
    }
}

/// A name in lower-case letters and digits alone.
pub(super) fn reduced(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn said<'t>(body: &'t str, records: &str, has_records: bool) -> Option<&'t str> {
        failure(body, &JsonPath::parse(records).unwrap(), has_records).map(|(_, value)| value)
    }

    #[test]
    fn a_list_that_is_null_is_no_failure_by_itself() {
        for body in
            [r#"{"data":null}"#, r#"{"success":true,"errors":[],"data":null}"#, r#"{"code":0,"message":"success","data":null}"#]
        {
            assert_eq!(said(body, "data", false), None, "{body}");
        }
        for body in [
            r#"{"success":false,"data":null}"#,
            r#"{"errors":[{"x":1}],"data":null}"#,
            r#"{"code":500,"data":null}"#,
            r#"{"status":"error","data":null}"#,
            r#"{"message":"quota exceeded","data":null}"#,
        ] {
            assert!(said(body, "data", false).is_some(), "{body}");
        }
    }

    #[test]
    fn a_failure_around_the_list_is_told_in_its_words() {
        for (body, words) in [
            (r#"{"response":{"docs":[]},"success":false,"error":"late"}"#, "\"late\""),
            (r#"{"response":{"docs":[]},"error":true,"message":"late"}"#, "\"late\""),
            (r#"{"response":{"ok":false,"reason":"late","docs":[]}}"#, "\"late\""),
            (r#"{"meta":{"code":401,"error_message":"late"},"response":{"docs":[]}}"#, "\"late\""),
            (r#"{"response":{"docs":[]},"statusCode":503}"#, "503"),
            (r#"{"response":{"docs":[]},"ErrorCode":"7"}"#, "\"7\""),
            (r#"{"response":{"docs":[]},"errcode":40001,"errmsg":"late"}"#, "\"late\""),
            (r#"{"response":{"docs":[]},"stat":"fail","code":98}"#, "\"fail\""),
            (r#"{"response":{"docs":[]},"type":"about:blank","title":"Unauthorized","status":"401"}"#, "\"401\""),
            (r#"{"response":{"docs":[]},"_shards":{"total":5,"successful":3,"failed":2}}"#, "2"),
            (r#"{"response":{"docs":[]},"status":"NOT_OK"}"#, "\"NOT_OK\""),
        ] {
            assert_eq!(said(body, "response.docs", false), Some(words), "{body}");
        }
        for body in [
            r#"{"response":{"docs":[]},"errors":[],"error":null,"code":0,"status":"ok"}"#,
            r#"{"response":{"errorCode":0,"docs":[]},"error":false,"fault":{},"code":200,"success":true}"#,
            r#"{"responseHeader":{"status":0,"QTime":4},"response":{"numFound":0,"docs":[]}}"#,
            r#"{"meta":{"code":200},"status":{"code":0,"message":"SUCCESS"},"response":{"docs":[]},"message":"no rows"}"#,
            r#"{"errcode":0,"errmsg":"request was handled","response":{"docs":[]}}"#,
            r#"{"_shards":{"total":5,"successful":5,"failed":0},"timed_out":false,"response":{"docs":[]}}"#,
            r#"{"message":"done, 0 errors","error":{"code":0,"message":"OK"},"failed":3,"response":{"docs":[]}}"#,
        ] {
            assert_eq!(said(body, "response.docs", false), None, "{body}");
        }
    }

    #[test]
    fn beside_records_only_what_is_outright_counts() {
        for body in [
            r#"{"job":{"items":[{}]},"success":false}"#,
            r#"{"job":{"items":[{}]},"error":"truncated"}"#,
            r#"{"job":{"items":[{}]},"errors":[{"message":"late"}]}"#,
            r#"{"job":{"items":[{}],"status":"error"}}"#,
            r#"{"job":{"items":[{}]},"timed_out":true}"#,
            r#"{"job":{"items":[{}]},"_shards":{"failed":1}}"#,
        ] {
            assert!(said(body, "job.items", true).is_some(), "{body}");
        }
        for body in [
            r#"{"job":{"items":[{"error":"x","success":false}]},"error":"","errors":{},"status":"success"}"#,
            r#"{"job":{"items":[{}]},"message":"this failed before","detail":"error"}"#,
            // An object that leads to the records is about itself.
            r#"{"job":{"id":7,"status":"failed","error":"x","items":[{}]}}"#,
        ] {
            assert_eq!(said(body, "job.items", true), None, "{body}");
        }
        assert_eq!(said(r#"{"id":1,"error":"x","success":false}"#, "$", true), None, "a record by itself");
    }

    #[test]
    fn the_document_lists_every_name_and_value_that_counts() {
        let document = include_str!("../../docs/config.md");
        let section = document.split("\n#### Failures\n").nth(1).and_then(|rest| rest.split("\n### ").next()).unwrap();
        let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let told: Vec<_> = rows.iter().map(|row| quoted(row.rsplit_once(" | ").unwrap().1)).collect();
        let known: Vec<_> = NAMES.iter().map(|(_, names)| of(names)).collect();
        assert_eq!(told, known);
        for (start, known) in [
            ("A status of a failure is ", &STATUSES[..]),
            ("Words of a message are ", &WORDS[..]),
            ("Objects beside ", &HEADS[..]),
        ] {
            let line = section.lines().find(|line| line.starts_with(start)).unwrap();
            assert_eq!(quoted(line), of(known), "{start}");
        }
    }
}
