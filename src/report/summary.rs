//! The JSON summary: the last line of stdout of `run`, and the run report in the lake.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::base::{ErrorKind, Warning};
use crate::pipeline::{CursorFacts, Passage, ReadFacts, ResourceFacts, ResourceResult, RunFacts, RunStatus, SliceFacts, Told};

/// The exit code of a run: 0, 20 for a partial one, or that of the failure; 70 for a defect, whatever was published beside it.
pub(crate) fn exit_code(facts: &RunFacts) -> u8 {
    match facts.status() {
        _ if facts.has_defect() => ErrorKind::Internal.exit_code(),
        RunStatus::Success => 0,
        RunStatus::Partial => 20,
        RunStatus::Failed(kind) => kind.exit_code(),
    }
}

/// The summary of a run, one JSON object.
pub(crate) fn summary(facts: &RunFacts) -> Value {
    let status = match facts.status() {
        RunStatus::Success => "success",
        RunStatus::Partial => "partial",
        RunStatus::Failed(_) => "failed",
    };
    let passage = |name: &str| facts.passages.of.get(name);
    let mut tables: Map<String, Value> = facts
        .resources
        .iter()
        .map(|(name, result)| (name.clone(), with_passage(table(result, facts.is_dry), passage(name))))
        .collect();
    // Of a run that ended as a whole it is known how far each resource came.
    if facts.failure.is_some() {
        let begun = facts.passages.of.iter().filter(|(name, _)| !facts.resources.iter().any(|(known, _)| known == *name));
        tables.extend(begun.map(|(name, passage)| (name.clone(), with_passage(json!({"status": "interrupted"}), Some(passage)))));
    }
    let mut summary = json!({
        "status": status,
        "run_id": facts.run_id,
        "pipeline": facts.pipeline,
        "started": time(facts.started),
        "seconds": in_seconds(facts.took),
        "committing": facts.passages.committing.map(time),
        "version": facts.version,
        "tables": tables,
        "dropped": facts.dropped,
        "warnings": facts.warnings.iter().map(warning).collect::<Vec<Value>>(),
    });
    if facts.is_dry {
        mark_dry(&mut summary);
    }
    if let (Some(failure), Value::Object(members)) = (&facts.failure, &mut summary) {
        let why = [("kind", json!(failure.kind.name())), ("error", json!(failure.message)), ("hints", json!(failure.hints))];
        members.extend(why.map(|(name, value)| (name.to_owned(), value)));
    }
    summary
}

/// Says of a summary that it is that of a dry run.
pub(crate) fn mark_dry(summary: &mut Value) {
    summary["dry_run"] = Value::Bool(true);
}

/// As the summary tells a time.
fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn in_seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// What became of a resource, with how it went through the run.
fn with_passage(mut table: Value, passage: Option<&Passage>) -> Value {
    if let (Some(passage), Value::Object(members)) = (passage, &mut table) {
        for (name, at) in [("started", passage.started), ("pages_in", passage.pages_in), ("ended", passage.ended)] {
            members.extend(at.map(|at| (name.to_owned(), json!(time(at)))));
        }
        let waits = passage.waits.iter().map(
            |wait| json!({"why": wait.why, "times": wait.times, "seconds": in_seconds(wait.time), "first": time(wait.first)}),
        );
        members.insert("waits".to_owned(), waits.collect());
    }
    table
}

/// A warning as the summary lists it.
fn warning(Told { resource, warning }: &Told) -> Value {
    json!({"code": warning.code.name(), "resource": resource.as_deref(), "text": warning.text})
}

/// Adds a warning about the run as a whole to a summary that is made already.
pub(crate) fn add_warning(summary: &mut Value, late: &Warning) {
    if let Some(Value::Array(listed)) = summary.get_mut("warnings") {
        listed.push(warning(&Told { resource: None, warning: late.clone() }));
    }
}

/// The summary of a run that failed as a whole, before or beside its resources: locked, cancelled, no lake, no config. The pipeline is null
/// where the config does not tell it.
pub(crate) fn failure(pipeline: Option<&str>, kind: ErrorKind, message: &str, hints: &[String]) -> Value {
    json!({"status": "failed", "pipeline": pipeline, "kind": kind.name(), "error": message, "hints": hints, "tables": {}, "warnings": []})
}

