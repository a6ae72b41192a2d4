//! Publishing a commit of ours in a Delta log, once.
//!
//! In: a commit of our log, and what it staged for the table's. Out: one commit of the Delta log that has it. Invariants: repeated, by whoever, it
//! changes nothing, since the log tells how far this pipeline has come (`txn`); a commit of others that ours does not stand on is a conflict;
//! once a commit of ours is withdrawn nobody publishes it, because its number is taken by a commit that changes nothing.

use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use crate::base::Clock;
use crate::lake::LakeError;
use crate::lake::format::delta::actions::{Action, Txn};
use crate::lake::format::delta::application;
use crate::lake::format::delta::checkpoint;
use crate::lake::format::delta::replay::{Listing, Log, Table, commit_path};
use crate::lake::format::delta::vacuum::LOG_MILLIS;
use crate::lake::log::{Commit, LogCommit};
use crate::lake::publish::pass;

/// Versions that are tried while others keep committing.
const TRIES: u32 = 32;

/// What the Delta log says of a commit of ours.
enum Standing {
    /// It is in it.
    Published,
    /// It was withdrawn, by this version.
    Withdrawn(u64),
    /// It is not, and this version of others is in its way.
    Blocked(u64),
    /// It is not, and it can be, behind this version; none in a log without any.
    Open(Option<u64>),
}

/// A commit of ours on its way into a Delta log.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) log: Log<'a>,
    pub(crate) pipeline: &'a str,
    pub(crate) commit: &'a Commit,
    pub(crate) entry: &'a LogCommit,
}

impl Entry<'_> {
    fn blocked(&self, by: u64) -> LakeError {
        let (version, table) = (self.commit.version, self.log.table.to_owned());
        LakeError::ForeignCommit { version, table, place: self.log.store.place(&commit_path(self.log.table, by)) }
    }

    /// What is staged, and was when it was staged.
    async fn body(&self) -> Result<Vec<Action>, LakeError> {
        let (version, table, place) = (self.commit.version, self.log.table.to_owned(), self.log.store.place(&self.entry.staged));
        let Some(blob) = self.log.store.get(&self.entry.staged).await? else {
            return Err(LakeError::Lost { version, table, place });
        };
        if format!("{:016x}", xxh3_64(&blob.bytes)) != self.entry.checksum {
            return Err(LakeError::StagedDamaged { version, table, place });
        }
        Action::parse(&blob.bytes).map_err(|why| self.log.damaged(&self.entry.staged, why))
    }

    async fn standing(&self, listing: &Listing) -> Result<Standing, LakeError> {
        let Some(head) = listing.head() else { return Ok(Standing::Open(None)) };
        let application = application(self.pipeline, self.log.table);
        if self.entry.is_beside {
            // Nobody else writes it, so that its newest commit tells.
            let last = last_txn(self.log, head, &application).await?;
            return Ok(match last {
                Some(version) if version >= self.version() => Standing::Published,
                Some(_) => Standing::Open(Some(head)),
                None => Standing::Blocked(head),
            });
        }
        let first = self.entry.base.map_or(0, |base| base.saturating_add(1));
        if listing.commits.first().is_some_and(|oldest| *oldest > first) {
            // What came next was collected: the sum of it tells, and no more.
            let table = self.log.replay(listing).await?.unwrap_or_default();
            let is_done = table.txns.get(&application).is_some_and(|version| *version >= self.version());
            return Ok(if is_done { Standing::Published } else { Standing::Blocked(head) });
        }
        let mut blocked = None;
        for (version, actions) in self.log.commits(first, head).await? {
            let mine = actions.iter().filter_map(|action| action.txn.as_ref()).find(|txn| txn.app_id == application);
            if mine.is_some_and(|txn| txn.version >= self.version()) {
                let is_withdrawn = actions.iter().any(is_withdrawal);
                return Ok(if is_withdrawn { Standing::Withdrawn(version) } else { Standing::Published });
            }
            if blocked.is_none() && !self.stands_beside(&actions).await? {
                blocked = Some(version);
            }
        }
        Ok(match (blocked, self.entry.base) {
            (Some(version), _) => Standing::Blocked(version),
            (None, None) => Standing::Blocked(0),
            (None, Some(_)) => Standing::Open(Some(head)),
        })
    }

    fn version(&self) -> i64 {
        i64::try_from(self.commit.version).unwrap_or(i64::MAX)
    }

    /// Whether a commit of others changes nothing that ours stands on: rows that were merged elsewhere, or added where rows have no key.
    async fn stands_beside(&self, actions: &[Action]) -> Result<bool, LakeError> {
        if actions.iter().any(|action| action.protocol.is_some() || action.meta_data.is_some()) {
            return Ok(false);
        }
        let changes_rows = |action: &Action| {
            action.add.as_ref().is_some_and(|add| add.data_change)
                || action.remove.as_ref().is_some_and(|remove| remove.data_change)
        };
        if actions.iter().any(changes_rows) {
            return Ok(self.entry.is_blind);
        }
        let body = self.body().await?;
        let ours: Vec<&str> =
            body.iter().filter_map(|action| action.remove.as_ref()).map(|remove| remove.path.as_str()).collect();
        Ok(!actions.iter().filter_map(|action| action.remove.as_ref()).any(|remove| ours.contains(&remove.path.as_str())))
    }
}

