//! One partition level: values of a column to numbers, each standing for a folder text.
//!
//! A value is turned into text once for every folder, not for every row: rows are told apart by ordinals, and neighbours
//! that share a day, an hour or a text are recognised first.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use hashbrown::HashMap;

use crate::base::folded;
use crate::config::{PartitionField, Transform};
use crate::lake::partition::transform::{
    Kind, bucket_of, decimal_bucket, decimal_text, ordinal_of, ordinal_text, step_of, truncate_decimal, truncate_text, type_words,
};
use crate::lake::partition::{NULL_VALUE, PartitionError, escape};
use crate::schema::TableSchema;

/// Longest folder value, escaped, in bytes. With `<name>=` before it, a folder stays below the 255 bytes of a file name.
const VALUE_BYTES_MAX: usize = 200;
/// Longest folder name, the key with its value, in bytes.
const FOLDER_BYTES_MAX: usize = 255;

/// A partition level and the values it met.
#[derive(Debug)]
pub(crate) struct Level {
    /// Its column, transform and folder key.
    pub(crate) field: PartitionField,
    /// What the column was when folders were last named after it.
    kind: Option<Kind>,
    /// Folder texts by number; `None` is null.
    values: Vec<Option<Box<str>>>,
    by_text: HashMap<Box<str>, u32>,
    /// Numbers of texts by what they have in common with those that are one folder to some file systems.
    by_folded: HashMap<String, u32>,
    /// Ordinals of the kind at hand.
    by_ordinal: HashMap<i64, u32>,
    null: Option<u32>,
}

impl Level {
    /// A level without values yet.
    ///
    /// # Errors
    /// [`PartitionError::Unsupported`] when the schema has the column with a type that does not go with the transform.
    pub(crate) fn new(field: &PartitionField, schema: &TableSchema) -> Result<Self, PartitionError> {
        let mut level = Self {
            field: field.clone(),
            kind: None,
            values: Vec::new(),
            by_text: HashMap::new(),
            by_folded: HashMap::new(),
            by_ordinal: HashMap::new(),
            null: None,
        };
        if let Some(column) = schema.columns.iter().find(|column| column.name == field.column) {
            let refuse = |found: &str| level.unsupported(found.to_owned(), column.declared);
            if let Some(why) = Kind::misread(&column.column_type.to_file_arrow(), field.transform) {
                return Err(refuse(why));
            }
            match Kind::of_column(&column.column_type).map_err(refuse)? {
                Some(kind) if !kind.allows(field.transform) => return Err(refuse(kind.name())),
                kind => level.kind = kind,
            }
        }
        Ok(level)
    }

    /// Whether folder names alone hold the column. Under another name than its own it stays in the files too.
    pub(crate) fn in_path_only(&self) -> bool {
        self.field.transform == Transform::Identity && self.field.name == self.field.column
    }

    /// Different values met.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The folder text of a number that this level gave; `None` is null.
    pub(crate) fn value(&self, number: u32) -> Option<&str> {
        self.values[number as usize].as_deref()
    }

    /// The number of a folder text that was valid before.
    pub(crate) fn number_of(&mut self, value: Option<&str>) -> u32 {
        match value {
            None => self.null_number(),
            Some(text) => match self.by_text.get(text) {
                Some(number) => *number,
                None => self.add(Some(text)),
            },
        }
    }

    /// The number of every row's value. Equal numbers are equal folders.
    ///
    /// # Errors
    /// [`PartitionError`] for a type or value that makes no folder.
    pub(crate) fn number_values(&mut self, column: Option<&ArrayRef>, rows: usize) -> Result<Vec<u32>, PartitionError> {
        // The type of a column without values says nothing.
        let Some(array) = column.filter(|array| array.logical_null_count() < rows) else {
            return Ok(vec![self.null_number(); rows]);
        };
        let transform = self.field.transform;
        match self.admit(array)? {
            Kind::Integer => self.ordinals::<Int64Type>(Kind::Integer, array, |value| value),
            Kind::Timestamp => self.ordinals::<TimestampMicrosecondType>(Kind::Timestamp, array, |value| value),
            Kind::Date => self.ordinals::<Date32Type>(Kind::Date, array, i64::from),
            Kind::Boolean => {
                let array = array.as_boolean();
                let value = |row| array.is_valid(row).then(|| array.value(row));
                self.each(rows, value, |level, value| level.number_ordinal(Kind::Boolean, i64::from(value)))
            }
            kind @ Kind::Decimal(scale) => {
                let array = array.as_primitive::<Decimal128Type>();
                let value = |row| array.is_valid(row).then(|| array.value(row));
                self.each(rows, value, |level, value| match transform {
                    Transform::Bucket { buckets } => level.number_ordinal(kind, decimal_bucket(value, buckets)),
                    Transform::Truncate { width } => level.number_text(&decimal_text(truncate_decimal(value, width), scale)),
                    _ => level.number_text(&decimal_text(value, scale)),
                })
            }
            Kind::Text => {
                let array = array.as_string::<i32>();
                let value = |row| array.is_valid(row).then(|| array.value(row));
                self.each(rows, value, |level, text: &str| match transform {
                    Transform::Bucket { buckets } => level.number_ordinal(Kind::Text, bucket_of(text.as_bytes(), buckets)),
                    Transform::Truncate { width } => level.number_text(truncate_text(text, width)),
                    _ => level.number_text(text),
                })
            }
        }
    }

