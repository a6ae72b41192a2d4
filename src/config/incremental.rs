//! The plan of incremental loading: what a run asks for, and which records it keeps.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::{Converter, CursorForm, CursorStep, CursorValue, Edge, JsonPath, Lag, NoTime, Sent};

/// Most windows of one cursor in one run.
pub(crate) const WINDOWS_MAX: u32 = 10_000;

/// Incremental loading of one resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct IncrementalPlan {
    /// Where the cursor stands in a record.
    pub(crate) cursor_path: JsonPath,
    /// How its values are read.
    pub(crate) form: CursorForm,
    /// Where the first run starts.
    pub(crate) initial_value: Option<CursorValue>,
    /// Where the run ends; with it, the run has no state.
    pub(crate) end_value: Option<CursorValue>,
    /// Query parameter that gets the start.
    pub(crate) start_param: Option<String>,
    /// Query parameter that gets the end.
    pub(crate) end_param: Option<String>,
    /// How both are written into the request.
    pub(crate) convert: Option<Converter>,
    /// Which cursor is remembered.
    pub(crate) last: LastValue,
    /// What tells records of one cursor apart.
    pub(crate) dedup: Dedup,
    /// The order of the API's records, where it is known.
    pub(crate) row_order: Option<RowOrder>,
    /// Records without a cursor.
    pub(crate) on_missing: OnMissingCursor,
    /// How far before the last cursor to start.
    pub(crate) lag: Option<Lag>,
    /// Whether records at the start are kept.
    pub(crate) keeps_start: bool,
    /// Whether records at the end are kept.
    pub(crate) keeps_end: bool,
    /// The length of windows, for resources that are read in windows.
    pub(crate) step: Option<CursorStep>,
    /// Whether the range ends at the time of the run.
    pub(crate) until_now: bool,
    /// Records younger than this are left to the next run.
    pub(crate) settle: Duration,
    /// Records outside the range asked for.
    pub(crate) outside: Outside,
    /// With a parent: a cursor for each of its records.
    pub(crate) is_per_parent: bool,
}

/// dlt's `last_value_func`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastValue {
    /// The greatest.
    Max,
    /// The smallest.
    Min,
}

/// What tells records of one cursor apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dedup {
    /// The values of these members.
    Key(Vec<String>),
    /// All of the record.
    Record,
    /// Nothing: all are kept.
    Off,
}

/// The order of an API's records by their cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// Smallest first.
    Asc,
    /// Greatest first.
    Desc,
}

/// What becomes of records without a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnMissingCursor {
    /// The run fails.
    Raise,
    /// They are loaded.
    Include,
    /// They are dropped.
    Exclude,
}

/// What becomes of records outside the range asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outside {
    /// They are dropped and counted.
    Drop,
    /// The run fails.
    Error,
    /// They are merged.
    Keep,
}

/// The range of cursors that one chain of pages is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct CursorRange {
    /// The first one within; `None` for all.
    pub(crate) start: Option<CursorValue>,
    /// The first one behind; `None` for an open range.
    pub(crate) end: Option<CursorValue>,
    /// Another window ends where this one starts: the start is within, whatever `range_start` says.
    pub(crate) follows: bool,
    /// Another window starts where this one ends: the end is not within, whatever `range_end` says.
    pub(crate) is_followed: bool,
}

impl IncrementalPlan {
    /// This plan for a range of its own, without state.
    ///
    /// # Errors
    /// Why there is no such range, in words of the command line.
    pub(crate) fn for_range(&self, from: &str, to: &str) -> Result<Self, String> {
        let (from, to) = (self.form.text(from.trim()), self.form.text(to.trim()));
        let as_configured = |value: CursorValue, edge| match &self.initial_value {
            Some(initial) => self.form.fit(&value, initial.kind(), edge).unwrap_or(value),
            None => value,
        };
        let (from, to) = self.form.matched(as_configured(from, Edge::Start), as_configured(to, Edge::End));
        for (name, value) in [("--from", &from), ("--to", &to)] {
            self.check_bound(name, value)?;
        }
        let kinds = (from.kind().name(), to.kind().name());
        match from.order(&to) {
            Err(_) => Err(format!("`--from` is a {} and `--to` a {}: they cannot be compared", kinds.0, kinds.1)),
            Ok(_) if !self.is_farther(&to, &from) => {
                let which = if self.last == LastValue::Max { "after" } else { "before, with `last_value_func: min`," };
                Err(format!("`--to` must lie {which} `--from`"))
            }
            Ok(_) => Ok(Self { initial_value: Some(from), end_value: Some(to), lag: None, until_now: false, ..self.clone() }),
        }
    }

