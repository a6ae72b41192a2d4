//! What a resource's decoder is made of: the declared schema, what the paginator asks for, and what is done to each record.

use std::sync::Arc;

use crate::base::JsonPath;
use crate::config::{PaginatorPlan, ResourcePlan};
use crate::decode::{DecodePlan, Decoder, ForChildren, IncludeFromParent, RecordHook, ShapePlan};
use crate::pipeline::RunError;
use crate::pipeline::columns::declared_schema;
use crate::schema::TableSchema;
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
    let declared = declared_schema(resource)?;
    let start = match &declared {
        Some(declared) => declared.schema.join(&table.as_facts()),
        None => table.as_facts(),
    };
    start.check_names().map_err(|source| RunError::Schema { resource: resource.name.clone(), source })?;
    let decoder = Decoder::new(DecodePlan {
        records: resource.endpoint.data_selector.clone(),
        wanted: wanted_paths(&resource.endpoint.paginator, &resource.expect),
        look_for_more_pages: matches!(resource.endpoint.paginator, PaginatorPlan::Undeclared),
        record_hashes: wants_record_hashes(resource),
        declared,
        key_columns: resource.primary_key.clone(),
        format: resource.endpoint.response_format.clone(),
        shape: shape_of(resource, asked),
    });
    Ok((decoder, start))
}

/// What has to be done to the resource's pages before they are columns; `None` for plain JSON. As in dlt, a child has its parent's values
/// before anything else is done to it, and its own children see what is left at the end.
fn shape_of(resource: &ResourcePlan, asked: &[JsonPath]) -> Option<ShapePlan> {
    let records = resource.endpoint.records.clone();
    let mut hooks: Vec<Arc<dyn RecordHook>> = Vec::new();
    if !resource.include_from_parent.is_empty() {
        hooks.push(Arc::new(IncludeFromParent::new(resource.include_from_parent.clone())));
    }
    if !asked.is_empty() {
        hooks.push(Arc::new(ForChildren::new(asked.to_vec())));
    }
    (records.is_some() || !hooks.is_empty()).then_some(ShapePlan { records, hooks })
}
