//! The command line: arguments become calls, errors become exit codes.
//!
//! In: `argv`, the environment, files and signals. Out: results on stdout, logs and progress on stderr, an exit code. It alone
//! prints, and it knows nothing of what the other rooms do inside.

mod abandon;
mod adopt;
mod args;
mod backfill;
mod beside;
mod chaos;
mod check;
mod compact;
mod ddl;
mod keep;
mod demo;
mod described;
mod diff;
mod doctor;
mod exit;
mod files;
mod gc;
mod get;
mod history;
mod import;
mod init;
mod load;
mod looked;
mod mcp;
mod notices;
mod page;
mod pages;
mod preview;
mod progress;
mod ran;
mod recording;
mod repair;
mod replace;
mod rollback;
mod run;
mod runs;
mod shard;
mod shell;
mod status;
mod table;
mod terminal;
mod ui;
mod verify;
mod waits;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;
use futures::FutureExt;

use crate::base::{ErrorKind, Panicked};
use crate::cli::args::{Args, Command};
use crate::cli::exit::Failure;

/// Runs the command that the process was started with.
pub(crate) fn main() -> ExitCode {
    let args = match Args::try_parse_from(get::arguments()) {
        Ok(args) => args,
        Err(error) => return ExitCode::from(terminal::tell_usage(error)),
    };
    if let Command::Get(args) = &args.command {
        get::hide(args);
    }
    terminal::start_logging(args.log_format, args.verbose);
    terminal::tell_of_panics();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::internal("starting the runtime", &error).report(),
    };
    if let Some(of) = args.command.of() {
        terminal::type_config(&of);
    }
    let log_format = args.log_format;
    let tells = args.command.only_tells();
    let command = async move {
        match args.command {
            Command::Get(args) => get::get(*args, log_format).await,
            Command::Run(args) => run::run(args, log_format).await,
            Command::Shard { command } => shard::shard(command, log_format).await,
            Command::Backfill(args) => backfill::backfill(args, log_format).await,
            Command::Check(args) => check::check(args).await,
            Command::Preview(args) => preview::preview(args).await,
            Command::Status(args) => status::status(args).await,
            Command::Runs(args) => runs::runs(args).await,
            Command::Ddl(args) => ddl::ddl(args).await,
            Command::Report(args) => page::report(args).await,
            Command::Ui(args) => ui::ui(args).await,
            Command::Mcp(args) => mcp::mcp(args).await,
            Command::History(args) => history::history(args).await,
            Command::Files(args) => files::files(args).await,
            Command::Verify(args) => verify::verify(args).await,
            Command::Rollback(args) => rollback::rollback(args).await,
            Command::Table { command } => table::table(command).await,
            Command::Adopt(args) => adopt::adopt(args).await,
            Command::Convert(args) => table::convert(&args).await,
            Command::Compact(args) => compact::compact(args).await,
            Command::Gc(args) => gc::gc(args).await,
            Command::Repair(args) => repair::repair(args).await,
            Command::Diff(args) => diff::diff(args).await,
            Command::Doctor(args) => doctor::doctor(args).await,
            Command::Abandon(args) => abandon::abandon(args).await,
            Command::Chaos(args) => chaos::chaos(args).await,
            Command::Init(args) => init::init(args).await,
            Command::Probe(args) => init::probe_api(args).await,
            Command::Import(args) => import::import_script(&args),
            Command::Demo(args) => demo::demo(args, log_format).await,
            Command::ConfigSchema => {
                terminal::print_document(&crate::config::json_schema());
                Ok(0)
            }
            Command::Completions { shell } => Ok(shell::completions(shell)),
            Command::Man { folder } => shell::man(&folder),
        }
    };
    let outcome = runtime.block_on(AssertUnwindSafe(command).catch_unwind());
    // Whatever still runs in the background has nothing to say any more.
    runtime.shutdown_background();
    match outcome {
        Ok(Ok(code)) => ExitCode::from(heard(code, tells)),
        Ok(Err(failure)) => failure.report(),
        Err(panic) => Failure::panicked(&Panicked::of(panic.as_ref()), "no table was changed").report(),
    }
}

/// The exit code where stdout may have taken less than all: a command that only tells something has failed by that, any other has done what it did.
fn heard(code: u8, tells: bool) -> u8 {
    let Some(failure) = terminal::unwritten() else { return code };
    if code == 0 && tells {
        failure.report();
        return ErrorKind::Unavailable.exit_code();
    }
    failure.retold(|line| format!("{line}; what the command did stands")).warn();
    code
}
