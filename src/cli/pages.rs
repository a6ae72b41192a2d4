//! The pages of a lake, with what they need read from it.
//!
//! In: a lake that is looked at, its survey. Out: HTML bodies for `report` and `ui`. Rows are shown where that was asked for, and cut.

use arrow_cast::display::{ArrayFormatter, FormatOptions};

use crate::base::start_of;
use crate::cli::exit::Failure;
use crate::cli::looked::Looked;
use crate::cli::preview::with_offsets;
use crate::cli::runs::find_run;
use crate::lake::{LakeError, RejectReason, Stories, SurveyedLake};
use crate::pipeline::RunError;
use crate::report::{self, Cells, Links, PipelineSurvey, RunLine, Survey, TablePage, TableSurvey};

/// Rows that are shown of a table.
const ROWS_SHOWN: usize = 20;
/// Characters of a cell.
const CELL_CHARS: usize = 120;
/// Runs on a page.
const RUNS_A_PAGE: usize = 100;

/// What is shown of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableView<'a> {
    /// Whether rows are.
    pub(super) has_rows: bool,
    /// Whether it is alone on its page.
    pub(super) is_page: bool,
    /// Over how many versions its schema is followed back.
    pub(super) versions: usize,
    /// Where links lead.
    pub(super) links: Links<'a>,
}

/// The tables of a pipeline; `None` where its log cannot be read, which its survey tells.
///
/// # Errors
/// The store's.
pub(super) async fn stories(lake: &SurveyedLake, pipeline: &str) -> Result<Option<Stories>, Failure> {
    match lake.stories(pipeline).await {
        Ok(stories) => Ok(Some(stories)),
        Err(LakeError::Unreadable { .. }) => Ok(None),
        Err(error) => Err(RunError::from(error).into()),
    }
}

/// The page of a table; `None` where the lake has none of that name.
///
/// # Errors
/// The lake's.
pub(super) async fn table(
    (lake, stories): (&SurveyedLake, &Stories),
    (pipeline, survey): (&PipelineSurvey, &TableSurvey),
    view: TableView<'_>,
) -> Result<Option<String>, Failure> {
    let story = match stories.table(&survey.table, view.versions).await {
        Ok(Some(story)) => story,
        // What cannot be read is told by the table's state.
        Ok(None) | Err(LakeError::Unreadable { .. }) => return Ok(None),
        Err(error) => return Err(RunError::from(error).into()),
    };
    let sample = match view.has_rows {
        true => match lake.sample(&story.snapshot, ROWS_SHOWN).await {
            Ok(rows) => rows.map(|rows| cells(&rows)).transpose()?,
            // What is damaged is told by the table's state.
            Err(LakeError::Damaged { .. } | LakeError::Disk { .. } | LakeError::Parquet { .. }) => None,
            Err(error) => return Err(RunError::from(error).into()),
        },
        false => None,
    };
    let mut rejects = rejects_of_last(lake, pipeline, survey).await?;
    if !view.has_rows {
        rejects.iter_mut().for_each(|reason| reason.samples.clear());
    }
    let page = TablePage { pipeline, survey, story: &story, sample, rejects: &rejects, is_page: view.is_page };
    report::table_body(&page, view.links).map(Some).map_err(|error| failed(&error))
}

/// What was set aside of a table in its last load.
async fn rejects_of_last(
    lake: &SurveyedLake,
    pipeline: &PipelineSurvey,
    survey: &TableSurvey,
) -> Result<Vec<RejectReason>, Failure> {
    let Some(night) = survey.last.as_ref().filter(|night| night.rejects > 0) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for report in lake.run(&pipeline.name, &night.run).await.map_err(RunError::from)? {
        found.extend(lake.rejects_of(&pipeline.name, &report).await.map_err(RunError::from)?);
    }
    found.retain(|reason| reason.table == survey.table);
    Ok(found)
}

/// Rows as text: the names of columns, and the cells of each row.
pub(super) fn cells(rows: &arrow_array::RecordBatch) -> Result<Cells, Failure> {
    let failed = |error: arrow_schema::ArrowError| Failure::internal("showing rows", &error);
    let rows = with_offsets(rows).map_err(failed)?;
    let options = FormatOptions::default();
    let columns = rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).map(|cells| (column, cells)));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let row = |row: usize| {
        let cell = |(column, cells): &(&arrow_array::ArrayRef, ArrayFormatter<'_>)| {
            column.is_valid(row).then(|| start_of(&cells.value(row).to_string(), CELL_CHARS))
        };
        columns.iter().map(cell).collect()
    };
    let names = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    Ok((names, (0..rows.num_rows()).map(row).collect()))
}

/// The page of a run; `None` where none of that name is known of.
///
/// # Errors
/// The lake's.
pub(super) async fn run(
    looked: &Looked,
    lake: &SurveyedLake,
    survey: &Survey,
    (pipeline, id): (&str, &str),
) -> Result<Option<String>, Failure> {
    let of: Vec<PipelineSurvey> = survey.pipelines.iter().filter(|known| known.name == pipeline).cloned().collect();
    let found = find_run(looked, lake, &of, id).await?;
    let Some(run) = found.into_iter().find(|run| run.line.run == id) else { return Ok(None) };
    let next = report::run_next(&run.line, run.report.as_ref(), &looked.typed);
    let body = report::run_body(&run.pipeline, &run.line, run.report.as_ref(), &run.rejects, &next);
    body.map(Some).map_err(|error| failed(&error))
}

/// A page of runs, those before `before` where it is given; `None` where there is no such pipeline.
///
/// # Errors
/// The lake's.
pub(super) async fn runs(
    lake: &SurveyedLake,
    survey: &Survey,
    (name, before): (&str, Option<&str>),
    links: Links<'_>,
) -> Result<Option<String>, Failure> {
    let Some(pipeline) = survey.pipelines.iter().find(|known| known.name == name) else { return Ok(None) };
    let runs: Vec<RunLine> = match before {
        None => pipeline.runs.iter().take(RUNS_A_PAGE).cloned().collect(),
        Some(before) => {
            lake.runs_before(name, (before, RUNS_A_PAGE), |report| report::run_line(&report)).await.map_err(RunError::from)?
        }
    };
    let is_full = runs.len() == RUNS_A_PAGE || before.is_none() && (runs.len() as u64) < pipeline.runs_in_all;
    let older = runs.last().filter(|_| is_full).map(|last| format!("?before={}", url_coded(&last.run)));
    let title = format!("Runs of {name}");
    let body = report::runs_body(Some(&title), name, &runs, (pipeline.runs_in_all, older), links);
    body.map(Some).map_err(|error| failed(&error))
}

fn url_coded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A document that cannot be made.
pub(super) fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::internal("making a page", error)
}
