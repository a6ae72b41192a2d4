//! `lakeward status`: what the lake holds, whether its files are what the last commit left, and what a rerun would do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::base::{Clock, ErrorKind, JsonPath, SystemClock};
use crate::cli::args::{StatusArgs, quoted};
use crate::cli::exit::Failure;
use crate::cli::looked::{as_json, look};
use crate::cli::ran;
use crate::cli::terminal::{print, print_json, tell, typed};
use crate::config::{LakeOnly, Outline, WriteDisposition, path_words};
use crate::lake::{Archive, Inspection, LakeError, Snapshot, inspect};
use crate::pipeline::{self, RunError};
use crate::report::{self, Survey};
use crate::source::{EndReason, Left};

/// Cursors of one resource that are shown.
const CURSORS_SHOWN: usize = 20;

/// Looks at the lake of a config; takes no lease, writes nothing, sends no request to the API. A folder that is not as the last commit left
/// it makes the exit code what a run would end with.
pub(crate) async fn status(args: StatusArgs) -> Result<u8, Failure> {
    let looked = look(&args.of)?;
    let survey = looked.survey().await?;
    if args.json {
        print_json(as_json(&survey));
        return Ok(code_of(&survey));
    }
    let Some(plan) = looked.config else {
        if args.details {
            return Err(Failure::config(vec!["`--details` needs the config, which says what belongs to a table".to_owned()]));
        }
        report::status_lines(&survey).iter().for_each(|line| print(line));
        return Ok(code_of(&survey));
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tables_of: Vec<&str> = plan.resources.iter().map(|resource| resource.table.as_str()).collect();
    let seen = inspect(&plan.lake, &plan.name, &tables_of, &clock).await.map_err(RunError::from)?;
    let told = report::status_lines(&survey);
    told.iter().for_each(|line| print(&typed(line)));
    print("");
    match (&seen.written, &seen.run) {
        (Some(written), Some(run)) => print(&format!("{}: commit {} of {written}, run {run}", plan.name, seen.version)),
        _ => tell_nothing(&plan, ""),
    }
    let aside = set_aside(&plan).await.map_err(RunError::from)?;
    tables(&plan, &seen, (&aside, &args.of.typed()), args.details);
    ran::lines(&seen, &told).iter().for_each(|line| print(line));
    let left = pipeline::left_for_next_run(&plan, clock.now()).await?;
    rerun(&plan, &seen, &left);
    Ok(differences(&plan, seen))
}

/// That of data where something of a table is not what was committed, or cannot be read.
fn code_of(survey: &Survey) -> u8 {
    if survey.pipelines.iter().any(|pipeline| pipeline.damaged) { ErrorKind::Data.exit_code() } else { 0 }
}

/// Tells, behind `first`, that nothing is committed, where that was looked for, and what keeps a lake from being found.
pub(super) fn tell_nothing(plan: &LakeOnly, first: &str) {
    let place = plan.lake.location.to_string();
    print(&format!("{}: {first}nothing is committed yet in `{place}`", plan.name));
    RunError::from(LakeError::NothingCommitted { place }).hints().iter().for_each(|hint| tell("hint", hint));
}

/// Tells of folders that are not as the last commit left them, and gives the exit code.
fn differences(plan: &LakeOnly, seen: Inspection) -> u8 {
    let (mut code, mut hints) = (0, BTreeSet::new());
    let is_moving = !seen.pending.is_empty() || seen.lease.is_some() && !seen.is_lease_stale;
    if is_moving {
        print("the tables' folders are not looked at until that is over");
    } else if seen.differences.is_empty() && !seen.tables.is_empty() {
        print("every file of the tables is in its place with its size, and no other (`verify` reads them)");
    }
    for (table, error) in seen.differences {
        let error = RunError::from(error);
        let (text, advice) = error.told_of(plan.resource_of(&table).unwrap_or("NAME"));
        tell("error", &text);
        code = code.max(error.kind().exit_code());
        hints.extend(advice);
    }
    hints.iter().for_each(|hint| tell("hint", hint));
    code
}

/// How many records were set aside of each table and are not in it.
///
/// # Errors
/// The lake's.
pub(super) async fn set_aside(plan: &LakeOnly) -> Result<BTreeMap<String, u64>, LakeError> {
    let Some(archive) = Archive::open(&plan.lake, &plan.name).await? else { return Ok(BTreeMap::new()) };
    let tables: Vec<(String, String)> = plan.resources.iter().map(|it| (it.table.clone(), it.name.clone())).collect();
    archive.records_aside(&tables).await
}

/// Records of a table that were set aside, in words.
pub(super) fn aside_words(records: u64, table: &str) -> String {
    format!(
        "{} set aside, which could not become rows: `lakeward repair CONFIG {}` tells which would now",
        report::counted(records, "record"),
        quoted(table)
    )
}

fn tables(plan: &LakeOnly, seen: &Inspection, (aside, config): (&BTreeMap<String, u64>, &str), has_details: bool) {
    for (name, table) in &seen.tables {
        let resource = plan.resources.iter().find(|resource| resource.table == *name);
        let is_gone = plan.has_all && resource.is_none_or(|resource| !resource.selected);
        if !has_details && !is_gone && !aside.contains_key(name) {
            continue;
        }
        print("");
        let mut unmade =
            plan.resources.iter().filter(|it| it.selected && !seen.tables.iter().any(|(table, _)| *table == it.table));
        let new = match (unmade.next(), unmade.next()) {
            (Some(only), None) => quoted(&only.table),
            _ => "NEW".to_owned(),
        };
        print(&match is_gone {
            true => format!(
                "{name}  (no longer in the config: if it is the old name of another one, `lakeward table rename {config} {} {new} --apply` takes its rows along; \
                 `lakeward table drop {config} {} --apply` takes it, and rows that the API has no more, out of the lake)",
                quoted(name),
                quoted(name),
            ),
            false => name.clone(),
        });
        if let Some(records) = aside.get(name) {
            print(&format!("  {}", typed(&aside_words(*records, name))));
        }
        if !has_details {
            continue;
        }
        let bytes = table.files.iter().map(|file| file.bytes).sum();
        print(&format!(
            "  {} in {}, {}",
            report::counted(table.rows(), "row"),
            report::counted(table.files.len() as u64, "file"),
            report::bytes(bytes)
        ));
        print(&format!("  {}", layout(table)));
        for column in &table.schema.columns {
            print(&format!("    {}: {}", column.name, report::type_words(&column.column_type)));
        }
        if let Some(state) = seen.state.get(resource.map_or(name, |resource| &resource.name)) {
            let declares = resource.is_some_and(|resource| resource.has_selector);
            for line in known_lines(state, declares).iter().chain(&cursor_lines(state)) {
                print(&format!("  {line}"));
            }
        }
    }
}

/// What the last run of a resource came to, and what runs have found out about it; where the records are, unless the config `declares` that.
fn known_lines(state: &Value, declares: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(records) = state.get("records").and_then(Value::as_u64) {
        let end = state.get("end_reason").and_then(Value::as_str).and_then(EndReason::of_name).map(report::end_words);
        let end = end.map_or_else(String::new, |words| format!(" ({words})"));
        lines.push(format!("last load: {}{end}", report::counted(records, "record")));
    }
    let found = |key: &str| state.pointer(&format!("/detected/{key}")).and_then(Value::as_str);
    let path = found("data_selector").filter(|_| !declares);
    let path = path.map(|path| JsonPath::parse(path).map_or_else(|_| path.to_owned(), |path| path_words(&path)));
    let selector = match (path, found("shape")) {
        (Some(path), Some("object")) => Some(format!("one record at `{path}`")),
        (Some(path), _) => Some(format!("records at `{path}`")),
        (None, _) => None,
    };
    let paginator = found("paginator").map(|plan| format!("paginator {plan}"));
    let detected: Vec<String> = selector.into_iter().chain(paginator).collect();
    if !detected.is_empty() {
        lines.push(format!("found out: {}", detected.join("; ")));
    }
    lines
}

/// Where the next run starts, and which windows it fetches again.
fn cursor_lines(state: &Value) -> Vec<String> {
    let Some(cursors) = state.pointer("/incremental/cursors").and_then(Value::as_object) else { return Vec::new() };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Object(number) => number.get("number").and_then(Value::as_str).unwrap_or("?").to_owned(),
        _ => "the first record".to_owned(),
    };
    let mut lines = Vec::new();
    for (key, cursor) in cursors.iter().take(CURSORS_SHOWN) {
        let of = if key.is_empty() { String::new() } else { format!(" of {key}") };
        lines.push(format!("cursor{of}: {}", text(cursor.get("last_value").unwrap_or(&Value::Null))));
        for window in cursor.get("pending").and_then(Value::as_array).into_iter().flatten() {
            if let [start, end] = window.as_array().map_or(&[][..], Vec::as_slice) {
                lines.push(format!("window left to the next run{of}: {}..{}", text(start), text(end)));
            }
        }
    }
    if cursors.len() > CURSORS_SHOWN {
        lines.push(format!("and {} more cursors", report::count((cursors.len() - CURSORS_SHOWN) as u64)));
    }
    lines
}

