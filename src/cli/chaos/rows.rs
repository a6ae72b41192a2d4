//! The rows of a table in a scratch lake, as a multiset: what two runs made is compared whatever the order and the files.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use arrow_array::Array;
use arrow_row::{RowConverter, SortField};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use xxhash_rust::xxh3::xxh3_128;

use crate::report;

/// How often each row is there, by a hash of its columns without nulls.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rows(HashMap<u128, u64>);

/// What is wrong with the rows of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Rows that are not there.
    pub(super) missing: u64,
    /// Rows that are there too often.
    pub(super) doubled: u64,
    /// Rows that never were.
    pub(super) other: u64,
}

impl Rows {
    /// Reads the table in `folder`, without the column `but`; no rows where there is none.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn read(folder: &Path, but: Option<&str>) -> io::Result<Self> {
        let (mut rows, mut folders) = (Self::default(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "parquet") {
                    rows.add(File::open(path)?, but)?;
                }
            }
        }
        Ok(rows)
    }

    fn add(&mut self, file: File, but: Option<&str>) -> io::Result<()> {
        for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
            let batch = batch.map_err(io::Error::other)?;
            let mut hashes = vec![0_u128; batch.num_rows()];
            let schema = batch.schema();
            for (field, column) in
                schema.fields().iter().zip(batch.columns()).filter(|(field, _)| Some(field.name().as_str()) != but)
            {
                let converter = RowConverter::new(vec![SortField::new(field.data_type().clone())]).map_err(io::Error::other)?;
                let values = converter.convert_columns(std::slice::from_ref(column)).map_err(io::Error::other)?;
                for (row, hash) in hashes.iter_mut().enumerate().filter(|(row, _)| column.is_valid(*row)) {
                    let text = [field.name().as_bytes(), b"\0", values.row(row).as_ref()].concat();
                    *hash = hash.wrapping_add(xxh3_128(&text));
                }
            }
            hashes.into_iter().for_each(|hash| *self.0.entry(hash).or_default() += 1);
        }
        Ok(())
    }

    /// What is wrong with `other`, where these rows are what a run without trouble makes.
    pub(super) fn compared(&self, other: &Self) -> Difference {
        let mut difference = Difference::default();
        for (hash, count) in &self.0 {
            let is = other.0.get(hash).copied().unwrap_or(0);
            difference.missing += count.saturating_sub(is);
            difference.doubled += is.saturating_sub(*count);
        }
        difference.other = other.0.iter().filter(|(hash, _)| !self.0.contains_key(hash)).map(|(_, count)| count).sum();
        difference
    }
}

impl Difference {
    pub(super) fn add(&mut self, other: Self) {
        self.missing += other.missing;
        self.doubled += other.doubled;
        self.other += other.other;
    }

    pub(super) fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        let parts = [(self.missing, "missing"), (self.doubled, "too often"), (self.other, "that never were")];
        let told = parts.iter().filter(|(rows, _)| *rows > 0);
        told.map(|(rows, word)| format!("{} {word}", report::counted(*rows, "row"))).collect::<Vec<_>>().join(", ")
    }
}
