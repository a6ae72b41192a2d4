//! Partition writers: one a partition, each with an open segment that rows are appended to as they arrive.
//!
//! In: batches of one schema, with the partition they belong to. Out: [`Segment`]s, numbered in the order in which they were opened.
//! Invariants: the open row groups of all writers stay within [`StageBudgets::open_bytes`]; past it row groups are closed early,
//! those first that no row went to lately. Exceptional spellings stay within [`StageBudgets::note_bytes`], open segments' and closed
//! ones' each: past it segments are closed early, and their spellings go to disk. A batch that does not fit its segment's types closes it and opens the next.
//! So it is with what the footers of open segments will tell, which grows with their row groups: [`StageBudgets::footer_bytes`].
//! Rows are written in pieces of [`StageSettings::piece_bytes`], and a segment that has reached the target file size takes no other.
//! Not here: what the final files are.

use std::path::Path;
use std::sync::Arc;

use crate::decode::TypedBatch;
use crate::lake::parquet::{ColumnEncodings, FileShape, FileStyle, ParquetFile, encoders_bytes};
use crate::lake::stage::arrivals::ArrivalLog;
use crate::lake::stage::form::same_columns;
use crate::lake::stage::segment::{OrderFile, Segment, SegmentSpellings};
use crate::lake::stage::settings::{StageBudgets, StageSettings};
use crate::lake::stage::sink::{Finished, RowSink};
use crate::lake::stage::spellings::slice;
use crate::lake::{LakeError, PartitionId};
use crate::schema::TableSchema;

/// Chunks after which a writer without new rows counts as idle.
const IDLE_CHUNKS: u64 = 4;

/// All writers of a run.
pub(crate) struct PartitionWriters {
    settings: Arc<StageSettings>,
    style: FileStyle,
    prefix: &'static str,
    encodings: ColumnEncodings,
    /// That of the segments opened last.
    shape: Option<(Arc<TableSchema>, usize, FileShape)>,
    writers: Vec<PartitionWriter>,
    segments: Vec<Option<Segment>>,
    chunk: u64,
    /// Memory of all open row groups.
    open_bytes: usize,
    notes_order: bool,
    /// Memory of the exceptional spellings of closed segments.
    kept_note_bytes: usize,
    /// Where rows went.
    pub(crate) arrivals: ArrivalLog,
}

#[derive(Default)]
struct PartitionWriter {
    open: Option<OpenSegment>,
    memory_bytes: usize,
    note_bytes: usize,
    last_chunk: u64,
}

struct OpenSegment {
    number: usize,
    partition: PartitionId,
    schema: Arc<TableSchema>,
    sink: RowSink,
    rows: u32,
}

impl PartitionWriters {
    /// No writers yet; `prefix` begins the names of their files, `style` says whether they are sorted.
    pub(crate) fn new(settings: &Arc<StageSettings>, style: FileStyle, prefix: &'static str) -> Self {
        let arrivals = ArrivalLog::new(settings.spool.join(format!("{prefix}-arrivals.tmp")), settings.budgets.note_bytes);
        Self {
            settings: Arc::clone(settings),
            style,
            prefix,
            encodings: ColumnEncodings::default(),
            shape: None,
            writers: Vec::new(),
            segments: Vec::new(),
            chunk: 0,
            open_bytes: 0,
            notes_order: settings.is_keyed(),
            kept_note_bytes: 0,
            arrivals,
        }
    }

    /// The same, for rows that nobody will ask for by their number of arrival.
    pub(crate) fn without_order(self) -> Self {
        Self { notes_order: false, ..self }
    }

    /// Chooses the encodings of segments that are opened from here on.
    pub(crate) fn set_encodings(&mut self, encodings: ColumnEncodings) {
        self.encodings = encodings;
        self.shape = None;
    }

    /// The table's name.
    pub(crate) fn table(&self) -> &str {
        &self.settings.table
    }

    /// Begins a chunk: what follows until the next is one step of the budget's clock.
    ///
    /// # Errors
    /// Those of closing row groups.
    pub(crate) fn begin_chunk(&mut self) -> Result<(), LakeError> {
        self.chunk += 1;
        self.keep_note_budget()?;
        self.keep_footer_budget()
    }

