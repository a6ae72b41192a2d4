//! Rollback: a commit with the content of an older version: its rows, its schemas and its cursors together.
//!
//! In: a lake open for a run, and the version. Out: the tables' edits as any commit takes them, and the state of that version. A file that
//! is in the table as it was stays as it is; one that has changed gets its old content back under its name; a removed one comes back
//! under a new name, since a removed path is never written again. Marks are kept anew, so that no run that slept sweeps what the state names.
//! Invariants: content counts only behind its checksum; forward again is a rollback, too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::base::Clock;
use crate::config::LakePlan;
use crate::lake::checksum::hash_file;
use crate::lake::disk::open_regular;
use crate::lake::log::{Purpose, TableRef};
use crate::lake::marks::have_same_content;
use crate::lake::ops::{Archive, FileAt, TableAt};
use crate::lake::parquet::{FileLimits, FileStyle};
use crate::lake::{
    Committed, DataFile, Edit, Lake, LakeError, Look, NewFile, PreparedTable, Snapshot, StageBudgets, StageStats, TableEdit,
    TableShape, View,
};

/// What a rollback is going to do.
#[derive(Debug)]
pub(crate) struct RollbackPlan {
    /// Tables that change, and how.
    pub(crate) tables: BTreeMap<String, TableRollback>,
    /// State by resource; null for what that version did not know.
    state: Map<String, Value>,
    /// Resources of which runs know something else then, each with whether its cursor is part of it.
    pub(crate) resources: Vec<(String, bool)>,
}

/// What a rollback does to a table.
#[derive(Debug)]
pub(crate) struct TableRollback {
    /// The table now; the default when it was dropped.
    pub(crate) now: Snapshot,
    /// The table then; `None` when it did not exist.
    pub(crate) then: Option<TableAt>,
    pub(super) steps: Vec<Step>,
}

/// An edit whose new content is not in the spool yet.
#[derive(Debug)]
pub(super) enum Step {
    Add(FileAt),
    Replace(DataFile, FileAt),
    Remove(DataFile),
}

impl TableRollback {
    /// Files that are written.
    pub(crate) fn files_written(&self) -> usize {
        self.steps.len() - self.files_removed()
    }

    /// Files that go.
    pub(crate) fn files_removed(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step, Step::Remove(_))).count()
    }
}

impl Archive {
    /// What has to be done to have the tables and the state of `version` again, 0 for those of an empty lake. `named` tells where a state names its marks.
    ///
    /// # Errors
    /// [`LakeError::NoVersion`], [`LakeError::NotKept`], [`LakeError::MarksGone`]; [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn rollback_to(
        &self,
        version: u64,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<RollbackPlan, LakeError> {
        let (old_tables, mut old_state) = match version {
            0 => Default::default(),
            version => self.commit(version).await.map(|old| (old.tables, old.state))?,
        };
        for (resource, state) in &mut old_state {
            if let Some(now) = self.head.state.get(resource).filter(|now| differ_in_place_of_marks(state, now, &named)) {
                // It came back before.
                state.clone_from(now);
            }
        }
        if let Some(place) = self.lost_marks(&mut old_state, &named).await? {
            return Err(LakeError::MarksGone { version, place, kept: self.kept_whole(&named).await? });
        }
        let then = if version == 0 { Ok(BTreeMap::new()) } else { self.tables_at(version, None).await };
        let mut then = match then {
            Err(LakeError::NotKept { version, by, place, .. }) => {
                return Err(LakeError::NotKept { version, by, place, kept: self.kept_whole(&named).await? });
            }
            then => then?,
        };
        let mut now = self.tables_at(self.newest(), None).await?;
        let names: BTreeSet<String> = then.keys().chain(now.keys()).cloned().collect();
        let mut tables = BTreeMap::new();
        for table in names {
            let manifest = |tables: &BTreeMap<String, TableRef>| tables.get(&table).map(|entry| entry.manifest.clone());
            if manifest(&self.head.tables) == manifest(&old_tables) {
                continue;
            }
            let now = now.remove(&table).map(|now| now.snapshot).unwrap_or_default();
            let then = then.remove(&table);
            let steps = steps(&now, then.as_ref());
            tables.insert(table, TableRollback { now, then, steps });
        }
        let mut state = old_state;
        for resource in self.head.state.keys() {
            state.entry(resource.clone()).or_insert(Value::Null);
        }
        let is_other = |(resource, value): &(&String, &Value)| self.head.state.get(*resource).unwrap_or(&Value::Null) != *value;
        let cursors = |value: Option<&Value>| value.and_then(|value| value.get("incremental")).cloned();
        let moves = |resource: &str, then: &Value| cursors(Some(then)) != cursors(self.head.state.get(resource));
        let resources =
            state.iter().filter(is_other).map(|(resource, value)| (resource.clone(), moves(resource, value))).collect();
        Ok(RollbackPlan { tables, state, resources })
    }
}

