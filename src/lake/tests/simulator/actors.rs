//! The actors: processes that open a lake and do something with it, by the protocol's own code, and a reader by glob.
//!
//! In: a lake's store, a clock, chance. Out: nothing but what they do there; what they want and what they are told goes to the oracle. A new
//! kind of actor is a line in [`KINDS`] and an arm in [`Actor::act`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::disk::checksum;
use super::oracle::{Intent, Tables};
use super::schedule::{ActorClock, Sim};
use crate::base::Clock;
use crate::config::LakePlan;
use crate::lake::lease::STALE;
use crate::lake::open::Opening;
use crate::lake::store::Store;
use crate::lake::{Committed, DataFile, FileChange, Lake, LakeError, Owner, PreparedTable, Purpose, Snapshot, StageStats};

/// What an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A run that replaces, adds and deletes files of one or two tables, or drops one.
    Night,
    /// A run that finds nothing new.
    Look,
    /// `rollback --to V`.
    Rollback,
    /// `compact`: two files of a table become one, and their rows stay.
    Compaction,
    /// `gc --apply`.
    Collection,
    /// `abandon V`, where V is not published whole; perhaps files of it are lost right before.
    Abandonment,
    /// A reader by glob, which lists a table and then opens one file at a time.
    Reader,
}

/// Every kind, and how often it is taken.
pub(super) const KINDS: [(Kind, u32); 7] = [
    (Kind::Night, 10),
    (Kind::Look, 1),
    (Kind::Rollback, 3),
    (Kind::Compaction, 2),
    (Kind::Collection, 3),
    (Kind::Abandonment, 3),
    (Kind::Reader, 1),
];

/// Tables of the first pipeline and of the second one, which both want the last.
const TABLES: [[&str; 2]; 2] = [["t", "shared"], ["u", "shared"]];

/// One process.
#[derive(Debug)]
pub(super) struct Actor {
    pub(super) sim: Arc<Sim>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<ActorClock>,
    pub(super) plan: LakePlan,
    pub(super) commits_kept: u64,
    /// A planted fault.
    pub(super) collects_too_much: bool,
    pub(super) run: String,
    /// Of the two.
    pub(super) pipeline: usize,
    pub(super) rng: Rng,
    pub(super) spool: PathBuf,
}

/// The pipelines' names.
pub(super) const PIPELINES: [&str; 2] = ["p", "q"];

/// Abandons a version, unless it can be published.
pub(super) async fn abandon(
    (sim, store): (&Arc<Sim>, Arc<dyn Store>),
    clock: Arc<ActorClock>,
    plan: &LakePlan,
    (pipeline, run): (&str, &str),
    version: u64,
) -> Result<(), LakeError> {
    let owner = Owner { host: "elsewhere".to_owned(), pid: 7, identity: None };
    let opening = Opening::Abandonment(version);
    let mut lake = match Lake::open_for(store, (plan, pipeline), clock, run, owner, opening).await {
        Err(LakeError::NothingToAbandon { .. } | LakeError::NoVersion { .. }) => return Ok(()),
        lake => lake?,
    };
    sim.state().world.oracle.intends(run, Intent::Abandonment(version));
    let lease = lake.lease();
    let outcome = lease.keep_beside(lake.abandon(plan, marks_name)).await.map(|(_, commit)| commit);
    sim.state().world.oracle.told(run, &outcome);
    let closed = lake.close().await;
    outcome.and(closed)
}

/// Where a state names its marks.
fn marks_name(state: &mut Value) -> Option<&mut Value> {
    state.get_mut("marks")
}

/// The marks that a state names.
pub(super) fn marks_named(state: &Value) -> Option<&str> {
    state.get("marks")?.as_str()
}

impl Actor {
    /// Does what it is for, to its end.
    pub(super) async fn act(mut self, kind: Kind) {
        if kind == Kind::Reader {
            return self.read().await;
        }
        let outcome = match kind {
            Kind::Abandonment => self.abandon().await,
            kind => self.work(kind).await,
        };
        let oracle = &mut self.sim.state().world.oracle;
        if let Err(error) = outcome {
            oracle.failed(&self.run, &error);
        }
        oracle.ended(&self.run);
    }

    async fn open(&self) -> Result<Lake, LakeError> {
        let owner = Owner { host: "elsewhere".to_owned(), pid: 7, identity: None };
        let (store, clock) = (Arc::clone(&self.store), Arc::<ActorClock>::clone(&self.clock));
        Lake::open_in(store, (&self.plan, PIPELINES[self.pipeline]), clock, &self.run, owner, None).await
    }

    async fn work(&mut self, kind: Kind) -> Result<(), LakeError> {
        let mut lake = self.open().await?;
        let outcome = match kind {
            Kind::Night => self.night(&mut lake).await,
            Kind::Rollback => self.rollback(&mut lake).await,
            Kind::Compaction => self.compact(&mut lake).await,
            Kind::Collection => self.collect(&mut lake).await,
            Kind::Look | Kind::Abandonment | Kind::Reader => Ok(()),
        };
        let closed = lake.close().await;
        outcome.and(closed)
    }

