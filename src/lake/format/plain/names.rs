//! Names of Parquet files.
//!
//! In: edits. Out: a file under `<table>/<level>=<value>/…/part-<number>.parquet` for each new one. For readers by glob a replaced file keeps its
//! name, so that it switches from old to new at once and no reader sees a key twice; a table whose log names its files gets another file for it, and
//! the old one stays for those who read an older version. Invariants: numbers are counted on over the life of a table, and a removed path is
//! never written again; a table has a file without rows where readers by glob need one ([`crate::lake::format::plain::empty`]).

use crate::config::StoredAs;
use crate::lake::format::plain::empty::Empties;
use crate::lake::format::{FileChange, PreparedTable};
use crate::lake::partition::hive_folder;
use crate::lake::stage::same_columns;
use crate::lake::store::Found;
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
    let mut names = Names { table: table.clone(), folders, keeps_old: false, after: base, changes: Vec::new() };
    let Some(shape) = shape else {
        edits.into_iter().for_each(|edit| names.apply(edit));
        let after = Snapshot { next_number: names.after.next_number, ..Snapshot::default() };
        let changes = names.changes;
        let (begins_log, ends_log, has_other_columns) = (false, false, false);
        return Ok(PreparedTable { table, changes, after, stats, is_dropped: true, begins_log, ends_log, has_other_columns });
    };
    names.keeps_old = shape.stored_as == StoredAs::Delta && names.after.stored_as == StoredAs::Delta;
    let begins_log = match shape.stored_as {
        StoredAs::Plain => false,
        StoredAs::DeltaBeside => names.after.stored_as != StoredAs::DeltaBeside,
        StoredAs::Delta => names.after.log.is_none(),
    };
    let ends_log = shape.stored_as == StoredAs::Plain && names.after.stored_as != StoredAs::Plain;
    let has_other_columns =
        !same_columns(&names.after.schema.columns, &shape.schema.columns) || names.after.partition_by != levels;
    let empties = Empties::take(&mut names.after, &shape)?;
    edits.into_iter().for_each(|edit| names.apply(edit));
    let settled = if shape.stored_as.is_plain() { empties.settle(&mut names.after, &shape)? } else { empties.leave() };
    settled.into_iter().for_each(|edit| names.apply(edit));
    let mut after = names.after;
    after.compat = (!after.files.is_empty()).then_some(shape.style.compat);
    (after.schema, after.primary_key, after.partition_by) = (shape.schema, shape.primary_key, levels);
    after.stored_as = shape.stored_as;
    if shape.stored_as != StoredAs::Delta {
        after.log = None;
    }
    Ok(PreparedTable { table, changes: names.changes, after, stats, is_dropped: false, begins_log, ends_log, has_other_columns })
}

/// A table while its edits get their names.
struct Names {
    table: String,
    /// Names of the partition levels.
    folders: Vec<String>,
    /// Whether a log of the table's own names its files, so that old ones stay.
    keeps_old: bool,
    after: Snapshot,
    changes: Vec<FileChange>,
}

impl Names {
    fn apply(&mut self, edit: Edit) {
        match edit {
            Edit::Add(new) => self.add(new, None),
            Edit::Replace { old, new } if self.keeps_old => {
                self.add(new, Some(&old));
                self.remove(old);
            }
            Edit::Replace { old, new } => {
                self.after.remove(&old.path);
                self.put(old.path.clone(), new, Some(old.clone()), Some(&old));
            }
            Edit::Remove(old) => self.remove(old),
        }
    }

    /// A file under a name of its own; its first bytes may be those of `old`.
    fn add(&mut self, new: NewFile, old: Option<&DataFile>) {
        let folder = hive_folder(&self.folders, &new.partition);
        let name = format!("part-{:06}.parquet", self.after.next_number);
        let path = [self.table.as_str(), &folder, &name].into_iter().filter(|part| !part.is_empty());
        let path = path.collect::<Vec<_>>().join("/");
        self.after.next_number += 1;
        self.put(path, new, None, old);
    }

    fn remove(&mut self, old: DataFile) {
        self.after.remove(&old.path);
        self.changes.push(match self.keeps_old {
            true => FileChange::Retire { file: old },
            false => FileChange::Delete { file: old },
        });
    }

    fn put(&mut self, path: String, new: NewFile, replaces: Option<DataFile>, old: Option<&DataFile>) {
        let NewFile { partition, spooled, behind, rows, bytes, checksum, key_ranges } = new;
        let file = DataFile { path, partition, rows, bytes, etag: None, checksum, key_ranges };
        let behind = old
            .filter(|_| behind > 0)
            .map(|old| Box::new(Found { path: old.path.clone(), bytes: behind, etag: old.etag.clone() }));
        self.after.insert(file.clone());
        self.changes.push(FileChange::Put { file, spooled, behind, replaces });
    }
}
