//! Failures of a command as a person reads them, and their exit codes.

use std::process::ExitCode;

use crate::base::ErrorKind;
use crate::cli::terminal;
use crate::pipeline::RunError;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One paragraph a fault.
    lines: Vec<String>,
    hints: Vec<String>,
    code: u8,
}

impl Failure {
    /// Faults of the config or the command line.
    pub(crate) fn config(lines: Vec<String>) -> Self {
        Self { lines, hints: Vec::new(), code: ErrorKind::Config.exit_code() }
    }

    /// A defect of this program, or of the machine it runs on.
    pub(crate) fn internal(doing: &str, error: &dyn std::fmt::Display) -> Self {
        Self { lines: vec![format!("{doing}: {error}")], hints: Vec::new(), code: ErrorKind::Internal.exit_code() }
    }

    /// Anything else, with the exit code that the summary gives it.
    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Prints `error: …` and `hint: …` lines to stderr, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        for line in &self.lines {
            terminal::say(&format!("error: {line}"));
        }
        for hint in &self.hints {
            terminal::say(&format!("hint: {hint}"));
        }
        ExitCode::from(self.code)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self { lines: vec![error.chain()], hints: error.hints(), code: error.kind().exit_code() }
    }
}
