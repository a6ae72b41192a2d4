//! Planted faults: what a store or a protocol could do wrong, so that the oracle can be seen to find it.
//!
//! In: the calls of the protocol. Out: the same calls, of which one kind is done wrong. Without a [`Plant`] everything is passed on. The
//! protocol itself has no switch: what it would do wrong is done here, when the call comes by which it can be told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::disk::checksum;
use super::schedule::Sim;
use crate::lake::claim::Claims;
use crate::lake::log::{Action, Change, Commit, Purpose, to_json};
use crate::lake::spool::Spool;
use crate::lake::store::{Before, Blob, Found, Handle, Published, Spooled, Store, Target};
use crate::lake::{LakeError, Layout, LiveFiles, NoLiveFiles};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Plant {
    /// A commit is written over another one: the store ignores the condition, or the run trusts its lease.
    CommitOverwrites,
    /// A handle works every time: publishing copies.
    HandleWorksAgain,
    /// A claim is written over another one.
    ClaimOverwrites,
    /// The run that is cleaned away is not fenced.
    NoFence,
    /// A collection takes what is kept to undo the newest commits.
    CollectsTooMuch,
    /// Files are published before there is a commit.
    PublishBeforeCommit,
    /// Files are deleted as soon as there is a commit.
    DeleteBeforePut,
    /// Old files are replaced before new ones are put.
    ReplaceBeforeNew,
    /// A commit is noted as published before its files are put.
    DoneBeforePut,
    /// A claim goes with the commit, not behind the files.
    ReleaseBeforeDelete,
    /// A commit does not have the state.
    StateApart,
    /// What is replaced is taken away first.
    TakeAwayFirst,
    /// A file grows in its place.
    HalfFile,
    /// Nothing is kept.
    KeepNothing,
    /// Last night is kept when it was replaced already.
    KeepTooLate,
    /// The staging of other runs is emptied before it is looked at what they committed.
    ClearBeforeRecover,
    /// Manifests are written after the commit.
    ManifestAfterCommit,
    /// Nobody sees the lease of another. No fault: see [`super::tests`].
    EverybodyHasTheLease,
}

/// All of them.
pub(super) const PLANTS: [Plant; 17] = [
    Plant::CommitOverwrites,
    Plant::HandleWorksAgain,
    Plant::ClaimOverwrites,
    Plant::NoFence,
    Plant::CollectsTooMuch,
    Plant::PublishBeforeCommit,
    Plant::DeleteBeforePut,
    Plant::ReplaceBeforeNew,
    Plant::DoneBeforePut,
    Plant::ReleaseBeforeDelete,
    Plant::StateApart,
    Plant::TakeAwayFirst,
    Plant::HalfFile,
    Plant::KeepNothing,
    Plant::KeepTooLate,
    Plant::ClearBeforeRecover,
    Plant::ManifestAfterCommit,
];

