//! Values to folder values: Iceberg's transforms, with folder texts that sort.
//!
//! In: a value as an integer or text, by [`Kind`]. Out: an ordinal (what rows of one partition share), and its text.
//! Rules: Iceberg's spec, "Partition Transforms" and appendix B for the hash.

use arrow_schema::{DataType, TimeUnit};

use crate::config::Transform;
use crate::schema::ColumnType;

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
/// Digits of decimals that each have a double of their own (IEEE 754, `DBL_DIG`).
const DOUBLE_DIGITS: u8 = 15;

/// Column types, as far as folder names go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Int64
    Integer,
    /// Decimal128 with this scale.
    Decimal(i8),
    /// Boolean
    Boolean,
    /// Date32
    Date,
    /// Microseconds UTC.
    Timestamp,
    /// Utf8
    Text,
}

impl Kind {
    /// The kind of arrays of this type; `None` for those that make no folder names.
    pub(crate) fn of_arrow(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Int64 => Some(Self::Integer),
            DataType::Decimal128(_, scale) => Some(Self::Decimal(*scale)),
            DataType::Boolean => Some(Self::Boolean),
            DataType::Date32 => Some(Self::Date),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Some(Self::Timestamp),
            DataType::Utf8 => Some(Self::Text),
            _ => None,
        }
    }

    /// The kind of columns of this type; `Err` names a type that makes no folder names, `Ok(None)` is not known yet.
    pub(crate) fn of_column(column_type: &ColumnType) -> Result<Option<Self>, &'static str> {
        match column_type {
            ColumnType::Unknown => Ok(None),
            ColumnType::Boolean => Ok(Some(Self::Boolean)),
            ColumnType::Int64 { .. } => Ok(Some(Self::Integer)),
            ColumnType::Decimal { scale, .. } => Ok(Some(Self::Decimal(*scale))),
            ColumnType::Timestamp => Ok(Some(Self::Timestamp)),
            ColumnType::Date => Ok(Some(Self::Date)),
            ColumnType::Text => Ok(Some(Self::Text)),
            ColumnType::Float64(_) => Err("a floating-point number"),
            ColumnType::Json => Err("JSON text"),
            ColumnType::Struct(_) => Err("an object"),
            ColumnType::List(_) => Err("a list"),
        }
    }

    /// What is wrong with folders named after whole values of this type, though its kind makes folders: readers take a number with a point in
    /// a folder's name for a double, which has room for 15 digits.
    pub(crate) fn misread(data_type: &DataType, transform: Transform) -> Option<&'static str> {
        let is_rounded = matches!(data_type, DataType::Decimal128(precision, 1..) if *precision > DOUBLE_DIGITS);
        (is_rounded && transform == Transform::Identity).then_some(
            "a decimal of more than 15 digits with some after the point, which readers of folders round to a double; partition by `'bucket[16]'` of \
             it",
        )
    }

    /// The kind in words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Integer => "an integer",
            Self::Decimal(_) => "a decimal",
            Self::Boolean => "a boolean",
            Self::Date => "a date",
            Self::Timestamp => "a timestamp",
            Self::Text => "text",
        }
    }

    /// Whether the transform is defined for the kind.
    pub(crate) fn allows(self, transform: Transform) -> bool {
        match transform {
            Transform::Identity => true,
            Transform::Year | Transform::Month | Transform::Day => matches!(self, Self::Date | Self::Timestamp),
            Transform::Hour => self == Self::Timestamp,
            Transform::Bucket { .. } => self != Self::Boolean,
            Transform::Truncate { .. } => matches!(self, Self::Integer | Self::Decimal(_) | Self::Text),
        }
    }

    /// Whether equal values keep their folder when the column goes from one kind to the other. Identity uses the value's JSON
    /// text, which integers, booleans and dates share with the text they widen to; times do not, and no other transform does.
    pub(crate) fn keeps_folders(self, other: Self, transform: Transform) -> bool {
        let has_one_text =
            |kind: Self| kind != Self::Timestamp && (!matches!(kind, Self::Decimal(_)) || kind == Self::Decimal(0));
        self == other || (transform == Transform::Identity && has_one_text(self) && has_one_text(other))
    }
}

/// A type that makes no folder names, in words.
pub(crate) fn type_words(data_type: &DataType) -> String {
    match data_type {
        DataType::Float64 => "a floating-point number".to_owned(),
        DataType::Struct(_) => "an object".to_owned(),
        DataType::List(_) => "a list".to_owned(),
        other => format!("of type {other}"),
    }
}

