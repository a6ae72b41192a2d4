//! The words of an expression, as far as it takes to find its comparisons and the names of filters, tests and functions.
//!
//! In: text. Out: names, numbers, quoted texts and signs, with their places. The grammar is minijinja's own; a text that it does not parse never
//! gets further than its error message.

/// One word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) text: &'t str,
    /// Byte offset.
    pub(super) start: usize,
    /// Whether it is a name or keyword.
    pub(super) is_name: bool,
}

/// The words of `text`.
///
/// # Errors
/// The offset of a quote that is not closed.
pub(super) fn words(text: &str) -> Result<Vec<Word<'_>>, usize> {
    let mut words = Vec::new();
    let mut start = 0;
    while let Some(first) = text.get(start..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(start..).unwrap_or_default();
        let length = match first {
            c if c.is_whitespace() => {
                start += c.len_utf8();
                continue;
            }
            '"' | '\'' => quoted(rest, first).ok_or(start)?,
            c if c.is_ascii_digit() => number(rest),
            c if is_name_part(c) => rest.find(|c| !is_name_part(c)).unwrap_or(rest.len()),
            _ => {
                ["==", "!=", "<=", ">=", "//", "**"].iter().find(|sign| rest.starts_with(**sign)).map_or(first.len_utf8(), |_| 2)
            }
        };
        let word = rest.get(..length).unwrap_or(rest);
        words.push(Word { text: word, start, is_name: is_name_part(first) && !first.is_ascii_digit() });
        start += length;
    }
    Ok(words)
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the quoted text at the start of `rest`.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of the number at the start of `rest`.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let at = |place: usize| bytes.get(place).copied().unwrap_or(0);
    let mut length = 0;
    loop {
        let byte = at(length);
        let point = byte == b'.' && at(length + 1).is_ascii_digit();
        let sign =
            matches!(byte, b'+' | b'-') && length > 0 && matches!(at(length - 1), b'e' | b'E') && at(length + 1).is_ascii_digit();
        if !(byte.is_ascii_alphanumeric() || byte == b'_' || point || sign) {
            return length;
        }
        length += 1;
    }
}
