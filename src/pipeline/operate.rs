//! One operation on a lake that is no run, under a lease like one.
//!
//! In: a plan, the clock, what is to be done. Out: what was done. Invariants: what a run before left unfinished is finished first; the lease is
//! kept while it works and given back, whatever becomes of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::base::Clock;
use crate::config::Plan;
use crate::lake::{Commit, Lake, Owner, RollbackPlan};
use crate::pipeline::RunError;

/// A name for a run that begins now.
pub(super) fn run_id(clock: &dyn Clock, started: DateTime<Utc>) -> String {
    format!("{}-{:06x}", started.format("%Y-%m-%dT%H-%M-%SZ"), clock.random() & 0xff_ffff)
}

/// Brings `version` back: its rows, its schemas and its cursors, in one commit.
///
/// # Errors
/// The lake's; nothing is changed then.
pub(crate) async fn rollback(plan: &Plan, version: u64, clock: Arc<dyn Clock>) -> Result<(RollbackPlan, Commit), RunError> {
    let run = run_id(&*clock, clock.now());
    let mut lake = Lake::open(&plan.lake, &plan.name, clock, &run, Owner::this_process(), None).await?;
    let lease = lake.lease();
    let outcome = lease.keep_beside(lake.rollback(version, &plan.lake)).await;
    let closed = lake.close().await;
    let (done, mut commit) = outcome?;
    commit.untidy = commit.untidy.or(closed.err());
    Ok((done, commit))
}
