//! The few words of a server's answer that an error may show: short, on one line, without any secret.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use memchr::memmem;

use crate::base::{Secret, Secrets, names_credential, secrets};
use crate::config::{AuthPlan, ClientPlan, EndpointPlan, Grant, LoginBody, Request, TokenPlan};
use crate::source::auth::basic;

/// The longest preview in bytes.
const PREVIEW_BYTES_MAX: usize = 200;

/// Header values shorter than this are no secrets (`X-Version: 2`), and hiding them would garble every message.
const HEADER_SECRET_BYTES_MIN: usize = 4;

/// Bytes of the shortest credential that is looked for in bodies: a shorter one stands in every second of them.
const BODY_SECRET_BYTES_MIN: usize = 8;

/// Obtained secrets that are taken out of links, the latest ones.
const LEARNED_MAX: usize = 64;

/// Hides the secrets of the process, and what one endpoint's headers hold.
#[derive(Default)]
pub(crate) struct Redactor {
    own: Secrets,
    /// Credentials as they are spelled.
    credentials: Vec<String>,
}

/// Secrets that came while the run went on: tokens, cookies, assertions.
#[derive(Default)]
pub(crate) struct Learned(Mutex<VecDeque<String>>);

impl Learned {
    /// Remembers `secret`, and lets no output show it.
    pub(super) fn learn(&self, secret: &Secret) {
        secrets().passing(secret.expose());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if secret.expose().len() >= HEADER_SECRET_BYTES_MIN && !known.iter().any(|known| known == secret.expose()) {
            known.push_back(secret.expose().to_owned());
            if known.len() > LEARNED_MAX {
                known.pop_front();
            }
        }
    }

    /// Whether `text` is one of them.
    pub(super) fn has(&self, text: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == text)
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// Knows every secret that requests of this endpoint carry.
    pub(super) fn new(client: &ClientPlan, endpoint: &EndpointPlan, request: &Request) -> Self {
        let own = Secrets::default();
        let mut credentials: Vec<String> = client.auth.iter().chain(&endpoint.auth).flat_map(|auth| learn(auth, &own)).collect();
        // These may hold a parent's values, which are data anywhere else.
        let headers = || client.headers.iter().chain(&request.headers);
        credentials.extend(headers().filter(|(name, _)| names_credential(name)).map(|(_, value)| value.expose().to_owned()));
        credentials.retain(|text| text.len() >= BODY_SECRET_BYTES_MIN && !secrets().is_public(text));
        let values = headers().map(|(_, value)| value.expose());
        values.filter(|value| !secrets().is_public(value)).for_each(|value| own.credential(value));
        Self { own, credentials }
    }

    /// Knows the secrets of `auth` alone.
    pub(super) fn of_auth(auth: &AuthPlan) -> Self {
        let own = Secrets::default();
        let credentials = learn(auth, &own);
        Self { own, credentials }
    }

    /// Whether a secret stands in `body`, however it is spelled.
    pub(super) fn shows_credential(&self, body: &[u8]) -> bool {
        secrets().stand_in(body) || self.credentials.iter().any(|credential| memmem::find(body, credential.as_bytes()).is_some())
    }

    /// At most [`PREVIEW_BYTES_MAX`] bytes of `body` on one line, every secret as `***`.
    pub(crate) fn preview(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let text = self.own.hide(&text);
        let text = secrets().hide(&text);
        let printable = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let mut line = String::new();
        for word in printable {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
            if line.len() > PREVIEW_BYTES_MAX {
                line.truncate(line.floor_char_boundary(PREVIEW_BYTES_MAX - '…'.len_utf8()));
                line.push('…');
                break;
            }
        }
        line
    }
}

/// Tells the process of an `auth`'s credentials, which it gives, and `own` of what else it sends.
fn learn(auth: &AuthPlan, own: &Secrets) -> Vec<String> {
    let certain = match auth {
        AuthPlan::ApiKey { key, .. } => vec![key.expose().to_owned()],
        AuthPlan::Bearer { token, .. } => vec![token.expose().to_owned()],
        AuthPlan::HttpBasic { username, password, .. } => vec![basic(username, password), password.expose().to_owned()],
        AuthPlan::Token(plan) => secrets_of_token(plan, own),
    };
    certain.iter().for_each(|secret| secrets().credential(secret));
    certain
}

/// The credentials of a token request. What else it sends may be a word like any other, and is told to `own`.
fn secrets_of_token(plan: &TokenPlan, own: &Secrets) -> Vec<String> {
    let (certain, likely): (Vec<&Secret>, Vec<&str>) = match &plan.grant {
        Grant::ClientCredentials { client, access_token } => {
            (client.secret.iter().chain(access_token).collect(), client.data.iter().map(|(_, value)| value.expose()).collect())
        }
        Grant::RefreshToken { client, refresh_token, .. } => {
            let certain = client.secret.iter().chain([refresh_token]).collect();
            (certain, client.data.iter().map(|(_, value)| value.expose()).collect())
        }
        Grant::Jwt(jwt) => (vec![&jwt.key], jwt.headers.iter().map(|(_, value)| value.expose()).collect()),
        Grant::Login(login) => {
            let mut likely: Vec<&str> = login.headers.iter().map(|(_, value)| value.expose()).collect();
            match &login.body {
                LoginBody::None => {}
                LoginBody::Json(_, values) => likely.extend(values.iter().map(Secret::expose)),
                LoginBody::Form(fields) => likely.extend(fields.iter().map(|(_, value)| value.expose())),
            }
            (Vec::new(), likely)
        }
    };
    let mut secrets: Vec<String> = certain.into_iter().map(|secret| secret.expose().to_owned()).collect();
    if let Grant::ClientCredentials { client, .. } | Grant::RefreshToken { client, .. } = &plan.grant
        && let Some(secret) = &client.secret
    {
        secrets.push(basic(client.id.expose(), secret));
        // As RFC 6749, section 2.3.1, sends them.
        let in_form = |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        secrets.push(basic(&in_form(client.id.expose()), &Secret::new(in_form(secret.expose()))));
    }
    likely.into_iter().for_each(|value| own.credential(value));
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let own = Secrets::default();
        ["k\"ey/1", "abcd"].iter().for_each(|secret| own.credential(secret));
        assert_eq!(Redactor { own, ..Redactor::default() }.preview(body.as_bytes()), expected);
    }

    #[test]
    fn previews_are_short_and_hide_secrets() {
        check("", "");
        check("  no such\r\n\tthing \u{1b}[31m", "no such thing [31m");
        check(r#"{"key":"k\"ey/1","url":"/x?k=k%22ey%2F1"}"#, r#"{"key":"***","url":"/x?k=***"}"#);
        check(&format!("{}abcd", "x".repeat(195)), &format!("{}***", "x".repeat(195)));
        check(&format!("{}abcd", "x".repeat(198)), &format!("{}…", "x".repeat(197)));
        check(&"é".repeat(150), &format!("{}…", "é".repeat(98)));
    }
}
