//! What a run and a look at the first pages do alike with the rows of a resource: how they are staged, what is judged once its pages are in, and
//! how its files are finished.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::base::{Unjoined, task_point};
use crate::config::{Compact, Plan, ResourcePlan, WriteDisposition};
use crate::lake::{
    Embedded, LakeError, PreparedTable, RejectLog, StageBudgets, StageSettings, TableEdit, TableStage, memory_of_table,
};
use crate::pipeline::chain::internal;
use crate::pipeline::columns::check_columns;
use crate::pipeline::guards::check_rejects;
use crate::pipeline::{RESOURCES_MAX, RunError, ShapedFacts};
use crate::schema::TableSchema;

/// Memory that one resource may take: those that run at once share what the lake's plan grants.
fn memory_share(plan: &Plan) -> u64 {
    memory_of_table(plan.lake.memory, plan.resources.len().min(RESOURCES_MAX))
}

/// Bytes of page bodies of one resource that are being decoded at once: an eighth of its share, since their arrays come on top.
pub(super) fn pages_bytes(plan: &Plan) -> usize {
    usize::try_from(memory_share(plan) / 8).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

/// How the rows of `resource` are staged, in its own folder below `spool`.
pub(super) fn stage_settings(plan: &Plan, resource: &ResourcePlan, disposition: WriteDisposition, spool: &Path) -> StageSettings {
    StageSettings {
        table: resource.table.clone(),
        primary_key: resource.primary_key.clone(),
        disposition,
        keeps_repeats: false,
        merge: resource.merge.clone(),
        partition_by: resource.partition_by.clone(),
        stored_as: plan.lake.stored_as(resource.is_delta),
        sort_by: resource.sort_by.clone(),
        compression: plan.lake.compression,
        target_file_size: plan.lake.target_file_size,
        compat: plan.lake.compat,
        is_durable: plan.lake.is_durable,
        on_schema_change: plan.lake.on_schema_change,
        fills_up: plan.lake.compact == Compact::Auto,
        max_partitions: plan.lake.max_partitions,
        spool: spool.join(&resource.table),
        budgets: StageBudgets::within(memory_share(plan)),
        engine: Arc::new(Embedded),
    }
}

/// Judges the `records` of a resource, all of which are in.
///
/// # Errors
/// [`RunError::OnlyRejects`], [`RunError::ManyRejects`]; [`RunError::NoSuchColumn`], [`RunError::NoOrder`].
pub(super) fn judge(
    resource: &ResourcePlan,
    records: u64,
    (rejects, shaped): (&RejectLog, &ShapedFacts),
    schema: &TableSchema,
) -> Result<(), RunError> {
    if let Some(first) = rejects.first().filter(|_| rejects.count() + shaped.records_filtered == records) {
        return Err(RunError::OnlyRejects { resource: resource.name.clone(), records, first: Box::new(first.clone()) });
    }
    check_rejects(resource, records, rejects)?;
    if records > shaped.records_filtered { check_columns(resource, schema) } else { Ok(()) }
}

/// Finishes the files of a table whose schema is settled; `prepare` names them.
///
/// # Errors
/// Whatever the rows cannot be: [`RunError::Lake`].
pub(super) async fn finish(
    stage: Option<TableStage>,
    schema: TableSchema,
    prepare: impl FnOnce(TableEdit) -> Result<PreparedTable, LakeError> + Send + 'static,
) -> Result<PreparedTable, RunError> {
    let stage = stage.ok_or_else(|| internal("a table lost its stage"))?;
    // Finishing uses rayon inside; it runs beside the pool, not in it, so that it never waits for itself.
    let span = tracing::Span::current();
    let finish = move || {
        let _entered = span.entered();
        task_point("task.finish");
        prepare(stage.finish(&schema)?)
    };
    let finished = tokio::task::spawn_blocking(finish).await.map_err(|error| match error.into() {
        Unjoined::Panicked(panic) => RunError::Internal { place: "finishing files", what: panic.to_string() },
        Unjoined::Stopped => RunError::Cancelled,
    })?;
    Ok(finished?)
}
