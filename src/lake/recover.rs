//! Recovery: what a run does, before its own work, with what earlier runs left.
//!
//! In: the log and the staging folder. Out: every commit published, no staging but this run's. Invariants: a run whose
//! staging is removed without a commit is fenced first, by a commit that names it, so that it cannot commit handles that are
//! gone when it wakes up; what a commit promises is never removed.

use std::collections::{BTreeMap, BTreeSet};

use crate::lake::LakeError;
use crate::lake::log::{Commit, FORMAT, Purpose, Versions, read_commit, to_json, versions};
use crate::lake::publish::{LostFile, Publisher, pass};

/// Commits created for fences before another run's luck is taken for a conflict.
const FENCE_TRIES: u32 = 8;

/// Publishes every commit that is not known to be published, and returns the highest one. What nobody needs, and is gone, adds to `lost`.
///
/// # Errors
/// [`LakeError::Unreadable`] when a commit is missing or damaged, and those of [`Publisher::publish`].
pub(crate) async fn roll_forward(publisher: Publisher<'_>, lost: &mut Vec<LostFile>) -> Result<Option<Commit>, LakeError> {
    let Versions { head, pending } = versions(publisher.store, publisher.layout).await?;
    let mut newest = None;
    for version in pending {
        let commit = must_read(publisher, version).await?;
        tracing::info!(version, run = commit.run, files = commit.files.len(), "finishing the commit of an earlier run");
        lost.extend(publisher.publish(&commit).await?);
        newest = Some(commit);
    }
    match newest {
        Some(commit) if commit.version == head => Ok(Some(commit)),
        _ if head == 0 => Ok(None),
        _ => must_read(publisher, head).await.map(Some),
    }
}

/// Publishes what can be published up to commit `version`, the newest, and returns that one, of which files are lost for good.
///
/// # Errors
/// [`LakeError::NothingToAbandon`] when it is published, [`LakeError::NoVersion`], and those of [`roll_forward`].
pub(crate) async fn stop_at(publisher: Publisher<'_>, version: u64) -> Result<Commit, LakeError> {
    let Versions { head, pending } = versions(publisher.store, publisher.layout).await?;
    if version == 0 || version > head {
        return Err(LakeError::NoVersion { version, newest: head });
    }
    for open in pending {
        let commit = must_read(publisher, open).await?;
        match publisher.publish(&commit).await {
            Err(error) if open == version && head == version && error.abandonable() == Some(version) => return Ok(commit),
            published => drop(published?),
        }
    }
    let next = read_commit(publisher.store, publisher.layout, version + 1).await?;
    let by = next.filter(|next| next.purpose == Purpose::Abandonment { of: version }).map(|next| next.version);
    Err(LakeError::NothingToAbandon { version, by })
}

async fn must_read(publisher: Publisher<'_>, version: u64) -> Result<Commit, LakeError> {
    let Publisher { store, layout, .. } = publisher;
    read_commit(store, layout, version)
        .await?
        .ok_or_else(|| LakeError::Unreadable { place: store.place(&layout.commit(version)), why: "it is missing".to_owned() })
}

/// Removes the staging of other runs, fencing those that may not have committed. Returns the highest commit after that.
///
/// # Errors
/// [`LakeError::Conflict`] when other runs keep committing; the store's.
pub(crate) async fn clean(
    publisher: Publisher<'_>,
    written: &str,
    mut head: Option<Commit>,
    lost: &mut Vec<LostFile>,
) -> Result<Option<Commit>, LakeError> {
    let Publisher { store, layout, run, .. } = publisher;
    for folder in [layout.home(), &layout.log(), &layout.manifests()] {
        store.sweep(folder).await?;
    }
    for _ in 0..FENCE_TRIES {
        let mut dead: BTreeSet<String> = store.folders(&layout.stagings()).await?.into_iter().collect();
        dead.remove(run);
        if let Some(commit) = head.as_ref().filter(|commit| commit.fences.is_empty())
            && dead.remove(&commit.run)
        {
            // Published, or its `.done` would be missing: only the cleaning was cut short.
            store.clear(&layout.staging(&commit.run), true).await?;
        }
        let unfenced: Vec<String> = dead.iter().filter(|run| !is_fenced(head.as_ref(), run)).cloned().collect();
        if !unfenced.is_empty() {
            pass("lake.recover.before_fence")?;
            let fence = fence(head.as_ref(), run, written, unfenced);
            if !store.create(&layout.commit(fence.version), to_json(&fence)).await? {
                head = roll_forward(publisher, lost).await?;
                continue;
            }
            publisher.publish(&fence).await?;
            head = Some(fence);
        }
        pass("lake.recover.after_fence")?;
        for run in &dead {
            tracing::info!(run, "removing the unfinished work of an earlier run");
            store.clear(&layout.staging(run), false).await?;
        }
        return Ok(head);
    }
    Err(LakeError::Conflict { run: head.map(|commit| commit.run).unwrap_or_default() })
}

/// Only the newest commit needs a look: it was written by the clean-up that was cut short.
fn is_fenced(head: Option<&Commit>, run: &str) -> bool {
    head.is_some_and(|commit| commit.fences.iter().any(|fenced| fenced == run))
}

/// A commit that changes nothing but that `fences` can no longer commit.
fn fence(head: Option<&Commit>, run: &str, written: &str, fences: Vec<String>) -> Commit {
    let parent = head.map_or(0, |commit| commit.version);
    Commit {
        format: FORMAT,
        version: parent + 1,
        run: run.to_owned(),
        parent,
        written: written.to_owned(),
        fences,
        tables: head.map(|commit| commit.tables.clone()).unwrap_or_default(),
        state: head.map(|commit| commit.state.clone()).unwrap_or_default(),
        files: Vec::new(),
        logs: BTreeMap::new(),
        quarantine: Vec::new(),
        rebuilt: Vec::new(),
        repaired: Vec::new(),
        released: Vec::new(),
        next_numbers: BTreeMap::new(),
        keeps: false,
        oldest: head.map_or(0, |commit| commit.oldest),
        purpose: Purpose::Run,
        tells_replaced: true,
    }
}
