//! How the tables of a pipeline are, and which runs there were.
//!
//! In: the facts of a pipeline. Out: its survey. A table's nights are the runs that tell of its resource; one that ended as a whole is a night of every
//! table. Rules: what is damaged comes first, then what is old, then what failed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::base::{counted, quoted};
use crate::lake::{PipelineFacts, Purpose, Snapshot, SurveyedTable, began, killed_runs, spelled};
use crate::report::survey::run_line::{is_seen_by_check, number, status_of, text, texts};
use crate::report::survey::{
    Beside, NIGHTS, Night, Note, PipelineSurvey, RunLine, State, TableError, TableSurvey, TableWarning, Typed, run_line, time_of,
};

/// Small files from which on it pays to put them together.
const SMALL_FILES: u64 = 10;
/// A table that was loaded within this time is never old, however often its pipeline runs.
const FRESH: TimeDelta = TimeDelta::hours(26);
/// The time between two runs, where too few runs tell.
const NIGHTLY: TimeDelta = TimeDelta::hours(24);
/// How late a run may be.
const LATE: TimeDelta = TimeDelta::hours(1);
/// Time between two runs from which on it is an order of somebody's, and no try by hand.
const SCHEDULED: TimeDelta = TimeDelta::minutes(5);
/// Runs by which the usual time between two is told.
const RUNS_TELLING: usize = 30;
/// Runs that a survey lists.
const RUNS_LISTED: usize = 200;
/// Warnings of a table that are told.
const WARNINGS_MAX: usize = 20;

/// The survey of a pipeline.
pub(super) fn pipeline(facts: &PipelineFacts, beside: &Beside<'_>, typed: &Typed, now: DateTime<Utc>) -> PipelineSurvey {
    let mut reports: Vec<&Value> = facts.runs.iter().chain(&beside.runs).collect();
    reports.sort_by_cached_key(|report| std::cmp::Reverse(text(report, "started")));
    let interval = interval(&reports);
    let runs = all_runs(facts, beside, &reports, typed);
    let at_work = facts.lease.as_ref().filter(|_| !facts.is_lease_stale).map(|lease| lease.run.clone());
    let is_over = |run: &&RunLine| matches!(run.status.as_str(), "success" | "partial" | "failed" | "cancelled" | "killed");
    let last_run = runs.iter().find(is_over).cloned();
    let due = last_run.as_ref().and_then(|run| time_of(&run.started)).zip(interval).map(|(last, interval)| last + interval);
    let tables = tables(facts, beside, &reports, (typed, interval, now));
    PipelineSurvey {
        name: facts.name.clone(),
        damaged: !facts.unreadable.is_empty() || tables.iter().any(|table| table.state == State::Damaged),
        version: facts.version,
        written: facts.written.clone(),
        at_work,
        last_run,
        interval_seconds: interval.and_then(|interval| u64::try_from(interval.num_seconds()).ok()),
        next_due: due.map(spelled),
        tables,
        runs_in_all: (facts.runs_in_all + beside.runs.len()).max(runs.len()) as u64,
        runs,
        notes: notes(facts, typed),
    }
}

/// The usual time between two runs, where at least three tell.
fn interval(reports: &[&Value]) -> Option<TimeDelta> {
    let is_counted = |report: &&&Value| status_of(report) != "refused";
    let starts = reports.iter().filter(is_counted).take(RUNS_TELLING).filter_map(|report| time_of(&text(report, "started")?));
    let starts: Vec<DateTime<Utc>> = starts.collect();
    let mut gaps: Vec<TimeDelta> = starts.windows(2).map(|pair| pair[0] - pair[1]).filter(|gap| *gap >= SCHEDULED).collect();
    gaps.sort();
    (gaps.len() >= 2).then(|| gaps[gaps.len() / 2])
}

