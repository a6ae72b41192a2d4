//! The client of one API: its connections, its gate, and one request tried until it succeeds or nothing is left to try.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use tokio_util::sync::CancellationToken;

use crate::base::{Clock, RedactedUrl, Unjoined, Warning, WarningCode, instant_after, task_point, time_after};
use crate::config::ClientPlan;
use crate::source::answer::wait_in_headers;
use crate::source::attempt::{Answer, Failure, is_lasting};
use crate::source::auth::{Bearing, Means, Tokens};
use crate::source::error::Place;
use crate::source::event::{Events, SourceEvent, WaitReason};
use crate::source::pace::{Gate, Held, Permits, told_limits};
use crate::source::request::{PageRequest, Template};
use crate::source::retry::{Decision, Outage, Patience, Spent};
use crate::source::server_time::SkewWatch;
use crate::source::transport::Transport;
use crate::source::{Ledger, SourceError};

/// Different things that are told once.
const TOLD_MAX: usize = 1000;

/// Bounds of one page that nobody needs to set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Body bytes, decompressed.
    pub(super) body_bytes_max: u64,
    /// Body bytes, packed or not, that are kept in memory; a larger body is in a file.
    pub(super) body_in_memory_max: u64,
    /// Bytes of a body that has to be in memory all the same: what reads it cannot read it piece by piece.
    pub(super) body_whole_max: u64,
    /// Bytes of an unpacked body past which its ratio to the packed one counts.
    pub(super) bomb_bytes_min: u64,
    /// Pages requested of a resource, which then ends as if its maximum were reached.
    pub(super) pages_max: u64,
}

impl Bounds {
    /// Whether pages are read to their end, and not only looked into.
    pub(super) fn reads_all_pages(&self) -> bool {
        self.pages_max == u64::MAX
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes_max: 16 << 30,
            body_in_memory_max: 64 << 20,
            body_whole_max: 1 << 30,
            bomb_bytes_min: 1 << 30,
            pages_max: u64::MAX,
        }
    }
}

/// What all resources of a client share.
pub(super) struct Client {
    pub(super) transport: Arc<dyn Transport>,
    /// The tokens of all `auth`s that have one.
    pub(super) tokens: Tokens,
    pub(super) plan: ClientPlan,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cancel: CancellationToken,
    pub(super) bounds: Bounds,
    events: Events,
    /// How many requests may be in flight.
    pub(super) permits: Permits,
    gate: Gate,
    skew: SkewWatch,
    outage: Arc<Outage>,
    /// Whether any answer has come.
    has_answered: AtomicBool,
    /// What was told once: one entry for each resource and rule of the config, or kind of warning.
    told: Mutex<HashSet<(Arc<str>, String)>>,
}

/// What the requests of one fetch share.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) template: Template,
    /// What they come to.
    pub(super) ledger: Arc<Ledger>,
    /// Set once the resource has ended: requests behind the end finish or fail, but wait no more.
    pub(super) ended: CancellationToken,
}

