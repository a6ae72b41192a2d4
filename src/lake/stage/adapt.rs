//! Rows of one schema as rows of a wider one.
//!
//! In: batches in memory, or files of an older or narrower schema. Out: the same rows in the types of the table, columns found
//! by name, missing ones null. What needs no change is not touched: a file's column that already is what it should be can be
//! carried over as bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::RowSelection;

use crate::decode::TypedBatch;
use crate::lake::LakeError;
use crate::lake::parquet::{ColumnPlan, ParquetFile, ParquetSource};
use crate::lake::stage::arrow_failed;
use crate::lake::stage::form::{array_to_file, array_to_memory, same_storage, type_of};
use crate::schema::{ColumnType, TableSchema};

/// Rows of a batch that is read.
const BATCH_ROWS: usize = 8_192;

/// The rows under `to`, which is at least as wide.
///
/// # Errors
/// [`LakeError::Arrow`].
pub(crate) fn widen_rows(rows: TypedBatch, to: &Arc<TableSchema>, table: &str) -> Result<TypedBatch, LakeError> {
    if *rows.schema == **to {
        return Ok(TypedBatch { schema: Arc::clone(to), ..rows });
    }
    let columns: Result<Vec<_>, ArrowError> = to
        .columns
        .iter()
        .map(|column| match rows.schema.columns.iter().position(|found| found.name == column.name) {
            Some(place) => widen_array(rows.batch.column(place), &rows.schema.columns[place].column_type, &column.column_type),
            None => Ok(new_null_array(&column.column_type.to_arrow(), rows.batch.num_rows())),
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.batch.num_rows()));
    let batch = columns.and_then(|columns| RecordBatch::try_new_with_options(to.to_arrow(), columns, &options));
    Ok(TypedBatch {
        schema: Arc::clone(to),
        batch: batch.map_err(|source| arrow_failed("widen", table, source))?,
        originals: rows.originals,
    })
}

fn widen_array(array: &ArrayRef, from: &ColumnType, to: &ColumnType) -> Result<ArrayRef, ArrowError> {
    if from == to {
        return Ok(Arc::clone(array));
    }
    if *from == ColumnType::Unknown {
        return Ok(new_null_array(&to.to_arrow(), array.len()));
    }
    arrow::compute::cast(array, &to.to_arrow())
}

/// Where a column of the table comes from, in a file.
#[derive(Debug, Clone, PartialEq)]
enum Origin {
    /// The file lacks it: null.
    Missing,
    /// The file's column of this number, as it is.
    Same(usize),
    /// The file's column of this number, in a narrower type.
    Narrower(usize, ColumnType),
}

/// A file whose rows are wanted in the table's schema.
pub(crate) struct Adapted {
    source: ParquetSource,
    origins: Vec<Origin>,
    target: Arc<TableSchema>,
    arrow: SchemaRef,
    table: String,
}

impl Adapted {
    /// Rows of `source`, whose columns were written as `written` says as far as it knows them, as rows of `target`.
    pub(crate) fn new(source: ParquetSource, written: &TableSchema, target: &Arc<TableSchema>, table: &str) -> Self {
        let origins = target
            .columns
            .iter()
            .map(|column| {
                let Some(place) = source.schema().fields().iter().position(|field| *field.name() == column.name) else {
                    return Origin::Missing;
                };
                let found = source.schema().field(place).data_type();
                let known = written.column(&column.name).map(|column| &column.column_type);
                match known.filter(|known| known.to_file_arrow() == *found) {
                    Some(ColumnType::Unknown) => Origin::Missing,
                    Some(known) if same_storage(known, &column.column_type) => Origin::Same(place),
                    Some(known) => Origin::Narrower(place, known.clone()),
                    None => Origin::Narrower(place, type_of(found)),
                }
            })
            .collect();
        let arrow = target.to_file_arrow();
        Self { source, origins, target: Arc::clone(target), arrow, table: table.to_owned() }
    }

    /// The file.
    pub(crate) fn source(&self) -> &ParquetSource {
        &self.source
    }

    /// Whether the file is as the table wants it: every column there, in its type, and no other.
    pub(crate) fn is_current(&self) -> bool {
        self.origins.len() == self.source.schema().fields().len()
            && self.origins.iter().enumerate().all(|(column, origin)| *origin == Origin::Same(column))
    }

    /// Which columns can be carried over to `file`, a file of the table's schema, as bytes.
    pub(crate) fn plan(&self, file: &ParquetFile) -> Vec<ColumnPlan> {
        let planned = |(column, origin): (usize, &Origin)| match *origin {
            Origin::Same(from) if file.can_copy(column, &self.source, from) => ColumnPlan::Copy(from),
            _ => ColumnPlan::Encode,
        };
        self.origins.iter().enumerate().map(planned).collect()
    }

    /// Rows of row groups in the form of the table's files, only the given columns of the table and the selected rows.
    ///
    /// # Errors
    /// [`LakeError::Parquet`], and while reading [`LakeError::Arrow`].
    pub(crate) fn rows<'a>(
        &'a self,
        row_groups: Vec<usize>,
        columns: &'a [usize],
        selection: Option<RowSelection>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, LakeError>> + 'a, LakeError> {
        let mut wanted: Vec<usize> = columns
            .iter()
            .filter_map(|column| match self.origins.get(*column) {
                Some(Origin::Same(from) | Origin::Narrower(from, _)) => Some(*from),
                _ => None,
            })
            .collect();
        wanted.sort_unstable();
        let schema =
            Arc::new(Schema::new(columns.iter().map(|column| Arc::clone(&self.arrow.fields()[*column])).collect::<Vec<_>>()));
        let batches = self.source.read(row_groups, Some(&wanted), selection, BATCH_ROWS)?;
        Ok(batches.map(move |batch| {
            let batch = batch?;
            let adapted: Result<Vec<ArrayRef>, ArrowError> =
                columns.iter().map(|column| self.column(*column, &batch, &wanted)).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            adapted
                .and_then(|columns| RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options))
                .map_err(|source| arrow_failed("adapt", &self.table, source))
        }))
    }

    /// A column of the table, given the file's columns `read`.
    fn column(&self, column: usize, batch: &RecordBatch, read: &[usize]) -> Result<ArrayRef, ArrowError> {
        let found = |from: usize| {
            let place = read.iter().position(|column| *column == from);
            place
                .and_then(|place| batch.columns().get(place))
                .ok_or_else(|| ArrowError::SchemaError("a column is missing".into()))
        };
        let wanted = &self.target.columns[column].column_type;
        match &self.origins[column] {
            Origin::Missing => Ok(new_null_array(&wanted.to_file_arrow(), batch.num_rows())),
            Origin::Same(from) => found(*from).cloned(),
            Origin::Narrower(from, narrower) => {
                let values = array_to_memory(found(*from)?, narrower)?;
                array_to_file(&widen_array(&values, narrower, wanted)?, wanted)
            }
        }
    }
}
