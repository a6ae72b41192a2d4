//! Files that something else wrote become the table of a resource, from which its next run goes on.
//!
//! In: a plan, the resource, a folder. Out: what is in it, and the commit. Invariants: nothing is asked of the API; the table, and the cursor that stands at the
//! farthest of its rows, are one commit; a config whose next run would load rows again or leave records out is refused before a row is read.

use std::path::Path;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMicrosecondType};
use arrow_schema::DataType;
use serde_json::{Map, Value, json};

use crate::base::{Clock, CursorValue, Step, Unjoined};
use crate::config::{Dedup, IncrementalPlan, LastValue, Plan, ResourcePlan, Transform, WriteDisposition};
use crate::decode::{CursorProgress, write_date, write_time};
use crate::lake::{Committed, ForeignFolder, Lake, Look, Owner, Purpose, Spool, StageSettings, Wanted};
use crate::pipeline::columns::{check_columns, declared_schema, required_columns};
use crate::pipeline::cursors::{Cursors, Past};
use crate::pipeline::guards::check_folders;
use crate::pipeline::operate::{run_id, under_lease};
use crate::pipeline::table::stage_settings;
use crate::pipeline::{RunError, families, held};
use crate::schema::{ColumnType, TableSchema};
use crate::source::Slice;

/// Why a resource does not adopt files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    /// A run of it fetches nothing.
    #[error("`{resource}` has `write_disposition: skip`, and so no table")]
    Skipped {
        /// The resource.
        resource: String,
    },
    /// Records at the last cursor would be loaded again.
    #[error(
        "`{resource}` appends from a cursor on, and the next run would meet the records at the last one again: which of them the files have, only a run that loaded them \
         knows; with `range_start: open` it asks for those behind it, and with `write_disposition: merge` and a `primary_key` they replace themselves"
    )]
    AppendAtCursor {
        /// The resource.
        resource: String,
    },
    /// A child would load rows again.
    #[error(
        "the records at the last cursor of `{resource}` are read again, and a resource that appends is requested for each of them: load `{resource}` with a run"
    )]
    FeedsAppend {
        /// The resource.
        resource: String,
    },
    /// Cursors that the rows do not tell.
    #[error(
        "`{resource}` has a cursor for each record of its parent, which rows do not tell apart: take `endpoint.incremental` out for the adoption, or load it with a run"
    )]
    PerParent {
        /// The resource.
        resource: String,
    },
    /// A cursor that is no column with an order.
    #[error(
        "the cursor of `{resource}` is at `{path}`, and the files have {found} there: it has to be a column of integers, dates or times; take \
         `endpoint.incremental` out for the adoption, or load it with a run"
    )]
    NoCursor {
        /// The resource.
        resource: String,
        /// `cursor_path`.
        path: String,
        /// What the files have.
        found: String,
    },
}

/// What a folder would be as a table.
#[derive(Debug)]
pub(crate) struct Adoption {
    /// The table.
    pub(crate) table: String,
    /// Files, bytes and rows of the folder.
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    /// The columns.
    pub(crate) schema: TableSchema,
    /// The columns that the folders hold.
    pub(crate) levels: Vec<String>,
    /// The cursor from which the next run goes on, as the API is told it.
    pub(crate) cursor: Option<String>,
}

/// What [`adopt`] would do. The keys are read; nothing is written.
///
/// # Errors
/// Those of [`adopt`] up to the values of columns that are no keys.
pub(crate) async fn adoption(plan: &Plan, resource: &str, from: &Path, clock: &dyn Clock) -> Result<Adoption, RunError> {
    let resource = resource_of(plan, resource)?;
    let look = Look::open(&plan.lake, &plan.name, clock).await?;
    look.check_free(clock)?;
    look.view().check_new(&resource.table)?;
    look.view().check_claims(&[&resource.table]).await?;
    look.view().table(&resource.table).await?;
    let (folder, wanted) = open(plan, resource, from).await?;
    let spool = Spool::temporary("adopt").await?;
    let spill = spool.path().to_owned();
    let (folder, farthest) = beside(move || Ok(folder.check(&wanted, spill).map(|farthest| (folder, farthest))?)).await?;
    let cursor = state(plan, resource, farthest.as_ref(), &folder, clock)?.1;
    Ok(told(resource, &folder, cursor))
}

