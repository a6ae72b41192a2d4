//! Sets of row numbers, a bit a row, one set a unit.
//!
//! A unit is whatever the caller numbers densely from 0: a staged file, a live file. Not for sparse unit numbers.

#[cfg(test)]
use std::ops::Range;

#[cfg(test)]
use arrow_buffer::{BooleanBuffer, Buffer};

/// Rows of one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowSet {
    words: Vec<u64>,
}

impl RowSet {
    /// Adds a row.
    pub(crate) fn insert(&mut self, row: u32) {
        let word = row as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (row % 64);
    }

    /// Adds the rows of another set.
    pub(crate) fn add_all(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// Takes out the rows of another set.
    pub(crate) fn remove_all(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    /// The rows that another set has too, counted.
    #[must_use]
    pub(crate) fn count_common(&self, other: &Self) -> u64 {
        self.words.iter().zip(&other.words).map(|(word, other)| u64::from((word & other).count_ones())).sum()
    }

    /// Whether the row is in the set.
    #[must_use]
    pub(crate) fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Rows in the set.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether the set has no row.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The rows, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros();
                rest &= rest - 1;
                Some(index as u32 * 64 + bit)
            })
        })
    }

    /// Row `i` of `0..rows` as bit `i`: set where the row is in the set. Rows past `rows` are left out.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn to_mask(&self, rows: usize) -> BooleanBuffer {
        let mut words: Vec<u64> = self.words.iter().map(|word| word.to_le()).collect();
        words.resize(rows.div_ceil(64), 0);
        BooleanBuffer::new(Buffer::from_vec(words), 0, rows)
    }

    /// The rows of `0..rows` in the set as ascending ranges that do not touch, as `RowSelection::from_consecutive_ranges` takes
    /// them.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn ranges(&self, rows: usize) -> Vec<Range<usize>> {
        self.to_mask(rows).set_slices().map(|(start, end)| start..end).collect()
    }

    /// The rows of `0..rows` that are not in the set, as [`RowSet::ranges`] has them.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn gaps(&self, rows: usize) -> Vec<Range<usize>> {
        (!&self.to_mask(rows)).set_slices().map(|(start, end)| start..end).collect()
    }
}

/// Rows of many units.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowSets {
    units: Vec<RowSet>,
    none: RowSet,
}

impl RowSets {
    /// Adds a row of a unit.
    pub(crate) fn insert(&mut self, unit: u32, row: u32) {
        let unit = unit as usize;
        if unit >= self.units.len() {
            self.units.resize(unit + 1, RowSet::default());
        }
        self.units[unit].insert(row);
    }

    /// Adds the rows of other sets.
    pub(crate) fn add_all(&mut self, other: &Self) {
        if other.units.len() > self.units.len() {
            self.units.resize(other.units.len(), RowSet::default());
        }
        self.units.iter_mut().zip(&other.units).for_each(|(rows, other)| rows.add_all(other));
    }

    /// Takes out the rows of other sets.
    pub(crate) fn remove_all(&mut self, other: &Self) {
        self.units.iter_mut().zip(&other.units).for_each(|(rows, other)| rows.remove_all(other));
    }

    /// The rows of one unit; none for a unit never named.
    #[must_use]
    pub(crate) fn of_unit(&self, unit: u32) -> &RowSet {
        self.units.get(unit as usize).unwrap_or(&self.none)
    }

    /// Whether the unit's row is in the sets.
    #[must_use]
    pub(crate) fn contains(&self, unit: u32, row: u32) -> bool {
        self.of_unit(unit).contains(row)
    }

    /// Rows of all units.
    #[must_use]
    pub(crate) fn count(&self) -> u64 {
        self.units.iter().map(RowSet::count).sum()
    }

    /// Every row as `(unit, row)`, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.units.iter().enumerate().flat_map(|(unit, rows)| rows.iter().map(move |row| (unit as u32, row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_back_its_rows_as_numbers_ranges_gaps_and_mask() {
        let mut set = RowSet::default();
        for row in [3, 4, 5, 63, 64, 130] {
            set.insert(row);
            set.insert(row);
        }
        assert_eq!(set.count(), 6);
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 4, 5, 63, 64, 130]);
        assert_eq!(set.ranges(131), [3..6, 63..65, 130..131]);
        assert_eq!(set.gaps(132), [0..3, 6..63, 65..130, 131..132]);
        assert_eq!(set.ranges(64), [3..6, 63..64]);
        assert_eq!(set.to_mask(200).count_set_bits(), 6);
        assert!(set.contains(64) && !set.contains(65) && !set.contains(100_000));
    }

    #[test]
    fn sets_are_added_to_each_other_and_taken_out() {
        let sets = |rows: &[(u32, u32)]| {
            let mut sets = RowSets::default();
            rows.iter().for_each(|(unit, row)| sets.insert(*unit, *row));
            sets
        };
        let (mut one, other) = (sets(&[(0, 1), (0, 70)]), sets(&[(0, 70), (0, 300), (2, 0)]));
        assert_eq!(one.of_unit(0).count_common(other.of_unit(0)), 1);
        one.add_all(&other);
        assert_eq!(one.iter().collect::<Vec<_>>(), [(0, 1), (0, 70), (0, 300), (2, 0)]);
        one.remove_all(&sets(&[(0, 70), (2, 0), (9, 9)]));
        assert_eq!(one.iter().collect::<Vec<_>>(), [(0, 1), (0, 300)]);
    }

    #[test]
    fn a_unit_never_named_is_empty() {
        let mut sets = RowSets::default();
        sets.insert(2, 7);
        assert!(sets.of_unit(0).is_empty() && sets.of_unit(9).is_empty());
        assert_eq!(sets.iter().collect::<Vec<_>>(), [(2, 7)]);
        assert_eq!(sets.count(), 1);
    }
}
