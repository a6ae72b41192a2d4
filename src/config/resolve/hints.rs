//! The keys of a resource that declare its table: its name, hints of its columns, keys, contract and nesting.

use crate::config::raw::{
    self, ColumnHint, ContractMap, ContractMode, DataType, Either, Field, Nested, Numbers, OneOrMany, Resource,
};
use crate::config::resolve::merging::{self, Deciding};
use crate::config::resolve::{Context, table};
use crate::config::tree::NodeId;
use crate::config::{ColumnPlan, Contract, ContractPlan, DeclaredType, MergePlan, WriteDisposition};

/// What the keys of this file come to.
pub(crate) struct Hints {
    pub(crate) table: Option<String>,
    pub(crate) columns: Vec<ColumnPlan>,
    pub(crate) primary_key: Vec<String>,
    pub(crate) merge: MergePlan,
    pub(crate) contract: ContractPlan,
    pub(crate) nesting_max: Option<usize>,
    pub(crate) round_numbers: bool,
}

/// The hints of a resource; `name` is its own.
pub(crate) fn hints(cx: Context<'_>, raw: &Resource, name: Option<&String>, disposition: Option<WriteDisposition>) -> Hints {
    let table = match raw.table_name.set() {
        Some((id, table)) => cx.checked_name(id, table),
        None => name.cloned(),
    };
    let (columns, flagged) = columns(cx, &raw.columns);
    let primary_key = key(cx, "primary_key", &raw.primary_key, &flagged.primary);
    let merge_key = key(cx, "merge_key", &raw.merge_key, &flagged.merge);
    check_merge_key(cx, raw, &primary_key, &merge_key, disposition);
    let merge = merging::plan(cx, raw, flagged.deciding, &primary_key, disposition);
    let round_numbers = matches!(raw.numbers.get(), Some(Numbers::Float));
    let contract = contract(&raw.schema_contract);
    Hints { table, columns, primary_key, merge, contract, nesting_max: nesting(cx, raw), round_numbers }
}

/// Columns that are flagged as parts of a key, in the file's order, and those that decide among records of one key.
#[derive(Default)]
struct Flagged {
    primary: Vec<(NodeId, String)>,
    merge: Vec<(NodeId, String)>,
    deciding: Deciding,
}

fn columns(cx: Context<'_>, field: &Field<raw::Columns>) -> (Vec<ColumnPlan>, Flagged) {
    let (mut plans, mut flagged) = (Vec::<ColumnPlan>::new(), Flagged::default());
    let Some(raw::Columns(entries)) = field.get() else { return (plans, flagged) };
    for (key, hint) in entries {
        let Some((id, hint)) = hint.set() else {
            if let Some(id) = hint.place() {
                cx.reader.wrong(id, "what is said of the column");
            }
            continue;
        };
        let own = hint.name.get().filter(|name| !name.trim().is_empty());
        let name = match (key, own) {
            (Some(key), Some(own)) if key != own => {
                let place = hint.name.place().unwrap_or(id);
                cx.reader.conflict(place, format!("the column is `{key}` by its place and `{own}` by its name"));
                continue;
            }
            (Some(name), _) | (None, Some(name)) => name.clone(),
            (None, None) => {
                cx.required(&hint.name, id, "name", "the column's name");
                continue;
            }
        };
        if plans.iter().any(|plan| plan.name == name) {
            cx.reader.conflict(id, format!("column `{name}` is given twice"));
        }
        for (flag, found) in [(&hint.primary_key, &mut flagged.primary), (&hint.merge_key, &mut flagged.merge)] {
            if let Some((id, true)) = flag.set() {
                found.push((id, name.clone()));
            }
        }
        flagged.deciding.note(cx, &name, hint);
        plans.push(column(cx, name, hint));
    }
    (plans, flagged)
}

fn column(cx: Context<'_>, name: String, hint: &ColumnHint) -> ColumnPlan {
    let data_type = hint.data_type.get().copied();
    if let Some((id, false)) = hint.timezone.set() {
        cx.reader.conflict(id, "a time without a zone is no point in time; `cast` it with its `timezone`, or keep it as `text`");
    }
    if let (Some((id, 7..)), Some(DataType::Timestamp)) = (hint.precision.set(), data_type) {
        cx.reader.conflict(id, "timestamps have microseconds, precision 6; keep finer ones as `text`");
    }
    let digits = (data_type == Some(DataType::Decimal)).then(|| decimal(cx, hint));
    let declared = data_type.map(|data_type| match data_type {
        DataType::Text => DeclaredType::Text,
        DataType::Double => DeclaredType::Float,
        DataType::Bool => DeclaredType::Boolean,
        DataType::Timestamp => DeclaredType::Timestamp,
        DataType::Date => DeclaredType::Date,
        DataType::Bigint => DeclaredType::Integer,
        DataType::Decimal => digits.unwrap_or(DeclaredType::Decimal { precision: 38, scale: 9 }),
        DataType::Json => DeclaredType::Json,
    });
    let accept_text = flag(cx, &hint.accept_text, "accept_text", declared, |of| {
        matches!(of, DeclaredType::Integer | DeclaredType::Float | DeclaredType::Decimal { .. } | DeclaredType::Boolean)
    });
    let empty_as_null =
        flag(cx, &hint.empty_as_null, "empty_as_null", declared, |of| !matches!(of, DeclaredType::Text | DeclaredType::Json));
    let nullable = hint.nullable.get() != Some(&false);
    if let (None, Some(place)) = (data_type, hint.scale.place().or(hint.precision.place())) {
        cx.reader.conflict(place, "goes with a `data_type`");
    }
    ColumnPlan { name, declared, nullable, accept_text, empty_as_null, description: hint.description.get().cloned() }
}

