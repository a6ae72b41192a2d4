//! What clap has to say: help, the version, and what is wrong with a command line.

use std::ffi::OsString;

use clap::Parser;
use clap::error::ErrorKind;

use crate::base::shown;
use crate::cli::args::{Args, LogFormat};

/// Prints what came of reading the arguments instead of a command, and gives the exit code.
pub(crate) fn tell_usage(error: clap::Error) -> u8 {
    let is_asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    // A complaint quotes the arguments. Read again without what a terminal obeys, all line breaks and colours in it are clap's.
    let clean = |argument: OsString| OsString::from(shown(&argument.to_string_lossy()).into_owned());
    let error = if is_asked_for { error } else { Args::try_parse_from(std::env::args_os().map(clean)).err().unwrap_or(error) };
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if !is_asked_for && asks_for_json(&arguments) {
        tell_events(&error.render().to_string());
    } else {
        // Nothing is left to tell when even the terminal is gone.
        let _ = error.print();
    }
    if let Some(mode) = spaced_mode(&arguments) {
        super::tell("hint", &format!("`--full-refresh` takes its mode behind `=`: `--full-refresh={mode}`"));
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// Whether stderr is to be JSON, as far as arguments that are wrong can tell.
fn asks_for_json(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == "--log-format=json")
        || arguments.windows(2).any(|pair| pair[0] == "--log-format" && pair[1] == "json")
}

/// Tells a complaint of clap's as events: its first paragraph is the error, and what it advises are hints.
fn tell_events(complaint: &str) {
    // Nothing has settled it before.
    let _ = super::FORMAT.set(LogFormat::Json);
    let joined = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = complaint.split("\n\n").map(joined);
    let error = paragraphs.next().unwrap_or_default();
    super::tell("error", error.strip_prefix("error: ").unwrap_or(&error));
    paragraphs.filter_map(|text| text.strip_prefix("tip: ").map(str::to_owned)).for_each(|tip| super::tell("hint", &tip));
}

/// The mode of a refresh that stands behind a space.
fn spaced_mode(arguments: &[String]) -> Option<&'static str> {
    let at = arguments.iter().position(|argument| argument == "--full-refresh")?;
    ["drop_sources", "drop_resources", "drop_data"]
        .into_iter()
        .find(|mode| arguments.get(at + 1).is_some_and(|next| next == mode))
}
