//! The first page, kept until the second has come, and pages as a paginator sees them whose values are found among their signs.

use std::collections::HashSet;

use reqwest::header::HeaderMap;
use url::Url;

use crate::source::paginate::{Paginator, Seen, Step};
use crate::source::{PageFacts, SourceError};

/// The first page, kept until the second has come.
pub(super) struct First {
    url: Url,
    headers: HeaderMap,
    pub(super) facts: PageFacts,
    pub(super) hashes: HashSet<u64>,
    is_part: bool,
    is_last: bool,
}

impl First {
    /// Keeps `page`.
    pub(super) fn new(page: &Seen<'_>) -> Self {
        let facts = page.facts.clone();
        let hashes = facts.record_hashes.iter().copied().collect();
        let (url, headers) = (page.url.clone(), page.headers.clone());
        Self { url, headers, facts, hashes, is_part: page.is_part, is_last: page.is_last }
    }

    /// The first page, seen while `page` is at hand.
    pub(super) fn seen<'s>(&'s self, page: &Seen<'s>, ordinal: u64) -> Seen<'s> {
        let Self { url, headers, facts, is_part, is_last, .. } = self;
        Seen { url, headers, facts, page: 1, ordinal, is_part: *is_part, is_last: *is_last, ..*page }
    }
}

/// A step of a paginator that finds its values among the page's signs.
pub(super) fn step_with_values(paginator: &mut dyn Paginator, page: &Seen<'_>) -> Result<Step, SourceError> {
    let facts = with_values(paginator, page);
    paginator.step(&Seen { facts: &facts, ..*page })
}

/// The page's facts, with the values that `paginator` asks for taken from its signs.
pub(super) fn with_values(paginator: &dyn Paginator, page: &Seen<'_>) -> PageFacts {
    let value = |path| page.facts.signs.iter().find(|sign| sign.path == path).map(|sign| sign.value.clone());
    let values = paginator.wanted().into_iter().map(value).collect();
    let PageFacts { records, records_hash, out_of_range, ref signs, ref records_at, .. } = *page.facts;
    let (signs, records_at) = (signs.clone(), records_at.clone());
    PageFacts { records, records_hash, out_of_range, signs, values, records_at, ..PageFacts::default() }
}
