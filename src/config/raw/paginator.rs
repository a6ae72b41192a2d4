//! `paginator`: how the next page is found, with dlt's types, keys and defaults.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::JsonPath;
use crate::config::Unit;
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

/// Defines the keys of a paginator: its own, and behind them those that end its pages, which are the same for all.
macro_rules! paged {
    ($(#[$doc:meta])+ $name:ident { $($own:tt)* }) => {
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        $(#[$doc])+
        pub(crate) struct $name {
            $($own)*
            /// JSON path of the total number of records, which ends the pages and must be met. Default: none.
            pub(crate) total_records_path: Field<Scalar<JsonPath>>,
            /// Header with the total number of records, such as `X-Total-Count`. Not together with `total_records_path`. Default: none.
            pub(crate) total_records_header: Field<String>,
            /// JSON path of the total number of pages, which ends them and must be met. Default: none.
            pub(crate) total_pages_path: Field<Scalar<JsonPath>>,
            /// Header with the total number of pages, such as `X-WP-TotalPages`. Not together with `total_pages_path`. Default: none.
            pub(crate) total_pages_header: Field<String>,
            /// End at the first page without records. Default: true for `offset` and `page_number`, else false.
            pub(crate) stop_after_empty_page: Field<bool>,
            /// JSON path of a flag that tells whether there is more: true or false, 1 or 0, or a word for these. Default: none.
            pub(crate) has_more_path: Field<Scalar<JsonPath>>,
            /// JSON path of a flag that is true on the last page, such as `isLast`. Default: none.
            pub(crate) end_path: Field<Scalar<JsonPath>>,
            /// Go on when rows seem to be removed or reordered while pages are read, or a total is not met, though some may then be missing. Default: false.
            pub(crate) allow_drift: Field<bool>,
        }

        impl $name {
            /// What ends the pages.
            pub(crate) fn ends(&self) -> Ends<'_> {
                Ends {
                    totals: [
                        TotalKeys { unit: Unit::Records, path: &self.total_records_path, header: &self.total_records_header },
                        TotalKeys { unit: Unit::Pages, path: &self.total_pages_path, header: &self.total_pages_header },
                    ],
                    stop_after_empty_page: &self.stop_after_empty_page,
                    has_more_path: &self.has_more_path,
                    end_path: &self.end_path,
                    allow_drift: &self.allow_drift,
                }
            }
        }
    };
}

/// The keys of a total, in the body or in a header.
pub(crate) struct TotalKeys<'r> {
    /// What it counts.
    pub(crate) unit: Unit,
    pub(crate) path: &'r Field<Scalar<JsonPath>>,
    pub(crate) header: &'r Field<String>,
}

/// The keys that end the pages of any paginator.
pub(crate) struct Ends<'r> {
    pub(crate) totals: [TotalKeys<'r>; 2],
    pub(crate) stop_after_empty_page: &'r Field<bool>,
    pub(crate) has_more_path: &'r Field<Scalar<JsonPath>>,
    pub(crate) end_path: &'r Field<Scalar<JsonPath>>,
    pub(crate) allow_drift: &'r Field<bool>,
}

paged! {
    /// By the number of records passed over. A total, `maximum_offset`, `has_more_path`, `end_path` or
    /// `stop_after_empty_page` must end it.
    #[schemars(extend("required" = ["limit"]))]
    OffsetPaginator {
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
    }
}

paged! {
    /// By the number of the page. A total, `maximum_page`, `has_more_path`, `end_path` or `stop_after_empty_page` must end it.
    PageNumberPaginator {
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
    }
}

paged! {
    /// By a cursor in the answer's body; a missing, null or empty one ends it.
    CursorPaginator {
        /// JSON path of the next cursor. Default: `cursors.next`.
        pub(crate) cursor_path: Field<Scalar<JsonPath>>,
        /// Query parameter of the cursor. Default: `cursor`. Not together with `cursor_body_path`.
        pub(crate) cursor_param: Field<String>,
        /// Dotted path of the cursor in the JSON body. Default: none.
        pub(crate) cursor_body_path: Field<String>,
    }
}

paged! {
    /// By the next page's URL in the answer's body; a missing, null or empty one ends it.
    JsonLinkPaginator {
        /// JSON path of the next page's URL. Default: `next`.
        pub(crate) next_url_path: Field<Scalar<JsonPath>>,
    }
}

paged! {
    /// By the `Link` header (RFC 8288); an answer without the relation ends it.
    HeaderLinkPaginator {
        /// Relation of the next page. Default: `next`.
        pub(crate) links_next_key: Field<String>,
    }
}

paged! {
    /// By a cursor in a header of the answer; a missing or empty one ends it.
    HeaderCursorPaginator {
        /// Header with the next cursor. Default: `next`.
        pub(crate) cursor_key: Field<String>,
        /// Query parameter of the cursor. Default: `cursor`.
        pub(crate) cursor_param: Field<String>,
    }
}

paged! {
    /// By Relay's `pageInfo {hasNextPage, endCursor}` in a GraphQL answer, whose query asks for both.
    #[schemars(extend("required" = ["path"]))]
    RelayPaginator {
        /// JSON path of the `pageInfo`, such as `data.orders.pageInfo`.
        #[schemars(with = "String")]
        pub(crate) path: Field<Scalar<JsonPath>>,
        /// Dotted path of the cursor in the JSON body. Default: `variables.after`.
        pub(crate) cursor_variable: Field<String>,
    }
}
