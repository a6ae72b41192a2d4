//! Widening: batches and columns are brought to a wider schema.
//!
//! In: arrays under a narrow schema, with their originals. Out: the same rows under a wider one. Invariants: rows and their
//! order stay; null stays null, and what is missing is null; a value becomes what decoding its record under the wider schema had made of it, text
//! and JSON text as the API wrote them where originals tell that, canonical text where not. In several steps or in one, the outcome is the same.
//! A number that had become text is a number again in a JSON column, if its [`Spelling::Bare`] is known.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, ListArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use arrow_schema::DataType;

use crate::base::ErrorKind;
use crate::decode::number::Significant;
use crate::decode::originals::{each_leaf, elements};
use crate::decode::texts::{json_texts, leaf_texts};
use crate::decode::{Originals, Spelling, SpellingCursor, TypedBatch};
use crate::schema::{Column, ColumnType, TableSchema};

/// Why rows could not be brought to a schema.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WidenError {
    /// The schema has no place for what is in the column.
    #[error("column `{column}` is {from}, which does not widen to {to}")]
    NotWider {
        /// The column, with struct fields behind points.
        column: String,
        /// Its type.
        from: String,
        /// The type asked for.
        to: String,
    },
    /// A number of the table is too large for the declared type, or has digits that it would lose.
    #[error(
        "a value of column `{column}` does not fit the declared {to}: declare more digits, or run once with `--full-refresh`"
    )]
    DoesNotFit {
        /// The column, with struct fields behind points.
        column: String,
        /// The declared type.
        to: String,
    },
    /// More than 2 GiB of text in one batch.
    #[error("column `{column}` as text is larger than 2 GiB in {rows} rows")]
    TooLarge {
        /// The column, with struct fields behind points.
        column: String,
        /// Rows of the batch.
        rows: usize,
    },
    /// The arrays do not have the schema's types.
    #[error("the rows do not have the types of their schema")]
    Arrays {
        /// What Arrow says.
        #[from]
        source: ArrowError,
    },
}

impl WidenError {
    /// What the operator has to do about it.
    #[must_use]
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::DoesNotFit { .. } => ErrorKind::Config,
            Self::TooLarge { .. } => ErrorKind::Data,
            Self::NotWider { .. } | Self::Arrays { .. } => ErrorKind::Internal,
        }
    }
}

