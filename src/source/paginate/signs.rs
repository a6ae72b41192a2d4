//! Signs of paging: what stands around a page's records and by its name tells of other pages.
//!
//! Only names that APIs use for paging count, since a sign chooses the paginator of a resource that declares none, or refuses it.

use serde_json::Value;

use crate::base::{JsonPath, Step};
use crate::source::paginate::facts::whole_number;

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
    /// The number of records before this page.
    Offset,
    /// The number of records asked for.
    Limit,
}

/// A member around the records that tells of paging: a scalar, not null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sign {
    /// Where it stands.
    pub(crate) path: JsonPath,
    /// What it says.
    pub(crate) value: Value,
}

impl Sign {
    /// What it tells.
    pub(super) fn role(&self) -> Option<Role> {
        role(&names(&self.path))
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
    fn of_more(&self, but: &[Role]) -> Option<String> {
        let shown = self.shown();
        let role = self.role().filter(|role| !but.contains(role))?;
        match (role, &self.value) {
            (Role::HasMore, Value::Bool(true)) => Some(format!("`{shown}` is true")),
            (Role::IsLast, Value::Bool(false)) => Some(format!("`{shown}` is false")),
            (Role::Pages, _) => self.number().filter(|pages| *pages > 1).map(|pages| format!("`{shown}` is {pages}")),
            (Role::Next | Role::Cursor, value) if holds_something(value) => Some(format!("`{shown}` is set")),
            _ => None,
        }
    }

    /// Its number, also from text.
    pub(super) fn number(&self) -> Option<u64> {
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

/// A name in lower-case letters and digits alone: `@odata.nextLink` and `odata_next_link` are one.
pub(super) fn reduced(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn role(path: &[&str]) -> Option<Role> {
    let (last, parents) = path.split_last()?;
    let name = reduced(last);
    let below_next = || parents.iter().any(|part| reduced(part) == "next");
    let below_cursors =
        || parents.last().is_some_and(|part| ["cursors", "cursor", "paging", "pagination"].contains(&&*reduced(part)));
    Some(match name.as_str() {
        "hasmore" | "hasnext" | "hasnextpage" | "more" | "moreavailable" | "istruncated" | "truncated" => Role::HasMore,
        "islast" | "islastpage" => Role::IsLast,
        "totalpages" | "pagecount" | "lastpage" | "numpages" | "pagestotal" | "pages" | "totalpagecount" => Role::Pages,
        "page" | "currentpage" | "pagenumber" | "pageno" | "pageindex" | "number" => Role::Page,
        "total" | "totalcount" | "totalresults" | "totalrecords" | "totalitems" | "totalhits" | "totalelements" | "totalsize"
        | "totalrows" | "totalentries" | "numfound" | "count" => Role::Total,
        "offset" | "skip" | "startat" | "from" => Role::Offset,
        "limit" | "perpage" | "pagesize" | "maxresults" => Role::Limit,
        "next"
        | "nextpage"
        | "nexturl"
        | "nextlink"
        | "nexthref"
        | "nextpageurl"
        | "nextpagelink"
        | "odatanextlink"
        | "nexturi"
        | "nextcursor"
        | "nexttoken"
        | "nextpagetoken"
        | "nextpagecursor"
        | "nextoffset"
        | "nextstart"
        | "nextstartat"
        | "nextstartindex"
        | "nextindex"
        | "nextposition"
        | "nextpos"
        | "nextskip"
        | "nextfrom"
        | "nextid"
        | "nextrecordid"
        | "nextsince"
        | "nextsinceid"
        | "nextafter"
        | "nextpagenumber"
        | "nextpageno"
        | "nextpageindex"
        | "nextcursormark"
        | "nextrecordsurl"
        | "nextkey"
        | "nextmarker"
        | "nextcontinuationtoken" => Role::Next,
        "cursor" | "endcursor" | "continuation" | "continuationtoken" | "scrollid" | "startingafter" | "bookmark" => Role::Cursor,
        "after" if below_cursors() => Role::Cursor,
        "href" | "url" if below_next() => Role::Next,
        _ => return None,
    })
}

/// The reason to believe in more pages than this one with `records` records, in words; `None`: totals count for nothing.
pub(super) fn more_pages(signs: &[Sign], records: Option<u64>) -> Option<String> {
    let beyond = || records.and_then(|records| total_beyond(signs.iter(), records));
    signs.iter().find_map(|sign| sign.of_more(&[])).or_else(beyond)
}

/// What says outright that there are more pages, in words: nothing that may be the page's own cursor, or count something else.
pub(super) fn said_outright(signs: &[Sign]) -> Option<String> {
    signs.iter().find_map(|sign| sign.of_more(&[Role::Cursor]).filter(|_| reduced(sign.name()) != "pages"))
}

fn total_beyond<'a>(signs: impl Iterator<Item = &'a Sign>, records: u64) -> Option<String> {
    let totals = signs.filter(|sign| sign.role() == Some(Role::Total));
    let (shown, total) = totals.filter_map(|sign| Some((sign.shown(), sign.number()?))).max_by_key(|(_, total)| *total)?;
    (total > records).then(|| format!("`{shown}` is {total} and the page has {records} records"))
}

/// Whether a value is more than `false`, 0 or an empty text.
pub(super) fn holds_something(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.trim().is_empty(),
        Value::Bool(set) => *set,
        Value::Number(_) => whole_number(value) != Some(0),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
