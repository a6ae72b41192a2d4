//! Lists within records that the API cut short, and says so: `lines: {data: […], has_more: true}`.
//!
//! The rows are whole as the API gave them, and their lists are not. Looked for in the columns, a page at a time.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::DataType;

/// Names of a flag, in lower-case letters, that there is more than a list has.
const MORE: [&str; 5] = ["hasmore", "hasnext", "hasnextpage", "moreavailable", "istruncated"];
/// Names of an object that has such a flag for the list beside it.
const AROUND: [&str; 4] = ["pageinfo", "pagination", "paging", "meta"];

/// The paths of the lists that are cut short in some record of `batch`, each with that of the flag that says so.
pub(crate) fn cut_short(batch: &RecordBatch) -> Vec<(String, String)> {
    let mut found = Vec::new();
    look_at(&StructArray::from(batch.clone()), "", &mut found);
    found
}

fn look_at(record: &StructArray, path: &str, found: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let list = record.fields().iter().find(|field| matches!(field.data_type(), DataType::List(_)));
    if let (Some(list), Some(flag)) = (list, flag_of(record)) {
        found.push((below(list.name()), below(&flag)));
    }
    for (field, column) in record.fields().iter().zip(record.columns()) {
        let mut values = column;
        while let DataType::List(_) = values.data_type() {
            values = values.as_list::<i32>().values();
        }
        if let DataType::Struct(_) = values.data_type() {
            look_at(values.as_struct(), &below(field.name()), found);
        }
    }
}

/// The member that is true in some record, and tells of more than the list beside it.
fn flag_of(record: &StructArray) -> Option<String> {
    record.fields().iter().zip(record.columns()).find_map(|(field, column)| {
        let name = reduced(field.name());
        match column.data_type() {
            DataType::Boolean if MORE.contains(&&*name) => (column.as_boolean().true_count() > 0).then(|| field.name().clone()),
            DataType::Struct(_) if AROUND.contains(&&*name) => {
                flag_of(column.as_struct()).map(|flag| format!("{}.{flag}", field.name()))
            }
            _ => None,
        }
    })
}

fn reduced(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
