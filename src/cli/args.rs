//! The arguments, as clap reads them.

mod get;
mod init;
mod lake;
mod look;
mod shard;
mod work;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::compat::Choice;

pub(crate) use crate::base::quoted;

pub(crate) use get::{DataFormat, GetArgs, NestedForm};
pub(crate) use init::{AskArgs, InitArgs, ProbeArgs};
pub(crate) use lake::LakeArgs;
pub(crate) use look::{
    DdlArgs, DiffArgs, DoctorArgs, FilesArgs, FilesForm, HistoryArgs, McpArgs, ReportArgs, RunsArgs, StatusArgs, UiArgs,
    VerifyArgs,
};
pub(crate) use shard::{ShardCommand, ShardCommitArgs, ShardPlanArgs, ShardRunArgs};
pub(crate) use work::{
    AbandonArgs, AdoptArgs, CompactArgs, ConvertArgs, GcArgs, RepairArgs, RollbackArgs, TableCommand, TableKind,
};

/// The version, the commit that was built, and the features.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("LAKEWARD_BUILD"), ")");

const EXIT_CODES: &str = "\
Exit codes:
    0  success
    2  config: fix the file or the command; no table was changed
    3  data: look at what the API answered, or at the lake's files; the message says which
    4  credentials: renew them
   20  partial: some resources published, others failed; fix these and run again, the published ones stay
   70  internal: report a bug
   75  unavailable: run again later
  130, 143  cancelled: nothing was lost; run again

Start with `lakeward demo`.";

/// REST APIs to partitioned Parquet: all rows, exactly once, in files every reader can open.
#[derive(Debug, Parser)]
#[command(name = "lakeward", version = VERSION, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Args {
    /// How logs and progress are written to stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
    /// Say more on stderr: once every request, as a command for curl without credentials; twice what is decided too (retries, pages, schemas).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read all records of one URL into one file, or show the first of them: no config, no lake. The file is written when nothing is missing.
    Get(Box<GetArgs>),
    /// Refresh the tables: fetch every resource, then publish what is whole in one commit. The last line of stdout is a summary in JSON, unless stdout is a terminal.
    Run(RunArgs),
    /// Load a range of incremental resources again, and leave their cursors where they are. The last line of stdout is a summary in JSON, unless stdout is a terminal.
    Backfill(BackfillArgs),
    /// Cut a run into shards that ask side by side, on as many machines: `plan` prints them, `run` asks for one of them, `commit` makes one run of all.
    Shard {
        #[command(subcommand)]
        command: ShardCommand,
    },
    /// Read and check the config; with --online also judge the lake and the first pages of every resource as a run would. Writes no table.
    Check(CheckArgs),
    /// Show the first rows of a resource and its inferred schema; write nothing.
    Preview(PreviewArgs),
    /// Tell how a lake is in the morning: each table with its state, age, rows, what the last load changed, the last error with its way out, and what to
    /// type. Needs the lake alone, or a config without its secrets; exit code 3 when files are missing, changed or not lakeward's.
    Status(StatusArgs),
    /// List all runs, also failed, cancelled, killed and refused ones; or tell all of one: timeline, requests, waits, warnings, rejects, the full error.
    Runs(RunsArgs),
    /// Print the statements that make a table known to a query engine, with the descriptions of its columns.
    Ddl(DdlArgs),
    /// Write the lake as one HTML page that needs no server: tables, nights as charts, schemas, files, runs.
    Report(ReportArgs),
    /// Serve the same pages live on 127.0.0.1, with rows, under an address that has a token.
    Ui(UiArgs),
    /// Let an assistant look at the lake, by the Model Context Protocol over stdin and stdout: status, runs, schemas, sample rows, check. Changes nothing.
    Mcp(McpArgs),
    /// List the commits: when each was made, by which run, and what it changed.
    History(HistoryArgs),
    /// Count the rows that came, changed or went between two versions, by key; with --out, write them down.
    Diff(DiffArgs),
    /// List the files of a table, now or at a version, and print how a reader opens them.
    Files(FilesArgs),
    /// Prove the tables: every file of a version is there and is what was committed, and no other; with --deep every row, too.
    Verify(VerifyArgs),
    /// Bring a version back: its rows, schemas and cursors, in a new commit.
    Rollback(RollbackArgs),
    /// Drop or rename a table, or bring it to the partitions or the key of the config, from the lake's own rows; lists first, --apply does it.
    Table {
        #[command(subcommand)]
        command: TableCommand,
    },
    /// Store a table as something else: as a Delta table, or as plain Parquet files again. Rows stay as they are, and files where that can be; lists
    /// first, --apply does it.
    Convert(ConvertArgs),
    /// Look at a folder of Parquet files that something else wrote: its columns, its key, what of the config fits; with --apply, make them the resource's
    /// table, which a run goes on from. The folder is only read.
    Adopt(AdoptArgs),
    /// Put the small files of each partition together, in a commit of its own; no row changes.
    Compact(CompactArgs),
    /// List what the lake's own folder holds and nothing needs any more; with --apply, remove it.
    Gc(GcArgs),
    /// List what is lost, damaged or set aside of the tables and can be had again without a request; with --apply, put it back.
    Repair(RepairArgs),
    /// Tell what stands in the way of the next run or of readers, and what gets out of it: leases, commits that are not published whole, lost files,
    /// what is damaged or left over. Writes nothing; exit code 3 when something needs a person.
    Doctor(DoctorArgs),
    /// List what a commit brought of which files are lost for good; with --apply, step past it: what was before comes back, rows and cursors together.
    Abandon(AbandonArgs),
    /// Run the config against many misbehaviours of its API, made of a recording, into scratch lakes: what came of each, and whether rows were lost. Exit
    /// code 3 when any were.
    Chaos(ChaosArgs),
    /// Ask an API at most a dozen requests, and write a config of what they prove: paginator, records, key, cursor, page size. What is not proven is a
    /// question in the file.
    Init(Box<InitArgs>),
    /// The same, told as a table; writes nothing.
    Probe(Box<ProbeArgs>),
    /// Convert a dlt pipeline script (rest_api_source) to a config, naming what it could not carry over.
    Import(ImportArgs),
    /// Load a sample API on 127.0.0.1 twice into ./lakeward-demo, and show how to read it.
    Demo(DemoArgs),
    /// Print the JSON Schema of the config, for editors.
    ConfigSchema,
    /// Print what completes commands and options in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder.
    Man {
        /// The folder.
        folder: PathBuf,
    },
}

