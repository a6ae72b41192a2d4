//! The plan of a run: what the config means once defaults, references and cross-checks are settled.

mod bearing;
mod client;
mod hints;
mod lake;
mod paging;
mod steps;
mod table;

use std::time::Duration;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::base::{JsonPath, Secret, names_credential};
use crate::config::request::RequestTemplate;
use crate::config::rules::{PartialData, Rule};
use crate::config::{AuthPlan, FormatPlan, IncrementalPlan};

pub(crate) use client::{ClientPlan, RateLimit, RetryPlan};
pub(crate) use hints::{ColumnPlan, Contract, ContractPlan, DeclaredType, DedupSort, MergePlan};
pub(crate) use lake::{Compact, Compat, Compression, LakeLocation, LakePlan, OnSchemaChange, StoredAs};
pub(crate) use paging::{PaginatorPlan, Slot, StopRules, TotalAt, TotalPath, TotalRule, Unit};
pub(crate) use steps::{CastPlan, CastType, StepAction, StepPlan, TimeSource};
pub(crate) use table::{Expect, ExpectTotal, OnReject, PartitionField, SortField, Transform, WriteDisposition};

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
    /// How long what an interrupted run was answered waits for the next one; not at all when it is zero.
    pub(crate) resume: Duration,
    /// What a run starts when it is over.
    pub(crate) hooks: HooksPlan,
}

/// Commands, each a program and its arguments; an empty one is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HooksPlan {
    /// After a run whose exit code is 0.
    pub(crate) on_success: Vec<String>,
    /// After any other.
    pub(crate) on_failure: Vec<String>,
}

impl Plan {
    /// A hash of what is asked of the API, and of what becomes of its answers: not of credentials, nor of how fast and how patiently is asked.
    pub(crate) fn fingerprint(&self) -> u128 {
        let Self { name, client, resources, lake: _, resume: _, hooks: _ } = self;
        let ClientPlan { base_url, headers, auth, allow_hosts, rules, .. } = client;
        let told = |name: &str| !names_credential(name);
        let mut text = format!("{name} {base_url} {headers:?} {auth:?} {allow_hosts:?} {rules:?} {resources:?}");
        for (name, value) in headers.iter().filter(|(name, _)| told(name)) {
            text.push_str(&format!(" {name}: {:?}", value.expose()));
        }
        for resource in resources {
            let headers = resource.endpoint.request.headers.iter();
            // A name with placeholders may be any.
            for (name, value) in headers.filter(|(name, _)| told(&format!("{name:?}"))) {
                text.push_str(&format!(" {}: {name:?}: {value:?}", resource.name));
            }
        }
        xxh3_128(text.as_bytes())
    }

    /// Sixteen bits of a hash of the credentials that the config has, whatever a run obtains by them: enough to notice others, which may be those of
    /// another account, and too little to tell a guess from any other.
    pub(crate) fn credentials_check(&self) -> u16 {
        let ClientPlan { headers, auth, tls, .. } = &self.client;
        let mut hash = Xxh3::new();
        let mut take = |secret: &Secret| {
            hash.update(&(secret.expose().len() as u64).to_le_bytes());
            hash.update(secret.expose().as_bytes());
        };
        headers.iter().for_each(|(_, value)| take(value));
        tls.iter().filter_map(|tls| tls.identity.as_ref()).for_each(&mut take);
        let of_endpoints = self.resources.iter().filter_map(|resource| resource.endpoint.auth.as_ref());
        auth.iter().chain(of_endpoints).flat_map(AuthPlan::secrets).for_each(&mut take);
        for (name, value) in self.resources.iter().flat_map(|resource| &resource.endpoint.request.headers) {
            take(&Secret::new(format!("{name:?}: {value:?}")));
        }
        (hash.digest() >> 48) as u16
    }

    /// The resource that `table` comes from.
    pub(crate) fn resource_of(&self, table: &str) -> Option<&str> {
        self.resources.iter().find(|resource| resource.table == table).map(|resource| resource.name.as_str())
    }

    /// The resources that are requested for the records of `resource`, and for theirs, in the config's order.
    pub(crate) fn descendants(&self, resource: &str) -> Vec<&ResourcePlan> {
        descendants(&self.resources, resource)
    }

    /// `resource` and its descendants.
    pub(crate) fn with_descendants<'p>(&'p self, resource: &'p ResourcePlan) -> Vec<&'p ResourcePlan> {
        std::iter::once(resource).chain(self.descendants(&resource.name)).collect()
    }
}

/// Those of `resources` that are requested for the records of `ancestor`, and for theirs, in order.
pub(crate) fn descendants<'p>(resources: &'p [ResourcePlan], ancestor: &str) -> Vec<&'p ResourcePlan> {
    let mut names = vec![ancestor];
    let is_new = |names: &[&str], resource: &ResourcePlan| {
        !names.contains(&resource.name.as_str())
            && resource.parents.iter().any(|parent| names.contains(&parent.resource.as_str()))
    };
    while let Some(next) = resources.iter().find(|resource| is_new(&names, resource)) {
        names.push(&next.name);
    }
    resources.iter().filter(|resource| names.iter().skip(1).any(|name| *name == resource.name)).collect()
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
    /// Whether every run appends all records again, and the config does not say that it is to.
    pub(crate) appends_unasked: bool,
    /// Which record of a key becomes its row.
    pub(crate) merge: MergePlan,
    /// The declared schema's file, as written in the config, and its text.
    pub(crate) schema: Option<SchemaFile>,
    /// Partition folders, outermost first.
    pub(crate) partition_by: Vec<PartitionField>,
    /// Row order within a row group; empty means arrival.
    pub(crate) sort_by: Vec<SortField>,
    /// Whether it is a Delta table; `None`: as the lake's tables are.
    pub(crate) is_delta: Option<bool>,
    /// Guards checked before a publish.
    pub(crate) expect: Expect,
    /// What happens to records that cannot become rows.
    pub(crate) on_reject: OnReject,
}

impl ResourcePlan {
    /// Whether a run reads only what lies behind a cursor that earlier ones have moved: `replace` begins anew.
    pub(crate) fn goes_on_from_cursor(&self) -> bool {
        let has_state = self.endpoint.incremental.as_ref().is_some_and(IncrementalPlan::has_state);
        has_state && self.write_disposition != WriteDisposition::Replace
    }

    /// Whether what is loaded again is a row more.
    pub(crate) fn adds_again(&self) -> bool {
        self.write_disposition == WriteDisposition::Append && !self.goes_on_from_cursor()
    }

    /// Whether a run of all resources loads its table.
    pub(crate) fn is_loaded(&self) -> bool {
        self.is_wanted(&[])
    }

    /// Whether a run of the resources `only`, of all where that is empty, loads its table.
    pub(crate) fn is_wanted(&self, only: &[String]) -> bool {
        let is_named = if only.is_empty() { self.selected } else { only.contains(&self.name) };
        is_named && self.write_disposition != WriteDisposition::Skip
    }
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
    pub(crate) warnings: Vec<String>,
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
