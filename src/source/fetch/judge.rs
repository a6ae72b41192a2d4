//! What each page comes to, in the order of the pages: its rows count or not, and another one follows or none.
//!
//! The paginator decides by what the decoder found. What was fetched ahead is kept if it is what follows, and void else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reqwest::header::HeaderMap;

use crate::base::{ErrorKind, RedactedUrl, Warning, WarningCode};
use crate::config::{PaginatorPlan, PartialData, path_words};
use crate::source::client::cancelled;
use crate::source::drift::Reread;
use crate::source::error::{PagingFault, Place};
use crate::source::event::SourceEvent;
use crate::source::fetch::Fetch;
use crate::source::flight::{Delivered, Span, Tally};
use crate::source::page::{Skipped, Verdict};
use crate::source::paginate::{
    Position, Seen, Step, is_bound, is_full, meant, own_way, promises_more, says_end, says_last, whole_number,
};
use crate::source::{EndReason, PageFacts, Room, SourceError, is_same_header};

/// Pages without records, one after the other, before going on is taken for a loop.
const EMPTY_PAGES_MAX: u32 = 5;

/// Pages that a look reads to find out how they follow each other: the second one proves it, or the next guess.
const LOOK_PAGES_MAX: u64 = 3;

impl Fetch {
    /// Before the first page is judged that tells of more: waits for what earlier chains of the resource find out, where the config does
    /// not say how to go on.
    pub(super) async fn take_turn(&mut self, facts: &PageFacts) -> Result<(), SourceError> {
        let Some(page) = self.delivered.front().filter(|page| !page.is_void && page.skipped.is_none()) else { return Ok(()) };
        let seen = page.seen(&self.call, facts, false);
        if !self.paginator.waits_its_turn(&seen) {
            return Ok(());
        }
        let settled = tokio::select! {
            biased;
            () = self.client.cancel.cancelled() => return Err(cancelled(&self.call)),
            settled = self.turn.paginator() => settled,
        };
        if let Some(plan) = settled {
            self.paginator.adopt(plan);
        }
        Ok(())
    }

    /// Judges the oldest delivered page.
    pub(super) fn judge(&mut self, facts: &PageFacts) -> Result<(), SourceError> {
        let Some(mut page) = self.delivered.pop_front() else { return Ok(()) };
        if page.is_void {
            self.pass_void(page, facts);
            return Ok(());
        }
        self.note_kept(&mut page);
        let call = Arc::clone(&self.call);
        let mut seen = page.seen(&call, facts, self.drift.is_rereading());
        let is_beside = self.paginator.is_beside();
        if let Some(step) = self.no_page(&seen) {
            let (number, place, step) = (page.number, seen.at(), step?);
            self.tell_noticed(&seen)?;
            let _ = page.verdict.send(Verdict::Discard);
            self.pass(number, self.bounded(number, step), place, &page.position);
            return Ok(());
        }
        if let Some(skipped) = &page.skipped {
            return self.skip(&page, skipped);
        }
        if facts.is_unreadable {
            // The reader's own error tells why.
            let _ = page.verdict.send(Verdict::Accept);
            return Err(self.abandoned());
        }
        seen.largest = self.tally.largest;
        seen.is_last = self.is_shown_to_be_last(&seen);
        self.tally.judged = page.number;
        if call.template.graphql != Some(PartialData::Allow) && !is_beside {
            check_failure(&seen)?;
        }
        if !is_beside {
            self.check_header(&seen)?;
        }
        // Behind a total that is read, nothing is missed, and some count nothing.
        let is_behind = facts.records == 0 && self.total_stands();
        if !is_beside
            && !is_behind
            && let Some(reread) = self.watch_drift(&seen, &page.position, page.span)?
        {
            let _ = page.verdict.send(Verdict::Discard);
            self.read_again(page.number, reread);
            return Ok(());
        }
        if facts.records > 0 && !seen.is_reread && !is_beside {
            let noted = self.records_seen.note(&seen, facts.records_hash);
            if !self.paginator.minds_repeats() {
                noted?;
            }
        }
        self.check_begin(&seen)?;
        self.around_list.check(&seen)?;
        let step = self.step(&seen)?;
        log(&seen, &step);
        if let Step::Again(_) | Step::Over(_) = step {
            let (number, place) = (page.number, seen.at());
            let _ = page.verdict.send(Verdict::Discard);
            self.pass(number, step, place, &page.position);
            return Ok(());
        }
        self.count(&seen, page.bytes, page.span);
        match self.within_limit(page.number, facts, step) {
            Step::Next(_) if facts.out_of_range => {
                self.begin_end(EndReason::OutOfRange, seen.at(), &page.position);
            }
            Step::Next(_) if self.tally.empty_in_a_row > EMPTY_PAGES_MAX => {
                return Err(self.empty_pages(&seen));
            }
            Step::Next(next) | Step::Again(next) => self.go_on(page.number + 1, next),
            Step::End(reason) | Step::Over(reason) => self.begin_end(reason, seen.at(), &page.position),
        }
        let _ = page.verdict.send(Verdict::Accept);
        Ok(())
    }

