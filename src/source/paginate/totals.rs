//! The totals of records that an API tells without being asked: in a header, or around the records.
//!
//! A lower bound (Elasticsearch's `relation: gte`, a range that begins behind the first record) must be reached too, but ends no pages and
//! proves nothing. Whatever the paginator, fewer records than such a total are not all of them. A name alone proves little, so a total of the body counts
//! only beside the records or under a name that means paging, and only if it is more than the first page has. What a page tells may
//! rise while pages are read, since rows come in behind; so it is the least told that must be reached.

use reqwest::header::{CONTENT_RANGE, HeaderMap};

use crate::base::{JsonPath, Step};
use crate::config::Slot;
use crate::source::PageFacts;
use crate::source::paginate::content_range::ContentRange;
use crate::source::paginate::facts::whole_number;
use crate::source::paginate::headers::{HeaderSign, header_signs};
use crate::source::paginate::names::{Role, is_total, reduced};
use crate::source::paginate::pairs::{USUAL_SIZES, is_size, name_of};
use crate::source::paginate::signs::{Sign, is_bound, relation, says_end, says_last, says_no_next, stands_around};
use crate::source::paginate::{LookForTotals, Seen};

/// The header that tells it beside the part that came.
const RANGE: &str = "the header `content-range`";

/// The totals of one chain of pages.
#[derive(Debug)]
pub(in crate::source) struct Totals {
    look: LookForTotals,
    told: Vec<Told>,
    /// Where the first page's `Content-Range` begins.
    begins_at: u64,
    /// Whether records are gathered from several places, so that they may be parts of what is counted.
    is_gathered: bool,
}

/// A total, as the pages told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Told {
    at: At,
    least: u64,
    latest: u64,
    /// The greatest that was told.
    most: u64,
    /// Pages that tell it.
    pages: u64,
    /// Whether the first page has fewer records.
    is_of_all: bool,
    /// Whether there may be more.
    is_bound: bool,
}

/// A total in a header: its name, the number, and whether there may be more.
type InHeader = (String, u64, bool);

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Header(String),
    Body(JsonPath),
}

impl Totals {
    /// None yet.
    pub(in crate::source) fn new(look: LookForTotals) -> Self {
        Self { look, told: Vec::new(), begins_at: 0, is_gathered: false }
    }

    /// Notes what an accepted page tells.
    pub(in crate::source) fn note(&mut self, page: &Seen<'_>) {
        // Behind the last page, some count nothing.
        if self.look == LookForTotals::No || page.page > 1 && page.facts.records == 0 {
            return;
        }
        let at = page.facts.records_at.as_ref();
        self.is_gathered |= page.facts.records > 0 && at.is_none_or(|at| at.steps().contains(&Step::Every));
        if page.page == 1 {
            self.begins_at = begins_at(page.headers);
        }
        for (name, total, is_bound) in of_headers(page.headers, self.begins_at) {
            self.keep(At::Header(name), total, Some(total > page.facts.records), is_bound);
        }
        for (sign, total) in self.in_body(page) {
            // One that is no more than the first page has may count that page.
            let is_of_all = page.page == 1 && total > page.facts.records && !is_echo(page, sign, total);
            self.keep(At::Body(sign.path.clone()), total, is_of_all.then_some(true), is_lower_bound(page.facts, sign));
        }
    }

    /// Whether what an API tells of its records counts.
    pub(in crate::source) fn are_looked_for(&self) -> bool {
        self.look != LookForTotals::No
    }

