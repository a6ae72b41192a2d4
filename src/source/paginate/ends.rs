//! What ends the pages besides the place of the next one: the same rules around every paginator.
//!
//! In: a paginator that knows where the next page is, and the config's rules: an empty page, a flag that tells of more or of the end, totals of
//! records or of pages in the body or a header. Out: its steps, ended by the first of them. A flag that says that there is no more wins over
//! whatever leads on; one that says that there is more, and a total that is not what was read, refuse an end. A total that a page meets which is
//! as large as pages get is no proof, so that one more is asked for. `offset` and `page_number` judge empty pages, and the total of what
//! they count at `total_path`, themselves.

use crate::base::{JsonPath, Warning};
use crate::config::{PaginatorPlan, StopRules, TotalAt, Unit, path_words};
use crate::source::error::PagingFault;
use crate::source::paginate::facts::{
    Total, accept_drift, bad_header, bad_value, cautious, counts_records, end_flag, has_more, rule_contradicted, value,
    whole_number,
};
use crate::source::paginate::signs::{is_bound, relation_path};
use crate::source::paginate::{Paginator, Position, Seen, Step, may_be_cut};
use crate::source::{EndReason, SourceError};

/// A paginator, and what ends its pages.
pub(super) struct Ended {
    inner: Box<dyn Paginator>,
    stop: StopRules,
    /// What the paginator counts by itself, so that it judges empty pages.
    own: Option<Unit>,
    /// How much of that the first request passes over.
    passed: u64,
    /// Records asked for a page.
    limit: Option<u64>,
    paths: Paths,
    /// The totals as told last, in the order of the rules.
    told: Vec<Option<Total>>,
    /// Whether one of them moved.
    has_moved: bool,
    read: u64,
    /// Pages with records.
    filled: u64,
    largest: u64,
    has_skipped: bool,
    /// Whether a page had the flag of the end.
    has_end_flag: bool,
    warning: Option<Warning>,
}

/// The paths of the rules, and their places among the values.
#[derive(Default)]
struct Paths {
    wanted: Vec<JsonPath>,
    has_more: usize,
    end: usize,
    /// Of each total in the body, and of what it is to the true one.
    totals: Vec<(usize, Option<usize>)>,
}

impl Paths {
    fn new(stop: &StopRules, behind: usize) -> Self {
        let mut paths = Self::default();
        let mut add = |path: Option<JsonPath>| -> usize {
            paths.wanted.extend(path);
            behind + paths.wanted.len().saturating_sub(1)
        };
        let (has_more, end) = (add(stop.has_more_path.clone()), add(stop.end_path.clone()));
        let totals = stop.totals.iter().map(|total| match &total.at {
            TotalAt::Body(path) => (add(Some(path.clone())), relation_path(path).map(|relation| add(Some(relation)))),
            TotalAt::Header(_) => (0, None),
        });
        let totals = totals.collect();
        Self { has_more, end, totals, ..paths }
    }
}

impl Ended {
    /// The pages of `inner`, ended by the rules of `plan`, which it is of.
    pub(super) fn new(inner: Box<dyn Paginator>, plan: &PaginatorPlan) -> Self {
        let stop = plan.stop().cloned().unwrap_or_default();
        let (own, passed, limit) = match plan {
            // Places that begin at 1 pass over none.
            PaginatorPlan::Offset { offset, limit, .. } => {
                (Some(Unit::Records), if *offset == 1 { 0 } else { *offset }, Some(*limit))
            }
            PaginatorPlan::PageNumber { base_page, page, .. } => (Some(Unit::Pages), page.saturating_sub(*base_page), None),
            _ => (None, 0, None),
        };
        let paths = Paths::new(&stop, inner.wanted().len());
        let told = vec![None; stop.totals.len()];
        Self {
            inner,
            stop,
            own,
            passed,
            limit,
            paths,
            told,
            has_moved: false,
            read: 0,
            filled: 0,
            largest: 0,
            has_skipped: false,
            has_end_flag: false,
            warning: None,
        }
    }

    /// What the flags say: whether there is more, and which of them ends the pages where there is not.
    fn more(&mut self, page: &Seen<'_>) -> Result<(Option<bool>, EndReason), SourceError> {
        let more = has_more(page, self.stop.has_more_path.as_ref(), self.paths.has_more, self.limit)?;
        let end = end_flag(page, self.stop.end_path.as_ref(), self.paths.end)?;
        self.has_end_flag |= end.is_some();
        Ok(match (more, end) {
            (Some(false), _) => (Some(false), EndReason::HasMoreFalse),
            (_, Some(true)) => (Some(false), EndReason::EndTrue),
            (Some(true), _) | (_, Some(false)) => (Some(true), EndReason::HasMoreFalse),
            (None, None) => (None, EndReason::HasMoreFalse),
        })
    }

