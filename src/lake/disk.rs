//! A lake in a local folder.
//!
//! Everything is written beside its name, synced and moved there: records by hard link (created once), data by rename (a
//! staged file can be renamed once), each followed by a sync of the folder. Blocking calls run on Tokio's blocking threads.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use xxhash_rust::xxh3::Xxh3;

use crate::base::{blocking, task_point};
use crate::lake::publish::pass;
use crate::lake::store::{Blob, Found, Handle, Published, Spooled, Store};
use crate::lake::{DataFile, LakeError, LiveFile, LiveFiles};

/// Extension of small files that are being written; what a killed process left of them is swept.
const BESIDE: &str = "tmp";

/// A lake in a local folder.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    root: PathBuf,
}

impl Disk {
    /// The lake in `root`, which need not exist to be read.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The lake in `root`, which is made.
    ///
    /// # Errors
    /// [`LakeError::Disk`] when it cannot be made, or is no folder.
    pub(crate) async fn create(root: PathBuf) -> Result<Self, LakeError> {
        let disk = Self::new(root);
        disk.run("make the folder", "", |path| make_folder(&path)).await?;
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
        let place = path.clone();
        let work = move || {
            task_point("task.disk");
            work(path)
        };
        blocking(work).await.map_err(|source| LakeError::Disk { action, path: place, source })
    }
}

impl LiveFiles for Disk {
    fn open(&self, file: &DataFile) -> Result<LiveFile, LakeError> {
        LiveFile::open_disk(&self.local(&file.path))
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

    async fn get(&self, path: &str) -> Result<Option<Blob>, LakeError> {
        self.run("read", path, |path| unless_missing(fs::read(path)))
            .await
            .map(|bytes| bytes.map(|bytes| Blob { bytes, etag: None }))
    }

    async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, LakeError> {
        self.run("create", path, move |path| {
            let beside = write_beside(&path, &bytes)?;
            let linked = fs::hard_link(&beside, &path);
            let _ = fs::remove_file(&beside);
            match linked {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
                Ok(()) => sync_parent(&path).map(|()| true),
            }
        })
        .await
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        self.run("write", path, move |path| replace(&path, &bytes)).await
    }

    async fn swap(&self, path: &str, known: &Blob, bytes: Vec<u8>) -> Result<bool, LakeError> {
        let known = known.bytes.clone();
        self.run("write", path, move |path| match unless_missing(fs::read(&path))? {
            Some(there) if there == known => replace(&path, &bytes).map(|()| true),
            _ => Ok(false),
        })
        .await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Found>, LakeError> {
        let root = self.root.clone();
        self.run("list", folder, move |folder| {
            let mut found = Vec::new();
            walk(&folder, &mut |path, bytes| {
                let below = path.strip_prefix(&root).unwrap_or(path);
                let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                found.push(Found { path: parts.join("/"), bytes, etag: None });
            })?;
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
        let checksum = checksum.to_owned();
        self.run("read", path, move |path| match unless_missing(File::open(&path))? {
            Some(file) if file.metadata()?.len() == bytes => Ok(checksum.is_empty() || xxh3(file)? == checksum),
            _ => Ok(false),
        })
        .await
    }

    async fn remove(&self, path: &str) -> Result<(), LakeError> {
        let keep = self.local(path.split('/').next().unwrap_or(path));
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
                if path.extension().is_some_and(|extension| extension == BESIDE) {
                    unless_missing(fs::remove_file(path))?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn stage(&self, staging: &str, files: &[Spooled]) -> Result<Vec<Handle>, LakeError> {
        let mut handles = Vec::with_capacity(files.len());
        for file in files {
            let name = file.from.strip_prefix(self.local(staging)).ok().and_then(Path::to_str).map(str::to_owned);
            let Some(name) = name else {
                return Err(LakeError::Spool { path: file.from.clone(), why: "it is not in the run's spool" });
            };
            pass("lake.stage.file")?;
            let from = file.from.clone();
            blocking(move || File::open(&from)?.sync_all()).await.map_err(|source| LakeError::Disk {
                action: "sync",
                path: file.from.clone(),
                source,
            })?;
            handles.push(Handle::Staged(format!("{staging}/{name}")));
        }
        self.run("sync", staging, |folder| sync_folders_below(&folder)).await?;
        Ok(handles)
    }

    async fn publish(&self, handle: &Handle, path: &str) -> Result<Published, LakeError> {
        let Handle::Staged(staged) = handle else {
            return Err(LakeError::WrongHandle { place: self.place(path) });
        };
        let staged = self.local(staged);
        self.run("publish", path, move |path| {
            // Another process may remove the folder as empty right after it was made: try again, a few times.
            for attempt in 0.. {
                match fs::rename(&staged, &path) {
                    Ok(()) => return Ok(Published::Done(None)),
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    Err(_) if !staged.try_exists()? => return Ok(Published::Gone),
                    Err(error) if attempt == 3 => return Err(error),
                    Err(_) => make_folder(path.parent().unwrap_or(&path))?,
                }
            }
            Ok(Published::Gone)
        })
        .await
    }

    async fn settle(&self, paths: &[String]) -> Result<(), LakeError> {
        let mut folders: Vec<PathBuf> = paths.iter().filter_map(|path| self.local(path).parent().map(Path::to_owned)).collect();
        folders.sort();
        folders.dedup();
        let root = self.root.clone();
        self.run("sync", "", move |_| {
            for folder in folders {
                // A folder removed as empty leaves its nearest living parent to sync.
                if let Some(living) = folder.ancestors().find(|folder| folder.is_dir()).filter(|f| f.starts_with(&root)) {
                    sync_folder(living)?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// Makes a folder and its parents, durably.
///
/// # Errors
/// The system's, also when a file is in the way.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(ErrorKind::NotADirectory.into()),
        Err(error) => Err(error),
        Ok(()) => sync_parent(path),
    }
}

/// Writes and syncs a file beside `path`, in its folder, and names it.
fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    make_folder(path.parent().unwrap_or(path))?;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{}.{BESIDE}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let beside = PathBuf::from(name);
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(beside),
        Err(error) => {
            let _ = fs::remove_file(&beside);
            Err(error)
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::rename(write_beside(path, bytes)?, path)?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_folders_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders_below(&entry.path())?;
        }
    }
    sync_folder(folder)
}

fn walk(folder: &Path, visit: &mut impl FnMut(&Path, u64)) -> io::Result<()> {
    let Some(entries) = unless_missing(fs::read_dir(folder))? else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), visit)?;
        } else if let Some(facts) = unless_missing(fs::metadata(entry.path()))? {
            // A file that went while the folder was read, or a link to nowhere, is no file.
            visit(&entry.path(), facts.len());
        }
    }
    Ok(())
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// XXH3-64 of a file's content, as 16 hex digits.
fn xxh3(mut file: File) -> io::Result<String> {
    let mut hash = Xxh3::new();
    io::copy(&mut file, &mut hash)?;
    Ok(format!("{:016x}", hash.digest()))
}
