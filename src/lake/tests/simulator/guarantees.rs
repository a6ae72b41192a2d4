//! The guarantees of `docs/guarantees.md`, one function each.
//!
//! In: the oracle's model, and a commit that was just created, a path that just changed, or a store that came to rest. Out: what does not hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::actors::marks_named;
use super::disk::checksum;
use super::oracle::{Course, Intent, Oracle, Step, Tables, Version};
use super::world::File;
use crate::lake::Layout;
use crate::lake::log::{Commit, Purpose};

impl Oracle {
    /// "A row that changes its file may be in both for a time, never in none": files are put before files are deleted.
    pub(super) fn check_puts_before_deletes(&mut self, deleted: &str, pipeline: &str, version: u64) {
        let is_open_put = |step: &Step| step.version == version && step.pipeline == pipeline && step.content.is_some();
        let open = self.courses.iter().find(|(_, course)| course.steps[course.taken..].iter().any(is_open_put));
        if let Some((path, _)) = open {
            self.fail(format!("{deleted} was deleted before {path} was put, both by version {version}"));
        }
    }

    /// "A row that moves to a new file may be in both for a time, never in none": new files are put before old ones are replaced.
    pub(super) fn check_new_before_replaced(&mut self, replaced: &str, pipeline: &str, version: u64) {
        let is_open_new = |course: &Course| {
            (course.taken..course.steps.len()).any(|at| {
                let step = &course.steps[at];
                let is_new = at == 0 || course.steps[at - 1].content.is_none();
                step.version == version && step.pipeline == pipeline && step.content.is_some() && is_new
            })
        };
        let open = self.courses.iter().find(|(_, course)| is_open_new(course));
        if let Some((path, _)) = open {
            self.fail(format!("{replaced} was replaced before {path} was put, both by version {version}"));
        }
    }

    /// "`.done` is noted when every file is in its place."
    pub(super) fn check_noted_when_published(&mut self, pipeline: &str, version: u64) {
        if let Some(path) = self.unpublished(pipeline, version) {
            self.fail(format!("version {version} is noted as published, and {path} is not"));
        }
    }

    /// A path that some version up to `version` changes and that has not taken the step.
    pub(super) fn unpublished(&mut self, pipeline: &str, version: u64) -> Option<String> {
        let at = (version as usize).checked_sub(1)?;
        if self.log(pipeline).get(at).is_some_and(|version| version.is_published) {
            return None;
        }
        let is_open = |step: &Step| step.pipeline == pipeline && step.version <= version;
        let open = self.courses.iter().find(|(_, course)| course.steps[course.taken..].iter().any(is_open));
        if open.is_none()
            && let Some(version) = self.logs.get_mut(pipeline).and_then(|log| log.get_mut(at))
        {
            version.is_published = true;
        }
        open.map(|(path, _)| path.clone())
    }

    /// A log loses its oldest records first, and never its newest.
    pub(super) fn check_removal(&mut self, files: &BTreeMap<String, File>, layout: &Layout, version: u64) {
        if self.late.remove(&layout.commit(version)) {
            return;
        }
        let is_oldest = (1..version).all(|older| {
            let commit = layout.commit(older);
            !files.contains_key(&commit) || self.late.contains(&commit)
        });
        if !is_oldest || version as usize >= self.log(layout.pipeline()).len() {
            self.fail(format!("commit {version} was removed, and is not the oldest"));
        }
    }

    /// "Versions follow each other without a gap."
    pub(super) fn check_no_gap(&self, pipeline: &str, version: u64, commit: &Commit) -> Option<String> {
        let head = self.log(pipeline).len() as u64;
        let is_next = version == head + 1 && commit.version == version && commit.parent == head;
        (!is_next).then(|| format!("it is {} on {}, and the newest is {head}", commit.version, commit.parent))
    }

    /// "Record N+1 is created only after every file of commit N is published."
    /// One that is abandoned is not, and could not be.
    pub(super) fn check_predecessor_is_published(&mut self, pipeline: &str, version: u64, commit: &Commit) -> Option<String> {
        let path = self.unpublished(pipeline, version - 1);
        if let Purpose::Abandonment { of } = commit.purpose {
            let is_right = of == version - 1 && path.is_some() && self.lossy.contains(pipeline);
            return (!is_right).then(|| format!("version {of} is abandoned and could be published"));
        }
        let path = path?;
        Some(format!("{path} of an earlier version is not published"))
    }

