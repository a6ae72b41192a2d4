//! One resource: its slices' chains run side by side, their pages taken in order, staged, and the counts checked.
//!
//! ```text
//! slices ──▶ chains at work (bounded) ──(a queue each)──▶ intake, chain after chain ──▶ table thread, log for the children
//! ```
//!
//! Rows stand in the order of the slices, whatever answers first: pages of later chains wait in their queues.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::{Semaphore, mpsc};

use crate::base::{ErrorKind, JsonPath, Warning, WarningCode};
use crate::config::{PaginatorPlan, ResourcePlan};
use crate::decode::DecodedPage;
use crate::lake::{RejectLog, TableStage};
use crate::pipeline::chain::{Accepted, Chains, Decoding, Ended, internal, on_rayon};
use crate::pipeline::cursors::{CursorOutcome, Cursors, Past};
use crate::pipeline::decoding::decoder_for;
use crate::pipeline::detected::Detected;
use crate::pipeline::ends::Ends;
use crate::pipeline::event::warn;
use crate::pipeline::intake::{Intake, Taken};
use crate::pipeline::parents::{ParentLog, ParentRecords};
use crate::pipeline::slices::Slices;
use crate::pipeline::table_intake::Unseen;
use crate::pipeline::{CHAIN_PAGES_MAX, CHAINS_AHEAD, Event, Events, Limit, RunError, ShapedFacts, SliceFacts};
use crate::schema::TableSchema;
use crate::source::{Chain, Cost, End, KeptAnswers, Ledger, Page, PageFacts, ParentRecord, Reader, Slice, Source, Turns};

/// What a resource is loaded from and into.
pub(crate) struct Load {
    /// The table's stage and its spool's folder; `None` for a resource that is read for its children only.
    pub(crate) stage: Option<(TableStage, PathBuf)>,
    /// What its chains are requested for.
    pub(crate) slices: Slices,
    /// Takes what its children ask for; `None` without children.
    pub(crate) for_children: Option<ParentLog>,
    /// What earlier runs have found out.
    pub(crate) detected: Detected,
    /// Counts what it costs.
    pub(crate) cost: Arc<Cost>,
    /// Where its answers are kept.
    pub(crate) kept: Option<Arc<KeptAnswers>>,
    /// Bytes of page bodies that are being decoded at once; a larger page goes alone.
    pub(crate) pages_bytes: usize,
    /// How much of it is wanted.
    pub(crate) limit: Option<Limit>,
}

/// All pages of a resource, staged.
pub(crate) struct Loaded {
    /// The stage with all rows pushed.
    pub(crate) stage: Option<TableStage>,
    /// The schema of the table once this run's rows are in it.
    pub(crate) schema: TableSchema,
    /// How the pages ended.
    pub(crate) end: End,
    /// What became of the parents' records.
    pub(crate) slices: SliceFacts,
    /// Records that could not become rows; empty unless `on_reject` is `quarantine`.
    pub(crate) rejects: RejectLog,
    /// What the steps and the contract did to the records.
    pub(crate) shaped: ShapedFacts,
    /// What no row has.
    pub(crate) unseen: Unseen,
    /// Its records, for its children.
    pub(crate) for_children: Option<Arc<ParentRecords>>,
    /// What the next run is to know of the cursors.
    pub(crate) cursors: Option<CursorOutcome>,
    /// What the next run is to know of what was found out.
    pub(crate) detected: Detected,
}

