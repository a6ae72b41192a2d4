//! Publishing a commit of the log, the first time or again.
//!
//! In: a commit. Out: its files in their places, by the table format; the tables that it drops given back, `.done`, no staging left. Invariants: safe to
//! run any number of times, by several processes at once, and by one that slept while others went on, because a format publishes
//! once. Not here: how a file gets into a table's folder ([`TableFormat`]).

use std::collections::{BTreeMap, HashSet};

use crate::base::{Clock, fault_point};
use crate::lake::claim::Claims;
use crate::lake::format::{Placed, TableFormat};
use crate::lake::log::{Commit, Done, FORMAT, Purpose, read_commit, to_json, versions};
use crate::lake::store::Store;
use crate::lake::{LakeError, Layout};

/// Table and place of a committed file that is gone for good, and that nobody needs.
pub(crate) type LostFile = (String, String);

/// What a publish has to do with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publisher<'a> {
    /// The store.
    pub(crate) store: &'a dyn Store,
    /// Its paths.
    pub(crate) layout: &'a Layout,
    /// For waits.
    pub(crate) clock: &'a dyn Clock,
    /// How tables are stored.
    pub(crate) format: &'a dyn TableFormat,
    /// The run that publishes.
    pub(crate) run: &'a str,
    /// Tables whose files may not be lost, where some may: those that are loaded anew, or are no longer in the config.
    pub(crate) needed: Option<&'a [&'a str]>,
}

/// A commit of the log while it is published, and what the log and the claims say of it meanwhile.
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    /// The commit.
    pub(crate) commit: &'a Commit,
    /// The run that publishes it.
    pub(crate) run: &'a str,
    /// For waits.
    pub(crate) clock: &'a dyn Clock,
    store: &'a dyn Store,
    layout: &'a Layout,
}

/// What the commits after one change.
#[derive(Default)]
pub(crate) struct Later {
    /// Paths of files.
    pub(crate) paths: HashSet<String>,
    /// Whether one of them abandons it.
    pub(crate) is_abandoned: bool,
    tables: HashSet<String>,
}

impl Publisher<'_> {
    /// Publishes `commit`, notes that it is, and drops its staging. What is gone of another run's commit, and nobody needs.
    ///
    /// # Errors
    /// Those of [`TableFormat::publish`]; the store's.
    pub(crate) async fn publish(&self, commit: &Commit) -> Result<Vec<LostFile>, LakeError> {
        let placed = match commit.run == self.run {
            true => self.place(commit).await?,
            false => self.format.roll_forward(&self.publication(commit), self.needed).await?,
        };
        self.note(commit, placed.etags).await?;
        Ok(placed.lost)
    }

    /// Brings every file of `commit`, which is of this run, to its place: when this is done, readers see the commit.
    ///
    /// # Errors
    /// Those of [`TableFormat::publish`].
    pub(crate) async fn place(&self, commit: &Commit) -> Result<Placed, LakeError> {
        self.format.publish(&self.publication(commit)).await
    }

    fn publication<'c>(&'c self, commit: &'c Commit) -> Publication<'c> {
        let Self { store, layout, clock, run, .. } = *self;
        Publication { commit, run, clock, store, layout }
    }

    /// Notes that `commit` is published, and drops its staging; but a commit with fences is written by a run that is still at work.
    /// Without the note the next run looks at the files itself.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn note(&self, commit: &Commit, etags: BTreeMap<String, String>) -> Result<(), LakeError> {
        for table in &commit.released {
            pass("lake.publish.release")?;
            let next_number = commit.next_numbers.get(table).copied().unwrap_or(0);
            Claims { store: self.store, layout: self.layout }.release(table, (commit.version, next_number)).await?;
        }
        pass("lake.publish.before_done")?;
        let done = to_json(&Done { format: FORMAT, etags });
        self.store.create(&self.layout.done(commit.version), done).await?;
        pass("lake.publish.after_done")?;
        if commit.fences.is_empty() {
            pass("lake.publish.cleaning")?;
            self.store.clear(&self.layout.staging(&commit.run), true).await?;
        }
        Ok(())
    }
}

impl Publication<'_> {
    /// The tables whose drop is over: their claim is another's, or nobody's, or this pipeline's for a later commit. A path of theirs may be
    /// in use again.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn given_back(&self) -> Result<Vec<&str>, LakeError> {
        let commit = self.commit;
        if commit.released.is_empty() {
            return Ok(Vec::new());
        }
        let (mut over, later) = (Vec::new(), self.later().await?);
        for table in &commit.released {
            let is_mine = Claims { store: self.store, layout: self.layout }.is_up_to(table, commit.version).await?;
            if !is_mine || later.tables.contains(table) {
                over.push(table.as_str());
            }
        }
        Ok(over)
    }

    /// What the commits after this one change.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn later(&self) -> Result<Later, LakeError> {
        let (mut later, head) = (Later::default(), versions(self.store, self.layout).await?.head);
        for version in self.commit.version + 1..=head {
            let Some(commit) = read_commit(self.store, self.layout, version).await? else { continue };
            later.is_abandoned |= commit.purpose == Purpose::Abandonment { of: self.commit.version };
            for change in commit.files {
                later.paths.insert(change.path);
                later.tables.insert(change.table);
            }
        }
        Ok(later)
    }
}

/// Passes a fault point.
pub(crate) fn pass(name: &'static str) -> Result<(), LakeError> {
    fault_point(name).map_err(|source| LakeError::Disk { action: "pass", path: name.into(), source })
}
