//! Why a page could not be decoded, and where to look.

use std::fmt;
use std::sync::Arc;

use crate::base::{ErrorKind, JsonPath, PathExhausted, RedactedUrl};
use crate::decode::RecordsShape;
use crate::decode::find::Doubt;
use crate::source::Page;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PagePlace {
    /// The resource's name.
    pub(crate) resource: Arc<str>,
    /// The page's number, from 1.
    pub(crate) page: u64,
    /// What was requested.
    pub(crate) url: RedactedUrl,
}

impl PagePlace {
    /// That of `page`.
    pub(in crate::decode) fn of(page: &Page) -> Self {
        Self { resource: Arc::clone(&page.resource), page: page.number, url: page.url.clone() }
    }
}

impl fmt::Display for PagePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {} of `{}` (`{}`)", self.page, self.resource, self.url)
    }
}

/// Where in a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Byte offset from the start of the body, where it is known.
    pub(crate) offset: Option<usize>,
    /// The innermost value begun there, as `$.data[17].amount`; `None` where there is none yet.
    pub(crate) path: Option<String>,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.offset, &self.path) {
            (Some(offset), Some(path)) => write!(f, "byte {offset}, in `{path}`"),
            (Some(offset), None) => write!(f, "byte {offset}"),
            (None, path) => write!(f, "`{}`", path.as_deref().unwrap_or("$")),
        }
    }
}

/// What a body that is no JSON most likely is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instead {
    /// JSON but for numbers that are none.
    NoNumber,
    /// NDJSON.
    Lines,
    /// Values one behind the other, on whatever lines.
    Values,
    /// CSV.
    Csv,
}

fn found_instead(instead: Option<Instead>) -> &'static str {
    match instead {
        None => "",
        Some(Instead::NoNumber) => ", found `NaN` or `Infinity`",
        Some(Instead::Lines | Instead::Values) => ", found one JSON value behind another",
        Some(Instead::Csv) => ", found what looks like CSV",
    }
}

