//! Partition: which folder a row belongs to.
//!
//! In: batches, in whatever width their columns have at the time. Out: for every partition that a batch touches, its rows, as
//! a range where they are one; folder names in Hive's spelling; and back, the columns that only folder names hold.
//! Invariants: equal values have one folder for the whole life of a table, or the run fails with a [`PartitionError`];
//! partitions are numbered in order of first appearance; a run adds, and changes, at most as many as it is told.
//! Not here: files, stores.

mod anchor;
mod error;
mod escape;
mod level;
mod look;
mod misread;
mod thin;
mod transform;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Schema, TimeUnit};
use arrow_select::take::{take, take_record_batch};
use hashbrown::{HashMap, HashSet};

pub(crate) use error::PartitionError;
pub(crate) use escape::{NULL_VALUE, escape, unescape};
pub(crate) use misread::{Misread, misread_levels};
pub(crate) use thin::{ThinLevel, thin_level};
pub(crate) use transform::decimal_text;

use crate::base::folded;
use crate::config::PartitionField;
use crate::lake::partition::level::Level;
use crate::schema::TableSchema;

/// A partition of one [`Partitioner`]. Order is that of first appearance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionId(u32);

impl PartitionId {
    /// Its place among the partitioner's partitions, from 0 without gaps.
    #[must_use]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Rows of a batch that belong to one partition.
#[derive(Debug, Clone)]
pub(crate) struct Routed {
    /// Their partition.
    pub(crate) partition: PartitionId,
    /// Which they are.
    pub(crate) rows: RoutedRows,
}

/// Rows of a batch, ascending.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RoutedRows {
    /// Neighbours: a slice gives them without a copy.
    Range(Range<usize>),
    /// Row numbers.
    Indices(UInt32Array),
}

impl RoutedRows {
    /// Their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let (range, indices) = match self {
            Self::Range(range) => (range.start as u32..range.end as u32, &[][..]),
            Self::Indices(indices) => (0..0, indices.values().as_ref()),
        };
        range.chain(indices.iter().copied())
    }

    /// How many.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Indices(indices) => indices.len(),
        }
    }
}

/// Knows the partitions of one table in one run.
#[derive(Debug)]
pub(crate) struct Partitioner {
    levels: Vec<Level>,
    /// Value numbers of each partition, one a level.
    partitions: Vec<Box<[u32]>>,
    by_values: HashMap<Box<[u32]>, u32>,
    /// Whether a row was routed there, a partition.
    touched: Vec<bool>,
    /// Values of the partitions that the table has.
    live: HashSet<Vec<Option<String>>>,
    /// Partitions that rows were routed to and the table has not.
    added: usize,
    /// Most partitions that the run may add, and change.
    partitions_max: usize,
}

impl Partitioner {
    /// A partitioner for a table of this schema; columns it lacks may come later. Without fields there is one partition, the
    /// table's own folder.
    ///
    /// # Errors
    /// [`PartitionError`] for a column type that makes no folders, and for folder names that clash or are hidden.
    pub(crate) fn new(fields: &[PartitionField], schema: &TableSchema) -> Result<Self, PartitionError> {
        let levels = fields.iter().map(|field| Level::new(field, schema)).collect::<Result<_, _>>()?;
        let (partitions, by_values, touched) = (Vec::new(), HashMap::new(), Vec::new());
        let empty = Self { levels, partitions, by_values, touched, live: HashSet::new(), added: 0, partitions_max: usize::MAX };
        empty.check_names(schema)?;
        Ok(empty)
    }