impl Command {
    /// Whether what it prints is all that comes of it.
    pub(crate) fn only_tells(&self) -> bool {
        match self {
            Self::Check(_)
            | Self::Preview(_)
            | Self::Status(_)
            | Self::Runs(_)
            | Self::Ddl(_)
            | Self::Report(_)
            | Self::Ui(_)
            | Self::Mcp(_) => true,
            Self::History(_) | Self::Diff(_) | Self::Files(_) | Self::Verify(_) | Self::Doctor(_) => true,
            Self::Init(_) | Self::Probe(_) | Self::Import(_) => true,
            Self::ConfigSchema | Self::Completions { .. } | Self::Man { .. } => true,
            Self::Get(_)
            | Self::Run(_)
            | Self::Shard { .. }
            | Self::Backfill(_)
            | Self::Rollback(_)
            | Self::Table { .. }
            | Self::Convert(_)
            | Self::Adopt(_) => false,
            Self::Compact(_) | Self::Gc(_) | Self::Repair(_) | Self::Abandon(_) | Self::Chaos(_) | Self::Demo(_) => false,
        }
    }

    /// The config that the command is given.
    pub(crate) fn of(&self) -> Option<ConfigArgs> {
        let of = match self {
            Self::Run(args) => &args.of,
            Self::Backfill(args) => &args.of,
            Self::Shard { command } => command.of(),
            Self::Check(args) => &args.of,
            Self::Preview(args) => &args.of,
            Self::Status(args) => return args.of.config(),
            Self::Runs(args) => return args.of.config(),
            Self::Ddl(args) => return args.of.config(),
            Self::Report(args) => return args.of.config(),
            Self::Ui(args) => return args.of.config(),
            Self::Mcp(args) => return args.of.config(),
            Self::History(args) => &args.of,
            Self::Diff(args) => &args.of,
            Self::Files(args) => &args.of,
            Self::Verify(args) => &args.of,
            Self::Rollback(args) => &args.of,
            Self::Table { command: TableCommand::Rename(args) } => &args.of,
            Self::Table { command: TableCommand::Drop(args) | TableCommand::Repartition(args) | TableCommand::Rekey(args) } => {
                &args.of
            }
            Self::Adopt(args) => &args.of,
            Self::Convert(args) => &args.of,
            Self::Compact(args) => &args.of,
            Self::Gc(args) => &args.of,
            Self::Repair(args) => &args.of,
            Self::Doctor(args) => &args.of,
            Self::Abandon(args) => &args.of,
            Self::Chaos(args) => &args.of,
            Self::Init(_)
            | Self::Probe(_)
            | Self::Get(_)
            | Self::Import(_)
            | Self::Demo(_)
            | Self::ConfigSchema
            | Self::Completions { .. }
            | Self::Man { .. } => return None,
        };
        Some(of.clone())
    }
}

/// The config, and what is chosen of dltHub's project file.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ConfigArgs {
    /// The config, YAML or JSON; or dltHub's dlt.yml.
    pub(crate) config: PathBuf,
    /// Of a dlt project file (dlt.yml): the pipeline; may be left out where the file has one.
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// Of a dlt project file: the profile laid over it; else its project.default_profile, else `dev`.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

