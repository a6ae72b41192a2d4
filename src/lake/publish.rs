//! Publishing a commit, the first time or again: the only way a file gets into a table's folder or leaves it.
//!
//! In: a commit. Out: every file of it in its place, `.done`, no staging left. Invariants: new files before others, and puts before deletes; safe to run
//! any number of times, by several processes at once, and by one that slept while others went on, because a handle works
//! once and a deleted path is never written again. What another run staged is put only if it is what the commit says. What lies in a file's place and is neither what the commit replaces nor
//! what it puts is left as it is, and ends the run.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use crate::base::{Clock, fault_point};
use crate::lake::claim::Claims;
use crate::lake::log::{Action, Change, Commit, Done, FORMAT, read_commit, to_json, versions};
use crate::lake::store::{Before, Published, Store, Target};
use crate::lake::{LakeError, Layout};

/// Files published at once.
const PARALLEL_FILES: usize = 16;

/// Looks at a file whose handle is gone, before it counts as lost: another process may be publishing it right now.
const LOOKS: u32 = 4;

/// Times that a file is published while other requests for its place stand in the way.
const TRIES: u32 = 4;

/// Wait between two looks, and between two tries.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The stores' and clocks' side of a publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publisher<'a> {
    /// The store.
    pub(crate) store: &'a dyn Store,
    /// Its paths.
    pub(crate) layout: &'a Layout,
    /// For waits.
    pub(crate) clock: &'a dyn Clock,
    /// The run that publishes: what it staged itself is not read again.
    pub(crate) run: &'a str,
    /// Tables whose files may not be lost, where some may: those that are loaded anew, or are no longer in the config.
    pub(crate) needed: Option<&'a [&'a str]>,
    /// What was lost of others.
    pub(crate) lost: &'a Lost,
}

/// Committed files that are gone for good: their table and place.
#[derive(Debug, Default)]
pub(crate) struct Lost(Mutex<Vec<(String, String)>>);

impl Lost {
    /// All of them.
    pub(crate) fn list(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, table: &str, place: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((table.to_owned(), place));
    }
}

/// The path and etag of a file that is in its place.
type Tagged = (String, String);

/// A put that did not do it: its place tells what became of the file.
struct Open<'r> {
    change: &'r Change,
    /// What it is if the file is not there.
    error: LakeError,
    /// How often to look: another process may be publishing it right now.
    looks: u32,
}

/// What the commits after one change.
#[derive(Default)]
struct Later {
    paths: HashSet<String>,
    tables: HashSet<String>,
}

/// The files of a commit that are all in their places.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Etag of each file put, where the store has them.
    etags: BTreeMap<String, String>,
}

