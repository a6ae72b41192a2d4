//! One file of a table against its manifest: its bytes, its footer, and on demand every row.
//!
//! In: where the file lies. Out: what is wrong with it. Invariants: a file is opened once, so that what is hashed is what is decoded; memory is one
//! step of bytes and one batch of rows a file; of the keys, whatever the log of keys holds.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::array_value_to_string;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::reader::{ChunkReader, Length};

use super::fault::{Fault, FaultKind};
use crate::base::{ErrorKind, blocking, caught};
use crate::config::PartitionField;
use crate::lake::checksum::Hashing;
use crate::lake::ops::{FileAt, TableAt};
use crate::lake::parquet::ParquetSource;
use crate::lake::partition::hive_folder;
use crate::lake::stage::{Adapted, key_arrays, key_places};
use crate::lake::store::{Found, Store};
use crate::lake::{DataFile, LakeError, LiveFile, LiveFiles, Partitioner, Snapshot};
use crate::merge::{KeyLog, MergeError, hash_keys};
use crate::schema::TableSchema;

/// Files that are read at once.
const PARALLEL_FILES: usize = 4;

/// Bytes that are hashed at once.
const STEP_BYTES: u64 = 4 << 20;

/// Memory of the log of keys; see [`KeyLog`] for what it takes in all.
const KEY_BYTES: usize = 32 << 20;

/// The longest key that is shown, in characters.
const KEY_CHARS: usize = 100;

/// A table, and what is asked of each of its files.
pub(super) struct TableProof {
    pub(super) table: String,
    pub(super) snapshot: Snapshot,
    store: Arc<dyn Store>,
    files: Arc<dyn LiveFiles>,
    fields: Vec<PartitionField>,
    /// Whether files, too, have the column of a level: else every row agrees with its folder.
    in_files: Vec<bool>,
    file_schema: Arc<TableSchema>,
    is_deep: bool,
    /// The keys of all rows, where one key may have one row only.
    keys: Option<Mutex<KeyLog>>,
}

/// A file of a table by its number in the snapshot, and what is wrong with it.
type Checked = (u32, Vec<Fault>);

/// Rows of one kind in a file.
#[derive(Default)]
struct Rows {
    count: u64,
    first: Option<u64>,
}

impl Rows {
    fn add(&mut self, row: u64) {
        self.count += 1;
        self.first = Some(self.first.map_or(row, |first| first.min(row)));
    }

    /// `3 rows, the first is row 17`, if there are any.
    fn words(&self) -> Option<String> {
        let first = self.first? + 1;
        Some(if self.count == 1 {
            format!("1 row, row {first} of the file")
        } else {
            format!("{} rows, the first is row {first} of the file", self.count)
        })
    }
}

impl TableProof {
    /// For the table `at`. With `spill`, rows are decoded; with `is_unique`, their keys are compared, in memory and in files of that folder.
    ///
    /// # Errors
    /// [`LakeError::Partition`], [`LakeError::Unreadable`] for partition levels that no lakeward writes.
    pub(super) fn new(
        store: &Arc<dyn Store>,
        table: &str,
        at: &TableAt,
        spill: Option<PathBuf>,
        is_unique: bool,
    ) -> Result<Self, LakeError> {
        let fields = at.snapshot.partition_fields()?;
        let partitioner = Partitioner::new(&fields, &at.snapshot.schema)?;
        let file_schema = Arc::new(partitioner.file_schema(&at.snapshot.schema)?);
        let in_path: Vec<&str> = partitioner.path_columns().collect();
        let in_files =
            fields.iter().map(|field| field.name != field.column || !in_path.contains(&field.column.as_str())).collect();
        let is_keyed = is_unique && !at.snapshot.primary_key.is_empty();
        Ok(Self {
            table: table.to_owned(),
            snapshot: at.snapshot.clone(),
            store: Arc::clone(store),
            files: store.live_files(),
            in_files,
            file_schema,
            is_deep: spill.is_some(),
            keys: spill.filter(|_| is_keyed).map(|folder| Mutex::new(KeyLog::new(folder, KEY_BYTES))),
            fields,
        })
    }

    /// What is wrong with files, by their numbers; nothing of those that are right.
    ///
    /// # Errors
    /// When a file cannot be had for a reason that is not its own.
    pub(super) async fn check(self: &Arc<Self>, files: Vec<(u32, FileAt)>) -> Result<Vec<Checked>, LakeError> {
        let checks = files.into_iter().map(|(unit, at)| {
            let proof = Arc::clone(self);
            async move { Ok::<Checked, LakeError>((unit, proof.check_file(unit, at).await?)) }
        });
        let checked = stream::iter(checks).buffered(PARALLEL_FILES);
        checked.try_filter(|(_, faults)| std::future::ready(!faults.is_empty())).try_collect().await
    }

