//! Everything that can end a run or one of its resources.

mod hints;
mod kind;

use crate::base::ErrorKind;
use crate::config::{BindError, Plan};
use crate::decode::{DecodeError, Reject};
use crate::lake::{LakeError, PartitionError};
use crate::pipeline::adopt::AdoptError;
use crate::pipeline::cursors::IncrementalError;
use crate::pipeline::families::FamilyError;
use crate::pipeline::held::HeldError;
use crate::schema::SchemaError;
use crate::source::SourceError;

/// Why a run, or one resource of it, did not publish.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The API side.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A page could not be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A declared schema, or the table's own, does not allow it.
    #[error("schema of `{resource}`")]
    Schema {
        /// The resource.
        resource: String,
        /// Why.
        source: SchemaError,
    },
    /// `partition_by` does not go with the declared schema.
    #[error("`partition_by` of `{resource}`")]
    Partitions {
        /// The resource.
        resource: String,
        /// Why.
        source: PartitionError,
    },
    /// A table that is to be as the config says, of which the config says nothing.
    #[error(
        "no resource of the config has the table `{table}`, so that nothing says what it is to be; give it its resource's `table_name`"
    )]
    NoResource {
        /// The table.
        table: String,
    },
    /// A config that does not adopt files.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// More was set aside than is decoded at once.
    #[error(
        "the quarantine of `{table}` has more than {bytes_max} bytes that count, which is more than is decoded once more at once"
    )]
    MuchSetAside {
        /// The table.
        table: String,
        /// The bound.
        bytes_max: u64,
    },
    /// A key for rows that were added up to a cursor.
    #[error(
        "the table `{table}` was loaded by `append` up to a cursor, and what came last is remembered by its key: under another one `{resource}` would load some of it again; put the key back, or load all anew under it with `--full-refresh --resource {resource}`"
    )]
    RekeyOfAppend {
        /// The table.
        table: String,
        /// Its resource.
        resource: String,
    },
    /// The config names a column that the data does not have.
    #[error("`{key}` of `{resource}` names the column `{column}`, which no record has{}", did_you_mean(.near.as_deref()))]
    NoSuchColumn {
        /// The resource.
        resource: String,
        /// The config's key.
        key: &'static str,
        /// The column.
        column: String,
        /// What it is probably a misspelling of.
        near: Option<String>,
    },
    /// `include_from_parent` or a placeholder names what no record of the parent has.
    #[error("{key} of `{resource}` names `{field}`, which no record of `{parent}` has{}", did_you_mean(.near.as_deref()))]
    NoParentField {
        /// The resource.
        resource: String,
        /// The parent.
        parent: String,
        /// What names it, in words.
        key: &'static str,
        /// The field, or its placeholder.
        field: String,
        /// What it is probably a misspelling of.
        near: Option<String>,
    },
    /// `dedup_sort` names a column whose values have no order.
    #[error("`dedup_sort` of `{resource}` names the column `{column}`, which is {found} and has no order")]
    NoOrder {
        /// The resource.
        resource: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// A request cannot be made from the values at hand.
    #[error("the request of `{resource}`{of} cannot be made")]
    Request {
        /// The resource.
        resource: String,
        /// For which record, in words; empty without parents.
        of: String,
        /// Why.
        source: BindError,
    },
    /// A resource cannot be read without the records of another one.
    #[error("`{resource}` was not read, because `{parent}`, whose records it needs, failed")]
    ParentFailed {
        /// The resource.
        resource: String,
        /// The one that failed.
        parent: String,
        /// As what the parent failed.
        kind: ErrorKind,
    },
    /// A look at a child needs a record of its parent.
    #[error("`{resource}` cannot be looked at: the first page of `{parent}` has no record with all that it asks for")]
    NoParentRecord {
        /// The resource.
        resource: String,
        /// The parent.
        parent: String,
    },
    /// A child was read for none of its parent's records.
    #[error("`{resource}` was read for none of the {skipped} asked for of its parent's records; the first: {first}")]
    AllSkipped {
        /// The resource.
        resource: String,
        /// How many.
        skipped: u64,
        /// Those of them for which no rule of the config says so.
        vanished: u64,
        /// Why the first was not.
        first: String,
    },
    /// Placeholders of two lists of one record, and nothing says which values go together.
    #[error(
        "`{resource}` asks `{parent}` for values of two lists, `{first}` and `{second}`, and nothing says which of them go together"
    )]
    ManyLists {
        /// The resource.
        resource: String,
        /// The parent.
        parent: String,
        /// One list.
        first: String,
        /// The other.
        second: String,
    },
    /// A list of a parent's record that is too long to ask for each element.
    #[error("`{resource}` would ask for every element of `{list}`, and record {record} of `{parent}` has more than {limit}")]
    TooManyElements {
        /// The resource.
        resource: String,
        /// The parent.
        parent: String,
        /// The parent's record, from 1.
        record: u64,
        /// The list.
        list: String,
        /// The bound.
        limit: usize,
    },
    /// Too many of the parent's records are gone.
    #[error(
        "{gone} of {asked} requests of `{resource}`, one for each record of its parent, were answered 404 or 410; without a rule at most 5 % may be, at least one; the first: {first}"
    )]
    TooManyGone {
        /// The resource.
        resource: String,
        /// How many.
        gone: usize,
        /// Of how many.
        asked: usize,
        /// The first of them.
        first: String,
    },
    /// A parent with too many records to combine them with another one's.
    #[error("`{resource}` combines the records of several parents, and a parent behind the first has more than {limit}")]
    TooManyCombinations {
        /// The resource.
        resource: String,
        /// The bound.
        limit: usize,
    },
    /// Incremental loading cannot go on.
    #[error("`{resource}`")]
    Incremental {
        /// The resource.
        resource: String,
        /// Why not.
        source: Box<IncrementalError>,
    },
    /// `--reset-state`, where it would double rows.
    #[error("`--reset-state` would load the rows of `{resource}` again, which is `append`, and so twice")]
    ResetOfAppend {
        /// The resource.
        resource: String,
    },
    /// The spool on local disk.
    #[error("cannot {what}")]
    Disk {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// `schema_contract` freezes the columns, and a page has another one.
    #[error("`{resource}` page {page} has the new column `{column}`, and `schema_contract` freezes the columns")]
    NewColumn {
        /// The resource.
        resource: String,
        /// The first new column, struct fields behind points.
        column: String,
        /// The page.
        page: u64,
    },
    /// `schema_contract` freezes the types, and a page has a value of another one.
    #[error("`{resource}` page {page} makes {to} of column `{column}`, which is {from}, and `schema_contract` freezes the types")]
    NewType {
        /// The resource.
        resource: String,
        /// The column.
        column: String,
        /// Its type in the table.
        from: String,
        /// What it would become.
        to: String,
        /// The page.
        page: u64,
    },
    /// `schema_contract` freezes the tables, and this one is not there.
    #[error("`{resource}` would make the new table `{table}`, and `schema_contract` freezes the tables")]
    NewTable {
        /// The resource.
        resource: String,
        /// The table.
        table: String,
    },
    /// The lake side.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// `on_reject: fail` met a record that cannot become a row.
    #[error(
        "`{resource}` page {}, record {}: `{}` should be {}, found {} ({rejects} such records on this page)",
        first.page, first.record + 1, first.path, first.expected, first.actual
    )]
    Rejected {
        /// The resource.
        resource: String,
        /// The first of them.
        first: Box<Reject>,
        /// How many on its page.
        rejects: usize,
        /// Whether the `primary_key` names what it lacks.
        is_key: bool,
        /// The config's key that declares the type which it has not.
        declared: Option<String>,
        /// Lists of the page, where the one record is the object to which `data_selector` leads.
        lists: Vec<String>,
    },
    /// More rejects than `max_rejects`.
    #[error(
        "`{resource}` has {rejects} rejects by page {}, `max_rejects` is {max}; there, in record {}, `{}` should be {}, found {}",
        first.page, first.record + 1, first.path, first.expected, first.actual
    )]
    TooManyRejects {
        /// The resource.
        resource: String,
        /// The first of the page with which they were too many.
        first: Box<Reject>,
        /// Rejects so far.
        rejects: u64,
        /// The limit.
        max: u64,
    },
    /// `on_reject: quarantine` without `max_rejects`, and many rejects.
    #[error(
        "{rejects} of {records} records of `{resource}` could not become rows, more than one in ten; the first, on page {}, record {}: `{}` should be {}, found {}",
        first.page, first.record + 1, first.path, first.expected, first.actual
    )]
    ManyRejects {
        /// The resource.
        resource: String,
        /// The first.
        first: Box<Reject>,
        /// How many.
        rejects: u64,
        /// Of how many.
        records: u64,
    },
    /// A key that most records share with another one.
    #[error(
        "{repeated} of the {rows} records of `{resource}` have the `primary_key` ({key}) of another one of this run, and would be left out: it is not the whole key"
    )]
    KeyRepeats {
        /// The resource.
        resource: String,
        /// The key.
        key: String,
        /// Rows of this run.
        rows: u64,
        /// Those of them that would be left out.
        repeated: u64,
    },
    /// A first load of which the deletions leave nothing.
    #[error("all {rows} rows of `{resource}` are deletions by `{column}`, and the table has none to delete")]
    AllDeleted {
        /// The resource.
        resource: String,
        /// Rows of this run.
        rows: u64,
        /// The column of `hard_delete`.
        column: String,
    },
    /// A table whose rows were loaded otherwise.
    #[error(transparent)]
    Held(#[from] HeldError),
    /// `on_reject: quarantine`, and nothing else came.
    #[error(
        "none of the {records} records of `{resource}` became a row; the first, on page {}: `{}` should be {}, found {}",
        first.page, first.path, first.expected, first.actual
    )]
    OnlyRejects {
        /// The resource.
        resource: String,
        /// How many came.
        records: u64,
        /// The first.
        first: Box<Reject>,
    },
    /// Another paginator is proven than in earlier runs.
    #[error("the paginator of `{resource}` was detected as `{was}` in earlier runs, and as `{is}` in this one")]
    OtherPaginator {
        /// The resource.
        resource: String,
        /// As it was.
        was: String,
        /// As it is.
        is: String,
    },
    /// Fewer rows than `expect.min_rows`.
    #[error("`{resource}` brought {rows} rows, `expect.min_rows` is {min}; the table keeps what it has")]
    TooFewRows {
        /// The resource.
        resource: String,
        /// Rows of this run.
        rows: u64,
        /// The guard.
        min: u64,
    },
    /// The table would lose more rows than `expect.max_shrink`.
    #[error(
        "`{resource}` would shrink from {before} to {after} rows, `expect.max_shrink` is {allowed_percent}%; the table keeps what it has"
    )]
    Shrinks {
        /// The resource.
        resource: String,
        /// Rows published.
        before: u64,
        /// Rows after this run.
        after: u64,
        /// The guard, in percent.
        allowed_percent: f64,
    },
    /// Another resource failed, and they are published together.
    #[error("not published, because `{failed}` failed and {why}")]
    NotAlone {
        /// The one that failed first in the config's order.
        failed: String,
        /// As what it failed.
        kind: ErrorKind,
        /// What holds them together, in words.
        why: String,
    },
    /// A resource that goes on from a cursor, and those that are requested for its records.
    #[error(transparent)]
    Family(#[from] FamilyError),
    /// `--strict`, and a warning that matters.
    #[error("nothing is published, because `--strict` lets no warning pass; {count} came, the first{of}: {text} ({code})")]
    Strict {
        /// What it is about, in words; empty for the run as a whole.
        of: String,
        /// Its code.
        code: &'static str,
        /// What it says.
        text: String,
        /// Warnings that matter.
        count: u64,
    },
    /// A replay that would not be the recorded run.
    #[error("the replay cannot come to the same tables: {what}")]
    Replay {
        /// What is different.
        what: String,
        /// What makes it the same.
        hint: String,
    },
    /// `--resource` named something the config lacks.
    #[error("no resource is named `{name}`; the config has {known}")]
    NoSuchResource {
        /// As given.
        name: String,
        /// What there is.
        known: String,
    },
    /// Ctrl-C or SIGTERM.
    #[error("cancelled; nothing was lost, the lake is as it was")]
    Cancelled,
    /// A defect of this program.
    #[error("internal error in {place}: {what}")]
    Internal {
        /// Which part.
        place: &'static str,
        /// What happened.
        what: String,
    },
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

impl RunError {
    /// The error for a `name` that no resource of `plan` has.
    pub(crate) fn no_such_resource(name: &str, plan: &Plan) -> Self {
        let known: Vec<String> = plan.resources.iter().map(|resource| format!("`{}`", resource.name)).collect();
        Self::NoSuchResource { name: name.to_owned(), known: known.join(", ") }
    }

    /// Incremental loading of `resource` cannot go on.
    pub(crate) fn incremental(resource: &str, source: IncrementalError) -> Self {
        Self::Incremental { resource: resource.to_owned(), source: Box::new(source) }
    }
}
