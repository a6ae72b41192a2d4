//! The run's rows meet the table's: what is new, what changed, what moved.
//!
//! In: a [`MergeJob`]: the run in segments, its key log, which rows delete, the table's snapshot. Out: edits. A row stays
//! where it lives; one whose partition changed leaves its file and enters the other partition in the same commit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::decode::{SpellingLog, TypedBatch};
use crate::lake::parquet::{ColumnEncodings, ParquetSource};
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::edits::Edits;
use crate::lake::stage::engine::{MergeEngine, MergeJob, Merged};
use crate::lake::stage::files::{FileMaker, row_bytes};
use crate::lake::stage::finish::settle;
use crate::lake::stage::incoming::{Gather, Incoming, Place, selection};
use crate::lake::stage::keys::RunKeys;
use crate::lake::stage::live_keys::{LiveKeys, Looked};
use crate::lake::stage::rewrite::{MatchCounts, Rewrite, Rewritten, rewrite};
use crate::lake::stage::route::{append, route};
use crate::lake::stage::segment::{Segment, SegmentSpellings};
use crate::lake::stage::settings::StageSettings;
use crate::lake::stage::upkeep::Upkeep;
use crate::lake::stage::writers::PartitionWriters;
use crate::lake::{DataFile, LakeError, LiveFiles, PartitionId, Partitioner, Snapshot, StageStats};
use crate::merge::{KeyLog, Outcome, RowSet};
use crate::schema::TableSchema;

/// Incoming rows below which a live file tells more about a column's values than they do.
const SAMPLE_ROWS_MIN: u64 = 16_384;

/// Where inserted rows go.
#[derive(Default)]
struct Inserts {
    /// Behind the rows of a live file, by its number.
    added: BTreeMap<usize, Vec<Segment>>,
    /// To new files.
    new: Vec<Segment>,
}

/// What becomes of the run's rows, segment by segment.
struct Fates {
    /// Another row of the run has the key.
    superseded: Vec<RowSet>,
    /// The key is live.
    matched: Vec<RowSet>,
    /// The row deletes, and is not superseded.
    deleting: Vec<RowSet>,
    /// The key is live in another partition than the row's, which becomes its row.
    moved: Vec<RowSet>,
}

impl Fates {
    /// Whether the row enters a partition.
    fn enters(&self, segment: usize, row: u32) -> bool {
        let known = self.matched[segment].contains(row) && !self.moved[segment].contains(row);
        !known && !self.superseded[segment].contains(row) && !self.deleting[segment].contains(row)
    }
}

/// The engine of this program: reads of live files what it has to, within bounded memory, and gives the same bytes for the same rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Embedded;

impl MergeEngine for Embedded {
    fn merge(&self, job: MergeJob<'_>) -> Result<Merged, LakeError> {
        let MergeJob { settings, table, files, partitioner, schema, file_schema, .. } = job;
        let MergeJob { segments, keys, mut deletions, rows_in, row_bytes, encodings, .. } = job;
        let mut merge = Merge { settings, files, partitioner, schema, file_schema, encodings, row_bytes };
        let (mut edits, mut stats) = (Edits::default(), StageStats { rows_in, ..StageStats::default() });
        let (live, written) = (table.files.as_slice(), &table.schema);
        let incoming = Incoming::new(merge.repair(segments)?, &settings.table);
        let (outcome, Looked { largest, key_ranges }) = merge.match_keys(&incoming, live, written, keys)?;
        if incoming.rows() < SAMPLE_ROWS_MIN
            && let Some(largest) = largest.or_else(|| live.iter().max_by_key(|file| file.rows))
        {
            let source = ParquetSource::open(merge.files.open(largest)?, largest.path.clone())?;
            merge.encodings = ColumnEncodings::of(&source, settings.compat)?.or(&merge.encodings);
        }
        deletions.remove_all(&outcome.superseded);
        let mut fates = Fates {
            superseded: incoming.by_segment(&outcome.superseded),
            matched: incoming.by_segment(&outcome.matched),
            deleting: incoming.by_segment(&deletions),
            moved: vec![RowSet::default(); incoming.segments.len()],
        };
        let insert_only = settings.merge.insert_only;
        if !insert_only {
            fates.moved = merge.moved_rows(&incoming, &outcome, &fates, live)?;
        }
        let deleted = fates.deleting.iter().zip(&fates.matched).map(|(rows, matched)| rows.count_common(matched)).sum();
        stats.rows_deduplicated = outcome.superseded.count();
        stats.deletes_unmatched = deletions.count() - deleted;
        stats.rows_inserted = stats.rows_in - stats.rows_deduplicated - outcome.matched.count() - stats.deletes_unmatched;
        stats.rows_updated = fates.moved.iter().map(RowSet::count).sum();
        let inserts = merge.insert(&incoming, &fates)?;
        let mut maker = FileMaker::new(settings, merge.file_schema, merge.encodings.clone(), "file");
        let Inserts { added, new } = merge.place_inserts(inserts, live)?;
        let counts = merge.rewrite_live(&mut maker, &incoming, &outcome, &fates, table, added, &mut edits)?;
        stats.rows_updated += counts.updated;
        stats.files_reencoded = counts.reencoded;
        if insert_only {
            stats.rows_unchanged = outcome.matched.count();
        } else {
            stats.rows_deleted = deleted;
            stats.rows_unchanged = counts.unchanged;
        }
        let none = vec![RowSet::default(); new.len()];
        for file in settle(&mut maker, settings, merge.partitioner, new, &none)? {
            edits.add(file);
        }
        incoming.segments.iter().try_for_each(|segment| segment.file.remove())?;
        Ok(Merged { edits, stats, rows_repaired: outcome.duplicate_live.count(), key_ranges })
    }
}

