//! Reading on within a run, where a cursor of the API has expired: from the farthest record that has come.
//!
//! Only where that loses nothing: records come in the order of their cursor, all of them have one, the request and the range begin with the
//! start and not behind it, and copies become one row by their key.

use std::sync::Arc;

use crate::base::Edge;
use crate::config::WriteDisposition;
use crate::config::{
    Binding, IncrementalPlan, IncrementalValue, LastValue, OnMissingCursor, PaginatorPlan, ResourcePlan, RowOrder,
};
use crate::decode::CursorProgress;
use crate::source::{Slice, SliceCursor};

/// Values of the request that tell where to start.
const STARTS: [IncrementalValue; 2] = [IncrementalValue::Start, IncrementalValue::Last];

/// Whether `resource` may be read on from the farthest record.
pub(crate) fn may_read_on(resource: &ResourcePlan) -> bool {
    let Some(plan) = &resource.endpoint.incremental else { return false };
    let is_asked = |binding: &&Binding| matches!(binding, Binding::Incremental(value) if STARTS.contains(value));
    has_cursors(&resource.endpoint.paginator)
        && resource.write_disposition == WriteDisposition::Merge
        && !resource.primary_key.is_empty()
        && (plan.row_order, plan.last) == (Some(RowOrder::Asc), LastValue::Max)
        && plan.on_missing != OnMissingCursor::Include
        && plan.keeps_start
        && resource.endpoint.request.bindings().iter().any(is_asked)
}

/// Whether each page names the next one by something that the API may forget.
fn has_cursors(paginator: &PaginatorPlan) -> bool {
    match paginator {
        PaginatorPlan::JsonLink { .. }
        | PaginatorPlan::HeaderLink { .. }
        | PaginatorPlan::HeaderCursor { .. }
        | PaginatorPlan::Cursor { .. } => true,
        PaginatorPlan::Undeclared
        | PaginatorPlan::SinglePage
        | PaginatorPlan::Offset { .. }
        | PaginatorPlan::PageNumber { .. } => false,
    }
}

/// `slice` from the farthest record on; `None` where that is not known, or records came against their order.
pub(crate) fn from_farthest(plan: &IncrementalPlan, slice: &Slice, progress: &CursorProgress) -> Option<Slice> {
    let (cursor, farthest) = (slice.cursor.as_deref()?, progress.farthest.as_ref()?);
    if progress.is_disordered {
        return None;
    }
    let sent = plan.sent(farthest, Edge::Start).ok()?;
    let text = if sent.is_number { sent.text } else { serde_json::Value::String(sent.text).to_string() };
    let mut values = cursor.values.clone();
    values.iter_mut().filter(|(of, _)| STARTS.contains(of)).for_each(|(_, value)| *value = text.as_str().into());
    // The first run has no start unless `initial_value` is one.
    for of in STARTS {
        if !values.iter().any(|(known, _)| *known == of) {
            values.push((of, text.as_str().into()));
        }
    }
    let mut range = cursor.range.clone();
    range.start = Some(farthest.clone());
    Some(Slice { cursor: Some(Arc::new(SliceCursor { range, values, ..cursor.clone() })), ..slice.clone() })
}
