//! Keys in files: those of the run for a second look, those of live files as far as the run may have them.
//!
//! Live row groups are ruled out by the key's least and greatest value, and for small runs by bloom filters; of the rest the key
//! columns alone are read, and of their keys only those logged that the run probably has.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::arrivals::{UNIT_ROWS, unit_and_row, unit_room};
use crate::lake::stage::arrow_failed;
use crate::lake::stage::incoming::Incoming;
use crate::lake::stage::segment::Segment;
use crate::lake::stage::settings::StageSettings;
use crate::lake::{LakeError, Partitioner};
use crate::merge::{KeyLog, hash_keys};
use crate::schema::TableSchema;

/// Keys of a run up to which bloom filters are asked: with more, one of them is falsely found in any.
const BLOOM_KEYS_MAX: usize = 256;
/// Bits of the filter per key of the run.
const FILTER_BITS: usize = 16;

/// What is known of the run's keys before live ones are read.
pub(crate) struct RunKeys {
    filter: KeyFilter,
    /// Least and greatest value of each key column, where comparable.
    ranges: Vec<Option<(DataType, OwnedRow, OwnedRow)>>,
    /// The values of a key of one column, if there are few.
    values: Option<ArrayRef>,
}

/// Tells of most hashes that they were not put in.
struct KeyFilter {
    bits: Vec<u64>,
}

impl KeyFilter {
    fn new(keys: u64) -> Self {
        let words = (usize::try_from(keys).unwrap_or(usize::MAX).saturating_mul(FILTER_BITS) / 64).max(1);
        Self { bits: vec![0; words.next_power_of_two()] }
    }

    fn places(&self, hash: u128) -> [(usize, u64); 3] {
        let mask = self.bits.len() - 1;
        let place = |bits: u64| ((bits >> 6) as usize & mask, 1 << (bits & 63));
        [place(hash as u64), place((hash >> 40) as u64), place((hash >> 80) as u64)]
    }

    fn insert(&mut self, hash: u128) {
        for (word, bit) in self.places(hash) {
            self.bits[word] |= bit;
        }
    }

    fn contains(&self, hash: u128) -> bool {
        self.places(hash).into_iter().all(|(word, bit)| self.bits[word] & bit != 0)
    }
}

