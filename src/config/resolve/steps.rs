//! `processing_steps`: each key a step, in dlt's order within one entry: `filter`, what changes the record, `explode`.

use chrono::format::{Fixed, Item, Numeric, StrftimeItems};
use chrono_tz::Tz;

use crate::base::{JsonPath, Step};
use crate::config::raw::{self, Cast, CastName, Either, Entries, Explode, Field, OneOrMany, ProcessingStep, Scalar, TimeForm};
use crate::config::resolve::Context;
use crate::config::tree::{NodeId, Value};
use crate::config::{CastPlan, CastType, Expression, StepAction, StepPlan, TimeSource};

/// Most steps of a resource.
const STEPS_MAX: usize = 100;

/// The steps of a resource, in order.
pub(crate) fn steps(cx: Context<'_>, field: &Field<Vec<Field<ProcessingStep>>>) -> Vec<StepPlan> {
    let Some((id, items)) = field.set() else { return Vec::new() };
    if items.len() > STEPS_MAX {
        cx.reader.wrong(id, format!("at most {STEPS_MAX} steps"));
    }
    let mut plans = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match item {
            Field::Set(id, raw) => one_entry(cx, *id, raw, at, &mut plans),
            Field::Null(id) => cx.reader.wrong(*id, "a step"),
            Field::Absent | Field::Invalid => {}
        }
    }
    plans
}

/// Refuses steps that take out a member which the resource's `key`, at `id`, needs of every record.
pub(crate) fn check_kept<'n>(
    cx: Context<'_>,
    steps: &[StepPlan],
    (key, id): (&str, NodeId),
    names: impl IntoIterator<Item = &'n String>,
) {
    for name in names {
        if let Some(step) = StepPlan::taking_out(steps, name) {
            cx.reader.conflict(id, format!("`{key}` names `{name}`, which `{step}` takes out of every record"));
        }
    }
}

fn one_entry(cx: Context<'_>, id: NodeId, raw: &ProcessingStep, at: usize, plans: &mut Vec<StepPlan>) {
    let changes = [
        raw.set.place().map(|_| "set"),
        raw.drop.place().map(|_| "drop"),
        raw.keep.place().map(|_| "keep"),
        raw.rename.place().map(|_| "rename"),
        raw.cast.place().map(|_| "cast"),
        raw.hash.place().map(|_| "hash"),
        raw.mask.place().map(|_| "mask"),
    ];
    let changes: Vec<&str> = changes.into_iter().flatten().collect();
    if let [first, second, ..] = changes[..] {
        cx.reader.conflict(id, format!("`{first}` and `{second}` in one step have no order; write two steps"));
    }
    let mut push = |key: &str, action: Option<StepAction>| {
        plans.extend(action.map(|action| StepPlan { place: format!("processing_steps[{at}].{key}"), action }));
    };
    push("filter", raw.filter.set().and_then(|(id, text)| expression(cx, id, text)).map(StepAction::Filter));
    push("set", set(cx, &raw.set));
    push("drop", paths(cx, &raw.drop, Allowed::Members).map(StepAction::Drop));
    push("keep", paths(cx, &raw.keep, Allowed::NamesAndEvery).map(StepAction::Keep));
    push("rename", rename(cx, &raw.rename));
    push("cast", casts(cx, &raw.cast));
    for action in hash(cx, &raw.hash) {
        push("hash", Some(action));
    }
    for action in mask(cx, &raw.mask) {
        push("mask", Some(action));
    }
    push("explode", raw.explode.set().and_then(|(id, explode_raw)| explode(cx, id, explode_raw)));
    // A key that is not known is a fault already.
    if matches!(&cx.reader.document().node(id).value, Value::Map(entries) if entries.is_empty()) {
        cx.reader.wrong(id, "a step: `filter`, `set`, `drop`, `keep`, `rename`, `cast`, `hash`, `mask` or `explode`");
    }
}

/// An expression, or the fault in it; a Python function gets an answer of its own.
fn expression(cx: Context<'_>, id: NodeId, text: &str) -> Option<Expression> {
    let trimmed = text.trim_start();
    if trimmed.starts_with("lambda") || trimmed.starts_with("def ") || trimmed.starts_with("<function") {
        let why = "Python functions cannot be run; write an expression over the record's members, such as `status == \"open\" and amount > 5`";
        cx.reader.conflict(id, why);
        return None;
    }
    Expression::parse(text).map_err(|fault| cx.reader.conflict(id, fault.to_string())).ok()
}

/// What a path may have besides names, and how it has to end.
#[derive(Clone, Copy, PartialEq)]
enum Allowed {
    /// Names alone.
    Names,
    /// Names and `[*]`.
    NamesAndEvery,
    /// Anything, a name at the end.
    Members,
    /// Anything.
    Values,
}