/// Makes the files of a folder the table of a resource, in a commit of its own.
///
/// # Errors
/// [`RunError::Adopt`]; [`LakeError::NotAdoptable`](crate::lake::LakeError::NotAdoptable) and what a run's rows may not be; the lake's. Nothing is changed then.
pub(crate) async fn adopt(
    plan: &Plan,
    resource: &str,
    from: &Path,
    clock: Arc<dyn Clock>,
) -> Result<(Adoption, Committed), RunError> {
    let resource = resource_of(plan, resource)?;
    let (folder, wanted) = open(plan, resource, from).await?;
    let run = run_id(&*clock, clock.now());
    let lake = Lake::open(&plan.lake, &plan.name, Arc::clone(&clock), &run, Owner::this_process(), None).await?;
    under_lease(lake, async |lake| adopt_in(lake, plan, resource, (folder, wanted), &*clock).await).await
}

async fn adopt_in(
    lake: &mut Lake,
    plan: &Plan,
    resource: &ResourcePlan,
    (folder, wanted): (ForeignFolder, Wanted),
    clock: &dyn Clock,
) -> Result<(Adoption, Committed), RunError> {
    lake.view().check_new(&resource.table)?;
    lake.check_claims(&[&resource.table]).await?;
    let table = lake.view().table(&resource.table).await?;
    let settings = StageSettings {
        keeps_repeats: !wanted.is_unique,
        ..stage_settings(plan, resource, WriteDisposition::Replace, lake.spool())
    };
    let (files, format) = (lake.live_files(), lake.format());
    let staged = move || Ok(folder.stage(&wanted, settings, (table, files), &*format).map(|adopted| (folder, adopted))?);
    let (folder, adopted) = beside(staged).await?;
    check_folders(resource, &[], &adopted.prepared)?;
    let (state, cursor) = state(plan, resource, adopted.farthest.as_ref(), &folder, clock)?;
    let states = Map::from_iter([(resource.name.clone(), state)]);
    lake.note_rebuilt(&resource.table);
    let commit = lake.commit_for(Purpose::Adoption, vec![adopted.prepared], states).await?;
    Ok((told(resource, &folder, cursor), commit))
}

fn told(resource: &ResourcePlan, folder: &ForeignFolder, cursor: Option<String>) -> Adoption {
    Adoption {
        table: resource.table.clone(),
        files: folder.files(),
        bytes: folder.bytes(),
        rows: folder.rows,
        schema: folder.schema.clone(),
        levels: folder.levels.clone(),
        cursor,
    }
}

/// Looks at the folder, as the config of a resource wants it.
async fn open(plan: &Plan, resource: &ResourcePlan, from: &Path) -> Result<(ForeignFolder, Wanted), RunError> {
    let declared = declared_schema(resource)?.map(|declared| declared.schema).unwrap_or_default();
    let derived = resource.partition_by.iter().filter(|field| field.transform != Transform::Identity);
    let is_append = resource.write_disposition == WriteDisposition::Append;
    let cursor = cursor_of(plan, resource)?;
    let wanted = Wanted {
        table: resource.table.clone(),
        declared,
        derived: derived.map(|field| field.name.clone()).collect(),
        key: resource.primary_key.clone(),
        required: required_columns(resource),
        is_unique: !is_append && !resource.primary_key.is_empty(),
        cursor: cursor.map(|(name, plan)| (name, plan.last == LastValue::Max)),
    };
    let (from, location) = (from.to_owned(), plan.lake.location.clone());
    let (folder, wanted) =
        beside(move || Ok(ForeignFolder::open(&from, &location, &wanted).map(|folder| (folder, wanted))?)).await?;
    check_columns(resource, &folder.schema)?;
    check_cursor(resource, &wanted, &folder.schema)?;
    Ok((folder, wanted))
}

fn resource_of<'p>(plan: &'p Plan, name: &str) -> Result<&'p ResourcePlan, RunError> {
    let known = || plan.resources.iter().map(|resource| resource.name.clone()).collect::<Vec<_>>().join(", ");
    let found = plan.resources.iter().find(|resource| resource.name == name);
    let resource = found.ok_or_else(|| RunError::NoSuchResource { name: name.to_owned(), known: known() })?;
    match resource.write_disposition {
        WriteDisposition::Skip => Err(AdoptError::Skipped { resource: name.to_owned() }.into()),
        _ => Ok(resource),
    }
}

