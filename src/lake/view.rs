//! The lake as a run finds it: whose each table is, the tables as the newest commit left them, and what resources remember.
//!
//! In: a store and the newest commit. Out: snapshots and states, or what keeps a run from a table. Nothing is written: a [`crate::lake::Lake`] goes
//! by it before its own work, and a [`Look`] tells the same without a lease.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::base::{Clock, folded};
use crate::config::LakePlan;
use crate::lake::claim::Claims;
use crate::lake::format::{TableFormat, format_of};
use crate::lake::lease::LeaseFile;
use crate::lake::log::{Commit, read_commit, versions};
use crate::lake::open::load_table;
use crate::lake::store::{Store, open_store};
use crate::lake::{Archive, LakeError, Layout, LiveFiles, Snapshot, outer};

/// The newest commit of a pipeline's lake, seen by that pipeline. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) layout: &'a Layout,
    pub(super) format: &'a dyn TableFormat,
    pub(super) head: Option<&'a Commit>,
    pub(super) adopt: bool,
    /// Whether the folders are as the newest commit leaves them: not while it is being published.
    pub(super) is_settled: bool,
}

impl<'a> View<'a> {
    /// Checks that none of `tables` is another pipeline's, before anything is read for them; those of them that this one has without a claim.
    ///
    /// # Errors
    /// [`LakeError::Claimed`], [`LakeError::ClaimedTwice`]; the store's.
    pub(crate) async fn check_claims(&self, tables: &[&str]) -> Result<Vec<String>, LakeError> {
        Claims { store: self.store, layout: self.layout }.check(tables, self.head).await
    }

    /// A table as the newest commit has it; the default for one that does not exist.
    ///
    /// # Errors
    /// [`LakeError::SameFolder`] for a new table named like another one but for case; [`LakeError::Foreign`] when its folder is not what
    /// the commit left; [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn table(&self, table: &str) -> Result<Snapshot, LakeError> {
        self.check_name(table)?;
        let committed = self.known(table).await?;
        if !self.is_settled {
            return Ok(committed);
        }
        let snapshot = self.format.snapshot(table, committed, self.adopt).await;
        self.or_claimed(table, snapshot).await
    }

    /// A table whose files all go, because this run loads it anew: those that are there, as they are, damaged or not.
    ///
    /// # Errors
    /// [`LakeError::Foreign`] for files that no manifest knows; [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn table_to_rebuild(&self, table: &str) -> Result<Snapshot, LakeError> {
        self.check_name(table)?;
        let remains = self.format.remains(table, self.known(table).await?).await?;
        if let Some(broken) = remains.broken {
            return Err(broken);
        }
        let checked = remains.check_strangers(table, &self.store.place(table), self.adopt);
        self.or_claimed(table, checked.map(|()| remains.snapshot)).await
    }

    /// What came of looking at a table; foreign files may be those of another pipeline, which has claimed the table a moment ago.
    async fn or_claimed(&self, table: &str, looked: Result<Snapshot, LakeError>) -> Result<Snapshot, LakeError> {
        if let Err(LakeError::Foreign { .. } | LakeError::Adopt { .. }) = looked {
            self.check_claims(&[table]).await?;
        }
        looked
    }

    /// A table as the newest commit tells it, whatever lies in its folder. One that does not exist, and was dropped once, uses no name of its
    /// files again: a run that slept in the drop may still delete them.
    pub(crate) async fn known(&self, table: &str) -> Result<Snapshot, LakeError> {
        let mut known = load_table(self.store, self.layout, self.head, table).await?;
        if self.head.is_none_or(|head| !head.tables.contains_key(table)) {
            known.next_number = Claims { store: self.store, layout: self.layout }.next_number(table).await?;
        }
        Ok(known)
    }

    /// A table as an operation stands on it, whatever lies in its folder: as the newest commit tells it, or as a log of the table's own has it.
    pub(crate) async fn current(&self, table: &str) -> Result<Snapshot, LakeError> {
        let known = self.known(table).await?;
        if self.is_settled { self.format.current(table, known).await } else { Ok(known) }
    }

    /// The error of a lake in which nothing is committed.
    pub(crate) fn nothing_committed(&self) -> LakeError {
        LakeError::NothingCommitted { place: self.store.place("") }
    }

    /// The tables of the newest commit.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &'a str> {
        self.head.into_iter().flat_map(|head| head.tables.keys().map(String::as_str))
    }

    /// Refuses the name of a table that there is, and of one whose folder would be that of another one.
    ///
    /// # Errors
    /// [`LakeError::TableExists`], [`LakeError::SameFolder`].
    pub(crate) fn check_new(&self, table: &str) -> Result<(), LakeError> {
        if self.head.is_some_and(|head| head.tables.contains_key(table)) {
            return Err(LakeError::TableExists { table: table.to_owned() });
        }
        self.check_name(table)
    }

    /// Refuses a new table whose folder would be that of another one where case does not count.
    fn check_name(&self, table: &str) -> Result<(), LakeError> {
        let Some(tables) = self.head.map(|head| &head.tables).filter(|tables| !tables.contains_key(table)) else {
            return Ok(());
        };
        match tables.keys().find(|other| folded(other) == folded(table)) {
            Some(other) => Err(LakeError::SameFolder { table: table.to_owned(), other: other.clone() }),
            None => Ok(()),
        }
    }

    /// The version; 0 of a lake without any.
    pub(crate) fn version(&self) -> u64 {
        self.head.map_or(0, |commit| commit.version)
    }

    /// What `resource` wanted to remember in the newest commit.
    pub(crate) fn state(&self, resource: &str) -> Option<&'a Value> {
        self.states().and_then(|states| states.get(resource))
    }

    /// What every resource, also one that is no longer in the config, wanted to remember in the newest commit.
    pub(crate) fn states(&self) -> Option<&'a Map<String, Value>> {
        self.head.map(|commit| &commit.state)
    }
}

