//! A body too large for memory, in a temporary file that has no name: it is gone with its last reader, however the process ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

/// A body in a file, decompressed, without a byte order mark of UTF-8.
#[derive(Debug)]
pub(crate) struct SpooledBody {
    file: Arc<File>,
    /// Where it begins in the file.
    start: u64,
    bytes: u64,
    /// Most bytes of a body that has to be in memory as a whole.
    whole_max: u64,
}

impl SpooledBody {
    /// The body in `file` from byte `start` to byte `end`.
    pub(crate) fn new(file: Arc<File>, start: u64, end: u64, whole_max: u64) -> Self {
        Self { file, start, bytes: end.saturating_sub(start), whole_max }
    }

    /// Its length.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Most bytes of a body that has to be in memory as a whole.
    pub(crate) fn whole_max(&self) -> u64 {
        self.whole_max
    }

    /// At most `bytes` bytes from byte `at` on; fewer only at the end.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn read(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let there = usize::try_from(self.bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut read = vec![0; bytes.min(there)];
        self.file.read_exact_at(&mut read, self.start + at)?;
        Ok(read)
    }

    /// The body in memory; `None` when it is larger than that is allowed for.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn whole(&self) -> io::Result<Option<Bytes>> {
        if self.bytes > self.whole_max {
            return Ok(None);
        }
        Ok(Some(Bytes::from(self.read(0, usize::try_from(self.bytes).unwrap_or(usize::MAX))?)))
    }
}
