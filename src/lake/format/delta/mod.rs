//! Delta: a table whose files and versions a log under its own folder tells, for readers and writers of Delta tables.
//!
//! In: what a commit of this program changes in a table. Out: one commit of `<table>/_delta_log`, published behind the files that it adds.
//! Our log stays the truth about a run: a commit of the Delta log is made of what the commit in our log has staged, names that commit as the
//! version of its transaction (`txn`), and so is made once, by whoever publishes. What the table holds its Delta log tells, and our manifest
//! only what is known besides (checksums, ranges of keys), because others may write as well.
//!
//! Invariants:
//! - A data file is written once and under a name of its own; what leaves the table stays until it is collected ([`vacuum`]).
//! - A commit of others that came in between, and that ours does not stand on, is a conflict: nothing of ours is published. So cursors are
//!   never ahead of rows: the commit in our log is abandoned, and the next run asks again.
//! - A table that asks its writers for what this program does not do is refused before anything is read for it ([`features`]).
//!
//! Beside plain files (`lake.delta_log`) the same log tells of files that are replaced in place. There it has no other writer, no checkpoint, which
//! readers by glob would take for rows, and no past.
//!
//! ```text
//! snapshot = replay(log)         body = actions(prepared), staged       publish: [log at base?] ─ create <n>.json ─ checkpoint
//! ```

mod actions;
mod body;
mod checkpoint;
mod features;
mod publish;
mod replay;
mod rows;
mod schema;
mod snapshot;
mod stats;
mod vacuum;

use std::sync::Arc;

use actions::{Metadata, Protocol};
pub(super) use body::stage;
pub(super) use publish::{Entry, check, check_alone, is_published, publish, withdraw};
#[cfg(test)]
pub(in crate::lake) use replay::Listing;
pub(in crate::lake) use replay::Log;
pub(super) use snapshot::{current, files_besides, log_files, remains, snapshot};
pub(super) use vacuum::expired;

/// What a snapshot of a Delta table stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogBase {
    /// The version of the Delta log.
    pub(crate) version: u64,
    /// The table's protocol there.
    pub(super) protocol: Protocol,
    /// The table's metadata there.
    pub(super) metadata: Metadata,
}

/// A base that is passed on with snapshots.
pub(crate) type SharedBase = Arc<LogBase>;

/// What this program is to a Delta log: a table of a pipeline.
pub(super) fn application(pipeline: &str, table: &str) -> String {
    format!("lakeward/{pipeline}/{table}")
}