/// A store with a planted fault, or none, for one run.
#[derive(Debug)]
pub(super) struct Planted {
    pub(super) inner: Arc<dyn Store>,
    pub(super) sim: Arc<Sim>,
    pub(super) plant: Option<Plant>,
    /// Where the run's rows wait.
    pub(super) spool: std::path::PathBuf,
    pub(super) pipeline: String,
    /// What is going to be done late.
    pub(super) late: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Planted {
    fn is(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    fn is_own_lease(&self, path: &str) -> bool {
        self.is(Plant::EverybodyHasTheLease) && path.ends_with("/lease.json")
    }

    /// Creates a commit, with what is wrong around it.
    async fn create_commit(&self, path: &str, bytes: Vec<u8>) -> Result<bool, LakeError> {
        let Ok(mut commit) = serde_json::from_slice::<Commit>(&bytes) else { return self.inner.create(path, bytes).await };
        let layout = Layout::new(&self.pipeline);
        match self.plant {
            Some(Plant::CommitOverwrites) => return self.inner.put(path, bytes).await.map(|()| true),
            Some(Plant::NoFence) if !commit.fences.is_empty() => commit.fences = vec!["nobody".to_owned()],
            Some(Plant::PublishBeforeCommit) => {
                self.publish_those(&commit, |change| change.action == Action::Put).await?;
            }
            Some(Plant::StateApart) if commit.purpose == Purpose::Run && commit.fences.is_empty() => commit.state.clear(),
            _ => {}
        }
        if !self.inner.create(path, to_json(&commit)).await? {
            return Ok(false);
        }
        match self.plant {
            Some(Plant::DeleteBeforePut) => {
                for change in commit.files.iter().filter(|change| change.action == Action::Delete) {
                    self.inner.remove(&change.path).await?;
                }
            }
            Some(Plant::ReplaceBeforeNew) => self.publish_those(&commit, |change| change.replaces.is_some()).await?,
            Some(Plant::DoneBeforePut) => {
                self.inner.create(&layout.done(commit.version), br#"{"format":1,"etags":{}}"#.to_vec()).await?;
            }
            Some(Plant::ReleaseBeforeDelete) => {
                for table in &commit.released {
                    Claims { store: &*self.inner, layout: &layout }.release(table, (commit.version, 0)).await?;
                }
            }
            Some(Plant::ManifestAfterCommit) => {
                let late = std::mem::take(&mut *self.late.lock().unwrap());
                for (path, bytes) in late {
                    self.inner.create(&path, bytes).await?;
                }
            }
            _ => {}
        }
        Ok(true)
    }

    /// Publishes some files of a commit, whatever the protocol does.
    async fn publish_those(&self, commit: &Commit, which: impl Fn(&Change) -> bool) -> Result<(), LakeError> {
        for change in commit.files.iter().filter(|change| which(change)) {
            let Some(handle) = &change.handle else { continue };
            let (path, bytes, checksum) = (change.path.clone(), change.bytes, String::new());
            self.inner.publish(handle, &Target { path, bytes, checksum, before: Before::Anything }).await?;
        }
        Ok(())
    }

    /// What was published by a handle, to do it again.
    fn remembered(&self, handle: &Handle, target: &Target) -> Option<Vec<u8>> {
        let world = &self.sim.state().world;
        match handle {
            Handle::Upload { id, .. } => {
                Some(world.uploads.get(id)?.parts.values().flatten().copied().collect()).filter(|_| !target.path.is_empty())
            }
            Handle::Staged(_) => world.oracle.known_content(&target.checksum).map(|text| text.as_bytes().to_vec()),
        }
    }
}

#[async_trait]
impl Store for Planted {
    fn place(&self, path: &str) -> String {
        self.inner.place(path)
    }

    fn root(&self) -> Option<&Path> {
        self.inner.root()
    }

    fn live_files(&self) -> Arc<dyn LiveFiles> {
        Arc::new(NoLiveFiles)
    }

    /// On a disk the spool is a folder of the lake; its rows wait outside the simulation.
    async fn spool(&self, staging: &str, run: &str) -> Result<Spool, LakeError> {
        if self.root().is_some() {
            self.inner.spool(staging, run).await?;
        }
        std::fs::create_dir_all(&self.spool).map_err(|source| LakeError::of_disk("make", &self.spool, source))?;
        Ok(Spool::at(self.spool.clone()))
    }

    async fn get(&self, path: &str) -> Result<Option<Blob>, LakeError> {
        if self.is_own_lease(path) {
            return Ok(self.late.lock().unwrap().get(path).map(|bytes| Blob { bytes: bytes.clone(), etag: None }));
        }
        self.inner.get(path).await
    }

    async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, LakeError> {
        if self.is_own_lease(path) {
            self.late.lock().unwrap().insert(path.to_owned(), bytes);
            return Ok(true);
        }
        if path.contains("/log/") && path.ends_with(".json") {
            return self.create_commit(path, bytes).await;
        }
        if self.is(Plant::ClaimOverwrites) && path.contains("/_tables/") {
            return self.inner.put(path, bytes).await.map(|()| true);
        }
        if self.is(Plant::ManifestAfterCommit) && path.contains("/manifest/") {
            self.late.lock().unwrap().insert(path.to_owned(), bytes);
            return Ok(true);
        }
        self.inner.create(path, bytes).await
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        self.inner.put(path, bytes).await
    }

    async fn swap(&self, path: &str, known: &Blob, bytes: Vec<u8>) -> Result<bool, LakeError> {
        if self.is_own_lease(path) {
            return self.create(path, bytes).await;
        }
        self.inner.swap(path, known, bytes).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Found>, LakeError> {
        if self.is(Plant::ClearBeforeRecover) && folder.ends_with("/log") {
            let layout = Layout::new(&self.pipeline);
            for run in self.inner.folders(&layout.stagings()).await? {
                self.inner.clear(&layout.staging(&run), false).await?;
            }
        }
        self.inner.list(folder).await
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, LakeError> {
        self.inner.folders(folder).await
    }

    async fn head(&self, path: &str) -> Result<Option<Found>, LakeError> {
        self.inner.head(path).await
    }

    async fn holds(&self, path: &str, bytes: u64, checksum: &str) -> Result<bool, LakeError> {
        self.inner.holds(path, bytes, checksum).await
    }

    async fn keep(&self, from: &Found, to: &str) -> Result<(), LakeError> {
        match self.plant {
            Some(Plant::KeepNothing) => Ok(()),
            Some(Plant::KeepTooLate) => {
                self.late.lock().unwrap().insert(from.path.clone(), to.as_bytes().to_vec());
                Ok(())
            }
            _ => self.inner.keep(from, to).await,
        }
    }

    async fn fetch(&self, from: &str, to: &Path) -> Result<(), LakeError> {
        let blob = self.inner.get(from).await?;
        let failed = |source| LakeError::of_disk("read", to, source);
        let blob = blob.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        std::fs::write(to, blob.bytes).map_err(failed)
    }

    async fn remove(&self, path: &str) -> Result<(), LakeError> {
        self.inner.remove(path).await
    }

    async fn clear(&self, folder: &str, published: bool) -> Result<(), LakeError> {
        self.inner.clear(folder, published).await
    }

    async fn sweep(&self, folder: &str) -> Result<(), LakeError> {
        self.inner.sweep(folder).await
    }

    async fn stage(&self, staging: &str, files: &[Spooled]) -> Result<Vec<Handle>, LakeError> {
        self.inner.stage(staging, files).await
    }

    async fn publish(&self, handle: &Handle, target: &Target) -> Result<Published, LakeError> {
        if self.is(Plant::TakeAwayFirst) && matches!(target.before, Before::File { .. }) {
            self.inner.remove(&target.path).await?;
        }
        if self.is(Plant::HalfFile) && target.before == Before::Nothing && self.inner.head(&target.path).await?.is_none() {
            self.inner.put(&target.path, b"PAR".to_vec()).await?;
            self.inner.remove(&target.path).await?;
        }
        let published = self.inner.publish(handle, target).await?;
        if self.is(Plant::KeepTooLate)
            && let Some(to) = { self.late.lock().unwrap().remove(&target.path) }
            && let Some(found) = self.inner.head(&target.path).await?
        {
            self.inner.keep(&found, &String::from_utf8_lossy(&to)).await?;
        }
        if self.is(Plant::HandleWorksAgain) && matches!(published, Published::Gone | Published::Taken) {
            let Some(bytes) = self.remembered(handle, target).filter(|bytes| !checksum(bytes).is_empty()) else {
                return Ok(published);
            };
            self.inner.put(&target.path, bytes).await?;
            return Ok(Published::Done(None));
        }
        Ok(published)
    }

    async fn has_upload(&self, path: &str, id: &str) -> Result<Option<bool>, LakeError> {
        self.inner.has_upload(path, id).await
    }

    async fn drop_upload(&self, path: &str, id: &String) -> Result<(), LakeError> {
        self.inner.drop_upload(path, id).await
    }

    async fn settle(&self, paths: &[String]) -> Result<(), LakeError> {
        self.inner.settle(paths).await
    }
}