impl RunKeys {
    /// Reads the run's keys, and logs them in `log` when given, with the values that decide among rows of one.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(crate) fn read(
        incoming: &Incoming,
        schema: &Arc<TableSchema>,
        settings: &StageSettings,
        mut log: Option<&mut KeyLog>,
    ) -> Result<Self, LakeError> {
        let key = settings.primary_key.as_slice();
        let rank: Vec<String> = settings.rank_column().map(str::to_owned).into_iter().collect();
        if let Some(log) = log.as_deref_mut() {
            log_ranks(incoming, schema, &rank, log)?;
        }
        let mut filter = KeyFilter::new(incoming.rows());
        let mut hashes = Vec::new();
        let mut ranges: Option<Vec<Option<(DataType, OwnedRow, OwnedRow)>>> = None;
        let mut few: Vec<ArrayRef> = Vec::new();
        let mut arrival = 0;
        for segment in 0..incoming.segments.len() {
            let adapted = incoming.open(segment, schema)?;
            let columns = key_places(schema, key);
            let found: Vec<_> =
                columns.iter().map(|column| adapted.range(*column, &adapted.row_groups())).collect::<Result<_, _>>()?;
            ranges = Some(match ranges {
                None => found,
                Some(ranges) => ranges.into_iter().zip(found).map(|(one, other)| wider(one, other)).collect(),
            });
            for batch in adapted.rows(adapted.row_groups(), &columns, None)? {
                let batch = batch?;
                hash_keys(batch.columns(), &mut hashes)?;
                hashes.iter().for_each(|hash| filter.insert(*hash));
                if let Some(log) = log.as_deref_mut() {
                    for hash in &hashes {
                        let (unit, row) = unit_and_row(arrival);
                        log.push(&[*hash], unit, row)?;
                        arrival += 1;
                    }
                }
                if incoming.rows() <= BLOOM_KEYS_MAX as u64 && columns.len() == 1 {
                    few.push(Arc::clone(batch.column(0)));
                }
            }
        }
        let few: Vec<&dyn Array> = few.iter().map(AsRef::as_ref).collect();
        let values = if few.is_empty() { None } else { arrow::compute::concat(&few).ok() };
        Ok(Self { filter, ranges: ranges.unwrap_or_default(), values })
    }

    /// Logs the keys of a live file that the run may have.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(crate) fn log_live(
        &self,
        live: &Adapted,
        partition: &[Option<String>],
        unit: u32,
        key: &[String],
        partitioner: &Partitioner,
        log: &mut KeyLog,
    ) -> Result<(), LakeError> {
        let mut hashes = Vec::new();
        let mut first = 0;
        for row_group in live.row_groups() {
            let rows = live.source().row_group_rows(row_group);
            if self.may_be_in(live, row_group, key)? {
                let columns = key_places(live.target(), key);
                let mut row = first;
                for batch in live.rows(vec![row_group], &columns, None)? {
                    let batch = batch?;
                    hash_keys(&key_arrays(&batch, partition, key, partitioner)?, &mut hashes)?;
                    for hash in &hashes {
                        if self.filter.contains(*hash) {
                            log.push(&[*hash], unit, row)?;
                        }
                        row += 1;
                    }
                }
            }
            first += rows as u32;
        }
        Ok(())
    }

    /// Whether a key of the run may be in the row group.
    fn may_be_in(&self, live: &Adapted, row_group: usize, key: &[String]) -> Result<bool, LakeError> {
        for (column, range) in key.iter().zip(&self.ranges) {
            let Some((data_type, least, greatest)) = range else { continue };
            let Some(place) = live.target().columns.iter().position(|found| found.name == *column) else { continue };
            if let Some((found_type, found_least, found_greatest)) = live.range(place, &[row_group])?
                && *data_type == found_type
                && (found_greatest.row() < least.row() || found_least.row() > greatest.row())
            {
                return Ok(false);
            }
        }
        let (Some(values), [column]) = (&self.values, key) else { return Ok(true) };
        let Some(place) = live.target().columns.iter().position(|found| found.name == *column) else { return Ok(true) };
        let Some(leaf) = live.same_leaf(place) else { return Ok(true) };
        let Some(bloom) = live.source().bloom_filter(row_group, leaf)? else { return Ok(true) };
        Ok(match values.data_type() {
            DataType::Utf8 => values.as_string::<i32>().iter().flatten().any(|value| bloom.check(value)),
            DataType::Int64 => values.as_primitive::<Int64Type>().iter().flatten().any(|value| bloom.check(&value)),
            _ => true,
        })
    }
}

/// Logs the values that decide among the run's rows of one key.
fn log_ranks(incoming: &Incoming, schema: &Arc<TableSchema>, rank: &[String], log: &mut KeyLog) -> Result<(), LakeError> {
    let columns = key_places(schema, rank);
    let mut arrival = 0;
    for segment in (0..incoming.segments.len()).filter(|_| !columns.is_empty()) {
        let adapted = incoming.open(segment, schema)?;
        for batch in adapted.rows(adapted.row_groups(), &columns, None)? {
            let batch = batch?;
            let (mut done, rows) = (0, batch.num_rows());
            while done < rows {
                let (unit, row) = unit_and_row(arrival);
                let count = (rows - done).min(unit_room(arrival));
                log.push_ranks(&batch.column(0).slice(done, count), unit, row)?;
                done += count;
                arrival += count as u64;
            }
        }
    }
    Ok(())
}

