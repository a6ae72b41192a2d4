//! `client.tls`: certificates, tried out here so that a wrong one is told with its place.

use crate::base::{Secret, http_client};
use crate::config::raw::{self, Credential, Field};
use crate::config::resolve::Context;
use crate::config::tree::NodeId;
use crate::config::{Problem, TlsPlan};

/// The settled certificates; `None` after a fault.
pub(crate) fn resolve(cx: Context<'_>, id: NodeId, tls: &raw::Tls) -> Option<TlsPlan> {
    let authorities = match pem(&tls.ca_certificate) {
        Some((id, pem)) => Some(authorities(cx, id, pem)?),
        None => None,
    };
    let identity = match (pem(&tls.certificate), pem(&tls.key)) {
        (Some((id, certificate)), key) => Some(identity(cx, id, certificate, key)?),
        (None, Some((id, _))) => {
            cx.reader.conflict(id, "a private key needs its certificate; write `tls.certificate` too");
            return None;
        }
        (None, None) => None,
    };
    if identity.is_none() && authorities.is_none() && !names_any(tls) {
        cx.reader.missing(id, "certificate", "the client's own certificate, or `ca_certificate` for the server's");
        return None;
    }
    Some(TlsPlan { identity, authorities })
}

/// Whether a certificate is named; one that is and cannot be had is a fault already.
fn names_any(tls: &raw::Tls) -> bool {
    [&tls.ca_certificate, &tls.certificate, &tls.key].iter().any(|field| !matches!(field, Field::Absent | Field::Null(_)))
}

fn pem(field: &Field<Credential>) -> Option<(NodeId, &Secret)> {
    field.set().map(|(id, Credential(secret))| (id, secret))
}

fn authorities(cx: Context<'_>, id: NodeId, pem: &Secret) -> Option<Secret> {
    let certificates = reqwest::Certificate::from_pem_bundle(pem.expose().as_bytes()).unwrap_or_default();
    let are_usable = !certificates.is_empty() && http_client().tls_certs_only(certificates).build().is_ok();
    if !are_usable {
        wrong(cx, id, "certificates in PEM, `-----BEGIN CERTIFICATE-----` and so on", pem);
    }
    are_usable.then(|| pem.clone())
}

fn identity(cx: Context<'_>, id: NodeId, certificate: &Secret, key: Option<(NodeId, &Secret)>) -> Option<Secret> {
    let (key_id, key_text) = key.map_or((id, certificate.expose()), |(id, key)| (id, key.expose()));
    if let Some(advice) = decrypting(key_text) {
        cx.reader.conflict(key_id, advice);
        return None;
    }
    if !certificate.expose().contains("-----BEGIN CERTIFICATE-----") {
        wrong(cx, id, "a certificate in PEM, `-----BEGIN CERTIFICATE-----` and so on", certificate);
        return None;
    }
    if !key_text.contains("PRIVATE KEY-----") {
        match key {
            Some((id, key)) => wrong(cx, id, "a private key in PEM, `-----BEGIN PRIVATE KEY-----` and so on", key),
            None => cx.reader.conflict(id, "the certificate's private key is missing; write `tls.key`"),
        }
        return None;
    }
    let both = match key {
        Some((_, key)) => Secret::new(format!("{}\n{}\n", certificate.expose().trim(), key.expose().trim())),
        None => certificate.clone(),
    };
    let identity = reqwest::Identity::from_pem(both.expose().as_bytes());
    let fits = identity.and_then(|identity| http_client().tls_certs_only([]).identity(identity).build()).is_ok();
    if !fits {
        cx.reader
            .conflict(id, "this certificate and its private key cannot be used together: one is damaged, or they are not a pair");
    }
    fits.then_some(both)
}

fn wrong(cx: Context<'_>, id: NodeId, expected: &str, found: &Secret) {
    let found = if found.expose().trim().is_empty() { "empty text" } else { "other text" };
    cx.fault(id, Problem::Wrong { expected: expected.to_owned(), found: found.to_owned() });
}

/// What to do about a private key that is encrypted; `None` when it is not.
pub(crate) fn decrypting(pem: &str) -> Option<&'static str> {
    let is_encrypted = pem.contains("BEGIN ENCRYPTED PRIVATE KEY") || pem.contains("Proc-Type: 4,ENCRYPTED");
    is_encrypted.then_some(
        "the private key is encrypted, which is not read; decrypt it with `openssl pkey -in key.pem -out key.plain.pem`, keep that file safe, and name it here",
    )
}
