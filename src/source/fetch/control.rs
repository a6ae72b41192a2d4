//! The control of what was kept of a chain: its last page with records is asked for again before any of it is handed out.
//!
//! Rows that came, went or moved since stand at other places, which the last page shows: all that is behind it would be read beside rows of another
//! time. Where it has other records, or is refused, or is no page, the chain begins anew, and nothing has to be taken back.

use tokio::sync::{mpsc, oneshot};

use crate::base::{ErrorKind, Warning, WarningCode, blocking};
use crate::source::attempt::Answer;
use crate::source::client::cancelled;
use crate::source::fetch::Fetch;
use crate::source::kept::{KeptChain, LastPage, Standing};
use crate::source::page::{Delivery, Judge, Verdict};
use crate::source::{PageFacts, SourceError};

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
            Standing::Begun { first, last } => self.changed((first, last), out).await?.map(Some),
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
        let answer = match self.client.page(&self.call, &request).await {
            Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Internal) => return Err(error),
            Err(error) => return Ok(Some(format!("the last page that was kept is refused ({error})"))),
            Ok(answer) => answer,
        };
        if first != last {
            // The first page tells the decoder what all are read by.
            let Some(log) = self.kept.as_ref().map(KeptChain::log) else { return Ok(unread()) };
            let (_, kept) = self.client.kept_page(&self.call, &begin.request, (log, first)).await;
            let Ok(kept) = kept else { return Ok(unread()) };
            self.look_at(begin.request.number, kept, out).await?;
        }
        let number = request.number;
        let facts = self.look_at(number, answer, out).await?;
        let is_same = facts.is_some_and(|facts| facts.records > 0 && Some(facts.records_hash) == records);
        Ok((!is_same).then(|| format!("page {number}, the last one that was kept, has other records now")))
    }

    async fn page_at(&mut self, offset: u64) -> Option<LastPage> {
        let log = self.kept.as_ref().map(KeptChain::log)?;
        let call = std::sync::Arc::clone(&self.call);
        blocking(move || log.page_at(offset, &call.template)).await.ok().flatten()
    }

    /// What the reader finds in a page whose rows do not count; `None` where it is no page.
    async fn look_at(
        &mut self,
        number: u64,
        answer: Answer,
        out: &mpsc::Sender<Delivery>,
    ) -> Result<Option<PageFacts>, SourceError> {
        if answer.skipped.is_some() {
            return Ok(None);
        }
        let (facts_in, facts) = oneshot::channel();
        let (verdict, verdict_out) = oneshot::channel();
        let (page, _) = self.page(number, answer, false);
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
        Ok(Some(facts).filter(|facts| !facts.is_unreadable))
    }
}