    async fn check_file(self: Arc<Self>, unit: u32, at: FileAt) -> Result<Vec<Fault>, LakeError> {
        let found = match self.look(&at).await? {
            Ok(found) => found,
            Err(fault) => return Ok(vec![fault]),
        };
        let (proof, place, seen) = (Arc::clone(&self), at.clone(), found.clone());
        let work = blocking(move || Ok(caught(|| proof.check_content(unit, &place, &seen))));
        let work = work.await.map_err(|source| LakeError::of_disk("read", Path::new(&at.place), source))?;
        let (kind, error) = match work {
            Ok(Ok(faults)) => return Ok(faults),
            Ok(Err((kind, error))) => (kind, error),
            Err(panic) => {
                return Ok(vec![Fault::new(&at.place, FaultKind::Content, "a file that can be read", panic.to_string())]);
            }
        };
        // What came of it may be that somebody replaced or removed the file meanwhile.
        match self.look(&at).await? {
            Err(fault) => Ok(vec![fault]),
            Ok(now) if now.etag != found.etag => Ok(vec![Fault::new(
                &at.place,
                FaultKind::Checksum,
                at.file.checksum.clone(),
                "another content while it was read",
            )]),
            Ok(_) if is_of_file(&error) => Ok(vec![Fault::of_error(&at.place, kind, &error)]),
            Ok(_) => Err(error),
        }
    }

    /// Looks at a file, without its content.
    async fn look(&self, at: &FileAt) -> Result<Result<Found, Fault>, LakeError> {
        match self.store.head(&at.path).await {
            Ok(None) => Ok(Err(Fault::new(&at.place, FaultKind::Missing, "a file", "nothing"))),
            Ok(Some(found)) if found.bytes != at.file.bytes => {
                let words = |bytes: u64| format!("{bytes} bytes");
                Ok(Err(Fault::new(&at.place, FaultKind::Size, words(at.file.bytes), words(found.bytes))))
            }
            Ok(Some(found)) => Ok(Ok(found)),
            Err(error) if is_of_file(&error) => Ok(Err(Fault::of_error(&at.place, FaultKind::Unreadable, &error))),
            Err(error) => Err(error),
        }
    }

    /// Reads a file. Before its bytes are known to be right, an error is one of the bytes; then it is one of what was committed.
    fn check_content(&self, unit: u32, at: &FileAt, found: &Found) -> Result<Vec<Fault>, (FaultKind, LakeError)> {
        let file = open(&*self.files, at, found.etag.clone()).map_err(|error| (FaultKind::Unreadable, error))?;
        let checksum = hash(&file, at).map_err(|error| (FaultKind::Unreadable, error))?;
        if !at.file.checksum.is_empty() && checksum != at.file.checksum {
            let words = |checksum: &str| format!("checksum {checksum}");
            return Ok(vec![Fault::new(&at.place, FaultKind::Checksum, words(&at.file.checksum), words(&checksum))]);
        }
        self.check_rows(unit, at, file).map_err(|error| (FaultKind::Content, error))
    }

    fn check_rows(&self, unit: u32, at: &FileAt, file: LiveFile) -> Result<Vec<Fault>, LakeError> {
        let adapted = self.adapt(file, at)?;
        let rows = adapted.source().rows() as u64;
        let mut faults = Vec::new();
        if rows != at.file.rows {
            faults.push(Fault::new(
                &at.place,
                FaultKind::Rows,
                row_words(at.file.rows),
                format!("{} in its footer", row_words(rows)),
            ));
        }
        faults.extend(adapted.misfits().into_iter().map(|(column, found, wanted)| {
            let wanted =
                wanted.map_or_else(|| format!("no column `{column}`"), |wanted| format!("column `{column}` as {wanted}"));
            Fault::new(&at.place, FaultKind::Columns, wanted, format!("one of {found}"))
        }));
        if self.is_deep && faults.is_empty() {
            faults = self.decode(unit, at, &adapted)?;
        }
        Ok(faults)
    }

    fn adapt(&self, file: LiveFile, at: &FileAt) -> Result<Adapted, LakeError> {
        let source = ParquetSource::open(file, at.place.clone())?;
        Ok(Adapted::new(source, &self.snapshot.schema, &self.file_schema, &self.table))
    }

