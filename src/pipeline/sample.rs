//! The first page of a resource, decoded and thrown away: what `preview` shows.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::base::Clock;
use crate::config::{Plan, ResourcePlan};
use crate::decode::DecodedPage;
use crate::pipeline::asked::{Asked, found_in};
use crate::pipeline::chain::internal;
use crate::pipeline::parents::FoundFields;
use crate::pipeline::resource::first_page;
use crate::pipeline::{Event, Events, RunError};
use crate::schema::TableSchema;
use crate::source::{Page, ParentRecord, Source};

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
pub(super) fn first_records<'a>(
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
            if whole.is_none() {
                let mut found = FoundFields::new(asked.fields.len());
                decoded.for_children.iter().for_each(|fields| found.note(fields));
                let columns: Vec<&str> = decoded.table.rows.schema.columns.iter().map(|column| column.name.as_str()).collect();
                found.check_includes(&asked.fields, (resource, at), &columns, &TableSchema::default())?;
            }
            let none = || RunError::NoParentRecord { resource: resource.name.clone(), parent: asked.resource.clone() };
            records.push(whole.ok_or_else(none)?);
        }
        Ok(records)
    })
}
