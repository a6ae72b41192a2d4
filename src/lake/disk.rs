//! A lake in a local folder.
//!
//! Everything is written beside its name, synced and moved there: commits by hard link (created once), data by link or rename
//! (a staged file loses its name once), each followed by a sync of the folder. Blocking calls run on Tokio's blocking threads.

mod files;
mod publish;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::base::{blocking, task_point};
pub(crate) use files::{Syncs, guard, make_folder, open_regular, read_small};

use crate::lake::checksum::{ContentCheck, Verified};
use crate::lake::disk::files::{BESIDE, unless_missing, walk};
use crate::lake::layout::HOME;
use crate::lake::publish::pass;
use crate::lake::spool::Spool;
use crate::lake::store::{Blob, Found, Handle, Published, Spooled, Store, Target};
use crate::lake::{DataFile, LakeError, LiveFile, LiveFiles};

/// A lake in a local folder.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    root: PathBuf,
    syncs: Syncs,
    /// Data files that this run has hashed.
    verified: Verified,
}

impl Disk {
    /// The lake in `root`, which need not exist to be read.
    pub(crate) fn new(root: PathBuf, is_durable: bool) -> Self {
        Self { root, syncs: Syncs(is_durable), verified: Verified::default() }
    }

    /// The lake in `root`, which is made.
    ///
    /// # Errors
    /// [`LakeError::Disk`] when it cannot be made, or is no folder.
    pub(crate) async fn create(root: PathBuf, is_durable: bool) -> Result<Self, LakeError> {
        let disk = Self::new(root, is_durable);
        let syncs = disk.syncs;
        disk.run("make the folder", "", move |path| syncs.make_folder(&path)).await?;
        Ok(disk)
    }

    fn local(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    /// Runs `work` with the local form of `path` on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        path: &str,
        work: impl FnOnce(PathBuf) -> io::Result<T> + Send + 'static,
    ) -> Result<T, LakeError> {
        let path = self.local(path);
        let (place, disk) = (path.clone(), self.clone());
        let guarded = move || {
            task_point("task.disk");
            disk.guard(&path).and_then(|()| work(path))
        };
        blocking(guarded).await.map_err(|source| LakeError::of_disk(action, &place, source))
    }

    fn guard(&self, path: &Path) -> io::Result<()> {
        guard(&self.root, path)
    }
}

impl LiveFiles for Disk {
    fn open(&self, file: &DataFile) -> Result<LiveFile, LakeError> {
        let path = self.local(&file.path);
        let check = ContentCheck::new(path.clone(), file.bytes, &file.checksum, &self.verified);
        Ok(LiveFile::open_disk(&path)?.checked(check))
    }
}

#[async_trait]
impl Store for Disk {
    fn place(&self, path: &str) -> String {
        self.local(path).display().to_string()
    }

