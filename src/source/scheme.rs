//! Schemes: whether a host that breaks off under one scheme speaks the other on the same port.
//!
//! Some servers say what is wrong, and these words are known without asking. Others close without one, as OpenSSL does to plain HTTP, and as
//! a host does that is being started. So the first request of a client whose connection is broken off is followed by one under the other
//! scheme: once, to the same host and port, without path, parameters and credentials.

use std::io;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use rustls::Error as TlsError;
use url::Url;

use crate::source::attempt::Failure;
use crate::source::body::receive_start;
use crate::source::certificate::{io_kind, is_refusal_of_http, tls_error};
use crate::source::client::Client;
use crate::source::transport::{Kind, Request};

/// Longest wait for an answer under the other scheme.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Bytes of that answer that are looked at.
const START_BYTES_MAX: usize = 8 << 10;

impl Client {
    /// What is wrong, in words, where the host of `url` broke off and speaks the other scheme.
    pub(super) async fn wrong_scheme(&self, url: &Url, failure: &Failure) -> Option<String> {
        let Failure::NoAnswer { host, .. } = failure else { return None };
        if self.has_answered() || !is_broken_off(url, failure) {
            return None;
        }
        let other = other(url)?;
        let request = Request {
            method: Method::GET,
            url: other,
            headers: HeaderMap::new(),
            body: None,
            timeout: WAIT_MAX,
            is_trusted: false,
            is_for_token: false,
        };
        let asked = self.transport.send(request);
        let answer = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return None,
            answer = asked => answer,
        };
        if url.scheme() == "https" {
            let mut response = answer.ok()?;
            let start = receive_start(&mut response, START_BYTES_MAX).await;
            let is_tls = is_refusal_of_http(response.status.as_u16(), &String::from_utf8_lossy(&start));
            return (!is_tls).then(|| format!("`{host}` breaks off TLS, and answers plain HTTP: write `http://`"));
        }
        let speaks_tls = match &answer {
            Ok(_) => true,
            Err(error) => tls_error(error).is_some_and(|error| !matches!(error, TlsError::InvalidMessage(_))),
        };
        speaks_tls.then(|| format!("`{host}` breaks off plain HTTP, and speaks TLS: write `https://`"))
    }
}

/// Whether the connection was closed before a byte of an answer came, as one of the other scheme is.
fn is_broken_off(url: &Url, failure: &Failure) -> bool {
    let Failure::NoAnswer { source, .. } = failure else { return false };
    if url.scheme() != "https" {
        return failure.is_stale_connection();
    }
    let is_cut = matches!(
        io_kind(source),
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
    );
    source.kind() == Kind::Connect && is_cut
}

/// The root of the same host and port under the other scheme.
fn other(url: &Url) -> Option<Url> {
    let scheme = if url.scheme() == "https" { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{}:{}/", url.host_str()?, url.port_or_known_default()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_scheme_is_asked_at_the_same_port_and_for_nothing() {
        for (url, expected) in [
            ("https://u:p@api.test/v1?key=s", "http://api.test:443/"),
            ("http://api.test/v1", "https://api.test:80/"),
            ("https://[::1]:8443/", "http://[::1]:8443/"),
        ] {
            assert_eq!(other(&url.parse().unwrap()).unwrap().as_str(), expected);
        }
    }
}
