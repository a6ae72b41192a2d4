//! The config's own commands, started when a run is over.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use crate::base::{Clock, SystemClock, shown_json};
use crate::cli::notices::RunEnd;
use crate::cli::terminal;
use crate::pipeline::NewRun;

/// Time that a command has.
const TIME: Duration = Duration::from_mins(1);
/// Bytes of its output that are told.
const OUTPUT_BYTES_MAX: u64 = 64 << 10;

/// Starts a command in `folder`, with the summary on its stdin, and tells what it says and how it ends.
pub(super) async fn run(folder: &Path, (program, arguments): (&String, &[String]), (run, end): (&NewRun, RunEnd<'_>)) {
    let ended = tokio::select! {
        ended = finished(folder, (program, arguments), (run, end)) => ended,
        () = asked_to_end() => Err(io::Error::new(io::ErrorKind::Interrupted, "it was stopped, since lakeward was asked to end")),
        () = SystemClock.sleep(TIME) => Err(io::Error::new(io::ErrorKind::TimedOut, "it was stopped after a minute")),
    };
    if let Err(error) = ended {
        terminal::tell("warning", &format!("the hook `{program}` failed: {error}"));
    }
}

/// Ends when a signal asks the process to end.
async fn asked_to_end() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn finished(
    folder: &Path,
    (program, arguments): (&String, &[String]),
    (run, end): (&NewRun, RunEnd<'_>),
) -> io::Result<()> {
    let text = |key: &str| end.summary.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut child = Command::new(found(folder, program)?)
        .args(arguments)
        .current_dir(folder)
        .env("LAKEWARD_STATUS", text("status"))
        .env("LAKEWARD_EXIT_CODE", end.code.to_string())
        .env("LAKEWARD_PIPELINE", text("pipeline"))
        .env("LAKEWARD_RUN_ID", &run.id)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let summary = shown_json(end.summary.clone());
    let give = async {
        let Some(mut stdin) = stdin else { return };
        // A command that does not want it closes its end.
        let _ = stdin.write_all(summary.as_bytes()).await;
    };
    let ((), out, err, status) = tokio::join!(give, read(stdout), read(stderr), child.wait());
    for line in [out, err].iter().flat_map(|output| output.lines()) {
        terminal::tell("hook", line);
    }
    let status = status?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

/// A program with a `/` is looked for from the config's folder; any other by `PATH`.
fn found(folder: &Path, program: &str) -> io::Result<PathBuf> {
    if program.contains('/') { Ok(std::path::absolute(folder)?.join(program)) } else { Ok(PathBuf::from(program)) }
}

/// The start of what a command says; the rest is read and dropped, so that the command can go on.
async fn read(output: Option<impl AsyncRead + Unpin>) -> String {
    let Some(output) = output else { return String::new() };
    let mut output = output.take(OUTPUT_BYTES_MAX);
    let mut bytes = Vec::new();
    // What was read until then counts.
    let _ = output.read_to_end(&mut bytes).await;
    let mut rest = output.into_inner();
    let mut buffer = [0; 8192];
    let mut dropped = 0_u64;
    while let Ok(read @ 1..) = rest.read(&mut buffer).await {
        dropped += read as u64;
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if dropped > 0 {
        text.push_str(&format!("\n… and {dropped} bytes more"));
    }
    text
}
