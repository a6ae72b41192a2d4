//! A Parquet file that is read: its rows, or its column chunks as bytes.
//!
//! In: an open file. Out: batches of chosen row groups, columns and rows, with the types Parquet itself tells (an embedded Arrow
//! schema is not trusted); or what is needed to carry a column chunk over to another file without decoding it.
//! Not here: adapting rows to a table's schema.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};

use crate::lake::parquet::range::{KeyRange, KeyRanges, key_ranges};
use crate::lake::{LakeError, LiveFile};
use crate::schema::TableSchema;

/// The key of a file's note about its columns of JSON text, which are mere text to Parquet: a JSON array of their names.
pub(crate) const JSON_COLUMNS: &str = "lakeward.json_columns";

/// The key of a file's note about the types of its objects and lists, in which Parquet shows JSON text and objects without
/// members as text: the columns of a schema, as the manifest spells them.
pub(crate) const NESTED_TYPES: &str = "lakeward.nested_types";

/// An open Parquet file.
#[derive(Debug)]
pub(crate) struct ParquetSource {
    file: LiveFile,
    metadata: ArrowReaderMetadata,
    name: String,
}

impl ParquetSource {
    /// Reads the footer and the page index. `name` is the file's in messages.
    ///
    /// # Errors
    /// [`LakeError::Parquet`].
    pub(crate) fn open(file: LiveFile, name: String) -> Result<Self, LakeError> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_page_index_policy(PageIndexPolicy::Optional);
        let metadata =
            ArrowReaderMetadata::load(&file, options).map_err(|source| Self::failed_in(&file, "open", &name, source))?;
        Ok(Self { file, metadata, name })
    }

    /// The columns, as Parquet tells them.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// The footer.
    pub(crate) fn metadata(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// Whether a column that is JSON text in the table was mere text when this program wrote the file.
    pub(crate) fn is_mere_text(&self, column: &str) -> bool {
        let names = self.note(JSON_COLUMNS).and_then(|note| serde_json::from_str::<Vec<String>>(note).ok());
        self.is_ours() && !names.into_iter().flatten().any(|name| name == column)
    }

    /// The types of objects and lists that this program noted when it wrote the file; no columns when it did not.
    pub(crate) fn nested_types(&self) -> TableSchema {
        let note = self.note(NESTED_TYPES).filter(|_| self.is_ours());
        let value = note.and_then(|note| serde_json::from_str(note).ok());
        value.and_then(|value| TableSchema::from_json(&value).ok()).unwrap_or_default()
    }

    fn is_ours(&self) -> bool {
        self.metadata().file_metadata().created_by().is_some_and(|name| name.starts_with("lakeward "))
    }

    fn note(&self, key: &str) -> Option<&str> {
        let mut notes = self.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        notes.find(|note| note.key == key)?.value.as_deref()
    }

    /// The row groups.
    pub(crate) fn row_groups(&self) -> &[RowGroupMetaData] {
        self.metadata().row_groups()
    }

    /// Rows of a row group.
    pub(crate) fn row_group_rows(&self, row_group: usize) -> usize {
        self.row_groups().get(row_group).map_or(0, |found| usize::try_from(found.num_rows()).unwrap_or(0))
    }

    /// Rows of the file.
    pub(crate) fn rows(&self) -> usize {
        (0..self.row_groups().len()).map(|row_group| self.row_group_rows(row_group)).sum()
    }

    /// The leaf columns of a top-level column.
    pub(crate) fn leaves(&self, column: usize) -> Range<usize> {
        leaves(self.metadata.parquet_schema(), column)
    }

    /// Rows of `row_groups`, in their order, as batches of at most `batch_rows`: the given top-level columns in the file's order,
    /// and of the rows only those selected, counted from the first of these row groups.
    ///
    /// # Errors
    /// [`LakeError::Parquet`].
    pub(crate) fn read(
        &self,
        row_groups: Vec<usize>,
        columns: Option<&[usize]>,
        selection: Option<RowSelection>,
        batch_rows: usize,
    ) -> Result<SourceRows, LakeError> {
        self.file.verify()?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
            .with_row_groups(row_groups)
            .with_batch_size(batch_rows);
        if let Some(columns) = columns {
            builder = builder.with_projection(ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied()));
        }
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let reader = builder.build().map_err(|source| self.failed("read", source))?;
        Ok(SourceRows { reader, file: self.file.clone(), name: self.name.clone() })
    }

    /// What carrying a leaf column of a row group over to another file takes: its metadata, indexes and bloom filter.
    ///
    /// # Errors
    /// [`LakeError::Parquet`].
    pub(crate) fn chunk(&self, row_group: usize, leaf: usize) -> Result<ColumnCloseResult, LakeError> {
        self.file.verify()?;
        let metadata =
            self.row_groups().get(row_group).and_then(|found| found.columns().get(leaf)).cloned().ok_or_else(|| {
                self.failed("read", ParquetError::General(format!("no column {leaf} in row group {row_group}")))
            })?;
        let index = self.metadata().page_index();
        Ok(ColumnCloseResult {
            bytes_written: u64::try_from(metadata.compressed_size()).unwrap_or(0),
            rows_written: self.row_group_rows(row_group) as u64,
            bloom_filter: self.bloom_filter(row_group, leaf)?,
            column_index: index.and_then(|index| index.column_index(row_group, leaf)).cloned(),
            offset_index: index.and_then(|index| index.offset_index(row_group, leaf)).cloned(),
            metadata,
        })
    }

    /// The bloom filter of a leaf column of a row group.
    ///
    /// # Errors
    /// [`LakeError::Parquet`].
    pub(crate) fn bloom_filter(&self, row_group: usize, leaf: usize) -> Result<Option<Sbbf>, LakeError> {
        let Some(column) = self.row_groups().get(row_group).and_then(|found| found.columns().get(leaf)) else {
            return Ok(None);
        };
        Sbbf::read_from_column_chunk(column, &self.file).map_err(|source| self.failed("read", source))
    }

    /// The range of a leaf column in a row group, as its statistics tell; `None` where they do not.
    pub(crate) fn key_range(&self, row_group: usize, leaf: usize) -> Option<KeyRange> {
        let parquet = self.metadata.parquet_schema();
        let column = (leaf < parquet.num_columns()).then(|| self.schema().field(parquet.get_column_root_idx(leaf)))?;
        KeyRange::of(self.row_groups().get(row_group).into_iter(), leaf, column.data_type())
    }

    /// The ranges of the key's columns in the whole file.
    pub(crate) fn key_ranges(&self, key: &[String]) -> KeyRanges {
        key_ranges(self.row_groups(), self.schema(), key)
    }

    /// The bytes.
    pub(crate) fn file(&self) -> &LiveFile {
        &self.file
    }

    /// The error of an action on this file.
    pub(crate) fn failed(&self, action: &'static str, source: ParquetError) -> LakeError {
        Self::failed_in(&self.file, action, &self.name, source)
    }

    /// What a reader of `file` failed for, which it knows only as text where the bytes could not be had.
    pub(crate) fn failed_in(file: &LiveFile, action: &'static str, name: &str, source: ParquetError) -> LakeError {
        match file.unread() {
            Some(unread) => LakeError::Unread(unread),
            None => LakeError::Parquet { action, path: name.to_owned(), source },
        }
    }
}

/// The leaf columns of a top-level column.
pub(crate) fn leaves(schema: &parquet::schema::types::SchemaDescriptor, column: usize) -> Range<usize> {
    let first = (0..schema.num_columns()).take_while(|&leaf| schema.get_column_root_idx(leaf) < column).count();
    let length = (first..schema.num_columns()).take_while(|&leaf| schema.get_column_root_idx(leaf) == column).count();
    first..first + length
}

/// Batches as they are read.
pub(crate) struct SourceRows {
    reader: ParquetRecordBatchReader,
    file: LiveFile,
    name: String,
}

impl Iterator for SourceRows {
    type Item = Result<RecordBatch, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(batch.map_err(|error| ParquetSource::failed_in(&self.file, "read", &self.name, error.into())))
    }
}
