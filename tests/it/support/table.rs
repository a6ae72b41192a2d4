//! Parquet tables read back in plain Rust: rows of JSON values, and the files' schemas.
//!
//! Independent of the program's own reading. Timestamps and dates come as ISO 8601 text, decimals as text, partition columns as the
//! text of their folder (`null` for `__HIVE_DEFAULT_PARTITION__`).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_schema::{DataType, SchemaRef};
use chrono::{DateTime, SecondsFormat};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

/// A row by column name.
pub(crate) type Row = Map<String, Value>;

/// The data files of a table, sorted.
pub(crate) fn data_files(table: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![table.to_owned()]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// All rows of the table in the folder `table`; none when the folder does not exist. Every file in it must be a data file.
pub(crate) fn read_rows(table: &Path) -> Vec<Row> {
    data_files(table).iter().flat_map(|file| read_file(table, file).unwrap()).collect()
}

/// The rows of one file of a table, which is opened once.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn read_file(table: &Path, file: &Path) -> io::Result<Vec<Row>> {
    assert_eq!(file.extension().and_then(|e| e.to_str()), Some("parquet"), "{} lies among the data files", file.display());
    let (mut rows, partitions) = (Vec::new(), partition_values(table, file));
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?).unwrap().build().unwrap();
    for batch in reader {
        let batch = batch.unwrap();
        for index in 0..batch.num_rows() {
            let mut row = Row::new();
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                row.insert(field.name().clone(), value(column, index));
            }
            row.extend(partitions.iter().cloned());
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The Arrow schema of a data file, without metadata.
pub(crate) fn file_schema(file: &Path) -> SchemaRef {
    SchemaRef::clone(ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().schema())
}

fn partition_values(table: &Path, file: &Path) -> Vec<(String, Value)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let folders = file.parent().unwrap().strip_prefix(table).unwrap();
    let pair = |folder: &str| {
        let (name, text) = folder.split_once('=').unwrap_or_else(|| panic!("{folder} is no partition folder"));
        let value = if text == "__HIVE_DEFAULT_PARTITION__" { Value::Null } else { Value::String(decode(text)) };
        (decode(name), value)
    };
    folders.components().map(|part| pair(part.as_os_str().to_str().unwrap())).collect()
}

fn value(column: &dyn Array, index: usize) -> Value {
    if column.is_null(index) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => column.as_boolean().value(index).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(index).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(index).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(index).into(),
        DataType::Decimal128(_, _) => column.as_primitive::<Decimal128Type>().value_as_string(index).into(),
        DataType::Utf8 => column.as_string::<i32>().value(index).into(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(index).into(),
        DataType::Utf8View => column.as_string_view().value(index).into(),
        DataType::Date32 => column.as_primitive::<Date32Type>().value_as_date(index).unwrap().to_string().into(),
        DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(index);
            DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().zip(column.as_struct().columns());
            Value::Object(fields.map(|(field, inner)| (field.name().clone(), value(inner, index))).collect())
        }
        DataType::List(_) => {
            let list = column.as_list::<i32>().value(index);
            (0..list.len()).map(|i| value(&list, i)).collect()
        }
        other => panic!("a data file has a column of type {other}"),
    }
}
