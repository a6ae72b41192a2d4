//! JSON values one behind the other: on lines, separated as RFC 7464 has it, by nothing, or in events. They become the elements of an array; a broken frame becomes a
//! reject.

use std::borrow::Cow;
use std::ops::Range;

use crate::decode::Reject;
use crate::decode::answer::members;
use crate::decode::fault::{Fault, Stop};
use crate::decode::format::frames::{Frame, Framing, frames};
use crate::decode::format::{Formatted, INVALID, Invalid, Unreadable, expected_utf8};
use crate::decode::reader::Reader;

/// Reads the values of `text`, which stand behind others: so many bytes and lines of the page are `before`. Elements stand one byte behind their
/// place in the body, and further where nothing stands between two.
///
/// # Errors
/// [`Unreadable`] when the last one breaks off, or nobody knows where the one behind a broken one begins.
pub(super) fn read(
    text: &str,
    framing: Framing,
    page: u64,
    before: (u64, u64),
    invalid: &Invalid,
) -> Result<Formatted<'static>, Unreadable> {
    let (mut out, mut places, mut rejects) = (String::with_capacity(text.len() + 2), Vec::new(), Vec::new());
    out.push('[');
    let (mut record, mut found, mut ends) = (0, Vec::new(), Ends::default());
    let mut counted = (0, before.1 + 1);
    for frame in frames(text, framing)? {
        if frame.json.trim_ascii().is_empty() {
            continue;
        }
        found.clear();
        let fault = match (values(&frame.json, &mut found), invalid.within(frame.range.clone())) {
            (Err((at, _)), _) if !frame.is_closed && frame.json.get(at..).is_none_or(|rest| rest.trim_ascii().is_empty()) => {
                return Err(Unreadable::CutOff(frame.at + at));
            }
            (Err((at, expected)), _) if framing == Framing::Concatenated => {
                return Err(Unreadable::Broken { at: frame.at + at, expected });
            }
            (_, Some((_, byte, _))) => Some((expected_utf8(before.0 + byte as u64), INVALID)),
            (Err((at, expected)), None) => {
                Some((format!("{expected} at byte {} of the page", before.0 + (frame.at + at) as u64), "a broken line"))
            }
            (Ok(()), None) => None,
        };
        ends.note(&frame, &found);
        let Some((expected, actual)) = fault else {
            for value in &found {
                if !places.is_empty() {
                    out.push(',');
                }
                // As far as there is room.
                out.extend(std::iter::repeat_n(' ', (frame.at + value.start + 1).saturating_sub(out.len())));
                out.push_str(frame.json.get(value.clone()).unwrap_or_default());
                places.push(record);
                record += 1;
            }
            continue;
        };
        let between = text.get(counted.0..frame.at).unwrap_or_default();
        counted = (frame.at, counted.1 + memchr::memchr_iter(b'\n', between.as_bytes()).count() as u64);
        let (path, actual, raw) = ("$".to_owned(), actual.to_owned(), frame.json.clone().into_owned());
        rejects.push(Reject {
            page,
            record,
            path,
            expected: format!("{expected}, in line {}", counted.1),
            actual,
            raw,
            passed: None,
        });
        record += 1;
    }
    out.push(']');
    let closing = ends.closing();
    Ok(Formatted { closing, text: Cow::Owned(out), places: Some(places), rejects, shift: 1, ..Formatted::default() })
}

/// The first and the last value of a text, or what stands in a broken frame.
#[derive(Default)]
struct Ends<'t> {
    first: Option<Cow<'t, str>>,
    last: Option<Cow<'t, str>>,
}

impl<'t> Ends<'t> {
    fn note(&mut self, frame: &Frame<'t>, found: &[Range<usize>]) {
        let part = |range: Option<&Range<usize>>| match (&frame.json, range) {
            (json, None) => json.clone(),
            (Cow::Borrowed(json), Some(range)) => Cow::Borrowed(json.get(range.clone()).unwrap_or_default()),
            (Cow::Owned(json), Some(range)) => Cow::Owned(json.get(range.clone()).unwrap_or_default().to_owned()),
        };
        let is_first = self.first.is_none();
        if is_first {
            self.first = Some(part(found.first()));
        }
        if !is_first || found.len() > 1 {
            self.last = Some(part(found.last()));
        }
    }

    /// The last value, where it is the only one or has no member of the first one: it may tell of a failure, and be no record.
    fn closing(self) -> Option<String> {
        let first = self.first?;
        let Some(last) = self.last else { return Some(first.into_owned()) };
        let names = members(&first);
        let is_other = || !members(&last).iter().any(|(name, _)| names.iter().any(|(other, _)| other == name));
        (last.starts_with('{') && is_other()).then(|| last.into_owned())
    }
}

/// Whether a text is one JSON value.
pub(in crate::decode) fn is_value(text: &str) -> bool {
    let mut found = Vec::new();
    values(text, &mut found).is_ok() && found.len() == 1
}

/// Finds the values of a frame; behind the first, only objects and lists can begin anywhere. Otherwise where not, and what had to stand there.
fn values(json: &str, found: &mut Vec<Range<usize>>) -> Result<(), (usize, &'static str)> {
    let mut reader = Reader::new(json);
    loop {
        reader.skip_space();
        match reader.peek() {
            b'{' | b'[' => {}
            _ if found.is_empty() => {}
            _ if reader.rest().is_empty() => return Ok(()),
            _ => return Err((reader.pos, "an object, a list or the end of the line")),
        }
        let start = reader.pos;
        let read = reader.skip_value().map_err(|stop| match *stop {
            Stop::Fault(Fault::Syntax { at, expected }) => (at, expected),
            Stop::Fault(Fault::TooDeep { at }) => (at, "less nesting"),
            _ => (reader.pos, "a value"),
        });
        read?;
        found.push(start..reader.pos);
    }
}
