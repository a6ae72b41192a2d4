//! Garbage: what a lake's own folder holds that nothing needs any more.
//!
//! In: the log. Out: [`Garbage`], listed, and removed under the lease. Garbage is what is kept of commits that can no longer be undone, commits past
//! the newest [`COMMITS_KEPT`], manifests and marks that no commit left names, reports past the newest [`REPORTS_KEPT`], what left open tables long ago, and what shards of runs left that were never committed. A run that finds many old commits
//! collects them itself. Invariants: under a table's folder nothing is touched but what its own log has let go of; what the
//! newest commit, or one that can be undone, needs is never garbage; what goes is listed, then a commit of the collection's own is made on the version that was
//! listed, then the list is removed: so a run that slept meanwhile cannot commit something that is gone, and a collection that slept removes
//! nothing that is new.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

use crate::lake::log::{Action, Commit, Purpose};
use crate::lake::ops::Archive;
use crate::lake::publish::pass;
use crate::lake::store::Found;
use crate::lake::{Committed, Lake, LakeError, manifest};

/// Commits that stay in the log at least: more than a year of nights.
pub(crate) const COMMITS_KEPT: u64 = 400;

/// Commits beyond those, at which a run collects: the look at all of them is worth it once in so many nights.
pub(crate) const COMMITS_SPARE: u64 = 100;

/// Reports of runs that stay.
pub(crate) const REPORTS_KEPT: usize = 1000;

/// Files removed at once.
const PARALLEL_FILES: usize = 16;

/// What nothing needs.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    /// Old files of commits that can no longer be undone.
    pub(crate) kept: Vec<Found>,
    /// Files that left open tables long ago, and what their logs can do without.
    pub(crate) left: Vec<Found>,
    /// What shards of runs left that were never committed.
    pub(crate) shards: Vec<Found>,
    /// Commits past the newest ones, the oldest first, and what is noted of their publish.
    pub(crate) commits: Vec<Found>,
    /// Manifests that no commit names.
    pub(crate) manifests: Vec<Found>,
    /// Marks that no commit names.
    pub(crate) marks: Vec<Found>,
    /// Reports past the newest ones.
    pub(crate) reports: Vec<Found>,
    /// The oldest commit that stays.
    oldest: u64,
}

impl Garbage {
    /// All of it, in the order in which it is removed: commits last, so that what is left by a kill is still known as garbage.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Found> {
        self.kept
            .iter()
            .chain(&self.left)
            .chain(&self.shards)
            .chain(&self.reports)
            .chain(&self.marks)
            .chain(&self.manifests)
            .chain(&self.commits)
    }
}

/// What a collection leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    /// Newest commits that can be undone.
    pub(crate) keep_versions: u32,
    /// Newest commits that stay in the log.
    pub(crate) commits_kept: u64,
    /// When it is asked.
    pub(crate) now: DateTime<Utc>,
    /// How long files that left an open table stay.
    pub(crate) retention: Duration,
}

impl Archive {
    /// What left open tables, but for what commits from `undoable` on took away, which can be undone.
    async fn left(&self, undoable: u64, age: (DateTime<Utc>, Duration)) -> Result<Vec<Found>, LakeError> {
        let mut left = Vec::new();
        let mut needed = None;
        for (table, entry) in &self.head.tables {
            let stored_as = manifest::load(&*self.store, &self.layout, table, entry).await?.stored_as;
            if stored_as.is_plain() {
                continue;
            }
            if needed.is_none() {
                let mut paths = BTreeSet::new();
                for version in undoable..=self.newest() {
                    let retired = self.commit(version).await?.files.into_iter().filter(|change| change.action == Action::Retire);
                    paths.extend(retired.map(|change| change.path));
                }
                needed = Some(paths);
            }
            left.extend(self.format.left(table, stored_as, age, needed.as_ref().unwrap_or(&BTreeSet::new())).await?);
        }
        Ok(left)
    }

