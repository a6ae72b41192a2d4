//! ISO 8601 times and dates as APIs write them, and epoch numbers.

use chrono::{
    DateTime, Datelike, Duration, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;

use crate::base::cursor::number::ONE;

/// How a time was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Iso {
    separator: char,
    has_seconds: bool,
    /// Digits behind the seconds.
    fraction: u8,
    zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Zone {
    /// `Z` or `z`.
    Letter(char),
    /// `+02:00`, or `+0200` without the colon.
    Offset { seconds: i32, colon: bool },
    /// None: a time of the cursor's zone.
    None,
}

impl Default for Iso {
    fn default() -> Self {
        Self { separator: 'T', has_seconds: true, fraction: 0, zone: Zone::Letter('Z') }
    }
}

/// What a text turned out to be.
pub(super) enum Parsed {
    Time(DateTime<Utc>, Iso),
    Date(NaiveDate),
}

/// Reads `YYYY-MM-DD`, or that with `T` or a space, `hh:mm[:ss[.fraction]]` and perhaps a zone.
pub(super) fn parse(text: &str, zone: Tz) -> Option<Parsed> {
    if !text.is_ascii() || text.len() < 10 {
        return None;
    }
    let (day, rest) = text.split_at(10);
    let shape = day.bytes().enumerate().all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    let date = shape.then(|| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok())??;
    let Some(separator) = rest.chars().next() else { return Some(Parsed::Date(date)) };
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    let end = clock.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(clock.len());
    let (clock, written_zone) = clock.split_at(end);
    let (clock, digits) = clock.split_once('.').unwrap_or((clock, ""));
    let has_seconds = clock.len() > "hh:mm".len();
    let (time, overflow) = clock_time(clock)?;
    if digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{digits:0<9}").parse().ok()?;
    let local = date.and_time(time).with_nanosecond(nanos)?.checked_add_signed(overflow)?;
    let written = written_zone.trim();
    let zone_of = match written {
        "" => Zone::None,
        "Z" => Zone::Letter('Z'),
        "z" => Zone::Letter('z'),
        "UTC" | "GMT" => Zone::Letter('Z'),
        offset => {
            let (seconds, colon) = offset_of(offset)?;
            Zone::Offset { seconds, colon }
        }
    };
    let instant = match zone_of {
        Zone::None => of_local(local, zone),
        Zone::Letter(_) => local.and_utc(),
        Zone::Offset { seconds, .. } => FixedOffset::east_opt(seconds)?.from_local_datetime(&local).single()?.to_utc(),
    };
    let fraction = u8::try_from(digits.len()).ok()?;
    Some(Parsed::Time(instant, Iso { separator, has_seconds, fraction, zone: zone_of }))
}

/// Whether a text has the shape of a day, alone or before a time: three numbers with equal signs between them, of which one is a year.
pub(super) fn looks_like_one(text: &str) -> bool {
    let day = text.split(['T', 't', ' ']).next().unwrap_or_default();
    ['-', '/', '.'].iter().any(|&sign| {
        let parts: Vec<&str> = day.split(sign).collect();
        let are_numbers =
            parts.iter().all(|part| (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()));
        let is_year = |part: Option<&&str>| part.is_some_and(|part| part.len() == 4);
        parts.len() == 3 && are_numbers && (is_year(parts.first()) || is_year(parts.last()))
    })
}

/// `date` as a month or a date is written whose texts are in the order of time: `2026-11`, `2026/11/30`; `None` for any other text.
pub(super) fn like_calendar(like: &str, date: NaiveDate) -> Option<String> {
    let sign = like.chars().nth(4).filter(|sign| "-/.".contains(*sign))?;
    let parts: Vec<&str> = like.split(sign).collect();
    let is_part =
        |(at, part): (usize, &&str)| part.len() == if at == 0 { 4 } else { 2 } && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_month = parts.get(1).is_some_and(|month| ("01"..="12").contains(month));
    let is_calendar = (2..=3).contains(&parts.len()) && parts.iter().enumerate().all(is_part) && is_month;
    let format = if parts.len() == 2 { format!("%Y{sign}%m") } else { format!("%Y{sign}%m{sign}%d") };
    is_calendar.then(|| date.format(&format).to_string())
}

/// `hh:mm[:ss]`, and what a leap second or `24:00` lies behind it.
fn clock_time(text: &str) -> Option<(NaiveTime, Duration)> {
    let mut parts = text.split(':').map(|part| if part.len() == 2 { part.parse::<u32>().ok() } else { None });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = match parts.next() {
        Some(second) => second?,
        None => 0,
    };
    if parts.next().is_some() {
        return None;
    }
    match (hour, minute, second) {
        (24, 0, 0) => Some((NaiveTime::MIN, Duration::days(1))),
        (_, _, 60) => Some((NaiveTime::from_hms_opt(hour, minute, 59)?, Duration::seconds(1))),
        _ => Some((NaiveTime::from_hms_opt(hour, minute, second)?, Duration::zero())),
    }
}

/// `±hh:mm`, `±hhmm` or `±hh` in seconds, and whether it has its colon.
fn offset_of(text: &str) -> Option<(i32, bool)> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits = text.get(1..)?;
    let colon = digits.contains(':');
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 2 => (digits, "00"),
        None => digits.split_at_checked(2)?,
    };
    let two = |part: &str| if part.len() == 2 { part.parse::<u32>().ok() } else { None };
    let (hours, minutes) = (two(hours).filter(|h| *h < 24)?, two(minutes).filter(|m| *m < 60)?);
    Some((sign * i32::try_from(hours * 3600 + minutes * 60).ok()?, colon))
}

