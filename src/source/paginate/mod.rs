//! Paginators: from a page's facts to where the next one is.
//!
//! In: a [`Seen`] page. Out: a [`Step`]. Pure: a paginator sees facts and headers, never a socket. The semantics are dlt's,
//! except where dlt would end quietly or never. Contract, checked for every paginator by `tests::honours_contract`:
//! - `step` is called once a page, in order, and not again after [`Step::End`], [`Step::Over`] or an error.
//! - `ahead` guesses only what a later `step` may say, and nothing behind a known end.
//! - It ends: a cursor or link seen before is [`crate::source::error::PagingFault::Repeats`].

mod around_list;
mod begin;
mod behind;
mod candidates;
mod cursor;
mod content_range;
mod detect;
mod end_mark;
mod ends;
mod facts;
mod first;
mod guesses;
mod headers;
mod link;
mod names;
mod offset;
mod page_number;
mod pairs;
mod place;
mod signs;
mod single_page;
mod told;
mod totals;
mod trail;

use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use crate::base::{JsonPath, RedactedUrl, Warning};
use crate::config::{Expect, ExpectTotal, PaginatorPlan, ResourcePlan, Slot, StopRules, TotalPath, TotalRule, Unit};
use crate::source::error::Place as At;
use crate::source::paginate::link::{Links, NextLink};
use crate::source::reach::Reach;
use crate::source::{EndReason, PageFacts, SourceError};

use crate::source::drift::Places;
pub(super) use around_list::AroundList;
pub(super) use begin::page_before;
pub(super) use content_range::ContentRange;
pub(super) use facts::{meant, whole_number};
pub(super) use link::{ALL, NO_NEXT, own_way};
pub(super) use names::Role;
use pairs::is_offset_parameter;
pub(super) use pairs::{USUAL_SIZES, is_page_parameter, is_size, name_of};
pub(crate) use signs::{Sign, tells_as_links, tells_as_list, tells_as_object, tells_of_none, tells_of_paging};
pub(super) use signs::{is_bound, promises_more, relation_path, says_end, says_last, stands_around};
pub(super) use told::{Promises, Proof, Way};
pub(super) use totals::{Totals, is_full, may_be_cut};
pub(super) use trail::Trail;

/// Where a page is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Position {
    /// Offset or page number, 0 for paginators that do not count: orders pages that were fetched ahead.
    pub(super) ordinal: u64,
    /// What the request is made from.
    pub(super) place: Place,
}

/// What a request is made from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// The endpoint's own request with these values in it.
    Slots(Vec<(Slot, Value)>),
    /// A URL that the API gave.
    Link(Url),
}

impl Position {
    /// The endpoint's own request.
    pub(super) fn start() -> Self {
        Self { ordinal: 0, place: Place::Slots(Vec::new()) }
    }
}

/// A page that was fetched and decoded.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// The resource's name.
    pub(super) resource: &'a str,
    /// From 1.
    pub(super) page: u64,
    /// Where the answer came from, redirects followed.
    pub(super) url: &'a Url,
    /// Its headers.
    pub(super) headers: &'a HeaderMap,
    /// Its place in the order.
    pub(super) ordinal: u64,
    /// What the decoder found.
    pub(super) facts: &'a PageFacts,
    /// Where links may lead.
    pub(super) reach: &'a Reach,
    /// The numbers that the endpoint's own request carries, and where.
    pub(super) asked: &'a [(Slot, u64)],
    /// Whether it is read again, so that its records are known.
    pub(super) is_reread: bool,
    /// Whether it calls itself a part of the answer (206), and no range shows that it is all of it.
    pub(super) is_part: bool,
    /// Whether something else than the place of the next page tells that it is the last one.
    pub(super) is_last: bool,
    /// Whether the endpoint's own request has a JSON body.
    pub(super) has_json: bool,
    /// Records of the largest page before it.
    pub(super) largest: u64,
    /// What a flag that the config names says of whether there is more.
    pub(super) more: Option<bool>,
}

impl Seen<'_> {
    /// For errors.
    pub(super) fn at(&self) -> At {
        At { resource: self.resource.to_owned(), page: self.page, url: RedactedUrl::new(self.url) }
    }
}

/// What follows a page.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Another page.
    Next(Position),
    /// Nothing.
    End(EndReason),
    /// The page is one that was read already: its rows do not count. Another is tried.
    Again(Position),
    /// The page was only to show that there is none: its rows do not count, and nothing follows.
    Over(EndReason),
}

/// A paginator that was found, and that the second page has proven.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detected {
    /// What to write into the config.
    pub(crate) plan: PaginatorPlan,
    /// What it was taken from, in words.
    pub(crate) from: String,
}

/// Decides the next request from the last answer.
pub(super) trait Paginator: Send {
    /// The values that the decoder is to report.
    fn wanted(&self) -> Vec<JsonPath> {
        Vec::new()
    }

    /// The first page.
    fn first(&self) -> Position {
        Position::start()
    }

