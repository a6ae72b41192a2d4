//! Adopting: a folder of Parquet files that something else wrote becomes a new table.
//!
//! In: a local folder, what the config declares. Out: what the folder holds, told from its names and footers; and its rows, staged as those of a run, so that
//! names, order, statistics and facts of keys are a run's. Invariants: the folder is only read; a type that a table cannot hold, a null in the key and
//! a key that comes twice are refused by name before the commit. Memory is that of a run. Not here: the cursor, and which config may adopt.

mod folder;
mod rows;
mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::base::caught;
use crate::config::LakeLocation;
use crate::decode::TypedBatch;
use crate::lake::ops::adopt::folder::{Found, find};
use crate::lake::ops::adopt::rows::Reading;
use crate::lake::ops::adopt::types::Joined;
use crate::lake::parquet::ParquetSource;
use crate::lake::stage::TableStage;
use crate::lake::{LakeError, LiveFile, LiveFiles, PreparedTable, Snapshot, StageSettings, TableFormat};
use crate::merge::{KeyLog, hash_keys};
use crate::schema::TableSchema;

/// Memory of the log of keys.
const KEY_BYTES: usize = 32 << 20;

/// A folder that is to become a table.
#[derive(Debug)]
pub(crate) struct ForeignFolder {
    /// Its files, by path.
    files: Vec<Found>,
    /// The columns that its folders hold, outermost first.
    pub(crate) levels: Vec<String>,
    /// The columns of the table: those of the files, then those of the folders.
    pub(crate) schema: TableSchema,
    /// Rows, as the footers tell.
    pub(crate) rows: u64,
}

/// What of the config decides about a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The table.
    pub(crate) table: String,
    /// Declared columns.
    pub(crate) declared: TableSchema,
    /// Names of folders that the table makes of other columns: what the folder has of them is made anew.
    pub(crate) derived: Vec<String>,
    /// Columns of the key.
    pub(crate) key: Vec<String>,
    /// Columns that must have values, those of the key among them.
    pub(crate) required: Vec<String>,
    /// Whether a key may have one row only.
    pub(crate) is_unique: bool,
    /// The column whose farthest value is asked for, and whether that is the greatest.
    pub(crate) cursor: Option<(String, bool)>,
}

/// The rows of a folder, staged.
pub(crate) struct Adopted {
    /// The table.
    pub(crate) prepared: PreparedTable,
    /// The farthest value of the cursor's column, as memory has it.
    pub(crate) farthest: Option<ArrayRef>,
}