impl Iso {
    /// The least that it tells apart.
    pub(super) fn unit(self) -> Duration {
        if self.has_seconds { unit(self.fraction) } else { Duration::minutes(1) }
    }

    /// `time` in this spelling; more digits where it needs them.
    pub(super) fn write(self, time: DateTime<Utc>, zone: Tz) -> Box<str> {
        let local = match self.zone {
            Zone::Letter(_) => time.naive_utc(),
            Zone::Offset { seconds, .. } => time.naive_utc() + Duration::seconds(i64::from(seconds)),
            Zone::None => time.with_timezone(&zone).naive_local(),
        };
        let clock = if self.has_seconds || local.second() > 0 || local.nanosecond() > 0 { "%H:%M:%S" } else { "%H:%M" };
        let mut text = format!("{}{}{}", local.format("%Y-%m-%d"), self.separator, local.format(clock));
        let nanos = format!("{:09}", local.nanosecond() % 1_000_000_000);
        let digits = usize::from(self.fraction).max(nanos.trim_end_matches('0').len());
        if digits > 0 {
            text.push('.');
            text.push_str(nanos.get(..digits).unwrap_or(&nanos));
        }
        match self.zone {
            Zone::Letter(letter) => text.push(letter),
            Zone::Offset { seconds, colon } => {
                let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                let colon = if colon { ":" } else { "" };
                text.push_str(&format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60));
            }
            Zone::None => {}
        }
        text.into()
    }
}

/// A local time as a point in time: the first of two when clocks are set back, and behind the gap when they are set forward.
pub(super) fn of_local(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.to_utc(),
        LocalResult::None => {
            // No zone skips more than a day; what the clocks showed before the gap tells the offset.
            let before = zone.from_local_datetime(&(local - Duration::days(1)));
            before.earliest().map_or_else(|| local.and_utc(), |before| before.to_utc() + Duration::days(1))
        }
    }
}

/// The beginning of a day.
pub(super) fn at_midnight(date: NaiveDate, zone: Tz) -> DateTime<Utc> {
    of_local(date.and_time(NaiveTime::MIN), zone)
}

/// The last of so many digits behind the second.
pub(super) fn unit(digits: u8) -> Duration {
    Duration::nanoseconds(10_i64.pow(9_u32.saturating_sub(u32::from(digits))))
}

/// `time` cut to whole `unit`s, a minute at most.
pub(super) fn floor(time: DateTime<Utc>, unit: Duration) -> DateTime<Utc> {
    let nanos = i64::from(time.second()) * 1_000_000_000 + i64::from(time.nanosecond() % 1_000_000_000);
    time - Duration::nanoseconds(nanos % unit.num_nanoseconds().unwrap_or(1))
}

/// The time of an epoch number in units of 10⁻¹⁸; `None` outside the years 1 to 9999, which ISO 8601 ends at and every zone, step and lag
/// leaves room behind.
pub(super) fn of_epoch(number: i128, per_second: i64) -> Option<DateTime<Utc>> {
    let nanos = number / (ONE / 1_000_000_000) / i128::from(per_second);
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let time = DateTime::from_timestamp(seconds, u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?)?;
    (1..=9999).contains(&time.year()).then_some(time)
}

/// The epoch number of a time in units of 10⁻¹⁸.
pub(super) fn to_epoch(time: DateTime<Utc>, per_second: i64) -> i128 {
    let nanos = i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos());
    nanos * i128::from(per_second) * (ONE / 1_000_000_000)
}
