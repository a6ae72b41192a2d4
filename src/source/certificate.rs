//! Faults of TLS certificates and host names that waiting does not mend, in plain words.

/// What is wrong with a certificate, from rustls' words for it.
pub(super) fn certificate_fault(words: &str) -> String {
    let lower = words.to_ascii_lowercase();
    let ago = lower.split_once('(').and_then(|(_, rest)| rest.split_once(" seconds ago")).and_then(|(text, _)| {
        let number = text.rsplit(['(', ' ']).next()?;
        number.parse::<u64>().ok()
    });
    match ago {
        Some(seconds) if lower.contains("expired") => format!("expired {} ago", span(seconds)),
        _ if lower.contains("expired") => "has expired".to_owned(),
        _ if lower.contains("notvalidyet") || lower.contains("not valid yet") => {
            "is not valid yet: is this machine's clock right?".to_owned()
        }
        _ if lower.contains("notvalidforname") || lower.contains("not valid for name") || lower.contains("not valid for") => {
            "is for another host name".to_owned()
        }
        _ if lower.contains("unknownissuer") || lower.contains("unknown issuer") => {
            "is signed by no authority that this machine trusts".to_owned()
        }
        _ if lower.contains("revoked") => "is revoked".to_owned(),
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
        let check = |words: &str, expected: &str| assert_eq!(certificate_fault(words), expected, "{words}");
        check("invalid peer certificate: Expired", "has expired");
        check(
            "invalid peer certificate: certificate expired: verification time 1764112980 (UNIX), but certificate is not valid after 1763853780 (259200 seconds ago)",
            "expired 3 days ago",
        );
        check("invalid peer certificate: UnknownIssuer", "is signed by no authority that this machine trusts");
        check("invalid peer certificate: certificate not valid for name \"a.test\"", "is for another host name");
        check("invalid peer certificate: NotValidYet", "is not valid yet: is this machine's clock right?");
        check("invalid peer certificate: BadSignature", "is not valid here");
    }

    #[test]
    fn e_22_an_unknown_name_is_told_from_a_resolver_that_is_away() {
        assert!(is_unknown_name("failed to lookup address information: Name or service not known"));
        assert!(is_unknown_name("failed to lookup address information: nodename nor servname provided, or not known"));
        assert!(!is_unknown_name("failed to lookup address information: Temporary failure in name resolution"));
    }
}
