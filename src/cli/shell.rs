//! `lakeward completions` and `lakeward man`: the command line as a shell completes it and as `man` shows it.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::args::Args;
use crate::cli::exit::Failure;
use crate::cli::terminal;

/// Prints the completions of a shell.
pub(crate) fn completions(shell: Shell) -> u8 {
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "lakeward", &mut script);
    terminal::print_document(&String::from_utf8_lossy(&script));
    0
}

/// Writes a page for lakeward and one for each of its commands into a folder, which is made where it is missing.
pub(crate) fn man(folder: &Path) -> Result<u8, Failure> {
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Args::command(), folder));
    written.map_err(|error| Failure::config(vec![format!("cannot write man pages into `{}`: {error}", folder.display())]))?;
    terminal::print(&format!("man pages written; next: man {}", folder.join("lakeward.1").display()));
    Ok(0)
}
