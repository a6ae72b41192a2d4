//! Repairs of tables without a request: lost and damaged files put back from what is kept.
//!
//! In: a plan, the clock. Out: what was wrong and what was done. Invariants: as of every operation on a lake; what can be repaired is repaired in a commit
//! of its own, and what cannot is told with the run that makes it anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;

use crate::base::Clock;
use crate::config::Plan;
use crate::lake::{Committed, Damages, Lake, Look, Owner, Purpose};
use crate::pipeline::operate::run_id;
use crate::pipeline::{RunError, families};

/// What is wrong with a table.
#[derive(Debug)]
pub(crate) struct TableRepair {
    /// Its files.
    pub(crate) damages: Damages,
    /// The resources that make it anew, as `--resource` takes them; `None` where the config has none for it.
    pub(crate) rebuild: Option<String>,
}

/// What [`repair`] would do; nothing is written.
///
/// # Errors
/// The lake's.
pub(crate) async fn repairs(
    plan: &Plan,
    table: Option<&str>,
    clock: &dyn Clock,
) -> Result<BTreeMap<String, TableRepair>, RunError> {
    let look = Look::open(&plan.lake, &plan.name, clock).await?;
    look.check_free(clock)?;
    let archive = look.archive().ok_or_else(|| look.view().nothing_committed())?;
    Ok(told(plan, archive.damages(table).await?))
}

/// Repairs the tables, or one of them; what was found, and the commit.
///
/// # Errors
/// The lake's; nothing is changed then.
pub(crate) async fn repair(
    plan: &Plan,
    table: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<(BTreeMap<String, TableRepair>, Committed), RunError> {
    let run = run_id(&*clock, clock.now());
    let mut lake = Lake::open(&plan.lake, &plan.name, clock, &run, Owner::this_process(), None).await?;
    let lease = lake.lease();
    let outcome = lease.keep_beside(put_back(&mut lake, plan, table)).await;
    let closed = lake.close().await;
    let (found, mut commit) = outcome?;
    commit.untidy = commit.untidy.or(closed.err());
    Ok((told(plan, found), commit))
}

async fn put_back(lake: &mut Lake, plan: &Plan, table: Option<&str>) -> Result<(BTreeMap<String, Damages>, Committed), RunError> {
    let archive = lake.archive().ok_or_else(|| lake.view().nothing_committed())?;
    let found = archive.damages(table).await?;
    let prepared = lake.restoration(&found, &plan.lake).await?;
    if prepared.is_empty() {
        return Ok((found, Committed::default()));
    }
    let commit = lake.commit_for(Purpose::Restoration, prepared, Map::new()).await?;
    Ok((found, commit))
}

fn told(plan: &Plan, found: BTreeMap<String, Damages>) -> BTreeMap<String, TableRepair> {
    let of = |table: &str| plan.resources.iter().find(|resource| resource.table == table);
    let told = found.into_iter().map(|(table, damages)| {
        let rebuild = of(&table).map(|resource| families::options_to_rebuild(plan, resource));
        (table, TableRepair { damages, rebuild })
    });
    told.collect()
}
