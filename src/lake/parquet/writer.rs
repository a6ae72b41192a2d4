//! Writing a Parquet file: rows as they arrive, column by column in parallel, and column chunks carried over from other files.
//!
//! In: batches of the file's schema, or row groups of a [`ParquetSource`]. Out: a [`FinishedFile`]. Memory: the encoded pages of
//! the open row group, at most [`FileLimits::row_group_bytes`] and one batch more.
//! Free to change: how the work is spread over threads; the bytes may not depend on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::take::take_record_batch;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::SchemaDescriptor;
use rayon::prelude::*;

use crate::base::fault_point;
use crate::config::Compat;
use crate::lake::parquet::carry::{has_order_of, is_same_chunk};
use crate::lake::parquet::footer::tell_known_orders;
use crate::lake::parquet::notes::Notes;
use crate::lake::parquet::range::{KeyRanges, key_ranges};
use crate::lake::parquet::source::leaves;
use crate::lake::parquet::{FileShape, FileStyle, ParquetSource, SpoolFile};
use crate::lake::{LakeError, LiveFile};
use crate::schema::TableSchema;

/// Memory that an open encoder of a column takes besides what it tells: the contexts of its codec.
const ENCODER_BYTES: usize = 48 << 10;

/// Memory that a closed row group takes until its file is finished, for each leaf column: statistics, encodings, and the index of its pages.
const FOOTER_LEAF_BYTES: usize = 1 << 10;

/// Rows, and their bytes, that wait until encoders are opened for them, where they wait.
const WAITING_ROWS: usize = 1024;
const WAITING_BYTES: usize = 128 << 10;

/// Bounds of a row group; whichever is met first closes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileLimits {
    /// Rows.
    pub(crate) row_group_rows: usize,
    /// Encoded bytes.
    pub(crate) row_group_bytes: usize,
}

/// Where a top-level column of a row group comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnPlan {
    /// The bytes of the source's column with this number.
    Copy(usize),
    /// The rows that are handed in.
    Encode,
}

/// A finished file in the spool.
#[derive(Debug, Clone)]
pub(crate) struct FinishedFile {
    /// Where.
    pub(crate) path: PathBuf,
    /// Rows of each row group.
    pub(crate) row_groups: Vec<u64>,
    /// Bytes of a stored file that come before those at the path; none of most.
    pub(crate) behind: u64,
    /// Size in bytes, with those.
    pub(crate) bytes: u64,
    /// Checksum of the content ([`crate::lake::checksum`]).
    pub(crate) checksum: String,
    /// Ranges of the key's columns.
    pub(crate) key_ranges: KeyRanges,
}

impl FinishedFile {
    /// Rows of the file.
    pub(crate) fn rows(&self) -> u64 {
        self.row_groups.iter().sum()
    }

    /// Opens the file for reading.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn open(&self) -> Result<ParquetSource, LakeError> {
        ParquetSource::open(LiveFile::open_disk(&self.path)?, file_name(&self.path))
    }

    /// Removes the file, which nothing needs any more.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn remove(&self) -> Result<(), LakeError> {
        let removed = std::fs::remove_file(&self.path);
        removed.map_err(|source| LakeError::Disk { action: "remove", path: self.path.clone(), source })
    }
}

/// Memory that the open encoders of a file of `schema` take before they have a row, as estimated.
pub(crate) fn encoders_bytes(schema: &TableSchema) -> usize {
    schema.columns.len() * ENCODER_BYTES
}

/// A file that is being written.
pub(crate) struct ParquetFile {
    path: PathBuf,
    writer: SerializedFileWriter<SpoolFile>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    limits: FileLimits,
    compat: Compat,
    key: Vec<String>,
    open: Option<OpenRowGroup>,
    /// Rows that no row group is open for yet, where encoders are not to be opened for a few.
    waiting: Option<Waiting>,
    row_groups: Vec<u64>,
    notes: Notes,
}

