//! The range of incremental loading, and what asks the API for it: what would otherwise fail in the first run, or ask for nothing at all.

use std::cmp::Ordering;

use chrono_tz::Tz;

use crate::base::{Converter, CursorType, CursorValue, Edge};
use crate::config::raw::{self, Scalar};
use crate::config::request::{IncrementalValue, RequestTemplate};
use crate::config::resolve::Context;
use crate::config::resolve::template::Need;
use crate::config::tree::NodeId;
use crate::config::{Binding, IncrementalPlan, LastValue, WINDOWS_MAX};

/// `initial_value` and `end_value`.
type Ends<'a> = (&'a Option<CursorValue>, &'a Option<CursorValue>);

/// dlt: an end needs a start, and lies behind it.
pub(super) fn check_end(cx: Context<'_>, raw: &raw::Incremental, (initial, end): Ends<'_>, last: LastValue) {
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

/// The rules of `lag`.
pub(super) fn check_lag(cx: Context<'_>, raw: &raw::Incremental, initial: Option<&CursorValue>, is_duration: bool) {
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
pub(super) fn check_windows(
    cx: Context<'_>,
    raw: &raw::Incremental,
    (initial, end): Ends<'_>,
    zone: Tz,
    last: LastValue,
) -> bool {
    let has_end = end.is_some();
    let step = raw.step.set();
    if let (Some((id, _)), true) = (raw.until.set(), has_end) {
        cx.reader.conflict(id, "`until` and `end_value` are both ends of the range; give one of them");
    }
    let kind = initial.as_ref().map(CursorValue::kind);
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
    let last_of_all = initial.as_ref().and_then(|initial| initial.stepped(*step, WINDOWS_MAX, zone));
    if last_of_all.zip(end.as_ref()).is_some_and(|(last, end)| last.order(end) == Ok(Ordering::Less)) {
        let why = format!("`step` makes more than {WINDOWS_MAX} windows up to `end_value`; make it longer, or the range shorter");
        cx.reader.conflict(id, why);
    }
    !has_end
}

/// `convert` writes times: the bounds that the config gives have to be some.
pub(super) fn check_convert(cx: Context<'_>, raw: &raw::Incremental, (initial, end): Ends<'_>, convert: &Converter, zone: Tz) {
    let scheduler = raw.allow_external_schedulers.place();
    let bounds = [(initial, &raw.initial_value, Edge::Start), (end, &raw.end_value, Edge::End)];
    for (value, field, edge) in bounds {
        let fault = value.as_ref().and_then(|value| convert.apply(value, edge, zone).err());
        if let Some((fault, place)) = fault.zip(field.place().or(scheduler)) {
            cx.reader.conflict(place, format!("{fault}; leave `convert` out, or write a time"));
        }
    }
}

/// Whether the request can be made in the first run, and whether windows are asked for.
pub(super) fn check_request(
    cx: Context<'_>,
    raw: &raw::Incremental,
    plan: &IncrementalPlan,
    request: &RequestTemplate,
    needs: &[Need],
) {
    for need in needs {
        check_need(cx, raw, plan, need);
    }
    let asks = |binding: &&Binding| matches!(binding, Binding::Incremental(IncrementalValue::Start | IncrementalValue::End));
    if let (Some(id), false) = (raw.step.place(), request.bindings().iter().any(asks)) {
        let why = "`step` makes windows, and the request names none of their ends, so that every window would fetch everything; give `start_param` and `end_param`, or write `{incremental.start_value}` and `{incremental.end_value}`";
        cx.reader.conflict(id, why);
    }
}

fn check_need(cx: Context<'_>, raw: &raw::Incremental, plan: &IncrementalPlan, need: &Need) {
    let lag = plan.lag.map(|lag| lag.to_string());
    let sent = |value: &Option<CursorValue>, edge| {
        value.as_ref().and_then(|value| plan.sent(value, edge).ok()).map(crate::base::Sent::json)
    };
    // Whether the first run has a value, as far as the config tells, and the value where it is known.
    let (is_given, known, advice) = match need.value {
        IncrementalValue::Start | IncrementalValue::Initial | IncrementalValue::Last => (
            plan.initial_value.is_some() || !raw.initial_value.is_unset(),
            sent(&plan.initial_value, Edge::Start),
            "the first run has no value for it: give `initial_value`, or make it all of a query parameter, which then is left out",
        ),
        IncrementalValue::End => (
            plan.end_value.is_some() || !raw.end_value.is_unset() || (plan.until_now && plan.initial_value.is_some()),
            sent(&plan.end_value, Edge::End),
            "the range has no end: give `end_value`, or `until: now` with an `initial_value`",
        ),
        IncrementalValue::Lag => (plan.lag.is_some(), lag, "there is no `lag`"),
    };
    let at: NodeId = need.at;
    let name = &need.placeholder.name;
    if !is_given && !need.may_be_missing {
        cx.reader.conflict(at, format!("`{{{name}}}` cannot be filled in: {advice}"));
    }
    if let Some(error) = known.and_then(|json| need.placeholder.check(&json).err()) {
        let why = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
        cx.reader.conflict(at, format!("{error}{why}"));
    }
}
