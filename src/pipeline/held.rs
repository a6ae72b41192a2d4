//! Who loaded the rows that a table holds, and how: what a run checks before it adds to them.
//!
//! In: the states of all resources, with what [`note`] put into them. Out: nothing, or the refusal of a run that would load rows again or lose
//! some of them without a word. A run that rebuilds the table needs no look.

use serde_json::{Map, Value, json};

use crate::config::{ResourcePlan, WriteDisposition};

/// Why a run does not add to the rows of a table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeldError {
    /// An `append` with a cursor, or after one, into a table whose rows another resource loaded.
    #[error(
        "`{resource}` has no cursor for the table `{table}`, whose {rows} rows `{owner}` loaded: `append` would load them again"
    )]
    RowsOfAnother {
        /// The resource.
        resource: String,
        /// The table.
        table: String,
        /// Its rows.
        rows: u64,
        /// Who loaded them.
        owner: String,
    },
    /// A merge into a table that `append` loaded.
    #[error(
        "the table `{table}` was loaded by `append`, which keeps rows of one key; `merge` of `{resource}` keeps one row a key"
    )]
    MergeOverAppend {
        /// The resource.
        resource: String,
        /// The table.
        table: String,
    },
    /// An `append` with a cursor into a table that another disposition loaded, which remembers no records of the last cursor.
    #[error(
        "the table `{table}` was loaded by `{before}`, and `append` of `{resource}` would load the records of its last cursor again"
    )]
    AppendOverOther {
        /// The resource.
        resource: String,
        /// The table.
        table: String,
        /// The disposition that loaded it.
        before: String,
    },
    /// An `append` that had a cursor and has none.
    #[error(
        "the table `{table}` was loaded up to a cursor; without `endpoint.incremental`, `append` of `{resource}` would load its {rows} rows again"
    )]
    CursorTaken {
        /// The resource.
        resource: String,
        /// The table.
        table: String,
        /// Its rows.
        rows: u64,
    },
    /// An `append` that had no cursor and has one.
    #[error("the table `{table}` was loaded without a cursor, and `append` of `{resource}` would load its {rows} rows again")]
    CursorAdded {
        /// The resource.
        resource: String,
        /// The table.
        table: String,
        /// Its rows.
        rows: u64,
    },
}

impl HeldError {
    /// Advice for the operator.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::RowsOfAnother { resource, owner, table, .. } => format!(
                "to go on where it stood, name the resource `{owner}` again, with `table_name: {table}`; `--full-refresh --resource {resource}` rebuilds the table from this run alone"
            ),
            Self::AppendOverOther { resource, before, .. } => format!(
                "`--full-refresh --resource {resource}` rebuilds the table from this run alone; or put back `write_disposition: {before}`"
            ),
            Self::MergeOverAppend { resource, .. } => format!(
                "`--full-refresh --resource {resource}` rebuilds the table with one row a key; or put back `write_disposition: append`"
            ),
            Self::CursorTaken { resource, .. } => format!(
                "`write_disposition: replace` keeps the rows of the last run alone; or put `endpoint.incremental` back; or, where each run is to add all rows again, `--full-refresh --resource {resource}` rebuilds the table from this run alone"
            ),
            Self::CursorAdded { resource, .. } => format!(
                "`--full-refresh --resource {resource}` rebuilds the table from this run alone, and later runs add what is new; or take `endpoint.incremental` out again"
            ),
        }
    }
}

/// Notes in a resource's state which table it loads, and how.
pub(super) fn note(resource: &ResourcePlan, state: &mut Value) {
    state["table"] = json!(resource.table);
    state["write_disposition"] = json!(name(resource.write_disposition));
    if resource.endpoint.incremental.is_none() {
        state["without_cursor"] = json!(true);
    }
}

/// The table that the resource `name` loaded. States of older programs do not name one: such a resource has loaded its own.
pub(super) fn table_of<'s>(name: &'s str, state: &'s Value) -> &'s str {
    state.get("table").and_then(Value::as_str).unwrap_or(name)
}

