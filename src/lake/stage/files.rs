//! Row groups put together into final files.
//!
//! In: row groups of segments and live files, some rows of which may have to go. Out: files of the table's final schema. What
//! does not change is carried over as bytes; row groups that are too small in too great number are written together.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use parquet::arrow::arrow_reader::RowSelection;

use crate::decode::{SpellingCursor, SpellingLog, TypedBatch};
use crate::lake::checksum::pieces;
use crate::lake::parquet::{ColumnEncodings, ColumnPlan, FileShape, FileStyle, FinishedFile, ParquetFile, ParquetSource, Splice};
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::arrow_failed;
use crate::lake::stage::settings::StageSettings;
use crate::lake::stage::sink::RowSink;
use crate::lake::{DataFile, LakeError};
use crate::merge::RowSet;
use crate::schema::TableSchema;

/// Times that null columns come behind a file before it is written anew: each leaves an old footer in it.
const SPLICES_MAX: usize = 8;

/// Makes the final files of a table.
pub(crate) struct FileMaker {
    settings: Arc<StageSettings>,
    schema: Arc<TableSchema>,
    encodings: ColumnEncodings,
    prefix: &'static str,
    sorts: bool,
    made: u64,
}

impl FileMaker {
    /// Files of `schema`, the files' schema; their names in the spool begin with `prefix`.
    pub(crate) fn new(
        settings: &Arc<StageSettings>,
        schema: &Arc<TableSchema>,
        encodings: ColumnEncodings,
        prefix: &'static str,
    ) -> Self {
        let sorts = !settings.sort_by.is_empty();
        let (settings, schema) = (Arc::clone(settings), Arc::clone(schema));
        Self { settings, schema, encodings, prefix, sorts, made: 0 }
    }

    /// The same, keeping the order of rows.
    pub(crate) fn unsorted(self) -> Self {
        Self { sorts: false, ..self }
    }

    /// Lets a file tell how columns are best written of which nothing is known.
    ///
    /// # Errors
    /// [`LakeError::Parquet`].
    pub(crate) fn complete_encodings(&mut self, source: &ParquetSource) -> Result<(), LakeError> {
        let found = ColumnEncodings::of(source, self.settings.compat)?;
        self.encodings = std::mem::take(&mut self.encodings).or(&found);
        Ok(())
    }

    /// The files' schema.
    pub(crate) fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// A new file in the spool.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn create(&mut self) -> Result<RowSink, LakeError> {
        let (path, style) = (self.next_path(), self.style());
        let bloom_rows = self.settings.budgets.row_group_rows;
        let shape = FileShape::new(&path, &self.schema, &style, &self.encodings, bloom_rows)?;
        let file = ParquetFile::create(&path, &self.schema, &style, &shape)?;
        Ok(RowSink::new(&self.settings, file, self.sorts))
    }

    /// The live file `file` with the columns that it lacks, by its own bytes and a few more; `None` where it has to be written anew.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(crate) fn splice(&mut self, live: &Adapted, file: &DataFile) -> Result<Option<FinishedFile>, LakeError> {
        let small = file.bytes < self.settings.budgets.splice_bytes;
        if small || file.checksum.is_empty() || pieces(&file.checksum) > SPLICES_MAX {
            return Ok(None);
        }
        let Some(columns) = live.only_lacks() else { return Ok(None) };
        let (path, style) = (self.next_path(), self.style());
        let shape = FileShape::new(&path, &self.schema, &style, &self.encodings, self.settings.budgets.row_group_rows)?;
        let (source, table) = (live.source(), &*self.schema);
        let splice = Splice { source, file, columns: &columns, table, style: &style, shape: &shape };
        if !splice.is_possible() {
            return Ok(None);
        }
        let spliced = splice.write(&path)?;
        tracing::debug!(
            file = file.path,
            bytes = file.bytes,
            more = spliced.bytes - file.bytes,
            "null columns come behind a file's own bytes"
        );
        Ok(Some(spliced))
    }

    fn next_path(&mut self) -> PathBuf {
        let path = self.settings.spool.join(format!("{}-{:06}.tmp", self.prefix, self.made));
        self.made += 1;
        path
    }

    fn style(&self) -> FileStyle {
        let mut style = self.settings.style();
        if !self.sorts {
            style.sort_by.clear();
        }
        style
    }

    /// Whether files with these row groups are to be written anew, since too many are too small.
    pub(crate) fn is_fragmented(&self, row_groups: impl Iterator<Item = u64>) -> bool {
        row_groups.filter(|rows| self.is_small(*rows)).count() > self.settings.budgets.small_row_groups
    }

    /// Whether a row group of so many rows is small.
    pub(crate) fn is_small(&self, rows: u64) -> bool {
        rows < self.settings.budgets.small_row_group_rows
    }

    /// Adds the row groups of a file to `sink`, without the rows in `dropped`. With `together`, small row groups are written as one.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(crate) fn carry(
        &self,
        sink: &mut RowSink,
        from: &Adapted,
        spellings: &SpellingLog,
        dropped: &RowSet,
        together: bool,
    ) -> Result<(), LakeError> {
        let mut originals = spellings.cursor();
        let mut first = 0;
        for row_group in from.row_groups() {
            let rows = from.source().row_group_rows(row_group);
            let kept = kept_rows(dropped, first, rows);
            first += rows;
            let merges = together && self.is_small(rows as u64);
            if !merges && kept.iter().map(ExactSizeIterator::len).sum::<usize>() == rows {
                carry_row_group(sink, from, row_group, &mut originals)?;
                continue;
            }
            carry_rows(sink, from, row_group, &kept, &mut originals)?;
            if !merges {
                sink.close_row_group()?;
            }
        }
        Ok(())
    }
}

