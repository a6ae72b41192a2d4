//! Diff: which rows of a table came, went or changed between two versions.
//!
//! In: a table at two versions. Out: [`TableDiff`], and on demand the rows themselves in a file. Rows go by their key, those of a table without
//! one as a whole. Files that both versions have are not read. Invariants: content counts only behind its checksum; nothing is written into the
//! lake; memory is a batch of rows, the budget of the log of hashes, and a bit or two a row where rows are written.
//! Rows are compared in the wider one of each column's two types; where neither is, the versions cannot be compared.

mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::blocking;
use crate::lake::ops::{Archive, FileAt, TableAt};
use crate::lake::spool::Spool;
use crate::lake::{LakeError, Snapshot};
use crate::merge::{DiffCounts, RowFate, RowLog, RowSets, Side};
use crate::schema::{ColumnType, TableSchema};
use rows::{Reader, write_rows};

/// Memory of the log of hashes before it goes to disk.
const LOG_BYTES: usize = 32 << 20;

/// What became of a table between two versions.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableDiff {
    /// Rows by what became of them; of those that are the same, the ones in files that were compared.
    pub(crate) counts: DiffCounts,
    /// Rows of the older version; `None` when it has no such table.
    pub(crate) rows_before: Option<u64>,
    /// Rows of the newer version.
    pub(crate) rows_after: Option<u64>,
    /// The key by which rows were compared; empty: as a whole.
    pub(crate) key: Vec<String>,
    /// Files that were read.
    pub(crate) files_read: u64,
}

/// The rows that differ, by what became of them, unit and number.
type Picked = BTreeMap<RowFate, RowSets>;

impl Archive {
    /// Compares a table at two versions, of which one may lack it. With `out`, rows that differ are written to that file, which must not be there.
    ///
    /// # Errors
    /// [`LakeError::NotComparable`]; [`LakeError::NotKept`] when newer commits removed a version meanwhile; [`LakeError::Damaged`]; the store's.
    pub(crate) async fn diff(
        &self,
        table: &str,
        (from, old): (u64, Option<&TableAt>),
        (to, new): (u64, Option<&TableAt>),
        out: Option<&Path>,
    ) -> Result<TableDiff, LakeError> {
        let compared = self.compare(table, old, new, out).await;
        if let Err(error) = compared {
            // Should the reason be that files are gone by now, that is the one to tell.
            if let Some(newest) = Self::open_in(Arc::clone(&self.store), self.layout.pipeline()).await? {
                for (version, _) in [(from, old), (to, new)].iter().filter(|(_, at)| at.is_some()) {
                    newest.tables_at(*version, Some(table)).await?;
                }
            }
            return Err(error);
        }
        compared
    }

    async fn compare(
        &self,
        table: &str,
        old: Option<&TableAt>,
        new: Option<&TableAt>,
        out: Option<&Path>,
    ) -> Result<TableDiff, LakeError> {
        let (none, spool) = (TableAt { snapshot: Snapshot::default(), files: Vec::new() }, Spool::temporary("diff").await?);
        let (old_at, new_at) = (old.unwrap_or(&none), new.unwrap_or(&none));
        let key = common_key(table, old, new)?;
        let schema = common_schema(table, &old_at.snapshot.schema, &new_at.snapshot.schema)?;
        let (old_files, new_files) = differing(old_at, new_at);
        for at in old_files.iter().chain(&new_files).filter(|at| self.store.root().is_none() && at.path != at.file.path) {
            // A copy in a bucket has a tag of its own.
            if !self.store.holds(&at.path, at.file.bytes, &at.file.checksum).await? {
                return Err(LakeError::Damaged { table: Some(table.to_owned()), place: at.place.clone() });
            }
        }
        let files_read = (old_files.len() + new_files.len()) as u64;
        let sides = [(Side::Old, old_at.snapshot.clone(), old_files), (Side::New, new_at.snapshot.clone(), new_files)];
        let job =
            Job { table: table.to_owned(), schema: Arc::new(schema), key: key.clone(), files: self.store.live_files(), sides };
        let (out, folder) = (out.map(Path::to_owned), spool.path().to_owned());
        let work = blocking(move || Ok(job.run(folder, out.as_deref()))).await;
        let counts = work.map_err(|source| LakeError::of_disk("compare rows in", spool.path(), source))??;
        let rows = |at: Option<&TableAt>| at.map(|at| at.snapshot.rows());
        Ok(TableDiff { counts, rows_before: rows(old), rows_after: rows(new), key, files_read })
    }
}