/// Runs a resource up to the point where its files can be finished. `table` is the schema of last night.
///
/// # Errors
/// The first thing that kept it from being whole. Nothing is published then.
pub(crate) async fn load(
    source: &Source,
    resource: &Arc<ResourcePlan>,
    load: Load,
    table: &TableSchema,
    events: &Events,
) -> Result<Loaded, RunError> {
    let surprises = resource.endpoint.warnings.iter().cloned();
    warn(events, &resource.name, surprises.map(|text| Warning::new(WarningCode::ConfigSurprise, text)));
    let Load { stage, slices, for_children, detected, cost, kept, pages_bytes, limit } = load;
    let asked = for_children.as_ref().map_or(&[][..], ParentLog::fields);
    let (decoder, start) = decoder_for(resource, table, asked)?;
    detected.tell(resource, &decoder);
    let so_far = Arc::new(Mutex::new(Arc::new(start)));
    let intake = Intake::new(resource, table, Arc::clone(&so_far), stage, for_children, events)?;
    let budget = Arc::new(Semaphore::new(pages_bytes));
    let decoding = Decoding { decoder: Arc::new(decoder), so_far, budget, pages_bytes };
    let chains = Chains { source, resource, decoding, events, cost, kept, kept_to: Mutex::default(), limit };
    let (queues, taken) = mpsc::channel(source.concurrency() * CHAINS_AHEAD);
    let (ran, taken) = tokio::join!(run_chains(&chains, slices, queues), intake.run(taken));
    // What was found on the first page holds for the others, and for no other run.
    if let Some(path) = chains.decoding.decoder.found().filter(|path| !path.steps().is_empty()) {
        events(Event::Detected { resource: Arc::from(resource.name.as_str()), data_selector: path.clone() });
    }
    // Who takes the pages closes the queues when it fails, which the chains can only report as an interruption: its cause comes first.
    let Taken { stage, schema, rejects, for_children, pages, records, shaped, unseen } = match (taken, &ran) {
        (Err(error), _) => return Err(error),
        (Ok(_), Err(_)) => return Err(ran.err().unwrap_or(RunError::Cancelled)),
        (Ok(taken), Ok(_)) => taken,
    };
    let (end, slices, cursors, paginator) = ran?;
    let detected = detected.then(resource, &chains.decoding.decoder, paginator, records)?;
    let kept_to = chains.kept_to.into_inner().unwrap_or_else(PoisonError::into_inner);
    let cursors = cursors
        .map(|cursors| cursors.not_past(kept_to))
        .map(Cursors::finish)
        .transpose()
        .map_err(|source| RunError::incremental(&resource.name, source))?;
    if (end.pages, end.records) != (pages, records) {
        let (told, told_records) = (end.pages, end.records);
        return Err(internal(&format!("{told} pages with {told_records} records ended, and {pages} with {records} were taken")));
    }
    warn(
        events,
        &resource.name,
        end.warnings().into_iter().chain(chains.decoding.decoder.notices().into_iter().filter(|_| records > 0)),
    );
    Ok(Loaded { stage, schema, end, slices, rejects, shaped, unseen, for_children, cursors, detected })
}

/// Runs the chains of all slices, as many at once as `queues` holds, and gives each one's queue to the intake in order.
async fn run_chains(
    chains: &Chains<'_>,
    mut slices: Slices,
    queues: mpsc::Sender<mpsc::Receiver<Accepted>>,
) -> Result<(End, SliceFacts, Option<Cursors>, Option<PaginatorPlan>), RunError> {
    let is_child = !chains.resource.parents.is_empty();
    let has_windows = chains.resource.endpoint.incremental.as_ref().is_some_and(|plan| plan.step.is_some());
    // Chains that run side by side need not run ahead of themselves too.
    let ahead = if is_child || has_windows { 1 } else { chains.source.concurrency() };
    let (mut running, mut outcome, mut more) = (FuturesUnordered::new(), Outcome::default(), true);
    let turns = Arc::<Turns>::default();
    loop {
        tokio::select! {
            biased;
            Some((slice, ended)) = running.next(), if !running.is_empty() => {
                outcome.take(&slice, ended, &mut slices, is_child)?;
            }
            place = queues.reserve(), if more => {
                let Ok(place) = place else { return Err(internal("nobody takes the pages any more")) };
                let Some((slice, request)) = slices.next()? else {
                    more = false;
                    continue;
                };
                let (accepted, queue) = mpsc::channel(CHAIN_PAGES_MAX);
                place.send(queue);
                let slice = Arc::new(slice);
                let (turn, ledger) = (Arc::new(turns.next()), Arc::new(Ledger::of(&chains.cost)));
                let chain = Chain { turn, ledger, kept: chains.kept.clone(), ..Chain::new(request, Arc::clone(&slice), ahead) };
                running.push(async move { (slice, chains.run_on(chain, accepted).await) });
            }
            else => break,
        }
    }
    drop(queues);
    let Outcome { ends, left } = outcome;
    if let Some(error) = left.filter(|_| ends.has_none()) {
        return Err(error);
    }
    let (facts, cursors) = slices.into_parts();
    let (end, facts) = ends.finish(&chains.resource.name, facts)?;
    Ok((end, facts, cursors, turns.found()))
}

