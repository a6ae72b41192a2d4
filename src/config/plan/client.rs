//! The plan of the API's client: where it is, what every request carries, and how much is asked at once.

use std::time::Duration;

use url::Url;

use crate::base::Secret;
use crate::config::rules::Rule;
use crate::config::{AuthPlan, TlsPlan};

/// How the API is reached.
#[derive(Debug, Clone)]
pub(crate) struct ClientPlan {
    /// The configured origin; credentials go nowhere else.
    pub(crate) base_url: Url,
    /// Headers of every request. Values may hold secrets.
    pub(crate) headers: Vec<(String, Secret)>,
    /// Credentials of every request, unless the endpoint has its own.
    pub(crate) auth: Option<AuthPlan>,
    /// When and how a request is tried again.
    pub(crate) retry: RetryPlan,
    /// Longest time to connect.
    pub(crate) connect_timeout: Duration,
    /// Longest silence on the socket.
    pub(crate) read_timeout: Duration,
    /// Longest time for one whole answer.
    pub(crate) page_timeout: Duration,
    /// Limits that must all admit a request.
    pub(crate) rate_limits: Vec<RateLimit>,
    /// Requests in flight, at least 1.
    pub(crate) concurrency: usize,
    /// Other hosts (`host` or `host:port`) that redirects and next links may lead to, without credentials.
    pub(crate) allow_hosts: Vec<String>,
    /// Rules on the answers of every endpoint, tried after its own.
    pub(crate) rules: Vec<Rule>,
    /// Certificates besides those of the machine.
    pub(crate) tls: Option<TlsPlan>,
}

/// When and how a request is tried again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RetryPlan {
    /// Retries after the first attempt; `None`: as many as `max_wait` has room for.
    pub(crate) max_retries: Option<u32>,
    /// Factor between waits, at least 1.
    pub(crate) backoff_factor: f64,
    /// Wait before the first retry.
    pub(crate) initial_delay: Duration,
    /// Status codes that are tried again.
    pub(crate) statuses: Vec<u16>,
    /// The longest wait in all that one request may spend; a `Retry-After` past it ends the run as unavailable.
    pub(crate) max_wait: Duration,
}

/// Retries where nobody is to wait for minutes.
const BRIEF_RETRIES: u32 = 3;

impl RetryPlan {
    /// The same in seconds: for whoever sits in front of it, and for what may stay without an answer.
    pub(crate) fn brief(&self) -> Self {
        Self { max_retries: Some(self.max_retries.unwrap_or(BRIEF_RETRIES).min(BRIEF_RETRIES)), ..self.clone() }
    }
}

/// At most `requests` per `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// Requests admitted.
    pub(crate) requests: u32,
    /// In this time.
    pub(crate) per: Duration,
}