/// A page that cannot become rows. Nothing of it counts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The body is empty, or only space.
    #[error("{place} has an empty body instead of JSON")]
    Empty {
        /// The page.
        place: PagePlace,
    },
    /// The body begins like markup: a login page, a gateway's error page.
    #[error("{place} is HTML or XML, not JSON")]
    Markup {
        /// The page.
        place: PagePlace,
    },
    /// The body is not UTF-8.
    #[error("{place} is not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// The page.
        place: PagePlace,
        /// The first byte that is no part of a character.
        offset: usize,
        /// The check's own words.
        source: std::str::Utf8Error,
    },
    /// The body is not JSON as RFC 8259 has it.
    #[error("{place} is not JSON at {spot}: expected {expected}{}", found_instead(*instead))]
    Syntax {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
        /// What had to stand there.
        expected: &'static str,
        /// What the body most likely is.
        instead: Option<Instead>,
    },
    /// The body ends too early.
    #[error("{place} ends at {spot}, in the middle of a value: it is cut off")]
    CutOff {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
    },
    /// A path of the config passes its budget.
    #[error("{place} cannot be searched")]
    PathExhausted {
        /// The page.
        place: PagePlace,
        /// Which path.
        source: PathExhausted,
    },
    /// Nested too deeply.
    #[error("{place} has objects and arrays nested more than {limit} deep at {spot}")]
    TooDeep {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
        /// The deepest nesting that is read.
        limit: u32,
    },
    /// The body is not in the encoding it should be in.
    #[error("{place} is not valid {encoding}, as its byte order mark, `Content-Type` or `response_format.encoding` says")]
    NotText {
        /// The page.
        place: PagePlace,
        /// The encoding's name.
        encoding: &'static str,
    },
    /// The body is cut off in the middle of a line or row.
    #[error("{place} ends at byte {offset}, in the middle of a record: it is cut off")]
    RecordCutOff {
        /// The page.
        place: PagePlace,
        /// Where the rest is missing.
        offset: usize,
    },
    /// The body ends in a quoted field.
    #[error("{place} ends at byte {offset} within a quoted field, whose quote opens in line {line}: it is cut off")]
    QuoteOpen {
        /// The page.
        place: PagePlace,
        /// Where the rest is missing.
        offset: usize,
        /// From 1.
        line: usize,
    },
    /// A member that tells of the pages comes twice, with two values.
    #[error(
        "{place} has a second value at {spot}, which tells of its pages, and it is another one: which of them holds is not known"
    )]
    PagingTwice {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
    },
    /// The body is no archive or table that can be read.
    #[error("{place} {why}")]
    Format {
        /// The page.
        place: PagePlace,
        /// What is wrong with it.
        why: String,
    },
    /// The body is too long for 32-bit offsets.
    #[error("{place} has {bytes} bytes, more than the {limit} that a page may have")]
    PageTooLarge {
        /// The page.
        place: PagePlace,
        /// Its size in bytes.
        bytes: usize,
        /// The largest size in bytes.
        limit: usize,
    },
    /// The body is too large to be read as a whole, and cannot be read piece by piece.
    #[error("{place} has {bytes} bytes; more than {limit} can be read only piece by piece, which it cannot be: {why}")]
    NotInPieces {
        /// The page.
        place: PagePlace,
        /// Its size in bytes.
        bytes: u64,
        /// The largest size in bytes.
        limit: u64,
        /// Why not.
        why: &'static str,
    },
    /// The body's temporary file cannot be read.
    #[error("the temporary file with {place} cannot be read")]
    Spool {
        /// The page.
        place: PagePlace,
        /// What the system says.
        source: std::io::Error,
    },
    /// A record is too long.
    #[error("{place} has a record of more than {limit} bytes at {spot}")]
    RecordTooLarge {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
        /// The largest record in bytes.
        limit: usize,
    },
    /// Objects that are used as maps, or an API gone astray.
    #[error("{place} needs more than {limit} columns at {spot}: an object whose names are data is better declared as json")]
    TooManyColumns {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
        /// The most columns and struct fields of a page.
        limit: usize,
    },
    /// Mostly absent columns times very many records.
    #[error("{place} has {records} records of {columns} columns, more values than the {limit} that a page may have")]
    TooManyValues {
        /// The page.
        place: PagePlace,
        /// Records in the page.
        records: usize,
        /// Columns and struct fields.
        columns: usize,
        /// The most values of a page.
        limit: usize,
    },
    /// A cursor, link or the like is too long to be one.
    #[error("{place} has a value of more than {limit} bytes where the paginator looks, at {spot}")]
    ValueTooLong {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
        /// The longest such value in bytes.
        limit: usize,
    },
    /// Nothing at the records' path.
    #[error("{place} has nothing at `{path}`, where its records should be; at its top are {found}{}{}", listed(.lists, .near.as_deref()), quoted(.said.as_ref()))]
    NoRecords {
        /// The page.
        place: PagePlace,
        /// The records' path, or several.
        path: String,
        /// The page's top level, in words.
        found: String,
        /// Where it has lists of objects.
        lists: Vec<String>,
        /// The one of them that the path most likely stands for.
        near: Option<String>,
        /// The member at its top that APIs put their errors in, and its text, shortened and redacted.
        said: Option<(&'static str, String)>,
        /// Whether the config says so, and no earlier page.
        is_declared: bool,
    },
    /// An object that would be the only record, and is an answer about something else.
    #[error("{place} has no list of records, and is no record by itself: {why}; at its top are {found}{}", quoted(.said.as_ref()))]
    NoRecord {
        /// The page.
        place: PagePlace,
        /// Why not.
        why: String,
        /// The page's top level, in words.
        found: String,
        /// The member at its top that APIs put their errors in, and its text, shortened and redacted.
        said: Option<(String, String)>,
    },
    /// An object that would be one record, and holds many under their keys.
    #[error(
        "{place} has no list at `{path}`, but an object of {count} objects that are alike, under keys of theirs: records, it seems"
    )]
    MapOfRecords {
        /// The page.
        place: PagePlace,
        /// Where the records should be.
        path: String,
        /// How many they are.
        count: usize,
    },
    /// Null for the list of records, in an answer that tells of a failure.
    #[error("{place} has null at {spot}, where its records should be{}", quoted(Some(.said)))]
    NullBesideFailure {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
        /// The member that tells it, and its text, shortened and redacted.
        said: (String, String),
    },
    /// One record where others have a list, or the other way round.
    #[error("{place} has {} at `{path}`, where earlier pages or runs had {}", shape_words(*.shape), shape_words(*.before))]
    OtherShape {
        /// The page.
        place: PagePlace,
        /// The records' path.
        path: String,
        /// What stood there.
        before: RecordsShape,
        /// What stands there.
        shape: RecordsShape,
        /// Whether the config says where the records are.
        is_declared: bool,
    },
    /// Something that holds no records.
    #[error("{place} has {actual} at {spot}, where its records should be: expected an array of objects, or an object")]
    NotRecords {
        /// The page.
        place: PagePlace,
        /// Where in it.
        spot: Spot,
        /// Its kind.
        actual: &'static str,
    },
    /// It is not plain where the records are.
    #[error("{place} {}", .doubt.words(.paths))]
    AmbiguousRecords {
        /// The page.
        place: PagePlace,
        /// Why not.
        doubt: Doubt,
        /// Where they may be.
        paths: Vec<JsonPath>,
    },
    /// The rows need a schema past what a table may have.
    #[error("{place} cannot become rows")]
    Schema {
        /// The page.
        place: PagePlace,
        /// Which cap, and where.
        source: Box<crate::schema::SchemaError>,
    },
    /// The builders broke their own rules.
    #[error("the columns of {place} do not form a batch")]
    Batch {
        /// The page.
        place: PagePlace,
        /// What Arrow says.
        source: arrow_schema::ArrowError,
    },
}

