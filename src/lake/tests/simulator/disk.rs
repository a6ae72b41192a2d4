//! A disk: the steps that the real [`crate::lake::disk::Disk`] makes of each call, in memory.
//!
//! In: a store's calls. Out: what the real one would answer. What is one system call there is one step here, so that an actor can be
//! interrupted between any two of them: a file is recognised, then moved; a link is made, then the staged name goes;
//! a folder is emptied file by file; a swap reads, then writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::schedule::Sim;
use super::world::World;
use crate::lake::spool::Spool;
use crate::lake::store::{Before, Blob, Found, Handle, Published, Spooled, Store, Target};
use crate::lake::{LakeError, LiveFiles, NoLiveFiles};

/// The disk.
#[derive(Debug)]
pub(super) struct SimDisk {
    pub(super) sim: Arc<Sim>,
    /// Where the run's rows wait, outside the simulation.
    pub(super) spool: PathBuf,
}

/// What a staged file is going to do.
enum Move {
    /// Become visible by a second name.
    Link,
    /// Take the place of this file.
    Rename(u64),
    /// Lose its staged name: it is in its place.
    Unlink,
}

pub(super) fn checksum(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}

fn failed(action: &'static str, path: &str, why: &str) -> LakeError {
    LakeError::of_disk(action, Path::new(path), std::io::Error::other(why.to_owned()))
}

impl SimDisk {
    async fn step<T>(&self, verb: &'static str, path: &str, effect: impl FnMut(&mut World) -> T) -> Result<T, LakeError> {
        let mut effect = effect;
        self.sim.request(verb, path, || failed(verb, path, "the simulator's error"), |world| Ok(effect(world))).await
    }

    /// What is staged and what lies in the place, looked at before anything is moved.
    fn look(world: &World, staged: &str, target: &Target) -> Result<Move, Published> {
        let Some(file) = world.files.get(staged) else { return Err(Published::Gone) };
        let is_other = !target.checksum.is_empty() && checksum(&file.bytes) != target.checksum;
        if file.bytes.len() as u64 != target.bytes || is_other {
            return Err(Published::Damaged(staged.to_owned()));
        }
        let Some(there) = world.files.get(&target.path) else { return Ok(Move::Link) };
        match &target.before {
            _ if there.id == file.id => Ok(Move::Unlink),
            Before::Anything => Ok(Move::Rename(there.id)),
            Before::File { bytes, checksum: known, .. }
                if there.bytes.len() as u64 == *bytes && (known.is_empty() || checksum(&there.bytes) == *known) =>
            {
                Ok(Move::Rename(there.id))
            }
            Before::Nothing | Before::File { .. } => Err(Published::Taken),
        }
    }

    /// Moves the staged file as it was decided; whether its staged name is left.
    fn place(world: &mut World, staged: &str, target: &Target, step: &Move) -> Result<bool, Published> {
        let Some(file) = world.files.get(staged).cloned() else { return Err(Published::Gone) };
        let there = world.files.get(&target.path).map(|there| there.id);
        match (step, there) {
            (_, Some(there)) if there == file.id => Ok(true),
            (Move::Link | Move::Unlink, Some(_)) => Err(Published::Taken),
            (Move::Rename(known), there) if there != Some(*known) => Err(Published::Taken),
            (Move::Link | Move::Unlink, None) => {
                world.place(&target.path, file);
                Ok(true)
            }
            (Move::Rename(_), _) => {
                world.files.remove(staged);
                world.place(&target.path, file);
                Ok(false)
            }
        }
    }
}

#[async_trait]
impl Store for SimDisk {
    fn place(&self, path: &str) -> String {
        path.to_owned()
    }

    fn root(&self) -> Option<&Path> {
        Some(Path::new(""))
    }

    fn live_files(&self) -> Arc<dyn LiveFiles> {
        Arc::new(NoLiveFiles)
    }

    async fn spool(&self, staging: &str, run: &str) -> Result<Spool, LakeError> {
        self.step("make", staging, |world| world.folders.insert(staging.to_owned())).await?;
        Ok(Spool::at(run.into()))
    }

    async fn get(&self, path: &str) -> Result<Option<Blob>, LakeError> {
        let read = |world: &mut World| world.files.get(path).map(|file| Blob { bytes: file.bytes.to_vec(), etag: None });
        self.step("read", path, read).await
    }

    async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, LakeError> {
        let bytes = Bytes::from(bytes);
        let create = |world: &mut World| {
            let is_free = !world.files.contains_key(path);
            if is_free {
                world.write(path, bytes.clone());
            }
            is_free
        };
        self.step("create", path, create).await
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        let bytes = Bytes::from(bytes);
        self.step("write", path, |world| world.write(path, bytes.clone())).await.map(drop)
    }

    async fn swap(&self, path: &str, known: &Blob, bytes: Vec<u8>) -> Result<bool, LakeError> {
        let is_known = |world: &mut World| world.files.get(path).is_some_and(|file| file.bytes == known.bytes);
        if !self.step("read", path, is_known).await? {
            return Ok(false);
        }
        self.put(path, bytes).await.map(|()| true)
    }

