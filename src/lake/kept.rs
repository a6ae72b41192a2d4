//! Kept files: what the newest commits replaced or removed, readable until there are newer ones.
//!
//! In: a commit that is about to be published. Out: each data file that it replaces or removes, under
//! `_lakeward/<pipeline>/kept/<version>/<run>/`, with its partition folders and the ending `.kept`, which no glob for data takes. Invariants: a
//! file is kept before it is replaced or removed, so that an interrupted publish can be finished and still be undone; what is kept never
//! changes; as many commits can be undone as the config says, of the newest ones that changed files. Not here: bringing a version back
//! (`ops::rollback`).
//!
//! A bucket copies whatever is in the place when it comes to it. So a run that falls asleep right before a copy may make it of the new file,
//! once another run has finished the commit. Therefore every run that publishes a commit copies into a folder of its own, and the first
//! that has copied all names itself in `keeper.json`, which is created once, before anything is replaced: its copies count, and no others.

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::lake::log::{Action, Change, Commit, FORMAT, read_json, to_json};
use crate::lake::publish::{Publisher, pass};
use crate::lake::store::{Found, Store};
use crate::lake::trust::is_name;
use crate::lake::{Lake, LakeError, Layout};

/// Files kept at once.
const PARALLEL_FILES: usize = 16;

/// Commits whose kept files one run removes; the next run goes on.
const PRUNED_AT_ONCE: usize = 8;

/// The content of `keeper.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Keeper {
    format: u32,
    run: String,
}

/// The run whose copies of what commit `version` replaced or removed count; `None` while not all is copied.
///
/// # Errors
/// [`LakeError::Unreadable`]; the store's.
pub(super) async fn keeper(store: &dyn Store, layout: &Layout, version: u64) -> Result<Option<String>, LakeError> {
    let path = layout.keeper(version);
    match read_json::<Keeper>(store, &path).await?.map(|keeper| keeper.run) {
        Some(run) if !is_name(&run) => {
            Err(LakeError::Unreadable { place: store.place(&path), why: format!("{run:?} is no name of a run") })
        }
        run => Ok(run),
    }
}

impl Publisher<'_> {
    /// Keeps what `commit` replaces and removes, durably. Safe to repeat, also when some of it is published.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn keep(&self, commit: &Commit) -> Result<(), LakeError> {
        if !commit.keeps {
            return Ok(());
        }
        let is_own = commit.run == self.run;
        if !is_own && keeper(self.store, self.layout, commit.version).await?.is_some() {
            return Ok(());
        }
        let old: Vec<(Found, String)> = commit.files.iter().filter_map(|change| self.old_file(commit, change)).collect();
        if old.is_empty() {
            return Ok(());
        }
        let keeps: Vec<_> = old.iter().map(|(from, to)| self.store.keep(from, to)).collect();
        stream::iter(keeps).buffer_unordered(PARALLEL_FILES).try_collect::<()>().await?;
        let kept: Vec<String> = old.into_iter().map(|(_, to)| to).collect();
        self.store.settle(&kept).await?;
        let keeper = to_json(&Keeper { format: FORMAT, run: self.run.to_owned() });
        self.store.create(&self.layout.keeper(commit.version), keeper).await?;
        pass("lake.publish.after_keeps")
    }

    /// The content that a change takes out of its place, and where it is kept.
    fn old_file(&self, commit: &Commit, change: &Change) -> Option<(Found, String)> {
        let bytes = match change.action {
            Action::Put => change.replaces.as_ref()?.bytes,
            Action::Delete => change.bytes,
        };
        let old = Found { path: change.path.clone(), bytes, etag: change.previous_etag.clone() };
        Some((old, self.layout.kept(commit.version, self.run, &change.path)))
    }
}

impl Lake {
    /// Removes what is kept of commits that can no longer be undone, the oldest first.
    ///
    /// # Errors
    /// The store's; the next run tries again.
    pub(super) async fn prune_kept(&self) -> Result<(), LakeError> {
        let kept = self.store.folders(&self.layout.kept_folder()).await?;
        let Some(archive) = self.archive().filter(|_| !kept.is_empty()) else { return Ok(()) };
        let oldest = archive.oldest_undoable(self.keep_versions).await?;
        let versions = kept.iter().filter_map(|name| name.parse::<u64>().ok()).filter(|version| *version < oldest);
        for version in versions.take(PRUNED_AT_ONCE) {
            pass("lake.kept.prune")?;
            self.store.clear(&self.layout.kept_by(version), true).await?;
        }
        Ok(())
    }
}
