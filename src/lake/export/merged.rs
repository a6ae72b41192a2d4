//! Rows of several runs, each in order, as one in order.
//!
//! In: what is read of each run, batch by batch. Out: batches. Invariant: of equal rows those of the run that came first come first. Memory is a
//! batch of each run, and their keys.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{OwnedRow, RowConverter, Rows, SortField as RowField};
use arrow_schema::SortOptions;
use arrow_select::interleave::interleave_record_batch;

use crate::config::SortField;
use crate::lake::LakeError;
use crate::lake::export::ExportError;

/// A run, as far as it is read.
struct Run<R> {
    rest: R,
    batch: RecordBatch,
    keys: Rows,
    at: usize,
}

/// The runs, merged.
pub(super) struct Merged<R> {
    runs: Vec<Run<R>>,
    converter: RowConverter,
    columns: Vec<usize>,
    /// The next row of each run that has one.
    next: BinaryHeap<Reverse<(OwnedRow, usize)>>,
    batch_rows: usize,
}

impl<R: Iterator<Item = Result<RecordBatch, LakeError>>> Merged<R> {
    /// `runs` that are sorted by `sort`, nulls last. A column that there is not orders nothing.
    ///
    /// # Errors
    /// Whatever keeps their first rows from being read.
    pub(super) fn new(runs: Vec<R>, sort: &[SortField], batch_rows: usize) -> Result<Self, ExportError> {
        let mut firsts = Vec::new();
        for mut rest in runs {
            if let Some(batch) = rest.next() {
                firsts.push((batch?, rest));
            }
        }
        let (mut columns, mut orders) = (Vec::new(), Vec::new());
        if let Some((first, _)) = firsts.first() {
            for SortField { column, descending } in sort {
                if let Ok(place) = first.schema_ref().index_of(column) {
                    let options = SortOptions { descending: *descending, nulls_first: false };
                    orders.push(RowField::new_with_options(first.column(place).data_type().clone(), options));
                    columns.push(place);
                }
            }
        }
        let converter = RowConverter::new(orders)?;
        let mut merged = Self { runs: Vec::new(), converter, columns, next: BinaryHeap::new(), batch_rows };
        for (batch, rest) in firsts {
            let keys = merged.keys(&batch)?;
            merged.runs.push(Run { rest, batch, keys, at: 0 });
        }
        for run in 0..merged.runs.len() {
            merged.offer(run)?;
        }
        Ok(merged)
    }

    fn keys(&self, batch: &RecordBatch) -> Result<Rows, ExportError> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&place| ArrayRef::clone(batch.column(place))).collect();
        Ok(self.converter.convert_columns(&columns)?)
    }

    /// Puts the next row of a run among those that may come next, if its batch has one.
    fn offer(&mut self, run: usize) -> Result<(), ExportError> {
        if let Some(Run { keys, at, .. }) = self.runs.get(run)
            && *at < keys.num_rows()
        {
            self.next.push(Reverse((keys.row(*at).owned(), run)));
        }
        Ok(())
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>, ExportError> {
        let mut picks = Vec::with_capacity(self.batch_rows);
        let mut used_up = None;
        while picks.len() < self.batch_rows
            && used_up.is_none()
            && let Some(Reverse((_, run))) = self.next.pop()
        {
            let Some(taken) = self.runs.get_mut(run) else { continue };
            picks.push((run, taken.at));
            taken.at += 1;
            if taken.at == taken.keys.num_rows() {
                used_up = Some(run);
            } else {
                self.offer(run)?;
            }
        }
        if picks.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&RecordBatch> = self.runs.iter().map(|run| &run.batch).collect();
        let merged = interleave_record_batch(&batches, &picks)?;
        if let Some(run) = used_up
            && let Some(batch) = self.runs.get_mut(run).and_then(|run| run.rest.next())
        {
            let batch = batch?;
            let keys = self.keys(&batch)?;
            if let Some(run) = self.runs.get_mut(run) {
                (run.batch, run.keys, run.at) = (batch, keys, 0);
            }
            self.offer(run)?;
        }
        Ok(Some(merged))
    }
}

impl<R: Iterator<Item = Result<RecordBatch, LakeError>>> Iterator for Merged<R> {
    type Item = Result<RecordBatch, ExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batch().transpose()
    }
}
