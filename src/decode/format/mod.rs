//! Formats: whatever a body is written in, it becomes JSON text that the rest of the room reads.
//!
//! In: a page, and the format its resource declares. Out: [`Formatted`]: the text, borrowed from the body where that is JSON in UTF-8, and the
//! records that could not be read. JSON values one behind the other and CSV rows become the elements of one array, XML becomes an object. Invariants: every
//! value and row is an element, a reject or nothing but space; an archive is bounded before it is unpacked, not after.
//! Not here: gzip and its like, which are a matter of the transport (`source`).

mod around;
mod csv;
mod events;
mod frames;
mod json;
mod lines;
mod quotes;
mod text;
mod xml;
mod zip;

use std::borrow::Cow;
use std::collections::BTreeSet;

use encoding_rs::{Encoding, UTF_8};

use crate::config::{CsvHeader, CsvPlan, FormatKind, FormatPlan, InvalidBytes, XmlPlan};
use crate::decode::Reject;
use crate::decode::decoder::PAGE_BYTES_MAX;
use crate::decode::error::{DecodeError, PagePlace, Spot};
use crate::decode::format::frames::SEPARATOR;
use crate::decode::format::text::Decoded;
use crate::source::{Page, is_same_header};

pub(super) use frames::Framing;
pub(super) use lines::is_value;
pub(super) use text::{INVALID, Invalid, expected_utf8};

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
    /// Where the text has characters that make their record a reject; those of lines and rows are among [`Self::rejects`] already.
    pub(super) invalid: Invalid,
    /// The names that the first row of CSV has, or that its number of fields makes.
    pub(super) header: Option<Vec<String>>,
    /// Of CSV: columns of one file of an archive that the header of another one lacks.
    pub(super) part_lacks: Option<Vec<String>>,
    /// The last of lines, where it may be no record.
    pub(super) closing: Option<String>,
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
    /// Ends at this byte in a field whose quote opens in this line.
    QuoteOpen {
        offset: usize,
        line: usize,
    },
    /// No JSON at this byte, and nobody knows where it goes on.
    Broken {
        at: usize,
        expected: &'static str,
    },
    /// An error that the API tells of, in these words.
    Told(String),
    /// No table, archive or whatever it has to be, for this reason.
    Format(String),
}

/// Reads `page` as `plan` says; `given` is the header of CSV that an earlier page has had for all.
///
/// # Errors
/// [`Unreadable`].
pub(super) fn read<'p>(page: &'p Page, plan: &FormatPlan, given: Option<&[String]>) -> Result<Formatted<'p>, Unreadable> {
    let body = &page.body[..];
    if body.len() > PAGE_BYTES_MAX {
        return Err(Unreadable::TooLarge(body.len()));
    }
    let kind = kind_of(page, &plan.kind, body);
    let csv = match &kind {
        Kind::Csv(csv) => Some(csv),
        Kind::Json | Kind::Values(_) | Kind::Xml(_) => None,
    };
    if csv.is_some() && !body.trim_ascii().is_empty() && plan.kind == (FormatKind::Undeclared { takes_csv: false }) {
        let why = "is CSV by its `Content-Type`, whose values are texts, and the config declares types or a cursor: write `endpoint.response_format: csv`";
        return Err(Unreadable::Format(why.to_owned()));
    }
    let members = zip::members(body, plan.member.as_deref()).map_err(Unreadable::Format)?;
    let one = |bytes: Cow<'p, [u8]>| {
        let prolog = if matches!(kind, Kind::Xml(_)) { xml::encoding(&bytes) } else { None };
        text::decode(bytes, plan, prolog.as_deref().or(page.content_type.as_deref()))
    };
    let Decoded { text, replaced, invalid } = match members {
        None => one(Cow::Borrowed(body))?,
        Some(mut members) if members.len() == 1 => one(Cow::Owned(members.remove(0).bytes))?,
        Some(members) if csv.is_some() || matches!(kind, Kind::Values(_)) => return several(members, page, plan, (&kind, given)),
        Some(members) => {
            return Err(Unreadable::Format(format!(
                "holds {} files; name one of them in `response_format.member`",
                members.len()
            )));
        }
    };
    let read = match &kind {
        Kind::Csv(csv) => rows(&text, csv, page, &invalid, given)?,
        Kind::Values(framing) => values(&text, *framing, page, &invalid)?,
        Kind::Xml(_) if csv::is_json(&text) => return Err(json_instead("XML", &text, page)),
        Kind::Xml(xml) => Formatted { invalid, ..xml::read(&text, xml)? },
        Kind::Json => Formatted { invalid, ..json::read(text, plan)? },
    };
    Ok(Formatted { replaced, ..read })
}

