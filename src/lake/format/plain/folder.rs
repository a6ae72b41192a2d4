//! A table's folder: whether it is what the manifest says, and what is left of it.
//!
//! In: a listing and the live files. Out: nothing, or the first differences by name. Marks that no reader takes for data
//! (`_SUCCESS`, `.DS_Store`) are ignored; whatever ends in `.parquet` is not, because some readers look into hidden folders.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};

use crate::lake::format::foreign::{UNKNOWN, refusal};
use crate::lake::store::{Found, Store};
use crate::lake::{DataFile, LakeError, Snapshot};

/// Files of another etag that are read at once.
const PARALLEL_READS: usize = 4;

/// Compares `found`, the listing of the folder of `table` at `place`, with its live files.
///
/// # Errors
/// [`LakeError::Foreign`] naming up to five files; with `adopt`, [`LakeError::Adopt`].
pub(super) fn check_folder(
    (table, place): (&str, &str),
    found: &[Found],
    live: &[DataFile],
    adopt: bool,
) -> Result<(), LakeError> {
    let mut live: Vec<&DataFile> = live.iter().collect();
    live.sort_by(|a, b| a.path.cmp(&b.path));
    let mut differences = Vec::new();
    for found in found {
        match live.binary_search_by(|file| file.path.cmp(&found.path)).map(|at| live[at]) {
            Err(_) if is_mark(&found.path) => {}
            Err(_) => differences.push(format!("`{}` {UNKNOWN}", found.path)),
            Ok(file) if file.bytes != found.bytes => {
                differences.push(format!("`{}` has {} bytes instead of {}", found.path, found.bytes, file.bytes));
            }
            Ok(DataFile { etag: Some(known), .. }) if found.etag.as_ref().is_some_and(|etag| etag != known) => {
                differences.push(format!("`{}` was replaced", found.path));
            }
            Ok(_) => {}
        }
    }
    for file in &live {
        if found.binary_search_by(|found| found.path.cmp(&file.path)).is_err() {
            differences.push(format!("`{}` is missing", file.path));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(refusal((table, place), differences, live.is_empty(), adopt))
}

/// The files of a listing that are not among the live ones, but for marks.
pub(super) fn strangers(found: &[Found], live: &[DataFile]) -> Vec<String> {
    let live: BTreeSet<&str> = live.iter().map(|file| file.path.as_str()).collect();
    let found = found.iter().map(|found| &found.path);
    found.filter(|path| !live.contains(path.as_str()) && !is_mark(path)).cloned().collect()
}

/// The table with those of its files that are there, as they are: whatever they hold, they are what goes.
pub(super) fn as_found(mut table: Snapshot, found: &[Found]) -> Snapshot {
    table.files.retain_mut(|file| {
        let Ok(at) = found.binary_search_by(|found| found.path.cmp(&file.path)) else { return false };
        (file.bytes, file.etag, file.checksum) = (found[at].bytes, found[at].etag.clone(), String::new());
        true
    });
    table
}

/// Takes over the tags of files that have another one than the commit left, and the same bytes: those of a table that was
/// restored or moved. Each is read once, since the next manifest has the new tags.
pub(super) async fn recognise_restored(store: &dyn Store, state: &mut Snapshot, found: &[Found]) -> Result<(), LakeError> {
    let retagged = state.files.iter_mut().filter_map(|file| {
        let at = found.binary_search_by(|found| found.path.cmp(&file.path)).ok()?;
        let is_other = file.etag.is_some() && found[at].etag.is_some() && found[at].etag != file.etag;
        (is_other && found[at].bytes == file.bytes && !file.checksum.is_empty()).then_some((file, found[at].etag.clone()))
    });
    let checks: Vec<_> = retagged
        .map(|(file, etag)| async move {
            if store.holds(&file.path, file.bytes, &file.checksum).await? {
                tracing::info!(path = file.path, "the same bytes under another etag");
                file.etag = etag;
            }
            Ok(())
        })
        .collect();
    stream::iter(checks).buffer_unordered(PARALLEL_READS).try_collect().await
}

/// Whether every reader ignores the file.
fn is_mark(path: &str) -> bool {
    let below_table = path.split('/').skip(1);
    !path.ends_with(".parquet")
        && below_table.into_iter().any(|part| (part.starts_with('_') || part.starts_with('.')) && !part.contains('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[(&str, u64, Option<&str>)], adopt: bool) -> String {
        let found: Vec<Found> = found
            .iter()
            .map(|(path, bytes, etag)| Found { path: (*path).to_owned(), bytes: *bytes, etag: etag.map(str::to_owned) })
            .collect();
        let live = [DataFile {
            path: "t/part-000000.parquet".to_owned(),
            partition: vec![],
            rows: 1,
            bytes: 10,
            etag: Some("a".to_owned()),
            checksum: String::new(),
            key_ranges: Default::default(),
        }];
        match check_folder(("t", "/lake/t"), &found, &live, adopt) {
            Ok(()) => "fine".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_folder_as_the_commit_left_it_is_fine() {
        assert_eq!(check(&[("t/part-000000.parquet", 10, Some("a"))], false), "fine");
        assert_eq!(check(&[("t/part-000000.parquet", 10, None)], false), "fine");
        assert_eq!(
            check(&[("t/.DS_Store", 4, None), ("t/_SUCCESS", 0, None), ("t/part-000000.parquet", 10, None)], false),
            "fine"
        );
    }

    #[test]
    fn unknown_changed_replaced_and_missing_files_are_named() {
        let told = |text: &str| format!("folder `/lake/t` is not as the last commit left it: {text}");
        assert_eq!(check(&[], false), told("`t/part-000000.parquet` is missing"));
        assert_eq!(
            check(&[("t/part-000000.parquet", 9, None)], false),
            told("`t/part-000000.parquet` has 9 bytes instead of 10")
        );
        assert_eq!(check(&[("t/part-000000.parquet", 10, Some("b"))], false), told("`t/part-000000.parquet` was replaced"));
        assert_eq!(
            check(&[("t/_hidden/x.parquet", 1, None), ("t/part-000000.parquet", 10, None)], false),
            told("`t/_hidden/x.parquet` was not written by lakeward")
        );
    }

    #[test]
    fn files_in_the_folder_of_a_table_without_any_are_named_without_a_word_of_a_commit() {
        let found = [Found { path: "t/a.parquet".to_owned(), bytes: 1, etag: None }];
        let error = check_folder(("t", "/lake/t"), &found, &[], false).unwrap_err();
        let told = "folder `/lake/t` has files that lakeward did not write, or whose commits are gone: `t/a.parquet`";
        assert_eq!(error.to_string(), told);
        assert!(error.hint().unwrap().starts_with("move them out of `/lake/t`, and run again"));
    }

    #[test]
    fn of_many_foreign_files_five_are_named() {
        let names: Vec<String> = (0..7).map(|n| format!("t/x{n}.csv")).collect();
        let mut found = vec![("t/part-000000.parquet", 10, None)];
        found.extend(names.iter().map(|name| (name.as_str(), 1, None)));
        let told = check(&found, false);
        assert!(told.ends_with("`t/x4.csv` was not written by lakeward and 2 more"), "{told}");
    }

    #[test]
    fn adopt_says_what_it_cannot_do() {
        let told = check(&[("t/part-000000.parquet", 9, None)], true);
        assert!(told.contains("`lake.adopt` cannot take over `/lake/t`"), "{told}");
    }
}
