//! `json_link` and `header_link`: the page gives the next one's URL.

use serde_json::Value;
use url::Url;

use crate::base::{JsonPath, RedactedUrl};
use crate::config::{PaginatorPlan, paginator_words};
use crate::source::error::{PagingFault, Repeated};
use crate::source::paginate::candidates::{Choice, candidates};
use crate::source::paginate::end_mark::{is_end, may_be_end};
use crate::source::paginate::facts::{absent, bad_value, value};
use crate::source::paginate::{Paginator, Place, Position, Seen, Step, Trail, place, signs};
use crate::source::{EndReason, SourceError, link};

/// `json_link` and `header_link` (RFC 8288).
pub(super) struct Links {
    next: NextLink,
    trail: Trail,
}

/// Where a page has its next link.
pub(super) enum NextLink {
    /// In the body.
    Body(JsonPath),
    /// In the `Link` header, with this relation.
    Header(String),
}

impl Links {
    /// Follows the links that stand at `next`.
    pub(super) fn new(next: NextLink) -> Self {
        Self { next, trail: Trail::new(Repeated::Link) }
    }

    /// Goes to `reference`, resolved against the answer's URL (RFC 3986). Credentials in it are dropped: we add our own.
    fn follow(&mut self, page: &Seen<'_>, reference: &str) -> Result<Step, SourceError> {
        let not_a_url = |_| SourceError::BadLink { place: page.at(), what: "the next link".to_owned() };
        let mut to: Url = page.url.join(reference.trim()).map_err(not_a_url)?;
        to.set_fragment(None);
        if to.has_host() {
            let cannot = |()| SourceError::BadLink { place: page.at(), what: "the next link".to_owned() };
            to.set_username("").and_then(|()| to.set_password(None)).map_err(cannot)?;
        }
        page.reach.follow(page.url, &to).map_err(|why| SourceError::LinkRefused {
            place: page.at(),
            to: RedactedUrl::new(&to),
            why,
        })?;
        if page.page == 1 {
            self.trail.keep_text(page, page.url.as_str());
        }
        // Places that count up lead in no circle by themselves, and are gone to again when pages are read again.
        let ordinal = place::counted(page.url, &to).unwrap_or(0);
        match ordinal {
            0 => self.trail.note_text(page, to.as_str())?,
            _ => self.trail.keep_text(page, to.as_str()),
        }
        Ok(Step::Next(Position { ordinal, place: Place::Link(to) }))
    }
}

impl Paginator for Links {
    fn wanted(&self) -> Vec<JsonPath> {
        match &self.next {
            NextLink::Body(path) => vec![path.clone()],
            NextLink::Header(_) => Vec::new(),
        }
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        match &self.next {
            NextLink::Header(rel) => match link::target(page.headers, rel) {
                None => no_next(page, Some(&format!("`Link` header with `rel={rel}`"))),
                Some(reference) => self.follow(page, &reference),
            },
            NextLink::Body(path) => match value(page, 0) {
                None => no_next(page, absent(page, 0, path).as_deref()),
                Some(mark) if is_end(mark) || page.is_last && leads_nowhere(page, mark) => no_next(page, None),
                Some(Value::String(reference)) => self.follow(page, reference),
                Some(other) => Err(bad_value(page, ("next_url_path", path), "a URL", Some(other))),
            },
        }
    }
}

/// Whether a link is a word for nothing, or leads to the page that it stands on.
fn leads_nowhere(page: &Seen<'_>, link: &Value) -> bool {
    let is_own = |reference: &str| page.url.join(reference.trim()).is_ok_and(|to| to == *page.url);
    may_be_end(link) || link.as_str().is_some_and(is_own)
}

/// What to write where one page is all, whatever it says.
const ALL: &str = "expect: {total: estimate}";

/// What to write where the paginator is not the API's own: what detection would take, or what finds it.
pub(super) fn its_own(page: &Seen<'_>) -> String {
    let of_header = signs::cursor_header(page.headers)
        .map(|name| PaginatorPlan::HeaderCursor { cursor_key: name, cursor_param: "cursor".to_owned() });
    let found = match candidates(page, true) {
        Choice::Try(found) | Choice::Ambiguous(found) => found.into_iter().next().map(|first| first.plan),
        Choice::Over => None,
    };
    let plan = found.or(of_header);
    plan.map_or_else(
        || "paginator: {type: offset, limit: 100}".to_owned(),
        |plan| format!("paginator: {}", paginator_words(&plan)),
    )
}

/// The end of a resource that names its next page. On the first page, where the place for it is `absent` and so may be misspelt, signs of
/// more that leave no doubt are an error.
///
/// # Errors
/// [`PagingFault::MorePages`].
pub(super) fn no_next(page: &Seen<'_>, absent: Option<&str>) -> Result<Step, SourceError> {
    if page.page == 1 {
        refuse_link_header(page)?;
        part_of_all(page)?;
        if let (Some(place), Some(sign)) = (absent, signs::said_outright(page)) {
            let hint = format!("{sign}, and it has no {place}");
            return Err(SourceError::from(PagingFault::MorePages { place: page.at(), hint, write: its_own(page) }));
        }
    }
    Ok(Step::End(EndReason::NoNext))
}

/// Refuses a page that looks like the first of several, if not by a total that `total_is_estimate`.
///
/// # Errors
/// [`PagingFault::MorePages`] with the config to write.
pub(super) fn more_pages(page: &Seen<'_>, total_is_estimate: bool, write: &str) -> Result<(), SourceError> {
    refuse_link_header(page)?;
    signs::more_pages(page, total_is_estimate)
        .map_or(Ok(()), |hint| Err(SourceError::from(PagingFault::MorePages { place: page.at(), hint, write: write.to_owned() })))
}

/// Refuses a page whose headers alone tell of more.
///
/// # Errors
/// [`PagingFault::MorePages`] with the config to write.
pub(super) fn more_in_headers(page: &Seen<'_>) -> Result<(), SourceError> {
    part_of_all(page)?;
    let hint = signs::more_in_headers(page.headers, page.facts.records);
    hint.map_or(Ok(()), |hint| Err(SourceError::from(PagingFault::MorePages { place: page.at(), hint, write: its_own(page) })))
}

/// Refuses an only page that calls itself a part.
///
/// # Errors
/// [`PagingFault::MorePages`] with the config to write.
pub(super) fn part_of_all(page: &Seen<'_>) -> Result<(), SourceError> {
    signs::part(page).map_or(Ok(()), |hint| {
        let write = format!("{}`, or, if this is all, `{ALL}", its_own(page));
        Err(SourceError::from(PagingFault::MorePages { place: page.at(), hint, write }))
    })
}

/// Refuses an only page that says outright that there are more.
///
/// # Errors
/// [`PagingFault::MorePages`] with the config to write.
pub(super) fn only_page(page: &Seen<'_>) -> Result<(), SourceError> {
    refuse_link_header(page)?;
    let hint = signs::said_outright(page).or_else(|| signs::more_in_headers(page.headers, page.facts.records));
    hint.map_or(Ok(()), |hint| {
        let write = format!("{}`, or, if this is all, `{ALL}", its_own(page));
        Err(SourceError::from(PagingFault::MorePages { place: page.at(), hint, write }))
    })
}

fn refuse_link_header(page: &Seen<'_>) -> Result<(), SourceError> {
    if link::target(page.headers, "next").is_none() {
        return Ok(());
    }
    let hint = "its `Link` header has a next page".to_owned();
    Err(SourceError::from(PagingFault::MorePages { place: page.at(), hint, write: "paginator: {type: header_link}".to_owned() }))
}