    /// What nothing needs, where this much is kept. `named` tells the marks that a state names.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn garbage(
        &self,
        Keeping { keep_versions, commits_kept, now, retention }: Keeping,
        named: impl Fn(&Value) -> Option<&str>,
    ) -> Result<Garbage, LakeError> {
        let newest = self.newest();
        let undoable = self.oldest_undoable(keep_versions).await?;
        // A commit is undone to the version before it.
        let oldest = newest.saturating_sub(commits_kept.saturating_sub(1)).min(undoable.saturating_sub(1)).max(1);
        let (mut manifests, mut marks, mut introduced) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for version in oldest..=newest {
            let Commit { tables, state, .. } = match self.commit(version).await {
                // Collected before.
                Err(LakeError::NoVersion { .. }) => continue,
                commit => commit?,
            };
            for entry in tables.into_values() {
                manifests.insert(self.layout.manifest(&entry.manifest));
                introduced.insert(entry.version);
            }
            marks.extend(state.values().filter_map(&named).map(|name| self.layout.marks(name)));
        }
        let mut garbage = Garbage { kept: self.format.expired(undoable).await?, oldest, ..Garbage::default() };
        garbage.left = self.left(undoable, (now, retention)).await?;
        let shards = self.layout.shards();
        garbage.shards = self.store.list(&shards).await?;
        garbage.shards.retain(|found| began(&shards, &found.path).is_some_and(|began| began + retention < now));
        for found in self.store.list(&self.layout.log()).await? {
            match self.layout.parse_log(&found.path) {
                // It has the tags of files that are live.
                Some((version, "done")) if introduced.contains(&version) => {}
                Some((version, _)) if version < oldest => garbage.commits.push(found),
                _ => {}
            }
        }
        garbage.manifests = self.store.list(&self.layout.manifests()).await?;
        garbage.manifests.retain(|found| found.path.ends_with(".json") && !manifests.contains(&found.path));
        garbage.marks = self.store.list(&self.layout.marks_folder()).await?;
        garbage.marks.retain(|found| !marks.contains(&found.path));
        // Their names begin with the second in which the run began.
        garbage.reports = self.store.list(&self.layout.reports()).await?;
        garbage.reports.truncate(garbage.reports.len().saturating_sub(REPORTS_KEPT));
        Ok(garbage)
    }
}

/// When the run began that left a file for its shards; its name tells.
fn began(shards: &str, path: &str) -> Option<DateTime<Utc>> {
    let run = path.strip_prefix(shards)?.strip_prefix('/')?.split('/').next()?;
    let (began, _) = run.rsplit_once('-')?;
    Some(NaiveDateTime::parse_from_str(began, "%Y-%m-%dT%H-%M-%SZ").ok()?.and_utc())
}

impl Lake {
    /// Whether this run has made the commit behind which old ones are to be collected. The next such commit is [`COMMITS_SPARE`] further on, should
    /// the collection fail, or should all commits be needed to undo the newest.
    pub(crate) fn is_to_collect(&self) -> bool {
        let oldest = self.head.as_ref().map_or(0, |head| head.oldest).max(1);
        self.version().is_multiple_of(COMMITS_SPARE) && self.version() - oldest + 1 >= COMMITS_KEPT + COMMITS_SPARE
    }

    /// Removes what nothing needs, behind a commit of its own; what it was, and the commit. Without garbage there is no commit.
    ///
    /// # Errors
    /// Those of [`Archive::garbage`] and [`Lake::commit`]; the store's, after which the rest is still garbage.
    pub(crate) async fn collect(
        &mut self,
        commits_kept: u64,
        named: impl Fn(&Value) -> Option<&str>,
    ) -> Result<(Garbage, Committed), LakeError> {
        let (garbage, commit) = self.condemn(commits_kept, named).await?;
        self.discard(&garbage).await?;
        Ok((garbage, commit))
    }

    /// Lists what nothing needs, and makes the commit behind which it may go.
    pub(in crate::lake) async fn condemn(
        &mut self,
        commits_kept: u64,
        named: impl Fn(&Value) -> Option<&str>,
    ) -> Result<(Garbage, Committed), LakeError> {
        let Some(archive) = self.archive() else { return Ok(Default::default()) };
        let keeping = |commits_kept| self.keeping(commits_kept);
        if archive.garbage(keeping(commits_kept), &named).await?.files().next().is_none() {
            return Ok((Garbage::default(), Committed { version: self.version(), ..Committed::default() }));
        }
        // Listed before the commit, and nothing else goes: what comes later may be another run's, should this one fall asleep. Its own commit
        // is one of those that stay.
        let garbage = archive.garbage(keeping(commits_kept.saturating_sub(1).max(1)), &named).await?;
        self.oldest = garbage.oldest;
        let commit = self.commit_for(Purpose::Collection, Vec::new(), Map::new()).await?;
        Ok((garbage, commit))
    }

    /// What a collection of this run leaves.
    fn keeping(&self, commits_kept: u64) -> Keeping {
        Keeping { keep_versions: self.keep_versions, commits_kept, now: self.clock.now(), retention: self.retention }
    }

    /// Removes what was listed.
    pub(in crate::lake) async fn discard(&self, garbage: &Garbage) -> Result<(), LakeError> {
        for files in [&garbage.kept, &garbage.left, &garbage.shards, &garbage.reports, &garbage.marks, &garbage.manifests] {
            let removals: Vec<_> = files.iter().map(|found| self.store.remove(&found.path)).collect();
            stream::iter(removals).buffer_unordered(PARALLEL_FILES).try_collect::<()>().await?;
            pass("lake.gc.removed")?;
        }
        // The oldest first: a log has no gap, whenever this ends.
        for found in &garbage.commits {
            self.store.remove(&found.path).await?;
            pass("lake.gc.removed")?;
        }
        Ok(())
    }

    /// The versions of this lake; `None` before the first commit.
    pub(crate) fn archive(&self) -> Option<Archive> {
        let head = self.head.clone()?;
        Some(Archive::of(Arc::clone(&self.store), self.layout.clone(), head, Vec::new()))
    }
}
