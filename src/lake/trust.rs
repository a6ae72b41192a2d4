//! What a lake's own files may say: they are data that anybody may have written, and no orders.
//!
//! In: a commit, a manifest's files, a note of uploads. Out: nothing, or what is wrong in a few words. Invariant: behind these
//! checks every path lies in the folder of its table or of its run, versions can be counted on from, and names are names.

use crate::lake::log::{Action, Commit};
use crate::lake::store::Handle;
use crate::lake::{DataFile, Layout};

/// Highest version that is believed: a run a second reaches it in thirty thousand years.
pub(crate) const VERSION_MAX: u64 = 1_000_000_000_000;

/// Longest name of a run or a table, in bytes: that of a file.
const NAME_BYTES_MAX: usize = 255;

/// Highest file number that is believed.
pub(crate) const NUMBER_MAX: u64 = 1_000_000_000_000;

/// Checks the commit that lies under `version`.
///
/// # Errors
/// What is wrong.
pub(crate) fn check_commit(commit: &Commit, version: u64, layout: &Layout) -> Result<(), String> {
    if commit.version != version || commit.parent.checked_add(1) != Some(version) {
        return Err(format!("it is version {} on {}, under the name of version {version}", commit.version, commit.parent));
    }
    for run in std::iter::once(&commit.run).chain(&commit.fences) {
        if !is_name(run) {
            return Err(format!("{run:?} is no name of a run"));
        }
    }
    for (table, entry) in &commit.tables {
        if !is_table(table) || !is_name(&entry.manifest) || entry.version > version {
            return Err(format!("{:?} of commit {} is no manifest of table {table:?}", entry.manifest, entry.version));
        }
    }
    for table in commit.released.iter().chain(commit.next_numbers.keys()).chain(&commit.rebuilt).chain(&commit.repaired) {
        if !is_table(table) {
            return Err(format!("{table:?} is no table"));
        }
    }
    if let Some((table, number)) = commit.next_numbers.iter().find(|(_, number)| **number > NUMBER_MAX) {
        return Err(format!("{number} is no number of a file of table {table:?}"));
    }
    for change in &commit.files {
        if !is_table_path(&change.table, &change.path) {
            return Err(format!("{:?} is not a path in the folder of table {:?}", change.path, change.table));
        }
        let is_right = match (&change.action, &change.handle) {
            (Action::Delete | Action::Retire, None) => true,
            (Action::Put, Some(Handle::Staged(path))) => is_below(path, &layout.staging(&commit.run)),
            (Action::Put, Some(Handle::Upload { id, .. })) => !id.is_empty() && !id.contains(char::is_control),
            _ => false,
        };
        if !is_right {
            return Err(format!("{:?} has no handle of this run", change.path));
        }
    }
    if let Some((table, log)) =
        commit.logs.iter().find(|(table, log)| !is_table(table) || !is_below(&log.staged, &layout.staging(&commit.run)))
    {
        return Err(format!("{:?} is not staged by this run for table {table:?}", log.staged));
    }
    match commit.quarantine.iter().find(|path| !is_below(path, layout.home())) {
        Some(path) => Err(format!("{path:?} is not in the folder of the pipeline")),
        None => Ok(()),
    }
}

/// Checks the live files that a manifest lists.
///
/// # Errors
/// What is wrong.
pub(crate) fn check_files(table: &str, files: &[DataFile]) -> Result<(), String> {
    match files.iter().find(|file| !is_table_path(table, &file.path)) {
        Some(file) => Err(format!("{:?} is not a path in the folder of table {table:?}", file.path)),
        None => Ok(()),
    }
}

/// Whether a path may be that of a data file of any table.
pub(crate) fn is_data_path(path: &str) -> bool {
    path.split_once('/').is_some_and(|(table, _)| is_table_path(table, path))
}

fn is_table_path(table: &str, path: &str) -> bool {
    is_table(table) && is_below(path, table)
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| rest.split('/').all(is_part))
}

fn is_table(name: &str) -> bool {
    is_name(name) && !name.starts_with(['_', '.'])
}

/// Whether a text can be the name of a run.
pub(crate) fn is_name(name: &str) -> bool {
    is_part(name) && !name.contains('/')
}

/// Whether a part of a path names something right below the part before it.
fn is_part(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && part.len() <= NAME_BYTES_MAX
        && !part.contains('\\')
        // As `partition::escape`: control characters beyond ASCII stand in folders as they are.
        && !part.contains(|c: char| c.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn whatever_a_partition_is_called_its_path_is_trusted(value in "\\PC{0,30}|[\u{0}-\u{a0}]{0,30}") {
            let folder = crate::lake::partition::escape(&value);
            proptest::prop_assert!(is_data_path(&format!("t/k={folder}/part-000000.parquet")), "{value:?}");
        }
    }

    #[test]
    fn a_data_path_lies_in_its_tables_folder() {
        for path in ["t/part-000000.parquet", "t/k=a b%2F/z=é/part-000001.parquet"] {
            assert!(is_table_path("t", path) && is_data_path(path), "{path}");
        }
        let outside =
            ["t", "t/", "/t/x", "t//x", "t/./x", "t/../x", "t/..", "u/x", "tt/x", "../t/x", "t/a\\b", "t/a\0b", "t/a\nb", ""];
        for path in outside {
            assert!(!is_table_path("t", path), "{path:?}");
        }
        for table in ["_lakeward", ".t", "..", ".", "", "a/b", "a\\b"] {
            assert!(!is_table_path(table, &format!("{table}/x")), "{table:?}");
        }
    }
}
