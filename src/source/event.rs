//! What the source tells while it works: every wait, and everything worth a warning.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::base::Warning;
use crate::source::Detected;

/// Something worth telling whoever watches the run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SourceEvent {
    /// A request waits.
    Waiting {
        /// The resource's name.
        resource: Arc<str>,
        /// Why it waits.
        why: WaitReason,
        /// How long.
        wait: Duration,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// The API does something odd that is dealt with.
    Warning {
        /// The resource's name.
        resource: Arc<str>,
        /// What.
        warning: Warning,
    },
    /// The API counts the records of a resource.
    Total {
        /// The resource's name.
        resource: Arc<str>,
        /// How many there are.
        records: u64,
    },
    /// A paginator was found, and proven by the second page.
    Detected {
        /// The resource's name.
        resource: Arc<str>,
        /// What was found.
        detected: Box<Detected>,
    },
}

/// Receives the source's events; called from many tasks, must not block.
pub(crate) type Events = Arc<dyn Fn(SourceEvent) + Send + Sync>;

/// Why a request waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// `client.rate_limit`.
    RateLimit,
    /// Another request of this client was told to wait.
    HeldBack,
    /// The API says that few requests are left; they are spread over the time to its reset.
    Spread,
    /// The API says that no request is left until its reset.
    UsedUp,
    /// The server told how long (`Retry-After`).
    Told {
        /// The status.
        status: u16,
    },
    /// Backoff before another attempt.
    Backoff {
        /// What went wrong, in words.
        after: String,
    },
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RateLimit => f.write_str("the rate limit of the config"),
            Self::HeldBack => f.write_str("the API asked to wait"),
            Self::Spread => f.write_str("the API has few requests left, which are spread until its limit resets"),
            Self::UsedUp => f.write_str("the API's limit of requests is used up until then"),
            Self::Told { status } => write!(f, "the API answered {status} and told how long to wait"),
            Self::Backoff { after } => f.write_str(after),
        }
    }
}
