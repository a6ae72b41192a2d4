//! Why no token was to be had. Retries are already spent.

use std::time::Duration;

use crate::base::{ErrorKind, Panicked, RedactedUrl};

/// Why no token was to be had; the same for everyone who waits for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenFault {
    /// The endpoint says no.
    #[error("no token from `{url}`: refused with {status}{}", said(.reason))]
    Refused {
        /// The endpoint.
        url: RedactedUrl,
        /// The status.
        status: u16,
        /// `error` and `error_description` as the endpoint gave them, shortened and redacted.
        reason: String,
        /// What was refused.
        advice: Advice,
    },
    /// The endpoint cannot be had at the moment.
    #[error("no token from `{url}`: {why} (attempt {attempts}, the last)")]
    Unavailable {
        /// The endpoint.
        url: RedactedUrl,
        /// In plain words.
        why: String,
        /// Requests sent.
        attempts: u32,
    },
    /// The endpoint asks for a longer wait than `client.retry.max_wait` allows.
    #[error("no token from `{url}`: answered {status} and asks to wait {wait:?}, more than the {max_wait:?} of `max_wait`")]
    WaitTooLong {
        /// The endpoint.
        url: RedactedUrl,
        /// The status.
        status: u16,
        /// What it asks for.
        wait: Duration,
        /// What the plan allows.
        max_wait: Duration,
    },
    /// An answer without a token.
    #[error("no token from `{url}`: {what}")]
    Answer {
        /// The endpoint.
        url: RedactedUrl,
        /// What came, without any value of it.
        what: String,
    },
    /// A replay that asks for what its recording does not have.
    #[error("no token from `{url}`: {why}")]
    Unrecorded {
        /// The endpoint.
        url: RedactedUrl,
        /// What is asked for.
        why: String,
    },
    /// The file for rotated refresh tokens cannot be used; nothing was asked for.
    #[error("the token file `{file}` cannot be used: {why}")]
    File {
        /// The file.
        file: String,
        /// Why not.
        why: String,
    },
    /// Another process renews the token, and does not end.
    #[error("the token file `{file}` is locked by another process")]
    Locked {
        /// The file.
        file: String,
    },
    /// A rotated refresh token came and could not be kept.
    #[error("the API replaced the refresh token, and the new one cannot be kept in `{file}`: {why}")]
    Lost {
        /// The file.
        file: String,
        /// Why not.
        why: String,
    },
    /// It cannot be asked, today or tomorrow.
    #[error("no token from `{url}`: it cannot be asked: {why}")]
    Setup {
        /// The endpoint.
        url: RedactedUrl,
        /// Why not.
        why: String,
    },
    /// A defect of this program.
    #[error("internal error in asking for a token: {0}")]
    Panicked(Panicked),
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// What a refused request was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// `client_id` and `client_secret`.
    Client,
    /// A refresh token.
    RefreshToken,
    /// A refresh token, after a run that asked and ended before it could keep the answer.
    CutShort,
    /// A signed JWT.
    Jwt,
    /// A login.
    Login,
}

impl TokenFault {
    /// What the operator has to do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { status: 200..=299 | 400 | 401 | 403, .. } | Self::Lost { .. } => ErrorKind::Credentials,
            Self::Refused { .. } | Self::Answer { .. } | Self::Unrecorded { .. } => ErrorKind::Data,
            Self::Unavailable { .. } | Self::WaitTooLong { .. } | Self::Locked { .. } => ErrorKind::Unavailable,
            Self::File { .. } | Self::Setup { .. } => ErrorKind::Config,
            Self::Panicked(_) => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// What the operator can do, where that is not plain from the message.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused { status: 404 | 405 | 410, .. } => "look at the URL of the token endpoint",
            Self::Refused { advice, .. } => advice.words(),
            Self::Answer { .. } => "look at the URL of the token endpoint, and at `token_path` if it is a login",
            Self::File { .. } => "name a file in a folder that can be written and outlives the run, by `auth.token_file`",
            Self::Lost { .. } => {
                "re-authorise the client, put the new refresh token into the config, and make that file writable"
            }
            Self::Locked { .. } => "run again when the other run has ended",
            Self::WaitTooLong { .. } => "run again then, or raise `client.retry.max_wait`",
            Self::Unavailable { .. } => {
                "is the URL of the token endpoint right, and can this machine reach it? If so, run again later"
            }
            Self::Setup { .. } | Self::Unrecorded { .. } | Self::Panicked(_) | Self::Cancelled => return None,
        };
        Some(hint.to_owned())
    }
}

impl Advice {
    fn words(self) -> &'static str {
        match self {
            Self::Client => "look at `client_id`, `client_secret` and `scopes`, and where their values come from",
            Self::RefreshToken => {
                "re-authorise the client and put the new refresh token into the config: the one used is revoked, expired or used up"
            }
            Self::CutShort => {
                "re-authorise the client and put the new refresh token into the config: an earlier run ended after it had asked for a token and \
                 before it could keep the answer, so the refresh token may have been replaced and lost"
            }
            Self::Jwt => "look at `client_id`, `private_key`, `audience` and `scopes`, and whether the endpoint knows this key",
            Self::Login => "look at what `json`, `data` and `headers` of the login say, and where their values come from",
        }
    }
}

fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(", saying `{reason}`") }
}
