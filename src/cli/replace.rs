//! A file that a command writes: it has either its old content or all of the new one.
//!
//! In: the path as it was typed, what writes the content. Invariants: what is wrong with the place is told before anything is done; only a regular file is
//! replaced, never a folder or a device; a link stays one, and the file behind it is replaced.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::args::quoted;
use crate::cli::exit::Failure;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// The file that `output` names, links followed; with the option that names it, and a name that one in a folder could have.
///
/// # Errors
/// A folder, what is no regular file, and a place that takes no file.
pub(super) fn file_at(output: &Path, (option, example): (&str, &str)) -> Result<PathBuf, Failure> {
    let shown = output.display();
    let path = fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
    let config = |why: String| Failure::config(vec![why]);
    match fs::metadata(&path) {
        Ok(facts) if facts.is_dir() => {
            let inside = quoted(&output.join(example).display().to_string());
            return Err(config(format!("`{shown}` is a folder; name a file in it, such as `{option} {inside}`")));
        }
        Ok(facts) if !facts.is_file() => {
            let way = if option == "-o" { "`-o -` writes to stdout" } else { "name one, or a path where nothing is yet" };
            return Err(config(format!("`{shown}` is no regular file; {way}")));
        }
        _ => {}
    }
    let folder = folder_of(&path);
    if !folder.is_dir() {
        let failure = config(format!("the folder of `{shown}` does not exist"));
        return Err(failure.with_hints([format!("`mkdir -p {}` makes it", quoted(&folder.display().to_string()))]));
    }
    NamedTempFile::new_in(folder).map_err(|error| config(format!("cannot write into the folder of `{shown}`: {error}")))?;
    Ok(path)
}

/// The folder of a file.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives the file at `path` the content that `write` writes, once it is there whole; its size then.
///
/// # Errors
/// A place that is no regular file, those of `write` and the system's: what is there is as it was.
pub(super) fn replace<E: From<io::Error>>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), E>) -> Result<u64, E> {
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|facts| !facts.is_file()) {
        return Err(io::Error::other("it is no regular file").into());
    }
    let permissions = Permissions::from_mode(0o666);
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    let mut new = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .rand_bytes(12)
        .permissions(permissions)
        .tempfile_in(folder_of(path))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, new.as_file_mut());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    if let Some(before) = before {
        new.as_file().set_permissions(before.permissions())?;
        // Else a crash of the machine could leave neither the old content nor the new one.
        new.as_file().sync_all()?;
    }
    let bytes = new.as_file().metadata()?.len();
    new.persist(path).map_err(|error| error.error)?;
    Ok(bytes)
}
