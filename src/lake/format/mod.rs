//! Table formats: how the edits of a table become files with names, and how readers come to see them.
//!
//! In: a [`TableEdit`], and later the commit that has it. Out: files under the table's folder. The commit protocol (log, claims, leases,
//! recovery) reaches data files only through [`TableFormat`], and knows nothing of names; a format knows nothing of leases and of what a commit is for.
//! Invariants: the same edits over the same snapshot give the same names; nothing is written but into the spool before the edits are staged, and nothing
//! that a reader sees before the commit is in the log; no file is touched that the edits do not name, but for those that the format itself needs.
//! Not here: what changes in a table (`stage`), the log (`commit`), sockets and folders (`store`).
//!
//! ```text
//! snapshot ─ edits ─ prepare ─ stage ─ check ─ [the commit is in the log] ─ publish ─ retain
//!                                                          └─ killed here: roll_forward, by whoever opens the lake next
//! ```

pub(in crate::lake) mod delta;
mod foreign;
mod plain;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
pub(crate) use delta::SharedBase;
pub(crate) use foreign::UNKNOWN;
pub(crate) use plain::name_files;

use crate::config::StoredAs;
use crate::lake::log::{Change, Commit, LogCommit};
use crate::lake::publish::Publication;
use crate::lake::store::{Found, Store};
use crate::lake::{DataFile, LakeError, Layout, Snapshot, StageStats, TableEdit};

/// How a lake stores its tables.
#[async_trait]
pub(crate) trait TableFormat: Send + Sync + fmt::Debug {
    /// `table` as it lies in the lake, which has to be what its last commit left: `committed`, which comes back with the store's own tags.
    ///
    /// Called before anything is read for the table, once every commit of the log is published. What a foreign writer did since is told
    /// here, and nothing is changed.
    ///
    /// # Errors
    /// [`LakeError::Foreign`] with the differences by name; with `adopt`, [`LakeError::Adopt`]; the store's.
    async fn snapshot(&self, table: &str, committed: Snapshot, adopt: bool) -> Result<Snapshot, LakeError>;

    /// What is left of `table`, damaged or not: called for one whose files are all going to be removed or replaced.
    ///
    /// # Errors
    /// The store's.
    async fn remains(&self, table: &str, committed: Snapshot) -> Result<Remains, LakeError>;

    /// The table that edits of an operation stand on, whatever lies in its folder: `committed`, or what a log of the table's own has.
    ///
    /// # Errors
    /// [`LakeError::Delta`], [`LakeError::Unreadable`]; the store's.
    async fn current(&self, table: &str, committed: Snapshot) -> Result<Snapshot, LakeError>;

    /// Names the files of an edit. Called once a run, when all rows are in the spool; blocking, and may write a file there that the format needs.
    /// Nothing of it is in the lake yet, so that whoever drops the result drops the edit.
    ///
    /// # Errors
    /// [`LakeError::Partition`] where a partition makes no name; [`LakeError::Disk`], [`LakeError::Parquet`] for files that the format needs.
    fn prepare(&self, edit: TableEdit) -> Result<PreparedTable, LakeError>;

    /// Brings new files to where one step publishes each, in the staging folder of the run of `commit` or where no reader looks. What comes back goes into
    /// that commit, which is a draft, and is all that those who publish it know. Called before the commit point; what is staged without a commit is dropped with
    /// the folder, by the run itself or, once it is fenced, by the next one.
    ///
    /// # Errors
    /// [`LakeError::Spool`] for a spooled file that is not what was written; [`LakeError::Delta`] for what the format does not have; the store's.
    async fn stage(&self, commit: &Commit, tables: &[PreparedTable]) -> Result<Staged, LakeError>;

