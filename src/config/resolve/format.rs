//! `endpoint.response_format`: what bodies are written in.

use encoding_rs::Encoding;

use crate::config::raw::{
    CsvTypes, DuplicateMembers, Either, Endpoint, Field, FormatName, InvalidText, JsonRules, Node, NulCharacters, OneOrMany,
};
use crate::config::resolve::Context;
use crate::config::tree::{NodeId, Value};
use crate::config::{CsvHeader, CsvPlan, FormatKind, FormatPlan, InvalidBytes, XssiPrefix};

/// What `raw.response_format` means.
pub(crate) fn resolve(cx: Context<'_>, raw: &Endpoint) -> FormatPlan {
    let (name, mut plan, mut csv) = (&raw.response_format, FormatPlan::default(), CsvPlan::default());
    let name = match name.get() {
        None => FormatName::Json,
        Some(Either::Text(name)) => *name,
        Some(Either::Map(map)) => {
            plan.encoding = encoding(cx, &map.encoding);
            plan.invalid = match map.invalid_utf8.get() {
                None | Some(InvalidText::Error) => InvalidBytes::Error,
                Some(InvalidText::Replace) => InvalidBytes::Replace,
                Some(InvalidText::Quarantine) => InvalidBytes::Quarantine,
            };
            plan.strip_nul = map.nul_characters.get() == Some(&NulCharacters::Strip);
            plan.unique_names = map.duplicate_members.get() == Some(&DuplicateMembers::Error);
            plan.xssi_prefix = xssi_prefix(cx, &map.xssi_prefix);
            plan.lenient = map.json.get() == Some(&JsonRules::Lenient);
            plan.member = map.member.get().cloned();
            csv.delimiter = byte(cx, &map.delimiter).unwrap_or(csv.delimiter);
            csv.quote = if matches!(map.quote, Field::Null(_)) { None } else { byte(cx, &map.quote).or(csv.quote) };
            csv.header = header(cx, &map.header);
            if let Some(OneOrMany(values)) = map.null_values.get() {
                csv.null_values = values.iter().filter_map(|value| value.get().cloned()).collect();
            }
            csv.infer = map.types.get() == Some(&CsvTypes::Infer);
            if let (Some(id), InvalidBytes::Quarantine) = (map.invalid_utf8.place(), plan.invalid) {
                check_quarantine(cx, id, raw, &plan);
            }
            let name = map.r#type.get().copied().unwrap_or(FormatName::Json);
            let csv_keys =
                [map.delimiter.place(), map.quote.place(), map.header.place(), map.null_values.place(), map.types.place()];
            if !matches!(name, FormatName::Csv | FormatName::Auto) {
                for id in csv_keys.into_iter().flatten() {
                    cx.reader.conflict(id, "this key goes with `type: csv` and `type: auto` only");
                }
            }
            if !matches!(name, FormatName::Json | FormatName::Auto) {
                for id in [map.xssi_prefix.place(), map.json.place()].into_iter().flatten() {
                    cx.reader.conflict(id, "this key goes with `type: json` and `type: auto` only");
                }
            }
            name
        }
    };
    if let (FormatName::Ndjson | FormatName::Csv, Some((id, selector))) = (name, raw.data_selector.set())
        && selector.0 != crate::base::JsonPath::root()
    {
        cx.reader.conflict(id, "every line or row is a record; only `$` goes with this `response_format`");
    }
    if let (FormatName::Ndjson | FormatName::Csv, Some(records)) = (name, raw.records.get()) {
        for id in [records.paths.place(), records.map_values.place()].into_iter().flatten() {
            cx.reader.conflict(id, "every line or row is a record; there is no path to them");
        }
    }
    plan.kind = match name {
        FormatName::Json => FormatKind::Json,
        FormatName::Ndjson => FormatKind::Ndjson,
        FormatName::Csv => FormatKind::Csv(csv),
        FormatName::Auto => FormatKind::Auto(csv),
    };
    plan
}

/// Which record has a byte is known while its page streams by in UTF-8, and not otherwise.
fn check_quarantine(cx: Context<'_>, id: NodeId, raw: &Endpoint, plan: &FormatPlan) {
    let is_at_path = raw.data_selector.get().is_none_or(|selector| selector.0.clone().without_last_every().is_simple());
    let why = if plan.encoding.is_some_and(|encoding| encoding != encoding_rs::UTF_8) {
        "`invalid_utf8: quarantine` is for UTF-8, and `encoding` is another one"
    } else if plan.lenient {
        "`invalid_utf8: quarantine` does not go with `json: lenient`"
    } else if raw.records.place().is_some() || !is_at_path {
        "`invalid_utf8: quarantine` needs the records at one path of names, `[0]` and `[*]`"
    } else {
        return;
    };
    cx.reader.conflict(id, why);
}

fn encoding(cx: Context<'_>, field: &Field<String>) -> Option<&'static Encoding> {
    let (id, label) = field.set()?;
    let found = Encoding::for_label(label.as_bytes());
    if found.is_none() {
        cx.reader.wrong(id, "an encoding such as `utf-8`, `utf-16le`, `latin1` or `windows-1252`");
    }
    found
}

/// A character of one byte.
fn byte(cx: Context<'_>, field: &Field<String>) -> Option<u8> {
    let (id, text) = field.set()?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ if text == "tab" => Some(b'\t'),
        _ => {
            cx.reader.wrong(id, "one ASCII character, or `tab`");
            None
        }
    }
}

fn xssi_prefix(cx: Context<'_>, field: &Field<Node>) -> Option<XssiPrefix> {
    let id = field.place()?;
    match &cx.reader.document().node(id).value {
        Value::Bool(true) => Some(XssiPrefix::Known),
        Value::Bool(false) | Value::Null | Value::Faulty => None,
        Value::Text(text) if !text.text.trim().is_empty() => Some(XssiPrefix::Text(text.text.clone())),
        _ => {
            cx.reader.wrong(id, "true, or the prefix as text");
            None
        }
    }
}

fn header(cx: Context<'_>, field: &Field<Node>) -> CsvHeader {
    let Some(id) = field.place() else { return CsvHeader::Present };
    let document = cx.reader.document();
    match &document.node(id).value {
        Value::Bool(true) | Value::Null | Value::Faulty => CsvHeader::Present,
        Value::Bool(false) => CsvHeader::Numbered,
        Value::Text(text) if text.text == "first_page" => CsvHeader::FirstPage,
        Value::List(items) => {
            let name = |&item: &_| match &document.node(item).value {
                Value::Text(text) if !text.text.is_empty() => Some(text.text.clone()),
                _ => {
                    cx.reader.wrong(item, "the name of a column");
                    None
                }
            };
            let names: Vec<String> = items.iter().filter_map(name).collect();
            if names.is_empty() { CsvHeader::Present } else { CsvHeader::Names(names) }
        }
        _ => {
            cx.reader.wrong(id, "true, false, `first_page` or a list of names");
            CsvHeader::Present
        }
    }
}