/// A flag that goes with some types only.
fn flag(
    cx: Context<'_>,
    field: &Field<bool>,
    key: &str,
    declared: Option<DeclaredType>,
    goes_with: impl Fn(DeclaredType) -> bool,
) -> bool {
    let Some((id, true)) = field.set() else { return false };
    if !declared.is_some_and(goes_with) {
        cx.reader
            .conflict(id, format!("`{key}` needs a `data_type` that values come in as text for, such as `decimal` or `bigint`"));
    }
    true
}

fn decimal(cx: Context<'_>, hint: &ColumnHint) -> DeclaredType {
    let precision = cx.within(&hint.precision, 1..=38, 38);
    let scale = cx.within(&hint.scale, 0..=38, if hint.precision.is_unset() { 9 } else { 0 });
    if let (Some(id), true) = (hint.scale.place(), scale > precision) {
        cx.reader.conflict(id, format!("a decimal of {precision} digits has no {scale} of them after the point"));
    }
    DeclaredType::Decimal { precision: u8::try_from(precision).unwrap_or(38), scale: i8::try_from(scale).unwrap_or_default() }
}

/// A key from its own key and the columns' flags, which must agree where both are given.
fn key(cx: Context<'_>, name: &str, field: &Field<OneOrMany<Field<String>>>, flagged: &[(NodeId, String)]) -> Vec<String> {
    let key = table::columns(cx, field);
    let Some((id, _)) = flagged.first() else { return key };
    let columns: Vec<String> = flagged.iter().map(|(_, column)| column.clone()).collect();
    let same = key.len() == columns.len() && columns.iter().all(|column| key.contains(column));
    if !key.is_empty() && !same {
        let why = format!("`{name}` is `{}`, and `columns` flags `{}`", key.join("`, `"), columns.join("`, `"));
        cx.reader.conflict(*id, why);
    }
    if key.is_empty() { columns } else { key }
}

/// A merge key other than the primary key deletes rows by it before inserting: rows that did not come again would be lost.
fn check_merge_key(cx: Context<'_>, raw: &Resource, primary: &[String], merge: &[String], disposition: Option<WriteDisposition>) {
    let same = primary.len() == merge.len() && merge.iter().all(|column| primary.contains(column));
    if merge.is_empty() || same || disposition != Some(WriteDisposition::Merge) {
        return;
    }
    let place = raw.merge_key.place().or(raw.columns.place());
    if let Some(place) = place {
        let why = "a `merge_key` other than the `primary_key` deletes all rows with the key's values before it inserts, and a page that is \
                   missing then costs rows; lakeward merges by `primary_key` alone: write `merge_key` there, or use `replace`";
        cx.reader.conflict(place, why);
    }
}

/// The contract, evolving unless it says otherwise; dlt's short form is about all three parts.
fn contract(field: &Field<Either<ContractMode, ContractMap>>) -> ContractPlan {
    let mode = |mode: ContractMode| match mode {
        ContractMode::Evolve => Contract::Evolve,
        ContractMode::Freeze => Contract::Freeze,
        ContractMode::DiscardRow => Contract::DiscardRow,
        ContractMode::DiscardValue => Contract::DiscardValue,
    };
    let part = |field: &Field<ContractMode>| field.get().map_or(Contract::Evolve, |found| mode(*found));
    match field.get() {
        None => ContractPlan::default(),
        Some(Either::Text(all)) => ContractPlan { tables: mode(*all), columns: mode(*all), data_type: mode(*all) },
        Some(Either::Map(map)) => {
            ContractPlan { tables: part(&map.tables), columns: part(&map.columns), data_type: part(&map.data_type) }
        }
    }
}

fn nesting(cx: Context<'_>, raw: &Resource) -> Option<usize> {
    let levels = raw.max_table_nesting.get().map(|levels| usize::try_from(*levels).unwrap_or(usize::MAX));
    match (raw.nested.set(), levels) {
        (Some((id, Nested::Json)), Some(1..)) => {
            cx.reader.conflict(id, "`nested: json` is `max_table_nesting: 0`, and another number is given");
            levels
        }
        (Some((_, Nested::Json)), _) => Some(0),
        (_, levels) => levels,
    }
}
