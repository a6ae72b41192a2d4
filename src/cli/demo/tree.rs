//! A folder as an indented tree.

use std::path::Path;

use crate::report;

/// Files shown in one folder; the rest is counted.
const FILES_MAX: usize = 4;

/// Lines of the tree below `root`, folders first seen in name order, large folders cut short with a count.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn lines(root: &Path) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    walk(root, 1, &mut lines)?;
    Ok(lines)
}

fn walk(folder: &Path, depth: usize, lines: &mut Vec<String>) -> std::io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let indent = "  ".repeat(depth);
    let many = entries.len() > FILES_MAX * 2;
    for (at, entry) in entries.iter().enumerate() {
        if many && at >= FILES_MAX && at + FILES_MAX < entries.len() {
            if at == FILES_MAX {
                lines.push(format!("{indent}… {} more", entries.len() - 2 * FILES_MAX));
            }
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            lines.push(format!("{indent}{name}/"));
            walk(&entry.path(), depth + 1, lines)?;
        } else {
            lines.push(format!("{indent}{name}  {}", report::bytes(entry.metadata()?.len())));
        }
    }
    Ok(())
}
