//! Which paginators may be meant by a first page that declares none, in the order in which they are tried.
//!
//! The order is dlt's: the `Link` header, a next URL, a number of pages, a next cursor; then what dlt does not know, offsets. Unlike dlt, a
//! cursor is taken only from names that mean one, page numbers begin where the API's do, and two signs of one rank that disagree are
//! refused.

use serde_json::Value;
use url::Url;

use crate::base::{JsonPath, Step};
use crate::config::{PaginatorPlan, Slot, StopRules, TotalPath, paginator_words};
use crate::source::link;
use crate::source::paginate::Seen;
use crate::source::paginate::names::{Role, reduced};
use crate::source::paginate::signs::{Sign, flag, holds_something, is_empty, promises_more, relation, says_end};
use crate::source::paginate::totals::{beyond_page, is_lower_bound, just_the_page};

/// Sizes at which APIs cap a page: a list of exactly so many records may be the first of several.
pub(in crate::source) const USUAL_SIZES: [u64; 20] =
    [10, 20, 25, 30, 40, 50, 60, 75, 80, 100, 150, 200, 250, 300, 400, 500, 1000, 2000, 5000, 10000];

/// A paginator that may be meant, and why.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) plan: PaginatorPlan,
    /// What it was taken from, in words.
    pub(super) from: String,
    /// Whether the next candidate is tried where this one repeats a page.
    pub(super) may_fail: bool,
    /// Whether nothing in the answer speaks for it: a page that is refused, empty or the first one again shows that there is only one.
    pub(super) is_probe: bool,
}

impl Candidate {
    /// One that another chain of the resource has proven.
    pub(super) fn adopted(plan: PaginatorPlan) -> Self {
        Self { plan, from: String::new(), may_fail: false, is_probe: false }
    }

