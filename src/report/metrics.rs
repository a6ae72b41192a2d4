//! A run in Prometheus' text format, for the textfile collector of the node exporter.
//!
//! In: the summary of a run, its exit code, and the file that the run before wrote. Out: the new file. Pure. Invariants: each series has the label
//! `pipeline`, and those of a resource `resource`; when a resource was last loaded stays told while it fails, so that its age can be alerted on.
//! The format is <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::DateTime;
use serde_json::Value;

/// When a resource was last loaded: the one series that outlives a run.
const LAST_SUCCESS: &str = "lakeward_resource_last_success_timestamp_seconds";

/// Facts of a resource in the summary that are numbers of their own: their names there, their names here, what they are.
const FACTS: [(&str, &str, &str); 15] = [
    ("pages", "pages", "Pages read."),
    ("requests", "requests", "Requests sent, retries included."),
    ("bytes_received", "received_bytes", "Bytes of the answers, decompressed."),
    ("records", "records", "Records read."),
    ("rows_inserted", "rows_inserted", "Rows that came."),
    ("rows_updated", "rows_updated", "Rows that changed."),
    ("rows_unchanged", "rows_unchanged", "Rows that came again as they are."),
    ("rows_deleted", "rows_deleted", "Rows that went."),
    ("rows_deduplicated", "rows_deduplicated", "Rows that another one of the same key superseded."),
    ("rejects", "rejects", "Records set aside."),
    ("table_rows", "table_rows", "Rows of the table."),
    ("files", "table_files", "Data files of the table."),
    ("bytes", "table_bytes", "Bytes of these files."),
    ("files_put", "files_put", "Files that the run wrote."),
    ("files_deleted", "files_deleted", "Files that the run took away."),
];

/// The series of one name.
struct Family {
    help: &'static str,
    series: Vec<(String, String)>,
}

/// The metrics of a run that ended like this; `before` is the file as the run before left it, empty for none.
pub(crate) fn metrics(summary: &Value, code: u8, before: &str) -> String {
    let kept = last_successes(before);
    let pipeline = match summary.get("pipeline").and_then(Value::as_str) {
        Some(name) => label("pipeline", name),
        // A config that cannot be read does not tell it; whoever alerts knows the series by the run before.
        None => pipeline_of(before).unwrap_or_else(|| label("pipeline", "")),
    };
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut add = |name: &str, help: &'static str, labels: String, value: String| {
        let family = families.entry(name.to_owned()).or_insert_with(|| Family { help, series: Vec::new() });
        family.series.push((labels, value));
    };
    let is = |value: bool| u8::from(value).to_string();
    add("lakeward_run_success", "Whether all of the last run is published.", pipeline.clone(), is(code == 0));
    add("lakeward_run_exit_code", "Exit code of the last run.", pipeline.clone(), code.to_string());
    let started = summary.get("started").and_then(Value::as_str).and_then(seconds);
    let took = summary.get("seconds").and_then(Value::as_f64);
    if let (Some(started), Some(took)) = (started, took) {
        add("lakeward_run_start_timestamp_seconds", "When the last run began.", pipeline.clone(), number(started));
        add("lakeward_run_duration_seconds", "How long the last run took.", pipeline.clone(), number(took));
    }
    let warnings = summary.get("warnings").and_then(Value::as_array).map_or(0, Vec::len);
    add("lakeward_run_warnings", "Warnings of the last run.", pipeline.clone(), warnings.to_string());
    let mut loaded: BTreeMap<String, String> = kept.into_iter().filter(|(labels, _)| labels.starts_with(&pipeline)).collect();
    for (resource, table) in summary.get("tables").and_then(Value::as_object).into_iter().flatten() {
        let labels = format!("{pipeline},{}", label("resource", resource));
        let status = table.get("status").and_then(Value::as_str).unwrap_or_default();
        if status == "skipped" {
            continue;
        }
        let is_good = matches!(status, "published" | "read_for_children" | "discarded");
        add("lakeward_resource_success", "Whether the resource was loaded.", labels.clone(), is(is_good));
        if let Some(completeness) = table.get("completeness").and_then(Value::as_str) {
            let help = "Whether the API's own count says that all records came; 0 where it has none.";
            add("lakeward_resource_complete", help, labels.clone(), is(completeness == "proven"));
        }
        for (fact, name, help) in FACTS {
            if let Some(value) = table.get(fact).and_then(Value::as_u64) {
                add(&format!("lakeward_resource_{name}"), help, labels.clone(), value.to_string());
            }
        }
        if let (true, Some(started), Some(took)) = (is_good, started, took) {
            loaded.insert(labels, number(started + took));
        }
    }
    for (labels, value) in loaded {
        add(LAST_SUCCESS, "When the resource was last loaded.", labels, value);
    }
    let mut text = String::new();
    for (name, Family { help, series }) in families {
        // A String takes everything.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in series {
            let _ = writeln!(text, "{name}{{{labels}}} {value}");
        }
    }
    text
}

