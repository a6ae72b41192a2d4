//! The spool: the local folder in which a run's rows wait for their commit.
//!
//! On a disk lake it is the run's staging folder, so that a rename publishes. For a bucket it is a private folder among the
//! system's temporary files: parts of an unfinished upload cannot be read back, and widening a column or dropping a repeated
//! key needs that, so rows are uploaded when they are final. Such a folder goes with its run; one that a killed process
//! left goes at the next open on the machine.

use std::fs::DirEntry;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::base::blocking;
use crate::lake::LakeError;
use crate::lake::disk::{Syncs, guard, read_small};
use crate::lake::lease::Owner;
use crate::lake::log::to_json;

/// How the name of a temporary spool starts; `-<run id>-` and a random end follow.
const PREFIX: &str = "lakeward-spool";

/// The file in a temporary spool that tells whose it is.
const OWNER: &str = "owner.json";

/// A run's spool.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    /// What removes a temporary one when it is dropped.
    _temporary: Option<TempDir>,
}

impl Spool {
    /// The spool at `path` below the `root` of a disk lake; the lake's staging rules remove it.
    ///
    /// # Errors
    /// [`LakeError::Disk`] when it cannot be made, [`LakeError::Refused`] when something else is in its place.
    pub(crate) async fn in_lake(root: &Path, path: &str, syncs: Syncs) -> Result<Self, LakeError> {
        let (root, path) = (root.to_owned(), root.join(path));
        let folder = path.clone();
        let made = blocking(move || {
            guard(&root, &folder)?;
            syncs.make_folder(&folder)
        });
        made.await.map_err(|source| failed(&path, source))?;
        Ok(Self { path, _temporary: None })
    }

    /// A temporary spool for `run`, removed on drop. Removes those of dead processes.
    ///
    /// # Errors
    /// [`LakeError::Disk`] when it cannot be made.
    pub(crate) async fn temporary(run: &str) -> Result<Self, LakeError> {
        let within = std::env::temp_dir();
        let (at, prefix) = (within.clone(), format!("{PREFIX}-{run}-"));
        let folder = blocking(move || {
            remove_stale(&at);
            // Of a random name, made by this process alone, and for this user only: it holds the API's data.
            let private = std::fs::Permissions::from_mode(0o700);
            let folder = tempfile::Builder::new().prefix(&prefix).rand_bytes(16).permissions(private).tempdir_in(&at)?;
            std::fs::write(folder.path().join(OWNER), to_json(&Owner::this_process()))?;
            Ok(folder)
        })
        .await
        .map_err(|source| failed(&within, source))?;
        Ok(Self { path: folder.path().to_owned(), _temporary: Some(folder) })
    }

    /// The folder at `path`, which somebody else makes and removes.
    #[cfg(test)]
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, _temporary: None }
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn failed(path: &Path, source: io::Error) -> LakeError {
    LakeError::of_disk("make the spool", path, source)
}

/// Removes spools of dead processes, as far as they can be removed.
fn remove_stale(within: &Path) {
    for folder in stale(within) {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Spools of dead processes in the system's temporary folder.
pub(super) fn left_behind() -> Vec<PathBuf> {
    stale(&std::env::temp_dir())
}

/// Spools of dead processes. What is no folder of this user, or cannot be read, is none.
fn stale(within: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(within) else { return Vec::new() };
    let mut found = Vec::new();
    let me = rustix::process::geteuid().as_raw();
    let is_mine = |entry: &DirEntry| entry.metadata().is_ok_and(|facts| facts.is_dir() && facts.uid() == me);
    let named = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(PREFIX);
    for entry in entries.flatten().filter(|entry| named(entry) && is_mine(entry)) {
        let owner = read_small(&entry.path().join(OWNER)).ok().flatten();
        let owner = owner.and_then(|text| serde_json::from_slice::<Owner>(&text).ok());
        if owner.is_some_and(|owner| owner.is_dead()) {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_temporary_spool_goes_with_its_run_and_a_dead_one_with_the_next() {
        let spool = Spool::temporary("run").await.unwrap();
        let mut dead = Owner::this_process();
        let Some(identity) = &mut dead.identity else { return };
        identity.started_ticks += 1;
        let left = std::env::temp_dir().join(format!("{PREFIX}-left-{}", std::process::id()));
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join(OWNER), to_json(&dead)).unwrap();
        let path = spool.path().to_owned();
        assert!(path.is_dir());
        drop(Spool::temporary("other").await.unwrap());
        assert!((path.is_dir(), left.exists()) == (true, false));
        drop(spool);
        assert!(!path.exists());
    }
}
