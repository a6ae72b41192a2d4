//! The cursor filter: which records of an incremental resource become rows, and how far they reach.
//!
//! In: records, and the [`CursorFilter`] of a range. Out: whether each is kept, and a [`PageCursors`] for the page. Invariants: pure; filtering what was
//! kept once more keeps all of it; every record is kept, counted as filtered, or the page's fault. Positions are compared in the direction of
//! `last_value_func`: with `min`, the range runs backwards.
//! Not here: what is remembered from run to run (`pipeline`).

mod held;
mod hook;
mod mark;
mod progress;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::{CursorType, CursorValue, Edge, JsonPath, Step, TypeMismatch};
use crate::config::{CursorRange, Dedup, IncrementalPlan, LastValue, OnMissingCursor, Outside, RowOrder};
use crate::decode::Json;
use crate::schema::nearest;
use crate::source::UNCOUNTED;

pub(crate) use held::Held;
pub(crate) use hook::CursorHook;
use mark::{mark, mark as mark_as_it_came, mark_by_spelling, mark_by_type};
pub(crate) use progress::{CursorProgress, MARKS_MAX};

/// What lets the records of one range through.
#[derive(Debug, Clone)]
pub(crate) struct CursorFilter {
    /// The resource's plan.
    pub(crate) plan: Arc<IncrementalPlan>,
    /// What is asked for.
    pub(crate) range: CursorRange,
    /// What the cursor is, as far as the state knows; rows of another type are a fault.
    pub(crate) kind: Option<CursorType>,
    /// Marks of records at or behind the start that are loaded already, each with how many such records are.
    pub(crate) known: Arc<HashMap<u128, u32>>,
    /// Whether some of them are of an older program, which marked records as they were spelled.
    pub(crate) is_known_by_spelling: bool,
    /// What declared columns make of texts.
    pub(crate) held: Arc<Held>,
    /// When the run began to ask, by the API's clock: no cursor that is a time is remembered past it.
    pub(crate) asked: DateTime<Utc>,
}

/// What a page's records say of the cursor.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageCursors {
    /// The cursor that is farthest, of the records kept.
    pub(crate) farthest: Option<CursorValue>,
    /// The first record's cursor and the last one's, of all that have one.
    pub(crate) ends: Option<(CursorValue, CursorValue)>,
    /// Whether the records contradict `row_order`.
    pub(crate) is_disordered: bool,
    /// Whether a record lies where, by `row_order`, nothing of the range can follow.
    pub(crate) is_out_of_range: bool,
    /// Records dropped because they lie outside the range.
    pub(crate) outside: u64,
    /// Those of them that lie so far before the start that a start rounded down does not bring them.
    pub(crate) far_before: u64,
    /// The cursor of the first of them.
    pub(crate) first_outside: Option<CursorValue>,
    /// Records at the border to the window before, and at the one to the window behind, which has them too.
    pub(crate) at_borders: AtBorders,
    /// Records dropped because they are loaded already.
    pub(crate) repeated: u64,
    /// Records without a cursor, kept or dropped as the plan says.
    pub(crate) missing: u64,
    /// The cursors and marks of records that a next run may meet again.
    pub(crate) marks: Vec<(CursorValue, u128)>,
    /// Marks of records that are loaded without a cursor: any later run may meet them again.
    pub(crate) missing_marks: Vec<u128>,
    /// Marks by spelling of records that have one by value from here on.
    pub(crate) replaced_marks: Vec<u128>,
    /// Records of each mark that were dropped, where it is counted how many of them are loaded.
    pub(crate) had: HashMap<u128, u32>,
    /// By when the page was asked for, by the API's clock.
    pub(crate) asked: Option<DateTime<Utc>>,
    /// The first record that cannot be placed; the run fails with it.
    pub(crate) fault: Option<CursorFault>,
}

/// Records that stand where two windows meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AtBorders {
    /// At the start of a window that follows another one: they are its.
    pub(crate) start: u64,
    /// At the end of a window that is followed by another one: they are that one's.
    pub(crate) end: u64,
}

impl PageCursors {
    /// Counts a record outside the range.
    fn leave_out(&mut self, value: &CursorValue) {
        self.outside += 1;
        if self.first_outside.is_none() {
            self.first_outside = Some(value.clone());
        }
    }
}

