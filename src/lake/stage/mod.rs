//! Stage: a run's rows of one table become finished files in the spool, and the edits that bring them into the table.
//!
//! In: batches in page order, under schemas that only widen; the table as last night's manifest has it; its live files.
//! Out: a [`TableEdit`]. Rows are encoded as they arrive, under the schema known so far; what turns out to be narrower than
//! the final schema, or superseded by a later row of its key, is repaired at the end, and only that.
//!
//! Invariants: every row is counted once, as [`StageStats`] says; a key is in the table once; all files have one
//! schema; the same input over the same table gives the same names and bytes; memory is bounded by [`StageBudgets`] (plus
//! bits and footers); nothing outside the spool is written. Not here: names in the lake, publishing, the store.

mod adapt;
mod alike;
mod arrivals;
mod compact;
mod edits;
mod engine;
mod files;
mod fill;
mod finish;
mod form;
mod incoming;
mod key_values;
mod keys;
mod live_keys;
mod lookup;
mod merge;
mod reshape;
mod rewrite;
mod route;
mod segment;
mod settings;
mod side_by_side;
mod sink;
mod spellings;
mod upkeep;
mod writers;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::ArrowError;
use arrow_schema::DataType;

pub(crate) use adapt::Adapted;
pub(crate) use compact::{compact, small_files};
pub(crate) use form::{array_to_memory, same_columns};
pub(crate) use keys::{key_arrays, key_places};
pub(crate) use lookup::look_up;
pub(crate) use merge::Embedded;
pub(crate) use reshape::reshape;
pub(crate) use settings::{StageBudgets, StageSettings, memory_of_table};
pub(crate) use spellings::slice as slice_rows;

use crate::config::{PartitionField, WriteDisposition};
use crate::decode::{TypedBatch, widen};
use crate::lake::parquet::ColumnEncodings;
use crate::lake::stage::arrivals::{unit_and_row, unit_room};
use crate::lake::stage::writers::PartitionWriters;
use crate::lake::{DataFile, LakeError, LiveFiles, Partitioner, Snapshot, StageStats, TableEdit};
use crate::merge::{KeyLog, RowSets, deleting_rows, hash_keys, hashes_survive, ranks_survive};
use crate::schema::{ColumnType, TableSchema};

/// One table while its rows arrive.
pub(crate) struct TableStage {
    settings: Arc<StageSettings>,
    existing: Snapshot,
    /// Files of the table that have no rows, not among the existing ones.
    empty: Vec<DataFile>,
    files: Arc<dyn LiveFiles>,
    partitioner: Partitioner,
    /// The widest schema so far, the table's own included.
    schema: Arc<TableSchema>,
    /// `schema` as files have it.
    file_schema: Arc<TableSchema>,
    waiting: Vec<TypedBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    sampled: bool,
    writers: PartitionWriters,
    keys: Option<KeyLog>,
    /// Rows that are flagged as deletions, by their number of arrival.
    deletions: RowSets,
    stats: StageStats,
    bytes_in: u64,
}

impl TableStage {
    /// Begins a table's run.
    ///
    /// # Errors
    /// [`LakeError::TableDiffers`] when the table has another primary key or other partitions than the settings, unless the run
    /// replaces it; [`LakeError::Disk`] when the spool cannot be made.
    pub(crate) fn new(mut settings: StageSettings, mut existing: Snapshot, files: Arc<dyn LiveFiles>) -> Result<Self, LakeError> {
        settings.on_schema_change = settings.on_schema_change.of_table(existing.bytes());
        let empty = existing.take_empty();
        check_same_table(&settings, &existing)?;
        let spool = &settings.spool;
        std::fs::create_dir_all(spool).map_err(|source| LakeError::Disk { action: "create", path: spool.clone(), source })?;
        let settings = Arc::new(settings);
        // Only what this run declares binds it.
        let schema = Arc::new(existing.schema.as_facts());
        let live = existing.files.iter().map(|file| file.partition.as_slice());
        let partitioner = Partitioner::new(&settings.partition_by, &schema)?.bounded(settings.max_partitions, live);
        let keys = settings.is_keyed().then(|| settings.key_log());
        let mut style = settings.style();
        if merges_onto(&settings, &existing) {
            style.sort_by.clear();
        }
        let writers = PartitionWriters::new(&settings, style, "rows");
        let mut stage = Self {
            settings,
            existing,
            empty,
            files,
            partitioner,
            file_schema: Arc::clone(&schema),
            schema,
            waiting: Vec::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
            sampled: false,
            writers,
            keys,
            deletions: RowSets::default(),
            stats: StageStats::default(),
            bytes_in: 0,
        };
        stage.widen_to(TableSchema::clone(&stage.schema))?;
        Ok(stage)
    }

