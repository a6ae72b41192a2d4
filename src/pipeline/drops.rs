//! What `--full-refresh=drop_sources` drops: the tables and the states that no resource of the config has any more.
//!
//! In: the plan and the newest commit. Out: what the run's commit does beside its own tables, once all resources are whole. It is found
//! before anything is requested, so that what stands in its way ends the run first.

use crate::base::{Warning, WarningCode};
use crate::config::Plan;
use crate::lake::{DroppedTable, Lake};
use crate::pipeline::conclude::Prepared;
use crate::pipeline::cursors::file_named;
use crate::pipeline::{Event, Events, RunError};

/// Files that a warning names.
const NAMED_MAX: usize = 5;

/// What leaves the lake.
#[derive(Debug, Default)]
pub(super) struct Drops {
    tables: Vec<DroppedTable>,
    /// Resources that are forgotten, each with whether it has a file of marks.
    states: Vec<(String, bool)>,
}

impl Drops {
    /// What of the lake is not in `plan`, chosen for this run or not.
    ///
    /// # Errors
    /// The lake's.
    pub(super) async fn find(lake: &Lake, plan: &Plan, events: &Events) -> Result<Self, RunError> {
        let kept: Vec<&str> = plan.resources.iter().map(|resource| resource.table.as_str()).collect();
        let tables = lake.to_drop(&kept).await?;
        for DroppedTable { staged, strangers } in tables.iter().filter(|dropped| !dropped.strangers.is_empty()) {
            let named: Vec<&str> = strangers.iter().take(NAMED_MAX).map(String::as_str).collect();
            let more = strangers.len() - named.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let (table, named) = (&staged.table, named.join("`, `"));
            let text = format!(
                "files in the folder of the table `{table}` are not lakeward's, and stay there when it is dropped: `{named}`{more}"
            );
            events(Event::Warning { resource: None, warning: Warning::new(WarningCode::ForeignFilesLeft, text) });
        }
        let is_kept = |name: &str| plan.resources.iter().any(|resource| resource.name == *name);
        let states = lake.view().states().into_iter().flatten().filter(|(name, _)| !is_kept(name));
        let states = states.map(|(name, state)| (name.clone(), file_named(state).is_some())).collect();
        Ok(Self { tables, states })
    }

    /// Adds it to what the run commits; the names of the tables.
    pub(super) fn join(self, prepared: &mut Prepared) -> Vec<String> {
        for (name, has_marks) in self.states {
            prepared.with_marks.extend(has_marks.then(|| name.clone()));
            prepared.states.insert(name, serde_json::Value::Null);
        }
        let names = self.tables.iter().map(|dropped| dropped.staged.table.clone()).collect();
        prepared.tables.extend(self.tables.into_iter().map(|dropped| dropped.staged));
        names
    }
}
