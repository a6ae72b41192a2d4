//! What a config declares of a table besides its keys.

/// A declared column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnPlan {
    /// The member's exact name.
    pub(crate) name: String,
    /// Its type, where it is declared.
    pub(crate) declared: Option<DeclaredType>,
    /// `false`: null or absence makes a record a reject.
    pub(crate) nullable: bool,
    /// Whether numbers and booleans may come as text.
    pub(crate) accept_text: bool,
    /// Whether an empty text is null.
    pub(crate) empty_as_null: bool,
    /// What it means.
    pub(crate) description: Option<String>,
}

/// A type that a config can declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeclaredType {
    /// Text.
    Text,
    /// 64-bit floats.
    Float,
    /// Booleans.
    Boolean,
    /// Microseconds UTC.
    Timestamp,
    /// Days.
    Date,
    /// 64-bit integers.
    Integer,
    /// Exact decimals.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// JSON text.
    Json,
}

/// Which record of a key becomes its row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MergePlan {
    /// Among the records of a run; without it the last one.
    pub(crate) dedup_sort: Option<DedupSort>,
    /// The column in which a record that deletes its key's row is flagged.
    pub(crate) hard_delete: Option<String>,
    /// Rows of the table stay as they are.
    pub(crate) insert_only: bool,
}

impl MergePlan {
    /// The columns that decide.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &String> {
        self.dedup_sort.iter().map(|sort| &sort.column).chain(&self.hard_delete)
    }
}

/// The column that tells which record of a key stays; the last one of those with the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DedupSort {
    /// The column.
    pub(crate) column: String,
    /// The one with the greatest value, or else the one with the least.
    pub(crate) greatest: bool,
}

/// What happens to data that a table's schema does not foresee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Contract {
    /// The schema grows.
    #[default]
    Evolve,
    /// The resource fails.
    Freeze,
    /// The record is a reject.
    DiscardRow,
    /// The value is left out, or null, and counted.
    DiscardValue,
}

/// dlt's `schema_contract`. As in dlt, a table that is not there yet takes its first columns whatever it says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ContractPlan {
    /// A table that is not there: of it there are no values without rows, so that both ways to discard are one.
    pub(crate) tables: Contract,
    /// New columns and struct fields.
    pub(crate) columns: Contract,
    /// Values of another type.
    pub(crate) data_type: Contract,
}

impl ContractPlan {
    /// Whether records may be set aside by contract; without an `on_reject` of the config they then go to quarantine.
    pub(crate) fn discards_rows(&self) -> bool {
        [self.columns, self.data_type].contains(&Contract::DiscardRow)
    }
}
