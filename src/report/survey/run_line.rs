//! A run in a line, by its report or by what else is known of it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

/// A run in a line.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct RunLine {
    /// Its id.
    pub(crate) run: String,
    /// When it began.
    pub(crate) started: String,
    /// How long it took, where it is over.
    pub(crate) seconds: Option<f64>,
    /// `success`, `partial`, `failed`, `cancelled`, `refused`, `killed`, `running`, or what a commit that is no run's was made for.
    pub(crate) status: String,
    /// What the operator has to do, as the summary spells it.
    pub(crate) kind: Option<String>,
    /// What ended it as a whole.
    pub(crate) error: Option<String>,
    /// What gets out of that.
    pub(crate) hints: Vec<String>,
    /// The version that it left.
    pub(crate) version: Option<u64>,
    /// Tables that it published.
    pub(crate) published: u64,
    /// Resources that failed, in the order of the config.
    pub(crate) failed: Vec<String>,
    /// Rows that came.
    pub(crate) inserted: u64,
    /// Rows that changed.
    pub(crate) updated: u64,
    /// Rows that went.
    pub(crate) deleted: u64,
    /// Requests sent, retries included.
    pub(crate) requests: u64,
    /// Records set aside.
    pub(crate) rejects: u64,
    /// Pauses, over all resources.
    pub(crate) waits: u64,
    /// How long they were together, in seconds.
    pub(crate) waited_seconds: f64,
    /// Warnings that matter.
    pub(crate) warnings: u64,
}

/// The number at a key.
pub(super) fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// The text at a key.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// The texts of a list.
pub(super) fn texts(value: &Value, key: &str) -> Vec<String> {
    value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A time of a report.
pub(crate) fn time_of(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// How a report says that its run ended.
pub(super) fn status_of(report: &Value) -> String {
    let status = text(report, "status").unwrap_or_else(|| "?".to_owned());
    match text(report, "kind").as_deref() {
        Some("cancelled") => "cancelled".to_owned(),
        _ => status,
    }
}

/// Whether `check --online` shows what an error of this kind is about: the config, or what the API answers.
pub(super) fn is_seen_by_check(kind: &str) -> bool {
    matches!(kind, "config" | "data")
}

/// A run by its report.
pub(crate) fn run_line(report: &Value) -> RunLine {
    let mut line = RunLine {
        run: text(report, "run_id").unwrap_or_default(),
        started: text(report, "started").unwrap_or_default(),
        seconds: report.get("seconds").and_then(Value::as_f64),
        status: status_of(report),
        kind: text(report, "kind"),
        error: text(report, "error"),
        hints: texts(report, "hints"),
        version: report.get("version").and_then(Value::as_u64),
        warnings: report.get("warnings").and_then(Value::as_array).map_or(0, |warnings| warnings.len() as u64),
        ..RunLine::default()
    };
    for (name, table) in report.get("tables").and_then(Value::as_object).into_iter().flatten() {
        match table.get("status").and_then(Value::as_str) {
            Some("published") => line.published += 1,
            Some("failed") => line.failed.push(name.clone()),
            _ => {}
        }
        line.inserted += number(table, "rows_inserted");
        line.updated += number(table, "rows_updated");
        line.deleted += number(table, "rows_deleted");
        line.requests += number(table, "requests");
        line.rejects += number(table, "rejects");
        for wait in table.get("waits").and_then(Value::as_array).into_iter().flatten() {
            line.waits += number(wait, "times");
            line.waited_seconds += wait.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
        }
    }
    line
}
