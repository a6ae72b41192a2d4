//! Publishing a record, the first time or again: the only way a file gets into a table's folder or leaves it.
//!
//! In: a record. Out: every file of it in its place, `.done`, no staging left. Invariants: puts before deletes; safe to run
//! any number of times, by several processes at once, and by one that slept while others went on, because a handle works
//! once and a deleted path is never written again. What lies in a file's place and is neither what the record replaces nor
//! what it puts is left as it is, and ends the run.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use crate::base::{Clock, fault_point};
use crate::lake::claim::Claims;
use crate::lake::log::{Action, Change, Done, FORMAT, Record, read_record, to_json, versions};
use crate::lake::store::{Before, Published, Store, Target};
use crate::lake::{LakeError, Layout};

/// Files published at once.
const PARALLEL_FILES: usize = 16;

/// Looks at a file whose handle is gone, before it counts as lost: another process may be publishing it right now.
const LOOKS: u32 = 4;

/// Wait between two looks.
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
    /// Tables that the run loads anew: what is lost of them is no obstacle.
    pub(crate) rebuilt: &'a [&'a str],
}

/// The files of a record that are all in their places.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Etag of each file put, where the store has them.
    etags: BTreeMap<String, String>,
}

impl Publisher<'_> {
    /// Publishes `record`, notes that it is, and drops its staging.
    ///
    /// # Errors
    /// Those of [`Publisher::place`] and [`Publisher::note`].
    pub(crate) async fn publish(&self, record: &Record) -> Result<(), LakeError> {
        let placed = self.place(record).await?;
        self.note(record, placed).await
    }

    /// Brings every file of `record` to its place: when this is done, readers see the commit.
    ///
    /// # Errors
    /// [`LakeError::Lost`] when a file is neither staged nor published, [`LakeError::Taken`] when something else lies in its
    /// place; the store's.
    pub(crate) async fn place(&self, record: &Record) -> Result<Placed, LakeError> {
        let (puts, mut deletes): (Vec<&Change>, Vec<&Change>) =
            record.files.iter().partition(|change| change.action == Action::Put);
        let published: Vec<_> = puts.iter().map(|change| self.put(record, change)).collect();
        let etags: Vec<Option<(String, String)>> = stream::iter(published).buffer_unordered(PARALLEL_FILES).try_collect().await?;
        self.settle(&puts).await?;
        pass("lake.publish.after_puts")?;
        let given_back = self.given_back(record).await?;
        deletes.retain(|change| !given_back.contains(&change.table.as_str()));
        let deleted: Vec<_> = deletes.iter().map(|change| self.delete(record, change)).collect();
        stream::iter(deleted).buffer_unordered(PARALLEL_FILES).try_collect::<()>().await?;
        self.settle(&deletes).await?;
        Ok(Placed { etags: etags.into_iter().flatten().collect() })
    }

    /// Notes that `record` is published, and drops its staging; but a record with fences is written by a run that is still at work.
    /// Without the note the next run looks at the files itself.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn note(&self, record: &Record, Placed { etags }: Placed) -> Result<(), LakeError> {
        for table in &record.released {
            pass("lake.publish.release")?;
            Claims { store: self.store, layout: self.layout }.release(table).await?;
        }
        pass("lake.publish.before_done")?;
        let done = to_json(&Done { format: FORMAT, etags });
        self.store.create(&self.layout.done(record.version), done).await?;
        pass("lake.publish.after_done")?;
        if record.fences.is_empty() {
            pass("lake.publish.cleaning")?;
            self.store.clear(&self.layout.staging(&record.run), true).await?;
        }
        Ok(())
    }

    /// Publishes one file; its path and etag where the store has one.
    async fn put(&self, record: &Record, change: &Change) -> Result<Option<(String, String)>, LakeError> {
        pass("lake.publish.put")?;
        let gone = || LakeError::Lost { version: record.version, place: self.store.place(&change.path) };
        let handle = change.handle.as_ref().ok_or_else(gone)?;
        let target = Target { path: change.path.clone(), bytes: change.bytes, before: before(record, change) };
        let etag = match self.store.publish(handle, &target).await? {
            Published::Done(etag) => etag,
            Published::Gone => match self.find_published(record, change, LOOKS).await? {
                None if self.rebuilt.contains(&change.table.as_str()) => {
                    tracing::warn!(place = self.store.place(&change.path), "a committed file is lost; its table is loaded anew");
                    None
                }
                found => found.ok_or_else(gone)?,
            },
            Published::Taken => {
                let taken = || LakeError::Taken { version: record.version, place: self.store.place(&change.path) };
                self.find_published(record, change, 1).await?.ok_or_else(taken)?
            }
            Published::Unknown(error) => self.find_published(record, change, 1).await?.ok_or(error)?,
        };
        Ok(etag.map(|etag| (change.path.clone(), etag)))
    }

    /// Deletes one file, unless something else lies in its place.
    async fn delete(&self, record: &Record, change: &Change) -> Result<(), LakeError> {
        pass("lake.publish.delete")?;
        if record.tells_replaced
            && let Some(found) = self.store.head(&change.path).await?
            && (found.bytes != change.bytes || differ(found.etag.as_ref(), change.previous_etag.as_ref()))
        {
            return Err(LakeError::Taken { version: record.version, place: self.store.place(&change.path) });
        }
        self.store.remove(&change.path).await
    }

    /// The tables whose drop is over: their claim is another's, or nobody's, or a later commit of this pipeline has them anew. A path of
    /// theirs may be in use again.
    async fn given_back<'r>(&self, record: &'r Record) -> Result<Vec<&'r str>, LakeError> {
        let mut over = Vec::new();
        for table in &record.released {
            let is_mine = Claims { store: self.store, layout: self.layout }.is_mine(table).await?;
            if !is_mine || self.is_later(record.version, |change| change.table == *table).await? {
                over.push(table.as_str());
            }
        }
        Ok(over)
    }

    /// Whether a file whose handle is gone is in its place, with its etag, or was replaced by a later commit; `None` when not.
    async fn find_published(&self, record: &Record, change: &Change, looks: u32) -> Result<Option<Option<String>>, LakeError> {
        for look in 1..=looks {
            let found = self.store.head(&change.path).await?;
            if let Some(found) = found {
                let is_old = found.etag.is_some() && found.etag == change.previous_etag;
                if !is_old && self.store.holds(&change.path, change.bytes, &change.checksum).await? {
                    return Ok(Some(found.etag));
                }
            }
            if self.is_later(record.version, |later| later.path == change.path).await? {
                return Ok(Some(None));
            }
            if look < looks {
                self.clock.sleep(LOOK_AGAIN).await;
            }
        }
        Ok(None)
    }

    /// Whether a commit after `version` makes such a change.
    async fn is_later(&self, version: u64, is_such: impl Fn(&Change) -> bool) -> Result<bool, LakeError> {
        let head = versions(self.store, self.layout).await?.head;
        for later in version + 1..=head {
            let record = read_record(self.store, self.layout, later).await?;
            if record.is_some_and(|record| record.files.iter().any(&is_such)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn settle(&self, changes: &[&Change]) -> Result<(), LakeError> {
        let paths: Vec<String> = changes.iter().map(|change| change.path.clone()).collect();
        self.store.settle(&paths).await
    }
}

/// What a put finds in its place.
fn before(record: &Record, change: &Change) -> Before {
    match &change.replaces {
        Some(old) => Before::File { bytes: old.bytes, checksum: old.checksum.clone(), etag: change.previous_etag.clone() },
        None if record.tells_replaced => Before::Nothing,
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
