//! Counts, sizes and times as people read them, and a run in a few lines.

use std::time::Duration;

use crate::base::{count, counted};
use crate::pipeline::{Completeness, CursorFacts, ResourceFacts, ResourceResult, RunFacts};
use crate::schema::ColumnType;
use crate::source::EndReason;

/// Bytes in decimal units: `80.8 MB`.
#[expect(clippy::cast_precision_loss, reason = "for reading, three digits are shown")]
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (number as f64, 0);
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A time as `850 ms`, `12.3 s`, `4 m 05 s`, `3 h 20 m`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
    }
}

/// A column's type with all that is in it: `list of struct {key: text, value: text}`.
pub(crate) fn type_words(column_type: &ColumnType) -> String {
    match column_type {
        ColumnType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{}: {}", field.name, type_words(&field.column_type))).collect();
            format!("struct {{{}}}", fields.join(", "))
        }
        ColumnType::List(element) => format!("list of {}", type_words(element)),
        // Past 2^53 it is the same type to whoever reads the table.
        ColumnType::Int64 { .. } => "int64".to_owned(),
        scalar => scalar.to_string(),
    }
}

/// Where an incremental resource stands, and what it dropped.
fn cursor_words(cursors: &CursorFacts) -> String {
    let mut parts = vec![cursors.last_value.as_ref().map_or_else(String::new, |last| format!("cursor at {last}"))];
    for (number, what) in
        [(cursors.outside, "outside the range"), (cursors.repeated, "loaded already"), (cursors.missing, "without a cursor")]
    {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    if cursors.restarts > 0 {
        parts.push(format!("{} times begun anew where the API's cursor had expired", count(cursors.restarts)));
    }
    if cursors.pending > 0 {
        let (failed, all) = (count(cursors.pending), count(cursors.ranges));
        parts.push(format!("{failed} of {all} windows failed; the next run fetches them again"));
    }
    if cursors.again > 0 {
        parts.push(format!("{} fetched again behind one that had failed", counted(cursors.again, "window")));
    }
    parts.retain(|part| !part.is_empty());
    if cursors.is_range {
        parts.insert(0, "cursor left as it is".to_owned());
    }
    if parts.is_empty() { "no cursor yet".to_owned() } else { parts.join(", ") }
}

/// A finished run, a few lines a resource.
pub(crate) fn run_lines(facts: &RunFacts) -> Vec<String> {
    let mut lines = Vec::new();
    if facts.is_dry {
        lines.push("dry run: nothing was written into the lake; a run that finds the same would do this:".to_owned());
    }
    for (name, result) in &facts.resources {
        match result {
            ResourceResult::Published(table) => {
                lines.extend(published_lines(name, table));
                if facts.is_dry {
                    lines.extend(column_words(table).map(|words| format!("{:width$}  {words}", "", width = name.len())));
                }
            }
            ResourceResult::Failed { message, hints, .. } => {
                // The message names the resource for those who read it alone.
                let named = format!("`{name}`, ");
                lines.push(format!("{name}: failed: {}", message.strip_prefix(&named).unwrap_or(message)));
                lines.extend(hints.iter().map(|hint| format!("{:width$}  hint: {hint}", "", width = name.len())));
            }
            ResourceResult::Skipped => lines.push(format!("{name}: skipped, as its write_disposition says")),
            ResourceResult::ForChildren(facts) => lines.push(format!(
                "{name}: read for its children, no table: {} on {} ({})",
                counted(facts.records, "record"),
                counted(facts.pages, "page"),
                whole(facts.completeness, facts.end_reason)
            )),
            ResourceResult::Discarded(facts) => {
                lines.push(format!(
                    "{name}: {} read and not loaded, as its schema_contract says",
                    counted(facts.records, "record")
                ));
            }
        }
    }
    lines.extend(facts.dropped.iter().map(|table| format!("table `{table}`: dropped, as no resource of the config has it")));
    lines
}

/// A published table, a few lines.
fn published_lines(name: &str, table: &ResourceFacts) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(format!(
        "{name}: {} on {} ({}): {}",
        counted(table.records, "record"),
        counted(table.pages, "page"),
        of_parents(table).unwrap_or_else(|| whole(table.completeness, table.end_reason).to_owned()),
        became(table).join(", ")
    ));
    lines.push(format!(
        "{:width$}  {} in {}, {}; {} written, {} removed",
        "",
        counted(table.table_rows, "row"),
        counted(table.files, "file"),
        bytes(table.bytes),
        count(table.files_put),
        count(table.files_deleted),
        width = name.len()
    ));
    if table.resumed_pages > 0 {
        let (kept, pages) = (count(table.resumed_pages), counted(table.pages, "page"));
        lines.push(format!("{:width$}  {kept} of {pages} kept by an interrupted run", "", width = name.len()));
    }
    if let Some(of) = table.parent_records.as_ref().filter(|of| of.skipped > 0) {
        let (read, skipped) = (count(of.requested), count(of.skipped));
        lines.push(format!("{:width$}  read for {read} records of its parent, skipped for {skipped}", "", width = name.len()));
    }
    if let Some(cursors) = &table.cursors {
        lines.push(format!("{:width$}  {}", "", cursor_words(cursors), width = name.len()));
    }
    if let Some(first) = table.quarantine.first() {
        let folder = first.rsplit_once('/').map_or("", |(folder, _)| folder);
        lines.push(format!("{:width$}  quarantine: {folder}/ in the lake", "", width = name.len()));
    }
    lines
}

