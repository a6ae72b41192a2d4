//! Paginators: dlt's defaults, and the rules that tie their keys together.

use crate::base::{JsonPath, Step};
use crate::config::raw::{
    CursorPaginator, Ends, Field, OffsetPaginator, PageNumberPaginator, Paginator, RelayPaginator, Scalar, Tagged, TotalKeys,
};
use crate::config::resolve::Context;
use crate::config::tree::NodeId;
use crate::config::{PaginatorPlan, Slot, StopRules, TotalAt, TotalPath, TotalRule, Unit};

/// The first declared paginator of `fields`, in which `auto` passes on to the next; `None` when a fault leaves it open.
pub(crate) fn resolve(
    cx: Context<'_>,
    endpoint: &Field<Tagged<Paginator>>,
    client: &Field<Tagged<Paginator>>,
) -> Option<PaginatorPlan> {
    for field in [endpoint, client] {
        match field {
            Field::Invalid => return None,
            Field::Absent | Field::Null(_) | Field::Set(_, Tagged(Paginator::Auto(_))) => {}
            Field::Set(id, Tagged(paginator)) => return declared(cx, *id, paginator),
        }
    }
    Some(PaginatorPlan::Undeclared)
}

/// Whether a paginator is named, and not left to be detected.
pub(crate) fn is_declared(field: &Field<Tagged<Paginator>>) -> bool {
    matches!(field, Field::Set(_, Tagged(paginator)) if !matches!(paginator, Paginator::Auto(_)))
}

/// Takes the total of records out of the rules that end a paginator, since `expect.total: estimate` says that it is none.
pub(crate) fn without_total(cx: Context<'_>, id: NodeId, paginator: &mut PaginatorPlan) {
    let counts_records = matches!(paginator, PaginatorPlan::Offset { .. });
    let Some(stop) = paginator.stop_mut() else { return };
    let of_records = stop.totals.iter().find(|total| total.unit == Unit::Records).map(TotalRule::key);
    let key = of_records.or_else(|| (counts_records && matches!(stop.total, TotalPath::Required(_))).then_some("total_path"));
    if let Some(key) = key {
        let why = format!(
            "the paginator's `{key}` ends the pages at a total of records, and `estimate` says that it is none; keep one of them"
        );
        cx.reader.conflict(id, why);
    } else if let TotalPath::Optional(_) = stop.total {
        stop.total = TotalPath::None;
    }
}

fn declared(cx: Context<'_>, id: NodeId, paginator: &Paginator) -> Option<PaginatorPlan> {
    Some(match paginator {
        Paginator::Auto(_) => PaginatorPlan::Undeclared,
        Paginator::SinglePage(_) => PaginatorPlan::SinglePage,
        Paginator::Offset(paginator) => offset(cx, id, paginator)?,
        Paginator::PageNumber(paginator) => page_number(cx, id, paginator)?,
        Paginator::Cursor(paginator) => cursor(cx, paginator)?,
        Paginator::JsonLink(paginator) => PaginatorPlan::JsonLink {
            next_url_path: path(&paginator.next_url_path).unwrap_or_else(|| keys(&["next"])),
            stop: following(cx, &paginator.ends()),
        },
        Paginator::HeaderLink(paginator) => PaginatorPlan::HeaderLink {
            links_next_key: cx.filled(&paginator.links_next_key, "next"),
            stop: following(cx, &paginator.ends()),
        },
        Paginator::HeaderCursor(paginator) => PaginatorPlan::HeaderCursor {
            cursor_key: cx.filled(&paginator.cursor_key, "next"),
            cursor_param: cx.filled(&paginator.cursor_param, "cursor"),
            stop: following(cx, &paginator.ends()),
        },
        Paginator::Relay(paginator) => relay(cx, id, paginator)?,
    })
}

