//! The changes of a run as they come together, and the table as it will be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rayon::prelude::*;

use crate::lake::parquet::FinishedFile;
use crate::lake::stage::files::NewFile;
use crate::lake::{DataFile, FileChange, LakeError, PartitionId, Partitioner, TableState};

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

    /// Puts `new` files, those of a partition behind each other, in the place of all live ones. A file keeps its name where a live
    /// one of its partition has it, so that a partition of one file switches at once; one with the bytes of the live one is left.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn replace_all(&mut self, table: &str, partitioner: &Partitioner, new: Vec<NewFile>) -> Result<(), LakeError> {
        let mut live: BTreeMap<String, VecDeque<DataFile>> = BTreeMap::new();
        for file in &self.state.files {
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            live.entry(folder.to_owned()).or_default().push_back(file.clone());
        }
        for new in new {
            let folder = folder_of(table, partitioner, new.partition);
            match live.get_mut(&folder).and_then(VecDeque::pop_front) {
                Some(old) if old.bytes == new.file.bytes && old.checksum == new.file.checksum => new.file.remove()?,
                Some(old) => self.replace(&old, new.file),
                None => self.add(table, partitioner, new),
            }
        }
        for old in live.into_values().flatten() {
            self.delete(&old);
        }
        Ok(())
    }

    fn place_of(&self, file: &DataFile) -> Option<usize> {
        self.state.files.binary_search_by(|live| live.path.cmp(&file.path)).ok()
    }

    /// How many partitions change.
    pub(crate) fn partitions(&self) -> usize {
        let path = |change: &'_ FileChange| match change {
            FileChange::Put { file, .. } | FileChange::Delete { file } => {
                file.path.rsplit_once('/').map(|(folder, _)| folder.to_owned())
            }
        };
        self.changes.iter().map(path).collect::<BTreeSet<_>>().len()
    }

    /// Leaves a file as it is that the table had.
    pub(crate) fn keep(&mut self, file: DataFile) {
        let at = self.state.files.partition_point(|other| other.path < file.path);
        self.state.files.insert(at, file);
    }

    /// Deletes a live file.
    pub(crate) fn delete(&mut self, file: &DataFile) {
        if let Some(at) = self.place_of(file) {
            self.state.files.remove(at);
        }
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
        if let Some(at) = self.place_of(file) {
            self.state.files[at] = replacement.clone();
        }
        self.changes.push(FileChange::Put { file: replacement, spooled: new.path, replaces: Some(file.clone()) });
    }

    /// Adds a new file under the next number.
    pub(crate) fn add(&mut self, table: &str, partitioner: &Partitioner, new: NewFile) {
        let (folder, partition) = (folder_of(table, partitioner, new.partition), partitioner.values(new.partition));
        let path = format!("{folder}/part-{:06}.parquet", self.state.next_number);
        self.state.next_number += 1;
        let rows = new.file.rows();
        let file = DataFile { path, partition, rows, bytes: new.file.bytes, etag: None, checksum: new.file.checksum };
        self.keep(file.clone());
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

/// A partition's folder below the lake's root.
fn folder_of(table: &str, partitioner: &Partitioner, partition: PartitionId) -> String {
    match partitioner.folder(partition) {
        folder if folder.is_empty() => table.to_owned(),
        folder => format!("{table}/{folder}"),
    }
}
