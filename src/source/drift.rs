//! Drift: rows that are added or removed while pages are read by their places, and what of it can be seen.
//!
//! An offset or a page number names a place, also in a link, and places move. Rows added before the place at hand come twice: the next page
//! begins with records of the one before it. But pages are asked for together, and one farther on may have been answered before the rows came: it
//! lacks what moved into it. So behind a page that begins with records of the one before it, what was asked for before it was answered is asked for
//! again, and so is a page that tells a smaller total than one before it that was under way with it. Rows removed before the place at hand are
//! skipped over, which shows in a total that is less than one whose answer had come before the page was asked for, or, where the API's order is not
//! one, in records that come again elsewhere than at the border. Then the page before is read again, until one has records that are known, so that
//! nothing lies between. That needs a primary key, by which the copies become one row.
//! Records that come again at a border while the API's total stays were not pushed there by new rows: rows changed places. The page before is read
//! again, and one that begins in the same way leads to the page before it in turn; two pages that stay what they were are the API's own list. If
//! then fewer different records came than the total has, a row may have been left out for each that came twice, and the resource fails.
//! Not seen: rows that change places, and as many removed as added between two pages, where no total is told; rows added within a page under way
//! without any total; and any of it without record hashes.

use std::collections::VecDeque;

use hashbrown::HashSet;

use crate::config::PaginatorPlan;
use crate::source::error::PagingFault;
use crate::source::flight::Span;
use crate::source::paginate::{Place, Position, Seen, watches_drift};
use crate::source::{PageFacts, SourceError};

/// Pages read again, one after the other, before giving up.
const REREADS_MAX: usize = 3;
/// Records remembered to count copies; two such generations are kept.
const GENERATION: usize = 1 << 18;
/// Rises of a total that are remembered: more than there are pages under way.
const RISES_MAX: usize = 256;

/// Watches the pages of one fetch.
#[derive(Debug, Default)]
pub(super) struct Drift {
    /// Whether pages have places, and a drift matters.
    is_watched: bool,
    /// Whether copies of a row become one.
    has_key: bool,
    /// Whether the paginator's total is one of records.
    counts_records: bool,
    /// Pages that count and may be read again, the latest last.
    known: VecDeque<Known>,
    /// The paginator's total, and that of all records: an API may tell both.
    totals: [Total; 2],
    /// Since a page farther on was accepted.
    rereads: usize,
    farthest: u64,
    /// How many of the known pages are being read again.
    back: usize,
    /// Whether the first page is no more among the known ones.
    has_forgotten: bool,
    copies: Copies,
    /// The records of the page before, and whether another one had some of them.
    previous: HashSet<u64>,
    has_overlap: bool,
    /// Whether the page that was read again last is what it was.
    is_same: bool,
    /// The least total of records that a page told.
    least: Option<u64>,
    /// Records without a hash, since they become no rows; less those that are read again.
    unhashed: u64,
}

/// A total, page by page.
#[derive(Debug, Default)]
struct Total {
    /// When it was told, and what: each later than the one before it, and more.
    told: VecDeque<(u64, u64)>,
    /// Whether what the API tells as a total is the page's own count.
    is_of_page: bool,
    /// Whether the page that counted last tells less than another that was under way with it: rows went, or were counted before others came.
    is_unsure: bool,
}

impl Total {
    /// What it was at the most, by answers that came before `sent`.
    fn before(&self, sent: u64) -> Option<u64> {
        self.told.iter().filter(|(answered, _)| *answered < sent).map(|(_, told)| *told).max()
    }

    /// Keeps what a page tells that counts; `anew`: and nothing of those before it.
    fn keep(&mut self, answered: u64, told: u64, anew: bool) {
        if anew {
            self.told.clear();
        }
        self.is_unsure = self.told.iter().any(|(_, other)| *other > told);
        if self.told.iter().any(|(earlier, other)| *earlier <= answered && *other >= told) {
            return;
        }
        self.told.retain(|(later, other)| !(*later >= answered && *other <= told));
        self.told.push_back((answered, told));
        if self.told.len() > RISES_MAX {
            self.told.pop_front();
        }
    }
}

#[derive(Debug)]
struct Known {
    position: Position,
    records: u64,
    hashes: Vec<u64>,
    /// The total of records that it tells.
    total: Option<u64>,
}

