//! Merge: one row per primary key.
//!
//! In: the key columns of batches as they arrive, and those of live data files. Out: which rows of the run are superseded
//! by a later one, and which rows of which file a row of the run replaces; and for such pairs, whether they differ at all.
//! Invariants: a key's last row of the run wins, or the one with the greatest or least value of a column; the result depends on the rows alone, not on batches or budget.
//! Memory is bounded: past its budget the log of keys spills by hash bucket, into files that go when their owner is dropped.
//!
//! Not here: paths, stores, Parquet, when to merge. `log/tests.rs` is the specification of the winner rule.

mod diff;
mod error;
mod flags;
mod keys;
mod log;
mod matches;
mod ranks;
mod rows;
mod rowset;
mod spill;

pub(crate) use diff::{DiffCounts, RowFate, RowLog, Side};
pub(crate) use error::MergeError;
pub(crate) use flags::deleting_rows;
pub(crate) use keys::{hash_keys, hashes_survive};
pub(crate) use log::{KeyLog, Outcome};
pub(crate) use matches::Matches;
pub(crate) use ranks::{has_order, ranks_survive};
pub(crate) use rows::{changed_rows, replace_rows, sort_batch};
pub(crate) use rowset::{RowSet, RowSets};
