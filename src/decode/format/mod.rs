//! Formats: whatever a body is written in, it becomes JSON text that the rest of the room reads.
//!
//! In: a page, and the format its resource declares. Out: [`Formatted`]: the text, borrowed from the body where that is JSON in UTF-8, and the
//! records that could not be read. NDJSON lines and CSV rows become the elements of one array. Invariants: every line and row is an element, a
//! reject or nothing but space; an archive is bounded before it is unpacked, not after.
//! Not here: gzip, which is a matter of the transport (`source`).

mod csv;
mod json;
mod lines;
mod text;
mod zip;

use std::borrow::Cow;

use crate::config::{CsvPlan, FormatKind, FormatPlan};
use crate::decode::Reject;
use crate::decode::decoder::PAGE_BYTES_MAX;
use crate::source::Page;

/// A body as JSON text.
#[derive(Debug, Default)]
pub(super) struct Formatted<'p> {
    pub(super) text: Cow<'p, str>,
    /// Set when the text is an array that was made of lines or rows: the place in the page of each element.
    pub(super) places: Option<Vec<u64>>,
    /// Lines and rows that could not be read.
    pub(super) rejects: Vec<Reject>,
    /// Characters that were replaced because their bytes mean nothing.
    pub(super) replaced: u64,
    /// Bytes of the text before the body's first.
    pub(super) shift: usize,
}

/// Why a body is nothing to read records from.
#[derive(Debug)]
pub(super) enum Unreadable {
    Empty,
    Markup,
    TooLarge(usize),
    NotUtf8(std::str::Utf8Error),
    /// Not what this encoding allows.
    NotText(&'static str),
    /// Ends in the middle of a line or row, at this byte.
    CutOff(usize),
    /// No table, for this reason.
    Csv(String),
    /// No archive to read, for this reason.
    Zip(String),
}

/// Reads `page` as `plan` says.
///
/// # Errors
/// [`Unreadable`].
pub(super) fn read<'p>(page: &'p Page, plan: &FormatPlan) -> Result<Formatted<'p>, Unreadable> {
    let body = &page.body[..];
    if body.len() > PAGE_BYTES_MAX {
        return Err(Unreadable::TooLarge(body.len()));
    }
    let tabs = page.content_type.as_deref().is_some_and(|kind| kind.contains("tab-separated"));
    let csv = match &plan.kind {
        FormatKind::Csv(csv) => Some(csv.clone()),
        FormatKind::Auto(csv) if is_csv(page) => {
            Some(if tabs { CsvPlan { delimiter: b'\t', ..csv.clone() } } else { csv.clone() })
        }
        FormatKind::Json | FormatKind::Ndjson | FormatKind::Auto(_) => None,
    };
    let lines = plan.kind == FormatKind::Ndjson || matches!(plan.kind, FormatKind::Auto(_)) && is_ndjson(page);
    let members = zip::members(body, plan.member.as_deref()).map_err(Unreadable::Zip)?;
    let one = |bytes: Cow<'p, [u8]>| text::decode(bytes, plan, page.content_type.as_deref());
    let (text, replaced) = match members {
        None => one(Cow::Borrowed(body))?,
        Some(mut members) if members.len() == 1 => one(Cow::Owned(members.remove(0)))?,
        Some(members) if lines || csv.is_some() => return several(members, page, plan, csv.as_ref()),
        Some(members) => {
            return Err(Unreadable::Zip(format!(
                "holds {} files; name one JSON file in `response_format.member`",
                members.len()
            )));
        }
    };
    let read = match csv {
        Some(csv) => csv::read(&text, &csv, page.number)?,
        None if lines => lines::read(&text, page.number)?,
        None => json::read(text, plan)?,
    };
    Ok(Formatted { replaced, ..read })
}

/// The records of several files of an archive, one file behind the other.
fn several<'p>(
    members: Vec<Vec<u8>>,
    page: &'p Page,
    plan: &FormatPlan,
    csv: Option<&CsvPlan>,
) -> Result<Formatted<'p>, Unreadable> {
    let (mut all, mut text, mut places, mut records) = (Formatted::default(), String::from("["), Vec::new(), 0);
    for member in members {
        let (member, replaced) = text::decode(Cow::Owned(member), plan, None)?;
        let read = match csv {
            Some(csv) => csv::read(&member, csv, page.number)?,
            None => lines::read(&member, page.number)?,
        };
        let elements = read.places.unwrap_or_default();
        if !elements.is_empty() {
            text.push_str(if places.is_empty() { "" } else { "," });
            text.push_str(read.text.get(1..read.text.len().saturating_sub(1)).unwrap_or_default());
        }
        all.rejects.extend(read.rejects.into_iter().map(|reject| Reject { record: reject.record + records, ..reject }));
        places.extend(elements.iter().map(|place| place + records));
        records = (places.len() + all.rejects.len()) as u64;
        all.replaced += replaced;
    }
    text.push(']');
    Ok(Formatted { text: Cow::Owned(text), places: Some(places), ..all })
}

fn is_ndjson(page: &Page) -> bool {
    let kinds = ["ndjson", "jsonl", "json-lines", "jsonlines", "json-seq"];
    page.content_type.as_deref().is_some_and(|kind| kinds.iter().any(|known| kind.contains(known)))
}

fn is_csv(page: &Page) -> bool {
    page.content_type.as_deref().is_some_and(|kind| kind.contains("csv") || kind.contains("tab-separated"))
}
