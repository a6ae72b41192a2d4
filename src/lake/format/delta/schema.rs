//! A table's columns as a Delta log has them, and back.
//!
//! In: a table's schema and its partition levels. Out: `schemaString`, the partition columns, and partition values in Delta's spelling. A level
//! that is no column of the table (`month` of a time) is a column of the Delta table, which only folders hold.
//! Source: the Delta transaction log protocol, "Schema Serialization Format" and "Partition Value Serialization".
//! Invariants: what is read back is what was written; a type or a name that Delta does not have is refused by name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::base::folded;
use crate::config::{PartitionField, Transform};
use crate::schema::{Column, ColumnType, DEPTH_MAX, Digits, TableSchema};

/// Characters that Delta allows in a column's name only with column mapping, which many readers do not know.
const NOT_IN_NAMES: [char; 10] = [' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// The schema of a Delta table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DeltaSchema {
    /// `schemaString`, as a value.
    pub(super) fields: Value,
    /// Names of the partition columns.
    pub(super) partition_columns: Vec<String>,
}

impl DeltaSchema {
    /// That of a table.
    ///
    /// # Errors
    /// The column that Delta does not have, and why.
    pub(super) fn of(schema: &TableSchema, levels: &[PartitionField]) -> Result<Self, String> {
        let mut fields = Vec::new();
        for column in &schema.columns {
            fields.push(field(&column.name, column, &column.name)?);
        }
        for level in levels.iter().filter(|level| !is_column(level)) {
            let name = &level.name;
            if schema.columns.iter().any(|column| folded(&column.name) == folded(name)) {
                return Err(format!("column `{name}` has the name of a partition level"));
            }
            check_name(name, name)?;
            fields.push(json!({"name": name, "type": level_type(level, schema), "nullable": true, "metadata": {}}));
        }
        check_case(fields.iter().filter_map(|field| field["name"].as_str()), "")?;
        let partition_columns = levels.iter().map(|level| level.name.clone()).collect();
        Ok(Self { fields: json!({"type": "struct", "fields": fields}), partition_columns })
    }

