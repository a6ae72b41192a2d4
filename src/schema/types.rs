//! Column types, in the order in which they widen.

use std::fmt;

/// The type of a column, as inferred or declared.
///
/// Inferred types form a lattice with `Unknown` at the bottom and `Json` at the top:
/// `Int64 {wide: false} < Int64 {wide: true} < Decimal < Text`, `Int64 {wide: false} < Float64 < Decimal < Text`, every other pair of
/// different scalars joins to `Text`, a scalar with a struct or list, or a struct with a list, to `Json`.
/// Structs join field by field, up to [`crate::schema::FIELDS_MAX`] fields and to `Json` beyond, lists by their element. Number types join to a
/// decimal with room for the digits of both, `Text` past 38 of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnType {
    /// Only nulls so far; written as Utf8 when it must be.
    Unknown,
    /// true, false
    Boolean,
    /// Integers that fit 64 bits; `wide` when one is outside ±2^53 and so has no exact `f64`.
    Int64 {
        /// Whether a value is outside ±2^53.
        wide: bool,
    },
    /// Exact decimals: inferred for numbers that neither an integer of 64 bits nor a float holds as they are written, with the
    /// digits seen.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// Other numbers: each is the shortest decimal of its `f64`, so that it becomes a decimal or text without loss. With the digits seen.
    Float64(Digits),
    /// RFC 3339 date-times with a zone; microseconds UTC.
    Timestamp,
    /// Dates; Date32.
    Date,
    /// Text; Utf8.
    Text,
    /// JSON text; Utf8. Where shapes conflict, or declared.
    Json,
    /// Objects.
    Struct(Vec<Column>),
    /// Arrays.
    List(Box<ColumnType>),
}

/// The digits that decimals need for numbers: each the most of any of them, zeros at the ends apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Digits {
    /// Before the point; more than 38 are as good as 39.
    pub(crate) whole: u8,
    /// After it; the same.
    pub(crate) fraction: u8,
}

impl Digits {
    /// Digits of a Decimal128.
    pub(crate) const DECIMAL_MAX: u8 = 38;

    /// Those of numbers that nobody has looked at: no decimal is sure to hold them.
    pub(crate) const UNKNOWN: Self = Self { whole: Self::DECIMAL_MAX + 1, fraction: Self::DECIMAL_MAX + 1 };

    /// Room for the numbers of both.
    #[must_use]
    pub(crate) fn max(self, other: Self) -> Self {
        Self { whole: self.whole.max(other.whole), fraction: self.fraction.max(other.fraction) }
    }

    /// Precision and scale of the smallest decimal with room for them, if there is one.
    #[must_use]
    pub(crate) fn decimal(self) -> Option<(u8, i8)> {
        let precision = self.whole.saturating_add(self.fraction).max(1);
        (precision <= Self::DECIMAL_MAX).then_some((precision, self.fraction.cast_signed()))
    }

    /// Those of a decimal.
    #[must_use]
    pub(crate) fn of_decimal(precision: u8, scale: i8) -> Self {
        let fraction = u8::try_from(scale).unwrap_or(0);
        Self { whole: precision.saturating_sub(fraction), fraction }
    }

    /// Those of integers of up to 53 bits, or 64 where some are `wide`.
    #[must_use]
    pub(crate) fn of_integers(wide: bool) -> Self {
        Self { whole: if wide { 19 } else { 16 }, fraction: 0 }
    }
}

/// A named column or struct field. All are nullable in files; `nullable: false` is checked while decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// The JSON member's exact name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) column_type: ColumnType,
    /// Whether null or absence is allowed.
    pub(crate) nullable: bool,
    /// Whether the type is declared: then values that do not fit are rejects, and the type never widens.
    pub(crate) declared: bool,
    /// From the declared schema.
    pub(crate) description: Option<String>,
}

/// The schema of a table: its columns in order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TableSchema {
    /// The columns.
    pub(crate) columns: Vec<Column>,
}

impl ColumnType {
    /// Whether it is JSON text, or has such within.
    #[must_use]
    pub(crate) fn has_json(&self) -> bool {
        match self {
            Self::Json => true,
            Self::Struct(fields) => fields.iter().any(|field| field.column_type.has_json()),
            Self::List(element) => element.has_json(),
            _ => false,
        }
    }
}

impl ColumnType {
    /// The type as `columns.data_type` of the config spells it, for messages; those that have no such name as they are displayed.
    #[must_use]
    pub(crate) fn hint_type(&self) -> String {
        match self {
            Self::Boolean => "bool".to_owned(),
            Self::Int64 { .. } => "bigint".to_owned(),
            Self::Float64(_) => "double".to_owned(),
            Self::List(element) => format!("list of {}", element.hint_type()),
            other => other.to_string(),
        }
    }

    /// The hint that declares a column to be of the type, as it stands in the config.
    #[must_use]
    pub(crate) fn hint(&self, column: &str) -> String {
        let plain = column.starts_with(|c: char| c.is_ascii_alphabetic())
            && column.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let column = if plain { column.to_owned() } else { serde_json::Value::from(column).to_string() };
        match self {
            Self::Decimal { precision, scale } => {
                format!("columns: {{{column}: {{data_type: decimal, precision: {precision}, scale: {scale}}}}}")
            }
            other => format!("columns: {{{column}: {{data_type: {}}}}}", other.hint_type()),
        }
    }
}

impl fmt::Display for ColumnType {
    /// As manifests and previews spell it; a struct without its fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Boolean => f.write_str("boolean"),
            Self::Int64 { wide: false } => f.write_str("int64"),
            Self::Int64 { wide: true } => f.write_str("int64(wide)"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Float64(_) => f.write_str("float64"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Date => f.write_str("date"),
            Self::Text => f.write_str("text"),
            Self::Json => f.write_str("json"),
            Self::Struct(_) => f.write_str("struct"),
            Self::List(element) => write!(f, "list of {element}"),
        }
    }
}
