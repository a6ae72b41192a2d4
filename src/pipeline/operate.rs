//! One operation on a lake that is no run, under a lease like one.
//!
//! In: a plan, the clock, what is to be done. Out: what was done. Invariants: what a run before left unfinished is finished first; the lease is
//! kept while it works and given back, whatever becomes of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::base::Clock;
use crate::config::LakeOnly;
use crate::lake::{Archive, COMMITS_KEPT, Committed, Garbage, Lake, LakeError, Owner, RollbackPlan};
use crate::pipeline::RunError;
use crate::pipeline::cursors::file_named;

/// A name for a run that begins now.
pub(super) fn run_id(clock: &dyn Clock, started: DateTime<Utc>) -> String {
    format!("{}-{:06x}", started.format("%Y-%m-%dT%H-%M-%SZ"), clock.random() & 0xff_ffff)
}

/// Brings `version` back: its rows, its schemas and its cursors, in one commit.
///
/// # Errors
/// The lake's; nothing is changed then.
pub(crate) async fn rollback(
    plan: &LakeOnly,
    version: u64,
    clock: Arc<dyn Clock>,
) -> Result<(RollbackPlan, Committed), RunError> {
    let run = run_id(&*clock, clock.now());
    let mut lake = Lake::open(&plan.lake, &plan.name, clock, &run, Owner::this_process(), None).await?;
    let lease = lake.lease();
    let outcome = lease.keep_beside(lake.rollback(version, &plan.lake, file_named)).await;
    let closed = lake.close().await;
    let (done, mut commit) = outcome?;
    commit.untidy = commit.untidy.or(closed.err());
    Ok((done, commit))
}

/// Removes what the lake's own folder holds and nothing needs.
///
/// # Errors
/// The lake's; what is left is still garbage then.
pub(crate) async fn collect(plan: &LakeOnly, clock: Arc<dyn Clock>) -> Result<(Garbage, Committed), RunError> {
    let run = run_id(&*clock, clock.now());
    let mut lake = Lake::open(&plan.lake, &plan.name, clock, &run, Owner::this_process(), None).await?;
    let lease = lake.lease();
    let outcome = lease.keep_beside(lake.collect(COMMITS_KEPT, file_named)).await;
    let closed = lake.close().await;
    let (garbage, mut commit) = outcome?;
    commit.untidy = commit.untidy.or(closed.err());
    Ok((garbage, commit))
}

/// What [`collect`] would remove; nothing is written.
///
/// # Errors
/// The lake's.
pub(crate) async fn garbage(plan: &LakeOnly) -> Result<Garbage, RunError> {
    match Archive::open(&plan.lake, &plan.name).await? {
        Some(archive) => Ok(archive.garbage(plan.lake.keep_versions, COMMITS_KEPT, file_named).await?),
        None => Ok(Garbage::default()),
    }
}

/// What [`rollback`] would do; nothing is written.
///
/// # Errors
/// The lake's.
pub(crate) async fn rollback_plan(plan: &LakeOnly, version: u64) -> Result<RollbackPlan, RunError> {
    let archive = Archive::open(&plan.lake, &plan.name).await?.ok_or(LakeError::NoVersion { version, newest: 0 })?;
    Ok(archive.rollback_to(version, file_named).await?)
}
