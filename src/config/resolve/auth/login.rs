//! `type: login`.

use serde_json::{Map, Number};
use url::Url;

use crate::base::Secret;
use crate::config::raw::{self, Entries, Field, Scalar};
use crate::config::resolve::Context;
use crate::config::resolve::auth::token::{Common, form, whole_url};
use crate::config::resolve::auth::{headers, is_token};
use crate::config::secrecy;
use crate::config::tree::{NodeId, Value};
use crate::config::{Carried, Grant, LoginBody, LoginPlan, Method, TokenPlan};

/// The settled plan; `None` after a fault. `base` is `client.base_url`.
pub(crate) fn resolve(cx: Context<'_>, id: NodeId, auth: &raw::LoginAuth, base: &Url) -> Option<TokenPlan> {
    let url = address(cx, id, auth, base);
    let token_path = auth.token_path.get().map(|Scalar(path)| path.clone());
    let by_cookie = auth.cookie.get() == Some(&true);
    match (token_path.is_some(), by_cookie) {
        (false, false) => {
            let meaning = "where the answer has the token; or write `cookie: true` for an API with session cookies";
            cx.reader.missing(id, "token_path", meaning);
        }
        (true, true) => {
            let at = auth.cookie.place().unwrap_or(id);
            cx.reader.conflict(at, "`token_path` and `cookie: true` exclude each other; keep one");
        }
        _ => {}
    }
    if by_cookie {
        check_cookie(cx, id, auth, url.as_ref(), base);
    }
    let method = match auth.method.get() {
        None | Some(raw::Method::Post) => Method::Post,
        Some(raw::Method::Get) => Method::Get,
    };
    let body = body(cx, auth);
    let headers = headers(cx, &auth.headers, &mut |_, _, secret| Some(secret.clone()));
    let carried = if by_cookie { Carried::Cookies } else { then(cx, &auth.then) };
    let common = Common::resolve(cx, &auth.default_token_expiration, &auth.expired_when, &auth.hosts);
    let expires_in_path = auth.expires_in_path.get().map(|Scalar(path)| path.clone());
    let plan = LoginPlan { url: url?, method, body, headers, token_path, expires_in_path };
    Some(common.carried(Grant::Login(plan), carried))
}

fn address(cx: Context<'_>, id: NodeId, auth: &raw::LoginAuth, base: &Url) -> Option<Url> {
    match (auth.url.set(), auth.path.set()) {
        (Some((id, url)), None) => whole_url(cx, id, url),
        (None, Some((id, path))) => {
            let joined = format!("{}/{}", base.as_str().trim_end_matches('/'), path.trim().trim_start_matches('/'));
            whole_url(cx, id, &joined)
        }
        (Some((id, _)), Some(_)) => {
            cx.reader.conflict(id, "`url` and `path` exclude each other; keep one");
            None
        }
        (None, None) => {
            cx.reader.missing(id, "path", "where the login goes, below `client.base_url`; or `url`");
            None
        }
    }
}

fn check_cookie(cx: Context<'_>, id: NodeId, auth: &raw::LoginAuth, url: Option<&Url>, base: &Url) {
    if url.is_some_and(|url| url.origin() != base.origin()) {
        let at = auth.url.place().unwrap_or(id);
        cx.reader.conflict(at, "cookies go back to the host that set them, so this must be on the host of `client.base_url`");
    }
    for (at, key) in
        [(auth.hosts.place(), "hosts"), (auth.then.place(), "then"), (auth.expires_in_path.place(), "expires_in_path")]
    {
        if let Some(at) = at {
            cx.reader.conflict(at, format!("`{key}` has no use with `cookie: true`"));
        }
    }
}

fn then(cx: Context<'_>, field: &Field<raw::LoginThen>) -> Carried {
    let none = raw::LoginThen::default();
    let then = field.get().unwrap_or(&none);
    let name = cx.filled(&then.header, "Authorization");
    if let (false, Some(id)) = (is_token(&name), then.header.place()) {
        cx.reader.wrong(id, "a header name (letters, digits and `-`)");
    }
    let standard = if name.eq_ignore_ascii_case("Authorization") { "Bearer " } else { "" };
    let prefix = then.prefix.get().cloned().unwrap_or_else(|| standard.to_owned());
    if let (true, Some(id)) = (prefix.chars().any(char::is_control), then.prefix.place()) {
        cx.reader.wrong(id, "text without line breaks");
    }
    Carried::Header { name, prefix }
}

fn body(cx: Context<'_>, auth: &raw::LoginAuth) -> LoginBody {
    match (auth.json.set(), auth.data.set()) {
        (Some((id, _)), Some(_)) => {
            cx.reader.conflict(id, "`json` and `data` exclude each other; keep one");
            LoginBody::None
        }
        (Some((_, Entries(entries))), None) => {
            let mut secrets = Vec::new();
            let members = entries.iter().filter_map(|(key, value)| Some((key.clone(), value.place()?)));
            let json = object(cx, members, &mut secrets);
            LoginBody::Json(Secret::new(json.to_string()), secrets)
        }
        (None, Some(_)) => LoginBody::Form(form(cx, &auth.data)),
        (None, None) => LoginBody::None,
    }
}

fn object(cx: Context<'_>, members: impl Iterator<Item = (String, NodeId)>, secrets: &mut Vec<Secret>) -> serde_json::Value {
    members.map(|(key, id)| (key, json(cx, id, secrets))).collect::<Map<_, _>>().into()
}

/// A node as JSON, texts as they stand, which may be secrets; its depth is bounded by the document's.
fn json(cx: Context<'_>, id: NodeId, secrets: &mut Vec<Secret>) -> serde_json::Value {
    match &cx.reader.document().node(id).value {
        Value::Null | Value::Faulty => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(text) => {
            let whole = text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)).ok();
            whole.or_else(|| text.parse().ok().and_then(Number::from_f64)).map_or(serde_json::Value::Null, Into::into)
        }
        Value::Text(text) => {
            secrecy::credential(&cx.reader.document().path(id), &text.text);
            secrets.push(Secret::new(text.text.clone()));
            text.text.clone().into()
        }
        Value::List(items) => items.iter().map(|&item| json(cx, item, secrets)).collect::<Vec<_>>().into(),
        Value::Map(entries) => object(cx, entries.iter().map(|entry| (entry.key.clone(), entry.node)), secrets),
    }
}
