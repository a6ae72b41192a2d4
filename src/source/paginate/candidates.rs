//! Which paginators may be meant by a first page that declares none, in the order in which they are tried.
//!
//! The order is dlt's: the `Link` header, a next URL, a number of pages, a next cursor; then what dlt does not know, offsets. Unlike dlt, a
//! cursor is taken only from names that mean one, page numbers begin where the API's do, and two signs of one rank that disagree are
//! refused.

use serde_json::Value;
use url::Url;

use crate::base::{JsonPath, Step};
use crate::config::{PaginatorPlan, Slot, StopRules, TotalPath, Unit, paginator_words};
use crate::source::link;
use crate::source::paginate::Seen;
use crate::source::paginate::facts::whole_number;
use crate::source::paginate::guesses::offsets;
use crate::source::paginate::headers::{HeaderSign, header_signs};
use crate::source::paginate::names::{Role, reduced};
use crate::source::paginate::pairs::{Counts, beside, is_page_parameter, is_size, name_of, places_of, size_beside};
use crate::source::paginate::signs::{Sign, denies_more, flag, holds_something, is_empty, stands_around};

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
            PaginatorPlan::Offset { stop, .. } | PaginatorPlan::PageNumber { stop, .. } => {
                (stop.total, stop.totals) = (TotalPath::None, Vec::new());
            }
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
    // It wins over a link that is there for ever.
    if signs.iter().any(|sign| denies_more(page, sign)) {
        return Choice::Over;
    }
    if link::target(page.headers, "next").is_some() {
        let plan = PaginatorPlan::HeaderLink { links_next_key: "next".to_owned(), stop: following(page) };
        return Choice::Try(vec![Candidate { plan, from: "the `Link` header".to_owned(), may_fail: false, is_probe: false }]);
    }
    let links: Vec<&Sign> = with_role(signs, Role::Next).filter(|sign| is_link(&sign.value)).collect();
    if let Some(first) = links.first() {
        let link = |sign: &Sign| Candidate {
            plan: PaginatorPlan::JsonLink { next_url_path: sign.path.clone(), stop: following(page) },
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

pub(super) fn with_role(signs: &[Sign], role: Role) -> impl Iterator<Item = &Sign> {
    signs.iter().filter(move |sign| sign.role() == Some(role))
}

fn is_link(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.starts_with("http://") || text.starts_with("https://") || text.starts_with(['/', '?']))
}

fn target(page: &Seen<'_>, sign: &Sign) -> Option<Url> {
    page.url.join(sign.value.as_str()?.trim()).ok()
}

/// The flag that says that there is more, and by which the pages can end.
pub(super) fn flag_of_more<'a>(page: &Seen<'a>) -> Option<&'a Sign> {
    let signs = &page.facts.signs;
    let has_more = with_role(signs, Role::HasMore).find(|sign| flag(Role::HasMore, &sign.value) == Some(true));
    let is_end = |sign: &&Sign| flag(Role::IsLast, &sign.value) == Some(false) && stands_around(page.facts, sign);
    has_more.or_else(|| with_role(signs, Role::IsLast).find(is_end))
}

/// `stop`, and the end of the pages by the flag `more`.
pub(super) fn ended_by(more: &Sign, stop: StopRules) -> StopRules {
    match more.role() {
        Some(Role::IsLast) => StopRules { end_path: Some(more.path.clone()), ..stop },
        _ => StopRules { has_more_path: Some(more.path.clone()), ..stop },
    }
}

/// What ends the pages that lead from one to the next, besides there being none.
fn following(page: &Seen<'_>) -> StopRules {
    flag_of_more(page).map_or_else(StopRules::default, |more| ended_by(more, StopRules::default()))
}

