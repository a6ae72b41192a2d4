//! One run: open the lake, load every resource, commit once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde_json::{Map, Value};

use crate::base::{Clock, Warning, WarningCode, task_point};
use crate::config::{Plan, ResourcePlan, WriteDisposition};
use crate::lake::{Commit, FileChange, Lake, LakeError, Owner, PreparedTable, RejectLog, Snapshot, StageSettings, TableStage};
use crate::pipeline::contract;
use crate::pipeline::cursors::{CursorOutcome, Cursors, Past, file_named};
use crate::pipeline::detected::Detected;
use crate::pipeline::drops::Drops;
use crate::pipeline::event::warn;
use crate::pipeline::facts::{Completeness, ReadFacts, ResourceFacts, ResourceResult, RunFacts, ShapedFacts};
use crate::pipeline::graph::{Graph, ParentOutcome};
use crate::pipeline::guards::check_rows;
use crate::pipeline::held;
use crate::pipeline::operate::run_id;
use crate::pipeline::parents::{ParentLog, ParentRecords, fields_asked};
use crate::pipeline::resource::{Load, Loaded, load};
use crate::pipeline::slices::Slices;
use crate::pipeline::table::{finish, judge, stage_settings};
use crate::pipeline::warnings::WarningLog;
use crate::pipeline::{Event, Events, RESOURCES_MAX, RunError, SliceFacts, Stop, told};
use crate::schema::{TableSchema, reconcile};
use crate::source::{Cost, End, Source};

/// What the command line adds to the plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunOptions {
    /// Only these resources; all when empty.
    pub(crate) only: Vec<String>,
    /// What of the past does not count.
    pub(crate) refresh: Refresh,
    /// Nothing is published when there is a warning that matters.
    pub(crate) strict: bool,
}

/// What of the past does not count. The names are dlt's; nothing is dropped before the commit that replaces it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// All of it counts.
    #[default]
    No,
    /// Incremental resources begin anew; tables stay as they are.
    ResetState,
    /// Tables are rebuilt from this run's rows alone, and keep their columns.
    DropData,
    /// Tables are rebuilt from this run's rows alone, under the config's key and partitioning.
    DropResources,
    /// The same, and what no resource of the config has any more is dropped.
    DropSources,
}

impl Refresh {
    fn drops_columns(self) -> bool {
        matches!(self, Self::DropResources | Self::DropSources)
    }

    fn rebuilds(self) -> bool {
        self.drops_columns() || self == Self::DropData
    }
}

/// A resource that is ready to publish.
struct Ready {
    staged: PreparedTable,
    end: End,
    /// Of a resource with parents.
    slices: Option<SliceFacts>,
    rejects: RejectLog,
    shaped: ShapedFacts,
    quarantine: Vec<String>,
    /// Of an incremental resource.
    cursors: Option<CursorOutcome>,
    /// What the next run is to know of what was found out.
    detected: Detected,
}

/// What the reading of a resource came to.
enum Read {
    /// A table.
    Ready(Box<Ready>),
    /// Nothing.
    Nothing,
    /// Records for its children.
    ForChildren(Box<ReadFacts>),
    /// Records for a table that must not be made.
    Discarded(Box<ReadFacts>),
}

/// What a commit is made of, and the results of the run's resources once it is made.
#[derive(Default)]
pub(super) struct Prepared {
    results: Vec<(String, ResourceResult)>,
    pub(super) tables: Vec<PreparedTable>,
    pub(super) states: Map<String, Value>,
    /// Resources that have files of marks.
    pub(super) with_marks: Vec<String>,
}

/// What a resource is read from, besides its plan.
struct Inputs {
    parents: Vec<Arc<ParentRecords>>,
    for_children: Option<ParentLog>,
    cost: Arc<Cost>,
}

/// What the reading of a resource has cost, and come to.
type Outcome = (Arc<Cost>, Result<Read, RunError>);

