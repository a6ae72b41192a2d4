//! A look behind an only page that is shorter than asked for, where a total says that it is all: the API may cap its pages at any size and
//! count each by itself.
//!
//! In: the first page, and the end that its total makes of it. Out: one request behind it, where no parent is read for, so that it costs one a
//! resource, or where the page has a usual size. No page, whatever an API answers where it has none, lets the total stand. Other records do not, once the first page has come
//! again as it was: records that differ on every request tell nothing.

use std::collections::HashSet;

use crate::base::{ErrorKind, Warning, WarningCode};
use crate::source::SourceError;
use crate::source::error::{PagingFault, names_limit};
use crate::source::paginate::pairs::USUAL_SIZES;
use crate::source::paginate::totals::is_short_of_asked;
use crate::source::paginate::{Seen, Step};
use crate::source::{EndReason, PageFacts};

/// What is known of the place behind the first page.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// Whether it is looked at whatever the size of the first page.
    minds: bool,
    state: State,
    /// Whether nothing confirmed the total.
    is_unproven: bool,
    warning: Option<Warning>,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing is asked for.
    #[default]
    Settled,
    /// The place behind the first page was asked for.
    Asked(Only),
    /// It has other records, which is the error; the first page is asked for again, to see whether records stay what they are.
    Again(Only, SourceError),
}

/// The first page.
#[derive(Debug)]
struct Only {
    hash: u128,
    hashes: HashSet<u64>,
    records: u64,
    total: u64,
}

/// What the page behind the first one is.
pub(super) enum Found {
    /// None: nothing follows.
    None,
    /// One whose own total takes back the first one: it is judged as any other.
    Page,
    /// One with other records, where the total does not grow with them: the total of the first page.
    Others(u64),
}

impl Behind {
    /// Has it looked at whatever the size of the first page, and not only where that is a usual one.
    pub(super) fn mind(&mut self) {
        self.minds = true;
    }

    /// Whether the page at hand is one that only tells of others.
    pub(super) fn is_looking(&self) -> bool {
        !matches!(self.state, State::Settled)
    }

    /// Whether it is for this look to tell whether `page` is all, should it meet a total, where so many records were asked for.
    pub(super) fn may_look(&self, page: &Seen<'_>, limit: u64) -> bool {
        is_short_of_asked(page, limit) && (self.minds || USUAL_SIZES.contains(&page.facts.records))
    }

    /// The place behind `page`, which meets its `total`, is asked for.
    pub(super) fn ask(&mut self, page: &Seen<'_>, total: u64) {
        let PageFacts { records, records_hash: hash, ref record_hashes, .. } = *page.facts;
        let hashes = record_hashes.iter().copied().collect();
        self.state = State::Asked(Only { hash, hashes, records, total });
    }

    /// What `page`, which tells of `total` records, is, where it was asked for to see that.
    pub(super) fn find(&mut self, page: &Seen<'_>, total: Option<u64>) -> Option<Found> {
        let State::Asked(only) = &self.state else { return None };
        let found = match page.facts.records {
            0 => Found::None,
            _ if !only.is_other(page) => {
                self.doubt("brought the first one again");
                Found::None
            }
            _ if total.is_some_and(|total| total <= only.total) => Found::Others(only.total),
            _ => Found::Page,
        };
        if !matches!(found, Found::Others(_)) {
            self.state = State::Settled;
        }
        Some(found)
    }

    /// Keeps the error of a page with other records until the first one has come again.
    pub(super) fn suspect(&mut self, error: SourceError) {
        if let State::Asked(only) = std::mem::take(&mut self.state) {
            self.state = State::Again(only, error);
        }
    }

    /// What comes of the first page, asked for again; `None` for all others.
    ///
    /// # Errors
    /// That of the page behind it, where this one has records that it had.
    pub(super) fn control(&mut self, page: &Seen<'_>) -> Result<Option<Step>, SourceError> {
        match std::mem::take(&mut self.state) {
            State::Again(only, error) if page.facts.records > 0 && !only.is_other(page) => Err(error),
            State::Again(only, _) => {
                self.state = State::Asked(only);
                self.doubt("brought records that differ on every request");
                self.state = State::Settled;
                Ok(Some(Step::Over(EndReason::TotalReached)))
            }
            other => {
                self.state = other;
                Ok(None)
            }
        }
    }

    /// What follows where the page at hand is refused.
    ///
    /// # Errors
    /// `error`, where it says nothing of that page, or the API goes only so far.
    pub(super) fn refused(&mut self, error: SourceError) -> Result<Step, SourceError> {
        let is_of_answer = matches!(error.kind(), ErrorKind::Data | ErrorKind::Unavailable | ErrorKind::Credentials);
        match std::mem::take(&mut self.state) {
            State::Asked(only) if is_of_answer && !(error.names_limit() && only.may_be_cap()) => {
                self.is_unproven |= !error.is_no_page();
                Ok(Step::Over(EndReason::TotalReached))
            }
            State::Again(_, other_records) => Err(other_records),
            _ => Err(error),
        }
    }

    /// What follows where nothing can be read from the page at hand.
    ///
    /// # Errors
    /// Where it says that the API goes only so far.
    pub(super) fn no_page(&mut self, page: &Seen<'_>) -> Option<Result<Step, SourceError>> {
        let failure = page.facts.failure.clone().filter(|(_, said)| names_limit(said));
        match std::mem::take(&mut self.state) {
            State::Asked(only) => match failure.filter(|_| only.may_be_cap()) {
                Some((name, said)) => Some(Err(PagingFault::Failed { place: page.at(), name, said }.into())),
                None => {
                    self.is_unproven = true;
                    Some(Ok(Step::Over(EndReason::TotalReached)))
                }
            },
            State::Again(_, other_records) => Some(Err(other_records)),
            State::Settled => None,
        }
    }

    /// Whether nothing confirmed the total.
    pub(super) fn is_unproven(&self) -> bool {
        self.is_unproven
    }

    /// What is to be told, once.
    pub(super) fn warning(&mut self) -> Option<Warning> {
        self.warning.take()
    }

    /// The guess at a second page was not understood, which is worth a warning where the first one has a usual size.
    fn doubt(&mut self, what: &str) {
        self.is_unproven = true;
        let State::Asked(only) = &self.state else { return };
        if only.may_be_cap() {
            let text = format!(
                "what was asked for as a second page {what}, and {} records are a usual page size, so that the total of {} may count the page alone; if they are all there is, write `paginator: single_page`",
                only.records, only.total
            );
            self.warning = Some(Warning::new(WarningCode::MorePagesInDoubt, text));
        }
    }
}

impl Only {
    /// Whether a page has none of its records.
    fn is_other(&self, page: &Seen<'_>) -> bool {
        let facts = page.facts;
        facts.records_hash != self.hash && !facts.record_hashes.iter().any(|hash| self.hashes.contains(hash))
    }

    /// Whether it has as many records as APIs cap a page at.
    fn may_be_cap(&self) -> bool {
        USUAL_SIZES.contains(&self.records)
    }
}