/// A record that cannot be placed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum CursorFault {
    /// `on_cursor_value_missing: raise`.
    #[error("record {} has no cursor at `{path}`{}", .record + 1, .near.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    Missing {
        /// From 0, among the page's records.
        record: u64,
        /// `cursor_path`.
        path: JsonPath,
        /// The member of the record that it most likely stands for.
        near: Option<String>,
    },
    /// Its cursor is of another type than those before it, or no scalar.
    #[error("record {} has {found} at `{path}`, where the cursor is {expected}", .record + 1)]
    Type {
        /// From 0, among the page's records.
        record: u64,
        /// `cursor_path`.
        path: JsonPath,
        /// What the cursor is.
        expected: String,
        /// What came.
        found: String,
    },
    /// The config's or the state's bound is of another type than the records.
    #[error("{what} cannot be compared with record {}: {source}", .record + 1)]
    Bound {
        /// From 0, among the page's records.
        record: u64,
        /// Which bound.
        what: &'static str,
        /// Why.
        source: TypeMismatch,
    },
    /// `strict_window: error`.
    #[error("record {} lies outside the range asked for", .record + 1)]
    Outside {
        /// From 0, among the page's records.
        record: u64,
    },
}

impl CursorFault {
    /// Advice for the operator.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "`on_cursor_value_missing: include` or `exclude` says what becomes of such records",
            Self::Type { .. } => "a cursor has one type; look at what the API answers, or choose another `cursor_path`",
            Self::Bound { .. } => {
                "write `initial_value` and `end_value` as the API spells the cursor, or set `convert` where it is an epoch number"
            }
            Self::Outside { .. } => {
                "the API does not keep to the range it is asked for; `strict_window: drop` drops such records and counts them"
            }
        }
    }
}

/// The member of a record that a path of one name most likely stands for, where the record has none of that name.
fn meant(record: &Json, path: &JsonPath) -> Option<String> {
    let ([Step::Key(name)], Json::Object(members)) = (path.steps(), record) else { return None };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    if names.contains(&name.as_str()) { None } else { nearest(name, &names).map(str::to_owned) }
}

/// Most that an API rounds the start down to which it is asked for.
const ROUNDED_MAX: TimeDelta = TimeDelta::days(2);

/// A [`CursorFilter`] at work on one page.
#[derive(Debug)]
pub(crate) struct PageFilter {
    filter: CursorFilter,
    kind: Option<CursorType>,
    /// The range as values of `kind`.
    start: Option<CursorValue>,
    end: Option<CursorValue>,
    record: u64,
    seen: PageCursors,
}

impl PageFilter {
    /// Begins a page.
    pub(crate) fn new(filter: CursorFilter) -> Self {
        Self { filter, kind: None, start: None, end: None, record: 0, seen: PageCursors::default() }
    }

    /// What the page's records said.
    pub(crate) fn finish(self) -> PageCursors {
        PageCursors { asked: Some(self.filter.asked), ..self.seen }
    }

    /// Whether the next record becomes a row.
    pub(crate) fn keeps(&mut self, record: &Json) -> bool {
        let number = self.record;
        self.record += 1;
        match self.judge(record, number) {
            Ok(keeps) => keeps,
            Err(fault) => {
                self.seen.fault.get_or_insert(fault);
                false
            }
        }
    }

    /// Whether `value`, which lies before the start, does so by more than an API rounds a time down: to a day, of whatever time zone.
    fn is_far_before(&self, value: &CursorValue) -> bool {
        let zone = self.filter.plan.form.time_zone;
        match (value.time(zone), self.start.as_ref().and_then(|start| start.time(zone))) {
            (Some(time), Some(start)) => (start - time).abs() > ROUNDED_MAX,
            _ => true,
        }
    }

