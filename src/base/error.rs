//! What an operator has to do about an error: the one classification that leaves the program, as its exit code.

/// What the operator does about an error. A new kind needs a new operator action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ErrorKind {
    /// Fix the file or the command; no table was changed.
    Config,
    /// Look at what the API answered, or at what lies in the lake.
    Data,
    /// Renew the credentials.
    Credentials,
    /// Run again later: API or storage down after retries, quota used up, locked by another run.
    Unavailable,
    /// Nothing was lost; run again.
    Cancelled,
    /// Report a bug.
    Internal,
}

impl ErrorKind {
    /// The process exit code of this kind. `Cancelled` is 130; a run ended by SIGTERM reports 143 instead.
    #[must_use]
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Config => 2,
            Self::Data => 3,
            Self::Credentials => 4,
            Self::Internal => 70,
            Self::Unavailable => 75,
            Self::Cancelled => 130,
        }
    }

    /// The kind's name as the run report spells it.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Data => "data",
            Self::Credentials => "credentials",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
        }
    }
}
