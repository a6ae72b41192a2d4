//! The types of foreign columns, as a table has them.
//!
//! In: the columns that Parquet tells, what the config declares. Out: a schema, or the column that a table cannot hold, by name. Invariants: no value
//! changes: what would be rounded, cut or taken for another kind of value is refused.

use std::collections::BTreeMap;

use arrow_schema::{DataType, Schema, TimeUnit};

use crate::lake::ops::adopt::folder::Found;
use crate::schema::{Column, ColumnType, Digits, TableSchema};

/// Where a message has the declaration of the column.
const HINT: &str = "<declaration>";

/// The columns of a file.
///
/// # Errors
/// The column that a table cannot hold, in words.
pub(super) fn columns(schema: &Schema, declared: &TableSchema) -> Result<TableSchema, String> {
    let mut columns: Vec<Column> = Vec::new();
    for field in schema.fields() {
        let name = field.name();
        if columns.iter().any(|known| known.name == *name) {
            return Err(format!("it has the column `{name}` twice"));
        }
        let is_time = declared.column(name).is_some_and(|column| column.column_type == ColumnType::Timestamp);
        let found = type_of(field.data_type(), is_time).map_err(|why| {
            let why = why.replace(HINT, &format!("`{}`", ColumnType::Timestamp.hint(name)));
            format!("column `{name}` is {why}")
        })?;
        columns.push(Column::inferred(name.clone(), found));
    }
    Ok(TableSchema { columns })
}

/// The type of a column; `is_time`: the config declares it as a timestamp.
///
/// # Errors
/// What it is, and what helps.
fn type_of(data_type: &DataType, is_time: bool) -> Result<ColumnType, String> {
    Ok(match data_type {
        DataType::Null => ColumnType::Unknown,
        DataType::Boolean => ColumnType::Boolean,
        DataType::UInt64 => ColumnType::Decimal { precision: 20, scale: 0 },
        integer if integer.is_integer() => ColumnType::Int64 { wide: true },
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Float64(Digits::UNKNOWN),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if *scale >= 0 =>
        {
            ColumnType::Decimal { precision: *precision, scale: *scale }
        }
        DataType::Timestamp(_, Some(_)) => ColumnType::Timestamp,
        DataType::Timestamp(_, None) if is_time => ColumnType::Timestamp,
        DataType::Timestamp(_, None) => {
            return Err(format!("a time without a zone; where its times are UTC, declare it: {HINT}"));
        }
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnType::Text,
        DataType::Struct(fields) => {
            let field = |field: &arrow_schema::FieldRef| {
                Ok(Column::inferred(
                    field.name().clone(),
                    nested(field.data_type()).map_err(|why| format!("an object whose `{}` is {why}", field.name()))?,
                ))
            };
            ColumnType::Struct(fields.iter().map(field).collect::<Result<_, String>>()?)
        }
        DataType::List(element) => {
            ColumnType::List(Box::new(nested(element.data_type()).map_err(|why| format!("a list whose element is {why}"))?))
        }
        other => {
            return Err(format!("{other}, which no table of lakeward holds; write it as text, a number, a time or a list first"));
        }
    })
}

/// The type within an object or a list, where times are not looked at one by one.
fn nested(data_type: &DataType) -> Result<ColumnType, String> {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Ok(ColumnType::Timestamp),
        DataType::Timestamp(..) => Err("a time that is not in microseconds of UTC".to_owned()),
        other => type_of(other, false),
    }
}

/// The columns of all files. A type widens where it stays of its kind.
#[derive(Debug, Default)]
pub(super) struct Joined {
    schema: TableSchema,
    /// Of each column the first file in which it is no text, and what it is there.
    others: BTreeMap<String, (String, ColumnType)>,
}

impl Joined {
    /// Takes the columns of the next file.
    pub(super) fn add(&mut self, file: &str, columns: &TableSchema) {
        for column in columns.columns.iter().filter(|column| !is_text(&column.column_type)) {
            if column.column_type != ColumnType::Unknown && !self.others.contains_key(&column.name) {
                self.others.insert(column.name.clone(), (file.to_owned(), column.column_type.clone()));
            }
        }
        self.schema = self.schema.join(columns);
    }

    /// The columns of all.
    ///
    /// # Errors
    /// The column whose values are of several kinds.
    pub(super) fn finish(self) -> Result<TableSchema, String> {
        let mut texts = self.schema.columns.iter().filter(|column| is_text(&column.column_type));
        match texts.find_map(|column| Some((&column.name, self.others.get(&column.name)?))) {
            Some((name, (file, found))) => {
                Err(format!("column `{name}` is {} in `{file}` and of another kind in other files", found.hint_type()))
            }
            None => Ok(self.schema),
        }
    }
}

/// Whether a type is text, or has such as what its values have in common.
fn is_text(column_type: &ColumnType) -> bool {
    column_type.has_json() || *column_type == ColumnType::Text
}

/// The columns with those that folders hold: what is declared, integers where all of a level are, else text. What files have is theirs.
pub(super) fn with_folders(
    mut schema: TableSchema,
    levels: &[String],
    in_folders: &[String],
    files: &[Found],
    declared: &TableSchema,
) -> TableSchema {
    for (place, level) in levels.iter().enumerate().filter(|(_, level)| in_folders.contains(level)) {
        if schema.column(level).is_some() {
            continue;
        }
        let values = || files.iter().filter_map(|file| file.values.get(place)?.as_deref());
        let inferred = match values().next().is_some() && values().all(is_integer) {
            true => ColumnType::Int64 { wide: true },
            false => ColumnType::Text,
        };
        let column_type = declared.column(level).map_or(inferred, |column| column.column_type.clone());
        schema.columns.push(Column::inferred(level.clone(), column_type));
    }
    schema
}

/// Whether a folder's text is an integer, spelled as every reader spells it.
fn is_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

/// The schema with what the config declares.
///
/// # Errors
/// The column whose values do not fit.
pub(super) fn declared(schema: TableSchema, declared: &TableSchema) -> Result<TableSchema, String> {
    for wanted in &declared.columns {
        let Some(found) = schema.column(&wanted.name).map(|column| &column.column_type) else { continue };
        let to = &wanted.column_type;
        let is_json = *found == ColumnType::Text && *to == ColumnType::Json;
        let fits = *found == ColumnType::Unknown || found == to || is_json || found.converts_to(to) && *to != ColumnType::Text;
        if !fits {
            return Err(format!(
                "column `{}` is {found}, and the config declares {to}; declare what the files have",
                wanted.name
            ));
        }
    }
    Ok(declared.join(&schema))
}
