//! `client.auth` and `endpoint.auth`: credentials.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::JsonPath;
use crate::config::raw::{Credential, Entries, Field, Method, Node, OneOrMany, OptionValue, Scalar};

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
    /// OAuth 2 client credentials (RFC 6749 §4.4): a token for the client itself.
    #[serde(rename = "oauth2_client_credentials")]
    ClientCredentials(ClientCredentialsAuth),
    /// OAuth 2 refresh token (RFC 6749 §6): a token on behalf of whoever authorised the client once.
    #[serde(rename = "oauth2_refresh_token")]
    RefreshToken(RefreshTokenAuth),
    /// OAuth 2 with a signed JWT instead of a password (RFC 7523), as service accounts use it.
    #[serde(rename = "oauth2_jwt", alias = "oauth_jwt")]
    Jwt(JwtAuth),
    /// A login request whose answer gives a token or cookies.
    Login(LoginAuth),
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

/// OAuth 2 client credentials (RFC 6749 §4.4): a token for the client itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["access_token_url", "client_id", "client_secret"]))]
pub(crate) struct ClientCredentialsAuth {
    /// A token to start with; used until it ends or is refused. Default: one is asked for.
    #[schemars(with = "Credential")]
    pub(crate) access_token: Field<Credential>,
    /// The token endpoint, a whole `https://` URL.
    #[schemars(with = "String")]
    pub(crate) access_token_url: Field<String>,
    /// The client's name.
    #[schemars(with = "Credential")]
    pub(crate) client_id: Field<Credential>,
    /// The client's password.
    #[schemars(with = "Credential")]
    pub(crate) client_secret: Field<Credential>,
    /// Further form fields of the token request, winning over the standard ones. Default: none.
    pub(crate) access_token_request_data: Field<Entries<OptionValue>>,
    /// Life of a token whose answer tells none. Default: until the API refuses it.
    pub(crate) default_token_expiration: Field<Scalar<Duration>>,
    /// What the token is for; sent as one `scope`. One or a list. Default: none.
    pub(crate) scopes: Field<OneOrMany<Field<String>>>,
    /// How the client proves itself. Default: `body`.
    pub(crate) client_authentication: Field<ClientAuthentication>,
    /// Answers that tell that the token has expired, besides 401. Default: none.
    pub(crate) expired_when: Field<OneOrMany<Field<ExpiredWhen>>>,
    /// Other hosts (`host` or `host:port`) that are given the token. Default: none.
    pub(crate) hosts: Field<Vec<Field<String>>>,
}

/// How an OAuth 2 client proves itself to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuthentication {
    /// `client_id` and `client_secret` in the form.
    Body,
    /// As HTTP basic authentication.
    Basic,
}

/// OAuth 2 refresh token (RFC 6749 §6): a token on behalf of whoever authorised the client once.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["access_token_url", "client_id", "refresh_token"]))]
pub(crate) struct RefreshTokenAuth {
    /// The token endpoint, a whole `https://` URL.
    #[schemars(with = "String")]
    pub(crate) access_token_url: Field<String>,
    /// The client's name.
    #[schemars(with = "Credential")]
    pub(crate) client_id: Field<Credential>,
    /// The client's password. Default: none, as public clients have it.
    #[schemars(with = "Credential")]
    pub(crate) client_secret: Field<Credential>,
    /// The refresh token that the authorisation gave. Once the API has replaced it, the one in `token_file` is used instead, until this one
    /// changes.
    #[schemars(with = "Credential")]
    pub(crate) refresh_token: Field<Credential>,
    /// Where a replaced refresh token is kept, relative to the config's folder. Its folder must be writable and outlive the run. Default:
    /// `.lakeward-<id>.token` beside the config, where `<id>` stands for the endpoint and the client.
    pub(crate) token_file: Field<String>,
    /// Further form fields of the token request, winning over the standard ones. Default: none.
    pub(crate) access_token_request_data: Field<Entries<OptionValue>>,
    /// Life of a token whose answer tells none. Default: until the API refuses it.
    pub(crate) default_token_expiration: Field<Scalar<Duration>>,
    /// What the token is for; sent as one `scope`. One or a list. Default: what was authorised.
    pub(crate) scopes: Field<OneOrMany<Field<String>>>,
    /// How the client proves itself. Default: `body`.
    pub(crate) client_authentication: Field<ClientAuthentication>,
    /// Answers that tell that the token has expired, besides 401. Default: none.
    pub(crate) expired_when: Field<OneOrMany<Field<ExpiredWhen>>>,
    /// Other hosts (`host` or `host:port`) that are given the token. Default: none.
    pub(crate) hosts: Field<Vec<Field<String>>>,
}

