//! `paginator`: how the next page is found, with dlt's types, keys and defaults.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::JsonPath;
use crate::config::raw::{Field, Scalar};

/// How the next page is found, chosen by `type`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub(crate) enum Paginator {
    /// The client's paginator; without one, detected on the first page and proven by the second.
    Auto(NoKeys),
    /// One request.
    SinglePage(NoKeys),
    /// By the number of records passed over.
    Offset(OffsetPaginator),
    /// By the number of the page.
    PageNumber(PageNumberPaginator),
    /// By a cursor in the answer's body.
    Cursor(CursorPaginator),
    /// By the next page's URL in the answer's body.
    #[serde(alias = "json_response")]
    JsonLink(JsonLinkPaginator),
    /// By the `Link` header (RFC 8288).
    HeaderLink(HeaderLinkPaginator),
    /// By a cursor in a header of the answer.
    HeaderCursor(HeaderCursorPaginator),
    /// By Relay's `pageInfo {hasNextPage, endCursor}` in a GraphQL answer.
    Relay(RelayPaginator),
}

/// A type without keys.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NoKeys {}

/// By the number of records passed over. At least one of `total_path`, `maximum_offset`, `has_more_path` and
/// `stop_after_empty_page` must end it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["limit"]))]
pub(crate) struct OffsetPaginator {
    /// Records asked for a page, at least 1.
    #[schemars(with = "u64", range(min = 1))]
    pub(crate) limit: Field<u64>,
    /// The first offset. Default: 0.
    pub(crate) offset: Field<u64>,
    /// Query parameter of the offset. Default: `offset`. Not together with `offset_body_path`.
    pub(crate) offset_param: Field<String>,
    /// Dotted path of the offset in the JSON body. Default: none.
    pub(crate) offset_body_path: Field<String>,
    /// Query parameter of the limit. Default: `limit`. Not together with `limit_body_path`.
    pub(crate) limit_param: Field<String>,
    /// Dotted path of the limit in the JSON body. Default: none.
    pub(crate) limit_body_path: Field<String>,
    /// JSON path of the total number of records. Set: a page without it is an error. Null: not looked for. Default: `total`, where there is one.
    pub(crate) total_path: Field<Scalar<JsonPath>>,
    /// Offset at which to stop, itself not requested. Default: none.
    pub(crate) maximum_offset: Field<u64>,
    /// End at the first page without records. Default: true.
    pub(crate) stop_after_empty_page: Field<bool>,
    /// JSON path of a boolean that tells whether there is more. Default: none.
    pub(crate) has_more_path: Field<Scalar<JsonPath>>,
    /// Go on when rows seem to be removed or reordered while pages are read, though some may then be missing. Default: false.
    pub(crate) allow_drift: Field<bool>,
}

/// By the number of the page. At least one of `total_path`, `maximum_page`, `has_more_path` and `stop_after_empty_page`
/// must end it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PageNumberPaginator {
    /// Number of the API's first page. Default: 0.
    pub(crate) base_page: Field<u64>,
    /// Number of the first page to request. Default: `base_page`.
    pub(crate) page: Field<u64>,
    /// Query parameter of the number. Default: `page`. Not together with `page_body_path`.
    pub(crate) page_param: Field<String>,
    /// Dotted path of the number in the JSON body. Default: none.
    pub(crate) page_body_path: Field<String>,
    /// JSON path of the total number of pages. Set: a page without it is an error. Null: not looked for. Default: `total`, where there is one.
    pub(crate) total_path: Field<Scalar<JsonPath>>,
    /// Page number at which to stop, itself not requested. Default: none.
    pub(crate) maximum_page: Field<u64>,
    /// End at the first page without records. Default: true.
    pub(crate) stop_after_empty_page: Field<bool>,
    /// JSON path of a boolean that tells whether there is more. Default: none.
    pub(crate) has_more_path: Field<Scalar<JsonPath>>,
    /// Go on when rows seem to be removed or reordered while pages are read, though some may then be missing. Default: false.
    pub(crate) allow_drift: Field<bool>,
}

/// By a cursor in the answer's body; a missing, null or empty one ends it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CursorPaginator {
    /// JSON path of the next cursor. Default: `cursors.next`.
    pub(crate) cursor_path: Field<Scalar<JsonPath>>,
    /// Query parameter of the cursor. Default: `cursor`. Not together with `cursor_body_path`.
    pub(crate) cursor_param: Field<String>,
    /// Dotted path of the cursor in the JSON body. Default: none.
    pub(crate) cursor_body_path: Field<String>,
    /// End at the first page without records. Default: false.
    pub(crate) stop_after_empty_page: Field<bool>,
    /// JSON path of a boolean that tells whether there is more. Default: none.
    pub(crate) has_more_path: Field<Scalar<JsonPath>>,
}

/// By the next page's URL in the answer's body; a missing, null or empty one ends it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct JsonLinkPaginator {
    /// JSON path of the next page's URL. Default: `next`.
    pub(crate) next_url_path: Field<Scalar<JsonPath>>,
    /// Go on when rows seem to be removed while pages are read, or the links end before a header's total, though some may then be missing. Default: false.
    pub(crate) allow_drift: Field<bool>,
}

/// By the `Link` header (RFC 8288); an answer without the relation ends it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeaderLinkPaginator {
    /// Relation of the next page. Default: `next`.
    pub(crate) links_next_key: Field<String>,
    /// Go on when rows seem to be removed while pages are read, or the links end before a header's total, though some may then be missing. Default: false.
    pub(crate) allow_drift: Field<bool>,
}

/// By a cursor in a header of the answer; a missing or empty one ends it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeaderCursorPaginator {
    /// Header with the next cursor. Default: `next`.
    pub(crate) cursor_key: Field<String>,
    /// Query parameter of the cursor. Default: `cursor`.
    pub(crate) cursor_param: Field<String>,
}

/// By Relay's `pageInfo {hasNextPage, endCursor}` in a GraphQL answer, whose query asks for both.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path"]))]
pub(crate) struct RelayPaginator {
    /// JSON path of the `pageInfo`, such as `data.orders.pageInfo`.
    #[schemars(with = "String")]
    pub(crate) path: Field<Scalar<JsonPath>>,
    /// Dotted path of the cursor in the JSON body. Default: `variables.after`.
    pub(crate) cursor_variable: Field<String>,
}
