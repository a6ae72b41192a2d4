//! Export: a table as one file of another format, or on the way to one.
//!
//! In: the newest version of a table. Out: its rows in their order, into whatever takes bytes. Memory is a batch, and for an order over several
//! row groups a piece of each. A Parquet file is copied as it is where that is what is wanted.
//! Not here: which file takes the place of which (`cli`); rows on their way into a lake (`stage`).

mod csv;
mod merged;
mod ndjson;
mod value;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::ArrowError;
use arrow_schema::{Schema, SchemaRef};

use crate::config::{Compat, Compression, SortField};
use crate::lake::export::csv::Csv;
use crate::lake::export::merged::Merged;
use crate::lake::export::ndjson::Ndjson;
use crate::lake::parquet::{ColumnEncodings, FileLimits, FileShape, FileStyle, ParquetFile, ParquetSource};
use crate::lake::{Archive, LakeError, StageBudgets};
use crate::schema::{Column, TableSchema};

/// Rows that are read at once.
const BATCH_ROWS: usize = 8_192;

/// What an export is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// Parquet.
    Parquet,
    /// Comma-separated values with a header; null is nothing, and an empty text `""`.
    Csv,
    /// A JSON object on each line.
    Ndjson,
    /// Arrow's IPC file.
    Arrow,
    /// Arrow's IPC stream, for who reads while it is written.
    ArrowStream,
}

/// What becomes of objects in CSV. Lists are JSON text there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nested {
    /// A column for each member, `address.city`.
    Flatten,
    /// JSON text.
    Json,
}

/// How an export is written.
#[derive(Debug, Clone)]
pub(crate) struct ExportForm {
    /// In what.
    pub(crate) format: ExportFormat,
    /// What becomes of objects in CSV.
    pub(crate) nested: Nested,
    /// The order of the rows, by which they are sorted within each row group; empty: as they came.
    pub(crate) sort: Vec<SortField>,
    /// The names of the columns that come first, in this order.
    pub(crate) first: Vec<String>,
}

/// Why a table is not exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// It cannot be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// What takes the bytes does not.
    #[error("{0}")]
    Write(io::Error),
    /// Two columns of CSV would have one name.
    #[error("two columns of the CSV would be called `{0}`")]
    SameName(String),
    /// A file of this format has columns, and without a record nobody knows them.
    #[error("no record came, so that nothing tells the columns, without which there is no {0}")]
    NoColumns(&'static str),
    /// Rows are not as the table says.
    #[error("the rows cannot be written: {0}")]
    Rows(ArrowError),
    /// It was asked to end.
    #[error("cancelled")]
    Cancelled,
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<ArrowError> for ExportError {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::IoError(_, error) => Self::Write(error),
            other => Self::Rows(other),
        }
    }
}

/// A table that is open for reading; by default one without columns and rows.
#[derive(Debug, Default)]
pub(crate) struct ExportTable {
    schema: TableSchema,
    sources: Vec<ParquetSource>,
    /// Its only file, where it has one on disk.
    only: Option<std::path::PathBuf>,
    rows: u64,
}

impl Archive {
    /// The newest version of a table, for its rows.
    ///
    /// # Errors
    /// [`LakeError::NoTable`]; those of [`Archive::tables_at`]; whatever keeps its files from being opened.
    pub(crate) async fn open_table(&self, table: &str) -> Result<ExportTable, LakeError> {
        let at = self.tables_at(self.newest(), Some(table)).await?.remove(table).ok_or_else(|| self.no_table(table))?;
        let live = self.live_files();
        let open = |file| ParquetSource::open(live.open(file)?, file.path.clone());
        let sources = at.snapshot.files.iter().map(open).collect::<Result<Vec<_>, LakeError>>()?;
        let only = at.files.first().filter(|_| at.files.len() == 1).map(|file| Path::new(&file.place).to_owned());
        Ok(ExportTable {
            rows: at.snapshot.rows(),
            schema: at.snapshot.schema,
            sources,
            only: only.filter(|path| path.is_file()),
        })
    }
}

impl ExportTable {
    /// Its columns.
    pub(crate) fn schema(&self) -> &TableSchema {
        &self.schema
    }

    /// Its first rows.
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    pub(crate) fn first_rows(&self, most: usize, form: &ExportForm) -> Result<RecordBatch, ExportError> {
        let (_, order) = self.columns(&form.first);
        let mut found = Vec::new();
        let mut left = most;
        for batch in self.batches(&form.sort)? {
            let batch = batch?;
            let taken = batch.num_rows().min(left);
            found.push(batch.slice(0, taken).project(&order)?);
            left -= taken;
            if left == 0 {
                break;
            }
        }
        let schema = found.first().map_or_else(|| Arc::new(Schema::empty()), RecordBatch::schema);
        Ok(arrow_select::concat::concat_batches(&schema, &found)?)
    }

