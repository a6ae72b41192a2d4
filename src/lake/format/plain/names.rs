//! Names of plain Parquet files, for readers by glob.
//!
//! In: edits. Out: a file under `<table>/<level>=<value>/…/part-<number>.parquet` for each new one; a replaced file keeps its name, so that
//! it switches from old to new at once and no reader sees a key twice. Invariants: numbers are counted on over the life of a table, and a
//! removed path is never written again; a table has a file without rows where readers need one ([`crate::lake::format::plain::empty`]).

use crate::lake::format::plain::empty::Empties;
use crate::lake::format::{FileChange, PreparedTable};
use crate::lake::partition::hive_folder;
use crate::lake::{DataFile, Edit, LakeError, NewFile, Snapshot, TableEdit, partition_levels};

/// Names the files of an edit. Blocking: may write a file without rows into the spool.
///
/// # Errors
/// [`LakeError::Partition`] where a partition makes no name; [`LakeError::Disk`], [`LakeError::Parquet`] for the file without rows.
pub(crate) fn name_files(edit: TableEdit) -> Result<PreparedTable, LakeError> {
    let TableEdit { table, base, edits, shape, stats } = edit;
    let levels = match &shape {
        Some(shape) => partition_levels(&shape.partition_by),
        None => base.partition_by.clone(),
    };
    let folders = levels.iter().map(|(folder, _, _)| folder.clone()).collect();
    let mut names = Names { table: table.clone(), folders, after: base, changes: Vec::new() };
    let Some(shape) = shape else {
        edits.into_iter().for_each(|edit| names.apply(edit));
        let after = Snapshot { next_number: names.after.next_number, ..Snapshot::default() };
        return Ok(PreparedTable { table, changes: names.changes, after, stats, is_dropped: true });
    };
    let empties = Empties::take(&mut names.after, &shape)?;
    edits.into_iter().for_each(|edit| names.apply(edit));
    for edit in empties.settle(&mut names.after, &shape)? {
        names.apply(edit);
    }
    let mut after = names.after;
    after.compat = (!after.files.is_empty()).then_some(shape.style.compat);
    (after.schema, after.primary_key, after.partition_by) = (shape.schema, shape.primary_key, levels);
    Ok(PreparedTable { table, changes: names.changes, after, stats, is_dropped: false })
}

/// A table while its edits get their names.
struct Names {
    table: String,
    /// Names of the partition levels.
    folders: Vec<String>,
    after: Snapshot,
    changes: Vec<FileChange>,
}

impl Names {
    fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::Add(new) => {
                let folder = hive_folder(&self.folders, &new.partition);
                let name = format!("part-{:06}.parquet", self.after.next_number);
                let path = [self.table.as_str(), &folder, &name].into_iter().filter(|part| !part.is_empty());
                let path = path.collect::<Vec<_>>().join("/");
                self.after.next_number += 1;
                self.put(path, new, None);
            }
            Edit::Replace { old, new } => {
                self.after.remove(&old.path);
                self.put(old.path.clone(), new, Some(old));
            }
            Edit::Remove(old) => {
                self.after.remove(&old.path);
                self.changes.push(FileChange::Delete { file: old });
            }
        }
    }

    fn put(&mut self, path: String, new: NewFile, replaces: Option<DataFile>) {
        let NewFile { partition, spooled, behind, rows, bytes, checksum, key_ranges } = new;
        let file = DataFile { path, partition, rows, bytes, etag: None, checksum, key_ranges };
        self.after.insert(file.clone());
        self.changes.push(FileChange::Put { file, spooled, behind, replaces });
    }
}
