//! What a person should know of a resource that is whole, in words: what it does to its table's schema, and what is odd about its records.

use std::collections::HashSet;

use crate::base::{Warning, WarningCode, counted};
use crate::config::{Binding, IncrementalValue, OnReject, OnSchemaChange, Plan, ResourcePlan, StepPlan, WriteDisposition};
use crate::decode::MARKS_MAX;
use crate::lake::{DataFile, FileChange, PreparedTable, StageStats};
use crate::pipeline::table_intake::Unseen;
use crate::pipeline::{CursorFacts, ShapedFacts, SliceFacts};
use crate::schema::{Change, Column, ColumnType, FIELDS_MAX, TableSchema, Widened, nearest_column};

/// What is odd about a resource that appends because its config does not say what to do.
pub(crate) const APPENDS_UNASKED: &str = "without `write_disposition` and `incremental`, every run appends all records again, as in dlt: write \
     `write_disposition: replace`, or `merge` with a `primary_key`; or `append`, where that is meant";

/// Rows from which on it says something that none of them has a column; fewer may just lack what APIs leave out where it is empty.
const TELLING_ROWS: u64 = 100;
/// Records from which on it says something that most of them lie before the start.
const RANGE_TELLING: u64 = 20;
/// Marks of one cursor from which on a person is told; dlt warns from as many on.
const MARKS_WARNING: u64 = 200;
/// Rows from which on repeated keys are told, where they are more than one in [`REPEATS_PART`].
const REPEATS_MIN: u64 = 100;
/// See [`REPEATS_MIN`].
const REPEATS_PART: u64 = 10;

/// What a run does to the schema of a table that had `before` rows, of which `older` stay as they are.
pub(super) fn changes(change: &Change, (before, older): (u64, u64)) -> Vec<Warning> {
    if before == 0 {
        return Vec::new();
    }
    let of_older = if older > 0 { ", null in older rows" } else { "" };
    let new = (!change.new.is_empty())
        .then(|| Warning::new(WarningCode::ColumnAdded, format!("new columns{of_older}: {}", change.new.join(", "))));
    let is_declared = |path: &str| {
        let is_of = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        change.schema.columns.iter().any(|column| column.declared && is_of(&column.name))
    };
    let widened = change.widened.iter().filter_map(|Widened { column, from, to }| {
        let (before, after) = (from.hint_type(), to.hint_type());
        let of_columns = match (from, to) {
            (ColumnType::Struct(_) | ColumnType::List(_), ColumnType::Json) => {
                "; rows of earlier runs have the text of their columns, in the columns' order and without null members, until their record changes \
                 (`--full-refresh` loads all of them as they come)"
            }
            _ => "",
        };
        // Integers past 2^53 are no other type to anybody.
        // Who declares a type wants it, and still has to know what it makes of earlier rows.
        let is_news = !is_declared(column) || !of_columns.is_empty();
        let text = || format!("column {column} widens from {before} to {after}{of_columns}");
        (before != after && is_news).then(|| Warning::new(WarningCode::TypeWidened, text()))
    });
    new.into_iter().chain(widened).collect()
}

/// Files that lack the new columns, where those of a table of `bytes` are more than the config has written anew.
pub(super) fn left_as_they_are(plan: &Plan, bytes: u64, change: &Change, staged: &PreparedTable) -> Option<Warning> {
    let OnSchemaChange::RewriteUpTo(most) = plan.lake.on_schema_change else { return None };
    if bytes <= most || change.new.is_empty() {
        return None;
    }
    let put = |change: &FileChange| match change {
        FileChange::Put { file, .. } => Some(file.path.clone()),
        FileChange::Delete { .. } | FileChange::Retire { .. } => None,
    };
    let written: HashSet<String> = staged.changes.iter().filter_map(put).collect();
    let left: Vec<&DataFile> = staged.after.files.iter().filter(|file| !written.contains(&file.path)).collect();
    if left.is_empty() {
        return None;
    }
    let (files, size) = (counted(left.len() as u64, "file"), counted(left.iter().map(|file| file.bytes).sum(), "byte"));
    let text = format!(
        "{files} of `{table}` ({size}) lack {new}: the table has more than the {most} of `lake.on_schema_change.rewrite_up_to`, so that they are not \
         written anew, which would read and write all of them; readers bring the files together by name (DuckDB `union_by_name = true`, Spark \
         `mergeSchema`, as in the statements of `lakeward files`), or take a larger size and `--full-refresh`",
        table = staged.table,
        new = change.new.join(", "),
        most = counted(most, "byte"),
    );
    Some(Warning::new(WarningCode::FilesLackColumns, text))
}

