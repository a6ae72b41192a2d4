//! Where a request may go, and where credentials may.
//!
//! Credentials go to `base_url`'s origin and the hosts of `auth.hosts`. Redirects and next links lead there, to the endpoint's
//! own origin, and to `client.allow_hosts`. An `https` API is never left for `http`.

use url::{Origin, Url};

use crate::config::{AuthPlan, ClientPlan};

/// The hosts that one resource may reach.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    base: Url,
    endpoint: Origin,
    allowed: Vec<String>,
    trusted: Vec<String>,
}

impl Reach {
    /// The reach of an endpoint at `endpoint`, whose credentials are `auth`.
    pub(super) fn new(client: &ClientPlan, endpoint: &Url, auth: Option<&AuthPlan>) -> Self {
        let trusted = auth.map(|auth| auth.hosts().to_vec()).unwrap_or_default();
        Self { base: client.base_url.clone(), endpoint: endpoint.origin(), allowed: client.allow_hosts.clone(), trusted }
    }

    /// Whether a redirect or link found at `from` may lead to `to`.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub(super) fn follow(&self, from: &Url, to: &Url) -> Result<(), &'static str> {
        if !matches!(to.scheme(), "http" | "https") {
            return Err("only http and https are followed");
        }
        if from.scheme() == "https" && to.scheme() == "http" {
            return Err("it would leave https for http");
        }
        let known = self.trusts(to) || to.origin() == self.endpoint || listed(&self.allowed, to);
        if known { Ok(()) } else { Err("it is another host; list it in `client.allow_hosts` if it belongs to the API") }
    }

    /// Whether `to` may be given the credentials.
    pub(super) fn trusts(&self, to: &Url) -> bool {
        let weaker = self.base.scheme() == "https" && to.scheme() == "http";
        !weaker && (to.origin() == self.base.origin() || upgraded(&self.base, to) || listed(&self.trusted, to))
    }

    /// Whether `to` is the endpoint's own origin, to which the endpoint's own headers go.
    pub(super) fn is_endpoint(&self, to: &Url) -> bool {
        to.origin() == self.endpoint
    }
}

/// The same host on https instead of http, both at their default ports.
fn upgraded(base: &Url, to: &Url) -> bool {
    base.scheme() == "http" && to.scheme() == "https" && base.host() == to.host() && base.port().is_none() && to.port().is_none()
}

/// `host` stands for the scheme's default port, `host:port` for that one.
fn listed(hosts: &[String], url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    hosts.iter().any(|entry| match (url.port(), entry.eq_ignore_ascii_case(host)) {
        (None, true) => true,
        _ => url.port_or_known_default().is_some_and(|port| entry.eq_ignore_ascii_case(&format!("{host}:{port}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(base: &str) -> Reach {
        let base: Url = base.parse().unwrap();
        Reach {
            endpoint: base.origin(),
            base,
            allowed: vec!["files.test".into(), "dev.test:8080".into()],
            trusted: vec!["auth.test".into()],
        }
    }

    fn check(base: &str, to: &str, expected: &str) {
        let (reach, from, to) = (reach(base), base.parse().unwrap(), to.parse().unwrap());
        let got = match reach.follow(&from, &to) {
            Ok(()) if reach.trusts(&to) => "with credentials",
            Ok(()) => "bare",
            Err(_) => "refused",
        };
        assert_eq!(got, expected, "{to}");
    }

    #[test]
    fn credentials_go_to_the_configured_origin_and_listed_hosts_only() {
        check("https://api.test/v1", "https://api.test/v2?x=1", "with credentials");
        check("https://api.test/v1", "https://auth.test/", "with credentials");
        check("https://api.test/v1", "https://files.test/", "bare");
        check("https://api.test/v1", "https://dev.test:8080/", "bare");
        check("https://api.test/v1", "https://dev.test/", "refused");
        check("https://api.test/v1", "https://files.test:444/", "refused");
        check("https://api.test/v1", "https://api.test:8443/", "refused");
        check("https://api.test/v1", "https://evil.test/", "refused");
        check("https://api.test/v1", "https://api.test.evil.test/", "refused");
    }

    #[test]
    fn the_scheme_never_falls() {
        check("https://api.test/v1", "http://api.test/v1", "refused");
        check("https://api.test/v1", "http://auth.test/v1", "refused");
        check("https://api.test/v1", "file:///etc/passwd", "refused");
        check("http://api.test/v1", "https://api.test/v1", "with credentials");
        check("http://api.test:81/v1", "https://api.test/v1", "refused");
    }
}
