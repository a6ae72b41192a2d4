//! What clap has to say: help, the version, and what is wrong with a command line.

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

use crate::base::shown;
use crate::cli::args::Args;

/// Prints what came of reading the arguments instead of a command, and gives the exit code.
pub(crate) fn tell_usage(error: clap::Error) -> u8 {
    let is_asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    // A complaint quotes the arguments. Read again without what a terminal obeys, all line breaks and colours in it are clap's.
    let clean = |argument: OsString| OsString::from(shown(&argument.to_string_lossy()).into_owned());
    let error = if is_asked_for { error } else { Args::try_parse_from(std::env::args_os().map(clean)).err().unwrap_or(error) };
    // Nothing is left to tell when even the terminal is gone.
    let _ = error.print();
    u8::try_from(error.exit_code()).unwrap_or(2)
}
