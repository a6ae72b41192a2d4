//! The transport of a run: the HTTP clients of one API, without certificates for http, with those of the machine for https, and with the client's
//! own certificate for the hosts that have the credentials.

use std::fmt;
use std::sync::OnceLock;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use url::Url;

use crate::base::http_client;
use crate::config::ClientPlan;
use crate::source::transport::{Answered, Kind, Request, Transport, TransportError};

/// Connections, shared by pages and token requests.
pub(super) struct Http {
    plan: ClientPlan,
    /// A client for each [`Security`], through the system's proxy and past it, made when it is first needed.
    clients: [OnceLock<reqwest::Client>; 6],
}

/// What one client has to do.
#[derive(Debug, Clone, Copy)]
enum Security {
    /// Without certificates: reading those of the machine takes longer than many a page, and http needs none.
    Plain,
    Secure,
    /// With the client's own certificate.
    Identified,
}

impl Http {
    /// # Errors
    /// [`Kind::Setup`] when the proxy settings of the system cannot be used.
    pub(super) fn new(plan: &ClientPlan) -> Result<Self, TransportError> {
        let http = Self { plan: plan.clone(), clients: Default::default() };
        http.made(Security::Plain, is_loopback(&plan.base_url))?;
        Ok(http)
    }

    /// The client for `url`; only a `trusted` host is shown the client's certificate.
    ///
    /// # Errors
    /// [`Kind::Setup`] when this machine's certificates, or the config's, cannot be used.
    fn client(&self, url: &Url, trusted: bool) -> Result<&reqwest::Client, TransportError> {
        let has_identity = self.plan.tls.as_ref().is_some_and(|tls| tls.identity.is_some());
        let security = match url.scheme() {
            "https" if trusted && has_identity => Security::Identified,
            "https" => Security::Secure,
            _ => Security::Plain,
        };
        self.made(security, is_loopback(url))
    }

    fn made(&self, security: Security, is_loopback: bool) -> Result<&reqwest::Client, TransportError> {
        let slot = &self.clients[security as usize * 2 + usize::from(is_loopback)];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let mut builder = builder(&self.plan);
        // A proxy reaches its own loopback, not ours, and would see the credentials.
        if is_loopback {
            builder = builder.no_proxy();
        }
        let client = self.secured(builder, security)?.build().map_err(setup)?;
        Ok(slot.get_or_init(|| client))
    }

    fn secured(&self, mut builder: reqwest::ClientBuilder, security: Security) -> Result<reqwest::ClientBuilder, TransportError> {
        if let Security::Plain = security {
            return Ok(builder.tls_certs_only([]));
        }
        let tls = self.plan.tls.as_ref();
        if let Some(authorities) = tls.and_then(|tls| tls.authorities.as_ref()) {
            let pem = authorities.expose().as_bytes();
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(setup)?);
        }
        match (security, tls.and_then(|tls| tls.identity.as_ref())) {
            (Security::Identified, Some(identity)) => {
                Ok(builder.identity(reqwest::Identity::from_pem(identity.expose().as_bytes()).map_err(setup)?))
            }
            _ => Ok(builder),
        }
    }
}

#[async_trait]
impl Transport for Http {
    async fn send(&self, request: Request) -> Result<Answered, TransportError> {
        let Request { method, url, headers, body, timeout, is_trusted, .. } = request;
        let client = self.client(&url, is_trusted)?;
        let mut builder = client.request(method, url).headers(headers).timeout(timeout);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await?;
        let head = (response.status(), std::mem::take(response.headers_mut()), response.content_length());
        Ok(Answered::new(head, response.bytes_stream().map_err(TransportError::from).boxed()))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

fn setup(source: reqwest::Error) -> TransportError {
    TransportError::of(Kind::Setup, source)
}

/// What the clients have in common.
pub(super) fn builder(plan: &ClientPlan) -> reqwest::ClientBuilder {
    http_client()
        .user_agent(concat!("lakeward/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(plan.connect_timeout)
        .read_timeout(plan.read_timeout)
        .pool_max_idle_per_host(plan.concurrency)
}

/// Whether a URL leads to this machine: a loopback address, `localhost` or a name below it (RFC 6761, section 6.3).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => {
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        Some(url::Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_every_name_it_has() {
        for host in ["localhost", "LOCALHOST", "localhost.", "x.localhost", "a.b.localhost.", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert!(is_loopback(&format!("http://{host}:80/").parse().unwrap()), "{host}");
        }
        assert!(is_loopback(&"http://[::ffff:127.0.0.1]/".parse().unwrap()));
        for host in ["notlocalhost", "localhost.test", "10.0.0.1", "api.test", "[::2]"] {
            assert!(!is_loopback(&format!("http://{host}/").parse().unwrap()), "{host}");
        }
    }
}
