//! One exchange with a token endpoint, tried until it gives a token or nothing is left to try.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use reqwest::header::{HeaderMap, SET_COOKIE};

use crate::base::{RedactedUrl, Warning, WarningCode, time_after};
use crate::config::{AuthPlan, Carried, Grant};
use crate::source::SourceError;
use crate::source::answer::{is_throttle, wait_in_body, wait_in_headers};
use crate::source::attempt::{authority, is_lasting, location, no_answer};
use crate::source::auth::TokenFault;
use crate::source::auth::answer::{self, Nothing};
use crate::source::auth::fault::Advice;
use crate::source::auth::grant::{self, TokenRequest};
use crate::source::auth::keep::Kept;
use crate::source::auth::token::{Token, TokenSource};
use crate::source::body::{BodyFault, Received, receive, receive_start};
use crate::source::certificate::certificate_fault;
use crate::source::client::Bounds;
use crate::source::event::{SourceEvent, WaitReason};
use crate::source::reach::Reach;
use crate::source::retry::{Decision, Patience, Spent};
use crate::source::transport::{Answered, Kind, Request};

/// Largest answer of a token endpoint.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a refusal that are read to tell its reason.
const REASON_BYTES_MAX: usize = 8 << 10;
/// Longest time for one answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// How often, and how long each time, another process's lock is waited for.
const LOCK_WAITS_MAX: u32 = 60;
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Why an endpoint gave no token.
enum Trouble {
    /// Nothing that another attempt could mend.
    Final(TokenFault),
    /// It says no.
    Refused { status: u16, reason: String, headers: HeaderMap },
    /// It may say otherwise in a while.
    Passing { status: Option<u16>, why: String, patience: Option<Patience> },
}

impl TokenSource {
    /// Obtains a token and puts it into use.
    ///
    /// # Errors
    /// [`TokenFault`], after the retries are spent.
    pub(super) async fn obtain(&self, resource: &Arc<str>) -> Result<Arc<Token>, TokenFault> {
        let mut kept = match &self.plan.grant {
            // What a recording grants is no token of anyone.
            Grant::RefreshToken { .. } if !self.means.transport.is_live() => None,
            Grant::RefreshToken { refresh_token, file, .. } => {
                let kept = self.lock(resource, || Kept::open(file, refresh_token)).await?;
                self.learned.learn(kept.token());
                Some(kept)
            }
            Grant::ClientCredentials { .. } | Grant::Jwt(_) | Grant::Login(_) => None,
        };
        let (mut spent, mut may_correct) = (Spent::default(), matches!(self.plan.grant, Grant::Jwt(_)));
        loop {
            let request = self.request(kept.as_ref())?;
            spent.attempts += 1;
            let asked = tokio::select! {
                biased;
                () = self.means.cancel.cancelled() => return Err(TokenFault::Cancelled),
                asked = self.ask(&request, kept.as_mut()) => asked,
            };
            match asked {
                Ok(token) => return Ok(token),
                Err(Trouble::Final(fault)) => return Err(fault),
                Err(Trouble::Refused { status, reason, headers }) => {
                    if let Some(kept) = kept.as_mut().filter(|kept| !kept.is_cut_short()) {
                        kept.settle();
                    }
                    match self.skew(&headers).filter(|skew| may_correct && *skew != self.skew_seconds.load(Ordering::Relaxed)) {
                        Some(skew) => self.correct(resource, skew),
                        None => return Err(self.refused(status, reason, kept.as_ref())),
                    }
                    may_correct = false;
                }
                Err(Trouble::Passing { status, why, patience }) => {
                    self.wait(resource, &mut spent, (status, why), patience).await?;
                }
            }
        }
    }

    fn url(&self) -> RedactedUrl {
        RedactedUrl::new(grant::endpoint(&self.plan))
    }

    async fn lock(
        &self,
        resource: &Arc<str>,
        mut open: impl FnMut() -> Result<Option<Kept>, TokenFault>,
    ) -> Result<Kept, TokenFault> {
        for _ in 0..LOCK_WAITS_MAX {
            if let Some(kept) = open()? {
                return Ok(kept);
            }
            self.pause(resource, "another process renews the token".to_owned(), LOCK_WAIT).await?;
        }
        let file = match &self.plan.grant {
            Grant::RefreshToken { file, .. } => file.display().to_string(),
            Grant::ClientCredentials { .. } | Grant::Jwt(_) | Grant::Login(_) => String::new(),
        };
        Err(TokenFault::Locked { file })
    }