/// All runs that are known of, the newest first.
fn all_runs(facts: &PipelineFacts, beside: &Beside<'_>, reports: &[&Value], typed: &Typed) -> Vec<RunLine> {
    let mut runs: Vec<RunLine> = reports.iter().map(|report| run_line(report)).collect();
    let known: BTreeSet<String> = runs.iter().map(|run| run.run.clone()).collect();
    let oldest = runs.last().map_or_else(String::new, |run| run.run.clone());
    let bare = |run: &str, status: &str| RunLine {
        run: run.to_owned(),
        started: began(run),
        status: status.to_owned(),
        ..RunLine::default()
    };
    let holder = facts.lease.as_ref().filter(|_| !facts.is_lease_stale).map(|lease| lease.run.as_str());
    if let Some(run) = holder.filter(|run| !known.contains(*run)) {
        runs.push(bare(run, "running"));
    }
    let mut committed: BTreeSet<&str> = BTreeSet::new();
    for commit in &facts.commits {
        let is_run = commit.purpose == Purpose::Run;
        let is_told = known.contains(&commit.run) || holder == Some(commit.run.as_str()) || commit.run < oldest;
        if is_told || !committed.insert(&commit.run) {
            continue;
        }
        let (mut line, version) = (bare(&commit.run, commit.purpose.name()), commit.version);
        if is_run {
            let is_recovery = commit.files.is_empty() && !commit.fences.is_empty();
            line.status = "killed".to_owned();
            line.error = Some(match is_recovery {
                true => format!("it was killed behind commit {version}, by which it shut out another one that was"),
                false => format!("it was killed behind its commit {version}, which stands, and left no report"),
            });
        } else {
            line.started.clone_from(&commit.written);
        }
        line.version = Some(version);
        runs.push(line);
    }
    for run in killed_runs(facts).iter().filter(|run| !known.contains(*run) && !committed.contains(run.as_str())) {
        let mut line = bare(run, "killed");
        let left: Vec<String> = beside.left.iter().filter(|left| left.run == *run).map(kept_words).collect();
        line.error = Some(match left.is_empty() {
            true => "it was killed, published nothing, and left no report".to_owned(),
            false => format!("it was killed and published nothing; kept for the next run: {}", left.join(", ")),
        });
        line.hints = vec![format!("`lakeward run {}` removes what it left, and begins anew or goes on", typed.config())];
        runs.push(line);
    }
    // Where what was kept is the only trace.
    for left in &beside.left {
        let is_told = runs.iter().any(|run| run.run == left.run);
        if !is_told && holder != Some(left.run.as_str()) {
            let mut line = bare(&left.run, "killed");
            line.error = Some(format!("it was interrupted; kept for the next run: {}", kept_words(left)));
            runs.push(line);
        }
    }
    runs.sort_by_cached_key(|run| std::cmp::Reverse((time_of(&run.started), run.version)));
    runs.truncate(RUNS_LISTED);
    runs
}

fn kept_words(left: &crate::source::Left) -> String {
    format!("{} of `{}`", counted(left.pages, "page"), left.resource)
}

fn notes(facts: &PipelineFacts, typed: &Typed) -> Vec<Note> {
    let mut notes: Vec<Note> = facts
        .unreadable
        .iter()
        .map(|error| Note {
            text: error.to_string(),
            hints: vec![format!("`lakeward doctor {}` tells the ways out", typed.config())],
        })
        .collect();
    for version in &facts.pending {
        let text = format!("commit {version} is not published whole; the next run finishes it without asking the API");
        notes.push(Note { text, hints: vec![format!("`lakeward run {}`", typed.config())] });
    }
    notes
}

/// What becomes of a table on its way into the survey.
struct Subject<'a> {
    table: String,
    resource: String,
    held: Option<&'a SurveyedTable>,
}

fn tables(
    facts: &PipelineFacts,
    beside: &Beside<'_>,
    reports: &[&Value],
    (typed, interval, now): (&Typed, Option<TimeDelta>, DateTime<Utc>),
) -> Vec<TableSurvey> {
    // The newest report that tells it, then the config, then the name.
    let mut table_of: BTreeMap<String, String> = BTreeMap::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for report in reports.iter().rev() {
        for (resource, facts) in report.get("tables").and_then(Value::as_object).into_iter().flatten() {
            if let Some(table) = text(facts, "table") {
                table_of.insert(resource.clone(), table);
            }
        }
    }
    let newest = reports.iter().find(|report| report.get("tables").and_then(Value::as_object).is_some_and(|all| !all.is_empty()));
    for (resource, facts) in newest.and_then(|report| report.get("tables")?.as_object()).into_iter().flatten() {
        if matches!(text(facts, "status").as_deref(), Some("failed" | "interrupted")) {
            told.insert(resource.clone());
        }
    }
    for outline in beside.config.into_iter().flat_map(|config| &config.resources).filter(|outline| outline.selected) {
        table_of.insert(outline.name.clone(), outline.table.clone());
        told.insert(outline.name.clone());
    }
    let named = |resource: &str| table_of.get(resource).cloned().unwrap_or_else(|| resource.to_owned());
    let mut subjects: BTreeMap<String, Subject<'_>> = BTreeMap::new();
    for (table, held) in &facts.tables {
        let resource = table_of.iter().find(|(_, of)| *of == table).map_or(table, |(resource, _)| resource);
        subjects.insert(table.clone(), Subject { table: table.clone(), resource: resource.clone(), held: Some(held) });
    }
    for resource in told {
        let table = named(&resource);
        subjects.entry(table.clone()).or_insert(Subject { table, resource, held: None });
    }
    subjects.into_values().map(|subject| judged(subject, facts, beside, reports, (typed, interval, now))).collect()
}

