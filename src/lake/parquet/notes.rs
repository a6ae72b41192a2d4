//! What a file notes about its columns that Parquet does not tell.

use parquet::file::metadata::KeyValue;

use crate::lake::parquet::source::{JSON_COLUMNS, NESTED_TYPES};
use crate::schema::{Column, ColumnType, TableSchema};

/// The columns that hold JSON text (objects without members are the text `{}`), and the types of objects and lists.
#[derive(Default)]
pub(super) struct Notes {
    json_columns: Vec<String>,
    nested: TableSchema,
}

impl Notes {
    /// About the columns of `table`.
    pub(super) fn of(table: &TableSchema) -> Self {
        let json = table.columns.iter().filter(|column| match &column.column_type {
            ColumnType::Json => true,
            ColumnType::Struct(members) => members.is_empty(),
            _ => false,
        });
        let nested = |column: &&Column| match &column.column_type {
            ColumnType::Struct(members) => !members.is_empty(),
            column_type => matches!(column_type, ColumnType::List(_)),
        };
        Self {
            json_columns: json.map(|column| column.name.clone()).collect(),
            nested: TableSchema { columns: table.columns.iter().filter(nested).cloned().collect() }.as_facts(),
        }
    }

    /// As a footer tells them.
    pub(super) fn key_values(self) -> impl Iterator<Item = KeyValue> {
        let json = (!self.json_columns.is_empty())
            .then(|| KeyValue::new(JSON_COLUMNS.to_owned(), serde_json::Value::from(self.json_columns).to_string()));
        let nested =
            (!self.nested.columns.is_empty()).then(|| KeyValue::new(NESTED_TYPES.to_owned(), self.nested.to_json().to_string()));
        json.into_iter().chain(nested)
    }
}
