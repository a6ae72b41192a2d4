//! A Delta table as its log has it, with what our manifest knows of its files besides.
//!
//! In: the table's log, the listing of its folder, the last committed snapshot. Out: a [`Snapshot`] of the files that the log names. A file that
//! the manifest knows keeps its checksum and ranges; of others their own writer's word counts, and they are looked into where it says too little.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::ErrorKind;
use crate::lake::format::Remains;
use crate::lake::format::delta::actions::Add;
use crate::lake::format::delta::replay::{Listing, Log, Table, folder};
use crate::lake::format::delta::schema::{DeltaSchema, values_of};
use crate::lake::format::delta::{LogBase, SharedBase};
use crate::lake::parquet::ParquetSource;
use crate::lake::store::Found;
use crate::lake::trust::check_files;
use crate::lake::{DataFile, LakeError, Snapshot};
use serde_json::Value;

/// Differences that a message names.
const NAMED_FILES: usize = 5;

/// The table as its log has it.
///
/// # Errors
/// [`LakeError::Delta`] for a table that cannot be gone on with; [`LakeError::Foreign`] for files that the log names and that are gone;
/// [`LakeError::Unreadable`] for a damaged log; the store's.
pub(crate) async fn snapshot(log: Log<'_>, committed: Snapshot) -> Result<Snapshot, LakeError> {
    let found = log.store.list(log.table).await?;
    let (table, base) = base(log, &found).await?;
    let mut snapshot = read(log, committed, &table, base, &found).await?;
    let gone: Vec<String> = snapshot.files.iter().filter_map(|file| difference(file, &found)).collect();
    if gone.is_empty() {
        take_tags(&mut snapshot, &found);
        return Ok(snapshot);
    }
    let more_files = gone.len().saturating_sub(NAMED_FILES);
    let files = gone.into_iter().take(NAMED_FILES).collect();
    Err(LakeError::Foreign { table: log.table.to_owned(), place: log.store.place(log.table), is_new: false, files, more_files })
}

/// What is left of the table, whose files are all going to be removed: those of its log that are there, or those that the manifest knows where
/// the log cannot be gone on with.
///
/// # Errors
/// The store's.
pub(crate) async fn remains(log: Log<'_>, committed: Snapshot) -> Result<Remains, LakeError> {
    let found = log.store.list(log.table).await?;
    let told = match base(log, &found).await {
        Ok((table, base)) => read(log, committed.clone(), &table, base, &found).await,
        Err(error) => Err(error),
    };
    let (mut snapshot, broken) = match told {
        Ok(snapshot) => (snapshot, None),
        Err(error) if error.kind() == ErrorKind::Data => (committed, Some(error)),
        Err(error) => return Err(error),
    };
    snapshot.files.retain(|file| found.binary_search_by(|found| found.path.cmp(&file.path)).is_ok());
    take_tags(&mut snapshot, &found);
    Ok(Remains { others: besides(&snapshot, &found), snapshot, strangers: Vec::new(), broken })
}

/// The files in the table's folder that are none of `table`: its log, and what left it.
///
/// # Errors
/// The store's.
pub(crate) async fn files_besides(log: Log<'_>, table: &Snapshot) -> Result<Vec<DataFile>, LakeError> {
    Ok(besides(table, &log.store.list(log.table).await?))
}

/// The files of the log.
///
/// # Errors
/// The store's.
pub(crate) async fn log_files(log: Log<'_>) -> Result<Vec<DataFile>, LakeError> {
    Ok(besides(&Snapshot::default(), &log.store.list(&folder(log.table)).await?))
}

fn besides(table: &Snapshot, found: &[Found]) -> Vec<DataFile> {
    let is_live = |found: &&Found| table.files.binary_search_by(|file| file.path.cmp(&found.path)).is_ok();
    let besides = found.iter().filter(|found| !is_live(found)).map(|found| DataFile {
        path: found.path.clone(),
        partition: Vec::new(),
        rows: 0,
        bytes: found.bytes,
        etag: found.etag.clone(),
        checksum: String::new(),
        key_ranges: BTreeMap::new(),
    });
    besides.collect()
}