impl Publisher<'_> {
    /// Publishes `commit`, notes that it is, and drops its staging.
    ///
    /// # Errors
    /// Those of [`Publisher::place`] and [`Publisher::note`].
    pub(crate) async fn publish(&self, commit: &Commit) -> Result<(), LakeError> {
        let placed = self.place(commit).await?;
        self.note(commit, placed).await
    }

    /// Brings every file of `commit` to its place: when this is done, readers see the commit.
    ///
    /// # Errors
    /// [`LakeError::Lost`] when a file is neither staged nor published, [`LakeError::Damaged`] when what is staged is not what was
    /// committed, [`LakeError::Taken`] when something else lies in its place; the store's.
    pub(crate) async fn place(&self, commit: &Commit) -> Result<Placed, LakeError> {
        let (puts, mut deletes): (Vec<&Change>, Vec<&Change>) =
            commit.files.iter().partition(|change| change.action == Action::Put);
        self.keep(commit).await?;
        let mut etags = BTreeMap::new();
        let (new, replacing): (Vec<&Change>, Vec<&Change>) = puts.iter().partition(|change| change.replaces.is_none());
        // A row that moves to a new file is there before it leaves its old one.
        for side_by_side in [new, replacing] {
            let published: Vec<_> = side_by_side.into_iter().map(|change| self.put(commit, change)).collect();
            let (mut published, mut open) = (stream::iter(published).buffer_unordered(PARALLEL_FILES), Vec::new());
            while let Some(put) = published.try_next().await? {
                match put {
                    Ok(tagged) => etags.extend(tagged),
                    Err(put) => open.push(put),
                }
            }
            etags.extend(self.find(commit.version, open).await?);
        }
        self.settle(&puts).await?;
        pass("lake.publish.after_puts")?;
        let given_back = self.given_back(commit).await?;
        deletes.retain(|change| !given_back.contains(&change.table.as_str()));
        let deleted: Vec<_> = deletes.iter().map(|change| self.delete(commit, change)).collect();
        stream::iter(deleted).buffer_unordered(PARALLEL_FILES).try_collect::<()>().await?;
        self.settle(&deletes).await?;
        Ok(Placed { etags })
    }

    /// Notes that `commit` is published, and drops its staging; but a commit with fences is written by a run that is still at work.
    /// Without the note the next run looks at the files itself.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn note(&self, commit: &Commit, Placed { etags }: Placed) -> Result<(), LakeError> {
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

    /// Publishes one file; its path and etag where the store has one.
    async fn put<'r>(&self, commit: &Commit, change: &'r Change) -> Result<Result<Option<Tagged>, Open<'r>>, LakeError> {
        pass("lake.publish.put")?;
        let (version, place, table) = (commit.version, self.store.place(&change.path), change.table.clone());
        let Some(handle) = &change.handle else { return Err(LakeError::Lost { version, table, place }) };
        let checksum = if commit.run == self.run { String::new() } else { change.checksum.clone() };
        let target = Target { path: change.path.clone(), bytes: change.bytes, checksum, before: before(commit, change) };
        let mut published = self.store.publish(handle, &target).await?;
        for _ in 1..TRIES {
            if !matches!(published, Published::Busy(_)) {
                break;
            }
            self.clock.sleep(LOOK_AGAIN).await;
            published = self.store.publish(handle, &target).await?;
        }
        let (error, looks) = match published {
            Published::Done(etag) => return Ok(Ok(etag.map(|etag| (change.path.clone(), etag)))),
            Published::Gone => (LakeError::Lost { version, table, place }, LOOKS),
            Published::Damaged(staged) => (LakeError::Damaged { table: Some(table), place: staged }, 1),
            Published::Taken => (LakeError::Taken { version, place }, 1),
            Published::Busy(error) | Published::Unknown(error) => (error, 1),
        };
        Ok(Err(Open { change, error, looks }))
    }

    /// Deletes one file, unless something else lies in its place.
    async fn delete(&self, commit: &Commit, change: &Change) -> Result<(), LakeError> {
        pass("lake.publish.delete")?;
        if commit.tells_replaced
            && let Some(found) = self.store.head(&change.path).await?
            && (found.bytes != change.bytes || differ(found.etag.as_ref(), change.previous_etag.as_ref()))
        {
            return Err(LakeError::Taken { version: commit.version, place: self.store.place(&change.path) });
        }
        self.store.remove(&change.path).await
    }

    /// The tables whose drop is over: their claim is another's, or nobody's, or this pipeline's for a later commit. A path of theirs may be
    /// in use again.
    async fn given_back<'r>(&self, commit: &'r Commit) -> Result<Vec<&'r str>, LakeError> {
        if commit.released.is_empty() {
            return Ok(Vec::new());
        }
        let (mut over, later) = (Vec::new(), self.later(commit.version).await?);
        for table in &commit.released {
            let is_mine = Claims { store: self.store, layout: self.layout }.is_up_to(table, commit.version).await?;
            if !is_mine || later.tables.contains(table) {
                over.push(table.as_str());
            }
        }
        Ok(over)
    }

    /// Looks for the files of a commit that were not put: each is in its place, or a later commit replaced it, or it is lost. The log is
    /// read once a look, however many files there are.
    async fn find(&self, version: u64, mut open: Vec<Open<'_>>) -> Result<Vec<Tagged>, LakeError> {
        let (mut tagged, mut look) = (Vec::new(), 1);
        while !open.is_empty() {
            let looks: Vec<_> =
                open.into_iter().map(|put| async move { self.in_place(put.change).await.map(|found| (found, put)) }).collect();
            let found: Vec<(Option<Option<String>>, Open<'_>)> =
                stream::iter(looks).buffer_unordered(PARALLEL_FILES).try_collect().await?;
            let later = self.later(version).await?;
            open = Vec::new();
            for (found, put) in found {
                match found {
                    Some(etag) => tagged.extend(etag.map(|etag| (put.change.path.clone(), etag))),
                    None if later.paths.contains(&put.change.path) => {}
                    None if look < put.looks => open.push(put),
                    None => self.give_up(put)?,
                }
            }
            if !open.is_empty() {
                self.clock.sleep(LOOK_AGAIN).await;
            }
            look += 1;
        }
        Ok(tagged)
    }

    /// Goes on without a file whose table needs it no more.
    fn give_up(&self, Open { change, error, .. }: Open<'_>) -> Result<(), LakeError> {
        // What lies where an old file was is damaged; what lies where nothing was is somebody's.
        let is_damaged = matches!(error, LakeError::Taken { .. }) && change.replaces.is_some();
        let is_lost = is_damaged || matches!(error, LakeError::Lost { .. } | LakeError::Damaged { .. });
        if !is_lost || self.needed.is_none_or(|needed| needed.contains(&change.table.as_str())) {
            return Err(error);
        }
        let place = self.store.place(&change.path);
        tracing::warn!(place, table = change.table, "a committed file is lost, and its table needs it no more");
        self.lost.note(&change.table, place);
        Ok(())
    }

    /// The etag of a file that is in its place; `None` when it is not.
    async fn in_place(&self, change: &Change) -> Result<Option<Option<String>>, LakeError> {
        let Some(found) = self.store.head(&change.path).await? else { return Ok(None) };
        let is_old = found.etag.is_some() && found.etag == change.previous_etag;
        let is_it = !is_old && self.store.holds(&change.path, change.bytes, &change.checksum).await?;
        Ok(is_it.then_some(found.etag))
    }

    /// What the commits after `version` change.
    async fn later(&self, version: u64) -> Result<Later, LakeError> {
        let (mut later, head) = (Later::default(), versions(self.store, self.layout).await?.head);
        for version in version + 1..=head {
            for change in read_commit(self.store, self.layout, version).await?.map(|commit| commit.files).unwrap_or_default() {
                later.paths.insert(change.path);
                later.tables.insert(change.table);
            }
        }
        Ok(later)
    }

    async fn settle(&self, changes: &[&Change]) -> Result<(), LakeError> {
        let paths: Vec<String> = changes.iter().map(|change| change.path.clone()).collect();
        self.store.settle(&paths).await
    }
}

/// What a put finds in its place.
fn before(commit: &Commit, change: &Change) -> Before {
    match &change.replaces {
        Some(old) => Before::File { bytes: old.bytes, checksum: old.checksum.clone(), etag: change.previous_etag.clone() },
        None if commit.tells_replaced => Before::Nothing,
        None => Before::Anything,
    }
}

/// Whether both are known and differ.
fn differ(one: Option<&String>, other: Option<&String>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// Passes a fault point.
pub(crate) fn pass(name: &'static str) -> Result<(), LakeError> {
    fault_point(name).map_err(|source| LakeError::Disk { action: "pass", path: name.into(), source })
}