    /// Appends rows of `schema`, the files' schema, in the files' form, to a partition's segments, and tells their numbers with how many
    /// rows each took. `row_bytes` is the rows' estimated size in memory, each. The caller notes the arrivals.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn write(
        &mut self,
        partition: PartitionId,
        schema: &Arc<TableSchema>,
        batches: Vec<TypedBatch>,
        row_bytes: usize,
    ) -> Result<Vec<(u32, u32)>, LakeError> {
        let most = self.settings.piece_bytes() / row_bytes.max(1);
        let pieces = in_pieces(batches, most.max(1));
        pieces.into_iter().map(|piece| self.write_piece(partition, schema, piece, row_bytes)).collect()
    }

    /// Appends rows to one segment, and closes it where it has become a file's size.
    fn write_piece(
        &mut self,
        partition: PartitionId,
        schema: &Arc<TableSchema>,
        batches: Vec<TypedBatch>,
        row_bytes: usize,
    ) -> Result<(u32, u32), LakeError> {
        let rows = batches.iter().map(|rows| rows.batch.num_rows()).sum::<usize>() as u32;
        let place = partition.index();
        if self.writers.len() <= place {
            self.writers.resize_with(place + 1, PartitionWriter::default);
        }
        self.fit(partition, schema, rows)?;
        let many = self.writers.len() > self.settings.budgets.open_handles;
        let writer = &mut self.writers[place];
        let open = writer.open.as_mut().expect("`fit` has opened it");
        open.rows += rows;
        let number = open.number as u32;
        open.sink.write(batches, row_bytes)?;
        let before = std::mem::replace(&mut writer.memory_bytes, open.sink.memory_bytes());
        self.open_bytes = self.open_bytes + writer.memory_bytes - before;
        writer.note_bytes = open.sink.note_bytes();
        writer.last_chunk = self.chunk;
        let full = open.sink.bytes() >= self.settings.target_file_size;
        if many {
            open.sink.release();
        }
        if full {
            self.close(place)?;
        }
        self.keep_budget()?;
        Ok((number, rows))
    }

    /// Closes all writers; the segments in the order in which they were opened.
    ///
    /// # Errors
    /// [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn finish(mut self) -> Result<(Vec<Segment>, ArrivalLog, ColumnEncodings), LakeError> {
        for place in 0..self.writers.len() {
            self.close(place)?;
        }
        Ok((self.segments.into_iter().flatten().collect(), self.arrivals, self.encodings))
    }

    /// Makes sure that the writer's segment takes `rows` rows of `schema`.
    fn fit(&mut self, partition: PartitionId, schema: &Arc<TableSchema>, rows: u32) -> Result<(), LakeError> {
        if let Some(open) = self.writers[partition.index()].open.as_mut() {
            if open.takes(schema) && open.rows.checked_add(rows).is_some_and(|rows| rows < u32::MAX) {
                if !Arc::ptr_eq(&open.schema, schema) {
                    open.sink.note_types(schema);
                    open.schema = Arc::clone(schema);
                }
                return Ok(());
            }
            self.close(partition.index())?;
        }
        let number = self.segments.len();
        let path = self.settings.spool.join(format!("{}-{number:06}.tmp", self.prefix));
        let bloom_rows = bloom_rows(&self.settings.budgets, self.writers.len());
        let shape = self.shape(&path, schema, bloom_rows)?;
        let file = ParquetFile::create(&path, schema, &self.style, &shape)?;
        let is_frugal = self.writers.len() * encoders_bytes(schema) > self.settings.budgets.open_bytes / 2;
        let file = if is_frugal { file.frugal() } else { file };
        let sorts = !self.style.sort_by.is_empty();
        let order = if sorts && self.notes_order {
            Some(OrderFile::create(self.settings.spool.join(format!("{}-{number:06}-order.tmp", self.prefix)))?)
        } else {
            None
        };
        self.segments.push(None);
        self.writers[partition.index()].open = Some(OpenSegment {
            number,
            partition,
            schema: Arc::clone(schema),
            sink: RowSink::new(&self.settings, file, sorts).noting(order),
            rows: 0,
        });
        Ok(())
    }

    /// What the segments of `schema` share.
    fn shape(&mut self, path: &Path, schema: &Arc<TableSchema>, bloom_rows: usize) -> Result<FileShape, LakeError> {
        if let Some((of, rows, shape)) = &self.shape
            && Arc::ptr_eq(of, schema)
            && *rows == bloom_rows
        {
            return Ok(shape.clone());
        }
        let shape = FileShape::new(path, schema, &self.style, &self.encodings, bloom_rows)?;
        self.shape = Some((Arc::clone(schema), bloom_rows, shape.clone()));
        Ok(shape)
    }

    fn close(&mut self, place: usize) -> Result<(), LakeError> {
        let writer = &mut self.writers[place];
        let Some(open) = writer.open.take() else { return Ok(()) };
        self.open_bytes -= std::mem::take(&mut writer.memory_bytes);
        writer.note_bytes = 0;
        let Finished { file, order, spellings } = open.sink.finish()?;
        let note_bytes = spellings.exceptional_bytes();
        let spellings = if self.kept_note_bytes + note_bytes > self.settings.budgets.note_bytes && note_bytes > 0 {
            let path = self.settings.spool.join(format!("{}-{:06}-spellings.tmp", self.prefix, open.number));
            SegmentSpellings::spill(&spellings, path)?
        } else {
            self.kept_note_bytes += note_bytes;
            SegmentSpellings::Kept(spellings)
        };
        self.segments[open.number] = Some(Segment { partition: open.partition, schema: open.schema, file, spellings, order });
        Ok(())
    }

    /// Closes segments until the exceptional spellings of the open ones fit the budget again.
    fn keep_note_budget(&mut self) -> Result<(), LakeError> {
        let mut total: usize = self.writers.iter().map(|writer| writer.note_bytes).sum();
        while total > self.settings.budgets.note_bytes {
            let Some(place) = (0..self.writers.len()).max_by_key(|place| self.writers[*place].note_bytes) else { return Ok(()) };
            total -= self.writers[place].note_bytes;
            self.close(place)?;
        }
        Ok(())
    }

    /// Closes segments until what the footers of the open ones tell fits the budget again; half of it, so that each has a few row groups.
    fn keep_footer_budget(&mut self) -> Result<(), LakeError> {
        let budget = self.settings.budgets.footer_bytes;
        let footer = |writer: &PartitionWriter| writer.open.as_ref().map_or(0, |open| open.sink.footer_bytes());
        let mut open: Vec<(usize, usize)> = self.writers.iter().map(footer).enumerate().filter(|(_, bytes)| *bytes > 0).collect();
        let mut total: usize = open.iter().map(|(_, bytes)| bytes).sum();
        if total <= budget {
            return Ok(());
        }
        open.sort_unstable_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        for (place, bytes) in open {
            self.close(place)?;
            total -= bytes;
            if total <= budget / 2 {
                break;
            }
        }
        Ok(())
    }

    /// Closes row groups until the open ones fit the budget again.
    fn keep_budget(&mut self) -> Result<(), LakeError> {
        let many = self.writers.len() > self.settings.budgets.open_handles;
        while self.open_bytes > self.settings.budgets.open_bytes {
            let chunk = self.chunk;
            let idle = |writer: &PartitionWriter| writer.last_chunk + IDLE_CHUNKS <= chunk;
            let candidates = self.writers.iter_mut().filter(|writer| writer.memory_bytes > 0);
            let Some(writer) = candidates.max_by_key(|writer| (idle(writer), writer.memory_bytes)) else { return Ok(()) };
            self.open_bytes -= std::mem::take(&mut writer.memory_bytes);
            if let Some(open) = writer.open.as_mut() {
                open.sink.close_row_group()?;
                if many {
                    open.sink.release();
                }
            }
        }
        Ok(())
    }
}

