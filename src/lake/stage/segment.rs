//! A segment: rows of one partition, in order of arrival, under one physical schema, as a Parquet file in the spool.
//!
//! In: batches of a [`TableSchema`]. Out: a finished file, which is a data file as it stands when nothing about it has to be
//! repaired, and the spelling of its values. Invariant: rows are numbered from 0 as they are appended, also where the order
//! inside a row group differs; [`Segment::physical_rows`] tells the one from the other.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::decode::SpellingLog;
use crate::lake::parquet::FinishedFile;
use crate::lake::{LakeError, PartitionId};
use crate::merge::RowSet;
use crate::schema::TableSchema;

/// A closed segment.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Which partition its rows belong to.
    pub(crate) partition: PartitionId,
    /// The types its values were written as.
    pub(crate) schema: Arc<TableSchema>,
    /// The file.
    pub(crate) file: FinishedFile,
    /// How values were spelled.
    pub(crate) spellings: SegmentSpellings,
    /// Where sorting moved rows, if anything was sorted.
    pub(crate) order: Option<OrderFile>,
}

impl Segment {
    /// The rows as they stand in the file, given their numbers of arrival.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn physical_rows(&self, arrived: &RowSet) -> Result<RowSet, LakeError> {
        match &self.order {
            Some(order) if !arrived.is_empty() => {
                let mut physical = RowSet::default();
                let mut next = 0;
                order.each(|row| {
                    if arrived.contains(row) {
                        physical.insert(next);
                    }
                    next += 1;
                })?;
                Ok(physical)
            }
            _ => Ok(arrived.clone()),
        }
    }
}

/// How a closed segment's values were spelled: in memory, or on disk, where it is removed when dropped.
#[derive(Debug)]
pub(crate) enum SegmentSpellings {
    /// In memory.
    Kept(SpellingLog),
    /// In a file.
    Spilled(SpilledSpellings),
}

/// The file of a log that is too large to be kept.
#[derive(Debug)]
pub(crate) struct SpilledSpellings {
    path: PathBuf,
}

impl SegmentSpellings {
    /// Writes the log to the new file `path`.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn spill(log: &SpellingLog, path: PathBuf) -> Result<Self, LakeError> {
        let written = File::create_new(&path).and_then(|file| {
            let mut file = BufWriter::new(file);
            log.write(&mut file)?;
            file.flush()
        });
        match written {
            Ok(()) => Ok(Self::Spilled(SpilledSpellings { path })),
            Err(source) => Err(LakeError::Disk { action: "write", path, source }),
        }
    }

    /// The log.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn load(&self) -> Result<Cow<'_, SpellingLog>, LakeError> {
        match self {
            Self::Kept(log) => Ok(Cow::Borrowed(log)),
            Self::Spilled(SpilledSpellings { path }) => {
                let read = File::open(path).and_then(|file| SpellingLog::read(BufReader::new(file)));
                read.map(Cow::Owned).map_err(|source| LakeError::Disk { action: "read", path: path.clone(), source })
            }
        }
    }
}

impl Drop for SpilledSpellings {
    fn drop(&mut self) {
        // A file that stays behind lies in the spool, which is cleared with the run.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// For each row of a sorted segment as it stands in the file, its number of arrival; on disk, removed when dropped.
#[derive(Debug)]
pub(crate) struct OrderFile {
    path: PathBuf,
    file: File,
}

impl OrderFile {
    /// Creates the file.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn create(path: PathBuf) -> Result<Self, LakeError> {
        match File::create_new(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(LakeError::Disk { action: "create", path, source }),
        }
    }

    /// Appends arrival numbers, in the file's order.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn append(&mut self, rows: impl Iterator<Item = u32>) -> Result<(), LakeError> {
        let bytes: Vec<u8> = rows.flat_map(u32::to_le_bytes).collect();
        self.file.write_all(&bytes).map_err(|source| self.failed("write", source))
    }

    /// Hands every arrival number to `take`, in the file's order.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn each(&self, mut take: impl FnMut(u32)) -> Result<(), LakeError> {
        let mut reader = BufReader::new(File::open(&self.path).map_err(|source| self.failed("open", source))?);
        let mut row = [0; 4];
        loop {
            match reader.read_exact(&mut row) {
                Ok(()) => take(u32::from_le_bytes(row)),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(self.failed("read", error)),
            }
        }
    }

    fn failed(&self, action: &'static str, source: std::io::Error) -> LakeError {
        LakeError::Disk { action, path: self.path.clone(), source }
    }
}

impl Drop for OrderFile {
    fn drop(&mut self) {
        // A file that stays behind lies in the spool, which is cleared with the run.
        let _ = std::fs::remove_file(&self.path);
    }
}
