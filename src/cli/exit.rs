//! Failures of a command as a person reads them, and their exit codes.

use std::process::ExitCode;

use crate::base::{ErrorKind, Panicked};
use crate::cli::args::ConfigArgs;
use crate::cli::terminal;
use crate::pipeline::RunError;
use crate::report;

/// Why a command ended without success.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One paragraph a fault.
    lines: Vec<String>,
    hints: Vec<String>,
    kind: ErrorKind,
    code: u8,
    /// The pipeline that it is about, once that is known.
    pipeline: Option<String>,
}

impl Failure {
    /// Faults of the config or the command line.
    pub(crate) fn config(lines: Vec<String>) -> Self {
        Self::of(ErrorKind::Config, lines, Vec::new())
    }

    /// What the API answered is not what was asked for.
    pub(crate) fn data(lines: Vec<String>) -> Self {
        Self::of(ErrorKind::Data, lines, Vec::new())
    }

    /// Something outside does not work for now.
    pub(crate) fn unavailable(line: String) -> Self {
        Self::of_kind(ErrorKind::Unavailable, line)
    }

    /// A failure of this kind.
    pub(crate) fn of_kind(kind: ErrorKind, line: String) -> Self {
        Self::of(kind, vec![line], Vec::new())
    }

    /// A defect of this program, or of the machine it runs on.
    pub(crate) fn internal(doing: &str, error: &dyn std::fmt::Display) -> Self {
        Self::of(ErrorKind::Internal, vec![format!("{doing}: {error}")], Vec::new())
    }

    /// A defect of this program, and what it leaves behind.
    pub(crate) fn panicked(panic: &Panicked, stands: &str) -> Self {
        let hints = vec![format!("this is a bug of lakeward: report it with the lines above; {stands}")];
        Self::of(ErrorKind::Internal, vec![format!("internal error: {panic}")], hints)
    }

    /// Of this kind, in these words.
    pub(crate) fn of(kind: ErrorKind, lines: Vec<String>, hints: Vec<String>) -> Self {
        Self { lines, hints, kind, code: kind.exit_code(), pipeline: None }
    }

    /// The same with advice, each once.
    pub(crate) fn with_hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        for hint in hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        self
    }

    /// The same, its advice with the config that the command was given.
    pub(crate) fn typed_with(mut self, of: &ConfigArgs) -> Self {
        self.hints.iter_mut().for_each(|hint| *hint = of.type_into(hint));
        self
    }

    /// The same, each line in the words that `retell` makes of it.
    pub(crate) fn retold(mut self, retell: impl Fn(&str) -> String) -> Self {
        self.lines.iter_mut().for_each(|line| *line = retell(line));
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// Anything else, with the exit code that the summary gives it.
    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The same, of this pipeline.
    pub(crate) fn of_pipeline(mut self, name: &str) -> Self {
        self.pipeline = Some(name.to_owned());
        self
    }

    /// The summary of a run that ended with this, or did not begin.
    pub(crate) fn summary(&self) -> serde_json::Value {
        report::failure(self.pipeline.as_deref(), self.kind, &self.lines.join("; "), &self.hints)
    }

    /// What `check --json` says of a config that has faults.
    pub(crate) fn checked(&self) -> serde_json::Value {
        serde_json::json!({
            "pipeline": self.pipeline, "status": "failed", "exit_code": self.code, "online": false, "kind": self.kind.name(),
            "error": self.lines.join("; "), "hints": self.hints, "resources": {},
        })
    }

    /// Tells it as a warning.
    pub(crate) fn warn(&self) {
        self.lines.iter().for_each(|line| terminal::tell("warning", line));
    }

    /// Prints `error: …` and `hint: …` lines to stderr, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        for line in &self.lines {
            terminal::tell("error", line);
        }
        for hint in &self.hints {
            terminal::tell("hint", hint);
        }
        ExitCode::from(self.code)
    }
}

impl Failure {
    /// The error of a run or an operation on the lake of a config whose tables have the resources that `resource_of` tells.
    pub(crate) fn among<'n>(error: &RunError, resource_of: impl Fn(&str) -> Option<&'n str>) -> Self {
        Self::of(error.kind(), vec![error.chain()], error.hints_among(resource_of))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::of(error.kind(), vec![error.chain()], error.hints())
    }
}
