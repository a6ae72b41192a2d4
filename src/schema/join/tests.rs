use proptest::prelude::*;

use super::*;
use crate::schema::strategies::{any_schema, any_type, same_columns, same_type};

const INT: ColumnType = ColumnType::Int64 { wide: false };
const WIDE: ColumnType = ColumnType::Int64 { wide: true };
const BIG: ColumnType = ColumnType::Decimal { precision: 38, scale: 0 };

/// Both ways round.
fn check(a: &ColumnType, b: &ColumnType, expected: &ColumnType) {
    assert_eq!(&a.join(b), expected, "{a} with {b}");
    assert_eq!(&b.join(a), expected, "{b} with {a}");
    assert!(a.le(expected) && expected.is_wider_or_equal(b));
}

fn schema<const N: usize>(columns: [Column; N]) -> TableSchema {
    TableSchema { columns: columns.into() }
}

fn declared(name: &str, column_type: ColumnType) -> Column {
    Column { declared: true, ..Column::inferred(name, column_type) }
}

#[test]
fn scalars_widen_as_documented() {
    use ColumnType::*;
    check(&Unknown, &Boolean, &Boolean);
    check(&INT, &WIDE, &WIDE);
    let float = |whole, fraction| Float64(Digits { whole, fraction });
    check(&INT, &float(1, 2), &float(16, 2));
    check(&float(3, 1), &float(1, 2), &float(3, 2));
    check(&WIDE, &float(1, 2), &Decimal { precision: 21, scale: 2 });
    check(&WIDE, &float(1, 20), &Text);
    check(&WIDE, &Float64(Digits::UNKNOWN), &Text);
    check(&WIDE, &BIG, &BIG);
    check(&BIG, &float(21, 0), &BIG);
    check(&BIG, &float(1, 1), &Text);
    check(&Date, &Timestamp, &Text);
    check(&Boolean, &INT, &Text);
    check(&Text, &Json, &Json);
    check(&Decimal { precision: 10, scale: 2 }, &Decimal { precision: 9, scale: 4 }, &Decimal { precision: 12, scale: 4 });
    check(&Decimal { precision: 38, scale: 20 }, &BIG, &Text);
    check(&Decimal { precision: 5, scale: 2 }, &WIDE, &Decimal { precision: 21, scale: 2 });
}

