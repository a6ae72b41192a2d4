//! Reading the values that paginators ask for, and the stop rules that two of them share.

use serde_json::Value;

use crate::base::{JsonPath, Step, Warning, WarningCode};
use crate::config::{StopRules, TotalPath, nearest, path_words};
use crate::source::SourceError;
use crate::source::error::{NamedBy, PagingFault};
use crate::source::paginate::Seen;
use crate::source::paginate::names::Role;
use crate::source::paginate::signs::{Sign, is_bound, relation_path};
use crate::source::paginate::totals::{around_records, beyond_page, may_be_cut};

/// The value at place `index` of the wanted paths; `null` counts as absent.
pub(super) fn value<'a>(page: &Seen<'a>, index: usize) -> Option<&'a Value> {
    page.facts.values.get(index).and_then(Option::as_ref).filter(|value| !value.is_null())
}

/// The place `index` of the wanted paths in words, where nothing at all stands there, not even `null`.
pub(super) fn absent(page: &Seen<'_>, index: usize, path: &JsonPath) -> Option<String> {
    let is_absent = page.facts.values.get(index).is_none_or(Option::is_none);
    is_absent.then(|| format!("`{}`", path_words(path)))
}

/// The total that a page tells at the path of stop rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) number: u64,
    /// Whether there may be more: it must be reached, ends no pages and proves nothing.
    pub(super) is_bound: bool,
}

impl Total {
    /// The number, where it is all there is.
    pub(super) fn exact(self) -> Option<u64> {
        (!self.is_bound).then_some(self.number)
    }
}

/// The paths of stop rules: the total's, then `has_more_path`, then what the total is to the true one.
pub(super) fn wanted(stop: &StopRules) -> Vec<JsonPath> {
    let total = match &stop.total {
        TotalPath::None => None,
        TotalPath::Optional(path) | TotalPath::Required(path) => Some(path),
    };
    total.into_iter().chain(&stop.has_more_path).cloned().chain(total.and_then(relation_path)).collect()
}

/// The total of a page. One that is only looked for by default counts where it is a number, and is no fault elsewhere.
///
/// # Errors
/// [`PagingFault::BadValue`] when a configured path has no whole number.
pub(super) fn total(page: &Seen<'_>, stop: &StopRules) -> Result<Option<Total>, SourceError> {
    let number = match &stop.total {
        TotalPath::None => return Ok(None),
        TotalPath::Optional(_) => value(page, 0).and_then(whole_number),
        TotalPath::Required(path) => match value(page, 0) {
            Some(found) => {
                let bad = || bad_value(page, ("total_path", path), "a whole number", Some(found));
                Some(whole_number(found).ok_or_else(bad)?)
            }
            None => return Err(bad_value(page, ("total_path", path), "a whole number", None)),
        },
    };
    let is_bound = value(page, 1 + usize::from(stop.has_more_path.is_some())).is_some_and(is_bound);
    Ok(number.map(|number| Total { number, is_bound }))
}

