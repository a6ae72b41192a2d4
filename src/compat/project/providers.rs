//! dlt's providers of what a project file leaves out: the environment, then `.dlt/secrets.toml`, then `.dlt/config.toml`.
//!
//! In: names of variables, in the order in which dlt tries them. Out: the first value, and where it came from. A name is looked up in a
//! TOML file by its parts, so that `SOURCES__GITHUB__CREDENTIALS__TOKEN` is `token` of `[sources.github.credentials]`. The files
//! of the profile in force come before the general ones, those beside the project file before those in the home folder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::compat::project::credentials::in_variable;
use crate::config::Inputs;
use crate::config::tree::Text;

/// Tables in tables that are looked into.
const DEPTH_MAX: usize = 16;

/// What the TOML files say.
#[derive(Default)]
pub(super) struct Providers {
    /// In the order in which they are asked.
    files: Vec<(String, BTreeMap<String, String>)>,
}

impl Providers {
    /// Reads the files that there are.
    ///
    /// # Errors
    /// A sentence about a file that cannot be read or is no TOML.
    pub(super) fn read(inputs: &Inputs<'_>, profile: &str) -> Result<Self, String> {
        let beside = Path::new(inputs.file).parent().unwrap_or(Path::new("")).join(".dlt");
        let home = inputs.variable("HOME").ok().map(|home| PathBuf::from(home).join(".dlt"));
        let mut files = Vec::new();
        for kind in ["secrets.toml", "config.toml"] {
            for folder in std::iter::once(&beside).chain(&home) {
                for name in [format!("{profile}.{kind}"), kind.to_owned()] {
                    let path = folder.join(name);
                    let text = match (inputs.read_file)(&path) {
                        Ok(text) => text,
                        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
                        Err(error) => return Err(format!("`{}` cannot be read: {error}", path.display())),
                    };
                    // The parser's own message quotes the line, which may be a secret.
                    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
                        let before = error.span().and_then(|span| text.get(..span.start));
                        let place =
                            before.map_or_else(String::new, |before| format!(", line {}", before.matches('\n').count() + 1));
                        format!("`{}`{place} is no TOML: {}", path.display(), error.message())
                    })?;
                    let mut values = BTreeMap::new();
                    flatten(&table, "", DEPTH_MAX, &mut values);
                    files.push((path.display().to_string(), values));
                }
            }
        }
        Ok(Self { files })
    }

    /// Whether there is a file of `profile` alone.
    pub(super) fn has_any(inputs: &Inputs<'_>, profile: &str) -> bool {
        let beside = Path::new(inputs.file).parent().unwrap_or(Path::new("")).join(".dlt");
        let home = inputs.variable("HOME").ok().map(|home| PathBuf::from(home).join(".dlt"));
        let names = ["secrets.toml", "config.toml"].map(|kind| format!("{profile}.{kind}"));
        std::iter::once(beside).chain(home).any(|folder| names.iter().any(|name| (inputs.read_file)(&folder.join(name)).is_ok()))
    }

    /// The value of the first of `names` that the first provider has which has any.
    pub(super) fn find(&self, inputs: &Inputs<'_>, names: &[String]) -> Option<Text> {
        let given = |shown: String, value: String| {
            let all = std::iter::once(0..value.len()).collect();
            Text { text: value, written: Some(shown), given: all }
        };
        if let Some((name, value)) = names.iter().find_map(|name| Some((name, inputs.variable(name).ok()?))) {
            return Some(given(format!("${{{name}}}"), value));
        }
        self.files.iter().find_map(|(file, values)| {
            let (name, value) = names.iter().find_map(|name| Some((name, values.get(name)?)))?;
            Some(given(format!("{name} of {file}"), value.clone()))
        })
    }
}

/// The scalars of a table by their names as variables.
fn flatten(table: &toml::Table, before: &str, depth: usize, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = format!("{before}{}", in_variable(key));
        let text = match value {
            toml::Value::Table(inner) if depth > 0 => {
                flatten(inner, &format!("{name}__"), depth - 1, into);
                continue;
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(value) => value.to_string(),
            toml::Value::Datetime(time) => time.to_string(),
            toml::Value::Array(_) | toml::Value::Table(_) => continue,
        };
        if !text.is_empty() {
            into.entry(name).or_insert(text);
        }
    }
}
