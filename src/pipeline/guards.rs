//! Guards: what a resource that is whole must still be before it may publish.

use crate::base::{Warning, WarningCode};
use crate::config::{Expect, OnReject, ResourcePlan, WriteDisposition};
use crate::lake::{Misread, PartitionError, PreparedTable, RejectLog, misread_levels};
use crate::pipeline::RunError;
use crate::pipeline::key_watch::Overruled;

/// Part of the records that may become rejects where `max_rejects` is not set, as one in so many; one always may.
const REJECTS_PART: u64 = 10;

/// Rows of a table from which on a merge or an append is guarded by `expect.max_shrink` where it is not set.
const SHRINKS_FROM: u64 = 100;

/// Records of a run from which on most of them having the key of another one says that the key is not the whole one.
const TELLING_RECORDS: u64 = 20;

/// Where `max_rejects` is not set, a few rejects are the odd records that the quarantine is for; many are a schema that is wrong.
pub(super) fn check_rejects(resource: &ResourcePlan, records: u64, rejects: &RejectLog) -> Result<(), RunError> {
    let is_open = matches!(resource.on_reject, OnReject::Quarantine { max_rejects: None });
    match rejects.first() {
        Some(first) if is_open && rejects.count() > (records / REJECTS_PART).max(1) => Err(RunError::ManyRejects {
            resource: resource.name.clone(),
            first: Box::new(first.clone()),
            rejects: rejects.count(),
            records,
        }),
        _ => Ok(()),
    }
}

/// The guards of `expect`.
pub(super) fn check_rows(
    resource: &ResourcePlan,
    (before, is_first): (u64, bool),
    staged: &PreparedTable,
    overruled: Overruled,
) -> Result<(), RunError> {
    let rows = staged.stats.rows_in;
    if let Some(min) = resource.expect.min_rows.filter(|min| rows < *min) {
        return Err(RunError::TooFewRows { resource: resource.name.clone(), rows, min });
    }
    check_key(resource, staged, overruled)?;
    let (Some(allowed), after) = (resource.expect.max_shrink, staged.after.rows()) else { return Ok(()) };
    let is_merge = resource.write_disposition == WriteDisposition::Merge;
    if is_merge && is_first && allowed < 1.0 && after == 0 && staged.stats.deletes_unmatched > 0 {
        let column = resource.merge.hard_delete.clone().unwrap_or_default();
        return Err(RunError::AllDeleted { resource: resource.name.clone(), rows, column });
    }
    // Of a small table a merge may well delete most rows. An append loses some only where it is rebuilt.
    if resource.write_disposition != WriteDisposition::Replace
        && before < SHRINKS_FROM
        && (allowed - Expect::MAX_SHRINK).abs() < f64::EPSILON
    {
        return Ok(());
    }
    // Row counts are far below 2^53, so the product is exact enough to compare.
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    let least = before as f64 * (1.0 - allowed);
    #[expect(clippy::cast_precision_loss, reason = "row counts are far below 2^53")]
    let shrinks = (after as f64) < least;
    if shrinks {
        return Err(RunError::Shrinks { resource: resource.name.clone(), before, after, allowed_percent: allowed * 100.0 });
    }
    Ok(())
}

/// Text partitions that not all readers show as text: numbers are refused, unless the level has been so `before`; what looks like a date or
/// the like to some readers is told.
pub(super) fn check_folders(
    resource: &ResourcePlan,
    before: &[Misread],
    staged: &PreparedTable,
) -> Result<Vec<Warning>, RunError> {
    let judge = |misread: Misread| {
        if !misread.is_of_number() || before.iter().any(|was| was.is_of_level(&misread)) {
            return Ok(Warning::new(WarningCode::PartitionMisread, format!("{misread}; {}", misread.way_out())));
        }
        let source = PartitionError::Misread { table: staged.table.clone(), misread };
        Err(RunError::Partitions { resource: resource.name.clone(), source })
    };
    misread_levels(&staged.after).into_iter().map(judge).collect()
}

/// A key that is another record's as a rule leaves most records out. Several versions of a record are declared by `dedup_sort`; children of several
/// parents, and windows, may well have the same records, of which none is lost: theirs count where they have other values.
pub(super) fn check_key(resource: &ResourcePlan, staged: &PreparedTable, seen: Overruled) -> Result<(), RunError> {
    let (rows, repeated) = (staged.stats.rows_in, staged.stats.rows_deduplicated);
    let is_one_chain =
        resource.parents.is_empty() && resource.endpoint.incremental.as_ref().is_none_or(|plan| plan.step.is_none());
    let is_most = |part: u64, all: u64| all >= TELLING_RECORDS && part > all / 2;
    let is_lost = if is_one_chain { is_most(repeated, rows) } else { is_most(seen.overruled, seen.rows) };
    if is_lost && resource.merge.dedup_sort.is_none() {
        return Err(RunError::KeyRepeats {
            resource: resource.name.clone(),
            key: resource.primary_key.join(", "),
            rows,
            repeated,
        });
    }
    Ok(())
}
