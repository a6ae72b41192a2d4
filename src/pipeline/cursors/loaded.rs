//! What an `append` has loaded, as spans of the cursor's values: no run loads a part of it again.
//!
//! In: the plan and the state. Out: nothing, or the refusal of a range, or of a cursor, that would meet what another run has loaded; and the
//! spans that the commit keeps. Spans that adjoin become one. Not here: records at a cursor, which are known by their marks.

use serde_json::{Value, json};

use crate::base::{CursorType, CursorValue, Edge};
use crate::config::IncrementalPlan;
use crate::pipeline::cursors::state::{State, of_value, value};
use crate::pipeline::cursors::{IncrementalError, start_of};

/// Most ranges that do not adjoin.
pub(super) const RANGES_MAX: usize = 1000;

/// Values of a cursor, in the direction of `last_value_func`.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    from: Option<CursorValue>,
    to: Option<CursorValue>,
    has_from: bool,
    has_to: bool,
}

/// What is loaded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Loaded {
    /// From the first run's start to the farthest record of a run that had a cursor.
    cursor: Option<Span>,
    /// By runs that had an `end_value`.
    ranges: Vec<Span>,
    /// Where this run starts, earliest.
    start: Option<CursorValue>,
    /// Whether it has no start somewhere.
    is_open: bool,
}

/// How spans are compared.
#[derive(Clone, Copy)]
struct Scale<'a> {
    plan: &'a IncrementalPlan,
    kind: Option<CursorType>,
}

impl Loaded {
    /// What is loaded when a run begins, with the range that it is to load: nobody has loaded a part of that.
    ///
    /// # Errors
    /// [`IncrementalError::RangeLoaded`], [`IncrementalError::CursorOverRange`] and others.
    pub(crate) fn begin(stored: Option<&Value>, plan: &IncrementalPlan, state: &State) -> Result<Self, IncrementalError> {
        let mut loaded = Self::read(stored, plan, state)?;
        if !plan.has_state() {
            loaded.take_range(plan, state.kind)?;
            return Ok(loaded);
        }
        let known = state.cursors.values().filter(|cursor| cursor.last.is_some());
        let mut starts: Vec<_> = known.map(|cursor| start_of(plan, cursor)).collect();
        if starts.is_empty() || plan.is_per_parent {
            starts.push(plan.initial_value.clone());
        }
        starts.into_iter().try_for_each(|start| loaded.check_start(plan, state.kind, start))?;
        Ok(loaded)
    }

    /// What the state `stored` says. A state of an older program has its cursors only, and nobody knows where those began.
    ///
    /// # Errors
    /// [`IncrementalError::State`].
    fn read(stored: Option<&Value>, plan: &IncrementalPlan, state: &State) -> Result<Self, IncrementalError> {
        let Some(loaded) = stored.and_then(|stored| stored.get("loaded")) else {
            let mut loaded = Self { is_open: true, ..Self::default() };
            for last in state.cursors.values().filter_map(|cursor| cursor.last.as_ref()) {
                loaded.reach(plan, last);
            }
            return Ok(Self { is_open: false, ..loaded });
        };
        let read = || {
            let cursor = match loaded.get("cursor")? {
                Value::Null => None,
                cursor => Some(Span::read(cursor, plan)?),
            };
            let ranges = loaded.get("ranges")?.as_array()?;
            let ranges = ranges.iter().map(|range| Span::read(range, plan)).collect::<Option<_>>()?;
            Some(Self { cursor, ranges, ..Self::default() })
        };
        read().ok_or_else(|| IncrementalError::State { why: "is damaged: `loaded` is not as it is written".to_owned() })
    }

    /// As the state keeps it.
    pub(crate) fn to_json(&self) -> Value {
        let ranges: Vec<Value> = self.ranges.iter().map(Span::to_json).collect();
        json!({"cursor": self.cursor.as_ref().map(Span::to_json), "ranges": ranges})
    }

    /// Takes the range of `plan`, which nobody has loaded.
    ///
    /// # Errors
    /// [`IncrementalError::RangeLoaded`], [`IncrementalError::TooManyRanges`].
    fn take_range(&mut self, plan: &IncrementalPlan, kind: Option<CursorType>) -> Result<(), IncrementalError> {
        let scale = Scale { plan, kind };
        let (from, to) = (plan.initial_value.clone(), plan.end_value.clone());
        let mut range = Span { from, to, has_from: plan.keeps_start, has_to: plan.keeps_end };
        if let Some(loaded) = self.cursor.iter().chain(&self.ranges).find(|loaded| scale.meet(loaded, &range)) {
            return Err(IncrementalError::RangeLoaded { range: range.to_string(), loaded: loaded.to_string() });
        }
        while let Some(at) = self.ranges.iter().position(|other| scale.adjoin(other, &range) || scale.adjoin(&range, other)) {
            let other = self.ranges.swap_remove(at);
            let (first, last) = if scale.adjoin(&other, &range) { (other, range) } else { (range, other) };
            range = Span { from: first.from, has_from: first.has_from, ..last };
        }
        self.ranges.push(range);
        if self.ranges.len() > RANGES_MAX { Err(IncrementalError::TooManyRanges) } else { Ok(()) }
    }