    fn judge(&mut self, record: &Json, number: u64) -> Result<bool, CursorFault> {
        let plan = Arc::clone(&self.filter.plan);
        let Some(value) = self.value(record, number)? else {
            self.seen.missing += 1;
            return match plan.on_missing {
                OnMissingCursor::Raise => {
                    let (path, near) = (plan.cursor_path.clone(), meant(record, &plan.cursor_path));
                    Err(CursorFault::Missing { record: number, path, near })
                }
                OnMissingCursor::Include => Ok(self.keeps_missing(record)),
                OnMissingCursor::Exclude => Ok(false),
            };
        };
        self.fix_type(&value, number)?;
        let to = |bound: &Option<CursorValue>| bound.as_ref().and_then(|bound| self.position(&value, bound));
        let (to_start, to_end) = (to(&self.start), to(&self.end));
        self.note_order(&value);
        let is_before = to_start == Some(Ordering::Less);
        let (follows, is_followed) = (self.filter.range.follows, self.filter.range.is_followed);
        let (is_at_start, is_at_end) = (to_start == Some(Ordering::Equal), to_end == Some(Ordering::Equal));
        let is_behind = to_end == Some(Ordering::Greater) || (is_at_end && (is_followed || !plan.keeps_end));
        let is_unsettled = self.is_unsettled(&value);
        self.note_range(is_before, is_behind);
        self.seen.far_before += u64::from(is_before && self.is_far_before(&value));
        if is_unsettled {
            self.seen.leave_out(&value);
            return Ok(false);
        }
        self.seen.at_borders.start += u64::from(is_at_start && follows);
        if is_at_end && is_followed && plan.outside != Outside::Keep {
            self.seen.at_borders.end += 1;
            self.seen.leave_out(&value);
            return Ok(false);
        }
        if is_before || is_behind {
            match plan.outside {
                Outside::Error => return Err(CursorFault::Outside { record: number }),
                Outside::Keep => {
                    self.seen.leave_out(&value);
                    return Ok(true);
                }
                Outside::Drop => {
                    self.seen.leave_out(&value);
                    return Ok(false);
                }
            }
        }
        if is_at_start && !follows && !plan.keeps_start {
            self.seen.leave_out(&value);
            return Ok(false);
        }
        if plan.dedup != Dedup::Off && plan.has_state() {
            let mark = mark(&plan.dedup, plan.form, Some(&value), &self.filter.held.of(record));
            let is_farther =
                self.seen.farthest.as_ref().is_none_or(|farthest| self.position(&value, farthest) != Some(Ordering::Less));
            if is_farther || plan.lag.is_some() || self.is_recent(&value) {
                self.seen.marks.push((value.clone(), mark));
            }
            if self.is_known(mark, Some(&value), record) {
                self.seen.repeated += 1;
                self.reach(value);
                return Ok(false);
            }
        }
        self.reach(value);
        Ok(true)
    }

    /// Whether a record without a cursor is loaded: in every run, unless it is marked.
    fn keeps_missing(&mut self, record: &Json) -> bool {
        let plan = &self.filter.plan;
        if plan.dedup == Dedup::Off || !plan.has_state() {
            return true;
        }
        let mark = mark(&plan.dedup, plan.form, None, &self.filter.held.of(record));
        self.seen.missing_marks.push(mark);
        let is_known = self.is_known(mark, None, record);
        self.seen.repeated += u64::from(is_known);
        !is_known
    }

    /// Whether the record is loaded already, by its mark or by one that an older program gave it. Of records that are the same, so many
    /// are as were loaded; one more is new.
    fn is_known(&mut self, mark: u128, value: Option<&CursorValue>, record: &Json) -> bool {
        let filter = &self.filter;
        if filter.known.is_empty() {
            return false;
        }
        let (dedup, form) = (&filter.plan.dedup, filter.plan.form);
        let older = || {
            let as_it_came = mark_as_it_came(dedup, form, value, record);
            let by_type = mark_by_type(dedup, form, value, record);
            let by_spelling = value.filter(|_| filter.is_known_by_spelling).map(|value| mark_by_spelling(dedup, value, record));
            [as_it_came, by_type].into_iter().chain(by_spelling).find(|mark| filter.known.contains_key(mark))
        };
        let Some(known) = Some(mark).filter(|mark| filter.known.contains_key(mark)).or_else(older) else { return false };
        if known != mark {
            self.seen.replaced_marks.push(known);
        }
        let loaded = filter.known[&known];
        if *dedup != Dedup::Record || loaded == UNCOUNTED {
            return true;
        }
        let had = self.seen.had.entry(known).or_default();
        let is_loaded = *had < loaded;
        *had += u32::from(is_loaded);
        is_loaded
    }

