//! dltHub's project file (`dlt.yml`): one of its pipelines becomes a config.
//!
//! In: a parsed document, and which pipeline and profile are meant. Out: the same document with a config at its root, put
//! together from the values of the file, which keep their lines and paths: `name` from the pipeline, `client` and `resources` from
//! its source, `lake` from its destination and dataset. Only what the chosen pipeline uses is looked at, so that a variable of
//! another profile may be missing.
//! Not here: what the keys of `client` and `resources` mean, which are the same in both files.

mod credentials;
mod destination;
mod fill;
mod profile;
mod providers;
#[cfg(test)]
mod tests;

use crate::config::Inputs;
use crate::config::fault::{Fault, Problem, listed, nearest};
use crate::config::substitute::substitute;
use crate::config::tree::{Document, Entry, NodeId, Text, Value, join_key};

pub(in crate::compat) use credentials::REQUIRED;
pub(in crate::compat) use destination::OPTIONS;
use providers::Providers;

/// Sections of a project file that a run reads.
const SECTIONS: [&str; 6] = ["sources", "destinations", "pipelines", "datasets", "profiles", "project"];
/// Sections of dltHub's that a run of one pipeline has no use for, or that lakeward does not have.
const FOREIGN_SECTIONS: [&str; 4] = ["caches", "transformations", "runtime", "parameters"];
/// Keys of a source: those of a config, and what names the source.
const SOURCE_KEYS: [&str; 5] = ["type", "client", "resource_defaults", "resources", "resume"];
/// The names of the `rest_api` source.
const SOURCE_TYPES: [&str; 2] = ["rest_api", "dlt.sources.rest_api.rest_api"];
/// Keys of a pipeline.
const PIPELINE_KEYS: [&str; 5] = ["source", "destination", "dataset_name", "pipelines_dir", "progress"];

/// Which part of a project file is meant.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Choice<'a> {
    /// The pipeline; may be left out where the file has one.
    pub(crate) pipeline: Option<&'a str>,
    /// The profile laid over the file. Default: `project.default_profile`, else `dev`.
    pub(crate) profile: Option<&'a str>,
}

/// What a config is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A run, which needs all of it.
    Run,
    /// Its lake; the source may be missing or have faults, which are recorded.
    Lake,
}

/// Fills in what comes from outside, and puts a config at the document's root where it is a project file. False when there is
/// nothing to read; the fault is recorded.
pub(crate) fn settle(
    document: &mut Document,
    inputs: &Inputs<'_>,
    choice: Choice<'_>,
    wanted: Wanted,
    faults: &mut Vec<Fault>,
) -> bool {
    let has = |key: &str| document.entry(Document::ROOT, key).is_some();
    let is_config = ["client", "resources", "resource_defaults", "lake"].into_iter().any(has);
    let is_project = !is_config && ["sources", "destinations", "pipelines"].into_iter().any(has);
    if !is_project {
        if choice.pipeline.is_some() || choice.profile.is_some() {
            let why = "`--pipeline` and `--profile` choose from a dlt project file (`sources`, `destinations`, `pipelines`), and this is no such file";
            faults.push(fault_at(document, Document::ROOT, Problem::Conflict { why: why.to_owned() }));
            return false;
        }
        substitute(document, Document::ROOT, inputs, faults);
        return true;
    }
    let mut project = Project {
        document,
        inputs,
        faults,
        profile: String::new(),
        settings: Vec::new(),
        pipeline: String::new(),
        providers: Providers::default(),
    };
    project.settle(choice, wanted).is_some()
}

/// A project file being settled.
struct Project<'p> {
    document: &'p mut Document,
    inputs: &'p Inputs<'p>,
    faults: &'p mut Vec<Fault>,
    /// The profile in force.
    profile: String,
    /// The texts of the `project` section by their keys.
    settings: Vec<(String, String)>,
    /// The chosen pipeline.
    pipeline: String,
    /// What dlt's TOML files say.
    providers: Providers,
}

