//! The serde side of reading: one node as whatever type asks for it.
//!
//! In: a node. Out: a value, or a [`ReadError`] that knows its place. Not here: collecting faults, which [`Reader`] does.

use std::fmt;

use serde::de::value::{BoolDeserializer, StrDeserializer, U32Deserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::config::fault::{Problem, listed, meant};
use crate::config::raw::keys;
use crate::config::read::{EITHER, FIELD, NODE, ONE_OR_MANY, OPTION, Reader, SECRET, clipped};
use crate::config::secrecy;
use crate::config::tree::{Entry, NodeId, Value};

/// A fault on its way up to the field it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReadError {
    pub(crate) at: Option<NodeId>,
    /// `None` when it is recorded already.
    pub(crate) problem: Option<Problem>,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.as_ref().map_or(Ok(()), |problem| problem.fmt(f))
    }
}

impl std::error::Error for ReadError {}

/// Stands for what was found until the place is known.
const FOUND: &str = "\u{0}";

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self { at: None, problem: Some(Problem::Conflict { why: why.to_string() }) }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self { at: None, problem: Some(Problem::Wrong { expected: expected.to_string(), found: FOUND.to_owned() }) }
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
}

/// Which part of a node is read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// All of it.
    Whole,
    /// A map's keys without `type`.
    Body,
    /// Nothing: the keys of a type given by its name alone.
    Empty,
}

/// One node being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'r, 'd> {
    reader: &'r Reader<'d>,
    id: NodeId,
    part: Part,
}

impl<'r, 'd> Reading<'r, 'd> {
    /// All of the node at `id`.
    pub(crate) fn new(reader: &'r Reader<'d>, id: NodeId) -> Self {
        Self { reader, id, part: Part::Whole }
    }

    fn value(&self) -> &'d Value {
        &self.reader.document.node(self.id).value
    }

    /// Gives an error its place, unless it has one from further down.
    fn placed(&self, mut error: ReadError) -> ReadError {
        if error.at.is_none() {
            error.at = Some(self.id);
            if let Some(Problem::Wrong { found, .. }) = &mut error.problem
                && found == FOUND
            {
                *found = self.reader.describe(self.id);
            }
        }
        error
    }

    fn wrong(&self, expected: impl fmt::Display) -> ReadError {
        self.found(expected, self.reader.describe(self.id))
    }

    fn found(&self, expected: impl fmt::Display, found: String) -> ReadError {
        if matches!(self.value(), Value::Faulty) {
            return ReadError { at: None, problem: None };
        }
        ReadError { at: Some(self.id), problem: Some(Problem::Wrong { expected: expected.to_string(), found }) }
    }

    /// A number or boolean's text: its own, or one that came from outside and so could only be text.
    fn bare(&self) -> Option<&'d str> {
        match self.value() {
            Value::Number(number) => Some(number),
            Value::Text(text) if !text.given.is_empty() => Some(text.text.trim()),
            _ => None,
        }
    }

    fn child(&self, id: NodeId) -> Self {
        Reading::new(self.reader, id)
    }
}

