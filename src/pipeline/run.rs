//! One run: open the lake, load every resource, commit once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde_json::Value;

use crate::base::{Clock, Warning, WarningCode, task_point};
use crate::config::Plan;
use crate::lake::{Lake, LakeError, Owner, note_refused};
use crate::pipeline::conclude::{NOT_TIDY, tell_late};
use crate::pipeline::drops::Drops;
use crate::pipeline::facts::{ResourceResult, RunFacts, RunFailure};
use crate::pipeline::graph::Graph;
use crate::pipeline::journal::Journal;
use crate::pipeline::kept::KeptOfRun;
use crate::pipeline::load::{Outcome, Read};
use crate::pipeline::operate::{NewRun, abandon_in, cause};
use crate::pipeline::share::Part;
use crate::pipeline::warnings::WarningLog;
use crate::pipeline::{Event, Events, RESOURCES_MAX, RunError, Stop, families, recorded};
use crate::source::{Asking, Cost, Source};

/// What the command line adds to the plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunOptions {
    /// Only these resources; all when empty.
    pub(crate) only: Vec<String>,
    /// What of the past does not count.
    pub(crate) refresh: Refresh,
    /// Nothing is published when there is a warning that matters.
    pub(crate) strict: bool,
    /// Everything is done but the commit, and nothing is written into the lake.
    pub(crate) dry_run: bool,
    /// Of each resource no more is wanted than this.
    pub(crate) limit: Option<Limit>,
    /// Whom it asks.
    pub(crate) asking: Asking,
    /// What of it is asked for, where other runs ask for the rest: nothing is loaded then.
    pub(crate) part: Option<Part>,
}

/// How much of a resource is wanted. Its end reason is then `limit_reached`, and nothing is proven of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Rows, those that a filter leaves out not counted. No page is asked for behind them, and no row is kept.
    pub(crate) rows: u64,
    /// Whether whole pages are kept, and another one is read where only that shows how pages follow each other.
    pub(crate) is_look: bool,
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
    /// The option that asks for it, as a recording has it.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::No => "",
            Self::ResetState => "--reset-state",
            Self::DropData => "--full-refresh=drop_data",
            Self::DropResources => "--full-refresh=drop_resources",
            Self::DropSources => "--full-refresh=drop_sources",
        }
    }

    /// What such an option asks for.
    pub(crate) fn of_option(option: &str) -> Self {
        let all = [Self::ResetState, Self::DropData, Self::DropResources, Self::DropSources];
        all.into_iter().find(|refresh| refresh.option() == option).unwrap_or_default()
    }

    /// Whether nothing of the past counts, not even columns.
    pub(crate) fn is_from_nothing(self) -> bool {
        self.drops_columns()
    }

    pub(super) fn drops_columns(self) -> bool {
        matches!(self, Self::DropResources | Self::DropSources)
    }

    pub(super) fn rebuilds(self) -> bool {
        self.drops_columns() || self == Self::DropData
    }
}

/// What a run is given from outside: time, a way to stop it, someone who listens, and how its report is spelled.
pub(crate) struct Components<'a> {
    /// Time and chance.
    pub(crate) clock: Arc<dyn Clock>,
    /// Ends the run before its commit.
    pub(crate) stop: Arc<Stop>,
    /// Listens.
    pub(crate) events: Events,
    /// The run itself.
    pub(crate) run: NewRun,
    /// Spells the run report that is kept in the lake.
    pub(crate) spell: &'a dyn Fn(&RunFacts) -> Value,
}

/// Why a run ended as a whole.
#[derive(Debug)]
pub(crate) struct Unfinished {
    /// Why.
    pub(crate) error: RunError,
    /// Its record, where the lake could not take it. A dry run has none.
    pub(crate) unkept: Option<Box<RunFacts>>,
}

/// An error, and whether the lake has a report of it.
struct EndedEarly {
    error: RunError,
    is_kept: bool,
}

impl<E: Into<RunError>> From<E> for EndedEarly {
    fn from(error: E) -> Self {
        Self { error: error.into(), is_kept: false }
    }
}

/// A run that has begun.
struct Begun {
    run_id: String,
    started: DateTime<Utc>,
    since: Instant,
    is_dry: bool,
    warnings: Arc<WarningLog>,
    journal: Arc<Journal>,
}

impl Begun {
    /// What is known of it, without what its resources came to.
    fn facts(&self, plan: &Plan, took: Duration) -> RunFacts {
        RunFacts {
            run_id: self.run_id.clone(),
            pipeline: plan.name.clone(),
            started: self.started,
            took,
            resources: Vec::new(),
            dropped: Vec::new(),
            version: None,
            passages: self.journal.passages(),
            warnings: self.warnings.listed(),
            failure: None,
            is_dry: self.is_dry,
        }
    }
}