/// Whether a body that begins with `head` can be read piece by piece, and how its values are set apart, where they are in no list; otherwise why not.
pub(super) fn in_pieces(page: &Page, plan: &FormatPlan, head: &[u8]) -> Result<Option<Framing>, &'static str> {
    let kind = kind_of(page, &plan.kind, head);
    let by_header = page.content_type.as_deref().and_then(text::charset);
    let is_other = |encoding: Option<&'static Encoding>| encoding.is_some_and(|encoding| encoding != UTF_8);
    let framing = match kind {
        Kind::Csv(_) => return Err("it is CSV"),
        Kind::Xml(_) => return Err("it is XML"),
        Kind::Values(Framing::Events) => return Err("it is an event stream"),
        Kind::Values(Framing::Concatenated) => return Err("nothing stands between its values"),
        Kind::Values(framing) => Some(framing),
        Kind::Json => None,
    };
    if zip::is_archive(head) {
        Err("it is a zip archive")
    } else if is_other(Encoding::for_bom(head).map(|(encoding, _)| encoding)) || is_other(plan.encoding) || is_other(by_header) {
        Err("it is in another encoding than UTF-8")
    } else if plan.invalid != InvalidBytes::Error || plan.lenient || plan.xssi_prefix.is_some() {
        Err("`response_format` changes its text")
    } else {
        Ok(framing)
    }
}

/// The text of some values of a page; so many bytes and lines of it are `before`.
///
/// # Errors
/// [`Unreadable::CutOff`] when the last one breaks off.
pub(super) fn lines(text: &str, framing: Framing, page: u64, before: (u64, u64)) -> Result<Formatted<'static>, Unreadable> {
    lines::read(text, framing, page, before, &Invalid::default())
}

/// The text of some records of a list, which stand as they do between its brackets.
pub(super) fn records(text: &str) -> Formatted<'static> {
    Formatted { text: Cow::Owned(format!("[{text}]")), shift: 1, ..Formatted::default() }
}

/// Gives the reason why a body cannot be read its place.
pub(super) fn unreadable_error(unreadable: Unreadable, place: PagePlace) -> DecodeError {
    match unreadable {
        Unreadable::Empty => DecodeError::Empty { place },
        Unreadable::Markup => DecodeError::Markup { place },
        Unreadable::TooLarge(bytes) => DecodeError::PageTooLarge { place, bytes, limit: PAGE_BYTES_MAX },
        Unreadable::NotUtf8(source) => DecodeError::NotUtf8 { place, offset: source.valid_up_to(), source },
        Unreadable::NotText(encoding) => DecodeError::NotText { place, encoding },
        Unreadable::CutOff(offset) => DecodeError::RecordCutOff { place, offset },
        Unreadable::QuoteOpen { offset, line } => DecodeError::QuoteOpen { place, offset, line },
        Unreadable::Broken { at, expected } => {
            DecodeError::Syntax { place, spot: Spot { offset: Some(at), path: None }, expected, instead: None }
        }
        Unreadable::Told(said) => {
            DecodeError::Format { place, why: format!("ends with an error that the API tells of: `{said}`") }
        }
        Unreadable::Format(why) => DecodeError::Format { place, why },
    }
}

/// The values of a text that has to be an event stream, or whatever `framing` says.
fn values(text: &str, framing: Framing, page: &Page, invalid: &Invalid) -> Result<Formatted<'static>, Unreadable> {
    if framing == Framing::Events && csv::is_json(text) {
        return Err(json_instead("an event stream", text, page));
    }
    lines::read(text, framing, page.number, (0, 0), invalid).map_err(|unreadable| match unreadable {
        Unreadable::Told(said) => Unreadable::Told(page.redactor.preview(said.as_bytes())),
        unreadable => unreadable,
    })
}

/// The rows of a text that has to be CSV.
fn rows(
    text: &str,
    plan: &CsvPlan,
    page: &Page,
    invalid: &Invalid,
    given: Option<&[String]>,
) -> Result<Formatted<'static>, Unreadable> {
    if csv::is_json(text) {
        return Err(json_instead("CSV", text, page));
    }
    csv::read(text, plan, page.number, invalid, given)
}

/// JSON came where something else has to be.
fn json_instead(expected: &str, text: &str, page: &Page) -> Unreadable {
    let said = page.redactor.preview(text.as_bytes());
    Unreadable::Format(format!(
        "is JSON, where {expected} has to be: `{said}`; where the API fails like this now and then, `endpoint.response_actions` can try it again"
    ))
}

