//! What a record is known by when it comes again: its bytes, or the values of its key, which stay where others change by the minute.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::decode::fault::Outcome;
use crate::decode::reader::Reader;

/// A hash of the record in `text`: of the values of its members `by`, or, without any or where one is missing or null, of all of it.
pub(super) fn record_hash(text: &str, by: &[String]) -> u64 {
    if by.is_empty() {
        return xxh3_64(text.as_bytes());
    }
    let values = key_values(text, by).unwrap_or_default();
    if values.len() < by.len() || values.iter().any(|value| matches!(*value, "" | "null")) {
        return xxh3_64(text.as_bytes());
    }
    let mut hash = Xxh3::new();
    for value in values {
        hash.update(&(value.len() as u64).to_le_bytes());
        hash.update(value.as_bytes());
    }
    hash.digest()
}

/// The texts of the values at `by`, empty where there is none; of equal names, the last counts.
fn key_values<'t>(text: &'t str, by: &[String]) -> Outcome<Vec<&'t str>> {
    let mut reader = Reader::new(text);
    let (mut values, mut scratch) = (vec![""; by.len()], Vec::new());
    reader.skip_space();
    if reader.peek() != b'{' {
        return Ok(values);
    }
    reader.enter()?;
    if reader.peek() == b'}' {
        return Ok(values);
    }
    loop {
        let key = reader.key()?;
        let at = {
            let name = reader.resolve(key, &mut scratch);
            by.iter().position(|member| member == name)
        };
        let start = reader.pos;
        reader.skip_value()?;
        if let Some(value) = at.and_then(|at| values.get_mut(at)) {
            *value = reader.slice(start, reader.pos);
        }
        if !reader.more(b'}')? {
            return Ok(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str, by: &[&str]) -> u64 {
        record_hash(text, &by.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_record_is_known_by_its_key_whatever_else_changes() {
        let (early, late) = (r#"{"id":7,"at":"10:00","of":{"id":1}}"#, r#"{ "of" : {"id":2}, "at":"10:01", "\u0069d" : 7 }"#);
        assert_eq!(hash(early, &["id"]), hash(late, &["id"]));
        assert_ne!(hash(early, &[]), hash(late, &[]));
        assert_ne!(hash(early, &["id"]), hash(r#"{"id":8,"at":"10:00"}"#, &["id"]));
        assert_ne!(hash(r#"{"a":"1","b":"23"}"#, &["a", "b"]), hash(r#"{"a":"12","b":"3"}"#, &["a", "b"]));
        assert_eq!(hash(r#"{"id":1,"id":2}"#, &["id"]), hash(r#"{"id":2}"#, &["id"]));
    }

    #[test]
    fn a_record_without_its_key_is_known_by_all_of_it() {
        for text in [r#"{"id":null,"a":1}"#, r#"{"a":1}"#, "{}", "[]", "7"] {
            assert_eq!(hash(text, &["id"]), xxh3_64(text.as_bytes()), "{text}");
        }
    }
}
