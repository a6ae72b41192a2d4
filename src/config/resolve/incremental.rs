//! `endpoint.incremental` and `params.x: {type: incremental}`: dlt's rules, and those of windows.

mod range;

use std::time::Duration;

use chrono_tz::Tz;

use crate::base::{Converter, CursorForm, CursorType, CursorValue, Step};
use crate::config::fault::nearest;
use crate::config::raw::{self, Entries, Field, OneOrMany, Scalar};
use crate::config::request::{IncrementalValue, Part, Placeholder, Template};
use crate::config::resolve::template::Need;
use crate::config::resolve::{Context, steps};
use crate::config::tree::{NodeId, Value};
use crate::config::{
    Binding, Dedup, EndpointPlan, IncrementalPlan, LastValue, OnMissingCursor, Outside, Problem, RowOrder, StepPlan,
    WriteDisposition,
};

/// What the rules need to know of the resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of<'a> {
    /// Its primary key.
    pub(crate) primary_key: &'a [String],
    /// How its rows enter the table.
    pub(crate) disposition: Option<WriteDisposition>,
    /// Whether it has a parent.
    pub(crate) has_parent: bool,
    /// Whether members that the table does not have are left out of its rows.
    pub(crate) discards_members: bool,
    /// What is done to its records before their cursor is looked at.
    pub(crate) steps: &'a [StepPlan],
    /// What its request needs of incremental loading.
    pub(crate) needs: &'a [Need],
}

/// What an endpoint says of incremental loading: its own key, and parameters of that type, which have the parameter's name.
#[derive(Debug)]
pub(crate) struct Said {
    id: NodeId,
    param: Option<String>,
    raw: raw::Incremental,
}

/// Takes what an endpoint says of incremental loading out of it.
pub(crate) fn take(cx: Context<'_>, endpoint: &mut raw::Endpoint) -> Vec<Said> {
    let own = endpoint.incremental.set().map(|(id, raw)| Said { id, param: None, raw: raw.clone() });
    let mut said: Vec<Said> = own.into_iter().collect();
    let Field::Set(_, Entries(params)) = &mut endpoint.params else { return said };
    params.retain(|(name, field)| {
        let Some(id) = field.place().filter(|&id| is_incremental(cx, id)) else { return true };
        if let Some(raw::ParamForm::Incremental(raw)) = cx.reader.read_at(id) {
            said.push(Said { id, param: Some(name.clone()), raw: *raw });
        }
        false
    });
    said
}

/// Whether a request of one of these endpoints has the start of what is to be loaded, or the order of the records tells where to end: else every
/// page is read, and what is loaded already is dropped.
pub(crate) fn asks_from_cursor(cx: Context<'_>, said: &[Said], endpoints: impl Iterator<Item = NodeId>) -> bool {
    let document = cx.reader.document();
    let is_start = |id: &NodeId| {
        let Value::Text(text) = &document.node(*id).value else { return false };
        ["{incremental.start_value", "{incremental.last_value"].iter().any(|start| text.text.contains(start))
    };
    let of_order = |said: &Said| said.raw.row_order.get() == Some(&raw::SortOrder::Desc);
    said.iter().any(|said| said.param.is_some() || !said.raw.start_param.is_unset() || of_order(said))
        || endpoints.flat_map(|endpoint| document.below(endpoint)).any(|id| is_start(&id))
}

fn is_incremental(cx: Context<'_>, id: NodeId) -> bool {
    let Value::Map(entries) = &cx.reader.document().node(id).value else { return false };
    let kind = entries.iter().find(|entry| entry.key == "type").map(|entry| &cx.reader.document().node(entry.node).value);
    matches!(kind, Some(Value::Text(text)) if text.text == "incremental")
}

/// The endpoint with the one incremental loading that was said of it; its parameters get start and end.
pub(crate) fn join(cx: Context<'_>, mut endpoint: EndpointPlan, said: Vec<Said>, of: Of<'_>) -> EndpointPlan {
    let mut said = said.into_iter();
    let Some(first) = said.next() else { return endpoint };
    for second in said {
        cx.reader.conflict(second.id, "an endpoint has one cursor: this is its second `incremental`");
    }
    let Some(plan) = plan(cx, &first, of) else { return endpoint };
    for (param, value) in [(&plan.start_param, IncrementalValue::Start), (&plan.end_param, IncrementalValue::End)] {
        let Some(param) = param else { continue };
        let name = Template::fixed(param.clone());
        let placeholder = Placeholder { of: Binding::Incremental(value), name: param.clone(), format: None };
        endpoint.request.params.retain(|(known, _)| *known != name);
        endpoint.request.params.push((name, Template { parts: vec![Part::Value(placeholder)] }));
    }
    range::check_request(cx, &first.raw, &plan, &endpoint.request, of.needs);
    endpoint.incremental = Some(plan);
    endpoint
}