    /// Checks that a run which reads on from `start` meets no range.
    ///
    /// # Errors
    /// [`IncrementalError::CursorOverRange`].
    fn check_start(
        &self,
        plan: &IncrementalPlan,
        kind: Option<CursorType>,
        start: Option<CursorValue>,
    ) -> Result<(), IncrementalError> {
        let rest = Span { from: start, to: None, has_from: plan.keeps_start, has_to: false };
        match self.ranges.iter().find(|range| Scale { plan, kind }.meet(range, &rest)) {
            None => Ok(()),
            Some(range) => Err(IncrementalError::CursorOverRange { rest: rest.to_string(), loaded: range.to_string() }),
        }
    }

    /// Whether one range has all from `from` up to `to`.
    pub(crate) fn covers(&self, plan: &IncrementalPlan, kind: Option<CursorType>, from: &CursorValue, to: &CursorValue) -> bool {
        let scale = Scale { plan, kind };
        let at = |value: &CursorValue| Span { from: Some(value.clone()), to: Some(value.clone()), has_from: true, has_to: true };
        let begins = |range: &Span| scale.joint(&at(from), range).is_some_and(|(from, start)| !plan.is_farther(&start, &from));
        let ends = |range: &Span| scale.joint(range, &at(to)).is_some_and(|(end, to)| !plan.is_farther(&to, &end));
        self.ranges.iter().any(|range| begins(range) && ends(range))
    }

    /// A chain of pages starts here.
    pub(crate) fn start(&mut self, plan: &IncrementalPlan, start: Option<CursorValue>) {
        let Some(start) = start else {
            self.is_open = true;
            return;
        };
        if self.start.as_ref().is_none_or(|known| plan.is_farther(known, &start)) {
            self.start = Some(start);
        }
    }

    /// The chains have ended, and `farthest` is a farthest record of theirs.
    pub(crate) fn reach(&mut self, plan: &IncrementalPlan, farthest: &CursorValue) {
        let start = self.start.as_ref().filter(|_| !self.is_open);
        let Some(span) = &mut self.cursor else {
            let (from, to) = (start.cloned(), Some(farthest.clone()));
            self.cursor = Some(Span { from, to, has_from: plan.keeps_start, has_to: true });
            return;
        };
        if span.to.as_ref().is_none_or(|to| plan.is_farther(farthest, to)) {
            span.to = Some(farthest.clone());
        }
        let is_earlier = |from: &CursorValue| start.is_none_or(|start| plan.is_farther(from, start));
        if span.from.as_ref().is_some_and(is_earlier) {
            span.from = start.cloned();
        }
    }
}

impl Scale<'_> {
    /// Whether the spans have values in common; those that cannot be compared may have some.
    fn meet(self, one: &Span, other: &Span) -> bool {
        !self.is_before(one, other) && !self.is_before(other, one)
    }

    /// Whether all of `one` comes before all of `other`.
    fn is_before(self, one: &Span, other: &Span) -> bool {
        let Some((end, start)) = self.joint(one, other) else { return false };
        self.plan.is_farther(&start, &end)
            || (end.order(&start).is_ok_and(|order| order.is_eq()) && !(one.has_to && other.has_from))
    }

    /// Whether `other` begins where `one` ends, and nothing lies between.
    fn adjoin(self, one: &Span, other: &Span) -> bool {
        let is_one = |(end, start): (CursorValue, CursorValue)| end.order(&start).is_ok_and(|order| order.is_eq());
        (one.has_to || other.has_from) && self.joint(one, other).is_some_and(is_one)
    }

    /// The end of `one` and the start of `other`, as values of the cursor's type.
    fn joint(self, one: &Span, other: &Span) -> Option<(CursorValue, CursorValue)> {
        let (end, start) = (one.to.as_ref()?, other.from.as_ref()?);
        let form = self.plan.form;
        match self.kind {
            Some(kind) => Some((form.fit(end, kind, Edge::End).ok()?, form.fit(start, kind, Edge::Start).ok()?)),
            None => {
                let (start, end) = form.matched(start.clone(), end.clone());
                Some((end, start))
            }
        }
    }
}

impl Span {
    fn to_json(&self) -> Value {
        let bounds = format!("{}{}", if self.has_from { '[' } else { '(' }, if self.has_to { ']' } else { ')' });
        json!([self.from.as_ref().map(of_value), self.to.as_ref().map(of_value), bounds])
    }

    fn read(stored: &Value, plan: &IncrementalPlan) -> Option<Self> {
        let [from, to, bounds] = stored.as_array()?.as_slice() else { return None };
        let bound = |stored: &Value| if stored.is_null() { Some(None) } else { value(stored, plan, None).map(Some) };
        let bounds = bounds.as_str()?;
        Some(Self { from: bound(from)?, to: bound(to)?, has_from: bounds.starts_with('['), has_to: bounds.ends_with(']') })
    }
}

/// As mathematics writes it.
impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value: &Option<CursorValue>| value.as_ref().map_or_else(|| "…".to_owned(), ToString::to_string);
        let (open, close) = (if self.has_from { '[' } else { '(' }, if self.has_to { ']' } else { ')' });
        write!(f, "`{open}{}, {}{close}`", text(&self.from), text(&self.to))
    }
}
