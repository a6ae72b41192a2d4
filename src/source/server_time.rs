//! The server's own clock, as its answers tell it.
//!
//! Cursors are bounded by the server's time, waits are measured by this machine's monotonic clock; the two wall clocks meet only
//! here, to tell an operator that they disagree.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{AGE, DATE, HeaderMap};

/// Clocks that differ by no more than this count as equal: an answer may have been under way for a while.
const SKEW_SECONDS_MAX: i64 = 60;

/// The earliest `Date` among the answers of one fetch: nothing that came into being later is sure to be in them.
#[derive(Debug)]
pub(super) struct Earliest(AtomicI64);

impl Default for Earliest {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Earliest {
    /// Notes an answer. A cached one counts from its `Date` too, since its rows are as old as that.
    pub(super) fn note(&self, headers: &HeaderMap) {
        if let Some(date) = date(headers) {
            self.0.fetch_min(date.timestamp(), Ordering::Relaxed);
        }
    }

    /// In whole seconds; `None` when no answer had a `Date`.
    pub(super) fn get(&self) -> Option<DateTime<Utc>> {
        let seconds = self.0.load(Ordering::Relaxed);
        if seconds == i64::MAX { None } else { DateTime::from_timestamp(seconds, 0) }
    }
}

/// Tells once that the clocks disagree.
#[derive(Debug, Default)]
pub(super) struct SkewWatch {
    told: AtomicBool,
}

impl SkewWatch {
    /// The warning, the first time that an answer received at `now` shows more than a minute of difference.
    pub(super) fn warning(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Option<String> {
        let age = headers.get(AGE).and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok()).unwrap_or(0);
        let server = date(headers)?.checked_add_signed(TimeDelta::seconds(age.into()))?;
        let ahead = now.signed_duration_since(server).num_seconds();
        if ahead.abs() <= SKEW_SECONDS_MAX || self.told.swap(true, Ordering::Relaxed) {
            return None;
        }
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        Some(format!(
            "this machine's clock is {} s {side} the API's: waits are not affected, but check the clock (`timedatectl`), for \
             it stamps the run's records",
            ahead.abs()
        ))
    }
}

/// An answer's `Date` (RFC 9110 §6.6.1).
pub(super) fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok().map(DateTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn check(pairs: &[(&'static str, &str)], expected: Option<&str>) {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        let warning = SkewWatch::default().warning(&headers(pairs), now);
        assert_eq!(warning.as_deref().map(|text| text.split(':').next().unwrap()), expected, "{pairs:?}");
    }

    #[test]
    fn e_100_clocks_that_disagree_by_more_than_a_minute_are_told() {
        check(&[("date", "Sun, 22 Nov 2026 10:00:00 GMT")], None);
        check(&[("date", "Sun, 22 Nov 2026 09:59:00 GMT")], None);
        check(&[("date", "Sun, 22 Nov 2026 09:58:30 GMT")], Some("this machine's clock is 90 s ahead of the API's"));
        check(&[("date", "Sun, 22 Nov 2026 12:00:00 GMT")], Some("this machine's clock is 7200 s behind the API's"));
        check(&[("date", "Sun, 22 Nov 2026 09:00:00 GMT"), ("age", "3600")], None);
        check(&[("date", "tomorrow")], None);
        check(&[], None);
    }

    #[test]
    fn e_100_clocks_that_disagree_are_told_once() {
        let (watch, answer) = (SkewWatch::default(), headers(&[("date", "Sun, 22 Nov 2026 09:00:00 GMT")]));
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        assert!(watch.warning(&answer, now).is_some());
        assert_eq!(watch.warning(&answer, now), None);
    }

    #[test]
    fn e_100_the_earliest_answer_counts() {
        let earliest = Earliest::default();
        assert_eq!(earliest.get(), None);
        for date in ["Sun, 22 Nov 2026 10:00:05 GMT", "Sun, 22 Nov 2026 10:00:01 GMT", "soon", "Sun, 22 Nov 2026 10:00:09 GMT"] {
            earliest.note(&headers(&[("date", date)]));
        }
        assert_eq!(earliest.get(), Some("2026-11-22T10:00:01Z".parse().unwrap()));
    }
}
