//! The columns that a config names: a misspelt one would sort nothing, or put every row into one partition.

use crate::base::Step;
use crate::config::{DeclaredType, Plan, ResourcePlan, StepPlan, WriteDisposition};
use crate::lake::{PartitionError, Partitioner, check_settings};
use crate::merge::has_order;
use crate::pipeline::RunError;
use crate::schema::{Column, ColumnType, DeclaredSchema, Digits, TableSchema, Undeclared};

/// What is wrong with a plan that no request is needed to see: declared schemas, what they make of the partitions, columns that
/// can never come, and the store's options. All of it.
pub(crate) fn validate(plan: &Plan) -> Vec<RunError> {
    let store = check_settings(&plan.lake).err().map(RunError::from);
    let resources = plan.resources.iter().filter(|resource| resource.write_disposition != WriteDisposition::Skip);
    store.into_iter().chain(resources.filter_map(|resource| validate_resource(resource).err())).collect()
}

fn validate_resource(resource: &ResourcePlan) -> Result<(), RunError> {
    let Some(declared) = declared_schema(resource)? else { return Ok(()) };
    if declared.undeclared == Undeclared::Infer {
        check_order(resource, &declared.schema)?;
    } else {
        check_columns(resource, &declared.schema)?;
    }
    let partitioner = Partitioner::new(&resource.partition_by, &declared.schema);
    let wrong = |source| RunError::Partitions { resource: resource.name.clone(), source };
    let files = partitioner.and_then(|partitioner| partitioner.file_schema(&declared.schema)).map_err(wrong)?;
    // Columns that are not declared may come, unless the schema is closed.
    if declared.undeclared != Undeclared::Infer && files.columns.is_empty() && !declared.schema.columns.is_empty() {
        return Err(wrong(PartitionError::NoColumns));
    }
    Ok(())
}

/// The declared schema of a resource, if it has one.
///
/// # Errors
/// [`RunError::Schema`].
pub(crate) fn declared_schema(resource: &ResourcePlan) -> Result<Option<DeclaredSchema>, RunError> {
    let wrong = |source| RunError::Schema { resource: resource.name.clone(), source };
    let file = resource.schema.as_ref().map(|file| DeclaredSchema::parse(&file.path, &file.text)).transpose().map_err(wrong)?;
    let hints = resource.columns.iter().filter_map(|hint| Some((hint, hint.declared?)));
    let casts = StepPlan::declared_columns(&resource.processing_steps);
    if file.is_none() && hints.clone().next().is_none() && casts.is_empty() {
        return Ok(None);
    }
    let mut declared = file.unwrap_or_default();
    for (hint, declared_type) in hints {
        let description = hint.description.clone();
        let column = Column { nullable: hint.nullable, description, ..column_of(&hint.name, declared_type) };
        declared.declare(column, hint.accept_text, hint.empty_as_null).map_err(wrong)?;
    }
    for (name, declared_type) in casts {
        // What is declared besides the cast has the last word on the type, as long as the cast's values fit it.
        if declared.schema.column(&name).is_none() {
            declared.declare(column_of(&name, declared_type), false, false).map_err(wrong)?;
        }
    }
    Ok(Some(declared))
}

fn column_of(name: &str, declared_type: DeclaredType) -> Column {
    let column_type = match declared_type {
        DeclaredType::Text => ColumnType::Text,
        DeclaredType::Float => ColumnType::Float64(Digits::UNKNOWN),
        DeclaredType::Boolean => ColumnType::Boolean,
        DeclaredType::Timestamp => ColumnType::Timestamp,
        DeclaredType::Date => ColumnType::Date,
        // Whatever the values will be: only values tell whether integers are narrow.
        DeclaredType::Integer => ColumnType::Int64 { wide: true },
        DeclaredType::Decimal { precision, scale } => ColumnType::Decimal { precision, scale },
        DeclaredType::Json => ColumnType::Json,
    };
    Column { declared: true, ..Column::inferred(name, column_type) }
}

/// Columns without which a record is a reject: those of the key, and those whose hint says so.
pub(crate) fn required_columns(resource: &ResourcePlan) -> Vec<String> {
    let hinted = resource.columns.iter().filter(|hint| !hint.nullable).map(|hint| &hint.name);
    let hinted = hinted.filter(|name| !resource.primary_key.contains(name));
    resource.primary_key.iter().chain(hinted).cloned().collect()
}