/// What the chains of a resource came to so far.
#[derive(Default)]
struct Outcome {
    ends: Ends,
    /// The first failure of a window that is left to the next run.
    left: Option<RunError>,
}

impl Outcome {
    fn take(&mut self, slice: &Arc<Slice>, ended: Ended, slices: &mut Slices, is_child: bool) -> Result<(), RunError> {
        let Ended { end, taken, progress } = ended;
        let of = if is_child { fingerprint(slice) } else { 0 };
        self.ends.note(of);
        match end {
            Ok(end) => {
                slices.ended(slice, progress, &end);
                self.ends.add(end);
            }
            Err(RunError::Source(error)) if is_child && error.is_gone() => {
                self.ends.skip(slice.parents.first().map_or(0, |record| record.number), of, &error);
            }
            Err(error) if may_wait(&error) && slices.leave(slice, &error) => {
                self.ends.leave(taken);
                self.left.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Equal for the chains of one set of values, whose windows may be many.
fn fingerprint(slice: &Slice) -> u64 {
    let mut hasher = DefaultHasher::new();
    for record in &slice.parents {
        (record.number, &record.values).hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether the failure of one chain says nothing of the others.
fn may_wait(error: &RunError) -> bool {
    matches!(error, RunError::Source(_)) && matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Data)
}

/// The first page of a resource, decoded, for `preview` and for who asks for a child's: read for these records of its parents, keeping the fields
/// `asked` of its own.
pub(crate) async fn first_page(
    source: &Source,
    resource: &ResourcePlan,
    (parents, asked): (Vec<ParentRecord>, &[JsonPath]),
    now: DateTime<Utc>,
) -> Result<(Page, DecodedPage), RunError> {
    let (decoder, start) = decoder_for(resource, &TableSchema::default(), asked)?;
    let mut first = FirstPage(None);
    let read = source.read(resource, lone_chain(resource, parents, now)?, &mut first).await;
    let Some(mut page) = first.0 else {
        return Err(read.err().unwrap_or_else(|| internal("the source ended without a page")));
    };
    let decode = move || decoder.decode_first(&mut page, &Arc::new(start)).map(|decoded| (page, decoded));
    Ok(on_rayon("decoding a page", decode).await??)
}

/// Keeps the first page, as it came, and needs no more.
struct FirstPage(Option<Page>);

impl Reader for FirstPage {
    type Decoded = Option<Page>;
    type Error = RunError;

    fn decode(&self, page: Page) -> BoxFuture<'static, Result<Option<Page>, RunError>> {
        futures::future::ready(Ok(Some(page))).boxed()
    }

    fn facts(&mut self, page: &mut Option<Page>) -> Option<PageFacts> {
        self.0 = page.take();
        None
    }

    async fn take(&mut self, _: Option<Page>) -> Result<bool, RunError> {
        Ok(false)
    }
}

/// The first chain of a resource for these records of its parents, one page at a time.
fn lone_chain(resource: &ResourcePlan, parents: Vec<ParentRecord>, now: DateTime<Utc>) -> Result<Chain, RunError> {
    let wrong = |source| RunError::incremental(&resource.name, source);
    let of = Slice { parents, ..Slice::default() };
    let slices = match Cursors::new(resource, "", Past::default(), now).map_err(wrong)? {
        Some(mut cursors) => cursors.slices(&of).map_err(wrong)?,
        None => Vec::new(),
    };
    let slice = Arc::new(slices.into_iter().next().unwrap_or(of));
    let bound = resource.endpoint.request.bind(&|binding| slice.value(binding));
    let request = bound.map_err(|source| RunError::Request { resource: resource.name.clone(), of: String::new(), source })?;
    Ok(Chain::new(request, slice, 1))
}
