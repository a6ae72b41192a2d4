//! Digests and masks: values that must not reach the table.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::decode::Json;
use crate::decode::steps::Unfit;

/// The hex SHA-256 of a value, or with a key its HMAC-SHA-256: of a string its characters in UTF-8, of anything else its JSON text as it came, compact.
pub(super) fn hashed(value: Json, key: Option<&str>) -> Json {
    let mut text = Vec::new();
    match &value {
        Json::Text(plain) => text.extend_from_slice(plain.as_bytes()),
        other => other.write(&mut text),
    }
    let keyed = key.and_then(|key| Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok());
    Json::Text(match keyed {
        Some(mut keyed) => {
            keyed.update(&text);
            hex(&keyed.finalize().into_bytes())
        }
        None => hex(&Sha256::digest(&text)),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// A text or number with `with` in place of all but its last characters.
pub(super) fn masked(value: Json, keep_last: usize, with: char) -> Result<Json, Unfit> {
    let text = match value {
        Json::Text(text) => text,
        Json::Number(token) => token.into(),
        other => return Err(Unfit { expected: "a string or number".to_owned(), actual: other.kind() }),
    };
    let count = text.chars().count();
    // A value that is no longer than what may stay would be shown whole.
    let covered = if count > keep_last { count - keep_last } else { count };
    Ok(Json::Text(std::iter::repeat_n(with, covered).chain(text.chars().skip(covered)).collect()))
}
