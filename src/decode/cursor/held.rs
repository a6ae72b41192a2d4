//! What declared columns hold of a record: where they take numbers that come as text, `"1.10"` and `1.1` are one value, and where an empty text is
//! null, so is it here.
//!
//! Only members of the record itself are looked at, as elsewhere in marks.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::decode::Json;
use crate::decode::token::Number;
use crate::schema::{ColumnType, DeclaredSchema};

/// The columns that hold something else than what comes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    numbers: BTreeSet<String>,
    empty_as_null: BTreeSet<String>,
}

impl Held {
    /// What is declared; `from_texts`: all values come as texts.
    pub(crate) fn new(declared: Option<&DeclaredSchema>, from_texts: bool) -> Self {
        let mut held = Self::default();
        let Some(declared) = declared else { return held };
        for column in &declared.schema.columns {
            let path = [column.name.clone()];
            let is_number =
                matches!(column.column_type, ColumnType::Int64 { .. } | ColumnType::Float64(_) | ColumnType::Decimal { .. });
            if is_number && (from_texts || declared.accepts_text(&path)) {
                held.numbers.insert(column.name.clone());
            }
            if declared.empties_are_null(&path) {
                held.empty_as_null.insert(column.name.clone());
            }
        }
        held
    }

    /// The record as its columns hold it.
    pub(super) fn of<'r>(&self, record: &'r Json) -> Cow<'r, Json> {
        let Json::Object(members) = record else { return Cow::Borrowed(record) };
        let held = |(name, value): &(String, Json)| match value {
            Json::Text(text) if text.is_empty() && self.empty_as_null.contains(name) => Some(Json::Null),
            Json::Text(text) if self.numbers.contains(name) && Number::whole(text).is_some() => {
                Some(Json::Number(text.as_str().into()))
            }
            _ => None,
        };
        if !members.iter().any(|member| held(member).is_some()) {
            return Cow::Borrowed(record);
        }
        let of = |member: &(String, Json)| (member.0.clone(), held(member).unwrap_or_else(|| member.1.clone()));
        Cow::Owned(Json::Object(members.iter().map(of).collect()))
    }
}
