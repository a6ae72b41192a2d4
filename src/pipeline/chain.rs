//! One chain of pages: fetched, decoded, judged.
//!
//! In: a [`Chain`]. Out: its accepted pages, decoded, in order, and its [`End`]. A resource may have many chains at work; each keeps to
//! itself, and whoever takes the pages puts the chains in order. How fetch, decode and verdict meet is in [`Source::read`].

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::base::{CursorValue, ErrorKind, caught, task_point};
use crate::config::{IncrementalPlan, ResourcePlan};
use crate::decode::{CursorProgress, DecodeError, DecodedPage, Decoder, PageCursors, RecordSlice, Survey};
use crate::lake::slice_rows;
use crate::pipeline::cursors::{IncrementalError, capped, restart};
use crate::pipeline::{Events, Limit, RunError};
use crate::schema::TableSchema;
use crate::source::{Chain, Cost, End, EndReason, KeptAnswers, Page, PageFacts, Reader, Room, Source, Turn};

/// A page that counts, or a slice of one.
pub(crate) struct Accepted {
    /// As decoded.
    pub(crate) page: DecodedPage,
    /// Records in it.
    pub(crate) records: u64,
    /// Body bytes of the page, decompressed.
    pub(crate) bytes: u64,
    /// Whether it is all of its page, or the last slice.
    pub(crate) ends_page: bool,
}

/// A page that is to be judged.
struct Ready {
    rows: Rows,
    /// Body bytes, decompressed.
    bytes: u64,
    /// Whether an interrupted run has kept it.
    is_kept: bool,
}

enum Rows {
    /// Decoded, with what it was decoded from where that may have to be done again.
    Whole(Box<DecodedPage>, Option<Page>),
    /// Too large for memory: its slices are decoded once it counts.
    InSlices(Arc<Page>, Survey),
}

/// How a chain ended.
pub(crate) struct Ended {
    /// Its end, or the first thing that kept it from being whole.
    pub(crate) end: Result<End, RunError>,
    /// Pages and records accepted, also of a chain that is not whole.
    pub(crate) taken: (u64, u64),
    /// What its records say of the cursor.
    pub(crate) progress: CursorProgress,
}

/// What it takes to decode the pages of a resource. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Decoding {
    /// The resource's decoder.
    pub(crate) decoder: Arc<Decoder>,
    /// The join of all pages taken so far; pages ahead of it start from an older one and are widened later.
    pub(crate) so_far: Arc<Mutex<Arc<TableSchema>>>,
    /// Bytes of pages that may be decoded at once. Only a page that rayon is at work on has a share of them.
    pub(crate) budget: Arc<Semaphore>,
    /// How many they are in all.
    pub(crate) pages_bytes: usize,
}

/// What all chains of a resource share.
pub(crate) struct Chains<'a> {
    /// The API.
    pub(crate) source: &'a Source,
    /// The resource.
    pub(crate) resource: &'a ResourcePlan,
    /// How its pages are decoded.
    pub(crate) decoding: Decoding,
    /// Where warnings go.
    pub(crate) events: &'a Events,
    /// What the resource costs.
    pub(crate) cost: Arc<Cost>,
    /// Where its answers are kept.
    pub(crate) kept: Option<Arc<KeptAnswers>>,
    /// The farthest cursor of the pages that an interrupted run has kept.
    pub(crate) kept_to: Mutex<Option<CursorValue>>,
    /// How much of each chain is wanted.
    pub(crate) limit: Option<Limit>,
}

impl Chains<'_> {
    /// Runs a chain to its end; its pages go to `out`. What its records say of the cursor adds to `progress`.
    pub(crate) async fn run(&self, chain: Chain, out: mpsc::Sender<Accepted>, progress: CursorProgress) -> Ended {
        let turn = Arc::clone(&chain.turn);
        let mut reader = ChainReader { chains: self, turn, out, taken: (0, 0), progress, rows: 0, is_cut: false };
        let read = self.source.read(self.resource, chain, &mut reader).await;
        let ChainReader { taken, progress, is_cut, .. } = reader;
        let mut end = read.and_then(|end| settled(end, taken));
        if let (true, Ok(end)) = (is_cut, &mut end) {
            end.reason = EndReason::LimitReached;
        }
        Ended { end, taken, progress }
    }
}

/// One chain while its pages are read.
struct ChainReader<'c> {
    chains: &'c Chains<'c>,
    turn: Arc<Turn>,
    out: mpsc::Sender<Accepted>,
    /// Pages and records accepted.
    taken: (u64, u64),
    progress: CursorProgress,
    /// Rows handed on.
    rows: u64,
    /// Whether some were not, because no more are wanted.
    is_cut: bool,
}

