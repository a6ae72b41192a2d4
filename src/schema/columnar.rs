//! Schemas as Arrow spells them, in memory and in files.
//!
//! In: a [`TableSchema`]. Out: Arrow schemas, with the columns in their order and every field nullable. Invariants: the two forms differ
//! only where Parquet has no such type: see [`TableSchema::to_file_arrow`]. Descriptions stay in the manifest, so that rewording one
//! changes no file.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use crate::schema::{Column, ColumnType, TableSchema};

/// What the Parquet format calls the element of a list.
pub(crate) const LIST_ELEMENT: &str = "element";

/// Where the columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Memory,
    File,
}

impl TableSchema {
    /// The schema of the table's batches in memory: columns of unknown type are of Arrow's Null type.
    #[must_use]
    pub(crate) fn to_arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(fields(&self.columns, Form::Memory)))
    }

    /// The schema of the table's files: unknown types and structs without fields, which Parquet lacks, are Utf8.
    #[must_use]
    pub(crate) fn to_file_arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(fields(&self.columns, Form::File)))
    }
}

impl ColumnType {
    /// This type's arrays in memory.
    #[must_use]
    pub(crate) fn to_arrow(&self) -> DataType {
        self.data_type(Form::Memory)
    }

    /// This type's arrays in files.
    #[must_use]
    pub(crate) fn to_file_arrow(&self) -> DataType {
        self.data_type(Form::File)
    }

    fn data_type(&self, form: Form) -> DataType {
        match self {
            Self::Unknown if form == Form::Memory => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Int64 { .. } => DataType::Int64,
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Float64(_) => DataType::Float64,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
            Self::Date => DataType::Date32,
            Self::Struct(columns) if form == Form::Memory || !columns.is_empty() => DataType::Struct(fields(columns, form)),
            Self::List(element) => DataType::List(element_field(element.data_type(form))),
            Self::Unknown | Self::Text | Self::Json | Self::Struct(_) => DataType::Utf8,
        }
    }
}

fn element_field(data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new(LIST_ELEMENT, data_type, true))
}

fn fields(columns: &[Column], form: Form) -> Fields {
    columns.iter().map(|column| Field::new(&column.name, column.column_type.data_type(form), true)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type's arrays in memory and in files.
    fn check(column_type: &ColumnType, memory: &str, file: &str) {
        assert_eq!(
            (column_type.to_arrow().to_string().as_str(), column_type.to_file_arrow().to_string().as_str()),
            (memory, file)
        );
    }

    #[test]
    fn types_have_their_arrow_types() {
        check(&ColumnType::Unknown, "Null", "Utf8");
        check(&ColumnType::Struct(vec![]), "Struct()", "Utf8");
        check(&ColumnType::Json, "Utf8", "Utf8");
        check(&ColumnType::Int64 { wide: true }, "Int64", "Int64");
        check(&ColumnType::Decimal { precision: 18, scale: 4 }, "Decimal128(18, 4)", "Decimal128(18, 4)");
        check(&ColumnType::Timestamp, "Timestamp(µs, \"UTC\")", "Timestamp(µs, \"UTC\")");
        check(
            &ColumnType::List(Box::new(ColumnType::Struct(vec![Column::inferred("a", ColumnType::Unknown)]))),
            "List(Struct(\"a\": Null), field: 'element')",
            "List(Struct(\"a\": Utf8), field: 'element')",
        );
    }
}
