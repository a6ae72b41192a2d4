//! The values of a column that decides among rows of one key, one a row, asked for when a key comes twice.
//!
//! In: arrays of one type, with the place of their first row. Out: which of two places wins: the greater value or the lesser, as
//! the log was told; any value against null; of equal ones the later place. Values are compared by what they mean, numbers as numbers and text by
//! its bytes. Memory is bounded: past the budget values go to files, 16 bytes a row and the texts.
//!
//! [`ranks_survive`] tells which widenings of the column keep the values right.

use std::cmp::Ordering;
use std::path::PathBuf;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};

use crate::merge::MergeError;
use crate::merge::spill::SpillFile;
use crate::schema::ColumnType;

/// Bytes of a rank on disk.
const RANK_BYTES: usize = 16;
/// The rank of null. No value has it: decimals have at most 38 digits.
const NULL: i128 = i128::MIN;
/// Bytes of ranks that wait to be written together, and of a text that are compared at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Bits of a text's length below its offset; offsets of a Utf8 array are `i32`.
const LENGTH_BITS: u32 = 32;

/// Whether a column's values have an order.
#[must_use]
pub(crate) fn has_order(column_type: &ColumnType) -> bool {
    !matches!(column_type, ColumnType::Json | ColumnType::Struct(_) | ColumnType::List(_))
}

/// Whether ranks stay right when the column widens: then what was logged before needs no second look.
#[must_use]
pub(crate) fn ranks_survive(from: &ColumnType, to: &ColumnType) -> bool {
    match (from, to) {
        (ColumnType::Unknown, to) => has_order(to),
        (ColumnType::Int64 { .. }, ColumnType::Int64 { .. }) | (ColumnType::Float64(_), ColumnType::Float64(_)) => true,
        (ColumnType::Decimal { scale: from, .. }, ColumnType::Decimal { scale: to, .. }) => from == to,
        (from, to) => from == to && has_order(to),
    }
}

/// The values by which rows of one key are compared.
#[derive(Debug)]
pub(crate) struct RankLog {
    greatest: bool,
    unit_rows: u64,
    folder: PathBuf,
    budget_bytes: usize,
    /// Ranks of the first rows.
    ranks: Vec<i128>,
    /// Ranks of the others.
    spilled_ranks: Option<SpillFile>,
    /// The rows from this one on whose ranks are not written yet.
    waiting_from: u64,
    waiting: Vec<u8>,
    /// The first texts, one behind the other.
    texts: Vec<u8>,
    /// The others, up to those that wait.
    spilled_texts: Option<SpillFile>,
    waiting_texts: Vec<u8>,
    texts_bytes: u64,
    /// Whether ranks are texts' places; `None` as long as all are null.
    are_texts: Option<bool>,
}

impl RankLog {
    /// An empty log in which units have `unit_rows` rows, all but the last. Where a key comes twice, the greatest value wins or the least. At most
    /// `budget_bytes` stay in memory; the rest goes to files in `folder`, which must exist when that happens.
    #[must_use]
    pub(crate) fn new(folder: PathBuf, budget_bytes: usize, unit_rows: u64, greatest: bool) -> Self {
        Self {
            greatest,
            unit_rows,
            folder,
            budget_bytes,
            ranks: Vec::new(),
            spilled_ranks: None,
            waiting_from: 0,
            waiting: Vec::new(),
            texts: Vec::new(),
            spilled_texts: None,
            waiting_texts: Vec::new(),
            texts_bytes: 0,
            are_texts: None,
        }
    }

    /// Notes that the column has these values in the rows `first_row..` of `unit`. All calls bring the same type, or nulls.
    ///
    /// # Errors
    /// [`MergeError::RankType`] for values without an order, [`MergeError::Spill`] when the disk takes no more.
    pub(crate) fn push(&mut self, column: &ArrayRef, unit: u32, first_row: u32) -> Result<(), MergeError> {
        let ranks = self.ranks_of(column)?;
        let first = u64::from(unit) * self.unit_rows + u64::from(first_row);
        (first..).zip(ranks).try_for_each(|(row, rank)| self.set(row, rank))
    }

