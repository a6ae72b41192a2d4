//! Rows of a version's files in the schema of both versions: their hashes, and those that differ, written down.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_row::{RowConverter, SortField};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;
use xxhash_rust::xxh3::xxh3_128;

use crate::config::{Compat, Compression};
use crate::lake::ops::FileAt;
use crate::lake::ops::diff::{Job, Picked};
use crate::lake::parquet::{ColumnEncodings, FileLimits, FileShape, FileStyle, ParquetFile, ParquetSource};
use crate::lake::stage::Adapted;
use crate::lake::{DataFile, LakeError, LiveFiles, Partitioner, Snapshot, StageBudgets};
use crate::merge::{MergeError, RowFate, Side, hash_keys};
use crate::schema::{Column, ColumnType, TableSchema};

/// The column that says what became of a row; further `_` are put before it where the table has it.
const CHANGE: &str = "_change";

/// Reads the files of one version.
pub(super) struct Reader<'a> {
    table: &'a str,
    snapshot: &'a Snapshot,
    /// Of whole rows.
    schema: SchemaRef,
    file_schema: Arc<TableSchema>,
    partitioner: Partitioner,
    files: &'a dyn LiveFiles,
}

impl<'a> Reader<'a> {
    /// For files of `snapshot`, whose rows are wanted in `schema`.
    pub(super) fn new(
        table: &'a str,
        snapshot: &'a Snapshot,
        schema: &Arc<TableSchema>,
        files: &'a dyn LiveFiles,
    ) -> Result<Self, LakeError> {
        let partitioner = Partitioner::new(&snapshot.partition_fields()?, schema)?;
        let file_schema = Arc::new(partitioner.file_schema(schema)?);
        Ok(Self { table, snapshot, schema: schema.to_file_arrow(), file_schema, partitioner, files })
    }

    /// Hands out the rows of a file, whole, batch by batch.
    pub(super) fn each(&self, at: &FileAt, mut take: impl FnMut(&RecordBatch) -> Result<(), LakeError>) -> Result<(), LakeError> {
        let is_copy = at.path != at.file.path;
        let etag = at.file.etag.clone().filter(|_| !is_copy);
        let live = self.files.open(&DataFile { path: at.path.clone(), etag, ..at.file.clone() })?;
        live.verify().map_err(|error| match error {
            LakeError::Damaged { place, .. } => LakeError::Damaged { table: Some(self.table.to_owned()), place },
            error => error,
        })?;
        let source = ParquetSource::open(live, at.place.clone())?;
        let adapted = Adapted::new(source, &self.snapshot.schema, &self.file_schema, self.table);
        let columns = adapted.all_columns();
        for batch in adapted.rows(adapted.row_groups(), &columns, None)? {
            take(&self.whole(&batch?, at)?)?;
        }
        Ok(())
    }

    /// Rows with the columns that only their folder tells.
    fn whole(&self, batch: &RecordBatch, at: &FileAt) -> Result<RecordBatch, LakeError> {
        let restored = self.partitioner.restore(&at.file.partition, batch.num_rows(), &self.schema)?;
        let failed = |source| LakeError::Arrow { action: "compare", table: self.table.to_owned(), source };
        let columns: Result<Vec<ArrayRef>, LakeError> = self
            .schema
            .fields()
            .iter()
            .map(|field| {
                let in_path = || restored.iter().find(|(column, _)| column == field.name()).map(|(_, array)| array);
                let array = batch.column_by_name(field.name()).or_else(in_path);
                let missing = || failed(arrow_schema::ArrowError::SchemaError(format!("no column {}", field.name())));
                let array = array.ok_or_else(missing)?;
                if array.data_type() == field.data_type() {
                    Ok(Arc::clone(array))
                } else {
                    cast(array, field.data_type()).map_err(failed)
                }
            })
            .collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns?).map_err(failed)
    }

    /// The hashes of the keys and of the rows; both the same without a key.
    pub(super) fn hashes(&self, batch: &RecordBatch, key: &[String]) -> Result<(Vec<u128>, Vec<u128>), LakeError> {
        let arrays = |source| MergeError::Arrays { action: "compare", source };
        let fields = self.schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let rows = RowConverter::new(fields).and_then(|converter| converter.convert_columns(batch.columns())).map_err(arrays)?;
        let rows: Vec<u128> = rows.iter().map(|row| xxh3_128(row.data())).collect();
        if key.is_empty() {
            return Ok((rows.clone(), rows));
        }
        let columns: Vec<ArrayRef> = key.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect();
        let mut keys = Vec::new();
        hash_keys(&columns, &mut keys)?;
        Ok((keys, rows))
    }
}

