//! What has to be true: a model of each table, followed from commit to commit.
//!
//! In: every change of the world at the instant at which it happens; what actors want, and what they were told. Out: the first
//! of the [`super::guarantees`] that does not hold. The model follows the log: the creation of a commit is the commit, and from then on each path has one
//! next content, which it has to take, once, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::disk::checksum;
use super::world::File;
use crate::lake::log::{Action, Commit, Purpose};
use crate::lake::{Committed, LakeError, Layout};

/// Tables, their files, and what these hold.
pub(super) type Tables = BTreeMap<String, BTreeMap<String, Arc<str>>>;

/// A version of a pipeline's lake.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) run: String,
    pub(super) tables: Tables,
    pub(super) state: Map<String, Value>,
    /// Whether it changed files.
    pub(super) has_changes: bool,
    /// Whether it is a compaction, which takes no undo.
    pub(super) is_compaction: bool,
    /// What is published of it.
    pub(super) is_published: bool,
}

/// What a path holds and is going to hold.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) steps: Vec<Step>,
    /// Steps that were taken.
    pub(super) taken: usize,
}

impl Course {
    /// What the path holds.
    fn now(&self) -> Option<&str> {
        self.steps.get(self.taken.checked_sub(1)?)?.content.as_deref()
    }
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) pipeline: String,
    pub(super) version: u64,
    pub(super) content: Option<Arc<str>>,
}

/// What a run is about to commit.
#[derive(Debug, Clone, Default)]
pub(super) enum Intent {
    /// It only opens the lake.
    #[default]
    Nothing,
    /// Rows and state of a night.
    Edits {
        /// The tables as it read them.
        base: Tables,
        /// Path and content, `None` for one that goes; by table.
        changes: BTreeMap<String, BTreeMap<String, Option<Arc<str>>>>,
        /// What each resource wants to remember.
        state: Map<String, Value>,
    },
    /// This version comes back.
    Rollback(u64),
    /// Garbage goes.
    Collection,
    /// What was before this version comes back, as files of it are lost.
    Abandonment(u64),
}

#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) pipeline: String,
    pub(super) intent: Intent,
    pub(super) is_alive: bool,
    /// Whether another process of its pipeline was there meanwhile.
    pub(super) was_met: bool,
    /// Whether it was told that it changed nothing.
    pub(super) was_refused: bool,
    pub(super) committed: Option<u64>,
}

/// The oracle.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    pub(super) logs: BTreeMap<String, Vec<Version>>,
    pub(super) courses: BTreeMap<String, Course>,
    pub(super) runs: BTreeMap<String, Run>,
    pub(super) fenced: BTreeSet<String>,
    contents: BTreeMap<String, Arc<str>>,
    /// The oldest version of each pipeline that counts, as its newest commit tells it.
    oldest: BTreeMap<String, u64>,
    /// Records of versions that were collected before, which their runs are about to take back.
    pub(super) late: BTreeSet<String>,
    /// Pipelines of which staged files were lost.
    pub(super) lossy: BTreeSet<String>,
    /// Those of them that nothing but a full refresh helps: what was before is not kept, and gone in part.
    pub(super) stuck: BTreeSet<String>,
    /// Versions that were abandoned.
    pub(super) abandoned: BTreeSet<(String, u64)>,
    /// Uploads that a note names.
    pub(super) noted: BTreeSet<String>,
    /// The first guarantee that does not hold.
    pub(super) fault: Option<String>,
}

impl Oracle {
    pub(super) fn fail(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }

    /// The versions of a pipeline, from 1.
    pub(super) fn log(&self, pipeline: &str) -> &[Version] {
        self.logs.get(pipeline).map_or(&[], Vec::as_slice)
    }

    pub(super) fn pipelines(&self) -> Vec<String> {
        self.logs.keys().cloned().collect()
    }

    /// A content that some file may hold from now on.
    pub(super) fn content(&mut self, text: String) -> Arc<str> {
        let text: Arc<str> = text.into();
        self.contents.insert(checksum(text.as_bytes()), Arc::clone(&text));
        text
    }

    /// The content with a checksum.
    pub(super) fn known_content(&self, checksum: &str) -> Option<&Arc<str>> {
        self.contents.get(checksum)
    }