    /// The partitions of a batch in order of first appearance, each with its rows. A column that the batch lacks is null.
    ///
    /// # Errors
    /// [`PartitionError`] for types and values that make no folder, and when there are too many that the table has not.
    pub(crate) fn route(&mut self, batch: &RecordBatch) -> Result<Vec<Routed>, PartitionError> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(Vec::new());
        }
        let values = self
            .levels
            .iter_mut()
            .map(|level| level.number_values(batch.column_by_name(&level.field.column), rows))
            .collect::<Result<Vec<_>, _>>()?;
        let mut stretches: Vec<(PartitionId, Range<usize>)> = Vec::new();
        let mut key = Vec::with_capacity(values.len());
        for row in 0..rows {
            match stretches.last_mut() {
                Some((_, stretch)) if values.iter().all(|level| level[row] == level[row - 1]) => stretch.end = row + 1,
                _ => {
                    key.clear();
                    key.extend(values.iter().map(|level| level[row]));
                    stretches.push((self.touch(&key)?, row..row + 1));
                }
            }
        }
        Ok(gather(stretches, self.partitions.len()))
    }

    /// The same, letting a run change at most `partitions_max` partitions; rows that come for `live` ones, which the table has,
    /// add none.
    pub(crate) fn bounded<'v>(self, partitions_max: usize, live: impl Iterator<Item = &'v [Option<String>]>) -> Self {
        Self { live: live.map(<[_]>::to_vec).collect(), partitions_max, ..self }
    }

    /// Checks how many partitions the run changes.
    ///
    /// # Errors
    /// [`PartitionError::TooMany`].
    pub(crate) fn check_changed(&self, partitions: usize) -> Result<(), PartitionError> {
        if partitions > self.partitions_max { Err(self.too_many()) } else { Ok(()) }
    }

    /// The partition with these values, unescaped, one a level: that of a file written before.
    ///
    /// # Errors
    /// [`PartitionError::Levels`] when there are more or fewer than levels.
    pub(crate) fn partition_of(&mut self, values: &[Option<String>]) -> Result<PartitionId, PartitionError> {
        if values.len() != self.levels.len() {
            return Err(PartitionError::Levels { found: values.len(), levels: self.levels.len() });
        }
        let key: Vec<u32> = self.levels.iter_mut().zip(values).map(|(level, value)| level.number_of(value.as_deref())).collect();
        Ok(self.number_partition(&key))
    }

    /// The partition's folder below the table's, escaped: `city=Bonn/created_at_month=2026-11`; empty without levels.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn folder(&self, partition: PartitionId) -> String {
        let names: Vec<&str> = self.levels.iter().map(|level| level.field.name.as_str()).collect();
        hive_folder(&names, &self.values(partition))
    }

    /// The partition's values, one a level, unescaped; `None` is null. As [`crate::lake::DataFile::partition`] keeps them.
    #[must_use]
    pub(crate) fn values(&self, partition: PartitionId) -> Vec<Option<String>> {
        let numbers = &self.partitions[partition.index()];
        self.levels.iter().zip(numbers).map(|(level, number)| level.value(*number).map(str::to_owned)).collect()
    }

    /// Partitions known, by [`Partitioner::route`] or [`Partitioner::partition_of`].
    #[cfg(test)]
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// The columns that files lack because folder names hold them: identity levels named as their column.
    pub(crate) fn path_columns(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter(|level| level.in_path_only()).map(|level| level.field.column.as_str())
    }

    /// The schema of the table's files.
    ///
    /// # Errors
    /// [`PartitionError`] when a column has the name of a folder.
    pub(crate) fn file_schema(&self, schema: &TableSchema) -> Result<TableSchema, PartitionError> {
        self.check_names(schema)?;
        let mut file_schema = schema.clone();
        file_schema.columns.retain(|column| !self.path_columns().any(|name| name == column.name));
        Ok(file_schema)
    }

    /// Routed rows as a file has them: without the columns that the path holds.
    ///
    /// # Errors
    /// [`PartitionError::Arrays`] for rows past the batch's end, or text of more than 2 GiB.
    pub(crate) fn file_batch(&self, batch: &RecordBatch, rows: &RoutedRows) -> Result<RecordBatch, PartitionError> {
        let schema = batch.schema_ref();
        let kept: Vec<usize> = (0..schema.fields().len())
            .filter(|index| !self.path_columns().any(|name| name == schema.field(*index).name()))
            .collect();
        let narrow = batch.project(&kept).map_err(|source| PartitionError::Arrays { source })?;
        match rows {
            RoutedRows::Range(range) if range.end <= narrow.num_rows() => Ok(narrow.slice(range.start, range.len())),
            RoutedRows::Range(range) => {
                let source = ArrowError::InvalidArgumentError(format!("{range:?} of {} rows", narrow.num_rows()));
                Err(PartitionError::Arrays { source })
            }
            RoutedRows::Indices(indices) => {
                take_record_batch(&narrow, indices).map_err(|source| PartitionError::Arrays { source })
            }
        }
    }

    /// The columns that a file with these partition values lacks, by name, `rows` long, in the types they have in `wanted`
    /// (text for those it lacks).
    ///
    /// # Errors
    /// [`PartitionError::Unreadable`] when a value is none of its column's type.
    pub(crate) fn restore(
        &self,
        values: &[Option<String>],
        rows: usize,
        wanted: &Schema,
    ) -> Result<Vec<(String, ArrayRef)>, PartitionError> {
        if values.len() != self.levels.len() {
            return Err(PartitionError::Levels { found: values.len(), levels: self.levels.len() });
        }
        let in_path = self.levels.iter().zip(values).filter(|(level, _)| level.in_path_only());
        in_path
            .map(|(level, value)| {
                let column = level.field.column.clone();
                let data_type = wanted.field_with_name(&column).map_or(&DataType::Utf8, |field| field.data_type());
                match repeat(value.as_deref(), rows, data_type) {
                    Ok(array) => Ok((column, array)),
                    Err(source) => Err(PartitionError::Unreadable { column, wanted: data_type.to_string(), source }),
                }
            })
            .collect()
    }

    fn touch(&mut self, key: &[u32]) -> Result<PartitionId, PartitionError> {
        let partition = self.number_partition(key);
        if !std::mem::replace(&mut self.touched[partition.index()], true) && !self.live.contains(&self.values(partition)) {
            self.added += 1;
            self.check_changed(self.added)?;
        }
        Ok(partition)
    }

    fn number_partition(&mut self, key: &[u32]) -> PartitionId {
        if let Some(number) = self.by_values.get(key) {
            return PartitionId(*number);
        }
        let number = self.partitions.len() as u32;
        self.partitions.push(key.into());
        self.by_values.insert(key.into(), number);
        self.touched.push(false);
        PartitionId(number)
    }

    fn too_many(&self) -> PartitionError {
        let mut counts: Vec<(usize, &str)> = self.levels.iter().map(|level| (level.len(), level.field.name.as_str())).collect();
        counts.sort_by(|left, right| right.cmp(left));
        let columns = counts.iter().map(|(count, name)| format!("`{name}` {count}")).collect::<Vec<_>>().join(", ");
        PartitionError::TooMany { partitions_max: self.partitions_max, columns }
    }

    /// Readers compare names without case, some without Unicode form, and fail or hide a column when a folder has its name.
    fn check_names(&self, schema: &TableSchema) -> Result<(), PartitionError> {
        for (index, level) in self.levels.iter().enumerate() {
            let name = &level.field.name;
            if name.is_empty() || name.starts_with('.') {
                return Err(PartitionError::Name { name: name.clone() });
            }
            let same = |other: &str| folded(other) == folded(name);
            let in_files = |column: &str| !(level.in_path_only() && column == level.field.column);
            if self.levels[..index].iter().any(|outer| same(&outer.field.name))
                || schema.columns.iter().any(|column| same(&column.name) && in_files(&column.name))
            {
                return Err(PartitionError::NameTaken { name: name.clone() });
            }
        }
        Ok(())
    }
}

