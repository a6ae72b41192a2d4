//! The values at one path of a JSON body, found without a tree of the rest.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::base::{JsonPath, Step};

/// Values that are kept of a path with `[*]`.
const FOUND_MAX: usize = 1000;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// Text, a number, a boolean or null.
    Scalar(Value),
    /// An object or array.
    Container,
}

impl Found {
    /// Its text, as it is spelled; `None` for null, objects and arrays.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Scalar(Value::String(text)) => Some(text.clone()),
            Self::Scalar(Value::Null) | Self::Container => None,
            Self::Scalar(other) => Some(other.to_string()),
        }
    }

    /// Whether it is anything but null.
    pub(super) fn is_something(&self) -> bool {
        *self != Self::Scalar(Value::Null)
    }
}

/// The values at `path`, at most [`FOUND_MAX`]; none where the body is not JSON to its end.
pub(super) fn seek(body: &[u8], path: &JsonPath) -> Vec<Found> {
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let outcome = Seek { steps: path.steps(), found: &mut found }.deserialize(&mut reader).and_then(|()| reader.end());
    if outcome.is_ok() { found } else { Vec::new() }
}

struct Seek<'a> {
    steps: &'a [Step],
    found: &'a mut Vec<Found>,
}

impl Seek<'_> {
    fn keep(self, found: Found) {
        if self.steps.is_empty() && self.found.len() < FOUND_MAX {
            self.found.push(found);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match self.steps.split_first() {
                Some((Step::Key(key), rest)) if *key == name => {
                    members.next_value_seed(Seek { steps: rest, found: &mut *self.found })?;
                }
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.keep(Found::Container);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        for index in 0.. {
            let next = match self.steps.split_first() {
                Some((Step::Every, rest)) => elements.next_element_seed(Seek { steps: rest, found: &mut *self.found })?,
                Some((Step::Index(wanted), rest)) if *wanted == index => {
                    elements.next_element_seed(Seek { steps: rest, found: &mut *self.found })?
                }
                _ => elements.next_element::<IgnoredAny>()?.map(drop),
            };
            if next.is_none() {
                break;
            }
        }
        self.keep(Found::Container);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.keep(Found::Scalar(value.into()));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.keep(Found::Scalar(value.into()));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.keep(Found::Scalar(value.into()));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.keep(Found::Scalar(value.into()));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        if self.steps.is_empty() {
            self.keep(Found::Scalar(value.into()));
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.keep(Found::Scalar(Value::Null));
        Ok(())
    }
}