    /// Takes the rows of the next page. Blocking: encodes when enough have come together.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(crate) fn push(&mut self, rows: TypedBatch) -> Result<(), LakeError> {
        if rows.batch.num_rows() == 0 && Arc::ptr_eq(&rows.schema, &self.schema) {
            return Ok(());
        }
        self.stats.rows_in += rows.batch.num_rows() as u64;
        self.waiting_rows += rows.batch.num_rows();
        self.waiting_bytes += rows.batch.columns().iter().map(|column| column.get_buffer_memory_size()).sum::<usize>();
        self.waiting.push(rows);
        let budgets = &self.settings.budgets;
        let rows = if self.sampled { budgets.chunk_rows } else { budgets.sample_rows };
        if self.waiting_rows >= rows || self.waiting_bytes >= budgets.chunk_bytes {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the run: repairs what has to be, and tells the edits. `run_schema` is what the run knows of the table's columns,
    /// rows or none.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(crate) fn finish(mut self, run_schema: &TableSchema) -> Result<TableEdit, LakeError> {
        self.flush()?;
        let schema = self.schema.join(run_schema);
        self.widen_to(schema)?;
        finish::finish(self)
    }

    /// Brings the schema so far to one at least as wide.
    fn widen_to(&mut self, schema: TableSchema) -> Result<(), LakeError> {
        let file_schema = self.partitioner.file_schema(&schema)?;
        let survives = |name: &String| key_survives(name, &self.schema, &schema);
        if !self.settings.primary_key.iter().all(survives) || !rank_survives(self.settings.rank_column(), &self.schema, &schema) {
            // Logged anew at the end, from the final values.
            self.keys = None;
        }
        self.file_schema = Arc::new(if self.is_merging() { schema.clone() } else { file_schema });
        self.schema = Arc::new(schema);
        Ok(())
    }

    /// Whether rows are compared with live ones before they find their place.
    fn is_merging(&self) -> bool {
        merges_onto(&self.settings, &self.existing)
    }

    /// Encodes the rows that wait.
    fn flush(&mut self) -> Result<(), LakeError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let row_bytes = self.waiting_bytes / self.waiting_rows.max(1);
        self.bytes_in += self.waiting_bytes as u64;
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        let mut joined: Option<TableSchema> = None;
        let mut seen = Arc::clone(&self.schema);
        for rows in &waiting {
            if !Arc::ptr_eq(&rows.schema, &seen) && *rows.schema != *joined.as_ref().unwrap_or(&self.schema) {
                joined = Some(joined.as_ref().unwrap_or(&self.schema).join(&rows.schema));
            }
            seen = Arc::clone(&rows.schema);
        }
        if let Some(joined) = joined.filter(|joined| *joined != *self.schema) {
            self.widen_to(joined)?;
        }
        let rows: Vec<TypedBatch> = waiting.iter().map(|rows| widen(rows, &self.schema)).collect::<Result<_, _>>()?;
        drop(waiting);
        if !self.sampled {
            self.sampled = true;
            let sample = ColumnEncodings::sample(rows.iter().map(|rows| &rows.batch), self.settings.compat);
            self.writers.set_encodings(sample);
        }
        self.note_deletions(&rows);
        self.log_keys(&rows)?;
        self.writers.begin_chunk()?;
        if self.is_merging() || self.settings.partition_by.is_empty() {
            let nowhere = self.partitioner.partition_of(&vec![None; self.settings.partition_by.len()])?;
            return route::append(&mut self.writers, nowhere, &self.file_schema, &rows, row_bytes);
        }
        route::route(&mut self.writers, &mut self.partitioner, &self.file_schema, &rows, row_bytes)
    }

    /// Notes the keys of rows that are about to be appended.
    fn log_keys(&mut self, rows: &[TypedBatch]) -> Result<(), LakeError> {
        let Some(keys) = self.keys.as_mut() else { return Ok(()) };
        let mut hashes = Vec::new();
        let mut arrival = self.writers.arrivals.rows();
        for rows in rows {
            hash_keys(&key_columns(&self.settings.primary_key, &rows.batch), &mut hashes)?;
            let ranks = self.settings.rank_column().map(|name| named_column(name, &rows.batch));
            let mut done = 0;
            while done < hashes.len() {
                let (unit, row) = unit_and_row(arrival);
                let count = (hashes.len() - done).min(unit_room(arrival));
                keys.push(&hashes[done..done + count], unit, row)?;
                if let Some(ranks) = &ranks {
                    keys.push_ranks(&ranks.slice(done, count), unit, row)?;
                }
                arrival += count as u64;
                done += count;
            }
        }
        Ok(())
    }

    /// Notes which of the rows that are about to be appended are flagged as deletions.
    fn note_deletions(&mut self, rows: &[TypedBatch]) {
        let Some(name) = &self.settings.merge.hard_delete else { return };
        let mut first = self.writers.arrivals.rows();
        for rows in rows {
            for row in deleting_rows(&named_column(name, &rows.batch)).set_indices() {
                let (unit, row) = unit_and_row(first + row as u64);
                self.deletions.insert(unit, row);
            }
            first += rows.batch.num_rows() as u64;
        }
    }
}

