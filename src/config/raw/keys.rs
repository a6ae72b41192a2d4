//! Names that need an answer of their own: dlt's keys that lakeward does not read yet, keys at the wrong place, and the
//! types that are chosen by `type`.

use crate::config::fault::Problem;

/// How an enum is chosen by a map's `type`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaggedBy {
    /// The type of a map without one.
    pub(crate) default: &'static str,
    /// Whether that also holds for a map with keys; dlt's `auth` does so, its `paginator` does so only in vain.
    pub(crate) default_with_keys: bool,
}

/// How the enum of this name is tagged; `None` when it is a bare name.
pub(crate) fn tagged(name: &str) -> Option<TaggedBy> {
    match name {
        "Auth" => Some(TaggedBy { default: "bearer", default_with_keys: true }),
        "Paginator" => Some(TaggedBy { default: "auto", default_with_keys: false }),
        "ParamForm" => Some(TaggedBy { default: "incremental", default_with_keys: false }),
        _ => None,
    }
}

/// What the names of an enum are names of, for messages.
pub(crate) fn plain_name(name: &str) -> &'static str {
    match name {
        "Auth" => "auth type",
        "ParamForm" => "parameter type",
        "Paginator" => "paginator type",
        "ClientAuthentication" => "client authentication",
        "JwtAlgorithm" => "signature algorithm",
        "Location" => "location",
        "FormatName" => "response format",
        "Method" => "method",
        "Disposition" => "write disposition",
        "Strategy" => "merge strategy",
        "ActionName" => "action",
        "ScopeName" => "scope",
        _ => "value",
    }
}

/// Whether a wrong name at this enum's place could be a credential.
pub(crate) fn may_hold_secret(name: &str) -> bool {
    name == "Auth"
}

/// Keys that dlt has and this version does not read.
const LATER: [(&str, &[&str]); 1] = [(
    "Resource",
    &[
        "columns",
        "file_format",
        "max_table_nesting",
        "merge_key",
        "nested_hints",
        "parent_table_name",
        "processing_steps",
        "references",
        "schema_contract",
        "table_format",
        "table_name",
    ],
)];

/// Endpoint keys that are often written one level too high.
const ENDPOINT_KEYS: [&str; 16] = [
    "path",
    "method",
    "params",
    "json",
    "data",
    "headers",
    "data_selector",
    "response_format",
    "records",
    "paginator",
    "auth",
    "incremental",
    "response_actions",
    "throttle_when",
    "fail_when",
    "graphql",
];

/// Keys of `incremental` that are often written one level too high.
const INCREMENTAL_KEYS: [&str; 8] =
    ["cursor_path", "initial_value", "end_value", "start_param", "end_param", "lag", "row_order", "last_value_func"];

/// The answer to an unknown `key` of `structure`, where there is a better one than its nearest spelling.
pub(crate) fn explain(structure: &str, key: &str) -> Option<Problem> {
    let later = LATER.iter().any(|(name, keys)| *name == structure && keys.contains(&key));
    match (structure, key) {
        _ if later => Some(Problem::NotYet { what: key.to_owned() }),
        ("Client", "session") => Some(Problem::PythonOnly {
            what: key.to_owned(),
            instead: "see `client.timeout`, `client.retry` and `client.headers`",
        }),
        ("ClientCredentialsAuth", "session") => {
            Some(Problem::PythonOnly { what: key.to_owned(), instead: "see `client.timeout`, `client.retry` and `client.tls`" })
        }
        ("ClientCredentialsAuth" | "RefreshTokenAuth", "scope") => {
            Some(Problem::MisplacedKey { key: key.to_owned(), home: "scopes".to_owned() })
        }
        ("Client", "certificate" | "key" | "ca_certificate" | "cert" | "verify") => {
            Some(Problem::MisplacedKey { key: key.to_owned(), home: "client.tls".to_owned() })
        }
        ("Resource", _) if ENDPOINT_KEYS.contains(&key) => {
            Some(Problem::MisplacedKey { key: key.to_owned(), home: format!("endpoint.{key}") })
        }
        ("Endpoint", _) if INCREMENTAL_KEYS.contains(&key) => {
            Some(Problem::MisplacedKey { key: key.to_owned(), home: format!("endpoint.incremental.{key}") })
        }
        ("Endpoint", "primary_key" | "write_disposition" | "schema" | "partition_by" | "sort_by" | "expect" | "name") => {
            Some(Problem::MisplacedKey { key: key.to_owned(), home: format!("resources[].{key}") })
        }
        ("Endpoint", "paths" | "map_values" | "key_as" | "wrap" | "single" | "optional" | "force_list" | "php_empty") => {
            Some(Problem::MisplacedKey { key: key.to_owned(), home: format!("endpoint.records.{key}") })
        }
        ("Endpoint", "delimiter" | "encoding" | "header" | "null_values") => {
            Some(Problem::MisplacedKey { key: key.to_owned(), home: format!("endpoint.response_format.{key}") })
        }
        ("Config", "sources" | "destinations" | "pipelines" | "datasets" | "profiles" | "project") => Some(Problem::Conflict {
            why: format!(
                "`{key}` is of dlt's project file, which has `sources`, `destinations` and `pipelines` and no `client`, `resources` or `lake` beside them"
            ),
        }),
        ("Config", "base_url" | "auth" | "headers" | "paginator" | "response_actions" | "throttle_when" | "fail_when") => {
            Some(Problem::MisplacedKey { key: key.to_owned(), home: format!("client.{key}") })
        }
        _ => None,
    }
}

/// The answer to an unknown `variant` of an enum, where there is a better one than its nearest spelling.
pub(crate) fn explain_name(name: &str, variant: &str) -> Option<Problem> {
    // dlt takes functions here; their names reach a file as text.
    if name == "ActionName" && variant.contains(['.', '(', '<', ':', ' ']) {
        return Some(Problem::PythonOnly {
            what: variant.to_owned(),
            instead: "write `ignore`, `skip`, `retry`, `fail`, `throttle` or `refresh_auth`",
        });
    }
    let not_yet = match name {
        "Strategy" => matches!(variant, "delete-insert" | "scd2" | "insert-only"),
        "Nested" => matches!(variant, "json" | "flatten" | "tables"),
        _ => false,
    };
    not_yet.then(|| Problem::NotYet { what: variant.to_owned() })
}
