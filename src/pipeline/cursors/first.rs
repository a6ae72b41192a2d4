//! Where a cursor began: what lies before that no run has asked for, and none will.
//!
//! In: the plan, and the cursors of last night. Out: nothing, or the refusal of a run whose `initial_value` lies before the start of a cursor that
//! goes on from its last value: the records between them would never come. Not here: ranges of an `append` that were loaded by themselves, which
//! may well be those records.

use crate::base::{CursorValue, Edge};
use crate::config::IncrementalPlan;
use crate::pipeline::cursors::IncrementalError;
use crate::pipeline::cursors::loaded::Loaded;
use crate::pipeline::cursors::state::State;

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
