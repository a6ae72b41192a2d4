//! Pipeline: one run, from a plan to a commit.
//!
//! In: a [`crate::config::Plan`], the clock, a stop and a place for progress events. Out: [`RunFacts`], in which
//! every page, record and row is accounted for. Invariants: no task outlives the run; a resource publishes only when its
//! pages ended for a named reason and its counts agree; a cancelled or failed resource leaves its table as it was.
//!
//! ```text
//! source.fetch ──(deliveries, in page order)──▶ decode on rayon's threads ──(in page order again)──▶ judge ──▶ table thread: stage ──▶ commit
//! ```
//!
//! Peak memory is within `lake.memory`, of which 64 MB are the program's own and those resources that run at once (at most [`RESOURCES_MAX`])
//! have equal shares, and on top what the API decides: requests in flight × page size (`client.concurrency`; in memory at most 64 MiB of a
//! page), 32 MiB of answers on their way into the log of those that are kept (or one larger one), and 64 bytes for each page that an
//! interrupted run has kept. Of a share an eighth are pages being decoded (or one larger page, or one slice of a page in a file), about twice as much again their
//! arrays and the [`BATCHES_MAX`] decoded pages that wait for the table; the rest are the stage's own bounds (`lake::stage`). None of the other terms
//! grows with the number of pages or rows; with partitions grows the writer of each, some 12 kB, and with files what the manifest tells of
//! each, less than 1 kB.
//! Not here: how anything is printed.

mod adopt;
mod asked;
mod chain;
mod columns;
mod conclude;
mod contract;
mod cursors;
mod decoding;
mod detected;
mod drops;
mod ends;
mod error;
mod event;
mod facts;
mod families;
mod graph;
mod guards;
mod header_watch;
mod held;
mod intake;
mod kept;
mod journal;
mod key_watch;
mod left_behind;
mod load;
mod nested;
mod operate;
mod parents;
mod past;
mod probe;
mod recorded;
mod rehearse;
mod repair;
mod reshape;
mod resource;
mod resume;
mod run;
mod sample;
mod share;
mod slices;
mod stop;
mod table;
mod table_intake;
mod table_thread;
mod told;
mod warnings;

pub(crate) use adopt::{Adoption, adopt, adoption};
pub(crate) use columns::validate;
pub(crate) use cursors::CursorFacts;
pub(crate) use error::RunError;
pub(crate) use event::{Event, Events};
pub(crate) use facts::{Completeness, ReadFacts, ResourceFacts, ResourceResult, RunFacts, RunStatus, ShapedFacts, SliceFacts};
pub(crate) use families::typed_whole;
pub(crate) use journal::{Passage, Passages};
pub(crate) use kept::{expired_answers, left_for_next_run, left_in_lake, remove_answers};
pub(crate) use operate::{NewRun, abandon, abandonment, collect, compact, compactions, garbage, rollback, rollback_plan};
pub(crate) use probe::{Finding, Probed, probe};
pub(crate) use rehearse::{Rehearsed, Shown, rehearse};
pub(crate) use repair::{RecordsRepair, Repairs, TableRepair, repair, repairs};
pub(crate) use reshape::{TableChange, TableChanged, change_table, table_change};
pub(crate) use run::{Components, Limit, Refresh, RunOptions, Unfinished, run};
pub(crate) use sample::sample;
pub(crate) use share::{Part, SHARDS_MAX, ShardFault, ShardManifest, ShardSpec, within_share};
pub(crate) use stop::{Standing, Stop};
pub(crate) use told::APPENDS_UNASKED;
pub(crate) use warnings::Told;

/// Decoded pages of one resource that wait for its table's thread.
const BATCHES_MAX: usize = 8;

/// Resources that run at once.
const RESOURCES_MAX: usize = 4;

/// Chains of one resource that are begun, for each request that may be in flight: while one's answer is taken, the next one's comes.
const CHAINS_AHEAD: usize = 2;

/// Decoded pages of one chain that wait for the chains before it.
const CHAIN_PAGES_MAX: usize = 2;
