//! One resource: its pages fetched, decoded, judged and staged, and the counts checked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::config::{OnReject, PaginatorPlan, Request, ResourcePlan};
use crate::decode::{DecodePlan, DecodedPage, Decoder, Reject, ShapePlan};
use crate::lake::{RejectLog, TableStage};
use crate::pipeline::columns::{check_columns, declared_schema};
use crate::pipeline::table_thread::TableThread;
use crate::pipeline::{Event, Events, PAGES_BYTES_MAX, PAGES_MAX, RunError};
use crate::schema::{TableSchema, reconcile};
use crate::source::{Delivery, End, Page, Source, Verdict, wanted_paths};

/// All pages of a resource, staged.
pub(crate) struct Loaded {
    /// The stage with all rows pushed.
    pub(crate) stage: TableStage,
    /// The schema of the table once this run's rows are in it.
    pub(crate) schema: TableSchema,
    /// How the pages ended.
    pub(crate) end: End,
    /// Records that could not become rows; empty unless `on_reject` is `quarantine`.
    pub(crate) rejects: RejectLog,
}

/// The decoder of a resource, and the schema its decoding starts from.
pub(crate) fn decoder_for(resource: &ResourcePlan, table: &TableSchema) -> Result<(Decoder, TableSchema), RunError> {
    let declared = declared_schema(resource)?;
    let start = match &declared {
        Some(declared) => declared.schema.join(&table.as_facts()),
        None => table.as_facts(),
    };
    start.check_names().map_err(|source| RunError::Schema { resource: resource.name.clone(), source })?;
    let decoder = Decoder::new(DecodePlan {
        records: resource.endpoint.data_selector.clone(),
        wanted: wanted_paths(&resource.endpoint.paginator, &resource.expect),
        look_for_more_pages: matches!(resource.endpoint.paginator, PaginatorPlan::Undeclared),
        declared,
        key_columns: resource.primary_key.clone(),
        shape: shape_of(resource),
    });
    Ok((decoder, start))
}

/// What has to be done to the resource's pages before they are columns; `None` for plain JSON.
fn shape_of(resource: &ResourcePlan) -> Option<ShapePlan> {
    let records = resource.endpoint.records.clone();
    records.is_some().then(|| ShapePlan { records, hooks: Vec::new() })
}

/// Runs a resource up to the point where its files can be finished. `stage` comes with its spool's folder; `table` is the schema of last
/// night.
///
/// # Errors
/// The first thing that kept it from being whole. Nothing is published then.
pub(crate) async fn load(
    source: &Source,
    resource: &ResourcePlan,
    (stage, spool): (TableStage, PathBuf),
    table: &TableSchema,
    events: &Events,
) -> Result<Loaded, RunError> {
    let name: Arc<str> = Arc::from(resource.name.as_str());
    let (decoder, start) = decoder_for(resource, table)?;
    check_against(table, resource, &start)?;
    let thread = TableThread::start(&resource.name, stage)?;
    let (deliver, deliveries) = mpsc::channel(PAGES_MAX);
    let decoding = Decoding {
        decoder: Arc::new(decoder),
        so_far: Arc::new(Mutex::new(Arc::new(start))),
        budget: Arc::new(Semaphore::new(PAGES_BYTES_MAX)),
        resource,
        table,
        is_first_page: true,
        name,
        events: Arc::clone(events),
        rejects: RejectLog::new(&resource.name, spool),
        thread,
    };
    let request = bound(resource)?;
    let (fetched, decoded) =
        tokio::join!(source.fetch(resource, request, source.concurrency(), deliver), decoding.run(deliveries));
    // A decoder that fails closes the way back, which the source can only report as an interruption: its cause comes first.
    let Decoded { stage, schema, rejects, pages, records } = match (decoded, &fetched) {
        (Err(error), _) => return Err(error),
        (Ok(None), Err(_)) | (Ok(Some(_)), Err(_)) => return Err(fetched.err().map_or(RunError::Cancelled, RunError::from)),
        (Ok(None), Ok(_)) => return Err(internal("the decoder stopped before the source had ended")),
        (Ok(Some(decoded)), Ok(_)) => decoded,
    };
    let end = fetched?;
    if (end.pages, end.records) != (pages, records) {
        return Err(internal(&format!(
            "the source counts {} pages with {} records, the decoder {pages} with {records}",
            end.pages, end.records
        )));
    }
    Ok(Loaded { stage, schema, end, rejects })
}

