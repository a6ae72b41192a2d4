//! Cursors: where a resource's chains of pages begin and end, and what the next run is to know.
//!
//! In: the plan, the state of last night, and the chains as they end. Out: the slices of each parent record, window by window, and a
//! [`CursorOutcome`]: the state that the commit keeps with the rows. Invariants: a cursor moves only forward, only over chains that are whole, and
//! never past the time at which the run began to ask, by the API's own clock; with an `end_value` it does not move at all, and an `append`
//! remembers the range.

mod bounds;
mod error;
mod first;
mod left;
mod loaded;
mod marking;
mod marks;
mod resume;
mod state;
mod windows;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::base::{CursorValue, Edge, plain_number};
use crate::config::{Binding, CursorRange, Dedup, IncrementalPlan, IncrementalValue, ResourcePlan, RowOrder, WriteDisposition};
use crate::decode::{CursorProgress, MARKS_MAX};
use crate::source::{Slice, SliceCursor, UNCOUNTED};

pub(crate) use bounds::{capped, restart};
use bounds::{check_settled, known_of_kept, start_of};
pub(crate) use error::IncrementalError;
use first::First;
pub(crate) use first::check_rebuild;
use left::{from_left, is_unloaded};
use loaded::Loaded;
use marks::total;
pub(crate) use marks::{MarkFile, file_name, file_named};
pub(crate) use resume::{from_farthest, may_read_on};
use state::{Made, PARENTS_MAX, Remembered, SHARED, State};
use windows::{Borders, windows};

/// Longest key of a parent's record in the state, in bytes; a longer one is hashed.
const KEY_BYTES_MAX: usize = 100;

/// What an incremental resource came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CursorFacts {
    /// The cursor that is remembered, where there is one for all.
    pub(crate) last_value: Option<String>,
    /// Whether a range was loaded that moves no cursor.
    pub(crate) is_range: bool,
    /// Records dropped because they lie outside the range.
    pub(crate) outside: u64,
    /// Those of them that lie far before the start.
    pub(crate) far_before: u64,
    /// The cursor of the first of them.
    pub(crate) first_outside: Option<String>,
    /// Records dropped because they were loaded already.
    pub(crate) repeated: u64,
    /// Records without a cursor.
    pub(crate) missing: u64,
    /// How often reading began anew within a range, behind a cursor of the API that had expired.
    pub(crate) restarts: u64,
    /// Chains of pages: windows, of each parent record.
    pub(crate) ranges: u64,
    /// Windows that failed and are left to the next run.
    pub(crate) pending: u64,
    /// Windows that were loaded before and are fetched again, behind one that had failed.
    pub(crate) again: u64,
    /// Why the first window failed that is left.
    pub(crate) failure: Option<String>,
    /// Whether records came against `row_order`.
    pub(crate) is_disordered: bool,
    /// Marks of the cursor that has most of them.
    pub(crate) marks: u64,
    /// Whether there were too many parent records to remember a cursor for each, so that the next run begins anew.
    pub(crate) starts_over: bool,
}

/// The cursors of a resource, once its chains have ended.
#[derive(Debug)]
pub(crate) struct CursorOutcome {
    /// What the commit keeps.
    pub(crate) state: Value,
    /// Marks that are to be kept in a file of their own, which the state then names.
    pub(crate) marks: Option<MarkFile>,
    /// For the summary.
    pub(crate) facts: CursorFacts,
}

/// What of the past counts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Past<'a> {
    /// The resource's state.
    pub(crate) state: Option<&'a Value>,
    /// The file of marks that it names, unless that is gone.
    pub(crate) marks: Option<&'a [u8]>,
    /// Who else goes on from it.
    pub(crate) kin: Kin,
}

/// What depends on a cursor besides the resource's own rows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kin {
    /// A resource that is requested for its records adds what it gets to its table: a record that is read again doubles rows there.
    pub(crate) feeds_append: bool,
    /// It is requested for records that are read once, and so for each of them in one run only.
    pub(crate) is_fed_once: bool,
}

/// The cursors of a resource while its chains run.
#[derive(Debug)]
pub(crate) struct Cursors {
    plan: Arc<IncrementalPlan>,
    made: Made,
    /// What of its parent's record a request is made with: what tells one cursor from another.
    of_parent: Vec<Binding>,
    disposition: WriteDisposition,
    kin: Kin,
    /// When the run began, by this machine's clock.
    started: DateTime<Utc>,
    /// The state as it is kept when it must not move.
    stored: Option<Value>,
    old: State,
    /// What an `append` has loaded.
    loaded: Option<Loaded>,
    new: BTreeMap<String, Ended>,
    facts: CursorFacts,
    kind: Option<crate::base::CursorType>,
    /// The farthest cursor of the pages that an interrupted run has kept.
    kept_to: Option<CursorValue>,
}

