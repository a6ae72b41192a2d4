//! Actions as rows of a checkpoint, and back.
//!
//! In: JSON values of one form, and the Arrow type of that form. Out: an array, and the values again. Only what a checkpoint has: texts, integers,
//! booleans, structs, lists and maps with text keys. A member that a type does not name is left out, and so is what is null.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray, new_null_array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields};
use serde_json::{Map, Value};

/// Values as an array, a row each; null for what there is not.
///
/// # Errors
/// A type that no checkpoint has; more values than an array holds.
pub(super) fn array_of(values: &[Option<&Value>], data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let present = || values.iter().map(|value| value.filter(|value| !value.is_null()));
    Ok(match data_type {
        DataType::Boolean => {
            let mut built = BooleanBuilder::new();
            present().for_each(|value| built.append_option(value.and_then(Value::as_bool)));
            Arc::new(built.finish())
        }
        DataType::Int32 => {
            let mut built = Int32Builder::new();
            present()
                .for_each(|value| built.append_option(value.and_then(Value::as_i64).and_then(|value| i32::try_from(value).ok())));
            Arc::new(built.finish())
        }
        DataType::Int64 => {
            let mut built = Int64Builder::new();
            present().for_each(|value| built.append_option(value.and_then(Value::as_i64)));
            Arc::new(built.finish())
        }
        DataType::Utf8 => {
            let mut built = StringBuilder::new();
            present().for_each(|value| built.append_option(value.and_then(Value::as_str)));
            Arc::new(built.finish())
        }
        DataType::Struct(fields) => {
            let nulls: NullBuffer = present().map(|value| value.is_some()).collect();
            Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                members(&present().collect::<Vec<_>>(), fields)?,
                Some(nulls),
                values.len(),
            )?)
        }
        DataType::List(element) => {
            let lists = || present().map(|value| value.and_then(Value::as_array));
            let nulls: NullBuffer = lists().map(|list| list.is_some()).collect();
            let offsets = offsets(lists().map(|list| list.map_or(0, Vec::len)))?;
            let elements: Vec<Option<&Value>> = lists().flatten().flatten().map(Some).collect();
            Arc::new(ListArray::try_new(Arc::clone(element), offsets, array_of(&elements, element.data_type())?, Some(nulls))?)
        }
        DataType::Map(entry, _) => {
            let DataType::Struct(fields) = entry.data_type() else { return Err(unknown(data_type)) };
            let maps = || present().map(|value| value.and_then(Value::as_object));
            let nulls: NullBuffer = maps().map(|map| map.is_some()).collect();
            let offsets = offsets(maps().map(|map| map.map_or(0, Map::len)))?;
            let mut keys = StringBuilder::new();
            maps().flatten().flat_map(Map::keys).for_each(|key| keys.append_value(key));
            let values: Vec<Option<&Value>> = maps().flatten().flat_map(Map::values).map(Some).collect();
            let columns: Vec<ArrayRef> = vec![Arc::new(keys.finish()), array_of(&values, fields[1].data_type())?];
            let entries = StructArray::try_new(fields.clone(), columns, None)?;
            Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, Some(nulls), false)?)
        }
        other => return Err(unknown(other)),
    })
}

/// The members of objects, by name.
fn members(objects: &[Option<&Value>], fields: &Fields) -> Result<Vec<ArrayRef>, ArrowError> {
    let member = |field: &FieldRef| {
        let values: Vec<Option<&Value>> =
            objects.iter().map(|object| object.and_then(|object| object.get(field.name()))).collect();
        match values.iter().all(Option::is_none) {
            true => Ok(new_null_array(field.data_type(), values.len())),
            false => array_of(&values, field.data_type()),
        }
    };
    fields.iter().map(member).collect()
}

fn offsets(lengths: impl Iterator<Item = usize>) -> Result<OffsetBuffer<i32>, ArrowError> {
    let (mut offsets, mut end) = (vec![0_i32], 0_i32);
    for length in lengths {
        let length = i32::try_from(length).ok().and_then(|length| end.checked_add(length));
        end = length.ok_or_else(|| ArrowError::OffsetOverflowError(offsets.len()))?;
        offsets.push(end);
    }
    Ok(OffsetBuffer::new(offsets.into()))
}

fn unknown(data_type: &DataType) -> ArrowError {
    ArrowError::NotYetImplemented(format!("{data_type} in a checkpoint"))
}

/// The value of a row; null for what no action has.
pub(super) fn value_of(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let present = columns.map(|(field, column)| (field.name().clone(), value_of(column, row)));
            Value::Object(present.filter(|(_, value)| !value.is_null()).collect())
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            (0..list.len()).map(|row| value_of(&list, row)).collect()
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let entry = |row| value_of(keys, row).as_str().map(|key| (key.to_owned(), value_of(values, row)));
            Value::Object((0..entries.len()).filter_map(entry).collect())
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::Field;
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let text = |name: &str| Field::new(name, DataType::Utf8, true);
        let entry = Field::new(
            "key_value",
            DataType::Struct(vec![Field::new("key", DataType::Utf8, false), text("value")].into()),
            false,
        );
        let fields = vec![
            text("path"),
            Field::new("values", DataType::Map(Arc::new(entry), false), true),
            Field::new("names", DataType::List(Arc::new(text("element"))), true),
            Field::new("size", DataType::Int64, true),
            Field::new("n", DataType::Int32, true),
            Field::new("is", DataType::Boolean, true),
        ];
        let rows = [
            json!({"path": "a", "values": {"k": "v", "n": null}, "names": ["x", "y"], "size": 5_000_000_000_i64, "n": 3, "is": true}),
            json!({"values": {}, "names": []}),
            json!(null),
        ];
        let values: Vec<Option<&Value>> = rows.iter().map(Some).collect();
        let array = array_of(&values, &DataType::Struct(fields.into())).unwrap();
        let back: Vec<Value> = (0..3).map(|row| value_of(&array, row)).collect();
        assert_eq!(back, rows);
    }
}