fn plan(cx: Context<'_>, said: &Said, of: Of<'_>) -> Option<IncrementalPlan> {
    let raw = &said.raw;
    let Some(name) = &said.param else { return resolve(cx, said.id, raw, of) };
    if let Some(end) = raw.end_value.place() {
        cx.reader.conflict(end, "`end_value` does not go with a parameter; write it in `endpoint.incremental`");
    }
    if let Some(place) = raw.start_param.place() {
        cx.reader.conflict(place, format!("the parameter `{name}` itself gets the start"));
    }
    Some(IncrementalPlan { start_param: Some(name.clone()), ..resolve(cx, said.id, raw, of)? })
}

/// The plan of `raw`, which stands at `id`; `None` when a fault leaves it open.
pub(crate) fn resolve(cx: Context<'_>, id: NodeId, raw: &raw::Incremental, of: Of<'_>) -> Option<IncrementalPlan> {
    let (cursor_id, Scalar(cursor_path)) =
        cx.required(&raw.cursor_path, id, "cursor_path", "where the cursor stands in a record")?;
    let convert = convert(cx, raw);
    let form = CursorForm {
        time_zone: time_zone(cx, &raw.time_zone),
        epoch_per_second: convert.as_ref().map_or(0, Converter::epoch_per_second),
    };
    let last = last_value(cx, &raw.last_value_func)?;
    let scheduled = scheduled(cx, raw, form);
    let (initial_value, end_value) = match scheduled {
        Some((start, end)) => (Some(start), Some(end)),
        None => (value(cx, &raw.initial_value, form), value(cx, &raw.end_value, form)),
    };
    let (initial_value, end_value) = match (initial_value, end_value) {
        (Some(initial), Some(end)) => {
            let (initial, end) = form.matched(initial, end);
            (Some(initial), Some(end))
        }
        open => open,
    };
    range::check_end(cx, raw, (&initial_value, &end_value), last);
    let lag = raw.lag.get().map(|Scalar(lag)| *lag).filter(|lag| !lag.is_zero());
    range::check_lag(cx, raw, initial_value.as_ref(), lag.is_some_and(crate::base::Lag::is_duration));
    let until_now = range::check_windows(cx, raw, (&initial_value, &end_value), form.time_zone, last);
    if let Some(convert) = &convert {
        range::check_convert(cx, raw, (&initial_value, &end_value), convert, form.time_zone);
    }
    check_outside(cx, raw, of);
    check_missing(cx, raw, of, end_value.is_some());
    check_marked(cx, id, &dedup(cx, raw, of), of, end_value.is_some());
    check_order(cx, raw, last, end_value.is_some() || until_now);
    check_unmarked(cx, raw, of, lag.is_some() && end_value.is_none());
    let cursor = cursor_path.steps().first().and_then(|step| if let Step::Key(name) = step { Some(name) } else { None });
    steps::check_kept(cx, of.steps, ("cursor_path", cursor_id), cursor);
    Some(IncrementalPlan {
        cursor_path: cursor_path.clone(),
        form,
        start_param: parameter(cx, &raw.start_param),
        end_param: parameter(cx, &raw.end_param),
        convert,
        last,
        dedup: dedup(cx, raw, of),
        row_order: raw.row_order.get().map(|order| match order {
            raw::SortOrder::Asc => RowOrder::Asc,
            raw::SortOrder::Desc => RowOrder::Desc,
        }),
        on_missing: match raw.on_cursor_value_missing.get() {
            None | Some(raw::OnMissing::Raise) => OnMissingCursor::Raise,
            Some(raw::OnMissing::Include) => OnMissingCursor::Include,
            Some(raw::OnMissing::Exclude) => OnMissingCursor::Exclude,
        },
        lag,
        keeps_start: raw.range_start.get() != Some(&raw::Bound::Open),
        keeps_end: raw.range_end.get() == Some(&raw::Bound::Closed),
        step: raw.step.get().map(|Scalar(step)| *step),
        until_now,
        settle: raw.settle.get().map_or(Duration::ZERO, |Scalar(settle)| *settle),
        outside: match raw.strict_window.get() {
            None | Some(raw::StrictWindow::Drop) => Outside::Drop,
            Some(raw::StrictWindow::Error) => Outside::Error,
            Some(raw::StrictWindow::Keep) => Outside::Keep,
        },
        is_per_parent: of.has_parent && !matches!(raw.state.get(), Some(raw::CursorState::Shared)),
        initial_value,
        end_value,
    })
}

