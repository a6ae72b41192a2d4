//! Evolution: a table's schema of last night meets this run's.
//!
//! In: both schemas. Out: the schema to publish, and what is new in it. Invariants: columns are never dropped, inferred types only
//! widen, a key keeps its type, and a declaration never takes values away. Last night's declarations are facts by now: only
//! tonight's bind.

use crate::schema::{Column, ColumnType, SchemaError, TableSchema};

/// What a run does to a table's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// The schema to publish: the table's columns in their order, then new ones.
    pub(crate) schema: TableSchema,
    /// Columns and struct fields that the table did not have, as `charge.tax`.
    pub(crate) new: Vec<String>,
    /// Those whose type is wider than it was.
    pub(crate) widened: Vec<Widened>,
    /// Whether files of the table's schema differ in their Arrow schema from those of [`Change::schema`].
    pub(crate) changes_files: bool,
}

/// A column or struct field whose type is another one than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Widened {
    /// As `charge.tax`.
    pub(crate) column: String,
    /// Its type in the table.
    pub(crate) from: ColumnType,
    /// Its type to be.
    pub(crate) to: ColumnType,
}

/// Joins the schema of the published table with that of this run.
///
/// # Errors
/// [`SchemaError::KeyTypeChanged`] for a column of `primary_key` whose files would change; [`SchemaError::Narrower`] where a
/// declared type has no place for values of the table; and the caps of [`TableSchema::check_limits`].
pub(crate) fn reconcile(table: &TableSchema, run: &TableSchema, primary_key: &[String]) -> Result<Change, SchemaError> {
    let facts = table.as_facts();
    let schema = facts.join(run);
    schema.check_limits()?;
    for key in primary_key {
        let (Some(old), Some(new)) = (table.column(key), schema.column(key)) else {
            continue;
        };
        // Keys are compared by value, and a decimal of more digits changes none.
        let decimals = matches!((&old.column_type, &new.column_type), (ColumnType::Decimal { .. }, ColumnType::Decimal { .. }));
        let is_open = old.column_type == ColumnType::Unknown;
        if !is_open && !decimals && old.column_type.to_file_arrow() != new.column_type.to_file_arrow() {
            return Err(SchemaError::KeyTypeChanged {
                column: key.clone(),
                table_type: old.column_type.hint_type(),
                run_type: new.column_type.hint_type(),
                hint: keeping(key, &old.column_type, &new.column_type),
            });
        }
    }
    let (mut new, mut widened) = (Vec::new(), Vec::new());
    compare(&facts.columns, &schema.columns, "", &mut new, &mut widened)?;
    let changes_files = table.to_file_arrow() != schema.to_file_arrow();
    Ok(Change { schema, new, widened, changes_files })
}

/// What keeps a key column `old` though it comes as `new`. Texts of such values are taken in where that is asked for.
fn keeping(key: &str, old: &ColumnType, new: &ColumnType) -> String {
    let hint = old.hint(key);
    let takes_text =
        matches!(old, ColumnType::Int64 { .. } | ColumnType::Float64(_) | ColumnType::Decimal { .. } | ColumnType::Boolean);
    match (new, hint.strip_suffix("}}").filter(|_| takes_text)) {
        (ColumnType::Text, Some(open)) => {
            let cast = if let ColumnType::Int64 { .. } = old {
                format!("` or `processing_steps: [{{cast: {{{key}: integer}}}}]")
            } else {
                String::new()
            };
            format!("{open}, accept_text: true}}}}{cast}")
        }
        _ => hint,
    }
}

impl TableSchema {
    /// The schema without what was once declared of it: what a run starts from when only tonight's declarations bind.
    #[must_use]
    pub(crate) fn as_facts(&self) -> Self {
        Self { columns: self.columns.iter().map(as_fact).collect() }
    }
}

impl TableSchema {
    /// The schema with its columns' types held fast, those of struct fields too: what does not fit them is no longer taken in.
    #[must_use]
    pub(crate) fn held_fast(&self) -> Self {
        Self { columns: self.columns.iter().map(held_fast).collect() }
    }

