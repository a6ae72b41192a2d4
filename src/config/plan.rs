//! The plan of a run: what the config means once defaults, references and cross-checks are settled.

mod hints;
mod steps;

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::base::{JsonPath, Secret};
use crate::config::request::RequestTemplate;
use crate::config::rules::{PartialData, Rule};
use crate::config::{AuthPlan, FormatPlan, IncrementalPlan, TlsPlan};

pub(crate) use hints::{ColumnPlan, Contract, ContractPlan, DeclaredType, DedupSort, MergePlan};
pub(crate) use steps::{CastPlan, CastType, StepAction, StepPlan, TimeSource};

/// One whole run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The pipeline's name: its state, lease and log in the lake. A path segment: letters, digits, `_`, `-`, `.`.
    pub(crate) name: String,
    /// The HTTP client all resources share.
    pub(crate) client: ClientPlan,
    /// The resources, in the file's order.
    pub(crate) resources: Vec<ResourcePlan>,
    /// Where the tables go.
    pub(crate) lake: LakePlan,
}

/// How the API is reached.
#[derive(Debug, Clone)]
pub(crate) struct ClientPlan {
    /// The configured origin; credentials go nowhere else.
    pub(crate) base_url: Url,
    /// Headers of every request. Values may hold secrets.
    pub(crate) headers: Vec<(String, Secret)>,
    /// Credentials of every request, unless the endpoint has its own.
    pub(crate) auth: Option<AuthPlan>,
    /// When and how a request is tried again.
    pub(crate) retry: RetryPlan,
    /// Longest time to connect.
    pub(crate) connect_timeout: Duration,
    /// Longest silence on the socket.
    pub(crate) read_timeout: Duration,
    /// Longest time for one whole answer.
    pub(crate) page_timeout: Duration,
    /// Limits that must all admit a request.
    pub(crate) rate_limits: Vec<RateLimit>,
    /// Requests in flight, at least 1.
    pub(crate) concurrency: usize,
    /// Other hosts (`host` or `host:port`) that redirects and next links may lead to, without credentials.
    pub(crate) allow_hosts: Vec<String>,
    /// Rules on the answers of every endpoint, tried after its own.
    pub(crate) rules: Vec<Rule>,
    /// Certificates besides those of the machine.
    pub(crate) tls: Option<TlsPlan>,
}

/// When and how a request is tried again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RetryPlan {
    /// Retries after the first attempt.
    pub(crate) max_retries: u32,
    /// Factor between waits, at least 1.
    pub(crate) backoff_factor: f64,
    /// Wait before the first retry.
    pub(crate) initial_delay: Duration,
    /// Status codes that are tried again.
    pub(crate) statuses: Vec<u16>,
    /// The longest wait in all that one request may spend; a `Retry-After` past it ends the run as unavailable.
    pub(crate) max_wait: Duration,
}

/// At most `requests` per `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// Requests admitted.
    pub(crate) requests: u32,
    /// In this time.
    pub(crate) per: Duration,
}

/// One API endpoint and the table it becomes.
#[derive(Debug, Clone)]
pub(crate) struct ResourcePlan {
    /// dlt's resource name.
    pub(crate) name: String,
    /// The table, a path segment; the resource's name unless `table_name` says otherwise.
    pub(crate) table: String,
    /// Declared columns.
    pub(crate) columns: Vec<ColumnPlan>,
    /// What happens to data that the table's schema does not foresee.
    pub(crate) contract: ContractPlan,
    /// Levels of objects and arrays that become structs and lists; deeper ones become JSON text. `None`: all.
    pub(crate) nesting_max: Option<usize>,
    /// Whether numbers that no float holds as they are written are rounded to the nearest.
    pub(crate) round_numbers: bool,
    /// What is requested.
    pub(crate) endpoint: EndpointPlan,
    /// The resources whose records it is requested for, one by one; none for most.
    pub(crate) parents: Vec<ParentPlan>,
    /// Values of those records that become columns.
    pub(crate) include_from_parent: Vec<IncludePlan>,
    /// What happens when a record of a parent lacks a field that is needed.
    pub(crate) on_missing_parent_field: OnMissing,
    /// `false`: read for its children, and no table.
    pub(crate) selected: bool,
    /// What happens to each record before it becomes a row, in order.
    pub(crate) processing_steps: Vec<StepPlan>,
    /// Columns of the primary key; empty without one.
    pub(crate) primary_key: Vec<String>,
    /// How rows enter the table.
    pub(crate) write_disposition: WriteDisposition,
    /// Which record of a key becomes its row.
    pub(crate) merge: MergePlan,
    /// The declared schema's file, as written in the config, and its text.
    pub(crate) schema: Option<SchemaFile>,
    /// Partition folders, outermost first.
    pub(crate) partition_by: Vec<PartitionField>,
    /// Row order within a row group; empty means arrival.
    pub(crate) sort_by: Vec<SortField>,
    /// Guards checked before a publish.
    pub(crate) expect: Expect,
    /// What happens to records that cannot become rows.
    pub(crate) on_reject: OnReject,
}

