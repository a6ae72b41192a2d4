//! Reshaping: a table's own rows under another key or in other partitions.
//!
//! In: a table as its last commit has it, its live files, the settings it is to have. Out: [`TableEdit`]: all files go, and new ones have the same
//! rows. Invariants: no row comes, goes or changes; columns that only folders held are read back from them. Memory: as of a run that
//! replaces the table.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::ArrowError;

use crate::config::WriteDisposition;
use crate::decode::TypedBatch;
use crate::lake::parquet::ParquetSource;
use crate::lake::stage::TableStage;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::arrow_failed;
use crate::lake::stage::form::array_to_memory;
use crate::lake::stage::settings::StageSettings;
use crate::lake::{DataFile, LakeError, LiveFiles, Partitioner, Snapshot, TableEdit};
use crate::schema::TableSchema;

/// Writes the rows of `existing` anew as `settings` say. Blocking.
///
/// # Errors
/// [`LakeError::KeyRepeats`], [`LakeError::KeyIsNull`] and [`LakeError::NoColumn`] for a key that the rows do not have; [`LakeError::Partition`];
/// [`LakeError::Damaged`] for a live file that is not what was committed; [`LakeError::Disk`], [`LakeError::Parquet`].
pub(crate) fn reshape(settings: StageSettings, existing: Snapshot, files: &Arc<dyn LiveFiles>) -> Result<TableEdit, LakeError> {
    let rows = OwnRows::new(&settings, &existing)?;
    let key = settings.primary_key.join(", ");
    let (table, stored_as) = (settings.table.clone(), settings.stored_as);
    let settings = StageSettings { disposition: WriteDisposition::Replace, stored_as: existing.stored_as, ..settings };
    let mut stage = TableStage::new(settings, existing.clone(), Arc::clone(files))?;
    for file in &existing.files {
        rows.read(file, files.as_ref(), |batch| stage.push(batch))?;
    }
    let mut edit = stage.finish(&existing.schema)?;
    if let Some(shape) = &mut edit.shape {
        shape.stored_as = stored_as;
    }
    match edit.stats.rows_deduplicated {
        0 => Ok(edit),
        repeated => Err(LakeError::KeyRepeats { table, key, rows: edit.stats.rows_in, repeated }),
    }
}

/// How the rows of a table are read back.
struct OwnRows {
    table: String,
    schema: Arc<TableSchema>,
    file_schema: Arc<TableSchema>,
    partitioner: Partitioner,
    /// The key's columns, by their place in the schema.
    key: Vec<usize>,
}

impl OwnRows {
    fn new(settings: &StageSettings, existing: &Snapshot) -> Result<Self, LakeError> {
        let partitioner = Partitioner::new(&existing.partition_fields()?, &existing.schema)?;
        let file_schema = Arc::new(partitioner.file_schema(&existing.schema)?);
        let place = |column: &String| {
            let found = existing.schema.columns.iter().position(|known| known.name == *column);
            found.ok_or_else(|| LakeError::no_column(&settings.table, "primary_key", column, &existing.schema))
        };
        let key = settings.primary_key.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { table: settings.table.clone(), schema: Arc::new(existing.schema.clone()), file_schema, partitioner, key })
    }

    /// Hands over the rows of a file, a batch after the other.
    fn read(
        &self,
        file: &DataFile,
        files: &dyn LiveFiles,
        mut push: impl FnMut(TypedBatch) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let source = ParquetSource::open(files.open(file)?, file.path.clone())?;
        let adapted = Adapted::new(source, &self.schema, &self.file_schema, &self.table);
        let columns = adapted.all_columns();
        for batch in adapted.rows(adapted.row_groups(), &columns, None)? {
            let batch = self.whole(&batch?, file)?;
            for place in &self.key {
                if batch.column(*place).logical_null_count() > 0 {
                    let column = self.schema.columns[*place].name.clone();
                    return Err(LakeError::KeyIsNull { table: self.table.clone(), column, place: file.path.clone() });
                }
            }
            push(TypedBatch { schema: Arc::clone(&self.schema), batch, originals: Vec::new() })?;
        }
        Ok(())
    }

    /// Rows of a file with the columns that its folders hold, in the types that they have in memory.
    fn whole(&self, batch: &RecordBatch, file: &DataFile) -> Result<RecordBatch, LakeError> {
        let wanted = self.schema.to_arrow();
        let in_path = self.partitioner.restore(&file.partition, batch.num_rows(), &wanted)?;
        let column = |name: &str| -> Option<ArrayRef> {
            let restored = in_path.iter().find(|(column, _)| column == name).map(|(_, array)| Arc::clone(array));
            restored.or_else(|| batch.column_by_name(name).cloned())
        };
        let failed = |source| arrow_failed("read back", &self.table, source);
        let missing = |name: &str| failed(ArrowError::SchemaError(format!("column `{name}` is missing")));
        let arrays = self.schema.columns.iter().map(|known| {
            let array = column(&known.name).ok_or_else(|| missing(&known.name))?;
            array_to_memory(&array, &known.column_type).map_err(failed)
        });
        let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(wanted, arrays, &options).map_err(failed)
    }
}
