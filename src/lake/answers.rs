//! The folder in which the answers of a run wait for the next one, should this one be interrupted: a file for each resource of a pipeline.
//!
//! In: a pipeline of a lake. Out: open files. On a disk lake they lie among lakeward's own files; for a bucket in a folder of this user among the system's
//! temporary ones, so that they are found on the same machine alone. Invariants: only regular files of this user with one name are opened, no link is
//! followed and no FIFO waited for; others may not read them; a file that a living process has open is not opened by another. What is in them is
//! [`crate::source::KeptAnswers`]'s matter.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use xxhash_rust::xxh3::xxh3_64;

use crate::config::LakePlan;
use crate::lake::disk::{guard, make_folder};
use crate::lake::store::{Store, open_store};
use crate::lake::{LakeError, Layout};

/// How the name of a temporary folder starts; a user and a hash of the lake's place follow.
const PREFIX: &str = "lakeward-answers";
/// How the name of a file ends; a resource's stands before it.
const SUFFIX: &str = ".answers";

/// The folder of one pipeline. It need not be there.
#[derive(Debug, Clone)]
pub(crate) struct AnswerFolder {
    path: PathBuf,
    /// The root of a disk lake.
    root: Option<PathBuf>,
}

impl AnswerFolder {
    /// The folder of `pipeline` in the lake of `plan`.
    ///
    /// # Errors
    /// Those of a store that cannot be opened.
    pub(crate) async fn of(plan: &LakePlan, pipeline: &str) -> Result<Self, LakeError> {
        Ok(Self::in_store(&*open_store(plan, false).await?, &Layout::new(pipeline)))
    }

    pub(super) fn in_store(store: &dyn Store, layout: &Layout) -> Self {
        let temporary = || {
            let place = xxh3_64(store.place(layout.home()).as_bytes());
            std::env::temp_dir().join(format!("{PREFIX}-{}-{place:016x}", me()))
        };
        let root = store.root().map(Path::to_owned);
        Self { path: root.as_ref().map_or_else(temporary, |root| root.join(layout.answers())), root }
    }

    /// Where the file of `resource` is.
    pub(crate) fn file(&self, resource: &str) -> PathBuf {
        self.path.join(format!("{resource}{SUFFIX}"))
    }

    /// The resources that have files, with what is known of those from outside.
    pub(crate) fn list(&self) -> Vec<(String, fs::Metadata)> {
        let Ok(entries) = self.check().and_then(|()| fs::read_dir(&self.path)) else { return Vec::new() };
        let named = |entry: fs::DirEntry| {
            let name = entry.file_name().to_str()?.strip_suffix(SUFFIX)?.to_owned();
            Some((name, entry.metadata().ok()?))
        };
        let mut found: Vec<_> = entries.flatten().filter_map(named).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found
    }

    /// Opens the file of `resource` to be read; `None` where there is none.
    ///
    /// # Errors
    /// The system's; what is no regular file of this user.
    pub(crate) fn look(&self, resource: &str) -> io::Result<Option<File>> {
        self.open(resource, false)
    }

    /// Opens the file of `resource` to be gone on with; `None` where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] while another process has it open; those of [`Self::look`].
    pub(crate) fn take(&self, resource: &str) -> io::Result<Option<File>> {
        let Some(file) = self.open(resource, true)? else { return Ok(None) };
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Some(file))
    }

    /// Makes an empty file for `resource`.
    ///
    /// # Errors
    /// The system's, also where something is in its place.
    pub(crate) fn create(&self, resource: &str) -> io::Result<File> {
        let path = self.file(resource);
        let open = || {
            self.make()?;
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)
        };
        let file = match open() {
            // The last of the other files has just gone, and the folder with it.
            Err(error) if error.kind() == ErrorKind::NotFound => open()?,
            opened => opened?,
        };
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(file)
    }

    /// Removes the file of `resource`, and the folder with the last one.
    ///
    /// # Errors
    /// The system's; a file that is not there is none.
    pub(crate) fn remove(&self, resource: &str) -> io::Result<()> {
        match self.check().and_then(|()| fs::remove_file(self.file(resource))) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Another file is in it, or it is gone.
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }

    /// Removes all files.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn clear(&self) -> io::Result<()> {
        self.list().iter().try_for_each(|(resource, _)| self.remove(resource))
    }

    fn open(&self, resource: &str, writes: bool) -> io::Result<Option<File>> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let path = self.file(resource);
        let opened = self.check().and_then(|()| OpenOptions::new().read(true).write(writes).custom_flags(flags).open(&path));
        let file = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let facts = file.metadata()?;
        match facts.is_file() && facts.uid() == me() && facts.nlink() == 1 {
            true => Ok(Some(file)),
            false => Err(io::Error::other("it is no file of this user alone")),
        }
    }

    /// Checks that the folder is one of this user, if it is there.
    fn check(&self) -> io::Result<()> {
        if let Some(root) = &self.root {
            guard(root, &self.path)?;
        }
        let facts = fs::symlink_metadata(&self.path)?;
        let is_private = self.root.is_some() || facts.permissions().mode().trailing_zeros() >= 6;
        match facts.is_dir() && facts.uid() == me() && is_private {
            true => Ok(()),
            false => Err(io::Error::other(format!("`{}` is no folder of this user alone", self.path.display()))),
        }
    }

    fn make(&self) -> io::Result<()> {
        if let Some(root) = &self.root {
            guard(root, &self.path)?;
            self.path.parent().map_or(Ok(()), make_folder)?;
        }
        match DirBuilder::new().mode(0o700).create(&self.path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => self.check(),
        }
    }
}

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn folder() -> (tempfile::TempDir, AnswerFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = AnswerFolder { path: root.path().join("_lakeward/p/answers"), root: Some(root.path().to_owned()) };
        (root, folder)
    }

    #[test]
    fn a_file_is_made_once_for_its_user_and_goes_with_its_folder() {
        let (_root, folder) = folder();
        assert!(folder.look("x").unwrap().is_none() && folder.list().is_empty());
        let made = folder.create("x").unwrap();
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder.path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(folder.create("x").is_err());
        assert_eq!(folder.take("x").unwrap_err().kind(), ErrorKind::WouldBlock, "a living process has it");
        drop(made);
        assert!(folder.take("x").unwrap().is_some());
        assert_eq!(folder.list().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x"]);
        folder.remove("x").unwrap();
        assert!(!folder.path.exists());
    }

    #[test]
    fn a_folder_among_the_temporary_ones_is_for_its_user_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = AnswerFolder { path: root.path().join("lakeward-answers"), root: None };
        drop(folder.create("x").unwrap());
        assert!(folder.take("x").unwrap().is_some());
        fs::set_permissions(&folder.path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(folder.take("x").is_err() && folder.create("y").is_err() && folder.list().is_empty());
    }

    #[test]
    fn what_is_no_file_of_this_user_alone_is_not_opened() {
        let (root, folder) = folder();
        drop(folder.create("x").unwrap());
        let [file, link, hard, fifo] = ["x", "link", "hard", "fifo"].map(|name| folder.file(name));
        symlink(&file, &link).unwrap();
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        fs::create_dir(folder.file("folder")).unwrap();
        for name in ["link", "fifo", "folder"] {
            assert!(folder.take(name).is_err() && folder.look(name).is_err(), "{name}");
        }
        fs::hard_link(&file, &hard).unwrap();
        assert!(folder.take("hard").is_err() && folder.take("x").is_err());
        let (elsewhere, path) = (root.path().join("elsewhere"), folder.path.clone());
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert!(folder.take("x").is_err() && folder.create("y").is_err() && folder.list().is_empty());
    }
}
