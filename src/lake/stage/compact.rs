//! Compaction: the small files of a partition become few of full size; no row changes, comes or goes.
//!
//! In: a table as its last commit has it, its live files. Out: [`TableEdit`]: the first of the files that are put together gets the rows
//! of all, the others go. Small row groups become one, sorted anew where the settings say so; large ones are carried over as bytes.
//! Invariants: a file of half the target size or more is left alone; files keep their order; the same files give the same bytes.
//! Memory: that of one file being written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::decode::SpellingLog;
use crate::lake::parquet::{ColumnEncodings, FinishedFile, ParquetSource};
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::edits::Edits;
use crate::lake::stage::files::{FileMaker, in_parts};
use crate::lake::stage::settings::StageSettings;
use crate::lake::{DataFile, LakeError, LiveFiles, Partitioner, Snapshot, StageStats, TableEdit};
use crate::merge::RowSet;

/// The files of `table` that belong together, each list in the order of their names: two or more of one partition.
pub(crate) fn small_files(table: &Snapshot, target_file_size: u64) -> Vec<Vec<DataFile>> {
    let mut small: BTreeMap<&[Option<String>], Vec<DataFile>> = BTreeMap::new();
    for file in table.files.iter().filter(|file| file.rows > 0 && file.bytes < target_file_size / 2) {
        small.entry(&file.partition).or_default().push(file.clone());
    }
    let parts = small.into_values().flat_map(|files| in_parts(files, target_file_size, |file| file.bytes));
    parts.filter(|part| part.len() > 1).collect()
}

/// Puts the small files of `existing` together. Blocking.
///
/// # Errors
/// [`LakeError::Damaged`] for a live file that is not what was committed; [`LakeError::Disk`], [`LakeError::Parquet`].
pub(crate) fn compact(settings: &Arc<StageSettings>, existing: Snapshot, files: &dyn LiveFiles) -> Result<TableEdit, LakeError> {
    let spool = &settings.spool;
    std::fs::create_dir_all(spool).map_err(|source| LakeError::Disk { action: "create", path: spool.clone(), source })?;
    let file_schema = Arc::new(Partitioner::new(&settings.partition_by, &existing.schema)?.file_schema(&existing.schema)?);
    let mut maker = FileMaker::new(settings, &file_schema, ColumnEncodings::default(), "compact");
    let mut edits = Edits::default();
    for part in small_files(&existing, settings.target_file_size) {
        let open = |file: &DataFile| {
            let source = ParquetSource::open(files.open(file)?, file.path.clone())?;
            Ok::<_, LakeError>(Adapted::new(source, &existing.schema, &file_schema, &settings.table))
        };
        // The largest has seen most values.
        if let Some(largest) = part.iter().max_by_key(|file| file.bytes) {
            maker.complete_encodings(open(largest)?.source())?;
        }
        let together = put_together(&mut maker, part.iter().map(open), true)?;
        if let Some((first, rest)) = part.split_first() {
            edits.replace(first, together);
            rest.iter().for_each(|file| edits.remove(file));
        }
    }
    let shape = settings.shape(existing.schema.clone());
    let (table, stats) = (settings.table.clone(), StageStats::default());
    Ok(TableEdit { table, base: existing, edits: edits.finish(settings.is_durable)?, shape: Some(shape), stats })
}

/// One file of the rows of several, in their order; with `together`, small row groups are written as one.
///
/// # Errors
/// As [`compact`].
pub(super) fn put_together(
    maker: &mut FileMaker,
    files: impl Iterator<Item = Result<Adapted, LakeError>>,
    together: bool,
) -> Result<FinishedFile, LakeError> {
    let mut sink = maker.create()?;
    for file in files {
        maker.carry(&mut sink, &file?, &SpellingLog::default(), &RowSet::default(), together)?;
    }
    Ok(sink.finish()?.file)
}