    /// The schema with objects and arrays as JSON text that lie within `levels` others or more.
    #[must_use]
    pub(crate) fn nested_at_most(&self, levels: usize) -> Self {
        Self { columns: self.columns.iter().map(|column| nested_at_most(column, levels)).collect() }
    }
}

fn held_fast(column: &Column) -> Column {
    Column {
        column_type: type_held_fast(&column.column_type),
        declared: column.column_type != ColumnType::Unknown,
        ..column.clone()
    }
}

fn type_held_fast(column_type: &ColumnType) -> ColumnType {
    match column_type {
        ColumnType::Struct(fields) => ColumnType::Struct(fields.iter().map(held_fast).collect()),
        ColumnType::List(element) => ColumnType::List(Box::new(type_held_fast(element))),
        scalar => scalar.clone(),
    }
}

fn nested_at_most(column: &Column, levels: usize) -> Column {
    Column { column_type: type_nested_at_most(&column.column_type, levels), ..column.clone() }
}

fn type_nested_at_most(column_type: &ColumnType, levels: usize) -> ColumnType {
    match (column_type, levels.checked_sub(1)) {
        (ColumnType::Struct(_) | ColumnType::List(_), None) => ColumnType::Json,
        (ColumnType::Struct(fields), Some(left)) => {
            ColumnType::Struct(fields.iter().map(|field| nested_at_most(field, left)).collect())
        }
        // A list is no level of its own, unless it is one's element: its elements' fields are as deep as those of an object in its place.
        (ColumnType::List(element), Some(left)) if matches!(**element, ColumnType::List(_)) => {
            ColumnType::List(Box::new(type_nested_at_most(element, left)))
        }
        (ColumnType::List(element), Some(_)) => ColumnType::List(Box::new(type_nested_at_most(element, levels))),
        (scalar, _) => scalar.clone(),
    }
}

/// The column without what was once declared of it.
fn as_fact(column: &Column) -> Column {
    Column::inferred(column.name.as_str(), type_as_fact(&column.column_type))
}

fn type_as_fact(column_type: &ColumnType) -> ColumnType {
    match column_type {
        ColumnType::Struct(fields) => ColumnType::Struct(fields.iter().map(as_fact).collect()),
        ColumnType::List(element) => ColumnType::List(Box::new(type_as_fact(element))),
        scalar => scalar.clone(),
    }
}

/// Lists what is new and what is wider in `after`, which has all names of `before` in the same places.
fn compare(
    before: &[Column],
    after: &[Column],
    prefix: &str,
    new: &mut Vec<String>,
    widened: &mut Vec<Widened>,
) -> Result<(), SchemaError> {
    for (at, column) in after.iter().enumerate() {
        let path = format!("{prefix}{}", column.name);
        match before.get(at) {
            None => new.push(path),
            Some(old) => compare_types(&old.column_type, &column.column_type, path, new, widened)?,
        }
    }
    Ok(())
}

