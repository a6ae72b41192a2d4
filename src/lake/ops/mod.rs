//! Operations on a lake that are no run: what it was, where the files of a version lie, whether they are what was committed,
//! bringing a version back, putting small files together, giving a table another name, shape or end, what stands in the way of a run,
//! stepping past a commit that cannot be finished, putting lost files back, a survey of all that is there, and adopting files that something else wrote.
//!
//! In: a plan, which names the lake and the pipeline; nothing else of the config counts. Out: facts, or a commit under the protocol of every
//! other commit. Invariants: what only looks writes nothing and takes no lease; a commit of an operation says what it is for.
//! Not here: how facts are printed.

mod abandon;
mod adopt;
mod archive;
mod compact;
mod diff;
mod doctor;
mod gc;
mod history;
mod quarantine;
mod reshape;
mod restore;
mod rollback;
mod story;
mod survey;
mod verify;

pub(crate) use abandon::Abandonment;
pub(crate) use adopt::{ForeignFolder, Wanted};
pub(crate) use archive::{Archive, FileAt, TableAt};
pub(crate) use compact::Compaction;
pub(crate) use diff::TableDiff;
pub(crate) use doctor::{Diagnosis, Finding, Need, Told, diagnose};
pub(crate) use gc::{COMMITS_KEPT, Garbage, Keeping, REPORTS_KEPT};
pub(crate) use history::{CommitFacts, TableFacts};
pub(crate) use quarantine::SetAside;
pub(crate) use reshape::{Conversion, Shape};
pub(crate) use restore::{BadFile, Cure, Damages};
pub(crate) use rollback::RollbackPlan;
pub(crate) use story::{RejectReason, Stories, TableStory};
pub(crate) use survey::{PipelineFacts, SurveyOptions, SurveyedLake, SurveyedTable, began, killed_runs, note_refused, spelled};
pub(crate) use verify::{Fault, Remedy, Verification, Verify};