    /// Whether a bound of the command line has the form of the cursor, as far as the config tells it.
    fn check_bound(&self, name: &str, value: &CursorValue) -> Result<(), String> {
        if value.is_no_time() {
            return Err(format!(
                "`{name}` looks like a time and is none; write it as ISO 8601 does: `2026-11-22T08:00:00Z`, `2026-11-22`"
            ));
        }
        let kind = value.kind().name();
        match &self.initial_value {
            Some(initial) if initial.kind() != value.kind() => {
                let expected = initial.kind().name();
                return Err(format!("`{name}` is a {kind}, and the cursor a {expected}, as `initial_value` has it"));
            }
            _ => {}
        }
        let converted = self.convert.as_ref().map(|convert| convert.apply(value, Edge::Start, self.form.time_zone));
        match converted {
            Some(Err(error)) => Err(format!("`{name}` is a {kind}, and {error}")),
            _ => Ok(()),
        }
    }

    /// Whether this range ends where the first run of `plan` starts, or before.
    pub(crate) fn is_before_first_run_of(&self, plan: &Self) -> bool {
        let (Some(end), Some(first)) = (&self.end_value, &plan.initial_value) else { return false };
        let end = self.form.fit(end, first.kind(), Edge::End);
        end.is_ok_and(|end| !self.is_farther(&end, first) && end.order(first).is_ok())
    }

    /// `value` as a request has it, at this end of the range.
    ///
    /// # Errors
    /// [`NoTime`]: `convert` is for times, and the cursor is none.
    pub(crate) fn sent(&self, value: &CursorValue, edge: Edge) -> Result<Sent, NoTime> {
        match &self.convert {
            Some(convert) => convert.apply(value, edge, self.form.time_zone),
            None => Ok(Sent { text: value.text().to_owned(), is_number: !value.is_quoted() }),
        }
    }

    /// Whether the run remembers a cursor; not with an `end_value`.
    pub(crate) fn has_state(&self) -> bool {
        self.end_value.is_none()
    }

    /// The time before which no record is added any more, in a run that asks at `asked`.
    pub(crate) fn settled(&self, asked: DateTime<Utc>) -> Option<DateTime<Utc>> {
        asked.checked_sub_signed(TimeDelta::from_std(self.settle).ok()?)
    }

    /// The latest time or date, spelled like `value`, that a run may remember which asks at `asked`: records beside it may still be on their way,
    /// and an open start would leave them out.
    pub(crate) fn latest(&self, asked: DateTime<Utc>, value: &CursorValue) -> Option<CursorValue> {
        let latest = self.form.time_like(self.settled(asked)?, value)?;
        Some(if self.keeps_start { latest } else { latest.before(self.form.time_zone) })
    }

    /// Whether `value` lies at or behind what [`Self::latest`] may be of any value of its type.
    pub(crate) fn latest_may_be(&self, asked: DateTime<Utc>, value: &CursorValue) -> bool {
        self.settled(asked).is_some_and(|settled| self.form.may_be_cut_to(settled, value))
    }

    /// Whether a run that starts at `from` meets a record of the cursor `value`: at an open start, it drops it.
    pub(crate) fn meets(&self, from: &CursorValue, value: &CursorValue) -> bool {
        match from.order(value) {
            Ok(std::cmp::Ordering::Equal) => self.keeps_start,
            Ok(order) => order.is_lt() == (self.last == LastValue::Max),
            Err(_) => false,
        }
    }

    /// Whether `next` is farther than `last`, in the direction of `last_value_func`; values of two types are not compared.
    pub(crate) fn is_farther(&self, next: &CursorValue, last: &CursorValue) -> bool {
        let order = last.order(next);
        match self.last {
            LastValue::Max => order == Ok(std::cmp::Ordering::Less),
            LastValue::Min => order == Ok(std::cmp::Ordering::Greater),
        }
    }
}