impl ForeignFolder {
    /// Looks at the files of `root`, and at their footers. Blocking.
    ///
    /// # Errors
    /// [`LakeError::NotAdoptable`] naming the file or column; [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn open(root: &Path, lake: &LakeLocation, wanted: &Wanted) -> Result<Self, LakeError> {
        if !root.is_dir() {
            return Err(refused(root, "there is no such folder on this machine".to_owned()));
        }
        check_outside(root, lake)?;
        let (mut files, levels) = find(root)?;
        let mut joined = Joined::default();
        for file in &mut files {
            let source = open(file)?;
            file.rows = source.rows() as u64;
            let columns = types::columns(source.schema(), &wanted.declared).map_err(|why| refused(&file.path, why))?;
            joined.add(&file.shown, &columns);
        }
        let in_files = joined.finish().map_err(|why| refused(root, why))?;
        let in_folders: Vec<String> = levels.iter().filter(|level| !wanted.derived.contains(level)).cloned().collect();
        let schema = types::with_folders(in_files, &levels, &in_folders, &files, &wanted.declared);
        let schema = types::declared(schema, &wanted.declared).map_err(|why| refused(root, why))?;
        schema.check_names().and_then(|()| schema.check_limits()).map_err(|error| refused(root, error.to_string()))?;
        let rows = files.iter().fold(0_u64, |rows, file| rows.saturating_add(file.rows));
        Ok(Self { files, levels, schema, rows })
    }

    /// Files.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().fold(0_u64, |bytes, file| bytes.saturating_add(file.bytes))
    }

    /// Reads the keys of all rows, and the cursor's column; its farthest value. Keys are compared in memory and in files of `spill`. Blocking.
    ///
    /// # Errors
    /// [`LakeError::NoColumn`], [`LakeError::KeyIsNull`], [`LakeError::KeyRepeats`]; those of reading.
    pub(crate) fn check(&self, wanted: &Wanted, spill: PathBuf) -> Result<Option<ArrayRef>, LakeError> {
        let mut columns = wanted.required.clone();
        columns.extend(wanted.key.iter().chain(wanted.cursor.iter().map(|(name, _)| name)).cloned());
        let mut keys = (wanted.is_unique && !wanted.key.is_empty()).then(|| KeyLog::new(spill.clone(), KEY_BYTES));
        let mut reading = Reading::new(&self.schema, &self.levels, wanted)?;
        let mut hashes = Vec::new();
        for (unit, file) in (0..).zip(&self.files) {
            let mut first = 0_u32;
            reading.read(file, Some(&columns), |batch| {
                if let Some(keys) = &mut keys {
                    let key: Vec<ArrayRef> =
                        wanted.key.iter().filter_map(|name| batch.batch.column_by_name(name).cloned()).collect();
                    hash_keys(&key, &mut hashes)?;
                    keys.push(&hashes, unit, first)?;
                    first = first.saturating_add(hashes.len() as u32);
                }
                Ok(())
            })?;
        }
        if let Some(keys) = keys {
            let repeated = KeyLog::new(spill, KEY_BYTES).finish(Some(keys))?.duplicate_live.count();
            if repeated > 0 {
                return Err(self.repeats(wanted, repeated));
            }
        }
        Ok(reading.farthest)
    }

    /// Stages all rows over `table`, which has none. Blocking.
    ///
    /// # Errors
    /// Those of [`ForeignFolder::check`]; those of a run's stage.
    pub(crate) fn stage(
        &self,
        wanted: &Wanted,
        settings: StageSettings,
        (table, files): (Snapshot, Arc<dyn LiveFiles>),
        format: &dyn TableFormat,
    ) -> Result<Adopted, LakeError> {
        let mut reading = Reading::new(&self.schema, &self.levels, wanted)?;
        let mut stage = TableStage::new(settings, table, files)?;
        for file in &self.files {
            reading.read(file, None, |batch: TypedBatch| stage.push(batch))?;
        }
        let edit = stage.finish(&self.schema)?;
        if wanted.is_unique && edit.stats.rows_deduplicated > 0 {
            return Err(self.repeats(wanted, edit.stats.rows_deduplicated));
        }
        Ok(Adopted { prepared: format.prepare(edit)?, farthest: reading.farthest })
    }

    fn repeats(&self, wanted: &Wanted, repeated: u64) -> LakeError {
        LakeError::KeyRepeats { table: wanted.table.clone(), key: wanted.key.join(", "), rows: self.rows, repeated }
    }
}

fn open(file: &Found) -> Result<ParquetSource, LakeError> {
    let (live, name) = (LiveFile::open_disk(&file.path)?, file.path.display().to_string());
    // Whoever wrote it, it may be what no reader has met.
    caught(|| ParquetSource::open(live, name)).map_err(|panic| refused(&file.path, panic.to_string()))?
}

/// Refuses a folder of the lake, and one that holds it: its own files would be taken once more.
fn check_outside(root: &Path, lake: &LakeLocation) -> Result<(), LakeError> {
    let LakeLocation::Disk(lake) = lake else { return Ok(()) };
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (root_at, lake_at) = (whole(root), whole(lake));
    if root_at.starts_with(&lake_at) || lake_at.starts_with(&root_at) {
        let why = format!("it and the lake `{}` lie within each other; move it out of the lake first", lake.display());
        return Err(refused(root, why));
    }
    Ok(())
}

fn refused(place: &Path, why: String) -> LakeError {
    LakeError::NotAdoptable { place: place.display().to_string(), why }
}
