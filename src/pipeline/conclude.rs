//! The end of a run: what its resources came to goes into one commit.
//!
//! In: the outcome of each resource. Out: the commit, and what is told of each resource. Invariants: rows, rejects, cursors and what the next
//! run is to know are published together; what fails after the commit is told, and takes nothing back.

use serde_json::{Map, Value};

use crate::base::{ErrorKind, Warning, WarningCode};
use crate::config::{ResourcePlan, WriteDisposition};
use crate::lake::{COMMITS_KEPT, Committed, FileChange, Lake, LakeError, PreparedTable};
use crate::pipeline::cursors::{CursorOutcome, file_named};
use crate::pipeline::detected::Detected;
use crate::pipeline::facts::{Completeness, ResourceFacts, ResourceResult};
use crate::pipeline::held;
use crate::pipeline::load::{Outcome, Read, Ready};
use crate::pipeline::run::Running;
use crate::pipeline::{Event, Events, RunError, families};
use crate::source::Cost;

/// What a commit is made of, and the results of the run's resources once it is made.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) results: Vec<(String, ResourceResult)>,
    pub(super) tables: Vec<PreparedTable>,
    pub(super) states: Map<String, Value>,
    /// Resources that have files of marks.
    pub(super) with_marks: Vec<String>,
}

impl Prepared {
    /// Keeps the state of a resource, which was `old`.
    fn keep(&mut self, name: &str, state: Value, old: Option<&Value>) {
        if [Some(&state), old].into_iter().flatten().any(|state| file_named(state).is_some()) {
            self.with_marks.push(name.to_owned());
        }
        self.states.insert(name.to_owned(), state);
    }
}

/// What a lake is whose own folder holds more than it should.
pub(super) const NOT_TIDY: &str = "something is left over in the lake's own folder, which the next run removes";

/// What may be the reason for a failure behind kept answers.
const MAY_BE_OLD: &str =
    "pages that an interrupted run had kept may be the reason: they are removed, and the next run asks for all of them again";

/// What a lake is whose old commits could not be removed.
const NOT_COLLECTED: &str = "old commits could not be removed, which `lakeward gc --apply` does, or a run many nights on";

/// Tells of an error at the end of a run, which takes back nothing that `is_published`.
pub(super) fn tell_late(events: &Events, code: WarningCode, what: &str, (error, is_published): (LakeError, bool)) {
    let stands = if is_published { "what the run published stands" } else { "the run published nothing" };
    let text = format!("{what}: {}; {stands}", RunError::from(error).chain());
    events(Event::Warning { resource: None, warning: Warning::new(code, text) });
}