    /// The same without the total that ends it, where there is one.
    pub(super) fn without_total(&self) -> Option<Self> {
        let mut candidate = self.clone();
        match &mut candidate.plan {
            PaginatorPlan::Offset { stop, .. } | PaginatorPlan::PageNumber { stop, .. } => stop.total = TotalPath::None,
            _ => return None,
        }
        Some(candidate)
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
pub(super) fn candidates(page: &Seen<'_>, is_estimate: bool) -> Choice {
    let signs = &page.facts.signs;
    if link::target(page.headers, "next").is_some() {
        let plan = PaginatorPlan::HeaderLink { links_next_key: "next".to_owned(), allow_drift: false };
        return Choice::Try(vec![Candidate { plan, from: "the `Link` header".to_owned(), may_fail: false, is_probe: false }]);
    }
    if signs.iter().any(|sign| sign.role() == Some(Role::HasMore) && flag(Role::HasMore, &sign.value) == Some(false)) {
        return Choice::Over;
    }
    let links: Vec<&Sign> = with_role(signs, Role::Next).filter(|sign| is_link(&sign.value)).collect();
    if let Some(first) = links.first() {
        let link = |sign: &Sign| Candidate {
            plan: PaginatorPlan::JsonLink { next_url_path: sign.path.clone(), allow_drift: false },
            from: format!("`{}`", sign.shown()),
            may_fail: false,
            is_probe: false,
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
    found.extend(offsets(page, is_estimate));
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
    let counted = |name: &String, base: u64| Candidate {
        plan: PaginatorPlan::PageNumber { base_page: base, page: base, page_slot: Slot::Param(name.clone()), stop: stop.clone() },
        from: from.clone(),
        may_fail: true,
        is_probe: false,
    };
    names.iter().flat_map(|name| bases.iter().map(move |&base| counted(name, base)).collect::<Vec<_>>()).collect()
}

/// Whether a parameter of this name is the number of a page.
pub(in crate::source) fn is_page_parameter(name: &str) -> bool {
    ["page", "p", "pagenumber", "pageno", "pageindex", "pg"].contains(&&*reduced(name)) || name == "page[number]"
}

/// By a cursor, tried under the parameter names that go with its own.
fn cursors(page: &Seen<'_>) -> Choice {
    let signs = &page.facts.signs;
    let usable = |sign: &&Sign| {
        holds_something(&sign.value)
            && !sign.value.is_boolean()
            && !sign.value.is_object()
            && !sign.value.is_array()
            && !is_empty(page, sign)
    };
    let next: Vec<&Sign> = with_role(signs, Role::Next).filter(usable).collect();
    let own: Vec<&Sign> = with_role(signs, Role::Cursor).filter(usable).collect();
    let chosen = if next.is_empty() { own } else { next };
    let Some(first) = chosen.first() else { return Choice::Try(Vec::new()) };
    let tried = |sign: &Sign| -> Vec<Candidate> {
        let plan = |cursor_slot: Slot| PaginatorPlan::Cursor {
            cursor_path: sign.path.clone(),
            cursor_slot,
            stop_after_empty_page: false,
            has_more_path: has_more(signs).map(|more| more.path.clone()),
        };
        let from = format!("`{}`", sign.shown());
        let candidate = |slot: Slot| Candidate { plan: plan(slot), from: from.clone(), may_fail: true, is_probe: false };
        let names = parameters(sign, page);
        let in_body = names.iter().filter(|_| page.has_json).map(|name| Slot::Body(vec![name.clone()]));
        in_body.chain(names.iter().cloned().map(Slot::Param)).map(candidate).collect()
    };
    if chosen.iter().all(|other| other.value == first.value) {
        Choice::Try(tried(first))
    } else {
        Choice::Ambiguous(chosen.iter().filter_map(|sign| tried(sign).into_iter().next()).collect())
    }
}

/// Whether a text only says what the request asked for.
pub(super) fn is_echo(page: &Seen<'_>, sign: &Sign) -> bool {
    page.url.query_pairs().any(|(name, value)| name == sign.name() && sign.value.as_str() == Some(&*value))
}

/// The parameters that a cursor of this name may go to, the likeliest first.
fn parameters(sign: &Sign, page: &Seen<'_>) -> Vec<String> {
    let name = sign.name();
    // `next_page_token` goes to `page_token`, `nextPageToken` to `pageToken`.
    let rest = name.strip_prefix("next_").or_else(|| name.strip_prefix("next-")).map(str::to_owned).or_else(|| {
        let mut rest = name.strip_prefix("next").filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))?.chars();
        rest.next().map(|first| first.to_ascii_lowercase().to_string() + rest.as_str())
    });
    let names = match reduced(name).as_str() {
        "next" if sign.number().is_some_and(|number| is_next_page(page, number)) => vec!["page".to_owned(), "cursor".to_owned()],
        "next" if sign.value.is_number() => ["cursor", "offset", "start", "next"].map(str::to_owned).to_vec(),
        // Not to `id` or `since_id`: these ask for that record, and for those behind it.
        "nextid" => {
            let spelled = |first: &str| if name.contains('_') { format!("{first}_id") } else { format!("{first}Id") };
            vec![name.to_owned(), spelled("start"), spelled("from"), "cursor".to_owned()]
        }
        "next" | "nextcontinuationtoken" => vec!["cursor".to_owned(), name.to_owned()],
        "endcursor" | "after" => vec!["after".to_owned(), "cursor".to_owned()],
        "nexttoken" => vec![name.to_owned(), "token".to_owned(), "pagination_token".to_owned()],
        "continue" | "offset" | "lastevaluatedkey" => vec![name.to_owned()],
        // Notion's.
        "nextcursor" => {
            let start = if name.contains('_') { "start_cursor" } else { "startCursor" };
            rest.into_iter().chain([name.to_owned(), start.to_owned()]).collect()
        }
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

/// Whether `number` can be that of the second page.
fn is_next_page(page: &Seen<'_>, number: u64) -> bool {
    let is_own = |(slot, own): &(Slot, u64)| is_page_parameter(name_of(slot)) && own + 1 == number;
    number <= 2 || page.asked.iter().any(is_own)
}

/// By an offset, where the API tells its own, or more records in all than came.
fn offsets(page: &Seen<'_>, is_estimate: bool) -> Vec<Candidate> {
    let signs = &page.facts.signs;
    let records = page.facts.records;
    let own = with_role(signs, Role::Offset).find(|sign| sign.number() == Some(0));
    let limit = with_role(signs, Role::Limit).next();
    let total = beyond_page(page).max_by_key(|(_, total)| *total).map(|(sign, _)| sign);
    let more = has_more(signs);
    let stop = match (total, own, more) {
        (Some(total), ..) if is_estimate || is_lower_bound(page.facts, total) => stop_rules(),
        (Some(total), ..) => StopRules { total: TotalPath::Required(total.path.clone()), ..stop_rules() },
        (None, Some(_), Some(more)) => StopRules { has_more_path: Some(more.path.clone()), ..stop_rules() },
        // Jira's `startAt: 0` beside `isLast: false`.
        (None, Some(_), None) if promises_more(page.facts) => stop_rules(),
        _ => return Vec::new(),
    };
    if records == 0 {
        return Vec::new();
    }
    let is_probe = total.is_some() && is_estimate;
    let named = |sign: Option<&Sign>, default: &str| Slot::Param(sign.map_or(default, Sign::name).to_owned());
    let plan = |offset_slot, limit_slot| PaginatorPlan::Offset {
        limit: records,
        offset: 0,
        offset_slot,
        limit_slot,
        stop: stop.clone(),
    };
    let from = total.or(more).or(own).map(|sign| format!("`{}`", sign.shown())).unwrap_or_default();
    let candidate = |plan| Candidate { plan, from: from.clone(), may_fail: true, is_probe };
    let mut found = vec![candidate(plan(named(own, "offset"), named(limit, "limit")))];
    if own.is_none() && total.is_some_and(|total| relation(page.facts, total).is_some_and(Value::is_string)) {
        // `total: {value: 25, relation: eq}` is Elasticsearch's, and so are the names that go with it.
        let size = page.asked.iter().find(|(slot, _)| name_of(slot) == "size").map(|(slot, _)| slot.clone());
        let size = size.unwrap_or_else(|| Slot::Param("size".to_owned()));
        found.insert(0, candidate(plan(beside(&size, "from"), size)));
    }
    if own.is_none() {
        // Nothing speaks of offsets: the pages may be numbered as well.
        let page_slot = Slot::Param("page".to_owned());
        found.extend([0, 1].map(|base| Candidate { is_probe, ..numbered(base, base, page_slot.clone(), from.clone()) }));
    }
    found
}

/// By the `id` of the last record, where a flag says that there is more.
pub(super) fn by_last_record(page: &Seen<'_>) -> Option<PaginatorPlan> {
    let more = has_more(&page.facts.signs)?;
    let records_at = page.facts.records_at.as_ref()?;
    Some(PaginatorPlan::Cursor {
        cursor_path: JsonPath::parse(&format!("{records_at}[-1].id")).ok()?,
        cursor_slot: Slot::Param("starting_after".to_owned()),
        stop_after_empty_page: false,
        has_more_path: Some(more.path.clone()),
    })
}

/// By an offset, under the names that the page has for it, whatever speaks for that.
pub(super) fn by_offset(page: &Seen<'_>) -> PaginatorPlan {
    let named = |role: Role, default: &str| {
        let sign = with_role(&page.facts.signs, role).find(|sign| sign.number().is_some());
        Slot::Param(sign.map_or(default, Sign::name).to_owned())
    };
    let (offset_slot, limit_slot) = (named(Role::Offset, "offset"), named(Role::Limit, "limit"));
    let stop =
        StopRules { total: TotalPath::Optional(JsonPath::from_steps(vec![Step::Key("total".to_owned())])), ..stop_rules() };
    PaginatorPlan::Offset { limit: page.facts.records.max(100), offset: 0, offset_slot, limit_slot, stop }
}

/// Pages by their number `first`, counted from `base`, up to one without records.
fn numbered(base: u64, first: u64, page_slot: Slot, from: String) -> Candidate {
    let plan = PaginatorPlan::PageNumber { base_page: base, page: first, page_slot, stop: stop_rules() };
    Candidate { plan, from, may_fail: true, is_probe: true }
}

/// What is asked for where nothing tells where more is, but the page has just as many records as the request asked for, or fewer than that and as
/// many as APIs allow: the place that the request itself names, or those that go with the name of its size.
fn probes(page: &Seen<'_>) -> Vec<Candidate> {
    let records = page.facts.records;
    let is_full = |number: u64| number == records || number > records && USUAL_SIZES.contains(&records);
    let mut sizes = page.asked.iter().filter(|(slot, _)| is_size(name_of(slot)));
    let Some((size, _)) = sizes.find(|(_, number)| records > 0 && is_full(*number)) else { return Vec::new() };
    let from = format!("`{}` in the request", name_of(size));
    let stop = StopRules { has_more_path: has_more(&page.facts.signs).map(|more| more.path.clone()), ..stop_rules() };
    let own = |is_it: fn(&str) -> bool| page.asked.iter().find(|(slot, _)| is_it(name_of(slot)));
    let offset = |offset_slot: Slot, offset: u64| {
        let plan = PaginatorPlan::Offset { limit: records, offset, offset_slot, limit_slot: size.clone(), stop: stop.clone() };
        Candidate { plan, from: from.clone(), may_fail: true, is_probe: true }
    };
    let numbered = |base: u64, first: u64, page_slot: Slot| {
        let plan = PaginatorPlan::PageNumber { base_page: base, page: first, page_slot, stop: stop.clone() };
        Candidate { plan, from: from.clone(), may_fail: true, is_probe: true }
    };
    if let Some((slot, number)) = own(is_page_parameter) {
        return vec![numbered((*number).min(1), *number, slot.clone())];
    }
    if let Some((slot, number)) = own(is_offset_parameter) {
        return vec![offset(slot.clone(), *number)];
    }
    let (page_name, offset_name) = places_of(name_of(size));
    let numbers = [0, 1].map(|base| numbered(base, base, beside(size, page_name)));
    let offset = offset_name.map(|name| offset(beside(size, name), 0));
    offset.into_iter().chain(numbers).collect()
}

/// What is asked for where no sign leads on: what the size of a full page speaks for, or, behind a total of just that page, offsets and page
/// numbers under their usual names.
pub(super) fn guesses(page: &Seen<'_>, is_estimate: bool) -> Vec<Candidate> {
    if says_end(page) {
        return Vec::new();
    }
    let found = probes(page);
    match just_the_page(page).filter(|_| found.is_empty() && !is_estimate) {
        Some(total) => behind_total(page, &total),
        None => found,
    }
}

fn behind_total(page: &Seen<'_>, total: &str) -> Vec<Candidate> {
    let from = format!("a page behind the one that {total} counts");
    let size = page.asked.iter().find(|(slot, _)| is_size(name_of(slot))).map(|(slot, _)| slot.clone());
    let limit_slot = size.unwrap_or_else(|| Slot::Param("limit".to_owned()));
    let plan = PaginatorPlan::Offset {
        limit: page.facts.records,
        offset: 0,
        offset_slot: Slot::Param("offset".to_owned()),
        limit_slot,
        stop: stop_rules(),
    };
    let by_offset = Candidate { plan, from: from.clone(), may_fail: true, is_probe: true };
    let numbers = [0, 1].map(|base| numbered(base, base, Slot::Param("page".to_owned()), from.clone()));
    [by_offset].into_iter().chain(numbers).collect()
}

/// The name of a parameter, or of a member of the body.
pub(in crate::source) fn name_of(slot: &Slot) -> &str {
    match slot {
        Slot::Param(name) => name,
        Slot::Body(path) => path.last().map_or("", String::as_str),
    }
}

/// The place called `name` beside `slot`.
fn beside(slot: &Slot, name: &str) -> Slot {
    match slot {
        Slot::Param(_) => Slot::Param(name.to_owned()),
        Slot::Body(path) => {
            let mut path = path.clone();
            path.pop();
            path.push(name.to_owned());
            Slot::Body(path)
        }
    }
}

/// Whether a parameter or member of this name asks for a number of records a page.
pub(in crate::source) fn is_size(name: &str) -> bool {
    let sizes =
        ["perpage", "pagesize", "limit", "size", "maxresults", "top", "rows", "take", "results", "pagelimit", "itemsperpage"];
    sizes.contains(&&*reduced(name))
}

pub(super) fn is_offset_parameter(name: &str) -> bool {
    ["offset", "skip", "start", "startat", "startindex", "from", "pageoffset"].contains(&&*reduced(name))
}

/// The names of a page number, and of an offset if there may be one, that go with the name of a page's size.
fn places_of(size: &str) -> (&'static str, Option<&'static str>) {
    match size {
        "page[size]" => return ("page[number]", None),
        "page[limit]" => return ("page[number]", Some("page[offset]")),
        "$top" => return ("page", Some("$skip")),
        "_limit" => return ("_page", Some("_start")),
        _ => {}
    }
    match reduced(size).as_str() {
        "perpage" | "pagesize" | "size" | "itemsperpage" | "results" | "pagelimit" => ("page", None),
        "take" => ("page", Some("skip")),
        "rows" => ("page", Some("start")),
        "maxresults" => ("page", Some("startAt")),
        _ => ("page", Some("offset")),
    }
}

/// Paginators as a config would have them.
pub(super) fn words<'a>(plans: impl Iterator<Item = &'a PaginatorPlan>) -> String {
    plans.map(|plan| format!("`paginator: {}`", paginator_words(plan))).collect::<Vec<_>>().join(" or ")
}

/// dlt's defaults, without a total.
fn stop_rules() -> StopRules {
    StopRules { total: TotalPath::None, maximum: None, stop_after_empty_page: true, has_more_path: None, allow_drift: false }
}
