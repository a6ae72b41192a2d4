//! Publishing plain files: the only way one gets into a table's folder or leaves it.
//!
//! In: a commit. Out: every file of it in its place. Invariants: what is replaced or removed is kept first; new files before others, and puts
//! before deletes; safe to repeat, because a handle works once and a deleted path is never written again. What another run staged is
//! put only if it is what the commit says. What lies in a file's place and is neither what the commit replaces nor what it puts is left as
//! it is, and ends the run.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use crate::lake::LakeError;
use crate::lake::format::Placed;
use crate::lake::format::plain::kept::keep;
use crate::lake::format::{delta, tables::Tables};
use crate::lake::log::{Action, Change, Commit, LogCommit};
use crate::lake::publish::{LostFile, Publication, pass};
use crate::lake::store::{Before, Handle, Published, Store, Target};

/// Files published at once.
const PARALLEL_FILES: usize = 16;

/// Looks at a file whose handle is gone, before it counts as lost: another process may be publishing it right now.
const LOOKS: u32 = 4;

/// Times that a file is published while other requests for its place stand in the way.
const TRIES: u32 = 4;

/// Wait between two looks, and between two tries.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Who publishes.
#[derive(Debug, Clone, Copy)]
pub(in crate::lake::format) enum By<'a> {
    /// The run that made the commit: what it staged itself is not read again.
    ItsRun,
    /// One that came later.
    Another {
        /// Tables whose files may not be lost, where some may.
        needed: Option<&'a [&'a str]>,
    },
}

/// A commit on its way to its places.
pub(in crate::lake::format) struct Placing<'a> {
    pub(in crate::lake::format) tables: &'a Tables,
    pub(in crate::lake::format) publication: &'a Publication<'a>,
    pub(in crate::lake::format) by: By<'a>,
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

