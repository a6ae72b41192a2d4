//! `${NAME}`, `${NAME:-default}` and `${file:PATH}` in the texts of a config.
//!
//! In: a parsed document, the environment, files. Out: the same document with the references filled in. This happens after
//! the YAML is parsed, so a value can bring no keys and no types into the file. `$${` stands for `${`.

use std::ops::Range;
use std::path::Path;

use crate::config::Inputs;
use crate::config::fault::{Fault, Problem};
use crate::config::tree::{Document, NodeId, Text, Value};

/// Longest file that `${file:…}` takes, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Fills in every reference at and below a value; the text of one that cannot be filled in becomes [`Value::Faulty`].
pub(crate) fn substitute(document: &mut Document, at: NodeId, inputs: &Inputs<'_>, faults: &mut Vec<Fault>) {
    for id in document.below(at) {
        let Value::Text(text) = &document.node(id).value else { continue };
        if !text.text.contains("${") {
            continue;
        }
        let (value, problems) = fill(&text.text, inputs);
        let mark = document.node(id).mark;
        faults.extend(problems.into_iter().map(|problem| Fault {
            line: mark.line,
            column: mark.column,
            path: document.path(id),
            problem,
        }));
        document.replace(id, value.map_or(Value::Faulty, Value::Text));
    }
}

/// The text with its references filled in, or what keeps them from it.
fn fill(written: &str, inputs: &Inputs<'_>) -> (Option<Text>, Vec<Problem>) {
    let (mut text, mut given, mut problems): (String, Vec<Range<usize>>, Vec<Problem>) = (String::new(), Vec::new(), Vec::new());
    let mut rest = written;
    while let Some(at) = rest.find("${") {
        let (before, reference) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            text.push_str(before);
            text.push_str("${");
            rest = reference;
            continue;
        }
        text.push_str(before);
        let Some(end) = reference.find('}') else {
            problems.push(Problem::Reference { text: format!("${{{reference}") });
            rest = "";
            break;
        };
        match look_up(&reference[..end], inputs) {
            Ok(value) => {
                given.push(text.len()..text.len() + value.len());
                text.push_str(&value);
            }
            Err(problem) => problems.push(problem),
        }
        rest = &reference[end + 1..];
    }
    text.push_str(rest);
    let filled = Text { text, written: Some(written.to_owned()), given };
    (problems.is_empty().then_some(filled), problems)
}

fn look_up(reference: &str, inputs: &Inputs<'_>) -> Result<String, Problem> {
    if let Some(path) = reference.strip_prefix("file:") {
        return from_file(path, inputs);
    }
    let (name, default) = reference.split_once(":-").map_or((reference, None), |(name, default)| (name, Some(default)));
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(letter) || !name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        return Err(Problem::Reference { text: format!("${{{reference}}}") });
    }
    match default {
        Some(default) => Ok(inputs.variable(name).unwrap_or_else(|_| default.to_owned())),
        None => inputs.variable(name),
    }
}

/// A file's text without the line break that editors and `echo` end it with.
fn from_file(path: &str, inputs: &Inputs<'_>) -> Result<String, Problem> {
    let refuse = |why: String| Problem::File { file: path.to_owned(), why };
    if path.trim().is_empty() {
        return Err(Problem::Reference { text: format!("${{file:{path}}}") });
    }
    let text = inputs.read(Path::new(path)).map_err(refuse)?;
    if text.len() > FILE_BYTES_MAX {
        return Err(refuse(format!("is larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(refuse("is empty".to_owned())) } else { Ok(text.to_owned()) }
}
