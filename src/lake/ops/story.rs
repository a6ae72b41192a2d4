//! What there is to tell of one table or one run beyond the survey: how the schema came about, some rows, and what was set aside and why.
//!
//! In: a lake that is surveyed, a table or the report of a run. Out: facts. Bounded: so many versions of a table, rows of one file, lines of the
//! quarantine. Content counts only behind its checksum. Nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::base::blocking;
use crate::lake::log::{Commit, TableRef, read_commit, versions};
use crate::lake::ops::SurveyedLake;
use crate::lake::parquet::ParquetSource;
use crate::lake::{LakeError, Layout, Snapshot, manifest};
use crate::schema::{ColumnType, TableSchema};

/// Commits that are looked through for the versions of a table.
const COMMITS_LOOKED: u64 = 100;
/// Commits that are read at once.
const AT_ONCE: usize = 16;
/// Versions of a table that are compared.
const VERSIONS_MAX: usize = 60;
/// Largest file of which rows are shown: it is read whole, for its checksum.
const SAMPLE_BYTES_MAX: u64 = 256 << 20;
/// Files of rejects of a run that are read.
const REJECT_FILES_MAX: usize = 20;
/// Bytes of them.
const REJECT_BYTES_MAX: usize = 64 << 20;
/// Reasons that are told apart.
const REASONS_MAX: usize = 50;
/// Records that are shown of each.
const SAMPLES_MAX: usize = 3;

/// A table as a person looks at it.
#[derive(Debug)]
pub(crate) struct TableStory {
    /// The table.
    pub(crate) snapshot: Snapshot,
    /// Where its files are, as readers write it.
    pub(crate) place: String,
    /// How its schema came about, the newest change first.
    pub(crate) changes: Vec<SchemaChange>,
}

/// What a commit changed of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaChange {
    /// The commit.
    pub(crate) version: u64,
    /// When it was made.
    pub(crate) written: String,
    /// Columns that came, with their types.
    pub(crate) added: Vec<(String, String)>,
    /// Columns that went.
    pub(crate) removed: Vec<String>,
    /// Columns of another type: the old and the new one.
    pub(crate) retyped: Vec<(String, String, String)>,
    /// Nothing older is known.
    pub(crate) is_first: bool,
}

/// Records that were set aside for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RejectReason {
    /// The table.
    pub(crate) table: String,
    /// What of the record could not be taken.
    pub(crate) path: String,
    /// What was expected there.
    pub(crate) expected: String,
    /// What was found.
    pub(crate) actual: String,
    /// How many.
    pub(crate) records: u64,
    /// Some of them, as they came.
    pub(crate) samples: Vec<String>,
}

/// The tables of a pipeline, with the commits by which they came about.
#[derive(Debug)]
pub(crate) struct Stories {
    lake: SurveyedLake,
    layout: Layout,
    /// The newest commits, the newest first, without a gap.
    commits: Vec<Commit>,
}

impl Stories {
    /// A table; `None` where there is none of that name. Its schema is followed back over `versions` of it at most.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn table(&self, table: &str, versions: usize) -> Result<Option<TableStory>, LakeError> {
        let (store, layout) = (&*self.lake.store, &self.layout);
        let Some(entry) = self.commits.first().and_then(|head| head.tables.get(table)) else { return Ok(None) };
        let snapshot = manifest::load(store, layout, table, entry).await?;
        let mut newer: Option<(u64, String, TableSchema)> = None;
        let mut changes = Vec::new();
        for (version, written, entry) in self.versions_of(table).take(versions.min(VERSIONS_MAX)) {
            let schema = match manifest::load(store, layout, table, entry).await {
                Ok(snapshot) => snapshot.schema,
                // It was collected.
                Err(LakeError::Unreadable { .. }) => break,
                Err(error) => return Err(error),
            };
            if let Some((version, written, after)) = newer.take() {
                changes.extend(change(version, written, &schema, &after));
            }
            newer = Some((version, written.to_owned(), schema));
        }
        if let Some((version, written, schema)) = newer {
            let added = schema.columns.iter().map(|it| (it.name.clone(), spelled_type(&it.column_type))).collect();
            changes.push(SchemaChange { version, written, added, removed: Vec::new(), retyped: Vec::new(), is_first: true });
        }
        Ok(Some(TableStory { snapshot, place: store.place(table), changes }))
    }

    /// The versions of a table, the newest first: each with its commit and when that was made.
    fn versions_of(&self, table: &str) -> impl Iterator<Item = (u64, &str, &TableRef)> {
        let known = self.commits.iter().map_while(move |commit| Some((commit, commit.tables.get(table)?)));
        let mut last = None;
        known.filter_map(move |(commit, entry)| {
            // A commit that did not change it names the one that did.
            let is_new = entry.version == commit.version && last.replace(entry.version) != Some(entry.version);
            is_new.then_some((commit.version, commit.written.as_str(), entry))
        })
    }
}

