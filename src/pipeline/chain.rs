//! One chain of pages: fetched, decoded, judged.
//!
//! In: a [`Chain`]. Out: its accepted pages, decoded, in order, and its [`End`]. A resource may have many chains at work; each keeps to
//! itself, and whoever takes the pages puts the chains in order. A queue that closes is not the end: only the [`End`] is.

use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::base::{CursorValue, caught, task_point};
use crate::config::{IncrementalPlan, ResourcePlan};
use crate::decode::{CursorProgress, DecodeError, DecodedPage, Decoder, PageCursors, RecordSlice, Survey};
use crate::pipeline::cursors::{IncrementalError, capped, restart};
use crate::pipeline::{Events, PAGES_BYTES_MAX, PAGES_MAX, RunError};
use crate::schema::TableSchema;
use crate::source::{Chain, Cost, Delivery, End, Judge, Page, PageFacts, Source, SourceError, Turn, Verdict};

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
enum Ready {
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

/// What all chains of a resource share.
#[derive(Clone)]
pub(crate) struct Chains<'a> {
    /// The API.
    pub(crate) source: &'a Source,
    /// The resource.
    pub(crate) resource: &'a ResourcePlan,
    /// Its decoder.
    pub(crate) decoder: Arc<Decoder>,
    /// The join of all pages taken so far; pages ahead of it start from an older one and are widened later.
    pub(crate) so_far: Arc<Mutex<Arc<TableSchema>>>,
    /// Bytes of pages that may be decoded at once.
    pub(crate) budget: Arc<Semaphore>,
    /// Where warnings go.
    pub(crate) events: &'a Events,
    /// What the resource costs.
    pub(crate) cost: Arc<Cost>,
}

