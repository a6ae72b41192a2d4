//! A file in the spool while it is written: counted and hashed on the way, its handle given up when many files are open.
//!
//! Invariant: size and checksum are those of what was written, in order. No name ends in `.parquet`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use crate::lake::LakeError;

/// A new file, written from its start to its end.
pub(crate) struct SpoolFile {
    path: PathBuf,
    file: Option<File>,
    hasher: Xxh3Default,
    bytes: u64,
    held: Option<Vec<u8>>,
}

impl SpoolFile {
    /// Creates the file.
    ///
    /// # Errors
    /// [`LakeError::Disk`], also when a file of that name exists.
    pub(crate) fn create(path: &Path) -> Result<Self, LakeError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|source| LakeError::Disk {
            action: "create",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self { path: path.to_owned(), file: Some(file), hasher: Xxh3Default::new(), bytes: 0, held: None })
    }

    /// Gives the handle back to the system; the next write opens the file again.
    pub(crate) fn release(&mut self) {
        self.file = None;
    }

    /// Keeps what is written from here on in memory: the file's end, which is written by [`Self::write_end`].
    pub(crate) fn hold_end(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Writes the end that was held, after `change`.
    ///
    /// # Errors
    /// Those of `change`, and of the disk.
    pub(crate) fn write_end<E: From<io::Error>>(&mut self, change: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<(), E> {
        let Some(mut end) = self.held.take() else { return Ok(()) };
        change(&mut end)?;
        Ok(self.write_all(&end)?)
    }

    /// The file's path, size and XXH3-64 as 16 hex digits.
    pub(crate) fn finish(self) -> (PathBuf, u64, String) {
        (self.path, self.bytes, format!("{:016x}", self.hasher.digest()))
    }

    fn open(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().append(true).open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }
}

impl Write for SpoolFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = &mut self.held {
            return held.write(bytes);
        }
        let written = self.open()?.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_file_is_not_written_through_a_planted_name() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, planted) = (folder.path().join("outside"), folder.path().join("t-1.tmp"));
        std::fs::write(&outside, "theirs").unwrap();
        std::os::unix::fs::symlink(&outside, &planted).unwrap();
        let Err(LakeError::Disk { source, .. }) = SpoolFile::create(&planted) else { panic!("it was created") };
        assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&outside).unwrap(), b"theirs");
    }
}
