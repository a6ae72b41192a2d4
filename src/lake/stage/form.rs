//! Arrays in memory and the same in files: two forms of a type that differ where Parquet has no such type.
//!
//! Columns of unknown type hold only nulls and are Utf8 in files; structs without fields are the text `{}` there. Also here:
//! whether values written as one type can stand as another without being encoded again.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, RecordBatchOptions, StringArray, StructArray, new_null_array};
use arrow_cast::cast;
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field, Fields, SchemaRef, TimeUnit};

use crate::schema::{Column, ColumnType, Digits, LIST_ELEMENT, TableSchema};

/// What a struct without fields is in files.
const EMPTY_STRUCT: &str = "{}";

/// Whether values in a file that were written as `from` need no second look to stand as `to`.
pub(crate) fn same_storage(from: &ColumnType, to: &ColumnType) -> bool {
    match (from, to) {
        (ColumnType::Unknown, to) => to.to_file_arrow() == DataType::Utf8,
        (ColumnType::Int64 { .. }, ColumnType::Int64 { .. }) | (ColumnType::Float64(_), ColumnType::Float64(_)) => true,
        (ColumnType::Struct(from), ColumnType::Struct(to)) => same_columns(from, to),
        (ColumnType::List(from), ColumnType::List(to)) => same_storage(from, to),
        (from, to) => from == to,
    }
}

/// The same for all columns, their names and order included.
pub(crate) fn same_columns(from: &[Column], to: &[Column]) -> bool {
    from.len() == to.len()
        && from.iter().zip(to).all(|(from, to)| from.name == to.name && same_storage(&from.column_type, &to.column_type))
}

/// Whether `to` has all columns of `from` as files store them, and others at most besides.
pub(crate) fn only_adds(from: &[Column], to: &[Column]) -> bool {
    from.iter().all(|from| to.iter().any(|to| from.name == to.name && same_storage(&from.column_type, &to.column_type)))
}

/// The batch as files of `schema` have it, whose types are those of the batch; columns that the files lack are left out.
///
/// # Errors
/// When a column of the files is not in the batch.
pub(crate) fn to_file(batch: &RecordBatch, schema: &TableSchema, file: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == file {
        return Ok(batch.clone());
    }
    let places: HashMap<&str, usize> =
        schema.columns.iter().enumerate().map(|(place, column)| (column.name.as_str(), place)).collect();
    let columns: Result<Vec<_>, ArrowError> = file
        .fields()
        .iter()
        .map(|field| {
            let missing = || ArrowError::SchemaError(format!("no column `{}` to write", field.name()));
            let place = *places.get(field.name().as_str()).ok_or_else(missing)?;
            let array = batch.columns().get(place).ok_or_else(missing)?;
            array_to_file(array, &schema.columns[place].column_type)
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(file), columns?, &options)
}

/// Whether the two forms of a type differ.
fn differs(column_type: &ColumnType) -> bool {
    match column_type {
        ColumnType::Unknown => true,
        ColumnType::Struct(fields) => fields.is_empty() || fields.iter().any(|field| differs(&field.column_type)),
        ColumnType::List(element) => differs(element),
        _ => false,
    }
}

/// An array of `column_type` in memory as files have it.
///
/// # Errors
/// When the array does not hold such values.
pub(crate) fn array_to_file(array: &ArrayRef, column_type: &ColumnType) -> Result<ArrayRef, ArrowError> {
    match column_type {
        column_type if !differs(column_type) => Ok(Arc::clone(array)),
        ColumnType::Unknown => Ok(new_null_array(&DataType::Utf8, array.len())),
        ColumnType::Struct(fields) if fields.is_empty() => {
            let texts: StringArray = (0..array.len()).map(|row| array.is_valid(row).then_some(EMPTY_STRUCT)).collect();
            Ok(Arc::new(texts))
        }
        nested => rebuild(array, nested, ColumnType::to_file_arrow, array_to_file),
    }
}

/// An array as it was read from a file, as values of `column_type` in memory. Other physical types than lakeward writes are
/// cast; what a file's text cannot say is taken from the type.
///
/// # Errors
/// When the array does not hold such values.
pub(crate) fn array_to_memory(array: &ArrayRef, column_type: &ColumnType) -> Result<ArrayRef, ArrowError> {
    match column_type {
        ColumnType::Unknown if array.logical_null_count() < array.len() => {
            let found = array.data_type();
            Err(ArrowError::SchemaError(format!("a column that should have no values has some, of type {found}")))
        }
        ColumnType::Unknown => Ok(new_null_array(&DataType::Null, array.len())),
        ColumnType::Struct(fields) if fields.is_empty() => {
            Ok(Arc::new(StructArray::new_empty_fields(array.len(), array.nulls().cloned())))
        }
        nested if differs(nested) => rebuild(array, nested, ColumnType::to_arrow, array_to_memory),
        other => {
            let wanted = other.to_arrow();
            if *array.data_type() == wanted { Ok(Arc::clone(array)) } else { cast(array, &wanted) }
        }
    }
}

/// A struct or list with every child changed.
fn rebuild(
    array: &ArrayRef,
    column_type: &ColumnType,
    form: fn(&ColumnType) -> DataType,
    change: fn(&ArrayRef, &ColumnType) -> Result<ArrayRef, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), column_type) {
        (DataType::Struct(_), ColumnType::Struct(fields)) => {
            let children: Result<Vec<_>, _> =
                array.as_struct().columns().iter().zip(fields).map(|(child, field)| change(child, &field.column_type)).collect();
            let fields: Fields = fields.iter().map(|field| Field::new(&field.name, form(&field.column_type), true)).collect();
            Ok(Arc::new(StructArray::try_new_with_length(fields, children?, array.nulls().cloned(), array.len())?))
        }
        (DataType::List(_), ColumnType::List(element)) => {
            let list = array.as_list::<i32>();
            let field = Arc::new(Field::new(LIST_ELEMENT, form(element), true));
            let values = change(list.values(), element)?;
            Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?))
        }
        (found, _) => Err(ArrowError::SchemaError(format!("a column holds {found}, not a {column_type}"))),
    }
}

