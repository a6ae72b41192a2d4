//! What a page tells of others, gathered once for every page whatever the paginator, and whether the end contradicts it.
//!
//! In: each page that counts. Out: at the end, the first thing that speaks against it. The last page is heard, and where it is an empty one
//! that was only asked for because places were counted, the page before it, too; a number of pages is heard on any page. What the
//! paginator itself goes by is its own to judge. A flag that says that there is no more silences links, as some APIs name a next page for
//! ever; a total that is met, and did not move, silences all but that.

use serde_json::Value;
use url::Url;

use crate::config::Slot;
use crate::source::EndReason;
use crate::source::link;
use crate::source::paginate::end_mark::{is_end, may_be_end};
use crate::source::paginate::facts::whole_number;
use crate::source::paginate::headers::{header_signs, last_behind};
use crate::source::paginate::names::Role;
use crate::source::paginate::signs::{denies_more, flag, is_empty, says_more, stands_around};
use crate::source::paginate::totals::full_at_bound;
use crate::source::paginate::{Place, Position, Seen};

/// What one page tells.
#[derive(Debug, Clone, Default)]
struct PageTold {
    /// From 1.
    page: u64,
    records: u64,
    /// A flag that says that there is more, in words.
    flag: Option<String>,
    /// What is next, and where that leads.
    next: Vec<Next>,
    /// How many are left, in words.
    left: Option<String>,
    /// Whether a flag says that there is no more.
    is_over: bool,
    /// Its own number.
    own: Option<u64>,
}

/// A sign of the next page.
#[derive(Debug, Clone)]
struct Next {
    words: String,
    number: Option<u64>,
    link: Option<Url>,
}

/// How far a total speaks for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::source) enum Proof {
    /// No total is met.
    None,
    /// The only page has as many records as a total says, which may be its own count.
    Weak,
    /// A total that did not move, and is more than the first page has, is met.
    Strong,
}

/// How the pages ended.
#[derive(Debug, Clone)]
pub(in crate::source) struct Way {
    pub(in crate::source) reason: EndReason,
    /// Where the last page is.
    pub(in crate::source) at: Position,
    pub(in crate::source) proof: Proof,
    /// Pages that the request itself passes over.
    pub(in crate::source) passed_over: u64,
}

/// A number of pages, as told.
#[derive(Debug, Clone)]
pub(in crate::source) struct PagesTold {
    /// Where it stands, in words.
    pub(in crate::source) shown: String,
    pub(in crate::source) number: u64,
}

/// What the pages of a chain tell.
#[derive(Debug, Default)]
pub(in crate::source) struct Promises {
    /// The page that counted last.
    last: PageTold,
    /// The one before it.
    before: PageTold,
    /// The number that the first page tells of itself.
    first_own: Option<u64>,
    /// Pages that have records, and the records of the largest.
    filled: u64,
    largest: u64,
    /// The least number of pages that was told.
    pages: Option<PagesTold>,
    /// That records are missing, in words.
    partial: Option<String>,
}

impl Promises {
    /// Notes what an accepted page tells; `own` are the places that its paginator goes by, in words. `is_estimate`: totals count for nothing.
    pub(in crate::source) fn note(&mut self, page: &Seen<'_>, own: &[String], is_estimate: bool) {
        let mut told = PageTold { page: page.page, records: page.facts.records, ..PageTold::default() };
        for sign in &page.facts.signs {
            let (Some(role), shown) = (sign.role(), format!("`{}`", sign.shown())) else { continue };
            let is_around = stands_around(page.facts, sign);
            let is_loose = matches!(role, Role::IsLast | Role::Remaining | Role::Pages | Role::Partial | Role::Page);
            let denies_nothing = role == Role::HasMore && flag(role, &sign.value) == Some(false) && !denies_more(page, sign);
            if !is_around && is_loose || is_empty(page, sign) || denies_nothing {
                continue;
            }
            self.hear(page, &mut told, (role, &sign.value, shown, is_around), own);
        }
        for sign in header_signs(page.headers) {
            self.hear(page, &mut told, (sign.role, &sign.value, sign.shown, true), own);
        }
        self.hear_links(page, &mut told, own);
        if page.page == 1 && !is_estimate {
            told.left = told.left.or_else(|| full_at_bound(page));
        }
        self.filled += u64::from(told.records > 0);
        self.largest = self.largest.max(told.records);
        if self.filled <= 1 && told.records > 0 {
            self.first_own = told.own;
        }
        self.before = std::mem::replace(&mut self.last, told);
    }