/// What the chains of one cursor came to.
#[derive(Debug, Default)]
struct Ended {
    farthest: Option<CursorValue>,
    /// How many records of each mark came, with their cursor.
    marks: BTreeMap<u128, (CursorValue, u32)>,
    missing_marks: BTreeMap<u128, u32>,
    /// Marks by spelling that `marks` has by value.
    replaced_marks: BTreeSet<u128>,
    /// The farthest cursor for which there were more marks than are kept.
    too_many_marks_at: Option<CursorValue>,
    pending: Vec<(CursorValue, CursorValue)>,
    borders: Borders,
    server_time: Option<DateTime<Utc>>,
}

impl Cursors {
    /// The cursors of `resource`; `None` for one that is not incremental.
    ///
    /// # Errors
    /// [`IncrementalError`]: the state cannot be used.
    pub(crate) fn new(
        resource: &ResourcePlan,
        base_url: &str,
        past: Past<'_>,
        started: DateTime<Utc>,
    ) -> Result<Option<Self>, IncrementalError> {
        let Some(plan) = &resource.endpoint.incremental else { return Ok(None) };
        let parents: Vec<String> = resource.parents.iter().map(|parent| parent.resource.clone()).collect();
        let made = Made::new(plan, base_url, &parents).of(resource, past.kin);
        let is_append = resource.write_disposition == WriteDisposition::Append;
        let counts = is_append || (plan.has_state() && resource.write_disposition != WriteDisposition::Replace);
        let mut old = if counts { State::read(past, &made, plan)? } else { State::default() };
        let stored = past.state.and_then(|stored| stored.get("incremental")).filter(|stored| !stored.is_null());
        let loaded = if is_append { Some(Loaded::begin(stored, plan, &old)?) } else { None };
        if plan.has_state() {
            first::check(plan, &old, loaded.as_ref())?;
        } else {
            check_settled(plan, started)?;
            old.cursors.clear();
        }
        Ok(Some(Self {
            plan: Arc::new(plan.clone()),
            of_parent: of_parent(resource),
            made,
            disposition: resource.write_disposition,
            kin: past.kin,
            started,
            stored: stored.cloned(),
            kind: old.kind,
            old,
            loaded,
            new: BTreeMap::new(),
            facts: CursorFacts::default(),
            kept_to: None,
        }))
    }

    /// Whether records were read before that are not read again.
    pub(crate) fn go_on(&self) -> bool {
        self.old.cursors.values().any(|cursor| cursor.last.is_some() || !cursor.missing_marks.is_empty())
    }

    /// The slices of a parent's record, or of the resource: a range, or its windows, from the first on that failed last night.
    ///
    /// # Errors
    /// [`IncrementalError`]: a bound cannot be written into a request, or there are too many windows.
    pub(crate) fn slices(&mut self, slice: &Slice) -> Result<Vec<Slice>, IncrementalError> {
        let key = self.remembered_key(slice);
        let none = Remembered::default();
        let remembered = self.old.cursors.get(&key).unwrap_or(&none);
        let ranges = windows(&self.plan, from_left(&self.plan, self.range(remembered), remembered))?;
        if !remembered.pending.is_empty() {
            self.facts.again += ranges.iter().filter(|range| !is_unloaded(&self.plan, range, remembered)).count() as u64;
        }
        let known: Arc<HashMap<u128, u32>> =
            Arc::new(remembered.marks.iter().chain(&remembered.missing_marks).map(|(mark, loaded)| (*mark, *loaded)).collect());
        let is_known_by_spelling = remembered.has_spelled_marks;
        self.facts.ranges += ranges.len() as u64;
        if let Some(loaded) = &mut self.loaded {
            loaded.start(&self.plan, start_of(&self.plan, remembered));
        }
        self.new.entry(key.clone()).or_default();
        ranges
            .into_iter()
            .map(|range| {
                let values = self.values(&range, remembered.last.as_ref())?;
                let cursor = SliceCursor {
                    key: key.clone(),
                    range,
                    kind: self.old.kind,
                    known: Arc::clone(&known),
                    is_known_by_spelling,
                    values,
                    asked: self.started,
                };
                Ok(Slice { cursor: Some(Arc::new(cursor)), ..slice.clone() })
            })
            .collect()
    }