/// Opens live files, for several threads.
#[derive(Clone, Copy)]
struct Opener<'a> {
    files: &'a dyn LiveFiles,
    /// The table's schema as its files were written.
    written: &'a TableSchema,
    file_schema: &'a Arc<TableSchema>,
    table: &'a str,
}

impl Opener<'_> {
    fn open(&self, file: &DataFile) -> Result<Adapted, LakeError> {
        let source = ParquetSource::open(self.files.open(file)?, file.path.clone())?;
        Ok(Adapted::new(source, self.written, self.file_schema, self.table))
    }
}

/// A merge while it is done.
struct Merge<'a> {
    settings: &'a Arc<StageSettings>,
    files: &'a dyn LiveFiles,
    partitioner: &'a mut Partitioner,
    /// The table's schema afterwards, and as files have it.
    schema: &'a Arc<TableSchema>,
    file_schema: &'a Arc<TableSchema>,
    encodings: ColumnEncodings,
    /// Estimated memory of an incoming row.
    row_bytes: usize,
}

impl Merge<'_> {
    /// Brings segments to the final types, so that their rows can be read in any order.
    fn repair(&self, segments: Vec<Segment>) -> Result<Vec<Segment>, LakeError> {
        let mut maker = FileMaker::new(self.settings, self.schema, self.encodings.clone(), "repaired").unsorted();
        let repaired = segments.into_iter().map(|segment| {
            let from = Adapted::new(segment.file.open()?, &segment.schema, self.schema, &self.settings.table);
            if !from.is_narrower() {
                return Ok(segment);
            }
            let mut sink = maker.create()?;
            maker.carry(&mut sink, &from, &*segment.spellings.load()?, &RowSet::default(), false)?;
            segment.file.remove()?;
            let file = sink.finish()?.file;
            Ok(Segment {
                schema: Arc::clone(self.schema),
                file,
                spellings: SegmentSpellings::Kept(SpellingLog::default()),
                ..segment
            })
        });
        repaired.collect()
    }

    /// Compares the run's keys with each other and with the live ones. Live units are numbered as `live`.
    fn match_keys<'l>(
        &self,
        incoming: &Incoming,
        live: &'l [DataFile],
        written: &TableSchema,
        keys: Option<KeyLog>,
    ) -> Result<(Outcome, Looked<'l>), LakeError> {
        let key = &self.settings.primary_key;
        let mut anew = if keys.is_none() { Some(self.settings.key_log()) } else { None };
        let run = RunKeys::read(incoming, self.schema, self.settings, anew.as_mut())?;
        let mut live_log = KeyLog::new(self.settings.spool.clone(), self.settings.budgets.key_bytes);
        let opener = Opener { files: self.files, written, file_schema: self.file_schema, table: &self.settings.table };
        let open = |file: &DataFile| opener.open(file);
        let (rows_in, partitioner, readers) = (incoming.rows(), &*self.partitioner, self.files.readers());
        let live_keys = LiveKeys { run: &run, rows_in, key, partitioner, readers, open };
        let looked = live_keys.log(live, &mut live_log)?;
        let log = keys.or(anew).unwrap_or_else(|| self.settings.key_log());
        Ok((log.finish(Some(live_log))?, looked))
    }

    fn open(&self, file: &DataFile, written: &TableSchema) -> Result<Adapted, LakeError> {
        Opener { files: self.files, written, file_schema: self.file_schema, table: &self.settings.table }.open(file)
    }

    /// Matched rows whose partition is another than that of the live row, and that do not delete it.
    fn moved_rows(
        &mut self,
        incoming: &Incoming,
        outcome: &Outcome,
        fates: &Fates,
        live: &[DataFile],
    ) -> Result<Vec<RowSet>, LakeError> {
        let mut moved = vec![RowSet::default(); incoming.segments.len()];
        if self.settings.partition_by.is_empty() {
            return Ok(moved);
        }
        let homes: Vec<PartitionId> =
            live.iter().map(|file| self.partitioner.partition_of(&file.partition)).collect::<Result<_, _>>()?;
        let names: Vec<&String> = self.settings.partition_by.iter().map(|field| &field.column).collect();
        let columns: Vec<usize> =
            (0..self.schema.columns.len()).filter(|place| names.contains(&&self.schema.columns[*place].name)).collect();
        for (segment, matched) in fates.matched.iter().enumerate() {
            let mut matched = matched.clone();
            matched.remove_all(&fates.deleting[segment]);
            if matched.is_empty() {
                continue;
            }
            let mut home_of = vec![None; incoming.segments[segment].file.rows() as usize];
            for (unit, home) in (0..).zip(&homes) {
                for found in outcome.matches.of_live_unit(unit)? {
                    let place = incoming.place(found.run_unit, found.run_row);
                    if place.segment as usize == segment {
                        home_of[place.row as usize] = Some(*home);
                    }
                }
            }
            let adapted = incoming.open(segment, self.schema)?;
            let mut first = 0;
            for batch in adapted.rows(adapted.row_groups(), &columns, None)? {
                let batch = batch?;
                for routed in self.partitioner.route(&batch)? {
                    for row in routed.rows.iter() {
                        let row = first + row;
                        if matched.contains(row) && home_of[row as usize].is_some_and(|home| home != routed.partition) {
                            moved[segment].insert(row);
                        }
                    }
                }
                first += batch.num_rows() as u32;
            }
        }
        Ok(moved)
    }

    /// Writes rows that are new, and those that move, to segments of their partitions.
    fn insert(&mut self, incoming: &Incoming, fates: &Fates) -> Result<Vec<Segment>, LakeError> {
        let mut writers = PartitionWriters::new(self.settings, self.settings.style(), "new").without_order();
        writers.set_encodings(self.encodings.clone());
        for segment in 0..incoming.segments.len() {
            let total = incoming.segments[segment].file.rows() as u32;
            let mut rows = (0..total).filter(|row| fates.enters(segment, *row)).map(|row| row as usize).peekable();
            if rows.peek().is_none() {
                continue;
            }
            let adapted = incoming.open(segment, self.schema)?;
            let chosen = selection(rows, total as usize);
            let mut waiting: Vec<TypedBatch> = Vec::new();
            let mut waiting_rows = 0;
            for batch in adapted.rows(adapted.row_groups(), &adapted.all_columns(), Some(chosen))? {
                let batch = batch?;
                waiting_rows += batch.num_rows();
                waiting.push(TypedBatch { schema: Arc::clone(self.schema), batch, originals: Vec::new() });
                if waiting_rows >= self.settings.budgets.chunk_rows {
                    self.append(&mut writers, &std::mem::take(&mut waiting))?;
                    waiting_rows = 0;
                }
            }
            self.append(&mut writers, &waiting)?;
        }
        Ok(writers.finish()?.0)
    }

    fn append(&mut self, writers: &mut PartitionWriters, rows: &[TypedBatch]) -> Result<(), LakeError> {
        let Some(first) = rows.first() else { return Ok(()) };
        let row_bytes = row_bytes(&first.batch);
        writers.begin_chunk()?;
        if self.settings.partition_by.is_empty() {
            let whole = self.partitioner.partition_of(&[])?;
            return append(writers, whole, self.file_schema, rows, row_bytes);
        }
        route(writers, self.partitioner, self.file_schema, rows, row_bytes)
    }

    /// Which inserts go behind the rows of a live file, by its number, and which make new files: a partition's smallest file
    /// takes them as long as it stays within the target size.
    fn place_inserts(&mut self, inserts: Vec<Segment>, live: &[DataFile]) -> Result<Inserts, LakeError> {
        let mut smallest: BTreeMap<PartitionId, usize> = BTreeMap::new();
        for (number, file) in live.iter().enumerate() {
            let partition = self.partitioner.partition_of(&file.partition)?;
            let chosen = smallest.entry(partition).or_insert(number);
            if file.bytes < live[*chosen].bytes {
                *chosen = number;
            }
        }
        let mut bytes: BTreeMap<PartitionId, u64> = BTreeMap::new();
        for segment in &inserts {
            *bytes.entry(segment.partition).or_default() += segment.file.bytes;
        }
        let mut placed = Inserts::default();
        for segment in inserts {
            let fits = |number: &&usize| live[**number].bytes + bytes[&segment.partition] <= self.settings.target_file_size;
            match smallest.get(&segment.partition).filter(fits) {
                Some(number) => placed.added.entry(*number).or_default().push(segment),
                None => placed.new.push(segment),
            }
        }
        Ok(placed)
    }

    /// Goes through the live files that something happens to.
    #[expect(clippy::too_many_arguments, reason = "all that is known by now meets here")]
    fn rewrite_live(
        &self,
        maker: &mut FileMaker,
        incoming: &Incoming,
        outcome: &Outcome,
        fates: &Fates,
        existing: &Snapshot,
        mut added: BTreeMap<usize, Vec<Segment>>,
        edits: &mut Edits,
    ) -> Result<MatchCounts, LakeError> {
        let mut counts = MatchCounts::default();
        let budget = self.settings.budgets.gather_bytes;
        let mut gather = Gather::new(incoming, self.file_schema, self.row_bytes, budget);
        let mut announced: VecDeque<(Vec<u32>, RowSet)> = VecDeque::new();
        let mut next = 0;
        let upkeep = Upkeep::new(self.settings, existing, self.schema);
        let live = &existing.files;
        for (number, file) in live.iter().enumerate() {
            // Rows for files to come are announced as far as the budget goes, so that one reading of the run serves them all.
            while next < live.len() && (next <= number || gather.has_room()) {
                announced.push_back(self.announce(&mut gather, incoming, outcome, fates, next as u32)?);
                next += 1;
            }
            let (matched, removed) = announced.pop_front().unwrap_or_default();
            let added = added.remove(&number).unwrap_or_default();
            if matched.is_empty() && removed.is_empty() && added.is_empty() && !upkeep.is_due() {
                continue;
            }
            let adapted = self.open(file, &existing.schema)?;
            let always = upkeep.rewrites(&adapted);
            counts.reencoded += u64::from(upkeep.reencodes(&adapted));
            let job = Rewrite { live: &adapted, file, matched: &matched, removed: &removed, added: &added, always };
            match rewrite(maker, &job, &mut gather, &mut counts)? {
                Rewritten::Untouched => {}
                Rewritten::Replaced(new) => edits.replace(file, new),
                Rewritten::Emptied => edits.remove(file),
            }
        }
        Ok(counts)
    }

    /// Tells the gather of a live file's matched rows; which they are, and which rows leave the file.
    fn announce(
        &self,
        gather: &mut Gather<'_>,
        incoming: &Incoming,
        outcome: &Outcome,
        fates: &Fates,
        unit: u32,
    ) -> Result<(Vec<u32>, RowSet), LakeError> {
        let mut removed = outcome.duplicate_live.of_unit(unit).clone();
        let mut matched = Vec::new();
        if self.settings.merge.insert_only {
            return Ok((matched, removed));
        }
        for found in outcome.matches.of_live_unit(unit)? {
            let place: Place = incoming.place(found.run_unit, found.run_row);
            let leaves = |rows: &[RowSet]| rows[place.segment as usize].contains(place.row);
            if leaves(&fates.moved) || leaves(&fates.deleting) {
                removed.insert(found.live_row);
            } else {
                matched.push(found.live_row);
                gather.announce(place);
            }
        }
        Ok((matched, removed))
    }
}
