//! The quarantine of one table: what was set aside, decoded again, judged, and loaded or kept.
//!
//! In: the lines that still count, the table. Out: the rows as a [`PreparedTable`], the lines that stay with their reason, and numbers for people. Nothing
//! is asked of the API, and no cursor moves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::Unjoined;
use crate::config::{Plan, ResourcePlan, WriteDisposition};
use crate::decode::TypedBatch;
use crate::lake::{
    Archive, LiveFiles, PreparedTable, RejectLog, SetAside, Snapshot, StageSettings, TableFormat, TableStage, check_same_table,
    misread_levels,
};
use crate::pipeline::RunError;
use crate::pipeline::columns::check_columns;
use crate::pipeline::guards::check_folders;
use crate::pipeline::repair::decoded::{Fate, Line, decode};
use crate::pipeline::repair::judged::{Judged, judge};
use crate::pipeline::table::stage_settings;
use crate::schema::{TableSchema, reconcile};
use crate::source::Page;

/// Bytes of a table's quarantine that are decoded at once, in memory.
const BYTES_MAX: u64 = 128 << 20;

/// What becomes of the records that were set aside of a table.
#[derive(Debug, Default)]
pub(crate) struct RecordsRepair {
    /// All of them.
    pub(crate) records: u64,
    /// Those that join the table.
    pub(crate) join: u64,
    /// Those that the steps leave out.
    pub(crate) left_out: u64,
    /// Those of whose key the table has a newer row, or one that stays.
    pub(crate) older: u64,
    /// Those that stay, by why.
    pub(crate) stay: BTreeMap<String, u64>,
    /// Whether a file of the table is bad, so that nothing can be said.
    pub(crate) waits: bool,
}

impl RecordsRepair {
    /// Whether anything changes.
    pub(crate) fn changes(&self) -> bool {
        self.join + self.left_out + self.older > 0
    }
}

/// The quarantine of a table, read.
pub(super) struct Quarantine {
    pub(super) resource: Arc<ResourcePlan>,
    pub(super) past: SetAside,
    pub(super) lines: Vec<Line>,
}

/// A quarantine once it is judged.
pub(super) struct Repaired {
    pub(super) told: RecordsRepair,
    rows: Vec<TypedBatch>,
    schema: Arc<TableSchema>,
    /// The lines that stay.
    pub(super) left: Vec<Value>,
    /// Whether one of them stays for another reason than before.
    pub(super) is_renewed: bool,
}

impl Quarantine {
    /// Reads what was set aside of the tables of a plan, of one of them where it is named.
    ///
    /// # Errors
    /// [`RunError::MuchSetAside`]; the lake's.
    pub(super) async fn read_all(archive: &Archive, plan: &Plan, only: Option<&str>) -> Result<Vec<Self>, RunError> {
        let is_meant = |resource: &&ResourcePlan| only.is_none_or(|only| only == resource.table);
        let is_loaded = |resource: &&ResourcePlan| resource.write_disposition != WriteDisposition::Skip;
        let resources: Vec<&ResourcePlan> = plan.resources.iter().filter(is_meant).filter(is_loaded).collect();
        let tables: Vec<(String, String)> =
            resources.iter().map(|resource| (resource.table.clone(), resource.name.clone())).collect();
        let mut found = archive.set_aside(&tables).await?;
        let mut all = Vec::new();
        for resource in resources {
            let Some(past) = found.remove(&resource.table) else { continue };
            let (mut lines, mut bytes) = (Vec::new(), 0);
            for file in &past.files {
                let (read, size) = archive.reject_lines(file).await?;
                bytes += size;
                if bytes > BYTES_MAX {
                    return Err(RunError::MuchSetAside { table: resource.table.clone(), bytes_max: BYTES_MAX });
                }
                lines.extend(read.into_iter().map(|value| line_of(value, file.version, &file.run)));
            }
            if !lines.is_empty() {
                all.push(Self { resource: Arc::new(resource.clone()), past, lines });
            }
        }
        Ok(all)
    }

    /// Decodes and judges it against the table, beside the runtime.
    ///
    /// # Errors
    /// Those of [`decode`] and [`judge`]; [`LakeError::TableDiffers`](crate::lake::LakeError::TableDiffers).
    pub(super) async fn judge(self, plan: &Plan, table: &Snapshot, files: Arc<dyn LiveFiles>) -> Result<Repaired, RunError> {
        check_same_table(&settings(plan, &self.resource, Path::new("")), table)?;
        let (table, page) = (table.clone(), Page::of_lake(&self.resource.name, &plan.client.base_url));
        beside(move || {
            let Self { resource, past, lines } = self;
            let decoded = decode(&resource, &table.schema, &page, &lines)?;
            let judged = judge(&resource, (&table, files.as_ref()), &past, &lines, decoded)?;
            if !judged.rows.is_empty() {
                check_columns(&resource, &judged.schema)?;
            }
            Ok(told(lines, judged))
        })
        .await
    }
}

