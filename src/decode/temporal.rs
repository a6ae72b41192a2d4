//! Dates and times: text to value and back, exactly.
//!
//! In: the text of a JSON string. Out: microseconds UTC or days since 1970-01-01, and the spelling that gives the text back.
//! Invariants: what is accepted loses nothing: [`write_time`] of the value and its spelling is the text itself, or the parser
//! says that no spelling is (`+0100`, `z`), and the caller keeps the text. What cannot be held exactly (nanoseconds, leap seconds, `24:00`, no
//! zone) is not a time and stays text. Free to change: how digits are read.

use crate::decode::Spelling;

const DAY_MICROS: i64 = 86_400_000_000;
const SECOND_MICROS: i64 = 1_000_000;
const MINUTE_MICROS: i64 = 60_000_000;
/// 0001-01-01T00:00:00Z and the last microsecond of 9999, the range that readers share.
const MICROS_MIN: i64 = -62_135_596_800_000_000;
const MICROS_MAX: i64 = 253_402_300_799_999_999;

/// Reads an RFC 3339 date-time with a zone (`Z`, `z`, `±hh:mm`, `±hhmm`, `±hh`) and 0 to 9 fraction digits.
///
/// Gives microseconds since 1970-01-01T00:00:00Z, and the spelling with which [`write_time`] gives back `text`; no spelling
/// when none does. `None` where the text is no such time or has no exact place among the microseconds of the years 1 to 9999.
#[must_use]
pub(crate) fn parse_timestamp(text: &str) -> Option<(i64, Option<Spelling>)> {
    let (head, tail) = text.as_bytes().split_first_chunk::<19>()?;
    let days = days_of(head.first_chunk()?)?;
    let separator = head[10];
    if !matches!(separator, b'T' | b't' | b' ') || head[13] != b':' || head[16] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(head[11], head[12])?, two(head[14], head[15])?, two(head[17], head[18])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let clock = i64::from(hour * 3600 + minute * 60 + second) * SECOND_MICROS;
    let (fraction, fraction_micros, zone) = fraction_of(tail)?;
    let (offset_minutes, zulu, exact) = zone_of(zone)?;
    let local = i64::from(days) * DAY_MICROS + clock + fraction_micros;
    let micros = local - i64::from(offset_minutes) * MINUTE_MICROS;
    if !(MICROS_MIN..=MICROS_MAX).contains(&micros) {
        return None;
    }
    let spelling = exact.then_some(Spelling::Time { fraction, separator, offset_minutes, zulu });
    Some((micros, spelling))
}

/// Reads `YYYY-MM-DD` of the years 1 to 9999: days since 1970-01-01. Every date has one text.
#[must_use]
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    days_of(text.as_bytes().try_into().ok()?)
}

/// Appends a time in `spelling`; in any other than [`Spelling::Time`], or in none, as `2026-11-22T08:00:00Z` in UTC with the
/// fewest fraction digits that are exact. Digits that `spelling` has no room for would be lost, so it gets more room.
pub(crate) fn write_time(out: &mut String, micros: i64, spelling: Option<Spelling>) {
    let needed = fraction_needed(micros);
    let (fraction, separator, offset_minutes, zulu) = match spelling {
        Some(Spelling::Time { fraction, separator, offset_minutes, zulu }) => {
            (fraction.max(needed), separator, offset_minutes, zulu)
        }
        _ => (needed, b'T', 0, true),
    };
    let local = micros.saturating_add(i64::from(offset_minutes) * MINUTE_MICROS);
    write_date(out, i32::try_from(local.div_euclid(DAY_MICROS)).unwrap_or(i32::MAX));
    out.push(char::from(separator));
    let clock = local.rem_euclid(DAY_MICROS);
    let seconds = clock / SECOND_MICROS;
    push_digits(out, seconds / 3600, 2);
    out.push(':');
    push_digits(out, seconds / 60 % 60, 2);
    out.push(':');
    push_digits(out, seconds % 60, 2);
    if fraction > 0 {
        let micros = clock % SECOND_MICROS;
        out.push('.');
        match 10_i64.checked_pow(6 - u32::from(fraction.min(6))) {
            Some(unit) => push_digits(out, micros / unit, usize::from(fraction.min(6))),
            None => push_digits(out, micros, 6),
        }
        out.extend(std::iter::repeat_n('0', usize::from(fraction.saturating_sub(6))));
    }
    if zulu {
        out.push('Z');
        return;
    }
    out.push(if offset_minutes < 0 { '-' } else { '+' });
    let minutes = i64::from(offset_minutes.unsigned_abs());
    push_digits(out, minutes / 60, 2);
    out.push(':');
    push_digits(out, minutes % 60, 2);
}

