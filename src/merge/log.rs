//! The log of keys: where each key was seen, and what follows from it once all are.
//!
//! In: key hashes with the unit and row they stand at. Out: an [`Outcome`]. Entries are kept in 64 buckets by their top
//! hash bits; past the budget all buckets go to one spill file. Finishing takes bucket after bucket; a bucket with more
//! keys than the budget allows is split by the next hash bits. So memory holds four budgets at most (entries of the run, live
//! ones, a table of keys, matches), and a fifth where a column decides which row of a key wins, with the slack of growing
//! vectors, and a bit a row.
//!
//! Keys are told apart by 128 bits of XXH3: no accident makes two of them collide.

use std::path::PathBuf;

use arrow_array::ArrayRef;
use hashbrown::HashTable;

use crate::merge::ranks::RankLog;
use crate::merge::spill::{SpillFile, SpillSlice};
use crate::merge::{Matches, MergeError, RowSets};

/// Bytes of an entry, in memory and on disk.
const ENTRY_BYTES: usize = 24;
/// Bytes of a slot in the table of a bucket's keys, with the table's own slack.
const SLOT_BYTES: usize = 64;
/// Hash bits that choose a bucket.
const BUCKET_BITS: u32 = 6;
const BUCKETS: usize = 1 << BUCKET_BITS;
/// Hash bits in all: below this no split is possible, nor needed.
const HASH_BITS: u32 = 128;
/// A place that no row has: unit and row are both at most `u32::MAX - 1`.
const NOWHERE: u64 = u64::MAX;

/// Keys with the places where they were seen.
#[derive(Debug)]
pub(crate) struct KeyLog {
    folder: PathBuf,
    budget_bytes: usize,
    /// Hash bits that all entries of this log share: those that chose its parents' buckets.
    used_bits: u32,
    buckets: Vec<Vec<Entry>>,
    in_memory: usize,
    spill: Option<SpillFile>,
    slices: Vec<(usize, SpillSlice)>,
    entries: u64,
    /// Which row of a key wins; the last one without.
    ranks: Option<RankLog>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    high: u64,
    low: u64,
    /// The unit on top, the row below.
    place: u64,
}

/// What the keys tell.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Rows of run units that another row of the same key supersedes.
    pub(crate) superseded: RowSets,
    /// Rows of run units, none of them superseded, whose key is live.
    pub(crate) matched: RowSets,
    /// The live rows they replace. Where a key is live twice, the first of its rows.
    pub(crate) matches: Matches,
    /// Rows of live units whose key an earlier live row has already. Empty in a sound table.
    pub(crate) duplicate_live: RowSets,
}

impl KeyLog {
    /// An empty log that keeps at most `budget_bytes` of entries in memory (24 bytes each, and the slack of growing
    /// vectors), and spills the rest to a file in `spill_dir`, which must exist when that happens.
    #[must_use]
    pub(crate) fn new(spill_dir: PathBuf, budget_bytes: usize) -> Self {
        Self::below(spill_dir, budget_bytes, 0)
    }

    fn below(folder: PathBuf, budget_bytes: usize, used_bits: u32) -> Self {
        let buckets = vec![Vec::new(); BUCKETS];
        Self { folder, budget_bytes, used_bits, buckets, in_memory: 0, spill: None, slices: Vec::new(), entries: 0, ranks: None }
    }

    /// The same log, in which not the last row of a key wins but the one with the greatest value of a column, or the least. Every unit but the last
    /// has `unit_rows` rows. The values come by [`KeyLog::push_ranks`].
    #[must_use]
    pub(crate) fn ranked(self, unit_rows: u64, greatest: bool) -> Self {
        let ranks = RankLog::new(self.folder.clone(), self.budget_bytes, unit_rows, greatest);
        Self { ranks: Some(ranks), ..self }
    }

    /// Notes the values that decide among rows of one key, of the rows `first_row..` of `unit`. Without effect where the last row wins.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when the disk takes no more, [`MergeError::RankType`] for values without an order.
    pub(crate) fn push_ranks(&mut self, column: &ArrayRef, unit: u32, first_row: u32) -> Result<(), MergeError> {
        self.ranks.as_mut().map_or(Ok(()), |ranks| ranks.push(column, unit, first_row))
    }