    /// The total of the rule at `index` as `page` has it.
    fn total_at(&self, page: &Seen<'_>, index: usize) -> Result<Option<Total>, SourceError> {
        let rule = &self.stop.totals[index];
        let expected = "a whole number";
        match &rule.at {
            TotalAt::Body(path) => {
                let (at, relation) = self.paths.totals[index];
                let Some(found) = value(page, at) else { return Ok(None) };
                let bad = || bad_value(page, (rule.key(), path), expected, Some(found));
                let is_bound = relation.and_then(|relation| value(page, relation)).is_some_and(is_bound);
                Ok(Some(Total { number: whole_number(found).ok_or_else(bad)?, is_bound }))
            }
            TotalAt::Header(name) => {
                let Some(found) = page.headers.get(name) else { return Ok(None) };
                let number = found.to_str().ok().and_then(|text| whole_number(&text.trim().into()));
                let number = number.ok_or_else(|| bad_header(page, rule.key(), name, "other text"))?;
                Ok(Some(Total { number, is_bound: false }))
            }
        }
    }

    /// Counts a page, and notes the totals that it tells. The first one has to tell each.
    fn count(&mut self, page: &Seen<'_>) -> Result<(), SourceError> {
        let records = page.facts.records;
        // Behind the last page, some count nothing.
        if page.page > 1 && records == 0 {
            return Ok(());
        }
        self.read += records;
        self.filled += u64::from(records > 0);
        self.largest = self.largest.max(records);
        for index in 0..self.told.len() {
            let (found, before) = (self.total_at(page, index)?, self.told[index]);
            self.has_moved |= before.is_some() && found.is_some() && found != before;
            self.told[index] = found.or(before);
            if self.told[index].is_none() {
                let rule = &self.stop.totals[index];
                return Err(match &rule.at {
                    TotalAt::Body(path) => bad_value(page, (rule.key(), path), "a whole number", None),
                    TotalAt::Header(name) => bad_header(page, rule.key(), name, "missing"),
                });
            }
        }
        Ok(())
    }

    /// What was read of what the rule at `index` counts, where its total is told.
    fn progress(&self, index: usize) -> Option<(u64, Total)> {
        let (unit, total) = (self.stop.totals[index].unit, self.told[index]?);
        let passed = if self.own == Some(unit) { self.passed } else { 0 };
        let read = match unit {
            Unit::Records => self.read,
            // Some count the page that there is without records, too.
            Unit::Pages if self.filled == 0 && total.number <= 1 => total.number,
            Unit::Pages => self.filled,
        };
        Some((read.saturating_add(passed.min(total.number)), total))
    }

    /// What becomes of a step: the end by a total, or that of the paginator, if nothing contradicts it.
    fn close(&mut self, page: &Seen<'_>, step: Step, (more, flag): (Option<bool>, EndReason)) -> Result<Step, SourceError> {
        let named = |reason| if reason == EndReason::HasMoreFalse { flag } else { reason };
        match step {
            Step::Next(_) if self.inner.is_beside() => Ok(step),
            Step::Next(_) => {
                let Some(unit) = self.met(page, more)? else { return Ok(step) };
                self.check_end(page, (EndReason::TotalReached, Some(unit)), more)?;
                Ok(Step::End(EndReason::TotalReached))
            }
            Step::End(reason) => {
                self.check_end(page, (reason, self.own), more)?;
                Ok(Step::End(named(reason)))
            }
            Step::Over(reason) => {
                self.check_end(page, (reason, self.own), more)?;
                Ok(Step::Over(named(reason)))
            }
            Step::Again(_) => Ok(step),
        }
    }

    /// What the total counts that says that `page`, behind which another one is named, is the last one.
    fn met(&mut self, page: &Seen<'_>, more: Option<bool>) -> Result<Option<Unit>, SourceError> {
        let is_cut = more.is_none() && may_be_cut(page, self.limit);
        let mut met = None;
        for index in 0..self.told.len() {
            match self.progress(index) {
                Some((read, total)) if !total.is_bound && read > total.number => self.contradict(page, index, read, total)?,
                Some((read, total)) if !total.is_bound && read == total.number && !is_cut => {
                    met = Some(self.stop.totals[index].unit);
                }
                _ => {}
            }
        }
        Ok(met)
    }

    /// Whether flags and totals let the pages end.
    fn check_end(
        &mut self,
        page: &Seen<'_>,
        (reason, by): (EndReason, Option<Unit>),
        more: Option<bool>,
    ) -> Result<(), SourceError> {
        if reason == EndReason::MaximumReached {
            return Ok(());
        }
        let flag = self.stop.has_more_path.as_ref().or(self.stop.end_path.as_ref());
        if let (Some(true), Some(path), EndReason::NoNext | EndReason::TotalReached) = (more, flag, reason) {
            let why = match (reason, by) {
                (EndReason::NoNext, _) => "there is no next page",
                (_, Some(Unit::Pages)) => "its total of pages is reached",
                _ => "its total of records is reached",
            };
            return Err(PagingFault::MoreWithoutWay { place: page.at(), path: path.clone(), why }.into());
        }
        if let (Some(path), false, 1..) = (&self.stop.end_path, self.has_end_flag, self.read) {
            return Err(bad_value(page, ("end_path", path), "true or false", None));
        }
        for index in 0..self.told.len() {
            let Some((read, total)) = self.progress(index) else { continue };
            let is_met = match read.cmp(&total.number) {
                std::cmp::Ordering::Less => self.has_skipped,
                std::cmp::Ordering::Equal => true,
                std::cmp::Ordering::Greater => total.is_bound,
            };
            if !is_met {
                self.contradict(page, index, read, total)?;
            }
        }
        Ok(())
    }

