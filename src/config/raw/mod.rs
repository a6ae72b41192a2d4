//! What a config file says: its sections, key by key, as types.
//!
//! In: a file, by way of `read`. Out: the same facts, every key as a [`Field`] that knows its place, nothing defaulted. The
//! documentation of each key stands here, once: it goes into `schemas/config.schema.json` and so into editors.
//! Not here: what the facts mean together (`resolve`).

mod auth;
mod client;
mod endpoint;
mod field;
mod incremental;
mod hints;
mod hooks;
pub(crate) mod keys;
mod lake;
mod paginator;
mod resource;
mod rules;
mod scalar;
mod steps;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use auth::{
    ApiKeyAuth, Auth, ClientAuthentication, ClientCredentialsAuth, ExpiredWhen, JwtAlgorithm, JwtAuth, Location, LoginAuth,
    LoginThen, RefreshTokenAuth,
};
pub(crate) use client::{Client, RateLimit, Retry, Timeout, Tls};
pub(crate) use endpoint::{
    CsvTypes, DuplicateMembers, Endpoint, FormatName, InvalidText, JsonRules, Method, NulCharacters, ResponseFormat,
};
pub(crate) use field::{Credential, Either, Entries, Field, Node, OneOrMany, Tagged};
pub(crate) use hints::{ColumnHint, Columns, ContractMap, ContractMode, DataType, DedupOrder, FileFormat, TableFormat, Unread};
pub(crate) use hooks::Hooks;
pub(crate) use incremental::{Bound, CursorState, Incremental, OnMissing, ParamForm, StrictWindow};
pub(crate) use lake::{ByteSize, Lake, OptionValue, Publish, RewriteUpTo, SchemaChange};
pub(crate) use paginator::{CursorPaginator, Ends, OffsetPaginator, PageNumberPaginator, Paginator, RelayPaginator, TotalKeys};
pub(crate) use resource::{
    Disposition, DispositionMap, Expect, Include, Nested, Numbers, OnMissingParentField, OnReject, Partition, Resource, Sort,
    SortForm, SortOrder, Strategy, TransformName,
};
pub(crate) use rules::{ActionName, GraphQl, PartialName, ResponseAction, ScopeName, WaitUnitName};
pub(crate) use scalar::{FromScalar, Scalar, ScalarError};
pub(crate) use steps::{Cast, CastName, Explode, Hash, Mask, ProcessingStep, TimeForm};

/// A lakeward config: one API, its resources, and the lake they go to. The keys are those of dlt's `rest_api` source;
/// lakeward's own stand beside them. Any text may hold `${NAME}`, `${NAME:-default}`, `${NAME:public}` or `${file:PATH}`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "client", "resources", "lake"]))]
pub(crate) struct Config {
    /// Names the pipeline: its state, lease and log in the lake. Letters, digits, `_`, `-` and `.`; does not begin with `_` or `.`.
    #[schemars(with = "String")]
    pub(crate) name: Field<String>,
    /// How the API is reached.
    #[schemars(with = "Client")]
    pub(crate) client: Field<Client>,
    /// Keys that every resource has unless it gives its own. `endpoint` is merged key by key, and `params` and `json` in it; every other key is
    /// replaced whole, also by null.
    pub(crate) resource_defaults: Field<Resource>,
    /// The endpoints to read and the tables they become, each once. A name alone stands for an endpoint of that path.
    #[schemars(with = "Vec<Either<String, Resource>>", length(min = 1))]
    pub(crate) resources: Field<Vec<Field<Either<String, Resource>>>>,
    /// Where the tables go.
    #[schemars(with = "Lake")]
    pub(crate) lake: Field<Lake>,
    /// How long the answers that an interrupted run has received wait on local disk for the next run, which then asks for the others alone, such as
    /// `6h`; 0 keeps none. Default: `6h`.
    pub(crate) resume: Field<Scalar<Duration>>,
    /// Commands that a run starts when it is over. Default: none.
    #[schemars(with = "Option<Hooks>")]
    pub(crate) hooks: Field<Hooks>,
}