/// Brings `rows` to a schema that is at least as wide: same rows, `to`'s columns.
///
/// # Errors
/// [`WidenError`]; for a schema that came from [`TableSchema::join`], only [`WidenError::TooLarge`].
pub(crate) fn widen(rows: &TypedBatch, to: &Arc<TableSchema>) -> Result<TypedBatch, WidenError> {
    if Arc::ptr_eq(&rows.schema, to) || rows.schema == *to {
        return Ok(rows.clone());
    }
    let mut originals = SpellingCursor::of(rows);
    let places = Places::of(&rows.schema.columns);
    let mut found = 0;
    let mut kept = Vec::new();
    let mut arrays = Vec::with_capacity(to.columns.len());
    for (at, column) in to.columns.iter().enumerate() {
        let Some((from, array)) = places.find(at, &column.name).and_then(|place| {
            let from = rows.schema.columns.get(place)?;
            Some((from, rows.batch.columns().get(place)?))
        }) else {
            arrays.push(new_null_array(&column.column_type.to_arrow(), rows.batch.num_rows()));
            continue;
        };
        found += 1;
        arrays.push(widen_array(array, &column.name, &from.column_type, &column.column_type, &mut originals)?);
        let mut path = vec![column.name.clone()];
        keep_originals((&from.column_type, &column.column_type), &mut path, (rows, array), &mut kept)?;
    }
    if found < rows.schema.columns.len() {
        let lost = rows.schema.columns.iter().find(|column| to.column(&column.name).is_none());
        let lost = lost.map_or((String::new(), String::new()), |column| (column.name.clone(), column.column_type.to_string()));
        return Err(WidenError::NotWider { column: lost.0, from: lost.1, to: "nothing".to_owned() });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(to.to_arrow(), arrays, &options)?;
    Ok(TypedBatch { schema: Arc::clone(to), batch, originals: kept })
}

/// Brings one column, or a slice of it, from a type to a wider one. `originals` moves on by the slots of the array, so that the slices
/// of a file are given in their order; other columns of the file may come before or after.
///
/// # Errors
/// [`WidenError`].
pub(crate) fn widen_array(
    array: &ArrayRef,
    column: &str,
    from: &ColumnType,
    to: &ColumnType,
    originals: &mut SpellingCursor<'_>,
) -> Result<ArrayRef, WidenError> {
    Widening { path: vec![column.to_owned()], originals }.array(array, from, to)
}

/// A column on its way.
pub(super) struct Widening<'c, 'a> {
    /// Its name, then those of struct fields.
    pub(super) path: Vec<String>,
    pub(super) originals: &'c mut SpellingCursor<'a>,
}

impl Widening<'_, '_> {
    fn array(&mut self, array: &ArrayRef, from: &ColumnType, to: &ColumnType) -> Result<ArrayRef, WidenError> {
        use ColumnType::{Boolean, Date, Decimal, Float64, Int64, Json, List, Struct, Text, Timestamp, Unknown};
        match (from, to) {
            (Unknown, to) => Ok(new_null_array(&to.to_arrow(), array.len())),
            (Struct(from), Struct(to)) => self.structs(array, from, to),
            (List(from), List(to)) => self.lists(array, from, to),
            (from, to) if from == to => Ok(Arc::clone(array)),
            (Int64 { .. }, Int64 { wide: true }) | (Float64(_), Float64(_)) => Ok(Arc::clone(array)),
            (Int64 { wide: false }, Float64(_)) => {
                let integers = array.as_primitive_opt::<Int64Type>().ok_or_else(|| self.not_wider(from, to))?;
                // Narrow integers are exact in an `f64`.
                let floats = integers.unary::<_, Float64Type>(|value| value as f64);
                Ok(Arc::new(floats))
            }
            (Int64 { .. } | Float64(_) | Decimal { .. }, Decimal { precision, scale }) => {
                self.decimals(array, from, (*precision, *scale))
            }
            (Boolean | Int64 { .. } | Decimal { .. } | Float64(_) | Timestamp | Date, Text) => {
                leaf_texts(self, array, from, false)
            }
            (_, Json) => json_texts(self, array, from),
            _ => Err(self.not_wider(from, to)),
        }
    }

    fn structs(&mut self, array: &ArrayRef, from: &[Column], to: &[Column]) -> Result<ArrayRef, WidenError> {
        let structs = array.as_struct_opt().ok_or_else(|| self.wrong_array(array))?;
        let places = Places::of(from);
        let mut children = Vec::with_capacity(to.len());
        for (at, field) in to.iter().enumerate() {
            let place = places.find(at, &field.name);
            match place.and_then(|place| Some((from.get(place)?, structs.columns().get(place)?))) {
                Some((old, child)) => {
                    self.path.push(field.name.clone());
                    children.push(self.array(child, &old.column_type, &field.column_type)?);
                    self.path.pop();
                }
                None => children.push(new_null_array(&field.column_type.to_arrow(), array.len())),
            }
        }
        if let Some(lost) = from.iter().find(|field| to.iter().all(|other| other.name != field.name)) {
            return Err(self.not_wider(&lost.column_type, &ColumnType::Struct(Vec::new())));
        }
        let DataType::Struct(fields) = ColumnType::Struct(to.to_vec()).to_arrow() else {
            return Err(self.wrong_array(array));
        };
        Ok(Arc::new(StructArray::try_new_with_length(fields, children, structs.nulls().cloned(), array.len())?))
    }

    fn lists(&mut self, array: &ArrayRef, from: &ColumnType, to: &ColumnType) -> Result<ArrayRef, WidenError> {
        let list = array.as_list_opt::<i32>().ok_or_else(|| self.wrong_array(array))?;
        let (values, offsets) = elements(list);
        let values = self.array(&values, from, to)?;
        let DataType::List(field) = ColumnType::List(Box::new(to.clone())).to_arrow() else {
            return Err(self.wrong_array(array));
        };
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(ListArray::try_new(field, offsets, values, list.nulls().cloned())?))
    }

    /// Numbers as decimals, of another size where they are some, if every value keeps all its digits: of a float, those of its
    /// shortest text.
    fn decimals(&self, array: &ArrayRef, from: &ColumnType, (precision, scale): (u8, i8)) -> Result<ArrayRef, WidenError> {
        let to = ColumnType::Decimal { precision, scale };
        let does_not_fit = || WidenError::DoesNotFit { column: self.path.join("."), to: to.to_string() };
        if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
            let convert = |value: f64| {
                let finite = value.is_finite().then(|| Significant::of_float(value));
                finite.and_then(|value| value.unscaled(precision, scale)).ok_or_else(does_not_fit)
            };
            let converted: Decimal128Array = floats.try_unary::<_, Decimal128Type, _>(convert)?;
            return Ok(Arc::new(converted.with_precision_and_scale(precision, scale)?));
        }
        let old_scale = if let ColumnType::Decimal { scale, .. } = from { *scale } else { 0 };
        let shift = u32::from((i16::from(scale) - i16::from(old_scale)).unsigned_abs());
        let power = 10_i128.checked_pow(shift).ok_or_else(does_not_fit)?;
        let limit = 10_i128.checked_pow(u32::from(precision)).ok_or_else(does_not_fit)?;
        let convert = |value: i128| {
            let value = if scale >= old_scale { value.checked_mul(power) } else { (value % power == 0).then_some(value / power) };
            value.filter(|value| value.unsigned_abs() < limit.unsigned_abs()).ok_or_else(does_not_fit)
        };
        let converted: Decimal128Array = match array.as_primitive_opt::<Int64Type>() {
            Some(integers) => integers.try_unary::<_, Decimal128Type, _>(|value| convert(i128::from(value)))?,
            None => {
                let decimals = array.as_primitive_opt::<Decimal128Type>().ok_or_else(|| self.wrong_array(array))?;
                decimals.try_unary::<_, Decimal128Type, _>(convert)?
            }
        };
        Ok(Arc::new(converted.with_precision_and_scale(precision, scale)?))
    }

    pub(super) fn not_wider(&self, from: &ColumnType, to: &ColumnType) -> WidenError {
        WidenError::NotWider { column: self.path.join("."), from: from.to_string(), to: to.to_string() }
    }

    pub(super) fn wrong_array(&self, array: &ArrayRef) -> WidenError {
        let column = self.path.join(".");
        ArrowError::SchemaError(format!("column `{column}` came as {}", array.data_type())).into()
    }

    pub(super) fn too_large(&self, rows: usize) -> WidenError {
        WidenError::TooLarge { column: self.path.join("."), rows }
    }
}

