//! The files of a foreign folder, and what their paths tell.
//!
//! Marks that readers pass over (`_SUCCESS`, `.part.crc`) are passed over. What tells that the files are versions of a table of another format is refused: some of
//! them are no rows any more. Links are not followed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lake::LakeError;
use crate::lake::ops::adopt::refused;
use crate::lake::partition::{NULL_VALUE, unescape};

/// Most files.
const FILES_MAX: usize = 1_000_000;

/// Deepest folder.
const DEPTH_MAX: usize = 32;

/// What other table formats keep beside their files.
const OTHER_FORMATS: [(&str, &str); 3] = [("_delta_log", "Delta"), (".hoodie", "Hudi"), ("metadata", "Iceberg")];

/// A file that is to be adopted.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Its path below the folder, for messages.
    pub(super) shown: String,
    /// What its folders hold, unescaped; `None` is null.
    pub(super) values: Vec<Option<String>>,
    pub(super) bytes: u64,
    pub(super) rows: u64,
}

/// The files below `root`, by path, and the names of the levels that their folders have.
///
/// # Errors
/// [`LakeError::NotAdoptable`]; [`LakeError::Disk`].
pub(super) fn find(root: &Path) -> Result<(Vec<Found>, Vec<String>), LakeError> {
    let mut walk = Walk { root, files: Vec::new(), levels: None };
    walk.folder(root, &mut Vec::new())?;
    let Walk { mut files, levels, .. } = walk;
    if files.is_empty() {
        return Err(refused(root, "it has no Parquet file".to_owned()));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((files, levels.unwrap_or_default()))
}

struct Walk<'r> {
    root: &'r Path,
    files: Vec<Found>,
    /// Those of the first file.
    levels: Option<Vec<String>>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, levels: &mut Vec<(String, Option<String>)>) -> Result<(), LakeError> {
        let failed = |source| LakeError::of_disk("read", folder, source);
        if levels.len() > DEPTH_MAX {
            return Err(refused(folder, format!("it lies deeper than {DEPTH_MAX} folders")));
        }
        let mut entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
                return Err(refused(&path, "its name is not UTF-8".to_owned()));
            };
            let other = OTHER_FORMATS.iter().find(|(known, _)| *known == name && kind.is_dir() && levels.is_empty());
            if let Some((_, format)) = other {
                let why = format!(
                    "it tells of a table of {format}, whose files are of several versions; write its rows out as plain Parquet first"
                );
                return Err(refused(&path, why));
            }
            if name.starts_with('.') || name.starts_with('_') && !name.contains('=') {
                continue;
            }
            if kind.is_dir() {
                levels.push(level_of(&path, &name)?);
                self.folder(&path, levels)?;
                levels.pop();
            } else if kind.is_file() {
                self.file(path, &name, levels)?;
            } else {
                return Err(refused(&path, "it is a link or no plain file".to_owned()));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, name: &str, levels: &[(String, Option<String>)]) -> Result<(), LakeError> {
        if !name.ends_with(".parquet") && !name.ends_with(".parq") {
            return Err(refused(&path, "it is no Parquet file by its name; take it out of the folder".to_owned()));
        }
        let names: Vec<String> = levels.iter().map(|(name, _)| name.clone()).collect();
        if *self.levels.get_or_insert_with(|| names.clone()) != names {
            return Err(refused(&path, "its folders have other names than those of the files before it".to_owned()));
        }
        if self.files.len() == FILES_MAX {
            return Err(refused(self.root, format!("it has more than {FILES_MAX} files")));
        }
        let facts = fs::symlink_metadata(&path).map_err(|source| LakeError::of_disk("read", &path, source))?;
        let shown = path.strip_prefix(self.root).unwrap_or(&path).display().to_string();
        let values = levels.iter().map(|(_, value)| value.clone()).collect();
        self.files.push(Found { path, shown, values, bytes: facts.len(), rows: 0 });
        Ok(())
    }
}

fn level_of(path: &Path, name: &str) -> Result<(String, Option<String>), LakeError> {
    let wrong = || refused(path, "it is no folder of a partition (`column=value`)".to_owned());
    let (column, value) = name.split_once('=').ok_or_else(wrong)?;
    let column = unescape(column).filter(|column| !column.is_empty()).ok_or_else(wrong)?.into_owned();
    match value {
        NULL_VALUE => Ok((column, None)),
        value => Ok((column, Some(unescape(value).ok_or_else(wrong)?.into_owned()))),
    }
}