fn checked_path(cx: Context<'_>, id: NodeId, path: &JsonPath, allowed: Allowed) -> Option<JsonPath> {
    let steps = path.steps();
    let ends_in_name = matches!(steps.last(), Some(Step::Key(_)));
    let expected = match allowed {
        Allowed::Names if !steps.iter().all(|step| matches!(step, Step::Key(_))) => "a path of names, such as `order.lines`",
        Allowed::NamesAndEvery if steps.iter().any(|step| matches!(step, Step::Index(_))) => "a path of names and `[*]`",
        Allowed::Members if !ends_in_name => "a path that ends in a name, such as `user.email`",
        _ if steps.is_empty() => "a path within the record, such as `user.email`",
        _ => return Some(path.clone()),
    };
    cx.reader.wrong(id, expected);
    None
}

fn parsed_path(cx: Context<'_>, id: NodeId, text: &str, allowed: Allowed) -> Option<JsonPath> {
    match JsonPath::parse(text) {
        Ok(path) => checked_path(cx, id, &path, allowed),
        Err(error) => {
            cx.reader.conflict(id, error.to_string());
            None
        }
    }
}

fn paths(cx: Context<'_>, field: &Field<OneOrMany<Field<Scalar<JsonPath>>>>, allowed: Allowed) -> Option<Vec<JsonPath>> {
    let (id, OneOrMany(items)) = field.set()?;
    if items.is_empty() {
        cx.reader.wrong(id, "at least one path");
    }
    Some(items.iter().filter_map(Field::set).filter_map(|(id, Scalar(path))| checked_path(cx, id, path, allowed)).collect())
}

fn set(cx: Context<'_>, field: &Field<Entries<String>>) -> Option<StepAction> {
    let Entries(entries) = field.get()?;
    let one = |(key, value): &(String, Field<String>)| {
        let (id, text) = value.set()?;
        Some((parsed_path(cx, id, key, Allowed::Names)?, expression(cx, id, text)?))
    };
    Some(StepAction::Set(entries.iter().filter_map(one).collect()))
}

fn rename(cx: Context<'_>, field: &Field<Entries<String>>) -> Option<StepAction> {
    let Entries(entries) = field.get()?;
    let one = |(key, value): &(String, Field<String>)| {
        let (id, _) = value.set()?;
        Some((parsed_path(cx, id, key, Allowed::Members)?, cx.filled(value, "")))
    };
    Some(StepAction::Rename(entries.iter().filter_map(one).collect()))
}

fn casts(cx: Context<'_>, field: &Field<Entries<Either<Scalar<CastName>, Cast>>>) -> Option<StepAction> {
    let Entries(entries) = field.get()?;
    let one = |(key, value): &(String, Field<Either<Scalar<CastName>, Cast>>)| {
        let (id, value) = value.set()?;
        let path = parsed_path(cx, id, key, Allowed::Values)?;
        let none = Cast::default();
        let (name, raw) = match value {
            Either::Text(Scalar(name)) => (*name, &none),
            Either::Map(raw) => (cx.required(&raw.to, id, "to", "the type").map(|(_, Scalar(name))| *name)?, raw),
        };
        let is_column = matches!(path.steps(), [Step::Key(_)]);
        if !is_column && matches!(name, CastName::Decimal { .. } | CastName::Json) {
            let why = "a cast to a decimal or to JSON text is for a column of its own; `set` one from the nested member first, or declare it in `schema:`";
            cx.reader.conflict(id, why);
        }
        Some((path, CastPlan { to: cast_type(cx, id, name, raw)?, empty_as_null: raw.empty_as_null.get() == Some(&true) }))
    };
    Some(StepAction::Cast(entries.iter().filter_map(one).collect()))
}

fn cast_type(cx: Context<'_>, id: NodeId, name: CastName, raw: &Cast) -> Option<CastType> {
    let is_time = matches!(name, CastName::Timestamp | CastName::Date);
    for place in [raw.from.place(), raw.format.place(), raw.timezone.place()].into_iter().flatten() {
        if !is_time {
            cx.reader.conflict(place, "`from`, `format` and `timezone` go with `to: timestamp` and `to: date` only");
            return None;
        }
    }
    Some(match name {
        CastName::Integer => CastType::Integer,
        CastName::Float => CastType::Float,
        CastName::Decimal { precision, scale } => CastType::Decimal { precision, scale },
        CastName::Text => CastType::Text,
        CastName::Boolean => CastType::Boolean,
        CastName::Json => CastType::Json,
        CastName::Timestamp => CastType::Timestamp(time_source(cx, id, raw, true)?),
        CastName::Date => CastType::Date(time_source(cx, id, raw, false)?),
    })
}

