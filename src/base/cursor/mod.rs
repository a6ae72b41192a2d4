//! Cursor values: how far incremental loading has come, compared by what they mean and not by how they are spelled.
//!
//! In: tokens of records, scalars of the config, the state. Out: a [`CursorValue`], its order, and its text again. Invariants: only values
//! of one [`CursorType`] are compared; a value that nobody changed keeps its spelling to the last character, and a changed one is
//! spelled like the one it came from. A date stands for its midnight, and a time without a zone is one of the cursor's `time_zone`.
//! Not here: which rows a cursor lets through (`decode`), what is remembered (`pipeline`).

mod convert;
mod number;
mod step;
mod time;

use std::cmp::Ordering;
use std::fmt;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;

pub(crate) use convert::{Converter, NoTime, Sent};
pub(crate) use step::{Lag, Step as CursorStep};
use time::{Iso, at_midnight};

/// What a cursor's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CursorType {
    /// Numbers, also as text: `9` is before `10`.
    Number,
    /// Points in time.
    Timestamp,
    /// Days.
    Date,
    /// Anything else, in the order of its bytes.
    Text,
}

impl CursorType {
    /// As messages and the state spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Text => "text",
        }
    }

    /// The type of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::Number, Self::Timestamp, Self::Date, Self::Text].into_iter().find(|known| known.name() == name)
    }
}

/// How the tokens of one cursor are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CursorForm {
    /// Zone of dates and of times without one.
    pub(crate) time_zone: Tz,
    /// Numbers count this many a second since 1970; 0 when they are plain numbers.
    pub(crate) epoch_per_second: i64,
}

/// A value of a cursor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CursorValue {
    meaning: Meaning,
    text: Box<str>,
    spelling: Spelling,
    /// A JSON string, not a number.
    is_quoted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Meaning {
    Number(i128),
    Time(DateTime<Utc>),
    Date(NaiveDate),
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Spelling {
    Plain,
    Iso(Iso),
    Epoch(i64),
}

/// Which end of a range a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The first one within.
    Start,
    /// The first one behind.
    End,
}

/// A number's token without exponent and without zeros at its end: equal for equal numbers; `None` for any other text, and past 20 digits before or 18
/// behind the point.
pub(crate) fn plain_number(token: &str) -> Option<String> {
    number::parse(token).map(number::write)
}

/// Two values that have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {} where the cursor is a {}", found.name(), expected.name())]
pub(crate) struct TypeMismatch {
    /// What the cursor is.
    pub(crate) expected: CursorType,
    /// What came.
    pub(crate) found: CursorType,
}

impl CursorForm {
    /// Reads a text: a date, a time, a number, or just text.
    pub(crate) fn text(&self, text: &str) -> CursorValue {
        self.read(text, true)
    }

    /// Reads a number's token; `None` for one with more than 20 digits before or 18 behind the point.
    pub(crate) fn number(&self, token: &str) -> Option<CursorValue> {
        let value = self.read(token, false);
        (value.kind() != CursorType::Text).then_some(value)
    }

    /// The point in time that a text with a day and a clock stands for.
    pub(crate) fn instant(&self, text: &str) -> Option<DateTime<Utc>> {
        match time::parse(text, self.time_zone)? {
            time::Parsed::Time(time, _) => Some(time),
            time::Parsed::Date(_) => None,
        }
    }

    /// `start` and `end` as values of one type, where they are a day and a time: then both are times.
    pub(crate) fn matched(&self, start: CursorValue, end: CursorValue) -> (CursorValue, CursorValue) {
        if ![start.kind(), end.kind()].contains(&CursorType::Timestamp) {
            return (start, end);
        }
        let fit = |value: CursorValue, edge| self.fit(&value, CursorType::Timestamp, edge).unwrap_or(value);
        (fit(start, Edge::Start), fit(end, Edge::End))
    }

    fn read(&self, text: &str, is_quoted: bool) -> CursorValue {
        let number = number::parse(text);
        let (meaning, spelling) = match number {
            Some(number) if self.epoch_per_second > 0 => match time::of_epoch(number, self.epoch_per_second) {
                Some(time) => (Meaning::Time(time), Spelling::Epoch(self.epoch_per_second)),
                None => (Meaning::Text, Spelling::Plain),
            },
            Some(number) => (Meaning::Number(number), Spelling::Plain),
            None => match time::parse(text, self.time_zone) {
                Some(time::Parsed::Time(time, iso)) => (Meaning::Time(time), Spelling::Iso(iso)),
                Some(time::Parsed::Date(date)) => (Meaning::Date(date), Spelling::Plain),
                None => (Meaning::Text, Spelling::Plain),
            },
        };
        CursorValue { meaning, text: text.into(), spelling, is_quoted }
    }

