//! Whether the first page that is read is the API's first one: a page number counts from 0 or from 1, and the wrong one of them loses a page.
//!
//! In: the first page. Out: what tells of a page before it, in words; where pages are numbered, a look at that page, whose rows never
//! count. It is refused or empty, or has the first page's records again: then the first page is the first one. Offsets of 0, cursors and
//! requests that name no page begin at the beginning by themselves; who asks for page 2 or later means to pass over those before it.
//! An empty first page tells nothing, so that the page beside it is looked at where all of a resource is read at once.

use std::collections::HashSet;

use serde_json::Value;

use crate::base::{self, ErrorKind, JsonPath};
use crate::config::Slot;
use crate::source::SourceError;
use crate::source::error::PagingFault;
use crate::source::link;
use crate::source::paginate::facts::whole_number;
use crate::source::paginate::names::Role;
use crate::source::paginate::pairs::is_page_parameter;
use crate::source::paginate::signs::{Sign, flag, stands_around};
use crate::source::paginate::{Place, Position, Seen, Step, signs};

/// What is known of the beginning.
#[derive(Debug)]
pub(super) struct Begin {
    /// The number of the first page that is read.
    number: u64,
    slot: Slot,
    /// Whether the page beside an empty one is looked at.
    minds_empty: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first page has not come.
    Open,
    /// The page beside it was asked for.
    Beside(First),
    /// It has other records, so many; the first page is asked for again, to see whether records stay what they are.
    Again(First, u64),
    /// Nothing is asked for.
    Settled,
}

/// The first page, and what follows it.
#[derive(Debug)]
struct First {
    then: Step,
    hash: u128,
    hashes: HashSet<u64>,
    records: u64,
}

impl First {
    /// Whether a page has none of its records.
    fn is_other(&self, page: &Seen<'_>) -> bool {
        let facts = page.facts;
        facts.records > 0 && facts.records_hash != self.hash && !facts.record_hashes.iter().any(|hash| self.hashes.contains(hash))
    }
}

impl Begin {
    /// Pages are read from `number` on, which goes to `slot`. Only 0 and 1 can be taken for each other.
    pub(super) fn new(number: u64, slot: Slot) -> Self {
        Self { number, slot, minds_empty: false, state: State::Open }
    }

    /// Has the page beside an empty first one looked at.
    pub(super) fn mind_empty(&mut self) {
        self.minds_empty = true;
    }

    /// Passes over the pages before the first one by intent, or as nothing is known of it.
    pub(super) fn settle(&mut self) {
        self.state = State::Settled;
    }

    /// Whether the page at hand is one that only tells of others.
    pub(super) fn is_beside(&self) -> bool {
        matches!(self.state, State::Beside(_) | State::Again(..))
    }

    fn other(&self) -> u64 {
        1 - self.number.min(1)
    }

    fn at(&self, number: u64) -> Position {
        Position { ordinal: number, place: Place::Slots(vec![(self.slot.clone(), Value::from(number))]) }
    }

    /// What comes of the first page, behind which is `then`: that, or a look at the page beside it first.
    pub(super) fn look(&mut self, page: &Seen<'_>, then: Step) -> Step {
        if !matches!(self.state, State::Open) {
            return then;
        }
        self.state = State::Settled;
        let facts = page.facts;
        let may_be_other = || match facts.records {
            0 => self.minds_empty && self.number <= 1 && !says_none(page) && !tells_of_others(page),
            _ => page_before(page, self.number, true).is_some(),
        };
        if !may_be_other() {
            return then;
        }
        let hashes = facts.record_hashes.iter().copied().collect();
        self.state = State::Beside(First { then, hash: facts.records_hash, hashes, records: facts.records });
        Step::Next(self.at(self.other()))
    }

    /// What comes of a page that is looked at; `None` for all others.
    ///
    /// # Errors
    /// [`PagingFault::OtherFirst`].
    pub(super) fn judge(&mut self, page: &Seen<'_>) -> Result<Option<Step>, SourceError> {
        let records = page.facts.records;
        match std::mem::replace(&mut self.state, State::Settled) {
            State::Beside(first) if first.is_other(page) && first.records == 0 => Err(self.fault(page, &first, records)),
            State::Beside(first) if first.is_other(page) => {
                self.state = State::Again(first, records);
                Ok(Some(Step::Again(self.at(self.number))))
            }
            State::Again(first, of_other) if !first.is_other(page) && records > 0 => Err(self.fault(page, &first, of_other)),
            State::Beside(first) | State::Again(first, _) => Ok(Some(first.go_on())),
            open @ State::Open => {
                self.state = open;
                Ok(None)
            }
            State::Settled => Ok(None),
        }
    }

