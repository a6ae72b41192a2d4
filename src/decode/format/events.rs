//! Server-sent events (WHATWG HTML, 9.2.6): the `data` of each is a frame.
//!
//! In: an event stream. Out: its frames; the lines of one event's data are joined. Comments, other fields and the mark `[DONE]` are passed over.
//! Invariants: an event of the type `error` and a text that is no event stream are errors, never pages without records.

use std::borrow::Cow;
use std::ops::Range;

use crate::decode::format::Unreadable;
use crate::decode::format::frames::Frame;

/// What some services send as the last data.
const DONE: &str = "[DONE]";
const FIELDS: [&str; 4] = ["data", "event", "id", "retry"];

/// An event that has begun.
#[derive(Default)]
struct Event<'t> {
    /// The first line's place, and where the last one ends.
    range: Option<Range<usize>>,
    data: Option<(usize, Cow<'t, str>)>,
    kind: &'t str,
}

/// The frames of an event stream.
///
/// # Errors
/// [`Unreadable`] when it is none, breaks off, or tells of an error.
pub(super) fn frames(text: &str) -> Result<Vec<Frame<'_>>, Unreadable> {
    let (mut frames, mut event) = (Vec::new(), Event::default());
    let no_stream = |what: String| Unreadable::Format(format!("is no event stream: {what}"));
    let (mut at, mut is_known) = (0, false);
    for whole in text.split_inclusive('\n') {
        let (start, line) = (at, whole.trim_end_matches(['\n', '\r']));
        at += whole.len();
        if line.is_empty() {
            event.end(true, &mut frames)?;
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !is_name {
            let number = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
            return Err(no_stream(format!("line {number} is neither a field such as `data:` nor a comment")));
        }
        if !whole.ends_with('\n') && name != "data" && !name.is_empty() {
            return Err(Unreadable::CutOff(at));
        }
        is_known |= name.is_empty() || FIELDS.contains(&name);
        event.take(name, value.strip_prefix(' ').unwrap_or(value), start..at, line);
    }
    event.end(false, &mut frames)?;
    if !is_known && !text.trim().is_empty() {
        return Err(no_stream("it has neither `data:` nor a comment".to_owned()));
    }
    Ok(frames)
}

impl<'t> Event<'t> {
    /// Takes a field, which stands in `line` at `range`.
    fn take(&mut self, name: &str, value: &'t str, range: Range<usize>, line: &str) {
        let place = range.start + line.len() - value.len();
        self.range = Some(self.range.take().map_or(range.clone(), |begun| begun.start..range.end));
        match name {
            "event" => self.kind = value,
            "data" => {
                self.data = Some(match self.data.take() {
                    None => (place, Cow::Borrowed(value)),
                    Some((place, before)) => (place, Cow::Owned(format!("{before}\n{value}"))),
                });
            }
            _ => {}
        }
    }

    /// The event is over, or the text is.
    fn end(&mut self, is_closed: bool, frames: &mut Vec<Frame<'t>>) -> Result<(), Unreadable> {
        let Event { range, data, kind } = std::mem::take(self);
        let (Some(range), Some((at, json))) = (range, data) else { return Ok(()) };
        if kind == "error" {
            return Err(Unreadable::Told(json.into_owned()));
        }
        if json.trim() != DONE {
            frames.push(Frame { range, at, json, is_closed });
        }
        Ok(())
    }
}
