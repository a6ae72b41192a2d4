//! `client`: how the API is reached.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::{
    Auth, Credential, Either, Entries, Field, FromScalar, OneOrMany, Paginator, ResponseAction, Scalar, ScalarError, Tagged,
};
use crate::config::units;

/// How the API is reached: address, credentials, patience.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["base_url"]))]
pub(crate) struct Client {
    /// The API's address, `http://` or `https://`, to which each endpoint's path is joined with one `/`.
    #[schemars(with = "String")]
    pub(crate) base_url: Field<String>,
    /// Headers of every request. Values are treated as secrets. Default: none.
    pub(crate) headers: Field<Entries<Credential>>,
    /// Credentials of every request, unless an endpoint has its own. Default: none.
    pub(crate) auth: Field<Tagged<Auth>>,
    /// How the next page is found, unless an endpoint says otherwise. Default: `auto`, one request, refused when its answer shows signs of
    /// more pages.
    pub(crate) paginator: Field<Tagged<Paginator>>,
    /// When and how a request is tried again.
    pub(crate) retry: Field<Retry>,
    /// How long to wait for a connection and for bytes.
    pub(crate) timeout: Field<Timeout>,
    /// Requests admitted in a span of time; of several limits, all must admit. Default: none.
    pub(crate) rate_limit: Field<OneOrMany<Field<RateLimit>>>,
    /// Requests in flight for all resources together: more is faster, and harder on the API and on memory. Unit: requests, 1 to 64.
    /// Default: 4.
    #[schemars(range(min = 1, max = 64))]
    pub(crate) concurrency: Field<u64>,
    /// Other hosts (`host` or `host:port`) that redirects and next links may lead to, without credentials. Default: none.
    pub(crate) allow_hosts: Field<Vec<Field<String>>>,
    /// Rules on the answers of every endpoint, tried after its own: conditions and an action. Default: none.
    pub(crate) response_actions: Field<Vec<Field<Either<String, ResponseAction>>>>,
    /// Answers that mean "too fast", by the conditions of `response_actions`: short for `action: throttle`. Default: none.
    pub(crate) throttle_when: Field<Vec<Field<Either<String, ResponseAction>>>>,
    /// Answers that are errors whatever their status, by the conditions of `response_actions`: short for `action: fail`. Default: none.
    pub(crate) fail_when: Field<Vec<Field<Either<String, ResponseAction>>>>,
    /// Certificates besides those of the machine, for `https://`.
    pub(crate) tls: Field<Tls>,
}

/// Certificates, each as PEM, often by `"${file:…}"`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// The client's own certificate, with its chain, shown to the hosts that have the credentials (mutual TLS). Default: none.
    pub(crate) certificate: Field<Credential>,
    /// The certificate's private key, not encrypted. Default: it stands in `certificate`.
    pub(crate) key: Field<Credential>,
    /// Authorities that may vouch for a server, besides the machine's. Default: none.
    pub(crate) ca_certificate: Field<Credential>,
}

/// When and how a request is tried again. Failures to connect and broken answers are retried like the `statuses`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retry {
    /// Retries after the first attempt. Unit: requests, 0 to 20. Default: as many as `max_wait` has room for; 3 where a person waits (`check --online`,
    /// `preview`).
    #[schemars(range(min = 0, max = 20))]
    pub(crate) max_retries: Field<u64>,
    /// Factor between one wait and the next. 1 to 10. Default: 2.
    #[schemars(range(min = 1, max = 10))]
    pub(crate) backoff_factor: Field<f64>,
    /// Longest wait before the first retry; the next ones grow by the factor, to a minute at most. A duration such as "1s". Default: 1 s.
    pub(crate) initial_delay: Field<Scalar<Duration>>,
    /// Status codes that are tried again, 400 to 599. Default: 408, 425, 429, 500, 502, 503, 504, and a CDN's 520 to 529.
    pub(crate) statuses: Field<Vec<Field<u64>>>,
    /// The longest wait in all that one request may spend; a `Retry-After` past it ends the run as unavailable. A duration such as "10m".
    /// Default: 10 min.
    pub(crate) max_wait: Field<Scalar<Duration>>,
}

/// How long to wait.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeout {
    /// For a connection. A duration, more than 0. Default: 10 s.
    pub(crate) connect: Field<Scalar<Duration>>,
    /// Longest silence on the socket. A duration, more than 0. Default: 60 s.
    pub(crate) read: Field<Scalar<Duration>>,
    /// For one whole answer. A duration, more than 0. Default: 10 min.
    pub(crate) page: Field<Scalar<Duration>>,
}

/// At most so many requests in a span of time.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["requests", "per"]))]
pub(crate) struct RateLimit {
    /// Requests admitted, at least 1.
    #[schemars(with = "u32", range(min = 1))]
    pub(crate) requests: Field<u64>,
    /// In this time: `second`, `minute`, `hour`, or a duration such as "10s".
    #[schemars(with = "Scalar<Per>")]
    pub(crate) per: Field<Scalar<Per>>,
}

/// The span of a rate limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Per(pub(crate) Duration);

impl FromScalar for Per {
    const EXPECTED: &'static str = "`second`, `minute`, `hour`, or a duration such as \"10s\"";
    const NUMBERS: bool = true;

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        let duration = match text {
            "second" => Some(Duration::from_secs(1)),
            "minute" => Some(Duration::from_secs(60)),
            "hour" => Some(Duration::from_secs(3600)),
            _ => units::duration(text),
        };
        duration.map(Self).ok_or(ScalarError::Form)
    }

    fn from_number(number: f64) -> Option<Self> {
        units::seconds(number).map(Self)
    }
}
