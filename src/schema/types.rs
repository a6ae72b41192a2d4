//! Column types, in the order in which they widen.

use std::fmt;

/// The type of a column, as inferred or declared.
///
/// Inferred types form a lattice with `Unknown` at the bottom and `Json` at the top:
/// `Int64 {wide: false} < Int64 {wide: true} < Decimal(38,0) < Text`, `Int64 {wide: false} < Float64 < Text`, every other pair of
/// different scalars joins to `Text`, a scalar with a struct or list, or a struct with a list, to `Json`.
/// Structs join field by field, up to [`crate::schema::FIELDS_MAX`] fields and to `Json` beyond, lists by their element. Decimals join to one with room for both, `Text` past 38 digits.
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
    /// Exact decimals: inferred only as (38, 0) for larger integers, otherwise declared.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// Other numbers.
    Float64,
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

impl fmt::Display for ColumnType {
    /// As messages and manifests spell it; a struct without its fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Boolean => f.write_str("boolean"),
            Self::Int64 { wide: false } => f.write_str("int64"),
            Self::Int64 { wide: true } => f.write_str("int64(wide)"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Float64 => f.write_str("float64"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Date => f.write_str("date"),
            Self::Text => f.write_str("text"),
            Self::Json => f.write_str("json"),
            Self::Struct(_) => f.write_str("struct"),
            Self::List(element) => write!(f, "list of {element}"),
        }
    }
}
