//! `endpoint.incremental` and `params.x: {type: incremental}`: dlt's rules, and those of windows.

use std::time::Duration;

use chrono_tz::Tz;

use crate::base::{Converter, CursorForm, CursorType, CursorValue};
use crate::config::fault::nearest;
use crate::config::raw::{self, Entries, Field, OneOrMany, Scalar};
use crate::config::request::{IncrementalValue, Part, Placeholder, Template};
use crate::config::resolve::Context;
use crate::config::tree::{NodeId, Value};
use crate::config::{
    Binding, Dedup, EndpointPlan, IncrementalPlan, LastValue, OnMissingCursor, Outside, Problem, RowOrder, WriteDisposition,
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
    let (_, Scalar(cursor_path)) = cx.required(&raw.cursor_path, id, "cursor_path", "where the cursor stands in a record")?;
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
    check_end(cx, raw, (&initial_value, &end_value), last);
    let lag = raw.lag.get().map(|Scalar(lag)| *lag).filter(|lag| !lag.is_zero());
    check_lag(cx, raw, initial_value.as_ref(), lag.is_some_and(crate::base::Lag::is_duration));
    let until_now = check_windows(cx, raw, initial_value.as_ref(), end_value.is_some(), last);
    check_outside(cx, raw, of);
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

/// A scalar of the config as a cursor's value.
fn value(cx: Context<'_>, field: &Field<raw::Node>, form: CursorForm) -> Option<CursorValue> {
    let (id, _) = field.set()?;
    let value = match &cx.reader.document().node(id).value {
        Value::Number(token) => form.number(token),
        Value::Text(text) if !text.text.trim().is_empty() => Some(form.text(text.text.trim())),
        Value::Faulty => return None,
        _ => None,
    };
    if value.is_none() {
        cx.reader.wrong(id, "a time, a date, a number or text, as the cursor is spelled");
    }
    value
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
    Some((form.text(start.trim()), form.text(end.trim())))
}

type Ends<'a> = (&'a Option<CursorValue>, &'a Option<CursorValue>);

/// dlt: an end needs a start, and lies behind it.
fn check_end(cx: Context<'_>, raw: &raw::Incremental, (initial, end): Ends<'_>, last: LastValue) {
    let (Some(end), Some(id)) = (end, raw.end_value.place()) else { return };
    let Some(initial) = initial else {
        if raw.initial_value.is_unset() {
            cx.reader.conflict(id, "`end_value` needs an `initial_value`: both make the range");
        }
        return;
    };
    let is_behind = match (initial.order(end), last) {
        (Err(error), _) => {
            let (start, end) = (error.expected.name(), error.found.name());
            cx.reader.conflict(id, format!("`initial_value` is a {start} and `end_value` a {end}: they cannot be compared"));
            return;
        }
        (Ok(order), LastValue::Max) => order.is_lt(),
        (Ok(order), LastValue::Min) => order.is_gt(),
    };
    if !is_behind {
        let which = if last == LastValue::Max { "after" } else { "before, with `last_value_func: min`," };
        cx.reader.conflict(id, format!("`end_value` must lie {which} `initial_value`"));
    }
}

fn check_lag(cx: Context<'_>, raw: &raw::Incremental, initial: Option<&CursorValue>, is_duration: bool) {
    let Some((id, _)) = raw.lag.set() else { return };
    if raw.end_value.place().is_some() {
        cx.reader.conflict(id, "`lag` does not go with `end_value`: such a run starts where `initial_value` says");
    }
    match initial.map(CursorValue::kind) {
        Some(CursorType::Text) => {
            cx.reader.conflict(id, "`lag` needs a time, a date or a number as cursor, and `initial_value` is text")
        }
        Some(CursorType::Number) if is_duration => {
            cx.reader.conflict(
                id,
                "`lag` is a duration, and the cursor a number; with `convert: epoch_s` or `epoch_ms`, numbers are times",
            );
        }
        _ => {}
    }
}

/// The rules of `step` and `until`; whether the range ends with the time of the run.
fn check_windows(cx: Context<'_>, raw: &raw::Incremental, initial: Option<&CursorValue>, has_end: bool, last: LastValue) -> bool {
    let step = raw.step.set();
    if let (Some((id, _)), true) = (raw.until.set(), has_end) {
        cx.reader.conflict(id, "`until` and `end_value` are both ends of the range; give one of them");
    }
    let kind = initial.map(CursorValue::kind);
    let is_time = matches!(kind, Some(CursorType::Timestamp | CursorType::Date));
    if let (Some((id, _)), Some(false)) = (raw.until.set(), kind.map(|_| is_time)) {
        cx.reader.conflict(id, "`until: now` needs a time or a date as cursor");
    }
    let Some((id, Scalar(step))) = step else { return raw.until.get().is_some() && !has_end };
    if last == LastValue::Min {
        cx.reader.conflict(id, "`step` goes with `last_value_func: max` only: windows follow each other forward");
    }
    match kind {
        None if raw.initial_value.is_unset() => {
            cx.reader.conflict(id, "`step` needs an `initial_value`: the first window begins there");
        }
        Some(CursorType::Text) => {
            cx.reader.conflict(id, "`step` needs a time, a date or a number as cursor, and `initial_value` is text")
        }
        Some(CursorType::Number) if !step.is_number() => {
            cx.reader.conflict(
                id,
                "`step` is a time, and the cursor a number; with `convert: epoch_s` or `epoch_ms`, numbers are times",
            );
        }
        Some(CursorType::Number) if !has_end => cx.reader.conflict(id, "windows of numbers need an `end_value`"),
        Some(CursorType::Timestamp | CursorType::Date) if step.is_number() => {
            cx.reader.conflict(id, "`step` is a number, and the cursor a time; write `12h`, `1d`, `1w` or `1mo`");
        }
        Some(CursorType::Date) if step.is_part_of_day() => {
            cx.reader.conflict(id, "`step` is shorter than a day, and the cursor is a date");
        }
        _ => {}
    }
    !has_end
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

/// dlt: an empty key or an open start switches it off; a lag does so in dlt only, where an append then has rows twice. A merge needs
/// none: a row that comes again replaces itself. A replace starts from nothing.
fn dedup(cx: Context<'_>, raw: &raw::Incremental, of: Of<'_>) -> Dedup {
    let is_open = raw.range_start.get() == Some(&raw::Bound::Open);
    let is_append = of.disposition == Some(WriteDisposition::Append);
    match raw.primary_key.set() {
        Some((_, OneOrMany(items))) if items.is_empty() => Dedup::Off,
        _ if is_open || !is_append => Dedup::Off,
        Some((_, OneOrMany(items))) => Dedup::Key(cx.texts(items).into_iter().map(|(_, column)| column).collect()),
        None if of.primary_key.is_empty() => Dedup::Record,
        None => Dedup::Key(of.primary_key.to_vec()),
    }
}

fn parameter(cx: Context<'_>, field: &Field<String>) -> Option<String> {
    field.set().map(|_| cx.filled(field, ""))
}
