//! What is said of a table that a foreign writer has changed.

use crate::lake::LakeError;
use crate::lake::format::Remains;

/// Differences that a message names.
const NAMED_FILES: usize = 5;

/// What is said of a file that no manifest knows.
pub(crate) const UNKNOWN: &str = "was not written by lakeward";

/// That `table`, at `place`, is not as its last commit left it; `is_new` when that left no file.
pub(super) fn refusal((table, place): (&str, &str), mut differences: Vec<String>, is_new: bool, adopt: bool) -> LakeError {
    if adopt && let Some(first) = differences.first() {
        let why = if is_new {
            "its files' schema and keys are not known, and reading them from foreign files is not supported"
        } else {
            "it is a table of this pipeline with files changed from outside"
        };
        return LakeError::Adopt { place: place.to_owned(), why, file: first.clone() };
    }
    let more_files = differences.len().saturating_sub(NAMED_FILES);
    differences.truncate(NAMED_FILES);
    if is_new {
        // The message says it of all of them.
        differences.iter_mut().for_each(|file| file.truncate(file.len() - UNKNOWN.len() - 1));
    }
    LakeError::Foreign { table: table.to_owned(), place: place.to_owned(), is_new, files: differences, more_files }
}

impl Remains {
    /// Refuses files that are not the table's.
    ///
    /// # Errors
    /// [`LakeError::Foreign`]; with `adopt`, [`LakeError::Adopt`].
    pub(crate) fn check_strangers(&self, table: &str, place: &str, adopt: bool) -> Result<(), LakeError> {
        if self.strangers.is_empty() {
            return Ok(());
        }
        let differences = self.strangers.iter().map(|path| format!("`{path}` {UNKNOWN}")).collect();
        Err(refusal((table, place), differences, self.snapshot.files.is_empty(), adopt))
    }
}