/// Columns of a table of `before` rows that none of the run's `rows` has, and what one of them may be called now. `is_whole`: the run is to have
/// all records. Records that make no row, because they are loaded already or filtered, say nothing; few records may leave out what is empty,
/// and a header leaves out nothing. Columns that the config itself takes out are not missed.
pub(super) fn vanished(
    resource: &ResourcePlan,
    unseen: &Unseen,
    (old, new): (&TableSchema, &TableSchema),
    (before, rows, is_whole): (u64, u64, bool),
) -> Option<Warning> {
    let is_telling = rows > 0 && (is_whole || unseen.has_header || rows >= TELLING_ROWS || rows >= before);
    let is_missed = |name: &&String| StepPlan::taking_out(&resource.processing_steps, name).is_none();
    let gone: Vec<&String> = unseen.columns.iter().filter(is_missed).collect();
    if before == 0 || !is_telling || gone.is_empty() {
        return None;
    }
    let added: Vec<&Column> = new.columns.iter().filter(|column| old.column(&column.name).is_none()).collect();
    let renamed = match (gone.as_slice(), added.as_slice()) {
        ([gone], [added]) if old.column(gone).is_some_and(|column| is_same(&column.column_type, &added.column_type)) => {
            let (old, new) = (gone, &added.name);
            format!(
                "; `{new}` is new and of the same type: if it is the same, `processing_steps: [{{rename: {{{new}: {old}}}}}]` keeps it in one column"
            )
        }
        _ => String::new(),
    };
    let names = gone.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let text = format!("columns of the table that no record of this run has, and that are null in its rows: {names}{renamed}");
    Some(Warning::new(WarningCode::ColumnVanished, text))
}

/// Columns that the config declares a type for, that no record has, and whose names are nearly those of others that nobody declares: `first` tells
/// whether the table had no rows before. Of what a header lacks more is told.
pub(super) fn misspelt(resource: &ResourcePlan, unseen: &Unseen, schema: &TableSchema, first: bool) -> Vec<Warning> {
    let others: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
    let others: Vec<&str> = others.into_iter().filter(|name| !resource.columns.iter().any(|hint| hint.name == *name)).collect();
    let first = first && !unseen.has_header;
    let missed = resource.columns.iter().filter(|hint| first && hint.declared.is_some() && unseen.columns.contains(&hint.name));
    let near = missed.filter_map(|hint| Some((&hint.name, nearest_column(&hint.name, &others)?)));
    let text = |(name, near)| format!("`columns` declares `{name}`, which no record has; did you mean `{near}`?");
    near.map(|found| Warning::new(WarningCode::ColumnMisspelt, text(found))).collect()
}

