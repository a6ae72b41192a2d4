//! Runs as a terminal shows them: a line each, and one of them in full.

use serde_json::Value;

use crate::base::{count, counted, quoted, shown, start_of};
use crate::lake::RejectReason;
use crate::report::survey::run_line::{is_seen_by_check, number, text, texts};
use crate::report::survey::{Night, RunLine, Typed, changed_words, clock_words, seconds_of, time_of};
use crate::report::{bytes, duration};

/// Characters of an error in a line of the list.
const REASON_CHARS: usize = 160;
/// Characters of a record that was set aside.
const SAMPLE_CHARS: usize = 200;
/// Signs of the longest bar of a timeline.
const BAR: usize = 40;

/// What a run changed.
pub(crate) fn run_changed(run: &RunLine) -> String {
    let night = Night {
        run: String::new(),
        started: String::new(),
        status: String::new(),
        seconds: None,
        inserted: run.inserted,
        updated: run.updated,
        deleted: run.deleted,
        rows: None,
        rejects: 0,
    };
    changed_words(&night)
}

/// Runs, a line each, and why one is not whole.
pub(crate) fn runs_lines(runs: &[RunLine]) -> Vec<String> {
    let widest = runs.iter().map(|run| run.status.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for run in runs {
        let took = run.seconds.map_or_else(|| "–".to_owned(), |seconds| duration(seconds_of(seconds)));
        let status = shown(&run.status);
        let mut line = format!("  {}  {status:widest$}  {took:>10}  {}", clock_words(&run.started), run.run);
        if run.published > 0 {
            line.push_str(&format!("  {}: {}", counted(run.published, "table"), run_changed(run)));
        }
        if !run.failed.is_empty() {
            line.push_str(&format!("  failed: {}", run.failed.join(", ")));
        }
        for (number, what) in [(run.warnings, "warning"), (run.rejects, "reject")] {
            if number > 0 {
                line.push_str(&format!("  {}", counted(number, what)));
            }
        }
        lines.push(line);
        lines.extend(run.error.as_deref().map(|error| format!("    {}", start_of(error, REASON_CHARS))));
    }
    lines
}

/// When a resource worked, among the seconds of its run.
pub(crate) struct Track {
    /// The resource.
    pub(crate) resource: String,
    /// What became of it.
    pub(crate) status: String,
    /// Its beginning, the end of its pages, and its end, in seconds from the run's beginning.
    pub(crate) from: f64,
    /// See [`Track::from`].
    pub(crate) pages: f64,
    /// See [`Track::from`].
    pub(crate) to: f64,
}

/// The timeline of a run, as far as its report has one, and how long it is in seconds.
pub(crate) fn timeline(report: &Value) -> (Vec<Track>, f64) {
    let begin = text(report, "started").as_deref().and_then(time_of);
    let after = |table: &Value, key: &str| {
        let at = text(table, key).as_deref().and_then(time_of)?;
        let gone = (at - begin?).to_std().ok()?;
        Some(gone.as_secs_f64())
    };
    let whole = report.get("seconds").and_then(Value::as_f64).filter(|seconds| seconds.is_finite()).unwrap_or(0.0);
    let mut tracks = Vec::new();
    for (resource, table) in report.get("tables").and_then(Value::as_object).into_iter().flatten() {
        let Some(from) = after(table, "started") else { continue };
        let to = after(table, "ended").unwrap_or(whole).max(from);
        let pages = after(table, "pages_in").unwrap_or(to).clamp(from, to);
        let status = text(table, "status").unwrap_or_default();
        tracks.push(Track { resource: resource.clone(), status, from, pages, to });
    }
    let end = tracks.iter().map(|track| track.to).fold(whole, f64::max);
    (tracks, end)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a bar")]
fn bar(track: &Track, end: f64) -> String {
    let place = |seconds: f64| ((seconds / end.max(0.001)) * BAR as f64).round() as usize;
    let (from, pages, to) = (place(track.from), place(track.pages), place(track.to));
    let (pages, to) = (pages.max(from).min(BAR), to.max(from + 1).min(BAR));
    let sign = |at: usize| {
        if at < from || at >= to {
            ' '
        } else if at < pages {
            '█'
        } else {
            '▒'
        }
    };
    (0..BAR).map(sign).collect()
}

/// A run with all that is known of it.
pub(crate) fn run_detail_lines(pipeline: &str, run: &RunLine, report: Option<&Value>, rejects: &[RejectReason]) -> Vec<String> {
    let took = run.seconds.map_or_else(String::new, |seconds| format!(", took {}", duration(seconds_of(seconds))));
    let version = run.version.map_or_else(String::new, |version| format!(", commit {version}"));
    let mut lines = vec![format!(
        "{pipeline}: run {} of {}: {}{took}{version}",
        run.run,
        clock_words(&run.started),
        run.status.to_uppercase()
    )];
    if let Some(error) = &run.error {
        let kind = run.kind.as_deref().map_or_else(String::new, |kind| format!(" ({kind})"));
        lines.push(format!("error{kind}: {error}"));
        lines.extend(run.hints.iter().map(|hint| format!("  hint: {hint}")));
    }
    let Some(report) = report else { return lines };
    let (tracks, end) = timeline(report);
    if !tracks.is_empty() {
        let widest = tracks.iter().map(|track| shown(&track.resource).chars().count()).max().unwrap_or(0);
        lines.push(format!("timeline of {} (█ pages, ▒ files)", duration(seconds_of(end))));
        for track in &tracks {
            let name = shown(&track.resource);
            let took = duration(seconds_of(track.to - track.from));
            lines.push(format!("  {name:widest$}  |{}|  {took}  {}", bar(track, end), track.status));
        }
    }
    for (resource, table) in report.get("tables").and_then(Value::as_object).into_iter().flatten() {
        lines.extend(resource_lines(resource, table));
    }
    let warnings = report.get("warnings").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for warning in warnings {
        let of = text(warning, "resource").map_or_else(String::new, |resource| format!("{resource}: "));
        let code = text(warning, "code").unwrap_or_default();
        lines.push(format!("warning {code}: {of}{}", text(warning, "text").unwrap_or_default()));
    }
    for reason in rejects {
        lines.push(format!("rejects of {}: {} {}", reason.table, counted(reason.records, "record"), reject_words(reason)));
        lines.extend(reason.samples.iter().map(|sample| format!("  {}", start_of(sample, SAMPLE_CHARS))));
    }
    lines
}

/// Why records were set aside.
pub(crate) fn reject_words(reason: &RejectReason) -> String {
    let at = if reason.path.is_empty() { String::new() } else { format!(" at `{}`", reason.path) };
    match reason.actual.as_str() {
        "" => format!("({}{at})", reason.expected),
        actual => format!("(expected {}{at}, found {actual})", reason.expected),
    }
}

fn resource_lines(resource: &str, table: &Value) -> Vec<String> {
    let status = text(table, "status").unwrap_or_default();
    let mut parts = Vec::new();
    for (key, what) in [("requests", "request"), ("pages", "page"), ("records", "record")] {
        if let Some(number) = table.get(key).and_then(Value::as_u64) {
            parts.push(counted(number, what));
        }
    }
    if let Some(resumed) = table.get("resumed_pages").and_then(Value::as_u64).filter(|pages| *pages > 0) {
        parts.push(format!("{} kept by an interrupted run", counted(resumed, "page")));
    }
    if let Some(received) = table.get("bytes_received").and_then(Value::as_u64) {
        parts.push(bytes(received));
    }
    if status == "published" {
        let signs = [("+", "rows_inserted"), ("~", "rows_updated"), ("-", "rows_deleted")];
        let rows = signs.iter().filter(|(_, key)| number(table, key) > 0);
        let rows: Vec<String> = rows.map(|(sign, key)| format!("{sign}{}", count(number(table, key)))).collect();
        parts.push(if rows.is_empty() { "no change".to_owned() } else { rows.join(" ") });
        parts.push(format!("{} in the table", counted(number(table, "table_rows"), "row")));
        parts.extend(text(table, "completeness").map(|completeness| format!("completeness {completeness}")));
    }
    let mut lines = vec![format!("{resource}: {status}: {}", parts.join(", ")).trim_end_matches(": ").to_owned()];
    for wait in table.get("waits").and_then(Value::as_array).into_iter().flatten() {
        let seconds = wait.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
        let (times, why) = (counted(number(wait, "times"), "pause"), text(wait, "why").unwrap_or_default());
        lines.push(format!("  waited {} in {times}: {why}", duration(seconds_of(seconds))));
    }
    if let Some(error) = text(table, "error") {
        let kind = text(table, "kind").unwrap_or_default();
        lines.push(format!("  error ({kind}): {error}"));
        lines.extend(texts(table, "hints").iter().map(|hint| format!("    hint: {hint}")));
    }
    lines
}

/// What to type next.
pub(crate) fn run_next(run: &RunLine, report: Option<&Value>, typed: &Typed) -> Vec<String> {
    let config = typed.config();
    let kinds = report.and_then(|report| report.get("tables")?.as_object()).into_iter().flatten();
    let kinds = kinds.filter_map(|(_, table)| text(table, "kind")).chain(run.kind.clone());
    let is_for_check = kinds.into_iter().any(|kind| is_seen_by_check(&kind));
    let only: String = run.failed.iter().map(|name| format!(" --resource {}", quoted(name))).collect();
    let next = match run.status.as_str() {
        "success" | "running" => None,
        _ if is_for_check => Some(format!("lakeward check {config} --online")),
        "partial" | "failed" => Some(format!("lakeward run {config}{only}")),
        "refused" | "cancelled" | "killed" => Some(format!("lakeward run {config}")),
        _ => None,
    };
    let rejects = (run.rejects > 0).then(|| format!("lakeward repair {config}"));
    next.into_iter().chain(rejects).map(|next| format!("→ {next}")).collect()
}