    /// Notes where the answer of a page came from, whose turn it is, and what is to be kept of it.
    fn note_kept(&mut self, page: &mut Delivered) {
        let Some((kept, asked)) = self.kept.as_mut().zip(page.asked) else { return };
        if asked.kept_at.is_some() {
            self.call.ledger.count_kept();
        }
        self.keep = kept.judged((asked, page.span), page.skipped.is_some(), page.keep.take(), self.client.clock.now());
    }

    /// Passes over a page that was fetched ahead in vain.
    fn pass_void(&mut self, page: Delivered, facts: &PageFacts) {
        if facts.records > 0 {
            self.tally.farthest_void = self.tally.farthest_void.max(Some((page.position.ordinal, page.number)));
        }
        // The reader may be gone already; then its own error tells why.
        let _ = page.verdict.send(Verdict::Discard);
    }

    /// What follows `page`: what the paginator says, as far as totals, signs and bounds let it; and tells what it noticed.
    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        let mut step = match self.paginator.step(page) {
            // Some name a next page for ever.
            Err(SourceError::Paging(PagingFault::Repeats { .. })) if self.is_total_read_by(page) => {
                Step::End(EndReason::TotalReached)
            }
            step => step?,
        };
        let led_on = matches!(step, Step::Next(_));
        if matches!(&step, Step::Next(next) if next.ordinal > 0) && self.reaches_header_total(page) {
            step = Step::End(EndReason::TotalReached);
        }
        if let (Step::Next(_), Some(reason)) = (&step, self.empty_end(page)) {
            step = Step::End(reason);
        }
        if let (Step::End(reason), true) = (&step, led_on) {
            self.paginator.ended(page, *reason)?;
        }
        if let Some(detected) = self.paginator.detected() {
            self.turn.settle(&detected.plan);
            self.tally.is_detected = true;
            let resource = Arc::clone(&self.call.template.resource);
            self.client.tell(SourceEvent::Detected { resource, detected: Box::new(detected) });
        }
        self.tell_noticed(page)?;
        Ok(self.bounded(page.page, step))
    }

    /// What follows page `number`, where only so many rows are wanted. A look goes on until it is known how pages follow each other, if that can be.
    fn within_limit(&self, number: u64, facts: &PageFacts, step: Step) -> Step {
        let Some(Room { left, is_cut, is_look }) = facts.room else { return step };
        let is_settled = self.plan != PaginatorPlan::Undeclared || self.tally.is_detected || number >= LOOK_PAGES_MAX;
        let is_enough = matches!(step, Step::Next(_)) && left == 0 && (!is_look || is_settled);
        if is_enough || is_cut { Step::End(EndReason::LimitReached) } else { step }
    }

    /// Whether a page of CSV has the header of the table, and of the pages before it: what else stands there is a record, or an answer of another
    /// kind that would be the end of the pages.
    ///
    /// # Errors
    /// [`PagingFault::OtherHeader`].
    fn check_header(&self, page: &Seen<'_>) -> Result<(), SourceError> {
        let Some(header) = page.facts.header.as_deref() else { return Ok(()) };
        let name = RedactedUrl::new(page.url).to_string();
        let (first, held) = self.turn.header(format!("`{name}`"), header);
        let is_first = held == header;
        let other = match &header.table {
            Some(table) if is_first => Some(("the table".to_owned(), table.clone())),
            _ if is_same_header(&held.names, &header.names, header.is_ordered) => None,
            _ => Some((first.clone(), held.shown.clone())),
        };
        other.map_or(Ok(()), |(of, expected)| {
            let (place, found) = (page.at(), header.shown.clone());
            Err(PagingFault::OtherHeader { place, found, of, expected, is_of_table: header.table.is_some() && is_first }.into())
        })
    }

    /// Why an empty page behind others is the end, whatever link or cursor it has: a flag says so, or a total is read.
    fn empty_end(&self, page: &Seen<'_>) -> Option<EndReason> {
        let Tally { records, read_again, ignored, .. } = self.tally;
        let is_behind = page.facts.records == 0 && page.page > 1 && records > 0 && !self.ends_by_flag;
        if !is_behind || promises_more(page.facts) || !self.totals.are_looked_for() {
            return None;
        }
        let is_read = ignored == 0 && (self.totals.proves(records - read_again) || self.totals.tells(page, records - read_again));
        if says_last(page.facts) { Some(EndReason::HasMoreFalse) } else { is_read.then_some(EndReason::TotalReached) }
    }

    /// Page after page without records: what to write where that is the end.
    fn empty_pages(&self, page: &Seen<'_>) -> SourceError {
        let write = match &self.plan {
            plan if plan.stop().is_some() => "`stop_after_empty_page: true` in the paginator".to_owned(),
            _ => {
                let at = page.facts.records_at.as_ref().map_or_else(|| "$".to_owned(), path_words);
                format!("`endpoint.response_actions: [{{json_path: \"{at}[0]\", exists: false, action: ignore}}]`")
            }
        };
        PagingFault::EmptyPages { place: page.at(), in_a_row: self.tally.empty_in_a_row, write }.into()
    }

    /// Tells what the paginator noticed. Where the cursor would move on, a page that may be there is none to be read later.
    ///
    /// # Errors
    /// [`PagingFault::InDoubt`].
    fn tell_noticed(&mut self, seen: &Seen<'_>) -> Result<(), SourceError> {
        let Some(warning) = self.paginator.warning() else { return Ok(()) };
        if warning.code == WarningCode::MorePagesInDoubt {
            // A declared paginator is in doubt of a total alone, which speaks for the end.
            if self.slice.cursor.is_some() && self.plan == PaginatorPlan::Undeclared {
                return Err(SourceError::from(PagingFault::InDoubt { place: seen.at(), why: warning.text }));
            }
            self.tally.is_unproven = true;
        }
        self.client.warn_once(&self.call.template.resource, warning);
        Ok(())
    }

    /// Whether rows moved, so that a page is to be read again.
    fn watch_drift(&mut self, seen: &Seen<'_>, at: &Position, span: Span) -> Result<Option<Reread>, SourceError> {
        self.drift.judge(seen, (at, span), self.told_by(seen), self.paginator.places())
    }

    /// What a page says there is in all, by the paginator and of records.
    fn told_by(&self, seen: &Seen<'_>) -> [Option<u64>; 2] {
        [self.paginator.total_of(seen), self.totals.of(seen)]
    }

    /// What follows page `number`, within the bound on pages.
    fn bounded(&self, number: u64, step: Step) -> Step {
        match step {
            Step::Next(_) if number >= self.client.bounds.pages_max => Step::End(EndReason::MaximumReached),
            Step::Again(_) if number >= self.client.bounds.pages_max => Step::Over(EndReason::MaximumReached),
            within => within,
        }
    }

    /// Goes on as `step` says behind page `number`, whose rows do not count.
    fn pass(&mut self, number: u64, step: Step, place: Place, at: &Position) {
        match step {
            Step::Next(next) | Step::Again(next) => self.go_on(number + 1, next),
            Step::End(reason) | Step::Over(reason) => self.begin_end(reason, place, at),
        }
    }

    /// The answer whose turn has come is an error, and the first one: goes on where that is the end of the pages, or of a probe.
    ///
    /// # Errors
    /// `error`, or what it comes to.
    pub(super) fn refuse(&mut self, number: u64, position: &Position, error: SourceError) -> Result<(), SourceError> {
        let call = Arc::clone(&self.call);
        let (facts, headers) = (PageFacts::default(), HeaderMap::new());
        let url = call.template.page(number, position).url;
        let seen = Seen {
            resource: &call.template.resource,
            page: number,
            url: &url,
            headers: &headers,
            ordinal: position.ordinal,
            facts: &facts,
            reach: &call.template.reach,
            asked: &call.template.asked,
            is_reread: false,
            is_part: false,
            is_last: false,
            has_json: call.template.has_json(),
            largest: self.tally.largest,
            more: None,
        };
        let is_no_page = error.is_no_page();
        let is_of_answer = matches!(error.kind(), ErrorKind::Data | ErrorKind::Unavailable | ErrorKind::Credentials);
        let is_behind_total =
            number > 1 && (is_no_page && (self.is_total_read() || self.tally.says_end) || is_of_answer && self.total_stands());
        let step = match self.paginator.refused(&seen, error) {
            Err(error) if is_behind_total && !error.names_limit() => {
                self.tally.is_unproven |= !is_no_page;
                Step::Over(EndReason::TotalReached)
            }
            step => step?,
        };
        self.tell_noticed(&seen)?;
        self.pass(number, self.bounded(number, step), seen.at(), position);
        Ok(())
    }

    /// Goes back to a page that was read, instead of taking page `number`.
    fn read_again(&mut self, number: u64, Reread { from, records, why, is_before }: Reread) {
        if !is_before {
            tracing::info!(resource = &*self.call.template.resource, page = number, why, "the page is asked for again");
            return self.go_on(number + 1, from);
        }
        let text = format!("{why} while pages were read: reading the page before page {number} again");
        let warning = Warning::new(WarningCode::PagesReadAgain, text);
        self.client.tell(SourceEvent::Warning { resource: Arc::clone(&self.call.template.resource), warning });
        self.paginator.take_back(records);
        self.tally.read_again += records;
        self.go_on(number + 1, from);
    }

    /// Passes over a page that a rule drops.
    fn skip(&mut self, page: &Delivered, skipped: &Skipped) -> Result<(), SourceError> {
        let call = Arc::clone(&self.call);
        let facts = PageFacts::default();
        let seen = page.seen(&call, &facts, false);
        self.paginator.pass_over();
        self.tally.ignored += 1;
        self.call.ledger.ignored.fetch_add(1, Ordering::Relaxed);
        self.tally.empty_in_a_row += 1;
        let next = if skipped.ends { None } else { self.behind_skipped(&page.position, &seen)? };
        let Skipped { status, key, .. } = skipped;
        let what = if next.is_some() { "skips it" } else { "ends the resource there" };
        let text = format!("page {} was answered with {status}: `{key}` {what}", page.number);
        self.client.tell_first(&call.template.resource, key, Warning::new(WarningCode::PageIgnored, text));
        match next {
            Some(_) if self.tally.empty_in_a_row > EMPTY_PAGES_MAX => {
                return Err(self.empty_pages(&seen));
            }
            Some(next) => self.go_on(page.number + 1, next),
            None => self.begin_end(EndReason::Ignored, seen.at(), &page.position),
        }
        Ok(())
    }

    /// Where the page behind a skipped one is, if that can be known without it.
    fn behind_skipped(&mut self, position: &Position, seen: &Seen<'_>) -> Result<Option<Position>, SourceError> {
        if let Some(next) = self.paginator.ahead(position) {
            return Ok(Some(next));
        }
        match self.paginator.step(seen) {
            Ok(Step::Next(next) | Step::Again(next)) => Ok(Some(next)),
            Ok(Step::End(_) | Step::Over(_))
            | Err(SourceError::Paging(PagingFault::BadValue { .. } | PagingFault::BadHeader { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn count(&mut self, seen: &Seen<'_>, bytes: u64, span: Span) {
        let totals = self.told_by(seen);
        if self.drift.count_copies(seen.facts, totals) && !seen.is_reread {
            self.void_sent_before(span.answered);
        }
        let records = seen.facts.records;
        let tally = &mut self.tally;
        tally.pages += 1;
        tally.records += records;
        tally.wanted = seen.facts.room.map(|room| room.left);
        self.call.ledger.bytes.fetch_add(bytes, Ordering::Relaxed);
        tally.empty_in_a_row = if records == 0 { tally.empty_in_a_row + 1 } else { 0 };
        if records > 0 {
            tally.full_in_a_row = if records * 2 >= tally.largest { tally.full_in_a_row + 1 } else { 0 };
            tally.largest = tally.largest.max(records);
            tally.last = records;
        }
        tally.promises_more = promises_more(seen.facts);
        tally.says_end = says_end(seen) && !tally.promises_more;
        tally.tells_all = self.totals.tells(seen, tally.records - tally.read_again);
        self.totals.note(seen);
        self.promises.note(seen, &self.paginator.own_places(), !self.totals.are_looked_for());
        if self.promises.tells_of_more() && (records > 0 || self.suggested.is_none()) {
            self.suggested = Some(own_way(seen, self.cursor_slot.as_ref()));
        }
        if let Some((path, index)) = &self.expected_total {
            let value = |index: usize| seen.facts.values.get(index).and_then(Option::as_ref);
            if let Some(total) = value(*index).and_then(whole_number) {
                (tally.total, tally.total_is_bound) = (Some(total), value(index + 1).is_some_and(is_bound));
            }
            tally.near_total = meant(seen, path);
        }
        if records > 0 || tally.pages == 1 {
            tally.latest = tally.total.or(self.paginator.total_of(seen));
        }
        if tally.pages == 1 {
            tally.first = (records, tally.latest);
            tally.is_first_full = is_full(seen);
        }
        self.tell_total();
    }

    /// Tells whoever watches how many records there are to come, where the API counts them.
    fn tell_total(&mut self) {
        let total = self.tally.total.or(self.tally.latest);
        if self.is_alone && total.is_some() && total != self.told_total {
            self.told_total = total;
            let resource = Arc::clone(&self.call.template.resource);
            self.client.tell(SourceEvent::Total { resource, records: total.unwrap_or_default() });
        }
    }

    /// Rows came before the page that was answered then, and moved the pages behind it: what was asked for before may be of the time before them, and
    /// would not have what moved there.
    fn void_sent_before(&mut self, answered: u64) {
        let ahead = self.delivered.iter().find(|page| !page.is_void).map(|page| page.span.sent);
        let ahead = ahead.or_else(|| self.arrived.as_ref().map(|arrived| arrived.span.sent));
        let ahead = ahead.or_else(|| self.flights.front().map(|flight| flight.sent));
        if ahead.is_some_and(|sent| sent < answered) {
            self.void_ahead();
            self.arrived = None;
            self.flights.clear();
        }
    }

    /// Goes on to `next`: keeps what was fetched ahead if it begins there, else makes it void.
    fn go_on(&mut self, number: u64, next: Position) {
        let ahead = self.delivered.iter().find(|page| !page.is_void).map(|page| &page.position);
        let ahead = ahead.or_else(|| self.arrived.as_ref().map(|arrived| &arrived.position));
        let ahead = ahead.or_else(|| self.flights.front().map(|flight| &flight.position));
        if ahead != Some(&next) {
            self.void_ahead();
            self.arrived = None;
            self.flights.clear();
            self.request(number, next);
        }
    }

    pub(super) fn void_ahead(&mut self) {
        for page in &mut self.delivered {
            page.is_void = true;
        }
    }
}

/// Whether the page tells of its own failure: without records it would look like the end of the pages, and with some, like all of them.
///
/// # Errors
/// [`PagingFault::Failed`], [`PagingFault::FailedBeside`].
fn check_failure(page: &Seen<'_>) -> Result<(), SourceError> {
    let Some((name, said)) = page.facts.failure.clone() else { return Ok(()) };
    let (place, records) = (page.at(), page.facts.records);
    let bare = said.trim_matches('"');
    // `status: failed` is what `?status=failed` asked for.
    let is_asked = |asked: &str| records > 0 || asked.eq_ignore_ascii_case(&name);
    let is_echo = page.url.query_pairs().any(|(asked, value)| value.eq_ignore_ascii_case(bare) && is_asked(&asked));
    match records {
        _ if is_echo => Ok(()),
        0 => Err(PagingFault::Failed { place, name, said }.into()),
        _ => Err(PagingFault::FailedBeside { place, records, name, said }.into()),
    }
}

/// Logs what became of a page.
fn log(page: &Seen<'_>, step: &Step) {
    let follows = match step {
        Step::Next(_) => "another page".to_owned(),
        Step::Again(_) => "another page in its place".to_owned(),
        Step::End(reason) | Step::Over(reason) => format!("the end: {reason:?}"),
    };
    tracing::debug!(resource = page.resource, page = page.page, records = page.facts.records, follows, "judged");
}