/// Nothing is in the table after a first run that had records; `cursors` are those of an incremental resource.
pub(super) fn nothing_kept(
    resource: &ResourcePlan,
    (before, rows, records): (u64, u64, u64),
    (rejects, cursors): (u64, Option<&CursorFacts>),
) -> Option<Warning> {
    if before > 0 || rows > 0 || records == 0 || rejects == records {
        return None;
    }
    let incremental = resource.endpoint.incremental.as_ref();
    let outside = cursors.filter(|cursors| cursors.outside > 0).and_then(|cursors| {
        let first = cursors.first_outside.as_ref()?;
        let initial = incremental.and_then(|plan| plan.initial_value.as_ref());
        let bound = initial.map_or_else(String::new, |initial| format!(", and `initial_value` is {initial}"));
        let (path, outside) = (&incremental?.cursor_path, cursors.outside);
        Some(format!(
            "{outside} lie outside the range: the first has {first} at `{path}`{bound}; have both the same unit, and is `last_value_func` as meant?"
        ))
    });
    let why = outside.unwrap_or_else(|| "does a `filter` of `processing_steps` pass what is meant?".to_owned());
    let text = format!("none of the {records} records became a row, and the table is empty; {why}");
    Some(Warning::new(WarningCode::NothingKept, text))
}

/// Whether two columns hold values of one type; numbers differ in how many digits they have.
fn is_same(one: &ColumnType, other: &ColumnType) -> bool {
    let is_integer = |column_type: &ColumnType| matches!(column_type, ColumnType::Int64 { .. });
    let is_float = |column_type: &ColumnType| matches!(column_type, ColumnType::Float64(_));
    *one != ColumnType::Unknown && (one == other || is_integer(one) && is_integer(other) || is_float(one) && is_float(other))
}

/// A column that is JSON text, because its objects have too many names or its values no other type in common, and where that began.
pub(super) fn json_text(column: &str, is_overgrown: bool, place: &str) -> Warning {
    let text = if is_overgrown {
        format!(
            "`{column}` is JSON text: its objects have more than {FIELDS_MAX} names in all, as a map has whose names are ids or dates; \
             declare it in `schema`, as json or as a struct with its fields; the first is {place}"
        )
    } else {
        format!(
            "`{column}` is JSON text: its values have no other type in common; declare it as json, to have it so from the first record \
             on; the first that differs is {place}"
        )
    };
    Warning::new(WarningCode::ColumnBecameJson, text)
}

/// Numbers that are rounded, and the first of them.
pub(super) fn rounded(numbers: u64, place: &str) -> Warning {
    let text = format!(
        "{} rounded, as `numbers: float` or the declared type `double` says: no 64-bit float holds what is written; the first is {place}",
        counted(numbers, "number")
    );
    Warning::new(WarningCode::NumbersRounded, text)
}

/// That a start is asked for and the API does not heed it: a night brings about as many records as the table of `before` rows had, and most of them
/// lie far before the start.
pub(super) fn ignored_start(resource: &ResourcePlan, facts: &CursorFacts, (records, before): (u64, u64)) -> Option<Warning> {
    let plan = resource.endpoint.incremental.as_ref().filter(|plan| plan.has_state())?;
    let is_start = |binding: &&Binding| matches!(binding, Binding::Incremental(IncrementalValue::Start | IncrementalValue::Last));
    let is_asked_for = resource.endpoint.request.bindings().iter().any(is_start);
    let is_all = records >= RANGE_TELLING && records >= before / 2 && facts.far_before > records / 2;
    if !is_asked_for || !is_all || resource.write_disposition == WriteDisposition::Replace {
        return None;
    }
    let what =
        plan.start_param.as_ref().map_or_else(|| "the start in the request".to_owned(), |name| format!("the parameter `{name}`"));
    let text = format!(
        "{what} seems to do nothing: {records} records came, {} of them before the start that is asked for, so that every run asks for the whole \
         table; is it spelled as the API has it?",
        facts.far_before
    );
    Some(Warning::new(WarningCode::StartIgnored, text))
}