    /// What the body tells, where it is looked into.
    fn in_body<'p>(&self, page: &Seen<'p>) -> impl Iterator<Item = (&'p Sign, u64)> + use<'p> {
        let is_looked_into = matches!(self.look, LookForTotals::Everywhere | LookForTotals::ToWatch);
        around_records(page).filter(move |_| is_looked_into)
    }

    /// Keeps a total; a new one only where `is_of_all` says whether it is more than the page has.
    fn keep(&mut self, at: At, total: u64, is_of_all: Option<bool>, is_bound: bool) {
        match self.told.iter_mut().find(|told| told.at == at) {
            Some(told) => {
                (told.least, told.latest, told.pages) = (told.least.min(total), total, told.pages + 1);
                told.most = told.most.max(total);
                told.is_bound |= is_bound;
            }
            None => {
                let new = |is_of_all| Told { at, least: total, latest: total, most: total, pages: 1, is_of_all, is_bound };
                self.told.extend(is_of_all.map(new));
            }
        }
    }

    /// The total that `page` tells, as far as it is known to be one.
    pub(in crate::source) fn of(&self, page: &Seen<'_>) -> Option<u64> {
        let in_body = || {
            let is_total = |sign: &Sign, total: u64| match page.page {
                1 => total > page.facts.records && !is_echo(page, sign, total),
                _ => self.told.iter().any(|told| matches!(&told.at, At::Body(path) if *path == sign.path)),
            };
            self.in_body(page).filter(|(sign, total)| is_total(sign, *total)).min_by_key(|(sign, _)| is_count(&sign.path))
        };
        if self.look == LookForTotals::No {
            return None;
        }
        let in_header = of_headers(page.headers, self.begins_at).into_iter().next();
        in_header.map(|(_, total, _)| total).or_else(|| in_body().map(|(_, total)| total))
    }

    /// The total in a header, where one is to be reached. One that moves on with the pages counts what was read, and ends nothing.
    pub(in crate::source) fn of_header(&self, headers: &HeaderMap) -> Option<u64> {
        let is_looked_for = matches!(self.look, LookForTotals::InHeaders | LookForTotals::Everywhere);
        let (name, total, is_bound) = of_headers(headers, self.begins_at).into_iter().next()?;
        let at = At::Header(name);
        let stands = self.told.iter().any(|told| told.at == at && told.least == total && told.most == total);
        (is_looked_for && !is_bound && stands).then_some(total)
    }

    /// Whether `read` records are all that a total tells of, as the last page has it.
    pub(in crate::source) fn is_met(&self, read: u64) -> bool {
        // One that moves, and was no more than the first page has, counts what was read.
        let counts_read = |told: &Told| told.least < told.most && !told.is_of_all;
        let is_met = |told: &Told| told.latest == read && !told.is_bound && !counts_read(told);
        self.look != LookForTotals::ToWatch && self.beyond(read).is_none() && self.told.iter().any(is_met)
    }

    /// The greatest total that `read` records do not come to; none where another one of the body is just met.
    pub(in crate::source) fn beyond(&self, read: u64) -> Option<&Told> {
        if self.look == LookForTotals::ToWatch {
            return None;
        }
        let is_met =
            self.told.iter().any(|told| told.is_guess() && !told.is_bound && (told.least == read || told.latest == read));
        let beyond = self.told.iter().filter(|told| told.least > read && !(told.is_guess() && is_met));
        beyond.max_by_key(|told| (!told.is_guess(), told.least))
    }

    /// The greatest total that is less than `read` records, where every total is, and none counts the `pages` that were read; `overlap`:
    /// pages share records, so that they are no way to count.
    pub(in crate::source) fn exceeded(&self, read: u64, pages: u64, overlap: bool) -> Option<&Told> {
        let is_exceeded = |told: &Told| told.is_of_all && !told.is_bound && told.most < read && (told.most != pages || overlap);
        let may_end = matches!(self.look, LookForTotals::Everywhere | LookForTotals::InHeaders) && !self.is_gathered;
        let named = || self.told.iter().filter(|told| !matches!(&told.at, At::Body(path) if is_count(path)));
        let greatest = named().max_by_key(|told| told.most).filter(|_| may_end && named().all(is_exceeded))?;
        (greatest.pages > 1).then_some(greatest)
    }

    /// Whether a total that did not move, and is more than the first page has, is just what was read.
    pub(in crate::source) fn proves(&self, read: u64) -> bool {
        let is_proof = |told: &Told| told.is_of_all && !told.is_bound && told.least == read && told.most == read;
        self.look != LookForTotals::No && self.beyond(read).is_none() && self.told.iter().any(is_proof)
    }

    /// Whether a total that is not the declared one tells of more than `read` records, so that the declared one proves nothing.
    pub(in crate::source) fn contradicts(&self, read: u64) -> bool {
        self.look == LookForTotals::ToWatch && self.told.iter().any(|told| told.least > read)
    }

    /// The total that the last page told.
    pub(in crate::source) fn latest(&self) -> Option<u64> {
        self.told.iter().filter(|told| !told.is_bound).min_by_key(|told| told.is_guess()).map(|told| told.latest)
    }

    /// Whether `page` tells that the `read` records, its own among them, are all. More may be meant by a name than the page's own count only
    /// where something else tells of the end, too.
    pub(in crate::source) fn tells(&self, page: &Seen<'_>, read: u64) -> bool {
        let is_told = |total: u64, is_bound: bool| total == read && read > 0 && !is_bound;
        let mut in_headers = of_headers(page.headers, self.begins_at).into_iter();
        let in_header = in_headers.any(|(_, total, is_bound)| is_told(total, is_bound));
        let mut in_body = around_records(page).filter(|(sign, _)| !is_count(&sign.path));
        self.look != LookForTotals::No
            && (in_header || in_body.any(|(sign, total)| is_told(total, is_lower_bound(page.facts, sign))))
    }

    /// Records that there are at least, if that is known.
    pub(in crate::source) fn least(&self) -> Option<u64> {
        self.told.iter().map(|told| told.least).min()
    }
}

