//! Signs of paging: what stands around a page's records and by its name tells of other pages.
//!
//! Only names that APIs use for paging count, since a sign chooses the paginator of a resource that declares none, or refuses it.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::base::{JsonPath, Step};
use crate::source::PageFacts;
use crate::source::paginate::Seen;
use crate::source::paginate::candidates::is_echo;
use crate::source::paginate::content_range::ContentRange;
use crate::source::paginate::end_mark::{is_end, may_be_end};
use crate::source::paginate::facts::whole_number;
use crate::source::paginate::totals::beyond_page;

/// Objects that tell of paging, by their names alone.
const AROUND: [&str; 25] = [
    "meta",
    "metadata",
    "pagination",
    "paging",
    "paginginfo",
    "paginationinfo",
    "page",
    "pageinfo",
    "pager",
    "cursor",
    "cursors",
    "responsemetadata",
    "links",
    "info",
    "resultinfo",
    "resultset",
    "pageable",
    "paginator",
    "searchmetadata",
    "listinfo",
    "listmetadata",
    "pageinformation",
    "pagemetadata",
    "pagingmetadata",
    "paginationmetadata",
];

/// Members that tell how many records there are, in all or in this page.
const TOTAL: [&str; 35] = [
    "total",
    "totalcount",
    "totalresults",
    "totalrecords",
    "totalitems",
    "totalhits",
    "totalelements",
    "totalsize",
    "totalrows",
    "totalentries",
    "numfound",
    "count",
    "odatacount",
    "hydratotalitems",
    "opensearchtotalresults",
    "totaldocs",
    "totalobjects",
    "totalfound",
    "totalavailable",
    "totalnumber",
    "totalnumberofresults",
    "totalitemcount",
    "totalrecordcount",
    "totalresultcount",
    "totalresultscount",
    "itemstotal",
    "recordstotal",
    "resultstotal",
    "itemcount",
    "recordcount",
    "resultcount",
    "resultscount",
    "hitcount",
    "nbhits",
    "numberofresults",
];

/// What a member tells, going by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Role {
    /// A link, a cursor or a number of the next page.
    Next,
    /// A cursor that may also be the page's own.
    Cursor,
    /// True when there is more.
    HasMore,
    /// False when there is more.
    IsLast,
    /// The number of pages.
    Pages,
    /// The number of this page.
    Page,
    /// The number of records, in all or in this page.
    Total,
    /// What such a number is to the true one: `eq`, or `gte` for a lower bound; or whether it is exact.
    Relation,
    /// The number of records before this page.
    Offset,
    /// The number of records asked for.
    Limit,
    /// The number of records behind this page.
    Remaining,
}

/// A member around the records that tells of paging: a scalar that is not null, or an object that stands for what is next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sign {
    /// Where it stands.
    pub(crate) path: JsonPath,
    /// What it says.
    pub(crate) value: Value,
}

impl Sign {
    /// What it tells.
    pub(in crate::source) fn role(&self) -> Option<Role> {
        match (role(&names(&self.path))?, &self.value) {
            // `last_page: false`.
            (Role::Pages, Value::Bool(_)) => Some(Role::IsLast),
            // `offset: "itr/100"`.
            (Role::Offset, Value::String(_)) if reduced(self.name()) == "offset" && self.number().is_none() => Some(Role::Next),
            (role, _) => Some(role),
        }
    }

    /// The name it stands at.
    pub(super) fn name(&self) -> &str {
        match self.path.steps().last() {
            Some(Step::Key(name)) => name,
            _ => "",
        }
    }

    /// The path as a config would have it.
    pub(super) fn shown(&self) -> String {
        names(&self.path).join(".")
    }

    /// That it tells of more pages, in words, unless its role is one of `but`.
    fn of_more(&self, facts: &PageFacts, but: &[Role]) -> Option<String> {
        let shown = self.shown();
        let role = self.role().filter(|role| !but.contains(role))?;
        if matches!(role, Role::IsLast | Role::Remaining) && !stands_around(facts, self) {
            return None;
        }
        match (role, &self.value) {
            (Role::HasMore, Value::Bool(true)) => Some(format!("`{shown}` is true")),
            (Role::IsLast, Value::Bool(false)) => Some(format!("`{shown}` is false")),
            (Role::Pages, _) => self.number().filter(|pages| *pages > 1).map(|pages| format!("`{shown}` is {pages}")),
            (Role::Remaining, _) => self.number().filter(|left| *left > 0).map(|left| format!("`{shown}` is {left}")),
            (Role::Next | Role::Cursor, value) if holds_something(value) => Some(format!("`{shown}` is set")),
            _ => None,
        }
    }