#[test]
fn names_that_differ_in_case_or_unicode_form_alone_are_refused_wherever_they_are() {
    let object = ColumnType::Struct(vec![Column::inferred("Ä", INT), Column::inferred("ä", INT)]);
    let list = ColumnType::List(Box::new(object.clone()));
    for (table, expected) in [
        (schema([Column::inferred("id", INT), Column::inferred("ID", INT)]), "columns `ID` and `id` differ"),
        (
            schema([Column::inferred("caf\u{e9}", INT), Column::inferred("cafe\u{301}", INT)]),
            "columns `cafe\u{301}` and `caf\u{e9}` differ",
        ),
        (schema([Column::inferred("s", object)]), "columns `s.ä` and `s.Ä` differ"),
        (schema([Column::inferred("l", list)]), "columns `l.ä` and `l.Ä` differ"),
    ] {
        let error = table.check_names().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let apart = ColumnType::Struct(vec![Column::inferred("A", INT)]);
    assert!(schema([Column::inferred("a", INT), Column::inferred("s", apart)]).check_names().is_ok());
}

#[test]
fn shapes_that_conflict_become_json() {
    let object = ColumnType::Struct(vec![Column::inferred("a", INT)]);
    let list = ColumnType::List(Box::new(INT));
    check(&object, &list, &ColumnType::Json);
    check(&object, &INT, &ColumnType::Json);
    check(&list, &ColumnType::Text, &ColumnType::Json);
    check(&list, &ColumnType::Unknown, &list);
    check(&list, &ColumnType::List(Box::new(object)), &ColumnType::List(Box::new(ColumnType::Json)));
}

#[test]
fn new_columns_come_last_and_structs_join_by_field() {
    let object = |fields: &[(&str, ColumnType)]| {
        ColumnType::Struct(fields.iter().map(|(name, column_type)| Column::inferred(*name, column_type.clone())).collect())
    };
    let a = schema([Column::inferred("x", INT), Column::inferred("o", object(&[("p", INT), ("q", ColumnType::Unknown)]))]);
    let b = schema([
        Column::inferred("new", ColumnType::Text),
        Column::inferred("o", object(&[("r", ColumnType::Date), ("p", ColumnType::Float64(Digits::default()))])),
        Column::inferred("x", WIDE),
    ]);
    let joined = a.join(&b);
    assert_eq!(
        joined,
        schema([
            Column::inferred("x", WIDE),
            Column::inferred(
                "o",
                object(&[
                    ("p", ColumnType::Float64(Digits::of_integers(false))),
                    ("q", ColumnType::Unknown),
                    ("r", ColumnType::Date)
                ])
            ),
            Column::inferred("new", ColumnType::Text),
        ])
    );
    assert!(a.le(&joined) && b.le(&joined) && !joined.le(&a));
}

#[test]
fn e_53_a_struct_of_too_many_fields_is_json_unless_it_was_there_or_is_declared() {
    let object =
        |range: std::ops::Range<usize>| ColumnType::Struct(range.map(|n| Column::inferred(format!("d{n}"), INT)).collect());
    assert!(same_type(&object(1..FIELDS_MAX).join(&object(0..9)), &object(0..FIELDS_MAX)));
    check(&object(0..FIELDS_MAX), &object(1..FIELDS_MAX + 1), &ColumnType::Json);
    let list = |of| ColumnType::List(Box::new(of));
    check(&list(object(0..200)), &list(object(200..300)), &list(ColumnType::Json));
    assert_eq!(object(0..300).join(&object(0..301)), object(0..301), "a table has it");
    let column = |of| schema([declared("o", of), Column::inferred("p", list(object(0..9)))]);
    let (a, b) = (column(object(0..200)), column(object(200..300)));
    assert_eq!(a.join(&b).columns[0].column_type, object(0..300));
    assert!(a.json_with(&b).is_empty());
    let inferred = |of| schema([Column::inferred("s", ColumnType::Struct(vec![Column::inferred("by_day", list(of))]))]);
    assert_eq!(inferred(object(0..200)).json_with(&inferred(object(200..300))), [("s.by_day".to_owned(), true)]);
    assert_eq!(inferred(object(0..2)).json_with(&inferred(INT)), [("s.by_day".to_owned(), false)]);
    assert!(inferred(object(0..2)).json_with(&inferred(ColumnType::Json)).is_empty());
}

#[test]
fn a_declared_type_never_widens_and_takes_in_new_fields() {
    let a = schema([declared("x", INT), declared("o", ColumnType::Struct(vec![declared("p", INT)]))]);
    let b = schema([
        Column::inferred("x", ColumnType::Text),
        Column::inferred(
            "o",
            ColumnType::Struct(vec![Column::inferred("p", ColumnType::Text), Column::inferred("q", ColumnType::Date)]),
        ),
    ]);
    let fields = vec![declared("p", INT), Column::inferred("q", ColumnType::Date)];
    let expected = schema([declared("x", INT), declared("o", ColumnType::Struct(fields))]);
    assert_eq!(a.join(&b), expected);
    assert!(same_columns(&b.join(&a).columns, &expected.columns));
    assert!(b.join(&a).columns[0].declared);
}

#[test]
fn leaves_and_depth_are_capped() {
    let wide = TableSchema { columns: (0..=LEAVES_MAX).map(|n| Column::inferred(format!("c{n}"), INT)).collect() };
    assert_eq!(
        wide.check_limits().unwrap_err().to_string(),
        "the table has more than 5000 columns, struct fields counted; `c5000` is the next one"
    );
    let nested = |levels| (1..levels).fold(INT, |inner, _| ColumnType::List(Box::new(inner)));
    assert!(schema([Column::inferred("deep", nested(DEPTH_MAX))]).check_limits().is_ok());
    assert_eq!(
        schema([Column::inferred("deep", nested(DEPTH_MAX + 1))]).check_limits().unwrap_err().to_string(),
        "column `deep` is nested more than 41 levels deep; `max_table_nesting: 20` makes JSON text of what lies deeper"
    );
}

proptest! {
    #[test]
    fn joining_types_is_commutative_associative_and_idempotent(a in any_type(), b in any_type(), c in any_type()) {
        prop_assert!(same_type(&a.join(&b), &b.join(&a)));
        prop_assert!(same_type(&a.join(&b).join(&c), &a.join(&b.join(&c))));
        prop_assert_eq!(a.join(&a), a);
    }

    /// With bounds on fields that types run into.
    #[test]
    fn joining_within_a_bound_on_fields_is_commutative_and_associative(
        a in any_type(), b in any_type(), c in any_type(), max in 1_usize..4,
    ) {
        let (a, b, c) = (within(&a, max), within(&b, max), within(&c, max));
        let join = |a: &ColumnType, b: &ColumnType| join_types((a, false), (b, false), max);
        prop_assert!(same_type(&join(&a, &b), &join(&b, &a)));
        prop_assert!(same_type(&join(&join(&a, &b), &c), &join(&a, &join(&b, &c))));
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert!(a.le(&join(&a, &b)));
    }

    /// All pages of a run start from the table's schema, which may have wider structs.
    #[test]
    fn pages_join_in_any_grouping_around_a_table_of_wide_structs(
        table in any_type(), a in any_type(), b in any_type(), c in any_type(), max in 1_usize..4,
    ) {
        let join = |a: &ColumnType, b: &ColumnType| join_types((a, false), (b, false), max);
        let [a, b, c] = [a, b, c].map(|page| join(&table, &within(&page, max)));
        prop_assert!(same_type(&join(&a, &b), &join(&b, &a)));
        prop_assert!(same_type(&join(&join(&a, &b), &c), &join(&a, &join(&b, &c))));
        prop_assert_eq!(join(&table, &table), table);
    }

    #[test]
    fn joining_only_widens_and_gives_the_least_type(a in any_type(), b in any_type(), c in any_type()) {
        let joined = a.join(&b);
        prop_assert!(a.le(&joined) && b.le(&joined));
        prop_assert_eq!(a.le(&b), same_type(&joined, &b));
        if a.le(&c) && b.le(&c) {
            prop_assert!(joined.le(&c));
        }
    }

    #[test]
    fn joining_schemas_keeps_every_column_in_order(a in any_schema(), b in any_schema(), c in any_schema()) {
        let joined = a.join(&b);
        prop_assert!(a.le(&joined) && b.le(&joined));
        prop_assert!(same_columns(&joined.columns, &b.join(&a).columns));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        prop_assert_eq!(joined.join(&b), joined.clone());
        prop_assert!(joined.columns.iter().zip(&a.columns).all(|(one, other)| one.name == other.name));
    }

    /// All pages of a run start from the same declaration.
    #[test]
    fn pages_join_in_any_grouping_around_a_declaration(
        base in any_schema(), a in any_schema(), b in any_schema(), c in any_schema(),
    ) {
        let base = TableSchema { columns: base.columns.into_iter().map(declare).collect() };
        let (a, b, c) = (base.join(&a), base.join(&b), base.join(&c));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        for column in &base.columns {
            let joined = a.join(&b);
            prop_assert!(column.column_type.le(&joined.column(&column.name).unwrap().column_type));
        }
    }
}

/// The type as a page has it: structs of more than `max` fields are JSON.
fn within(column_type: &ColumnType, max: usize) -> ColumnType {
    match column_type {
        ColumnType::Struct(fields) if fields.len() > max => ColumnType::Json,
        ColumnType::Struct(fields) => {
            let field = |field: &Column| Column { column_type: within(&field.column_type, max), ..field.clone() };
            ColumnType::Struct(fields.iter().map(field).collect())
        }
        ColumnType::List(element) => ColumnType::List(Box::new(within(element, max))),
        scalar => scalar.clone(),
    }
}

fn declare(column: Column) -> Column {
    let column_type = match column.column_type {
        ColumnType::Struct(fields) => ColumnType::Struct(fields.into_iter().map(declare).collect()),
        other => other,
    };
    Column { column_type, declared: true, ..column }
}