    /// Reads what it stands on, under the lease; commits beside it.
    async fn night(&mut self, lake: &mut Lake) -> Result<(), LakeError> {
        let lease = lake.lease();
        let (tables, state) = lease.keep_during(self.prepare(lake)).await?;
        let (marks, resources) = (lake.all_marks().await?, state.clone());
        let outcome = lease.keep_beside(lake.commit(tables, state)).await;
        self.told(outcome)?;
        for resource in resources.keys() {
            lake.sweep_marks(resource, &marks, marks_named).await?;
        }
        Ok(())
    }

    fn told(&self, outcome: Result<Committed, LakeError>) -> Result<(), LakeError> {
        self.sim.state().world.oracle.told(&self.run, &outcome);
        outcome.map(drop)
    }

    async fn prepare(&mut self, lake: &Lake) -> Result<(Vec<PreparedTable>, Map<String, Value>), LakeError> {
        let mut names = TABLES[self.pipeline].to_vec();
        match self.rng.u8(..6) {
            0..=1 => {}
            2 => names.truncate(1),
            _ => {
                names.remove(0);
            }
        }
        lake.check_claims(&names).await?;
        let (mut prepared, mut state) = (Vec::new(), Map::new());
        let (mut base, mut changes) = (Tables::new(), BTreeMap::new());
        let drops = if self.rng.u8(..10) == 0 { lake.to_drop(&TABLES.map(|own| own[0])).await? } else { Vec::new() };
        for dropped in drops {
            let table = dropped.staged.table.clone();
            let gone = dropped.staged.changes.iter().map(|change| match change {
                FileChange::Put { file, .. } | FileChange::Delete { file } | FileChange::Retire { file } => {
                    (file.path.clone(), None)
                }
            });
            changes.insert(table.clone(), gone.collect());
            base.insert(table.clone(), self.known(lake, &table));
            state.insert(table.clone(), Value::Null);
            names.retain(|name| *name != table);
            prepared.push(dropped.staged);
        }
        for name in names {
            let snapshot = lake.view().table(name).await?;
            self.check_view(lake, name, &snapshot);
            base.insert(name.to_owned(), self.known(lake, name));
            let (table, edits) = self.edit(name, snapshot);
            changes.insert(name.to_owned(), edits);
            prepared.push(table);
            let mut remembered = json!({ "cursor": self.run });
            if self.rng.bool() {
                remembered["marks"] = lake.keep_marks(name, self.run.clone().into_bytes()).await?.into();
            }
            state.insert(name.to_owned(), remembered);
        }
        let intent = Intent::Edits { base, changes, state: state.clone() };
        self.sim.state().world.oracle.intends(&self.run, intent);
        Ok((prepared, state))
    }

    /// What the version that the lake was opened at has in a table.
    fn known(&self, lake: &Lake, table: &str) -> BTreeMap<String, Arc<str>> {
        let state = self.sim.state();
        let version = state.world.oracle.log(PIPELINES[self.pipeline]).get((lake.version() as usize).wrapping_sub(1));
        version.and_then(|version| version.tables.get(table)).cloned().unwrap_or_default()
    }

    /// "Data and cursor never part": a table and what its resource remembers are of the version that the lake was opened at.
    fn check_view(&self, lake: &Lake, table: &str, snapshot: &Snapshot) {
        let known = self.known(lake, table);
        let mut state = self.sim.state();
        let oracle = &mut state.world.oracle;
        let at = (lake.version() as usize).wrapping_sub(1);
        let remembered = oracle.log(PIPELINES[self.pipeline]).get(at).and_then(|version| version.state.get(table)).cloned();
        let is_same = known.len() == snapshot.files.len()
            && snapshot
                .files
                .iter()
                .all(|file| known.get(&file.path).is_some_and(|text| checksum(text.as_bytes()) == file.checksum));
        if !is_same || remembered.as_ref() != lake.view().state(table) {
            let version = lake.version();
            oracle
                .fail(format!("{} opened version {version} and reads {:?} of {table}, not {known:?}", self.run, snapshot.files));
        }
    }

    /// Some edits of a table, their files in the spool.
    fn edit(&mut self, table: &str, mut after: Snapshot) -> (PreparedTable, BTreeMap<String, Option<Arc<str>>>) {
        let (mut changes, mut edits) = (Vec::new(), BTreeMap::new());
        for old in after.files.clone() {
            match self.rng.u8(..6) {
                0 => {
                    after.remove(&old.path);
                    edits.insert(old.path.clone(), None);
                    changes.push(FileChange::Delete { file: old });
                }
                1..=3 => {
                    after.remove(&old.path);
                    let path = old.path.clone();
                    let (change, text) = self.put(path.clone(), Some(old), &mut after);
                    changes.push(change);
                    edits.insert(path, Some(text));
                }
                _ => {}
            }
        }
        for _ in 0..self.rng.u8(..3) {
            let path = format!("{table}/part-{:06}.parquet", after.next_number);
            after.next_number += 1;
            let (change, text) = self.put(path.clone(), None, &mut after);
            changes.push(change);
            edits.insert(path, Some(text));
        }
        let stats = StageStats::default();
        (
            PreparedTable {
                table: table.to_owned(),
                changes,
                after,
                stats,
                is_dropped: false,
                begins_log: false,
                ends_log: false,
                has_other_columns: false,
            },
            edits,
        )
    }