    /// Its number, also from text.
    pub(in crate::source) fn number(&self) -> Option<u64> {
        whole_number(&self.value)
    }
}

fn names(path: &JsonPath) -> Vec<&str> {
    path.steps().iter().map(|step| if let Step::Key(name) = step { name.as_str() } else { "" }).collect()
}

/// Whether a member at the end of `path` may be a [`Sign`].
pub(crate) fn tells_of_paging(path: &[String]) -> bool {
    role(&path.iter().map(String::as_str).collect::<Vec<_>>()).is_some()
}

/// Whether an object at the end of `path` may be a [`Sign`].
pub(crate) fn tells_as_object(path: &[String]) -> bool {
    role(&path.iter().map(String::as_str).collect::<Vec<_>>()) == Some(Role::Next)
}

/// A name in lower-case letters and digits alone: `@odata.nextLink` and `odata_next_link` are one.
pub(super) fn reduced(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Flags that are true while there is more.
const HAS_MORE: [&str; 19] = [
    "hasmore",
    "hasnext",
    "hasnextpage",
    "more",
    "moreavailable",
    "istruncated",
    "truncated",
    "moredataavailable",
    "hasmoredata",
    "hasmoreitems",
    "hasmorerecords",
    "hasmoreresults",
    "hasmorepages",
    "moreresults",
    "morerecords",
    "moredata",
    "morepages",
    "moreitems",
    "exceededtransferlimit",
];

/// What leads to the next page.
const NEXT: [&str; 37] = [
    "next",
    "nextpage",
    "nexturl",
    "nextlink",
    "nexthref",
    "nextpageurl",
    "nextpagelink",
    "odatanextlink",
    "nexturi",
    "nextcursor",
    "nexttoken",
    "nextpagetoken",
    "nextpagecursor",
    "nextoffset",
    "nextstart",
    "nextstartat",
    "nextstartindex",
    "nextindex",
    "nextposition",
    "nextpos",
    "nextskip",
    "nextfrom",
    "nextid",
    "nextrecordid",
    "nextsince",
    "nextsinceid",
    "nextafter",
    "nextpagenumber",
    "nextpageno",
    "nextpageindex",
    "nextcursormark",
    "nextrecordsurl",
    "nextkey",
    "lastevaluatedkey",
    "continue",
    "nextmarker",
    "nextcontinuationtoken",
];

fn role(path: &[&str]) -> Option<Role> {
    let (last, parents) = path.split_last()?;
    let name = reduced(last);
    let below_next = || parents.iter().any(|part| ["next", "nextpage"].contains(&&*reduced(part)));
    let below_cursors =
        || parents.last().is_some_and(|part| ["cursors", "cursor", "paging", "pagination"].contains(&&*reduced(part)));
    Some(match name.as_str() {
        "href" | "url" | "uri" | "link" | "after" | "offset" | "cursor" | "token" | "page" | "start" | "skip" if below_next() => {
            Role::Next
        }
        name if HAS_MORE.contains(&name) => Role::HasMore,
        "islast" | "islastpage" | "last" | "done" | "isdone" | "final" | "isfinal" | "finished" | "isfinished" | "isend"
        | "eof" | "endoflist" | "endofresults" => Role::IsLast,
        "remaining" | "remainingcount" | "remainingitemcount" | "remainingitems" | "remainingrecords" | "remainingresults" => {
            Role::Remaining
        }
        "totalpages" | "pagecount" | "lastpage" | "numpages" | "pagestotal" | "pages" | "totalpagecount" => Role::Pages,
        "page" | "currentpage" | "pagenumber" | "pageno" | "pageindex" | "number" => Role::Page,
        name if TOTAL.contains(&name) => Role::Total,
        "value" if parents.last().is_some_and(|parent| is_total(parent)) => Role::Total,
        "relation" if parents.last().is_some_and(|parent| is_total(parent)) => Role::Relation,
        "numfoundexact" | "exhaustivenbhits" => Role::Relation,
        "offset" | "skip" | "startat" | "from" => Role::Offset,
        "limit" | "perpage" | "pagesize" | "maxresults" => Role::Limit,
        name if NEXT.contains(&name) => Role::Next,
        "cursor" | "endcursor" | "continuation" | "continuationtoken" | "scrollid" | "startingafter" | "bookmark" => Role::Cursor,
        "after" if below_cursors() => Role::Cursor,
        _ => return None,
    })
}

/// Whether a member of this name is a number of records; it may be an object that has the number.
pub(super) fn is_total(name: &str) -> bool {
    TOTAL.contains(&&*reduced(name))
}

/// What a total in an object is to the true one, as the object says.
pub(super) fn relation<'a>(facts: &'a PageFacts, total: &Sign) -> Option<&'a Value> {
    let (_, parents) = total.path.steps().split_last()?;
    let is_beside = |other: &&Sign| other.path.steps().split_last().is_some_and(|(_, others)| others == parents);
    facts.signs.iter().filter(|other| other.role() == Some(Role::Relation)).find(is_beside).map(|other| &other.value)
}