/// Whether pages have places, which move where rows come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// Not that it is known: they are only remembered.
    None,
    /// The paginator that is tried has, and has not proven itself.
    Likely,
    /// They have.
    Known,
}

impl Places {
    /// Those of a paginator that was detected.
    pub(super) fn of(plan: &PaginatorPlan, is_proven: bool) -> Self {
        match is_proven {
            _ if !watches_drift(plan) => Self::None,
            true => Self::Known,
            false => Self::Likely,
        }
    }
}

/// A page to be read again.
#[derive(Debug)]
pub(super) struct Reread {
    /// From here.
    pub(super) from: Position,
    /// Records already counted that will come again.
    pub(super) records: u64,
    /// What was seen, in words.
    pub(super) why: String,
    /// Whether it is a page before the one at hand.
    pub(super) is_before: bool,
}

impl Drift {
    /// Watches the pages of `plan`; `has_key`: copies of a row become one.
    pub(super) fn new(plan: &PaginatorPlan, has_key: bool) -> Self {
        let counts_records = matches!(plan, PaginatorPlan::Offset { .. });
        Self { is_watched: watches_drift(plan), has_key, counts_records, ..Self::default() }
    }

    /// Whether the page at hand is one that was read before, so that its records are known.
    pub(super) fn is_rereading(&self) -> bool {
        self.back > 0
    }

    /// Judges a page in its turn; `totals` are what it says there is in all, by the paginator and of records. `Some`: it does not count, and another
    /// is to be read.
    ///
    /// # Errors
    /// [`PagingFault::Drifted`] when pages cannot be brought together.
    pub(super) fn judge(
        &mut self,
        page: &Seen<'_>,
        (position, span): (&Position, Span),
        totals: [Option<u64>; 2],
        places: Places,
    ) -> Result<Option<Reread>, SourceError> {
        // A link that does not count names a record, and its place does not move.
        if !self.is_watched || matches!(position.place, Place::Link(_)) && position.ordinal == 0 {
            return Ok(None);
        }
        for (known, told) in self.totals.iter_mut().zip(totals) {
            known.is_of_page |= page.page == 1 && told.is_some_and(|told| told <= page.facts.records);
        }
        let hashes = &page.facts.record_hashes;
        let of_records = self.of_records(totals);
        let why = match (self.is_rereading(), places) {
            (true, _) => self.gap(hashes).or_else(|| self.changed_again(hashes, of_records)),
            (false, Places::None) => None,
            (false, Places::Likely) => {
                if let Some(why) = self.fallen(totals, span) {
                    let advice = "run again, or write the paginator that is detected, so that pages can be read again";
                    return Err(PagingFault::Drifted { place: page.at(), why, advice }.into());
                }
                None
            }
            (false, Places::Known) => match self.fallen(totals, span) {
                Some(why) if self.totals.iter().any(|total| total.is_unsure) => {
                    // The page before may be behind the place where rows went.
                    let advice = "run again, or ask for page after page with `client.concurrency: 1`";
                    return Err(PagingFault::Drifted { place: page.at(), why, advice }.into());
                }
                fallen => fallen.or_else(|| self.out_of_order(hashes)).or_else(|| self.changed_places(hashes, of_records)),
            },
        };
        if let Some(why) = why {
            return self.go_back(page, why).map(Some);
        }
        if position.ordinal > self.farthest || self.known.is_empty() {
            self.farthest = position.ordinal;
            self.rereads = 0;
        }
        if places == Places::Known && !self.is_rereading() && self.rereads < REREADS_MAX && self.is_older(totals) {
            self.rereads += 1;
            let why = "it tells a smaller total than a page before it that was under way with it".to_owned();
            return Ok(Some(Reread { from: position.clone(), records: 0, why, is_before: false }));
        }
        let anew = self.is_rereading();
        self.is_same = self.reread().is_some_and(|known| known.hashes == *hashes);
        let told = self.totals.iter_mut().zip(totals).filter_map(|(known, told)| Some((known, told?)));
        told.for_each(|(known, told)| known.keep(span.answered, told, anew));
        self.known.truncate(self.known.len().saturating_sub(std::mem::take(&mut self.back)));
        let (records, hashes) = (page.facts.records, hashes.clone());
        self.known.push_back(Known { position: position.clone(), records, hashes, total: of_records });
        if self.known.len() > REREADS_MAX + 1 {
            self.known.pop_front();
            self.has_forgotten = true;
        }
        Ok(None)
    }

