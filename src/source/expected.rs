//! What a body is expected to be, and what stands in its place when a proxy, a portal or a sign-in page answers instead of the API.
//!
//! Only what is plain from the first bytes and the headers; the rest is for the decoder to find.

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use crate::config::FormatKind;

/// What the bodies of an endpoint are expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// One JSON value; an empty body is none.
    Json,
    /// JSON values on lines or one behind the other; of none, the body is empty.
    Lines,
    /// Server-sent events; of none, the body is empty.
    Events,
    /// One element.
    Xml,
    /// Rows; of none, and without a header, the body is empty.
    Csv,
    /// What the `Content-Type` says of these, JSON where it says nothing.
    Told,
}

impl Expected {
    /// What `kind` promises.
    pub(super) fn of(kind: &FormatKind) -> Self {
        match kind {
            FormatKind::Json => Self::Json,
            FormatKind::Ndjson | FormatKind::Concatenated => Self::Lines,
            FormatKind::EventStream => Self::Events,
            FormatKind::Xml(_) => Self::Xml,
            FormatKind::Csv(_) => Self::Csv,
            FormatKind::Auto(_) | FormatKind::Undeclared { .. } => Self::Told,
        }
    }

    /// The same, with what the headers of an answer tell.
    pub(super) fn told_by(self, headers: &HeaderMap) -> Self {
        let kind = content_type(headers);
        let is = |names: &[&str]| names.iter().any(|name| kind.contains(name));
        match self {
            Self::Told if is(&["csv", "tab-separated"]) => Self::Csv,
            Self::Told if is(&["ndjson", "jsonl", "json-lines", "jsonlines", "json-seq"]) => Self::Lines,
            Self::Told if is(&["event-stream"]) => Self::Events,
            Self::Told => Self::Json,
            other => other,
        }
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json | Self::Told => "JSON",
            Self::Lines => "NDJSON",
            Self::Events => "an event stream",
            Self::Csv => "CSV",
            Self::Xml => "XML",
        }
    }

    /// Whether an empty body is a page without records.
    pub(super) fn may_be_empty(self) -> bool {
        matches!(self, Self::Lines | Self::Events | Self::Csv)
    }

    /// What came in its place, if that is plain from the first bytes or the headers.
    pub(super) fn instead(self, headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
        let start = body.trim_ascii_start();
        let is_html = content_type(headers).starts_with("text/html");
        let begins_with = |tag: &str| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()));
        match (self, start.first()) {
            (Self::Xml, _) => (begins_with("<!doctype html") || begins_with("<html")).then_some("HTML"),
            (_, Some(b'<')) if begins_with("<?xml") && !is_html => Some("XML"),
            // A field may begin with `<`, and servers call their exports HTML.
            (Self::Csv, Some(b'<')) => (is_html || begins_with("<!doctype html") || begins_with("<html")).then_some("HTML"),
            (Self::Csv, _) => None,
            (_, Some(b'<')) => Some("HTML"),
            (_, Some(b'{' | b'[')) => None,
            (Self::Lines | Self::Events, None) => None,
            _ => is_html.then_some("HTML"),
        }
    }
}

fn content_type(headers: &HeaderMap) -> String {
    headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: Expected, content_type: &str, body: &str, instead: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        let expected = expected.told_by(&headers);
        assert_eq!(expected.instead(&headers, body.as_bytes()), instead, "{expected:?} {content_type} {body}");
    }

    #[test]
    fn e_41_what_is_no_page_of_records_is_known_by_what_was_asked_for() {
        for (expected, plain) in [(Expected::Json, "application/json"), (Expected::Lines, "application/x-ndjson")] {
            check(expected, plain, "{\"a\":1}", None);
            check(expected, "text/html", " {\"a\":1}", None);
            check(expected, plain, "<b>", Some("HTML"));
            check(expected, plain, " <?xml version='1.0'?>", Some("XML"));
            check(expected, "text/html", "Sign in", Some("HTML"));
        }
        check(Expected::Csv, "text/csv", "<id>,name\n<1>,a\n", None);
        check(Expected::Csv, "text/html", "id,name\n1,a\n", None);
        check(Expected::Csv, "text/html", "<b>Sign in</b>", Some("HTML"));
        check(Expected::Csv, "text/csv", "\n<!DOCTYPE html><p>", Some("HTML"));
        check(Expected::Csv, "text/csv", "<HTML lang=en>", Some("HTML"));
        check(Expected::Csv, "text/csv", "<?xml version='1.0'?>", Some("XML"));
        check(Expected::Told, "text/csv; charset=utf-8", "<id>,name", None);
        check(Expected::Told, "application/jsonl", "<id>,name", Some("HTML"));
        check(Expected::Told, "application/json", "<id>,name", Some("HTML"));
    }
}
