//! The log: the commits of a pipeline, each an object that is created once, the only truth about what the lake holds.
//!
//! In: objects of the `log` folder. Out: [`Commit`]s by version. Invariants: versions follow each other without a gap; a
//! commit is never changed; commit N+1 is created only after every file of commit N is published, or abandons it. `.done` only saves the
//! next run a look, and keeps the etags that were not known before the publish. Only a collection (`ops::gc`) removes old commits.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lake::store::{Handle, SMALL_BYTES_MAX, Store};
use crate::lake::trust::{VERSION_MAX, check_commit};
use crate::lake::{LakeError, Layout};

/// The format of commits, manifests and `.done` objects that this program writes; it reads this and older ones.
pub(crate) const FORMAT: u32 = 1;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commit {
    /// [`FORMAT`] of the writer.
    pub(crate) format: u32,
    /// Its number, from 1.
    pub(crate) version: u64,
    /// The run that wrote it.
    pub(crate) run: String,
    /// The commit it builds on; 0 for none.
    pub(crate) parent: u64,
    /// When, RFC 3339.
    pub(crate) written: String,
    /// Runs that may never commit again: their unfinished work was removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fences: Vec<String>,
    /// Every table of the lake after this commit.
    pub(crate) tables: BTreeMap<String, TableRef>,
    /// What each resource wants to remember: cursors, facts of its last run. Belongs to the data of the same commit.
    pub(crate) state: Map<String, Value>,
    /// Files that change.
    pub(crate) files: Vec<Change>,
    /// What the commit says in the logs that tables have of their own, by table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) logs: BTreeMap<String, LogCommit>,
    /// Files of rejects that this run wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) quarantine: Vec<String>,
    /// Tables that have no rows but those of this run: what was set aside of them before counts no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) rebuilt: Vec<String>,
    /// Tables whose quarantine the commit went through: what is left of it is in the files that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) repaired: Vec<String>,
    /// Tables that are no longer this pipeline's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) released: Vec<String>,
    /// The next file number of each table that leaves the lake: should it come back, no name of it is used again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) next_numbers: BTreeMap<String, u64>,
    /// Whether publishing keeps what it replaces and removes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) keeps: bool,
    /// The oldest commit that counts: those before it were collected, and what comes under their numbers later is of a run that slept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) oldest: u64,
    /// What the commit is for.
    #[serde(default, skip_serializing_if = "Purpose::is_run")]
    pub(crate) purpose: Purpose,
    /// Whether each put tells what it replaces; commits of an older lakeward do not.
    #[serde(default)]
    pub(crate) tells_replaced: bool,
}

/// What a commit is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// A run's rows.
    #[default]
    Run,
    /// An older version comes back.
    Rollback {
        /// The version.
        to: u64,
    },
    /// What nothing needs any more is removed.
    Collection,
    /// Small files are put together.
    Compaction,
    /// A table leaves the lake.
    Drop,
    /// A table gets another name.
    Rename,
    /// A table gets other partitions, or another key.
    Reshape,
    /// A table is stored as something else.
    Conversion,
    /// Files that something else wrote become a table.
    Adoption,
    /// Records of the quarantine are loaded.
    Repair,
    /// Files that were lost or damaged get their content back.
    Restoration,
    /// What was before a commit whose staged files are gone for good comes back.
    Abandonment {
        /// The commit.
        of: u64,
    },
}

impl Purpose {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Rollback { .. } => "rollback",
            Self::Collection => "collection",
            Self::Compaction => "compaction",
            Self::Drop => "drop",
            Self::Rename => "rename",
            Self::Reshape => "reshape",
            Self::Conversion => "conversion",
            Self::Adoption => "adoption",
            Self::Repair => "repair",
            Self::Restoration => "restoration",
            Self::Abandonment { .. } => "abandonment",
        }
    }

    fn is_run(&self) -> bool {
        *self == Self::Run
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A table's manifest, and the commit that introduced it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableRef {
    /// File name in the `manifest` folder.
    pub(crate) manifest: String,
    /// The commit whose `.done` knows the etags of the files it put.
    pub(crate) version: u64,
}

/// A file that a commit puts or deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The table.
    pub(crate) table: String,
    /// What happens to the path.
    pub(crate) action: Action,
    /// Below the lake's root.
    pub(crate) path: String,
    /// Rows of the file that is put, or that goes.
    pub(crate) rows: u64,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its XXH3-64.
    pub(crate) checksum: String,
    /// Etag of the content that is replaced or goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous_etag: Option<String>,
    /// The content that is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<Replaced>,
    /// How a put is published, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handle: Option<Handle>,
}

/// The content that a put replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replaced {
    /// Its size.
    pub(crate) bytes: u64,
    /// Its XXH3-64.
    pub(crate) checksum: String,
}

/// What a commit says in a log that a table has of its own (Delta's), which publishing makes known behind the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogCommit {
    /// The version of that log that the edits stand on; none of a log that begins, and of one that has no other writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<u64>,
    /// What it says, staged below the lake's root.
    pub(crate) staged: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its XXH3-64.
    pub(crate) checksum: String,
    /// Whether it only adds rows without a key, which stand on no others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_blind: bool,
    /// Whether files are replaced in place, as readers by glob want it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_beside: bool,
}

/// What happens to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// It gets new content.
    Put,
    /// It goes, and is never written again.
    Delete,
    /// It is one of the table's no more, and stays until it is collected.
    Retire,
}