    /// "A run that was cleaned away never commits", "a run commits once", and one that was told that it did not does not.
    pub(super) fn check_may_commit(&self, commit: &Commit) -> Option<String> {
        if self.fenced.contains(&commit.run) {
            return Some("the run was fenced".to_owned());
        }
        let run = self.runs.get(&commit.run)?;
        let is_data = commit.fences.is_empty();
        match (is_data, run.was_refused, run.committed) {
            (true, true, _) => Some("the run was told that it changed nothing".to_owned()),
            (true, _, Some(version)) => Some(format!("the run has made version {version}")),
            _ => None,
        }
    }

    /// "A manifest is in its place before a commit names it."
    pub(super) fn check_manifests(&self, files: &BTreeMap<String, File>, layout: &Layout, commit: &Commit) -> Option<String> {
        let missing = commit.tables.values().find(|entry| !files.contains_key(&layout.manifest(&entry.manifest)))?;
        Some(format!("there is no manifest {}", missing.manifest))
    }

    /// "Marks are in their place before a commit names them", and are what they were.
    pub(super) fn check_marks(&self, files: &BTreeMap<String, File>, layout: &Layout, commit: &Commit) -> Option<String> {
        let is_there = |name: &&str| {
            let marks = files.get(&layout.marks(name));
            marks.is_some_and(|marks| name.ends_with(&format!("-{}.bin", checksum(&marks.bytes))))
        };
        let missing = commit.state.values().filter_map(marks_named).find(|name| !is_there(name))?;
        Some(format!("there are no marks {missing}"))
    }

    /// "A table belongs to one pipeline."
    pub(super) fn check_claims(&self, files: &BTreeMap<String, File>, layout: &Layout, commit: &Commit) -> Option<String> {
        let claimed = |table: &str| {
            let newest = (0..).map_while(|number| files.get(&layout.claim(table, number))).last();
            let claim: Option<Value> = newest.and_then(|claim| serde_json::from_slice(&claim.bytes).ok());
            claim.is_some_and(|claim| claim["pipeline"] == layout.pipeline() && claim["released"] != true)
        };
        let new = commit.tables.iter().filter(|(_, entry)| entry.version == commit.version);
        let stolen = new.map(|(table, _)| table).find(|table| !claimed(table))?;
        Some(format!("table {stolen} is not claimed by {}", layout.pipeline()))
    }

    /// "A commit's content is exact", "data and cursor never part", "a run commits only over the tables that it read", "a rollback has rows
    /// and cursors of its version together".
    pub(super) fn check_is_intended(
        &self,
        pipeline: &str,
        commit: &Commit,
        before: Option<&Version>,
        after: &Tables,
    ) -> Result<(), String> {
        let nothing = (Tables::new(), Map::new());
        let (tables, state) = before.map_or((&nothing.0, &nothing.1), |before| (&before.tables, &before.state));
        let intent = self.runs.get(&commit.run).map(|run| &run.intent).filter(|_| commit.fences.is_empty());
        match (intent, commit.purpose) {
            (Some(Intent::Edits { base, changes, state: own }), Purpose::Run | Purpose::Compaction) => {
                for (table, files) in base {
                    let now = tables.get(table).cloned().unwrap_or_default();
                    if now != *files {
                        return Err(format!("it stands on {table} as {files:?}, and it is {now:?}"));
                    }
                }
                let mut expected = tables.clone();
                for (table, changes) in changes {
                    let files = expected.entry(table.clone()).or_default();
                    for (path, content) in changes {
                        match content {
                            Some(content) => files.insert(path.clone(), Arc::clone(content)),
                            None => files.remove(path),
                        };
                    }
                }
                same_tables(&expected, after, |files| {
                    files.iter().map(|(path, text)| (path.clone(), Arc::clone(text))).collect()
                })?;
                let mut expected = state.clone();
                expected.extend(own.clone());
                expected.retain(|_, value| !value.is_null());
                same_state(&expected, &commit.state)
            }
            (Some(Intent::Rollback(to)), Purpose::Rollback { to: recorded }) if *to == recorded => {
                let Some(target) = self.log(pipeline).get(*to as usize - 1) else { return Err("of no version".to_owned()) };
                same_tables(&target.tables, after, contents)?;
                same_state(&without_keeper(&target.state), &without_keeper(&commit.state))
            }
            (Some(Intent::Abandonment(of)), Purpose::Abandonment { of: recorded }) if *of == recorded => {
                let target = of.checked_sub(2).and_then(|at| self.log(pipeline).get(at as usize));
                let (tables, state) = target.map_or((&nothing.0, &nothing.1), |target| (&target.tables, &target.state));
                same_tables(tables, after, contents)?;
                same_state(&without_keeper(state), &without_keeper(&commit.state))
            }
            (_, Purpose::Collection) | (_, Purpose::Run)
                if !commit.fences.is_empty() || commit.purpose == Purpose::Collection =>
            {
                if !commit.files.is_empty() {
                    return Err("it changes files".to_owned());
                }
                same_state(state, &commit.state)
            }
            (intent, purpose) => Err(format!("a {purpose:?} of a run with {intent:?}")),
        }
    }