/// The table as its log has it, whether its files are there or not.
///
/// # Errors
/// As of [`snapshot`].
pub(crate) async fn current(log: Log<'_>, committed: Snapshot) -> Result<Snapshot, LakeError> {
    let found = log.store.list(log.table).await?;
    let (table, base) = base(log, &found).await?;
    read(log, committed, &table, base, &found).await
}

async fn base(log: Log<'_>, found: &[Found]) -> Result<(Table, SharedBase), LakeError> {
    let refused = |why: String| LakeError::Delta { place: log.store.place(log.table), table: log.table.to_owned(), why };
    let table = log.replay(&Listing::of(log.table, found)).await?;
    let table =
        table.ok_or_else(|| log.damaged(&folder(log.table), "it is gone, and with it what the table holds".to_owned()))?;
    let (protocol, metadata) = table.check().map_err(refused)?;
    let base = LogBase { version: table.version, protocol: protocol.clone(), metadata: metadata.clone() };
    Ok((table, Arc::new(base)))
}

async fn read(
    log: Log<'_>,
    committed: Snapshot,
    table: &Table,
    base: SharedBase,
    found: &[Found],
) -> Result<Snapshot, LakeError> {
    let refused = |why: String| LakeError::Delta { place: log.store.place(log.table), table: log.table.to_owned(), why };
    let levels = committed.partition_fields()?;
    let ours = DeltaSchema::of(&committed.schema, &levels).map_err(refused)?;
    let added = ours.added(&base.metadata.schema_string, &base.metadata.partition_columns).map_err(refused)?;
    let mut known: BTreeMap<String, DataFile> = committed.files.into_iter().map(|file| (file.path.clone(), file)).collect();
    let mut files = Vec::with_capacity(table.files.len());
    for (path, add) in &table.files {
        let path = format!("{}/{path}", log.table);
        if let Some(file) = known.remove(&path).filter(|file| file.bytes == add.size) {
            files.push(file);
            continue;
        }
        let partition = values_of(&levels, &committed.schema, &add.partition_values);
        let partition = partition.map_err(|why| refused(format!("`{path}` has {why}")))?;
        let there = found.binary_search_by(|found| found.path.cmp(&path)).ok().map(|at| &found[at]);
        let etag = there.and_then(|found| found.etag.clone());
        let file =
            DataFile { path, partition, rows: 0, bytes: add.size, etag, checksum: String::new(), key_ranges: BTreeMap::new() };
        check_files(log.table, std::slice::from_ref(&file)).map_err(|why| log.damaged(&folder(log.table), why))?;
        let rows = match (told_rows(add), there) {
            (Some(rows), _) => rows,
            (None, Some(_)) => counted_rows(log, &file).await?,
            (None, None) => 0,
        };
        files.push(DataFile { rows, ..file });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut schema = committed.schema;
    schema.columns.extend(added);
    Ok(Snapshot { schema, files, log: Some(base), ..committed })
}

/// Rows of a file, as its writer told.
fn told_rows(add: &Add) -> Option<u64> {
    serde_json::from_str::<Value>(add.stats.as_ref()?).ok()?.get("numRecords")?.as_u64()
}

/// Rows of a file, as its footer tells.
async fn counted_rows(log: Log<'_>, file: &DataFile) -> Result<u64, LakeError> {
    let (files, file) = (log.store.live_files(), file.clone());
    let counted =
        tokio::task::spawn_blocking(move || Ok(ParquetSource::open(files.open(&file)?, file.path.clone())?.rows() as u64));
    counted.await.map_err(|error| log.damaged(&folder(log.table), error.to_string()))?
}

/// What is wrong with a file that the log names.
fn difference(file: &DataFile, found: &[Found]) -> Option<String> {
    match found.binary_search_by(|found| found.path.cmp(&file.path)) {
        Err(_) => Some(format!("`{}` is missing", file.path)),
        Ok(at) if found[at].bytes != file.bytes => {
            Some(format!("`{}` has {} bytes instead of {}", file.path, found[at].bytes, file.bytes))
        }
        Ok(_) => None,
    }
}

/// Files are written once, so that the tag of what is there is that of the file.
fn take_tags(snapshot: &mut Snapshot, found: &[Found]) {
    for file in &mut snapshot.files {
        if let Ok(at) = found.binary_search_by(|found| found.path.cmp(&file.path)) {
            file.etag.clone_from(&found[at].etag);
        }
    }
}
