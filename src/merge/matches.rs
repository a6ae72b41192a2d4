//! Pairs of a live row and the run's row that replaces it, asked for one live unit at a time.
//!
//! In: pairs in any order. Out: those of a live unit, by live row. Past the budget they go to disk sorted by unit, so that
//! a unit's pairs are slices there.

use std::path::PathBuf;

use crate::merge::MergeError;
use crate::merge::spill::{SpillFile, SpillSlice};

/// Bytes of a pair, in memory and on disk.
const PAIR_BYTES: usize = 16;

/// A live row and the row of the run that replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Match {
    /// Row of the live unit.
    pub(crate) live_row: u32,
    /// Unit of the run.
    pub(crate) run_unit: u32,
    /// Row of that unit.
    pub(crate) run_row: u32,
}

/// All pairs of a merge.
#[derive(Debug)]
pub(crate) struct Matches {
    folder: PathBuf,
    budget_pairs: usize,
    /// `(live unit, live row)` and `(run unit, run row)`, packed with the unit on top; sorted once finished.
    pairs: Vec<(u64, u64)>,
    spill: Option<SpillFile>,
    /// Sorted by unit within each spill.
    slices: Vec<(u32, SpillSlice)>,
    count: u64,
}

impl Matches {
    /// No pairs yet; at most `budget_bytes` of them stay in memory.
    pub(crate) fn new(folder: PathBuf, budget_bytes: usize) -> Self {
        let budget_pairs = (budget_bytes / PAIR_BYTES).max(1);
        Self { folder, budget_pairs, pairs: Vec::new(), spill: None, slices: Vec::new(), count: 0 }
    }

    /// Adds a pair; each place is a unit and a row, packed with the unit on top.
    pub(crate) fn push(&mut self, live: u64, run: u64) -> Result<(), MergeError> {
        if self.pairs.len() >= self.budget_pairs {
            self.write_out()?;
        }
        self.pairs.push((live, run));
        self.count += 1;
        Ok(())
    }

    /// Makes the pairs ready to be asked for.
    pub(crate) fn finish(&mut self) {
        self.pairs.sort_unstable();
        self.pairs.shrink_to_fit();
    }

    /// Pairs in all.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The live unit's pairs by live row, each live row once. Their memory is the caller's: 12 bytes a pair.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when spilled pairs cannot be read back.
    pub(crate) fn of_live_unit(&self, unit: u32) -> Result<Vec<Match>, MergeError> {
        let start = self.pairs.partition_point(|(live, _)| unit_of(*live) < unit);
        let mut found: Vec<Match> = self.pairs[start..]
            .iter()
            .take_while(|(live, _)| unit_of(*live) == unit)
            .map(|(live, run)| to_match(*live, *run))
            .collect();
        if let Some(spill) = &self.spill {
            let spilled_from = found.len();
            for (_, slice) in self.slices.iter().filter(|(slice_unit, _)| *slice_unit == unit) {
                spill.read::<PAIR_BYTES>(*slice, |bytes| {
                    let (live, run) = from_bytes(bytes);
                    found.push(to_match(live, run));
                    Ok(())
                })?;
            }
            if found.len() > spilled_from {
                found.sort_unstable();
            }
        }
        Ok(found)
    }

    fn write_out(&mut self) -> Result<(), MergeError> {
        self.pairs.sort_unstable();
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(SpillFile::create(&self.folder)?),
        };
        for pairs in self.pairs.chunk_by(|left, right| unit_of(left.0) == unit_of(right.0)) {
            let slice = spill.append(pairs.iter().map(to_bytes))?;
            self.slices.push((unit_of(pairs[0].0), slice));
        }
        self.pairs.clear();
        Ok(())
    }
}

fn unit_of(place: u64) -> u32 {
    (place >> 32) as u32
}

fn to_match(live: u64, run: u64) -> Match {
    Match { live_row: live as u32, run_unit: unit_of(run), run_row: run as u32 }
}

fn to_bytes(pair: &(u64, u64)) -> [u8; PAIR_BYTES] {
    ((u128::from(pair.0) << 64) | u128::from(pair.1)).to_le_bytes()
}

fn from_bytes(bytes: &[u8; PAIR_BYTES]) -> (u64, u64) {
    let both = u128::from_le_bytes(*bytes);
    ((both >> 64) as u64, both as u64)
}