/// Rows that wait for more.
#[derive(Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// Column encoders of the row group that rows go to.
struct OpenRowGroup {
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

impl ParquetFile {
    /// Creates the file of `shape`, which is that of `table`.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn create(path: &Path, table: &TableSchema, style: &FileStyle, shape: &FileShape) -> Result<Self, LakeError> {
        let FileShape { schema, root, properties } = shape.clone();
        let spool = SpoolFile::create(path)?;
        let writer = SerializedFileWriter::new(spool, root, properties).map_err(|source| failed("write", path, source))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
        let path = path.to_owned();
        let FileStyle { limits, compat, .. } = *style;
        let (open, waiting, row_groups, notes) = (None, None, Vec::new(), Notes::of(table));
        let key = style.key.clone();
        Ok(Self { path, writer, factory, schema, limits, compat, key, open, waiting, row_groups, notes })
    }

    /// The same, which opens its encoders only once rows have come together: of many files at once, most get few rows at a time.
    pub(crate) fn frugal(mut self) -> Self {
        self.waiting.get_or_insert_default();
        self
    }

    /// The columns of the file.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes note of the columns that hold JSON text (objects without members are the text `{}`) or objects and lists, once the rows are of a schema that tells more of them than the one before.
    pub(crate) fn note_types(&mut self, table: &TableSchema) {
        self.notes = Notes::of(table);
    }

