//! One record that is an object around the list of them: `data_selector` leads to the envelope, not into it.
//!
//! In: the first page, and how the config says that the API pages. Out: nothing, or the refusal of what would be wrong: offsets that move on by one
//! where each page has many records, and a single page that tells of more.

use crate::base::Step;
use crate::config::{Expect, ExpectTotal, PaginatorPlan, path_words};
use crate::source::error::PagingFault;
use crate::source::paginate::Seen;
use crate::source::paginate::names::{AROUND, reduced};
use crate::source::paginate::signs::{Sign, more_pages};
use crate::source::paginate::totals::around_records;
use crate::source::{ListInside, PageFacts, SourceError};

/// Whether a record may be an object around a list.
#[derive(Debug)]
pub(in crate::source) enum AroundList {
    /// It may be whatever it is.
    Allowed,
    /// Not where the page tells of more than that, or where so many records were asked for.
    Refused(Option<u64>),
}

impl AroundList {
    /// By the config.
    pub(in crate::source) fn new(plan: &PaginatorPlan, expect: &Expect) -> Self {
        match plan {
            _ if expect.total == ExpectTotal::Estimate => Self::Allowed,
            PaginatorPlan::Undeclared | PaginatorPlan::SinglePage => Self::Refused(None),
            PaginatorPlan::Offset { limit, .. } => Self::Refused(Some(*limit)),
            _ => Self::Allowed,
        }
    }

    /// Looks at `page`.
    ///
    /// # Errors
    /// [`PagingFault::AroundList`].
    pub(in crate::source) fn check(&self, page: &Seen<'_>) -> Result<(), SourceError> {
        let inside = page.facts.list_inside.as_ref().filter(|_| page.page == 1 && page.facts.records == 1);
        let (Self::Refused(asked), Some(inside)) = (self, inside) else { return Ok(()) };
        let is_size = |limit: &u64| inside.records > 1 && *limit >= inside.records;
        let why =
            told(page, inside).or_else(|| asked.filter(is_size).map(|limit| format!("{limit} records a page are asked for")));
        why.map_or(Ok(()), |why| {
            let (list, records) = (path_words(&inside.at), inside.records);
            Err(PagingFault::AroundList { place: page.at(), list, records, why }.into())
        })
    }
}

/// What tells of the list's records, in words.
fn told(page: &Seen<'_>, inside: &ListInside) -> Option<String> {
    let is_of_list = |sign: &&Sign| {
        let parents = sign.path.steps().split_last().map_or(&[][..], |(_, parents)| parents);
        !inside.has_values || matches!(parents.last(), Some(Step::Key(name)) if AROUND.contains(&&*reduced(name)))
    };
    let signs = page.facts.signs.iter().chain(inside.signs.iter().filter(is_of_list)).cloned().collect();
    let (records, records_at) = (inside.records, Some(inside.at.clone()));
    let facts = PageFacts { records, records_at, signs, ..PageFacts::default() };
    let is_all = |(_, total): &(&Sign, u64)| *total > 1 && *total == records;
    let all = || around_records(page).find(is_all).map(|(sign, total)| format!("`{}` is {total}, too", sign.shown()));
    more_pages(&Seen { facts: &facts, ..*page }, false).or_else(all)
}
