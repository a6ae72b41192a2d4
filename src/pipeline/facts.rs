//! The facts of a run: plain data for `report` to put into words.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::base::ErrorKind;
use crate::lake::StageStats;
use crate::pipeline::key_watch::Overruled;
use crate::pipeline::{CursorFacts, Passages, Told};
use crate::schema::{Change, TableSchema};
use crate::source::{Cost, End, EndReason};

/// A run, over.
#[derive(Debug, Clone)]
pub(crate) struct RunFacts {
    /// The run's id, as in the lake.
    pub(crate) run_id: String,
    /// The pipeline.
    pub(crate) pipeline: String,
    /// When it began.
    pub(crate) started: DateTime<Utc>,
    /// How long it took.
    pub(crate) took: Duration,
    /// What each resource came to, in the config's order.
    pub(crate) resources: Vec<(String, ResourceResult)>,
    /// Tables that left the lake, because no resource of the config has them any more.
    pub(crate) dropped: Vec<String>,
    /// The version committed, if anything was.
    pub(crate) version: Option<u64>,
    /// When its resources did what, and what they waited for.
    pub(crate) passages: Passages,
    /// The warnings that matter.
    pub(crate) warnings: Vec<Told>,
    /// What ended the run as a whole.
    pub(crate) failure: Option<RunFailure>,
    /// Whether nothing was committed because nothing was to be.
    pub(crate) is_dry: bool,
}

/// What ended a run as a whole.
#[derive(Debug, Clone)]
pub(crate) struct RunFailure {
    /// What the operator has to do.
    pub(crate) kind: ErrorKind,
    /// The error and its causes, joined by `: `.
    pub(crate) message: String,
    /// Advice, a line each.
    pub(crate) hints: Vec<String>,
}

/// What one resource came to.
#[derive(Debug, Clone)]
pub(crate) enum ResourceResult {
    /// Published, or nothing to change.
    Published(Box<ResourceFacts>),
    /// Failed; the table is as it was.
    Failed {
        /// What the operator has to do.
        kind: ErrorKind,
        /// The error and its causes, joined by `: `.
        message: String,
        /// Advice, a line each.
        hints: Vec<String>,
        /// Pages that were read.
        pages: u64,
        /// Requests sent, retries included.
        requests: u64,
        /// Pages that were read from what an interrupted run has kept.
        resumed_pages: u64,
    },
    /// `write_disposition: skip`.
    Skipped,
    /// Read for its children only.
    ForChildren(Box<ReadFacts>),
    /// Read, and not loaded: its table is not there, and `schema_contract` lets none be made.
    Discarded(Box<ReadFacts>),
}

/// How the pages of a resource were read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReadFacts {
    /// Pages read.
    pub(crate) pages: u64,
    /// Pages that the config's rules dropped.
    pub(crate) pages_ignored: u64,
    /// Records read.
    pub(crate) records: u64,
    /// Requests sent, retries included.
    pub(crate) requests: u64,
    /// Pages that were read from what an interrupted run has kept.
    pub(crate) resumed_pages: u64,
    /// Body bytes received, decompressed.
    pub(crate) bytes_received: u64,
    /// What became of its parents' records; `None` without parents.
    pub(crate) parent_records: Option<SliceFacts>,
    /// Why there were no more pages.
    pub(crate) end_reason: EndReason,
    /// What the API's own total says.
    pub(crate) completeness: Completeness,
}

impl ReadFacts {
    /// Those of pages that ended like this and had this `cost`; `parent_records` of a resource with parents.
    pub(crate) fn new(end: &End, cost: &Cost, parent_records: Option<SliceFacts>) -> Self {
        Self {
            pages: end.pages,
            pages_ignored: end.ignored,
            records: end.records,
            requests: end.requests,
            resumed_pages: cost.kept(),
            bytes_received: end.bytes,
            parent_records,
            end_reason: end.reason,
            completeness: Completeness::of(end),
        }
    }
}

