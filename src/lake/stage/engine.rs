//! Merge engines: staged rows of a run and a snapshot of their table become edits and counters.
//!
//! In: a [`MergeJob`]. Out: [`Merged`]. Whatever an engine says, it counts only behind [`Merged::check`]: rows that come and go are those that it
//! counts, files have the rows and the columns that they should. The first engine is [`crate::lake::stage::Embedded`].

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::lake::parquet::{ColumnEncodings, KeyRanges, read_footer};
use crate::lake::stage::edits::Edits;
use crate::lake::stage::segment::Segment;
use crate::lake::stage::settings::StageSettings;
use crate::lake::{DataFile, Edit, LakeError, LiveFiles, NewFile, Partitioner, Snapshot, StageStats};
use crate::merge::{KeyLog, RowSets};
use crate::schema::TableSchema;

/// Turns staged rows and a snapshot into edits and counters.
pub(crate) trait MergeEngine: Send + Sync + fmt::Debug {
    /// Merges the rows of a run into a table that has rows. Called once a run and table, when all rows are staged; blocking.
    ///
    /// It reads live files by row group and by column, each only through the job's `files`, and writes only into the table's spool. Each
    /// key is in the table once afterwards, as the settings say; each row of the run is counted once; a file without a change is in no edit. New files are
    /// finished; whoever takes the edits makes them durable. Memory is bounded by the settings' budgets. The same rows over the same snapshot may give other files
    /// only where the engine says so; the embedded one gives the same bytes.
    ///
    /// # Errors
    /// [`LakeError::Damaged`] for a live file that is not what was committed; [`LakeError::Partition`], [`LakeError::Merge`],
    /// [`LakeError::Parquet`], [`LakeError::Disk`]. What it wrote goes with the spool.
    fn merge(&self, job: MergeJob<'_>) -> Result<Merged, LakeError>;
}

/// What an engine is given.
pub(crate) struct MergeJob<'a> {
    /// How the table is staged: its key, the rules of its rows, the form of its files, bounds, the spool.
    pub(crate) settings: &'a Arc<StageSettings>,
    /// The table as the last commit has it, without files that have no rows.
    pub(crate) table: &'a Snapshot,
    /// Its files.
    pub(crate) files: &'a dyn LiveFiles,
    /// Its partitions.
    pub(crate) partitioner: &'a mut Partitioner,
    /// Its schema afterwards.
    pub(crate) schema: &'a Arc<TableSchema>,
    /// The same as files have it.
    pub(crate) file_schema: &'a Arc<TableSchema>,
    /// The run's rows, in order of arrival, as Parquet files in the spool, each under the types that were known when it was begun.
    pub(crate) segments: Vec<Segment>,
    /// The keys of these rows; `None` where a key changed its type on the way.
    pub(crate) keys: Option<KeyLog>,
    /// The rows that delete, by their number of arrival.
    pub(crate) deletions: RowSets,
    /// How many rows they are.
    pub(crate) rows_in: u64,
    /// Estimated memory of one of them.
    pub(crate) row_bytes: usize,
    /// How their columns are best written.
    pub(crate) encodings: ColumnEncodings,
}

/// What an engine has done.
#[derive(Debug)]
pub(crate) struct Merged {
    /// The edits, in the order in which new files are numbered.
    pub(crate) edits: Edits,
    /// What happened to the run's rows.
    pub(crate) stats: StageStats,
    /// Stored rows taken out because another one has their key.
    pub(crate) rows_repaired: u64,
    /// Ranges of the keys of files that stay, by path, which the snapshot did not tell.
    pub(crate) key_ranges: BTreeMap<String, KeyRanges>,
}

impl Merged {
    /// Checks an outcome against `before`, the table it stands on, and the `rows_in` of the run, down to the footers of new files, which have to have
    /// the columns of `file_schema`.
    ///
    /// # Errors
    /// [`LakeError::Unsound`]; [`LakeError::Parquet`], [`LakeError::Disk`] for a file that cannot be read.
    pub(crate) fn check(
        &self,
        (table, before): (&str, &Snapshot),
        rows_in: u64,
        file_schema: &TableSchema,
    ) -> Result<(), LakeError> {
        let unsound = |why: String| Err(LakeError::Unsound { table: table.to_owned(), why });
        let stats = &self.stats;
        if stats.rows_in != rows_in || stats.rows_told() != rows_in {
            return unsound(format!("it tells of {} of {rows_in} rows", stats.rows_told()));
        }
        let mut left: HashSet<&DataFile> = before.files.iter().collect();
        let (mut come, mut gone) = (0, 0);
        for edit in self.edits.all() {
            if let Some(old) = edit.old_file() {
                if !left.remove(old) {
                    return unsound(format!("`{}` is no file of the table, or changes twice", old.path));
                }
                gone += old.rows;
            }
            if let Some(new) = edit.new_file() {
                check_footer(table, new, file_schema)?;
                come += new.rows;
            }
            if matches!(edit, Edit::Replace { old, new } if old.partition != new.partition) {
                return unsound("a file takes the place of one of another partition".to_owned());
            }
        }
        let (more, less) = (come + stats.rows_deleted + self.rows_repaired, gone + stats.rows_inserted);
        if more != less {
            return unsound(format!(
                "its files have {} rows {} than it counts",
                more.abs_diff(less),
                if more > less { "more" } else { "less" }
            ));
        }
        Ok(())
    }
}

/// Checks that a new file's footer tells what the edit does.
fn check_footer(table: &str, new: &NewFile, file_schema: &TableSchema) -> Result<(), LakeError> {
    let unsound = |why: String| Err(LakeError::Unsound { table: table.to_owned(), why });
    let name = new.spooled.display().to_string();
    let (rows, columns) = read_footer(&new.spooled)?;
    if u64::try_from(rows) != Ok(new.rows) {
        return unsound(format!("`{name}` has {rows} rows instead of {}", new.rows));
    }
    if !columns.iter().eq(file_schema.columns.iter().map(|column| &column.name)) {
        return unsound(format!("`{name}` has other columns than the table"));
    }
    Ok(())
}
