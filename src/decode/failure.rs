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
    /// A failure where it is false, and no records are there.
    Complete,
    /// A failure where it is a list that holds something, and no records are there.
    Failures,
    /// A code of the API's own, which is a failure beside words that do not say otherwise, where no records are there.
    Code,
}

/// The names of each kind.
const NAMES: [(Kind, &[&str]); 9] = [
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
            "errorlist",
            "validationerrors",
            "errorno",
            "errortext",
            "errorinfo",
        ],
    ),
    (Kind::Words, &["errormessage", "errmsg", "errormsg", "errordescription"]),
    (
        Kind::Success,
        &["success", "ok", "succeeded", "successful", "issuccess", "issuccessful", "isok", "jobcomplete", "response"],
    ),
    (
        Kind::Failed,
        &[
            "iserror",
            "failed",
            "isfailed",
            "hasfailed",
            "haserror",
            "haserrors",
            "timedout",
            "ratelimited",
            "throttled",
            "quotaexceeded",
        ],
    ),
    (Kind::Status, &["status", "code", "statuscode", "httpstatus", "httpcode", "responsecode", "result", "state", "stat"]),
    (Kind::Message, &["message", "msg", "detail"]),
    (Kind::Complete, &["complete", "iscomplete", "ready", "isready"]),
    (Kind::Failures, &["failures"]),
    (Kind::Code, &["ret", "retcode", "returncode"]),
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
/// What a status says where the answer is not ready, or not all there is; on a page without records, that is no end.
const UNREADY: [&str; 12] = [
    "pending",
    "processing",
    "running",
    "queued",
    "inprogress",
    "partial",
    "incomplete",
    "notready",
    "throttled",
    "busy",
    "maintenance",
    "degraded",
];
/// Words beside a code that is no failure.
const FINE: [&str; 9] = ["success", "succeed", "ok", "done", "complete", "empty", "no ", "not found", "成功"];
/// The least code of an API's own that is a failure by itself; smaller ones may count anything.
const CODE_MIN: i64 = 1000;
/// Words of a message that tells of a failure.
const WORDS: [&str; 24] = [
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
    "rate limit",
    "limit reached",
    "try again",
    "under maintenance",
    "busy",
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
    let is_bad_code = || !has_records && !code_is_0 && has_bad_words(&members);
    let tells = |(name, value): &(String, &str)| match kind(&reduced(name)) {
        Some(Kind::Message | Kind::Complete | Kind::Failures) if has_records => false,
        Some(Kind::Words) if code_is_0 => false,
        Some(Kind::Code) => is_bad_code() && parsed(value).as_i64().is_some_and(|code| code != 0),
        Some(Kind::Status) if !has_records && tells_of_trouble(&reduced(name), value, is_bad_code) => true,
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

/// Whether a status is one of a failure on a page without records: false, that there is more to come, or a code that is none of HTTP's.
fn tells_of_trouble(name: &str, value: &str, is_bad_code: impl Fn() -> bool) -> bool {
    match parsed(value) {
        Value::Bool(fine) => !fine,
        Value::String(text) => UNREADY.contains(&&*reduced(&text)),
        Value::Number(code) if name == "code" => code.as_i64().is_some_and(|code| code < 0 || code >= CODE_MIN && is_bad_code()),
        _ => false,
    }
}

/// Whether words beside a code do not say that all is well, or that there is nothing.
fn has_bad_words(members: &[(String, &str)]) -> bool {
    let is_of_words = |name: &str| matches!(kind(&reduced(name)), Some(Kind::Message | Kind::Words));
    let words = members
        .iter()
        .filter(|(name, _)| is_of_words(name))
        .filter_map(|(_, value)| parsed(value).as_str().map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty()));
    let words: Vec<String> = words.collect();
    !words.is_empty() && !words.iter().any(|text| FINE.iter().any(|fine| text.contains(fine)))
}

/// Whether a member of an object by itself says that there is no record in it.
pub(super) fn tells_outright(name: &str, value: &str) -> bool {
    matches!(kind(&reduced(name)), Some(kind @ (Kind::Error | Kind::Words | Kind::Success)) if tells_of_failure(kind, value))
}

/// Whether a member of this reduced name is about how an answer went.
pub(super) fn is_about_failure(name: &str) -> bool {
    // Of what tells by itself, records have some, too.
    kind(name).is_some_and(|kind| !matches!(kind, Kind::Complete | Kind::Failures | Kind::Code)) && name != "response"
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
        Kind::Complete => value == Value::Bool(false),
        Kind::Failures => value.is_array() && !holds_nothing(&value),
        Kind::Code => false,
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

    /// Envelopes as real APIs answer, without the records, and where these stand.
    const HEALTHY: [(&str, &str); 46] = [
        ("records", r#"{"offset":"itrA/rec1"}"#),
        ("envelopes", r#"{"resultSetSize":"10","startPosition":"0","endPosition":"9","totalSetSize":"25","nextUri":"/t"}"#),
        ("QueryResponse.Customer", r#"{"QueryResponse":{"startPosition":1,"maxResults":10,"totalCount":25},"time":"x"}"#),
        ("data", r#"{"resultSetMetaData":{"numRows":25,"partitionInfo":[{"rowCount":10}]},"code":"090001"}"#),
        ("rows", r#"{"kind":"x","jobComplete":true,"totalRows":"25","pageToken":"10"}"#),
        ("items", r#"{"pageInfo":{"totalResults":25,"resultsPerPage":10},"nextPageToken":"10"}"#),
        ("users", r#"{"page_count":3,"page_number":1,"page_size":10,"total_records":25,"next_page_token":""}"#),
        ("result", r#"{"requestId":"a","success":true,"moreResult":true,"nextPageToken":"10"}"#),
        ("data.children", r#"{"kind":"Listing","data":{"after":"t3_10","before":null,"dist":10}}"#),
        ("calls", r#"{"records":{"totalRecords":25,"currentPageSize":10,"currentPageNumber":0,"cursor":"10"}}"#),
        ("records", r#"{"totalSize":25,"done":false,"nextRecordsUrl":"/q-10"}"#),
        ("value", r#"{"@odata.context":"x","@odata.count":25,"@odata.nextLink":"/t?$skiptoken=10"}"#),
        ("d.results", r#"{"d":{"__next":"/t?$skiptoken=10","__count":"25"}}"#),
        ("features", r#"{"type":"FeatureCollection","exceededTransferLimit":true,"properties":{"exceededTransferLimit":true}}"#),
        ("result.records", r#"{"success":true,"result":{"total":25,"_links":{"start":"/t","next":"/t?offset=10"}}}"#),
        ("issues", r#"{"startAt":0,"maxResults":10,"total":25}"#),
        ("issues", r#"{"isLast":false,"nextPageToken":"10"}"#),
        ("results", r#"{"start":0,"limit":10,"size":10,"_links":{"base":"x","self":"/t","next":"/t?start=10"}}"#),
        ("values", r#"{"size":10,"limit":10,"isLastPage":false,"start":0,"nextPageStart":10}"#),
        ("elements", r#"{"paging":{"start":0,"count":10,"total":25,"links":[]}}"#),
        (
            "_embedded.items",
            r#"{"_links":{"self":{"href":"x"}},"page":{"size":10,"totalElements":25,"totalPages":3,"number":0}}"#,
        ),
        ("content", r#"{"last":false,"totalElements":25,"totalPages":3,"size":10,"number":0,"first":true,"empty":false}"#),
        ("data", r#"{"current_page":1,"from":1,"to":10,"per_page":10,"next_page_url":null,"prev_page_url":null,"path":"/t"}"#),
        ("data", r#"{"links":{"self":"x","next":null},"meta":{}}"#),
        ("hits.hits", r#"{"_scroll_id":"abc","took":1,"timed_out":false,"hits":{"total":{"value":25,"relation":"eq"}}}"#),
        ("rows", r#"{"total_rows":25,"offset":0}"#),
        ("response.docs", r#"{"responseHeader":{"status":0},"response":{"numFound":25,"start":0}}"#),
        ("hits", r#"{"found":25,"out_of":1000,"page":1}"#),
        ("hits", r#"{"nbHits":25,"page":0,"nbPages":3,"hitsPerPage":10}"#),
        ("items", r#"{"per_page":10,"total_pages":3,"total_entries":25,"next_page":2,"page":1,"links":{"next":"/t?page=2"}}"#),
        (
            "data",
            r#"{"success":true,"additional_data":{"pagination":{"start":0,"more_items_in_collection":true,"next_start":10}}}"#,
        ),
        ("data", r#"{"type":"list","total_count":25,"pages":{"type":"pages","page":1,"next":{"page":2,"starting_after":"10"}}}"#),
        ("results", r#"{"paging":{"next":{"after":"10","link":"https://api.test/x?after=10"}}}"#),
        ("data", r#"{"next_page":{"offset":"10","path":"/t?offset=10","uri":"/t?offset=10"}}"#),
        ("entries", r#"{"cursor":"10","has_more":true}"#),
        ("tickets", r#"{"meta":{"has_more":true,"after_cursor":"10","before_cursor":"x"},"links":{"prev":"x","next":"/t"}}"#),
        ("tickets", r#"{"count":10,"next_page":"/t?start_time=10","end_time":10,"end_of_stream":false}"#),
        ("list", r#"{"next_offset":"10"}"#),
        ("Items", r#"{"NextToken":"10","Count":10,"ScannedCount":10,"LastEvaluatedKey":{"id":{"N":"10"}}}"#),
        ("items", r#"{"kind":"List","metadata":{"resourceVersion":"5","continue":"10","remainingItemCount":15}}"#),
        ("records", r#"{"resumptionToken":{"completeListSize":"25","cursor":"0","value":"10"}}"#),
        ("rows", r#"{"rowCount":25}"#),
        ("Invoices", r#"{"Id":"x","Status":"OK","pagination":{"page":1,"pageSize":10,"pageCount":3,"itemCount":25}}"#),
        ("items", r#"{"total_items":25,"total_pages":3,"links":[{"href":"/t?page=2","rel":"next","method":"GET"}]}"#),
        ("items", r#"{"hits":25,"took":3}"#),
        ("Documents", r#"{"_rid":"x","_count":10}"#),
    ];

    #[test]
    fn envelopes_of_real_apis_are_healthy() {
        for (records, envelope) in HEALTHY {
            for has_records in [false, true] {
                assert_eq!(said(envelope, records, has_records), None, "{envelope}");
            }
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
            ("On a page without records, so is ", &UNREADY[..]),
            ("Words of a message are ", &WORDS[..]),
            ("Objects beside ", &HEADS[..]),
        ] {
            let line = section.lines().find(|line| line.starts_with(start)).unwrap();
            assert_eq!(quoted(line), of(known), "{start}");
        }
    }
}
