//! Frames: where in a text its JSON values stand, one frame for what is one reject when it is broken.
//!
//! In: a text. Out: its frames in order, each a range of the text and the JSON in it, of one value or several. Invariants: frames do not overlap, and what is between
//! them is space. Not here: whether they are JSON.

use std::borrow::Cow;
use std::ops::Range;

use crate::decode::format::{Unreadable, events};

/// What RFC 7464 puts before each value.
pub(in crate::decode) const SEPARATOR: char = '\u{1e}';

/// How values are set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Framing {
    /// A line each, or several on one.
    Lines,
    /// By the separators of RFC 7464.
    Separated,
    /// By nothing: the end of one is the beginning of the next.
    Concatenated,
    /// By the blank lines of server-sent events.
    Events,
}

impl Framing {
    /// The byte behind which a text can be cut.
    pub(in crate::decode) fn cut_behind(self) -> u8 {
        if self == Self::Separated { SEPARATOR as u8 } else { b'\n' }
    }
}

/// Where JSON stands.
#[derive(Debug)]
pub(super) struct Frame<'t> {
    /// All of it, with what sets it apart.
    pub(super) range: Range<usize>,
    /// Where its JSON begins.
    pub(super) at: usize,
    pub(super) json: Cow<'t, str>,
    /// Whether something stands behind it that says that it is whole.
    pub(super) is_closed: bool,
}

/// The frames of `text`.
///
/// # Errors
/// [`Unreadable`] when it is no event stream where it has to be.
pub(super) fn frames<'t>(text: &'t str, framing: Framing) -> Result<Box<dyn Iterator<Item = Frame<'t>> + 't>, Unreadable> {
    let frame = |start: usize, whole: &'t str, is_closed: bool| {
        let json = whole.trim_end_matches(['\n', '\r', ' ', '\t', SEPARATOR]);
        let begun = json.trim_start_matches(SEPARATOR);
        let (at, range) = (start + json.len() - begun.len(), start..start + whole.len());
        Frame { range, at, json: Cow::Borrowed(begun), is_closed }
    };
    let split = move |end: char| {
        let mut at = 0;
        text.split_inclusive(end).map(move |whole| {
            at += whole.len();
            frame(at - whole.len(), whole, whole.ends_with(end))
        })
    };
    Ok(match framing {
        Framing::Lines => Box::new(split('\n')),
        Framing::Separated => Box::new(split(SEPARATOR)),
        Framing::Concatenated => Box::new(std::iter::once(frame(0, text, false))),
        Framing::Events => Box::new(events::frames(text)?.into_iter()),
    })
}
