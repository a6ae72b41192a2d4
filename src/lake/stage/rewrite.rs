//! A live file with some of its rows replaced or removed, and others added behind.
//!
//! In: the file, which of its rows the run has other values for, which have to go. Out: the same file untouched, a new content
//! for it, or nothing left. Rows keep their place; row groups without a change are carried over as bytes; nothing is written
//! before the first change is met.

use arrow_array::{BooleanArray, RecordBatch, UInt32Array};
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;

use crate::decode::{SpellingCursor, SpellingLog};
use crate::lake::parquet::FinishedFile;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::alike::alike_rows;
use crate::lake::stage::arrow_failed;
use crate::lake::stage::files::{FileMaker, carry_first, carry_row_group, write_rows};
use crate::lake::stage::incoming::Gather;
use crate::lake::stage::segment::Segment;
use crate::lake::stage::sink::RowSink;
use crate::lake::{DataFile, LakeError};
use crate::merge::{RowSet, changed_rows, replace_rows};

/// What is to be done with a live file.
pub(crate) struct Rewrite<'a> {
    /// The file.
    pub(crate) live: &'a Adapted,
    /// Its facts.
    pub(crate) file: &'a DataFile,
    /// Rows that the run has values for, ascending; the gather has been told of them in this order.
    pub(crate) matched: &'a [u32],
    /// Rows that leave the file.
    pub(crate) removed: &'a RowSet,
    /// Segments whose rows are added.
    pub(crate) added: &'a [Segment],
    /// Whether the file is written anew even without a change.
    pub(crate) always: bool,
}

/// What became of a live file.
pub(crate) enum Rewritten {
    /// It stays.
    Untouched,
    /// It gets this content.
    Replaced(FinishedFile),
    /// No row is left.
    Emptied,
}

/// Counts of matched rows, and of files.
#[derive(Debug, Default)]
pub(crate) struct MatchCounts {
    /// Rows with other values than before.
    pub(crate) updated: u64,
    /// Rows equal to those that were there.
    pub(crate) unchanged: u64,
    /// Files that not all readers opened.
    pub(crate) reencoded: u64,
}

/// The file that is made, as soon as there is one.
struct Output<'a> {
    live: &'a Adapted,
    sink: Option<RowSink>,
    together: bool,
}

impl Output<'_> {
    /// The sink, with all row groups before `row_group` in it.
    fn open(&mut self, maker: &mut FileMaker, row_group: usize) -> Result<&mut RowSink, LakeError> {
        if self.sink.is_none() {
            self.sink = Some(maker.create()?);
            for earlier in 0..row_group {
                self.keep(maker, earlier)?;
            }
        }
        Ok(self.sink.as_mut().expect("it has just been made"))
    }

    /// Takes a row group over as it is, if there is a file to take it to.
    fn keep(&mut self, maker: &FileMaker, row_group: usize) -> Result<(), LakeError> {
        let Some(sink) = self.sink.as_mut() else { return Ok(()) };
        let rows = self.live.source().row_group_rows(row_group);
        if self.together && maker.is_small(rows as u64) {
            return carry_first(sink, self.live, row_group, rows);
        }
        carry_row_group(sink, self.live, row_group, &mut SpellingCursor::default())
    }
}

/// Does what is to be done with a live file.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn rewrite(
    maker: &mut FileMaker,
    job: &Rewrite<'_>,
    gather: &mut Gather<'_>,
    counts: &mut MatchCounts,
) -> Result<Rewritten, LakeError> {
    let live = job.live;
    let all = live.row_groups();
    let rows = |row_group: usize| live.source().row_group_rows(row_group) as u64;
    let added = job.added.iter().flat_map(|segment| segment.file.row_groups.iter().copied());
    let together = maker.is_fragmented(all.iter().map(|row_group| rows(*row_group)).chain(added));
    let is_same_rows = job.matched.is_empty() && job.removed.is_empty() && job.added.is_empty();
    if job.always
        && is_same_rows
        && !together
        && let Some(spliced) = maker.splice(live, job.file)?
    {
        return Ok(Rewritten::Replaced(spliced));
    }
    let mut output = Output { live, sink: None, together };
    if job.always || !job.added.is_empty() {
        output.open(maker, 0)?;
    }
    let mut matched = job.matched;
    let mut first = 0;
    for row_group in all {
        let end = first + rows(row_group) as u32;
        let (here, later) = matched.split_at(matched.partition_point(|row| *row < end));
        matched = later;
        let edit = Edit { row_group, first, matched: here, removed: job.removed };
        if edit.is_empty(end) || !edit.apply(maker, &mut output, gather, counts)? {
            output.keep(maker, row_group)?;
        }
        first = end;
    }
    let Some(mut sink) = output.sink else { return Ok(Rewritten::Untouched) };
    for segment in job.added {
        let from = Adapted::new(segment.file.open()?, &segment.schema, live.target(), live.table());
        maker.carry(&mut sink, &from, &SpellingLog::default(), &RowSet::default(), together)?;
        segment.file.remove()?;
    }
    let file = sink.finish()?.file;
    if file.rows() > 0 {
        return Ok(Rewritten::Replaced(file));
    }
    file.remove()?;
    Ok(Rewritten::Emptied)
}

