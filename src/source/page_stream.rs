//! The pages of a chain in order: fetched, decoded, judged, taken. The one owner of how these meet.
//!
//! In: a [`Chain`], and a [`Reader`], which decodes a page, tells its facts, and takes it when it counts. Out: the [`End`] of the chain.
//! A queue that closes is not the end: only the [`End`] is.
//!
//! Freedom from deadlock is one rule: **nobody waits for anything behind it.**
//!
//! - The fetch waits for the facts of its oldest page, for room in the queue, or for an answer, whichever comes first, and never for nothing. The
//!   verdict on a page needs no later one; where it needs another chain, that is one before its own ([`crate::source::Turn`]).
//! - The reader waits for the oldest page to be decoded, for the verdict on it, and for whoever takes it, who waits for the chains before this one.
//! - A decode is a task of its own: it goes on whatever its reader waits for. So a share of what all chains have, such as memory, is given back
//!   by a decode alone: no chain keeps it from one before it, and no page from one before it that is decoded once more.
//!
//! A page that cannot be decoded is an error in its turn, and only where it counts.
//!
//! Debug builds assert that the fetch has something to wait for, and that no verdict comes before the facts.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::config::ResourcePlan;
use crate::source::client::{Client, lost_task};
use crate::source::fetch::fetch;
use crate::source::page::{Delivery, Judge, Verdict};
use crate::source::{Chain, End, Page, PageFacts, SourceError};

/// Pages of a chain that are decoded at once.
const PAGES_MAX: usize = 32;

/// Reads the pages of one chain.
pub(crate) trait Reader: Send {
    /// A page, decoded.
    type Decoded: Send + 'static;
    /// Why one is not.
    type Error: From<SourceError> + Send + 'static;

    /// Decodes a page, as a task of its own. Several are decoded at once.
    fn decode(&self, page: Page) -> BoxFuture<'static, Result<Self::Decoded, Self::Error>>;

    /// What the paginator needs to know of a page; called in page order, with all pages taken that count before it. `None`: no more pages are read.
    fn facts(&mut self, page: &mut Self::Decoded) -> Option<PageFacts>;

    /// Whether it is for a page itself that it is not decoded: then it is no error where the page does not count.
    fn is_of_page(_error: &Self::Error) -> bool {
        false
    }

    /// Takes a page that counts, in page order. `false`: no more pages are read.
    ///
    /// # Errors
    /// Whatever keeps it from being taken, and with it all that come after.
    fn take(&mut self, page: Self::Decoded) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// Reads `chain` to its end; `None` when `reader` stopped before.
///
/// # Errors
/// The reader's, which comes before what the source can only report as an interruption; the source's.
pub(super) async fn read<R: Reader>(
    client: Arc<Client>,
    plan: &ResourcePlan,
    chain: Chain,
    reader: &mut R,
) -> Result<Option<End>, R::Error> {
    let (deliver, deliveries) = mpsc::channel(PAGES_MAX);
    let (fetched, taken) = tokio::join!(fetch(client, plan, chain, deliver), take_all(&plan.name, deliveries, reader));
    match (taken, fetched) {
        (Err(error), _) => Err(error),
        (Ok(_), Err(error)) => Err(error.into()),
        (Ok(is_over), Ok(end)) => Ok(is_over.then_some(end)),
    }
}

/// A page that is being decoded, and the way back to the paginator.
type Decoding<R> = (AbortOnDropHandle<Result<<R as Reader>::Decoded, <R as Reader>::Error>>, Judge);

/// Takes every page that counts; `false` when nobody judges or takes them any more.
async fn take_all<R: Reader>(resource: &str, mut deliveries: mpsc::Receiver<Delivery>, reader: &mut R) -> Result<bool, R::Error> {
    let mut decoding: VecDeque<Decoding<R>> = VecDeque::new();
    loop {
        let (has_room, has_page) = (decoding.len() < PAGES_MAX, !decoding.is_empty());
        let oldest = async { Some((&mut decoding.front_mut()?.0).await) };
        let decoded = tokio::select! {
            biased;
            Some(Delivery { page, judge }) = deliveries.recv(), if has_room => {
                decoding.push_back((AbortOnDropHandle::new(tokio::spawn(reader.decode(page).in_current_span())), judge));
                continue;
            }
            Some(decoded) = oldest, if has_page => decoded,
            else => return Ok(true),
        };
        let Some((_, judge)) = decoding.pop_front() else { return Ok(true) };
        let mut page = match decoded.map_err(|error| lost_task(resource, error.into()))? {
            Err(error) if R::is_of_page(&error) => Err(error),
            decoded => Ok(decoded?),
        };
        let facts = match &mut page {
            Ok(page) => reader.facts(page),
            Err(_) => Some(PageFacts { is_unreadable: true, ..PageFacts::default() }),
        };
        let Some(facts) = facts else { return Ok(false) };
        let Judge { facts: judged_by, mut verdict } = judge;
        debug_assert!(verdict.try_recv().is_err(), "a verdict comes behind the facts");
        if judged_by.send(facts).is_err() {
            return page.map(|_| false);
        }
        match (verdict.await, page) {
            (Ok(Verdict::Discard), _) => {}
            (_, Err(error)) => return Err(error),
            (Ok(Verdict::Accept), Ok(page)) => {
                if !reader.take(page).await? {
                    return Ok(false);
                }
            }
            (Err(_), Ok(_)) => return Ok(false),
        }
    }
}
