//! Two sets of rows against each other: what came, what went, what changed.
//!
//! In: hashes of the key and of the whole of each row, with its unit and number. Out: a [`RowChange`] for each row that is not on the other side,
//! and counts. Of several rows of one key, those that are equal on both sides go with each other first; what is left of the key
//! are changes, pair by pair. Rows without a key are one with their own hash: they come or go, as often as they are there. Memory: the
//! budget, and then the rows of one in 256 keys, 40 bytes each; the rest waits on disk.

use std::path::PathBuf;

use crate::merge::MergeError;
use crate::merge::spill::{SpillFile, SpillSlice};

/// Buckets, by the first byte of a key's hash.
const BUCKETS: usize = 256;

/// Bytes of an entry on disk.
const ENTRY_BYTES: usize = 40;

/// From which side a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// The older one.
    Old,
    /// The newer one.
    New,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RowFate {
    /// It came.
    Inserted,
    /// It went.
    Deleted,
    /// It is the older one of two rows of a key.
    ChangedFrom,
    /// It is the newer one.
    ChangedTo,
}

/// A row that the other side has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowChange {
    /// What became of it.
    pub(crate) fate: RowFate,
    /// The unit that it was pushed with.
    pub(crate) unit: u32,
    /// Its number there.
    pub(crate) row: u32,
}

/// How many rows became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DiffCounts {
    /// Rows that came.
    pub(crate) inserted: u64,
    /// Rows that went.
    pub(crate) deleted: u64,
    /// Keys whose row changed.
    pub(crate) changed: u64,
    /// Rows that are on both sides.
    pub(crate) same: u64,
}

/// One row, by its hashes. The order in which entries are compared is that of the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: u128,
    row: u128,
    side: Side,
    unit: u32,
    number: u32,
}

impl Entry {
    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..16].copy_from_slice(&self.key.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.row.to_le_bytes());
        let side = if self.side == Side::New { 1 << 31 } else { 0 };
        bytes[32..36].copy_from_slice(&(self.unit | side).to_le_bytes());
        bytes[36..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    fn of_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let wide = |from: usize| u128::from_le_bytes(std::array::from_fn(|at| bytes[from + at]));
        let narrow = |from: usize| u32::from_le_bytes(std::array::from_fn(|at| bytes[from + at]));
        let unit = narrow(32);
        let side = if unit >> 31 == 1 { Side::New } else { Side::Old };
        Self { key: wide(0), row: wide(16), side, unit: unit & (u32::MAX >> 1), number: narrow(36) }
    }
}

/// The rows of both sides.
#[derive(Debug)]
pub(crate) struct RowLog {
    folder: PathBuf,
    budget: usize,
    waiting: Vec<Vec<Entry>>,
    count: usize,
    spilled: Option<SpillFile>,
    slices: Vec<Vec<SpillSlice>>,
}

impl RowLog {
    /// An empty log that keeps `budget_bytes` in memory and the rest in `folder`.
    pub(crate) fn new(folder: PathBuf, budget_bytes: usize) -> Self {
        let budget = budget_bytes / size_of::<Entry>();
        Self { folder, budget, waiting: vec![Vec::new(); BUCKETS], count: 0, spilled: None, slices: vec![Vec::new(); BUCKETS] }
    }

    /// Takes rows of a unit, from number `first` on, by the hashes of their keys and of all that they hold.
    ///
    /// # Errors
    /// [`MergeError::UnitRows`] past 2³² rows of a unit; [`MergeError::Spill`].
    pub(crate) fn push(&mut self, side: Side, unit: u32, first: u64, keys: &[u128], rows: &[u128]) -> Result<(), MergeError> {
        for (at, (key, row)) in keys.iter().zip(rows).enumerate() {
            let number = u32::try_from(first + at as u64).map_err(|_| MergeError::UnitRows { unit })?;
            self.waiting[(key >> 120) as usize].push(Entry { key: *key, row: *row, side, unit, number });
        }
        self.count += keys.len();
        if self.count >= self.budget { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), MergeError> {
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(SpillFile::create(&self.folder)?),
        };
        for (waiting, slices) in self.waiting.iter_mut().zip(&mut self.slices) {
            if !waiting.is_empty() {
                slices.push(file.append(waiting.iter().map(|entry| entry.to_bytes()))?);
                waiting.clear();
            }
        }
        self.count = 0;
        Ok(())
    }

