//! dlt's classes for credentials and pagination, as the maps they stand for.

/// A class, and the map that a call of it is.
pub(super) struct Object {
    pub(super) class: &'static str,
    /// The map's `type`; empty for one that has none.
    pub(super) kind: &'static str,
    /// Parameters in the order in which they may be given without names.
    pub(super) parameters: &'static [&'static str],
}

const fn object(class: &'static str, kind: &'static str, parameters: &'static [&'static str]) -> Object {
    Object { class, kind, parameters }
}

/// The classes of `dlt.sources.helpers.rest_client` and `dlt.sources.incremental`.
const OBJECTS: [Object; 16] = [
    object("BearerTokenAuth", "bearer", &["token"]),
    object("APIKeyAuth", "api_key", &["name", "api_key", "location"]),
    object("HttpBasicAuth", "http_basic", &["username", "password"]),
    object("HTTPBasicAuth", "http_basic", &["username", "password"]),
    object(
        "OAuth2ClientCredentials",
        "oauth2_client_credentials",
        &["access_token_url", "client_id", "client_secret", "access_token_request_data", "default_token_expiration", "session"],
    ),
    object(
        "OAuthJWTAuth",
        "oauth_jwt",
        &["client_id", "private_key", "auth_endpoint", "scopes", "headers", "private_key_passphrase"],
    ),
    object("SinglePagePaginator", "single_page", &[]),
    object(
        "OffsetPaginator",
        "offset",
        &["limit", "offset", "offset_param", "limit_param", "total_path", "maximum_offset", "stop_after_empty_page"],
    ),
    object(
        "PageNumberPaginator",
        "page_number",
        &["base_page", "page", "page_param", "total_path", "maximum_page", "stop_after_empty_page"],
    ),
    object("JSONLinkPaginator", "json_link", &["next_url_path"]),
    object("JSONResponsePaginator", "json_link", &["next_url_path"]),
    object("HeaderLinkPaginator", "header_link", &["links_next_key"]),
    object("HeaderCursorPaginator", "header_cursor", &["cursor_key", "cursor_param"]),
    object("JSONResponseCursorPaginator", "cursor", &["cursor_path", "cursor_param"]),
    object(
        "incremental",
        "incremental",
        &["cursor_path", "initial_value", "last_value_func", "primary_key", "end_value", "row_order"],
    ),
    object(
        "Incremental",
        "incremental",
        &["cursor_path", "initial_value", "last_value_func", "primary_key", "end_value", "row_order"],
    ),
];

/// Parameters by the names that older versions of dlt had for them.
const RENAMED: [(&str, &str); 3] = [("initial_limit", "limit"), ("initial_offset", "offset"), ("initial_page", "page")];

/// dlt's types of dicts, which are called like `dict`.
const DICTS: [&str; 18] = [
    "dict",
    "RESTAPIConfig",
    "RESTAPIConfigBase",
    "ClientConfig",
    "EndpointResource",
    "EndpointResourceBase",
    "Endpoint",
    "IncrementalConfig",
    "IncrementalRESTConfig",
    "ResolveConfig",
    "ResolveParamConfig",
    "IncrementalParamConfig",
    "PageNumberPaginatorConfig",
    "OffsetPaginatorConfig",
    "HeaderLinkPaginatorConfig",
    "JSONLinkPaginatorConfig",
    "JSONResponseCursorPaginatorConfig",
    "OAuth2ClientCredentialsConfig",
];

/// The class of this name.
pub(super) fn named(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.class == name)
}

/// Whether a call of this name makes a dict of its arguments.
pub(super) fn is_dict(name: &str) -> bool {
    DICTS.contains(&name)
}

/// The key that a parameter is.
pub(super) fn key(parameter: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == parameter).map_or(parameter, |(_, key)| key)
}
