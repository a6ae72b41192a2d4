//! `lakeward status`: what the lake holds, whether its files are what the last commit left, and what a rerun would do.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::base::{Clock, JsonPath, SystemClock};
use crate::cli::args::{StatusArgs, quoted};
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::terminal::{print, tell};
use crate::config::{LakeOnly, Outline, WriteDisposition, path_words};
use crate::lake::{Inspection, LakeError, Purpose, Snapshot, inspect};
use crate::pipeline::RunError;
use crate::report;
use crate::source::EndReason;

/// Runs that are shown.
const RUNS_SHOWN: usize = 10;
/// Cursors of one resource that are shown.
const CURSORS_SHOWN: usize = 20;

/// Looks at the lake of a config; takes no lease, writes nothing, sends no request to the API. A folder that is not as the last commit left
/// it makes the exit code what a run would end with.
pub(crate) async fn status(args: StatusArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tables_of: Vec<&str> = plan.resources.iter().map(|resource| resource.table.as_str()).collect();
    let seen = inspect(&plan.lake, &plan.name, &tables_of, &clock).await.map_err(RunError::from)?;
    match (&seen.written, &seen.run) {
        (Some(written), Some(run)) => print(&format!("{}: commit {} of {written}, run {run}", plan.name, seen.version)),
        _ => tell_nothing(&plan, ""),
    }
    tables(&plan, &seen, &args.of.typed());
    runs(&seen);
    rerun(&plan, &seen);
    Ok(differences(&plan, seen))
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

fn tables(plan: &LakeOnly, seen: &Inspection, config: &str) {
    for (name, table) in &seen.tables {
        let resource = plan.resources.iter().find(|resource| resource.table == *name);
        print("");
        let mut unmade =
            plan.resources.iter().filter(|it| it.selected && !seen.tables.iter().any(|(table, _)| *table == it.table));
        let new = match (unmade.next(), unmade.next()) {
            (Some(only), None) => quoted(&only.table),
            _ => "NEW".to_owned(),
        };
        let is_gone = plan.has_all && resource.is_none_or(|resource| !resource.selected);
        print(&match is_gone {
            true => format!(
                "{name}  (no longer in the config: if it is the old name of another one, `lakeward table rename {config} {} {new} --apply` takes its rows along; \
                 `lakeward table drop {config} {} --apply` takes it, and rows that the API has no more, out of the lake)",
                quoted(name),
                quoted(name),
            ),
            false => name.clone(),
        });
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

/// A run or an operation, as it is listed.
struct Ran {
    began: String,
    status: String,
    seconds: String,
    run: String,
}

/// The last runs and operations on the lake, and those that were killed, as far as a later one has found what they left.
fn runs(seen: &Inspection) {
    let reported = seen.reports.iter().rev().map(|run| {
        let text = |key: &str| run.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
        let seconds = run.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
        let status = if text("kind") == "cancelled" { text("kind") } else { text("status") };
        Ran { began: text("started"), status, seconds: format!("{seconds:.1} s"), run: text("run_id") }
    });
    let mut all: Vec<Ran> = reported.collect();
    for commit in &seen.commits {
        let ran = |began: &str, status: &str, run: &str| Ran {
            began: began.to_owned(),
            status: status.to_owned(),
            seconds: String::new(),
            run: run.to_owned(),
        };
        if !matches!(commit.purpose, Purpose::Run) {
            let at = all_before(&all, &commit.written);
            all.insert(at, ran(&commit.written, commit.purpose.name(), &commit.run));
        }
        for killed in &commit.fences {
            // It ended before the run that has found it.
            let began = began(killed);
            let at = all.iter().position(|ran| ran.run == commit.run).map_or_else(|| all_before(&all, &began), |at| at + 1);
            all.insert(at, ran(&began, "killed", killed));
        }
    }
    if all.is_empty() {
        return;
    }
    print("");
    print("last runs");
    for Ran { began, status, seconds, run } in all.iter().take(RUNS_SHOWN) {
        print(&format!("  {began}  {status:10} {seconds:>11}  {run}"));
    }
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

/// What the next run finds lying about.
fn rerun(plan: &LakeOnly, seen: &Inspection) {
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
