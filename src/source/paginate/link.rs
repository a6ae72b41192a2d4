//! `json_link` and `header_link`: the page gives the next one's URL.

use serde_json::Value;
use url::Url;

use crate::base::{JsonPath, RedactedUrl};
use crate::config::{PaginatorPlan, Slot, StopRules, paginator_words};
use crate::source::error::{PagingFault, Repeated};
use crate::source::paginate::candidates::{Choice, by_last_record, by_offset, candidates};
use crate::source::paginate::end_mark::{is_end, may_be_end};
use crate::source::paginate::facts::{absent, bad_value, value};
use crate::source::paginate::headers::cursor_header;
use crate::source::paginate::signs::place_words;
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

    fn own_places(&self) -> Vec<String> {
        match &self.next {
            NextLink::Body(path) => vec![place_words(path)],
            NextLink::Header(rel) if rel.eq_ignore_ascii_case("next") => vec!["its `Link` header".to_owned()],
            NextLink::Header(_) => Vec::new(),
        }
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        match &self.next {
            NextLink::Header(rel) => match link::target(page.headers, rel) {
                None => no_next(page, Some(&format!("`Link` header with `rel={rel}`")), None),
                Some(reference) => {
                    // `rel=last` passes over what is between.
                    let next = link::target(page.headers, "next");
                    let is_other =
                        next.is_some_and(|next| page.url.join(next.trim()).ok() != page.url.join(reference.trim()).ok());
                    if is_other {
                        refuse_link_header(page)?;
                    }
                    self.follow(page, &reference)
                }
            },
            NextLink::Body(path) => match value(page, 0) {
                None => no_next(page, absent(page, 0, path).as_deref(), None),
                Some(mark) if is_end(mark) || page.is_last && leads_nowhere(page, mark) => no_next(page, None, None),
                Some(Value::String(reference)) => self.follow(page, reference),
                Some(Value::Object(members)) => match link_of(members) {
                    Some(Value::String(reference)) => self.follow(page, reference),
                    Some(Value::Null) => no_next(page, None, None),
                    _ => Err(bad_value(
                        page,
                        ("next_url_path", path),
                        "a URL, or an object with one `href` or `url`",
                        value(page, 0),
                    )),
                },
                Some(other) => Err(bad_value(page, ("next_url_path", path), "a URL", Some(other))),
            },
        }
    }
}

/// What an object has for its URL, if it is one member.
fn link_of(members: &serde_json::Map<String, Value>) -> Option<&Value> {
    let mut found = members.iter().filter(|(name, _)| ["href", "url", "uri", "link"].contains(&&*name.to_ascii_lowercase()));
    found.next().filter(|_| found.next().is_none()).map(|(_, value)| value)
}

/// Whether a link is a word for nothing, or leads to the page that it stands on.
fn leads_nowhere(page: &Seen<'_>, link: &Value) -> bool {
    let is_own = |reference: &str| page.url.join(reference.trim()).is_ok_and(|to| to == *page.url);
    may_be_end(link) || link.as_str().is_some_and(is_own)
}

/// That the paginator goes no further, in words.
pub(in crate::source) const NO_NEXT: &str = "the paginator finds no next page";
/// What to write where one page is all, whatever it says.
pub(in crate::source) const ALL: &str = "expect: {total: estimate}";

/// What to write where the paginator is not the API's own: what detection would take, or what finds it; where nothing tells that, the usual
/// ways. What the config has of its own for the place of a cursor stays.
pub(super) fn its_own(page: &Seen<'_>, own: Option<&Slot>) -> String {
    match told_way(page, own) {
        Some(plan) => format!("paginator: {}", paginator_words(&plan)),
        None => {
            let ways =
                format!("paginator: {{type: page_number, base_page: 1}}` or `paginator: {}", paginator_words(&by_offset(page)));
            let last = by_last_record(page).map(|plan| paginator_words(&plan));
            last.map_or(ways.clone(), |last| {
                format!("{ways}`, or, where the last record's `id` is asked behind, as Stripe has it, `paginator: {last}")
            })
        }
    }
}