    /// A total that is less than before: rows before this page may be gone, and others unread for it.
    fn fallen(&self, totals: [Option<u64>; 2], span: Span) -> Option<String> {
        self.totals.iter().zip(totals).filter(|(known, _)| !known.is_of_page).find_map(|(known, told)| {
            let (before, now) = (known.before(span.sent)?, told?);
            (now < before).then(|| format!("the API's total fell from {before} to {now}"))
        })
    }

    /// Whether a page tells less than one before it: rows came between their answers, and the page is of the time before, so that it lacks what moved
    /// into it.
    fn is_older(&self, totals: [Option<u64>; 2]) -> bool {
        let known = self.totals.iter().zip(totals).filter(|(known, _)| !known.is_of_page);
        known.into_iter().any(|(known, told)| told.is_some_and(|told| known.told.iter().any(|(_, other)| *other > told)))
    }

    /// Another sign of that.
    fn out_of_order(&self, hashes: &[u64]) -> Option<String> {
        let last = self.known.back().filter(|_| self.has_key)?;
        let known: HashSet<u64> = last.hashes.iter().copied().collect();
        let copies = hashes.iter().filter(|hash| known.contains(*hash)).count();
        let is_border = last.hashes.iter().rev().take(copies).rev().eq(hashes.iter().take(copies));
        (copies > 0 && copies < hashes.len() && !is_border)
            .then(|| format!("{copies} records came again in another order than they had"))
    }

    /// The total of records among those that a page tells.
    fn of_records(&self, totals: [Option<u64>; 2]) -> Option<u64> {
        let [own, other] = totals;
        let own = own.filter(|_| self.counts_records && !self.totals[0].is_of_page);
        own.or_else(|| other.filter(|_| !self.totals[1].is_of_page)).filter(|_| self.has_key)
    }

    /// Records of the page before that come again at the border, although the total rose by less: they were not pushed there by new rows. A page
    /// before that was read again and stayed what it was shows that the API lists them so.
    fn changed_places(&self, hashes: &[u64], total: Option<u64>) -> Option<String> {
        let last = self.known.back().filter(|_| !self.is_same)?;
        unexplained(last, hashes, total)
    }

    /// The same of a page that was read again, and is not what it was.
    fn changed_again(&self, hashes: &[u64], total: Option<u64>) -> Option<String> {
        self.reread().filter(|known| known.hashes != hashes)?;
        let before = self.known.len().checked_sub(self.back + 1).and_then(|index| self.known.get(index))?;
        unexplained(before, hashes, total)
    }

    /// What was known of the page that is read again.
    fn reread(&self) -> Option<&Known> {
        let index = self.known.len().checked_sub(self.back).filter(|_| self.is_rereading())?;
        self.known.get(index)
    }

    /// Why a page that was read again does not join what is known.
    fn gap(&self, hashes: &[u64]) -> Option<String> {
        let is_first = self.back == self.known.len() && !self.has_forgotten;
        let joins = is_first || self.known.iter().any(|known| known.hashes.iter().any(|hash| hashes.contains(hash)));
        (!joins).then(|| "no record of the page read again was known".to_owned())
    }

    /// The page before the one that was read last, to be read again.
    fn go_back(&mut self, page: &Seen<'_>, why: String) -> Result<Reread, SourceError> {
        let give_up = |advice| SourceError::from(PagingFault::Drifted { place: page.at(), why: why.clone(), advice });
        if !self.has_key {
            return Err(give_up("declare a `primary_key`, so that pages can be read again"));
        }
        self.rereads += 1;
        self.back += 1;
        match self.reread().filter(|_| self.rereads <= REREADS_MAX) {
            Some(known) => {
                let unhashed = known.records.saturating_sub(known.hashes.len() as u64);
                let reread = Reread { from: known.position.clone(), records: known.records, why, is_before: true };
                self.unhashed = self.unhashed.saturating_sub(unhashed);
                Ok(reread)
            }
            None => Err(give_up("pages read again do not settle it; sort the API's answer by a key that does not change")),
        }
    }

