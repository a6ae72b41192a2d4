//! NDJSON: a JSON value on each line. The lines become the elements of an array; a broken one becomes a reject.

use std::borrow::Cow;

use crate::decode::Reject;
use crate::decode::answer::members;
use crate::decode::fault::{Fault, Stop};
use crate::decode::format::{Formatted, INVALID, Invalid, Unreadable, expected_utf8};
use crate::decode::reader::Reader;

/// Reads the lines of `text`, which stand behind others: so many bytes and lines of the page are `before`. Elements stand one byte behind their place in the body.
///
/// # Errors
/// [`Unreadable::CutOff`] when the last line breaks off.
pub(super) fn read(text: &str, page: u64, before: (u64, u64), invalid: &Invalid) -> Result<Formatted<'static>, Unreadable> {
    let (mut out, mut places, mut rejects) = (String::with_capacity(text.len() + 2), Vec::new(), Vec::new());
    out.push('[');
    let (mut record, mut offset) = (0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let start = offset;
        offset += line.len();
        let value = line.trim_end_matches(['\n', '\r', ' ', '\t']).trim_start_matches('\u{1e}');
        if value.trim_ascii().is_empty() {
            out.push_str(&" ".repeat(line.len()));
            continue;
        }
        let fault = match (check(value), invalid.within(start..offset)) {
            (Err((at, _)), _) if !line.ends_with('\n') && value.get(at..).is_none_or(|rest| rest.trim_ascii().is_empty()) => {
                return Err(Unreadable::CutOff(start + at));
            }
            (_, Some((_, byte, _))) => Some((expected_utf8(before.0 + byte as u64), INVALID)),
            (Err((at, expected)), None) => {
                Some((format!("{expected} at byte {} of the page", before.0 + (start + at) as u64), "a broken line"))
            }
            (Ok(()), None) => None,
        };
        match fault {
            None => {
                // The comma takes the place of the break before the line.
                if !places.is_empty() {
                    out.pop();
                    out.push(',');
                }
                out.push_str(&" ".repeat(line.trim_end_matches(['\n', '\r', ' ', '\t']).len() - value.len()));
                out.push_str(value);
                out.push_str(&" ".repeat((start + line.len() + 1).saturating_sub(out.len())));
                places.push(record);
            }
            Some((expected, actual)) => {
                let expected = format!("{expected}, in line {}", before.1 + number as u64 + 1);
                let (path, actual) = ("$".to_owned(), actual.to_owned());
                rejects.push(Reject { page, record, path, expected, actual, raw: value.to_owned(), passed: None });
                out.push_str(&" ".repeat(line.len()));
            }
        }
        record += 1;
    }
    out.push(']');
    let closing = closing(text);
    Ok(Formatted { closing, text: Cow::Owned(out), places: Some(places), rejects, shift: 1, ..Formatted::default() })
}

/// The last line, where it is the only one or has no member of the first one: it may tell of a failure, and be no record.
fn closing(text: &str) -> Option<String> {
    let mut lines = text.split('\n').map(|line| line.trim_matches([' ', '\t', '\r', '\u{1e}'])).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let Some(last) = lines.next_back() else { return Some(first.to_owned()) };
    let names = members(first);
    let is_other = || !members(last).iter().any(|(name, _)| names.iter().any(|(other, _)| other == name));
    (last.starts_with('{') && is_other()).then(|| last.to_owned())
}

/// Whether a text is one JSON value.
pub(super) fn is_value(text: &str) -> bool {
    check(text).is_ok()
}

/// Whether `line` is one JSON value; otherwise where not, and what had to stand there.
fn check(line: &str) -> Result<(), (usize, &'static str)> {
    let mut reader = Reader::new(line);
    reader.skip_space();
    let read = reader.skip_value().map_err(|stop| match *stop {
        Stop::Fault(Fault::Syntax { at, expected }) => (at, expected),
        Stop::Fault(Fault::TooDeep { at }) => (at, "less nesting"),
        _ => (reader.pos, "a value"),
    });
    read?;
    reader.skip_space();
    if reader.rest().is_empty() { Ok(()) } else { Err((reader.pos, "the end of the line")) }
}
