//! CSV (RFC 4180): the rows become objects with the header's names; a row of another length, or with text behind a closing quote, is a reject.

use std::borrow::Cow;
use std::collections::HashSet;

use csv::{ReaderBuilder, StringRecord};

use crate::config::{CsvHeader, CsvPlan};
use crate::decode::Reject;
use crate::decode::convert::{quoted, write_quoted};
use crate::decode::format::around::table;
use crate::decode::format::lines::is_value;
use crate::decode::format::quotes::Quotes;
use crate::decode::format::{Formatted, INVALID, Invalid, Unreadable, expected_utf8};

/// What the first row makes of the columns.
fn names_of(plan: &CsvPlan, row: &StringRecord) -> Vec<String> {
    match &plan.header {
        CsvHeader::Numbered => (1..=row.len()).map(|number| format!("column_{number}")).collect(),
        CsvHeader::Present | CsvHeader::FirstPage | CsvHeader::Names(_) => {
            row.iter().map(|name| name.trim().to_owned()).collect()
        }
    }
}

/// Reads the rows of `text`, whose names are those that are `given`, if any.
///
/// # Errors
/// [`Unreadable`] when there is no usable header, or the last row breaks off: in a quoted field, or before its last field.
pub(super) fn read(
    text: &str,
    plan: &CsvPlan,
    page: u64,
    invalid: &Invalid,
    given: Option<&[String]>,
) -> Result<Formatted<'static>, Unreadable> {
    let table = table(text, plan)?;
    let (base, text) = (table.start, text.get(..table.end).unwrap_or_default());
    let mut reader = reader(text.get(base..).unwrap_or_default(), plan);
    let quotes = closed_quotes(text, base, plan)?;
    let fault = |error: csv::Error| Unreadable::Format(format!("cannot be read: {error}"));
    let (mut row, mut names, mut header) = (StringRecord::new(), header(plan, given)?, None);
    let (mut out, mut places, mut rejects, mut record) = (vec![b'['], Vec::new(), Vec::new(), 0);
    // Up to where lines are counted, and the number of the line there.
    let (mut counted, mut met) = ((0, 1), 0);
    loop {
        let start = offset(&reader, base, text);
        if !reader.read_record(&mut row).map_err(fault)? {
            break;
        }
        let names = match &names {
            // The header may come again.
            Some(_) if start == base && given.is_some_and(|given| row.iter().map(str::trim).eq(given)) => continue,
            Some(names) => names,
            None => {
                let found = names_of(plan, &row);
                check_names(&found)?;
                let quoted = found.iter().map(|name| quoted(name)).collect();
                header = Some(found);
                let found = &*names.insert(quoted);
                if plan.header != CsvHeader::Numbered {
                    continue;
                }
                found
            }
        };
        let end = offset(&reader, base, text);
        let range = start.min(end)..end;
        // Comments stand before the row that is read behind them.
        let raw = without_comments(text.get(range.clone()).unwrap_or_default(), plan);
        if plan.footer_match.as_ref().is_some_and(|footer| footer.0.is_match(raw.trim())) {
            break;
        }
        let (unreadable, stray) = (invalid.within(range.clone()), quotes.stray_within(range));
        met += unreadable.map_or(0, |(_, _, count)| count);
        if row.len() == names.len() && unreadable.is_none() && stray.is_none() {
            out.extend_from_slice(if places.is_empty() { b"{" } else { b",{" });
            write_row(&row, names, plan, &mut out);
            places.push(record);
        } else {
            if row.len() < names.len() && end == text.len() && !text.ends_with(['\n', '\r']) {
                return Err(Unreadable::CutOff(end));
            }
            // The reader stops between the two characters of a line's end.
            let start = end - raw.trim_start_matches(['\r', '\n']).len();
            let between = text.get(counted.0..start).unwrap_or_default();
            counted = (start, counted.1 + between.matches('\n').count());
            let fields = (names.len(), row.len());
            let (expected, actual) = misread(unreadable.map(|(_, byte, _)| byte), stray, fields, start);
            rejects.push(Reject {
                page,
                record,
                path: "$".to_owned(),
                expected: format!("{expected}, in line {}", counted.1),
                actual,
                raw: raw.trim().to_owned(),
                passed: None,
            });
        }
        record += 1;
    }
    // Those of the header are in no record.
    invalid.check_met(met)?;
    out.push(b']');
    let out = String::from_utf8(out).expect("JSON is written from texts");
    let part_lacks = Some(Vec::new());
    Ok(Formatted { text: Cow::Owned(out), places: Some(places), rejects, header, part_lacks, ..Formatted::default() })
}

