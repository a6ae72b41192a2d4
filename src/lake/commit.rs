//! The commit: staged files and state become the lake's next version, once, or not at all.
//!
//! In: [`PreparedTable`]s whose files are finished in the spool, and what resources want to remember. Out: a published
//! [`Commit`]. The commit point is the creation of its object in the log; before it nothing counts, after it the run and all later
//! ones only go forward. Tables and resources that are not named are carried over.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

use crate::lake::claim::released;
use crate::lake::log::{Action, Change, Commit, FORMAT, Purpose, Replaced, TableRef, check_size, read_commit, to_json};
use crate::lake::open::{Lake, timestamp};
use crate::lake::publish::pass;
use crate::lake::store::{Handle, Spooled};
use crate::lake::{FileChange, LakeError, PreparedTable, Snapshot, manifest};

/// Versions tried for one commit while other runs keep committing to other tables.
const COMMIT_TRIES: u32 = 8;

/// Replaced files that are looked at at once.
const PARALLEL_CHECKS: usize = 4;

/// Times that a create of unknown outcome is asked for.
const CREATE_TRIES: u32 = 3;

/// What a commit did.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    /// The lake's version now.
    pub(crate) version: u64,
    /// Whether this run made it; `false` when nothing had changed, not even the state.
    pub(crate) is_new: bool,
    /// Files put.
    pub(crate) files_put: u64,
    /// Files deleted.
    pub(crate) files_deleted: u64,
    /// What kept the published commit from being noted and its staging from being dropped; the next run does it.
    pub(crate) untidy: Option<LakeError>,
}

impl Lake {
    /// Commits and publishes. `state` holds what each resource wants to remember, by resource, null for one that is forgotten; others keep
    /// theirs.
    ///
    /// When nothing changed, no table and no state, nothing is written.
    ///
    /// # Errors
    /// Before the commit point, and then nothing counts: [`LakeError::Conflict`] when another run overtook this one,
    /// [`LakeError::Claimed`] when another pipeline has one of the tables, [`LakeError::Spool`], the store's. After it: [`LakeError::Unpublished`]; the next run finishes it.
    pub(crate) async fn commit(&mut self, tables: Vec<PreparedTable>, state: Map<String, Value>) -> Result<Committed, LakeError> {
        if let Err(error @ LakeError::Conflict { .. }) = self.lease().beat().await {
            return Err(error);
        }
        pass("lake.commit.before_stage")?;
        let mut commit = self.draft(&tables, &state).await?;
        if self.is_unchanged(&commit) {
            return Ok(Committed { version: self.version(), ..Committed::default() });
        }
        self.stage(&mut commit, &tables).await?;
        pass("lake.commit.after_stage")?;
        let is_new =
            |table: &&PreparedTable| commit.tables.get(&table.table).is_some_and(|entry| entry.version == commit.version);
        let claimed: Vec<&str> = tables.iter().filter(is_new).map(|table| table.table.as_str()).collect();
        self.claims().take(&claimed, commit.version, true).await?;
        pass("lake.commit.after_claims")?;
        for table in tables.iter().filter(is_new) {
            manifest::store(&*self.store, &self.layout, (&self.run, &table.table), &table.after).await?;
        }
        self.check_replaced(&commit).await?;
        pass("lake.commit.after_manifests")?;
        let touched: BTreeSet<&str> = tables.iter().map(|table| table.table.as_str()).collect();
        self.is_unsettled = true;
        let commit = self.create_commit(commit, &touched, &state).await?;
        let unpublished = |source| LakeError::Unpublished { version: commit.version, source: Box::new(source) };
        pass("lake.commit.after_create").map_err(unpublished)?;
        let placed = self.publisher().place(&commit).await.map_err(unpublished)?;
        // Readers see the commit: what fails from here on is for the next run to tidy, and no failure of this one.
        let untidy = self.publisher().note(&commit, placed).await.err();
        self.is_unsettled = untidy.is_some();
        let puts = || commit.files.iter().filter(|change| change.action == Action::Put);
        let mut committed = Committed {
            version: commit.version,
            is_new: true,
            files_put: puts().count() as u64,
            files_deleted: commit.files.len() as u64 - puts().count() as u64,
            untidy,
        };
        self.quarantined.clear();
        self.head = Some(commit);
        if committed.untidy.is_none() {
            committed.untidy = self.prune_kept().await.err();
        }
        Ok(committed)
    }

