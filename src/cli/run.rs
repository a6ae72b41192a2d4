//! `lakeward run`: the nightly refresh.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio_util::sync::CancellationToken;

use crate::base::{Clock, ErrorKind, SystemClock, Warning, WarningCode};
use crate::cli::args::{FullRefresh, LogFormat, RunArgs};
use crate::cli::exit::Failure;
use crate::cli::load::load_plan;
use crate::cli::progress::Progress;
use crate::cli::terminal;
use crate::config::Plan;
use crate::pipeline::{self, Components, Refresh, RunFacts, RunOptions};
use crate::report;

/// Runs a config and prints the summary as the last line of stdout.
pub(crate) async fn run(args: RunArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let plan = load_plan(&args.config, args.choice.choice())?;
    if args.full_refresh == Some(FullRefresh::Sources) && !args.resource.is_empty() {
        let why = "`--full-refresh=drop_sources` is for all resources; with `--resource`, write `drop_resources`";
        return Err(Failure::config(vec![why.to_owned()]));
    }
    let refresh = match args.full_refresh {
        None if args.reset_state => Refresh::ResetState,
        None => Refresh::No,
        Some(FullRefresh::Data) => Refresh::DropData,
        Some(FullRefresh::Resources | FullRefresh::Sources) => Refresh::DropResources,
    };
    let options = RunOptions { only: args.resource, refresh, strict: args.strict };
    run_and_report(&plan, &options, args.report.as_deref(), log_format).await
}

/// Runs a plan and hands out its summary.
pub(crate) async fn run_and_report(
    plan: &Plan,
    options: &RunOptions,
    report: Option<&Path>,
    log_format: LogFormat,
) -> Result<u8, Failure> {
    if let Some(path) = report {
        // A report that cannot be written is known before a table changes.
        std::fs::File::create(path).map_err(|error| cannot_report(path, &error))?;
    }
    let (facts, signal) = run_plan(plan, options, log_format).await;
    let facts = match facts {
        Ok(facts) => facts,
        Err(failure) => {
            let failure = if signal == SIGTERM { failure.with_code(143) } else { failure };
            deliver(failure.summary(&plan.name), report);
            return Err(failure);
        }
    };
    let summary = report::summary(&facts);
    match log_format {
        LogFormat::Json => terminal::event("summary", [("summary", summary.clone())]),
        LogFormat::Text => report::run_lines(&facts).iter().for_each(|line| terminal::say(line)),
    }
    deliver(summary, report);
    Ok(report::exit_code(&facts))
}

/// Hands out the summary: to the report's file, and as the last line of stdout. What is published stays so, whatever becomes
/// of the file.
fn deliver(mut summary: serde_json::Value, report: Option<&Path>) {
    if let Some(path) = report
        && let Err(error) = std::fs::write(path, format!("{summary:#}\n"))
    {
        let text = format!("cannot write the report to `{}`: {error}", path.display());
        terminal::tell("warning", &text);
        report::add_warning(&mut summary, &Warning::new(WarningCode::ReportNotWritten, text));
    }
    terminal::print(&summary.to_string());
}

/// SIGTERM's number (POSIX), and so `128 + 15` its exit code.
const SIGTERM: u8 = 15;

/// Runs a plan with live progress, ended by Ctrl-C or SIGTERM; also tells which signal came, 0 for none.
pub(crate) async fn run_plan(plan: &Plan, options: &RunOptions, log_format: LogFormat) -> (Result<RunFacts, Failure>, u8) {
    let cancel = CancellationToken::new();
    let signal = Arc::new(AtomicU8::new(0));
    let watch = tokio::spawn(watch_signals(cancel.clone(), Arc::clone(&signal)));
    let progress = Progress::start(log_format);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let components = Components { clock, cancel, events: progress.events(), spell: &report::summary };
    let outcome = pipeline::run(plan, options, components).await;
    progress.finish();
    watch.abort();
    (outcome.map_err(Failure::from), signal.load(Ordering::SeqCst))
}

/// The first signal asks the run to end; the second ends the process at once.
async fn watch_signals(cancel: CancellationToken, signal: Arc<AtomicU8>) {
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
        if signal.swap(number, Ordering::SeqCst) != 0 {
            std::process::exit(i32::from(ErrorKind::Cancelled.exit_code()));
        }
        terminal::tell("cancelling", "requests end, nothing is published; once more ends at once");
        cancel.cancel();
    }
}

fn cannot_report(path: &Path, error: &std::io::Error) -> Failure {
    Failure::config(vec![format!("cannot write the report to `{}`: {error}; nothing was requested", path.display())])
}