    /// Writes all rows to `out`. `scratch` is a folder for what has to be written before it can be copied; `may_go_on` is asked between batches.
    ///
    /// # Errors
    /// [`ExportError`]. What was written until then is of no use.
    pub(crate) fn write(
        &self,
        form: &ExportForm,
        mut out: impl Write,
        scratch: &Path,
        may_go_on: &dyn Fn() -> bool,
    ) -> Result<(), ExportError> {
        let (schema, order) = self.columns(&form.first);
        let is_as_it_lies = order.iter().copied().eq(0..order.len());
        let batches = self.batches(&form.sort)?;
        let batches = batches.map(|batch| match may_go_on() {
            true => Ok(batch?.project(&order)?),
            false => Err(ExportError::Cancelled),
        });
        match form.format {
            ExportFormat::Parquet => {
                if self.schema.columns.is_empty() {
                    return Err(ExportError::NoColumns("Parquet"));
                }
                let path = scratch.join("export.tmp");
                let is_sorted = form.sort.is_empty() || self.row_groups().count() < 2;
                let copied = match &self.only {
                    Some(only) if is_as_it_lies && is_sorted => only,
                    _ => {
                        self.encode(&path, &schema, form, batches)?;
                        &path
                    }
                };
                io::copy(&mut File::open(copied)?, &mut out)?;
            }
            ExportFormat::Csv => Csv::new(&schema, form.nested)?.write(batches, &mut out)?,
            ExportFormat::Ndjson => Ndjson::new(&schema).write(batches, &mut out)?,
            ExportFormat::Arrow | ExportFormat::ArrowStream => {
                let arrow = self.arrow_schema(&order)?;
                if form.format == ExportFormat::Arrow {
                    let mut writer = FileWriter::try_new(&mut out, &arrow)?;
                    batches.into_iter().try_for_each(|batch| Ok::<_, ExportError>(writer.write(&batch?)?))?;
                    writer.finish()?;
                } else {
                    let mut writer = StreamWriter::try_new(&mut out, &arrow)?;
                    batches.into_iter().try_for_each(|batch| Ok::<_, ExportError>(writer.write(&batch?)?))?;
                    writer.finish()?;
                }
            }
        }
        Ok(out.flush()?)
    }

    /// Encodes rows as a Parquet file.
    fn encode(
        &self,
        path: &Path,
        schema: &TableSchema,
        form: &ExportForm,
        batches: impl Iterator<Item = Result<RecordBatch, ExportError>>,
    ) -> Result<(), ExportError> {
        let budgets = StageBudgets::default();
        let limits = FileLimits { row_group_rows: budgets.row_group_rows, row_group_bytes: budgets.row_group_bytes };
        let (compression, compat) = (Compression::Zstd(1), Compat::Legacy);
        let style = FileStyle { compression, compat, key: Vec::new(), sort_by: form.sort.clone(), limits };
        let mut encodings = ColumnEncodings::default();
        for source in &self.sources {
            encodings = encodings.or(&ColumnEncodings::of(source, compat)?);
        }
        let shape = FileShape::new(path, schema, &style, &encodings, usize::try_from(self.rows).unwrap_or(usize::MAX))?;
        let mut file = ParquetFile::create(path, schema, &style, &shape)?;
        let arrow = SchemaRef::clone(file.schema());
        for batch in batches {
            file.write(&[RecordBatch::try_new(Arc::clone(&arrow), batch?.columns().to_vec())?])?;
        }
        file.finish()?;
        Ok(())
    }

    /// The columns with those named first, and where each of them is.
    fn columns(&self, first: &[String]) -> (TableSchema, Vec<usize>) {
        let columns = &self.schema.columns;
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let mut order: Vec<usize> = Vec::new();
        first.iter().filter_map(place).for_each(|place| {
            if !order.contains(&place) {
                order.push(place)
            }
        });
        let rest: Vec<usize> = (0..columns.len()).filter(|place| !order.contains(place)).collect();
        order.extend(rest);
        let columns: Vec<Column> = order.iter().filter_map(|&place| columns.get(place)).cloned().collect();
        (TableSchema { columns }, order)
    }

    fn arrow_schema(&self, order: &[usize]) -> Result<SchemaRef, ExportError> {
        match self.sources.first() {
            Some(source) => Ok(Arc::new(source.schema().project(order)?)),
            None => Ok(self.columns(&[]).0.to_file_arrow()),
        }
    }

    /// All row groups, by their file and their number in it.
    fn row_groups(&self) -> impl Iterator<Item = (&ParquetSource, usize)> {
        self.sources.iter().flat_map(|source| (0..source.row_groups().len()).map(move |row_group| (source, row_group)))
    }

    /// All rows, in this order, for which each row group is sorted.
    fn batches(
        &self,
        sort: &[SortField],
    ) -> Result<Box<dyn Iterator<Item = Result<RecordBatch, ExportError>> + '_>, ExportError> {
        let runs = self.row_groups().count();
        if !sort.is_empty() && runs > 1 {
            let rows = (BATCH_ROWS * 8 / runs).clamp(64, BATCH_ROWS);
            let runs = self.row_groups().map(|(source, row_group)| source.read(vec![row_group], None, None, rows));
            return Ok(Box::new(Merged::new(runs.collect::<Result<_, LakeError>>()?, sort, BATCH_ROWS)?));
        }
        let all = |source: &ParquetSource| source.read((0..source.row_groups().len()).collect(), None, None, BATCH_ROWS);
        let files = self.sources.iter().map(all).collect::<Result<Vec<_>, LakeError>>()?;
        Ok(Box::new(files.into_iter().flatten().map(|batch| Ok(batch?))))
    }
}

#[cfg(test)]
mod tests;
