//! One table dropped, renamed, stored as something else, or brought to the partitions or the key of the config, from the lake's own rows.
//!
//! In: a plan, the table, what is to become of it. Out: what it was, and the commit. Invariants: nothing is asked of the API; all is one commit, with
//! the cursors that belong to it; what cannot be done changes nothing.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::Clock;
use crate::config::{LakeOnly, Outline, StoredAs};
use crate::lake::{
    Committed, Conversion, Lake, LakeError, Look, Owner, PartitionError, PreparedTable, Purpose, Shape, Snapshot, misread_levels,
};
use crate::pipeline::cursors::file_name;
use crate::pipeline::operate::{beside, run_id, under_lease};
use crate::pipeline::{RunError, families, held};

/// What becomes of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableChange<'a> {
    /// It leaves the lake, and its cursor is forgotten.
    Drop,
    /// It gets another name.
    Rename {
        /// The name.
        to: &'a str,
    },
    /// It gets the config's partitions.
    Repartition,
    /// It gets the config's key.
    Rekey,
    /// It is stored as something else.
    Convert {
        /// As what.
        to: StoredAs,
    },
}

/// A table that is changed.
#[derive(Debug, Default)]
pub(crate) struct TableChanged {
    /// What it was.
    pub(crate) before: Snapshot,
    /// What it is to be, for partitions and keys.
    pub(crate) shape: Option<Shape>,
    /// Files in its folder that are not lakeward's, which stay.
    pub(crate) strangers: Vec<String>,
    /// The resource whose cursor goes with it, and the one that has it then, if any.
    pub(crate) cursor: Option<(String, Option<String>)>,
}

/// What [`change_table`] would do, as far as it can be told without reading the rows; nothing is written.
///
/// # Errors
/// The lake's; [`RunError::NoResource`].
pub(crate) async fn table_change(
    plan: &LakeOnly,
    table: &str,
    change: TableChange<'_>,
    clock: &dyn Clock,
) -> Result<TableChanged, RunError> {
    let look = Look::open(&plan.lake, &plan.name, clock).await?;
    look.check_free(clock)?;
    let archive = look.archive().ok_or_else(|| look.view().nothing_committed())?;
    archive.table_names(Some(table))?;
    if let TableChange::Rename { to } = change {
        look.view().check_new(to)?;
    }
    let states = look.view().states().cloned().unwrap_or_default();
    planned(plan, table, change, look.view().current(table).await?, &states)
}

/// Changes a table, in a commit of its own.
///
/// # Errors
/// Those of [`table_change`]; a key that the rows do not have, folders that readers misread; the lake's. Nothing is changed then.
pub(crate) async fn change_table(
    plan: &LakeOnly,
    table: &str,
    change: TableChange<'_>,
    clock: Arc<dyn Clock>,
) -> Result<(TableChanged, Committed), RunError> {
    let run = run_id(&*clock, clock.now());
    let lake = Lake::open_committed(&plan.lake, &plan.name, clock, &run, Owner::this_process()).await?;
    under_lease(lake, async |lake| change_in(lake, plan, table, change).await).await
}

async fn change_in(
    lake: &mut Lake,
    plan: &LakeOnly,
    table: &str,
    change: TableChange<'_>,
) -> Result<(TableChanged, Committed), RunError> {
    let archive = lake.archive().ok_or_else(|| lake.view().nothing_committed())?;
    archive.table_names(Some(table))?;
    let states = lake.view().states().cloned().unwrap_or_default();
    let mut changed = planned(plan, table, change, lake.view().current(table).await?, &states)?;
    let (purpose, tables) = match change {
        TableChange::Drop => {
            let dropped = lake.drop_of(table).await?;
            changed.strangers = dropped.strangers;
            (Purpose::Drop, vec![dropped.staged])
        }
        TableChange::Rename { to } => (Purpose::Rename, lake.rename_of(table, to, &plan.lake).await?),
        TableChange::Convert { to } => {
            let prepared = match lake.conversion(table, to, &plan.lake).await? {
                Some(Conversion::Named(prepared)) => vec![*prepared],
                Some(Conversion::Written(job)) => vec![beside(move || job.run()).await?],
                None => Vec::new(),
            };
            (Purpose::Conversion, prepared)
        }
        TableChange::Repartition | TableChange::Rekey => {
            let shape = changed.shape.clone().unwrap_or_default();
            let job = lake.reshaping(table, shape, &plan.lake).await?;
            let prepared = match job {
                Some(job) => vec![beside(move || job.run()).await?],
                None => Vec::new(),
            };
            prepared.iter().try_for_each(|prepared| check_folders(plan, &changed.before, prepared))?;
            (Purpose::Reshape, prepared)
        }
    };
    let states = moved_state(lake, changed.cursor.as_ref(), change, &states).await?;
    if tables.is_empty() {
        return Ok((changed, Committed::default()));
    }
    let commit = lake.commit_for(purpose, tables, states).await?;
    Ok((changed, commit))
}

