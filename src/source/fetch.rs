//! One chain of pages from its first to its end.
//!
//! Pages are requested ahead where the paginator can guess their places, delivered in order, and judged in order once their
//! facts are in. At most `ahead` requests are under way, twice as many pages requested and not delivered, so that one slow
//! answer does not hold up the requests behind it, and `ahead` pages delivered and not judged.
//! A page fetched ahead that turns out void is discarded; a failure of a page fetched ahead counts only when its turn comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::base::{ErrorKind, JsonPath, RedactedUrl, Warning, WarningCode};
use crate::config::{ResourcePlan, Slot};
use crate::source::attempt::Answer;
use crate::source::client::{Call, Client, cancelled, unjoined};
use crate::source::drift::{Drift, Reread};
use crate::source::error::{Place, Repeated};
use crate::source::event::SourceEvent;
use crate::source::flight::{Arrived, Delivered, Ending, Flight, Requests, Tally, UnderWay};
use crate::source::ledger::Sums;
use crate::source::page::Skipped;
use crate::source::paginate::{
    LookForTotals, Paginator, Position, Role, Seen, Sign, Step, Totals, Trail, USUAL_SIZES, allows_drift, ends_by_flag, is_size,
    name_of, paginator, promises_more, says_last, stands_around, watches_drift, whole_number,
};
use crate::source::request::Template;
use crate::source::{Chain, Delivery, End, EndReason, Judge, Page, PageFacts, Slice, SourceError, Turn, Verdict};

/// Pages without records, one after the other, before going on is taken for a loop.
const EMPTY_PAGES_MAX: u32 = 5;

/// Full pages after which one more is requested ahead, where nobody knows how many there are.
const FULL_PAGES_FOR_ONE_AHEAD: u64 = 4;

/// Reads `plan` to its end.
///
/// # Errors
/// Whatever keeps the resource from being whole.
pub(super) async fn fetch(
    client: Arc<Client>,
    plan: &ResourcePlan,
    chain: Chain,
    out: mpsc::Sender<Delivery>,
) -> Result<End, SourceError> {
    let template = Template::new(&client.plan, plan, chain.request, &client.tokens)?;
    let call = Arc::new(Call { template, ledger: chain.ledger, ended: CancellationToken::new() });
    let paginator = paginator(&plan.endpoint.paginator, &plan.expect);
    let mut fetch = Fetch {
        window: chain.ahead.max(1),
        slice: chain.slice,
        turn: chain.turn,
        client,
        call,
        expected_total: plan.expect.total.path().map(|path| (path.clone(), paginator.wanted().len())),
        totals: Totals::new(LookForTotals::of(&plan.endpoint.paginator, &plan.expect)),
        allows_drift: allows_drift(&plan.endpoint.paginator),
        ends_by_flag: ends_by_flag(&plan.endpoint.paginator),
        paginator,
        flights: VecDeque::new(),
        under_way: Arc::default(),
        arrived: None,
        delivered: VecDeque::new(),
        last_requested: None,
        records_seen: Trail::new(Repeated::Records),
        drift: Drift::new(watches_drift(&plan.endpoint.paginator), !plan.primary_key.is_empty()),
        tally: Tally::default(),
        ending: None,
    };
    let first = fetch.paginator.first();
    fetch.request(1, first);
    fetch.run(out).await
}

struct Fetch {
    client: Arc<Client>,
    call: Arc<Call>,
    paginator: Box<dyn Paginator>,
    /// `expect.total` and its place among the values.
    expected_total: Option<(JsonPath, usize)>,
    /// The totals that nobody declared.
    totals: Totals,
    /// Whether one of them may be missed.
    allows_drift: bool,
    /// Whether the config names the flag that ends the pages, so that no total does.
    ends_by_flag: bool,
    window: usize,
    slice: Arc<Slice>,
    turn: Arc<Turn>,
    /// Requested, in order.
    flights: VecDeque<Flight>,
    /// How many of them have no answer yet.
    under_way: Arc<Requests>,
    /// Received, next to be delivered.
    arrived: Option<Arrived>,
    /// Delivered and not judged, in order.
    delivered: VecDeque<Delivered>,
    last_requested: Option<(u64, Position)>,
    records_seen: Trail,
    drift: Drift,
    tally: Tally,
    ending: Option<Ending>,
}

