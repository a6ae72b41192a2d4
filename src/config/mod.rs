//! Config: from a file's text and an environment to a settled, validated plan.
//!
//! In: YAML text, where it came from, and the environment as a lookup. Out: a [`Plan`] without anything left open, or
//! every fault of the file at once, each with line, key path, what was expected and the nearest valid spelling.
//! On the way: `tree` (YAML with places), `substitute` (`${…}`), `read` (a tree to types), `raw` (what the file says), `resolve` (what it
//! means). Other files become a config while they are a tree (`compat`).
//! Not here: reading files (`cli` hands in how), sockets, Arrow.

mod auth_plan;
mod expression;
pub(crate) mod fault;
mod incremental;
mod jwt;
mod formats;
mod lake_only;
mod plan;
mod raw;
mod read;
mod request;
mod resolve;
mod rules;
pub(crate) mod secrecy;
pub(crate) mod spell;
pub(crate) mod substitute;
pub(crate) mod tree;
mod units;

use std::io;
use std::path::{Path, PathBuf};

use crate::config::fault::Fault;
use crate::config::tree::Document;

pub(crate) use auth_plan::*;
pub(crate) use expression::{EvalFault, Expression};
pub(crate) use fault::{ConfigErrors, Problem, nearest};
pub(crate) use formats::{CsvHeader, CsvPlan, FormatKind, FormatPlan, InvalidBytes, Pattern, XmlPlan, XssiPrefix};
pub(crate) use incremental::{CursorRange, Dedup, IncrementalPlan, LastValue, OnMissingCursor, Outside, RowOrder, WINDOWS_MAX};
pub(crate) use jwt::{JwtAlgorithm, JwtFault};
pub(crate) use lake_only::{LakeOnly, Outline, load_lake, load_place};
pub(crate) use plan::*;
pub(crate) use request::{BindError, Binding, IncrementalValue, Part, Request, RequestData, Template};
pub(crate) use resolve::is_file_name;
pub(crate) use rules::{Conditions, PartialData, Rule, RuleAction, Scope, StatusMatch, Test, ToldWait, WaitUnit};
pub(crate) use spell::{paginator_words, path_words, yaml};

/// What a config is read from. Nothing else of the outside is looked at.
pub(crate) struct Inputs<'a> {
    /// The config's text.
    pub(crate) text: &'a str,
    /// The config's path as the user named it, for messages; files named in the config are relative to its folder.
    pub(crate) file: &'a str,
    /// The config's folder, absolute; a relative `lake.url` is relative to it.
    pub(crate) folder: &'a Path,
    /// The current folder, absolute, below which an older lakeward looked for a relative `lake.url`.
    pub(crate) current_dir: &'a Path,
    /// Whether a folder is a lake in which the pipeline of a name has committed.
    pub(crate) has_lake: &'a dyn Fn(&Path, &str) -> bool,
    /// The environment.
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// Reads a file, for `${file:…}` and `schema`.
    pub(crate) read_file: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Inputs<'_> {
    /// What a path that begins with `~` would be if a shell had read it; `None` for all others. Nobody fills it in within a config.
    pub(crate) fn of_home(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        let home = (self.env)("HOME").filter(|home| home.starts_with('/')).unwrap_or_else(|| "/home/me".to_owned());
        Some(format!("{}{rest}", home.trim_end_matches('/')))
    }

    /// The text of a file that the config names.
    ///
    /// # Errors
    /// Why not, as a sentence about the file.
    pub(crate) fn read(&self, path: &Path) -> Result<String, String> {
        if let Some(meant) = self.of_home(&path.to_string_lossy()) {
            return Err(format!("begins with `~`, which shells alone fill in: write `{meant}`, or `./{}`", path.display()));
        }
        let folder = Path::new(self.file).parent().unwrap_or(Path::new(""));
        let path: PathBuf = folder.join(path);
        (self.read_file)(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "does not exist".to_owned(),
            io::ErrorKind::PermissionDenied => "may not be read: permission denied".to_owned(),
            io::ErrorKind::InvalidData => "is not UTF-8 text".to_owned(),
            _ => format!("cannot be read: {error}"),
        })
    }

    /// The value of an environment variable, not empty.
    ///
    /// # Errors
    /// [`Problem::Variable`].
    pub(crate) fn variable(&self, name: &str) -> Result<String, Problem> {
        let value = (self.env)(name);
        let empty = value.is_some();
        value.filter(|value| !value.is_empty()).ok_or_else(|| Problem::Variable { name: name.to_owned(), empty })
    }
}

/// Reads, checks and settles a config. `fill_in` fills in what comes from outside, and makes a config of what is none yet; `false` when it
/// cannot, with the fault.
///
/// # Errors
/// Every fault found in it. Only broken YAML, or a document that becomes no config, ends the search early.
pub(crate) fn load(
    inputs: &Inputs<'_>,
    fill_in: impl FnOnce(&mut Document, &mut Vec<Fault>) -> bool,
) -> Result<Plan, ConfigErrors> {
    let mut faults = Vec::new();
    let mut document = parse(inputs, &mut faults)?;
    if !fill_in(&mut document, &mut faults) {
        return Err(ConfigErrors::new(inputs.file, faults));
    }
    let reader = read::Reader::new(&document, faults);
    let config: Option<raw::Config> = reader.read();
    let plan = config.and_then(|config| resolve::resolve(&reader, inputs, &config));
    let faults = reader.into_faults();
    match plan {
        Some(plan) if faults.is_empty() => Ok(plan),
        _ => Err(ConfigErrors::new(inputs.file, faults)),
    }
}

/// The document that a config's text is.
///
/// # Errors
/// Text that is not YAML.
fn parse(inputs: &Inputs<'_>, faults: &mut Vec<Fault>) -> Result<Document, ConfigErrors> {
    Document::parse(inputs.text, faults).map_err(|fault| {
        faults.push(*fault);
        ConfigErrors::new(inputs.file, std::mem::take(faults))
    })
}

/// The JSON Schema of a config file, as `schemas/config.schema.json` holds it.
#[must_use]
pub(crate) fn json_schema() -> String {
    let schema = schemars::schema_for!(raw::Config);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
