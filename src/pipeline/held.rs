//! Who loaded the rows that a table holds, and how: what a run checks before it adds to them.
//!
//! In: the states of all resources, with what [`note`] put into them. Out: nothing, or the refusal of a run that would load rows again or lose
//! some of them without a word. A run that rebuilds the table needs no look.

use serde_json::{Map, Value, json};

use crate::config::{ResourcePlan, WriteDisposition};
use crate::pipeline::RunError;

/// Notes in a resource's state which table it loads, and how.
pub(super) fn note(resource: &ResourcePlan, state: &mut Value) {
    state["table"] = json!(resource.table);
    state["write_disposition"] = json!(name(resource.write_disposition));
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
/// [`RunError::RowsOfAnother`], [`RunError::AppendOverOther`], [`RunError::MergeOverAppend`].
pub(super) fn check(resource: &ResourcePlan, states: Option<&Map<String, Value>>, rows: u64) -> Result<(), RunError> {
    let Some(states) = states.filter(|_| rows > 0) else { return Ok(()) };
    let loads_it = |state: &Value| state.get("table").and_then(Value::as_str) == Some(resource.table.as_str());
    // States of older programs do not name a table: such a resource has loaded its own.
    let own = states.get(&resource.name).filter(|state| state.get("table").is_none() || loads_it(state));
    let others = || states.iter().filter(|(other, state)| **other != resource.name && loads_it(state));
    let has_cursor = resource.endpoint.incremental.as_ref().is_some_and(|plan| plan.has_state());
    if own.is_none()
        && has_cursor
        && resource.write_disposition == WriteDisposition::Append
        && let Some((owner, _)) = others().next()
    {
        let (resource, table) = (resource.name.clone(), resource.table.clone());
        return Err(RunError::RowsOfAnother { resource, table, rows, owner: owner.clone() });
    }
    let disposition = |state: &Value| state.get("write_disposition").and_then(Value::as_str).map(str::to_owned);
    if has_cursor
        && resource.write_disposition == WriteDisposition::Append
        && let Some(before) = own.and_then(disposition).filter(|before| before != "append")
    {
        let (resource, table) = (resource.name.clone(), resource.table.clone());
        return Err(RunError::AppendOverOther { resource, table, before });
    }
    let appended = |state: &Value| disposition(state).as_deref() == Some("append");
    let is_appended = own.map_or_else(|| others().any(|(_, state)| appended(state)), appended);
    if is_appended && resource.write_disposition == WriteDisposition::Merge {
        let (resource, table) = (resource.name.clone(), resource.table.clone());
        return Err(RunError::MergeOverAppend { resource, table });
    }
    Ok(())
}
