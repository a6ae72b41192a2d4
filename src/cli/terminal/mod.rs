//! The two streams: results to stdout, everything else to stderr. Nothing else writes to them; `tests/it/tidy.rs` sees to it.
//!
//! In: text, most of which came from outside. Out: lines, in which [`shown`] leaves no secret, no control character and no line break.
//! What takes several lines is given line by line, so that a value cannot forge one.
//! Live lines at the foot of a terminal are taken away while anything else is written, so that nothing is written over.

mod data;
mod live;
mod logs;
mod usage;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::SecondsFormat;
use indicatif::MultiProgress;
use serde_json::{Map, Value};

use crate::base::{Clock, Panicked, SystemClock, shown, shown_json, shown_json_lines};
use crate::cli::args::{ConfigArgs, LogFormat};
use crate::cli::exit::Failure;

pub(crate) use data::{DataOut, is_data_watched};
pub(crate) use live::{LiveLine, LiveLines};
pub(crate) use logs::start_logging;
pub(crate) use usage::tell_usage;

/// The live lines on stderr, while there are some.
static LIVE: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// How stderr is written; text until it is set.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Why a line of the result is lost.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// The pipeline and the run, once there is one.
static RUN: Mutex<Option<(String, String)>> = Mutex::new(None);

/// The config that the command was given.
static CONFIG: OnceLock<ConfigArgs> = OnceLock::new();

/// From here on advice in which a command has CONFIG is told with this config in its place.
pub(crate) fn type_config(of: &ConfigArgs) {
    // A second command in one process, as in tests, keeps the first.
    let _ = CONFIG.set(of.clone());
}

/// Advice in which a command has CONFIG, with the config that this command was given in its place.
pub(crate) fn typed(text: &str) -> String {
    CONFIG.get().map_or_else(|| text.to_owned(), |config| config.type_into(text))
}

/// Prints a line of a result. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    write_result(&shown(text));
}

/// Prints a document of our own making: its line breaks are ours, and it quotes what comes from outside by its own rules.
pub(crate) fn print_document(text: &str) {
    text.trim_end().split('\n').for_each(print);
}

/// Prints a value as one line of JSON.
pub(crate) fn print_json(value: Value) {
    write_result(&shown_json(value));
}

/// Writes a value to stderr as one line of JSON, as it stands.
pub(crate) fn say_json(value: Value) {
    write_error_line(&shown_json(value));
}

/// Says something to the person at the terminal, above the live lines.
pub(crate) fn say(text: &str) {
    write_error_line(&shown(text));
}

/// The same behind `word: `, which has a colour of its own where there are some: the word is ours, and the text from anywhere.
pub(crate) fn say_as(word: &str, text: &str) {
    let colour = match word {
        "error" | "panic" => 31,
        "warning" => 33,
        _ => 36,
    };
    match has_colours() {
        true => write_error_line(&format!("\u{1b}[{colour}m{word}:\u{1b}[0m {}", shown(text))),
        false => write_error_line(&format!("{word}: {}", shown(text))),
    }
}

/// Says `word: text` to a person, or the same as an event of that kind to a machine.
pub(crate) fn tell(word: &str, text: &str) {
    let text = &typed(text);
    match FORMAT.get() {
        Some(LogFormat::Json) => event(word, [("text", Value::from(text.as_str()))]),
        Some(LogFormat::Text) | None => say_as(word, text),
    }
}

/// From here on, events and logs in JSON say of which run they are.
pub(crate) fn name_run(pipeline: &str, run: &str) {
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = Some((pipeline.to_owned(), run.to_owned()));
}

/// What each line of JSON begins with.
fn line_head(level: &str, kind: &str) -> Map<String, Value> {
    let time = SystemClock.now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut head: Vec<(&str, Value)> = vec![("time", time.into()), ("level", level.into()), ("event", kind.into())];
    if let Some((pipeline, run)) = &*RUN.lock().unwrap_or_else(PoisonError::into_inner) {
        head.extend([("pipeline", pipeline.as_str().into()), ("run_id", run.as_str().into())]);
    }
    head.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Writes an event as a line of JSON: its time, its level, its kind, the run, its facts.
pub(crate) fn event<'a>(kind: &str, facts: impl IntoIterator<Item = (&'a str, Value)>) {
    let level = match kind {
        "error" | "panic" => "ERROR",
        "warning" => "WARN",
        _ => "INFO",
    };
    let mut line = line_head(level, kind);
    line.extend(facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
    write_error_line(&shown_json(Value::Object(line)));
}

/// Writes a run's summary into a file, for people and machines.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_report(path: &Path, summary: Value) -> std::io::Result<()> {
    std::fs::write(path, format!("{}\n", shown_json_lines(summary)))
}

/// Tells of every panic where and why, in the form of all other lines; with `RUST_BACKTRACE=1` also how it came to it.
pub(crate) fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = Panicked::of(panic.payload());
        let place = panic.location().map_or_else(String::new, |place| format!(" ({}:{})", place.file(), place.line()));
        tell("panic", &format!("{}{place}", text.0));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            backtrace.to_string().lines().for_each(|line| tell("panic", line));
        }
    }));
}

/// Whether people see stderr, on a terminal where lines can be written over; a build server calls what it keeps a terminal, too.
pub(crate) fn is_watched() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "false");
    std::io::stderr().is_terminal() && obeys_escapes() && !is_set("CI")
}

/// Whether people see stdout.
pub(crate) fn is_result_watched() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether words may have a colour (no-color.org).
fn has_colours() -> bool {
    std::io::stderr().is_terminal() && obeys_escapes() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn obeys_escapes() -> bool {
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

fn write_result(line: &str) {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(UNWRITTEN.set(error.to_string())),
        _ => {}
    }
}

/// Why stdout has not taken all of the result, unless it is that the reader has gone away.
pub(crate) fn unwritten() -> Option<Failure> {
    let failure = Failure::unavailable(format!("cannot write to stdout: {}", UNWRITTEN.get()?));
    Some(failure.with_hints(["make room there, or send the output to another place".to_owned()]))
}

fn write_error_line(line: &str) {
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // A terminal that is gone takes no line.
    let write = || {
        let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
    };
    match live {
        Some(lines) => lines.suspend(write),
        None => write(),
    }
}