impl Chains<'_> {
    /// Runs a chain to its end; its pages go to `out`. What its records say of the cursor adds to `progress`.
    pub(crate) async fn run(&self, chain: Chain, out: mpsc::Sender<Accepted>, mut progress: CursorProgress) -> Ended {
        let (deliver, deliveries) = mpsc::channel(PAGES_MAX);
        let mut taken = (0, 0);
        let turn = Arc::clone(&chain.turn);
        let fetching = self.source.fetch(self.resource, chain, deliver);
        let (fetched, decoded) = tokio::join!(fetching, self.decode(deliveries, &turn, out, &mut taken, &mut progress));
        Ended { end: settled(decoded.map(|is_over| is_over.then_some(taken)), fetched), taken, progress }
    }

    /// Counts the pages and records accepted in `taken`; `false` when nobody judges or takes them any more.
    async fn decode(
        &self,
        deliveries: mpsc::Receiver<Delivery>,
        turn: &Turn,
        out: mpsc::Sender<Accepted>,
        taken: &mut (u64, u64),
        progress: &mut CursorProgress,
    ) -> Result<bool, RunError> {
        let pages = futures::stream::unfold(deliveries, async |mut queue| queue.recv().await.map(|next| (next, queue)));
        let decoded = pages.map(|delivery| self.decode_one(delivery, turn)).buffered(PAGES_MAX);
        let mut decoded = std::pin::pin!(decoded);
        while let Some(next) = decoded.next().await {
            let (mut ready, judge, bytes) = next?;
            let facts = self.facts(&mut ready, progress);
            if judge.facts.send(facts).is_err() {
                return Ok(false);
            }
            match judge.verdict.await {
                Err(_) => return Ok(false),
                Ok(Verdict::Discard) => continue,
                Ok(Verdict::Accept) => {}
            }
            let number = taken.0 + 1;
            let has_taker = match ready {
                Ready::Whole(decoded, page) => {
                    let decoded = self.settle(*decoded, page.as_ref(), None, progress).await?;
                    self.hand_on(decoded, (bytes, true), &out, number, taken, progress).await?
                }
                Ready::InSlices(page, survey) => {
                    let mut has_taker = true;
                    for (i, slice) in survey.slices.iter().enumerate() {
                        let decoded = self.decode_slice(&page, slice).await?;
                        let decoded = self.settle(decoded, Some(&page), Some(slice), progress).await?;
                        let is_last = i + 1 == survey.slices.len();
                        has_taker = self.hand_on(decoded, (bytes, is_last), &out, number, taken, progress).await?;
                        if !has_taker {
                            break;
                        }
                    }
                    has_taker
                }
            };
            if !has_taker {
                return Ok(false);
            }
            taken.0 += 1;
            self.cost.count_page();
        }
        Ok(true)
    }

    /// What the source learns of a page. That records have left the range is not known of a page in slices, and only costs requests.
    fn facts(&self, ready: &mut Ready, progress: &CursorProgress) -> PageFacts {
        match ready {
            Ready::InSlices(_, survey) => std::mem::take(&mut survey.facts),
            Ready::Whole(page, _) => {
                if let Some((cursors, plan)) = page.cursors.as_ref().zip(self.resource.endpoint.incremental.as_ref()) {
                    page.facts.out_of_range = progress.is_out_of_range(plan, cursors);
                }
                std::mem::take(&mut page.facts)
            }
        }
    }

    /// Hands on a page that counts, or a slice of one; `false` when nobody takes it any more.
    async fn hand_on(
        &self,
        mut page: DecodedPage,
        (bytes, ends_page): (u64, bool),
        out: &mpsc::Sender<Accepted>,
        number: u64,
        taken: &mut (u64, u64),
        progress: &mut CursorProgress,
    ) -> Result<bool, RunError> {
        let records = page.rows.batch.num_rows() as u64 + page.rejects.len() as u64 + page.filtered - page.exploded;
        if let Some((cursors, plan)) = page.cursors.take().zip(self.resource.endpoint.incremental.as_ref()) {
            self.note_cursors(plan, *cursors, progress, number)?;
        }
        taken.1 += records;
        Ok(out.send(Accepted { page, records, bytes, ends_page }).await.is_ok())
    }

    fn note_cursors(
        &self,
        plan: &IncrementalPlan,
        cursors: PageCursors,
        progress: &mut CursorProgress,
        page: u64,
    ) -> Result<(), RunError> {
        let asked = cursors.asked;
        let met_again = |farthest: &CursorValue| match asked {
            Some(asked) => restart(plan, &capped(plan, farthest, asked)),
            None => farthest.clone(),
        };
        let wrong = |fault| RunError::Incremental {
            resource: self.resource.name.clone(),
            source: Box::new(IncrementalError::Record { page, fault }),
        };
        progress.take(plan, cursors, &met_again).map_err(wrong)
    }

    /// Decodes one delivery on rayon's threads, within the budget of page bytes; of a page in a file, everything is checked.
    async fn decode_one(&self, delivery: Delivery, turn: &Turn) -> Result<(Ready, Judge, u64), RunError> {
        let Delivery { mut page, judge } = delivery;
        let bytes = page.body_bytes();
        let tells_of_records = page.number == 1 && self.decoder.looks_for_records();
        if tells_of_records {
            turn.records().await;
        }
        let permit = self.budget_for(bytes).await?;
        let schema = self.schema_so_far();
        let decoder = Arc::clone(&self.decoder);
        let decode = move || match decoder.open(&mut page)? {
            Some(survey) => Ok(Ready::InSlices(Arc::new(page), survey)),
            None => {
                let decoded = Box::new(decoder.decode(&page, &schema)?);
                let may_change = decoded.cursors.as_ref().is_some_and(|cursors| !cursors.had.is_empty());
                Ok(Ready::Whole(decoded, may_change.then_some(page)))
            }
        };
        let ready = on_rayon("decoding a page", decode).await?.map_err(|error: DecodeError| RunError::from(error))?;
        drop(permit);
        if tells_of_records {
            turn.read();
        }
        Ok((ready, judge, bytes))
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
            return self.decode_slice(&page, slice).await;
        }
        let (schema, decoder) = (self.schema_so_far(), Arc::clone(&self.decoder));
        let permit = self.budget_for(page.body_bytes()).await?;
        let decoded = on_rayon("decoding a page", move || decoder.decode(&page, &schema)).await??;
        drop(permit);
        Ok(decoded)
    }

    async fn decode_slice(&self, page: &Arc<Page>, slice: &RecordSlice) -> Result<DecodedPage, RunError> {
        let (page, slice, decoder) = (Arc::clone(page), slice.clone(), Arc::clone(&self.decoder));
        let permit = self.budget_for(slice.bytes as u64).await?;
        let schema = self.schema_so_far();
        let decoded = on_rayon("decoding a page", move || decoder.decode_slice(&page, &slice, &schema)).await??;
        drop(permit);
        Ok(decoded)
    }

    async fn budget_for(&self, bytes: u64) -> Result<OwnedSemaphorePermit, RunError> {
        let permits = u32::try_from(bytes.clamp(1, PAGES_BYTES_MAX as u64)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget).acquire_many_owned(permits).await;
        permit.map_err(|_| internal("the page budget is closed"))
    }

    fn schema_so_far(&self) -> Arc<TableSchema> {
        Arc::clone(&self.so_far.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The end of a chain of which both sides are through. A decoder that fails closes the way back, which the source can only report as an
/// interruption: its cause comes first.
fn settled(decoded: Result<Option<(u64, u64)>, RunError>, fetched: Result<End, SourceError>) -> Result<End, RunError> {
    match (decoded, fetched) {
        (Err(error), _) => Err(error),
        (Ok(_), Err(error)) => Err(error.into()),
        (Ok(None), Ok(_)) => Err(internal("the decoder stopped before the source had ended")),
        (Ok(Some((pages, records))), Ok(end)) if (pages, records) == (end.pages, end.records) => Ok(end),
        (Ok(Some((pages, records))), Ok(End { pages: told, records: told_records, .. })) => Err(internal(&format!(
            "the source counts {told} pages with {told_records} records, the decoder {pages} with {records}"
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
    rayon::spawn(move || {
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
