//! Names that need an answer of their own: dlt's keys that lakeward does not read, keys at the wrong place, and the
//! types that are chosen by `type`.

use crate::config::fault::{Problem, meant};

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
        "WaitUnitName" => "unit",
        "DataType" => "data type",
        "DedupOrder" => "order",
        "ContractMode" => "contract",
        _ => "value",
    }
}

/// Whether a wrong name at this enum's place could be a credential.
pub(crate) fn may_hold_secret(name: &str) -> bool {
    name == "Auth"
}

/// Keys that are often written at another level: where they stand then, and what their own place begins with.
const MISPLACED: [(&str, &str, &[&str]); 9] = [
    ("Resource", "endpoint.", &ENDPOINT_KEYS),
    ("Resource", "endpoint.incremental.", &INCREMENTAL_KEYS),
    ("Endpoint", "endpoint.incremental.", &INCREMENTAL_KEYS),
    ("Endpoint", "resources[].", &RESOURCE_KEYS),
    (
        "Endpoint",
        "endpoint.records.",
        &["paths", "map_values", "key_as", "wrap", "single", "optional", "force_list", "php_empty"],
    ),
    (
        "Endpoint",
        "endpoint.response_format.",
        &[
            "delimiter",
            "encoding",
            "header",
            "null_values",
            "skip_rows",
            "header_match",
            "skip_footer",
            "footer_match",
            "comment",
        ],
    ),
    (
        "Config",
        "client.",
        &[
            "base_url",
            "auth",
            "headers",
            "paginator",
            "response_actions",
            "throttle_when",
            "fail_when",
            "retry",
            "timeout",
            "rate_limit",
            "concurrency",
        ],
    ),
    ("Config", "resource_defaults.", &RESOURCE_KEYS),
    ("Lake", "resources[].", &RESOURCE_KEYS),
];

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

const INCREMENTAL_KEYS: [&str; 8] =
    ["cursor_path", "initial_value", "end_value", "start_param", "end_param", "lag", "row_order", "last_value_func"];

const RESOURCE_KEYS: [&str; 14] = [
    "primary_key",
    "write_disposition",
    "schema",
    "partition_by",
    "sort_by",
    "expect",
    "table_name",
    "columns",
    "schema_contract",
    "processing_steps",
    "on_reject",
    "max_rejects",
    "include_from_parent",
    "name",
];

/// Where an unknown `key` of `structure` belongs that is one of [`MISPLACED`].
fn home(structure: &str, key: &str) -> Option<String> {
    let mut homes = MISPLACED.iter().filter(|(wrong, _, keys)| *wrong == structure && keys.contains(&key));
    homes.next().map(|(_, home, _)| format!("{home}{key}"))
}

/// The same for a misspelt one.
pub(crate) fn home_of_nearest(structure: &str, key: &str) -> Option<String> {
    let keys = MISPLACED.iter().filter(|(wrong, ..)| *wrong == structure).flat_map(|(_, _, keys)| keys.iter());
    home(structure, &meant(key, &keys.collect::<Vec<_>>())?)
}

/// The answer to an unknown `key` of `structure`, where there is a better one than its nearest spelling.
pub(crate) fn explain(structure: &str, key: &str) -> Option<Problem> {
    match (structure, key) {
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
        ("Resource", "nested_hints" | "parent_table_name") => Some(Problem::Refused {
            what: key.to_owned(),
            why: "lists stay in their row as lists, so there are no child tables to hint at",
        }),
        (
            "DispositionMap",
            "validity_column_names" | "active_record_timestamp" | "boundary_timestamp" | "row_version_column_name",
        ) => Some(Problem::Refused {
            what: key.to_owned(),
            why: "it is of the strategy `scd2`, and a merged table has one row a key",
        }),
        (
            "CursorPaginator" | "JsonLinkPaginator" | "HeaderLinkPaginator" | "HeaderCursorPaginator" | "RelayPaginator",
            "total_path",
        ) => Some(Problem::Conflict {
            why: "`total_path` is of `offset`, where it counts records, and of `page_number`, where it counts pages; write `total_records_path` or `total_pages_path`".to_owned(),
        }),
        ("ColumnHint", _) => column_hint(key),
        ("ProcessingStep", "map" | "yield_map") => Some(Problem::PythonOnly {
            what: key.to_owned(),
            instead: "write what it does as `set`, `drop`, `keep`, `rename`, `cast`, `hash`, `mask` or `explode`",
        }),
        ("Config", "sources" | "destinations" | "pipelines" | "datasets" | "profiles" | "project") => Some(Problem::Conflict {
            why: format!(
                "`{key}` is of dlt's project file, which has `sources`, `destinations` and `pipelines` and no `client`, `resources` or `lake` beside them"
            ),
        }),
        _ => home(structure, key).map(|home| Problem::MisplacedKey { key: key.to_owned(), home }),
    }
}