    /// `time` as a value of `like`'s type and spelling; `None` where `like` is no time, date or text that is a month or a date.
    pub(crate) fn time_like(&self, time: DateTime<Utc>, like: &CursorValue) -> Option<CursorValue> {
        match like.meaning {
            Meaning::Time(_) => Some(like.with(Meaning::Time(like.rounded(time)), self.time_zone)),
            Meaning::Date(_) => Some(like.with(Meaning::Date(time.with_timezone(&self.time_zone).date_naive()), self.time_zone)),
            Meaning::Text => {
                let text = time::like_calendar(&like.text, time.with_timezone(&self.time_zone).date_naive())?;
                Some(CursorValue { text: text.into(), ..like.clone() })
            }
            Meaning::Number(_) => None,
        }
    }

    /// Whether `value` is a time or a date at which, or before which, `time` may be cut to be spelled as some value of its type is.
    pub(crate) fn may_be_cut_to(&self, time: DateTime<Utc>, value: &CursorValue) -> bool {
        match value.meaning {
            Meaning::Time(of) => of >= time::floor(time, Duration::minutes(1)),
            Meaning::Date(of) => of >= time.with_timezone(&self.time_zone).date_naive(),
            Meaning::Text => self.time_like(time, value).is_some_and(|cut| value.text >= cut.text),
            Meaning::Number(_) => false,
        }
    }

    /// The end of a range of `like`'s type up to `time`: of days, the one behind the day of `time`.
    pub(crate) fn ending_at(&self, time: DateTime<Utc>, like: &CursorValue) -> Option<CursorValue> {
        let end = self.time_like(time, like).filter(|end| end.meaning != Meaning::Text)?;
        Some(match end.meaning {
            Meaning::Date(date) => end.with(Meaning::Date(date.succ_opt().unwrap_or(date)), self.time_zone),
            _ => end,
        })
    }

    /// `value` as one of `kind`: a date becomes its midnight, and a time the date it falls on; at the end of a range the next one, so
    /// that nothing is cut off.
    ///
    /// # Errors
    /// [`TypeMismatch`] for any other change.
    pub(crate) fn fit(&self, value: &CursorValue, kind: CursorType, edge: Edge) -> Result<CursorValue, TypeMismatch> {
        match (value.meaning, kind) {
            _ if value.kind() == kind => Ok(value.clone()),
            (Meaning::Date(date), CursorType::Timestamp) => {
                let iso = Iso::default();
                let time = at_midnight(date, self.time_zone);
                Ok(CursorValue {
                    meaning: Meaning::Time(time),
                    spelling: Spelling::Iso(iso),
                    text: iso.write(time, self.time_zone),
                    is_quoted: true,
                })
            }
            (Meaning::Time(time), CursorType::Date) => {
                let date = time.with_timezone(&self.time_zone).date_naive();
                let cut = edge == Edge::End && at_midnight(date, self.time_zone) < time;
                let date = if cut { date.succ_opt().unwrap_or(date) } else { date };
                Ok(CursorValue {
                    meaning: Meaning::Date(date),
                    spelling: Spelling::Plain,
                    text: date.to_string().into(),
                    is_quoted: true,
                })
            }
            _ => Err(TypeMismatch { expected: kind, found: value.kind() }),
        }
    }
}

impl CursorValue {
    /// Its type.
    pub(crate) fn kind(&self) -> CursorType {
        match self.meaning {
            Meaning::Number(_) => CursorType::Number,
            Meaning::Time(_) => CursorType::Timestamp,
            Meaning::Date(_) => CursorType::Date,
            Meaning::Text => CursorType::Text,
        }
    }

    /// Whether it is text that looks like a day or a time and is none: `2026-02-30`, `2026-11-22T25:00`, `22.11.2026`.
    pub(crate) fn is_no_time(&self) -> bool {
        self.meaning == Meaning::Text && time::looks_like_one(&self.text)
    }

    /// As it came.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it came as a JSON string.
    pub(crate) fn is_quoted(&self) -> bool {
        self.is_quoted
    }

    /// A text that is equal for equal values, however they are spelled.
    pub(crate) fn identity(&self) -> String {
        match self.meaning {
            Meaning::Number(number) => format!("n{number}"),
            Meaning::Time(time) => format!("t{}.{:09}", time.timestamp(), time.timestamp_subsec_nanos()),
            Meaning::Date(date) => format!("d{date}"),
            Meaning::Text => format!("x{}", self.text),
        }
    }

