//! Where reading starts, and how far a cursor may go.

use chrono::{DateTime, Utc};

use crate::base::{CursorValue, Edge};
use crate::config::{IncrementalPlan, LastValue};
use crate::pipeline::cursors::IncrementalError;
use crate::pipeline::cursors::state::Remembered;

/// Checks that a range without a next run leaves nothing to one: `settle` would.
///
/// # Errors
/// [`IncrementalError::Unsettled`].
pub(super) fn check_settled(plan: &IncrementalPlan, started: DateTime<Utc>) -> Result<(), IncrementalError> {
    let Some(end) = plan.end_value.as_ref().filter(|_| !plan.settle.is_zero() && plan.last == LastValue::Max) else {
        return Ok(());
    };
    match end.time(plan.form.time_zone).zip(plan.settled(started)) {
        Some((time, settled)) if time > settled => Err(IncrementalError::Unsettled { end: end.to_string() }),
        _ => Ok(()),
    }
}

/// Where reading starts: at the last cursor, `lag` before it, but not before `initial_value`.
pub(super) fn start_of(plan: &IncrementalPlan, remembered: &Remembered) -> Option<CursorValue> {
    let Some(last) = &remembered.last else { return plan.initial_value.clone() };
    let back = restart(plan, last);
    // A lag leads back to the first run's start at most.
    let first = plan.initial_value.as_ref().and_then(|initial| plan.form.fit(initial, last.kind(), Edge::Start).ok());
    Some(first.filter(|first| plan.is_farther(first, &back)).unwrap_or(back))
}

/// `farthest`, or the time at which the run asked where that is earlier: what was made since may still be on its way.
pub(crate) fn capped(plan: &IncrementalPlan, farthest: &CursorValue, asked: DateTime<Utc>) -> CursorValue {
    if plan.last == LastValue::Min {
        return farthest.clone();
    }
    let latest = plan.latest(asked, farthest);
    latest.filter(|latest| plan.is_farther(farthest, latest)).unwrap_or_else(|| farthest.clone())
}

/// `reached`, or `kept_to`, the farthest cursor of pages that an interrupted run has kept, where that is nearer: a record that got a later cursor
/// since may stand on one of those pages, which has it as it was. A time is capped by when that run asked.
pub(super) fn known_of_kept(
    plan: &IncrementalPlan,
    reached: CursorValue,
    asked: DateTime<Utc>,
    kept_to: Option<&CursorValue>,
) -> CursorValue {
    let is_nearer = |kept_to: &&CursorValue| plan.latest(asked, &reached).is_none() && plan.is_farther(&reached, kept_to);
    kept_to.filter(is_nearer).cloned().unwrap_or(reached)
}

/// The earliest cursor that the next run meets again, if `last` is remembered.
pub(crate) fn restart(plan: &IncrementalPlan, last: &CursorValue) -> CursorValue {
    plan.lag.map_or_else(|| last.clone(), |lag| last.shifted(lag, plan.last == LastValue::Min, plan.form.time_zone))
}