    /// What keeps a Delta table of this `schema_string` and these `partition_columns` from being gone on with as one of `schema`, or the columns
    /// that another writer has added.
    ///
    /// # Errors
    /// The first difference, in words.
    pub(super) fn added(&self, schema_string: &str, partition_columns: &[String]) -> Result<Vec<Column>, String> {
        if partition_columns != self.partition_columns {
            return Err(format!("it is partitioned by ({}) now", partition_columns.join(", ")));
        }
        let theirs: Value = serde_json::from_str(schema_string).map_err(|error| format!("its schema is no JSON: {error}"))?;
        let theirs = theirs["fields"].as_array().ok_or("its schema has no fields")?;
        let ours = self.fields["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut found = BTreeSet::new();
        let mut added = Vec::new();
        for field in theirs {
            let name = field["name"].as_str().ok_or("its schema has a field without a name")?;
            found.insert(name);
            match ours.iter().find(|ours| ours["name"] == field["name"]) {
                Some(ours) if plain(&ours["type"]) == plain(&field["type"]) => {}
                Some(ours) => {
                    return Err(format!("column `{name}` is {} now, and was {}", words(&field["type"]), words(&ours["type"])));
                }
                None => {
                    let column_type = column_type(&field["type"], DEPTH_MAX).ok_or_else(|| {
                        format!(
                            "another writer has added column `{name}` of type {}, which no table of lakeward has",
                            words(&field["type"])
                        )
                    })?;
                    added.push(Column::inferred(name, column_type));
                }
            }
        }
        match ours.iter().filter_map(|field| field["name"].as_str()).find(|name| !found.contains(name)) {
            Some(gone) => Err(format!("column `{gone}` is gone")),
            None => Ok(added),
        }
    }
}

/// Whether a level is a column of the table.
fn is_column(level: &PartitionField) -> bool {
    level.transform == Transform::Identity && level.name == level.column
}

fn level_type(level: &PartitionField, schema: &TableSchema) -> Value {
    let source = schema.columns.iter().find(|column| column.name == level.column).map(|column| &column.column_type);
    match (level.transform, source) {
        (Transform::Identity, Some(source)) => delta_type(source, &level.name).unwrap_or_else(|_| "string".into()),
        (Transform::Day, _) => "date".into(),
        (Transform::Year | Transform::Bucket { .. }, _) | (Transform::Truncate { .. }, Some(ColumnType::Int64 { .. })) => {
            "long".into()
        }
        _ => "string".into(),
    }
}

fn field(name: &str, column: &Column, place: &str) -> Result<Value, String> {
    check_name(name, place)?;
    let mut metadata = Map::new();
    if let Some(description) = &column.description {
        metadata.insert("comment".to_owned(), description.as_str().into());
    }
    Ok(json!({"name": name, "type": delta_type(&column.column_type, place)?, "nullable": true, "metadata": metadata}))
}

fn delta_type(column_type: &ColumnType, place: &str) -> Result<Value, String> {
    Ok(match column_type {
        ColumnType::Boolean => "boolean".into(),
        ColumnType::Int64 { .. } => "long".into(),
        ColumnType::Decimal { precision, scale } => format!("decimal({precision},{scale})").into(),
        ColumnType::Float64(_) => "double".into(),
        ColumnType::Timestamp => "timestamp".into(),
        ColumnType::Date => "date".into(),
        ColumnType::Struct(columns) if !columns.is_empty() => {
            check_case(columns.iter().map(|column| column.name.as_str()), place)?;
            let fields = columns.iter().map(|column| field(&column.name, column, &format!("{place}.{}", column.name)));
            json!({"type": "struct", "fields": fields.collect::<Result<Vec<_>, _>>()?})
        }
        ColumnType::List(element) => json!({"type": "array", "elementType": delta_type(element, place)?, "containsNull": true}),
        ColumnType::Unknown | ColumnType::Text | ColumnType::Json | ColumnType::Struct(_) => "string".into(),
    })
}

/// A type that another writer gave a column. Integers of fewer bits are none of a table's: its files would have two kinds of them.
fn column_type(found: &Value, depth: usize) -> Option<ColumnType> {
    let depth = depth.checked_sub(1)?;
    match found {
        Value::String(word) => Some(match word.as_str() {
            "boolean" => ColumnType::Boolean,
            "long" => ColumnType::Int64 { wide: true },
            "double" => ColumnType::Float64(Digits::UNKNOWN),
            "timestamp" => ColumnType::Timestamp,
            "date" => ColumnType::Date,
            "string" => ColumnType::Text,
            decimal if decimal.starts_with("decimal(") => return ColumnType::from_word(decimal),
            _ => return None,
        }),
        Value::Object(found) if found.get("type")? == "array" => {
            Some(ColumnType::List(Box::new(column_type(found.get("elementType")?, depth)?)))
        }
        Value::Object(found) if found.get("type")? == "struct" => {
            let fields = found.get("fields")?.as_array()?.iter();
            let column = |field: &Value| Some(Column::inferred(field["name"].as_str()?, column_type(&field["type"], depth)?));
            Some(ColumnType::Struct(fields.map(column).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// A type without what readers need not agree on: nullability and comments.
fn plain(found: &Value) -> Value {
    match found {
        Value::Object(found) => match found.get("type").and_then(Value::as_str) {
            Some("array") => json!({"array": plain(&found["elementType"])}),
            Some("struct") => {
                let fields = found["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
                fields.iter().map(|field| json!([field["name"], plain(&field["type"])])).collect()
            }
            _ => Value::Object(found.clone()),
        },
        Value::String(word) => word.replace(' ', "").into(),
        other => other.clone(),
    }
}

fn words(found: &Value) -> String {
    match found {
        Value::String(word) => word.clone(),
        found => found["type"].as_str().unwrap_or("unknown").to_owned(),
    }
}

fn check_name(name: &str, place: &str) -> Result<(), String> {
    match name.chars().find(|c| NOT_IN_NAMES.contains(c)) {
        Some(' ') => Err(format!("column `{place}` has a space in its name")),
        Some(found) => Err(format!("column `{place}` has {found:?} in its name")),
        None => Ok(()),
    }
}

fn check_case<'n>(names: impl Iterator<Item = &'n str>, within: &str) -> Result<(), String> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        if let Some(other) = seen.insert(folded(name), name) {
            let within = if within.is_empty() { String::new() } else { format!(" of `{within}`") };
            return Err(format!("the columns `{other}` and `{name}`{within} differ in case alone"));
        }
    }
    Ok(())
}

/// Partition values as a Delta log spells them, by level.
pub(super) fn partition_values(levels: &[String], values: &[Option<String>]) -> BTreeMap<String, Option<String>> {
    levels.iter().cloned().zip(values.iter().cloned()).collect()
}

/// A file's partition values, one a level, in this program's spelling.
///
/// # Errors
/// The level that the file does not tell.
pub(super) fn values_of(
    levels: &[PartitionField],
    schema: &TableSchema,
    told: &BTreeMap<String, Option<String>>,
) -> Result<Vec<Option<String>>, String> {
    let value = |level: &PartitionField| {
        let told = told.get(&level.name).ok_or_else(|| format!("no value of partition column `{}`", level.name))?;
        // Delta takes empty text for null.
        let Some(text) = told.as_ref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let column = schema.columns.iter().find(|column| column.name == level.column);
        let is_time =
            level.transform == Transform::Identity && column.is_some_and(|column| column.column_type == ColumnType::Timestamp);
        Ok(Some(if is_time { time_text(text).ok_or_else(|| format!("{text:?} is no timestamp"))? } else { text.clone() }))
    };
    levels.iter().map(value).collect()
}

/// A timestamp as folders spell it: Delta also writes `2026-11-01 13:00:00.123456`, which is UTC here.
fn time_text(text: &str) -> Option<String> {
    let text = text.trim_end_matches('Z').replacen(' ', "T", 1);
    let time = chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    let micros = time.and_utc().timestamp_subsec_micros();
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    Some(format!("{}{fraction}Z", time.format("%Y-%m-%dT%H:%M:%S")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, ColumnType)]) -> TableSchema {
        TableSchema { columns: columns.iter().map(|(name, column_type)| Column::inferred(*name, column_type.clone())).collect() }
    }

    fn level(column: &str, transform: Transform, name: &str) -> PartitionField {
        PartitionField { column: column.to_owned(), transform, name: name.to_owned() }
    }

    #[test]
    fn every_type_is_one_of_deltas_and_comes_back() {
        let columns = [
            ("b", ColumnType::Boolean),
            ("i", ColumnType::Int64 { wide: true }),
            ("d", ColumnType::Decimal { precision: 12, scale: 2 }),
            ("f", ColumnType::Float64(Digits::UNKNOWN)),
            ("t", ColumnType::Timestamp),
            ("day", ColumnType::Date),
            ("s", ColumnType::Text),
            ("o", ColumnType::Struct(vec![Column::inferred("x", ColumnType::List(Box::new(ColumnType::Text)))])),
        ];
        let schema = DeltaSchema::of(&table(&columns), &[]).unwrap();
        let none = DeltaSchema::of(&table(&[]), &[]).unwrap();
        let back = none.added(&schema.fields.to_string(), &[]).unwrap();
        assert_eq!(TableSchema { columns: back }, table(&columns));
        assert_eq!(schema.fields["fields"][2]["type"], "decimal(12,2)");
    }

    #[test]
    fn levels_that_are_no_columns_become_columns_of_the_delta_table() {
        let schema =
            table(&[("at", ColumnType::Timestamp), ("city", ColumnType::Text), ("n", ColumnType::Int64 { wide: false })]);
        let levels = [
            level("city", Transform::Identity, "city"),
            level("at", Transform::Month, "at_month"),
            level("at", Transform::Day, "at_day"),
            level("n", Transform::Bucket { buckets: 8 }, "n_bucket"),
        ];
        let delta = DeltaSchema::of(&schema, &levels).unwrap();
        let types: Vec<String> = delta.fields["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| format!("{} {}", field["name"], field["type"]))
            .collect();
        assert_eq!(
            types.join(", ").replace('"', ""),
            "at timestamp, city string, n long, at_month string, at_day date, n_bucket long"
        );
        assert_eq!(delta.partition_columns, ["city", "at_month", "at_day", "n_bucket"]);
    }

    #[test]
    fn names_that_delta_does_not_have_are_refused_by_name() {
        let refused = |columns: &[(&str, ColumnType)]| DeltaSchema::of(&table(columns), &[]).unwrap_err();
        assert_eq!(refused(&[("a b", ColumnType::Text)]), "column `a b` has a space in its name");
        assert_eq!(
            refused(&[("id", ColumnType::Text), ("ID", ColumnType::Text)]),
            "the columns `id` and `ID` differ in case alone"
        );
        let nested = ColumnType::Struct(vec![Column::inferred("x;y", ColumnType::Text)]);
        assert_eq!(refused(&[("o", nested)]), "column `o.x;y` has ';' in its name");
    }

    #[test]
    fn what_another_writer_did_to_the_columns_is_told() {
        let ours = DeltaSchema::of(&table(&[("id", ColumnType::Int64 { wide: false }), ("s", ColumnType::Text)]), &[]).unwrap();
        let theirs = |fields: &str| ours.added(&format!(r#"{{"type":"struct","fields":[{fields}]}}"#), &[]);
        let (id, s) = (r#"{"name":"id","type":"long","nullable":false}"#, r#"{"name":"s","type":"string"}"#);
        assert_eq!(theirs(&format!("{id},{s}")).unwrap(), []);
        let added = theirs(&format!(r#"{id},{{"name":"d","type":"decimal(10, 2)"}},{s}"#)).unwrap();
        assert_eq!(added, [Column::inferred("d", ColumnType::Decimal { precision: 10, scale: 2 })]);
        assert_eq!(theirs(id).unwrap_err(), "column `s` is gone");
        assert_eq!(
            theirs(&format!(r#"{id},{{"name":"s","type":"long"}}"#)).unwrap_err(),
            "column `s` is long now, and was string"
        );
        assert!(
            theirs(&format!(r#"{id},{s},{{"name":"i","type":"integer"}}"#)).unwrap_err().contains("column `i` of type integer")
        );
        assert_eq!(ours.added("{}", &["day".to_owned()]).unwrap_err(), "it is partitioned by (day) now");
    }

    #[test]
    fn partition_values_of_other_writers_are_spelled_as_folders_are() {
        let schema = table(&[("at", ColumnType::Timestamp), ("city", ColumnType::Text)]);
        let levels = [level("at", Transform::Identity, "at"), level("city", Transform::Identity, "city")];
        let told = |at: &str, city: Option<&str>| {
            values_of(
                &levels,
                &schema,
                &[("at".to_owned(), Some(at.to_owned())), ("city".to_owned(), city.map(str::to_owned))].into(),
            )
        };
        assert_eq!(
            told("2026-11-01 13:00:00.5", Some("Bonn")).unwrap(),
            [Some("2026-11-01T13:00:00.500000Z".to_owned()), Some("Bonn".to_owned())]
        );
        assert_eq!(told("2026-11-01T13:00:00Z", None).unwrap(), [Some("2026-11-01T13:00:00Z".to_owned()), None]);
        assert_eq!(told("2026-11-01T13:00:00Z", Some("")).unwrap()[1], None);
        assert!(told("noon", None).is_err());
        assert!(values_of(&levels, &schema, &BTreeMap::new()).unwrap_err().contains("`at`"));
    }
}
