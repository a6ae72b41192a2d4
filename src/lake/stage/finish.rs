//! The end of a run: segments become final files, and the changes that publish them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::config::{OnSchemaChange, WriteDisposition};
use crate::lake::parquet::FinishedFile;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::files::{FileMaker, NewFile, in_parts};
use crate::lake::stage::form::same_columns;
use crate::lake::stage::segment::Segment;
use crate::lake::stage::{TableStage, partition_levels};
use crate::lake::{DataFile, FileChange, LakeError, PartitionId, Partitioner, StagedTable, TableState};
use crate::merge::RowSet;

/// What a stage has come to once all rows are in segments.
pub(crate) fn finish(stage: TableStage) -> Result<StagedTable, LakeError> {
    let TableStage { settings, existing, files, partitioner, schema, file_schema, lanes, keys, mut stats, .. } = stage;
    if super::merges_onto(&settings, &existing) {
        let source = arrow::error::ArrowError::NotYetImplemented("merge onto live files".to_owned());
        return Err(LakeError::Arrow { action: "merge", table: settings.table.clone(), source });
    }
    let (segments, arrivals, encodings) = lanes.finish()?;
    let mut dropped = vec![RowSet::default(); segments.len()];
    if let Some(keys) = keys {
        let outcome = keys.finish(None)?;
        stats.rows_deduplicated = outcome.superseded.count();
        if stats.rows_deduplicated > 0 {
            dropped = arrivals.locate(&outcome.superseded, segments.len())?;
        }
    }
    stats.rows_inserted = stats.rows_in - stats.rows_deduplicated;
    let mut maker = FileMaker::new(&settings, &file_schema, encodings);
    let new_files = settle(&mut maker, &settings, segments, &dropped)?;
    let mut changes = Changes::new(existing);
    if settings.disposition == WriteDisposition::Replace {
        changes.delete_all();
    } else if settings.on_schema_change == OnSchemaChange::Rewrite {
        let _ = &files;
    }
    for new in new_files {
        changes.add(&settings.table, &partitioner, new);
    }
    changes.sync()?;
    let mut state = changes.state;
    state.schema = schema.as_ref().clone();
    state.primary_key = settings.primary_key.clone();
    state.partition_by = partition_levels(&settings.partition_by);
    Ok(StagedTable { table: settings.table.clone(), changes: changes.changes, state, stats })
}

/// Segments as final files, by partition in order of first appearance: as they are where nothing has to be repaired.
pub(crate) fn settle(
    maker: &mut FileMaker,
    settings: &crate::lake::stage::StageSettings,
    segments: Vec<Segment>,
    dropped: &[RowSet],
) -> Result<Vec<NewFile>, LakeError> {
    let mut by_partition: BTreeMap<PartitionId, Vec<(Segment, RowSet)>> = BTreeMap::new();
    for (segment, dropped) in segments.into_iter().zip(dropped) {
        let dropped = segment.physical_rows(dropped)?;
        by_partition.entry(segment.partition).or_default().push((segment, dropped));
    }
    let mut files = Vec::new();
    for (partition, segments) in by_partition {
        for part in in_parts(segments, settings.target_file_size, |(segment, _)| segment.file.bytes) {
            if let Some(file) = settle_part(maker, part, &settings.table)? {
                files.push(NewFile { partition, file });
            }
        }
    }
    Ok(files)
}

/// One file of some segments of a partition; `None` when no row is left.
fn settle_part(maker: &mut FileMaker, mut part: Vec<(Segment, RowSet)>, table: &str) -> Result<Option<FinishedFile>, LakeError> {
    part.retain(|(segment, dropped)| dropped.count() < segment.file.rows());
    let together = maker.is_fragmented(part.iter().flat_map(|(segment, _)| segment.file.row_groups.iter().copied()));
    if let [(segment, dropped)] = part.as_slice()
        && dropped.is_empty()
        && !together
        && same_columns(&segment.schema.columns, &maker.schema().columns)
    {
        return Ok(Some(segment.file.clone()));
    }
    if part.is_empty() {
        return Ok(None);
    }
    let mut sink = maker.create()?;
    for (segment, dropped) in part {
        let from = Adapted::new(segment.file.open()?, &segment.schema, maker.schema(), table);
        maker.carry(&mut sink, &from, &dropped, together)?;
        segment.file.remove()?;
    }
    Ok(Some(sink.finish()?.0))
}

/// The changes of a run as they come together.
pub(crate) struct Changes {
    /// The table afterwards.
    pub(crate) state: TableState,
    /// The changes.
    pub(crate) changes: Vec<FileChange>,
}

impl Changes {
    /// None yet.
    pub(crate) fn new(existing: TableState) -> Self {
        Self { state: existing, changes: Vec::new() }
    }

    /// Deletes all live files.
    pub(crate) fn delete_all(&mut self) {
        let files = std::mem::take(&mut self.state.files);
        self.changes.extend(files.into_iter().map(|file| FileChange::Delete { file }));
    }

    /// Adds a new file under the next number.
    pub(crate) fn add(&mut self, table: &str, partitioner: &Partitioner, new: NewFile) {
        let (folder, partition) = (partitioner.folder(new.partition), partitioner.values(new.partition));
        let name = format!("part-{:06}.parquet", self.state.next_number);
        self.state.next_number += 1;
        let path = if folder.is_empty() { format!("{table}/{name}") } else { format!("{table}/{folder}/{name}") };
        let file = DataFile {
            path,
            partition,
            rows: new.file.rows(),
            bytes: new.file.bytes,
            etag: None,
            checksum: new.file.checksum.clone(),
        };
        let at = self.state.files.partition_point(|other| other.path < file.path);
        self.state.files.insert(at, file.clone());
        self.changes.push(FileChange::Put { file, spooled: new.file.path, replaces: None });
    }

    /// Makes all spooled files durable.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) fn sync(&self) -> Result<(), LakeError> {
        self.changes.par_iter().try_for_each(|change| match change {
            FileChange::Put { spooled, .. } => {
                let synced = std::fs::File::open(spooled).and_then(|file| file.sync_all());
                synced.map_err(|source| LakeError::Disk { action: "sync", path: spooled.clone(), source })
            }
            FileChange::Delete { .. } => Ok(()),
        })
    }
}