fn layout(table: &Snapshot) -> String {
    let key = if table.primary_key.is_empty() {
        "no primary key".to_owned()
    } else {
        format!("primary key {}", table.primary_key.join(", "))
    };
    let levels: Vec<&str> = table.partition_by.iter().map(|(name, ..)| name.as_str()).collect();
    if levels.is_empty() { key } else { format!("{key}; partitioned by {}", levels.join("/")) }
}

/// What the next run finds lying about.
fn rerun(plan: &LakeOnly, seen: &Inspection, left: &[(Left, DateTime<Utc>)]) {
    print("");
    if let Some(lease) = &seen.lease {
        let stale = if seen.is_lease_stale { "it gave no sign of life and will be taken over" } else { "it is at work" };
        print(&format!("run {} on {} holds the lake: {stale}", lease.run, lease.owner.host));
    }
    for version in &seen.pending {
        print(&format!("commit {version} is not published whole; the next run finishes it without asking the API"));
    }
    if !seen.unfinished_runs.is_empty() && seen.lease.is_none() {
        print(&format!(
            "{} left files in staging; the next run removes them and starts over",
            report::counted(seen.unfinished_runs.len() as u64, "unfinished run")
        ));
    }
    next_run(&plan.resources).iter().for_each(|line| print(line));
    if seen.lease.is_none() || seen.is_lease_stale {
        left.iter().for_each(|(left, until)| print(&left_line(left, *until)));
    }
}