enum Happened {
    Cancelled,
    Facts(Option<PageFacts>),
    Room(mpsc::OwnedPermit<Delivery>),
    Closed,
    Landed(Result<Answer, SourceError>),
    /// A request somewhere in the line has its answer, so that another may be sent.
    Answered,
}

impl Fetch {
    async fn run(mut self, out: mpsc::Sender<Delivery>) -> Result<End, SourceError> {
        loop {
            self.request_ahead();
            if self.ending.is_some() && self.flights.is_empty() && self.arrived.is_none() && self.delivered.is_empty() {
                return self.end();
            }
            if self.delivered.is_empty() && self.arrived.as_ref().is_some_and(|arrived| arrived.answer.is_err()) {
                // Every page before it is judged, so its turn has come.
                if let Some(Arrived { number, position, answer: Err(error) }) = self.arrived.take() {
                    self.refuse(number, &position, error)?;
                }
                continue;
            }
            match self.wait(&out).await {
                Happened::Cancelled => return Err(cancelled(&self.call)),
                Happened::Facts(None) | Happened::Closed => return Err(self.abandoned()),
                Happened::Facts(Some(facts)) => {
                    self.take_turn(&facts).await?;
                    self.judge(&facts)?;
                }
                Happened::Room(permit) => self.deliver(permit),
                Happened::Landed(answer) => self.land(answer),
                Happened::Answered => {}
            }
        }
    }

    async fn wait(&mut self, out: &mpsc::Sender<Delivery>) -> Happened {
        let Self { client, flights, under_way, arrived, delivered, window, .. } = self;
        let has_answer = arrived.as_ref().is_some_and(|arrived| arrived.answer.is_ok());
        let may_deliver = has_answer && delivered.len() < *window;
        let may_land = arrived.is_none();
        tokio::select! {
            biased;
            () = client.cancel.cancelled() => Happened::Cancelled,
            Some(facts) = async { match delivered.front_mut() { Some(front) => Some((&mut front.facts).await.ok()), None => None } } => {
                Happened::Facts(facts)
            }
            room = out.clone().reserve_owned(), if may_deliver => room.map_or(Happened::Closed, Happened::Room),
            Some(answer) = async { match flights.front_mut() { Some(front) => Some((&mut front.answer).await), None => None } }, if may_land => {
                Happened::Landed(answer.unwrap_or_else(|error| Err(unjoined(&self.call, error.into()))))
            }
            () = under_way.answered.notified(), if !flights.is_empty() => Happened::Answered,
            else => Happened::Closed,
        }
    }

    fn request(&mut self, number: u64, position: Position) {
        let (client, call) = (Arc::clone(&self.client), Arc::clone(&self.call));
        let request = call.template.page(number, &position);
        let under_way = UnderWay::begin(&self.under_way);
        let answer = AbortOnDropHandle::new(tokio::spawn(async move {
            let _under_way = under_way;
            client.page(&call, &request).await
        }));
        self.last_requested = Some((number, position.clone()));
        self.flights.push_back(Flight { number, position, answer });
    }

    fn request_ahead(&mut self) {
        while self.ending.is_none()
            && self.may_run_ahead()
            && self.flights.len() < 2 * self.window
            && self.last_requested.as_ref().is_some_and(|(number, _)| *number < self.client.bounds.pages_max)
            && self.under_way.count.load(Ordering::SeqCst) < self.window
        {
            let Some((number, last)) = &self.last_requested else { return };
            let number = *number;
            let Some(next) = self.paginator.ahead(last) else { return };
            self.request(number + 1, next);
        }
    }

    /// Whether another page may be requested before those under way are judged: up to a known end, and else one for every few full pages, so
    /// that what is asked for in vain stays a small part.
    fn may_run_ahead(&self) -> bool {
        if self.window == 1 {
            return false;
        }
        let told = || {
            let left = self.totals.least()?.saturating_sub(self.tally.records - self.tally.read_again);
            (self.tally.largest > 0).then(|| left.div_ceil(self.tally.largest))
        };
        let allowed = match self.paginator.pages_left().or_else(told) {
            Some(left) => left.max(1),
            None => 1 + self.tally.full_in_a_row / FULL_PAGES_FOR_ONE_AHEAD,
        };
        self.last_requested.as_ref().is_some_and(|(number, _)| number.saturating_sub(self.tally.judged) < allowed)
    }