    /// Compares the sides; each row that the other one has not goes to `take`. `is_keyed` tells that rows have a key.
    ///
    /// # Errors
    /// [`MergeError::Spill`].
    pub(crate) fn finish(mut self, is_keyed: bool, mut take: impl FnMut(RowChange)) -> Result<DiffCounts, MergeError> {
        let mut counts = DiffCounts::default();
        for (waiting, slices) in self.waiting.iter_mut().zip(&self.slices) {
            let mut entries = std::mem::take(waiting);
            for (slice, file) in slices.iter().zip(std::iter::repeat(&self.spilled)) {
                let Some(file) = file else { continue };
                file.read::<ENTRY_BYTES>(*slice, |bytes| {
                    entries.push(Entry::of_bytes(bytes));
                    Ok(())
                })?;
            }
            entries.sort_unstable();
            for group in entries.chunk_by(|one, next| one.key == next.key) {
                compare(group, is_keyed, &mut counts, &mut take);
            }
        }
        Ok(counts)
    }
}

/// Compares the rows of one key, in order.
fn compare(group: &[Entry], is_keyed: bool, counts: &mut DiffCounts, take: &mut impl FnMut(RowChange)) {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for equal in group.chunk_by(|one, next| one.row == next.row) {
        let (left, right) = equal.split_at(equal.partition_point(|entry| entry.side == Side::Old));
        let common = left.len().min(right.len());
        counts.same += common as u64;
        old.extend_from_slice(&left[common..]);
        new.extend_from_slice(&right[common..]);
    }
    let place = |entry: &Entry| (entry.unit, entry.number);
    old.sort_unstable_by_key(place);
    new.sort_unstable_by_key(place);
    let pairs = if is_keyed { old.len().min(new.len()) } else { 0 };
    counts.changed += pairs as u64;
    counts.deleted += (old.len() - pairs) as u64;
    counts.inserted += (new.len() - pairs) as u64;
    for (entries, changed, alone) in [(old, RowFate::ChangedFrom, RowFate::Deleted), (new, RowFate::ChangedTo, RowFate::Inserted)]
    {
        for (at, entry) in entries.into_iter().enumerate() {
            let fate = if at < pairs { changed } else { alone };
            take(RowChange { fate, unit: entry.unit, row: entry.number });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use xxhash_rust::xxh3::xxh3_128;

    use super::*;

    /// What a model that knows all rows says.
    fn expected(old: &[(u8, u8)], new: &[(u8, u8)], is_keyed: bool) -> DiffCounts {
        let mut counts = DiffCounts::default();
        let mut keys: BTreeMap<(u8, u8), BTreeMap<u8, (u64, u64)>> = BTreeMap::new();
        let key = |row: &(u8, u8)| if is_keyed { (row.0, 0) } else { *row };
        old.iter().for_each(|row| keys.entry(key(row)).or_default().entry(row.1).or_default().0 += 1);
        new.iter().for_each(|row| keys.entry(key(row)).or_default().entry(row.1).or_default().1 += 1);
        for rows in keys.into_values() {
            let (mut left, mut right) = (0, 0);
            for (one, other) in rows.into_values() {
                let common = one.min(other);
                counts.same += common;
                (left, right) = (left + one - common, right + other - common);
            }
            let pairs = if is_keyed { left.min(right) } else { 0 };
            counts.changed += pairs;
            counts.deleted += left - pairs;
            counts.inserted += right - pairs;
        }
        counts
    }

    proptest::proptest! {
        #[test]
        fn two_sets_of_rows_differ_as_a_model_says_whatever_waits_on_disk(
            old in proptest::collection::vec((0u8..12, 0u8..3), 0..60),
            new in proptest::collection::vec((0u8..12, 0u8..3), 0..60),
            is_keyed: bool,
            budget in 0usize..4000,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut log = RowLog::new(folder.path().to_owned(), budget);
            for (side, rows) in [(Side::Old, &old), (Side::New, &new)] {
                for (number, row) in rows.iter().enumerate() {
                    let hash = xxh3_128(&[row.0, row.1]);
                    let key = if is_keyed { xxh3_128(&[row.0]) } else { hash };
                    log.push(side, 7, number as u64, &[key], &[hash]).unwrap();
                }
            }
            let mut fates = BTreeMap::new();
            let counts = log.finish(is_keyed, |change| *fates.entry(change.fate).or_insert(0) += 1).unwrap();
            proptest::prop_assert_eq!(counts, expected(&old, &new, is_keyed));
            let of = |fate| fates.get(&fate).copied().unwrap_or(0);
            proptest::prop_assert_eq!(
                (of(RowFate::Inserted), of(RowFate::Deleted), of(RowFate::ChangedFrom), of(RowFate::ChangedTo)),
                (counts.inserted, counts.deleted, counts.changed, counts.changed)
            );
        }
    }
}