/// Where the page may say what the total at `path` is to the true one: Elasticsearch's `relation`, Solr's and Algolia's flags.
pub(in crate::source) fn relation_path(path: &JsonPath) -> Option<JsonPath> {
    let (last, parents) = path.steps().split_last()?;
    let Step::Key(name) = last else { return None };
    let beside = match &*reduced(name) {
        "numfound" => "numFoundExact",
        "nbhits" => "exhaustiveNbHits",
        "value" => "relation",
        _ if matches!(parents.last(), Some(Step::Key(parent)) if is_total(parent)) => "relation",
        _ => return None,
    };
    Some(JsonPath::from_steps(parents.iter().cloned().chain([Step::Key(beside.to_owned())]).collect()))
}

/// Whether there may be more than a total of this relation says.
pub(in crate::source) fn is_bound(relation: &Value) -> bool {
    match relation {
        Value::Bool(is_exact) => !is_exact,
        Value::String(word) => !["eq", "equal", "equals", "equalto", "exact", ""].contains(&&*reduced(word)),
        _ => false,
    }
}

/// Whether a flag of the page says that there is no more.
pub(in crate::source) fn says_last(facts: &PageFacts) -> bool {
    facts.signs.iter().any(|sign| match (sign.role(), &sign.value) {
        (Some(Role::HasMore), Value::Bool(more)) => !more,
        (Some(Role::IsLast), Value::Bool(last)) => *last && stands_around(facts, sign),
        _ => false,
    })
}

/// Whether a flag of the page says that there is more.
pub(in crate::source) fn promises_more(facts: &PageFacts) -> bool {
    facts.signs.iter().any(|sign| match (sign.role(), &sign.value) {
        (Some(Role::HasMore), Value::Bool(more)) => *more,
        (Some(Role::IsLast), Value::Bool(last)) => !last && stands_around(facts, sign),
        _ => false,
    })
}

/// That a first page without records tells of pages, in words.
pub(in crate::source) fn says_pages(page: &Seen<'_>) -> Option<String> {
    let is_pages = |sign: &&Sign| sign.role() == Some(Role::Pages) && stands_around(page.facts, sign);
    let number = |sign: &Sign| Some((sign.shown(), sign.number().filter(|pages| *pages > 1)?));
    let told = page.facts.signs.iter().filter(is_pages).find_map(number);
    told.filter(|_| page.page == 1 && page.facts.records == 0).map(|(shown, pages)| format!("`{shown}` says {pages}"))
}

/// Whether `sign` stands where paging is told: at the top, beside the records, or in an object whose name means paging.
pub(in crate::source) fn stands_around(facts: &PageFacts, sign: &Sign) -> bool {
    let Some((_, mut parents)) = sign.path.steps().split_last() else { return false };
    if let Some((Step::Key(name), above)) = parents.split_last()
        && is_total(name)
    {
        // `total: {value: 25, relation: eq}`; a value alone may be money.
        if sign.name() == "value" && relation(facts, sign).is_none() {
            return false;
        }
        parents = above;
    }
    let is_beside = || facts.records_at.as_ref().is_some_and(|records| records.steps().starts_with(parents));
    match parents.last() {
        None => true,
        Some(Step::Key(name)) => AROUND.contains(&&*reduced(name)) || is_beside(),
        Some(_) => false,
    }
}

