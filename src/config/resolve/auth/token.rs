//! The OAuth 2 types, and what all types with a token have in common.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};
use url::Url;

use crate::base::Secret;
use crate::config::raw::{self, ClientAuthentication, Credential, Entries, ExpiredWhen, Field, OneOrMany, OptionValue, Scalar};
use crate::config::resolve::Context;
use crate::config::resolve::auth::{credential, hosts};
use crate::config::tree::NodeId;
use crate::config::{Carried, ExpiredRule, Grant, OAuthClient, Problem, TokenPlan};

/// Rules of one `expired_when`.
const RULES_MAX: usize = 16;

/// `type: oauth2_client_credentials`.
pub(crate) fn client_credentials(cx: Context<'_>, id: NodeId, auth: &raw::ClientCredentialsAuth) -> Option<TokenPlan> {
    let url = required_endpoint(cx, id, &auth.access_token_url, "access_token_url");
    let client_id = credential(cx, id, &auth.client_id, "client_id", "the client's name", false);
    let secret = credential(cx, id, &auth.client_secret, "client_secret", "the client's password", false);
    let access_token = auth.access_token.get().map(|Credential(token)| token.clone()).filter(|token| !token.expose().is_empty());
    let data = form(cx, &auth.access_token_request_data);
    let scopes = scopes(cx, &auth.scopes);
    let in_header = auth.client_authentication.get() == Some(&ClientAuthentication::Basic);
    let common = Common::resolve(cx, &auth.default_token_expiration, &auth.expired_when, &auth.hosts);
    let client = OAuthClient { url: url?, id: client_id?, secret: Some(secret?), in_header, scopes, data };
    Some(common.plan(Grant::ClientCredentials { access_token, client }))
}

/// `type: oauth2_refresh_token`.
pub(crate) fn refresh_token(cx: Context<'_>, id: NodeId, auth: &raw::RefreshTokenAuth) -> Option<TokenPlan> {
    let url = required_endpoint(cx, id, &auth.access_token_url, "access_token_url");
    let client_id = credential(cx, id, &auth.client_id, "client_id", "the client's name", false);
    let secret = auth.client_secret.get().map(|Credential(secret)| secret.clone());
    let meaning = "the refresh token that the authorisation gave";
    let refresh_token = credential(cx, id, &auth.refresh_token, "refresh_token", meaning, false);
    let data = form(cx, &auth.access_token_request_data);
    let scopes = scopes(cx, &auth.scopes);
    let in_header = auth.client_authentication.get() == Some(&ClientAuthentication::Basic);
    if let (true, None, Some(id)) = (in_header, &secret, auth.client_authentication.place()) {
        cx.reader.conflict(id, "HTTP basic authentication needs a `client_secret`");
    }
    let common = Common::resolve(cx, &auth.default_token_expiration, &auth.expired_when, &auth.hosts);
    let file = auth.token_file.set().map(|(id, path)| (id, path.trim()));
    if let Some((id, "")) = file {
        cx.reader.wrong(id, "the path of a file");
    }
    if let Some((id, path)) = file
        && let Some(meant) = cx.inputs.of_home(path)
    {
        cx.reader.conflict(id, format!("`~` is filled in by shells alone: write `{meant}`"));
    }
    let client = OAuthClient { url: url?, id: client_id?, secret, in_header, scopes, data };
    let file = beside_config(cx, &file.map_or_else(|| default_file(&client), |(_, path)| path.to_owned()));
    Some(common.plan(Grant::RefreshToken { refresh_token: refresh_token?, file, client }))
}

/// What all types with a token have.
pub(crate) struct Common {
    default_life: Option<Duration>,
    expired_when: Vec<ExpiredRule>,
    hosts: Vec<String>,
}

impl Common {
    /// Settles them.
    pub(crate) fn resolve(
        cx: Context<'_>,
        life: &Field<Scalar<Duration>>,
        expired_when: &Field<OneOrMany<Field<ExpiredWhen>>>,
        names: &Field<Vec<Field<String>>>,
    ) -> Self {
        if let Some((id, &Scalar(Duration::ZERO))) = life.set() {
            cx.reader.wrong(id, "a duration of more than 0");
        }
        Self {
            default_life: life.get().map(|&Scalar(life)| life),
            expired_when: rules(cx, expired_when),
            hosts: hosts(cx, names),
        }
    }

