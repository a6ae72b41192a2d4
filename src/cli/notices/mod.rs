//! Notices: who is told of a run besides the terminal and the lake: a metrics file, lineage, Dagster, the config's own commands.
//!
//! In: what the command line, the environment and the config ask for; a run that begins and ends. Out: files, requests and processes. Invariants: what
//! cannot be told is a warning on stderr and changes nothing about the run; each takes a bounded time; the summary is told with its secrets taken out.
//! Not here: what is told (`report`).

mod hooks;
mod lineage;
mod pipes;

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

use crate::base::{Clock, SystemClock};
use crate::cli::args::ConfigArgs;
use crate::cli::exit::Failure;
use crate::cli::notices::lineage::Lineage;
use crate::cli::notices::pipes::Pipes;
use crate::cli::replace::{file_at, replace};
use crate::cli::terminal;
use crate::config::Plan;
use crate::pipeline::{NewRun, RunFacts};
use crate::report;

/// Largest metrics file whose series go on to count, in bytes.
const METRICS_BYTES_MAX: u64 = 16 << 20;

/// Who is told of a run.
pub(super) struct Notices {
    metrics: Option<PathBuf>,
    /// The folder that a hook's program is looked for in, and runs in.
    folder: PathBuf,
    lineage: Option<Lineage>,
    pipes: Option<Pipes>,
}

/// How a run ended.
#[derive(Clone, Copy)]
pub(super) struct RunEnd<'a> {
    /// Its summary.
    pub(super) summary: &'a Value,
    /// Its facts, unless it ended as a whole.
    pub(super) facts: Option<&'a RunFacts>,
    /// Its exit code.
    pub(super) code: u8,
}

impl RunEnd<'_> {
    /// Why not all is published: what ended the run, or the first resource that failed.
    fn error(&self) -> Option<String> {
        let text = |value: &Value| value.get("error").and_then(Value::as_str).map(str::to_owned);
        let mut of_tables = self.summary.get("tables").and_then(Value::as_object).into_iter().flatten();
        let first = || of_tables.find_map(|(name, table)| text(table).map(|why| format!("{name}: {why}")));
        (self.code != 0).then(|| text(self.summary).or_else(first).unwrap_or_else(|| format!("exit code {}", self.code)))
    }
}

impl Notices {
    /// Those that the command line and the environment ask for.
    pub(super) fn new(of: &ConfigArgs, metrics: Option<&Path>) -> Self {
        let folder = of.config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { metrics: metrics.map(Path::to_owned), folder: folder.to_owned(), lineage: Lineage::asked(), pipes: Pipes::asked() }
    }

    /// Finds out whether the metrics file can be written, before anything is requested.
    ///
    /// # Errors
    /// Those of [`file_at`].
    pub(super) fn try_out(&mut self) -> Result<(), Failure> {
        // Where they cannot be written, nobody is told there of the failure either.
        let metrics = self.metrics.take();
        self.metrics = metrics.map(|path| file_at(&path, ("--metrics", "lakeward.prom"))).transpose()?;
        Ok(())
    }

    /// Tells of a run that begins.
    pub(super) async fn began(&mut self, plan: &Plan, run: &NewRun) {
        if let Some(lineage) = &mut self.lineage {
            lineage.tell(report::began, plan, run).await;
        }
        if let Some(pipes) = &mut self.pipes {
            pipes.send(&report::opened());
        }
    }

    /// Tells how a run ended; without a plan of one whose config could not be read.
    pub(super) async fn ended(&mut self, plan: Option<(&Plan, &NewRun)>, end: RunEnd<'_>) {
        let error = end.error();
        if let Some(path) = &self.metrics
            && let Err(error) = write_metrics(path, end)
        {
            terminal::tell("warning", &format!("the metrics cannot be written to `{}`: {error}", path.display()));
        }
        if let (Some(lineage), Some((plan, run))) = (&mut self.lineage, plan) {
            let now = SystemClock.now();
            lineage.tell(|job| report::ended(job, end.facts, end.code, error.as_deref(), now), plan, run).await;
        }
        if let Some(pipes) = &mut self.pipes {
            if plan.is_none() {
                pipes.send(&report::opened());
            }
            let made = end.facts.map(|facts| report::materializations(pipes.assets(), facts)).unwrap_or_default();
            made.iter().for_each(|message| pipes.send(message));
            pipes.send(&report::closed(error.as_deref()));
        }
        if let Some((plan, run)) = plan {
            let command = if end.code == 0 { &plan.hooks.on_success } else { &plan.hooks.on_failure };
            if let [program, arguments @ ..] = command.as_slice() {
                hooks::run(&self.folder, (program, arguments), (run, end)).await;
            }
        }
    }
}

/// Replaces the file at once: the collector may read at any moment.
fn write_metrics(path: &Path, end: RunEnd<'_>) -> io::Result<()> {
    let is_small = fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() <= METRICS_BYTES_MAX);
    let before = if is_small { fs::read_to_string(path).unwrap_or_default() } else { String::new() };
    let metrics = report::metrics(end.summary, end.code, &before);
    replace(path, |out| out.write_all(metrics.as_bytes())).map(drop)
}