    /// Decodes every column of every row.
    fn decode(&self, unit: u32, at: &FileAt, adapted: &Adapted) -> Result<Vec<Fault>, LakeError> {
        let partitioner = Partitioner::new(&self.fields, &self.snapshot.schema)?;
        let columns = adapted.all_columns();
        let (mut rows, mut without_key, mut astray, mut elsewhere) = (0, Rows::default(), Rows::default(), None);
        let mut outside = None;
        for batch in adapted.rows(adapted.row_groups(), &columns, None)? {
            let batch = batch?;
            self.check_keys(unit, rows, &batch, at, &partitioner, &mut without_key)?;
            outside = outside.or_else(|| first_outside(&batch, &at.file));
            let other = self.check_partition(rows, &batch, at, &mut astray)?;
            elsewhere = elsewhere.or(other);
            rows += batch.num_rows() as u64;
        }
        let mut faults = Vec::new();
        if rows != at.file.rows {
            faults.push(Fault::new(&at.place, FaultKind::Rows, row_words(at.file.rows), row_words(rows)));
        }
        if let Some(words) = without_key.words() {
            let expected = format!("a value in each column of the key ({})", self.snapshot.primary_key.join(", "));
            faults.push(Fault::new(&at.place, FaultKind::NullKey, expected, format!("null in {words}")));
        }
        if let Some((column, value)) = outside {
            let expected = format!("a `{column}` within the range that the manifest tells");
            faults.push(Fault::new(&at.place, FaultKind::KeyRange, expected, format!("{value}, which a merge would not find")));
        }
        if let Some((words, folder)) = astray.words().zip(elsewhere) {
            let expected = format!("rows of `{}`", hive_folder(&self.levels(), &at.file.partition));
            faults.push(Fault::new(&at.place, FaultKind::Partition, expected, format!("{words}, of `{folder}`")));
        }
        Ok(faults)
    }

    /// Logs the keys of rows, and counts those without one.
    fn check_keys(
        &self,
        unit: u32,
        first: u64,
        batch: &RecordBatch,
        at: &FileAt,
        partitioner: &Partitioner,
        without_key: &mut Rows,
    ) -> Result<(), LakeError> {
        let key = self.snapshot.primary_key.as_slice();
        if key.is_empty() {
            return Ok(());
        }
        let arrays = key_arrays(batch, &at.file.partition, key, partitioner)?;
        let is_whole = |row: usize| arrays.len() == key.len() && arrays.iter().all(|array| !is_null(array, row));
        let nulls: Vec<usize> = match arrays.len() == key.len() && arrays.iter().all(|array| array.logical_null_count() == 0) {
            true => Vec::new(),
            false => (0..batch.num_rows()).filter(|row| !is_whole(*row)).collect(),
        };
        nulls.iter().for_each(|row| without_key.add(first + *row as u64));
        let Some(keys) = self.keys.as_ref().filter(|_| nulls.len() < batch.num_rows()) else { return Ok(()) };
        let mut hashes = Vec::new();
        hash_keys(&arrays, &mut hashes)?;
        let first = u32::try_from(first).map_err(|_| MergeError::UnitRows { unit })?;
        let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut from = 0;
        for end in nulls.iter().copied().chain([hashes.len()]) {
            keys.push(&hashes[from..end], unit, first.saturating_add(from as u32))?;
            from = end + 1;
        }
        Ok(())
    }

    /// Counts the rows that belong into another folder; the folder of one of them.
    fn check_partition(
        &self,
        first: u64,
        batch: &RecordBatch,
        at: &FileAt,
        astray: &mut Rows,
    ) -> Result<Option<String>, LakeError> {
        if !self.in_files.contains(&true) {
            return Ok(None);
        }
        // One for each batch, so that no file can name more folders than memory holds.
        let mut partitioner = Partitioner::new(&self.fields, &self.snapshot.schema)?;
        let mut folder = None;
        for routed in partitioner.route(batch)? {
            let mut values = partitioner.values(routed.partition);
            for (place, value) in values.iter_mut().enumerate().filter(|(place, _)| !self.in_files[*place]) {
                *value = at.file.partition.get(place).cloned().flatten();
            }
            if values != at.file.partition {
                routed.rows.iter().for_each(|row| astray.add(first + u64::from(row)));
                folder.get_or_insert_with(|| hive_folder(&self.levels(), &values));
            }
        }
        Ok(folder)
    }

    /// Names of the partition levels.
    pub(super) fn levels(&self) -> Vec<&str> {
        self.fields.iter().map(|field| field.name.as_str()).collect()
    }

