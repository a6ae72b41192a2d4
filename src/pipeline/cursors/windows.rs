//! Windows: a range of cursors cut into half-open pieces of calendar time.

use crate::base::CursorValue;
use crate::config::{CursorRange, IncrementalPlan, WINDOWS_MAX};
use crate::pipeline::cursors::IncrementalError;

/// The windows that `range` consists of, in order: each begins where the one before it ends, the first at the range's start, the last ends at
/// its end. Without a `step`, and for a range that is open or empty, it is one.
///
/// # Errors
/// [`IncrementalError::TooManyWindows`].
pub(crate) fn windows(plan: &IncrementalPlan, range: CursorRange) -> Result<Vec<CursorRange>, IncrementalError> {
    let (Some(step), Some(start), Some(end)) = (plan.step, &range.start, &range.end) else { return Ok(vec![range]) };
    let mut windows = Vec::new();
    let mut from = start.clone();
    for count in 1.. {
        if windows.len() >= WINDOWS_MAX as usize {
            return Err(IncrementalError::TooManyWindows);
        }
        let next = start.stepped(step, count, plan.form.time_zone);
        match next.filter(|next| is_before(next, end)) {
            Some(next) => {
                // Where clocks are set forward, a step may lead to the time at which the last one ended.
                if is_before(&from, &next) {
                    windows.push(CursorRange { start: Some(from), end: Some(next.clone()) });
                    from = next;
                }
            }
            None => {
                windows.push(CursorRange { start: Some(from), end: Some(end.clone()) });
                break;
            }
        }
    }
    Ok(windows)
}

fn is_before(a: &CursorValue, b: &CursorValue) -> bool {
    a.order(b).is_ok_and(std::cmp::Ordering::is_lt)
}
