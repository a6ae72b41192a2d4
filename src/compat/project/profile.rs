//! `profiles`: the part of a project file that differs from place to place, laid over the rest.
//!
//! Maps are merged key by key, everything else is replaced whole. What a profile says keeps its place under `profiles`.

use crate::compat::project::Project;
use crate::compat::project::providers::Providers;
use crate::config::fault::{Problem, nearest};
use crate::config::tree::{Document, Entry, NodeId, Value};

/// The profile in force where nothing names one.
const DEFAULT: &str = "dev";
/// Profiles that dltHub has without their being written down.
const BUILT_IN: [&str; 4] = [DEFAULT, "prod", "tests", "access"];
/// Sections that a profile may overlay.
const OVERLAID: [&str; 5] = ["sources", "destinations", "pipelines", "datasets", "project"];

impl Project<'_> {
    /// Lays the profile in force over the file: `asked`, else `project.default_profile`, else `dev`. `None` when there is no
    /// such profile, which is recorded.
    pub(super) fn lay_profile_over(&mut self, asked: Option<&str>) -> Option<()> {
        let project = self.document.entry(Document::ROOT, "project").map(|entry| entry.node);
        let default = project.and_then(|project| self.text_of(project, "default_profile"));
        let profiles = self.document.entry(Document::ROOT, "profiles").map(|entry| entry.node);
        let (name, at) = match (asked, default) {
            (Some(name), _) => (name.to_owned(), profiles.unwrap_or(Document::ROOT)),
            (None, Some((id, name))) => (name, id),
            (None, None) => (DEFAULT.to_owned(), Document::ROOT),
        };
        self.profile.clone_from(&name);
        let overlay = profiles.and_then(|profiles| self.document.entry(profiles, &name)).map(|entry| entry.node);
        let Some(overlay) = overlay else {
            let is_said = asked.is_none() || name == DEFAULT || self.tells_of(&name);
            if BUILT_IN.contains(&name.as_str()) && is_said {
                return Some(());
            }
            if profiles.is_none() {
                let why = format!(
                    "`--profile {name}` would change nothing: the file has no `profiles`, and `.dlt` no `{name}.config.toml`; leave it out, or write what differs, such as `profiles: {{{name}: {{destinations: {{…}}}}}}`"
                );
                self.fault(at, Problem::Conflict { why });
                return None;
            }
            let known: Vec<String> =
                profiles.iter().flat_map(|&profiles| self.document.entries(profiles)).map(|entry| entry.key.clone()).collect();
            let nearest = nearest(&name, &known);
            self.fault(at, Problem::UnknownName { what: "profile", found: Some(name), nearest, known });
            return None;
        };
        if !matches!(self.document.node(overlay).value, Value::Map(_) | Value::Null) {
            self.wrong(overlay, "a map");
            return None;
        }
        self.known_keys(overlay, &OVERLAID, &["runtime"]);
        self.merge(Document::ROOT, overlay);
        Some(())
    }

    /// Whether something else than `profiles` differs by the profile: dlt's files, or `{current_profile}` in a text.
    fn tells_of(&self, profile: &str) -> bool {
        let is_named =
            |id: &NodeId| matches!(&self.document.node(*id).value, Value::Text(text) if text.text.contains("{current_profile}"));
        Providers::has_any(self.inputs, profile) || self.document.below(Document::ROOT).iter().any(is_named)
    }

    /// Brings the keys of the map at `over` into the map at `base`.
    fn merge(&mut self, base: NodeId, over: NodeId) {
        let mut merged = self.document.entries(base).to_vec();
        for entry in self.document.entries(over).to_vec() {
            match merged.iter_mut().find(|own| own.key == entry.key) {
                Some(own) if self.are_maps(own, &entry) => self.merge(own.node, entry.node),
                Some(own) => *own = entry,
                None => merged.push(entry),
            }
        }
        self.document.replace(base, Value::Map(merged));
    }

    fn are_maps(&self, one: &Entry, other: &Entry) -> bool {
        [one, other].iter().all(|entry| matches!(self.document.node(entry.node).value, Value::Map(_)))
    }
}
