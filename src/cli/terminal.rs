//! The two streams: results to stdout, everything else to stderr.

use std::io::Write;

use tracing_subscriber::EnvFilter;

use crate::cli::args::LogFormat;

/// Prints a result. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Says something to the person at the terminal.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Sends logs to stderr. `RUST_LOG` wins over `-v`.
pub(crate) fn start_logging(format: LogFormat, verbose: u8) {
    let level = match verbose {
        0 => "lakeward=warn",
        1 => "lakeward=info",
        _ => "lakeward=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start, as in tests, keeps the first.
    let _ = match format {
        LogFormat::Text => builder.with_target(false).with_ansi(std::env::var_os("NO_COLOR").is_none()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
