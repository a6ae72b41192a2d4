//! What a resource goes on from: its table as the lake has it, and what earlier runs remember of it. A run and a look at the first pages read it alike.
//!
//! In: a view of the lake, the resource, what of the past does not count. Out: the table, the cursors, what was found out, or why a run would not go on.

use chrono::{DateTime, Utc};

use crate::config::{Plan, ResourcePlan, WriteDisposition};
use crate::lake::{Snapshot, View};
use crate::pipeline::cursors::{Cursors, Past, check_rebuild, file_named};
use crate::pipeline::detected::Detected;
use crate::pipeline::run::Refresh;
use crate::pipeline::{RunError, contract, held};

/// The past of a run's resources.
#[derive(Clone, Copy)]
pub(super) struct PastOf<'a> {
    pub(super) view: View<'a>,
    pub(super) plan: &'a Plan,
    /// What of it does not count.
    pub(super) refresh: Refresh,
    /// When the run began.
    pub(super) started: DateTime<Utc>,
}

impl PastOf<'_> {
    /// The table that `resource` goes on from; `None` where it is not there and must not be made.
    ///
    /// # Errors
    /// The lake's; [`RunError::NewTable`], [`RunError::Held`].
    pub(super) async fn table(&self, resource: &ResourcePlan) -> Result<Option<Snapshot>, RunError> {
        let rebuilds = self.refresh.rebuilds();
        let table = match rebuilds {
            true => self.view.table_to_rebuild(&resource.table).await?,
            false => self.view.table(&resource.table).await?,
        };
        if !contract::admits(resource, !table.schema.columns.is_empty())? {
            return Ok(None);
        }
        if !rebuilds {
            held::check(resource, self.view.states(), table.rows())?;
        }
        Ok(Some(table))
    }

    /// What earlier runs have found out about `resource`, unless that does not count.
    pub(super) fn detected(&self, resource: &ResourcePlan) -> Detected {
        let counts = self.refresh == Refresh::No;
        Detected::read(if counts { self.view.state(&resource.name) } else { None })
    }

    /// The cursors of `resource`, from the state of last night unless it does not count.
    ///
    /// # Errors
    /// [`RunError::Incremental`], [`RunError::ResetOfAppend`]; the lake's.
    pub(super) async fn cursors(&self, resource: &ResourcePlan) -> Result<Option<Cursors>, RunError> {
        if self.refresh.rebuilds() {
            let checked = check_rebuild(resource, self.view.state(&resource.name));
            checked.map_err(|source| RunError::incremental(&resource.name, source))?;
        }
        let stored = if self.refresh == Refresh::No { self.view.state(&resource.name) } else { None };
        if self.refresh == Refresh::ResetState && resource.write_disposition == WriteDisposition::Append {
            return Err(RunError::ResetOfAppend { resource: resource.name.clone() });
        }
        let marks = match stored.and_then(file_named) {
            Some(name) => self.view.marks(&resource.name, name).await?,
            None => None,
        };
        let past = Past { state: stored, marks: marks.as_deref() };
        let cursors = Cursors::new(resource, self.plan.client.base_url.as_str(), past, self.started);
        cursors.map_err(|source| RunError::incremental(&resource.name, source))
    }
}
