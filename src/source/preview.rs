//! The few words of a server's answer that an error may show: short, on one line, without any configured secret.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::Secret;
use crate::config::{AuthPlan, ClientPlan, EndpointPlan, Grant, LoginBody, Request, TokenPlan};
use crate::source::auth::basic;

/// The longest preview in bytes.
const PREVIEW_BYTES_MAX: usize = 200;

/// Header values shorter than this are no secrets (`X-Version: 2`), and hiding them would garble every message.
const HEADER_SECRET_BYTES_MIN: usize = 4;

/// Spellings of obtained secrets that are remembered, the latest ones.
const LEARNED_MAX: usize = 192;

/// Hides the configured secrets, and those obtained since.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    secrets: Vec<String>,
    learned: Option<Arc<Learned>>,
}

/// Secrets that came while the run went on: tokens, cookies, assertions.
#[derive(Default)]
pub(crate) struct Learned(Mutex<VecDeque<String>>);

impl Learned {
    /// Remembers `secret`.
    pub(super) fn learn(&self, secret: &Secret) {
        if secret.expose().len() < HEADER_SECRET_BYTES_MIN {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for spelling in spellings(secret.expose()) {
            if !known.contains(&spelling) {
                known.push_back(spelling);
            }
        }
        while known.len() > LEARNED_MAX {
            known.pop_front();
        }
    }

    /// Whether `text` is one of them.
    pub(super) fn has(&self, text: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|known| known == text)
    }

    fn hide(&self, mut text: String) -> String {
        let mut known: Vec<String> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        known.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        for secret in known {
            text = text.replace(secret.as_str(), "***");
        }
        text
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

impl Redactor {
    /// Knows every secret that requests of this endpoint carry, in each spelling a server may echo.
    pub(super) fn new(client: &ClientPlan, endpoint: &EndpointPlan, request: &Request) -> Self {
        let mut secrets: Vec<String> = client.auth.iter().chain(&endpoint.auth).flat_map(secrets_of).collect();
        let headers = client.headers.iter().chain(&request.headers).map(|(_, value)| value.expose());
        secrets.extend(headers.filter(|value| value.len() >= HEADER_SECRET_BYTES_MIN).map(str::to_owned));
        Self::hiding(&secrets)
    }

    /// Knows the secrets of `auth` alone.
    pub(super) fn of_auth(auth: &AuthPlan) -> Self {
        Self::hiding(&secrets_of(auth))
    }

    /// Knows those that come, too.
    pub(super) fn and_learned(mut self, learned: Option<Arc<Learned>>) -> Self {
        self.learned = learned;
        self
    }

    fn hiding(secrets: &[String]) -> Self {
        let mut known: Vec<String> = secrets.iter().flat_map(|secret| spellings(secret)).collect();
        known.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.dedup();
        Self { secrets: known, learned: None }
    }

    /// At most [`PREVIEW_BYTES_MAX`] bytes of `body` on one line, every configured secret as `***`.
    pub(crate) fn preview(&self, body: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(body).into_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
        }
        if let Some(learned) = &self.learned {
            text = learned.hide(text);
        }
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

/// A secret as servers echo it: plain, in a URL, in JSON.
fn spellings(secret: &str) -> Vec<String> {
    let in_url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let in_json = serde_json::Value::from(secret).to_string();
    let mut all = vec![in_json[1..in_json.len() - 1].to_owned(), in_url, secret.to_owned()];
    all.retain(|spelling| !spelling.is_empty());
    all.dedup();
    all
}

fn secrets_of(auth: &AuthPlan) -> Vec<String> {
    match auth {
        AuthPlan::ApiKey { key, .. } => vec![key.expose().to_owned()],
        AuthPlan::Bearer { token, .. } => vec![token.expose().to_owned()],
        AuthPlan::HttpBasic { username, password, .. } => vec![basic(username, password), password.expose().to_owned()],
        AuthPlan::Token(plan) => secrets_of_token(plan),
    }
}

/// What a token request carries; short texts of a form or a login are no secrets, as with headers.
fn secrets_of_token(plan: &TokenPlan) -> Vec<String> {
    let long = |value: &&str| value.len() >= HEADER_SECRET_BYTES_MIN;
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
    }
    secrets.extend(likely.into_iter().filter(long).map(str::to_owned));
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let secrets = ["k\"ey/1", "k\\\"ey/1", "k%22ey%2F1", "abc"].map(str::to_owned).to_vec();
        assert_eq!(Redactor { secrets, learned: None }.preview(body.as_bytes()), expected);
    }

    #[test]
    fn previews_are_short_and_hide_secrets() {
        check("", "");
        check("  no such\r\n\tthing \u{1b}[31m", "no such thing [31m");
        check(r#"{"key":"k\"ey/1","url":"/x?k=k%22ey%2F1"}"#, r#"{"key":"***","url":"/x?k=***"}"#);
        check(&format!("{}abc", "x".repeat(195)), &format!("{}***", "x".repeat(195)));
        check(&format!("{}abc", "x".repeat(198)), &format!("{}…", "x".repeat(197)));
        check(&"é".repeat(150), &format!("{}…", "é".repeat(98)));
    }
}