/// A declared schema's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaFile {
    /// Path as written in the config.
    pub(crate) path: String,
    /// The file's text.
    pub(crate) text: String,
}

/// A resource whose records another one is requested for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParentPlan {
    /// Its name.
    pub(crate) resource: String,
    /// The fields that are asked of each of its records.
    pub(crate) fields: Vec<JsonPath>,
}

/// A value of a parent's record that becomes a column of the child's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IncludePlan {
    /// Which of the parents.
    pub(crate) parent: usize,
    /// Which of its fields.
    pub(crate) field: usize,
    /// The column; dlt's name is `_<parent>_<field>`.
    pub(crate) column: String,
}

/// What happens to a record of a parent that lacks a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnMissing {
    /// The child fails.
    #[default]
    Fail,
    /// The child is not requested for it; counted and listed.
    Skip,
}

/// What is requested, page by page.
#[derive(Debug, Clone)]
pub(crate) struct EndpointPlan {
    /// The first page's request.
    pub(crate) request: RequestTemplate,
    /// GET or POST.
    pub(crate) method: Method,
    /// Where the records are; `None` means found on the first page, or refused there when that is a guess.
    pub(crate) data_selector: Option<JsonPath>,
    /// What bodies are written in.
    pub(crate) response_format: FormatPlan,
    /// How records are found where a list of objects at `data_selector` is not all there is to say.
    pub(crate) records: Option<RecordsPlan>,
    /// How the next page is found.
    pub(crate) paginator: PaginatorPlan,
    /// What was settled in a way that may surprise, in words.
    pub(crate) warning: Option<String>,
    /// Credentials instead of the client's.
    pub(crate) auth: Option<AuthPlan>,
    /// Incremental loading.
    pub(crate) incremental: Option<IncrementalPlan>,
    /// Rules on its answers, tried before the client's.
    pub(crate) rules: Vec<Rule>,
    /// It answers as GraphQL does.
    pub(crate) graphql: Option<PartialData>,
}

/// `endpoint.records`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RecordsPlan {
    /// Where the records may be, the first that holds something counts; empty: at `data_selector`.
    pub(crate) paths: Vec<JsonPath>,
    /// What is there is a map: its values are the records (`map_values`).
    pub(crate) by_key: bool,
    /// The column that keeps a record's key of such a map.
    pub(crate) key_as: Option<String>,
    /// Whether what is there is one object, or, when false, must be a list; `None`: either.
    pub(crate) single: Option<bool>,
    /// The column that scalars are put into.
    pub(crate) wrap: Option<String>,
    /// A page may have nothing, or null, where its records should be.
    pub(crate) optional: bool,
    /// Paths within a record where a single value stands for a list of one.
    pub(crate) force_list: Vec<JsonPath>,
    /// `[]` within a record is `{}`: everywhere, or at these paths.
    pub(crate) php_empty: PhpEmpty,
}

/// Where an empty list stands for an empty object, as PHP writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum PhpEmpty {
    /// Nowhere.
    #[default]
    No,
    /// Wherever there is one.
    Everywhere,
    /// At these paths within a record.
    At(Vec<JsonPath>),
}

/// HTTP method of an endpoint; dlt allows these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// GET
    Get,
    /// POST
    Post,
}

/// Where a page position is written in a request. dlt: `*_param` or `*_body_path`, never both.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// dlt's write dispositions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteDisposition {
    /// Add rows.
    Append,
    /// The run's rows become the table.
    Replace,
    /// Upsert by primary key.
    Merge,
    /// Fetch nothing, leave the table.
    Skip,
}

/// One partition folder level: `<name>=<value>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionField {
    /// The column.
    pub(crate) column: String,
    /// How its value becomes a folder's.
    pub(crate) transform: Transform,
    /// Folder key: `as`, or `<column>_<transform>`, or just `<column>` for identity.
    pub(crate) name: String,
}

