//! The wait that an answer tells, in its headers or its body.
//!
//! In: headers, a body or its start, the time. Out: a span, more than nothing and at most a year. Invariants: pure; a moment counts from the answer's own
//! `Date`, so that a wrong local clock does no harm; whatever stands there, no arithmetic overflows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Map, Value};

use crate::base::JsonPath;
use crate::config::{ToldWait, WaitUnit};
use crate::source::answer::seek::seek;
use crate::source::pace::{SPAN_MAX, told_span};
use crate::source::server_time;

/// Headers that tell milliseconds: OpenAI's and AWS', Azure's.
const MILLIS: [&str; 2] = ["retry-after-ms", "x-ms-retry-after-ms"];
/// Names of the wait in a body, without case, `_` and `-`: Telegram's, Discord's and their like.
const NAMES: [(&str, WaitUnit); 6] = [
    ("retryafter", WaitUnit::Seconds),
    ("retryafterseconds", WaitUnit::Seconds),
    ("retryaftersec", WaitUnit::Seconds),
    ("retryaftersecs", WaitUnit::Seconds),
    ("retryafterms", WaitUnit::Millis),
    ("retryaftermillis", WaitUnit::Millis),
];
/// Digits from which on a number is more than any clock holds.
const DIGITS_MAX: usize = 19;
/// Largest body that is looked through for such a name.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Whether headers tell a wait, readable or not.
pub(super) fn tells_wait(headers: &HeaderMap) -> bool {
    headers.contains_key(RETRY_AFTER) || MILLIS.iter().any(|name| headers.contains_key(*name))
}

/// How long the headers ask to wait: the longest valid `Retry-After` (RFC 9110, section 10.2.3; also with a fraction, or as a moment in seconds since
/// 1970), or milliseconds under another name. Nothing, the past and what cannot be read are no wait.
pub(in crate::source) fn wait_in_headers(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let of = |name: &str, unit| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.filter_map(|text| span(text, unit, headers, now)).max()
    };
    let in_millis = MILLIS.into_iter().filter_map(|name| of(name, WaitUnit::Millis));
    in_millis.chain(of(RETRY_AFTER.as_str(), WaitUnit::Seconds)).max()
}

/// The wait under a usual name in the body of a throttle: around everything, or in an object there.
pub(in crate::source) fn wait_in_body(body: &[u8], headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let body = body.get(..BODY_BYTES_MAX.min(body.len()))?;
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return None };
    let within = members.values().filter_map(Value::as_object);
    std::iter::once(&members).chain(within).find_map(|members| named(members, headers, now))
}

fn named(members: &Map<String, Value>, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    members.iter().find_map(|(name, value)| {
        let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-')).collect::<String>().to_ascii_lowercase();
        let (_, unit) = NAMES.iter().find(|(known, _)| *known == plain)?;
        match value {
            Value::String(text) => span(text, *unit, headers, now),
            Value::Number(number) => span(&number.to_string(), *unit, headers, now),
            _ => None,
        }
    })
}

/// The wait where a rule says that it stands.
pub(super) fn wait_at(told: &ToldWait, body: &[u8], headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let path: &JsonPath = &told.path;
    seek(body, path).iter().filter_map(|found| span(&found.text()?, told.unit, headers, now)).max()
}

fn span(text: &str, unit: WaitUnit, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let now = server_time::date(headers).unwrap_or(now);
    let per_second = match unit {
        WaitUnit::Seconds => 1.0,
        WaitUnit::Millis => 1e3,
    };
    let is_endless = text.trim().len() >= DIGITS_MAX && text.trim().bytes().all(|byte| byte.is_ascii_digit());
    let told = if is_endless { Some(SPAN_MAX) } else { told_span(text, per_second, now) };
    told.filter(|span| !span.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn now() -> DateTime<Utc> {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    #[track_caller]
    fn check(pairs: &[(&'static str, &str)], millis: Option<u64>) {
        assert_eq!(wait_in_headers(&headers(pairs), now()), millis.map(Duration::from_millis), "{pairs:?}");
    }

    #[test]
    fn e_02_dates_count_from_the_servers_own_clock() {
        let wait = ("retry-after", "Sun, 22 Nov 2026 09:00:30 GMT");
        check(&[wait, ("date", "Sun, 22 Nov 2026 09:00:00 GMT")], Some(30_000));
        check(&[wait], None);
        check(&[("retry-after", "Sun, 22 Nov 2026 10:00:10 GMT")], Some(10_000));
        check(&[wait, ("date", "Sun, 22 Nov 2026 09:00:30 GMT")], None);
    }

    #[test]
    fn e_05_useless_waits_count_as_none_and_none_overflows() {
        for text in ["0", "-5", "soon", "", "1e3", "inf", "NaN", "0x10", "+3", "1.5.2", "1 2"] {
            check(&[("retry-after", text)], None);
            check(&[("retry-after-ms", text)], None);
        }
        check(&[("retry-after", "3"), ("retry-after", "7"), ("retry-after", "soon")], Some(7_000));
        // A moment in the past, and one past a year.
        check(&[("retry-after", "1600000000")], None);
        check(&[("retry-after", "900000000")], Some(366 * 86_400_000));
        for text in ["9223372036854775807", "18446744073709551615", &"9".repeat(400)] {
            check(&[("retry-after", text)], Some(366 * 86_400_000));
            check(&[("retry-after-ms", text)], Some(366 * 86_400_000));
        }
    }

    #[test]
    fn waits_are_read_with_fractions_in_milliseconds_and_as_moments() {
        check(&[("retry-after", "1.5")], Some(1_500));
        check(&[("retry-after", "0.25")], Some(250));
        check(&[("retry-after-ms", "1200")], Some(1_200));
        check(&[("x-ms-retry-after-ms", "0.5"), ("retry-after", "2")], Some(2_000));
        check(&[("retry-after", "1795341630")], Some(30_000));
        check(&[("retry-after", "1m30s")], Some(90_000));
    }

    #[test]
    fn waits_in_a_body_are_known_by_their_usual_names() {
        let check = |body: &str, millis: Option<u64>| {
            assert_eq!(wait_in_body(body.as_bytes(), &headers(&[]), now()), millis.map(Duration::from_millis), "{body}");
        };
        check(r#"{"ok":false,"parameters":{"retry_after":1.2}}"#, Some(1_200));
        check(r#"{"message":"slow down","retry_after":64.57,"global":false}"#, Some(64_570));
        check(r#"{"error":{"code":429,"retryAfterMs":"250"}}"#, Some(250));
        check(r#"{"retry-after":"2026-11-22T10:00:05Z"}"#, Some(5_000));
        for none in [
            "",
            "[]",
            "{",
            r#"{"retry_after":null}"#,
            r#"{"retry_after":[3]}"#,
            r#"{"a":{"b":{"retry_after":3}}}"#,
            r#"{"retry":3}"#,
        ] {
            check(none, None);
        }
    }

    #[test]
    fn a_rule_says_where_the_wait_stands_and_in_what_unit() {
        let at = |path: &str, unit| {
            let told = ToldWait { path: JsonPath::parse(path).unwrap(), unit };
            wait_at(&told, br#"{"errors":[{"wait":3},{"wait":900}],"text":"12"}"#, &headers(&[]), now())
        };
        assert_eq!(at("text", WaitUnit::Seconds), Some(Duration::from_secs(12)));
        assert_eq!(at("errors[*].wait", WaitUnit::Millis), Some(Duration::from_millis(900)));
        assert_eq!(at("nothing", WaitUnit::Seconds), None);
    }
}
