//! The versions of a lake: each table at each of them, and where its files lie now.
//!
//! In: the log, and the manifests that its commits name. Out: [`TableAt`]s. A file of a version lies in its own place until a later commit
//! replaces or removes it, and from then on where that commit kept it. Invariants: what is told to be readable was there when it was
//! told; nothing is written.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::LakePlan;
use crate::lake::format::{Kept, TableFormat, format_of};
use crate::lake::log::{Action, Change, Commit, Purpose, read_commit, versions};
use crate::lake::store::{Store, open_store};
use crate::lake::{DataFile, LakeError, Layout, LiveFiles, Snapshot, manifest};

/// Commits that are looked through for the files of one version.
const VERSIONS_MAX: u64 = 10_000;

/// Commits that are looked through for those that changed files, at least.
const LOOKED_THROUGH: u64 = 50;

/// A lake's versions.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(super) store: Arc<dyn Store>,
    pub(super) layout: Layout,
    pub(super) format: Arc<dyn TableFormat>,
    /// The newest commit.
    pub(super) head: Commit,
    /// Commits that are not known to be published, ascending.
    pub(super) pending: Vec<u64>,
}

/// A table at a version.
#[derive(Debug, Clone)]
pub(crate) struct TableAt {
    /// The table.
    pub(crate) snapshot: Snapshot,
    /// Where its files lie, in the order of the snapshot's.
    pub(crate) files: Vec<FileAt>,
}

/// Where the content of a data file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileAt {
    /// The file as its table names it.
    pub(crate) file: DataFile,
    /// Where it lies, below the lake's root.
    pub(crate) path: String,
    /// The same as people and readers write it: `/data/lake/…`, `s3://bucket/…`.
    pub(crate) place: String,
    /// Below which the partition folders begin, as `place` is written.
    pub(crate) base: String,
}

