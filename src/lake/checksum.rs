//! Checksums of data files: whether a file still is what a commit wrote.
//!
//! A file on disk is hashed once a run, when its content is first asked for; what was hashed is known again by its [`Stamp`].
//! A footer that only rules a file out is no content.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use xxhash_rust::xxh3::Xxh3Default;

use crate::lake::LakeError;

/// Bytes that are hashed at once.
const STEP_BYTES: usize = 1 << 20;

/// What tells a file from another one in its place, or from itself before a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of a file's facts.
    pub(crate) fn of(facts: &Metadata) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
            bytes: facts.len(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }

    /// Whether the file has this size.
    pub(crate) fn has_size(&self, bytes: u64) -> bool {
        self.bytes == bytes
    }

    /// Whether it is the same file with the same content, as far as its writers tell.
    fn is_of_content(&self, other: &Self) -> bool {
        let content = |stamp: &Self| (stamp.device, stamp.inode, stamp.bytes, stamp.modified);
        content(self) == content(other)
    }

    /// Of what is at `path`, following no link; `None` when nothing is.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn of_path(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::symlink_metadata(path) {
            Ok(facts) => Ok(Some(Self::of(&facts))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Files that were hashed in this run. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verified(Arc<Mutex<HashMap<PathBuf, (Stamp, String)>>>);

impl Verified {
    /// Whether the file at `path` had this checksum and has not been touched since.
    pub(crate) fn has(&self, path: &Path, stamp: &Stamp, checksum: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).is_some_and(|(known, of)| known == stamp && of == checksum)
    }

    /// Whether an open file has this size and checksum (empty: unknown). What this run has hashed is not read again.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn is_content(&self, path: &Path, file: &File, bytes: u64, checksum: &str) -> io::Result<bool> {
        let stamp = Stamp::of(&file.metadata()?);
        if stamp.bytes != bytes || checksum.is_empty() || self.has(path, &stamp, checksum) {
            return Ok(stamp.bytes == bytes);
        }
        let is_it = hash_file(file)? == checksum;
        if is_it {
            self.note(path, stamp, checksum);
        }
        Ok(is_it)
    }

    /// The file at `path` got another name too, which changed nothing of it but when it was changed.
    pub(crate) fn note_link(&self, path: &Path, before: &Stamp, after: Stamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stamp, _)) = known.get_mut(path).filter(|(stamp, _)| stamp == before && stamp.is_of_content(&after)) {
            *stamp = after;
        }
    }

    fn note(&self, path: &Path, stamp: Stamp, checksum: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned(), (stamp, checksum.to_owned()));
    }
}

/// The check of one open file, made at most once.
#[derive(Debug)]
pub(crate) struct ContentCheck {
    path: PathBuf,
    bytes: u64,
    checksum: String,
    verified: Verified,
    done: OnceLock<()>,
}

impl ContentCheck {
    /// For the file at `path`, which was written with this size and XXH3-64 (16 hex digits; empty: unknown).
    pub(crate) fn new(path: PathBuf, bytes: u64, checksum: &str, verified: &Verified) -> Self {
        Self { path, bytes, checksum: checksum.to_owned(), verified: verified.clone(), done: OnceLock::new() }
    }

    /// Checks the open file.
    ///
    /// # Errors
    /// [`LakeError::Damaged`]; [`LakeError::Disk`].
    pub(crate) fn check(&self, file: &File) -> Result<(), LakeError> {
        if self.checksum.is_empty() || self.done.get().is_some() {
            return Ok(());
        }
        let is_content = self.verified.is_content(&self.path, file, self.bytes, &self.checksum);
        if !is_content.map_err(|source| LakeError::of_disk("read", &self.path, source))? {
            return Err(LakeError::Damaged { table: None, place: self.path.display().to_string() });
        }
        self.done.get_or_init(|| ());
        Ok(())
    }
}

/// XXH3-64 of a file's content, as 16 hex digits.
///
/// # Errors
/// The system's.
pub(crate) fn hash_file(file: &File) -> io::Result<String> {
    let (mut hash, mut buffer, mut offset) = (Xxh3Default::new(), vec![0; STEP_BYTES], 0);
    loop {
        match file.read_at(&mut buffer, offset) {
            Ok(0) => return Ok(spelled(&hash)),
            Ok(bytes) => {
                hash.update(&buffer[..bytes]);
                offset += bytes as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A hash as manifests spell it.
pub(crate) fn spelled(hash: &Xxh3Default) -> String {
    format!("{:016x}", hash.digest())
}
