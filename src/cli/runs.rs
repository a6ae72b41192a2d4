//! `lakeward runs`: all runs of a lake, and one of them with everything that is known of it.

use serde_json::{Map, Value, json};

use crate::cli::args::RunsArgs;
use crate::cli::exit::Failure;
use crate::cli::looked::{Looked, look};
use crate::cli::terminal::{print, print_json};
use crate::lake::{RejectReason, SurveyedLake};
use crate::pipeline::RunError;
use crate::report::{self, PipelineSurvey, RunLine};

/// Lists the runs, or tells of one; takes no lease, writes nothing, sends no request to the API.
pub(crate) async fn runs(args: RunsArgs) -> Result<u8, Failure> {
    let looked = look(&args.of)?;
    let survey = looked.survey().await?;
    let lake = looked.open().await?;
    if let Some(id) = &args.run {
        return one(&looked, &lake, &survey.pipelines, (id, args.json)).await;
    }
    let limit = args.limit as usize;
    for pipeline in &survey.pipelines {
        let mut runs: Vec<RunLine> = pipeline.runs.iter().take(limit).cloned().collect();
        if let Some(last) = runs.last().filter(|_| runs.len() < limit) {
            let older =
                lake.runs_before(&pipeline.name, (&last.run, limit - runs.len()), |report| report::run_line(&report)).await;
            let older: Vec<RunLine> = older.map_err(RunError::from)?;
            let is_new = |run: &RunLine| !runs.iter().any(|known| known.run == run.run);
            let older: Vec<RunLine> = older.into_iter().filter(is_new).collect();
            runs.extend(older);
        }
        if args.json {
            for run in &runs {
                let mut line = as_object(run);
                line.insert("pipeline".to_owned(), json!(pipeline.name));
                print_json(Value::Object(line));
            }
            continue;
        }
        print(&format!(
            "{}: {}, the newest first; `{}` tells all of one",
            pipeline.name,
            report::counted(pipeline.runs_in_all, "run"),
            looked.typed.runs("ID")
        ));
        report::runs_lines(&runs).iter().for_each(|line| print(line));
        let untold = pipeline.runs_in_all.saturating_sub(runs.len() as u64);
        if untold > 0 {
            print(&format!("and {} before them: `--limit {}` lists more", report::counted(untold, "run"), limit * 5));
        }
    }
    Ok(0)
}

fn as_object(run: &RunLine) -> Map<String, Value> {
    match serde_json::to_value(run) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// A run, with what is known of it.
pub(super) struct FullRun {
    pub(super) pipeline: String,
    pub(super) line: RunLine,
    /// Its report, where there is one.
    pub(super) report: Option<Value>,
    pub(super) rejects: Vec<RejectReason>,
}

/// All that is known of a run, as one JSON object.
pub(super) fn run_json(run: &FullRun) -> Value {
    let rejects = run.rejects.iter().map(|reason| {
        json!({
            "table": reason.table, "path": reason.path, "expected": reason.expected, "actual": reason.actual,
            "records": reason.records, "samples": reason.samples,
        })
    });
    let rejects: Vec<Value> = rejects.collect();
    json!({"pipeline": run.pipeline, "run": run.line, "report": run.report, "rejects": rejects})
}

async fn one(
    looked: &Looked,
    lake: &SurveyedLake,
    pipelines: &[PipelineSurvey],
    (id, as_json): (&str, bool),
) -> Result<u8, Failure> {
    let run = run_named(looked, lake, pipelines, id).await?;
    if as_json {
        print_json(run_json(&run));
        return Ok(0);
    }
    let next = report::run_next(&run.line, run.report.as_ref(), &looked.typed);
    let lines = report::run_detail_lines(&run.pipeline, &run.line, run.report.as_ref(), &run.rejects);
    lines.iter().chain(&next).for_each(|line| print(&typed(looked, line)));
    Ok(0)
}

/// A line in which commands have the config, where one was given.
fn typed(looked: &Looked, line: &str) -> String {
    match &looked.typed.config {
        Some(config) if line.contains("`lakeward ") => line.replace(" CONFIG", &format!(" {config}")),
        _ => line.to_owned(),
    }
}

/// The one run that `id` means.
///
/// # Errors
/// None of that name, or several; the store's.
pub(super) async fn run_named(
    looked: &Looked,
    lake: &SurveyedLake,
    pipelines: &[PipelineSurvey],
    id: &str,
) -> Result<FullRun, Failure> {
    let mut found = find_run(looked, lake, pipelines, id).await?;
    let why = match (found.pop(), found.is_empty()) {
        (Some(run), true) => return Ok(run),
        (Some(_), false) => format!("several runs are called like `{id}`: give more of the name"),
        (None, _) => format!("no run `{id}` is known of"),
    };
    let hint = format!("`lakeward runs {}` lists them", looked.typed.given);
    Err(Failure::config(vec![why]).with_hints([hint]))
}

/// The runs that `id` may mean: one of that name, else those whose names begin or end with it.
///
/// # Errors
/// The store's.
pub(super) async fn find_run(
    looked: &Looked,
    lake: &SurveyedLake,
    pipelines: &[PipelineSurvey],
    id: &str,
) -> Result<Vec<FullRun>, Failure> {
    let mut found: Vec<FullRun> = Vec::new();
    for pipeline in pipelines {
        let mut reports = lake.run(&pipeline.name, id).await.map_err(RunError::from)?;
        let of = |report: &Value| report.get("run_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_meant = |run: &str| run == id || id.len() >= 4 && (run.starts_with(id) || run.ends_with(id));
        reports.extend(looked.beside.iter().filter(|record| is_meant(&of(record))).cloned());
        for report in reports {
            let rejects = lake.rejects_of(&pipeline.name, &report).await.map_err(RunError::from)?;
            let line = report::run_line(&report);
            found.push(FullRun { pipeline: pipeline.name.clone(), line, report: Some(report), rejects });
        }
        for line in pipeline.runs.iter().filter(|line| is_meant(&line.run)) {
            if !found.iter().any(|known| known.line.run == line.run) {
                let (pipeline, line) = (pipeline.name.clone(), line.clone());
                found.push(FullRun { pipeline, line, report: None, rejects: Vec::new() });
            }
        }
    }
    if found.iter().any(|run| run.line.run == id) {
        found.retain(|run| run.line.run == id);
        found.truncate(1);
    }
    Ok(found)
}
