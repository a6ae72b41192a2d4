//! What answers tell of the API's own limits, in the headers that are in use.
//!
//! `RateLimit` and `RateLimit-Policy` (the IETF's draft-ietf-httpapi-ratelimit-headers, and its earlier forms), the families
//! `RateLimit-*`, `X-RateLimit-*`, `X-Rate-Limit-*` and `Rate-Limit-*`, and Shopify's `X-Shopify-Shop-Api-Call-Limit`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;

use crate::source::server_time;

const FAMILIES: [&str; 4] = ["ratelimit", "x-ratelimit", "x-rate-limit", "rate-limit"];
const CALL_LIMIT: &str = "x-shopify-shop-api-call-limit";
/// In what time Shopify's bucket fills up again, whatever its size: it restores a twentieth a second.
const CALL_LIMIT_RESET: Duration = Duration::from_secs(20);
/// From here on, a number is no span of seconds but a moment: 2001 in seconds since 1970.
const EPOCH_SECONDS_MIN: f64 = 1e9;
/// From here on, it counts thousandths, millionths and billionths of them.
const EPOCH_PARTS_MIN: [(f64, i64); 3] = [(1e18, 1_000_000_000), (1e15, 1_000_000), (1e12, 1_000)];
/// Longest span that is believed.
const RESET_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Longest span that can be told.
pub(in crate::source) const SPAN_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Members of one header that are read.
const MEMBERS_MAX: usize = 20;

/// One limit's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) struct Told {
    /// Requests left until it resets.
    pub(in crate::source) remaining: u64,
    /// Requests in all, where told.
    pub(in crate::source) limit: Option<u64>,
    /// Time until it resets, more than 0.
    pub(in crate::source) reset: Duration,
}

/// The limits that an answer tells. `now` stands in for the server's time where the answer has no `Date`. What lacks a number of remaining requests
/// or a moment of reset, or whose reset has passed, tells nothing.
pub(in crate::source) fn told_limits(headers: &HeaderMap, now: DateTime<Utc>) -> Vec<Told> {
    let now = server_time::date(headers).unwrap_or(now);
    let mut told = structured(headers);
    for family in FAMILIES {
        let text = |suffix: &str| headers.get(format!("{family}-{suffix}")).and_then(|value| value.to_str().ok());
        let reset = ["reset", "reset-after", "reset-in"].iter().find_map(|&suffix| told_span(text(suffix)?, 1.0, now));
        let reset = reset.map(|reset| reset.min(RESET_MAX));
        if let (Some(remaining), Some(reset)) = (text("remaining").and_then(number), reset) {
            told.push(Told { remaining: whole(remaining), limit: text("limit").and_then(number).map(whole), reset });
        }
    }
    let call_limit = headers.get(CALL_LIMIT).and_then(|value| value.to_str().ok()?.split_once('/'));
    if let Some((used, limit)) = call_limit.and_then(|(used, limit)| Some((number(used)?, number(limit)?))) {
        let (used, limit) = (whole(used), whole(limit));
        told.push(Told { remaining: limit.saturating_sub(used), limit: Some(limit), reset: CALL_LIMIT_RESET });
    }
    // An API without a limit says so in many ways, and nothing is left of none.
    told.retain(|told| !told.reset.is_zero() && told.limit != Some(0));
    told
}

/// `RateLimit: "name";r=50;t=30`, and in earlier drafts `limit=100, remaining=50, reset=30`.
fn structured(headers: &HeaderMap) -> Vec<Told> {
    let members = |name: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).take(MEMBERS_MAX).map(|member| member.trim().to_owned()).collect::<Vec<_>>()
    };
    let policies = members("ratelimit-policy");
    let given = members("ratelimit");
    let seconds = |text: Option<f64>| text.map(|seconds| Duration::from_secs(whole(seconds)).min(RESET_MAX));
    let plain = |name: &str| given.iter().find_map(|member| number(member.strip_prefix(name)?.strip_prefix('=')?));
    if let (Some(remaining), Some(reset)) = (plain("remaining"), seconds(plain("reset"))) {
        return vec![Told { remaining: whole(remaining), limit: plain("limit").map(whole), reset }];
    }
    let states = given.iter().filter_map(|member| {
        let policy = policies.iter().find(|policy| policy.split(';').next() == member.split(';').next());
        let reset = seconds(parameter(member, "t").or_else(|| parameter(policy?, "w")))?;
        let limit = policy.and_then(|policy| parameter(policy, "q")).map(whole);
        Some(Told { remaining: whole(parameter(member, "r")?), limit, reset })
    });
    states.collect()
}

fn parameter(member: &str, name: &str) -> Option<f64> {
    let pairs = member.split(';').skip(1).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| number(value))
}

/// The number at the start of `text`, 0 or more: `50`, `49.5`, `100, 100;w=60`.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].parse().ok()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}

