//! `resources[]`: dlt's hints of a table's columns, its contract and its format.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::config::raw::field::Take;
use crate::config::raw::{Field, FromScalar, Node, ScalarError};

/// Columns by name, or as a list.
#[derive(Debug, Clone)]
pub(crate) struct Columns(pub(crate) Vec<(Option<String>, Field<ColumnHint>)>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Take::<Self>(PhantomData))
    }
}

impl<'de> Visitor<'de> for Take<Columns> {
    type Value = Columns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map or list of columns")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Columns, A::Error> {
        let mut columns = Vec::new();
        while let Some(column) = access.next_element()? {
            columns.push((None, column));
        }
        Ok(Columns(columns))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Columns, A::Error> {
        let mut columns = Vec::new();
        while let Some((name, column)) = access.next_entry()? {
            columns.push((Some(name), column));
        }
        Ok(Columns(columns))
    }
}

impl JsonSchema for Columns {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Columns".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let hint = generator.subschema_for::<ColumnHint>();
        json_schema!({"anyOf": [{"type": "array", "items": hint}, {"type": "object", "additionalProperties": hint}]})
    }
}

/// What is said of one column.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ColumnHint {
    /// The column, the member's exact name. Required in a list.
    pub(crate) name: Field<String>,
    /// Its type: `text`, `double`, `bool`, `timestamp`, `date`, `bigint`, `decimal` or `json`. Default: inferred.
    pub(crate) data_type: Field<DataType>,
    /// `false`: a record without a value is a reject. Default: true.
    pub(crate) nullable: Field<bool>,
    /// With `decimal`: digits in all, 1 to 38. Default: 38. Other types are as wide as they can be.
    pub(crate) precision: Field<u64>,
    /// With `decimal`: digits after the point. Default: 9, or 0 where `precision` is given.
    pub(crate) scale: Field<u64>,
    /// dlt's key; `true` is how it is: every timestamp is UTC.
    pub(crate) timezone: Field<bool>,
    /// What the column means; kept in the table's manifest where `data_type` is given.
    pub(crate) description: Field<String>,
    /// Whether it is part of the primary key.
    pub(crate) primary_key: Field<bool>,
    /// Whether it is part of the merge key.
    pub(crate) merge_key: Field<bool>,
    /// Of several records of one key in one run, the one with the greatest value stays (`desc`), or the one with the least (`asc`). It replaces the
    /// row of an earlier run, also where that has the greater value. One column.
    pub(crate) dedup_sort: Field<DedupOrder>,
    /// With `merge`, `true`: a record that is flagged here deletes its key's row. Flagged is `true` in a column of booleans, any value in
    /// another. One column.
    pub(crate) hard_delete: Field<bool>,
    /// dlt's key, accepted without effect, as in dlt's own files.
    pub(crate) unique: Field<bool>,
    /// Whether numbers and booleans may come as text (`"12.50"`). Default: false, such a record is a reject.
    pub(crate) accept_text: Field<bool>,
    /// Whether an empty text is null, for all types but `text` and `json`. Default: false.
    pub(crate) empty_as_null: Field<bool>,
}

/// Which record of a key stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DedupOrder {
    /// The one with the least value.
    Asc,
    /// The one with the greatest value.
    Desc,
}

/// dlt's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DataType {
    /// Text.
    Text,
    /// 64-bit floats.
    Double,
    /// Booleans.
    Bool,
    /// Points in time, UTC, microseconds.
    Timestamp,
    /// Days.
    Date,
    /// 64-bit integers.
    Bigint,
    /// Exact decimals of at most 38 digits.
    Decimal,
    /// JSON text, of whatever the member holds.
    Json,
}

/// What happens to data that the table's schema does not foresee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContractMode {
    /// The schema grows.
    Evolve,
    /// The resource fails.
    Freeze,
    /// The record goes to quarantine.
    DiscardRow,
    /// The value is left out, or null, and counted.
    DiscardValue,
}

/// The contract, part by part.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ContractMap {
    /// A table that is not there; with `discard_row` and `discard_value` its records are read and not loaded. Default: `evolve`.
    pub(crate) tables: Field<ContractMode>,
    /// A column or struct field that the table does not have. Default: `evolve`.
    pub(crate) columns: Field<ContractMode>,
    /// A value that its column's type does not hold; with `discard_value` it becomes null. Default: `evolve`.
    pub(crate) data_type: Field<ContractMode>,
}

/// dlt's `table_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFormat {
    /// A folder of Parquet files.
    Plain,
    /// A Delta table.
    Delta,
}

impl FromScalar for TableFormat {
    const EXPECTED: &'static str = "`native`, `hive` or `delta`";

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        match text {
            "native" | "hive" => Ok(Self::Plain),
            "delta" => Ok(Self::Delta),
            "iceberg" => Err(ScalarError::Why(
                "lakeward writes folders of Parquet files and Delta tables, and no `iceberg` tables; leave the key out"
                    .to_owned(),
            )),
            _ => Err(ScalarError::Form),
        }
    }
}

/// dlt's `file_format`; only Parquet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileFormat;

impl FromScalar for FileFormat {
    const EXPECTED: &'static str = "`parquet` or `preferred`";

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        match text {
            "parquet" | "preferred" => Ok(Self),
            "csv" | "jsonl" | "insert_values" | "model" | "reference" => {
                Err(ScalarError::Why(format!("lakeward writes Parquet and nothing else, no `{text}`; leave the key out")))
            }
            _ => Err(ScalarError::Form),
        }
    }
}

/// Kept unread: what dlt says here has no effect on files.
pub(crate) type Unread = Field<Node>;