fn offset(cx: Context<'_>, id: NodeId, raw: &OffsetPaginator) -> Option<PaginatorPlan> {
    let limit = cx.required(&raw.limit, id, "limit", "the number of records to ask for a page");
    let limit = limit.map(|_| cx.within(&raw.limit, 1..=u64::MAX, 1));
    let offset_slot = slot(cx, &raw.offset_param, &raw.offset_body_path, "offset");
    let limit_slot = slot(cx, &raw.limit_param, &raw.limit_body_path, "limit");
    let maximum = ("maximum_offset", &raw.maximum_offset);
    let stop = Rules { own: Unit::Records, total_path: &raw.total_path, maximum, ends: raw.ends() }.resolve(cx, id);
    let (offset_slot, limit_slot) = (offset_slot?, limit_slot?);
    if offset_slot == limit_slot {
        cx.reader.conflict(id, "the offset and the limit cannot go to the same place");
    }
    let offset = raw.offset.get().copied().unwrap_or(0);
    if let (Some((at, _)), 2..) = (raw.offset.set(), offset) {
        refuse_total_behind(cx, at, "offset", stop.as_ref(), Unit::Pages);
    }
    Some(PaginatorPlan::Offset { limit: limit?, offset, offset_slot, limit_slot, stop: stop? })
}

fn page_number(cx: Context<'_>, id: NodeId, raw: &PageNumberPaginator) -> Option<PaginatorPlan> {
    let base_page = raw.base_page.get().copied().unwrap_or(0);
    let page = raw.page.get().copied().unwrap_or(base_page);
    if let (true, Some(id)) = (page < base_page, raw.page.place()) {
        cx.reader.wrong(id, format!("a page number from `base_page`, {base_page}"));
    }
    let page_slot = slot(cx, &raw.page_param, &raw.page_body_path, "page");
    let maximum = ("maximum_page", &raw.maximum_page);
    let stop = Rules { own: Unit::Pages, total_path: &raw.total_path, maximum, ends: raw.ends() }.resolve(cx, id);
    if let Some((at, _)) = raw.page.set().filter(|_| page > base_page) {
        refuse_total_behind(cx, at, "page", stop.as_ref(), Unit::Records);
    }
    Some(PaginatorPlan::PageNumber { base_page, page, page_slot: page_slot?, stop: stop? })
}

fn cursor(cx: Context<'_>, raw: &CursorPaginator) -> Option<PaginatorPlan> {
    let cursor_slot = slot(cx, &raw.cursor_param, &raw.cursor_body_path, "cursor");
    Some(PaginatorPlan::Cursor {
        cursor_path: path(&raw.cursor_path).unwrap_or_else(|| keys(&["cursors", "next"])),
        cursor_slot: cursor_slot?,
        stop: following(cx, &raw.ends()),
    })
}

/// Relay's connections: a cursor that is only followed while there is a next page.
fn relay(cx: Context<'_>, id: NodeId, raw: &RelayPaginator) -> Option<PaginatorPlan> {
    let info = cx.required(&raw.path, id, "path", "the JSON path of `pageInfo`, such as `data.orders.pageInfo`");
    let variable = if raw.cursor_variable.is_unset() {
        Some(Slot::Body(vec!["variables".to_owned(), "after".to_owned()]))
    } else {
        slot(cx, &Field::Absent, &raw.cursor_variable, "cursor")
    };
    let below = |name: &str| {
        let steps = info.map(|(_, Scalar(path))| path.steps().to_vec()).unwrap_or_default();
        JsonPath::from_steps(steps.into_iter().chain([Step::Key(name.to_owned())]).collect())
    };
    let mut stop = following(cx, &raw.ends());
    stop.has_more_path.get_or_insert_with(|| below("hasNextPage"));
    info.map(|_| ())?;
    Some(PaginatorPlan::Cursor { cursor_path: below("endCursor"), cursor_slot: variable?, stop })
}

/// What ends the pages of a paginator that follows what each page names.
fn following(cx: Context<'_>, ends: &Ends<'_>) -> StopRules {
    StopRules {
        total: TotalPath::None,
        totals: ends.totals.iter().filter_map(|keys| total(cx, keys)).collect(),
        maximum: None,
        stop_after_empty_page: ends.stop_after_empty_page.get().copied().unwrap_or(false),
        has_more_path: path(ends.has_more_path),
        end_path: path(ends.end_path),
        allow_drift: ends.allow_drift.get().copied().unwrap_or(false),
    }
}

/// A total in the body or in a header, never both.
fn total(cx: Context<'_>, keys: &TotalKeys<'_>) -> Option<TotalRule> {
    let TotalKeys { unit, path, header } = *keys;
    let name = header.set().filter(|(id, name)| {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_name {
            cx.reader.wrong(*id, "the name of a header, such as `X-Total-Count`");
        }
        is_name
    });
    let at = match (path.get(), name) {
        (Some(_), Some((id, _))) => {
            let of = unit.words();
            cx.reader.conflict(id, format!("`total_{of}_path` and `total_{of}_header` exclude each other; keep one"));
            return None;
        }
        (Some(Scalar(path)), None) => TotalAt::Body(path.clone()),
        (None, Some((_, name))) => TotalAt::Header(name.to_ascii_lowercase()),
        (None, None) => return None,
    };
    Some(TotalRule { unit, at })
}

