//! What became of the files of a commit that is recorded and not known to be published, and how nothing more is published of it.

use futures::{StreamExt, TryStreamExt, stream};

use crate::lake::LakeError;
use crate::lake::format::{Fate, FileFate};
use crate::lake::log::{Action, Change, Commit};
use crate::lake::store::{Handle, Store};

/// Files looked at at once.
const PARALLEL_FILES: usize = 8;

/// What became of the files that `commit` puts, in its order. Nothing is written.
///
/// # Errors
/// The store's.
pub(in crate::lake::format) async fn fates(store: &dyn Store, commit: &Commit) -> Result<Vec<FileFate>, LakeError> {
    let puts = commit.files.iter().filter(|change| change.action == Action::Put);
    let looks: Vec<_> = puts.map(|change| file_fate(store, commit, change)).collect();
    stream::iter(looks).buffered(PARALLEL_FILES).try_collect().await
}

async fn file_fate(store: &dyn Store, commit: &Commit, change: &Change) -> Result<FileFate, LakeError> {
    let fate = fate(store, commit, change).await?;
    Ok(FileFate { table: change.table.clone(), place: store.place(&change.path), rows: change.rows, fate })
}

async fn fate(store: &dyn Store, commit: &Commit, change: &Change) -> Result<Fate, LakeError> {
    if store.holds(&change.path, change.bytes, &change.checksum).await? {
        return Ok(Fate::InPlace);
    }
    if commit.tells_replaced && store.head(&change.path).await?.is_some() {
        let is_as_before = match &change.replaces {
            Some(old) => store.holds(&change.path, old.bytes, &old.checksum).await?,
            None => false,
        };
        if !is_as_before {
            return Ok(Fate::Taken);
        }
    }
    Ok(match &change.handle {
        Some(Handle::Staged(staged)) if store.holds(staged, change.bytes, &change.checksum).await? => Fate::Staged,
        Some(Handle::Upload { id, .. }) => match store.has_upload(&change.path, id).await? {
            Some(true) => Fate::Staged,
            Some(false) => Fate::Lost,
            None => Fate::Untold,
        },
        _ => Fate::Lost,
    })
}

/// Takes from everybody, also from a run that sleeps, the means to publish anything of a commit; durably.
///
/// # Errors
/// The store's; some of them are taken then.
pub(in crate::lake::format) async fn withdraw(store: &dyn Store, commit: &Commit) -> Result<(), LakeError> {
    let mut staged = Vec::new();
    for change in &commit.files {
        match &change.handle {
            Some(Handle::Staged(path)) => {
                store.remove(path).await?;
                staged.push(path.clone());
            }
            Some(Handle::Upload { id, .. }) => store.drop_upload(&change.path, id).await?,
            None => {}
        }
    }
    store.settle(&staged).await
}
