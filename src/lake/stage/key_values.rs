//! The run's values of one key column, by which live files and row groups are ruled out.
//!
//! In: batches of the run. Out: whether one of its values may be within a range. Bounded: past so many values only the least and the greatest
//! are known. Invariant: a value of the run is never said to be outside of a range that has it.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::lake::parquet::KeyRange;

/// Values that are known one by one.
const VALUES_MAX: usize = 1 << 18;
/// Bytes of the texts among them, with what each takes besides.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// Values of a column, ascending once [`KeyValues::finish`] was called.
#[derive(Debug)]
pub(super) struct KeyValues {
    values: Values,
    /// Whether they are all values; else the least and the greatest are among them.
    is_whole: bool,
    /// A row has none, so that nothing can be said of the rest.
    has_null: bool,
}

#[derive(Debug)]
enum Values {
    Int(Vec<i64>),
    Date(Vec<i64>),
    Time(Vec<i64>),
    Text { texts: Vec<String>, bytes: usize },
}

/// Some of a column's values, as a bloom filter takes them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Within<'a> {
    Ints(&'a [i64]),
    Texts(&'a [String]),
}

impl KeyValues {
    /// For a column of this type; `None` where values have no order.
    pub(super) fn of_type(data_type: &DataType) -> Option<Self> {
        let values = match data_type {
            DataType::Int64 => Values::Int(Vec::new()),
            DataType::Date32 => Values::Date(Vec::new()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Values::Time(Vec::new()),
            DataType::Utf8 => Values::Text { texts: Vec::new(), bytes: 0 },
            _ => return None,
        };
        Some(Self { values, is_whole: true, has_null: false })
    }

    /// Adds the values of a column, which is of the type.
    pub(super) fn add(&mut self, column: &ArrayRef) {
        self.has_null |= column.null_count() > 0;
        match &mut self.values {
            Values::Int(numbers) => numbers.extend(column.as_primitive::<Int64Type>().iter().flatten()),
            Values::Date(numbers) => numbers.extend(column.as_primitive::<Date32Type>().iter().flatten().map(i64::from)),
            Values::Time(numbers) => numbers.extend(column.as_primitive::<TimestampMicrosecondType>().iter().flatten()),
            Values::Text { texts, bytes } => {
                for text in column.as_string::<i32>().iter().flatten() {
                    *bytes += text.len() + size_of::<String>();
                    texts.push(text.to_owned());
                }
            }
        }
        let is_full = match &self.values {
            Values::Int(numbers) | Values::Date(numbers) | Values::Time(numbers) => numbers.len() > VALUES_MAX,
            Values::Text { texts, bytes } => texts.len() > VALUES_MAX || *bytes > TEXT_BYTES_MAX,
        };
        if is_full {
            self.sort();
            self.is_whole &= !self.is_over_half();
            if !self.is_whole {
                self.keep_ends();
            }
        }
    }

    /// Makes the values ready to be asked for.
    pub(super) fn finish(&mut self) {
        self.sort();
    }

    /// Whether one of the values may be within the range.
    pub(super) fn may_be_in(&self, range: &KeyRange) -> bool {
        if self.has_null {
            return true;
        }
        match (&self.values, range) {
            (Values::Int(numbers), KeyRange::Int(least, greatest))
            | (Values::Date(numbers), KeyRange::Date(least, greatest))
            | (Values::Time(numbers), KeyRange::Time(least, greatest)) => self.meets(numbers, least, greatest),
            (Values::Text { texts, .. }, KeyRange::Text(least, greatest)) => self.meets(texts, least, greatest),
            _ => true,
        }
    }

    /// The values within the range, if they are known one by one, and of a type whose bloom filters are asked.
    pub(super) fn within(&self, range: Option<&KeyRange>) -> Option<Within<'_>> {
        if self.has_null || !self.is_whole {
            return None;
        }
        match (&self.values, range) {
            (Values::Int(numbers), Some(KeyRange::Int(least, greatest))) => Some(Within::Ints(cut(numbers, least, greatest))),
            (Values::Text { texts, .. }, Some(KeyRange::Text(least, greatest))) => {
                Some(Within::Texts(cut(texts, least, greatest)))
            }
            (Values::Int(numbers), None) => Some(Within::Ints(numbers)),
            (Values::Text { texts, .. }, None) => Some(Within::Texts(texts)),
            _ => None,
        }
    }

    fn meets<T: Ord>(&self, sorted: &[T], least: &T, greatest: &T) -> bool {
        match self.is_whole {
            true => !cut(sorted, least, greatest).is_empty(),
            false => sorted.first().is_some_and(|first| first <= greatest) && sorted.last().is_some_and(|last| last >= least),
        }
    }

    fn sort(&mut self) {
        match &mut self.values {
            Values::Int(numbers) | Values::Date(numbers) | Values::Time(numbers) => {
                numbers.sort_unstable();
                numbers.dedup();
            }
            Values::Text { texts, bytes } => {
                texts.sort_unstable();
                texts.dedup();
                *bytes = texts.iter().map(|text| text.len() + size_of::<String>()).sum();
            }
        }
    }

    /// Whether, without repeated ones, they are still so many that to sort them again and again would cost too much.
    fn is_over_half(&self) -> bool {
        match &self.values {
            Values::Int(numbers) | Values::Date(numbers) | Values::Time(numbers) => numbers.len() > VALUES_MAX / 2,
            Values::Text { texts, bytes } => texts.len() > VALUES_MAX / 2 || *bytes > TEXT_BYTES_MAX / 2,
        }
    }

    fn keep_ends(&mut self) {
        match &mut self.values {
            Values::Int(numbers) | Values::Date(numbers) | Values::Time(numbers) => {
                *numbers = numbers.first().into_iter().chain(numbers.last()).copied().collect();
            }
            Values::Text { texts, bytes } => {
                *texts = texts.first().into_iter().chain(texts.last()).cloned().collect();
                *bytes = texts.iter().map(|text| text.len() + size_of::<String>()).sum();
            }
        }
    }
}

/// The values from `least` to `greatest`.
fn cut<'a, T: Ord>(sorted: &'a [T], least: &T, greatest: &T) -> &'a [T] {
    let from = sorted.partition_point(|value| value < least);
    let to = sorted.partition_point(|value| value <= greatest);
    sorted.get(from..to).unwrap_or_default()
}
