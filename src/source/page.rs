//! What passes between the source and whoever decodes its pages.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::base::{JsonPath, RedactedUrl, Warning, WarningCode};
use crate::source::answer::PartialErrors;
use crate::source::preview::Redactor;
use crate::source::{Sign, Slice, SpooledBody};

/// One response, whole.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The resource's name.
    pub(crate) resource: Arc<str>,
    /// From 1, in the order of the API's rows.
    pub(crate) number: u64,
    /// What was requested.
    pub(crate) url: RedactedUrl,
    /// The body, decompressed, without a byte order mark of UTF-8; empty when it is in a file.
    pub(crate) body: Bytes,
    /// The body in a file, where it is too large for memory.
    pub(crate) spooled: Option<Arc<SpooledBody>>,
    /// What it was requested for.
    pub(crate) slice: Arc<Slice>,
    /// Hides secrets in what an error quotes from it.
    pub(crate) redactor: Arc<Redactor>,
    /// Its `Content-Type` in lower case, if it had one.
    pub(crate) content_type: Option<String>,
    /// The earliest `Date` of its chain's answers so far, where they have one.
    pub(crate) server_time: Option<DateTime<Utc>>,
    /// Whether an interrupted run has kept it.
    pub(crate) is_kept: bool,
}

impl Page {
    /// A page that no request brought: records that the lake has of `resource`.
    pub(crate) fn of_lake(resource: &str, base_url: &url::Url) -> Self {
        Self {
            resource: Arc::from(resource),
            number: 1,
            url: RedactedUrl::new(base_url),
            body: Bytes::new(),
            spooled: None,
            slice: Arc::default(),
            redactor: Arc::default(),
            content_type: None,
            server_time: None,
            is_kept: false,
        }
    }

    /// The same page, where pages before it have had so many of the records that are loaded.
    pub(crate) fn less(&self, had: &HashMap<u128, u32>) -> Self {
        let cursor = self.slice.cursor.as_ref().map(|cursor| Arc::new(cursor.less(had)));
        Self { slice: Arc::new(Slice { cursor, ..(*self.slice).clone() }), ..self.clone() }
    }

    /// Bytes of the body, decompressed.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.spooled.as_ref().map_or(self.body.len() as u64, |spooled| spooled.bytes())
    }
}

/// What the paginator needs to know of a page; found by the decoder in the same pass that makes the rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PageFacts {
    /// Records in the page, rejects included.
    pub(crate) records: u64,
    /// A hash of the records' bytes, to know a page that comes again; equal for equal records whatever stands around them.
    pub(crate) records_hash: u128,
    /// The values at the paths asked for ([`crate::source::wanted_paths`]), in that order; `None` where the page has none.
    /// An object or array that is too long for a cursor counts as present, and is `[null]`.
    pub(crate) values: Vec<Option<serde_json::Value>>,
    /// What around the records tells of other pages.
    pub(crate) signs: Vec<Sign>,
    /// Whether a member around the records that would tell of the next page is null.
    pub(crate) null_next: bool,
    /// Where the records are, if they are at one place.
    pub(crate) records_at: Option<JsonPath>,
    /// The one list in the record, where that is an object by itself; unless asked for with the signs, none.
    pub(crate) list_inside: Option<ListInside>,
    /// A hash of each record, in order, rejects included: of its bytes, or of its key where the paginator has to be found; empty unless
    /// asked for ([`crate::source::wants_record_hashes`]).
    pub(crate) record_hashes: Vec<u64>,
    /// The member that tells of a failure of the page, and its text, shortened and redacted.
    pub(crate) failure: Option<(String, String)>,
    /// What the page has for the header of CSV, where that stands in it.
    pub(crate) header: Option<Box<Header>>,
    /// Whether the records have left the range asked for, so that by `row_order` none of it can follow.
    pub(crate) out_of_range: bool,
    /// Whether nothing could be read from it: then there is nothing else.
    pub(crate) is_unreadable: bool,
    /// How many rows may follow, where only so many are wanted.
    pub(crate) room: Option<Room>,
}

/// What is wanted behind a page where the rows of a run are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Rows that are.
    pub(crate) left: u64,
    /// Whether the page itself has more than was wanted of it, so that the rest does not count.
    pub(crate) is_cut: bool,
    /// Whether pages are read on until it is known how they follow each other.
    pub(crate) is_look: bool,
}

/// The names that a page of CSV gives its columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// In their order.
    pub(crate) names: Vec<String>,
    /// The same in words, shortened and redacted.
    pub(crate) shown: String,
    /// Whether their order, or their number, tells which value is which.
    pub(crate) is_ordered: bool,
    /// The columns of the table in words, where it has some and none of these.
    pub(crate) table: Option<String>,
}

/// Whether what is read as the headers of two pages are those of one table: an API may send its columns in another order, or some more, but the
/// first row of a page that has no header shares no names with that of another.
pub(crate) fn is_same_header(one: &[String], other: &[String], is_ordered: bool) -> bool {
    let shared = one.iter().filter(|name| other.contains(name)).count();
    if is_ordered { one == other } else { shared * 2 > one.len().min(other.len()) }
}

