//! Marks: what a record is known by among those of its cursor, so that it is not loaded again on a later night.
//!
//! In: a record, its cursor, and what tells records apart. Out: a hash. Invariants: equal values have equal marks, however the API spells them:
//! numbers are decimals (`1`, `1.0`, `1e0`), times with a clock are instants, a null member is an absent one, and the order of names does not
//! count. Other texts are what they are to the last character, so that `"1.10"` is not `"1.1"`. In a member of the record itself, a number or
//! boolean and the text that is its only spelling (`1` and `"1"`) are one: a column that takes both holds one value.

use xxhash_rust::xxh3::Xxh3;

use crate::base::{CursorForm, CursorValue};
use crate::config::Dedup;
use crate::decode::Json;
use crate::decode::token::Number;

/// What marks by value begin with, so that none is equal to one by spelling.
const BY_VALUE: &[u8] = b"value\n";

/// A hash of the cursor and of the record's key; of the whole record where there is no key, or the record lacks a part of it.
pub(super) fn mark(dedup: &Dedup, form: CursorForm, cursor: Option<&CursorValue>, record: &Json) -> u128 {
    mark_of(dedup, form, cursor, record, feed_member)
}

/// The mark of states from before texts and the numbers that they spell were one.
pub(super) fn mark_by_type(dedup: &Dedup, form: CursorForm, cursor: Option<&CursorValue>, record: &Json) -> u128 {
    mark_of(dedup, form, cursor, record, feed)
}

type Feed = fn(&Json, CursorForm, &mut Xxh3);

fn mark_of(dedup: &Dedup, form: CursorForm, cursor: Option<&CursorValue>, record: &Json, member: Feed) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(BY_VALUE);
    hash.update(cursor.map_or_else(|| "missing".to_owned(), CursorValue::identity).as_bytes());
    match key(dedup, record) {
        Some(values) => {
            for value in values {
                hash.update(&[0]);
                member(value, form, &mut hash);
            }
        }
        None => match record {
            Json::Object(members) => feed_object(members, form, &mut hash, member),
            other => feed(other, form, &mut hash),
        },
    }
    hash.digest128()
}

/// The values of the key, unless one of them is missing: it would make all records without it one.
fn key<'r>(dedup: &Dedup, record: &'r Json) -> Option<Vec<&'r Json>> {
    let Dedup::Key(columns) = dedup else { return None };
    let value = |column: &String| record.member(column).filter(|value| **value != Json::Null);
    columns.iter().map(value).collect()
}

/// What a column of the table's own may hold as the same value, whether it comes as a text or not.
fn feed_member(json: &Json, form: CursorForm, hash: &mut Xxh3) {
    match json {
        Json::Text(text) if is_only_spelling(text) => feed_number(text, hash),
        Json::Text(text) if matches!(text.as_str(), "true" | "false") => feed_text(&Json::Bool(text == "true"), hash),
        other => feed(other, form, hash),
    }
}

/// Whether the text is a number without an exponent, leading zeros, or zeros behind the point's last digit.
fn is_only_spelling(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(|fraction| all_digits(fraction) && !fraction.ends_with('0'))
        && text != "-0"
}

fn feed_object(members: &[(String, Json)], form: CursorForm, hash: &mut Xxh3, member: Feed) {
    let mut sorted: Vec<&(String, Json)> = members.iter().filter(|(_, value)| *value != Json::Null).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    hash.update(b"{");
    for (name, value) in sorted {
        hash.update(&(name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        member(value, form, hash);
    }
    hash.update(b"}");
}

fn feed(json: &Json, form: CursorForm, hash: &mut Xxh3) {
    match json {
        Json::Object(members) => feed_object(members, form, hash, feed),
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