/// How far this pipeline has come in the newest commit of a log; `None` when another writer made it.
async fn last_txn(log: Log<'_>, head: u64, application: &str) -> Result<Option<i64>, LakeError> {
    let commits = log.commits(head, head).await?;
    let mut txns = commits.iter().flat_map(|(_, actions)| actions).filter_map(|action| action.txn.as_ref());
    Ok(txns.find(|txn| txn.app_id == application).map(|txn| txn.version))
}

/// Refuses a log over plain files that another writer has gone on with: it tells of files that readers by glob see besides.
///
/// # Errors
/// [`LakeError::Delta`]; [`LakeError::Unreadable`]; the store's.
pub(crate) async fn check_alone(log: Log<'_>, pipeline: &str) -> Result<(), LakeError> {
    let listing = log.list().await?;
    let refused = |why: String| Err(LakeError::Delta { place: log.store.place(log.table), table: log.table.to_owned(), why });
    let Some(head) = listing.head() else { return refused("its log is gone".to_owned()) };
    if let Some(part) = listing.checkpoints.values().flatten().next() {
        return refused(format!("readers by glob take `{}` of another writer for rows", part.path));
    }
    match last_txn(log, head, &application(pipeline, log.table)).await? {
        Some(_) => Ok(()),
        None => refused(format!(
            "another writer made `{}`, and files under `lake.delta_log` are lakeward's alone",
            commit_path(log.table, head)
        )),
    }
}

/// Whether nothing has come between the version that edits of a table stand on and its newest one that they do not stand on.
///
/// # Errors
/// [`LakeError::ForeignCommit`]; [`LakeError::Unreadable`]; the store's.
pub(crate) async fn check(entry: Entry<'_>) -> Result<(), LakeError> {
    match entry.standing(&entry.log.list().await?).await? {
        Standing::Blocked(by) | Standing::Withdrawn(by) => Err(entry.blocked(by)),
        Standing::Published | Standing::Open(_) => Ok(()),
    }
}

/// Whether the log has the commit.
///
/// # Errors
/// [`LakeError::Unreadable`]; the store's.
pub(crate) async fn is_published(entry: Entry<'_>) -> Result<bool, LakeError> {
    Ok(matches!(entry.standing(&entry.log.list().await?).await?, Standing::Published))
}