/// Logs the keys of a segment in their final types, with the values that decide among rows of one. `arrivals` are the numbers of arrival of
/// its rows, in the file's order.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn log_segment(
    from: &Adapted,
    segment: &Segment,
    partitioner: &Partitioner,
    settings: &StageSettings,
    arrivals: &[u64],
    log: &mut KeyLog,
) -> Result<(), LakeError> {
    let partition = partitioner.values(segment.partition);
    let key = settings.primary_key.as_slice();
    let rank: Vec<String> = settings.rank_column().map(str::to_owned).into_iter().collect();
    let mut columns = key_places(from.target(), key);
    columns.extend(key_places(from.target(), &rank));
    columns.sort_unstable();
    columns.dedup();
    let mut hashes = Vec::new();
    let mut rest = arrivals;
    let spellings = segment.spellings.load()?;
    for batch in from.spelled_rows(from.row_groups(), &columns, None, spellings.cursor())? {
        let batch = batch?;
        hash_keys(&key_arrays(&batch, &partition, key, partitioner)?, &mut hashes)?;
        let ranks = key_arrays(&batch, &partition, &rank, partitioner)?;
        let (here, later) = rest.split_at(rest.len().min(hashes.len()));
        let mut first = 0;
        for stretch in here.chunk_by(|one, next| one + 1 == *next && next % UNIT_ROWS != 0) {
            let (unit, row) = unit_and_row(stretch[0]);
            log.push(&hashes[first..first + stretch.len()], unit, row)?;
            if let Some(ranks) = ranks.first() {
                log.push_ranks(&ranks.slice(first, stretch.len()), unit, row)?;
            }
            first += stretch.len();
        }
        rest = later;
    }
    Ok(())
}

/// Where the key's columns are in a schema; those that only folder names hold are left out.
/// The numbers of the key's columns, as far as the schema has them.
pub(crate) fn key_places(schema: &TableSchema, key: &[String]) -> Vec<usize> {
    key.iter().filter_map(|name| schema.columns.iter().position(|column| column.name == *name)).collect()
}

/// The key's columns, from the file and from its folder.
///
/// # Errors
/// [`LakeError::Partition`].
pub(crate) fn key_arrays(
    batch: &RecordBatch,
    partition: &[Option<String>],
    key: &[String],
    partitioner: &Partitioner,
) -> Result<Vec<ArrayRef>, LakeError> {
    if let Some(all) = key.iter().map(|name| batch.column_by_name(name).cloned()).collect() {
        return Ok(all);
    }
    let restored = partitioner.restore(partition, batch.num_rows(), batch.schema_ref())?;
    let found = |name: &String| {
        let in_path = || restored.iter().find(|(column, _)| column == name).map(|(_, array)| array);
        batch.column_by_name(name).or_else(in_path).cloned()
    };
    Ok(key.iter().filter_map(found).collect())
}

fn wider(
    one: Option<(DataType, OwnedRow, OwnedRow)>,
    other: Option<(DataType, OwnedRow, OwnedRow)>,
) -> Option<(DataType, OwnedRow, OwnedRow)> {
    let ((data_type, least, greatest), (other_type, other_least, other_greatest)) = (one?, other?);
    (data_type == other_type).then(|| (data_type, least.min(other_least), greatest.max(other_greatest)))
}

impl Adapted {
    /// The least and greatest value of a column in some row groups as their statistics tell, as comparable rows; `None` where
    /// that is not known.
    ///
    /// # Errors
    /// [`LakeError`].
    fn range(&self, column: usize, row_groups: &[usize]) -> Result<Option<(DataType, OwnedRow, OwnedRow)>, LakeError> {
        let source = self.source();
        let Some(place) = self.same_column(column) else { return Ok(None) };
        let field = source.schema().field(place);
        let comparable =
            matches!(field.data_type(), DataType::Utf8 | DataType::Int64 | DataType::Date32 | DataType::Timestamp(..));
        if !comparable || row_groups.is_empty() {
            return Ok(None);
        }
        let failed = |error| source.failed("read", error);
        let parquet = source.metadata().file_metadata().schema_descr();
        let statistics = StatisticsConverter::try_new(field.name(), source.schema(), parquet).map_err(failed)?;
        let groups = || row_groups.iter().filter_map(|row_group| source.row_groups().get(*row_group));
        let least = statistics.row_group_mins(groups()).map_err(failed)?;
        let greatest = statistics.row_group_maxes(groups()).map_err(failed)?;
        if least.null_count() + greatest.null_count() > 0 {
            return Ok(None);
        }
        let compared = |array: &ArrayRef| {
            let converter = RowConverter::new(vec![SortField::new(array.data_type().clone())]);
            let rows = converter.and_then(|converter| converter.convert_columns(&[Arc::clone(array)]));
            rows.map_err(|source| arrow_failed("compare", self.table(), source))
        };
        let (lows, highs) = (compared(&least)?, compared(&greatest)?);
        let range = lows.iter().min().zip(highs.iter().max());
        Ok(range.map(|(low, high)| (field.data_type().clone(), low.owned(), high.owned())))
    }
}