fn judged(
    subject: Subject<'_>,
    facts: &PipelineFacts,
    beside: &Beside<'_>,
    reports: &[&Value],
    (typed, interval, now): (&Typed, Option<TimeDelta>, DateTime<Utc>),
) -> TableSurvey {
    let Subject { table, resource, held } = subject;
    let nights: Vec<Night> = reports.iter().filter_map(|report| night(report, &resource)).collect();
    let is_good = |night: &Night| night.status == "published";
    let last = nights.iter().find(|night| is_good(night)).cloned();
    let of_last = |run: &str| reports.iter().copied().find(|report| text(report, "run_id").as_deref() == Some(run));
    let last_report = last.as_ref().and_then(|night| of_last(&night.run));
    let own = last_report.and_then(|report| report.pointer("/tables")?.get(&resource));
    let loaded = last.as_ref().map(|night| night.started.clone()).or_else(|| held?.changed.1.clone());
    let age = loaded.as_deref().and_then(time_of).map(|loaded| (now - loaded).max(TimeDelta::zero()));
    let warnings = last_report.map_or_else(Vec::new, |report| warnings_of(report, &resource));
    let error = error_of(&nights, &resource, of_last);
    let snapshot = held.and_then(|held| held.snapshot.as_ref());
    let (difference, small) = held.map_or((None, 0), |held| (held.difference.as_ref(), held.small));
    let rejects = match beside.aside.is_empty() {
        true => own.map_or(0, |own| number(own, "rejects")),
        false => beside.aside.get(&table).copied().unwrap_or(0),
    };
    let old = interval.unwrap_or(NIGHTLY) * 2 + LATE;
    let state = match () {
        () if difference.is_some() => State::Damaged,
        () if loaded.is_none() && held.is_none() && error.is_none() => State::Never,
        () if age.is_some_and(|age| age > old.max(FRESH)) => State::Stale,
        () if error.is_some() => State::Failed,
        () if !warnings.is_empty() || rejects > 0 => State::Warn,
        () => State::Ok,
    };
    let mut survey = TableSurvey {
        in_lake: snapshot.is_some(),
        state,
        age_seconds: age.and_then(|age| u64::try_from(age.num_seconds()).ok()),
        loaded,
        rows: snapshot.map(Snapshot::rows).or_else(|| last.as_ref()?.rows).unwrap_or(0),
        files: snapshot.map_or(0, |snapshot| snapshot.files.len() as u64),
        bytes: snapshot.map_or(0, Snapshot::bytes),
        small_files: small,
        to_compact: small >= SMALL_FILES,
        completeness: own.and_then(|own| text(own, "completeness")),
        cursor: facts.state.get(&resource).and_then(cursor),
        error,
        warnings,
        rejects,
        next: None,
        nights: nights.into_iter().take(NIGHTS).collect(),
        last,
        table,
        resource,
    };
    if let Some(error) = difference {
        // The next command tells the ways out.
        let (text, kind, hints) = (error.to_string(), "data".to_owned(), Vec::new());
        let since = survey.loaded.clone().unwrap_or_default();
        survey.error = Some(TableError { kind, text, hints, run: String::new(), since, times: 1 });
    }
    let is_held = facts.lease.is_some() && !facts.is_lease_stale;
    survey.next = next(&survey, typed, is_held);
    survey
}