    /// Where to read: from the last cursor, `lag` before it, but not before `initial_value`; to the end, or to the time of the run.
    fn range(&self, remembered: &Remembered) -> CursorRange {
        let plan = &*self.plan;
        let start = start_of(plan, remembered);
        let now = || {
            let start = start.as_ref()?;
            // Of a day that has begun, all that there is is asked for.
            plan.form.ending_at(plan.settled(self.started).unwrap_or(self.started), start)
        };
        let end = match &plan.end_value {
            Some(end) => start.as_ref().map_or(Some(end.clone()), |start| {
                Some(plan.form.fit(end, start.kind(), Edge::End).unwrap_or_else(|_| end.clone()))
            }),
            None if plan.until_now => now(),
            None => None,
        };
        // The clock may be behind the last cursor: then there is no window, and whatever came since is asked for.
        let is_range = |end: &CursorValue| start.as_ref().is_none_or(|start| plan.is_farther(end, start));
        CursorRange { end: end.filter(is_range), start, ..CursorRange::default() }
    }

    /// What placeholders and parameters stand for, as JSON text.
    fn values(
        &self,
        range: &CursorRange,
        last: Option<&CursorValue>,
    ) -> Result<Vec<(IncrementalValue, Box<str>)>, IncrementalError> {
        let plan = &*self.plan;
        let pairs = [
            (IncrementalValue::Start, range.start.as_ref(), Edge::Start),
            (IncrementalValue::Initial, plan.initial_value.as_ref(), Edge::Start),
            (IncrementalValue::Last, last.or(range.start.as_ref()), Edge::Start),
            (IncrementalValue::End, range.end.as_ref(), Edge::End),
        ];
        let mut values = Vec::new();
        for (of, value, edge) in pairs {
            if let Some(value) = value {
                values.push((of, plan.sent(value, edge)?.json().into()));
            }
        }
        if let Some(lag) = plan.lag {
            values.push((IncrementalValue::Lag, lag.to_string().into()));
        }
        Ok(values)
    }

    /// The key of the slice's cursor. A state of an older program may have it as the API spelled the parent's numbers.
    fn remembered_key(&mut self, slice: &Slice) -> String {
        if !self.plan.is_per_parent {
            return SHARED.to_owned();
        }
        let key = self.key(slice, &|value| plain_number(value).unwrap_or_else(|| value.to_owned()));
        if !self.old.cursors.contains_key(&key)
            && let Some(cursor) = self.old.cursors.remove(&self.key(slice, &str::to_owned))
        {
            self.old.cursors.insert(key.clone(), cursor);
        }
        key
    }

    fn key(&self, slice: &Slice, spell: &dyn Fn(&str) -> String) -> String {
        let values = self.of_parent.iter().map(|binding| spell(slice.value(binding).unwrap_or("null")));
        let key = format!("[{}]", values.collect::<Vec<_>>().join(","));
        if key.len() > KEY_BYTES_MAX { format!("{:032x}", xxh3_128(key.as_bytes())) } else { key }
    }

    /// A chain ended whole.
    pub(crate) fn ended(&mut self, slice: &Slice, progress: CursorProgress, server_time: Option<DateTime<Utc>>) {
        let Some(cursor) = &slice.cursor else { return };
        self.facts.outside += progress.outside;
        self.facts.far_before += progress.far_before;
        let first = progress.first_outside.map(|value| value.to_string());
        self.facts.first_outside = self.facts.first_outside.take().or(first);
        self.facts.repeated += progress.repeated;
        self.facts.missing += progress.missing;
        self.facts.restarts += progress.restarts;
        self.facts.is_disordered |= progress.is_disordered;
        self.kind = self.kind.or(progress.kind);
        let ended = self.new.entry(cursor.key.clone()).or_default();
        ended.borders.note(&cursor.range, progress.at_borders);
        ended.server_time = [ended.server_time, server_time].into_iter().flatten().min();
        if let Some(farthest) = progress.farthest
            && ended.farthest.as_ref().is_none_or(|known| self.plan.is_farther(&farthest, known))
        {
            ended.farthest = Some(farthest);
        }
        let is_farther = |at: &CursorValue| ended.too_many_marks_at.as_ref().is_none_or(|known| self.plan.is_farther(at, known));
        if let Some(at) = progress.too_many_marks_at.filter(is_farther) {
            ended.too_many_marks_at = Some(at);
        }
        for mark in progress.missing_marks {
            add(ended.missing_marks.entry(mark).or_default(), 1);
        }
        ended.replaced_marks.extend(progress.replaced_marks);
        for (mark, (value, came)) in progress.marks {
            add(&mut ended.marks.entry(mark).or_insert((value, 0)).1, came);
        }
        if let Some(farthest) = ended.farthest.as_ref().filter(|_| ended.marks.len() > MARKS_MAX) {
            let from = restart(&self.plan, farthest);
            ended.marks.retain(|_, (value, _)| self.plan.meets(&from, value));
        }
    }

