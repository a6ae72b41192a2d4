//! Names in Hive's spelling: what stands in `key=value` folders.
//!
//! The escaped characters are those of Hive's `FileUtils.escapePathName` and Spark's `ExternalCatalogUtils`, and NUL.
//! Everything else, spaces and letters beyond ASCII too, stands as it is, except that the text `null` in any case has its
//! first letter escaped: DuckDB 1 takes the bare word for null before it unescapes. The result is a literal key: stores must
//! take it without encoding `%` once more.

use std::borrow::Cow;
use std::fmt::Write;

/// The folder value of null.
pub(crate) const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A folder's key or value as a path spells it.
#[must_use]
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if text.eq_ignore_ascii_case("null") {
        let (first, rest) = text.split_at(1);
        return Cow::Owned(format!("%{:02X}{rest}", first.as_bytes()[0]));
    }
    if !text.bytes().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) if is_escaped(byte) => {
                let _ = write!(escaped, "%{byte:02X}");
            }
            _ => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// The text behind an escaped one; `%` that no two hex digits follow stays, as in Hive. `None` when that is not UTF-8.
#[must_use]
pub(crate) fn unescape(escaped: &str) -> Option<Cow<'_, str>> {
    percent_encoding::percent_decode_str(escaped).decode_utf8().ok()
}

fn is_escaped(byte: u8) -> bool {
    matches!(byte, 0..=0x1F | 0x7F) || b"\"#%'*/:=?\\{[]^".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(escape(text), expected);
        assert_eq!(unescape(expected).as_deref(), Some(text));
    }

    #[test]
    fn characters_are_escaped_as_hive_and_spark_do() {
        check("2026-11-22T13:00:00Z", "2026-11-22T13%3A00%3A00Z");
        check("a/b=c%d", "a%2Fb%3Dc%25d");
        check("\"#'*?\\{[]^", "%22%23%27%2A%3F%5C%7B%5B%5D%5E");
        check("\0\u{1}\n\u{7f}", "%00%01%0A%7F");
        check("São Paulo, }~<>|+&@ß", "São Paulo, }~<>|+&@ß");
        check("%41", "%2541");
    }

    #[test]
    fn the_word_null_is_no_null() {
        check("null", "%6Eull");
        check("NULL", "%4EULL");
        check("nullable", "nullable");
    }

    #[test]
    fn what_no_escape_made_is_read_as_hive_reads_it() {
        assert_eq!(unescape("100%").as_deref(), Some("100%"));
        assert_eq!(unescape("%zz").as_deref(), Some("%zz"));
        assert_eq!(unescape("%ff"), None);
    }

    proptest! {
        #[test]
        fn escaping_round_trips_and_leaves_no_separator(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains(['/', '=', ':', '*', '?']) && !escaped.chars().any(|c| c.is_ascii_control()));
            let back = unescape(&escaped);
            prop_assert_eq!(back.as_deref(), Some(text.as_str()));
        }
    }
}
