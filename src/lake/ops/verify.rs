//! Verify: whether a version's tables are what was committed.
//!
//! In: a version, and a table of it as its manifest tells. Out: a [`Verification`]: every fault by file, or none. Invariants: nothing is
//! written into the lake and no lease is taken; a fault is told only once it was looked for again where later commits keep the file, so that a run
//! at work causes no false alarm; memory is bounded, whatever the files hold.
//! Not here: one file's content (`content`), how a verification is printed.

mod content;
mod fault;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

pub(crate) use fault::{Fault, FaultKind, Remedy};

use crate::config::StoredAs;
use crate::lake::claim::Claims;
use crate::lake::log::{Action, Change};
use crate::lake::ops::verify::content::TableProof;
use crate::lake::ops::{Archive, FileAt, TableAt};
use crate::lake::partition::hive_folder;
use crate::lake::spool::Spool;
use crate::lake::store::Handle;
use crate::lake::{LakeError, Snapshot};

/// Times that files are followed to where a newer commit keeps them.
const LOOKS: u32 = 5;

/// How tables are verified.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verify {
    /// Whether every row is decoded.
    pub(crate) deep: bool,
    /// Tables of which a key may have one row only.
    pub(crate) one_row_a_key: BTreeSet<String>,
}

/// What came of verifying a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verification {
    /// What is wrong, by place.
    pub(crate) faults: Vec<Fault>,
    /// Files that the publish of a recorded commit has not brought to their places yet.
    pub(crate) waiting: Vec<String>,
    /// Commits of this pipeline that are not known to be published.
    pub(crate) pending: Vec<u64>,
    /// Whether newer commits removed what was to be verified before it was.
    pub(crate) is_outrun: bool,
    /// Whether the keys of all rows were compared.
    pub(crate) keys_compared: bool,
}

/// The state of one table's verification.
struct Work<'a> {
    archive: &'a Archive,
    version: u64,
    table: &'a str,
    stored_as: StoredAs,
    /// Where the files lie, as far as is known.
    files: Vec<FileAt>,
    proof: Arc<TableProof>,
    /// What is wrong with files, by their numbers.
    wrong: BTreeMap<u32, Vec<Fault>>,
    done: Verification,
}

impl Archive {
    /// Verifies one table of a version, as [`Archive::tables_at`] has it.
    ///
    /// # Errors
    /// When a file cannot be had for a reason that is not its own: the store's; [`LakeError::Unreadable`], [`LakeError::Partition`].
    pub(crate) async fn verify(&self, version: u64, table: &str, at: &TableAt, how: &Verify) -> Result<Verification, LakeError> {
        let spool = if how.deep { Some(Spool::temporary("verify").await?) } else { None };
        let spill = spool.as_ref().map(|spool| spool.path().to_owned());
        let is_unique = how.one_row_a_key.contains(table);
        let proof = Arc::new(TableProof::new(&self.store, table, at, spill.clone(), is_unique)?);
        let done = Verification { pending: self.pending.clone(), ..Verification::default() };
        let (files, wrong) = (at.files.clone(), BTreeMap::new());
        let stored_as = at.snapshot.stored_as;
        let mut work = Work { archive: self, version, table, stored_as, files, proof, wrong, done };
        work.check_manifest().await?;
        let all = work.numbered(|_| true);
        work.check(all).await?;
        work.follow().await?;
        work.check_unpublished().await?;
        work.check_folder().await?;
        let Work { proof, files, wrong, mut done, .. } = work;
        done.faults.extend(wrong.into_values().flatten());
        if let Some(spill) = spill.filter(|_| !done.is_outrun) {
            done.keys_compared = is_unique && !at.snapshot.primary_key.is_empty();
            done.faults.extend(proof.repeated_keys(spill, files).await?);
        }
        Ok(done)
    }

    /// The newest state of the same lake.
    async fn renewed(&self) -> Result<Option<Self>, LakeError> {
        Self::open_in(Arc::clone(&self.store), self.layout.pipeline()).await
    }
}

