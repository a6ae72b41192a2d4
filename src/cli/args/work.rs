//! The arguments of commands that work on a lake without asking the API.

use std::path::PathBuf;

use clap::Subcommand;

use crate::cli::args::{ConfigArgs, version};

/// How a command is given that only tells unless it is asked to do it.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Asked {
    /// Do it; without it, only tell what would be done.
    #[arg(long)]
    pub(crate) apply: bool,
    /// Only tell what would be done, as without it.
    #[arg(long, conflicts_with = "apply")]
    dry_run: bool,
}

/// How a command is given that does it unless it is asked to tell.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Done {
    /// Only tell what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do it, as without it.
    #[arg(long, conflicts_with = "dry_run")]
    apply: bool,
}

/// What becomes of a table.
#[derive(Debug, Subcommand)]
pub(crate) enum TableCommand {
    /// Take a table out of the lake, and forget its cursor.
    Drop(TableArgs),
    /// Give a table another name; write it into the config first, and the cursor goes with it.
    Rename(RenameArgs),
    /// Write a table anew in the folders of the config's `partition_by`.
    Repartition(TableArgs),
    /// Give a table the config's `primary_key`, if its rows have it: no null, no key twice.
    Rekey(TableArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct TableArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The table.
    pub(crate) table: String,
    #[command(flatten)]
    pub(crate) how: Asked,
}

/// What a table can be stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TableKind {
    /// Parquet in Hive's folders, for readers by glob.
    Plain,
    /// A Delta table.
    Delta,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ConvertArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The table.
    pub(crate) table: String,
    /// What it becomes; write it into the config, too (`table_format`).
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: TableKind,
    #[command(flatten)]
    pub(crate) how: Asked,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RenameArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The table.
    pub(crate) table: String,
    /// Its new name.
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) how: Asked,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The version to bring back, as `lakeward history` lists them.
    #[arg(long, value_name = "VERSION", allow_negative_numbers = true, value_parser = version)]
    pub(crate) to: u64,
    #[command(flatten)]
    pub(crate) how: Done,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompactArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// Only this table; else all of them.
    pub(crate) table: Option<String>,
    #[command(flatten)]
    pub(crate) how: Done,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GcArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    #[command(flatten)]
    pub(crate) how: Asked,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The resource whose table the files become. The lake must not have it yet.
    pub(crate) resource: String,
    /// The folder, on this machine and outside of the lake: Parquet files, in Hive's folders (`column=value`) or in none.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) how: Asked,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// Only this table.
    pub(crate) table: Option<String>,
    #[command(flatten)]
    pub(crate) how: Asked,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AbandonArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The commit, as `lakeward doctor` or a run names it: the newest one, not published whole.
    #[arg(value_parser = version)]
    pub(crate) version: u64,
    #[command(flatten)]
    pub(crate) how: Asked,
}