fn quoted<N: fmt::Display>(said: Option<&(N, String)>) -> String {
    said.map_or_else(String::new, |(name, text)| format!("; its `{name}` says `{text}`"))
}

fn listed(lists: &[String], near: Option<&str>) -> String {
    const LISTS_MAX: usize = 5;
    if let Some(near) = near {
        return format!("; did you mean the list at `{near}`?");
    }
    let shown: Vec<String> = lists.iter().take(LISTS_MAX).map(|list| format!("`{list}`")).collect();
    match shown.as_slice() {
        [] => String::new(),
        [only] => format!("; it has a list at {only}"),
        several => format!("; it has lists at {}", several.join(", ")),
    }
}

fn shape_words(shape: RecordsShape) -> &'static str {
    match shape {
        RecordsShape::List => "a list",
        RecordsShape::Object => "one object",
        RecordsShape::Null => "null",
    }
}

impl DecodeError {
    /// The same error of a text in which everything stands `bytes` earlier.
    pub(in crate::decode) fn earlier(self, bytes: usize) -> Self {
        self.moved(&|offset| offset.saturating_sub(bytes))
    }

    /// The same error of a text in which everything stands elsewhere.
    pub(in crate::decode) fn moved(mut self, place: &dyn Fn(usize) -> usize) -> Self {
        if let Some(spot) = self.spot() {
            spot.offset = spot.offset.map(place);
        }
        self
    }

    /// The same error where its place is not known.
    pub(in crate::decode) fn without_offset(mut self) -> Self {
        if let Some(spot) = self.spot() {
            spot.offset = None;
        }
        self
    }

    /// The same error of a body of which the text began at byte `start`: the path in that text is none in the body.
    pub(in crate::decode) fn within(mut self, start: u64) -> Self {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        if let Self::NotUtf8 { offset, .. } | Self::RecordCutOff { offset, .. } = &mut self {
            *offset = offset.saturating_add(start);
        }
        if let Some(spot) = self.spot() {
            *spot = Spot { offset: spot.offset.map(|offset| offset.saturating_add(start)), path: None };
        }
        self
    }

    fn spot(&mut self) -> Option<&mut Spot> {
        match self {
            Self::Syntax { spot, .. }
            | Self::CutOff { spot, .. }
            | Self::TooDeep { spot, .. }
            | Self::RecordTooLarge { spot, .. }
            | Self::TooManyColumns { spot, .. }
            | Self::ValueTooLong { spot, .. }
            | Self::PagingTwice { spot, .. }
            | Self::NotRecords { spot, .. } => Some(spot),
            _ => None,
        }
    }

