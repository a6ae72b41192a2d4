//! Runs that are recorded and replayed: what they begin with, and what keeps a replay from being the same run.
//!
//! In: the lake as a run finds it. Out: the start of a recording, or why a replay would not come to the same tables. Invariants: a replay goes on from
//! the very tables and states that the recorded run began with, or does not begin; where a request has no answer, nothing is published.

use chrono::{DateTime, Utc};

use crate::base::{Warning, WarningCode, counted};
use crate::config::Plan;
use crate::lake::Lake;
use crate::pipeline::load::Outcome;
use crate::pipeline::run::RunOptions;
use crate::pipeline::{Event, Events, RunError};
use crate::source::{Asking, Start};

/// When a run began, by whose time it asks.
pub(super) fn as_of(asking: &Asking, started: DateTime<Utc>) -> DateTime<Utc> {
    asking.replayed().map_or(started, |start| start.started)
}

/// Notes what a recorded run begins with, or checks that a replay begins with the same.
///
/// # Errors
/// [`RunError::Replay`].
pub(super) fn begin(plan: &Plan, options: &RunOptions, lake: &Lake, started: DateTime<Utc>) -> Result<(), RunError> {
    let begins = || Start {
        pipeline: plan.name.clone(),
        started,
        refresh: options.refresh.option().to_owned(),
        version: lake.view().version(),
        bases: plan.resources.iter().map(|of| (of.name.clone(), lake.base_of(&of.name, &of.table))).collect(),
        had_past: plan.resources.iter().filter(|of| lake.has_past(&of.name, &of.table)).map(|of| of.name.clone()).collect(),
    };
    match &options.asking {
        Asking::Api => Ok(()),
        Asking::Recording(recorder) | Asking::Sharing(_, recorder) => {
            recorder.begin(begins());
            Ok(())
        }
        Asking::Replaying(replay) => check(replay.start(), &begins(), options),
    }
}

fn check(recorded: &Start, now: &Start, options: &RunOptions) -> Result<(), RunError> {
    let refused = |what: String, hint: String| Err(RunError::Replay { what, hint });
    if recorded.refresh != now.refresh {
        let (what, hint) = match recorded.refresh.as_str() {
            "" => (format!("the recorded run was one without `{}`", now.refresh), "leave the option out".to_owned()),
            option => (format!("the recorded run was one with `{option}`"), format!("add `{option}`")),
        };
        return refused(what, hint);
    }
    if options.refresh.drops_columns() {
        return Ok(());
    }
    let base_of = |start: &Start, name: &str| start.bases.iter().find(|(of, _)| of == name).map(|(_, base)| base.clone());
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let others = now.bases.iter().filter(|(name, base)| {
        wanted(name) && base_of(recorded, name).map_or_else(|| now.had_past.contains(name), |was| was != *base)
    });
    let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
    let Some(first) = others.first() else { return Ok(()) };
    let more = match others.len() - 1 {
        0 => String::new(),
        more => format!(", and {} more", counted(more as u64, "resource")),
    };
    let was = match recorded.had_past.iter().any(|name| name == first) {
        true => format!("as version {} had it", recorded.version),
        false => "without a table".to_owned(),
    };
    let hint = match (recorded.had_past.is_empty(), recorded.version) {
        (true, _) => "replay into a new lake: write another `lake.url` into a copy of the config".to_owned(),
        (false, version) => format!(
            "bring that version back with `lakeward rollback CONFIG --to {version}`, or replay into a copy of the lake from before the recorded run"
        ),
    };
    refused(format!("the recorded run began with `{first}` {was}, and the lake has it otherwise{more}"), hint)
}

/// The outcomes of all resources, unless one of them asked for what a recording does not have.
///
/// # Errors
/// The first of these.
pub(super) fn all_answered(outcomes: Vec<(String, Outcome)>) -> Result<Vec<(String, Outcome)>, RunError> {
    let is_unrecorded = |outcome: &Outcome| matches!(&outcome.1, Err(RunError::Source(error)) if error.is_unrecorded());
    match outcomes.iter().position(|(_, outcome)| is_unrecorded(outcome)) {
        Some(at) => match outcomes.into_iter().nth(at) {
            Some((_, (_, Err(error)))) => Err(error),
            _ => Ok(Vec::new()),
        },
        None => Ok(outcomes),
    }
}

/// Tells of rows that may have a filler where the recorded ones had a secret.
pub(super) fn tell_lacking(asking: &Asking, events: &Events) {
    let Asking::Replaying(replay) = asking else { return };
    let lacking = replay.lacking();
    if lacking > 0 {
        let text = format!(
            "{} of the recording had a secret in the body, which this run does not have, or of which the recording does not know which it was: \
             rows have `secret-N-of-recording` there",
            counted(lacking, "answer")
        );
        events(Event::Warning { resource: None, warning: Warning::new(WarningCode::SecretsNotReplayed, text) });
    }
}