fn convert(cx: Context<'_>, raw: &raw::Incremental) -> Option<Converter> {
    let field = match (raw.convert.set(), raw.transform.set()) {
        (Some(_), Some((id, _))) => {
            cx.reader.conflict(id, "`transform` is the old name of `convert`; give one of them");
            &raw.convert
        }
        (None, Some(_)) => &raw.transform,
        _ => &raw.convert,
    };
    let (id, text) = field.set()?;
    let convert = Converter::parse(text);
    if convert.is_none() {
        let known = ["epoch_s", "epoch_ms", "iso8601", "date"];
        match nearest(text, &known) {
            Some(near) => cx.reader.wrong(id, format!("a converter such as `{near}`, or a strftime format with `%`")),
            None => cx.reader.wrong(id, "`epoch_s`, `epoch_ms`, `iso8601`, `date`, or a strftime format such as `%Y-%m-%d`"),
        }
    }
    convert
}

fn time_zone(cx: Context<'_>, field: &Field<String>) -> Tz {
    let Some((id, name)) = field.set() else { return Tz::UTC };
    name.parse().unwrap_or_else(|_| {
        let names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        let near = names.iter().find(|known| known.eq_ignore_ascii_case(name)).map(|known| (*known).to_owned());
        match near.or_else(|| nearest(name, &names)) {
            Some(near) => cx.reader.wrong(id, format!("a zone of the tz database, perhaps `{near}`")),
            None => cx.reader.wrong(id, "a zone of the tz database such as `Europe/Berlin` or `UTC`"),
        }
        Tz::UTC
    })
}

fn last_value(cx: Context<'_>, field: &Field<String>) -> Option<LastValue> {
    match field.set() {
        None => Some(LastValue::Max),
        Some((_, name)) if name == "max" => Some(LastValue::Max),
        Some((_, name)) if name == "min" => Some(LastValue::Min),
        Some((id, name)) => {
            let instead = "write `max` or `min`";
            cx.fault(id, Problem::PythonOnly { what: format!("last_value_func: {name}"), instead });
            None
        }
    }
}

/// What is expected where a text looks like a time and is none.
const NO_TIME: &str = "a time or a date that there is, as ISO 8601 writes it: `2026-11-22T08:00:00Z`, `2026-11-22`";

/// Whether a text is a word for a time that would have to be reckoned.
fn is_relative(value: &CursorValue) -> bool {
    let words = ["now", "now()", "today", "yesterday", "tomorrow"];
    value.kind() == CursorType::Text && words.contains(&value.text().to_ascii_lowercase().as_str())
}

/// A scalar of the config as a cursor's value.
fn value(cx: Context<'_>, field: &Field<raw::Node>, form: CursorForm) -> Option<CursorValue> {
    let (id, _) = field.set()?;
    let value = match &cx.reader.document().node(id).value {
        Value::Number(token) => form.number(token),
        Value::Text(text) if !text.text.trim().is_empty() => Some(form.text(text.text.trim())),
        Value::Faulty => return None,
        _ => None,
    };
    match &value {
        None => cx.reader.wrong(id, "a time, a date, a number or text, as the cursor is spelled"),
        Some(value) if value.is_no_time() => cx.reader.wrong(id, NO_TIME),
        Some(value) if is_relative(value) => cx.reader.wrong(id, format!("{NO_TIME}; words such as `{value}` are not reckoned: a variable can have the day (`${{SINCE}}`), and without `initial_value` the first run loads all")),
        Some(_) => {}
    }
    // What is at fault already is compared with nothing.
    value.filter(|value| !value.is_no_time() && !is_relative(value))
}

/// The range that a scheduler set in the environment.
fn scheduled(cx: Context<'_>, raw: &raw::Incremental, form: CursorForm) -> Option<(CursorValue, CursorValue)> {
    let (id, true) = raw.allow_external_schedulers.set().map(|(id, allowed)| (id, *allowed))? else { return None };
    let variable = |name: &str| (cx.inputs.env)(name).filter(|value| !value.trim().is_empty());
    let (start, end) = match (variable("DLT_INTERVAL_START"), variable("DLT_INTERVAL_END")) {
        (Some(start), Some(end)) => (start, end),
        (None, None) => return None,
        (start, _) => {
            let name = if start.is_some() { "DLT_INTERVAL_END" } else { "DLT_INTERVAL_START" };
            cx.fault(id, Problem::Variable { name: name.to_owned(), empty: false });
            return None;
        }
    };
    let range = (form.text(start.trim()), form.text(end.trim()));
    for (name, value) in [("DLT_INTERVAL_START", &range.0), ("DLT_INTERVAL_END", &range.1)] {
        if value.is_no_time() {
            cx.reader.conflict(id, format!("`{name}` should be {NO_TIME}"));
        }
    }
    Some(range)
}