/// The request of a resource without parents.
fn bound(resource: &ResourcePlan) -> Result<Request, RunError> {
    let bound = resource.endpoint.request.bind(&|_| None);
    bound.map_err(|source| RunError::Request { resource: resource.name.clone(), source })
}

fn internal(what: &str) -> RunError {
    RunError::Internal { place: "the pipeline", what: what.to_owned() }
}

/// The receiving half of a resource: pages in, rows to the table's thread.
struct Decoding<'a> {
    decoder: Arc<Decoder>,
    /// The join of all pages judged so far; pages ahead of it start from an older one and are widened later.
    so_far: Arc<Mutex<Arc<TableSchema>>>,
    budget: Arc<Semaphore>,
    resource: &'a ResourcePlan,
    table: &'a TableSchema,
    is_first_page: bool,
    name: Arc<str>,
    events: Events,
    rejects: RejectLog,
    thread: TableThread,
}

struct Decoded {
    stage: TableStage,
    schema: TableSchema,
    rejects: RejectLog,
    pages: u64,
    records: u64,
}

impl Decoding<'_> {
    /// `None` when the source stopped judging, which it does only when it fails itself.
    async fn run(mut self, deliveries: mpsc::Receiver<Delivery>) -> Result<Option<Decoded>, RunError> {
        let (decoder, so_far, budget) = (Arc::clone(&self.decoder), Arc::clone(&self.so_far), Arc::clone(&self.budget));
        let pages = futures::stream::unfold(deliveries, async |mut queue| queue.recv().await.map(|next| (next, queue)));
        let decoded = pages.map(|delivery| decode_one(&decoder, &so_far, &budget, delivery)).buffered(PAGES_MAX);
        let mut decoded = std::pin::pin!(decoded);
        let (mut pages, mut records, mut duplicate_members) = (0, 0, 0);
        while let Some(next) = decoded.next().await {
            let (page, judge, bytes) = next?;
            let page_rows = page.rows.batch.num_rows() as u64;
            let (facts, page_records) = (page.facts, page_rows + page.rejects.len() as u64 + page.filtered - page.exploded);
            if judge.facts.send(facts).is_err() {
                return Ok(None);
            }
            match judge.verdict.await {
                Err(_) => return Ok(None),
                Ok(Verdict::Discard) => continue,
                Ok(Verdict::Accept) => {}
            }
            duplicate_members += page.duplicate_members;
            self.take_rejects(page.rejects).await?;
            self.widen_so_far(&page.rows.schema)?;
            if page_rows > 0 && std::mem::take(&mut self.is_first_page) {
                self.warn_of_columns();
            }
            if page.rows.batch.num_rows() > 0 {
                self.thread.push(page.rows).await?;
            }
            pages += 1;
            records += page_records;
            (self.events)(Event::Page { resource: Arc::clone(&self.name), records: page_records, bytes });
        }
        if duplicate_members > 0 {
            let text = format!("{duplicate_members} members came twice in one object; the last of each counts");
            (self.events)(Event::Warning { resource: Some(Arc::clone(&self.name)), text });
        }
        let schema = self.current().as_ref().clone();
        let stage = self.thread.end().await?;
        Ok(Some(Decoded { stage, schema, rejects: self.rejects, pages, records }))
    }

    fn current(&self) -> Arc<TableSchema> {
        Arc::clone(&self.so_far.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn widen_so_far(&self, page: &Arc<TableSchema>) -> Result<(), RunError> {
        let current = self.current();
        if Arc::ptr_eq(&current, page) || current == *page {
            return Ok(());
        }
        let joined = current.join(page);
        joined
            .check_limits()
            .and_then(|()| joined.check_names())
            .map_err(|source| RunError::Schema { resource: self.name.to_string(), source })?;
        check_against(self.table, self.resource, &joined)?;
        if joined != *current {
            *self.so_far.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(joined);
        }
        Ok(())
    }

    /// A misspelt column is an error once all records are in; who waits for hours wants to know before.
    fn warn_of_columns(&self) {
        if let Err(error) = check_columns(self.resource, &self.current()) {
            let text = format!("{error} (as far as the first page tells)");
            (self.events)(Event::Warning { resource: Some(Arc::clone(&self.name)), text });
        }
    }

    async fn take_rejects(&mut self, rejects: Vec<Reject>) -> Result<(), RunError> {
        let Some(first) = rejects.first() else { return Ok(()) };
        let (resource, first) = (self.name.to_string(), || Box::new(first.clone()));
        let count = self.rejects.count() + rejects.len() as u64;
        match self.resource.on_reject {
            OnReject::Fail => Err(RunError::Rejected { resource, first: first(), rejects: rejects.len() }),
            OnReject::Quarantine { max_rejects: Some(max) } if count > max => {
                Err(RunError::TooManyRejects { resource, first: first(), rejects: count, max })
            }
            OnReject::Quarantine { .. } => Ok(self.rejects.push(&rejects).await?),
        }
    }
}

/// Checks that last night's table can have this run's schema: as soon as it is known, not when all pages are in.
///
/// # Errors
/// [`RunError::Schema`] for a key of another type and for a declaration that takes values away.
fn check_against(table: &TableSchema, resource: &ResourcePlan, schema: &TableSchema) -> Result<(), RunError> {
    let change = reconcile(table, schema, &resource.primary_key);
    change.map(drop).map_err(|source| RunError::Schema { resource: resource.name.clone(), source })
}

type DecodedDelivery = (DecodedPage, crate::source::Judge, u64);

/// Decodes one delivery on rayon's threads, within the budget of page bytes.
async fn decode_one(
    decoder: &Arc<Decoder>,
    so_far: &Arc<Mutex<Arc<TableSchema>>>,
    budget: &Arc<Semaphore>,
    delivery: Delivery,
) -> Result<DecodedDelivery, RunError> {
    let Delivery { page, judge } = delivery;
    let bytes = page.body.len();
    let permits = u32::try_from(bytes.clamp(1, PAGES_BYTES_MAX)).unwrap_or(u32::MAX);
    let permit = Arc::clone(budget).acquire_many_owned(permits).await.map_err(|_| internal("the page budget is closed"))?;
    let (decoder, schema) = (Arc::clone(decoder), Arc::clone(&so_far.lock().unwrap_or_else(PoisonError::into_inner)));
    let page = on_rayon("decoding a page", move || decoder.decode(&page, &schema)).await??;
    drop(permit);
    Ok((page, judge, bytes as u64))
}

/// Runs CPU work on rayon's pool; a panic in it becomes an internal error.
pub(crate) async fn on_rayon<T: Send + 'static>(
    place: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    let (done, outcome) = oneshot::channel();
    rayon::spawn(move || {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // Nobody waits any more only when the resource has failed already.
        let _ = done.send(result);
    });
    match outcome.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => Err(RunError::Internal { place, what: panic_text(panic.as_ref()) }),
        Err(_) => Err(RunError::Internal { place, what: "it ended without an answer".to_owned() }),
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

/// The first page of a resource, decoded, for `preview` and `check --online`.
pub(crate) async fn first_page(source: &Source, resource: &ResourcePlan) -> Result<(Page, DecodedPage), RunError> {
    let (decoder, start) = decoder_for(resource, &TableSchema::default())?;
    let (deliver, mut deliveries) = mpsc::channel(1);
    let first = async {
        let delivery: Option<Delivery> = deliveries.recv().await;
        // Closing the queue, and the way back, tells the source that one page is enough.
        drop(deliveries);
        delivery.map(|delivery| delivery.page)
    };
    let request = bound(resource)?;
    let (fetched, first) = tokio::join!(source.fetch(resource, request, 1, deliver), first);
    let Some(page) = first else {
        return Err(fetched.err().map_or_else(|| internal("the source ended without a page"), RunError::from));
    };
    let body = page.clone();
    let decoded = on_rayon("decoding a page", move || decoder.decode(&body, &Arc::new(start))).await??;
    Ok((page, decoded))
}