fn word(fate: RowFate) -> &'static str {
    match fate {
        RowFate::Inserted => "insert",
        RowFate::Deleted => "delete",
        RowFate::ChangedFrom => "update_preimage",
        RowFate::ChangedTo => "update_postimage",
    }
}

/// Writes the picked rows, each with what became of it, into a file that is not there yet.
pub(super) fn write_rows(job: &Job, picked: &Picked, out: &Path) -> Result<(), LakeError> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let beside = out.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_beside(job, picked, &beside).and_then(|()| {
        // Unlike a rename, a link replaces nothing.
        fs::hard_link(&beside, out).map_err(|source| LakeError::of_disk("write", out, source))
    });
    // What it holds is in its place, or nobody wants it.
    let _ = fs::remove_file(&beside);
    written
}

fn write_beside(job: &Job, picked: &Picked, path: &Path) -> Result<(), LakeError> {
    let mut change = CHANGE.to_owned();
    while job.schema.columns.iter().any(|column| column.name == change) {
        change.insert(0, '_');
    }
    let mut schema = TableSchema { columns: vec![Column::inferred(change, ColumnType::Text)] };
    schema.columns.extend(job.schema.columns.iter().cloned());
    let budgets = StageBudgets::default();
    let limits = FileLimits { row_group_rows: budgets.row_group_rows, row_group_bytes: budgets.row_group_bytes };
    let (compression, compat) = (Compression::Zstd(1), Compat::Legacy);
    let style = FileStyle { compression, compat, key: Vec::new(), sort_by: Vec::new(), limits };
    let shape = FileShape::new(path, &schema, &style, &ColumnEncodings::default(), 0)?;
    let mut file = ParquetFile::create(path, &schema, &style, &shape)?;
    let arrow = schema.to_file_arrow();
    for (side, snapshot, files) in &job.sides {
        let reader = Reader::new(&job.table, snapshot, &job.schema, &*job.files)?;
        let fates = match side {
            Side::Old => [RowFate::Deleted, RowFate::ChangedFrom],
            Side::New => [RowFate::Inserted, RowFate::ChangedTo],
        };
        for (unit, at) in (0..).zip(files) {
            let sets: Vec<_> = fates.iter().filter_map(|fate| Some((*fate, picked.get(fate)?.of_unit(unit)))).collect();
            if sets.iter().all(|(_, rows)| rows.is_empty()) {
                continue;
            }
            let mut first = 0;
            reader.each(at, |batch| {
                let of_row = |row: u32| sets.iter().find(|(_, rows)| rows.contains(row)).map(|(fate, _)| word(*fate));
                let words: Vec<Option<&str>> = (first..first + batch.num_rows() as u32).map(of_row).collect();
                first += batch.num_rows() as u32;
                let mask: BooleanArray = words.iter().map(|word| Some(word.is_some())).collect();
                let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(words))];
                columns.extend(batch.columns().iter().cloned());
                let failed = |source| LakeError::Arrow { action: "write", table: job.table.clone(), source };
                let rows = RecordBatch::try_new(Arc::clone(&arrow), columns).and_then(|rows| filter_record_batch(&rows, &mask));
                file.write(&[rows.map_err(failed)?])
            })?;
        }
    }
    file.finish().map(drop)
}
