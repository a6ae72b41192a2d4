//! The few words of a server's answer that an error may show: short, on one line, without any configured secret.

use crate::config::{AuthPlan, ClientPlan, EndpointPlan, Request};
use crate::source::auth::base64;

/// The longest preview in bytes.
const PREVIEW_BYTES_MAX: usize = 200;

/// Header values shorter than this are no secrets (`X-Version: 2`), and hiding them would garble every message.
const HEADER_SECRET_BYTES_MIN: usize = 4;

/// Hides the configured secrets.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    secrets: Vec<String>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.secrets.len())
    }
}

impl Redactor {
    /// Knows every secret that requests of this endpoint carry, in each spelling a server may echo.
    pub(super) fn new(client: &ClientPlan, endpoint: &EndpointPlan, request: &Request) -> Self {
        let mut secrets = Vec::new();
        for auth in client.auth.iter().chain(&endpoint.auth) {
            match auth {
                AuthPlan::ApiKey { key, .. } => secrets.push(key.expose().to_owned()),
                AuthPlan::Bearer { token, .. } => secrets.push(token.expose().to_owned()),
                AuthPlan::HttpBasic { username, password, .. } => {
                    secrets.push(base64(format!("{username}:{}", password.expose()).as_bytes()));
                    secrets.push(password.expose().to_owned());
                }
            }
        }
        let headers = client.headers.iter().chain(&request.headers).map(|(_, value)| value.expose());
        secrets.extend(headers.filter(|value| value.len() >= HEADER_SECRET_BYTES_MIN).map(str::to_owned));
        let mut spellings: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| {
                let in_url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
                let in_json = serde_json::Value::from(secret.as_str()).to_string();
                [in_json[1..in_json.len() - 1].to_owned(), in_url, secret]
            })
            .filter(|secret| !secret.is_empty())
            .collect();
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Self { secrets: spellings }
    }

    /// At most [`PREVIEW_BYTES_MAX`] bytes of `body` on one line, every configured secret as `***`.
    pub(crate) fn preview(&self, body: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(body).into_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "***");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        let secrets = ["k\"ey/1", "k\\\"ey/1", "k%22ey%2F1", "abc"].map(str::to_owned).to_vec();
        assert_eq!(Redactor { secrets }.preview(body.as_bytes()), expected);
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