impl Work<'_> {
    fn numbered(&self, is_meant: impl Fn(u32) -> bool) -> Vec<(u32, FileAt)> {
        (0..).zip(self.files.iter().cloned()).filter(|(unit, _)| is_meant(*unit)).collect()
    }

    /// Checks files, in place of what was known of them.
    async fn check(&mut self, files: Vec<(u32, FileAt)>) -> Result<(), LakeError> {
        files.iter().for_each(|(unit, _)| drop(self.wrong.remove(unit)));
        self.wrong.extend(self.proof.check(files).await?);
        Ok(())
    }

    /// Checks that the manifest is the one that was written, and that what it says fits together.
    async fn check_manifest(&mut self) -> Result<(), LakeError> {
        let Archive { store, layout, .. } = self.archive;
        let commit = self.archive.commit(self.version).await?;
        if let Some(entry) = commit.tables.get(self.table) {
            let path = layout.manifest(&entry.manifest);
            let bytes = store.get(&path).await?.map(|blob| blob.bytes).unwrap_or_default();
            let name = format!("{}-{:032x}.json", self.table, xxh3_128(&bytes));
            if name != entry.manifest {
                let found = format!("the content of `{name}`");
                self.fault(&store.place(&path), FaultKind::Manifest, "the content that its name tells", found);
            }
        }
        let mut seen = HashSet::new();
        let levels: Vec<String> = self.proof.levels().into_iter().map(str::to_owned).collect();
        for at in self.files.clone() {
            if !seen.insert(at.file.path.clone()) {
                self.fault(&at.place, FaultKind::ListedTwice, "each file once in the manifest", "the file once more");
            }
            let folder = hive_folder(&levels, &at.file.partition);
            let below = at.file.path.strip_prefix(self.table).and_then(|path| path.rsplit_once('/')).map(|(folder, _)| folder);
            let is_hives = self.stored_as.is_plain() && !levels.is_empty();
            if is_hives && below.map(|below| below.trim_start_matches('/')) != Some(folder.as_str()) {
                self.fault(&at.place, FaultKind::Folder, format!("folder `{folder}`"), format!("path `{}`", at.file.path));
            }
        }
        Ok(())
    }

    /// Looks for files that are not as they were where newer commits keep them.
    async fn follow(&mut self) -> Result<(), LakeError> {
        for _ in 0..LOOKS {
            if self.wrong.is_empty() {
                return Ok(());
            }
            let Some(newest) = self.archive.renewed().await? else { return Ok(()) };
            let tables = match newest.tables_at(self.version, Some(self.table)).await {
                Err(LakeError::NotKept { .. }) => break,
                tables => tables?,
            };
            let now: Vec<FileAt> = tables.into_values().next().map(|at| at.files).unwrap_or_default();
            let moved = |unit: &u32| now.get(*unit as usize).is_some_and(|at| at.path != self.files[*unit as usize].path);
            let again: Vec<u32> = self.wrong.keys().copied().filter(moved).collect();
            if again.is_empty() {
                return Ok(());
            }
            self.files = now;
            let again = self.numbered(|unit| again.contains(&unit));
            self.check(again).await?;
        }
        self.done.is_outrun = !self.wrong.is_empty();
        self.wrong.clear();
        Ok(())
    }

    /// Sets apart the files that a recorded commit has not published yet.
    async fn check_unpublished(&mut self) -> Result<(), LakeError> {
        let mut waiting = Vec::new();
        let (archive, table) = (self.archive, self.table);
        for version in archive.pending.iter().copied() {
            let commit = archive.commit(version).await?;
            for change in commit.files.iter().filter(|change| change.table == table && change.action == Action::Put) {
                let is_it = |at: &FileAt| at.path == change.path && at.file.checksum == change.checksum;
                let unit = self.wrong.keys().copied().find(|unit| is_it(&self.files[*unit as usize]));
                let Some(unit) = unit else { continue };
                if self.is_waiting(change).await? {
                    self.wrong.remove(&unit);
                    waiting.push(self.archive.store.place(&change.path));
                } else {
                    // It may have been published since.
                    let again = self.numbered(|number| number == unit);
                    self.check(again).await?;
                }
            }
        }
        self.done.waiting = waiting;
        Ok(())
    }

    /// Whether what a change puts is still staged, and its place is as it was before.
    async fn is_waiting(&self, change: &Change) -> Result<bool, LakeError> {
        let store = &self.archive.store;
        let is_staged = match &change.handle {
            Some(Handle::Staged(path)) => store.head(path).await?.is_some_and(|found| found.bytes == change.bytes),
            // No store tells whether an upload is still there.
            Some(Handle::Upload { .. }) => true,
            None => false,
        };
        match (&change.replaces, store.head(&change.path).await?) {
            _ if !is_staged => Ok(false),
            (_, None) => Ok(true),
            (None, Some(_)) => Ok(false),
            (Some(old), Some(_)) => store.holds(&change.path, old.bytes, &old.checksum).await,
        }
    }

    /// Looks for files that no commit put into the table's folder, and for the claim, where the newest version still has the table.
    async fn check_folder(&mut self) -> Result<(), LakeError> {
        let Archive { store, layout, format, head, .. } = self.archive;
        if !head.tables.contains_key(self.table) {
            return Ok(());
        }
        let live = Snapshot { files: self.files.iter().map(|at| at.file.clone()).collect(), ..Snapshot::default() };
        // A log of the table's own tells which files count, whatever else lies there.
        let mut unknown = if self.stored_as.is_plain() { format.remains(self.table, live).await?.strangers } else { Vec::new() };
        if !unknown.is_empty() {
            // Read after the listing, so that whatever a commit had put there by then is known.
            let changed = self.changed_paths().await?;
            unknown.retain(|path| !changed.contains(path));
        }
        for path in unknown {
            self.fault(&store.place(&path), FaultKind::Unknown, "no file", "a file that no commit put there");
        }
        let (place, owner) = (Claims { store: &**store, layout }).owner(self.table).await?;
        match owner {
            Ok(Some(owner)) if owner != layout.pipeline() => {
                let words = |pipeline: &str| format!("a claim of pipeline `{pipeline}`");
                self.fault(&place, FaultKind::Claim, words(layout.pipeline()), words(&owner));
            }
            Ok(_) => {}
            Err(error @ (LakeError::Unreadable { .. } | LakeError::Refused { .. })) => {
                self.done.faults.push(Fault::of_error(&place, FaultKind::Claim, &error));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Paths of the table that commits changed after the version, or may not have changed yet.
    async fn changed_paths(&self) -> Result<HashSet<String>, LakeError> {
        let Some(newest) = self.archive.renewed().await? else { return Ok(HashSet::new()) };
        let unpublished = self.archive.pending.iter().chain(&newest.pending);
        let versions: BTreeSet<u64> = unpublished.copied().chain(self.version + 1..=newest.newest()).collect();
        let mut paths = HashSet::new();
        for version in versions {
            let changes = newest.commit(version).await?.files;
            paths.extend(changes.into_iter().filter(|change| change.table == self.table).map(|change| change.path));
        }
        Ok(paths)
    }

    fn fault(&mut self, place: &str, kind: FaultKind, expected: impl Into<String>, found: impl Into<String>) {
        self.done.faults.push(Fault::new(place, kind, expected, found));
    }
}
