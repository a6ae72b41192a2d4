//! `resources[]` and `resource_defaults`: one endpoint and the table it becomes.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::JsonPath;
use crate::config::raw::{
    Columns, ContractMap, ContractMode, Either, Endpoint, Field, FileFormat, FromScalar, OneOrMany, ProcessingStep, Scalar,
    ScalarError, TableFormat, Unread,
};
use crate::config::{ExpectTotal, SortField, Transform};

/// One API endpoint and the table it becomes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Resource {
    /// The resource's name, and its table's folder in the lake. Letters, digits, `_`, `-` and `.`; does not begin with `_` or `.`. Required in `resources`.
    pub(crate) name: Field<String>,
    /// What is requested; a text is its path. Default: the resource's name as path.
    pub(crate) endpoint: Field<Either<String, Endpoint>>,
    /// What happens to each record before it becomes a row, in order. Default: nothing.
    pub(crate) processing_steps: Field<Vec<Field<ProcessingStep>>>,
    /// Column or columns that identify a row. Needed for `merge`. Default: none.
    pub(crate) primary_key: Field<OneOrMany<Field<String>>>,
    /// How rows enter the table. `{disposition: merge, strategy: upsert}` is `merge`. Default: `append`.
    pub(crate) write_disposition: Field<Either<Disposition, DispositionMap>>,
    /// File with the declared schema, relative to the config's folder. Default: the schema is inferred.
    pub(crate) schema: Field<String>,
    /// Partition folders, outermost first. A text is a column whose values become folders. Default: none.
    pub(crate) partition_by: Field<OneOrMany<Field<Either<String, Partition>>>>,
    /// Row order within a row group: columns, `-column` for the greatest first. Default: the order of arrival.
    pub(crate) sort_by: Field<OneOrMany<Field<SortForm>>>,
    /// The table, and its folder in the lake; spelled as the name. Default: the resource's name.
    pub(crate) table_name: Field<String>,
    /// What is known of columns, by name or as a list. Default: nothing.
    pub(crate) columns: Field<Columns>,
    /// dlt's key, taken where it names the columns of `primary_key`. Default: none.
    pub(crate) merge_key: Field<OneOrMany<Field<String>>>,
    /// What happens to data that the table's schema does not foresee: `evolve`, `freeze`, `discard_row` or `discard_value`, for all or by
    /// `tables`, `columns` and `data_type`. Default: `evolve`.
    pub(crate) schema_contract: Field<Either<ContractMode, ContractMap>>,
    /// Levels of objects and arrays that become structs and lists; what lies deeper becomes JSON text. Default: 20.
    pub(crate) max_table_nesting: Field<u64>,
    /// dlt's key: `native` or `hive`, which is what lakeward writes.
    pub(crate) table_format: Field<Scalar<TableFormat>>,
    /// dlt's key: `parquet` or `preferred`, which is what lakeward writes.
    pub(crate) file_format: Field<Scalar<FileFormat>>,
    /// dlt's key, accepted without effect: relations to other tables are not kept.
    pub(crate) references: Unread,
    /// What becomes of objects and arrays within records. Default: `native`.
    pub(crate) nested: Field<Nested>,
    /// What becomes of numbers that no 64-bit float holds as they are written: `exact`, a decimal or text, or the nearest `float`.
    /// Default: `exact`.
    pub(crate) numbers: Field<Numbers>,
    /// Guards checked before the table is published.
    pub(crate) expect: Field<Expect>,
    /// What happens to records that cannot become rows. Default: `fail`.
    pub(crate) on_reject: Field<OnReject>,
    /// With `on_reject: quarantine`: rejects past this number fail the run. Default: one in ten of its records, at least one.
    pub(crate) max_rejects: Field<u64>,
    /// Values of the parent's record that become columns `_<parent>_<field>`: JSON paths, or maps with a name of their own. Default: none.
    pub(crate) include_from_parent: Field<Vec<Field<Either<String, Include>>>>,
    /// `cross_product`: placeholders of two or more parents are filled with every combination of their records. Default: one parent.
    pub(crate) parents: Field<Parents>,
    /// What happens when a record of a parent lacks a field that a placeholder names. Default: `fail`.
    pub(crate) on_missing_parent_field: Field<OnMissingParentField>,
    /// `false`: read for its children only, and no table. Default: true.
    pub(crate) selected: Field<bool>,
    /// dlt's key, accepted without effect: resources and pages are fetched side by side, up to `client.concurrency`.
    pub(crate) parallelized: Field<bool>,
}

/// A value of the parent's record that becomes a column.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["field"]))]
pub(crate) struct Include {
    /// JSON path of the value in the parent's record.
    #[schemars(with = "String")]
    pub(crate) field: Field<String>,
    /// The column. Default: `_<parent>_<field>`.
    #[serde(rename = "as")]
    pub(crate) column: Field<String>,
    /// Which parent, where there are several. Default: the only one.
    pub(crate) parent: Field<String>,
}

/// How several parents go together.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Parents {
    /// Every combination of their records, the first parent's slowest.
    CrossProduct,
}

/// What happens when a record of a parent lacks a field.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnMissingParentField {
    /// The child fails.
    Fail,
    /// The child is not requested for it; counted and listed.
    Skip,
}

/// How rows enter a table.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Disposition {
    /// Add rows.
    Append,
    /// The run's rows become the table.
    Replace,
    /// One row per primary key: the last one that came.
    Merge,
    /// Fetch nothing, leave the table.
    Skip,
}