/// The content of a `.done` object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// [`FORMAT`] of the writer.
    pub(crate) format: u32,
    /// Etag of each file the commit put, where the store has them.
    pub(crate) etags: BTreeMap<String, String>,
}

/// What every object tells of itself, whoever wrote it.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    format: Value,
}

/// The versions in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    /// The highest; 0 for an empty log.
    pub(crate) head: u64,
    /// Those not known to be published, ascending.
    pub(crate) pending: Vec<u64>,
}

/// Lists the log.
///
/// # Errors
/// [`LakeError::Unreadable`] when a version is missing or none that any run reaches; the store's.
pub(crate) async fn versions(store: &dyn Store, layout: &Layout) -> Result<Versions, LakeError> {
    let (mut commits, mut done) = (Vec::new(), BTreeSet::new());
    for found in store.list(&layout.log()).await? {
        match layout.parse_log(&found.path) {
            Some((version, "json")) => commits.push(version),
            Some((version, _)) => {
                done.insert(version);
            }
            None => {}
        }
    }
    commits.sort_unstable();
    if let Some(version) = commits.iter().find(|version| !(1..=VERSION_MAX).contains(*version)) {
        return Err(damaged(store, layout, *version, "no run reaches this version".to_owned()));
    }
    let head = commits.last().copied().unwrap_or(0);
    let has_gap = commits.windows(2).any(|pair| pair[0] + 1 != pair[1]);
    let has_open = commits.iter().any(|version| *version != head && !done.contains(version));
    if has_gap || has_open {
        let oldest = match read_commit(store, layout, head).await {
            // The gap is the fault to tell.
            Err(LakeError::Unreadable { .. }) => 0,
            newest => newest?.map_or(0, |newest| newest.oldest),
        };
        commits.retain(|version| *version >= oldest);
    }
    while let Some(at) = commits.windows(2).position(|pair| pair[0] + 1 != pair[1]) {
        let missing = commits[at] + 1;
        // A listing may pass over a commit that is created while it is made, and show the one after it.
        if store.head(&layout.commit(missing)).await?.is_none() {
            let why = format!("it is missing, and version {} is there", commits[at + 1]);
            return Err(damaged(store, layout, missing, why));
        }
        commits.insert(at + 1, missing);
    }
    commits.retain(|version| !done.contains(version));
    Ok(Versions { head, pending: commits })
}

fn damaged(store: &dyn Store, layout: &Layout, version: u64, why: String) -> LakeError {
    LakeError::Unreadable { place: store.place(&layout.commit(version)), why }
}

/// Reads a commit; `None` when there is none of this version.
///
/// # Errors
/// [`LakeError::Unreadable`] when it is damaged or of a newer lakeward.
pub(crate) async fn read_commit(store: &dyn Store, layout: &Layout, version: u64) -> Result<Option<Commit>, LakeError> {
    let path = layout.commit(version);
    let commit: Option<Commit> = read_json(store, &path).await?;
    if let Some(why) = commit.as_ref().and_then(|commit| check_commit(commit, version, layout).err()) {
        return Err(LakeError::Unreadable { place: store.place(&path), why });
    }
    Ok(commit)
}

/// Reads what is known of a published commit; nothing when that was lost.
///
/// # Errors
/// The store's.
pub(crate) async fn read_done(store: &dyn Store, layout: &Layout, version: u64) -> Result<Done, LakeError> {
    // `.done` is only an accelerator: a damaged one is as good as none.
    Ok(store.get(&layout.done(version)).await?.and_then(|blob| serde_json::from_slice(&blob.bytes).ok()).unwrap_or_default())
}

/// Reads a JSON object that carries its format's number.
///
/// # Errors
/// [`LakeError::Unreadable`] when it is damaged or of a newer lakeward.
pub(crate) async fn read_json<T: DeserializeOwned>(store: &dyn Store, path: &str) -> Result<Option<T>, LakeError> {
    match store.get(path).await? {
        Some(blob) => parse_json(store, path, &blob.bytes).map(Some),
        None => Ok(None),
    }
}

/// The same of an object's content.
///
/// # Errors
/// [`LakeError::Unreadable`] when it is damaged or of a newer lakeward.
pub(crate) fn parse_json<'a, T: Deserialize<'a>>(store: &dyn Store, path: &str, bytes: &'a [u8]) -> Result<T, LakeError> {
    let damaged = |why: String| LakeError::Unreadable { place: store.place(path), why };
    let found = match serde_json::from_slice::<Versioned>(bytes) {
        Ok(found) => found.format.as_u64(),
        Err(error) if error.is_data() => None,
        Err(error) => return Err(damaged(format!("not JSON: {error}"))),
    };
    match found {
        Some(format) if format <= u64::from(FORMAT) => {
            serde_json::from_slice(bytes).map_err(|error| damaged(format!("not what lakeward writes: {error}")))
        }
        Some(format) => Err(damaged(format!("format {format} is of a newer lakeward"))),
        None => Err(damaged("it has no `format`".to_owned())),
    }
}

/// Refuses to write what could not be read again.
///
/// # Errors
/// [`LakeError::TooLarge`].
pub(crate) fn check_size(store: &dyn Store, path: &str, content: &[u8]) -> Result<(), LakeError> {
    if content.len() as u64 <= SMALL_BYTES_MAX {
        return Ok(());
    }
    Err(LakeError::TooLarge { place: store.place(path), bytes: content.len() as u64, bytes_max: SMALL_BYTES_MAX })
}

/// JSON text of something this room writes.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("the lake's own types are plain JSON with text keys")
}
