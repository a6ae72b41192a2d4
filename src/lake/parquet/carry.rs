//! What of another file may stand in one of this shape, byte for byte.

use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::SchemaDescriptor;

use crate::config::Compat;
use crate::lake::parquet::ParquetSource;
use crate::lake::parquet::portable::may_stand;
use crate::lake::parquet::source::leaves;

/// Whether `column` of files of `target`, for these readers, can be column `from` of `source`'s row group.
pub(super) fn is_same_chunk(
    (target, compat): (&SchemaDescriptor, Compat),
    column: usize,
    source: &ParquetSource,
    row_group: usize,
    from: usize,
) -> bool {
    let found = source.metadata().file_metadata().schema_descr();
    let (here, there) = (leaves(target, column), source.leaves(from));
    let chunk = |leaf: usize| source.row_groups().get(row_group).and_then(|found| found.columns().get(leaf));
    here.len() == there.len()
        && here.zip(there).all(|(here, there)| {
            target.column(here) == found.column(there) && chunk(there).is_some_and(|chunk| may_stand(chunk, compat))
        })
}

/// Whether a row group of `source` has the order, by the same columns at least, that a file of `target` tells of all of its row groups.
pub(super) fn has_order_of(
    (target, properties): (&SchemaDescriptor, &WriterProperties),
    source: &ParquetSource,
    row_group: usize,
) -> bool {
    let Some(told) = properties.sorting_columns() else { return true };
    let found = source.row_groups().get(row_group).and_then(|found| found.sorting_columns().map(Vec::as_slice));
    let there = source.metadata().file_metadata().schema_descr();
    let column = |schema: &SchemaDescriptor, order: &SortingColumn| {
        usize::try_from(order.column_idx).ok().and_then(|leaf| schema.columns().get(leaf).cloned())
    };
    let same = |(told, found): (&SortingColumn, &SortingColumn)| {
        (told.descending, told.nulls_first) == (found.descending, found.nulls_first)
            && column(target, told) == column(there, found)
    };
    found.is_some_and(|found| found.len() >= told.len() && told.iter().zip(found).all(same))
}
