//! Where the rows of a run went, in order of arrival.
//!
//! In: for rows as they arrive, the segment each is appended to. Out: which rows of which segment a set of arrival numbers
//! stands for. Kept as runs (segment, rows), so a run without partitions costs nothing; past its budget it spills to a file in
//! the spool, which is removed when the log is dropped.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;

use crate::lake::LakeError;
use crate::merge::{RowSet, RowSets};

/// Bytes of a run, in memory and on disk.
const RUN_BYTES: usize = 8;
/// Rows of an arrival unit: the key log numbers rows in 32 bits.
pub(crate) const UNIT_ROWS: u64 = 1 << 31;

/// The place of an arrival number in the key log.
pub(crate) fn unit_and_row(arrival: u64) -> (u32, u32) {
    ((arrival / UNIT_ROWS) as u32, (arrival % UNIT_ROWS) as u32)
}

/// The arrival number of a place in the key log.
pub(crate) fn arrival(unit: u32, row: u32) -> u64 {
    u64::from(unit) * UNIT_ROWS + u64::from(row)
}

/// Rows until the arrival unit that `arrival` lies in is full.
pub(crate) fn unit_room(arrival: u64) -> usize {
    (UNIT_ROWS - arrival % UNIT_ROWS) as usize
}

/// Segments in order of arrival.
#[derive(Debug)]
pub(crate) struct ArrivalLog {
    path: PathBuf,
    budget_bytes: usize,
    spilled: Option<File>,
    runs: Vec<(u32, u32)>,
    rows: u64,
}

impl ArrivalLog {
    /// An empty log that spills to the file `path`.
    pub(crate) fn new(path: PathBuf, budget_bytes: usize) -> Self {
        Self { path, budget_bytes, spilled: None, runs: Vec::new(), rows: 0 }
    }

    /// Rows so far: the next arrival's number.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Notes that the next `rows` rows are appended to `segment`.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn push(&mut self, segment: u32, rows: u32) -> Result<(), LakeError> {
        self.rows += u64::from(rows);
        match self.runs.last_mut() {
            Some((last, count)) if *last == segment && count.checked_add(rows).is_some() => *count += rows,
            _ => self.runs.push((segment, rows)),
        }
        if self.runs.len() * RUN_BYTES > self.budget_bytes.max(RUN_BYTES) {
            self.spill()?;
        }
        Ok(())
    }

    /// The rows of segments that arrived under the numbers in `arrivals`, which are numbered by [`unit_and_row`].
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn locate(&self, arrivals: &RowSets, segments: usize) -> Result<Vec<RowSet>, LakeError> {
        let mut located = vec![RowSet::default(); segments];
        let mut appended = vec![0u32; segments];
        let mut arrival = 0;
        self.each(|segment, rows| {
            let segment = segment as usize;
            for row in 0..rows {
                let (unit, unit_row) = unit_and_row(arrival + u64::from(row));
                if arrivals.contains(unit, unit_row) {
                    located[segment].insert(appended[segment] + row);
                }
            }
            appended[segment] += rows;
            arrival += u64::from(rows);
        })?;
        Ok(located)
    }

    /// Hands every run of rows that went to one segment to `take`, in order of arrival.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn each(&self, mut take: impl FnMut(u32, u32)) -> Result<(), LakeError> {
        if self.spilled.is_some() {
            let file = File::open(&self.path).map_err(|source| self.failed("open", source))?;
            let mut reader = BufReader::new(file);
            let mut run = [0; RUN_BYTES];
            loop {
                match reader.read_exact(&mut run) {
                    Ok(()) => {
                        let (segment, rows) = run.split_at(4);
                        take(number(segment), number(rows));
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                    Err(error) => return Err(self.failed("read", error)),
                }
            }
        }
        self.runs.iter().for_each(|(segment, rows)| take(*segment, *rows));
        Ok(())
    }

    fn spill(&mut self) -> Result<(), LakeError> {
        let mut file = match self.spilled.take() {
            Some(file) => file,
            None => File::create_new(&self.path).map_err(|source| self.failed("create", source))?,
        };
        let bytes: Vec<u8> =
            self.runs.iter().flat_map(|(segment, rows)| [segment.to_le_bytes(), rows.to_le_bytes()].concat()).collect();
        file.write_all(&bytes).map_err(|source| self.failed("write", source))?;
        self.spilled = Some(file);
        self.runs.clear();
        Ok(())
    }

    fn failed(&self, action: &'static str, source: std::io::Error) -> LakeError {
        LakeError::Disk { action, path: self.path.clone(), source }
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

impl Drop for ArrivalLog {
    fn drop(&mut self) {
        if self.spilled.is_some() {
            // A file that stays behind lies in the spool, which is cleared with the run.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_found_in_their_segments_whether_spilled_or_not() {
        let folder = tempfile::tempdir().unwrap();
        for budget in [0, 16, 1 << 20] {
            let mut log = ArrivalLog::new(folder.path().join("arrivals.tmp"), budget);
            for (segment, rows) in [(0, 2), (1, 1), (0, 1), (2, 3), (1, 1)] {
                log.push(segment, rows).unwrap();
            }
            let mut wanted = RowSets::default();
            for arrival in [1, 2, 3, 5, 7] {
                let (unit, row) = unit_and_row(arrival);
                wanted.insert(unit, row);
            }
            let located = log.locate(&wanted, 3).unwrap();
            let rows: Vec<Vec<u32>> = located.iter().map(|rows| rows.iter().collect()).collect();
            assert_eq!(rows, [vec![1, 2], vec![0, 1], vec![1]]);
            assert_eq!(log.rows(), 8);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
