//! The world that a history plays in: what lies in the store, watched by the oracle.
//!
//! In: the effects of calls. Out: contents and facts. Every change passes [`World::write`] or [`World::remove`], and each of them shows it to
//! the oracle at once. Not here: what a call is allowed to do, which is the stores' affair.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::oracle::Oracle;
use crate::lake::Layout;
use crate::lake::log::Commit;
use crate::lake::store::{Found, Handle};

/// A file or an object.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// Of this content under whatever name: an inode, or the number in an etag.
    pub(super) id: u64,
    pub(super) bytes: Bytes,
}

/// A multipart upload.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) path: String,
    pub(super) parts: BTreeMap<usize, Bytes>,
    /// What it became.
    pub(super) completed: Option<u64>,
}

/// What is there.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) files: BTreeMap<String, File>,
    /// Folders that are there although nothing is in them.
    pub(super) folders: BTreeSet<String>,
    pub(super) uploads: BTreeMap<String, Upload>,
    next_id: u64,
    pub(super) oracle: Oracle,
}

impl World {
    /// A number that nothing else has.
    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Gives a path new content; its number.
    pub(super) fn write(&mut self, path: &str, bytes: Bytes) -> u64 {
        let id = self.new_id();
        self.place(path, File { id, bytes });
        id
    }

    /// Gives a path the content of another one, which keeps its number.
    pub(super) fn place(&mut self, path: &str, file: File) {
        let old = self.files.insert(path.to_owned(), file);
        self.oracle.changed(&self.files, path, old.as_ref());
    }

    /// Takes a path away.
    pub(super) fn remove(&mut self, path: &str) -> Option<File> {
        let old = self.files.remove(path)?;
        self.oracle.changed(&self.files, path, Some(&old));
        Some(old)
    }

    /// Loses a staged file of a pipeline's newest commit, as a bucket rule does, if that is not published and has one left.
    pub(super) fn lose_staged(&mut self, pipeline: &str) {
        let (layout, version) = (Layout::new(pipeline), self.oracle.log(pipeline).len() as u64);
        let Some(file) = self.files.get(&layout.commit(version)).filter(|_| !self.files.contains_key(&layout.done(version)))
        else {
            return;
        };
        let Ok(commit) = serde_json::from_slice::<Commit>(&file.bytes) else { return };
        for change in &commit.files {
            if self.oracle.is_taken(&change.path, pipeline, version) {
                continue;
            }
            let is_lost = match &change.handle {
                Some(Handle::Staged(path)) => self.remove(path).is_some(),
                Some(Handle::Upload { id, .. }) => self.uploads.remove(id).is_some(),
                None => false,
            };
            if is_lost {
                self.oracle.lossy.insert(pipeline.to_owned());
                return;
            }
        }
    }

    /// The paths below a folder, in order, behind `after`.
    pub(super) fn below(&self, folder: &str, after: &str) -> Vec<Found> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let files = self.files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let behind = files.filter(|(path, _)| path.as_str() > after);
        behind.map(|(path, file)| Found { path: path.clone(), bytes: file.bytes.len() as u64, etag: None }).collect()
    }
}

/// The number of a content as an etag.
pub(super) fn etag(id: u64) -> String {
    format!("e{id}")
}
