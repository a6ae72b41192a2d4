//! What a resource goes on from: its table as the lake has it, and what earlier runs remember of it. A run and a look at the first pages read it alike.
//!
//! In: a view of the lake, the resource, what of the past does not count. Out: the table, the cursors, what was found out, or why a run would not go on.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::config::{Plan, ResourcePlan, WriteDisposition};
use crate::lake::{Snapshot, View};
use crate::pipeline::cursors::{Cursors, Past, check_rebuild, file_named};
use crate::pipeline::detected::Detected;
use crate::pipeline::run::Refresh;
use crate::pipeline::{RunError, contract, families, held};

/// The past of a run's resources.
#[derive(Clone, Copy)]
pub(super) struct PastOf<'a> {
    pub(super) view: View<'a>,
    pub(super) plan: &'a Plan,
    /// What the run was asked for; all where it is empty.
    pub(super) only: &'a [String],
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
    /// [`RunError::Incremental`], [`RunError::ResetOfAppend`], [`RunError::Family`]; the lake's.
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
        let past = Past { state: stored, marks: marks.as_deref(), kin: families::kin(self.plan, resource) };
        let cursors = Cursors::new(resource, self.plan.client.base_url.as_str(), past, self.started);
        let cursors = cursors.map_err(|source| RunError::incremental(&resource.name, source))?;
        if self.refresh == Refresh::No && resource.goes_on_from_cursor() {
            match stored.filter(|_| cursors.as_ref().is_some_and(Cursors::go_on)) {
                Some(stored) => self.check_fed(resource, stored).await?,
                None => self.check_unfed(resource).await?,
            }
        }
        Ok(cursors)
    }

    /// Checks that nothing that is requested for the records of `resource`, whose cursor begins, adds rows that its table has.
    async fn check_unfed(&self, resource: &ResourcePlan) -> Result<(), RunError> {
        let is_loaded = |child: &ResourcePlan| self.view.state(&child.name).is_some() && child.is_wanted(self.only);
        for child in self.plan.descendants(&resource.name).into_iter().filter(|child| child.adds_again()) {
            let rows = if is_loaded(child) { self.view.table(&child.table).await?.rows() } else { 0 };
            if rows > 0 {
                return Err(families::again(self.plan, self.only, (resource, child), rows).into());
            }
        }
        Ok(())
    }

    /// Checks that whatever the run loads of the records of `resource`, which has this state, has those before its cursor.
    async fn check_fed(&self, resource: &ResourcePlan, stored: &Value) -> Result<(), RunError> {
        let unfed = |member: &&ResourcePlan| member.is_wanted(self.only) && !families::is_fed(stored, member, self.view.states());
        for member in self.plan.with_descendants(resource).into_iter().filter(unfed) {
            let is_there = !self.view.table(&member.table).await?.schema.columns.is_empty();
            // A table that must not be made gets none of the records.
            if contract::admits(member, is_there)? {
                return Err(families::never_fed(self.plan, self.only, (resource, member)).into());
            }
        }
        Ok(())
    }
}
