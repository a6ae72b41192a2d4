//! Recordings: what a run asked of its API and was answered, in one file, and runs that are answered from it.
//!
//! In: the requests of a run at the seam of [`crate::source::transport`]. Out: a file without secrets, and a transport that answers from it. Invariants:
//! - a recording has its name once it is whole, and is read only behind the checksums of all of it;
//! - no secret that the process knows is in it, however it was spelled: a filler stands for it, and gzip is undone to find it;
//! - a replay opens no socket and waits for nothing: its clock begins with that of the recorded run, and passes over waits;
//! - what a replay is told goes nowhere but into the lake: no token is kept, and nothing of it is kept for a later run.
//!
//! Not here: whether the lake is as it was ([`crate::pipeline`]). What APIs do is done to a recording in `misbehave`.

mod clock;
mod fault;
mod frame;
mod misbehave;
mod player;
mod recorder;
mod unpack;
mod veil;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::base::Clock;

use fault::Fault;
pub(crate) use frame::FileFault;
pub(crate) use misbehave::{Misbehaviour, Story, Truth, misbehaviours};
pub(crate) use player::{Recorded, Replay};
pub(crate) use recorder::Recorder;
pub(crate) use veil::Taken;
use veil::{Given, RecordedRequest, Veil};

/// Whom a run asks.
#[derive(Debug, Clone, Default)]
pub(crate) enum Asking {
    /// The API.
    #[default]
    Api,
    /// The API, and what it answers is recorded.
    Recording(Arc<Recorder>),
    /// A recording.
    Replaying(Arc<Replay>),
    /// A recording, as far as it has answers, and the API for the rest, which is recorded.
    Sharing(Arc<Replay>, Arc<Recorder>),
}

impl Asking {
    /// What the recorded run began with, where a recording answers.
    pub(crate) fn replayed(&self) -> Option<&Start> {
        if let Self::Replaying(replay) = self { Some(replay.start()) } else { None }
    }

    /// The clock of whoever asks.
    pub(crate) fn clock(&self, of_run: Arc<dyn Clock>) -> Arc<dyn Clock> {
        match self {
            Self::Replaying(replay) => Arc::new(replay.clock().clone()),
            Self::Api | Self::Recording(_) | Self::Sharing(..) => of_run,
        }
    }

    /// Whether answers may be kept for, and taken from, other runs.
    pub(crate) fn keeps_answers(&self) -> bool {
        matches!(self, Self::Api)
    }
}

/// What a recorded run began with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The pipeline.
    pub(crate) pipeline: String,
    /// When it began, by whose time requests and cursors are made.
    pub(crate) started: DateTime<Utc>,
    /// What of the past did not count, as the command line has it; empty where all of it did.
    pub(crate) refresh: String,
    /// The version of the lake; 0 of an empty one.
    pub(crate) version: u64,
    /// Of each resource what its table and its state were, as hex digits.
    pub(crate) bases: Vec<(String, String)>,
    /// Resources that had a table or a state.
    pub(crate) had_past: Vec<String>,
}

/// The first frame of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    /// The version of lakeward.
    program: String,
    salt: u64,
    givens: Vec<Given>,
    start: Start,
}

/// One exchange in memory, for what is made of recordings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scene {
    /// What was asked.
    request: RecordedRequest,
    /// A status and headers, or no answer.
    answer: Result<(u16, Vec<(String, String)>), Fault>,
    /// The body, or what came of it.
    body: Bytes,
    /// How it ended.
    end: SceneEnd,
}

/// How the body of a [`Scene`] ends.
#[derive(Debug, Clone, PartialEq)]
enum SceneEnd {
    /// With its last byte.
    Whole,
    /// It breaks off.
    Broken(Fault),
}
