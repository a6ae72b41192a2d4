//! One operation on a lake that is no run, under a lease like one.
//!
//! In: a plan, the clock, what is to be done. Out: what was done. Invariants: what a run before left unfinished is finished first; the lease is
//! kept while it works and given back, whatever becomes of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use serde_json::Map;

use crate::base::{Clock, Unjoined};
use crate::config::{LakeOnly, LakePlan, SortField};
use crate::lake::{
    Abandonment, Archive, COMMITS_KEPT, Committed, Compaction, Garbage, Keeping, Lake, LakeError, Look, Owner, PreparedTable,
    Purpose, RollbackPlan,
};
use crate::pipeline::RunError;
use crate::pipeline::cursors::{file_name, file_named};

/// A name for a run that begins now.
pub(super) fn run_id(clock: &dyn Clock, started: DateTime<Utc>) -> String {
    format!("{}-{:06x}", started.format("%Y-%m-%dT%H-%M-%SZ"), clock.random() & 0xff_ffff)
}

/// A run that begins now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewRun {
    /// How it is called, in the lake and wherever it is told of.
    pub(crate) id: String,
    /// When it begins.
    pub(crate) started: DateTime<Utc>,
}

impl NewRun {
    /// Of this moment.
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        let started = clock.now();
        Self { id: run_id(clock, started), started }
    }
}

/// Does `work` on the lake while its lease is kept, and closes the lake.
///
/// # Errors
/// Those of `work`; [`LakeError::Conflict`] where it failed because another run took over.
pub(super) async fn under_lease<T>(
    mut lake: Lake,
    work: impl AsyncFnOnce(&mut Lake) -> Result<(T, Committed), RunError>,
) -> Result<(T, Committed), RunError> {
    let lease = lake.lease();
    let outcome = lease.keep_beside(work(&mut lake)).await;
    let outcome = match outcome {
        Ok(done) => Ok(done),
        Err(error) => Err(cause(&lake, error).await),
    };
    let closed = lake.close().await;
    let (done, mut commit) = outcome?;
    commit.untidy = commit.untidy.or(closed.err());
    Ok((done, commit))
}

/// What the failure of a run comes of.
pub(super) async fn cause(lake: &Lake, error: RunError) -> RunError {
    // Who was overtaken is told that nothing changed, which is so only where no commit of the run can stand.
    let may_have_committed = lake.is_unsettled() || matches!(error, RunError::Lake(LakeError::Outlived { .. }));
    if may_have_committed || matches!(error, RunError::Cancelled) {
        return error;
    }
    let taken = match lake.moved().await {
        None => lake.lease().overtaken().await,
        moved => moved,
    };
    taken.map_or(error, RunError::from)
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
    let lake = Lake::open_committed(&plan.lake, &plan.name, clock, &run, Owner::this_process()).await?;
    under_lease(lake, async |lake| {
        let done = lake.rollback(version, &plan.lake, file_name).await?;
        forget_answers(lake);
        Ok(done)
    })
    .await
}

/// Abandons commit `version`, of which files are lost: what was before comes back, in one commit.
///
/// # Errors
/// The lake's; [`LakeError::NothingToAbandon`] when the commit could be published.
pub(crate) async fn abandon(plan: &LakeOnly, version: u64, clock: Arc<dyn Clock>) -> Result<(Abandonment, Committed), RunError> {
    abandon_in(&plan.lake, &plan.name, version, clock).await
}

/// The same in the lake of a pipeline.
///
/// # Errors
/// The lake's.
pub(super) async fn abandon_in(
    plan: &LakePlan,
    pipeline: &str,
    version: u64,
    clock: Arc<dyn Clock>,
) -> Result<(Abandonment, Committed), RunError> {
    let run = run_id(&*clock, clock.now());
    let lake = Lake::open_to_abandon(plan, pipeline, clock, &run, Owner::this_process(), version).await?;
    under_lease(lake, async |lake| {
        let done = lake.abandon(plan, file_name).await?;
        forget_answers(lake);
        Ok(done)
    })
    .await
}

/// What a run was answered goes where its tables are set back: they are as they were when it began, and whoever did that wants the API asked.
fn forget_answers(lake: &Lake) {
    if let Err(error) = lake.answers().clear() {
        tracing::warn!(error = %error, "kept answers cannot be removed");
    }
}

