//! Windows that failed and are left to the next run.
//!
//! A window brings older records than those behind it. So what is behind a window that was left is fetched again with it, in order, and becomes what
//! it is after a run without a failure; and a window may be left only while none of its rows are in the table.

use crate::base::{CursorValue, Edge};
use crate::config::{CursorRange, IncrementalPlan};
use crate::pipeline::cursors::state::Remembered;

/// `range`, from the first window on that was left.
pub(super) fn from_left(plan: &IncrementalPlan, range: CursorRange, remembered: &Remembered) -> CursorRange {
    let starts = remembered.pending.iter().map(|(start, _)| like(plan, start, range.start.as_ref()));
    let Some(first) = starts.reduce(|first, start| if plan.is_farther(&first, &start) { start } else { first }) else {
        return range;
    };
    if range.start.as_ref().is_some_and(|start| !plan.is_farther(start, &first)) {
        return range;
    }
    // Unless the first run's range begins with it, the window before it has left it its start.
    let follows = plan.initial_value.as_ref().is_none_or(|initial| like(plan, initial, Some(&first)) != first);
    CursorRange { start: Some(first), follows, ..range }
}

/// Whether nothing of the window `range` is loaded: it begins at the last cursor or behind it, or was left before.
pub(super) fn is_unloaded(plan: &IncrementalPlan, range: &CursorRange, remembered: &Remembered) -> bool {
    let (Some(start), Some(last)) = (&range.start, &remembered.last) else { return true };
    let was_left = |(from, to): &(CursorValue, CursorValue)| {
        let (from, to) = (like(plan, from, Some(start)), like(plan, to, Some(start)));
        let is_within = range.end.as_ref().is_some_and(|end| !plan.is_farther(end, &to));
        !plan.is_farther(&from, start) && is_within
    };
    !plan.is_farther(last, start) || remembered.pending.iter().any(was_left)
}

/// `value` as one of the type of `other`.
fn like(plan: &IncrementalPlan, value: &CursorValue, other: Option<&CursorValue>) -> CursorValue {
    other.and_then(|other| plan.form.fit(value, other.kind(), Edge::Start).ok()).unwrap_or_else(|| value.clone())
}
