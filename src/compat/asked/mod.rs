//! The request that one export is about, and the config that the export is.
//!
//! In: a URL, or a curl command, and what is wanted of the answers. Out: an [`Asked`], which every form of it becomes, and the text of a config
//! in which no credential stands: each is a `${VARIABLE}`, given apart. Not here: what a key of the config means, sockets.

mod config;
mod curl;
mod words;

use url::Url;

pub(crate) use config::{Export, ExportConfig, SortBy, export_config};
pub(crate) use curl::from_curl;

/// One request, as it was written down somewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// Where it goes: neither user info nor query nor fragment.
    pub(crate) url: Url,
    /// POST in place of GET.
    pub(crate) is_post: bool,
    /// The query, in its order.
    pub(crate) params: Vec<(String, Given)>,
    /// The headers, in their order.
    pub(crate) headers: Vec<(String, Given)>,
    /// What is sent.
    pub(crate) body: Option<Body>,
    /// Who asks.
    pub(crate) auth: Option<Credentials>,
}

/// What a request sends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// A JSON object.
    Json(serde_json::Map<String, serde_json::Value>),
    /// A form.
    Form(Vec<(String, Given)>),
    /// Text, as it is.
    Text(String),
}

/// Who asks, and how that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// `Authorization: Bearer`.
    Bearer(Given),
    /// `Authorization: Basic`.
    Basic(Given, Given),
    /// A parameter of the query.
    Query(String, Given),
    /// A header.
    Header(String, Given),
}

/// A text that is given, or where it is to be had.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// This one.
    Plain(String),
    /// This one, which nobody may see.
    Secret(String),
    /// What the environment has under this name.
    Variable(String),
    /// What stands in this file.
    File(String),
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "{text:?}"),
            Self::Secret(_) => f.write_str("***"),
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

impl Given {
    /// A text, a secret where its name says so.
    pub(crate) fn named(name: &str, text: &str) -> Self {
        if is_credential(name) { Self::Secret(text.to_owned()) } else { Self::Plain(text.to_owned()) }
    }

    /// A credential: itself, `env:NAME` or `file:PATH`.
    pub(crate) fn credential(text: &str) -> Self {
        match (text.strip_prefix("env:"), text.strip_prefix("file:")) {
            (Some(name), _) => Self::Variable(name.to_owned()),
            (_, Some(path)) => Self::File(path.to_owned()),
            _ => Self::Secret(text.to_owned()),
        }
    }

    /// The secret that was written out, if it is one.
    pub(crate) fn secret(&self) -> Option<&str> {
        if let Self::Secret(text) = self { Some(text) } else { None }
    }
}

/// Why a text is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskedFault {
    /// No `http://` or `https://`.
    #[error("`{0}` has no scheme; write `{1}`")]
    NoScheme(String, String),
    /// It is no URL.
    #[error("`{0}` is no URL: {1}")]
    NoUrl(String, String),
    /// A header is written in a way in which none is sent.
    #[error("{0}")]
    Header(String),
    /// A credential is written in a way that says nothing.
    #[error("{0}")]
    Credentials(String),
    /// A curl command that cannot be read, or has what cannot be carried over.
    #[error("{0}")]
    Curl(String),
}

impl Asked {
    /// A GET of a URL, whose user info and query become what they mean.
    ///
    /// # Errors
    /// [`AskedFault`].
    pub(crate) fn of_url(text: &str) -> Result<Self, AskedFault> {
        let plain = without_secrets(text);
        if !text.starts_with("http://") && !text.starts_with("https://") {
            if text.contains("://") {
                return Err(AskedFault::NoUrl(plain, "it begins with neither `http://` nor `https://`".to_owned()));
            }
            let host = text.trim_start_matches('/');
            let is_local = ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local));
            let scheme = if is_local { "http" } else { "https" };
            return Err(AskedFault::NoScheme(plain, format!("{scheme}://{}", without_secrets(host))));
        }
        let mut url = Url::parse(text).map_err(|error| AskedFault::NoUrl(plain, error.to_string()))?;
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (decoded(url.username()), url.password().map(decoded));
        let has_user = !user.is_empty() || password.is_some();
        let auth = has_user.then(|| Credentials::Basic(Given::Plain(user), Given::Secret(password.unwrap_or_default())));
        let params = url.query_pairs().map(|(name, value)| (name.to_string(), Given::named(&name, &value))).collect();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self { url, is_post: false, params, headers: Vec::new(), body: None, auth })
    }

    /// Sets a parameter of the query, in place of others of its name.
    pub(crate) fn set_param(&mut self, name: &str, value: Given) {
        self.params.retain(|(known, _)| known != name);
        self.params.push((name.to_owned(), value));
    }

    /// Adds a header as it is written in a request, `Name: value`, in place of others of its name.
    ///
    /// # Errors
    /// [`AskedFault::Header`].
    pub(crate) fn add_header(&mut self, text: &str) -> Result<(), AskedFault> {
        let Some((name, value)) = text.split_once(':') else {
            let shown = if is_credential(text) { "the header" } else { text };
            return Err(AskedFault::Header(format!("`{shown}` is no header: write `-H 'Name: value'`")));
        };
        let (name, value) = (name.trim(), value.trim());
        check_header(name, value)?;
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        let scheme = value.split_once(' ').filter(|_| name.eq_ignore_ascii_case("authorization"));
        match scheme {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                self.auth = Some(Credentials::Bearer(Given::credential(token.trim())));
            }
            _ => {
                let is_elsewhere = value.starts_with("env:") || value.starts_with("file:");
                let value = if is_elsewhere { Given::credential(value) } else { Given::named(name, value) };
                self.headers.push((name.to_owned(), value));
            }
        }
        Ok(())
    }

    /// Every secret that was written out.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let of_auth: Vec<&Given> = match &self.auth {
            None => Vec::new(),
            Some(Credentials::Bearer(token)) => vec![token],
            Some(Credentials::Basic(user, password)) => vec![user, password],
            Some(Credentials::Query(_, value) | Credentials::Header(_, value)) => vec![value],
        };
        let form = if let Some(Body::Form(pairs)) = &self.body { pairs.as_slice() } else { &[] };
        let named = self.params.iter().chain(&self.headers).chain(form).map(|(_, value)| value);
        of_auth.into_iter().chain(named).filter_map(Given::secret)
    }
}

