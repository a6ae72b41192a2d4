//! The request for a token. Pure: plan, refresh token and time in, a request out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Map;
use url::Url;

use crate::base::Secret;
use crate::config::{Grant, JwtFault, JwtPlan, LoginBody, LoginPlan, Method, OAuthClient, TokenPlan};
use crate::source::SourceError;
use crate::source::auth::{header_name, hidden};

/// Life of an assertion, dlt's.
const ASSERTION_SECONDS: i64 = 3600;
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// RFC 7523 §2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A request for a token.
pub(super) struct TokenRequest {
    pub(super) method: reqwest::Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    /// What it carries that the config does not have.
    pub(super) secrets: Vec<Secret>,
}

/// Where a plan's token comes from.
pub(super) fn endpoint(plan: &TokenPlan) -> &Url {
    match &plan.grant {
        Grant::ClientCredentials { client, .. } | Grant::RefreshToken { client, .. } => &client.url,
        Grant::Jwt(jwt) => &jwt.url,
        Grant::Login(login) => &login.url,
    }
}

/// The request of `plan`. `refresh_token` is the one that counts; `now` is the server's time.
///
/// # Errors
/// [`SourceError::BadHeader`] when something of the config cannot be sent in a header.
pub(super) fn request(plan: &TokenPlan, refresh_token: Option<&Secret>, now: DateTime<Utc>) -> Result<TokenRequest, SourceError> {
    match &plan.grant {
        Grant::ClientCredentials { client, .. } => oauth(client, "client_credentials", None),
        Grant::RefreshToken { client, refresh_token: of_config, .. } => {
            oauth(client, "refresh_token", Some(refresh_token.unwrap_or(of_config)))
        }
        Grant::Jwt(jwt) => assertion_request(jwt, now),
        Grant::Login(login) => login_request(login),
    }
}

fn oauth(client: &OAuthClient, grant: &str, refresh_token: Option<&Secret>) -> Result<TokenRequest, SourceError> {
    let mut headers = standard_headers(FORM);
    let mut fields: Vec<(&str, &str)> = Vec::new();
    let secret = client.secret.as_ref().map(Secret::expose);
    if client.in_header {
        // RFC 6749 §2.3.1: both are encoded as in a form first.
        let encoded = |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let pair = format!("{}:{}", encoded(client.id.expose()), encoded(secret.unwrap_or_default()));
        headers.insert(AUTHORIZATION, hidden(&format!("Basic {}", STANDARD.encode(pair)), "the client's name")?);
    } else {
        fields.push(("client_id", client.id.expose()));
        fields.extend(secret.map(|secret| ("client_secret", secret)));
    }
    fields.push(("grant_type", grant));
    fields.extend(refresh_token.map(|token| ("refresh_token", token.expose())));
    let scope = client.scopes.join(" ");
    if !scope.is_empty() {
        fields.push(("scope", &scope));
    }
    for (name, value) in &client.data {
        fields.retain(|(other, _)| other != name);
        fields.push((name, value.expose()));
    }
    let secrets = refresh_token.cloned().into_iter().collect();
    Ok(TokenRequest { method: reqwest::Method::POST, url: client.url.clone(), headers, body: Some(form(&fields)), secrets })
}

fn assertion_request(plan: &JwtPlan, now: DateTime<Utc>) -> Result<TokenRequest, SourceError> {
    let assertion = assertion(plan, now).map_err(|_| SourceError::BadHeader { what: "the signed assertion".to_owned() })?;
    let body = form(&[("grant_type", JWT_BEARER), ("assertion", &assertion)]);
    let mut headers = standard_headers(FORM);
    add_headers(&mut headers, &plan.headers)?;
    let secrets = vec![Secret::new(assertion)];
    Ok(TokenRequest { method: reqwest::Method::POST, url: plan.url.clone(), headers, body: Some(body), secrets })
}

/// A JWT (RFC 7523 §3), valid from `now` on.
fn assertion(plan: &JwtPlan, now: DateTime<Utc>) -> Result<String, JwtFault> {
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), plan.issuer.as_str().into());
    claims.insert("sub".to_owned(), plan.subject.as_str().into());
    claims.insert("aud".to_owned(), plan.audience.as_str().into());
    claims.insert("iat".to_owned(), now.timestamp().into());
    claims.insert("exp".to_owned(), (now.timestamp() + ASSERTION_SECONDS).into());
    if !plan.scopes.is_empty() {
        claims.insert("scope".to_owned(), plan.scopes.join(" ").into());
    }
    plan.algorithm.sign(&plan.key, plan.key_id.as_deref(), claims)
}

fn login_request(plan: &LoginPlan) -> Result<TokenRequest, SourceError> {
    let (body, kind) = match &plan.body {
        LoginBody::None => (None, None),
        LoginBody::Json(text, _) => (Some(Bytes::from(text.expose().to_owned())), Some(JSON)),
        LoginBody::Form(fields) => {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
            (Some(form(&fields)), Some(FORM))
        }
    };
    let mut headers = HeaderMap::new();
    match kind {
        Some(kind) => headers = standard_headers(kind),
        None => {
            headers.insert(ACCEPT, JSON);
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    add_headers(&mut headers, &plan.headers)?;
    let method = match plan.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    Ok(TokenRequest { method, url: plan.url.clone(), headers, body, secrets: Vec::new() })
}

fn standard_headers(content_type: HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, JSON), (ACCEPT_ENCODING, HeaderValue::from_static("gzip")), (CONTENT_TYPE, content_type)])
}

fn add_headers(headers: &mut HeaderMap, plan: &[(String, Secret)]) -> Result<(), SourceError> {
    for (name, value) in plan {
        headers.insert(header_name(name)?, hidden(value.expose(), &format!("the value of `{name}`"))?);
    }
    Ok(())
}

fn form(fields: &[(&str, &str)]) -> Bytes {
    Bytes::from(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
}