    fn land(&mut self, answer: Result<Answer, SourceError>) {
        let Some(flight) = self.flights.pop_front() else { return };
        if self.ending.is_some() && answer.as_ref().is_err_and(|error| error.kind() != ErrorKind::Internal) {
            // Behind the end, a refusal is as good as an empty page; a defect is one anywhere.
            return;
        }
        self.arrived = Some(Arrived { number: flight.number, position: flight.position, answer });
    }

    fn deliver(&mut self, permit: mpsc::OwnedPermit<Delivery>) {
        let Some(Arrived { number, position, answer: Ok(answer) }) = self.arrived.take() else { return };
        let (facts_in, facts) = oneshot::channel();
        let (verdict, verdict_out) = oneshot::channel();
        let content_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
        let page = Page {
            resource: Arc::clone(&self.call.template.resource),
            number,
            url: RedactedUrl::new(&answer.url),
            body: answer.body,
            spooled: answer.spooled.map(Arc::new),
            slice: Arc::clone(&self.slice),
            redactor: Arc::clone(&self.call.template.redactor),
            content_type,
            server_time: self.call.ledger.server_time.get(),
        };
        let bytes = page.body_bytes();
        if answer.skipped.is_none() {
            permit.send(Delivery { page, judge: Judge { facts: facts_in, verdict: verdict_out } });
        } else {
            // The other end is a few lines away.
            let _ = facts_in.send(PageFacts::default());
        }
        let is_void = self.ending.is_some();
        self.delivered.push_back(Delivered {
            number,
            position,
            url: answer.url,
            headers: answer.headers,
            is_part: answer.is_part && self.totals.are_looked_for(),
            bytes,
            skipped: answer.skipped,
            is_void,
            facts,
            verdict,
        });
    }

