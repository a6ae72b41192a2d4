//! The two streams: results to stdout, everything else to stderr.
//!
//! Live lines at the foot of a terminal are taken away while anything else is written, so that nothing is written over.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::SecondsFormat;
use indicatif::MultiProgress;
use serde_json::{Map, Value};
use tracing_subscriber::EnvFilter;

use crate::base::{Clock, Panicked, SystemClock};
use crate::cli::args::LogFormat;

/// The live lines on stderr, while there are some.
static LIVE: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// How stderr is written; text until it is set.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Prints a result. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Says something to the person at the terminal, above the live lines.
pub(crate) fn say(text: &str) {
    write_error_stream(format!("{text}\n").as_bytes());
}

/// Says `word: text` to a person, or the same as an event of that kind to a machine.
pub(crate) fn tell(word: &str, text: &str) {
    match FORMAT.get() {
        Some(LogFormat::Json) => event(word, [("text", Value::from(text))]),
        Some(LogFormat::Text) | None => say(&format!("{word}: {text}")),
    }
}

/// Writes an event as a line of JSON: its time, its kind, its facts.
pub(crate) fn event<'a>(kind: &str, facts: impl IntoIterator<Item = (&'a str, Value)>) {
    let time = SystemClock.now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut line = Map::from_iter([("time".to_owned(), Value::from(time)), ("event".to_owned(), Value::from(kind))]);
    line.extend(facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
    say(&Value::Object(line).to_string());
}

/// Lines that stay at the foot of the terminal from here on, or no more.
pub(crate) fn set_live(lines: Option<MultiProgress>) {
    *LIVE.lock().unwrap_or_else(PoisonError::into_inner) = lines;
}

/// Tells of every panic where and why, in the form of all other lines; with `RUST_BACKTRACE=1` also how it came to it.
pub(crate) fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = Panicked::of(panic.payload());
        let place = panic.location().map_or_else(String::new, |place| format!(" ({}:{})", place.file(), place.line()));
        tell("panic", &format!("{}{place}", text.0));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tell("panic", &backtrace.to_string());
        }
    }));
}

fn write_error_stream(bytes: &[u8]) {
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // A terminal that is gone takes no line.
    let write = || {
        let _ = std::io::stderr().lock().write_all(bytes);
    };
    match live {
        Some(lines) => lines.suspend(write),
        None => write(),
    }
}

/// Where logs go: stderr, above the live lines.
struct Logs;

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        write_error_stream(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Sends logs to stderr. `RUST_LOG` wins over `-v`.
pub(crate) fn start_logging(format: LogFormat, verbose: u8) {
    let level = match verbose {
        0 => "lakeward=warn",
        1 => "lakeward=info",
        _ => "lakeward=debug",
    };
    // A second start, as in tests, keeps the first.
    let _ = FORMAT.set(format);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Logs);
    let colours = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = match format {
        LogFormat::Text => builder.with_target(false).with_ansi(colours).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
