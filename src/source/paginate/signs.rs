//! Signs of paging: what stands around a page's records and by its name tells of other pages.
//!
//! Only names that APIs use for paging count, since a sign chooses the paginator of a resource that declares none, or refuses an end.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::base::{JsonPath, Step};
use crate::config::path_words;
use crate::source::PageFacts;
use crate::source::link;
use crate::source::paginate::Seen;
use crate::source::paginate::candidates::is_echo;
use crate::source::paginate::content_range::ContentRange;
use crate::source::paginate::end_mark::{is_end, may_be_end};
use crate::source::paginate::facts::{truth, whole_number};
use crate::source::paginate::headers::{HeaderSign, header_signs};
use crate::source::paginate::names::{AROUND, LISTS, Role, is_total, may_be_links, may_be_object, reduced, role};
use crate::source::paginate::totals::{beyond_page, beyond_words, is_lower_bound};

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
        if self.path.steps().is_empty() {
            // Chosen from a list of links.
            return Some(Role::Next);
        }
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
        if self.path.steps().is_empty() { path_words(&self.path) } else { names(&self.path).join(".") }
    }

    /// That it tells of more pages, in words, unless its role is one of `but`.
    pub(super) fn of_more(&self, facts: &PageFacts, but: &[Role]) -> Option<String> {
        let role = self.role().filter(|role| !but.contains(role))?;
        let is_loose = matches!(role, Role::IsLast | Role::Remaining | Role::Pages | Role::Partial);
        if is_loose && !stands_around(facts, self) {
            return None;
        }
        says_more(role, &self.value, &format!("`{}`", self.shown()))
    }

    /// Its number, also from text.
    pub(in crate::source) fn number(&self) -> Option<u64> {
        whole_number(&self.value)
    }
}

/// A place in the body, in words.
pub(super) fn place_words(path: &JsonPath) -> String {
    if path.steps().is_empty() { format!("`{}`", path_words(path)) } else { format!("`{}`", names(path).join(".")) }
}

fn names(path: &JsonPath) -> Vec<&str> {
    path.steps().iter().map(|step| if let Step::Key(name) = step { name.as_str() } else { "" }).collect()
}

/// That a member or header `shown` of this role tells of more pages, in words.
pub(super) fn says_more(role: Role, value: &Value, shown: &str) -> Option<String> {
    let number = |least: u64| whole_number(value).filter(|number| *number > least).map(|number| format!("{shown} is {number}"));
    match role {
        Role::HasMore | Role::Partial if flag(role, value) == Some(true) => Some(format!("{shown} is true")),
        Role::IsLast if flag(role, value) == Some(false) => Some(format!("{shown} is false")),
        Role::Pages => number(1),
        Role::Remaining => number(0),
        Role::Next | Role::Cursor if holds_something(value) => Some(format!("{shown} is set")),
        _ => None,
    }
}

/// Whether a flag says that there is no more. `truncated: false` says only that this answer was not cut (Datasette), so that it denies nothing
/// where the page leads on.
pub(super) fn denies_more(page: &Seen<'_>, sign: &Sign) -> bool {
    let tells_of_answer = || matches!(reduced(sign.name()).as_str(), "truncated" | "istruncated");
    let leads = |other: &Sign| matches!(other.role(), Some(Role::Next | Role::Cursor)) && holds_something(&other.value);
    let leads_on = || link::target(page.headers, "next").is_some() || page.facts.signs.iter().any(leads);
    sign.role() == Some(Role::HasMore) && flag(Role::HasMore, &sign.value) == Some(false) && !(tells_of_answer() && leads_on())
}

/// What a flag says. `last: 1` is the number of a page, and `first: 0` that of one.
pub(super) fn flag(role: Role, value: &Value) -> Option<bool> {
    let is_digit = value.as_str().is_some_and(|text| ["0", "1"].contains(&text.trim()));
    match value {
        Value::Number(_) if !matches!(role, Role::HasMore | Role::HasPrevious | Role::Partial) => None,
        Value::String(_) if is_digit && role != Role::HasMore => None,
        value => truth(value),
    }
}

/// Whether members at the top of an answer say that there are no records at all, so that it may leave out their list.
pub(crate) fn tells_of_none(signs: &[Sign]) -> bool {
    let is_total =
        |sign: &&Sign| sign.path.steps().len() == 1 && sign.role() == Some(Role::Total) && reduced(sign.name()) != "count";
    let mut totals = signs.iter().filter(is_total).peekable();
    totals.peek().is_some() && totals.all(|sign| sign.number() == Some(0))
}

/// Whether a member that would tell of the next page says that there is none.
pub(super) fn says_no_next(page: &Seen<'_>) -> bool {
    page.facts.null_next || page.facts.signs.iter().any(|sign| sign.role() == Some(Role::Next) && is_end(&sign.value))
}

/// Whether the page says outright that it is the last one of a resource that begins with it: by a flag, no next page, or one page in all, in
/// its body or its headers, or by links that lead to other pages and to none that is next.
pub(in crate::source) fn says_end(page: &Seen<'_>) -> bool {
    let is_only_page =
        |sign: &Sign| sign.role() == Some(Role::Pages) && sign.number() == Some(1) && stands_around(page.facts, sign);
    let is_none_left =
        |sign: &Sign| sign.role() == Some(Role::Remaining) && sign.number() == Some(0) && stands_around(page.facts, sign);
    says_last(page.facts)
        || says_no_next(page)
        || page.facts.signs.iter().any(is_only_page)
        || page.facts.signs.iter().any(is_none_left)
        || header_signs(page.headers).iter().any(is_end_in_header)
        || ["first", "last"].iter().any(|rel| link::has(page.headers, rel)) && !link::has(page.headers, "next")
}

