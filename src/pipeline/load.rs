//! One resource of a run, from last night's table to finished files.
//!
//! In: the resource, its parents' records, the table as the lake has it. Out: what a commit publishes of it, or why not. Invariants: nothing in
//! the lake changes; children are told what became of their parent, whatever that is; warnings are told once.

use std::sync::Arc;
use tracing::Instrument;

use crate::base::{Warning, WarningCode, counted};
use crate::config::{ResourcePlan, WriteDisposition};
use crate::lake::{Lake, PreparedTable, RejectLog, Snapshot, StageSettings, TableStage, ThinLevel, misread_levels, thin_level};
use crate::pipeline::cursors::CursorOutcome;
use crate::pipeline::detected::Detected;
use crate::pipeline::event::warn;
use crate::pipeline::facts::{ColumnFacts, ReadFacts, ShapedFacts};
use crate::pipeline::graph::{Graph, ParentOutcome};
use crate::pipeline::guards::{check_folders, check_rows};
use crate::pipeline::left_behind::LeftBehind;
use crate::pipeline::parents::{ParentLog, ParentRecords, fields_asked};
use crate::pipeline::past::PastOf;
use crate::pipeline::resource::{Load, Loaded, load};
use crate::pipeline::run::{Refresh, RunOptions, Running};
use crate::pipeline::slices::Slices;
use crate::pipeline::table::{finish, judge, pages_bytes, stage_settings};
use crate::pipeline::{Event, RunError, SliceFacts, told};
use crate::schema::{TableSchema, reconcile};
use crate::source::{Cost, End, KeptAnswers};

/// A resource that is ready to publish.
pub(super) struct Ready {
    pub(super) staged: PreparedTable,
    pub(super) end: End,
    /// Of a resource with parents.
    pub(super) slices: Option<SliceFacts>,
    pub(super) rejects: RejectLog,
    pub(super) shaped: ShapedFacts,
    pub(super) quarantine: Vec<String>,
    /// Of an incremental resource.
    pub(super) cursors: Option<CursorOutcome>,
    /// What the next run is to know of what was found out.
    pub(super) detected: Detected,
    /// What becomes of the columns.
    pub(super) columns: ColumnFacts,
}

/// What the reading of a resource came to.
pub(super) enum Read {
    /// A table.
    Ready(Box<Ready>),
    /// Nothing.
    Nothing,
    /// Records for its children, with their cursors.
    ForChildren(Box<ReadFacts>, Option<CursorOutcome>),
    /// Records for a table that must not be made, with their cursors where they were read for children too.
    Discarded(Box<ReadFacts>, Option<CursorOutcome>),
}

/// What a resource is read from, besides its plan.
struct Inputs {
    parents: Vec<Arc<ParentRecords>>,
    for_children: Option<ParentLog>,
    cost: Arc<Cost>,
}

/// What the reading of a resource has cost, and come to.
pub(super) type Outcome = (Arc<Cost>, Result<Read, RunError>);