/// The changes of one row group.
struct Edit<'a> {
    row_group: usize,
    /// Number of its first row in the file.
    first: u32,
    matched: &'a [u32],
    removed: &'a RowSet,
}

impl Edit<'_> {
    fn is_empty(&self, end: u32) -> bool {
        self.matched.is_empty() && !(self.first..end).any(|row| self.removed.contains(row))
    }

    /// Writes the row group with its changes; `false` when there was none after all, and nothing is written.
    fn apply(
        &self,
        maker: &mut FileMaker,
        output: &mut Output<'_>,
        gather: &mut Gather<'_>,
        counts: &mut MatchCounts,
    ) -> Result<bool, LakeError> {
        let live = output.live;
        let columns = live.all_columns();
        let mut matched = self.matched;
        let mut unwritten = Some(0);
        let mut first = self.first;
        for batch in live.rows(vec![self.row_group], &columns, None)? {
            let batch = batch?;
            let end = first + batch.num_rows() as u32;
            let (here, later) = matched.split_at(matched.partition_point(|row| *row < end));
            matched = later;
            let edited = edit_batch(&batch, first, here, self.removed, live, gather, counts)?;
            match (edited, unwritten.as_mut()) {
                (None, Some(unwritten)) => *unwritten += batch.num_rows(),
                (edited, _) => {
                    let sink = output.open(maker, self.row_group)?;
                    if let Some(before) = unwritten.take().filter(|before| *before > 0) {
                        carry_first(sink, live, self.row_group, before)?;
                    }
                    write_rows(sink, live.target(), edited.unwrap_or(batch))?;
                }
            }
            first = end;
        }
        if unwritten.is_some() {
            return Ok(false);
        }
        let small = maker.is_small(u64::from(first - self.first));
        if let Some(sink) = output.sink.as_mut().filter(|_| !(output.together && small)) {
            sink.close_row_group()?;
        }
        Ok(true)
    }
}

/// The batch, whose first row is the file's row `first`, with its changes; `None` without any.
fn edit_batch(
    batch: &RecordBatch,
    first: u32,
    matched: &[u32],
    removed: &RowSet,
    live: &Adapted,
    gather: &mut Gather<'_>,
    counts: &mut MatchCounts,
) -> Result<Option<RecordBatch>, LakeError> {
    let failed = |source| arrow_failed("replace", live.table(), source);
    let mut edited = None;
    if !matched.is_empty() {
        let rows: Vec<u32> = matched.iter().map(|row| row - first).collect();
        let old = take_record_batch(batch, &UInt32Array::from(rows.clone())).map_err(failed)?;
        let new = gather.take(rows.len())?;
        let changed = changed_rows(&old, &new)?;
        let alike = alike_rows(&old, &new, &changed, live)?;
        // Where the file has to be encoded again, what came is better than what its columns give.
        let is_written = live.is_narrower();
        let indices = changed.values().set_indices().filter(|index| is_written || !alike[*index]);
        let replacements: Vec<(usize, usize)> = indices.map(|index| (rows[index] as usize, index)).collect();
        let updated = changed.true_count() - alike.iter().filter(|alike| **alike).count();
        counts.updated += updated as u64;
        counts.unchanged += (rows.len() - updated) as u64;
        if !replacements.is_empty() {
            edited = Some(replace_rows(batch, &replacements, &new)?);
        }
    }
    let kept: Vec<bool> = (first..first + batch.num_rows() as u32).map(|row| !removed.contains(row)).collect();
    if kept.contains(&false) {
        let whole = edited.as_ref().unwrap_or(batch);
        edited = Some(filter_record_batch(whole, &BooleanArray::from(kept)).map_err(failed)?);
    }
    Ok(edited)
}
