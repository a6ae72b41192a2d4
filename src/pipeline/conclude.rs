//! The end of a run: what its resources came to goes into one commit.
//!
//! In: the outcome of each resource. Out: the commit, and what is told of each resource. Invariants: rows, rejects, cursors and what the next
//! run is to know are published together; what fails after the commit is told, and takes nothing back.

use serde_json::{Map, Value};

use crate::base::{Warning, WarningCode};
use crate::config::{ResourcePlan, WriteDisposition};
use crate::lake::{COMMITS_KEPT, Committed, FileChange, Lake, LakeError, PreparedTable};
use crate::pipeline::cursors::{CursorOutcome, file_named};
use crate::pipeline::detected::Detected;
use crate::pipeline::facts::{Completeness, ResourceFacts, ResourceResult};
use crate::pipeline::held;
use crate::pipeline::load::{Outcome, Read, Ready};
use crate::pipeline::run::Running;
use crate::pipeline::{Event, Events, RunError};
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

/// What a lake is whose own folder holds more than it should.
pub(super) const NOT_TIDY: &str = "something is left over in the lake's own folder, which the next run removes";

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
        let failed = outcomes.iter().find(|(_, (_, outcome))| outcome.is_err()).map(|(name, _)| name.clone());
        let mut prepared = Prepared::default();
        for (name, (cost, outcome)) in outcomes {
            let result = match outcome {
                Ok(Read::Nothing) => ResourceResult::Skipped,
                Ok(Read::ForChildren(facts)) => ResourceResult::ForChildren(facts),
                Ok(Read::Discarded(facts)) => ResourceResult::Discarded(facts),
                Err(error) => failure(&name, &error, &cost),
                Ok(Read::Ready(_)) if self.plan.lake.publish_together && failed.is_some() => {
                    failure(&name, &RunError::NotAlone { failed: failed.clone().unwrap_or_default() }, &cost)
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
                    let old = lake.view().state(&name);
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

    fn resource(&self, name: &str) -> Option<&ResourcePlan> {
        self.plan.resources.iter().find(|resource| resource.name == name)
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

fn failure(resource: &str, error: &RunError, cost: &Cost) -> ResourceResult {
    let (pages, requests) = (cost.pages(), cost.requests());
    let (message, hints) = error.told_of(resource);
    ResourceResult::Failed { kind: error.kind(), message, hints, pages, requests }
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
