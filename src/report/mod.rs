//! Report: the facts of a run in words and JSON.
//!
//! In: [`crate::pipeline::RunFacts`], the facts of a lake. Out: the summary line that orchestrators read, the report kept in the lake, the lines a
//! person reads, what monitoring, lineage and orchestrators are told, and the survey of a lake. Pure: it does nothing and prints nothing. The JSON here is a promise; `tests/it` holds it.

mod ddl;
mod lineage;
mod metrics;
mod page;
mod pipes;
mod summary;
mod survey;
mod words;

pub(crate) use crate::base::{count, counted};
pub(crate) use ddl::{DdlTable, Engine, ddl};
pub(crate) use lineage::{Job, ParentRun, began, ended};
pub(crate) use metrics::metrics;
pub(crate) use page::{Cells, Links, TablePage, document, overview, policy, run_body, runs_body, table_body};
pub(crate) use pipes::{closed, materializations, opened};
pub(crate) use summary::{add_warning, exit_code, failure, mark_dry, summary};
pub(crate) use survey::{
    Beside, PipelineSurvey, RunLine, Survey, TableSurvey, Typed, run_detail_lines, run_line, run_next, runs_lines, status_lines,
    survey,
};
pub(crate) use words::{bytes, duration, end_words, run_lines, type_words};
