//! Import: from a dlt pipeline script to a lakeward config.
//!
//! In: a Python script's text. Out: the config as YAML, whose head lists the environment variables to set and everything that
//! could not be carried over, with the script's lines; or why there is no config in it.
//! The script is parsed, never run: what counts are literals, names bound to them, and the few calls that dlt's configs are
//! written with. Nothing is left out without a note.
//! On the way: `script` (names and calls), `value` (expressions to values), `calls` and `objects` (dlt's functions and classes),
//! `assemble` (the values to a config), `write` (YAML).
//! Not here: whether the config is right (`config::load`), files (`cli`).

mod assemble;
mod calls;
mod lambda;
mod objects;
mod script;
mod value;
mod write;

use std::mem::ManuallyDrop;

use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};

use crate::compat::import::script::Script;
pub(in crate::compat) use crate::compat::import::value::{Part, Value};
pub(in crate::compat) use crate::compat::import::write::block;

/// Longest script, in bytes. Pipeline scripts have some thousand.
const BYTES_MAX: usize = 256 << 10;
/// Deepest nesting of a script's brackets, and of a config's values.
const DEPTH_MAX: usize = 64;
/// Most values of a config, names followed.
const VALUES_MAX: usize = 100_000;

/// A converted script.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Imported {
    /// The config, notes and variables in its head.
    pub(crate) yaml: String,
    /// What was not carried over, in the script's order.
    pub(crate) notes: Vec<Note>,
    /// The environment variables that the config reads.
    pub(crate) variables: Vec<Variable>,
}

/// Something of the script that the config does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    /// The script's line, from 1.
    pub(crate) line: usize,
    /// The key it would have been, or empty.
    path: String,
    what: String,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = if self.path.is_empty() { String::new() } else { format!("`{}`: ", self.path) };
        write!(f, "line {}: {path}{}", self.line, self.what)
    }
}

/// An environment variable that a config reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// What the script says for it.
    written: String,
    /// Where it says it; `None` where it says nothing.
    line: Option<usize>,
}

/// Why a script is not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImportError {
    /// A bound was passed.
    #[error("{what} passes the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, with its unit.
        limit: String,
    },
    /// The text is not Python.
    #[error("{line}:{column}: not valid Python: {what}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The parser's words.
        what: String,
    },
    /// There is no config in it.
    #[error(
        "no dlt REST config found; looked for `rest_api_source({{…}})`, `rest_api_resources({{…}})`, `name: RESTAPIConfig = {{…}}`, and a dict with `client` and `resources`"
    )]
    Nothing,
    /// A config without a resource.
    #[error("{line}:1: the config has no resource that can be read without running the script{}", also(.left_out))]
    NoResources {
        /// Line, from 1.
        line: usize,
        /// What was left out, in one line.
        left_out: String,
    },
    /// What stands where the config is expected is none that can be read.
    #[error(
        "{line}:1: the config of `{function}` is {what}, not a dict that can be read without running the script; write the dict itself there, or give it a name: `config = {{…}}`, then `{function}(config)`"
    )]
    NoDict {
        /// Line, from 1.
        line: usize,
        /// The function that takes the config.
        function: String,
        /// What it is.
        what: String,
    },
}

fn also(notes: &str) -> String {
    if notes.is_empty() { String::new() } else { format!("; left out: {notes}") }
}

/// Converts `script`, which messages and the config's head call `file`; `stem` names the pipeline where the script does not.
///
/// # Errors
/// [`ImportError`]; a part that cannot be carried over is a note instead.
pub(crate) fn import(script: &str, file: &str, stem: &str) -> Result<Imported, ImportError> {
    let text = script.strip_prefix('\u{feff}').unwrap_or(script);
    if text.len() > BYTES_MAX {
        return Err(ImportError::TooLarge { what: "the script", limit: format!("{} KiB", BYTES_MAX >> 10) });
    }
    if nesting(text) > DEPTH_MAX {
        return Err(ImportError::TooLarge { what: "the nesting of brackets", limit: format!("{DEPTH_MAX} levels") });
    }
    // A chain of operators is as deep as it is long, and dropping a tree recurses: the few kilobytes are left to the process's end.
    let parsed = ManuallyDrop::new(parse_unchecked(text, ParseOptions::from(Mode::Module)));
    if let Some(error) = parsed.errors().first() {
        let (line, column) = place(text, usize::from(error.location.start()));
        return Err(ImportError::Syntax { line, column, what: error.error.to_string().replace('\n', " ") });
    }
    match parsed.syntax() {
        ruff_python_ast::Mod::Module(module) => assemble::assemble(&Script::read(text, &module.body), file, stem),
        ruff_python_ast::Mod::Expression(_) => Err(ImportError::Nothing),
    }
}

/// Line and column of a byte, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The deepest nesting of brackets outside of strings and comments; of a script that is not valid, some number.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut step = c.len_utf8();
        match c {
            '(' | '[' | '{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '#' => step = rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => step = string_length(rest, c),
            _ => {}
        }
        rest = &rest[step..];
    }
    deepest
}

/// Bytes of the string that `rest` begins with, quotes included.
fn string_length(rest: &str, quote: char) -> usize {
    let triple = quote.to_string().repeat(3);
    let end = if rest.starts_with(&triple) { triple.as_str() } else { &triple[..1] };
    let mut at = end.len();
    while at < rest.len() {
        let tail = &rest[at..];
        if tail.starts_with(end) {
            return at + end.len();
        }
        if tail.starts_with('\n') && end.len() == 1 {
            return at;
        }
        let escaped = usize::from(tail.starts_with('\\'));
        at += tail.chars().take(1 + escaped).map(char::len_utf8).sum::<usize>();
    }
    rest.len()
}

#[cfg(test)]
mod tests;