    fn value(&self, record: &Json, number: u64) -> Result<Option<CursorValue>, CursorFault> {
        let plan = &*self.filter.plan;
        let wrong = |found: &str| {
            let expected =
                self.kind.or(self.filter.kind).map_or_else(|| "a scalar".to_owned(), |kind| format!("a {}", kind.name()));
            Err(CursorFault::Type { record: number, path: plan.cursor_path.clone(), expected, found: found.to_owned() })
        };
        let Ok(found) = record.first(&plan.cursor_path) else { return wrong("more values than its path may find") };
        match found {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Number(token)) => match plan.form.number(token) {
                Some(value) => Ok(Some(value)),
                None => wrong("a number past 20 digits"),
            },
            Some(Json::Text(text)) if text.is_empty() => Ok(None),
            Some(Json::Text(text)) => Ok(Some(plan.form.text(text))),
            Some(Json::Bool(_)) => wrong("a boolean"),
            Some(Json::Array(_)) => wrong("an array"),
            Some(Json::Object(_)) => wrong("an object"),
        }
    }

    /// The type of the first record is that of all; the range is brought to it.
    fn fix_type(&mut self, value: &CursorValue, number: u64) -> Result<(), CursorFault> {
        let (filter, kind) = (&self.filter, value.kind());
        if let Some(expected) = self.kind.or(filter.kind)
            && expected != kind
        {
            return Err(CursorFault::Type {
                record: number,
                path: filter.plan.cursor_path.clone(),
                expected: format!("a {}", expected.name()),
                found: format!("a {}", kind.name()),
            });
        }
        if self.kind.is_some() {
            return Ok(());
        }
        let fit = |bound: &Option<CursorValue>, edge, what| match bound {
            None => Ok(None),
            Some(bound) => {
                let fitted = filter.plan.form.fit(bound, kind, edge);
                fitted.map(Some).map_err(|source| CursorFault::Bound { record: number, what, source })
            }
        };
        let (first, last) = match filter.plan.last {
            LastValue::Max => (Edge::Start, Edge::End),
            LastValue::Min => (Edge::End, Edge::Start),
        };
        self.start = fit(&filter.range.start, first, "the start of the range")?;
        self.end = fit(&filter.range.end, last, "the end of the range")?;
        self.kind = Some(kind);
        Ok(())
    }

    /// Where `value` lies from `bound` on, in the direction of the range.
    fn position(&self, value: &CursorValue, bound: &CursorValue) -> Option<Ordering> {
        let order = value.order(bound).ok()?;
        Some(if self.filter.plan.last == LastValue::Min { order.reverse() } else { order })
    }

    fn reach(&mut self, value: CursorValue) {
        let is_farther = self.seen.farthest.as_ref().is_none_or(|farthest| self.filter.plan.is_farther(&value, farthest));
        if is_farther {
            self.seen.farthest = Some(value);
        }
    }

    fn note_order(&mut self, value: &CursorValue) {
        let Some((_, last)) = &mut self.seen.ends else {
            self.seen.ends = Some((value.clone(), value.clone()));
            return;
        };
        self.seen.is_disordered |= is_against(self.filter.plan.row_order, last, value);
        *last = value.clone();
    }

    fn note_range(&mut self, is_before: bool, is_behind: bool) {
        let plan = &self.filter.plan;
        let is_forward = match (plan.row_order, plan.last) {
            (None, _) => return,
            (Some(RowOrder::Asc), LastValue::Max) | (Some(RowOrder::Desc), LastValue::Min) => true,
            (Some(_), _) => false,
        };
        self.seen.is_out_of_range |= if is_forward { is_behind } else { is_before };
    }

    /// Whether the API may still add records beside this one.
    fn is_unsettled(&self, value: &CursorValue) -> bool {
        let plan = &self.filter.plan;
        if plan.settle.is_zero() || plan.last == LastValue::Min {
            return false;
        }
        let settled = plan.settled(self.filter.asked);
        matches!((value.time(plan.form.time_zone), settled), (Some(time), Some(settled)) if time >= settled)
    }

    /// Whether it is a time at or behind the latest that may be remembered, so that the next run may meet it again.
    fn is_recent(&self, value: &CursorValue) -> bool {
        let plan = &self.filter.plan;
        plan.last == LastValue::Max && plan.latest_may_be(self.filter.asked, value)
    }
}

/// Whether `next` may not follow `last` in this order.
pub(crate) fn is_against(order: Option<RowOrder>, last: &CursorValue, next: &CursorValue) -> bool {
    match order {
        None => false,
        Some(RowOrder::Asc) => last.order(next) == Ok(Ordering::Greater),
        Some(RowOrder::Desc) => last.order(next) == Ok(Ordering::Less),
    }
}

#[cfg(test)]
mod tests;
