//! Kept files: what the newest commits replaced or removed, readable until there are newer ones.
//!
//! In: a commit that is about to be published. Out: each data file that it replaces or removes, under
//! `_lakeward/<pipeline>/kept/<version>/<run>/`, with its partition folders and the ending `.kept`, which no glob for data takes. Invariants: a
//! file is kept before it is replaced or removed, so that an interrupted publish can be finished and still be undone; what is kept never
//! changes; as many commits can be undone as the config says, of the newest ones that changed rows. Not here: bringing a version back
//! (`ops::rollback`).
//!
//! A bucket copies whatever is in the place when it comes to it. So a run that falls asleep right before a copy may make it of the new file,
//! once another run has finished the commit. Therefore every run that publishes a commit copies into a folder of its own, and the first
//! that has copied all names itself in `keeper.json`, which is created once, before anything is replaced: its copies count, and no others.

use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::lake::format::Kept;
use crate::lake::format::tables::Tables;
use crate::lake::log::{Action, Change, FORMAT, read_json, to_json};
use crate::lake::publish::{Publication, pass};
use crate::lake::store::{Found, Store};
use crate::lake::trust::is_name;
use crate::lake::{LakeError, Layout};

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
async fn keeper(store: &dyn Store, layout: &Layout, version: u64) -> Result<Option<String>, LakeError> {
    let path = layout.keeper(version);
    match read_json::<Keeper>(store, &path).await?.map(|keeper| keeper.run) {
        Some(run) if !is_name(&run) => {
            Err(LakeError::Unreadable { place: store.place(&path), why: format!("{run:?} is no name of a run") })
        }
        run => Ok(run),
    }
}

/// Keeps what a commit replaces and removes, durably; `by_itself` in its own run. Safe to repeat, also when some of it is published.
///
/// # Errors
/// The store's.
pub(in crate::lake::format) async fn keep(
    tables: &Tables,
    publication: &Publication<'_>,
    by_itself: bool,
) -> Result<(), LakeError> {
    let (Tables { store, layout }, Publication { commit, run, .. }) = (tables, publication);
    if !commit.keeps {
        return Ok(());
    }
    if !by_itself && keeper(&**store, layout, commit.version).await?.is_some() {
        return Ok(());
    }
    let old = commit.files.iter().filter_map(|change| {
        let old = old_file(change)?;
        let kept = layout.kept(commit.version, run, &old.path);
        Some((old, kept))
    });
    let old: Vec<(Found, String)> = old.collect();
    if old.is_empty() {
        return Ok(());
    }
    let keeps: Vec<_> = old.iter().map(|(from, to)| store.keep(from, to)).collect();
    stream::iter(keeps).buffer_unordered(PARALLEL_FILES).try_collect::<()>().await?;
    let kept: Vec<String> = old.into_iter().map(|(_, to)| to).collect();
    store.settle(&kept).await?;
    let keeper = to_json(&Keeper { format: FORMAT, run: (*run).to_owned() });
    store.create(&layout.keeper(commit.version), keeper).await?;
    pass("lake.publish.after_keeps")
}

/// The content that a change takes out of its place.
fn old_file(change: &Change) -> Option<Found> {
    let bytes = match change.action {
        Action::Put => change.replaces.as_ref()?.bytes,
        Action::Delete => change.bytes,
        // It stays where it is.
        Action::Retire => return None,
    };
    Some(Found { path: change.path.clone(), bytes, etag: change.previous_etag.clone() })
}

/// The copies that count of what a commit replaced or removed, as far as all of it was kept.
///
/// # Errors
/// [`LakeError::Unreadable`]; the store's.
pub(in crate::lake::format) async fn copies(Tables { store, layout }: &Tables, version: u64) -> Result<Kept, LakeError> {
    let Some(run) = keeper(&**store, layout, version).await? else { return Ok(Kept::default()) };
    let folder = layout.copies(version, &run);
    let found = store.list(&folder).await?.into_iter();
    let paths = found.filter_map(|found| Some((Layout::parse_kept(&folder, &found.path)?, found.path))).collect();
    Ok(Kept { folder, paths })
}

/// Removes what is kept of commits before `oldest`, the oldest first.
///
/// # Errors
/// The store's; the next run tries again.
pub(in crate::lake::format) async fn prune(Tables { store, layout }: &Tables, oldest: u64) -> Result<(), LakeError> {
    let kept = store.folders(&layout.kept_folder()).await?;
    let versions = kept.iter().filter_map(|name| name.parse::<u64>().ok()).filter(|version| *version < oldest);
    for version in versions.take(PRUNED_AT_ONCE) {
        pass("lake.kept.prune")?;
        store.clear(&layout.kept_by(version), true).await?;
    }
    Ok(())
}

/// What is kept of commits before `oldest`.
///
/// # Errors
/// The store's.
pub(in crate::lake::format) async fn expired(Tables { store, layout }: &Tables, oldest: u64) -> Result<Vec<Found>, LakeError> {
    let mut found = store.list(&layout.kept_folder()).await?;
    let version = |found: &Found| {
        let path = found.path.strip_prefix(&layout.kept_folder())?;
        path.trim_matches('/').split('/').next()?.parse::<u64>().ok()
    };
    found.retain(|found| version(found).is_some_and(|version| version < oldest));
    Ok(found)
}