/// Whether a text is a JSON object or list: what an API answers with whatever was asked for, where something went wrong.
pub(super) fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && is_value(text.trim())
}

/// A reader of all rows, whatever their length.
fn reader<'t>(text: &'t str, plan: &CsvPlan) -> csv::Reader<&'t [u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(plan.delimiter)
        .quote(plan.quote.unwrap_or(b'"'))
        .quoting(plan.quote.is_some())
        .comment(plan.comment)
        .from_reader(text.as_bytes())
}

/// What was expected of a row that begins at a byte, and what came: text, a closed field, or so many `fields`.
fn misread(invalid: Option<usize>, stray: Option<usize>, fields: (usize, usize), start: usize) -> (String, String) {
    match (invalid, stray) {
        (Some(byte), _) => (expected_utf8(byte as u64), INVALID.to_owned()),
        (None, Some(at)) => {
            (format!("the end of the field behind its closing quote, at byte {at} of the page"), "text".to_owned())
        }
        (None, None) => (format!("{} fields at byte {start} of the page", fields.0), fields.1.to_string()),
    }
}

/// The quotes of a table, all of which are closed.
fn closed_quotes(text: &str, base: usize, plan: &CsvPlan) -> Result<Quotes, Unreadable> {
    let quotes = plan.quote.map(|quote| Quotes::read(text, base, quote, plan)).unwrap_or_default();
    match quotes.open_in {
        Some(line) => Err(Unreadable::QuoteOpen { offset: text.len(), line }),
        None => Ok(quotes),
    }
}

/// Where the reader is in the text.
fn offset(reader: &csv::Reader<&[u8]>, base: usize, text: &str) -> usize {
    usize::try_from(reader.position().byte()).unwrap_or(usize::MAX).saturating_add(base).min(text.len())
}

/// A row without the lines before it that are comments.
fn without_comments<'t>(row: &'t str, plan: &CsvPlan) -> &'t str {
    let Some(comment) = plan.comment else { return row };
    let mut rest = row;
    loop {
        let line = rest.trim_start_matches(['\r', '\n']);
        if line.as_bytes().first() != Some(&comment) {
            return rest;
        }
        rest = line.find(['\r', '\n']).and_then(|end| line.get(end..)).unwrap_or_default();
    }
}

/// The names that are `given`, or that the config gives, as JSON strings; `None` where the body has them.
fn header(plan: &CsvPlan, given: Option<&[String]>) -> Result<Option<Vec<Vec<u8>>>, Unreadable> {
    let names = match (given, &plan.header) {
        (Some(given), _) => given,
        (None, CsvHeader::Names(names)) => names,
        (None, _) => return Ok(None),
    };
    check_names(names)?;
    Ok(Some(names.iter().map(|name| quoted(name)).collect()))
}

fn check_names(names: &[String]) -> Result<(), Unreadable> {
    if let Some(at) = names.iter().position(String::is_empty) {
        return Err(Unreadable::Format(format!("has no name for column {} in its header", at + 1)));
    }
    let mut known = HashSet::new();
    match names.iter().find(|name| !known.insert(name.as_str())) {
        Some(name) => Err(Unreadable::Format(format!("has the column `{name}` twice in its header"))),
        None => Ok(()),
    }
}

/// Writes a row's members and the closing brace.
fn write_row(row: &StringRecord, names: &[Vec<u8>], plan: &CsvPlan, out: &mut Vec<u8>) {
    for (at, (name, text)) in names.iter().zip(row).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.push(b':');
        if plan.null_values.iter().any(|null| null == text) {
            out.extend_from_slice(b"null");
        } else if plan.infer && is_plain(text) {
            out.extend_from_slice(text.as_bytes());
        } else {
            write_quoted(text, out);
        }
    }
    out.push(b'}');
}

/// Whether the text is the only spelling of its number or boolean that JSON has: no leading zeros, no exponent, no `-0`.
fn is_plain(text: &str) -> bool {
    if matches!(text, "true" | "false") {
        return true;
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(all_digits)
        && !(is_zero && text.starts_with('-'))
}
