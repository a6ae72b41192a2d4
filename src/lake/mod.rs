//! Lake: rows become partitioned Parquet files, and a commit makes them the table.
//!
//! Two halves. `stage` (with `parquet`, `partition`) turns batches into finished files in the spool, and into the list of
//! changes that a commit publishes; it is blocking CPU work. `store`, `log`, `lease`, `publish` and `recover` move such a list
//! into the lake by the protocol of `docs/guarantees.md`. Not here: APIs, progress.

mod bucket;
mod checksum;
mod claim;
mod commit;
mod disk;
mod drop;
mod error;
mod foreign;
mod layout;
mod lease;
mod live;
mod parquet;
mod partition;
mod log;
mod manifest;
mod marks;
mod open;
mod publish;
mod recover;
mod rejects;
mod spool;
mod stage;
mod store;
mod table;
mod trust;
#[cfg(test)]
mod tests;

pub(crate) use commit::Commit;
pub(crate) use drop::DroppedTable;
pub(crate) use error::{LakeError, StoreAnswer, StoreProblem};
pub(crate) use layout::Layout;
pub(crate) use lease::Owner;
pub(crate) use live::{LiveFile, LiveFiles};
pub(crate) use open::{Inspection, Lake, inspect};
pub(crate) use partition::{PartitionError, PartitionId, Partitioner, RoutedRows};
pub(crate) use rejects::RejectLog;
pub(crate) use stage::{StageBudgets, StageSettings, TableStage};
pub(crate) use store::check_settings;
pub(crate) use table::*;
