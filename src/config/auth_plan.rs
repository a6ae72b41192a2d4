//! The settled forms of `auth` and `client.tls`: what a request carries to be let in, and how a token is obtained.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::base::{JsonPath, Secret};
use crate::config::Method;
use crate::config::jwt::JwtAlgorithm;

/// Credentials. Equal ones share one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuthPlan {
    /// `type: api_key`.
    ApiKey {
        /// Header, query parameter or cookie name; dlt's default is `Authorization`.
        name: String,
        /// The key.
        key: Secret,
        /// Where it is put.
        location: KeyLocation,
        /// Other hosts that are given the credential (`auth.hosts`).
        hosts: Vec<String>,
    },
    /// `type: bearer`.
    Bearer {
        /// The token.
        token: Secret,
        /// Other hosts that are given the credential (`auth.hosts`).
        hosts: Vec<String>,
    },
    /// `type: http_basic`.
    HttpBasic {
        /// User name, may be empty.
        username: String,
        /// Password, may be empty.
        password: Secret,
        /// Other hosts that are given the credential (`auth.hosts`).
        hosts: Vec<String>,
    },
    /// The types whose token is obtained while the run goes on.
    Token(Box<TokenPlan>),
}

impl AuthPlan {
    /// Other hosts that are given the credential.
    pub(crate) fn hosts(&self) -> &[String] {
        match self {
            Self::ApiKey { hosts, .. } | Self::Bearer { hosts, .. } | Self::HttpBasic { hosts, .. } => hosts,
            Self::Token(plan) => &plan.hosts,
        }
    }

    /// All that the config has of it that is secret: what is obtained while a run goes on is not in it.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::ApiKey { key, .. } => vec![key],
            Self::Bearer { token, .. } => vec![token],
            Self::HttpBasic { password, .. } => vec![password],
            Self::Token(plan) => plan.grant.secrets(),
        }
    }
}

/// Where an API key is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyLocation {
    /// A request header.
    Header,
    /// A query parameter (dlt's `query` and `param`).
    Query,
    /// A cookie.
    Cookie,
}

/// A token: how it is obtained, sent, and known to have expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenPlan {
    /// How it is obtained.
    pub(crate) grant: Grant,
    /// How it is sent.
    pub(crate) carried: Carried,
    /// Its life where the answer tells none; `None`: until the API refuses it.
    pub(crate) default_life: Option<Duration>,
    /// Answers besides 401 that tell that it has expired.
    pub(crate) expired_when: Vec<ExpiredRule>,
    /// Other hosts that are given the token.
    pub(crate) hosts: Vec<String>,
}

/// How a token is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Carried {
    /// In a header, after a prefix such as `Bearer `.
    Header {
        /// The header's name.
        name: String,
        /// What stands before the token.
        prefix: String,
    },
    /// As the cookies that the login's answer set.
    Cookies,
}

/// How a token is obtained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Grant {
    /// RFC 6749 §4.4.
    ClientCredentials {
        /// Used first.
        access_token: Option<Secret>,
        /// Who asks, and where.
        client: OAuthClient,
    },
    /// RFC 6749 §6.
    RefreshToken {
        /// The config's; a later one may be kept in `file`.
        refresh_token: Secret,
        /// Where a rotated one is kept.
        file: PathBuf,
        /// Who asks, and where.
        client: OAuthClient,
    },
    /// RFC 7523 §2.1.
    Jwt(JwtPlan),
    /// A request whose answer has the token.
    Login(LoginPlan),
}

impl Grant {
    fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::ClientCredentials { access_token, client } => client.secrets().chain(access_token).collect(),
            Self::RefreshToken { refresh_token, client, .. } => client.secrets().chain([refresh_token]).collect(),
            Self::Jwt(JwtPlan { key, headers, .. }) => headers.iter().map(|(_, value)| value).chain([key]).collect(),
            Self::Login(LoginPlan { body, headers, .. }) => {
                let of_body: Vec<&Secret> = match body {
                    LoginBody::None => Vec::new(),
                    LoginBody::Json(text, _) => vec![text],
                    LoginBody::Form(fields) => fields.iter().map(|(_, value)| value).collect(),
                };
                headers.iter().map(|(_, value)| value).chain(of_body).collect()
            }
        }
    }
}

impl OAuthClient {
    fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [&self.id].into_iter().chain(&self.secret).chain(self.data.iter().map(|(_, value)| value))
    }
}

/// An OAuth 2 client and its token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OAuthClient {
    /// The token endpoint.
    pub(crate) url: Url,
    /// The client's name.
    pub(crate) id: Secret,
    /// Its password; public clients have none.
    pub(crate) secret: Option<Secret>,
    /// Whether both go into an `Authorization` header instead of the form (RFC 6749 §2.3.1).
    pub(crate) in_header: bool,
    /// What is asked for.
    pub(crate) scopes: Vec<String>,
    /// Further form fields, winning over the standard ones.
    pub(crate) data: Vec<(String, Secret)>,
}

/// A signed assertion and the endpoint that takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JwtPlan {
    /// The token endpoint.
    pub(crate) url: Url,
    /// The private key as PEM; a signature was made with it.
    pub(crate) key: Secret,
    /// How it signs.
    pub(crate) algorithm: JwtAlgorithm,
    /// `kid`.
    pub(crate) key_id: Option<String>,
    /// `iss`.
    pub(crate) issuer: String,
    /// `sub`.
    pub(crate) subject: String,
    /// `aud`.
    pub(crate) audience: String,
    /// `scope`.
    pub(crate) scopes: Vec<String>,
    /// Headers of the token request.
    pub(crate) headers: Vec<(String, Secret)>,
}

/// A login request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginPlan {
    /// Where it goes.
    pub(crate) url: Url,
    /// GET or POST.
    pub(crate) method: Method,
    /// What it says.
    pub(crate) body: LoginBody,
    /// Its headers.
    pub(crate) headers: Vec<(String, Secret)>,
    /// Where the answer has the token; without it, the answer's cookies are the token.
    pub(crate) token_path: Option<JsonPath>,
    /// Where the answer tells the token's life or end.
    pub(crate) expires_in_path: Option<JsonPath>,
}

/// The body of a login request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoginBody {
    /// None.
    None,
    /// JSON text, and the secrets in it.
    Json(Secret, Vec<Secret>),
    /// Form fields.
    Form(Vec<(String, Secret)>),
}

/// An answer that tells that the token has expired: everything given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpiredRule {
    /// The status.
    pub(crate) status: Option<u16>,
    /// A text in the body; ASCII case does not count.
    pub(crate) text: Option<String>,
    /// A path in the JSON body, and the text of the value there; without one, any but null.
    pub(crate) json: Option<(JsonPath, Option<String>)>,
}

/// Certificates of TLS, all as PEM that a client was built with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsPlan {
    /// The client's certificate chain and its private key.
    pub(crate) identity: Option<Secret>,
    /// Further authorities that may vouch for the server.
    pub(crate) authorities: Option<Secret>,
}
