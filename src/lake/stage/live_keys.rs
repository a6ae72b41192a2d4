//! Which live rows the run's keys may be those of: files that are not ruled out are opened side by side, and their keys logged.
//!
//! In: the live files of a table, the run's keys. Out: a log of live keys, by the number of the file and the row in it; ranges of keys that footers
//! told and the manifest did not. Memory: some footers, and for each of these files so many keys of the run as [`KEYS_HELD`] says;
//! with more, one file's keys go straight to the log.

use std::collections::BTreeMap;

use crate::lake::parquet::KeyRanges;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::keys::RunKeys;
use crate::lake::stage::side_by_side::side_by_side;
use crate::lake::{DataFile, LakeError, Partitioner};
use crate::merge::KeyLog;

/// Files whose footers are held at once.
const FILES_AT_ONCE: usize = 32;

/// Keys of one file that are held until the files before it are through.
const KEYS_HELD: u64 = 16_384;

/// How live files are read.
pub(super) struct LiveKeys<'a, O> {
    pub(super) run: &'a RunKeys,
    /// Rows of the run.
    pub(super) rows_in: u64,
    pub(super) key: &'a [String],
    pub(super) partitioner: &'a Partitioner,
    /// Files that are read at once.
    pub(super) readers: usize,
    /// Opens a live file.
    pub(super) open: O,
}

/// What a look at live files told besides their keys.
#[derive(Debug, Default)]
pub(super) struct Looked<'l> {
    /// The one with most rows of those that may have keys of the run.
    pub(super) largest: Option<&'l DataFile>,
    /// Ranges of keys that footers told, and no manifest, by path.
    pub(super) key_ranges: BTreeMap<String, KeyRanges>,
}

/// A file that was looked into.
struct Seen {
    ranges: Option<KeyRanges>,
    keys: Keys,
}

enum Keys {
    /// Of the run, with the row of each.
    Held(Vec<(u128, u32)>),
    /// Still to be read.
    In(Box<Adapted>),
}

impl<O: Fn(&DataFile) -> Result<Adapted, LakeError> + Sync> LiveKeys<'_, O> {
    /// Logs the keys of live files that the run may have; files are numbered as they stand in `live`.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(super) fn log<'l>(&self, live: &'l [DataFile], log: &mut KeyLog) -> Result<Looked<'l>, LakeError> {
        let mut asked: Vec<(u32, &'l DataFile)> = Vec::new();
        for (unit, file) in (0..).zip(live) {
            if !self.run.rule_out(file, self.partitioner)? {
                asked.push((unit, file));
            }
        }
        tracing::debug!(files = live.len(), asked = asked.len(), "live files that may have keys of the run");
        let largest = asked.iter().map(|(_, file)| *file).max_by_key(|file| file.rows);
        let mut looked = Looked { largest, key_ranges: BTreeMap::new() };
        for some in asked.chunks(FILES_AT_ONCE) {
            let seen = side_by_side(some, self.readers, |(_, file)| self.look(file))?;
            for ((unit, file), seen) in some.iter().zip(seen) {
                looked.key_ranges.extend(seen.ranges.map(|ranges| (file.path.clone(), ranges)));
                match seen.keys {
                    Keys::Held(keys) => keys.iter().try_for_each(|(hash, row)| log.push(&[*hash], *unit, *row))?,
                    Keys::In(adapted) => {
                        self.read(&adapted, file, |hash, row| Ok(log.push(&[hash], *unit, row)?))?;
                    }
                }
            }
        }
        Ok(looked)
    }

    fn look(&self, file: &DataFile) -> Result<Seen, LakeError> {
        let adapted = (self.open)(file)?;
        let is_new = file.key_ranges.is_empty();
        let ranges = is_new.then(|| adapted.source().key_ranges(self.key)).filter(|ranges| !ranges.is_empty());
        if file.rows.min(self.rows_in) > KEYS_HELD {
            return Ok(Seen { ranges, keys: Keys::In(Box::new(adapted)) });
        }
        let mut keys = Vec::new();
        self.read(&adapted, file, |hash, row| {
            keys.push((hash, row));
            Ok(())
        })?;
        Ok(Seen { ranges, keys: Keys::Held(keys) })
    }

    fn read(
        &self,
        adapted: &Adapted,
        file: &DataFile,
        found: impl FnMut(u128, u32) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        self.run.find_in(adapted, &file.partition, self.key, self.partitioner, found)
    }
}