impl Told {
    /// Whether only its name says that it is a total.
    pub(in crate::source) fn is_guess(&self) -> bool {
        matches!(self.at, At::Body(_))
    }

    /// Where it stands, in words.
    pub(in crate::source) fn shown(&self) -> String {
        match &self.at {
            At::Header(shown) => shown.clone(),
            At::Body(path) => format!("`{path}`"),
        }
    }

    /// What must be reached.
    pub(in crate::source) fn total(&self) -> u64 {
        self.least
    }

    /// What must not be exceeded.
    pub(in crate::source) fn most(&self) -> u64 {
        self.most
    }
}

/// What the headers of an answer tell, where the pages begin at this place of a range: the name of each in words.
fn of_headers(headers: &HeaderMap, begins_at: u64) -> Vec<InHeader> {
    totals_in_headers(headers, begins_at).into_iter().map(|(sign, total, is_bound)| (sign.shown, total, is_bound)).collect()
}

fn totals_in_headers(headers: &HeaderMap, begins_at: u64) -> Vec<(HeaderSign, u64, bool)> {
    let signs = header_signs(headers).into_iter().filter(|sign| sign.role == Role::Total);
    let named = signs.filter_map(|sign| whole_number(&sign.value).map(|total| (sign, total, false)));
    let range = ContentRange::of(headers).filter(|range| !range.is_bytes);
    let of_range = range.and_then(|range| {
        let (name, shown) = (CONTENT_RANGE.as_str().to_owned(), RANGE.to_owned());
        let sign = HeaderSign { name, shown, role: Role::Total, value: range.total?.into() };
        // Behind another place than 0, records may have been left out by intent, or places are counted from 1.
        Some((sign, range.total?.saturating_sub(begins_at), begins_at > 0))
    });
    named.chain(of_range).collect()
}

fn begins_at(headers: &HeaderMap) -> u64 {
    ContentRange::of(headers).and_then(|range| range.places).map_or(0, |(first, _)| first)
}

/// Whether a total says that there may be more: Elasticsearch's `{value: 10000, relation: gte}`.
pub(super) fn is_lower_bound(facts: &PageFacts, sign: &Sign) -> bool {
    relation(facts, sign).is_some_and(is_bound)
}

