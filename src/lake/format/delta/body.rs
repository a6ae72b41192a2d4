//! What a commit of ours says in a Delta log.
//!
//! In: a prepared table, and the commit as it is drafted. Out: the actions of one commit of the Delta log, staged, so that whoever publishes says the
//! same. Not in it: the time, and the version of our commit, which is known only once it is in our log.

use chrono::DateTime;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::config::StoredAs;
use crate::lake::format::delta::actions::{Action, Add, Metadata, Protocol, Remove, encode_path};
use crate::lake::format::delta::schema::{DeltaSchema, partition_values};
use crate::lake::format::delta::{LogBase, features, stats};
use crate::lake::format::{FileChange, PreparedTable};
use crate::lake::log::{Commit, LogCommit, Purpose};
use crate::lake::store::Store;
use crate::lake::{DataFile, LakeError, Layout};

/// Stages what `commit` says in the Delta log of `table`; nothing where it changes nothing that readers of the log see.
///
/// # Errors
/// [`LakeError::Delta`] where Delta does not have what the table has; [`LakeError::Disk`], [`LakeError::Parquet`] for the files; the store's.
pub(crate) async fn stage(
    store: &dyn Store,
    layout: &Layout,
    commit: &Commit,
    table: &PreparedTable,
) -> Result<Option<LogCommit>, LakeError> {
    let name = &table.table;
    let refused = |why: String| LakeError::Delta { place: store.place(name), table: name.clone(), why };
    let Some(actions) = Body { commit, table, pipeline: layout.pipeline() }.actions(&refused)? else { return Ok(None) };
    let body = Action::lines(&actions);
    let staged = format!("{}/{name}.delta", layout.staging(&commit.run));
    store.put(&staged, body.clone()).await?;
    let is_blind =
        table.changes.iter().all(|change| matches!(change, FileChange::Put { replaces: None, .. })) && table.base_log().is_some();
    let has_metadata = actions.iter().any(|action| action.meta_data.is_some());
    Ok(Some(LogCommit {
        base: table.base_log().map(|base| base.version),
        staged,
        bytes: body.len() as u64,
        checksum: format!("{:016x}", xxh3_64(&body)),
        is_blind: is_blind && !has_metadata && table.after.primary_key.is_empty(),
        is_beside: table.after.stored_as == StoredAs::DeltaBeside,
    }))
}

struct Body<'a> {
    commit: &'a Commit,
    table: &'a PreparedTable,
    pipeline: &'a str,
}