    fn request(&self, kept: Option<&Kept>) -> Result<TokenRequest, TokenFault> {
        let skew = TimeDelta::seconds(self.skew_seconds.load(Ordering::Relaxed));
        let now = self.means.clock.now() + skew;
        let request = grant::request(&self.plan, kept.map(Kept::token), now).map_err(|error| self.setup(&error))?;
        request.secrets.iter().for_each(|secret| self.learned.learn(secret));
        Ok(request)
    }

    fn setup(&self, error: &SourceError) -> TokenFault {
        TokenFault::Setup { url: self.url(), why: error.to_string() }
    }

    /// Sends `request` once.
    async fn ask(&self, request: &TokenRequest, mut kept: Option<&mut Kept>) -> Result<Arc<Token>, Trouble> {
        if let Some(kept) = kept.as_mut() {
            kept.begin().map_err(Trouble::Final)?;
        }
        let (status, headers, body) = self.send(request).await?;
        // No await from here on: whatever ends this task, a rotated token is kept before anything else happens.
        let granted = match answer::read(&self.plan, &headers, &body, self.means.clock.now()) {
            Ok(granted) => granted,
            Err(Nothing::Refused) => {
                return Err(Trouble::Refused { status, reason: self.reason(&body), headers });
            }
            Err(Nothing::Odd(what)) => return Err(Trouble::Final(TokenFault::Answer { url: self.url(), what })),
        };
        if let Some(kept) = kept {
            if let Some(token) = granted.refresh_token.as_ref().filter(|token| *token != kept.token()) {
                self.learned.learn(token);
                kept.replace(token).map_err(Trouble::Final)?;
            }
            kept.settle();
        }
        self.accept(granted).map_err(|_| {
            let what = "its token cannot be sent in a header".to_owned();
            Trouble::Final(TokenFault::Answer { url: self.url(), what })
        })
    }

    async fn send(&self, request: &TokenRequest) -> Result<(u16, HeaderMap, Bytes), Trouble> {
        let (means, url) = (&self.means, &request.url);
        let passing = |why, patience| Trouble::Passing { status: None, why, patience: Some(patience) };
        let auth = AuthPlan::Token(Box::new(self.plan.clone()));
        let is_trusted = Reach::new(&means.plan, url, Some(&auth)).trusts(url);
        let outgoing = Request {
            method: request.method.clone(),
            url: url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            timeout: ANSWER_TIME_MAX,
            is_trusted,
            is_for_token: true,
        };
        let started = means.clock.instant();
        let mut response = means.transport.send(outgoing).await.map_err(|source| {
            if source.kind() == Kind::Setup {
                return Trouble::Final(self.setup(&SourceError::Setup { source }));
            }
            if source.kind() == Kind::Unrecorded {
                return Trouble::Final(TokenFault::Unrecorded { url: self.url(), why: source.to_string() });
            }
            let late = means.clock.instant().duration_since(started) >= ANSWER_TIME_MAX;
            let why = no_answer(&authority(url), late, &source, &means.plan);
            if is_lasting(&source) {
                let why = certificate_fault(&source).map_or(why.clone(), |fault| format!("{why}; {}", fault.advice));
                return Trouble::Final(TokenFault::Setup { url: self.url(), why });
            }
            passing(why, Patience::Plan)
        })?;
        let status = response.status;
        if status.is_redirection() && !self.is_logged_in(&response.headers, url) {
            let to = location(&response.headers, url).map(|to| format!(" to `{}`", RedactedUrl::new(&to))).unwrap_or_default();
            let what = format!("it redirects{to}, which is not followed; write the right URL");
            return Err(Trouble::Final(TokenFault::Answer { url: self.url(), what }));
        }
        if !status.is_success() && !status.is_redirection() {
            return Err(self.failed(response).await);
        }
        let bounds = Bounds { body_bytes_max: ANSWER_BYTES_MAX, body_in_memory_max: ANSWER_BYTES_MAX, ..Bounds::default() };
        let Received { body, .. } = receive(&mut response, &bounds).await.map_err(|fault| match fault {
            BodyFault::Lost { received_bytes, .. } => {
                passing(format!("the answer broke off after {received_bytes} bytes"), Patience::Plan)
            }
            BodyFault::Damaged(packing, _) => passing(format!("the answer is damaged {}", packing.name()), Patience::Plan),
            BodyFault::Encoding(_) | BodyFault::TooLarge | BodyFault::Bomb { .. } | BodyFault::Spool(_) => {
                let what = "its answer is too large, or encoded in a way that was not asked for".to_owned();
                Trouble::Final(TokenFault::Answer { url: self.url(), what })
            }
        })?;
        Ok((status.as_u16(), response.headers, body))
    }