    /// The error of a total that is not what was read, unless the config accepts it, or it is the records that a total of pages counts.
    fn contradict(&mut self, page: &Seen<'_>, index: usize, read: u64, total: Total) -> Result<(), SourceError> {
        let rule = &self.stop.totals[index];
        if rule.unit == Unit::Pages && total.number == self.read {
            let (at, write) = match &rule.at {
                TotalAt::Body(path) => (format!("`{}`", path_words(path)), format!("total_records_path: {}", path_words(path))),
                TotalAt::Header(name) => (format!("the header `{name}`"), format!("total_records_header: {name}")),
            };
            self.warning = Some(counts_records(&at, rule.key(), total.number, &write));
            return Ok(());
        }
        accept_drift(rule_contradicted(page, rule, read, total.number), &self.stop, &mut self.warning)
    }
}

impl Paginator for Ended {
    fn wanted(&self) -> Vec<JsonPath> {
        self.inner.wanted().into_iter().chain(self.paths.wanted.iter().cloned()).collect()
    }

    fn own_places(&self) -> Vec<String> {
        self.inner.own_places()
    }

    fn first(&self) -> Position {
        self.inner.first()
    }

    fn ahead(&self, last: &Position) -> Option<Position> {
        self.inner.ahead(last)
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        if self.inner.is_beside() {
            let step = self.inner.step(page)?;
            return self.close(page, step, (None, EndReason::HasMoreFalse));
        }
        let is_empty_end = self.stop.stop_after_empty_page && page.facts.records == 0;
        let told = if is_empty_end { (None, EndReason::HasMoreFalse) } else { self.more(page)? };
        self.count(page)?;
        let step = match (self.own, told.0) {
            (None, _) if is_empty_end => Step::End(EndReason::EmptyPage),
            (None, Some(false)) => Step::End(EndReason::HasMoreFalse),
            (_, more) => self.inner.step(&Seen { more, ..*page })?,
        };
        self.close(page, step, told)
    }

    fn refused(&mut self, page: &Seen<'_>, error: SourceError) -> Result<Step, SourceError> {
        self.inner.refused(page, error)
    }

    fn ended(&mut self, page: &Seen<'_>, reason: EndReason) -> Result<(), SourceError> {
        self.check_end(page, (reason, self.own), None)
    }

    fn warning(&mut self) -> Option<Warning> {
        self.warning.take().or_else(|| self.inner.warning())
    }

    fn total_of(&self, page: &Seen<'_>) -> Option<u64> {
        let of_rule = || {
            let index = self.stop.totals.iter().position(|total| total.unit == Unit::Records)?;
            self.total_at(page, index).ok().flatten().map(|total| total.number)
        };
        self.inner.total_of(page).or_else(of_rule)
    }

    fn take_back(&mut self, records: u64) {
        self.read = self.read.saturating_sub(records);
        self.filled = self.filled.saturating_sub(1);
        self.inner.take_back(records);
    }

    fn pass_over(&mut self) {
        self.has_skipped = true;
        self.inner.pass_over();
    }

    fn no_page(&mut self, page: &Seen<'_>) -> Option<Result<Step, SourceError>> {
        self.inner.no_page(page)
    }

    fn mind_empty(&mut self) {
        self.inner.mind_empty();
    }

    fn mind_short(&mut self) {
        self.inner.mind_short();
    }

    fn is_beside(&self) -> bool {
        self.inner.is_beside()
    }

    fn pages_left(&self) -> Option<u64> {
        let of_rule = |index: usize| -> Option<u64> {
            let (read, total) = self.progress(index).filter(|(_, total)| !total.is_bound)?;
            let left = total.number.saturating_sub(read);
            Some(match self.stop.totals[index].unit {
                Unit::Records => left.div_ceil(self.largest.max(1)),
                Unit::Pages => cautious(left, total.number, (self.read, self.largest, self.filled)),
            })
        };
        (0..self.told.len()).filter_map(of_rule).chain(self.inner.pages_left()).min()
    }

    fn meets_total(&self) -> bool {
        let is_met = |index| self.progress(index).is_some_and(|(read, total)| !total.is_bound && read == total.number);
        !self.has_moved && !self.has_skipped && self.filled > 1 && (0..self.told.len()).any(is_met)
    }

    fn total_records(&self) -> Option<u64> {
        let of_rule = || {
            let index = self.stop.totals.iter().position(|total| total.unit == Unit::Records)?;
            let passed = if self.own == Some(Unit::Records) { self.passed } else { 0 };
            self.told[index].and_then(Total::exact).map(|total| total.saturating_sub(passed))
        };
        self.inner.total_records().or_else(of_rule)
    }
}