/// The column of the cursor from which the next run goes on, where it goes on from one.
///
/// # Errors
/// [`AdoptError`] where rows do not tell where it goes on.
fn cursor_of<'p>(plan: &Plan, resource: &'p ResourcePlan) -> Result<Option<(String, &'p IncrementalPlan)>, AdoptError> {
    let incremental = resource.endpoint.incremental.as_ref();
    let Some(incremental) = incremental.filter(|_| resource.goes_on_from_cursor()) else { return Ok(None) };
    let name = resource.name.clone();
    if incremental.is_per_parent {
        return Err(AdoptError::PerParent { resource: name });
    }
    let is_met_again = incremental.keeps_start && incremental.dedup != Dedup::Off || incremental.lag.is_some();
    if is_met_again && resource.write_disposition == WriteDisposition::Append {
        return Err(AdoptError::AppendAtCursor { resource: name });
    }
    if is_met_again && families::kin(plan, resource).feeds_append {
        return Err(AdoptError::FeedsAppend { resource: name });
    }
    match incremental.cursor_path.steps() {
        [Step::Key(column)] => Ok(Some((column.clone(), incremental))),
        _ => Err(AdoptError::NoCursor {
            resource: name,
            path: incremental.cursor_path.to_string(),
            found: "a member of an object, if anything".to_owned(),
        }),
    }
}

fn check_cursor(resource: &ResourcePlan, wanted: &Wanted, schema: &TableSchema) -> Result<(), AdoptError> {
    let Some((column, _)) = &wanted.cursor else { return Ok(()) };
    let found = match schema.column(column).map(|column| &column.column_type) {
        Some(ColumnType::Int64 { .. } | ColumnType::Timestamp | ColumnType::Date) => return Ok(()),
        Some(other) => other.to_string(),
        None => "no column".to_owned(),
    };
    Err(AdoptError::NoCursor { resource: resource.name.clone(), path: format!("$.{column}"), found })
}

/// What the next run is to know, and the cursor that it goes on from in words.
fn state(
    plan: &Plan,
    resource: &ResourcePlan,
    farthest: Option<&ArrayRef>,
    folder: &ForeignFolder,
    clock: &dyn Clock,
) -> Result<(Value, Option<String>), RunError> {
    let mut state = json!({"records": folder.rows, "end_reason": "adopted"});
    held::note(resource, &mut state);
    let Some((_, incremental)) = cursor_of(plan, resource)? else { return Ok((state, None)) };
    let wrong = |source| RunError::incremental(&resource.name, source);
    let past = Past { kin: families::kin(plan, resource), ..Past::default() };
    let cursors = Cursors::new(resource, plan.client.base_url.as_str(), past, clock.now()).map_err(wrong)?;
    let Some(mut cursors) = cursors else { return Ok((state, None)) };
    for slice in cursors.slices(&Slice::default()).map_err(wrong)?.into_iter().take(1) {
        let farthest = farthest.and_then(|value| spelled(incremental, value));
        cursors.ended(&slice, CursorProgress::up_to(farthest), None);
    }
    let outcome = cursors.finish().map_err(wrong)?;
    state["incremental"] = outcome.state;
    if let Some(fed) = families::fed(plan, resource, std::slice::from_ref(&resource.name)) {
        state["feeds"] = fed;
    }
    Ok((state, outcome.facts.last_value))
}

/// A value of the cursor's column as an API would spell it.
fn spelled(plan: &IncrementalPlan, value: &ArrayRef) -> Option<CursorValue> {
    let mut text = String::new();
    match value.data_type() {
        DataType::Int64 => return plan.form.number(&value.as_primitive::<Int64Type>().value(0).to_string()),
        DataType::Timestamp(..) => write_time(&mut text, value.as_primitive::<TimestampMicrosecondType>().value(0), None),
        DataType::Date32 => write_date(&mut text, value.as_primitive::<Date32Type>().value(0)),
        _ => return None,
    }
    Some(plan.form.text(&text))
}

async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, RunError> + Send + 'static) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| match error.into() {
        Unjoined::Panicked(panic) => RunError::Internal { place: "adopting files", what: panic.to_string() },
        Unjoined::Stopped => RunError::Cancelled,
    })?
}
