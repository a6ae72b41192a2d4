//! Requests that somebody else has described: an operation of an OpenAPI document, an entry of a HAR, a request of a Postman collection.
//!
//! In: a file's text, and which of its requests. Out: a [`Described`], whose request is the same value that a URL or a curl command becomes. What these files say of
//! an API is not proven: it says what may be asked. Bounds: [`BYTES_MAX`], values and levels of the readers. Not here: files, sockets, the environment.

mod har;
mod openapi;
mod postman;
mod yaml;

use serde_json::Value;
use url::Url;

use crate::base::start_of;
use crate::compat::asked::{Asked, AskedFault, Given};
use crate::config::nearest;

pub(crate) use har::from_har;
pub(crate) use openapi::from_openapi;
pub(crate) use postman::from_postman;

/// Longest text of such a file, in bytes.
pub(crate) const BYTES_MAX: u64 = 64 << 20;

/// Names that a message lists.
const LISTED_MAX: usize = 20;

/// A request, and what its description says besides.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Described {
    /// The request.
    pub(crate) asked: Asked,
    /// Parameters of the query that there are, also those that are not sent.
    pub(crate) parameters: Vec<String>,
    /// What could not be carried over.
    pub(crate) notes: Vec<String>,
}

/// What the command line adds to a description.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// Which request: an operation's id, its method and path, a name, `#3`, a part of a URL.
    pub(crate) which: Option<String>,
    /// Values of parameters, by name.
    pub(crate) params: Vec<(String, String)>,
    /// Where the API is, where the description does not say.
    pub(crate) base_url: Option<String>,
}

/// Why a description is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DescribedFault {
    /// It cannot be read.
    #[error("it is no {what}: {why}")]
    NoSuch { what: &'static str, why: String },
    /// It has no request that is meant.
    #[error("{0}")]
    Which(String),
    /// Something has to be given.
    #[error("{0}")]
    Missing(String),
    /// Its request is none.
    #[error(transparent)]
    Asked(#[from] AskedFault),
}

/// JSON, or YAML where it may be that.
fn parse(text: &str, what: &'static str, may_be_yaml: bool) -> Result<Value, DescribedFault> {
    let text = text.trim_start_matches('\u{feff}');
    let wrong = |why: String| DescribedFault::NoSuch { what, why };
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| wrong(error.to_string()));
    }
    if may_be_yaml { yaml::parse(text).map_err(wrong) } else { Err(wrong("it does not begin with `{`".to_owned())) }
}

/// That several requests may be meant, or none of this name.
fn choose(which: Option<&str>, names: &[String], how: &str) -> DescribedFault {
    let shown: Vec<String> = names.iter().take(LISTED_MAX).map(|name| format!("`{}`", start_of(name, 120))).collect();
    let more = names.len().saturating_sub(LISTED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let listed = format!("{}{more}", shown.join(", "));
    DescribedFault::Which(match which {
        _ if names.is_empty() => "it has no request of records".to_owned(),
        None => format!("it has several requests: name one behind `#`, {how}: {listed}"),
        Some(which) => {
            let near = nearest(which, names).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            format!("it has no request `{}`{near}: there are {listed}", start_of(which, 120))
        }
    })
}

/// A text of a member, empty where there is none.
fn text_of<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a member that is a list.
fn list_of<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A scalar as it stands in a URL.
fn spelled(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Headers that a browser or a tool adds, and that are no part of what is asked.
fn is_of_browser(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let own = [
        "host",
        "connection",
        "content-length",
        "accept-encoding",
        "accept-language",
        "user-agent",
        "referer",
        "origin",
        "pragma",
        "cache-control",
        "if-none-match",
        "if-modified-since",
        "dnt",
        "te",
        "priority",
        "upgrade-insecure-requests",
        "postman-token",
        "content-type",
        "accept",
    ];
    name.starts_with(':') || name.starts_with("sec-") || own.contains(&&*name)
}

/// Adds a header as it came; what it is needed for decides the request.
fn add_header(asked: &mut Asked, name: &str, value: &str) -> Result<(), AskedFault> {
    let is_accept =
        name.eq_ignore_ascii_case("accept") && !matches!(value, "*/*" | "application/json" | "application/json, text/plain, */*");
    if is_of_browser(name) && !is_accept || value.is_empty() {
        return Ok(());
    }
    asked.add_header(&format!("{name}: {value}"))
}

/// A URL joined from a base and a path, with one `/` between them.
fn joined(base: &str, path: &str) -> Result<Url, DescribedFault> {
    let text = format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'));
    Ok(Asked::of_url(&text)?.url)
}

/// What the command line gives for parameters replaces what the description has.
fn with_params(described: &mut Described, wishes: &Wishes) {
    for (name, value) in &wishes.params {
        described.asked.set_param(name, Given::named(name, value));
    }
}

#[cfg(test)]
mod tests;