/// What `has_more_path` says, `None` without one. Behind a page where it is true, one without it is the last one, as ArcGIS has it; so is a first
/// one without the name that only ArcGIS has. One that is as large as pages get, `limit` of those asked for, may lack it by mistake, and says
/// nothing.
///
/// # Errors
/// [`PagingFault::BadValue`] when it is missing from the first page, or no boolean (dlt: also the usual words, as strings; 0 and 1, too).
pub(super) fn has_more(
    page: &Seen<'_>,
    path: Option<&JsonPath>,
    index: usize,
    limit: Option<u64>,
) -> Result<Option<bool>, SourceError> {
    let Some(path) = path else { return Ok(None) };
    let found = value(page, index);
    let more = match found {
        Some(Value::Bool(more)) => Some(*more),
        Some(number @ Value::Number(_)) => match whole_number(number) {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Some(Value::String(word)) => match word.trim().to_ascii_lowercase().as_str() {
            "yes" | "true" | "t" | "y" | "1" => Some(true),
            "no" | "false" | "f" | "n" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    let is_left_out = || matches!(path.steps().last(), Some(Step::Key(name)) if name == "exceededTransferLimit");
    if found.is_none() && (page.page > 1 || is_left_out()) {
        return Ok((!may_be_cut(page, limit)).then_some(false));
    }
    more.map(Some).ok_or_else(|| bad_value(page, ("has_more_path", path), "true or false", found))
}

/// `has_more_path` of stop rules, which stands behind the total.
///
/// # Errors
/// As [`has_more`].
pub(super) fn rules_have_more(page: &Seen<'_>, stop: &StopRules, limit: Option<u64>) -> Result<Option<bool>, SourceError> {
    has_more(page, stop.has_more_path.as_ref(), usize::from(stop.total != TotalPath::None), limit)
}

/// The error of a total that is not what was read.
pub(super) fn contradicted(page: &Seen<'_>, stop: &StopRules, unit: &'static str, read: u64, total: u64) -> SourceError {
    let (path, by) = match &stop.total {
        TotalPath::None => (None, NamedBy::Nothing),
        TotalPath::Optional(path) => (Some(path.clone()), NamedBy::Nothing),
        TotalPath::Required(path) => (Some(path.clone()), NamedBy::TotalPath),
    };
    let meant = path.as_ref().and_then(|path| other_total(page, path, unit, read));
    SourceError::from(PagingFault::TotalContradicted { place: page.at(), unit, read, total, path, by, meant })
}

/// What the page tells beside the total at `path`, if that may be what is meant by it.
fn other_total(page: &Seen<'_>, path: &JsonPath, unit: &str, read: u64) -> Option<String> {
    let of_pages = page.facts.signs.iter().filter(|sign| sign.role() == Some(Role::Pages));
    let found: Vec<(&Sign, u64)> = match unit {
        "pages" => of_pages.filter_map(|sign| Some((sign, sign.number()?))).collect(),
        _ => around_records(page).collect(),
    };
    let others = found.into_iter().filter(|(sign, total)| sign.path != *path && *total >= read);
    others.max_by_key(|(_, total)| *total).map(|(sign, total)| format!("`{}`, which says {total}", sign.shown()))
}

/// Whether the total that is met at `page` is no proof that none follows: the page is as large as pages get (`may_be_cut`), or, where the total
/// `is_new`, another one exceeds it.
pub(super) fn is_doubtful(page: &Seen<'_>, stop: &StopRules, may_be_cut: bool, is_new: bool) -> bool {
    let (TotalPath::Optional(path) | TotalPath::Required(path)) = &stop.total else { return false };
    let records = page.facts.records;
    let is_other = |(sign, total): (&Sign, u64)| sign.path != *path && total > page.ordinal.saturating_add(records);
    may_be_cut || is_new && records > 0 && beyond_page(page).any(is_other)
}

/// Passes on `error` of a total that is not what was read, or only warns where `allow_drift` accepts it.
pub(super) fn accept_drift(error: SourceError, stop: &StopRules, warning: &mut Option<Warning>) -> Result<(), SourceError> {
    if !stop.allow_drift {
        return Err(error);
    }
    *warning = Some(Warning::new(WarningCode::DriftAccepted, error.to_string()));
    Ok(())
}

/// A total that a rule of the config does not name: dlt's default path, where anything may stand.
pub(super) fn is_guess(stop: &StopRules) -> bool {
    matches!(stop.total, TotalPath::Optional(_))
}

/// Whether something besides the total ends the resource.
pub(super) fn ends_without_total(stop: &StopRules) -> bool {
    stop.stop_after_empty_page || stop.has_more_path.is_some()
}

/// A whole number, also as text.
pub(in crate::source) fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..9e15).contains(float))?;
            format!("{float:.0}").parse().ok()
        }),
        Value::String(text) => text.trim().parse().ok().or_else(|| grouped(text.trim())),
        _ => None,
    }
}

/// A number in groups of three digits: `1,332`.
fn grouped(text: &str) -> Option<u64> {
    let mark = text.chars().find(|c| [',', ' ', '_', '\'', '\u{a0}', '\u{202f}'].contains(c))?;
    let mut groups = text.split(mark);
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
    let digits = groups.try_fold(first.to_owned(), |digits, group| (group.len() == 3).then(|| digits + group))?;
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The error of a value that cannot be used; tells its kind, never itself.
pub(super) fn bad_value(
    page: &Seen<'_>,
    (key, path): (&'static str, &JsonPath),
    expected: &'static str,
    found: Option<&Value>,
) -> SourceError {
    let near = if found.is_none() { meant(page, path) } else { None };
    let found = match found {
        None => "missing or null",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::Number(_)) => "another number",
        Some(Value::String(_)) => "other text",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    };
    SourceError::from(PagingFault::BadValue { place: page.at(), key, path: path.clone(), expected, found, near })
}

/// What stands around the records that `path` most likely stands for, where it finds nothing.
pub(in crate::source) fn meant(page: &Seen<'_>, path: &JsonPath) -> Option<String> {
    let around: Vec<String> = page.facts.signs.iter().map(|sign| path_words(&sign.path)).collect();
    nearest(&path_words(path), &around).filter(|near| *near != path_words(path))
}
