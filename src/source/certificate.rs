//! What keeps a TLS connection from being made, from the types that rustls has for it, and host names that do not exist.
//!
//! HTTP clients wrap rustls' errors in [`io::Error`]s, whose `source` passes over what they hold: [`tls_error`] looks inside.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage};

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

/// What is wrong with a server's certificate; `None` where that is not the fault.
pub(super) fn certificate_fault(error: &(dyn Error + 'static)) -> Option<String> {
    let Some(rustls::Error::InvalidCertificate(fault)) = tls_error(error) else { return None };
    Some(words(fault))
}

fn words(fault: &CertificateError) -> String {
    match fault {
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("expired {} ago", span(time.as_secs().saturating_sub(not_after.as_secs())))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: is this machine's clock right?".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host name".to_owned()
        }
        CertificateError::UnknownIssuer => "is signed by no authority that this machine trusts".to_owned(),
        CertificateError::Revoked => "is revoked".to_owned(),
        _ => "is not valid here".to_owned(),
    }
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
            assert_eq!(certificate_fault(&io::Error::other(error)).as_deref(), Some(expected));
        };
        check(CertificateError::Expired, "has expired");
        check(CertificateError::UnknownIssuer, "is signed by no authority that this machine trusts");
        check(CertificateError::NotValidForName, "is for another host name");
        check(CertificateError::NotValidYet, "is not valid yet: is this machine's clock right?");
        check(CertificateError::BadSignature, "is not valid here");
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