    fn root(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn live_files(&self) -> Arc<dyn LiveFiles> {
        Arc::new(self.clone())
    }

    async fn spool(&self, staging: &str, _run: &str) -> Result<Spool, LakeError> {
        Spool::in_lake(&self.root, staging, self.syncs).await
    }

    async fn get(&self, path: &str) -> Result<Option<Blob>, LakeError> {
        self.run("read", path, |path| read_small(&path)).await.map(|bytes| bytes.map(|bytes| Blob { bytes, etag: None }))
    }

    async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, LakeError> {
        let syncs = self.syncs;
        self.run("create", path, move |path| {
            let beside = syncs.write_beside(&path, &bytes)?;
            match fs::hard_link(&beside, &path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
                Ok(()) => syncs.parent(&path).map(|()| true),
            }
        })
        .await
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        let syncs = self.syncs;
        self.run("write", path, move |path| syncs.replace(&path, &bytes)).await
    }

    async fn swap(&self, path: &str, known: &Blob, bytes: Vec<u8>) -> Result<bool, LakeError> {
        let (known, syncs) = (known.bytes.clone(), self.syncs);
        self.run("write", path, move |path| match read_small(&path)? {
            Some(there) if there == known => syncs.replace(&path, &bytes).map(|()| true),
            _ => Ok(false),
        })
        .await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Found>, LakeError> {
        let root = self.root.clone();
        self.run("list", folder, move |folder| {
            let place = folder.strip_prefix(&root).unwrap_or(&folder);
            let as_found = |(path, bytes): (PathBuf, u64)| Found {
                path: place.join(path).to_string_lossy().into_owned(),
                bytes,
                etag: None,
            };
            let mut found: Vec<Found> = walk(&folder)?.into_iter().map(as_found).collect();
            found.sort_by(|a, b| a.path.cmp(&b.path));
            Ok(found)
        })
        .await
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, LakeError> {
        self.run("list", folder, |folder| {
            let Some(entries) = unless_missing(fs::read_dir(folder))? else { return Ok(Vec::new()) };
            let mut names = Vec::new();
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names.sort();
            Ok(names)
        })
        .await
    }

    async fn head(&self, path: &str) -> Result<Option<Found>, LakeError> {
        let facts = self.run("look at", path, |path| unless_missing(fs::metadata(path))).await?;
        Ok(facts.map(|facts| Found { path: path.to_owned(), bytes: facts.len(), etag: None }))
    }

    async fn holds(&self, path: &str, bytes: u64, checksum: &str) -> Result<bool, LakeError> {
        let (disk, checksum) = (self.clone(), checksum.to_owned());
        self.run("read", path, move |path| match unless_missing(open_regular(&path))? {
            Some(file) => disk.verified.is_content(&path, &file, bytes, &checksum),
            None => Ok(false),
        })
        .await
    }

    async fn keep(&self, from: &Found, to: &str) -> Result<(), LakeError> {
        let (disk, source, bytes) = (self.clone(), self.local(&from.path), from.bytes);
        self.run("keep a file as", to, move |to| disk.link(&source, bytes, &to)).await
    }

    async fn fetch(&self, from: &str, to: &Path) -> Result<(), LakeError> {
        let to = to.to_owned();
        self.run("read", from, move |from| fs::hard_link(from, to)).await
    }

    async fn remove(&self, path: &str) -> Result<(), LakeError> {
        let own = path.split('/').next().filter(|first| *first == HOME);
        let keep = self.local(own.unwrap_or_default());
        self.run("remove", path, move |path| {
            unless_missing(fs::remove_file(&path))?;
            // A folder that is not empty, or that another process removed or filled, ends the climb.
            for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(&keep) && **folder != keep) {
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await
    }

    async fn clear(&self, folder: &str, _published: bool) -> Result<(), LakeError> {
        self.run("remove", folder, |folder| unless_missing(fs::remove_dir_all(folder)).map(drop)).await
    }

    async fn sweep(&self, folder: &str) -> Result<(), LakeError> {
        self.run("clean", folder, |folder| {
            let Some(entries) = unless_missing(fs::read_dir(folder))? else { return Ok(()) };
            for entry in entries {
                let path = entry?.path();
                // A link is removed, not followed.
                if path.extension().is_some_and(|extension| extension == BESIDE) {
                    unless_missing(fs::remove_file(path))?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn stage(&self, staging: &str, files: &[Spooled]) -> Result<Vec<Handle>, LakeError> {
        // Without files the folder need not be there: a run's second commit comes after its spool is gone.
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let mut handles = Vec::with_capacity(files.len());
        for file in files {
            let name = file.from.strip_prefix(self.local(staging)).ok().and_then(Path::to_str).map(str::to_owned);
            let Some(name) = name.filter(|_| file.behind.is_none()) else {
                return Err(LakeError::Spool { path: file.from.clone(), why: "it is not in the run's spool" });
            };
            pass("lake.stage.file")?;
            let (from, syncs) = (file.from.clone(), self.syncs);
            let synced = blocking(move || syncs.file(&open_regular(&from)?)).await;
            synced.map_err(|source| LakeError::of_disk("sync", &file.from, source))?;
            handles.push(Handle::Staged(format!("{staging}/{name}")));
        }
        let syncs = self.syncs;
        self.run("sync", staging, move |folder| syncs.folders_below(&folder)).await?;
        Ok(handles)
    }

    async fn publish(&self, handle: &Handle, target: &Target) -> Result<Published, LakeError> {
        match handle {
            Handle::Staged(staged) => self.place_staged(staged, target).await,
            Handle::Upload { .. } => Err(LakeError::WrongHandle { place: self.place(&target.path) }),
        }
    }

    async fn settle(&self, paths: &[String]) -> Result<(), LakeError> {
        let mut folders: Vec<PathBuf> = paths.iter().filter_map(|path| self.local(path).parent().map(Path::to_owned)).collect();
        folders.sort();
        folders.dedup();
        let (root, syncs) = (self.root.clone(), self.syncs);
        self.run("sync", "", move |_| {
            for folder in folders {
                // A folder removed as empty leaves its nearest living parent to sync.
                if let Some(living) = folder.ancestors().find(|folder| folder.is_dir()).filter(|f| f.starts_with(&root)) {
                    syncs.folder(living)?;
                }
            }
            Ok(())
        })
        .await
    }
}
