//! Rows of some keys: which of them the table has, and what one of its columns holds.
//!
//! In: a table, its live files, hashes of keys. Out: the value for each key that the table has. Memory: one value a key that is found, and one batch of
//! rows. Content counts only behind its checksum.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::lake::parquet::ParquetSource;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::arrow_failed;
use crate::lake::stage::form::array_to_memory;
use crate::lake::stage::keys::{key_arrays, key_places};
use crate::lake::{LakeError, LiveFiles, Partitioner, Snapshot};
use crate::merge::hash_keys;
use crate::schema::TableSchema;

/// The keys among `wanted` that rows of `table` have, each with the row's value in `column` where that is asked for, as memory has it in the types of
/// `schema`, which is the table's or wider. Blocking.
///
/// # Errors
/// [`LakeError::Damaged`] for a live file that is not what was committed; [`LakeError::Partition`], [`LakeError::Parquet`].
pub(crate) fn look_up(
    (table, existing): (&str, &Snapshot),
    files: &dyn LiveFiles,
    schema: &TableSchema,
    column: Option<&String>,
    wanted: &HashSet<u128>,
) -> Result<HashMap<u128, Option<ArrayRef>>, LakeError> {
    let partitioner = Partitioner::new(&existing.partition_fields()?, schema)?;
    let file_schema = Arc::new(partitioner.file_schema(schema)?);
    let key = existing.primary_key.as_slice();
    let column: Vec<String> = column.into_iter().cloned().collect();
    let mut places = key_places(&file_schema, key);
    places.extend(key_places(&file_schema, &column));
    places.sort_unstable();
    places.dedup();
    let (mut found, mut hashes) = (HashMap::new(), Vec::new());
    for file in existing.files.iter().filter(|file| file.rows > 0) {
        let live = files.open(file)?;
        live.verify()?;
        let adapted = Adapted::new(ParquetSource::open(live, file.path.clone())?, &existing.schema, &file_schema, table);
        for batch in adapted.rows(adapted.row_groups(), &places, None)? {
            let batch = batch?;
            hash_keys(&key_arrays(&batch, &file.partition, key, &partitioner)?, &mut hashes)?;
            let values = key_arrays(&batch, &file.partition, &column, &partitioner)?;
            for (row, hash) in hashes.iter().enumerate().filter(|(_, hash)| wanted.contains(*hash)) {
                let value = values.first().zip(column.first()).and_then(|(values, name)| {
                    let column_type = &schema.column(name)?.column_type;
                    Some(array_to_memory(&values.slice(row, 1), column_type))
                });
                let value = value.transpose().map_err(|source| arrow_failed("read back", table, source))?;
                found.insert(*hash, value);
            }
        }
    }
    Ok(found)
}