/// What of a resource a run does not ask for again.
fn left_line(Left { resource, started, pages, bytes, .. }: &Left, until: DateTime<Utc>) -> String {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!(
        "{resource}: an interrupted run of {} left {} ({}); until {}, a run under the same config goes on behind them unless they have changed",
        time(*started),
        report::counted(*pages, "page"),
        report::bytes(*bytes),
        time(until)
    )
}

/// What a run asks for and writes, a line for each kind of resource.
fn next_run(resources: &[Outline]) -> Vec<String> {
    let loaded = || resources.iter().filter(|it| it.selected && it.write_disposition != Some(WriteDisposition::Skip));
    let all = loaded().count();
    let named = |names: &[&str], is_last: bool| match names.len() {
        1 => names.concat(),
        some if some == all => "every resource".to_owned(),
        _ if is_last => "every other resource".to_owned(),
        _ => names.join(", "),
    };
    let of = |is_of: &dyn Fn(&Outline) -> bool| -> Vec<&str> {
        loaded().filter(|resource| is_of(resource)).map(|resource| resource.name.as_str()).collect()
    };
    let incremental = of(&|resource| resource.asks_from_cursor);
    let unasked = of(&|resource| resource.has_cursor && !resource.asks_from_cursor);
    let added = of(&Outline::adds_all);
    let others = of(&|resource| !resource.has_cursor && !resource.adds_all());
    let cursors = |names: &[&str]| if names.len() == 1 { "its cursor" } else { "their cursors" };
    let lines = [
        (&incremental, format!("a run fetches {} from {} on", named(&incremental, false), cursors(&incremental))),
        (
            &unasked,
            format!(
                "a run fetches every page of {} again, and takes what comes from {} on: no `start_param` asks the API for less",
                named(&unasked, false),
                cursors(&unasked)
            ),
        ),
        (&added, format!("a run fetches every page of {} again, and `append` adds all records once more", named(&added, false))),
        (&others, format!("a run fetches every page of {} again and writes only the files that change", named(&others, true))),
    ];
    lines.into_iter().filter(|(names, _)| !names.is_empty()).map(|(_, line)| line).collect()
}
