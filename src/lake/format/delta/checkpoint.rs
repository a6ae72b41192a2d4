//! Checkpoints of a Delta log: all that its commits say up to one of them, in one Parquet file.
//!
//! In: a [`Table`] at a version. Out: `<version>.checkpoint.parquet` and `_last_checkpoint`, so that a reader need not read every commit since the
//! first. Source: the Delta transaction log protocol, "Checkpoints". Invariants: a checkpoint says what the commits said, whole or not at
//! all; without it nothing is lost. Not here: deleting old commits (`vacuum`).

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

use crate::lake::LakeError;
use crate::lake::format::delta::actions::{Action, Txn};
use crate::lake::format::delta::replay::{Log, Table, checkpoint_path, folder};
use crate::lake::format::delta::rows::array_of;
use crate::lake::store::SMALL_BYTES_MAX;

/// Commits from one checkpoint to the next, as Delta's own writers do unless told otherwise.
pub(super) const INTERVAL: u64 = 10;

/// Writes a checkpoint of `table`. Files that were removed before `expired`, in milliseconds since 1970, are told no more.
///
/// # Errors
/// [`LakeError::Parquet`], [`LakeError::TooLarge`]; the store's.
pub(super) async fn write(log: Log<'_>, table: &Table, expired: i64) -> Result<(), LakeError> {
    let path = checkpoint_path(log.table, table.version);
    let actions = actions(table, expired);
    let failed = |source| LakeError::Parquet { action: "write", path: path.clone(), source };
    let content = encode(&actions).map_err(failed)?;
    if content.len() as u64 > SMALL_BYTES_MAX {
        return Err(LakeError::TooLarge {
            place: log.store.place(&path),
            bytes: content.len() as u64,
            bytes_max: SMALL_BYTES_MAX,
        });
    }
    let bytes = content.len();
    log.store.create(&path, content).await?;
    let last = json!({"version": table.version, "size": actions.len(), "sizeInBytes": bytes, "numOfAddFiles": table.files.len()});
    log.store.put(&format!("{}/_last_checkpoint", folder(log.table)), last.to_string().into_bytes()).await
}

fn actions(table: &Table, expired: i64) -> Vec<Action> {
    let mut actions: Vec<Action> = table.protocol.clone().map(Action::of_protocol).into_iter().collect();
    actions.extend(table.metadata.clone().map(Action::of_metadata));
    let txn = |(app_id, version): (&String, &i64)| Txn { app_id: app_id.clone(), version: *version, last_updated: None };
    actions.extend(table.txns.iter().map(txn).map(|txn| Action { txn: Some(txn), ..Action::default() }));
    // What is in a checkpoint changes nothing by being read.
    actions.extend(table.files.values().cloned().map(|mut add| {
        add.data_change = false;
        Action::of_add(add)
    }));
    let recent = table.removed.values().filter(|remove| remove.deletion_timestamp.is_some_and(|time| time >= expired)).cloned();
    actions.extend(recent.map(|mut remove| {
        remove.data_change = false;
        Action::of_remove(remove)
    }));
    actions
}

fn encode(actions: &[Action]) -> Result<Vec<u8>, ParquetError> {
    let rows: Vec<Value> = actions.iter().map(|action| json!(action)).collect();
    let schema = Arc::new(Schema::new(fields()));
    let rows = array_of(&rows.iter().map(Some).collect::<Vec<_>>(), &DataType::Struct(schema.fields().clone()))?;
    let batch = RecordBatch::from(StructArray::clone(rows.as_struct()));
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    writer.write(&batch)?;
    writer.into_inner()
}

/// The columns of a checkpoint.
fn fields() -> Fields {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let int = |name: &str| Field::new(name, DataType::Int32, true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    let texts = |name: &str| Field::new(name, DataType::List(Arc::new(text("element"))), true);
    let object = |name: &str, fields: Vec<Field>| Field::new(name, DataType::Struct(fields.into()), true);
    let map = |name: &str| {
        let entry = DataType::Struct(vec![Field::new("key", DataType::Utf8, false), text("value")].into());
        Field::new(name, DataType::Map(Arc::new(Field::new("key_value", entry, false)), false), true)
    };
    vec![
        object("txn", vec![text("appId"), long("version"), long("lastUpdated")]),
        object(
            "add",
            vec![text("path"), map("partitionValues"), long("size"), long("modificationTime"), flag("dataChange"), text("stats")],
        ),
        object(
            "remove",
            vec![
                text("path"),
                long("deletionTimestamp"),
                flag("dataChange"),
                flag("extendedFileMetadata"),
                map("partitionValues"),
                long("size"),
            ],
        ),
        object(
            "metaData",
            vec![
                text("id"),
                text("name"),
                text("description"),
                object("format", vec![text("provider"), map("options")]),
                text("schemaString"),
                texts("partitionColumns"),
                map("configuration"),
                long("createdTime"),
            ],
        ),
        object(
            "protocol",
            vec![int("minReaderVersion"), int("minWriterVersion"), texts("readerFeatures"), texts("writerFeatures")],
        ),
    ]
    .into()
}