/// What is odd about the cursors.
pub(super) fn cursors(facts: &CursorFacts) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut tell = |code, text: String| warnings.push(Warning::new(code, text));
    if facts.is_disordered {
        let text = "records came against `row_order`; every page was read, and the cursor moves at the end only";
        tell(WarningCode::OrderBroken, text.to_owned());
    }
    if let Some(failure) = &facts.failure {
        let (failed, all) = (facts.pending, facts.ranges);
        let text = format!("{failed} of {all} windows failed; the next run fetches them again; the first: {failure}");
        tell(WarningCode::WindowsFailed, text);
    }
    if facts.marks > MARKS_WARNING {
        let marks = facts.marks;
        let text =
            format!("{marks} records share the last cursor or lie within `lag`; past {MARKS_MAX} of them an `append` fails");
        tell(WarningCode::ManyMarks, text);
    }
    if facts.starts_over {
        let text = "too many parent records for a cursor each; the next run begins at `initial_value`";
        tell(WarningCode::CursorsForgotten, text.to_owned());
    }
    warnings
}

/// Repeated keys are normal where pages overlap, and where `dedup_sort` says which row stays; many of them are else the sign of a key that is not
/// the whole one.
pub(super) fn repeats(resource: &ResourcePlan, stats: &StageStats) -> Option<Warning> {
    (repeats_too_often(stats) && resource.merge.dedup_sort.is_none()).then(|| repeated(resource, stats))
}

/// On the first pages a key comes once, but for rows that move from one page to the next meanwhile.
pub(super) fn repeats_on_few_pages(resource: &ResourcePlan, stats: &StageStats) -> Option<Warning> {
    let is_often = stats.rows_deduplicated > stats.rows_in / REPEATS_PART;
    (is_often && resource.merge.dedup_sort.is_none()).then(|| repeated(resource, stats))
}

fn repeated(resource: &ResourcePlan, stats: &StageStats) -> Warning {
    let text = format!(
        "{} of {} rows have the `primary_key` ({}) of another row of this run, and one row a key stays; is it the whole key, and are no pages \
         read twice?",
        stats.rows_deduplicated,
        stats.rows_in,
        resource.primary_key.join(", ")
    );
    Warning::new(WarningCode::KeysRepeated, text)
}

/// Whether so many rows share their key with another one that the key is probably not the whole key.
fn repeats_too_often(stats: &StageStats) -> bool {
    stats.rows_deduplicated >= REPEATS_MIN && stats.rows_deduplicated > stats.rows_in / REPEATS_PART
}

/// Nothing is passed over without being told; what a rule of the config passes over is only counted.
pub(super) fn slices(slices: &SliceFacts) -> Vec<Warning> {
    let skipped = |text| Warning::new(WarningCode::ParentRecordsSkipped, text);
    let mut warnings: Vec<Warning> = slices.vanished_listed.iter().map(|why| skipped(format!("skipped: {why}"))).collect();
    let more = slices.vanished.saturating_sub(slices.vanished_listed.len() as u64);
    if more > 0 {
        warnings.push(skipped(format!("skipped {more} more")));
    }
    if slices.repeated > 0 {
        let text = format!("{} of the parent asked for what an earlier one did; read once", counted(slices.repeated, "record"));
        warnings.push(Warning::new(WarningCode::ParentRecordsRepeated, text));
    }
    warnings
}

/// What of the records is not in the table. Rejects of which `max_rejects` says how many may be are only counted.
pub(super) fn left_out(resource: &ResourcePlan, shaped: &ShapedFacts, rejects: u64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if shaped.values_discarded > 0 {
        let text = format!("{} left out, or null, as the schema or the contract says", counted(shaped.values_discarded, "value"));
        warnings.push(Warning::new(WarningCode::ValuesDiscarded, text));
    }
    if rejects > 0 && !matches!(resource.on_reject, OnReject::Quarantine { max_rejects: Some(_) }) {
        let text = format!(
            "`on_reject: quarantine` keeps aside what could not become a row: {}; `max_rejects` says how many may be",
            counted(rejects, "record")
        );
        warnings.push(Warning::new(WarningCode::RecordsRejected, text));
    }
    warnings
}