    /// The position behind `last` that may be requested before the pages up to it are judged, if it can be guessed.
    fn ahead(&self, _last: &Position) -> Option<Position> {
        None
    }

    /// What follows `page`.
    ///
    /// # Errors
    /// When the page contradicts itself, its predecessors or the config.
    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError>;

    /// What follows when the page at hand is refused with `error`, if that says nothing of the pages before it.
    ///
    /// # Errors
    /// `error`, or what it comes to.
    fn refused(&mut self, _page: &Seen<'_>, error: SourceError) -> Result<Step, SourceError> {
        Err(error)
    }

    /// Told where the pages end at `page`, of which the last step said that another one follows.
    ///
    /// # Errors
    /// When what the config has it look for says that this is not the end.
    fn ended(&mut self, _page: &Seen<'_>, _reason: EndReason) -> Result<(), SourceError> {
        Ok(())
    }

    /// Something odd that the last step noticed, told once.
    fn warning(&mut self) -> Option<Warning> {
        None
    }

    /// The total that a page tells, where pages are read by their places.
    fn total_of(&self, _page: &Seen<'_>) -> Option<u64> {
        None
    }

    /// Takes back `records` that are read again.
    fn take_back(&mut self, _records: u64) {}

    /// Told before [`Self::step`] of a page that a rule drops: nothing is known of its records, so that a total of them is a bound from then on.
    fn pass_over(&mut self) {}

    /// Whether it is settled that pages have places, so that drift matters.
    fn places(&self) -> Places {
        Places::Known
    }

    /// Whether it sees to it itself that no page comes twice.
    fn minds_repeats(&self) -> bool {
        false
    }

    /// What follows where nothing can be read from the page at hand, if that is one that was asked for only to see whether there is more than a
    /// total tells.
    ///
    /// # Errors
    /// When the pages before it contradict that.
    fn no_page(&mut self, _page: &Seen<'_>) -> Option<Result<Step, SourceError>> {
        None
    }

    /// Told before the first page where all of a resource is read at once, so that an empty one is worth a second look.
    fn mind_empty(&mut self) {}

    /// Told before the first page where no parent is read for, so that an only page that is shorter than asked for is worth one more request.
    fn mind_short(&mut self) {}

    /// Whether the page at hand is asked for only to tell of others: it is none of those that make the resource.
    fn is_beside(&self) -> bool {
        false
    }

    /// Whether the page that is asked for next is one of which nothing speaks, so that none is as good an answer.
    fn is_trial(&self) -> bool {
        self.is_beside()
    }

    /// Whether it has to know, before it steps over `page`, what other chains of the resource have found.
    fn waits_its_turn(&self, _page: &Seen<'_>) -> bool {
        false
    }

    /// Takes up what another chain of the resource has proven.
    fn adopt(&mut self, _plan: PaginatorPlan) {}

    /// What the last step has proven, told once.
    fn detected(&mut self) -> Option<Detected> {
        None
    }

    /// Pages that follow the last one stepped over, if their number is known.
    fn pages_left(&self) -> Option<u64> {
        None
    }

    /// The places that it goes by, in words: it is for the paginator to judge what stands there.
    fn own_places(&self) -> Vec<String> {
        self.wanted().iter().map(signs::place_words).collect()
    }

    /// Whether as much is read as a total that the config names tells, which did not move, and of which the first page was not all.
    fn meets_total(&self) -> bool {
        false
    }

    /// The API's total of records, as far as known.
    fn total_records(&self) -> Option<u64> {
        None
    }
}

/// The paginator of a plan, where `expect` says what a total is.
pub(super) fn paginator(plan: &PaginatorPlan, expect: &Expect) -> Box<dyn Paginator> {
    let inner: Box<dyn Paginator> = match plan.clone() {
        PaginatorPlan::Undeclared => return Box::new(detect::Detect::new(expect)),
        PaginatorPlan::SinglePage => return Box::new(single_page::SinglePage),
        PaginatorPlan::Offset { limit, offset, offset_slot, limit_slot, stop } => {
            Box::new(offset::Offset::new(limit, offset, offset_slot, limit_slot, stop))
        }
        PaginatorPlan::PageNumber { base_page, page, page_slot, stop } => {
            Box::new(page_number::PageNumber::new(base_page, page, page_slot, stop))
        }
        PaginatorPlan::Cursor { cursor_path, cursor_slot, .. } => Box::new(cursor::Cursor::new(cursor_path, cursor_slot)),
        PaginatorPlan::JsonLink { next_url_path, .. } => Box::new(Links::new(NextLink::Body(next_url_path))),
        PaginatorPlan::HeaderLink { links_next_key, .. } => Box::new(Links::new(NextLink::Header(links_next_key))),
        PaginatorPlan::HeaderCursor { cursor_key, cursor_param, .. } => {
            Box::new(cursor::HeaderCursor::new(cursor_key, cursor_param))
        }
    };
    Box::new(ends::Ended::new(inner, plan))
}

