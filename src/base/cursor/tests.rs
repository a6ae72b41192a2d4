use chrono::{TimeZone, Utc};
use chrono_tz::Europe::Berlin;
use chrono_tz::Tz;
use proptest::prelude::*;
use std::cmp::Ordering;

use super::*;

const UTC: CursorForm = CursorForm { time_zone: Tz::UTC, epoch_per_second: 0 };
const GERMAN: CursorForm = CursorForm { time_zone: Berlin, epoch_per_second: 0 };
const EPOCH: CursorForm = CursorForm { time_zone: Tz::UTC, epoch_per_second: 1 };

fn check_order(form: CursorForm, earlier: &str, later: &str) {
    assert_eq!(form.text(earlier).order(&form.text(later)), Ok(Ordering::Less), "{earlier} < {later}");
    assert_eq!(form.text(later).order(&form.text(earlier)), Ok(Ordering::Greater), "{later} > {earlier}");
}

#[test]
fn e_67_cursors_are_compared_by_what_they_mean() {
    check_order(UTC, "9", "10");
    check_order(UTC, "-10", "9");
    check_order(UTC, "1e2", "100.5");
    check_order(UTC, "18446744073709551614", "18446744073709551615");
    check_order(UTC, "0.1", "0.10000000000000001");
    // As text the offset would decide.
    check_order(UTC, "2026-11-22T09:00:00+02:00", "2026-11-22T08:00:00Z");
    check_order(UTC, "2026-11-22T08:00:00Z", "2026-11-22T08:00:00.5Z");
    check_order(UTC, "2026-11-22T23:59:59-0500", "2026-11-23 05:00:00");
    check_order(UTC, "2026-09-30", "2026-10-01");
    check_order(UTC, "B", "a");
}

#[test]
fn e_67_values_of_two_types_have_no_order() {
    let mismatch = UTC.text("2026-11-22").order(&UTC.text("2026-11-22T08:00:00Z"));
    assert_eq!(mismatch.unwrap_err().to_string(), "a timestamp where the cursor is a date");
    assert!(UTC.text("5").order(&UTC.text("five")).is_err());
}

#[test]
fn equal_times_are_equal_however_they_are_spelled() {
    for (a, b) in [("2026-11-22T09:00:00+01:00", "2026-11-22T08:00Z"), ("2026-11-22T24:00:00Z", "2026-11-23T00:00:00.000Z")] {
        assert_eq!(UTC.text(a).order(&UTC.text(b)), Ok(Ordering::Equal), "{a} {b}");
    }
    // A time without a zone is one of the cursor's zone.
    assert_eq!(GERMAN.text("2026-11-22T09:00:00").order(&GERMAN.text("2026-11-22T08:00:00Z")), Ok(Ordering::Equal));
}

fn check_lag(form: CursorForm, value: &str, lag: &str, expected: &str) {
    let shifted = form.text(value).shifted(Lag::parse(lag).unwrap(), false, form.time_zone);
    assert_eq!(shifted.text(), expected, "{value} - {lag}");
}

#[test]
fn a_lag_is_seconds_of_times_days_of_dates_and_a_number_of_numbers_and_keeps_the_spelling() {
    check_lag(UTC, "2026-11-22T00:00:10+01:00", "20", "2026-11-21T23:59:50+01:00");
    check_lag(UTC, "2026-11-22 08:00:00.000", "2h", "2026-11-22 06:00:00.000");
    check_lag(UTC, "2026-11-22T08:00:00.250Z", "0.5", "2026-11-22T07:59:59.750Z");
    check_lag(UTC, "2026-03-01", "2", "2026-02-27");
    check_lag(UTC, "2026-03-01", "36h", "2026-02-27");
    check_lag(UTC, "100", "0.5", "99.5");
    check_lag(EPOCH, "1700000000", "1h", "1699996400");
    check_lag(UTC, "abc", "5", "abc");
    assert!(Lag::parse("-1").is_none() && Lag::parse("2y").is_none() && Lag::parse("").is_none());
}

