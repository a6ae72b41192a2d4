//! The least and greatest value of key columns, by which a file is ruled out without being opened.
//!
//! In: the statistics of row groups. Out: a [`KeyRange`] a column. Invariants: a value of the column is never outside of its range, which may be
//! wider than the values are; a range is bounded in size, whatever the values; what has no order that every writer agrees on
//! (floats, decimals, booleans) has no range.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema, TimeUnit};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use serde::{Deserialize, Serialize};

/// Bytes of a text bound: those that the statistics of a file keep, and a few more, as the greatest is rounded up.
const TEXT_BYTES_MAX: usize = 96;

/// Key columns of which a file has a range; more rule out little.
const COLUMNS_MAX: usize = 4;

/// Ranges by column.
pub(crate) type KeyRanges = BTreeMap<String, KeyRange>;

/// The least and the greatest value that a column may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyRange {
    /// Of integers.
    Int(i64, i64),
    /// Of days since 1970.
    Date(i64, i64),
    /// Of microseconds since 1970.
    Time(i64, i64),
    /// Of texts, by their bytes.
    Text(String, String),
}

impl KeyRange {
    /// Of a leaf column, as the statistics of row groups tell; `None` where one of them does not, or there is none.
    pub(crate) fn of<'a>(
        row_groups: impl Iterator<Item = &'a RowGroupMetaData>,
        leaf: usize,
        data_type: &DataType,
    ) -> Option<Self> {
        let mut range: Option<Self> = None;
        for row_group in row_groups.filter(|row_group| row_group.num_rows() > 0) {
            let found = Self::of_statistics(row_group.columns().get(leaf)?.statistics()?, data_type)?;
            range = Some(match range {
                Some(range) => range.join(found)?,
                None => found,
            });
        }
        range
    }

    /// Of a column that has the one value all over; `None` for null, and for a type whose folder texts tell no order.
    pub(crate) fn of_one(value: &ArrayRef) -> Option<Self> {
        if value.is_empty() || value.null_count() > 0 {
            return None;
        }
        match value.data_type() {
            DataType::Int64 => Some(value.as_primitive::<Int64Type>().value(0)).map(|value| Self::Int(value, value)),
            DataType::Date32 => Some(i64::from(value.as_primitive::<Date32Type>().value(0))).map(|day| Self::Date(day, day)),
            DataType::Utf8 => {
                let text = value.as_string::<i32>().value(0);
                Some(Self::Text(text.to_owned(), text.to_owned()))
            }
            _ => None,
        }
    }

    /// The first value of a column that is outside; `None` for a column of another type, which the range does not speak of.
    pub(crate) fn first_outside(&self, column: &ArrayRef) -> Option<usize> {
        let outside = |is_in: &dyn Fn(usize) -> bool| (0..column.len()).find(|row| column.is_valid(*row) && !is_in(*row));
        match (self, column.data_type()) {
            (Self::Int(least, greatest), DataType::Int64) => {
                let values = column.as_primitive::<Int64Type>();
                outside(&|row| (*least..=*greatest).contains(&values.value(row)))
            }
            (Self::Date(least, greatest), DataType::Date32) => {
                let values = column.as_primitive::<Date32Type>();
                outside(&|row| (*least..=*greatest).contains(&i64::from(values.value(row))))
            }
            (Self::Time(least, greatest), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                let values = column.as_primitive::<TimestampMicrosecondType>();
                outside(&|row| (*least..=*greatest).contains(&values.value(row)))
            }
            (Self::Text(least, greatest), DataType::Utf8) => {
                let values = column.as_string::<i32>();
                outside(&|row| (least.as_str()..=greatest.as_str()).contains(&values.value(row)))
            }
            _ => None,
        }
    }

    fn of_statistics(statistics: &Statistics, data_type: &DataType) -> Option<Self> {
        if statistics.is_min_max_deprecated() {
            return None;
        }
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().filter(|text| text.len() <= TEXT_BYTES_MAX).map(str::to_owned);
        match (statistics, data_type) {
            (Statistics::Int64(found), DataType::Int64) => Some(Self::Int(*found.min_opt()?, *found.max_opt()?)),
            (Statistics::Int64(found), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
                Some(Self::Time(*found.min_opt()?, *found.max_opt()?))
            }
            (Statistics::Int32(found), DataType::Date32) => {
                Some(Self::Date(i64::from(*found.min_opt()?), i64::from(*found.max_opt()?)))
            }
            (Statistics::ByteArray(found), DataType::Utf8) => {
                Some(Self::Text(text(found.min_opt()?.data())?, text(found.max_opt()?.data())?))
            }
            _ => None,
        }
        .filter(Self::is_range)
    }

    /// Whether it has an order: what was written by anybody need not.
    fn is_range(&self) -> bool {
        match self {
            Self::Int(least, greatest) | Self::Date(least, greatest) | Self::Time(least, greatest) => least <= greatest,
            Self::Text(least, greatest) => least <= greatest,
        }
    }

    fn join(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Int(a, b), Self::Int(c, d)) => Self::Int(a.min(c), b.max(d)),
            (Self::Date(a, b), Self::Date(c, d)) => Self::Date(a.min(c), b.max(d)),
            (Self::Time(a, b), Self::Time(c, d)) => Self::Time(a.min(c), b.max(d)),
            (Self::Text(a, b), Self::Text(c, d)) => Self::Text(a.min(c), b.max(d)),
            _ => return None,
        })
    }
}

/// The ranges of the key's columns in the row groups of a file that has columns of `schema`, each of which is a leaf or has none.
pub(crate) fn key_ranges(row_groups: &[RowGroupMetaData], schema: &Schema, key: &[String]) -> KeyRanges {
    let Some(first) = row_groups.first() else { return KeyRanges::new() };
    let range = |name: &String| {
        let leaf = first.columns().iter().position(|column| column.column_path().parts() == [name.as_str()])?;
        let range = KeyRange::of(row_groups.iter(), leaf, schema.field_with_name(name).ok()?.data_type())?;
        Some((name.clone(), range))
    };
    key.iter().filter_map(range).take(COLUMNS_MAX).collect()
}

/// Ranges as a manifest has them. What this program does not know, or is none, rules nothing out.
pub(crate) fn read_ranges(found: BTreeMap<String, &serde_json::value::RawValue>) -> KeyRanges {
    let range = |value: &serde_json::value::RawValue| serde_json::from_str(value.get()).ok().filter(KeyRange::is_range);
    found.into_iter().filter_map(|(name, value)| Some((name, range(value)?))).collect()
}
