//! Credentials that a project file leaves to the environment or to dlt's TOML files, under dlt's names for them.
//!
//! dlt looks a missing field of `auth` up as `sources.<section>.<source>.credentials.<field>`, dropping sections from right to
//! left, first under the pipeline's name; the parts of a variable are joined by `__`, in upper case. What is written wins.

use crate::compat::project::Project;
use crate::config::fault::{Fault, Problem};
use crate::config::tree::{Document, Entry, NodeId, Value};

/// The section that dlt's `rest_api` source belongs to.
const SECTION: &str = "REST_API";
/// What each type of `auth` cannot do without.
pub(in crate::compat) const REQUIRED: [(&str, &[&str]); 4] = [
    ("bearer", &["token"]),
    ("api_key", &["api_key"]),
    ("http_basic", &["username", "password"]),
    ("oauth2_client_credentials", &["access_token_url", "client_id", "client_secret"]),
];

impl Project<'_> {
    /// Fills in what the `auth` of a source's client and endpoints lacks.
    pub(super) fn fill_credentials(&mut self, source: &Entry) {
        let at = |document: &Document, map: NodeId, key: &str| document.entry(map, key).map(|entry| entry.node);
        let mut owners: Vec<NodeId> = at(self.document, source.node, "client").into_iter().collect();
        let mut resources: Vec<NodeId> = at(self.document, source.node, "resource_defaults").into_iter().collect();
        if let Some(list) = at(self.document, source.node, "resources")
            && let Value::List(items) = &self.document.node(list).value
        {
            resources.extend(items);
        }
        owners.extend(resources.into_iter().filter_map(|resource| at(self.document, resource, "endpoint")));
        for owner in owners {
            if let Some(auth) = at(self.document, owner, "auth") {
                self.complete(auth, &source.key);
            }
        }
    }

    /// Adds what the `auth` at `id` lacks.
    fn complete(&mut self, id: NodeId, source: &str) {
        let (mut entries, kind) = match &self.document.node(id).value {
            Value::Map(entries) => {
                let kind = self.document.entry(id, "type").map(|entry| &self.document.node(entry.node).value);
                match kind {
                    None => (entries.clone(), "bearer".to_owned()),
                    Some(Value::Text(kind)) => (entries.clone(), kind.text.clone()),
                    Some(_) => return,
                }
            }
            Value::Text(kind) => (Vec::new(), kind.text.clone()),
            _ => return,
        };
        let Some((_, required)) = REQUIRED.iter().find(|(name, _)| *name == kind) else { return };
        let mark = self.document.node(id).mark;
        let mut added = false;
        for &field in *required {
            let there = |entry: &Entry| entry.key == field && !matches!(self.document.node(entry.node).value, Value::Null);
            if entries.iter().any(there) {
                continue;
            }
            entries.retain(|entry| entry.key != field);
            let value = self.looked_up(id, source, field);
            let node = self.document.add(id, value);
            entries.push(Entry::new(field, mark, node));
            added = true;
        }
        if !added {
            return;
        }
        if let Value::Text(_) = &self.document.node(id).value {
            let node = self.document.add(id, super::text(&kind));
            entries.insert(0, Entry::new("type", mark, node));
        }
        self.document.replace(id, Value::Map(entries));
    }

    /// The field's value from the first of dlt's places that has it; otherwise a fault at the `auth` that lacks it.
    fn looked_up(&mut self, auth: NodeId, source: &str, field: &str) -> Value {
        let names = variables(&self.pipeline, source, field);
        if let Some(found) = self.providers.find(self.inputs, &names) {
            return Value::Text(found);
        }
        let meaning = match names.iter().rev().find(|name| name.starts_with("SOURCES__")) {
            Some(general) => format!(
                "write it, or set dlt's variable for it, `{}` or `{general}`, or `.dlt/secrets.toml`",
                names[names.len() / 2]
            ),
            None => "write it".to_owned(),
        };
        let mark = self.document.node(auth).mark;
        let path = self.document.path(auth);
        let problem = Problem::Missing { key: field.to_owned(), meaning };
        self.faults.push(Fault { line: mark.line, column: mark.column, path, problem });
        Value::Faulty
    }
}

/// dlt's variables for a field, in the order in which it tries them: those of the pipeline, then those of all.
fn variables(pipeline: &str, source: &str, field: &str) -> Vec<String> {
    let (pipeline, source, field) = (in_variable(pipeline), in_variable(source), in_variable(field));
    let general = [
        format!("SOURCES__{SECTION}__{source}__CREDENTIALS__{field}"),
        format!("SOURCES__{source}__CREDENTIALS__{field}"),
        format!("SOURCES__{SECTION}__CREDENTIALS__{field}"),
        format!("SOURCES__CREDENTIALS__{field}"),
        format!("CREDENTIALS__{field}"),
    ];
    let own = general.iter().map(|name| format!("{pipeline}__{name}"));
    own.chain(general.iter().cloned()).collect()
}

/// A name as a part of a variable's.
pub(super) fn in_variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}
