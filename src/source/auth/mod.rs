//! Credentials: from the plan to what a request carries.
//!
//! Those that the config has stand here; those that are obtained while the run goes on come from [`TokenSource`]. Both go to trusted
//! hosts only, which [`crate::source::reach`] knows.

mod answer;
mod exchange;
mod fault;
mod grant;
mod keep;
mod token;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::base::Secret;
use crate::config::{AuthPlan, KeyLocation};
use crate::source::SourceError;
use crate::source::auth::token::{Token, TokenSource};

pub(crate) use fault::TokenFault;
pub(super) use token::{Means, Tokens};

/// What a trusted host is given with every request.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    header: Option<(HeaderName, HeaderValue)>,
    cookie: Option<HeaderValue>,
    query: Option<(String, Secret)>,
    secret: Option<Secret>,
    token: Option<Arc<TokenSource>>,
}

/// Tokens of others that one request is tried again with, after the one that was obtained for it was replaced.
const RENEWALS_MAX: u32 = 3;

/// What one request is sent with, attempt by attempt, besides what never changes.
#[derive(Default)]
pub(super) struct Bearing {
    token: Option<Arc<Token>>,
    /// How often another token was taken because the API refused the one before it.
    renewals: u32,
}

impl Credentials {
    /// # Errors
    /// [`SourceError::BadHeader`] when they cannot be written in a header.
    pub(super) fn new(auth: Option<&AuthPlan>, tokens: &Tokens) -> Result<Self, SourceError> {
        match auth {
            Some(AuthPlan::Token(plan)) => Ok(Self { token: Some(tokens.source(plan)?), ..Self::default() }),
            _ => Self::fixed(auth),
        }
    }

    /// Those that the config has.
    fn fixed(auth: Option<&AuthPlan>) -> Result<Self, SourceError> {
        let secret = auth.and_then(|auth| match auth {
            AuthPlan::ApiKey { key: secret, .. }
            | AuthPlan::Bearer { token: secret, .. }
            | AuthPlan::HttpBasic { password: secret, .. } => Some(secret.clone()),
            AuthPlan::Token(_) => None,
        });
        let mut credentials = Self { secret: secret.filter(|secret| !secret.expose().is_empty()), ..Self::default() };
        match auth {
            None | Some(AuthPlan::Token(_)) => {}
            Some(AuthPlan::Bearer { token, .. }) => {
                credentials.header = Some((AUTHORIZATION, hidden(&format!("Bearer {}", token.expose()), "the bearer token")?));
            }
            Some(AuthPlan::HttpBasic { username, password, .. }) => {
                let value = format!("Basic {}", basic(username, password));
                credentials.header = Some((AUTHORIZATION, hidden(&value, "the user name")?));
            }
            Some(AuthPlan::ApiKey { name, key, location: KeyLocation::Header, .. }) => {
                credentials.header = Some((header_name(name)?, hidden(key.expose(), "the API key")?));
            }
            Some(AuthPlan::ApiKey { name, key, location: KeyLocation::Cookie, .. }) => {
                credentials.cookie = Some(hidden(&format!("{name}={}", key.expose()), "the API key")?);
            }
            Some(AuthPlan::ApiKey { name, key, location: KeyLocation::Query, .. }) => {
                credentials.query = Some((name.clone(), key.clone()));
            }
        }
        Ok(credentials)
    }

    /// Sees to it that `bearing` has a token, where one is needed.
    ///
    /// # Errors
    /// [`SourceError::Token`], or [`SourceError::Cancelled`].
    pub(super) async fn take(&self, bearing: &mut Bearing, resource: &Arc<str>) -> Result<(), SourceError> {
        let Some(source) = &self.token else { return Ok(()) };
        bearing.token = Some(source.token(resource).await.map_err(|fault| match fault {
            TokenFault::Cancelled => SourceError::Cancelled { resource: resource.to_string() },
            fault => SourceError::Token { resource: resource.to_string(), fault: Box::new(fault) },
        })?);
        Ok(())
    }

    /// Takes the token out of use that the API refused with these `headers`, so that the next attempt has another.
    ///
    /// # Errors
    /// The token's age, when another one would change nothing.
    pub(super) fn renew(&self, bearing: &mut Bearing, headers: &HeaderMap, now: Instant) -> Result<(), Duration> {
        let is_final = self.is_refusal_final(bearing);
        let (Some(source), Some(token)) = (&self.token, bearing.token.take()) else { return Err(Duration::ZERO) };
        if is_final {
            return Err(token.age(now));
        }
        bearing.renewals += 1;
        source.reject(&token, headers);
        Ok(())
    }

    /// Whether a refusal of the token in `bearing` is about the request and not about its age: it was renewed for this very request. Where
    /// somebody else has renewed it since, which ends the older one at some APIs, the newer one is tried too.
    pub(super) fn is_refusal_final(&self, bearing: &Bearing) -> bool {
        let (Some(source), Some(token)) = (&self.token, &bearing.token) else { return true };
        bearing.renewals >= RENEWALS_MAX || bearing.renewals > 0 && source.is_newest(token)
    }

    /// Whether an answer to a request with these credentials tells that its token has expired.
    pub(super) fn is_sign_of_expiry(&self, status: u16, body: &[u8]) -> bool {
        self.token.as_ref().is_some_and(|source| source.is_sign_of_expiry(status, body))
    }

    /// Whether there is a token that can be renewed.
    pub(super) fn can_be_renewed(&self) -> bool {
        self.token.is_some()
    }

