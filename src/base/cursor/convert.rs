//! `convert`: what a cursor's value looks like in a request.

use std::fmt::Write;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Datelike, Duration, DurationRound, Months, Utc};
use chrono_tz::Tz;

use crate::base::cursor::time::{at_midnight, floor, of_local, unit};
use crate::base::cursor::{CursorValue, Edge, Meaning};

/// How a value is written into a request. What is remembered and compared stays as the API spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Converter {
    /// Whole seconds since 1970.
    EpochSeconds,
    /// Whole milliseconds since 1970.
    EpochMillis,
    /// `2026-11-22T08:00:00Z`.
    Iso8601,
    /// `2026-11-22` in the cursor's zone.
    Date,
    /// A strftime format, in the cursor's zone.
    Format(String),
}

/// A value in a request: a number where the body can hold one, text everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Its text.
    pub(crate) text: String,
    /// Whether a JSON body gets it as a number.
    pub(crate) is_number: bool,
}

impl Sent {
    /// It as JSON text.
    pub(crate) fn json(self) -> String {
        if self.is_number { self.text } else { serde_json::Value::String(self.text).to_string() }
    }
}

/// A value that is no time, and so cannot be written as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`convert` needs a time or a date, and the cursor is a {0}")]
pub(crate) struct NoTime(pub(crate) &'static str);

impl Converter {
    /// The converter of this name, or of a strftime format, which has a `%`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "epoch_s" => Self::EpochSeconds,
            "epoch_ms" => Self::EpochMillis,
            "iso8601" => Self::Iso8601,
            "date" => Self::Date,
            format if format.contains('%') && StrftimeItems::new(format).all(|item| item != Item::Error) => {
                Self::Format(format.to_owned())
            }
            _ => return None,
        })
    }

    /// Units a second, for converters to epoch numbers.
    pub(crate) fn epoch_per_second(&self) -> i64 {
        match self {
            Self::EpochSeconds => 1,
            Self::EpochMillis => 1000,
            Self::Iso8601 | Self::Date | Self::Format(_) => 0,
        }
    }

    /// `value` as a request has it. What the form has no room for is cut off at the start of a range, and rounded up at its end, so that
    /// the API is asked for no less than the range.
    ///
    /// # Errors
    /// [`NoTime`].
    pub(crate) fn apply(&self, value: &CursorValue, edge: Edge, zone: Tz) -> Result<Sent, NoTime> {
        let time = value.time(zone).ok_or(NoTime(value.kind().name()))?;
        let is_number = self.epoch_per_second() > 0;
        let text = match self {
            Self::EpochSeconds => rounded(time, 0, edge).timestamp().to_string(),
            Self::EpochMillis => rounded(time, 3, edge).timestamp_millis().to_string(),
            Self::Iso8601 => match value.meaning {
                Meaning::Date(_) if zone == Tz::UTC => time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
                _ => time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
            },
            Self::Date => {
                let date = time.with_timezone(&zone).date_naive();
                let is_cut = edge == Edge::End && at_midnight(date, zone) < time;
                if is_cut { date.succ_opt().unwrap_or(date) } else { date }.to_string()
            }
            Self::Format(format) if edge == Edge::End => end_in(format, time, zone),
            Self::Format(format) => in_format(format, time, zone),
        };
        Ok(Sent { text, is_number })
    }
}

fn in_format(format: &str, time: DateTime<Utc>, zone: Tz) -> String {
    let mut text = String::new();
    // The format was checked, so that writing cannot fail.
    let _ = write!(text, "{}", time.with_timezone(&zone).format(format));
    text
}

/// The end of a range in a format that may have no room for it: then the next time that it can tell apart.
fn end_in(format: &str, time: DateTime<Utc>, zone: Tz) -> String {
    let text = in_format(format, time, zone);
    if text != in_format(format, time - Duration::nanoseconds(1), zone) {
        return text;
    }
    let local = time.with_timezone(&zone).naive_local();
    let day = local.date();
    let next_day = day.succ_opt().unwrap_or(day);
    let next_month = day.with_day(1).and_then(|first| first.checked_add_months(Months::new(1))).unwrap_or(next_day);
    let minutes = [1, 60].map(|minutes| {
        let length = Duration::minutes(minutes);
        local.duration_trunc(length).map_or(time, |floor| of_local(floor + length, zone))
    });
    let candidates =
        [rounded(time, 0, Edge::End), minutes[0], minutes[1], at_midnight(next_day, zone), at_midnight(next_month, zone)];
    candidates.into_iter().map(|time| in_format(format, time, zone)).find(|next| *next != text).unwrap_or(text)
}

fn rounded(time: DateTime<Utc>, digits: u8, edge: Edge) -> DateTime<Utc> {
    let unit = unit(digits);
    let floor = floor(time, unit);
    if edge == Edge::End && floor < time { floor + unit } else { floor }
}