/// Whether the run's rows meet live ones.
fn merges_onto(settings: &StageSettings, existing: &Snapshot) -> bool {
    settings.disposition == WriteDisposition::Merge && !settings.primary_key.is_empty() && !existing.files.is_empty()
}

/// Whether hashes of a key column stay right under a wider schema.
fn key_survives(name: &str, from: &TableSchema, to: &TableSchema) -> bool {
    match (from.column(name), to.column(name)) {
        (Some(from), Some(to)) => hashes_survive(&from.column_type, &to.column_type),
        _ => true,
    }
}

/// Whether the values that decide among rows of one key stay right under a wider schema.
fn rank_survives(name: Option<&str>, from: &TableSchema, to: &TableSchema) -> bool {
    let type_in = |schema: &TableSchema| {
        let column = name.and_then(|name| schema.column(name));
        column.map_or(ColumnType::Unknown, |column| column.column_type.clone())
    };
    name.is_none() || ranks_survive(&type_in(from), &type_in(to))
}

/// The key's columns.
fn key_columns(key: &[String], batch: &RecordBatch) -> Vec<ArrayRef> {
    key.iter().map(|name| named_column(name, batch)).collect()
}

/// A column; one that the batch lacks is null.
fn named_column(name: &str, batch: &RecordBatch) -> ArrayRef {
    batch.column_by_name(name).cloned().unwrap_or_else(|| new_null_array(&DataType::Null, batch.num_rows()))
}

/// Refuses a table whose key or partitions are others than the settings'; a replaced table has neither yet.
///
/// # Errors
/// [`LakeError::TableDiffers`].
pub(crate) fn check_same_table(settings: &StageSettings, existing: &Snapshot) -> Result<(), LakeError> {
    let is_there = !existing.files.is_empty() || !existing.schema.columns.is_empty();
    if is_there && existing.stored_as.is_plain() != settings.stored_as.is_plain() {
        let (found, wanted) = (existing.stored_as.name(), settings.stored_as.name());
        let to = if settings.stored_as.is_plain() { "plain" } else { "delta" };
        return Err(LakeError::OtherFormat { table: settings.table.clone(), found, wanted, to });
    }
    if existing.files.is_empty() || settings.disposition == WriteDisposition::Replace {
        return Ok(());
    }
    let differs = |(what, remedy), table: String, config: String| {
        Err(LakeError::TableDiffers { table: settings.table.clone(), what, found: table, wanted: config, remedy })
    };
    if existing.primary_key != settings.primary_key {
        return differs(("primary key", "rekey"), listed(&existing.primary_key), listed(&settings.primary_key));
    }
    let wanted = partition_levels(&settings.partition_by);
    if existing.partition_by != wanted {
        let levels = |levels: &[(String, String, String)]| {
            listed(&levels.iter().map(|(name, column, transform)| format!("{name} = {transform}({column})")).collect::<Vec<_>>())
        };
        return differs(("partitioning", "repartition"), levels(&existing.partition_by), levels(&wanted));
    }
    Ok(())
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Partition levels as a [`Snapshot`] keeps them.
pub(crate) fn partition_levels(fields: &[PartitionField]) -> Vec<(String, String, String)> {
    fields.iter().map(|field| (field.name.clone(), field.column.clone(), field.transform.to_string())).collect()
}

/// The lake's error for one of arrow.
fn arrow_failed(action: &'static str, table: &str, source: ArrowError) -> LakeError {
    LakeError::Arrow { action, table: table.to_owned(), source }
}