impl Archive {
    /// The versions of the lake of `plan`; `None` when nothing was ever committed.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn open(plan: &LakePlan, pipeline: &str) -> Result<Option<Self>, LakeError> {
        Self::open_in(open_store(plan, false).await?, pipeline).await
    }

    /// The same of a lake that is there.
    ///
    /// # Errors
    /// [`LakeError::NothingCommitted`]; those of [`Archive::open`].
    pub(crate) async fn committed(plan: &LakePlan, pipeline: &str) -> Result<Self, LakeError> {
        let archive = Self::open(plan, pipeline).await?;
        archive.ok_or_else(|| LakeError::NothingCommitted { place: plan.location.to_string() })
    }

    /// [`Archive::open`] in a given store.
    pub(crate) async fn open_in(store: Arc<dyn Store>, pipeline: &str) -> Result<Option<Self>, LakeError> {
        let layout = Layout::new(pipeline);
        let versions = versions(&*store, &layout).await?;
        let head = read_commit(&*store, &layout, versions.head).await?;
        Ok(head.map(|head| Self::of(store, layout, head, versions.pending)))
    }

    /// The versions up to `head`, of which `pending` are not known to be published.
    pub(crate) fn of(store: Arc<dyn Store>, layout: Layout, head: Commit, pending: Vec<u64>) -> Self {
        let format = format_of(&store, &layout);
        Self { store, layout, format, head, pending }
    }

    /// The newest version.
    pub(crate) fn newest(&self) -> u64 {
        self.head.version
    }

    /// What opens the files of the newest version.
    pub(crate) fn live_files(&self) -> Arc<dyn LiveFiles> {
        self.store.live_files()
    }

    /// That there is no table of this name, and which there are.
    pub(crate) fn no_table(&self, table: &str) -> LakeError {
        let tables = self.head.tables.keys().cloned().collect();
        LakeError::NoTable { table: table.to_owned(), version: self.head.version, tables }
    }

    /// The commit that made `version`.
    ///
    /// # Errors
    /// [`LakeError::NoVersion`]; [`LakeError::Unreadable`]; the store's.
    pub(super) async fn commit(&self, version: u64) -> Result<Commit, LakeError> {
        let no_version = LakeError::NoVersion { version, newest: self.head.version };
        // What was collected may lie there a while, and what it names may go at any instant.
        if version == 0 || version < self.head.oldest || version > self.head.version {
            return Err(no_version);
        }
        read_commit(&*self.store, &self.layout, version).await?.ok_or(no_version)
    }

    /// The tables of a version and where their files lie; of all tables, or of one.
    ///
    /// # Errors
    /// [`LakeError::NoVersion`]; [`LakeError::NotKept`] when a file of it is gone; [`LakeError::NoTable`]; [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn tables_at(&self, version: u64, only: Option<&str>) -> Result<BTreeMap<String, TableAt>, LakeError> {
        let commit = self.commit(version).await?;
        if let Some(table) = only.filter(|table| !commit.tables.contains_key(*table)) {
            let tables = commit.tables.keys().cloned().collect();
            return Err(LakeError::NoTable { table: table.to_owned(), version, tables });
        }
        let moved = self.moved_after(version).await?;
        let mut kept: BTreeMap<u64, Kept> = BTreeMap::new();
        let mut tables = BTreeMap::new();
        for (table, entry) in commit.tables.iter().filter(|(table, _)| only.is_none_or(|only| only == *table)) {
            let mut snapshot = manifest::load(&*self.store, &self.layout, table, entry).await?;
            if version == self.newest() && !self.is_unpublished(version).await? {
                snapshot = self.format.current(table, snapshot).await?;
            }
            let newest = match self.head.tables.get(table) {
                Some(entry) => manifest::load(&*self.store, &self.layout, table, entry).await?.files,
                None => Vec::new(),
            };
            let mut files = Vec::with_capacity(snapshot.files.len());
            for file in &snapshot.files {
                let Some(&by) = moved.get(&file.path) else {
                    files.push(self.file_at(file, file.path.clone(), table.clone()));
                    continue;
                };
                if let Entry::Vacant(unseen) = kept.entry(by) {
                    unseen.insert(self.format.kept(by).await?);
                }
                let old = kept.get(&by).and_then(|kept| Some((&kept.folder, kept.paths.get(&file.path)?)));
                if let Some((folder, path)) = old {
                    files.push(self.file_at(file, path.clone(), format!("{folder}/{table}")));
                } else if let Some(live) = newest.iter().find(|live| live.has_content_of(file)) {
                    // It came back.
                    files.push(self.file_at(file, live.path.clone(), table.clone()));
                } else if self.is_unpublished(by).await? {
                    // It is going to be kept, and is where it was.
                    files.push(self.file_at(file, file.path.clone(), table.clone()));
                } else {
                    let kept = self.kept_whole(|_| None).await?;
                    return Err(LakeError::NotKept { version, by, place: self.store.place(&file.path), kept });
                }
            }
            tables.insert(table.clone(), TableAt { snapshot, files });
        }
        Ok(tables)
    }

    /// Whether a commit is recorded, and its files are not all in place.
    async fn is_unpublished(&self, version: u64) -> Result<bool, LakeError> {
        Ok(version == self.newest() && self.store.head(&self.layout.done(version)).await?.is_none())
    }

    pub(super) fn file_at(&self, file: &DataFile, path: String, base: String) -> FileAt {
        FileAt { file: file.clone(), place: self.store.place(&path), base: self.store.place(&base), path }
    }

    /// The first commit after `version` that took each path's content away.
    async fn moved_after(&self, version: u64) -> Result<HashMap<String, u64>, LakeError> {
        let newest = self.head.version;
        if newest - version > VERSIONS_MAX {
            return Err(LakeError::TooOld { version, newest, versions_max: VERSIONS_MAX });
        }
        let mut moved = HashMap::new();
        for later in version + 1..=newest {
            let commit = self.commit(later).await?;
            for change in commit.files.iter().filter(|change| takes_away(&commit, change)) {
                moved.entry(change.path.clone()).or_insert(later);
            }
        }
        Ok(moved)
    }

    /// The versions that are kept whole and lie next to each other, the newest of them among the newest [`LOOKED_THROUGH`]; `named` tells where
    /// a state names its marks.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(super) async fn kept_whole(
        &self,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<RangeInclusive<u64>, LakeError> {
        let (newest, mut later) = (self.newest(), self.head.clone());
        let mut oldest = newest;
        while oldest > newest.saturating_sub(LOOKED_THROUGH).max(1) && self.is_kept(&later).await? {
            later = match self.commit(oldest - 1).await {
                Err(LakeError::NoVersion { .. }) => break,
                commit => commit?,
            };
            if self.lost_marks(&mut later.state, &named).await?.is_some() {
                break;
            }
            oldest -= 1;
        }
        Ok(oldest..=newest)
    }

    /// Whether what a commit replaced and removed can be had. An older lakeward kept nothing, nor did a commit under `keep_versions: 0`.
    pub(super) async fn is_kept(&self, commit: &Commit) -> Result<bool, LakeError> {
        let gone: Vec<&str> =
            commit.files.iter().filter(|change| takes_away(commit, change)).map(|change| change.path.as_str()).collect();
        if gone.is_empty() {
            return Ok(true);
        }
        let kept = self.format.kept(commit.version).await?;
        Ok(gone.iter().all(|path| kept.paths.contains_key(*path)) || self.is_unpublished(commit.version).await?)
    }

    /// The place of the first marks of a state that are gone.
    pub(super) async fn lost_marks(
        &self,
        state: &mut Map<String, Value>,
        named: impl Fn(&mut Value) -> Option<&mut Value>,
    ) -> Result<Option<String>, LakeError> {
        for state in state.values_mut() {
            let Some(Value::String(marks)) = named(state) else { continue };
            let path = self.layout.marks(marks);
            if self.store.head(&path).await?.is_none() {
                return Ok(Some(self.store.place(&path)));
            }
        }
        Ok(None)
    }

    /// The oldest commit that can still be undone: the `keep_versions`-th newest of those that changed files, as far as one of the newest
    /// [`LOOKED_THROUGH`] is. One past the newest when there is none. A compaction or a restoration, which changes no row, does not count: those that
    /// came after it can be undone, and so can it.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn oldest_undoable(&self, keep_versions: u32) -> Result<u64, LakeError> {
        let newest = self.newest();
        let looked_through = LOOKED_THROUGH.max(u64::from(keep_versions));
        let (mut oldest, mut left) = (newest + 1, keep_versions);
        for version in (newest.saturating_sub(looked_through - 1).max(1)..=newest).rev() {
            if left == 0 {
                break;
            }
            let (changes, purpose) = match version == newest {
                true => (!self.head.files.is_empty(), self.head.purpose),
                false => match self.commit(version).await {
                    Err(LakeError::NoVersion { .. }) => break,
                    commit => commit.map(|commit| (!commit.files.is_empty(), commit.purpose))?,
                },
            };
            if changes {
                (oldest, left) = (version, left - u32::from(!matches!(purpose, Purpose::Compaction | Purpose::Restoration)));
            }
        }
        Ok(oldest)
    }
}

/// Whether content goes from its place. A restoration brings back what belongs there.
pub(super) fn takes_away(commit: &Commit, change: &Change) -> bool {
    change.action == Action::Delete || change.replaces.is_some() && commit.purpose != Purpose::Restoration
}