    /// What follows where the page that is looked at is refused.
    ///
    /// # Errors
    /// `error`, where it says nothing of that page.
    pub(super) fn refused(&mut self, error: SourceError) -> Result<Step, SourceError> {
        let is_no_page = matches!(error, SourceError::Refused { .. } | SourceError::EmptyBody { .. });
        let is_of_answer = matches!(error.kind(), ErrorKind::Data | ErrorKind::Unavailable | ErrorKind::Credentials);
        match std::mem::replace(&mut self.state, State::Settled) {
            // Beside an empty page nothing spoke for another one: an API that fails there has none.
            State::Beside(first) if is_no_page || is_of_answer && first.records == 0 => Ok(first.go_on()),
            _ => Err(error),
        }
    }

    /// What follows where nothing can be read from the page that is looked at.
    pub(super) fn no_page(&mut self) -> Option<Step> {
        match std::mem::replace(&mut self.state, State::Settled) {
            State::Beside(first) if first.records == 0 => Some(first.go_on()),
            other => {
                self.state = other;
                None
            }
        }
    }

    fn fault(&self, page: &Seen<'_>, first: &First, records: u64) -> SourceError {
        let (number, other, is_empty) = (self.number, self.other(), first.records == 0);
        SourceError::from(PagingFault::OtherFirst { place: page.at(), number, other, records, is_empty })
    }
}

impl First {
    /// What follows the first page; the one at hand does not count.
    fn go_on(self) -> Step {
        match self.then {
            Step::Next(next) | Step::Again(next) => Step::Again(next),
            Step::End(reason) | Step::Over(reason) => Step::Over(reason),
        }
    }
}

/// Whether a page says that there are no records at all.
fn says_none(page: &Seen<'_>) -> bool {
    let counts = |role: Option<Role>| matches!(role, Some(Role::Total | Role::Pages));
    page.facts.signs.iter().any(|sign| counts(sign.role()) && sign.number() == Some(0) && stands_around(page.facts, sign))
}

/// Whether a page tells of others by itself, which the end is judged by.
fn tells_of_others(page: &Seen<'_>) -> bool {
    signs::more_pages(page, false).is_some()
        || signs::more_in_headers(page.headers).is_some()
        || link::target(page.headers, "next").is_some()
}

/// Whether a sign stands where paging is told, also in an object of its own: `links: {prev: {href: …}}`.
fn is_around(page: &Seen<'_>, sign: &Sign) -> bool {
    let below = || match sign.path.steps().split_last() {
        Some((base::Step::Key(_), parents)) if matches!(sign.name(), "href" | "url" | "uri" | "link") && parents.len() > 1 => {
            Some(Sign { path: JsonPath::from_steps(parents.to_vec()), value: sign.value.clone() })
        }
        _ => None,
    };
    stands_around(page.facts, sign) || below().is_some_and(|of_object| stands_around(page.facts, &of_object))
}

/// What tells of a page before `page`, which has the number 1, in words; nothing of any other page. `takes_numbers`: also a bare 0, as which
/// some spell that there is none.
pub(in crate::source) fn page_before(page: &Seen<'_>, number: u64, takes_numbers: bool) -> Option<String> {
    if number != 1 {
        return None;
    }
    let linked = |reference: &str| -> Option<u64> {
        let to = page.url.join(reference.trim()).ok()?;
        let (_, number) = to.query_pairs().find(|(name, _)| is_page_parameter(name))?;
        whole_number(&Value::from(&*number))
    };
    let mut told = Vec::new();
    for sign in &page.facts.signs {
        let Some(role) = sign.role().filter(|_| is_around(page, sign)) else { continue };
        let shown = format!("`{}`", sign.shown());
        let reference = sign.value.as_str().filter(|text| text.contains(['/', '?']));
        let place = reference.map_or_else(|| sign.number().filter(|_| takes_numbers || role == Role::Page), linked);
        match (role, flag(role, &sign.value), place) {
            (Role::HasPrevious, Some(true), _) => told.push(format!("{shown} is true")),
            (Role::First, Some(false), _) => told.push(format!("{shown} is false")),
            (Role::First, Some(true), _) => return None,
            (Role::First, None, Some(first)) if first == number => return None,
            (Role::First | Role::Previous, None, Some(before)) if before < number => {
                told.push(format!("{shown} leads to page {before}"));
            }
            (Role::Page, _, Some(own)) if own == number + 1 && reference.is_none() => told.push(format!("{shown} is {own}")),
            _ => {}
        }
    }
    for rel in ["first", "prev", "previous"] {
        match link::target(page.headers, rel).and_then(|reference| linked(&reference)) {
            Some(first) if rel == "first" && first == number => return None,
            Some(before) if before < number => told.push(format!("its `Link` header has page {before} as `rel={rel}`")),
            _ => {}
        }
    }
    told.into_iter().next()
}
