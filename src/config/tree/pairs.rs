//! JSON's escapes of characters past U+FFFF, two halves of a surrogate pair, as YAML's one escape: YAML 1.2 takes JSON but for these.
//!
//! In: the text of a config. Out: the same text, in which such a pair within double quotes is `\U00000000`. What stands behind one on its line is two
//! characters further left.

use std::borrow::Cow;

/// The length of `\u0000`.
const HALF: usize = 6;

/// The text without halves of pairs, where both are there.
pub(super) fn joined(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let whole = half(rest).zip(rest.get(HALF..).and_then(half)).and_then(|halves| whole(halves.into()));
        let taken = match whole {
            Some(c) => {
                out.push_str(&format!("\\U{:08x}", u32::from(c)));
                2 * HALF
            }
            // The character behind a backslash begins no escape of its own.
            None => {
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..length]);
                length
            }
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The code unit of `\u0000` at the start of `text`.
fn half(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

fn whole(halves: [u16; 2]) -> Option<char> {
    let surrogate = |half: u16| (0xd800..0xe000).contains(&half);
    if !halves.into_iter().all(surrogate) {
        return None;
    }
    char::decode_utf16(halves).next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn pairs_are_joined_and_nothing_else_is_touched() {
        for (text, expected) in [
            (r#"{"a": "\ud83d\ude42!"}"#, r#"{"a": "\U0001f642!"}"#),
            (r#"{"a": "\\ud83d\ude42"}"#, r#"{"a": "\\ud83d\ude42"}"#),
            (r#"{"a": "\\\uD83D\uDE42"}"#, r#"{"a": "\\\U0001f642"}"#),
            (r#"{"a": "\ud83d \ude42 \ude42\ud83d \u00e9 \ud8"}"#, r#"{"a": "\ud83d \ude42 \ude42\ud83d \u00e9 \ud8"}"#),
            ("a: 'ü\\", "a: 'ü\\"),
            ("a: \\ud83d\\", "a: \\ud83d\\"),
        ] {
            assert_eq!(joined(text), expected);
        }
    }
}
