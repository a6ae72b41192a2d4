//! Lake: rows become partitioned Parquet files, and a commit makes them the table.
//!
//! Three parts. `stage` (with `parquet`, `partition`) turns batches over a [`Snapshot`] into finished files in the spool, and into
//! [`Edit`]s; it is blocking CPU work. `format` is what becomes of edits: files with names, staged, published, kept. `store`, `log`, `lease`,
//! `publish` and `recover` are the protocol of `docs/guarantees.md`, by which that is done once. Not here: APIs, progress.

mod answers;
mod bucket;
mod checksum;
mod claim;
mod commit;
mod disk;
mod drop;
mod edit;
mod error;
mod export;
mod format;
mod layout;
mod lease;
mod live;
mod parquet;
mod partition;
mod log;
mod manifest;
mod marks;
mod open;
mod ops;
mod outer;
mod publish;
mod recover;
mod rejects;
mod spool;
mod shards;
mod snapshot;
mod stage;
mod store;
mod trial;
mod trust;
mod view;
#[cfg(test)]
mod tests;

pub(crate) use answers::AnswerFolder;
pub(crate) use commit::Committed;
pub(crate) use drop::DroppedTable;
pub(crate) use edit::{Edit, NewFile, StageStats, TableEdit, TableShape};
pub(crate) use error::{LakeError, StoreAnswer, StoreProblem};
pub(crate) use export::{ExportError, ExportForm, ExportFormat, ExportTable, Nested};
pub(crate) use format::{Fate, FileChange, PreparedTable, TableFormat, name_files};
pub(crate) use layout::{HOME, Layout};
pub(crate) use lease::Owner;
pub(crate) use live::{LiveFile, LiveFiles, NoLiveFiles, Unread};
pub(crate) use log::Purpose;
pub(crate) use open::{Inspection, Lake, inspect};
pub(crate) use ops::{
    Abandonment, Archive, BadFile, COMMITS_KEPT, CommitFacts, Compaction, Conversion, Cure, Damages, Diagnosis, Fault, FileAt,
    Finding, ForeignFolder, Garbage, Keeping, Need, PipelineFacts, REPORTS_KEPT, RejectReason, Remedy, RollbackPlan, SetAside,
    Shape, Stories, SurveyOptions, SurveyedLake, SurveyedTable, TableAt, TableDiff, TableFacts, TableStory, Told, Verification,
    Verify, Wanted, began, diagnose, killed_runs, note_refused, spelled,
};
pub(crate) use partition::{
    Misread, PartitionError, PartitionId, Partitioner, RoutedRows, ThinLevel, misread_levels, thin_level,
};
pub(crate) use rejects::RejectLog;
pub(crate) use shards::{LeftFile, ShardFiles};
pub(crate) use snapshot::{DataFile, Snapshot};
pub(crate) use spool::Spool;
pub(crate) use stage::{
    Embedded, StageBudgets, StageSettings, TableStage, check_same_table, look_up, memory_of_table, partition_levels, slice_rows,
};
pub(crate) use store::check_settings;
pub(crate) use trial::{free_space, try_out};
pub(crate) use view::{Look, View};
