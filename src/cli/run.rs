//! `lakeward run`: the nightly refresh.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use chrono::SecondsFormat;
use futures::FutureExt;
use serde_json::{Value, json};

use crate::base::{Clock, Panicked, SystemClock, Warning, WarningCode, signal_heeded};
use crate::cli::args::{ConfigArgs, FullRefresh, LogFormat, RunArgs};
use crate::cli::beside;
use crate::cli::exit::Failure;
use crate::cli::load::{load_place, load_plan};
use crate::cli::notices::{Notices, RunEnd};
use crate::cli::progress::Progress;
use crate::cli::{recording, terminal};
use crate::config::Plan;
use crate::lake::note_refused;
use crate::pipeline::{self, Components, NewRun, Refresh, RunFacts, RunOptions, Standing, Stop, Unfinished};
use crate::report;
use crate::source::Asking;

/// Runs a config and prints the summary as the last line of stdout.
pub(crate) async fn run(args: RunArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let (of, report, record) = (args.of.clone(), args.report.clone(), args.record.clone());
    let (dry_run, json) = (args.dry_run, args.json);
    let (metrics, skip_unchanged) = (args.metrics.clone(), args.skip_unchanged);
    let outputs = Outputs {
        report: report.as_deref(),
        record: record.as_deref(),
        metrics: metrics.as_deref(),
        dry_run,
        json,
        skip_unchanged,
    };
    run_and_report(&of, prepare(args), outputs, log_format).await
}

/// The plan, and what the command line adds to it.
fn prepare(args: RunArgs) -> Result<(Plan, RunOptions), Failure> {
    let (plan, asking) = match (&args.record, &args.replay) {
        (Some(path), _) => recording::to_record(&args.of, path)?,
        (None, Some(path)) => recording::to_replay(&args.of, path)?,
        (None, None) => (load_plan(&args.of)?, Asking::Api),
    };
    if args.full_refresh == Some(FullRefresh::Sources) && !args.resource.is_empty() {
        let why = "`--full-refresh=drop_sources` is for all resources; with `--resource`, write `drop_resources`";
        return Err(Failure::config(vec![why.to_owned()]).of_pipeline(&plan.name));
    }
    let refresh = match args.full_refresh {
        None if args.reset_state => Refresh::ResetState,
        None => Refresh::No,
        Some(FullRefresh::Data) => Refresh::DropData,
        Some(FullRefresh::Resources) => Refresh::DropResources,
        Some(FullRefresh::Sources) => Refresh::DropSources,
    };
    Ok((
        plan,
        RunOptions { only: args.resource, refresh, strict: args.strict, asking, limit: None, dry_run: args.dry_run, part: None },
    ))
}

/// What a run writes beside the lake, and whether into it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outputs<'a> {
    /// The summary.
    pub(crate) report: Option<&'a Path>,
    /// The recording.
    pub(crate) record: Option<&'a Path>,
    /// What Prometheus is told.
    pub(crate) metrics: Option<&'a Path>,
    /// Whether nothing is written into it.
    pub(crate) dry_run: bool,
    /// Whether the summary goes to stdout also where people see it, who have it in words.
    pub(crate) json: bool,
    /// Whether a run that changed nothing ends with [`SKIPPED`].
    pub(crate) skip_unchanged: bool,
}

/// The exit code by which Airflow's BashOperator knows a task that had nothing to do.
const SKIPPED: u8 = 99;