/// By a number of pages, or by the page's own number where a boolean promises more; both also in headers.
fn page_numbers(page: &Seen<'_>) -> Vec<Candidate> {
    let signs = &page.facts.signs;
    let more = flag_of_more(page);
    let total = with_role(signs, Role::Pages).find(|sign| sign.number().is_some());
    let own = with_role(signs, Role::Page).find(|sign| sign.number().is_some());
    let of_header = header_signs(page.headers).into_iter().find(tells_of_pages);
    let stop = match (total, own, more, &of_header) {
        (Some(total), ..) if total.number() <= Some(1) => return Vec::new(),
        (Some(total), ..) => StopRules { total: TotalPath::Required(total.path.clone()), ..stop_rules() },
        (None, Some(_), Some(more), _) => ended_by(more, stop_rules()),
        (None, _, None, Some(header)) => header.as_rule(Unit::Pages, stop_rules()),
        _ => return Vec::new(),
    };
    let from = total.or(more).map(|sign| format!("`{}`", sign.shown())).or(of_header.map(|sign| sign.shown)).unwrap_or_default();
    let asked = page.url.query_pairs().find(|(name, _)| is_page_parameter(name));
    let asked_number = asked.as_ref().and_then(|(_, value)| value.parse::<u64>().ok());
    let told_next = with_role(signs, Role::Next).find_map(|sign| sign.value.as_u64()).and_then(|next| next.checked_sub(1));
    let of_header =
        || header_signs(page.headers).iter().find(|sign| sign.role == Role::Page).and_then(|sign| whole_number(&sign.value));
    let base = own.and_then(Sign::number).or_else(of_header).or(told_next).or(asked_number).filter(|number| *number <= 1);
    let bases = base.map_or_else(|| vec![0, 1], |base| vec![base]);
    let counted = |slot: &Slot, base: u64| Candidate {
        plan: PaginatorPlan::PageNumber { base_page: base, page: base, page_slot: slot.clone(), stop: stop.clone() },
        from: from.clone(),
        may_fail: true,
        is_probe: false,
    };
    let slots = match asked {
        Some((name, _)) => vec![Slot::Param(name.into_owned())],
        None => page_slots(page, own),
    };
    slots.iter().flat_map(|slot| bases.iter().map(move |&base| counted(slot, base)).collect::<Vec<_>>()).collect()
}

/// Whether a header tells that there are more pages, and not where.
fn tells_of_pages(sign: &HeaderSign) -> bool {
    match sign.role {
        Role::Pages => whole_number(&sign.value) > Some(1),
        Role::HasMore => flag(Role::HasMore, &sign.value) == Some(true),
        _ => false,
    }
}

/// Where the number of a page may go: what goes with the size that is asked for, `page`, and the name by which the page tells its `own`.
fn page_slots(page: &Seen<'_>, own: Option<&Sign>) -> Vec<Slot> {
    let mut slots: Vec<Slot> = asked_size(page)
        .into_iter()
        .flat_map(|size| places_of(name_of(size)).into_iter().map(move |place| (size, place)))
        .filter(|(_, (counts, _))| *counts == Counts::Pages)
        .map(|(size, (_, name))| beside(size, &name))
        .collect();
    let steps = own.map(|own| own.path.steps()).unwrap_or_default();
    let in_brackets = match steps {
        // Strapi's `meta.pagination.page` is asked for as `pagination[page]`, JSON:API's `meta.page.number` as `page[number]`.
        [.., Step::Key(above), Step::Key(name)] if ["pagination", "page"].contains(&above.as_str()) => {
            Some(format!("{above}[{name}]"))
        }
        _ => None,
    };
    let named = own.map(Sign::name).filter(|name| ["pagenumber", "pageno", "pageindex"].contains(&&*reduced(name)));
    let of_object = header_signs(page.headers).iter().any(|sign| sign.name == "x-pagination").then_some("pageNumber");
    let names = [Some("page"), named, of_object].into_iter().flatten().map(str::to_owned).chain(in_brackets);
    for slot in names.map(Slot::Param) {
        if !slots.contains(&slot) {
            slots.push(slot);
        }
    }
    slots
}