fn compare_types(
    before: &ColumnType,
    after: &ColumnType,
    path: String,
    new: &mut Vec<String>,
    widened: &mut Vec<Widened>,
) -> Result<(), SchemaError> {
    match (before, after) {
        (ColumnType::Struct(before), ColumnType::Struct(after)) => compare(before, after, &format!("{path}."), new, widened),
        (ColumnType::List(before), ColumnType::List(after)) => compare_types(before, after, path, new, widened),
        (before, after) if before == after => Ok(()),
        // The digits seen are no type of their own.
        (ColumnType::Float64(_), ColumnType::Float64(_)) => Ok(()),
        (before, after) if before.converts_to(after) => {
            widened.push(Widened { column: path, from: before.clone(), to: after.clone() });
            Ok(())
        }
        (before, after) => {
            Err(SchemaError::Narrower { column: path, table_type: before.hint_type(), declared_type: after.hint_type() })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::Digits;
    use crate::schema::strategies::any_schema;

    const INT: ColumnType = ColumnType::Int64 { wide: false };

    fn schema(columns: &[(&str, ColumnType)]) -> TableSchema {
        TableSchema { columns: columns.iter().map(|(name, of)| Column::inferred(*name, of.clone())).collect() }
    }

    fn declared(columns: &[(&str, ColumnType)]) -> TableSchema {
        let columns = schema(columns).columns.into_iter().map(|column| Column { declared: true, ..column }).collect();
        TableSchema { columns }
    }

    /// What is new, what is wider, whether files change; or the refusal. The key is `id`.
    fn check(table: &TableSchema, run: &TableSchema, expected: &str) {
        let got = match reconcile(table, run, &["id".to_owned()]) {
            Ok(change) => {
                let widened: Vec<_> = change.widened.iter().map(|w| format!("{}: {} -> {}", w.column, w.from, w.to)).collect();
                let files = if change.changes_files { "files change" } else { "files stay" };
                format!("new [{}], wider [{}], {files}", change.new.join(", "), widened.join(", "))
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn new_and_wider_columns_are_listed() {
        let fields = |fields: &[(&str, ColumnType)]| ColumnType::Struct(schema(fields).columns);
        check(
            &schema(&[("id", INT), ("n", INT), ("charge", fields(&[("tax", INT)]))]),
            &schema(&[
                ("id", INT),
                ("charge", fields(&[("rate", INT), ("tax", ColumnType::Float64(Digits::default()))])),
                ("tags", ColumnType::Unknown),
            ]),
            "new [charge.rate, tags], wider [charge.tax: int64 -> float64], files change",
        );
        check(&schema(&[("n", INT)]), &schema(&[("n", INT)]), "new [], wider [], files stay");
        check(
            &schema(&[("n", INT)]),
            &schema(&[("n", ColumnType::Int64 { wide: true })]),
            "new [], wider [n: int64 -> int64(wide)], files stay",
        );
        check(&TableSchema::default(), &schema(&[("id", INT)]), "new [id], wider [], files change");
    }

    #[test]
    fn a_key_keeps_its_type() {
        check(
            &schema(&[("id", INT)]),
            &schema(&[("id", ColumnType::Text)]),
            "key column `id` is bigint in the table and text in this run: run once with `--full-refresh` to load the table anew, or \
             declare `columns: {id: {data_type: bigint, accept_text: true}}` or `processing_steps: [{cast: {id: integer}}]`, and records with other values are rejects",
        );
        check(
            &schema(&[("id", INT)]),
            &schema(&[("id", ColumnType::Int64 { wide: true })]),
            "new [], wider [id: int64 -> int64(wide)], files stay",
        );
    }

    #[test]
    fn a_declaration_takes_no_values_away() {
        let decimal = ColumnType::Decimal { precision: 18, scale: 4 };
        check(
            &schema(&[("n", INT)]),
            &declared(&[("n", decimal.clone())]),
            "new [], wider [n: int64 -> decimal(18,4)], files change",
        );
        check(
            &schema(&[("n", ColumnType::Date)]),
            &declared(&[("n", ColumnType::Text)]),
            "new [], wider [n: date -> text], files change",
        );
        check(
            &schema(&[("n", ColumnType::Text)]),
            &declared(&[("n", decimal)]),
            "column `n` is text in the table, which does not become the declared decimal(18,4): declare a wider type, or run once \
             with `--full-refresh` to load the table anew",
        );
    }

    #[test]
    fn a_declaration_that_is_gone_binds_no_more() {
        check(
            &declared(&[("n", INT)]),
            &schema(&[("n", ColumnType::Float64(Digits::default()))]),
            "new [], wider [n: int64 -> float64], files change",
        );
        let change = reconcile(&declared(&[("n", INT)]), &schema(&[("n", INT)]), &[]).unwrap();
        assert!(!change.schema.columns[0].declared && !change.changes_files);
    }

    proptest! {
        #[test]
        fn without_declarations_every_run_is_taken(table in any_schema(), run in any_schema()) {
            let change = reconcile(&table, &run, &[]).unwrap();
            prop_assert!(table.le(&change.schema) && run.le(&change.schema));
            let again = reconcile(&change.schema, &run, &[]).unwrap();
            prop_assert!(again.new.is_empty() && again.widened.is_empty() && !again.changes_files);
        }
    }
}