    /// Before the first page is judged that tells of more: waits for what earlier chains of the resource find out, where the config does
    /// not say how to go on.
    async fn take_turn(&mut self, facts: &PageFacts) -> Result<(), SourceError> {
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
    fn judge(&mut self, facts: &PageFacts) -> Result<(), SourceError> {
        let Some(page) = self.delivered.pop_front() else { return Ok(()) };
        if page.is_void {
            if facts.records > 0 {
                self.tally.farthest_void = self.tally.farthest_void.max(Some((page.position.ordinal, page.number)));
            }
            // The reader may be gone already; then its own error tells why.
            let _ = page.verdict.send(Verdict::Discard);
            return Ok(());
        }
        if let Some(skipped) = &page.skipped {
            return self.skip(&page, skipped);
        }
        let call = Arc::clone(&self.call);
        let mut seen = page.seen(&call, facts, self.drift.is_rereading());
        seen.is_last = self.is_shown_to_be_last(&seen);
        self.tally.judged = page.number;
        let total = self.paginator.total_of(&seen).or_else(|| self.totals.of(&seen));
        if let Some(reread) = self.drift.judge(&seen, &page.position, total, !self.paginator.watches_drift())? {
            let _ = page.verdict.send(Verdict::Discard);
            self.read_again(page.number, reread);
            return Ok(());
        }
        if facts.records > 0 && !self.paginator.minds_repeats() && !seen.is_reread {
            self.records_seen.note(&seen, facts.records_hash)?;
        }
        let mut step = self.paginator.step(&seen)?;
        if matches!(&step, Step::Next(next) if next.ordinal > 0) && self.reaches_header_total(&seen) {
            step = Step::End(EndReason::TotalReached);
        }
        step = self.bounded(page.number, step);
        if let Some(detected) = self.paginator.detected() {
            self.turn.settle(&detected.plan);
            self.client.tell(SourceEvent::Detected { resource: Arc::clone(&call.template.resource), detected });
        }
        if let Step::Again(_) | Step::Over(_) = step {
            let (number, at, ordinal) = (page.number, seen.at(), page.position.ordinal);
            let _ = page.verdict.send(Verdict::Discard);
            self.pass(number, step, at, ordinal);
            return Ok(());
        }
        self.count(&seen, page.bytes);
        self.drift.count_copies(&facts.record_hashes);
        if let Some(warning) = self.paginator.warning() {
            self.client.warn_once(&call.template.resource, warning);
        }
        match step {
            Step::Next(_) if facts.out_of_range => {
                self.begin_end(EndReason::OutOfRange, seen.at(), page.position.ordinal);
            }
            Step::Next(_) if self.tally.empty_in_a_row > EMPTY_PAGES_MAX => {
                return Err(SourceError::EmptyPages { place: seen.at(), in_a_row: self.tally.empty_in_a_row });
            }
            Step::Next(next) | Step::Again(next) => self.go_on(page.number + 1, next),
            Step::End(reason) | Step::Over(reason) => self.begin_end(reason, seen.at(), page.position.ordinal),
        }
        let _ = page.verdict.send(Verdict::Accept);
        Ok(())
    }

    /// Whether something else than the place of the next page tells that `page` is the last one: a flag, a total that is read, or a page
    /// that is shorter than another, or than was asked for.
    fn is_shown_to_be_last(&self, page: &Seen<'_>) -> bool {
        let Tally { pages, records, read_again, ignored, largest, .. } = self.tally;
        if promises_more(page.facts) || page.is_part {
            return false;
        }
        let came = page.facts.records;
        let asked_for = |number: u64| number > came && !USUAL_SIZES.contains(&came);
        let is_short = || {
            let of_request = |(slot, number): &(Slot, u64)| is_size(name_of(slot)) && asked_for(*number);
            let is_limit = |sign: &&Sign| sign.role() == Some(Role::Limit) && stands_around(page.facts, sign);
            let told = || page.facts.signs.iter().filter(is_limit).filter_map(Sign::number).any(asked_for);
            came < largest || page.asked.iter().any(of_request) || told()
        };
        let is_last_number = |sign: &Sign| sign.role() == Some(Role::Pages) && sign.number() == Some(pages + 1);
        says_last(page.facts)
            || is_short()
            || page.facts.signs.iter().any(is_last_number)
            || ignored == 0 && self.totals.tells(page, records + came - read_again)
    }

    /// Whether `page` is the last one by a total in a header. One that equals a first page may be that page's own count.
    fn reaches_header_total(&self, page: &Seen<'_>) -> bool {
        let Tally { records, read_again, ignored, .. } = self.tally;
        let read = records + page.facts.records - read_again;
        page.page > 1
            && ignored == 0
            && !self.ends_by_flag
            && !promises_more(page.facts)
            && self.totals.of_header(page.headers) == Some(read)
    }

    /// Whether what was read is a total that the API tells, so that a refusal of the next page is as good as an empty one.
    fn is_total_read(&self) -> bool {
        let Tally { records, read_again, ignored, total, promises_more, .. } = self.tally;
        let read = records - read_again;
        records > 0 && ignored == 0 && !self.ends_by_flag && !promises_more && (total == Some(read) || self.totals.is_met(read))
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
    fn pass(&mut self, number: u64, step: Step, at: Place, ordinal: u64) {
        match step {
            Step::Next(next) | Step::Again(next) => self.go_on(number + 1, next),
            Step::End(reason) | Step::Over(reason) => self.begin_end(reason, at, ordinal),
        }
    }

    /// The answer whose turn has come is an error, and the first one: goes on where that is the end of the pages, or of a probe.
    ///
    /// # Errors
    /// `error`, or what it comes to.
    fn refuse(&mut self, number: u64, position: &Position, error: SourceError) -> Result<(), SourceError> {
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
        };
        let is_no_page = matches!(error, SourceError::Refused { status: 400 | 404 | 410 | 416 | 422, .. });
        let is_behind_total = is_no_page && number > 1 && position.ordinal > 0 && self.is_total_read();
        let step = match self.paginator.refused(&seen, error) {
            Err(_) if is_behind_total => Step::Over(EndReason::TotalReached),
            step => step?,
        };
        self.pass(number, self.bounded(number, step), seen.at(), seen.ordinal);
        Ok(())
    }

    /// Goes back to a page that was read, instead of taking page `number`.
    fn read_again(&mut self, number: u64, Reread { from, records, why }: Reread) {
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
                return Err(SourceError::EmptyPages { place: seen.at(), in_a_row: self.tally.empty_in_a_row });
            }
            Some(next) => self.go_on(page.number + 1, next),
            None => self.begin_end(EndReason::Ignored, seen.at(), page.position.ordinal),
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
            Ok(Step::End(_) | Step::Over(_)) | Err(SourceError::BadValue { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn count(&mut self, seen: &Seen<'_>, bytes: u64) {
        let records = seen.facts.records;
        let tally = &mut self.tally;
        tally.pages += 1;
        tally.records += records;
        self.call.ledger.bytes.fetch_add(bytes, Ordering::Relaxed);
        tally.empty_in_a_row = if records == 0 { tally.empty_in_a_row + 1 } else { 0 };
        if records > 0 {
            tally.full_in_a_row = if records * 2 >= tally.largest { tally.full_in_a_row + 1 } else { 0 };
            tally.largest = tally.largest.max(records);
            tally.last = records;
        }
        tally.promises_more = promises_more(seen.facts);
        self.totals.note(seen);
        if let Some((_, index)) = &self.expected_total
            && let Some(Some(value)) = seen.facts.values.get(*index)
        {
            tally.total = whole_number(value).or(tally.total);
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

    fn void_ahead(&mut self) {
        for page in &mut self.delivered {
            page.is_void = true;
        }
    }

    /// The resource ends. What was fetched ahead is void; when a page came empty behind a full one, it is looked at, since
    /// records in it would mean that this is not the end.
    fn begin_end(&mut self, reason: EndReason, place: Place, ordinal: u64) {
        self.void_ahead();
        self.call.ended.cancel();
        let is_odd = reason == EndReason::EmptyPage && self.tally.records > 0 && self.tally.last == self.tally.largest;
        if !is_odd {
            self.flights.clear();
        }
        if !is_odd || self.arrived.as_ref().is_some_and(|arrived| arrived.answer.is_err()) {
            self.arrived = None;
        }
        self.ending = Some(Ending { reason, place, ordinal });
    }

    fn end(mut self) -> Result<End, SourceError> {
        self.turn.end();
        let Some(Ending { reason, place, ordinal }) = self.ending.take() else { return Err(self.abandoned()) };
        let Tally { pages, records, read_again, ignored, total, farthest_void, .. } = self.tally;
        // The config ends it before the API does.
        let is_early = matches!(reason, EndReason::MaximumReached | EndReason::OutOfRange | EndReason::Ignored);
        if let Some((farthest, later)) = farthest_void
            && farthest > ordinal
            && !is_early
        {
            return Err(SourceError::RecordsPastEnd { place, later });
        }
        if !is_early && ignored == 0 {
            self.check_told(&place, records - read_again)?;
        }
        if let Some((path, _)) = self.expected_total
            && !is_early
        {
            let Some(total) = total else { return Err(SourceError::TotalMissing { place, path }) };
            let records = records - read_again;
            // Nobody knows how many records a skipped page had.
            let is_contradicted = if ignored > 0 { records > total } else { records != total };
            if is_contradicted {
                let path = Some(path);
                return Err(SourceError::TotalContradicted {
                    place,
                    unit: "records",
                    read: records,
                    total,
                    path,
                    declared: true,
                });
            }
        }
        let Sums { requests, bytes, ignored, server_time, partial_errors } = self.call.ledger.sums();
        let (total, copies) = (total.or(self.paginator.total_records()).or(self.totals.latest()), self.drift.copies());
        Ok(End { reason, pages, records, ignored, bytes, requests, total, server_time, copies, partial_errors })
    }

    /// Whether the totals that nobody declared are reached. Where only the name of one says so, and rows before a cursor are not asked for,
    /// it may well count these too.
    fn check_told(&self, place: &Place, read: u64) -> Result<(), SourceError> {
        let Some(told) = self.totals.beyond(read) else { return Ok(()) };
        let error = SourceError::TotalNotReached { place: place.clone(), of: told.shown(), read, total: told.total() };
        let asks_for_part = self.slice.cursor.as_ref().is_some_and(|cursor| cursor.range.start.is_some());
        if self.allows_drift || told.is_guess() && asks_for_part {
            let code = if self.allows_drift { WarningCode::DriftAccepted } else { WarningCode::TotalContradicted };
            self.client.warn_once(&self.call.template.resource, Warning::new(code, error.to_string()));
            return Ok(());
        }
        Err(error)
    }

    fn abandoned(&self) -> SourceError {
        SourceError::Abandoned { resource: self.call.template.resource.to_string(), page: self.tally.pages + 1 }
    }
}
