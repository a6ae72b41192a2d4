//! One page of a resource, decoded and thrown away: what `preview` shows and `check --online` verifies.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::base::Clock;
use crate::config::{Plan, ResourcePlan};
use crate::decode::DecodedPage;
use crate::pipeline::resource::first_page;
use crate::pipeline::{Event, Events, RunError};
use crate::source::{Page, Source};

/// The first page of a resource.
pub(crate) struct Sample {
    /// As received.
    pub(crate) page: Page,
    /// As decoded.
    pub(crate) decoded: DecodedPage,
}

/// Requests the first page of `resource` and decodes it. Nothing is written anywhere.
///
/// # Errors
/// Whatever a run would fail with on its first page.
pub(crate) async fn sample(
    plan: &Plan,
    resource: &ResourcePlan,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    events: Events,
) -> Result<Sample, RunError> {
    let source = Source::new(&plan.client, clock, cancel, Arc::new(move |event| events(Event::Source(event))))?;
    let (page, decoded) = first_page(&source, resource).await?;
    Ok(Sample { page, decoded })
}