impl Credentials {
    /// `bearer:TOKEN`, `basic:USER:PASSWORD`, `query:NAME=VALUE` or `header:NAME=VALUE`, where each value may be `env:NAME` or `file:PATH`.
    ///
    /// # Errors
    /// [`AskedFault::Credentials`], which tells nothing of the text.
    pub(crate) fn parse(text: &str) -> Result<Self, AskedFault> {
        let forms = "`bearer:TOKEN`, `basic:USER:PASSWORD`, `query:NAME=VALUE` or `header:NAME=VALUE`, each value also as `env:NAME` or `file:PATH`";
        let wrong = |what: &str| AskedFault::Credentials(format!("`--auth` {what}; write {forms}"));
        let Some((kind, rest)) = text.split_once(':') else { return Err(wrong("does not say how the credential is sent")) };
        if rest.is_empty() {
            return Err(wrong("has no credential, perhaps because a variable is not set"));
        }
        if rest.contains(|c: char| c.is_control()) {
            return Err(wrong("has a line break or another control character in it"));
        }
        let pair = || match rest.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), Given::credential(value))),
            _ => Err(wrong("lacks the name or the value")),
        };
        let given = |text: &str| Given::credential(text);
        Ok(match kind {
            "bearer" => Self::Bearer(given(rest)),
            "basic" => {
                let (user, password) = basic(rest).ok_or_else(|| wrong("lacks the password"))?;
                let user = if let Given::Secret(user) = given(user) { Given::Plain(user) } else { given(user) };
                Self::Basic(user, given(password))
            }
            "query" => pair().map(|(name, value)| Self::Query(name, value))?,
            "header" => {
                let (name, value) = pair()?;
                check_header(&name, "")?;
                Self::Header(name, value)
            }
            _ => return Err(wrong("does not begin with a kind that there is")),
        })
    }
}

/// User and password of `USER:PASSWORD`, in which the user may be `env:NAME` or `file:PATH`.
fn basic(text: &str) -> Option<(&str, &str)> {
    let skipped = ["env:", "file:"].iter().find(|prefix| text.starts_with(**prefix)).map_or(0, |prefix| prefix.len());
    let at = skipped + text.get(skipped..)?.find(':')?;
    Some((&text[..at], &text[at + 1..]))
}

/// Checks that a header can be sent, and is one alone.
fn check_header(name: &str, value: &str) -> Result<(), AskedFault> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err(AskedFault::Header("a header's name has letters, digits and `-`: write `-H 'Name: value'`".to_owned()));
    }
    if value.contains(|c: char| c.is_control() && c != '\t') {
        let what = "has a line break or another control character in it; write each header as an option of its own";
        return Err(AskedFault::Header(format!("the header `{name}` {what}")));
    }
    Ok(())
}

/// Whether what has this name lets somebody in, as far as the name tells: one of its words does.
fn is_credential(name: &str) -> bool {
    const WORDS: [&str; 16] = [
        "key",
        "apikey",
        "token",
        "accesstoken",
        "secret",
        "password",
        "passwd",
        "pwd",
        "auth",
        "authorization",
        "signature",
        "sig",
        "credential",
        "credentials",
        "cookie",
        "jwt",
    ];
    // Names of paging and order, in which such words mean something else.
    const HARMLESS: [&str; 9] = ["page", "next", "sort", "order", "start", "end", "continuation", "last", "foreign"];
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    words.iter().any(|word| WORDS.contains(word)) && !words.iter().any(|word| HARMLESS.contains(word))
}

/// A URL for a message: without user info and query, which may hold what nobody knows to be a secret yet.
fn without_secrets(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let host = text.find("://").map_or(0, |at| at + 3).min(end);
    let authority = text[host..end].find('/').map_or(end, |at| host + at);
    match text[host..authority].rfind('@') {
        Some(at) => format!("{}{}", &text[..host], &text[host + at + 1..end]),
        None => text[..end].to_owned(),
    }
}

#[cfg(test)]
mod tests;