/// A lake that is looked at before a run: it holds no lease, and writes nothing that stays.
#[derive(Debug)]
pub(crate) struct Look {
    store: Arc<dyn Store>,
    layout: Layout,
    format: Arc<dyn TableFormat>,
    head: Option<Commit>,
    pending: Vec<u64>,
    adopt: bool,
    lease: Option<LeaseFile>,
}

impl Look {
    /// Looks at the lake of `plan`, which need not exist.
    ///
    /// # Errors
    /// [`LakeError::WithinLake`], [`LakeError::SamePipeline`]; [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn open(plan: &LakePlan, pipeline: &str, clock: &dyn Clock) -> Result<Self, LakeError> {
        outer::check_folder(plan)?;
        let (store, layout) = (open_store(plan, false).await?, Layout::new(pipeline));
        outer::check_new(&*store, plan, &layout).await?;
        let versions = versions(&*store, &layout).await?;
        let lease = store.get(&layout.lease()).await?.as_ref().and_then(LeaseFile::parse);
        let lease = lease.filter(|lease| !lease.is_stale(clock.now()));
        let head = match versions.head {
            0 => None,
            newest => Some(read_commit(&*store, &layout, newest).await?.ok_or_else(|| LakeError::Unreadable {
                place: store.place(&layout.commit(newest)),
                why: "it is missing".to_owned(),
            })?),
        };
        let format = format_of(&store, &layout);
        Ok(Self { store, layout, format, head, pending: versions.pending, adopt: plan.adopt, lease })
    }

    /// The run that holds the lake, if one is at work.
    pub(crate) fn holder(&self) -> Option<&LeaseFile> {
        self.lease.as_ref()
    }

    /// Commits that are recorded, and not known to be published whole.
    pub(crate) fn pending(&self) -> &[u64] {
        &self.pending
    }

    /// That a run is at work, as one that comes now is told.
    ///
    /// # Errors
    /// [`LakeError::Locked`].
    pub(crate) fn check_free(&self, clock: &dyn Clock) -> Result<(), LakeError> {
        match &self.lease {
            Some(lease) => Err(lease.refusal(clock.now())),
            None => Ok(()),
        }
    }

    /// What a run would find.
    pub(crate) fn view(&self) -> View<'_> {
        let is_settled = self.lease.is_none() && self.pending.is_empty();
        let (store, layout, format) = (&*self.store, &self.layout, &*self.format);
        View { store, layout, format, head: self.head.as_ref(), adopt: self.adopt, is_settled }
    }

    /// Opens the lake's data files for reading, from blocking threads.
    pub(crate) fn live_files(&self) -> Arc<dyn LiveFiles> {
        self.store.live_files()
    }

    /// What a run that writes nothing goes by.
    pub(super) fn into_parts(self) -> (Arc<dyn Store>, Layout, Arc<dyn TableFormat>, Option<Commit>) {
        (self.store, self.layout, self.format, self.head)
    }

    /// The lake's versions; `None` when nothing was ever committed.
    pub(crate) fn archive(&self) -> Option<Archive> {
        let (store, layout) = (Arc::clone(&self.store), self.layout.clone());
        self.head.clone().map(|head| Archive::of(store, layout, head, self.pending.clone()))
    }
}