/// What becomes of the table's columns, where something does.
fn column_words(table: &ResourceFacts) -> Option<String> {
    let columns = &table.columns;
    if columns.is_new_table {
        return Some(format!("a new table with {}", counted(columns.new.len() as u64, "column")));
    }
    let new = (!columns.new.is_empty()).then(|| format!("new columns: {}", columns.new.join(", ")));
    let wider = (!columns.widened.is_empty()).then(|| format!("wider: {}", columns.widened.join(", ")));
    let words: Vec<String> = new.into_iter().chain(wider).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// What became of the records.
fn became(table: &ResourceFacts) -> Vec<String> {
    let rows = table.rows;
    let mut parts = vec![format!("{} new", count(rows.rows_inserted))];
    for (number, what) in [
        (rows.rows_updated, "changed"),
        (rows.rows_unchanged, "unchanged"),
        (rows.rows_deleted, "deleted"),
        (rows.deletes_unmatched, "not there to delete"),
        (rows.rows_deduplicated, "repeated in this run"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    if table.pages_ignored > 0 {
        parts.push(format!("{} dropped by rules", counted(table.pages_ignored, "page")));
    }
    // Those that the cursor drops are told with it.
    let by_cursor = table.cursors.as_ref().map_or(0, |cursors| cursors.outside + cursors.repeated);
    let filtered = table.shaped.records_filtered.saturating_sub(by_cursor);
    for (number, what) in [(filtered, "filtered out"), (table.shaped.records_added, "added by explode")] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number)));
        }
    }
    if table.shaped.values_discarded > 0 {
        parts.push(format!("{} left out, as its schema or contract says", counted(table.shaped.values_discarded, "value")));
    }
    if table.rejects > 0 {
        parts.push(format!("{} in quarantine", count(table.rejects)));
    }
    parts
}

/// That each of the parent's records has one page, where it has.
fn of_parents(table: &ResourceFacts) -> Option<String> {
    let of = table.parent_records.as_ref().filter(|of| of.requested > 0)?;
    let is_only = table.end_reason == EndReason::SinglePage && table.completeness == Completeness::Unknown;
    let each = || format!("the only page of each of {} of its parent", counted(of.requested, "record"));
    (is_only && table.pages == of.requested).then(each)
}

/// Why no page is missing.
fn whole(completeness: Completeness, reason: EndReason) -> &'static str {
    match completeness {
        Completeness::Proven => "as many as the API counts",
        Completeness::Unknown => end_words(reason),
    }
}

/// Why there were no more pages.
pub(crate) fn end_words(reason: EndReason) -> &'static str {
    match reason {
        EndReason::SinglePage => "the only page",
        EndReason::NoNext => "up to the page without a next one",
        EndReason::EmptyPage => "up to the first empty page",
        EndReason::TotalReached => "up to the API's total",
        EndReason::HasMoreFalse => "up to where the API says there is no more",
        EndReason::EndTrue => "up to the page that says it is the last",
        EndReason::MaximumReached => "up to the config's maximum",
        EndReason::OutOfRange => "to the end of the range",
        EndReason::NoParents => "its parents have no records",
        EndReason::Ignored => "up to where the config's rules end it",
        EndReason::LimitReached => "up to the limit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_sizes_have_units() {
        assert_eq!(
            (counted(0, "file"), counted(1, "file"), counted(1200, "file")),
            ("0 files".into(), "1 file".into(), "1,200 files".into())
        );
        assert_eq!(
            (count(0), count(999), count(1000), count(1_234_567)),
            ("0".into(), "999".into(), "1,000".into(), "1,234,567".into())
        );
        assert_eq!((bytes(999), bytes(80_800_000), bytes(999_950)), ("999 B".into(), "80.8 MB".into(), "1.0 MB".into()));
    }

    #[test]
    fn times_have_the_unit_that_tells_most() {
        let seconds = Duration::from_secs;
        assert_eq!(duration(Duration::from_millis(850)), "850 ms");
        assert_eq!(
            (duration(seconds(12)), duration(seconds(245)), duration(seconds(12_000))),
            ("12.0 s".into(), "4 m 05 s".into(), "3 h 20 m".into())
        );
    }
}