/// What is expected where the map `name` stands.
pub(crate) fn map_words(name: &str) -> &'static str {
    match name {
        "Lake" => "a map, as in `lake: {url: ./lake}`",
        "Client" => "a map, as in `client: {base_url: https://api.example.com}`",
        _ => "a map",
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
    if name == "DataType"
        && let Some((sql, write)) = of_sql(variant)
    {
        return Some(Problem::Conflict { why: format!("`{sql}` is not how a type is spelled here; write {write}") });
    }
    let why = match (name, variant) {
        ("Strategy", "scd2") => {
            "it keeps every version of a row, and a merged table has one row a key; `append` with an `incremental` cursor keeps them all"
        }
        ("Nested", "flatten" | "tables") => "objects and lists stay in their row as structs and lists, which every reader opens",
        ("DataType", "wei") => {
            "no reader's integers have 78 digits; write `decimal` with `precision: 38` and `scale: 0`, or `text`"
        }
        ("DataType", "time") => "a time of day has no type that all readers share; write `text`",
        ("DataType", "binary") => "JSON has no bytes; write `text`, which keeps what comes",
        _ => return None,
    };
    Some(Problem::Refused { what: variant.to_owned(), why })
}

/// What to write for a type as SQL and others spell it, with or without its size: `decimal(10,2)`, `VARCHAR(20)`.
fn of_sql(written: &str) -> Option<(String, String)> {
    let lower = written.trim().to_ascii_lowercase();
    let (name, sizes) = lower.split_once('(').map_or((lower.as_str(), None), |(name, rest)| (name, rest.strip_suffix(')')));
    let data_type = match name.trim() {
        "decimal" | "numeric" | "number" | "dec" => "decimal",
        "varchar" | "char" | "nvarchar" | "character varying" | "string" | "str" | "uuid" => "text",
        "int" | "integer" | "int64" | "int32" | "smallint" | "int8" | "long" => "bigint",
        "float" | "real" | "float64" | "float8" | "double precision" | "double" => "double",
        "boolean" => "bool",
        "timestamptz" | "datetime" | "timestamp with time zone" | "timestamp" => "timestamp",
        "jsonb" | "object" | "struct" | "array" => "json",
        _ => return None,
    };
    let sizes: Vec<u8> =
        sizes.into_iter().flat_map(|sizes| sizes.split(',')).filter_map(|size| size.trim().parse().ok()).collect();
    Some(match (data_type, sizes.as_slice()) {
        ("decimal", [precision]) => {
            (format!("{name}({precision})"), format!("`data_type: decimal, precision: {precision}, scale: 0`"))
        }
        ("decimal", [precision, scale]) => {
            (format!("{name}({precision},{scale})"), format!("`data_type: decimal, precision: {precision}, scale: {scale}`"))
        }
        _ => (name.trim().to_owned(), format!("`data_type: {data_type}`")),
    })
}

/// The answer to dlt's keys of a column that say something lakeward says elsewhere, or not at all.
fn column_hint(key: &str) -> Option<Problem> {
    let why = match key {
        "partition" => "write the column in `partition_by`",
        "cluster" | "sort" => "write the column in `sort_by`",
        "row_key" | "parent_key" | "root_key" | "variant" => {
            "it is of dlt's child tables and variant columns, which lakeward does not make"
        }
        "incremental" => "write `endpoint.incremental`",
        _ => return None,
    };
    Some(Problem::Refused { what: key.to_owned(), why })
}