/// What a report tells of a resource; a run that ended as a whole told of it too.
fn night(report: &Value, resource: &str) -> Option<Night> {
    let whole = status_of(report);
    let own = report.get("tables").and_then(|tables| tables.get(resource));
    let of_own = own.and_then(|own| text(own, "status")).filter(|status| status != "interrupted");
    let status = match (of_own, whole.as_str()) {
        (Some(status), _) => status,
        (None, "failed" | "cancelled" | "refused") => whole,
        (None, _) => return None,
    };
    let own = own.unwrap_or(&Value::Null);
    let time = |key: &str| text(own, key).as_deref().and_then(time_of);
    let took = time("started").zip(time("ended")).and_then(|(from, to)| (to - from).to_std().ok());
    Some(Night {
        run: text(report, "run_id").unwrap_or_default(),
        started: text(report, "started").unwrap_or_default(),
        status,
        seconds: took.map(|took| took.as_secs_f64()).or_else(|| report.get("seconds").and_then(Value::as_f64)),
        inserted: number(own, "rows_inserted"),
        updated: number(own, "rows_updated"),
        deleted: number(own, "rows_deleted"),
        rows: own.get("table_rows").and_then(Value::as_u64),
        rejects: number(own, "rejects"),
    })
}

/// The last error of a resource, while no later run was good. A run that was refused or cancelled says nothing about the resource.
fn error_of<'r>(nights: &[Night], resource: &str, report_of: impl Fn(&str) -> Option<&'r Value>) -> Option<TableError> {
    let bad: Vec<&Night> =
        nights.iter().take_while(|night| night.status != "published").filter(|it| it.status == "failed").collect();
    let (newest, first) = (bad.first()?, bad.last()?);
    let report = report_of(&newest.run)?;
    let own = report.get("tables").and_then(|tables| tables.get(resource)).filter(|own| own.get("error").is_some());
    let told = own.unwrap_or(report);
    Some(TableError {
        kind: text(told, "kind").unwrap_or_default(),
        text: text(told, "error").unwrap_or_else(|| "the report does not say why".to_owned()),
        hints: texts(told, "hints"),
        run: newest.run.clone(),
        since: first.started.clone(),
        times: bad.len() as u64,
    })
}

fn warnings_of(report: &Value, resource: &str) -> Vec<TableWarning> {
    let all = report.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let own = all.filter(|warning| warning.get("resource").and_then(Value::as_str) == Some(resource));
    own.take(WARNINGS_MAX)
        .map(|warning| TableWarning {
            code: text(warning, "code").unwrap_or_default(),
            text: text(warning, "text").unwrap_or_default(),
        })
        .collect()
}

/// Where a resource goes on, by its state: of several cursors the first, and how many more.
fn cursor(state: &Value) -> Option<String> {
    let cursors = state.pointer("/incremental/cursors")?.as_object()?;
    let value = cursors.values().next()?.get("last_value")?;
    let first = match value {
        Value::String(text) => text.clone(),
        Value::Object(number) => number.get("number")?.as_str()?.to_owned(),
        _ => return None,
    };
    let more = cursors.len() - 1;
    Some(if more > 0 { format!("{first} (+{more})") } else { first })
}

