//! Arrays become text: the tokens of scalars, and JSON.
//!
//! In: an array with its type, and its originals. Out: a Utf8 array of the same slots, null where it was null. Invariants: JSON
//! texts are compact, and have the members that came, in their order. Where the originals are not known, members stand in the order of the
//! struct's fields, and those that are null are left out: whether they came is not known.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, StringArray, new_null_array};
use arrow_schema::DataType;

use crate::decode::convert::quoted;
use crate::decode::number::write_decimal;
use crate::decode::originals::{Spelled, elements};
use crate::decode::widen::{WidenError, Widening};
use crate::decode::{Spelling, write_date, write_float, write_time};
use crate::schema::{Column, ColumnType};

/// Most bytes in a Utf8 array: its offsets have 32 bits.
const TEXT_BYTES_MAX: usize = i32::MAX as usize;

/// A scalar array, as its type says.
enum Leaf<'a> {
    Boolean(&'a BooleanArray),
    Int64(&'a arrow_array::Int64Array),
    Decimal(&'a arrow_array::Decimal128Array, i8),
    Float64(&'a arrow_array::Float64Array),
    Timestamp(&'a arrow_array::TimestampMicrosecondArray),
    Date(&'a arrow_array::Date32Array),
    Text(&'a StringArray),
    Json(&'a StringArray),
}

/// The texts of a leaf: its tokens without the quotes of strings, or with `as_json` the JSON texts.
pub(super) fn leaf_texts(
    at: &mut Widening<'_, '_>,
    array: &ArrayRef,
    from: &ColumnType,
    as_json: bool,
) -> Result<ArrayRef, WidenError> {
    let leaf = Leaf::of(array, from).ok_or_else(|| at.wrong_array(array))?;
    let mut texts = Texts::new(array.len());
    let mut originals = at.originals.leaf(&at.path);
    for slot in 0..array.len() {
        let spelled = originals.next();
        if array.is_null(slot) {
            texts.null();
        } else {
            leaf.write(&mut texts.scratch, slot, spelled, as_json);
            texts.push().ok_or(array.len()).map_err(|rows| WidenError::TooLarge { column: at.path.join("."), rows })?;
        }
    }
    Ok(texts.finish())
}

/// The JSON texts of any array.
pub(super) fn json_texts(at: &mut Widening<'_, '_>, array: &ArrayRef, from: &ColumnType) -> Result<ArrayRef, WidenError> {
    match from {
        ColumnType::Unknown => Ok(new_null_array(&DataType::Utf8, array.len())),
        ColumnType::Json if array.as_string_opt::<i32>().is_some() => Ok(Arc::clone(array)),
        ColumnType::Struct(fields) => struct_texts(at, array, fields),
        ColumnType::List(element) => list_texts(at, array, element),
        scalar => leaf_texts(at, array, scalar, true),
    }
}

fn struct_texts(at: &mut Widening<'_, '_>, array: &ArrayRef, fields: &[Column]) -> Result<ArrayRef, WidenError> {
    let structs = array.as_struct_opt().ok_or_else(|| at.wrong_array(array))?;
    let mut members = Vec::with_capacity(fields.len());
    for (field, child) in fields.iter().zip(structs.columns()) {
        at.path.push(field.name.clone());
        let values = json_texts(at, child, &field.column_type)?;
        at.path.pop();
        members.push((quoted(&field.name), values));
    }
    let members: Vec<(_, &StringArray)> =
        members.iter().map(|(name, values)| (String::from_utf8_lossy(name), values.as_string::<i32>())).collect();
    let mut texts = Texts::new(array.len());
    let mut originals = at.originals.leaf(&at.path);
    for slot in 0..array.len() {
        let spelled = originals.next();
        if array.is_null(slot) {
            texts.null();
            continue;
        }
        let text = &mut texts.scratch;
        match spelled {
            Spelled::With(original) => text.push_str(original),
            Spelled::As(Some(Spelling::First(count))) => write_members(text, members.iter().take(usize::from(count)), slot),
            Spelled::As(_) => write_members(text, members.iter().filter(|(_, values)| values.is_valid(slot)), slot),
        }
        texts.push().ok_or(array.len()).map_err(|rows| WidenError::TooLarge { column: at.path.join("."), rows })?;
    }
    Ok(texts.finish())
}

/// Appends the object that has these members in `slot`.
fn write_members<'m, 'n: 'm>(
    text: &mut String,
    members: impl Iterator<Item = &'m (std::borrow::Cow<'n, str>, &'m StringArray)>,
    slot: usize,
) {
    for (name, values) in members {
        text.push(if text.is_empty() { '{' } else { ',' });
        text.push_str(name);
        text.push(':');
        text.push_str(if values.is_valid(slot) { values.value(slot) } else { "null" });
    }
    text.push_str(if text.is_empty() { "{}" } else { "}" });
}

fn list_texts(at: &mut Widening<'_, '_>, array: &ArrayRef, element: &ColumnType) -> Result<ArrayRef, WidenError> {
    let list = array.as_list_opt::<i32>().ok_or_else(|| at.wrong_array(array))?;
    let (values, offsets) = elements(list);
    let values = json_texts(at, &values, element)?;
    let values = values.as_string::<i32>();
    let mut texts = Texts::new(array.len());
    for (slot, range) in offsets.windows(2).enumerate() {
        if array.is_null(slot) {
            texts.null();
            continue;
        }
        texts.scratch.push('[');
        let range = range.first().zip(range.last()).map_or(0..0, |(&start, &end)| start..end);
        for (place, index) in range.enumerate() {
            if place > 0 {
                texts.scratch.push(',');
            }
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            texts.scratch.push_str(if values.is_null(index) { "null" } else { values.value(index) });
        }
        texts.scratch.push(']');
        texts.push().ok_or_else(|| at.too_large(array.len()))?;
    }
    Ok(texts.finish())
}

impl<'a> Leaf<'a> {
    fn of(array: &'a ArrayRef, from: &ColumnType) -> Option<Self> {
        match from {
            ColumnType::Boolean => array.as_boolean_opt().map(Self::Boolean),
            ColumnType::Int64 { .. } => array.as_primitive_opt::<Int64Type>().map(Self::Int64),
            ColumnType::Decimal { scale, .. } => {
                array.as_primitive_opt::<Decimal128Type>().map(|decimals| Self::Decimal(decimals, *scale))
            }
            ColumnType::Float64(_) => array.as_primitive_opt::<Float64Type>().map(Self::Float64),
            ColumnType::Timestamp => array.as_primitive_opt::<TimestampMicrosecondType>().map(Self::Timestamp),
            ColumnType::Date => array.as_primitive_opt::<Date32Type>().map(Self::Date),
            ColumnType::Text => array.as_string_opt::<i32>().map(Self::Text),
            ColumnType::Json => array.as_string_opt::<i32>().map(Self::Json),
            ColumnType::Unknown | ColumnType::Struct(_) | ColumnType::List(_) => None,
        }
    }

    /// Appends the text of a slot that is not null.
    fn write(&self, out: &mut String, slot: usize, spelled: Spelled<'_>, as_json: bool) {
        let is_string = matches!(self, Self::Timestamp(_) | Self::Date(_) | Self::Text(_));
        let spelling = match (spelled, self) {
            // In text leaves, exceptions are JSON texts, and matter only there.
            (Spelled::With(text), Self::Text(_)) if as_json => return out.push_str(text),
            (Spelled::With(_), Self::Text(_)) => None,
            (Spelled::With(text), _) if as_json && is_string => return push_quoted(out, text),
            (Spelled::With(text), _) => return out.push_str(text),
            (Spelled::As(spelling), _) => spelling,
        };
        if as_json && is_string {
            match self {
                Self::Text(texts) if spelling == Some(Spelling::Bare) => out.push_str(texts.value(slot)),
                Self::Text(texts) => push_quoted(out, texts.value(slot)),
                _ => {
                    // Digits and signs need no escape.
                    out.push('"');
                    self.write_value(out, slot, spelling);
                    out.push('"');
                }
            }
        } else {
            self.write_value(out, slot, spelling);
        }
    }

    fn write_value(&self, out: &mut String, slot: usize, spelling: Option<Spelling>) {
        use std::fmt::Write;
        match self {
            Self::Boolean(array) => out.push_str(if array.value(slot) { "true" } else { "false" }),
            Self::Int64(array) => {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "{}", array.value(slot));
            }
            Self::Decimal(array, scale) => write_decimal(out, array.value(slot), *scale, spelling),
            Self::Float64(array) => write_float(out, array.value(slot), spelling),
            Self::Timestamp(array) => write_time(out, array.value(slot), spelling),
            Self::Date(array) => write_date(out, array.value(slot)),
            Self::Text(array) | Self::Json(array) => out.push_str(array.value(slot)),
        }
    }
}

/// Appends `text` as a JSON string.
fn push_quoted(out: &mut String, text: &str) {
    out.push_str(&String::from_utf8_lossy(&quoted(text)));
}

/// A Utf8 array in the making, that ends before its offsets overflow.
struct Texts {
    builder: StringBuilder,
    bytes: usize,
    /// Where the next text is written.
    scratch: String,
}

impl Texts {
    fn new(slots: usize) -> Self {
        Self { builder: StringBuilder::with_capacity(slots, 0), bytes: 0, scratch: String::new() }
    }

    fn null(&mut self) {
        self.builder.append_null();
    }

    /// Moves the scratch text to the array; `None` when it is full.
    fn push(&mut self) -> Option<()> {
        self.bytes = self.bytes.checked_add(self.scratch.len()).filter(|bytes| *bytes <= TEXT_BYTES_MAX)?;
        self.builder.append_value(&self.scratch);
        self.scratch.clear();
        Some(())
    }

    fn finish(mut self) -> ArrayRef {
        Arc::new(self.builder.finish())
    }
}