    /// The point in time it is: a date's midnight.
    pub(crate) fn time(&self, zone: Tz) -> Option<DateTime<Utc>> {
        match self.meaning {
            Meaning::Time(time) => Some(time),
            Meaning::Date(date) => Some(at_midnight(date, zone)),
            Meaning::Number(_) | Meaning::Text => None,
        }
    }

    /// Which of two values of one type comes first.
    ///
    /// # Errors
    /// [`TypeMismatch`]: of two types, with `self`'s as the expected one.
    pub(crate) fn order(&self, other: &Self) -> Result<Ordering, TypeMismatch> {
        match (self.meaning, other.meaning) {
            (Meaning::Number(a), Meaning::Number(b)) => Ok(a.cmp(&b)),
            (Meaning::Time(a), Meaning::Time(b)) => Ok(a.cmp(&b)),
            (Meaning::Date(a), Meaning::Date(b)) => Ok(a.cmp(&b)),
            (Meaning::Text, Meaning::Text) => Ok(self.text.cmp(&other.text)),
            _ => Err(TypeMismatch { expected: self.kind(), found: other.kind() }),
        }
    }

    /// A value with another meaning of the same type, spelled like this one.
    fn with(&self, meaning: Meaning, zone: Tz) -> Self {
        let text: Box<str> = match (meaning, self.spelling) {
            (Meaning::Number(number), _) => number::write(number).into(),
            (Meaning::Date(date), _) => date.to_string().into(),
            (Meaning::Time(time), Spelling::Epoch(per_second)) => number::write(time::to_epoch(time, per_second)).into(),
            (Meaning::Time(time), Spelling::Iso(iso)) => iso.write(time, zone),
            (Meaning::Time(time), Spelling::Plain) => Iso::default().write(time, zone),
            (Meaning::Text, _) => self.text.clone(),
        };
        Self { meaning, text, ..self.clone() }
    }

    /// `time` without what the spelling has no room for.
    fn rounded(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        time::floor(time, self.unit())
    }

    /// The least that the spelling tells apart, of times.
    fn unit(&self) -> Duration {
        match self.spelling {
            Spelling::Iso(iso) => iso.unit(),
            Spelling::Epoch(per_second) => time::unit(if per_second >= 1000 { 3 } else { 0 }),
            Spelling::Plain => time::unit(0),
        }
    }

    /// The time or date right before this one, as far as its spelling tells them apart; a number or text as it is.
    pub(crate) fn before(&self, zone: Tz) -> Self {
        let meaning = match self.meaning {
            Meaning::Time(time) => time.checked_sub_signed(self.unit()).map(Meaning::Time),
            Meaning::Date(date) => date.pred_opt().map(Meaning::Date),
            Meaning::Number(_) | Meaning::Text => None,
        };
        meaning.map_or_else(|| self.clone(), |meaning| self.with(meaning, zone))
    }

    /// The value `lag` before this one, or behind it with `forward`. Text has no distance and stays as it is.
    pub(crate) fn shifted(&self, lag: Lag, forward: bool, zone: Tz) -> Self {
        let sign = if forward { 1 } else { -1 };
        let meaning = match self.meaning {
            Meaning::Number(number) => number.checked_add(lag.units() * sign).map(Meaning::Number),
            Meaning::Time(time) => Duration::try_milliseconds(lag.millis() * sign as i64)
                .and_then(|by| time.checked_add_signed(by))
                .map(Meaning::Time),
            Meaning::Date(date) => {
                Duration::try_days(lag.days() * sign as i64).and_then(|by| date.checked_add_signed(by)).map(Meaning::Date)
            }
            Meaning::Text => None,
        };
        meaning.map_or_else(|| self.clone(), |meaning| self.with(meaning, zone))
    }

    /// The value one `step` behind `start` times `count`, in calendar time of `zone`; `None` where there is none.
    pub(crate) fn stepped(&self, step: CursorStep, count: u32, zone: Tz) -> Option<Self> {
        let meaning = match self.meaning {
            Meaning::Number(number) => Meaning::Number(number.checked_add(step.units()?.checked_mul(i128::from(count))?)?),
            Meaning::Time(time) => Meaning::Time(step.after(time, count, zone)?),
            Meaning::Date(date) => Meaning::Date(step.after_date(date, count)?),
            Meaning::Text => return None,
        };
        Some(self.with(meaning, zone))
    }
}

/// As it came.
impl fmt::Display for CursorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
