//! A run as messages of Dagster Pipes: the assets that it made, and how it ended.
//!
//! In: the keys of the assets that Dagster waits for, the facts of a run. Out: messages, one JSON object each, in version 0.1 of the protocol
//! (<https://docs.dagster.io/guides/build/external-pipelines>). Pure. A table is the asset whose last part is its name; where Dagster waits for one asset
//! that is no table's, all tables are that.

use serde_json::{Map, Value, json};

use crate::pipeline::{ResourceFacts, ResourceResult, RunFacts};

/// The first message.
pub(crate) fn opened() -> Value {
    message("opened", json!({"extras": {}}))
}

/// The last message; with the error of a run whose exit code is not 0.
pub(crate) fn closed(error: Option<&str>) -> Value {
    let exception = error.map(|text| json!({"message": text, "name": "lakeward", "stack": [], "cause": null, "context": null}));
    message("closed", exception.map_or(json!({}), |exception| json!({"exception": exception})))
}

/// A message for each asset of `keys` (`a/b/c`) that the run has made.
pub(crate) fn materializations(keys: &[String], facts: &RunFacts) -> Vec<Value> {
    let of_result = |result: &'_ ResourceResult| match result {
        ResourceResult::Published(facts) => Some(facts.clone()),
        _ => None,
    };
    let published: Vec<Box<ResourceFacts>> = facts.resources.iter().filter_map(|(_, result)| of_result(result)).collect();
    let has_failed = facts.resources.iter().any(|(_, result)| matches!(result, ResourceResult::Failed { .. }));
    let of = |key: &'_ String| -> Option<(String, Map<String, Value>)> {
        let name = key.rsplit('/').next().unwrap_or_default();
        match published.iter().find(|facts| facts.table == name) {
            Some(table) => Some((key.clone(), metadata(std::slice::from_ref(table)))),
            // One asset for the whole run counts when all of it is there.
            None => (keys.len() == 1 && !has_failed && !published.is_empty()).then(|| (key.clone(), metadata(&published))),
        }
    };
    let told = keys.iter().filter_map(of).map(|(key, mut metadata)| {
        metadata.insert("lakeward/run_id".to_owned(), typed("text", facts.run_id.as_str().into()));
        let version = facts.version.map(|version| version.to_string());
        message("report_asset_materialization", json!({"asset_key": key, "data_version": version, "metadata": metadata}))
    });
    told.collect()
}

fn metadata(tables: &[Box<ResourceFacts>]) -> Map<String, Value> {
    let sum = |of: fn(&ResourceFacts) -> u64| typed("int", tables.iter().map(|table| of(table)).sum::<u64>().into());
    let named = [
        ("dagster/row_count", sum(|table| table.table_rows)),
        ("lakeward/rows_inserted", sum(|table| table.rows.rows_inserted)),
        ("lakeward/rows_updated", sum(|table| table.rows.rows_updated)),
        ("lakeward/rows_deleted", sum(|table| table.rows.rows_deleted)),
        ("lakeward/rejects", sum(|table| table.rejects)),
        ("lakeward/bytes", sum(|table| table.bytes)),
        ("lakeward/files", sum(|table| table.files)),
    ];
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn typed(kind: &str, value: Value) -> Value {
    json!({"raw_value": value, "type": kind})
}

fn message(method: &str, params: Value) -> Value {
    json!({"__dagster_pipes_version": "0.1", "method": method, "params": params})
}