/// The reason to believe in more pages than this one, in words; `is_estimate`: totals count for nothing.
pub(super) fn more_pages(page: &Seen<'_>, is_estimate: bool) -> Option<String> {
    let beyond = || beyond_page(page).max_by_key(|(_, total)| *total).filter(|_| !is_estimate);
    let records = page.facts.records;
    let total = || beyond().map(|(sign, total)| format!("`{}` is {total} and the page has {records} records", sign.shown()));
    page.facts.signs.iter().filter(|sign| !is_empty(page, sign)).find_map(|sign| sign.of_more(page.facts, &[])).or_else(total)
}

/// Whether a sign of what is next is none: it only says what the request asked for, or what says that nothing is next.
pub(super) fn is_empty(page: &Seen<'_>, sign: &Sign) -> bool {
    let is_next = || matches!(sign.role(), Some(Role::Next | Role::Cursor));
    let own_page = || page.facts.signs.iter().find(|sign| sign.role() == Some(Role::Page)).and_then(Sign::number);
    let is_own = || sign.number().is_some_and(|number| Some(number) == own_page());
    is_echo(page, sign) || is_next() && (is_end(&sign.value) || page.is_last && (may_be_end(&sign.value) || is_own()))
}

/// That the page calls itself a part, in words, and no total beside it says of how many.
pub(super) fn part(page: &Seen<'_>) -> Option<String> {
    let is_counted = ContentRange::of(page.headers).is_some_and(|range| !range.is_bytes && range.total.is_some());
    (page.is_part && !is_counted).then(|| "it was answered with 206, by which the API says that it is a part".to_owned())
}

/// The header that tells of more than the first page with its `records` records, in words.
pub(super) fn more_in_headers(headers: &HeaderMap, records: u64) -> Option<String> {
    let number = |text: &str| text.parse::<u64>().ok();
    let tells = |name: &str, text: &str| match name {
        "xnextpage" | "xnextcursor" | "xnexttoken" | "xnextpagetoken" | "xnextoffset" | "xnexturl" => {
            !text.is_empty() && !["0", "-1", "null", "none", "false"].contains(&&*text.to_ascii_lowercase())
        }
        "xtotalpages" | "xpagecount" | "xwptotalpages" | "xpaginationpagecount" => number(text) > Some(1),
        "xhasmore" | "xhasnext" | "xhasnextpage" => text.eq_ignore_ascii_case("true") || text == "1",
        _ => false,
    };
    headers.iter().find_map(|(name, value)| {
        let text = value.to_str().ok()?.trim();
        tells(&reduced(name.as_str()), text).then(|| format!("the header `{name}` tells of more than its {records} records"))
    })
}

/// The header that has the cursor of the next page.
pub(super) fn cursor_header(headers: &HeaderMap) -> Option<String> {
    let is_cursor = |name: &str| ["xnextcursor", "xnexttoken", "xnextpagetoken"].contains(&&*reduced(name));
    headers.keys().map(|name| name.as_str()).find(|name| is_cursor(name)).map(str::to_owned)
}

/// What says outright that there are more pages, in words: nothing that may be the page's own cursor, or count something else.
pub(super) fn said_outright(page: &Seen<'_>) -> Option<String> {
    let signs = page.facts.signs.iter().filter(|sign| !is_empty(page, sign) && reduced(sign.name()) != "pages");
    signs.into_iter().find_map(|sign| sign.of_more(page.facts, &[Role::Cursor]))
}

/// Whether a value is more than `false`, 0 or an empty text.
pub(super) fn holds_something(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.trim().is_empty(),
        Value::Bool(set) => *set,
        Value::Number(_) => whole_number(value) != Some(0),
        Value::Object(members) => members.values().any(holds_something),
        Value::Null | Value::Array(_) => false,
    }
}