impl SurveyedLake {
    /// The tables of a pipeline, one by one.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn stories(&self, pipeline: &str) -> Result<Stories, LakeError> {
        let (store, layout) = (&*self.store, Layout::new(pipeline));
        let newest = versions(store, &layout).await?.head;
        let mut commits = Vec::new();
        if let Some(head) = read_commit(store, &layout, newest).await? {
            let oldest = newest.saturating_sub(COMMITS_LOOKED - 1).max(head.oldest).max(1);
            commits.push(head);
            let older = stream::iter((oldest..newest).rev().map(|version| read_commit(store, &layout, version)));
            let older: Vec<Option<Commit>> = older.buffered(AT_ONCE).try_collect().await?;
            commits.extend(older.into_iter().map_while(|commit| commit));
        }
        Ok(Stories { lake: self.clone(), layout, commits })
    }

    /// Some rows of a table, from its smallest file that has any, with the values that its folder tells; `None` where there is none, or it is too large
    /// to be read for that.
    ///
    /// # Errors
    /// [`LakeError::Damaged`]; [`LakeError::Parquet`]; the store's.
    pub(crate) async fn sample(&self, table: &Snapshot, rows: usize) -> Result<Option<RecordBatch>, LakeError> {
        let with_rows = table.files.iter().filter(|file| file.rows > 0 && file.bytes <= SAMPLE_BYTES_MAX);
        let Some(file) = with_rows.min_by_key(|file| file.bytes).cloned() else { return Ok(None) };
        let (files, partition_by) = (self.store.live_files(), table.partition_by.clone());
        let read = move || {
            let source = ParquetSource::open(files.open(&file)?, file.path.clone())?;
            let batch = source.read(vec![0], None, None, rows)?.next().transpose()?;
            Ok::<_, LakeError>(
                batch.map(|batch| with_folders(&batch.slice(0, batch.num_rows().min(rows)), &partition_by, &file.partition)),
            )
        };
        let unread = |source| LakeError::Disk { action: "read", path: "a data file".into(), source };
        blocking(move || Ok(read())).await.map_err(unread)?
    }

    /// What was set aside in a run, by its report, table by table and reason by reason, most records first.
    ///
    /// # Errors
    /// The store's; lines that cannot be read are passed over.
    pub(crate) async fn rejects_of(&self, pipeline: &str, report: &Value) -> Result<Vec<RejectReason>, LakeError> {
        let layout = Layout::new(pipeline);
        let tables = report.get("tables").and_then(Value::as_object).into_iter().flatten();
        let paths = tables.flat_map(|(_, table)| table.get("quarantine").and_then(Value::as_array).into_iter().flatten());
        let (mut found, mut bytes) = (BTreeMap::<[String; 4], RejectReason>::new(), 0);
        for path in paths.filter_map(Value::as_str).take(REJECT_FILES_MAX) {
            let Some((table, _)) = layout.parse_quarantine(path).filter(|_| !path.contains("..")) else { continue };
            let Some(blob) = self.store.get(path).await? else { continue };
            bytes += blob.bytes.len();
            if bytes > REJECT_BYTES_MAX {
                break;
            }
            for line in blob.bytes.split(|byte| *byte == b'\n') {
                let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
                let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let mut key = [table.to_owned(), text("path"), text("expected"), text("actual")];
                if !found.contains_key(&key) && found.len() >= REASONS_MAX {
                    key = [table.to_owned(), String::new(), "other reasons".to_owned(), String::new()];
                }
                let [table, path, expected, actual] = key.clone();
                let reason =
                    found.entry(key).or_insert(RejectReason { table, path, expected, actual, records: 0, samples: Vec::new() });
                reason.records += 1;
                if reason.samples.len() < SAMPLES_MAX {
                    let number = |key: &str| line.get(key).and_then(Value::as_u64).unwrap_or(0);
                    reason.samples.push(format!("page {}, record {}: {}", number("page"), number("record"), text("raw")));
                }
            }
        }
        let mut found: Vec<RejectReason> = found.into_values().collect();
        found.sort_by(|a, b| (&a.table, b.records).cmp(&(&b.table, a.records)));
        Ok(found)
    }
}

/// What became of a schema, if anything did.
fn change(version: u64, written: String, before: &TableSchema, after: &TableSchema) -> Option<SchemaChange> {
    let added = after.columns.iter().filter(|column| before.column(&column.name).is_none());
    let added: Vec<(String, String)> = added.map(|column| (column.name.clone(), spelled_type(&column.column_type))).collect();
    let removed = before.columns.iter().filter(|column| after.column(&column.name).is_none());
    let removed: Vec<String> = removed.map(|column| column.name.clone()).collect();
    let retyped = after.columns.iter().filter_map(|column| {
        let old = &before.column(&column.name)?.column_type;
        let (old, new) = (spelled_type(old), spelled_type(&column.column_type));
        (old != new).then(|| (column.name.clone(), old, new))
    });
    let retyped: Vec<_> = retyped.collect();
    let is_changed = !added.is_empty() || !removed.is_empty() || !retyped.is_empty();
    is_changed.then_some(SchemaChange { version, written, added, removed, retyped, is_first: false })
}

/// A type with all that is in it, as readers tell it apart: the digits of numbers are no other type.
fn spelled_type(column_type: &ColumnType) -> String {
    match column_type {
        ColumnType::Int64 { .. } => "int64".to_owned(),
        ColumnType::List(element) => format!("list of {}", spelled_type(element)),
        ColumnType::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("{}: {}", field.name, spelled_type(&field.column_type)));
            format!("struct {{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Rows of a file with what its folder tells, as text.
fn with_folders(rows: &RecordBatch, levels: &[(String, String, String)], values: &[Option<String>]) -> RecordBatch {
    let schema = rows.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    for ((name, ..), value) in levels.iter().zip(values) {
        if schema.column_with_name(name).is_none() {
            fields.push(Arc::new(Field::new(name, DataType::Utf8, true)));
            columns.push(Arc::new(StringArray::from(vec![value.as_deref(); rows.num_rows()])));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap_or_else(|_| rows.clone())
}
