//! `{env.NAME}`, `{current_profile}` and the project's own settings, in the style of Python's `str.format`.
//!
//! Every other placeholder is left as it stands: `{resources.…}`, `{incremental.…}` and path parameters are the resource's.

use std::ops::Range;

use crate::compat::project::Project;
use crate::config::fault::Problem;
use crate::config::secrecy;
use crate::config::substitute::substitute;
use crate::config::tree::{Document, NodeId, Text, Value};

/// A text with what it names.
struct Named {
    text: Text,
    /// Byte ranges that the environment gave.
    secret: Vec<Range<usize>>,
}

impl Project<'_> {
    /// Reads the texts of the `project` section, which stand for themselves as `{key}`.
    pub(super) fn read_settings(&mut self) {
        let Some(project) = self.document.entry(Document::ROOT, "project").map(|entry| entry.node) else { return };
        self.fill(project, false);
        for entry in self.document.entries(project) {
            if let Value::Text(text) = &self.document.node(entry.node).value {
                self.settings.push((entry.key.clone(), text.text.clone()));
            }
        }
        self.settings.push(("default_profile".to_owned(), self.profile.clone()));
    }

    /// Fills in what comes from outside at and below `at`: `${…}`, `{env.…}`, `{current_profile}`, and the project's settings
    /// where they cannot be taken for a resource's placeholders.
    pub(super) fn fill(&mut self, at: NodeId, settings: bool) {
        substitute(self.document, at, self.inputs, self.faults);
        for id in self.document.below(at) {
            if let Some(name) = self.unquoted(id) {
                let why = format!("`{{{name}}}` without quotes is a map in YAML; write \"{{{name}}}\"");
                self.fault(id, Problem::Conflict { why });
                self.document.replace(id, Value::Faulty);
            }
            let Value::Text(text) = &self.document.node(id).value else { continue };
            if !text.text.contains('{') {
                continue;
            }
            match self.filled(text, settings) {
                Ok(None) => {}
                Ok(Some(Named { text, secret })) => {
                    secrecy::given(&self.document.path(id), &text.text, &secret);
                    self.document.replace(id, Value::Text(text));
                }
                Err(problem) => {
                    self.fault(id, problem);
                    self.document.replace(id, Value::Faulty);
                }
            }
        }
    }

    /// The name in `{env.NAME}` that lacks its quotes, and so is a map of one key without a value.
    fn unquoted(&self, id: NodeId) -> Option<String> {
        let [entry] = self.document.entries(id) else { return None };
        let empty = matches!(self.document.node(entry.node).value, Value::Null);
        (empty && (entry.key.starts_with("env.") || entry.key == "current_profile")).then(|| entry.key.clone())
    }

    /// The text with what it names; `None` where it names nothing.
    fn filled(&self, text: &Text, settings: bool) -> Result<Option<Named>, Problem> {
        let (mut out, mut given): (String, Vec<Range<usize>>) = (String::new(), Vec::new());
        let mut secret = Vec::new();
        let (mut at, mut changed) = (0, false);
        while at < text.text.len() {
            let rest = &text.text[at..];
            if let Some(range) = text.given.iter().find(|range| range.start == at && !range.is_empty()) {
                given.push(out.len()..out.len() + range.len());
                out.push_str(&text.text[range.clone()]);
                at = range.end;
            } else if rest.starts_with("{{") {
                out.push_str("{{");
                at += 2;
            } else if let Some((name, value)) = self.placeholder(rest, settings) {
                let value = value?;
                let range = out.len()..out.len() + value.len();
                if name.starts_with("env.") {
                    secret.push(range.clone());
                }
                given.push(range);
                out.push_str(&value);
                at += name.len() + 2;
                changed = true;
            } else {
                let step = rest.chars().next().map_or(1, char::len_utf8);
                out.push_str(&rest[..step]);
                at += step;
            }
        }
        Ok(changed.then(|| Named { text: Text { text: out, written: Some(text.as_written().to_owned()), given }, secret }))
    }

    /// The placeholder that `rest` begins with, where it is one of the project's, and its value.
    fn placeholder<'t>(&self, rest: &'t str, settings: bool) -> Option<(&'t str, Result<String, Problem>)> {
        let name = rest.strip_prefix('{')?.split_once('}')?.0;
        if let Some(variable) = name.strip_prefix("env.") {
            return Some((name, self.inputs.variable(variable)));
        }
        if name == "current_profile" {
            return Some((name, Ok(self.profile.clone())));
        }
        let setting = self.settings.iter().find(|(key, _)| settings && key == name)?;
        Some((name, Ok(setting.1.clone())))
    }
}
