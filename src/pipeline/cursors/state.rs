//! The state of a resource's cursors, as the commit keeps it beside the resource's rows.
//!
//! In and out: JSON under the key `incremental` of the resource's state. It has a format's number, what of the config it was made with, and a
//! cursor for the resource or for each parent record. Whatever does not fit is refused: a state is never begun again in silence.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::base::{CursorType, CursorValue};
use crate::config::{IncrementalPlan, LastValue, Part, ResourcePlan, Template};
use crate::pipeline::cursors::first::First;
use crate::pipeline::cursors::marking::Marking;
use crate::pipeline::cursors::marks::{self, INLINE_MAX, MarkFile, counted, each, total};
use crate::pipeline::cursors::{IncrementalError, Kin, Past};
use crate::source::UNCOUNTED;

/// The format that this program writes; it reads this and older ones, whose marks are by spelling.
const FORMAT: u64 = 3;

/// The format of a state without marks, which all programs read.
const FORMAT_UNMARKED: u64 = 1;

/// What a cursor's `marks_by` says when all of its marks are by value.
const BY_VALUE: &str = "value";

/// What a cursor says when a mark stands there once for each record that has it.
const COUNTED: &str = "marks_are_counted";

/// Most parent records with a cursor of their own.
pub(crate) const PARENTS_MAX: usize = 100_000;

/// The key of the one cursor that does not belong to a parent's record.
pub(crate) const SHARED: &str = "";

/// What is remembered of one cursor.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Remembered {
    /// The last cursor; `None` before the first record.
    pub(crate) last: Option<CursorValue>,
    /// Marks of the records that the next run may meet again, each with how many such records are loaded.
    pub(crate) marks: BTreeMap<u128, u32>,
    /// Marks of the records that were loaded without a cursor, ever.
    pub(crate) missing_marks: BTreeMap<u128, u32>,
    /// Whether some of them are of an older program, which marked records as they were spelled.
    pub(crate) has_spelled_marks: bool,
    /// Where its first run started.
    pub(crate) first: First,
    /// Windows that failed while others were loaded.
    pub(crate) pending: Vec<(CursorValue, CursorValue)>,
}

/// What of the config a state was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// `cursor_path`.
    pub(crate) cursor_path: String,
    /// `last_value_func`.
    pub(crate) last_value_func: &'static str,
    /// `client.base_url`.
    pub(crate) base_url: String,
    /// What belongs to a cursor of its own: the parents' names, none for one cursor.
    pub(crate) parents: Vec<String>,
    /// The table that has the rows up to the cursor.
    pub(crate) table: String,
    /// The endpoint's path, without the segments that have digits: versions and tokens change.
    pub(crate) path: String,
    /// What its marks are made with; `None` where nothing depends on marks.
    pub(crate) marking: Option<Marking>,
}

impl Made {
    /// What `plan` makes states with.
    pub(crate) fn new(plan: &IncrementalPlan, base_url: &str, parents: &[String]) -> Self {
        Self {
            cursor_path: plan.cursor_path.to_string(),
            last_value_func: match plan.last {
                LastValue::Max => "max",
                LastValue::Min => "min",
            },
            base_url: base_url.to_owned(),
            parents: if plan.is_per_parent { parents.to_vec() } else { Vec::new() },
            table: String::new(),
            path: String::new(),
            marking: None,
        }
    }

    /// The same, of `resource`.
    pub(crate) fn of(self, resource: &ResourcePlan, kin: Kin) -> Self {
        let marking = resource.endpoint.incremental.as_ref().and_then(|plan| Marking::of(plan, resource, kin));
        Self { table: resource.table.clone(), path: lasting_path(&resource.endpoint.request.url), marking, ..self }
    }

    /// # Errors
    /// [`IncrementalError::Changed`] for the first difference.
    fn check(&self, stored: &Map<String, Value>) -> Result<(), IncrementalError> {
        let was = |key: &str| stored.get(key).and_then(Value::as_str).unwrap_or("nothing").to_owned();
        let pairs = [
            ("endpoint.incremental.cursor_path", "cursor_path", self.cursor_path.as_str()),
            ("endpoint.incremental.last_value_func", "last_value_func", self.last_value_func),
            ("client.base_url", "base_url", self.base_url.as_str()),
        ];
        for (key, name, is) in pairs {
            if was(name) != is {
                return Err(IncrementalError::Changed { key, was: format!("`{}`", was(name)), is: format!("`{is}`") });
            }
        }
        // States of older programs do not have them.
        for (key, name, is) in [("table_name", "table", &self.table), ("endpoint.path", "path", &self.path)] {
            if let Some(was) = stored.get(name).and_then(Value::as_str).filter(|was| was != is) {
                return Err(IncrementalError::Changed { key, was: format!("`{was}`"), is: format!("`{is}`") });
            }
        }
        let parents: Vec<&str> =
            stored.get("per_parent").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        if parents != self.parents {
            let words = |parents: &[String]| {
                if parents.is_empty() { "`shared`".to_owned() } else { format!("`per_parent` of {}", parents.join(", ")) }
            };
            let was: Vec<String> = parents.iter().map(|&parent| parent.to_owned()).collect();
            return Err(IncrementalError::Changed {
                key: "endpoint.incremental.state",
                was: words(&was),
                is: words(&self.parents),
            });
        }
        Ok(())
    }
}