    /// Rows whose key an earlier row of the table has, once all files were read; `files` are where they lie.
    ///
    /// # Errors
    /// [`LakeError::Merge`] when the disk takes no more keys.
    pub(super) async fn repeated_keys(self: &Arc<Self>, spill: PathBuf, files: Vec<FileAt>) -> Result<Vec<Fault>, LakeError> {
        let proof = Arc::clone(self);
        let work = blocking(move || Ok(proof.find_repeated(spill, &files)));
        work.await.map_err(|source| LakeError::of_disk("compare the keys of", Path::new(&self.table), source))?
    }

    fn find_repeated(&self, spill: PathBuf, files: &[FileAt]) -> Result<Vec<Fault>, LakeError> {
        let Some(keys) = &self.keys else { return Ok(Vec::new()) };
        let empty = || KeyLog::new(spill.clone(), KEY_BYTES);
        let keys = std::mem::replace(&mut *keys.lock().unwrap_or_else(PoisonError::into_inner), empty());
        let repeated = empty().finish(Some(keys))?.duplicate_live;
        let mut faults = Vec::new();
        for (unit, at) in (0..).zip(files) {
            let rows = repeated.of_unit(unit);
            let found = Rows { count: rows.count(), first: rows.iter().next().map(u64::from) };
            let Some(words) = found.words() else { continue };
            // The fault stands, whatever comes of reading its key again.
            let key = found.first.and_then(|row| self.key_at(at, row).ok()).unwrap_or_else(|| "?".to_owned());
            let expected = format!("one row a key ({})", self.snapshot.primary_key.join(", "));
            let found = format!("{words}, with the key of an earlier row: {key}");
            faults.push(Fault::new(&at.place, FaultKind::RepeatedKey, expected, found));
        }
        Ok(faults)
    }

    /// The key of a row, to be shown.
    fn key_at(&self, at: &FileAt, row: u64) -> Result<String, LakeError> {
        let adapted = self.adapt(open(&*self.files, at, None)?, at)?;
        let columns = key_places(&self.file_schema, &self.snapshot.primary_key);
        let (row, rows) = (row as usize, adapted.source().rows());
        let selection = RowSelection::from_consecutive_ranges(std::iter::once(row..row + 1), rows);
        let partitioner = Partitioner::new(&self.fields, &self.snapshot.schema)?;
        let mut texts = Vec::new();
        for batch in adapted.rows(adapted.row_groups(), &columns, Some(selection))? {
            for array in key_arrays(&batch?, &at.file.partition, &self.snapshot.primary_key, &partitioner)? {
                texts.push(array_value_to_string(&array, 0).unwrap_or_default());
            }
        }
        Ok(texts.join(", ").chars().take(KEY_CHARS).collect())
    }
}

/// A key column of rows that are not all within the range that is told of the file, and the value of the first that is not.
fn first_outside(batch: &RecordBatch, file: &DataFile) -> Option<(String, String)> {
    file.key_ranges.iter().find_map(|(name, range)| {
        let column = batch.column_by_name(name)?;
        let shown = array_value_to_string(column, range.first_outside(column)?).unwrap_or_default();
        Some((name.clone(), shown.chars().take(KEY_CHARS).collect()))
    })
}

fn is_null(array: &ArrayRef, row: usize) -> bool {
    array.logical_nulls().is_some_and(|nulls| nulls.is_null(row))
}

fn row_words(rows: u64) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// Opens the content that lies at a place, which is not hashed again by whoever reads it.
fn open(files: &dyn LiveFiles, at: &FileAt, etag: Option<String>) -> Result<LiveFile, LakeError> {
    files.open(&DataFile { path: at.path.clone(), etag, checksum: String::new(), ..at.file.clone() })
}

/// The checksum of an open file, in the pieces in which it was told.
fn hash(file: &LiveFile, at: &FileAt) -> Result<String, LakeError> {
    let (mut hash, mut offset, end) = (Hashing::like(&at.file.checksum), 0, file.len());
    while offset < end {
        let step = STEP_BYTES.min(end - offset);
        let bytes = file.get_bytes(offset, step as usize);
        hash.update(&bytes.map_err(|source| LakeError::Parquet { action: "read", path: at.place.clone(), source })?);
        offset += step;
    }
    Ok(hash.finish())
}

/// Whether an error tells of the file alone; else nothing can be said of it.
fn is_of_file(error: &LakeError) -> bool {
    let is_broken = |source: &std::io::Error| source.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
    error.kind() == ErrorKind::Data || matches!(error, LakeError::Disk { source, .. } if is_broken(source))
}
