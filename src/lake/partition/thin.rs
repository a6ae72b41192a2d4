//! Partition levels that make about one folder a row: readers open a file for each, and a table of a million rows is a million files.
//!
//! In: a table as a commit has it. Out: its outermost level whose folders have about a row each, or nothing.

use std::collections::BTreeSet;
use std::fmt;

use crate::lake::Snapshot;

/// Folders from which on it is told: fewer are opened at once.
const FOLDERS_MIN: usize = 100;

/// A level whose folders have about one row each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ThinLevel {
    column: String,
    transform: String,
    folders: usize,
    rows: u64,
}

impl ThinLevel {
    /// Its folders.
    pub(crate) fn folders(&self) -> usize {
        self.folders
    }
}

impl fmt::Display for ThinLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, transform, folders, rows } = self;
        write!(
            f,
            "`partition_by` makes {folders} folders for {rows} rows by `{column}` ({transform}), a file in each, and readers open every one of them; \
             a coarser level, such as `{{column: {column}, transform: 'bucket[16]'}}`, or `month` of a date or time, makes few; \
             a table that has rows takes it with `--full-refresh`"
        )
    }
}

/// The outermost level whose folders have fewer than two rows each, where there are many.
pub(crate) fn thin_level(table: &Snapshot) -> Option<ThinLevel> {
    let filled = || table.files.iter().filter(|file| file.rows > 0);
    let rows = filled().map(|file| file.rows).sum::<u64>();
    table.partition_by.iter().enumerate().find_map(|(place, (_, column, transform))| {
        let folders = filled().filter_map(|file| file.partition.get(..=place)).collect::<BTreeSet<_>>().len();
        let is_thin = folders >= FOLDERS_MIN && rows < 2 * folders as u64;
        is_thin.then(|| ThinLevel { column: column.clone(), transform: transform.clone(), folders, rows })
    })
}
