//! What a Delta table can do without: files that left it long ago, and commits of its log behind an old checkpoint.
//!
//! In: the table's log, how long those who read an older version are given. Out: objects that may go. Invariants: a file that the log names is never
//! among them, nor one of another writer that the log does not know, who may be at work. One of ours that it does not know was never seen: its
//! commit was given up, or it left so long ago that the log has forgotten it; no run of ours is at work beside a collection. Source: the Delta transaction log protocol,
//! "Metadata Cleanup"; `VACUUM` of Delta's own writers.

use std::collections::BTreeSet;

use crate::lake::LakeError;
use crate::lake::format::delta::replay::{Listing, Log, commit_path};
use crate::lake::store::Found;

/// How long commits stay behind a checkpoint: Delta's default for `delta.logRetentionDuration`.
pub(super) const LOG_MILLIS: i64 = 30 * 24 * 3_600_000;

/// What may go of the table, at `now` in milliseconds since 1970, where files that left it stay for `retention`. `needed` are paths that stay in any
/// case.
///
/// # Errors
/// [`LakeError::Unreadable`]; the store's.
pub(crate) async fn expired(log: Log<'_>, now: i64, retention: i64, needed: &BTreeSet<String>) -> Result<Vec<Found>, LakeError> {
    let found = log.store.list(log.table).await?;
    let listing = Listing::of(log.table, &found);
    let Some(table) = log.replay(&listing).await? else { return Ok(Vec::new()) };
    let left = table.removed.iter().filter(|(_, remove)| remove.deletion_timestamp.is_some_and(|time| time < now - retention));
    let mut gone: BTreeSet<String> = left.map(|(path, _)| format!("{}/{path}", log.table)).collect();
    let is_known = |path: &str| table.files.contains_key(path) || table.removed.contains_key(path);
    let below = |found: &Found| found.path.strip_prefix(log.table).map(|path| path.trim_start_matches('/').to_owned());
    let unknown = found.iter().filter(|found| is_ours(&found.path) && below(found).is_some_and(|path| !is_known(&path)));
    gone.extend(unknown.map(|found| found.path.clone()));
    if let Some(oldest) = oldest_checkpoint(log, &listing, now).await? {
        gone.extend(listing.commits.iter().filter(|version| **version < oldest).map(|version| commit_path(log.table, *version)));
        gone.extend(listing.checkpoints.range(..oldest).flat_map(|(_, parts)| parts).map(|part| part.path.clone()));
    }
    Ok(found.into_iter().filter(|found| gone.contains(&found.path) && !needed.contains(&found.path)).collect())
}

/// Whether the file has a name that this program gives.
fn is_ours(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let number = name.strip_prefix("part-").and_then(|name| name.strip_suffix(".parquet"));
    number.is_some_and(|number| number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The newest checkpoint that is old enough for what lies behind it to go.
async fn oldest_checkpoint(log: Log<'_>, listing: &Listing, now: i64) -> Result<Option<u64>, LakeError> {
    let mut oldest = None;
    for version in listing.checkpoints.keys().copied().filter(|version| listing.commits.binary_search(version).is_ok()) {
        let commits = log.commits(version, version).await?;
        let made =
            commits.iter().flat_map(|(_, actions)| actions).find_map(|action| action.commit_info.as_ref()?["timestamp"].as_i64());
        if made.is_none_or(|made| made >= now - LOG_MILLIS) {
            break;
        }
        oldest = Some(version);
    }
    Ok(oldest)
}
