//! Why a resource could not be read. Retries are already spent when one of these is returned.

mod limit;
mod paging;

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::base::{ErrorKind, Panicked, RedactedUrl};
use crate::source::auth::TokenFault;
use crate::source::retry::Attempts;
use crate::source::transport::TransportError;

pub(in crate::source) use limit::names_limit;
pub(crate) use paging::{NamedBy, PagingFault, Repeated};

/// Where a fault happened: the words every message starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The resource's name.
    pub(crate) resource: String,
    /// The page asked for, from 1.
    pub(crate) page: u64,
    /// What was requested.
    pub(crate) url: RedactedUrl,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`, page {}, `{}`", self.resource, self.page, self.url)
    }
}

/// Why a resource could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// A header of the config cannot be sent.
    #[error("{what} cannot be sent as an HTTP header: names are letters, digits and `-`, values have no line breaks")]
    BadHeader {
        /// Which header, or which credential.
        what: String,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made with this machine's certificates and proxy settings")]
    Setup {
        /// The cause.
        source: TransportError,
    },
    /// 401 or 403.
    #[error("{place}: credentials refused with {status}{}{}", withheld_words(*.withheld), said(.preview))]
    Credentials {
        /// Where.
        place: Place,
        /// 401 or 403.
        status: u16,
        /// Whether the host was given none, because it is not the configured origin.
        withheld: bool,
        /// What the server said, shortened and redacted.
        preview: String,
        /// The config's key that holds what was refused; `None` when there is none.
        key: Option<&'static str>,
        /// Where a key went, in words.
        sent: Option<String>,
    },
    /// The API refuses a token that was obtained just for it.
    #[error("{place}: refused with {status} also under a token obtained {} before{}", seconds(*.age), said(.preview))]
    TokenRefused {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// How old the token is.
        age: Duration,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// No token was to be had.
    #[error("`{resource}`: {fault}")]
    Token {
        /// The resource's name.
        resource: String,
        /// Why not.
        fault: Box<TokenFault>,
    },
    /// A redirect to a page where people sign in.
    #[error("{place}: redirected to `{to}`, where people sign in")]
    LoginPage {
        /// Where.
        place: Place,
        /// Where to.
        to: RedactedUrl,
        /// The config's key that holds the credential; `None` when there is none.
        key: Option<&'static str>,
    },
    /// Plain HTTP was spoken to a port for TLS.
    #[error("{place}: answered {status}, since the port speaks TLS: write `https://`{}", said(.preview))]
    PlainHttp {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// A status that is neither success nor worth another try.
    #[error("{place}: answered {status}{}", said(.preview))]
    Refused {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// The first page was answered with records, and is refused when it is asked for again.
    #[error("{place}: answered {status}, where the same request had records before{}", said(.preview))]
    NoLongerAnswered {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// A part of a body whose parts cannot be told from the whole.
    #[error(
        "{place}: answered 206{}, by which the API says that it is a part, though all was asked for",
        if .range.is_empty() { String::new() } else { format!(" with `Content-Range: {}`", .range) }
    )]
    Part {
        /// Where.
        place: Place,
        /// `Content-Range`, or nothing.
        range: String,
    },
    /// A status worth another try, and all tries are spent; or a server error that is not tried again.
    #[error("{place}: answered {status} at attempt {attempts}, and no attempt is left{}", said(.preview))]
    Unavailable {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// Requests sent.
        attempts: Attempts,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// The server asks for a longer wait than `client.retry.max_wait` allows.
    #[error("{place}: {why} to wait {wait:?}, more than the {max_wait:?} of `max_wait`; it resets {}", .resets.format("%Y-%m-%d %H:%M:%S UTC"))]
    WaitTooLong {
        /// Where.
        place: Place,
        /// Who says so: `answered 429 and asks`.
        why: String,
        /// What the server asks for.
        wait: Duration,
        /// What the plan allows.
        max_wait: Duration,
        /// When to come again.
        resets: DateTime<Utc>,
    },
    /// No answer came: name lookup, connection, TLS or timeout.
    #[error("{place}: {why} (attempt {attempts}, the last)")]
    NoAnswer {
        /// Where.
        place: Place,
        /// In plain words.
        why: String,
        /// Requests sent.
        attempts: Attempts,
        /// Whether it will be the same tomorrow: an unknown name, a bad certificate.
        lasting: bool,
        /// The cause.
        source: TransportError,
    },
    /// A rule, or the API in the answer's body, asks for another attempt, and none is left.
    #[error("{place}: answered {status}, {why}, and no attempt is left after {attempts}{}", said(.preview))]
    NoAttemptLeft {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// Who asks, in words.
        why: String,
        /// Requests sent.
        attempts: Attempts,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// 202 for a request that may not be made again without starting something anew.
    #[error("{place}: answered 202, by which the API says that the answer is not ready{}", said(.preview))]
    NotReady {
        /// Where.
        place: Place,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// A rule of the config says that an answer is an error.
    #[error("{place}: answered {status}, which `{key}` takes for an error{}{}", worded(.message), said(.preview))]
    RuleFails {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// Where the rule stands.
        key: String,
        /// The config's words for it, or nothing.
        message: String,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// A rule of the config skips the parent's record that this was requested for. For whoever asked on its behalf; an error where there
    /// is no parent.
    #[error("{place}: answered {status}, for which `{key}` skips the parent's record")]
    ParentSkipped {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
        /// Where the rule stands.
        key: String,
    },
    /// A GraphQL answer with errors.
    #[error("{place}: answered with {count} GraphQL error{}{}", if *.count == 1 { "" } else { "s" }, said(.preview))]
    GraphQl {
        /// Where.
        place: Place,
        /// How many.
        count: u64,
        /// Whether there is data besides.
        partial: bool,
        /// The first messages, shortened and redacted.
        preview: String,
    },
    /// The answer broke off.
    #[error("{place}: the answer broke off after {received_bytes} bytes (attempt {attempts}, the last)")]
    Truncated {
        /// Where.
        place: Place,
        /// Body bytes that came.
        received_bytes: u64,
        /// Requests sent.
        attempts: Attempts,
        /// The cause.
        source: TransportError,
    },
    /// The body is not the gzip, zstd or brotli that it claims to be.
    #[error("{place}: the body is damaged {packing} (attempt {attempts}, the last)")]
    Damaged {
        /// Where.
        place: Place,
        /// What it claims to be.
        packing: &'static str,
        /// Requests sent.
        attempts: Attempts,
        /// The cause.
        source: std::io::Error,
    },
    /// An encoding that was not asked for.
    #[error("{place}: the body is encoded as `{encoding}`, but only gzip, zstd and brotli were asked for")]
    UnknownEncoding {
        /// Where.
        place: Place,
        /// `Content-Encoding`.
        encoding: String,
    },
    /// A page of HTML or XML where records were expected.
    #[error("{place}: answered with {found} instead of {expected}{}{}", from(.server), said(.preview))]
    Instead {
        /// Where.
        place: Place,
        /// What came.
        found: &'static str,
        /// What was expected.
        expected: &'static str,
        /// `Server` and `Via`, as far as they came.
        server: String,
        /// What the server said, shortened and redacted.
        preview: String,
    },
    /// Success, but nothing in it.
    #[error("{place}: answered {status} with an empty body instead of JSON")]
    EmptyBody {
        /// Where.
        place: Place,
        /// The status.
        status: u16,
    },
    /// A body past the limit.
    #[error("{place}: the body is larger than {limit_bytes} bytes; ask for fewer records a page")]
    BodyTooLarge {
        /// Where.
        place: Place,
        /// The limit, decompressed.
        limit_bytes: u64,
    },
    /// A body that is packed to fill disks.
    #[error("{place}: the body's {packed_bytes} bytes unpack to more than {ratio_max} times as many, which records never do")]
    Bomb {
        /// Where.
        place: Place,
        /// As it came.
        packed_bytes: u64,
        /// The limit.
        ratio_max: u64,
    },
    /// A body past what rules can look into.
    #[error(
        "{place}: the body has {bytes} bytes; rules that look into bodies, and `endpoint.graphql`, can with at most {limit_bytes}: ask for fewer records a page, or do without"
    )]
    BodyTooLargeForRules {
        /// Where.
        place: Place,
        /// Its bytes, decompressed.
        bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The temporary file of a large body fails.
    #[error("{place}: the body is too large for memory, and cannot be kept in a file in the system's temporary folder")]
    Spool {
        /// Where.
        place: Place,
        /// What the system says.
        source: std::io::Error,
    },
    /// The answer that an interrupted run kept cannot be read back.
    #[error("{place}: the answer that an interrupted run kept of it cannot be read")]
    Kept {
        /// Where.
        place: Place,
        /// What the system says.
        source: std::io::Error,
    },
    /// A replay that asks for what its recording does not have.
    #[error("{place}: {why}")]
    Unrecorded {
        /// Where.
        place: Place,
        /// What is asked for, and the nearest that there is.
        why: String,
    },
    /// A redirect that is not followed.
    #[error("{place}: redirected to `{to}`, which is refused: {why}")]
    RedirectRefused {
        /// Where.
        place: Place,
        /// Where to.
        to: RedactedUrl,
        /// The rule.
        why: &'static str,
    },
    /// A next link that is not followed.
    #[error("{place}: the next link leads to `{to}`, which is refused: {why}")]
    LinkRefused {
        /// Where.
        place: Place,
        /// Where to.
        to: RedactedUrl,
        /// The rule.
        why: &'static str,
    },
    /// A redirect or next link that is no URL.
    #[error("{place}: {what} is not a URL")]
    BadLink {
        /// Where.
        place: Place,
        /// Which link.
        what: String,
    },
    /// The pages do not hold together, or do not say how they go on.
    #[error(transparent)]
    Paging(#[from] PagingFault),
    /// A defect of this program.
    #[error("internal error in the requests of `{resource}`: {panic}")]
    Panicked {
        /// The resource's name.
        resource: String,
        /// What it said.
        panic: Panicked,
    },
    /// The run was cancelled.
    #[error("`{resource}`: cancelled")]
    Cancelled {
        /// The resource's name.
        resource: String,
    },
    /// Whoever decodes the pages stopped listening; its own error tells why.
    #[error("`{resource}`, page {page}: nobody decodes the pages any more")]
    Abandoned {
        /// The resource's name.
        resource: String,
        /// The page that found no reader.
        page: u64,
    },
}

impl SourceError {
    /// What the operator has to do about it.
    #[must_use]
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::BadHeader { .. } | Self::PlainHttp { .. } => ErrorKind::Config,
            Self::Credentials { .. } | Self::TokenRefused { .. } | Self::NoLongerAnswered { .. } | Self::LoginPage { .. } => {
                ErrorKind::Credentials
            }
            Self::Token { fault, .. } => fault.kind(),
            Self::NoAnswer { lasting: true, .. } => ErrorKind::Config,
            Self::Unavailable { .. }
            | Self::WaitTooLong { .. }
            | Self::NoAnswer { .. }
            | Self::NoAttemptLeft { .. }
            | Self::Spool { .. }
            | Self::Truncated { .. } => ErrorKind::Unavailable,
            Self::RuleFails { .. }
            | Self::NotReady { .. }
            | Self::ParentSkipped { .. }
            | Self::GraphQl { .. }
            | Self::Refused { .. }
            | Self::Part { .. }
            | Self::Damaged { .. }
            | Self::UnknownEncoding { .. }
            | Self::Instead { .. }
            | Self::EmptyBody { .. }
            | Self::BodyTooLarge { .. }
            | Self::Bomb { .. }
            | Self::BodyTooLargeForRules { .. }
            | Self::RedirectRefused { .. }
            | Self::LinkRefused { .. }
            | Self::BadLink { .. }
            | Self::Kept { .. }
            | Self::Unrecorded { .. }
            | Self::Paging(_) => ErrorKind::Data,
            Self::Cancelled { .. } => ErrorKind::Cancelled,
            Self::Setup { .. } | Self::Panicked { .. } | Self::Abandoned { .. } => ErrorKind::Internal,
        }
    }
}

fn seconds(age: Duration) -> String {
    format!("{} s", age.as_secs())
}

fn said(preview: &str) -> String {
    if preview.is_empty() { String::new() } else { format!(", saying `{preview}`") }
}

fn worded(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn from(server: &str) -> String {
    if server.is_empty() { String::new() } else { format!(" (from {server})") }
}

fn withheld_words(withheld: bool) -> &'static str {
    if withheld { " (this host was given none: list it in `auth.hosts` if it may have them)" } else { "" }
}
