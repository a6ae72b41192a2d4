//! Credentials, headers and the hosts that may have them.

mod jwt;
mod login;
mod token;

use url::Url;

use crate::base::Secret;
use crate::config::raw::{self, Auth, Credential, Entries, Field, Location, Tagged};
use crate::config::resolve::Context;
use crate::config::tree::NodeId;
use crate::config::{AuthPlan, KeyLocation, Problem, TokenPlan};

/// The credentials of an `auth` key; `None` without them, or when a fault was recorded.
pub(crate) fn resolve(cx: Context<'_>, field: &Field<Tagged<Auth>>, base: &Url) -> Option<AuthPlan> {
    let (id, Tagged(auth)) = field.set()?;
    match auth {
        Auth::Bearer(auth) => {
            let token = credential(cx, id, &auth.token, "token", "the bearer token", false);
            let hosts = hosts(cx, &auth.hosts);
            Some(AuthPlan::Bearer { token: token?, hosts })
        }
        Auth::ApiKey(auth) => api_key(cx, id, auth),
        Auth::HttpBasic(auth) => {
            let username = credential(cx, id, &auth.username, "username", "the user name, which may be empty", true);
            let password = credential(cx, id, &auth.password, "password", "the password, which may be empty", true);
            let hosts = hosts(cx, &auth.hosts);
            let username = username?.expose().to_owned();
            if let (true, Some(id)) = (username.contains(':'), auth.username.place()) {
                cx.reader.conflict(id, "a user name of HTTP basic authentication cannot hold `:` (RFC 7617)");
            }
            Some(AuthPlan::HttpBasic { username, password: password?, hosts })
        }
        Auth::ClientCredentials(auth) => token::client_credentials(cx, id, auth).map(boxed),
        Auth::RefreshToken(auth) => token::refresh_token(cx, id, auth).map(boxed),
        Auth::Jwt(auth) => jwt::resolve(cx, id, auth).map(boxed),
        Auth::Login(auth) => login::resolve(cx, id, auth, base).map(boxed),
    }
}

fn boxed(plan: TokenPlan) -> AuthPlan {
    AuthPlan::Token(Box::new(plan))
}

fn api_key(cx: Context<'_>, id: NodeId, auth: &raw::ApiKeyAuth) -> Option<AuthPlan> {
    let key = credential(cx, id, &auth.api_key, "api_key", "the key", false);
    let name = cx.filled(&auth.name, "Authorization");
    let hosts = hosts(cx, &auth.hosts);
    let location = match auth.location.get() {
        None | Some(Location::Header) => KeyLocation::Header,
        Some(Location::Query | Location::Param) => KeyLocation::Query,
        Some(Location::Cookie) => KeyLocation::Cookie,
    };
    if let (true, Some(id)) = (location != KeyLocation::Query && !is_token(&name), auth.name.place()) {
        cx.reader.wrong(id, "a header or cookie name (letters, digits and `-`)");
    }
    Some(AuthPlan::ApiKey { name, key: key?, location, hosts })
}

/// A credential that must be there and can be sent in a header.
fn credential(
    cx: Context<'_>,
    parent: NodeId,
    field: &Field<Credential>,
    key: &str,
    meaning: &str,
    may_be_empty: bool,
) -> Option<Secret> {
    let (id, Credential(secret)) = cx.required(field, parent, key, meaning)?;
    if secret.expose().is_empty() && !may_be_empty {
        cx.fault(id, Problem::Wrong { expected: "a credential".to_owned(), found: "empty text".to_owned() });
    }
    check_sendable(cx, id, secret);
    Some(secret.clone())
}

fn check_sendable(cx: Context<'_>, id: NodeId, secret: &Secret) {
    if secret.expose().chars().any(|c| c.is_control() && c != '\t') {
        let found = "text with a line break or another control character".to_owned();
        cx.fault(id, Problem::Wrong { expected: "one line of text".to_owned(), found });
    }
}

/// Headers in order. `fill` makes the text to send of a value's node, its header's name and the value.
pub(crate) fn headers(
    cx: Context<'_>,
    field: &Field<Entries<Credential>>,
    fill: &mut dyn FnMut(NodeId, &str, &Secret) -> Option<Secret>,
) -> Vec<(String, Secret)> {
    let Some((map_id, Entries(entries))) = field.set() else { return Vec::new() };
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (name, value) in entries {
        let id = value.place().unwrap_or(map_id);
        // A name with braces is checked once it is filled in.
        if !is_token(name) && !name.contains('{') {
            let expected = "a header name (letters, digits and `-`)".to_owned();
            cx.fault(id, Problem::Wrong { expected, found: format!("`{name}`") });
        }
        if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            cx.reader.conflict(id, format!("header `{name}` is given twice; case does not count"));
        }
        match value {
            Field::Set(id, Credential(secret)) => {
                check_sendable(cx, *id, secret);
                headers.extend(fill(*id, name, secret).map(|secret| (name.clone(), secret)));
            }
            Field::Null(id) => cx.fault(*id, Problem::Wrong { expected: "text".to_owned(), found: "nothing".to_owned() }),
            Field::Absent | Field::Invalid => {}
        }
    }
    headers
}

/// RFC 9110's `token`.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// Hosts as `host` or `host:port`, in lower case.
pub(crate) fn hosts(cx: Context<'_>, field: &Field<Vec<Field<String>>>) -> Vec<String> {
    let Some(items) = field.get() else { return Vec::new() };
    let mut hosts = Vec::new();
    for (id, text) in cx.texts(items) {
        let parsed = url::Url::parse(&format!("http://{text}/"));
        let plain = !text.contains(['/', '@', '?', '#', '*'])
            && parsed.is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()));
        if plain {
            hosts.push(text.to_lowercase());
        } else {
            cx.reader.wrong(id, "a host such as `files.example.com` or `localhost:8080`");
        }
    }
    hosts
}
