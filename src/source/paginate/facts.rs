//! Reading the values that paginators ask for, and the stop rules that two of them share.

use serde_json::Value;

use crate::base::{JsonPath, Step, Warning, WarningCode};
use crate::config::{StopRules, TotalAt, TotalPath, TotalRule, nearest, path_words};
use crate::source::SourceError;
use crate::source::error::{NamedBy, PagingFault};
use crate::source::paginate::Seen;
use crate::source::paginate::headers::{HeaderSign, header_signs};
use crate::source::paginate::names::{OBJECT_HEADERS, Role};
use crate::source::paginate::signs::{Sign, is_bound, relation_path, stands_around};
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

/// The paths of a paginator's own total: that, then what it is to the true one.
pub(super) fn wanted(stop: &StopRules) -> Vec<JsonPath> {
    let total = match &stop.total {
        TotalPath::None => None,
        TotalPath::Optional(path) | TotalPath::Required(path) => Some(path),
    };
    total.into_iter().cloned().chain(total.and_then(relation_path)).collect()
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
    let path = if let TotalPath::Optional(path) | TotalPath::Required(path) = &stop.total { relation_path(path) } else { None };
    let is_bound = path.and_then(|_| value(page, 1)).is_some_and(is_bound);
    Ok(number.map(|number| Total { number, is_bound }))
}

/// What a flag says, in every spelling that APIs have for one.
pub(super) fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(set) => Some(*set),
        Value::Number(_) => match whole_number(value)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::String(word) => match word.trim().to_ascii_lowercase().as_str() {
            "yes" | "true" | "t" | "y" | "1" | "on" => Some(true),
            "no" | "false" | "f" | "n" | "0" | "off" => Some(false),
            _ => None,
        },
        _ => None,
    }
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
    let is_left_out = || matches!(path.steps().last(), Some(Step::Key(name)) if name == "exceededTransferLimit");
    if found.is_none() && (page.page > 1 || is_left_out()) {
        return Ok((!may_be_cut(page, limit)).then_some(false));
    }
    found.and_then(truth).map(Some).ok_or_else(|| bad_value(page, ("has_more_path", path), "true or false", found))
}

/// What `end_path` says, `None` without it: some leave out what is false.
///
/// # Errors
/// [`PagingFault::BadValue`] where it is no flag.
pub(super) fn end_flag(page: &Seen<'_>, path: Option<&JsonPath>, index: usize) -> Result<Option<bool>, SourceError> {
    let Some((path, found)) = path.zip(value(page, index)) else { return Ok(None) };
    truth(found).map(Some).ok_or_else(|| bad_value(page, ("end_path", path), "true or false", Some(found)))
}

/// The error of a total that is not what was read.
pub(super) fn contradicted(page: &Seen<'_>, stop: &StopRules, unit: &'static str, read: u64, total: u64) -> SourceError {
    let (path, by) = match &stop.total {
        TotalPath::None => (None, NamedBy::Nothing),
        TotalPath::Optional(path) => (Some(path.clone()), NamedBy::Nothing),
        TotalPath::Required(path) => (Some(path.clone()), NamedBy::TotalPath),
    };
    let meant = path.as_ref().and_then(|path| other_total(page, path, unit, read));
    let at = path.map(|path| format!("at `{path}`"));
    SourceError::from(PagingFault::TotalContradicted { place: page.at(), unit, read, total, at, by, meant })
}

/// The same of a total that a rule names.
pub(super) fn rule_contradicted(page: &Seen<'_>, rule: &TotalRule, read: u64, total: u64) -> SourceError {
    let unit = rule.unit.words();
    let (at, meant) = match &rule.at {
        TotalAt::Body(path) => (format!("at `{path}`"), other_total(page, path, unit, read)),
        TotalAt::Header(name) => (format!("in the header `{name}`"), None),
    };
    let by = NamedBy::Rule;
    SourceError::from(PagingFault::TotalContradicted { place: page.at(), unit, read, total, at: Some(at), by, meant })
}

/// That the total `at` some place, which by its `key` counts pages, is the number of records; `write`: the key that says so.
pub(super) fn counts_records(at: &str, key: &str, total: u64, write: &str) -> Warning {
    let text = format!(
        "{at} says {total}, which is just the records that came and not the pages, as which `{key}` takes it; write `{write}` in its place"
    );
    Warning::new(WarningCode::TotalCountsRecords, text)
}

/// Pages that are asked for ahead of `left` by a total of pages, which may be one of records as long as these have not passed it: so that a small
/// part is asked for in vain if it is.
pub(super) fn cautious(left: u64, total: u64, (records, largest, pages): (u64, u64, u64)) -> u64 {
    let by_records = || (total - records).div_ceil(largest).max(1 + pages / 4);
    if largest > 0 && total >= records { left.min(by_records()) } else { left }
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
    stop.stop_after_empty_page || stop.has_flag()
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
    let near = if found.is_none() { meant(page, path).or_else(|| of_role(page, key)) } else { None };
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

/// What stands around the records that by its name tells what `key` is about.
fn of_role(page: &Seen<'_>, key: &str) -> Option<String> {
    let role = match key {
        "has_more_path" => Role::HasMore,
        "end_path" => Role::IsLast,
        "total_records_path" => Role::Total,
        "total_pages_path" => Role::Pages,
        _ => return None,
    };
    let signs = page.facts.signs.iter().filter(|sign| sign.role() == Some(role) && stands_around(page.facts, sign));
    signs.map(|sign| path_words(&sign.path)).next()
}

/// The same of a header; `found`: what is there.
pub(super) fn bad_header(page: &Seen<'_>, key: &'static str, name: &str, found: &'static str) -> SourceError {
    let is_total = |sign: &HeaderSign| matches!(sign.role, Role::Total | Role::Pages) && !OBJECT_HEADERS.contains(&&*sign.name);
    let near = header_signs(page.headers).into_iter().find(is_total).map(|sign| sign.name);
    PagingFault::BadHeader { place: page.at(), key, name: name.to_owned(), found, near }.into()
}

/// What stands around the records that `path` most likely stands for, where it finds nothing.
pub(in crate::source) fn meant(page: &Seen<'_>, path: &JsonPath) -> Option<String> {
    let around: Vec<String> = page.facts.signs.iter().map(|sign| path_words(&sign.path)).collect();
    nearest(&path_words(path), &around).filter(|near| *near != path_words(path))
}
