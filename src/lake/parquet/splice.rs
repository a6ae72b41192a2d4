//! A file with columns that it lacked, all null, without its bytes being written again.
//!
//! In: a live file and the shape that it shall have. Out: a [`FinishedFile`]: all bytes of the old one, the chunks of the null columns, and a footer
//! that tells of both. The format lets the chunks of a row group lie anywhere. On disk the system copies the old bytes, or shares them where the file
//! system can; of a file in a bucket only the rest is in the spool, and the store copies the old bytes when the file is staged.
//! Invariants: the old content was verified; the first column is one of the old file's, because Spark takes where that begins for the place
//! of the row group, and leaves out what lies past the file's end by that count. Memory: the rest, which is small.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::Schema;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescPtr, SchemaDescriptor};

use crate::base::fault_point;
use crate::lake::checksum::checksum_with;
use crate::lake::parquet::carry::{has_order_of, is_same_chunk};
use crate::lake::parquet::footer::tell_known_orders;
use crate::lake::parquet::notes::Notes;
use crate::lake::parquet::range::key_ranges;
use crate::lake::parquet::source::leaves;
use crate::lake::parquet::writer::{encode_columns, failed};
use crate::lake::parquet::{FileShape, FileStyle, FinishedFile, ParquetSource};
use crate::lake::{DataFile, LakeError};
use crate::schema::TableSchema;

/// Rows that are encoded at once.
const BATCH_ROWS: usize = 65_536;

/// Bytes of the footer's length and the magic behind it.
const TRAILER: usize = 8;

/// An old file, and what becomes of it.
pub(crate) struct Splice<'a> {
    /// The file.
    pub(crate) source: &'a ParquetSource,
    /// Its facts.
    pub(crate) file: &'a DataFile,
    /// For each column of the table, the file's column that is it; `None`: all null.
    pub(crate) columns: &'a [Option<usize>],
    /// The table, and what its files have in common.
    pub(crate) table: &'a TableSchema,
    pub(crate) style: &'a FileStyle,
    pub(crate) shape: &'a FileShape,
}