/// How a whole run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunStatus {
    /// Everything is published.
    Success,
    /// Some resources are published, others failed.
    Partial,
    /// Nothing is published, for this kind of reason.
    Failed(ErrorKind),
}

/// Reasons that [`SliceFacts`] lists; the others are counted.
pub(crate) const LISTED_MAX: usize = 20;

/// What became of the records that a resource was requested for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SliceFacts {
    /// Chains of pages read: one without parents.
    pub(crate) requested: u64,
    /// Records whose request had been made for an earlier one.
    pub(crate) repeated: u64,
    /// Records for which the resource was not read.
    pub(crate) skipped: u64,
    /// Why not, for the first of them.
    pub(crate) listed: Vec<String>,
    /// Those of them for which no rule of the config says so.
    pub(crate) vanished: u64,
    /// Why not, for the first of these.
    pub(crate) vanished_listed: Vec<String>,
}

impl SliceFacts {
    /// A record is passed over, as the config says.
    pub(crate) fn skip(&mut self, why: String) {
        self.skipped += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(why);
        }
    }
}

/// The counts of one published resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ResourceFacts {
    /// The table.
    pub(crate) table: String,
    /// Pages read.
    pub(crate) pages: u64,
    /// Pages that the config's rules dropped.
    pub(crate) pages_ignored: u64,
    /// Records read, rejects included.
    pub(crate) records: u64,
    /// Requests sent, retries included.
    pub(crate) requests: u64,
    /// Pages that were read from what an interrupted run has kept.
    pub(crate) resumed_pages: u64,
    /// What became of its parents' records; `None` without parents.
    pub(crate) parent_records: Option<SliceFacts>,
    /// Body bytes received, decompressed.
    pub(crate) bytes_received: u64,
    /// Errors that GraphQL gave beside data that counts.
    pub(crate) partial_errors: u64,
    /// What became of the rows.
    pub(crate) rows: StageStats,
    /// What the steps and the contract did to the records.
    pub(crate) shaped: ShapedFacts,
    /// Records in quarantine.
    pub(crate) rejects: u64,
    /// The files they are in, below the lake's root.
    pub(crate) quarantine: Vec<String>,
    /// Of an incremental resource.
    pub(crate) cursors: Option<Box<CursorFacts>>,
    /// Why there were no more pages.
    pub(crate) end_reason: EndReason,
    /// What the API's own total says.
    pub(crate) completeness: Completeness,
    /// Live files of the table.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Rows of the table.
    pub(crate) table_rows: u64,
    /// Files put by this run.
    pub(crate) files_put: u64,
    /// Files deleted by this run.
    pub(crate) files_deleted: u64,
    /// What becomes of the columns.
    pub(crate) columns: ColumnFacts,
    /// The table's columns afterwards.
    pub(crate) schema: TableSchema,
}

/// What a run does to the columns of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ColumnFacts {
    /// Whether the lake had no such table, so that all columns are new.
    pub(crate) is_new_table: bool,
    /// Columns and struct fields that the table did not have.
    pub(crate) new: Vec<String>,
    /// Those that become wider.
    pub(crate) widened: Vec<String>,
}

impl ColumnFacts {
    /// Those of a change of the schema.
    pub(super) fn of(change: &Change, is_new_table: bool) -> Self {
        let widened = change.widened.iter().filter(|widened| widened.from.hint_type() != widened.to.hint_type());
        Self { is_new_table, new: change.new.clone(), widened: widened.map(|widened| widened.column.clone()).collect() }
    }
}

