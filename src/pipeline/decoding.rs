//! What a resource's decoder is made of: the declared schema, what the paginator asks for, and what is done to each record.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::base::JsonPath;
use crate::config::{Contract, PaginatorPlan, ResourcePlan, StepPlan};
use crate::decode::{CursorHook, DecodePlan, Decoder, ForChildren, Held, IncludeFromParent, RecordHook, ShapePlan, Steps};
use crate::pipeline::RunError;
use crate::pipeline::columns::{exact_columns, required_columns};
use crate::pipeline::contract;
use crate::schema::{DeclaredSchema, TableSchema};
use crate::source::{wanted_paths, wants_record_hashes};

/// The decoder of a resource, and the schema its decoding starts from. Children ask for the fields `asked` of each record.
///
/// # Errors
/// [`RunError::Schema`].
pub(crate) fn decoder_for(
    resource: &ResourcePlan,
    table: &TableSchema,
    asked: &[JsonPath],
) -> Result<(Decoder, TableSchema), RunError> {
    let (declared, start) = start_of(resource, table)?;
    let has_texts_only = resource.endpoint.response_format.kind.has_texts_only();
    let held = Held::new(declared.as_ref(), has_texts_only);
    let shape = shape_of(resource, asked, held);
    Ok((Decoder::new(plan_of(resource, declared, shape)), start))
}

/// The same for records that were set aside when they had passed the first `passed` of the steps: the others are left, and nothing else.
///
/// # Errors
/// [`RunError::Schema`].
pub(crate) fn decoder_again(
    resource: &ResourcePlan,
    table: &TableSchema,
    passed: usize,
) -> Result<(Decoder, TableSchema), RunError> {
    let (declared, start) = start_of(resource, table)?;
    let steps = resource.processing_steps.get(passed..).unwrap_or_default();
    let hooks: Vec<Arc<dyn RecordHook>> = if steps.is_empty() { Vec::new() } else { vec![Arc::new(Steps::new(steps))] };
    let shape = (!hooks.is_empty()).then(|| ShapePlan {
        hooks,
        steps: step_marks(steps),
        begins_with_steps: true,
        ..ShapePlan::default()
    });
    let plan = DecodePlan { records: Some(JsonPath::root()), look_for_more_pages: false, ..plan_of(resource, declared, shape) };
    Ok((Decoder::new(plan), start))
}

/// What each step does, as a mark: two that are equal do the same. A key of a hash is not told apart.
pub(crate) fn step_marks(steps: &[StepPlan]) -> Arc<[String]> {
    steps.iter().map(|step| format!("{:016x}", xxh3_64(format!("{:?}", step.action).as_bytes()))).collect()
}

fn start_of(resource: &ResourcePlan, table: &TableSchema) -> Result<(Option<DeclaredSchema>, TableSchema), RunError> {
    let (declared, start) = contract::start(resource, table)?;
    start.check_names().map_err(|source| RunError::Schema { resource: resource.name.clone(), source })?;
    Ok((declared, start))
}

fn plan_of(resource: &ResourcePlan, declared: Option<DeclaredSchema>, shape: Option<ShapePlan>) -> DecodePlan {
    DecodePlan {
        records: resource.endpoint.data_selector.clone(),
        wanted: wanted_paths(&resource.endpoint.paginator, &resource.expect),
        look_for_more_pages: true,
        record_hashes: wants_record_hashes(resource),
        // What proves a detected paginator is that other rows came, whatever changes in them by the minute.
        hashed_by: match &resource.endpoint.paginator {
            PaginatorPlan::Undeclared => resource.primary_key.clone(),
            _ => Vec::new(),
        },
        declared,
        format: resource.endpoint.response_format.clone(),
        key_columns: required_columns(resource),
        exact_columns: exact_columns(resource),
        nesting_max: resource.nesting_max,
        round_numbers: resource.round_numbers,
        discard_unfit: resource.contract.data_type == Contract::DiscardValue,
        shape,
        renames: !resource.processing_steps.is_empty(),
    }
}

/// What has to be done to the resource's pages before they are columns; `None` for plain JSON. As in dlt, a child has its parent's values
/// before anything else is done to it, and its own children see what is left at the end.
fn shape_of(resource: &ResourcePlan, asked: &[JsonPath], held: Held) -> Option<ShapePlan> {
    let records = resource.endpoint.records.clone();
    let mut hooks: Vec<Arc<dyn RecordHook>> = Vec::new();
    if !resource.include_from_parent.is_empty() {
        hooks.push(Arc::new(IncludeFromParent::new(resource.include_from_parent.clone())));
    }
    if !resource.processing_steps.is_empty() {
        hooks.push(Arc::new(Steps::new(&resource.processing_steps)));
    }
    if let Some(incremental) = &resource.endpoint.incremental {
        hooks.push(Arc::new(CursorHook { plan: Arc::new(incremental.clone()), held: Arc::new(held) }));
    }
    if !asked.is_empty() {
        hooks.push(Arc::new(ForChildren::new(asked.to_vec())));
    }
    let begins_with_steps = resource.endpoint.incremental.is_none() && asked.is_empty();
    let steps = step_marks(&resource.processing_steps);
    (records.is_some() || !hooks.is_empty()).then_some(ShapePlan { records, hooks, steps, begins_with_steps })
}