impl Project<'_> {
    fn settle(&mut self, choice: Choice<'_>, wanted: Wanted) -> Option<()> {
        self.known_keys(Document::ROOT, &SECTIONS, &FOREIGN_SECTIONS);
        self.lay_profile_over(choice.profile)?;
        self.read_settings();
        match Providers::read(self.inputs, &self.profile) {
            Ok(providers) => self.providers = providers,
            Err(why) => self.fault(Document::ROOT, Problem::Conflict { why }),
        }
        let pipeline = self.chosen(choice.pipeline)?;
        self.pipeline.clone_from(&pipeline.key);
        let name = self.document.add(pipeline.node, text(&pipeline.key));
        self.fill(pipeline.node, true);
        self.known_keys(
            pipeline.node,
            &PIPELINE_KEYS,
            &["staging", "refresh", "dev_mode", "import_schema_path", "export_schema_path"],
        );
        let source = self.source(pipeline.node);
        let lake = self.lake(&pipeline);
        let lake = lake?;
        let mut entries = vec![Entry::new("name", pipeline.mark, name), Entry::new("lake", pipeline.mark, lake)];
        let Some(source) = source else {
            self.document.set_root(pipeline.node, entries);
            return (wanted == Wanted::Lake).then_some(());
        };
        if wanted == Wanted::Run {
            self.fill_credentials(&source);
        }
        let keys = self.document.entries(source.node).iter();
        entries.extend(keys.filter(|entry| SOURCE_KEYS[1..].contains(&entry.key.as_str())).cloned());
        self.document.set_root(source.node, entries);
        Some(())
    }

    /// The pipeline that is meant.
    fn chosen(&mut self, name: Option<&str>) -> Option<Entry> {
        let section = self.section("pipelines", "what to run: a source, a destination, a dataset")?;
        let pipelines = self.document.entries(section).to_vec();
        match (name, pipelines.as_slice()) {
            (Some(name), _) => self.named(section, section, "pipeline", name),
            (None, [pipeline]) => Some(pipeline.clone()),
            (None, []) => {
                self.wrong(section, "at least one pipeline");
                None
            }
            (None, several) => {
                let names: Vec<&str> = several.iter().map(|entry| entry.key.as_str()).collect();
                let why = format!("there is more than one pipeline; choose with `--pipeline`, {}", listed(&names));
                self.fault(section, Problem::Conflict { why });
                None
            }
        }
    }

    /// The source of the pipeline at `pipeline`, its values filled in.
    fn source(&mut self, pipeline: NodeId) -> Option<Entry> {
        let meaning = "the name of a source under `sources`";
        let (at, name) = self.text_of(pipeline, "source").or_else(|| self.missing(pipeline, "source", meaning))?;
        let section = self.section("sources", "the APIs, each with `type: rest_api`")?;
        let source = self.named(section, at, "source", &name)?;
        self.fill(source.node, false);
        if !matches!(self.document.node(source.node).value, Value::Map(_)) {
            self.wrong(source.node, "a map");
            return None;
        }
        let (at, kind) = self
            .text_of(source.node, "type")
            .or_else(|| self.missing(source.node, "type", "`rest_api`, the one source that lakeward reads"))?;
        if !SOURCE_TYPES.contains(&kind.as_str()) {
            if kind.is_empty() {
                return None;
            }
            self.wrong(at, "`rest_api`, the one source that lakeward reads");
            return None;
        }
        self.known_keys(source.node, &SOURCE_KEYS, &[]);
        Some(source)
    }

    /// The entry `name` of a section; otherwise a fault at `at` with the nearest name.
    fn named(&mut self, section: NodeId, at: NodeId, what: &'static str, name: &str) -> Option<Entry> {
        let found = self.document.entry(section, name).cloned();
        if found.is_none() && !name.is_empty() {
            let known: Vec<String> = self.document.entries(section).iter().map(|entry| entry.key.clone()).collect();
            // As the file has it, not as the environment does.
            let shown = match &self.document.node(at).value {
                Value::Text(text) if text.text == name => text.as_written(),
                _ => name,
            };
            let found = Some(shown.to_owned());
            self.fault(at, Problem::UnknownName { what, found, nearest: nearest(name, &known), known });
        }
        found
    }

    /// A section of the file, which must be a map.
    fn section(&mut self, key: &str, meaning: &str) -> Option<NodeId> {
        let section = self.document.entry(Document::ROOT, key).map(|entry| entry.node);
        let section = section.or_else(|| self.missing(Document::ROOT, key, meaning))?;
        if matches!(self.document.node(section).value, Value::Map(_)) {
            return Some(section);
        }
        self.wrong(section, "a map");
        None
    }

    /// The text of a key that is there, and its place; empty where it is faulty, which is recorded.
    fn text_of(&mut self, map: NodeId, key: &str) -> Option<(NodeId, String)> {
        let id = self.document.entry(map, key)?.node;
        match &self.document.node(id).value {
            Value::Text(text) if !text.text.trim().is_empty() => Some((id, text.text.clone())),
            Value::Null => None,
            Value::Faulty => Some((id, String::new())),
            _ => {
                self.wrong(id, "text");
                Some((id, String::new()))
            }
        }
    }

    /// Records the keys of a map that are neither `known` nor dlt's own, `foreign`.
    fn known_keys(&mut self, map: NodeId, known: &[&str], foreign: &[&str]) {
        for entry in self.document.entries(map).to_vec() {
            let key = entry.key.as_str();
            if known.contains(&key) {
                continue;
            }
            let problem = if foreign.contains(&key) {
                Problem::NotYet { what: key.to_owned() }
            } else {
                let known: Vec<String> = known.iter().map(|&key| key.to_owned()).collect();
                Problem::UnknownKey { key: key.to_owned(), nearest: nearest(key, &known), known }
            };
            let path = join_key(&self.document.path(map), key);
            self.faults.push(Fault { line: entry.mark.line, column: entry.mark.column, path, problem });
        }
    }

    fn fault(&mut self, id: NodeId, problem: Problem) {
        let fault = fault_at(self.document, id, problem);
        self.faults.push(fault);
    }

    /// Records that something else stands at `id`. A value that is faulty already is left alone.
    fn wrong(&mut self, id: NodeId, expected: &str) {
        let found = match &self.document.node(id).value {
            Value::Faulty => return,
            // A URL with user info holds a password.
            Value::Text(Text { text, .. }) if text.contains("://") && text.contains('@') => "text".to_owned(),
            Value::Text(text) if text.text.is_empty() => "empty text".to_owned(),
            Value::Text(text) => format!("the text `{}`", text.as_written()),
            other => other.kind().to_owned(),
        };
        self.fault(id, Problem::Wrong { expected: expected.to_owned(), found });
    }

    /// Records that the map at `id` lacks `key`.
    fn missing<T>(&mut self, id: NodeId, key: &str, meaning: &str) -> Option<T> {
        self.fault(id, Problem::Missing { key: key.to_owned(), meaning: meaning.to_owned() });
        None
    }
}

fn fault_at(document: &Document, id: NodeId, problem: Problem) -> Fault {
    let mark = document.node(id).mark;
    Fault { line: mark.line, column: mark.column, path: document.path(id), problem }
}

/// A text that stands in the file as it is.
fn text(text: &str) -> Value {
    Value::Text(Text { text: text.to_owned(), ..Text::default() })
}