    /// Advice for the operator.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotRecords { actual: "null", .. } => {
                "when null means that there are no records, set `endpoint.records: {optional: true}`"
            }
            Self::NotRecords { actual: "string" | "number" | "boolean", .. } => {
                "values become records with `endpoint.records: {wrap: COLUMN}`"
            }
            Self::NotUtf8 { .. } | Self::NotText { .. } => {
                "set `endpoint.response_format: {encoding: NAME}`, or `invalid_utf8: replace` to read it with gaps, or `quarantine` to set such records aside"
            }
            Self::Syntax { instead: Some(Instead::NoNumber), .. } => {
                "`endpoint.response_format: {json: lenient}` reads `NaN`, `Infinity` and `-Infinity` as null"
            }
            Self::Syntax { instead: Some(Instead::Lines), .. } => {
                "if each line is a record, write `endpoint.response_format: ndjson`, without `data_selector`"
            }
            Self::Syntax { instead: Some(Instead::Values), .. } => {
                "if each value is a record, write `endpoint.response_format: concatenated_json`, without `data_selector`"
            }
            Self::Syntax { instead: Some(Instead::Csv), .. } => {
                "if each line is a row, write `endpoint.response_format: csv`, without `data_selector`"
            }
            Self::Syntax { .. } | Self::Empty { .. } => {
                "when the body is no JSON, or has something around it, say what it is in `endpoint.response_format`"
            }
            Self::NotInPieces { .. } => {
                "ask for fewer records a page; plain JSON with its records at one path of names, and NDJSON, are read piece by piece"
            }
            Self::NoRecords { is_declared: false, .. } => {
                "where the records are was found on an earlier page or in an earlier run, and holds: where its list may be missing, write `endpoint.data_selector` with its place and `endpoint.records: {optional: true}`; where the API has changed, run once with `--full-refresh`"
            }
            Self::NoRecord { .. } => {
                "if the object is a record, write `endpoint.data_selector: $`; if its list may be missing, write where it is and `endpoint.records: {optional: true}`; if the API fails like this now and then, `endpoint.response_actions` can try it again"
            }
            Self::MapOfRecords { .. } => {
                "write that path as `endpoint.records: {map_values: PATH, key_as: COLUMN}` in place of `data_selector`; where the object is one record all the same, `endpoint.records: {single: true}`"
            }
            Self::NullBesideFailure { .. } => {
                "when null means that there are no records all the same, set `endpoint.records: {optional: true}`"
            }
            Self::OtherShape { is_declared: true, .. } => {
                "if one object stands for a list of one, write `endpoint.records: {paths: …}` with this path instead of `data_selector`; where the API has changed for good, run once with `--full-refresh`"
            }
            Self::OtherShape { is_declared: false, .. } => {
                "if one object stands for a list of one, write `endpoint.records: {paths: …}` with this path; where the API has changed for good, run once with `--full-refresh`"
            }
            Self::QuoteOpen { .. } => {
                "where quotes are a part of the texts and enclose nothing, write `endpoint.response_format: {type: csv, quote: null}`"
            }
            Self::PagingTwice { .. } => {
                "declare an `endpoint.paginator` that does not look at this member, such as `page_number` or `offset`, or ask whoever keeps the API"
            }
            Self::Spool { .. } => "is the system's temporary folder, or `TMPDIR`, on a disk that works?",
            _ => return None,
        })
    }

    /// What the operator has to do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty { .. }
            | Self::Markup { .. }
            | Self::NotUtf8 { .. }
            | Self::Syntax { .. }
            | Self::CutOff { .. }
            | Self::TooDeep { .. }
            | Self::PathExhausted { .. }
            | Self::NotText { .. }
            | Self::RecordCutOff { .. }
            | Self::QuoteOpen { .. }
            | Self::PagingTwice { .. }
            | Self::Format { .. }
            | Self::PageTooLarge { .. }
            | Self::NotInPieces { .. }
            | Self::RecordTooLarge { .. }
            | Self::TooManyColumns { .. }
            | Self::TooManyValues { .. }
            | Self::ValueTooLong { .. }
            | Self::NoRecords { .. }
            | Self::NoRecord { .. }
            | Self::MapOfRecords { .. }
            | Self::NullBesideFailure { .. }
            | Self::OtherShape { .. }
            | Self::NotRecords { .. }
            | Self::AmbiguousRecords { .. } => ErrorKind::Data,
            Self::Schema { source, .. } => source.kind(),
            Self::Spool { .. } => ErrorKind::Unavailable,
            Self::Batch { .. } => ErrorKind::Internal,
        }
    }
}