/// What is compared, off the runtime.
struct Job {
    table: String,
    schema: Arc<TableSchema>,
    key: Vec<String>,
    files: Arc<dyn crate::lake::LiveFiles>,
    sides: [(Side, Snapshot, Vec<FileAt>); 2],
}

impl Job {
    fn run(&self, folder: PathBuf, out: Option<&Path>) -> Result<DiffCounts, LakeError> {
        let mut log = RowLog::new(folder, LOG_BYTES);
        for (side, snapshot, files) in &self.sides {
            let reader = Reader::new(&self.table, snapshot, &self.schema, &*self.files)?;
            for (unit, at) in (0..).zip(files) {
                let mut first = 0;
                reader.each(at, |batch| {
                    let (keys, rows) = reader.hashes(batch, &self.key)?;
                    log.push(*side, unit, first, &keys, &rows)?;
                    first += batch.num_rows() as u64;
                    Ok(())
                })?;
            }
        }
        let (mut picked, is_written) = (Picked::new(), out.is_some());
        let counts = log.finish(!self.key.is_empty(), |change| {
            if is_written {
                picked.entry(change.fate).or_default().insert(change.unit, change.row);
            }
        })?;
        if let Some(out) = out {
            write_rows(self, &picked, out)?;
        }
        Ok(counts)
    }
}

/// The key of both versions.
fn common_key(table: &str, old: Option<&TableAt>, new: Option<&TableAt>) -> Result<Vec<String>, LakeError> {
    let words =
        |key: &[String]| if key.is_empty() { "no primary key".to_owned() } else { format!("the primary key {}", key.join(", ")) };
    match (old.map(|at| &at.snapshot.primary_key), new.map(|at| &at.snapshot.primary_key)) {
        (Some(one), Some(other)) if one != other => {
            Err(LakeError::NotComparable { table: table.to_owned(), found: words(one), wanted: words(other) })
        }
        (Some(key), _) | (None, Some(key)) => Ok(key.clone()),
        (None, None) => Ok(Vec::new()),
    }
}

/// The columns of both versions, each in the wider one of its types.
fn common_schema(table: &str, old: &TableSchema, new: &TableSchema) -> Result<TableSchema, LakeError> {
    let mut common = new.clone();
    for column in &old.columns {
        let Some(other) = common.columns.iter_mut().find(|other| other.name == column.name) else {
            common.columns.push(column.clone());
            continue;
        };
        let goes_into = |one: &ColumnType, other: &ColumnType| one.le(other) || one.converts_to(other);
        if goes_into(&column.column_type, &other.column_type) {
            continue;
        }
        if !goes_into(&other.column_type, &column.column_type) {
            let words = |of: &ColumnType| format!("column `{}` as {of}", column.name);
            let (found, wanted) = (words(&column.column_type), words(&other.column_type));
            return Err(LakeError::NotComparable { table: table.to_owned(), found, wanted });
        }
        other.column_type = column.column_type.clone();
    }
    Ok(common)
}

/// The files that only one of two versions has. Where partitions are others, all of them.
fn differing(old: &TableAt, new: &TableAt) -> (Vec<FileAt>, Vec<FileAt>) {
    let with_rows = |at: &TableAt| at.files.iter().filter(|at| at.file.rows > 0).cloned().collect::<Vec<_>>();
    let (old_files, mut new_files) = (with_rows(old), with_rows(new));
    if old.snapshot.partition_by != new.snapshot.partition_by {
        return (old_files, new_files);
    }
    let mut by_checksum: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, file) in new_files.iter().enumerate() {
        by_checksum.entry(file.file.checksum.clone()).or_default().push(at);
    }
    let mut shared = vec![false; new_files.len()];
    let only_old = old_files.into_iter().filter(|file| {
        let candidates = by_checksum.get(&file.file.checksum).map_or(&[][..], Vec::as_slice);
        let twin = candidates.iter().find(|at| !shared[**at] && new_files[**at].file.has_content_of(&file.file));
        twin.map(|at| shared[*at] = true).is_none()
    });
    let only_old = only_old.collect();
    let mut at = 0;
    new_files.retain(|_| {
        at += 1;
        !shared[at - 1]
    });
    (only_old, new_files)
}
