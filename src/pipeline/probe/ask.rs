//! One look at a draft: the config that it is, read the way of a run, and the answers as they came.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Clock;
use crate::compat::Draft;
use crate::pipeline::probe::PlanOf;
use crate::pipeline::rehearse::rehearse_metered;
use crate::pipeline::{Rehearsed, RunError};
use crate::source::{Exchange, Meter};

/// Longest wait that an API may ask for while it is probed.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Asks.
pub(super) struct Asker<'a, E> {
    pub(super) meter: &'a Meter,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) plan_of: PlanOf<'a, E>,
}

/// What was seen of a resource.
pub(super) struct Seen {
    /// Its name.
    pub(super) resource: String,
    rehearsed: Rehearsed,
}

impl Deref for Seen {
    type Target = Rehearsed;

    fn deref(&self) -> &Rehearsed {
        &self.rehearsed
    }
}

impl<E: From<RunError>> Asker<'_, E> {
    /// Reads at most so many pages of the draft: what a run would make of them, and the answers.
    ///
    /// # Errors
    /// Those of the config.
    pub(super) async fn ask(&self, draft: &Draft, pages: u64) -> Result<(Result<Seen, RunError>, Vec<Exchange>), E> {
        let mut plan = (self.plan_of)(draft)?;
        // One after the other, so that none is sent that is not needed.
        plan.client.concurrency = 1;
        plan.client.retry.max_retries = Some(plan.client.retry.max_retries.unwrap_or(1).min(1));
        plan.client.retry.max_wait = plan.client.retry.max_wait.min(MAX_WAIT);
        let before = self.meter.used();
        let Some(resource) = plan.resources.first() else {
            return Err(RunError::Internal { place: "a probe", what: "a config without a resource".to_owned() }.into());
        };
        let rehearsed =
            rehearse_metered(&plan, resource, Arc::clone(&self.clock), (pages.min(self.meter.left() as u64).max(1), self.meter))
                .await;
        let seen = rehearsed.map(|rehearsed| Seen { resource: resource.name.clone(), rehearsed });
        Ok((seen, self.meter.since(before)))
    }
}
