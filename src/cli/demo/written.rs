//! What a demo has written, so that the next one deletes nothing else: the checksum of each file, in a file beside them.
//!
//! A demo that was interrupted has left no such file; then only the names of its folders speak for it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

/// The file's name.
pub(super) const FILE: &str = ".written.json";
/// Names that are told.
const TOLD_MAX: usize = 5;

/// Notes all that is in `folder`.
pub(super) fn note(folder: &Path) -> io::Result<()> {
    std::fs::write(folder.join(FILE), serde_json::to_string_pretty(&checksums(folder)?)?)
}

/// Files of `folder` that the demo has not written, or not as they are; the first few.
pub(super) fn others(folder: &Path) -> io::Result<Vec<String>> {
    let Ok(noted) = std::fs::read(folder.join(FILE)) else { return Ok(Vec::new()) };
    let Ok(noted) = serde_json::from_slice::<BTreeMap<String, String>>(&noted) else { return Ok(vec![FILE.to_owned()]) };
    let found = checksums(folder)?.into_iter().filter(|(path, sum)| noted.get(path) != Some(sum)).map(|(path, _)| path);
    Ok(found.take(TOLD_MAX).collect())
}

/// The checksum of each file below `root` but the one that holds them; a link is none of ours, whatever it leads to.
fn checksums(root: &Path) -> io::Result<BTreeMap<String, String>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let (path, kind) = (folder.join(entry.file_name()), entry.file_type()?);
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let sum = if kind.is_file() { format!("{:016x}", xxh3_64(&std::fs::read(entry.path())?)) } else { "link".to_owned() };
            if path != Path::new(FILE) {
                found.insert(path.display().to_string(), sum);
            }
        }
    }
    Ok(found)
}
