//! `run --record` and `run --replay`: the plan of a run that is recorded, or that a recording answers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{ErrorKind, Warning, WarningCode};
use crate::cli::args::ConfigArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_plan_given;
use crate::cli::terminal;
use crate::config::Plan;
use crate::report;
use crate::source::{Asking, FileFault, Recorded, Recorder, Taken};

/// Reads the config for a run that is recorded to `path`.
///
/// # Errors
/// Those of the config; the file cannot be written.
pub(crate) fn to_record(of: &ConfigArgs, path: &Path) -> Result<(Plan, Asking), Failure> {
    let (plan, taken) = load_plan_given(of, &|_, _, present| present)?;
    let recorder = Recorder::create(path, &taken).map_err(|error| {
        let text = format!("cannot record to `{}`: {error}; nothing was requested", path.display());
        Failure::config(vec![text]).of_pipeline(&plan.name)
    })?;
    Ok((plan, Asking::Recording(Arc::new(recorder))))
}

/// A recording, and the config read with what it has.
pub(crate) struct Replayable {
    pub(crate) plan: Plan,
    pub(crate) recorded: Recorded,
    pub(crate) taken: Vec<Taken>,
    /// Names of values with secrets that are not the recorded ones.
    pub(crate) lacking: Vec<String>,
}

impl Replayable {
    /// Reads the recording at `path`, and the config for a run that it answers.
    ///
    /// # Errors
    /// The recording cannot be read; those of the config.
    pub(crate) fn open(of: &ConfigArgs, path: &Path) -> Result<Self, Failure> {
        let recorded = Recorded::open(path).map_err(|fault| unreadable(path, &fault))?;
        let lacking: Mutex<Vec<String>> = Mutex::default();
        let (plan, taken) = load_plan_given(of, &|name, is_file, present| {
            let (value, is_same) = recorded.value(name, is_file, present)?;
            if !is_same {
                lacking.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
            }
            Some(value)
        })?;
        if recorded.program() != env!("CARGO_PKG_VERSION") {
            let (was, is) = (recorded.program(), env!("CARGO_PKG_VERSION"));
            terminal::tell(
                "warning",
                &format!("`{}` was recorded by lakeward {was}, and this is {is}: tables may differ", path.display()),
            );
        }
        let lacking = lacking.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Self { plan, recorded, taken, lacking })
    }
}

/// Reads the config for a run that the recording at `path` answers.
///
/// # Errors
/// As [`Replayable::open`].
pub(crate) fn to_replay(of: &ConfigArgs, path: &Path) -> Result<(Plan, Asking), Failure> {
    let Replayable { plan, recorded, taken, lacking } = Replayable::open(of, path)?;
    let began = recorded.start().started.format("%Y-%m-%d %H:%M:%S UTC");
    terminal::tell(
        "replay",
        &format!("{} of the run of {began}; the API is not asked", report::counted(recorded.exchanges(), "exchange")),
    );
    let replay = recorded.replay(&taken, &lacking);
    Ok((plan, Asking::Replaying(Arc::new(replay))))
}

pub(crate) fn unreadable(path: &Path, fault: &FileFault) -> Failure {
    let why = match fault {
        FileFault::Io(error) => format!("it cannot be read: {error}"),
        other => other.to_string(),
    };
    let lines = vec![format!("the recording `{}`: {why}", path.display())];
    match fault {
        FileFault::Io(_) | FileFault::Other => Failure::config(lines),
        FileFault::Cut { .. } | FileFault::Changed { .. } => {
            let hint = "record the run again, or take a copy of the file from before".to_owned();
            Failure::of(ErrorKind::Data, lines, vec![hint])
        }
    }
}

/// The run is over: its recording gets its name. What kept it from that is a warning, since the tables are published.
pub(crate) fn finish(asking: &Asking, path: Option<&Path>) -> Option<Warning> {
    let (Asking::Recording(recorder), Some(path)) = (asking, path) else { return None };
    match recorder.finish() {
        Ok(Some(exchanges)) => {
            terminal::tell("recorded", &format!("{} in `{}`", report::counted(exchanges, "exchange"), path.display()));
            None
        }
        Ok(None) => None,
        Err(error) => {
            let text = format!("the recording `{}` cannot be written: {error}", path.display());
            terminal::tell("warning", &text);
            Some(Warning::new(WarningCode::RecordingNotWritten, text))
        }
    }
}