    /// Whether a login with cookies succeeded by leading on to another page, as forms do.
    fn is_logged_in(&self, headers: &HeaderMap, url: &url::Url) -> bool {
        self.plan.carried == Carried::Cookies
            && headers.contains_key(SET_COOKIE)
            && location(headers, url).is_some_and(|to| to.path() != url.path())
    }

    async fn failed(&self, mut response: Answered) -> Trouble {
        let body = receive_start(&mut response, REASON_BYTES_MAX).await;
        let (status, headers) = (response.status.as_u16(), response.headers);
        let reason = self.reason(&body);
        let now = self.means.clock.now();
        let in_body = || if is_throttle(status, &headers, &body) { wait_in_body(&body, &headers, now) } else { None };
        let told = wait_in_headers(&headers, now).or_else(in_body);
        let is_tried_again = self.means.plan.retry.statuses.contains(&status);
        let patience = match told {
            Some(wait) if is_tried_again || status == 403 => {
                Some(Patience::Told { wait, appointment: matches!(status, 403 | 429) })
            }
            _ => is_tried_again.then_some(Patience::Plan),
        };
        if patience.is_none() && status < 500 {
            return Trouble::Refused { status, reason, headers };
        }
        let said = if reason.is_empty() { String::new() } else { format!(", saying `{reason}`") };
        Trouble::Passing { status: Some(status), why: format!("answered {status}{said}"), patience }
    }

    fn reason(&self, body: &[u8]) -> String {
        let words = answer::reason(body);
        self.redactor.preview(words.as_deref().map_or(body, str::as_bytes))
    }

    fn refused(&self, status: u16, reason: String, kept: Option<&Kept>) -> TokenFault {
        let advice = match &self.plan.grant {
            Grant::ClientCredentials { .. } => Advice::Client,
            Grant::RefreshToken { .. } if kept.is_some_and(Kept::is_cut_short) => Advice::CutShort,
            Grant::RefreshToken { .. } => Advice::RefreshToken,
            Grant::Jwt(_) => Advice::Jwt,
            Grant::Login(_) => Advice::Login,
        };
        TokenFault::Refused { url: self.url(), status, reason, advice }
    }

    /// Takes the server's time for the assertions from here on.
    fn correct(&self, resource: &Arc<str>, skew: i64) {
        self.skew_seconds.store(skew, Ordering::Relaxed);
        let direction = if skew > 0 { "behind" } else { "ahead of" };
        let text = format!(
            "this machine's clock is {} s {direction} that of `{}`, by whose time the token is asked for again; set the clock",
            skew.abs(),
            self.url()
        );
        let warning = Warning::new(WarningCode::ClockSkew, text);
        (self.means.events)(SourceEvent::Warning { resource: Arc::clone(resource), warning });
    }

    async fn wait(
        &self,
        resource: &Arc<str>,
        spent: &mut Spent,
        (status, why): (Option<u16>, String),
        patience: Option<Patience>,
    ) -> Result<(), TokenFault> {
        let (url, attempts, plan) = (self.url(), spent.attempts, self.means.outage.plan(&self.means.plan.retry, false));
        let Some(patience) = patience else { return Err(TokenFault::Unavailable { url, why, attempts }) };
        match spent.decide(&plan, patience, self.means.clock.random()) {
            Decision::Wait(wait) => self.pause(resource, format!("token endpoint: {why}"), wait).await,
            Decision::TooLong(wait) => {
                Err(TokenFault::WaitTooLong { url, status: status.unwrap_or_default(), wait, max_wait: plan.max_wait })
            }
            Decision::GiveUp => Err(TokenFault::Unavailable { url, why, attempts }),
        }
    }

    async fn pause(&self, resource: &Arc<str>, after: String, wait: Duration) -> Result<(), TokenFault> {
        let until = time_after(self.means.clock.now(), wait);
        let why = WaitReason::Backoff { after };
        (self.means.events)(SourceEvent::Waiting { resource: Arc::clone(resource), why, wait, until });
        tokio::select! {
            biased;
            () = self.means.cancel.cancelled() => Err(TokenFault::Cancelled),
            () = self.means.clock.sleep(wait) => Ok(()),
        }
    }
}