    /// Takes in one member or header.
    fn hear(
        &mut self,
        page: &Seen<'_>,
        told: &mut PageTold,
        (role, value, shown, is_around): (Role, &Value, String, bool),
        own: &[String],
    ) {
        let more = says_more(role, value, &shown);
        match (role, flag(role, value)) {
            (Role::HasMore, Some(false)) | (Role::IsLast, Some(true)) if is_around => told.is_over = true,
            (Role::HasMore | Role::IsLast, _) => told.flag = told.flag.take().or(more),
            (Role::Partial, _) => self.partial = self.partial.take().or(more),
            (Role::Remaining, _) => told.left = told.left.take().or(more),
            (Role::Page, _) => told.own = told.own.or(whole_number(value)),
            (Role::Total, _) if is_around && page.facts.records == 0 && whole_number(value) == Some(0) => told.is_over = true,
            (Role::Pages, _) => self.hear_pages(page, whole_number(value), shown),
            (Role::Next, _) if !own.contains(&shown) && more.is_some() => {
                let (number, reference) = (whole_number(value), value.as_str().map(str::trim));
                let is_link = |text: &&str| text.contains(['/', '?']);
                let link = reference.filter(is_link).and_then(|text| page.url.join(text).ok());
                told.next.push(Next { words: more.unwrap_or_default(), number, link });
                // Behind a short page, an empty one that names its own place adds nothing to it.
                let is_own = page.facts.records == 0 && number == Some(page.ordinal) && self.last.records < self.largest;
                let is_none = |next: &Next| is_own || next.link.as_ref() == Some(page.url) || may_be_end(value);
                told.next.retain(|next| !(is_end(value) || page.is_last && is_none(next)));
            }
            _ => {}
        }
    }

    /// The least number of pages counts, since pages may go while they are read; behind the last page, some count none.
    fn hear_pages(&mut self, page: &Seen<'_>, number: Option<u64>, shown: String) {
        let is_behind = page.page > 1 && page.facts.records == 0;
        let Some(number) = number.filter(|number| *number > 0 && !(is_behind && *number != self.filled)) else { return };
        match &mut self.pages {
            Some(pages) => pages.number = pages.number.min(number),
            pages @ None => *pages = Some(PagesTold { shown, number }),
        }
    }

    /// Takes in the links of the `Link` header.
    fn hear_links(&mut self, page: &Seen<'_>, told: &mut PageTold, own: &[String]) {
        let shown = "its `Link` header".to_owned();
        if let Some(text) = link::unread(page.headers, "next") {
            told.flag = told
                .flag
                .take()
                .or_else(|| Some(format!("{shown} has a next page that is not written as RFC 8288 has it: `{text}`")));
        }
        if let Some(target) = link::target(page.headers, "next")
            && !own.contains(&shown)
        {
            let link = page.url.join(target.trim()).ok();
            if !(page.is_last && link.as_ref() == Some(page.url)) {
                told.next.push(Next { words: format!("{shown} has a next page"), number: None, link });
            }
        } else if let Some(last) = last_behind(page) {
            told.next.push(Next { words: format!("{shown} has a last page, {last}, behind it"), number: None, link: None });
        }
    }

