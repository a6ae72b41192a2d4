//! lakeward moves REST APIs lakeward: JSON pages in, partitioned Parquet out.
//!
//! Modules in reading order; each knows only those before it.

mod base;
mod config;
mod compat;
mod source;
mod schema;
mod decode;
mod merge;
mod lake;
mod pipeline;
mod report;
mod cli;

/// Runs the `lakeward` command that the process was started with.
#[must_use]
pub fn main() -> std::process::ExitCode {
    cli::main()
}
