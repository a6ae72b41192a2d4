//! What a sample of a table's rows tells of its leaf columns: whether a dictionary pays.
//!
//! In: the first rows of a run. Out: for each leaf, how many of its values differ. A dictionary pays where few values repeat; it
//! must stay well below a page for the values of a whole row group, of which the sample is a fraction.
//! Free to change: the thresholds.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema};
use hashbrown::HashSet;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::Compat;

/// Values of a leaf that are looked at before its encoding is chosen.
pub(super) const SAMPLE_VALUES_MAX: usize = 16_384;

/// A leaf column of an Arrow schema.
pub(super) struct Leaf {
    /// The path of its names, lists adding none.
    pub(super) names: Vec<String>,
    /// Its type.
    pub(super) data_type: DataType,
}

/// The leaves in Parquet's order.
pub(super) fn leaves(schema: &Schema) -> Vec<Leaf> {
    fn walk(names: &mut Vec<String>, data_type: &DataType, leaves: &mut Vec<Leaf>) {
        match data_type {
            DataType::Struct(fields) => {
                for field in fields {
                    names.push(field.name().clone());
                    walk(names, field.data_type(), leaves);
                    names.pop();
                }
            }
            DataType::List(element) => walk(names, element.data_type(), leaves),
            other => leaves.push(Leaf { names: names.clone(), data_type: other.clone() }),
        }
    }
    let mut leaves = Vec::new();
    for field in schema.fields() {
        walk(&mut vec![field.name().clone()], field.data_type(), &mut leaves);
    }
    leaves
}

/// What was seen of a leaf.
#[derive(Default)]
pub(super) struct Sample {
    data_type: Option<DataType>,
    values: usize,
    distinct: HashSet<u64>,
    /// Different values in the first half of a whole sample.
    distinct_half: usize,
}

impl Sample {
    fn see(&mut self, hashes: impl Iterator<Item = u64>) {
        for hash in hashes.take(SAMPLE_VALUES_MAX.saturating_sub(self.values)) {
            self.values += 1;
            self.distinct.insert(hash);
            if self.values == SAMPLE_VALUES_MAX / 2 {
                self.distinct_half = self.distinct.len();
            }
        }
    }

    /// Whether a dictionary pays, for files that these readers open. Delta encodings make most integers and times small without one.
    pub(super) fn repeats(&self, compat: Compat) -> bool {
        let is_delta = compat == Compat::Modern && !matches!(self.data_type, Some(DataType::Utf8 | DataType::Float64) | None);
        let share = if is_delta { 32 } else { 2 };
        self.distinct.len() * share <= self.values || (!is_delta && self.is_from_a_pool())
    }

    /// Whether the values are drawn from a pool of at most some 30,000: then the second half of the sample has at most three quarters
    /// of the first half's new values, while values that repeat next to each other only are new at the same pace throughout.
    fn is_from_a_pool(&self) -> bool {
        self.values == SAMPLE_VALUES_MAX && (self.distinct.len() - self.distinct_half) * 4 <= self.distinct_half * 3
    }
}

/// Takes an array's values into what was seen of its leaves.
pub(super) fn look_at(names: &mut Vec<String>, array: &ArrayRef, seen: &mut HashMap<Vec<String>, Sample>) {
    match array.data_type() {
        DataType::Struct(fields) => {
            for (field, child) in fields.iter().zip(array.as_struct().columns()) {
                names.push(field.name().clone());
                look_at(names, child, seen);
                names.pop();
            }
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (first, last) = (list.value_offsets().first(), list.value_offsets().last());
            if let (Some(&first), Some(&last)) = (first, last) {
                let (offset, length) = (usize::try_from(first).unwrap_or(0), usize::try_from(last - first).unwrap_or(0));
                look_at(names, &list.values().slice(offset, length), seen);
            }
        }
        data_type => {
            if !seen.contains_key(names) {
                seen.insert(names.clone(), Sample { data_type: Some(data_type.clone()), ..Sample::default() });
            }
            if let Some(sample) = seen.get_mut(names) {
                see_leaf(sample, array);
            }
        }
    }
}

fn see_leaf(sample: &mut Sample, array: &ArrayRef) {
    match array.data_type() {
        DataType::Utf8 => sample.see(array.as_string::<i32>().iter().flatten().map(|text| xxh3_64(text.as_bytes()))),
        DataType::Int64 => sample.see(array.as_primitive::<Int64Type>().iter().flatten().map(i64::cast_unsigned)),
        DataType::Float64 => sample.see(array.as_primitive::<Float64Type>().iter().flatten().map(f64::to_bits)),
        DataType::Date32 => {
            sample.see(array.as_primitive::<Date32Type>().iter().flatten().map(|day| u64::from(day.cast_unsigned())))
        }
        DataType::Timestamp(..) => {
            sample.see(array.as_primitive::<TimestampMicrosecondType>().iter().flatten().map(i64::cast_unsigned));
        }
        DataType::Decimal128(..) => {
            sample.see(array.as_primitive::<Decimal128Type>().iter().flatten().map(|value| xxh3_64(&value.to_le_bytes())));
        }
        _ => {}
    }
}
