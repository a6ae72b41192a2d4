//! Rules on answers: which answers they are about, and what is done then.

use std::time::Duration;

use regex::Regex;
use serde_json::Value;

use crate::base::JsonPath;

/// One entry of `response_actions`, `throttle_when` or `fail_when`.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The answers it is about; at least one condition.
    pub(crate) when: Conditions,
    /// What is done then.
    pub(crate) action: RuleAction,
    /// Where it stands, for messages: `endpoint.response_actions[0]`.
    pub(crate) key: String,
}

/// Conditions on an answer, which must all hold. At least one is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    /// Any of these; none means any status.
    pub(crate) statuses: Vec<StatusMatch>,
    /// Text that the body contains.
    pub(crate) content: Option<String>,
    /// A header.
    pub(crate) header: Option<(String, Test)>,
    /// A value of the body.
    pub(crate) json: Option<(JsonPath, Test)>,
}

/// Which status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusMatch {
    /// This one.
    Exact(u16),
    /// All of a hundred: `4xx` is 4.
    Class(u16),
}

impl StatusMatch {
    /// Whether `status` is meant.
    #[must_use]
    pub(crate) fn is(self, status: u16) -> bool {
        match self {
            Self::Exact(exact) => status == exact,
            Self::Class(class) => status / 100 == class,
        }
    }
}

/// What a header or a value must be like.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// It is there, or it is not.
    Exists(bool),
    /// It is this scalar. Texts and numbers are compared as they are spelled.
    Equals(Value),
    /// Its text contains this.
    Contains(String),
    /// Its text matches this somewhere.
    Matches(Regex),
}

/// What is done with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RuleAction {
    /// Its rows do not count, nor those of what `scope` names.
    Skip(Scope),
    /// It is tried again, as often as `client.retry` says.
    Retry,
    /// The resource fails.
    Fail {
        /// The config's words for it.
        message: Option<String>,
    },
    /// All requests wait, then it is tried again.
    Throttle {
        /// Where the body tells how long; `None` for the usual names.
        told_at: Option<ToldWait>,
        /// How long, where the answer does not tell.
        wait: Option<Duration>,
    },
    /// The token is renewed, once, and the request tried again.
    RefreshAuth,
}

/// Where a body tells how long to wait, and in what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldWait {
    /// The place.
    pub(crate) path: JsonPath,
    /// The unit of its number.
    pub(crate) unit: WaitUnit,
}

/// The unit of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
}

/// What a skip is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This page; the next one is asked for where the paginator can.
    Page,
    /// This page and all behind it.
    Resource,
    /// The record of the parent that it was requested for.
    Parent,
}

/// What becomes of a GraphQL answer that has both data and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartialData {
    /// The resource fails.
    Fail,
    /// The data counts; errors are counted and told.
    Allow,
}
