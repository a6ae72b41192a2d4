//! `${NAME}`, `${NAME:-default}`, `${NAME:public}` and `${file:PATH}` in the texts of a config.
//!
//! In: a parsed document, the environment, files. Out: the same document with the references filled in. This happens after
//! the YAML is parsed, so a value can bring no keys and no types into the file. `$${` stands for `${`.
//! What comes in is a secret, unless the file says `:public` or has it as a default.

use std::ops::Range;
use std::path::Path;

use crate::base::secrets;
use crate::config::Inputs;
use crate::config::fault::{Fault, Problem};
use crate::config::secrecy;
use crate::config::tree::{Document, NodeId, Text, Value};

/// Longest file that `${file:…}` takes, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Fills in every reference at and below a value; the text of one that cannot be filled in becomes [`Value::Faulty`].
pub(crate) fn substitute(document: &mut Document, at: NodeId, inputs: &Inputs<'_>, faults: &mut Vec<Fault>) {
    for id in document.below(at) {
        let Value::Text(text) = &document.node(id).value else { continue };
        let unbraced = unbraced(&text.text, inputs);
        if unbraced.is_none() && !text.text.contains("${") {
            continue;
        }
        let Filled { value, secret, problems } = match unbraced {
            Some(problem) => Filled { value: None, secret: Vec::new(), problems: vec![problem] },
            None => fill(&text.text, inputs),
        };
        if let Some(value) = &value {
            secrecy::given(&document.path(id), &value.text, &secret);
        }
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

/// What is wrong with a text in which a variable has no braces, as shells take it: it would be sent as it is. `$top` and `$skip` are names that APIs
/// have, and JSON paths begin with `$`; so the name is in capitals, and it is all of the text, or that of a variable which is set.
fn unbraced(text: &str, inputs: &Inputs<'_>) -> Option<Problem> {
    let mut names = text.match_indices('$').filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(rest.len());
        let is_name = end > 1
            && rest.starts_with(|c: char| c.is_ascii_uppercase())
            && !rest[end..].starts_with(|c: char| c.is_alphanumeric());
        (is_name && !text[..at].ends_with('$')).then_some(&rest[..end])
    });
    // A query of GraphQL has variables of its own.
    let is_set = |name: &str| !text.contains(['{', '\n']) && inputs.variable(name).is_ok();
    let found = names.find(|name| text.len() == name.len() + 1 || is_set(name))?;
    let name = inputs.variable(found).is_ok().then(|| found.to_owned());
    Some(Problem::Unbraced { name: name.unwrap_or_else(|| "NAME".to_owned()) })
}

/// A text with its references filled in, or what keeps them from it.
struct Filled {
    value: Option<Text>,
    /// Byte ranges that are secrets.
    secret: Vec<Range<usize>>,
    problems: Vec<Problem>,
}

/// What a reference stands for.
struct Found {
    text: String,
    is_secret: bool,
}

fn fill(written: &str, inputs: &Inputs<'_>) -> Filled {
    let (mut text, mut problems) = (String::new(), Vec::new());
    let (mut given, mut secret): (Vec<Range<usize>>, Vec<Range<usize>>) = (Vec::new(), Vec::new());
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
            Ok(found) => {
                let range = text.len()..text.len() + found.text.len();
                text.push_str(&found.text);
                if found.is_secret {
                    secret.push(range.clone());
                }
                given.push(range);
            }
            Err(problem) => problems.push(problem),
        }
        rest = &reference[end + 1..];
    }
    text.push_str(rest);
    let filled = Text { text, written: Some(written.to_owned()), given };
    Filled { value: problems.is_empty().then_some(filled), secret, problems }
}

fn look_up(reference: &str, inputs: &Inputs<'_>) -> Result<Found, Problem> {
    if let Some(path) = reference.strip_prefix("file:") {
        return from_file(path, inputs).map(|text| Found { text, is_secret: true });
    }
    let (name, default) = reference.split_once(":-").map_or((reference, None), |(name, default)| (name, Some(default)));
    let (name, is_public) = name.strip_suffix(":public").map_or((name, false), |name| (name, true));
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(letter) || !name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        return Err(Problem::Reference { text: format!("${{{reference}}}") });
    }
    let text = match (inputs.variable(name), default) {
        (Ok(text), _) => text,
        (Err(_), Some(default)) => return Ok(Found { text: default.to_owned(), is_secret: false }),
        (Err(problem), None) => return Err(problem),
    };
    if is_public {
        secrets().allow(&text);
    }
    Ok(Found { text, is_secret: !is_public })
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