#[test]
fn a_value_that_nobody_changed_keeps_its_spelling() {
    for text in ["2026-11-22t08:00:00.120z", "007", "1.50", "2026-11-22T08:00:00+0100", " padded "] {
        assert_eq!(UTC.text(text).text(), text);
    }
    assert!(UTC.number("1e400").is_none());
    assert_eq!(UTC.number("-0.0").unwrap().kind(), CursorType::Number);
}

#[test]
fn days_and_times_meet_at_midnight_without_cutting_anything_off() {
    let fit = |text: &str, kind, edge| GERMAN.fit(&GERMAN.text(text), kind, edge).map(|value| value.text().to_owned());
    assert_eq!(fit("2026-11-22", CursorType::Timestamp, Edge::Start).unwrap(), "2026-11-21T23:00:00Z");
    assert_eq!(fit("2026-11-22T12:00:00Z", CursorType::Date, Edge::Start).unwrap(), "2026-11-22");
    assert_eq!(fit("2026-11-22T12:00:00Z", CursorType::Date, Edge::End).unwrap(), "2026-11-23");
    assert_eq!(fit("2026-11-21T23:00:00Z", CursorType::Date, Edge::End).unwrap(), "2026-11-22");
    assert!(fit("5", CursorType::Date, Edge::Start).is_err());
}

fn check_sent(form: CursorForm, converter: &str, value: &str, edge: Edge, expected: &str) {
    let sent = Converter::parse(converter).unwrap().apply(&form.text(value), edge, form.time_zone).unwrap();
    assert_eq!(sent.text, expected, "{converter} of {value}");
}

#[test]
fn converters_write_what_the_api_reads_and_never_ask_for_less() {
    check_sent(UTC, "epoch_s", "2026-11-22T08:00:00.5Z", Edge::Start, "1795334400");
    check_sent(UTC, "epoch_s", "2026-11-22T08:00:00.5Z", Edge::End, "1795334401");
    check_sent(UTC, "epoch_ms", "2026-11-22", Edge::Start, "1795305600000");
    check_sent(UTC, "iso8601", "2026-11-22 09:00:00+01:00", Edge::Start, "2026-11-22T08:00:00Z");
    check_sent(EPOCH, "iso8601", "1795334400", Edge::Start, "2026-11-22T08:00:00Z");
    check_sent(GERMAN, "date", "2026-11-21T23:30:00Z", Edge::Start, "2026-11-22");
    check_sent(GERMAN, "date", "2026-11-21T23:30:00Z", Edge::End, "2026-11-23");
    check_sent(GERMAN, "date", "2026-11-21T23:00:00Z", Edge::End, "2026-11-22");
    check_sent(UTC, "%d.%m.%Y %H:%M", "2026-11-22T08:00:30Z", Edge::Start, "22.11.2026 08:00");
    check_sent(UTC, "%d.%m.%Y %H:%M", "2026-11-22T08:00:30Z", Edge::End, "22.11.2026 08:01");
    check_sent(UTC, "%Y%m", "2026-11-22T08:00:30Z", Edge::End, "202612");
    assert!(Converter::parse("epoch").is_none() && Converter::parse("%Q").is_none());
    assert!(Converter::parse("date").unwrap().apply(&UTC.text("7"), Edge::Start, Tz::UTC).is_err());
}

#[test]
fn e_68_a_step_of_a_day_is_a_day_of_the_calendar_also_when_clocks_change() {
    let at = |text: &str, step: &str, count| GERMAN.text(text).stepped(CursorStep::parse(step).unwrap(), count, Berlin).unwrap();
    // Clocks go back on 2026-10-25: that day has 25 hours.
    assert_eq!(at("2026-10-24T22:00:00Z", "1d", 1).text(), "2026-10-25T23:00:00Z");
    assert_eq!(at("2026-10-24T22:00:00Z", "24h", 1).text(), "2026-10-25T22:00:00Z");
    // And forward on 2026-03-29, when there is no 02:30.
    assert_eq!(at("2026-03-28T01:30:00Z", "1d", 1).text(), "2026-03-29T01:30:00Z");
    assert_eq!(at("2026-01-31", "1mo", 1).text(), "2026-02-28");
    assert_eq!(at("2026-01-31", "1mo", 2).text(), "2026-03-31");
    assert_eq!(at("100", "250", 2).text(), "600");
}