/// The cursors of a resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct State {
    /// What the cursors are, once one is known.
    pub(crate) kind: Option<CursorType>,
    /// By the key of the parent's record, or [`SHARED`].
    pub(crate) cursors: BTreeMap<String, Remembered>,
}

impl State {
    /// Reads what [`State::to_json`] wrote.
    ///
    /// # Errors
    /// [`IncrementalError::State`], [`IncrementalError::Changed`].
    pub(crate) fn read(past: Past<'_>, made: &Made, plan: &IncrementalPlan) -> Result<Self, IncrementalError> {
        let Some(stored) = past.state.and_then(|stored| stored.get("incremental")) else { return Ok(Self::default()) };
        let damaged = |why: &str| IncrementalError::State { why: format!("is damaged: {why}") };
        let stored = stored.as_object().ok_or_else(|| damaged("it is no object"))?;
        match stored.get("format").and_then(Value::as_u64) {
            Some(1..=FORMAT) => {}
            Some(format) => {
                return Err(IncrementalError::State { why: format!("has format {format}, which is of a newer lakeward") });
            }
            None => return Err(damaged("it has no `format`")),
        }
        made.check(stored)?;
        let kind = match stored.get("type") {
            None | Some(Value::Null) => None,
            Some(kind) => {
                let known = kind.as_str().and_then(CursorType::of_name);
                Some(known.ok_or_else(|| damaged("its `type` is none that a cursor has"))?)
            }
        };
        let cursors = stored.get("cursors").and_then(Value::as_object).ok_or_else(|| damaged("it has no `cursors`"))?;
        let mut rest = marks_file(stored, past.marks)?;
        let mut state = Self { kind, ..Self::default() };
        let sorted: BTreeMap<&String, &Value> = cursors.iter().collect();
        for (key, cursor) in sorted {
            let mut known = remembered(cursor, plan, kind).ok_or_else(|| damaged("a cursor is not as it is written"))?;
            for (name, marks) in [("marks", &mut known.marks), ("missing_marks", &mut known.missing_marks)] {
                let Some(count) = cursor.get(format!("{name}_in_file")) else { continue };
                let count = count.as_u64().and_then(|count| usize::try_from(count).ok());
                let kept = count.and_then(|count| MarkFile::take(&mut rest, count));
                *marks = counted(kept.ok_or_else(|| damaged("its file has fewer marks than it says"))?, is_counted(cursor));
            }
            let is_by_value = cursor.get("marks_by").and_then(Value::as_str) == Some(BY_VALUE);
            known.has_spelled_marks = !is_by_value && !known.marks.is_empty();
            state.cursors.insert(key.clone(), known);
        }
        if let Some(marking) = &made.marking {
            marking.check(stored, plan, &state.cursors)?;
        }
        Ok(state)
    }

    /// As the commit keeps it, and the marks that are too many to stand in it.
    pub(crate) fn to_json(&self, made: &Made) -> (Value, Option<MarkFile>) {
        let count: u64 = self.cursors.values().map(|cursor| total(&cursor.marks) + total(&cursor.missing_marks)).sum();
        let mut file = (count > INLINE_MAX as u64).then(MarkFile::default);
        let cursors: Map<String, Value> =
            self.cursors.iter().map(|(key, cursor)| (key.clone(), of_remembered(cursor, file.as_mut()))).collect();
        // Older programs do not know marks by value, and would load their records again.
        let format = if count > 0 { FORMAT } else { FORMAT_UNMARKED };
        let mut json = json!({
            "format": format,
            "cursor_path": made.cursor_path,
            "last_value_func": made.last_value_func,
            "base_url": made.base_url,
            "per_parent": made.parents,
            "table": made.table,
            "path": made.path,
            "type": self.kind.map(CursorType::name),
            "cursors": cursors,
        });
        if let Some(marking) = &made.marking {
            json["marked_by"] = marking.to_json();
        }
        (json, file)
    }
}

