//! Types that are written as one text or number: durations, sizes, paths.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::base::JsonPath;
use crate::config::raw::field::Take;
use crate::config::units;

/// Why a scalar is not what it should be.
#[derive(Debug)]
pub(crate) enum ScalarError {
    /// Not of the expected form.
    Form,
    /// Of that form, but wrong in itself; the text says how.
    Why(String),
}

/// A type written as one text or number.
pub(crate) trait FromScalar: Sized {
    /// What is expected, with an example.
    const EXPECTED: &'static str;
    /// Whether a bare number is a way to write it.
    const NUMBERS: bool = false;

    /// Reads it from text.
    ///
    /// # Errors
    /// [`ScalarError`] when the text is not one.
    fn from_text(text: &str) -> Result<Self, ScalarError>;

    /// Reads it from a number.
    fn from_number(_number: f64) -> Option<Self> {
        None
    }
}

/// A [`FromScalar`] read from the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scalar<T>(pub(crate) T);

impl<'de, T: FromScalar> Deserialize<'de> for Scalar<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Take::<Self>(PhantomData))
    }
}

impl<T: FromScalar> Visitor<'_> for Take<Scalar<T>> {
    type Value = Scalar<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar<T>, E> {
        T::from_text(text).map(Scalar).map_err(|error| match error {
            ScalarError::Form => E::invalid_value(de::Unexpected::Other("text"), &self),
            ScalarError::Why(why) => E::custom(why),
        })
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar<T>, E> {
        #[expect(clippy::cast_precision_loss, reason = "sizes and durations past 2^53 are refused by their bounds")]
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar<T>, E> {
        T::from_number(number).map(Scalar).ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
    }
}

impl<T: FromScalar> JsonSchema for Scalar<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let types = if T::NUMBERS { json_schema!({"type": ["string", "number"]}) } else { json_schema!({"type": "string"}) };
        let mut schema = types;
        schema.insert("description".to_owned(), T::EXPECTED.into());
        schema
    }
}

impl FromScalar for Duration {
    const EXPECTED: &'static str = "a duration such as \"30s\", \"500ms\", \"10m\" or \"1h\", or a number of seconds";
    const NUMBERS: bool = true;

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        units::duration(text).ok_or(ScalarError::Form)
    }

    fn from_number(number: f64) -> Option<Self> {
        units::seconds(number)
    }
}

impl FromScalar for JsonPath {
    const EXPECTED: &'static str = "a JSON path such as \"data.items\"";

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        JsonPath::parse(text).map_err(|error| ScalarError::Why(error.to_string()))
    }
}