impl Body<'_> {
    fn actions(&self, refused: &impl Fn(String) -> LakeError) -> Result<Option<Vec<Action>>, LakeError> {
        let table = self.table;
        let levels = table.after.partition_fields()?;
        let schema = DeltaSchema::of(&table.after.schema, &levels);
        let schema = schema.map_err(|why| LakeError::NotInDelta { table: table.table.clone(), why })?;
        let metadata = self.metadata(&schema);
        let is_new = table.begins_log;
        if table.changes.is_empty() && metadata.is_none() && !is_new {
            return Ok(None);
        }
        let rows_change = !matches!(self.commit.purpose, Purpose::Compaction | Purpose::Restoration);
        let mut actions = vec![Action { commit_info: Some(self.commit_info()), ..Action::default() }];
        if is_new {
            let (min_reader_version, min_writer_version) = features::PLAIN;
            actions.push(Action::of_protocol(Protocol { min_reader_version, min_writer_version, ..Protocol::default() }));
        }
        actions.extend(metadata.map(Action::of_metadata));
        let base = table.base_log();
        if base.is_some_and(|base| features::is_append_only(&base.metadata)) && self.takes_away() && rows_change {
            return Err(refused("rows may only be added to it (`delta.appendOnly`)".to_owned()));
        }
        let names: Vec<String> = levels.iter().map(|level| level.name.clone()).collect();
        for file in self.removed() {
            actions.push(Action::of_remove(Remove {
                path: self.path(file),
                deletion_timestamp: Some(self.millis()),
                data_change: rows_change,
                extended_file_metadata: Some(true),
                partition_values: Some(partition_values(&self.base_levels(&names), &file.partition)),
                size: Some(file.bytes),
            }));
        }
        let arrow = table.after.schema.to_file_arrow();
        for change in &table.changes {
            let FileChange::Put { file, spooled, .. } = change else { continue };
            let told = stats::stats(&stats::footer(spooled)?, &arrow);
            actions.push(Action::of_add(self.add(file, &names, rows_change, Some(told))));
        }
        if is_new {
            // What the table had before it had a log.
            let is_put = |file: &DataFile| {
                table.changes.iter().any(|change| matches!(change, FileChange::Put { file: put, .. } if put.path == file.path))
            };
            for file in table.after.files.iter().filter(|file| !is_put(file)) {
                let told = format!(r#"{{"numRecords":{}}}"#, file.rows);
                actions.push(Action::of_add(self.add(file, &names, rows_change, Some(told))));
            }
        }
        Ok(Some(actions))
    }

    fn add(&self, file: &DataFile, levels: &[String], data_change: bool, stats: Option<String>) -> Add {
        Add {
            path: self.path(file),
            partition_values: partition_values(levels, &file.partition),
            size: file.bytes,
            modification_time: self.millis(),
            data_change,
            stats,
            deletion_vector: None,
        }
    }

    /// Files that leave the table. One that is replaced in place does not: what the log says of its path is said anew.
    fn removed(&self) -> impl Iterator<Item = &DataFile> {
        let is_new = self.table.begins_log;
        self.table.changes.iter().filter_map(move |change| match change {
            FileChange::Retire { file } | FileChange::Delete { file } if !is_new => Some(file),
            _ => None,
        })
    }

    fn takes_away(&self) -> bool {
        self.removed().next().is_some()
    }

    /// Names of the levels that removed files have: those of the table before.
    fn base_levels(&self, now: &[String]) -> Vec<String> {
        self.table.base_log().map_or_else(|| now.to_vec(), |base| base.metadata.partition_columns.clone())
    }

    /// The table's metadata, where a reader of the log has to be told it.
    fn metadata(&self, schema: &DeltaSchema) -> Option<Metadata> {
        let fields = schema.fields.to_string();
        let Some(base) = self.table.base_log() else {
            let is_told = !self.table.begins_log && !self.table.has_other_columns;
            return (!is_told).then(|| Metadata {
                id: self.id(),
                name: Some(self.table.table.clone()),
                schema_string: fields,
                partition_columns: schema.partition_columns.clone(),
                created_time: Some(self.millis()),
                ..Metadata::default()
            });
        };
        let is_same =
            schema.added(&base.metadata.schema_string, &base.metadata.partition_columns).is_ok_and(|added| added.is_empty());
        (!is_same).then(|| Metadata {
            schema_string: fields,
            partition_columns: schema.partition_columns.clone(),
            ..base.metadata.clone()
        })
    }

    /// An id that the table has for life.
    fn id(&self) -> String {
        let hash = xxh3_128(format!("{}/{}", self.pipeline, self.table.table).as_bytes());
        let hex = format!("{hash:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    fn path(&self, file: &DataFile) -> String {
        let below = file.path.strip_prefix(&self.table.table).map_or(file.path.as_str(), |path| path.trim_start_matches('/'));
        encode_path(below)
    }

    /// When the commit was drafted, in milliseconds since 1970.
    fn millis(&self) -> i64 {
        DateTime::parse_from_rfc3339(&self.commit.written).map_or(0, |time| time.timestamp_millis())
    }

    fn commit_info(&self) -> Value {
        let (table, commit) = (self.table, self.commit);
        let added = table.changes.iter().filter(|change| matches!(change, FileChange::Put { .. })).count();
        let stats = table.stats;
        let metrics = [
            ("numAddedFiles", added as u64),
            ("numRemovedFiles", self.removed().count() as u64),
            ("numSourceRows", stats.rows_in),
            ("numTargetRowsInserted", stats.rows_inserted),
            ("numTargetRowsUpdated", stats.rows_updated),
            ("numTargetRowsDeleted", stats.rows_deleted),
        ];
        // Delta's readers take metrics for texts.
        let metrics: Map<String, Value> =
            metrics.into_iter().map(|(name, count)| (name.to_owned(), count.to_string().into())).collect();
        json!({
            "operation": operation(commit.purpose, self.takes_away()),
            "operationParameters": {"purpose": commit.purpose.name()},
            "operationMetrics": metrics,
            "engineInfo": concat!("lakeward/", env!("CARGO_PKG_VERSION")),
            "run": commit.run,
        })
    }
}

/// What Delta calls an operation.
fn operation(purpose: Purpose, takes_away: bool) -> &'static str {
    match purpose {
        Purpose::Compaction => "OPTIMIZE",
        Purpose::Rollback { .. } | Purpose::Abandonment { .. } | Purpose::Restoration => "RESTORE",
        _ if takes_away => "MERGE",
        _ => "WRITE",
    }
}

impl PreparedTable {
    /// The version of the Delta log that the edits stand on.
    pub(super) fn base_log(&self) -> Option<&LogBase> {
        self.after.log.as_deref()
    }
}