    /// [`Lake::commit`] of an operation that is no run.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn commit_for(
        &mut self,
        purpose: Purpose,
        tables: Vec<PreparedTable>,
        state: Map<String, Value>,
    ) -> Result<Committed, LakeError> {
        self.purpose = purpose;
        self.commit(tables, state).await
    }

    /// Checks that what a commit replaces on disk is still what the last one left: once the commit is in the log, it could not be published over
    /// anything else. In a bucket the tags that the table was opened with tell.
    async fn check_replaced(&self, commit: &Commit) -> Result<(), LakeError> {
        let view = self.view();
        let replaced = commit.files.iter().filter_map(|change| change.replaces.as_ref().map(|old| (change, old)));
        let checks: Vec<_> =
            replaced.map(|(change, old)| view.check_content(&change.table, &change.path, old.bytes, &old.checksum)).collect();
        stream::iter(checks).buffer_unordered(PARALLEL_CHECKS).try_collect().await
    }

    /// The next commit as it would be without other runs, its files in order, not staged.
    pub(super) async fn draft(&self, tables: &[PreparedTable], state: &Map<String, Value>) -> Result<Commit, LakeError> {
        let version = self.version() + 1;
        let mut files = Vec::new();
        let mut commit = Commit {
            format: FORMAT,
            version,
            run: self.run.clone(),
            parent: version - 1,
            written: timestamp(&*self.clock),
            fences: Vec::new(),
            tables: self.head.as_ref().map(|head| head.tables.clone()).unwrap_or_default(),
            state: merged(self.head.as_ref(), state),
            files: Vec::new(),
            quarantine: self.quarantined.clone(),
            released: Vec::new(),
            next_numbers: BTreeMap::new(),
            keeps: self.keep_versions > 0,
            oldest: self.oldest.max(self.head.as_ref().map_or(0, |head| head.oldest)),
            purpose: self.purpose,
            tells_replaced: true,
        };
        for table in tables {
            files.extend(table.changes.iter().map(|change| describe(&table.table, change)));
            if table.is_dropped {
                commit.tables.remove(&table.table);
                commit.next_numbers.insert(table.table.clone(), table.after.next_number);
                continue;
            }
            let (name, _) = manifest::encode(&self.run, &table.table, &table.after);
            let known = self.head.as_ref().and_then(|head| head.tables.get(&table.table));
            let is_same = table.changes.is_empty() && self.is_same_table(known, table).await?;
            if !is_same {
                commit.tables.insert(table.table.clone(), TableRef { manifest: name, version });
            }
        }
        commit.files = files;
        commit.released = released(self.head.as_ref(), &commit);
        Ok(commit)
    }

    /// Whether a table without changed files is what the lake has: etags, which `.done` adds, do not count, nor does the next number of a table
    /// that does not exist.
    async fn is_same_table(&self, known: Option<&TableRef>, table: &PreparedTable) -> Result<bool, LakeError> {
        let Some(known) = known else {
            return Ok(Snapshot { next_number: 0, ..table.after.clone() } == Snapshot::default());
        };
        Ok(manifest::load(&*self.store, &self.layout, &table.table, known).await? == table.after)
    }

    fn is_unchanged(&self, commit: &Commit) -> bool {
        let is_same = |head: &Commit| head.tables == commit.tables && head.state == commit.state;
        let is_empty = commit.tables.is_empty() && commit.state.is_empty();
        let is_operation = commit.purpose == Purpose::Collection;
        !is_operation && commit.files.is_empty() && commit.quarantine.is_empty() && self.head.as_ref().map_or(is_empty, is_same)
    }

    /// Brings the spooled files of `commit` to the store and notes their handles.
    pub(super) async fn stage(&self, commit: &mut Commit, tables: &[PreparedTable]) -> Result<(), LakeError> {
        let changes = tables.iter().flat_map(|table| &table.changes);
        let spooled: Vec<Spooled> = changes
            .filter_map(|change| match change {
                FileChange::Put { file, spooled, .. } => {
                    Some(Spooled { from: spooled.clone(), to: file.path.clone(), bytes: file.bytes })
                }
                FileChange::Delete { .. } => None,
            })
            .collect();
        for file in &spooled {
            let facts = std::fs::metadata(&file.from);
            let facts = facts.map_err(|source| LakeError::Disk { action: "read", path: file.from.clone(), source })?;
            if facts.len() != file.bytes {
                return Err(LakeError::Spool { path: file.from.clone(), why: "its size is not what was written" });
            }
        }
        let handles = self.store.stage(&self.layout.staging(&self.run), &spooled).await?;
        let puts = commit.files.iter_mut().filter(|change| change.action == Action::Put);
        for (change, handle) in puts.zip(handles) {
            change.handle = Some(handle);
        }
        Ok(())
    }

    /// Creates the commit under the next free version that it can stand on.
    pub(super) async fn create_commit(
        &mut self,
        mut commit: Commit,
        touched: &BTreeSet<&str>,
        state: &Map<String, Value>,
    ) -> Result<Commit, LakeError> {
        let mut overtaken_by = String::new();
        for _ in 0..COMMIT_TRIES {
            pass("lake.commit.before_create").inspect_err(|_| self.is_unsettled = false)?;
            let Some(other) = self.try_create(&commit).await? else { return self.check_newest(commit).await };
            // This run's commit is not in the log, and is not going to be there unless it is tried again.
            self.is_unsettled = false;
            self.publisher().publish(&other).await?;
            let is_fenced = other.fences.contains(&self.run);
            let is_mine = |table: &str| touched.contains(table) || state.contains_key(table);
            let before = &commit.tables;
            let meets = other.files.iter().any(|change| is_mine(&change.table))
                || other.tables.iter().any(|(table, entry)| entry.version == other.version && is_mine(table))
                || other.state.iter().any(|(resource, value)| is_mine(resource) && self.view().state(resource) != Some(value));
            tracing::info!(version = other.version, run = other.run, is_fenced, meets, "another run committed first");
            // What this run has in place, a collection may have taken for garbage; and a collection what the other one needs.
            let collects = [other.purpose, commit.purpose].contains(&Purpose::Collection);
            if is_fenced || meets || collects {
                return Err(LakeError::Conflict { run: other.run });
            }
            let mut tables = other.tables.clone();
            tables.retain(|table, _| before.contains_key(table) || !touched.contains(table.as_str()));
            for (table, entry) in before.iter().filter(|(table, _)| touched.contains(table.as_str())) {
                let version = if entry.version == commit.version { other.version + 1 } else { entry.version };
                tables.insert(table.clone(), TableRef { version, ..entry.clone() });
            }
            commit.version = other.version + 1;
            commit.parent = other.version;
            commit.tables = tables;
            commit.state = merged(Some(&other), state);
            commit.released = released(Some(&other), &commit);
            commit.oldest = other.oldest;
            overtaken_by.clone_from(&other.run);
            self.head = Some(other);
            self.is_unsettled = true;
        }
        self.is_unsettled = false;
        Err(LakeError::Conflict { run: overtaken_by })
    }

    /// Checks that a commit that was just created counts. It does not when its version was free because a collection removed the commit that
    /// had it, long after this run fell asleep: then it goes again.
    async fn check_newest(&mut self, commit: Commit) -> Result<Commit, LakeError> {
        let found = self.store.list(&self.layout.log()).await?;
        let others = found.iter().filter_map(|found| self.layout.parse_log(&found.path)).filter(|(_, kind)| *kind == "json");
        let newest = others.map(|(version, _)| version).max().unwrap_or(commit.version);
        let oldest = match newest > commit.version {
            true => read_commit(&*self.store, &self.layout, newest).await?.map_or(0, |newest| newest.oldest),
            false => 0,
        };
        if commit.version >= oldest {
            return Ok(commit);
        }
        self.store.remove(&self.layout.commit(commit.version)).await?;
        self.is_unsettled = false;
        Err(LakeError::Conflict { run: "of a newer version".to_owned() })
    }

    /// Creates the commit, or returns the one that stands in its place.
    ///
    /// A create whose answer was lost may have gone through; asking again is harmless, because the commit in the log tells
    /// by its run whose it is.
    async fn try_create(&self, commit: &Commit) -> Result<Option<Commit>, LakeError> {
        let (path, content) = (self.layout.commit(commit.version), to_json(commit));
        check_size(&*self.store, &path, &content)?;
        let mut failure = LakeError::Unreadable { place: self.store.place(&path), why: "it was there and is gone".to_owned() };
        for _ in 0..CREATE_TRIES {
            match self.store.create(&path, content.clone()).await {
                Ok(true) => return Ok(None),
                Ok(false) => match read_commit(&*self.store, &self.layout, commit.version).await? {
                    Some(there) if there.run == self.run => return Ok(None),
                    Some(there) => return Ok(Some(there)),
                    // Refused for another write at the same instant, which then failed.
                    None => {}
                },
                Err(error) => {
                    tracing::warn!(error = %error, "the outcome of the commit is not known, asking again");
                    failure = error;
                }
            }
        }
        Err(failure)
    }
}

/// The head's state with this run's over it; null is nothing to remember.
fn merged(head: Option<&Commit>, state: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = head.map(|commit| commit.state.clone()).unwrap_or_default();
    merged.extend(state.iter().map(|(resource, value)| (resource.clone(), value.clone())));
    merged.retain(|_, value| !value.is_null());
    merged
}

fn describe(table: &str, change: &FileChange) -> Change {
    let (action, file, previous) = match change {
        FileChange::Put { file, replaces, .. } => (Action::Put, file, replaces.as_ref()),
        FileChange::Delete { file } => (Action::Delete, file, Some(file)),
    };
    let replaces = previous.filter(|_| action == Action::Put);
    Change {
        table: table.to_owned(),
        action,
        path: file.path.clone(),
        rows: file.rows,
        bytes: file.bytes,
        checksum: file.checksum.clone(),
        previous_etag: previous.and_then(|file| file.etag.clone()),
        replaces: replaces.map(|file| Replaced { bytes: file.bytes, checksum: file.checksum.clone() }),
        handle: None::<Handle>,
    }
}
