//! Secrets and URLs that redact themselves, so that no error or log line can leak them.

use std::fmt;

/// A credential. `Debug` and `Display` print `***`; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Wraps a credential.
    #[must_use]
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The credential itself. For the request about to be sent, nothing else.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A URL fit for people: no user info, and every query value that is not plainly harmless is `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct RedactedUrl(String);

/// Query parameters of paging and selection, whose values help to find a fault and are never credentials.
const HARMLESS: [&str; 14] = [
    "limit",
    "offset",
    "page",
    "per_page",
    "page_size",
    "pagesize",
    "size",
    "count",
    "start",
    "sort",
    "order",
    "since",
    "until",
    "updated_since",
];

impl RedactedUrl {
    /// Redacts `url`.
    #[must_use]
    pub(crate) fn new(url: &url::Url) -> Self {
        let mut clean = url.clone();
        let _ = clean.set_username("");
        let _ = clean.set_password(None);
        clean.set_fragment(None);
        let query: Vec<String> = url
            .query_pairs()
            .map(|(name, value)| {
                let shown = HARMLESS.contains(&name.to_ascii_lowercase().as_str()) && value.len() <= 40;
                format!("{name}={}", if shown { value.as_ref() } else { "***" })
            })
            .collect();
        clean.set_query(None);
        Self(if query.is_empty() { clean.to_string() } else { format!("{clean}?{}", query.join("&")) })
    }
}

impl fmt::Debug for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
