//! The wrappers that give each key of `raw` its place, its three states, and its short forms.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::base::Secret;
use crate::config::read::{EITHER, FIELD, NODE, ONE_OR_MANY, OPTION, SECRET};
use crate::config::tree::NodeId;

/// A key's value and where it stands. Null is kept apart from absence: dlt lets it take a default back.
#[derive(Debug, Clone, Default)]
pub(crate) enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The key is there and null.
    Null(NodeId),
    /// What is there is wrong; the fault is recorded.
    Invalid,
    /// The value.
    Set(NodeId, T),
}

impl<T> Field<T> {
    /// The value, where there is one.
    pub(crate) fn get(&self) -> Option<&T> {
        self.set().map(|(_, value)| value)
    }

    /// The value and its place.
    pub(crate) fn set(&self) -> Option<(NodeId, &T)> {
        if let Self::Set(id, value) = self { Some((*id, value)) } else { None }
    }

    /// Its place, where the file has it.
    pub(crate) fn place(&self) -> Option<NodeId> {
        if let Self::Set(id, _) | Self::Null(id) = self { Some(*id) } else { None }
    }

    /// Whether the key is absent or null.
    pub(crate) fn is_unset(&self) -> bool {
        matches!(self, Self::Absent | Self::Null(_))
    }

    /// This field, or `default` where the key is absent.
    pub(crate) fn or(self, default: &Self) -> Self
    where
        T: Clone,
    {
        if matches!(self, Self::Absent) { default.clone() } else { self }
    }
}

/// Names a visitor by the type it makes.
pub(crate) struct Take<T>(pub(crate) PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(FIELD, Take::<Self>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Take<Field<T>> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Field<T>, A::Error> {
        let id = NodeId(access.next_element::<u32>()?.unwrap_or_default());
        Ok(match access.next_element::<T>() {
            Ok(Some(value)) => Field::Set(id, value),
            Ok(None) => Field::Null(id),
            Err(_) => Field::Invalid,
        })
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// A value that is kept as it stands, by its node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node;

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NODE, Take::<Self>(PhantomData))
    }
}

impl Visitor<'_> for Take<Node> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_u32<E: de::Error>(self, _id: u32) -> Result<Node, E> {
        Ok(Node)
    }
}

impl JsonSchema for Node {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Any".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

/// A credential, or a value that may be one. No message shows it.
#[derive(Debug, Clone)]
pub(crate) struct Credential(pub(crate) Secret);

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SECRET, Take::<Self>(PhantomData))
    }
}

impl Credential {
    /// Reads an option's value, whose number or boolean counts as its text.
    pub(crate) fn of_scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(OPTION, Take::<Self>(PhantomData))
    }
}

impl Visitor<'_> for Take<Credential> {
    type Value = Credential;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Credential, E> {
        Ok(Credential(Secret::new(text)))
    }
}

impl JsonSchema for Credential {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Credential".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// `A` written as text, or `B` written as a map.
#[derive(Debug, Clone)]
pub(crate) enum Either<A, B> {
    /// The short form.
    Text(A),
    /// The full form.
    Map(B),
}

impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Deserialize<'de> for Either<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(EITHER, Take::<Self>(PhantomData))
    }
}

impl<'de, A: Deserialize<'de>, B: Deserialize<'de>> Visitor<'de> for Take<Either<A, B>> {
    type Value = Either<A, B>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a map")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut access: S) -> Result<Either<A, B>, S::Error> {
        let missing = || de::Error::custom("a value is missing");
        if access.next_element::<bool>()?.ok_or_else(missing)? {
            access.next_element::<A>()?.ok_or_else(missing).map(Either::Text)
        } else {
            access.next_element::<B>()?.ok_or_else(missing).map(Either::Map)
        }
    }
}

impl<A: JsonSchema, B: JsonSchema> JsonSchema for Either<A, B> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", A::schema_name(), B::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [generator.subschema_for::<A>(), generator.subschema_for::<B>()]})
    }
}

/// A list, or its one element alone.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(ONE_OR_MANY, Take::<Self>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Take<OneOrMany<T>> {
    type Value = OneOrMany<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<OneOrMany<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(OneOrMany(items))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [generator.subschema_for::<T>(), generator.subschema_for::<Vec<T>>()]})
    }
}

/// A map with free keys, in the file's order.
#[derive(Debug, Clone)]
pub(crate) struct Entries<T>(pub(crate) Vec<(String, Field<T>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Take::<Self>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Take<Entries<T>> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Entries<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": generator.subschema_for::<T>()})
    }
}

/// A type whose name may stand alone: `paginator: single_page`.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tagged<T>(pub(crate) T);

impl<T: JsonSchema> JsonSchema for Tagged<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let full = T::json_schema(generator);
        let variants = full.get("oneOf").and_then(|v| v.as_array()).cloned().unwrap_or_default();
        let names: Vec<_> = variants.iter().filter_map(|v| v.pointer("/properties/type/const").cloned()).collect();
        let default = crate::config::raw::keys::tagged(&T::schema_name()).map(|tagged| tagged.default);
        let make_type_optional = |mut variant: serde_json::Value| {
            let is_default = variant.pointer("/properties/type/const").and_then(|v| v.as_str()) == default;
            if let (true, Some(required)) = (is_default, variant.get_mut("required").and_then(|r| r.as_array_mut())) {
                required.retain(|key| key != "type");
            }
            variant
        };
        let variants: Vec<_> = variants.into_iter().map(make_type_optional).collect();
        let mut forms = vec![serde_json::json!({"type": "string", "enum": names})];
        forms.extend(variants);
        json_schema!({"description": full.get("description"), "anyOf": forms})
    }
}
