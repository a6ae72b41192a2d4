//! How far a resource's pages reach, folded in page order.

use std::collections::{BTreeMap, HashMap};

use crate::base::{CursorType, CursorValue};
use crate::config::IncrementalPlan;
use crate::decode::cursor::{AtBorders, CursorFault, PageCursors, is_against};
use crate::source::UNCOUNTED;

/// Most marks that are kept for one cursor. Past it, records that a next run meets again cannot be told from new ones.
pub(crate) const MARKS_MAX: usize = 1_000_000;

/// Marks from which on those that no next run meets again are looked for.
const FORGET_FROM: usize = 4096;

/// What the accepted pages of a chain say of its cursor.
#[derive(Debug, Clone, Default)]
pub(crate) struct CursorProgress {
    /// The cursor that is farthest.
    pub(crate) farthest: Option<CursorValue>,
    /// Its type, once a record had one.
    pub(crate) kind: Option<CursorType>,
    /// Marks of the records that a next run may meet again, with their cursors, and how many such records came.
    pub(crate) marks: BTreeMap<u128, (CursorValue, u32)>,
    /// Marks of the records without a cursor.
    pub(crate) missing_marks: Vec<u128>,
    /// Marks by spelling of records that have one by value from here on.
    pub(crate) replaced_marks: Vec<u128>,
    /// The farthest cursor for which there were more of them than [`MARKS_MAX`]; they are not kept.
    pub(crate) too_many_marks_at: Option<CursorValue>,
    /// Marks at which they are looked through again.
    forget_at: usize,
    /// Whether a record came against `row_order`.
    pub(crate) is_disordered: bool,
    /// Records dropped because they lie outside the range.
    pub(crate) outside: u64,
    /// Those of them that lie far before the start.
    pub(crate) far_before: u64,
    /// The cursor of the first of them.
    pub(crate) first_outside: Option<CursorValue>,
    /// Records where this window meets others.
    pub(crate) at_borders: AtBorders,
    /// Records dropped because they are loaded already.
    pub(crate) repeated: u64,
    /// Records without a cursor.
    pub(crate) missing: u64,
    /// How often it was begun anew behind a cursor of the API that had expired.
    pub(crate) restarts: u64,
    last: Option<CursorValue>,
    /// Records of each mark that were dropped, where it is counted how many of them are loaded.
    had: HashMap<u128, u32>,
}

impl CursorProgress {
    /// Records up to this cursor, of which nothing else is known.
    pub(crate) fn up_to(farthest: Option<CursorValue>) -> Self {
        Self { kind: farthest.as_ref().map(CursorValue::kind), farthest, ..Self::default() }
    }

    /// The records that come next follow none: the same range is read again from the farthest cursor on.
    pub(crate) fn begin_anew(&mut self) {
        self.last = None;
        self.restarts += 1;
    }

    /// What pages before `page` have had of the records that are loaded, where that leaves fewer of them than `page` dropped.
    pub(crate) fn overdrawn(&self, page: &PageCursors, known: &HashMap<u128, u32>) -> Option<&HashMap<u128, u32>> {
        let left = |mark: &u128| known.get(mark).unwrap_or(&0).saturating_sub(*self.had.get(mark).unwrap_or(&0));
        page.had.iter().any(|(mark, dropped)| *dropped > left(mark)).then_some(&self.had)
    }

    /// Whether the range has ended with `page`: `row_order` holds so far, and the page has left the range.
    pub(crate) fn is_out_of_range(&self, plan: &IncrementalPlan, page: &PageCursors) -> bool {
        let follows = match (&self.last, &page.ends) {
            (Some(last), Some((first, _))) => !is_against(plan.row_order, last, first),
            _ => true,
        };
        page.is_out_of_range && follows && !page.is_disordered && !self.is_disordered
    }

    /// Takes the next page. `remembered` tells the cursors that a next run starts at or before: their marks are kept.
    ///
    /// # Errors
    /// [`CursorFault`]: the page's own, or a type that changes from page to page.
    pub(crate) fn take(
        &mut self,
        plan: &IncrementalPlan,
        page: PageCursors,
        remembered: &dyn Fn(&CursorValue) -> CursorValue,
    ) -> Result<(), CursorFault> {
        if let Some(fault) = page.fault {
            return Err(fault);
        }
        if let Some((first, last)) = page.ends {
            let kind = *self.kind.get_or_insert(first.kind());
            if kind != first.kind() {
                return Err(CursorFault::Type {
                    record: 0,
                    path: plan.cursor_path.clone(),
                    expected: format!("a {}", kind.name()),
                    found: format!("a {}", first.kind().name()),
                });
            }
            self.is_disordered |= self.last.as_ref().is_some_and(|last| is_against(plan.row_order, last, &first));
            self.last = Some(last);
        }
        self.is_disordered |= page.is_disordered;
        self.outside += page.outside;
        self.far_before += page.far_before;
        self.first_outside = self.first_outside.take().or(page.first_outside);
        self.at_borders.start += page.at_borders.start;
        self.at_borders.end += page.at_borders.end;
        self.repeated += page.repeated;
        self.missing += page.missing;
        if let Some(farthest) = page.farthest
            && self.farthest.as_ref().is_none_or(|known| plan.is_farther(&farthest, known))
        {
            self.farthest = Some(farthest);
        }
        self.missing_marks.extend(page.missing_marks);
        self.replaced_marks.extend(page.replaced_marks);
        for (mark, dropped) in page.had {
            *self.had.entry(mark).or_default() += dropped;
        }
        for (value, mark) in page.marks {
            let (_, count) = self.marks.entry(mark).or_insert((value, 0));
            *count = count.saturating_add(1).min(UNCOUNTED - 1);
        }
        if self.marks.len() > self.forget_at.max(FORGET_FROM) {
            self.forget(plan, remembered);
        }
        Ok(())
    }

    /// Drops the marks of records that no next run meets again.
    fn forget(&mut self, plan: &IncrementalPlan, remembered: &dyn Fn(&CursorValue) -> CursorValue) {
        let Some(farthest) = &self.farthest else { return };
        let from = remembered(farthest);
        self.marks.retain(|_, (value, _)| plan.meets(&from, value));
        if self.marks.len() > MARKS_MAX {
            self.too_many_marks_at = Some(farthest.clone());
            self.marks.clear();
        }
        self.forget_at = (self.marks.len() * 2).min(MARKS_MAX);
    }
}
