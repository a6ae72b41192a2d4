//! Reading data files: a live file of the lake, or a finished one in the spool, as bytes at offsets.
//!
//! In: a [`DataFile`]. Out: a [`LiveFile`] that parquet's readers take. Any number of readers may share one: there is no
//! cursor to disturb. Not here: finding out which files are live.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::num::NonZero;
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use rustix::io::Errno;
use thiserror::Error;

use crate::lake::checksum::ContentCheck;
use crate::lake::disk::open_regular;
use crate::lake::{DataFile, LakeError};

/// Bytes that a sequential read asks for at once.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// The same for a remote file, where a request costs a round trip.
const REMOTE_READ_AHEAD_BYTES: usize = 1024 * 1024;

/// Opens live files for reading.
pub(crate) trait LiveFiles: Send + Sync + fmt::Debug {
    /// The content that `file` stands for.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, file: &DataFile) -> Result<LiveFile, LakeError>;

    /// Files that are best read at once. A disk's readers wait for a core: more of them only need more memory.
    fn readers(&self) -> usize {
        thread::available_parallelism().map_or(1, NonZero::get)
    }
}

/// Those of a table that has none.
#[derive(Debug)]
pub(crate) struct NoLiveFiles;

impl LiveFiles for NoLiveFiles {
    fn open(&self, file: &DataFile) -> Result<LiveFile, LakeError> {
        Err(LakeError::of_disk("open", Path::new(&file.path), io::ErrorKind::NotFound.into()))
    }
}

/// A Parquet file, open for reading at any offset, by any number of readers.
#[derive(Debug, Clone)]
pub(crate) struct LiveFile {
    content: Content,
    bytes: u64,
    /// Why bytes of it could not be had, the first time that it was so.
    unread: Arc<OnceLock<Unread>>,
}

/// Why bytes of a file could not be had. Parquet's readers make mere text of it, so the file remembers it.
#[derive(Debug, Clone, Error)]
#[error(transparent)]
pub(crate) struct Unread(Arc<LakeError>);

impl Deref for Unread {
    type Target = LakeError;

    fn deref(&self) -> &LakeError {
        &self.0
    }
}

#[derive(Debug, Clone)]
enum Content {
    /// On local disk.
    Disk {
        file: Arc<File>,
        path: Arc<Path>,
        /// How it is checked; not at all in the spool.
        check: Option<Arc<ContentCheck>>,
    },
    /// In a bucket, where every read asks for the content by its tag. Read from blocking threads only.
    Remote(Arc<dyn RemoteRead>),
}

/// Range reads of one remote object.
pub(crate) trait RemoteRead: Send + Sync + fmt::Debug {
    /// The bytes of a range that is not empty and lies within the object.
    ///
    /// # Errors
    /// The store's.
    fn read_range(&self, range: Range<u64>) -> Result<Bytes, LakeError>;
}

impl LiveFile {
    /// Opens a file on local disk.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn open_disk(path: &Path) -> Result<Self, LakeError> {
        let failed = |source| LakeError::of_disk("open", path, source);
        let file = open_regular(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok(Self::new(Content::Disk { file: Arc::new(file), path: path.into(), check: None }, bytes))
    }

    /// An object of `bytes` bytes in a bucket.
    pub(crate) fn remote(object: Arc<dyn RemoteRead>, bytes: u64) -> Self {
        Self::new(Content::Remote(object), bytes)
    }

    fn new(content: Content, bytes: u64) -> Self {
        Self { content, bytes, unread: Arc::default() }
    }

    /// The same file, to be checked before its content counts.
    pub(crate) fn checked(mut self, by: ContentCheck) -> Self {
        if let Content::Disk { check, .. } = &mut self.content {
            *check = Some(Arc::new(by));
        }
        self
    }

    /// Checks that the content is what the commit wrote; reads it as a whole the first time. To be called before rows or
    /// encoded columns are taken from it.
    ///
    /// # Errors
    /// [`LakeError::Damaged`]; [`LakeError::Disk`].
    pub(crate) fn verify(&self) -> Result<(), LakeError> {
        match &self.content {
            Content::Disk { file, check: Some(check), .. } => check.check(file),
            _ => Ok(()),
        }
    }

    /// Why bytes of it could not be had, where a reader of it failed for that.
    pub(crate) fn unread(&self) -> Option<Unread> {
        self.unread.get().cloned()
    }