/// What a run is given from outside: time, a way to stop it, someone who listens, and how its report is spelled.
pub(crate) struct Components<'a> {
    /// Time and chance.
    pub(crate) clock: Arc<dyn Clock>,
    /// Ends the run before its commit.
    pub(crate) stop: Arc<Stop>,
    /// Listens.
    pub(crate) events: Events,
    /// Spells the run report that is kept in the lake.
    pub(crate) spell: &'a dyn Fn(&RunFacts) -> serde_json::Value,
}

/// Runs a plan to its end.
///
/// # Errors
/// Only what concerns the run as a whole (the lake, an unknown resource); a resource's failure is in the facts.
pub(crate) async fn run(plan: &Plan, options: &RunOptions, components: Components<'_>) -> Result<RunFacts, RunError> {
    let Components { clock, stop, events, spell } = components;
    task_point("task.main");
    let (started, since) = (clock.now(), clock.instant());
    let graph = Graph::new(plan, &options.only)?;
    let run_id = run_id(&*clock, started);
    let warnings = Arc::<WarningLog>::default();
    let events = warnings.watching(events);
    let source_events = Arc::clone(&events);
    let source = Source::new(
        &plan.client,
        Arc::clone(&clock),
        stop.token().clone(),
        Arc::new(move |event| source_events(Event::Source(event))),
    )?;
    let tables: Vec<&str> = graph.in_order().filter(|(_, tabled)| *tabled).map(|(resource, _)| resource.table.as_str()).collect();
    let configured: Vec<&str> = plan.resources.iter().map(|resource| resource.table.as_str()).collect();
    let is_needed = |table: &&str| !(options.refresh.rebuilds() && tables.contains(table));
    let needed: Vec<&str> = configured.iter().copied().filter(is_needed).collect();
    let mut lake = Lake::open(&plan.lake, &plan.name, Arc::clone(&clock), &run_id, Owner::this_process(), Some(&needed)).await?;
    tell_lost(&events, &lake, &configured);
    let running = Running { plan, options, source: &source, stop: &stop, events: &events, warnings: &warnings, started };
    let outcome = match lake.check_claims(&tables).await {
        Ok(()) => running.load_and_commit(&mut lake, &graph).await,
        Err(error) => Err(error.into()),
    };
    let took = clock.instant().duration_since(since);
    let mut facts = outcome.map(|Ended { resources, dropped, version }| RunFacts {
        run_id,
        pipeline: plan.name.clone(),
        started,
        took,
        resources,
        dropped,
        version,
        warnings: warnings.listed(),
    });
    // From here on nothing can take back what is published, and so nothing may call for another run.
    if let Ok(facts) = &facts
        && let Err(error) = lake.report(&spell(facts)).await
    {
        tell_late(&events, WarningCode::ReportNotWritten, "the run report cannot be written to the lake", error);
    }
    if let Err(error) = lake.close().await {
        tell_late(&events, WarningCode::CleanUpFailed, NOT_TIDY, error);
    }
    if let Ok(facts) = &mut facts {
        facts.warnings = warnings.listed();
    }
    facts
}

/// Tells of committed files that are gone for good, of tables that no resource has any more: nobody else would miss them.
fn tell_lost(events: &Events, lake: &Lake, configured: &[&str]) {
    for (table, place) in lake.lost().iter().filter(|(table, _)| !configured.contains(&table.as_str())) {
        let text = format!(
            "table `{table}`, which no resource of the config has: `{place}` was committed and is lost; put the resource back and \
             load it anew with `--full-refresh`, or drop the table with `--full-refresh=drop_sources`"
        );
        events(Event::Warning { resource: None, warning: Warning::new(WarningCode::CommittedFileLost, text) });
    }
}

/// What a lake is whose own folder holds more than it should.
const NOT_TIDY: &str = "something is left over in the lake's own folder, which the next run removes";