/// Members that call themselves totals, and stand where totals stand.
pub(super) fn around_records<'a>(page: &Seen<'a>) -> impl Iterator<Item = (&'a Sign, u64)> + use<'a> {
    let facts = page.facts;
    let totals = facts.signs.iter().filter(|sign| sign.role() == Some(Role::Total) && stands_around(facts, sign));
    totals.filter_map(|sign| Some((sign, sign.number()?)))
}

fn is_count(path: &JsonPath) -> bool {
    let is_below_total = || matches!(path.steps().iter().rev().nth(1), Some(Step::Key(parent)) if is_total(parent));
    matches!(path.steps().last(), Some(Step::Key(name)) if reduced(name) == "count") && !is_below_total()
}

/// Whether a `count` only says how many records were asked for.
fn is_echo(page: &Seen<'_>, sign: &Sign, total: u64) -> bool {
    let is_limit = |other: &Sign| other.role() == Some(Role::Limit) && other.number() == Some(total);
    is_count(&sign.path) && (page.asked.iter().any(|(_, number)| *number == total) || page.facts.signs.iter().any(is_limit))
}

/// The totals around the records that are more than the page has; of a page that is full, also those that are at least as many as it has.
pub(super) fn beyond_page<'a>(page: &Seen<'a>) -> impl Iterator<Item = (&'a Sign, u64)> + use<'a> {
    let records = page.facts.records;
    let is_full = is_full(page);
    let is_beyond = |sign: &Sign, total: u64| {
        total > records && !is_echo(page, sign, total) || is_full && total == records && is_lower_bound(page.facts, sign)
    };
    let found: Vec<_> = around_records(page).filter(|(sign, total)| is_beyond(sign, *total)).collect();
    found.into_iter()
}

/// The header whose total is more than the page has, and that total.
pub(super) fn beyond_in_headers(page: &Seen<'_>) -> Option<(HeaderSign, u64)> {
    let totals = totals_in_headers(page.headers, begins_at(page.headers));
    totals.into_iter().find(|(_, total, _)| *total > page.facts.records).map(|(sign, total, _)| (sign, total))
}

/// That a full page has just as many records as a total is at least, in words.
pub(super) fn full_at_bound(page: &Seen<'_>) -> Option<String> {
    let (sign, total) = beyond_page(page).find(|(_, total)| *total == page.facts.records)?;
    Some(beyond_words(page, sign, total))
}

/// Such a total, in words.
pub(super) fn beyond_words(page: &Seen<'_>, sign: &Sign, total: u64) -> String {
    let least = if is_lower_bound(page.facts, sign) { "at least " } else { "" };
    format!("`{}` is {least}{total} and the page has {} records", sign.shown(), page.facts.records)
}

/// Whether `page` is as large as pages get, so that a total alone is no proof that none follows: as large as those before it, or as what
/// the API calls its size; where it calls none but what was asked for, `limit` among it, as large as that or as pages usually are.
pub(in crate::source) fn may_be_cut(page: &Seen<'_>, limit: Option<u64>) -> bool {
    let records = page.facts.records;
    if records == 0 || says_last(page.facts) || page.page > 1 && records < page.largest {
        return false;
    }
    let asked = asked_sizes(page, limit);
    let is_full = match own_size(page, &asked) {
        Some(size) => records >= size,
        None => USUAL_SIZES.contains(&records) || asked.iter().any(|size| *size > 0 && records >= *size),
    };
    is_full || page.page > 1
}

/// Whether a first page has fewer records than the `limit` asked for, and nothing but a total tells that it is all: the API may give no more a
/// page, whatever it is asked for. What says how many it gives, and gives fewer, has no more.
pub(super) fn is_short_of_asked(page: &Seen<'_>, limit: u64) -> bool {
    let records = page.facts.records;
    let has_own_size = || own_size(page, &asked_sizes(page, Some(limit))).is_some();
    page.page == 1 && (1..limit).contains(&records) && !has_own_size() && !says_end(page)
}

/// The numbers of records that a request asks for, `limit` among them.
fn asked_sizes(page: &Seen<'_>, limit: Option<u64>) -> Vec<u64> {
    let of_request = page.asked.iter().filter(|(slot, _)| is_size(name_of(slot))).map(|(_, size)| *size);
    of_request.chain(limit).collect()
}

/// What the API calls its own size of a page, where that is not what was asked for.
fn own_size(page: &Seen<'_>, asked: &[u64]) -> Option<u64> {
    let is_limit = |sign: &&Sign| sign.role() == Some(Role::Limit) && stands_around(page.facts, sign);
    page.facts.signs.iter().filter(is_limit).filter_map(Sign::number).find(|size| *size > 0 && !asked.contains(size))
}

/// The total, in words, that says of a first page that is as large as pages get that it is all: it may count just that page.
pub(super) fn just_the_page(page: &Seen<'_>) -> Option<String> {
    let records = page.facts.records;
    let is_only_page = |sign: &Sign| sign.role() == Some(Role::Pages) && sign.number() == Some(1);
    if !may_be_cut(page, None) || page.facts.signs.iter().any(is_only_page) || says_no_next(page) {
        return None;
    }
    let in_header = of_headers(page.headers, begins_at(page.headers)).into_iter().find(|(_, total, _)| *total == records);
    let is_it = |sign: &Sign, total: u64| total == records && !is_count(&sign.path) && !is_lower_bound(page.facts, sign);
    let in_body =
        || around_records(page).find(|(sign, total)| is_it(sign, *total)).map(|(sign, _)| format!("`{}`", sign.shown()));
    in_header.map(|(shown, ..)| shown).or_else(in_body)
}

/// Whether a page has as many records as it may have: a usual size, or what was asked for.
pub(in crate::source) fn is_full(page: &Seen<'_>) -> bool {
    let records = page.facts.records;
    let is_asked = |(slot, number): &(Slot, u64)| is_size(name_of(slot)) && *number == records;
    let is_limit = |sign: &Sign| sign.role() == Some(Role::Limit) && sign.number() == Some(records);
    records > 0
        && !page.is_last
        && (USUAL_SIZES.contains(&records) || page.asked.iter().any(is_asked) || page.facts.signs.iter().any(is_limit))
}
