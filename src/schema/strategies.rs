//! Arbitrary types and schemas for property tests, and comparisons that ignore the order of columns.

use proptest::prelude::*;

use crate::schema::{Column, ColumnType, Digits, TableSchema};

/// Any scalar type that can be inferred, and declared decimals.
pub(crate) fn any_scalar() -> impl Strategy<Value = ColumnType> + Clone {
    prop_oneof![
        Just(ColumnType::Unknown),
        Just(ColumnType::Boolean),
        any::<bool>().prop_map(|wide| ColumnType::Int64 { wide }),
        Just(ColumnType::Decimal { precision: 38, scale: 0 }),
        (1..=38_u8).prop_flat_map(|precision| {
            (0..=precision).prop_map(move |scale| ColumnType::Decimal { precision, scale: scale.cast_signed() })
        }),
        (0..=39_u8, 0..=39_u8).prop_map(|(whole, fraction)| ColumnType::Float64(Digits { whole, fraction })),
        Just(ColumnType::Timestamp),
        Just(ColumnType::Date),
        Just(ColumnType::Text),
        Just(ColumnType::Json),
    ]
}

/// Any type, a few levels deep.
pub(crate) fn any_type() -> impl Strategy<Value = ColumnType> + Clone {
    any_scalar().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| ColumnType::List(Box::new(element))),
            columns(inner).prop_map(ColumnType::Struct),
        ]
    })
}

/// Any inferred schema, of few names, so that schemas share some.
pub(crate) fn any_schema() -> impl Strategy<Value = TableSchema> {
    columns(any_type()).prop_map(|columns| TableSchema { columns })
}

fn columns(types: impl Strategy<Value = ColumnType> + Clone) -> impl Strategy<Value = Vec<Column>> {
    let names = prop::sample::subsequence(vec!["a", "b", "ü", "d.e", ""], 0..=4).prop_shuffle();
    names.prop_flat_map(move |names| {
        prop::collection::vec(types.clone(), names.len())
            .prop_map(move |types| names.iter().zip(types).map(|(name, of)| Column::inferred(*name, of)).collect())
    })
}

/// Whether two types are one but for the order of struct fields.
pub(crate) fn same_type(a: &ColumnType, b: &ColumnType) -> bool {
    match (a, b) {
        (ColumnType::Struct(a), ColumnType::Struct(b)) => same_columns(a, b),
        (ColumnType::List(a), ColumnType::List(b)) => same_type(a, b),
        (a, b) => a == b,
    }
}

/// Whether two sets of columns are one but for their order.
pub(crate) fn same_columns(a: &[Column], b: &[Column]) -> bool {
    a.len() == b.len()
        && a.iter()
            .all(|column| b.iter().any(|other| column.name == other.name && same_type(&column.column_type, &other.column_type)))
}
