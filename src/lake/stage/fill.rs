//! Where the new files of an append go: behind the rows of a partition's last file, where that is small, or beside it.
//!
//! In: finished files in the spool, the live ones. Out: edits. A file that is filled up keeps its name, so that readers by glob see tonight's rows
//! at once and none twice. Invariants: rows keep their order; of each partition at most its last file is below [`FILL_BYTES`] once nights fill up;
//! a night writes no more than that again, or a few times its own bytes. Memory: that of one file being written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::lake::parquet::ParquetSource;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::compact::put_together;
use crate::lake::stage::edits::Edits;
use crate::lake::stage::files::FileMaker;
use crate::lake::stage::settings::StageSettings;
use crate::lake::stage::upkeep::Upkeep;
use crate::lake::{DataFile, LakeError, LiveFile, LiveFiles, NewFile, Snapshot};
use crate::schema::TableSchema;

/// Bytes up to which a file is filled up, however little comes.
const FILL_BYTES: u64 = 16_000_000;
/// A larger one is, too, while it has at most so many times what comes.
const FILL_FACTOR: u64 = 4;

/// Puts `new` files of an append into `edits`.
///
/// # Errors
/// [`LakeError::Damaged`] for a live file that is not what was committed; [`LakeError::Disk`], [`LakeError::Parquet`].
pub(super) fn add_or_fill(
    maker: &mut FileMaker,
    settings: &Arc<StageSettings>,
    (existing, files): (&Snapshot, &dyn LiveFiles),
    (new, schema): (Vec<NewFile>, &TableSchema),
    edits: &mut Edits,
) -> Result<(), LakeError> {
    // What is due to all files was done to the last ones too.
    let fills = settings.fills_up && !Upkeep::new(settings, existing, schema).is_due();
    let last = if fills { last_files(&existing.files, &new) } else { BTreeMap::new() };
    for new in new {
        let fits = |file: &&&DataFile| {
            file.bytes <= FILL_BYTES.max(new.bytes.saturating_mul(FILL_FACTOR))
                && file.bytes.saturating_add(new.bytes) <= settings.target_file_size
        };
        let Some(file) = last.get(&new.partition).filter(fits) else {
            edits.add(new);
            continue;
        };
        let live = ParquetSource::open(files.open(file)?, file.path.clone())?;
        let added = ParquetSource::open(LiveFile::open_disk(&new.spooled)?, new.spooled.display().to_string())?;
        let of = |source, written| Adapted::new(source, written, maker.schema(), &settings.table);
        let both = [of(live, &existing.schema), of(added, maker.schema())];
        let rows = both.iter().flat_map(|file| file.row_groups().into_iter().map(|at| file.source().row_group_rows(at) as u64));
        let together = maker.is_fragmented(rows);
        edits.replace(file, put_together(maker, both.into_iter().map(Ok), together)?);
        let removed = std::fs::remove_file(&new.spooled);
        removed.map_err(|source| LakeError::Disk { action: "remove", path: new.spooled, source })?;
    }
    Ok(())
}

/// The last live file of each partition that gets just one `new` file: of several, the first is full.
fn last_files<'f>(live: &'f [DataFile], new: &[NewFile]) -> BTreeMap<Vec<Option<String>>, &'f DataFile> {
    let mut counts: BTreeMap<&[Option<String>], usize> = BTreeMap::new();
    new.iter().for_each(|new| *counts.entry(&new.partition).or_default() += 1);
    let of_one = live.iter().filter(|file| file.rows > 0 && counts.get(file.partition.as_slice()) == Some(&1));
    of_one.map(|file| (file.partition.clone(), file)).collect()
}
