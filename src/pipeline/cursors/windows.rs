//! Windows: a range of cursors cut into half-open pieces of calendar time.

use std::collections::BTreeMap;

use crate::base::CursorValue;
use crate::config::{CursorRange, IncrementalPlan, WINDOWS_MAX};
use crate::decode::AtBorders;
use crate::pipeline::cursors::IncrementalError;

/// The windows that `range` consists of, in order: each begins where the one before it ends, the first at the range's start, the last ends at
/// its end. Only there `range_start` and `range_end` have a say. Without a `step`, and for a range that is open or empty, it is one.
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
                    let follows = !windows.is_empty();
                    windows.push(CursorRange { start: Some(from), end: Some(next.clone()), follows, is_followed: true });
                    from = next;
                }
            }
            None => {
                let follows = !windows.is_empty();
                windows.push(CursorRange { start: Some(from), end: Some(end.clone()), follows, is_followed: false });
                break;
            }
        }
    }
    Ok(windows)
}

fn is_before(a: &CursorValue, b: &CursorValue) -> bool {
    a.order(b).is_ok_and(std::cmp::Ordering::is_lt)
}

/// The records where two windows meet, as either of them saw them. The one before leaves them to the one behind; an API whose ranges leave out
/// their start gives that none, and the rows would be in neither.
#[derive(Debug, Default)]
pub(super) struct Borders(BTreeMap<String, Border>);

#[derive(Debug, Default)]
struct Border {
    at: String,
    left: u64,
    /// `None` until the window behind has ended whole.
    taken: Option<u64>,
}

impl Borders {
    /// A window ended whole.
    pub(super) fn note(&mut self, range: &CursorRange, at: AtBorders) {
        if let (Some(start), true) = (&range.start, range.follows) {
            self.at(start).taken.get_or_insert(at.start);
        }
        if let (Some(end), true) = (&range.end, range.is_followed) {
            self.at(end).left += at.end;
        }
    }

    fn at(&mut self, value: &CursorValue) -> &mut Border {
        self.0.entry(value.identity()).or_insert_with(|| Border { at: value.to_string(), ..Border::default() })
    }

    /// # Errors
    /// [`IncrementalError::Border`].
    pub(super) fn check(&self) -> Result<(), IncrementalError> {
        let lost = self.0.values().find(|border| border.taken.is_some_and(|taken| taken < border.left));
        let Some(Border { at, left, taken }) = lost else { return Ok(()) };
        Err(IncrementalError::Border { at: at.clone(), left: *left, taken: taken.unwrap_or_default() })
    }
}