/// A list of objects within a record that stands by itself, which may be an envelope.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListInside {
    /// Where it stands.
    pub(crate) at: JsonPath,
    /// Its elements.
    pub(crate) records: u64,
    /// What in the record tells of other pages.
    pub(crate) signs: Vec<Sign>,
    /// Whether the record has values of its own, so that a name alone tells nothing of the list.
    pub(crate) has_values: bool,
}

/// A page that a rule of the config drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Skipped {
    /// Whether the resource ends with it.
    pub(super) ends: bool,
    /// Its status.
    pub(super) status: u16,
    /// Where the rule stands.
    pub(super) key: String,
}

/// A page on its way to the decoder, with the way back.
#[derive(Debug)]
pub(super) struct Delivery {
    /// The page.
    pub(super) page: Page,
    /// To be answered once the page is decoded. Answers are judged in page order.
    pub(super) judge: Judge,
}

/// The way back to the paginator: facts in, verdict out.
#[derive(Debug)]
pub(super) struct Judge {
    /// Takes the facts.
    pub(super) facts: oneshot::Sender<PageFacts>,
    /// Gives the verdict, after all earlier pages have had theirs.
    pub(super) verdict: oneshot::Receiver<Verdict>,
}

/// Whether a page's rows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are the next rows of the resource.
    Accept,
    /// The page was fetched ahead of a decision that made it void; its rows are fetched again or lie past the end.
    Discard,
}

/// How a resource ended, and what proves that it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// Why there are no more pages.
    pub(crate) reason: EndReason,
    /// Pages accepted.
    pub(crate) pages: u64,
    /// Records in them.
    pub(crate) records: u64,
    /// Pages that a rule of the config dropped: they are not among `pages`.
    pub(crate) ignored: u64,
    /// Body bytes received, decompressed.
    pub(crate) bytes: u64,
    /// Requests sent, retries included.
    pub(crate) requests: u64,
    /// The API's own total of records, where it told one, and what was read is that.
    pub(crate) total: Option<u64>,
    /// The total that the API told last, whether or not it was read.
    pub(crate) told: Option<u64>,
    /// The earliest `Date` of its answers: the fetch's start by the server's own clock, in whole seconds. `None` without any.
    pub(crate) server_time: Option<DateTime<Utc>>,
    /// Records without a key that are exact copies of records of earlier pages.
    pub(crate) copies: u64,
    /// GraphQL errors beside data that counts, by their path.
    pub(crate) partial_errors: PartialErrors,
}

impl End {
    /// An end without any page.
    pub(crate) fn without_pages(reason: EndReason) -> Self {
        Self {
            reason,
            pages: 0,
            records: 0,
            ignored: 0,
            bytes: 0,
            requests: 0,
            total: None,
            told: None,
            server_time: None,
            copies: 0,
            partial_errors: PartialErrors::default(),
        }
    }

    /// Counts another chain's end to this one; the reason and the total stay.
    pub(crate) fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.records += other.records;
        self.ignored += other.ignored;
        self.bytes += other.bytes;
        self.requests += other.requests;
        self.server_time = [self.server_time, other.server_time].into_iter().flatten().min();
        self.copies += other.copies;
        self.partial_errors.add(other.partial_errors);
    }

    /// What a person should know of it.
    #[must_use]
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let copied = (self.copies > 0).then(|| {
            let text = format!(
                "exact copies of records of earlier pages: {}; without a `primary_key` all of them are kept",
                self.copies
            );
            Warning::new(WarningCode::RecordsCopied, text)
        });
        self.partial_errors.warning().into_iter().chain(copied).collect()
    }
}

/// Why a resource has no more pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndReason {
    /// The endpoint has one page.
    SinglePage,
    /// No next link or cursor.
    NoNext,
    /// A page without records.
    EmptyPage,
    /// The API's total was reached.
    TotalReached,
    /// The API said there is no more.
    HasMoreFalse,
    /// The API said that the page is the last one.
    EndTrue,
    /// dlt's `maximum_page` or `maximum_offset` was reached.
    MaximumReached,
    /// The records have left the range asked for, and their order says that none of it can follow.
    OutOfRange,
    /// Its parents have no records.
    NoParents,
    /// A rule of the config ends the resource there.
    Ignored,
    /// As many rows came as were wanted.
    LimitReached,
}

impl EndReason {
    const ALL: [Self; 11] = [
        Self::SinglePage,
        Self::NoNext,
        Self::EmptyPage,
        Self::TotalReached,
        Self::HasMoreFalse,
        Self::EndTrue,
        Self::MaximumReached,
        Self::OutOfRange,
        Self::NoParents,
        Self::Ignored,
        Self::LimitReached,
    ];

    /// The reason of this name.
    #[must_use]
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The reason as the run's summary spells it.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SinglePage => "single_page",
            Self::NoNext => "no_next",
            Self::EmptyPage => "empty_page",
            Self::TotalReached => "total_reached",
            Self::HasMoreFalse => "has_more_false",
            Self::EndTrue => "end_true",
            Self::MaximumReached => "maximum_reached",
            Self::OutOfRange => "out_of_range",
            Self::NoParents => "no_parents",
            Self::Ignored => "ignored",
            Self::LimitReached => "limit_reached",
        }
    }
}