/// The time until then, at most a year: a span in units of which a second has `per_second`, one such as `1m30s`, a moment in seconds or parts of them since 1970, or a
/// date.
pub(in crate::source) fn told_span(text: &str, per_second: f64, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    // Rust takes `1e9`, `inf` and `+5` for numbers, too.
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let number: f64 = text.parse().ok()?;
        let moment = match EPOCH_PARTS_MIN.iter().find(|(least, _)| number >= *least) {
            Some((_, parts)) => i64::try_from(whole(number)).ok()? / parts,
            None if number >= EPOCH_SECONDS_MIN => i64::try_from(whole(number)).ok()?,
            None => return Duration::try_from_secs_f64(number / per_second).ok().map(|span| span.min(SPAN_MAX)),
        };
        return until(DateTime::from_timestamp(moment, 0)?, now);
    }
    spelled(text).or_else(|| {
        let date = httpdate::parse_http_date(text).map(DateTime::from);
        until(date.ok().or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc()))?, now)
    })
}

fn until(moment: DateTime<Utc>, now: DateTime<Utc>) -> Option<Duration> {
    moment.signed_duration_since(now).to_std().ok().map(|span| span.min(SPAN_MAX))
}

/// `6m0s`, `1.5s`, `120ms`: the form of Go, in which OpenAI and others tell spans.
fn spelled(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = behind;
    }
    Duration::try_from_secs_f64(seconds).ok().map(|span| span.min(SPAN_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected`: remaining, limit, seconds to reset.
    fn check(pairs: &[(&'static str, &str)], expected: &[(u64, Option<u64>, u64)]) {
        let headers: HeaderMap = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let told = told_limits(&headers, "2026-11-22T10:00:00Z".parse().unwrap());
        let told: Vec<_> = told.iter().map(|told| (told.remaining, told.limit, told.reset.as_secs())).collect();
        assert_eq!(told, expected, "{pairs:?}");
    }

    #[test]
    fn e_06_limits_are_read_in_every_family() {
        for family in ["RateLimit", "X-RateLimit", "X-Rate-Limit", "Rate-Limit"] {
            let names = ["remaining", "reset", "limit"].map(|suffix| format!("{family}-{suffix}").to_lowercase());
            let pairs = [("5", 0), ("30", 1), ("100", 2)].map(|(value, at)| (&*names[at].clone().leak(), value));
            check(&pairs, &[(5, Some(100), 30)]);
        }
        check(&[("x-ratelimit-remaining", "59.0"), ("x-ratelimit-reset-after", "0.5")], &[(59, None, 0)]);
        check(&[("x-shopify-shop-api-call-limit", "39/40")], &[(1, Some(40), 20)]);
    }

    #[test]
    fn e_06_the_ietf_header_is_read_in_its_drafts() {
        check(
            &[("ratelimit", r#""default";r=50;t=30"#), ("ratelimit-policy", r#""default";q=100;w=60"#)],
            &[(50, Some(100), 30)],
        );
        check(
            &[("ratelimit", r#""burst";r=0, "day";r=900;t=80000"#), ("ratelimit-policy", r#""burst";q=10;w=1"#)],
            &[(0, Some(10), 1), (900, None, 80_000)],
        );
        check(&[("ratelimit", "limit=100, remaining=20, reset=12")], &[(20, Some(100), 12)]);
    }

    #[test]
    fn e_06_a_reset_is_a_span_or_a_moment_by_its_size() {
        let reset = |value, expected: &[(u64, Option<u64>, u64)]| {
            check(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", value)], expected);
        };
        reset("30", &[(0, None, 30)]);
        reset("1795341630", &[(0, None, 30)]);
        reset("1795341630000", &[(0, None, 30)]);
        reset("1795341630000000", &[(0, None, 30)]);
        reset("1795341630000000000", &[(0, None, 30)]);
        reset("1m30s", &[(0, None, 90)]);
        reset("604801", &[(0, None, 604_800)]);
        reset("Sun, 22 Nov 2026 10:00:30 GMT", &[(0, None, 30)]);
        reset("2026-11-22T11:00:30+01:00", &[(0, None, 30)]);
        for useless in ["1795341600", "1600000000", "-5", "soon", "0", "", "1x", "m", "99999999999999999999"] {
            reset(useless, &[]);
        }
    }

    #[test]
    fn e_06_moments_count_from_the_servers_clock() {
        let date = ("date", "Sun, 22 Nov 2026 09:00:00 GMT");
        check(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795341600"), date], &[(0, None, 3600)]);
    }

    #[test]
    fn what_tells_nothing_is_passed_over() {
        check(&[("x-ratelimit-remaining", "0")], &[]);
        check(&[("x-ratelimit-reset", "30")], &[]);
        check(&[("x-ratelimit-remaining", "many"), ("x-ratelimit-reset", "30")], &[]);
        check(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-limit", "0"), ("x-ratelimit-reset", "30")], &[]);
        check(&[("ratelimit", "?!;;=;r;t")], &[]);
    }
}
