//! From a schema to empty builders, and from filled ones to a schema and its arrays.
//!
//! Invariants: a schema goes through empty builders unchanged; the batch has the Arrow schema of the types it comes with;
//! buffers move into arrays, values are not copied.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, ListArray, NullArray, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use arrow_schema::{DataType, Fields};

use crate::decode::column::{Bits, ColumnBuilder, Decimals, Exceptions, Floats, ListBuilder, Texts, Times, Values};
use crate::decode::convert::write_json;
use crate::decode::structs::{FieldBuilder, StructBuilder};
use crate::decode::{Originals, Spelling};
use crate::schema::{Column, ColumnType, DeclaredSchema, FIELDS_MAX, Undeclared};

impl StructBuilder {
    /// Builders for `columns`, without rows. `declared` tells what their types do not, for the struct at `path`.
    pub(super) fn of(columns: &[Column], declared: Option<&DeclaredSchema>, path: &mut Vec<String>) -> Self {
        let undeclared = declared.map_or(Undeclared::Infer, |declared| declared.undeclared_at(path));
        let mut fields = Self::new(undeclared);
        for column in columns {
            path.push(column.name.clone());
            let about = declared.filter(|declared| column.declared || declared.has_contract());
            let mut field = FieldBuilder::new(&column.name, builder_of(&column.column_type, column.declared, about, path));
            path.pop();
            field.nullable = column.nullable;
            field.required = column.declared && !column.nullable;
            field.description.clone_from(&column.description);
            fields.add(field);
        }
        fields
    }

    /// The fields' schema.
    pub(super) fn columns(&self) -> Vec<Column> {
        let column = |field: &FieldBuilder| Column {
            name: field.name.to_string(),
            column_type: field.column.column_type(),
            nullable: field.nullable,
            declared: field.column.declared,
            description: field.description.clone(),
        };
        self.fields.iter().map(column).collect()
    }

    /// Columns and fields at every level.
    pub(super) fn count(&self) -> usize {
        self.fields.iter().map(|field| 1 + field.column.count()).sum()
    }

    /// The fields' arrays of `len` slots each, and what they cannot give back.
    pub(super) fn finish(
        self,
        len: usize,
        types: &Fields,
        leaf: &mut Vec<String>,
        originals: &mut Vec<Originals>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut arrays = Vec::with_capacity(types.len());
        for (mut field, declared) in self.fields.into_iter().zip(types) {
            field.column.fill(len);
            leaf.push(String::from(field.name));
            arrays.push(field.column.finish(declared.data_type(), leaf, originals)?);
            leaf.pop();
        }
        Ok(arrays)
    }
}

/// A builder of `column_type`; a struct that was only inferred takes new fields whatever `about` says of others.
fn builder_of(column_type: &ColumnType, declared: bool, about: Option<&DeclaredSchema>, path: &mut Vec<String>) -> ColumnBuilder {
    let values = match column_type {
        ColumnType::Unknown => return ColumnBuilder::new(Values::Unknown, false),
        ColumnType::Boolean => Values::Boolean(Bits::default()),
        ColumnType::Int64 { wide } => Values::Int64 { values: Vec::new(), wide: *wide },
        ColumnType::Decimal { precision, scale } => Values::Decimal(Decimals::new(*precision, *scale)),
        ColumnType::Float64(digits) => Values::Float64(Floats { digits: *digits, ..Floats::default() }),
        ColumnType::Timestamp => Values::Timestamp(Times::default()),
        ColumnType::Date => Values::Date(Vec::new()),
        ColumnType::Text => Values::Text(Texts::empty(0)),
        ColumnType::Json => Values::Json(Texts::empty(0)),
        ColumnType::Struct(columns) => {
            let mut fields = StructBuilder::of(columns, about, path);
            fields.unbounded = declared || columns.len() > FIELDS_MAX;
            Values::Struct(fields)
        }
        ColumnType::List(items) => Values::List(ListBuilder::empty(0, builder_of(items, declared, about, path))),
    };
    let mut builder = ColumnBuilder::new(values, declared);
    builder.accept_text = declared && about.is_some_and(|about| about.accepts_text(path));
    builder.empty_as_null = declared && about.is_some_and(|about| about.empties_are_null(path));
    builder
}

impl ColumnBuilder {
    fn column_type(&self) -> ColumnType {
        match &self.values {
            Values::Unknown => ColumnType::Unknown,
            Values::Boolean(_) => ColumnType::Boolean,
            Values::Int64 { wide, .. } => ColumnType::Int64 { wide: *wide },
            Values::Decimal(decimals) => ColumnType::Decimal { precision: decimals.precision, scale: decimals.scale },
            Values::Float64(floats) => ColumnType::Float64(floats.digits),
            Values::Timestamp(_) => ColumnType::Timestamp,
            Values::Date(_) => ColumnType::Date,
            Values::Text(_) => ColumnType::Text,
            Values::Json(_) => ColumnType::Json,
            Values::Struct(fields) => ColumnType::Struct(fields.columns()),
            Values::List(list) => ColumnType::List(Box::new(list.items.column_type())),
        }
    }

