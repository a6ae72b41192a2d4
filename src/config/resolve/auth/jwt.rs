//! `type: oauth2_jwt`: a signature is made here, so that a key that cannot make one is told with its place.

use serde_json::Map;

use crate::base::Secret;
use crate::config::raw::{self, Field};
use crate::config::resolve::auth::token::{Common, scopes, whole_url};
use crate::config::resolve::auth::{credential, headers};
use crate::config::resolve::{Context, tls};
use crate::config::tree::NodeId;
use crate::config::{Grant, JwtAlgorithm, JwtPlan, Problem, TokenPlan};

/// The settled plan; `None` after a fault.
pub(crate) fn resolve(cx: Context<'_>, id: NodeId, auth: &raw::JwtAuth) -> Option<TokenPlan> {
    let client_id = credential(cx, id, &auth.client_id, "client_id", "the client's name", false);
    let meaning = "the token endpoint, such as `https://auth.example.com/oauth/token`";
    let endpoint = cx.required(&auth.auth_endpoint, id, "auth_endpoint", meaning);
    let url = endpoint.and_then(|(id, text)| whole_url(cx, id, text));
    let algorithm = auth.algorithm.get().map_or(JwtAlgorithm::Rs256, |algorithm| algorithm_of(*algorithm));
    let key = private_key(cx, id, auth, algorithm);
    let scopes = scopes(cx, &auth.scopes);
    let headers = headers(cx, &auth.headers, &mut |_, _, secret| Some(secret.clone()));
    let common = Common::resolve(cx, &auth.default_token_expiration, &auth.expired_when, &auth.hosts);
    let (client_id, endpoint) = (client_id?.expose().to_owned(), endpoint?.1.trim().to_owned());
    let claim = |field: &Field<String>, default: &str| cx.filled(field, default);
    Some(common.plan(Grant::Jwt(JwtPlan {
        url: url?,
        key: key?,
        algorithm,
        key_id: auth.key_id.get().filter(|id| !id.trim().is_empty()).cloned(),
        issuer: claim(&auth.issuer, &client_id),
        subject: claim(&auth.subject, &client_id),
        audience: claim(&auth.audience, &endpoint),
        scopes,
        headers,
    })))
}

fn private_key(cx: Context<'_>, parent: NodeId, auth: &raw::JwtAuth, algorithm: JwtAlgorithm) -> Option<Secret> {
    let (id, raw::Credential(key)) = cx.required(&auth.private_key, parent, "private_key", "the private key in PEM")?;
    if let Some(advice) = tls::decrypting(key.expose()) {
        cx.reader.conflict(id, advice);
        return None;
    }
    if let Some((id, _)) = auth.private_key_passphrase.set() {
        cx.reader.conflict(id, "the private key is not encrypted, so that a passphrase has no use; leave it out");
    }
    if !key.expose().contains("PRIVATE KEY-----") {
        let found = if key.expose().trim().is_empty() { "empty text" } else { "other text" };
        let expected = "a private key in PEM, `-----BEGIN PRIVATE KEY-----` and so on".to_owned();
        cx.fault(id, Problem::Wrong { expected, found: found.to_owned() });
        return None;
    }
    if algorithm.sign(key, None, Map::new()).is_err() {
        let name = algorithm.name();
        cx.reader.conflict(
            id,
            format!("this private key cannot sign with {name}: it is damaged, or of another kind than `algorithm`"),
        );
        return None;
    }
    Some(key.clone())
}

fn algorithm_of(algorithm: raw::JwtAlgorithm) -> JwtAlgorithm {
    match algorithm {
        raw::JwtAlgorithm::RS256 => JwtAlgorithm::Rs256,
        raw::JwtAlgorithm::RS384 => JwtAlgorithm::Rs384,
        raw::JwtAlgorithm::RS512 => JwtAlgorithm::Rs512,
        raw::JwtAlgorithm::PS256 => JwtAlgorithm::Ps256,
        raw::JwtAlgorithm::PS384 => JwtAlgorithm::Ps384,
        raw::JwtAlgorithm::PS512 => JwtAlgorithm::Ps512,
        raw::JwtAlgorithm::ES256 => JwtAlgorithm::Es256,
        raw::JwtAlgorithm::ES384 => JwtAlgorithm::Es384,
        raw::JwtAlgorithm::EdDSA => JwtAlgorithm::EdDsa,
    }
}
