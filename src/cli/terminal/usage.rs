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
    if let Some(mode) =
        spaced_mode(&std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect::<Vec<_>>())
    {
        super::tell("hint", &format!("`--full-refresh` takes its mode behind `=`: `--full-refresh={mode}`"));
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// The mode of a refresh that stands behind a space.
fn spaced_mode(arguments: &[String]) -> Option<&'static str> {
    let at = arguments.iter().position(|argument| argument == "--full-refresh")?;
    ["drop_sources", "drop_resources", "drop_data"]
        .into_iter()
        .find(|mode| arguments.get(at + 1).is_some_and(|next| next == mode))
}
