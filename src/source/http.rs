//! The HTTP clients of one API: without certificates for http, with those of the machine for https, and with the client's own
//! certificate for the hosts that have the credentials.

use std::sync::OnceLock;

use url::Url;

use crate::config::ClientPlan;
use crate::source::SourceError;

/// Connections, shared by pages and token requests.
pub(super) struct Http {
    plan: ClientPlan,
    /// Without certificates: reading those of the machine takes longer than many a page, and http needs none.
    plain: reqwest::Client,
    secure: OnceLock<reqwest::Client>,
    identified: OnceLock<reqwest::Client>,
}

impl Http {
    /// # Errors
    /// [`SourceError::Setup`] when the proxy settings of the system cannot be used.
    pub(super) fn new(plan: &ClientPlan) -> Result<Self, SourceError> {
        let plain = builder(plan).tls_certs_only([]).build().map_err(setup)?;
        Ok(Self { plan: plan.clone(), plain, secure: OnceLock::new(), identified: OnceLock::new() })
    }

    /// The client for `url`; only a `trusted` host is shown the client's certificate.
    ///
    /// # Errors
    /// [`SourceError::Setup`] when this machine's certificates, or the config's, cannot be used.
    pub(super) fn client(&self, url: &Url, trusted: bool) -> Result<&reqwest::Client, SourceError> {
        if url.scheme() != "https" {
            return Ok(&self.plain);
        }
        let identity = self.plan.tls.as_ref().and_then(|tls| tls.identity.as_ref()).filter(|_| trusted);
        let slot = if identity.is_some() { &self.identified } else { &self.secure };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let mut builder = builder(&self.plan);
        if let Some(authorities) = self.plan.tls.as_ref().and_then(|tls| tls.authorities.as_ref()) {
            let pem = authorities.expose().as_bytes();
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(setup)?);
        }
        if let Some(identity) = identity {
            builder = builder.identity(reqwest::Identity::from_pem(identity.expose().as_bytes()).map_err(setup)?);
        }
        let client = builder.build().map_err(setup)?;
        Ok(slot.get_or_init(|| client))
    }
}

fn setup(source: reqwest::Error) -> SourceError {
    SourceError::Setup { source }
}

/// What the clients have in common.
pub(super) fn builder(plan: &ClientPlan) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("lakeward/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(plan.connect_timeout)
        .read_timeout(plan.read_timeout)
        .pool_max_idle_per_host(plan.concurrency);
    // A proxy reaches its own loopback, not ours.
    if is_loopback(plan) { builder.no_proxy() } else { builder }
}

fn is_loopback(plan: &ClientPlan) -> bool {
    match plan.base_url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
