//! How columns are written: encodings from what a sample of the table shows, and the properties every file shares.
//!
//! In: the first rows of a run, and which readers the files are for. Out: for each leaf column whether a dictionary pays, and
//! writer properties for a schema. Where none pays, values are written plain, or for readers of today in delta and
//! byte-stream-split encodings.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use parquet::basic::{Compression as Codec, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::SchemaDescriptor;

use crate::config::{Compat, Compression, SortField};
use crate::lake::LakeError;
use crate::lake::parquet::portable::{calendar_note, told_order};
use crate::lake::parquet::sample::{SAMPLE_VALUES_MAX, Sample, leaves, look_at};
use crate::lake::parquet::{FileLimits, ParquetSource};

/// False positives a bloom filter may give.
const BLOOM_FALSE_POSITIVES: f64 = 0.05;
/// Bytes that statistics keep of a text.
const STATISTICS_BYTES: usize = 64;

/// What all files of a table have in common.
#[derive(Debug, Clone)]
pub(crate) struct FileStyle {
    /// Codec.
    pub(crate) compression: Compression,
    /// Which readers the files are for.
    pub(crate) compat: Compat,
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
    /// Looks at batches of one schema, for files that these readers open.
    pub(crate) fn sample<'a>(batches: impl Iterator<Item = &'a RecordBatch>, compat: Compat) -> Self {
        let mut seen: HashMap<Vec<String>, Sample> = HashMap::new();
        for batch in batches {
            let schema = batch.schema();
            for (field, array) in schema.fields().iter().zip(batch.columns()) {
                look_at(&mut vec![field.name().clone()], array, &mut seen);
            }
        }
        Self { dictionary: seen.into_iter().map(|(leaf, sample)| (leaf, sample.repeats(compat))).collect() }
    }

    /// What the columns of a file were written with, if that is right for these readers; else what its first rows show.
    ///
    /// # Errors
    /// [`LakeError::Parquet`].
    pub(crate) fn of(source: &ParquetSource, compat: Compat) -> Result<Self, LakeError> {
        if !source.is_fit_for(compat) {
            let first = source.read(vec![0], None, None, SAMPLE_VALUES_MAX)?.next().transpose()?;
            return Ok(Self::sample(first.iter(), compat));
        }
        let leaves = leaves(source.schema());
        let has_dictionary = |leaf: usize| {
            let chunks = source.row_groups().iter().filter_map(|row_group| row_group.columns().get(leaf));
            chunks.max_by_key(|chunk| chunk.num_values()).is_some_and(|chunk| chunk.dictionary_page_offset().is_some())
        };
        let dictionary = leaves.into_iter().enumerate().map(|(leaf, found)| (found.names, has_dictionary(leaf))).collect();
        Ok(Self { dictionary })
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
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_key_value_metadata(Some(vec![calendar_note()]))
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
            if let Some(encoding) = plain_alternative(&leaf.data_type).filter(|_| style.compat == Compat::Modern) {
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

/// The order readers are told of, as far as they can be; `None` as soon as a sort column is not a leaf of the file.
fn sorting_columns(style: &FileStyle, parquet: &SchemaDescriptor) -> Option<Vec<SortingColumn>> {
    let columns: Option<Vec<_>> = style
        .sort_by
        .iter()
        .map(|field| {
            let index = parquet.columns().iter().position(|column| column.path().parts() == [field.column.clone()])?;
            Some(SortingColumn { column_idx: i32::try_from(index).ok()?, descending: field.descending, nulls_first: false })
        })
        .collect();
    let mut columns = columns?;
    let types = columns.iter().filter_map(|order| parquet.columns().get(usize::try_from(order.column_idx).ok()?));
    columns.truncate(told_order(types.map(|column| column.physical_type())));
    (!columns.is_empty()).then_some(columns)
}

fn codec(compression: Compression) -> Result<Codec, ParquetError> {
    Ok(match compression {
        Compression::Uncompressed => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Zstd(level) => Codec::ZSTD(ZstdLevel::try_new(level)?),
    })
}

/// What values are written as for readers of today, where a dictionary does not pay.
fn plain_alternative(data_type: &DataType) -> Option<Encoding> {
    match data_type {
        DataType::Int64 | DataType::Date32 | DataType::Timestamp(..) => Some(Encoding::DELTA_BINARY_PACKED),
        DataType::Decimal128(precision, _) if *precision <= 18 => Some(Encoding::DELTA_BINARY_PACKED),
        DataType::Float64 => Some(Encoding::BYTE_STREAM_SPLIT),
        DataType::Utf8 => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => None,
    }
}
