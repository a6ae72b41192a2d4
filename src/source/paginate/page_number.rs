//! `page_number`: pages are counted.

use serde_json::Value;

use crate::base::{JsonPath, Warning};
use crate::config::{Slot, StopRules, TotalPath, path_words};
use crate::source::error::PagingFault;
use crate::source::paginate::begin::Begin;
use crate::source::paginate::facts::{
    Total, accept_drift, cautious, contradicted, counts_records, ends_without_total, is_doubtful, is_guess, total, wanted,
};
use crate::source::paginate::{Paginator, Place, Position, Seen, Step, may_be_cut};
use crate::source::{EndReason, SourceError};

/// `page_number`. Its `total` counts pages.
pub(super) struct PageNumber {
    base: u64,
    first: u64,
    begin: Begin,
    slot: Slot,
    stop: StopRules,
    judged: bool,
    /// The number of the page that is asked for next.
    next: u64,
    total: Option<Total>,
    total_counts_records: bool,
    /// Whether the total is met by the page at hand, which does not show that it is the last one: one more request tells.
    in_doubt: bool,
    records: u64,
    /// Records of the largest page.
    largest: u64,
    has_skipped: bool,
    warning: Option<Warning>,
}

impl PageNumber {
    /// Counts from `first`; totals count from `base`.
    pub(super) fn new(base: u64, first: u64, slot: Slot, stop: StopRules) -> Self {
        let mut begin = Begin::new(first, slot.clone());
        if first != base {
            begin.settle();
        }
        Self {
            base,
            first,
            begin,
            slot,
            stop,
            judged: false,
            next: first,
            total: None,
            total_counts_records: false,
            in_doubt: false,
            records: 0,
            largest: 0,
            has_skipped: false,
            warning: None,
        }
    }

    fn at(&self, number: u64) -> Position {
        Position { ordinal: number, place: Place::Slots(vec![(self.slot.clone(), Value::from(number))]) }
    }

    /// The total, where it is all there is.
    fn exact(&self) -> Option<u64> {
        self.total.and_then(Total::exact)
    }

    /// Why the page `number` is not requested.
    fn stops_before(&self, number: u64) -> Option<EndReason> {
        let is_past = self.stop.maximum.is_some_and(|maximum| number >= maximum);
        let is_met = self.exact().is_some_and(|total| number >= total.saturating_add(self.base));
        match (is_met && (!self.in_doubt || is_past), is_past) {
            (true, _) => Some(EndReason::TotalReached),
            (false, true) => Some(EndReason::MaximumReached),
            (false, false) => None,
        }
    }

    /// Whether ending before page `number` is what the total says. A total that is only looked for by default may count
    /// records, and a first page may be empty though the API counts it.
    fn check_end(&mut self, page: &Seen<'_>, number: u64) -> Result<(), SourceError> {
        match self.total {
            Some(Total { number: total, .. })
                if number.saturating_add(1) < total.saturating_add(self.base) && self.records > 0 =>
            {
                // A page that was skipped had records that nobody counted.
                let is_of_records = if self.has_skipped { total >= self.records } else { total == self.records };
                if let (TotalPath::Required(path), true) = (&self.stop.total, is_of_records && !self.has_skipped) {
                    let (at, write) = (format!("`{}`", path_words(path)), format!("total_records_path: {}", path_words(path)));
                    self.warning = Some(counts_records(&at, "total_path", total, &write));
                    return Ok(());
                }
                if is_guess(&self.stop) && is_of_records {
                    return Ok(());
                }
                let error = contradicted(page, &self.stop, "pages", number.saturating_sub(self.base), total);
                accept_drift(error, &self.stop, &mut self.warning)
            }
            _ => Ok(()),
        }
    }

    /// Whether the pages up to `next`, which have records, are no more than the total says.
    fn check_passed(&mut self, page: &Seen<'_>, next: u64) -> Result<(), SourceError> {
        match self.exact() {
            Some(total) if page.facts.records > 0 && next > total.saturating_add(self.base) => {
                let error = contradicted(page, &self.stop, "pages", next.saturating_sub(self.base), total);
                accept_drift(error, &self.stop, &mut self.warning)
            }
            _ => Ok(()),
        }
    }

    /// Whether an empty first page is all that a declared total says.
    fn check_first(&mut self, page: &Seen<'_>) -> Result<(), SourceError> {
        let (1, TotalPath::Required(path)) = (page.page, &self.stop.total) else { return Ok(()) };
        match total(page, &self.stop) {
            Ok(Some(Total { number: found, .. })) if found > 1 => {
                let said = format!("`{}` says {found}", path_words(path));
                let error = PagingFault::FirstPageEmpty { place: page.at(), said, number: Some(self.first) };
                accept_drift(SourceError::from(error), &self.stop, &mut self.warning)
            }
            _ => Ok(()),
        }
    }