impl OpenSegment {
    /// Whether rows of `schema` can be appended: as files they have the very types of those before.
    fn takes(&self, schema: &Arc<TableSchema>) -> bool {
        Arc::ptr_eq(&self.schema, schema) || same_columns(&self.schema.columns, &schema.columns)
    }
}

/// The rows in their order, `most` of them in a piece.
fn in_pieces(batches: Vec<TypedBatch>, most: usize) -> Vec<Vec<TypedBatch>> {
    if batches.iter().map(|rows| rows.batch.num_rows()).sum::<usize>() <= most {
        return vec![batches];
    }
    let mut pieces = vec![Vec::new()];
    let mut room = most;
    for rows in batches {
        let total = rows.batch.num_rows();
        let mut first = 0;
        while first < total {
            if room == 0 {
                pieces.push(Vec::new());
                room = most;
            }
            let end = total.min(first + room);
            pieces.last_mut().expect("there is always one").push(slice(&rows, first..end));
            room -= end - first;
            first = end;
        }
    }
    pieces
}

/// Distinct keys that bloom filters are made for: they are allocated whole for each open row group.
fn bloom_rows(budgets: &StageBudgets, writers: usize) -> usize {
    match writers {
        0..=4 => budgets.row_group_rows,
        5..=16 => budgets.row_group_rows.div_ceil(4),
        _ => budgets.row_group_rows.div_ceil(16),
    }
}
