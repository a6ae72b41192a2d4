//! A trial: whether this user may do in a lake what a run does, and how much room there is for it.
//!
//! In: a plan, the tables of its config. Out: nothing but the room, or the first thing that a run would fail with. What is made for it goes again; no
//! reader and no run sees any of it. Not here: what lies in the lake (`view`, `ops::doctor`).

use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::config::{LakeLocation, LakePlan};
use crate::lake::spool::Spool;
use crate::lake::store::{Spooled, Store, is_safe, open_store};
use crate::lake::{LakeError, Layout};

/// The name that staged files of a trial have in place of a run's.
const TRIAL: &str = "trial";

/// Tries whether a run may write into the lake of `plan`, and into `tables` of it, and whether its store is safe for that.
///
/// # Errors
/// [`LakeError::UnsafeStore`]; the store's.
pub(crate) async fn try_out(plan: &LakePlan, pipeline: &str, tables: &[&str]) -> Result<(), LakeError> {
    let layout = Layout::new(pipeline);
    check_writable(plan, &layout, tables)?;
    let mut made = Vec::new();
    if let LakeLocation::Disk(root) = &plan.location {
        let folders = root.join(layout.home());
        made.extend(folders.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned));
    }
    let tried = try_in(plan, &layout, tables).await;
    // A folder that a run has filled meanwhile stays.
    made.iter().for_each(|folder| drop(std::fs::remove_dir(folder)));
    tried
}

async fn try_in(plan: &LakePlan, layout: &Layout, tables: &[&str]) -> Result<(), LakeError> {
    let store = open_store(plan, true).await?;
    let trial = layout.trial();
    let safe = is_safe(&*store, &trial).await;
    // Of two that try at once, the one that made it takes it away.
    if matches!(safe, Ok(Some(_))) {
        store.remove(&trial).await?;
    }
    if safe? == Some(false) && !plan.allow_unsafe_store {
        return Err(LakeError::UnsafeStore { place: store.place("") });
    }
    match (&plan.location, tables.first()) {
        (LakeLocation::S3 { .. }, Some(table)) => try_upload(&*store, layout, table).await,
        _ => Ok(()),
    }
}

/// Stages a small file of `table` as a run does, in an upload that is never completed, and drops it.
async fn try_upload(store: &dyn Store, layout: &Layout, table: &str) -> Result<(), LakeError> {
    let spool = Spool::temporary("check").await?;
    let from = spool.path().join(TRIAL);
    std::fs::write(&from, TRIAL).map_err(|source| LakeError::of_disk("write", &from, source))?;
    let file = Spooled { from, behind: None, to: format!("{table}/{TRIAL}.parquet"), bytes: TRIAL.len() as u64 };
    let staging = layout.staging(TRIAL);
    let staged = store.stage(&staging, &[file]).await.map(drop);
    let cleared = store.clear(&staging, false).await;
    staged.and(cleared)
}

/// Checks that a run of this user may write into the folders of the lake, of its pipeline and of its `tables`, as far as they are there. Asked of the
/// system alone, and so of a lake on disk.
///
/// # Errors
/// [`LakeError::Disk`] with the first folder that it may not write into.
pub(super) fn check_writable(plan: &LakePlan, layout: &Layout, tables: &[&str]) -> Result<(), LakeError> {
    let LakeLocation::Disk(root) = &plan.location else { return Ok(()) };
    let own = [layout.home().to_owned(), layout.log(), layout.manifests(), layout.reports()];
    let below = own.iter().map(String::as_str).chain(tables.iter().copied());
    for folder in std::iter::once(root.clone()).chain(below.map(|folder| root.join(folder))) {
        // What is not there is made in the folder above it.
        let Some(there) = folder.ancestors().find(|folder| folder.exists()) else { continue };
        let may = rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK);
        may.map_err(|source| LakeError::of_disk("write into", there, source.into()))?;
    }
    Ok(())
}

/// Where the rows of a run wait on this machine, and the bytes that are free there for this user; `None` where the system does not tell.
pub(crate) fn free_space(plan: &LakePlan) -> Option<(PathBuf, u64)> {
    let folder = match &plan.location {
        LakeLocation::Disk(root) => root.ancestors().find(|folder| folder.exists())?.to_owned(),
        LakeLocation::S3 { .. } => std::env::temp_dir(),
    };
    let facts = rustix::fs::statvfs(&folder).ok()?;
    Some((folder, facts.f_bavail.saturating_mul(facts.f_frsize)))
}