/// Tells of an error after the commit, which takes nothing back.
fn tell_late(events: &Events, code: WarningCode, what: &str, error: LakeError) {
    let text = format!("{what}: {}; what the run published stands", RunError::from(error).chain());
    events(Event::Warning { resource: None, warning: Warning::new(code, text) });
}

/// What a run came to.
struct Ended {
    resources: Vec<(String, ResourceResult)>,
    /// Tables that left the lake.
    dropped: Vec<String>,
    version: Option<u64>,
}

/// What everything in a run shares.
struct Running<'a> {
    plan: &'a Plan,
    options: &'a RunOptions,
    source: &'a Source,
    stop: &'a Stop,
    events: &'a Events,
    warnings: &'a WarningLog,
    started: DateTime<Utc>,
}

impl Running<'_> {
    async fn load_and_commit(&self, lake: &mut Lake, graph: &Graph) -> Result<Ended, RunError> {
        let drops = match self.options.refresh {
            Refresh::DropSources => Drops::find(lake, self.plan, self.events).await?,
            _ => Drops::default(),
        };
        let shared: &Lake = lake;
        let load_all = futures::stream::iter(graph.in_order())
            .map(|(resource, tabled)| async move {
                let cost = Arc::<Cost>::default();
                let outcome = self.load_one(shared, graph, resource, (tabled, &cost)).await;
                (resource.name.clone(), (cost, outcome))
            })
            .buffer_unordered(RESOURCES_MAX)
            .collect();
        let lease = lake.lease().clone();
        let outcomes: Vec<(String, Outcome)> = lease.keep_during(async { Ok(load_all.await) }).await?;
        let outcomes = self.strictly(graph.as_configured(outcomes));
        if self.stop.token().is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let mut prepared = self.prepare(lake, outcomes).await?;
        let is_whole = !prepared.results.iter().any(|(_, result)| matches!(result, ResourceResult::Failed { .. }));
        let dropped = if is_whole { drops.join(&mut prepared) } else { Vec::new() };
        if prepared.tables.is_empty() && prepared.states.is_empty() {
            return Ok(Ended { resources: prepared.results, dropped, version: None });
        }
        let (resources, version) = self.commit(lake, prepared).await?;
        Ok(Ended { resources, dropped, version })
    }

    /// What of the outcomes goes into the commit.
    async fn prepare(&self, lake: &mut Lake, outcomes: Vec<(String, Outcome)>) -> Result<Prepared, RunError> {
        let failed = outcomes.iter().find(|(_, (_, outcome))| outcome.is_err()).map(|(name, _)| name.clone());
        let mut prepared = Prepared::default();
        for (name, (cost, outcome)) in outcomes {
            let result = match outcome {
                Ok(Read::Nothing) => ResourceResult::Skipped,
                Ok(Read::ForChildren(facts)) => ResourceResult::ForChildren(facts),
                Ok(Read::Discarded(facts)) => ResourceResult::Discarded(facts),
                Err(error) => failure(&error, &cost),
                Ok(Read::Ready(_)) if self.plan.lake.publish_together && failed.is_some() => {
                    failure(&RunError::NotAlone { failed: failed.clone().unwrap_or_default() }, &cost)
                }
                Ok(Read::Ready(mut ready)) => {
                    ready.quarantine = lake.quarantine(&ready.staged.table, &ready.rejects).await?;
                    let facts = facts_of(&ready);
                    let mut cursors = ready.cursors.take();
                    if let Some(outcome) = &mut cursors
                        && let Some(marks) = outcome.marks.take()
                    {
                        let file = lake.keep_marks(&name, marks.bytes.clone()).await?;
                        outcome.state["marks"] = marks.reference(&file);
                    }
                    let old = lake.state(&name);
                    let state = state_of(&facts, self.resource(&name), (cursors, &ready.detected), old);
                    if [Some(&state), old].into_iter().flatten().any(|state| file_named(state).is_some()) {
                        prepared.with_marks.push(name.clone());
                    }
                    prepared.states.insert(name.clone(), state);
                    prepared.tables.push(ready.staged);
                    ResourceResult::Published(Box::new(facts))
                }
            };
            prepared.results.push((name, result));
        }
        Ok(prepared)
    }

    /// Commits to its end, whatever becomes of the lease: the log decides who won.
    async fn commit(
        &self,
        lake: &mut Lake,
        prepared: Prepared,
    ) -> Result<(Vec<(String, ResourceResult)>, Option<u64>), RunError> {
        let Prepared { results, tables, states, with_marks } = prepared;
        if !self.stop.begin_commit() {
            return Err(RunError::Cancelled);
        }
        (self.events)(Event::Committing { tables: tables.len(), files: tables.iter().map(|table| table.changes.len()).sum() });
        let lease = lake.lease().clone();
        let commit = lease.keep_beside(lake.commit(tables, states)).await?;
        self.stop.committed();
        let Commit { version, is_new, files_put, files_deleted, untidy } = commit;
        tracing::info!(version, is_new, files_put, files_deleted, "committed");
        if let Some(error) = untidy {
            tell_late(self.events, WarningCode::CleanUpFailed, NOT_TIDY, error);
        }
        for resource in with_marks {
            if let Err(error) = lake.sweep_marks(&resource, file_named).await {
                tell_late(self.events, WarningCode::CleanUpFailed, NOT_TIDY, error);
            }
        }
        Ok((results, Some(version)))
    }

    /// What the resources came to; under `--strict` nothing is ready to publish once there is a warning that matters.
    fn strictly(&self, outcomes: Vec<(String, Outcome)>) -> Vec<(String, Outcome)> {
        let Some((first, count)) = self.warnings.first().filter(|_| self.options.strict) else { return outcomes };
        let refused = || RunError::Strict {
            of: first.resource.as_ref().map_or_else(String::new, |name| format!(" of `{name}`")),
            code: first.warning.code.name(),
            text: first.warning.text.clone(),
            count,
        };
        let strict = |outcome| match outcome {
            Ok(Read::Ready(_) | Read::Discarded(_)) => Err(refused()),
            other => other,
        };
        outcomes.into_iter().map(|(name, (cost, outcome))| (name, (cost, strict(outcome)))).collect()
    }

    /// Reads one resource, for its table (`tabled`) or its children, once its parents are whole.
    async fn load_one(
        &self,
        lake: &Lake,
        graph: &Graph,
        resource: &Arc<ResourcePlan>,
        (tabled, cost): (bool, &Arc<Cost>),
    ) -> Result<Read, RunError> {
        if !tabled && !graph.has_children(&resource.name) {
            return Ok(Read::Nothing);
        }
        let name: Arc<str> = Arc::from(resource.name.as_str());
        let parents = graph.parents_of(resource).await;
        (self.events)(Event::Started { resource: Arc::clone(&name) });
        let outcome = match parents {
            Ok(parents) => self.stage(lake, graph, resource, parents, (tabled, cost)).await,
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
        let existing = match tabled {
            true if self.options.refresh.rebuilds() => Some(lake.table_to_rebuild(&resource.table).await?),
            true => Some(lake.table(&resource.table).await?),
            false => None,
        };
        let admitted = match &existing {
            Some(table) => contract::admits(resource, !table.schema.columns.is_empty())?,
            None => false,
        };
        let inputs = Inputs { parents, for_children: children, cost: Arc::clone(cost) };
        match existing.filter(|_| admitted) {
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
        let cursors = self.cursors(lake, resource).await?;
        let detected = self.detected(lake, resource);
        let slices = Slices::new(Arc::clone(resource), &parents, cursors)?;
        let load_plan = Load { stage: None, slices, for_children, detected, cost };
        let loaded = load(self.source, resource, load_plan, &TableSchema::default(), self.events).await?;
        self.warn(resource, told::slices(&loaded.slices));
        graph.settle(&resource.name, ParentOutcome::of(loaded.for_children));
        let facts = Box::new(ReadFacts::new(&loaded.end, (!resource.parents.is_empty()).then_some(loaded.slices)));
        Ok(if tabled { self.discard(resource, facts) } else { Read::ForChildren(facts) })
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
        let before = existing.rows();
        if !self.options.refresh.rebuilds() {
            held::check(resource, lake.states(), before)?;
        }
        if self.options.refresh.drops_columns() {
            existing.schema = TableSchema::default();
        }
        let start = existing.schema.clone();
        let settings = self.settings(lake, resource);
        let spool = settings.spool.clone();
        let stage = TableStage::new(settings, existing, lake.live_files())?;
        let cursors = self.cursors(lake, resource).await?;
        let detected = self.detected(lake, resource);
        let slices = Slices::new(Arc::clone(resource), &parents, cursors)?;
        let load_plan = Load { stage: Some((stage, spool)), slices, for_children, detected, cost };
        let loaded = load(self.source, resource, load_plan, &start, self.events).await?;
        let Loaded { stage, schema, end, slices, rejects, shaped, unseen, for_children, cursors, detected } = loaded;
        self.warn(resource, told::slices(&slices));
        self.warn(resource, cursors.iter().flat_map(|cursors| told::cursors(&cursors.facts)));
        self.warn(resource, told::left_out(resource, &shaped, rejects.count()));
        judge(resource, end.records, (&rejects, &shaped), &schema)?;
        // The records are whole: whatever becomes of this table's files, the children can be read.
        graph.settle(&resource.name, ParentOutcome::of(for_children));
        let name: Arc<str> = Arc::from(resource.name.as_str());
        let change = reconcile(&start, &schema, &resource.primary_key)
            .map_err(|source| RunError::Schema { resource: resource.name.clone(), source })?;
        let is_whole = self.settings(lake, resource).disposition == WriteDisposition::Replace;
        let vanished = told::vanished(resource, &unseen, (&start, &change.schema), (before, end.records, is_whole));
        (self.events)(Event::Finishing { resource: name });
        let staged = finish(stage, change.schema.clone(), lake.format()).await?;
        // A table that is rebuilt has no rows but those of this run.
        let known = if self.options.refresh.rebuilds() { 0 } else { before };
        let own = staged.stats.rows_inserted + staged.stats.rows_updated;
        let older = if is_whole { 0 } else { staged.after.rows().saturating_sub(own) };
        self.warn(resource, told::changes(&change, (known, older)).into_iter().chain(vanished));
        check_rows(resource, (before, start.columns.is_empty()), &staged)?;
        self.warn(resource, told::repeats(resource, &staged.stats));
        let slices = (!resource.parents.is_empty()).then_some(slices);
        Ok(Read::Ready(Box::new(Ready { staged, end, slices, rejects, shaped, quarantine: Vec::new(), cursors, detected })))
    }

    /// Records were read for a table that must not be made; their cursor does not move, so that they can still be loaded.
    fn discard(&self, resource: &ResourcePlan, facts: Box<ReadFacts>) -> Read {
        let records = facts.records;
        let text = format!(
            "{records} records were read and not loaded: the table `{}` is not there, and `schema_contract` lets none be made; run once with `schema_contract: evolve`",
            resource.table
        );
        self.warn(resource, [Warning::new(WarningCode::RecordsDiscarded, text)]);
        Read::Discarded(facts)
    }

    fn settings(&self, lake: &Lake, resource: &ResourcePlan) -> StageSettings {
        let disposition = if self.options.refresh.rebuilds() { WriteDisposition::Replace } else { resource.write_disposition };
        stage_settings(self.plan, resource, disposition, lake.spool())
    }

    /// What earlier runs have found out about `resource`, unless that does not count.
    fn detected(&self, lake: &Lake, resource: &ResourcePlan) -> Detected {
        let counts = self.options.refresh == Refresh::No;
        Detected::read(if counts { lake.state(&resource.name) } else { None })
    }

    fn resource(&self, name: &str) -> Option<&ResourcePlan> {
        self.plan.resources.iter().find(|resource| resource.name == name)
    }

    /// The cursors of `resource`, from the state of last night unless it does not count.
    async fn cursors(&self, lake: &Lake, resource: &ResourcePlan) -> Result<Option<Cursors>, RunError> {
        let stored = if self.options.refresh == Refresh::No { lake.state(&resource.name) } else { None };
        if self.options.refresh == Refresh::ResetState && resource.write_disposition == WriteDisposition::Append {
            return Err(RunError::ResetOfAppend { resource: resource.name.clone() });
        }
        let marks = match stored.and_then(file_named) {
            Some(name) => lake.marks(&resource.name, name).await?,
            None => None,
        };
        let past = Past { state: stored, marks: marks.as_deref() };
        let cursors = Cursors::new(resource, self.plan.client.base_url.as_str(), past, self.started);
        cursors.map_err(|source| RunError::incremental(&resource.name, source))
    }

    fn warn(&self, resource: &ResourcePlan, warnings: impl IntoIterator<Item = Warning>) {
        warn(self.events, &resource.name, warnings);
    }
}

/// What the next run may want to know; published with the files. A resource that is no longer incremental keeps what it knew, unless it is an
/// `append`: all of its rows were loaded, whatever their cursors.
fn state_of(
    facts: &ResourceFacts,
    resource: Option<&ResourcePlan>,
    (cursors, detected): (Option<CursorOutcome>, &Detected),
    old: Option<&Value>,
) -> Value {
    let mut state = serde_json::json!({"records": facts.records, "end_reason": facts.end_reason.name()});
    if let Some(resource) = resource {
        held::note(resource, &mut state);
    }
    let is_append = resource.is_some_and(|resource| resource.write_disposition == WriteDisposition::Append);
    let old = old.filter(|_| !is_append);
    let cursors = cursors.map(|cursors| cursors.state).or_else(|| old?.get("incremental").cloned());
    if let (Value::Object(members), Some(cursors)) = (&mut state, cursors.filter(|cursors| !cursors.is_null())) {
        members.insert("incremental".to_owned(), cursors);
    }
    if let (Value::Object(members), Some(detected)) = (&mut state, Some(detected.to_json()).filter(|known| !known.is_null())) {
        members.insert("detected".to_owned(), detected);
    }
    state
}

fn failure(error: &RunError, cost: &Cost) -> ResourceResult {
    let (pages, requests) = (cost.pages(), cost.requests());
    ResourceResult::Failed { kind: error.kind(), message: error.chain(), hints: error.hints(), pages, requests }
}

fn facts_of(ready: &Ready) -> ResourceFacts {
    let Ready { staged, end, slices, rejects, shaped, quarantine, cursors, .. } = ready;
    let deleted = staged.changes.iter().filter(|change| matches!(change, FileChange::Delete { .. })).count() as u64;
    ResourceFacts {
        pages: end.pages,
        records: end.records,
        requests: end.requests,
        parent_records: slices.clone(),
        pages_ignored: end.ignored,
        bytes_received: end.bytes,
        partial_errors: end.partial_errors.count(),
        rows: staged.stats,
        shaped: *shaped,
        rejects: rejects.count(),
        quarantine: quarantine.clone(),
        cursors: cursors.as_ref().map(|cursors| Box::new(cursors.facts.clone())),
        end_reason: end.reason,
        // A row that came twice may stand for one that did not come.
        completeness: Completeness::of(end)
            .if_all(rejects.count() == 0 && shaped.records_filtered == 0 && staged.stats.rows_deduplicated == 0),
        files: staged.after.files.len() as u64,
        bytes: staged.after.files.iter().map(|file| file.bytes).sum(),
        table_rows: staged.after.rows(),
        files_put: staged.changes.len() as u64 - deleted,
        files_deleted: deleted,
    }
}
