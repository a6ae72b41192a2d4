//! Row groups put together into final files.
//!
//! In: row groups of segments and live files, some rows of which may have to go. Out: files of the table's final schema. What
//! does not change is carried over as bytes; row groups that are too small in too great number are written together.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::RowSelection;

use crate::lake::parquet::{ColumnEncodings, ColumnPlan, FinishedFile, ParquetFile};
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::settings::StageSettings;
use crate::lake::stage::sink::RowSink;
use crate::lake::{LakeError, PartitionId};
use crate::merge::RowSet;
use crate::schema::TableSchema;

/// Makes the final files of a table.
pub(crate) struct FileMaker {
    settings: Arc<StageSettings>,
    schema: Arc<TableSchema>,
    arrow: SchemaRef,
    encodings: ColumnEncodings,
    made: u64,
}

impl FileMaker {
    /// Files of `schema`, the files' schema.
    pub(crate) fn new(settings: &Arc<StageSettings>, schema: &Arc<TableSchema>, encodings: ColumnEncodings) -> Self {
        let arrow = schema.to_file_arrow();
        Self { settings: Arc::clone(settings), schema: Arc::clone(schema), arrow, encodings, made: 0 }
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
        let path: PathBuf = self.settings.spool.join(format!("file-{:06}.tmp", self.made));
        self.made += 1;
        let bloom_rows = self.settings.budgets.row_group_rows;
        let file = ParquetFile::create(&path, Arc::clone(&self.arrow), &self.settings.style(), &self.encodings, bloom_rows)?;
        Ok(RowSink::new(&self.settings, file, !self.settings.sort_by.is_empty(), None))
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
    /// [`LakeError::Disk`], [`LakeError::Parquet`], [`LakeError::Arrow`].
    pub(crate) fn carry(&self, sink: &mut RowSink, from: &Adapted, dropped: &RowSet, together: bool) -> Result<(), LakeError> {
        let mut first = 0;
        for row_group in 0..from.source().row_groups().len() {
            let rows = from.source().row_group_rows(row_group);
            let kept = kept_rows(dropped, first, rows);
            first += rows;
            let all = kept.iter().map(ExactSizeIterator::len).sum::<usize>() == rows;
            if all && !(together && self.is_small(rows as u64)) {
                carry_row_group(sink, from, row_group)?;
            } else if !kept.is_empty() {
                self.carry_rows(sink, from, row_group, &kept, rows)?;
                if !(together && self.is_small(rows as u64)) {
                    sink.close_row_group()?;
                }
            }
        }
        Ok(())
    }

    /// Adds some rows of a row group.
    fn carry_rows(
        &self,
        sink: &mut RowSink,
        from: &Adapted,
        row_group: usize,
        kept: &[std::ops::Range<usize>],
        rows: usize,
    ) -> Result<(), LakeError> {
        let columns: Vec<usize> = (0..self.schema.columns.len()).collect();
        let selection = RowSelection::from_consecutive_ranges(kept.iter().cloned(), rows);
        for batch in from.rows(vec![row_group], &columns, Some(selection))? {
            let batch = batch?;
            let row_bytes = row_bytes(&batch);
            sink.write(vec![batch], row_bytes)?;
        }
        Ok(())
    }
}

/// Adds a whole row group: as bytes, as far as its columns are what they should be.
pub(crate) fn carry_row_group(sink: &mut RowSink, from: &Adapted, row_group: usize) -> Result<(), LakeError> {
    let file = sink.direct()?;
    let plan = from.plan(file);
    let columns: Vec<usize> = (0..plan.len()).filter(|column| plan[*column] == ColumnPlan::Encode).collect();
    let rows = from.rows(vec![row_group], &columns, None)?;
    file.append_row_group(from.source(), row_group, &plan, rows)
}

/// Estimated memory of a row.
pub(crate) fn row_bytes(batch: &arrow::array::RecordBatch) -> usize {
    batch.get_array_memory_size() / batch.num_rows().max(1)
}

/// The rows of `first..first + rows` that are not in `dropped`, counted from `first`.
fn kept_rows(dropped: &RowSet, first: usize, rows: usize) -> Vec<std::ops::Range<usize>> {
    if dropped.is_empty() {
        return std::iter::once(0..rows).collect();
    }
    let mut kept: Vec<std::ops::Range<usize>> = Vec::new();
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

/// A part of the final table.
pub(crate) struct NewFile {
    /// The partition.
    pub(crate) partition: PartitionId,
    /// The file.
    pub(crate) file: FinishedFile,
}