    /// The contents that a path may be seen with since it was at `since`, which [`Oracle::position`] tells.
    pub(super) fn seen_since(&self, path: &str, since: usize) -> Vec<Option<Arc<str>>> {
        let Some(course) = self.courses.get(path) else { return vec![None] };
        let at = |taken: usize| taken.checked_sub(1).and_then(|at| course.steps[at].content.clone());
        (since..=course.taken).map(at).collect()
    }

    /// How far a path has come.
    pub(super) fn position(&self, path: &str) -> usize {
        self.courses.get(path).map_or(0, |course| course.taken)
    }

    /// Whether a version has taken the place of some content already.
    pub(super) fn has_replaced(&self, pipeline: &str, version: u64) -> bool {
        self.courses.values().any(|course| {
            let taken = course.steps[..course.taken].windows(2);
            taken
                .into_iter()
                .any(|step| step[0].content.is_some() && (step[1].pipeline.as_str(), step[1].version) == (pipeline, version))
        })
    }

    /// Whether a path has the content that a version gives it, or a later one.
    pub(super) fn is_taken(&self, path: &str, pipeline: &str, version: u64) -> bool {
        let is_open = |step: &Step| step.pipeline == pipeline && step.version == version;
        self.courses.get(path).is_none_or(|course| !course.steps[course.taken..].iter().any(is_open))
    }

    // What actors do and are told.

    pub(super) fn began(&mut self, name: &str, pipeline: &str) {
        let mut was_met = false;
        for other in self.runs.values_mut().filter(|other| other.is_alive && other.pipeline == pipeline) {
            (other.was_met, was_met) = (true, true);
        }
        let run = Run { pipeline: pipeline.to_owned(), is_alive: true, was_met, ..Run::default() };
        self.runs.insert(name.to_owned(), run);
    }

    pub(super) fn intends(&mut self, run: &str, intent: Intent) {
        self.runs.entry(run.to_owned()).or_default().intent = intent;
    }

    pub(super) fn ended(&mut self, run: &str) {
        self.runs.entry(run.to_owned()).or_default().is_alive = false;
    }

    /// "A green run means all rows": what a run is told of its commit is so.
    pub(super) fn told(&mut self, name: &str, outcome: &Result<Committed, LakeError>) {
        let Some(run) = self.runs.get_mut(name) else { return };
        let (pipeline, committed) = (run.pipeline.clone(), run.committed);
        match outcome {
            Ok(commit) if commit.is_new => {
                if committed != Some(commit.version) {
                    return self.fail(format!("{name} was told that it made version {}, and made {committed:?}", commit.version));
                }
                if self.abandoned.contains(&(pipeline.clone(), commit.version)) {
                    return self
                        .fail(format!("{name} was told that version {} is published, and it was abandoned", commit.version));
                }
                if let Some(path) = self.unpublished(&pipeline, commit.version) {
                    self.fail(format!("{name} was told that version {} is published, and {path} is not", commit.version));
                }
            }
            Err(LakeError::Conflict { .. } | LakeError::Claimed { .. } | LakeError::Foreign { .. }) => {
                run.was_refused = true;
                if let Some(version) = committed {
                    self.fail(format!("{name} was told that it changed nothing, and made version {version}"));
                }
            }
            Err(LakeError::Outlived { version }) => {
                let oldest = self.oldest.get(&pipeline).copied().unwrap_or(0);
                if *version >= oldest {
                    self.fail(format!(
                        "{name} was told that version {version} is collected, and the oldest that counts is {oldest}"
                    ));
                }
            }
            _ => {}
        }
    }

    /// "No false alarm": a run that met nobody is not told that the lake is damaged.
    pub(super) fn failed(&mut self, name: &str, error: &LakeError) {
        let is_alarm = matches!(
            error,
            LakeError::Lost { .. }
                | LakeError::StagedDamaged { .. }
                | LakeError::Damaged { .. }
                | LakeError::Taken { .. }
                | LakeError::Foreign { .. }
                | LakeError::Unreadable { .. }
                | LakeError::UnsafeStore { .. }
                | LakeError::ClaimedTwice { .. }
                | LakeError::WrongHandle { .. }
                | LakeError::Spool { .. }
        );
        let inner = match error {
            LakeError::Unpublished { source, .. } => return self.failed(name, source),
            other => other,
        };
        if is_alarm && self.runs.get(name).is_some_and(|run| !run.was_met && !self.lossy.contains(&run.pipeline)) {
            self.fail(format!("{name} met nobody and was told: {inner}"));
        }
    }

