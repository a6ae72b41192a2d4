//! One chain of pages from its first to its end: requested, received, delivered. What each comes to is in `judge`, how it ends in `end`, and
//! whether the pages agree with that in `verdict`; whether it goes on from what an interrupted run has kept, in `control`.
//!
//! Pages are requested ahead where the paginator can guess their places, delivered in order, and judged in order once their
//! facts are in. At most `ahead` requests are under way, twice as many pages requested and not delivered, so that one slow
//! answer does not hold up the requests behind it, and `ahead` pages delivered and not judged.
//! A page fetched ahead that turns out void is discarded; a failure of a page fetched ahead counts only when its turn comes.

mod control;
mod end;
mod judge;
mod verdict;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::base::{ErrorKind, JsonPath, RedactedUrl};
use crate::config::{PaginatorPlan, ResourcePlan, Slot};
use crate::source::attempt::Answer;
use crate::source::client::{Call, Client, cancelled, lost_task};
use crate::source::drift::Drift;
use crate::source::error::Repeated;
use crate::source::flight::{Arrived, Delivered, Ending, Flight, Requests, Span, Tally, UnderWay};
use crate::source::kept::{Asked, KeptAnswer, KeptChain, keep_of};
use crate::source::page::{Delivery, Judge};
use crate::source::paginate::{
    AroundList, LookForTotals, Paginator, Position, Promises, Totals, Trail, allows_drift, cursor_slot, ends_by_flag,
    first_number, paginator,
};
use crate::source::request::Template;
use crate::source::{Chain, End, Page, PageFacts, Slice, SourceError, Turn};

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
    let kept = chain.kept;
    let call = Arc::new(Call { template, ledger: chain.ledger, ended: CancellationToken::new() });
    let mut paginator = paginator(&plan.endpoint.paginator, &plan.expect);
    if chain.slice.parents.is_empty() && chain.turn.is_first() {
        if client.bounds.reads_all_pages() {
            paginator.mind_short();
        }
        if chain.slice.cursor.as_ref().is_none_or(|cursor| cursor.range.start.is_none()) {
            paginator.mind_empty();
        }
    }
    let first = paginator.first();
    let kept = kept.map(|kept| kept.chain(&chain.slice, call.template.method, &call.template.page(1, &first)));
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
        first_number: first_number(&plan.endpoint.paginator),
        cursor_slot: cursor_slot(&plan.endpoint.paginator),
        plan: plan.endpoint.paginator.clone(),
        promises: Promises::default(),
        suggested: None,
        around_list: AroundList::new(&plan.endpoint.paginator, &plan.expect),
        paginator,
        flights: VecDeque::new(),
        under_way: Arc::new(Requests::behind(kept.as_ref().map_or(0, KeptChain::ticks))),
        arrived: None,
        delivered: VecDeque::new(),
        last_requested: None,
        records_seen: Trail::new(Repeated::Records),
        drift: Drift::new(&plan.endpoint.paginator, !plan.primary_key.is_empty()),
        tally: Tally::default(),
        ending: None,
        kept,
        keep: None,
        told_total: None,
        is_alone: plan.parents.is_empty() && plan.endpoint.incremental.as_ref().is_none_or(|plan| plan.step.is_none()),
    };
    fetch.control(&out).await?;
    fetch.request(1, first);
    fetch.run(out).await
}

struct Fetch {
    client: Arc<Client>,
    call: Arc<Call>,
    paginator: Box<dyn Paginator>,
    /// `expect.total` and its place among the values; behind it is what that total is to the true one.
    expected_total: Option<(JsonPath, usize)>,
    /// The totals that nobody declared.
    totals: Totals,
    /// Whether one of them may be missed.
    allows_drift: bool,
    /// Whether the config names the flag that ends the pages, so that no total does.
    ends_by_flag: bool,
    /// The number of the first page, where pages are numbered.
    first_number: Option<u64>,
    /// Where the config has a cursor go.
    cursor_slot: Option<Slot>,
    /// The paginator, as the config has it.
    plan: PaginatorPlan,
    /// What the pages tell of others.
    promises: Promises,
    /// The paginator that a page with signs of more speaks for.
    suggested: Option<PaginatorPlan>,
    /// Whether one record may be an object around the list of them.
    around_list: AroundList,
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
    /// What was kept of it by an interrupted run, and where its answers are kept.
    kept: Option<KeptChain>,
    /// What is to be written of the page that was judged last.
    keep: Option<KeptAnswer>,
    /// Whether it is the only chain of its resource.
    is_alone: bool,
    /// The total that was told to whoever watches.
    told_total: Option<u64>,
}

