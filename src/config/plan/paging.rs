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
        /// What ends the pages; `total` counts records.
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
        /// What ends the pages; `total` counts pages.
        stop: StopRules,
    },
    /// `cursor`.
    Cursor {
        /// Where the next cursor stands in a page.
        cursor_path: JsonPath,
        /// Where it goes in the next request.
        cursor_slot: Slot,
        /// What ends the pages besides.
        stop: StopRules,
    },
    /// `json_link` (dlt's deprecated alias: `json_response`).
    JsonLink {
        /// Where the next page's URL stands.
        next_url_path: JsonPath,
        /// What ends the pages besides.
        stop: StopRules,
    },
    /// `header_link` (RFC 8288).
    HeaderLink {
        /// The relation of the next page.
        links_next_key: String,
        /// What ends the pages besides.
        stop: StopRules,
    },
    /// `header_cursor`.
    HeaderCursor {
        /// The header with the next cursor.
        cursor_key: String,
        /// Its query parameter.
        cursor_param: String,
        /// What ends the pages besides.
        stop: StopRules,
    },
}

impl PaginatorPlan {
    /// What ends the pages besides there being no next one; `None` where nothing does, or it has to be found.
    pub(crate) fn stop(&self) -> Option<&StopRules> {
        match self {
            Self::Offset { stop, .. }
            | Self::PageNumber { stop, .. }
            | Self::Cursor { stop, .. }
            | Self::JsonLink { stop, .. }
            | Self::HeaderLink { stop, .. }
            | Self::HeaderCursor { stop, .. } => Some(stop),
            Self::Undeclared | Self::SinglePage => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn stop_mut(&mut self) -> Option<&mut StopRules> {
        match self {
            Self::Offset { stop, .. }
            | Self::PageNumber { stop, .. }
            | Self::Cursor { stop, .. }
            | Self::JsonLink { stop, .. }
            | Self::HeaderLink { stop, .. }
            | Self::HeaderCursor { stop, .. } => Some(stop),
            Self::Undeclared | Self::SinglePage => None,
        }
    }

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

/// What ends the pages, besides there being no next one: the same rules for every paginator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StopRules {
    /// Where the total of what the paginator counts stands, in the body: records of `offset`, pages of `page_number`.
    pub(crate) total: TotalPath,
    /// Other totals, at most one of records and one of pages.
    pub(crate) totals: Vec<TotalRule>,
    /// dlt's `maximum_offset` or `maximum_page`, exclusive as there.
    pub(crate) maximum: Option<u64>,
    /// End at the first page without records.
    pub(crate) stop_after_empty_page: bool,
    /// A flag that tells whether there is more.
    pub(crate) has_more_path: Option<JsonPath>,
    /// A flag that is true on the last page.
    pub(crate) end_path: Option<JsonPath>,
    /// Go on when rows seem to move while pages are read.
    pub(crate) allow_drift: bool,
}

impl StopRules {
    /// Whether a flag ends the pages.
    pub(crate) fn has_flag(&self) -> bool {
        self.has_more_path.is_some() || self.end_path.is_some()
    }

    /// Whether a total of records that the config names ends the pages.
    pub(crate) fn counts_records(&self) -> bool {
        self.totals.iter().any(|total| total.unit == Unit::Records)
    }
}

/// A total that ends the pages once it is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TotalRule {
    /// What it counts.
    pub(crate) unit: Unit,
    /// Where it stands.
    pub(crate) at: TotalAt,
}

impl TotalRule {
    /// The config's key for it.
    pub(crate) fn key(&self) -> &'static str {
        match (self.unit, &self.at) {
            (Unit::Records, TotalAt::Body(_)) => "total_records_path",
            (Unit::Records, TotalAt::Header(_)) => "total_records_header",
            (Unit::Pages, TotalAt::Body(_)) => "total_pages_path",
            (Unit::Pages, TotalAt::Header(_)) => "total_pages_header",
        }
    }
}

/// What a total counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Records.
    Records,
    /// Pages that have some.
    Pages,
}

impl Unit {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Pages => "pages",
        }
    }
}

/// Where a total stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TotalAt {
    /// In the body.
    Body(JsonPath),
    /// In this header.
    Header(String),
}

/// Where an API's total stands, and whether a page may lack it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum TotalPath {
    /// `total_path: null`: not looked for.
    #[default]
    None,
    /// Not set: dlt's `total`, used when it is there.
    Optional(JsonPath),
    /// Set: a page without it is an error.
    Required(JsonPath),
}