/// OAuth 2 with a signed JWT instead of a password (RFC 7523), as service accounts use it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["client_id", "private_key", "auth_endpoint"]))]
pub(crate) struct JwtAuth {
    /// The client's name.
    #[schemars(with = "Credential")]
    pub(crate) client_id: Field<Credential>,
    /// The private key as PEM, not encrypted; often `"${file:key.pem}"`.
    #[schemars(with = "Credential")]
    pub(crate) private_key: Field<Credential>,
    /// Refused: encrypted keys are not read. The message tells how to decrypt one.
    pub(crate) private_key_passphrase: Field<Credential>,
    /// The token endpoint, a whole `https://` URL.
    #[schemars(with = "String")]
    pub(crate) auth_endpoint: Field<String>,
    /// What the token is for; put into the JWT as `scope`. One or a list. Default: none.
    pub(crate) scopes: Field<OneOrMany<Field<String>>>,
    /// Headers of the token request. Values are treated as secrets. Default: none.
    pub(crate) headers: Field<Entries<Credential>>,
    /// Life of a token whose answer tells none. Default: until the API refuses it.
    pub(crate) default_token_expiration: Field<Scalar<Duration>>,
    /// How the JWT is signed. Default: `RS256`.
    pub(crate) algorithm: Field<JwtAlgorithm>,
    /// Names the key, as `kid` in the JWT's head. Default: none.
    pub(crate) key_id: Field<String>,
    /// `aud` of the JWT. Default: `auth_endpoint`.
    pub(crate) audience: Field<String>,
    /// `iss` of the JWT. Default: `client_id`.
    pub(crate) issuer: Field<String>,
    /// `sub` of the JWT. Default: `client_id`.
    pub(crate) subject: Field<String>,
    /// Answers that tell that the token has expired, besides 401. Default: none.
    pub(crate) expired_when: Field<OneOrMany<Field<ExpiredWhen>>>,
    /// Other hosts (`host` or `host:port`) that are given the token. Default: none.
    pub(crate) hosts: Field<Vec<Field<String>>>,
}

/// How a JWT is signed (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(crate) enum JwtAlgorithm {
    /// RSA (PKCS #1 v1.5) with SHA-256.
    RS256,
    /// RSA (PKCS #1 v1.5) with SHA-384.
    RS384,
    /// RSA (PKCS #1 v1.5) with SHA-512.
    RS512,
    /// RSA (PSS) with SHA-256.
    PS256,
    /// RSA (PSS) with SHA-384.
    PS384,
    /// RSA (PSS) with SHA-512.
    PS512,
    /// ECDSA on P-256.
    ES256,
    /// ECDSA on P-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

/// A login request whose answer gives a token or cookies.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LoginAuth {
    /// Where the login goes, a whole URL. This or `path`.
    pub(crate) url: Field<String>,
    /// Where the login goes, below `client.base_url`. This or `url`.
    pub(crate) path: Field<String>,
    /// Default: `POST`.
    pub(crate) method: Field<Method>,
    /// JSON body, an object; braces in it are no placeholders. Values are treated as secrets. Default: none.
    pub(crate) json: Field<Entries<Node>>,
    /// Form fields instead of `json`. Values are treated as secrets. Default: none.
    pub(crate) data: Field<Entries<OptionValue>>,
    /// Headers of the login request. Values are treated as secrets. Default: none.
    pub(crate) headers: Field<Entries<Credential>>,
    /// Where the answer has the token, a JSON path. This or `cookie: true`.
    pub(crate) token_path: Field<Scalar<JsonPath>>,
    /// The cookies that the answer sets are sent from then on, to the origin of `client.base_url` only. Default: false.
    pub(crate) cookie: Field<bool>,
    /// How the token is sent. Default: `Authorization: Bearer <token>`.
    pub(crate) then: Field<LoginThen>,
    /// Where the answer tells the token's life in seconds, or its end as a time. Default: nowhere.
    pub(crate) expires_in_path: Field<Scalar<JsonPath>>,
    /// Life of a token whose answer tells none. Default: until the API refuses it.
    pub(crate) default_token_expiration: Field<Scalar<Duration>>,
    /// Answers that tell that the token has expired, besides 401. Default: none.
    pub(crate) expired_when: Field<OneOrMany<Field<ExpiredWhen>>>,
    /// Other hosts (`host` or `host:port`) that are given the token. Default: none.
    pub(crate) hosts: Field<Vec<Field<String>>>,
}

/// How the token of a login is sent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LoginThen {
    /// The header. Default: `Authorization`.
    pub(crate) header: Field<String>,
    /// What stands before the token in it. Default: `Bearer ` for `Authorization`, nothing for another header.
    pub(crate) prefix: Field<String>,
}

/// An answer that tells that the token has expired; of several keys, all must hold.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExpiredWhen {
    /// The status, 200 to 599.
    pub(crate) status: Field<u64>,
    /// A text in the first 64 KiB of the body; ASCII case does not count.
    pub(crate) text: Field<String>,
    /// A path into a JSON body of at most 64 KiB.
    pub(crate) json_path: Field<Scalar<JsonPath>>,
    /// The value at `json_path`. Default: any but null.
    pub(crate) equals: Field<OptionValue>,
}
