//! Widening: the least type that holds the values of two, and the caps on what may come of it.
//!
//! In: types and schemas. Out: their join. Invariants: for inferred types a lattice (see [`ColumnType`]); where one side is declared, it wins.

use std::collections::HashMap;

use crate::base::folded;
use crate::schema::{Column, ColumnType, Digits, SchemaError, TableSchema, nearest_column};

/// Most leaves of a table: its scalar columns, the scalar fields of its structs and the scalar elements of its lists.
pub(crate) const LEAVES_MAX: usize = 5_000;

/// Most fields of a struct that nobody declared. Past it the object is taken for a map, whose names are data, and is JSON text: what APIs write
/// about one thing has fewer names by far, and a table that has a column for every id or day is of no use to anybody.
pub(crate) const FIELDS_MAX: usize = 256;

/// Most levels of structs and lists within a column, the column itself counted. A manifest of more could not be read again: its JSON would be deeper
/// than serde_json reads. pyarrow opens no file past 100 of Parquet's levels, of which a list has two.
pub(crate) const DEPTH_MAX: usize = 41;

impl ColumnType {
    /// The least type that holds the values of both.
    #[must_use]
    pub(crate) fn join(&self, other: &Self) -> Self {
        join_types((self, false), (other, false), FIELDS_MAX)
    }

    /// Whether every value of this type has its place in `wider`: `self.join(wider)` is `wider`, whatever the order of struct
    /// fields and whatever is declared.
    #[must_use]
    pub(crate) fn le(&self, wider: &Self) -> bool {
        self.fits(wider, &|from, to| from.join(to) == *to)
    }

    /// The other way round: whether every value of `narrower` has its place here.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn is_wider_or_equal(&self, narrower: &Self) -> bool {
        narrower.le(self)
    }

    /// Whether values can be brought to `declared`, if need be after a look at each: besides the wider types, numbers
    /// become any decimal that has room for them.
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

    /// The digits of a number type's values.
    fn digits(&self) -> Option<Digits> {
        match self {
            Self::Int64 { wide } => Some(Digits::of_integers(*wide)),
            Self::Decimal { precision, scale } => Some(Digits::of_decimal(*precision, *scale)),
            Self::Float64(digits) => Some(*digits),
            _ => None,
        }
    }
}

/// Joins types; a declared one only takes in struct fields that it lacks. Inferred structs that have more than `fields_max` fields together, and
/// not on one side already, are JSON. (On one side they have when a table had them before there was a bound, and then in all pages of the run.)
fn join_types(left: (&ColumnType, bool), right: (&ColumnType, bool), fields_max: usize) -> ColumnType {
    use ColumnType::{Json, List, Struct, Text, Unknown};
    let ((a, a_declared), (b, b_declared)) = (left, right);
    match (a, b) {
        (Struct(a), Struct(b)) => {
            let joined = join_columns(a, b, fields_max);
            let is_overgrown = joined.len() > fields_max && a.len().max(b.len()) <= fields_max;
            if is_overgrown && !a_declared && !b_declared { Json } else { Struct(joined) }
        }
        (List(a), List(b)) => List(Box::new(join_types((a, a_declared), (b, b_declared), fields_max))),
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
    let digits = a.digits()?.max(b.digits()?);
    match (a, b) {
        (Int64 { wide: a }, Int64 { wide: b }) => Some(Int64 { wide: *a || *b }),
        (Int64 { wide: false } | Float64(_), Int64 { wide: false } | Float64(_)) => Some(Float64(digits)),
        _ => digits.decimal().map(|(precision, scale)| Decimal { precision, scale }),
    }
}

/// Joins columns by name: the left ones in their order, then those that only the right has.
fn join_columns(left: &[Column], right: &[Column], fields_max: usize) -> Vec<Column> {
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
            Some(found) => found.widen(column, fields_max),
            None => joined.push(column.clone()),
        }
    }
    joined
}

fn note_json(left: &[Column], right: &[Column], prefix: &str, found: &mut Vec<(String, bool)>) {
    use ColumnType::{Json, List, Struct, Unknown};
    let by_name: HashMap<&str, &Column> = right.iter().map(|column| (column.name.as_str(), column)).collect();
    for column in left {
        let Some(other) = by_name.get(column.name.as_str()) else { continue };
        let (mut a, mut b) = (&column.column_type, &other.column_type);
        while let (List(inner_a), List(inner_b)) = (a, b) {
            (a, b) = (inner_a, inner_b);
        }
        let path = format!("{prefix}{}", column.name);
        let is_json = !column.declared && !other.declared && a.join(b) == Json;
        match (a, b) {
            (Json | Unknown, _) | (_, Json | Unknown) => {}
            (Struct(fields_a), Struct(fields_b)) if !is_json => note_json(fields_a, fields_b, &format!("{path}."), found),
            _ if is_json => found.push((path, matches!((a, b), (Struct(_), Struct(_))))),
            _ => {}
        }
    }
}

impl Column {
    /// An inferred column, or struct field.
    #[must_use]
    pub(crate) fn inferred(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self { name: name.into(), column_type, nullable: true, declared: false, description: None }
    }

    fn widen(&mut self, other: &Self, fields_max: usize) {
        if self == other {
            return;
        }
        self.column_type = join_types((&self.column_type, self.declared), (&other.column_type, other.declared), fields_max);
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
        Self { columns: join_columns(&self.columns, &other.columns, FIELDS_MAX) }
    }

    /// Columns and struct fields, as `stats.by_day`, that are JSON in the join and on neither side; and whether that is because a struct
    /// has too many fields.
    #[must_use]
    pub(crate) fn json_with(&self, other: &Self) -> Vec<(String, bool)> {
        let mut found = Vec::new();
        note_json(&self.columns, &other.columns, "", &mut found);
        found
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

    /// The column that `name`, which none has, is probably a misspelling of.
    pub(crate) fn meant(&self, name: &str) -> Option<String> {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        nearest_column(name, &names).map(str::to_owned)
    }

    /// The column of this name, which is probably at this place.
    #[cfg(test)]
    fn column_near(&self, at: usize, name: &str) -> Option<&Column> {
        self.columns.get(at).filter(|column| column.name == name).or_else(|| self.column(name))
    }

    /// Checks that no two columns, or fields of one struct, have names that differ in case or Unicode form alone.
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
        if let Some(other) = seen.insert(folded(&column.name), &column.name) {
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
mod tests;