/// The coarsest step of a value that is cheap to take and never spans two partitions: the day or hour of a time, else the
/// value itself. `value`: days, microseconds, the integer, or 0 and 1.
pub(crate) fn step_of(transform: Transform, kind: Kind, value: i64) -> i64 {
    match (transform, kind) {
        (Transform::Hour, Kind::Timestamp) => value.div_euclid(MICROS_PER_HOUR),
        (Transform::Year | Transform::Month | Transform::Day, Kind::Timestamp) => value.div_euclid(MICROS_PER_DAY),
        _ => value,
    }
}

/// What all rows of a partition share, from [`step_of`].
pub(crate) fn ordinal_of(transform: Transform, step: i64) -> i64 {
    match transform {
        Transform::Identity | Transform::Day | Transform::Hour => step,
        Transform::Year => civil_date(step).0,
        Transform::Month => {
            let (year, month, _) = civil_date(step);
            year * 12 + i64::from(month) - 1
        }
        Transform::Bucket { buckets } => bucket_of(&step.to_le_bytes(), buckets),
        // Below the least multiple there is none; its rows share the least number.
        Transform::Truncate { width } => step.checked_sub(step.rem_euclid(i64::from(width))).unwrap_or(i64::MIN),
    }
}

/// An ordinal's folder text.
pub(crate) fn ordinal_text(transform: Transform, kind: Kind, ordinal: i64) -> String {
    match (transform, kind) {
        (Transform::Year, _) => format!("{ordinal:04}"),
        (Transform::Month, _) => format!("{:04}-{:02}", ordinal.div_euclid(12), ordinal.rem_euclid(12) + 1),
        (Transform::Day, _) | (Transform::Identity, Kind::Date) => date_text(ordinal),
        (Transform::Hour, _) => format!("{}-{:02}", date_text(ordinal.div_euclid(24)), ordinal.rem_euclid(24)),
        (Transform::Identity, Kind::Timestamp) => timestamp_text(ordinal),
        (Transform::Identity, Kind::Boolean) => (ordinal != 0).to_string(),
        (Transform::Identity | Transform::Bucket { .. } | Transform::Truncate { .. }, _) => ordinal.to_string(),
    }
}

/// A decimal's folder text: all digits of its scale.
pub(crate) fn decimal_text(unscaled: i128, scale: i8) -> String {
    let Ok(scale @ 1..) = usize::try_from(scale) else {
        return format!("{unscaled}{}", "0".repeat(if unscaled == 0 { 0 } else { usize::from(scale.unsigned_abs()) }));
    };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if unscaled < 0 { "-" } else { "" })
}

/// A decimal's multiple of `width` units of its last digit, rounded down; the least value where there is none.
pub(crate) fn truncate_decimal(unscaled: i128, width: u32) -> i128 {
    unscaled.checked_sub(unscaled.rem_euclid(i128::from(width))).unwrap_or(i128::MIN)
}

/// The bytes of a decimal that Iceberg hashes: big-endian two's complement, as few as hold the value.
pub(crate) fn decimal_bucket(unscaled: i128, buckets: u32) -> i64 {
    let bytes = unscaled.to_be_bytes();
    let sign = if unscaled < 0 { 0xFF } else { 0 };
    let same_sign = |byte: u8| (byte ^ sign) & 0x80 == 0;
    let needless = bytes.windows(2).take_while(|pair| pair[0] == sign && same_sign(pair[1])).count();
    bucket_of(&bytes[needless..], buckets)
}

/// The first `width` characters.
pub(crate) fn truncate_text(text: &str, width: u32) -> &str {
    text.char_indices().nth(width as usize).map_or(text, |(end, _)| &text[..end])
}

/// Iceberg's bucket of a value's bytes: `(murmur3_x86_32(bytes) & i32::MAX) % buckets`.
pub(crate) fn bucket_of(bytes: &[u8], buckets: u32) -> i64 {
    i64::from((murmur3(bytes) & i32::MAX as u32) % buckets.max(1))
}

/// Murmur3, 32 bits, x86 variant, seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    let scramble = |word: u32| word.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593);
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = 0_u32;
    for block in blocks {
        hash = (hash ^ scramble(u32::from_le_bytes(*block))).rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64);
    }
    let mut last = [0; 4];
    last[..tail.len()].copy_from_slice(tail);
    hash ^= scramble(u32::from_le_bytes(last));
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}