    /// Counts the records of an accepted page that are copies of earlier ones, and keeps the totals that it tells; whether one is of the page before it, so that rows came before it.
    pub(super) fn count_copies(&mut self, facts: &PageFacts, totals: [Option<u64>; 2]) -> bool {
        let hashes = &facts.record_hashes;
        self.unhashed += facts.records.saturating_sub(hashes.len() as u64);
        self.least = [self.least, self.of_records(totals)].into_iter().flatten().min();
        let is_overlap = hashes.iter().any(|hash| self.previous.contains(hash));
        self.has_overlap |= is_overlap;
        self.previous.clear();
        self.previous.extend(hashes);
        self.copies.count(hashes, &self.previous);
        is_overlap
    }

    /// Whether a page had records of the one before it.
    pub(super) fn has_overlap(&self) -> bool {
        self.has_overlap
    }

    /// Records of rows without a key that came again on a later page, exactly the same.
    pub(super) fn copies(&self) -> u64 {
        if self.has_key { 0 } else { self.copies.found }
    }

    /// How many different records came and how many the API counts, where `read` came, enough by its count, and copies are among them. An API that gives copies
    /// within a page counts them, too.
    pub(super) fn lacks(&self, read: u64) -> Option<(u64, u64)> {
        let Copies { distinct, has_twins, .. } = self.copies;
        let distinct = distinct + self.unhashed;
        let total = self.least.filter(|_| self.has_key && !has_twins)?;
        (distinct < total && total <= read).then_some((distinct, total))
    }
}

/// Why a page that begins with records at which the page before it ended was not pushed there by new rows.
fn unexplained(before: &Known, hashes: &[u64], total: Option<u64>) -> Option<String> {
    let known: HashSet<u64> = before.hashes.iter().copied().collect();
    let copies = hashes.iter().take_while(|hash| known.contains(*hash)).count();
    let (was, is) = (before.total?, total?);
    let is_explained = is.saturating_sub(was) >= copies as u64 || before.hashes == hashes;
    (!is_explained).then(|| format!("{copies} records came again at the border of two pages and the API's total is still {is}"))
}

/// Counts records that came on an earlier page.
#[derive(Debug, Default)]
struct Copies {
    young: HashSet<u64>,
    old: HashSet<u64>,
    found: u64,
    distinct: u64,
    /// Whether a page had a record twice.
    has_twins: bool,
}

impl Copies {
    /// Counts those of a page, which has these different ones.
    fn count(&mut self, hashes: &[u64], different: &HashSet<u64>) {
        let is_known = |hash: &&u64| self.young.contains(*hash) || self.old.contains(*hash);
        self.found += hashes.iter().filter(is_known).count() as u64;
        self.distinct += different.iter().filter(|hash| !is_known(hash)).count() as u64;
        self.has_twins |= different.len() < hashes.len();
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.extend(hashes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a page tells that was asked for and answered then, behind others: whether it fell, and whether that is unsure.
    fn check(before: &[(u64, u64)], (sent, told): (u64, u64), falls: bool, is_unsure: bool) {
        let mut total = Total::default();
        before.iter().for_each(|(answered, told)| total.keep(*answered, *told, false));
        assert_eq!(total.before(sent).is_some_and(|before| told < before), falls, "{before:?}, {told} asked for at {sent}");
        assert_eq!(total.is_unsure, is_unsure, "{before:?}");
    }

    #[test]
    fn a_total_falls_behind_answers_that_had_come_and_not_behind_pages_under_way() {
        check(&[(1, 45)], (2, 44), true, false);
        // The page was asked for before the other one was answered.
        check(&[(1, 45), (5, 46)], (2, 45), false, false);
        check(&[(1, 45), (5, 46)], (2, 44), true, false);
        check(&[(1, 45), (5, 46)], (6, 45), true, false);
        // One under way with the largest tells less: what is asked for behind both tells which it was.
        check(&[(1, 45), (5, 46), (4, 45)], (6, 46), false, true);
        check(&[(1, 45), (5, 46), (7, 45)], (8, 45), true, true);
        // A total that is less for good is the one to go by once pages were read again.
        let mut total = Total::default();
        total.keep(1, 50, false);
        total.keep(9, 47, true);
        assert_eq!((total.before(10), total.is_unsure), (Some(47), false));
        (10..10_000).for_each(|at| total.keep(at, at, false));
        assert_eq!((total.before(u64::MAX), total.told.len()), (Some(9_999), RISES_MAX));
    }
}
