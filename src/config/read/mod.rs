//! A serde deserializer over a [`Document`], which does not stop at the first fault.
//!
//! In: a document. Out: the types of `raw`, and every fault with its place. How it goes on: the types of `raw` wrap each key's
//! value in a [`Field`](crate::config::raw::Field), which asks for itself by the name [`FIELD`]; what goes wrong below it is
//! recorded here and the field reads as invalid. Keys that a struct does not have are recorded and passed over.
//!
//! Enums are maps tagged by `type`, as in dlt, or the name alone. Secrets are asked for by the name [`SECRET`]; no message
//! shows their value.

mod deserializer;

use std::cell::RefCell;

use serde::de;

use crate::config::fault::{Fault, Problem, meant};
use crate::config::raw::keys;
use crate::config::read::deserializer::{ReadError, Reading};
use crate::config::tree::{Document, Entry, Mark, NodeId, Text, Value, join_key};

/// Newtype name by which a `Field` asks for its place and value.
pub(crate) const FIELD: &str = "lakeward::Field";
/// Newtype name by which a value asks for its node only.
pub(crate) const NODE: &str = "lakeward::Node";
/// Newtype name by which a credential asks for its text.
pub(crate) const SECRET: &str = "lakeward::Secret";
/// Newtype name by which an option asks for its text, be it a number or boolean. No message shows it either.
pub(crate) const OPTION: &str = "lakeward::Option";
/// Newtype name by which a list takes a lone value as its one element.
pub(crate) const ONE_OR_MANY: &str = "lakeward::OneOrMany";
/// Newtype name by which a type asks whether it stands there as a text or as a map.
pub(crate) const EITHER: &str = "lakeward::Either";

/// A document being read, and what was wrong so far.
#[derive(Debug)]
pub(crate) struct Reader<'d> {
    document: &'d Document,
    faults: RefCell<Vec<Fault>>,
}

impl<'d> Reader<'d> {
    /// Reads `document`, adding to `faults`.
    pub(crate) fn new(document: &'d Document, faults: Vec<Fault>) -> Self {
        Self { document, faults: RefCell::new(faults) }
    }

