//! Source: a resource's plan becomes its pages, in order, ended by a named reason.
//!
//! In: [`crate::config::ResourcePlan`]. Out: each page to a [`Reader`], then the [`End`]; or a typed error after the retries are spent.
//! Invariants: a body is delivered only when it has been received whole; credentials go to the configured origin only; a
//! repeated cursor, link or page is an error, never a loop and never a quiet end.
//! Not here: what is in a record. The reader tells the [`PageFacts`] of each, which decide about the next.

mod advice;
mod answer;
mod attempt;
mod auth;
mod body;
mod certificate;
mod client;
mod curl;
mod drift;
mod error;
mod event;
mod expected;
mod fetch;
mod flight;
mod http;
mod kept;
mod ledger;
mod link;
mod meter;
mod pace;
mod packing;
mod page;
mod page_stream;
mod paginate;
mod preview;
mod reach;
mod recording;
mod request;
mod retry;
mod scheme;
mod slice;
mod server_time;
mod spooled;
mod transport;
mod turn;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::base::Clock;
use crate::config::{ClientPlan, ResourcePlan};
use crate::source::client::{Bounds, Client};
use crate::source::http::Http;
use crate::source::meter::Metered;
use crate::source::transport::Transport;

pub(crate) use certificate::{causes, is_no_http, is_plain, is_refusal_of_http};
pub(crate) use error::SourceError;
pub(crate) use event::{Events, SourceEvent, WaitReason};
pub(crate) use http::is_loopback;
pub(crate) use kept::{KeptAnswers, Left, Terms, look_at_answers};
pub(crate) use ledger::{Cost, Ledger};
pub(crate) use meter::{Exchange, Meter};
pub(crate) use page::{End, EndReason, Header, ListInside, Page, PageFacts, Room, is_same_header};
pub(crate) use page_stream::Reader;
pub(crate) use paginate::{
    Detected, Sign, tells_as_links, tells_as_list, tells_as_object, tells_of_none, tells_of_paging, wanted_paths,
    wants_record_hashes,
};
pub(crate) use recording::{
    Asking, FileFault, Misbehaviour, Recorded, Recorder, Replay, Scene, Start, Story, Taken, Truth, misbehaviours,
};
pub(crate) use slice::{Chain, ParentRecord, Slice, SliceCursor, UNCOUNTED};
pub(crate) use spooled::SpooledBody;
pub(crate) use turn::{Turn, Turns};

/// One API, as its resources share it: connections, requests in flight, rate limits and waits.
#[derive(Clone)]
pub(crate) struct Source {
    client: Arc<Client>,
}

impl Source {
    /// A source of the API that `plan` names. Cancelling `cancel` ends every fetch; `events` is told of every wait.
    ///
    /// # Errors
    /// [`SourceError::Setup`] when no HTTP client can be made on this machine.
    pub(crate) fn new(
        plan: &ClientPlan,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
        events: Events,
    ) -> Result<Self, SourceError> {
        Self::bounded(plan, clock, cancel, events, Bounds::default())
    }

    /// A source that requests at most `pages_max` pages of a resource, and one at a time when asked to.
    ///
    /// # Errors
    /// As [`Source::new`].
    pub(crate) fn probing(
        plan: &ClientPlan,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
        events: Events,
        pages_max: u64,
    ) -> Result<Self, SourceError> {
        Self::bounded(plan, clock, cancel, events, Bounds { pages_max, ..Bounds::default() })
    }

    /// The same under a meter.
    ///
    /// # Errors
    /// As [`Source::new`].
    pub(crate) fn metered(
        plan: &ClientPlan,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
        events: Events,
        (pages_max, meter): (u64, &Meter),
    ) -> Result<Self, SourceError> {
        let http = Http::new(plan).map_err(|source| SourceError::Setup { source })?;
        let transport = Metered { meter: meter.clone(), inner: Arc::new(http) };
        let bounds = Bounds { pages_max, ..Bounds::default() };
        Ok(Self::over(Arc::new(transport), plan, clock, cancel, events, bounds))
    }

    fn bounded(
        plan: &ClientPlan,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
        events: Events,
        bounds: Bounds,
    ) -> Result<Self, SourceError> {
        let http = Http::new(plan).map_err(|source| SourceError::Setup { source })?;
        Ok(Self::over(Arc::new(http), plan, clock, cancel, events, bounds))
    }

    /// A source that asks the API, or a recording of it.
    ///
    /// # Errors
    /// As [`Source::new`]; never where a recording answers.
    pub(crate) fn asking(
        asking: &Asking,
        plan: &ClientPlan,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
        events: Events,
    ) -> Result<Self, SourceError> {
        let http = || Http::new(plan).map_err(|source| SourceError::Setup { source });
        let transport: Arc<dyn Transport> = match asking {
            Asking::Api => Arc::new(http()?),
            Asking::Recording(recorder) => recorder.over(Arc::new(http()?)),
            Asking::Replaying(replay) => Arc::<Replay>::clone(replay),
            Asking::Sharing(replay, recorder) => replay.before(recorder.over(Arc::new(http()?))),
        };
        Ok(Self::over(transport, plan, asking.clock(clock), cancel, events, Bounds::default()))
    }

    /// A source that asks through `transport`.
    fn over(
        transport: Arc<dyn Transport>,
        plan: &ClientPlan,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
        events: Events,
        bounds: Bounds,
    ) -> Self {
        Self { client: Arc::new(Client::new(transport, plan, clock, cancel, events, bounds)) }
    }

    /// Reads a chain of `resource` from its first page to its end, each page by `reader`; `None` when that stopped before. When it fails, pages
    /// that were not taken do not count.
    ///
    /// # Errors
    /// The reader's; whatever keeps the chain from being whole, after the retries are spent; [`SourceError::Cancelled`] when cancelled.
    pub(crate) async fn read<R: Reader>(
        &self,
        resource: &ResourcePlan,
        chain: Chain,
        reader: &mut R,
    ) -> Result<Option<End>, R::Error> {
        page_stream::read(Arc::clone(&self.client), resource, chain, reader).await
    }

    /// Requests that may be in flight for all resources together.
    pub(crate) fn concurrency(&self) -> usize {
        self.client.plan.concurrency.max(1)
    }
}

#[cfg(test)]
mod tests;
