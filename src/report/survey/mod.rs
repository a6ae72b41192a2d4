//! A survey: what of a lake matters in the morning, as one value that `status`, `runs`, `report` and `ui` only render.
//!
//! In: the facts of a lake's pipelines ([`crate::lake::PipelineFacts`]), the time, and how its commands are typed. Out: a [`Survey`] of plain, serialisable
//! facts. Pure. Invariants: each table of the newest commit and each resource that a run has told of is in it once; a state is decided here and nowhere
//! else; texts are as they came from outside, and are made harmless where they are shown. The JSON of a survey is a promise; `tests/it` holds it.

mod judge;
mod lines;
mod run_line;
mod run_lines;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::base::quoted;
use crate::config::LakeOnly;
use crate::lake::PipelineFacts;
use crate::source::Left;

pub(crate) use lines::{age_words, changed_words, clock_words, seconds_of, status_lines};
pub(crate) use run_line::{RunLine, run_line, time_of};
pub(crate) use run_lines::{Track, reject_words, run_changed, run_detail_lines, run_next, runs_lines, timeline};

/// Nights of a table that are kept.
pub(crate) const NIGHTS: usize = 30;

/// What of a lake matters in the morning.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Survey {
    /// Where the lake is.
    pub(crate) lake: String,
    /// When it was looked at, RFC 3339.
    pub(crate) taken: String,
    /// Its pipelines, by name.
    pub(crate) pipelines: Vec<PipelineSurvey>,
}

/// One pipeline of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PipelineSurvey {
    /// Its name.
    pub(crate) name: String,
    /// The newest commit, 0 for none.
    pub(crate) version: u64,
    /// When that was made.
    pub(crate) written: Option<String>,
    /// The run that is at work.
    pub(crate) at_work: Option<String>,
    /// The last run that is over and was not refused.
    pub(crate) last_run: Option<RunLine>,
    /// The usual time between two runs, in seconds, where some runs tell.
    pub(crate) interval_seconds: Option<u64>,
    /// When the next run is due, by that.
    pub(crate) next_due: Option<String>,
    /// The tables, in order of name.
    pub(crate) tables: Vec<TableSurvey>,
    /// The last runs, the newest first: also failed, cancelled, killed and refused ones.
    pub(crate) runs: Vec<RunLine>,
    /// How many runs there are in all.
    pub(crate) runs_in_all: u64,
    /// What is damaged or lies about, each with its way out.
    pub(crate) notes: Vec<Note>,
    /// Whether its log or a table cannot be read, or files are not what the newest commit left.
    pub(crate) damaged: bool,
}

/// Something that is told of a pipeline as a whole.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Note {
    /// What.
    pub(crate) text: String,
    /// What gets out of it.
    pub(crate) hints: Vec<String>,
}

/// How a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Its files are not what the last commit left.
    Damaged,
    /// It was not loaded for longer than two usual nights.
    Stale,
    /// The last try failed.
    Failed,
    /// It never was loaded.
    Never,
    /// It was loaded, and something is odd.
    Warn,
    /// It was loaded, and nothing is odd.
    Ok,
}

impl State {
    /// As people read it: loud where somebody has to do something.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Damaged => "DAMAGED",
            Self::Stale => "STALE",
            Self::Failed => "failed",
            Self::Never => "never",
            Self::Warn => "WARN",
            Self::Ok => "ok",
        }
    }
}

/// A table, or a resource that has none yet.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TableSurvey {
    /// The table.
    pub(crate) table: String,
    /// The resource that it comes from.
    pub(crate) resource: String,
    /// Whether the newest commit has it, and it can be read.
    pub(crate) in_lake: bool,
    /// How it is.
    pub(crate) state: State,
    /// When it was last loaded well.
    pub(crate) loaded: Option<String>,
    /// How long ago.
    pub(crate) age_seconds: Option<u64>,
    /// Rows of the table.
    pub(crate) rows: u64,
    /// Its files.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Small files that could be put together.
    pub(crate) small_files: u64,
    /// Whether they are so many that it pays.
    pub(crate) to_compact: bool,
    /// What the last good load changed.
    pub(crate) last: Option<Night>,
    /// `proven` or `unknown`, of the last good load.
    pub(crate) completeness: Option<String>,
    /// Where the next run goes on.
    pub(crate) cursor: Option<String>,
    /// The last error, while no later run was good.
    pub(crate) error: Option<TableError>,
    /// What was odd about the last good load.
    pub(crate) warnings: Vec<TableWarning>,
    /// Records set aside that still count, where that was asked; else those of the last good load.
    pub(crate) rejects: u64,
    /// What to type next.
    pub(crate) next: Option<String>,
    /// The last nights, the newest first.
    pub(crate) nights: Vec<Night>,
}

/// What a run did to a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Night {
    /// The run.
    pub(crate) run: String,
    /// When it began.
    pub(crate) started: String,
    /// `published`, `failed`, and so on; of a run that ended as a whole its own status.
    pub(crate) status: String,
    /// How long the resource took.
    pub(crate) seconds: Option<f64>,
    /// Rows that came.
    pub(crate) inserted: u64,
    /// Rows that changed.
    pub(crate) updated: u64,
    /// Rows that went.
    pub(crate) deleted: u64,
    /// Rows of the table afterwards.
    pub(crate) rows: Option<u64>,
    /// Records set aside.
    pub(crate) rejects: u64,
}

/// Why a table is not loaded.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TableError {
    /// The kind, as the summary spells it.
    pub(crate) kind: String,
    /// What happened, the last time.
    pub(crate) text: String,
    /// Its ways out.
    pub(crate) hints: Vec<String>,
    /// The run of the last time.
    pub(crate) run: String,
    /// When it began.
    pub(crate) since: String,
    /// How many times in a row.
    pub(crate) times: u64,
}

/// Something that is odd about a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TableWarning {
    /// Its code.
    pub(crate) code: String,
    /// In words.
    pub(crate) text: String,
}

/// How the commands that a survey names are typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Typed {
    /// The lake or the config, as it was given and as a shell takes it.
    pub(crate) given: String,
    /// The config and what is chosen of it, where one was given.
    pub(crate) config: Option<String>,
}

impl Typed {
    /// Advice in which a command has CONFIG, with the config in its place where there is one.
    pub(crate) fn config(&self) -> &str {
        self.config.as_deref().unwrap_or("CONFIG")
    }

    /// The command that tells of a run.
    pub(crate) fn runs(&self, run: &str) -> String {
        format!("lakeward runs {} {}", self.given, quoted(run))
    }
}

/// What is known besides the lake of one pipeline.
#[derive(Debug, Default)]
pub(crate) struct Beside<'a> {
    /// What a config says of the lake.
    pub(crate) config: Option<&'a LakeOnly>,
    /// Records set aside, by table, where they were counted.
    pub(crate) aside: BTreeMap<String, u64>,
    /// Records of runs that no lake has, the newest first.
    pub(crate) runs: Vec<serde_json::Value>,
    /// What interrupted runs were answered.
    pub(crate) left: Vec<Left>,
}

/// The survey of a lake at `place`.
pub(crate) fn survey(place: String, pipelines: &[(PipelineFacts, Beside<'_>)], typed: &Typed, now: DateTime<Utc>) -> Survey {
    let pipelines = pipelines.iter().map(|(facts, beside)| judge::pipeline(facts, beside, typed, now)).collect();
    Survey { lake: place, taken: crate::lake::spelled(now), pipelines }
}