/// Runs a plan to its end. One that is refused before it holds the lake is noted there too, where there is one, but for a dry run.
///
/// # Errors
/// Only what concerns the run as a whole (the lake, an unknown resource); a resource's failure is in the facts.
pub(crate) async fn run(plan: &Plan, options: &RunOptions, components: Components<'_>) -> Result<RunFacts, Unfinished> {
    task_point("task.main");
    let (clock, spell) = (Arc::clone(&components.clock), components.spell);
    let (NewRun { id, started }, since) = (components.run.clone(), clock.instant());
    let begun =
        Begun { run_id: id, started, since, is_dry: options.dry_run, warnings: Arc::default(), journal: Journal::new(&clock) };
    let EndedEarly { error, is_kept } = match run_begun(plan, options, components, &begun).await {
        Ok(facts) => return Ok(facts),
        Err(early) => early,
    };
    if is_kept || options.dry_run {
        return Err(Unfinished { error, unkept: None });
    }
    let mut facts = begun.facts(plan, clock.instant().duration_since(since));
    facts.failure = Some(failure_of(plan, &error));
    let is_noted = !is_of_store(&error)
        && match note_refused(&plan.lake, &plan.name, &begun.run_id, &spell(&facts)).await {
            Ok(is_noted) => is_noted,
            Err(error) => {
                tracing::warn!(error = %error, "that the run was refused cannot be noted in the lake");
                false
            }
        };
    Err(Unfinished { error, unkept: (!is_noted).then(|| Box::new(facts)) })
}

async fn run_begun(plan: &Plan, options: &RunOptions, components: Components<'_>, begun: &Begun) -> Result<RunFacts, EndedEarly> {
    let Components { clock, stop, events, spell, run: _ } = components;
    let Begun { run_id, started: began, warnings, journal, .. } = begun;
    let began = options.part.as_ref().and_then(Part::began).unwrap_or(*began);
    let graph = Graph::new(plan, &options.only)?;
    families::check_whole(plan, &graph)?;
    let events = journal.watching(warnings.watching(events));
    let source_events = Arc::clone(&events);
    let source = Source::asking(
        &options.asking,
        &plan.client,
        Arc::clone(&clock),
        stop.token().clone(),
        Arc::new(move |event| source_events(Event::Source(event))),
    )?;
    let tables: Vec<&str> = graph.in_order().filter(|(_, tabled)| *tabled).map(|(resource, _)| resource.table.as_str()).collect();
    let configured: Vec<&str> = plan.resources.iter().map(|resource| resource.table.as_str()).collect();
    let needed: Vec<&str> =
        configured.iter().copied().filter(|table| !options.refresh.rebuilds() || !tables.contains(table)).collect();
    let mut lake = opened(plan, options, (&clock, run_id), &needed).await?;
    tell_lost(&events, &lake, &configured);
    let kept = KeptOfRun::new(plan, options, &lake, (&clock, run_id, began));
    let started = recorded::as_of(&options.asking, began);
    let running = Running { plan, options, source: &source, stop: &stop, events: &events, warnings, started, kept: &kept };
    let outcome = match running.begin(&mut lake, &graph, &tables, began).await {
        Ok(ended) => Ok(ended),
        Err(error) => Err(cause(&lake, error).await),
    };
    kept.settle(plan, outcome.as_ref().map(|ended| &*ended.resources).map_err(RunError::kind)).await;
    let mut facts = begun.facts(plan, clock.instant().duration_since(begun.since));
    let outcome = match outcome {
        Ok(Ended { resources, dropped, version }) => {
            (facts.resources, facts.dropped, facts.version) = (resources, dropped, version);
            // From here on nothing can take back what is published, and so nothing may call for another run.
            if let Err(error) = lake.report(&spell(&facts)).await {
                tell_late(
                    &events,
                    WarningCode::ReportNotWritten,
                    "the run report cannot be written to the lake",
                    (error, facts.version.is_some()),
                );
            }
            Ok(())
        }
        Err(error) => {
            let is_kept = report_failure(&lake, plan, (&mut facts, &error), spell).await;
            Err(EndedEarly { error, is_kept })
        }
    };
    let closed = lake.close().await;
    if let Err(EndedEarly { error: RunError::Lake(LakeError::Unpublished { version, source }), .. }) = &outcome
        && matches!(**source, LakeError::ForeignCommit { .. })
        && let Err(error) = abandon_in(&plan.lake, &plan.name, *version, Arc::clone(&clock)).await
    {
        tracing::warn!(error = error.chain(), "the commit that could not be published is given up by the next run");
    }
    if let Err(error) = closed {
        tell_late(&events, WarningCode::CleanUpFailed, NOT_TIDY, (error, facts.version.is_some()));
    }
    facts.warnings = warnings.listed();
    outcome.map(|()| facts)
}

