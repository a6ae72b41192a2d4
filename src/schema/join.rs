//! Widening: the least type that holds the values of two, and the caps on what may come of it.
//!
//! In: types and schemas. Out: their join. Invariants: for inferred types a lattice (see [`ColumnType`]); where one side is declared, it wins.

use std::collections::HashMap;

use crate::schema::{Column, ColumnType, SchemaError, TableSchema};

/// Most leaves of a table: its scalar columns, the scalar fields of its structs and the scalar elements of its lists.
pub(crate) const LEAVES_MAX: usize = 5_000;

/// Most levels of structs and lists within a column, the column itself counted.
pub(crate) const DEPTH_MAX: usize = 64;

/// Digits that hold every narrow integer (±2^53), and every 64-bit one.
const NARROW_DIGITS: u8 = 16;
const WIDE_DIGITS: u8 = 19;
/// Digits of a Decimal128.
const DECIMAL_DIGITS: u8 = 38;

impl ColumnType {
    /// The least type that holds the values of both.
    #[must_use]
    pub(crate) fn join(&self, other: &Self) -> Self {
        join_types((self, false), (other, false))
    }

    /// Whether every value of this type has its place in `wider`: `self.join(wider)` is `wider`, whatever the order of struct
    /// fields and whatever is declared.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn le(&self, wider: &Self) -> bool {
        self.fits(wider, &|from, to| from.join(to) == *to)
    }

    /// The other way round: whether every value of `narrower` has its place here.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn is_wider_or_equal(&self, narrower: &Self) -> bool {
        narrower.le(self)
    }

    /// Whether values can be brought to `declared`, if need be after a look at each: besides the wider types, integers and
    /// decimals become any decimal that has room for them.
    #[must_use]
    pub(crate) fn converts_to(&self, declared: &Self) -> bool {
        self.fits(declared, &|from, to| from.join(to) == *to || (from.digits().is_some() && matches!(to, Self::Decimal { .. })))
    }

    fn fits(&self, wider: &Self, scalar: &dyn Fn(&Self, &Self) -> bool) -> bool {
        match (self, wider) {
            (Self::Unknown, _) | (_, Self::Json) => true,
            (Self::Struct(fields), Self::Struct(wider)) => fields.iter().all(|field| {
                let found = wider.iter().find(|column| column.name == field.name);
                found.is_some_and(|column| field.column_type.fits(&column.column_type, scalar))
            }),
            (Self::List(element), Self::List(wider)) => element.fits(wider, scalar),
            (Self::Struct(_) | Self::List(_), _) | (_, Self::Struct(_) | Self::List(_)) => false,
            (from, to) => scalar(from, to),
        }
    }

    /// Digits before and after the point of an exact number type.
    fn digits(&self) -> Option<(u8, u8)> {
        match self {
            Self::Int64 { wide } => Some((if *wide { WIDE_DIGITS } else { NARROW_DIGITS }, 0)),
            Self::Decimal { precision, scale } => {
                let scale = u8::try_from(*scale).unwrap_or(0);
                Some((precision.saturating_sub(scale), scale))
            }
            _ => None,
        }
    }
}

/// Joins types; a declared one only takes in struct fields that it lacks.
fn join_types(left: (&ColumnType, bool), right: (&ColumnType, bool)) -> ColumnType {
    use ColumnType::{Json, List, Struct, Text, Unknown};
    let ((a, a_declared), (b, b_declared)) = (left, right);
    match (a, b) {
        (Struct(a), Struct(b)) => Struct(join_columns(a, b)),
        (List(a), List(b)) => List(Box::new(join_types((a, a_declared), (b, b_declared)))),
        _ if a_declared && !b_declared => a.clone(),
        _ if b_declared && !a_declared => b.clone(),
        (Unknown, known) | (known, Unknown) => known.clone(),
        (a, b) if a == b => a.clone(),
        (Json | Struct(_) | List(_), _) | (_, Json | Struct(_) | List(_)) => Json,
        _ => join_numbers(a, b).unwrap_or(Text),
    }
}