/// The folder of a partition below the table's, by the names of its levels: `city=Bonn/created_at_month=2026-11`; empty without levels.
pub(crate) fn hive_folder(names: &[impl AsRef<str>], values: &[Option<String>]) -> String {
    let level = |(name, value): (&_, &Option<String>)| {
        let name: &str = AsRef::as_ref(name);
        format!("{}={}", escape(name), value.as_deref().map_or(NULL_VALUE.into(), escape))
    };
    names.iter().zip(values).map(level).collect::<Vec<_>>().join("/")
}

/// Stretches of one partition joined, in order of first appearance.
fn gather(stretches: Vec<(PartitionId, Range<usize>)>, partitions: usize) -> Vec<Routed> {
    let mut places = vec![usize::MAX; partitions];
    let mut grouped: Vec<(PartitionId, Vec<Range<usize>>)> = Vec::new();
    for (partition, stretch) in stretches {
        let place = &mut places[partition.index()];
        if *place == usize::MAX {
            *place = grouped.len();
            grouped.push((partition, Vec::new()));
        }
        grouped[*place].1.push(stretch);
    }
    let rows = |stretches: Vec<Range<usize>>| match <[Range<usize>; 1]>::try_from(stretches) {
        Ok([stretch]) => RoutedRows::Range(stretch),
        Err(stretches) => {
            let numbers = stretches.into_iter().flat_map(|stretch| stretch.start as u32..stretch.end as u32);
            RoutedRows::Indices(numbers.collect::<Vec<u32>>().into())
        }
    };
    grouped.into_iter().map(|(partition, stretches)| Routed { partition, rows: rows(stretches) }).collect()
}

/// An array of one value, read from its folder text.
pub(crate) fn repeat(value: Option<&str>, rows: usize, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let Some(value) = value else { return Ok(new_null_array(data_type, rows)) };
    let text = StringArray::from(vec![value]);
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let one: ArrayRef = match data_type {
        // Folder values are UTC, and arrow reads times in named zones only with a time zone database.
        DataType::Timestamp(TimeUnit::Microsecond, zone @ Some(_)) => {
            let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
            let read = cast_with_options(&text, &utc, &strict)?;
            Arc::new(read.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(zone.clone()))
        }
        data_type => cast_with_options(&text, data_type, &strict)?,
    };
    take(&one, &UInt32Array::from(vec![0; rows]), None)
}

#[cfg(test)]
mod tests;