/// The lake, open for the run; with `dry_run` only to be looked at.
async fn opened(
    plan: &Plan,
    options: &RunOptions,
    (clock, run_id): (&Arc<dyn Clock>, &str),
    needed: &[&str],
) -> Result<Lake, LakeError> {
    let clock = Arc::clone(clock);
    if options.dry_run {
        return Lake::open_dry(&plan.lake, &plan.name, clock, run_id).await;
    }
    let open = |clock| Lake::open(&plan.lake, &plan.name, clock, run_id, Owner::this_process(), Some(needed));
    match open(Arc::clone(&clock)).await {
        // Another writer was quicker: the commit never counted, and what it had read is asked for again.
        Err(LakeError::ForeignCommit { version, table, place }) => {
            tracing::warn!(version, table, place, "a commit that another writer's stands in the way of is given up");
            abandon_in(&plan.lake, &plan.name, version, Arc::clone(&clock)).await.map_err(|error| match error {
                RunError::Lake(error) => error,
                _ => LakeError::ForeignCommit { version, table, place },
            })?;
            open(clock).await
        }
        opened => opened,
    }
}

/// Notes in the lake that the run ended as a whole, and why; the error itself is told all the same. Whether it is noted.
async fn report_failure(
    lake: &Lake,
    plan: &Plan,
    (facts, error): (&mut RunFacts, &RunError),
    spell: &dyn Fn(&RunFacts) -> Value,
) -> bool {
    if is_of_store(error) {
        return false;
    }
    facts.failure = Some(failure_of(plan, error));
    let kept = lake.report(&spell(facts)).await;
    if let Err(error) = &kept {
        tracing::warn!(error = %error, "the run report cannot be written to the lake");
    }
    kept.is_ok()
}

/// Whether the store has just failed: it would be waited for once more.
fn is_of_store(error: &RunError) -> bool {
    matches!(error, RunError::Lake(LakeError::Store { .. } | LakeError::Unread(_) | LakeError::Unpublished { .. }))
}

fn failure_of(plan: &Plan, error: &RunError) -> RunFailure {
    RunFailure { kind: error.kind(), message: error.chain(), hints: error.hints_among(|table| plan.resource_of(table)) }
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

/// What a run came to.
struct Ended {
    resources: Vec<(String, ResourceResult)>,
    /// Tables that left the lake.
    dropped: Vec<String>,
    version: Option<u64>,
}

/// What everything in a run shares.
pub(super) struct Running<'a> {
    pub(super) plan: &'a Plan,
    pub(super) options: &'a RunOptions,
    pub(super) source: &'a Source,
    pub(super) stop: &'a Stop,
    pub(super) events: &'a Events,
    pub(super) warnings: &'a WarningLog,
    pub(super) started: DateTime<Utc>,
    pub(super) kept: &'a KeptOfRun,
}

impl Running<'_> {
    /// Checks whose the tables are, and where a recording begins; then all of the work.
    async fn begin(&self, lake: &mut Lake, graph: &Graph, tables: &[&str], began: DateTime<Utc>) -> Result<Ended, RunError> {
        lake.check_claims(tables).await?;
        recorded::begin(self.plan, self.options, lake, began)?;
        self.load_and_commit(lake, graph).await
    }

    async fn load_and_commit(&self, lake: &mut Lake, graph: &Graph) -> Result<Ended, RunError> {
        let drops = match self.options.refresh {
            Refresh::DropSources => Drops::find(lake, self.plan, self.events).await?,
            _ => Drops::default(),
        };
        let resources = graph.in_order().filter(|(resource, tabled)| *tabled || graph.has_children(&resource.name)).count();
        (self.events)(Event::Planned { resources });
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
        if outcomes.iter().any(|(_, (_, outcome))| outcome.is_err())
            && let Some(overtaken) = lease.overtaken().await
        {
            return Err(overtaken.into());
        }
        let outcomes = recorded::all_answered(graph.as_configured(outcomes))?;
        recorded::tell_lacking(&self.options.asking, self.events);
        let outcomes = self.strictly(outcomes);
        if self.stop.token().is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let mut prepared = self.prepare(lake, outcomes).await?;
        let is_whole = !prepared.results.iter().any(|(_, result)| matches!(result, ResourceResult::Failed { .. }));
        let dropped = if is_whole { drops.join(&mut prepared) } else { Vec::new() };
        if prepared.tables.is_empty() && prepared.states.is_empty() {
            return Ok(Ended { resources: prepared.results, dropped, version: None });
        }
        if self.options.dry_run {
            return Ok(Ended { resources: prepared.results, dropped, version: None });
        }
        let (resources, version) = self.commit(lake, prepared).await?;
        Ok(Ended { resources, dropped, version })
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
            Ok(Read::Ready(_) | Read::Discarded(..)) => Err(refused()),
            other => other,
        };
        outcomes.into_iter().map(|(name, (cost, outcome))| (name, (cost, strict(outcome)))).collect()
    }
}