/// A time as [`write_time`] writes it.
#[must_use]
#[cfg(test)]
pub(crate) fn format_time(micros: i64, spelling: Option<Spelling>) -> String {
    let mut out = String::with_capacity(32);
    write_time(&mut out, micros, spelling);
    out
}

/// Appends a date as `2026-11-22`; years past 9999, which no text gave, with the digits they need.
pub(crate) fn write_date(out: &mut String, days: i32) {
    let (year, month, day) = civil_of(days);
    if year < 0 {
        out.push('-');
    }
    push_digits(out, year.abs(), 4);
    out.push('-');
    push_digits(out, month, 2);
    out.push('-');
    push_digits(out, day, 2);
}

/// The fewest fraction digits that hold all of a time.
fn fraction_needed(micros: i64) -> u8 {
    let mut rest = micros.rem_euclid(SECOND_MICROS);
    let mut digits = 6;
    if rest == 0 {
        return 0;
    }
    while rest % 10 == 0 {
        rest /= 10;
        digits -= 1;
    }
    digits
}

/// A fraction with its point, if there is one: its number of digits, its microseconds, and what follows it.
fn fraction_of(tail: &[u8]) -> Option<(u8, i64, &[u8])> {
    let Some((b'.', digits)) = tail.split_first() else {
        return Some((0, 0, tail));
    };
    let mut count = 0_u8;
    let mut micros = 0_i64;
    let mut rest = digits;
    while let Some((&byte, after)) = rest.split_first() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        count += 1;
        if count <= 6 {
            micros = micros * 10 + i64::from(digit);
        } else if digit != 0 || count > 9 {
            return None;
        }
        rest = after;
    }
    if count == 0 {
        return None;
    }
    for _ in count..6 {
        micros *= 10;
    }
    Some((count, micros, rest))
}

/// A zone: minutes east of UTC, whether it is zulu, and whether [`write_time`] writes it just so.
fn zone_of(zone: &[u8]) -> Option<(i16, bool, bool)> {
    let (sign, hour, minute, exact) = match *zone {
        [b'Z'] => return Some((0, true, true)),
        [b'z'] => return Some((0, true, false)),
        [sign, a, b, b':', c, d] => (sign, two(a, b)?, two(c, d)?, true),
        [sign, a, b, c, d] => (sign, two(a, b)?, two(c, d)?, false),
        [sign, a, b] => (sign, two(a, b)?, 0, false),
        _ => return None,
    };
    if hour > 23 || minute > 59 {
        return None;
    }
    let minutes = i16::try_from(hour * 60 + minute).ok()?;
    match sign {
        b'+' => Some((minutes, false, exact)),
        b'-' => Some((-minutes, false, exact && minutes != 0)),
        _ => None,
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
fn days_of(text: &[u8; 10]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return None;
    };
    let (year, month, day) = (two(y1, y2)? * 100 + two(y3, y4)?, two(m1, m2)?, two(d1, d2)?);
    if year == 0 || !(1..=12).contains(&month) || day == 0 || (day > 28 && day > month_days(year, month)) {
        return None;
    }
    // Howard Hinnant's days_from_civil, for years of the common era.
    let (year, shifted) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era).cast_signed() - 719_468)
}