impl Running<'_> {
    /// Reads one resource, for its table (`tabled`) or its children, once its parents are whole.
    pub(super) async fn load_one(
        &self,
        lake: &Lake,
        graph: &Graph,
        resource: &Arc<ResourcePlan>,
        (tabled, cost): (bool, &Arc<Cost>),
    ) -> Result<Read, RunError> {
        let is_asked = match &self.options.part {
            None => tabled || graph.has_children(&resource.name),
            Some(part) => graph.has_children(&resource.name) || tabled && part.asks_leaves(),
        };
        if !is_asked {
            return Ok(Read::Nothing);
        }
        let tabled = tabled && self.options.part.is_none();
        let name: Arc<str> = Arc::from(resource.name.as_str());
        let parents = graph.parents_of(resource).await;
        (self.events)(Event::Started { resource: Arc::clone(&name) });
        // Of the error level, so that warnings have it where nothing else is logged.
        let span = tracing::error_span!("resource", resource = &*name);
        let outcome = match parents {
            Ok(parents) => self.stage(lake, graph, resource, parents, (tabled, cost)).instrument(span).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            graph.settle(&resource.name, ParentOutcome::Failed(error.kind()));
        }
        let failure = outcome.as_ref().err().map(RunError::chain);
        (self.events)(Event::Ended { resource: name, failure });
        outcome
    }

    async fn stage(
        &self,
        lake: &Lake,
        graph: &Graph,
        resource: &Arc<ResourcePlan>,
        parents: Vec<Arc<ParentRecords>>,
        (tabled, cost): (bool, &Arc<Cost>),
    ) -> Result<Read, RunError> {
        let children = graph.has_children(&resource.name).then(|| {
            let path = lake.spool().join("_parents").join(format!("{}.jsonl", resource.name));
            ParentLog::new(&resource.name, fields_asked(self.plan, &resource.name), path)
        });
        let existing = if tabled { self.past(lake).table(resource).await? } else { None };
        let inputs = Inputs { parents, for_children: children, cost: Arc::clone(cost) };
        match existing {
            Some(existing) => self.load_table(lake, graph, resource, inputs, existing).await,
            None => self.read_without_table(lake, graph, resource, inputs, tabled).await,
        }
    }

    /// Reads a resource for its children, or (`tabled`) for a table that must not be made.
    async fn read_without_table(
        &self,
        lake: &Lake,
        graph: &Graph,
        resource: &Arc<ResourcePlan>,
        inputs: Inputs,
        tabled: bool,
    ) -> Result<Read, RunError> {
        let Inputs { parents, for_children, cost } = inputs;
        let kept = self.kept.of(lake, resource, self.events).await;
        let cursors = self.past_as_of(lake, kept.as_deref()).cursors(resource).await?;
        let detected = self.past(lake).detected(resource);
        let share = self.options.part.as_ref().filter(|_| !graph.has_children(&resource.name));
        let share = share.and_then(|part| part.of(resource, self.plan));
        let slices = Slices::new(Arc::clone(resource), &parents, cursors)?.shared(share);
        let (pages_bytes, limit) = (pages_bytes(self.plan), self.options.limit);
        let load_plan = Load { stage: None, slices, for_children, detected, cost: Arc::clone(&cost), kept, pages_bytes, limit };
        let loaded = load(self.source, resource, load_plan, &TableSchema::default(), self.events).await?;
        self.warn(resource, told::slices(&loaded.slices));
        graph.settle(&resource.name, ParentOutcome::of(loaded.for_children));
        let facts = Box::new(ReadFacts::new(&loaded.end, &cost, (!resource.parents.is_empty()).then_some(loaded.slices)));
        if !tabled {
            return Ok(Read::ForChildren(facts, loaded.cursors));
        }
        self.tell_discarded(resource, facts.records);
        Ok(Read::Discarded(facts, loaded.cursors.filter(|_| graph.has_children(&resource.name))))
    }

    /// Loads a resource into its table, up to the commit.
    async fn load_table(
        &self,
        lake: &Lake,
        graph: &Graph,
        resource: &Arc<ResourcePlan>,
        inputs: Inputs,
        mut existing: Snapshot,
    ) -> Result<Read, RunError> {
        let Inputs { parents, for_children, cost } = inputs;
        let (before, bytes) = (existing.rows(), existing.bytes());
        if self.options.refresh.drops_columns() {
            existing.schema = TableSchema::default();
        }
        let start = existing.schema.clone();
        // A table that is rebuilt is like a new one.
        let thin = thin_level(&existing).as_ref().map_or(0, ThinLevel::folders);
        let misread = if self.options.refresh.rebuilds() { Vec::new() } else { misread_levels(&existing) };
        let settings = self.settings(lake, resource);
        let spool = settings.spool.clone();
        let stage = TableStage::new(settings, existing, lake.live_files())?;
        let kept = self.kept.of(lake, resource, self.events).await;
        let cursors = self.past_as_of(lake, kept.as_deref()).cursors(resource).await?;
        let detected = self.past(lake).detected(resource);
        for (at, parent) in parents.iter().enumerate() {
            parent.check(resource, at, &start)?;
        }
        let left_behind = LeftBehind::find(&self.past(lake), resource).await?;
        let slices = Slices::new(Arc::clone(resource), &parents, cursors)?;
        let (pages_bytes, limit) = (pages_bytes(self.plan), self.options.limit);
        let load_plan = Load { stage: Some((stage, spool)), slices, for_children, detected, cost, kept, pages_bytes, limit };
        let loaded = load(self.source, resource, load_plan, &start, self.events).await?;
        let Loaded { stage, schema, end, slices, rejects, shaped, unseen, for_children, cursors, detected } = loaded;
        self.warn(resource, told::slices(&slices));
        self.warn(resource, cursors.iter().flat_map(|cursors| told::cursors(&cursors.facts)));
        let ignored = |cursors: &CursorOutcome| told::ignored_start(resource, &cursors.facts, (end.records, before));
        self.warn(resource, cursors.as_ref().filter(|_| self.options.refresh == Refresh::No).and_then(ignored));
        judge(resource, end.records, (&rejects, &shaped), &schema)?;
        // The records are whole: whatever becomes of this table's files, the children can be read.
        graph.settle(&resource.name, ParentOutcome::of(for_children));
        let name: Arc<str> = Arc::from(resource.name.as_str());
        let change = reconcile(&start, &schema, &resource.primary_key)
            .map_err(|source| RunError::Schema { resource: resource.name.clone(), source })?;
        let is_whole = self.settings(lake, resource).disposition == WriteDisposition::Replace;
        (self.events)(Event::Finishing { resource: name });
        let format = lake.format();
        let staged = finish(stage, change.schema.clone(), move |edit| format.prepare(edit)).await?;
        // A table that is rebuilt has no rows but those of this run.
        let known = if self.options.refresh.rebuilds() { 0 } else { before };
        let vanished = told::vanished(resource, &unseen, (&start, &change.schema), (before, staged.stats.rows_in, is_whole));
        let own = staged.stats.rows_inserted + staged.stats.rows_updated;
        let older = if is_whole { 0 } else { staged.after.rows().saturating_sub(own) };
        self.warn(resource, left_behind.warning(resource, &change.schema));
        self.warn(resource, told::changes(&change, (known, older)).into_iter().chain(vanished));
        self.warn(resource, told::left_as_they_are(self.plan, bytes, &change, &staged));
        check_rows(resource, (before, start.columns.is_empty()), &staged, shaped.overruled)?;
        self.warn(resource, check_folders(resource, &misread, &staged)?);
        let thinner = thin_level(&staged.after).filter(|level| level.folders() > thin);
        self.warn(resource, thinner.map(|level| Warning::new(WarningCode::PartitionsThin, level.to_string())));
        self.warn(resource, told::repeats(resource, &staged.stats));
        self.warn(resource, told::misspelt(resource, &unseen, &change.schema, known == 0 && staged.stats.rows_in > 0));
        let facts = cursors.as_ref().map(|cursors| &cursors.facts);
        let kept = (known, staged.stats.rows_in, end.records);
        self.warn(resource, told::nothing_kept(resource, kept, (rejects.count(), facts)));
        let is_again = resource.appends_unasked && known > 0 && staged.stats.rows_in > 0;
        self.warn(resource, is_again.then(|| Warning::new(WarningCode::AppendedUnasked, told::APPENDS_UNASKED)));
        // Said of what is published alone: a resource that fails keeps nothing aside.
        self.warn(resource, told::left_out(resource, &shaped, rejects.count()));
        let slices = (!resource.parents.is_empty()).then_some(slices);
        let columns = ColumnFacts::of(&change, start.columns.is_empty());
        Ok(Read::Ready(Box::new(Ready {
            staged,
            end,
            slices,
            rejects,
            shaped,
            quarantine: Vec::new(),
            cursors,
            detected,
            columns,
        })))
    }

    /// Records were read for a table that must not be made; unless children need them, their cursor does not move, so that they can still be loaded.
    fn tell_discarded(&self, resource: &ResourcePlan, records: u64) {
        let text = format!(
            "{} {} read and not loaded: the table `{}` is not there, and `schema_contract` lets none be made; run once with `schema_contract: evolve`",
            counted(records, "record"),
            if records == 1 { "was" } else { "were" },
            resource.table
        );
        self.warn(resource, [Warning::new(WarningCode::RecordsDiscarded, text)]);
    }

    fn settings(&self, lake: &Lake, resource: &ResourcePlan) -> StageSettings {
        stage_settings(self.plan, resource, self.disposition(resource), lake.spool())
    }

    /// How the rows of this run join the table.
    pub(super) fn disposition(&self, resource: &ResourcePlan) -> WriteDisposition {
        if self.options.refresh.rebuilds() { WriteDisposition::Replace } else { resource.write_disposition }
    }

    fn past<'l>(&'l self, lake: &'l Lake) -> PastOf<'l> {
        let RunOptions { only, refresh, .. } = self.options;
        PastOf { view: lake.view(), plan: self.plan, only, refresh: *refresh, started: self.started }
    }

    /// The same, where it matters when the run began: as of the first of the runs whose answers are used.
    fn past_as_of<'l>(&'l self, lake: &'l Lake, kept: Option<&KeptAnswers>) -> PastOf<'l> {
        PastOf { started: kept.map_or(self.started, KeptAnswers::started), ..self.past(lake) }
    }

    fn warn(&self, resource: &ResourcePlan, warnings: impl IntoIterator<Item = Warning>) {
        warn(self.events, &resource.name, warnings);
    }
}