/// What stands around a body.
struct Received {
    url: Url,
    headers: HeaderMap,
    is_part: bool,
}

enum Happened {
    Cancelled,
    Facts(Option<PageFacts>),
    Room(mpsc::OwnedPermit<Delivery>),
    Closed,
    Landed(Span, Result<Answer, SourceError>),
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
                if let Some(Arrived { number, position, answer: Err(error), .. }) = self.arrived.take() {
                    self.refuse(number, &position, error)?;
                }
                continue;
            }
            match self.wait(&out).await {
                Happened::Cancelled => return Err(cancelled(&self.call)),
                Happened::Facts(None) | Happened::Closed => return Err(self.abandoned()),
                Happened::Facts(Some(facts)) => {
                    self.take_turn(&facts).await?;
                    let before = self.tally.pages;
                    self.judge(&facts)?;
                    let counts = self.tally.pages > before && facts.records > 0;
                    let records = counts.then_some(facts.records_hash);
                    self.keep = self.keep.take().map(|answer| answer.came_to(records, self.ending.is_some()));
                    // Of a resource of one page, it is as soon asked for again.
                    self.keep = self.keep.take().filter(|answer| !(self.is_alone && answer.is_all()));
                    self.keep().await;
                }
                Happened::Room(permit) => self.deliver(permit),
                Happened::Landed(span, answer) => self.land(span, answer),
                Happened::Answered => {}
            }
        }
    }

    async fn wait(&mut self, out: &mpsc::Sender<Delivery>) -> Happened {
        let Self { client, flights, under_way, arrived, delivered, window, .. } = self;
        let has_answer = arrived.as_ref().is_some_and(|arrived| arrived.answer.is_ok());
        let may_deliver = has_answer && delivered.len() < *window;
        let may_land = arrived.is_none();
        debug_assert!(!delivered.is_empty() || may_deliver || !flights.is_empty(), "a fetch has something to wait for");
        tokio::select! {
            biased;
            () = client.cancel.cancelled() => Happened::Cancelled,
            Some(facts) = async { match delivered.front_mut() { Some(front) => Some((&mut front.facts).await.ok()), None => None } } => {
                Happened::Facts(facts)
            }
            room = out.clone().reserve_owned(), if may_deliver => room.map_or(Happened::Closed, Happened::Room),
            Some(answer) = async { match flights.front_mut() { Some(front) => Some((&mut front.answer).await), None => None } }, if may_land => {
                let lost = |error| (Span::default(), Err(lost_task(&self.call.template.resource, error)));
                let (span, answer) = answer.unwrap_or_else(|error: tokio::task::JoinError| lost(error.into()));
                Happened::Landed(span, answer)
            }
            () = under_way.answered.notified(), if !flights.is_empty() => Happened::Answered,
            else => Happened::Closed,
        }
    }

    fn request(&mut self, number: u64, position: Position) {
        let (client, call) = (Arc::clone(&self.client), Arc::clone(&self.call));
        let mut request = call.template.page(number, &position);
        request.may_fail = self.paginator.is_trial() || self.total_stands();
        let is_behind_api = self.waits_for_api();
        let asked = self.kept.as_mut().map(|kept| kept.ask(&request, is_behind_api));
        let kept = self.kept.as_ref().map(KeptChain::log).zip(asked.and_then(|asked| asked.kept_at));
        let (under_way, requests) = (UnderWay::begin(&self.under_way), Arc::clone(&self.under_way));
        let sent = requests.tick();
        let answer = AbortOnDropHandle::new(tokio::spawn(async move {
            let _under_way = under_way;
            if let Some(kept) = kept {
                return client.kept_page(&call, &request, kept).await;
            }
            let answer = client.page(&call, &request).await;
            (Span { sent, answered: requests.tick() }, answer)
        }));
        self.last_requested = Some((number, position.clone()));
        self.flights.push_back(Flight { number, position, sent, asked, answer });
    }

    /// Whether a page that may count was asked of the API and is not judged.
    fn waits_for_api(&self) -> bool {
        let is_of_api = |asked: &Option<Asked>| asked.is_some_and(|asked| asked.kept_at.is_none());
        self.flights.iter().any(|flight| is_of_api(&flight.asked))
            || self.arrived.iter().any(|arrived| is_of_api(&arrived.asked))
            || self.delivered.iter().any(|page| !page.is_void && is_of_api(&page.asked))
    }

    /// Has what is to be kept written.
    async fn keep(&mut self) {
        if let Some((answer, kept)) = self.keep.take().zip(self.kept.as_ref().map(KeptChain::log)) {
            tokio::select! {
                biased;
                () = self.client.cancel.cancelled() => {}
                () = kept.keep(answer) => {}
            }
        }
    }

    fn request_ahead(&mut self) {
        while self.ending.is_none()
            && self.may_run_ahead()
            && !self.kept.as_ref().is_some_and(KeptChain::is_given_out)
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
        // Of a page of so many rows a filter may leave fewer, which only costs time.
        let wanted = self.tally.wanted.map(|rows| rows.div_ceil(self.tally.largest.max(1)).max(1));
        let allowed = wanted.map_or(allowed, |wanted| allowed.min(wanted));
        self.last_requested.as_ref().is_some_and(|(number, _)| number.saturating_sub(self.tally.judged) < allowed)
    }

    fn land(&mut self, span: Span, answer: Result<Answer, SourceError>) {
        let Some(flight) = self.flights.pop_front() else { return };
        if self.ending.is_some() && answer.as_ref().is_err_and(|error| error.kind() != ErrorKind::Internal) {
            // Behind the end, a refusal is as good as an empty page; a defect is one anywhere.
            return;
        }
        self.arrived = Some(Arrived { number: flight.number, position: flight.position, span, asked: flight.asked, answer });
    }

    fn deliver(&mut self, permit: mpsc::OwnedPermit<Delivery>) {
        let Some(Arrived { number, position, span, asked, answer: Ok(answer) }) = self.arrived.take() else { return };
        let template = &self.call.template;
        let is_kept = asked.is_none_or(|asked| asked.kept_at.is_some());
        let keeps = self.kept.as_ref().filter(|kept| !is_kept && !kept.is_over());
        let keep = keeps.and_then(|kept| {
            let began = Instant::now();
            let asked_at = template.page(number, &position).url;
            let keep = keep_of(&answer, (&position.place, &asked_at), &template.redactor);
            kept.log().spend(began.elapsed());
            keep
        });
        let (facts_in, facts) = oneshot::channel();
        let (verdict, verdict_out) = oneshot::channel();
        let skipped = answer.skipped.clone();
        let (page, Received { url, headers, is_part }) =
            self.page(number, answer, asked.is_some_and(|asked| asked.kept_at.is_some()));
        let bytes = page.body_bytes();
        if skipped.is_none() {
            permit.send(Delivery { page, judge: Judge { facts: facts_in, verdict: verdict_out } });
        } else {
            // The other end is a few lines away.
            let _ = facts_in.send(PageFacts { is_unreadable: true, ..PageFacts::default() });
        }
        let is_void = self.ending.is_some();
        self.delivered.push_back(Delivered {
            number,
            position,
            span,
            url,
            headers,
            is_part,
            bytes,
            asked,
            keep,
            skipped,
            is_void,
            facts,
            verdict,
        });
    }

    /// An answer as the page that a reader is given, and the rest of it.
    fn page(&self, number: u64, answer: Answer, is_kept: bool) -> (Page, Received) {
        let Answer { url, headers, is_part, body, spooled, .. } = answer;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
        let page = Page {
            resource: Arc::clone(&self.call.template.resource),
            number,
            url: RedactedUrl::new(&url),
            body,
            spooled: spooled.map(Arc::new),
            slice: Arc::clone(&self.slice),
            redactor: Arc::clone(&self.call.template.redactor),
            content_type,
            server_time: self.call.ledger.server_time.get(),
            is_kept,
        };
        (page, Received { url, headers, is_part })
    }
}