    /// The plan of a token that goes into `Authorization`.
    pub(crate) fn plan(self, grant: Grant) -> TokenPlan {
        self.carried(grant, Carried::Header { name: "Authorization".to_owned(), prefix: "Bearer ".to_owned() })
    }

    /// The plan of a token that is sent as `carried`.
    pub(crate) fn carried(self, grant: Grant, carried: Carried) -> TokenPlan {
        let Self { default_life, expired_when, hosts } = self;
        TokenPlan { grant, carried, default_life, expired_when, hosts }
    }
}

fn required_endpoint(cx: Context<'_>, parent: NodeId, field: &Field<String>, key: &str) -> Option<Url> {
    let meaning = "the URL that gives tokens, such as `https://auth.example.com/oauth/token`";
    let (id, text) = cx.required(field, parent, key, meaning)?;
    whole_url(cx, id, text)
}

/// A URL with a host and without credentials.
pub(crate) fn whole_url(cx: Context<'_>, id: NodeId, text: &str) -> Option<Url> {
    match Url::parse(text.trim()) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            cx.reader.conflict(id, "credentials do not belong into a URL");
            None
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty()) => Some(url),
        _ => {
            cx.reader.no_url(id, text);
            None
        }
    }
}

/// Scopes, none with a space in it.
pub(crate) fn scopes(cx: Context<'_>, field: &Field<OneOrMany<Field<String>>>) -> Vec<String> {
    let Some(OneOrMany(items)) = field.get() else { return Vec::new() };
    let texts = cx.texts(items);
    texts.iter().flat_map(|(_, text)| text.split_whitespace()).map(str::to_owned).collect()
}

/// Form fields in order, null left out.
pub(crate) fn form(cx: Context<'_>, field: &Field<Entries<OptionValue>>) -> Vec<(String, Secret)> {
    let Some((map_id, Entries(entries))) = field.set() else { return Vec::new() };
    let mut fields = Vec::new();
    for (name, value) in entries {
        if name.is_empty() {
            let found = "an empty one".to_owned();
            cx.fault(map_id, Problem::Wrong { expected: "a field's name".to_owned(), found });
        }
        if let Some(OptionValue(Credential(secret))) = value.get() {
            fields.push((name.clone(), secret.clone()));
        }
    }
    fields
}

fn rules(cx: Context<'_>, field: &Field<OneOrMany<Field<ExpiredWhen>>>) -> Vec<ExpiredRule> {
    let Some((list_id, OneOrMany(items))) = field.set() else { return Vec::new() };
    if items.len() > RULES_MAX {
        cx.reader.conflict(list_id, format!("more than {RULES_MAX} rules"));
    }
    items.iter().filter_map(Field::set).filter_map(|(id, rule)| expired_rule(cx, id, rule)).collect()
}

fn expired_rule(cx: Context<'_>, id: NodeId, rule: &ExpiredWhen) -> Option<ExpiredRule> {
    let status = match rule.status.set() {
        Some((_, &status)) if (200..600).contains(&status) => u16::try_from(status).ok(),
        Some((id, _)) => {
            cx.reader.wrong(id, "a status code from 200 to 599");
            return None;
        }
        None => None,
    };
    let text = rule.text.get().filter(|text| !text.is_empty()).cloned();
    let equals = rule.equals.set().map(|(id, OptionValue(Credential(value)))| (id, value.expose().to_owned()));
    let json = match (rule.json_path.get(), equals) {
        (Some(Scalar(path)), equals) => Some((path.clone(), equals.map(|(_, value)| value))),
        (None, Some((id, _))) => {
            cx.reader.conflict(id, "`equals` needs the `json_path` it is compared with");
            return None;
        }
        (None, None) => None,
    };
    if text.is_none() && json.is_none() && status.is_none_or(|status| status < 300) {
        cx.reader.conflict(id, "this rule holds for every page: give it a `text`, a `json_path`, or a `status` of 300 or more");
        return None;
    }
    Some(ExpiredRule { status, text, json })
}

/// The file beside the config in which the tokens of one client at one endpoint are kept.
fn default_file(client: &OAuthClient) -> String {
    let digest = Sha256::digest(format!("{}\n{}", client.url, client.id.expose()));
    let id: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!(".lakeward-{id}.token")
}

fn beside_config(cx: Context<'_>, path: &str) -> PathBuf {
    cx.inputs.folder.join(path)
}
