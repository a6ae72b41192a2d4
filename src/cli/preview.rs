//! `lakeward preview`: the first rows of a resource and what they would become.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::pretty::pretty_format_batches;
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Field, Schema};
use tokio_util::sync::CancellationToken;

use crate::base::{SystemClock, shown, start_of};
use crate::cli::args::PreviewArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_plan;
use crate::cli::terminal;
use crate::decode::Reject;
use crate::pipeline::{RunError, sample};
use crate::report;

/// Columns of text that most terminals have; a wider table is shown as a list.
const WIDTH: usize = 120;

/// Characters of a rejected record that are shown.
const REJECT_CHARS: usize = 200;

/// Shows one page of a resource; writes nothing.
pub(crate) async fn preview(args: PreviewArgs) -> Result<u8, Failure> {
    let plan = load_plan(&args.of)?;
    let Some(resource) = plan.resources.iter().find(|resource| resource.name == args.resource) else {
        return Err(RunError::no_such_resource(&args.resource, &plan).into());
    };
    let quiet: crate::pipeline::Events = Arc::new(|_| ());
    let sample = sample(&plan, resource, Arc::new(SystemClock), CancellationToken::new(), quiet).await?;
    let batch = &sample.decoded.table.rows.batch;
    let rows = batch.num_rows().min(args.rows as usize);
    let lines = table(&batch.slice(0, rows)).map_err(|error| Failure::internal("showing the rows", &error))?;
    lines.iter().for_each(|line| terminal::print(line));
    terminal::print(&format!(
        "{} of {} of the first page ({})",
        report::count(rows as u64),
        report::counted(sample.decoded.facts.records, "record"),
        sample.page.url
    ));
    rejected(&sample.decoded.rejects).iter().for_each(|line| terminal::print(line));
    terminal::print("");
    terminal::print("columns:");
    for column in &sample.decoded.table.rows.schema.columns {
        terminal::print(&format!("  {}: {}", column.name, report::type_words(&column.column_type)));
    }
    Ok(0)
}

/// The records that would be rejected, those with the same fault together, each fault with the first of its records.
fn rejected(rejects: &[Reject]) -> Vec<String> {
    let mut groups: Vec<(&Reject, u64)> = Vec::new();
    for reject in rejects {
        let fault = |of: &Reject| (of.path.clone(), of.expected.clone(), of.actual.clone());
        match groups.iter_mut().find(|(first, _)| fault(first) == fault(reject)) {
            Some((_, count)) => *count += 1,
            None => groups.push((reject, 1)),
        }
    }
    let line = |(first, count): &(&Reject, u64)| {
        let Reject { path, expected, actual, record, raw, .. } = first;
        let (records, raw) = (report::counted(*count, "record"), start_of(raw, REJECT_CHARS));
        format!(
            "{records} would be rejected: `{path}` should be {expected}, found {actual}; the first is record {}: {raw}",
            record + 1
        )
    };
    groups.iter().map(line).collect()
}

/// Rows as a table, or as a list of values a row where that is wider than a terminal.
pub(super) fn table(rows: &RecordBatch) -> Result<Vec<String>, ArrowError> {
    let rows = as_text(&with_offsets(rows)?)?;
    let table: Vec<String> = pretty_format_batches(std::slice::from_ref(&rows))?.to_string().lines().map(str::to_owned).collect();
    if table.iter().all(|line| line.chars().count() <= WIDTH) {
        return Ok(table);
    }
    let schema = rows.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let options = FormatOptions::default().with_null("null");
    let columns = rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<Vec<_>, _>>()?;
    let mut lines = Vec::new();
    for row in 0..rows.num_rows() {
        lines.push(format!("── row {}", row + 1));
        lines.extend(names.iter().zip(&columns).map(|(name, column)| format!("{name:width$}  {}", column.value(row))));
    }
    Ok(lines)
}

/// The rows as people may see them, cell by cell: what a cell holds decides neither where its lines end nor how wide it looks.
fn as_text(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let options = FormatOptions::default();
    let texts = |column: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        let cells = ArrayFormatter::try_new(column, &options)?;
        let text = |row: usize| column.is_valid(row).then(|| shown(&cells.value(row).to_string()).into_owned());
        Ok(Arc::new((0..column.len()).map(text).collect::<StringArray>()))
    };
    let schema = rows.schema();
    let fields = schema.fields().iter().map(|field| Field::new(shown(field.name()), DataType::Utf8, true));
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        rows.columns().iter().map(texts).collect::<Result<Vec<_>, _>>()?,
        &RecordBatchOptions::new().with_row_count(Some(rows.num_rows())),
    )
}

/// The rows with times as of `+00:00`, since arrow shows named zones only with a database of them.
pub(super) fn with_offsets(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = rows.schema();
    let fields: Vec<Field> = schema.fields().iter().map(|field| offset_field(field)).collect();
    let columns = rows.columns().iter().zip(&fields).map(|(column, field)| cast(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(rows.num_rows())),
    )
}

fn offset_field(field: &Field) -> Field {
    field.clone().with_data_type(offset_type(field.data_type()))
}

fn offset_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| offset_field(field)).collect()),
        DataType::List(element) => DataType::List(Arc::new(offset_field(element))),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StructArray, TimestampMicrosecondArray};

    use super::*;

    fn check(columns: Vec<(&str, ArrayRef)>, expected: &str) {
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(table(&rows).unwrap().join("\n"), expected);
    }

    #[test]
    fn times_are_shown_in_utc_at_any_depth() {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(0), None]).with_timezone("UTC"));
        let inner = StructArray::from(vec![(Arc::new(Field::new("at", times.data_type().clone(), true)), Arc::clone(&times))]);
        check(
            vec![("at", times), ("in", Arc::new(inner))],
            "\
+----------------------+----------------------------+
| at                   | in                         |
+----------------------+----------------------------+
| 1970-01-01T00:00:00Z | {at: 1970-01-01T00:00:00Z} |
|                      | {at: }                     |
+----------------------+----------------------------+",
        );
    }

    #[test]
    fn a_cell_stays_within_its_frame_whatever_it_holds() {
        let cells: ArrayRef = Arc::new(StringArray::from(vec!["a\n| 2  | forged", "\u{1b}[2J\u{202e}"]));
        check(
            vec![("n\ne", cells)],
            "\
+-------------------+
| n\\ne              |
+-------------------+
| a\\n| 2  | forged  |
| \\u{1b}[2J\\u{202e} |
+-------------------+",
        );
    }

    #[test]
    fn a_table_wider_than_a_terminal_is_a_list() {
        let long: ArrayRef = Arc::new(StringArray::from(vec![Some("x".repeat(120)), None]));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        check(
            vec![("id", ids), ("text", long)],
            &format!("── row 1\nid    1\ntext  {}\n── row 2\nid    2\ntext  null", "x".repeat(120)),
        );
    }
}