fn check_outside(cx: Context<'_>, raw: &raw::Incremental, of: Of<'_>) {
    if let (Some((id, raw::StrictWindow::Keep)), Some(disposition)) = (raw.strict_window.set(), of.disposition)
        && disposition != WriteDisposition::Merge
    {
        let why = "`strict_window: keep` goes with `write_disposition: merge` only; elsewhere such records would come twice";
        cx.reader.conflict(id, why);
    }
    if let (Some((id, _)), false) = (raw.state.set(), of.has_parent) {
        cx.reader.conflict(id, "`state` goes with a parent resource only; without one there is a single cursor");
    }
}

/// An `append` knows records without a cursor by their marks, which a range and an open start have none of, and which each window begins with.
fn check_missing(cx: Context<'_>, raw: &raw::Incremental, of: Of<'_>, has_end: bool) {
    let Some((id, raw::OnMissing::Include)) = raw.on_cursor_value_missing.set() else { return };
    if of.disposition != Some(WriteDisposition::Append) {
        return;
    }
    let is_unmarked = matches!(raw.primary_key.set(), Some((_, OneOrMany(items))) if items.is_empty());
    let with = match () {
        () if has_end => "a range (`end_value`, or a scheduler's)",
        () if raw.step.place().is_some() => "`step`",
        () if is_unmarked || raw.range_start.get() == Some(&raw::Bound::Open) => "`range_start: open` or an empty `primary_key`",
        () => return,
    };
    let why = format!(
        "`include` with {with} would load the records without a cursor again and again by `append`; write `exclude`, or `write_disposition: merge` with a `primary_key`"
    );
    cx.reader.conflict(id, why);
}

/// Without a key, a record is known by all of it: what is left out of its row may be another on each night.
fn check_marked(cx: Context<'_>, id: NodeId, dedup: &Dedup, of: Of<'_>, has_end: bool) {
    if *dedup == Dedup::Record && of.discards_members && !has_end {
        let why = "without a `primary_key`, an `append` knows the records at its last cursor by all of their members, also by those that `schema_contract: discard_value` leaves out: they would come again whenever such a member changes; give the resource a `primary_key`, take the member out by a `drop` of `processing_steps` and write another contract of `columns`, or use `replace`";
        cx.reader.conflict(id, why);
    }
}

/// What lies within `lag` comes again each night, and by `append` it would be there twice without marks.
fn check_unmarked(cx: Context<'_>, raw: &raw::Incremental, of: Of<'_>, has_lag: bool) {
    let Some((id, OneOrMany(items))) = raw.primary_key.set() else { return };
    if items.is_empty() && has_lag && of.disposition == Some(WriteDisposition::Append) {
        let why = "an empty `primary_key` with `lag` would load the records within `lag` again on each run by `append`; leave one of them out, or use `write_disposition: merge` with a `primary_key`";
        cx.reader.conflict(id, why);
    }
}

/// Records without a cursor may stand on any page, and `row_order` leaves pages out where the range ends.
fn check_order(cx: Context<'_>, raw: &raw::Incremental, last: LastValue, has_end: bool) {
    let (Some((id, order)), Some((_, raw::OnMissing::Include))) = (raw.row_order.set(), raw.on_cursor_value_missing.set()) else {
        return;
    };
    let is_forward = matches!((order, last), (raw::SortOrder::Asc, LastValue::Max) | (raw::SortOrder::Desc, LastValue::Min));
    if is_forward && !has_end {
        return;
    }
    let why = "`row_order` asks for no page behind the range, and there may be records without a cursor, which `on_cursor_value_missing: include` loads; take `row_order` out, so that all pages are read, or write `exclude`";
    cx.reader.conflict(id, why);
}

/// dlt: an empty key switches it off; a lag or an open start does so in dlt only, where an append then has the rows twice that lie behind its start.
/// A merge needs none: a row that comes again replaces itself. A replace starts from nothing.
fn dedup(cx: Context<'_>, raw: &raw::Incremental, of: Of<'_>) -> Dedup {
    let is_append = of.disposition == Some(WriteDisposition::Append);
    match raw.primary_key.set() {
        Some((_, OneOrMany(items))) if items.is_empty() => Dedup::Off,
        _ if !is_append => Dedup::Off,
        Some((_, OneOrMany(items))) => Dedup::Key(cx.texts(items).into_iter().map(|(_, column)| column).collect()),
        None if of.primary_key.is_empty() => Dedup::Record,
        None => Dedup::Key(of.primary_key.to_vec()),
    }
}

fn parameter(cx: Context<'_>, field: &Field<String>) -> Option<String> {
    field.set().map(|_| cx.filled(field, ""))
}
