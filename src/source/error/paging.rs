//! Why pages do not make a whole: they repeat, contradict a total or a flag, or do not say how they go on.
//!
//! All of these are about what the API answers, or about how the config says that it pages.

use crate::base::JsonPath;
use crate::source::error::Place;

/// What came a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// The next cursor.
    Cursor,
    /// The next page's link.
    Link,
    /// The records themselves.
    Records,
}

impl Repeated {
    fn words(self) -> &'static str {
        match self {
            Self::Cursor => "gives the cursor",
            Self::Link => "gives the next link",
            Self::Records => "has the records",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Cursor | Self::Link => {
                "going on would never end; look at the paginator, or, if the page is the last one, name in it what tells so: `has_more_path`, `end_path`, `total_records_path` or `total_pages_path`"
            }
            Self::Records => {
                "the API repeats a page, so it may not know the paginator's parameters: check their names, or let `paginator: {type: auto}` detect them; the usual ways are `{type: page_number, base_page: 1}`, `{type: offset, limit: 100}` and a cursor"
            }
        }
    }
}

/// What in the config names the path of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// It is dlt's default.
    Nothing,
    /// The paginator's `total_path`.
    TotalPath,
    /// Another of its keys.
    Rule,
    /// `expect.total`.
    Expect,
}

/// What is wrong with the pages of a resource.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PagingFault {
    /// A cursor, a link or a page's records came again; going on would never end.
    #[error("{place}: {} of page {earlier} again: {}", .what.words(), .what.advice())]
    Repeats {
        /// Where.
        place: Place,
        /// What.
        what: Repeated,
        /// The page that had it first.
        earlier: u64,
    },
    /// Page after page without records.
    #[error("{place}: {in_a_row} pages in a row have no records, and each names a next one; if that is the end, write {write}")]
    EmptyPages {
        /// Where.
        place: Place,
        /// How many.
        in_a_row: u32,
        /// What to write where that is the end.
        write: String,
    },
    /// An answer without records that tells of a failure.
    #[error("{place}: the page has no records, and tells of a failure: its `{name}` says `{said}`")]
    Failed {
        /// Where.
        place: Place,
        /// The member that tells it.
        name: String,
        /// Its text, shortened and redacted.
        said: String,
    },
    /// Records beside a sign of failure: they may not be all.
    #[error("{place}: the page has {records} records, but tells of a failure: its `{name}` says `{said}`; they may not be all")]
    FailedBeside {
        /// Where.
        place: Place,
        /// How many.
        records: u64,
        /// The member that tells it.
        name: String,
        /// Its text, shortened and redacted.
        said: String,
    },
    /// A page of CSV begins with another row than the header that is known.
    #[error(
        "{place}: the page begins with `{found}`, where {of} has the columns `{expected}`: that is no page of this table, or a record"
    )]
    OtherHeader {
        /// Where.
        place: Place,
        /// What it begins with, shortened and redacted.
        found: String,
        /// What has the columns, in words.
        of: String,
        /// Those columns, shortened and redacted.
        expected: String,
        /// Whether it is the table that has them.
        is_of_table: bool,
    },
    /// A value that the paginator was told to read is missing or of another kind.
    #[error("{place}: `{path}` should be {expected}, but is {found} (`{key}`){}", did_you_mean(.near.as_deref()))]
    BadValue {
        /// Where.
        place: Place,
        /// The config's key that names the path.
        key: &'static str,
        /// The configured path.
        path: JsonPath,
        /// What is needed there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
        /// What the path most likely stands for.
        near: Option<String>,
    },
    /// A header that the config names for a total is missing or no number.
    #[error("{place}: the header `{name}` should be a whole number, but is {found} (`{key}`){}", did_you_mean(.near.as_deref()))]
    BadHeader {
        /// Where.
        place: Place,
        /// The config's key that names the header.
        key: &'static str,
        /// Its name.
        name: String,
        /// What is there.
        found: &'static str,
        /// A header that tells a total.
        near: Option<String>,
    },
    /// What was read is not what the API announced.
    #[error(
        "{place}: the resource ended after {read} {unit}, but the API's total is {total}{}{}",
        total_advice(.at.as_deref(), *.by),
        .meant.as_ref().map_or_else(String::new, |meant| format!("; did you mean {meant}?"))
    )]
    TotalContradicted {
        /// Where.
        place: Place,
        /// `records` or `pages`.
        unit: &'static str,
        /// How many were read.
        read: u64,
        /// How many were announced.
        total: u64,
        /// Where the total stands, in words.
        at: Option<String>,
        /// What names that place.
        by: NamedBy,
        /// Another total that is more likely meant, in words.
        meant: Option<String>,
    },
    /// The first page has no records, and says that there are some.
    #[error("{place}: the first page is empty, but {said}{}", first_advice(*.number))]
    FirstPageEmpty {
        /// Where.
        place: Place,
        /// What it says, in words.
        said: String,
        /// Its number, where pages are numbered.
        number: Option<u64>,
    },
    /// The page beside the first one that is read has records that are none of its own.
    #[error("{place}: {}", other_first(*.number, *.other, *.records, *.is_empty))]
    OtherFirst {
        /// The page that was looked at last.
        place: Place,
        /// The number of the first page that is read.
        number: u64,
        /// The number of the one beside it.
        other: u64,
        /// How many that has.
        records: u64,
        /// Whether the first page that is read is empty.
        is_empty: bool,
    },
    /// A page is asked for by its number, and tells of one before it.
    #[error(
        "{place}: page 1 is asked for, but {said}: does the API count from 0? Write its first page into the request, or, if page 1 is where to begin, `expect: {{total: estimate}}`"
    )]
    NotFirst {
        /// Where.
        place: Place,
        /// What tells of it, in words.
        said: String,
    },
    /// Other records than a total that the API tells by itself, fewer or more.
    #[error(
        "{place}: the resource ended after {read} records, but {of} says {total}; {way}; if that counts something else, write {estimate}"
    )]
    TotalMissed {
        /// Where.
        place: Place,
        /// Where the total stands, in words.
        of: String,
        /// How many were read.
        read: u64,
        /// How many were announced.
        total: u64,
        /// What is most likely to be done, in words.
        way: &'static str,
        /// What to write where the total is none, in words.
        estimate: String,
    },
    /// As many records as the API counts, and some of them twice.
    #[error(
        "{place}: {read} records came, and the API counts {total}, but only {distinct} of them are different: the others are exact copies of records of earlier pages, and as many rows may have been left out; sort the API's answer by a column that is unique and never changes, and if the API does give records on several pages, write {estimate}"
    )]
    CopiesCounted {
        /// Where.
        place: Place,
        /// How many were read.
        read: u64,
        /// How many of them are different.
        distinct: u64,
        /// How many the API counts.
        total: u64,
        /// What to write where the total is none, in words.
        estimate: String,
    },
    /// Fewer pages with records than the API tells of.
    #[error("{place}: {}, but {of} says {total}; {way}; if that counts something else, write {estimate}", pages_have(*read))]
    PagesMissed {
        /// Where.
        place: Place,
        /// Where the number stands, in words.
        of: String,
        /// Pages with records.
        read: u64,
        /// How many were announced.
        total: u64,
        /// What is most likely to be done, in words.
        way: String,
        /// What to write where the number is none, in words.
        estimate: String,
    },
    /// The API says that there is more, but not where; or that the end is reached, and that there is more.
    #[error("{place}: `{path}` says there are more records, but {why}")]
    MoreWithoutWay {
        /// Where.
        place: Place,
        /// The configured `has_more_path`.
        path: JsonPath,
        /// What contradicts it.
        why: &'static str,
    },
    /// A page behind the end has records.
    #[error("{place}: the resource ends here, yet page {later} has records: rows would be lost")]
    RecordsPastEnd {
        /// Where it ended.
        place: Place,
        /// The page behind it.
        later: u64,
    },
    /// The answer shows signs of further pages that the paginator does not see.
    #[error("{place}: {how}, but {hint}; write `{write}`")]
    MorePages {
        /// Where.
        place: Place,
        /// What the paginator takes for the end, in words.
        how: String,
        /// The sign.
        hint: String,
        /// The config to write.
        write: String,
    },
    /// Nothing tells whether there are more pages, and the cursor would pass over what they hold.
    #[error("{place}: {why}; the cursor of incremental loading would pass over the records of other pages")]
    InDoubt {
        /// Where.
        place: Place,
        /// What speaks for more, and what to write, in words.
        why: String,
    },
    /// What is read as one record is an object around the list of them.
    #[error(
        "{place}: what is read as one record is an object around the list `{list}` of {records} records, and {why}; write `data_selector: {list}`, or, if it is one record and all there is, `paginator: single_page` and `expect: {{total: estimate}}`"
    )]
    AroundList {
        /// Where.
        place: Place,
        /// The list's path, as a config has it.
        list: String,
        /// Its elements.
        records: u64,
        /// What tells that, in words.
        why: String,
    },
    /// Rows were added or removed while their pages were read, and some may be missing.
    #[error(
        "{place}: rows may have been skipped, since {why} while pages were read; {advice}, or accept it by `allow_drift: true` in the paginator"
    )]
    Drifted {
        /// Where.
        place: Place,
        /// What was seen.
        why: String,
        /// What helps.
        advice: &'static str,
    },
    /// A paginator was detected, and does not hold.
    #[error(
        "{place}: the detected paginator `{detected}` does not hold: {why}; write the API's own way into the config, such as {write}"
    )]
    DetectionFailed {
        /// Where.
        place: Place,
        /// What was detected, as a config would have it.
        detected: String,
        /// What came instead.
        why: String,
        /// The configs to write, as far as they can be guessed.
        write: String,
    },
    /// Several paginators are equally likely.
    #[error("{place}: more than one paginator may be meant; write one of {choices}")]
    AmbiguousPaginator {
        /// Where.
        place: Place,
        /// The configs to choose from.
        choices: String,
    },
    /// `expect.total` is declared, and no page had it.
    #[error("{place}: no page has a number at `{path}`, which `expect.total` names{}", did_you_mean(.near.as_deref()))]
    TotalMissing {
        /// The last page.
        place: Place,
        /// `expect.total`.
        path: JsonPath,
        /// What the path most likely stands for.
        near: Option<String>,
    },
}

