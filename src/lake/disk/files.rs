//! Files and folders of a lake on disk, touched so that nobody can turn a name into another file.
//!
//! Invariants: below `_lakeward` only regular files and folders of this user, of root, or of the owner of the lake's folder
//! are read, written or emptied; a link, a FIFO or a device is refused by name and never waited for; small files are read up
//! to [`SMALL_BYTES_MAX`]; a temporary file has a random name and is created by this process alone.

use std::ffi::{CStr, OsStr};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use tempfile::TempPath;

use crate::lake::LakeError;
use crate::lake::layout::HOME;
use crate::lake::store::SMALL_BYTES_MAX;

/// Extension of small files that are being written; what a killed process left of them is swept.
pub(super) const BESIDE: &str = "tmp";

/// Folders that are looked at one after the other, so that what looks is not busier with itself.
const FOLDERS_AT_ONCE: usize = 32;

/// How a folder is opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Checks every part of `path` below `root` that is there, as far as it lies in the folder of lakeward's own files.
///
/// # Errors
/// [`LakeError::Refused`], wrapped.
pub(crate) fn guard(root: &Path, path: &Path) -> io::Result<()> {
    let Ok(below) = path.strip_prefix(root) else { return refuse(path, "outside the lake") };
    if below.components().any(|part| !matches!(part, Component::Normal(_))) {
        return refuse(path, "no plain path below the lake");
    }
    if below.iter().next().is_none_or(|first| first != HOME) {
        return Ok(());
    }
    let mut at = root.to_owned();
    let last = below.iter().count() - 1;
    for (depth, part) in below.iter().enumerate() {
        at.push(part);
        let Some(facts) = unless_missing(fs::symlink_metadata(&at))? else { return Ok(()) };
        if depth < last && !facts.is_dir() {
            return refuse(&at, &format!("{}, not a folder", kind_of(&facts)));
        }
        check_own(&at, &facts, root)?;
    }
    Ok(())
}

/// Refuses what is neither a file nor a folder, and what belongs to somebody else.
fn check_own(path: &Path, facts: &Metadata, root: &Path) -> io::Result<()> {
    if !facts.is_dir() && !facts.is_file() {
        return refuse(path, kind_of(facts));
    }
    let (owner, me) = (facts.uid(), rustix::process::geteuid().as_raw());
    if owner != me && owner != 0 && owner != fs::metadata(root)?.uid() {
        return refuse(path, &format!("a file of another user (id {owner})"));
    }
    Ok(())
}

/// Opens a regular file for reading. Follows no link, and waits for nobody at the other end of a FIFO.
///
/// # Errors
/// The system's; [`LakeError::Refused`], wrapped, for anything but a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(_) if fs::symlink_metadata(path).is_ok_and(|facts| !facts.is_file()) => {
            return refuse(path, kind_of(&fs::symlink_metadata(path)?));
        }
        opened => opened?,
    };
    let facts = file.metadata()?;
    if facts.is_file() { Ok(file) } else { refuse(path, kind_of(&facts)) }
}

/// A small file's content; `None` when there is none.
///
/// # Errors
/// As [`open_regular`]; past [`SMALL_BYTES_MAX`].
pub(crate) fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = unless_missing(open_regular(path))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(SMALL_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SMALL_BYTES_MAX {
        return refuse(path, &format!("larger than {SMALL_BYTES_MAX} bytes"));
    }
    Ok(Some(bytes))
}

fn kind_of(facts: &Metadata) -> &'static str {
    let kind = facts.file_type();
    match () {
        () if kind.is_symlink() => "a link",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () if kind.is_block_device() || kind.is_char_device() => "a device",
        () if kind.is_dir() => "a folder",
        () => "a file",
    }
}

fn refuse<T>(path: &Path, what: &str) -> io::Result<T> {
    Err(io::Error::other(LakeError::Refused { place: path.display().to_string(), what: what.to_owned() }))
}

/// Makes a folder and its parents, durably.
///
/// # Errors
/// The system's, also when a file is in the way.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    Syncs(true).make_folder(path)
}

/// How a lake writes: whether what it has written is synced, so that it survives a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syncs(pub(crate) bool);

