//! The spool: the local folder in which a run's rows wait for their commit.
//!
//! On a disk lake it is the run's staging folder, so that a rename publishes. For a bucket it is a private folder among the
//! system's temporary files: parts of an unfinished upload cannot be read back, and widening a column or dropping a repeated
//! key needs that, so rows are uploaded when they are final. Such a folder goes with its run; one that a killed process
//! left goes at the next open on the machine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::blocking;
use crate::lake::LakeError;
use crate::lake::disk::make_folder;
use crate::lake::lease::Owner;
use crate::lake::log::to_json;

/// How the name of a temporary spool starts; `-<process id>-<number>-<run id>` follows.
const PREFIX: &str = "lakeward-spool";

/// The file in a temporary spool that tells whose it is.
const OWNER: &str = "owner.json";

/// A run's spool.
#[derive(Debug)]
pub(crate) struct Spool {
    path: PathBuf,
    is_temporary: bool,
}

impl Spool {
    /// The spool at `path` inside a disk lake; the lake's staging rules remove it.
    ///
    /// # Errors
    /// [`LakeError::Disk`] when it cannot be made.
    pub(crate) async fn in_lake(path: PathBuf) -> Result<Self, LakeError> {
        let folder = path.clone();
        blocking(move || make_folder(&folder)).await.map_err(|source| failed(&path, source))?;
        Ok(Self { path, is_temporary: false })
    }

    /// A temporary spool for `run`, removed on drop. Removes those of dead processes.
    ///
    /// # Errors
    /// [`LakeError::Disk`] when it cannot be made.
    pub(crate) async fn temporary(run: &str) -> Result<Self, LakeError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let within = std::env::temp_dir();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = within.join(format!("{PREFIX}-{}-{number}-{run}", std::process::id()));
        let folder = path.clone();
        blocking(move || {
            remove_stale(&within);
            make_private(&folder)?;
            std::fs::write(folder.join(OWNER), to_json(&Owner::this_process()))
        })
        .await
        .map_err(|source| failed(&path, source))?;
        Ok(Self { path, is_temporary: true })
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn failed(path: &Path, source: io::Error) -> LakeError {
    LakeError::Disk { action: "make the spool", path: path.to_owned(), source }
}

/// Makes a folder that only this user may enter; it holds the API's data.
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Removes spools of dead processes. What cannot be read or removed, as another user's, is left.
fn remove_stale(within: &Path) {
    let Ok(entries) = std::fs::read_dir(within) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let owner = std::fs::read(entry.path().join(OWNER)).ok();
        let owner = owner.and_then(|text| serde_json::from_slice::<Owner>(&text).ok());
        if owner.is_some_and(|owner| owner.is_dead()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
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