/// The join of two different number types, as long as it is one.
fn join_numbers(a: &ColumnType, b: &ColumnType) -> Option<ColumnType> {
    use ColumnType::{Decimal, Float64, Int64};
    match (a, b) {
        (Int64 { wide: a }, Int64 { wide: b }) => Some(Int64 { wide: *a || *b }),
        (Int64 { wide: false }, Float64) | (Float64, Int64 { wide: false }) => Some(Float64),
        _ => {
            let ((a_whole, a_scale), (b_whole, b_scale)) = (a.digits()?, b.digits()?);
            let (whole, scale) = (a_whole.max(b_whole), a_scale.max(b_scale));
            let precision = whole.checked_add(scale).filter(|&digits| digits <= DECIMAL_DIGITS)?;
            Some(Decimal { precision, scale: i8::try_from(scale).ok()? })
        }
    }
}

/// Joins columns by name: the left ones in their order, then those that only the right has.
fn join_columns(left: &[Column], right: &[Column]) -> Vec<Column> {
    let mut joined = left.to_vec();
    let mut places: Option<HashMap<&str, usize>> = None;
    for (at, column) in right.iter().enumerate() {
        let same_place = left.get(at).is_some_and(|other| other.name == column.name);
        let place = if same_place {
            Some(at)
        } else {
            let places =
                places.get_or_insert_with(|| left.iter().enumerate().map(|(at, column)| (column.name.as_str(), at)).collect());
            places.get(column.name.as_str()).copied()
        };
        match place.and_then(|at| joined.get_mut(at)) {
            Some(found) => found.widen(column),
            None => joined.push(column.clone()),
        }
    }
    joined
}

impl Column {
    /// An inferred column, or struct field.
    #[must_use]
    pub(crate) fn inferred(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self { name: name.into(), column_type, nullable: true, declared: false, description: None }
    }

    fn widen(&mut self, other: &Self) {
        if self == other {
            return;
        }
        self.column_type = join_types((&self.column_type, self.declared), (&other.column_type, other.declared));
        let (nullable, description) = match (self.declared, other.declared) {
            (true, false) => (self.nullable, [&self.description, &other.description]),
            (false, true) => (other.nullable, [&other.description, &self.description]),
            (true, true) | (false, false) => (self.nullable || other.nullable, [&self.description, &other.description]),
        };
        (self.nullable, self.description) = (nullable, description.into_iter().flatten().next().cloned());
        self.declared |= other.declared;
    }
}

impl TableSchema {
    /// The schema that holds the rows of both: this one's columns in their order, then those that only `other` has. A type
    /// declared on one side alone stays as declared.
    #[must_use]
    pub(crate) fn join(&self, other: &Self) -> Self {
        Self { columns: join_columns(&self.columns, &other.columns) }
    }

    /// Whether every column of this schema is in `wider`, with a type that holds its values.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn le(&self, wider: &Self) -> bool {
        self.columns.iter().enumerate().all(|(at, column)| {
            wider.column_near(at, &column.name).is_some_and(|other| column.column_type.le(&other.column_type))
        })
    }

    /// The column of this name.
    #[must_use]
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column of this name, which is probably at this place.
    #[cfg(test)]
    fn column_near(&self, at: usize, name: &str) -> Option<&Column> {
        self.columns.get(at).filter(|column| column.name == name).or_else(|| self.column(name))
    }

    /// Checks that no two columns, or fields of one struct, have names that differ in case alone.
    ///
    /// # Errors
    /// [`SchemaError::SameButCase`].
    pub(crate) fn check_names(&self) -> Result<(), SchemaError> {
        check_names(&self.columns, "")
    }

    /// Checks the caps on leaves and depth.
    ///
    /// # Errors
    /// [`SchemaError::TooManyColumns`] past [`LEAVES_MAX`], [`SchemaError::TooDeep`] past [`DEPTH_MAX`].
    pub(crate) fn check_limits(&self) -> Result<(), SchemaError> {
        let mut leaves = 0;
        for column in &self.columns {
            if column.column_type.is_deeper_than(DEPTH_MAX) {
                return Err(SchemaError::TooDeep { column: column.name.clone(), max: DEPTH_MAX });
            }
            leaves += column.column_type.leaves();
            if leaves > LEAVES_MAX {
                return Err(SchemaError::TooManyColumns { column: column.name.clone(), max: LEAVES_MAX });
            }
        }
        Ok(())
    }
}

