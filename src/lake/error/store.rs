//! What the server of a bucket answered, and what that means.

/// What a bucket's refusal means for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreProblem {
    /// The credentials are missing, wrong, expired, or do not allow it.
    Denied,
    /// There is no such bucket.
    NoBucket,
    /// The bucket is in another region, or the endpoint is wrong.
    WrongPlace,
    /// `https://` where the store does not speak TLS.
    NotTls,
    /// `http://` where the store speaks TLS.
    Tls,
    /// The answer was an error that a later run may not meet.
    Failed,
    /// No answer came.
    NoAnswer,
    /// The object changed while it was read.
    Changed,
}

impl std::fmt::Display for StoreProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Denied => "access denied",
            Self::NoBucket => "the bucket does not exist",
            Self::WrongPlace => "the bucket is in another region or behind another endpoint",
            Self::NotTls => "the endpoint does not speak TLS: write `http://` in it",
            Self::Tls => "the endpoint speaks TLS: write `https://` in it",
            Self::Failed => "the store failed",
            Self::NoAnswer => "the store does not answer",
            Self::Changed => "it changed since the last commit",
        })
    }
}

/// What a bucket's server answered, or why no answer came; free of secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct StoreAnswer(pub(crate) String);