/// Where the request asks for a number of records a page.
pub(super) fn asked_size<'a>(page: &Seen<'a>) -> Option<&'a Slot> {
    page.asked.iter().find(|(slot, number)| *number > 0 && is_size(name_of(slot))).map(|(slot, _)| slot)
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
    let mut chosen = if next.is_empty() { own } else { next };
    // Intercom's `pages.next` has the number of the next page beside its cursor.
    let is_number = |sign: &&Sign| sign.path.steps().len() > 1 && reduced(sign.name()) == "page";
    if chosen.iter().any(|sign| !is_number(sign)) {
        chosen.retain(|sign| !is_number(sign));
    }
    let Some(first) = chosen.first() else { return Choice::Try(Vec::new()) };
    let tried = |sign: &Sign| -> Vec<Candidate> {
        let plan =
            |cursor_slot: Slot| PaginatorPlan::Cursor { cursor_path: sign.path.clone(), cursor_slot, stop: following(page) };
        let from = format!("`{}`", sign.shown());
        let candidate = |slot: Slot| Candidate { plan: plan(slot), from: from.clone(), may_fail: true, is_probe: false };
        let names = parameters(sign, page);
        let relay = (page.has_json && is_relay(sign)).then(|| Slot::Body(vec!["variables".to_owned(), "after".to_owned()]));
        let in_body = names.iter().filter(|_| page.has_json).map(|name| Slot::Body(vec![name.clone()]));
        relay.into_iter().chain(in_body).chain(names.iter().cloned().map(Slot::Param)).map(candidate).collect()
    };
    if chosen.iter().all(|other| other.value == first.value) {
        Choice::Try(tried(first))
    } else {
        Choice::Ambiguous(chosen.iter().filter_map(|sign| tried(sign).into_iter().next()).collect())
    }
}

/// Whether a cursor is that of GraphQL's `pageInfo`.
fn is_relay(sign: &Sign) -> bool {
    matches!(sign.path.steps(), [Step::Key(data), .., Step::Key(info), Step::Key(cursor)]
        if data == "data" && info == "pageInfo" && cursor == "endCursor")
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
        "continue" | "offset" | "lastevaluatedkey" | "startingafter" => vec![name.to_owned()],
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

/// By the `id` of the last record, where a flag says that there is more.
pub(super) fn by_last_record(page: &Seen<'_>) -> Option<PaginatorPlan> {
    let more = flag_of_more(page)?;
    let records_at = page.facts.records_at.as_ref()?;
    Some(PaginatorPlan::Cursor {
        cursor_path: JsonPath::parse(&format!("{records_at}[-1].id")).ok()?,
        cursor_slot: Slot::Param("starting_after".to_owned()),
        stop: ended_by(more, StopRules::default()),
    })
}

/// By an offset, under the names that the request or the page has for it, whatever speaks for that.
pub(super) fn by_offset(page: &Seen<'_>) -> PaginatorPlan {
    let sign = |role: Role| with_role(&page.facts.signs, role).find(|sign| sign.number().is_some()).map(Sign::name);
    let size = asked_size(page).cloned();
    let of_size = size.as_ref().and_then(|size| {
        let places = places_of(name_of(size)).into_iter();
        places.filter(|(counts, _)| *counts == Counts::Records).map(|(_, name)| beside(size, &name)).next()
    });
    let offset_slot = of_size.unwrap_or_else(|| Slot::Param(sign(Role::Offset).unwrap_or("offset").to_owned()));
    let limit_slot = size.unwrap_or_else(|| {
        let name = sign(Role::Limit).unwrap_or_else(|| size_beside(name_of(&offset_slot)));
        Slot::Param(name.to_owned())
    });
    let stop =
        StopRules { total: TotalPath::Optional(JsonPath::from_steps(vec![Step::Key("total".to_owned())])), ..stop_rules() };
    PaginatorPlan::Offset { limit: page.facts.records.max(100), offset: 0, offset_slot, limit_slot, stop }
}

/// Paginators as a config would have them.
pub(super) fn words<'a>(plans: impl Iterator<Item = &'a PaginatorPlan>) -> String {
    plans.map(|plan| format!("`paginator: {}`", paginator_words(plan))).collect::<Vec<_>>().join(" or ")
}

/// dlt's defaults, without a total.
pub(super) fn stop_rules() -> StopRules {
    StopRules { stop_after_empty_page: true, ..StopRules::default() }
}
