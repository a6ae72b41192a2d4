//! Marks: what a record is known by among those of its cursor, so that it is not loaded again on a later night.
//!
//! In: a record, its cursor, and what tells records apart. Out: a hash. Invariants: equal values have equal marks, however the API spells them:
//! numbers are decimals (`1`, `1.0`, `1e0`), times with a clock are instants, a null member is an absent one, and the order of names does not
//! count. Other texts are what they are to the last character, so that `"1.10"` is not `"1.1"`.

use xxhash_rust::xxh3::Xxh3;

use crate::base::{CursorForm, CursorValue};
use crate::config::Dedup;
use crate::decode::Json;
use crate::decode::token::Number;

/// What marks by value begin with, so that none is equal to one by spelling.
const BY_VALUE: &[u8] = b"value\n";

/// A hash of the cursor and of the record's key; of the whole record where there is no key, or the record lacks a part of it.
pub(super) fn mark(dedup: &Dedup, form: CursorForm, cursor: Option<&CursorValue>, record: &Json) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(BY_VALUE);
    hash.update(cursor.map_or_else(|| "missing".to_owned(), CursorValue::identity).as_bytes());
    match key(dedup, record) {
        Some(values) => {
            for value in values {
                hash.update(&[0]);
                feed(value, form, &mut hash);
            }
        }
        None => feed(record, form, &mut hash),
    }
    hash.digest128()
}

/// The values of the key, unless one of them is missing: it would make all records without it one.
fn key<'r>(dedup: &Dedup, record: &'r Json) -> Option<Vec<&'r Json>> {
    let Dedup::Key(columns) = dedup else { return None };
    let value = |column: &String| record.member(column).filter(|value| **value != Json::Null);
    columns.iter().map(value).collect()
}

fn feed(json: &Json, form: CursorForm, hash: &mut Xxh3) {
    match json {
        Json::Object(members) => {
            let mut sorted: Vec<&(String, Json)> = members.iter().filter(|(_, value)| *value != Json::Null).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            hash.update(b"{");
            for (name, value) in sorted {
                hash.update(&(name.len() as u64).to_le_bytes());
                hash.update(name.as_bytes());
                feed(value, form, hash);
            }
            hash.update(b"}");
        }
        Json::Array(items) => {
            hash.update(b"[");
            for item in items {
                hash.update(b",");
                feed(item, form, hash);
            }
            hash.update(b"]");
        }
        Json::Number(token) => feed_number(token, hash),
        Json::Text(text) => match form.instant(text) {
            Some(time) => {
                hash.update(b"t");
                hash.update(&time.timestamp().to_le_bytes());
                hash.update(&time.timestamp_subsec_nanos().to_le_bytes());
            }
            None => feed_text(json, hash),
        },
        Json::Bool(_) | Json::Null => feed_text(json, hash),
    }
}

/// A number by its significant digits, and where the point stands in them.
fn feed_number(token: &str, hash: &mut Xxh3) {
    let number = Number::whole(token);
    let Some((digits, (len, point))) = number.as_ref().and_then(Number::significant) else {
        hash.update(token.as_bytes());
        return;
    };
    let is_negative = len > 0 && token.starts_with('-');
    hash.update(if is_negative { b"-" } else { b"+" });
    hash.update(&digits.collect::<Vec<u8>>());
    hash.update(b"e");
    hash.update(&point.to_le_bytes());
}

fn feed_text(json: &Json, hash: &mut Xxh3) {
    let mut text = Vec::new();
    json.write(&mut text);
    hash.update(&text);
}

/// The mark that states of format 1 and 2 have: as the record is spelled, but for the order of its members.
pub(super) fn mark_by_spelling(dedup: &Dedup, cursor: &CursorValue, record: &Json) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(cursor.identity().as_bytes());
    match dedup {
        Dedup::Key(columns) => {
            for column in columns {
                hash.update(&[0]);
                match record.member(column) {
                    Some(value) => feed_spelling(value, &mut hash),
                    None => hash.update(b"?"),
                }
            }
        }
        Dedup::Record | Dedup::Off => feed_spelling(record, &mut hash),
    }
    hash.digest128()
}

fn feed_spelling(json: &Json, hash: &mut Xxh3) {
    match json {
        Json::Object(members) => {
            let mut sorted: Vec<&(String, Json)> = members.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            hash.update(b"{");
            for (name, value) in sorted {
                hash.update(&(name.len() as u64).to_le_bytes());
                hash.update(name.as_bytes());
                feed_spelling(value, hash);
            }
            hash.update(b"}");
        }
        Json::Array(items) => {
            hash.update(b"[");
            for item in items {
                hash.update(b",");
                feed_spelling(item, hash);
            }
            hash.update(b"]");
        }
        other => feed_text(other, hash),
    }
}

#[cfg(test)]
mod tests;