    /// The document.
    pub(crate) fn document(&self) -> &'d Document {
        self.document
    }

    /// The faults recorded.
    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    /// Reads the whole document as `T`; `None` when its root is of another form, which is recorded.
    pub(crate) fn read<T: de::DeserializeOwned>(&self) -> Option<T> {
        self.read_at(Document::ROOT)
    }

    /// Reads the value at `id` as `T`; `None` when it is of another form, which is recorded.
    pub(crate) fn read_at<T: de::DeserializeOwned>(&self, id: NodeId) -> Option<T> {
        let read = T::deserialize(Reading::new(self, id));
        read.map_err(|error| self.record(id, error)).ok()
    }

    /// Records a fault of the value at `id`.
    pub(crate) fn fault(&self, id: NodeId, problem: Problem) {
        let mark = self.document.node(id).mark;
        self.push(mark, self.document.path(id), self.as_written(id, problem));
    }

    /// Records that the value at `id` is not what was expected. Not for credentials: the value is shown as written.
    pub(crate) fn wrong(&self, id: NodeId, expected: impl Into<String>) {
        self.fault(id, Problem::Wrong { expected: expected.into(), found: self.describe(id) });
    }

    /// Records that a value rules out another.
    pub(crate) fn conflict(&self, id: NodeId, why: impl Into<String>) {
        self.fault(id, Problem::Conflict { why: why.into() });
    }

    /// Records that the map at `id` lacks `key`.
    pub(crate) fn missing(&self, id: NodeId, key: &str, meaning: &str) {
        self.fault(id, Problem::Missing { key: key.to_owned(), meaning: meaning.to_owned() });
    }

    /// What stands at `id`, as written.
    pub(crate) fn describe(&self, id: NodeId) -> String {
        match &self.document.node(id).value {
            Value::Text(text) if text.text.is_empty() => "empty text".to_owned(),
            // A URL with user info holds a password.
            Value::Text(text) if text.text.contains("://") && text.text.contains('@') => "text".to_owned(),
            Value::Text(text) => match self.given(id) {
                Some((of, true)) => of,
                _ => format!("the text `{}`", clipped(text.as_written())),
            },
            Value::Number(number) => format!("the number `{}`", clipped(number)),
            Value::Bool(value) => format!("`{value}`"),
            other => other.kind().to_owned(),
        }
    }

    /// What the text at `id` begins with, in words, where that came from the environment or a file, and whether it is all of it.
    pub(crate) fn given(&self, id: NodeId) -> Option<(String, bool)> {
        let Value::Text(text) = &self.document.node(id).value else { return None };
        let (reference, rest) = text.written.as_deref()?.strip_prefix("${")?.split_once('}')?;
        text.given.first().filter(|range| range.start == 0)?;
        let of = match reference.strip_prefix("file:") {
            Some(path) => format!("the content of `{path}`"),
            None => {
                let name = reference.split(":-").next().unwrap_or_default();
                format!("the value of `{}`", name.strip_suffix(":public").unwrap_or(name))
            }
        };
        Some((of, rest.is_empty()))
    }

    /// Records that what stands at `id` is no URL; of one that came from outside, whether it is for want of a scheme.
    pub(crate) fn no_url(&self, id: NodeId, text: &str) {
        let text = text.trim_start().to_ascii_lowercase();
        match self.given(id) {
            Some((of, _)) if !text.starts_with("http://") && !text.starts_with("https://") => {
                self.conflict(id, format!("{of} does not begin with `http://` or `https://`"));
            }
            _ => self.wrong(id, "an `http://` or `https://` URL"),
        }
    }

    /// The same problem, told without what came from the environment or a file.
    fn as_written(&self, id: NodeId, mut problem: Problem) -> Problem {
        if let Value::Text(Text { text, written: Some(written), .. }) = &self.document.node(id).value {
            match &mut problem {
                Problem::Conflict { why: shown }
                | Problem::File { file: shown, .. }
                | Problem::Placeholder { name: shown, .. } => {
                    *shown = shown.replace(text.as_str(), written);
                }
                _ => {}
            }
        }
        problem
    }

    fn push(&self, mark: Mark, path: String, problem: Problem) {
        self.faults.borrow_mut().push(Fault { line: mark.line, column: mark.column, path, problem });
    }

    fn record(&self, id: NodeId, error: ReadError) {
        match error.problem {
            None => {}
            Some(problem) => self.fault(error.at.unwrap_or(id), problem),
        }
    }

    /// Records the keys of a map that `name` does not have, and gives the others.
    fn known_entries(&self, id: NodeId, name: &str, known: &'static [&'static str], tagged: bool) -> Vec<&'d Entry> {
        let Value::Map(entries) = &self.document.node(id).value else { return Vec::new() };
        let mut kept = Vec::new();
        for entry in entries {
            let key = entry.key.as_str();
            if known.contains(&key) {
                kept.push(entry);
            } else if !(tagged && key == "type") {
                let problem = keys::explain(name, key).unwrap_or_else(|| unknown_key(name, key, known, tagged));
                self.push(entry.mark, join_key(&self.document.path(id), key), problem);
            }
        }
        kept
    }
}

fn unknown_key(structure: &str, key: &str, known: &[&str], tagged: bool) -> Problem {
    let mut known: Vec<String> = known.iter().map(|&key| key.to_owned()).collect();
    if tagged {
        known.insert(0, "type".to_owned());
    }
    let nearest = meant(key, &known);
    if nearest.is_none()
        && let Some(home) = keys::home_of_nearest(structure, key)
    {
        return Problem::MisplacedKey { key: key.to_owned(), home };
    }
    Problem::UnknownKey { key: key.to_owned(), nearest, known }
}

/// At most 60 characters on one line.
fn clipped(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= 60 { line } else { line.chars().take(57).chain("...".chars()).collect() }
}