/// The lines of an older file that go on to count, as labels and value.
fn last_successes(before: &str) -> Vec<(String, String)> {
    let of = |line: &str| {
        let (labels, value) = line.strip_prefix(LAST_SUCCESS)?.strip_prefix('{')?.rsplit_once("} ")?;
        value.parse::<f64>().ok()?;
        Some((labels.to_owned(), value.to_owned()))
    };
    before.lines().filter_map(of).collect()
}

/// The label of the pipeline that an older file is about.
fn pipeline_of(before: &str) -> Option<String> {
    let labels = before.lines().find_map(|line| line.strip_prefix("lakeward_run_success{")?.rsplit_once("} "))?.0;
    Some(labels.to_owned())
}

/// A label; the format escapes these three characters.
fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age fit a float64")]
fn seconds(time: &str) -> Option<f64> {
    DateTime::parse_from_rfc3339(time).ok().map(|time| time.timestamp_millis() as f64 / 1000.0)
}

fn number(value: f64) -> String {
    format!("{value:.3}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn summary(status: &str) -> Value {
        json!({
            "status": "success", "pipeline": "shop", "run_id": "r", "started": "2026-11-30T02:00:00.000Z", "seconds": 2.5,
            "tables": {"orders": {"status": status, "pages": 3, "requests": 4, "rows_inserted": 7, "table_rows": 70, "completeness": "proven"}},
            "warnings": [],
        })
    }

    #[test]
    fn when_a_resource_was_last_loaded_is_told_while_it_fails() {
        let first = metrics(&summary("published"), 0, "");
        let line = "lakeward_resource_last_success_timestamp_seconds{pipeline=\"shop\",resource=\"orders\"} 1796004002.500";
        assert!(first.lines().any(|found| found == line), "{first}");
        let then = metrics(&summary("failed"), 3, &first);
        assert!(then.lines().any(|found| found == line), "{then}");
        assert!(then.contains("lakeward_resource_success{pipeline=\"shop\",resource=\"orders\"} 0\n"), "{then}");
        let unread = json!({"status": "failed", "pipeline": null, "tables": {}, "warnings": []});
        let unread = metrics(&unread, 2, &then);
        assert!(unread.contains("lakeward_run_success{pipeline=\"shop\"} 0\n"), "{unread}");
        assert!(unread.lines().any(|found| found == line), "{unread}");
    }

    #[test]
    fn a_name_cannot_end_its_label() {
        let mut summary = summary("published");
        summary["pipeline"] = "a\"} 1\nb\\".into();
        let text = metrics(&summary, 0, "");
        assert!(text.contains("lakeward_run_success{pipeline=\"a\\\"} 1\\nb\\\\\"} 1\n"), "{text}");
        assert_eq!(metrics(&summary, 0, &text), text);
    }
}
