//! A file for what does not fit the budget: appended to and read by slices, or written and read anywhere; removed when dropped.
//!
//! The file is made by the first write. Its name ends in `.spill`, and no two of a process are the same.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::merge::MergeError;

/// Bytes that one read or write moves at most.
const CHUNK_BYTES: usize = 64 * 1024;

/// A spill file.
#[derive(Debug)]
pub(crate) struct SpillFile {
    path: PathBuf,
    file: Mutex<File>,
    bytes: u64,
}

/// A slice of a spill file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpillSlice {
    offset: u64,
    /// Entries in the slice.
    pub(crate) entries: u64,
}

impl SpillFile {
    /// A new, empty file in `folder`.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when it cannot be made.
    pub(crate) fn create(folder: &Path) -> Result<Self, MergeError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("keys-{}-{number}.spill", std::process::id()));
        match File::options().read(true).write(true).create(true).truncate(true).open(&path) {
            Ok(file) => Ok(Self { path, file: Mutex::new(file), bytes: 0 }),
            Err(source) => Err(MergeError::Spill { action: "create", path, source }),
        }
    }

    /// Appends entries of `N` bytes each.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when the disk takes no more.
    pub(crate) fn append<const N: usize>(
        &mut self,
        entries: impl ExactSizeIterator<Item = [u8; N]>,
    ) -> Result<SpillSlice, MergeError> {
        let slice = SpillSlice { offset: self.bytes, entries: entries.len() as u64 };
        let per_chunk = CHUNK_BYTES / N;
        let mut buffer = Vec::with_capacity(entries.len().min(per_chunk) * N);
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let written = (|| {
            file.seek(SeekFrom::Start(slice.offset))?;
            for entry in entries {
                buffer.extend_from_slice(&entry);
                if buffer.len() == per_chunk * N {
                    file.write_all(&buffer)?;
                    buffer.clear();
                }
            }
            file.write_all(&buffer)
        })();
        written.map_err(|source| MergeError::Spill { action: "write", path: self.path.clone(), source })?;
        self.bytes += slice.entries * N as u64;
        Ok(slice)
    }

    /// Hands every entry of a slice to `take`, in the order in which they were appended. `N` is that of the append.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when the file cannot be read; and what `take` returns.
    pub(crate) fn read<const N: usize>(
        &self,
        slice: SpillSlice,
        mut take: impl FnMut(&[u8; N]) -> Result<(), MergeError>,
    ) -> Result<(), MergeError> {
        let per_chunk = (CHUNK_BYTES / N) as u64;
        let mut done = 0;
        let mut buffer = Vec::new();
        while done < slice.entries {
            let entries = per_chunk.min(slice.entries - done);
            buffer.resize(entries as usize * N, 0);
            let offset = slice.offset + done * N as u64;
            self.read_at(offset, &mut buffer)?;
            buffer.as_chunks::<N>().0.iter().try_for_each(&mut take)?;
            done += entries;
        }
        Ok(())
    }

    /// Writes bytes at a place; what lies between the end and a place behind it is zero. Not together with [`SpillFile::append`].
    ///
    /// # Errors
    /// [`MergeError::Spill`] when the disk takes no more.
    pub(crate) fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), MergeError> {
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let written = file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes));
        written.map_err(|source| MergeError::Spill { action: "write", path: self.path.clone(), source })
    }

    /// Fills `buffer` with the bytes at a place.
    ///
    /// # Errors
    /// [`MergeError::Spill`] when the file cannot be read, or is shorter.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), MergeError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(buffer));
        read.map_err(|source| MergeError::Spill { action: "read", path: self.path.clone(), source })
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        // Nobody is left to tell; the caller sweeps its spill folder when it starts.
        let _ = std::fs::remove_file(&self.path);
    }
}
