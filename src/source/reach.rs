//! Where a request may go, and where credentials may.
//!
//! Credentials go to `base_url`'s origin and the hosts of `auth.hosts`. Redirects and next links lead there, to the endpoint's
//! own origin, and to `client.allow_hosts`; to a private address only where the API's own is one, to a link-local one never. An `https` API is never left for `http`.

use std::net::Ipv4Addr;

use url::{Host, Origin, Url};

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
        let is_own = to.origin() == self.base.origin() || to.origin() == self.endpoint;
        match (locality(&self.base), locality(to)) {
            _ if is_own => {}
            (_, Locality::Link) => return Err("link-local and metadata addresses are never followed"),
            (Locality::Public, Locality::Private) => return Err("it is a private address, and `client.base_url` is not"),
            _ => {}
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

/// How far away a host is, going by its name or address as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Locality {
    /// Link-local, or a cloud's metadata service: it answers with credentials to whoever asks.
    Link,
    /// Loopback, a private network, or nowhere.
    Private,
    Public,
}

fn locality(url: &Url) -> Locality {
    match url.host() {
        Some(Host::Ipv4(address)) => locality_of(address),
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(address) => locality_of(address),
            None if address.is_unicast_link_local() || address.segments() == METADATA_V6 => Locality::Link,
            None if address.is_loopback() || address.is_unspecified() || address.is_unique_local() => Locality::Private,
            None => Locality::Public,
        },
        Some(Host::Domain(name)) => match name.trim_end_matches('.') {
            "metadata.google.internal" | "metadata" => Locality::Link,
            name if name == "localhost" || name.ends_with(".localhost") => Locality::Private,
            _ => Locality::Public,
        },
        None => Locality::Private,
    }
}

/// `fd00:ec2::254`, the metadata service of AWS.
const METADATA_V6: [u16; 8] = [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254];

fn locality_of(address: Ipv4Addr) -> Locality {
    let octets = address.octets();
    let is_shared = octets[0] == 100 && (64..128).contains(&octets[1]);
    if address.is_link_local() || octets == [100, 100, 100, 200] {
        Locality::Link
    } else if address.is_private() || address.is_loopback() || address.is_unspecified() || is_shared {
        Locality::Private
    } else {
        Locality::Public
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
            allowed: ["files.test", "dev.test:8080", "10.0.0.5", "[fd00::5]", "localhost", "169.254.169.254", "93.184.216.34"]
                .map(String::from)
                .to_vec(),
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

    #[test]
    fn e_85_private_addresses_are_reached_from_private_ones_only() {
        for to in ["http://10.0.0.5/", "http://[fd00::5]/", "http://localhost/", "http://[::ffff:10.0.0.5]/"] {
            check("http://api.test/v1", to, "refused");
        }
        check("http://api.test/v1", "http://93.184.216.34/", "bare");
        check("http://192.168.1.2/v1", "http://10.0.0.5/", "bare");
        check("http://127.0.0.1:80/v1", "http://localhost/", "bare");
        check("http://192.168.1.2/v1", "http://192.168.1.2/next", "with credentials");
        for base in ["http://api.test/v1", "http://127.0.0.1/v1"] {
            check(base, "http://169.254.169.254/latest", "refused");
        }
        check("http://169.254.169.254/v1", "http://169.254.169.254/next", "with credentials");
    }
}
