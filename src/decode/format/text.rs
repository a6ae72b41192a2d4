//! Text: a body's bytes as characters.
//!
//! What is UTF-8 is UTF-8, whatever the headers say; what is not is read as its byte order mark, the config or the `Content-Type` says.

use std::borrow::Cow;
use std::ops::Range;
use std::str::Utf8Error;

use encoding_rs::{Encoding, UTF_8};

use crate::config::{FormatPlan, InvalidBytes};
use crate::decode::format::Unreadable;

/// The byte order mark of UTF-8, decoded.
const MARK: char = '\u{feff}';

/// Most places of bytes that mean nothing in one page; a body with more of them is no text.
const PLACES_MAX: usize = 100_000;

/// A body's text.
#[derive(Debug, Default)]
pub(super) struct Decoded<'p> {
    pub(super) text: Cow<'p, str>,
    /// Characters that stand for bytes that mean nothing.
    pub(super) replaced: u64,
    /// Those of them whose records are to be rejects.
    pub(super) invalid: Invalid,
}

/// Where a text has U+FFFD in place of bytes that mean nothing, and each of them makes its record a reject.
#[derive(Debug, Clone, Default)]
pub(in crate::decode) struct Invalid {
    /// Places in the text, and in the body, in order.
    places: Vec<(usize, usize)>,
    /// What is wrong with the first.
    source: Option<Utf8Error>,
}

impl Invalid {
    /// The places within a range of the text: where the first is, in the text and in the body, and how many there are.
    pub(in crate::decode) fn within(&self, range: Range<usize>) -> Option<(usize, usize, usize)> {
        let from = self.places.partition_point(|&(at, _)| at < range.start);
        let to = self.places.partition_point(|&(at, _)| at < range.end);
        let &(at, byte) = self.places.get(from).filter(|_| from < to)?;
        Some((at, byte, to - from))
    }

    /// Whether there are none.
    pub(in crate::decode) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// # Errors
    /// [`Unreadable::NotUtf8`] unless as many of the places as there are were `met` within records.
    pub(in crate::decode) fn check_met(&self, met: usize) -> Result<(), Unreadable> {
        match self.source {
            Some(source) if met < self.places.len() => Err(Unreadable::NotUtf8(source)),
            _ => Ok(()),
        }
    }
}

/// What a reject says was expected where the body has such bytes.
pub(in crate::decode) fn expected_utf8(byte: u64) -> String {
    format!("UTF-8 at byte {byte} of the page")
}

/// What it says was found.
pub(in crate::decode) const INVALID: &str = "bytes that mean nothing";

impl<'p> From<Cow<'p, str>> for Decoded<'p> {
    fn from(text: Cow<'p, str>) -> Self {
        let text = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix(MARK).unwrap_or(text)),
            Cow::Owned(text) => Cow::Owned(text.strip_prefix(MARK).map(str::to_owned).unwrap_or(text)),
        };
        Self { text, ..Self::default() }
    }
}

/// The text of `bytes`.
///
/// # Errors
/// [`Unreadable`] for bytes that mean nothing, unless the plan says what becomes of them.
pub(super) fn decode<'p>(bytes: Cow<'p, [u8]>, plan: &FormatPlan, content_type: Option<&str>) -> Result<Decoded<'p>, Unreadable> {
    let marked = Encoding::for_bom(&bytes).map(|(encoding, _)| encoding);
    let declared = marked.or(plan.encoding).filter(|&encoding| encoding != UTF_8);
    let (bytes, invalid) = match bytes {
        bytes if declared.is_some() => (bytes, None),
        Cow::Borrowed(bytes) => match simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes)) {
            Ok(text) => return Ok(Cow::Borrowed(text).into()),
            Err(error) => (Cow::Borrowed(bytes), Some(error)),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(Cow::<str>::Owned(text).into()),
            Err(error) => {
                let invalid = error.utf8_error();
                (Cow::Owned(error.into_bytes()), Some(invalid))
            }
        },
    };
    let by_header = content_type.and_then(charset).filter(|_| plan.encoding.is_none());
    let encoding = declared.or(by_header).unwrap_or(UTF_8);
    if let (Some(error), true, InvalidBytes::Quarantine) = (invalid, encoding == UTF_8, plan.invalid) {
        return marked_text(&bytes, error);
    }
    let (text, _, is_broken) = encoding.decode(&bytes);
    let replaces = plan.invalid == InvalidBytes::Replace;
    match invalid {
        Some(error) if is_broken && encoding == UTF_8 && !replaces => return Err(Unreadable::NotUtf8(error)),
        _ if is_broken && !replaces => return Err(Unreadable::NotText(encoding.name())),
        _ => {}
    }
    let replaced = if is_broken { text.matches(char::REPLACEMENT_CHARACTER).count() as u64 } else { 0 };
    Ok(Decoded { text: Cow::Owned(text.into_owned()), replaced, ..Decoded::default() })
}

/// The text of bytes that are not all UTF-8, with the places of those that are not.
fn marked_text(bytes: &[u8], source: Utf8Error) -> Result<Decoded<'static>, Unreadable> {
    let mark = "\u{feff}".as_bytes();
    let mut byte = if bytes.starts_with(mark) { mark.len() } else { 0 };
    let (mut text, mut places) = (String::with_capacity(bytes.len()), Vec::new());
    for chunk in bytes.get(byte..).unwrap_or_default().utf8_chunks() {
        text.push_str(chunk.valid());
        byte += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            if places.len() == PLACES_MAX {
                return Err(Unreadable::NotUtf8(source));
            }
            places.push((text.len(), byte));
            text.push(char::REPLACEMENT_CHARACTER);
            byte += chunk.invalid().len();
        }
    }
    Ok(Decoded { text: Cow::Owned(text), replaced: 0, invalid: Invalid { places, source: Some(source) } })
}

/// The charset of a `Content-Type`, if it names one.
pub(super) fn charset(content_type: &str) -> Option<&'static Encoding> {
    let label = content_type.split(';').find_map(|part| part.trim().strip_prefix("charset="))?;
    Encoding::for_label(label.trim_matches(['"', '\'', ' ']).as_bytes())
}
