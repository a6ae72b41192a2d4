//! Which records of the quarantine join the table: a row that a newer run brought is never overwritten.
//!
//! In: decoded records, the table, which runs loaded it. Out: the rows that join. A record is newer than the table's row of its key where no run
//! loaded the table after its own, or where the cursor or `dedup_sort` says so; where nothing tells, the row stays: a run may have brought it once more
//! just as it was. Records of an `append` meet no rows.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_select::filter::filter_record_batch;

use crate::base::Step;
use crate::config::{LastValue, ResourcePlan, WriteDisposition};
use crate::decode::{TypedBatch, widen};
use crate::lake::{LakeError, LiveFiles, SetAside, Snapshot, look_up};
use crate::merge::hash_keys;
use crate::pipeline::RunError;
use crate::pipeline::repair::decoded::{Decoded, Fate, Line, Rows};
use crate::schema::{ColumnType, TableSchema};

const WHICH_IS_NEWER: &str = "the table has a row of its key, and a run has loaded the table since: nothing tells which of the two is newer, so the row stays";
const MAY_BE_DELETED: &str = "a run has loaded the table since, and may have deleted the row of its key";

/// The rows that join the table, under one schema, and what becomes of each line.
pub(super) struct Judged {
    pub(super) rows: Vec<TypedBatch>,
    pub(super) fates: Vec<Fate>,
    pub(super) schema: Arc<TableSchema>,
}

/// Judges the `decoded` lines of a resource against its table. Blocking.
///
/// # Errors
/// Those of [`look_up`]; [`LakeError::Widen`], [`LakeError::Merge`].
pub(super) fn judge(
    resource: &ResourcePlan,
    (table, files): (&Snapshot, &dyn LiveFiles),
    past: &SetAside,
    lines: &[Line],
    decoded: Decoded,
) -> Result<Judged, RunError> {
    let Decoded { rows, mut fates, schema } = decoded;
    let mut wide = Vec::with_capacity(rows.len());
    for Rows { batch, lines } in rows {
        // Nothing widens any more, so that nobody asks for spellings.
        let batch = widen(&batch, &schema).map_err(LakeError::from)?.batch;
        wide.push((batch, lines));
    }
    let meets = matches!(resource.write_disposition, WriteDisposition::Merge | WriteDisposition::Replace);
    if meets && !resource.primary_key.is_empty() {
        let column = order_column(resource, &schema);
        let hashes = wide.iter().map(|(batch, _)| hashes(resource, batch)).collect::<Result<Vec<_>, _>>()?;
        let wanted: HashSet<u128> = hashes.iter().flatten().copied().collect();
        let stored = look_up((&resource.table, table), files, &schema, column.as_ref().map(|(name, _)| name), &wanted)?;
        for ((batch, of), hashes) in wide.iter().zip(&hashes) {
            for (row, hash) in hashes.iter().enumerate() {
                let line = &lines[of[row]];
                let values = column.as_ref().and_then(|(name, _)| batch.column_by_name(name)).map(|values| values.slice(row, 1));
                let is_greatest = column.as_ref().is_none_or(|(_, greatest)| *greatest);
                let fate = fate(resource, (line, values.as_ref()), stored.get(hash), past, is_greatest);
                if fate != Fate::Joins {
                    fates[of[row]] = fate;
                }
            }
        }
    }
    let mut rows = Vec::new();
    for (batch, of) in wide {
        let joins: BooleanArray = of.iter().map(|line| Some(fates[*line] == Fate::Joins)).collect();
        let failed = |source| LakeError::Arrow { action: "choose rows of", table: resource.table.clone(), source };
        let batch = filter_record_batch(&batch, &joins).map_err(failed)?;
        if batch.num_rows() > 0 {
            rows.push(TypedBatch { schema: Arc::clone(&schema), batch, originals: Vec::new() });
        }
    }
    Ok(Judged { rows, fates, schema })
}

fn fate(
    resource: &ResourcePlan,
    (line, value): (&Line, Option<&ArrayRef>),
    stored: Option<&Option<ArrayRef>>,
    past: &SetAside,
    is_greatest: bool,
) -> Fate {
    let is_newest = !past.is_newer_load_than((line.version, &line.run));
    let Some(stored) = stored else {
        let may_be_deleted = resource.merge.hard_delete.is_some() && !is_newest;
        return if may_be_deleted { Fate::Stays(MAY_BE_DELETED) } else { Fate::Joins };
    };
    if resource.merge.insert_only {
        return Fate::Older;
    }
    if is_newest {
        return Fate::Joins;
    }
    match value.zip(stored.as_ref()).and_then(|(value, stored)| order(value, stored)) {
        Some(Ordering::Greater) if is_greatest => Fate::Joins,
        Some(Ordering::Less) if !is_greatest => Fate::Joins,
        Some(_) => Fate::Older,
        None => Fate::Stays(WHICH_IS_NEWER),
    }
}

/// The column that tells which of two records of a key is newer, and whether the greater value is; text is no such column.
fn order_column(resource: &ResourcePlan, schema: &TableSchema) -> Option<(String, bool)> {
    let cursor = resource.endpoint.incremental.as_ref().and_then(|plan| match plan.cursor_path.steps() {
        [Step::Key(name)] => Some((name.clone(), plan.last == LastValue::Max)),
        _ => None,
    });
    let dedup = resource.merge.dedup_sort.as_ref().map(|sort| (sort.column.clone(), sort.greatest));
    let has_order = |(name, _): &(String, bool)| {
        let found = schema.column(name).map(|column| &column.column_type);
        matches!(found, Some(ColumnType::Int64 { .. } | ColumnType::Decimal { .. } | ColumnType::Timestamp | ColumnType::Date))
    };
    cursor.into_iter().chain(dedup).find(has_order)
}

/// How two single values of one type compare; `None` where one is null.
fn order(one: &ArrayRef, other: &ArrayRef) -> Option<Ordering> {
    if one.is_null(0) || other.is_null(0) || one.data_type() != other.data_type() {
        return None;
    }
    let converter = RowConverter::new(vec![SortField::new(one.data_type().clone())]).ok()?;
    let rows = |array: &ArrayRef| converter.convert_columns(std::slice::from_ref(array)).ok();
    let (one, other) = (rows(one)?, rows(other)?);
    Some(one.row(0).cmp(&other.row(0)))
}

fn hashes(resource: &ResourcePlan, batch: &RecordBatch) -> Result<Vec<u128>, LakeError> {
    let mut hashes = Vec::new();
    let missing = |name: &String| LakeError::NoColumn {
        table: resource.table.clone(),
        key: "primary_key",
        column: name.clone(),
        near: None,
    };
    let key = resource.primary_key.iter().map(|name| batch.column_by_name(name).cloned().ok_or_else(|| missing(name)));
    hash_keys(&key.collect::<Result<Vec<_>, _>>()?, &mut hashes)?;
    Ok(hashes)
}