/// Has a state tell of its table by another name.
pub(super) fn rename_table(state: &mut Value, table: &str) {
    state["table"] = json!(table);
    if let Some(made) = state.get_mut("incremental").and_then(|cursors| cursors.get_mut("table")) {
        *made = json!(table);
    }
}

fn name(disposition: WriteDisposition) -> &'static str {
    match disposition {
        WriteDisposition::Append => "append",
        WriteDisposition::Replace => "replace",
        WriteDisposition::Merge => "merge",
        WriteDisposition::Skip => "skip",
    }
}

/// Checks that `resource` may add to its table, which has so many `rows`.
///
/// # Errors
/// [`HeldError`].
pub(super) fn check(resource: &ResourcePlan, states: Option<&Map<String, Value>>, rows: u64) -> Result<(), HeldError> {
    let Some(states) = states.filter(|_| rows > 0) else { return Ok(()) };
    let loads_it = |state: &Value| state.get("table").and_then(Value::as_str) == Some(resource.table.as_str());
    // States of older programs do not name a table: such a resource has loaded its own.
    let own = states.get(&resource.name).filter(|state| state.get("table").is_none() || loads_it(state));
    let mut others = states.iter().filter(|(other, state)| **other != resource.name && loads_it(state));
    match resource.write_disposition {
        WriteDisposition::Append => match own {
            Some(own) => check_append(resource, own, rows),
            None => {
                let has_cursor = has_cursor(resource);
                let Some((owner, _)) = others.find(|(_, state)| has_cursor || has_cursors(state)) else { return Ok(()) };
                let (resource, table, owner) = (resource.name.clone(), resource.table.clone(), owner.clone());
                Err(HeldError::RowsOfAnother { resource, table, rows, owner })
            }
        },
        WriteDisposition::Merge => {
            let appended = |state: &Value| disposition(state) == Some("append");
            let is_appended = own.map_or_else(|| others.any(|(_, state)| appended(state)), appended);
            let (resource, table) = (resource.name.clone(), resource.table.clone());
            if is_appended { Err(HeldError::MergeOverAppend { resource, table }) } else { Ok(()) }
        }
        WriteDisposition::Replace | WriteDisposition::Skip => Ok(()),
    }
}

/// Checks that an `append` whose state is `own` loads none of the rows of its table again.
fn check_append(resource: &ResourcePlan, own: &Value, rows: u64) -> Result<(), HeldError> {
    let (name, table) = (resource.name.clone(), resource.table.clone());
    let before = disposition(own).filter(|before| *before != "append");
    let is_incremental = resource.endpoint.incremental.is_some();
    // States of older programs do not say that a range was loaded, nor that all was.
    let was_all = own.get("without_cursor").is_some();
    match (before, is_incremental && (has_cursor(resource) || was_all), was_incremental(own)) {
        (Some(before), _, _) if is_incremental => {
            Err(HeldError::AppendOverOther { resource: name, table, before: before.to_owned() })
        }
        (None, true, false) => Err(HeldError::CursorAdded { resource: name, table, rows }),
        (None, false, true) if !is_incremental => Err(HeldError::CursorTaken { resource: name, table, rows }),
        _ => Ok(()),
    }
}

/// Whether the resource goes on from a cursor that it remembers.
fn has_cursor(resource: &ResourcePlan) -> bool {
    resource.endpoint.incremental.as_ref().is_some_and(|plan| plan.has_state())
}

/// Whether the rows were loaded up to a cursor, or by ranges of one.
fn was_incremental(state: &Value) -> bool {
    state.get("incremental").is_some_and(|cursors| !cursors.is_null())
}

/// Whether there is a cursor up to which the rows were loaded.
fn has_cursors(state: &Value) -> bool {
    state.pointer("/incremental/cursors").and_then(Value::as_object).is_some_and(|cursors| !cursors.is_empty())
}

/// Whether rows were added up to a cursor, of which the state remembers the last by their key.
pub(super) fn is_appended_to_a_cursor(state: &Value) -> bool {
    disposition(state) == Some("append") && has_cursors(state)
}

fn disposition(state: &Value) -> Option<&str> {
    state.get("write_disposition").and_then(Value::as_str)
}