/// The marks that a state names; none for one that names none.
///
/// # Errors
/// [`IncrementalError::State`] when they are gone or not those that the state was written with.
fn marks_file<'a>(stored: &Map<String, Value>, bytes: Option<&'a [u8]>) -> Result<&'a [u8], IncrementalError> {
    let Some(named) = stored.get("marks") else { return Ok(&[]) };
    let text = |key: &str| named.get(key).and_then(Value::as_str).unwrap_or("?");
    let broken =
        |what: &str| IncrementalError::State { why: format!("names the file of marks `{}`, which {what}", text("file")) };
    let bytes = bytes.ok_or_else(|| broken("is gone"))?;
    if marks::hash(bytes) != text("hash") {
        return Err(broken("is not as it was written"));
    }
    Ok(bytes)
}

/// The text of a URL's path without its segments that have digits, its query and its placeholders' names.
fn lasting_path(url: &Template) -> String {
    let text: String = url.parts.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { "{}" }).collect();
    let text = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let lasting = path.split('/').filter(|segment| !segment.is_empty() && !segment.bytes().any(|byte| byte.is_ascii_digit()));
    lasting.collect::<Vec<_>>().join("/")
}

/// A number stays one, so that a cursor is remembered in the API's own spelling.
pub(super) fn of_value(value: &CursorValue) -> Value {
    if value.is_quoted() { json!(value.text()) } else { json!({"number": value.text()}) }
}

pub(super) fn value(stored: &Value, plan: &IncrementalPlan, kind: Option<CursorType>) -> Option<CursorValue> {
    let value = match stored {
        Value::String(text) => plan.form.text(text),
        Value::Object(members) => plan.form.number(members.get("number")?.as_str()?)?,
        _ => return None,
    };
    kind.is_none_or(|kind| kind == value.kind()).then_some(value)
}

fn of_remembered(cursor: &Remembered, mut file: Option<&mut MarkFile>) -> Value {
    let mut json = Map::new();
    for (name, marks) in [("marks", &cursor.marks), ("missing_marks", &cursor.missing_marks)] {
        match &mut file {
            _ if marks.is_empty() => {}
            Some(file) => {
                each(marks).for_each(|mark| file.push(mark));
                json.insert(format!("{name}_in_file"), json!(total(marks)));
            }
            None => {
                let spelled: Vec<String> = each(marks).map(|mark| format!("{mark:032x}")).collect();
                json.insert(name.to_owned(), json!(spelled));
            }
        }
    }
    json.insert("last_value".to_owned(), cursor.last.as_ref().map_or(Value::Null, of_value));
    if let (Some(_), First::At(first)) = (&cursor.last, &cursor.first) {
        json.insert("first_value".to_owned(), first.as_ref().map_or(Value::Null, of_value));
    }
    if !cursor.marks.is_empty() && !cursor.has_spelled_marks {
        json.insert("marks_by".to_owned(), json!(BY_VALUE));
    }
    let mut counts = cursor.marks.values().chain(cursor.missing_marks.values()).peekable();
    if counts.peek().is_some() && counts.all(|count| *count != UNCOUNTED) {
        json.insert(COUNTED.to_owned(), json!(true));
    }
    if !cursor.pending.is_empty() {
        let pending: Vec<Value> = cursor.pending.iter().map(|(start, end)| json!([of_value(start), of_value(end)])).collect();
        json.insert("pending".to_owned(), json!(pending));
    }
    Value::Object(json)
}

/// Whether a cursor's marks stand there once for each record.
fn is_counted(cursor: &Value) -> bool {
    cursor.get(COUNTED) == Some(&Value::Bool(true))
}

fn remembered(stored: &Value, plan: &IncrementalPlan, kind: Option<CursorType>) -> Option<Remembered> {
    let members = stored.as_object()?;
    let last = match members.get("last_value")? {
        Value::Null => None,
        last => Some(value(last, plan, kind)?),
    };
    let first = match members.get("first_value") {
        None => First::Unknown,
        Some(Value::Null) => First::At(None),
        Some(first) => First::At(Some(value(first, plan, None)?)),
    };
    let list = |key: &str| members.get(key).map_or(Some(&[][..]), |list| list.as_array().map(Vec::as_slice));
    let mark = |mark: &Value| u128::from_str_radix(mark.as_str()?, 16).ok();
    let marks = |key: &str| {
        let written: Vec<u128> = list(key)?.iter().map(mark).collect::<Option<_>>()?;
        Some(counted(written, is_counted(stored)))
    };
    let window = |window: &Value| match window.as_array()?.as_slice() {
        [start, end] => Some((value(start, plan, None)?, value(end, plan, None)?)),
        _ => None,
    };
    Some(Remembered {
        last,
        marks: marks("marks")?,
        missing_marks: marks("missing_marks")?,
        has_spelled_marks: false,
        first,
        pending: list("pending")?.iter().map(window).collect::<Option<_>>()?,
    })
}
