//! The end of a chain, and what speaks for it: flags, totals and short pages while pages are read, and totals that must be reached behind
//! the last one.

use crate::base::{Warning, WarningCode};
use crate::config::Slot;
use crate::source::error::{NamedBy, PagingFault, Place, names_limit};
use crate::source::fetch::Fetch;
use crate::source::flight::{Ending, Tally};
use crate::source::ledger::Sums;
use crate::source::paginate::{
    Position, Proof, Role, Seen, Sign, Step, USUAL_SIZES, Way, is_size, may_be_cut, name_of, promises_more, says_last,
    stands_around,
};
use crate::source::{End, EndReason, SourceError};

impl Fetch {
    /// Whether something else than the place of the next page tells that `page` is the last one: a flag, a total that is read, or a page
    /// that is shorter than another, or than was asked for.
    pub(super) fn is_shown_to_be_last(&self, page: &Seen<'_>) -> bool {
        let Tally { pages, records, read_again, ignored, largest, .. } = self.tally;
        if promises_more(page.facts) || page.is_part {
            return false;
        }
        let came = page.facts.records;
        let asked_for = |number: u64| number > came && !USUAL_SIZES.contains(&came);
        let is_short = || {
            let of_request = |(slot, number): &(Slot, u64)| is_size(name_of(slot)) && asked_for(*number);
            let is_limit = |sign: &&Sign| sign.role() == Some(Role::Limit) && stands_around(page.facts, sign);
            let told = || page.facts.signs.iter().filter(is_limit).filter_map(Sign::number).any(asked_for);
            came < largest || page.asked.iter().any(of_request) || told()
        };
        let is_last_number = |sign: &Sign| sign.role() == Some(Role::Pages) && sign.number() == Some(pages + 1);
        says_last(page.facts)
            || is_short()
            || page.facts.signs.iter().any(is_last_number)
            || ignored == 0 && self.totals.tells(page, records + came - read_again)
    }

    /// Whether `page` is the last one by a total in a header. One that equals a first page may be that page's own count, and one that a full
    /// page meets is no proof.
    pub(super) fn reaches_header_total(&self, page: &Seen<'_>) -> bool {
        let Tally { records, read_again, ignored, .. } = self.tally;
        let read = records + page.facts.records - read_again;
        page.page > 1
            && !may_be_cut(page, None)
            && ignored == 0
            && !self.ends_by_flag
            && !promises_more(page.facts)
            && self.totals.of_header(page.headers) == Some(read)
    }

    /// Whether what was read is a total that the API tells, so that a refusal of the next page is as good as an empty one.
    pub(super) fn is_total_read(&self) -> bool {
        let Tally { records, read_again, ignored, total, total_is_bound, promises_more, .. } = self.tally;
        let read = records - read_again;
        let is_declared_met = total == Some(read) && !total_is_bound;
        let is_met = || is_declared_met || self.totals.is_met(read) || self.paginator.pages_left() == Some(0);
        records > 0 && ignored == 0 && !self.ends_by_flag && !promises_more && is_met()
    }

    /// Whether a total that did not move, and counts more than the first page, says that all is read: what is asked for behind it is only to
    /// prove that, and whatever cannot be read there takes nothing from it.
    pub(super) fn total_stands(&self) -> bool {
        let Tally { records, read_again, first: (_, first), latest, .. } = self.tally;
        let counts_pages = self.paginator.total_records().is_none() && self.paginator.pages_left() == Some(0);
        let is_strong =
            || self.proof(records - read_again) == Proof::Strong || counts_pages && first.is_some() && first == latest;
        self.is_total_read() && is_strong()
    }

    /// Whether with `page` as much is read as a total tells, so that what leads back to a page that was read is no error.
    pub(super) fn is_total_read_by(&self, page: &Seen<'_>) -> bool {
        let Tally { records, read_again, ignored, total, total_is_bound, .. } = self.tally;
        let read = records + page.facts.records - read_again;
        let declared = total.filter(|_| !total_is_bound).or(self.paginator.total_records());
        let is_read = || declared == Some(read) || self.totals.proves(read) || self.paginator.meets_total();
        page.page > 1 && ignored == 0 && !promises_more(page.facts) && is_read()
    }

