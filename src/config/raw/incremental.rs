//! `endpoint.incremental`, and the parameter form of it: what is fetched again, and what is not.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::{CursorStep, JsonPath, Lag};
use crate::config::raw::{Field, FromScalar, Node, OneOrMany, Scalar, ScalarError, SortOrder};

/// Incremental loading: a run asks only for records whose cursor is not before that of the last run, and drops those it has. Without
/// `end_value` the greatest cursor is remembered, in the commit of its records.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["cursor_path"]))]
pub(crate) struct Incremental {
    /// JSON path of the cursor in each record. Its values are numbers, times, dates or other text, and are compared as such.
    #[schemars(with = "String")]
    pub(crate) cursor_path: Field<Scalar<JsonPath>>,
    /// Where the first run starts. Default: everything is loaded.
    pub(crate) initial_value: Field<Node>,
    /// Where to end; records at or behind it are dropped. The run then neither reads nor writes the state. Needs `initial_value`. Default: none.
    pub(crate) end_value: Field<Node>,
    /// Query parameter that gets the start. Default: none; write `{incremental.start_value}` where it belongs.
    pub(crate) start_param: Field<String>,
    /// Query parameter that gets the end. Default: none.
    pub(crate) end_param: Field<String>,
    /// How start and end are written into the request: `epoch_s`, `epoch_ms`, `iso8601`, `date`, or a strftime format such as `%Y%m%d`. With an epoch, numeric
    /// cursors are times of that epoch. Default: as the cursor is spelled.
    pub(crate) convert: Field<String>,
    /// dlt's old name of `convert`.
    pub(crate) transform: Field<String>,
    /// `max`: the greatest cursor is remembered; `min`: the smallest, for reading backwards. Default: `max`.
    pub(crate) last_value_func: Field<String>,
    /// Columns that tell records with the same cursor apart; an empty list keeps all of them. Default: the resource's `primary_key`, else the whole record.
    pub(crate) primary_key: Field<OneOrMany<Field<String>>>,
    /// Order of the records: `asc` or `desc`. No further page is asked for once the cursor is out of range. Default: unknown.
    pub(crate) row_order: Field<SortOrder>,
    /// For records without a cursor, or with null: `raise`, `include` or `exclude`. Default: `raise`.
    pub(crate) on_cursor_value_missing: Field<OnMissing>,
    /// How far before the last cursor to start: seconds for times, days for dates, a number for numbers, or a duration such as `2h`. Records in it come again.
    /// Default: 0.
    pub(crate) lag: Field<Scalar<Lag>>,
    /// `open` drops records at the start itself. Default: `closed`.
    pub(crate) range_start: Field<Bound>,
    /// `closed` keeps records at the end itself. Default: `open`.
    pub(crate) range_end: Field<Bound>,
    /// Takes the range from `DLT_INTERVAL_START` and `DLT_INTERVAL_END`, where a scheduler set them. Default: false.
    pub(crate) allow_external_schedulers: Field<bool>,
    /// Splits the range into windows fetched side by side: `12h`, `1d`, `1w`, `1mo`, or a number for numeric cursors. Needs `initial_value`. Default: one range.
    pub(crate) step: Field<Scalar<CursorStep>>,
    /// Where windows end without an `end_value`: `now`, by the API's own clock. Default: `now` with `step`, else open.
    pub(crate) until: Field<Until>,
    /// Zone of days, months, dates and times without a zone, such as `Europe/Berlin`. Default: `UTC`.
    pub(crate) time_zone: Field<String>,
    /// Records younger than this are left to the next run: a duration, for APIs whose lists lag behind. Default: 0.
    pub(crate) settle: Field<Scalar<Duration>>,
    /// For records outside the range asked for: `drop` (counted), `error`, or, with `merge`, `keep`. Default: `drop`.
    pub(crate) strict_window: Field<StrictWindow>,
    /// With a parent resource: `per_parent`, one cursor for each parent record, or `shared`. Default: `per_parent`.
    pub(crate) state: Field<CursorState>,
}

/// An object as a query parameter's value, chosen by `type`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParamForm {
    /// The parameter gets the start of incremental loading.
    Incremental(Box<Incremental>),
}

/// What becomes of records without a cursor.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnMissing {
    /// The run fails.
    Raise,
    /// They are loaded.
    Include,
    /// They are dropped.
    Exclude,
}

/// Whether a range has its bound.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// It has not.
    Open,
    /// It has.
    Closed,
}

/// Where windows end.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Until {
    /// The time at which the run asks.
    Now,
}

/// What becomes of records outside the range asked for.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StrictWindow {
    /// They are dropped and counted.
    Drop,
    /// The run fails.
    Error,
    /// They are merged.
    Keep,
}

/// What a cursor belongs to.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CursorState {
    /// One for each parent record.
    PerParent,
    /// One for the resource.
    Shared,
}

impl FromScalar for Lag {
    const EXPECTED: &'static str = "a number, 0 or more, or a duration such as \"2h\" or \"3d\"";
    const NUMBERS: bool = true;

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        Self::parse(text).ok_or(ScalarError::Form)
    }

    fn from_number(number: f64) -> Option<Self> {
        Self::parse(&number.to_string())
    }
}

impl FromScalar for CursorStep {
    const EXPECTED: &'static str = "a step such as \"12h\", \"1d\", \"1w\" or \"1mo\", or a number for numeric cursors";
    const NUMBERS: bool = true;

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        Self::parse(text).ok_or(ScalarError::Form)
    }

    fn from_number(number: f64) -> Option<Self> {
        Self::parse(&number.to_string())
    }
}
