//! The rows of a run that meet live ones: in segments without partitions, in order of arrival.
//!
//! Rows are named by arrival number in the key log, and by segment and row here. Also here: fetching a few of them in a wanted
//! order, within a budget.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use arrow_select::concat::concat_batches;
use arrow_select::interleave::interleave_record_batch;
use parquet::arrow::arrow_reader::RowSelection;

use crate::lake::LakeError;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::arrivals::arrival;
use crate::lake::stage::arrow_failed;
use crate::lake::stage::segment::Segment;
use crate::merge::{RowSet, RowSets};
use crate::schema::TableSchema;

/// A row of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The segment's number.
    pub(crate) segment: u32,
    /// The row in it.
    pub(crate) row: u32,
}

/// The run's segments.
pub(crate) struct Incoming {
    /// The segments, all of the run's final types, though columns may be missing.
    pub(crate) segments: Vec<Segment>,
    /// Arrival number of each segment's first row.
    starts: Vec<u64>,
    table: String,
}

impl Incoming {
    /// Segments in order of arrival.
    pub(crate) fn new(segments: Vec<Segment>, table: &str) -> Self {
        let starts = segments.iter().scan(0, |next, segment| {
            let start = *next;
            *next += segment.file.rows();
            Some(start)
        });
        Self { starts: starts.collect(), segments, table: table.to_owned() }
    }

    /// Rows in all.
    pub(crate) fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.file.rows()).sum()
    }

    /// Where the key log's row is.
    pub(crate) fn place(&self, unit: u32, row: u32) -> Place {
        let arrival = arrival(unit, row);
        let segment = self.starts.partition_point(|start| *start <= arrival) - 1;
        Place { segment: segment as u32, row: (arrival - self.starts[segment]) as u32 }
    }

    /// The key log's rows, segment by segment.
    pub(crate) fn by_segment(&self, rows: &RowSets) -> Vec<RowSet> {
        let mut sets = vec![RowSet::default(); self.segments.len()];
        for (unit, row) in rows.iter() {
            let place = self.place(unit, row);
            sets[place.segment as usize].insert(place.row);
        }
        sets
    }

    /// A segment's rows in the form of `target`.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn open(&self, segment: usize, target: &Arc<TableSchema>) -> Result<Adapted, LakeError> {
        let found = &self.segments[segment];
        Ok(Adapted::new(found.file.open()?, &found.schema, target, &self.table))
    }
}

/// Fetches rows of the run in a wanted order, many at a time.
pub(crate) struct Gather<'a> {
    incoming: &'a Incoming,
    target: Arc<TableSchema>,
    row_bytes: usize,
    budget_bytes: usize,
    wanted: VecDeque<Place>,
    loaded: Vec<RecordBatch>,
    picks: VecDeque<(usize, usize)>,
}

impl<'a> Gather<'a> {
    /// Rows in the form of `target`, of about `row_bytes` each; holds about `budget_bytes` of them.
    pub(crate) fn new(incoming: &'a Incoming, target: &Arc<TableSchema>, row_bytes: usize, budget_bytes: usize) -> Self {
        let target = Arc::clone(target);
        let (wanted, picks) = (VecDeque::new(), VecDeque::new());
        Self { incoming, target, row_bytes: row_bytes.max(1), budget_bytes, wanted, loaded: Vec::new(), picks }
    }

    /// Whether more rows may be announced before some are taken.
    pub(crate) fn has_room(&self) -> bool {
        self.wanted.len() * self.row_bytes < self.budget_bytes
    }

    /// Announces a row that will be taken after those announced before.
    pub(crate) fn announce(&mut self, place: Place) {
        self.wanted.push_back(place);
    }

    /// Takes the next `count` rows, which have been announced.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(crate) fn take(&mut self, count: usize) -> Result<RecordBatch, LakeError> {
        let mut parts = Vec::new();
        let mut missing = count;
        while missing > 0 {
            if self.picks.is_empty() {
                self.load()?;
            }
            if self.picks.is_empty() {
                return Err(self.failed(ArrowError::ComputeError(format!("{missing} rows were never announced"))));
            }
            let picks: Vec<(usize, usize)> = self.picks.drain(..missing.min(self.picks.len())).collect();
            missing -= picks.len();
            let batches: Vec<&RecordBatch> = self.loaded.iter().collect();
            parts.push(interleave_record_batch(&batches, &picks).map_err(|source| self.failed(source))?);
        }
        match parts.as_slice() {
            [part] => Ok(part.clone()),
            parts => concat_batches(&self.target.to_file_arrow(), parts).map_err(|source| self.failed(source)),
        }
    }

    fn failed(&self, source: ArrowError) -> LakeError {
        arrow_failed("gather", &self.incoming.table, source)
    }

    /// Reads the next rows that are wanted, as many as the budget allows.
    fn load(&mut self) -> Result<(), LakeError> {
        self.loaded.clear();
        let rows = (self.budget_bytes / self.row_bytes).max(1).min(self.wanted.len());
        let window: Vec<Place> = self.wanted.drain(..rows).collect();
        let mut order: Vec<usize> = (0..window.len()).collect();
        order.sort_unstable_by_key(|index| window[*index]);
        let mut picks = vec![(0, 0); window.len()];
        let mut next = 0;
        while next < order.len() {
            let segment = window[order[next]].segment;
            let length = order[next..].iter().take_while(|index| window[**index].segment == segment).count();
            let of_segment = &order[next..next + length];
            self.load_segment(segment as usize, of_segment, &window, &mut picks)?;
            next += length;
        }
        self.picks.extend(picks);
        Ok(())
    }

    fn load_segment(
        &mut self,
        segment: usize,
        order: &[usize],
        window: &[Place],
        picks: &mut [(usize, usize)],
    ) -> Result<(), LakeError> {
        let adapted = self.incoming.open(segment, &self.target)?;
        let selection = selection(order.iter().map(|index| window[*index].row as usize), adapted.source().rows());
        let mut order = order.iter();
        let all = adapted.row_groups();
        for batch in adapted.rows(all, &adapted.all_columns(), Some(selection))? {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                if let Some(index) = order.next() {
                    picks[*index] = (self.loaded.len(), row);
                }
            }
            self.loaded.push(batch);
        }
        Ok(())
    }
}

/// Ascending rows of `total`, as parquet takes them.
pub(crate) fn selection(rows: impl Iterator<Item = usize>, total: usize) -> RowSelection {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end = row + 1,
            _ => ranges.push(row..row + 1),
        }
    }
    RowSelection::from_consecutive_ranges(ranges.into_iter(), total)
}