    /// What follows `page`, if it is one behind a total that stands, and none: the first of the pages again, or nothing that can be read.
    pub(super) fn no_page(&mut self, page: &Seen<'_>) -> Option<Result<Step, SourceError>> {
        let facts = page.facts;
        let is_failure = facts.is_unreadable || facts.records == 0 && facts.failure.is_some();
        if self.paginator.is_beside() {
            return if is_failure { self.paginator.no_page(page) } else { None };
        }
        let is_again = facts.records > 0 && !page.is_reread && self.records_seen.knows(facts.records_hash);
        let is_limit = || facts.failure.as_ref().is_some_and(|(_, said)| names_limit(said));
        if page.page > 1 && (is_failure && !is_limit() || is_again) && self.total_stands() {
            self.tally.is_unproven |= is_failure;
            return Some(Ok(Step::Over(EndReason::TotalReached)));
        }
        if is_failure { self.paginator.no_page(page) } else { None }
    }

    /// The resource ends. What was fetched ahead is void; when a page came empty behind a full one, it is looked at, since
    /// records in it would mean that this is not the end.
    pub(super) fn begin_end(&mut self, reason: EndReason, place: Place, at: &Position) {
        self.tally.ended = Some(reason);
        self.void_ahead();
        self.call.ended.cancel();
        let is_odd = reason == EndReason::EmptyPage && self.tally.records > 0 && self.tally.last == self.tally.largest;
        if !is_odd {
            self.flights.clear();
        }
        if !is_odd || self.arrived.as_ref().is_some_and(|arrived| arrived.answer.is_err()) {
            self.arrived = None;
        }
        self.ending = Some(Ending { reason, place, at: at.clone() });
    }

    pub(super) fn end(mut self) -> Result<End, SourceError> {
        self.turn.end();
        let Some(Ending { reason, place, at }) = self.ending.take() else { return Err(self.abandoned()) };
        let Tally { pages, records, read_again, ignored, total, total_is_bound, farthest_void, is_unproven, .. } = self.tally;
        // The config, or who started the run, ends it before the API does.
        let is_early =
            matches!(reason, EndReason::MaximumReached | EndReason::OutOfRange | EndReason::Ignored | EndReason::LimitReached);
        if let Some((farthest, later)) = farthest_void
            && farthest > at.ordinal
            && !is_early
        {
            return Err(SourceError::from(PagingFault::RecordsPastEnd { place, later }));
        }
        if !is_early {
            // An empty page behind a met total confirms it, whatever link stands there.
            let is_confirmed =
                reason == EndReason::EmptyPage && pages > 1 && (self.is_total_read() || self.tally.tells_all && ignored == 0);
            let proof = if is_confirmed { Proof::Strong } else { self.proof(records - read_again) };
            let way = Way { reason, at, proof, passed_over: self.passed_over() };
            self.check_end(&place, &way, records - read_again)?;
        }
        if let Some((path, _)) = self.expected_total
            && !is_early
        {
            let Some(total) = total else {
                let near = self.tally.near_total.take();
                return Err(SourceError::from(PagingFault::TotalMissing { place, path, near }));
            };
            let records = records - read_again;
            // Nobody knows how many records a skipped page had.
            let is_contradicted = records > total && !total_is_bound || records < total && ignored == 0;
            if is_contradicted {
                let at = Some(format!("at `{path}`"));
                return Err(SourceError::from(PagingFault::TotalContradicted {
                    place,
                    unit: "records",
                    read: records,
                    total,
                    at,
                    by: NamedBy::Expect,
                    meant: None,
                }));
            }
        }
        let Sums { requests, bytes, ignored, server_time, partial_errors } = self.call.ledger.sums();
        let declared = total.filter(|_| !total_is_bound);
        let told = declared.or(self.paginator.total_records()).or(self.totals.latest());
        let total = told.filter(|_| !is_unproven && !self.totals.contradicts(records - read_again));
        let copies = self.drift.copies();
        Ok(End { reason, pages, records, ignored, bytes, requests, total, told, server_time, copies, partial_errors })
    }

    /// `error`, or a warning of it where the config accepts it, or where it is a guess and only a part is asked for: unless that is a single page
    /// as large as pages get, of which the API does not say that it is all.
    pub(super) fn accept_or(&self, error: SourceError, is_guess: bool) -> Result<(), SourceError> {
        let asks_for_part = self.slice.cursor.as_ref().is_some_and(|cursor| cursor.range.start.is_some());
        let may_be_cut = self.tally.ended == Some(EndReason::SinglePage) && self.tally.is_first_full;
        if self.allows_drift || is_guess && asks_for_part && !may_be_cut {
            let code = if self.allows_drift { WarningCode::DriftAccepted } else { WarningCode::TotalContradicted };
            self.client.warn_once(&self.call.template.resource, Warning::new(code, error.to_string()));
            return Ok(());
        }
        Err(error)
    }

    pub(super) fn abandoned(&self) -> SourceError {
        SourceError::Abandoned { resource: self.call.template.resource.to_string(), page: self.tally.pages + 1 }
    }
}