impl Syncs {
    /// Makes a folder and its parents.
    ///
    /// # Errors
    /// The system's, also when a file is in the way.
    pub(crate) fn make_folder(self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.make_folder(parent)?;
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(ErrorKind::NotADirectory.into()),
            Err(error) => Err(error),
            Ok(()) => self.parent(path),
        }
    }

    /// Writes a file beside `path`, in its folder, under a name of its own; it goes with the path that is returned.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn write_beside(self, path: &Path, bytes: &[u8]) -> io::Result<TempPath> {
        let folder = path.parent().unwrap_or(path);
        self.make_folder(folder)?;
        let mut prefix = path.file_name().unwrap_or_default().to_owned();
        prefix.push(".");
        let mut beside = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(16)
            .suffix(&format!(".{BESIDE}"))
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        beside.write_all(bytes)?;
        self.file(beside.as_file())?;
        Ok(beside.into_temp_path())
    }

    /// Gives a small file another content.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn replace(self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_beside(path, bytes)?.persist(path).map_err(|error| error.error)?;
        self.parent(path)
    }

    /// Syncs a file.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn file(self, file: &File) -> io::Result<()> {
        if self.0 { file.sync_all() } else { Ok(()) }
    }

    /// Syncs the folder that a path lies in.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn parent(self, path: &Path) -> io::Result<()> {
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), |parent| self.folder(parent))
    }

    /// Syncs a folder.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn folder(self, folder: &Path) -> io::Result<()> {
        if self.0 { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    /// Syncs a folder and those below it.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn folders_below(self, folder: &Path) -> io::Result<()> {
        if !self.0 {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.folders_below(&entry.path())?;
            }
        }
        self.folder(folder)
    }
}

/// Every file below a folder: its path from there, and its size. Links to folders are not followed.
///
/// # Errors
/// The system's.
pub(super) fn walk(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    match unless_missing(openat(CWD, folder, FOLDER, Mode::empty()).map_err(io::Error::from))? {
        Some(opened) => walk_in(opened, Path::new("")),
        None => Ok(Vec::new()),
    }
}

/// [`walk`] in an open folder, from which everything is named: a lake has many thousand folders, and long paths are looked up
/// part by part. Those that lie beside each other are looked at side by side.
fn walk_in(folder: OwnedFd, path: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut entries = Dir::new(folder)?;
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    while let Some(entry) = entries.read() {
        let entry = entry?;
        let (name, here) = (entry.file_name(), entries.fd()?);
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let is_folder = match entry.file_type() {
            FileType::Unknown => unless_missing(statat(here, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from))?
                .is_some_and(|facts| FileType::from_raw_mode(facts.st_mode).is_dir()),
            kind => kind.is_dir(),
        };
        // A file that went while the folder was read, or a link to nowhere, is no file.
        if is_folder {
            folders.push(name.to_owned());
        } else if let Some(facts) = unless_missing(statat(here, name, AtFlags::empty()).map_err(io::Error::from))? {
            files.push((below(path, name), u64::try_from(facts.st_size).unwrap_or(0)));
        }
    }
    let here = entries.fd()?;
    let deeper = folders.par_iter().with_min_len(FOLDERS_AT_ONCE).map(|name| {
        let opened = openat(here, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        match unless_missing(opened.map_err(io::Error::from))? {
            Some(opened) => walk_in(opened, &below(path, name)),
            None => Ok(Vec::new()),
        }
    });
    for found in deeper.collect::<io::Result<Vec<_>>>()? {
        files.extend(found);
    }
    Ok(files)
}

fn below(path: &Path, name: &CStr) -> PathBuf {
    path.join(OsStr::from_bytes(name.to_bytes()))
}

/// `None` for what is not there.
///
/// # Errors
/// All others.
pub(super) fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_plant_the_name_of_a_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease.json");
        let written: Vec<TempPath> = (0..8).map(|_| Syncs(true).write_beside(&path, b"x").unwrap()).collect();
        let names: std::collections::BTreeSet<_> = written.iter().map(|beside| beside.to_path_buf()).collect();
        assert_eq!(names.len(), written.len());
        for name in names {
            let name = name.file_name().unwrap().to_str().unwrap().to_owned();
            let chance = name.strip_prefix("lease.json.").and_then(|rest| rest.strip_suffix(".tmp"));
            assert!(chance.is_some_and(|chance| chance.len() >= 16), "{name}");
        }
    }

    #[test]
    fn a_link_is_not_followed_to_the_file_that_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, b"x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_regular(&file).is_ok());
        for refused in [open_regular(&link).unwrap_err(), read_small(&link).unwrap_err()] {
            assert!(refused.to_string().contains("a link"), "{refused}");
        }
    }
}
