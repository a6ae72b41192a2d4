//! `endpoint`: what is requested.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::JsonPath;
use crate::config::raw::{Auth, Credential, Entries, Field, Node, Paginator, Scalar, Tagged};

/// What is requested, page by page.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Endpoint {
    /// Path below `client.base_url`, or a whole `http(s)://` URL. `{name}` is filled from `params.name`, which is then not sent;
    /// `{resources.NAME.FIELD}` from the records of another resource; `{{` and `}}` are braces. Default: the resource's name. In `resource_defaults` it has no effect.
    pub(crate) path: Field<String>,
    /// Default: `GET`.
    pub(crate) method: Field<Method>,
    /// Query parameters. Lists are repeated, null is left out, booleans are sent as `True` and `False`, numbers as written. Default: none.
    pub(crate) params: Field<Entries<Node>>,
    /// JSON body, an object. Default: none.
    pub(crate) json: Field<Entries<Node>>,
    /// Any other body: a form as a map or a list of pairs, or text that is sent as it is. Not together with `json`. Default: none.
    pub(crate) data: Field<Node>,
    /// Headers besides the client's, winning over them. Values are treated as secrets. Default: none.
    pub(crate) headers: Field<Entries<Credential>>,
    /// JSON path of the records in a page; `$` is the page itself. Default: found on the first page, or refused there when that is a guess; `$`
    /// where the path ends in a `{placeholder}`.
    pub(crate) data_selector: Field<Scalar<JsonPath>>,
    /// How the next page is found. Null takes a default of `resource_defaults` back. Default: that of `resource_defaults`; else `single_page` where
    /// the path ends in a `{placeholder}`; else the client's.
    pub(crate) paginator: Field<Tagged<Paginator>>,
    /// Credentials instead of the client's. Default: the client's.
    pub(crate) auth: Field<Tagged<Auth>>,
}

/// HTTP method.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    /// GET
    Get,
    /// POST, with `json` as its body.
    Post,
}