/// Adds a whole row group: as bytes, as far as its columns are what they should be, unless it has to be sorted first.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn carry_row_group(
    sink: &mut RowSink,
    from: &Adapted,
    row_group: usize,
    originals: &mut SpellingCursor<'_>,
) -> Result<(), LakeError> {
    let file = sink.direct()?;
    if !file.has_order_of(from.source(), row_group) {
        let whole = Range { start: 0, end: from.source().row_group_rows(row_group) };
        carry_rows(sink, from, row_group, &[whole], originals)?;
        return sink.close_row_group();
    }
    let plan = from.plan(file, row_group);
    let columns: Vec<usize> = (0..plan.len()).filter(|column| plan[*column] == ColumnPlan::Encode).collect();
    let rows = from.spelled_rows(vec![row_group], &columns, None, originals)?;
    file.append_row_group(from.source(), row_group, &plan, rows)
}

/// Adds the first rows of a row group, spelled canonically.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn carry_first(sink: &mut RowSink, from: &Adapted, row_group: usize, rows: usize) -> Result<(), LakeError> {
    carry_rows(sink, from, row_group, &[Range { start: 0, end: rows }], &mut SpellingCursor::default())
}

/// Adds some rows of a row group, ascending ranges counted from its first.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn carry_rows(
    sink: &mut RowSink,
    from: &Adapted,
    row_group: usize,
    kept: &[Range<usize>],
    originals: &mut SpellingCursor<'_>,
) -> Result<(), LakeError> {
    let rows = from.source().row_group_rows(row_group);
    let columns = from.all_columns();
    // A cursor moves on by every row, so none may be left out where values are respelled.
    let selection = (!from.is_narrower()).then(|| RowSelection::from_consecutive_ranges(kept.iter().cloned(), rows));
    let mut mask = selection.is_none().then(|| vec![false; rows]);
    for range in kept {
        mask.iter_mut().for_each(|mask| mask[range.clone()].fill(true));
    }
    let mut first = 0;
    for batch in from.spelled_rows(vec![row_group], &columns, selection, originals)? {
        let mut batch = batch?;
        if let Some(mask) = &mask {
            let rows = first..first + batch.num_rows();
            first = rows.end;
            let mask = BooleanArray::from(mask[rows].to_vec());
            batch = filter_record_batch(&batch, &mask).map_err(|source| arrow_failed("filter", from.table(), source))?;
        }
        write_rows(sink, from.target(), batch)?;
    }
    Ok(())
}

/// Writes rows in the file's form, spelled canonically from here on.
///
/// # Errors
/// [`LakeError::Disk`], [`LakeError::Parquet`].
pub(crate) fn write_rows(sink: &mut RowSink, schema: &Arc<TableSchema>, batch: RecordBatch) -> Result<(), LakeError> {
    let row_bytes = row_bytes(&batch);
    sink.write(vec![TypedBatch { schema: Arc::clone(schema), batch, originals: Vec::new() }], row_bytes)
}

/// Estimated memory of a row.
pub(crate) fn row_bytes(batch: &RecordBatch) -> usize {
    batch.get_array_memory_size() / batch.num_rows().max(1)
}

/// The rows of `first..first + rows` that are not in `dropped`, counted from `first`.
fn kept_rows(dropped: &RowSet, first: usize, rows: usize) -> Vec<Range<usize>> {
    if dropped.is_empty() {
        return std::iter::once(0..rows).collect();
    }
    let mut kept: Vec<Range<usize>> = Vec::new();
    for row in 0..rows {
        if !dropped.contains((first + row) as u32) {
            match kept.last_mut() {
                Some(last) if last.end == row => last.end = row + 1,
                _ => kept.push(row..row + 1),
            }
        }
    }
    kept
}

/// Puts items together, in their order, so that each part stays within `limit` bytes as far as it has more than one item.
pub(crate) fn in_parts<T>(items: Vec<T>, limit: u64, bytes: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let mut parts: Vec<Vec<T>> = Vec::new();
    let mut filled = 0;
    for item in items {
        let size = bytes(&item);
        match parts.last_mut() {
            Some(part) if filled + size <= limit => part.push(item),
            _ => {
                parts.push(vec![item]);
                filled = 0;
            }
        }
        filled += size;
    }
    parts
}
