//! The edits of a run as they come together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;

use rayon::prelude::*;

use crate::lake::parquet::FinishedFile;
use crate::lake::{DataFile, Edit, LakeError, NewFile};

/// Edits so far.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<Edit>);

impl Edits {
    /// Puts `new` files in the place of all `live` ones. Where a live one of its partition is left, a file replaces that, so that a
    /// partition of one file switches at once; one with the bytes of the live one is left. Without `same_levels`, the live ones are
    /// partitioned otherwise, and no partition is one of theirs.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn replace_all(&mut self, live: &[DataFile], new: Vec<NewFile>, same_levels: bool) -> Result<(), LakeError> {
        let mut left: BTreeMap<&[Option<String>], VecDeque<&DataFile>> = BTreeMap::new();
        for file in live {
            left.entry(&file.partition).or_default().push_back(file);
        }
        for new in new {
            let old = left.get_mut(new.partition.as_slice()).filter(|_| same_levels);
            match old.and_then(VecDeque::pop_front) {
                Some(old) if old.bytes == new.bytes && old.checksum == new.checksum => {
                    let removed = std::fs::remove_file(&new.spooled);
                    removed.map_err(|source| LakeError::Disk { action: "remove", path: new.spooled, source })?;
                }
                Some(old) => self.0.push(Edit::Replace { old: old.clone(), new }),
                None => self.add(new),
            }
        }
        let mut left: Vec<&DataFile> = left.into_values().flatten().collect();
        left.sort_by(|a, b| a.path.cmp(&b.path));
        left.into_iter().for_each(|old| self.remove(old));
        Ok(())
    }

    /// A live file's rows go.
    pub(crate) fn remove(&mut self, live: &DataFile) {
        self.0.push(Edit::Remove(live.clone()));
    }

    /// A live file gets another content.
    pub(crate) fn replace(&mut self, live: &DataFile, new: FinishedFile) {
        self.0.push(Edit::Replace { old: live.clone(), new: NewFile::new(live.partition.clone(), new) });
    }

    /// A new file comes.
    pub(crate) fn add(&mut self, new: NewFile) {
        self.0.push(Edit::Add(new));
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Edit] {
        &self.0
    }

    /// How many partitions change.
    pub(crate) fn partitions(&self) -> usize {
        self.0.iter().map(Edit::partition).collect::<BTreeSet<_>>().len()
    }

    /// All of them, their files durable where the lake is.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn finish(self, is_durable: bool) -> Result<Vec<Edit>, LakeError> {
        if !is_durable {
            return Ok(self.0);
        }
        self.0.par_iter().filter_map(Edit::new_file).try_for_each(|new| {
            let synced = File::open(&new.spooled).and_then(|file| file.sync_all());
            synced.map_err(|source| LakeError::Disk { action: "sync", path: new.spooled.clone(), source })
        })?;
        Ok(self.0)
    }
}