    // What happens in the store.

    /// Looks at a change of `path` from `old` to what is there now.
    pub(super) fn changed(&mut self, files: &BTreeMap<String, File>, path: &str, old: Option<&File>) {
        let new = files.get(path);
        match path.strip_prefix("_lakeward/").and_then(|rest| rest.split_once('/')) {
            None => self.data_changed(path, new),
            Some((pipeline, rest)) => self.own_changed(files, (path, pipeline, rest), old, new),
        }
    }

    /// "No partial file is ever visible", "each file switches at once", "a path that was removed is never written again by a late
    /// process": a path takes the next content of its course and no other.
    fn data_changed(&mut self, path: &str, new: Option<&File>) {
        let content = new.map(|file| file.bytes.as_ref());
        let Some(course) = self.courses.get_mut(path) else {
            return self.fail(format!("{path} became {} without a commit", shown(content)));
        };
        let is = |step: Option<&Step>| step.and_then(|step| step.content.as_deref()).map(str::as_bytes) == content;
        if is(course.taken.checked_sub(1).map(|at| &course.steps[at])) {
            return;
        }
        let next = course.steps.get(course.taken);
        if next.is_none() || !is(next) {
            let version = next.map(|step| step.version);
            return self.fail(format!("{path} became {}, which is not what comes next (version {version:?})", shown(content)));
        }
        let (pipeline, version) = next.map(|step| (step.pipeline.clone(), step.version)).unwrap_or_default();
        let is_replaced = course.taken > 0 && course.steps[course.taken - 1].content.is_some() && new.is_some();
        course.taken += 1;
        if new.is_none() {
            self.check_puts_before_deletes(path, &pipeline, version);
        }
        if is_replaced {
            self.check_new_before_replaced(path, &pipeline, version);
        }
    }

    fn own_changed(
        &mut self,
        files: &BTreeMap<String, File>,
        (path, pipeline, rest): (&str, &str, &str),
        old: Option<&File>,
        new: Option<&File>,
    ) {
        if path.ends_with(".parquet") {
            return self.fail(format!("{path} looks like a data file"));
        }
        let is_other = old.zip(new).is_some_and(|(old, new)| old.bytes != new.bytes);
        let layout = Layout::new(pipeline);
        if let Some((version, kind)) = layout.parse_log(path) {
            match (kind, old, new) {
                ("json", None, Some(commit)) => self.created(files, &layout, version, commit),
                ("json", Some(_), Some(_)) if is_other => self.fail(format!("commit {version} was overwritten")),
                ("json", Some(_), None) => self.check_removal(files, &layout, version),
                ("done", None, Some(_)) => self.check_noted_when_published(pipeline, version),
                _ => {}
            }
        } else if rest.starts_with("kept/") && is_other {
            self.fail(format!("{path}, which was kept, was overwritten"));
        } else if (pipeline == "_tables" || rest.starts_with("manifest/")) && is_other {
            self.fail(format!("{path} was overwritten"));
        } else if let Some(note) = new.filter(|_| rest.contains("/uploads-")) {
            let uploads = serde_json::from_slice::<Value>(&note.bytes).ok().and_then(|note| note.get("uploads").cloned());
            let named = uploads.as_ref().and_then(Value::as_array).into_iter().flatten();
            self.noted.extend(named.filter_map(|upload| upload.get(1)?.as_str().map(str::to_owned)));
        }
    }

