//! Credentials: from the plan to what a request carries.

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::base::Secret;
use crate::config::{AuthPlan, KeyLocation};
use crate::source::SourceError;

/// What a trusted host is given with every request.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    header: Option<(HeaderName, HeaderValue)>,
    cookie: Option<HeaderValue>,
    query: Option<(String, Secret)>,
    secret: Option<Secret>,
}

impl Credentials {
    /// # Errors
    /// [`SourceError::BadHeader`] when they cannot be written in a header.
    pub(super) fn new(auth: Option<&AuthPlan>) -> Result<Self, SourceError> {
        let secret = auth.map(|auth| match auth {
            AuthPlan::ApiKey { key: secret, .. }
            | AuthPlan::Bearer { token: secret, .. }
            | AuthPlan::HttpBasic { password: secret, .. } => secret.clone(),
        });
        let mut credentials = Self { secret: secret.filter(|secret| !secret.expose().is_empty()), ..Self::default() };
        match auth {
            None => {}
            Some(AuthPlan::Bearer { token, .. }) => {
                credentials.header = Some((AUTHORIZATION, hidden(&format!("Bearer {}", token.expose()), "the bearer token")?));
            }
            Some(AuthPlan::HttpBasic { username, password, .. }) => {
                let value = format!("Basic {}", base64(format!("{username}:{}", password.expose()).as_bytes()));
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

    /// Writes them into a request, over whatever stands in their place.
    pub(super) fn apply(&self, url: &mut Url, headers: &mut HeaderMap) {
        if let Some((name, value)) = &self.header {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(value) = &self.cookie {
            let joined = headers.get(COOKIE).and_then(|old| {
                let mut both = HeaderValue::from_bytes(&[old.as_bytes(), b"; ", value.as_bytes()].concat()).ok()?;
                both.set_sensitive(true);
                Some(both)
            });
            headers.insert(COOKIE, joined.unwrap_or_else(|| value.clone()));
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
    }

    /// Whether there are any.
    pub(super) fn are_given(&self) -> bool {
        self.header.is_some() || self.cookie.is_some() || self.query.is_some()
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

/// RFC 4648 base64 with padding, for RFC 7617.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(auth: AuthPlan, url: &str, expected: &str) {
        let (mut url, mut headers) = (url.parse::<Url>().unwrap(), HeaderMap::new());
        headers.insert(COOKIE, "a=b".parse().unwrap());
        Credentials::new(Some(&auth)).unwrap().apply(&mut url, &mut headers);
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
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        let basic = AuthPlan::HttpBasic { username: "u".into(), password: Secret::new("ü"), hosts: vec![] };
        check(basic, "http://a.test/", "http://a.test/ [Basic dTrDvA==] [a=b]");
    }

    #[test]
    fn a_key_with_a_line_break_is_refused_without_being_shown() {
        let error = Credentials::new(Some(&AuthPlan::Bearer { token: Secret::new("a\nb"), hosts: vec![] })).unwrap_err();
        assert!(error.to_string().starts_with("the bearer token cannot be sent"), "{error}");
    }
}
