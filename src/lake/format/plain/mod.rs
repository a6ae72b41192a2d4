//! Plain Parquet in Hive's folders, for readers by glob.
//!
//! In: edits; commits of the log. Out: data files under the tables' folders, and what they replace or remove kept beside the log. What a reader by
//! glob sees while a commit is published: each file whole, old or new; no key twice in files that are replaced, since
//! those switch at once; a row that moves to another file for a moment twice rather than not at all, since new files come before old ones
//! are replaced, and deletes come last. Files of several partitions do not switch together.
//!
//! The files of every format get to their places this way; what a table's own log says of them comes between the files that it adds and all else.

mod empty;
mod fates;
mod folder;
mod kept;
mod names;
mod publish;
mod staged;

use futures::{StreamExt, TryStreamExt, stream};
pub(crate) use names::name_files;

pub(super) use fates::{fates, withdraw};
pub(super) use kept::{copies, expired, prune};
pub(super) use publish::{By, Placing};
pub(super) use staged::{describe, stage};

use crate::lake::format::Remains;
use crate::lake::format::plain::folder::{as_found, check_folder, recognise_restored, strangers};
use crate::lake::store::Store;
use crate::lake::{DataFile, LakeError, Snapshot};

/// Replaced files that are looked at at once.
const PARALLEL_CHECKS: usize = 4;

/// The table as its last commit left it.
///
/// # Errors
/// [`LakeError::Foreign`]; with `adopt`, [`LakeError::Adopt`]; the store's.
pub(super) async fn snapshot(
    store: &dyn Store,
    table: &str,
    mut committed: Snapshot,
    adopt: bool,
) -> Result<Snapshot, LakeError> {
    let found = store.list(table).await?;
    recognise_restored(store, &mut committed, &found).await?;
    check_folder((table, &store.place(table)), &found, &committed.files, adopt)?;
    Ok(committed)
}

/// What is left of the table.
///
/// # Errors
/// The store's.
pub(super) async fn remains(store: &dyn Store, table: &str, committed: Snapshot) -> Result<Remains, LakeError> {
    let found = store.list(table).await?;
    let strangers = strangers(&found, &committed.files);
    Ok(Remains { snapshot: as_found(committed, &found), strangers, others: Vec::new(), broken: None })
}

/// Checks that what is replaced is what it was. On disk every file is read; in a bucket the tags that the table was opened with tell.
///
/// # Errors
/// [`LakeError::Damaged`]; the store's.
pub(super) async fn check(store: &dyn Store, table: &str, replaced: &[&DataFile]) -> Result<(), LakeError> {
    if store.root().is_none() {
        return Ok(());
    }
    let checks: Vec<_> = replaced
        .iter()
        .map(|old| async {
            match store.holds(&old.path, old.bytes, &old.checksum).await? {
                true => Ok(()),
                false => Err(LakeError::Damaged { table: Some(table.to_owned()), place: store.place(&old.path) }),
            }
        })
        .collect();
    stream::iter(checks).buffer_unordered(PARALLEL_CHECKS).try_collect().await
}
