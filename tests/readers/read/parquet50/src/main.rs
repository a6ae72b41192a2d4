//! Rust's `parquet` crate, version 50: `ParquetRecordBatchReaderBuilder` on each file, as it reads files and not folders.
//!
//! ```text
//! read-parquet50 JOBS OUT
//! ```
//!
//! Jobs and answers are those of `emit.py`.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::Array;
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{json, Map, Value};

type Answer = Result<Value, Box<dyn Error>>;

fn tagged(array: &dyn Array, row: usize) -> Answer {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(row)),
        DataType::Int64 => json!(format!("i:{}", array.as_primitive::<Int64Type>().value(row))),
        DataType::Float64 => json!(format!("f:{:?}", array.as_primitive::<Float64Type>().value(row))),
        DataType::Utf8 => json!(format!("s:{}", array.as_string::<i32>().value(row))),
        DataType::Date32 => json!(format!("D:{}", array.as_primitive::<Date32Type>().value(row))),
        DataType::Decimal128(..) => json!(format!("d:{}", array.as_primitive::<Decimal128Type>().value_as_string(row))),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let tag = if zone.is_some() { "z" } else { "n" };
            json!(format!("{tag}:{}", array.as_primitive::<TimestampMicrosecondType>().value(row)))
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|item| tagged(&items, item)).collect::<Result<_, _>>()?)
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let members = fields.iter().zip(columns).map(|(field, column)| Ok((field.name().clone(), tagged(column, row)?)));
            Value::Object(members.collect::<Result<Map<_, _>, Box<dyn Error>>>()?)
        }
        other => return Err(format!("a column of the type {other}").into()),
    })
}

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files_under(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

fn read(folder: &str) -> Answer {
    let (mut files, mut columns, mut rows) = (Vec::new(), Value::Null, Vec::new());
    files_under(Path::new(folder), &mut files)?;
    for file in files {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
        let fields = builder.schema().fields().clone();
        columns = fields.iter().map(|field| json!([field.name(), shown(field.data_type())])).collect();
        for batch in builder.build()? {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| tagged(column, row));
                rows.push(Value::Array(cells.collect::<Result<_, _>>()?));
            }
        }
    }
    if columns.is_null() {
        return Err("no files".into());
    }
    Ok(json!({"columns": columns, "rows": rows}))
}

/// The type without the metadata of its fields.
fn shown(data_type: &DataType) -> String {
    match data_type {
        DataType::List(item) => format!("List({})", shown(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|field| format!("{}: {}", field.name(), shown(field.data_type()))).collect();
            format!("Struct({})", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [jobs, out] = arguments.as_slice() else { return Err("usage: read-parquet50 JOBS OUT".into()) };
    let jobs: Vec<Value> = serde_json::from_slice(&fs::read(jobs)?)?;
    let mut out = OpenOptions::new().create(true).append(true).open(out)?;
    for job in jobs {
        let mut answer = read(job["path"].as_str().unwrap_or_default()).unwrap_or_else(|refusal| json!({"error": refusal.to_string()}));
        answer["table"] = job["table"].clone();
        writeln!(out, "{answer}")?;
    }
    Ok(())
}
