//! `endpoint.response_format`: what bodies are written in.

use encoding_rs::Encoding;

use crate::base::{JsonPath, Step};
use crate::config::raw::{
    CsvTypes, DuplicateMembers, Either, Endpoint, Field, FormatName, InvalidText, JsonRules, Node, NulCharacters, OneOrMany,
    ResponseFormat,
};
use crate::config::resolve::Context;
use crate::config::resolve::rules::regex;
use crate::config::tree::{NodeId, Value};
use crate::config::{CsvHeader, CsvPlan, FormatKind, FormatPlan, InvalidBytes, Pattern, XmlPlan, XssiPrefix};

/// Most lines around a table.
const LINES_MAX: usize = 1_000_000;

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
            csv.skip_rows = lines(cx, &map.skip_rows);
            csv.skip_footer = lines(cx, &map.skip_footer);
            csv.header_match = pattern(cx, &map.header_match);
            csv.footer_match = pattern(cx, &map.footer_match);
            csv.comment = byte(cx, &map.comment);
            check_comment(cx, map, &csv);
            csv.infer = map.types.get() == Some(&CsvTypes::Infer);
            if let (Some(id), InvalidBytes::Quarantine) = (map.invalid_utf8.place(), plan.invalid) {
                check_quarantine(cx, id, raw, &plan);
            }
            let name = map.r#type.get().copied().unwrap_or(FormatName::Json);
            check_keys(cx, map, name);
            name
        }
    };
    let is_all = !matches!(name, FormatName::Json | FormatName::Xml | FormatName::Auto);
    if let (true, Some((id, selector))) = (is_all, raw.data_selector.set())
        && selector.0 != crate::base::JsonPath::root()
    {
        cx.reader.conflict(id, "every line or row is a record; only `$` goes with this `response_format`");
    }
    if let (true, Some(records)) = (is_all, raw.records.get()) {
        for id in [records.paths.place(), records.map_values.place()].into_iter().flatten() {
            cx.reader.conflict(id, "every line or row is a record; there is no path to them");
        }
    }
    plan.kind = match name {
        FormatName::Json => FormatKind::Json,
        FormatName::Ndjson => FormatKind::Ndjson,
        FormatName::ConcatenatedJson => FormatKind::Concatenated,
        FormatName::EventStream => FormatKind::EventStream,
        FormatName::Csv => FormatKind::Csv(csv),
        FormatName::Xml => FormatKind::Xml(xml(cx, raw)),
        FormatName::Auto => FormatKind::Auto(csv),
    };
    plan
}

/// Refuses keys that mean nothing to the format.
fn check_keys(cx: Context<'_>, map: &ResponseFormat, name: FormatName) {
    let csv_keys = [
        map.skip_rows.place(),
        map.header_match.place(),
        map.skip_footer.place(),
        map.footer_match.place(),
        map.comment.place(),
        map.delimiter.place(),
        map.quote.place(),
        map.header.place(),
        map.null_values.place(),
        map.types.place(),
    ];
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
}

/// A comment begins with no character that has another meaning.
fn check_comment(cx: Context<'_>, map: &ResponseFormat, csv: &CsvPlan) {
    let Some(id) = map.comment.place().filter(|_| csv.comment.is_some()) else { return };
    if csv.comment == Some(csv.delimiter) {
        cx.reader.conflict(id, "the `delimiter` cannot begin a comment as well");
    } else if csv.comment == csv.quote {
        cx.reader.conflict(id, "the `quote` cannot begin a comment as well");
    }
}

/// A number of lines.
fn lines(cx: Context<'_>, field: &Field<usize>) -> usize {
    let Some((id, lines)) = field.set() else { return 0 };
    if *lines > LINES_MAX {
        cx.reader.wrong(id, format!("a number of lines from 0 to {LINES_MAX}"));
    }
    *lines
}

fn pattern(cx: Context<'_>, field: &Field<String>) -> Option<Pattern> {
    let (id, text) = field.set()?;
    if text.is_empty() {
        cx.reader.wrong(id, "a regular expression that is not empty");
        return None;
    }
    regex(cx, id, text).map(Pattern)
}

/// Where the records of XML are: at names, since elements have no places but those among others of their name.
fn xml(cx: Context<'_>, raw: &Endpoint) -> XmlPlan {
    let selector = raw.data_selector.set().map(|(id, path)| (id, path.0.clone()));
    let paths = raw.records.get().and_then(|records| records.paths.get()).map(|OneOrMany(paths)| paths);
    let paths = paths.into_iter().flatten().filter_map(|path| path.set().map(|(id, path)| (id, path.0.clone())));
    let all: Vec<(NodeId, JsonPath)> = selector.into_iter().chain(paths).collect();
    let is_map = raw.records.get().is_some_and(|records| !records.map_values.is_unset());
    if let (true, false, Some(id)) = (all.is_empty(), is_map, raw.response_format.place()) {
        let why = "XML has records where `endpoint.data_selector` says, such as `data_selector: rss.channel.item`";
        cx.reader.conflict(id, why);
    }
    let names = |(id, path): (NodeId, JsonPath)| {
        let path = path.without_last_every();
        let name = |step: &Step| if let Step::Key(name) = step { Some(name.clone()) } else { None };
        let names: Option<Vec<String>> = path.steps().iter().map(name).collect();
        let names = names.filter(|names| path.is_simple() && !names.is_empty());
        if names.is_none() {
            cx.reader.conflict(id, "records of XML are at a path of names, such as `rss.channel.item`");
        }
        names
    };
    XmlPlan { records: all.into_iter().filter_map(names).collect() }
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