impl Running<'_> {
    /// What of the outcomes goes into the commit.
    pub(super) async fn prepare(&self, lake: &mut Lake, outcomes: Vec<(String, Outcome)>) -> Result<Prepared, RunError> {
        let kind_of = |outcome: &Result<Read, RunError>| outcome.as_ref().err().map(RunError::kind);
        let failed: Vec<(String, ErrorKind)> =
            outcomes.iter().filter_map(|(name, (_, outcome))| Some((name.clone(), kind_of(outcome)?))).collect();
        let is_ready = |outcome: &Result<Read, RunError>| matches!(outcome, Ok(Read::Ready(_)));
        let ready = outcomes.iter().filter(|(_, (_, outcome))| is_ready(outcome)).map(|(name, _)| name.clone());
        let loaded: Vec<String> = ready.filter(|name| self.held_back(&failed, name).is_none()).collect();
        let mut prepared = Prepared::default();
        for (name, (cost, outcome)) in outcomes {
            let held_back = self.held_back(&failed, &name);
            let result = match outcome {
                Ok(Read::Nothing) => ResourceResult::Skipped,
                Ok(Read::ForChildren(facts, cursors)) => {
                    self.keep_cursors(lake, &mut prepared, (&name, cursors.filter(|_| held_back.is_none())), &loaded).await?;
                    ResourceResult::ForChildren(facts)
                }
                Ok(Read::Discarded(facts, cursors)) => {
                    self.keep_cursors(lake, &mut prepared, (&name, cursors.filter(|_| held_back.is_none())), &loaded).await?;
                    ResourceResult::Discarded(facts)
                }
                Err(error) => self.failure(&name, &error, &cost),
                Ok(Read::Ready(ready)) => match held_back {
                    Some(error) => self.failure(&name, &error, &cost),
                    None => {
                        let ready = (&*name, *ready, &*cost);
                        ResourceResult::Published(self.publish(lake, &mut prepared, ready, &loaded).await?)
                    }
                },
            };
            prepared.results.push((name, result));
        }
        Ok(prepared)
    }

    /// Why `name` is not published, whatever it came to: what it is published with has `failed`.
    fn held_back(&self, failed: &[(String, ErrorKind)], name: &str) -> Option<RunError> {
        let first = failed.first().filter(|_| self.plan.lake.publish_together);
        let together = first.map(|(failed, kind)| {
            let why = "`lake.publish` is `together`".to_owned();
            RunError::NotAlone { failed: failed.clone(), kind: *kind, why }
        });
        together.or_else(|| families::held_back(self.plan, failed, name))
    }

    /// A table that is ready goes into the commit, with its state.
    async fn publish(
        &self,
        lake: &mut Lake,
        prepared: &mut Prepared,
        (name, mut ready, cost): (&str, Ready, &Cost),
        loaded: &[String],
    ) -> Result<Box<ResourceFacts>, RunError> {
        ready.quarantine = lake.quarantine(&ready.staged.table, &ready.rejects).await?;
        let disposition = self.resource(name).map(|resource| self.disposition(resource));
        if disposition == Some(WriteDisposition::Replace) {
            lake.note_rebuilt(&ready.staged.table);
        }
        let facts = facts_of(&ready, cost);
        let mut cursors = ready.cursors.take();
        keep_marks(lake, name, &mut cursors).await?;
        let old = lake.view().state(name);
        let mut state = state_of(&facts, self.resource(name), (cursors, &ready.detected), old);
        self.note_fed(name, (&mut state, old), loaded);
        prepared.keep(name, state, old);
        prepared.tables.push(ready.staged);
        Ok(Box::new(facts))
    }

    /// The cursors of a resource that was read for its children alone move with the children's rows.
    async fn keep_cursors(
        &self,
        lake: &mut Lake,
        prepared: &mut Prepared,
        (name, mut cursors): (&str, Option<CursorOutcome>),
        loaded: &[String],
    ) -> Result<(), RunError> {
        if !self.resource(name).is_some_and(ResourcePlan::goes_on_from_cursor) {
            return Ok(());
        }
        keep_marks(lake, name, &mut cursors).await?;
        let Some(cursors) = cursors else { return Ok(()) };
        let old = lake.view().state(name);
        let mut state = old.cloned().unwrap_or_else(|| Value::Object(Map::new()));
        state["incremental"] = cursors.state;
        self.note_fed(name, (&mut state, old), loaded);
        prepared.keep(name, state, old);
        Ok(())
    }

    /// Notes in the state of `name` what its cursor has fed. One that did not move has fed what it had.
    fn note_fed(&self, name: &str, (state, old): (&mut Value, Option<&Value>), loaded: &[String]) {
        let fed = self.resource(name).and_then(|resource| families::fed(self.plan, resource, loaded));
        let fed = fed.or_else(|| old?.get("feeds").filter(|_| state.get("incremental").is_some()).cloned());
        if let Some(fed) = fed {
            state["feeds"] = fed;
        }
    }

    /// Commits to its end, whatever becomes of the lease: the log decides who won.
    pub(super) async fn commit(
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
        let marks = if with_marks.is_empty() { Vec::new() } else { lake.all_marks().await? };
        let commit = lease.keep_beside(lake.commit(tables, states)).await?;
        self.stop.committed();
        let Committed { version, is_new, files_put, files_deleted, untidy } = commit;
        tracing::info!(version, is_new, files_put, files_deleted, "committed");
        if let Some(error) = untidy {
            tell_late(self.events, WarningCode::CleanUpFailed, NOT_TIDY, (error, true));
        }
        for resource in with_marks {
            if let Err(error) = lake.sweep_marks(&resource, &marks, file_named).await {
                tell_late(self.events, WarningCode::CleanUpFailed, NOT_TIDY, (error, true));
            }
        }
        if is_new && lake.is_to_collect() {
            self.collect(lake).await;
        }
        Ok((results, Some(version)))
    }

    /// Removes old commits and what only they need.
    async fn collect(&self, lake: &mut Lake) {
        let lease = lake.lease();
        match lease.keep_beside(lake.collect(COMMITS_KEPT, file_named)).await {
            Ok((garbage, commit)) => {
                tracing::info!(version = commit.version, files = garbage.files().count(), "collected");
                if let Some(error) = commit.untidy {
                    tell_late(self.events, WarningCode::CleanUpFailed, NOT_TIDY, (error, true));
                }
            }
            Err(error) => tell_late(self.events, WarningCode::CleanUpFailed, NOT_COLLECTED, (error, true)),
        }
    }

    fn failure(&self, resource: &str, error: &RunError, cost: &Cost) -> ResourceResult {
        let (message, hints) = error.told_of(resource);
        let message = families::typed_whole(self.plan, resource, message);
        let hints = hints.into_iter().map(|hint| families::typed_whole(self.plan, resource, hint));
        let is_to_blame = cost.kept() > 0 && !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Cancelled);
        let hints = hints.chain(is_to_blame.then(|| MAY_BE_OLD.to_owned())).collect();
        let (kind, pages, requests, resumed_pages) = (error.kind(), cost.pages(), cost.requests(), cost.kept());
        ResourceResult::Failed { kind, message, hints, pages, requests, resumed_pages }
    }

    fn resource(&self, name: &str) -> Option<&ResourcePlan> {
        self.plan.resources.iter().find(|resource| resource.name == name)
    }
}

/// Keeps marks that are many in a file of their own, which the state then names.
async fn keep_marks(lake: &mut Lake, name: &str, cursors: &mut Option<CursorOutcome>) -> Result<(), RunError> {
    if let Some(outcome) = cursors
        && let Some(marks) = outcome.marks.take()
    {
        let file = lake.keep_marks(name, marks.bytes.clone()).await?;
        outcome.state["marks"] = marks.reference(&file);
    }
    Ok(())
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

fn facts_of(ready: &Ready, cost: &Cost) -> ResourceFacts {
    let Ready { staged, end, slices, rejects, shaped, quarantine, cursors, columns, .. } = ready;
    let deleted = staged.changes.iter().filter(|change| !matches!(change, FileChange::Put { .. })).count() as u64;
    ResourceFacts {
        table: staged.table.clone(),
        pages: end.pages,
        records: end.records,
        requests: end.requests,
        resumed_pages: cost.kept(),
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
        columns: columns.clone(),
        schema: staged.after.schema.clone(),
    }
}
