//! The arguments of `lakeward shard`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::args::ConfigArgs;
use crate::pipeline::SHARDS_MAX;

/// What is done with the shards of a run.
#[derive(Debug, Subcommand)]
pub(crate) enum ShardCommand {
    /// Read what other resources are requested for, and print the shards of a run, a JSON line each.
    Plan(ShardPlanArgs),
    /// Ask for what one shard is, leave what was answered among lakeward's own files of the lake, and print its manifest, a JSON line.
    Run(ShardRunArgs),
    /// Make one run of the manifests of all shards: load, merge and publish as `run` does, without a request to the API.
    Commit(ShardCommitArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShardPlanArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// How many shards there are to be.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=i64::from(SHARDS_MAX)))]
    pub(crate) shards: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShardRunArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The line that `plan` printed for the shard; `-`: it comes by stdin.
    pub(crate) spec: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShardCommitArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// A file with the lines that `run` printed, one of each shard; `-`, or none: they come by stdin.
    pub(crate) manifests: Option<PathBuf>,
    /// Publish nothing when there is a warning that matters.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write the summary of the run to this file, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print the summary in JSON on a terminal, too.
    #[arg(long)]
    pub(crate) json: bool,
}

impl ShardCommand {
    /// The config that it is given.
    pub(crate) fn of(&self) -> &ConfigArgs {
        match self {
            Self::Plan(args) => &args.of,
            Self::Run(args) => &args.of,
            Self::Commit(args) => &args.of,
        }
    }
}
