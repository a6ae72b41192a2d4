//! What a token endpoint answered: the token, its life, a rotated refresh token; or the reason for a refusal. Pure.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{DATE, HeaderMap, SET_COOKIE};
use serde_json::Value;

use crate::base::{JsonPath, Secret, Step, start_of};
use crate::config::{Carried, ExpiredRule, Grant, TokenPlan};

/// Bytes of a body in which a sign of expiry is looked for: an answer of that kind is short.
pub(super) const EXPIRED_BODY_BYTES_MAX: usize = 64 << 10;
/// Cookies that a login keeps.
const COOKIES_MAX: usize = 50;
/// Longest cookie, name and value, that RFC 6265 §6.1 asks for.
const COOKIE_BYTES_MAX: usize = 4096;
/// A life that would be longer, read as seconds, is told in milliseconds.
const YEAR_SECONDS: f64 = 366.0 * 86_400.0;
/// Numbers from here on are seconds since 1970, and from a thousand times that on milliseconds.
const EPOCH_SECONDS_MIN: f64 = 1e9;

/// What an endpoint granted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Granted {
    /// The token, or the cookies as one `Cookie` header has them.
    pub(super) token: Secret,
    /// Each cookie's value; the token itself otherwise.
    pub(super) secrets: Vec<Secret>,
    /// How long it lasts, as far as the answer tells.
    pub(super) life: Option<Duration>,
    /// The refresh token that replaces the one sent.
    pub(super) refresh_token: Option<Secret>,
}

/// An answer that grants nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    /// It says why, by `error`.
    Refused,
    /// In words, without any value.
    Odd(String),
}

/// Reads an answer of success.
///
/// # Errors
/// [`Nothing`].
pub(super) fn read(plan: &TokenPlan, headers: &HeaderMap, body: &[u8], now: DateTime<Utc>) -> Result<Granted, Nothing> {
    let now = server_time(headers).unwrap_or(now);
    if plan.carried == Carried::Cookies {
        return cookies(headers, now);
    }
    let (token_path, life_path) = match &plan.grant {
        Grant::Login(login) => (login.token_path.clone(), login.expires_in_path.clone()),
        Grant::ClientCredentials { .. } | Grant::RefreshToken { .. } | Grant::Jwt(_) => (key("access_token"), key("expires_in")),
    };
    let token_path = token_path.unwrap_or_default();
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Err(Nothing::Odd("its answer is not JSON".to_owned()));
    };
    let token = match find(&json, &token_path) {
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ if json.get("error").is_some_and(|error| !error.is_null()) => return Err(Nothing::Refused),
        _ => return Err(Nothing::Odd(format!("its answer has no text at `{token_path}`{}", keys_of(&json)))),
    };
    let refresh_token = match (&plan.grant, json.get("refresh_token")) {
        (Grant::RefreshToken { .. }, Some(Value::String(text))) if !text.is_empty() => Some(Secret::new(text)),
        _ => None,
    };
    let life = life_path.and_then(|path| life(find(&json, &path)?, now));
    let token = Secret::new(token);
    let secrets = std::iter::once(token.clone()).chain(others(&json)).collect();
    Ok(Granted { secrets, token, life, refresh_token })
}

/// What else an answer holds that lets its owner in: refresh, id and session tokens.
fn others(json: &Value) -> impl Iterator<Item = Secret> {
    let members = json.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let is_secret = ["token", "secret", "session", "password"].iter().any(|word| name.contains(word)) && name != "token_type";
        value.as_str().filter(|text| is_secret && !text.is_empty()).map(Secret::new)
    })
}

fn key(name: &str) -> Option<JsonPath> {
    Some(JsonPath::from_steps(vec![Step::Key(name.to_owned())]))
}

/// Names help to find the path, and are no secrets.
fn keys_of(json: &Value) -> String {
    let Some(members) = json.as_object() else { return String::new() };
    let names: Vec<String> = members.keys().take(10).map(|name| format!("`{}`", start_of(name, 40))).collect();
    if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) }
}

