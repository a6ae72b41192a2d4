//! A value of a column as text: as JSON, or as a field of CSV.
//!
//! Exact: integers and decimals have all their digits, floats the fewest that give them back, times are RFC 3339 in UTC, JSON text is what the API
//! said. The one change is a line break between the tokens of JSON text, which becomes a space.

use std::io::Write;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, SecondsFormat};

use crate::schema::ColumnType;

/// Writes the value of a row as JSON.
///
/// # Errors
/// For an array that is of no type of a table.
pub(super) fn json(out: &mut Vec<u8>, array: &dyn Array, of: &ColumnType, row: usize) -> Result<(), ArrowError> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match (of, array.data_type()) {
        (ColumnType::Struct(columns), DataType::Struct(_)) => {
            out.push(b'{');
            for (place, (column, child)) in columns.iter().zip(array.as_struct().columns()).enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                quoted(out, &column.name);
                out.push(b':');
                json(out, child, &column.column_type, row)?;
            }
            out.push(b'}');
        }
        (ColumnType::List(element), DataType::List(_)) => {
            let list = array.as_list::<i32>().value(row);
            out.push(b'[');
            for at in 0..list.len() {
                if at > 0 {
                    out.push(b',');
                }
                json(out, &list, element, at)?;
            }
            out.push(b']');
        }
        // An object without members is JSON text in a file.
        (ColumnType::Json | ColumnType::Struct(_), DataType::Utf8) => json_text(out, array.as_string::<i32>().value(row)),
        (_, DataType::Utf8) => quoted(out, array.as_string::<i32>().value(row)),
        (_, DataType::Date32 | DataType::Timestamp(..)) => {
            out.push(b'"');
            scalar(out, array, row)?;
            out.push(b'"');
        }
        _ => scalar(out, array, row)?,
    }
    Ok(())
}

/// Writes the value of a row as a field of CSV is before it is quoted; nothing for null.
///
/// # Errors
/// As [`json`].
pub(super) fn text(out: &mut Vec<u8>, array: &dyn Array, of: &ColumnType, row: usize) -> Result<(), ArrowError> {
    match array.data_type() {
        _ if array.is_null(row) => Ok(()),
        DataType::Struct(_) | DataType::List(_) => json(out, array, of, row),
        DataType::Utf8 => {
            out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes());
            Ok(())
        }
        _ => scalar(out, array, row),
    }
}

/// A text as JSON has it.
pub(super) fn quoted(out: &mut Vec<u8>, text: &str) {
    // A Vec takes everything, and every text has a form.
    let _ = serde_json::to_writer(out, text);
}

/// JSON text on one line: a line break stands nowhere in it but between tokens.
fn json_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
}

/// A number, a boolean or a time, which is not null.
fn scalar(out: &mut Vec<u8>, array: &dyn Array, row: usize) -> Result<(), ArrowError> {
    // A Vec takes everything.
    let _ = match array.data_type() {
        DataType::Boolean => write!(out, "{}", array.as_boolean().value(row)),
        DataType::Int64 => write!(out, "{}", array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => match array.as_primitive::<Float64Type>().value(row) {
            number if number.is_finite() => write!(out, "{number:?}"),
            _ => write!(out, "null"),
        },
        DataType::Decimal128(..) => write!(out, "{}", array.as_primitive::<Decimal128Type>().value_as_string(row)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            match DateTime::from_timestamp_micros(micros) {
                Some(time) => write!(out, "{}", time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
                None => write!(out, "{micros}"),
            }
        }
        DataType::Date32 => match array.as_primitive::<Date32Type>().value_as_date(row) {
            Some(date) => write!(out, "{date}"),
            None => write!(out, "{}", array.as_primitive::<Date32Type>().value(row)),
        },
        _ => {
            let options = FormatOptions::default();
            write!(out, "{}", ArrayFormatter::try_new(array, &options)?.value(row))
        }
    };
    Ok(())
}