/// A line with what it came with, which one that a repair kept says itself.
fn line_of(value: Value, version: u64, run: &str) -> Line {
    let first = |value: &Value| Some((value.get("version")?.as_u64()?, value.get("run")?.as_str()?.to_owned()));
    let (version, run) = first(&value).filter(|(first, _)| *first < version).unwrap_or((version, run.to_owned()));
    Line { version, run, value }
}

fn told(lines: Vec<Line>, Judged { rows, fates, schema }: Judged) -> Repaired {
    let mut told = RecordsRepair { records: lines.len() as u64, ..RecordsRepair::default() };
    let (mut left, mut is_renewed) = (Vec::new(), false);
    for (Line { version, run, mut value }, fate) in lines.into_iter().zip(fates) {
        let why = match fate {
            Fate::Joins => {
                told.join += 1;
                continue;
            }
            Fate::LeftOut => {
                told.left_out += 1;
                continue;
            }
            Fate::Older => {
                told.older += 1;
                continue;
            }
            Fate::Unfit(reject) => {
                for (name, now) in [("path", &reject.path), ("expected", &reject.expected), ("actual", &reject.actual)] {
                    is_renewed |= value[name] != json!(now);
                    value[name] = json!(now);
                }
                format!("`{}`: expected {}, found {}", reject.path, reject.expected, reject.actual)
            }
            Fate::Stays(why) => why.to_owned(),
        };
        *told.stay.entry(why).or_default() += 1;
        (value["version"], value["run"]) = (json!(version), json!(run));
        left.push(value);
    }
    Repaired { told, rows, schema, left, is_renewed }
}

impl Repaired {
    /// Takes the rows out, to be staged over the table; `None` for none. Blocking work beside the runtime.
    ///
    /// # Errors
    /// Those of a run's stage; [`RunError::Partitions`] for folders that readers take for numbers.
    pub(super) async fn stage(
        &mut self,
        resource: &ResourcePlan,
        settings: StageSettings,
        (table, files): (Snapshot, Arc<dyn LiveFiles>),
        format: Arc<dyn TableFormat>,
    ) -> Result<Option<PreparedTable>, RunError> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(None);
        }
        let misread = misread_levels(&table);
        let change = reconcile(&table.schema, &self.schema, &resource.primary_key);
        let schema = change.map_err(|source| RunError::Schema { resource: resource.name.clone(), source })?.schema;
        let prepared = beside(move || {
            let mut stage = TableStage::new(settings, table, files)?;
            rows.into_iter().try_for_each(|rows| stage.push(rows))?;
            Ok(format.prepare(stage.finish(&schema)?)?)
        });
        let prepared = prepared.await?;
        check_folders(resource, &misread, &prepared)?;
        Ok(Some(prepared))
    }

    /// The lines that stay, as a log in `folder`.
    ///
    /// # Errors
    /// The disk's.
    pub(super) async fn log(&mut self, resource: &ResourcePlan, folder: &Path) -> Result<RejectLog, RunError> {
        let mut log = RejectLog::new(&resource.name, folder.to_owned());
        log.push_again(std::mem::take(&mut self.left)).await?;
        Ok(log)
    }
}

/// How records of the quarantine join the table: as those of their run did, or would have. Those of an `append` are rows whatever their key.
pub(super) fn settings(plan: &Plan, resource: &ResourcePlan, spool: &Path) -> StageSettings {
    let has_key = !resource.primary_key.is_empty();
    let disposition = match resource.write_disposition {
        WriteDisposition::Replace if has_key => WriteDisposition::Merge,
        WriteDisposition::Replace => WriteDisposition::Append,
        other => other,
    };
    let keeps_repeats = disposition == WriteDisposition::Append;
    StageSettings { keeps_repeats, ..stage_settings(plan, resource, disposition, spool) }
}

async fn beside<T: Send + 'static>(work: impl FnOnce() -> Result<T, RunError> + Send + 'static) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| match error.into() {
        Unjoined::Panicked(panic) => RunError::Internal { place: "repairing a table", what: panic.to_string() },
        Unjoined::Stopped => RunError::Cancelled,
    })?
}