    /// Notes that the keys with these hashes are rows `first_row..` of `unit`. Any order of calls is right: what is later
    /// is told by unit and row, units and rows being numbered from 0 in order of arrival.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when the disk takes no more, [`MergeError::UnitRows`] when a row number is past `u32`.
    pub(crate) fn push(&mut self, hashes: &[u128], unit: u32, first_row: u32) -> Result<(), MergeError> {
        let past_end = first_row as usize + hashes.len();
        if unit == u32::MAX || past_end >= u32::MAX as usize {
            return Err(MergeError::UnitRows { unit });
        }
        for (row, hash) in (u64::from(first_row)..).zip(hashes) {
            let place = (u64::from(unit) << 32) | row;
            self.push_entry(Entry { high: (hash >> 64) as u64, low: *hash as u64, place })?;
        }
        Ok(())
    }

    /// Compares the run's keys (`self`) with each other and with the live ones.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when spilled entries cannot be read back or split.
    pub(crate) fn finish(mut self, live: Option<Self>) -> Result<Outcome, MergeError> {
        let mut ranks = self.ranks.take();
        if let Some(ranks) = &mut ranks {
            ranks.finish()?;
        }
        let live = live.unwrap_or_else(|| Self::new(self.folder.clone(), self.budget_bytes));
        let mut outcome = Outcome {
            superseded: RowSets::default(),
            matched: RowSets::default(),
            matches: Matches::new(self.folder.clone(), self.budget_bytes),
            duplicate_live: RowSets::default(),
        };
        settle(self, live, ranks.as_ref(), &mut outcome)?;
        outcome.matches.finish();
        Ok(outcome)
    }

    fn push_entry(&mut self, entry: Entry) -> Result<(), MergeError> {
        if self.in_memory * ENTRY_BYTES >= self.budget_bytes.max(ENTRY_BYTES) {
            self.write_out()?;
        }
        let bucket = &mut self.buckets[entry.bucket(self.used_bits)];
        if bucket.len() == bucket.capacity() {
            // Doubling would let slack reach the size of the log itself.
            bucket.reserve_exact((bucket.len() / 2).max(16));
        }
        bucket.push(entry);
        self.in_memory += 1;
        self.entries += 1;
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), MergeError> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(SpillFile::create(&self.folder)?),
        };
        for (number, bucket) in self.buckets.iter_mut().enumerate().filter(|(_, bucket)| !bucket.is_empty()) {
            self.slices.push((number, spill.append(bucket.iter().map(|entry| entry.to_bytes()))?));
            bucket.clear();
        }
        self.in_memory = 0;
        Ok(())
    }

    /// Hands every entry of a bucket to `take`, spilled ones first.
    fn read_bucket(&self, number: usize, mut take: impl FnMut(Entry) -> Result<(), MergeError>) -> Result<(), MergeError> {
        if let Some(spill) = &self.spill {
            for (_, slice) in self.slices.iter().filter(|(slice_bucket, _)| *slice_bucket == number) {
                spill.read(*slice, |bytes| take(Entry::from_bytes(bytes)))?;
            }
        }
        self.buckets[number].iter().copied().try_for_each(take)
    }

    /// The entries of one bucket as a log of their own, in buckets by the next hash bits.
    fn split(&mut self, number: usize) -> Result<Self, MergeError> {
        if self.spill.is_some() {
            self.write_out()?;
            self.buckets.iter_mut().for_each(|bucket| bucket.shrink_to_fit());
        }
        let mut split = Self::below(self.folder.clone(), self.budget_bytes, self.used_bits + BUCKET_BITS);
        self.read_bucket(number, |entry| split.push_entry(entry))?;
        self.buckets[number] = Vec::new();
        Ok(split)
    }
}