/// Publishes, unless it is done. `by_itself`: the run that made the commit.
///
/// # Errors
/// [`LakeError::ForeignCommit`] for a conflict; [`LakeError::Abandoned`] when it was withdrawn meanwhile; [`LakeError::Lost`],
/// [`LakeError::StagedDamaged`]; the store's.
pub(crate) async fn publish(entry: Entry<'_>, clock: &dyn Clock, by_itself: bool) -> Result<(), LakeError> {
    let mut listing = entry.log.list().await?;
    for _ in 0..TRIES {
        let next = match entry.standing(&listing).await? {
            Standing::Published => return Ok(()),
            Standing::Withdrawn(_) if by_itself => return Err(LakeError::Abandoned { version: entry.commit.version }),
            Standing::Withdrawn(by) | Standing::Blocked(by) => return Err(entry.blocked(by)),
            Standing::Open(head) => head.map_or(0, |head| head.saturating_add(1)),
        };
        let mut actions = entry.body().await?;
        let now = clock.now().timestamp_millis();
        if let Some(info) = actions.first_mut().and_then(|action| action.commit_info.as_mut()) {
            info["timestamp"] = now.into();
            info["version"] = entry.commit.version.into();
            if let Some(base) = next.checked_sub(1) {
                info["readVersion"] = base.into();
            }
        }
        let app_id = application(entry.pipeline, entry.log.table);
        let txn = Txn { app_id, version: entry.version(), last_updated: Some(now) };
        actions.insert(1.min(actions.len()), Action { txn: Some(txn), ..Action::default() });
        pass("lake.delta.before_create")?;
        if entry.log.store.create(&commit_path(entry.log.table, next), Action::lines(&actions)).await? {
            pass("lake.delta.after_create")?;
            if !entry.entry.is_beside && next > 0 && next.is_multiple_of(checkpoint::INTERVAL) {
                checkpoint_behind(entry.log, now).await;
            }
            return Ok(());
        }
        listing = entry.log.list().await?;
    }
    Err(entry.blocked(listing.head().unwrap_or(0)))
}

/// Writes a checkpoint of the newest version. Readers do without one, so that a failure is only told.
async fn checkpoint_behind(log: Log<'_>, now: i64) {
    let written = async {
        let table: Option<Table> = log.replay(&log.list().await?).await?;
        match table {
            Some(table) => checkpoint::write(log, &table, now - LOG_MILLIS).await,
            None => Ok(()),
        }
    };
    if let Err(error) = written.await {
        tracing::warn!(table = log.table, %error, "the Delta log gets its checkpoint with a later commit");
    }
}

/// Takes the number of a commit of ours, so that nobody publishes it; whether it was published before.
///
/// # Errors
/// [`LakeError::Unreadable`]; the store's.
pub(crate) async fn withdraw(entry: Entry<'_>) -> Result<bool, LakeError> {
    for _ in 0..TRIES {
        let listing = entry.log.list().await?;
        match entry.standing(&listing).await? {
            Standing::Published => return Ok(true),
            Standing::Withdrawn(_) => return Ok(false),
            Standing::Blocked(_) | Standing::Open(_) => {}
        }
        // A log that there is not cannot be gone on with: what is staged goes, and no log comes of it.
        let Some(head) = listing.head() else { return Ok(false) };
        let info = json!({"operation": "WITHDRAW", "operationParameters": {"withdrawn": true}, "version": entry.commit.version});
        let txn = Txn { app_id: application(entry.pipeline, entry.log.table), version: entry.version(), last_updated: None };
        let actions = [Action { commit_info: Some(info), ..Action::default() }, Action { txn: Some(txn), ..Action::default() }];
        if entry.log.store.create(&commit_path(entry.log.table, head.saturating_add(1)), Action::lines(&actions)).await? {
            return Ok(false);
        }
    }
    Err(LakeError::Conflict { run: entry.commit.run.clone() })
}

fn is_withdrawal(action: &Action) -> bool {
    action.commit_info.as_ref().is_some_and(|info| info["operationParameters"]["withdrawn"] == true)
}
