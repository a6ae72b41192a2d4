//! Columns that were seen, as a declared schema spells them.

use serde_json::{Map, Value, json};

use crate::schema::{Column, ColumnType};

/// A declared schema of these columns, in which those of the `key` are never null. A type that no value has shown is left open: it is not in it.
pub(crate) fn declared_json(columns: &[Column], key: &[String]) -> Value {
    let columns: Vec<Value> = columns
        .iter()
        .filter_map(|column| {
            let mut declared = member(column)?;
            if key.contains(&column.name) {
                declared.insert("nullable".to_owned(), Value::Bool(false));
            }
            Some(Value::Object(declared))
        })
        .collect();
    json!({"columns": columns})
}

fn member(column: &Column) -> Option<Map<String, Value>> {
    let mut declared = Map::from_iter([("name".to_owned(), Value::from(column.name.as_str()))]);
    declared.extend(of_type(&column.column_type)?);
    Some(declared)
}

fn of_type(column_type: &ColumnType) -> Option<Map<String, Value>> {
    let mut declared = Map::new();
    let word = match column_type {
        ColumnType::Unknown => return None,
        ColumnType::Boolean => "boolean".to_owned(),
        ColumnType::Int64 { .. } => "int64".to_owned(),
        ColumnType::Float64(_) => "float64".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        ColumnType::Struct(fields) => {
            let fields: Vec<Value> = fields.iter().filter_map(member).map(Value::Object).collect();
            if fields.is_empty() {
                return None;
            }
            declared.insert("fields".to_owned(), Value::Array(fields));
            "struct".to_owned()
        }
        ColumnType::List(element) => {
            declared.insert("element".to_owned(), Value::Object(of_type(element)?));
            "list".to_owned()
        }
        other => other.to_string(),
    };
    declared.insert("type".to_owned(), Value::from(word));
    Some(declared)
}