impl Splice<'_> {
    /// Whether the file can be kept as it is, and whether readers find all of it afterwards.
    pub(crate) fn is_possible(&self) -> bool {
        let Self { source, columns, style, shape, .. } = self;
        let target = SchemaDescriptor::new(Arc::clone(&shape.root));
        let is_kept = |row_group: usize| {
            let mut found = columns.iter().enumerate().filter_map(|(column, from)| Some((column, (*from)?)));
            found.all(|(column, from)| is_same_chunk((&target, style.compat), column, source, row_group, from))
                && has_order_of((&target, &shape.properties), source, row_group)
        };
        columns.first().is_some_and(Option::is_some)
            && columns.iter().flatten().count() == source.schema().fields().len()
            && source.is_fit_for(style.compat)
            && (0..source.row_groups().len()).all(is_kept)
    }

    /// Writes the file, or of one in a bucket the rest, to `path`.
    ///
    /// # Errors
    /// [`LakeError::Damaged`] for an old file that is not what was committed; [`LakeError::Disk`], [`LakeError::Parquet`].
    pub(crate) fn write(&self, path: &Path) -> Result<FinishedFile, LakeError> {
        let Self { source, file, .. } = self;
        source.file().verify()?;
        let (rest, row_groups) = self.rest().map_err(|source| failed("write", path, source))?;
        let write = || {
            let mut spooled = OpenOptions::new().write(true).create_new(true).open(path)?;
            let is_whole = source.file().copy_to(&spooled)?;
            spooled.write_all(&rest)?;
            fault_point("lake.spool.file")?;
            io::Result::Ok(if is_whole { 0 } else { file.bytes })
        };
        let behind = write().map_err(|source| LakeError::Disk { action: "write", path: path.to_owned(), source })?;
        Ok(FinishedFile {
            path: path.to_owned(),
            behind,
            bytes: file.bytes + rest.len() as u64,
            checksum: checksum_with(&file.checksum, file.bytes, &rest),
            key_ranges: key_ranges(&row_groups, &self.shape.schema, &self.style.key),
            row_groups: row_groups.iter().map(|row_group| u64::try_from(row_group.num_rows()).unwrap_or(0)).collect(),
        })
    }

    /// What comes behind the old bytes, and the row groups that its footer tells of.
    fn rest(&self) -> ParquetResult<(Vec<u8>, Vec<RowGroupMetaData>)> {
        let Self { source, columns, table, shape, .. } = self;
        let (nulls, mut rest) = self.nulls()?;
        let whole: SchemaDescPtr = Arc::new(SchemaDescriptor::new(Arc::clone(&shape.root)));
        let join = |(row_group, (old, new)): (usize, (&RowGroupMetaData, &RowGroupMetaData))| {
            let mut new_chunks = new.columns().iter();
            let mut chunks: Vec<ColumnChunkMetaData> = Vec::with_capacity(whole.num_columns());
            for (column, from) in columns.iter().enumerate() {
                match from {
                    Some(from) => chunks.extend_from_slice(&old.columns()[source.leaves(*from)]),
                    None => chunks.extend(new_chunks.by_ref().take(leaves(&whole, column).len()).cloned()),
                }
            }
            RowGroupMetaData::builder(Arc::clone(&whole))
                .set_num_rows(old.num_rows())
                .set_total_byte_size(old.total_byte_size() + new.total_byte_size())
                .set_ordinal(i32::try_from(row_group).map_err(|error| ParquetError::External(error.into()))?)
                .set_sorting_columns(shape.properties.sorting_columns().cloned())
                .set_column_metadata(chunks)
                .build()
        };
        let row_groups = source.row_groups().iter().zip(nulls.row_groups()).enumerate().map(join);
        let row_groups: Vec<RowGroupMetaData> = row_groups.collect::<ParquetResult<_>>()?;
        let old = source.metadata().file_metadata();
        let notes = shape.properties.key_value_metadata().into_iter().flatten().cloned().chain(Notes::of(table).key_values());
        let created_by = Some(shape.properties.created_by().to_owned());
        let version = shape.properties.writer_version().as_num();
        // The writer tells the orders of columns itself.
        let facts = FileMetaData::new(version, old.num_rows(), created_by, Some(notes.collect()), Arc::clone(&whole), None);
        let footer = ParquetMetaDataBuilder::new(facts).set_row_groups(row_groups.clone()).build();
        ParquetMetaDataWriter::new(&mut rest, &footer).finish()?;
        tell_known_orders(&mut rest, whole.num_columns())?;
        Ok((rest, row_groups))
    }

    /// The null columns at the offsets that they get: what a file of theirs alone tells of them, and its bytes without a footer.
    fn nulls(&self) -> ParquetResult<(ParquetMetaData, Vec<u8>)> {
        let Self { source, file, columns, shape, .. } = self;
        let lacking = columns.iter().enumerate().filter(|(_, from)| from.is_none());
        let schema = Schema::new(lacking.map(|(column, _)| Arc::clone(&shape.schema.fields()[column])).collect::<Vec<_>>());
        let schema = Arc::new(schema);
        let root = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
        let behind = Behind { skipped: file.bytes, written: Vec::new() };
        let mut writer = SerializedFileWriter::new(behind, root, Arc::clone(&shape.properties))?;
        let (unwritten, mut left) = (vec![0; 1 << 20], file.bytes.saturating_sub(writer.bytes_written() as u64));
        while left > 0 {
            let step = left.min(unwritten.len() as u64);
            writer.write_all(&unwritten[..step as usize])?;
            left -= step;
        }
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        for row_group in 0..source.row_groups().len() {
            let mut encoders = factory.create_column_writers(row_group)?;
            let mut left = source.row_group_rows(row_group);
            while left > 0 {
                let rows = left.min(BATCH_ROWS);
                let arrays = schema.fields().iter().map(|field| new_null_array(field.data_type(), rows)).collect();
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
                encode_columns(&schema, &all, &[batch], &mut encoders)?;
                left -= rows;
            }
            let chunks: Vec<_> = encoders.into_iter().map(ArrowColumnWriter::close).collect::<ParquetResult<_>>()?;
            let mut target = writer.next_row_group()?;
            chunks.into_iter().try_for_each(|chunk| chunk.append_to_row_group(&mut target))?;
            target.close()?;
        }
        let told = writer.finish()?;
        let mut written = std::mem::take(&mut writer.inner_mut().written);
        let footer = written.len().checked_sub(TRAILER).and_then(|at| written.get(at..at + 4)?.try_into().ok());
        let footer = footer.map_or(0, |length| u32::from_le_bytes(length) as usize);
        written.truncate(written.len().saturating_sub(TRAILER + footer));
        Ok((told, written))
    }
}

/// Passes over what lies behind already.
struct Behind {
    skipped: u64,
    written: Vec<u8>,
}

impl Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = self.skipped.min(bytes.len() as u64);
        self.skipped -= skipped;
        self.written.extend_from_slice(&bytes[skipped as usize..]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Rows and columns that the footer of a file in the spool tells of, which may be the rest of one.
///
/// # Errors
/// [`LakeError::Disk`], [`LakeError::Parquet`].
pub(crate) fn read_footer(path: &Path) -> Result<(i64, Vec<String>), LakeError> {
    let file = File::open(path).map_err(|source| LakeError::Disk { action: "open", path: path.to_owned(), source })?;
    let read = ParquetMetaDataReader::new().parse_and_finish(&file);
    let read = read.map_err(|source| failed("open", path, source))?;
    let facts = read.file_metadata();
    Ok((facts.num_rows(), facts.schema().get_fields().iter().map(|field| field.name().to_owned()).collect()))
}