/// The paths whose values [`PageFacts::values`] must give, in that order.
#[must_use]
pub(crate) fn wanted_paths(plan: &PaginatorPlan, expect: &Expect) -> Vec<JsonPath> {
    let mut paths = paginator(plan, expect).wanted();
    paths.extend(expect.total.path().cloned());
    paths.extend(expect.total.path().and_then(relation_path));
    paths
}

/// Whether [`PageFacts::record_hashes`] are needed: to see that pages do not overlap, and to count the copies among them.
#[must_use]
pub(crate) fn wants_record_hashes(resource: &ResourcePlan) -> bool {
    match &resource.endpoint.paginator {
        PaginatorPlan::SinglePage => false,
        PaginatorPlan::Undeclared => true,
        plan => resource.primary_key.is_empty() || !allows_drift(plan),
    }
}

/// Whether the config has it that a total need not be reached.
pub(super) fn allows_drift(plan: &PaginatorPlan) -> bool {
    plan.stop().is_some_and(|stop| stop.allow_drift)
}

/// Whether the config names the flag that ends pages which are counted.
pub(super) fn ends_by_flag(plan: &PaginatorPlan) -> bool {
    match plan {
        PaginatorPlan::Offset { stop, .. } | PaginatorPlan::PageNumber { stop, .. } => stop.has_flag(),
        _ => false,
    }
}

/// The number of the first page, where the config has it that pages are numbered.
pub(super) fn first_number(plan: &PaginatorPlan) -> Option<u64> {
    if let PaginatorPlan::PageNumber { page, .. } = plan { Some(*page) } else { None }
}

/// Where the config has a cursor go, if anywhere.
pub(super) fn cursor_slot(plan: &PaginatorPlan) -> Option<Slot> {
    match plan {
        PaginatorPlan::Cursor { cursor_slot, .. } => Some(cursor_slot.clone()),
        PaginatorPlan::HeaderCursor { cursor_param, .. } => Some(Slot::Param(cursor_param.clone())),
        _ => None,
    }
}

/// What to write where what the API tells of its records is none, in words.
pub(super) fn estimate(plan: &PaginatorPlan) -> String {
    match plan {
        PaginatorPlan::Undeclared => format!("`{ALL}`, with the paginator"),
        PaginatorPlan::Offset { stop: StopRules { total: TotalPath::Required(_), .. }, .. } => {
            format!("`{ALL}` in place of the paginator's `total_path`")
        }
        plan => match total_of_records(plan) {
            Some(key) => format!("`{ALL}` in place of the paginator's `{key}`"),
            None => format!("`{ALL}`"),
        },
    }
}

/// The key by which the config names a total of records, other than `total_path`.
fn total_of_records(plan: &PaginatorPlan) -> Option<&'static str> {
    plan.stop()?.totals.iter().find(|total| total.unit == Unit::Records).map(TotalRule::key)
}

/// What to do where fewer records came than the API tells of, in words.
pub(super) fn way(plan: &PaginatorPlan) -> &'static str {
    match plan {
        PaginatorPlan::Undeclared => "how does it page? write it, such as `paginator: {type: offset, limit: 100}`",
        PaginatorPlan::Offset { .. } | PaginatorPlan::PageNumber { .. } => {
            "look at what the request asks for and at the paginator's parameters"
        }
        _ => "how does it page? `paginator: {type: auto}` detects it",
    }
}

/// Where totals that nobody declared are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookForTotals {
    /// Nowhere: the config says that none is to be reached.
    No,
    /// Everywhere, but only to see that one falls: the config says which is to be reached.
    ToWatch,
    /// In the headers: the config says that the body has none.
    InHeaders,
    /// In the headers and around the records.
    Everywhere,
}

impl LookForTotals {
    /// Where the config leaves it open.
    pub(super) fn of(plan: &PaginatorPlan, expect: &Expect) -> Self {
        match (&expect.total, plan) {
            (ExpectTotal::Estimate, _) => Self::No,
            (ExpectTotal::At(_), _) => Self::ToWatch,
            (_, PaginatorPlan::Offset { stop: StopRules { total: TotalPath::Required(_), .. }, .. }) => Self::ToWatch,
            (_, plan) if plan.stop().is_some_and(StopRules::counts_records) => Self::ToWatch,
            (_, PaginatorPlan::Offset { stop, .. } | PaginatorPlan::PageNumber { stop, .. }) if stop.total == TotalPath::None => {
                Self::InHeaders
            }
            _ => Self::Everywhere,
        }
    }
}

/// Whether rows that move while pages are read would be skipped, and that matters; of a paginator yet to be detected, whether it may.
pub(super) fn watches_drift(plan: &PaginatorPlan) -> bool {
    match plan {
        PaginatorPlan::SinglePage => false,
        PaginatorPlan::Cursor { .. } | PaginatorPlan::HeaderCursor { .. } => {
            !allows_drift(plan)
                && cursor_slot(plan).is_some_and(|slot| is_page_parameter(name_of(&slot)) || is_offset_parameter(name_of(&slot)))
        }
        other => !allows_drift(other),
    }
}

#[cfg(test)]
mod tests;
