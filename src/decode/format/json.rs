//! JSON bodies with something about them that JSON does not allow, where the config says so.

use std::borrow::Cow;

use crate::config::{FormatPlan, XssiPrefix};
use crate::decode::format::{Formatted, Unreadable};

/// What services put before JSON so that no script can read it.
const PREFIXES: [&str; 7] = [")]}',", ")]}'", ")]}", "while(1);", "while (1);", "for(;;);", "{}&&"];
/// Numbers that JSON does not have.
const NO_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// JSON without what the plan says to pass over.
///
/// # Errors
/// [`Unreadable::Empty`] and [`Unreadable::Markup`].
pub(super) fn read<'p>(text: Cow<'p, str>, plan: &FormatPlan) -> Result<Formatted<'p>, Unreadable> {
    match text.trim_start().bytes().next() {
        None => return Err(Unreadable::Empty),
        Some(b'<') => return Err(Unreadable::Markup),
        Some(_) => {}
    }
    let text = match &plan.xssi_prefix {
        None => text,
        Some(XssiPrefix::Known) => without_prefix(text, &PREFIXES),
        Some(XssiPrefix::Text(prefix)) => without_prefix(text, &[prefix.trim()]),
    };
    let text = match plan.lenient.then(|| without_no_numbers(&text)).flatten() {
        Some(changed) => Cow::Owned(changed),
        None => text,
    };
    Ok(Formatted { text, ..Formatted::default() })
}

/// The text with spaces in place of its prefix, so that places in it stay.
fn without_prefix<'p>(text: Cow<'p, str>, prefixes: &[&str]) -> Cow<'p, str> {
    let start = text.len() - text.trim_start().len();
    let Some(prefix) = prefixes.iter().find(|prefix| text.trim_start().starts_with(**prefix)) else { return text };
    let rest = text.get(start + prefix.len()..).unwrap_or_default();
    Cow::Owned(format!("{}{rest}", " ".repeat(start + prefix.len())))
}

/// The text with `null` for what is no number; `None` when there is nothing of the kind.
fn without_no_numbers(text: &str) -> Option<String> {
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' {
            at += 1;
            while let Some(&byte) = bytes.get(at) {
                at += if byte == b'\\' { 2 } else { 1 };
                if byte == b'"' {
                    break;
                }
            }
        } else if let Some(word) =
            NO_NUMBERS.iter().find(|word| bytes.get(at..).is_some_and(|rest| rest.starts_with(word.as_bytes())))
        {
            out.push_str(text.get(copied..at).unwrap_or_default());
            out.push_str("null");
            at += word.len();
            copied = at;
        } else {
            at += 1;
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    (copied > 0).then_some(out)
}
