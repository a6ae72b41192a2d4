//! Tokens: one for all requests that have the same `auth`, obtained once however many wait for it.
//!
//! In: a [`TokenPlan`]. Out: a [`Token`] that is expected to be good, or the fault that nobody can get past in this run. A token is
//! renewed when 85 % of its life have passed, and when the API refuses it. The endpoint is asked with the same patience as the API; while
//! it lets wait, so do the requests. A final refusal stands for the rest of the run, so that the endpoint is never asked in a loop.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;
use url::{Origin, Url};

use crate::base::{Clock, Secret, Unjoined, task_point};
use crate::config::{AuthPlan, Carried, ClientPlan, Grant, TokenPlan};
use crate::source::SourceError;
use crate::source::auth::answer::{self, Granted};
use crate::source::auth::{TokenFault, grant, header_name, hidden};
use crate::source::event::Events;
use crate::source::preview::{Learned, Redactor};
use crate::source::retry::Outage;
use crate::source::transport::Transport;

/// The part of a token's life after which it is renewed.
const LIFE_USED: f64 = 0.85;
/// Seconds before its end at which a token is renewed at the latest, where its life is longer than twice that.
const MARGIN: Duration = Duration::from_secs(10);
/// A clock that differs less from the server's is taken to be right: `Date` has seconds, and an answer takes its time.
pub(super) const SKEW_MIN_SECONDS: i64 = 2;

/// What it takes to obtain tokens.
pub(crate) struct Means {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) plan: ClientPlan,
    pub(crate) outage: Arc<Outage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cancel: CancellationToken,
    pub(crate) events: Events,
}

/// The tokens of one client.
pub(crate) struct Tokens {
    means: Arc<Means>,
    sources: Mutex<Vec<Arc<TokenSource>>>,
}

impl Tokens {
    /// Without any token yet.
    pub(crate) fn new(means: Means) -> Self {
        Self { means: Arc::new(means), sources: Mutex::new(Vec::new()) }
    }

    /// The source of `plan`'s token; equal plans have the same one.
    ///
    /// # Errors
    /// [`SourceError::BadHeader`] when the token to start with cannot be sent.
    pub(crate) fn source(&self, plan: &TokenPlan) -> Result<Arc<TokenSource>, SourceError> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.iter().find(|source| source.plan == *plan) {
            return Ok(Arc::clone(source));
        }
        let source = Arc::new(TokenSource::new(plan, Arc::clone(&self.means))?);
        sources.push(Arc::clone(&source));
        Ok(source)
    }
}

/// A token as a request carries it.
pub(crate) struct Token {
    number: u64,
    header: (HeaderName, HeaderValue),
    /// The only origin that is given it; `None`: every trusted one.
    origin: Option<Origin>,
    obtained: Instant,
    renew_at: Option<Instant>,
}

impl Token {
    /// The header for a request to `url`.
    pub(super) fn header_for(&self, url: &Url) -> Option<&(HeaderName, HeaderValue)> {
        self.origin.as_ref().is_none_or(|origin| *origin == url.origin()).then_some(&self.header)
    }

    /// How old it is.
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.obtained)
    }
}

/// One plan's token and how it is renewed.
pub(crate) struct TokenSource {
    pub(super) plan: TokenPlan,
    pub(super) means: Arc<Means>,
    pub(super) redactor: Redactor,
    pub(super) learned: Arc<Learned>,
    /// Seconds that the server's clock is ahead of this machine's, as far as known.
    pub(super) skew_seconds: AtomicI64,
    current: Mutex<Option<Arc<Token>>>,
    /// Held by whoever obtains a token; inside, the fault that ended it for all.
    flight: tokio::sync::Mutex<Option<TokenFault>>,
    count: AtomicU64,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSource({})", crate::base::RedactedUrl::new(grant::endpoint(&self.plan)))
    }
}

impl TokenSource {
    fn new(plan: &TokenPlan, means: Arc<Means>) -> Result<Self, SourceError> {
        let learned = Arc::new(Learned::default());
        let source = Self {
            plan: plan.clone(),
            redactor: Redactor::of_auth(&AuthPlan::Token(Box::new(plan.clone()))),
            learned,
            means,
            skew_seconds: AtomicI64::new(0),
            current: Mutex::new(None),
            flight: tokio::sync::Mutex::new(None),
            count: AtomicU64::new(0),
        };
        if let Grant::ClientCredentials { access_token: Some(token), .. } = &plan.grant {
            let secrets = vec![token.clone()];
            source.accept(Granted { token: token.clone(), secrets, life: None, refresh_token: None })?;
        }
        Ok(source)
    }