/// What `processing_steps` and the contract did to the records: `records + records_added` are the rows, the rejects and what was filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ShapedFacts {
    /// Records of which a filter, or an `explode` of an empty list, left nothing.
    pub(crate) records_filtered: u64,
    /// Rows more than one that an `explode` made of a record.
    pub(crate) records_added: u64,
    /// Pages that have null where their list should be.
    pub(crate) pages_null: u64,
    /// Members left out, or null, because they are not declared or do not fit, and the schema or the contract says so.
    pub(crate) values_discarded: u64,
    /// Numbers rounded to 64-bit floats, as the config says.
    pub(crate) numbers_rounded: u64,
    /// NUL characters left out of texts, as the config says.
    pub(crate) characters_stripped: u64,
    /// What a key that is looked at leaves out.
    pub(crate) overruled: Overruled,
}

/// What the API's own total says about the records read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// It told a total, and it was met.
    Proven,
    /// It told none.
    Unknown,
}

impl Completeness {
    /// Of pages that ended like this. Records that came twice may stand for as many that did not come.
    pub(crate) fn of(end: &End) -> Self {
        let is_all = end.reason != EndReason::LimitReached && end.copies == 0;
        if is_all && end.total == Some(end.records) { Self::Proven } else { Self::Unknown }
    }

    /// The same, where it is about a table: what is proven is in it.
    pub(crate) fn if_all(self, is_all: bool) -> Self {
        if is_all { self } else { Self::Unknown }
    }

    /// As the summary spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unknown => "unknown",
        }
    }
}

impl RunFacts {
    /// Has the warnings, and the errors and the advice of resources that failed, say what `typed` makes of them.
    pub(crate) fn retell(&mut self, typed: impl Fn(&str) -> String) {
        self.warnings.iter_mut().for_each(|told| told.warning.text = typed(&told.warning.text));
        for (_, result) in &mut self.resources {
            if let ResourceResult::Failed { message, hints, .. } = result {
                [message].into_iter().chain(hints).for_each(|text| *text = typed(text));
            }
        }
    }

    /// Whether any row or file of a table is another than before.
    pub(crate) fn has_changed(&self) -> bool {
        let changes = |facts: &ResourceFacts| facts.files_put + facts.files_deleted > 0 || facts.columns.is_new_table;
        let of_result = |result: &ResourceResult| matches!(result, ResourceResult::Published(facts) if changes(facts));
        !self.dropped.is_empty() || self.resources.iter().any(|(_, result)| of_result(result))
    }

    /// Whether windows of published resources are left to the next run.
    fn has_pending(&self) -> bool {
        self.resources.iter().any(|(_, result)| match result {
            ResourceResult::Published(facts) => facts.cursors.as_ref().is_some_and(|cursors| cursors.pending > 0),
            _ => false,
        })
    }

    /// Whether a resource failed by a defect of this program.
    pub(crate) fn has_defect(&self) -> bool {
        let is_defect = |result: &ResourceResult| matches!(result, ResourceResult::Failed { kind: ErrorKind::Internal, .. });
        self.resources.iter().any(|(_, result)| is_defect(result))
    }

    /// How the run ended. Failures of several kinds are told by one: a defect, an interruption, then what most needs a person: config,
    /// credentials, data, and last what only needs another run.
    pub(crate) fn status(&self) -> RunStatus {
        if let Some(failure) = &self.failure {
            return RunStatus::Failed(failure.kind);
        }
        let failed = self.resources.iter().filter_map(|(_, result)| match result {
            ResourceResult::Failed { kind, .. } => Some(*kind),
            _ => None,
        });
        let published = self.resources.iter().any(|(_, result)| matches!(result, ResourceResult::Published(_)));
        let rank = |kind: &ErrorKind| match kind {
            ErrorKind::Internal => 6,
            ErrorKind::Cancelled => 5,
            ErrorKind::Config => 4,
            ErrorKind::Credentials => 3,
            ErrorKind::Data => 2,
            ErrorKind::Unavailable => 1,
        };
        match failed.max_by_key(rank) {
            None if self.has_pending() => RunStatus::Partial,
            None => RunStatus::Success,
            Some(_) if published => RunStatus::Partial,
            Some(kind) => RunStatus::Failed(kind),
        }
    }
}
