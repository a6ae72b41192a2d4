//! Text: a body's bytes as characters.
//!
//! What is UTF-8 is UTF-8, whatever the headers say; what is not is read as its byte order mark, the config or the `Content-Type` says.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use crate::config::FormatPlan;
use crate::decode::format::Unreadable;

/// The byte order mark of UTF-8, decoded.
const MARK: char = '\u{feff}';

/// The text of `bytes`, and how many of its characters stand for bytes that mean nothing.
///
/// # Errors
/// [`Unreadable`] for bytes that mean nothing, unless the plan has them replaced.
pub(super) fn decode<'p>(
    bytes: Cow<'p, [u8]>,
    plan: &FormatPlan,
    content_type: Option<&str>,
) -> Result<(Cow<'p, str>, u64), Unreadable> {
    let marked = Encoding::for_bom(&bytes).map(|(encoding, _)| encoding);
    let declared = marked.or(plan.encoding).filter(|&encoding| encoding != UTF_8);
    let (bytes, invalid) = match bytes {
        bytes if declared.is_some() => (bytes, None),
        Cow::Borrowed(bytes) => match simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes)) {
            Ok(text) => return Ok((Cow::Borrowed(text.strip_prefix(MARK).unwrap_or(text)), 0)),
            Err(error) => (Cow::Borrowed(bytes), Some(error)),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok((Cow::Owned(text.strip_prefix(MARK).map(str::to_owned).unwrap_or(text)), 0)),
            Err(error) => {
                let invalid = error.utf8_error();
                (Cow::Owned(error.into_bytes()), Some(invalid))
            }
        },
    };
    let by_header = content_type.and_then(charset).filter(|_| plan.encoding.is_none());
    let encoding = declared.or(by_header).unwrap_or(UTF_8);
    let (text, _, is_broken) = encoding.decode(&bytes);
    match invalid {
        Some(error) if is_broken && encoding == UTF_8 && !plan.replace_invalid => return Err(Unreadable::NotUtf8(error)),
        _ if is_broken && !plan.replace_invalid => return Err(Unreadable::NotText(encoding.name())),
        _ => {}
    }
    let replaced = if is_broken { text.matches(char::REPLACEMENT_CHARACTER).count() as u64 } else { 0 };
    Ok((Cow::Owned(text.into_owned()), replaced))
}

/// The charset of a `Content-Type`, if it names one.
pub(super) fn charset(content_type: &str) -> Option<&'static Encoding> {
    let label = content_type.split(';').find_map(|part| part.trim().strip_prefix("charset="))?;
    Encoding::for_label(label.trim_matches(['"', '\'', ' ']).as_bytes())
}
