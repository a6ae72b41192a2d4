//! The control of what was kept of a chain: its last page with records is asked for again before any of it is handed out.
//!
//! Rows that came, went or moved since stand at other places, which the last page shows: all that is behind it would be read beside rows of another
//! time. Where it has other records, tells a smaller total, is refused, or is no page, the chain begins anew, and nothing has to be taken back. Where it
//! is what it was, those before it are handed out, and it is read in its turn: a cursor or link that was kept may lead nowhere by now.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::base::{ErrorKind, Warning, WarningCode, blocking};
use crate::source::attempt::Answer;
use crate::source::client::cancelled;
use crate::source::fetch::{Fetch, Received};
use crate::source::kept::{KeptChain, LastPage, Standing};
use crate::source::page::{Delivery, Judge, Verdict};
use crate::source::paginate::Seen;
use crate::source::request::PageRequest;
use crate::source::{PageFacts, SourceError};

/// A page whose rows do not count.
struct Looked {
    facts: PageFacts,
    received: Received,
}

impl Fetch {
    /// Forgets what was kept of the chain, unless all of it was, or its last page is what it was.
    ///
    /// # Errors
    /// A cancelled run's, and those of this program.
    pub(super) async fn control(&mut self, out: &mpsc::Sender<Delivery>) -> Result<(), SourceError> {
        let Some(standing) = self.kept.as_ref().map(KeptChain::standing) else { return Ok(()) };
        let changed = match standing {
            Standing::Whole => None,
            Standing::Nothing => Some(None),
            Standing::Begun { first, last } => {
                let changed = self.changed((first, last), out).await?;
                if let Some(kept) = self.kept.as_mut().filter(|_| changed.is_none()) {
                    kept.end_before(last);
                }
                changed.map(Some)
            }
        };
        let Some(why) = changed else { return Ok(()) };
        if let Some(kept) = &mut self.kept {
            kept.forget();
        }
        if let Some(why) = why {
            let text = format!("{why}: the pages that an interrupted run has kept are not used, and are read again");
            self.client.warn_once(&self.call.template.resource, Warning::new(WarningCode::PagesReadAgain, text));
        }
        Ok(())
    }

    /// Why what was kept counts no more, if so, by the page that the log has at `last`.
    async fn changed(&mut self, (first, last): (u64, u64), out: &mpsc::Sender<Delivery>) -> Result<Option<String>, SourceError> {
        let unread = || Some("what was kept cannot be read".to_owned());
        let (Some(begin), Some(LastPage { request, records })) = (self.page_at(first).await, self.page_at(last).await) else {
            return Ok(unread());
        };
        let answer = match self.ask_again(&begin.request, &request).await {
            Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Internal | ErrorKind::Unavailable) => {
                return Err(error);
            }
            Err(error) => return Ok(Some(format!("the last page that was kept is refused ({error})"))),
            Ok(None) => return Ok(Some("the last page that was kept is refused, and the first one is not".to_owned())),
            Ok(Some(answer)) => answer,
        };
        let Some(log) = self.kept.as_ref().map(KeptChain::log) else { return Ok(unread()) };
        let mut kept = None;
        // The first page tells the decoder what all are read by.
        for (request, offset) in [(&begin.request, first), (&request, last)] {
            let (_, answer) = self.client.kept_page(&self.call, request, (Arc::clone(&log), offset)).await;
            let Ok(answer) = answer else { return Ok(unread()) };
            kept = self.look_at(request.number, answer, out).await?;
        }
        let (number, now) = (request.number, self.look_at(request.number, answer, out).await?);
        let is_same = |now: &&Looked| now.facts.records > 0 && Some(now.facts.records_hash) == records;
        let Some(now) = now.as_ref().filter(is_same) else {
            return Ok(Some(format!("page {number}, the last one that was kept, has other records now")));
        };
        let totals = [kept.as_ref(), Some(now)].map(|page| page.and_then(|page| self.total_of(number, page)));
        let has_fallen = matches!(totals, [Some(kept), Some(now)] if now < kept);
        Ok(has_fallen.then(|| format!("page {number}, the last one that was kept, tells a smaller total now")))
    }

    /// The page of `last`; `None` where the API answers that of `begin`, and not this one.
    ///
    /// # Errors
    /// Those of the requests: [`ErrorKind::Unavailable`] where it answers neither.
    async fn ask_again(&mut self, begin: &PageRequest, last: &PageRequest) -> Result<Option<Answer>, SourceError> {
        let is_down = |error: &SourceError| error.kind() == ErrorKind::Unavailable;
        let last = &PageRequest { may_fail: true, ..last.clone() };
        let asked = self.client.page(&self.call, last).await;
        if !asked.as_ref().is_err_and(is_down) {
            return asked.map(Some);
        }
        self.client.page(&self.call, begin).await?;
        // It may have come back just then.
        match self.client.page(&self.call, last).await {
            Err(error) if is_down(&error) => Ok(None),
            asked => asked.map(Some),
        }
    }

    /// The total that a page tells of rows that have places.
    fn total_of(&self, number: u64, Looked { facts, received }: &Looked) -> Option<u64> {
        let template = &self.call.template;
        self.paginator.total_of(&Seen {
            resource: &template.resource,
            page: number,
            url: &received.url,
            headers: &received.headers,
            ordinal: 0,
            facts,
            reach: &template.reach,
            asked: &template.asked,
            is_reread: false,
            is_part: received.is_part,
            is_last: false,
            has_json: template.has_json(),
            largest: 0,
            more: None,
        })
    }

    async fn page_at(&mut self, offset: u64) -> Option<LastPage> {
        let log = self.kept.as_ref().map(KeptChain::log)?;
        let call = Arc::clone(&self.call);
        blocking(move || log.page_at(offset, &call.template)).await.ok().flatten()
    }

    /// What the reader finds in a page whose rows do not count; `None` where it is no page.
    async fn look_at(
        &mut self,
        number: u64,
        answer: Answer,
        out: &mpsc::Sender<Delivery>,
    ) -> Result<Option<Looked>, SourceError> {
        if answer.skipped.is_some() {
            return Ok(None);
        }
        let (facts_in, facts) = oneshot::channel();
        let (verdict, verdict_out) = oneshot::channel();
        let (page, received) = self.page(number, answer, false);
        let told = async {
            let judge = Judge { facts: facts_in, verdict: verdict_out };
            out.send(Delivery { page, judge }).await.ok()?;
            facts.await.ok()
        };
        let facts = tokio::select! {
            biased;
            () = self.client.cancel.cancelled() => return Err(cancelled(&self.call)),
            told = told => told.ok_or_else(|| self.abandoned())?,
        };
        // The reader may be gone already; then its own error tells why.
        let _ = verdict.send(Verdict::Discard);
        Ok((!facts.is_unreadable).then_some(Looked { facts, received }))
    }
}
