//! Abandoning: a step past a commit of which staged files are gone for good, so that it can never be published whole.
//!
//! In: the newest commit, not published. Out: a commit on it, with all that was before: rows, schemas and cursors together, so that no cursor is
//! ahead of its rows. Its order: it is tried once more whether the commit can be published; its handles are dropped, so that nobody publishes
//! any of it later; the new commit names every path that the old one changes, and its content comes from where it is kept or still lies. What the
//! old commit deletes comes back under another name, since a run that slept may still delete it. Invariants: a commit that can be published
//! is never abandoned; killed at any instant, the same command ends it, and once the new commit is recorded any run does.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::Clock;
use crate::config::LakePlan;
use crate::lake::claim::Claims;
use crate::lake::format::{Fate, FileFate};
use crate::lake::log::{Action, Change, Commit, Purpose};
use crate::lake::ops::rollback::{Ready, Step, TableRollback};
use crate::lake::ops::{Archive, RollbackPlan};
use crate::lake::publish::pass;
use crate::lake::{Committed, DataFile, Lake, LakeError, Look, Snapshot};

/// What abandoning a commit means.
#[derive(Debug)]
pub(crate) struct Abandonment {
    /// The commit.
    pub(crate) version: u64,
    /// The run that made it, and when.
    pub(crate) made: (String, String),
    /// What became of its files.
    pub(crate) files: Vec<FileFate>,
    /// What its tables and cursors become.
    pub(crate) back: RollbackPlan,
}

impl Archive {
    /// What has to be done to have again what was before the newest commit, which is not published.
    async fn step_back(&self, named: impl Fn(&mut Value) -> Option<&mut Value>) -> Result<RollbackPlan, LakeError> {
        let mut plan = self.rollback_to(self.head.parent, named).await?;
        for (table, changes) in &mut plan.tables {
            // Of a table whose own log does not have the commit, nothing is to be undone.
            let is_told = !self.head.logs.contains_key(table) || self.format.is_told(&self.head, table).await?;
            changes.steps = if is_told { undoing(&self.head, table, changes) } else { Vec::new() };
        }
        Ok(plan)
    }

    /// That what comes back from where it was is there still: a commit that keeps nothing may have replaced some of it.
    async fn still_there(&self, plan: &RollbackPlan) -> Result<(), LakeError> {
        for (table, changes) in &plan.tables {
            for step in &changes.steps {
                let (Step::Add(from) | Step::Replace(_, from)) = step else { continue };
                if from.path == from.file.path && !self.store.holds(&from.path, from.file.bytes, &from.file.checksum).await? {
                    let (version, place) = (self.newest(), from.place.clone());
                    return Err(LakeError::NotAbandonable { version, table: table.clone(), place });
                }
            }
        }
        Ok(())
    }

    /// That nothing else lies where files of the newest commit belong, and what became of these.
    async fn untaken(&self) -> Result<Vec<FileFate>, LakeError> {
        let files = self.format.fates(&self.head).await?;
        match files.iter().find(|file| file.fate == Fate::Taken) {
            Some(file) => Err(LakeError::Taken { version: self.newest(), place: file.place.clone() }),
            None => Ok(files),
        }
    }
}

