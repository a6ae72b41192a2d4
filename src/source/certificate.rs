//! What keeps a TLS connection from being made, from the types that rustls has for it, and host names that do not exist.
//!
//! HTTP clients wrap rustls' errors in [`io::Error`]s, whose `source` passes over what they hold: [`tls_error`] looks inside.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// The errors that `error` is made of, itself first.
pub(crate) fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| {
        let cause = *cause;
        cause.source()
    })
}

/// What TLS says, where it is what `error` is made of.
pub(crate) fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    causes(error).find_map(|cause| {
        let mut cause = cause;
        while let Some(inner) = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            cause = inner;
        }
        cause.downcast_ref::<rustls::Error>()
    })
}

/// The kind of the innermost I/O error, where one is what `error` is made of.
pub(super) fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    causes(error).find_map(|cause| {
        let mut found = cause.downcast_ref::<io::Error>()?;
        while let Some(inner) = found.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
            found = inner;
        }
        Some(found.kind())
    })
}

/// Whether what answered `https://` does not speak TLS.
pub(crate) fn is_plain(error: &(dyn Error + 'static)) -> bool {
    matches!(tls_error(error), Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// Whether what answered `http://` does not speak HTTP, as a port for TLS does not. The HTTP client has words for it only.
pub(crate) fn is_no_http(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.to_string() == "invalid HTTP version parsed")
}

/// Whether a server's words for a bad request are those of a port for TLS that was spoken to in plain HTTP: nginx, Apache, Go and Tomcat have such.
pub(crate) fn is_refusal_of_http(status: u16, said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    let names_http = ["plain http", "http request", "requires tls"].iter().any(|words| said.contains(words));
    status == 400 && names_http && ["https", "ssl", "tls"].iter().any(|words| said.contains(words))
}

/// What is wrong with the certificates of a TLS connection, the server's or the client's; `None` where that is not the fault.
pub(super) fn certificate_fault(error: &(dyn Error + 'static)) -> Option<Fault> {
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(fault) => Some(of_server(fault)),
        rustls::Error::AlertReceived(alert) => of_client(*alert),
        _ => None,
    }
}

/// A fault of certificates, and the way out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Behind the host's name.
    pub(super) words: String,
    /// For the operator.
    pub(super) advice: &'static str,
}

const NO_AUTHORITY: &str = "name the authority that signed it by `client.tls: {ca_certificate: \"${file:ca.pem}\"}`, and let the server send the certificates between; where public servers are not known either, install this machine's authorities (`ca-certificates`)";
const IS_AUTHORITY: &str = "let the server show a certificate that is not an authority's: `openssl req -x509` makes one with `-addext basicConstraints=critical,CA:FALSE`; then name it, or the authority that signed it, in `client.tls.ca_certificate`";
const RENEW: &str = "the server's certificate has to be renewed; is this machine's clock right?";
const REPLACE: &str = "the server needs another certificate: one of X.509 version 3 for its host name, for servers (`extendedKeyUsage=serverAuth`), signed with SHA-256 or better by an authority that this machine trusts or `client.tls.ca_certificate` names";
const OWN: &str = "write the client's own certificate as `client.tls: {certificate: \"${file:client.pem}\", key: \"${file:client.key}\"}`, one that the server's operator has signed or knows";

fn of_server(fault: &CertificateError) -> Fault {
    let (words, advice) = match fault {
        CertificateError::Expired => ("has expired".to_owned(), RENEW),
        CertificateError::ExpiredContext { time, not_after } => {
            (format!("expired {} ago", span(time.as_secs().saturating_sub(not_after.as_secs()))), RENEW)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet: is this machine's clock right?".to_owned(), RENEW)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "is for another host name".to_owned(),
            "write a name that the certificate has into `client.base_url`, or let the server show one for this name (`subjectAltName`; the `CN` does not count)",
        ),
        CertificateError::UnknownIssuer => ("is signed by no authority that this machine trusts".to_owned(), NO_AUTHORITY),
        CertificateError::Revoked => ("is revoked".to_owned(), REPLACE),
        CertificateError::BadSignature => (
            "has a signature that is not its authority's".to_owned(),
            "is `client.tls.ca_certificate` the authority of today? One that was made anew under the same name has another key",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ("is not for servers".to_owned(), REPLACE)
        }
        CertificateError::Other(other) => of_path(&format!("{:?}", other.0)),
        other => (format!("is not valid here ({})", name(&format!("{other:?}"))), REPLACE),
    };
    Fault { words, advice }
}

/// What webpki or the platform's verifier finds and rustls has no name for, by the name that they have.
fn of_path(fault: &str) -> (String, &'static str) {
    let words = match name(fault) {
        "CaUsedAsEndEntity" => return ("is an authority's own (`CA:TRUE`), which no server may show".to_owned(), IS_AUTHORITY),
        "EkuError" => "is not for servers",
        "EndEntityUsedAsCa" => "is signed by one that is no authority's (`CA:FALSE`)",
        "NameConstraintViolation" => "is for a name that its authority may not sign",
        "PathLenConstraintViolated" => "has more authorities above it than one of them allows",
        "UnsupportedCertVersion" => "is of an old version of X.509; version 3 is needed",
        other => return (format!("is not valid here ({other})"), REPLACE),
    };
    (words.to_owned(), REPLACE)
}

/// The name of an error without what it holds.
fn name(debug: &str) -> &str {
    debug.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

/// What a server says of the client's certificate, which is its right alone.
fn of_client(alert: AlertDescription) -> Option<Fault> {
    let words = match alert {
        AlertDescription::CertificateRequired => "is shown to clients with a certificate of their own only",
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => "is right, but the server does not accept the client's own certificate",
        _ => return None,
    };
    Some(Fault { words: words.to_owned(), advice: OWN })
}

fn span(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

/// Whether the resolver says that there is no such name, by the words of the C libraries; what else it says may pass.
pub(super) fn is_unknown_name(words: &str) -> bool {
    let lower = words.to_ascii_lowercase();
    ["name or service not known", "nodename nor servname", "name does not resolve", "no such host", "no address associated"]
        .iter()
        .any(|known| lower.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_22_faults_of_certificates_are_told_in_plain_words() {
        let check = |fault: CertificateError, expected: &str| {
            let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(fault));
            assert_eq!(certificate_fault(&io::Error::other(error)).unwrap().words, expected);
        };
        check(CertificateError::Expired, "has expired");
        check(CertificateError::UnknownIssuer, "is signed by no authority that this machine trusts");
        check(CertificateError::NotValidForName, "is for another host name");
        check(CertificateError::NotValidYet, "is not valid yet: is this machine's clock right?");
        check(CertificateError::BadSignature, "has a signature that is not its authority's");
        check(CertificateError::BadEncoding, "is not valid here (BadEncoding)");
        assert_eq!(certificate_fault(&io::Error::other("certificate expired")), None, "words alone say nothing");
        assert_eq!([span(1), span(259_200)], ["1 second", "3 days"]);
    }

    #[test]
    fn ports_of_the_other_kind_are_known() {
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert!(is_plain(&io::Error::new(io::ErrorKind::InvalidData, plain)));
        assert!(!is_plain(&io::Error::other("InvalidContentType")));
        for said in [
            "<center>The plain HTTP request was sent to HTTPS port</center>",
            "Client sent an HTTP request to an HTTPS server.",
            "You're speaking plain HTTP to an SSL-enabled server port.",
            "Bad Request\nThis combination of host and port requires TLS.",
        ] {
            assert!(is_refusal_of_http(400, said) && !is_refusal_of_http(500, said), "{said}");
        }
        assert!(!is_refusal_of_http(400, "write https:// links"));
    }

    #[test]
    fn e_22_an_unknown_name_is_told_from_a_resolver_that_is_away() {
        assert!(is_unknown_name("failed to lookup address information: Name or service not known"));
        assert!(is_unknown_name("failed to lookup address information: nodename nor servname provided, or not known"));
        assert!(!is_unknown_name("failed to lookup address information: Temporary failure in name resolution"));
    }
}
