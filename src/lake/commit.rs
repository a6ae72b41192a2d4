//! The commit: staged files and state become the lake's next version, once, or not at all.
//!
//! In: [`PreparedTable`]s whose files are finished in the spool, and what resources want to remember. Out: a published
//! [`Commit`]. The commit point is the creation of its object in the log; before it nothing counts, after it the run and all later
//! ones only go forward. Tables and resources that are not named are carried over.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::lake::claim::released;
use crate::lake::log::{Action, Commit, FORMAT, Purpose, TableRef, check_size, read_commit, to_json};
use crate::lake::open::{Lake, timestamp};
use crate::lake::publish::pass;
use crate::lake::{LakeError, PreparedTable, Snapshot, manifest};

/// Versions tried for one commit while other runs keep committing to other tables.
const COMMIT_TRIES: u32 = 8;

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
    /// [`LakeError::Outlived`] when nobody can tell any more whether it counted. Before the commit point, and then nothing counts: [`LakeError::Conflict`] when another run overtook this one,
    /// [`LakeError::Claimed`] when another pipeline has one of the tables, [`LakeError::Spool`], the store's. After it: [`LakeError::Unpublished`]; the next run finishes it.
    pub(crate) async fn commit(&mut self, tables: Vec<PreparedTable>, state: Map<String, Value>) -> Result<Committed, LakeError> {
        if let Some(overtaken) = self.lease().overtaken().await {
            return Err(overtaken);
        }
        pass("lake.commit.before_stage")?;
        let (mut commit, manifests) = self.draft(&tables, &state).await?;
        if tables.iter().all(|table| table.changes.is_empty()) && self.is_unchanged(&commit) {
            return Ok(Committed { version: self.version(), ..Committed::default() });
        }
        let staged = self.format.stage(&commit, &tables).await?;
        (commit.files, commit.logs) = (staged.files, staged.logs);
        pass("lake.commit.after_stage")?;
        let is_new =
            |table: &&PreparedTable| commit.tables.get(&table.table).is_some_and(|entry| entry.version == commit.version);
        let claimed: Vec<&str> = tables.iter().filter(is_new).map(|table| table.table.as_str()).collect();
        self.claims().take(&claimed, commit.version, true).await?;
        pass("lake.commit.after_claims")?;
        for manifest in manifests {
            manifest::store(&*self.store, &self.layout, manifest).await?;
        }
        // What is abandoned, or put back, need not have been in its place.
        let is_in_doubt = matches!(commit.purpose, Purpose::Abandonment { .. } | Purpose::Restoration);
        for table in tables.iter().filter(|_| !is_in_doubt) {
            self.format.check(&table.table, &table.replaced()).await?;
        }
        self.format.check_logs(&commit).await?;
        pass("lake.commit.after_manifests")?;
        let touched: BTreeSet<&str> = tables.iter().map(|table| table.table.as_str()).collect();
        self.is_unsettled = true;
        let commit = self.create_commit(commit, &touched, &state).await?;
        let unpublished = |source| match source {
            source @ LakeError::Abandoned { .. } => source,
            source => LakeError::Unpublished { version: commit.version, source: Box::new(source) },
        };
        pass("lake.commit.after_create").map_err(unpublished)?;
        let placed = self.publisher().place(&commit).await.map_err(unpublished)?;
        // Readers see the commit: what fails from here on is for the next run to tidy, and no failure of this one.
        let untidy = self.publisher().note(&commit, placed.etags).await.err();
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
        self.rebuilt.clear();
        self.repaired.clear();
        self.head = Some(commit);
        if committed.untidy.is_none() {
            committed.untidy = self.retain().await.err();
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

    /// Lets go of what is kept of commits that can no longer be undone.
    async fn retain(&self) -> Result<(), LakeError> {
        let Some(archive) = self.archive() else { return Ok(()) };
        self.format.retain(archive.oldest_undoable(self.keep_versions).await?).await
    }

    /// The next commit as it would be without other runs, and without its files, which are not staged; the manifests that it adds.
    pub(super) async fn draft(
        &self,
        tables: &[PreparedTable],
        state: &Map<String, Value>,
    ) -> Result<(Commit, Vec<manifest::Encoded>), LakeError> {
        let version = self.version() + 1;
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
            logs: BTreeMap::new(),
            quarantine: self.quarantined.clone(),
            rebuilt: self.rebuilt.clone(),
            repaired: self.repaired.clone(),
            released: Vec::new(),
            next_numbers: BTreeMap::new(),
            // What is abandoned, or damaged, was nobody's version.
            keeps: self.keep_versions > 0 && !matches!(self.purpose, Purpose::Abandonment { .. } | Purpose::Restoration),
            oldest: self.oldest.max(self.head.as_ref().map_or(0, |head| head.oldest)),
            purpose: self.purpose,
            tells_replaced: true,
        };
        let mut manifests = Vec::new();
        for table in tables {
            if table.is_dropped {
                commit.tables.remove(&table.table);
                commit.next_numbers.insert(table.table.clone(), table.after.next_number);
                continue;
            }
            let known = self.head.as_ref().and_then(|head| head.tables.get(&table.table));
            let is_same = table.changes.is_empty() && self.is_same_table(known, table).await?;
            if !is_same {
                let manifest = manifest::encode(&self.run, &table.table, &table.after);
                commit.tables.insert(table.table.clone(), TableRef { manifest: manifest.name.clone(), version });
                manifests.push(manifest);
            }
        }
        commit.released = released(self.head.as_ref(), &commit);
        Ok((commit, manifests))
    }

    /// Whether a table without changed files is what the lake has: etags, which `.done` adds, do not count, nor do ranges of keys, which footers told,
    /// nor the next number of a table that does not exist.
    async fn is_same_table(&self, known: Option<&TableRef>, table: &PreparedTable) -> Result<bool, LakeError> {
        let Some(known) = known else {
            return Ok(Snapshot { next_number: 0, ..table.after.clone() } == Snapshot::default());
        };
        let before = manifest::load(&*self.store, &self.layout, &table.table, known).await?;
        Ok(before.of_content() == table.after.clone().of_content())
    }

    fn is_unchanged(&self, commit: &Commit) -> bool {
        let is_same = |head: &Commit| head.tables == commit.tables && head.state == commit.state;
        let is_empty = commit.tables.is_empty() && commit.state.is_empty();
        let is_operation = commit.purpose == Purpose::Collection;
        !is_operation
            && commit.quarantine.is_empty()
            && commit.repaired.is_empty()
            && self.head.as_ref().map_or(is_empty, is_same)
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

    /// Checks that a commit that was just created counts. Once its number is below the oldest one that stayed, it may have been created too late, under
    /// a number that a collection had set free, and then it goes again; or in time, and this run slept until it was collected in turn. No log tells which.
    pub(super) async fn check_newest(&mut self, commit: Commit) -> Result<Commit, LakeError> {
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
        Err(LakeError::Outlived { version: commit.version })
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
