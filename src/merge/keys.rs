//! Primary keys as 128-bit hashes.
//!
//! In: the key's columns. Out: a hash a row, from XXH3-128. Equal keys hash equal whatever physical type carries them, and
//! wherever a type widens without touching the text of its values: integers, whole decimals, booleans and dates hash as
//! their JSON text does; whole floats as the integer. [`hashes_survive`] tells which widenings keep hashes valid.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

use crate::merge::MergeError;
use crate::schema::ColumnType;

/// Longest decimal text of an `i128`, with its sign.
const DIGITS_MAX: usize = 40;
/// Seed of values whose bytes are not text, so that no text hashes like one of them.
const BINARY_SEED: u64 = 1;
/// Seed of null, which equals no value.
const NULL_SEED: u64 = 2;
/// Length that stands for null in a key of several columns: no value is that long.
const NULL_LENGTH: u32 = u32::MAX;

/// Replaces the content of `hashes` by one hash a row of the key made of `columns`, in the key's column order.
/// Null is a value of its own; the decoder refuses null keys before.
///
/// # Errors
/// [`MergeError::KeyType`] for lists, structs and other types that make no key, [`MergeError::KeyColumns`] without columns or
/// with columns of different lengths.
pub(crate) fn hash_keys(columns: &[ArrayRef], hashes: &mut Vec<u128>) -> Result<(), MergeError> {
    hashes.clear();
    let rows = columns.first().map_or(0, |column| column.len());
    if columns.is_empty() || columns.iter().any(|column| column.len() != rows) {
        return Err(MergeError::KeyColumns { lengths: columns.iter().map(|column| column.len()).collect() });
    }
    let columns: Vec<KeyColumn> =
        columns.iter().enumerate().map(|(index, column)| KeyColumn::new(index + 1, column)).collect::<Result<_, _>>()?;
    hashes.reserve(rows);
    match columns.as_slice() {
        [KeyColumn::Text(texts)] if texts.null_count() == 0 => {
            hashes.extend((0..rows).map(|row| xxh3_128(texts.value(row).as_bytes())));
        }
        [KeyColumn::Integer(integers)] if integers.null_count() == 0 => {
            let mut digits = [0; DIGITS_MAX];
            hashes.extend(integers.values().iter().map(|value| xxh3_128(integer_text(i128::from(*value), &mut digits))));
        }
        [column] => hashes.extend((0..rows).map(|row| column.with_value(row, |value| value.hash()))),
        columns => {
            let mut key = Vec::new();
            hashes.extend((0..rows).map(|row| {
                key.clear();
                columns.iter().for_each(|column| column.with_value(row, |value| value.append_to(&mut key)));
                xxh3_128(&key)
            }));
        }
    }
    Ok(())
}

/// Whether hashes of a key column stay right when the column widens: then what was logged before needs no second look.
/// A decimal, a float or a time becomes text in the API's spelling, which the value does not give back.
#[must_use]
pub(crate) fn hashes_survive(from: &ColumnType, to: &ColumnType) -> bool {
    let as_text = |column_type: &ColumnType| match column_type {
        ColumnType::Unknown | ColumnType::Boolean | ColumnType::Int64 { .. } | ColumnType::Date | ColumnType::Text => true,
        ColumnType::Decimal { .. } | ColumnType::Float64(_) | ColumnType::Timestamp => false,
        ColumnType::Json | ColumnType::Struct(_) | ColumnType::List(_) => false,
    };
    match (from, to) {
        (ColumnType::Unknown, _) | (ColumnType::Int64 { .. } | ColumnType::Float64(_), ColumnType::Float64(_)) => true,
        (ColumnType::Decimal { scale: from, .. }, ColumnType::Decimal { scale: to, .. }) => from <= to,
        (ColumnType::Int64 { .. }, ColumnType::Decimal { .. }) => true,
        (from, to) => from == to || (as_text(from) && as_text(to)),
    }
}

/// A key column, by the way its values become bytes.
enum KeyColumn {
    Text(StringArray),
    Integer(PrimitiveArray<Int64Type>),
    Decimal(PrimitiveArray<Decimal128Type>, u32),
    Float(PrimitiveArray<Float64Type>),
    Time(PrimitiveArray<TimestampMicrosecondType>),
    Date(PrimitiveArray<Date32Type>),
    Boolean(BooleanArray),
    Nothing,
}

/// A value's bytes.
enum KeyValue<'a> {
    Null,
    /// The value's JSON text, without quotes.
    Text(&'a [u8]),
    /// Anything else.
    Binary([u8; 8]),
}

