//! Keys in files: those of the run for a second look, those of live files as far as the run may have them.
//!
//! A live file without a value of the run in the range of a key column is ruled out by what its manifest tells, and is not opened. So are row groups
//! by what the footer tells, and by bloom filters where few values are in question; of the rest the key columns alone are read, and of their
//! keys only those logged that the run probably has.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use crate::lake::parquet::KeyRange;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::arrivals::{UNIT_ROWS, unit_and_row, unit_room};
use crate::lake::stage::incoming::Incoming;
use crate::lake::stage::key_values::{KeyValues, Within};
use crate::lake::stage::segment::Segment;
use crate::lake::stage::settings::StageSettings;
use crate::lake::{DataFile, LakeError, Partitioner};
use crate::merge::{KeyLog, hash_keys};
use crate::schema::TableSchema;

/// Values up to which a bloom filter is asked: with more, one of them is falsely found in most.
const BLOOM_VALUES_MAX: usize = 16;
/// Bits of the filter per key of the run.
const FILTER_BITS: usize = 16;

/// What is known of the run's keys before live ones are read.
pub(crate) struct RunKeys {
    filter: KeyFilter,
    /// The values of each key column whose values have an order.
    columns: Vec<(String, KeyValues)>,
    /// Whether the key has no other column than these.
    is_one_column: bool,
    /// The run's columns.
    arrow: SchemaRef,
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
        let (places, arrow) = (key_places(schema, key), schema.to_file_arrow());
        let mut values: Vec<Option<KeyValues>> =
            places.iter().map(|place| KeyValues::of_type(arrow.field(*place).data_type())).collect();
        let mut arrival = 0;
        for segment in 0..incoming.segments.len() {
            let adapted = incoming.open(segment, schema)?;
            for batch in adapted.rows(adapted.row_groups(), &places, None)? {
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
                for (values, column) in values.iter_mut().zip(batch.columns()) {
                    values.iter_mut().for_each(|values| values.add(column));
                }
            }
        }
        values.iter_mut().flatten().for_each(KeyValues::finish);
        let names = places.iter().map(|place| schema.columns[*place].name.clone());
        let columns = names.zip(values).filter_map(|(name, values)| Some((name, values?))).collect();
        Ok(Self { filter, columns, is_one_column: key.len() == 1, arrow })
    }

    /// Whether no key of the run is in a live file, as far as its manifest and its folder tell.
    ///
    /// # Errors
    /// [`LakeError::Partition`].
    pub(crate) fn rule_out(&self, file: &DataFile, partitioner: &Partitioner) -> Result<bool, LakeError> {
        let is_in_path = |(name, _): &&(String, KeyValues)| partitioner.path_columns().any(|column| column == name);
        let in_path = match self.columns.iter().any(|column| is_in_path(&column)) {
            true => partitioner.restore(&file.partition, 1, &self.arrow)?,
            false => Vec::new(),
        };
        let of_folder = |name: &str| in_path.iter().find(|(column, _)| column == name).and_then(|(_, one)| KeyRange::of_one(one));
        let is_out = |(name, values): &(String, KeyValues)| match file.key_ranges.get(name) {
            Some(range) => !values.may_be_in(range),
            None => of_folder(name).is_some_and(|range| !values.may_be_in(&range)),
        };
        Ok(self.columns.iter().any(is_out))
    }

    /// Tells of the keys of a live file that the run may have, each with its row.
    ///
    /// # Errors
    /// [`LakeError`].
    pub(crate) fn find_in(
        &self,
        live: &Adapted,
        partition: &[Option<String>],
        key: &[String],
        partitioner: &Partitioner,
        mut found: impl FnMut(u128, u32) -> Result<(), LakeError>,
    ) -> Result<(), LakeError> {
        let mut hashes = Vec::new();
        let columns = key_places(live.target(), key);
        let mut first = 0;
        for row_group in live.row_groups() {
            let rows = live.source().row_group_rows(row_group);
            if self.may_be_in(live, row_group)? {
                let mut row = first;
                for batch in live.rows(vec![row_group], &columns, None)? {
                    let batch = batch?;
                    hash_keys(&key_arrays(&batch, partition, key, partitioner)?, &mut hashes)?;
                    for hash in &hashes {
                        if self.filter.contains(*hash) {
                            found(*hash, row)?;
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
    fn may_be_in(&self, live: &Adapted, row_group: usize) -> Result<bool, LakeError> {
        for (name, values) in &self.columns {
            let Some(place) = live.target().columns.iter().position(|found| found.name == *name) else { continue };
            let Some(leaf) = live.same_leaf(place) else { continue };
            let range = live.source().key_range(row_group, leaf);
            if range.as_ref().is_some_and(|range| !values.may_be_in(range)) {
                return Ok(false);
            }
            if !self.is_one_column {
                continue;
            }
            let found = match values.within(range.as_ref()) {
                Some(Within::Ints(ints)) if ints.len() <= BLOOM_VALUES_MAX => {
                    live.source().bloom_filter(row_group, leaf)?.is_none_or(|bloom| ints.iter().any(|value| bloom.check(value)))
                }
                Some(Within::Texts(texts)) if texts.len() <= BLOOM_VALUES_MAX => live
                    .source()
                    .bloom_filter(row_group, leaf)?
                    .is_none_or(|bloom| texts.iter().any(|text| bloom.check(text.as_str()))),
                _ => true,
            };
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
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