/// The cookies that an answer sets, those it deletes left out (RFC 6265 §5.2).
fn cookies(headers: &HeaderMap, now: DateTime<Utc>) -> Result<Granted, Nothing> {
    let mut jar: Vec<(String, String)> = Vec::new();
    for header in headers.get_all(SET_COOKIE) {
        let Ok(text) = header.to_str() else { continue };
        let mut parts = text.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        if name.is_empty() || name.len() + value.len() > COOKIE_BYTES_MAX {
            continue;
        }
        jar.retain(|(other, _)| *other != name);
        let is_over =
            parts.filter_map(|part| part.split_once('=')).any(|(key, value)| match key.trim().to_ascii_lowercase().as_str() {
                "max-age" => value.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                "expires" => httpdate::parse_http_date(value.trim()).is_ok_and(|end| DateTime::<Utc>::from(end) <= now),
                _ => false,
            });
        if !is_over && jar.len() < COOKIES_MAX {
            jar.push((name, value));
        }
    }
    if jar.is_empty() {
        return Err(Nothing::Odd("its answer sets no cookie".to_owned()));
    }
    let line: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
    // Short ones are settings, such as a language.
    let secrets = jar.iter().filter(|(_, value)| value.len() >= 6).map(|(_, value)| Secret::new(value)).collect();
    Ok(Granted { token: Secret::new(line.join("; ")), secrets, life: None, refresh_token: None })
}

/// A token's life: seconds as number or text (RFC 6749 §5.1), milliseconds where seconds would be more than a year, or its end as
/// a time. 0, the past and what cannot be read are no life.
fn life(value: &Value, now: DateTime<Utc>) -> Option<Duration> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => number,
            Err(_) => return (DateTime::parse_from_rfc3339(text.trim()).ok()?.to_utc() - now).to_std().ok(),
        },
        _ => return None,
    };
    let epoch = now.timestamp() as f64;
    let seconds = if number >= EPOCH_SECONDS_MIN * 1000.0 {
        number / 1000.0 - epoch
    } else if number >= EPOCH_SECONDS_MIN {
        number - epoch
    } else if number > YEAR_SECONDS {
        number / 1000.0
    } else {
        number
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|life| !life.is_zero())
}

/// The answer's own time.
pub(super) fn server_time(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok().map(DateTime::<Utc>::from)
}

/// The endpoint's own words for a refusal: `error` and `error_description` (RFC 6749 §5.2), or what others call them.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let error = json.get("error").or_else(|| json.get("message")).or_else(|| json.get("detail"))?;
    let error = error.get("message").unwrap_or(error).as_str()?;
    Some(match json.get("error_description").and_then(Value::as_str) {
        Some(description) => format!("{error}: {description}"),
        None => error.to_owned(),
    })
}

/// Whether an answer tells, by one of `rules`, that the token has expired.
pub(super) fn is_expired(rules: &[ExpiredRule], status: u16, body: &[u8]) -> bool {
    if status == 401 {
        return true;
    }
    let start = &body[..body.len().min(EXPIRED_BODY_BYTES_MAX)];
    rules.iter().any(|rule| {
        rule.status.is_none_or(|wanted| wanted == status)
            && rule.text.as_ref().is_none_or(|text| contains(start, text.as_bytes()))
            && rule
                .json
                .as_ref()
                .is_none_or(|(path, equals)| body.len() <= EXPIRED_BODY_BYTES_MAX && holds(body, path, equals.as_deref()))
    })
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len().max(1)).any(|window| window.eq_ignore_ascii_case(text))
}

fn holds(body: &[u8], path: &JsonPath, equals: Option<&str>) -> bool {
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return false };
    let text = match find(&json, path) {
        None | Some(Value::Null) => return false,
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    equals.is_none_or(|wanted| text == wanted)
}

