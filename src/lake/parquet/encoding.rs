//! How columns are written: encodings from what a sample of the table shows, and the properties every file shares.
//!
//! In: the first rows of a run. Out: for each leaf column whether a dictionary pays, and writer properties for a schema.
//! A dictionary pays where few values repeat; elsewhere delta and byte-stream-split encodings are smaller and faster.
//! Free to change: the thresholds. Nothing here decides whether a file can be read.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, Schema, TimestampMicrosecondType};
use hashbrown::HashSet;
use parquet::basic::{Compression as Codec, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::SchemaDescriptor;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::{Compression, SortField};
use crate::lake::parquet::{FileLimits, ParquetSource};

/// Values of a leaf that are looked at before its encoding is chosen.
const SAMPLE_VALUES_MAX: usize = 16_384;
/// False positives a bloom filter may give.
const BLOOM_FALSE_POSITIVES: f64 = 0.05;
/// Bytes that statistics keep of a text.
const STATISTICS_BYTES: usize = 64;

/// What all files of a table have in common.
#[derive(Debug, Clone)]
pub(crate) struct FileStyle {
    /// Codec.
    pub(crate) compression: Compression,
    /// Plain and dictionary encodings only.
    pub(crate) legacy_encodings: bool,
    /// Columns with a bloom filter.
    pub(crate) key: Vec<String>,
    /// Row order inside a row group, as told to readers.
    pub(crate) sort_by: Vec<SortField>,
    /// Bounds of a row group.
    pub(crate) limits: FileLimits,
}

/// Which leaf columns repeat few values. Leaves are named by the path of their names, lists adding none.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnEncodings {
    dictionary: HashMap<Vec<String>, bool>,
}

impl ColumnEncodings {
    /// Looks at batches of one schema.
    pub(crate) fn sample<'a>(batches: impl Iterator<Item = &'a RecordBatch>) -> Self {
        let mut seen: HashMap<Vec<String>, Sample> = HashMap::new();
        for batch in batches {
            let schema = batch.schema();
            for (field, array) in schema.fields().iter().zip(batch.columns()) {
                look_at(&mut vec![field.name().clone()], array, &mut seen);
            }
        }
        Self { dictionary: seen.into_iter().map(|(leaf, sample)| (leaf, sample.repeats())).collect() }
    }

    /// What the columns of a file were written with.
    pub(crate) fn of(source: &ParquetSource) -> Self {
        let leaves = leaves(source.schema());
        let has_dictionary = |leaf: usize| {
            let chunks = source.row_groups().iter().filter_map(|row_group| row_group.columns().get(leaf));
            chunks.max_by_key(|chunk| chunk.num_values()).is_some_and(|chunk| chunk.dictionary_page_offset().is_some())
        };
        Self { dictionary: leaves.into_iter().enumerate().map(|(leaf, found)| (found.names, has_dictionary(leaf))).collect() }
    }

    /// These, and of `other` those of leaves that are not in these.
    pub(crate) fn or(mut self, other: &Self) -> Self {
        for (leaf, dictionary) in &other.dictionary {
            self.dictionary.entry(leaf.clone()).or_insert(*dictionary);
        }
        self
    }

    /// Writer properties for files of `schema`, with bloom filters for `bloom_rows` distinct keys a row group.
    ///
    /// # Errors
    /// When the codec's level is out of its range.
    pub(crate) fn properties(
        &self,
        style: &FileStyle,
        schema: &Schema,
        parquet: &SchemaDescriptor,
        bloom_rows: usize,
    ) -> Result<WriterProperties, ParquetError> {
        let mut builder = WriterProperties::builder()
            .set_created_by(format!("lakeward version {}", env!("CARGO_PKG_VERSION")))
            .set_compression(codec(style.compression)?)
            .set_max_row_group_row_count(Some(style.limits.row_group_rows))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_statistics_truncate_length(Some(STATISTICS_BYTES))
            .set_column_index_truncate_length(Some(STATISTICS_BYTES))
            .set_dictionary_enabled(false);
        for (leaf, column) in leaves(schema).into_iter().zip(parquet.columns()) {
            let path = column.path().clone();
            let default = matches!(leaf.data_type, DataType::Utf8);
            if self.dictionary.get(&leaf.names).copied().unwrap_or(default) {
                builder = builder.set_column_dictionary_enabled(path.clone(), true);
            }
            if let Some(encoding) = plain_alternative(&leaf.data_type).filter(|_| !style.legacy_encodings) {
                builder = builder.set_column_encoding(path.clone(), encoding);
            }
            if leaf.names.len() == 1 && style.key.contains(&leaf.names[0]) {
                builder = builder
                    .set_column_bloom_filter_enabled(path.clone(), true)
                    .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
                    .set_column_bloom_filter_max_ndv(path, bloom_rows.max(1) as u64);
            }
        }
        Ok(builder.set_sorting_columns(sorting_columns(style, parquet)).build())
    }
}