/// The records of several files of an archive, one file behind the other.
fn several<'p>(
    members: Vec<zip::Member>,
    page: &'p Page,
    plan: &FormatPlan,
    (kind, given): (&Kind, Option<&[String]>),
) -> Result<Formatted<'p>, Unreadable> {
    let csv = if let Kind::Csv(csv) = kind { Some(csv) } else { None };
    let framing = if let Kind::Values(framing) = kind { *framing } else { Framing::Lines };
    let (mut all, mut text, mut places, mut records) = (Formatted::default(), String::from("["), Vec::new(), 0);
    let mut first: Option<(String, Vec<String>)> = None;
    let mut headers: Vec<Vec<String>> = Vec::new();
    for zip::Member { name, bytes } in members {
        let Decoded { text: member, replaced, invalid } = text::decode(Cow::Owned(bytes), plan, None)?;
        let read = match csv {
            Some(csv) => {
                let is_given = csv.header == CsvHeader::FirstPage;
                let given = given.or_else(|| first.as_ref().filter(|_| is_given).map(|(_, header)| &**header));
                let read = rows(&member, csv, page, &invalid, given)?;
                match (&first, &read.header) {
                    (Some((first, header)), Some(found)) if !is_same_header(header, found, csv.header == CsvHeader::Numbered) => {
                        return Err(Unreadable::Format(other_header(&name, first)));
                    }
                    (None, Some(found)) => first = Some((name, found.clone())),
                    _ => {}
                }
                headers.extend(read.header.clone());
                read
            }
            None => values(&member, framing, page, &invalid)?,
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
    let header = first.map(|(_, header)| header);
    let part_lacks = csv.map(|_| lacked_by_some(&headers));
    Ok(Formatted { text: Cow::Owned(text), places: Some(places), header, part_lacks, ..all })
}

/// Names that some of these headers have and others lack.
fn lacked_by_some(headers: &[Vec<String>]) -> Vec<String> {
    let names: BTreeSet<&String> = headers.iter().flatten().collect();
    names.into_iter().filter(|name| headers.iter().any(|header| !header.contains(name))).cloned().collect()
}

/// Why a file of an archive is not read with another one.
fn other_header(name: &str, first: &str) -> String {
    format!(
        "has another first row in `{name}` than the header in `{first}`; where only the first file has a header, write `header: first_page` in `response_format`, and where these are several tables, name the files of one in `member`"
    )
}

/// What a page is read as.
enum Kind {
    Json,
    Values(Framing),
    Csv(CsvPlan),
    Xml(XmlPlan),
}

/// What `page`, whose body begins with `head`, is read as. Where nothing is declared, servers that call JSON by another name are not believed.
fn kind_of(page: &Page, declared: &FormatKind, head: &[u8]) -> Kind {
    let begins_as_json = || matches!(head.trim_ascii_start().first(), Some(b'{' | b'['));
    let begins = |with: char| head.trim_ascii_start().first() == Some(&(with as u8));
    let is = |kinds: &[&str]| page.content_type.as_deref().is_some_and(|kind| kinds.iter().any(|known| kind.contains(known)));
    let csv = |csv: CsvPlan| Kind::Csv(if is(&["tab-separated"]) { CsvPlan { delimiter: b'\t', ..csv } } else { csv });
    let sequence = || Kind::Values(if begins(SEPARATOR) { Framing::Separated } else { Framing::Concatenated });
    let (is_csv, is_lines) = (is(&["csv", "tab-separated"]), is(&["ndjson", "jsonl", "json-lines", "jsonlines"]));
    match declared {
        FormatKind::Json => Kind::Json,
        FormatKind::Ndjson => Kind::Values(Framing::Lines),
        FormatKind::Concatenated => sequence(),
        FormatKind::EventStream => Kind::Values(Framing::Events),
        FormatKind::Csv(plan) => Kind::Csv(plan.clone()),
        FormatKind::Xml(plan) => Kind::Xml(plan.clone()),
        FormatKind::Auto(plan) if is_csv => csv(plan.clone()),
        FormatKind::Auto(_) if is_lines => Kind::Values(Framing::Lines),
        FormatKind::Auto(_) if is(&["json-seq"]) => sequence(),
        FormatKind::Undeclared { .. } if is_csv && !begins_as_json() => csv(CsvPlan::default()),
        FormatKind::Undeclared { .. } if is_lines && begins_with_record(head) => Kind::Values(Framing::Lines),
        FormatKind::Undeclared { .. } if is(&["json-seq"]) && begins(SEPARATOR) => sequence(),
        FormatKind::Auto(_) | FormatKind::Undeclared { .. } if is(&["event-stream"]) && !begins_as_json() => {
            Kind::Values(Framing::Events)
        }
        FormatKind::Auto(_) | FormatKind::Undeclared { .. } => Kind::Json,
    }
}

/// Whether lines may be records: there are none, or the first is an object by itself. One alone that has a list of objects is more likely a page of
/// JSON that is called lines.
fn begins_with_record(head: &[u8]) -> bool {
    let body = head.trim_ascii_start();
    let (line, rest) = body.iter().position(|byte| *byte == b'\n').map_or((body, &b""[..]), |end| body.split_at(end));
    let is_object = || line.starts_with(b"{") && std::str::from_utf8(line).is_ok_and(|line| lines::is_value(line.trim_end()));
    let opens_list = |at: usize| line[at] == b'[' && line[at + 1..].trim_ascii_start().first() == Some(&b'{');
    body.is_empty() || is_object() && !(rest.trim_ascii().is_empty() && (0..line.len()).any(opens_list))
}
