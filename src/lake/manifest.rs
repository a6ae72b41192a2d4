//! Manifests: what a table is after a commit.
//!
//! A manifest is named by a hash of its content and never changes, so writing it twice is harmless and a commit can name it
//! before it counts. Etags of files that the manifest's own commit puts are not in it (no store tells them before the
//! publish): [`load`] takes them from that commit's `.done`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use crate::config::{Compat, StoredAs};
use crate::lake::log::{FORMAT, TableRef, check_size, parse_json, read_done, to_json};
use crate::lake::parquet::{KeyRanges, read_ranges};
use crate::lake::store::Store;
use crate::lake::trust::{NUMBER_MAX, check_files};
use crate::lake::{DataFile, LakeError, Layout, Snapshot};
use crate::schema::TableSchema;

/// The content of a manifest. It has thousands of files, so that what it is written from and read from is borrowed; ranges are
/// read as raw text, because what another lakeward says there may be unknown to this one.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest<'a, Ranges> {
    format: u32,
    table: Cow<'a, str>,
    /// The run that wrote it, so that no two runs give the same name: a collection may be about to remove the one of the other.
    #[serde(default)]
    run: Cow<'a, str>,
    schema: serde_json::Value,
    primary_key: Cow<'a, [String]>,
    partition_by: Vec<PartitionLevel>,
    next_number: u64,
    /// `legacy` or `modern`: which readers open all files. Absent where an older lakeward wrote some.
    #[serde(skip_serializing_if = "Option::is_none")]
    compat: Option<Cow<'a, str>>,
    /// What the files are published as; absent where they are all that there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_as: Option<Cow<'a, str>>,
    files: Vec<ManifestFile<'a, Ranges>>,
}

/// A partition level in its config spelling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PartitionLevel {
    name: String,
    column: String,
    transform: String,
}

/// A live file.
#[derive(Debug, Serialize, Deserialize)]
struct ManifestFile<'a, Ranges> {
    path: Cow<'a, str>,
    partition: Cow<'a, [Option<String>]>,
    rows: u64,
    bytes: u64,
    checksum: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<Cow<'a, str>>,
    /// Ranges of key columns, by which a merge rules the file out. Absent where an older lakeward wrote the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_ranges: Option<Ranges>,
}

/// A manifest as it is written: its name tells its content.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

/// A table's manifest, as `run` writes it.
pub(crate) fn encode(run: &str, table: &str, state: &Snapshot) -> Encoded {
    let level = |(name, column, transform): &(String, String, String)| PartitionLevel {
        name: name.clone(),
        column: column.clone(),
        transform: transform.clone(),
    };
    let content = to_json(&Manifest {
        format: FORMAT,
        table: table.into(),
        run: run.into(),
        schema: state.schema.to_json(),
        primary_key: state.primary_key.as_slice().into(),
        partition_by: state.partition_by.iter().map(level).collect(),
        next_number: state.next_number,
        compat: state.compat.map(|compat| compat.name().into()),
        stored_as: (state.stored_as != StoredAs::Plain).then(|| state.stored_as.name().into()),
        files: state.files.iter().map(ManifestFile::of).collect(),
    });
    Encoded { name: file_name(table, &content), content }
}

impl<'a> ManifestFile<'a, &'a KeyRanges> {
    fn of(file: &'a DataFile) -> Self {
        Self {
            path: file.path.as_str().into(),
            partition: file.partition.as_slice().into(),
            rows: file.rows,
            bytes: file.bytes,
            checksum: file.checksum.as_str().into(),
            etag: file.etag.as_deref().map(Cow::from),
            key_ranges: Some(&file.key_ranges).filter(|ranges| !ranges.is_empty()),
        }
    }
}

/// The name of a manifest with this content.
fn file_name(table: &str, bytes: &[u8]) -> String {
    format!("{table}-{:032x}.json", xxh3_128(bytes))
}

/// Writes a manifest, unless it is there. Its name tells its content, so that anything else under it is damaged: it is
/// written anew, and a commit that names it can count on it.
///
/// # Errors
/// [`LakeError::TooLarge`]; the store's.
pub(crate) async fn store(store: &dyn Store, layout: &Layout, Encoded { name, content }: Encoded) -> Result<(), LakeError> {
    let path = layout.manifest(&name);
    check_size(store, &path, &content)?;
    if store.create(&path, content.clone()).await? {
        return Ok(());
    }
    // Refused for what is there, or for another write at the same instant, which may have failed.
    match store.get(&path).await? {
        Some(there) if there.bytes == content => Ok(()),
        there => {
            tracing::warn!(place = store.place(&path), was_there = there.is_some(), "a damaged manifest is written anew");
            store.put(&path, content).await
        }
    }
}

/// Reads the table that a commit refers to.
///
/// # Errors
/// [`LakeError::Unreadable`] when the manifest is missing, damaged or another table's.
pub(crate) async fn load(store: &dyn Store, layout: &Layout, table: &str, entry: &TableRef) -> Result<Snapshot, LakeError> {
    let path = layout.manifest(&entry.manifest);
    let damaged = |why: String| LakeError::Unreadable { place: store.place(&path), why };
    let blob = store.get(&path).await?.ok_or_else(|| damaged("it is missing".to_owned()))?;
    let manifest: Manifest<'_, BTreeMap<String, &RawValue>> = parse_json(store, &path, &blob.bytes)?;
    // A lying range would hide the row that a merge replaces, and double its key.
    let is_as_written = entry.manifest == file_name(table, &blob.bytes);
    let done = read_done(store, layout, entry.version).await?;
    let schema = TableSchema::from_json(&manifest.schema)
        .map_err(|error| damaged(format!("its schema is not what lakeward writes: {error}")))?;
    let files = manifest.files.into_iter().map(|file| DataFile {
        etag: done.etags.get(&*file.path).cloned().or(file.etag.map(Cow::into_owned)),
        path: file.path.into_owned(),
        partition: file.partition.into_owned(),
        rows: file.rows,
        bytes: file.bytes,
        checksum: file.checksum.into_owned(),
        key_ranges: file.key_ranges.filter(|_| is_as_written).map(read_ranges).unwrap_or_default(),
    });
    let files: Vec<DataFile> = files.collect();
    if manifest.table != table {
        return Err(damaged(format!("it is of table {:?}", manifest.table)));
    }
    check_files(table, &files).map_err(damaged)?;
    let stored_as = match manifest.stored_as.as_deref() {
        None => StoredAs::Plain,
        Some(name) => {
            StoredAs::parse(name).ok_or_else(|| damaged(format!("it is stored as {name:?}, which a newer lakeward knows")))?
        }
    };
    if manifest.next_number > NUMBER_MAX {
        return Err(damaged(format!("{} is no number of a file", manifest.next_number)));
    }
    Ok(Snapshot {
        schema,
        primary_key: manifest.primary_key.into_owned(),
        partition_by: manifest.partition_by.into_iter().map(|level| (level.name, level.column, level.transform)).collect(),
        files,
        next_number: manifest.next_number,
        compat: [Compat::Legacy, Compat::Modern].into_iter().find(|compat| manifest.compat.as_deref() == Some(compat.name())),
        stored_as,
        log: None,
    })
}