fn month_days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of days since 1970-01-01, after Howard Hinnant's civil_from_days.
fn civil_of(days: i32) -> (i64, i64, i64) {
    let shifted = i64::from(days) + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The number of two ASCII digits.
#[inline]
fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// Appends `value` with leading zeros up to `width`.
fn push_digits(out: &mut String, value: i64, width: usize) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut start) = (value.unsigned_abs(), digits.len());
    while let Some(at) = start.checked_sub(1) {
        if rest == 0 && digits.len() - start >= width {
            break;
        }
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        start = at;
    }
    out.extend(digits[start..].iter().map(|&digit| char::from(digit)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Option<i64> {
        parse_timestamp(text).map(|(micros, _)| micros)
    }

    /// `text` is a time, and its value is written as `canonical`.
    fn check(text: &str, canonical: &str) {
        let (micros, spelling) = parse_timestamp(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(format_time(micros, None), canonical, "{text}");
        if let Some(spelling) = spelling {
            assert_eq!(format_time(micros, Some(spelling)), text);
        }
    }

    #[test]
    fn times_of_every_spelling_are_read() {
        check("2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z");
        check("2026-11-22T08:00:00.000Z", "2026-11-22T08:00:00Z");
        check("2026-11-22T08:00:00.120Z", "2026-11-22T08:00:00.12Z");
        check("2026-11-22T08:00:00.123456000Z", "2026-11-22T08:00:00.123456Z");
        check("2026-11-22 08:00:00+05:30", "2026-11-22T02:30:00Z");
        check("2026-11-22t08:00:00.5-00:30", "2026-11-22T08:30:00.5Z");
        check("2026-11-22T08:00:00+0100", "2026-11-22T07:00:00Z");
        check("2026-11-22T08:00:00-08", "2026-11-22T16:00:00Z");
        check("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z");
        check("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
        check("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z");
        check("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z");
        assert_eq!(time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(time("2025-07-02T00:00:00.000Z"), Some(1_751_414_400_000_000));
    }

    #[test]
    fn a_spelling_that_cannot_be_written_again_is_reported() {
        for text in ["2026-11-22T08:00:00z", "2026-11-22T08:00:00+0000", "2026-11-22T08:00:00+01", "2026-11-22T08:00:00-00:00"] {
            assert!(matches!(parse_timestamp(text), Some((_, None))), "{text}");
        }
        assert!(matches!(parse_timestamp("2026-11-22T08:00:00+00:00"), Some((_, Some(_)))));
    }

    #[test]
    fn what_has_no_exact_microsecond_or_no_zone_stays_text() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T08:00:00",
            "2026-11-22T08:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T23:59:60Z",
            "2026-11-22T08:60:00Z",
            "2026-11-22T08:00:00.Z",
            "2026-11-22T08:00:00.1234567Z",
            "2026-11-22T08:00:00.1234560000Z",
            "2026-11-22T08:00:00,5Z",
            "2026-11-22T08:00:00ZZ",
            "2026-11-22T08:00:00Z ",
            "2026-11-22T08:00:00+24:00",
            "2026-11-22T08:00:00+1:00",
            "2026-11-22T08:00:00=01:00",
            "2026-11-22_08:00:00Z",
            "2026-13-01T08:00:00Z",
            "2026-02-29T08:00:00Z",
            "1900-02-29T08:00:00Z",
            "2026-04-31T08:00:00Z",
            "2026-00-10T08:00:00Z",
            "2026-01-00T08:00:00Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "+026-11-22T08:00:00Z",
            "2026-1é-22T08:00:00Z",
            "２０２６-11-22T08:00:00Z",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_read_and_written() {
        for (text, days) in [("1970-01-01", 0), ("1969-12-31", -1), ("2026-11-22", 20_779), ("0001-01-01", -719_162)] {
            assert_eq!(parse_date(text), Some(days), "{text}");
        }
        for text in ["2026-2-3", "2026-02-30", "20261122", "2026-11-22 ", "0000-12-31", "2026/11/22", ""] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_written_is_the_text_that_was_read(
            days in -719_162_i32..=2_932_896, second in 0..86_400_i64, micros in 0..1_000_000_i64, digits in 0..=9_u8,
            separator in prop::sample::select(&[b'T', b't', b' '][..]), offset in -1439..=1439_i16, zulu: bool,
        ) {
            let unit = 10_i64.pow(6 - u32::from(digits.min(6)));
            let value = i64::from(days) * DAY_MICROS + second * SECOND_MICROS + micros / unit * unit;
            let offset = if zulu { 0 } else { offset };
            let spelling = Spelling::Time { fraction: digits, separator, offset_minutes: offset, zulu };
            let text = format_time(value, Some(spelling));
            // Near the ends of the range the local year may leave it; such text is no time.
            if let Some(parsed) = parse_timestamp(&text) {
                prop_assert_eq!(parsed, (value, Some(spelling)));
            } else {
                prop_assert!(!(-719_161..=2_932_895).contains(&days), "{}", text);
            }
        }

        #[test]
        fn a_date_written_is_the_date_read(days in -719_162_i32..=2_932_896) {
            let mut text = String::new();
            write_date(&mut text, days);
            prop_assert_eq!(parse_date(&text), Some(days));
        }

        #[test]
        fn agrees_with_chrono(days in -719_162_i32..=2_932_896, micros in 0..DAY_MICROS) {
            let value = i64::from(days) * DAY_MICROS + micros;
            let theirs = chrono::DateTime::from_timestamp_micros(value).unwrap();
            prop_assert_eq!(format_time(value, None), theirs.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).replace(".000000Z", "Z")
                .split_once('.').map_or_else(|| theirs.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), |(head, tail)|
                    format!("{head}.{}Z", tail.trim_end_matches('Z').trim_end_matches('0'))));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = (parse_timestamp(&text), parse_date(&text));
        }
    }
}