/// A rollback that nothing stands in the way of, up to the content that has to be fetched: each table with what it is now.
pub(super) struct Ready {
    pub(super) plan: RollbackPlan,
    pub(super) bases: Vec<Snapshot>,
}

impl Archive {
    /// [`Archive::rollback_to`], and whether the lake that `view` shows lets it.
    async fn ready(
        &self,
        view: View<'_>,
        version: u64,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<Ready, LakeError> {
        if version == 0 {
            return Err(LakeError::NoVersion { version, newest: self.newest() });
        }
        let plan = self.rollback_to(version, named).await?;
        view.check_claims(&plan.tables.keys().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut bases = Vec::with_capacity(plan.tables.len());
        for (table, changes) in &plan.tables {
            bases.push(view.table(table).await?);
            let replaced =
                changes.steps.iter().filter_map(|step| if let Step::Replace(old, _) = step { Some(old) } else { None });
            view.format.check(table, &replaced.collect::<Vec<_>>()).await?;
        }
        Ok(Ready { plan, bases })
    }
}

impl Look {
    /// What [`Lake::rollback`] would do. It ends as that would: what it would bring back is read.
    ///
    /// # Errors
    /// Those of [`Lake::rollback`] up to its commit; [`LakeError::Locked`].
    pub(crate) async fn rollback_to(
        &self,
        version: u64,
        clock: &dyn Clock,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<RollbackPlan, LakeError> {
        self.check_free(clock)?;
        let archive = self.archive().ok_or_else(|| self.view().nothing_committed())?;
        let Ready { mut plan, .. } = archive.ready(self.view(), version, &named).await?;
        for (table, step) in plan.tables.iter().flat_map(|(table, changes)| changes.steps.iter().map(move |step| (table, step))) {
            let (Step::Add(from) | Step::Replace(_, from)) = step else { continue };
            if !archive.store.holds(&from.path, from.file.bytes, &from.file.checksum).await? {
                return Err(LakeError::Damaged { table: Some(table.clone()), place: from.place.clone() });
            }
        }
        for (resource, state) in plan.state.iter_mut().filter(|(resource, state)| self.view().state(resource) != Some(&**state)) {
            if let Some(Value::String(marks)) = named(state) {
                self.view().whole_marks(version, resource, marks).await?;
            }
        }
        Ok(plan)
    }
}

impl Lake {
    /// Commits the content of `version`; what was done, and the commit.
    ///
    /// # Errors
    /// Those of [`Archive::rollback_to`]; [`LakeError::Foreign`] for a table that is not as its last commit left it; [`LakeError::Claimed`]
    /// for a dropped table that is another pipeline's by now; [`LakeError::Damaged`] when what was kept is not what it was; those of
    /// [`Lake::commit`].
    pub(crate) async fn rollback(
        &mut self,
        version: u64,
        plan: &LakePlan,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<(RollbackPlan, Committed), LakeError> {
        let archive = self.archive().ok_or_else(|| self.view().nothing_committed())?;
        let ready = archive.ready(self.view(), version, &named).await?;
        self.bring_back(Purpose::Rollback { to: version }, version, ready, plan, named).await
    }

    /// Commits what a plan says, of which the content is that of `version`.
    pub(super) async fn bring_back(
        &mut self,
        purpose: Purpose,
        version: u64,
        Ready { plan: mut rollback, bases }: Ready,
        plan: &LakePlan,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<(RollbackPlan, Committed), LakeError> {
        let mut tables = Vec::new();
        for ((table, changes), base) in rollback.tables.iter().zip(bases) {
            tables.push(self.prepare_rollback((table, base), changes, plan).await?);
        }
        for (resource, state) in &mut rollback.state {
            if self.view().state(resource) != Some(&*state)
                && let Some(Value::String(marks)) = named(state)
            {
                // A run that slept since its commit may be about to sweep the old ones.
                *marks = self.keep_marks(resource, self.view().whole_marks(version, resource, marks).await?).await?;
            }
        }
        let commit = self.commit_for(purpose, tables, rollback.state.clone()).await?;
        Ok((rollback, commit))
    }

    async fn prepare_rollback(
        &self,
        (table, base): (&str, Snapshot),
        rollback: &TableRollback,
        plan: &LakePlan,
    ) -> Result<PreparedTable, LakeError> {
        let spool = self.spool().join(table);
        std::fs::create_dir_all(&spool).map_err(|source| LakeError::of_disk("create", &spool, source))?;
        let mut edits = Vec::with_capacity(rollback.steps.len());
        for (number, step) in rollback.steps.iter().enumerate() {
            let spooled = spool.join(format!("kept-{number:06}.tmp"));
            edits.push(match step {
                Step::Add(file) => Edit::Add(self.fetch(table, file, spooled).await?),
                Step::Replace(old, file) => Edit::Replace { old: old.clone(), new: self.fetch(table, file, spooled).await? },
                Step::Remove(old) => Edit::Remove(old.clone()),
            });
        }
        let shape = rollback.then.as_ref().map(|then| shape(&then.snapshot, plan, spool)).transpose()?;
        let edit = TableEdit { table: table.to_owned(), base, edits, shape, stats: StageStats::default() };
        self.format.prepare(edit)
    }

    /// Brings the content of a file into the spool, and checks it.
    pub(super) async fn fetch(&self, table: &str, from: &FileAt, spooled: PathBuf) -> Result<NewFile, LakeError> {
        self.store.fetch(&from.path, &spooled).await?;
        let hashed = open_regular(&spooled).and_then(|file| Ok((file.metadata()?.len(), hash_file(&file, &from.file.checksum)?)));
        let (bytes, checksum) = hashed.map_err(|source| LakeError::of_disk("read", &spooled, source))?;
        if bytes != from.file.bytes || checksum != from.file.checksum {
            return Err(LakeError::Damaged { table: Some(table.to_owned()), place: from.place.clone() });
        }
        let DataFile { partition, rows, key_ranges, .. } = from.file.clone();
        Ok(NewFile { partition, spooled, behind: 0, rows, bytes, checksum, key_ranges })
    }
}

/// Whether two states are one but for the run under whose name their marks are kept.
fn differ_in_place_of_marks(one: &Value, other: &Value, named: impl Fn(&mut Value) -> Option<&mut Value>) -> bool {
    let (mut one, mut other) = (one.clone(), other.clone());
    match (named(&mut one).map(Value::take), named(&mut other).map(Value::take)) {
        (Some(Value::String(marks)), Some(Value::String(others))) => have_same_content(&marks, &others) && one == other,
        _ => false,
    }
}

/// The edits from the one to the other. Files without rows are the format's affair.
fn steps(now: &Snapshot, then: Option<&TableAt>) -> Vec<Step> {
    let mut old: Vec<&FileAt> = then.iter().flat_map(|then| &then.files).filter(|at| at.file.rows > 0).collect();
    let mut live: BTreeMap<&str, &DataFile> =
        now.files.iter().filter(|file| file.rows > 0).map(|file| (file.path.as_str(), file)).collect();
    // What is there with the same content, under whatever name, stays as it is.
    old.retain(|at| {
        let same = live.values().find(|file| file.has_content_of(&at.file)).map(|file| file.path.as_str());
        same.is_none_or(|path| live.remove(path).is_none())
    });
    let mut steps = Vec::new();
    for at in old {
        match live.remove(at.file.path.as_str()) {
            Some(file) => steps.push(Step::Replace(file.clone(), at.clone())),
            None => steps.push(Step::Add(at.clone())),
        }
    }
    steps.extend(live.into_values().map(|file| Step::Remove(file.clone())));
    if then.is_none() {
        steps.extend(now.files.iter().filter(|file| file.rows == 0).map(|file| Step::Remove(file.clone())));
    }
    steps
}

/// A table's shape as a manifest tells it.
pub(super) fn shape(table: &Snapshot, plan: &LakePlan, spool: PathBuf) -> Result<TableShape, LakeError> {
    let budgets = StageBudgets::default();
    let limits = FileLimits { row_group_rows: budgets.row_group_rows, row_group_bytes: budgets.row_group_bytes };
    let style = FileStyle {
        compression: plan.compression,
        compat: table.compat.unwrap_or(plan.compat),
        key: table.primary_key.clone(),
        sort_by: Vec::new(),
        limits,
    };
    let partition_by = table.partition_fields()?;
    let (schema, primary_key) = (table.schema.clone(), table.primary_key.clone());
    Ok(TableShape { schema, primary_key, partition_by, stored_as: table.stored_as, style, spool })
}