impl<'de> Deserializer<'de> for Reading<'_, '_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let value = match self.value() {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.parse(), number.parse::<f64>()) {
                (Ok(number), _) => visitor.visit_u64(number),
                (_, Ok(number)) => visitor.visit_f64(number),
                _ => Err(self.wrong("a number")),
            },
            Value::Text(text) => visitor.visit_str(&text.text),
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
            Value::Faulty => Err(ReadError { at: None, problem: None }),
        };
        value.map_err(|error| self.placed(error))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match (self.value(), self.bare()) {
            (Value::Bool(value), _) => visitor.visit_bool(*value),
            (_, Some("true")) => visitor.visit_bool(true),
            (_, Some("false")) => visitor.visit_bool(false),
            _ => Err(self.wrong("`true` or `false`")),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let quoted = matches!(self.value(), Value::Text(text) if text.text.parse::<u64>().is_ok());
        let expected = if quoted { "a whole number, without quotes" } else { "a whole number, 0 or more" };
        let number = self.bare().and_then(|number| number.parse().ok());
        visitor.visit_u64(number.ok_or_else(|| self.wrong(expected))?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let number = self.bare().and_then(|number| number.parse::<f64>().ok()).filter(|number| number.is_finite());
        visitor.visit_f64(number.ok_or_else(|| self.wrong("a number"))?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value() {
            Value::Text(text) => visitor.visit_str(&text.text).map_err(|error| self.placed(error)),
            Value::Number(_) | Value::Bool(_) => Err(self.wrong("text (in quotes)")),
            _ => Err(self.wrong("text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if matches!(self.value(), Value::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        match (name, self.value()) {
            (FIELD, _) => visitor.visit_seq(FieldAccess { reading: self, step: 0 }),
            (NODE, Value::Faulty) => Err(ReadError { at: None, problem: None }),
            (NODE, _) => visitor.visit_u32(self.id.0),
            (OPTION, Value::Number(number)) => visitor.visit_str(number),
            (OPTION, Value::Bool(value)) => visitor.visit_str(if *value { "true" } else { "false" }),
            (SECRET | OPTION, Value::Text(text)) => {
                secrecy::credential(&self.reader.document().path(self.id), &text.text);
                visitor.visit_str(&text.text).map_err(|error| self.placed(error))
            }
            (SECRET, Value::Number(_) | Value::Bool(_)) => Err(self.found("text (in quotes)", self.value().kind().to_owned())),
            (SECRET | OPTION, other) => Err(self.found("text", other.kind().to_owned())),
            (ONE_OR_MANY, Value::List(items)) => visitor.visit_seq(Elements { reading: self, items, next: 0 }),
            (ONE_OR_MANY, _) => visitor.visit_seq(Elements { reading: self, items: &[self.id], next: 0 }),
            (EITHER, Value::Text(_) | Value::Map(_)) => visitor.visit_seq(EitherAccess { reading: self, step: 0 }),
            (EITHER, _) => Err(self.wrong("text or a map")),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value() {
            Value::List(items) => visitor.visit_seq(Elements { reading: self, items, next: 0 }),
            _ => Err(self.found("a list", self.value().kind().to_owned())),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value() {
            Value::Map(entries) => visitor.visit_map(Entries { reading: self, entries: entries.iter().collect(), next: 0 }),
            _ => Err(self.found("a map", self.value().kind().to_owned())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let entries = match (self.part, self.value()) {
            (Part::Empty, _) => Vec::new(),
            (part, Value::Map(_)) => self.reader.known_entries(self.id, name, fields, part == Part::Body),
            _ => return Err(self.found(keys::map_words(name), self.value().kind().to_owned())),
        };
        visitor.visit_map(Entries { reading: self, entries, next: 0 })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let form = keys::tagged(name);
        let (variant, at, part) = match (self.value(), form) {
            (Value::Text(text), _) => (text.text.as_str(), self.id, Part::Empty),
            (Value::Map(entries), Some(tagged)) => match entries.iter().find(|entry| entry.key == "type") {
                Some(tag) => match &self.reader.document.node(tag.node).value {
                    Value::Text(text) => (text.text.as_str(), tag.node, Part::Body),
                    _ => return Err(self.child(tag.node).wrong("the name of a type")),
                },
                None if entries.is_empty() || tagged.default_with_keys => (tagged.default, self.id, Part::Body),
                None => {
                    let meaning = listed(variants);
                    return Err(ReadError {
                        at: Some(self.id),
                        problem: Some(Problem::Missing { key: "type".to_owned(), meaning }),
                    });
                }
            },
            (_, Some(_)) => return Err(self.found("a map or the name of a type", self.value().kind().to_owned())),
            (_, None) => return Err(self.found(listed(variants), self.value().kind().to_owned())),
        };
        if !variants.contains(&variant) {
            return Err(self.child(at).unknown_name(name, variant, variants));
        }
        visitor.visit_enum(Variant { reading: Reading { part, ..self }, name: variant })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

impl Reading<'_, '_> {
    fn unknown_name(&self, name: &str, variant: &str, variants: &[&str]) -> ReadError {
        let known: Vec<String> = variants.iter().map(|&variant| variant.to_owned()).collect();
        let problem = keys::explain_name(name, variant).unwrap_or_else(|| {
            let nearest = meant(variant, &known);
            let written = match self.value() {
                Value::Text(text) => clipped(text.as_written()),
                _ => String::new(),
            };
            let found = (nearest.is_some() || !keys::may_hold_secret(name)).then_some(written);
            Problem::UnknownName { what: keys::plain_name(name), found, nearest, known }
        });
        ReadError { at: Some(self.id), problem: Some(problem) }
    }
}

/// What a `Field` gets: its node's id; then, unless the value is null, the value.
struct FieldAccess<'r, 'd> {
    reading: Reading<'r, 'd>,
    step: u8,
}

impl<'de> SeqAccess<'de> for FieldAccess<'_, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.step += 1;
        match (self.step, self.reading.value()) {
            (1, _) => {
                let id: U32Deserializer<ReadError> = self.reading.id.0.into_deserializer();
                seed.deserialize(id).map(Some)
            }
            (2, Value::Null) => Ok(None),
            (2, _) => seed.deserialize(self.reading).map(Some).map_err(|error| {
                let error = self.reading.placed(error);
                self.reading.reader.record(self.reading.id, error);
                ReadError { at: None, problem: None }
            }),
            _ => Ok(None),
        }
    }
}

/// What an `Either` gets: whether the value is text; then the value.
struct EitherAccess<'r, 'd> {
    reading: Reading<'r, 'd>,
    step: u8,
}

impl<'de> SeqAccess<'de> for EitherAccess<'_, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.step += 1;
        if self.step == 1 {
            let is_text: BoolDeserializer<ReadError> = matches!(self.reading.value(), Value::Text(_)).into_deserializer();
            seed.deserialize(is_text).map(Some)
        } else {
            seed.deserialize(self.reading).map(Some)
        }
    }
}

struct Elements<'r, 'd, 'i> {
    reading: Reading<'r, 'd>,
    items: &'i [NodeId],
    next: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(&id) = self.items.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(self.reading.child(id)).map(Some)
    }
}

struct Entries<'r, 'd> {
    reading: Reading<'r, 'd>,
    entries: Vec<&'d Entry>,
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
        let key: StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self.entries.get(self.next) else { return Err(ReadError { at: None, problem: None }) };
        self.next += 1;
        seed.deserialize(self.reading.child(entry.node))
    }
}

struct Variant<'r, 'd, 'n> {
    reading: Reading<'r, 'd>,
    name: &'n str,
}

impl<'r, 'd, 'de> EnumAccess<'de> for Variant<'r, 'd, '_> {
    type Error = ReadError;
    type Variant = Body<'r, 'd>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Body<'r, 'd>), ReadError> {
        let name: StrDeserializer<'_, ReadError> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Body(self.reading)))
    }
}

struct Body<'r, 'd>(Reading<'r, 'd>);

impl<'de> VariantAccess<'de> for Body<'_, '_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, ReadError> {
        self.0.deserialize_struct("", fields, visitor)
    }
}