    /// Writes them into a request, over whatever stands in their place.
    pub(super) fn apply(&self, url: &mut Url, headers: &mut HeaderMap, bearing: &Bearing) {
        let of_token = bearing.token.as_ref().and_then(|token| token.header_for(url));
        if let Some((name, value)) = of_token.filter(|(name, _)| *name != COOKIE) {
            headers.insert(name.clone(), value.clone());
        }
        if let Some((_, value)) = of_token.filter(|(name, _)| *name == COOKIE) {
            add_cookie(headers, value);
        }
        if let Some((name, value)) = &self.header {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(value) = &self.cookie {
            add_cookie(headers, value);
        }
        if let Some((name, key)) = &self.query {
            remove_parameters(url, |key, _| key == name);
            url.query_pairs_mut().append_pair(name, key.expose());
        }
    }

    /// Removes the credential from a URL in which a server echoes it, so that it goes to no other host.
    pub(super) fn strip(&self, url: &mut Url) {
        if let Some(secret) = &self.secret {
            remove_parameters(url, |_, value| value == secret.expose());
        }
        if let Some(source) = &self.token {
            remove_parameters(url, |_, value| source.learned.has(value));
        }
    }

    /// Whether there are any.
    pub(super) fn are_given(&self) -> bool {
        self.header.is_some() || self.cookie.is_some() || self.query.is_some() || self.token.is_some()
    }
}

/// Removes the query parameters whose name and value are `unwanted`, leaving the others exactly as they are spelled.
pub(super) fn remove_parameters(url: &mut Url, unwanted: impl Fn(&str, &str) -> bool) {
    let Some(query) = url.query() else { return };
    let is_wanted = |pair: &&str| !url::form_urlencoded::parse(pair.as_bytes()).any(|(name, value)| unwanted(&name, &value));
    let kept: Vec<&str> = query.split('&').filter(is_wanted).collect();
    if kept.len() < query.split('&').count() {
        let kept = kept.join("&");
        url.set_query(if kept.is_empty() { None } else { Some(&kept) });
    }
}

/// A header name of the config.
///
/// # Errors
/// [`SourceError::BadHeader`].
pub(super) fn header_name(name: &str) -> Result<HeaderName, SourceError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| SourceError::BadHeader { what: format!("`{name}`") })
}

/// A header value that no log shows; `what` names it in errors.
///
/// # Errors
/// [`SourceError::BadHeader`].
pub(super) fn hidden(value: &str, what: &str) -> Result<HeaderValue, SourceError> {
    let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| SourceError::BadHeader { what: what.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

/// User name and password as RFC 7617 writes them after `Basic `.
pub(super) fn basic(username: &str, password: &Secret) -> String {
    STANDARD.encode(format!("{username}:{}", password.expose()))
}

fn add_cookie(headers: &mut HeaderMap, value: &HeaderValue) {
    let joined = headers.get(COOKIE).and_then(|old| {
        let mut both = HeaderValue::from_bytes(&[old.as_bytes(), b"; ", value.as_bytes()].concat()).ok()?;
        both.set_sensitive(true);
        Some(both)
    });
    headers.insert(COOKIE, joined.unwrap_or_else(|| value.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(auth: AuthPlan, url: &str, expected: &str) {
        let (mut url, mut headers) = (url.parse::<Url>().unwrap(), HeaderMap::new());
        headers.insert(COOKIE, "a=b".parse().unwrap());
        Credentials::fixed(Some(&auth)).unwrap().apply(&mut url, &mut headers, &Bearing::default());
        let auth = headers.get("authorization").map_or("", |v| v.to_str().unwrap());
        assert_eq!(format!("{url} [{auth}] [{}]", headers[COOKIE].to_str().unwrap()), expected);
    }

    fn key(location: KeyLocation) -> AuthPlan {
        let name = if location == KeyLocation::Header { "Authorization" } else { "api_key" };
        AuthPlan::ApiKey { name: name.into(), key: Secret::new("s&k"), location, hosts: vec![] }
    }

    #[test]
    fn credentials_stand_where_the_api_looks_for_them() {
        check(key(KeyLocation::Header), "http://a.test/?x=1", "http://a.test/?x=1 [s&k] [a=b]");
        check(key(KeyLocation::Query), "http://a.test/?x=1", "http://a.test/?x=1&api_key=s%26k [] [a=b]");
        check(key(KeyLocation::Query), "http://a.test/?api_key=old&x=%20", "http://a.test/?x=%20&api_key=s%26k [] [a=b]");
        check(key(KeyLocation::Cookie), "http://a.test/", "http://a.test/ [] [a=b; api_key=s&k]");
        check(AuthPlan::Bearer { token: Secret::new("t"), hosts: vec![] }, "http://a.test/", "http://a.test/ [Bearer t] [a=b]");
    }

    #[test]
    fn basic_credentials_are_base64() {
        assert_eq!(basic("Aladdin", &Secret::new("open sesame")), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let plan = AuthPlan::HttpBasic { username: "u".into(), password: Secret::new("ü"), hosts: vec![] };
        check(plan, "http://a.test/", "http://a.test/ [Basic dTrDvA==] [a=b]");
    }

    #[test]
    fn a_key_with_a_line_break_is_refused_without_being_shown() {
        let error = Credentials::fixed(Some(&AuthPlan::Bearer { token: Secret::new("a\nb"), hosts: vec![] })).unwrap_err();
        assert!(error.to_string().starts_with("the bearer token cannot be sent"), "{error}");
    }
}