/// dlt's map form of a write disposition.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["disposition"]))]
pub(crate) struct DispositionMap {
    /// How rows enter the table.
    #[schemars(with = "Disposition")]
    pub(crate) disposition: Field<Disposition>,
    /// How `merge` is done. Default: `upsert`.
    pub(crate) strategy: Field<Strategy>,
    /// With `merge`, dlt's key, accepted without effect: whether no key comes twice is looked at all the same.
    pub(crate) deduplicated: Field<bool>,
}

/// How `merge` is done.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strategy {
    /// New rows are added, known ones replaced whole.
    Upsert,
    /// dlt's default, the same as `upsert` where the key is the primary key.
    DeleteInsert,
    /// New rows are added, known ones stay as they are.
    InsertOnly,
}

/// One level of partition folders.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["column"]))]
pub(crate) struct Partition {
    /// The column.
    #[schemars(with = "String")]
    pub(crate) column: Field<String>,
    /// How its value becomes a folder's: `identity`, `year`, `month`, `day`, `hour`, `'bucket[N]'` or `'truncate[N]'` (in quotes). Default: `identity`.
    pub(crate) transform: Field<Scalar<TransformName>>,
    /// With `transform: bucket`: number of buckets, 1 to 65536.
    #[schemars(range(min = 1, max = 65_536))]
    pub(crate) buckets: Field<u64>,
    /// With `transform: truncate`: the width, at least 1.
    #[schemars(range(min = 1))]
    pub(crate) width: Field<u64>,
    /// Name of the folders: `<as>=<value>`. Default: `<column>_<transform>`, for `identity` just `<column>`.
    #[serde(rename = "as")]
    pub(crate) folder: Field<String>,
}

/// A partition transform as written; `bucket` and `truncate` may have their number elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TransformName {
    /// Complete.
    Whole(Transform),
    /// `bucket`, its number of buckets in `buckets`.
    Bucket,
    /// `truncate`, its width in `width`.
    Truncate,
}

impl FromScalar for TransformName {
    const EXPECTED: &'static str =
        "`identity`, `year`, `month`, `day`, `hour`, `'bucket[16]'` (1 to 65536 of them) or `'truncate[4]'` (1 or more)";

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        match text {
            "bucket" => Ok(Self::Bucket),
            "truncate" => Ok(Self::Truncate),
            _ => Transform::parse(text).map(Self::Whole).ok_or(ScalarError::Form),
        }
    }
}

/// A column of the row order: its short form, or the full one.
pub(crate) type SortForm = Either<Scalar<SortField>, Sort>;

/// One column of the row order.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["column"]))]
pub(crate) struct Sort {
    /// The column.
    #[schemars(with = "String")]
    pub(crate) column: Field<String>,
    /// Default: `asc`.
    pub(crate) order: Field<SortOrder>,
}

/// Direction of a row order.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SortOrder {
    /// Smallest first.
    Asc,
    /// Greatest first.
    Desc,
}

impl FromScalar for SortField {
    const EXPECTED: &'static str = "a column, or `-column` for the greatest first";

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        let (column, descending) = text.strip_prefix('-').map_or((text, false), |column| (column, true));
        if column.trim().is_empty() { Err(ScalarError::Form) } else { Ok(Self { column: column.to_owned(), descending }) }
    }
}

/// What becomes of objects and arrays within records.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Nested {
    /// Structs and lists.
    Native,
    /// JSON text.
    Json,
}

/// What becomes of numbers that no 64-bit float holds as they are written.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Numbers {
    /// Decimals, or text where they have more than 38 digits.
    Exact,
    /// The nearest float, which is told.
    Float,
}

/// Guards checked before the table is published.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// Fewest rows the run must bring. Default: none.
    pub(crate) min_rows: Field<u64>,
    /// Largest loss of rows against the published table, "50%" or 0.5; null for no guard. Default: 50% for `replace` and `merge`, none otherwise.
    pub(crate) max_shrink: Field<Scalar<Fraction>>,
    /// JSON path at which a page tells the number of records in all; what was read must equal it. `estimate`: a total that the API tells is an
    /// estimate, or counts something else, and is compared with nothing. Default: a total that stands where totals stand must be reached.
    pub(crate) total: Field<Scalar<Total>>,
}

/// Where the total is, or what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Total(pub(crate) ExpectTotal);

impl FromScalar for Total {
    const EXPECTED: &'static str = "a JSON path such as \"meta.total\", or `estimate`";

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        if text.trim() == "estimate" {
            return Ok(Self(ExpectTotal::Estimate));
        }
        JsonPath::from_text(text).map(|path| Self(ExpectTotal::At(path)))
    }
}

/// A part of the whole, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fraction(pub(crate) f64);

impl FromScalar for Fraction {
    const EXPECTED: &'static str = "a part such as \"50%\" or 0.5, at most \"100%\" or 1";
    const NUMBERS: bool = true;

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        let (number, scale) = text.trim().strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
        let number: f64 = number.trim().parse().map_err(|_| ScalarError::Form)?;
        Self::from_number(number / scale).ok_or(ScalarError::Form)
    }

    fn from_number(number: f64) -> Option<Self> {
        (0.0..=1.0).contains(&number).then_some(Self(number))
    }
}

/// What happens to records that cannot become rows.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnReject {
    /// Stop with exit 3.
    Fail,
    /// Keep them in the lake's quarantine, with their reason.
    Quarantine,
}