/// What [`abandon`] would do; nothing is written.
///
/// # Errors
/// The lake's.
pub(crate) async fn abandonment(plan: &LakeOnly, version: u64, clock: &dyn Clock) -> Result<Abandonment, RunError> {
    let look = Look::open(&plan.lake, &plan.name, clock).await?;
    Ok(look.abandonment(version, clock, file_name).await?)
}

/// Removes what the lake's own folder holds and nothing needs.
///
/// # Errors
/// The lake's; what is left is still garbage then.
pub(crate) async fn collect(plan: &LakeOnly, clock: Arc<dyn Clock>) -> Result<(Garbage, Committed), RunError> {
    let run = run_id(&*clock, clock.now());
    let lake = Lake::open_committed(&plan.lake, &plan.name, clock, &run, Owner::this_process()).await?;
    under_lease(lake, async |lake| Ok(lake.collect(COMMITS_KEPT, file_named).await?)).await
}

/// Puts the small files of all tables together, or of one: what became of each that has any, and the commit.
///
/// # Errors
/// [`RunError::Lake`] with [`LakeError::NoTable`] for a table that there is not; the lake's. Nothing is changed then.
pub(crate) async fn compact(
    plan: &LakeOnly,
    table: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<(Vec<(String, Compaction)>, Committed), RunError> {
    let run = run_id(&*clock, clock.now());
    let lake = Lake::open_committed(&plan.lake, &plan.name, clock, &run, Owner::this_process()).await?;
    under_lease(lake, async |lake| compact_in(lake, plan, table).await).await
}

async fn compact_in(
    lake: &mut Lake,
    plan: &LakeOnly,
    table: Option<&str>,
) -> Result<(Vec<(String, Compaction)>, Committed), RunError> {
    let tables = lake.archive().ok_or_else(|| lake.view().nothing_committed())?.table_names(table)?;
    let (mut done, mut prepared) = (Vec::new(), Vec::new());
    for table in tables {
        let Some(job) = lake.compaction(&table, &plan.lake, order_of(plan, &table)).await? else { continue };
        done.push((table, job.compaction));
        prepared.push(beside(move || job.run()).await?);
    }
    Ok((done, lake.commit_for(Purpose::Compaction, prepared, Map::new()).await?))
}

/// Runs blocking work beside the runtime.
pub(super) async fn beside(
    work: impl FnOnce() -> Result<PreparedTable, LakeError> + Send + 'static,
) -> Result<PreparedTable, RunError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| match error.into() {
        Unjoined::Panicked(panic) => RunError::Internal { place: "putting files together", what: panic.to_string() },
        Unjoined::Stopped => RunError::Cancelled,
    })?;
    Ok(done?)
}

/// How a table's rows are ordered within a row group.
fn order_of<'p>(plan: &'p LakeOnly, table: &str) -> &'p [SortField] {
    plan.resources.iter().find(|resource| resource.table == table).map_or(&[], |resource| &resource.sort_by)
}

/// What [`compact`] would do; nothing is written.
///
/// # Errors
/// Those of [`compact`].
pub(crate) async fn compactions(plan: &LakeOnly, table: Option<&str>) -> Result<Vec<(String, Compaction)>, RunError> {
    let archive = Archive::committed(&plan.lake, &plan.name).await?;
    let mut found = Vec::new();
    for table in archive.table_names(table)? {
        let compaction = archive.compaction(&table, plan.lake.target_file_size).await?;
        found.extend((compaction.small > 0).then_some((table, compaction)));
    }
    Ok(found)
}

/// What [`collect`] would remove; nothing is written.
///
/// # Errors
/// The lake's.
pub(crate) async fn garbage(plan: &LakeOnly, clock: &dyn Clock) -> Result<Garbage, RunError> {
    let archive = Archive::committed(&plan.lake, &plan.name).await?;
    let LakePlan { keep_versions, retention, .. } = plan.lake;
    let keeping = Keeping { keep_versions, commits_kept: COMMITS_KEPT, now: clock.now(), retention };
    Ok(archive.garbage(keeping, file_named).await?)
}

/// What [`rollback`] would do, ended as that would; nothing is written.
///
/// # Errors
/// The lake's.
pub(crate) async fn rollback_plan(plan: &LakeOnly, version: u64, clock: &dyn Clock) -> Result<RollbackPlan, RunError> {
    let look = Look::open(&plan.lake, &plan.name, clock).await?;
    Ok(look.rollback_to(version, clock, file_name).await?)
}