    /// Checks that what edits of `table` replace is still what they stand on. Called as the last thing before the commit point: behind it the
    /// commit could be published over nothing else, and the cursors would be ahead of the rows. So a foreign commit in between is a conflict here,
    /// and the run ends without a commit.
    ///
    /// # Errors
    /// [`LakeError::Damaged`] naming the file; [`LakeError::Conflict`]; the store's.
    async fn check(&self, table: &str, replaced: &[&DataFile]) -> Result<(), LakeError>;

    /// The same for logs that tables have of their own: that nothing came in between which `commit`, as it is drafted, does not stand on.
    ///
    /// # Errors
    /// [`LakeError::ForeignCommit`]; the store's.
    async fn check_logs(&self, commit: &Commit) -> Result<(), LakeError>;

    /// Publishes a commit of the log: when this is done, readers see it. Called by the run that made it, right behind the commit point. It
    /// works once: repeated, also by a run that slept while others went on, it changes nothing. What commits before it
    /// replaced or removed is kept first, when the commit says so.
    ///
    /// A reader sees of each file either the old content or the new one. While it lasts, what a reader sees of a table is the format's own promise: see
    /// [`plain`].
    ///
    /// # Errors
    /// Nothing is undone; the next run goes on. [`LakeError::Lost`] when a file is neither staged nor published, [`LakeError::Damaged`] when what
    /// is staged is not what was committed, [`LakeError::Taken`] when a foreign writer put something else in its place; the store's.
    async fn publish(&self, publication: &Publication<'_>) -> Result<Placed, LakeError>;

    /// Finishes the publish of another run's commit, which may be at it still, or asleep in it. Staged content counts only behind its checksum.
    /// Of tables that are not among the `needed`, files may be lost: [`Placed::lost`] has them.
    ///
    /// # Errors
    /// Those of [`TableFormat::publish`].
    async fn roll_forward(&self, publication: &Publication<'_>, needed: Option<&[&str]>) -> Result<Placed, LakeError>;

    /// What became of the new files of a commit of the log that is not known to be published, in its order. Nothing is written, and what is told was so
    /// when it was told.
    ///
    /// # Errors
    /// The store's.
    async fn fates(&self, commit: &Commit) -> Result<Vec<FileFate>, LakeError>;

    /// Whether the log that `table` has of its own tells of `commit`.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    async fn is_told(&self, commit: &Commit, table: &str) -> Result<bool, LakeError>;

    /// Takes from everybody the means to publish any more of a commit of the log, also from a run that slept; durably. Called before a commit that
    /// abandons it.
    ///
    /// # Errors
    /// The store's; repeated, it goes on.
    async fn withdraw(&self, commit: &Commit) -> Result<(), LakeError>;

    /// Where what commit `version` replaced or removed can still be read. Nothing while its publish has not kept all of it.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    async fn kept(&self, version: u64) -> Result<Kept, LakeError>;

    /// Lets go of what is kept of commits before `oldest`, a bounded piece of it. Called behind every commit of a run.
    ///
    /// # Errors
    /// The store's; the next run tries again.
    async fn retain(&self, oldest: u64) -> Result<(), LakeError>;

    /// What left `table` more than `retention` before `now`, and what its own log can do without, but for `needed` paths: for a collection to tell
    /// before it removes it.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    async fn left(
        &self,
        table: &str,
        stored_as: StoredAs,
        (now, retention): (DateTime<Utc>, Duration),
        needed: &BTreeSet<String>,
    ) -> Result<Vec<Found>, LakeError>;

    /// All that [`TableFormat::retain`] would let go of in the end, for a collection to tell before it removes it.
    ///
    /// # Errors
    /// The store's.
    async fn expired(&self, oldest: u64) -> Result<Vec<Found>, LakeError>;
}

/// How the lake in `store` stores its tables.
pub(crate) fn format_of(store: &Arc<dyn Store>, layout: &Layout) -> Arc<dyn TableFormat> {
    Arc::new(tables::Tables::new(store, layout))
}

/// What is staged for a commit.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// What it says of files.
    pub(crate) files: Vec<Change>,
    /// What it says in logs that tables have of their own.
    pub(crate) logs: BTreeMap<String, LogCommit>,
}

