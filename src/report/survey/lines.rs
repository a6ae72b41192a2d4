//! A survey as a terminal shows it: a line a pipeline, a line a table, and below it what is wrong with what to type.

use std::time::Duration;

use crate::base::{count, counted, shown, start_of};
use crate::report::survey::{Night, PipelineSurvey, State, Survey, TableSurvey, time_of};
use crate::report::{bytes, duration};

/// Characters of an error or a warning in a line.
const TEXT_CHARS: usize = 300;
/// Characters of a table's name or a cursor in its column.
const CELL_CHARS: usize = 40;
/// Nights that are drawn.
const NIGHTS_DRAWN: usize = 30;

/// The overview of a lake.
pub(crate) fn status_lines(survey: &Survey) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, pipeline) in survey.pipelines.iter().enumerate() {
        if at > 0 {
            lines.push(String::new());
        }
        lines.push(head(pipeline));
        lines.extend(table_lines(&pipeline.tables));
        for note in &pipeline.notes {
            lines.push(note.text.clone());
            lines.extend(note.hints.iter().map(|hint| format!("  → {hint}")));
        }
    }
    lines
}

fn head(pipeline: &PipelineSurvey) -> String {
    let mut parts = vec![pipeline.name.clone()];
    if let Some(run) = &pipeline.at_work {
        parts.push(format!("run {run} is at work"));
    }
    match &pipeline.last_run {
        Some(run) => {
            let took = run.seconds.map_or_else(String::new, |seconds| format!(", {}", duration(seconds_of(seconds))));
            parts.push(format!("last run {} UTC {}{took}", clock_words(&run.started), run.status.to_uppercase()));
            if run.waits > 0 {
                let (waits, time) = (counted(run.waits, "pause"), duration(seconds_of(run.waited_seconds)));
                parts.push(format!("{} of {time}", waits));
            }
        }
        None => parts.push("no run is known of".to_owned()),
    }
    parts.extend(pipeline.next_due.as_deref().map(|due| format!("next due {}", clock_words(due))));
    let bad = pipeline.tables.iter().filter(|table| table.state != State::Ok).count() as u64;
    let all = counted(pipeline.tables.len() as u64, "table");
    parts.push(if bad == 0 { all } else { format!("{} of {all} not ok", count(bad)) });
    parts.join("   ")
}

/// `2026-11-30T03:00:12.123Z` as `2026-11-30 03:00`.
pub(crate) fn clock_words(time: &str) -> String {
    time_of(time).map_or_else(|| time.to_owned(), |time| time.format("%Y-%m-%d %H:%M").to_string())
}

/// Seconds as a report has them.
pub(crate) fn seconds_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// An age in its largest unit: `5 h`, `4 d`.
pub(crate) fn age_words(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// What a night changed: `+3,201 ~880 -12`.
pub(crate) fn changed_words(night: &Night) -> String {
    let signs = [("+", night.inserted), ("~", night.updated), ("-", night.deleted)];
    let parts: Vec<String> =
        signs.iter().filter(|(_, rows)| *rows > 0).map(|(sign, rows)| format!("{sign}{}", count(*rows))).collect();
    if parts.is_empty() { "no change".to_owned() } else { parts.join(" ") }
}

/// The rows that came or changed each night, the oldest first, a night a sign: `▁▂▃×`.
fn drawn(nights: &[Night]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let rows = |night: &Night| night.inserted.saturating_add(night.updated).saturating_add(night.deleted);
    let most = nights.iter().map(rows).max().unwrap_or(0).max(1);
    let bar = |night: &Night| match night.status.as_str() {
        "published" => {
            let at = usize::try_from(rows(night).saturating_mul(7).div_ceil(most)).unwrap_or(7);
            BARS.get(at).copied().unwrap_or('█')
        }
        "refused" | "cancelled" | "killed" => '·',
        _ => '×',
    };
    nights.iter().take(NIGHTS_DRAWN).rev().map(bar).collect()
}

fn table_lines(tables: &[TableSurvey]) -> Vec<String> {
    if tables.is_empty() {
        return Vec::new();
    }
    let head =
        ["table", "state", "age", "rows", "last load", "complete", "files", "small?", "cursor", "nights"].map(str::to_owned);
    let rows: Vec<[String; 10]> = tables.iter().map(cells).collect();
    let width = |at: usize| rows.iter().chain([&head]).map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..10).map(width).collect();
    let line = |row: &[String; 10]| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&head)];
    for (table, row) in tables.iter().zip(&rows) {
        lines.push(line(row));
        lines.extend(wrong(table));
    }
    lines
}

fn cells(table: &TableSurvey) -> [String; 10] {
    let cell = |text: &str| shown(&start_of(text, CELL_CHARS)).into_owned();
    let none = || "–".to_owned();
    [
        cell(&table.table),
        table.state.word().to_owned(),
        table.age_seconds.map_or_else(none, age_words),
        count(table.rows),
        table.last.as_ref().map_or_else(none, changed_words),
        table.completeness.as_deref().map_or_else(none, cell),
        format!("{} ({})", count(table.files), bytes(table.bytes)),
        if table.to_compact { format!("{} small", count(table.small_files)) } else { none() },
        table.cursor.as_deref().map_or_else(none, cell),
        drawn(&table.nights),
    ]
}

/// What is wrong with a table, and what to type.
fn wrong(table: &TableSurvey) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(error) = &table.error {
        let since = match error.times {
            0 | 1 => clock_words(&error.since),
            times => format!("{times} times since {}", clock_words(&error.since)),
        };
        let kind = if error.kind.is_empty() { String::new() } else { format!("{}, ", error.kind) };
        lines.push(format!("  {kind}{since}: {}", start_of(&error.text, TEXT_CHARS)));
        lines.extend(error.hints.iter().map(|hint| format!("    hint: {}", start_of(hint, TEXT_CHARS))));
    }
    lines.extend(table.warnings.iter().map(|warning| format!("  {}: {}", warning.code, start_of(&warning.text, TEXT_CHARS))));
    if table.rejects > 0 && table.state == State::Warn {
        lines.push(format!("  {} in quarantine", counted(table.rejects, "record")));
    }
    lines.extend(table.next.as_ref().map(|next| format!("  → {next}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn night(status: &str, inserted: u64) -> Night {
        Night {
            run: String::new(),
            started: String::new(),
            status: status.to_owned(),
            seconds: None,
            inserted,
            updated: 0,
            deleted: 0,
            rows: None,
            rejects: 0,
        }
    }

    #[test]
    fn nights_are_drawn_from_the_oldest_and_failures_stand_out() {
        let nights =
            [night("failed", 0), night("published", 100), night("refused", 0), night("published", 1), night("published", 0)];
        assert_eq!(drawn(&nights), "▁▂·█×");
    }

    #[test]
    fn ages_have_one_unit() {
        let words = [5, 119, 7_200, 47 * 3_600, 4 * 86_400].map(age_words);
        assert_eq!(words, ["5 s", "1 min", "2 h", "47 h", "4 d"]);
    }
}
