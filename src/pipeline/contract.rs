//! The contract of a resource with its table: what a run may do to the schema.
//!
//! In: the plan and the schema of last night. Out: what decoding starts from, and the errors of a frozen table. As in dlt, a table that is not there yet
//! takes its first columns whatever the contract says; what the config itself declares is never new.

use crate::config::{Contract, ResourcePlan};
use crate::pipeline::RunError;
use crate::pipeline::columns::declared_schema;
use crate::schema::{ColumnType, DeclaredSchema, TableSchema, Undeclared, reconcile};

/// The declared schema with the contract in it, and the schema that decoding starts from.
///
/// # Errors
/// [`RunError::Schema`].
pub(super) fn start(resource: &ResourcePlan, table: &TableSchema) -> Result<(Option<DeclaredSchema>, TableSchema), RunError> {
    let declared = declared_schema(resource)?;
    let mut facts = table.as_facts();
    if let Some(levels) = resource.nesting_max {
        facts = facts.nested_at_most(levels);
    }
    if is_new(table) {
        let start = declared.as_ref().map_or(TableSchema::default(), |declared| declared.schema.join(&facts));
        return Ok((declared, start));
    }
    if matches!(resource.contract.data_type, Contract::DiscardRow | Contract::DiscardValue) {
        facts = facts.held_fast();
    }
    let undeclared = match resource.contract.columns {
        Contract::DiscardRow => Undeclared::Reject,
        Contract::DiscardValue => Undeclared::Ignore,
        Contract::Evolve | Contract::Freeze => Undeclared::Infer,
    };
    let start = declared.as_ref().map_or_else(|| facts.clone(), |declared| declared.schema.join(&facts));
    let declared = match declared {
        None if undeclared == Undeclared::Infer => None,
        declared => Some(declared.unwrap_or_default().with_contract(undeclared)),
    };
    Ok((declared, start))
}

fn is_new(table: &TableSchema) -> bool {
    table.columns.is_empty()
}

/// Checks what a page made of the schema, in which `overgrown` has more fields than it shows, against a contract that freezes it.
///
/// # Errors
/// [`RunError::NewColumn`] and [`RunError::NewType`].
pub(super) fn check_frozen(
    resource: &ResourcePlan,
    (table, start): (&TableSchema, &TableSchema),
    (joined, overgrown): (&TableSchema, Option<&String>),
    page: u64,
) -> Result<(), RunError> {
    let (columns, types) = (resource.contract.columns == Contract::Freeze, resource.contract.data_type == Contract::Freeze);
    if is_new(table) || !(columns || types) {
        return Ok(());
    }
    let change = reconcile(start, joined, &[]).map_err(|source| RunError::Schema { resource: resource.name.clone(), source })?;
    if let (true, Some(column)) = (columns, change.new.first().or(overgrown)) {
        return Err(RunError::NewColumn { resource: resource.name.clone(), column: column.clone(), page });
    }
    let is_same = |from: &ColumnType, to: &ColumnType| {
        *from == ColumnType::Unknown || matches!((from, to), (ColumnType::Int64 { .. }, ColumnType::Int64 { .. }))
    };
    let widened = change.widened.into_iter().find(|widened| !is_same(&widened.from, &widened.to));
    match widened {
        Some(widened) if types => Err(RunError::NewType {
            resource: resource.name.clone(),
            column: widened.column,
            from: widened.from.to_string(),
            to: widened.to.to_string(),
            page,
        }),
        _ => Ok(()),
    }
}

/// Whether a table is loaded that `is_there` or not: one that is not, and must not be made, may be passed over or be an error.
///
/// # Errors
/// [`RunError::NewTable`].
pub(super) fn admits(resource: &ResourcePlan, is_there: bool) -> Result<bool, RunError> {
    match resource.contract.tables {
        _ if is_there => Ok(true),
        Contract::Evolve => Ok(true),
        Contract::Freeze => Err(RunError::NewTable { resource: resource.name.clone(), table: resource.table.clone() }),
        Contract::DiscardRow | Contract::DiscardValue => Ok(false),
    }
}
