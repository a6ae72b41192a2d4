//! Values as YAML: block style, quoted where YAML would read something else.

use crate::base::is_special;
use crate::compat::import::value::{Part, Value};
use crate::compat::import::{Note, Variable};

/// Keys and values, as a block.
pub(in crate::compat) fn block(entries: &[(String, Value)]) -> String {
    let mut out = String::new();
    map(&mut out, entries, 0);
    out
}

/// A config with its head.
pub(super) fn config(file: &str, entries: &[(String, Value)], notes: &[Note], variables: &[Variable]) -> String {
    let mut out = format!("# Converted from {} by `lakeward import`.\n", one_line(file));
    if !variables.is_empty() {
        out.push_str("#\n# Set in the environment:\n");
        for Variable { name, written, line } in variables {
            let line = line.map_or_else(String::new, |line| format!(" (line {line})"));
            out.push_str(&format!("#   {name}: {}{line}\n", one_line(written)));
        }
    }
    if !notes.is_empty() {
        out.push_str("#\n# Not carried over:\n");
        notes.iter().for_each(|note| out.push_str(&format!("#   {}\n", one_line(&note.to_string()))));
    }
    map(&mut out, entries, 0);
    out
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_special(c) { ' ' } else { c }).collect()
}

fn map(out: &mut String, entries: &[(String, Value)], indent: usize) {
    for (name, value) in entries {
        out.push_str(&" ".repeat(indent));
        out.push_str(&text(name));
        out.push(':');
        nested(out, value, indent + 2);
    }
}

/// What stands after a key: on its line, or below it.
fn nested(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            map(out, entries, indent);
        }
        Value::List(list) if !list.is_empty() => {
            out.push('\n');
            elements(out, list, indent);
        }
        scalar => {
            out.push(' ');
            out.push_str(&self::scalar(scalar));
            out.push('\n');
        }
    }
}

fn elements(out: &mut String, list: &[Value], indent: usize) {
    for value in list {
        let mut below = String::new();
        match value {
            Value::Map(entries) if !entries.is_empty() => map(&mut below, entries, indent + 2),
            Value::List(list) if !list.is_empty() => elements(&mut below, list, indent + 2),
            other => below = format!("{}{}\n", " ".repeat(indent + 2), scalar(other)),
        }
        // The first line's indentation makes room for the dash.
        out.push_str(&" ".repeat(indent));
        out.push_str("- ");
        out.push_str(below.trim_start_matches(' '));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.clone(),
        Value::Text(parts) => text(&joined(parts)),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// A text as the config's reader takes it: `${NAME}` for a variable, `$${` for the characters.
fn joined(parts: &[Part]) -> String {
    let (mut out, mut literal) = (String::new(), String::new());
    for part in parts {
        match part {
            Part::Literal(text) => literal.push_str(text),
            Part::Variable(name, default) => {
                out.push_str(&std::mem::take(&mut literal).replace("${", "$${"));
                match default {
                    Some(default) => out.push_str(&format!("${{{name}:-{default}}}")),
                    None => out.push_str(&format!("${{{name}}}")),
                }
            }
        }
    }
    out.push_str(&literal.replace("${", "$${"));
    out
}

/// Words that YAML 1.1 or 1.2 reads as something else than text.
const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// A text, plain where every reader of YAML takes it for that text.
fn text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@$*[]{}?=&%+ ".contains(c);
    let fine = (text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/' | '$')) || text.starts_with("./"))
        && text.chars().all(plain)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !WORDS.contains(&text.to_lowercase().as_str());
    if fine { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_special(c) && u32::from(c) > 0xffff => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c if is_special(c) => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
