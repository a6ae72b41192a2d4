//! What happens to each record before it becomes a row.

use chrono_tz::Tz;

use crate::base::{JsonPath, Secret, Step};
use crate::config::{DeclaredType, Expression};

/// One step, and how messages name it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepPlan {
    /// As `processing_steps[0].filter`.
    pub(crate) place: String,
    /// What it does.
    pub(crate) action: StepAction,
}

/// What a step does. Paths lead through objects (`a.b`) and lists (`a[*].b`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StepAction {
    /// Keeps the records for which the expression is true.
    Filter(Expression),
    /// Gives members a value; objects on the way are made. Every expression sees the record as it was before the step.
    Set(Vec<(JsonPath, Expression)>),
    /// Takes members out.
    Drop(Vec<JsonPath>),
    /// Takes all others out.
    Keep(Vec<JsonPath>),
    /// Gives members another name, at their place.
    Rename(Vec<(JsonPath, String)>),
    /// Brings values to a type.
    Cast(Vec<(JsonPath, CastPlan)>),
    /// Puts a digest in place of values.
    Hash {
        /// Of which members.
        paths: Vec<JsonPath>,
        /// HMAC-SHA-256 with this key; without one, SHA-256.
        key: Option<Secret>,
    },
    /// Covers the characters of values.
    Mask {
        /// Of which members.
        paths: Vec<JsonPath>,
        /// Characters at the end that stay; a value that is not longer is covered whole.
        keep_last: usize,
        /// What stands in place of each other character.
        with: char,
    },
    /// Makes a record of each element of a list.
    Explode {
        /// The list; names only.
        path: JsonPath,
        /// The column that takes the element; the list's own place without one.
        column: Option<String>,
        /// Whether a record without elements stays, with null.
        keep_empty: bool,
    },
}

/// A type to bring a value to, and from what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CastPlan {
    /// The type.
    pub(crate) to: CastType,
    /// Whether an empty text is null.
    pub(crate) empty_as_null: bool,
}

/// The types of a cast.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CastType {
    /// Whole numbers.
    Integer,
    /// Numbers with a point.
    Float,
    /// Exact decimals.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// The text of scalars, the JSON text of others.
    Text,
    /// `true` and `false`, also from 0 and 1, `yes` and `no`, `y` and `n`, `t` and `f`, `on` and `off`.
    Boolean,
    /// A point in time.
    Timestamp(TimeSource),
    /// A day.
    Date(TimeSource),
    /// JSON text.
    Json,
}

/// How a time is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TimeSource {
    /// RFC 3339; without a zone in the text, in this one.
    Iso(Option<Tz>),
    /// As `/Date(1700000000000+0100)/`.
    JsonDate,
    /// A count since 1970-01-01T00:00:00Z of which this many make a second.
    Epoch {
        /// 1, 1000, 1000000 or 1000000000.
        per_second: i64,
    },
    /// After a strftime pattern; without a zone in the pattern, in this one.
    Format {
        /// As chrono reads it.
        pattern: String,
        /// A time's zone.
        zone: Option<Tz>,
    },
}

impl StepPlan {
    /// The columns whose type is known from `steps`: those of casts that no later step renames away, takes out or computes anew.
    pub(crate) fn declared_columns(steps: &[Self]) -> Vec<(String, DeclaredType)> {
        let mut columns: Vec<(String, DeclaredType)> = Vec::new();
        for step in steps {
            match &step.action {
                StepAction::Filter(_) => {}
                StepAction::Set(values) => columns.retain(|(name, _)| !values.iter().any(|(path, _)| is_column(path, name))),
                StepAction::Drop(paths) | StepAction::Hash { paths, .. } | StepAction::Mask { paths, .. } => {
                    columns.retain(|(name, _)| !paths.iter().any(|path| is_column(path, name)));
                }
                StepAction::Keep(paths) => columns.retain(|(name, _)| paths.iter().any(|path| is_column(path, name))),
                StepAction::Rename(renames) => {
                    for (name, _) in &mut columns {
                        if let Some((_, new)) = renames.iter().find(|(path, _)| is_column(path, name)) {
                            name.clone_from(new);
                        }
                    }
                }
                StepAction::Cast(casts) => {
                    for (path, plan) in casts {
                        if let [Step::Key(name)] = path.steps() {
                            columns.retain(|(known, _)| known != name);
                            columns.push((name.clone(), plan.to.declared()));
                        }
                    }
                }
                StepAction::Explode { path, column, .. } => {
                    let taken = |name: &String| is_column(path, name) || column.as_ref() == Some(name);
                    columns.retain(|(name, _)| !taken(name));
                }
            }
        }
        columns
    }

    /// The step after which no record has the member `name` any more, if there is one.
    pub(crate) fn taking_out<'s>(steps: &'s [Self], name: &str) -> Option<&'s str> {
        let mut by: Option<&Self> = None;
        for step in steps {
            let (takes, gives) = match &step.action {
                StepAction::Filter(_) | StepAction::Cast(_) | StepAction::Hash { .. } | StepAction::Mask { .. } => (false, false),
                StepAction::Set(values) => (false, values.iter().any(|(path, _)| is_within(path, name))),
                StepAction::Drop(paths) => (paths.iter().any(|path| is_column(path, name)), false),
                StepAction::Keep(paths) => (!paths.iter().any(|path| is_within(path, name)), false),
                StepAction::Rename(renames) => (
                    renames.iter().any(|(path, new)| is_column(path, name) && new != name),
                    renames.iter().any(|(path, new)| path.steps().len() == 1 && new == name),
                ),
                StepAction::Explode { column, .. } => (false, column.as_deref() == Some(name)),
            };
            by = if gives { None } else { by.or_else(|| takes.then_some(step)) };
        }
        by.map(|step| step.place.as_str())
    }
}

/// Whether the path leads to the column `name`, or into it.
fn is_within(path: &JsonPath, name: &str) -> bool {
    path.steps().first().is_none_or(|step| !matches!(step, Step::Key(key) if key != name))
}

pub(super) fn is_column(path: &JsonPath, name: &str) -> bool {
    matches!(path.steps(), [Step::Key(key)] if key == name)
}

impl CastType {
    /// The column's type that holds what the cast makes.
    fn declared(&self) -> DeclaredType {
        match self {
            Self::Integer => DeclaredType::Integer,
            Self::Float => DeclaredType::Float,
            Self::Decimal { precision, scale } => DeclaredType::Decimal { precision: *precision, scale: *scale },
            Self::Text => DeclaredType::Text,
            Self::Boolean => DeclaredType::Boolean,
            Self::Timestamp(_) => DeclaredType::Timestamp,
            Self::Date(_) => DeclaredType::Date,
            Self::Json => DeclaredType::Json,
        }
    }
}