    /// Writes all bytes to the empty file `to` where both are on local disk: by the system, which shares them on file systems that can. `false`
    /// where they are in a bucket, and nothing is written.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn copy_to(&self, mut to: &File) -> io::Result<bool> {
        let Content::Disk { file, .. } = &self.content else { return Ok(false) };
        let mut offset = 0;
        while offset < self.bytes {
            let left = usize::try_from(self.bytes - offset).unwrap_or(usize::MAX);
            match rustix::fs::copy_file_range(&**file, Some(&mut offset), to, None, left) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                // Not between these file systems, or not in this kernel.
                Err(_) => {
                    let mut rest = LiveRead { file: self.clone(), next_offset: offset, buffer: Vec::new(), consumed: 0 };
                    offset += io::copy(&mut rest, &mut to)?;
                    if offset < self.bytes {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
        Ok(true)
    }

    /// Reads from `offset` on until `buffer` is full or the file ends; tells how much it was.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &self.content {
            Content::Disk { file, path, .. } => {
                fill(file, offset, buffer).map_err(|source| LakeError::of_disk("read", path, source))
            }
            Content::Remote(object) => {
                let end = offset.saturating_add(buffer.len() as u64).min(self.bytes);
                if offset >= end {
                    return Ok(0);
                }
                object.read_range(offset..end).map(|read| {
                    let filled = read.len().min(buffer.len());
                    buffer[..filled].copy_from_slice(&read[..filled]);
                    filled
                })
            }
        };
        read.map_err(|error| {
            let unread = Unread(Arc::new(error));
            // The first one is as good a reason as any later one.
            let _ = self.unread.set(unread.clone());
            io::Error::other(unread)
        })
    }
}

/// Reads from `offset` on until `buffer` is full or the file ends; tells how much it was.
fn fill(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Length for LiveFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for LiveFile {
    type T = LiveRead;

    fn get_read(&self, start: u64) -> ParquetResult<LiveRead> {
        Ok(LiveRead { file: self.clone(), next_offset: start, buffer: Vec::new(), consumed: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len()) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie past the end of the file")));
        }
        let mut buffer = vec![0; length];
        let filled = self.read_at(start, &mut buffer)?;
        if filled < length {
            return Err(ParquetError::EOF(format!("expected {length} bytes at {start}, got {filled}")));
        }
        Ok(buffer.into())
    }
}

/// A sequential reader of a [`LiveFile`], with a buffer of its own.
#[derive(Debug)]
pub(crate) struct LiveRead {
    file: LiveFile,
    next_offset: u64,
    buffer: Vec<u8>,
    consumed: usize,
}

impl BufRead for LiveRead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.buffer.len() {
            let left = self.file.len().saturating_sub(self.next_offset);
            let ahead = match &self.file.content {
                Content::Disk { .. } => READ_AHEAD_BYTES,
                Content::Remote(_) => REMOTE_READ_AHEAD_BYTES,
            };
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(ahead);
            self.buffer.resize(wanted, 0);
            let filled = self.file.read_at(self.next_offset, &mut self.buffer)?;
            self.buffer.truncate(filled);
            self.next_offset += filled as u64;
            self.consumed = 0;
        }
        Ok(&self.buffer[self.consumed..])
    }

    fn consume(&mut self, bytes: usize) {
        self.consumed = (self.consumed + bytes).min(self.buffer.len());
    }
}

impl Read for LiveRead {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let bytes = available.len().min(target.len());
        target[..bytes].copy_from_slice(&available[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ErrorKind;
    use crate::lake::parquet::ParquetSource;

    #[derive(Debug)]
    struct Silent;

    impl RemoteRead for Silent {
        fn read_range(&self, _range: Range<u64>) -> Result<Bytes, LakeError> {
            Err(LakeError::of_disk("read", Path::new("of/a/bucket"), io::ErrorKind::ConnectionRefused.into()))
        }
    }

    #[test]
    fn why_bytes_could_not_be_had_is_told_whatever_a_reader_makes_of_it() {
        let file = LiveFile::remote(Arc::new(Silent), 10);
        assert!(file.unread().is_none());
        let said = file.get_bytes(0, 4).unwrap_err();
        // As Arrow's readers hand it on.
        let as_text = ParquetError::from(arrow_schema::ArrowError::from(said));
        let error = ParquetSource::failed_in(&file, "read", "t/part-000000.parquet", as_text);
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert_eq!(error.to_string(), "cannot read `of/a/bucket`");
    }

    #[test]
    fn readers_of_one_file_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = LiveFile::open_disk(&path).unwrap();
        let (mut one, mut two) = (file.get_read(2).unwrap(), file.get_read(7).unwrap());
        let (mut first, mut second) = (String::new(), String::new());
        one.by_ref().take(3).read_to_string(&mut first).unwrap();
        two.read_to_string(&mut second).unwrap();
        one.read_to_string(&mut first).unwrap();
        assert_eq!((first.as_str(), second.as_str()), ("23456789", "789"));
        assert_eq!(file.get_bytes(4, 2).unwrap(), "45");
        assert!(file.get_bytes(9, 2).is_err());
        assert_eq!(file.len(), 10);
    }
}
