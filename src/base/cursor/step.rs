//! Distances between cursor values: `lag`, and the `step` of windows in calendar time.

use std::fmt;

use chrono::{DateTime, Days, Duration, Months, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::base::cursor::number::{self, ONE};
use crate::base::cursor::time::of_local;

/// How far back a cursor's values are read again: seconds of a timestamp, days of a date, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lag {
    units: i128,
    is_duration: bool,
}

impl Lag {
    /// Reads a number, or a duration such as `2h` or `3d`; `None` for anything else and below 0.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let seconds = match unit.trim() {
            "" => 0,
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return None,
        };
        let units = number::parse(number)?.checked_mul(i128::from(seconds.max(1)))?;
        // A thousand years: past it, sums could leave what an i128 or a calendar holds.
        (units < ONE * 1_000 * 366 * 86_400).then_some(Self { units, is_duration: seconds > 0 })
    }

    /// Whether it is written with a unit of time, and so goes with times and dates only.
    pub(crate) fn is_duration(self) -> bool {
        self.is_duration
    }

    /// Whether it is nothing.
    pub(crate) fn is_zero(self) -> bool {
        self.units == 0
    }

    /// As [`Lag::parse`] reads it.
    pub(crate) fn spelled(self) -> String {
        format!("{self}{}", if self.is_duration { "s" } else { "" })
    }

    pub(super) fn units(self) -> i128 {
        self.units
    }

    pub(super) fn millis(self) -> i64 {
        i64::try_from(self.units / (ONE / 1000)).unwrap_or(i64::MAX)
    }

    pub(super) fn days(self) -> i64 {
        let unit = if self.is_duration { ONE * 86_400 } else { ONE };
        i64::try_from((self.units + unit - 1) / unit).unwrap_or(i64::MAX)
    }
}

/// Seconds of a duration, else its number.
impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&number::write(self.units))
    }
}

/// The length of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many seconds.
    Seconds(u32),
    /// So many days of the calendar, 23 to 25 hours long.
    Days(u32),
    /// So many months of the calendar.
    Months(u32),
    /// So much of a number, in units of 10⁻¹⁸.
    Number(i128),
}

impl Step {
    /// Reads `30m`, `12h`, `1d`, `1w`, `1mo`, `1y`, or a number for cursors that are numbers; `None` for anything else and for 0.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        if unit.is_empty() {
            return number::parse(number).filter(|number| *number > 0).map(Self::Number);
        }
        let count = number.parse::<u32>().ok().filter(|count| (1..=100_000).contains(count))?;
        Some(match unit.trim() {
            "s" => Self::Seconds(count),
            "m" | "min" => Self::Seconds(count.checked_mul(60)?),
            "h" => Self::Seconds(count.checked_mul(3600)?),
            "d" => Self::Days(count),
            "w" => Self::Days(count * 7),
            "mo" => Self::Months(count),
            "y" => Self::Months(count * 12),
            _ => return None,
        })
    }

    /// Whether it is a number, for cursors that are numbers.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Number(_))
    }

    /// Whether it is shorter than a day, and so goes with times only.
    pub(crate) fn is_part_of_day(self) -> bool {
        matches!(self, Self::Seconds(_))
    }

    pub(super) fn units(self) -> Option<i128> {
        if let Self::Number(units) = self { Some(units) } else { None }
    }

    /// The time `count` steps behind `start`. Days and months keep the hour of the clock in `zone`.
    pub(super) fn after(self, start: DateTime<Utc>, count: u32, zone: Tz) -> Option<DateTime<Utc>> {
        let local = start.with_timezone(&zone).naive_local();
        match self {
            Self::Seconds(seconds) => start.checked_add_signed(Duration::seconds(i64::from(seconds) * i64::from(count))),
            Self::Days(days) => {
                local.checked_add_days(Days::new(u64::from(days) * u64::from(count))).map(|local| of_local(local, zone))
            }
            Self::Months(months) => {
                local.checked_add_months(Months::new(months.checked_mul(count)?)).map(|local| of_local(local, zone))
            }
            Self::Number(_) => None,
        }
    }

    pub(super) fn after_date(self, start: NaiveDate, count: u32) -> Option<NaiveDate> {
        match self {
            Self::Days(days) => start.checked_add_days(Days::new(u64::from(days) * u64::from(count))),
            Self::Months(months) => start.checked_add_months(Months::new(months.checked_mul(count)?)),
            Self::Seconds(_) | Self::Number(_) => None,
        }
    }
}