/// Whether a header says that no page follows the first one.
fn is_end_in_header(sign: &HeaderSign) -> bool {
    match (sign.role, flag(sign.role, &sign.value)) {
        (Role::HasMore, Some(more)) => !more,
        (Role::IsLast, Some(is_last)) => is_last,
        (Role::Pages, _) => whole_number(&sign.value) == Some(1),
        (Role::Next, _) => is_end(&sign.value),
        _ => false,
    }
}

/// Whether a member at the end of `path` may be a [`Sign`].
pub(crate) fn tells_of_paging(path: &[String]) -> bool {
    role(&path.iter().map(String::as_str).collect::<Vec<_>>()).is_some()
}

/// Whether an object at the end of `path` may be a [`Sign`].
pub(crate) fn tells_as_object(path: &[String]) -> bool {
    may_be_object(&path.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Whether a list at the end of `path` may be a [`Sign`].
pub(crate) fn tells_as_list(path: &[String]) -> bool {
    path.last().is_some_and(|last| LISTS.contains(&&*reduced(last)))
}

/// Whether a list at the end of `path` may be one of links.
pub(crate) fn tells_as_links(path: &[String]) -> bool {
    may_be_links(&path.iter().map(String::as_str).collect::<Vec<_>>())
}

impl Sign {
    /// The next page's link among the `links` at the end of `path`: `[{rel: next, href: …}]`, FHIR's `[{relation: next, url: …}]`.
    pub(crate) fn of_links(path: &JsonPath, links: &Value) -> Option<Self> {
        links.as_array()?.iter().find_map(|link| {
            let is_next = |name: &&str| link[*name].as_str().is_some_and(|relation| relation.eq_ignore_ascii_case("next"));
            let relation = ["rel", "relation"].into_iter().find(is_next)?;
            let at = ["href", "url", "uri", "link"].into_iter().find(|name| link[*name].is_string())?;
            let said = link[relation].as_str()?;
            let path = JsonPath::parse(&format!("{path}[?(@.{relation} == '{said}')].{at}")).ok()?;
            Some(Self { path, value: link[at].clone() })
        })
    }
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

/// What the flags of the page say: whether one says that there is no more, and whether one says that there is.
fn flags(facts: &PageFacts) -> impl Iterator<Item = bool> {
    facts.signs.iter().filter_map(|sign| match (sign.role()?, flag(sign.role()?, &sign.value)?) {
        (Role::HasMore, more) => Some(more),
        (Role::IsLast, last) if stands_around(facts, sign) => Some(!last),
        _ => None,
    })
}

/// Whether a flag of the page says that there is no more.
pub(in crate::source) fn says_last(facts: &PageFacts) -> bool {
    flags(facts).any(|more| !more)
}

/// Whether a flag of the page says that there is more.
pub(in crate::source) fn promises_more(facts: &PageFacts) -> bool {
    flags(facts).any(|more| more)
}

/// Whether `sign` stands where paging is told: at the top, beside the records, or in an object whose name means paging.
pub(in crate::source) fn stands_around(facts: &PageFacts, sign: &Sign) -> bool {
    let Some((_, mut parents)) = sign.path.steps().split_last() else { return false };
    if let Some((Step::Key(name), above)) = parents.split_last()
        && is_total(name)
    {
        // `total: {value: 25, currency: EUR}` is money.
        let is_beside = |other: &Sign| other.path.steps().split_last().is_some_and(|(_, others)| others == parents);
        if facts.signs.iter().any(|other| other.role() == Some(Role::Unit) && is_beside(other)) {
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
    let total = || beyond().map(|(sign, total)| beyond_words(page, sign, total));
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

/// The header that tells of more pages, in words.
pub(super) fn more_in_headers(headers: &HeaderMap) -> Option<String> {
    let signs = header_signs(headers);
    let tells = |sign: &&HeaderSign| sign.role != Role::Next || !may_be_end(&sign.value);
    signs.iter().filter(tells).find_map(|sign| says_more(sign.role, &sign.value, &sign.shown))
}

/// What says outright that there are more pages, in words: nothing that may be the page's own cursor, or count something else.
pub(super) fn said_outright(page: &Seen<'_>) -> Option<String> {
    let signs = page.facts.signs.iter().filter(|sign| !is_empty(page, sign) && reduced(sign.name()) != "pages");
    let bound = || beyond_page(page).find(|(sign, _)| is_lower_bound(page.facts, sign));
    signs
        .into_iter()
        .find_map(|sign| sign.of_more(page.facts, &[Role::Cursor]))
        .or_else(|| bound().map(|(sign, total)| beyond_words(page, sign, total)))
}

/// Whether a value is more than `false`, 0 or an empty text.
pub(super) fn holds_something(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.trim().is_empty(),
        Value::Bool(set) => *set,
        Value::Number(_) => whole_number(value) != Some(0),
        Value::Object(members) => members.values().any(holds_something),
        Value::Array(items) => items.iter().any(holds_something),
        Value::Null => false,
    }
}