/// As [`its_own`], one of them.
pub(in crate::source) fn own_way(page: &Seen<'_>, own: Option<&Slot>) -> PaginatorPlan {
    told_way(page, own).unwrap_or_else(|| by_offset(page))
}

/// The way that the answer tells of.
fn told_way(page: &Seen<'_>, own: Option<&Slot>) -> Option<PaginatorPlan> {
    let cursor_param = if let Some(Slot::Param(name)) = own { name.clone() } else { "cursor".to_owned() };
    let of_header = cursor_header(page.headers).map(|name| PaginatorPlan::HeaderCursor {
        cursor_key: name,
        cursor_param,
        stop: StopRules::default(),
    });
    let found = match candidates(page, true) {
        Choice::Try(found) | Choice::Ambiguous(found) => found.into_iter().next().map(|first| first.plan),
        Choice::Over => None,
    };
    let mut plan = found.or(of_header)?;
    if let (PaginatorPlan::Cursor { cursor_slot, .. }, Some(own)) = (&mut plan, own) {
        *cursor_slot = own.clone();
    }
    Some(plan)
}

/// The end of a resource that names its next page. On the first page, where the place for it is `absent` and so may be misspelt, signs of
/// more that leave no doubt are an error.
///
/// # Errors
/// [`PagingFault::MorePages`].
pub(super) fn no_next(page: &Seen<'_>, absent: Option<&str>, own: Option<&Slot>) -> Result<Step, SourceError> {
    if page.page == 1 {
        refuse_link_header(page)?;
        part_of_all(page)?;
        if let (Some(place), Some(sign), false) = (absent, signs::said_outright(page), signs::says_last(page.facts)) {
            let hint = format!("{sign}, and it has no {place}");
            return Err(SourceError::from(PagingFault::MorePages {
                place: page.at(),
                how: NO_NEXT.to_owned(),
                hint,
                write: its_own(page, own),
            }));
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
    signs::more_pages(page, total_is_estimate).map_or(Ok(()), |hint| {
        Err(SourceError::from(PagingFault::MorePages {
            place: page.at(),
            how: NO_NEXT.to_owned(),
            hint,
            write: write.to_owned(),
        }))
    })
}

/// Refuses a page whose headers alone tell of more.
///
/// # Errors
/// [`PagingFault::MorePages`] with the config to write.
pub(super) fn more_in_headers(page: &Seen<'_>) -> Result<(), SourceError> {
    part_of_all(page)?;
    let hint = signs::more_in_headers(page.headers);
    let fault = |hint| PagingFault::MorePages { place: page.at(), how: NO_NEXT.to_owned(), hint, write: its_own(page, None) };
    hint.map_or(Ok(()), |hint| Err(SourceError::from(fault(hint))))
}

/// Refuses an only page that calls itself a part.
///
/// # Errors
/// [`PagingFault::MorePages`] with the config to write.
pub(super) fn part_of_all(page: &Seen<'_>) -> Result<(), SourceError> {
    signs::part(page).map_or(Ok(()), |hint| {
        let write = format!("{}`, or, if this is all, `{ALL}", its_own(page, None));
        Err(SourceError::from(PagingFault::MorePages { place: page.at(), how: NO_NEXT.to_owned(), hint, write }))
    })
}

fn refuse_link_header(page: &Seen<'_>) -> Result<(), SourceError> {
    if link::target(page.headers, "next").is_none() {
        return Ok(());
    }
    let hint = "its `Link` header has a next page".to_owned();
    Err(SourceError::from(PagingFault::MorePages {
        place: page.at(),
        how: NO_NEXT.to_owned(),
        hint,
        write: "paginator: {type: header_link}".to_owned(),
    }))
}