/// Runs what is prepared and hands out its summary; also of what could not be prepared.
pub(crate) async fn run_and_report(
    of: &ConfigArgs,
    prepared: Result<(Plan, RunOptions), Failure>,
    outputs: Outputs<'_>,
    log_format: LogFormat,
) -> Result<u8, Failure> {
    let run = NewRun::now(&SystemClock);
    // Nobody is told of a dry run.
    let notices = (!outputs.dry_run).then(|| Notices::new(of, outputs.metrics));
    let mut ending = Ending { of, outputs, notices, run: &run };
    let (plan, options) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            ending.keep_refusal(&failure).await;
            return ending.failed(failure, None).await;
        }
    };
    terminal::name_run(&plan.name, &run.id);
    if let Err(failure) = ending.try_out() {
        let failure = failure.of_pipeline(&plan.name);
        ending.keep_refusal(&failure).await;
        return ending.failed(failure, Some(&plan)).await;
    }
    terminal::tell("lake", &plan.lake.location.to_string());
    if let Some(notices) = &mut ending.notices {
        notices.began(&plan, &run).await;
    }
    let (facts, signal) = run_plan(&plan, &options, &run, log_format).await;
    let unrecorded = recording::finish(&options.asking, outputs.record);
    let facts = match facts {
        Ok(mut facts) => {
            facts.retell(|text| of.type_into(text));
            facts
        }
        Err(EndedWhole { failure, facts, is_panic }) => {
            if let Some(facts) = facts {
                keep_beside(of, &facts.run_id, report::summary(&facts));
            } else if is_panic {
                ending.keep_refusal(&failure).await;
            }
            let failure = if signal == SIGTERM { failure.with_code(143) } else { failure };
            return ending.failed(failure.of_pipeline(&plan.name), Some(&plan)).await;
        }
    };
    let mut summary = report::summary(&facts);
    unrecorded.iter().for_each(|warning| report::add_warning(&mut summary, warning));
    if log_format == LogFormat::Json {
        terminal::event("summary", [("summary", summary.clone())]);
    }
    let code = report::exit_code(&facts);
    let end = RunEnd { summary: &summary, facts: Some(&facts), code };
    ending.tell(Some(&plan), end).await;
    deliver(summary, outputs);
    // Behind the JSON, so that on a terminal its many lines do not bury them.
    if log_format == LogFormat::Text {
        report::run_lines(&facts).iter().for_each(|line| terminal::say(line));
    }
    Ok(if code == 0 && outputs.skip_unchanged && !facts.has_changed() { SKIPPED } else { code })
}

/// What a run that ends has to tell, and to whom.
struct Ending<'a> {
    of: &'a ConfigArgs,
    outputs: Outputs<'a>,
    notices: Option<Notices>,
    run: &'a NewRun,
}

impl Ending<'_> {
    /// Finds out whether what is to be written beside the lake can be, before a table changes.
    fn try_out(&mut self) -> Result<(), Failure> {
        if let Some(path) = self.outputs.report
            && let Err(error) = std::fs::File::create(path)
        {
            self.outputs.report = None;
            return Err(cannot_write("report", path, &error));
        }
        self.notices.as_mut().map_or(Ok(()), Notices::try_out)
    }

    /// Tells whoever wants to know.
    async fn tell(&mut self, plan: Option<&Plan>, end: RunEnd<'_>) {
        if let Some(notices) = &mut self.notices {
            notices.ended(plan.map(|plan| (plan, self.run)), end).await;
        }
    }

    /// Tells of a run that ended as a whole, or did not begin.
    async fn failed(mut self, failure: Failure, plan: Option<&Plan>) -> Result<u8, Failure> {
        let failure = failure.typed_with(self.of);
        let mut summary = failure.summary();
        if self.outputs.dry_run {
            report::mark_dry(&mut summary);
        }
        let end = RunEnd { summary: &summary, facts: None, code: failure.code() };
        self.tell(plan, end).await;
        deliver(summary, self.outputs);
        Err(failure)
    }

    /// Keeps the record of a run that did not begin: in the lake, where the config tells it and it is there, else beside the config. None is kept of a
    /// dry run.
    async fn keep_refusal(&self, failure: &Failure) {
        if self.outputs.dry_run {
            return;
        }
        let NewRun { id, started } = self.run;
        let mut record = failure.summary();
        if let Value::Object(members) = &mut record {
            let started = started.to_rfc3339_opts(SecondsFormat::Millis, true);
            let known = [("run_id", json!(id)), ("started", json!(started)), ("seconds", json!(0.0))];
            members.extend(known.map(|(key, value)| (key.to_owned(), value)));
        }
        let noted = match load_place(self.of) {
            Ok(config) => note_refused(&config.lake, &config.name, id, &record).await.unwrap_or(false),
            Err(_) => false,
        };
        if !noted {
            keep_beside(self.of, id, record);
        }
    }
}

/// Keeps the record of a run beside the config.
fn keep_beside(of: &ConfigArgs, run: &str, record: Value) {
    if let Err(error) = beside::keep(&of.config, run, record) {
        terminal::tell("warning", &format!("what became of the run cannot be kept beside the config: {error}"));
    }
}

