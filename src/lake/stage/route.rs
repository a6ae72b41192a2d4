//! Rows on their way to the writers of their partitions.

use std::sync::Arc;

use arrow_select::concat::concat_batches;

use crate::decode::TypedBatch;
use crate::lake::stage::arrow_failed;
use crate::lake::stage::form::to_file;
use crate::lake::stage::spellings::{pick, starts, with_originals};
use crate::lake::stage::writers::PartitionWriters;
use crate::lake::{LakeError, PartitionId, Partitioner, RoutedRows};
use crate::schema::TableSchema;

/// Appends rows to one writer, whatever partition they are of.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn append(
    writers: &mut PartitionWriters,
    partition: PartitionId,
    file_schema: &Arc<TableSchema>,
    rows: &[TypedBatch],
    row_bytes: usize,
) -> Result<(), LakeError> {
    let arrow = file_schema.to_file_arrow();
    let in_form = |rows: &TypedBatch| {
        let batch =
            to_file(&rows.batch, &rows.schema, &arrow).map_err(|source| arrow_failed("write", writers.table(), source))?;
        Ok(TypedBatch { schema: Arc::clone(file_schema), batch, originals: rows.originals.clone() })
    };
    let in_form: Vec<TypedBatch> = rows.iter().map(in_form).collect::<Result<_, LakeError>>()?;
    let took = writers.write(partition, file_schema, in_form, row_bytes)?;
    took.into_iter().try_for_each(|(segment, rows)| writers.arrivals.push(segment, rows))
}

/// Appends rows, all of one schema, to the writers of their partitions.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn route(
    writers: &mut PartitionWriters,
    partitioner: &mut Partitioner,
    file_schema: &Arc<TableSchema>,
    rows: &[TypedBatch],
    row_bytes: usize,
) -> Result<(), LakeError> {
    let Some(first) = rows.first() else { return Ok(()) };
    let failed = |table: &str, source| arrow_failed("route", table, source);
    let batch_schema = first.batch.schema();
    let chunk =
        concat_batches(&batch_schema, rows.iter().map(|rows| &rows.batch)).map_err(|source| failed(writers.table(), source))?;
    let arrow = file_schema.to_file_arrow();
    let starts = starts(rows.iter().map(|rows| rows.batch.num_rows()));
    let mut segments = vec![0; chunk.num_rows()];
    for routed in partitioner.route(&chunk)? {
        let batch = partitioner.file_batch(&chunk, &routed.rows)?;
        let in_form = to_file(&batch, file_schema, &arrow).map_err(|source| failed(writers.table(), source))?;
        let routed_rows = match &routed.rows {
            RoutedRows::Range(range) => with_originals(file_schema, &in_form, rows, range.clone().map(|row| pick(&starts, row))),
            RoutedRows::Indices(indices) => {
                let picks = indices.values().iter().map(|row| pick(&starts, *row as usize));
                with_originals(file_schema, &in_form, rows, picks)
            }
        };
        let mut done = 0;
        for (segment, rows) in writers.write(routed.partition, file_schema, routed_rows, row_bytes)? {
            let here = done..done + rows as usize;
            done = here.end;
            match &routed.rows {
                RoutedRows::Range(range) => segments[range.start + here.start..range.start + here.end].fill(segment),
                RoutedRows::Indices(indices) => indices.values()[here].iter().for_each(|row| segments[*row as usize] = segment),
            }
        }
    }
    segments.into_iter().try_for_each(|segment| writers.arrivals.push(segment, 1))
}