/// The type that a file's column was written as, when nothing but the file and the type it came to be tells it. Text where now is
/// none was a column without values, or an object without fields.
pub(crate) fn type_of(data_type: &DataType, wanted: &ColumnType) -> ColumnType {
    match (data_type, wanted) {
        (DataType::Struct(fields), _) => {
            let wanted_field = |name: &str| match wanted {
                ColumnType::Struct(columns) => columns.iter().find(|column| column.name == name),
                _ => None,
            };
            let column = |field: &Arc<Field>| {
                let wanted = wanted_field(field.name()).map_or(&ColumnType::Text, |column| &column.column_type);
                Column::inferred(field.name().clone(), type_of(field.data_type(), wanted))
            };
            ColumnType::Struct(fields.iter().map(column).collect())
        }
        (DataType::List(element) | DataType::LargeList(element), ColumnType::List(wanted)) => {
            ColumnType::List(Box::new(type_of(element.data_type(), wanted)))
        }
        (DataType::List(element) | DataType::LargeList(element), _) => {
            ColumnType::List(Box::new(type_of(element.data_type(), &ColumnType::Text)))
        }
        (data_type, wanted) => scalar_type_of(data_type, wanted),
    }
}

fn scalar_type_of(data_type: &DataType, wanted: &ColumnType) -> ColumnType {
    match data_type {
        DataType::Null => ColumnType::Unknown,
        DataType::Boolean => ColumnType::Boolean,
        data_type if data_type.is_integer() && *data_type != DataType::UInt64 => match wanted {
            // Only integers that are exact in a float ever became one.
            ColumnType::Int64 { wide: false } | ColumnType::Float64(_) => ColumnType::Int64 { wide: false },
            _ => ColumnType::Int64 { wide: true },
        },
        DataType::UInt64 => ColumnType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Float64(Digits::UNKNOWN),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => ColumnType::Decimal { precision: *precision, scale: *scale },
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, _) => {
            ColumnType::Timestamp
        }
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        _ => match wanted {
            ColumnType::Text | ColumnType::Json => wanted.clone(),
            ColumnType::Struct(_) => ColumnType::Struct(Vec::new()),
            _ => ColumnType::Unknown,
        },
    }
}
