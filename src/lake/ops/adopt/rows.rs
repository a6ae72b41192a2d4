//! The rows of foreign files, in the types of the table.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, TimeUnit};

use crate::base::caught;
use crate::decode::{SpellingCursor, TypedBatch, widen_array};
use crate::lake::LakeError;
use crate::lake::ops::adopt::folder::Found;
use crate::lake::ops::adopt::{Wanted, open, refused, types};
use crate::lake::partition::repeat;
use crate::lake::stage::array_to_memory;
use crate::schema::{Column, ColumnType, TableSchema};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// Reads files of one folder.
pub(super) struct Reading<'a> {
    schema: &'a TableSchema,
    levels: &'a [String],
    wanted: &'a Wanted,
    /// The farthest value of the cursor's column so far.
    pub(super) farthest: Option<ArrayRef>,
}

impl<'a> Reading<'a> {
    /// # Errors
    /// [`LakeError::NoColumn`] for a column of the key that there is not.
    pub(super) fn new(schema: &'a TableSchema, levels: &'a [String], wanted: &'a Wanted) -> Result<Self, LakeError> {
        match wanted.key.iter().find(|column| schema.column(column).is_none()) {
            Some(column) => Err(LakeError::no_column(&wanted.table, "primary_key", column, schema)),
            None => Ok(Self { schema, levels, wanted, farthest: None }),
        }
    }

    /// Hands over the rows of a file, a batch after the other; of the columns `only` these.
    ///
    /// # Errors
    /// [`LakeError::KeyIsNull`], [`LakeError::NotAdoptable`] for values that do not fit; those of `push`.
    pub(super) fn read(
        &mut self,
        file: &Found,
        only: Option<&[String]>,
        mut push: impl FnMut(TypedBatch) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let source = open(file)?;
        let own = types::columns(source.schema(), &self.wanted.declared).map_err(|why| refused(&file.path, why))?;
        let is_meant = |column: &&Column| only.is_none_or(|only| only.contains(&column.name));
        let columns: Vec<Column> = self.schema.columns.iter().filter(is_meant).cloned().collect();
        let schema = Arc::new(TableSchema { columns });
        let place = |column: &Column| own.columns.iter().position(|known| known.name == column.name);
        let mut places: Vec<usize> = schema.columns.iter().filter_map(place).collect();
        places.sort_unstable();
        let row_groups = (0..source.row_groups().len()).collect();
        let mut rows = source.read(row_groups, Some(&places), None, BATCH_ROWS)?;
        while let Some(batch) = caught(|| rows.next()).map_err(|panic| refused(&file.path, panic.to_string()))? {
            let batch = self.whole(&batch?, &own, &schema, file)?;
            self.check(&batch, file)?;
            self.note_farthest(&batch)?;
            push(TypedBatch { schema: Arc::clone(&schema), batch, originals: Vec::new() })?;
        }
        Ok(())
    }

    fn whole(
        &self,
        batch: &RecordBatch,
        own: &TableSchema,
        schema: &Arc<TableSchema>,
        file: &Found,
    ) -> Result<RecordBatch, LakeError> {
        let arrays = schema.columns.iter().map(|column| {
            let wrong = |why: String| refused(&file.path, format!("column `{}`: {why}", column.name));
            let wanted = &column.column_type;
            if let (Some(array), Some(found)) = (batch.column_by_name(&column.name), own.column(&column.name)) {
                let values = strict(array, &found.column_type).map_err(|error| wrong(error.to_string()))?;
                let mut spellings = SpellingCursor::default();
                return Ok(widen_array(&values, &column.name, &found.column_type, wanted, &mut spellings)?);
            }
            let level = self.levels.iter().position(|level| *level == column.name);
            match level.and_then(|level| file.values.get(level)) {
                Some(value) => {
                    repeat(value.as_deref(), batch.num_rows(), &wanted.to_arrow()).map_err(|error| wrong(error.to_string()))
                }
                None => Ok(new_null_array(&wanted.to_arrow(), batch.num_rows())),
            }
        });
        let arrays = arrays.collect::<Result<Vec<_>, LakeError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let whole = RecordBatch::try_new_with_options(schema.to_arrow(), arrays, &options);
        whole.map_err(|error| refused(&file.path, error.to_string()))
    }

    fn check(&self, batch: &RecordBatch, file: &Found) -> Result<(), LakeError> {
        let (table, place) = (self.wanted.table.clone(), file.path.display().to_string());
        let has_null = |name: &&String| batch.column_by_name(name).is_some_and(|array| array.logical_null_count() > 0);
        if let Some(column) = self.wanted.key.iter().find(has_null) {
            return Err(LakeError::KeyIsNull { table, column: column.clone(), place });
        }
        match self.wanted.required.iter().find(has_null) {
            Some(column) => {
                Err(refused(&file.path, format!("column `{column}` is null in a row, and the config wants a value in each")))
            }
            None => Ok(()),
        }
    }

    fn note_farthest(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let Some((name, greatest)) = &self.wanted.cursor else { return Ok(()) };
        let Some(array) = batch.column_by_name(name).filter(|array| array.logical_null_count() < array.len()) else {
            return Ok(());
        };
        let failed = |source| LakeError::Arrow { action: "compare", table: self.wanted.table.clone(), source };
        let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())]).map_err(failed)?;
        let rows = converter.convert_columns(std::slice::from_ref(array)).map_err(failed)?;
        let valid = (0..array.len()).filter(|row| array.is_valid(*row));
        let best = if *greatest { valid.max_by_key(|row| rows.row(*row)) } else { valid.min_by_key(|row| rows.row(*row)) };
        let Some(best) = best else { return Ok(()) };
        let is_farther = match &self.farthest {
            None => true,
            Some(known) => {
                let known = converter.convert_columns(std::slice::from_ref(known)).map_err(failed)?;
                let (new, old) = (rows.row(best), known.row(0));
                if *greatest { new > old } else { new < old }
            }
        };
        if is_farther {
            self.farthest = Some(array.slice(best, 1));
        }
        Ok(())
    }
}

/// Values as memory has them, or the first that is not what it was then.
fn strict(array: &ArrayRef, column_type: &ColumnType) -> Result<ArrayRef, ArrowError> {
    if matches!(column_type, ColumnType::Struct(_) | ColumnType::List(_) | ColumnType::Unknown) {
        return array_to_memory(array, column_type);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    if let (ColumnType::Timestamp, DataType::Timestamp(unit, _)) = (column_type, array.data_type()) {
        if *unit == TimeUnit::Nanosecond {
            let times = array.as_primitive::<TimestampNanosecondType>();
            if times.iter().flatten().any(|nanos| nanos % 1_000 != 0) {
                return Err(ArrowError::CastError("it has times finer than a microsecond, which would be cut".to_owned()));
            }
        }
        // By what the numbers count: an instant has no zone.
        let numbers = cast_with_options(array, &DataType::Int64, &options)?;
        let factor = match unit {
            TimeUnit::Second => 1_000_000,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond | TimeUnit::Nanosecond => 1,
        };
        let divisor = if *unit == TimeUnit::Nanosecond { 1_000 } else { 1 };
        let far = || ArrowError::CastError("it has a time that microseconds of 64 bits do not reach".to_owned());
        let micros = numbers.as_primitive::<Int64Type>();
        let micros = micros.try_unary::<_, TimestampMicrosecondType, ArrowError>(|value| {
            (value / divisor).checked_mul(factor).ok_or_else(far)
        })?;
        return Ok(Arc::new(micros.with_timezone("UTC")));
    }
    cast_with_options(array, &column_type.to_arrow(), &options)
}
