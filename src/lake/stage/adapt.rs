//! Rows of one schema as rows of a wider one.
//!
//! In: batches in memory, or files of an older or narrower schema. Out: the same rows in the types of the table, columns found
//! by name, missing ones null. What needs no change is not touched: a file's column that already is what it should be can be
//! carried over as bytes.

use std::borrow::BorrowMut;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::ArrowError;
use arrow_schema::{FieldRef, Schema, SchemaRef};
use parquet::arrow::arrow_reader::RowSelection;

use crate::decode::{SpellingCursor, widen_array};
use crate::lake::LakeError;
use crate::lake::parquet::{ColumnPlan, ParquetFile, ParquetSource};
use crate::lake::stage::arrow_failed;
use crate::lake::stage::form::{array_to_file, array_to_memory, same_storage, type_of};
use crate::schema::{ColumnType, TableSchema};

/// Rows of a batch that is read.
const BATCH_ROWS: usize = 8_192;

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
        let noted = source.nested_types();
        let origins = target
            .columns
            .iter()
            .map(|column| {
                let Some(place) = source.schema().fields().iter().position(|field| *field.name() == column.name) else {
                    return Origin::Missing;
                };
                let found = source.schema().field(place).data_type();
                // What the file says of itself counts more than what the table was when its newest file was written.
                let known = noted.column(&column.name).or_else(|| written.column(&column.name));
                let known = known.map(|column| &column.column_type);
                match known.filter(|known| known.to_file_arrow() == *found) {
                    // Left behind when the table's text became JSON.
                    Some(ColumnType::Json) if source.is_mere_text(&column.name) => Origin::Narrower(place, ColumnType::Text),
                    Some(ColumnType::Unknown) => Origin::Missing,
                    Some(known) if same_storage(known, &column.column_type) => Origin::Same(place),
                    Some(known) => Origin::Narrower(place, known.clone()),
                    None => match type_of(found, &column.column_type) {
                        guessed if same_storage(&guessed, &column.column_type) => Origin::Same(place),
                        guessed => Origin::Narrower(place, guessed),
                    },
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

    /// The schema that rows are adapted to.
    pub(crate) fn target(&self) -> &Arc<TableSchema> {
        &self.target
    }

    /// The table's name.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The numbers of the file's row groups.
    pub(crate) fn row_groups(&self) -> Vec<usize> {
        (0..self.source.row_groups().len()).collect()
    }

    /// The numbers of the target's columns.
    pub(crate) fn all_columns(&self) -> Vec<usize> {
        (0..self.origins.len()).collect()
    }

    /// Whether the file is as the table wants it: every column there, in its type, and no other.
    pub(crate) fn is_current(&self) -> bool {
        self.origins.len() == self.source.schema().fields().len()
            && self.origins.iter().all(|origin| matches!(origin, Origin::Same(_)))
    }

    /// Columns of the file that are none of the table's, or of a type that does not widen to the table's: name, type in the file, type in the table.
    pub(crate) fn misfits(&self) -> Vec<(String, String, Option<ColumnType>)> {
        let fields = self.source.schema().fields().iter().enumerate();
        let misfit = |(place, field): (usize, &FieldRef)| {
            let name = field.name();
            let found = || field.data_type().to_string();
            let Some(column) = self.target.columns.iter().position(|column| column.name == *name) else {
                return Some((name.clone(), found(), None));
            };
            let wanted = &self.target.columns[column].column_type;
            match &self.origins[column] {
                Origin::Narrower(from, known) if *from == place && !known.le(wanted) && !known.converts_to(wanted) => {
                    Some((name.clone(), known.to_string(), Some(wanted.clone())))
                }
                _ => None,
            }
        };
        fields.filter_map(misfit).collect()
    }

    /// The file's column that stands for the target's as it is.
    pub(crate) fn same_column(&self, column: usize) -> Option<usize> {
        match self.origins.get(column) {
            Some(Origin::Same(place)) => Some(*place),
            _ => None,
        }
    }

    /// For each column of the table, the file's that is it, where all others are null; `None` when one has another type.
    pub(crate) fn only_lacks(&self) -> Option<Vec<Option<usize>>> {
        let column = |origin: &Origin| match *origin {
            Origin::Missing => Some(None),
            Origin::Same(place) => Some(Some(place)),
            Origin::Narrower(..) => None,
        };
        self.origins.iter().map(column).collect()
    }

    /// The file's leaf that stands for the target's column as it is, if it has just one.
    pub(crate) fn same_leaf(&self, column: usize) -> Option<usize> {
        let leaves = self.source.leaves(self.same_column(column)?);
        (leaves.len() == 1).then_some(leaves.start)
    }

    /// Whether a column is in the file in a narrower type.
    pub(crate) fn is_narrower(&self) -> bool {
        self.origins.iter().any(|origin| matches!(origin, Origin::Narrower(..)))
    }

    /// Which columns of a row group can be carried over to `file`, a file of the table's schema, as bytes.
    pub(crate) fn plan(&self, file: &ParquetFile, row_group: usize) -> Vec<ColumnPlan> {
        let planned = |(column, origin): (usize, &Origin)| match *origin {
            Origin::Same(from) if file.can_copy(column, &self.source, row_group, from) => ColumnPlan::Copy(from),
            _ => ColumnPlan::Encode,
        };
        self.origins.iter().enumerate().map(planned).collect()
    }

    /// Rows of row groups in the form of the table's files, only the given columns of the table and the selected rows. Spelled
    /// canonically where a value becomes text.
    ///
    /// # Errors
    /// [`LakeError::Parquet`], and while reading [`LakeError::Arrow`] and [`LakeError::Widen`].
    pub(crate) fn rows<'a>(
        &'a self,
        row_groups: Vec<usize>,
        columns: &'a [usize],
        selection: Option<RowSelection>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, LakeError>> + 'a, LakeError> {
        self.spelled_rows(row_groups, columns, selection, SpellingCursor::default())
    }

    /// The same with the spelling that `originals` tells. All rows of the file have to be read, in their order, in one call or
    /// several, for the cursor to be right.
    ///
    /// # Errors
    /// As [`Adapted::rows`].
    pub(crate) fn spelled_rows<'a, 'o: 'a>(
        &'a self,
        row_groups: Vec<usize>,
        columns: &'a [usize],
        selection: Option<RowSelection>,
        mut originals: impl BorrowMut<SpellingCursor<'o>> + 'a,
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
            let originals = originals.borrow_mut();
            let adapted: Result<Vec<ArrayRef>, LakeError> =
                columns.iter().map(|column| self.column(*column, &batch, &wanted, originals)).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&schema), adapted?, &options).map_err(|source| self.failed(source))
        }))
    }

    /// A column of the table, given the file's columns `read`.
    fn column(
        &self,
        column: usize,
        batch: &RecordBatch,
        read: &[usize],
        originals: &mut SpellingCursor<'_>,
    ) -> Result<ArrayRef, LakeError> {
        let found = |from: usize| {
            let place = read.iter().position(|column| *column == from);
            let missing = || self.failed(ArrowError::SchemaError("a column is missing".to_owned()));
            place.and_then(|place| batch.columns().get(place)).ok_or_else(missing)
        };
        let wanted = &self.target.columns[column];
        match &self.origins[column] {
            Origin::Missing => Ok(new_null_array(&wanted.column_type.to_file_arrow(), batch.num_rows())),
            Origin::Same(from) => found(*from).cloned(),
            Origin::Narrower(from, narrower) => {
                let values = array_to_memory(found(*from)?, narrower).map_err(|source| self.failed(source))?;
                let widened = widen_array(&values, &wanted.name, narrower, &wanted.column_type, originals)?;
                array_to_file(&widened, &wanted.column_type).map_err(|source| self.failed(source))
            }
        }
    }

    fn failed(&self, source: ArrowError) -> LakeError {
        arrow_failed("adapt", &self.table, source)
    }
}
