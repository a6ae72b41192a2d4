//! Publishing on disk: a staged file takes its place only over what its commit replaces, or over nothing.
//!
//! A new file is linked into its place, which fails where anything is, and only then loses its staged name; both steps can be
//! repeated. A replacement is a rename right after the file in its place was recognised; the instant between the two is the
//! one in which another program could slip a file in.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::blocking;
use crate::lake::LakeError;
use crate::lake::checksum::{Stamp, hash_file};
use crate::lake::disk::Disk;
use crate::lake::disk::files::{Syncs, open_regular, unless_missing};
use crate::lake::publish::pass;
use crate::lake::store::{Before, Published, Target};

/// How a file got its place.
enum Placed {
    /// By a link; the staged name is left.
    Linked,
    /// By a rename.
    Renamed,
    /// Not: the staged name is gone.
    Gone,
    /// Not: it is another file than was staged.
    Damaged,
    /// Not: something else is there.
    Taken,
}

impl Disk {
    /// Puts the staged file in its place; see the module.
    pub(super) async fn place_staged(&self, staged: &str, target: &Target) -> Result<Published, LakeError> {
        let (from, to) = (self.local(staged), self.local(&target.path));
        let failed = |source| LakeError::of_disk("publish", &to, source);
        let (disk, wanted) = (self.clone(), target.clone());
        let paths = (from.clone(), to.clone());
        let placed = blocking(move || disk.place(&paths.0, &paths.1, &wanted)).await.map_err(failed)?;
        match placed {
            Placed::Gone => return Ok(Published::Gone),
            Placed::Damaged => return Ok(Published::Damaged(from.display().to_string())),
            Placed::Taken => return Ok(Published::Taken),
            Placed::Renamed => {}
            Placed::Linked => {
                pass("lake.publish.linked")?;
                blocking(move || unless_missing(fs::remove_file(from))).await.map_err(failed)?;
            }
        }
        Ok(Published::Done(None))
    }

    fn place(&self, from: &Path, to: &Path, target: &Target) -> io::Result<Placed> {
        self.guard(from)?;
        let Some(staged) = unless_missing(fs::symlink_metadata(from))? else { return Ok(Placed::Gone) };
        // A link or a FIFO in its place.
        if !staged.is_file() {
            let what = "not the file that was staged".to_owned();
            return Err(io::Error::other(LakeError::Refused { place: from.display().to_string(), what }));
        }
        if staged.len() != target.bytes {
            return Ok(Placed::Damaged);
        }
        if !target.checksum.is_empty() {
            match unless_missing(open_regular(from).and_then(|file| hash_file(&file, &target.checksum)))? {
                None => return Ok(Placed::Gone),
                Some(checksum) if checksum != target.checksum => return Ok(Placed::Damaged),
                Some(_) => {}
            }
        }
        let moved = match &target.before {
            Before::Anything => attempt(from, to, self.syncs, || fs::rename(from, to).map(|()| Placed::Renamed)),
            Before::Nothing => attempt(from, to, self.syncs, || fs::hard_link(from, to).map(|()| Placed::Linked)),
            Before::File { bytes, checksum, .. } => {
                attempt(from, to, self.syncs, || match self.recognise(to, *bytes, checksum)? {
                    Recognised::Nothing => fs::hard_link(from, to).map(|()| Placed::Linked),
                    Recognised::Other => Ok(Placed::Taken),
                    Recognised::It(stamp) => match Stamp::of_path(to)? {
                        Some(now) if now == stamp => fs::rename(from, to).map(|()| Placed::Renamed),
                        _ => Ok(Placed::Taken),
                    },
                })
            }
        };
        match moved {
            // Killed between the link and the removal of the staged name.
            Ok(Placed::Taken) if is_same_file(&staged, to)? => Ok(Placed::Linked),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && is_same_file(&staged, to)? => Ok(Placed::Linked),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Placed::Taken),
            moved => moved,
        }
    }

    /// Gives a file of this size a second name, unless that is taken.
    pub(super) fn link(&self, from: &Path, bytes: u64, to: &Path) -> io::Result<()> {
        self.guard(from)?;
        let Some(before) = Stamp::of_path(from)? else { return Ok(()) };
        if !fs::symlink_metadata(from)?.is_file() || !before.has_size(bytes) {
            return Ok(());
        }
        self.syncs.make_folder(to.parent().unwrap_or(to))?;
        match fs::hard_link(from, to) {
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => return Ok(()),
            linked => linked?,
        }
        if let Some(after) = Stamp::of_path(from)? {
            self.verified.note_link(from, &before, after);
        }
        Ok(())
    }

    /// Compares what is in a place with a file of this size and checksum. What this process has hashed before is not read again.
    fn recognise(&self, path: &Path, bytes: u64, checksum: &str) -> io::Result<Recognised> {
        let Ok(facts) = fs::symlink_metadata(path) else { return Ok(Recognised::Nothing) };
        if !facts.is_file() || facts.len() != bytes {
            return Ok(Recognised::Other);
        }
        let file: File = open_regular(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        if checksum.is_empty() || self.verified.has(path, &stamp, checksum) || hash_file(&file, checksum)? == checksum {
            return Ok(Recognised::It(stamp));
        }
        Ok(Recognised::Other)
    }
}

/// What is in a place.
enum Recognised {
    Nothing,
    It(Stamp),
    Other,
}

/// Moves a file. Another process may remove the folder as empty right after it was made: tries again, a few times.
fn attempt(from: &Path, to: &Path, syncs: Syncs, step: impl Fn() -> io::Result<Placed>) -> io::Result<Placed> {
    for attempt in 0.. {
        match step() {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Err(_) if !from.try_exists()? => return Ok(Placed::Gone),
            Err(error) if attempt == 3 => return Err(error),
            Err(_) => syncs.make_folder(to.parent().unwrap_or(to))?,
            placed => return placed,
        }
    }
    Ok(Placed::Gone)
}

fn is_same_file(staged: &fs::Metadata, to: &Path) -> io::Result<bool> {
    let there: Option<fs::Metadata> = unless_missing(fs::symlink_metadata(PathBuf::from(to)))?;
    Ok(there.is_some_and(|there| there.dev() == staged.dev() && there.ino() == staged.ino()))
}
