//! Transport: one request with open credentials, one answer.
//!
//! In: a [`Request`] as it goes out. Out: an [`Answered`], or why there is none. What is above it decides about hosts, credentials, retries and redirects, and
//! what is below it is sockets, here and nowhere else ([`crate::source::http`]). So what a transport is given, and what it gives back, is all that
//! has to be kept to answer a run again without an API.

use std::error::Error;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use url::Url;

/// Sends requests.
#[async_trait]
pub(super) trait Transport: Send + Sync + fmt::Debug {
    /// Sends `request` once, and waits for the status and the headers. Called for every request of a client, also for tokens, by many tasks
    /// at once, and dropped at any point when the run is cancelled.
    ///
    /// It promises one exchange and no more: no redirect is followed, nothing is tried again, no cookie is kept, no body is unpacked. The answer's URL is
    /// the request's. A status is no error.
    ///
    /// # Errors
    /// [`TransportError`], whose causes tell in words what no kind tells.
    async fn send(&self, request: Request) -> Result<Answered, TransportError>;

    /// Whether it is the API that answers, so that what it grants may be kept beyond the run.
    fn is_live(&self) -> bool {
        true
    }
}

/// A request as it goes out: its URL and headers hold the credentials as they are. Not to be printed.
pub(super) struct Request {
    /// GET or POST.
    pub(super) method: Method,
    /// Where it goes.
    pub(super) url: Url,
    /// All headers but those that a connection adds: host, length, user agent.
    pub(super) headers: HeaderMap,
    /// Its body.
    pub(super) body: Option<Bytes>,
    /// Longest time until the last byte of the answer's body.
    pub(super) timeout: Duration,
    /// Whether the host may see who asks, by the client's certificate.
    pub(super) is_trusted: bool,
    /// Whether it asks for a token, so that its answer is a secret.
    pub(super) is_for_token: bool,
}

/// The answer to a request, whose body is still coming.
pub(super) struct Answered {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Bytes of the body, where that is known before they come.
    pub(super) body_bytes: Option<u64>,
    body: BoxStream<'static, Result<Bytes, TransportError>>,
}

impl Answered {
    /// An answer with this body.
    pub(super) fn new(
        (status, headers, body_bytes): (StatusCode, HeaderMap, Option<u64>),
        body: BoxStream<'static, Result<Bytes, TransportError>>,
    ) -> Self {
        Self { status, headers, body_bytes, body }
    }

    /// The same for a stream that hands it on.
    pub(super) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, TransportError>>> {
        self.body.poll_next_unpin(cx)
    }

    /// The next piece of the body, as it came; `None` behind the last one.
    ///
    /// # Errors
    /// [`TransportError`] when the body breaks off.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.body.next().await.transpose()
    }
}

/// What kept an answer, or the rest of its body, from coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is no client for such a request on this machine: certificates, proxy settings.
    Setup,
    /// The request cannot be sent as it is.
    Unsendable,
    /// The host name is not resolved.
    Name,
    /// No connection within its time.
    ConnectTimeout,
    /// No connection.
    Connect,
    /// Silence, or too long an answer.
    Timeout,
    /// The connection was there, and broke.
    Broken,
    /// A recording has no answer.
    Unrecorded,
}

/// Why there is no answer, or not all of it. Says nothing of the URL.
#[derive(Debug)]
pub(crate) struct TransportError {
    kind: Kind,
    source: Box<dyn Error + Send + Sync>,
}

impl TransportError {
    /// Without the URL, which may hold credentials.
    pub(super) fn of(kind: Kind, source: reqwest::Error) -> Self {
        Self { kind, source: Box::new(source.without_url()) }
    }

    /// As somebody else tells of it.
    pub(super) fn told(kind: Kind, source: Box<dyn Error + Send + Sync>) -> Self {
        Self { kind, source }
    }

    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(source: reqwest::Error) -> Self {
        let kind = match (source.is_connect(), source.is_timeout()) {
            _ if source.is_builder() => Kind::Unsendable,
            _ if source.is_dns() => Kind::Name,
            (true, true) => Kind::ConnectTimeout,
            (false, true) => Kind::Timeout,
            (true, false) => Kind::Connect,
            (false, false) => Kind::Broken,
        };
        Self::of(kind, source)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}