    fn put(&mut self, path: String, replaces: Option<DataFile>, after: &mut Snapshot) -> (FileChange, Arc<str>) {
        // Mostly of one size, so that a size tells nothing.
        let more = if self.rng.u8(..4) == 0 { "+" } else { "" };
        let text = self.sim.state().world.oracle.content(format!("{}:{path}{more}", self.run));
        let spooled = self.spool.join(format!("{}.tmp", path.replace('/', "-")));
        std::fs::create_dir_all(&self.spool).unwrap();
        std::fs::write(&spooled, text.as_bytes()).unwrap();
        let (bytes, checksum) = (text.len() as u64, checksum(text.as_bytes()));
        let file = DataFile { path, partition: vec![], rows: 1, bytes, etag: None, checksum, key_ranges: Default::default() };
        after.insert(file.clone());
        (FileChange::Put { file, spooled, behind: None, replaces }, text)
    }

    async fn rollback(&mut self, lake: &mut Lake) -> Result<(), LakeError> {
        let newest = lake.version();
        if newest == 0 {
            return Ok(());
        }
        let to = newest - self.rng.u64(..newest.min(3));
        self.sim.state().world.oracle.intends(&self.run, Intent::Rollback(to));
        let (lease, plan) = (lake.lease(), self.plan.clone());
        let outcome = lease.keep_beside(lake.rollback(to, &plan, marks_name)).await;
        self.told(outcome.map(|(_, commit)| commit))
    }

    async fn compact(&mut self, lake: &mut Lake) -> Result<(), LakeError> {
        let table = TABLES[self.pipeline][usize::from(self.rng.bool())];
        lake.check_claims(&[table]).await?;
        let mut after = lake.view().table(table).await?;
        let small: Vec<DataFile> = after.files.iter().take(2).cloned().collect();
        if small.len() < 2 {
            return Ok(());
        }
        let path = format!("{table}/part-{:06}.parquet", after.next_number);
        after.next_number += 1;
        let (put, text) = self.put(path.clone(), None, &mut after);
        let (mut changes, mut edits) = (vec![put], BTreeMap::from([(path, Some(text))]));
        for old in small {
            after.remove(&old.path);
            edits.insert(old.path.clone(), None);
            changes.push(FileChange::Delete { file: old });
        }
        let base = Tables::from([(table.to_owned(), self.known(lake, table))]);
        let intent = Intent::Edits { base, changes: BTreeMap::from([(table.to_owned(), edits)]), state: Map::new() };
        self.sim.state().world.oracle.intends(&self.run, intent);
        let stats = StageStats::default();
        let prepared = PreparedTable {
            table: table.to_owned(),
            changes,
            after,
            stats,
            is_dropped: false,
            begins_log: false,
            ends_log: false,
            has_other_columns: false,
        };
        let lease = lake.lease();
        let outcome = lease.keep_beside(lake.commit_for(Purpose::Compaction, vec![prepared], Map::new())).await;
        self.told(outcome)
    }

    async fn abandon(&mut self) -> Result<(), LakeError> {
        let pipeline = PIPELINES[self.pipeline];
        // An operator comes when nobody is at work any more.
        self.clock.sleep(STALE).await;
        self.sim.state().world.lose_staged(pipeline);
        let version = self.sim.state().world.oracle.log(pipeline).len() as u64;
        if version == 0 {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        abandon((&self.sim, store), Arc::clone(&self.clock), &self.plan, (pipeline, &self.run), version).await
    }

    async fn collect(&mut self, lake: &mut Lake) -> Result<(), LakeError> {
        self.sim.state().world.oracle.intends(&self.run, Intent::Collection);
        if self.collects_too_much {
            lake.keep_versions = 0;
        }
        let lease = lake.lease();
        lease.keep_beside(lake.collect(self.commits_kept, marks_named)).await.map(drop)
    }

    /// "No partial file is ever visible", "a file is old or new": what a reader opens is what the file was at some instant since it was listed.
    async fn read(&mut self) {
        let table = TABLES[self.pipeline][usize::from(self.rng.bool())];
        let Ok(listed) = self.store.list(table).await else { return };
        let at = |path: &str| self.sim.state().world.oracle.position(path);
        let listed: Vec<(String, usize)> = listed.into_iter().map(|found| (found.path.clone(), at(&found.path))).collect();
        for (path, since) in listed {
            let Ok(blob) = self.store.get(&path).await else { continue };
            let mut state = self.sim.state();
            let seen = blob.map(|blob| String::from_utf8_lossy(&blob.bytes).into_owned());
            // The file may have changed between the listing and the instant at which it was noted.
            let possible = state.world.oracle.seen_since(&path, since.saturating_sub(1));
            if !possible.iter().any(|text| text.as_deref() == seen.as_deref()) {
                state.world.oracle.fail(format!("a reader sees {seen:?} in {path}, which was {possible:?}"));
            }
        }
    }
}