    /// Whether the last page that a declared total counts, which is empty, still calls itself one.
    fn check_last(&mut self, page: &Seen<'_>) -> Result<(), SourceError> {
        let TotalPath::Required(path) = &self.stop.total else { return Ok(()) };
        let told = total(page, &self.stop).ok().flatten().and_then(Total::exact).filter(|told| Some(*told) == self.exact());
        let Some(total) = told.filter(|told| page.ordinal.saturating_add(1) == told.saturating_add(self.base)) else {
            return Ok(());
        };
        if self.records == 0 {
            return Ok(());
        }
        let way = match self.base {
            1 => format!("page {total} of {total} is empty: does the API count from 0? Write `base_page: 0`"),
            _ => format!("page {} is empty: look at `base_page`, and at the number of the API's first page", page.ordinal),
        };
        let (of, read) = (format!("`{}`", path_words(path)), total.saturating_sub(1));
        let estimate = "`total_path: null`".to_owned();
        let error = PagingFault::PagesMissed { place: page.at(), of, read, total, way, estimate };
        accept_drift(SourceError::from(error), &self.stop, &mut self.warning)
    }

    fn read_total(&mut self, page: &Seen<'_>) -> Result<(), SourceError> {
        // Behind the last page, some count nothing.
        if page.page > 1 && page.facts.records == 0 {
            return Ok(());
        }
        if let Some(found) = total(page, &self.stop)? {
            let looks_like_records = page.page == 1 && found.number == page.facts.records && found.number > 1;
            if is_guess(&self.stop) && looks_like_records && ends_without_total(&self.stop) {
                self.total_counts_records = true;
            }
            self.total = if self.total_counts_records { None } else { Some(found) };
        }
        Ok(())
    }
}

impl Paginator for PageNumber {
    fn wanted(&self) -> Vec<JsonPath> {
        wanted(&self.stop)
    }

    fn first(&self) -> Position {
        self.at(self.first)
    }

    fn ahead(&self, last: &Position) -> Option<Position> {
        let next = last.ordinal.checked_add(1)?;
        (self.judged && !self.begin.is_beside() && self.stops_before(next).is_none()).then(|| self.at(next))
    }

    fn total_of(&self, page: &Seen<'_>) -> Option<u64> {
        if self.total_counts_records { None } else { total(page, &self.stop).ok().flatten().map(|total| total.number) }
    }

    fn pages_left(&self) -> Option<u64> {
        let total = self.exact()?;
        let left = total.saturating_add(self.base).saturating_sub(self.next);
        // A total that nobody declared may count records, as long as it is not passed.
        let may_count_records = is_guess(&self.stop) && self.largest > 0 && total >= self.records;
        let read = (self.records, self.largest, self.next.saturating_sub(self.first));
        Some(if may_count_records {
            left.min((total - self.records).div_ceil(self.largest))
        } else {
            cautious(left, total, read)
        })
    }

    fn warning(&mut self) -> Option<Warning> {
        self.warning.take()
    }

    fn take_back(&mut self, records: u64) {
        self.records = self.records.saturating_sub(records);
    }

    fn pass_over(&mut self) {
        self.has_skipped = true;
        self.begin.settle();
    }

    fn mind_empty(&mut self) {
        self.begin.mind_empty();
    }

    fn is_beside(&self) -> bool {
        self.begin.is_beside()
    }

    fn refused(&mut self, _page: &Seen<'_>, error: SourceError) -> Result<Step, SourceError> {
        self.begin.refused(error)
    }

    fn no_page(&mut self, _page: &Seen<'_>) -> Option<Result<Step, SourceError>> {
        self.begin.no_page().map(Ok)
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        if let Some(step) = self.begin.judge(page)? {
            return Ok(step);
        }
        let then = self.follow(page)?;
        Ok(self.begin.look(page, then))
    }
}

impl PageNumber {
    /// What follows a page that counts.
    fn follow(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        self.judged = true;
        if self.stop.stop_after_empty_page && page.facts.records == 0 {
            self.check_first(page)?;
            self.check_last(page)?;
            self.check_end(page, page.ordinal)?;
            return Ok(Step::End(EndReason::EmptyPage));
        }
        self.records += page.facts.records;
        self.largest = self.largest.max(page.facts.records);
        let before = self.total;
        self.read_total(page)?;
        let next = page.ordinal.saturating_add(1);
        self.next = next;
        let is_new = self.total != before || self.stop.allow_drift;
        let end = self.exact().map(|total| total.saturating_add(self.base));
        let may_be_all = |end| next == end || next > end && self.stop.allow_drift;
        self.in_doubt =
            page.more.is_none() && end.is_some_and(may_be_all) && is_doubtful(page, &self.stop, may_be_cut(page, None), is_new);
        match (self.stops_before(next), page.more) {
            (Some(EndReason::TotalReached), _) => {
                self.check_passed(page, next)?;
                Ok(Step::End(EndReason::TotalReached))
            }
            (Some(reason), _) => Ok(Step::End(reason)),
            (None, Some(false)) => {
                self.check_end(page, next)?;
                Ok(Step::End(EndReason::HasMoreFalse))
            }
            (None, _) => Ok(Step::Next(self.at(next))),
        }
    }
}
