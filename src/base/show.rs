//! Text from outside as people may see it: on one line, without secrets, and without anything that moves, colours, hides or turns
//! what stands around it.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::Value;

use crate::base::secrets::secrets;

/// `text` for a line: secrets as `***`; control characters, line breaks, and what is invisible or changes the direction as escapes.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match secrets().hide(text) {
        Cow::Borrowed(text) => escaped(text),
        Cow::Owned(text) => Cow::Owned(escaped(&text).into_owned()),
    }
}

/// The same of a JSON value, on one line. It is the same value to whoever parses it, secrets apart.
pub(crate) fn shown_json(value: Value) -> String {
    json_escaped(&secrets().hide_in(value).to_string())
}

/// The same, over several lines for people.
pub(crate) fn shown_json_lines(value: Value) -> String {
    let text = format!("{:#}", secrets().hide_in(value));
    text.split('\n').map(json_escaped).collect::<Vec<_>>().join("\n")
}

/// At most so many characters of a text that is to be shown, without secrets: half of one, cut off, would be known by nothing.
pub(crate) fn start_of(text: &str, chars_max: usize) -> String {
    secrets().hide(text).chars().take(chars_max).collect()
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_special(c) => {
                // A String takes everything.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Serialized JSON has such characters in its texts alone, where `\u…` stands for them.
fn json_escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_special(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// A text as a shell takes it.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=@%".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Characters that a terminal obeys, that are not seen, that end a line, or that turn its direction (Unicode's categories Cc, Zl and
/// Zp, what is `Default_Ignorable` but variation selectors, and the marks of UAX #9).
pub(crate) fn is_special(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_an_escape() {
        let check = |text: &str, expected: &str| assert_eq!(shown(text), expected);
        check("plain text: ü, 日本, 🙂, ─", "plain text: ü, 日本, 🙂, ─");
        check("a\nb\r\tc", "a\\nb\\r\\tc");
        check("\u{1b}[31mred\u{9b}1m\u{7f}\u{0}", "\\u{1b}[31mred\\u{9b}1m\\u{7f}\\u{0}");
        check("a\u{202e}b\u{2066}c\u{200f}d\u{61c}", "a\\u{202e}b\\u{2066}c\\u{200f}d\\u{61c}");
        check("a\u{200b}b\u{feff}c\u{2028}d\u{85}e\u{e0041}", "a\\u{200b}b\\u{feff}c\\u{2028}d\\u{85}e\\u{e0041}");
    }

    #[test]
    fn a_text_that_is_cut_shows_no_half_of_a_secret() {
        secrets().credential("Canary-of-some-length");
        assert_eq!(start_of("é: Canary%2dof-some-length!", 7), "é: ***!");
        assert_eq!(start_of("short", 7), "short");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = json!({"a\u{202e}\u{7f}": ["\n\u{2028}\u{9b}", "\u{e0041}ü", 1.5]});
        let text = shown_json(value.clone());
        assert_eq!(text, r#"{"a\u202e\u007f":["\n\u2028\u009b","\udb40\udc41ü",1.5]}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let lines = shown_json_lines(value.clone());
        assert_eq!(lines.lines().count(), 7);
        assert_eq!(serde_json::from_str::<Value>(&lines).unwrap(), value);
    }
}