    /// A window failed while others may be loaded; `false` when the resource must be whole, and so fails with it.
    pub(crate) fn leave(&mut self, slice: &Slice, why: &dyn std::fmt::Display) -> bool {
        let Some(cursor) = &slice.cursor else { return false };
        let is_merge = self.disposition == WriteDisposition::Merge && !self.loads_once() && !self.kin.is_fed_once;
        let is_new = self.old.cursors.get(&cursor.key).is_none_or(|old| is_unloaded(&self.plan, &cursor.range, old));
        let may_wait = self.plan.step.is_some() && self.plan.has_state() && is_merge && is_new;
        let (true, Some(start), Some(end)) = (may_wait, &cursor.range.start, &cursor.range.end) else { return false };
        self.facts.pending += 1;
        self.facts.failure.get_or_insert_with(|| why.to_string());
        self.new.entry(cursor.key.clone()).or_default().pending.push((start.clone(), end.clone()));
        true
    }

    /// Whether a record that comes again would be a row more.
    fn loads_once(&self) -> bool {
        self.disposition == WriteDisposition::Append || self.kin.feeds_append
    }

    /// What the commit keeps.
    ///
    /// # Errors
    /// [`IncrementalError`]: the next run could not go on from here.
    pub(crate) fn finish(mut self) -> Result<CursorOutcome, IncrementalError> {
        self.new.values().try_for_each(|ended| ended.borders.check())?;
        if !self.plan.has_state() {
            return Ok(self.finish_range());
        }
        if let Some(loaded) = &mut self.loaded {
            for farthest in self.new.values().filter_map(|ended| ended.farthest.as_ref()) {
                loaded.reach(&self.plan, farthest);
            }
        }
        let mut state = State { kind: self.kind, cursors: BTreeMap::new() };
        if self.loads_once() {
            // A record that is gone from its parent may come back, and then must not be loaded again from the start.
            state.cursors = std::mem::take(&mut self.old.cursors);
        }
        for (key, ended) in std::mem::take(&mut self.new) {
            let old = state.cursors.remove(&key).or_else(|| self.old.cursors.remove(&key)).unwrap_or_default();
            let cursor = self.moved(old, ended)?;
            self.facts.marks = self.facts.marks.max(total(&cursor.marks));
            state.cursors.insert(key, cursor);
        }
        if state.cursors.len() > PARENTS_MAX {
            if self.disposition != WriteDisposition::Merge || self.loads_once() {
                return Err(IncrementalError::TooManyParents);
            }
            // A merge replaces rows with themselves, so that the next run may begin anew; a common start would pass over new parents' past.
            self.facts.starts_over = true;
            state.cursors.clear();
        }
        let shared = state.cursors.get(SHARED).and_then(|cursor| cursor.last.as_ref());
        self.facts.last_value = shared.map(ToString::to_string);
        let (mut json, mut marks) = state.to_json(&self.made);
        if let Some(loaded) = &self.loaded {
            json["loaded"] = loaded.to_json();
        }
        let kept = self.stored.as_ref().and_then(|stored| stored.get("marks"));
        if let (Some(file), Some(kept)) = (&marks, kept)
            && kept.get("hash").and_then(Value::as_str) == Some(marks::hash(&file.bytes).as_str())
        {
            // The same marks as last night's stay where they are.
            json["marks"] = kept.clone();
            marks = None;
        }
        Ok(CursorOutcome { state: json, marks, facts: self.facts })
    }

