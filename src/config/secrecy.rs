//! Which values of a config are secrets: all that came from outside the file, unless they were said to be public or stand where a name
//! stands; and the credentials that the file itself has.
//!
//! In: a value and its key's path. Out: what [`secrets()`] is told.

use std::ops::Range;

use url::Url;

use crate::base::secrets;

/// Headers whose values say what an answer is to be, and are no credentials.
const HARMLESS_HEADERS: [&str; 7] =
    ["accept", "accept-charset", "accept-encoding", "accept-language", "content-type", "prefer", "user-agent"];
/// Maps whose keys are the API's or a store's, so that a key's name says nothing about ours.
const FREE_KEYS: [&str; 5] = ["params", "json", "data", "headers", "access_token_request_data"];
/// Keys whose values are words of ours, which stand in our messages.
const WORDS: [&str; 7] = ["type", "method", "write_disposition", "compression", "compat", "time_zone", "transform"];
/// Parts of the names of options and fields that are credentials.
const CREDENTIAL_WORDS: [&str; 8] = ["key", "secret", "token", "pass", "credential", "assertion", "signature", "sas"];

/// Tells of the `given` ranges of `text`, which came from outside and stand at `path`.
pub(crate) fn given(path: &str, text: &str, given: &[Range<usize>]) {
    for range in given {
        let value = &text[range.clone()];
        match place(path) {
            Place::Name => {}
            Place::Url if range.start == 0 && value.contains("://") => parts_of_url(value),
            Place::Url if host(text).is_some_and(|host| host.start <= range.start && range.end <= host.end) => {}
            Place::Url | Place::Other => secrets().value(value),
        }
    }
}

/// Tells of a credential that stands at `path`, wherever it came from.
pub(crate) fn credential(path: &str, text: &str) {
    let key = key_of(path);
    match parent_of(path) {
        "headers" => {
            let is_harmless = HARMLESS_HEADERS.contains(&key.to_ascii_lowercase().as_str());
            // A placeholder's value is the resource's data.
            if !is_harmless && !text.contains('{') {
                secrets().value(text);
                // Behind `Bearer` or its like, the credential is a value of its own.
                text.split_once(' ').into_iter().for_each(|(_, text)| secrets().value(text));
            }
        }
        "options" | "data" | "json" | "access_token_request_data" => {
            let key = key.to_ascii_lowercase();
            if CREDENTIAL_WORDS.iter().any(|word| key.contains(word)) {
                secrets().credential(text);
            }
        }
        _ if ["username", "client_id", "certificate", "ca_certificate", "equals"].contains(&key) => {}
        _ => secrets().credential(text),
    }
}

enum Place {
    /// What the program calls something by, or what is public by its nature.
    Name,
    /// A URL, whose scheme, host and path help to find a fault.
    Url,
    Other,
}

fn place(path: &str) -> Place {
    let (key, parent) = (key_of(path), parent_of(path));
    let has_free_keys = path.split('.').any(|part| FREE_KEYS.contains(&part));
    let is_setting = parent == "options" && !CREDENTIAL_WORDS.iter().any(|word| key.contains(word));
    match key {
        "name" | "table_name" if parent.is_empty() || parent.starts_with("resources[") => Place::Name,
        "certificate" | "ca_certificate" if parent == "tls" => Place::Name,
        "url" | "bucket_url" | "dataset_name" if path.starts_with("lake.") || path.contains("destinations.") => Place::Name,
        _ if WORDS.contains(&key) && !has_free_keys => Place::Name,
        _ if is_setting || path.starts_with("pipelines.") => Place::Name,
        "base_url" | "access_token_url" | "url" if !has_free_keys => Place::Url,
        _ => Place::Other,
    }
}

/// What is secret in a URL: its user info and the values of its query.
fn parts_of_url(text: &str) {
    let Ok(url) = Url::parse(text) else { return secrets().value(text) };
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    if let Some(password) = url.password() {
        secrets().credential(&decoded(password));
    }
    secrets().value(&decoded(url.username()));
    url.query_pairs().for_each(|(_, value)| secrets().value(&value));
}

/// Where the host and port of a URL stand in it.
fn host(url: &str) -> Option<Range<usize>> {
    let start = url.find("://")? + 3;
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    let start = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    Some(start..end)
}

/// The last key of a path such as `resources[0].endpoint.headers["X-Key"]`.
fn key_of(path: &str) -> &str {
    match path.strip_suffix("\"]").and_then(|path| path.rsplit_once("[\"")) {
        Some((_, key)) => key,
        None => path.rsplit('.').next().unwrap_or_default(),
    }
}

/// The key that has the last one below it.
fn parent_of(path: &str) -> &str {
    let above = match path.strip_suffix("\"]").and_then(|path| path.rsplit_once("[\"")) {
        Some((above, _)) => above,
        None => path.rsplit_once('.').map_or("", |(above, _)| above),
    };
    key_of(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `text` after a value `${…}` from `value` on was given at `path`.
    fn check(path: &str, text: &str, value: &str, expected: &str) {
        let at = text.find(value).unwrap();
        given(path, text, std::slice::from_ref(&(at..at + value.len())));
        assert_eq!(secrets().hide(text), expected, "{path}");
    }

    #[test]
    fn a_value_is_a_secret_unless_it_is_a_name_or_leads_to_the_api() {
        check("client.base_url", "https://api-1.test/v1", "https://api-1.test/v1", "https://api-1.test/v1");
        check("client.base_url", "https://host-1.test/v1", "host-1.test", "https://host-1.test/v1");
        check("client.base_url", "https://api.test/bot12:Canary-1/x", "12:Canary-1", "https://api.test/bot***/x");
        check("client.base_url", "https://u:Canary-2@h.test", "Canary-2", "https://u:***@h.test");
        let url = "https://user-3:Canary-3@h.test/p?sig=Canary-4";
        check("sources.s.client.base_url", url, url, "https://***:***@h.test/p?sig=***");
        check("resources[0].write_disposition", "append", "append", "append");
        check("resources[0].name", "orders-of-1", "orders-of-1", "orders-of-1");
        check("name", "nightly-1", "nightly-1", "nightly-1");
        check("lake.url", "s3://bucket-1/x", "s3://bucket-1/x", "s3://bucket-1/x");
        check("lake.options.aws_region", "eu-central-1", "eu-central-1", "eu-central-1");
        check("lake.options.aws_secret_access_key", "Canary-5", "Canary-5", "***");
        for path in [
            "resources[0].endpoint.path",
            "resources[0].endpoint.params.name",
            "resources[0].endpoint.json.base_url",
            "client.headers[\"name.x\"]",
            "client.auth.token",
        ] {
            check(path, "a/Canary-6/b", "Canary-6", "a/***/b");
        }
    }

    #[test]
    fn credentials_of_the_file_are_secrets_too() {
        let check = |path: &str, text: &str, expected: &str| {
            credential(path, text);
            assert_eq!(secrets().hide(text), expected, "{path}");
        };
        check("client.auth.token", "Literal-1", "***");
        check("client.auth.username", "Literal-2", "Literal-2");
        check("client.headers[\"X-Api.Key\"]", "Literal-3", "***");
        check("client.headers.Authorization", "Bearer Literal-5", "***");
        assert_eq!(secrets().hide("Literal-5"), "***");
        check("client.headers.Accept", "application/x-own", "application/x-own");
        check("resources[1].endpoint.headers.X", "a-{resources.a.id}", "a-{resources.a.id}");
        check("lake.options.aws_region", "eu-west-1", "eu-west-1");
        check("lake.options.aws_session_token", "Literal-4", "***");
    }
}
