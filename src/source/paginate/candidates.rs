//! Which paginators may be meant by a first page that declares none, in the order in which they are tried.
//!
//! The order is dlt's: the `Link` header, a next URL, a number of pages, a next cursor; then what dlt does not know, offsets. Unlike dlt, a
//! cursor is taken only from names that mean one, page numbers begin where the API's do, and two signs of one rank that disagree are
//! refused.

use serde_json::Value;
use url::Url;

use crate::config::{PaginatorPlan, Slot, StopRules, TotalPath};
use crate::source::link;
use crate::source::paginate::Seen;
use crate::source::paginate::signs::{Role, Sign, holds_something, reduced};

/// A paginator that may be meant, and why.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) plan: PaginatorPlan,
    /// What it was taken from, in words.
    pub(super) from: String,
    /// Whether the next candidate is tried where this one repeats a page.
    pub(super) may_fail: bool,
}

impl Candidate {
    /// One that another chain of the resource has proven.
    pub(super) fn adopted(plan: PaginatorPlan) -> Self {
        Self { plan, from: String::new(), may_fail: false }
    }
}

/// What the first page leads to.
pub(super) enum Choice {
    /// To be tried in this order; none: a single page.
    Try(Vec<Candidate>),
    /// Nothing: the API says that there is no more.
    Over,
    /// These are equally likely.
    Ambiguous(Vec<Candidate>),
}

/// The candidates of a first page.
pub(super) fn candidates(page: &Seen<'_>) -> Choice {
    let signs = &page.facts.signs;
    if link::target(page.headers, "next").is_some() {
        let plan = PaginatorPlan::HeaderLink { links_next_key: "next".to_owned(), allow_drift: false };
        return Choice::Try(vec![Candidate { plan, from: "the `Link` header".to_owned(), may_fail: false }]);
    }
    if signs.iter().any(|sign| sign.role() == Some(Role::HasMore) && sign.value == Value::Bool(false)) {
        return Choice::Over;
    }
    let links: Vec<&Sign> = with_role(signs, Role::Next).filter(|sign| is_link(&sign.value)).collect();
    if let Some(first) = links.first() {
        let link = |sign: &Sign| Candidate {
            plan: PaginatorPlan::JsonLink { next_url_path: sign.path.clone(), allow_drift: false },
            from: format!("`{}`", sign.shown()),
            may_fail: false,
        };
        let agree = links.iter().all(|other| target(page, other) == target(page, first));
        return if agree {
            Choice::Try(vec![link(first)])
        } else {
            Choice::Ambiguous(links.iter().map(|sign| link(sign)).collect())
        };
    }
    let mut found = page_numbers(page);
    match cursors(page) {
        Choice::Ambiguous(choices) if found.is_empty() => return Choice::Ambiguous(choices),
        Choice::Ambiguous(_) | Choice::Over => {}
        Choice::Try(more) => found.extend(more),
    }
    found.extend(offsets(page));
    if let Some(last) = found.last_mut() {
        last.may_fail = false;
    }
    Choice::Try(found)
}

fn with_role(signs: &[Sign], role: Role) -> impl Iterator<Item = &Sign> {
    signs.iter().filter(move |sign| sign.role() == Some(role))
}

fn is_link(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.starts_with("http://") || text.starts_with("https://") || text.starts_with(['/', '?']))
}

fn target(page: &Seen<'_>, sign: &Sign) -> Option<Url> {
    page.url.join(sign.value.as_str()?.trim()).ok()
}

/// The boolean that tells whether there is more, for paginators that can end by it.
fn has_more(signs: &[Sign]) -> Option<&Sign> {
    with_role(signs, Role::HasMore).find(|sign| sign.value.is_boolean())
}

/// By a number of pages, or by the page's own number where a boolean promises more.
fn page_numbers(page: &Seen<'_>) -> Vec<Candidate> {
    let signs = &page.facts.signs;
    let more = has_more(signs);
    let total = with_role(signs, Role::Pages).find(|sign| sign.number().is_some());
    let own = with_role(signs, Role::Page).find(|sign| sign.number().is_some());
    let stop = match (total, own, more) {
        (Some(total), ..) if total.number() <= Some(1) => return Vec::new(),
        (Some(total), ..) => StopRules { total: TotalPath::Required(total.path.clone()), ..stop_rules() },
        (None, Some(_), Some(more)) => StopRules { has_more_path: Some(more.path.clone()), ..stop_rules() },
        _ => return Vec::new(),
    };
    let from = total.or(more).map(|sign| format!("`{}`", sign.shown())).unwrap_or_default();
    let asked = page.url.query_pairs().find(|(name, _)| is_page_parameter(name));
    let asked_number = asked.as_ref().and_then(|(_, value)| value.parse::<u64>().ok());
    let told_next = with_role(signs, Role::Next).find_map(|sign| sign.value.as_u64()).and_then(|next| next.checked_sub(1));
    let base = own.and_then(Sign::number).or(told_next).or(asked_number).filter(|number| *number <= 1);
    let mut names = vec![asked.map_or_else(|| "page".to_owned(), |(name, _)| name.into_owned())];
    if let Some(own) = own.map(Sign::name).filter(|name| ["pagenumber", "pageno", "pageindex"].contains(&&*reduced(name))) {
        names.push(own.to_owned());
    }
    let bases = base.map_or_else(|| vec![0, 1], |base| vec![base]);
    let numbered = |name: &String, base: u64| Candidate {
        plan: PaginatorPlan::PageNumber { base_page: base, page: base, page_slot: Slot::Param(name.clone()), stop: stop.clone() },
        from: from.clone(),
        may_fail: true,
    };
    names.iter().flat_map(|name| bases.iter().map(move |&base| numbered(name, base)).collect::<Vec<_>>()).collect()
}