/// Where columns are, by name; they are mostly in the same place.
struct Places<'a> {
    columns: &'a [Column],
    by_name: std::cell::OnceCell<std::collections::HashMap<&'a str, usize>>,
}

impl<'a> Places<'a> {
    fn of(columns: &'a [Column]) -> Self {
        Self { columns, by_name: std::cell::OnceCell::new() }
    }

    fn find(&self, at: usize, name: &str) -> Option<usize> {
        if self.columns.get(at).is_some_and(|column| column.name == name) {
            return Some(at);
        }
        let by_name =
            self.by_name.get_or_init(|| self.columns.iter().enumerate().map(|(at, column)| (column.name.as_str(), at)).collect());
        by_name.get(name).copied()
    }
}

/// The originals that the widened leaves and structs below a column have, which is `array` in `rows`.
fn keep_originals(
    (from, to): (&ColumnType, &ColumnType),
    path: &mut Vec<String>,
    (rows, array): (&TypedBatch, &ArrayRef),
    kept: &mut Vec<Originals>,
) -> Result<(), WidenError> {
    use ColumnType::{Boolean, Decimal, Float64, Int64, Json, List, Struct, Text};
    let known = rows.originals.iter().find(|originals| originals.leaf == *path);
    match (from, to) {
        (Struct(fields), Struct(wider)) => {
            let spelling = known.map_or(Spelling::Valued, |known| known.spelling);
            if has_other_order(spelling, fields, wider) {
                kept.push(respelled(from, path, (rows, array))?);
            } else {
                kept.extend(known.cloned());
            }
            for old in fields {
                if let Some(new) = wider.iter().find(|new| new.name == old.name) {
                    path.push(old.name.clone());
                    keep_originals((&old.column_type, &new.column_type), path, (rows, array), kept)?;
                    path.pop();
                }
            }
        }
        (List(from), List(to)) => keep_originals((from, to), path, (rows, array), kept)?,
        (_, Json | Struct(_) | List(_)) => {}
        (Boolean | Int64 { .. } | Decimal { .. } | Float64(_), Text) => {
            kept.push(Originals { leaf: path.clone(), spelling: Spelling::Bare, exceptions: Vec::new() });
        }
        (from, to) => {
            // The canonical texts of floats are not those of decimals.
            let canonical = || Originals { leaf: path.clone(), spelling: Spelling::ShortestNumber, exceptions: Vec::new() };
            let becomes_decimal = matches!((from, to), (Float64(_), Decimal { .. }));
            let numbers = matches!(from, Int64 { .. } | Decimal { .. } | Float64(_));
            let stay_numbers = numbers && matches!(to, Int64 { .. } | Decimal { .. } | Float64(_));
            if from == to || stay_numbers {
                kept.extend(known.cloned().or_else(|| becomes_decimal.then(canonical)));
            }
        }
    }
    Ok(())
}

/// Whether the fields of a struct, by which objects are spelled, stand otherwise in the wider one: another page has added its own before.
fn has_other_order(spelling: Spelling, from: &[Column], to: &[Column]) -> bool {
    if let Spelling::First(count) = spelling {
        let count = usize::from(count);
        return !from.iter().take(count).map(|field| &field.name).eq(to.iter().take(count).map(|field| &field.name));
    }
    let mut wider = to.iter();
    !from.iter().all(|field| wider.any(|other| other.name == field.name))
}

/// The originals of the struct at `path`: the text of each object.
fn respelled(from: &ColumnType, path: &[String], (rows, array): (&TypedBatch, &ArrayRef)) -> Result<Originals, WidenError> {
    let mut originals = Originals { leaf: path.to_vec(), spelling: Spelling::Valued, exceptions: Vec::new() };
    let column = path.first().and_then(|name| rows.schema.column(name));
    let mut found = None;
    if let Some(column) = column {
        each_leaf(&column.column_type, array, &mut vec![column.name.clone()], &mut |at, array| {
            found = found.take().or_else(|| (at == path).then(|| Arc::clone(array)));
        });
    }
    let Some(objects) = found else { return Ok(originals) };
    let texts = json_texts(&mut Widening { path: path.to_vec(), originals: &mut SpellingCursor::of(rows) }, &objects, from)?;
    let texts = texts.as_string::<i32>().iter().enumerate();
    originals.exceptions = texts.filter_map(|(slot, text)| Some((slot as u32, Box::from(text?)))).collect();
    Ok(originals)
}
