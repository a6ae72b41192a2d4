//! Steps: what the config's `processing_steps` do to a record before it becomes a row.
//!
//! In: the steps' plans and one record at a time, exact. Out: no record, the record, or several of it; or a [`StepMisfit`], and then the record as it
//! came is a reject. Pure, and steps do not see other records. Invariants: what no step touches keeps every digit; what a step cannot do is never passed
//! over in silence; depth stays what it was, but for the objects that a `set` makes on its way.
//! Not here: counting (the caller does), types of columns.

mod cast;
mod cover;
mod hook;
mod places;
mod scope;
#[cfg(test)]
mod tests;
mod time;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::{JsonPath, Secret, Step};
use crate::config::{Expression, StepAction, StepPlan};
use crate::decode::Json;
use crate::decode::steps::cast::cast;
use crate::decode::steps::cover::{hashed, masked};
use crate::decode::steps::places::{at_places, keep, put, remove, rename, take};
use crate::decode::steps::scope::evaluate;

/// Most records that one record may become.
const RECORDS_MAX: usize = 100_000;

/// Why a step cannot do its work on a record. Never shows a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepMisfit {
    /// Where in the record, as `$.amount`; `$` for an expression.
    pub(crate) path: String,
    /// What the step needs there, and which step.
    pub(crate) expected: String,
    /// What was found: a kind.
    pub(crate) actual: String,
}

/// The steps of one resource.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    steps: Vec<StepPlan>,
    /// The paths that steps name, and whether any record had them.
    seen: Vec<(String, AtomicBool)>,
}

/// What one place of a record was found to be.
type Outcome<T> = Result<T, StepMisfit>;

impl Steps {
    /// Steps in order.
    pub(crate) fn new(steps: &[StepPlan]) -> Self {
        let named = |step: &StepPlan| -> Vec<String> {
            let shown = |path: &JsonPath| format!("`{}` names `{path}`", step.place);
            match &step.action {
                StepAction::Filter(_) | StepAction::Set(_) => Vec::new(),
                StepAction::Drop(paths) | StepAction::Keep(paths) => paths.iter().map(shown).collect(),
                StepAction::Hash { paths, .. } | StepAction::Mask { paths, .. } => paths.iter().map(shown).collect(),
                StepAction::Rename(renames) => renames.iter().map(|(path, _)| shown(path)).collect(),
                StepAction::Cast(casts) => casts.iter().map(|(path, _)| shown(path)).collect(),
                StepAction::Explode { path, .. } => vec![shown(path)],
            }
        };
        let seen = steps.iter().flat_map(named).map(|name| (name, AtomicBool::new(false))).collect();
        Self { steps: steps.to_vec(), seen }
    }

    /// The steps' plans.
    fn plans(&self) -> &[StepPlan] {
        &self.steps
    }

    /// Paths that no record had so far, each with the step that names it: most likely misspelt, and what was to be dropped or hashed is still there.
    pub(crate) fn unmatched(&self) -> Vec<String> {
        self.seen.iter().filter(|(_, seen)| !seen.load(Ordering::Relaxed)).map(|(name, _)| name.clone()).collect()
    }

    /// Applies the steps to a record, appending what becomes of it to `out`.
    ///
    /// # Errors
    /// [`StepMisfit`] from the first step that cannot do its work; `out` is then as it was.
    pub(crate) fn apply(&self, record: Json, out: &mut Vec<Json>) -> Result<(), StepMisfit> {
        let start = out.len();
        let applied = self.apply_from(0, 0, record, out, start);
        if applied.is_err() {
            out.truncate(start);
        }
        applied
    }

    /// Applies the steps from `at`, of which `seen` paths come before.
    fn apply_from(&self, at: usize, seen: usize, mut record: Json, out: &mut Vec<Json>, start: usize) -> Outcome<()> {
        let mut seen = seen;
        for (at, step) in self.steps.iter().enumerate().skip(at) {
            match &step.action {
                StepAction::Filter(expression) => {
                    let (kept, back) = is_kept(&step.place, expression, record)?;
                    if !kept {
                        return Ok(());
                    }
                    record = back;
                }
                StepAction::Explode { path, column, keep_empty } => {
                    let next = |record, out: &mut Vec<Json>| self.apply_from(at + 1, seen + 1, record, out, start);
                    let Some(elements) = elements_of(&step.place, path, &mut record)? else {
                        // Without the list there is nothing to repeat the record for.
                        return if *keep_empty {
                            next(with(record, path, column.as_deref(), Json::Null, &step.place)?, out)
                        } else {
                            Ok(())
                        };
                    };
                    self.note(seen);
                    return match elements.is_empty() {
                        true if *keep_empty => next(with(record, path, column.as_deref(), Json::Null, &step.place)?, out),
                        _ => elements.into_iter().try_for_each(|element| {
                            if out.len() - start >= RECORDS_MAX {
                                return Err(StepMisfit::new(
                                    path,
                                    format!("a list that makes at most {RECORDS_MAX} records (`{}`)", step.place),
                                    "more",
                                ));
                            }
                            next(with(record.clone(), path, column.as_deref(), element, &step.place)?, out)
                        }),
                    };
                }
                action => record = self.change(&step.place, action, record, &mut seen)?,
            }
        }
        out.push(record);
        Ok(())
    }