impl Entry {
    fn bucket(&self, used_bits: u32) -> usize {
        let hash = (u128::from(self.high) << 64) | u128::from(self.low);
        ((hash << used_bits) >> (HASH_BITS - BUCKET_BITS)) as usize
    }

    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        for (slot, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip([self.high, self.low, self.place]) {
            *slot = word.to_le_bytes();
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let words = bytes.as_chunks::<8>().0;
        let [high, low, place] = [0, 1, 2].map(|word| u64::from_le_bytes(words[word]));
        Self { high, low, place }
    }
}

/// A key of the bucket at hand: its winning row in the run and its first live row, [`NOWHERE`] without one.
struct Slot {
    high: u64,
    low: u64,
    run: u64,
    live: u64,
}

/// Adds what two logs of the same hash bits tell to the outcome. Each level of recursion uses up [`BUCKET_BITS`].
fn settle(mut run: KeyLog, mut live: KeyLog, ranks: Option<&RankLog>, outcome: &mut Outcome) -> Result<(), MergeError> {
    let mut table = HashTable::new();
    for bucket in 0..BUCKETS {
        table.clear();
        let may_split = run.used_bits + 2 * BUCKET_BITS <= HASH_BITS;
        let keys_max = if may_split { (run.budget_bytes / SLOT_BYTES).max(8) } else { usize::MAX };
        if !settle_bucket((&run, &live), ranks, bucket, keys_max, &mut table, outcome)? {
            // What was noted about the bucket so far stays true, and is only noted again.
            table = HashTable::new();
            settle(run.split(bucket)?, live.split(bucket)?, ranks, outcome)?;
        }
        run.buckets[bucket] = Vec::new();
        live.buckets[bucket] = Vec::new();
        for slot in table.iter().filter(|slot: &&Slot| slot.run != NOWHERE && slot.live != NOWHERE) {
            outcome.matched.insert((slot.run >> 32) as u32, slot.run as u32);
            outcome.matches.push(slot.live, slot.run)?;
        }
    }
    Ok(())
}

/// Fills the table with a bucket's keys and notes rows that lose; `false` when there are more keys than allowed.
fn settle_bucket(
    (run, live): (&KeyLog, &KeyLog),
    ranks: Option<&RankLog>,
    bucket: usize,
    keys_max: usize,
    table: &mut HashTable<Slot>,
    outcome: &mut Outcome,
) -> Result<bool, MergeError> {
    let mut full = false;
    run.read_bucket(bucket, |entry| {
        let Some(slot) = slot_of(table, &entry, keys_max, &mut full) else { return Ok(()) };
        let (winner, loser) = match (slot.run, ranks) {
            (NOWHERE, _) => (entry.place, entry.place),
            (before, None) => (before.max(entry.place), before.min(entry.place)),
            (before, Some(ranks)) => ranks.winner(before, entry.place)?,
        };
        slot.run = winner;
        if loser != winner {
            outcome.superseded.insert((loser >> 32) as u32, loser as u32);
        }
        Ok(())
    })?;
    live.read_bucket(bucket, |entry| {
        let Some(slot) = slot_of(table, &entry, keys_max, &mut full) else { return Ok(()) };
        let loser = slot.live.max(entry.place);
        slot.live = slot.live.min(entry.place);
        if loser != NOWHERE && loser != slot.live {
            outcome.duplicate_live.insert((loser >> 32) as u32, loser as u32);
        }
        Ok(())
    })?;
    Ok(!full)
}

/// The key's slot, made if need be; `None` once the table is full.
fn slot_of<'table>(
    table: &'table mut HashTable<Slot>,
    entry: &Entry,
    keys_max: usize,
    full: &mut bool,
) -> Option<&'table mut Slot> {
    if *full || table.len() >= keys_max {
        *full = true;
        return None;
    }
    let same = |slot: &Slot| slot.low == entry.low && slot.high == entry.high;
    let make = || Slot { high: entry.high, low: entry.low, run: NOWHERE, live: NOWHERE };
    Some(table.entry(entry.low, same, |slot| slot.low).or_insert_with(make).into_mut())
}

#[cfg(test)]
mod tests;
