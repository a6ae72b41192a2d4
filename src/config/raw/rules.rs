//! `response_actions`, `throttle_when`, `fail_when` and `graphql`: what is done with an answer besides taking its records.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::JsonPath;
use crate::config::StatusMatch;
use crate::config::raw::{Field, FromScalar, Node, OneOrMany, Scalar, ScalarError};

/// A rule on answers: conditions, which must all hold, and an action. The first rule that holds decides, the endpoint's before the client's,
/// and before retries and everything built in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResponseAction {
    /// Status, or a list of which any: a number, or a class such as "4xx". Default: any.
    pub(crate) status_code: Field<OneOrMany<Field<Scalar<StatusMatch>>>>,
    /// Text that the body contains. Default: any body.
    pub(crate) content: Field<String>,
    /// A condition on a header. Default: none.
    pub(crate) header: Field<HeaderCondition>,
    /// JSON path of a value of the body, which `equals`, `contains`, `matches` or `exists` is about; without one of them, it exists and is not
    /// null. Default: none.
    pub(crate) json_path: Field<Scalar<JsonPath>>,
    /// The value at `json_path` is this text, number or boolean.
    pub(crate) equals: Field<Node>,
    /// The text of the value at `json_path` contains this.
    pub(crate) contains: Field<String>,
    /// The text of the value at `json_path` matches this regular expression somewhere.
    pub(crate) matches: Field<String>,
    /// Whether there is a value, not null, at `json_path`.
    pub(crate) exists: Field<bool>,
    /// What is done. Required in `response_actions`; `throttle_when` and `fail_when` have theirs.
    pub(crate) action: Field<OneOrMany<Field<ActionName>>>,
    /// With `skip`: `page`, `resource` or `parent`. Default: `page`.
    pub(crate) scope: Field<ScopeName>,
    /// With `throttle`: how long to wait where the answer does not tell. A duration. Default: as before a retry.
    pub(crate) wait: Field<Scalar<Duration>>,
    /// With `throttle`: JSON path of the wait that the body tells: a number, a date, or text such as "1m30s". Default: `retry_after` and names like it.
    pub(crate) wait_path: Field<Scalar<JsonPath>>,
    /// With `wait_path`: the unit of its number, `s` or `ms`. Default: `s`.
    pub(crate) wait_unit: Field<WaitUnitName>,
    /// With `fail`: words for the error. Default: none.
    pub(crate) message: Field<String>,
}

/// A condition on a header: one of `equals`, `contains`, `matches` and `exists`; without one, it exists.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub(crate) struct HeaderCondition {
    /// The header's name.
    #[schemars(with = "String")]
    pub(crate) name: Field<String>,
    /// Its value is this.
    pub(crate) equals: Field<Node>,
    /// Its value contains this.
    pub(crate) contains: Field<String>,
    /// Its value matches this regular expression somewhere.
    pub(crate) matches: Field<String>,
    /// Whether it is there.
    pub(crate) exists: Field<bool>,
}

/// What is done with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActionName {
    /// dlt's: the page is dropped, and the resource ends there.
    Ignore,
    /// What `scope` names is dropped, counted and told.
    Skip,
    /// The request is tried again.
    Retry,
    /// The resource fails.
    Fail,
    /// All requests wait, then this one is tried again.
    Throttle,
    /// The token is renewed once, then the request is tried again.
    RefreshAuth,
}

/// The unit of a number at `wait_path`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
pub(crate) enum WaitUnitName {
    /// Seconds; from a billion on, a moment in seconds or parts of them since 1970.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
}

/// What a `skip` is about.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScopeName {
    /// The page.
    Page,
    /// The page and all behind it.
    Resource,
    /// The parent's record that it was requested for.
    Parent,
}

/// The endpoint answers as GraphQL does: `data`, `errors`, `extensions`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GraphQl {
    /// What becomes of an answer with both data and errors: `fail`, or `allow`, which keeps the data and counts the errors. Default: `fail`.
    pub(crate) partial: Field<PartialName>,
}

/// What becomes of partial data.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartialName {
    /// The resource fails.
    Fail,
    /// The data counts.
    Allow,
}

impl FromScalar for StatusMatch {
    const EXPECTED: &'static str = "a status such as 404, or a class such as \"4xx\"";
    const NUMBERS: bool = true;

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        let text = text.trim().to_ascii_lowercase();
        let class = text.strip_suffix("xx").and_then(|class| class.parse().ok()).filter(|class| (1..=5).contains(class));
        class.map(Self::Class).or_else(|| status(text.parse().ok()?)).ok_or(ScalarError::Form)
    }

    fn from_number(number: f64) -> Option<Self> {
        // The spelling of a float without a fraction is that of its integer.
        status(number.to_string().parse().ok()?)
    }
}

fn status(status: u16) -> Option<StatusMatch> {
    (100..600).contains(&status).then_some(StatusMatch::Exact(status))
}