impl Client {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        plan: &ClientPlan,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
        events: Events,
        bounds: Bounds,
    ) -> Self {
        let mut plan = plan.clone();
        if !bounds.reads_all_pages() {
            plan.retry = plan.retry.brief();
        }
        let outage = Arc::new(Outage::default());
        let means = Means {
            transport: Arc::clone(&transport),
            plan: plan.clone(),
            outage: Arc::clone(&outage),
            clock: Arc::clone(&clock),
            cancel: cancel.clone(),
            events: Arc::clone(&events),
        };
        Self {
            transport,
            tokens: Tokens::new(means),
            permits: Permits::new(plan.concurrency),
            gate: Gate::new(&plan.rate_limits),
            plan,
            clock,
            cancel,
            bounds,
            events,
            skew: SkewWatch::default(),
            outage,
            has_answered: AtomicBool::new(false),
            told: Mutex::default(),
        }
    }

    /// Learns from an answer of `call` the server's time and, from the API's own hosts, how many requests are left.
    pub(super) fn note(&self, call: &Call, headers: &HeaderMap, trusted: bool) {
        self.has_answered.store(true, Ordering::Relaxed);
        if trusted {
            let told = told_limits(headers, self.clock.now());
            self.gate.heed(self.clock.instant(), &told, self.permits.allowed());
        }
        call.ledger.server_time.note(headers);
        if let Some(text) = self.skew.warning(headers, self.clock.now()) {
            let warning = Warning::new(WarningCode::ClockSkew, text);
            self.tell(SourceEvent::Warning { resource: Arc::clone(&call.template.resource), warning });
        }
    }

    /// Whether any answer has come.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    /// Tells a warning about `resource`, unless it was told one in the same words but for numbers: it may have many chains.
    pub(super) fn warn_once(&self, resource: &Arc<str>, warning: Warning) {
        let words: String = warning.text.chars().filter(|c| !c.is_ascii_digit()).collect();
        self.tell_first(resource, &words, warning);
    }

    /// Tells a warning about `resource` the first time that there is one of this `key`.
    pub(super) fn tell_first(&self, resource: &Arc<str>, key: &str, warning: Warning) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.len() < TOLD_MAX && told.insert((Arc::clone(resource), key.to_owned()));
        drop(told);
        if is_news {
            self.tell(SourceEvent::Warning { resource: Arc::clone(resource), warning });
        }
    }

    /// Tells `event`.
    pub(super) fn tell(&self, event: SourceEvent) {
        (self.events)(event);
    }

    /// Sends `request` until it succeeds.
    ///
    /// # Errors
    /// What the last attempt failed with, or [`SourceError::Cancelled`].
    pub(super) async fn page(&self, call: &Call, request: &PageRequest) -> Result<Answer, SourceError> {
        task_point("task.request");
        let (mut spent, mut bearing) = (Spent::default(), Bearing::default());
        let (mut free_retry, mut may_ask) = (true, true);
        loop {
            let failure = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(cancelled(call)),
                tried = self.try_once(call, request, &mut spent, &mut bearing) => match tried? {
                    Ok(answer) => {
                        self.outage.end();
                        return Ok(answer);
                    }
                    Err(failure) => failure,
                },
            };
            if failure.is_stale_connection() && std::mem::take(&mut free_retry) && self.plan.retry.max_retries != Some(0) {
                continue;
            }
            let place = place(call, request);
            if std::mem::take(&mut may_ask)
                && let Some(why) = self.wrong_scheme(&request.url, &failure).await
            {
                return Err(failure.told_as(why, place, &spent, &self.plan));
            }
            if let Failure::Expired { status, headers, preview } = failure {
                call.template
                    .credentials
                    .renew(&mut bearing, &headers, self.clock.instant())
                    .map_err(|age| SourceError::TokenRefused { place, status, age, preview })?;
                continue;
            }
            let Some(patience) = self.patience(&failure) else { return Err(failure.into_error(place, &spent, &self.plan)) };
            let raw_wait = if let Patience::Told { wait, .. } = patience { Some(wait) } else { None };
            let retry = self.outage.plan(&self.plan.retry, request.may_fail);
            match spent.decide(&retry, patience, self.clock.random()) {
                Decision::Wait(wait) => {
                    let why = match patience {
                        Patience::Told { .. } => WaitReason::Told { status: failure.status().unwrap_or_default() },
                        Patience::Plan | Patience::Once => WaitReason::Backoff { after: failure.words(&place, &self.plan) },
                    };
                    if matches!(patience, Patience::Told { appointment: true, .. }) || failure.is_throttle() {
                        let until = instant_after(self.clock.instant(), raw_wait.unwrap_or(wait));
                        self.gate.hold(until, WaitReason::HeldBack);
                    }
                    tracing::debug!(resource = &*call.template.resource, page = request.number, attempts = %spent.tried(), ?wait, %why, "tried again");
                    self.pause(call, why, wait).await?;
                }
                Decision::TooLong(wait) => {
                    let why = format!("answered {} and asks", failure.status().unwrap_or_default());
                    return Err(self.too_long(place, why, wait));
                }
                Decision::GiveUp => {
                    if patience == Patience::Plan && !request.may_fail {
                        self.outage.begin();
                    }
                    return Err(failure.into_error(place, &spent, &self.plan));
                }
            }
        }
    }

    /// One attempt, after the gate has let it through. The outer result is the end, the inner one this attempt's.
    async fn try_once(
        &self,
        call: &Call,
        request: &PageRequest,
        spent: &mut Spent,
        bearing: &mut Bearing,
    ) -> Result<Result<Answer, Failure>, SourceError> {
        let Some(permit) = self.permits.acquire().await else { return Err(cancelled(call)) };
        let now = self.clock.instant();
        self.pass(call, now, self.gate.book(now)).await?;
        loop {
            let now = self.clock.instant();
            let Some(mut held) = self.gate.held(now) else { break };
            let wait = held.until.saturating_duration_since(now);
            if wait > self.plan.retry.max_wait {
                return Err(self.too_long(
                    place(call, request),
                    "the API's limit of requests is used up, and it is".to_owned(),
                    wait,
                ));
            }
            // Not all at once when the wait is over.
            held.until += jitter(wait, self.clock.random());
            self.pass(call, now, held).await?;
        }
        call.template.credentials.take(bearing, &call.template.resource).await?;
        spent.attempts += 1;
        call.ledger.count_request();
        let started = self.clock.instant();
        let tried = self.attempt(call, request, bearing).await;
        spent.note_attempt(self.clock.instant().duration_since(started));
        match &tried {
            Ok(_) => permit.succeed(),
            Err(failure) if failure.is_throttle() => permit.halve(),
            Err(_) => {}
        }
        Ok(tried)
    }

    fn too_long(&self, place: Place, why: String, wait: Duration) -> SourceError {
        let resets = time_after(self.clock.now(), wait);
        SourceError::WaitTooLong { place, why, wait, max_wait: self.plan.retry.max_wait, resets }
    }

    async fn pass(&self, call: &Call, now: Instant, held: Held) -> Result<(), SourceError> {
        let wait = held.until.saturating_duration_since(now);
        if wait.is_zero() { Ok(()) } else { self.pause(call, held.why, wait).await }
    }

    async fn pause(&self, call: &Call, why: WaitReason, wait: Duration) -> Result<(), SourceError> {
        let resource = Arc::clone(&call.template.resource);
        self.tell(SourceEvent::Waiting { resource, why, wait, until: time_after(self.clock.now(), wait) });
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(cancelled(call)),
            () = call.ended.cancelled() => Err(cancelled(call)),
            () = self.clock.sleep(wait) => Ok(()),
        }
    }

    /// The wait that a failed answer tells: `Retry-After`, or `in_body`, or for a throttle the reset of a limit that is used up.
    fn told(&self, headers: &HeaderMap, is_throttle: bool, in_body: Option<Duration>) -> Option<Duration> {
        let now = self.clock.now();
        let reset = || told_limits(headers, now).iter().filter(|told| told.remaining == 0).map(|told| told.reset).max();
        wait_in_headers(headers, now).or(in_body).or_else(|| if is_throttle { reset() } else { None })
    }

    /// How far a failure may be tried again; `None` when it is final.
    fn patience(&self, failure: &Failure) -> Option<Patience> {
        match failure {
            Failure::Final(_) | Failure::Expired { .. } => None,
            Failure::Status { status, headers, is_throttle, told, .. } => {
                let retried = &self.plan.retry.statuses;
                // A throttle is tried again wherever a 429 is.
                let is_retried = retried.contains(status) || *is_throttle && retried.contains(&429);
                if !is_retried {
                    return None;
                }
                let appointment = *is_throttle && *status != 503;
                let told = self.told(headers, *is_throttle, *told);
                Some(told.map_or(Patience::Plan, |wait| Patience::Told { wait, appointment }))
            }
            Failure::Again { headers, is_throttle, told, wait, .. } => {
                let told = self.told(headers, *is_throttle, *told).or(*wait);
                Some(told.map_or(Patience::Plan, |wait| Patience::Told { wait, appointment: *is_throttle }))
            }
            Failure::NoAnswer { source, .. } if is_lasting(source) => Some(Patience::Once),
            Failure::NoAnswer { .. } | Failure::Lost { .. } | Failure::Damaged(..) => Some(Patience::Plan),
            Failure::Instead { .. } => Some(Patience::Once),
            Failure::Empty { status } => (*status != 204).then_some(Patience::Once),
        }
    }
}

/// What is added to a wait of many, at most a tenth of it and a second. `random` is uniform over all `u64`.
fn jitter(wait: Duration, random: u64) -> Duration {
    (wait / 10).min(Duration::from_secs(1)).mul_f64(random as f64 / u64::MAX as f64)
}

/// Where a request goes, for messages.
pub(super) fn place(call: &Call, request: &PageRequest) -> Place {
    Place { resource: call.template.resource.to_string(), page: request.number, url: RedactedUrl::new(&request.url) }
}

/// The error of a cancelled fetch.
pub(super) fn cancelled(call: &Call) -> SourceError {
    SourceError::Cancelled { resource: call.template.resource.to_string() }
}

/// The error of a resource of which a task has no result.
pub(super) fn lost_task(resource: &str, why: Unjoined) -> SourceError {
    match why {
        Unjoined::Panicked(panic) => SourceError::Panicked { resource: resource.to_owned(), panic },
        Unjoined::Stopped => SourceError::Cancelled { resource: resource.to_owned() },
    }
}