/// The order readers are told of; `None` as soon as a sort column is not a leaf of the file.
fn sorting_columns(style: &FileStyle, parquet: &SchemaDescriptor) -> Option<Vec<SortingColumn>> {
    let columns: Option<Vec<_>> = style
        .sort_by
        .iter()
        .map(|field| {
            let index = parquet.columns().iter().position(|column| column.path().parts() == [field.column.clone()])?;
            Some(SortingColumn { column_idx: i32::try_from(index).ok()?, descending: field.descending, nulls_first: false })
        })
        .collect();
    columns.filter(|columns| !columns.is_empty())
}

fn codec(compression: Compression) -> Result<Codec, ParquetError> {
    Ok(match compression {
        Compression::Uncompressed => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(level)?),
    })
}

/// What values are written as where a dictionary does not pay.
fn plain_alternative(data_type: &DataType) -> Option<Encoding> {
    match data_type {
        DataType::Int64 | DataType::Date32 | DataType::Timestamp(..) => Some(Encoding::DELTA_BINARY_PACKED),
        DataType::Decimal128(precision, _) if *precision <= 18 => Some(Encoding::DELTA_BINARY_PACKED),
        DataType::Float64 => Some(Encoding::BYTE_STREAM_SPLIT),
        DataType::Utf8 => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => None,
    }
}

/// A leaf column of an Arrow schema.
struct Leaf {
    names: Vec<String>,
    data_type: DataType,
}

/// The leaves in Parquet's order.
fn leaves(schema: &Schema) -> Vec<Leaf> {
    fn walk(names: &mut Vec<String>, data_type: &DataType, leaves: &mut Vec<Leaf>) {
        match data_type {
            DataType::Struct(fields) => {
                for field in fields {
                    names.push(field.name().clone());
                    walk(names, field.data_type(), leaves);
                    names.pop();
                }
            }
            DataType::List(element) => walk(names, element.data_type(), leaves),
            other => leaves.push(Leaf { names: names.clone(), data_type: other.clone() }),
        }
    }
    let mut leaves = Vec::new();
    for field in schema.fields() {
        walk(&mut vec![field.name().clone()], field.data_type(), &mut leaves);
    }
    leaves
}

/// What was seen of a leaf.
#[derive(Default)]
struct Sample {
    data_type: Option<DataType>,
    values: usize,
    distinct: HashSet<u64>,
}

impl Sample {
    fn see(&mut self, hashes: impl Iterator<Item = u64>) {
        for hash in hashes.take(SAMPLE_VALUES_MAX.saturating_sub(self.values)) {
            self.values += 1;
            self.distinct.insert(hash);
        }
    }

    /// Whether a dictionary pays: texts profit while it is well below the values, numbers only when it is tiny, since
    /// their delta and byte-split forms are small already.
    fn repeats(&self) -> bool {
        let share = if matches!(self.data_type, Some(DataType::Utf8)) { 2 } else { 32 };
        self.distinct.len() * share <= self.values
    }
}

fn look_at(names: &mut Vec<String>, array: &ArrayRef, seen: &mut HashMap<Vec<String>, Sample>) {
    match array.data_type() {
        DataType::Struct(fields) => {
            for (field, child) in fields.iter().zip(array.as_struct().columns()) {
                names.push(field.name().clone());
                look_at(names, child, seen);
                names.pop();
            }
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (first, last) = (list.value_offsets().first(), list.value_offsets().last());
            if let (Some(&first), Some(&last)) = (first, last) {
                let (offset, length) = (usize::try_from(first).unwrap_or(0), usize::try_from(last - first).unwrap_or(0));
                look_at(names, &list.values().slice(offset, length), seen);
            }
        }
        data_type => {
            if !seen.contains_key(names) {
                seen.insert(names.clone(), Sample { data_type: Some(data_type.clone()), ..Sample::default() });
            }
            if let Some(sample) = seen.get_mut(names) {
                see_leaf(sample, array);
            }
        }
    }
}

fn see_leaf(sample: &mut Sample, array: &ArrayRef) {
    match array.data_type() {
        DataType::Utf8 => sample.see(array.as_string::<i32>().iter().flatten().map(|text| xxh3_64(text.as_bytes()))),
        DataType::Int64 => sample.see(array.as_primitive::<Int64Type>().iter().flatten().map(i64::cast_unsigned)),
        DataType::Float64 => sample.see(array.as_primitive::<Float64Type>().iter().flatten().map(f64::to_bits)),
        DataType::Date32 => {
            sample.see(array.as_primitive::<Date32Type>().iter().flatten().map(|day| u64::from(day.cast_unsigned())))
        }
        DataType::Timestamp(..) => {
            sample.see(array.as_primitive::<TimestampMicrosecondType>().iter().flatten().map(i64::cast_unsigned));
        }
        DataType::Decimal128(..) => {
            sample.see(array.as_primitive::<Decimal128Type>().iter().flatten().map(|value| xxh3_64(&value.to_le_bytes())));
        }
        _ => {}
    }
}
