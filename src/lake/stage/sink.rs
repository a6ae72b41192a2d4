//! Rows on their way into a Parquet file: as they come, or sorted a row group at a time.
//!
//! Invariant: a sorted sink holds at most [`crate::lake::StageBudgets::sorted_rows`] rows, or a row group's bytes of them, or a file's,
//! and a chunk.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;

use crate::decode::{SpellingLog, TypedBatch};
use crate::lake::LakeError;
use crate::lake::parquet::{FinishedFile, ParquetFile};
use crate::lake::stage::arrow_failed;
use crate::lake::stage::segment::OrderFile;
use crate::lake::stage::settings::StageSettings;
use crate::lake::stage::spellings::{pick, starts, with_originals};
use crate::merge::sort_batch;
use crate::schema::TableSchema;

/// The column that carries row numbers through a sort; a member of that name would have to hold a control character.
const NUMBER: &str = "\u{1}number";

/// A file that takes rows.
pub(crate) struct RowSink {
    settings: Arc<StageSettings>,
    file: ParquetFile,
    sorts: bool,
    order: Option<OrderFile>,
    spellings: Option<SpellingLog>,
    written: u32,
    waiting: Vec<TypedBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
}

impl RowSink {
    /// A sink into `file`, sorted when `sorts`.
    pub(crate) fn new(settings: &Arc<StageSettings>, file: ParquetFile, sorts: bool) -> Self {
        Self {
            settings: Arc::clone(settings),
            file,
            sorts,
            order: None,
            spellings: None,
            written: 0,
            waiting: Vec::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
        }
    }

    /// Notes how values are spelled, and in `order`, if anyone will ask for it, where sorting moved rows.
    pub(crate) fn noting(self, order: Option<OrderFile>) -> Self {
        Self { order, spellings: Some(SpellingLog::default()), ..self }
    }

    /// Tells the file that rows are of `schema` from here on, whose types are stored as those before.
    pub(crate) fn note_types(&mut self, schema: &TableSchema) {
        self.file.note_types(schema);
    }

    /// Gives the file's handle back to the system until it is written to again.
    pub(crate) fn release(&mut self) {
        self.file.release();
    }

    /// The file, to add row groups that need no sorting; rows that wait are written before.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn direct(&mut self) -> Result<&mut ParquetFile, LakeError> {
        self.close_row_group()?;
        Ok(&mut self.file)
    }

    /// Takes rows in the file's form, of about `row_bytes` each in memory.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn write(&mut self, batches: Vec<TypedBatch>, row_bytes: usize) -> Result<(), LakeError> {
        if !self.sorts {
            if let Some(spellings) = self.spellings.as_mut() {
                batches.iter().for_each(|rows| spellings.record(rows));
            }
            let batches: Vec<RecordBatch> = batches.into_iter().map(|rows| rows.batch).collect();
            return self.file.write(&batches);
        }
        let rows: usize = batches.iter().map(|rows| rows.batch.num_rows()).sum();
        self.waiting_rows += rows;
        self.waiting_bytes += rows * row_bytes;
        self.waiting.extend(batches);
        let bytes = self.settings.budgets.row_group_bytes.min(self.settings.sorted_bytes());
        if self.waiting_rows >= self.settings.budgets.sorted_rows || self.waiting_bytes >= bytes {
            self.close_row_group()?;
        }
        Ok(())
    }

    /// Ends the row group that rows go to.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn close_row_group(&mut self) -> Result<(), LakeError> {
        self.sort()?;
        self.file.close_row_group()
    }

    /// Memory of what is not in the file yet, as estimated.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.file.memory_bytes() + self.waiting_bytes
    }

    /// Memory of what the file's footer will tell, as estimated.
    pub(crate) fn footer_bytes(&self) -> usize {
        self.file.footer_bytes()
    }

    /// Memory of exceptional spellings.
    pub(crate) fn note_bytes(&self) -> usize {
        self.spellings.as_ref().map_or(0, SpellingLog::exceptional_bytes)
    }

    /// Bytes of the file if it were closed, rows that wait left out.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// Closes the file.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn finish(mut self) -> Result<Finished, LakeError> {
        self.close_row_group()?;
        Ok(Finished { file: self.file.finish()?, order: self.order, spellings: self.spellings.unwrap_or_default() })
    }

    fn sort(&mut self) -> Result<(), LakeError> {
        if self.waiting_rows == 0 {
            return Ok(());
        }
        let failed = |source| arrow_failed("sort", &self.settings.table, source);
        let came = std::mem::take(&mut self.waiting);
        let waiting = concat_batches(self.file.schema(), came.iter().map(|rows| &rows.batch)).map_err(failed)?;
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        let (sorted, order) = sort_with_order(&waiting, self.written, &self.settings)?;
        if let (Some(spellings), Some(rows)) = (self.spellings.as_mut(), came.first()) {
            let starts = starts(came.iter().map(|rows| rows.batch.num_rows()));
            let picks = order.values().iter().map(|number| pick(&starts, (number - self.written) as usize));
            for rows in with_originals(&rows.schema, &sorted, &came, picks) {
                spellings.record(&rows);
            }
        }
        self.written += waiting.num_rows() as u32;
        if let Some(file) = self.order.as_mut() {
            file.append(order.values().iter().copied())?;
        }
        self.file.write(&[sorted])
    }
}

/// A closed file with its notes.
pub(crate) struct Finished {
    /// The file.
    pub(crate) file: FinishedFile,
    /// Where sorting moved rows.
    pub(crate) order: Option<OrderFile>,
    /// How values were spelled.
    pub(crate) spellings: SpellingLog,
}

/// The batch in the table's order, and for each of its rows its number before, `first` being that of the first.
fn sort_with_order(batch: &RecordBatch, first: u32, settings: &StageSettings) -> Result<(RecordBatch, UInt32Array), LakeError> {
    let failed = |source| arrow_failed("sort", &settings.table, source);
    let numbers: ArrayRef = Arc::new(UInt32Array::from_iter_values(first..first + batch.num_rows() as u32));
    let mut fields = batch.schema_ref().fields().to_vec();
    fields.push(Arc::new(Field::new(NUMBER, DataType::UInt32, false)));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::clone(&numbers));
    let numbered = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(failed)?;
    let sorted = sort_batch(&numbered, &settings.sort_by)?;
    let (_, mut columns, _) = sorted.into_parts();
    let order = columns.pop().unwrap_or(numbers);
    let sorted = RecordBatch::try_new(batch.schema(), columns).map_err(failed)?;
    Ok((sorted, order.as_primitive().clone()))
}
