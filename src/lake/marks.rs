//! Marks of records that the next run may meet again, in a file of their own beside the log: the state in the commit names it.
//!
//! Invariants: a file is written before the commit that names it, under a name that no other run uses, and is removed only by a run that has
//! committed another state of its resource, and once no version that can come back names it. A run that is killed leaves at most a file that nothing names; the next one that commits the
//! resource removes it.

use std::collections::BTreeSet;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::lake::log::read_commit;
use crate::lake::store::Found;
use crate::lake::{Lake, LakeError, View};

impl Lake {
    /// Keeps the marks of `resource`, and returns the name under which [`View::marks`] finds them.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn keep_marks(&self, resource: &str, marks: Vec<u8>) -> Result<String, LakeError> {
        let name = format!("{}{}-{:016x}.bin", prefix(resource), self.run, xxh3_64(&marks));
        if !self.is_dry {
            self.store.put(&self.layout.marks(&name), marks).await?;
        }
        Ok(name)
    }

    /// The marks that there are, to be listed before a commit for [`Lake::sweep_marks`] behind it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn all_marks(&self) -> Result<Vec<Found>, LakeError> {
        self.store.list(&self.layout.marks_folder()).await
    }

    /// Removes those marks of `resource` that neither its committed state names nor that of a version that can come back; `named` tells
    /// the name in a state. Only what was `listed` before the commit goes: what came later is another run's, should this one have slept.
    ///
    /// # Errors
    /// The store's; the next run that commits the resource tries again.
    pub(crate) async fn sweep_marks(
        &self,
        resource: &str,
        listed: &[Found],
        named: impl Fn(&Value) -> Option<&str>,
    ) -> Result<(), LakeError> {
        let Some(archive) = self.archive() else { return Ok(()) };
        let oldest = archive.oldest_undoable(self.keep_versions).await?;
        // Its own commit may be collected by now, should this run have slept; the state that it made may be the newest still.
        let own = self.view().state(resource).and_then(&named).map(str::to_owned);
        let mut kept: BTreeSet<String> = own.into_iter().collect();
        for version in oldest.saturating_sub(1).max(1)..archive.newest() {
            let commit = read_commit(&*self.store, &self.layout, version).await?;
            let state = commit.as_ref().and_then(|commit| commit.state.get(resource));
            kept.extend(state.and_then(&named).map(str::to_owned));
        }
        let prefix = prefix(resource);
        for found in listed {
            let name = found.path.rsplit('/').next().unwrap_or_default();
            if name.starts_with(&prefix) && !kept.contains(name) {
                self.store.remove(&found.path).await?;
            }
        }
        Ok(())
    }
}

impl View<'_> {
    /// The marks kept under `name`; `None` when they are gone, or the name is none that this room gives.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn marks(&self, resource: &str, name: &str) -> Result<Option<Vec<u8>>, LakeError> {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
        if !is_plain || !name.starts_with(&prefix(resource)) {
            return Ok(None);
        }
        Ok(self.store.get(&self.layout.marks(name)).await?.map(|blob| blob.bytes.to_vec()))
    }

    /// The marks that a rollback to `version` brings back, whole.
    ///
    /// # Errors
    /// [`LakeError::MarksGone`], [`LakeError::Damaged`]; the store's.
    pub(crate) async fn whole_marks(&self, version: u64, resource: &str, name: &str) -> Result<Vec<u8>, LakeError> {
        let place = self.store.place(&self.layout.marks(name));
        match self.marks(resource, name).await? {
            None => Err(LakeError::MarksGone { version, place, kept: version..=version }),
            Some(marks) if !have_same_content(&format!("-{:016x}.bin", xxh3_64(&marks)), name) => {
                Err(LakeError::Damaged { table: None, place })
            }
            Some(marks) => Ok(marks),
        }
    }
}

/// Whether two names are of marks with the same content.
pub(crate) fn have_same_content(one: &str, other: &str) -> bool {
    one.rsplit('-').next() == other.rsplit('-').next()
}

/// What the names of a resource's files begin with: its own name may hold anything.
fn prefix(resource: &str) -> String {
    format!("{:016x}-", xxh3_64(resource.as_bytes()))
}
