//! `resources[].processing_steps[]`: what happens to each record before it becomes a row.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::JsonPath;
use crate::config::raw::{Credential, Either, Entries, Field, FromScalar, OneOrMany, Scalar, ScalarError};

/// One step: one of these keys. `filter` and `explode` may stand beside one other key, and come first and last, as in dlt.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProcessingStep {
    /// An expression: records for which it is true stay, those for which it is false are counted and go.
    pub(crate) filter: Field<String>,
    /// Members and the expressions that give their value; every expression sees the record as it was before the step.
    pub(crate) set: Field<Entries<String>>,
    /// Paths of members to take out.
    pub(crate) drop: Field<OneOrMany<Field<Scalar<JsonPath>>>>,
    /// Paths of members to keep; all others are taken out.
    pub(crate) keep: Field<OneOrMany<Field<Scalar<JsonPath>>>>,
    /// Paths of members and their new names.
    pub(crate) rename: Field<Entries<String>>,
    /// Paths of members and the types to bring their values to: `integer`, `float`, `decimal(p,s)`, `text`, `boolean`, `timestamp`, `date` or `json`.
    pub(crate) cast: Field<Entries<Either<Scalar<CastName>, Cast>>>,
    /// Paths of members whose values become their SHA-256 in hex.
    pub(crate) hash: Field<OneOrMany<Field<Either<String, Hash>>>>,
    /// Paths of members whose characters are covered.
    pub(crate) mask: Field<OneOrMany<Field<Either<String, Mask>>>>,
    /// Path of a list: the record comes once for each of its elements.
    pub(crate) explode: Field<Either<String, Explode>>,
}

/// A type of a cast, with the little that can be said in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CastName {
    Integer,
    Float,
    Decimal { precision: u8, scale: i8 },
    Text,
    Boolean,
    Timestamp,
    Date,
    Json,
}

impl FromScalar for CastName {
    const EXPECTED: &'static str = "`integer`, `float`, `decimal(18,4)`, `text`, `boolean`, `timestamp`, `date` or `json`";

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        Ok(match text {
            "integer" | "int64" | "bigint" => Self::Integer,
            "float" | "float64" | "double" => Self::Float,
            "text" => Self::Text,
            "boolean" | "bool" => Self::Boolean,
            "timestamp" => Self::Timestamp,
            "date" => Self::Date,
            "json" => Self::Json,
            _ => {
                let inner = text.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')')).ok_or(ScalarError::Form)?;
                let (precision, scale) = inner.split_once(',').ok_or(ScalarError::Form)?;
                let number = |text: &str| text.trim().parse::<u8>().map_err(|_| ScalarError::Form);
                let (precision, scale) = (number(precision)?, number(scale)?);
                if !(1..=38).contains(&precision) || scale > precision {
                    return Err(ScalarError::Why(
                        "a decimal has 1 to 38 digits, at most as many of them after the point".to_owned(),
                    ));
                }
                Self::Decimal { precision, scale: i8::try_from(scale).map_err(|_| ScalarError::Form)? }
            }
        })
    }
}

/// A cast with what it has to know of the values.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["to"]))]
pub(crate) struct Cast {
    /// The type.
    #[schemars(with = "Scalar<CastName>")]
    pub(crate) to: Field<Scalar<CastName>>,
    /// For `timestamp` and `date`: `iso`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` or `json_date` (`/Date(…)/`). Default: `iso`.
    pub(crate) from: Field<TimeForm>,
    /// For `timestamp` and `date`: a strftime pattern such as `%d.%m.%Y %H:%M`, instead of `from`.
    pub(crate) format: Field<String>,
    /// For `timestamp` and `date`: the zone of texts that name none, such as `Europe/Berlin`. Default: such texts are refused.
    pub(crate) timezone: Field<String>,
    /// Whether an empty text is null. Default: false.
    pub(crate) empty_as_null: Field<bool>,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimeForm {
    /// RFC 3339.
    Iso,
    /// Seconds since 1970.
    EpochS,
    /// Milliseconds since 1970.
    EpochMs,
    /// Microseconds since 1970.
    EpochUs,
    /// Nanoseconds since 1970.
    EpochNs,
    /// `/Date(1700000000000)/`.
    JsonDate,
}

/// A digest with a key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["columns"]))]
pub(crate) struct Hash {
    /// Paths of the members.
    #[schemars(with = "OneOrMany<Scalar<JsonPath>>")]
    pub(crate) columns: Field<OneOrMany<Field<Scalar<JsonPath>>>>,
    /// The key of HMAC-SHA-256. Default: none, plain SHA-256, which a list of likely values undoes.
    pub(crate) key: Field<Credential>,
}

/// How characters are covered.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["columns"]))]
pub(crate) struct Mask {
    /// Paths of the members.
    #[schemars(with = "OneOrMany<Scalar<JsonPath>>")]
    pub(crate) columns: Field<OneOrMany<Field<Scalar<JsonPath>>>>,
    /// Characters at the end that stay; a value that is not longer is covered whole. Default: 0.
    pub(crate) keep_last: Field<u64>,
    /// The character that stands for each other one. Default: `*`.
    pub(crate) with: Field<String>,
}

/// How a list becomes records.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path"]))]
pub(crate) struct Explode {
    /// The list's path, of names.
    #[schemars(with = "Scalar<JsonPath>")]
    pub(crate) path: Field<Scalar<JsonPath>>,
    /// The column that takes the element. Default: the list's own place.
    #[serde(rename = "as")]
    pub(crate) column: Field<String>,
    /// Whether a record whose list is empty, null or missing stays, with null in its place. Default: false, it is counted as filtered.
    pub(crate) keep_empty: Field<bool>,
}
