//! The runs and operations that `status` lists: how each ended, and why one is not published whole.
//!
//! In: what was seen of a lake, its reports and commits. Out: lines.

use serde_json::Value;

use crate::base::start_of;
use crate::cli::history::purpose_words;
use crate::lake::{Inspection, Purpose};
use crate::report;

/// Runs that are shown.
const RUNS_SHOWN: usize = 10;
/// Tables of one run whose failure is shown.
const REASONS_SHOWN: usize = 3;
/// Characters of a failure that are shown.
const REASON_CHARS: usize = 400;

/// A run or an operation, as it is listed.
struct Ran {
    began: String,
    status: String,
    seconds: String,
    run: String,
    /// Why it is not all published.
    why: Vec<String>,
}

/// The last runs and operations on the lake, and those that were killed, as far as a later one has found what they left; without the failures that `told`
/// has already.
pub(super) fn lines(seen: &Inspection, told: &[String]) -> Vec<String> {
    let reported = seen.reports.iter().rev().map(|run| {
        let text = |key: &str| run.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
        let seconds = run.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
        let status = if text("kind") == "cancelled" { text("kind") } else { text("status") };
        let why = if status == "success" { Vec::new() } else { reasons(run, told) };
        Ran { began: text("started"), status, seconds: format!("{seconds:.1} s"), run: text("run_id"), why }
    });
    let mut all: Vec<Ran> = reported.collect();
    for commit in &seen.commits {
        let ran = |began: &str, status: &str, run: &str| Ran {
            began: began.to_owned(),
            status: status.to_owned(),
            seconds: String::new(),
            run: run.to_owned(),
            why: Vec::new(),
        };
        if !matches!(commit.purpose, Purpose::Run) {
            let at = all_before(&all, &commit.written);
            all.insert(at, ran(&commit.written, &purpose_words(commit.purpose), &commit.run));
        }
        for killed in &commit.fences {
            // It ended before the run that has found it.
            let began = began(killed);
            let at = all.iter().position(|ran| ran.run == commit.run).map_or_else(|| all_before(&all, &began), |at| at + 1);
            all.insert(at, ran(&began, "killed", killed));
        }
    }
    if all.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), "last runs".to_owned()];
    for Ran { began, status, seconds, run, why } in all.into_iter().take(RUNS_SHOWN) {
        lines.push(format!("  {began}  {status:10} {seconds:>11}  {run}"));
        lines.extend(why.iter().map(|why| format!("    {}", start_of(why, REASON_CHARS))));
    }
    lines
}

/// Why a run is not published whole, by its report: what ended it, or the tables that failed.
fn reasons(run: &Value, told: &[String]) -> Vec<String> {
    let is_new = |error: &str| !told.iter().any(|line| line.contains(error));
    if let Some(error) = run.get("error").and_then(Value::as_str) {
        return Some(error.to_owned()).filter(|error| is_new(error)).into_iter().collect();
    }
    let failed = run.get("tables").and_then(Value::as_object).into_iter().flatten();
    let failed = failed.filter(|(_, table)| table.get("status").and_then(Value::as_str) == Some("failed"));
    let why = |(name, table): (&String, &Value)| {
        let error = table.get("error").and_then(Value::as_str).unwrap_or("it does not say why");
        is_new(error).then(|| if error.starts_with(&format!("`{name}`")) { error.to_owned() } else { format!("{name}: {error}") })
    };
    let mut reasons: Vec<String> = failed.filter_map(why).collect();
    let more = reasons.len().saturating_sub(REASONS_SHOWN);
    reasons.truncate(REASONS_SHOWN);
    reasons.extend((more > 0).then(|| format!("and {} more", report::counted(more as u64, "table"))));
    reasons
}

/// Where one that began then stands among others, the newest first.
fn all_before(all: &[Ran], began: &str) -> usize {
    all.iter().position(|ran| ran.began.as_str() < began).unwrap_or(all.len())
}

/// When a run began, as its name tells: `2026-11-30T06-34-04Z-7b649e`.
fn began(run: &str) -> String {
    let (date, time) = run.split_once('T').unwrap_or((run, ""));
    format!("{date}T{}Z", time.split('Z').next().unwrap_or_default().replace('-', ":"))
}