/// Refuses a total that counts what the first request passes over, and nobody knows how much of it.
fn refuse_total_behind(cx: Context<'_>, at: NodeId, begins: &str, stop: Option<&StopRules>, unit: Unit) {
    if let Some(total) = stop.and_then(|stop| stop.totals.iter().find(|total| total.unit == unit)) {
        let (key, of) = (total.key(), unit.words());
        let why =
            format!("`{key}` counts the {of} before this `{begins}`, too, and nobody knows how many these are; keep one of them");
        cx.reader.conflict(at, why);
    }
}

/// What ends the pages of `offset` and `page_number`, as written.
struct Rules<'r> {
    /// What `total_path` counts.
    own: Unit,
    total_path: &'r Field<Scalar<JsonPath>>,
    maximum: (&'static str, &'r Field<u64>),
    ends: Ends<'r>,
}

impl Rules<'_> {
    /// dlt's rule: at least one of them must be able to end the resource. When only dlt's default `total` is left, a page
    /// without it is an error, as it is in dlt. A total of what the paginator counts may stand under either of its names.
    fn resolve(&self, cx: Context<'_>, id: NodeId) -> Option<StopRules> {
        let (maximum_key, maximum) = self.maximum;
        let mut stop = following(cx, &self.ends);
        stop.stop_after_empty_page = self.ends.stop_after_empty_page.get().copied().unwrap_or(true);
        stop.maximum = maximum.get().copied();
        let others = stop.stop_after_empty_page || stop.has_flag() || stop.maximum.is_some() || !stop.totals.is_empty();
        let is_own = |total: &TotalRule| total.unit == self.own;
        if let (Some((at, _)), Some(other)) = (self.total_path.set(), stop.totals.iter().find(|total| is_own(total))) {
            let (key, of) = (other.key(), self.own.words());
            cx.reader.conflict(at, format!("`total_path` and `{key}` are both the total of {of}; keep one"));
        }
        stop.total = match self.total_path {
            Field::Set(_, Scalar(path)) => TotalPath::Required(path.clone()),
            Field::Absent if !stop.totals.is_empty() => TotalPath::None,
            Field::Absent if others => TotalPath::Optional(keys(&["total"])),
            Field::Absent => TotalPath::Required(keys(&["total"])),
            Field::Null(_) if others => TotalPath::None,
            Field::Null(_) => {
                let of = self.own.words();
                let why = format!(
                    "nothing ends this paginator; set one of `total_path`, `total_{of}_header`, `{maximum_key}`, `has_more_path` and `end_path`, or `stop_after_empty_page: true`"
                );
                cx.reader.conflict(id, why);
                return None;
            }
            Field::Invalid => return None,
        };
        // The same as `total_path`.
        let in_body = stop.totals.iter().position(|total| is_own(total) && matches!(total.at, TotalAt::Body(_)));
        if let Some(TotalAt::Body(path)) = in_body.map(|index| stop.totals.remove(index).at) {
            stop.total = TotalPath::Required(path);
        }
        Some(stop)
    }
}

/// Where a page position goes: `*_param` or `*_body_path`, never both.
fn slot(cx: Context<'_>, param: &Field<String>, body_path: &Field<String>, default: &str) -> Option<Slot> {
    match (param.set(), body_path.set()) {
        (Some((id, _)), Some(_)) => {
            let why = format!("`{default}_param` and `{default}_body_path` exclude each other; keep one");
            cx.reader.conflict(id, why);
            None
        }
        (None, Some((id, path))) => {
            let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
            if steps.iter().any(String::is_empty) {
                cx.reader.wrong(id, "a dotted path into the JSON body, such as `paging.offset`");
                return None;
            }
            Some(Slot::Body(steps))
        }
        _ => Some(Slot::Param(cx.filled(param, default))),
    }
}

fn path(field: &Field<Scalar<JsonPath>>) -> Option<JsonPath> {
    field.get().map(|Scalar(path)| path.clone())
}

fn keys(names: &[&str]) -> JsonPath {
    JsonPath::from_steps(names.iter().map(|&name| Step::Key(name.to_owned())).collect())
}