impl Placing<'_> {
    /// Brings every file to its place.
    ///
    /// # Errors
    /// Those of [`crate::lake::TableFormat::publish`].
    pub(in crate::lake::format) async fn run(&self) -> Result<Placed, LakeError> {
        let commit = self.publication.commit;
        let of = |action| commit.files.iter().filter(move |change| change.action == action).collect::<Vec<&Change>>();
        let (puts, mut deletes) = (of(Action::Put), of(Action::Delete));
        keep(self.tables, self.publication, matches!(self.by, By::ItsRun)).await?;
        let mut placed = Placed::default();
        let (named, listed): (Vec<&Change>, Vec<&Change>) = puts.iter().partition(|change| self.names_files(&change.table));
        let (new, replacing): (Vec<&Change>, Vec<&Change>) = listed.into_iter().partition(|change| change.replaces.is_none());
        // Nobody sees a file that a log names before the log has it; and until all logs have theirs, others may be in the way of them.
        if !named.is_empty() && self.put_all(named, &mut placed).await? {
            return Ok(placed);
        }
        self.tell_logs(|log| !log.is_beside).await?;
        // A row that moves to a new file is there before it leaves its old one.
        for side_by_side in [new, replacing] {
            // The commit that abandons it has its deletions, behind its own puts.
            if self.put_all(side_by_side, &mut placed).await? {
                return Ok(placed);
            }
        }
        self.settle(&puts).await?;
        pass("lake.publish.after_puts")?;
        self.tell_logs(|log| log.is_beside).await?;
        let given_back = self.publication.given_back().await?;
        deletes.retain(|change| !given_back.contains(&change.table.as_str()));
        let deleted: Vec<_> = deletes.iter().map(|change| self.delete(change)).collect();
        stream::iter(deleted).buffer_unordered(PARALLEL_FILES).try_collect::<()>().await?;
        self.settle(&deletes).await?;
        Ok(placed)
    }

    /// Whether a log of the table's own tells which files are its.
    fn names_files(&self, table: &str) -> bool {
        self.publication.commit.logs.get(table).is_some_and(|log| !log.is_beside)
    }

    /// Puts files side by side; whether a later commit abandons this one.
    async fn put_all(&self, changes: Vec<&Change>, placed: &mut Placed) -> Result<bool, LakeError> {
        let published: Vec<_> = changes.into_iter().map(|change| self.put(change)).collect();
        let (mut published, mut open) = (stream::iter(published).buffer_unordered(PARALLEL_FILES), Vec::new());
        while let Some(put) = published.try_next().await? {
            match put {
                Ok(tagged) => placed.etags.extend(tagged),
                Err(put) => open.push(put),
            }
        }
        self.find(open, placed).await
    }

    /// Makes the commit known in logs that tables have of their own, behind the files that it adds, which are durable by then.
    async fn tell_logs(&self, is_meant: impl Fn(&LogCommit) -> bool) -> Result<(), LakeError> {
        let commit = self.publication.commit;
        for entry in commit.logs.iter().filter(|(_, log)| is_meant(log)) {
            let puts: Vec<&Change> =
                commit.files.iter().filter(|change| change.table == *entry.0 && change.action == Action::Put).collect();
            self.settle(&puts).await?;
            delta::publish(self.tables.entry(commit, entry), self.publication.clock, matches!(self.by, By::ItsRun)).await?;
        }
        Ok(())
    }

    fn store(&self) -> &dyn Store {
        &*self.tables.store
    }

    /// Publishes one file; its path and etag where the store has one.
    async fn put<'r>(&self, change: &'r Change) -> Result<Result<Option<Tagged>, Open<'r>>, LakeError> {
        pass("lake.publish.put")?;
        let commit = self.publication.commit;
        let (version, place, table) = (commit.version, self.store().place(&change.path), change.table.clone());
        let Some(handle) = &change.handle else { return Err(LakeError::Lost { version, table, place }) };
        let checksum = if let By::ItsRun = self.by { String::new() } else { change.checksum.clone() };
        let target = Target { path: change.path.clone(), bytes: change.bytes, checksum, before: before(commit, change) };
        let mut published = self.store().publish(handle, &target).await?;
        for _ in 1..TRIES {
            if !matches!(published, Published::Busy(_)) {
                break;
            }
            self.publication.clock.sleep(LOOK_AGAIN).await;
            published = self.store().publish(handle, &target).await?;
        }
        let (error, looks) = match published {
            Published::Done(etag) => return Ok(Ok(etag.map(|etag| (change.path.clone(), etag)))),
            Published::Gone => (LakeError::Lost { version, table, place }, LOOKS),
            Published::Damaged(staged) => (LakeError::StagedDamaged { version, table, place: staged }, 1),
            Published::Taken => (LakeError::Taken { version, place }, 1),
            Published::Busy(error) | Published::Unknown(error) => (error, 1),
        };
        Ok(Err(Open { change, error, looks }))
    }

    /// Deletes one file, unless something else lies in its place.
    async fn delete(&self, change: &Change) -> Result<(), LakeError> {
        pass("lake.publish.delete")?;
        let commit = self.publication.commit;
        if commit.tells_replaced
            && let Some(found) = self.store().head(&change.path).await?
            && (found.bytes != change.bytes || differ(found.etag.as_ref(), change.previous_etag.as_ref()))
        {
            return Err(LakeError::Taken { version: commit.version, place: self.store().place(&change.path) });
        }
        self.store().remove(&change.path).await
    }

    /// Looks for the files of a commit that were not put: each is in its place, or a later commit replaced it, or it is lost. Also whether a
    /// later commit abandons it. The log is
    /// read once a look, however many files there are.
    async fn find(&self, mut open: Vec<Open<'_>>, placed: &mut Placed) -> Result<bool, LakeError> {
        let (mut look, mut is_abandoned) = (1, false);
        while !open.is_empty() {
            let looks: Vec<_> =
                open.into_iter().map(|put| async move { self.in_place(put.change).await.map(|found| (found, put)) }).collect();
            let found: Vec<(Option<Option<String>>, Open<'_>)> =
                stream::iter(looks).buffer_unordered(PARALLEL_FILES).try_collect().await?;
            let later = self.publication.later().await?;
            is_abandoned |= later.is_abandoned;
            if is_abandoned && matches!(self.by, By::ItsRun) {
                return Err(LakeError::Abandoned { version: self.publication.commit.version });
            }
            open = Vec::new();
            for (found, put) in found {
                match found {
                    Some(etag) => {
                        self.drop_unused(&put).await;
                        placed.etags.extend(etag.map(|etag| (put.change.path.clone(), etag)));
                    }
                    None if later.paths.contains(&put.change.path) => {}
                    None if look < put.looks => open.push(put),
                    None => placed.lost.push(self.give_up(put)?),
                }
            }
            if !open.is_empty() {
                self.publication.clock.sleep(LOOK_AGAIN).await;
            }
            look += 1;
        }
        Ok(is_abandoned)
    }

    /// Drops the upload of a file whose content was in its place before: nobody will complete it.
    async fn drop_unused(&self, put: &Open<'_>) {
        if let (LakeError::Taken { .. }, Some(Handle::Upload { id, .. })) = (&put.error, &put.change.handle)
            && let Err(error) = self.store().drop_upload(&put.change.path, id).await
        {
            tracing::warn!(%error, "an upload that is not needed stays until a bucket rule drops it");
        }
    }

    /// Goes on without a file whose table needs it no more.
    fn give_up(&self, Open { change, error, .. }: Open<'_>) -> Result<LostFile, LakeError> {
        // What lies where an old file was is damaged; what lies where nothing was is somebody's.
        let is_damaged = matches!(error, LakeError::Taken { .. }) && change.replaces.is_some();
        let is_lost = is_damaged || error.abandonable().is_some();
        let needed = if let By::Another { needed } = self.by { needed } else { None };
        if !is_lost || needed.is_none_or(|needed| needed.contains(&change.table.as_str())) {
            return Err(error);
        }
        let place = self.store().place(&change.path);
        tracing::warn!(place, table = change.table, "a committed file is lost, and its table needs it no more");
        Ok((change.table.clone(), place))
    }

    /// The etag of a file that is in its place; `None` when it is not.
    async fn in_place(&self, change: &Change) -> Result<Option<Option<String>>, LakeError> {
        let Some(found) = self.store().head(&change.path).await? else { return Ok(None) };
        let is_old = found.etag.is_some() && found.etag == change.previous_etag;
        let is_it = !is_old && self.store().holds(&change.path, change.bytes, &change.checksum).await?;
        Ok(is_it.then_some(found.etag))
    }

    async fn settle(&self, changes: &[&Change]) -> Result<(), LakeError> {
        let paths: Vec<String> = changes.iter().map(|change| change.path.clone()).collect();
        self.store().settle(&paths).await
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
