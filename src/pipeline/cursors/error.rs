//! What keeps a resource from being loaded incrementally.

use crate::base::{ErrorKind, NoTime};
use crate::config::WINDOWS_MAX;
use crate::decode::{CursorFault, MARKS_MAX};
use crate::pipeline::cursors::loaded::RANGES_MAX;
use crate::pipeline::cursors::state::PARENTS_MAX;

/// Why incremental loading cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncrementalError {
    /// A record that cannot be placed.
    #[error("page {page}, {fault}")]
    Record {
        /// From 1, within its chain.
        page: u64,
        /// Which, and why.
        fault: CursorFault,
    },
    /// The state is not what lakeward writes.
    #[error("the state of its cursor {why}")]
    State {
        /// What is wrong.
        why: String,
    },
    /// The config is not the one whose cursor is remembered.
    #[error("`{key}` is {is}, and the state was made with {was}")]
    Changed {
        /// The config's key.
        key: &'static str,
        /// As it was.
        was: String,
        /// As it is.
        is: String,
    },
    /// The steps are not those whose records are remembered.
    #[error(
        "`processing_steps` make another cursor, key or record than the state was made with, so that `append` would load records again"
    )]
    Steps,
    /// An `append` of a range that another run has loaded, whole or in part.
    #[error("the range {range} meets {loaded}, which is loaded already: `append` would load its rows again")]
    RangeLoaded {
        /// What is to be loaded.
        range: String,
        /// What is.
        loaded: String,
    },
    /// An `append` whose cursor leads into a range that another run has loaded.
    #[error("the cursor goes on with {rest}, and the range {loaded} is loaded already: `append` would load its rows again")]
    CursorOverRange {
        /// What is to be loaded.
        rest: String,
        /// What is.
        loaded: String,
    },
    /// The first run would start before the one that there was.
    #[error(
        "`endpoint.incremental.initial_value` is {is}, and the cursor began at `{first}` and goes on from its last value: the records before `{first}` would never come"
    )]
    StartMovedBack {
        /// As it is.
        is: String,
        /// Where the cursor began.
        first: String,
        /// Whether the rows are added by `append`.
        is_append: bool,
    },
    /// A table would be rebuilt from a later start than it was loaded from.
    #[error(
        "`endpoint.incremental.initial_value` is `{is}`, and the table was loaded from {was} on: rebuilt by this run, it would lose the rows before `{is}`; the table keeps what it has"
    )]
    StartMovedOn {
        /// As it is.
        is: String,
        /// Where the cursor began.
        was: String,
    },
    /// `settle` would leave records of a range to a next run, and there is none.
    #[error("the range ends at `{end}`, and `settle` leaves what is younger to a next run, which a range does not have")]
    Unsettled {
        /// `end_value`, or a scheduler's.
        end: String,
    },
    /// So many ranges are not kept.
    #[error("more than {RANGES_MAX} ranges are loaded that do not adjoin, so that none could be told from new ones")]
    TooManyRanges,
    /// `convert` is for times.
    #[error("the start of the range")]
    Convert(#[from] NoTime),
    /// `append` cannot tell so many records apart.
    #[error(
        "more than {MARKS_MAX} records lie at or behind the cursor to remember, so that the next run could not tell them from new ones"
    )]
    TooManyMarks,
    /// So many cursors are not kept.
    #[error("more than {PARENTS_MAX} parent records have a cursor each")]
    TooManyParents,
    /// The API gives a window fewer records at its start than it gave the one before at its end.
    #[error(
        "{left} records lie at {at}, where one window ends and the next begins; the first was given them, and the second only {taken}: the API leaves out the start of a range, so that rows would be lost"
    )]
    Border {
        /// Where the windows meet.
        at: String,
        /// Records that the first was given.
        left: u64,
        /// And the second.
        taken: u64,
    },
    /// The range makes too many windows.
    #[error("`step` makes more than {WINDOWS_MAX} windows")]
    TooManyWindows,
}

impl IncrementalError {
    /// What the operator has to do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Record { .. } | Self::TooManyMarks | Self::TooManyParents | Self::Border { .. } => ErrorKind::Data,
            Self::State { .. }
            | Self::Changed { .. }
            | Self::Steps
            | Self::RangeLoaded { .. }
            | Self::CursorOverRange { .. }
            | Self::StartMovedBack { .. }
            | Self::StartMovedOn { .. }
            | Self::Unsettled { .. }
            | Self::TooManyRanges
            | Self::Convert(_)
            | Self::TooManyWindows => ErrorKind::Config,
        }
    }

    /// Advice for the operator.
    pub(crate) fn hint(&self) -> String {
        let hint = match self {
            Self::Changed { key: "table_name", was, is } => {
                let (old, new) = (was.trim_matches('`'), is.trim_matches('`'));
                return format!(
                    "write `table_name: {old}` under the resource, as the lake has the table; or rename that: `lakeward table rename CONFIG {old} {new} --apply`; \
                     or load another table from the start with `--full-refresh`"
                );
            }
            Self::Record { fault, .. } => fault.hint(),
            Self::State { .. } | Self::Changed { .. } | Self::Steps => {
                "put the config back; or rebuild the table with `--full-refresh` (`--full-refresh=drop_data` keeps its columns); or, with `merge`, start at `initial_value` with `--reset-state`"
            }
            Self::RangeLoaded { .. } | Self::CursorOverRange { .. } | Self::TooManyRanges => {
                "ask for what is not loaded yet; or rebuild the table by a run with `--full-refresh`; or, to load ranges again at will, use `write_disposition: merge` with a `primary_key`, after one `--full-refresh`"
            }
            Self::StartMovedBack { is_append: true, .. } => {
                "put `initial_value` back, and load the older range with `lakeward backfill`, `--from` the new start `--to` the old one, after which it may be lowered; or rebuild the table with `--full-refresh`"
            }
            Self::StartMovedBack { is_append: false, .. } => {
                "read all of it again with `run --reset-state --resource NAME`: each record replaces its row; or put `initial_value` back, and load the older range with `lakeward backfill`, `--from` the new start `--to` the old one"
            }
            Self::StartMovedOn { .. } => {
                "put `initial_value` back; or, where those rows are to go, write `expect: {max_shrink: null}` under the resource for this run"
            }
            Self::Unsettled { .. } => "load it once its end is older than `settle`, or end it earlier; or leave `settle` out",
            Self::Convert(_) => "`convert` writes times; leave it out, or choose a cursor that is a time",
            Self::TooManyMarks => {
                "use `write_disposition: merge` with a `primary_key`, also of what is requested for its records, after `--full-refresh`; or a shorter `lag`, or a cursor with finer steps"
            }
            Self::TooManyParents => "`state: shared` keeps one cursor for all of them",
            Self::Border { .. } => {
                "take `step` out, so that one range is asked for; or ask by a parameter of the API that includes the start of a range"
            }
            Self::TooManyWindows => "make `step` longer, or `initial_value` later",
        };
        hint.to_owned()
    }
}