/// What is left of a table.
#[derive(Debug)]
pub(crate) struct Remains {
    /// The committed table with those of its files that are there, as they are.
    pub(crate) snapshot: Snapshot,
    /// Files in its place that are not the table's.
    pub(crate) strangers: Vec<String>,
    /// Files of the table that have none of its rows: its own log, and what left it.
    pub(crate) others: Vec<DataFile>,
    /// Why a log of the table's own cannot be gone on with: the table can be dropped, and nothing else.
    pub(crate) broken: Option<LakeError>,
}

/// A published commit.
#[derive(Debug, Default)]
pub(crate) struct Placed {
    /// The store's tag of each new file, by path, where it has one.
    pub(crate) etags: BTreeMap<String, String>,
    /// Table and place of committed files that are gone for good, and that nobody needs.
    pub(crate) lost: Vec<(String, String)>,
}

/// What became of a file that a commit puts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is in its place.
    InPlace,
    /// It is staged, and the next run brings it to its place.
    Staged,
    /// The store does not tell whether it is staged: the next run finds out.
    Untold,
    /// It is gone for good, or damaged where it was staged.
    Lost,
    /// Something that the commit does not know lies in its place.
    Taken,
    /// A commit of another writer is in the way of its table's.
    Overtaken,
}

/// A file of a commit, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct FileFate {
    /// Its table.
    pub(crate) table: String,
    /// Where it belongs, as people write it.
    pub(crate) place: String,
    /// Its rows.
    pub(crate) rows: u64,
    /// What became of it.
    pub(crate) fate: Fate,
}

/// Old files of a commit.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The folder below which the tables' folders begin.
    pub(crate) folder: String,
    /// Where the old content of each data file is, by its path.
    pub(crate) paths: BTreeMap<String, String>,
}

/// A table's part of a commit, ready to be staged.
#[derive(Debug, Clone)]
pub(crate) struct PreparedTable {
    /// The table's name, its folder below the lake's root.
    pub(crate) table: String,
    /// The files to put and to delete; empty when nothing changed.
    pub(crate) changes: Vec<FileChange>,
    /// The table once they are published; of one that leaves the lake, the next file number alone.
    pub(crate) after: Snapshot,
    /// What happened to the rows.
    pub(crate) stats: StageStats,
    /// Whether the table leaves the lake.
    pub(crate) is_dropped: bool,
    /// Whether a log of the table's own begins with the commit.
    pub(crate) begins_log: bool,
    /// Whether a log of the table's own is to go with the commit.
    pub(crate) ends_log: bool,
    /// Whether columns or partition levels are others than before.
    pub(crate) has_other_columns: bool,
}

impl PreparedTable {
    /// The files that get another content.
    pub(crate) fn replaced(&self) -> Vec<&DataFile> {
        let replaced = self.changes.iter().filter_map(|change| match change {
            FileChange::Put { replaces, .. } => replaces.as_ref(),
            FileChange::Retire { file } => Some(file),
            FileChange::Delete { .. } => None,
        });
        replaced.collect()
    }
}

/// One file of a commit.
#[derive(Debug, Clone)]
pub(crate) enum FileChange {
    /// A finished file in the spool becomes the content of `file.path`.
    Put {
        /// The file as it will be.
        file: DataFile,
        /// Where its bytes are now, on local disk.
        spooled: PathBuf,
        /// The stored file all bytes of which come before those, where there is one.
        behind: Option<Box<Found>>,
        /// The file that is replaced under the same path.
        replaces: Option<DataFile>,
    },
    /// The path is removed and never written again.
    Delete {
        /// The file that goes.
        file: DataFile,
    },
    /// The file is one of the table's no more, and stays until it is collected; its path is never written again.
    Retire {
        /// The file.
        file: DataFile,
    },
}