impl Look {
    /// What [`Lake::abandon`] would do. Nothing is written.
    ///
    /// # Errors
    /// [`LakeError::NothingToAbandon`], [`LakeError::CanBeFinished`], [`LakeError::NoVersion`]; [`LakeError::Taken`]; [`LakeError::Locked`]; those
    /// of [`Archive::rollback_to`].
    pub(crate) async fn abandonment(
        &self,
        version: u64,
        clock: &dyn Clock,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<Abandonment, LakeError> {
        self.check_free(clock)?;
        let archive = self.archive().ok_or_else(|| self.view().nothing_committed())?;
        if version == 0 || version > archive.newest() {
            return Err(LakeError::NoVersion { version, newest: archive.newest() });
        }
        if version < archive.newest() || !self.pending().contains(&version) {
            return Err(LakeError::NothingToAbandon { version, by: archive.abandoned_by(version).await? });
        }
        let files = archive.untaken().await?;
        if !files.iter().any(|file| matches!(file.fate, Fate::Lost | Fate::Untold | Fate::Overtaken)) {
            return Err(LakeError::CanBeFinished { version });
        }
        let back = archive.step_back(named).await?;
        archive.still_there(&back).await?;
        let made = (archive.head.run.clone(), archive.head.written.clone());
        Ok(Abandonment { version, made, files, back })
    }
}

impl Archive {
    /// The commit that abandoned `version`.
    async fn abandoned_by(&self, version: u64) -> Result<Option<u64>, LakeError> {
        if version >= self.newest() {
            return Ok(None);
        }
        let next = self.commit(version + 1).await?;
        Ok((next.purpose == Purpose::Abandonment { of: version }).then_some(next.version))
    }
}

impl Lake {
    /// Abandons the commit that the lake was opened for; what was done, and the commit.
    ///
    /// # Errors
    /// [`LakeError::Taken`] where something else lies in a place of its files; [`LakeError::NotAbandonable`], [`LakeError::NotKept`],
    /// [`LakeError::Damaged`] where what was before is not there any more; those of [`Lake::commit`]. The lake is as it was then.
    pub(crate) async fn abandon(
        &mut self,
        plan: &LakePlan,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<(Abandonment, Committed), LakeError> {
        let archive = self.archive().ok_or_else(|| self.view().nothing_committed())?;
        let (commit, version) = (archive.head.clone(), archive.newest());
        let files = archive.untaken().await?;
        let ready = self.ready_to_step_back(&archive, &named).await?;
        self.format.withdraw(&commit).await?;
        pass("lake.abandon.dropped")?;
        // As its publish would have: what comes back is claimed anew.
        for table in &commit.released {
            let next_number = commit.next_numbers.get(table).copied().unwrap_or(0);
            Claims { store: &*self.store, layout: &self.layout }.release(table, (version, next_number)).await?;
        }
        let (back, mut committed) =
            self.bring_back(Purpose::Abandonment { of: version }, commit.parent, ready, plan, &named).await?;
        if committed.untidy.is_none() {
            // Nothing of it is left to publish.
            committed.untidy = self.publisher().note(&commit, BTreeMap::new()).await.err();
        }
        Ok((Abandonment { version, made: (commit.run, commit.written), files, back }, committed))
    }

    async fn ready_to_step_back(
        &self,
        archive: &Archive,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<Ready, LakeError> {
        let plan = archive.step_back(named).await?;
        archive.still_there(&plan).await?;
        self.view().check_claims(&plan.tables.keys().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut bases = Vec::with_capacity(plan.tables.len());
        for (table, changes) in &plan.tables {
            let mut base = self.view().current(table).await?;
            if let Some(then) = &changes.then {
                base.next_number = base.next_number.max(then.snapshot.next_number);
            }
            self.forget_empty(&archive.head, &mut base).await?;
            bases.push(base);
        }
        Ok(Ready { plan, bases })
    }

    /// Files without rows that the commit puts, as they are found: whether they are in their places is not known.
    async fn forget_empty(&self, commit: &Commit, base: &mut Snapshot) -> Result<(), LakeError> {
        let is_put = |file: &DataFile| commit.files.iter().any(|change| change.action == Action::Put && change.path == file.path);
        for file in base.files.iter_mut().filter(|file| file.rows == 0 && is_put(file)) {
            file.checksum = String::new();
            if let Some(found) = self.store.head(&file.path).await? {
                (file.bytes, file.etag) = (found.bytes, found.etag);
            }
        }
        Ok(())
    }
}

/// The steps by which a table becomes what it was before `commit`, whatever of that is published. Files without rows that it puts are the format's
/// affair.
fn undoing(commit: &Commit, table: &str, changes: &TableRollback) -> Vec<Step> {
    let old_file = |change: &Change| changes.then.iter().flat_map(|then| &then.files).find(|at| at.file.path == change.path);
    let mut steps = Vec::new();
    for change in commit.files.iter().filter(|change| change.table == table) {
        let old = old_file(change);
        let with_rows = old.filter(|at| at.file.rows > 0).cloned();
        match change.action {
            Action::Put => {
                let Some(new) = changes.now.files.iter().find(|file| file.path == change.path) else { continue };
                match with_rows {
                    Some(old) => steps.push(Step::Replace(new.clone(), old)),
                    None if new.rows > 0 || changes.then.is_none() => steps.push(Step::Remove(new.clone())),
                    None => {}
                }
            }
            Action::Delete | Action::Retire => {
                steps.extend(with_rows.map(Step::Add));
                steps.extend(old.map(|old| Step::Remove(old.file.clone())));
            }
        }
    }
    steps
}