impl ConfigArgs {
    /// What is chosen, for the config's reader.
    pub(crate) fn choice(&self) -> Choice<'_> {
        Choice { pipeline: self.pipeline.as_deref(), profile: self.profile.as_deref() }
    }

    /// The config and what is chosen of it, as a shell takes them.
    pub(crate) fn typed(&self) -> String {
        let mut text = quoted(&self.config.display().to_string());
        for (option, name) in [("--pipeline", &self.pipeline), ("--profile", &self.profile)] {
            if let Some(name) = name {
                text.push_str(&format!(" {option} {}", quoted(name)));
            }
        }
        text
    }

    /// Advice in which a command has CONFIG, with the config in its place.
    pub(crate) fn type_into(&self, advice: &str) -> String {
        let typed = format!(" {}", self.typed());
        // What is no command may have come from anywhere.
        let commands = advice.match_indices("lakeward ").map(|(at, _)| at);
        let ends = commands.clone().skip(1).chain([advice.len()]);
        let head = commands.clone().next().unwrap_or(advice.len());
        let typed = commands.zip(ends).map(|(at, end)| advice[at..end].replacen(" CONFIG", &typed, 1));
        advice[..head].to_owned() + &typed.collect::<String>()
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// Only this resource, and whatever of its parents it needs; may be given several times, or as `a,b`.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) resource: Vec<String>,
    /// Rebuild the tables from this run alone, and begin incremental loading anew; without a MODE, `drop_resources`. The old rows stay until the
    /// commit. `drop_sources` does not go with `--resource`.
    #[arg(long, value_enum, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "drop_resources")]
    pub(crate) full_refresh: Option<FullRefresh>,
    /// Begin incremental loading anew, at `initial_value`, and keep the tables.
    #[arg(long, conflicts_with = "full_refresh")]
    pub(crate) reset_state: bool,
    /// Publish nothing and end with exit code 3 when there is a warning that matters (docs/warnings.md); what the config asks for is none.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Do everything but the commit: read all, merge, check the guards, and tell what would change. Writes nothing into the lake and takes no lease;
    /// the exit code is that of the run. Rows wait in TMPDIR.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the summary to this file too, indented; also of a run that fails.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Keep every request and answer in this file, without secrets, also of a run that fails (docs/replay.md).
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Ask this recording and not the API: the same tables, without a connection, a wait or a secret.
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub(crate) replay: Option<PathBuf>,
    /// Print the summary in JSON also where stdout is a terminal.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write what the run came to into this file, for the textfile collector of Prometheus' node exporter (docs/monitor.md).
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) metrics: Option<PathBuf>,
    /// End with exit code 99 when all went well and no table changed, which Airflow's BashOperator takes for a skipped task.
    #[arg(long)]
    pub(crate) skip_unchanged: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackfillArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// Where the range starts, itself in it; spelled as the cursor is, or as a date.
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    pub(crate) from: String,
    /// Where it ends, itself not in it.
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    pub(crate) to: String,
    /// Only this resource; may be given several times, or as `a,b`. Default: all that are incremental.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) resource: Vec<String>,
    /// Publish nothing and end with exit code 3 when there is a warning that matters (docs/warnings.md); what the config asks for is none.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Do everything but the commit: read all, merge, check the guards, and tell what would change. Writes nothing into the lake and takes no lease;
    /// the exit code is that of the run. Rows wait in TMPDIR.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the summary to this file too, indented; also of a run that fails.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print the summary in JSON also where stdout is a terminal.
    #[arg(long)]
    pub(crate) json: bool,
}

/// dlt's refresh modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FullRefresh {
    /// As `drop_resources`, and tables that are no longer in the config are dropped.
    #[value(name = "drop_sources")]
    Sources,
    /// The tables of this run with their columns, and their state.
    #[value(name = "drop_resources")]
    Resources,
    /// The rows of this run's tables, and their state; columns stay.
    #[value(name = "drop_data")]
    Data,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// Look at the lake as a run does and try out its rights; request the first two pages of every resource, a third where the paginator is detected,
    /// and make of them what a run would; keep nothing.
    #[arg(long)]
    pub(crate) online: bool,
    /// With --online: write what was detected into the config file.
    #[arg(long, requires = "online")]
    pub(crate) write: bool,
    /// Print one JSON object on stdout; warnings and errors stand in it, and on stderr as ever.
    #[arg(long, conflicts_with = "write")]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The resource to look at.
    pub(crate) resource: String,
    /// Rows to show, at most those of the first page.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rows: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ChaosArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The recording of a run that began with nothing, by `run --record`.
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: PathBuf,
    /// Only this misbehaviour; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Which pages, bytes and records it happens to.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The script. It is parsed, never run.
    pub(crate) script: PathBuf,
    /// Write the config to this file, which must not exist; else it is printed.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Where the demo puts its config and lake.
    #[arg(long, value_name = "FOLDER", default_value = "lakeward-demo")]
    pub(crate) folder: PathBuf,
}

/// A version as it is written on the command line.
fn version(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|version| *version > 0);
    number.ok_or_else(|| "a version is a whole number from 1 on; `lakeward history` lists them".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }
}