impl KeyColumn {
    fn new(position: usize, column: &ArrayRef) -> Result<Self, MergeError> {
        let convert = |to: &DataType| {
            cast(column, to).map_err(|source| MergeError::Arrays { action: "convert the key columns of", source })
        };
        Ok(match column.data_type() {
            DataType::Utf8 => Self::Text(column.as_string::<i32>().clone()),
            DataType::LargeUtf8 | DataType::Utf8View => Self::Text(convert(&DataType::Utf8)?.as_string::<i32>().clone()),
            DataType::Int64 => Self::Integer(column.as_primitive().clone()),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
                Self::Integer(convert(&DataType::Int64)?.as_primitive().clone())
            }
            DataType::Decimal128(_, scale @ 0..) => Self::Decimal(column.as_primitive().clone(), u32::from(scale.unsigned_abs())),
            DataType::Float64 => Self::Float(column.as_primitive().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Time(column.as_primitive().clone()),
            DataType::Date32 => Self::Date(column.as_primitive().clone()),
            DataType::Boolean => Self::Boolean(column.as_boolean().clone()),
            DataType::Null => Self::Nothing,
            found => return Err(MergeError::KeyType { position, found: found.clone() }),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(array) => array.is_null(row),
            Self::Integer(array) => array.is_null(row),
            Self::Decimal(array, _) => array.is_null(row),
            Self::Float(array) => array.is_null(row),
            Self::Time(array) => array.is_null(row),
            Self::Date(array) => array.is_null(row),
            Self::Boolean(array) => array.is_null(row),
            Self::Nothing => true,
        }
    }

    fn with_value<T>(&self, row: usize, take: impl FnOnce(KeyValue) -> T) -> T {
        if self.is_null(row) {
            return take(KeyValue::Null);
        }
        let mut digits = [0; DIGITS_MAX];
        match self {
            Self::Text(array) => take(KeyValue::Text(array.value(row).as_bytes())),
            Self::Integer(array) => take(KeyValue::Text(integer_text(i128::from(array.value(row)), &mut digits))),
            Self::Decimal(array, scale) => match whole_decimal(array.value(row), *scale) {
                (whole, 0) => take(KeyValue::Text(integer_text(whole, &mut digits))),
                (unscaled, scale) => take(KeyValue::Text(format!("{unscaled}e-{scale}").as_bytes())),
            },
            Self::Float(array) => {
                let value = array.value(row);
                if value.fract() == 0.0 && value.abs() < i64::MAX as f64 {
                    take(KeyValue::Text(integer_text(value as i128, &mut digits)))
                } else {
                    let canonical = if value.is_nan() { f64::NAN } else { value };
                    take(KeyValue::Binary(canonical.to_bits().to_le_bytes()))
                }
            }
            Self::Time(array) => take(KeyValue::Binary(array.value(row).to_le_bytes())),
            Self::Date(array) => take(KeyValue::Text(date_text(array.value(row)).as_bytes())),
            Self::Boolean(array) => take(KeyValue::Text(if array.value(row) { b"true" } else { b"false" })),
            Self::Nothing => take(KeyValue::Null),
        }
    }
}

impl KeyValue<'_> {
    fn hash(&self) -> u128 {
        match self {
            Self::Null => xxh3_128_with_seed(b"", NULL_SEED),
            Self::Text(text) => xxh3_128(text),
            Self::Binary(bytes) => xxh3_128_with_seed(bytes, BINARY_SEED),
        }
    }

    fn append_to(&self, key: &mut Vec<u8>) {
        let bytes: &[u8] = match self {
            Self::Null => return key.extend_from_slice(&NULL_LENGTH.to_le_bytes()),
            Self::Text(text) => text,
            Self::Binary(bytes) => bytes,
        };
        // Offsets of a Utf8 array are `i32`, so a length always fits.
        key.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        key.extend_from_slice(bytes);
    }
}

/// The decimal without trailing zeros after the point, and the digits that are left there.
fn whole_decimal(mut unscaled: i128, mut scale: u32) -> (i128, u32) {
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    (unscaled, scale)
}

/// The integer's decimal text, at the end of `buffer`.
fn integer_text(value: i128, buffer: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut start = DIGITS_MAX;
    let mut push = |byte: u8| {
        start -= 1;
        buffer[start] = byte;
    };
    let mut wide = value.unsigned_abs();
    while wide > u128::from(u64::MAX) {
        push(b'0' + (wide % 10) as u8);
        wide /= 10;
    }
    let mut narrow = wide as u64;
    loop {
        push(b'0' + (narrow % 10) as u8);
        narrow /= 10;
        if narrow == 0 {
            break;
        }
    }
    if value < 0 {
        push(b'-');
    }
    &buffer[start..]
}