fn date_text(days: i64) -> String {
    let (year, month, day) = civil_date(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// ISO 8601, UTC; a fraction only where there is one.
fn timestamp_text(micros: i64) -> String {
    let within_day = micros.rem_euclid(MICROS_PER_DAY);
    let (seconds, fraction) = (within_day / 1_000_000, within_day % 1_000_000);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    let date = date_text(micros.div_euclid(MICROS_PER_DAY));
    format!("{date}T{:02}:{:02}:{:02}{fraction}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible
/// low-level date algorithms").
fn civil_date(days: i64) -> (i64, u32, u32) {
    let days = days.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(transform: Transform, kind: Kind, value: i64, expected: &str) {
        assert_eq!(ordinal_text(transform, kind, ordinal_of(transform, step_of(transform, kind, value))), expected);
    }

    #[test]
    fn hashes_are_those_of_icebergs_appendix_b() {
        let signed = |bytes: &[u8]| murmur3(bytes).cast_signed();
        assert_eq!(signed(&34_i64.to_le_bytes()), 2_017_239_379);
        assert_eq!(signed(&17_486_i64.to_le_bytes()), -653_330_422);
        assert_eq!(signed(&1_510_871_468_000_000_i64.to_le_bytes()), -2_047_944_441);
        assert_eq!(signed(&1_510_871_468_000_001_i64.to_le_bytes()), -1_207_196_810);
        assert_eq!(signed(b"iceberg"), 1_210_000_089);
        assert_eq!(signed(&[0, 1, 2, 3]), -188_683_207);
        assert_eq!(decimal_bucket(1420, i32::MAX as u32), i64::from((-500_754_589_i32).cast_unsigned() & i32::MAX as u32));
        assert_eq!(decimal_bucket(0, 16), bucket_of(&[0], 16));
        assert_eq!(decimal_bucket(-1, 16), bucket_of(&[0xFF], 16));
        assert_eq!(decimal_bucket(128, 16), bucket_of(&[0, 128], 16));
        assert_eq!(decimal_bucket(-129, 16), bucket_of(&[0xFF, 0x7F], 16));
    }

    #[test]
    fn times_become_folders_that_sort_in_utc() {
        let moment = 1_795_354_200_000_000; // 2026-11-22T13:30:00Z
        check(Transform::Year, Kind::Timestamp, moment, "2026");
        check(Transform::Month, Kind::Timestamp, moment, "2026-11");
        check(Transform::Day, Kind::Timestamp, moment, "2026-11-22");
        check(Transform::Hour, Kind::Timestamp, moment, "2026-11-22-13");
        check(Transform::Identity, Kind::Timestamp, moment, "2026-11-22T13:30:00Z");
        check(Transform::Identity, Kind::Timestamp, moment + 5, "2026-11-22T13:30:00.000005Z");
        check(Transform::Month, Kind::Date, -1, "1969-12");
        check(Transform::Hour, Kind::Timestamp, -1, "1969-12-31-23");
        check(Transform::Day, Kind::Date, 11_016, "2000-02-29");
        check(Transform::Year, Kind::Timestamp, i64::MIN, "-290308");
    }

    #[test]
    fn numbers_are_truncated_towards_the_lesser() {
        let tens = Transform::Truncate { width: 10 };
        check(tens, Kind::Integer, 19, "10");
        check(tens, Kind::Integer, -1, "-10");
        check(tens, Kind::Integer, i64::MIN, &i64::MIN.to_string());
        assert_eq!(decimal_text(truncate_decimal(1065, 50), 2), "10.50");
        assert_eq!(decimal_text(truncate_decimal(-5, 50), 2), "-0.50");
        assert_eq!(decimal_text(7, 0), "7");
        assert_eq!(truncate_text("naïveté", 3), "naï");
        assert_eq!(truncate_text("ab", 3), "ab");
    }

    #[test]
    fn dates_agree_with_chrono_for_every_day_of_four_digit_years() {
        use chrono::Datelike;
        for days in (-719_000..2_900_000).step_by(17) {
            let date = chrono::DateTime::from_timestamp(days * 86_400, 0).unwrap();
            assert_eq!(civil_date(days), (i64::from(date.year()), date.month(), date.day()));
        }
    }
}
