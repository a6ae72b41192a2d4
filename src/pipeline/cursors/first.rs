//! Where a cursor began: what lies before that no run has asked for, and none will.
//!
//! In: the plan, and the cursors of last night. Out: nothing, or the refusal of a run whose `initial_value` lies before the start of a cursor that
//! goes on from its last value: the records between them would never come; and of one that rebuilds a table from a later start: its first rows
//! would go. Not here: ranges of an `append` that were loaded by themselves, which
//! may well be those records.

use serde_json::Value;

use crate::base::{CursorValue, Edge};
use crate::config::{IncrementalPlan, ResourcePlan, WriteDisposition};
use crate::pipeline::cursors::IncrementalError;
use crate::pipeline::cursors::loaded::Loaded;
use crate::pipeline::cursors::state::{self, State};

/// The start of a cursor's first run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum First {
    /// A state of an older program does not say it.
    #[default]
    Unknown,
    /// `initial_value`; none for a run that asked for all.
    At(Option<CursorValue>),
}

impl First {
    /// What is remembered behind a run of `plan`.
    pub(crate) fn or_of(self, plan: &IncrementalPlan) -> Self {
        match self {
            Self::Unknown => Self::At(plan.initial_value.clone()),
            known => known,
        }
    }
}

/// Checks that `plan` starts no cursor of `state` before its first run did, or that what lies between is `loaded`.
///
/// # Errors
/// [`IncrementalError::StartMovedBack`].
pub(crate) fn check(plan: &IncrementalPlan, state: &State, loaded: Option<&Loaded>) -> Result<(), IncrementalError> {
    for cursor in state.cursors.values().filter(|cursor| cursor.last.is_some()) {
        let First::At(Some(first)) = &cursor.first else { continue };
        let fit = |value: &CursorValue| {
            let kind = cursor.last.as_ref().map_or(value.kind(), CursorValue::kind);
            plan.form.fit(value, kind, Edge::Start).unwrap_or_else(|_| value.clone())
        };
        let (first, now) = (fit(first), plan.initial_value.as_ref().map(fit));
        let is_before = now.as_ref().is_none_or(|now| plan.is_farther(&first, now));
        let is_loaded = || now.as_ref().zip(loaded).is_some_and(|(now, loaded)| loaded.covers(plan, state.kind, now, &first));
        if is_before && !is_loaded() {
            let is = now.map_or_else(|| "not set".to_owned(), |now| format!("`{now}`"));
            return Err(IncrementalError::StartMovedBack { is, first: first.to_string(), is_append: loaded.is_some() });
        }
    }
    Ok(())
}

/// Checks that a table of `resource` that is rebuilt loses no rows because its cursor starts later than the one of the `stored` state did, unless
/// any loss is allowed. A state that was made otherwise says nothing.
///
/// # Errors
/// [`IncrementalError::StartMovedOn`].
pub(crate) fn check_rebuild(resource: &ResourcePlan, stored: Option<&Value>) -> Result<(), IncrementalError> {
    let plan = resource.endpoint.incremental.as_ref().filter(|plan| plan.has_state());
    let goes_on = matches!(resource.write_disposition, WriteDisposition::Append | WriteDisposition::Merge);
    let is_guarded = resource.expect.max_shrink.is_some_and(|allowed| allowed < 1.0);
    let Some((plan, stored)) = plan.filter(|_| goes_on && is_guarded).zip(stored.and_then(|state| state.get("incremental")))
    else {
        return Ok(());
    };
    let is_same = stored.get("cursor_path").and_then(Value::as_str) == Some(plan.cursor_path.to_string().as_str());
    let cursors = stored.get("cursors").and_then(Value::as_object).filter(|_| is_same);
    let Some(now) = &plan.initial_value else { return Ok(()) };
    let fit = |value: &CursorValue| plan.form.fit(value, now.kind(), Edge::Start).unwrap_or_else(|_| value.clone());
    for first in cursors.into_iter().flat_map(|cursors| cursors.values()).filter_map(|cursor| cursor.get("first_value")) {
        let was = match first {
            Value::Null => "the first record".to_owned(),
            first => match state::value(first, plan, None) {
                Some(first) if plan.is_farther(now, &fit(&first)) => format!("`{first}`"),
                _ => continue,
            },
        };
        return Err(IncrementalError::StartMovedOn { is: now.to_string(), was });
    }
    Ok(())
}