    // What has to be true when nobody is at work.

    /// What is wrong with a store in which everything is finished, as far as it can be.
    pub(super) fn check_quiet(
        &self,
        files: &BTreeMap<String, File>,
        open_uploads: impl Iterator<Item = String>,
    ) -> Option<String> {
        if !self.stuck.is_empty() {
            return None;
        }
        let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
        for version in self.logs.values().filter_map(|log| log.last()) {
            let files = version.tables.values().flatten();
            expected.extend(files.map(|(path, text)| (path.as_str(), text.as_ref())));
        }
        let is_data = |path: &str| !path.starts_with("_lakeward/");
        let seen: BTreeMap<&str, &str> = files
            .iter()
            .filter(|(path, _)| is_data(path))
            .map(|(path, file)| (path.as_str(), std::str::from_utf8(&file.bytes).unwrap_or("?")))
            .collect();
        if seen != expected {
            return Some(format!("readers see {seen:?}, and the newest versions are {expected:?}"));
        }
        let left = files.keys().find(|path| path.contains("/staging/") || path.ends_with("/lease.json"));
        if let Some(path) = left {
            return Some(format!("{path} is left"));
        }
        let mut open_uploads = open_uploads;
        open_uploads.find(|id| self.noted.contains(id)).map(|id| format!("upload {id} is left"))
    }

    /// The oldest version of a pipeline that has to be readable, when the newest `keep_versions` that changed files can be undone, compactions
    /// apart, and those of them that are newer or between.
    pub(super) fn oldest_readable(&self, pipeline: &str, keep_versions: u32) -> u64 {
        let log = self.log(pipeline);
        let (mut undone, mut left) = (log.len() as u64 + 1, keep_versions);
        for (at, version) in log.iter().enumerate().rev().filter(|(_, version)| version.has_changes) {
            if left == 0 {
                break;
            }
            undone = at as u64 + 1;
            left -= u32::from(!version.is_compaction);
        }
        (undone - 1).max(1)
    }
}

type Contents = Vec<(String, Arc<str>)>;

/// What files hold, whatever they are called: one that was removed comes back under another name.
fn contents(files: &BTreeMap<String, Arc<str>>) -> Contents {
    let mut contents: Contents = files.values().map(|text| (String::new(), Arc::clone(text))).collect();
    contents.sort();
    contents
}

/// Compares tables, those without files apart, by what `of` makes of each.
fn same_tables(expected: &Tables, is: &Tables, of: impl Fn(&BTreeMap<String, Arc<str>>) -> Contents) -> Result<(), String> {
    let whole = |tables: &Tables| -> BTreeMap<String, Contents> {
        tables.iter().filter(|(_, files)| !files.is_empty()).map(|(table, files)| (table.clone(), of(files))).collect()
    };
    let (expected, is) = (whole(expected), whole(is));
    if expected == is { Ok(()) } else { Err(format!("its rows are {is:?} and should be {expected:?}")) }
}

/// A state whose marks are told by their content alone: a rollback keeps them under a name of its own.
fn without_keeper(state: &Map<String, Value>) -> Map<String, Value> {
    let mut state = state.clone();
    for marks in state.values_mut().filter_map(|state| state.get_mut("marks")) {
        *marks = marks.as_str().and_then(|name| name.rsplit('-').next()).map(str::to_owned).into();
    }
    state
}

fn same_state(expected: &Map<String, Value>, is: &Map<String, Value>) -> Result<(), String> {
    if expected == is { Ok(()) } else { Err(format!("its state is {is:?} and should be {expected:?}")) }
}
