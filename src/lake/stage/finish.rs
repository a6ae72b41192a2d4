//! The end of a run: segments become final files, and the changes that publish them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::WriteDisposition;
use crate::lake::parquet::{FinishedFile, ParquetSource};
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::arrivals::ArrivalLog;
use crate::lake::stage::edits::Edits;
use crate::lake::stage::engine::MergeJob;
use crate::lake::stage::files::{FileMaker, in_parts};
use crate::lake::stage::fill::add_or_fill;
use crate::lake::stage::form::same_columns;
use crate::lake::stage::incoming::{Gather, Incoming};
use crate::lake::stage::rewrite::{MatchCounts, Rewrite, Rewritten, rewrite};
use crate::lake::stage::segment::Segment;
use crate::lake::stage::settings::StageSettings;
use crate::lake::stage::upkeep::Upkeep;
use crate::lake::stage::{TableStage, keys};
use crate::lake::{LakeError, LiveFiles, NewFile, PartitionError, PartitionId, Partitioner, Snapshot, TableEdit};
use crate::merge::{KeyLog, RowSet};
use crate::schema::TableSchema;

/// What a stage has come to once all rows are in segments.
pub(crate) fn finish(stage: TableStage) -> Result<TableEdit, LakeError> {
    let merging = stage.is_merging();
    let TableStage {
        settings,
        mut existing,
        empty,
        files,
        mut partitioner,
        schema,
        writers,
        keys,
        deletions,
        mut stats,
        bytes_in,
        ..
    } = stage;
    let file_schema = Arc::new(partitioner.file_schema(&schema)?);
    check_some_column(&settings.table, stats.rows_in, &schema, &file_schema)?;
    let (segments, arrivals, encodings) = writers.finish()?;
    let mut edits = Edits::default();
    if merging && stats.rows_in > 0 {
        let merged = settings.engine.merge(MergeJob {
            settings: &settings,
            table: &existing,
            files: files.as_ref(),
            partitioner: &mut partitioner,
            schema: &schema,
            file_schema: &file_schema,
            segments,
            keys,
            deletions,
            rows_in: stats.rows_in,
            row_bytes: usize::try_from(bytes_in / stats.rows_in).unwrap_or(usize::MAX),
            encodings,
        })?;
        merged.check((&settings.table, &existing), stats.rows_in, &file_schema)?;
        (edits, stats) = (merged.edits, merged.stats);
        existing.note_ranges(merged.key_ranges);
    } else {
        let mut dropped = vec![RowSet::default(); segments.len()];
        if settings.is_keyed() && stats.rows_in > 0 {
            let log = keys.map_or_else(|| log_again(&settings, &segments, &schema, &partitioner, &arrivals), Ok)?;
            let mut gone = log.finish(None)?.superseded;
            stats.rows_deduplicated = gone.count();
            // There is nothing yet that a flagged row could delete, or what there is goes all the same.
            gone.add_all(&deletions);
            stats.deletes_unmatched = gone.count() - stats.rows_deduplicated;
            if gone.count() > 0 {
                dropped = arrivals.locate(&gone, segments.len())?;
            }
        }
        stats.rows_inserted = stats.rows_in - stats.rows_deduplicated - stats.deletes_unmatched;
        let mut maker = FileMaker::new(&settings, &file_schema, encodings, "file");
        let replaces = settings.disposition == WriteDisposition::Replace;
        if !replaces {
            stats.files_reencoded = refresh(&mut maker, &settings, files.as_ref(), &existing, &mut edits, &schema)?;
        }
        let new = settle(&mut maker, &settings, &partitioner, segments, &dropped)?;
        if replaces {
            edits.replace_all(&existing.files, new, existing.has_levels_of(&settings.partition_by))?;
        } else {
            add_or_fill(&mut maker, &settings, (&existing, files.as_ref()), (new, &schema), &mut edits)?;
        }
    }
    // What not all readers opened is put right once, however much it is.
    if stats.files_reencoded == 0 {
        partitioner.check_changed(edits.partitions())?;
    }
    empty.into_iter().for_each(|file| existing.insert(file));
    let shape = Some(settings.shape(schema.as_ref().clone()));
    Ok(TableEdit { table: settings.table.clone(), base: existing, edits: edits.finish(settings.is_durable)?, shape, stats })
}

