//! `json_link` and `header_link`: the page gives the next one's URL.

use serde_json::Value;
use url::Url;

use crate::base::{JsonPath, RedactedUrl, Warning, WarningCode};
use crate::source::error::Repeated;
use crate::source::paginate::facts::{bad_value, is_absent, value};
use crate::source::paginate::told::BodyTotal;
use crate::source::paginate::{Paginator, Place, Position, Seen, Step, Trail, place, signs, told};
use crate::source::{EndReason, SourceError, link};

/// `json_link` and `header_link` (RFC 8288).
pub(super) struct Links {
    next: NextLink,
    trail: Trail,
    allow_drift: bool,
    body_total: BodyTotal,
    read: u64,
    /// The latest total, of a header or else of the body.
    told: Option<u64>,
    /// Whether a page was passed over, of whose records nothing is known.
    has_gap: bool,
    warning: Option<Warning>,
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
    pub(super) fn new(next: NextLink, allow_drift: bool) -> Self {
        Self {
            next,
            trail: Trail::new(Repeated::Link),
            allow_drift,
            body_total: BodyTotal::default(),
            read: 0,
            told: None,
            has_gap: false,
            warning: None,
        }
    }

    fn count(&mut self, page: &Seen<'_>) {
        self.read += page.facts.records;
        let told = told::of_headers(page.headers).map(|(_, total)| total);
        self.told = told.or_else(|| self.body_total.of(page)).or(self.told);
        if page.page == 1 {
            self.body_total.settle(page);
        }
    }

    /// The end, which a total that a header tells has to bear out: a link that is missing within would look the same.
    fn end(&mut self, page: &Seen<'_>, is_absent: bool) -> Result<Step, SourceError> {
        self.count(page);
        let told = told::of_headers(page.headers).filter(|_| !self.allow_drift && !self.has_gap);
        if let Some((header, total)) = told
            && self.read < total
        {
            return Err(SourceError::LinksEndEarly { place: page.at(), header, read: self.read, total });
        }
        no_next(page, is_absent, &mut self.warning)
    }

    /// Goes to `reference`, resolved against the answer's URL (RFC 3986). Credentials in it are dropped: we add our own.
    fn follow(&mut self, page: &Seen<'_>, reference: &str) -> Result<Step, SourceError> {
        self.count(page);
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
                None => self.end(page, true),
                Some(reference) => self.follow(page, &reference),
            },
            NextLink::Body(path) => match value(page, 0) {
                None => self.end(page, is_absent(page, 0)),
                Some(Value::String(reference)) if reference.trim().is_empty() => self.end(page, false),
                Some(Value::String(reference)) => self.follow(page, reference),
                Some(Value::Bool(false)) => self.end(page, false),
                Some(other) => Err(bad_value(page, path, "a URL", Some(other))),
            },
        }
    }

    fn total_of(&self, page: &Seen<'_>) -> Option<u64> {
        self.body_total.of(page)
    }

    fn take_back(&mut self, records: u64) {
        self.read = self.read.saturating_sub(records);
    }

    fn pass_over(&mut self) {
        self.has_gap = true;
    }

    fn total_records(&self) -> Option<u64> {
        self.told.filter(|_| !self.allow_drift)
    }

    fn warning(&mut self) -> Option<Warning> {
        self.warning.take()
    }
}

/// What to write where the paginator is not the API's own.
pub(super) const WRITE_ITS_OWN: &str = "paginator: as the API gives its next page";

/// The end of a resource that names its next page. On the first page, where the place for it `is_absent` and so may be misspelt, other
/// signs of more are heeded: those that leave no doubt are an error, a larger total is a `warning`.
///
/// # Errors
/// [`SourceError::MorePages`].
pub(super) fn no_next(page: &Seen<'_>, is_absent: bool, warning: &mut Option<Warning>) -> Result<Step, SourceError> {
    if page.page == 1 {
        refuse_link_header(page)?;
        let signs = &page.facts.signs;
        match signs::said_outright(signs).filter(|_| is_absent) {
            Some(hint) => return Err(SourceError::MorePages { place: page.at(), hint, write: WRITE_ITS_OWN }),
            None if is_absent => {
                *warning = signs::total_told(signs, page.facts.records).map(|hint| {
                    let text = format!("the paginator finds no next page, but {hint}: is it the API's own?");
                    Warning::new(WarningCode::TotalContradicted, text)
                });
            }
            None => {}
        }
    }
    Ok(Step::End(EndReason::NoNext))
}

/// Refuses a page that looks like the first of several.
///
/// # Errors
/// [`SourceError::MorePages`] with the config to write.
pub(super) fn more_pages(page: &Seen<'_>, write: &'static str) -> Result<(), SourceError> {
    refuse_link_header(page)?;
    let hint = signs::more_pages(&page.facts.signs, page.facts.records);
    hint.map_or(Ok(()), |hint| Err(SourceError::MorePages { place: page.at(), hint, write }))
}

fn refuse_link_header(page: &Seen<'_>) -> Result<(), SourceError> {
    if link::target(page.headers, "next").is_none() {
        return Ok(());
    }
    let hint = "its `Link` header has a next page".to_owned();
    Err(SourceError::MorePages { place: page.at(), hint, write: "paginator: {type: header_link}" })
}
