//! `offset`: records are counted.
//!
//! dlt adds `limit` to the offset, whatever came. That loses rows where the API caps its page size, so the offset moves on by
//! the records received: rows may then come twice from an API that filters its pages, and none is lost.

use serde_json::Value;

use crate::base::{JsonPath, Warning, WarningCode};
use crate::config::{Slot, StopRules};
use crate::source::paginate::behind::{Behind, Found};
use crate::source::paginate::facts::{
    Total, accept_drift, contradicted, ends_without_total, is_doubtful, is_guess, total, wanted,
};
use crate::source::paginate::{Paginator, Place, Position, Seen, Step, may_be_cut};
use crate::source::{EndReason, SourceError};

/// After so many pages whose size was not the one before them, nothing more is fetched ahead.
const MISSES_MAX: u32 = 3;

/// `offset`. Its `total` counts records.
pub(super) struct Offset {
    limit: u64,
    start: u64,
    offset_slot: Slot,
    limit_slot: Slot,
    stop: StopRules,
    /// Records that the last page had: what the next one is expected to have.
    stride: u64,
    /// Whether the last page had what was expected, so that guessing on is worth it.
    settled: bool,
    misses: u32,
    read: u64,
    total: Option<Total>,
    total_counts_page: bool,
    /// Whether the total is met by the page at hand, which does not show that it is the last one: one more request tells.
    in_doubt: bool,
    /// Whether a page was skipped, so that the total is a bound of what was read.
    has_skipped: bool,
    behind: Behind,
    told: bool,
    warning: Option<Warning>,
}

impl Offset {
    /// Counts from `start`, asking for `limit` records a page.
    pub(super) fn new(limit: u64, start: u64, offset_slot: Slot, limit_slot: Slot, stop: StopRules) -> Self {
        Self {
            limit,
            start,
            offset_slot,
            limit_slot,
            stop,
            stride: limit,
            settled: false,
            misses: 0,
            read: 0,
            total: None,
            total_counts_page: false,
            in_doubt: false,
            has_skipped: false,
            behind: Behind::default(),
            told: false,
            warning: None,
        }
    }

    /// Records that the request itself passes over. Places that begin at 1 pass over none.
    fn passed(&self) -> u64 {
        if self.start == 1 { 0 } else { self.start }
    }

    /// The place behind the last record of a total.
    fn end(&self) -> Option<u64> {
        self.total_records().map(|total| total.saturating_add(self.start - self.passed()))
    }

    fn at(&self, offset: u64) -> Position {
        let slots = vec![(self.offset_slot.clone(), Value::from(offset)), (self.limit_slot.clone(), Value::from(self.limit))];
        Position { ordinal: offset, place: Place::Slots(slots) }
    }

    /// Why the page at `offset` is not requested.
    fn stops_before(&self, offset: u64) -> Option<EndReason> {
        let is_past = self.stop.maximum.is_some_and(|maximum| offset >= maximum);
        let is_met = self.end().is_some_and(|end| offset >= end);
        match (is_met && (!self.in_doubt || is_past), is_past) {
            (true, _) => Some(EndReason::TotalReached),
            (false, true) => Some(EndReason::MaximumReached),
            (false, false) => None,
        }
    }

    /// Whether ending here is what the total says.
    fn check_end(&mut self, page: &Seen<'_>) -> Result<(), SourceError> {
        let Some(Total { number: total, is_bound }) = self.total else { return Ok(()) };
        let read = self.read.saturating_add(self.passed().min(total));
        // Nobody knows how many records a skipped page had.
        let is_met = if self.has_skipped { is_bound || self.read <= total } else { read == total || is_bound && read > total };
        if is_met {
            return Ok(());
        }
        accept_drift(
            contradicted(page, &self.stop, "records", self.read, total.saturating_sub(self.passed())),
            &self.stop,
            &mut self.warning,
        )
    }

    /// A total that nobody declared and that equals a full first page may be the page's own count: one more request tells.
    fn read_total(&mut self, page: &Seen<'_>) -> Result<(), SourceError> {
        // Behind the last page, some count nothing.
        if page.page > 1 && page.facts.records == 0 {
            return Ok(());
        }
        if let Some(found) = total(page, &self.stop)? {
            let full = page.facts.records >= self.limit;
            if is_guess(&self.stop)
                && ends_without_total(&self.stop)
                && page.page == 1
                && full
                && found.number == page.facts.records
            {
                self.total_counts_page = true;
            }
            self.total = if self.total_counts_page { None } else { Some(found) };
        }
        Ok(())
    }

    /// Notes the size of a page that has records.
    fn measure(&mut self, page: &Seen<'_>) {
        let records = page.facts.records;
        self.settled = records == self.stride;
        if self.settled && records < self.limit && !self.told {
            self.told = true;
            let text = format!("asked for {} records a page and gets {records}: offsets move on by what comes", self.limit);
            self.warning = Some(Warning::new(WarningCode::PageSizeDiffers, text));
        }
        if !self.settled {
            self.misses += 1;
            self.stride = records;
        }
    }
}