    /// Does what changes a record and leaves it one.
    fn change(&self, place: &str, action: &StepAction, mut record: Json, seen: &mut usize) -> Outcome<Json> {
        let mut note = |found: bool| {
            if found {
                self.note(*seen);
            }
            *seen += 1;
        };
        match action {
            StepAction::Set(values) => {
                let mut computed = Vec::with_capacity(values.len());
                for (path, expression) in values {
                    let (value, back) = evaluate(place, expression, record)?;
                    record = back;
                    computed.push((path, value));
                }
                for (path, value) in computed {
                    put(&mut record, path.steps(), value)
                        .map_err(|actual| StepMisfit::new(path, format!("an object on the way (`{place}`)"), actual))?;
                }
            }
            StepAction::Drop(paths) => paths.iter().for_each(|path| note(remove(&mut record, path.steps()))),
            StepAction::Keep(paths) => {
                for path in paths {
                    note(at_places(&mut record, path.steps(), &mut |_| Ok::<(), StepMisfit>(()))?);
                }
                record = keep(record, &paths.iter().map(JsonPath::steps).collect::<Vec<_>>());
            }
            StepAction::Rename(renames) => {
                for (path, name) in renames {
                    let renamed = rename(&mut record, path.steps(), name);
                    note(
                        renamed
                            .map_err(|()| StepMisfit::new(path, format!("no member `{name}` beside it (`{place}`)"), "one"))?,
                    );
                }
            }
            StepAction::Cast(casts) => {
                for (path, plan) in casts {
                    note(replace(&mut record, path, place, &mut |value| cast(value, plan))?);
                }
            }
            StepAction::Hash { paths, key } => {
                for path in paths {
                    note(replace(&mut record, path, place, &mut |value| Ok(hashed(value, key.as_ref().map(Secret::expose))))?);
                }
            }
            StepAction::Mask { paths, keep_last, with } => {
                for path in paths {
                    note(replace(&mut record, path, place, &mut |value| masked(value, *keep_last, *with))?);
                }
            }
            StepAction::Filter(_) | StepAction::Explode { .. } => {}
        }
        Ok(record)
    }

    fn note(&self, at: usize) {
        if let Some((_, seen)) = self.seen.get(at)
            && !seen.load(Ordering::Relaxed)
        {
            seen.store(true, Ordering::Relaxed);
        }
    }
}

/// Why a value is not what a step takes: what it takes, and the kind of what was found.
struct Unfit {
    expected: String,
    actual: &'static str,
}

/// Puts what `change` makes of each value at `path` in its place; whether there was one. Null stays null.
fn replace(
    record: &mut Json,
    path: &JsonPath,
    place: &str,
    change: &mut dyn FnMut(Json) -> Result<Json, Unfit>,
) -> Outcome<bool> {
    at_places(record, path.steps(), &mut |value: &mut Json| {
        if *value != Json::Null {
            let was = std::mem::replace(value, Json::Null);
            *value =
                change(was).map_err(|unfit| StepMisfit::new(path, format!("{} (`{place}`)", unfit.expected), unfit.actual))?;
        }
        Ok(())
    })
}

fn is_kept(place: &str, expression: &Expression, record: Json) -> Outcome<(bool, Json)> {
    match evaluate(place, expression, record)? {
        (Json::Bool(kept), record) => Ok((kept, record)),
        (other, _) => Err(StepMisfit {
            path: "$".to_owned(),
            expected: format!("a record for which `{expression}` is true or false (`{place}`)"),
            actual: format!("{} as its value", with_article(other.kind())),
        }),
    }
}

/// The elements of the list at `path`, taken out; `None` where there is no list but null or nothing.
fn elements_of(place: &str, path: &JsonPath, record: &mut Json) -> Outcome<Option<Vec<Json>>> {
    match take(record, path.steps()) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Array(elements)) => Ok(Some(elements)),
        Some(other) => Err(StepMisfit::new(path, format!("an array (`{place}`)"), other.kind())),
    }
}

/// The record with an element in the list's place, or as a column of its own.
fn with(mut record: Json, path: &JsonPath, column: Option<&str>, element: Json, place: &str) -> Outcome<Json> {
    let own = column.map(|column| [Step::Key(column.to_owned())]);
    if own.is_some() {
        remove(&mut record, path.steps());
    }
    let steps = own.as_ref().map_or(path.steps(), |own| own.as_slice());
    if let (Some(column), Some(_)) = (column, column.and_then(|column| record.member(column))) {
        return Err(StepMisfit::new(path, format!("no member `{column}` beside it (`{place}`)"), "one"));
    }
    put(&mut record, steps, element)
        .map_err(|actual| StepMisfit::new(path, format!("an object on the way (`{place}`)"), actual))?;
    Ok(record)
}

fn with_article(kind: &str) -> String {
    match kind {
        "null" => kind.to_owned(),
        "array" | "object" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

impl StepMisfit {
    fn new(path: &JsonPath, expected: String, actual: &str) -> Self {
        let steps = path.steps().to_vec();
        Self { path: JsonPath::from_steps(steps).to_string(), expected, actual: actual.to_owned() }
    }
}
