//! Which record of a key becomes its row: `dedup_sort`, `hard_delete`, and the strategy of `merge`.

use crate::config::raw::{ColumnHint, DataType, DedupOrder, Disposition, DispositionMap, Either, Field, Resource, Strategy};
use crate::config::resolve::Context;
use crate::config::tree::NodeId;
use crate::config::{DedupSort, MergePlan, WriteDisposition};

/// Columns whose hints are about records of one key, in the file's order.
#[derive(Default)]
pub(crate) struct Deciding {
    sorts: Vec<(NodeId, DedupSort)>,
    deletes: Vec<(NodeId, String)>,
}

impl Deciding {
    /// Notes what a column's hint says.
    pub(crate) fn note(&mut self, cx: Context<'_>, name: &str, hint: &ColumnHint) {
        if let Some((id, order)) = hint.dedup_sort.set() {
            if hint.data_type.get() == Some(&DataType::Json) {
                cx.reader.conflict(id, "JSON text has no order; name a column of numbers, times, dates or text");
            }
            self.sorts.push((id, DedupSort { column: name.to_owned(), greatest: *order == DedupOrder::Desc }));
        }
        if let Some((id, true)) = hint.hard_delete.set() {
            self.deletes.push((id, name.to_owned()));
        }
    }
}

/// The plan, once it is known how rows enter the table and what its key is.
pub(crate) fn plan(
    cx: Context<'_>,
    raw: &Resource,
    deciding: Deciding,
    primary_key: &[String],
    disposition: Option<WriteDisposition>,
) -> MergePlan {
    let Deciding { sorts, deletes } = deciding;
    let none = DispositionMap::default();
    let map = match raw.write_disposition.get() {
        Some(Either::Map(map)) => map,
        _ => &none,
    };
    let names = |places: &[&str]| format!("one column has it, and here are `{}`", places.join("` and `"));
    if let [(_, first), (id, second), ..] = sorts.as_slice() {
        cx.reader.conflict(*id, names(&[&first.column, &second.column]));
    }
    if let [(_, first), (id, second), ..] = deletes.as_slice() {
        cx.reader.conflict(*id, names(&[first, second]));
    }
    if let Some((id, _)) = sorts.first() {
        let is_keyless = primary_key.is_empty() && raw.primary_key.is_unset();
        check_sort(cx, *id, map, is_keyless);
    }
    if let Some((id, column)) = deletes.first() {
        check_delete(cx, *id, column, primary_key, disposition);
    }
    MergePlan {
        dedup_sort: sorts.into_iter().next().map(|(_, sort)| sort),
        hard_delete: deletes.into_iter().next().map(|(_, column)| column),
        insert_only: map.strategy.get() == Some(&Strategy::InsertOnly),
    }
}

fn check_sort(cx: Context<'_>, id: NodeId, map: &DispositionMap, is_keyless: bool) {
    if is_keyless {
        cx.reader.conflict(id, "it chooses among the records of one `primary_key`, and there is none; dlt passes over it then");
    } else if map.deduplicated.get() == Some(&true) {
        cx.reader.conflict(id, "`deduplicated: true` says that no key comes twice, and this which of its records stays");
    }
}

fn check_delete(cx: Context<'_>, id: NodeId, column: &str, primary_key: &[String], disposition: Option<WriteDisposition>) {
    if matches!(disposition, Some(WriteDisposition::Append | WriteDisposition::Replace)) {
        cx.reader.conflict(
            id,
            "rows are deleted by `merge` only, and dlt would load the flagged records as rows; leave them out with a `filter` in `processing_steps`",
        );
    } else if primary_key.iter().any(|key| key == column) {
        cx.reader.conflict(id, "a column of the `primary_key` has a value in every record, so every record would delete");
    }
}

/// What goes with `merge` only.
pub(crate) fn check_map(cx: Context<'_>, map: &DispositionMap, disposition: Disposition) {
    if matches!(disposition, Disposition::Merge) {
        return;
    }
    let only = |field: Option<NodeId>, key: &str| {
        if let Some(id) = field {
            cx.reader.conflict(id, format!("`{key}` goes with `disposition: merge` only"));
        }
    };
    only(map.strategy.place(), "strategy");
    only(place_of(&map.deduplicated), "deduplicated");
}

fn place_of(field: &Field<bool>) -> Option<NodeId> {
    field.set().filter(|(_, is_set)| **is_set).map(|(id, _)| id)
}