impl Reader for ChainReader<'_> {
    type Decoded = Ready;
    type Error = RunError;

    fn decode(&self, page: Page) -> BoxFuture<'static, Result<Ready, RunError>> {
        self.chains.decoding.clone().page(page, Arc::clone(&self.turn)).boxed()
    }

    fn is_of_page(error: &RunError) -> bool {
        error.kind() == ErrorKind::Data
    }

    /// That records have left the range is not known of a page in slices, and only costs requests.
    fn facts(&mut self, ready: &mut Ready) -> Option<PageFacts> {
        let (wanted, is_look) = self.wanted().unzip();
        let room = |rows: u64| {
            let (wanted, is_look) = (wanted?, is_look?);
            Some(Room { left: wanted.saturating_sub(rows), is_cut: rows > wanted && !is_look, is_look })
        };
        Some(match &mut ready.rows {
            // How many rows a filter leaves of it is seen when it is taken.
            Rows::InSlices(_, survey) => PageFacts { room: room(0), ..std::mem::take(&mut survey.facts) },
            Rows::Whole(page, _) => {
                page.facts.room = room(page.table.rows.batch.num_rows() as u64);
                if let Some((cursors, plan)) = page.cursors.as_ref().zip(self.chains.resource.endpoint.incremental.as_ref()) {
                    page.facts.out_of_range = self.progress.is_out_of_range(plan, cursors);
                }
                std::mem::take(&mut page.facts)
            }
        })
    }

    async fn take(&mut self, Ready { rows, bytes, is_kept }: Ready) -> Result<bool, RunError> {
        let has_taker = match rows {
            Rows::Whole(decoded, page) => {
                let decoded = self.chains.decoding.settle(*decoded, page.as_ref(), None, &self.progress).await?;
                self.hand_on(decoded, (bytes, true, is_kept)).await?
            }
            Rows::InSlices(page, survey) => {
                let mut has_taker = true;
                for (i, slice) in survey.slices.iter().enumerate() {
                    let decoded = self.chains.decoding.slice(&page, slice).await?;
                    let decoded = self.chains.decoding.settle(decoded, Some(&page), Some(slice), &self.progress).await?;
                    has_taker = self.hand_on(decoded, (bytes, i + 1 == survey.slices.len(), is_kept)).await?;
                    if !has_taker {
                        break;
                    }
                }
                has_taker
            }
        };
        if has_taker {
            self.taken.0 += 1;
            self.chains.cost.count_page();
        }
        Ok(has_taker)
    }
}

impl ChainReader<'_> {
    /// Rows that are still wanted, where they are limited, and whether that is for a look.
    fn wanted(&self) -> Option<(u64, bool)> {
        self.chains.limit.map(|limit| (limit.rows.saturating_sub(self.rows), limit.is_look))
    }

    /// Leaves out the rows that are past the limit.
    fn cut(&mut self, page: &mut DecodedPage) {
        let rows = page.table.rows.batch.num_rows();
        let most = self.wanted().filter(|(_, is_look)| !is_look).map_or(rows, |(most, _)| usize::try_from(most).unwrap_or(rows));
        if most < rows {
            page.table.rows = slice_rows(&page.table.rows, 0..most);
            self.is_cut = true;
        }
        self.rows += rows.min(most) as u64;
    }

    /// Hands on a page that counts, or a slice of one; `false` when nobody takes it any more.
    async fn hand_on(&mut self, mut page: DecodedPage, (bytes, ends_page, is_kept): (u64, bool, bool)) -> Result<bool, RunError> {
        let records = page.table.rows.batch.num_rows() as u64 + page.rejects.len() as u64 + page.filtered - page.exploded;
        if let Some((cursors, plan)) = page.cursors.take().zip(self.chains.resource.endpoint.incremental.as_ref()) {
            if is_kept && let Some(farthest) = &cursors.farthest {
                let mut kept_to = self.chains.kept_to.lock().unwrap_or_else(PoisonError::into_inner);
                if kept_to.as_ref().is_none_or(|known| plan.is_farther(farthest, known)) {
                    *kept_to = Some(farthest.clone());
                }
            }
            self.note_cursors(plan, *cursors)?;
        }
        self.taken.1 += records;
        self.cut(&mut page);
        Ok(self.out.send(Accepted { page, records, bytes, ends_page }).await.is_ok())
    }

    fn note_cursors(&mut self, plan: &IncrementalPlan, cursors: PageCursors) -> Result<(), RunError> {
        let asked = cursors.asked;
        let met_again = |farthest: &CursorValue| match asked {
            Some(asked) => restart(plan, &capped(plan, farthest, asked)),
            None => farthest.clone(),
        };
        let (resource, page) = (&self.chains.resource.name, self.taken.0 + 1);
        let wrong = |fault| RunError::Incremental {
            resource: resource.clone(),
            source: Box::new(IncrementalError::Record { page, fault }),
        };
        self.progress.take(plan, cursors, &met_again).map_err(wrong)
    }
}