/// Hands out the summary: to the report's file, and as the last line of stdout. What is published stays so, whatever becomes
/// of the file.
fn deliver(mut summary: Value, Outputs { report, json, .. }: Outputs<'_>) {
    if let Some(path) = report
        && let Err(error) = terminal::write_report(path, summary.clone())
    {
        let text = format!("cannot write the report to `{}`: {error}", path.display());
        terminal::tell("warning", &text);
        report::add_warning(&mut summary, &Warning::new(WarningCode::ReportNotWritten, text));
    }
    if json || !terminal::is_result_watched() {
        terminal::print_json(summary);
    }
}

/// SIGTERM's number (POSIX), and so `128 + 15` its exit code.
const SIGTERM: u8 = 15;

/// A run that ended as a whole.
pub(crate) struct EndedWhole {
    pub(crate) failure: Failure,
    /// What is known of it, where the lake could not take it.
    facts: Option<Box<RunFacts>>,
    is_panic: bool,
}

/// Runs a plan with live progress, ended by Ctrl-C or SIGTERM; also tells which signal came, 0 for none.
pub(crate) async fn run_plan(
    plan: &Plan,
    options: &RunOptions,
    run: &NewRun,
    log_format: LogFormat,
) -> (Result<RunFacts, EndedWhole>, u8) {
    let (stop, signal) = (Arc::<Stop>::default(), Arc::new(AtomicU8::new(0)));
    let watch = tokio::spawn(watch_signals(Arc::clone(&stop), Arc::clone(&signal)));
    let progress = Progress::start(log_format);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (run, events) = (run.clone(), progress.events());
    let components = Components { clock, run, stop: Arc::clone(&stop), events, spell: &report::summary };
    // A defect ends the run with its text and a summary, as any failure does.
    let outcome = AssertUnwindSafe(pipeline::run(plan, options, components)).catch_unwind().await;
    let outcome = match outcome {
        Ok(outcome) => outcome.map_err(|Unfinished { error, unkept: facts }| {
            let failure = Failure::among(&error, |table| plan.resource_of(table));
            EndedWhole { failure, facts, is_panic: false }
        }),
        Err(panic) => {
            let failure = Failure::panicked(&Panicked::of(panic.as_ref()), stands(stop.standing()));
            Err(EndedWhole { failure, facts: None, is_panic: true })
        }
    };
    progress.finish();
    watch.abort();
    (outcome, signal.load(Ordering::SeqCst))
}

/// What an end at this instant leaves behind.
fn stands(standing: Standing) -> &'static str {
    match standing {
        Standing::Nothing => "nothing of this run is published",
        Standing::Committing => {
            "a commit is being published; the next run finishes it, or finds the lake as it was if it is not recorded yet"
        }
        Standing::Committed => "the commit stands and is published",
    }
}

/// The first signal asks the run to end; the second ends the process at once. Both tell what stands.
async fn watch_signals(stop: Arc<Stop>, signal: Arc<AtomicU8>) {
    use tokio::signal::unix::{SignalKind, signal as listen};
    let (Ok(mut interrupt), Ok(mut terminate)) = (listen(SignalKind::interrupt()), listen(SignalKind::terminate())) else {
        tracing::warn!("signals cannot be watched; Ctrl-C ends the process at once");
        return;
    };
    loop {
        let number = tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => SIGTERM,
        };
        let (is_second, standing) = (signal.swap(number, Ordering::SeqCst) != 0, stop.ask());
        if is_second {
            terminal::tell("ended", stands(standing));
            // As a shell tells of a process that a signal ended.
            std::process::exit(128 + i32::from(number));
        }
        let text = match standing {
            Standing::Nothing => "requests end, nothing of this run is published; once more ends at once",
            Standing::Committing => {
                "a commit is being published, and runs to its end; once more ends at once, and the next run finishes it"
            }
            Standing::Committed => "the commit stands and is published, only the end of the run is left; once more ends at once",
        };
        terminal::tell("cancelling", text);
        signal_heeded();
    }
}

fn cannot_write(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::config(vec![format!("cannot write the {what} to `{}`: {error}; nothing was requested", path.display())])
}
