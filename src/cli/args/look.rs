//! The arguments of commands that only look at a lake.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::args::{ConfigArgs, LakeArgs, version};
use crate::report::Engine;

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) of: LakeArgs,
    /// Tell of each table its columns, too, and what runs have found out about its resource. Needs a config.
    #[arg(long, conflicts_with = "json")]
    pub(crate) details: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    pub(crate) of: LakeArgs,
    /// The run to tell all of: its id, or so much of its beginning or end that it is clear.
    #[arg(value_name = "ID")]
    pub(crate) run: Option<String>,
    /// Runs to list of each pipeline, the newest first.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) limit: u32,
    /// Print one JSON object a run; of one run all that is known, in one object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DdlArgs {
    #[command(flatten)]
    pub(crate) of: LakeArgs,
    /// The table.
    pub(crate) table: String,
    /// The engine.
    #[arg(long = "for", value_name = "duckdb|spark|athena|trino|clickhouse|bigquery", hide_possible_values = true, value_parser = engine_values())]
    pub(crate) engine: EngineName,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) of: LakeArgs,
    /// The HTML file to write; one that is there is replaced whole. `-` is stdout.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Show some rows and rejects of each table, too. Without it the file has none: it may go to whoever may know the names of tables and columns.
    #[arg(long)]
    pub(crate) sample: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UiArgs {
    #[command(flatten)]
    pub(crate) of: LakeArgs,
    /// The port on 127.0.0.1. Default: a free one.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) of: LakeArgs,
}

/// An engine, as the command line names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EngineName(pub(crate) Engine);

fn engine_values() -> impl TypedValueParser<Value = EngineName> {
    let names = PossibleValuesParser::new(Engine::ALL.map(Engine::name));
    names.try_map(|name| {
        let engine = Engine::ALL.into_iter().find(|engine| engine.name() == name);
        engine.map(EngineName).ok_or_else(|| format!("there is no engine `{name}`"))
    })
}

#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// Only commits that changed this table.
    pub(crate) table: Option<String>,
    /// Commits to list, the newest first.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// Print one JSON object a commit.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The version to compare from, as `lakeward history` lists them.
    #[arg(value_name = "A", value_parser = version)]
    pub(crate) from: u64,
    /// The version to compare to.
    #[arg(value_name = "B", value_parser = version)]
    pub(crate) to: u64,
    /// Only this table.
    pub(crate) table: Option<String>,
    /// Write the rows that differ to this Parquet file, which must not exist: the column `_change` says `insert`, `delete`, `update_preimage` or
    /// `update_postimage`. Needs TABLE.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FilesArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// The table; may be left out where the lake has one.
    pub(crate) table: Option<String>,
    /// The version, as `lakeward history` lists them. Default: the newest.
    #[arg(long, value_name = "VERSION", allow_negative_numbers = true, value_parser = version)]
    pub(crate) at: Option<u64>,
    #[command(flatten)]
    pub(crate) form: FilesForm,
}

/// How the files are listed.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(multiple = false)]
pub(crate) struct FilesForm {
    /// Print one JSON object a file: its path, partition, rows, bytes.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the SQL that reads them in DuckDB.
    #[arg(long)]
    pub(crate) duckdb: bool,
    /// Print the Python that reads them in Spark.
    #[arg(long)]
    pub(crate) spark: bool,
    /// Print the Python that reads them in polars.
    #[arg(long)]
    pub(crate) polars: bool,
    /// Print the Python that reads them in pyarrow.
    #[arg(long)]
    pub(crate) pyarrow: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// Only this table.
    pub(crate) table: Option<String>,
    /// The version, as `lakeward history` lists them. Default: the newest.
    #[arg(long, value_name = "VERSION", allow_negative_numbers = true, value_parser = version)]
    pub(crate) at: Option<u64>,
    /// Decode every row, too: rows are counted, agree with their partition folder, and no key is null or there twice. Takes about 120 MB of memory
    /// for 10 million rows, more where single rows are large, and 24 bytes a row on the disk of TMPDIR.
    #[arg(long)]
    pub(crate) deep: bool,
    /// Print one JSON object a table.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) of: ConfigArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
