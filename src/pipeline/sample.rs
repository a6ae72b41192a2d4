//! The first page of a resource, decoded and thrown away: what `preview` shows.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::base::{Clock, JsonPath};
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

/// Records of a parent's first page that a child is tried for, one after the other, while the API says of them that they are gone.
const TRIED_MAX: usize = 5;

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
    let (page, decoded) = page_of_any(plan, &source, (resource, &[]), now).await?;
    Ok(Sample { page, decoded })
}

/// The first page of `resource`, with the fields `asked` of its records: of a child, for the first record of its parents that is not gone.
async fn page_of_any(
    plan: &Plan,
    source: &Source,
    (resource, asked): (&ResourcePlan, &[JsonPath]),
    now: DateTime<Utc>,
) -> Result<(Page, DecodedPage), RunError> {
    let mut gone = None;
    for parents in first_records(plan, source, resource, now).await? {
        match first_page(source, resource, (parents, asked), now).await {
            Err(RunError::Source(error)) if !resource.parents.is_empty() && error.is_gone() => {
                gone.get_or_insert(error);
            }
            page => return page,
        }
    }
    Err(gone.map_or_else(|| internal("a child without a record of its parent"), RunError::from))
}

/// What `resource` is requested for at first, at most [`TRIED_MAX`] of it: records of each parent's first page that have all that is asked of
/// them. Once nothing, for a resource without parents; never empty.
pub(super) fn first_records<'a>(
    plan: &'a Plan,
    source: &'a Source,
    resource: &'a ResourcePlan,
    now: DateTime<Utc>,
) -> BoxFuture<'a, Result<Vec<Vec<ParentRecord>>, RunError>> {
    Box::pin(async move {
        let mut of_parents = Vec::new();
        for (at, asked) in resource.parents.iter().enumerate() {
            let parent = plan.resources.iter().find(|known| known.name == asked.resource);
            let parent = parent.ok_or_else(|| internal("a parent is not part of the plan"))?;
            let (_, decoded) = page_of_any(plan, source, (parent, &asked.fields), now).await?;
            let records = whole_records(resource, at, &decoded)?;
            if records.is_empty() {
                return Err(nothing_whole(resource, at, &decoded));
            }
            of_parents.push(records);
        }
        let tries = of_parents.iter().map(Vec::len).max().unwrap_or(1);
        let nth = |records: &Vec<ParentRecord>, n: usize| records.get(n).or(records.last()).cloned();
        Ok((0..tries).map(|n| of_parents.iter().filter_map(|records| nth(records, n)).collect()).collect())
    })
}

/// The first records of a page that have all that `child` asks of its parent at place `at`.
fn whole_records(child: &ResourcePlan, at: usize, page: &DecodedPage) -> Result<Vec<ParentRecord>, RunError> {
    let (of_child, mut records) = (Asked::new(child, at), Vec::new());
    let has_all = |set: &ParentRecord| set.values.iter().all(|value| value.as_deref().is_some_and(|it| it != "null"));
    for (number, fields) in page.for_children.iter().enumerate() {
        let found = fields.iter().map(|text| found_in(text)).collect::<Result<Vec<_>, _>>();
        let sets = of_child.sets(number as u64, &found.map_err(|_| internal("a parent's record lost its values"))?)?;
        records.extend(sets.into_iter().filter(has_all).take(TRIED_MAX - records.len()));
        if records.len() == TRIED_MAX {
            break;
        }
    }
    Ok(records)
}

/// Why no record of a page has all that `child` asks of its parent at place `at`: a field that none of them has, or one here and another there.
fn nothing_whole(child: &ResourcePlan, at: usize, page: &DecodedPage) -> RunError {
    let (resource, asked) = (child.name.clone(), &child.parents[at]);
    let mut found = FoundFields::new(asked.fields.len());
    page.for_children.iter().for_each(|fields| found.note(fields));
    let columns: Vec<&str> = page.table.rows.schema.columns.iter().map(|column| column.name.as_str()).collect();
    let missing = found.check(&asked.fields, (child, at), &columns, (&TableSchema::default(), true));
    missing.err().unwrap_or_else(|| RunError::NoParentRecord { resource, parent: asked.resource.clone() })
}
