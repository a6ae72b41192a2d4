//! Checksums of data files: whether a file still is what a commit wrote.
//!
//! A file on disk is hashed once a run, when its content is first asked for; what was hashed is known again by its [`Stamp`].
//! A footer that only rules a file out is no content. Of a file that begins with all bytes of another one the checksum is told in
//! pieces, so that the first need not be read again: `<checksum of the other>@<its bytes>+<checksum of the rest>`.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

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
        let is_it = hash_file(file, checksum)? == checksum;
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
    /// For the file at `path`, which was written with this size and checksum (empty: unknown).
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

/// The checksum of a file's content, told in the pieces of `like`.
///
/// # Errors
/// The system's.
pub(crate) fn hash_file(file: &File, like: &str) -> io::Result<String> {
    let (mut hash, mut buffer, mut offset) = (Hashing::like(like), vec![0; STEP_BYTES], 0);
    loop {
        match file.read_at(&mut buffer, offset) {
            Ok(0) => return Ok(hash.finish()),
            Ok(bytes) => {
                hash.update(&buffer[..bytes]);
                offset += bytes as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A checksum while content is read: XXH3-64 as 16 hex digits, of the whole or of its pieces.
pub(crate) struct Hashing {
    hash: Xxh3Default,
    /// Where pieces end, before the last, which ends with the content.
    ends: VecDeque<u64>,
    bytes: u64,
    told: String,
}

impl Hashing {
    /// In the pieces of `checksum`. One that no lakeward writes has none, and is no content's.
    pub(crate) fn like(checksum: &str) -> Self {
        let pieces = checksum.rsplit_once('+').map_or("", |(before, _)| before);
        let ends = pieces.split('+').map(|piece| piece.split_once('@')?.1.parse().ok());
        let ends: VecDeque<u64> = ends.collect::<Option<_>>().unwrap_or_default();
        Self { hash: Xxh3Default::new(), ends, bytes: 0, told: String::new() }
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while let Some(end) = self.ends.front().copied().filter(|end| *end <= self.bytes + bytes.len() as u64) {
            let (piece, rest) = bytes.split_at(end.saturating_sub(self.bytes) as usize);
            self.hash.update(piece);
            self.bytes += piece.len() as u64;
            self.told.push_str(&format!("{:016x}@{end}+", self.hash.digest()));
            self.hash.reset();
            self.ends.pop_front();
            bytes = rest;
        }
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The checksum of all bytes.
    pub(crate) fn finish(self) -> String {
        format!("{}{:016x}", self.told, self.hash.digest())
    }
}

/// Into how many pieces a checksum is told.
pub(crate) fn pieces(checksum: &str) -> usize {
    checksum.split('+').count()
}

/// The checksum of `bytes` bytes of content that has `checksum`, and `rest` behind them.
pub(crate) fn checksum_with(checksum: &str, bytes: u64, rest: &[u8]) -> String {
    format!("{checksum}@{bytes}+{:016x}", xxh3_64(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_in_pieces_is_that_of_the_same_bytes_and_of_no_others() {
        let content: Vec<u8> = (0..1000_u32).flat_map(u32::to_le_bytes).collect();
        let hashed = |content: &[u8], like: &str, step: usize| {
            let mut hash = Hashing::like(like);
            content.chunks(step).for_each(|bytes| hash.update(bytes));
            hash.finish()
        };
        let whole = hashed(&content[..1000], "", 1000);
        let spliced = checksum_with(&whole, 1000, &content[1000..3000]);
        let again = checksum_with(&spliced, 3000, &content[3000..]);
        assert_eq!((pieces(&whole), pieces(&spliced), pieces(&again)), (1, 2, 3));
        for step in [1, 7, 1000, 4096] {
            assert_eq!(hashed(&content[..3000], &spliced, step), spliced);
            assert_eq!(hashed(&content, &again, step), again);
        }
        for at in [0, 999, 1000, 2999, 3000, 3999] {
            let mut damaged = content.clone();
            damaged[at] ^= 1;
            assert_ne!(hashed(&damaged, &again, 512), again, "{at}");
        }
        for cut in [0, 1, 1000, 3000, 3999] {
            assert_ne!(hashed(&content[..cut], &again, 512), again, "{cut}");
        }
        for forged in ["x@y+z", "a@1000", "@+", "+", "a@3000+b@1000+c", &whole.replace('0', "@")] {
            assert_ne!(hashed(&content, forged, 512), forged);
        }
    }
}