/// Checks the names of columns or fields, and of those below them; `prefix` is the path to them.
fn check_names(columns: &[Column], prefix: &str) -> Result<(), SchemaError> {
    let mut seen: HashMap<String, &str> = HashMap::with_capacity(columns.len());
    for column in columns {
        if let Some(other) = seen.insert(column.name.to_lowercase(), &column.name) {
            let (column, other) = (format!("{prefix}{}", column.name), format!("{prefix}{other}"));
            return Err(SchemaError::SameButCase { column, other });
        }
        let mut below = &column.column_type;
        while let ColumnType::List(element) = below {
            below = element;
        }
        if let ColumnType::Struct(fields) = below {
            check_names(fields, &format!("{prefix}{}.", column.name))?;
        }
    }
    Ok(())
}

impl ColumnType {
    /// Scalars below and including this type; a struct without fields counts as one.
    #[must_use]
    pub(crate) fn leaves(&self) -> usize {
        match self {
            Self::Struct(fields) => fields.iter().map(|field| field.column_type.leaves()).sum::<usize>().max(1),
            Self::List(element) => element.leaves(),
            _ => 1,
        }
    }

    fn is_deeper_than(&self, levels: usize) -> bool {
        match (self, levels.checked_sub(1)) {
            (_, None) => true,
            (Self::Struct(fields), Some(rest)) => fields.iter().any(|field| field.column_type.is_deeper_than(rest)),
            (Self::List(element), Some(rest)) => element.is_deeper_than(rest),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
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
        check(&INT, &Float64, &Float64);
        check(&WIDE, &Float64, &Text);
        check(&WIDE, &BIG, &BIG);
        check(&BIG, &Float64, &Text);
        check(&Date, &Timestamp, &Text);
        check(&Boolean, &INT, &Text);
        check(&Text, &Json, &Json);
        check(&Decimal { precision: 10, scale: 2 }, &Decimal { precision: 9, scale: 4 }, &Decimal { precision: 12, scale: 4 });
        check(&Decimal { precision: 38, scale: 20 }, &BIG, &Text);
        check(&Decimal { precision: 5, scale: 2 }, &WIDE, &Decimal { precision: 21, scale: 2 });
    }

    #[test]
    fn names_that_differ_in_case_alone_are_refused_wherever_they_are() {
        let object = ColumnType::Struct(vec![Column::inferred("Ä", INT), Column::inferred("ä", INT)]);
        let list = ColumnType::List(Box::new(object.clone()));
        for (table, expected) in [
            (schema([Column::inferred("id", INT), Column::inferred("ID", INT)]), "columns `ID` and `id` differ"),
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
            Column::inferred("o", object(&[("r", ColumnType::Date), ("p", ColumnType::Float64)])),
            Column::inferred("x", WIDE),
        ]);
        let joined = a.join(&b);
        assert_eq!(
            joined,
            schema([
                Column::inferred("x", WIDE),
                Column::inferred("o", object(&[("p", ColumnType::Float64), ("q", ColumnType::Unknown), ("r", ColumnType::Date)])),
                Column::inferred("new", ColumnType::Text),
            ])
        );
        assert!(a.le(&joined) && b.le(&joined) && !joined.le(&a));
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
            "column `deep` is nested more than 64 levels deep"
        );
    }

    proptest! {
        #[test]
        fn joining_types_is_commutative_associative_and_idempotent(a in any_type(), b in any_type(), c in any_type()) {
            prop_assert!(same_type(&a.join(&b), &b.join(&a)));
            prop_assert!(same_type(&a.join(&b).join(&c), &a.join(&b.join(&c))));
            prop_assert_eq!(a.join(&a), a);
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

    fn declare(column: Column) -> Column {
        let column_type = match column.column_type {
            ColumnType::Struct(fields) => ColumnType::Struct(fields.into_iter().map(declare).collect()),
            other => other,
        };
        Column { column_type, declared: true, ..column }
    }
}