fn table(result: &ResourceResult, is_dry: bool) -> Value {
    match result {
        ResourceResult::Published(facts) => published(facts, if is_dry { "ready" } else { "published" }),
        ResourceResult::Failed { kind, message, hints, pages, requests, resumed_pages } => {
            json!({"status": "failed", "kind": kind.name(), "error": message, "hints": hints, "pages": pages, "requests": requests, "resumed_pages": resumed_pages})
        }
        ResourceResult::Skipped => json!({"status": "skipped"}),
        ResourceResult::ForChildren(facts) => read("read_for_children", facts),
        ResourceResult::Discarded(facts) => read("discarded", facts),
    }
}

/// A resource that became no table.
fn read(status: &str, facts: &ReadFacts) -> Value {
    let mut table = json!({
        "status": status,
        "pages": facts.pages,
        "pages_ignored": facts.pages_ignored,
        "records": facts.records,
        "requests": facts.requests,
        "resumed_pages": facts.resumed_pages,
        "bytes_received": facts.bytes_received,
        "end_reason": facts.end_reason.name(),
        "completeness": facts.completeness.name(),
    });
    add_parents(&mut table, facts.parent_records.as_ref());
    table
}

fn add_parents(table: &mut Value, parents: Option<&SliceFacts>) {
    if let (Some(of), Value::Object(members)) = (parents, table) {
        let of = json!({"read": of.requested, "repeated": of.repeated, "skipped": of.skipped, "skipped_first": of.listed});
        members.insert("parent_records".to_owned(), of);
    }
}

fn published(facts: &ResourceFacts, status: &str) -> Value {
    let mut table = counts(facts, status);
    add_parents(&mut table, facts.parent_records.as_ref());
    if let (Some(cursors), Value::Object(members)) = (&facts.cursors, &mut table) {
        members.insert("incremental".to_owned(), incremental(cursors));
    }
    table
}

fn incremental(cursors: &CursorFacts) -> Value {
    json!({
        "last_value": cursors.last_value,
        "records_outside": cursors.outside,
        "records_repeated": cursors.repeated,
        "records_without_cursor": cursors.missing,
        "restarts": cursors.restarts,
        "ranges": cursors.ranges,
        "windows_failed": cursors.pending,
        "windows_again": cursors.again,
        "failure": cursors.failure,
    })
}

fn counts(facts: &ResourceFacts, status: &str) -> Value {
    json!({
        "status": status,
        "table": facts.table,
        "pages": facts.pages,
        "pages_ignored": facts.pages_ignored,
        "pages_null": facts.shaped.pages_null,
        "records": facts.records,
        "requests": facts.requests,
        "resumed_pages": facts.resumed_pages,
        "bytes_received": facts.bytes_received,
        "rows_written": facts.rows.rows_inserted + facts.rows.rows_updated,
        "rows_inserted": facts.rows.rows_inserted,
        "rows_updated": facts.rows.rows_updated,
        "rows_unchanged": facts.rows.rows_unchanged,
        "rows_deduplicated": facts.rows.rows_deduplicated,
        "rows_deleted": facts.rows.rows_deleted,
        "deletes_unmatched": facts.rows.deletes_unmatched,
        "records_filtered": facts.shaped.records_filtered,
        "records_added": facts.shaped.records_added,
        "values_discarded": facts.shaped.values_discarded,
        "numbers_rounded": facts.shaped.numbers_rounded,
        "characters_stripped": facts.shaped.characters_stripped,
        "partial_errors": facts.partial_errors,
        "rejects": facts.rejects,
        "quarantine": facts.quarantine,
        "end_reason": facts.end_reason.name(),
        "completeness": facts.completeness.name(),
        "table_rows": facts.table_rows,
        "files": facts.files,
        "bytes": facts.bytes,
        "files_put": facts.files_put,
        "files_reencoded": facts.rows.files_reencoded,
        "files_deleted": facts.files_deleted,
        "table_is_new": facts.columns.is_new_table,
        "new_columns": if facts.columns.is_new_table { &[] } else { &*facts.columns.new },
        "widened_columns": facts.columns.widened,
    })
}
