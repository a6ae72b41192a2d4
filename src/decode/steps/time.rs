//! Times as APIs write them: texts of any pattern and counts since 1970, exactly or not at all.
//!
//! In: a JSON scalar and how it is to be read. Out: microseconds UTC or days since 1970-01-01. What has finer digits than microseconds, lies outside the
//! years 1 to 9999, or is a local time that its zone has twice or never, is refused.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use crate::config::TimeSource;
use crate::decode::Json;
use crate::decode::steps::Unfit;
use crate::decode::steps::cast::Decimal;
use crate::decode::temporal::{parse_date, parse_timestamp};

/// Patterns of times without a zone, as ISO 8601 has them.
const LOCAL_PATTERNS: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

/// Microseconds since 1970-01-01T00:00:00Z.
pub(super) fn timestamp(value: &Json, source: &TimeSource) -> Result<i64, Unfit> {
    let unfit = |expected: &str| Unfit { expected: expected.to_owned(), actual: value.kind() };
    match (source, value) {
        (TimeSource::Epoch { per_second }, Json::Number(token)) => epoch(token, *per_second).ok_or_else(|| unfit(EPOCH)),
        (TimeSource::Epoch { per_second }, Json::Text(text)) => epoch(text.trim(), *per_second).ok_or_else(|| unfit(EPOCH)),
        (TimeSource::Epoch { .. }, _) => Err(unfit(EPOCH)),
        (TimeSource::JsonDate, Json::Text(text)) => {
            json_date(text).ok_or_else(|| unfit("a text such as `/Date(1700000000000)/`"))
        }
        (TimeSource::Iso(zone), Json::Text(text)) => match (parse_timestamp(text), zone) {
            (Some((micros, _)), _) => Ok(micros),
            (None, None) => Err(unfit("a date-time with a zone (RFC 3339)")),
            (None, Some(zone)) => local_text(text)
                .and_then(|local| in_zone(local, *zone))
                .ok_or_else(|| unfit("a date-time (ISO 8601) that its zone has once")),
        },
        (TimeSource::Format { pattern, zone }, Json::Text(text)) => {
            formatted(text, pattern, *zone).ok_or_else(|| unfit(&format!("a time written as `{pattern}`")))
        }
        (_, _) => Err(unfit("a text with a time")),
    }
}

const EPOCH: &str = "a count since 1970 within the years 1 to 9999, no finer than microseconds";

/// Days since 1970-01-01, of a time those in its zone, or in UTC without one.
pub(super) fn date(value: &Json, source: &TimeSource) -> Result<i32, Unfit> {
    let zone = match source {
        TimeSource::Iso(zone) | TimeSource::Format { zone, .. } => *zone,
        TimeSource::Epoch { .. } | TimeSource::JsonDate => None,
    };
    let days = |date: NaiveDate| i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).unwrap_or_default();
    match (source, value) {
        (TimeSource::Iso(_), Json::Text(text)) if parse_date(text).is_some() => return Ok(parse_date(text).unwrap_or_default()),
        (TimeSource::Format { pattern, .. }, Json::Text(text)) => {
            if let Some(date) = NaiveDate::parse_from_str(text, pattern).ok().filter(|date| (1..=9999).contains(&date.year())) {
                return Ok(days(date));
            }
        }
        _ => {}
    }
    let expected = |unfit: Unfit| match source {
        TimeSource::Iso(_) => Unfit { expected: "a date (YYYY-MM-DD) or a date-time".to_owned(), ..unfit },
        _ => unfit,
    };
    let micros = timestamp(value, source).map_err(expected)?;
    let time = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    Ok(days(time.with_timezone(&zone.unwrap_or(Tz::UTC)).date_naive()))
}

fn epoch(token: &str, per_second: i64) -> Option<i64> {
    let micros = Decimal::parse(token)?.times_power_of_ten(6)?.divided_by(i128::from(per_second))?;
    let micros = i64::try_from(micros).ok()?;
    within(DateTime::from_timestamp_micros(micros)?)
}

/// `/Date(1700000000000)/`, also with an offset, which tells how to show it and not when it is.
fn json_date(text: &str) -> Option<i64> {
    let inner = text.trim().strip_prefix("/Date(")?.strip_suffix(")/")?;
    let sign = inner.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map_or(inner.len(), |(at, _)| at);
    epoch(inner.get(..sign)?, 1000)
}

fn local_text(text: &str) -> Option<NaiveDateTime> {
    let time = LOCAL_PATTERNS.iter().find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok());
    time.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
}

fn formatted(text: &str, pattern: &str, zone: Option<Tz>) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_str(text, pattern) {
        return within(time.with_timezone(&Utc));
    }
    let local = NaiveDateTime::parse_from_str(text, pattern).ok();
    let local = local.or_else(|| NaiveDate::parse_from_str(text, pattern).ok()?.and_hms_opt(0, 0, 0))?;
    in_zone(local, zone?)
}

fn in_zone(local: NaiveDateTime, zone: Tz) -> Option<i64> {
    within(zone.from_local_datetime(&local).single()?.with_timezone(&Utc))
}

/// A time's microseconds, if they are all there is of it: a leap second has none of its own.
fn within(time: DateTime<Utc>) -> Option<i64> {
    let nanos = time.timestamp_subsec_nanos();
    ((1..=9999).contains(&time.year()) && nanos.is_multiple_of(1000) && nanos < 1_000_000_000).then(|| time.timestamp_micros())
}
