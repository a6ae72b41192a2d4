//! Repairs of tables without a request: lost and damaged files put back from what is kept, and records of the quarantine loaded once they fit.
//!
//! In: a plan, the clock. Out: what was wrong and what was done. Invariants: as of every operation on a lake; what can be repaired is repaired, files
//! in one commit and records in another one, and what cannot is told; rows, and the lines that stay in the quarantine, are one commit, so that a record is loaded
//! once whenever the repair is killed.

mod decoded;
mod judged;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;

use crate::base::Clock;
use crate::config::Plan;
use crate::lake::{Committed, Damages, Lake, Look, Owner, Purpose};
use crate::pipeline::operate::{run_id, under_lease};
use crate::pipeline::repair::records::{Quarantine, settings};
use crate::pipeline::{RunError, families};

pub(crate) use records::RecordsRepair;

/// What is wrong with a table, and what was set aside of it.
#[derive(Debug, Default)]
pub(crate) struct TableRepair {
    /// Its files.
    pub(crate) damages: Damages,
    /// The resources that make it anew, as `--resource` takes them; `None` where the config has none for it.
    pub(crate) rebuild: Option<String>,
    /// Its quarantine, where it has one.
    pub(crate) records: Option<RecordsRepair>,
}

/// What there is to repair, by table.
pub(crate) type Repairs = BTreeMap<String, TableRepair>;

/// What [`repair`] would do; nothing is written.
///
/// # Errors
/// The lake's; those of the records as a whole, as a run has them.
pub(crate) async fn repairs(plan: &Plan, table: Option<&str>, clock: &dyn Clock) -> Result<Repairs, RunError> {
    let look = Look::open(&plan.lake, &plan.name, clock).await?;
    look.check_free(clock)?;
    let archive = look.archive().ok_or_else(|| look.view().nothing_committed())?;
    let mut found = with_files(plan, archive.damages(table).await?);
    for quarantine in Quarantine::read_all(&archive, plan, table).await? {
        let table = quarantine.resource.table.clone();
        let told = match found.get(&table) {
            Some(_) => waiting(&quarantine),
            None => {
                let existing = look.view().table(&table).await?;
                quarantine.judge(plan, &existing, look.live_files()).await?.told
            }
        };
        found.entry(table).or_default().records = Some(told);
    }
    Ok(found)
}

/// Repairs the tables, or one of them; what was found, and the commits that were made.
///
/// # Errors
/// Those of [`repairs`]. What the commit of the files brought stays where the one of the records cannot be.
pub(crate) async fn repair(
    plan: &Plan,
    table: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<(Repairs, Vec<Committed>), RunError> {
    let lake = open(plan, &clock).await?;
    let (files, of_files) = under_lease(lake, async |lake| put_back(lake, plan, table).await).await?;
    let bad = |damages: &Damages| damages.is_open || !damages.is_mended();
    let bad: Vec<String> = files.iter().filter(|(_, damages)| bad(damages)).map(|(table, _)| table.clone()).collect();
    let mut found = with_files(plan, files);

    let lake = open(plan, &clock).await?;
    let of_records = async |lake: &mut Lake| Ok(((), load_records(lake, plan, (table, &bad), &mut found).await?));
    let ((), of_records) = under_lease(lake, of_records).await?;
    Ok((found, vec![of_files, of_records]))
}

async fn open(plan: &Plan, clock: &Arc<dyn Clock>) -> Result<Lake, RunError> {
    let run = run_id(&**clock, clock.now());
    Ok(Lake::open_committed(&plan.lake, &plan.name, Arc::clone(clock), &run, Owner::this_process()).await?)
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

/// Loads the records of the quarantine that fit, of tables that are not `bad`.
async fn load_records(
    lake: &mut Lake,
    plan: &Plan,
    (table, bad): (Option<&str>, &[String]),
    found: &mut Repairs,
) -> Result<Committed, RunError> {
    let archive = lake.archive().ok_or_else(|| lake.view().nothing_committed())?;
    let mut prepared = Vec::new();
    let mut is_any = false;
    for quarantine in Quarantine::read_all(&archive, plan, table).await? {
        let resource = Arc::clone(&quarantine.resource);
        let table = resource.table.clone();
        if bad.contains(&table) {
            found.entry(table).or_default().records = Some(waiting(&quarantine));
            continue;
        }
        lake.check_claims(&[&table]).await?;
        let existing = lake.view().table(&table).await?;
        let mut repaired = quarantine.judge(plan, &existing, lake.live_files()).await?;
        if repaired.told.changes() || repaired.is_renewed {
            let settings = settings(plan, &resource, lake.spool());
            let spool = settings.spool.clone();
            prepared.extend(repaired.stage(&resource, settings, (existing, lake.live_files()), lake.format()).await?);
            std::fs::create_dir_all(&spool).map_err(|source| crate::lake::LakeError::of_disk("create", &spool, source))?;
            let log = repaired.log(&resource, &spool).await?;
            lake.quarantine(&table, &log).await?;
            lake.note_repaired(&table);
            is_any = true;
        }
        found.entry(table).or_default().records = Some(repaired.told);
    }
    if !is_any {
        return Ok(Committed::default());
    }
    Ok(lake.commit_for(Purpose::Repair, prepared, Map::new()).await?)
}

/// A quarantine of a table whose files have to be whole first.
fn waiting(quarantine: &Quarantine) -> RecordsRepair {
    RecordsRepair { records: quarantine.lines.len() as u64, waits: true, ..RecordsRepair::default() }
}

fn with_files(plan: &Plan, found: BTreeMap<String, Damages>) -> Repairs {
    let of = |table: &str| plan.resources.iter().find(|resource| resource.table == table);
    let told = found.into_iter().map(|(table, damages)| {
        let rebuild = of(&table).map(|resource| families::options_to_rebuild(plan, resource));
        (table, TableRepair { damages, rebuild, records: None })
    });
    told.collect()
}