/// Partition transforms, after Iceberg's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transform {
    /// The value itself.
    Identity,
    /// `2026`
    Year,
    /// `2026-11`
    Month,
    /// `2026-11-22`
    Day,
    /// `2026-11-22-13`, UTC
    Hour,
    /// A hash bucket, `0..buckets` (Iceberg's murmur3 bucket).
    Bucket {
        /// Number of buckets, at least 1.
        buckets: u32,
    },
    /// Integers to a multiple of `width`, text to its first `width` characters.
    Truncate {
        /// At least 1.
        width: u32,
    },
}

/// As the config spells it.
impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Year => f.write_str("year"),
            Self::Month => f.write_str("month"),
            Self::Day => f.write_str("day"),
            Self::Hour => f.write_str("hour"),
            Self::Bucket { buckets } => write!(f, "bucket[{buckets}]"),
            Self::Truncate { width } => write!(f, "truncate[{width}]"),
        }
    }
}

/// A column of the row order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortField {
    /// The column.
    pub(crate) column: String,
    /// Greatest first.
    pub(crate) descending: bool,
}

/// Guards checked before a publish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expect {
    /// Fewest rows the run must bring.
    pub(crate) min_rows: Option<u64>,
    /// Largest allowed loss of rows against the published table, as a fraction; for `replace` and `merge`, [`Expect::MAX_SHRINK`] unless set.
    pub(crate) max_shrink: Option<f64>,
    /// What the API tells of the number of records in all.
    pub(crate) total: ExpectTotal,
}

/// What the API tells of the number of records in all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ExpectTotal {
    /// Whatever stands where totals stand.
    #[default]
    Undeclared,
    /// The number at this path, which is what must be read.
    At(JsonPath),
    /// Nothing that what was read must come to: a total is an estimate, or counts something else.
    Estimate,
}

impl ExpectTotal {
    /// The path that has to be read.
    #[must_use]
    pub(crate) fn path(&self) -> Option<&JsonPath> {
        if let Self::At(path) = self { Some(path) } else { None }
    }
}

impl Expect {
    /// What `max_shrink` is where it is not set.
    pub(crate) const MAX_SHRINK: f64 = 0.5;
}

/// What happens to records that cannot become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnReject {
    /// Stop with exit 3.
    Fail,
    /// Keep them in the lake's quarantine, at most `max_rejects`.
    Quarantine {
        /// Rejects past this number fail the run.
        max_rejects: Option<u64>,
    },
}

/// Where the tables go.
#[derive(Debug, Clone)]
pub(crate) struct LakePlan {
    /// Disk or bucket.
    pub(crate) location: LakeLocation,
    /// object_store options (`aws_access_key_id`, `aws_endpoint`, …); values may be secrets.
    pub(crate) options: Vec<(String, Secret)>,
    /// Parquet codec.
    pub(crate) compression: Compression,
    /// Encoded bytes at which a data file is split.
    pub(crate) target_file_size: u64,
    /// Take over tables with files that no manifest knows.
    pub(crate) adopt: bool,
    /// Accept a store that ignores conditional writes.
    pub(crate) allow_unsafe_store: bool,
    /// `publish: together`: one failed resource keeps all from publishing.
    pub(crate) publish_together: bool,
    /// `on_schema_change`.
    pub(crate) on_schema_change: OnSchemaChange,
    /// `max_partitions`.
    pub(crate) max_partitions: usize,
    /// `compat`.
    pub(crate) compat: Compat,
}

/// Where a lake lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LakeLocation {
    /// A folder, absolute.
    Disk(std::path::PathBuf),
    /// `s3://bucket/prefix`.
    S3 {
        /// Bucket name.
        bucket: String,
        /// Key prefix without slashes at its ends; may be empty.
        prefix: String,
    },
}

/// What a commit that changes a table's schema does to files of the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSchemaChange {
    /// Bring them up to date.
    Rewrite,
    /// Leave them; readers then need `union_by_name` or `mergeSchema`.
    Leave,
}

/// Which readers the files are for, the narrower choice first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Compat {
    /// Those that know the delta and byte-stream-split encodings.
    Modern,
    /// All, also those that know only the plain and dictionary encodings.
    Legacy,
}

impl Compat {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }
}

/// Parquet codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// None.
    Uncompressed,
    /// Snappy.
    Snappy,
    /// Zstandard at a level of 1 to 22.
    Zstd(i32),
}