fn is_page_parameter(name: &str) -> bool {
    ["page", "p", "pagenumber", "pageno", "pageindex", "pg"].contains(&&*reduced(name)) || name == "page[number]"
}

/// By a cursor, tried under the parameter names that go with its own.
fn cursors(page: &Seen<'_>) -> Choice {
    let signs = &page.facts.signs;
    let usable = |sign: &&Sign| holds_something(&sign.value) && !sign.value.is_boolean();
    let next: Vec<&Sign> = with_role(signs, Role::Next).filter(usable).collect();
    let own: Vec<&Sign> = with_role(signs, Role::Cursor).filter(usable).collect();
    let chosen = if next.is_empty() { own } else { next };
    let Some(first) = chosen.first() else { return Choice::Try(Vec::new()) };
    let tried = |sign: &Sign| -> Vec<Candidate> {
        let plan = |name: &str| PaginatorPlan::Cursor {
            cursor_path: sign.path.clone(),
            cursor_slot: Slot::Param(name.to_owned()),
            stop_after_empty_page: false,
            has_more_path: has_more(signs).map(|more| more.path.clone()),
        };
        let from = format!("`{}`", sign.shown());
        parameters(sign).iter().map(|name| Candidate { plan: plan(name), from: from.clone(), may_fail: true }).collect()
    };
    if chosen.iter().all(|other| other.value == first.value) {
        Choice::Try(tried(first))
    } else {
        Choice::Ambiguous(chosen.iter().filter_map(|sign| tried(sign).into_iter().next()).collect())
    }
}

/// The parameters that a cursor of this name may go to, the likeliest first.
fn parameters(sign: &Sign) -> Vec<String> {
    let name = sign.name();
    // `next_page_token` goes to `page_token`, `nextPageToken` to `pageToken`.
    let rest = name.strip_prefix("next_").or_else(|| name.strip_prefix("next-")).map(str::to_owned).or_else(|| {
        let mut rest = name.strip_prefix("next").filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))?.chars();
        rest.next().map(|first| first.to_ascii_lowercase().to_string() + rest.as_str())
    });
    let names = match reduced(name).as_str() {
        "next" if sign.value.is_number() => vec!["page".to_owned(), "cursor".to_owned()],
        "next" | "nextcontinuationtoken" => vec!["cursor".to_owned(), name.to_owned()],
        "endcursor" | "after" => vec!["after".to_owned(), "cursor".to_owned()],
        "nexttoken" => vec![name.to_owned(), "token".to_owned(), "pagination_token".to_owned()],
        _ => rest.into_iter().chain([name.to_owned(), "cursor".to_owned()]).collect(),
    };
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

/// By an offset, where the API tells its own, or more records in all than came.
fn offsets(page: &Seen<'_>) -> Vec<Candidate> {
    let signs = &page.facts.signs;
    let records = page.facts.records;
    let own = with_role(signs, Role::Offset).find(|sign| sign.number() == Some(0));
    let limit = with_role(signs, Role::Limit).next();
    let total = with_role(signs, Role::Total).filter(|sign| sign.number() > Some(records)).max_by_key(|sign| sign.number());
    let more = has_more(signs);
    let stop = match (total, own, more) {
        (Some(total), ..) => StopRules { total: TotalPath::Required(total.path.clone()), ..stop_rules() },
        (None, Some(_), Some(more)) => StopRules { has_more_path: Some(more.path.clone()), ..stop_rules() },
        _ => return Vec::new(),
    };
    if records == 0 {
        return Vec::new();
    }
    let named = |sign: Option<&Sign>, default: &str| Slot::Param(sign.map_or(default, Sign::name).to_owned());
    let plan = PaginatorPlan::Offset {
        limit: records,
        offset: 0,
        offset_slot: named(own, "offset"),
        limit_slot: named(limit, "limit"),
        stop,
    };
    let from = total.or(more).map(|sign| format!("`{}`", sign.shown())).unwrap_or_default();
    let mut found = vec![Candidate { plan, from: from.clone(), may_fail: true }];
    if own.is_none() {
        // Nothing speaks of offsets: the pages may be numbered as well.
        found.extend([0, 1].map(|base| {
            let page_slot = Slot::Param("page".to_owned());
            let plan = PaginatorPlan::PageNumber { base_page: base, page: base, page_slot, stop: stop_rules() };
            Candidate { plan, from: from.clone(), may_fail: true }
        }));
    }
    found
}

/// dlt's defaults, without a total.
fn stop_rules() -> StopRules {
    StopRules { total: TotalPath::None, maximum: None, stop_after_empty_page: true, has_more_path: None, allow_drift: false }
}
