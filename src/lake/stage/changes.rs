//! The changes of a run as they come together, and the table as it will be.

use rayon::prelude::*;

use crate::lake::parquet::FinishedFile;
use crate::lake::stage::files::NewFile;
use crate::lake::{DataFile, FileChange, LakeError, Partitioner, TableState};

/// Changes so far.
pub(crate) struct Changes {
    /// The table afterwards.
    pub(crate) state: TableState,
    /// The changes.
    pub(crate) changes: Vec<FileChange>,
}

impl Changes {
    /// None yet.
    pub(crate) fn new(existing: TableState) -> Self {
        Self { state: existing, changes: Vec::new() }
    }

    /// Deletes all live files.
    pub(crate) fn delete_all(&mut self) {
        let files = std::mem::take(&mut self.state.files);
        self.changes.extend(files.into_iter().map(|file| FileChange::Delete { file }));
    }

    /// Deletes a live file.
    pub(crate) fn delete(&mut self, file: &DataFile) {
        self.state.files.retain(|live| live.path != file.path);
        self.changes.push(FileChange::Delete { file: file.clone() });
    }

    /// Gives a live file another content.
    pub(crate) fn replace(&mut self, file: &DataFile, new: FinishedFile) {
        let replacement = DataFile {
            path: file.path.clone(),
            partition: file.partition.clone(),
            rows: new.rows(),
            bytes: new.bytes,
            etag: None,
            checksum: new.checksum,
        };
        for live in self.state.files.iter_mut().filter(|live| live.path == file.path) {
            *live = replacement.clone();
        }
        self.changes.push(FileChange::Put { file: replacement, spooled: new.path, replaces: Some(file.clone()) });
    }

    /// Adds a new file under the next number.
    pub(crate) fn add(&mut self, table: &str, partitioner: &Partitioner, new: NewFile) {
        let (folder, partition) = (partitioner.folder(new.partition), partitioner.values(new.partition));
        let name = format!("part-{:06}.parquet", self.state.next_number);
        self.state.next_number += 1;
        let path = if folder.is_empty() { format!("{table}/{name}") } else { format!("{table}/{folder}/{name}") };
        let rows = new.file.rows();
        let file = DataFile { path, partition, rows, bytes: new.file.bytes, etag: None, checksum: new.file.checksum };
        let at = self.state.files.partition_point(|other| other.path < file.path);
        self.state.files.insert(at, file.clone());
        self.changes.push(FileChange::Put { file, spooled: new.file.path, replaces: None });
    }

    /// Makes all spooled files durable.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn sync(&self) -> Result<(), LakeError> {
        self.changes.par_iter().try_for_each(|change| match change {
            FileChange::Put { spooled, .. } => {
                let synced = std::fs::File::open(spooled).and_then(|file| file.sync_all());
                synced.map_err(|source| LakeError::Disk { action: "sync", path: spooled.clone(), source })
            }
            FileChange::Delete { .. } => Ok(()),
        })
    }
}