impl Decoding {
    /// Decodes a page on rayon's threads, within the budget of page bytes; of a page in a file, everything is checked.
    async fn page(self, mut page: Page, turn: Arc<Turn>) -> Result<Ready, RunError> {
        let (bytes, is_kept) = (page.body_bytes(), page.is_kept);
        let tells_of_records = page.number == 1 && self.decoder.looks_for_records();
        if tells_of_records {
            turn.records().await;
        }
        let permit = self.budget_for(bytes).await?;
        let (schema, decoder) = (self.schema_so_far(), Arc::clone(&self.decoder));
        let decode = move || match decoder.open(&mut page)? {
            Some(survey) => Ok(Rows::InSlices(Arc::new(page), survey)),
            None => {
                let decoded = Box::new(decoder.decode(&page, &schema)?);
                let may_change = decoded.cursors.as_ref().is_some_and(|cursors| !cursors.had.is_empty());
                Ok(Rows::Whole(decoded, may_change.then_some(page)))
            }
        };
        let rows = on_rayon("decoding a page", decode).await?.map_err(|error: DecodeError| RunError::from(error))?;
        drop(permit);
        if tells_of_records {
            turn.read();
        }
        Ok(Ready { rows, bytes, is_kept })
    }

    /// A page that counts, or a slice of one, after those before it: which of several records that are the same were loaded is for the first of
    /// them to say, so that it is decoded again where it dropped more than were left.
    async fn settle(
        &self,
        decoded: DecodedPage,
        page: Option<&Page>,
        slice: Option<&RecordSlice>,
        progress: &CursorProgress,
    ) -> Result<DecodedPage, RunError> {
        let (Some(cursors), Some(page)) = (&decoded.cursors, page) else { return Ok(decoded) };
        let Some(cursor) = &page.slice.cursor else { return Ok(decoded) };
        let Some(had) = progress.overdrawn(cursors, &cursor.known) else { return Ok(decoded) };
        let page = Arc::new(page.less(had));
        if let Some(slice) = slice {
            return self.slice(&page, slice).await;
        }
        let (schema, decoder) = (self.schema_so_far(), Arc::clone(&self.decoder));
        let permit = self.budget_for(page.body_bytes()).await?;
        let decoded = on_rayon("decoding a page", move || decoder.decode(&page, &schema)).await??;
        drop(permit);
        Ok(decoded)
    }

    async fn slice(&self, page: &Arc<Page>, slice: &RecordSlice) -> Result<DecodedPage, RunError> {
        let (page, slice, decoder) = (Arc::clone(page), slice.clone(), Arc::clone(&self.decoder));
        let permit = self.budget_for(slice.bytes as u64).await?;
        let schema = self.schema_so_far();
        let decoded = on_rayon("decoding a page", move || decoder.decode_slice(&page, &slice, &schema)).await??;
        drop(permit);
        Ok(decoded)
    }

    async fn budget_for(&self, bytes: u64) -> Result<OwnedSemaphorePermit, RunError> {
        let permits = u32::try_from(bytes.clamp(1, self.pages_bytes.max(1) as u64)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget).acquire_many_owned(permits).await;
        permit.map_err(|_| internal("the page budget is closed"))
    }

    fn schema_so_far(&self) -> Arc<TableSchema> {
        Arc::clone(&self.so_far.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The end of a chain, of which `taken` were the pages and records.
fn settled(end: Option<End>, taken: (u64, u64)) -> Result<End, RunError> {
    match end {
        None => Err(internal("the decoder stopped before the source had ended")),
        Some(end) if taken == (end.pages, end.records) => Ok(end),
        Some(End { pages, records, .. }) => Err(internal(&format!(
            "the source counts {pages} pages with {records} records, the decoder {} with {}",
            taken.0, taken.1
        ))),
    }
}

/// A defect of this room.
pub(crate) fn internal(what: &str) -> RunError {
    RunError::Internal { place: "the pipeline", what: what.to_owned() }
}

/// Runs CPU work on rayon's pool; a panic in it becomes an internal error.
pub(crate) async fn on_rayon<T: Send + 'static>(
    place: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RunError> {
    let (done, outcome) = oneshot::channel();
    let span = tracing::Span::current();
    rayon::spawn(move || {
        let _entered = span.entered();
        let result = caught(|| {
            task_point("task.decode");
            work()
        });
        // Nobody waits any more only when the resource has failed already.
        let _ = done.send(result);
    });
    match outcome.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => Err(RunError::Internal { place, what: panic.to_string() }),
        Err(_) => Err(RunError::Internal { place, what: "it ended without an answer".to_owned() }),
    }
}
