//! Staging: spooled files where one step publishes each, and the changes as a commit tells them.

use crate::lake::LakeError;
use crate::lake::format::{FileChange, PreparedTable};
use crate::lake::log::{Action, Change, Replaced};
use crate::lake::store::{Spooled, Store};

/// Brings the spooled files of `tables` to the store, into the folder `staging` where it has one; what the commit says of all changes.
///
/// # Errors
/// [`LakeError::Spool`] for a spooled file that is not what was written; the store's.
pub(in crate::lake::format) async fn stage(
    store: &dyn Store,
    staging: &str,
    tables: &[PreparedTable],
) -> Result<Vec<Change>, LakeError> {
    let changes = || tables.iter().flat_map(|table| table.changes.iter().map(|change| (table.table.as_str(), change)));
    let spooled: Vec<Spooled> = changes()
        .filter_map(|(_, change)| match change {
            FileChange::Put { file, spooled, behind, .. } => Some(Spooled {
                from: spooled.clone(),
                behind: behind.as_deref().cloned(),
                to: file.path.clone(),
                bytes: file.bytes,
            }),
            FileChange::Delete { .. } | FileChange::Retire { .. } => None,
        })
        .collect();
    for file in &spooled {
        let facts = std::fs::metadata(&file.from);
        let facts = facts.map_err(|source| LakeError::Disk { action: "read", path: file.from.clone(), source })?;
        if facts.len() + file.behind.as_ref().map_or(0, |found| found.bytes) != file.bytes {
            return Err(LakeError::Spool { path: file.from.clone(), why: "its size is not what was written" });
        }
    }
    let mut handles = store.stage(staging, &spooled).await?.into_iter();
    let told = changes().map(|(table, change)| {
        let change = describe(table, change);
        let handle = if change.action == Action::Put { handles.next() } else { None };
        Change { handle, ..change }
    });
    Ok(told.collect())
}

/// A change as a commit tells it, not staged.
pub(in crate::lake::format) fn describe(table: &str, change: &FileChange) -> Change {
    let (action, file, previous) = match change {
        FileChange::Put { file, replaces, .. } => (Action::Put, file, replaces.as_ref()),
        FileChange::Delete { file } => (Action::Delete, file, Some(file)),
        FileChange::Retire { file } => (Action::Retire, file, Some(file)),
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
        handle: None,
    }
}