impl PagingFault {
    /// What the operator can do, where that is not plain from the message.
    pub(in crate::source) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TotalContradicted { by: NamedBy::TotalPath, unit: "pages", .. } => Some(
                "`total_path` of `page_number` counts pages; where it is the number of records, write it as `total_records_path`; where it is that of something else, leave it out; where pages come and go meanwhile, write `allow_drift: true` in the paginator",
            ),
            Self::TotalContradicted { by: NamedBy::TotalPath, .. } => Some(
                "look at what the request asks for and how the API pages; where rows come and go meanwhile, or the total is an estimate, write `allow_drift: true` in the paginator, and `total_path: null` where it counts something else",
            ),
            Self::TotalContradicted { by: NamedBy::Rule, .. } => Some(
                "look at what the request asks for and how the API pages; where rows come and go meanwhile, or the total is an estimate, write `allow_drift: true` in the paginator; where it counts something else, leave its key out",
            ),
            Self::TotalContradicted { by: NamedBy::Expect, .. } => Some(
                "look at what the request asks for and how the API pages; where the total is an estimate, or counts something else, write `expect: {total: estimate}`, and leave out a `total_path` of the paginator",
            ),
            Self::MoreWithoutWay { .. } => Some(
                "is what the paginator reads the next page or the total from the right place? Where the flag says something else, leave its key out",
            ),
            Self::OtherHeader { is_of_table: true, .. } => Some(
                "where the API has new names for all columns, run once with `--full-refresh`; where its body has no header, write `header: false` or the names in `endpoint.response_format`; where it fails like this now and then, `endpoint.response_actions` can try it again",
            ),
            Self::OtherHeader { is_of_table: false, .. } => Some(
                "where the header comes with the first page only, write `header: first_page` in `endpoint.response_format`; where the API fails like this now and then, `endpoint.response_actions` can try it again",
            ),
            Self::Failed { .. } => Some(
                "where the API fails like this now and then, `endpoint.response_actions` can try it again; where that is an empty page all the same, set `endpoint.records: {optional: true}`",
            ),
            Self::FailedBeside { .. } => Some(
                "where the API fails like this now and then, `endpoint.response_actions` can try it again; where the records are all there are whatever it says, set `endpoint.records: {optional: true}`, and `endpoint.graphql: {partial: allow}` for the errors of GraphQL",
            ),
            _ => None,
        }
    }
}

fn pages_have(read: u64) -> String {
    if read == 1 { "1 page has records".to_owned() } else { format!("{read} pages have records") }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn first_advice(number: Option<u64>) -> &'static str {
    match number {
        Some(0) => ": does the API count from 1? Write `base_page: 1`",
        Some(_) => ": look at what the request asks for, and at the number of the API's first page",
        None => ": look at what the request asks for and how the API pages",
    }
}

fn other_first(number: u64, other: u64, records: u64, is_empty: bool) -> String {
    if is_empty {
        return format!(
            "the first page is empty, but page {other} has {records} records: does the API count from {other}? Write `base_page: {other}`"
        );
    }
    format!(
        "page {number} is read as the first one, but page {other} before it has {records} records; write `base_page: {other}`, or, if they are to be left out, `base_page: {other}, page: {number}`"
    )
}

fn total_advice(at: Option<&str>, by: NamedBy) -> String {
    match at {
        Some(at) if by != NamedBy::Nothing => format!(" ({at})"),
        Some(at) => format!(" ({at}; set `total_path: null` if that is something else)"),
        None => String::new(),
    }
}
