//! Meaning: whether two texts of a column say the same although their bytes differ.
//!
//! In: the text that a table has and the one that came. Out: yes or no. What a table has may have been written from columns, when its own
//! column became text or JSON: then its members stand in another order, those that were null are missing, numbers are spelled another
//! way and times are in UTC. Everything else is a difference.

use crate::decode::Json;
use crate::decode::temporal::parse_timestamp;
use crate::decode::token::Number;

/// Whether the JSON text `new` is what `old` was, or is `old` again as it was before it was written from columns. With `texts_too`,
/// strings that are numbers are compared as such.
#[must_use]
pub(crate) fn same_meaning(old: &str, new: &str, texts_too: bool) -> bool {
    if old == new {
        return true;
    }
    Json::parse(old).zip(Json::parse(new)).is_some_and(|(old, new)| same(&old, &new, texts_too))
}

fn same(old: &Json, new: &Json, texts_too: bool) -> bool {
    match (old, new) {
        (Json::Number(old), Json::Number(new)) => same_number(old, new),
        (Json::Text(old), Json::Text(new)) => old == new || same_time(old, new) || (texts_too && same_number(old, new)),
        (Json::Array(old), Json::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new, texts_too))
        }
        (Json::Object(members), Json::Object(others)) => {
            let kept = |(name, value): &(String, Json)| new.member(name).is_some_and(|new| same(value, new, texts_too));
            let lost = |(name, value): &(String, Json)| *value == Json::Null || old.member(name).is_some();
            members.iter().all(kept) && others.iter().all(lost)
        }
        (old, new) => old == new,
    }
}

fn same_number(old: &str, new: &str) -> bool {
    match (Number::whole(old), Number::whole(new)) {
        (Some(old), Some(new)) => old == new,
        _ => false,
    }
}

fn same_time(old: &str, new: &str) -> bool {
    match (parse_timestamp(old), parse_timestamp(new)) {
        (Some((old, _)), Some((new, _))) => old == new,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_written_from_columns_mean_what_came() {
        for (old, new) in [
            (r#"{"b":1.1,"a":"2026-11-22T07:00:00Z"}"#, r#"{"a":"2026-11-22T08:00:00+01:00","n":null,"b":1.10}"#),
            ("[1,null,{}]", r#"[1.0,null,{"x":null}]"#),
            ("100", "1e2"),
            ("0", "-0.0"),
            (r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#),
        ] {
            assert!(same_meaning(old, new, false), "{old} {new}");
        }
        assert!(same_meaning(r#""1.1""#, r#""1.10""#, true));
    }

    #[test]
    fn whatever_else_differs_is_a_difference() {
        for (old, new) in [
            (r#"{"a":1}"#, "{}"),
            (r#"{"a":null}"#, "{}"),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#""1.1""#, r#""1.10""#),
            ("[1,2]", "[2,1]"),
            ("0.1", "0.10000000000000000001"),
            ("[]", "{}"),
            ("1", "1 2"),
        ] {
            assert!(!same_meaning(old, new, false), "{old} {new}");
        }
    }
}