fn time_source(cx: Context<'_>, id: NodeId, raw: &Cast, is_timestamp: bool) -> Option<TimeSource> {
    let zone = match raw.timezone.set() {
        None => None,
        Some((id, name)) => {
            let zone = name.parse::<Tz>().ok();
            if zone.is_none() {
                cx.reader.wrong(id, "a zone of the IANA database, such as `Europe/Berlin` or `UTC`");
            }
            Some(zone?)
        }
    };
    let Some((format_id, pattern)) = raw.format.set() else {
        let from = raw.from.get().copied().unwrap_or(TimeForm::Iso);
        if let (Some(place), false) = (raw.timezone.place(), from == TimeForm::Iso) {
            cx.reader.conflict(place, "counts since 1970 need no `timezone`");
        }
        return Some(match from {
            TimeForm::Iso => TimeSource::Iso(zone),
            TimeForm::EpochS => TimeSource::Epoch { per_second: 1 },
            TimeForm::EpochMs => TimeSource::Epoch { per_second: 1000 },
            TimeForm::EpochUs => TimeSource::Epoch { per_second: 1_000_000 },
            TimeForm::EpochNs => TimeSource::Epoch { per_second: 1_000_000_000 },
            TimeForm::JsonDate => TimeSource::JsonDate,
        });
    };
    if let Some(place) = raw.from.place() {
        cx.reader.conflict(place, "`from` and `format` exclude each other");
    }
    let items: Vec<Item<'_>> = StrftimeItems::new(pattern).collect();
    if items.contains(&Item::Error) || !items.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_))) {
        cx.reader.wrong(format_id, "a strftime pattern such as `%d.%m.%Y %H:%M`");
        return None;
    }
    let has_zone = items.iter().any(|item| match item {
        Item::Numeric(Numeric::Timestamp, _) => true,
        Item::Fixed(fixed) => matches!(
            fixed,
            Fixed::TimezoneOffset
                | Fixed::TimezoneOffsetColon
                | Fixed::TimezoneOffsetDoubleColon
                | Fixed::TimezoneOffsetTripleColon
                | Fixed::TimezoneOffsetColonZ
                | Fixed::TimezoneOffsetZ
                | Fixed::RFC2822
                | Fixed::RFC3339
        ),
        _ => false,
    });
    if is_timestamp && !has_zone && zone.is_none() {
        cx.reader.missing(id, "timezone", "the pattern has no zone, so the times need one, such as `UTC`");
    }
    Some(TimeSource::Format { pattern: pattern.clone(), zone })
}

fn hash(cx: Context<'_>, field: &Field<OneOrMany<Field<Either<String, raw::Hash>>>>) -> Vec<StepAction> {
    let Some(OneOrMany(items)) = field.get() else { return Vec::new() };
    let one = |(id, item): (NodeId, &Either<String, raw::Hash>)| match item {
        Either::Text(path) => Some(StepAction::Hash { paths: vec![parsed_path(cx, id, path, Allowed::Values)?], key: None }),
        Either::Map(map) => {
            cx.required(&map.columns, id, "columns", "the members to hash")?;
            let key = map.key.get().map(|key| key.0.clone());
            if let (Some(place), true) = (map.key.place(), key.as_ref().is_some_and(|key| key.expose().is_empty())) {
                cx.reader.conflict(place, "an empty key protects nothing");
            }
            Some(StepAction::Hash { paths: paths(cx, &map.columns, Allowed::Values)?, key })
        }
    };
    items.iter().filter_map(Field::set).filter_map(one).collect()
}

fn mask(cx: Context<'_>, field: &Field<OneOrMany<Field<Either<String, raw::Mask>>>>) -> Vec<StepAction> {
    let Some(OneOrMany(items)) = field.get() else { return Vec::new() };
    let one = |(id, item): (NodeId, &Either<String, raw::Mask>)| match item {
        Either::Text(path) => {
            Some(StepAction::Mask { paths: vec![parsed_path(cx, id, path, Allowed::Values)?], keep_last: 0, with: '*' })
        }
        Either::Map(map) => {
            cx.required(&map.columns, id, "columns", "the members to cover")?;
            let keep_last = usize::try_from(cx.within(&map.keep_last, 0..=1000, 0)).unwrap_or_default();
            let with = map.with.set().map_or(Some('*'), |(id, text)| {
                let mut chars = text.chars();
                let with = chars.next().filter(|_| chars.next().is_none());
                if with.is_none() {
                    cx.reader.wrong(id, "one character");
                }
                with
            });
            Some(StepAction::Mask { paths: paths(cx, &map.columns, Allowed::Values)?, keep_last, with: with? })
        }
    };
    items.iter().filter_map(Field::set).filter_map(one).collect()
}

fn explode(cx: Context<'_>, id: NodeId, raw: &Either<String, Explode>) -> Option<StepAction> {
    match raw {
        Either::Text(path) => {
            Some(StepAction::Explode { path: parsed_path(cx, id, path, Allowed::Names)?, column: None, keep_empty: false })
        }
        Either::Map(map) => {
            let (path_id, Scalar(path)) = cx.required(&map.path, id, "path", "the list")?;
            let column = map.column.set().map(|_| cx.filled(&map.column, ""));
            let path = checked_path(cx, path_id, path, Allowed::Names)?;
            Some(StepAction::Explode { path, column, keep_empty: map.keep_empty.get() == Some(&true) })
        }
    }
}