    /// The commit point: a commit was created.
    fn created(&mut self, files: &BTreeMap<String, File>, layout: &Layout, version: u64, file: &File) {
        let pipeline = layout.pipeline();
        let commit: Commit = match serde_json::from_slice(&file.bytes) {
            Ok(commit) => commit,
            Err(error) => return self.fail(format!("commit {version} cannot be read: {error}")),
        };
        let head = self.log(pipeline).len() as u64;
        // Its number is free because it was collected: the run sees that and takes the commit back.
        if version <= head {
            self.late.insert(layout.commit(version));
            return;
        }
        let checks = [
            self.check_no_gap(pipeline, version, &commit),
            self.check_predecessor_is_published(pipeline, version, &commit),
            self.check_may_commit(&commit),
            self.check_manifests(files, layout, &commit),
            self.check_marks(files, layout, &commit),
            self.check_claims(files, layout, &commit),
        ];
        if let Some(fault) = checks.into_iter().flatten().next() {
            return self.fail(format!("commit {version} of {}: {fault}", commit.run));
        }
        let before = self.log(pipeline).last().cloned();
        let after = match self.follow(&commit, before.as_ref()) {
            Ok(tables) => tables,
            Err(fault) => return self.fail(format!("commit {version} of {}: {fault}", commit.run)),
        };
        if let Err(fault) = self.check_is_intended(pipeline, &commit, before.as_ref(), &after) {
            return self.fail(format!("commit {version} of {}: {fault}", commit.run));
        }
        self.enter(pipeline, commit, after);
    }

    /// The tables after a commit.
    fn follow(&self, commit: &Commit, before: Option<&Version>) -> Result<Tables, String> {
        let mut tables = before.map(|before| before.tables.clone()).unwrap_or_default();
        for change in &commit.files {
            let table = tables.entry(change.table.clone()).or_default();
            let (old, expected) = match change.action {
                Action::Delete | Action::Retire => (table.remove(&change.path), Some(change.checksum.clone())),
                Action::Put => {
                    let Some(content) = self.contents.get(&change.checksum) else {
                        return Err(format!("{} gets what nobody wrote", change.path));
                    };
                    let replaced = change.replaces.as_ref().map(|old| old.checksum.clone());
                    (table.insert(change.path.clone(), Arc::clone(content)), replaced)
                }
            };
            // A table that is dropped goes as it is found, whatever it holds.
            let is_told = expected.as_deref() != Some("");
            // What the abandoned version deletes is deleted once more.
            let is_again =
                old.is_none() && change.action == Action::Delete && matches!(commit.purpose, Purpose::Abandonment { .. });
            if is_told && !is_again && old.as_ref().map(|old| checksum(old.as_bytes())) != expected {
                return Err(format!("{} replaces {expected:?}, and is {old:?}", change.path));
            }
        }
        let gone = |table: &String| !commit.tables.contains_key(table);
        if let Some((table, _)) = tables.iter().find(|(table, files)| gone(table) && !files.is_empty()) {
            return Err(format!("table {table} goes and leaves files"));
        }
        tables.retain(|table, _| !gone(table));
        Ok(tables)
    }

    /// The commit joins the model.
    fn enter(&mut self, pipeline: &str, commit: Commit, tables: Tables) {
        if let Purpose::Abandonment { of } = commit.purpose {
            self.abandoned.insert((pipeline.to_owned(), of));
            for course in self.courses.values_mut() {
                let left = course.steps.split_off(course.taken);
                course.steps.extend(left.into_iter().filter(|step| step.pipeline != pipeline || step.version != of));
            }
        }
        for change in &commit.files {
            let content = match change.action {
                Action::Put => self.contents.get(&change.checksum).cloned(),
                Action::Delete | Action::Retire => None,
            };
            let step = Step { pipeline: pipeline.to_owned(), version: commit.version, content };
            let course = self.courses.entry(change.path.clone()).or_default();
            let is_so = course.taken == course.steps.len() && course.now() == step.content.as_deref();
            course.steps.push(step);
            // It became nothing else before its version was abandoned.
            course.taken += usize::from(is_so && matches!(commit.purpose, Purpose::Abandonment { .. }));
        }
        self.oldest.insert(pipeline.to_owned(), commit.oldest);
        self.fenced.extend(commit.fences.iter().cloned());
        if commit.fences.is_empty()
            && let Some(run) = self.runs.get_mut(&commit.run)
        {
            run.committed = Some(commit.version);
        }
        let has_changes = !commit.files.is_empty();
        let is_compaction = commit.purpose == Purpose::Compaction;
        let version = Version { run: commit.run, tables, state: commit.state, has_changes, is_compaction, is_published: false };
        self.logs.entry(pipeline.to_owned()).or_default().push(version);
    }
}

fn shown(content: Option<&[u8]>) -> String {
    content.map_or_else(|| "nothing".to_owned(), |content| format!("{:?}", String::from_utf8_lossy(content)))
}