    /// Encodes rows of the file's schema; closes row groups as they fill up.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn write(&mut self, batches: &[RecordBatch]) -> Result<(), LakeError> {
        let mut fitting = Vec::new();
        for batch in batches {
            let mut rest = batch.clone();
            while rest.num_rows() > 0 {
                let waiting: usize = fitting.iter().map(RecordBatch::num_rows).sum();
                let room = self.limits.row_group_rows.max(1) - self.open_rows() - waiting;
                let rows = rest.num_rows().min(room);
                fitting.push(rest.slice(0, rows));
                rest = rest.slice(rows, rest.num_rows() - rows);
                if rows == room {
                    self.encode(&std::mem::take(&mut fitting))?;
                    self.close_row_group()?;
                }
            }
        }
        self.encode(&fitting)?;
        if self.open_bytes() >= self.limits.row_group_bytes {
            self.close_row_group()?;
        }
        Ok(())
    }

    /// Rows of the open row group.
    pub(crate) fn open_rows(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.rows) + self.waiting.as_ref().map_or(0, |waiting| waiting.rows)
    }

    /// Encoded bytes of the open row group, as estimated.
    pub(crate) fn open_bytes(&self) -> usize {
        let open = self.open.iter().flat_map(|open| &open.columns).map(ArrowColumnWriter::get_estimated_total_bytes);
        open.sum::<usize>() + self.waiting_bytes()
    }

    /// Memory of the open row group, as estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        let open = self.open.iter().flat_map(|open| &open.columns).map(|column| column.memory_size() + ENCODER_BYTES);
        open.sum::<usize>() + self.waiting_bytes()
    }

    /// Memory of what the footer will tell of closed row groups, as estimated.
    pub(crate) fn footer_bytes(&self) -> usize {
        self.row_groups.len() * self.writer.schema_descr().num_columns() * FOOTER_LEAF_BYTES
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    /// Bytes of the file if it were closed, as estimated.
    pub(crate) fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64 + self.open_bytes() as u64
    }

    /// Gives the file's handle back to the system until it is written to again.
    pub(crate) fn release(&mut self) {
        self.writer.inner_mut().release();
    }

    /// Ends the open row group, if it has rows.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn close_row_group(&mut self) -> Result<(), LakeError> {
        if let Some(waiting) = self.waiting.as_mut().map(std::mem::take) {
            self.encode_now(&waiting.batches)?;
        }
        let Some(open) = self.open.take() else { return Ok(()) };
        let closed: ParquetResult<Vec<_>> = open.columns.into_par_iter().map(ArrowColumnWriter::close).collect();
        let written = closed.and_then(|chunks| {
            let mut row_group = self.writer.next_row_group()?;
            for chunk in chunks {
                chunk.append_to_row_group(&mut row_group)?;
            }
            row_group.close()
        });
        written.map_err(|source| failed("write", &self.path, source))?;
        self.row_groups.push(open.rows as u64);
        Ok(())
    }

    /// Adds a row group of `source`: planned columns as bytes, the others encoded from `rows`, whose batches hold exactly those, in
    /// the file's order. The open row group is closed before.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`], and those of `rows`.
    pub(crate) fn append_row_group(
        &mut self,
        source: &ParquetSource,
        row_group: usize,
        plan: &[ColumnPlan],
        rows: impl Iterator<Item = Result<RecordBatch, LakeError>>,
    ) -> Result<(), LakeError> {
        self.close_row_group()?;
        let mut encoded = self.encode_planned(plan, rows)?.into_iter();
        let path = self.path.clone();
        let failed = |source| failed("write", &path, source);
        let descriptor = SchemaDescriptor::new(self.writer.schema_descr().root_schema_ptr());
        let mut target = self.writer.next_row_group().map_err(failed)?;
        for (column, planned) in plan.iter().enumerate() {
            match *planned {
                ColumnPlan::Copy(from) => copy_column(&mut target, source, row_group, from, failed)?,
                ColumnPlan::Encode => {
                    for chunk in encoded.by_ref().take(leaves(&descriptor, column).len()) {
                        chunk.append_to_row_group(&mut target).map_err(failed)?;
                    }
                }
            }
        }
        target.close().map_err(failed)?;
        self.row_groups.push(source.row_group_rows(row_group) as u64);
        Ok(())
    }

    /// Writes the footer. The file is not durable yet: the stage syncs what it hands on.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn finish(mut self) -> Result<FinishedFile, LakeError> {
        self.close_row_group()?;
        self.notes.key_values().for_each(|note| self.writer.append_key_value_metadata(note));
        let leaves = self.writer.schema_descr().num_columns();
        let key_ranges = key_ranges(self.writer.flushed_row_groups(), &self.schema, &self.key);
        self.writer.inner_mut().hold_end();
        let ended = self.writer.into_inner().and_then(|mut spool| {
            spool.write_end(|end| tell_known_orders(end, leaves))?;
            Ok(spool)
        });
        let (path, bytes, checksum) = ended.map_err(|source| failed("write", &self.path, source))?.finish();
        fault_point("lake.spool.file").map_err(|source| LakeError::Disk { action: "write", path: path.clone(), source })?;
        Ok(FinishedFile { path, row_groups: self.row_groups, behind: 0, bytes, checksum, key_ranges })
    }

    /// Whether `column` of this file can be carried over from column `from` of `source`'s row group.
    pub(crate) fn can_copy(&self, column: usize, source: &ParquetSource, row_group: usize, from: usize) -> bool {
        is_same_chunk((self.writer.schema_descr(), self.compat), column, source, row_group, from)
    }

    /// Whether a row group of `source` has the order, by the same columns at least, that this file tells of all of its row groups.
    pub(crate) fn has_order_of(&self, source: &ParquetSource, row_group: usize) -> bool {
        has_order_of((self.writer.schema_descr(), self.writer.properties()), source, row_group)
    }

    /// Takes batches that fit the open row group.
    fn encode(&mut self, batches: &[RecordBatch]) -> Result<(), LakeError> {
        let Some(waiting) = self.waiting.as_mut().filter(|_| self.open.is_none()) else { return self.encode_now(batches) };
        for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
            // A copy: a slice would keep the whole page.
            let all = UInt32Array::from_iter_values(0..batch.num_rows() as u32);
            let own = take_record_batch(batch, &all).map_err(|error| failed("write", &self.path, error.into()))?;
            waiting.rows += own.num_rows();
            waiting.bytes += own.get_array_memory_size();
            waiting.batches.push(own);
        }
        if waiting.rows < WAITING_ROWS && waiting.bytes < WAITING_BYTES {
            return Ok(());
        }
        let waiting = std::mem::take(waiting);
        self.encode_now(&waiting.batches)
    }

    fn encode_now(&mut self, batches: &[RecordBatch]) -> Result<(), LakeError> {
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if rows == 0 {
            return Ok(());
        }
        let path = self.path.clone();
        let failed = |source| failed("write", &path, source);
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let columns = self.factory.create_column_writers(self.row_groups.len()).map_err(failed)?;
                OpenRowGroup { columns, rows: 0 }
            }
        };
        let columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        encode_columns(&self.schema, &columns, batches, &mut open.columns).map_err(failed)?;
        open.rows += rows;
        self.open = Some(open);
        Ok(())
    }

    /// The encoded chunks of all leaves of planned columns.
    fn encode_planned(
        &self,
        plan: &[ColumnPlan],
        rows: impl Iterator<Item = Result<RecordBatch, LakeError>>,
    ) -> Result<Vec<ArrowColumnChunk>, LakeError> {
        let wanted: Vec<usize> =
            plan.iter().enumerate().filter(|(_, planned)| **planned == ColumnPlan::Encode).map(|(column, _)| column).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |source| failed("write", &self.path, source);
        let descriptor = self.writer.schema_descr();
        let all = self.factory.create_column_writers(self.row_groups.len()).map_err(failed)?;
        let mut writers: Vec<_> = all
            .into_iter()
            .enumerate()
            .filter(|(leaf, _)| wanted.contains(&descriptor.get_column_root_idx(*leaf)))
            .map(|(_, writer)| writer)
            .collect();
        let projected = Schema::new(wanted.iter().map(|&column| Arc::clone(&self.schema.fields()[column])).collect::<Vec<_>>());
        let columns: Vec<usize> = (0..wanted.len()).collect();
        for batch in rows {
            encode_columns(&projected, &columns, &[batch?], &mut writers).map_err(failed)?;
        }
        writers.into_par_iter().map(ArrowColumnWriter::close).collect::<ParquetResult<Vec<_>>>().map_err(failed)
    }
}