proptest! {
    #[test]
    fn the_order_of_times_is_that_of_their_instants(a in 0_i64..4_000_000_000, b in 0_i64..4_000_000_000, east in -12_i32..14) {
        let text = |seconds: i64, hours: i32| {
            let zone = chrono::FixedOffset::east_opt(hours * 3600).unwrap();
            zone.timestamp_opt(seconds, 0).unwrap().to_rfc3339()
        };
        let order = UTC.text(&text(a, east)).order(&UTC.text(&text(b, 0)));
        prop_assert_eq!(order, Ok(a.cmp(&b)));
    }

    #[test]
    fn numbers_come_back_as_they_are(number in any::<i64>(), fraction in 0_u32..1_000_000) {
        let text = format!("{number}.{fraction:06}");
        let read = number::parse(&text).unwrap();
        prop_assert_eq!(number::parse(&number::write(read)), Some(read));
    }

    #[test]
    fn a_time_in_any_spelling_is_the_same_time(seconds in 0_i64..4_000_000_000, digits in 0_usize..4) {
        let time = Utc.timestamp_opt(seconds, 0).unwrap();
        let like = UTC.text(&format!("2020-01-01T00:00:00{}{}+05:30", if digits > 0 { "." } else { "" }, "0".repeat(digits)));
        let written = UTC.time_like(time, &like).unwrap();
        prop_assert_eq!(written.text().len(), like.text().len());
        prop_assert_eq!(UTC.text(written.text()).time(Tz::UTC), Some(time));
    }
}

#[test]
fn what_looks_like_a_time_and_is_none_is_known() {
    let form = CursorForm { time_zone: Tz::UTC, epoch_per_second: 0 };
    for text in [
        "2026-02-30",
        "2026-13-01T00:00:00Z",
        "2026-11-22T25:00",
        "2026-11-22T10:00:00 PM",
        "22.11.2026",
        "11/22/2026",
        "2026/11/22",
        "2026-1-2",
    ] {
        assert!(form.text(text).is_no_time(), "{text}");
    }
    for text in ["2026-11-22", "2026-11-22T10:00:00Z", "abc", "a-b-c", "1.2.3", "10-20-30", "7", "", "2026-11", "v2026.11.22"] {
        assert!(!form.text(text).is_no_time(), "{text}");
    }
}

#[test]
fn numbers_past_the_calendar_are_no_times() {
    let form = CursorForm { time_zone: "Pacific/Auckland".parse().unwrap(), epoch_per_second: 1 };
    for token in ["253402300800", "-62135596801", "8210266876799", "-8334601228800", "9223372036854775807", "1e19"] {
        assert!(form.number(token).is_none_or(|value| value.kind() == CursorType::Text), "{token}");
    }
    for token in ["253402300799", "-62135596800", "0"] {
        let value = form.number(token).unwrap();
        assert_eq!(value.kind(), CursorType::Timestamp, "{token}");
        for lag in ["1000d", "999w", "3s"] {
            let lag = Lag::parse(lag).unwrap();
            let (back, forth) = (value.shifted(lag, false, form.time_zone), value.shifted(lag, true, form.time_zone));
            for edge in [Edge::Start, Edge::End] {
                for convert in ["epoch_s", "epoch_ms", "iso8601", "date", "%Y-%m-%d", "%H"] {
                    let convert = Converter::parse(convert).unwrap();
                    assert!([&value, &back, &forth].iter().all(|value| convert.apply(value, edge, form.time_zone).is_ok()));
                }
            }
        }
    }
}
