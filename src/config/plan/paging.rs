//! The plan of a resource's pages: how the next one is found, and what ends them.

use serde::{Deserialize, Serialize};

use crate::base::JsonPath;

/// Where a page position is written in a request. dlt: `*_param` or `*_body_path`, never both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Slot {
    /// A query parameter.
    Param(String),
    /// A dotted path into the JSON body; objects on the way are made.
    Body(Vec<String>),
}

/// dlt's paginators with their fields and defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PaginatorPlan {
    /// Nothing was declared: detected on the first page and proven by the second, or refused.
    Undeclared,
    /// One request.
    SinglePage,
    /// `offset`.
    Offset {
        /// Records asked for a page.
        limit: u64,
        /// The first offset.
        offset: u64,
        /// Where the offset goes.
        offset_slot: Slot,
        /// Where the limit goes.
        limit_slot: Slot,
        /// Shared stop rules; `total` counts records.
        stop: StopRules,
    },
    /// `page_number`.
    PageNumber {
        /// Number of the API's first page, 0 or 1; totals count from here.
        base_page: u64,
        /// Number of the first page requested.
        page: u64,
        /// Where the number goes.
        page_slot: Slot,
        /// Shared stop rules; `total` counts pages.
        stop: StopRules,
    },
    /// `cursor`.
    Cursor {
        /// Where the next cursor stands in a page.
        cursor_path: JsonPath,
        /// Where it goes in the next request.
        cursor_slot: Slot,
        /// End at the first page without records.
        stop_after_empty_page: bool,
        /// A boolean that tells whether there is more.
        has_more_path: Option<JsonPath>,
    },
    /// `json_link` (dlt's deprecated alias: `json_response`).
    JsonLink {
        /// Where the next page's URL stands.
        next_url_path: JsonPath,
        /// Go on when rows seem to move while pages are read.
        allow_drift: bool,
    },
    /// `header_link` (RFC 8288).
    HeaderLink {
        /// The relation of the next page.
        links_next_key: String,
        /// Go on when rows seem to move while pages are read.
        allow_drift: bool,
    },
    /// `header_cursor`.
    HeaderCursor {
        /// The header with the next cursor.
        cursor_key: String,
        /// Its query parameter.
        cursor_param: String,
    },
}

impl PaginatorPlan {
    /// The places in the JSON body that positions are written to.
    pub(crate) fn body_paths(&self) -> impl Iterator<Item = &[String]> {
        let slots = match self {
            Self::Offset { offset_slot, limit_slot, .. } => [Some(offset_slot), Some(limit_slot)],
            Self::PageNumber { page_slot: slot, .. } | Self::Cursor { cursor_slot: slot, .. } => [Some(slot), None],
            Self::Undeclared | Self::SinglePage | Self::JsonLink { .. } | Self::HeaderLink { .. } | Self::HeaderCursor { .. } => {
                [None, None]
            }
        };
        slots.into_iter().flatten().filter_map(|slot| match slot {
            Slot::Body(path) => Some(path.as_slice()),
            Slot::Param(_) => None,
        })
    }
}

/// Stop rules of `offset` and `page_number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StopRules {
    /// Where the API's total stands.
    pub(crate) total: TotalPath,
    /// dlt's `maximum_offset` or `maximum_page`, exclusive as there.
    pub(crate) maximum: Option<u64>,
    /// End at the first page without records.
    pub(crate) stop_after_empty_page: bool,
    /// A boolean that tells whether there is more.
    pub(crate) has_more_path: Option<JsonPath>,
    /// Go on when rows seem to move while pages are read.
    pub(crate) allow_drift: bool,
}

/// Where an API's total stands, and whether a page may lack it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TotalPath {
    /// `total_path: null`: not looked for.
    None,
    /// Not set: dlt's `total`, used when it is there.
    Optional(JsonPath),
    /// Set: a page without it is an error.
    Required(JsonPath),
}
