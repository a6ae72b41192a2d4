//! The spool: the local folder in which a run's rows wait for their commit.
//!
//! On a disk lake it is the run's staging folder, so that a rename publishes. For a bucket it is a private folder among the
//! system's temporary files: parts of an unfinished upload cannot be read back, and widening a column or dropping a repeated
//! key needs that, so rows are uploaded when they are final. Such a folder goes with its run; one that a killed process
//! left goes at the next open on the machine.

use std::io;
use std::path::{Path, PathBuf};

use crate::lake::LakeError;
use crate::lake::disk::{blocking, make_folder};
use crate::lake::lease::Owner;

/// How the name of a temporary spool starts; `-<process id>-<run id>` follows.
const PREFIX: &str = "lakeward-spool";

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
        let within = std::env::temp_dir();
        let path = within.join(format!("{PREFIX}-{}-{run}", std::process::id()));
        let folder = path.clone();
        blocking(move || {
            remove_stale(&within);
            make_private(&folder)
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

/// Removes spools of dead processes. What cannot be removed, as another user's, is left.
fn remove_stale(within: &Path) {
    let Ok(entries) = std::fs::read_dir(within) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_prefix('-')?.split('-').next()?.parse().ok());
        if pid.is_some_and(Owner::process_is_gone) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
