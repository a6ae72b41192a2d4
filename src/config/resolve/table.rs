//! The keys of a resource that shape its table: primary key, partition folders, row order.

use crate::base::folded;
use crate::config::raw::{self, Either, Field, OneOrMany, Partition, Scalar, SortForm, SortOrder, TransformName};
use crate::config::resolve::Context;
use crate::config::tree::NodeId;
use crate::config::{PartitionField, SortField, Transform};

/// Column names, each once.
pub(crate) fn columns(cx: Context<'_>, field: &Field<OneOrMany<Field<String>>>) -> Vec<String> {
    let Some((id, OneOrMany(items))) = field.set() else { return Vec::new() };
    if items.is_empty() {
        cx.reader.wrong(id, "at least one column");
    }
    let mut columns: Vec<String> = Vec::new();
    for (id, column) in cx.texts(items) {
        let names: Vec<&str> = column.split(',').map(str::trim).collect();
        let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        if names.len() > 1 && names.iter().all(is_name) {
            cx.reader.wrong(id, format!("a column, or a list of them: `[{}]`", names.join(", ")));
            continue;
        }
        if columns.contains(&column) {
            cx.reader.conflict(id, format!("column `{column}` is given twice"));
        }
        columns.push(column);
    }
    columns
}

/// Partition folders, outermost first, their names unique.
pub(crate) fn partition_by(cx: Context<'_>, field: &Field<OneOrMany<Field<Either<String, Partition>>>>) -> Vec<PartitionField> {
    let Some(OneOrMany(items)) = field.get() else { return Vec::new() };
    let mut fields: Vec<PartitionField> = Vec::new();
    for (id, item) in items.iter().filter_map(Field::set) {
        let field = match item {
            Either::Text(column) => {
                if let Some(meant) = as_map(column) {
                    cx.reader.wrong(id, format!("a column, or a map: `{meant}`"));
                    continue;
                }
                let column = Field::Set(id, column.clone());
                partition(cx, id, &Partition { column, ..Partition::default() })
            }
            Either::Map(partition_raw) => partition(cx, id, partition_raw),
        };
        let Some(field) = field else { continue };
        // Readers compare column names without case, file systems some without Unicode form.
        if fields.iter().any(|other| folded(&other.name) == folded(&field.name)) {
            cx.reader.conflict(id, format!("two levels of partition folders are named `{}`; rename one with `as`", field.name));
        }
        fields.push(field);
    }
    fields
}

/// The map that is meant by `month(created_at)` and `bucket(16, id)`.
fn as_map(text: &str) -> Option<String> {
    let (transform, arguments) = text.trim().strip_suffix(')')?.split_once('(')?;
    let transform = transform.trim().to_ascii_lowercase();
    let arguments: Vec<&str> = arguments.split(',').map(str::trim).collect();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (transform.trim_end_matches('s'), arguments.as_slice()) {
        (of @ ("year" | "month" | "day" | "hour"), [column]) => Some(format!("{{column: {column}, transform: {of}}}")),
        (of @ ("bucket" | "truncate"), [one, other]) => {
            let (number, column) = if is_number(one) { (one, other) } else { (other, one) };
            is_number(number).then(|| format!("{{column: {column}, transform: '{of}[{number}]'}}"))
        }
        _ => None,
    }
}

fn partition(cx: Context<'_>, id: NodeId, raw: &Partition) -> Option<PartitionField> {
    cx.required(&raw.column, id, "column", "the column to partition by")?;
    let column = cx.filled(&raw.column, "");
    let transform = transform(cx, id, raw);
    let transform = transform?;
    let suffix = match transform {
        Transform::Identity => "",
        Transform::Year => "_year",
        Transform::Month => "_month",
        Transform::Day => "_day",
        Transform::Hour => "_hour",
        Transform::Bucket { .. } => "_bucket",
        Transform::Truncate { .. } => "_truncate",
    };
    let name = cx.filled(&raw.folder, &format!("{column}{suffix}"));
    let unsafe_char = |c: char| matches!(c, '/' | '\\' | '=' | '%' | ':' | '"' | '\'' | '#' | '?' | '*') || c.is_control();
    if name.starts_with(['_', '.']) || name.contains(unsafe_char) {
        let place = raw.folder.place().or(raw.column.place()).unwrap_or(id);
        let why = format!(
            "`{name}` cannot name folders: readers pass over a leading `_` or `.`, and `/`, `=` and quotes break paths; name them with `as`"
        );
        cx.reader.conflict(place, why);
    }
    Some(PartitionField { column, transform, name })
}

fn transform(cx: Context<'_>, id: NodeId, raw: &Partition) -> Option<Transform> {
    let written = match &raw.transform {
        Field::Invalid => return None,
        Field::Set(_, Scalar(written)) => *written,
        Field::Absent | Field::Null(_) => TransformName::Whole(Transform::Identity),
    };
    let number = |field: &Field<u64>, most: u64| u32::try_from(cx.within(field, 1..=most, 1)).unwrap_or(1);
    if let (Some(id), false) = (raw.buckets.place(), written == TransformName::Bucket) {
        cx.reader.conflict(id, "`buckets` goes with `transform: bucket` only");
    }
    if let (Some(id), false) = (raw.width.place(), written == TransformName::Truncate) {
        cx.reader.conflict(id, "`width` goes with `transform: truncate` only");
    }
    match written {
        TransformName::Whole(transform) => Some(transform),
        TransformName::Bucket => {
            cx.required(&raw.buckets, id, "buckets", "the number of buckets; or write `'bucket[16]'`")?;
            Some(Transform::Bucket { buckets: number(&raw.buckets, 65_536) })
        }
        TransformName::Truncate => {
            cx.required(&raw.width, id, "width", "the width; or write `'truncate[4]'`")?;
            Some(Transform::Truncate { width: number(&raw.width, u64::from(u32::MAX)) })
        }
    }
}

/// The row order, each column once.
pub(crate) fn sort_by(cx: Context<'_>, field: &Field<OneOrMany<Field<SortForm>>>) -> Vec<SortField> {
    let Some(OneOrMany(items)) = field.get() else { return Vec::new() };
    let mut fields: Vec<SortField> = Vec::new();
    for (id, item) in items.iter().filter_map(Field::set) {
        let field = match item {
            Either::Text(Scalar(field)) => field.clone(),
            Either::Map(raw::Sort { column, order }) => {
                if cx.required(column, id, "column", "the column to sort by").is_none() {
                    continue;
                }
                SortField { column: cx.filled(column, ""), descending: order.get() == Some(&SortOrder::Desc) }
            }
        };
        if fields.iter().any(|other| other.column == field.column) {
            cx.reader.conflict(id, format!("column `{}` is given twice", field.column));
        }
        fields.push(field);
    }
    fields
}