/// The first value at `path`.
fn find<'a>(json: &'a Value, path: &JsonPath) -> Option<&'a Value> {
    path.steps().iter().try_fold(json, |at, step| match step {
        Step::Key(key) => at.get(key),
        Step::Index(index) => at.get(index),
        Step::Every => at.get(0),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_life(value: &Value, seconds: Option<u64>) {
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(life(value, now), seconds.map(Duration::from_secs), "{value}");
    }

    #[test]
    fn e_38_a_life_is_read_however_it_is_told() {
        check_life(&json!(3600), Some(3600));
        check_life(&json!(3600.0), Some(3600));
        check_life(&json!("3600"), Some(3600));
        check_life(&json!(" 3600 "), Some(3600));
        check_life(&json!(86_400_000), Some(86_400));
        check_life(&json!("2026-11-22T11:00:00Z"), Some(3600));
        check_life(&json!("2026-11-22T12:00:00+01:00"), Some(3600));
        check_life(&json!(1_795_345_200), Some(3600));
        check_life(&json!(1_795_345_200_000_u64), Some(3600));
    }

    #[test]
    fn e_38_what_is_no_life_is_none() {
        for value in [json!(0), json!("0"), json!(-1), json!("soon"), json!(""), json!(null), json!([3600]), json!(1_000_000_000)]
        {
            check_life(&value, None);
        }
        check_life(&json!("2026-11-22T09:00:00Z"), None);
        check_life(&json!(f64::MAX), None);
    }

    fn check_cookies(set: &[&str], expected: Option<&str>) {
        let headers = set.iter().map(|text| (SET_COOKIE, text.parse().unwrap()));
        let got = cookies(&headers.collect(), "2026-11-22T10:00:00Z".parse().unwrap());
        assert_eq!(got.ok().map(|granted| granted.token.expose().to_owned()).as_deref(), expected, "{set:?}");
    }

    #[test]
    fn cookies_are_kept_until_they_are_deleted() {
        check_cookies(&["sid=abc; Path=/; HttpOnly; Secure", "lang=en"], Some("sid=abc; lang=en"));
        check_cookies(&["sid=old", "sid=new"], Some("sid=new"));
        check_cookies(&["sid=abc", "flash=x; Max-Age=0", "gone=y; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], Some("sid=abc"));
        check_cookies(&["sid=abc", "sid=; Max-Age=0"], None);
        check_cookies(&["nonsense", "=x"], None);
        check_cookies(&[], None);
    }

    #[test]
    fn reasons_are_found_where_endpoints_put_them() {
        let check = |body: &str, expected: Option<&str>| assert_eq!(reason(body.as_bytes()).as_deref(), expected);
        check(r#"{"error":"invalid_client"}"#, Some("invalid_client"));
        check(r#"{"error":"invalid_grant","error_description":"it is revoked"}"#, Some("invalid_grant: it is revoked"));
        check(r#"{"error":{"message":"no","code":1}}"#, Some("no"));
        check(r#"{"message":"bad password"}"#, Some("bad password"));
        check("no", None);
        check(r#"{"error":5}"#, None);
    }

    #[test]
    fn e_36_a_rule_holds_when_all_its_parts_do() {
        let rule = |status, text: Option<&str>, json: Option<(&str, Option<&str>)>| ExpiredRule {
            status,
            text: text.map(str::to_owned),
            json: json.map(|(path, equals)| (JsonPath::parse(path).unwrap(), equals.map(str::to_owned))),
        };
        let check = |rule: ExpiredRule, status, body: &str, expected| {
            assert_eq!(is_expired(std::slice::from_ref(&rule), status, body.as_bytes()), expected, "{rule:?} {body}");
        };
        check(rule(Some(403), Some("token expired"), None), 403, "Your Token Expired.", true);
        check(rule(Some(403), Some("token expired"), None), 403, "forbidden", false);
        check(rule(Some(403), Some("token expired"), None), 400, "token expired", false);
        check(rule(Some(200), None, Some(("error", Some("invalid_token")))), 200, r#"{"error":"invalid_token"}"#, true);
        check(rule(Some(200), None, Some(("error", Some("invalid_token")))), 200, r#"{"error":"other"}"#, false);
        check(rule(None, None, Some(("error.code", Some("7")))), 200, r#"{"error":{"code":7}}"#, true);
        check(rule(None, None, Some(("error", None))), 200, r#"{"error":null}"#, false);
        check(rule(None, None, Some(("error", None))), 200, r#"{"error":{}}"#, true);
        check(rule(None, None, Some(("error", None))), 200, &format!(r#"{{"error":1,"x":"{}"}}"#, "x".repeat(70_000)), false);
    }
}