    fn count(&self) -> usize {
        match &self.values {
            Values::Struct(fields) => fields.count(),
            Values::List(list) => list.items.count(),
            _ => 0,
        }
    }

    fn finish(
        self,
        data_type: &DataType,
        leaf: &mut Vec<String>,
        originals: &mut Vec<Originals>,
    ) -> Result<ArrayRef, ArrowError> {
        if let Some((spelling, exceptions)) = self.spelling() {
            originals.push(Originals { leaf: leaf.clone(), spelling, exceptions });
        }
        let len = self.len;
        let nulls = self.validity.bits.map(|bits| NullBuffer::new(bits.into()));
        Ok(match self.values {
            Values::Unknown => Arc::new(NullArray::new(len)),
            Values::Boolean(bits) => Arc::new(BooleanArray::new(bits.into(), nulls)),
            Values::Int64 { values, .. } => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            Values::Decimal(Decimals { values, precision, scale, .. }) => {
                Arc::new(Decimal128Array::try_new(values.into(), nulls)?.with_precision_and_scale(precision, scale)?)
            }
            Values::Float64(floats) => Arc::new(Float64Array::try_new(floats.values.into(), nulls)?),
            Values::Timestamp(times) => {
                Arc::new(TimestampMicrosecondArray::try_new(times.values.into(), nulls)?.with_timezone("UTC"))
            }
            Values::Date(values) => Arc::new(Date32Array::try_new(values.into(), nulls)?),
            Values::Text(texts) | Values::Json(texts) => {
                Arc::new(StringArray::try_new(offsets(texts.offsets), Buffer::from_vec(texts.bytes), nulls)?)
            }
            Values::Struct(fields) => {
                let types = match data_type {
                    DataType::Struct(types) => types.clone(),
                    _ => Fields::empty(),
                };
                let arrays = fields.finish(len, &types, leaf, originals)?;
                Arc::new(StructArray::try_new_with_length(types, arrays, nulls, len)?)
            }
            Values::List(list) => {
                let DataType::List(element) = data_type else {
                    return Err(ArrowError::SchemaError("a list has another Arrow type".to_owned()));
                };
                let items = list.items.finish(element.data_type(), leaf, originals)?;
                Arc::new(ListArray::try_new(Arc::clone(element), offsets(list.offsets), items, nulls)?)
            }
        })
    }

    /// How a leaf's texts or a struct's objects were spelled, unless that is the canonical way.
    fn spelling(&self) -> Option<(Spelling, Exceptions)> {
        if self.declared {
            return None;
        }
        let (spelling, exceptions, canonical) = match &self.values {
            Values::Float64(floats) => {
                let canonical = Spelling::ShortestNumber;
                (floats.spelling.spelling(canonical), &floats.exceptions, canonical)
            }
            Values::Decimal(decimals) => {
                let canonical = Spelling::PlainNumber;
                (decimals.spelling.spelling(canonical), &decimals.exceptions, canonical)
            }
            Values::Timestamp(times) => {
                let zulu = Spelling::Time { fraction: 0, separator: b'T', offset_minutes: 0, zulu: true };
                (times.spelling.unwrap_or(zulu), &times.exceptions, zulu)
            }
            Values::Text(texts) => {
                (if texts.bare { Spelling::Bare } else { Spelling::Quoted }, &texts.exceptions, Spelling::Quoted)
            }
            Values::Struct(fields) => return self.objects_spelling(fields),
            _ => return None,
        };
        (spelling != canonical || !exceptions.is_empty()).then(|| (spelling, exceptions.clone()))
    }
}

impl ColumnBuilder {
    fn objects_spelling(&self, fields: &StructBuilder) -> Option<(Spelling, Exceptions)> {
        let spelling = fields.layouts.spelling(self.valid_slots(), fields.fields.len());
        let exceptions: Exceptions = self
            .valid_slots()
            .filter(|slot| !fields.layouts.is(*slot, spelling))
            .map(|slot| {
                let mut text = Vec::new();
                write_json(self, slot, &mut text);
                (slot as u32, String::from_utf8_lossy(&text).into())
            })
            .collect();
        (spelling != Spelling::Valued || !exceptions.is_empty()).then_some((spelling, exceptions))
    }
}

fn offsets(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

impl From<Bits> for BooleanBuffer {
    /// The same bits; words are stored with the least significant byte first.
    fn from(bits: Bits) -> Self {
        let words: Vec<u64> = bits.words.into_iter().map(u64::to_le).collect();
        Self::new(Buffer::from_vec(words), 0, bits.len)
    }
}
