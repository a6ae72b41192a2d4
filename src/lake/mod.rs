//! Lake: rows become partitioned Parquet files, and a commit makes them the table.
//!
//! Two halves. `stage` (with `parquet`, `partition`) turns batches into finished files in the spool, and into the list of
//! changes that a commit publishes; it is blocking CPU work. `store`, `log`, `lease`, `publish` and `recover` move such a list
//! into the lake by the protocol of `docs/guarantees.md`. Not here: APIs, progress.

mod error;
mod live;
mod partition;
mod table;

pub(crate) use error::LakeError;
pub(crate) use live::{LiveFile, LiveFiles, LiveRead};
pub(crate) use partition::{PARTITIONS_MAX, PartitionError, PartitionId, Partitioner, Routed, RoutedRows, escape, unescape};
pub(crate) use table::*;
