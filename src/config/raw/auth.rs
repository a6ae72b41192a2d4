//! `client.auth` and `endpoint.auth`: credentials.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::{Credential, Field};

/// Credentials, chosen by `type`; without one, `bearer`. They are sent to the host of `client.base_url` only, and to `hosts`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub(crate) enum Auth {
    /// `Authorization: Bearer <token>`.
    Bearer(BearerAuth),
    /// A key in a header, a query parameter or a cookie.
    ApiKey(ApiKeyAuth),
    /// User name and password.
    HttpBasic(BasicAuth),
}

/// `Authorization: Bearer <token>`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["token"]))]
pub(crate) struct BearerAuth {
    /// The token.
    #[schemars(with = "Credential")]
    pub(crate) token: Field<Credential>,
    /// Other hosts (`host` or `host:port`) that are given the token. Default: none.
    pub(crate) hosts: Field<Vec<Field<String>>>,
}

/// A key in a header, a query parameter or a cookie.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["api_key"]))]
pub(crate) struct ApiKeyAuth {
    /// The key.
    #[schemars(with = "Credential")]
    pub(crate) api_key: Field<Credential>,
    /// Name of the header, query parameter or cookie. Default: `Authorization`.
    pub(crate) name: Field<String>,
    /// Where the key is put. Default: `header`.
    pub(crate) location: Field<Location>,
    /// Other hosts (`host` or `host:port`) that are given the key. Default: none.
    pub(crate) hosts: Field<Vec<Field<String>>>,
}

/// Where an API key is put; `param` is `query`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Location {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
    /// A query parameter.
    Param,
    /// A cookie.
    Cookie,
}

/// User name and password, as HTTP basic authentication.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["username", "password"]))]
pub(crate) struct BasicAuth {
    /// User name; may be empty. No `:`.
    #[schemars(with = "Credential")]
    pub(crate) username: Field<Credential>,
    /// Password; may be empty.
    #[schemars(with = "Credential")]
    pub(crate) password: Field<Credential>,
    /// Other hosts (`host` or `host:port`) that are given both. Default: none.
    pub(crate) hosts: Field<Vec<Field<String>>>,
}