/// What is to be done with a table, and with which cursor.
fn planned(
    plan: &LakeOnly,
    table: &str,
    change: TableChange<'_>,
    before: Snapshot,
    states: &Map<String, Value>,
) -> Result<TableChanged, RunError> {
    let of_table = |table: &str| plan.resources.iter().find(|resource| resource.table == table);
    let wanted = || of_table(table).ok_or_else(|| RunError::NoResource { table: table.to_owned() });
    let shape = |primary_key, partition_by, resource: Option<&Outline>| Shape {
        primary_key,
        partition_by,
        sort_by: resource.map(|resource| resource.sort_by.clone()).unwrap_or_default(),
    };
    let shape = match change {
        TableChange::Drop | TableChange::Rename { .. } | TableChange::Convert { .. } => None,
        TableChange::Repartition => Some(shape(before.primary_key.clone(), wanted()?.partition_by.clone(), of_table(table))),
        TableChange::Rekey => Some(shape(wanted()?.primary_key.clone(), before.partition_fields()?, of_table(table))),
    };
    if let Some(shape) = shape.as_ref().filter(|shape| shape.differs_from(&before)) {
        shape.check(table, &before).map_err(|error| match error {
            LakeError::Partition(source) => {
                RunError::Partitions { resource: plan.resource_of(table).unwrap_or(table).to_owned(), source }
            }
            error => error.into(),
        })?;
    }
    let owner = states.iter().find(|(name, state)| held::table_of(name, state) == table);
    if let (TableChange::Rekey, Some((name, state))) = (change, owner)
        && held::is_appended_to_a_cursor(state)
        && shape.as_ref().is_some_and(|shape| shape.primary_key != before.primary_key)
    {
        return Err(RunError::RekeyOfAppend { table: table.to_owned(), resource: name.clone() });
    }
    let owner = owner.map(|(name, _)| name.clone());
    let cursor = match (change, owner) {
        (TableChange::Drop, Some(owner)) => Some((owner, None)),
        (TableChange::Rename { to }, Some(owner)) => {
            let is_configured = plan.resources.iter().any(|resource| resource.name == owner);
            let heir = of_table(to).filter(|heir| !is_configured && !states.contains_key(&heir.name));
            let heir = heir.map_or_else(|| owner.clone(), |heir| heir.name.clone());
            Some((owner, Some(heir)))
        }
        _ => None,
    };
    Ok(TableChanged { before, shape, strangers: Vec::new(), cursor })
}

/// The states that change with a table: one goes, or tells of the table's new name, maybe as another resource's, with its marks; and those of the
/// cursors that have fed it.
async fn moved_state(
    lake: &Lake,
    cursor: Option<&(String, Option<String>)>,
    change: TableChange<'_>,
    states: &Map<String, Value>,
) -> Result<Map<String, Value>, RunError> {
    let mut moved = Map::new();
    let Some((from, to)) = cursor else { return Ok(moved) };
    moved.insert(from.clone(), Value::Null);
    if let (Some(to), TableChange::Rename { to: table }, Some(state)) = (to, change, states.get(from)) {
        let mut state = state.clone();
        held::rename_table(&mut state, table);
        if to != from
            && let Some(Value::String(marks)) = file_name(&mut state)
        {
            let version = lake.archive().map_or(0, |archive| archive.newest());
            let content = lake.view().whole_marks(version, from, marks).await?;
            *marks = lake.keep_marks(to, content).await?;
        }
        moved.insert(to.clone(), state);
    }
    let renamed = match (to, change) {
        (Some(to), TableChange::Rename { to: table }) => Some((to.as_str(), table)),
        _ => None,
    };
    let known: Vec<(String, Value)> = states.iter().filter(|(name, _)| *name != from).chain(&moved).map(owned).collect();
    for (name, state) in known {
        if let Some(state) = families::moved(&state, from, renamed) {
            moved.insert(name, state);
        }
    }
    Ok(moved)
}

fn owned((name, state): (&String, &Value)) -> (String, Value) {
    (name.clone(), state.clone())
}

/// Refuses folders that readers take for numbers, and that alone hold a text, as a run does.
fn check_folders(plan: &LakeOnly, before: &Snapshot, prepared: &PreparedTable) -> Result<(), RunError> {
    let known = misread_levels(before);
    let is_new = |misread: &crate::lake::Misread| misread.is_of_number() && !known.iter().any(|was| was.is_of_level(misread));
    match misread_levels(&prepared.after).into_iter().find(is_new) {
        None => Ok(()),
        Some(misread) => Err(RunError::Partitions {
            resource: plan.resource_of(&prepared.table).unwrap_or(&prepared.table).to_owned(),
            source: PartitionError::Misread { table: prepared.table.clone(), misread },
        }),
    }
}
