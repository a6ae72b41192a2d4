//! Equal values give equal marks, and different ones different marks.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

const FORM: CursorForm = CursorForm { time_zone: Tz::UTC, epoch_per_second: 0 };

fn of(dedup: &Dedup, record: &str) -> u128 {
    mark(dedup, FORM, Some(&FORM.text("2026-01-01")), &Json::parse(record).unwrap())
}

/// Whether two values of a member are the same to a mark.
fn same(one: &str, other: &str) -> bool {
    let record = |value: &str| format!(r#"{{"id":1,"of":{{"x":[{value}]}}}}"#);
    of(&Dedup::Record, &record(one)) == of(&Dedup::Record, &record(other))
}

#[test]
fn values_are_the_same_however_they_are_spelled() {
    for (one, other) in [
        ("1", "1.0"),
        ("1.10", "1.1"),
        ("100", "1e2"),
        ("-0", "0"),
        ("0.00", "0"),
        ("1e400", "10E+399"),
        ("9007199254740993", "9007199254740993.000"),
        (r#""2026-01-01T00:00:00Z""#, r#""2026-01-01T00:00:00.000Z""#),
        (r#""2026-01-01T00:00:00Z""#, r#""2026-01-01 01:00:00+01:00""#),
        (r#""2026-01-01T00:00:00""#, r#""2026-01-01T00:00:00.0""#),
        (r#""\u00e9""#, r#""é""#),
        (r#"{"a":1,"b":null}"#, r#"{"a":1}"#),
        (r#"{"a":1,"b":2}"#, r#"{"b":2.0,"a":1}"#),
    ] {
        assert!(same(one, other), "{one} and {other}");
    }
    for (one, other) in [
        ("1", "2"),
        ("1", "-1"),
        ("1", "10"),
        ("0.1", "1"),
        ("9007199254740993", "9007199254740992"),
        ("1", r#""1""#),
        (r#""1.10""#, r#""1.1""#),
        (r#""2026-01-01T00:00:00Z""#, r#""2026-01-01T00:00:00.001Z""#),
        (r#""2026-01-01""#, r#""2026-01-01T00:00:00Z""#),
        ("null", "0"),
        ("null", "1,null"),
        ("{}", "[]"),
        (r#"{"a":{}}"#, "{}"),
        (r#""""#, "null"),
        ("true", r#""true""#),
    ] {
        assert!(!same(one, other), "{one} and {other}");
    }
}

#[test]
fn a_key_tells_records_apart_and_without_a_part_of_it_all_of_the_record_does() {
    let key = Dedup::Key(vec!["id".to_owned(), "of".to_owned()]);
    let is_one = |one, other| of(&key, one) == of(&key, other);
    assert!(is_one(r#"{"id":1,"of":"a","x":1}"#, r#"{"of":"a","id":1.0,"x":2}"#));
    assert!(!is_one(r#"{"id":1,"of":"a"}"#, r#"{"id":1,"of":"b"}"#));
    assert!(!is_one(r#"{"id":1,"x":1}"#, r#"{"id":1,"x":2}"#));
    assert!(!is_one(r#"{"id":1,"of":null,"x":1}"#, r#"{"id":1,"x":2}"#));
}

/// A number's digits and its power of ten.
fn number() -> impl Strategy<Value = (i64, i8)> {
    (prop_oneof![Just(0), -20_i64..20, any::<i64>()], -5_i8..5)
}

/// The same number in other words: more zeros, and an exponent.
fn spelled((digits, power): (i64, i8), zeros: u8, shift: i8) -> String {
    let (sign, digits) = (if digits < 0 { "-" } else { "" }, digits.unsigned_abs());
    let tail = "0".repeat(usize::from(zeros));
    let power = i32::from(power) - i32::from(shift) * 2;
    let shifted = "0".repeat(usize::try_from(shift * 2).unwrap_or(0));
    match digits {
        0 => format!("{sign}0.{tail}0"),
        _ => format!("{sign}{digits}{shifted}.{tail}0e{power}"),
    }
}

proptest! {
    #[test]
    fn numbers_are_equal_in_marks_when_they_are_equal(
        one in number(), other in number(), zeros in 0_u8..4, shift in 0_i8..4,
    ) {
        prop_assert!(same(&spelled(one, 0, 0), &spelled(one, zeros, shift)));
        let value = |(digits, power): (i64, i8)| i128::from(digits) * 10_i128.pow(u32::try_from(power + 5).unwrap());
        prop_assert_eq!(same(&spelled(one, 0, 0), &spelled(other, zeros, shift)), value(one) == value(other));
    }

    #[test]
    fn times_are_equal_in_marks_when_they_are_one_instant(
        one in 0_i64..4_000_000_000, other in 0_i64..4_000_000_000, minutes in -14_i32 * 60..14 * 60, digits in 1_usize..9,
    ) {
        let spelled = |seconds: i64, minutes: i32, fraction: &str| {
            let zone = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            let local = chrono::DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&zone);
            format!("\"{}{fraction}{}\"", local.format("%Y-%m-%dT%H:%M:%S"), local.format("%:z"))
        };
        let fraction = format!(".{}", "0".repeat(digits));
        prop_assert!(same(&spelled(one, 0, ""), &spelled(one, minutes, &fraction)));
        prop_assert_eq!(same(&spelled(one, 0, ""), &spelled(other, minutes, &fraction)), one == other);
    }
}

#[test]
fn a_member_of_the_record_is_what_a_column_that_takes_both_holds() {
    let key = Dedup::Key(vec!["id".to_owned()]);
    let equal = |one: &str, other: &str| {
        let record = |value: &str| format!(r#"{{"id":{value},"v":1}}"#);
        let by = |dedup: &Dedup| of(dedup, &record(one)) == of(dedup, &record(other));
        assert_eq!(by(&key), by(&Dedup::Record), "{one} and {other}");
        by(&key)
    };
    for (number, text) in [("1", r#""1""#), ("-7", r#""-7""#), ("1.5", r#""1.5""#), ("true", r#""true""#), ("1.0", r#""1""#)] {
        assert!(equal(number, text), "{number} and {text}");
    }
    for (number, text) in
        [("1", r#""01""#), ("1.1", r#""1.10""#), ("0", r#""-0""#), ("100", r#""1e2""#), ("1", r#"" 1""#), ("0", r#""""#)]
    {
        assert!(!equal(number, text), "{number} and {text}");
    }
    assert!(!same("1", r#""1""#), "in lists and objects they are two");
}
