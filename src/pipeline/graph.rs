//! The order of a run's resources: parents before their children, and what children wait for.
//!
//! In: the plan and the names asked for. Out: resources in an order in which nobody waits for one behind it, and for each child the records
//! of its parents once they are whole. A parent that fails fails its children.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::base::ErrorKind;
use crate::config::{Plan, ResourcePlan, WriteDisposition};
use crate::pipeline::RunError;
use crate::pipeline::chain::internal;
use crate::pipeline::parents::ParentRecords;

/// What became of a parent.
#[derive(Debug, Clone)]
pub(crate) enum ParentOutcome {
    /// All its pages are in.
    Whole(Arc<ParentRecords>),
    /// It failed, as this.
    Failed(ErrorKind),
}

impl ParentOutcome {
    /// The outcome of a resource whose pages are in; one that kept no records has no children to ask for them.
    pub(crate) fn of(records: Option<Arc<ParentRecords>>) -> Self {
        records.map_or(Self::Failed(ErrorKind::Internal), Self::Whole)
    }
}

/// The resources of a run.
#[derive(Debug)]
pub(crate) struct Graph {
    /// In the config's order.
    configured: Vec<String>,
    /// Parents before children, each with whether it becomes a table.
    order: Vec<(Arc<ResourcePlan>, bool)>,
    outcomes: HashMap<String, watch::Sender<Option<ParentOutcome>>>,
}

impl Graph {
    /// The resources named in `only`, all selected ones if it is empty, and whatever they need.
    ///
    /// # Errors
    /// [`RunError::NoSuchResource`].
    pub(crate) fn new(plan: &Plan, only: &[String]) -> Result<Self, RunError> {
        if let Some(name) = only.iter().find(|name| plan.resources.iter().all(|resource| resource.name != **name)) {
            return Err(RunError::no_such_resource(name, plan));
        }
        let is_wanted = |resource: &ResourcePlan| if only.is_empty() { resource.selected } else { only.contains(&resource.name) };
        let mut graph = Self { configured: Vec::new(), order: Vec::new(), outcomes: HashMap::new() };
        for resource in plan.resources.iter().filter(|resource| is_wanted(resource)) {
            graph.add(plan, resource);
        }
        for (resource, tabled) in &mut graph.order {
            *tabled = is_wanted(resource) && resource.write_disposition != WriteDisposition::Skip;
        }
        let names = plan.resources.iter().map(|resource| resource.name.clone());
        graph.configured = names.filter(|name| graph.order.iter().any(|(resource, _)| resource.name == *name)).collect();
        Ok(graph)
    }

    /// Adds a resource behind its parents; the config has made sure that they do not go in circles.
    fn add(&mut self, plan: &Plan, resource: &ResourcePlan) {
        if self.order.iter().any(|(known, _)| known.name == resource.name) {
            return;
        }
        for parent in &resource.parents {
            if let Some(parent) = plan.resources.iter().find(|known| known.name == parent.resource) {
                self.add(plan, parent);
                self.outcomes.entry(parent.name.clone()).or_insert_with(|| watch::Sender::new(None));
            }
        }
        self.order.push((Arc::new(resource.clone()), false));
    }

    /// The resources in an order in which nobody waits for one behind it, each with whether it becomes a table.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&Arc<ResourcePlan>, bool)> {
        self.order.iter().map(|(resource, tabled)| (resource, *tabled))
    }

    /// Puts what belongs to resources into the config's order.
    pub(crate) fn as_configured<T>(&self, mut of_resources: Vec<(String, T)>) -> Vec<(String, T)> {
        of_resources.sort_by_key(|(name, _)| self.configured.iter().position(|known| known == name));
        of_resources
    }

    /// Whether another resource of the run needs its records.
    pub(crate) fn has_children(&self, resource: &str) -> bool {
        self.outcomes.contains_key(resource)
    }

    /// What became of a resource's pages; the first word counts.
    pub(crate) fn settle(&self, resource: &str, outcome: ParentOutcome) {
        if let Some(sender) = self.outcomes.get(resource) {
            sender.send_if_modified(|known| known.is_none() && known.replace(outcome).is_none());
        }
    }

    /// The records of the parents of `resource`, in its plan's order, once they are whole.
    ///
    /// # Errors
    /// [`RunError::ParentFailed`].
    pub(crate) async fn parents_of(&self, resource: &ResourcePlan) -> Result<Vec<Arc<ParentRecords>>, RunError> {
        let mut records = Vec::new();
        for parent in &resource.parents {
            let sender = self.outcomes.get(&parent.resource).ok_or_else(|| internal("a parent is not part of the run"))?;
            let mut outcomes = sender.subscribe();
            let outcome = outcomes.wait_for(Option::is_some).await;
            match outcome.map_err(|_| internal("a parent ended without a word"))?.clone() {
                Some(ParentOutcome::Whole(whole)) => records.push(whole),
                Some(ParentOutcome::Failed(kind)) => {
                    let (resource, parent) = (resource.name.clone(), parent.resource.clone());
                    return Err(RunError::ParentFailed { resource, parent, kind });
                }
                None => return Err(internal("a parent's word was taken back")),
            }
        }
        Ok(records)
    }
}