/// Carries one top-level column over, leaf by leaf.
fn copy_column(
    target: &mut SerializedRowGroupWriter<'_, SpoolFile>,
    source: &ParquetSource,
    row_group: usize,
    from: usize,
    failed: impl Fn(ParquetError) -> LakeError,
) -> Result<(), LakeError> {
    for leaf in source.leaves(from) {
        let chunk = source.chunk(row_group, leaf)?;
        target.append_column(source.file(), chunk).map_err(&failed)?;
    }
    Ok(())
}

/// Writes `columns` of all batches to their leaf encoders, leaves in parallel.
pub(super) fn encode_columns(
    schema: &Schema,
    columns: &[usize],
    batches: &[RecordBatch],
    writers: &mut [ArrowColumnWriter],
) -> ParquetResult<()> {
    let levels: ParquetResult<Vec<Vec<Vec<ArrowLeafColumn>>>> = columns
        .par_iter()
        .map(|&column| {
            let field = schema.field(column);
            let arrays = batches.iter().map(|batch| batch.column(column));
            arrays.map(|array: &ArrayRef| compute_leaves(field, array)).collect()
        })
        .collect();
    // By column, batch and leaf so far; an encoder takes its leaf of every batch.
    let mut by_leaf: Vec<Vec<ArrowLeafColumn>> = Vec::with_capacity(writers.len());
    for batches_of_column in levels? {
        let first = by_leaf.len();
        for batch in batches_of_column {
            for (leaf, values) in batch.into_iter().enumerate() {
                if by_leaf.len() <= first + leaf {
                    by_leaf.push(Vec::with_capacity(batches.len()));
                }
                by_leaf[first + leaf].push(values);
            }
        }
    }
    if by_leaf.len() != writers.len() {
        return Err(ParquetError::General(format!("{} leaves for {} encoders", by_leaf.len(), writers.len())));
    }
    writers.par_iter_mut().zip(by_leaf).try_for_each(|(writer, leaf)| leaf.iter().try_for_each(|values| writer.write(values)))
}

pub(super) fn failed(action: &'static str, path: &Path, source: ParquetError) -> LakeError {
    let name = file_name(path);
    match source {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(source) => LakeError::of_disk(action, path, *source),
            Err(cause) => LakeError::Parquet { action, path: name, source: ParquetError::External(cause) },
        },
        source => LakeError::Parquet { action, path: name, source },
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