impl Paginator for Offset {
    fn wanted(&self) -> Vec<JsonPath> {
        wanted(&self.stop)
    }

    fn first(&self) -> Position {
        self.at(self.start)
    }

    fn ahead(&self, last: &Position) -> Option<Position> {
        let next = last.ordinal.checked_add(self.stride)?;
        let may_guess = self.settled && self.misses <= MISSES_MAX && !self.behind.is_looking();
        (may_guess && self.stops_before(next).is_none()).then(|| self.at(next))
    }

    fn total_of(&self, page: &Seen<'_>) -> Option<u64> {
        if self.total_counts_page { None } else { total(page, &self.stop).ok().flatten().map(|total| total.number) }
    }

    fn take_back(&mut self, records: u64) {
        self.read = self.read.saturating_sub(records);
    }

    fn mind_short(&mut self) {
        self.behind.mind();
    }

    fn is_beside(&self) -> bool {
        self.behind.is_looking()
    }

    fn refused(&mut self, _page: &Seen<'_>, error: SourceError) -> Result<Step, SourceError> {
        self.behind.refused(error)
    }

    fn no_page(&mut self, page: &Seen<'_>) -> Option<Result<Step, SourceError>> {
        self.behind.no_page(page)
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        if let Some(step) = self.look(page)? {
            return Ok(step);
        }
        let next = page.ordinal.saturating_add(page.facts.records);
        let is_open = !self.stop.has_flag() && self.stop.maximum.is_none_or(|maximum| next < maximum);
        let may_look = is_open && self.behind.may_look(page, self.limit);
        let step = self.follow(page, may_look)?;
        match self.total_records().filter(|_| may_look && step == Step::End(EndReason::TotalReached)) {
            Some(total) => {
                self.behind.ask(page, total);
                Ok(Step::Next(self.at(next)))
            }
            None => Ok(step),
        }
    }

    fn pass_over(&mut self) {
        self.has_skipped = true;
    }

    fn warning(&mut self) -> Option<Warning> {
        self.warning.take().or_else(|| self.behind.warning())
    }

    fn pages_left(&self) -> Option<u64> {
        let left = self.total_records()?.saturating_sub(self.passed().saturating_add(self.read));
        Some(left.div_ceil(self.stride.max(1)))
    }

    fn total_records(&self) -> Option<u64> {
        self.total.and_then(Total::exact).filter(|_| !self.behind.is_unproven())
    }
}

impl Offset {
    /// What comes of a page that was only asked for to see whether the total counts the one before it; `None` for all others.
    fn look(&mut self, page: &Seen<'_>) -> Result<Option<Step>, SourceError> {
        if let Some(step) = self.behind.control(page)? {
            return Ok(Some(step));
        }
        let told = total(page, &self.stop).ok().flatten().map(|total| total.number);
        match self.behind.find(page, told.filter(|_| !self.stop.allow_drift)) {
            None => Ok(None),
            Some(Found::None) => Ok(Some(Step::Over(EndReason::TotalReached))),
            Some(Found::Page) => Ok(Some(Step::Again(self.at(page.ordinal)))),
            Some(Found::Others(total)) => {
                let read = self.read.saturating_add(page.facts.records);
                self.behind.suspect(contradicted(page, &self.stop, "records", read, total));
                Ok(Some(Step::Again(self.first())))
            }
        }
    }

    /// What follows a page that counts; `may_look`: whether it is all is told by a look of its own.
    fn follow(&mut self, page: &Seen<'_>, may_look: bool) -> Result<Step, SourceError> {
        let records = page.facts.records;
        if self.stop.stop_after_empty_page && records == 0 {
            self.check_end(page)?;
            return Ok(Step::End(EndReason::EmptyPage));
        }
        self.read += records;
        let before = self.total;
        self.read_total(page)?;
        if records > 0 {
            self.measure(page);
        }
        let next = page.ordinal.saturating_add(if records == 0 { self.limit.max(1) } else { records });
        let is_new = self.total != before || self.stop.allow_drift;
        let may_be_all = |end| next == end || next > end && self.stop.allow_drift;
        let may_be_cut = !may_look && may_be_cut(page, Some(self.limit));
        self.in_doubt =
            page.more.is_none() && self.end().is_some_and(may_be_all) && is_doubtful(page, &self.stop, may_be_cut, is_new);
        match (self.stops_before(next), page.more) {
            (Some(EndReason::TotalReached), Some(true)) => Ok(Step::End(EndReason::TotalReached)),
            (Some(EndReason::TotalReached), _) => {
                self.check_end(page)?;
                Ok(Step::End(EndReason::TotalReached))
            }
            (Some(reason), _) => Ok(Step::End(reason)),
            (None, Some(false)) => {
                self.check_end(page)?;
                Ok(Step::End(EndReason::HasMoreFalse))
            }
            (None, _) => Ok(Step::Next(self.at(next))),
        }
    }
}