/// The date as RFC 3339 has it; days without such a text by their number.
fn date_text(days: i32) -> String {
    let date = chrono::DateTime::from_timestamp(i64::from(days) * 86_400, 0);
    date.map_or_else(|| format!("day {days}"), |date| date.format("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, ListArray, StringViewArray, TimestampMicrosecondArray,
    };

    use super::*;
    use crate::schema::Digits;

    fn hashes(columns: &[ArrayRef]) -> Vec<u128> {
        let mut hashes = vec![7; 3];
        hash_keys(columns, &mut hashes).unwrap();
        hashes
    }

    /// Two columns whose keys are pairwise equal or pairwise different.
    fn check(left: impl Array + 'static, right: impl Array + 'static, equal: bool) {
        let (left, right): (ArrayRef, ArrayRef) = (Arc::new(left), Arc::new(right));
        for (left, right) in hashes(&[Arc::clone(&left)]).iter().zip(hashes(&[Arc::clone(&right)])) {
            assert_eq!(*left == right, equal);
        }
        let other: ArrayRef = Arc::new(StringArray::from(vec!["x"; left.len()]));
        for (left, right) in hashes(&[Arc::clone(&other), left]).iter().zip(hashes(&[other, right])) {
            assert_eq!(*left == right, equal);
        }
    }

    #[test]
    fn equal_keys_hash_equal_whatever_type_carries_them() {
        let numbers = [0, 7, -7, i64::MAX, i64::MIN, 1_000_000];
        let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        check(Int64Array::from(numbers.to_vec()), StringArray::from(texts.clone()), true);
        check(
            Int64Array::from(numbers.to_vec()),
            StringViewArray::from(texts.iter().map(String::as_str).collect::<Vec<_>>()),
            true,
        );
        let decimals = Decimal128Array::from(numbers.map(i128::from).to_vec()).with_precision_and_scale(38, 0).unwrap();
        check(Int64Array::from(numbers.to_vec()), decimals, true);
        check(Int64Array::from(vec![5, -3]), Int32Array::from(vec![5, -3]), true);
        check(Int64Array::from(vec![5, 0, -1]), Float64Array::from(vec![5.0, -0.0, -1.0]), true);
        let huge = Decimal128Array::from(vec![i128::from(u64::MAX) * 1_000_003]).with_precision_and_scale(38, 0).unwrap();
        check(huge, StringArray::from(vec![(u128::from(u64::MAX) * 1_000_003).to_string()]), true);
        let money = |values: Vec<i128>, scale| Decimal128Array::from(values).with_precision_and_scale(38, scale).unwrap();
        check(money(vec![150, -200], 2), money(vec![15, -20], 1), true);
        check(money(vec![500], 2), Int64Array::from(vec![5]), true);
        check(BooleanArray::from(vec![true, false]), StringArray::from(vec!["true", "false"]), true);
        check(Date32Array::from(vec![20_779, -1]), StringArray::from(vec!["2026-11-22", "1969-12-31"]), true);
        check(Float64Array::from(vec![f64::NAN]), Float64Array::from(vec![-f64::NAN]), true);
    }

    #[test]
    fn different_keys_hash_differently() {
        check(Int64Array::from(vec![1, 2]), Int64Array::from(vec![2, 1]), false);
        check(Float64Array::from(vec![1.5]), Float64Array::from(vec![1.25]), false);
        check(TimestampMicrosecondArray::from(vec![1]), TimestampMicrosecondArray::from(vec![2]), false);
        check(StringArray::from(vec![Some("")]), StringArray::from(vec![None::<&str>]), false);
    }

    #[test]
    fn columns_of_a_key_do_not_run_into_each_other() {
        let key = |left: &str, right: &str| {
            let columns: [ArrayRef; 2] = [Arc::new(StringArray::from(vec![left])), Arc::new(StringArray::from(vec![right]))];
            hashes(&columns)[0]
        };
        assert_ne!(key("ab", "c"), key("a", "bc"));
        assert_ne!(key("a", "b"), key("b", "a"));
    }

    #[test]
    fn a_key_of_lists_is_refused_with_its_place() {
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1)])]));
        let error = hash_keys(&[Arc::new(Int64Array::from(vec![1])), lists], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("column 2 of the `primary_key` is a list;"), "{error}");
        assert!(matches!(hash_keys(&[], &mut Vec::new()), Err(MergeError::KeyColumns { .. })));
    }

    #[test]
    fn a_widening_to_text_keeps_hashes_where_the_value_has_one_text_only() {
        let integer = ColumnType::Int64 { wide: false };
        assert!(hashes_survive(&integer, &ColumnType::Text));
        assert!(hashes_survive(&integer, &ColumnType::Float64(Digits::default())));
        assert!(hashes_survive(&integer, &ColumnType::Decimal { precision: 38, scale: 0 }));
        assert!(hashes_survive(&ColumnType::Date, &ColumnType::Text));
        assert!(!hashes_survive(&ColumnType::Float64(Digits::default()), &ColumnType::Text));
        assert!(!hashes_survive(&ColumnType::Timestamp, &ColumnType::Text));
    }
}