    /// What speaks against an end, in words.
    pub(in crate::source) fn contradiction(&self, way: &Way) -> Option<String> {
        if way.proof == Proof::Strong {
            return None;
        }
        let Self { last, before, partial, .. } = self;
        let all_pages = self.pages.as_ref().is_some_and(|pages| pages.number == self.filled + way.passed_over);
        // A flag that was seen both ways is one.
        let is_over =
            last.is_over || all_pages || matches!(way.reason, EndReason::HasMoreFalse | EndReason::EndTrue) && self.filled > 1;
        let is_own_place = way.at.ordinal > 0 && matches!(way.at.place, Place::Slots(_));
        let is_counted = way.reason == EndReason::EmptyPage && is_own_place && last.records == 0;
        // The config ends cursors and links at an empty page, whatever that one gives.
        let is_cut = way.reason == EndReason::EmptyPage && !is_own_place && last.page > 1;
        let of_last = || {
            let named = last.next.first().filter(|_| !is_cut && way.proof != Proof::Weak).map(|next| next.words.clone());
            named.or_else(|| last.left.clone()).filter(|_| !is_over)
        };
        let of_before = || {
            let is_kept = before.next.iter().any(|next| next.leads_to(&way.at));
            let said = before.flag.clone().or_else(|| before.next.first().map(|next| next.words.clone()));
            let said = said.filter(|_| is_counted && !is_over && !is_kept && before.records > 0);
            said.map(|said| format!("the page before says that {said}"))
        };
        partial.clone().or_else(|| last.flag.clone()).or_else(of_last).or_else(of_before)
    }

    /// The number of pages that is told, where fewer were read.
    pub(in crate::source) fn pages_missed(&self, way: &Way) -> Option<&PagesTold> {
        let filled = if self.last.records > 0 { &self.last } else { &self.before };
        let is_own = |pages: u64| {
            let counted_from_0 = self.first_own == Some(0);
            filled.own.is_some_and(|own| own + u64::from(counted_from_0) >= pages)
        };
        let read = self.filled + way.passed_over;
        let is_missed = |pages: &&PagesTold| pages.number > read.max(1) && !is_own(pages.number);
        self.pages.as_ref().filter(is_missed).filter(|_| way.proof != Proof::Strong)
    }

    /// Whether the page that counted last tells of more, whatever it is worth.
    pub(in crate::source) fn tells_of_more(&self) -> bool {
        let PageTold { flag, next, left, .. } = &self.last;
        flag.is_some() || !next.is_empty() || left.is_some() || self.partial.is_some()
    }

    /// That an only page without records tells of others, in words; `counts`: their places are counted, so that no link was followed.
    pub(in crate::source) fn of_empty(&self, counts: bool, takes_signs: bool) -> Option<String> {
        let PageTold { flag, next, left, is_over, .. } = &self.last;
        let pages = self.pages.as_ref().filter(|pages| pages.number > 1);
        let number = pages.map(|pages| format!("{} says {}", pages.shown, pages.number));
        let sign = flag.clone().or_else(|| next.first().map(|next| next.words.clone())).or_else(|| left.clone());
        number.or_else(|| sign.filter(|_| counts && takes_signs && !is_over)).filter(|_| self.filled == 0)
    }

    /// Pages that have records.
    pub(in crate::source) fn filled(&self) -> u64 {
        self.filled
    }
}

impl Next {
    /// Whether it is `position` that it names.
    fn leads_to(&self, position: &Position) -> bool {
        let Place::Slots(slots) = &position.place else { return false };
        let is_own = |name: &str| slots.iter().any(|(slot, _)| matches!(slot, Slot::Param(own) if own == name));
        let is_at = |url: &Url| {
            url.query_pairs().any(|(name, value)| is_own(&name) && whole_number(&Value::from(&*value)) == Some(position.ordinal))
        };
        self.number == Some(position.ordinal) || self.link.as_ref().is_some_and(is_at)
    }
}
