//! Failures of a transport, as a recording has them: what they are, and what they say.
//!
//! In: a [`TransportError`]. Out: text, and from that an error that is looked at in the same way: [`crate::source::certificate`] and the words for a
//! person find in it what they found in the first one.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{CertificateError, InvalidMessage};
use serde::{Deserialize, Serialize};

use crate::base::secrets;
use crate::source::certificate::{causes, certificate_fault, io_kind, is_plain};
use crate::source::transport::{Kind, TransportError};

/// Causes of one failure that are kept.
const CAUSES_MAX: usize = 12;

/// Why there was no answer, or not all of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    kind: Told,
    io: Option<Io>,
    tls: Option<Tls>,
    /// The words of the error and of its causes.
    said: Vec<String>,
}

/// [`Kind`], as a file spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Setup,
    Unsendable,
    Name,
    ConnectTimeout,
    Connect,
    Timeout,
    Broken,
}

/// The kinds of I/O errors that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Io {
    Refused,
    Reset,
    UnexpectedEof,
    BrokenPipe,
    TimedOut,
    Other,
}

/// What of TLS is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tls {
    Certificate,
    NotSpoken,
}

impl Fault {
    /// A connection that broke, as a reset does.
    pub(super) fn reset() -> Self {
        let said = vec!["error sending request".to_owned(), "connection reset by peer".to_owned()];
        Self { kind: Told::Broken, io: Some(Io::Reset), tls: None, said }
    }

    /// Silence for too long.
    pub(super) fn timeout() -> Self {
        let said = vec!["operation timed out".to_owned()];
        Self { kind: Told::Timeout, io: None, tls: None, said }
    }

    /// No connection, because nobody listens.
    pub(super) fn refused() -> Self {
        let said = vec!["error sending request".to_owned(), "connection refused".to_owned()];
        Self { kind: Told::Connect, io: Some(Io::Refused), tls: None, said }
    }

    /// What `error` was.
    pub(super) fn of(error: &TransportError) -> Self {
        let kind = match error.kind() {
            // A run never records what a replay says.
            Kind::Setup | Kind::Unrecorded => Told::Setup,
            Kind::Unsendable => Told::Unsendable,
            Kind::Name => Told::Name,
            Kind::ConnectTimeout => Told::ConnectTimeout,
            Kind::Connect => Told::Connect,
            Kind::Timeout => Told::Timeout,
            Kind::Broken => Told::Broken,
        };
        let io = io_kind(error).map(|kind| match kind {
            io::ErrorKind::ConnectionRefused => Io::Refused,
            io::ErrorKind::ConnectionReset => Io::Reset,
            io::ErrorKind::UnexpectedEof => Io::UnexpectedEof,
            io::ErrorKind::BrokenPipe => Io::BrokenPipe,
            io::ErrorKind::TimedOut => Io::TimedOut,
            _ => Io::Other,
        });
        let tls = match is_plain(error) {
            true => Some(Tls::NotSpoken),
            false => certificate_fault(error).map(|_| Tls::Certificate),
        };
        let said = causes(error).take(CAUSES_MAX).map(|cause| secrets().hide(&cause.to_string()).into_owned()).collect();
        Self { kind, io, tls, said }
    }

    /// Whether it came too late to be an answer.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self.kind, Told::Timeout | Told::ConnectTimeout)
    }

    /// The error that it was.
    pub(super) fn error(&self) -> TransportError {
        let tls = self.tls.map(|tls| match tls {
            Tls::Certificate => rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure),
            Tls::NotSpoken => rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType),
        });
        let kind = self.io.map(|io| match io {
            Io::Refused => io::ErrorKind::ConnectionRefused,
            Io::Reset => io::ErrorKind::ConnectionReset,
            Io::UnexpectedEof => io::ErrorKind::UnexpectedEof,
            Io::BrokenPipe => io::ErrorKind::BrokenPipe,
            Io::TimedOut => io::ErrorKind::TimedOut,
            Io::Other => io::ErrorKind::Other,
        });
        let mut texts = self.said.iter().take(CAUSES_MAX).rev();
        let last: Option<Box<dyn Error + Send + Sync>> = match (kind, tls) {
            (Some(kind), Some(tls)) => Some(Box::new(io::Error::new(kind, tls))),
            (Some(kind), None) => {
                // What stands at the top is looked at by its causes alone.
                let text = if self.said.len() > 1 { texts.next().cloned() } else { None };
                Some(Box::new(io::Error::new(kind, text.unwrap_or_default())))
            }
            (None, Some(tls)) => Some(Box::new(tls)),
            (None, None) => None,
        };
        let cause = texts.fold(last, |source, text| Some(Box::new(Said { text: text.clone(), source })));
        let cause = cause.unwrap_or_else(|| Box::new(Said { text: "no answer".to_owned(), source: None }));
        let kind = match self.kind {
            Told::Setup => Kind::Setup,
            Told::Unsendable => Kind::Unsendable,
            Told::Name => Kind::Name,
            Told::ConnectTimeout => Kind::ConnectTimeout,
            Told::Connect => Kind::Connect,
            Told::Timeout => Kind::Timeout,
            Told::Broken => Kind::Broken,
        };
        TransportError::told(kind, cause)
    }
}

/// An error that a recording tells of.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Said {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::certificate::is_no_http;

    fn error(kind: Kind, io: Option<io::ErrorKind>, texts: &[&str]) -> TransportError {
        let last = io.map(|kind| Box::new(io::Error::new(kind, "the last")) as Box<dyn Error + Send + Sync>);
        let cause = texts.iter().rev().fold(last, |source, text| Some(Box::new(Said { text: (*text).to_owned(), source })));
        TransportError::told(kind, cause.unwrap())
    }

    #[test]
    fn a_failure_that_is_replayed_is_looked_at_as_the_first_one_was() {
        for (kind, io) in [
            (Kind::Connect, Some(io::ErrorKind::ConnectionRefused)),
            (Kind::Broken, Some(io::ErrorKind::ConnectionReset)),
            (Kind::Timeout, None),
            (Kind::Name, None),
        ] {
            let first = error(kind, io, &["sending", "invalid HTTP version parsed"]);
            let fault = Fault::of(&first);
            let text = serde_json::to_string(&fault).unwrap();
            let again = serde_json::from_str::<Fault>(&text).unwrap().error();
            assert_eq!((again.kind(), io_kind(&again), is_no_http(&again)), (kind, io, true));
            assert_eq!(Fault::of(&again), fault, "what is replayed and recorded again is the same");
        }
    }

    #[test]
    fn a_bad_certificate_stays_one() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let source: Box<dyn Error + Send + Sync> = Box::new(io::Error::new(io::ErrorKind::InvalidData, tls));
        let first = TransportError::told(Kind::Connect, Box::new(Said { text: "sending".to_owned(), source: Some(source) }));
        let again = Fault::of(&first).error();
        assert!(certificate_fault(&again).is_some() && !is_plain(&again));
        let tls = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        let first = Said { text: "sending".to_owned(), source: Some(Box::new(tls)) };
        let again = Fault::of(&TransportError::told(Kind::Connect, Box::new(first))).error();
        assert!(certificate_fault(&again).is_none() && is_plain(&again));
    }
}
