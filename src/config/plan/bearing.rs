//! Which steps bear on given members of a record: what a state is compared by that was made with other steps.

use std::collections::BTreeSet;
use std::fmt::Display;

use sha2::{Digest, Sha256};

use crate::base::{JsonPath, Step};
use crate::config::plan::steps::is_column;
use crate::config::{StepAction, StepPlan};

/// Members of a record by the names of their columns.
struct Names(Option<BTreeSet<String>>);

impl StepPlan {
    /// The steps that bear on the members `names` of a record (`None`: on any), as one text: equal for steps that make the same of them. A
    /// filter makes nothing of a record.
    pub(crate) fn bearing_on(steps: &[Self], names: Option<BTreeSet<String>>) -> String {
        let mut names = Names(names);
        let mut texts: Vec<String> = steps.iter().rev().filter_map(|step| names.told(&step.action)).collect();
        texts.reverse();
        texts.join("\n")
    }
}

impl Names {
    /// What a step does to the members; those that it makes them of count for the steps before it.
    fn told(&mut self, action: &StepAction) -> Option<String> {
        match action {
            StepAction::Filter(_) => None,
            StepAction::Set(values) => {
                let made: Vec<_> = values.iter().filter(|(path, _)| self.has(path)).collect();
                let text = listed("set", made.iter().map(|(path, value)| format!("{path}={value}")));
                made.iter().flat_map(|(_, value)| value.names()).for_each(|name| self.add(name));
                text
            }
            StepAction::Drop(paths) => self.listed("drop", paths),
            StepAction::Keep(paths) => {
                let is_kept = |name: &String| paths.iter().any(|path| is_column(path, name));
                if self.0.as_ref().is_some_and(|names| names.iter().all(is_kept)) { None } else { self.listed("keep", paths) }
            }
            StepAction::Rename(renames) => {
                let is_new = |new: &String| self.0.as_ref().is_some_and(|names| names.contains(new));
                let made: Vec<_> = renames.iter().filter(|(path, new)| self.has(path) || is_new(new)).collect();
                let text = listed("rename", made.iter().map(|(path, new)| format!("{path}={new}")));
                made.iter().for_each(|(path, _)| self.add_path(path));
                text
            }
            StepAction::Cast(casts) => {
                let made = casts.iter().filter(|(path, _)| self.has(path));
                listed("cast", made.map(|(path, cast)| format!("{path}={cast:?}")))
            }
            StepAction::Hash { paths, key } => {
                let key = key.as_ref().map(|key| format!("{:x?}", Sha256::digest(key.expose()).as_slice())).unwrap_or_default();
                self.listed(&format!("hash {key}"), paths)
            }
            StepAction::Mask { paths, keep_last, with } => self.listed(&format!("mask {keep_last} {with}"), paths),
            StepAction::Explode { path, column, .. } => {
                let is_made = self.has(path)
                    || column.as_ref().is_some_and(|column| self.0.as_ref().is_some_and(|names| names.contains(column)));
                let text = is_made.then(|| format!("explode {path} {column:?}"));
                if is_made {
                    self.add_path(path);
                }
                text
            }
        }
    }

    fn listed(&self, what: &str, paths: &[JsonPath]) -> Option<String> {
        listed(what, paths.iter().filter(|path| self.has(path)))
    }

    fn has(&self, path: &JsonPath) -> bool {
        match (&self.0, path.steps().first()) {
            (Some(names), Some(Step::Key(name))) => names.contains(name),
            _ => true,
        }
    }

    fn add(&mut self, name: &str) {
        self.0.as_mut().map(|names| names.insert(name.to_owned()));
    }

    fn add_path(&mut self, path: &JsonPath) {
        if let Some(Step::Key(name)) = path.steps().first() {
            self.add(&name.clone());
        }
    }
}

fn listed(what: &str, items: impl Iterator<Item = impl Display>) -> Option<String> {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    (!items.is_empty()).then(|| format!("{what} {}", items.join(" ")))
}

#[cfg(test)]
mod tests {
    use crate::config::Inputs;
    use crate::config::tests::load_config;

    use super::*;

    fn bearing(steps: &str, names: &[&str]) -> String {
        let text = format!(
            "name: t\nclient: {{base_url: 'http://a.test'}}\nlake: {{url: ./lake}}\nresources:\n  - name: a\n    endpoint: {{path: /a}}\n    processing_steps: {steps}\n"
        );
        let read_file = |_: &std::path::Path| Ok(String::new());
        let inputs = Inputs {
            text: &text,
            file: "c.yaml",
            folder: std::path::Path::new("/"),
            current_dir: std::path::Path::new("/"),
            has_lake: &|_, _| false,
            env: &|name| Some(name.to_owned()),
            read_file: &read_file,
        };
        let plan = load_config(&inputs).unwrap();
        let names = (!names.is_empty()).then(|| names.iter().map(|&name| name.to_owned()).collect());
        StepPlan::bearing_on(&plan.resources[0].processing_steps, names)
    }

    #[test]
    fn steps_bear_on_the_key_when_they_make_it_or_what_it_is_made_of() {
        let key = |steps: &str| bearing(steps, &["id", "t"]);
        assert_eq!(key("[{filter: 'x > 1'}, {drop: [x]}, {set: {y: x + 1}}, {cast: {z: integer}}, {keep: [id, t]}]"), "");
        assert_eq!(key("[{set: {x: y + 1, z: q}}, {rename: {x: id}}, {mask: [q]}]"), "set $.x=y + 1\nrename $.x=id");
        assert_eq!(key("[{cast: {raw: integer}}, {set: {id: raw + 1}}]").lines().count(), 2);
        let keyed = |name: &str| key(&format!("[{{hash: {{columns: [id], key: \"${{{name}}}\"}}}}]"));
        assert!(key("[{hash: [id]}]") != keyed("KEY_A") && keyed("KEY_A") != keyed("KEY_B") && !keyed("KEY_A").contains("KEY_A"));
        // These texts are in states by their hash: a state of an older program must stay what it is.
        assert_eq!(key("[{cast: {id: integer}}]"), "cast $.id=CastPlan { to: Integer, empty_as_null: false }");
        assert_eq!(bearing("[{drop: [x]}, {filter: 'y > 1'}]", &[]), "drop $.x");
    }
}