    /// Makes the log ready to be asked.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when the disk takes no more.
    pub(crate) fn finish(&mut self) -> Result<(), MergeError> {
        self.write_waiting()?;
        self.write_texts()
    }

    /// Of two places, packed with the unit on top, the one that wins and the one that loses.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when spilled values cannot be read back.
    pub(crate) fn winner(&self, one: u64, other: u64) -> Result<(u64, u64), MergeError> {
        let (earlier, later) = (one.min(other), one.max(other));
        let order = match (self.rank(later)?, self.rank(earlier)?) {
            (NULL, NULL) => Ordering::Equal,
            (_, NULL) => Ordering::Greater,
            (NULL, _) => Ordering::Less,
            (later, earlier) => {
                let order = if self.are_texts == Some(true) { self.compare_texts(later, earlier)? } else { later.cmp(&earlier) };
                if self.greatest { order } else { order.reverse() }
            }
        };
        Ok(if order == Ordering::Less { (earlier, later) } else { (later, earlier) })
    }

    fn ranks_of(&mut self, column: &ArrayRef) -> Result<Vec<i128>, MergeError> {
        let with_nulls = |ranks: &mut dyn Iterator<Item = i128>| -> Vec<i128> {
            ranks.enumerate().map(|(row, rank)| if column.is_null(row) { NULL } else { rank }).collect()
        };
        let convert =
            |to: &DataType| cast(column, to).map_err(|source| MergeError::Arrays { action: "convert the order of", source });
        let ranks = match column.data_type() {
            DataType::Null => return Ok(vec![NULL; column.len()]),
            DataType::Utf8 => return self.text_ranks(column.as_string::<i32>()),
            DataType::LargeUtf8 | DataType::Utf8View => {
                let texts = convert(&DataType::Utf8)?;
                return self.text_ranks(texts.as_string::<i32>());
            }
            DataType::Int64 => {
                with_nulls(&mut column.as_primitive::<Int64Type>().values().iter().map(|value| i128::from(*value)))
            }
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
                let integers = convert(&DataType::Int64)?;
                with_nulls(&mut integers.as_primitive::<Int64Type>().values().iter().map(|value| i128::from(*value)))
            }
            DataType::Decimal128(..) => with_nulls(&mut column.as_primitive::<Decimal128Type>().values().iter().copied()),
            DataType::Float64 => {
                with_nulls(&mut column.as_primitive::<Float64Type>().values().iter().map(|value| float_rank(*value)))
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                with_nulls(&mut column.as_primitive::<TimestampMicrosecondType>().values().iter().map(|value| i128::from(*value)))
            }
            DataType::Date32 => {
                with_nulls(&mut column.as_primitive::<Date32Type>().values().iter().map(|value| i128::from(*value)))
            }
            DataType::Boolean => with_nulls(&mut column.as_boolean().values().iter().map(i128::from)),
            found => return Err(MergeError::RankType { found: found.clone() }),
        };
        if ranks.iter().any(|rank| *rank != NULL) {
            self.are_texts(false, column)?;
        }
        Ok(ranks)
    }

    fn text_ranks(&mut self, column: &StringArray) -> Result<Vec<i128>, MergeError> {
        let mut ranks = Vec::with_capacity(column.len());
        for text in column {
            ranks.push(match text {
                None => NULL,
                Some(text) => {
                    self.are_texts(true, column)?;
                    let length = text.len() as i128;
                    (i128::from(self.keep_text(text.as_bytes())?) << LENGTH_BITS) | length
                }
            });
        }
        Ok(ranks)
    }

    /// Ranks of two kinds cannot be compared.
    fn are_texts(&mut self, are_texts: bool, column: &dyn Array) -> Result<(), MergeError> {
        match self.are_texts.replace(are_texts) {
            Some(before) if before != are_texts => Err(MergeError::RankType { found: column.data_type().clone() }),
            _ => Ok(()),
        }
    }

    /// Keeps a text, and tells its offset.
    fn keep_text(&mut self, text: &[u8]) -> Result<u64, MergeError> {
        let offset = self.texts_bytes;
        self.texts_bytes += text.len() as u64;
        let is_spilling = self.spilled_texts.is_some() || !self.waiting_texts.is_empty();
        if !is_spilling && self.texts.len() + text.len() <= self.budget_bytes / 2 {
            self.texts.extend_from_slice(text);
            return Ok(offset);
        }
        self.waiting_texts.extend_from_slice(text);
        if self.waiting_texts.len() >= CHUNK_BYTES {
            self.write_texts()?;
        }
        Ok(offset)
    }

    fn write_texts(&mut self) -> Result<(), MergeError> {
        if self.waiting_texts.is_empty() {
            return Ok(());
        }
        let file = match &mut self.spilled_texts {
            Some(file) => file,
            None => self.spilled_texts.insert(SpillFile::create(&self.folder)?),
        };
        let written = self.texts_bytes - self.texts.len() as u64 - self.waiting_texts.len() as u64;
        file.write_at(written, &self.waiting_texts)?;
        self.waiting_texts.clear();
        Ok(())
    }

    fn set(&mut self, row: u64, rank: i128) -> Result<(), MergeError> {
        let in_memory = (self.budget_bytes / 2 / RANK_BYTES) as u64;
        if row < in_memory {
            let row = row as usize;
            if row >= self.ranks.len() {
                self.ranks.resize(row + 1, NULL);
            }
            self.ranks[row] = rank;
            return Ok(());
        }
        if row != self.waiting_from + (self.waiting.len() / RANK_BYTES) as u64 || self.waiting.len() >= CHUNK_BYTES {
            self.write_waiting()?;
            self.waiting_from = row;
        }
        self.waiting.extend_from_slice(&rank.to_le_bytes());
        Ok(())
    }

    fn write_waiting(&mut self) -> Result<(), MergeError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let file = match &mut self.spilled_ranks {
            Some(file) => file,
            None => self.spilled_ranks.insert(SpillFile::create(&self.folder)?),
        };
        file.write_at(self.waiting_from * RANK_BYTES as u64, &self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    fn rank(&self, place: u64) -> Result<i128, MergeError> {
        let row = (place >> 32) * self.unit_rows + (place & u64::from(u32::MAX));
        if row < (self.budget_bytes / 2 / RANK_BYTES) as u64 {
            return Ok(self.ranks.get(row as usize).copied().unwrap_or(NULL));
        }
        let Some(file) = &self.spilled_ranks else { return Ok(NULL) };
        let mut bytes = [0; RANK_BYTES];
        file.read_at(row * RANK_BYTES as u64, &mut bytes)?;
        Ok(i128::from_le_bytes(bytes))
    }

    /// Compares two texts, a chunk at a time.
    fn compare_texts(&self, left: i128, right: i128) -> Result<Ordering, MergeError> {
        let place = |rank: i128| ((rank >> LENGTH_BITS) as u64, (rank & i128::from(u32::MAX)) as usize);
        let ((left, left_length), (right, right_length)) = (place(left), place(right));
        let shorter = left_length.min(right_length);
        let (mut left_chunk, mut right_chunk) = (Vec::new(), Vec::new());
        let mut done = 0;
        while done < shorter {
            let length = (shorter - done).min(CHUNK_BYTES);
            self.read_text(left + done as u64, length, &mut left_chunk)?;
            self.read_text(right + done as u64, length, &mut right_chunk)?;
            match left_chunk.cmp(&right_chunk) {
                Ordering::Equal => done += length,
                decided => return Ok(decided),
            }
        }
        Ok(left_length.cmp(&right_length))
    }

    fn read_text(&self, offset: u64, length: usize, text: &mut Vec<u8>) -> Result<(), MergeError> {
        text.clear();
        match (offset.checked_sub(self.texts.len() as u64), &self.spilled_texts) {
            (Some(offset), Some(file)) => {
                text.resize(length, 0);
                file.read_at(offset, text)
            }
            _ => {
                let start = offset as usize;
                text.extend_from_slice(self.texts.get(start..start + length).unwrap_or_default());
                Ok(())
            }
        }
    }
}

/// An integer in the order of floats; the two zeros are one.
fn float_rank(value: f64) -> i128 {
    let bits = if value == 0.0 { 0 } else { value.to_bits() as i64 };
    i128::from(bits ^ (((bits >> 63) as u64) >> 1) as i64)
}

#[cfg(test)]
mod tests;