    /// Of a run with an `end_value`: the cursors are those of before, and an `append` has a range more.
    fn finish_range(self) -> CursorOutcome {
        let mut state = self.stored.unwrap_or(Value::Null);
        if let Some(loaded) = &self.loaded {
            if state.is_null() {
                state = State { kind: self.kind, ..State::default() }.to_json(&self.made).0;
            }
            state["loaded"] = loaded.to_json();
        }
        CursorOutcome { state, marks: None, facts: CursorFacts { is_range: true, ..self.facts } }
    }

    /// The pages up to `kept_to` were kept by an interrupted run.
    pub(crate) fn not_past(self, kept_to: Option<CursorValue>) -> Self {
        Self { kept_to, ..self }
    }

    /// A cursor after its chains: never back, and not past the time of the run.
    fn moved(&self, old: Remembered, ended: Ended) -> Result<Remembered, IncrementalError> {
        let plan = &*self.plan;
        let Ended { farthest, marks, missing_marks, replaced_marks, too_many_marks_at, mut pending, server_time, .. } = ended;
        let loaded = |known: &BTreeMap<u128, u32>, mark: &u128, came: u32| match (&plan.dedup, known.get(mark)) {
            (Dedup::Record, Some(&known)) if known != UNCOUNTED => came.max(known),
            (Dedup::Record, _) => came,
            // A key stands for one record, however often that comes.
            _ => 1,
        };
        let mut missing = old.missing_marks.clone();
        missing.extend(missing_marks.iter().map(|(mark, came)| (*mark, loaded(&old.missing_marks, mark, *came))));
        let missing_marks = missing;
        if total(&missing_marks) > MARKS_MAX as u64 {
            return Err(IncrementalError::TooManyMarks);
        }
        pending.sort_by(|a, b| a.0.text().cmp(b.0.text()));
        let first = if old.last.is_some() { old.first.clone() } else { First::Unknown }.or_of(plan);
        let Some(farthest) = farthest else { return Ok(Remembered { pending, missing_marks, first, ..old }) };
        let asked = server_time.unwrap_or(self.started);
        let is_in_order = plan.row_order == Some(RowOrder::Asc) && !self.facts.is_disordered;
        let kept_to = self.kept_to.as_ref().filter(|_| !is_in_order && !self.loads_once());
        let reached = known_of_kept(plan, capped(plan, &farthest, asked), asked, kept_to);
        let is_new = old.last.as_ref().is_none_or(|last| plan.is_farther(&reached, last));
        let last = if is_new { reached } else { old.last.clone().unwrap_or(reached) };
        if plan.dedup == Dedup::Off {
            return Ok(Remembered { last: Some(last), missing_marks, pending, first, ..Remembered::default() });
        }
        let from = restart(plan, &last);
        let is_met_again = |value: &CursorValue| plan.meets(&from, value);
        let met = marks.iter().filter(|(_, (value, _))| is_met_again(value));
        let mut kept: BTreeMap<u128, u32> = met.map(|(mark, (_, came))| (*mark, loaded(&old.marks, mark, *came))).collect();
        let mut has_spelled_marks = false;
        if !is_new {
            let met = kept.len();
            let others = old.marks.iter().filter(|(mark, _)| !replaced_marks.contains(mark) && !marks.contains_key(mark));
            kept.extend(others.map(|(mark, loaded)| (*mark, *loaded)));
            has_spelled_marks = old.has_spelled_marks && kept.len() > met;
        }
        if total(&kept) > MARKS_MAX as u64 || too_many_marks_at.is_some_and(|at| is_met_again(&at)) {
            if self.loads_once() {
                return Err(IncrementalError::TooManyMarks);
            }
            // What comes again replaces itself by its key.
            kept.clear();
        }
        Ok(Remembered { last: Some(last), marks: kept, missing_marks, has_spelled_marks, pending, first })
    }
}

/// Counts further records of a mark.
fn add(count: &mut u32, more: u32) {
    *count = count.saturating_add(more).min(UNCOUNTED - 1);
}

/// The values of parents' records that requests are made with, in the plan's order.
fn of_parent(resource: &ResourcePlan) -> Vec<Binding> {
    let bindings = resource.endpoint.request.bindings().into_iter();
    let mut places: Vec<(usize, usize)> = bindings
        .filter_map(|binding| match binding {
            Binding::Parent { parent, field } => Some((*parent, *field)),
            Binding::Incremental(_) => None,
        })
        .collect();
    places.sort_unstable();
    places.into_iter().map(|(parent, field)| Binding::Parent { parent, field }).collect()
}

#[cfg(test)]
mod tests;