/// Columns whose values tell rows, or runs, apart: those of the key, of what decides among rows of one key, of the partitions, and the cursor,
/// which may be a field of a struct. A number there is never rounded.
pub(crate) fn exact_columns(resource: &ResourcePlan) -> Vec<Vec<String>> {
    let levels = resource.partition_by.iter().map(|field| &field.column);
    let dedup = resource.merge.dedup_sort.iter().map(|sort| &sort.column);
    let columns = resource.primary_key.iter().chain(levels).chain(dedup).map(|column| vec![column.clone()]);
    let name = |step: &Step| if let Step::Key(name) = step { Some(name.clone()) } else { None };
    let cursor = resource.endpoint.incremental.as_ref();
    let cursor = cursor.and_then(|cursor| cursor.cursor_path.steps().iter().map(name).collect::<Option<Vec<_>>>());
    columns.chain(cursor).collect()
}

/// Checks that a schema has the columns that the config names.
///
/// # Errors
/// [`RunError::NoSuchColumn`] for the first one that it lacks, [`RunError::NoOrder`] for values by which records cannot be compared.
pub(crate) fn check_columns(resource: &ResourcePlan, schema: &TableSchema) -> Result<(), RunError> {
    let keys = resource.primary_key.iter().map(|column| ("primary_key", column));
    let levels = resource.partition_by.iter().map(|field| ("partition_by", &field.column));
    let sorts = resource.sort_by.iter().map(|field| ("sort_by", &field.column));
    let dedup = resource.merge.dedup_sort.iter().map(|sort| ("dedup_sort", &sort.column));
    let deletes = resource.merge.hard_delete.iter().map(|column| ("hard_delete", column));
    let mut named = keys.chain(levels).chain(sorts).chain(dedup).chain(deletes);
    let Some((key, column)) = named.find(|(_, column)| schema.column(column).is_none()) else {
        return check_order(resource, schema);
    };
    let near = schema.meant(column);
    Err(RunError::NoSuchColumn { resource: resource.name.clone(), key, column: column.clone(), near })
}

/// Checks that the column of `dedup_sort` has an order.
///
/// # Errors
/// [`RunError::NoOrder`].
fn check_order(resource: &ResourcePlan, schema: &TableSchema) -> Result<(), RunError> {
    let sort = resource.merge.dedup_sort.as_ref();
    match sort.and_then(|sort| schema.column(&sort.column)).filter(|column| !has_order(&column.column_type)) {
        None => Ok(()),
        Some(column) => Err(RunError::NoOrder {
            resource: resource.name.clone(),
            column: column.name.clone(),
            found: column.column_type.hint_type(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::compat::{Choice, load};
    use crate::config::Inputs;

    use super::*;

    const CONFIG: &str = r#"
name: t
client: {base_url: "http://localhost"}
resources:
  - name: things
    primary_key: id
    write_disposition: merge
    endpoint: {path: /things, paginator: single_page}
    schema: things.json
"#;

    /// What is wrong with a resource that has these keys too, and this declared schema.
    fn check(keys: &str, schema: &str, expected: &[&str]) {
        let read_file = |_: &std::path::Path| Ok(schema.to_owned());
        let text = format!("{CONFIG}    {keys}\nlake: {{url: ./lake}}\n");
        let inputs = Inputs {
            text: &text,
            file: "c.yaml",
            folder: std::path::Path::new("/"),
            current_dir: std::path::Path::new("/"),
            has_lake: &|_, _| false,
            env: &|_| None,
            read_file: &read_file,
        };
        let faults = validate(&load(&inputs, Choice::default()).unwrap());
        assert_eq!(faults.iter().map(RunError::chain).collect::<Vec<_>>(), expected);
    }

    const OPEN: &str = r#"{"columns": [{"name": "id", "type": "text"}, {"name": "rate", "type": "float64"}]}"#;

    #[test]
    fn a_declared_schema_and_what_it_makes_of_the_partitions_are_checked_beforehand() {
        check("max_rejects: null", OPEN, &[]);
        let wrong = r#"{"columns": [{"name": "id", "type": "txt"}]}"#;
        let message = "schema of `things`: `things.json` line 1, `$.columns[0].type`: `txt` is no type; did you mean `text`?";
        check("max_rejects: null", wrong, &[message]);
        check(
            "partition_by: rate",
            OPEN,
            &["`partition_by` of `things`: cannot partition by identity of column `rate`, which is a floating-point number"],
        );
    }

    #[test]
    fn a_column_that_can_never_come_is_named_with_the_nearest_one() {
        let closed = OPEN.replace("\"columns\"", "\"additional\": \"reject\", \"columns\"");
        check("sort_by: rat", OPEN, &[]);
        check(
            "sort_by: rat",
            &closed,
            &["`sort_by` of `things` names the column `rat`, which no record has; did you mean `rate`?"],
        );
        check("partition_by: created", &closed, &["`partition_by` of `things` names the column `created`, which no record has"]);
    }
}