    /// The token, obtained first where there is none or it is about to end.
    ///
    /// # Errors
    /// What keeps everyone from having it.
    pub(super) async fn token(self: &Arc<Self>, resource: &Arc<str>) -> Result<Arc<Token>, TokenFault> {
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let (source, resource) = (Arc::clone(self), Arc::clone(resource));
        // In a task of its own: a request that is given up must not take an answer with it that others wait for, or that is lost
        // for good, as a rotated refresh token is.
        let flight = tokio::spawn(async move {
            let mut ended = source.flight.lock().await;
            if let Some(token) = source.current() {
                return Ok(token);
            }
            if let Some(fault) = &*ended {
                return Err(fault.clone());
            }
            task_point("task.token");
            let obtained = source.obtain(&resource).await;
            if let Err(fault) = &obtained {
                *ended = Some(fault.clone());
            }
            obtained
        });
        flight.await.unwrap_or_else(|error| match error.into() {
            Unjoined::Panicked(panic) => Err(TokenFault::Panicked(panic)),
            Unjoined::Stopped => Err(TokenFault::Cancelled),
        })
    }

    /// Takes a token out of use that the API refused, unless that was done already. `headers` are those of the refusal.
    pub(super) fn reject(&self, token: &Token, headers: &HeaderMap) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|other| other.number == token.number) {
            *current = None;
        }
        if let (Grant::Jwt(_), Some(skew)) = (&self.plan.grant, self.skew(headers)) {
            self.skew_seconds.store(skew, Ordering::Relaxed);
        }
    }

    /// Whether no token was obtained after this one.
    pub(super) fn is_newest(&self, token: &Token) -> bool {
        token.number + 1 == self.count.load(Ordering::Relaxed)
    }

    /// Seconds that the server's clock is ahead by its `Date`; `None` when it tells none, or about the same time.
    pub(super) fn skew(&self, headers: &HeaderMap) -> Option<i64> {
        let skew = (answer::server_time(headers)? - self.means.clock.now()).num_seconds();
        (skew.abs() >= SKEW_MIN_SECONDS).then_some(skew)
    }

    /// Whether an answer tells that the token has expired.
    pub(super) fn is_sign_of_expiry(&self, status: u16, body: &[u8]) -> bool {
        answer::is_expired(&self.plan.expired_when, status, body)
    }

    fn current(&self) -> Option<Arc<Token>> {
        let now = self.means.clock.instant();
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone().filter(|token| token.renew_at.is_none_or(|at| now < at))
    }

    /// Puts what was granted into use.
    ///
    /// # Errors
    /// [`SourceError::BadHeader`] when it cannot be sent in a header.
    pub(super) fn accept(&self, granted: Granted) -> Result<Arc<Token>, SourceError> {
        granted.secrets.iter().for_each(|secret| self.learned.learn(secret));
        let (header, origin) = match &self.plan.carried {
            Carried::Header { name, prefix } => {
                let value = Secret::new(format!("{prefix}{}", granted.token.expose()));
                ((header_name(name)?, hidden(value.expose(), "the token")?), None)
            }
            Carried::Cookies => {
                let value = hidden(granted.token.expose(), "the cookie")?;
                ((reqwest::header::COOKIE, value), Some(grant::endpoint(&self.plan).origin()))
            }
        };
        let obtained = self.means.clock.instant();
        let life = granted.life.or(self.plan.default_life);
        let token = Arc::new(Token {
            number: self.count.fetch_add(1, Ordering::Relaxed),
            header,
            origin,
            obtained,
            renew_at: life.and_then(|life| obtained.checked_add(used(life))),
        });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
        Ok(token)
    }
}

/// The part of `life` for which a token is used.
fn used(life: Duration) -> Duration {
    let part = life.mul_f64(LIFE_USED);
    if life > MARGIN * 2 { part.min(life - MARGIN) } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_35_a_token_is_renewed_before_its_end() {
        let check = |life, expected| assert_eq!(used(Duration::from_secs(life)).as_secs_f64(), expected);
        check(3600, 3060.0);
        check(60, 50.0);
        check(20, 17.0);
        check(2, 1.7);
    }
}