    async fn list(&self, folder: &str) -> Result<Vec<Found>, LakeError> {
        let mut found = self.step("list", folder, |world| world.below(folder, "")).await?;
        // A folder that is read while it changes may show some of the changes.
        if found.len() > 1 && self.sim.state().rng.u8(..8) == 0 {
            found.truncate(found.len() / 2);
            let after = found.last().map(|found| found.path.clone()).unwrap_or_default();
            found.extend(self.step("list on", folder, |world| world.below(folder, &after)).await?);
        }
        Ok(found)
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, LakeError> {
        let prefix = format!("{folder}/");
        let name = |path: &str| path.strip_prefix(&prefix).and_then(|rest| rest.split('/').next()).map(str::to_owned);
        let read = |world: &mut World| {
            let files = world.files.keys().filter(|path| path.strip_prefix(&prefix).is_some_and(|rest| rest.contains('/')));
            let mut names: Vec<String> = files.chain(&world.folders).filter_map(|path| name(path)).collect();
            names.sort();
            names.dedup();
            names
        };
        self.step("list", folder, read).await
    }

    async fn head(&self, path: &str) -> Result<Option<Found>, LakeError> {
        let look = |world: &mut World| {
            world.files.get(path).map(|file| Found { path: path.to_owned(), bytes: file.bytes.len() as u64, etag: None })
        };
        self.step("head", path, look).await
    }

    async fn holds(&self, path: &str, bytes: u64, known: &str) -> Result<bool, LakeError> {
        let read = |world: &mut World| {
            let is_it = |there: &Bytes| there.len() as u64 == bytes && (known.is_empty() || checksum(there) == known);
            world.files.get(path).is_some_and(|file| is_it(&file.bytes))
        };
        self.step("hash", path, read).await
    }

    async fn keep(&self, from: &Found, to: &str) -> Result<(), LakeError> {
        let is_it = |world: &mut World| world.files.get(&from.path).is_some_and(|file| file.bytes.len() as u64 == from.bytes);
        if !self.step("head", &from.path, is_it).await? {
            return Ok(());
        }
        let link = |world: &mut World| {
            if let Some(file) = world.files.get(&from.path).cloned().filter(|_| !world.files.contains_key(to)) {
                world.place(to, file);
            }
        };
        self.step("link", to, link).await
    }

    async fn fetch(&self, from: &str, to: &Path) -> Result<(), LakeError> {
        let bytes = self.step("link", from, |world| world.files.get(from).map(|file| file.bytes.clone())).await?;
        let bytes = bytes.ok_or_else(|| failed("read", from, "no such file"))?;
        std::fs::write(to, bytes).map_err(|source| LakeError::of_disk("write", to, source))
    }

    async fn remove(&self, path: &str) -> Result<(), LakeError> {
        self.step("delete", path, |world| world.remove(path)).await.map(drop)
    }

    async fn clear(&self, folder: &str, _published: bool) -> Result<(), LakeError> {
        for found in self.step("list", folder, |world| world.below(folder, "")).await? {
            self.remove(&found.path).await?;
        }
        self.step("delete", folder, |world| world.folders.remove(folder)).await.map(drop)
    }

    async fn sweep(&self, _folder: &str) -> Result<(), LakeError> {
        Ok(())
    }

    async fn stage(&self, staging: &str, files: &[Spooled]) -> Result<Vec<Handle>, LakeError> {
        let mut handles = Vec::with_capacity(files.len());
        for file in files {
            let bytes = Bytes::from(std::fs::read(&file.from).map_err(|source| LakeError::of_disk("sync", &file.from, source))?);
            let name = file.from.strip_prefix(&self.spool).ok().and_then(Path::to_str);
            let name = name.ok_or_else(|| failed("sync", staging, "not in the spool"))?;
            let path = format!("{staging}/{name}");
            // The run's spool is its staging: where that was cleared, nothing is staged.
            let sync = |world: &mut World| world.folders.contains(staging).then(|| world.write(&path, bytes.clone()));
            if self.step("sync", &path, sync).await?.is_none() {
                return Err(failed("sync", &path, "no such file"));
            }
            handles.push(Handle::Staged(path));
        }
        Ok(handles)
    }

    async fn publish(&self, handle: &Handle, target: &Target) -> Result<Published, LakeError> {
        let Handle::Staged(staged) = handle else { return Err(LakeError::WrongHandle { place: target.path.clone() }) };
        let step = match self.step("look", &target.path, |world| Self::look(world, staged, target)).await? {
            Ok(step) => step,
            Err(published) => return Ok(published),
        };
        let is_left = match self.step("move", &target.path, |world| Self::place(world, staged, target, &step)).await? {
            Ok(is_left) => is_left,
            Err(published) => return Ok(published),
        };
        if is_left {
            self.remove(staged).await?;
        }
        Ok(Published::Done(None))
    }

    async fn settle(&self, _paths: &[String]) -> Result<(), LakeError> {
        Ok(())
    }
}