/// Refuses rows of which files would have no column.
fn check_some_column(table: &str, rows: u64, schema: &TableSchema, file_schema: &TableSchema) -> Result<(), LakeError> {
    if rows == 0 || !file_schema.columns.is_empty() {
        return Ok(());
    }
    if schema.columns.is_empty() {
        return Err(LakeError::NoColumns { table: table.to_owned(), rows });
    }
    Err(PartitionError::NoColumns.into())
}

/// Brings live files up to date that the settings do not leave as they are; tells how many of them not all readers opened.
fn refresh(
    maker: &mut FileMaker,
    settings: &Arc<StageSettings>,
    files: &dyn LiveFiles,
    existing: &Snapshot,
    edits: &mut Edits,
    schema: &Arc<TableSchema>,
) -> Result<u64, LakeError> {
    let upkeep = Upkeep::new(settings, existing, schema);
    if !upkeep.is_due() {
        return Ok(0);
    }
    let mut reencoded = 0;
    let file_schema = Arc::clone(maker.schema());
    let nothing = Incoming::new(Vec::new(), &settings.table);
    let mut gather = Gather::new(&nothing, &file_schema, 1, 1);
    for file in &existing.files {
        let source = ParquetSource::open(files.open(file)?, file.path.clone())?;
        let live = Adapted::new(source, &existing.schema, &file_schema, &settings.table);
        if !upkeep.rewrites(&live) {
            continue;
        }
        if upkeep.reencodes(&live) {
            maker.complete_encodings(live.source())?;
            reencoded += 1;
        }
        let job = Rewrite { live: &live, file, matched: &[], removed: &RowSet::default(), added: &[], always: true };
        if let Rewritten::Replaced(new) = rewrite(maker, &job, &mut gather, &mut MatchCounts::default())? {
            edits.replace(file, new);
        }
    }
    Ok(reencoded)
}

/// The key log of rows whose key changed its type on the way, from the final values.
fn log_again(
    settings: &Arc<StageSettings>,
    segments: &[Segment],
    schema: &Arc<TableSchema>,
    partitioner: &Partitioner,
    arrivals: &ArrivalLog,
) -> Result<KeyLog, LakeError> {
    let mut log = settings.key_log();
    let file_schema = Arc::new(partitioner.file_schema(schema)?);
    for (number, segment) in segments.iter().enumerate() {
        let from = Adapted::new(segment.file.open()?, &segment.schema, &file_schema, &settings.table);
        let mut arrived = Vec::new();
        let mut arrival = 0;
        arrivals.each(|of, rows| {
            if of as usize == number {
                arrived.extend(arrival..arrival + u64::from(rows));
            }
            arrival += u64::from(rows);
        })?;
        if let Some(order) = &segment.order {
            let mut physical = Vec::with_capacity(arrived.len());
            order.each(|row| physical.extend(arrived.get(row as usize)))?;
            arrived = physical;
        }
        keys::log_segment(&from, segment, partitioner, settings, &arrived, &mut log)?;
    }
    Ok(log)
}

/// Segments as final files, by partition in order of first appearance: as they are where nothing has to be repaired.
pub(crate) fn settle(
    maker: &mut FileMaker,
    settings: &StageSettings,
    partitioner: &Partitioner,
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
                files.push(NewFile::new(partitioner.values(partition), file));
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
        maker.carry(&mut sink, &from, &*segment.spellings.load()?, &dropped, together)?;
        segment.file.remove()?;
    }
    Ok(Some(sink.finish()?.file))
}
