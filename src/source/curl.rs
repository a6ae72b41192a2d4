//! A request as a person can make it again: the command for `curl`, without what lets somebody in.
//!
//! In: what was sent. Out: one line for the log. Shown are what the config itself says and the places of pages, unless their names tell of a
//! credential; what the config's credentials and an API's links add is `***`. Secrets that stand among it all the same are taken out where the line is
//! written, as everywhere.

use reqwest::header::{ACCEPT_ENCODING, HeaderMap};
use url::Url;

use crate::base::{is_harmless_parameter, names_credential};
use crate::config::Method;
use crate::source::request::{HARMLESS_HEADERS, PageRequest, Template};

/// Bytes of a body that are shown.
const BODY_BYTES_MAX: usize = 4 << 10;

/// The command for `request` as it was sent to `url` with `headers`.
pub(super) fn command(template: &Template, request: &PageRequest, url: &Url, headers: &HeaderMap) -> String {
    let mut parts = vec!["curl --compressed".to_owned()];
    match (template.method, &request.body) {
        (Method::Get, Some(_)) => parts.push("-X GET".to_owned()),
        (Method::Post, None) => parts.push("-X POST".to_owned()),
        _ => {}
    }
    parts.push(quoted(shown_url(template, url).as_str()));
    for (name, value) in headers.iter().filter(|(name, _)| **name != ACCEPT_ENCODING) {
        let value = if HARMLESS_HEADERS.contains(&name.as_str()) { value.to_str().unwrap_or("***") } else { "***" };
        parts.push(format!("-H {}", quoted(&format!("{name}: {value}"))));
    }
    match request.body.as_deref().map(std::str::from_utf8) {
        None => {}
        Some(Ok(body)) if body.len() <= BODY_BYTES_MAX => parts.push(format!("--data {}", quoted(body))),
        Some(_) => parts.push("--data '***'".to_owned()),
    }
    parts.join(" ")
}

/// A URL with the values of parameters that may be shown.
fn shown_url(template: &Template, url: &Url) -> Url {
    let mut clean = url.clone();
    // A URL that has a host takes both.
    let _ = clean.set_username("");
    let _ = clean.set_password(None);
    if url.query().is_none() {
        return clean;
    }
    let is_shown =
        |name: &str, value: &str| !names_credential(name) && template.says(name, value) || is_harmless_parameter(name, value);
    let pairs = url.query_pairs().map(|(name, value)| if is_shown(&name, &value) { (name, value) } else { (name, "***".into()) });
    clean.query_pairs_mut().clear().extend_pairs(pairs);
    clean
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
