//! What `check --online` tells of a resource, in lines for people and as JSON.
//!
//! In: what its first pages have shown, or why they could not. Out: lines, JSON. The JSON is a promise; `docs/config.md` lists it.

use serde_json::{Value, json};

use crate::base::{ErrorKind, start_of};
use crate::config::{PaginatorPlan, ResourcePlan, paginator_words, path_words};
use crate::pipeline::{Rehearsed, Shown};
use crate::report;
use crate::source::{Detected, EndReason};

/// Characters of a list of columns that are shown.
const COLUMNS_CHARS: usize = 400;

/// Why a resource, or the lake, would end a run.
pub(super) struct Failed {
    pub(super) kind: ErrorKind,
    pub(super) text: String,
    pub(super) hints: Vec<String>,
}

/// The same as JSON.
pub(super) fn failed_json(failed: &Failed) -> Value {
    json!({"status": "failed", "kind": failed.kind.name(), "error": failed.text, "hints": failed.hints})
}

/// Adds the members of an object to another one; lists of one name are joined.
pub(super) fn add(to: &mut Value, more: Value) {
    let (Value::Object(to), Value::Object(more)) = (to, more) else { return };
    for (name, value) in more {
        match (to.get_mut(&name), value) {
            (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
            (_, value) => drop(to.insert(name, value)),
        }
    }
}

/// What came, what was detected, and what a run would do to the table.
pub(super) fn show(resource: &ResourcePlan, seen: &Rehearsed) -> Vec<String> {
    let (records, bytes) = seen.first_page;
    let columns = seen.table.as_ref().map_or_else(String::new, |table| {
        format!(" and {}", report::counted(table.change.schema.columns.len() as u64, "column"))
    });
    let (name, records, bytes) = (&resource.name, report::counted(records, "record"), report::bytes(bytes));
    let pages = if seen.pages > 1 { format!(", {} read", report::counted(seen.pages, "page")) } else { String::new() };
    let mut lines = vec![format!("  {name}: {records}{columns} on the first page ({bytes}){pages}")];
    if seen.records == 0 {
        lines.push("    no record came: the columns that the config names cannot be checked".to_owned());
    }
    if let Some(told) = seen.told {
        lines.push(format!(
            "    the API counts {}, of which {} came on these pages",
            report::counted(told, "record"),
            report::count(seen.records)
        ));
    }
    lines.extend(seen.table.iter().flat_map(|table| of_table(resource, table)));
    if let Some(path) = &seen.data_selector {
        lines.push(format!("    detected data_selector: {}", path_words(path)));
    }
    if matches!(resource.endpoint.paginator, PaginatorPlan::Undeclared) {
        lines.push(match &seen.paginator {
            Some(Detected { plan, from }) => format!(
                "    detected paginator: {} from {from}, proven by {} with {}",
                paginator_words(plan),
                report::counted(seen.pages, "page"),
                report::counted(seen.records, "record"),
            ),
            None if seen.reason == EndReason::SinglePage => {
                "    no sign of more pages: it is read as a single page, as long as it shows none".to_owned()
            }
            None => "    no page has proven a paginator".to_owned(),
        });
    }
    lines
}

/// What a run would do to a table.
fn of_table(resource: &ResourcePlan, Shown { change, is_new, rows, rejects, repeated }: &Shown) -> Vec<String> {
    let columns: Vec<String> = change
        .schema
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, report::type_words(&column.column_type)))
        .collect();
    let mut lines = Vec::new();
    if !columns.is_empty() {
        lines.push(format!("    columns: {}", start_of(&columns.join(", "), COLUMNS_CHARS)));
    }
    lines.push(match (is_new, change.new.len(), change.widened.len()) {
        (true, _, _) => format!("    a run makes the table `{}`", resource.table),
        (false, 0, 0) => {
            format!("    the table `{}` has {} and all of these columns", resource.table, report::counted(*rows, "row"))
        }
        (false, _, _) => {
            let widened = change
                .widened
                .iter()
                .map(|widened| format!("`{}` from {} to {}", widened.column, widened.from.hint_type(), widened.to.hint_type()));
            let new = (!change.new.is_empty()).then(|| format!("adds {}", change.new.join(", ")));
            let wider = (!change.widened.is_empty()).then(|| format!("widens {}", widened.collect::<Vec<_>>().join(", ")));
            let does: Vec<String> = new.into_iter().chain(wider).collect();
            format!("    to the table `{}` of {} a run {}", resource.table, report::counted(*rows, "row"), does.join(" and "))
        }
    });
    if let (count @ 1.., Some(first)) = rejects {
        lines.push(format!("    {} would be no row; the first: {first}", report::counted(*count, "record")));
    }
    if *repeated > 0 {
        lines.push(format!("    {} with the key of another one", report::counted(*repeated, "row")));
    }
    lines
}

/// The same as JSON.
pub(super) fn shown_json_of(resource: &ResourcePlan, seen: &Rehearsed, is_read: bool) -> Value {
    let warnings: Vec<Value> =
        seen.warnings.iter().map(|warning| json!({"code": warning.code.map(|code| code.name()), "text": warning.text})).collect();
    let mut told = json!({
        "status": if is_read { "answered" } else { "not_proven" },
        "pages": seen.pages,
        "records": seen.records,
        "first_page": {"records": seen.first_page.0, "bytes": seen.first_page.1},
        "end_reason": seen.reason.name(),
        "total_told": seen.told,
        "detected": {
            "data_selector": seen.data_selector.as_ref().map(path_words),
            "paginator": seen.paginator.as_ref().map(|detected| paginator_words(&detected.plan)),
            "from": seen.paginator.as_ref().map(|detected| detected.from.to_string()),
        },
        "warnings": warnings,
    });
    if !matches!(resource.endpoint.paginator, PaginatorPlan::Undeclared) {
        told["detected"]["paginator"] = Value::Null;
    }
    if let Some(table) = &seen.table {
        add(&mut told, table_json(table));
    }
    told
}

fn table_json(Shown { change, is_new, rows, rejects, repeated }: &Shown) -> Value {
    let columns: Vec<Value> = change
        .schema
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "type": report::type_words(&column.column_type)}))
        .collect();
    let widened: Vec<Value> = change
        .widened
        .iter()
        .map(|widened| json!({"column": widened.column, "from": widened.from.hint_type(), "to": widened.to.hint_type()}))
        .collect();
    json!({
        "columns": columns,
        "table_is_new": is_new,
        "table_rows": rows,
        "new_columns": change.new,
        "widened_columns": widened,
        "rejects": rejects.0,
        "first_reject": rejects.1,
        "rows_deduplicated": repeated,
    })
}
