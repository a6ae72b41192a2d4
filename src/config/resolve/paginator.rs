//! Paginators: dlt's defaults, and the rules that tie their keys together.

use crate::base::{JsonPath, Step};
use crate::config::raw::{
    CursorPaginator, Field, HeaderCursorPaginator, HeaderLinkPaginator, JsonLinkPaginator, OffsetPaginator, PageNumberPaginator,
    Paginator, RelayPaginator, Scalar, Tagged,
};
use crate::config::resolve::Context;
use crate::config::tree::NodeId;
use crate::config::{PaginatorPlan, Slot, StopRules, TotalPath};

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
    match paginator {
        PaginatorPlan::Offset { stop: StopRules { total: TotalPath::Required(_), .. }, .. } => {
            let why = "the paginator's `total_path` ends the pages at a total of records, and `estimate` says that it is none; keep one of them";
            cx.reader.conflict(id, why);
        }
        PaginatorPlan::Offset { stop, .. } | PaginatorPlan::PageNumber { stop, .. } => {
            if let TotalPath::Optional(_) = stop.total {
                stop.total = TotalPath::None;
            }
        }
        _ => {}
    }
}

fn declared(cx: Context<'_>, id: NodeId, paginator: &Paginator) -> Option<PaginatorPlan> {
    Some(match paginator {
        Paginator::Auto(_) => PaginatorPlan::Undeclared,
        Paginator::SinglePage(_) => PaginatorPlan::SinglePage,
        Paginator::Offset(paginator) => offset(cx, id, paginator)?,
        Paginator::PageNumber(paginator) => page_number(cx, id, paginator)?,
        Paginator::Cursor(paginator) => cursor(cx, paginator)?,
        Paginator::JsonLink(JsonLinkPaginator { next_url_path, allow_drift }) => PaginatorPlan::JsonLink {
            next_url_path: path(next_url_path).unwrap_or_else(|| keys(&["next"])),
            allow_drift: allow_drift.get().copied().unwrap_or(false),
        },
        Paginator::HeaderLink(HeaderLinkPaginator { links_next_key, allow_drift }) => PaginatorPlan::HeaderLink {
            links_next_key: cx.filled(links_next_key, "next"),
            allow_drift: allow_drift.get().copied().unwrap_or(false),
        },
        Paginator::HeaderCursor(HeaderCursorPaginator { cursor_key, cursor_param }) => PaginatorPlan::HeaderCursor {
            cursor_key: cx.filled(cursor_key, "next"),
            cursor_param: cx.filled(cursor_param, "cursor"),
        },
        Paginator::Relay(paginator) => relay(cx, id, paginator)?,
    })
}

fn offset(cx: Context<'_>, id: NodeId, raw: &OffsetPaginator) -> Option<PaginatorPlan> {
    let limit = cx.required(&raw.limit, id, "limit", "the number of records to ask for a page");
    let limit = limit.map(|_| cx.within(&raw.limit, 1..=u64::MAX, 1));
    let offset_slot = slot(cx, &raw.offset_param, &raw.offset_body_path, "offset");
    let limit_slot = slot(cx, &raw.limit_param, &raw.limit_body_path, "limit");
    let rules = Rules {
        total_path: &raw.total_path,
        maximum: ("maximum_offset", &raw.maximum_offset),
        stop_after_empty_page: &raw.stop_after_empty_page,
        has_more_path: &raw.has_more_path,
        allow_drift: &raw.allow_drift,
    };
    let stop = rules.resolve(cx, id);
    let (offset_slot, limit_slot) = (offset_slot?, limit_slot?);
    if offset_slot == limit_slot {
        cx.reader.conflict(id, "the offset and the limit cannot go to the same place");
    }
    let offset = raw.offset.get().copied().unwrap_or(0);
    Some(PaginatorPlan::Offset { limit: limit?, offset, offset_slot, limit_slot, stop: stop? })
}

fn page_number(cx: Context<'_>, id: NodeId, raw: &PageNumberPaginator) -> Option<PaginatorPlan> {
    let base_page = raw.base_page.get().copied().unwrap_or(0);
    let page = raw.page.get().copied().unwrap_or(base_page);
    if let (true, Some(id)) = (page < base_page, raw.page.place()) {
        cx.reader.wrong(id, format!("a page number from `base_page`, {base_page}"));
    }
    let page_slot = slot(cx, &raw.page_param, &raw.page_body_path, "page");
    let rules = Rules {
        total_path: &raw.total_path,
        maximum: ("maximum_page", &raw.maximum_page),
        stop_after_empty_page: &raw.stop_after_empty_page,
        has_more_path: &raw.has_more_path,
        allow_drift: &raw.allow_drift,
    };
    let stop = rules.resolve(cx, id);
    Some(PaginatorPlan::PageNumber { base_page, page, page_slot: page_slot?, stop: stop? })
}

fn cursor(cx: Context<'_>, raw: &CursorPaginator) -> Option<PaginatorPlan> {
    let cursor_slot = slot(cx, &raw.cursor_param, &raw.cursor_body_path, "cursor");
    Some(PaginatorPlan::Cursor {
        cursor_path: path(&raw.cursor_path).unwrap_or_else(|| keys(&["cursors", "next"])),
        cursor_slot: cursor_slot?,
        stop_after_empty_page: raw.stop_after_empty_page.get().copied().unwrap_or(false),
        has_more_path: path(&raw.has_more_path),
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
    let (cursor_path, has_more_path) = (below("endCursor"), Some(below("hasNextPage")));
    info.map(|_| ())?;
    Some(PaginatorPlan::Cursor { cursor_path, cursor_slot: variable?, stop_after_empty_page: false, has_more_path })
}

/// The stop rules of `offset` and `page_number`, as written.
struct Rules<'r> {
    total_path: &'r Field<Scalar<JsonPath>>,
    maximum: (&'static str, &'r Field<u64>),
    stop_after_empty_page: &'r Field<bool>,
    has_more_path: &'r Field<Scalar<JsonPath>>,
    allow_drift: &'r Field<bool>,
}

impl Rules<'_> {
    /// dlt's rule: at least one of them must be able to end the resource. When only dlt's default `total` is left, a page
    /// without it is an error, as it is in dlt.
    fn resolve(&self, cx: Context<'_>, id: NodeId) -> Option<StopRules> {
        let (maximum_key, maximum) = self.maximum;
        let stop_after_empty_page = self.stop_after_empty_page.get().copied().unwrap_or(true);
        let has_more_path = path(self.has_more_path);
        let maximum = maximum.get().copied();
        let others = stop_after_empty_page || has_more_path.is_some() || maximum.is_some();
        let total = match self.total_path {
            Field::Set(_, Scalar(path)) => TotalPath::Required(path.clone()),
            Field::Absent if others => TotalPath::Optional(keys(&["total"])),
            Field::Absent => TotalPath::Required(keys(&["total"])),
            Field::Null(_) if others => TotalPath::None,
            Field::Null(_) => {
                let why = format!(
                    "nothing ends this paginator; set one of `total_path`, `{maximum_key}` and `has_more_path`, or `stop_after_empty_page: true`"
                );
                cx.reader.conflict(id, why);
                return None;
            }
            Field::Invalid => return None,
        };
        let allow_drift = self.allow_drift.get().copied().unwrap_or(false);
        Some(StopRules { total, maximum, stop_after_empty_page, has_more_path, allow_drift })
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