    /// Checks that folders can be named after the array, as they were after those before it.
    fn admit(&mut self, array: &ArrayRef) -> Result<Kind, PartitionError> {
        let transform = self.field.transform;
        let Some(found) = Kind::of_arrow(array.data_type()) else {
            return Err(self.unsupported(type_words(array.data_type()), false));
        };
        if !found.allows(transform) {
            return Err(self.unsupported(found.name().to_owned(), false));
        }
        if let Some(why) = Kind::misread(array.data_type(), transform) {
            return Err(self.unsupported(why.to_owned(), false));
        }
        if let Some(was) = self.kind.filter(|was| *was != found) {
            if !was.keeps_folders(found, transform) {
                let column = self.field.column.clone();
                let transform = transform.to_string();
                return Err(PartitionError::TypeChanged { column, transform, was: was.name(), found: found.name() });
            }
            self.by_ordinal.clear();
        }
        self.kind = Some(found);
        Ok(found)
    }

    fn ordinals<T: ArrowPrimitiveType>(
        &mut self,
        kind: Kind,
        array: &ArrayRef,
        widen: impl Fn(T::Native) -> i64,
    ) -> Result<Vec<u32>, PartitionError> {
        let transform = self.field.transform;
        let array = array.as_primitive::<T>();
        let step = |row| array.is_valid(row).then(|| step_of(transform, kind, widen(array.value(row))));
        self.each(array.len(), step, |level, step| level.number_ordinal(kind, ordinal_of(transform, step)))
    }

    /// Numbers row after row; `number` is asked only where a value differs from the one before.
    fn each<T: Copy + PartialEq>(
        &mut self,
        rows: usize,
        value: impl Fn(usize) -> Option<T>,
        number: impl Fn(&mut Self, T) -> Result<u32, PartitionError>,
    ) -> Result<Vec<u32>, PartitionError> {
        let mut numbers = Vec::with_capacity(rows);
        let mut last: Option<(Option<T>, u32)> = None;
        for row in 0..rows {
            let value = value(row);
            let known = last.filter(|(last, _)| *last == value);
            let (_, same) = match (known, value) {
                (Some(known), _) => known,
                (None, Some(some)) => (value, number(self, some)?),
                (None, None) => (value, self.null_number()),
            };
            last = Some((value, same));
            numbers.push(same);
        }
        Ok(numbers)
    }

    fn number_ordinal(&mut self, kind: Kind, ordinal: i64) -> Result<u32, PartitionError> {
        if let Some(number) = self.by_ordinal.get(&ordinal) {
            return Ok(*number);
        }
        let number = self.number_text(&ordinal_text(self.field.transform, kind, ordinal))?;
        self.by_ordinal.insert(ordinal, number);
        Ok(number)
    }

    fn number_text(&mut self, text: &str) -> Result<u32, PartitionError> {
        if let Some(number) = self.by_text.get(text) {
            return Ok(*number);
        }
        let column = || self.field.column.clone();
        if text.is_empty() {
            return Err(PartitionError::EmptyText { column: column() });
        }
        if text == NULL_VALUE {
            return Err(PartitionError::ReservedText { column: column() });
        }
        let bytes_max = VALUE_BYTES_MAX.min(FOLDER_BYTES_MAX.saturating_sub(escape(&self.field.name).len() + 1));
        let bytes = escape(text).len();
        if bytes > bytes_max {
            return Err(PartitionError::TooLong { column: column(), bytes, bytes_max });
        }
        if let Some(one) = self.by_folded.get(&folded(text)).and_then(|number| self.value(*number)) {
            return Err(PartitionError::SameFolder { column: column(), one: one.to_owned(), other: text.to_owned() });
        }
        Ok(self.add(Some(text)))
    }

    fn null_number(&mut self) -> u32 {
        match self.null {
            Some(number) => number,
            None => {
                let number = self.add(None);
                *self.null.insert(number)
            }
        }
    }

    fn add(&mut self, text: Option<&str>) -> u32 {
        let number = self.values.len() as u32;
        self.values.push(text.map(Box::from));
        if let Some(text) = text {
            self.by_text.insert(text.into(), number);
            self.by_folded.insert(folded(text), number);
        }
        number
    }

    fn unsupported(&self, found: String, declared: bool) -> PartitionError {
        let transform = self.field.transform.to_string();
        PartitionError::Unsupported { column: self.field.column.clone(), transform, found, declared }
    }
}