/// What to type next; nothing that would be refused while a run holds the lake.
fn next(table: &TableSurvey, typed: &Typed, is_held: bool) -> Option<String> {
    let config = typed.config();
    let run = || format!("lakeward run {config} --resource {}", quoted(&table.resource));
    Some(match (table.state, &table.error) {
        (State::Damaged, _) => format!("lakeward doctor {config}"),
        (State::Stale | State::Failed, Some(error)) if is_seen_by_check(&error.kind) => {
            format!("lakeward check {config} --online")
        }
        (State::Warn, _) if table.rejects == 0 => typed.runs(&table.last.as_ref()?.run),
        _ if is_held => return None,
        (State::Stale | State::Failed | State::Never, _) => run(),
        (State::Warn, _) => format!("lakeward repair {config} {}", quoted(&table.table)),
        (State::Ok, _) if table.to_compact => format!("lakeward compact {config} {}", quoted(&table.table)),
        (State::Ok, _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A report of a night so many hours before now, with the status of `orders` in it.
    fn report(hours: i64, status: &str) -> Value {
        let started = spelled(DateTime::UNIX_EPOCH - TimeDelta::hours(hours));
        let table = match status {
            "failed" => json!({"status": "failed", "kind": "unavailable", "error": "503", "hints": []}),
            status => json!({"status": status, "rows_inserted": 5, "table_rows": 100}),
        };
        json!({"run_id": format!("r{hours}"), "started": started, "status": "success", "tables": {"orders": table}})
    }

    fn judge(runs: Vec<Value>, small: u64) -> PipelineSurvey {
        let table = SurveyedTable { snapshot: Some(Snapshot::default()), changed: (1, None), small, difference: None };
        let facts = PipelineFacts {
            name: "p".to_owned(),
            version: 1,
            runs_in_all: runs.len(),
            runs,
            tables: BTreeMap::from([("orders".to_owned(), table)]),
            ..PipelineFacts::default()
        };
        let typed = Typed { given: "lake".to_owned(), config: None };
        pipeline(&facts, &Beside::default(), &typed, DateTime::UNIX_EPOCH)
    }

    #[track_caller]
    fn check(nights: &[(i64, &str)], state: State, next: Option<&str>) {
        let survey = judge(nights.iter().map(|(hours, status)| report(*hours, status)).collect(), 0);
        let table = &survey.tables[0];
        assert_eq!((table.state, table.next.as_deref()), (state, next), "{table:?}");
    }

    #[test]
    fn a_table_is_old_once_two_usual_nights_have_passed_it_by() {
        let run = Some("lakeward run CONFIG --resource orders");
        check(&[(5, "published"), (29, "published"), (53, "published"), (77, "published")], State::Ok, None);
        check(&[(5, "failed"), (29, "published"), (53, "published"), (77, "published")], State::Failed, run);
        check(&[(5, "failed"), (29, "failed"), (53, "published"), (77, "published")], State::Stale, run);
        // One that runs each quarter of an hour is not old for that, and one that runs each week has time.
        let hourly: Vec<(i64, &str)> = (20..40).map(|hours| (hours, "published")).collect();
        check(&hourly, State::Ok, None);
        check(&[(160, "published"), (328, "published"), (496, "published"), (664, "published")], State::Ok, None);
        check(&[(50, "published")], State::Stale, run);
    }

    #[test]
    fn runs_that_are_refused_or_cancelled_say_nothing_about_a_table() {
        let refused = json!({"run_id": "x", "started": spelled(DateTime::UNIX_EPOCH), "status": "refused", "kind": "unavailable", "error": "held", "tables": {}});
        let cancelled = json!({"run_id": "y", "started": spelled(DateTime::UNIX_EPOCH), "status": "failed", "kind": "cancelled", "error": "c", "tables": {}});
        let survey = judge(vec![refused, cancelled, report(5, "published")], 0);
        assert_eq!((survey.tables[0].state, survey.tables[0].nights.len()), (State::Ok, 3));
        assert_eq!(survey.last_run.as_ref().map(|run| run.status.as_str()), Some("cancelled"));
    }

    #[test]
    fn while_a_run_is_at_work_nothing_is_to_be_typed_that_it_would_refuse() {
        let next = |kind: &str| {
            let mut report = report(5, "failed");
            report["tables"]["orders"]["kind"] = json!(kind);
            let table = SurveyedTable { snapshot: Some(Snapshot::default()), changed: (1, None), small: 0, difference: None };
            let facts = PipelineFacts {
                runs: vec![report],
                tables: BTreeMap::from([("orders".to_owned(), table)]),
                lease: serde_json::from_value(json!({
                    "run": "r", "owner": {"host": "h", "pid": 1}, "started": "2026-11-30T03:00:00Z", "heartbeat": "2026-11-30T03:00:00Z"
                }))
                .unwrap(),
                ..PipelineFacts::default()
            };
            let survey = pipeline(&facts, &Beside::default(), &Typed::default(), DateTime::UNIX_EPOCH);
            (survey.at_work, survey.tables[0].next.clone())
        };
        assert_eq!(next("unavailable"), (Some("r".to_owned()), None));
        assert_eq!(next("data"), (Some("r".to_owned()), Some("lakeward check CONFIG --online".to_owned())));
    }

    #[test]
    fn small_files_are_told_from_some_on_and_the_next_run_where_runs_have_a_rhythm() {
        let nights = || [5, 29, 53, 77].map(|hours| report(hours, "published")).to_vec();
        assert!(judge(nights(), SMALL_FILES - 1).tables[0].next.is_none());
        let survey = judge(nights(), SMALL_FILES);
        assert_eq!(survey.tables[0].next.as_deref(), Some("lakeward compact CONFIG orders"));
        assert_eq!(survey.next_due.as_deref(), Some("1970-01-01T19:00:00.000Z"));
        assert_eq!(judge(vec![report(5, "published")], 0).next_due, None);
    }
}
