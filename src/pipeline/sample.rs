//! The first pages of a resource, decoded and thrown away: what `preview` shows and `check --online` verifies.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::base::{Clock, JsonPath};
use crate::config::{Plan, ResourcePlan};
use crate::decode::DecodedPage;
use crate::pipeline::asked::{Asked, found_in};
use crate::pipeline::chain::internal;
use crate::pipeline::resource::{first_page, first_pages};
use crate::pipeline::{Event, Events, RunError};
use crate::source::{Detected, EndReason, Page, ParentRecord, Source, SourceEvent};

/// Most pages that are requested to prove what was detected.
const PROBE_PAGES_MAX: u64 = 3;

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
    let now = clock.now();
    let source = Source::new(&plan.client, clock, cancel, Arc::new(move |event| events(Event::Source(event))))?;
    let parents = first_records(plan, &source, resource, now).await?;
    let (page, decoded) = first_page(&source, resource, (parents, &[]), now).await?;
    Ok(Sample { page, decoded })
}

/// A record of each parent of `resource`, from the parent's first page: the first one that has all that is asked of it.
fn first_records<'a>(
    plan: &'a Plan,
    source: &'a Source,
    resource: &'a ResourcePlan,
    now: DateTime<Utc>,
) -> BoxFuture<'a, Result<Vec<ParentRecord>, RunError>> {
    Box::pin(async move {
        let mut records = Vec::new();
        for (at, asked) in resource.parents.iter().enumerate() {
            let parent = plan.resources.iter().find(|known| known.name == asked.resource);
            let parent = parent.ok_or_else(|| internal("a parent is not part of the plan"))?;
            let of = first_records(plan, source, parent, now).await?;
            let (_, decoded) = first_page(source, parent, (of, &asked.fields), now).await?;
            let (of_child, mut whole) = (Asked::new(resource, at), None);
            for fields in &decoded.for_children {
                let found = fields.iter().map(|text| found_in(text)).collect::<Result<Vec<_>, _>>();
                let sets = of_child.sets(0, &found.map_err(|_| internal("a parent's record lost its values"))?)?;
                let has_all = |set: &ParentRecord| set.values.iter().all(|value| value.as_deref().is_some_and(|it| it != "null"));
                whole = sets.into_iter().find(has_all);
                if whole.is_some() {
                    break;
                }
            }
            let none = || RunError::NoParentRecord { resource: resource.name.clone(), parent: asked.resource.clone() };
            records.push(whole.ok_or_else(none)?);
        }
        Ok(records)
    })
}

/// What the first pages of a resource have shown.
pub(crate) struct Probe {
    /// The first page.
    pub(crate) first: Sample,
    /// Pages that count, and the records in them.
    pub(crate) pages: u64,
    /// Records in these pages.
    pub(crate) records: u64,
    /// Where the records are, if the config does not say.
    pub(crate) data_selector: Option<JsonPath>,
    /// The paginator, if the config does not say and a further page has proven it.
    pub(crate) paginator: Option<Detected>,
    /// How the pages ended; [`EndReason::MaximumReached`] when no more were asked for.
    pub(crate) reason: EndReason,
}

/// Requests the first pages of `resource`, at most three, one after the other, and decodes them. Nothing is written anywhere.
///
/// # Errors
/// Whatever a run would fail with on these pages.
pub(crate) async fn probe(
    plan: &Plan,
    resource: &ResourcePlan,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    events: Events,
) -> Result<Probe, RunError> {
    let proven: Arc<Mutex<Option<Detected>>> = Arc::default();
    let seen = Arc::clone(&proven);
    let told: crate::source::Events = Arc::new(move |event| {
        if let SourceEvent::Detected { detected, .. } = &event {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(detected.clone());
        }
        events(Event::Source(event));
    });
    let now = clock.now();
    let parents = if resource.parents.is_empty() {
        Vec::new()
    } else {
        let source = Source::new(&plan.client, Arc::clone(&clock), cancel.clone(), Arc::new(|_| ()))?;
        first_records(plan, &source, resource, now).await?
    };
    let source = Source::probing(&plan.client, clock, cancel, told, PROBE_PAGES_MAX)?;
    let (page, decoded, data_selector, end) = first_pages(&source, resource, parents, now).await?;
    let paginator = proven.lock().unwrap_or_else(PoisonError::into_inner).take();
    let first = Sample { page, decoded };
    Ok(Probe { first, pages: end.pages, records: end.records, data_selector, paginator, reason: end.reason })
}
