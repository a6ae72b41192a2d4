//! A JSON file with places: values that know their path and line.
//!
//! In: a file's text. Out: nodes of it. Invariants: a member name stands once in its object. Lines are looked up only for
//! errors.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::base::{JsonPath, Step};
use crate::schema::SchemaError;

/// A parsed file.
#[derive(Debug)]
pub(super) struct Document<'a> {
    file: &'a str,
    text: &'a str,
    value: Value,
}

/// A value of a [`Document`], with its place.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    document: &'a Document<'a>,
    value: &'a Value,
    steps: Vec<Step>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(file: &'a str, text: &'a str) -> Result<Self, SchemaError> {
        let Strict(value) =
            serde_json::from_str(text).map_err(|source| SchemaError::NotJson { file: file.to_owned(), source })?;
        Ok(Self { file, text, value })
    }

    pub(super) fn root(&'a self) -> Node<'a> {
        Node { document: self, value: &self.value, steps: Vec::new() }
    }

    /// The value behind a local JSON pointer (RFC 6901), `/$defs/address`.
    pub(super) fn pointed(&'a self, pointer: &str) -> Option<Node<'a>> {
        let mut node = self.root();
        for name in pointer.strip_prefix('/')?.split('/') {
            let name = name.replace("~1", "/").replace("~0", "~");
            node = node.member(&name).or_else(|| node.elements()?.into_iter().nth(name.parse().ok()?))?;
        }
        Some(node)
    }

    /// The line, from 1, on which the value at `steps` begins.
    fn line_of(&self, steps: &[Step]) -> usize {
        let follow = |raw: &'a str, step: &Step| -> Option<&'a str> {
            let next: &'a RawValue = match step {
                Step::Key(name) => serde_json::from_str::<HashMap<String, &'a RawValue>>(raw).ok()?.remove(name)?,
                Step::Index(index) => serde_json::from_str::<Vec<&'a RawValue>>(raw).ok()?.get(*index).copied()?,
                Step::Every => return None,
            };
            Some(next.get())
        };
        let raw = steps.iter().try_fold(self.text.trim_start(), follow).unwrap_or(self.text);
        let offset = (raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        1 + self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
    }
}

impl<'a> Node<'a> {
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// Whether both are the same place of the same file.
    pub(super) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.value, other.value)
    }

    pub(super) fn member(&self, name: &str) -> Option<Self> {
        let value = self.value.as_object()?.get(name)?;
        Some(self.below(value, Step::Key(name.to_owned())))
    }

    /// The members in the order of the file; `None` for what is no object.
    pub(super) fn members(&self) -> Option<Vec<(&'a str, Self)>> {
        let members = self.value.as_object()?;
        Some(members.iter().map(|(name, value)| (name.as_str(), self.below(value, Step::Key(name.clone())))).collect())
    }

    /// The elements; `None` for what is no array.
    pub(super) fn elements(&self) -> Option<Vec<Self>> {
        let elements = self.value.as_array()?;
        Some(elements.iter().enumerate().map(|(at, value)| self.below(value, Step::Index(at))).collect())
    }

    fn below(&self, value: &'a Value, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { document: self.document, value, steps }
    }

    /// An error at this place.
    pub(super) fn fault(&self, problem: impl Into<String>) -> SchemaError {
        SchemaError::Declared {
            file: self.document.file.to_owned(),
            line: self.document.line_of(&self.steps),
            path: JsonPath::from_steps(self.steps.clone()).to_string(),
            problem: problem.into(),
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, SchemaError> {
        self.value.as_str().ok_or_else(|| self.fault(format!("expected a text, found {}", self.what())))
    }

    pub(super) fn flag(&self) -> Result<bool, SchemaError> {
        self.value.as_bool().ok_or_else(|| self.fault(format!("expected true or false, found {}", self.what())))
    }

    /// What stands here, in words.
    pub(super) fn what(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

/// A JSON value in which no object names a member twice: `serde_json` would keep the last in silence.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(element)) = elements.next_element()? {
            all.push(element);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if all.contains_key(&name) {
                return Err(A::Error::custom(format_args!("`{name}` stands twice in this object")));
            }
            let Strict(value) = members.next_value()?;
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}
