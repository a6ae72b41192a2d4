//! `json_link` and `header_link`: the page gives the next one's URL.

use serde_json::Value;
use url::Url;

use crate::base::{JsonPath, RedactedUrl};
use crate::source::error::Repeated;
use crate::source::paginate::facts::{bad_value, value};
use crate::source::paginate::{Paginator, Place, Position, Seen, Step, Trail, signs};
use crate::source::{EndReason, SourceError, link};

/// `json_link`.
pub(super) struct JsonLink {
    path: JsonPath,
    trail: Trail,
}

impl JsonLink {
    /// The link stands at `path`.
    pub(super) fn new(path: JsonPath) -> Self {
        Self { path, trail: Trail::new(Repeated::Link) }
    }
}

impl Paginator for JsonLink {
    fn wanted(&self) -> Vec<JsonPath> {
        vec![self.path.clone()]
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        match value(page, 0) {
            None => no_next(page),
            Some(Value::String(reference)) if reference.trim().is_empty() => no_next(page),
            Some(Value::String(reference)) => follow(page, reference, &mut self.trail),
            Some(Value::Bool(false)) => no_next(page),
            Some(other) => Err(bad_value(page, &self.path, "a URL", Some(other))),
        }
    }
}

/// `header_link` (RFC 8288).
pub(super) struct HeaderLink {
    rel: String,
    trail: Trail,
}

impl HeaderLink {
    /// The link has relation `rel`.
    pub(super) fn new(rel: String) -> Self {
        Self { rel, trail: Trail::new(Repeated::Link) }
    }
}

impl Paginator for HeaderLink {
    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        match link::target(page.headers, &self.rel) {
            None => no_next(page),
            Some(reference) => follow(page, &reference, &mut self.trail),
        }
    }
}

/// The end of a resource that names its next page; on the first page, other signs of more are heeded.
///
/// # Errors
/// [`SourceError::MorePages`].
pub(super) fn no_next(page: &Seen<'_>) -> Result<Step, SourceError> {
    if page.page == 1 {
        more_pages(page, "paginator: as the API gives its next page")?;
    }
    Ok(Step::End(EndReason::NoNext))
}

/// Refuses a page that looks like the first of several.
///
/// # Errors
/// [`SourceError::MorePages`] with the config to write.
pub(super) fn more_pages(page: &Seen<'_>, write: &'static str) -> Result<(), SourceError> {
    let error = |hint: String, write| Err(SourceError::MorePages { place: page.at(), hint, write });
    if link::target(page.headers, "next").is_some() {
        return error("its `Link` header has a next page".to_owned(), "paginator: {type: header_link}");
    }
    signs::more_pages(&page.facts.signs, page.facts.records).map_or(Ok(()), |hint| error(hint, write))
}

/// Goes to `reference`, resolved against the answer's URL (RFC 3986). Credentials in it are dropped: we add our own.
fn follow(page: &Seen<'_>, reference: &str, trail: &mut Trail) -> Result<Step, SourceError> {
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
        trail.note_text(page, page.url.as_str())?;
    }
    trail.note_text(page, to.as_str())?;
    Ok(Step::Next(Position { ordinal: 0, place: Place::Link(to) }))
}
